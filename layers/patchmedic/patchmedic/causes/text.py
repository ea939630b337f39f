r"""Making what a node printed readable for patterns, without losing its line numbers.

Here: encodings, control characters, carriage returns, backspaces, very long lines, wrapped lines.
Not here: what the text means (``engine``, ``classifier``).  Everything works on UTF-8 bytes:
offsets stay cheap, and lower-casing keeps each offset where it was.

A line break that the original does not have (``\r`` of a progress bar, the start of a message in
a line of many) is a vertical tab in the marked text and ``\n`` in the text that is searched.  So
the line of the original is counted, not computed, however many such breaks there are.
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
UNWRAP_BYTES_MAX: Final = 200_000
"""A longer text is a whole log, which no terminal broke."""
BLOCK_BYTES: Final = 4_096
"""Line breaks are counted a block at a time."""
BACKSPACES_MAX: Final = 100_000
"""With more of them a text is a progress display, whose last state does not matter."""
SHOWN_CHARACTERS_MAX: Final = 300
_SHOWN_BYTES_MAX: Final = 4_000

_ADDED: Final = b"\v"
_JOINED: Final = b"\x1f"
_VISIBLE_ESCAPES: Final = (
    *((b"\\", each) for each in (rb"\x1b[", rb"\033[", rb"\u001b[", rb"\e[")),
    (b"^", b"^[["),
    (b"#", b"#033["),
    (b"\xc2", b"\xc2\x9b"),
)
"""How programs between the node and us write the start of a colour, each with a byte of it: that
a text does not have the byte is found out in no time."""
_STRINGS: Final = re.compile(rb"\x1b(?:\][^\x07\x1b\n]*+(?:\x07|\x1b\\)|[PX^_][^\x1b\n]*+\x1b\\)")
"""Titles, links and device strings, up to the character that ends them."""
_STRING_ENDS: Final = (b"\x07", b"\x1b\\")
_ESCAPES: Final = re.compile(rb"(?:\x1b(?:\[[0-?]*+[ -/]*+[@-~]|[()*+#%][0-~]|[78=>c@-Z\[-_])?+)++")
"""Colours, moves, character sets, and what is left of anything else."""
_BARE_COLOUR: Final = re.compile(rb"\[\d{1,3}(?:;\d{1,3}){0,8}m(?!s?\])")
_BARE_RESET: Final = b"[0m"
_MESSAGE_PATTERN: Final = (
    rb"\d{4}[-/]\d\d[-/]\d\d[ T]\d\d:\d\d"
    rb"|\d\d/\d\d/\d{4} \d\d:\d\d:\d\d"
    rb"|(?:E|W|N|Err:\d+|Error|ERROR|error|WARNING|Warning|warning|fatal): "
    rb"|Traceback \(most recent"
)
_MESSAGE_START: Final = re.compile(
    rb"\\n(?:\\r\\n|\\n)*+|\\r\\n(?:\\r\\n|\\n)*+"
    rb"| (?=[0-9EWNTewf])(?=" + _MESSAGE_PATTERN + rb")"
)
"""Each alternative begins with one certain character, to which a search can jump."""
_BROKEN: Final = rb"\n(?<=[^\n]{%d}\n)" % WRAP_COLUMNS_MIN
_GOES_ON: Final = (
    rb"(?=\S)(?!" + _MESSAGE_PATTERN + rb")"
    rb"(?![\[(]?(?:\d{4}[-/]\d\d[-/]\d\d|\d\d?[-/.]\d\d?[-/.]\d{2,4}|\d\d:\d\d:\d\d)(?:\D|\Z))"
)
"""What begins with a time, or as a message does, is no rest of the line above it."""
_WRAPPED: Final = re.compile(_BROKEN + rb"[ \t]*+" + _GOES_ON)
_WRAPPED_INDENTED: Final = re.compile(_BROKEN + rb"[ \t]{2,}+" + _GOES_ON)
_WRAPPED_AS_IT_IS: Final = re.compile(_BROKEN + rb"(?=[ \t]?+" + _GOES_ON + rb")")
_CONTROLS: Final = bytes(set(range(32)) - set(b"\t\n\r\b")) + b"\x7f"


@dataclass(frozen=True)
class CleanText:
    """A stream ready for matching; ``line_of`` leads back to the stream as it was."""

    marked: bytes
    joined: bytes = b""
    """The same with a mark for each line break of the original that was taken out."""
    glue: bytes = b""
    """What stands there in place of that line break."""
    raw: bytes = field(init=False)
    lower: bytes = field(init=False)
    _asked: list[tuple[int, int]] = field(
        init=False, repr=False, compare=False, default_factory=lambda: [(1, 0)]
    )
    """The line that was asked for last: the next question is often about it, and it may be long."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "raw", self.marked.replace(_ADDED, b"\n"))
        object.__setattr__(self, "lower", self.raw.lower())

    @property
    def is_cut(self) -> bool:
        """True when it has line breaks that the original does not have."""
        return _ADDED in self.marked

    @cached_property
    def _breaks(self) -> tuple[int, ...]:
        """How many line breaks of the original there are before each block of the text."""
        starts = range(0, len(self.marked), BLOCK_BYTES)
        counts = (self.marked.count(b"\n", start, start + BLOCK_BYTES) for start in starts)
        return tuple(accumulate(counts, initial=0))

    @cached_property
    def _joins(self) -> list[int]:
        """Offsets at which a line break of the original was taken out."""
        lengths = (len(part) for part in self.joined.split(_JOINED)[:-1])
        return [end + number * len(self.glue) for number, end in enumerate(accumulate(lengths))]

    def line_of(self, offset: int) -> int:
        """The 1-based line of the original stream at ``offset``."""
        block = offset // BLOCK_BYTES
        line = self._breaks[block] + self.marked.count(b"\n", block * BLOCK_BYTES, offset) + 1
        return line + bisect_right(self._joins, offset)

    def bounds(self, offset: int) -> tuple[int, int]:
        """Start and end of the (clean) line around ``offset``."""
        start, end = self._asked[0]
        if not start <= offset <= end:
            start = self.raw.rfind(b"\n", 0, offset) + 1
            end = self.raw.find(b"\n", offset)
            end = len(self.raw) if end < 0 else end
            self._asked[0] = start, end
        return start, end

    def shown(self, start: int, end: int) -> str:
        """The text between two offsets as people see it: one line, not too long."""
        part = self.raw[start : min(end, start + _SHOWN_BYTES_MAX)]
        text = part.decode("utf-8", "replace").strip()
        if len(text) > SHOWN_CHARACTERS_MAX:
            text = text[: SHOWN_CHARACTERS_MAX - 1] + "…"
        return text


