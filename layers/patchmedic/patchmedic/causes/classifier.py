"""From evidence to ranked causes, each with the lines that support it.

Here: what a match, an exit code, a result code or a status is worth, and which cause wins.  The
rules, in order:

1.  A cause's signatures add up, each further one counting half of what the last did.
2.  Exit codes, result codes, statuses and step names are weak: they join in, and decide only
    where no text does.
3.  An attempt that failed counts little once something later shows that the work went on; that
    a part of the work was done counts little once something later failed.  Windows' logs say
    what each operation came to: that decides what the lines above it are worth.
4.  A cause takes precedence over the symptoms that it explains; where the text shows what the
    work went through (a WSUS server, a subscription's host), a symptom becomes its cause.
5.  Between equals, what stands later wins.
6.  Where nothing failed, the answer is ``benign``; where nothing decides, no cause at all.

Not here: searching (``engine``), looking at nodes (``checks``), acting.  Pure functions.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Final, Literal

from patchmedic.causes.catalogue import BENIGN, Catalogue
from patchmedic.causes.engine import Hit, Scan
from patchmedic.causes.hresults import explain, find_hresults, from_exit_code
from patchmedic.causes.schema import (
    KIND_ATTEMPT,
    KIND_COMPLETED,
    KIND_CONTEXT,
    REMEDY_PLATFORMS,
    compile_pattern,
    normal_status,
)
from patchmedic.causes.text import CleanText, clean, unwrap
from patchmedic.causes.trouble import Trouble
from patchmedic.causes.verdicts import Verdicts
from patchmedic.model import Candidate, Classification, Evidence, Platform, SupportingLine

CONFIDENCE_MIN: Final = 0.3
"""Below this a candidate would be a guess."""
NAMED: Final = 0.8
"""From here on, the text names the cause."""
HINT: Final = 0.5
CONFIDENCE_MAX: Final = 0.99
VAGUE: Final = 0.6
"""A result code worth less than this may have many reasons."""
CLOSE: Final = 0.1
"""A runner-up this near makes the winner too uncertain to act on."""
CANDIDATES_MAX: Final = 8
LINES_MAX: Final = 5
LATER_BONUS: Final = 0.06
"""What standing at the very end is worth over standing at the very beginning."""
ATTEMPT_OVERCOME: Final = 0.3
SUPERSEDED: Final = 0.5
"""What is left of a reason when the very next line of the list gives another one."""
ATTEMPT_LINES_MAX: Final = 5
"""With no more lines below it than these, an attempt may well be the last that there was."""
EXPLAINED: Final = 0.6
"""What is left of a symptom's confidence beside the cause that explains it."""
EXPLAINS_SLACK: Final = 0.25
"""A cause that is supported worse than this below a symptom does not explain it away."""
DONE: Final = 0.55
"""Where the fields say that the run failed, ``benign`` needs a text that says it was all done."""
FIELD_BESIDE_TEXT: Final = 0.45
"""The most that a status counts for where the text speaks for another cause."""

Stream = Literal["stdout", "stderr", "status"]

_SUCCESS: Final = frozenset({"success", "succeeded"})
_HEALTHY: Final = _SUCCESS | {"online"}
_SILENT: Final = frozenset({"connectionlost", "inactive"})
_NO_STATUS: Final = frozenset({"", "unknown", "none", "null"})
_EXIT_STATUS: Final = re.compile(rb"exit (?:status|code:?) (0x[0-9a-f]{8}|-?\d{1,10})\b")


@dataclass(frozen=True, slots=True)
class _Support:
    """One thing that speaks for a cause."""

    weight: float
    position: float
    """0 at the start of its stream, 1 at the end."""
    lines: tuple[SupportingLine, ...]


@dataclass(frozen=True, slots=True)
class _Reading:
    """A stream, and what is harmless in it."""

    stream: Stream
    text: CleanText
    silent: Container[int]
    """Where the lines start that named noise makes harmless."""
    ends: Verdicts
    """What Windows' programs say that their operations came to."""
    trouble: Trouble


