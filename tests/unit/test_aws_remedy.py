"""Remedies that are calls to AWS, through the remediate stage over the fakes of the ports."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from incident_samples import ping_lost, signal
from test_stages import NODE, Bench
from tests.fakes import FakeActions, FakeAwsChecks
from tests.fakes.fleet import PING_EVERY
from tests.simulation.plan import CALENDAR, WINDOW

from patchmedic.errors import AwsDenied, AwsThrottled, AwsUnavailable, PatchMedicError
from patchmedic.incident import OperatorDecided, State
from patchmedic.model import EffectKind, Outcome
from patchmedic.policy import ATTACH_PROFILE, REBOOT, TAG_ROLE, Choice, choose_remedy
from patchmedic.ports import ActionEnd, ActionPlan
from patchmedic.stages import diagnose, remediate
from patchmedic.stages.common import LEASE_SECONDS, advance

LIST = "s3://aws-quicksetup-patchpolicy-123456789012-x7k2p/baseline_overrides.json"
GONE = AwsUnavailable("Call", "ConnectTimeoutError", "no answer")


class CallBench(Bench):
    """One stack over one node, whose calls to AWS are in reach of the test."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.node.faults.clear()
        self.nodes.calendars[CALENDAR] = "OPEN"
        self.nodes.windows[WINDOW] = True

    @property
    def actions(self) -> FakeActions:
        actions = self.ctx.actions
        assert isinstance(actions, FakeActions)
        return actions

    @property
    def performed(self) -> list[str]:
        return [plan.action for plan in self.actions.performed]

    def silent(self) -> None:
        """The node is lost; its remedy waits to be carried out, or for an approval."""
        self.wait(2 * PING_EVERY.total_seconds() + 61)
        self.classify(ping_lost(time=self.clock.now(), last_ping=self.node.last_ping))
        diagnose.carry_out(self.ctx, FakeAwsChecks(self.fleet), self.awaited())

    def without_profile(self) -> str:
        """The effect that gives a silent node its profile."""
        self.fleet.take_profile(NODE.node_id)
        self.silent()
        assert self.incident().state is State.REMEDIATING
        return self.awaited()

    def hung(self) -> str:
        """The effect that reboots a node that hangs, after the approval."""
        self.fleet.hang(NODE.node_id)
        self.silent()
        assert self.incident().state is State.PROPOSED
        return self.approve()

    def barred(self) -> str:
        """The effect that tags the role of a node which may not read its patch policy's list."""
        override = {"Operation": ["Install"], "BaselineOverride": [LIST]}
        self.fleet.start([NODE.node_id], "AWS-RunPatchBaseline", override)
        self.wait(200)
        (run,) = self.fleet.commands
        self.classify(signal(command_id=run, time=self.clock.now()))
        diagnose.carry_out(self.ctx, FakeAwsChecks(self.fleet), self.awaited())
        self.wait(60)
        if self.incident().state is State.DIAGNOSING:
            self.collect()
        assert self.incident().state is State.PROPOSED
        return self.approve()

    def approve(self) -> str:
        fact = OperatorDecided(approve=True, by="arn:aws:iam::1:user/op")
        advance(self.ctx, self.incident().id, fact, "approve")
        return self.awaited()

    def carry_out(self) -> str:
        return remediate.carry_out(self.ctx, self.awaited())

    def another_owner(self) -> None:
        """The claim of whoever had the effect runs out."""
        self.wait(LEASE_SECONDS + 1)

    def rule(self) -> str:
        reason = self.incident().reason
        assert reason is not None
        return reason.rule

    def lock_is_free(self) -> bool:
        now = self.clock.now()
        return self.store.take_lock(NODE, "other", now, now)

    def attempts(self, cause: str) -> int:
        return self.store.attempts_since(NODE, cause, self.clock.now() - timedelta(hours=9), "")


def fails(
    bench: CallBench,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    *,
    after: bool = False,
) -> None:
    """The next call to AWS fails; with ``after=True`` it happened and its answer is lost."""
    real = bench.actions.perform

    def perform(plan: ActionPlan) -> ActionEnd:
        monkeypatch.undo()
        if after:
            real(plan)
        raise error

    monkeypatch.setattr(bench.actions, "perform", perform)


