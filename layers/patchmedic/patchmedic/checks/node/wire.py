"""What our documents print, as text: one JSON object between two markers.

The output is untrusted: whoever owns the node can print anything.  So any text at all gives a
document of known shape and size or the one error, ``FindingsUnreadable``.  Not here: what an
answer means.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from patchmedic.errors import PatchMedicError

STDOUT_CHARACTERS_MAX = 48_000
"""Twice what Run Command returns; more than that is not the output of a check."""
CHECKS_MAX = 40
FACTS_MAX = 20
FACT_CHARACTERS_MAX = 300
TAIL_CHARACTERS_MAX = 6_000
TAIL_STDERR_MARK = "\n--- stderr ---\n"
"""Stands in a tail between the end of stdout and that of stderr."""

RemedyState = Literal["done", "nothing-to-do", "refused", "failed"]
REMEDY_STATES: Mapping[str, RemedyState] = {state: state for state in get_args(RemedyState)}
CHECK_STATES: frozenset[str] = frozenset({"ok", "bad", "unknown"})
_PLATFORMS = frozenset({"linux", "macos", "windows"})

_NAME = re.compile(r"[a-z0-9-]{2,40}")
_FACT_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")

Answers = dict[str, tuple[str, dict[str, str]]]
"""Check -> its state and its facts, in the order in which the document gives them."""


class FindingsUnreadable(PatchMedicError):
    """The output of one of our documents is not what the document prints; says in what way."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True, slots=True)
class RemedyResult:
    """What a remedy document says that it did; believed only after a check of its own."""

    remedy: str
    state: RemedyState
    facts: Mapping[str, str] = field(default_factory=dict)


def read_answers(stdout: str) -> tuple[str, Answers]:
    """The platform that a Check document names, and what each check answered."""
    document = _document(stdout, "FINDINGS")
    platform = document.get("platform")
    if not isinstance(platform, str) or platform not in _PLATFORMS:
        raise FindingsUnreadable("schema", "the document names no platform that PatchMedic knows")
    return platform, _answers(document)


def parse_remedy(stdout: str) -> RemedyResult:
    """What a remedy document says it did; ``FindingsUnreadable`` when it says nothing readable."""
    document = _document(stdout, "REMEDY")
    remedy, state = document.get("remedy"), document.get("state")
    if not isinstance(remedy, str) or not _NAME.fullmatch(remedy):
        raise FindingsUnreadable("schema", "the document names no remedy")
    if not isinstance(state, str) or state not in REMEDY_STATES:
        raise FindingsUnreadable("schema", f"remedy {remedy} ended in no state that is known")
    facts = _facts(document.get("facts"), f"remedy {remedy}")
    told = {name: value for name, value in facts.items() if value}
    return RemedyResult(remedy, REMEDY_STATES[state], told)


def _document(stdout: str, kind: str) -> dict[str, Any]:
    """The one JSON object between the markers."""
    if len(stdout) > STDOUT_CHARACTERS_MAX:
        raise FindingsUnreadable(
            "too-long", f"the output has {len(stdout)} characters, which no document prints"
        )
    lines = [line.strip() for line in stdout.split("\n")]
    begins = [i for i, line in enumerate(lines) if line == f"<<<PATCHMEDIC-{kind}"]
    ends = [i for i, line in enumerate(lines) if line == f"PATCHMEDIC-{kind}>>>"]
    if not begins:
        raise FindingsUnreadable("no-marker", "the output holds no PatchMedic document")
    if len(begins) > 1 or len(ends) > 1:
        raise FindingsUnreadable("several", "the output holds more than one PatchMedic document")
    if not ends or ends[0] < begins[0]:
        raise FindingsUnreadable("truncated", "the output ends inside the PatchMedic document")
    # Our JSON has no line breaks of its own; a console that wraps long lines may have put some in.
    text = "".join(lines[begins[0] + 1 : ends[0]])
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FindingsUnreadable("not-json", "what is between the markers is no JSON") from error
    if not isinstance(document, dict) or document.get("schema") != 1:
        raise FindingsUnreadable("schema", "the document is not of schema 1")
    return document


def _answers(document: Mapping[str, Any]) -> Answers:
    checks = document.get("checks")
    if not isinstance(checks, list) or len(checks) > CHECKS_MAX:
        raise FindingsUnreadable("schema", "the document has no list of checks, or a huge one")
    answers: Answers = {}
    for entry in checks:
        name = entry.get("check") if isinstance(entry, dict) else None
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise FindingsUnreadable("schema", "a check in the document has no name")
        if name in answers:
            raise FindingsUnreadable("several", f"check {name} answers twice")
        state = entry.get("state")
        if not isinstance(state, str) or state not in CHECK_STATES:
            raise FindingsUnreadable("schema", f"check {name} is in no state that is known")
        answers[name] = (state, _facts(entry.get("facts"), f"check {name}"))
    return answers


def _facts(raw: object, where: str) -> dict[str, str]:
    if not isinstance(raw, dict) or len(raw) > FACTS_MAX:
        raise FindingsUnreadable("schema", f"{where} has no facts, or far too many")
    facts: dict[str, str] = {}
    for name, value in raw.items():
        if not _FACT_NAME.fullmatch(name) or not isinstance(value, str):
            raise FindingsUnreadable("schema", f"a fact of {where} is no short text")
        longest = TAIL_CHARACTERS_MAX if name == "tail" else FACT_CHARACTERS_MAX
        facts[name] = _printable(value[:longest])
    return facts


def _printable(text: str) -> str:
    """Without what could move a cursor, reverse a line or break an encoding."""
    return "".join(c if c.isprintable() or c in "\n\t" else " " for c in text)
