"""What comes next?  Everything that moves an incident from one state to the next lives here.

``decide(incident, fact, policy, now)`` is a pure function over the table ``TRANSITIONS``: no
clock, no AWS, no environment, no randomness.  A handler turns what it saw into a fact, calls
``decide``, commits the incident together with the effects in one transaction, and only then are
the effects carried out (``stages``).  What is not in the table is an error that names the state
and the fact; what is known to arrive late or twice is listed in ``IGNORED`` with the reason.

The way of one incident::

    FailureSeen ─► DIAGNOSING ─► REMEDIATING ─► VERIFYING ─► CLOSED (resolved)
                       │  │            │  ▲          │
                       │  └► PROPOSED ─┘  └──────────┤ next remedy
                       ▼        ▼                    ▼
                   HANDED_OVER (escalated, recommended: a person must act) ─► CLOSED
    CLOSED (suppressed: no action is right)

A state other than CLOSED always has a deadline; ``sweep`` turns a missed one into a fact.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal

from patchmedic.chain import on_node
from patchmedic.errors import PatchMedicError
from patchmedic.model import (
    Classification,
    Effect,
    EffectKind,
    Evidence,
    Finding,
    IncidentKind,
    Mode,
    NodeRef,
    Outcome,
    Platform,
    Risk,
    Signal,
    Verdict,
)
from patchmedic.policy import Plan, Policy, choose_remedy
from patchmedic.verdict import Diagnosis, diagnose, node_not_seen, weigh

COMMENT_PREFIX = "patchmedic "
"""Every command we send carries ``patchmedic <effect id>`` as its Comment: SendCommand has no
idempotency token, so this is how a command that went out before a crash is found again."""

DEFAULT_CHECKS: Mapping[IncidentKind, tuple[str, ...]] = {
    IncidentKind.PATCHING: (
        "instance-state",
        "managed-node",
        "recent-commands",
        "disk-space",
        "package-lock",
        "s3-reach",
    ),
    IncidentKind.PING: (
        "instance-state",
        "managed-node",
        "instance-profile",
        "network-path",
        "service-endpoint-policy",
        "boot-console",
        "agent-silence",
    ),
}
"""What is looked at whatever the text says: the cheap look-ups that an expert starts with."""


OUTPUT_END_CHECK = "patch-log-tail"
"""The node check that brings the end of the failed run's output, where AWS gives only its
beginning and that names no cause."""


class State(StrEnum):
    """Where an incident stands."""

    DIAGNOSING = "diagnosing"
    REMEDIATING = "remediating"
    VERIFYING = "verifying"
    PROPOSED = "proposed"
    HANDED_OVER = "handed-over"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an incident ended or was handed over: the rule by name, and the case in a sentence."""

    rule: str
    detail: str


@dataclass(frozen=True, slots=True)
class Action:
    """One remedy of one incident, as it went."""

    remedy: str
    risk: Risk
    effect_id: str
    started_at: datetime
    state: str = "started"
    """``started``, the node's word (``done``, ``nothing-to-do``, ``refused``, ``failed``), or
    ``not-run`` when a guard stopped it."""
    detail: str = ""
    approved_by: str | None = None
    ended_at: datetime | None = None
    """When its end was learned; ``None`` for a remedy that only waits."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A remedy that waits for a person's approval."""

    remedy: str
    cause: str
    reason: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Waiting:
    """The awaited effect may not start yet: by which rule, since when, and how long it waits."""

    rule: str
    detail: str
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Incident:
    """One failure of one kind on one node, from its first signal to its outcome."""

    id: str
    node: NodeRef
    kind: IncidentKind
    state: State
    version: int
    """Counts the commits; the store writes only over the version that was decided on."""
    opened_at: datetime
    updated_at: datetime
    deadline: datetime | None
    signal: Signal
    """The first one."""
    run_keys: tuple[str, ...]
    """The runs that are this failure, the newest last; bounded."""
    signals_count: int
    evidence: Evidence
    classification: Classification
    catalogue_version: str
    mode: Mode
    platform: Platform | None = None
    node_name: str | None = None
    """What people call the node: its Name tag, else its computer name."""
    findings: tuple[Finding, ...] = ()
    diagnosis: Diagnosis | None = None
    actions: tuple[Action, ...] = ()
    awaiting: str | None = None
    """The effect whose result is waited for; a result of any other effect is late news."""
    waiting: Waiting | None = None
    proposal: Proposal | None = None
    outcome: Outcome | None = None
    reason: Reason | None = None
    verified: str | None = None
    """What the independent look saw that let the incident be called resolved."""
    paged: bool = False
    paged_by: str | None = None
    """The effect that triggered the pager last: its resolve must not overtake it."""
    failed_at: datetime | None = None
    """The newest failure that joined; ``None`` while there is only the first."""
    seq: int = 0
    """The number of the last effect."""

    @property
    def cause(self) -> str:
        return self.diagnosis.cause if self.diagnosis else self.classification.cause

    @property
    def finished(self) -> bool:
        return self.state is State.CLOSED

    @property
    def last_failed_at(self) -> datetime:
        """What a look at the symptom must be newer than."""
        return max(self.signal.time, self.failed_at or self.signal.time)


