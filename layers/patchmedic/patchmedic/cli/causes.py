"""``patchmedic causes``: everything that can go wrong, and all that is known about one of them.

Here: the command, and a ``Page`` (``explain``) as lines of a terminal.  Not here: what is said.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import msgspec
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text as Styled

from patchmedic.causes.catalogue import Catalogue
from patchmedic.causes.hresults import explain
from patchmedic.causes.schema import PLATFORMS, Cause
from patchmedic.cli import own_causes, tables
from patchmedic.cli.common import EXIT_NOT_FOUND, LANGUAGE, fail
from patchmedic.cli.explain import (
    Block,
    Bullets,
    Explainer,
    Heading,
    Lines,
    Page,
    Paragraph,
    Ref,
    Spans,
    platforms_of,
)
from patchmedic.notices.text import wrap
from patchmedic.remedies import load_remedies

WIDTH_OF_LIST = 240
"""Of the list in a file or a pipe: wide enough for a cause to stay on one line."""
_DEEP = "    "


@click.command("causes", cls=own_causes.CausesCommand)
@click.argument("cause_id", required=False)
@click.option("--json", "as_json", is_flag=True, help="JSON instead of text.")
@own_causes.OPTION
@LANGUAGE
def command(cause_id: str | None, as_json: bool, own_folder: Path | None, lang: str) -> None:
    """List what can go wrong, or explain one cause.

    The list has each cause's id, what it is about, where it occurs and the remedies that PatchMedic
    may run.  A cause's page says what it means, what to do, how it shows, what looks like it, how
    PatchMedic makes sure, and what it may do.

    \b
    Examples:
      patchmedic causes
      patchmedic causes s3-unreachable --lang ja
      patchmedic causes disk-full --json
    """
    catalogue = own_causes.catalogue_with(own_folder)
    if cause_id is not None and cause_id not in catalogue.causes:
        near = difflib.get_close_matches(cause_id, catalogue.causes, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        fail(
            f"there is no cause {cause_id!r}; {hint}`patchmedic causes` lists them", EXIT_NOT_FOUND
        )
    if as_json:
        chosen = [catalogue.causes[cause_id]] if cause_id else catalogue.causes.values()
        plain = [_plain(cause, catalogue) for cause in chosen]
        click.echo(json.dumps(plain[0] if cause_id else plain, ensure_ascii=False, indent=2))
    elif cause_id is None:
        _console_of_list().print(_table(catalogue.causes.values(), lang))
    else:
        page = Explainer(catalogue, load_remedies(), lang).page(catalogue.causes[cause_id])
        for line in page_lines(page, lang):
            click.echo(line)


def _plain(cause: Cause, catalogue: Catalogue) -> dict[str, Any]:
    """A cause as its file says it, with what follows from the rest."""
    plain: dict[str, Any] = msgspec.to_builtins(cause)
    plain["platforms"] = list(platforms_of(cause))
    plain["explained_by"] = [e.id for e in catalogue.causes.values() if cause.id in e.explains]
    plain["hresults"] = [_plain_hresult(each) for each in plain["hresults"]]
    return plain


def _plain_hresult(hint: Mapping[str, Any]) -> dict[str, Any]:
    known = explain(hint["first"])
    single = hint["first"] == hint["last"]
    return {
        "code": known.hexadecimal if single else f"{known.hexadecimal}-0x{hint['last']:08X}",
        "symbol": known.symbol if single else known.facility,
        "meaning": dict(known.meaning) if single else None,
        "weight": hint["weight"],
    }


# --- the list -------------------------------------------------------------------------------------


def _console_of_list() -> Console:
    console = tables.console()
    return console if console.is_terminal else Console(highlight=False, width=WIDTH_OF_LIST)


def _table(causes: Iterable[Cause], language: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, padding=(0, 1))
    table.add_column("cause", no_wrap=True)
    for heading in ("what it is", "group", "platforms", "remedies"):
        table.add_column(heading, overflow="fold")
    for cause in causes:
        platforms = platforms_of(cause)
        where = "all" if len(platforms) == len(PLATFORMS) else ", ".join(platforms)
        cells = (cause.title[language], cause.group, where, ", ".join(cause.remedies) or "-")
        table.add_row(Styled(cause.id), *map(Styled, cells))
    return table


# --- one cause ------------------------------------------------------------------------------------


def page_lines(page: Page, language: str) -> Iterator[str]:
    """A page for a terminal of 80 columns; lines that must stay whole may be longer."""
    yield f"{page.cause}: {page.title}"
    yield f"{page.group} - {page.platforms}"
    for section in page.sections:
        yield ""
        yield section.title.upper() if language == "en" else f"■ {section.title}"
        for block in section.blocks:
            yield from (line.rstrip() for line in _block_lines(block, language))


def _block_lines(block: Block, language: str) -> Iterator[str]:
    if isinstance(block, Heading):
        yield ""
        yield f"  {block.text}"
    elif isinstance(block, Paragraph):
        yield from wrap(_text(block.spans), language, "  ")
    elif isinstance(block, Lines):
        yield from (_DEEP + line for line in block.lines)
    else:
        yield from _bullet_lines(block, language)


def _bullet_lines(block: Bullets, language: str) -> Iterator[str]:
    for item in block.items:
        for number, spans in enumerate(item):
            yield from wrap(_text(spans), language, _DEEP if number else "  - ", _DEEP)


def _text(spans: Spans) -> str:
    return "".join(
        span if isinstance(span, str) else span.cause if isinstance(span, Ref) else span.text
        for span in spans
    )
