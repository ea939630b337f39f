"""The checkers of calls to AWS are seen to fail: one guard is broken on purpose, the world notices.

As in ``test_guards``, with worlds of their own, so that few are enough.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.fakes.fleet import ACCOUNT, REGION
from tests.simulation.action_checkers import one_at_a_time
from tests.simulation.checkers import Violation
from tests.simulation.seams import Call, Fate, Invocation
from tests.simulation.test_guards import any_look_will_do
from tests.simulation.world import CALM, DEATHS, HANGS, HASTE, RACES, STORM, Weather, World

from patchmedic import incident as machine
from patchmedic import policy
from patchmedic.model import NodeRef
from patchmedic.policy import ATTACH_PROFILE, REBOOT, TAG_ROLE
from patchmedic.ports import ActionEnd, ActionPlan
from patchmedic.stages import aws_remedy, remediate

SEEDS_MAX = 80
LOST_REBOOTS = replace(HANGS, crash=DEATHS.crash)
Break = Callable[[pytest.MonkeyPatch], None]


class CallWorld(World):
    """A world in which people mostly break what calls mend.

    The limits of the whole fleet are wide: they are ``test_guards``' business.
    """

    def __init__(self, seed: int, weather: Weather) -> None:
        customs = "calls" if weather.customs == "usual" else weather.customs
        super().__init__(seed, replace(weather, customs=customs))
        for node in self.fleet.nodes.values():
            node.agent_outdated = False
        limits = replace(
            self.policy.limits,
            actions_per_hour_max=100,
            live_actions_max=20,
            live_actions_percent_max=100,
            reboots_per_node_per_day_max=5,
            breaker_failures_max=20,
        )
        self.policy = replace(self.policy, limits=limits)

    def _before(self, invocation: Invocation, port: str, method: str) -> Fate:
        """Where functions die, they mostly die right after the call."""
        fate = super()._before(invocation, port, method)
        dies = self.weather.crash >= DEATHS.crash and (port, method) == ("actions", "perform")
        return Fate.CRASH_AFTER if dies and self.rng.random() < 0.7 else fate


def caught(invariant: str, weather: Weather) -> int | None:
    """The first seed in which a checker raises about a call to AWS; ``None`` when none does."""
    for seed in range(SEEDS_MAX):
        try:
            CallWorld(seed, weather).run()
        except Violation as violation:
            about_call = any(
                action in str(violation) for action in (ATTACH_PROFILE, TAG_ROLE, REBOOT)
            )
            if violation.invariant.startswith(invariant) and about_call:
                return seed
        except AssertionError:
            continue  # the broken code may break something else first
    return None


def calls_are_not_guarded(patch: pytest.MonkeyPatch) -> None:
    real = remediate._guard

    def guard(ctx: Any, taken: Any, *others: Any) -> Any:
        return None if remediate._called(ctx, taken) else real(ctx, taken, *others)

    patch.setattr(remediate, "_guard", guard)


def causes_are_treated_for_ever(patch: pytest.MonkeyPatch) -> None:
    rules = {name: rule for name, rule in policy.RULES.items() if name != "cool-down"}
    patch.setattr(policy, "RULES", rules)


def a_guess_is_enough(patch: pytest.MonkeyPatch) -> None:
    real = machine.diagnose

    def diagnose(classification: Any, findings: Any, *others: Any) -> Any:
        made = real(classification, findings, *others)
        return replace(made, cause="instance-profile-missing", basis="finding")

    patch.setattr(machine, "diagnose", diagnose)
    choose = machine.choose_remedy
    checks = ("instance-profile",)
    patch.setattr(
        machine, "choose_remedy", lambda *a, **r: choose(*a, **{**r, "confirming": checks})
    )


def the_kill_switch_is_not_read_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(aws_remedy, "kill_switch", lambda ctx: "run")


def attempts_at_calls_are_not_written_down(patch: pytest.MonkeyPatch) -> None:
    real = remediate.call_aws
    patch.setattr(
        remediate, "call_aws", lambda ctx, taken, remedy, _: real(ctx, taken, remedy, lambda: None)
    )


def a_reboot_is_asked_for_until_it_is_answered(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(aws_remedy, "_began", lambda ctx, taken: False)


def nobody_is_asked(patch: pytest.MonkeyPatch) -> None:
    real = machine.choose_remedy
    rules = {name: rule for name, rule in policy.RULES.items() if name != "risk-ceiling"}
    patch.setattr(policy, "RULES", rules)
    patch.setattr(
        machine, "choose_remedy", lambda *a, **r: replace(real(*a, **r), needs_approval=False)
    )


GUARDS: tuple[tuple[str, Break, Weather], ...] = (
    ("1 opt-in", calls_are_not_guarded, STORM),
    ("4 cool-down", causes_are_treated_for_ever, replace(HASTE, customs="profiles")),
    ("confirmed first", a_guess_is_enough, HASTE),
    ("5 kill switch", the_kill_switch_is_not_read_again, STORM),
    ("9 intent first", attempts_at_calls_are_not_written_down, HASTE),
    ("9 intent first", a_reboot_is_asked_for_until_it_is_answered, LOST_REBOOTS),
    ("approved first", nobody_is_asked, HANGS),
    ("11 checked", any_look_will_do, STORM),
)


@pytest.mark.parametrize(
    ("invariant", "break_it", "weather"), GUARDS, ids=[name.__name__ for _, name, _ in GUARDS]
)
def test_a_broken_guard_is_noticed(
    invariant: str, break_it: Break, weather: Weather, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_it(monkeypatch)
    assert caught(invariant, weather) is not None, f"{SEEDS_MAX} worlds did not notice"


def test_a_call_beside_a_command_of_ours_is_noticed() -> None:
    """No world shows it: a node with a live patch run is not lost, so only one incident acts."""
    world = CallWorld(0, CALM)
    node_id = next(iter(world.fleet.nodes))
    node = NodeRef(ACCOUNT, REGION, node_id)
    done = ActionEnd("done", "attached")
    plan = ActionPlan(ATTACH_PROFILE, node, node_id, "patch-role", "attached")
    call = Call(world.clock.now(), "actions", "perform", (plan,), Fate.FINE, done)
    invocation = Invocation(1, "remediate", world.clock.now())
    one_at_a_time(world, invocation, call)
    own = "patchmedic pm-0123456789abcdef-01"
    world.fleet.start([node_id], "AWS-RunPatchBaseline", {}, own)
    with pytest.raises(Violation, match="2 one at a time"):
        one_at_a_time(world, invocation, call)


@pytest.mark.parametrize(
    "weather", [STORM, RACES, DEATHS, HASTE], ids=["storm", "races", "deaths", "haste"]
)
def test_nothing_is_noticed_when_nothing_is_broken(weather: Weather) -> None:
    done = set()
    for seed in range(10):
        world = CallWorld(seed, weather)
        world.run()
        done |= {act.plan.action for act in world.acted}
    assert done >= {ATTACH_PROFILE, REBOOT}, "the worlds have calls in them"
