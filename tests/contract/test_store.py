"""``ports.Store``: the fake and the DynamoDB table keep the same promises.

Each test works on a node and incidents of its own, so that one table serves all of them.
"""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.fakes import MemoryStore
from tests.unit.incident_samples import POLICY, classified, finding, signal

from patchmedic.errors import AwsRejected, CommitConflict
from patchmedic.incident import (
    Decision,
    EffectFailed,
    FailureSeen,
    FindingsRead,
    Incident,
    RemedyEnded,
    decide,
    open_incident,
)
from patchmedic.model import Effect, Evidence, IncidentKind, NodeRef, Skip, SupportingLine
from patchmedic.policy import Breaker
from patchmedic.ports import (
    ATTACHMENT_BYTES_MAX,
    Attachment,
    Claimed,
    FleetSize,
    Store,
    TimelineEntry,
)
from patchmedic.store import DynamoStore

NOW = datetime.now(UTC)
MINUTE = timedelta(minutes=1)
LATER = NOW + MINUTE
_numbers = itertools.count(1)
_memory = MemoryStore()


@pytest.fixture(params=["memory", "dynamodb"])
def store(request: pytest.FixtureRequest) -> Store:
    """One of the two; each is shared by all tests, as a table is."""
    if request.param == "memory":
        return _memory
    client, name = request.getfixturevalue("table")
    return DynamoStore(client, name)


def entry(text: str = "it happened", at: datetime = NOW) -> TimelineEntry:
    return TimelineEntry(at, "test", text)


def new(cause: str = "disk-full", at: datetime = NOW) -> Decision:
    """An incident that was just opened, on a node of its own."""
    number = next(_numbers)
    failed = signal(
        node_id=f"i-{number:017x}",
        command_id=f"{number:08x}-0000-4000-8000-{number:012x}",
        time=at,
    )
    evidence = Evidence(
        platform="linux",
        operation="Install",
        document="AWS-RunPatchBaseline",
        stdout="行\n" * 100,
        parameters={"Operation": ("Install",)},
        notes=("a note",),
    )
    line = SupportingLine("stdout", 3, "no space")
    found = classified(cause)
    found = replace(found, candidates=(replace(found.candidates[0], lines=(line,)),))
    return open_incident(FailureSeen(failed, evidence, found), POLICY, at)


def stored(store: Store, decision: Decision | None = None) -> tuple[Incident, Effect]:
    decision = decision or new()
    store.create(decision.incident, decision.effects, entry())
    (effect,) = decision.effects
    return decision.incident, effect


def claimed(store: Store, effect: Effect, owner: str = "a", at: datetime = LATER) -> Claimed:
    got = store.claim(effect.effect_id, owner, at, at + 3 * MINUTE)
    assert got is not None
    return got


# --- incidents -----------------------------------------------------------------------------------


def test_an_incident_comes_back_as_it_was_stored(store: Store) -> None:
    incident, _ = stored(store)
    assert store.load(incident.id) == incident
    assert store.load("pm-0000000000000000") is None


def test_a_whole_story_comes_back_as_it_was_stored(store: Store) -> None:
    """Every field that an incident fills on its way survives the table."""
    before, effect = stored(store)
    for fact in (
        FindingsRead(effect.effect_id, (finding(),), final=True),
        RemedyEnded(f"{before.id}-02", "done", "freed"),
        EffectFailed(f"{before.id}-03", "lost"),
    ):
        decision = decide(before, fact, POLICY, LATER)
        finished = before.awaiting
        store.commit(before, decision.incident, decision.effects, entry(), finished)
        before = decision.incident
        assert store.load(before.id) == before
    assert before.actions and before.findings and before.diagnosis and before.reason


