"""The DynamoDB table: the truth about incidents, effects, locks, attempts and permits.

Here: every read and conditional write, one method each.  Not here: what is decided
(``incident``) or when it is written (``stages``).

One table, string keys ``pk`` and ``sk``::

    INCIDENT#<id>            INCIDENT                 the incident (body) and its indexed fields
    INCIDENT#<id>            AT#<time>#<unique>       a line of its timeline
    INCIDENT#<id>            FILE#<name>              an attachment, as it was taken
    INCIDENT#<id>            EFFECT#<effect id>       an intent: pending -> claimed -> sent -> done
    NODE#<acct>#<reg>#<id>   OPEN#<kind>              which incident is open for that node and kind
    NODE#…                   RUN#<kind>#<run key>     which incident a run belongs to
    NODE#…                   LOCK                     who may change the node now, and until when
    NODE#…                   ATTEMPT#<cause>#<effect> cool-down
    COMMAND#<acct>#<reg>#<id> COMMAND                 our own commands, by command id
    POOL#<pool>              SLOT#<number>            a permit: its owner, and until when
    BREAKERS                 <remedy>                 how the remedy's last runs went
    FLEET                    SIZE                     how many nodes there are, and when counted
    SKIP#<event id>          SKIP                     events on which nothing was done, and the rule
    OWNCAUSES                IN-FORCE                 customers' own causes (``own_causes``)

Index ``due`` (due_shard, due_at): what a sweep must look at.  Index ``recent`` (list_shard,
opened_at): the operator's list, one shard a day.  ``expires_at`` is the table's TTL.

One change of an incident is one TransactWriteItems::

    Put    incident   if version is the one decided on   (else CommitConflict: decide again)
    Put    timeline
    Put    effects    if they are new
    Update effect     that this change finishes -> done
    Put    run keys   so that late copies of their events find this incident
    Put    breaker    if a run of a remedy came to its end, and nobody wrote it meanwhile
    Delete open       when the incident closes
"""

from __future__ import annotations

import uuid
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec
from botocore.exceptions import ClientError

from patchmedic.aws import call, from_client_error
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

RETENTION_DAYS = 400
RUN_RETENTION_DAYS = 60
SKIP_RETENTION_DAYS = 30
DUE_SHARDS = 4
"""Spreads the index over partitions, so that a storm's writes are not throttled by one key."""
RECENT_DAYS_MAX = 31
PERMIT_TRIES_MAX = 5
"""Others may take the free slot first; who never gets one asks again later."""

Item = dict[str, Any]
T = TypeVar("T")


def effect_incident_id(effect_id: str) -> str:
    """``pm-…-03`` belongs to incident ``pm-…``."""
    return effect_id.rsplit("-", 1)[0]


