"""sweep: what must happen even if nobody says so.

Every minute: hint again at effects that stay pending, turn missed deadlines into facts (after a
look for the awaited result, because SSM's events are best effort), close ping incidents whose
node is back, and, less often, look for failed or stuck patch commands whose event never came.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from patchmedic.errors import AwsError, CommitConflict
from patchmedic.incident import DeadlinePassed, Incident
from patchmedic.model import IncidentKind, NodeRef
from patchmedic.ports import EffectRecord, Invocation
from patchmedic.signals import (
    COMMAND_STUCK_TYPE,
    FAILURE_FOUND_TYPE,
    OWN_SOURCE,
    PATCH_DOCUMENTS,
    PING_RESTORED_TYPE,
)
from patchmedic.stages.collect import collect
from patchmedic.stages.common import (
    LEASE_SECONDS,
    Context,
    Taken,
    adopt,
    advance,
    effect_id_of,
    give_back,
    hint,
)

BY = "sweep"
ITEMS_MAX = 500
"""Of one kind in one sweep; the next one, a minute later, takes the rest."""
LOOK_BACK_HOURS = 6
STUCK_AFTER_HOURS = 4
"""Longer than a patch command's delivery and execution time-outs together by default."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What one sweep did, for the log and the metrics."""

    hinted: int
    overdue: int
    restored: int
    found: int
    failed: int
    stopped: tuple[str, ...]
    """The remedies whose breaker is open; an alarm pages once as long as there is one."""


def sweep(ctx: Context, account: str, region: str, *, look_for_lost_events: bool) -> Swept:
    """One sweep; a failure of one item never keeps the others waiting."""
    hinted = _hint_pending(ctx)
    overdue, failed = _overdue(ctx)
    restored, unread = _pings_restored(ctx, region)
    found, unlisted = _lost_events(ctx, account, region) if look_for_lost_events else (0, 0)
    return Swept(hinted, overdue, restored, found, failed + unread + unlisted, _stopped(ctx))


def _stopped(ctx: Context) -> tuple[str, ...]:
    return tuple(b.remedy for b in ctx.store.breakers() if b.opened_at is not None)


def _hint_pending(ctx: Context) -> int:
    records = ctx.store.due_effects(ctx.clock.now(), ITEMS_MAX)
    hint(ctx, [record.effect for record in records])
    return len(records)


def _overdue(ctx: Context) -> tuple[int, int]:
    done = failed = 0
    for incident in ctx.store.due_incidents(ctx.clock.now(), ITEMS_MAX):
        try:
            done += _overdue_incident(ctx, incident)
        except (AwsError, CommitConflict):
            failed += 1
    return done, failed


def _overdue_incident(ctx: Context, incident: Incident) -> bool:
    """Look for the awaited result first; only what is truly lost becomes a missed deadline."""
    record = ctx.store.effect(incident.awaiting) if incident.awaiting else None
    if record is None or record.status == "done":
        advance(ctx, incident.id, DeadlinePassed(), BY)
        return True
    if record.status in ("pending", "claimed"):
        record = _take_away(ctx, record, incident)
        if record is None:
            return False
    if record.command_id is not None:
        return _overdue_command(ctx, record, record.command_id)
    # Nothing was sent, and nobody can send it any more: the node is free.
    give_back(ctx, record.effect)
    advance(ctx, incident.id, DeadlinePassed(), BY, finished_effect=record.effect.effect_id)
    return True


def _take_away(ctx: Context, record: EffectRecord, incident: Incident) -> EffectRecord | None:
    """Claim an effect that nobody carried out, so that nobody can any more.

    Its command may have gone out before its owner died: then it is adopted and waited for.
    """
    now = ctx.clock.now()
    until = now + timedelta(seconds=LEASE_SECONDS)
    claimed = ctx.store.claim(record.effect.effect_id, f"sweep-{uuid.uuid4().hex}", now, until)
    if claimed is None:
        return None
    if adopt(ctx, Taken(claimed, incident)):
        return ctx.store.effect(record.effect.effect_id)
    return claimed.record