# --- the way of one ------------------------------------------------------------------------------


def test_a_silent_node_gets_its_profile_and_its_ping_proves_it() -> None:
    bench = CallBench()
    bench.without_profile()
    bench.carry_out()
    assert bench.performed == [ATTACH_PROFILE]
    assert bench.attempts("instance-profile-missing") == 1
    assert bench.lock_is_free()
    action = bench.incident().actions[-1]
    assert (action.state, action.detail) == ("done", "attached")
    assert bench.incident().state is State.VERIFYING
    bench.wait(PING_EVERY.total_seconds())
    bench.carry_out()
    assert bench.incident().outcome is Outcome.RESOLVED
    assert bench.own_commands() == [], "no command was sent to a node that does not answer"


def test_an_instance_that_hangs_is_rebooted_after_an_approval() -> None:
    bench = CallBench()
    bench.hung()
    bench.carry_out()
    assert bench.performed == [REBOOT]
    bench.wait(PING_EVERY.total_seconds())
    bench.carry_out()
    assert bench.incident().outcome is Outcome.RESOLVED


def test_a_role_is_tagged_for_the_list_that_the_run_names_now() -> None:
    bench = CallBench()
    bench.barred()
    bench.carry_out()
    assert bench.performed == [TAG_ROLE]
    assert bench.fleet.role_tags == {"patch-role": {"QSConfigId-x7k2p": "x7k2p"}}
    assert "sent" in bench.carry_out(), "the verification is a patch run"
    bench.wait(200)
    bench.collect()
    assert bench.incident().state is not State.VERIFYING


