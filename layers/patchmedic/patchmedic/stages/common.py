"""What every stage shares: its context, and the one way to move an incident.

``advance`` is the only place where a decision is committed: load, decide, commit, and only then
send the hints for the new effects.
"""

from __future__ import annotations

import math
import re
import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from patchmedic import ports
from patchmedic.causes.catalogue import Catalogue
from patchmedic.errors import AwsError, CommitConflict, IncidentGone
from patchmedic.incident import (
    COMMENT_PREFIX,
    Decision,
    Fact,
    Incident,
    Observation,
    decide,
    run_ended,
)
from patchmedic.model import Effect, EffectKind, NodeRef
from patchmedic.policy import Breaker, Limits, Policy, breaker_after

COMMIT_TRIES_MAX = 6
LEASE_SECONDS = Limits().claim_seconds
LIVE_POOL = "live"
"""The permits of the actions that are under way, on all nodes together."""
_OWN_COMMENT = re.compile(re.escape(COMMENT_PREFIX) + r"(?P<effect>pm-[0-9a-f]{16}-[0-9]{2,4})")
"""Nothing looser: a person who writes "patchmedic" into a comment must not hide a failure."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a stage works with."""

    store: ports.Store
    queues: ports.Queues
    commands: ports.Commands
    outputs: ports.Outputs
    nodes: ports.Nodes
    actions: ports.AwsActions
    clock: ports.Clock
    policy: Policy
    catalogue: Catalogue
    prefix: str
    opt_in_key: str
    opt_in_value: str

    def own_document(self, suffix: str) -> str:
        """The name of a document that this stack owns."""
        return f"{self.prefix}-{suffix}"


def advance(
    ctx: Context, incident_id: str, fact: Fact, by: str, finished_effect: str | None = None
) -> Decision:
    """Move an incident by one fact: read it, decide, commit, hint.

    Someone else may commit first; then it is decided again on what they left.  Raises
    ``CommitConflict`` when that happens too often: the message comes back later.
    """
    for _ in range(COMMIT_TRIES_MAX):
        before = ctx.store.load(incident_id)
        if before is None:
            raise IncidentGone(f"incident {incident_id} is not in the table")
        now = ctx.clock.now()
        decision = decide(before, fact, ctx.policy, now)
        entry = ports.TimelineEntry(now, by, decision.entry)
        try:
            if not decision.changed:
                ctx.store.note(incident_id, entry, finished_effect)
                return decision
            breaker = _breaker_after(ctx, before, fact, decision.incident)
            ctx.store.commit(
                before, decision.incident, decision.effects, entry, finished_effect, breaker
            )
        except CommitConflict:
            continue
        hint(ctx, decision.effects)
        return decision
    raise CommitConflict(f"incident {incident_id} moved {COMMIT_TRIES_MAX} times meanwhile")


def _breaker_after(ctx: Context, before: Incident, fact: Fact, after: Incident) -> Breaker | None:
    """The breaker of the remedy whose run this fact ended, when it is another one now.

    It is written with the incident in one transaction: no run is counted twice or not at all.
    """
    ended = run_ended(before, fact, after)
    if ended is None:
        return None
    remedy, helped = ended
    breaker = ctx.store.breaker(remedy)
    new = breaker_after(breaker, helped=helped, now=ctx.clock.now(), limits=ctx.policy.limits)
    return new if new != breaker else None


def create(ctx: Context, decision: Decision, by: str) -> None:
    """Store a new incident and hint at its effects; ``CommitConflict`` when it exists already."""
    entry = ports.TimelineEntry(decision.incident.opened_at, by, decision.entry)
    ctx.store.create(decision.incident, decision.effects, entry)
    hint(ctx, decision.effects)


def hint(ctx: Context, effects: Iterable[Effect]) -> None:
    """Tell the queues; a hint that cannot be sent is left to the sweep, for the table has it."""
    for effect in effects:
        wait = (effect.not_before - ctx.clock.now()).total_seconds()
        try:
            ctx.queues.send_effect(effect, max(0, math.ceil(wait)))
        except AwsError:
            continue


