"""The state machine: its table is whole, each rule holds, and no order of facts breaks it."""

from __future__ import annotations

import itertools
import typing
from dataclasses import replace
from datetime import datetime, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from incident_samples import (
    COMMAND,
    MINUTE,
    NODE,
    NOW,
    PLANS,
    POLICY,
    REMEDIES,
    classified,
    failure,
    finding,
    healthy,
    opened,
    ping_lost,
    signal,
)

from patchmedic import incident as machine
from patchmedic.causes.catalogue import load_catalogue
from patchmedic.errors import PatchMedicError
from patchmedic.incident import (
    IGNORED,
    OUTPUT_END_CHECK,
    TRANSITIONS,
    DeadlinePassed,
    Decision,
    EffectFailed,
    EffectGoesOn,
    EffectRefused,
    EffectWaits,
    Fact,
    FailureSeen,
    FindingsRead,
    Incident,
    NoTransition,
    Observation,
    OperatorDecided,
    RecoverySeen,
    RemedyEnded,
    Reread,
    State,
    Verified,
    decide,
    open_incident,
)
from patchmedic.model import (
    Candidate,
    Classification,
    EffectKind,
    Evidence,
    Finding,
    IncidentKind,
    Mode,
    Outcome,
    SignalKind,
    Verdict,
)
from patchmedic.playbook import plans_of
from patchmedic.policy import Plan, Policy
from patchmedic.verdict import Diagnosis, could_not_look, sort_out

FACTS: tuple[type[object], ...] = typing.get_args(Fact)
LATER = NOW + 10 * MINUTE
HOUR = 60 * MINUTE
RECOMMEND = replace(POLICY, mode=Mode.RECOMMEND)


def told(policy: Policy, start: Incident, *facts: Fact, at: datetime = LATER) -> Decision:
    """The last of several decisions, a minute apart."""
    decision = Decision(start, (), "")
    for number, fact in enumerate(facts):
        decision = decide(decision.incident, fact, policy, at + number * MINUTE)
    return decision


def findings(incident: Incident, *found: Finding) -> FindingsRead:
    assert incident.awaiting is not None
    return FindingsRead(incident.awaiting, found, final=True)


def diagnosed(policy: Policy = POLICY, cause: str = "disk-full", *found: Finding) -> Incident:
    """An incident after its checks; by default they confirm the cause."""
    start = opened(cause, policy)
    return told(policy, start, findings(start, *(found or (finding(cause),)))).incident


def ended(incident: Incident, state: str = "done") -> RemedyEnded:
    assert incident.awaiting is not None
    return RemedyEnded(incident.awaiting, state, "as it went")  # type: ignore[arg-type]


def verified(incident: Incident, seen: Observation | None, *, command_ok: bool = True) -> Verified:
    assert incident.awaiting is not None
    return Verified(incident.awaiting, command_ok, seen, "the look")


def in_state(state: State) -> Incident:
    """A sound incident in each state, on its usual way."""
    remediating = diagnosed()
    verifying = told(POLICY, remediating, ended(remediating)).incident
    made = {
        State.DIAGNOSING: opened(),
        State.REMEDIATING: remediating,
        State.VERIFYING: verifying,
        State.PROPOSED: diagnosed(POLICY, "s3-unreachable"),
        State.HANDED_OVER: diagnosed(POLICY, "disk-full", finding(verdict=Verdict.NEUTRAL)),
        State.CLOSED: told(
            POLICY, verifying, verified(verifying, healthy(LATER + 9 * MINUTE)), at=LATER + MINUTE
        ).incident,
    }[state]
    assert made.state is state, f"the way to {state} ended in {made.state}"
    return made


def fact_of(kind: type[object], incident: Incident) -> Fact:
    """One sound fact of a kind, with news of the effect that the incident waits for."""
    effect_id = incident.awaiting or f"{incident.id}-01"
    later = replace(signal(), kind=SignalKind.PATCH_COMMAND_SUCCEEDED, time=LATER)
    facts: dict[type[object], Fact] = {
        FailureSeen: failure(command_id=COMMAND[:-1] + "2"),
        RecoverySeen: RecoverySeen(later, healthy(LATER)),
        FindingsRead: FindingsRead(effect_id, (finding(),), final=True),
        RemedyEnded: RemedyEnded(effect_id, "done", "done"),
        Verified: Verified(effect_id, True, healthy(LATER), "seen"),
        EffectRefused: EffectRefused(effect_id, "opt-in", "no tag"),
        EffectFailed: EffectFailed(effect_id, "not sent"),
        EffectWaits: EffectWaits(effect_id, "window-closed", "no window", LATER + HOUR),
        EffectGoesOn: EffectGoesOn(effect_id),
        DeadlinePassed: DeadlinePassed(),
        OperatorDecided: OperatorDecided(True, "arn:aws:iam::123456789012:user/op"),
    }
    return facts[kind]


# --- the table -----------------------------------------------------------------------------------


