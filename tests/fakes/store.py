"""``ports.Store`` in memory, with the same conditions on every write as the DynamoDB table.

Bodies are kept as JSON, as the table keeps them: what comes out was encoded and decoded, so a type
that does not survive the table does not survive here either.  The indexes (``due_…``, ``open_…``)
may lag behind the table, as a global secondary index does: ``stale`` says when.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec

from patchmedic.errors import AwsRejected, CommitConflict
from patchmedic.incident import Incident
from patchmedic.model import Effect, IncidentKind, NodeRef, Skip
from patchmedic.policy import Breaker
from patchmedic.ports import (
    Attachment,
    Claimed,
    EffectRecord,
    EffectStatus,
    FleetSize,
    TimelineEntry,
)

RESULT_CHARS_MAX = 300


@dataclass(slots=True)
class _Row:
    """One effect's item."""

    body: bytes
    status: EffectStatus
    due_at: datetime | None
    claims: int = 0
    lease_until: datetime | None = None
    first_claimed_at: datetime | None = None
    owner: str | None = None
    command_id: str | None = None
    result: str | None = None

    def record(self) -> EffectRecord:
        return EffectRecord(
            effect=msgspec.json.decode(self.body, type=Effect),
            status=self.status,
            claims=self.claims,
            first_claimed_at=self.first_claimed_at,
            owner=self.owner,
            command_id=self.command_id,
            result=self.result,
        )


@dataclass(frozen=True, slots=True)
class _Lock:
    owner: str
    until: datetime


@dataclass(frozen=True, slots=True)
class SkipRecord:
    """An event on which nothing was done."""

    subject: str
    skip: Skip
    at: datetime


