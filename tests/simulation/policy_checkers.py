"""What must hold for the policy's limits, windows and breakers: invariants 3, 6 and 7.

An action here is a remedy of ours, by command or by a call to AWS, or a second try of the patch run
that is itself the remedy.  What counts is what reached the fleet, not the permits in the table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tests.simulation.action_checkers import act_of
from tests.simulation.checkers import Violation
from tests.simulation.seams import Call, Invocation

from patchmedic.incident import Incident, State
from patchmedic.model import EffectKind, Outcome, Remedy
from patchmedic.policy import live_actions_max
from patchmedic.stages.common import effect_id_of

if TYPE_CHECKING:
    from tests.simulation.world import World

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Started:
    """One action that began on a node."""

    at: datetime
    effect_id: str
    remedy: Remedy
    node_id: str


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a remedy that came to its end, as the incident's own record says."""

    at: datetime
    helped: bool


def _remedy_of(world: World, effect_id: str | None) -> Remedy | None:
    """The remedy that an effect is the carrying out of; ``None`` for a mere verification."""
    record = world.store.effect(effect_id or "")
    remedy = world.policy.remedies.get(str(record.effect.payload.get("remedy"))) if record else None
    if record is None or remedy is None:
        return None
    waits_only = not remedy.documents and remedy.action is None
    starts = EffectKind.VERIFY if waits_only else EffectKind.REMEDY
    return remedy if record.effect.kind is starts else None


def started(world: World) -> Iterator[Started]:
    """Every action that began."""
    for command in world.fleet.commands.values():
        effect_id = effect_id_of(command.comment)
        remedy = _remedy_of(world, effect_id) if effect_id else None
        if effect_id and remedy is not None:
            for node_id in command.runs:
                yield Started(command.requested_at, effect_id, remedy, node_id)
    for act in world.acted:
        remedy = _remedy_of(world, act.effect_id)
        if act.effect_id and remedy is not None:
            yield Started(act.at, act.effect_id, remedy, act.plan.node.node_id)


def _starts(world: World, invocation: Invocation, call: Call) -> Remedy | None:
    """The remedy that this call began."""
    act = act_of(invocation, call)
    if act is not None:
        return _remedy_of(world, act.effect_id)
    if call.name != "commands.send" or not call.took_effect:
        return None
    return _remedy_of(world, effect_id_of(world.fleet.commands[call.result].comment))


def actions_per_hour(world: World, invocation: Invocation, call: Call) -> None:
    """3. No more actions within any 60 minutes than the limit."""
    if _starts(world, invocation, call) is None:
        return
    lately = [s for s in started(world) if world.clock.now() - s.at < HOUR]
    if len(lately) > world.policy.limits.actions_per_hour_max:
        raise Violation("3 actions per hour", f"{len(lately)} began within 60 minutes")


def live_actions(world: World, invocation: Invocation, call: Call) -> None:
    """3. No more nodes under treatment at once than the limit and the share of the fleet."""
    if _starts(world, invocation, call) is None:
        return
    limits = world.policy.limits
    live: list[Started] = []
    for one in started(world):
        seconds = limits.delivery_timeout_seconds + one.remedy.timeout_seconds
        # One that outlives its own time-outs is given up, and its place with it.
        fresh = world.clock.now() - one.at < timedelta(seconds=seconds)
        if fresh and any(
            effect_id_of(c.comment) == one.effect_id for c in world.fleet.live_on(one.node_id)
        ):
            live.append(one)
    if len(live) > live_actions_max(limits, len(world.fleet.nodes)):
        raise Violation("3 live actions", ", ".join(f"{s.remedy.id} {s.node_id}" for s in live))


def reboots(world: World, invocation: Invocation, call: Call) -> None:
    """3. No node is rebooted more often a day than the limit."""
    remedy = _starts(world, invocation, call)
    if remedy is None or not remedy.may_reboot:
        return
    lately = [
        s.node_id
        for s in started(world)
        if s.remedy.may_reboot and world.clock.now() - s.at < 24 * HOUR
    ]
    for node_id in set(lately):
        if lately.count(node_id) > world.policy.limits.reboots_per_node_per_day_max:
            raise Violation("3 reboots", f"{node_id} was rebooted {lately.count(node_id)} times")


def windows(world: World, invocation: Invocation, call: Call) -> None:
    """6. Nothing that may reboot or disrupt runs but in an open window, and a freeze beats it."""
    remedy = _starts(world, invocation, call)
    if remedy is None or not (remedy.may_reboot or remedy.disrupts):
        return
    calendar = invocation.last("nodes.calendar_state")
    window = invocation.last("nodes.window_in_progress")
    if calendar is None or calendar.result != "OPEN":
        raise Violation("6 windows", f"{remedy.id} although a calendar is closed")
    if window is None or window.result is not True:
        raise Violation("6 windows", f"{remedy.id} outside the maintenance window")


def count_runs(world: World, invocation: Invocation, call: Call) -> None:
    """Not a check: keeps how each run of a remedy ended, from the incidents as they are stored."""
    if call.name != "store.commit" or not call.took_effect:
        return
    before, after, _, entry, finished = call.args[:5]
    helped = _helped(before, after, entry.text)
    if finished is not None and finished == before.awaiting and helped is not None:
        world.runs.setdefault(before.actions[-1].remedy, []).append(Run(call.at, helped))


def _helped(before: Incident, after: Incident, said: str) -> bool | None:
    if not before.actions:
        return None
    if before.state is State.REMEDIATING:
        return False if said.startswith("the remedy failed") else None
    if before.state is not State.VERIFYING:
        return None
    if after.outcome is Outcome.RESOLVED and after.reason and after.reason.rule == "verified":
        return True
    return False if said.startswith("not fixed") else None


def breaker(world: World, invocation: Invocation, call: Call) -> None:
    """7. When its last N runs failed, a remedy stops on all nodes, but for one trial."""
    remedy = _starts(world, invocation, call)
    if remedy is None:
        return
    limits, began = world.policy.limits, invocation.started_at
    known = [run for run in world.runs.get(remedy.id, []) if run.at < began]
    last = known[-limits.breaker_failures_max :]
    if len(last) < limits.breaker_failures_max or any(run.helped for run in last):
        return
    open_for = timedelta(hours=limits.breaker_open_hours)
    trial_from = last[-1].at + open_for
    if world.clock.now() < trial_from:
        raise Violation("7 breaker", f"{remedy.id} runs although {len(last)} runs in a row failed")
    trials = sorted(s.at for s in started(world) if s.remedy.id == remedy.id and s.at >= trial_from)
    if len(trials) > 1 and trials[-1] - trials[-2] < open_for:
        raise Violation("7 breaker", f"{remedy.id} is tried more than once")


AFTER_EACH_CALL: tuple[Callable[[World, Invocation, Call], None], ...] = (
    actions_per_hour,
    live_actions,
    reboots,
    windows,
    breaker,
    count_runs,
)
