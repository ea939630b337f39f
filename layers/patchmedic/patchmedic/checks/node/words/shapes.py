"""The shapes of what a check says, and how facts get into a sentence.

``{name}`` in a sentence stands for the fact of that name; facts are put in by ``fill``, which
replaces names and nothing else, so text from a node cannot reach anything through it.  Commands
hold no facts at all: only ``NODE_ID`` and ``<REGION>``, put in where what would go in is known to
be one.  Other names in angle brackets are for the reader to fill.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from patchmedic.model import Text

_PLACE = re.compile(r"\{([a-z_]+)\}")


def fill(text: Text, facts: Mapping[str, str]) -> Text:
    """The sentence with its facts, in each language; a missing or empty fact shows as ``-``."""
    return {
        language: _PLACE.sub(lambda place: facts.get(place.group(1), "") or "-", sentence)
        for language, sentence in text.items()
    }


def t(en: str, ja: str) -> Text:
    return {"en": en, "ja": ja}


@dataclass(frozen=True, slots=True)
class Advice:
    """What a person does about it."""

    fix: Text
    commands: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Platform -> commands to paste; the empty name is for every platform."""


@dataclass(frozen=True, slots=True)
class Special:
    """A sentence for one of a check's rules, where the usual one does not fit."""

    text: Text
    advice: Advice | None = None
    """``None``: the advice of the cause that the rule confirms, if it confirms one."""


@dataclass(frozen=True, slots=True)
class Words:
    """What a check says when all is well, and when it is not."""

    ok: Text
    bad: Text
    advice: Advice | None = None
    """For ``bad``.  ``None``: the advice of the cause that it confirms, if it confirms one."""
    special: Mapping[str, Special] = field(default_factory=dict)
    """By the name that a rule of the check gives in ``says``."""