@dataclass(frozen=True, slots=True)
class Taken:
    """An effect that is ours to carry out, with the incident that still waits for it."""

    claimed: ports.Claimed
    incident: Incident

    @property
    def effect(self) -> Effect:
        return self.claimed.record.effect


def take(ctx: Context, effect_id: str, kinds: Collection[EffectKind]) -> Taken | None:
    """Claim an effect if it is due and still wanted; ``None`` when there is nothing to do.

    ``kinds`` are the ones that the stage can carry out: an effect that came over the wrong queue is
    left to the sweep, which hints at it again.
    An effect that came too early is hinted at again; one that its incident no longer waits for is
    put away.  Notifications are never awaited: they are wanted until they are done.
    """
    record = ctx.store.effect(effect_id)
    if record is None or record.status in ("done", "sent") or record.effect.kind not in kinds:
        return None
    now = ctx.clock.now()
    if record.effect.not_before > now:
        hint(ctx, [record.effect])
        return None
    until = now + timedelta(seconds=LEASE_SECONDS)
    claimed = ctx.store.claim(effect_id, secrets.token_hex(8), now, until)
    if claimed is None:
        return None
    incident = ctx.store.load(record.effect.incident_id)
    if incident is None:
        ctx.store.finish(effect_id, "its incident is gone")
        return None
    awaited = incident.awaiting == effect_id or record.effect.kind is EffectKind.NOTIFY
    if not awaited:
        ctx.store.finish(effect_id, "superseded")
        return None
    return Taken(claimed, incident)


def settle(ctx: Context, taken: Taken, fact: Fact, by: str) -> str:
    """End an effect with the fact that came of it; returns the line for the log."""
    finished = taken.effect.effect_id
    return advance(ctx, taken.incident.id, fact, by, finished_effect=finished).entry


def look_at_patching(ctx: Context, node: NodeRef, document: str | None) -> Observation | None:
    """The independent look at a node's patching, where the document leaves its results."""
    if document == "AWS-RunPatchBaselineAssociation":
        return ctx.nodes.compliance(node)
    return ctx.nodes.patch_state(node)


def give_back(ctx: Context, effect: Effect) -> None:
    """The action is over, or it never began: the node is free, and so is the place among the
    actions under way."""
    ctx.store.release_lock(effect.node, effect.effect_id)
    ctx.store.release_permit(LIVE_POOL, effect.effect_id)


def defer(ctx: Context, taken: Taken, why: str, wait_seconds: int | None = None) -> str:
    """Give the effect back; its incident's deadline bounds how often that can happen.

    The hint for the next try is a message of its own and this one counts as handled, so that no
    wait, however long, ends in the dead-letter queue.
    """
    wait = ctx.policy.limits.defer_wait_seconds if wait_seconds is None else wait_seconds
    ctx.store.defer(taken.claimed, ctx.clock.now() + timedelta(seconds=wait))
    ctx.queues.send_effect(taken.effect, wait)
    return f"deferred: {why}"


def comment_of(effect: Effect) -> str:
    return COMMENT_PREFIX + effect.effect_id


def effect_id_of(comment: str) -> str | None:
    """The effect id in a command's Comment, if the command is ours."""
    match = _OWN_COMMENT.fullmatch(comment)
    return match["effect"] if match else None


def adopt(ctx: Context, taken: Taken) -> bool:
    """Find the command that an earlier owner of this effect sent before it died.

    True when one was found and recorded: then nothing must be sent again.
    """
    record = taken.claimed.record
    if record.claims <= 1:
        return False
    since: datetime = record.first_claimed_at or record.effect.not_before
    command_id = ctx.commands.find_by_comment(taken.effect.node, comment_of(taken.effect), since)
    if command_id is None:
        return False
    ctx.store.record_command(taken.effect, taken.claimed.owner, command_id)
    return True


def still_ours(ctx: Context, claimed: ports.Claimed) -> bool:
    """Whether the lease has not run out: a late owner must not act."""
    return ctx.clock.now() < claimed.until


def kill_switch(ctx: Context) -> str | None:
    """The kill switch read now; ``None`` when it cannot be read."""
    try:
        return ctx.nodes.kill_switch()
    except AwsError:
        return None