def clean(text: str) -> CleanText:
    """``text`` as UTF-8 with plain line breaks, without colours, NULs and control characters."""
    raw = text.encode("utf-8", "replace")
    if b"\x00" in raw:
        raw = raw.replace(b"\x00", b"")
    raw = _without_escapes(raw)
    if "\ufeff" in text:
        raw = raw.replace(b"\xef\xbb\xbf", b"")
    raw = raw.translate(None, _CONTROLS)
    if b"\r" in raw:
        raw = _without_returns(raw)
    if b"\b" in raw:
        raw = _overtyped(raw)
    return CleanText(_cut_long_lines(raw))


def _without_returns(raw: bytes) -> bytes:
    """Plain line breaks; of what was written over each other on one line, the last on its own."""
    # Twice: a program wrote \r\n through something that made \r\n of each \n.
    raw = raw.replace(b"\r\r\n", b"\n").replace(b"\r\n", b"\n")
    if b"\r" not in raw or b"\n" not in raw:
        return raw.replace(b"\r", b"\n")
    lines = raw.split(b"\n")
    for number, line in enumerate(lines):
        before, overwritten, last = line.rpartition(b"\r")
        if overwritten:
            lines[number] = before.replace(b"\r", b" ") + _ADDED + last
    return b"\n".join(lines)


def _without_escapes(raw: bytes) -> bytes:
    for byte, spelling in _VISIBLE_ESCAPES:
        if byte in raw:
            raw = raw.replace(spelling, b"\x1b[")
    if b"\x1b" in raw:
        if any(end in raw for end in _STRING_ENDS):
            raw = _STRINGS.sub(b"", raw)
        raw = _ESCAPES.sub(b"", raw)
    if _BARE_RESET in raw:
        raw = _BARE_COLOUR.sub(b"", raw)
    return raw


def _overtyped(raw: bytes) -> bytes:
    """What stands there after each backspace moved the cursor and what followed it was typed."""
    if raw.count(b"\b") > BACKSPACES_MAX:
        return raw.replace(b"\b", b"")
    lines = raw.split(b"\n")
    for number, line in enumerate(lines):
        if b"\b" in line:
            lines[number] = _ADDED.join(_typed(part) for part in line.split(_ADDED))
    return b"\n".join(lines)


def _typed(line: bytes) -> bytes:
    shown: list[str] = []
    cursor = 1
    for part in line.decode("utf-8", "replace").split("\b"):
        cursor = max(0, cursor - 1)
        shown[cursor : cursor + len(part)] = part
        cursor += len(part)
    return "".join(shown).encode()


def _cut_long_lines(marked: bytes) -> bytes:
    raw = marked.replace(_ADDED, b"\n")
    pieces: list[bytes] = []
    done = at = 0
    while len(raw) - at > LONG_LINE_BYTES:
        end = raw.rfind(b"\n", at, at + LONG_LINE_BYTES + 1)
        if end < 0:
            end = raw.find(b"\n", at)
            end = len(raw) if end < 0 else end
            pieces += marked[done:at], _MESSAGE_START.sub(_ADDED, marked[at:end])
            done = end
        at = end + 1
    return b"".join([*pieces, marked[done:]]) if pieces else marked


def unwrap(text: CleanText, glue: bytes) -> CleanText | None:
    """``text`` with lines joined that a terminal's width broke; ``None`` if none look so.

    ``glue`` is a blank for lines that were broken between words, else nothing.
    """
    raw = text.raw
    if len(raw) > UNWRAP_BYTES_MAX or text.is_cut:
        return None
    if glue:
        marked = _WRAPPED.sub(_JOINED, raw.replace(b" \n", b"\n"))
    else:
        # A program that indents the rest also puts a blank at the end; a terminal does neither.
        marked = _WRAPPED_INDENTED.sub(_JOINED, raw).replace(b" " + _JOINED, _JOINED)
        marked = _WRAPPED_AS_IT_IS.sub(_JOINED, marked)
    if _JOINED not in marked:
        return None
    return CleanText(marked.replace(_JOINED, glue), marked, glue)
