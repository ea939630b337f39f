"""One search over all patterns of the catalogue, and the lines on which they matched.

Here: the automaton that finds the literals of all patterns in one pass (its time depends on the
text's length alone, whatever the text), and the patterns themselves, tried only where one of their
literals stands.  Not here: what a match is worth (``classifier``), and which literals a pattern
has (``literals``).

A set of all patterns in RE2 would be shorter, and faster on text that it has seen; but it builds a
state for each new mixture of half-matched patterns, at a cost that grows with the catalogue: 20 ms
for a first output, and minutes for a log in which many things failed.
"""

from __future__ import annotations

import sys
from bisect import bisect_left, bisect_right
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final

from patchmedic.causes.schema import Noise, SearchPlan, Signature, compile_pattern
from patchmedic.causes.text import CleanText

LINES_KEPT_MAX: Final = 3
"""Lines kept for one pattern: the last ones, because a run's reason stands near its end."""
NOISE_LINE_BYTES_MAX: Final = 500
"""A longer line holds several messages; noise in it does not silence the others."""
SPAN_BYTES_MAX: Final = 600
"""A match longer than this ties together things that have nothing to do with each other."""
STRETCHED_TRIES_MAX: Final = 8
LONG_LINE_BYTES: Final = 1_800
"""In a longer line only what is near a text is searched, for each text that is found."""
HEAD_BYTES: Final = 14
"""So much of a text is looked for; the rest is compared where that is found."""
CHUNK_BYTES: Final = 64 * 1024
"""Text whose literals are held in memory at a time."""
SEARCH_MEMORY_BYTES_MAX: Final = 512 * 1024
"""What RE2 may need to search for one pattern; it slows down where that does not suffice."""
FAILURES_MAX: Final = 8
FAILURE_BYTES: Final = 1_600
"""What a search over many lines reads in the time that a failure in one line costs."""

_Beside = tuple[tuple[bytes, ...], ...]
"""Groups of texts, of each of which one stands beside a text that was found."""
_Reader = tuple[int, bytes, _Beside | None]
"""A pattern, how the text goes on of which a head was found, and what must stand beside it;
``None``: nothing, the text is a match by itself."""
_Span = tuple[int, int]
_Match = tuple[int, int, int]
"""Start of line, start of match and end of line."""


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
    silent: Container[int]
    """Where the lines start that named noise makes harmless."""


class Engine:
    """All patterns, ready to be searched for together."""

    def __init__(self, signatures: Sequence[Signature], noise: Sequence[Noise]) -> None:
        # Here, because most functions never classify.
        from ahocorasick_rs import BytesAhoCorasick, Implementation

        self.entries: tuple[Signature | Noise, ...] = (*signatures, *noise)
        readers: dict[bytes, list[_Reader]] = {}
        for number, entry in enumerate(self.entries):
            for groups, whole in entry.search or _plan_of(entry):
                beside = tuple([tuple(map(str.encode, group)) for group in groups[1:]])
                for text in map(str.encode, groups[0]):
                    reader = number, text[HEAD_BYTES:], None if whole else beside
                    readers.setdefault(text[:HEAD_BYTES], []).append(reader)
        self.readers = list(readers.values())
        """For each head that is looked for, what it may be the beginning of."""
        self.finder = BytesAhoCorasick(readers, implementation=Implementation.ContiguousNFA)
        self.first_noise = len(signatures)
        self._compiled: list[Any] = [None] * len(self.entries)
        self._wanted: dict[tuple[str | None, str], list[int]] = {}

    def scan(self, text: CleanText, platform: str | None, stream: str) -> Scan:
        """What occurs in ``text``, for a node of ``platform`` (``None``: any)."""
        search = _Search(self, text, self._wanted_of(platform, stream))
        search.run()
        hits: list[Hit] = []
        noise: list[tuple[Noise, Place]] = []
        for number in sorted(number for number, found in search.found.items() if found):
            places = tuple(_place(text, *match) for match in search.found[number])
            entry = self.entries[number]
            if isinstance(entry, Noise):
                noise.append((entry, places[0]))
            else:
                hits.append(Hit(entry, places))
        return Scan(tuple(hits), tuple(noise), search.silence)

    def regex(self, number: int) -> Any:
        """The pattern, compiled when it is first needed."""
        found = self._compiled[number]
        if found is None:
            pattern = self.entries[number].pattern
            found = self._compiled[number] = compile_pattern(pattern, SEARCH_MEMORY_BYTES_MAX)
        return found

    def _wanted_of(self, platform: str | None, stream: str) -> list[int]:
        """Before which offset each pattern is of interest: everywhere, or nowhere."""
        key = platform, stream
        if key not in self._wanted:
            fits = (_fits(each, platform, stream) for each in self.entries)
            self._wanted[key] = [sys.maxsize if each else 0 for each in fits]
        return self._wanted[key].copy()