@dataclass(slots=True)
class _Tally:
    """Everything that speaks for each cause, and what the text as a whole is like."""

    text: dict[str, list[_Support]] = field(default_factory=dict)
    weak: dict[str, list[_Support]] = field(default_factory=dict)
    context: dict[str, list[_Support]] = field(default_factory=dict)
    noise: list[SupportingLine] = field(default_factory=list)
    readings: list[_Reading] = field(default_factory=list)

    def add(self, where: dict[str, list[_Support]], cause: str, support: _Support) -> None:
        where.setdefault(cause, []).append(support)


def classify(evidence: Evidence, catalogue: Catalogue) -> Classification:
    """The causes that ``evidence`` supports, best first; none when nothing decides."""
    tally = _Tally()
    streams: list[tuple[Stream, CleanText]] = [
        ("stdout", clean(evidence.stdout)),
        ("stderr", clean(evidence.stderr)),
    ]
    for stream, text in streams:
        if text.raw:
            _read_stream(tally, catalogue, evidence.platform, stream, text)
    _read_hresults(tally, catalogue, evidence)
    _read_exit_code(tally, catalogue, evidence, streams)
    _read_status(tally, catalogue, evidence, any(text.raw.strip() for _, text in streams))
    _read_step(tally, catalogue, evidence)
    candidates = _rank(tally, catalogue)
    candidates = _benign(candidates, tally, evidence)
    kept = [each for each in candidates if each.confidence >= CONFIDENCE_MIN]
    return Classification(tuple(kept[:CANDIDATES_MAX]), catalogue.version)


def decide_remedy(
    classification: Classification, catalogue: Catalogue, platform: Platform | None = None
) -> str | None:
    """The remedy that the classification would propose; ``None`` where it is too uncertain."""
    if not classification.candidates or classification.confidence < NAMED:
        return None
    cause = classification.cause
    explained = catalogue.explains.get(cause, frozenset())
    for rival in classification.candidates[1:]:
        if rival.cause not in explained and classification.confidence - rival.confidence < CLOSE:
            return None
    if cause not in catalogue.causes:
        return None
    for remedy in catalogue.causes[cause].remedies:
        if platform is None or platform in REMEDY_PLATFORMS[remedy]:
            return remedy
    return None


def _read_stream(
    tally: _Tally, catalogue: Catalogue, platform: Platform | None, stream: Stream, text: CleanText
) -> None:
    """Note all that the patterns say, and what is harmless."""
    scan = catalogue.engine.scan(text, platform, stream)
    reading = _reading(stream, text, platform, scan)
    tally.readings.append(reading)
    if not any(hit.signature.weight >= HINT for hit in scan.hits):
        scan, joined = _scan_unwrapped(catalogue, platform, stream, text, scan)
        if joined is not text:
            reading = _reading(stream, joined, platform, scan)
    completed = max(
        (hit.places[0].offset for hit in scan.hits if hit.signature.kind == KIND_COMPLETED),
        default=-1,
    )
    for noise, place in scan.noise:
        del noise
        tally.noise.append(SupportingLine(stream, place.line, place.text))
    for hit in scan.hits:
        support = _support(hit, reading, completed)
        if support.weight < HINT <= hit.signature.weight and _overtaken(hit, reading, completed):
            tally.noise.extend(support.lines)
        if hit.signature.kind == KIND_COMPLETED and _trouble(reading, hit.places[0].offset):
            support = replace(support, weight=support.weight * ATTEMPT_OVERCOME)
        context = hit.signature.kind == KIND_CONTEXT
        tally.add(tally.context if context else tally.text, hit.signature.cause, support)


def _reading(stream: Stream, text: CleanText, platform: Platform | None, scan: Scan) -> _Reading:
    on_windows = text if platform in (None, "windows") else CleanText(b"")
    return _Reading(stream, text, scan.silent, Verdicts(on_windows, scan.silent), Trouble(text))