class MemoryStore:
    """The table, in dictionaries."""

    def __init__(self, stale: Callable[[], bool] = lambda: False) -> None:
        self._stale = stale
        self._incidents: dict[str, bytes] = {}
        self._before: dict[str, bytes] = {}
        self._timeline: dict[str, list[TimelineEntry]] = {}
        self._effects: dict[str, _Row] = {}
        self._open: dict[tuple[NodeRef, IncidentKind], str] = {}
        self._runs: dict[tuple[NodeRef, IncidentKind, str], str] = {}
        self._locks: dict[NodeRef, _Lock] = {}
        self._attempts: dict[tuple[NodeRef, str], dict[str, datetime]] = {}
        self._commands: dict[tuple[str, str, str], str] = {}
        self._files: dict[str, dict[str, Attachment]] = {}
        self._permits: dict[str, dict[int, _Lock]] = {}
        self._breakers: dict[str, bytes] = {}
        self._fleet_size: FleetSize | None = None
        self.skips: dict[str, SkipRecord] = {}

    # --- incidents -----------------------------------------------------------------------------

    def load(self, incident_id: str) -> Incident | None:
        body = self._incidents.get(incident_id)
        return _incident(body) if body is not None else None

    def open_incident_id(self, node: NodeRef, kind: IncidentKind) -> str | None:
        return self._open.get((node, kind))

    def incident_of_run(self, node: NodeRef, kind: IncidentKind, run_key: str) -> str | None:
        return self._runs.get((node, kind, run_key))

    def create(self, incident: Incident, effects: Sequence[Effect], entry: TimelineEntry) -> None:
        taken = [
            *(["incident"] if incident.id in self._incidents else []),
            *(["open"] if not incident.finished and self._pointer(incident) else []),
            *self._runs_of_others(incident),
            *(e.effect_id for e in effects if e.effect_id in self._effects),
        ]
        if taken:
            raise CommitConflict(f"create: taken: {', '.join(taken)}")
        self._write(incident, effects, entry)
        if not incident.finished:
            self._open[(incident.node, incident.kind)] = incident.id

    def commit(
        self,
        before: Incident,
        after: Incident,
        effects: Sequence[Effect],
        entry: TimelineEntry,
        finished_effect: str | None,
        breaker: Breaker | None = None,
    ) -> None:
        current = self.load(before.id)
        if current is None or current.version != before.version:
            raise CommitConflict("commit: the version is another one")
        closes = after.finished and not before.finished
        wrong = [
            *self._runs_of_others(after),
            *(e.effect_id for e in effects if e.effect_id in self._effects),
            *(
                [finished_effect]
                if finished_effect and finished_effect not in self._effects
                else []
            ),
            *(["open"] if closes and self._pointer(after) not in (None, after.id) else []),
            *(["breaker"] if breaker and not self._is_current(breaker) else []),
        ]
        if wrong:
            raise CommitConflict(f"commit: conditions failed: {', '.join(wrong)}")
        self._write(after, effects, entry)
        if finished_effect is not None:
            self._done(finished_effect, "used")
        if closes:
            self._open.pop((after.node, after.kind), None)
        if breaker is not None:
            self.save_breaker(breaker)

    def note(self, incident_id: str, entry: TimelineEntry, finished_effect: str | None) -> None:
        if finished_effect is not None:
            if finished_effect not in self._effects:
                raise CommitConflict("note: the effect is not there")
            self._done(finished_effect, "late")
        self._timeline.setdefault(incident_id, []).append(entry)

    def timeline(self, incident_id: str) -> tuple[TimelineEntry, ...]:
        return tuple(sorted(self._timeline.get(incident_id, ()), key=lambda entry: entry.at))

    def attach(self, incident_id: str, attachment: Attachment) -> None:
        self._files.setdefault(incident_id, {})[attachment.name] = attachment

    def attachments(self, incident_id: str) -> tuple[Attachment, ...]:
        found = self._files.get(incident_id, {})
        return tuple(found[name] for name in sorted(found))

    def recent(self, limit: int) -> tuple[Incident, ...]:
        found = sorted(self.all(), key=lambda i: i.opened_at, reverse=True)
        return tuple(found[:limit])

    def all(self) -> tuple[Incident, ...]:
        """Every incident: for assertions only, no adapter offers it."""
        return tuple(_incident(body) for body in self._incidents.values())

    # --- effects -------------------------------------------------------------------------------

    def effect(self, effect_id: str) -> EffectRecord | None:
        row = self._effects.get(effect_id)
        return row.record() if row is not None else None

    def claim(self, effect_id: str, owner: str, now: datetime, until: datetime) -> Claimed | None:
        row = self._effects.get(effect_id)
        if row is None or row.status not in ("pending", "claimed"):
            return None
        free_at = row.due_at if row.status == "pending" else row.lease_until
        if free_at is None or free_at > now or (row.status == "claimed" and free_at == now):
            return None
        row.status, row.owner, row.claims = "claimed", owner, row.claims + 1
        row.lease_until = row.due_at = until
        row.first_claimed_at = row.first_claimed_at or now
        return Claimed(row.record(), owner, until)

    def defer(self, claimed: Claimed, not_before: datetime) -> None:
        row = self._effects.get(claimed.record.effect.effect_id)
        if row is None or row.owner != claimed.owner or row.status != "claimed":
            return
        row.status, row.owner, row.claims = "pending", None, row.claims - 1
        row.due_at = not_before

    def record_command(self, effect: Effect, owner: str | None, command_id: str) -> None:
        row = self._effects.get(effect.effect_id)
        if row is None or row.status == "done" or (owner is not None and row.owner != owner):
            raise CommitConflict("record_command: the effect is done or has another owner")
        row.status, row.command_id, row.due_at = "sent", command_id, None
        node = effect.node
        self._commands[(node.account, node.region, command_id)] = effect.effect_id

    def finish(self, effect_id: str, result: str) -> None:
        if effect_id not in self._effects:
            raise AwsRejected("UpdateItem", "ConditionalCheckFailedException", "no such effect")
        self._done(effect_id, result)

    def effect_of_command(self, account: str, region: str, command_id: str) -> str | None:
        return self._commands.get((account, region, command_id))

    # --- locks and attempts --------------------------------------------------------------------

    def take_lock(self, node: NodeRef, owner: str, now: datetime, until: datetime) -> bool:
        lock = self._locks.get(node)
        if lock is not None and lock.owner != owner and not lock.until < now:
            return False
        self._locks[node] = _Lock(owner, until)
        return True

    def release_lock(self, node: NodeRef, owner: str) -> None:
        lock = self._locks.get(node)
        if lock is not None and lock.owner == owner:
            del self._locks[node]

    def record_attempt(
        self, node: NodeRef, cause: str, effect_id: str, now: datetime, keep_until: datetime
    ) -> None:
        self._attempts.setdefault((node, cause), {})[effect_id] = now

    def attempts_since(self, node: NodeRef, cause: str, since: datetime, except_effect: str) -> int:
        attempts = self._attempts.get((node, cause), {})
        return sum(1 for e, at in attempts.items() if at >= since and e != except_effect)

    # --- permits, breakers and the fleet -------------------------------------------------------

    def take_permit(self, pool: str, owner: str, size: int, now: datetime, until: datetime) -> bool:
        slots = self._permits.setdefault(pool, {})
        held = {number: slot for number, slot in slots.items() if slot.until > now}
        own = next((number for number, slot in held.items() if slot.owner == owner), None)
        if own is None and len(held) >= size:
            return False
        number = own if own is not None else next(n for n in range(size) if n not in held)
        slots[number] = _Lock(owner, until)
        return True

    def release_permit(self, pool: str, owner: str) -> None:
        slots = self._permits.get(pool, {})
        self._permits[pool] = {n: slot for n, slot in slots.items() if slot.owner != owner}

    def permits(self, pool: str, now: datetime, except_owner: str) -> int:
        slots = self._permits.get(pool, {}).values()
        return sum(1 for slot in slots if slot.until > now and slot.owner != except_owner)

    def breaker(self, remedy: str) -> Breaker:
        body = self._breakers.get(remedy)
        return msgspec.json.decode(body, type=Breaker) if body else Breaker(remedy)

    def breakers(self) -> tuple[Breaker, ...]:
        return tuple(self.breaker(remedy) for remedy in sorted(self._breakers))

    def save_breaker(self, after: Breaker) -> bool:
        if not self._is_current(after):
            return False
        new = replace(after, revision=after.revision + 1)
        self._breakers[after.remedy] = msgspec.json.encode(new)
        return True

    def _is_current(self, breaker: Breaker) -> bool:
        return self.breaker(breaker.remedy).revision == breaker.revision

    def fleet_size(self) -> FleetSize | None:
        return self._fleet_size

    def save_fleet_size(self, size: FleetSize) -> None:
        self._fleet_size = size

    # --- what a sweep looks at -----------------------------------------------------------------

    def due_incidents(self, now: datetime, limit: int) -> tuple[Incident, ...]:
        due = [i for i in self._indexed() if i.deadline is not None and i.deadline <= now]
        return tuple(sorted(due, key=lambda i: (i.deadline, i.id))[:limit])

    def open_incidents(self, limit: int) -> tuple[Incident, ...]:
        return tuple([i for i in self._indexed() if i.deadline is not None][:limit])

    def due_effects(self, now: datetime, limit: int) -> tuple[EffectRecord, ...]:
        due = [r for r in self._effects.values() if r.due_at is not None and r.due_at <= now]
        return tuple(row.record() for row in due[:limit])

    def record_skip(self, event_id: str, subject: str, skip: Skip, now: datetime) -> None:
        self.skips[event_id] = SkipRecord(subject, skip, now)

    # --- plumbing ------------------------------------------------------------------------------

    def _pointer(self, incident: Incident) -> str | None:
        return self._open.get((incident.node, incident.kind))

    def _runs_of_others(self, incident: Incident) -> list[str]:
        keys = [(incident.node, incident.kind, key) for key in incident.run_keys]
        return [key[2] for key in keys if self._runs.get(key, incident.id) != incident.id]

    def _write(self, incident: Incident, effects: Sequence[Effect], entry: TimelineEntry) -> None:
        if incident.id in self._incidents:
            self._before[incident.id] = self._incidents[incident.id]
        self._incidents[incident.id] = msgspec.json.encode(incident)
        self._timeline.setdefault(incident.id, []).append(entry)
        for effect in effects:
            self._effects[effect.effect_id] = _Row(
                msgspec.json.encode(effect), "pending", effect.not_before
            )
        for key in incident.run_keys:
            self._runs[(incident.node, incident.kind, key)] = incident.id

    def _done(self, effect_id: str, result: str) -> None:
        row = self._effects[effect_id]
        row.status, row.result, row.due_at = "done", result[:RESULT_CHARS_MAX], None

    def _indexed(self) -> list[Incident]:
        """What the index shows: the table, or for some incidents the version before."""
        return [
            _incident(self._before[key] if key in self._before and self._stale() else body)
            for key, body in self._incidents.items()
        ]


def _incident(body: bytes) -> Incident:
    return msgspec.json.decode(body, type=Incident)
