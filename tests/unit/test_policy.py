"""May we?  Each rule of ``policy`` by its name, and that everything unreadable means no."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from incident_samples import PLANS, POLICY, REMEDIES, remedy

from patchmedic.model import MODE_ORDER, RISK_ORDER, Mode, Risk
from patchmedic.policy import (
    KILL_SWITCH_RUN,
    Allowed,
    GuardFacts,
    Limits,
    Plan,
    Policy,
    Refused,
    choose_remedy,
    guard,
    kill_switch_guard,
    narrow_mode,
)

OPTED_IN = {"PatchMedic": "true"}
FACTS = GuardFacts(tags=OPTED_IN, kill_switch=KILL_SWITCH_RUN, attempts=0)


def judged(facts: GuardFacts) -> str:
    """The rule that refused, or ``allowed``."""
    verdict = guard(facts, Limits(), "PatchMedic", "true")
    return verdict.rule if isinstance(verdict, Refused) else "allowed"


def test_all_guards_together_let_a_command_out() -> None:
    assert judged(FACTS) == "allowed"


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
        (replace(FACTS, attempts=None), "attempts-unreadable"),
        (replace(FACTS, attempts=Limits().attempts_per_node_and_cause_max), "cool-down"),
        (replace(FACTS, attempts=99), "cool-down"),
        (replace(FACTS, kill_switch=None), "kill-switch-unreadable"),
        (replace(FACTS, kill_switch="stop"), "kill-switch"),
        (replace(FACTS, kill_switch="RUN"), "kill-switch"),
        (replace(FACTS, kill_switch="run "), "kill-switch"),
        (replace(FACTS, kill_switch=""), "kill-switch"),
    ],
)
def test_each_guard_refuses_by_its_name(facts: GuardFacts, rule: str) -> None:
    assert judged(facts) == rule


def test_one_attempt_less_than_the_cap_is_allowed() -> None:
    attempts = Limits().attempts_per_node_and_cause_max - 1
    assert judged(replace(FACTS, attempts=attempts)) == "allowed"


@given(
    tags=st.none() | st.dictionaries(st.sampled_from(["PatchMedic", "PatchMedicMode"]), st.text()),
    switch=st.none() | st.text(),
    attempts=st.none() | st.integers(0, 5),
)
def test_nothing_but_the_exact_words_lets_a_command_out(
    tags: dict[str, str] | None, switch: str | None, attempts: int | None
) -> None:
    if judged(GuardFacts(tags, switch, attempts)) == "allowed":
        assert tags is not None and tags["PatchMedic"] == "true"
        assert tags.get("PatchMedicMode", "auto").strip().lower() == "auto"
        assert switch == "run"
        assert attempts is not None and attempts < Limits().attempts_per_node_and_cause_max


def test_only_the_exact_word_opens_the_kill_switch() -> None:
    assert kill_switch_guard("run") == Allowed()
    assert isinstance(kill_switch_guard("Run"), Refused)


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
