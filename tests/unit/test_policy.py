"""May we?  Each rule of ``policy`` by its name, and that everything unreadable means no."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from incident_samples import NOW, PLANS, POLICY, REMEDIES, remedy

from patchmedic.model import MODE_ORDER, RISK_ORDER, Mode, Risk
from patchmedic.policy import (
    KILL_SWITCH_RUN,
    RULES,
    Allowed,
    Ask,
    Breaker,
    Facts,
    Limits,
    Plan,
    Policy,
    Refused,
    breaker_after,
    breaker_closed,
    breaker_with_trial,
    choose_remedy,
    judge,
    kill_switch_guard,
    live_actions_max,
    may,
    narrow_ceiling,
    narrow_mode,
    wait_until,
)

HOUR = timedelta(hours=1)
OPTED_IN = {"PatchMedic": "true"}
EFFECT = "pm-0123456789abcdef-02"
ASK = Ask(
    remedy=REMEDIES["free"],
    starts=True,
    approved_by=None,
    effect_id=EFFECT,
    now=NOW,
    opt_in=("PatchMedic", "true"),
)
REBOOT = replace(
    ASK, remedy=remedy("reboot", Risk.HIGH, may_reboot=True), approved_by="arn:aws:iam::1:user/op"
)
PROOF = replace(ASK, starts=False)
"""The verification of something that was done."""
WINDOWS = replace(POLICY, change_calendars=("arn:freeze",), maintenance_windows=("mw-1",))
FACTS = Facts(
    kill_switch=KILL_SWITCH_RUN,
    tags=OPTED_IN,
    attempts=0,
    actions_in_hour=0,
    live_actions=0,
    fleet_size=1000,
    reboots_in_day=0,
    breaker=Breaker("free"),
    calendar_state="OPEN",
    window_open=True,
)
NOTHING = Facts(None, None, None, None, None, None, None, None, None, None)
OPEN = Breaker("free", failures=3, opened_at=NOW - HOUR)
HALF_OPEN = replace(OPEN, opened_at=NOW - 12 * HOUR)


def judged(facts: Facts, ask: Ask = ASK, policy: Policy = WINDOWS) -> str:
    """The rule that refused, or ``allowed``."""
    verdict = may(ask, facts, policy)
    return verdict.rule if isinstance(verdict, Refused) else "allowed"


@pytest.mark.parametrize("ask", [ASK, REBOOT, PROOF])
def test_all_rules_together_let_an_effect_happen(ask: Ask) -> None:
    assert judged(FACTS, ask) == "allowed"
    answers = judge(ask, FACTS, WINDOWS)
    assert [name for name, _ in answers] == list(RULES)
    assert all(isinstance(answer, Allowed) and answer.reason for _, answer in answers)


@pytest.mark.parametrize(
    ("facts", "rule"),
    [
        (replace(FACTS, tags=None), "opt-in-unreadable"),
        (replace(FACTS, tags={}), "opt-in"),
        (replace(FACTS, tags={"PatchMedic": "True"}), "opt-in"),
        (replace(FACTS, tags={"patchmedic": "true"}), "opt-in"),
        (replace(FACTS, tags={"PatchMedic": "true "}), "opt-in"),
        (replace(FACTS, tags={**OPTED_IN, "PatchMedicMode": "observe"}), "mode-tag"),
        (replace(FACTS, tags={**OPTED_IN, "PatchMedicMode": "recommend"}), "mode-tag"),
        (replace(FACTS, tags={**OPTED_IN, "PatchMedicMode": "nonsense"}), "mode-tag"),
        (replace(FACTS, tags={**OPTED_IN, "PatchMedicMode": ""}), "mode-tag"),
        (replace(FACTS, kill_switch=None), "kill-switch-unreadable"),
        (replace(FACTS, kill_switch="stop"), "kill-switch"),
        (replace(FACTS, kill_switch="RUN"), "kill-switch"),
        (replace(FACTS, kill_switch="run "), "kill-switch"),
        (replace(FACTS, kill_switch=""), "kill-switch"),
    ],
)
@pytest.mark.parametrize("ask", [ASK, REBOOT, PROOF])
def test_what_a_verification_needs_as_well(facts: Facts, rule: str, ask: Ask) -> None:
    assert judged(facts, ask) == rule


@pytest.mark.parametrize(
    ("facts", "rule"),
    [
        (replace(FACTS, tags={**OPTED_IN, "PatchMedicRiskCeiling": "none"}), "risk-ceiling"),
        (replace(FACTS, tags={**OPTED_IN, "PatchMedicRiskCeiling": "nonsense"}), "risk-ceiling"),
        (replace(FACTS, tags={**OPTED_IN, "PatchMedicRiskCeiling": ""}), "risk-ceiling"),
        (replace(FACTS, attempts=None), "attempts-unreadable"),
        (replace(FACTS, attempts=Limits().attempts_per_node_and_cause_max), "cool-down"),
        (replace(FACTS, attempts=99), "cool-down"),
        (replace(FACTS, actions_in_hour=None), "counters-unreadable"),
        (replace(FACTS, actions_in_hour=Limits().actions_per_hour_max), "actions-per-hour"),
        (replace(FACTS, live_actions=None), "counters-unreadable"),
        (replace(FACTS, live_actions=Limits().live_actions_max), "live-actions"),
        (replace(FACTS, live_actions=1, fleet_size=39), "live-actions"),
        (replace(FACTS, live_actions=1, fleet_size=None), "live-actions"),
        (replace(FACTS, breaker=None), "counters-unreadable"),
        (replace(FACTS, breaker=OPEN), "breaker"),
        (replace(FACTS, breaker=breaker_with_trial(HALF_OPEN, "another", NOW)), "breaker"),
    ],
)
def test_what_starts_something_refuses_by_the_rules_name(facts: Facts, rule: str) -> None:
    assert judged(facts) == rule
    assert judged(facts, PROOF) == "allowed", "a verification belongs to its attempt"


@pytest.mark.parametrize(
    ("facts", "rule", "retry"),
    [
        (replace(FACTS, reboots_in_day=None), "counters-unreadable", True),
        (replace(FACTS, reboots_in_day=1), "reboots", False),
        (replace(FACTS, calendar_state="CLOSED"), "freeze", True),
        (replace(FACTS, calendar_state="open"), "freeze", True),
        (replace(FACTS, calendar_state=None), "window-unreadable", True),
        (replace(FACTS, window_open=False), "window-closed", True),
        (replace(FACTS, window_open=None), "window-unreadable", True),
    ],
)
def test_a_reboot_needs_a_window_and_no_freeze(facts: Facts, rule: str, retry: bool) -> None:
    assert judged(facts, REBOOT) == rule
    answer = may(REBOOT, facts, WINDOWS)
    assert isinstance(answer, Refused)
    assert answer.retry is retry
    assert judged(facts) == "allowed", "what disturbs nobody needs no window"


def test_what_disrupts_needs_a_window_as_what_reboots() -> None:
    disrupts = replace(ASK, remedy=remedy("disturb", disrupts=True))
    assert judged(FACTS, disrupts) == "allowed"
    assert judged(replace(FACTS, window_open=False), disrupts) == "window-closed"
    assert judged(replace(FACTS, reboots_in_day=9), disrupts) == "allowed", "it is no reboot"


def test_with_nothing_named_no_window_is_ever_open_and_the_reason_says_how_to_name_one() -> None:
    answer = may(REBOOT, FACTS, POLICY)
    assert isinstance(answer, Refused)
    assert (answer.rule, answer.retry) == ("no-window", False), "waiting would be in vain"
    assert "ChangeCalendarArns" in answer.reason
    assert "MaintenanceWindowIds" in answer.reason


def test_with_calendars_alone_they_decide_and_with_windows_alone_these() -> None:
    calendars = replace(WINDOWS, maintenance_windows=())
    assert judged(replace(FACTS, window_open=None), REBOOT, calendars) == "allowed"
    assert judged(replace(FACTS, calendar_state="CLOSED"), REBOOT, calendars) == "freeze"
    windows = replace(WINDOWS, change_calendars=())
    assert judged(replace(FACTS, calendar_state=None), REBOOT, windows) == "allowed"
    assert judged(replace(FACTS, window_open=False), REBOOT, windows) == "window-closed"


def test_nothing_that_may_reboot_runs_without_a_person() -> None:
    alone = replace(REBOOT, approved_by=None)
    assert judged(FACTS, alone, replace(WINDOWS, risk_ceiling=Risk.HIGH)) == "risk-ceiling"


def test_an_approval_stands_above_the_ceiling_and_above_nothing_else() -> None:
    narrowed = replace(FACTS, tags={**OPTED_IN, "PatchMedicRiskCeiling": "none"})
    approved = replace(ASK, approved_by="arn:aws:iam::1:user/op")
    assert judged(narrowed, approved) == "allowed"
    for facts in (replace(FACTS, breaker=OPEN), replace(FACTS, attempts=99)):
        assert judged(facts, approved) != "allowed"


@pytest.mark.parametrize("mode", [Mode.OBSERVE, Mode.RECOMMEND])
def test_a_stack_that_is_not_in_auto_does_nothing(mode: Mode) -> None:
    assert judged(FACTS, PROOF, replace(WINDOWS, mode=mode)) == "mode"


def test_a_remedy_that_this_version_does_not_know_never_starts() -> None:
    assert judged(FACTS, replace(ASK, remedy=None)) == "no-remedy"


def test_one_less_than_each_cap_is_allowed() -> None:
    limits = Limits()
    facts = replace(
        FACTS,
        attempts=limits.attempts_per_node_and_cause_max - 1,
        actions_in_hour=limits.actions_per_hour_max - 1,
        live_actions=limits.live_actions_max - 1,
        reboots_in_day=limits.reboots_per_node_per_day_max - 1,
        breaker=Breaker("free", failures=limits.breaker_failures_max - 1),
    )
    assert judged(facts, REBOOT) == "allowed"


@given(
    ask=st.sampled_from([ASK, REBOOT, PROOF]),
    unread=st.sampled_from(["kill_switch", "tags", "attempts", "actions_in_hour"])
    | st.sampled_from(["live_actions", "reboots_in_day", "breaker"])
    | st.sampled_from(["calendar_state", "window_open"]),
)
def test_whatever_a_reboot_looks_at_counts_as_a_no_when_it_cannot_be_read(
    ask: Ask, unread: str
) -> None:
    assert judged(replace(FACTS, **{unread: None}), REBOOT) != "allowed"  # type: ignore[arg-type]
    assert judged(NOTHING, ask) != "allowed"


@given(
    tags=st.none() | st.dictionaries(st.sampled_from(["PatchMedic", "PatchMedicMode"]), st.text()),
    switch=st.none() | st.text(),
    attempts=st.none() | st.integers(0, 5),
)
def test_nothing_but_the_exact_words_lets_a_command_out(
    tags: dict[str, str] | None, switch: str | None, attempts: int | None
) -> None:
    if judged(replace(FACTS, tags=tags, kill_switch=switch, attempts=attempts)) == "allowed":
        assert tags is not None and tags["PatchMedic"] == "true"
        assert tags.get("PatchMedicMode", "auto").strip().lower() == "auto"
        assert switch == "run"
        assert attempts is not None and attempts < Limits().attempts_per_node_and_cause_max


@given(
    fleet=st.none() | st.integers(0, 100_000),
    most=st.integers(1, 500),
    percent=st.integers(1, 100),
)
def test_one_at_a_time_is_always_possible_and_the_smaller_cap_counts(
    fleet: int | None, most: int, percent: int
) -> None:
    limits = Limits(live_actions_max=most, live_actions_percent_max=percent)
    allowed = live_actions_max(limits, fleet)
    assert 1 <= allowed <= most
    assert allowed == 1 or (fleet is not None and allowed * 100 <= fleet * percent)


def test_only_the_exact_word_opens_the_kill_switch() -> None:
    assert isinstance(kill_switch_guard("run"), Allowed)
    assert isinstance(kill_switch_guard("Run"), Refused)


def test_what_may_become_possible_waits_until_a_named_time() -> None:
    limits = Limits(window_wait_hours=48, limit_wait_hours=2)
    for rule, hours in (("freeze", 48), ("window-closed", 48), ("live-actions", 2)):
        assert wait_until(Refused(rule, "", retry=True), NOW, limits) == NOW + hours * HOUR


# --- the circuit breaker -------------------------------------------------------------------------


def after(breaker: Breaker, *runs: bool) -> Breaker:
    for number, helped in enumerate(runs):
        at = NOW + number * HOUR
        breaker = breaker_after(breaker, helped=helped, now=at, limits=Limits())
    return breaker


@given(st.lists(st.booleans(), max_size=12))
def test_it_opens_after_so_many_failures_in_a_row_and_any_success_closes_it(
    runs: list[bool],
) -> None:
    breaker = after(Breaker("free"), *runs)
    in_a_row = next((n for n, helped in enumerate(reversed(runs)) if helped), len(runs))
    assert breaker.failures == in_a_row
    assert (breaker.opened_at is not None) is (in_a_row >= Limits().breaker_failures_max)


def test_after_its_time_it_is_tried_once_and_a_failed_trial_opens_it_anew() -> None:
    assert judged(replace(FACTS, breaker=HALF_OPEN)) == "allowed"
    tried = breaker_with_trial(HALF_OPEN, EFFECT, NOW)
    assert judged(replace(FACTS, breaker=tried)) == "allowed", "the trial is this effect's own"
    other = replace(ASK, effect_id="pm-0123456789abcdef-03")
    assert judged(replace(FACTS, breaker=tried), other) == "breaker"
    lost = replace(other, now=NOW + 12 * HOUR)
    assert judged(replace(FACTS, breaker=tried), lost) == "allowed", "the trial got lost"
    failed = after(tried, False)
    assert (failed.opened_at, failed.trial) == (NOW, None)
    assert judged(replace(FACTS, breaker=failed)) == "breaker"
    assert judged(replace(FACTS, breaker=after(tried, True))) == "allowed"


def test_an_operator_closes_it() -> None:
    closed = breaker_closed(replace(OPEN, revision=7), "arn:op")
    assert closed == Breaker("free", 7, closed_by="arn:op")
    assert judged(replace(FACTS, breaker=closed)) == "allowed"


# --- what tags narrow ----------------------------------------------------------------------------


@given(stack=st.sampled_from(Risk), tag=st.none() | st.text() | st.sampled_from([*Risk]))
def test_a_ceiling_tag_lowers_and_never_raises(stack: Risk, tag: str | None) -> None:
    assert RISK_ORDER[narrow_ceiling(stack, tag)] <= RISK_ORDER[stack]


def test_a_ceiling_tag_that_is_no_risk_counts_as_none() -> None:
    assert narrow_ceiling(Risk.HIGH, "hihg") is Risk.NONE
    assert narrow_ceiling(Risk.HIGH, " Medium ") is Risk.MEDIUM
    assert narrow_ceiling(Risk.LOW, None) is Risk.LOW


@given(stack=st.sampled_from(Mode), tag=st.none() | st.text() | st.sampled_from([*Mode]))
def test_a_tag_narrows_and_never_widens(stack: Mode, tag: str | None) -> None:
    assert MODE_ORDER[narrow_mode(stack, tag)] <= MODE_ORDER[stack]


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        (None, Mode.AUTO),
        ("auto", Mode.AUTO),
        (" Recommend ", Mode.RECOMMEND),
        ("observe", Mode.OBSERVE),
        ("off", Mode.OBSERVE),
    ],
)
def test_a_tag_that_is_no_mode_fails_closed(tag: str | None, expected: Mode) -> None:
    assert narrow_mode(Mode.AUTO, tag) is expected


# --- the choice of a remedy ----------------------------------------------------------------------


def choice(policy: Policy, cause: str = "disk-full", **changes: object) -> tuple[str | None, str]:
    arguments = {"platform": "linux", "tried": (), "by_text_only": False, **changes}
    made = choose_remedy(policy, cause, **arguments)  # type: ignore[arg-type]
    return (made.remedy.id if made.remedy else None, made.rule)


def with_plan(*remedies: str) -> Policy:
    return replace(POLICY, plans={**PLANS, "disk-full": Plan(remedies=remedies)})


def test_the_catalogues_order_is_kept_and_nothing_is_tried_twice() -> None:
    assert choice(POLICY) == ("free", "allowed")
    assert choice(POLICY, tried=("free",)) == ("clean", "allowed")
    assert choice(POLICY, tried=("free", "clean")) == (None, "all-tried")


def test_a_cause_that_nobody_knows_has_no_remedy() -> None:
    assert choice(POLICY, "never-heard-of") == (None, "no-remedy")


@pytest.mark.parametrize("mode", [Mode.OBSERVE, Mode.RECOMMEND])
def test_only_auto_runs_anything(mode: Mode) -> None:
    assert choice(replace(POLICY, mode=mode)) == (None, "mode")


def test_what_needs_an_approval_gives_way_to_what_does_not() -> None:
    assert choice(with_plan("reset", "free")) == ("free", "allowed")
    assert choice(with_plan("reset", "restart")) == ("reset", "approval")


@pytest.mark.parametrize("ceiling", Risk)
@pytest.mark.parametrize("risk", Risk)
def test_nothing_above_the_ceiling_runs_without_a_person(ceiling: Risk, risk: Risk) -> None:
    policy = replace(with_plan("x"), risk_ceiling=ceiling, remedies={"x": remedy("x", risk)})
    expected = "allowed" if RISK_ORDER[risk] <= RISK_ORDER[ceiling] else "approval"
    assert choice(policy) == ("x", expected)


def test_a_reboot_is_never_risked_without_a_person() -> None:
    policy = replace(with_plan("restart"), risk_ceiling=Risk.HIGH)
    made = choose_remedy(policy, "disk-full", "linux", (), by_text_only=False)
    assert made.needs_approval
    assert "reboot" in made.reason


@pytest.mark.parametrize("platform", ["windows", "macos", None])
def test_a_remedy_runs_only_on_its_platform(platform: str | None) -> None:
    assert choice(POLICY, platform=platform) == (None, "no-remedy")
    assert choice(with_plan("again"), platform=platform) == ("again", "allowed")


def test_the_text_alone_lets_nothing_change_the_node() -> None:
    assert choice(with_plan("free", "again"), by_text_only=True) == ("again", "allowed")
    assert choice(with_plan("free"), by_text_only=True) == (None, "no-remedy")


def test_a_remedy_for_what_is_over_waits_until_it_is_over() -> None:
    over = remedy("over", Risk.NONE, document=None, only_when_over=True)
    policy = replace(with_plan("over"), remedies={**REMEDIES, "over": over})
    assert choice(policy) == (None, "no-remedy")
    assert choice(policy, by_text_only=True) == ("over", "allowed")


def test_a_remedy_for_certain_checks_needs_one_of_them() -> None:
    picky = remedy("picky", confirmed_by=("inodes", "quota"))
    policy = replace(with_plan("picky", "free"), remedies={**REMEDIES, "picky": picky})
    assert choice(policy) == ("free", "allowed")
    assert choice(policy, confirming=("disk-space",)) == ("free", "allowed")
    assert choice(policy, confirming=("disk-space", "quota")) == ("picky", "allowed")