def _scan_unwrapped(
    catalogue: Catalogue, platform: Platform | None, stream: Stream, text: CleanText, scan: Scan
) -> tuple[Scan, CleanText]:
    """A second look with wrapped lines joined, when the first saw nothing that counts."""
    best = (_strength(scan), scan, text)
    for glue in (b"", b" "):
        joined = unwrap(text, glue)
        if joined is not None:
            again = catalogue.engine.scan(joined, platform, stream)
            if _strength(again) > best[0]:
                best = (_strength(again), again, joined)
    return best[1], best[2]


def _strength(scan: Scan) -> float:
    return max((hit.signature.weight for hit in scan.hits), default=0.0)


def _support(hit: Hit, reading: _Reading, completed: int) -> _Support:
    """What a signature is worth here: less for an attempt that something later overtook."""
    last, text, stream = hit.places[0], reading.text, reading.stream
    weight = hit.signature.weight
    if _overtaken(hit, reading, completed):
        weight *= ATTEMPT_OVERCOME
    elif reading.trouble.has_more_reasons(last.offset):
        weight *= SUPERSEDED
    lines = tuple(SupportingLine(stream, place.line, place.text) for place in hit.places)
    return _Support(weight, _position(text, last.offset), lines[::-1])


def _overtaken(hit: Hit, reading: _Reading, completed: int) -> bool:
    """True for an attempt after which the work went on, and inside what went well in the end."""
    last, trouble = hit.places[0].offset, reading.trouble
    if hit.signature.kind in (KIND_COMPLETED, KIND_CONTEXT):
        return False
    if reading.ends.overcome(last):
        return True
    if hit.signature.kind != KIND_ATTEMPT and not trouble.tries_again(last):
        return False
    return last < completed or not trouble.ends_a_run(last, ATTEMPT_LINES_MAX)


def _trouble(reading: _Reading, offset: int = -1) -> bool:
    """True when a program says below ``offset`` that it failed: one part went well, not all."""
    text, ends = reading.text, reading.ends
    start = text.bounds(offset)[1] if offset >= 0 else 0
    if ends.failed(start + 1):
        return True
    found = (to for _, to in reading.trouble.below(start))
    return any(
        text.bounds(to)[0] not in reading.silent and not ends.overcome(to)
        for to in chain(found, (match.end() for match in ends.complaints(start)))
    )


def _position(text: CleanText, offset: int) -> float:
    return 1.0 if len(text.raw) < 1_000 else (offset + 1) / len(text.raw)


def _read_hresults(tally: _Tally, catalogue: Catalogue, evidence: Evidence) -> None:
    if evidence.platform not in (None, "windows"):
        return
    hints = catalogue.hresults
    for reading in tally.readings:
        stream, text, ends = reading.stream, reading.text, reading.ends
        found = find_hresults(text, hints, reading.silent, ends.rank)
        decided = any(
            ends.names(offset) and any(hint.weight >= HINT for hint in hints.of(code))
            for code, offset in found.items()
        )
        for code, offset in found.items():
            line = SupportingLine(stream, text.line_of(offset), text.shown(*text.bounds(offset)))
            for hint in hints.of(code):
                share = ends.share(offset, decided=decided, vague=hint.weight < VAGUE)
                support = _Support(hint.weight * share, _position(text, offset), (line,))
                tally.add(tally.text, hint.cause, support)
    ended = from_exit_code(evidence.response_code, evidence.platform)
    if ended is None:
        return
    known = explain(ended)
    for hint in hints.of(ended):
        said = f"response code {evidence.response_code} ({known.hexadecimal} {known.name})"
        line = SupportingLine("status", 0, said)
        tally.add(tally.text, hint.cause, _Support(hint.weight, 1.0, (line,)))


