"""What programs print around a failure, whatever its reason: that they failed, that they try again.

Here: the words for it, and finding them so that a text is read about once, however often it is
asked and whatever stands in it.  Not here: reasons (the catalogue), and what follows from any of
this (``classifier``).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Any, Final

from patchmedic.causes.schema import compile_pattern
from patchmedic.causes.text import CleanText

AROUND_BYTES_MAX: Final = 500
"""How far from a failure, in a long line, it may say that another try follows."""

_PAYLOAD_START: Final = b"using python binary"
"""The first line of each patch run on Linux: what stands below it belongs to another run."""
_HARMLESS: Final = (b"ui ", b"debug ", b"ws ")
_MORE_REASONS: Final = re.compile(rb"\n +- (?:curl error|status code)")
_SAYS: Final = re.compile(rb"\S")


@functools.cache
def _trouble() -> Any:
    """What programs print when they fail, whatever the reason.

    What begins as one of ``_HARMLESS`` is none: it is matched so that its rest is not.
    """
    return compile_pattern(
        r"^[^\w\n]{0,40}(?:e: |error\b|fatal\b|failed\b|killed\b)|\*failed\*|, error  |failed! =>"
        r"|(?:(?:ui|debug|ws) )?\b(?:error|fatal)\]?:|failed to (?:install|search|download)"
        r"|no more mirrors to try"
        r"|returned a non-zero code|exit(?:ed)?(?: with)? (?:code|status):? [1-9]|failure occurred"
        r'|"failed": ?true\b|"failed_update_count": ?[1-9]'
        r"|traceback \(most recent|exiting on user|\baborted\b|エラー:|失敗しました"
    )


@functools.cache
def _tries_again() -> Any:
    """What a program says that goes on after a failure; ``fork: retry:`` names no new try."""
    return compile_pattern(
        r"trying (?:other|next|another) mirror|\bretry(?:ing)?(?:[^\w:]|$)|\bwill (?:re)?try\b"
        r"|debug error: curl|try(?:ing)? again"
        r"|別のミラーを試します|再試行します|正在尝试其(?:它|他)镜像"
    )


class Trouble:
    """What one text says of failing and of trying again."""

    def __init__(self, text: CleanText) -> None:
        self._text = text
        self._none_from = self._no_run_from = len(text.lower) + 1
        """From where on it is known that there is no more of it."""

    def below(self, start: int) -> Iterator[tuple[int, int]]:
        """Where each of the words at or after ``start`` begins and ends."""
        if start >= self._none_from:
            return
        said = False
        for match in _trouble().finditer(self._text.lower, start):
            if not match[0].startswith(_HARMLESS):
                said = True
                yield match.span()
        if not said:
            self._none_from = start

    def tries_again(self, offset: int) -> bool:
        """True when the line at ``offset``, or the one below it, says that another try follows."""
        start, end = self._text.bounds(offset)
        _, below = self._text.bounds(min(end + 1, len(self._text.raw)))
        low, high = max(start, offset - AROUND_BYTES_MAX), min(below, end + AROUND_BYTES_MAX)
        return _tries_again().search(self._text.lower, low, high) is not None

    def has_more_reasons(self, offset: int) -> bool:
        """True when one mirror's failure at ``offset`` is followed by the next mirror's."""
        return _MORE_REASONS.match(self._text.lower, self._text.bounds(offset)[1]) is not None

    def ends_a_run(self, offset: int, lines_max: int) -> bool:
        """True when fewer than ``lines_max`` line breaks were printed after the line at
        ``offset``, or nothing but that the run failed."""
        start, end = self._text.bounds(offset)
        if b"failed! =>" in self._text.lower[start:end]:
            return True
        stop = self._next_run(end)
        if self._is_short(end, stop, lines_max):
            return True
        return any(begin < stop for begin, _ in self.below(end))

    def _next_run(self, start: int) -> int:
        """Where below ``start`` the next patch run begins, else the text's end."""
        lower = self._text.lower
        at = -1 if start >= self._no_run_from else lower.find(_PAYLOAD_START, start)
        if at < 0:
            self._no_run_from = min(self._no_run_from, start)
        return len(lower) if at < 0 else at

    def _is_short(self, start: int, stop: int, lines_max: int) -> bool:
        """True when text that is no blank has fewer than ``lines_max`` line breaks in it."""
        lower = self._text.lower
        first = _SAYS.search(lower, start, stop)
        at = stop if first is None else first.start()
        for _ in range(lines_max):
            at = lower.find(b"\n", at, stop) + 1
            if not at:
                return True
        return _SAYS.search(lower, at, stop) is None
