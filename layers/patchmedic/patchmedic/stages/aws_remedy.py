"""The remedies that are calls to AWS: the last steps of ``remediate`` for them.

Here: look, count, read the kill switch, call, and settle at once, for there is no command whose end
would come back.  Not here: the guards and the node's lock, which come before (``remediate``), and
the calls themselves (``aws_actions``).

A call whose answer was lost is made again only where a look tells whether it took effect.  A reboot
leaves nothing that would tell it from another one: what may have been asked for once is never asked
for again, and a person is told.
"""

from __future__ import annotations

from collections.abc import Callable

from patchmedic.errors import AwsDenied, AwsRejected, AwsThrottled, AwsUnavailable
from patchmedic.incident import EffectFailed, EffectRefused, Fact, RemedyEnded
from patchmedic.model import Remedy
from patchmedic.policy import Refused, kill_switch_guard
from patchmedic.ports import ActionEnd, ActionPlan, CommandInfo
from patchmedic.stages.common import (
    Context,
    Taken,
    defer,
    give_back,
    kill_switch,
    settle,
    still_ours,
)

BY = "remediate"
_LOST = "whether AWS did it cannot be known, and it is not asked for twice"


def give_up_lost(ctx: Context, taken: Taken, remedy: Remedy) -> str | None:
    """End an effect whose earlier owner may have asked for a reboot; before any guard is read.

    ``None`` when there was no such owner, or the call may be made again.
    """
    if not remedy.may_reboot or not _began(ctx, taken):
        return None
    return _settle(ctx, taken, EffectFailed(taken.effect.effect_id, _LOST))


def call_aws(ctx: Context, taken: Taken, remedy: Remedy, count: Callable[[], None]) -> str:
    """Carry out a remedy on a node whose guards agreed and whose lock is ours.

    ``count`` writes down the attempt; after that, and before the call, only the kill switch and the
    lease are read.
    """
    effect = taken.effect
    assert remedy.action is not None, "asked for a remedy that is a call to AWS"
    try:
        plan = ctx.actions.plan(remedy.action, effect.node, _failed_run(ctx, taken))
    except AwsThrottled:
        return _later(ctx, taken, "AWS throttles")
    except (AwsDenied, AwsRejected) as error:
        end = ActionEnd("refused", f"what is there could not be read: {error}")
        return _settle(ctx, taken, _ended(effect.effect_id, end))
    if isinstance(plan, ActionEnd):
        return _settle(ctx, taken, _ended(effect.effect_id, plan))
    count()
    switch = kill_switch_guard(kill_switch(ctx))
    if isinstance(switch, Refused):
        return _settle(ctx, taken, EffectRefused(effect.effect_id, switch.rule, switch.reason))
    if not still_ours(ctx, taken.claimed):
        return "the claim ran out; another run takes over"
    return _call(ctx, taken, plan, repeatable=not remedy.may_reboot)


def _call(ctx: Context, taken: Taken, plan: ActionPlan, *, repeatable: bool) -> str:
    effect_id = taken.effect.effect_id
    try:
        end = ctx.actions.perform(plan)
    except AwsThrottled:
        if repeatable:
            return _later(ctx, taken, "AWS throttles")
        end = ActionEnd("failed", "AWS throttles; it was not done")
    except AwsUnavailable as error:
        if repeatable:
            raise
        return _settle(ctx, taken, EffectFailed(effect_id, f"{_LOST}: {error}"))
    return _settle(ctx, taken, _ended(effect_id, end))


def _began(ctx: Context, taken: Taken) -> bool:
    """Whether an earlier owner of this effect counted the attempt and so may have called."""
    effect = taken.effect
    since = taken.incident.opened_at
    cause = str(effect.payload["cause"])
    others = ctx.store.attempts_since(effect.node, cause, since, effect.effect_id)
    return ctx.store.attempts_since(effect.node, cause, since, "") > others


def _failed_run(ctx: Context, taken: Taken) -> CommandInfo | None:
    """The failed run as Systems Manager has it now; ``None`` for a failure that was no command."""
    command_id = taken.incident.evidence.command_id
    if command_id is None:
        return None
    return ctx.commands.describe(taken.effect.node.region, command_id)


def _ended(effect_id: str, end: ActionEnd) -> RemedyEnded:
    return RemedyEnded(effect_id, end.state, end.detail)


def _later(ctx: Context, taken: Taken, why: str) -> str:
    give_back(ctx, taken.effect)
    return defer(ctx, taken, why)


def _settle(ctx: Context, taken: Taken, fact: Fact) -> str:
    """The node first: what could be done to the node is done, or was never begun."""
    give_back(ctx, taken.effect)
    return settle(ctx, taken, fact, BY)