def test_an_open_incident_is_found_by_its_node_and_its_runs(store: Store) -> None:
    incident, _ = stored(store)
    node, kind = incident.node, incident.kind
    assert store.open_incident_id(node, kind) == incident.id
    assert store.open_incident_id(node, IncidentKind.PING) is None
    assert store.incident_of_run(node, kind, incident.run_keys[0]) == incident.id
    assert store.incident_of_run(node, kind, "command:other") is None
    assert store.incident_of_run(node, IncidentKind.PING, incident.run_keys[0]) is None


def test_the_same_incident_is_created_once(store: Store) -> None:
    decision = new()
    incident, _ = stored(store, decision)
    with pytest.raises(CommitConflict):
        store.create(decision.incident, decision.effects, entry())
    assert store.load(incident.id) == incident


def test_one_incident_of_a_kind_is_open_on_a_node(store: Store) -> None:
    incident, _ = stored(store)
    other = new().incident
    other = replace(other, node=incident.node)
    with pytest.raises(CommitConflict):
        store.create(other, (), entry())
    assert store.load(other.id) is None, "all of it or nothing"
    assert store.incident_of_run(incident.node, incident.kind, other.run_keys[0]) is None


def test_a_finished_incident_is_created_beside_an_open_one(store: Store) -> None:
    incident, _ = stored(store)
    benign = new("benign").incident
    benign = replace(benign, node=incident.node)
    store.create(benign, (), entry())
    assert store.open_incident_id(incident.node, incident.kind) == incident.id


def test_only_the_version_that_was_decided_on_is_written_over(store: Store) -> None:
    before, effect = stored(store)
    first = decide(before, EffectFailed(effect.effect_id, "no answer"), POLICY, LATER)
    store.commit(before, first.incident, first.effects, entry(), effect.effect_id)
    with pytest.raises(CommitConflict):
        store.commit(before, first.incident, (), entry("late"), None)
    assert store.load(before.id) == first.incident
    assert [line.text for line in store.timeline(before.id)] == ["it happened", "it happened"]


def test_a_commit_is_all_or_nothing(store: Store) -> None:
    before, effect = stored(store)
    first = decide(before, EffectFailed(effect.effect_id, "no answer"), POLICY, LATER)
    with pytest.raises(CommitConflict):
        store.commit(before, first.incident, first.effects, entry(), f"{before.id}-77")
    assert store.load(before.id) == before
    assert store.effect(first.effects[0].effect_id) is None
    assert len(store.timeline(before.id)) == 1


def test_a_commit_puts_its_effect_away_and_stores_the_next(store: Store) -> None:
    before, effect = stored(store)
    first = decide(before, EffectFailed(effect.effect_id, "no answer"), POLICY, LATER)
    store.commit(before, first.incident, first.effects, entry(), effect.effect_id)
    put_away = store.effect(effect.effect_id)
    assert put_away is not None
    assert (put_away.status, put_away.result) == ("done", "used")
    (following,) = first.effects
    record = store.effect(following.effect_id)
    assert record is not None
    assert (record.effect, record.status, record.claims) == (following, "pending", 0)


def test_a_run_that_joins_is_found_and_a_run_of_another_incident_is_not_taken(store: Store) -> None:
    before, _ = stored(store)
    other, _ = stored(store)
    joined = replace(
        before, version=before.version + 1, run_keys=(*before.run_keys, "command:joined")
    )
    store.commit(before, joined, (), entry(), None)
    assert store.incident_of_run(before.node, before.kind, "command:joined") == before.id
    stolen = replace(other, version=other.version + 1, node=before.node, run_keys=joined.run_keys)
    with pytest.raises(CommitConflict):
        store.commit(replace(other, run_keys=()), stolen, (), entry(), None)


def test_a_closed_incident_leaves_its_node_free_and_its_runs_known(store: Store) -> None:
    before, _ = stored(store)
    closed = closed_after(before)
    store.commit(before, closed, (), entry(), None)
    assert store.open_incident_id(before.node, before.kind) is None
    assert store.incident_of_run(before.node, before.kind, before.run_keys[0]) == before.id