def _stamp(at: datetime) -> str:
    """A time as text that sorts as the time does."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _epoch(at: datetime) -> int:
    return int(at.timestamp())


def _attributes(values: Mapping[str, str | int | None]) -> Item:
    """Plain values as DynamoDB attributes; ``None`` is left out."""
    item: Item = {}
    for name, value in values.items():
        if isinstance(value, int):
            item[name] = {"N": str(value)}
        elif value is not None:
            item[name] = {"S": value}
    return item


def _text(item: Item, name: str) -> str | None:
    value: str | None = item.get(name, {}).get("S")
    return value


def _shard(prefix: str, key: str) -> str:
    return f"{prefix}{zlib.crc32(key.encode()) % DUE_SHARDS}"


def _node_key(node: NodeRef) -> str:
    return f"NODE#{node.account}#{node.region}#{node.node_id}"


def _incident_key(incident_id: str) -> str:
    return f"INCIDENT#{incident_id}"


def _effect_key(effect_id: str) -> Item:
    return _attributes(
        {"pk": _incident_key(effect_incident_id(effect_id)), "sk": f"EFFECT#{effect_id}"}
    )


class DynamoStore:
    """``ports.Store`` over one DynamoDB table."""

    def __init__(self, client: Any, table_name: str) -> None:
        self._client = client
        self._table = table_name

    # --- incidents -----------------------------------------------------------------------------

    def load(self, incident_id: str) -> Incident | None:
        item = self._get(_incident_key(incident_id), "INCIDENT")
        return _incident(item) if item else None

    def open_incident_id(self, node: NodeRef, kind: IncidentKind) -> str | None:
        item = self._get(_node_key(node), f"OPEN#{kind.value}")
        return _text(item, "incident_id") if item else None

    def incident_of_run(self, node: NodeRef, kind: IncidentKind, run_key: str) -> str | None:
        item = self._get(_node_key(node), f"RUN#{kind.value}#{run_key}")
        return _text(item, "incident_id") if item else None

    def create(self, incident: Incident, effects: Sequence[Effect], entry: TimelineEntry) -> None:
        """Store a new incident; ``CommitConflict`` when its id, run or node is taken."""
        writes = [
            self._put(_incident_item(incident), "attribute_not_exists(pk)"),
            self._put(_timeline_item(incident.id, entry)),
            *(self._put(_effect_item(e), "attribute_not_exists(pk)") for e in effects),
            *(self._run_put(incident, key) for key in incident.run_keys),
        ]
        if not incident.finished:
            pointer = _attributes(
                {
                    "pk": _node_key(incident.node),
                    "sk": f"OPEN#{incident.kind.value}",
                    "incident_id": incident.id,
                }
            )
            writes.append(self._put(pointer, "attribute_not_exists(pk)"))
        self._transact("create", writes)

    def commit(
        self,
        before: Incident,
        after: Incident,
        effects: Sequence[Effect],
        entry: TimelineEntry,
        finished_effect: str | None,
        breaker: Breaker | None = None,
    ) -> None:
        """Store a decision; ``CommitConflict`` when the incident is not the one decided on, or the
        breaker not the one that was read."""
        writes = [
            self._put(
                _incident_item(after),
                "version = :before",
                _attributes({":before": before.version}),
            ),
            self._put(_timeline_item(after.id, entry)),
            *(self._put(_effect_item(e), "attribute_not_exists(pk)") for e in effects),
            *(self._run_put(after, key) for key in after.run_keys if key not in before.run_keys),
        ]
        if finished_effect is not None:
            writes.append({"Update": self._done_update(finished_effect, "used")})
        if after.finished and not before.finished:
            writes.append(self._close_pointer(after))
        if breaker is not None:
            writes.append(self._breaker_put(breaker))
        self._transact("commit", writes)

    def note(self, incident_id: str, entry: TimelineEntry, finished_effect: str | None) -> None:
        """Add a line to the timeline without moving the incident (late or doubled news)."""
        writes = [self._put(_timeline_item(incident_id, entry))]
        if finished_effect is not None:
            writes.append({"Update": self._done_update(finished_effect, "late")})
        self._transact("note", writes)

    def timeline(self, incident_id: str) -> tuple[TimelineEntry, ...]:
        items = self._query(
            "pk = :pk AND begins_with(sk, :sk)",
            {":pk": _incident_key(incident_id), ":sk": "AT#"},
        )
        return tuple(_decode(i, TimelineEntry) for i in items)

    def attach(self, incident_id: str, attachment: Attachment) -> None:
        """Keep a file with an incident; one of the same name gives way to it."""
        item = _attachment_item(incident_id, attachment)
        call("PutItem", self._client.put_item, TableName=self._table, Item=item)

    def attachments(self, incident_id: str) -> tuple[Attachment, ...]:
        """An incident's files, by name."""
        items = self._query(
            "pk = :pk AND begins_with(sk, :sk)",
            {":pk": _incident_key(incident_id), ":sk": "FILE#"},
        )
        return tuple(_attachment(i) for i in items)

    def recent(self, limit: int) -> tuple[Incident, ...]:
        """The newest incidents, newest first, from at most ``RECENT_DAYS_MAX`` days."""
        found: list[Incident] = []
        today = datetime.now(UTC)
        for days in range(RECENT_DAYS_MAX):
            shard = (today - timedelta(days=days)).strftime("%Y-%m-%d")
            items = self._query("list_shard = :s", {":s": shard}, index="recent", newest_first=True)
            for item in items:
                found.append(_incident(item))
                if len(found) == limit:
                    return tuple(found)
        return tuple(found)

    # --- effects -------------------------------------------------------------------------------

    def effect(self, effect_id: str) -> EffectRecord | None:
        response = call(
            "GetItem",
            self._client.get_item,
            TableName=self._table,
            Key=_effect_key(effect_id),
            ConsistentRead=True,
        )
        return _effect_record(response["Item"]) if "Item" in response else None

    def claim(self, effect_id: str, owner: str, now: datetime, until: datetime) -> Claimed | None:
        """Take an effect that is pending, or whose earlier owner's lease ran out; else ``None``.

        One conditional write::

            SET    status = claimed, owner, lease_until, claims + 1, first_claimed_at if unset
            WHEN  (status = pending AND due_at <= now)       (nobody has it, and it is its time)
               OR (status = claimed AND lease_until < now)   (its owner died with it)
        """
        try:
            response = call(
                "UpdateItem",
                self._client.update_item,
                TableName=self._table,
                Key=_effect_key(effect_id),
                UpdateExpression=(
                    "SET #status = :claimed, #owner = :owner, lease_until = :until, "
                    "claims = claims + :one, due_at = :until, "
                    "first_claimed_at = if_not_exists(first_claimed_at, :now)"
                ),
                ConditionExpression=(
                    "(#status = :pending AND due_at <= :now) OR "
                    "(#status = :claimed AND lease_until < :now)"
                ),
                ExpressionAttributeNames={"#status": "status", "#owner": "owner"},
                ExpressionAttributeValues=_attributes(
                    {
                        ":claimed": "claimed",
                        ":pending": "pending",
                        ":owner": owner,
                        ":until": _stamp(until),
                        ":now": _stamp(now),
                        ":one": 1,
                    }
                ),
                ReturnValues="ALL_NEW",
            )
        except AwsRejected as error:
            if error.code == "ConditionalCheckFailedException":
                return None
            raise
        return Claimed(_effect_record(response["Attributes"]), owner, until)

    def defer(self, claimed: Claimed, not_before: datetime) -> None:
        """Give an effect back untouched, to be tried again later; a lost lease is left alone."""
        self._update_if(
            _effect_key(claimed.record.effect.effect_id),
            "SET #status = :pending, due_at = :due, claims = claims - :one REMOVE #owner",
            "#owner = :owner AND #status = :claimed",
            {
                ":pending": "pending",
                ":claimed": "claimed",
                ":due": _stamp(not_before),
                ":owner": claimed.owner,
                ":one": 1,
            },
            {"#status": "status", "#owner": "owner"},
        )

    def record_command(self, effect: Effect, owner: str | None, command_id: str) -> None:
        """Remember which command an effect became; ``owner=None`` when it was found again."""
        node = effect.node
        condition = "#status <> :done"
        values: dict[str, str | int | None] = {
            ":sent": "sent",
            ":done": "done",
            ":command": command_id,
        }
        names = {"#status": "status"}
        if owner is not None:
            condition += " AND #owner = :owner"
            values[":owner"] = owner
            names["#owner"] = "owner"
        update = {
            "TableName": self._table,
            "Key": _effect_key(effect.effect_id),
            "UpdateExpression": (
                "SET #status = :sent, command_id = :command REMOVE due_shard, due_at"
            ),
            "ConditionExpression": condition,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": _attributes(values),
        }
        record = _attributes(
            {
                "pk": f"COMMAND#{node.account}#{node.region}#{command_id}",
                "sk": "COMMAND",
                "effect_id": effect.effect_id,
                "expires_at": _epoch(datetime.now(UTC) + timedelta(days=RUN_RETENTION_DAYS)),
            }
        )
        self._transact("record_command", [{"Update": update}, self._put(record)])

    def finish(self, effect_id: str, result: str) -> None:
        call("UpdateItem", self._client.update_item, **self._done_update(effect_id, result))

    def effect_of_command(self, account: str, region: str, command_id: str) -> str | None:
        item = self._get(f"COMMAND#{account}#{region}#{command_id}", "COMMAND")
        return _text(item, "effect_id") if item else None

    # --- locks and attempts --------------------------------------------------------------------

    def take_lock(self, node: NodeRef, owner: str, now: datetime, until: datetime) -> bool:
        """Take the node for one mutating command; true when it is (already) ours."""
        item = _attributes(
            {
                "pk": _node_key(node),
                "sk": "LOCK",
                "owner": owner,
                "until": _stamp(until),
                "expires_at": _epoch(until) + 86_400,
            }
        )
        return self._put_if(
            item,
            "attribute_not_exists(pk) OR #owner = :owner OR #until < :now",
            _attributes({":owner": owner, ":now": _stamp(now)}),
            {"#owner": "owner", "#until": "until"},
        )

    def release_lock(self, node: NodeRef, owner: str) -> None:
        """Give the node back; a lock that has another owner by now is left alone."""
        self._delete_if_owned(_attributes({"pk": _node_key(node), "sk": "LOCK"}), owner)

    def _delete_if_owned(self, key: Item, owner: str) -> None:
        try:
            call(
                "DeleteItem",
                self._client.delete_item,
                TableName=self._table,
                Key=key,
                ConditionExpression="#owner = :owner",
                ExpressionAttributeNames={"#owner": "owner"},
                ExpressionAttributeValues=_attributes({":owner": owner}),
            )
        except AwsRejected as error:
            if error.code != "ConditionalCheckFailedException":
                raise

    def record_attempt(
        self, node: NodeRef, cause: str, effect_id: str, now: datetime, keep_until: datetime
    ) -> None:
        item = _attributes(
            {
                "pk": _node_key(node),
                "sk": f"ATTEMPT#{cause}#{effect_id}",
                "at": _stamp(now),
                "expires_at": _epoch(keep_until),
            }
        )
        call("PutItem", self._client.put_item, TableName=self._table, Item=item)

    def attempts_since(self, node: NodeRef, cause: str, since: datetime, except_effect: str) -> int:
        items = self._query(
            "pk = :pk AND begins_with(sk, :sk)",
            {":pk": _node_key(node), ":sk": f"ATTEMPT#{cause}#"},
        )
        own = f"ATTEMPT#{cause}#{except_effect}"
        return sum(
            1 for i in items if (_text(i, "at") or "") >= _stamp(since) and _text(i, "sk") != own
        )

    # --- permits -------------------------------------------------------------------------------

    def take_permit(self, pool: str, owner: str, size: int, now: datetime, until: datetime) -> bool:
        """Take one of the pool's permits; true when it is (already) ours.

        Each slot of the pool is an item with one owner, written only while it is free: so no two
        can get the last one, and no count can drift.
        """
        for _ in range(PERMIT_TRIES_MAX):
            held = self._slots(pool, now)
            own = next((number for number, who in held.items() if who == owner), None)
            if own is None and len(held) >= size:
                return False
            free = own if own is not None else next(n for n in range(size) if n not in held)
            if self._take_slot(pool, free, owner, now, until):
                return True
        return False

    def release_permit(self, pool: str, owner: str) -> None:
        """Give a permit back, if there is one; another owner's is left alone."""
        for item in self._slot_items(pool):
            if _text(item, "owner") == owner:
                self._delete_if_owned({"pk": item["pk"], "sk": item["sk"]}, owner)

    def permits(self, pool: str, now: datetime, except_owner: str) -> int:
        """How many permits others hold."""
        return sum(1 for owner in self._slots(pool, now).values() if owner != except_owner)

    def _slot_items(self, pool: str) -> Iterator[Item]:
        return self._query(
            "pk = :pk AND begins_with(sk, :sk)", {":pk": f"POOL#{pool}", ":sk": "SLOT#"}
        )

    def _slots(self, pool: str, now: datetime) -> dict[int, str]:
        return {
            int(item["sk"]["S"].removeprefix("SLOT#")): item["owner"]["S"]
            for item in self._slot_items(pool)
            if item["until"]["S"] > _stamp(now)
        }

    def _take_slot(
        self, pool: str, number: int, owner: str, now: datetime, until: datetime
    ) -> bool:
        item = {"pk": f"POOL#{pool}", "sk": f"SLOT#{number:05d}", "owner": owner}
        return self._put_if(
            _attributes({**item, "until": _stamp(until), "expires_at": _epoch(until) + 86_400}),
            "attribute_not_exists(pk) OR #owner = :owner OR #until <= :now",
            _attributes({":owner": owner, ":now": _stamp(now)}),
            {"#owner": "owner", "#until": "until"},
        )

    # --- breakers and the fleet ----------------------------------------------------------------

    def breaker(self, remedy: str) -> Breaker:
        """How a remedy's last runs went; one that nobody ran is as good as new."""
        item = self._get("BREAKERS", remedy)
        return _decode(item, Breaker) if item else Breaker(remedy)

    def breakers(self) -> tuple[Breaker, ...]:
        items = self._query("pk = :pk", {":pk": "BREAKERS"})
        return tuple(_decode(item, Breaker) for item in items)

    def save_breaker(self, after: Breaker) -> bool:
        """Write a breaker over the revision that it was made from; false when that is gone."""
        put = self._breaker_put(after)["Put"]
        return self._put_if(
            put["Item"], put["ConditionExpression"], put.get("ExpressionAttributeValues"), None
        )

    def _breaker_put(self, after: Breaker) -> dict[str, Any]:
        new = replace(after, revision=after.revision + 1)
        item = _attributes(
            {"pk": "BREAKERS", "sk": new.remedy, "revision": new.revision, "body": _body(new)}
        )
        if after.revision == 0:
            return self._put(item, "attribute_not_exists(pk)")
        return self._put(item, "revision = :before", _attributes({":before": after.revision}))

    def fleet_size(self) -> FleetSize | None:
        item = self._get("FLEET", "SIZE")
        return _decode(item, FleetSize) if item else None

    def save_fleet_size(self, size: FleetSize) -> None:
        item = _attributes({"pk": "FLEET", "sk": "SIZE", "body": _body(size)})
        call("PutItem", self._client.put_item, TableName=self._table, Item=item)

    # --- what a sweep looks at -----------------------------------------------------------------

    def due_incidents(self, now: datetime, limit: int) -> tuple[Incident, ...]:
        return tuple(_incident(i) for i in self._due("I", now, limit))

    def open_incidents(self, limit: int) -> tuple[Incident, ...]:
        return tuple(_incident(i) for i in self._due("I", None, limit))

    def due_effects(self, now: datetime, limit: int) -> tuple[EffectRecord, ...]:
        return tuple(_effect_record(i) for i in self._due("E", now, limit))

    def record_skip(self, event_id: str, subject: str, skip: Skip, now: datetime) -> None:
        item = _attributes(
            {
                "pk": f"SKIP#{event_id}",
                "sk": "SKIP",
                "subject": subject,
                "rule": skip.rule,
                "reason": skip.reason,
                "at": _stamp(now),
                "expires_at": _epoch(now + timedelta(days=SKIP_RETENTION_DAYS)),
            }
        )
        call("PutItem", self._client.put_item, TableName=self._table, Item=item)

    # --- plumbing ------------------------------------------------------------------------------

    def _get(self, pk: str, sk: str) -> Item | None:
        response = call(
            "GetItem",
            self._client.get_item,
            TableName=self._table,
            Key=_attributes({"pk": pk, "sk": sk}),
            ConsistentRead=True,
        )
        item: Item | None = response.get("Item")
        return item

    def _query(
        self,
        condition: str,
        values: Mapping[str, str | int | None],
        *,
        index: str | None = None,
        newest_first: bool = False,
    ) -> Iterator[Item]:
        """Every item of a query, page by page; strongly consistent where DynamoDB offers it."""
        arguments: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": _attributes(values),
            "ScanIndexForward": not newest_first,
        }
        if index is None:
            arguments["ConsistentRead"] = True
        else:
            arguments["IndexName"] = index
        while True:
            response = call("Query", self._client.query, **arguments)
            yield from response["Items"]
            if "LastEvaluatedKey" not in response:
                return
            arguments["ExclusiveStartKey"] = response["LastEvaluatedKey"]

    def _due(self, prefix: str, now: datetime | None, limit: int) -> Iterator[Item]:
        count = 0
        for shard in range(DUE_SHARDS):
            condition = "due_shard = :s"
            values: dict[str, str | int | None] = {":s": f"{prefix}{shard}"}
            if now is not None:
                condition += " AND due_at <= :now"
                values[":now"] = _stamp(now)
            for item in self._query(condition, values, index="due"):
                yield item
                count += 1
                if count == limit:
                    return

    def _put_if(
        self, item: Item, condition: str, values: Item | None, names: Mapping[str, str] | None
    ) -> bool:
        """Put an item when the condition holds; false when it does not."""
        arguments: dict[str, Any] = {"Item": item, "ConditionExpression": condition}
        if values:
            arguments["ExpressionAttributeValues"] = values
        if names:
            arguments["ExpressionAttributeNames"] = names
        try:
            call("PutItem", self._client.put_item, TableName=self._table, **arguments)
        except AwsRejected as error:
            if error.code == "ConditionalCheckFailedException":
                return False
            raise
        return True

    def _put(
        self, item: Item, condition: str | None = None, values: Item | None = None
    ) -> dict[str, Any]:
        put: dict[str, Any] = {"TableName": self._table, "Item": item}
        if condition:
            put["ConditionExpression"] = condition
        if values:
            put["ExpressionAttributeValues"] = values
        return {"Put": put}

    def _run_put(self, incident: Incident, run_key: str) -> dict[str, Any]:
        return self._put(
            _attributes(
                {
                    "pk": _node_key(incident.node),
                    "sk": f"RUN#{incident.kind.value}#{run_key}",
                    "incident_id": incident.id,
                    "expires_at": _epoch(incident.updated_at + timedelta(days=RUN_RETENTION_DAYS)),
                }
            ),
            "attribute_not_exists(pk) OR incident_id = :own",
            _attributes({":own": incident.id}),
        )

    def _close_pointer(self, incident: Incident) -> dict[str, Any]:
        return {
            "Delete": {
                "TableName": self._table,
                "Key": _attributes(
                    {"pk": _node_key(incident.node), "sk": f"OPEN#{incident.kind.value}"}
                ),
                "ConditionExpression": "attribute_not_exists(pk) OR incident_id = :own",
                "ExpressionAttributeValues": _attributes({":own": incident.id}),
            }
        }

    def _done_update(self, effect_id: str, result: str) -> dict[str, Any]:
        return {
            "TableName": self._table,
            "Key": _effect_key(effect_id),
            "UpdateExpression": "SET #status = :done, #result = :result REMOVE due_shard, due_at",
            "ConditionExpression": "attribute_exists(pk)",
            "ExpressionAttributeNames": {"#status": "status", "#result": "result"},
            "ExpressionAttributeValues": _attributes({":done": "done", ":result": result[:300]}),
        }

    def _update_if(
        self,
        key: Item,
        update: str,
        condition: str,
        values: Mapping[str, str | int | None],
        names: Mapping[str, str],
    ) -> None:
        try:
            call(
                "UpdateItem",
                self._client.update_item,
                TableName=self._table,
                Key=key,
                UpdateExpression=update,
                ConditionExpression=condition,
                ExpressionAttributeValues=_attributes(values),
                ExpressionAttributeNames=dict(names),
            )
        except AwsRejected as error:
            if error.code != "ConditionalCheckFailedException":
                raise

    def _transact(self, name: str, writes: Sequence[Mapping[str, Any]]) -> None:
        try:
            self._client.transact_write_items(TransactItems=list(writes))
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") == "TransactionCanceledException":
                reasons = [
                    str(r.get("Code")) for r in error.response.get("CancellationReasons", [])
                ]
                raise CommitConflict(f"{name}: {', '.join(reasons) or 'cancelled'}") from error
            raise from_client_error("TransactWriteItems", error) from error


