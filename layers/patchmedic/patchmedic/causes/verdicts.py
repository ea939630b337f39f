"""What Windows' own logs say that each operation came to.

A servicing, Windows Update or Windows Installer log prints dozens of result codes on its way; what
they are worth shows where the operation ends: codes above an end that went well were overcome, and
codes above one that failed are details of the code that stands there.

Here: finding those ends, and weighing a place in the text by the one that follows it.  Not here:
which cause a code or a line speaks for (``hresults``, ``engine``, ``classifier``).
"""

from __future__ import annotations

import functools
import re
from bisect import bisect_left
from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import Any, Final

from patchmedic.causes.schema import compile_pattern
from patchmedic.causes.text import CleanText

OVERCOME: Final = 0.3
"""What is left of a failure inside an operation that went well."""
BESIDE_VERDICT: Final = 0.8
"""What a line is worth where the operation ended with another code."""
DETAIL: Final = 0.6
"""The same for a line that the program itself does not call an error."""

_FAILURE: Final = 0x80000000
_MSI_DONE: Final = frozenset({0, 1641, 3010})
_SEARCHED: Final = 50_000
"""Ends looked at in one text; a longer log repeats itself."""
_NEAR_BYTES: Final = 1_000
"""In a longer line, what stands farther away from a code is another message."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The line on which an operation ends."""

    start: int
    end: int
    failed: bool


@dataclass(frozen=True, slots=True)
class _Ending:
    """One way of saying it; every group that matched is a number, and all must be good ones."""

    literal: bytes
    """What the pattern begins with: looked for first, because that is cheap."""
    pattern: re.Pattern[bytes]
    decimal: frozenset[int] = frozenset()
    """The numbers that are good ones; empty: those are result codes."""
    fails: bool = False
    """True: the words themselves say that it failed."""


def _ending(
    literal: bytes,
    rest: bytes = b"",
    *,
    good: frozenset[int] = frozenset(),
    fails: bool = False,
) -> _Ending:
    return _Ending(literal, re.compile(re.escape(literal) + rest), good, fails)


_CODE: Final = rb"(0x[0-9a-f]{1,8})\b"
_HRESULT: Final = rb"[^\n]{0,400}?\[hresult\s{1,3}=\s{1,3}" + _CODE
_WU_CODE: Final = rb"(0x(?:[0-9a-f]{8}|24[0-9a-f]{4}))\b"
_ENDINGS: Final = (
    # CBS.log
    _ending(b"exec: processing complete", _HRESULT),
    _ending(b" finalized", _HRESULT),
    # WindowsUpdate.log, old and new.  That a call as such went well says nothing of its updates,
    # only of a search; the service's own farewell says nothing at all.
    _ending(b"finding updates ", rb"[^\n]{0,200}?exit code = " + _WU_CODE),
    _ending(
        b"exit code = ",
        rb"(?:(0x[89a-f][0-9a-f]{7})\b|"
        + _WU_CODE
        + rb"[,;]\s(?:result|call error) code = "
        + _WU_CODE
        + rb")",
    ),
    _ending(
        b"call complete (succeeded = ",
        rb"(?:[1-9]\d*, succeeded with errors = 0, failed = (0)\b"
        rb"|\d+, succeeded with errors = \d+, failed = ([1-9]\d*))",
        good=frozenset({0}),
    ),
    _ending(b"with code call complete and error ", rb"(0x[0-9a-f]{8}|0)\b"),
    # dism.log and its console
    _ending(b"processed the command line but failed", fails=True),
    # wusa.exe
    _ending(b"exit with error code ", _CODE),
    _ending(b"operation result: ", _CODE),
    # Windows Installer, and setup programs made with WiX
    _ending(b"mainenginethread is returning ", rb"(\d{1,10})\b", good=_MSI_DONE),
    _ending(b"success or error status: ", rb"(\d{1,10})\b", good=_MSI_DONE),
    _ending(b"apply complete, result: ", _CODE),
    # setupapi.dev.log
    _ending(b"[exit status: ", rb"(?:success|failure\((0x[0-9a-f]{8})\))"),
    # Chocolatey
    _ending(b"exiting with ", rb"(-?\d{1,10})\b", good=_MSI_DONE),
)
_DETAIL_LINE: Final = re.compile(rb"[, \t]info[, \t]+(?:cbs|csi|dism|dpx|sxs)\b")