def closed_after(before: Incident) -> Incident:
    finished = new("benign").incident
    return replace(
        before,
        version=before.version + 1,
        state=finished.state,
        outcome=finished.outcome,
        reason=finished.reason,
        awaiting=None,
        deadline=None,
    )


def test_a_note_adds_a_line_and_moves_nothing(store: Store) -> None:
    before, effect = stored(store)
    store.note(before.id, entry("late news", LATER), effect.effect_id)
    assert store.load(before.id) == before
    assert [line.text for line in store.timeline(before.id)] == ["it happened", "late news"]
    record = store.effect(effect.effect_id)
    assert record is not None
    assert (record.status, record.result) == ("done", "late")
    with pytest.raises(CommitConflict):
        store.note(before.id, entry(), f"{before.id}-88")


def test_the_newest_incidents_come_first(store: Store) -> None:
    old, _ = stored(store, new(at=NOW + 100 * MINUTE))
    young, _ = stored(store, new(at=NOW + 101 * MINUTE))
    ids = [incident.id for incident in store.recent(500)]
    if young.opened_at.date() != NOW.date():
        pytest.skip("the list has a shard a day; this run crosses midnight")
    assert ids.index(young.id) < ids.index(old.id)
    assert len(store.recent(1)) == 1


# --- effects -------------------------------------------------------------------------------------


def test_an_effect_has_one_owner_at_a_time(store: Store) -> None:
    _, effect = stored(store)
    first = claimed(store, effect, "a")
    assert (first.record.status, first.record.claims, first.record.owner) == ("claimed", 1, "a")
    assert store.claim(effect.effect_id, "b", LATER + MINUTE, LATER + 5 * MINUTE) is None
    second = claimed(store, effect, "b", LATER + 4 * MINUTE)
    assert second.record.claims == 2
    assert _same(second.record.first_claimed_at, LATER), "adoption looks back to the first claim"


def _same(one: datetime | None, other: datetime) -> bool:
    return one is not None and abs(one - other) < timedelta(milliseconds=1)


def test_an_effect_is_nobodys_before_its_time(store: Store) -> None:
    incident, _ = stored(store)
    later = Effect(f"{incident.id}-09", incident.id, _kind(), incident.node, LATER, {"a": 1})
    moved = replace(incident, version=incident.version + 1, seq=9)
    store.commit(incident, moved, (later,), entry(), None)
    assert store.claim(later.effect_id, "a", NOW, LATER) is None
    assert store.claim(later.effect_id, "a", LATER, LATER + MINUTE) is not None


def _kind() -> Any:
    return new().effects[0].kind


def test_a_deferred_effect_is_given_back_until_its_time(store: Store) -> None:
    _, effect = stored(store)
    first = claimed(store, effect)
    store.defer(first, LATER + 10 * MINUTE)
    record = store.effect(effect.effect_id)
    assert record is not None
    assert (record.status, record.claims, record.owner) == ("pending", 0, None)
    assert store.claim(effect.effect_id, "b", LATER + 9 * MINUTE, LATER + 20 * MINUTE) is None
    assert claimed(store, effect, "b", LATER + 10 * MINUTE).record.claims == 1


def test_a_late_owner_gives_nothing_back(store: Store) -> None:
    _, effect = stored(store)
    late = claimed(store, effect, "late")
    claimed(store, effect, "new", LATER + 5 * MINUTE)
    store.defer(late, LATER)
    record = store.effect(effect.effect_id)
    assert record is not None
    assert (record.status, record.owner) == ("claimed", "new")


