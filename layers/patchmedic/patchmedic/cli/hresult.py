"""``patchmedic hresult``: what Windows result codes are called and mean, and what they hint at.

Here: the command.  Not here: what is known of the codes (``causes.hresults``).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import click

from patchmedic.causes.catalogue import Catalogue, load_catalogue
from patchmedic.causes.hresults import FAILURE, ResultCode, explain, parse
from patchmedic.cli.common import EXIT_NOT_FOUND, LANGUAGE
from patchmedic.notices.text import wrap

_WORDS = {
    "from": {"en": "from", "ja": "発生元"},
    "also": {"en": "also written", "ja": "別の表記"},
    "hints": {"en": "hints at", "ja": "考えられる原因"},
    "more": {"en": "read more", "ja": "参考資料"},
}


# A negative number is a code, not an option.
@click.command("hresult", context_settings={"ignore_unknown_options": True})
@click.argument("codes", nargs=-1, required=True, metavar="CODE...")
@click.option("--json", "as_json", is_flag=True, help="JSON instead of text.")
@LANGUAGE
def command(codes: tuple[str, ...], as_json: bool, lang: str) -> None:
    """Say what Windows error codes (HRESULTs) mean, in any spelling.  Needs no AWS.

    Takes hexadecimal with or without 0x, signed and unsigned decimal, names such as
    WU_E_NO_CONNECTION, small Windows errors such as 12007 or 1603, and whole lines that hold one.

    \b
    Examples:
      patchmedic hresult 0x80240437
      patchmedic hresult -2145123273 80072EE2 12029 --lang ja
      patchmedic hresult "failed with HRESULT: 0x800F0922" --json

    Exit code 3 when nothing is known about one of them.
    """
    found = [explain(_parsed(spelled)) for spelled in codes]
    catalogue = load_catalogue()
    if as_json:
        plain = [_plain(known, catalogue) for known in found]
        click.echo(json.dumps(plain, ensure_ascii=False, indent=2))
    else:
        for number, known in enumerate(found):
            lines = _lines(known, catalogue, lang)
            click.echo("\n".join([""] * bool(number) + list(lines)))
    if any(known.code >= FAILURE and not known.name for known in found):
        sys.exit(EXIT_NOT_FOUND)


def _parsed(spelled: str) -> int:
    code = parse(spelled)
    if code is None:
        raise click.BadParameter(
            f"{spelled!r} holds no Windows error code; write it like 0x80240437 or -2145123273",
            param_hint="CODE",
        )
    return code


def _spellings(known: ResultCode) -> list[str]:
    """The other ways in which logs write the code."""
    signed = known.code - 2**32 if known.code >= FAILURE else known.code
    spellings = [str(signed), str(known.code)]
    if known.code >> 16 == 0x8007:
        spellings.append(f"Win32 {known.code & 0xFFFF}")
    return list(dict.fromkeys(spellings))


def _lines(known: ResultCode, catalogue: Catalogue, language: str) -> Iterator[str]:
    yield f"{known.hexadecimal}  {known.symbol or known.facility}".rstrip()
    yield from wrap(known.meaning[language], language, "  ")
    rows = [("also", ", ".join(_spellings(known)))]
    if known.symbol and known.facility:
        rows.insert(0, ("from", known.facility))
    for hint in sorted(catalogue.hresults.of(known.code), key=lambda hint: -hint.weight):
        title = catalogue.causes[hint.cause].title[language]
        rows.append(("hints", f"{hint.cause} ({hint.weight:.2f}): {title}"))
    rows += [("more", known.source)] if known.source else []
    for key, value in rows:
        yield f"  {_WORDS[key][language]}: {value}"


def _plain(known: ResultCode, catalogue: Catalogue) -> dict[str, Any]:
    hints = sorted(catalogue.hresults.of(known.code), key=lambda hint: -hint.weight)
    return {
        "code": known.hexadecimal,
        "symbols": known.symbol.split(" / ") if known.symbol else [],
        "facility": known.facility or None,
        "meaning": dict(known.meaning),
        "written": _spellings(known),
        "hints": [{"cause": hint.cause, "weight": hint.weight} for hint in hints],
        "source": known.source or None,
        "named": known.named,
    }
