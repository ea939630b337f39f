"""One search over all patterns of the catalogue, and the lines on which they matched.

Here: the RE2 set that says *which* patterns occur in a text (one pass, linear time, whatever the
text), and the location of those few.  Not here: what a match is worth (``classifier``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Any, Final

from patchmedic.causes.schema import Noise, Signature, compile_pattern
from patchmedic.causes.text import CleanText

SET_MEMORY_BYTES_MAX: Final = 32 * 1024 * 1024
LINES_KEPT_MAX: Final = 3
"""Lines kept for one pattern: the last ones, because a run's reason stands near its end."""
NOISE_LINES_MAX: Final = 500
NOISE_LINE_BYTES_MAX: Final = 500
"""A longer line holds several messages; noise in it does not silence the others."""
LINES_TRIED_MAX: Final = 2_000
SPAN_BYTES_MAX: Final = 600
"""A match longer than this ties together things that have nothing to do with each other."""


@dataclass(frozen=True, slots=True)
class Place:
    """A line on which a pattern matched."""

    offset: int
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Hit:
    """A signature and the lines on which it matched, last first; never empty."""

    signature: Signature
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Scan:
    """All that the patterns say about one stream."""

    hits: tuple[Hit, ...]
    noise: tuple[tuple[Noise, Place], ...]
    """Named noise with the last line of each."""
    silent: frozenset[int] = frozenset()
    """Where the lines start that named noise makes harmless."""


class Engine:
    """All patterns compiled together."""

    def __init__(self, signatures: Sequence[Signature], noise: Sequence[Noise]) -> None:
        import re2  # here, because most functions never classify

        self._entries: tuple[Signature | Noise, ...] = (*signatures, *noise)
        self._compiled: dict[int, Any] = {}
        options = re2.Options()
        options.max_mem = SET_MEMORY_BYTES_MAX
        options.never_capture = True
        self._set = re2.Set.SearchSet(options)
        for entry in self._entries:
            self._set.Add(f"(?im){entry.pattern}")
        self._set.Compile()

    def scan(self, text: CleanText, platform: str | None, stream: str) -> Scan:
        """What occurs in ``text``, for a node of ``platform`` (``None``: any)."""
        numbers: list[int] = sorted(self._set.Match(text.raw) or ())
        noise: list[tuple[Noise, Place]] = []
        silent: set[int] = set()
        for number in numbers:
            entry = self._entries[number]
            if isinstance(entry, Noise):
                found = self._matches(text, number, frozenset(), NOISE_LINES_MAX)
                noise.extend((entry, _place(text, *match)) for match in found[:1])
                for match in found:
                    if match[2] - match[0] > NOISE_LINE_BYTES_MAX:
                        continue
                    silent.update(_line_starts(text, match[1], entry.lines_before))
        hits = []
        for number in numbers:
            entry = self._entries[number]
            if not isinstance(entry, Signature) or stream not in entry.streams:
                continue
            if platform is not None and platform not in entry.platforms:
                continue
            found = self._matches(text, number, silent, LINES_KEPT_MAX)
            if found:
                hits.append(Hit(entry, tuple(_place(text, *match) for match in found)))
        return Scan(tuple(hits), tuple(noise), frozenset(silent))

    def _regex(self, number: int) -> Any:
        if number not in self._compiled:
            self._compiled[number] = compile_pattern(self._entries[number].pattern)
        return self._compiled[number]

    def _matches(
        self, text: CleanText, number: int, silent: Set[int], kept_max: int
    ) -> list[tuple[int, int, int]]:
        """Start of line, start of match and end of line for the last lines that match.

        Lines that start at one of ``silent`` do not count.
        """
        regex = self._regex(number)
        found: list[tuple[int, int, int]] = []
        for start, end in _lines_with(text, self._entries[number].literals):
            if start in silent:
                continue
            at = _tight(regex, text.raw[start:end])
            if at is not None:
                found.append((start, start + at, end))
                if len(found) == kept_max:
                    break
        return found


def _place(text: CleanText, start: int, at: int, end: int) -> Place:
    """What people see of a line: its start, or, when it is long, the part that matched."""
    shown_from = start if at - start <= SPAN_BYTES_MAX // 2 else at - 40
    return Place(at, text.line_of(at), text.shown(shown_from, end))


def _line_starts(text: CleanText, offset: int, lines_before: int) -> Iterator[int]:
    """Where the line around ``offset`` starts, and the lines before it."""
    start, _ = text.bounds(offset)
    yield start
    for _ in range(lines_before):
        if start == 0:
            return
        start, _ = text.bounds(start - 1)
        yield start


def _tight(regex: Any, line: bytes) -> int | None:
    """Where in ``line`` the first match starts that is not stretched over half a page."""
    at = 0
    for _ in range(8):
        match = regex.search(line, at)
        if match is None:
            return None
        start, end = match.span()
        if end - start <= SPAN_BYTES_MAX:
            return int(start)
        at = start + 1
    return None


def _lines_with(text: CleanText, literals: Sequence[str]) -> Iterator[tuple[int, int]]:
    """The lines that contain one of ``literals``, from the last line back to the first."""
    wanted = [literal.encode() for literal in literals]
    end = len(text.lower)
    nearest = [text.lower.rfind(literal, 0, end) for literal in wanted]
    for _ in range(LINES_TRIED_MAX):
        at = max(nearest)
        if at < 0:
            return
        start, stop = text.bounds(at)
        yield start, stop
        nearest = [
            text.lower.rfind(literal, 0, start) if where >= start else where
            for literal, where in zip(wanted, nearest, strict=True)
        ]