@pytest.mark.parametrize("fact", FACTS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("state", State)
def test_every_pair_is_in_exactly_one_table_or_cannot_happen(
    state: State, fact: type[object]
) -> None:
    key = (state, fact)
    assert (key in TRANSITIONS) + (key in IGNORED) == 1


def test_the_tables_name_no_other_state_or_fact() -> None:
    pairs = {(state, fact) for state in State for fact in FACTS}
    assert set(TRANSITIONS) | set(IGNORED) == pairs
    assert all(IGNORED.values()), "each ignored pair says why"


@pytest.mark.parametrize("fact", FACTS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("state", State)
def test_every_pair_is_decided(state: State, fact: type[object]) -> None:
    before = in_state(state)
    late = (before.deadline or LATER) + MINUTE
    decision = decide(before, fact_of(fact, before), POLICY, late)
    if (state, fact) in IGNORED:
        assert not decision.changed
        assert decision.entry == IGNORED[(state, fact)]
    check(before, decision)


def test_a_pair_that_nobody_thought_of_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    without = {k: v for k, v in TRANSITIONS.items() if k != (State.DIAGNOSING, FailureSeen)}
    monkeypatch.setattr(machine, "TRANSITIONS", without)
    with pytest.raises(NoTransition, match="no transition from diagnosing on FailureSeen") as error:
        decide(opened(), failure(), POLICY, NOW)
    assert isinstance(error.value, PatchMedicError), "it must fail its own message, not the batch"


@pytest.mark.parametrize("state", [s for s in State if s is not State.CLOSED])
def test_every_unfinished_state_has_a_deadline_and_moves_on_when_it_passes(state: State) -> None:
    before = in_state(state)
    assert before.deadline is not None
    decision = decide(before, DeadlinePassed(), POLICY, before.deadline)
    assert decision.changed
    assert decision.incident.state is not state


@pytest.mark.parametrize("state", [s for s in State if s is not State.CLOSED])
def test_a_deadline_that_has_not_passed_yet_is_no_fact(state: State) -> None:
    """The index that the sweep reads may lag: the incident has moved on, with a new deadline."""
    before = in_state(state)
    assert before.deadline is not None
    decision = decide(before, DeadlinePassed(), POLICY, before.deadline - MINUTE)
    assert not decision.changed
    assert decision.incident == before


# --- opening -------------------------------------------------------------------------------------


def test_the_same_failure_always_gets_the_same_id() -> None:
    assert opened().id == opened("s3-unreachable").id
    other = open_incident(failure(command_id=COMMAND[:-1] + "2"), POLICY, NOW).incident
    assert other.id != opened().id


def test_a_failure_is_diagnosed_with_the_default_checks_and_those_of_its_causes() -> None:
    decision = open_incident(failure(), POLICY, NOW)
    (effect,) = decision.effects
    assert effect.kind is EffectKind.DIAGNOSE
    assert effect.effect_id == decision.incident.awaiting
    checks = effect.payload["checks"]
    assert set(machine.DEFAULT_CHECKS[IncidentKind.PATCHING]) <= set(checks)
    assert len(checks) == len(set(checks)), "nothing is looked at twice"


WIDE = ("wide-look", "disk-space", "other-look")
WIDELY = replace(
    POLICY,
    plans={
        **PLANS,
        "unknown": Plan(checks=WIDE),
        "first": Plan(checks=("look-1", "disk-space")),
        "second": Plan(checks=("look-2", "look-1")),
        "third": Plan(checks=("look-3",)),
    },
)


def looks(policy: Policy, *ranked: tuple[str, float]) -> list[str]:
    """What is looked at beyond the default, in its order."""
    found = Classification(tuple(Candidate(c, p) for c, p in ranked), "v1")
    (effect,) = open_incident(replace(failure(), classification=found), policy, NOW).effects
    default = machine.DEFAULT_CHECKS[IncidentKind.PATCHING]
    return [name for name in effect.payload["checks"] if name not in default]


@pytest.mark.parametrize(
    ("ranked", "expected"),
    [
        ([], ["wide-look", "other-look"]),
        ([("unknown", 0.3)], ["wide-look", "other-look"]),
        ([("first", 0.3)], ["look-1", "wide-look", "other-look"]),
        ([("first", 0.6)], ["look-1"]),
        ([("first", 0.9)], ["look-1"]),
        ([("first", 0.6), ("second", 0.5), ("third", 0.4)], ["look-1", "look-2", "look-3"]),
    ],
)
def test_the_less_the_text_says_the_wider_the_look(
    ranked: list[tuple[str, float]], expected: list[str]
) -> None:
    assert looks(WIDELY, *ranked) == expected


def test_a_look_is_bounded_and_the_likelier_causes_checks_come_first() -> None:
    default = len(machine.DEFAULT_CHECKS[IncidentKind.PATCHING])
    narrow = replace(WIDELY, limits=replace(WIDELY.limits, checks_max=default + 2))
    assert looks(narrow, ("first", 0.3), ("second", 0.2)) == ["look-1", "look-2"]


def test_the_checks_of_the_catalogues_unknown_cause_are_run_on_both_sides() -> None:
    policy = Policy(plans=plans_of(load_catalogue()), remedies=POLICY.remedies)
    for kind, start in (("patching", failure()), ("ping", replace(failure(), signal=ping_lost()))):
        nothing = replace(start, classification=Classification((), "v1"))
        (effect,) = open_incident(nothing, policy, NOW).effects
        assert set(policy.plans["unknown"].checks) <= set(effect.payload["checks"]), kind


def test_what_is_benign_is_suppressed_without_a_word() -> None:
    decision = open_incident(failure("benign"), POLICY, NOW)
    assert decision.incident.outcome is Outcome.SUPPRESSED
    assert _rule(decision) == "benign"
    assert decision.effects == ()


def test_a_cause_on_which_nothing_is_right_is_suppressed_only_when_the_text_names_it() -> None:
    named = open_incident(failure("instance-stopped", 0.9), POLICY, NOW)
    assert (named.incident.outcome, _rule(named)) == (Outcome.SUPPRESSED, "no-action-is-right")
    hinted = open_incident(failure("instance-stopped", 0.5), POLICY, NOW)
    assert hinted.incident.state is State.DIAGNOSING


def test_observe_records_and_looks_at_nothing() -> None:
    decision = open_incident(failure(), replace(POLICY, mode=Mode.OBSERVE), NOW)
    assert decision.incident.outcome is Outcome.RECOMMENDED
    assert _rule(decision) == "mode"
    assert [e.kind for e in decision.effects] == [EffectKind.NOTIFY]


# --- every rule by name --------------------------------------------------------------------------


def _rule(decision: Decision) -> str:
    assert decision.incident.reason is not None
    return decision.incident.reason.rule


def test_a_confirmed_cause_that_needs_nothing_is_suppressed() -> None:
    policy = replace(POLICY, plans={**PLANS, "disk-full": Plan(suppress=True)})
    start = replace(opened(), classification=classified(confidence=0.5))
    decision = told(policy, start, findings(start, finding()))
    assert (decision.incident.outcome, _rule(decision)) == (
        Outcome.SUPPRESSED,
        "no-action-is-right",
    )


def test_recommend_advises() -> None:
    decision = told(RECOMMEND, start := opened(policy=RECOMMEND), findings(start, finding()))
    assert (decision.incident.outcome, _rule(decision)) == (Outcome.RECOMMENDED, "mode")
    assert decision.effects[0].payload == {"notice": "recommended", "page": None}


def test_nothing_is_changed_when_nothing_was_confirmed() -> None:
    start = opened()
    decision = told(POLICY, start, findings(start))
    assert (decision.incident.outcome, _rule(decision)) == (Outcome.ESCALATED, "not-confirmed")


def test_a_cause_without_a_remedy_is_escalated() -> None:
    policy = replace(POLICY, plans={**PLANS, "disk-full": Plan()})
    start = opened()
    assert _rule(told(policy, start, findings(start, finding()))) == "no-remedy"


def test_each_remedy_is_tried_once_then_a_person_is_asked() -> None:
    first = diagnosed()
    second = told(POLICY, first, ended(first, "failed")).incident
    last = told(POLICY, second, ended(second, "refused"))
    assert [a.remedy for a in last.incident.actions] == ["free", "clean"]
    assert [a.state for a in last.incident.actions] == ["failed", "refused"]
    assert _rule(last) == "all-tried"


def test_a_risk_above_the_ceiling_is_proposed_and_runs_only_when_approved() -> None:
    proposed = in_state(State.PROPOSED)
    assert proposed.proposal is not None
    assert "above the ceiling" in proposed.proposal.reason
    decision = told(POLICY, proposed, OperatorDecided(True, "arn:op"))
    assert decision.incident.state is State.REMEDIATING
    (effect,) = decision.effects
    assert effect.payload["approved_by"] == "arn:op"


def test_a_remedy_that_may_reboot_is_proposed_whatever_its_risk() -> None:
    policy = replace(POLICY, plans={**PLANS, "disk-full": Plan(remedies=("restart",))})
    start = opened()
    incident = told(policy, start, findings(start, finding())).incident
    assert incident.state is State.PROPOSED


def test_denied_and_expired_and_overtaken_proposals_hand_over() -> None:
    proposed = in_state(State.PROPOSED)
    assert proposed.proposal is not None
    denied = told(POLICY, proposed, OperatorDecided(False, "arn:op"))
    assert (_rule(denied), denied.incident.outcome) == ("denied", Outcome.ESCALATED)
    late = told(POLICY, proposed, OperatorDecided(True, "op"), at=proposed.proposal.expires_at)
    assert _rule(late) == "proposal-expired"
    over = told(POLICY, proposed, DeadlinePassed(), at=proposed.proposal.expires_at)
    assert _rule(over) == "proposal-expired"
    changed = told(RECOMMEND, proposed, OperatorDecided(True, "op"))
    assert (_rule(changed), changed.incident.outcome) == ("mode", Outcome.RECOMMENDED)


@pytest.mark.parametrize(
    ("rule", "outcome"),
    [
        ("opt-in", Outcome.RECOMMENDED),
        ("mode-tag", Outcome.RECOMMENDED),
        ("mode", Outcome.RECOMMENDED),
        ("kill-switch", Outcome.RECOMMENDED),
        ("opt-in-unreadable", Outcome.ESCALATED),
        ("kill-switch-unreadable", Outcome.ESCALATED),
        ("cool-down", Outcome.ESCALATED),
    ],
)
@pytest.mark.parametrize("state", [State.REMEDIATING, State.VERIFYING])
def test_a_refusing_guard_ends_it_by_its_own_name(
    state: State, rule: str, outcome: Outcome
) -> None:
    before = in_state(state)
    assert before.awaiting is not None
    decision = told(POLICY, before, EffectRefused(before.awaiting, rule, "why"))
    assert (_rule(decision), decision.incident.outcome) == (rule, outcome)
    expected = "not-run" if state is State.REMEDIATING else "done"
    assert decision.incident.actions[-1].state == expected


def test_what_a_nodes_tag_puts_above_the_ceiling_becomes_a_proposal() -> None:
    before = in_state(State.REMEDIATING)
    assert before.awaiting is not None
    decision = told(POLICY, before, EffectRefused(before.awaiting, "risk-ceiling", "above none"))
    after = decision.incident
    assert (after.state, after.actions[-1].state) == (State.PROPOSED, "not-run")
    assert after.proposal is not None
    assert (after.proposal.remedy, after.proposal.reason) == ("free", "above none")
    approved = told(POLICY, after, OperatorDecided(True, "arn:op")).incident
    assert (approved.state, approved.actions[-1].approved_by) == (State.REMEDIATING, "arn:op")


# --- an effect that waits for its time -----------------------------------------------------------


def waits(before: Incident, rule: str = "window-closed") -> EffectWaits:
    assert before.awaiting is not None
    return EffectWaits(before.awaiting, rule, "no window", LATER + 10 * HOUR)


@pytest.mark.parametrize("state", [State.REMEDIATING, State.VERIFYING])
def test_a_wait_moves_the_deadline_and_its_end_brings_it_back(state: State) -> None:
    before = in_state(state)
    waiting = told(POLICY, before, waits(before)).incident
    assert waiting.waiting is not None
    assert waiting.awaiting == before.awaiting, "the same effect asks again"
    assert waiting.deadline is not None
    assert waiting.deadline > LATER + 10 * HOUR, "and there is time for its command"
    on = told(POLICY, waiting, EffectGoesOn(waiting.awaiting or ""), at=LATER + HOUR).incident
    assert on.waiting is None
    assert on.deadline is not None
    assert LATER + HOUR < on.deadline < LATER + 10 * HOUR


def test_another_rule_keeps_the_beginning_of_the_wait() -> None:
    before = in_state(State.REMEDIATING)
    both = told(POLICY, before, waits(before), waits(before, "live-actions")).incident
    assert both.waiting is not None
    assert (both.waiting.rule, both.waiting.since) == ("live-actions", LATER)


def test_a_recovery_spares_a_remedy_that_only_waits() -> None:
    before = in_state(State.REMEDIATING)
    later = replace(signal(), kind=SignalKind.PATCH_COMMAND_SUCCEEDED, time=LATER)
    recovery = RecoverySeen(later, healthy(LATER + 2 * MINUTE))
    assert not told(POLICY, before, recovery).changed, "it is under way"
    after = told(POLICY, before, waits(before), recovery).incident
    assert (after.outcome, after.awaiting, after.waiting) == (Outcome.RESOLVED, None, None)
    assert after.actions[-1].state == "not-run"
    late = told(POLICY, after, EffectGoesOn(before.awaiting or ""))
    assert not late.changed, "so nothing may be sent any more"


def test_a_recovery_that_is_none_spares_nothing() -> None:
    before = in_state(State.REMEDIATING)
    waiting = told(POLICY, before, waits(before)).incident
    old = RecoverySeen(replace(signal(), kind=SignalKind.PATCH_COMMAND_SUCCEEDED), healthy(NOW))
    decision = told(POLICY, waiting, old)
    assert not decision.changed
    assert decision.incident.actions[-1].state == "started"


def test_what_comes_after_a_wait_does_not_wait() -> None:
    before = in_state(State.REMEDIATING)
    refused = EffectRefused(before.awaiting or "", "window-closed", "it waited long enough")
    after = told(POLICY, before, waits(before), refused).incident
    assert (after.waiting, after.outcome) == (None, Outcome.ESCALATED)


@pytest.mark.parametrize(
    ("state", "expected"),
    [(State.REMEDIATING, None), (State.VERIFYING, ("free", True))],
)
def test_a_run_ends_with_its_verification(state: State, expected: object) -> None:
    before = in_state(state)
    fact = (
        verified(before, healthy(LATER + 9 * MINUTE))
        if state is State.VERIFYING
        else RemedyEnded(before.awaiting or "", "done", "")
    )
    assert machine.run_ended(before, fact, told(POLICY, before, fact).incident) == expected


def test_a_run_that_was_not_proved_to_help_is_a_failed_one() -> None:
    before = in_state(State.VERIFYING)
    fact = Verified(before.awaiting or "", False, None, "the run failed")
    assert machine.run_ended(before, fact, told(POLICY, before, fact).incident) == ("free", False)
    remedied = in_state(State.REMEDIATING)
    failed = RemedyEnded(remedied.awaiting or "", "failed", "exit 1")
    assert machine.run_ended(remedied, failed, remedied) == ("free", False)
    refused = RemedyEnded(remedied.awaiting or "", "refused", "no fault here")
    assert machine.run_ended(remedied, refused, remedied) is None
    late = Verified("pm-0123456789abcdef-99", True, healthy(LATER), "another effect's")
    assert machine.run_ended(before, late, before) is None


def test_a_remedy_may_ask_for_certain_checks() -> None:
    picky = replace(REMEDIES["free"], confirmed_by=("inodes",))
    policy = replace(POLICY, remedies={**REMEDIES, "free": picky})
    assert diagnosed(policy).actions[-1].remedy == "clean", "disk-space is not inodes"
    seen = finding(check="inodes")
    assert diagnosed(policy, "disk-full", seen).actions[-1].remedy == "free"


def test_after_a_lost_remedy_nothing_else_is_tried() -> None:
    before = in_state(State.REMEDIATING)
    assert before.awaiting is not None
    assert before.deadline is not None
    lost = told(POLICY, before, DeadlinePassed(), at=before.deadline)
    assert (_rule(lost), lost.incident.actions[-1].state) == ("remedy-lost", "unknown")
    failed = told(POLICY, before, EffectFailed(before.awaiting, "not sent"))
    assert _rule(failed) == "remedy-lost"


def test_a_lost_verification_is_never_taken_for_success() -> None:
    before = in_state(State.VERIFYING)
    assert before.deadline is not None
    lost = told(POLICY, before, DeadlinePassed(), at=before.deadline)
    assert (_rule(lost), lost.incident.outcome) == ("verification-lost", Outcome.ESCALATED)


def test_no_checks_conclude_from_what_there_is() -> None:
    start = opened()
    assert start.awaiting is not None
    partial = FindingsRead(start.awaiting, (finding(),), final=False)
    decision = told(POLICY, start, partial, EffectFailed(start.awaiting, "no answer"))
    assert decision.incident.state is State.REMEDIATING
    assert decision.entry.startswith("no answer")


def test_a_handover_that_nobody_closes_is_filed_with_its_outcome() -> None:
    before = in_state(State.HANDED_OVER)
    assert before.deadline is not None
    filed = told(POLICY, before, DeadlinePassed(), at=before.deadline).incident
    assert (filed.state, filed.outcome, filed.reason) == (
        State.CLOSED,
        before.outcome,
        before.reason,
    )


def test_an_incident_that_an_older_version_stored_is_read() -> None:
    stored = msgspec.to_builtins(diagnosed())
    del stored["diagnosis"]["chain"], stored["diagnosis"]["also"]
    read = msgspec.json.decode(msgspec.json.encode(stored), type=Incident)
    assert read.diagnosis == Diagnosis("disk-full", "finding", ())
    assert sort_out(read.cause, read.diagnosis, read.findings).confirming == read.findings


# --- findings that come in two batches -----------------------------------------------------------

AWS_FINDING = st.builds(
    finding,
    st.sampled_from([*PLANS, "instance-stopped"]),
    st.sampled_from(Verdict),
    st.sampled_from(["network-path", "instance-state", "role-policies"]),
    st.sampled_from(["rtb-1", "i-1"]),
)
NODE_FINDING = st.builds(
    finding,
    st.sampled_from([*PLANS, "instance-stopped"]),
    st.sampled_from(Verdict),
    st.sampled_from(["disk-space", "s3-reach", "package-lock"]),
    st.sampled_from(["/var", "i-1"]),
)


@settings(deadline=None)
@given(
    aws=st.lists(AWS_FINDING, max_size=4).map(tuple),
    node=st.lists(NODE_FINDING, max_size=4).map(tuple),
    cause=st.sampled_from(list(PLANS)),
    confidence=st.sampled_from([0.3, 0.9]),
)
def test_the_verdict_is_taken_over_all_findings_however_they_come(
    aws: tuple[Finding, ...], node: tuple[Finding, ...], cause: str, confidence: float
) -> None:
    start = opened("s3-unreachable", confidence=confidence)
    start = replace(start, classification=classified(cause, confidence))
    assert start.awaiting is not None
    early = decide(start, FindingsRead(start.awaiting, aws, final=False), POLICY, LATER)
    assert (early.effects, early.incident.state) == ((), State.DIAGNOSING), "nothing starts between"
    assert early.incident.diagnosis is None
    assert early.incident.awaiting == start.awaiting
    last = decide(early.incident, FindingsRead(start.awaiting, node, final=True), POLICY, LATER)
    whole = FindingsRead(start.awaiting, (*reversed(node), *reversed(aws)), final=True)
    at_once = decide(start, whole, POLICY, LATER)
    assert last.incident.diagnosis == at_once.incident.diagnosis
    assert last.incident.state is at_once.incident.state
    assert [e.payload for e in last.effects] == [e.payload for e in at_once.effects]
    told_of = sorted(map(repr, last.incident.findings))
    assert told_of == sorted(map(repr, at_once.incident.findings))
    made = len(aws) + len(node or ("the node was not seen",))
    assert len(told_of) == made, "no finding hides another one of its check"


def test_a_check_that_ran_again_replaces_all_that_it_said() -> None:
    start = opened()
    assert start.awaiting is not None
    first = (finding("disk-full", resource="/var"), finding("disk-full", resource="/"))
    again = (finding("disk-full", Verdict.REFUTES, resource="/opt"),)
    other = (finding("s3-unreachable", Verdict.REFUTES, "s3-reach"),)
    facts = [FindingsRead(start.awaiting, each, final=False) for each in (first, other, again)]
    incident = told(POLICY, start, *facts).incident
    assert incident.findings == (*other, *again)


def test_what_the_node_disproves_is_stored_as_set_aside_and_treats_nothing() -> None:
    start = opened("s3-unreachable", confidence=0.6)
    assert start.awaiting is not None
    model = finding("s3-unreachable", Verdict.CONFIRMS, "network-path", "rtb-1")
    early = FindingsRead(start.awaiting, (model,), final=False)
    reached = finding("s3-unreachable", Verdict.REFUTES, "s3-reach")
    last = told(POLICY, start, early, FindingsRead(start.awaiting, (reached,), final=True))
    assert _rule(last) == "not-confirmed"
    (aside, _) = last.incident.findings
    assert (aside.verdict, aside.facts) == (Verdict.NEUTRAL, {"set_aside_by": "s3-reach"})


@pytest.mark.parametrize("end", [EffectFailed, EffectRefused, DeadlinePassed])
def test_a_node_that_could_not_be_looked_at_is_told_with_the_reason(end: type[object]) -> None:
    start = opened()
    assert start.awaiting is not None
    early = FindingsRead(start.awaiting, (finding("s3-unreachable", Verdict.REFUTES),), final=False)
    facts: dict[type[object], Fact] = {
        EffectFailed: EffectFailed(start.awaiting, "the checks ended TimedOut"),
        EffectRefused: EffectRefused(start.awaiting, "kill-switch", "the kill switch is on"),
        DeadlinePassed: DeadlinePassed(),
    }
    assert start.deadline is not None
    last = told(POLICY, start, early, facts[end], at=start.deadline)
    unseen = last.incident.findings[-1]
    assert (unseen.check, unseen.verdict) == ("node-checks", Verdict.NEUTRAL)
    assert could_not_look(unseen)
    assert unseen.facts["why"] in unseen.says["en"]
    assert unseen.facts["why"] in unseen.says["ja"]
    assert last.incident.diagnosis is not None
    assert last.incident.diagnosis.basis == "none"


def test_a_node_that_did_not_answer_is_told_but_a_window_has_nothing_to_look_at() -> None:
    start = opened()
    assert start.awaiting is not None
    aws = finding("s3-unreachable", Verdict.REFUTES, "network-path")
    dark = told(POLICY, start, FindingsRead(start.awaiting, (aws,), final=True)).incident
    assert [f.check for f in dark.findings] == ["network-path", "node-checks"]
    assert "did not answer Systems Manager" in dark.findings[1].says["en"]
    node = finding("s3-unreachable", Verdict.REFUTES, "s3-reach")
    seen = told(POLICY, start, FindingsRead(start.awaiting, (aws, node), final=True)).incident
    assert seen.findings == (aws, node)
    window = replace(start, node=replace(NODE, node_id="mw-0a1b2c3d4e5f60001"))
    none = told(POLICY, window, FindingsRead(start.awaiting, (), final=True)).incident
    assert none.findings == ()


# --- an output of which only the beginning came --------------------------------------------------


CUT = Evidence(platform="linux", truncated=True)
LOOK_DEEPER = replace(
    POLICY, plans={**PLANS, "disk-full": replace(PLANS["disk-full"], checks=("deep-look",))}
)


def cut_run(cause: str = "unknown", confidence: float = 0.4) -> Decision:
    fact = replace(failure(cause, confidence), evidence=CUT)
    return open_incident(fact, LOOK_DEEPER, NOW)


def reread(incident: Incident, cause: str) -> FindingsRead:
    found = Reread(replace(CUT, truncated=False, stdout="the end"), classified(cause))
    assert incident.awaiting is not None
    return FindingsRead(incident.awaiting, (finding("s3-unreachable"),), True, reread=found)


@pytest.mark.parametrize(
    ("truncated", "confidence", "asked"),
    [(True, 0.4, True), (True, 0.9, False), (False, 0.4, False)],
)
def test_the_end_is_asked_for_where_it_is_missing_and_no_cause_is_named(
    truncated: bool, confidence: float, asked: bool
) -> None:
    evidence = replace(CUT, truncated=truncated)
    fact = replace(failure("s3-unreachable", confidence), evidence=evidence)
    (effect,) = open_incident(fact, POLICY, NOW).effects
    assert (OUTPUT_END_CHECK in effect.payload["checks"]) is asked


def test_what_only_the_end_names_is_looked_at_once() -> None:
    opening = cut_run()
    assert "deep-look" not in opening.effects[0].payload["checks"]
    again = told(LOOK_DEEPER, opening.incident, reread(opening.incident, "disk-full"))
    assert again.incident.state is State.DIAGNOSING
    assert again.incident.classification.cause == "disk-full"
    assert again.incident.evidence.stdout == "the end"
    assert "deep-look" in again.effects[0].payload["checks"]
    assert again.incident.findings, "what was seen so far is kept"
    last = told(LOOK_DEEPER, again.incident, reread(again.incident, "s3-unreachable"))
    assert last.incident.state is not State.DIAGNOSING, "no third look"
    assert last.incident.classification.cause == "disk-full"


def test_an_end_that_calls_for_no_other_look_is_concluded_from_at_once() -> None:
    opening = cut_run()
    decision = told(LOOK_DEEPER, opening.incident, reread(opening.incident, "s3-unreachable"))
    assert decision.incident.diagnosis is not None
    assert decision.incident.cause == "s3-unreachable"
    assert decision.incident.state is not State.DIAGNOSING


# --- fixed means checked -------------------------------------------------------------------------


def test_a_healthy_look_after_the_remedy_resolves() -> None:
    before = in_state(State.VERIFYING)
    decision = told(POLICY, before, verified(before, healthy(LATER + 5 * MINUTE)))
    assert (decision.incident.outcome, _rule(decision)) == (Outcome.RESOLVED, "verified")
    assert decision.incident.verified == "0 failed"


@pytest.mark.parametrize(
    ("seen", "command_ok"),
    [
        (None, True),
        (healthy(LATER + 5 * MINUTE), False),
        (replace(healthy(LATER + 5 * MINUTE), healthy=False), True),
        (healthy(NOW), True),
    ],
    ids=["no look", "the run failed", "unhealthy", "an old look"],
)
def test_anything_less_does_not(seen: Observation | None, command_ok: bool) -> None:
    before = in_state(State.VERIFYING)
    decision = told(POLICY, before, verified(before, seen, command_ok=command_ok))
    assert decision.incident.outcome is not Outcome.RESOLVED
    assert decision.entry.startswith("not fixed")


def test_a_look_from_before_the_remedys_end_proves_nothing() -> None:
    """Someone else's patch run succeeded between the decision and the remedy's end."""
    remediating = in_state(State.REMEDIATING)
    decided_at = remediating.actions[-1].started_at
    verifying = decide(remediating, ended(remediating), POLICY, decided_at + 9 * MINUTE).incident
    between = verified(verifying, healthy(decided_at + 3 * MINUTE))
    decision = told(POLICY, verifying, between, at=decided_at + 12 * MINUTE)
    assert decision.incident.outcome is not Outcome.RESOLVED


def test_a_look_from_before_a_later_failure_proves_nothing() -> None:
    """The verification ran, then somebody's next run failed, then the result came in."""
    verifying = in_state(State.VERIFYING)
    again = failure(command_id=COMMAND[:-1] + "2", time=LATER + 8 * MINUTE)
    seen = verified(verifying, healthy(LATER + 6 * MINUTE))
    decision = told(POLICY, verifying, again, seen, at=LATER + 8 * MINUTE)
    assert decision.incident.outcome is not Outcome.RESOLVED


def recovery(at: datetime, **seen: object) -> RecoverySeen:
    later = signal(kind=SignalKind.PATCH_COMMAND_SUCCEEDED, time=at)
    return RecoverySeen(later, replace(healthy(at), **seen))  # type: ignore[arg-type]


@pytest.mark.parametrize("state", [State.DIAGNOSING, State.PROPOSED, State.HANDED_OVER])
def test_a_later_success_by_other_means_resolves(state: State) -> None:
    decision = told(POLICY, in_state(state), recovery(LATER))
    assert (decision.incident.outcome, _rule(decision)) == (Outcome.RESOLVED, "recovered")


@pytest.mark.parametrize(
    "fact",
    [
        RecoverySeen(signal(kind=SignalKind.PATCH_COMMAND_SUCCEEDED), None),
        recovery(LATER, healthy=False),
        recovery(NOW),
        recovery(LATER, operation="Scan"),
    ],
    ids=["no look", "unhealthy", "older than the failure", "a Scan for an Install"],
)
def test_a_success_that_proves_nothing_changes_nothing(fact: RecoverySeen) -> None:
    decision = told(POLICY, in_state(State.HANDED_OVER), fact)
    assert not decision.changed


def test_a_success_from_before_a_later_failure_proves_nothing() -> None:
    """Run 1 failed, run 2 succeeded, run 3 failed; the news of run 2 comes last."""
    handed = in_state(State.HANDED_OVER)
    again = failure(command_id=COMMAND[:-1] + "3", time=LATER + 5 * MINUTE)
    decision = told(POLICY, handed, again, recovery(LATER + 2 * MINUTE), at=LATER + 6 * MINUTE)
    assert not decision.changed


def test_a_success_from_before_our_own_remedy_proves_nothing() -> None:
    """The remedy ran after that success and failed: what it left behind was never looked at."""
    first = diagnosed()
    second = told(POLICY, first, ended(first, "failed"), at=LATER + 20 * MINUTE).incident
    handed = told(POLICY, second, ended(second, "failed"), at=LATER + 30 * MINUTE).incident
    assert handed.state is State.HANDED_OVER
    assert not told(POLICY, handed, recovery(LATER + 25 * MINUTE)).changed
    assert told(POLICY, handed, recovery(LATER + 35 * MINUTE)).changed


# --- again, late and twice -----------------------------------------------------------------------


def test_another_signal_joins_and_its_run_is_remembered_within_a_bound() -> None:
    incident = opened()
    for number in range(POLICY.limits.run_keys_max + 5):
        fact = failure(command_id=f"5d7a9c10-2b3e-4f61-8a94-{number:012x}")
        incident = decide(incident, fact, POLICY, LATER).incident
    assert len(incident.run_keys) == POLICY.limits.run_keys_max
    assert incident.run_keys[-1].endswith(f"{POLICY.limits.run_keys_max + 4:012x}")
    assert incident.signals_count == POLICY.limits.run_keys_max + 6


def test_news_of_an_effect_that_nobody_waits_for_changes_nothing() -> None:
    before = in_state(State.VERIFYING)
    late = Verified(f"{before.id}-01", True, healthy(LATER), "late")
    decision = told(POLICY, before, late)
    assert not decision.changed
    assert "late news" in decision.entry


def test_after_a_handover_another_cause_is_looked_at_afresh_and_keeps_what_was_tried() -> None:
    first = diagnosed()
    second = told(POLICY, first, ended(first, "failed")).incident
    handed = told(POLICY, second, ended(second, "failed")).incident
    assert handed.state is State.HANDED_OVER
    other = FailureSeen(
        signal(command_id=COMMAND[:-1] + "4"), Evidence(), classified("s3-unreachable")
    )
    again = told(POLICY, handed, other).incident
    assert (again.state, again.outcome, again.diagnosis) == (State.DIAGNOSING, None, None)
    assert again.platform == "linux", "what is known of the node is kept"
    assert [a.remedy for a in again.actions] == ["free", "clean"]


@pytest.mark.parametrize(
    ("cause", "confidence"), [("disk-full", 0.9), ("unknown", 0.0), ("s3-unreachable", 0.5)]
)
def test_after_a_handover_the_same_or_an_unclear_cause_is_no_news(
    cause: str, confidence: float
) -> None:
    handed = in_state(State.HANDED_OVER)
    again = failure(cause, confidence, command_id=COMMAND[:-1] + "5")
    decision = told(POLICY, handed, again)
    assert (decision.incident.state, decision.effects) == (State.HANDED_OVER, ())


def test_a_lost_ping_is_another_matter_than_a_failed_run() -> None:
    lost = open_incident(FailureSeen(ping_lost(), Evidence(), classified("unknown")), POLICY, NOW)
    assert lost.incident.kind is IncidentKind.PING
    assert lost.incident.id != opened().id


# --- the verification ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("original", "allowed", "expected"),
    [
        ("Install", "Scan", "Scan"),
        ("Install", "InstallNoReboot", "InstallNoReboot"),
        ("Scan", "InstallNoReboot", "Scan"),
    ],
)
def test_a_verification_never_installs_more_than_the_original(
    original: str, allowed: str, expected: str
) -> None:
    policy = replace(POLICY, verify_operation=allowed)  # type: ignore[arg-type]
    before = replace(in_state(State.REMEDIATING), evidence=Evidence(operation=original))
    decision = told(policy, before, ended(before))
    assert decision.effects[0].payload["operation"] == expected


def test_a_remedy_that_only_waits_is_a_verification_after_the_quiet_time() -> None:
    start = opened("package-manager-locked")
    decision = told(POLICY, start, findings(start, finding("package-manager-locked")))
    (effect,) = decision.effects
    assert effect.kind is EffectKind.VERIFY
    wait = effect.not_before - decision.incident.updated_at
    assert wait >= timedelta(seconds=POLICY.limits.retry_wait_seconds)
    assert decision.incident.deadline is not None
    assert decision.incident.deadline > effect.not_before


# --- the pager -----------------------------------------------------------------------------------


def pages(decisions: list[Decision]) -> list[str]:
    effects = [e for d in decisions for e in d.effects if e.kind is EffectKind.NOTIFY]
    return [e.payload["page"] for e in effects if e.payload["page"]]


def test_one_page_for_one_incident_and_one_resolve() -> None:
    proposed = diagnosed(POLICY, "s3-unreachable")
    denied = told(POLICY, proposed, OperatorDecided(False, "op"))
    closed = told(POLICY, denied.incident, recovery(LATER + 3 * MINUTE))
    start = opened("s3-unreachable")
    first = told(POLICY, start, findings(start, finding("s3-unreachable")))
    assert pages([first, denied, closed]) == ["trigger", "resolve"]


def test_what_is_suppressed_after_a_page_is_taken_off_the_pager() -> None:
    handed = in_state(State.HANDED_OVER)
    assert handed.paged
    other = failure("s3-unreachable", command_id=COMMAND[:-1] + "6")
    again = told(POLICY, handed, other).incident
    stopped = told(POLICY, again, findings(again, finding("instance-stopped")))
    assert stopped.incident.outcome is Outcome.SUPPRESSED
    assert pages([stopped]) == ["resolve"]


def test_what_was_fixed_without_a_person_pages_nobody() -> None:
    before = in_state(State.VERIFYING)
    decision = told(POLICY, before, verified(before, healthy(LATER + 5 * MINUTE)))
    assert pages([decision]) == []


# --- any order of facts --------------------------------------------------------------------------


def check(before: Incident, decision: Decision) -> None:
    """What holds after every decision, whatever it was."""
    after = decision.incident
    if not decision.changed:
        assert after == before
        assert decision.effects == ()
        return
    assert after.version == before.version + 1
    assert (after.deadline is None) is (after.state is State.CLOSED), "17: a deadline"
    awaits = after.state in (State.DIAGNOSING, State.REMEDIATING, State.VERIFYING)
    assert (after.awaiting is not None) is awaits
    assert (after.proposal is not None) is (after.state is State.PROPOSED)
    ends = after.state in (State.HANDED_OVER, State.CLOSED)
    assert (after.outcome is not None) is ends
    assert (after.reason is not None) is ends, "every end has a reason"
    ids = [effect.effect_id for effect in decision.effects]
    assert len(set(ids)) == len(ids)
    assert after.seq == before.seq + len(ids)
    work = [e for e in decision.effects if e.kind is not EffectKind.NOTIFY]
    assert len(work) <= 1, "2: one thing at a time"
    if work:
        assert after.awaiting == work[0].effect_id
    if after.outcome is Outcome.RESOLVED and before.outcome is not Outcome.RESOLVED:
        assert after.verified, "11: fixed means checked"
    tried = [a.remedy for a in after.actions]
    assert len(set(tried)) == len(tried), "4: no remedy twice in one incident"
    check_basis(decision)


def check_basis(decision: Decision) -> None:
    """Nothing is treated but what a finding confirmed; what had passed is only tried again."""
    after = decision.incident
    for effect in decision.effects:
        if effect.kind not in (EffectKind.REMEDY, EffectKind.VERIFY):
            continue
        made = after.diagnosis
        assert made is not None
        assert made.confirmed
        assert effect.payload["cause"] == made.cause
        confirmed = {f.cause for f in after.findings if f.verdict is Verdict.CONFIRMS}
        if made.basis == "finding":
            assert made.cause in confirmed
        else:
            assert effect.kind is EffectKind.VERIFY, "no document on a text's word"
            assert PLANS[made.cause].transient
            assert not confirmed


CAUSES = st.sampled_from([*PLANS, "benign", "something-else"])
VERDICTS = st.sampled_from(list(Verdict))
FINDING = st.builds(
    finding, CAUSES, VERDICTS, st.sampled_from(["disk-space", "s3-reach", "network-path"])
)
OBSERVED = st.none() | st.builds(
    lambda minutes, well, operation: replace(
        healthy(NOW + minutes * MINUTE, operation), healthy=well
    ),
    st.integers(-60, 6000),
    st.booleans(),
    st.sampled_from(["Scan", "Install", None]),
)
NUMBER = st.integers(0, 5)
RULES = st.sampled_from(["opt-in", "kill-switch", "cool-down", "opt-in-unreadable"])


def _facts(effect_ids: st.SearchStrategy[str]) -> st.SearchStrategy[Fact]:
    runs = NUMBER.map(lambda n: COMMAND[:-1] + str(n))
    ended_as = st.sampled_from(["done", "nothing-to-do", "refused", "failed"])
    return st.one_of(
        st.builds(
            lambda cause, sure, run, cut: replace(
                failure(cause, sure, command_id=run), evidence=replace(CUT, truncated=cut)
            ),
            CAUSES,
            st.sampled_from([0.3, 0.9]),
            runs,
            st.booleans(),
        ),
        st.builds(RecoverySeen, st.just(signal()), OBSERVED),
        st.builds(
            FindingsRead,
            effect_ids,
            st.lists(FINDING, max_size=3).map(tuple),
            st.booleans(),
            reread=st.none() | st.builds(Reread, st.just(CUT), CAUSES.map(classified)),
        ),
        st.builds(RemedyEnded, effect_ids, ended_as, st.just("as it went")),
        st.builds(Verified, effect_ids, st.booleans(), OBSERVED, st.just("look")),
        st.builds(EffectRefused, effect_ids, RULES, st.just("why")),
        st.builds(EffectFailed, effect_ids, st.just("why")),
        st.just(DeadlinePassed()),
        st.builds(OperatorDecided, st.booleans(), st.just("arn:op")),
    )


@settings(max_examples=150, deadline=None)
@given(
    data=st.data(),
    cause=CAUSES,
    mode=st.sampled_from(list(Mode)),
    steps=st.integers(1, 25),
)
def test_no_order_of_facts_breaks_an_invariant(
    data: st.DataObject, cause: str, mode: Mode, steps: int
) -> None:
    policy = replace(POLICY, mode=mode)
    incident = opened(cause, policy)
    now = NOW
    seen_pages: list[str] = []
    for _ in range(steps):
        awaited = incident.awaiting or f"{incident.id}-01"
        ids = st.sampled_from([awaited, awaited, f"{incident.id}-99"])
        fact = data.draw(_facts(ids))
        now += data.draw(st.sampled_from([MINUTE, 30 * MINUTE, timedelta(hours=4)]))
        decision = decide(incident, fact, policy, now)
        check(incident, decision)
        seen_pages += pages([decision])
        assert decide(incident, fact, policy, now) == decision, "pure: the same again"
        incident = decision.incident
    for first, second in itertools.pairwise(seen_pages):
        assert first != second, "15: a trigger and its resolve take turns"
    assert incident.node == NODE