# --- facts -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FailureSeen:
    """A signal of a failure, with what was read about it."""

    signal: Signal
    evidence: Evidence
    classification: Classification


@dataclass(frozen=True, slots=True)
class Observation:
    """An independent look at the symptom: the node's patch state, association status or ping."""

    source: str
    """``patch-state``, ``compliance``, ``association``, ``ping``."""
    observed_at: datetime
    """When the state that was looked at came about (OperationEndTime, LastPingDateTime)."""
    healthy: bool
    operation: str | None
    detail: str


@dataclass(frozen=True, slots=True)
class RecoverySeen:
    """A later run succeeded or the ping is back, with the look that says so (or ``None``)."""

    signal: Signal
    observation: Observation | None


@dataclass(frozen=True, slots=True)
class Reread:
    """The failed run's evidence with the end of its output, and what it says now."""

    evidence: Evidence
    classification: Classification


@dataclass(frozen=True, slots=True)
class FindingsRead:
    """Results of checks; ``final`` when nothing more will come of this effect."""

    effect_id: str
    findings: tuple[Finding, ...]
    final: bool
    node_name: str | None = None
    """The node's Name tag, when it was read on the way."""
    reread: Reread | None = None
    """When a check brought the end of the output."""


@dataclass(frozen=True, slots=True)
class RemedyEnded:
    """The command of a remedy ended."""

    effect_id: str
    state: Literal["done", "nothing-to-do", "refused", "failed"]
    detail: str


@dataclass(frozen=True, slots=True)
class Verified:
    """The command of a verification ended and the symptom was looked at."""

    effect_id: str
    command_ok: bool
    observation: Observation | None
    detail: str


@dataclass(frozen=True, slots=True)
class EffectRefused:
    """A guard stopped an effect before it touched anything."""

    effect_id: str
    rule: str
    reason: str


@dataclass(frozen=True, slots=True)
class EffectFailed:
    """An effect could not be carried out, or what became of it cannot be known."""

    effect_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class EffectWaits:
    """A rule said "not yet" to an effect: it has touched nothing and asks again later."""

    effect_id: str
    rule: str
    reason: str
    until: datetime


@dataclass(frozen=True, slots=True)
class EffectGoesOn:
    """An effect that waited, or that its node kept waiting, is about to be carried out."""

    effect_id: str


@dataclass(frozen=True, slots=True)
class DeadlinePassed:
    """The incident's deadline passed, and a look for the awaited result found none."""


@dataclass(frozen=True, slots=True)
class OperatorDecided:
    """A person approved or denied the proposal."""

    approve: bool
    by: str
    """The operator's IAM ARN, as AWS authenticated it."""
    note: str = ""


Fact = (
    FailureSeen
    | RecoverySeen
    | FindingsRead
    | RemedyEnded
    | Verified
    | EffectRefused
    | EffectFailed
    | EffectWaits
    | EffectGoesOn
    | DeadlinePassed
    | OperatorDecided
)


# --- the decision ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Decision:
    """The incident after a fact, what is to be done about it, and the line for its timeline."""

    incident: Incident
    effects: tuple[Effect, ...]
    entry: str
    changed: bool = True
    """False when the fact was late or doubled: nothing is committed but the line."""


class NoTransition(PatchMedicError):
    """A fact that the state machine has no answer to: a programming error, named."""

    def __init__(self, state: State, fact: Fact) -> None:
        super().__init__(f"no transition from {state.value} on {type(fact).__name__}")


def incident_id(signal: Signal) -> str:
    """The same failure always gets the same id, so a doubled event cannot open a second one."""
    key = f"{signal.node}|{signal.incident_kind}|{signal.run_key}"
    return "pm-" + hashlib.sha256(key.encode()).hexdigest()[:16]