def test_a_sent_command_is_found_from_both_sides(store: Store) -> None:
    _, effect = stored(store)
    claimed(store, effect, "a")
    node = effect.node
    command_id = f"c-{effect.effect_id}"
    store.record_command(effect, "a", command_id)
    record = store.effect(effect.effect_id)
    assert record is not None
    assert (record.status, record.command_id) == ("sent", command_id)
    assert store.effect_of_command(node.account, node.region, command_id) == effect.effect_id
    assert store.effect_of_command(node.account, "us-east-1", command_id) is None
    assert store.claim(effect.effect_id, "b", LATER + 60 * MINUTE, LATER + 90 * MINUTE) is None


def test_a_late_owner_records_no_command(store: Store) -> None:
    _, effect = stored(store)
    claimed(store, effect, "late")
    claimed(store, effect, "new", LATER + 5 * MINUTE)
    with pytest.raises(CommitConflict):
        store.record_command(effect, "late", f"late-{effect.effect_id}")
    node = effect.node
    assert store.effect_of_command(node.account, node.region, f"late-{effect.effect_id}") is None


def test_a_found_command_is_recorded_whoever_owns_the_effect(store: Store) -> None:
    _, effect = stored(store)
    claimed(store, effect, "dead")
    store.record_command(effect, None, f"found-{effect.effect_id}")
    record = store.effect(effect.effect_id)
    assert record is not None
    assert record.status == "sent"


def test_what_is_done_stays_done(store: Store) -> None:
    _, effect = stored(store)
    store.finish(effect.effect_id, "x" * 1000)
    record = store.effect(effect.effect_id)
    assert record is not None
    assert (record.status, record.result) == ("done", "x" * 300)
    assert store.claim(effect.effect_id, "a", LATER, LATER + MINUTE) is None
    with pytest.raises(CommitConflict):
        store.record_command(effect, None, "c-9")


def test_an_effect_that_nobody_stored_is_not_made_up(store: Store) -> None:
    ghost = "pm-0000000000000000-01"
    assert store.effect(ghost) is None
    assert store.claim(ghost, "a", NOW, LATER) is None
    with pytest.raises(AwsRejected):
        store.finish(ghost, "done")
    assert store.effect(ghost) is None


# --- locks and attempts --------------------------------------------------------------------------


def some_node() -> NodeRef:
    return NodeRef("123456789012", "ap-northeast-1", f"i-{next(_numbers):017x}")


def test_a_node_has_one_owner_until_it_is_released_or_the_time_is_up(store: Store) -> None:
    node = some_node()
    assert store.take_lock(node, "a", NOW, LATER)
    assert store.take_lock(node, "a", NOW, LATER), "its owner may take it again"
    assert not store.take_lock(node, "b", NOW, LATER)
    assert not store.take_lock(node, "b", LATER, LATER + MINUTE), "up to its last moment"
    assert store.take_lock(node, "b", LATER + MINUTE, LATER + 9 * MINUTE)
    store.release_lock(node, "a")
    assert not store.take_lock(node, "c", LATER + MINUTE, LATER + 9 * MINUTE), "not a's to release"
    store.release_lock(node, "b")
    store.release_lock(node, "b")
    assert store.take_lock(node, "c", LATER + MINUTE, LATER + 9 * MINUTE)


def test_attempts_are_counted_by_node_cause_and_time_without_ones_own(store: Store) -> None:
    node, other, keep = some_node(), some_node(), NOW + timedelta(days=2)
    store.record_attempt(node, "disk-full", "e-1", NOW, keep)
    store.record_attempt(node, "disk-full", "e-1", NOW, keep)
    store.record_attempt(node, "disk-full", "e-2", LATER, keep)
    store.record_attempt(node, "disk-full-2", "e-3", LATER, keep)
    assert store.attempts_since(node, "disk-full", NOW, "e-9") == 2
    assert store.attempts_since(node, "disk-full", NOW, "e-2") == 1
    assert store.attempts_since(node, "disk-full", NOW + timedelta(seconds=1), "e-9") == 1
    assert store.attempts_since(other, "disk-full", NOW, "e-9") == 0


# --- permits, breakers and the fleet -------------------------------------------------------------


