"""What a run printed, put together from its beginning and its end.

Run Command returns the first part of an output, and the reason of a failure stands near its end.
Here: telling that an output was cut, joining the two parts with a line between them that says what
is left out, and saying of a line which part it is from.  Pure.  Not here: reading the end
(``output_ends``, ``checks.node``) and what any of it means (``causes``).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Literal

from patchmedic.model import Classification, Evidence, SupportingLine
from patchmedic.ports import StreamEnd

STDOUT_CHARACTERS_MAX: Final = 24_000
STDERR_CHARACTERS_MAX: Final = 8_000
"""Run Command's own limits; as much is kept of the end again, so evidence at most doubles."""
SEAM_CHARACTERS: Final = 200
"""So much of the beginning's last text, found in the end, shows that nothing is missing between."""

CONTROLS_MAX: Final = 5_000
"""More control characters than this make no text, and each takes six bytes of a record."""
END_NOTE: Final = "the end of the output: "
"""How notes begin that say why an end could not be read."""

_NO_CONTROLS: Final = dict.fromkeys({*range(32), 127} - {9, 10, 13})
_CUT_MARKS: Final = (
    "---output truncated---",
    "---error truncated----",
    "--output truncated--",
)
"""What the agent writes, in small letters, where it cut."""
_GAP_BEGINS, _GAP_ENDS = "\n[PatchMedic: ", "left out here, the end follows]"


def is_cut(text: str, characters_max: int) -> bool:
    """Whether a text is the first part of a longer one: it fills the limit, or says so itself."""
    return len(text) >= characters_max or text[-100:].rstrip().lower().endswith(_CUT_MARKS)


def is_cut_anywhere(text: str, characters_max: int) -> bool:
    """The same of a listing's excerpt, in which stdout ends where stderr begins."""
    lower = text.lower()
    return is_cut(text, characters_max) or any(f"\n{mark}\n" in lower for mark in _CUT_MARKS)


def _without_mark(text: str) -> str:
    for mark in _CUT_MARKS:
        if text.rstrip().lower().endswith(mark):
            return text.rstrip()[: -len(mark)].rstrip()
    return text


def joined(head: str, end: StreamEnd | None, characters_max: int) -> str:
    """The beginning and the end of one stream, at most ``characters_max`` of each."""
    if end is None:
        return head
    if end.bytes_before == 0:
        if len(end.text) <= 2 * characters_max:
            return end.text
        head = end.text[:characters_max]
    else:
        head = _without_mark(head[:characters_max])
    tail = _whole_lines(end.text, characters_max)
    seam = head[-SEAM_CHARACTERS:]
    if len(seam) == SEAM_CHARACTERS and seam in tail:
        return head + tail.partition(seam)[2]
    return f"{head.rstrip()}{_gap(head, tail, end)}\n{tail}"


def _whole_lines(text: str, characters_max: int) -> str:
    """The last characters, from the beginning of a line on where there is one."""
    if len(text) <= characters_max:
        return text
    tail = text[-characters_max:]
    first, break_, rest = tail.partition("\n")
    return rest if break_ and len(first) < characters_max // 2 else tail


def _gap(head: str, tail: str, end: StreamEnd) -> str:
    if end.bytes_before is None:
        return f"{_GAP_BEGINS}a part is {_GAP_ENDS}"
    size = end.bytes_before + len(end.text.encode("utf-8", "replace"))
    shown = len(head.encode("utf-8", "replace")) + len(tail.encode("utf-8", "replace"))
    missing = max(0, size - shown)
    return f"{_GAP_BEGINS}about {missing:,} bytes are {_GAP_ENDS}"


def storable(text: str) -> str:
    """A text as it is, or without control characters where it is full of them.

    A table's record holds 400 KB of UTF-8, and what a node prints may be anything.
    """
    text = text.encode("utf-8", "replace").decode("utf-8")
    without = text.translate(_NO_CONTROLS)
    return without if len(text) - len(without) > CONTROLS_MAX else text


def name_tails(found: Classification, evidence: Evidence) -> Classification:
    """The same classification, with lines of a tail counted from the end and called so.

    After a gap, the number of a line in the joined text is its number nowhere else.
    """
    gaps = {"stdout": _gap_at(evidence.stdout), "stderr": _gap_at(evidence.stderr)}
    if not any(at for at, _ in gaps.values()):
        return found
    candidates = tuple(
        replace(each, lines=tuple(_named(line, gaps) for line in each.lines))
        for each in found.candidates
    )
    return replace(found, candidates=candidates)


def _gap_at(text: str) -> tuple[int, int]:
    """The line of the gap and the number of lines of a text; ``(0, 0)`` without a gap."""
    gap = text.find(_GAP_BEGINS)
    if gap < 0 or f"{_GAP_ENDS}\n" not in text[gap + 1 : gap + 121]:
        return 0, 0
    return text.count("\n", 0, gap + 1) + 1, text.rstrip("\n").count("\n") + 1


def _named(line: SupportingLine, gaps: dict[str, tuple[int, int]]) -> SupportingLine:
    gap, last = gaps.get(line.stream, (0, 0))
    if not gap or line.line <= gap:
        return line
    tail: Literal["stdout tail", "stderr tail"] = (
        "stdout tail" if line.stream == "stdout" else "stderr tail"
    )
    return SupportingLine(tail, max(1, last - line.line + 1), line.text)
