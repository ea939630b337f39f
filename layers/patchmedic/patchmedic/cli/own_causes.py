"""``patchmedic causes check``, and own causes for the commands that classify or explain.

Here: what these commands print about files of own causes.  Not here: what such files may say
(``causes.own``).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from patchmedic.causes.catalogue import Catalogue, load_catalogue
from patchmedic.causes.own import OwnCauses, OwnCausesUnreadable, merge
from patchmedic.cli.account import open_own_causes
from patchmedic.incident import Incident
from patchmedic.own_causes import SUFFIX, read_folder
from patchmedic.stages.own_causes import catalogue_with as catalogue_with_record

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
OPTION = click.option(
    "--causes", "own_folder", type=FOLDER, help="Folder with files of your own causes."
)


def catalogue_with(folder: Path | None) -> Catalogue:
    """The catalogue with the own causes of a folder; says on stderr what of it is not in force."""
    builtin = load_catalogue()
    if folder is None:
        return builtin
    own, problems = read_folder(folder, builtin)
    for problem in problems:
        click.echo(f"patchmedic: not in force: {problem}", err=True)
    return merge(builtin, own)


def catalogue_of(incident: Incident, stack: str, table_name: str | None) -> Catalogue:
    """The catalogue that has the incident's cause: with the stack's own causes if it needs them."""
    builtin = load_catalogue()
    if incident.cause in builtin.causes and "+" not in incident.catalogue_version:
        return builtin
    record = open_own_causes(stack, table_name).load()
    try:
        return catalogue_with_record(record, builtin) if record else builtin
    except OwnCausesUnreadable as error:
        click.echo(f"patchmedic: without the stack's own causes: {error}", err=True)
        return builtin


@click.command()
@click.argument("folder", type=FOLDER)
def check(folder: Path) -> None:
    """Check files of your own causes before you upload them.

    Prints one line for each thing that is wrong, with file and line, and then what would be in
    force.  Exit code 1 when a file is wrong.

    \b
    Example:
      patchmedic causes check our-causes
    """
    if not any(folder.glob(f"*{SUFFIX}")):
        raise click.ClickException(f"there is no file *{SUFFIX} in {folder}: nothing to check")
    builtin = load_catalogue()
    own, problems = read_folder(folder, builtin)
    for problem in problems:
        click.echo(problem)
    for line in _in_force(own, builtin):
        click.echo(line)
    if problems:
        sys.exit(1)


def _in_force(own: OwnCauses, builtin: Catalogue) -> list[str]:
    lines = []
    for cause in own.causes:
        known = builtin.causes.get(cause.id)
        if known is None:
            what = "a new cause"
        elif cause.signatures[: len(known.signatures)] == known.signatures:
            what = "extends the built-in cause"
        else:
            what = "replaces the built-in cause"
        lines.append(f"{cause.id}: {what}")
    if own.noise:
        lines.append(f"noise: {', '.join(each.name for each in own.noise)}")
    lines += [f"{cause_id}: as built in, but without remedies" for cause_id in own.withheld]
    return lines


class CausesCommand(click.Command):
    """``patchmedic causes [ID]`` that also knows ``patchmedic causes check FOLDER``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Hand over to ``check`` when that is the first word: no cause has this id."""
        if args[:1] != [check.name]:
            return super().parse_args(ctx, args)
        ctx.command = check
        ctx.info_name = f"{ctx.info_name} {check.name}"
        return check.parse_args(ctx, args[1:])

    def format_options(self, ctx: click.Context, formatter: Any) -> None:
        """The options, and the one command below this one."""
        super().format_options(ctx, formatter)
        with formatter.section("Commands"):
            formatter.write_dl([(f"{check.name} FOLDER", check.get_short_help_str())])
