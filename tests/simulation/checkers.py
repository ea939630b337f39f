"""What must hold in the simulated world, one checker an invariant.

``AFTER_EACH_CALL`` run after every call of a port, whatever became of it; ``AT_THE_END`` when the
faults have stopped and the world has had its time.  A checker compares what the service did with
the world's own truth (the fleet's commands, the reads in the invocation's log), not with what the
service believes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tests.fakes.fleet import Command
from tests.simulation.plan import OPT_IN
from tests.simulation.seams import Call, Invocation

from patchmedic.incident import Incident, Observation, State
from patchmedic.model import EffectKind, IncidentKind, NodeRef, Outcome, Verdict
from patchmedic.ports import NodeInfo
from patchmedic.stages.common import effect_id_of
from patchmedic.store import effect_incident_id

if TYPE_CHECKING:
    from tests.simulation.world import World


class Violation(BaseException):
    """An invariant does not hold.  No ``Exception``: the code under test must not swallow it."""

    def __init__(self, invariant: str, what: str) -> None:
        super().__init__(f"{invariant}: {what}")
        self.invariant = invariant


def _sent(world: World, call: Call) -> Command | None:
    """The command that this call sent, whatever its caller was told."""
    if call.name != "commands.send" or not call.took_effect:
        return None
    return world.fleet.commands[call.result]


def _own(command: Command) -> str | None:
    return effect_id_of(command.comment)


def _is_remedy(world: World, command: Command) -> bool:
    """Whether it is one of ours that changes a node, as its stored intent says."""
    record = world.store.effect(_own(command) or "")
    return record is not None and record.effect.kind is EffectKind.REMEDY


def _stored(call: Call) -> tuple[Incident | None, Incident] | None:
    """The incident before and after, when this call stored one."""
    if not call.took_effect:
        return None
    if call.name == "store.create":
        return None, call.args[0]
    if call.name == "store.commit":
        return call.args[0], call.args[1]
    return None


# --- safety --------------------------------------------------------------------------------------


def opt_in(world: World, invocation: Invocation, call: Call) -> None:
    """1. No mutating call names a node without a fresh, positive read of its opt-in tag."""
    command = _sent(world, call)
    if command is None or not command.mutates:
        return
    read = invocation.last("nodes.tags")
    key, value = OPT_IN
    if read is None or read.args[0] != call.args[0] or read.result.get(key) != value:
        raise Violation("1 opt-in", f"{command.document} sent without a positive read of the tag")


def one_at_a_time(world: World, invocation: Invocation, call: Call) -> None:
    """2. At most one live mutating command on a node."""
    command = _sent(world, call)
    if command is None or not command.mutates:
        return
    node: NodeRef = call.args[0]
    live = [c for c in world.fleet.live_on(node.node_id) if c.mutates and _own(c)]
    if len(live) > 1:
        documents = ", ".join(f"{c.document} ({_own(c)})" for c in live)
        raise Violation("2 one at a time", f"{node.node_id} has {documents}")


def late_owners(world: World, invocation: Invocation, call: Call) -> None:
    """2. A late owner can neither act nor overwrite: only awaited news moves an incident."""
    if call.name != "store.commit" or not call.took_effect:
        return
    before, finished = call.args[0], call.args[4]
    if finished is not None and finished != before.awaiting:
        what = f"{before.id} waits for {before.awaiting}, but {finished} moved it"
        raise Violation("2 late owner", what)


def bounded(world: World, invocation: Invocation, call: Call) -> None:
    """3. and 4. The same cause on the same node inside the window is escalated, not repeated."""
    command = _sent(world, call)
    if command is None or not _is_remedy(world, command):
        return
    limits = world.policy.limits
    since = world.clock.now() - timedelta(hours=limits.cooldown_hours)
    causes = Counter(
        (node_id, world.cause_of(other))
        for other in world.fleet.commands.values()
        if _is_remedy(world, other) and other.requested_at >= since
        for node_id in other.runs
    )
    for (node_id, cause), count in causes.items():
        if count > limits.attempts_per_node_and_cause_max:
            raise Violation("4 cool-down", f"{cause} on {node_id} was treated {count} times")


def confirmed_first(world: World, invocation: Invocation, call: Call) -> None:
    """Nothing is treated but a cause that a finding confirmed."""
    command = _sent(world, call)
    if command is None or not _is_remedy(world, command):
        return
    incident = world.store.load(effect_incident_id(_own(command) or ""))
    cause = world.cause_of(command)
    found = incident.findings if incident else ()
    if not any(f.verdict is Verdict.CONFIRMS and f.cause == cause for f in found):
        raise Violation("confirmed first", f"{command.document} sent, and no finding says {cause}")


def kill_switch(world: World, invocation: Invocation, call: Call) -> None:
    """5. The kill switch wins: read fresh as the last thing before each effect."""
    command = _sent(world, call)
    if command is None or not command.mutates:
        return
    switch_read_last(invocation, command.document)


def switch_read_last(invocation: Invocation, act: str) -> None:
    """Right before this call the switch was read, and said ``run``."""
    before = invocation.calls[-2] if len(invocation.calls) > 1 else None
    if before is None or before.name != "nodes.kill_switch" or before.result != "run":
        said = before.name if before else "nothing"
        raise Violation("5 kill switch", f"{said} was the last thing before {act}")


def intent_first(world: World, invocation: Invocation, call: Call) -> None:
    """9. Intent is stored, then the call is made; an intent is never simply re-sent."""
    command = _sent(world, call)
    if command is None:
        return
    effect_id = _own(command)
    record = world.store.effect(effect_id) if effect_id else None
    if record is None or record.effect.node != call.args[0]:
        raise Violation("9 intent first", f"{command.document} has no stored intent")
    same = [c.command_id for c in world.fleet.commands.values() if c.comment == command.comment]
    if len(same) > 1:
        raise Violation("9 intent first", f"{effect_id} became {len(same)} commands")


def named_nodes(world: World, invocation: Invocation, call: Call) -> None:
    """10. Every mutating call carries an explicit, non-empty list of nodes, at most 50."""
    command = _sent(world, call)
    if command is not None and not 1 <= len(command.runs) <= 50:
        raise Violation("10 never everything", f"{command.document} on {len(command.runs)} nodes")


def fixed_means_checked(world: World, invocation: Invocation, call: Call) -> None:
    """11. ``resolved`` only after a read of the symptom that is newer than the remedy."""
    stored = _stored(call)
    if stored is None:
        return
    before, after = stored
    if after.outcome is not Outcome.RESOLVED or (before and before.outcome is Outcome.RESOLVED):
        return
    seen = _observed_at(invocation)
    if seen is None:
        raise Violation("11 checked", f"{after.id} resolved without a healthy read")
    for what, at in _not_older_than(world, after):
        if at is None or seen <= at:
            raise Violation("11 checked", f"{after.id} resolved by a look of {seen}; {what} {at}")


def _observed_at(invocation: Invocation) -> datetime | None:
    """The moment of the healthy state that this invocation looked at last."""
    look = invocation.last("nodes.patch_state", "nodes.compliance", "nodes.info")
    match look.result if look else None:
        case Observation(healthy=True, observed_at=at):
            return at
        case NodeInfo(ping="Online", last_ping=at):
            return at
    return None


def _not_older_than(world: World, incident: Incident) -> Iterator[tuple[str, datetime | None]]:
    """Each remedy of the incident and each failure that is part of it, with its end."""
    for command in world.fleet.commands.values():
        run = command.runs.get(incident.node.node_id)
        if run is None:
            continue
        own = _own(command)
        if own and effect_incident_id(own) == incident.id and _is_remedy(world, command):
            yield f"the remedy {command.document} ended", run.ended_at
        if f"command:{command.command_id}" in incident.run_keys and not run.live:
            # A run that never reached its node says nothing of the node's state at its expiry: a
            # success since it was asked for is a success.
            ended = run.ended_at if run.started_at else command.requested_at
            yield f"the failure {command.command_id} ended", ended
    for act in world.acted:
        if act.effect_id and effect_incident_id(act.effect_id) == incident.id:
            yield f"the call {act.plan.action} was made", act.at


def own_commands(world: World, invocation: Invocation, call: Call) -> None:
    """12. Our own commands never open an incident."""
    stored = _stored(call)
    if stored is None:
        return
    for key in stored[1].run_keys:
        command = world.fleet.commands.get(key.removeprefix("command:"))
        if command is not None and _own(command):
            raise Violation("12 own commands", f"{stored[1].id} holds our own {command.document}")


def deadlines(world: World, invocation: Invocation, call: Call) -> None:
    """17. No state without a deadline."""
    stored = _stored(call)
    if stored is None:
        return
    after = stored[1]
    if (after.deadline is None) is not (after.state is State.CLOSED):
        raise Violation("17 deadlines", f"{after.id} is {after.state} with {after.deadline}")


AFTER_EACH_CALL: tuple[Callable[[World, Invocation, Call], None], ...] = (
    opt_in,
    intent_first,
    one_at_a_time,
    late_owners,
    bounded,
    confirmed_first,
    kill_switch,
    named_nodes,
    fixed_means_checked,
    own_commands,
    deadlines,
)


# --- liveness ------------------------------------------------------------------------------------


def no_failure_lost(world: World) -> None:
    """14. Whatever a sweep can see ends as an incident with an outcome in bounded time."""
    for node, command in world.failures():
        key = f"command:{command.command_id}"
        incident_id = world.store.incident_of_run(node, IncidentKind.PATCHING, key)
        incident = world.store.load(incident_id) if incident_id else None
        if incident is None:
            raise Violation("14 no failure lost", f"{key} on {node.node_id} has no incident")
        if incident.outcome is None:
            raise Violation("14 no failure lost", f"{incident.id} is still {incident.state}")


def nothing_stuck(world: World) -> None:
    """17. Every unfinished record has a deadline, and the sweep moves it on."""
    late = world.clock.now() - timedelta(minutes=10)
    for incident in world.store.all():
        if incident.deadline is not None and incident.deadline < late:
            raise Violation("17 deadlines", f"{incident.id} missed {incident.deadline}")
    for record in world.store.due_effects(late, 1000):
        raise Violation("17 deadlines", f"{record.effect.effect_id} is {record.status}, overdue")


def paged_once(world: World) -> None:
    """15. One trigger for each incident that needs a person; one resolve with the same key."""
    for incident in world.store.all():
        triggers = [
            e.effect_id
            for e in world.effects_of(incident.id)
            if e.kind is EffectKind.NOTIFY and e.payload.get("page") == "trigger"
        ]
        shown = world.notifier.pager(incident.id)
        over = incident.state is State.CLOSED and incident.outcome in (
            Outcome.RESOLVED,
            Outcome.SUPPRESSED,
        )
        if over and shown == "trigger":
            raise Violation(
                "15 paged once", f"{incident.id} is {incident.outcome}, but still pages"
            )
        if incident.paged and shown != "trigger":
            raise Violation("15 paged once", f"{incident.id} needs a person, the pager has {shown}")
        if len(triggers) > 1 + _reopened(world, incident.id):
            raise Violation("15 paged once", f"{incident.id} was paged as {', '.join(triggers)}")


def _reopened(world: World, incident_id: str) -> int:
    """How often the page was resolved, so that another one would be right."""
    return sum(1 for e in world.effects_of(incident_id) if e.payload.get("page") == "resolve")


AT_THE_END: tuple[Callable[[World], None], ...] = (no_failure_lost, nothing_stuck, paged_once)