def test_what_systems_manager_no_longer_knows_becomes_no_tag(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The stored evidence names the list; that is not enough to write a tag from."""
    bench = CallBench()
    bench.barred()
    monkeypatch.setattr(bench.commands, "describe", lambda *_: None)
    bench.carry_out()
    assert bench.performed == []
    assert bench.incident().actions[-1].state == "refused"


# --- guards --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prepare", "rule"),
    [
        (lambda bench: bench.node.tags.clear(), "opt-in"),
        (lambda bench: bench.node.tags.update(PatchMedicMode="observe"), "mode-tag"),
        (lambda bench: setattr(bench.nodes, "kill_switch_value", "stop"), "kill-switch"),
        (
            lambda bench: setattr(bench.nodes, "kill_switch_value", None),
            "kill-switch-unreadable",
        ),
    ],
    ids=["no tag", "mode tag", "kill switch", "kill switch unreadable"],
)
@pytest.mark.parametrize("way", ["without_profile", "hung", "barred"])
def test_a_guard_that_says_no_stops_a_call(way: str, prepare: Any, rule: str) -> None:
    bench = CallBench()
    getattr(bench, way)()
    prepare(bench)
    bench.carry_out()
    assert bench.performed == []
    assert bench.rule() == rule
    assert bench.lock_is_free()


def test_the_kill_switch_is_read_after_everything_else(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = CallBench()
    bench.without_profile()
    real = bench.actions.plan

    def plan(*arguments: Any) -> Any:
        bench.nodes.kill_switch_value = "stop"
        return real(*arguments)

    monkeypatch.setattr(bench.actions, "plan", plan)
    bench.carry_out()
    assert bench.performed == []
    assert bench.rule() == "kill-switch"
    assert bench.lock_is_free()


def test_too_many_attempts_stop_a_call() -> None:
    bench = CallBench()
    bench.without_profile()
    now = bench.clock.now()
    for other in ("a", "b"):
        cause = "instance-profile-missing"
        bench.store.record_attempt(NODE, cause, other, now, now + timedelta(hours=48))
    bench.carry_out()
    assert bench.performed == []
    assert bench.rule() == "cool-down"


def test_a_call_waits_while_something_of_ours_is_under_way_on_the_node() -> None:
    bench = CallBench()
    bench.without_profile()
    now = bench.clock.now()
    bench.store.take_lock(NODE, "another effect", now, now + timedelta(hours=1))
    assert "another command has the node" in bench.carry_out()
    assert bench.performed == []


def test_a_late_owner_does_not_call(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = CallBench()
    bench.without_profile()
    real = bench.actions.plan

    def plan(*arguments: Any) -> Any:
        bench.clock.forward(timedelta(seconds=LEASE_SECONDS + 1))
        return real(*arguments)

    monkeypatch.setattr(bench.actions, "plan", plan)
    assert "ran out" in bench.carry_out()
    assert bench.performed == []


@pytest.mark.parametrize("way", ["without_profile", "hung", "barred"])
def test_what_the_stack_switched_off_meanwhile_is_not_done(way: str) -> None:
    bench = CallBench()
    getattr(bench, way)()
    bench.ctx = replace(bench.ctx, policy=replace(bench.ctx.policy, actions=frozenset()))
    bench.carry_out()
    assert bench.performed == []
    assert bench.rule() == "no-remedy"


def test_what_the_stack_switched_off_is_not_offered() -> None:
    bench = CallBench()
    bench.ctx = replace(bench.ctx, policy=replace(bench.ctx.policy, actions=frozenset({REBOOT})))
    bench.fleet.take_profile(NODE.node_id)
    bench.silent()
    assert bench.incident().outcome is Outcome.ESCALATED
    assert bench.rule() == "no-remedy"


def test_an_approval_of_what_was_switched_off_since_is_not_carried_out() -> None:
    bench = CallBench()
    bench.fleet.hang(NODE.node_id)
    bench.silent()
    bench.ctx = replace(bench.ctx, policy=replace(bench.ctx.policy, actions=frozenset()))
    fact = OperatorDecided(approve=True, by="arn:aws:iam::1:user/op")
    advance(bench.ctx, bench.incident().id, fact, "approve")
    assert bench.incident().state is State.HANDED_OVER


def test_nothing_reboots_an_instance_outside_a_window() -> None:
    bench = CallBench()
    bench.hung()
    bench.nodes.windows[WINDOW] = False
    bench.carry_out()
    assert bench.performed == []
    assert bench.incident().state is State.REMEDIATING, "it waits for the window"


def test_nothing_reboots_where_no_window_is_named() -> None:
    bench = CallBench()
    bench.hung()
    policy = replace(bench.ctx.policy, change_calendars=(), maintenance_windows=())
    bench.ctx = replace(bench.ctx, policy=policy)
    bench.carry_out()
    assert bench.performed == []
    assert bench.rule() == "no-window"


# --- what goes wrong on the way ------------------------------------------------------------------


@pytest.mark.parametrize("after", [False, True])
def test_a_lost_answer_is_followed_by_a_look_and_no_second_change(
    monkeypatch: pytest.MonkeyPatch, *, after: bool
) -> None:
    bench = CallBench()
    bench.without_profile()
    fails(bench, monkeypatch, GONE, after=after)
    with pytest.raises(PatchMedicError):
        bench.carry_out()
    assert bench.carry_out() == "nothing to do", "its lease still holds"
    bench.another_owner()
    bench.carry_out()
    assert bench.performed == [ATTACH_PROFILE]
    assert bench.attempts("instance-profile-missing") == 1
    assert bench.incident().state is State.VERIFYING


@pytest.mark.parametrize("after", [False, True])
def test_a_reboot_whose_answer_is_lost_is_handed_to_a_person(
    monkeypatch: pytest.MonkeyPatch, *, after: bool
) -> None:
    bench = CallBench()
    effect_id = bench.hung()
    fails(bench, monkeypatch, GONE, after=after)
    bench.carry_out()
    assert bench.incident().outcome is Outcome.ESCALATED
    assert bench.rule() == "remedy-lost"
    bench.another_owner()
    assert remediate.carry_out(bench.ctx, effect_id) == "nothing to do"
    assert len(bench.performed) == (1 if after else 0)
    assert bench.lock_is_free()


class Killed(BaseException):
    """The function is killed."""


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("window", [True, False])
def test_a_reboot_whose_owner_died_is_not_asked_for_again(
    monkeypatch: pytest.MonkeyPatch, *, after: bool, window: bool
) -> None:
    """Whatever the guards say by then: what may have been done is told at once."""
    bench = CallBench()
    bench.hung()
    fails(bench, monkeypatch, Killed(), after=after)
    with pytest.raises(Killed):
        bench.carry_out()
    bench.another_owner()
    bench.node.instance_check = "impaired"
    bench.nodes.windows[WINDOW] = window
    bench.carry_out()
    assert len(bench.performed) == (1 if after else 0)
    assert bench.rule() == "remedy-lost"
    assert bench.lock_is_free()


def test_an_owner_that_died_before_the_attempt_counted_did_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = CallBench()
    bench.hung()

    def plan(*arguments: Any) -> Any:
        monkeypatch.undo()
        raise GONE

    monkeypatch.setattr(bench.actions, "plan", plan)
    with pytest.raises(PatchMedicError):
        bench.carry_out()
    bench.another_owner()
    bench.carry_out()
    assert bench.performed == [REBOOT]


def test_throttling_is_waited_out(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = CallBench()
    bench.without_profile()
    fails(bench, monkeypatch, AwsThrottled("Call", "RequestLimitExceeded", "slow down"))
    assert "deferred" in bench.carry_out()
    assert bench.lock_is_free()
    bench.wait(bench.ctx.policy.limits.defer_wait_seconds)
    bench.carry_out()
    assert bench.performed == [ATTACH_PROFILE]


def test_a_throttled_reboot_was_surely_not_done_and_is_not_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = CallBench()
    bench.hung()
    fails(bench, monkeypatch, AwsThrottled("Call", "RequestLimitExceeded", "slow down"))
    bench.carry_out()
    assert bench.incident().actions[-1].state == "failed"
    assert bench.incident().outcome is Outcome.ESCALATED


def test_a_look_that_is_denied_refuses_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = CallBench()
    bench.without_profile()

    def plan(*arguments: Any) -> Any:
        raise AwsDenied("DescribeInstances", "UnauthorizedOperation", "no")

    monkeypatch.setattr(bench.actions, "plan", plan)
    bench.carry_out()
    action = bench.incident().actions[-1]
    assert action.state == "refused"
    assert "UnauthorizedOperation" in action.detail
    assert bench.incident().outcome is Outcome.ESCALATED
    assert bench.lock_is_free()


# --- verification --------------------------------------------------------------------------------


def test_an_agent_that_backs_off_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = CallBench()
    bench.without_profile()
    monkeypatch.setattr(bench.fleet, "revive", lambda node_id: None)
    bench.carry_out()
    monkeypatch.undo()
    for _ in range(3):
        assert "not pinged yet" in bench.carry_out()
        bench.wait(15 * 60)
    bench.fleet.revive(NODE.node_id)
    bench.wait(PING_EVERY.total_seconds())
    bench.carry_out()
    assert bench.incident().outcome is Outcome.RESOLVED


def test_the_wait_for_an_agent_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = CallBench()
    bench.without_profile()
    monkeypatch.setattr(bench.fleet, "revive", lambda node_id: None)
    bench.carry_out()
    effect = bench.store.effect(bench.awaited())
    assert effect is not None
    assert effect.effect.kind is EffectKind.VERIFY
    deadline = bench.incident().deadline
    assert deadline is not None
    minutes = bench.ctx.policy.limits.ping_wait_minutes
    assert bench.clock.now() + timedelta(minutes=minutes) < deadline, "it ends by itself"
    bench.wait(minutes * 60)
    bench.carry_out()
    assert bench.incident().outcome is Outcome.ESCALATED
    assert bench.rule() == "all-tried"


# --- the choice ----------------------------------------------------------------------------------


def chosen(bench: CallBench, cause: str, **how: bool) -> Choice:
    rules: dict[str, Any] = {"by_text_only": False, "silent": False, **how}
    checks = ("instance-profile", "instance-state", "patch-policy-role")
    return choose_remedy(bench.ctx.policy, cause, "linux", (), confirming=checks, **rules)


def test_a_call_needs_no_answer_of_the_node_but_a_finding() -> None:
    bench = CallBench()
    silent = chosen(bench, "instance-profile-missing", silent=True)
    assert silent.remedy is not None
    assert silent.remedy.id == ATTACH_PROFILE
    assert chosen(bench, "disk-full", silent=True).remedy is None
    assert chosen(bench, "instance-profile-missing", by_text_only=True).remedy is None


def test_a_reboot_needs_an_approval_whatever_the_ceiling() -> None:
    bench = CallBench()
    found = chosen(bench, "instance-impaired", silent=True)
    assert found.needs_approval
