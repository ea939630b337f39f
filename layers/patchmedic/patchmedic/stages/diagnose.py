"""diagnose: look at the node and its AWS set-up.  Sends read-only documents only.

The AWS side is looked at first and stored; then, if the node answers, one command runs the node's
checks, and ``collect`` reads their result.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from patchmedic.checks import node as node_checks
from patchmedic.errors import AwsDenied, AwsError, AwsRejected, AwsThrottled
from patchmedic.incident import EffectFailed, EffectRefused, FindingsRead
from patchmedic.model import EffectKind, Mode, Platform
from patchmedic.policy import MODE_TAG, Refused, kill_switch_guard, narrow_mode
from patchmedic.ports import Attachment, AwsChecks, NodeInfo
from patchmedic.stages.common import (
    Context,
    Taken,
    adopt,
    advance,
    comment_of,
    defer,
    kill_switch,
    settle,
    still_ours,
    take,
)

BY = "diagnose"
CHECK_DOCUMENTS: dict[Platform, str] = {
    "linux": "Check-Linux",
    "windows": "Check-Windows",
    "macos": "Check-MacOS",
}
_NAME = re.compile(r"[a-z0-9-]{2,40}")


def carry_out(ctx: Context, aws_checks: AwsChecks, effect_id: str) -> str:
    """Carry out one diagnose effect; returns what was done, for the log."""
    taken = take(ctx, effect_id, (EffectKind.DIAGNOSE,))
    if taken is None:
        return "nothing to do"
    if adopt(ctx, taken):
        return "the checks were already sent: adopted"
    tags = _tags(ctx, taken)
    refused = _refused(ctx, tags)
    if refused:
        fact = EffectRefused(effect_id, refused.rule, refused.reason)
        return settle(ctx, taken, fact, BY)
    names = [str(n) for n in taken.effect.payload["checks"]]
    look = aws_checks.run(taken.effect.node, names, taken.incident, ctx.clock.now())
    _keep(ctx, taken, look.attachments)
    findings = look.findings
    info = _node_info(ctx, taken)
    wanted = _node_check_names(names, info)
    if info is None or info.ping != "Online" or info.platform is None or not wanted:
        return settle(ctx, taken, FindingsRead(effect_id, findings, True, _name(tags)), BY)
    advance(ctx, taken.incident.id, FindingsRead(effect_id, findings, False, _name(tags)), BY)
    return _send(ctx, taken, info.platform, wanted)


def _keep(ctx: Context, taken: Taken, attachments: tuple[Attachment, ...]) -> None:
    """Store the files before the findings that speak of them.

    Their names carry the effect's number: the same look, done again, writes the same files, and a
    later look leaves the earlier one's alone.
    """
    number = taken.effect.effect_id.rpartition("-")[2]
    for attachment in attachments:
        named = replace(attachment, name=f"{number}-{attachment.name}")
        ctx.store.attach(taken.incident.id, named)


def _tags(ctx: Context, taken: Taken) -> Mapping[str, str] | None:
    """The node's tags, read now; ``None`` when they cannot be read.  A window has none."""
    if taken.effect.node.node_id.startswith("mw-"):
        return {}
    try:
        return ctx.nodes.tags(taken.effect.node)
    except AwsError:
        return None


def _name(tags: Mapping[str, str] | None) -> str | None:
    return (tags or {}).get("Name") or None


def _refused(ctx: Context, tags: Mapping[str, str] | None) -> Refused | None:
    """The kill switch and the node's mode tag stop even a read-only look."""
    if tags is None:
        return Refused("mode-tag-unreadable", "the node's tags could not be read")
    if narrow_mode(ctx.policy.mode, tags.get(MODE_TAG)) is Mode.OBSERVE:
        return Refused("mode-tag", "the node's PatchMedicMode tag narrows it to observe")
    verdict = kill_switch_guard(kill_switch(ctx))
    return verdict if isinstance(verdict, Refused) else None


def _node_info(ctx: Context, taken: Taken) -> NodeInfo | None:
    if taken.effect.node.node_id.startswith("mw-"):
        return None
    return ctx.nodes.info(taken.effect.node)


def _node_check_names(names: list[str], info: NodeInfo | None) -> list[str]:
    if info is None or info.platform is None:
        return []
    return [
        n
        for n in names
        if n in node_checks.CHECKS and info.platform in node_checks.CHECKS[n].platforms
    ]


def _send(ctx: Context, taken: Taken, platform: Platform, wanted: list[str]) -> str:
    assert all(_NAME.fullmatch(n) for n in wanted), "check names come from our own registry"
    if not still_ours(ctx, taken.claimed):
        return "the claim ran out; another run takes over"
    effect = taken.effect
    try:
        command_id = ctx.commands.send(
            effect.node,
            ctx.own_document(CHECK_DOCUMENTS[platform]),
            {"Checks": [",".join(wanted)], "Region": [effect.node.region]},
            comment_of(effect),
            ctx.policy.limits.delivery_timeout_seconds,
        )
    except AwsThrottled:
        return defer(ctx, taken, "Systems Manager throttles")
    except (AwsDenied, AwsRejected) as error:
        return settle(ctx, taken, EffectFailed(effect.effect_id, f"checks not sent: {error}"), BY)
    ctx.store.record_command(effect, taken.claimed.owner, command_id)
    return f"sent {len(wanted)} checks as command {command_id}"
