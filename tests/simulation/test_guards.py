"""Each checker is seen to fail: one guard of the code is broken on purpose, the world notices.

A guard that can be taken away without any world noticing is either useless or unwatched; both are
worth knowing, so a test here that no longer fails its worlds fails itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.fakes import FakeCommands, MemoryStore
from tests.simulation.checkers import Violation
from tests.simulation.world import (
    CROWD,
    DEATHS,
    HANGS,
    HASTE,
    OUTBREAK,
    RACES,
    STORM,
    Weather,
    World,
)

from patchmedic import incident as machine
from patchmedic import policy
from patchmedic.policy import Allowed, choose_remedy
from patchmedic.ports import Claimed
from patchmedic.stages import collect, common, facts, notify, remediate, sweep

SEEDS_MAX = 150
WEATHERS = (STORM, CROWD, RACES, DEATHS, HASTE, OUTBREAK, HANGS)
Break = Callable[[pytest.MonkeyPatch], None]


def caught(invariant: str, weather: Weather) -> int | None:
    """The first seed in which a checker of this invariant raises; ``None`` when none does."""
    for seed in range(SEEDS_MAX):
        try:
            World(seed, weather).run()
        except Violation as violation:
            if violation.invariant.startswith(invariant):
                return seed
        except AssertionError:
            continue  # the broken code may break something else first
    return None


def two_incidents_act_on_a_node(patch: pytest.MonkeyPatch) -> None:
    """Today's policy sends nothing to a node for a lost ping; the lock must not rest on that."""
    real = choose_remedy

    def choose(*arguments: Any, **rules: Any) -> Any:
        return real(*arguments, **{**rules, "silent": False})

    patch.setattr(machine, "choose_remedy", choose)
    patch.setattr(remediate, "_answers", lambda ctx, taken: True)
    # Run Command's list of what is under way lags; the lock must not rest on it either.
    patch.setattr(remediate, "_busy", lambda ctx, taken: None)


def everybody_gets_the_lock(patch: pytest.MonkeyPatch) -> None:
    two_incidents_act_on_a_node(patch)
    patch.setattr(MemoryStore, "take_lock", lambda *_: True)


def nothing_is_ever_adopted(patch: pytest.MonkeyPatch) -> None:
    for stage in (remediate, sweep):
        patch.setattr(stage, "adopt", lambda ctx, taken: False)


def every_claim_is_granted(patch: pytest.MonkeyPatch) -> None:
    real = MemoryStore.claim

    def claim(self: MemoryStore, effect_id: str, owner: str, now: Any, until: Any) -> Any:
        granted = real(self, effect_id, owner, now, until)
        record = self.effect(effect_id)
        if granted is None and record is not None and record.status == "claimed":
            return Claimed(replace(record, claims=1), owner, until)
        return granted

    patch.setattr(MemoryStore, "claim", claim)