def open_incident(fact: FailureSeen, policy: Policy, now: datetime) -> Decision:
    """The first signal of a failure: open the incident and decide what to look at."""
    signal = fact.signal
    incident = Incident(
        id=incident_id(signal),
        node=signal.node,
        kind=signal.incident_kind,
        state=State.DIAGNOSING,
        version=0,
        opened_at=now,
        updated_at=now,
        deadline=now,
        signal=signal,
        run_keys=(signal.run_key,),
        signals_count=1,
        evidence=fact.evidence,
        classification=fact.classification,
        catalogue_version=fact.classification.catalogue_version,
        mode=policy.mode,
        platform=fact.evidence.platform,
        node_name=fact.evidence.node_name,
    )
    cause = fact.classification.cause
    if cause == "benign":
        detail = "the output looks alarming, but nothing failed"
        return _close(incident, Outcome.SUPPRESSED, Reason("benign", detail), now)
    if policy.plans.get(cause, Plan()).suppress and _names(fact.classification, policy):
        return _close(incident, Outcome.SUPPRESSED, Reason("no-action-is-right", cause), now)
    if policy.mode is Mode.OBSERVE:
        reason = Reason("mode", "the mode is observe: recorded, not looked at")
        return _hand_over(incident, Outcome.RECOMMENDED, reason, policy, now)
    return _start_diagnosis(incident, policy, now, "opened")


def decide(incident: Incident, fact: Fact, policy: Policy, now: datetime) -> Decision:
    """The incident after ``fact`` and the effects to carry out.

    Raises ``NoTransition`` for a pair of state and fact that the table does not know.
    """
    key = (incident.state, type(fact))
    if key in IGNORED:
        return _unchanged(incident, IGNORED[key])
    if isinstance(fact, DeadlinePassed) and (incident.deadline is None or now < incident.deadline):
        # The index that the sweep reads may lag: what it saw overdue has moved on meanwhile.
        return _unchanged(incident, "the deadline has not passed yet")
    effect_id = getattr(fact, "effect_id", None)
    if effect_id is not None and effect_id != incident.awaiting:
        return _unchanged(incident, f"late news of effect {effect_id}")
    transition = TRANSITIONS.get(key)
    if transition is None:
        raise NoTransition(incident.state, fact)
    decision = transition(incident, fact, policy, now)
    if not decision.changed:
        return decision
    after = replace(decision.incident, version=incident.version + 1, updated_at=now)
    if after.awaiting != incident.awaiting:
        after = replace(after, waiting=None)
    return replace(decision, incident=after)


def _unchanged(incident: Incident, why: str) -> Decision:
    return Decision(incident, (), why, changed=False)


def _names(classification: Classification, policy: Policy) -> bool:
    return classification.confidence >= policy.limits.confident_min


# --- steps that several transitions share ------------------------------------------------------


def _effect(
    incident: Incident, kind: EffectKind, not_before: datetime, payload: Mapping[str, Any]
) -> tuple[Incident, Effect]:
    seq = incident.seq + 1
    effect = Effect(
        effect_id=f"{incident.id}-{seq:02d}",
        incident_id=incident.id,
        kind=kind,
        node=incident.node,
        not_before=not_before,
        payload=dict(payload),
    )
    return replace(incident, seq=seq), effect


def _start_diagnosis(incident: Incident, policy: Policy, now: datetime, entry: str) -> Decision:
    checks = _checks(incident, policy)
    payload = {"checks": checks, "platform": incident.platform}
    incident, effect = _effect(incident, EffectKind.DIAGNOSE, now, payload)
    incident = replace(
        incident,
        state=State.DIAGNOSING,
        awaiting=effect.effect_id,
        findings=(),
        diagnosis=None,
        outcome=None,
        reason=None,
        proposal=None,
        deadline=now + timedelta(minutes=policy.limits.diagnose_deadline_minutes),
    )
    return Decision(incident, (effect,), f"{entry}: looking at {len(checks)} things")


def _checks(incident: Incident, policy: Policy) -> list[str]:
    """What to look at, by what the text says so far: the likelier cause's checks first.

    Where the text only hints at a cause, or at none, the look is as wide as for an unknown one.
    """
    limits, found = policy.limits, incident.classification
    checks = list(DEFAULT_CHECKS[incident.kind])
    if incident.evidence.truncated and not _names(found, policy):
        checks.append(OUTPUT_END_CHECK)
    causes = [each.cause for each in found.candidates[: limits.candidates_checked_max]]
    if found.confidence < limits.hint_below:
        causes.append("unknown")
    for cause in causes:
        checks += policy.plans.get(cause, Plan()).checks
    return list(dict.fromkeys(checks))[: limits.checks_max]


