"""Incidents, causes and classifications as a person reads them on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from rich import box
from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text as Styled

from patchmedic.causes.catalogue import Catalogue
from patchmedic.causes.hresults import codes_in, explain, from_exit_code
from patchmedic.incident import Incident, State
from patchmedic.model import Classification, Finding, IncidentKind, Outcome, Verdict
from patchmedic.notices.chain import chain_text
from patchmedic.ports import TimelineEntry
from patchmedic.verdict import fixes, has_passed, sort_out

_STYLES: Mapping[str, str] = {
    Outcome.RESOLVED.value: "green",
    Outcome.ESCALATED.value: "red",
    Outcome.RECOMMENDED.value: "yellow",
    Outcome.SUPPRESSED.value: "dim",
    "waits for approval": "magenta",
}


CODES_SHOWN_MAX = 5
WIDTH_WITHOUT_TERMINAL = 120
"""Of a file or a pipe: wide enough for a row to stay on one line."""


def console() -> Console:
    """A console that stays readable when the output is a file or a narrow terminal."""
    console = Console(highlight=False)
    if not console.is_terminal:
        return Console(highlight=False, width=WIDTH_WITHOUT_TERMINAL)
    return console


def outcome_of(incident: Incident) -> str:
    """How it stands, in one or two words."""
    if incident.state is State.PROPOSED:
        return "waits for approval"
    if incident.outcome is not None:
        return incident.outcome.value
    return incident.state.value


def what_failed(incident: Incident) -> str:
    """What the incident is about, short."""
    if incident.kind is IncidentKind.PING:
        return "ping lost"
    evidence = incident.evidence
    status = (evidence.status_details or evidence.status or "Failed").replace(" ", "")
    return f"{evidence.operation or 'Patch run'} {_STATUSES.get(status.lower(), status)}"


_STATUSES: Mapping[str, str] = {
    "failed": "failed",
    "timedout": "timed out",
    "executiontimedout": "timed out",
    "deliverytimedout": "never arrived",
    "undeliverable": "never arrived",
    "cancelled": "cancelled",
    "canceled": "cancelled",
    "terminated": "cancelled",
}

_NOTHING_WAS_DONE: Mapping[str, str] = {
    "recovered": "a person fixed it",
    "no-action-is-right": "nothing needed",
    "benign": "nothing needed",
    "kill-switch": "stopped by the switch",
}


def what_was_done(incident: Incident) -> str:
    """The remedies and how they went; else what else was done."""
    if incident.actions:
        return ", ".join(
            a.remedy if a.state in ("done", "nothing-to-do") else f"{a.remedy} ({a.state})"
            for a in incident.actions
        )
    if incident.proposal:
        return f"proposed {incident.proposal.remedy}"
    if incident.reason:
        return _NOTHING_WAS_DONE.get(incident.reason.rule, "advice")
    return "looking"


def took(incident: Incident, now: datetime) -> str:
    """From the first signal to the last change (or to now, while it is open and moving)."""
    moving = incident.state in (State.DIAGNOSING, State.REMEDIATING, State.VERIFYING)
    end = now if moving else incident.updated_at
    seconds = max(0, int((end - incident.opened_at).total_seconds()))
    if seconds < 120:
        return f"{seconds} s"
    minutes = seconds // 60
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"


def incidents_table(incidents: Iterable[Incident], now: datetime, *, ids: bool = False) -> Table:
    """The list: node, what failed, cause, what was done, outcome, how long.

    Fits 80 columns.  A question mark says that no check confirmed the cause; ``ids`` adds the
    incidents' ids, which the other commands take.
    """
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, padding=(0, 1))
    for heading in ("node", "what failed", "cause", "what was done", "outcome", "took"):
        table.add_column(heading, overflow="fold")
    if ids:
        table.add_column("incident", no_wrap=True)
    for incident in incidents:
        confirmed = incident.diagnosis is not None and incident.diagnosis.confirmed
        outcome = outcome_of(incident)
        row = [
            Styled(incident.node_name or incident.node.node_id),
            Styled(what_failed(incident)),
            Styled(incident.cause + ("" if confirmed else "?")),
            Styled(what_was_done(incident)),
            Styled(outcome, style=_STYLES.get(outcome, "")),
            Styled(took(incident, now), justify="right"),
        ]
        table.add_row(*row, *([Styled(incident.id)] if ids else []))
    return table


def incident_page(
    incident: Incident, timeline: Sequence[TimelineEntry], catalogue: Catalogue, language: str
) -> Group:
    """One incident in full."""
    head = Table.grid(padding=(0, 2))
    rows: list[tuple[str, str]] = [
        ("incident", f"{incident.id}  ({incident.state.value})"),
        ("node", str(incident.node)),
        ("what failed", what_failed(incident)),
        ("cause", _cause(incident)),
        *_reasons(incident, catalogue, language),
        ("outcome", outcome_of(incident)),
    ]
    if incident.reason:
        rows.append(("because", incident.reason.detail))
    if incident.verified:
        rows.append(("proof", incident.verified))
    hook = incident.evidence.hook
    if hook is not None:
        rows.append(("failed hook", f"{hook.document or 'name not known'} ({hook.point or '?'})"))
    rows += [("note", note) for note in incident.evidence.notes]
    for name, value in rows:
        head.add_row(Styled(name, style="dim"), Styled(value))
    parts: list[object] = [head]
    parts.append(_lines(incident.classification))
    platform = incident.platform or incident.evidence.platform
    ended = from_exit_code(incident.evidence.response_code, platform)
    codes = [] if ended is None else [ended]
    if platform in (None, "windows"):
        codes += _codes_in(incident.classification)
    parts += _codes(codes, language)
    findings = Table(title="findings", header_style="bold", title_justify="left", box=None)
    for heading in ("check", "verdict", "about", "what it saw"):
        findings.add_column(heading, overflow="fold")
    for finding in sorted(incident.findings, key=lambda f: _ORDER[f.verdict]):
        findings.add_row(
            finding.check,
            finding.verdict.value,
            Styled(f"{finding.cause or '-'} / {finding.resource}"),
            Styled(finding.says.get(language, "")),
        )
    if incident.findings:
        parts.append(findings)
    history = Table(title="timeline", header_style="bold", title_justify="left", box=None)
    for heading in ("at", "by", "what"):
        history.add_column(heading, overflow="fold")
    for entry in timeline:
        history.add_row(f"{entry.at:%H:%M:%S}", entry.by, Styled(entry.text))
    parts.append(history)
    parts += _advice(incident, catalogue, language)
    return Group(*parts)  # type: ignore[arg-type]


_ORDER: Mapping[Verdict, int] = {Verdict.CONFIRMS: 0, Verdict.REFUTES: 1, Verdict.NEUTRAL: 2}


def _cause(incident: Incident) -> str:
    """The cause, and how sure that is."""
    diagnosis = incident.diagnosis
    if diagnosis is None:
        return f"{incident.cause} (by the output alone)"
    if diagnosis.basis == "text":
        passed = has_passed(incident.cause, incident.findings)
        return f"{incident.cause} (named by the output; {'it has passed' if passed else 'unseen'})"
    if incident.cause == "unknown" and not diagnosis.confirmed:
        return incident.cause
    return f"{incident.cause} ({'confirmed' if diagnosis.confirmed else 'likely, not confirmed'})"


def _reasons(incident: Incident, catalogue: Catalogue, language: str) -> Iterable[tuple[str, str]]:
    """How the cause led to the failure, what else is wrong, what was ruled out or not seen."""
    diagnosis = incident.diagnosis
    if diagnosis is None:
        return

    def title(cause: str) -> str:
        found = catalogue.causes.get(cause)
        return found.title[language] if found else cause

    if len(diagnosis.chain) > 1:
        yield "chain", chain_text(diagnosis.chain, title, language)
    looked = sort_out(incident.cause, diagnosis, incident.findings)
    if looked.also:
        yield "also found", _by_check(looked.also)
    if looked.ruled_out:
        yield "ruled out", _by_check(looked.ruled_out)
    for finding in looked.not_looked:
        yield "not looked at", f"{finding.check}: {finding.says.get(language, '')}"


def _by_check(findings: Iterable[Finding]) -> str:
    return ", ".join(f"{each.cause} ({each.check})" for each in findings)


def _advice(incident: Incident, catalogue: Catalogue, language: str) -> list[Panel]:
    """What a person does: what the findings about this very node say, else the catalogue."""
    if incident.outcome not in (Outcome.ESCALATED, Outcome.RECOMMENDED):
        return []
    looked = sort_out(incident.cause, incident.diagnosis, incident.findings)
    exact = [each for each in (*fixes(looked), *looked.also) if each.fix.get(language)]
    texts = dict.fromkeys("\n  ".join((f.fix[language], *f.commands)) for f in exact)
    cause = catalogue.causes.get(incident.cause)
    if not texts and cause:
        texts = {cause.advice[language]: None}
    told = Styled("\n".join(texts))
    return [Panel(told, title="what to do", title_align="left")] if texts else []


def _lines(classification: Classification) -> Table:
    table = Table(title="evidence", header_style="bold", title_justify="left", box=None)
    for heading in ("cause", "confidence", "where", "text"):
        table.add_column(heading, overflow="fold")
    for candidate in classification.candidates[:3]:
        for line in candidate.lines[:3] or ():
            where = f"{line.stream}:{line.line}" if line.line else line.stream
            table.add_row(
                candidate.cause, f"{candidate.confidence:.2f}", where, Styled(line.text[:300])
            )
    return table


def _codes_in(classification: Classification) -> list[int]:
    """The Windows result codes in the lines that are shown."""
    shown = (line for each in classification.candidates[:3] for line in each.lines[:3])
    return [code for line in shown for code in codes_in(line.text)]


def _codes(codes: Iterable[int], language: str) -> list[Table]:
    """What Windows result codes mean; no table where there are none."""
    table = Table(title="error codes", header_style="bold", title_justify="left", box=None)
    for heading in ("code", "name", "meaning"):
        table.add_column(heading, overflow="fold")
    for known in map(explain, list(dict.fromkeys(codes))[:CODES_SHOWN_MAX]):
        table.add_row(known.hexadecimal, Styled(known.name), Styled(known.meaning[language]))
    return [table] if table.row_count else []


def classification_page(
    name: str, classification: Classification, catalogue: Catalogue, language: str
) -> Group:
    """What ``patchmedic classify`` says of one piece of evidence."""
    cause = catalogue.causes.get(classification.cause)
    title = cause.title[language] if cause else classification.cause
    head = Styled.assemble(
        (f"{name}: ", "dim"),
        (classification.cause, "bold"),
        f" ({classification.confidence:.2f}) - {title}",
    )
    parts: list[object] = [head]
    if classification.candidates:
        parts.append(_lines(classification))
        parts += _codes(_codes_in(classification), language)
    if cause:
        parts.append(Panel(Styled(cause.advice[language]), title="what to do", title_align="left"))
    return Group(*parts)  # type: ignore[arg-type]