# --- items ---------------------------------------------------------------------------------------


def _decode(item: Item, kind: type[T]) -> T:
    return msgspec.json.decode(item["body"]["S"], type=kind)


def _body(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _incident(item: Item) -> Incident:
    return _decode(item, Incident)


def _incident_item(incident: Incident) -> Item:
    due = incident.deadline
    return _attributes(
        {
            "pk": _incident_key(incident.id),
            "sk": "INCIDENT",
            "version": incident.version,
            "state": incident.state.value,
            "node": str(incident.node),
            "kind": incident.kind.value,
            "cause": incident.cause,
            "outcome": incident.outcome.value if incident.outcome else None,
            "list_shard": incident.opened_at.strftime("%Y-%m-%d"),
            "opened_at": _stamp(incident.opened_at),
            "due_shard": _shard("I", incident.id) if due else None,
            "due_at": _stamp(due) if due else None,
            "body": _body(incident),
            "expires_at": _epoch(incident.updated_at + timedelta(days=RETENTION_DAYS)),
        }
    )


def _timeline_item(incident_id: str, entry: TimelineEntry) -> Item:
    return _attributes(
        {
            "pk": _incident_key(incident_id),
            "sk": f"AT#{_stamp(entry.at)}#{uuid.uuid4().hex[:8]}",
            "body": _body(entry),
            "expires_at": _epoch(entry.at + timedelta(days=RETENTION_DAYS)),
        }
    )


def _attachment_item(incident_id: str, attachment: Attachment) -> Item:
    return {
        **_attributes(
            {
                "pk": _incident_key(incident_id),
                "sk": f"FILE#{attachment.name}",
                "media_type": attachment.media_type,
                "taken_at": _stamp(attachment.taken_at),
                "expires_at": _epoch(attachment.taken_at + timedelta(days=RETENTION_DAYS)),
            }
        ),
        "content": {"B": attachment.content},
    }


def _attachment(item: Item) -> Attachment:
    return Attachment(
        name=item["sk"]["S"].removeprefix("FILE#"),
        media_type=item["media_type"]["S"],
        content=bytes(item["content"]["B"]),
        taken_at=datetime.fromisoformat(item["taken_at"]["S"]),
    )


def _effect_item(effect: Effect) -> Item:
    return {
        **_effect_key(effect.effect_id),
        **_attributes(
            {
                "status": "pending",
                "claims": 0,
                "due_shard": _shard("E", effect.effect_id),
                "due_at": _stamp(effect.not_before),
                "body": _body(effect),
                "expires_at": _epoch(effect.not_before + timedelta(days=RETENTION_DAYS)),
            }
        ),
    }


def _effect_record(item: Item) -> EffectRecord:
    first = _text(item, "first_claimed_at")
    return EffectRecord(
        effect=_decode(item, Effect),
        status=msgspec.convert(_text(item, "status"), EffectStatus),
        claims=int(item["claims"]["N"]),
        first_claimed_at=datetime.fromisoformat(first) if first else None,
        owner=_text(item, "owner"),
        command_id=_text(item, "command_id"),
        result=_text(item, "result"),
    )