def _act(incident: Incident, policy: Policy, now: datetime) -> Decision:
    """After a diagnosis (or a remedy that did not help): the next remedy, or a person."""
    diagnosis = incident.diagnosis
    assert diagnosis is not None, "act only on a diagnosis"
    plan = policy.plans.get(diagnosis.cause, Plan())
    if diagnosis.confirmed and plan.suppress:
        return _close(
            incident, Outcome.SUPPRESSED, Reason("no-action-is-right", diagnosis.cause), now
        )
    if policy.mode is not Mode.AUTO:
        reason = Reason("mode", f"the mode is {policy.mode.value}: advice only")
        return _hand_over(incident, Outcome.RECOMMENDED, reason, policy, now)
    if not diagnosis.confirmed:
        reason = Reason("not-confirmed", "no check confirmed a cause, so nothing was changed")
        return _hand_over(incident, Outcome.ESCALATED, reason, policy, now)
    choice = choose_remedy(
        policy,
        diagnosis.cause,
        incident.platform,
        [a.remedy for a in incident.actions],
        by_text_only=diagnosis.basis == "text",
        silent=_silent(incident),
        confirming=_confirming(incident.findings, diagnosis.cause),
    )
    if choice.remedy is None:
        return _hand_over(
            incident, Outcome.ESCALATED, Reason(choice.rule, choice.reason), policy, now
        )
    if choice.needs_approval:
        return _propose(incident, choice.remedy.id, choice.reason, policy, now)
    return _apply(incident, choice.remedy.id, policy, now, approved_by=None)


def _confirming(findings: tuple[Finding, ...], cause: str) -> frozenset[str]:
    """The checks whose findings confirmed the cause."""
    return frozenset(
        f.check for f in findings if f.verdict is Verdict.CONFIRMS and f.cause == cause
    )


def _silent(incident: Incident) -> bool:
    """Whether no document reaches the node: its ping is lost, or the run never got there."""
    details = (incident.evidence.status_details or "").replace(" ", "").lower()
    return incident.kind is IncidentKind.PING or details in ("deliverytimedout", "undeliverable")


def _apply(
    incident: Incident, remedy_id: str, policy: Policy, now: datetime, approved_by: str | None
) -> Decision:
    remedy = policy.remedies[remedy_id]
    not_before = now + timedelta(seconds=remedy.wait_seconds)
    action = Action(
        remedy_id, remedy.risk, "", now, approved_by=approved_by
    )  # its effect id is known only below
    incident = replace(incident, proposal=None)
    if not remedy.documents and remedy.action is None:
        action = replace(action, state="done", detail="waited; the verification is the attempt")
        incident = replace(incident, actions=(*incident.actions, action))
        not_before = now + timedelta(
            seconds=max(remedy.wait_seconds, policy.limits.retry_wait_seconds)
        )
        return _verify(incident, policy, now, not_before, f"{remedy_id}: try again")
    payload = {
        "remedy": remedy_id,
        "cause": incident.cause,
        "platform": incident.platform,
        "approved_by": approved_by,
    }
    incident, effect = _effect(incident, EffectKind.REMEDY, not_before, payload)
    action = replace(action, effect_id=effect.effect_id)
    incident = replace(
        incident,
        state=State.REMEDIATING,
        actions=(*incident.actions, action),
        awaiting=effect.effect_id,
        deadline=_command_deadline(not_before, remedy.timeout_seconds, policy),
    )
    return Decision(incident, (effect,), f"remedy {remedy_id} for {incident.cause}")


def _verify(
    incident: Incident, policy: Policy, now: datetime, not_before: datetime, entry: str
) -> Decision:
    payload = {
        "since": now.isoformat(),
        "operation": _verify_operation(incident, policy),
        "cause": incident.cause,
        "remedy": incident.actions[-1].remedy if incident.actions else None,
    }
    incident, effect = _effect(incident, EffectKind.VERIFY, not_before, payload)
    incident = replace(
        incident,
        state=State.VERIFYING,
        awaiting=effect.effect_id,
        deadline=_command_deadline(not_before, policy.limits.verify_timeout_seconds, policy),
    )
    return Decision(incident, (effect,), f"{entry}; verify with {payload['operation']}")


def _verify_operation(incident: Incident, policy: Policy) -> str:
    """Scan, unless the original was an Install and the policy allows one without a reboot."""
    if incident.kind is IncidentKind.PING:
        return "Ping"
    original_installs = incident.evidence.operation == "Install"
    if original_installs and policy.verify_operation == "InstallNoReboot":
        return "InstallNoReboot"
    return "Scan"


def _command_deadline(start: datetime, timeout_seconds: int, policy: Policy) -> datetime:
    """A command is certain to be over after its delivery and execution time-outs together."""
    limits = policy.limits
    return start + timedelta(
        seconds=limits.delivery_timeout_seconds + timeout_seconds,
        minutes=limits.command_margin_minutes,
    )


def _propose(
    incident: Incident, remedy_id: str, reason: str, policy: Policy, now: datetime
) -> Decision:
    expires = now + timedelta(hours=policy.limits.proposal_hours)
    incident = replace(
        incident,
        state=State.PROPOSED,
        awaiting=None,
        proposal=Proposal(remedy_id, incident.cause, reason, expires),
        deadline=expires,
    )
    incident, notify = _notify(incident, "proposal", now)
    return Decision(incident, (notify,), f"proposed {remedy_id}: {reason}")