@functools.cache
def _complaint() -> Any:
    """A part of an operation that failed; the whole may have gone well all the same."""
    return compile_pattern(
        r"\b(?:warning|fatal): .*(?:\bfail|\berror\b|0x8[0-9a-f]{7})|\breturn value 3\b"
        r"|\[exit status: failure|│ failed |\[error ?\] - |, failed = [1-9]"
    )


class Verdicts:
    """The ends of all operations in a text, first to last."""

    def __init__(self, text: CleanText, silent: Container[int] = frozenset()) -> None:
        """Lines that start at one of ``silent`` are no ends."""
        self._text = text
        self._all = sorted(_find(text, silent), key=lambda each: (each.end, each.start))
        self._ends = [each.end for each in self._all]
        self._last_failed = max((each.end for each in self._all if each.failed), default=-1)

    def after(self, offset: int) -> Verdict | None:
        """The end on the line at ``offset``, else the next one below it."""
        at = bisect_left(self._ends, offset)
        return self._all[at] if at < len(self._all) else None

    def failed(self, offset: int = 0) -> bool:
        """Whether an operation failed at or below ``offset``."""
        return self._last_failed >= offset

    def overcome(self, offset: int) -> bool:
        """Whether the operation around ``offset`` went well in the end."""
        verdict = self.after(offset)
        return verdict is not None and not verdict.failed

    def complaints(self, start: int) -> Iterator[re.Match[bytes]]:
        """Below ``start``: what Windows' logs say that failed on the way."""
        found: Iterator[re.Match[bytes]] = _complaint().finditer(self._text.raw, start)
        return found

    def names(self, offset: int) -> bool:
        """Whether the line at ``offset`` is itself the end of an operation that failed."""
        verdict = self.after(offset)
        return verdict is not None and verdict.failed and verdict.start <= offset

    def rank(self, offset: int) -> float:
        """How much a code at ``offset`` tells beside the same code elsewhere: 1 is the most."""
        if self.names(offset):
            return 1.0
        return OVERCOME if self.overcome(offset) else self._loudness(offset)

    def share(self, offset: int, *, decided: bool, vague: bool = False) -> float:
        """What a code at ``offset`` is worth; ``decided``: an operation ended with one that is.

        ``vague``: a code that much can lie behind (not found, access denied).  On a line that is
        only a detail it says nothing, for healthy servicing logs are full of them.
        """
        if self.overcome(offset):
            return OVERCOME
        if self.names(offset):
            return 1.0
        loudness = self._loudness(offset)
        return loudness if decided or (vague and loudness == DETAIL) else 1.0

    def _loudness(self, offset: int) -> float:
        start, end = self._text.bounds(offset)
        low, high = max(start, offset - _NEAR_BYTES), min(end, offset + _NEAR_BYTES)
        return DETAIL if _DETAIL_LINE.search(self._text.lower, low, high) else BESIDE_VERDICT


def _find(text: CleanText, silent: Container[int]) -> Iterator[Verdict]:
    for ending in _ENDINGS:
        at = text.lower.find(ending.literal)
        for _ in range(_SEARCHED):
            if at < 0:
                break
            match = ending.pattern.match(text.lower, at)
            if match is not None:
                start, end = text.bounds(at)[0], text.bounds(match.end())[1]
                if start not in silent:
                    yield Verdict(start, end, ending.fails or not _good(match, ending))
            at = text.lower.find(ending.literal, at + 1)


def _good(match: re.Match[bytes], ending: _Ending) -> bool:
    """Whether all numbers of an end say that it went well."""
    numbers = [int(each, 16 if each.startswith(b"0x") else 10) for each in match.groups() if each]
    if ending.decimal:
        return all(number in ending.decimal for number in numbers)
    return all(number < _FAILURE for number in numbers)