def _overdue_command(ctx: Context, record: EffectRecord, command_id: str) -> bool:
    node = record.effect.node
    invocation = ctx.commands.invocation(node.region, command_id, node.node_id)
    if invocation is None or invocation.terminal:
        collect(ctx, record, invocation, final=True)
        return True
    # The command still runs, so its lock stays until it runs out by itself.
    advance(
        ctx,
        record.effect.incident_id,
        DeadlinePassed(),
        BY,
        finished_effect=record.effect.effect_id,
    )
    return True


def _pings_restored(ctx: Context, region: str) -> tuple[int, int]:
    """How many nodes are back, and how many could not be asked."""
    silent = [
        i
        for i in ctx.store.open_incidents(ITEMS_MAX)
        if i.kind is IncidentKind.PING and i.node.region == region
    ]
    restored = failed = 0
    for incident in silent:
        try:
            restored += _ping_restored(ctx, incident)
        except AwsError:
            failed += 1
    return restored, failed


def _ping_restored(ctx: Context, incident: Incident) -> bool:
    info = ctx.nodes.info(incident.node)
    if info is None or info.ping != "Online" or info.last_ping is None:
        return False
    if info.last_ping <= incident.last_failed_at:
        return False
    detail = {"instance-id": incident.node.node_id, "last-ping": info.last_ping.isoformat()}
    ctx.queues.send_signal(own_event(ctx, incident.node, PING_RESTORED_TYPE, detail))
    return True


def _lost_events(ctx: Context, account: str, region: str) -> tuple[int, int]:
    """How many failures nobody had told us of, and how many lists could not be read to the end."""
    since = ctx.clock.now() - timedelta(hours=LOOK_BACK_HOURS)
    stuck_before = ctx.clock.now() - timedelta(hours=STUCK_AFTER_HOURS)
    found = failed = 0
    lists: tuple[tuple[str, Callable[[], tuple[Invocation, ...]]], ...] = (
        (FAILURE_FOUND_TYPE, lambda: ctx.commands.failed_since(region, since)),
        (COMMAND_STUCK_TYPE, lambda: ctx.commands.in_progress_before(region, stuck_before)),
    )
    for detail_type, read in lists:
        try:
            for invocation in read():
                found += _report(ctx, account, region, detail_type, invocation)
        except AwsError:
            failed += 1
    return found, failed


def _report(
    ctx: Context, account: str, region: str, detail_type: str, invocation: Invocation
) -> bool:
    if not _unknown_failure(ctx, account, region, invocation):
        return False
    node = NodeRef(account, region, invocation.node_id)
    detail = _command_detail(invocation)
    began = invocation.requested_at
    ctx.queues.send_signal(own_event(ctx, node, detail_type, detail, at=began))
    return True


def _unknown_failure(ctx: Context, account: str, region: str, invocation: Invocation) -> bool:
    document = invocation.document.rsplit("/", 1)[-1]
    if document not in PATCH_DOCUMENTS or effect_id_of(invocation.comment):
        return False
    node = NodeRef(account, region, invocation.node_id)
    key = f"command:{invocation.command_id}"
    return ctx.store.incident_of_run(node, IncidentKind.PATCHING, key) is None


def _command_detail(invocation: Invocation) -> dict[str, str]:
    return {
        "instance-id": invocation.node_id,
        "command-id": invocation.command_id,
        "document-name": invocation.document,
        "status": invocation.status,
    }


def own_event(
    ctx: Context,
    node: NodeRef,
    detail_type: str,
    detail: Mapping[str, str],
    at: datetime | None = None,
) -> dict[str, Any]:
    """An event of our own source, in EventBridge's envelope.

    ``at`` is when what it tells began, when that is known: a recovery since then is news.
    """
    now: datetime = at or ctx.clock.now()
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": detail_type,
        "source": OWN_SOURCE,
        "account": node.account,
        "time": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": node.region,
        "resources": [],
        "detail": dict(detail),
    }