def _hand_over(
    incident: Incident, outcome: Outcome, reason: Reason, policy: Policy, now: datetime
) -> Decision:
    """A person must act; the incident stays open so that its recovery closes it."""
    incident = replace(
        incident,
        state=State.HANDED_OVER,
        awaiting=None,
        proposal=None,
        outcome=outcome,
        reason=reason,
        deadline=now + timedelta(days=policy.limits.handover_days),
    )
    incident, notify = _notify(incident, outcome.value, now)
    return Decision(incident, (notify,), f"{outcome.value}: {reason.detail}")


def _close(incident: Incident, outcome: Outcome, reason: Reason, now: datetime) -> Decision:
    incident = replace(
        incident,
        state=State.CLOSED,
        awaiting=None,
        proposal=None,
        outcome=outcome,
        reason=reason,
        deadline=None,
    )
    effects: tuple[Effect, ...] = ()
    if outcome is Outcome.RESOLVED or incident.paged:
        incident, notify = _notify(incident, outcome.value, now)
        effects = (notify,)
    return Decision(incident, effects, f"{outcome.value}: {reason.detail}")


def _notify(incident: Incident, notice: str, now: datetime) -> tuple[Incident, Effect]:
    """One message.  The pager is triggered once, and resolved with the same key once."""
    page: str | None = None
    if notice in (Outcome.ESCALATED.value, "proposal") and not incident.paged:
        page = "trigger"
        incident = replace(incident, paged=True)
    elif notice in (Outcome.RESOLVED.value, Outcome.SUPPRESSED.value) and incident.paged:
        page = "resolve"
        incident = replace(incident, paged=False)
    payload = {"notice": notice, "page": page}
    if page == "resolve":
        payload["after"] = incident.paged_by
    incident, effect = _effect(incident, EffectKind.NOTIFY, now, payload)
    if page == "trigger":
        incident = replace(incident, paged_by=effect.effect_id)
    return incident, effect


def _joined(incident: Incident, signal: Signal, policy: Policy) -> Incident:
    keys = incident.run_keys
    if signal.run_key not in keys:
        keys = (*keys, signal.run_key)[-policy.limits.run_keys_max :]
    return replace(
        incident,
        run_keys=keys,
        signals_count=incident.signals_count + 1,
        failed_at=max(incident.last_failed_at, signal.time),
    )


# --- transitions -------------------------------------------------------------------------------


def _on_failure_again(
    incident: Incident, fact: FailureSeen, policy: Policy, now: datetime
) -> Decision:
    incident = _joined(incident, fact.signal, policy)
    return Decision(incident, (), f"another signal joined: {fact.signal.kind.value}")


def _on_failure_after_handover(
    incident: Incident, fact: FailureSeen, policy: Policy, now: datetime
) -> Decision:
    """The same cause again is no news; another cause is looked at afresh, under the same key."""
    incident = _joined(incident, fact.signal, policy)
    found = fact.classification
    same = found.cause in (incident.cause, "unknown") or not _names(found, policy)
    if same or policy.mode is Mode.OBSERVE:
        return Decision(incident, (), f"failed again: {found.cause}")
    incident = replace(
        incident,
        evidence=fact.evidence,
        classification=found,
        catalogue_version=found.catalogue_version,
        platform=fact.evidence.platform or incident.platform,
    )
    return _start_diagnosis(incident, policy, now, f"failed in another way ({found.cause})")


def _on_recovery(incident: Incident, fact: RecoverySeen, policy: Policy, now: datetime) -> Decision:
    """A later success by other means resolves it, if an independent look agrees."""
    seen = fact.observation
    if seen is None:
        return _unchanged(incident, "a recovery signal came, but the node could not be looked at")
    if not seen.healthy:
        return _unchanged(incident, f"a recovery signal came, but: {seen.detail}")
    if not _newer(incident, seen):
        why = "a recovery signal came that is older than the failure or our last remedy"
        return _unchanged(incident, why)
    if incident.evidence.operation == "Install" and seen.operation == "Scan":
        return _unchanged(incident, "a Scan succeeded, but it was an Install that failed")
    incident = replace(incident, verified=seen.detail)
    reason = Reason("recovered", "it succeeded later by other means")
    return _close(incident, Outcome.RESOLVED, reason, now)


def _on_findings(incident: Incident, fact: FindingsRead, policy: Policy, now: datetime) -> Decision:
    incident = replace(
        incident,
        findings=_merged(incident.findings, fact.findings),
        node_name=fact.node_name or incident.node_name,
    )
    if not fact.final:
        return Decision(incident, (), f"{len(fact.findings)} findings from the AWS side")
    if not any(map(on_node, incident.findings)) and not incident.node.node_id.startswith("mw-"):
        unseen = node_not_seen(incident.node.node_id)
        incident = replace(incident, findings=(*incident.findings, unseen))
    if fact.reread is None or not incident.evidence.truncated:
        return _conclude(incident, policy, now)
    return _on_reread(incident, fact.reread, policy, now)