def the_guards_always_agree(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(remediate, "may", lambda *_: Allowed())


def the_kill_switch_is_not_read_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(remediate, "kill_switch", lambda ctx: "run")


def attempts_are_not_counted(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(MemoryStore, "attempts_since", lambda *_: 0)


def late_news_is_news(patch: pytest.MonkeyPatch) -> None:
    def decide(incident: Any, fact: Any, policy: Any, now: Any) -> Any:
        if getattr(fact, "effect_id", None) and incident.awaiting:
            fact = replace(fact, effect_id=incident.awaiting)
        return machine.decide(incident, fact, policy, now)

    patch.setattr(common, "decide", decide)


def our_own_commands_are_strangers(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(MemoryStore, "effect_of_command", lambda *_: None)
    real = FakeCommands.describe

    def describe(self: FakeCommands, region: str, command_id: str) -> Any:
        info = real(self, region, command_id)
        return replace(info, comment="") if info else None

    patch.setattr(FakeCommands, "describe", describe)


def a_guess_is_enough(patch: pytest.MonkeyPatch) -> None:
    real = machine.diagnose

    def diagnose(*arguments: Any) -> Any:
        made = real(*arguments)
        return replace(made, basis="finding") if made.basis == "none" else made

    patch.setattr(machine, "diagnose", diagnose)


def any_look_will_do(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(machine, "_newer", lambda incident, seen: True)


def a_look_is_not_needed(patch: pytest.MonkeyPatch) -> None:
    def look(ctx: Any, effect_id: str, incident: Any, invocation: Any) -> Any:
        seen = machine.Observation("patch-state", ctx.clock.now(), True, None, "the command's word")
        return machine.Verified(effect_id, True, seen, "trust me")

    patch.setattr(collect, "_verified", look)


def commands_are_waited_for_for_ever(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(machine, "_command_deadline", lambda *_: None)


def missed_deadlines_are_nobodys_business(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sweep, "_overdue", lambda ctx: (0, 0))


def lost_events_stay_lost(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sweep, "_lost_events", lambda *_: (0, 0))


def lost_hints_stay_lost(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sweep, "_hint_pending", lambda ctx: 0)


def a_resolve_overtakes_its_page(patch: pytest.MonkeyPatch) -> None:
    def take(ctx: Any, effect_id: str, kinds: Any) -> Any:
        taken = common.take(ctx, effect_id, kinds)
        return taken and replace(taken, incident=replace(taken.incident, paged=True))

    patch.setattr(notify, "take", take)
    patch.setattr(notify, "_page_under_way", lambda ctx, taken: False)


def commands_go_out_before_their_intent(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(remediate, "comment_of", lambda effect: "patchmedic pm-0123456789abcdef-01")


def everything_is_one_command(patch: pytest.MonkeyPatch) -> None:
    real = FakeCommands.send

    def send(self: FakeCommands, node: Any, document: str, *others: Any) -> str:
        command_id = real(self, node, document, *others)
        runs = self._fleet.commands[command_id].runs
        runs.update({f"i-{n:017x}": runs[node.node_id] for n in range(60)})  # type: ignore[attr-defined]
        return command_id

    patch.setattr(FakeCommands, "send", send)


def tags_are_remembered(patch: pytest.MonkeyPatch) -> None:
    """The tag is not read right before the command, but taken as it once was."""
    patch.setattr(remediate, "_guard", lambda *_: None)
    patch.setattr(remediate, "read_facts", lambda *_: None)
    patch.setattr(remediate, "take_permits", lambda *_: None)


def without(patch: pytest.MonkeyPatch, rule: str) -> None:
    rules = {name: judge for name, judge in policy.RULES.items() if name != rule}
    patch.setattr(policy, "RULES", rules)


def permits_for_all(patch: pytest.MonkeyPatch, pool: str) -> None:
    real = MemoryStore.take_permit

    def take(self: MemoryStore, wanted: str, owner: str, size: int, *times: Any) -> bool:
        return wanted.startswith(pool) or real(self, wanted, owner, size, *times)

    patch.setattr(MemoryStore, "take_permit", take)


def the_hour_has_room_for_all(patch: pytest.MonkeyPatch) -> None:
    without(patch, "actions-per-hour")
    permits_for_all(patch, facts.HOUR_POOL)


def the_fleet_has_room_for_all(patch: pytest.MonkeyPatch) -> None:
    without(patch, "live-actions")
    permits_for_all(patch, common.LIVE_POOL)


def a_permit_is_given_back_at_once(patch: pytest.MonkeyPatch) -> None:
    """What is taken for an hour, or until the command ends, must be kept so long."""
    real = MemoryStore.take_permit

    def take(self: MemoryStore, pool: str, owner: str, size: int, now: Any, until: Any) -> bool:
        return real(self, pool, owner, size, now, now)

    patch.setattr(MemoryStore, "take_permit", take)


def reboots_are_not_counted(patch: pytest.MonkeyPatch) -> None:
    without(patch, "reboots")
    without(patch, "cool-down")
    permits_for_all(patch, "reboots")


def a_window_is_always_open(patch: pytest.MonkeyPatch) -> None:
    without(patch, "window")


def a_window_beats_a_freeze(patch: pytest.MonkeyPatch) -> None:
    real = facts.read_facts

    def read(*arguments: Any) -> Any:
        return replace(real(*arguments), calendar_state="OPEN")

    patch.setattr(remediate, "read_facts", read)


def the_breaker_never_opens(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(common, "breaker_after", lambda before, **_: before)


def an_open_breaker_stops_nothing(patch: pytest.MonkeyPatch) -> None:
    without(patch, "breaker")


def every_run_is_the_trial(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(facts, "_take_trial", lambda *_: None)


GUARDS: tuple[tuple[str, Break, Weather], ...] = (
    ("1 opt-in", the_guards_always_agree, STORM),
    ("1 opt-in", tags_are_remembered, STORM),
    ("2 one at a time", everybody_gets_the_lock, CROWD),
    ("2 late owner", late_news_is_news, RACES),
    ("3 actions per hour", the_hour_has_room_for_all, OUTBREAK),
    ("3 actions per hour", a_permit_is_given_back_at_once, OUTBREAK),
    ("3 live actions", the_fleet_has_room_for_all, OUTBREAK),
    ("3 reboots", reboots_are_not_counted, HANGS),
    ("6 windows", a_window_is_always_open, HANGS),
    ("6 windows", a_window_beats_a_freeze, HANGS),
    ("7 breaker", the_breaker_never_opens, OUTBREAK),
    ("7 breaker", an_open_breaker_stops_nothing, OUTBREAK),
    ("7 breaker", every_run_is_the_trial, OUTBREAK),
    ("4 cool-down", attempts_are_not_counted, OUTBREAK),
    ("confirmed first", a_guess_is_enough, STORM),
    ("5 kill switch", the_kill_switch_is_not_read_again, STORM),
    ("9 intent first", nothing_is_ever_adopted, DEATHS),
    ("9 intent first", every_claim_is_granted, STORM),
    ("9 intent first", commands_go_out_before_their_intent, STORM),
    ("10 never everything", everything_is_one_command, STORM),
    ("11 checked", any_look_will_do, STORM),
    ("11 checked", a_look_is_not_needed, STORM),
    ("12 own commands", our_own_commands_are_strangers, STORM),
    ("14 no failure lost", lost_events_stay_lost, STORM),
    ("14 no failure lost", missed_deadlines_are_nobodys_business, STORM),
    ("15 paged once", a_resolve_overtakes_its_page, STORM),
    ("17 deadlines", commands_are_waited_for_for_ever, STORM),
    ("17 deadlines", lost_hints_stay_lost, STORM),
)


@pytest.mark.parametrize(
    ("invariant", "break_it", "weather"), GUARDS, ids=[name.__name__ for _, name, _ in GUARDS]
)
def test_a_broken_guard_is_noticed(
    invariant: str, break_it: Break, weather: Weather, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_it(monkeypatch)
    assert caught(invariant, weather) is not None, f"{SEEDS_MAX} worlds did not notice"


def test_the_lock_alone_keeps_two_incidents_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    two_incidents_act_on_a_node(monkeypatch)
    for seed in range(20):
        World(seed, WEATHERS[seed % len(WEATHERS)]).run()


def test_nothing_is_noticed_when_nothing_is_broken() -> None:
    for seed in range(15):
        World(seed, WEATHERS[seed % len(WEATHERS)]).run()