def _plan_of(entry: Signature | Noise) -> SearchPlan:
    from patchmedic.causes.literals import search_plan  # here, for a build has made most plans

    return search_plan(entry.pattern, entry.literals)


def _fits(entry: Signature | Noise, platform: str | None, stream: str) -> bool:
    if isinstance(entry, Noise):
        return True
    return stream in entry.streams and (platform is None or platform in entry.platforms)


class _Search:
    """One pass over one text, from its end to its start."""

    def __init__(self, engine: Engine, text: CleanText, before: list[int]) -> None:
        self.engine = engine
        self.text = text
        self.found: dict[int, list[_Match]] = {}
        self.silence = _Silence(engine, text)
        self._before = before
        """Each pattern is of interest only where a text of it ends before this."""
        self._failures = [0] * len(before)
        self._patience = [FAILURES_MAX] * len(before)
        # Where the search is: a line; what of it is searched; and those that have been tried there.
        self._line = self._part = (0, 0)
        self._lower = b""
        self._tried: set[int] = set()

    def run(self) -> None:
        """Try each pattern on each line that has what its matches contain."""
        readers, before, lower = self.engine.readers, self._before, self.text.lower
        idle_from = [sys.maxsize] * len(readers)
        """From where on no pattern is of interest that has this head."""
        start, is_long = sys.maxsize, False
        for base, found in self._chunks():
            for head, at, to in reversed(found):
                end = base + to
                if end >= idle_from[head]:
                    continue
                idle = True
                for number, tail, beside in readers[head]:
                    if end >= before[number]:
                        continue
                    idle = False
                    if not lower.startswith(tail, end):
                        continue
                    if end <= start:
                        start, stop = self._enter(end - 1)
                        is_long = stop - start > LONG_LINE_BYTES
                    if is_long:
                        self._enter_part(base + at, end)
                    if beside is None:
                        self._matched(number, base + at)
                    elif number not in self._tried and _has_each(self._lower, beside):
                        self._try(number)
                if idle:
                    idle_from[head] = max(before[reader[0]] for reader in readers[head])

    def _chunks(self) -> Iterator[tuple[int, list[tuple[int, int, int]]]]:
        """The heads found in each chunk, last chunk first, and where their offsets count from."""
        lower = self.text.lower
        for low in range(max(0, len(lower) - 1) // CHUNK_BYTES * CHUNK_BYTES, -1, -CHUNK_BYTES):
            base = max(0, low - HEAD_BYTES)
            part = lower[base : low + CHUNK_BYTES]
            found = self.engine.finder.find_matches_as_indexes(part, overlapping=True)
            # What ends before the chunk belongs to the one before it.
            del found[: bisect_right(found, low - base, key=itemgetter(2))]
            yield base, found

    def _enter(self, offset: int) -> _Span:
        """Go to the line around ``offset``."""
        self._line = self._part = self.text.bounds(offset)
        self._lower = self.text.lower[slice(*self._line)]
        self._tried.clear()
        return self._line

    def _enter_part(self, at: int, end: int) -> None:
        """Go to the part of a long line into which a match around these offsets may reach."""
        start, stop = self._line
        self._part = max(start, end - SPAN_BYTES_MAX), min(stop, at + SPAN_BYTES_MAX)
        self._lower = self.text.lower[slice(*self._part)]
        self._tried.clear()

    def _try(self, number: int) -> None:
        """Look for one pattern where the search is."""
        self._tried.add(number)
        regex, raw, (low, high) = self.engine.regex(number), self.text.raw, self._part
        if self._part == self._line:
            at = _tight(regex, raw[low:high], None, None)
        else:  # within the whole text, for what stands around counts: it is no line's start
            at = _tight(regex, raw, low, high)
        if at is None:
            self._failed(number)
        else:
            self._matched(number, low + at if self._part == self._line else at)

    def _failed(self, number: int) -> None:
        """Count a failure; after some, read in one go as much as they have cost.

        Where that finds no match, the pattern is not tried there, whatever has its texts; and the
        next time more is read.  So its tries never cost much more than reading the text once.
        """
        self._failures[number] += 1
        patience = self._patience[number]
        if self._failures[number] < patience:
            return
        self._failures[number] = 0
        low = max(0, self._part[0] - patience * FAILURE_BYTES)
        if self.engine.regex(number).search(self.text.raw, low, self._part[1]) is None:
            # A part that starts before ``low`` may end after it.
            self._before[number] = min(self._before[number], low + LONG_LINE_BYTES)
            self._patience[number] = patience * 2

    def _matched(self, number: int, at: int) -> None:
        """Keep this line for a pattern, if it counts; in no case look at it again."""
        start, end = self._line
        self._before[number] = start
        entry = self.engine.entries[number]
        found = self.found.setdefault(number, [])
        if isinstance(entry, Noise):
            if entry.lines_before:
                self.silence.add(self._line, entry.lines_before)
            else:
                self._before[number] = 0
            if not found:
                found.append((start, at, end))
        elif start not in self.silence:
            found.append((start, at, end))
            if len(found) == LINES_KEPT_MAX:
                self._before[number] = 0


class _Silence:
    """The lines that named noise makes harmless; found out when asked."""

    def __init__(self, engine: Engine, text: CleanText) -> None:
        self._engine = engine
        self._text = text
        self._known: dict[int, bool] = {}
        self._ends: list[int] = []
        self._starts: list[int] = []
        """Of blocks of lines, last first; the starts negative, to be in ascending order."""

    def add(self, line: _Span, lines_before: int) -> None:
        """Make a line and those before it harmless; lines come last first."""
        start, end = line
        if end - start > NOISE_LINE_BYTES_MAX:
            return
        for _ in range(lines_before):
            if start == 0:
                break
            start, _ = self._text.bounds(start - 1)
        if self._starts and end >= -self._starts[-1]:
            self._starts[-1] = -min(start, -self._starts[-1])
        else:
            self._starts.append(-start)
            self._ends.append(end)

    def __contains__(self, start: object) -> bool:
        if not isinstance(start, int):
            return False
        block = bisect_left(self._starts, -start)
        if block < len(self._starts) and start <= self._ends[block]:
            return True
        if start not in self._known:
            self._known[start] = self._is_noise(*self._text.bounds(start))
        return self._known[start]

    def _is_noise(self, start: int, end: int) -> bool:
        if end - start > NOISE_LINE_BYTES_MAX:
            return False
        engine, line = self._engine, self._text.raw[start:end]
        lower = line.lower()
        perhaps: set[int] = set()
        for head, _, to in engine.finder.find_matches_as_indexes(lower, overlapping=True):
            for number, tail, beside in engine.readers[head]:
                if number >= engine.first_noise and lower.startswith(tail, to):
                    if beside is None:
                        return True
                    perhaps.add(number)
        return any(_tight(engine.regex(number), line, None, None) is not None for number in perhaps)


def _has_each(part: bytes, groups: _Beside) -> bool:
    """True when ``part`` has a text of each group; loops, for a generator costs more than these."""
    for group in groups:
        for text in group:
            if text in part:
                break
        else:
            return False
    return True


def _place(text: CleanText, start: int, at: int, end: int) -> Place:
    """What people see of a line: its start, or, when it is long, the part that matched."""
    shown_from = start if at - start <= SPAN_BYTES_MAX // 2 else at - 40
    return Place(at, text.line_of(at), text.shown(shown_from, end))


def _tight(regex: Any, text: bytes, start: int | None, end: int | None) -> int | None:
    """Where the first match starts that is not stretched over half a page."""
    match = regex.search(text, start, end)
    for _ in range(STRETCHED_TRIES_MAX):
        if match is None:
            return None
        first, last = match.span()
        if last - first <= SPAN_BYTES_MAX:
            return int(first)
        near = regex.search(text, first, first + SPAN_BYTES_MAX)
        if near is not None:
            return int(near.start())
        match = regex.search(text, first + 1, end)
    return None
