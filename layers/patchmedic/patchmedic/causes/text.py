"""Making what a node printed readable for patterns, without losing its line numbers.

Here: encodings, control characters, carriage returns, very long lines, wrapped lines.  Not here:
what the text means (``engine``, ``classifier``).  Everything works on UTF-8 bytes: offsets stay
cheap, and lower-casing keeps each offset where it was.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from typing import Final

LONG_LINE_BYTES: Final = 1_000
"""A longer line is cut before the places where a new message plausibly begins."""
WRAP_COLUMNS_MIN: Final = 60
"""A line shorter than this was not broken by a terminal's width."""
BLOCK_BYTES: Final = 65_536
UNWRAP_BYTES_MAX: Final = 200_000
SHOWN_CHARACTERS_MAX: Final = 300

_ESCAPES: Final = re.compile(
    rb"\x1b(?:\[[0-?]{0,16}[ -/]{0,4}[@-~]|\][^\x07\x1b\n]{0,200}\x07?|[@-Z\\-_])"
)
_MESSAGE_START: Final = re.compile(
    rb"(?:\\r)?\\n"
    rb"| (?=[0-9EWNTewf])(?="
    rb"\d{4}[-/]\d\d[-/]\d\d[ T]\d\d:\d\d"
    rb"|\d\d/\d\d/\d{4} \d\d:\d\d:\d\d"
    rb"|(?:E|W|N|Err:\d+|Error|ERROR|error|WARNING|Warning|warning|fatal): "
    rb"|Traceback \(most recent)"
)
_DATED: Final = re.compile(
    rb"\s*[\[(]?(?:\d{4}[-/]\d\d[-/]\d\d|\d\d?[-/.]\d\d?[-/.]\d{2,4}|\d\d:\d\d:\d\d)(?:\D|$)"
)
"""A line of a log: what begins with a time is no rest of the line above it."""
_CONTROLS: Final = bytes(set(range(32)) - {0x09, 0x0A}) + b"\x7f"


@dataclass(frozen=True)
class CleanText:
    """A stream ready for matching; ``line_of`` leads back to the stream as it was."""

    raw: bytes
    added: tuple[int, ...] = ()
    """Offsets of line breaks that the original does not have."""
    removed: tuple[int, ...] = ()
    """Offsets at which a line break of the original was taken out."""
    lower: bytes = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "lower", self.raw.lower())

    @cached_property
    def _breaks(self) -> tuple[int, ...]:
        """How many line breaks there are before each block of the text."""
        starts = range(0, len(self.raw), BLOCK_BYTES)
        counts = (self.raw.count(b"\n", start, start + BLOCK_BYTES) for start in starts)
        return tuple(accumulate(counts, initial=0))

    def line_of(self, offset: int) -> int:
        """The 1-based line of the original stream at ``offset``."""
        block = offset // BLOCK_BYTES
        line = self._breaks[block] + self.raw.count(b"\n", block * BLOCK_BYTES, offset) + 1
        return line - bisect_right(self.added, offset - 1) + bisect_right(self.removed, offset)

    def bounds(self, offset: int) -> tuple[int, int]:
        """Start and end of the (clean) line around ``offset``."""
        start = self.raw.rfind(b"\n", 0, offset) + 1
        end = self.raw.find(b"\n", offset)
        return start, len(self.raw) if end < 0 else end

    def shown(self, start: int, end: int) -> str:
        """The text between two offsets as people see it: one line, not too long."""
        text = self.raw[start:end].decode("utf-8", "replace").strip()
        if len(text) > SHOWN_CHARACTERS_MAX:
            text = text[: SHOWN_CHARACTERS_MAX - 1] + "…"
        return text


def clean(text: str) -> CleanText:
    """``text`` as UTF-8 with plain line breaks, without colours, NULs and control characters."""
    raw = text.encode("utf-8", "replace")
    if b"\x00" in raw:
        raw = raw.replace(b"\x00", b"")
    if b"\r" in raw:
        raw = raw.replace(b"\r\n", b"\n")
        raw = raw.replace(b"\r", b" " if b"\n" in raw else b"\n")
    if b"\x1b" in raw:
        raw = _ESCAPES.sub(b"", raw)
    raw = raw.replace(b"\xef\xbb\xbf", b"").translate(None, _CONTROLS)
    return _cut_long_lines(raw)


def _cut_long_lines(raw: bytes) -> CleanText:
    pieces: list[bytes] = []
    added: list[int] = []
    length = done = at = 0
    while len(raw) - at > LONG_LINE_BYTES:
        end = raw.rfind(b"\n", at, at + LONG_LINE_BYTES + 1)
        if end < 0:
            end = raw.find(b"\n", at)
            end = len(raw) if end < 0 else end
            pieces.append(raw[done:at])
            length += at - done
            for number, piece in enumerate(_messages(raw[at:end])):
                if number:
                    added.append(length)
                    pieces.append(b"\n")
                    length += 1
                pieces.append(piece)
                length += len(piece)
            done = end
        at = end + 1
    if not pieces:
        return CleanText(raw)
    pieces.append(raw[done:])
    return CleanText(b"".join(pieces), tuple(added))


def _messages(line: bytes) -> list[bytes]:
    return [piece for piece in _MESSAGE_START.split(line) if piece] or [line]


def unwrap(text: CleanText, glue: bytes) -> CleanText | None:
    """``text`` with lines joined that a terminal's width broke; ``None`` if none look so."""
    if len(text.raw) > UNWRAP_BYTES_MAX or text.added:
        return None
    lines = text.raw.split(b"\n")
    if max(map(len, lines)) < WRAP_COLUMNS_MIN:
        return None
    joined: list[bytes] = []
    removed: list[int] = []
    length = 0
    for number, line in enumerate(lines):
        above = len(lines[number - 1]) if number else 0
        if above >= WRAP_COLUMNS_MIN and line.strip() and not _DATED.match(line):
            part = glue + line.lstrip()
            removed.append(length)
        else:
            part = (b"\n" if number else b"") + line
        joined.append(part)
        length += len(part)
    return CleanText(b"".join(joined), removed=tuple(removed)) if removed else None