def some_pool() -> str:
    return f"pool-{next(_numbers)}"


def take(store: Store, pool: str, owner: str, size: int = 2, at: datetime = NOW) -> bool:
    return store.take_permit(pool, owner, size, at, at + 10 * MINUTE)


def test_a_pool_has_as_many_permits_as_its_size_and_none_twice(store: Store) -> None:
    pool = some_pool()
    assert [take(store, pool, owner) for owner in ("a", "b", "c")] == [True, True, False]
    assert take(store, pool, "a"), "its owner has it already"
    assert store.permits(pool, NOW, "nobody") == 2, "and holds it once"
    assert store.permits(pool, NOW, "a") == 1, "its own is not counted against an owner"
    assert take(store, some_pool(), "c"), "another pool is another pool"


def test_a_permit_is_free_again_when_its_time_is_up(store: Store) -> None:
    pool = some_pool()
    assert take(store, pool, "a", 1)
    assert not take(store, pool, "b", 1, NOW + 9 * MINUTE)
    assert store.permits(pool, NOW + 9 * MINUTE, "b") == 1
    assert store.permits(pool, NOW + 10 * MINUTE, "b") == 0
    assert take(store, pool, "b", 1, NOW + 10 * MINUTE)


def test_a_permit_is_given_back_by_its_owner_alone(store: Store) -> None:
    pool = some_pool()
    assert take(store, pool, "a", 1)
    store.release_permit(pool, "b")
    assert not take(store, pool, "b", 1)
    store.release_permit(pool, "a")
    store.release_permit(pool, "a")
    assert take(store, pool, "b", 1)


def test_an_owner_that_asks_again_keeps_its_permit_for_longer(store: Store) -> None:
    pool = some_pool()
    assert take(store, pool, "a", 1)
    assert take(store, pool, "a", 1, NOW + 5 * MINUTE)
    assert store.permits(pool, NOW + 12 * MINUTE, "b") == 1


def test_a_pool_that_became_smaller_gives_nothing_until_there_is_room(store: Store) -> None:
    pool = some_pool()
    assert all(take(store, pool, owner, 3) for owner in ("a", "b", "c"))
    store.release_permit(pool, "a")
    assert not take(store, pool, "d", 2)
    store.release_permit(pool, "b")
    assert take(store, pool, "d", 2)


def test_many_at_once_get_no_more_permits_than_there_are(store: Store) -> None:
    pool = some_pool()
    with ThreadPoolExecutor(8) as threads:
        got = list(threads.map(lambda n: take(store, pool, f"owner-{n}", 3), range(16)))
    assert sum(got) == store.permits(pool, NOW, "nobody") <= 3


def test_a_breaker_is_written_over_the_revision_that_was_read(store: Store) -> None:
    remedy = f"remedy-{next(_numbers)}"
    fresh = store.breaker(remedy)
    assert fresh == Breaker(remedy)
    failed = replace(fresh, failures=3, opened_at=NOW)
    assert store.save_breaker(failed)
    assert store.breaker(remedy) == replace(failed, revision=1)
    assert not store.save_breaker(replace(fresh, failures=1)), "somebody else wrote meanwhile"
    assert store.save_breaker(replace(store.breaker(remedy), failures=0, opened_at=None))
    assert (store.breaker(remedy).revision, store.breaker(remedy).failures) == (2, 0)
    assert remedy in {breaker.remedy for breaker in store.breakers()}


def test_a_decision_and_the_breaker_are_stored_together_or_not_at_all(store: Store) -> None:
    before, _ = stored(store)
    remedy = f"remedy-{next(_numbers)}"
    moved = replace(before, version=before.version + 1)
    failed = replace(store.breaker(remedy), failures=1)
    store.commit(before, moved, (), entry(), None, failed)
    assert store.breaker(remedy).failures == 1
    again = replace(moved, version=moved.version + 1)
    with pytest.raises(CommitConflict):
        store.commit(moved, again, (), entry(), None, failed)
    assert store.load(before.id) == moved, "a breaker that moved takes the decision with it"
    with pytest.raises(CommitConflict):
        store.commit(before, moved, (), entry(), None, replace(store.breaker(remedy), failures=2))
    assert store.breaker(remedy).failures == 1, "and the other way round"