def _on_reread(incident: Incident, reread: Reread, policy: Policy, now: datetime) -> Decision:
    """The end of the output is here: conclude from it, after a look at what only it names.

    That look is the last one, for an end that is here is not read again.
    """
    looked = set(_checks(incident, policy))
    incident = replace(
        incident,
        evidence=reread.evidence,
        classification=reread.classification,
        catalogue_version=reread.classification.catalogue_version,
    )
    if looked.issuperset(_checks(incident, policy)):
        return _conclude(incident, policy, now)
    says = f"the end of the output says {reread.classification.cause}"
    decision = _start_diagnosis(incident, policy, now, says)
    return replace(decision, incident=replace(decision.incident, findings=incident.findings))


def _merged(old: tuple[Finding, ...], new: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """A check that ran again (after a crash) replaces all that it said before."""
    again = {finding.check for finding in new}
    return (*(finding for finding in old if finding.check not in again), *new)


def _conclude(incident: Incident, policy: Policy, now: datetime) -> Decision:
    diagnosis = diagnose(
        incident.classification, incident.findings, policy.plans, policy.limits.confident_min
    )
    findings = weigh(incident.findings)
    incident = replace(incident, findings=findings, diagnosis=diagnosis, awaiting=None)
    decision = _act(incident, policy, now)
    said = f"{diagnosis.cause} ({'confirmed' if diagnosis.confirmed else 'not confirmed'})"
    return replace(decision, entry=f"diagnosed {said}; {decision.entry}")


def _on_diagnose_trouble(
    incident: Incident,
    fact: EffectRefused | EffectFailed | DeadlinePassed,
    policy: Policy,
    now: datetime,
) -> Decision:
    """No (more) findings will come: conclude from what there is."""
    why = _why(fact, "the checks did not answer in time")
    unseen = node_not_seen(incident.node.node_id, why)
    incident = replace(incident, findings=_merged(incident.findings, (unseen,)))
    decision = _conclude(incident, policy, now)
    return replace(decision, entry=f"{why}; {decision.entry}")


def _why(fact: Fact, otherwise: str) -> str:
    return fact.reason if isinstance(fact, EffectRefused | EffectFailed) else otherwise


def _last_action(incident: Incident, state: str, detail: str, now: datetime) -> Incident:
    assert incident.actions, "a remedy is awaited, so there is an action"
    last = replace(incident.actions[-1], state=state, detail=detail, ended_at=now)
    return replace(incident, actions=(*incident.actions[:-1], last))


def _on_remedy_ended(
    incident: Incident, fact: RemedyEnded, policy: Policy, now: datetime
) -> Decision:
    incident = _last_action(incident, fact.state, fact.detail, now)
    if fact.state == "failed" or fact.state == "refused":
        decision = _act(incident, policy, now)
        return replace(decision, entry=f"the remedy {fact.state}: {fact.detail}; {decision.entry}")
    return _verify(incident, policy, now, now, f"the remedy ended: {fact.state}")


def _on_remedy_refused(
    incident: Incident, fact: EffectRefused, policy: Policy, now: datetime
) -> Decision:
    """A guard said no.  Without the opt-in tag the mode of the node is advice; else a person."""
    remedy = incident.actions[-1].remedy
    incident = _last_action(incident, "not-run", fact.reason, now)
    if fact.rule == "risk-ceiling" and policy.offers(remedy):
        return _propose(incident, remedy, fact.reason, policy, now)
    return _refused(incident, fact, policy, now)


def _on_verify_refused(
    incident: Incident, fact: EffectRefused, policy: Policy, now: datetime
) -> Decision:
    return _refused(incident, fact, policy, now)


def _refused(incident: Incident, fact: EffectRefused, policy: Policy, now: datetime) -> Decision:
    advice_only = fact.rule in ("opt-in", "mode", "mode-tag", "kill-switch")
    outcome = Outcome.RECOMMENDED if advice_only else Outcome.ESCALATED
    return _hand_over(incident, outcome, Reason(fact.rule, fact.reason), policy, now)


def _on_effect_waits(
    incident: Incident, fact: EffectWaits, policy: Policy, now: datetime
) -> Decision:
    """The deadline moves to the end of the wait and of the command that may follow it."""
    since = incident.waiting.since if incident.waiting else now
    waiting = Waiting(fact.rule, fact.reason, since, fact.until)
    deadline = _command_deadline(fact.until, _timeout_seconds(incident, policy), policy)
    incident = replace(incident, waiting=waiting, deadline=deadline)
    return Decision(incident, (), f"waits ({fact.rule}) until {_at(fact.until)}: {fact.reason}")


def _on_effect_goes_on(
    incident: Incident, fact: EffectGoesOn, policy: Policy, now: datetime
) -> Decision:
    """From here on a recovery no longer closes the incident: the effect is under way.

    The deadline counts from now; whoever carries it out has the time of his claim to send it.
    """
    begins = now + timedelta(seconds=policy.limits.claim_seconds)
    deadline = _command_deadline(begins, _timeout_seconds(incident, policy), policy)
    said = "it begins late"
    if incident.waiting is not None:
        since = _at(incident.waiting.since)
        said = f"it waited ({incident.waiting.rule}) since {since} and goes on"
    return Decision(replace(incident, waiting=None, deadline=deadline), (), said)


def _at(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M UTC")


def _timeout_seconds(incident: Incident, policy: Policy) -> int:
    remedy = policy.remedies.get(incident.actions[-1].remedy) if incident.actions else None
    if incident.state is State.VERIFYING or remedy is None:
        return policy.limits.verify_timeout_seconds
    return remedy.timeout_seconds


def _on_recovery_while_busy(
    incident: Incident, fact: RecoverySeen, policy: Policy, now: datetime
) -> Decision:
    """While a remedy only waits, a success by other means makes it needless."""
    if incident.waiting is None:
        return _unchanged(incident, _BUSY)
    decision = _on_recovery(incident, fact, policy, now)
    if not decision.changed or incident.state is not State.REMEDIATING:
        return decision
    spared = _last_action(decision.incident, "not-run", "it recovered before", now)
    return replace(decision, incident=spared)


def run_ended(before: Incident, fact: Fact, after: Incident) -> tuple[str, bool] | None:
    """The remedy whose run came to its end by this fact, and whether it was proved to help."""
    if not before.actions or getattr(fact, "effect_id", None) != before.awaiting:
        return None
    remedy = before.actions[-1].remedy
    if before.state is State.VERIFYING and isinstance(fact, Verified):
        return remedy, after.outcome is Outcome.RESOLVED
    if before.state is State.REMEDIATING and isinstance(fact, RemedyEnded):
        return (remedy, False) if fact.state == "failed" else None
    return None


def _on_remedy_trouble(
    incident: Incident, fact: EffectFailed | DeadlinePassed, policy: Policy, now: datetime
) -> Decision:
    """What became of the remedy is not known: never try another on top of it."""
    why = _why(fact, "the remedy did not report back in time")
    incident = _last_action(incident, "unknown", why, now)
    return _hand_over(incident, Outcome.ESCALATED, Reason("remedy-lost", why), policy, now)


def _on_verified(incident: Incident, fact: Verified, policy: Policy, now: datetime) -> Decision:
    seen = fact.observation
    if fact.command_ok and seen is not None and seen.healthy and _newer(incident, seen):
        incident = replace(incident, verified=seen.detail)
        reason = Reason("verified", fact.detail)
        return _close(incident, Outcome.RESOLVED, reason, now)
    decision = _act(incident, policy, now)
    return replace(decision, entry=f"not fixed: {fact.detail}; {decision.entry}")


def _newer(incident: Incident, seen: Observation) -> bool:
    """The look must be of a state after every remedy and every failure, or it is an old result."""
    ends = [action.ended_at or action.started_at for action in incident.actions]
    return seen.observed_at > max([incident.last_failed_at, *ends])


def _on_verify_trouble(
    incident: Incident, fact: EffectFailed | DeadlinePassed, policy: Policy, now: datetime
) -> Decision:
    why = _why(fact, "the verification did not report back in time")
    return _hand_over(incident, Outcome.ESCALATED, Reason("verification-lost", why), policy, now)


def _on_operator(
    incident: Incident, fact: OperatorDecided, policy: Policy, now: datetime
) -> Decision:
    proposal = incident.proposal
    assert proposal is not None, "a proposed incident has a proposal"
    if now >= proposal.expires_at:
        return _on_proposal_expired(incident, DeadlinePassed(), policy, now)
    if not fact.approve:
        reason = Reason("denied", f"{fact.by} denied {proposal.remedy}")
        return _hand_over(incident, Outcome.ESCALATED, reason, policy, now)
    if not policy.offers(proposal.remedy) or policy.mode is not Mode.AUTO:
        reason = Reason("mode", "the policy changed since the proposal: nothing is run")
        return _hand_over(incident, Outcome.RECOMMENDED, reason, policy, now)
    decision = _apply(incident, proposal.remedy, policy, now, approved_by=fact.by)
    return replace(decision, entry=f"approved by {fact.by}; {decision.entry}")


def _on_proposal_expired(
    incident: Incident, fact: DeadlinePassed, policy: Policy, now: datetime
) -> Decision:
    reason = Reason("proposal-expired", "nobody approved the remedy in time")
    return _hand_over(incident, Outcome.ESCALATED, reason, policy, now)


def _on_handover_over(
    incident: Incident, fact: DeadlinePassed, policy: Policy, now: datetime
) -> Decision:
    """File it: nobody reported a recovery.  The outcome stays what it was."""
    assert incident.outcome is not None, "what was handed over has an outcome"
    closed = replace(incident, state=State.CLOSED, deadline=None)
    return Decision(closed, (), "filed: no recovery was seen in time")


Transition = Callable[[Incident, Any, Policy, datetime], Decision]

TRANSITIONS: Mapping[tuple[State, type[Any]], Transition] = {
    (State.DIAGNOSING, FailureSeen): _on_failure_again,
    (State.DIAGNOSING, RecoverySeen): _on_recovery,
    (State.DIAGNOSING, FindingsRead): _on_findings,
    (State.DIAGNOSING, EffectRefused): _on_diagnose_trouble,
    (State.DIAGNOSING, EffectFailed): _on_diagnose_trouble,
    (State.DIAGNOSING, DeadlinePassed): _on_diagnose_trouble,
    (State.REMEDIATING, FailureSeen): _on_failure_again,
    (State.REMEDIATING, RecoverySeen): _on_recovery_while_busy,
    (State.REMEDIATING, EffectWaits): _on_effect_waits,
    (State.REMEDIATING, EffectGoesOn): _on_effect_goes_on,
    (State.REMEDIATING, RemedyEnded): _on_remedy_ended,
    (State.REMEDIATING, EffectRefused): _on_remedy_refused,
    (State.REMEDIATING, EffectFailed): _on_remedy_trouble,
    (State.REMEDIATING, DeadlinePassed): _on_remedy_trouble,
    (State.VERIFYING, FailureSeen): _on_failure_again,
    (State.VERIFYING, RecoverySeen): _on_recovery_while_busy,
    (State.VERIFYING, EffectWaits): _on_effect_waits,
    (State.VERIFYING, EffectGoesOn): _on_effect_goes_on,
    (State.VERIFYING, Verified): _on_verified,
    (State.VERIFYING, EffectRefused): _on_verify_refused,
    (State.VERIFYING, EffectFailed): _on_verify_trouble,
    (State.VERIFYING, DeadlinePassed): _on_verify_trouble,
    (State.PROPOSED, FailureSeen): _on_failure_again,
    (State.PROPOSED, RecoverySeen): _on_recovery,
    (State.PROPOSED, OperatorDecided): _on_operator,
    (State.PROPOSED, DeadlinePassed): _on_proposal_expired,
    (State.HANDED_OVER, FailureSeen): _on_failure_after_handover,
    (State.HANDED_OVER, RecoverySeen): _on_recovery,
    (State.HANDED_OVER, DeadlinePassed): _on_handover_over,
}

_BUSY = "a remedy or its verification is under way; its own check decides"
_NOTHING_AWAITED = "no effect is awaited in this state: late news"
_NEVER_WAITS = "no effect waits for its time in this state: late news"
_NO_PROPOSAL = "there is no proposal to decide on"
_FINISHED = "the incident is closed"

IGNORED: Mapping[tuple[State, type[Any]], str] = {
    **{
        (state, fact): _NEVER_WAITS
        for state in (State.DIAGNOSING, State.PROPOSED, State.HANDED_OVER)
        for fact in (EffectWaits, EffectGoesOn)
    },
    **{
        (state, fact): _NOTHING_AWAITED
        for state, facts in {
            State.DIAGNOSING: (RemedyEnded, Verified),
            State.REMEDIATING: (FindingsRead, Verified),
            State.VERIFYING: (FindingsRead, RemedyEnded),
            State.PROPOSED: (FindingsRead, RemedyEnded, Verified, EffectRefused, EffectFailed),
            State.HANDED_OVER: (FindingsRead, RemedyEnded, Verified, EffectRefused, EffectFailed),
        }.items()
        for fact in facts
    },
    **{
        (state, OperatorDecided): _NO_PROPOSAL
        for state in (State.DIAGNOSING, State.REMEDIATING, State.VERIFYING, State.HANDED_OVER)
    },
    **{
        (State.CLOSED, fact): _FINISHED
        for fact in (
            FailureSeen,
            RecoverySeen,
            FindingsRead,
            RemedyEnded,
            Verified,
            EffectRefused,
            EffectFailed,
            EffectWaits,
            EffectGoesOn,
            DeadlinePassed,
            OperatorDecided,
        )
    },
}
