"""What ``patchmedic classify`` reads: plain text, one JSON record, or one record a line.

Here: bytes to text, and text to a record with the keys of ``causes.records``.  Not here: what the
text means.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

KEYS = ("id", "platform", "document", "status", "response_code", "stdout", "stderr")
FROM_RUN_COMMAND: Mapping[str, str] = {
    "DocumentName": "document",
    "StatusDetails": "status",
    "ResponseCode": "response_code",
    "StandardOutputContent": "stdout",
    "StandardErrorContent": "stderr",
}
"""What ``aws ssm get-command-invocation`` calls them."""


def decode(raw: bytes) -> str:
    """Text from UTF-8 or, as PowerShell writes it into files, UTF-16; never an error."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16", errors="replace")
    return raw.decode("utf-8-sig", errors="replace")


def inputs(files: Iterable[Path]) -> Iterator[tuple[str, str]]:
    """Name and text of each file; of stdin when there is none."""
    paths = list(files)
    if not paths:
        yield "stdin", decode(_stdin().read())
    for path in paths:
        yield path.name, decode(path.read_bytes())


def lines(files: Iterable[Path]) -> Iterator[str]:
    """The lines of all files (of stdin when there is none) that are not blank, as they come."""
    paths = list(files)
    if not paths:
        yield from _filled(_stdin())
    for path in paths:
        with path.open("rb") as file:
            yield from _filled(file)


def _stdin() -> Any:
    if sys.stdin.isatty():
        print("reading from the terminal; Ctrl-D ends it", file=sys.stderr)  # noqa: T201
    return sys.stdin.buffer


def _filled(raw_lines: Iterable[bytes]) -> Iterator[str]:
    for raw in raw_lines:
        line = decode(raw)
        if line.strip():
            yield line


def as_record(name: str, text: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """A record from a file: its own keys if it is one, else the text as the output."""
    found = _record_in(text)
    if found is None:
        return {"id": name, "stdout": text, **given}
    return {"id": name, **found, **given}


def _record_in(text: str) -> dict[str, Any] | None:
    if not text.lstrip().startswith("{"):
        return None
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(parsed, dict):
        return None
    if "StandardOutputContent" in parsed:
        return {key: parsed[name] for name, key in FROM_RUN_COMMAND.items() if name in parsed}
    is_record = "stdout" in parsed or "stderr" in parsed or (parsed and set(parsed) <= set(KEYS))
    return {k: parsed[k] for k in KEYS if parsed.get(k) is not None} if is_record else None