def _read_exit_code(
    tally: _Tally,
    catalogue: Catalogue,
    evidence: Evidence,
    streams: Sequence[tuple[Stream, CleanText]],
) -> None:
    code = evidence.response_code
    if code is None:
        code = _printed_exit_code(streams)
    if code is None:
        return
    patching = evidence.document is None or "patch" in evidence.document.lower()
    for cause in catalogue.causes.values():
        for hint in cause.exit_codes:
            if hint.code != code or not (patching or hint.any_document):
                continue
            if evidence.platform is None or evidence.platform in hint.platforms:
                line = SupportingLine("status", 0, f"exit code {code}")
                tally.add(tally.weak, cause.id, _Support(hint.weight, 1.0, (line,)))


def _printed_exit_code(streams: Iterable[tuple[Stream, CleanText]]) -> int | None:
    """The exit code that the agent glued to the end of an output, as ``-1`` for 0xffffffff."""
    for _, text in reversed(list(streams)):
        found = _EXIT_STATUS.findall(text.lower[-2_000:])
        if found:
            code = int(found[-1], 0) if found[-1].startswith(b"0x") else int(found[-1])
            return code - 0x1_0000_0000 if 0x8000_0000 <= code <= 0xFFFF_FFFF else code
    return None


def _statuses(evidence: Evidence) -> list[str]:
    """The status fields, normalised, details first (they say more)."""
    given = (evidence.status_details, evidence.status)
    normal = [normal_status(status) for status in given if status]
    return [status for status in normal if status not in _NO_STATUS]


def _read_status(tally: _Tally, catalogue: Catalogue, evidence: Evidence, printed: bool) -> None:
    statuses = _statuses(evidence)
    for cause in catalogue.causes.values():
        for hint in cause.statuses:
            fits = hint.output == "any" or (hint.output == "some") == printed
            if fits and hint.value in statuses:
                line = SupportingLine("status", 0, f"status {hint.value}")
                tally.add(tally.weak, cause.id, _Support(hint.weight, 1.0, (line,)))


def _read_step(tally: _Tally, catalogue: Catalogue, evidence: Evidence) -> None:
    if not evidence.step:
        return
    for cause in catalogue.causes.values():
        for hint in cause.steps:
            if compile_pattern(hint.pattern).search(evidence.step):
                line = SupportingLine("status", 0, f"step {evidence.step}")
                tally.add(tally.weak, cause.id, _Support(hint.weight, 1.0, (line,)))


def _rank(tally: _Tally, catalogue: Catalogue) -> list[Candidate]:
    """All causes with some support, symptoms behind what explains them, best first."""
    texts = {cause: _together(support) for cause, support in tally.text.items()}
    speaks = max((score for cause, score in texts.items() if cause != BENIGN), default=0.0) >= HINT
    scores: dict[str, float] = {}
    for cause in {*tally.text, *tally.weak}:
        weak = tally.weak.get(cause, [])
        if speaks:
            weak = [
                _Support(min(each.weight, FIELD_BESIDE_TEXT), each.position, each.lines)
                for each in weak
            ]
        scores[cause] = _together([*tally.text.get(cause, []), *weak])
    _put_in_context(scores, tally, catalogue)
    scores = _explain(scores, catalogue)
    ranked = [
        Candidate(cause, round(min(score, CONFIDENCE_MAX), 3), _lines(tally, cause))
        for cause, score in scores.items()
    ]
    return sorted(ranked, key=lambda each: (-each.confidence, each.cause))


def _together(supports: Iterable[_Support]) -> float:
    """One number for all that speaks for a cause: the best, and a little for each further one."""
    ordered = sorted(supports, key=lambda support: -support.weight)
    doubt, share = 1.0, 1.0
    for each in ordered:
        doubt *= 1.0 - each.weight * share
        share /= 2
    latest = max((each.position for each in ordered), default=1.0)
    return max(0.0, 1.0 - doubt - LATER_BONUS * (1.0 - latest))


