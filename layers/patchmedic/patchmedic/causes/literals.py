"""Proof that every match of a pattern contains a given text.

The classifier finds the line of a match by looking for a literal first; a literal that a match
need not contain would lose lines in silence.  This module reads the part of RE2's syntax that the
catalogue uses and answers one question.  Anything that it cannot read is an error, never a guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from patchmedic.causes.schema import PatternError

_CLASS_ESCAPES: Final = frozenset("dDsSwWpPbBAz")
_CONTROL: Final = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v", "a": "\a"}
_GAP: Final = None


@dataclass(frozen=True, slots=True)
class _Branch:
    """Alternatives, of which exactly one is taken."""

    alternatives: tuple[tuple[_Item, ...], ...]


_Item = str | None | _Branch
"""A literal character, a gap (anything or nothing), or a group."""


def requires_one_of(pattern: str, literals: Sequence[str]) -> bool:
    """True when each text that ``pattern`` matches contains one of ``literals`` (any case)."""
    try:
        items = (_Branch(_Parser(pattern).parse()),)
        wanted = [literal.lower() for literal in literals if literal]
        return bool(wanted) and not _endings(items, {""}, wanted)
    except (IndexError, ValueError) as problem:
        raise PatternError(f"cannot be read for its literals: {problem}") from problem
    except RecursionError as problem:
        raise PatternError("is nested too deeply to be read for its literals") from problem


def _endings(items: tuple[_Item, ...], before: set[str], wanted: Sequence[str]) -> set[str]:
    """How the texts end that reach the end of ``items`` and contain none of ``wanted`` so far.

    Of a text only that end counts which may be the beginning of a literal.  There are no more
    such ends than the literals have characters, however many ways lead through the pattern.
    """
    endings = before
    for item in items:
        if isinstance(item, _Branch):
            taken = (_endings(branch, endings, wanted) for branch in item.alternatives)
            endings = set().union(*taken)
        elif item is _GAP:
            endings = {""} if endings else endings
        else:
            for char in item.lower():
                texts = (end + char for end in endings)
                endings = {_beginning(text, wanted) for text in texts if not _ends(text, wanted)}
    return endings


def _ends(text: str, wanted: Sequence[str]) -> bool:
    return any(text.endswith(literal) for literal in wanted)


def _beginning(text: str, wanted: Sequence[str]) -> str:
    """The longest end of ``text`` that a literal begins with."""
    for start in range(len(text)):
        if any(literal.startswith(text[start:]) for literal in wanted):
            return text[start:]
    return ""


class _Parser:
    """A reader for the regular expressions of the catalogue."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0

    def parse(self) -> tuple[tuple[_Item, ...], ...]:
        branches = self._alternatives()
        if self.at < len(self.pattern):
            raise PatternError(f"unexpected {self.pattern[self.at]!r} at {self.at}")
        return branches

    def _alternatives(self) -> tuple[tuple[_Item, ...], ...]:
        branches: list[tuple[_Item, ...]] = []
        items: list[_Item] = []
        while self.at < len(self.pattern) and self.pattern[self.at] != ")":
            if self.pattern[self.at] == "|":
                self.at += 1
                branches.append(tuple(items))
                items = []
                continue
            items.extend(self._repeated(self._atom()))
        branches.append(tuple(items))
        return tuple(branches)

    def _atom(self) -> _Item:
        char = self.pattern[self.at]
        self.at += 1
        if char == "(":
            return self._group()
        if char == "[":
            self._skip_class()
            return _GAP
        if char == "\\":
            return self._escape()
        if char in ".^$":
            return _GAP
        if char in "*+?{":
            raise PatternError(f"{char!r} at {self.at - 1} repeats nothing")
        return char

    def _group(self) -> _Item:
        if self.pattern.startswith("?:", self.at):
            self.at += 2
        elif self.pattern.startswith("?P<", self.at):
            self.at = self.pattern.index(">", self.at) + 1
        elif self.pattern.startswith("?", self.at):
            raise PatternError("flags and look-around are not for catalogue patterns")
        branches = self._alternatives()
        if self.pattern[self.at : self.at + 1] != ")":
            raise PatternError("a group is not closed")
        self.at += 1
        return _Branch(branches)

    def _skip_class(self) -> None:
        if self.pattern.startswith("^", self.at):
            self.at += 1
        first = True
        while self.at < len(self.pattern) and (first or self.pattern[self.at] != "]"):
            first = False
            if self.pattern[self.at] == "\\":
                self.at += 1
            elif self.pattern.startswith("[:", self.at):
                self.at = self.pattern.index(":]", self.at) + 1
            self.at += 1
        if self.at >= len(self.pattern):
            raise PatternError("a character class is not closed")
        self.at += 1

    def _escape(self) -> _Item:
        char = self.pattern[self.at]
        self.at += 1
        if char in "pP" and self.pattern.startswith("{", self.at):
            self.at = self.pattern.index("}", self.at) + 1
            return _GAP
        if char in _CLASS_ESCAPES:
            return _GAP
        if char == "x":
            digits = self.pattern[self.at : self.at + 2]
            self.at += 2
            return chr(int(digits, 16))
        if char.isalnum():
            if char in _CONTROL:
                return _CONTROL[char]
            raise PatternError(f"escape \\{char} is not for catalogue patterns")
        return char

    def _repeated(self, item: _Item) -> list[_Item]:
        """The item with the quantifier after it applied."""
        char = self.pattern[self.at : self.at + 1]
        if char not in ("*", "?", "+", "{"):
            return [item]
        least = 1 if char == "+" else 0
        if char == "{":
            end = self.pattern.index("}", self.at)
            least = int(self.pattern[self.at + 1 : end].split(",")[0] or 0)
            self.at = end
        self.at += 1
        return self._lazy([item, _GAP] if least else [_GAP])

    def _lazy(self, items: list[_Item]) -> list[_Item]:
        if self.pattern[self.at : self.at + 1] == "?":
            self.at += 1
        return items
