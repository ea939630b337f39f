"""Texts that every match of a pattern contains.

Two questions are answered here.  Of an author's pattern: does each match contain one of these
literals?  And for the search engine: which texts should it look for, so that the pattern itself is
tried only where it may match?  A literal that a match need not contain would lose lines in
silence, so each answer is a proof; what this module cannot read is an error, never a guess.  It
reads the part of RE2's syntax that the catalogue uses.

A pattern ignores case, and so do its literals, in ASCII.  In other alphabets a literal stands as
the pattern has it and in lower case.  Not here: the search (``engine``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from patchmedic.causes.schema import LITERAL_LENGTH_MIN, PatternError, SearchPlan

_CLASS_ESCAPES: Final = frozenset("dDsSwWpPbBAz")
_CONTROL: Final = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v", "a": "\a"}
_GAP: Final = None

CLASS_CHARACTERS_MAX: Final = 4
"""A class of more characters is a gap."""
TEXTS_MAX: Final = 24
"""Texts that a part of a pattern is written out to."""
GROUPS_MAX: Final = 4
"""Groups of texts that a match is asked for; more make it no rarer."""
BESIDE_TEXTS_MAX: Final = 6
"""Texts that are worth looking for beside the one that was found."""
RARE_BYTES: Final = 12
"""A text of this length is as rare as can be."""
RARE_ENOUGH_BYTES: Final = 6
"""With texts of this length, other literals are not worth what the pattern shows of itself."""
EVERYDAY: Final = (
    " aws-runpatchbaseline patchbaselineoperations patch-baseline-operations snapshot id payload."
    " https://s3.dualstack. .amazonaws.com/ amazon-ssm-agent version status operation repository"
    " downloading installing available updates installed windows update complete! succeeded"
    " successfully failed to could not unable to not found error: warning: exit status "
)
"""What runs print that go well, or that fail for any reason: poor texts to look for."""


@dataclass(frozen=True, slots=True)
class _Branch:
    """Alternatives, of which exactly one is taken."""

    alternatives: tuple[tuple[_Item, ...], ...]


@dataclass(frozen=True, slots=True)
class _OneOf:
    """A class of few characters."""

    characters: str


@dataclass(frozen=True, slots=True)
class _Maybe:
    """An item that may be missing."""

    item: _Item


_Item = str | None | _Branch | _OneOf | _Maybe
"""A literal character, a gap (anything or nothing), or one of the three above."""


def requires_one_of(pattern: str, literals: Sequence[str]) -> bool:
    """True when each text that ``pattern`` matches contains one of ``literals`` (any case)."""
    wanted = [literal.lower() for literal in literals if literal]
    with _told():
        return bool(wanted) and not _endings((_Branch(_Parser(pattern).parse()),), {""}, wanted)


def search_plan(pattern: str, literals: Sequence[str] = ()) -> SearchPlan:
    """What to look for in place of ``pattern``, all in lower case.

    ``literals``, which the caller has proven, are taken where the pattern shows nothing better.
    """
    plan: list[tuple[tuple[tuple[str, ...], ...], bool]] = []
    first: set[str] = set()
    with _told():
        for items in _branches(_Parser(pattern).parse()):
            whole, groups = _groups(items)
            groups.sort(key=_rarity, reverse=True)
            first |= groups[0] if groups else {""}
            others = [group for group in groups[1:] if len(group) <= BESIDE_TEXTS_MAX]
            best = [*groups[:1], *others[: GROUPS_MAX - 1]]
            plan.append((tuple(map(_spellings, best)), whole is not None))
    if _useful(first) and (not literals or _commonest(first) >= _enough(literals)):
        return tuple(plan)
    if not literals:
        raise PatternError(f"shows no text of {LITERAL_LENGTH_MIN} bytes that each match contains")
    return (((_spellings(literals),), False),)


@contextmanager
def _told() -> Iterator[None]:
    """Say of a pattern that it cannot be read, whatever the reading stumbles over."""
    try:
        yield
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
        elif not isinstance(item, str):
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


# --- the texts of a pattern ----------------------------------------------------------------------


def _branches(branches: tuple[tuple[_Item, ...], ...]) -> tuple[tuple[_Item, ...], ...]:
    """The alternatives of the whole pattern, also where a group is all of it."""
    while len(branches) == 1 and len(branches[0]) == 1 and isinstance(branches[0][0], _Branch):
        branches = branches[0][0].alternatives
    return branches


def _groups(items: tuple[_Item, ...]) -> tuple[frozenset[str] | None, list[frozenset[str]]]:
    """All texts that ``items`` match, where they are few; and groups of which each match has one.

    Texts are put together as long as they stay few: ``could(?: not|n't)`` is two of them.
    """
    texts, whole = frozenset({""}), True
    groups: list[frozenset[str]] = []
    for item in items:
        options, inner = _options(item)
        if options is not None and len(texts) * len(options) <= TEXTS_MAX:
            texts = frozenset(before + option for before in texts for option in options)
            continue
        whole = False
        groups += [texts, *inner]
        texts = frozenset({""}) if options is None else options
    groups.append(texts)
    useful = [_shortest(group) for group in groups if _useful(group)]
    return (texts if whole else None), useful


def _options(item: _Item) -> tuple[frozenset[str] | None, list[frozenset[str]]]:
    """As ``_groups``, for one item."""
    if isinstance(item, str):
        return frozenset({_lower(item)}), []
    if isinstance(item, _OneOf):
        return frozenset(map(_lower, item.characters)), []
    if isinstance(item, _Maybe):
        options, _ = _options(item.item)
        return (None if options is None else options | {""}), []
    if not isinstance(item, _Branch):
        return None, []
    parts = [_groups(alternative) for alternative in item.alternatives]
    wholes = [texts for texts, _ in parts if texts is not None]
    if len(wholes) == len(parts):
        together = frozenset().union(*wholes)
        if len(together) <= TEXTS_MAX:
            return together, []
    best = [max(groups, key=_rarity, default=None) for _, groups in parts]
    known = [group for group in best if group is not None]
    return None, [frozenset().union(*known)] if len(known) == len(best) else []


def _lower(character: str) -> str:
    return character.lower() if character.isascii() else character


def _useful(texts: Iterable[str]) -> bool:
    return all(len(text.encode()) >= LITERAL_LENGTH_MIN for text in texts)


def _rarity(texts: Collection[str]) -> float:
    """How rarely any of ``texts`` stands in an ordinary output, by its looks; few are better."""
    return min(_commonest(texts), RARE_BYTES) - len(texts) / 8


def _enough(texts: Iterable[str]) -> int:
    """How rare a text must be for these not to be better."""
    return min(RARE_ENOUGH_BYTES, _commonest(texts))


def _commonest(texts: Iterable[str]) -> int:
    """How long the text is that ordinary outputs contain most; an everyday one counts as short."""
    return min(1 if text in EVERYDAY else len(text.encode()) for text in texts)


def _shortest(texts: Iterable[str]) -> frozenset[str]:
    """The texts without those that contain another one of them."""
    kept: list[str] = []
    for text in sorted(texts, key=len):
        if not any(shorter in text for shorter in kept):
            kept.append(text)
    return frozenset(kept)


def _spellings(texts: Iterable[str]) -> tuple[str, ...]:
    """The texts as they stand in a text of which only the ASCII letters were made small."""
    spelt = {text.encode().lower().decode() for text in texts} | {text.lower() for text in texts}
    return tuple(sorted(spelt))


# --- reading a pattern ---------------------------------------------------------------------------


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
            return self._class()
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

    def _class(self) -> _Item:
        start = self.at
        self._skip_class()
        inside = self.pattern[start : self.at - 1]
        plain = not any(special in inside for special in "\\^[]") and "-" not in inside[1:-1]
        return _OneOf(inside) if plain and len(inside) <= CLASS_CHARACTERS_MAX else _GAP

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
        if char == "?":
            return self._lazy([_Maybe(item)])
        return self._lazy([item, _GAP] if least else [_GAP])

    def _lazy(self, items: list[_Item]) -> list[_Item]:
        if self.pattern[self.at : self.at + 1] == "?":
            self.at += 1
        return items
