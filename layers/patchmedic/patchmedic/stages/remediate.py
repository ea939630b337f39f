"""remediate: the only stage that may change a node.  Fails closed at every step.

The order is the safety of the product::

    take the effect (claim)  ─ adopt a command that already went out
    read the guards afresh   ─ every rule of ``policy``; unreadable means no; "not yet" waits
    does the node answer?    ─ a command for a silent or stopped node would only wait
    node free?               ─ no other patch run or command of ours under way
    take the node's lock     ─ one mutating command at a time, with this effect as the owner
    take the permits         ─ hour, live, reboots, trial: the rules' limits, as conditional writes
    count the attempt        ─ before the call, so that a crash cannot hide it
    kill switch              ─ read last of all
    lease still ours?        ─ a late owner must not act
    SendCommand, record the command id; or, for a remedy that is a call to AWS, ``aws_remedy``
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from patchmedic.errors import AwsDenied, AwsRejected, AwsThrottled
from patchmedic.incident import (
    EffectFailed,
    EffectGoesOn,
    EffectRefused,
    EffectWaits,
    Incident,
    Verified,
)
from patchmedic.model import EffectKind, Remedy
from patchmedic.policy import (
    Ask,
    Facts,
    Refused,
    kill_switch_guard,
    look_again_seconds,
    may,
    wait_until,
)
from patchmedic.signals import PATCH_DOCUMENTS
from patchmedic.stages.aws_remedy import call_aws, give_up_lost
from patchmedic.stages.classify import look_at_ping
from patchmedic.stages.common import (
    Context,
    Taken,
    adopt,
    advance,
    comment_of,
    defer,
    give_back,
    kill_switch,
    settle,
    still_ours,
    take,
)
from patchmedic.stages.facts import read_facts, take_permits

BY = "remediate"
AGENT_UPDATE = "AWS-UpdateSSMAgent"
_OVERRIDE = re.compile(r"(?:s3|https)://[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]{1,900}")
_ASSOCIATION = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def carry_out(ctx: Context, effect_id: str) -> str:
    """Carry out one remedy or verify effect; returns what was done, for the log."""
    taken = take(ctx, effect_id, (EffectKind.REMEDY, EffectKind.VERIFY))
    if taken is None:
        return "nothing to do"
    if adopt(ctx, taken):
        return "the command was already sent: adopted"
    if taken.effect.payload.get("operation") == "Ping":
        return _verify_ping(ctx, taken)
    called = _called(ctx, taken)
    lost = give_up_lost(ctx, taken, called) if called is not None else None
    if lost is not None:
        return lost
    ask = _ask(ctx, taken)
    facts = _facts(ctx, taken, ask)
    verdict = _guard(ctx, taken, ask, facts)
    if verdict is not None:
        return _stop(ctx, taken, verdict)
    if called is None and not _answers(ctx, taken):
        if taken.effect.kind is EffectKind.VERIFY:
            return defer(ctx, taken, "the node does not answer (yet)")
        reason = "the node does not answer, so a command would only wait for it"
        return _refuse(ctx, taken, Refused("node-unreachable", reason))
    busy = _busy(ctx, taken)
    if busy:
        return defer(ctx, taken, busy)
    now = ctx.clock.now()
    if not ctx.store.take_lock(taken.effect.node, effect_id, now, _lock_until(ctx, taken, now)):
        return defer(ctx, taken, "another command has the node")
    if ask.starts:
        until = _lock_until(ctx, taken, now)
        missing = take_permits(ctx.store, ctx.policy, ask, facts, taken.effect.node, until)
        if missing is not None:
            return _stop(ctx, taken, missing)
    if _comes_late(ctx, taken, now) and not _goes_on(ctx, taken):
        give_back(ctx, taken.effect)
        return "it may begin, but nobody needs it any more"
    if called is not None:
        return call_aws(ctx, taken, called, lambda: _count(ctx, taken))
    return _send(ctx, taken)


def _refuse(ctx: Context, taken: Taken, why: Refused) -> str:
    """Nothing is sent.  An earlier owner may have taken the lock before it died: give it back."""
    effect = taken.effect
    give_back(ctx, effect)
    return settle(ctx, taken, EffectRefused(effect.effect_id, why.rule, why.reason), BY)


def _stop(ctx: Context, taken: Taken, why: Refused) -> str:
    """A rule said no: wait where waiting may help and there is time left for it."""
    if not why.retry:
        return _refuse(ctx, taken, why)
    effect, waiting = taken.effect, taken.incident.waiting
    until = wait_until(why, effect.not_before, ctx.policy.limits)
    if waiting is not None:
        until = max(until, waiting.until)
    if ctx.clock.now() >= until:
        waited = replace(why, reason=f"{why.reason}; it waited until {until:%Y-%m-%d %H:%M} UTC")
        return _refuse(ctx, taken, waited)
    give_back(ctx, effect)
    if waiting is None or waiting.rule != why.rule:
        advance(
            ctx, taken.incident.id, EffectWaits(effect.effect_id, why.rule, why.reason, until), BY
        )
    seconds = look_again_seconds(why, ctx.policy.limits)
    return defer(ctx, taken, f"{why.rule}: {why.reason}", seconds)


def _comes_late(ctx: Context, taken: Taken, now: datetime) -> bool:
    """Whether the command could still run at the incident's deadline: it waited, or its node was
    not free for long."""
    incident, limits = taken.incident, ctx.policy.limits
    seconds = limits.delivery_timeout_seconds + _timeout_seconds(ctx, taken)
    over = now + timedelta(seconds=seconds)
    return incident.waiting is not None or incident.deadline is None or incident.deadline < over


def _goes_on(ctx: Context, taken: Taken) -> bool:
    """Whether the incident still wants what it waited for: it may have recovered meanwhile."""
    fact = EffectGoesOn(taken.effect.effect_id)
    after = advance(ctx, taken.incident.id, fact, BY).incident
    return after.awaiting == taken.effect.effect_id


def _ask(ctx: Context, taken: Taken) -> Ask:
    effect, actions = taken.effect, taken.incident.actions
    return Ask(
        remedy=ctx.policy.remedies.get(str(effect.payload.get("remedy"))),
        starts=_counts_as_attempt(taken),
        approved_by=actions[-1].approved_by if actions else None,
        effect_id=effect.effect_id,
        now=ctx.clock.now(),
        opt_in=(ctx.opt_in_key, ctx.opt_in_value),
    )


def _facts(ctx: Context, taken: Taken, ask: Ask) -> Facts:
    cause = str(taken.effect.payload["cause"])
    return read_facts(ctx.store, ctx.nodes, ctx.policy, ask, taken.effect.node, (cause,))


def _guard(ctx: Context, taken: Taken, ask: Ask, facts: Facts) -> Refused | None:
    remedy = taken.effect.payload.get("remedy")
    if taken.effect.kind is EffectKind.REMEDY and not ctx.policy.offers(remedy):
        return Refused("no-remedy", f"this version of PatchMedic has no remedy {remedy}")
    verdict = may(ask, facts, ctx.policy)
    return verdict if isinstance(verdict, Refused) else None


def _called(ctx: Context, taken: Taken) -> Remedy | None:
    """The remedy if it is a call to AWS, for which the node need not answer."""
    remedy = ctx.policy.remedies.get(str(taken.effect.payload.get("remedy")))
    is_remedy = taken.effect.kind is EffectKind.REMEDY
    return remedy if is_remedy and remedy is not None and remedy.action else None


def _follows_call(ctx: Context, taken: Taken) -> bool:
    """Whether a verification is one of a remedy that was a call to AWS."""
    remedy = ctx.policy.remedies.get(str(taken.effect.payload.get("remedy")))
    return remedy is not None and remedy.action is not None


def _answers(ctx: Context, taken: Taken) -> bool:
    """SSM accepts a command for a stopped or silent node and lets it wait: look first."""
    info = ctx.nodes.info(taken.effect.node)
    return info is not None and info.ping == "Online"


def _counts_as_attempt(taken: Taken) -> bool:
    """A remedy is an attempt; so is a verification that is itself the second try."""
    if taken.effect.kind is EffectKind.REMEDY:
        return True
    last = taken.incident.actions[-1] if taken.incident.actions else None
    return last is not None and last.effect_id == ""


def _busy(ctx: Context, taken: Taken) -> str | None:
    """Two patch runs within two minutes corrupt each other, whoever started them."""
    own = comment_of(taken.effect)
    for command in ctx.commands.running_on(taken.effect.node):
        document = command.document.rsplit("/", 1)[-1]
        if command.comment != own and (
            document in PATCH_DOCUMENTS
            or document == AGENT_UPDATE
            or document.startswith(f"{ctx.prefix}-Remedy-")
        ):
            return f"command {command.command_id} ({document}) is under way on the node"
    return None


def _timeout_seconds(ctx: Context, taken: Taken) -> int:
    if taken.effect.kind is EffectKind.VERIFY:
        return ctx.policy.limits.verify_timeout_seconds
    return ctx.policy.remedies[str(taken.effect.payload["remedy"])].timeout_seconds


def _lock_until(ctx: Context, taken: Taken, now: datetime) -> datetime:
    """The lock outlives the command: by then SSM itself has ended it, one way or the other."""
    limits = ctx.policy.limits
    seconds = limits.delivery_timeout_seconds + _timeout_seconds(ctx, taken)
    return now + timedelta(seconds=seconds, minutes=limits.command_margin_minutes)


def _send(ctx: Context, taken: Taken) -> str:
    effect = taken.effect
    document, parameters = command_for(ctx, taken)
    if _counts_as_attempt(taken):
        _count(ctx, taken)
    switch = kill_switch_guard(kill_switch(ctx))
    if isinstance(switch, Refused):
        return _refuse(ctx, taken, switch)
    if not still_ours(ctx, taken.claimed):
        return "the claim ran out; another run takes over"
    try:
        command_id = ctx.commands.send(
            effect.node,
            document,
            parameters,
            comment_of(effect),
            ctx.policy.limits.delivery_timeout_seconds,
        )
    except AwsThrottled:
        give_back(ctx, effect)
        return defer(ctx, taken, "Systems Manager throttles")
    except (AwsDenied, AwsRejected) as error:
        give_back(ctx, effect)
        return settle(ctx, taken, EffectFailed(effect.effect_id, f"not sent: {error}"), BY)
    ctx.store.record_command(effect, taken.claimed.owner, command_id)
    return f"sent {document} as command {command_id}"


def _count(ctx: Context, taken: Taken) -> None:
    """Write down the attempt, before the call, so that a crash cannot hide it."""
    effect, now = taken.effect, ctx.clock.now()
    keep = now + timedelta(hours=2 * ctx.policy.limits.cooldown_hours)
    ctx.store.record_attempt(effect.node, str(effect.payload["cause"]), effect.effect_id, now, keep)


def command_for(ctx: Context, taken: Taken) -> tuple[str, Mapping[str, Sequence[str]]]:
    """The document and parameters of an effect: fixed ones, or the original patch run's own.

    Nothing here comes from a node's output or an event; what is taken over from the original
    command's parameters is checked by pattern.
    """
    effect = taken.effect
    if effect.kind is EffectKind.REMEDY:
        remedy = ctx.policy.remedies[str(effect.payload["remedy"])]
        platform = taken.incident.platform
        assert platform is not None, "a remedy with a document was chosen for a platform"
        document = remedy.documents[platform]
        name = document if document.startswith("AWS-") else ctx.own_document(document)
        return name, {k: [v] for k, v in remedy.parameters.items()}
    return _verify_command(taken.incident, str(effect.payload["operation"]))


def _verify_command(incident: Incident, operation: str) -> tuple[str, Mapping[str, Sequence[str]]]:
    """The patch run that proves the fix: never one that may reboot, never the hooks again."""
    parameters: dict[str, list[str]] = {
        "Operation": ["Install" if operation == "InstallNoReboot" else "Scan"],
        "RebootOption": ["NoReboot"],
    }
    original = incident.evidence.parameters
    association = original.get("AssociationId", ("",))[0]
    if incident.evidence.document == "AWS-RunPatchBaselineAssociation" and _ASSOCIATION.fullmatch(
        association
    ):
        return "AWS-RunPatchBaselineAssociation", {**parameters, "AssociationId": [association]}
    override = original.get("BaselineOverride", ("",))[0]
    if _OVERRIDE.fullmatch(override):
        parameters["BaselineOverride"] = [override]
    return "AWS-RunPatchBaseline", parameters


def _verify_ping(ctx: Context, taken: Taken) -> str:
    """A ping is verified by looking, not by a command.

    After a call to AWS the agent comes back when it next tries, and an agent without credentials
    tries less and less often, up to an hour apart: the look is repeated that long.
    """
    seen = look_at_ping(ctx, taken.incident.signal)
    since = datetime.fromisoformat(str(taken.effect.payload["since"]))
    back = seen is not None and seen.healthy and seen.observed_at > since
    patience = timedelta(minutes=ctx.policy.limits.ping_wait_minutes)
    if not back and _follows_call(ctx, taken) and ctx.clock.now() < since + patience:
        return defer(ctx, taken, "the node has not pinged yet")
    detail = seen.detail if seen else "Systems Manager does not list the node"
    fact = Verified(taken.effect.effect_id, command_ok=True, observation=seen, detail=detail)
    return settle(ctx, taken, fact, BY)
