"""remediate: the only stage that may change a node.  Fails closed at every step.

The order is the safety of the product::

    take the effect (claim)  ─ adopt a command that already went out
    read the guards afresh   ─ opt-in tag, mode tag, earlier attempts; unreadable means no
    does the node answer?    ─ a command for a silent or stopped node would only wait
    node free?               ─ no other patch run or command of ours under way
    take the node's lock     ─ one mutating command at a time, with this effect as the owner
    count the attempt        ─ before the call, so that a crash cannot hide it
    kill switch              ─ read last of all
    lease still ours?        ─ a late owner must not act
    SendCommand, record the command id
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from patchmedic.errors import AwsDenied, AwsError, AwsRejected, AwsThrottled
from patchmedic.incident import EffectFailed, EffectRefused, Incident, Verified
from patchmedic.model import EffectKind, Mode
from patchmedic.policy import GuardFacts, Refused, guard, kill_switch_guard
from patchmedic.signals import PATCH_DOCUMENTS
from patchmedic.stages.classify import look_at_ping
from patchmedic.stages.common import (
    Context,
    Taken,
    adopt,
    comment_of,
    defer,
    kill_switch,
    settle,
    still_ours,
    take,
)

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
    verdict = _guard(ctx, taken)
    if verdict is not None:
        return _refuse(ctx, taken, verdict)
    if not _answers(ctx, taken):
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
    return _send(ctx, taken)


def _refuse(ctx: Context, taken: Taken, why: Refused) -> str:
    """Nothing is sent.  An earlier owner may have taken the lock before it died: give it back."""
    effect = taken.effect
    ctx.store.release_lock(effect.node, effect.effect_id)
    return settle(ctx, taken, EffectRefused(effect.effect_id, why.rule, why.reason), BY)


def _guard(ctx: Context, taken: Taken) -> Refused | None:
    effect = taken.effect
    if ctx.policy.mode is not Mode.AUTO:
        return Refused("mode", f"the stack's mode is now {ctx.policy.mode.value}: nothing is run")
    remedy = effect.payload.get("remedy")
    if effect.kind is EffectKind.REMEDY and remedy not in ctx.policy.remedies:
        return Refused("no-remedy", f"this version of PatchMedic has no remedy {remedy}")
    tags: Mapping[str, str] | None
    try:
        tags = ctx.nodes.tags(effect.node)
    except AwsError:
        tags = None
    since = ctx.clock.now() - timedelta(hours=ctx.policy.limits.cooldown_hours)
    # A verification belongs to the attempt that it verifies and is not one of its own.
    attempts = (
        ctx.store.attempts_since(effect.node, str(effect.payload["cause"]), since, effect.effect_id)
        if _counts_as_attempt(taken)
        else 0
    )
    facts = GuardFacts(tags, kill_switch(ctx), attempts)
    verdict = guard(facts, ctx.policy.limits, ctx.opt_in_key, ctx.opt_in_value)
    return verdict if isinstance(verdict, Refused) else None


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
    now = ctx.clock.now()
    if _counts_as_attempt(taken):
        keep = now + timedelta(hours=2 * ctx.policy.limits.cooldown_hours)
        ctx.store.record_attempt(
            effect.node, str(effect.payload["cause"]), effect.effect_id, now, keep
        )
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
        ctx.store.release_lock(effect.node, effect.effect_id)
        return defer(ctx, taken, "Systems Manager throttles")
    except (AwsDenied, AwsRejected) as error:
        ctx.store.release_lock(effect.node, effect.effect_id)
        return settle(ctx, taken, EffectFailed(effect.effect_id, f"not sent: {error}"), BY)
    ctx.store.record_command(effect, taken.claimed.owner, command_id)
    return f"sent {document} as command {command_id}"


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
    """A ping is verified by looking, not by a command."""
    seen = look_at_ping(ctx, taken.incident.signal)
    detail = seen.detail if seen else "Systems Manager does not list the node"
    fact = Verified(taken.effect.effect_id, command_ok=True, observation=seen, detail=detail)
    return settle(ctx, taken, fact, BY)
