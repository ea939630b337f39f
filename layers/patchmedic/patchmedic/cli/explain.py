"""What a person is told about one cause: everything in its file, as sections of readable text.

Here: a ``Page`` made from a cause in one language, free of any form.  Not here: how a page looks on
a terminal (``causes``) or as Markdown (``docs/build.py``), and the words (``words``).  Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from patchmedic.causes.catalogue import Catalogue
from patchmedic.causes.classifier import NAMED
from patchmedic.causes.hresults import explain
from patchmedic.causes.schema import (
    KIND_ATTEMPT,
    KIND_COMPLETED,
    KIND_CONTEXT,
    PLATFORMS,
    Cause,
    ExitCode,
    Hresult,
    Signature,
    Status,
)
from patchmedic.cli import words
from patchmedic.cli.phrases import GAP, phrases
from patchmedic.model import Remedy

PHRASES_MAX: Final = 40
"""Texts listed under one heading; a cause with more is known by the first ones."""


@dataclass(frozen=True, slots=True)
class Ref:
    """Another cause, by its id."""

    cause: str


@dataclass(frozen=True, slots=True)
class Literal:
    """A text that is shown as it is: a code, a status, an id."""

    text: str


Span = str | Ref | Literal
Spans = tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading within a section."""

    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text."""

    spans: Spans


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list; each item may have lines of its own below it."""

    items: tuple[tuple[Spans, ...], ...]


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines that are shown as they are: commands, or what a program prints."""

    lines: tuple[str, ...]


Block = Heading | Paragraph | Bullets | Lines


@dataclass(frozen=True, slots=True)
class Section:
    """One part of a page; never empty."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """One cause in one language."""

    cause: str
    title: str
    group: str
    platforms: str
    sections: tuple[Section, ...]


@dataclass(frozen=True, slots=True)
class Explainer:
    """Makes the pages of one catalogue."""

    catalogue: Catalogue
    remedies: Mapping[str, Remedy]
    language: str

    def page(self, cause: Cause, examples: Sequence[str] = ()) -> Page:
        """Everything about a cause.  ``examples``: lines that runs with it printed."""
        sections = (
            Section(self._say("meaning"), (Paragraph((cause.meaning[self.language],)),)),
            Section(self._say("advice"), self._advice(cause)),
            Section(self._say("checks"), self._checks(cause)),
            Section(self._say("remedies"), self._remedies(cause)),
            Section(self._say("related"), self._related(cause)),
            Section(self._say("shows"), self._shows(cause, examples)),
            Section(self._say("links"), (Bullets(tuple(((link,),) for link in cause.links)),)),
        )
        return Page(
            cause=cause.id,
            title=cause.title[self.language],
            group=words.GROUPS[cause.group][self.language],
            platforms=self.platforms(platforms_of(cause)),
            sections=tuple(each for each in sections if any(map(_filled, each.blocks))),
        )

    def platforms(self, names: Iterable[str]) -> str:
        """Platforms as people call them."""
        ordered = [name for name in PLATFORMS if name in set(names)]
        if len(ordered) == len(PLATFORMS):
            return self._say("all-platforms")
        return self._say("and").join(words.PLATFORMS[name][self.language] for name in ordered)

    def _say(self, key: str, **values: str) -> str:
        text = words.EXPLAIN[key][self.language]
        return text.format(**values) if values else text

    def _advice(self, cause: Cause) -> tuple[Block, ...]:
        """The prose of the advice, and its indented lines as what they are: commands."""
        blocks: list[Block] = []
        for line in cause.advice[self.language].splitlines():
            if not line.startswith("  "):
                blocks.append(Paragraph((line.strip(),)))
            elif blocks and isinstance(blocks[-1], Lines):
                blocks[-1] = Lines((*blocks[-1].lines, line.strip()))
            else:
                blocks.append(Lines((line.strip(),)))
        return tuple(block for block in blocks if _filled(block))

    # --- how it shows ---

    def _shows(self, cause: Cause, examples: Sequence[str]) -> tuple[Block, ...]:
        blocks: list[Block] = []
        if examples:
            blocks += [Paragraph((self._say("example"),)), Lines(tuple(examples))]
        groups: dict[tuple[str, ...], list[Signature]] = {}
        for signature in cause.signatures:
            groups.setdefault(tuple(sorted(signature.platforms)), []).append(signature)
        for names in sorted(groups, key=lambda each: (-len(each), each)):
            blocks.append(Heading(self.platforms(names)))
            blocks += self._signatures(groups[names])
        blocks += self._exit_codes(cause.exit_codes)
        blocks += self._result_codes(cause.hresults)
        blocks += self._statuses(cause.statuses)
        if cause.steps:
            found = [text for step in cause.steps for text in phrases(step.pattern)]
            blocks += [Heading(self._say("steps")), Lines(tuple(found))]
        if not blocks:
            return (Paragraph((self._say("nothing"),)),)
        if any(isinstance(each, Lines) and GAP in "".join(each.lines) for each in blocks):
            blocks.insert(0, Paragraph((self._say("gap"),)))
        return tuple(blocks)

    def _signatures(self, signatures: Sequence[Signature]) -> Iterable[Block]:
        for key in ("names", "hints", KIND_ATTEMPT, KIND_CONTEXT, KIND_COMPLETED):
            of_key = [each for each in signatures if _sort_of(each) == key]
            found = dict.fromkeys(text for each in of_key for text in phrases(each.pattern))
            if not found:
                continue
            shown = list(found)[:PHRASES_MAX]
            if len(found) > PHRASES_MAX:
                shown.append(self._say("more", n=str(len(found) - PHRASES_MAX)))
            yield Paragraph((self._say(key),))
            yield Lines(tuple(shown))

    def _exit_codes(self, exit_codes: Sequence[ExitCode]) -> Iterable[Block]:
        items = []
        for each in exit_codes:
            where = self._say("of-any-document" if each.any_document else "of-patch-document")
            platforms = self._say("comma") + self.platforms(each.platforms)
            items.append(((Literal(str(each.code)), where + platforms + self._weak(each.weight)),))
        return [Heading(self._say("exit-codes")), Bullets(tuple(items))] if items else []

    def _result_codes(self, hresults: Sequence[Hresult]) -> Iterable[Block]:
        ordered = sorted(hresults, key=lambda each: (-each.weight, each.first))
        strong = [(self._result_code(each),) for each in ordered if each.weight >= NAMED]
        weak = [(self._result_code(each),) for each in ordered if each.weight < NAMED]
        if hresults:
            yield Heading(self._say("result-codes"))
        if strong:
            yield Bullets(tuple(strong))
        if weak:
            yield Paragraph((self._say("weaker"),))
            yield Bullets(tuple(weak))

    def _result_code(self, hint: Hresult) -> Spans:
        known = explain(hint.first)
        if hint.first < hint.last:
            codes = Literal(f"{known.hexadecimal}-0x{hint.last:08X}")
            return (codes, " " + self._say("others-of") + " ", Literal(known.facility))
        named: Spans = (" ", Literal(known.symbol)) if known.symbol else ()
        return (Literal(known.hexadecimal), *named, f": {known.meaning[self.language]}")

    def _statuses(self, statuses: Sequence[Status]) -> Iterable[Block]:
        items = []
        for each in statuses:
            when = self._say(f"status-{each.output}") if each.output != "any" else ""
            name = words.STATUSES.get(each.value, each.value)
            items.append(((Literal(name), when + self._weak(each.weight)),))
        return [Heading(self._say("statuses")), Bullets(tuple(items))] if items else []

    def _weak(self, weight: float) -> str:
        return "" if weight >= NAMED else self._say("weak")

    # --- what belongs to it ---

    def _related(self, cause: Cause) -> tuple[Block, ...]:
        causes = self.catalogue.causes
        explained_by = tuple(each.id for each in causes.values() if cause.id in each.explains)
        taken_for = tuple(each.id for each in causes.values() if cause.id in each.confused_with)
        confused = dict.fromkeys((*cause.confused_with, *taken_for))
        blocks: list[Block] = []
        for key, names in (
            ("explains", cause.explains),
            ("explained-by", explained_by),
            ("confused", tuple(confused)),
        ):
            if names:
                blocks.append(Heading(self._say(key)))
                items = (((Ref(name), f": {causes[name].title[self.language]}"),) for name in names)
                blocks.append(Bullets(tuple(items)))
        return tuple(blocks)

    def _checks(self, cause: Cause) -> tuple[Block, ...]:
        if not cause.checks:
            return (Paragraph((self._say("no-checks"),)),)
        asked = ((check, words.CHECKS.get(check, {})) for check in cause.checks)
        items = (((Literal(check), f": {of.get(self.language, '')}"),) for check, of in asked)
        blocks: list[Block] = [Bullets(tuple(items))]
        if cause.confirm and cause.remedies:
            blocks.append(Paragraph((self._say("confirm"),)))
        if cause.transient:
            blocks.append(Paragraph((self._say("transient"),)))
        return tuple(blocks)

    def _remedies(self, cause: Cause) -> tuple[Block, ...]:
        if not cause.remedies:
            return (Paragraph((self._say("suppress" if cause.suppress else "no-remedies"),)),)
        return (Bullets(tuple(self._remedy(name) for name in cause.remedies)),)

    def _remedy(self, name: str) -> tuple[Spans, ...]:
        remedy = self.remedies.get(name)
        if remedy is None:
            return ((Literal(name),),)
        head = self._say(
            "remedy",
            title=remedy.title[self.language],
            id=name,
            risk=words.RISKS[remedy.risk.value][self.language],
            platforms=self.platforms(remedy.documents or PLATFORMS),
        )
        changes = self._say("changes", changes=remedy.changes[self.language])
        undo = self._say("undo", undo=remedy.undo[self.language])
        return ((head,), (changes,), (undo,))


def platforms_of(cause: Cause) -> tuple[str, ...]:
    """Where a cause can occur, as far as its signs tell; a status can on every platform."""
    if cause.statuses or cause.steps or not (cause.signatures or cause.exit_codes):
        return PLATFORMS
    found = {name for each in cause.signatures for name in each.platforms}
    found |= {name for code in cause.exit_codes for name in code.platforms}
    found |= {"windows"} if cause.hresults else set()
    return tuple(name for name in PLATFORMS if name in found)


def _sort_of(signature: Signature) -> str:
    if signature.kind in (KIND_ATTEMPT, KIND_CONTEXT, KIND_COMPLETED):
        return signature.kind
    return "names" if signature.weight >= NAMED else "hints"


def _filled(block: Block) -> bool:
    if isinstance(block, Heading):
        return False
    if isinstance(block, Paragraph):
        return any(block.spans)
    return bool(block.items if isinstance(block, Bullets) else block.lines)