def test_the_fleet_has_the_size_that_was_counted_last(store: Store) -> None:
    for nodes in (9, 1000):
        store.save_fleet_size(FleetSize(nodes, NOW))
    assert store.fleet_size() == FleetSize(1000, NOW)


# --- what a sweep looks at -----------------------------------------------------------------------


def test_the_sweep_sees_what_is_due_and_nothing_else(store: Store) -> None:
    incident, effect = stored(store)
    assert incident.deadline is not None

    def due(at: datetime) -> tuple[bool, bool]:
        incidents = {i.id for i in store.due_incidents(at, 10_000)}
        effects = {r.effect.effect_id for r in store.due_effects(at, 10_000)}
        return incident.id in incidents, effect.effect_id in effects

    assert due(NOW - MINUTE) == (False, False)
    assert due(NOW) == (False, True)
    assert due(incident.deadline) == (True, True)
    claimed(store, effect, "a", NOW)
    assert due(NOW + MINUTE) == (False, False), "it is being carried out"
    assert due(NOW + 4 * MINUTE) == (False, True), "its owner died"
    store.record_command(effect, "a", f"due-{effect.effect_id}")
    assert due(NOW + 4 * MINUTE) == (False, False), "its command is under way"
    closed = closed_after(incident)
    store.commit(incident, closed, (), entry(), None)
    assert due(incident.deadline) == (False, False)


def test_open_incidents_are_those_with_a_deadline(store: Store) -> None:
    incident, _ = stored(store)
    assert incident.id in {i.id for i in store.open_incidents(10_000)}
    store.commit(incident, closed_after(incident), (), entry(), None)
    assert incident.id not in {i.id for i in store.open_incidents(10_000)}
    assert len(store.open_incidents(1)) <= 1


def test_a_skip_is_recorded(store: Store) -> None:
    store.record_skip("event-1", "i-1", Skip("own-command", "it is ours"), NOW)
    store.record_skip("event-1", "i-1", Skip("own-command", "it is ours"), NOW)


# --- attachments ---------------------------------------------------------------------------------


def test_a_file_comes_back_as_it_was_kept(store: Store) -> None:
    incident, _ = stored(store)
    text = Attachment("02-console.txt", "text/plain", "カーネル\n".encode(), NOW)
    image = Attachment("02-console.jpg", "image/jpeg", bytes(range(256)), NOW)
    for attachment in (text, image):
        store.attach(incident.id, attachment)
    assert store.attachments(incident.id) == (image, text), "in the order of their names"
    assert store.attachments("pm-0000000000000000") == ()
    assert store.load(incident.id) == incident, "the incident itself stays as it was"
    assert len(store.timeline(incident.id)) == 1


def test_the_same_file_is_kept_once(store: Store) -> None:
    incident, _ = stored(store)
    for content in (b"first", b"second"):
        store.attach(incident.id, Attachment("02-console.txt", "text/plain", content, NOW))
    (kept,) = store.attachments(incident.id)
    assert kept.content == b"second"


def test_the_largest_file_fits_and_a_larger_one_is_refused(store: Store) -> None:
    incident, _ = stored(store)
    largest = Attachment("02-console.jpg", "image/jpeg", b"\xff" * ATTACHMENT_BYTES_MAX, NOW)
    store.attach(incident.id, largest)
    assert store.attachments(incident.id) == (largest,)
    with pytest.raises(ValueError, match="300001 bytes"):
        replace(largest, content=b"\xff" * (ATTACHMENT_BYTES_MAX + 1))
