"""What must hold for remedies that are calls to AWS: the same invariants as for commands.

``checkers`` judges commands by the fleet's list of them.  A call to AWS leaves no such list, so
here the world's own record of the calls that took effect stands in for it (``World.acted``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tests.simulation.checkers import Violation, switch_read_last
from tests.simulation.plan import OPT_IN
from tests.simulation.seams import Call, Invocation

from patchmedic.model import EffectKind, Verdict
from patchmedic.policy import REBOOT
from patchmedic.ports import ActionEnd, ActionPlan
from patchmedic.stages.common import effect_id_of

if TYPE_CHECKING:
    from tests.simulation.world import World


@dataclass(frozen=True, slots=True)
class Act:
    """One call to AWS that took effect, whatever its caller was told."""

    at: datetime
    plan: ActionPlan
    effect_id: str | None
    """The effect that the calling invocation had claimed."""


def act_of(invocation: Invocation, call: Call) -> Act | None:
    """The change that this call made, if it made one."""
    if call.name != "actions.perform" or not call.took_effect:
        return None
    if not isinstance(call.result, ActionEnd) or call.result.state != "done":
        return None
    claims = [c for c in invocation.calls if c.name == "store.claim" and c.took_effect]
    effect_id = str(claims[-1].args[0]) if claims else None
    return Act(call.at, call.args[0], effect_id)


def _cause(world: World, act: Act) -> str:
    record = world.store.effect(act.effect_id or "")
    return str(record.effect.payload["cause"]) if record else "?"


def opt_in(world: World, invocation: Invocation, call: Call) -> None:
    """1. No call changes anything of a node without a fresh, positive read of its tag."""
    act = act_of(invocation, call)
    if act is None:
        return
    read, (key, value) = invocation.last("nodes.tags"), OPT_IN
    if read is None or read.args[0] != act.plan.node or read.result.get(key) != value:
        raise Violation("1 opt-in", f"{act.plan.action} without a positive read of the tag")


def one_at_a_time(world: World, invocation: Invocation, call: Call) -> None:
    """2. Nothing of ours is under way on the node when AWS is asked to change it."""
    act = act_of(invocation, call)
    if act is None:
        return
    node_id = act.plan.node.node_id
    live = [
        c.document
        for c in world.fleet.live_on(node_id)
        if c.mutates and effect_id_of(c.comment) is not None
    ]
    if live:
        raise Violation("2 one at a time", f"{act.plan.action} on {node_id} beside {live}")


def bounded(world: World, invocation: Invocation, call: Call) -> None:
    """3. and 4. The same cause on the same node inside the window is escalated, not repeated."""
    act = act_of(invocation, call)
    if act is None:
        return
    limits = world.policy.limits
    since = world.clock.now() - timedelta(hours=limits.cooldown_hours)
    counted = Counter(
        (other.plan.node.node_id, _cause(world, other))
        for other in world.acted
        if other.at >= since
    )
    for (node_id, cause), count in counted.items():
        if count > limits.attempts_per_node_and_cause_max:
            what = f"{act.plan.action}: {cause} on {node_id} was treated {count} times"
            raise Violation("4 cool-down", what)


def confirmed_first(world: World, invocation: Invocation, call: Call) -> None:
    """Nothing is treated but a cause that a finding confirmed."""
    act = act_of(invocation, call)
    if act is None:
        return
    record = world.store.effect(act.effect_id or "")
    incident = world.store.load(record.effect.incident_id) if record else None
    found, cause = incident.findings if incident else (), _cause(world, act)
    if not any(f.verdict is Verdict.CONFIRMS and f.cause == cause for f in found):
        raise Violation("confirmed first", f"{act.plan.action}, and no finding says {cause}")


def kill_switch(world: World, invocation: Invocation, call: Call) -> None:
    """5. The kill switch wins: read fresh as the last thing before the call."""
    act = act_of(invocation, call)
    if act is None:
        return
    switch_read_last(invocation, act.plan.action)


def intent_first(world: World, invocation: Invocation, call: Call) -> None:
    """9. Intent is stored, then the call is made; a reboot is never asked for twice."""
    act = act_of(invocation, call)
    if act is None:
        return
    record = world.store.effect(act.effect_id or "")
    right_kind = record is not None and record.effect.kind is EffectKind.REMEDY
    if record is None or not right_kind or record.effect.node != act.plan.node:
        raise Violation("9 intent first", f"{act.plan.action} has no stored intent")
    since, cause = record.effect.not_before, _cause(world, act)
    others = world.store.attempts_since(act.plan.node, cause, since, record.effect.effect_id)
    if world.store.attempts_since(act.plan.node, cause, since, "") <= others:
        raise Violation("9 intent first", f"{act.plan.action} was not counted before")
    same = [a for a in world.acted if a.effect_id == act.effect_id]
    if act.plan.action == REBOOT and len(same) > 1:
        raise Violation("9 intent first", f"{act.effect_id} made {len(same)} calls of {REBOOT}")


def approved_first(world: World, invocation: Invocation, call: Call) -> None:
    """Nothing reboots an instance that no person approved."""
    act = act_of(invocation, call)
    if act is None or act.plan.action != REBOOT:
        return
    record = world.store.effect(act.effect_id or "")
    if record is None or not record.effect.payload.get("approved_by"):
        raise Violation("approved first", f"{REBOOT} of {act.plan.node.node_id}")


AFTER_EACH_CALL: tuple[Callable[[World, Invocation, Call], None], ...] = (
    opt_in,
    one_at_a_time,
    bounded,
    confirmed_first,
    kill_switch,
    intent_first,
    approved_first,
)