def _put_in_context(scores: dict[str, float], tally: _Tally, catalogue: Catalogue) -> None:
    """Let a cause of which the text shows the surroundings take over the symptoms it explains.

    Only where the symptom is the best that the text has: beside something better it is no matter.
    """
    best = max(scores.values(), default=0.0)
    for cause, contexts in tally.context.items():
        symptoms = [scores[each] for each in catalogue.explains[cause] & scores.keys()]
        symptom = max(symptoms, default=0.0)
        if symptom >= max(HINT, best - CLOSE):
            raised = symptom * max(each.weight for each in contexts)
            if raised > scores.get(cause, 0.0):
                scores[cause] = raised
                tally.text.setdefault(cause, []).extend(contexts)


def _explain(scores: dict[str, float], catalogue: Catalogue) -> dict[str, float]:
    """Put each symptom behind the causes that explain it, and let it speak for them a little."""
    adjusted = dict(scores)
    for cause, score in scores.items():
        if score < HINT:
            continue
        for symptom in catalogue.explains[cause] & scores.keys():
            if score < scores[symptom] - EXPLAINS_SLACK:
                continue
            adjusted[symptom] = min(adjusted[symptom], score * EXPLAINED)
            raised = score + 0.2 * scores[symptom] * (1.0 - score)
            adjusted[cause] = max(min(adjusted[cause], raised), adjusted[cause])
    return adjusted


def _lines(tally: _Tally, cause: str) -> tuple[SupportingLine, ...]:
    """The lines behind a cause, each once, in the order in which they were printed."""
    supports = [*tally.text.get(cause, []), *tally.weak.get(cause, [])]
    supports.sort(key=lambda support: -support.weight)
    best = {line: None for support in supports for line in support.lines}
    return tuple(sorted(list(best)[:LINES_MAX], key=lambda line: (line.stream, line.line)))


def _benign(candidates: list[Candidate], tally: _Tally, evidence: Evidence) -> list[Candidate]:
    """Put ``benign`` first where the fields or the text show that nothing failed."""
    statuses = _statuses(evidence)
    succeeded = bool(statuses) and all(status in _SUCCESS for status in statuses)
    if succeeded and evidence.response_code in (0, None):
        said = SupportingLine("status", 0, f"status {evidence.status or evidence.status_details}")
        return _nothing_failed(candidates, 0.95, (said, *tally.noise[:LINES_MAX]))
    if evidence.response_code == 0 and not statuses:
        said = SupportingLine("status", 0, "exit code 0")
        return _nothing_failed(candidates, 0.85, (said, *tally.noise[:LINES_MAX]))
    failed = evidence.response_code not in (0, None) or any(
        status not in _HEALTHY for status in statuses
    )
    said_done = max((each.weight for each in tally.text.get(BENIGN, ())), default=0.0)
    if failed and said_done < DONE:
        candidates = [each for each in candidates if each.cause != BENIGN]
    if any(status in _SILENT for status in statuses):
        return [each for each in candidates if each.cause != BENIGN]
    quiet = all(each.confidence < HINT for each in candidates)
    if evidence.platform in (None, "windows") and any(map(_trouble, tally.readings)):
        return [each for each in candidates if each.cause != BENIGN or each.confidence >= HINT]
    if tally.noise and quiet and all(status in _HEALTHY for status in statuses):
        return _nothing_failed(candidates, 0.55, tuple(tally.noise[:LINES_MAX]))
    return candidates


def _nothing_failed(
    candidates: Iterable[Candidate], confidence: float, lines: tuple[SupportingLine, ...]
) -> list[Candidate]:
    """``benign`` in front; what else there was stays behind it, for a person to see."""
    others = [
        Candidate(each.cause, round(min(each.confidence, confidence * EXPLAINED), 3), each.lines)
        for each in candidates
        if each.cause != BENIGN
    ]
    return [Candidate(BENIGN, confidence, lines), *others]
