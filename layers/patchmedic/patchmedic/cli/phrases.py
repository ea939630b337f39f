"""A catalogue pattern as a person reads it: the texts that it looks for, without the signs.

Here: one RE2 pattern in, a few example texts out, with ``…`` where anything may stand.  Not here:
matching (``causes.engine``) and proving literals (``causes.literals``).  It only shows; a sign that
it does not know becomes ``…``, and never an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

GAP: Final = "…"
TEXTS_MAX: Final = 400
"""Texts made of one pattern before duplicates and short ones are left out."""
TEXT_CHARACTERS_MIN: Final = 3

_BLANK_ESCAPES: Final = {"s": " ", "t": " ", "n": " ", "r": " "}
_NOTHING_ESCAPES: Final = frozenset("bBAz")
_GAPS: Final = re.compile(rf"\s*{GAP}[\s{GAP}]*")


@dataclass(frozen=True, slots=True)
class _Group:
    """Alternatives, of which one is taken."""

    alternatives: tuple[tuple[_Item, ...], ...]


_Item = str | _Group
"""A text (``…`` for anything) or a group."""


def phrases(pattern: str) -> tuple[str, ...]:
    """The texts that a pattern looks for: each of its outer alternatives once, in their order."""
    found: dict[str, None] = {}
    items = _Reader(pattern).read()
    for text in islice(_outer(items), TEXTS_MAX):
        tidy = _tidy(text)
        if len(tidy.replace(GAP, "").strip()) >= TEXT_CHARACTERS_MIN:
            found.setdefault(tidy)
    return tuple(found)


def _outer(group: _Group) -> Iterator[str]:
    """One text for each alternative; a group at the start of one opens into its own."""
    for items in group.alternatives:
        first = next((n for n, item in enumerate(items) if item not in ("", GAP)), None)
        opened = items[first] if first is not None else None
        if first is None or not isinstance(opened, _Group):
            yield _inner(items)
            continue
        rest = _inner(items[first + 1 :])
        yield from (text + rest for text in _outer(opened))


def _inner(items: tuple[_Item, ...]) -> str:
    """One text: of each group the first alternative."""
    parts = (item if isinstance(item, str) else _inner(item.alternatives[0]) for item in items)
    return "".join(parts)


def _tidy(text: str) -> str:
    text = _GAPS.sub(f" {GAP} ", text)
    text = re.sub(rf" {GAP} (?=[,.;:)\]'\"])", GAP, text)
    return " ".join(text.split()).removeprefix(f"{GAP} ").removesuffix(f" {GAP}").strip()


class _Reader:
    """Reads the regular expressions of the catalogue."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0

    def read(self) -> _Group:
        return self._alternatives()

    def _peek(self, length: int = 1) -> str:
        return self._pattern[self._at : self._at + length]

    def _take(self) -> str:
        self._at += 1
        return self._pattern[self._at - 1 : self._at]

    def _alternatives(self) -> _Group:
        alternatives: list[tuple[_Item, ...]] = []
        items: list[_Item] = []
        while self._peek() and self._peek() != ")":
            if self._peek() == "|":
                self._take()
                alternatives.append(tuple(items))
                items = []
            else:
                items.append(self._repeated(self._atom()))
        alternatives.append(tuple(items))
        return _Group(tuple(alternatives))

    def _atom(self) -> _Item:
        sign = self._take()
        if sign == "(":
            return self._group()
        if sign == "[":
            return self._class()
        if sign == "\\":
            return self._escape()
        if sign == ".":
            return GAP
        return "" if sign in "^$" else sign

    def _group(self) -> _Item:
        if found := re.match(r"\?(?:P?<\w+>|[a-zA-Z-]*:)", self._pattern[self._at :]):
            self._at += found.end()
        group = self._alternatives()
        self._take()
        return group

    def _class(self) -> _Item:
        """The first of the characters of a class of a few; anything for other classes."""
        start = self._at
        self._at += self._peek() == "^"
        self._at += self._peek() == "]"
        while self._peek() and self._peek() != "]":
            self._at += 2 if self._peek() == "\\" else 1
        inside = self._pattern[start : self._at]
        self._take()
        simple = len(inside) <= 4 and inside.isprintable() and not re.search(r"[\^\\-]", inside)
        return inside[:1] if simple else GAP

    def _escape(self) -> _Item:
        sign = self._take()
        if sign in _BLANK_ESCAPES:
            return _BLANK_ESCAPES[sign]
        if sign in _NOTHING_ESCAPES:
            return ""
        if sign == "x":
            digits = self._peek(2)
            self._at += 2
            return chr(int(digits, 16)) if re.fullmatch(r"[0-9a-fA-F]{2}", digits) else GAP
        if sign in "pP" and self._peek() == "{":
            while self._peek() and self._take() != "}":
                pass
            return GAP
        return GAP if sign.isalnum() else sign

    def _repeated(self, item: _Item) -> _Item:
        """The item, or what is left of it after ``?``, ``*``, ``+`` or ``{n,m}``."""
        sign = self._peek()
        if not sign or sign not in "?*+{":
            return item
        least = 1
        if sign == "{":
            end = self._pattern.find("}", self._at)
            if end < 0:
                return item
            least = int(re.match(r"\d*", self._pattern[self._at + 1 :])[0] or 0)  # type: ignore[index]
            self._at = end
        elif sign in "?*":
            least = 0
        self._take()
        if self._peek() == "?":
            self._take()
        # What may be missing is shown where it makes a text read better: words, blanks, gaps.
        if least or (sign == "?" and isinstance(item, _Group)) or item in (GAP, " "):
            return item
        return ""
