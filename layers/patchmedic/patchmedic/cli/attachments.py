"""``patchmedic attachments``: the files that were kept with an incident.

Here: listing them and writing them to a folder.  Not here: what is kept and why
(``checks.aws.console``), where it lies (``store``).
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import click

from patchmedic.cli.account import open_store
from patchmedic.cli.cloud import STACK
from patchmedic.cli.common import EXIT_NOT_FOUND, echo_json, fail
from patchmedic.ports import Attachment

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,99}")
"""What PatchMedic calls its files.  Anything else in the table is not written to a disk."""


@click.command("attachments")
@click.argument("incident_id")
@click.option(
    "--save",
    "folder",
    type=click.Path(exists=True, file_okay=False, writable=True, path_type=Path),
    help="Folder to write them to, each as INCIDENT-NAME.",
)
@click.option("--json", "as_json", is_flag=True, help="JSON instead of text.")
@click.option("--table", "table_name", help="DynamoDB table; default: the stack's, by its output.")
@click.option("--stack", default=STACK, show_default=True, help="Name of the stack.")
def command(
    incident_id: str, folder: Path | None, as_json: bool, table_name: str | None, stack: str
) -> None:
    """List the files kept with an incident, or save them.  Uses your AWS credentials and Region.

    Where a boot went wrong, that is the end of the instance's console output, without the secrets
    that could be recognised, and a screenshot of the console.  A screenshot shows whatever was on
    the screen: handle it accordingly.

    \b
    Examples:
      patchmedic attachments pm-0123456789abcdef
      patchmedic attachments pm-0123456789abcdef --save .
    """
    store = open_store(stack, table_name)
    found = store.attachments(incident_id)
    if not found and store.load(incident_id) is None:
        fail(f"there is no incident {incident_id}", EXIT_NOT_FOUND)
    saved = {a.name: _save(folder, incident_id, a) for a in found} if folder else {}
    if as_json:
        echo_json([_plain(a, saved.get(a.name)) for a in found])
    else:
        _print(incident_id, found, saved)


def _plain(attachment: Attachment, path: Path | None) -> dict[str, object]:
    plain: dict[str, object] = {
        "name": attachment.name,
        "media_type": attachment.media_type,
        "bytes": len(attachment.content),
        "taken_at": attachment.taken_at.isoformat(),
    }
    return {**plain, "saved": str(path)} if path else plain


def _print(incident_id: str, found: Sequence[Attachment], saved: dict[str, Path]) -> None:
    if not found:
        click.echo(f"no files were kept with {incident_id}")
    for attachment in found:
        path = saved.get(attachment.name)
        click.echo(
            f"{attachment.name}  {attachment.media_type}  {len(attachment.content)} bytes  "
            f"{attachment.taken_at:%Y-%m-%d %H:%M:%S} UTC" + (f"  -> {path}" if path else "")
        )


def _save(folder: Path, incident_id: str, attachment: Attachment) -> Path:
    """Write one file, readable for its owner alone; a file that is there is never written over."""
    name = f"{incident_id}-{attachment.name}"
    if not _NAME.fullmatch(name):
        raise click.ClickException(f"{attachment.name!r} is no name of a file that PatchMedic kept")
    path = folder / name
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise click.ClickException(f"{path} exists; move it away or save elsewhere") from error
    with os.fdopen(handle, "wb") as file:
        file.write(attachment.content)
    return path
