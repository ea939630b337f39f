"""The stages, each over the fakes of the ports: the cases that a simulator meets too seldom."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from incident_samples import classified, signal
from pytest_mock import MockerFixture
from tests.fakes import (
    FakeActions,
    FakeAwsChecks,
    FakeCommands,
    FakeFleet,
    FakeNode,
    FakeNodes,
    FakeNotifier,
    FakeOutputs,
    FakeQueues,
    Fault,
    MemoryStore,
    SimClock,
)
from tests.fakes.fleet import ACCOUNT, NOWHERE, PREFIX, REGION, Timing
from tests.simulation.plan import CALENDAR, OPT_IN, WINDOW, catalogue, policy

from patchmedic.errors import AwsThrottled, AwsUnavailable, NotYetVisible, PatchMedicError
from patchmedic.incident import (
    EffectFailed,
    FailureSeen,
    Incident,
    Observation,
    OperatorDecided,
    RecoverySeen,
    State,
    open_incident,
)
from patchmedic.model import EffectKind, Evidence, Mode, NodeRef, Outcome, Signal, SignalKind
from patchmedic.ports import Claimed, CommandEnded, OutputPlace, TimelineEntry
from patchmedic.stages import classify, collect, diagnose, facts, notify, remediate, sweep
from patchmedic.stages.common import (
    LIVE_POOL,
    Context,
    advance,
    comment_of,
    create,
    effect_id_of,
)

NODE = NodeRef(ACCOUNT, REGION, "i-0a1b2c3d4e5f60001")
DISK = Fault(
    "disk",
    "OSError: [Errno 28] No space left on device",
    "disk-space",
    {"path": "/var", "free_mb": "2", "need_mb": "500", "free_inodes": "9000"},
    frozenset({"Remedy-FreeDiskSpace-Linux"}),
)


@dataclass
class Bench:
    """One stack over one node, with everything in reach of the test."""

    clock: SimClock = field(default_factory=SimClock)
    store: MemoryStore = field(default_factory=MemoryStore)
    queues: FakeQueues = field(default_factory=FakeQueues)
    notifier: FakeNotifier = field(default_factory=FakeNotifier)
    events: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.fleet = FakeFleet(self.clock, self.events.append, lambda document: Timing())
        self.node = self.fleet.add(FakeNode(NODE.node_id, tags=dict([OPT_IN]), faults=[DISK]))
        self.nodes = FakeNodes(self.fleet)
        self.commands = FakeCommands(self.fleet)
        self.outputs = FakeOutputs(self.fleet)
        self.ctx = Context(
            store=self.store,
            queues=self.queues,
            commands=self.commands,
            outputs=self.outputs,
            nodes=self.nodes,
            actions=FakeActions(self.fleet),
            clock=self.clock,
            policy=policy(),
            catalogue=catalogue(),
            prefix=PREFIX,
            opt_in_key=OPT_IN[0],
            opt_in_value=OPT_IN[1],
        )

    def wait(self, seconds: float) -> None:
        """Time passes, and the fleet with it."""
        self.clock.forward(timedelta(seconds=seconds))
        self.fleet.settle()

    def failed_run(self) -> Signal:
        """Somebody's patch run that failed."""
        command = self.fleet.start([NODE.node_id], "AWS-RunPatchBaseline", {"Operation": ["Scan"]})
        self.wait(200)
        return signal(command_id=command.command_id, time=self.clock.now())

    def classify(self, *signals: Signal) -> tuple[classify.Handled, ...]:
        return classify.handle_signals(self.ctx, NoExpander(), signals, last_try=False)

    def incident(self) -> Incident:
        (incident,) = self.store.all()
        return incident

    def diagnosed(self) -> Incident:
        """An incident whose remedy waits to be sent."""
        self.classify(self.failed_run())
        assert "sent" in diagnose.carry_out(self.ctx, FakeAwsChecks(self.fleet), self.awaited())
        self.wait(60)
        self.collect()
        assert self.incident().state is State.REMEDIATING
        return self.incident()

    def awaited(self) -> str:
        awaited = self.incident().awaiting
        assert awaited is not None
        return awaited

    def collect(self, *, last_try: bool = False) -> str:
        """The newest event of one of our commands comes in."""
        ended = CommandEnded(NODE, self.events[-1]["detail"]["command-id"])
        return collect.handle_command(self.ctx, ended, last_try=last_try)

    def sweep(self, *, wide: bool = False) -> sweep.Swept:
        return sweep.sweep(self.ctx, ACCOUNT, REGION, look_for_lost_events=wide)

    def own_commands(self) -> list[str]:
        return [c.document for c in self.fleet.commands.values() if effect_id_of(c.comment)]


class NoExpander:
    """Every event here names its node."""

    def expand(self, signal: Signal) -> Any:
        raise AssertionError(signal)

    def command_of_association(self, signal: Signal) -> str | None:
        raise AssertionError(signal)


def test_the_whole_way_of_one_incident() -> None:
    bench = Bench()
    bench.diagnosed()
    assert "sent" in remediate.carry_out(bench.ctx, bench.awaited())
    bench.wait(60)
    bench.collect()
    assert bench.incident().state is State.VERIFYING
    assert "sent" in remediate.carry_out(bench.ctx, bench.awaited())
    bench.wait(60)
    bench.collect()
    assert bench.incident().outcome is Outcome.RESOLVED
    notify.carry_out(bench.ctx, bench.notifier, f"{bench.incident().id}-04")
    assert [t.notice for t in bench.notifier.told] == ["resolved"]
    assert bench.own_commands() == [
        "patchmedic-Check-Linux",
        "patchmedic-Remedy-FreeDiskSpace-Linux",
        "AWS-RunPatchBaseline",
    ]


# --- classify ------------------------------------------------------------------------------------


def test_a_failure_that_meets_a_closing_incident_opens_its_own() -> None:
    """Between the look at the pointer and the decision, another function resolved the incident."""
    bench = Bench()
    bench.classify(bench.failed_run())
    first = bench.incident()
    bench.wait(180)
    second = bench.failed_run()

    closed: list[str] = []
    store = bench.store
    look = store.open_incident_id

    def look_then_close(node: NodeRef, kind: Any) -> str | None:
        found = look(node, kind)
        if found and not closed:
            closed.append(found)
            before = store.load(found)
            assert before is not None
            after = replace(
                before, state=State.CLOSED, version=before.version + 1, deadline=None, awaiting=None
            )
            store.commit(before, after, (), classify_entry(bench), None)
        return found

    store.open_incident_id = look_then_close  # type: ignore[method-assign]
    (handled,) = bench.classify(second)
    assert handled.incident_id != first.id
    assert len(store.all()) == 2


def classify_entry(bench: Bench) -> Any:
    return TimelineEntry(bench.clock.now(), "test", "closed by another function")


@pytest.mark.parametrize("comment", ["patchmedic test", "patchmedic ", "patchmedic pm-1"])
def test_a_person_who_mentions_us_in_a_comment_hides_no_failure(comment: str) -> None:
    bench = Bench()
    command = bench.fleet.start([NODE.node_id], "AWS-RunPatchBaseline", {}, comment)
    bench.wait(60)
    (handled,) = bench.classify(signal(command_id=command.command_id, time=bench.clock.now()))
    assert handled.incident_id is not None


def test_our_own_command_is_known_by_its_comment_before_its_id_is_recorded() -> None:
    bench = Bench()
    incident = bench.diagnosed()
    comment = f"patchmedic {incident.id}-02"
    own = bench.fleet.start([NODE.node_id], "AWS-RunPatchBaseline", {}, comment)
    bench.wait(200)
    (handled,) = bench.classify(signal(command_id=own.command_id, time=bench.clock.now()))
    assert handled.skipped is not None
    assert handled.skipped.rule == "own-command"


# --- remediate -----------------------------------------------------------------------------------


def test_a_stack_that_no_longer_is_in_auto_mode_sends_nothing() -> None:
    """The mode was changed between the decision and the command."""
    bench = Bench()
    bench.diagnosed()
    ctx = replace(bench.ctx, policy=replace(bench.ctx.policy, mode=Mode.RECOMMEND))
    remediate.carry_out(ctx, bench.awaited())
    assert bench.own_commands() == ["patchmedic-Check-Linux"]
    assert bench.incident().outcome is Outcome.RECOMMENDED


def test_a_doubled_message_of_a_deferred_effect_is_not_passed_on() -> None:
    """Else every doubled message would live as long as the node is busy, and sweep adds more."""
    bench = Bench()
    bench.diagnosed()
    bench.fleet.start([NODE.node_id], "AWS-RunPatchBaseline", {})
    bench.wait(3)
    assert "deferred" in remediate.carry_out(bench.ctx, bench.awaited())
    sent = len(bench.queues.sent)
    bench.wait(1)
    assert remediate.carry_out(bench.ctx, bench.awaited()) == "nothing to do"
    assert len(bench.queues.sent) == sent
    bench.wait(bench.ctx.policy.limits.defer_wait_seconds + 60)
    assert "sent" in remediate.carry_out(bench.ctx, bench.awaited())


def test_a_refused_effect_gives_back_the_lock_that_a_dead_owner_took() -> None:
    bench = Bench()
    bench.diagnosed()
    effect_id = bench.awaited()
    now = bench.clock.now()
    bench.store.claim(effect_id, "dead", now, now + timedelta(seconds=180))
    bench.store.take_lock(NODE, effect_id, now, now + timedelta(hours=2))
    bench.wait(200)
    bench.node.tags.clear()
    remediate.carry_out(bench.ctx, effect_id)
    assert bench.incident().reason is not None
    assert bench.incident().reason.rule == "opt-in"  # type: ignore[union-attr]
    assert bench.store.take_lock(NODE, "other", bench.clock.now(), bench.clock.now())


# --- what the policy says "not yet" to -----------------------------------------------------------


def disrupting(bench: Bench) -> None:
    """Make the remedy of this bench's fault one that disrupts its node."""
    remedies = dict(bench.ctx.policy.remedies)
    remedies["free-disk-space"] = replace(remedies["free-disk-space"], disrupts=True)
    bench.ctx = replace(bench.ctx, policy=replace(bench.ctx.policy, remedies=remedies))
    bench.nodes.calendars[CALENDAR] = "OPEN"
    bench.nodes.windows[WINDOW] = True


def look_again(bench: Bench) -> str:
    bench.wait(bench.ctx.policy.limits.window_look_again_seconds)
    return remediate.carry_out(bench.ctx, bench.awaited())


def test_a_remedy_waits_for_its_window_tells_so_once_and_then_runs() -> None:
    bench = Bench()
    disrupting(bench)
    bench.nodes.windows[WINDOW] = False
    bench.diagnosed()
    effect_id = bench.awaited()
    assert remediate.carry_out(bench.ctx, effect_id).startswith("deferred: window-closed")
    assert look_again(bench).startswith("deferred: window-closed")
    bench.nodes.calendars[CALENDAR] = "CLOSED"
    bench.nodes.windows[WINDOW] = True
    assert look_again(bench).startswith("deferred: freeze"), "a freeze beats a window"
    lines = [line.text for line in bench.store.timeline(bench.incident().id)]
    assert sum("waits (window-closed)" in line for line in lines) == 1
    assert sum("waits (freeze)" in line for line in lines) == 1
    assert bench.store.take_lock(NODE, "other", bench.clock.now(), bench.clock.now()), "it is free"
    bench.wait(1)
    assert bench.store.permits(facts.HOUR_POOL, bench.clock.now(), "") == 0
    bench.nodes.calendars[CALENDAR] = "OPEN"
    assert look_again(bench).startswith("sent")
    assert bench.incident().waiting is None
    record = bench.store.effect(effect_id)
    assert record is not None
    assert record.claims == 1, "no wait looks like a dead owner"


def test_a_wait_has_an_end_and_the_reason_says_what_it_waited_for() -> None:
    bench = Bench()
    disrupting(bench)
    bench.nodes.windows[WINDOW] = False
    bench.diagnosed()
    remediate.carry_out(bench.ctx, bench.awaited())
    hours = bench.ctx.policy.limits.window_wait_hours
    bench.wait(hours * 3600)
    assert bench.sweep().overdue == 0, "the sweep leaves a wait alone until its end"
    remediate.carry_out(bench.ctx, bench.awaited())
    incident = bench.incident()
    assert incident.reason is not None
    assert (incident.outcome, incident.reason.rule) == (Outcome.ESCALATED, "window-closed")
    assert "it waited until" in incident.reason.detail
    assert "Remedy-FreeDiskSpace" not in str(bench.own_commands())


def test_a_node_that_recovers_while_its_remedy_waits_is_left_alone() -> None:
    bench = Bench()
    disrupting(bench)
    bench.nodes.windows[WINDOW] = False
    bench.diagnosed()
    effect_id = bench.awaited()
    remediate.carry_out(bench.ctx, effect_id)
    bench.node.faults.clear()
    command = bench.fleet.start([NODE.node_id], "AWS-RunPatchBaseline", {"Operation": ["Scan"]})
    bench.wait(200)
    later = replace(
        signal(command_id=command.command_id, time=bench.clock.now()),
        kind=SignalKind.PATCH_COMMAND_SUCCEEDED,
        status="Success",
    )
    bench.classify(later)
    assert bench.incident().outcome is Outcome.RESOLVED
    bench.nodes.windows[WINDOW] = True
    bench.wait(300)
    assert remediate.carry_out(bench.ctx, effect_id) == "nothing to do"
    assert "Remedy-FreeDiskSpace" not in str(bench.own_commands())


def test_a_node_that_recovers_in_the_last_moment_of_a_wait_is_left_alone() -> None:
    bench = Bench()
    disrupting(bench)
    bench.nodes.windows[WINDOW] = False
    bench.diagnosed()
    effect_id = bench.awaited()
    remediate.carry_out(bench.ctx, effect_id)
    bench.nodes.windows[WINDOW] = True
    real = bench.store.take_lock

    def close_then_lock(*arguments: Any) -> bool:
        before = bench.incident()
        after = replace(
            before, state=State.CLOSED, version=before.version + 1, deadline=None, awaiting=None
        )
        bench.store.commit(before, after, (), classify_entry(bench), None)
        return real(*arguments)

    bench.store.take_lock = close_then_lock  # type: ignore[method-assign]
    bench.wait(300)
    assert "nobody needs it" in remediate.carry_out(bench.ctx, effect_id)
    assert "Remedy-FreeDiskSpace" not in str(bench.own_commands())
    assert bench.store.permits(LIVE_POOL, bench.clock.now(), "") == 0


def test_the_last_place_goes_to_one_and_the_other_waits_with_nothing_in_hand() -> None:
    bench = Bench()
    bench.diagnosed()
    now = bench.clock.now()
    real = bench.store.take_permit

    def another_is_faster(pool: str, owner: str, size: int, *times: Any) -> bool:
        if pool == LIVE_POOL:
            real(pool, "another", size, *times)
        return real(pool, owner, size, *times)

    bench.store.take_permit = another_is_faster  # type: ignore[method-assign]
    done = remediate.carry_out(bench.ctx, bench.awaited())
    assert done.startswith("deferred: live-actions: others took the last place")
    assert bench.store.permits(facts.HOUR_POOL, now, "") == 0
    assert bench.store.take_lock(NODE, "other", now, now)


@pytest.mark.parametrize("read", ["permits", "breaker", "attempts_since", "fleet_size"])
def test_a_counter_that_cannot_be_read_lets_nothing_out(read: str) -> None:
    bench = Bench()
    bench.diagnosed()

    def broken(*_: Any) -> Any:
        raise AwsUnavailable(read, "InternalServerError", "try again")

    setattr(bench.store, read, broken)
    done = remediate.carry_out(bench.ctx, bench.awaited())
    if read == "fleet_size":
        assert done.startswith("sent"), "the first one at a time"
        return
    assert done.startswith("deferred: "), done
    assert "Remedy-FreeDiskSpace" not in str(bench.own_commands())


def test_runs_that_do_not_help_stop_the_remedy_for_all_and_the_sweep_counts_it() -> None:
    bench = Bench()
    bench.diagnosed()
    limits = bench.ctx.policy.limits
    before = bench.store.breaker("free-disk-space")
    bench.store.save_breaker(replace(before, failures=limits.breaker_failures_max - 1))
    bench.node.faults[:] = [replace(DISK, removed_by=frozenset())]
    remediate.carry_out(bench.ctx, bench.awaited())
    bench.wait(60)
    bench.collect()
    remediate.carry_out(bench.ctx, bench.awaited())
    assert bench.sweep().stopped == ()
    bench.wait(200)
    bench.collect()
    assert bench.store.breaker("free-disk-space").opened_at == bench.clock.now()
    assert bench.sweep().stopped == ("free-disk-space",)


def test_a_command_whose_sender_died_is_adopted_and_not_sent_again() -> None:
    bench = Bench()
    bench.diagnosed()
    effect_id = bench.awaited()

    def record_then_die(*_: object) -> None:
        raise AwsUnavailable("TransactWriteItems", "InternalServerError", "gone")

    dying = MemoryStore.record_command
    bench.store.record_command = record_then_die  # type: ignore[assignment]
    with pytest.raises(PatchMedicError):
        remediate.carry_out(bench.ctx, effect_id)
    del bench.store.record_command
    assert bench.store.record_command.__func__ is dying
    assert remediate.carry_out(bench.ctx, effect_id) == "nothing to do", "its lease still holds"
    bench.wait(200)
    assert "adopted" in remediate.carry_out(bench.ctx, effect_id)
    assert bench.own_commands().count("patchmedic-Remedy-FreeDiskSpace-Linux") == 1


# --- sweep ---------------------------------------------------------------------------------------


def test_a_live_command_keeps_its_lock_when_its_incident_no_longer_waits() -> None:
    bench = Bench()
    bench.diagnosed()
    effect_id = bench.awaited()
    remediate.carry_out(bench.ctx, effect_id)
    bench.wait(3)
    bench.fleet.commands[list(bench.fleet.commands)[-1]].runs[NODE.node_id].timeout *= 100
    bench.fleet.kill(NODE.node_id)
    deadline = bench.incident().deadline
    assert deadline is not None
    bench.clock.forward_to(deadline)
    bench.store.take_lock(NODE, effect_id, deadline, deadline + timedelta(hours=1))
    bench.sweep()
    assert bench.incident().reason is not None
    assert bench.incident().reason.rule == "remedy-lost"  # type: ignore[union-attr]
    assert not bench.store.take_lock(NODE, "other", deadline, deadline + timedelta(hours=1))


def test_an_effect_that_nobody_carried_out_gives_its_lock_back() -> None:
    bench = Bench()
    bench.diagnosed()
    effect_id = bench.awaited()
    deadline = bench.incident().deadline
    assert deadline is not None
    bench.store.take_lock(NODE, effect_id, bench.clock.now(), deadline + timedelta(hours=1))
    bench.clock.forward_to(deadline)
    bench.sweep()
    assert bench.incident().state is State.HANDED_OVER
    assert bench.store.take_lock(NODE, "other", deadline, deadline)


def test_a_node_that_cannot_be_read_keeps_no_other_waiting() -> None:
    bench = Bench()
    lost = signal(kind=SignalKind.PING_LOST, command_id=None, last_ping=bench.clock.now())
    for number in (1, 2):
        one = replace(lost, node_id=f"i-0a1b2c3d4e5f6{number:04x}", time=bench.clock.now())
        bench.fleet.nodes.get(one.node_id or "") or bench.fleet.add(FakeNode(str(one.node_id)))
        opened = open_incident(
            FailureSeen(one, Evidence(), classified("unknown")), bench.ctx.policy, bench.clock.now()
        )
        create(bench.ctx, opened, "test")
    bench.wait(600)
    failing = bench.nodes.info

    def info(node: NodeRef) -> Any:
        if node == NODE:
            raise AwsUnavailable("DescribeInstanceInformation", "InternalServerError", "gone")
        return failing(node)

    bench.nodes.info = info  # type: ignore[method-assign]
    bench.failed_run()
    swept = bench.sweep(wide=True)
    assert (swept.restored, swept.found) == (1, 1)
    assert swept.failed >= 1


def test_a_failure_found_by_the_sweep_carries_the_time_at_which_its_run_began() -> None:
    """Else a success between the failure and the sweep would count as older than the failure."""
    bench = Bench()
    failed = bench.failed_run()
    assert failed.command_id is not None
    began = bench.fleet.commands[failed.command_id].requested_at
    bench.wait(3600)
    assert bench.sweep(wide=True).found == 1
    (event,) = [json.loads(m.body) for m in bench.queues.sent if m.queue == "signals"]
    assert datetime.fromisoformat(event["time"]) == began.replace(microsecond=0)


# --- notify --------------------------------------------------------------------------------------


def paged_and_resolved(bench: Bench) -> tuple[str, str]:
    """An incident that paged and was resolved before its first message went out."""
    failed = open_incident(
        FailureSeen(
            replace(signal(), time=bench.clock.now()),
            Evidence(platform="linux"),
            classified("s3-unreachable"),
        ),
        bench.ctx.policy,
        bench.clock.now(),
    )
    create(bench.ctx, failed, "test")
    first = failed.incident
    assert first.awaiting is not None
    trigger = advance(bench.ctx, first.id, EffectFailed(first.awaiting, "no answer"), "test")
    bench.wait(60)
    seen = Observation("patch-state", bench.clock.now(), True, "Install", "fine")
    resolve = advance(bench.ctx, first.id, RecoverySeen(signal(), seen), "test")
    (page,), (over,) = trigger.effects, resolve.effects
    assert (page.payload["page"], over.payload["page"]) == ("trigger", "resolve")
    assert page.kind is EffectKind.NOTIFY
    return page.effect_id, over.effect_id


def test_a_page_that_comes_too_late_is_not_sent_any_more() -> None:
    bench = Bench()
    trigger, resolve = paged_and_resolved(bench)
    notify.carry_out(bench.ctx, bench.notifier, trigger)
    notify.carry_out(bench.ctx, bench.notifier, resolve)
    assert [t.page for t in bench.notifier.told] == [None, "resolve"]


def test_a_resolve_waits_for_the_page_that_is_being_sent() -> None:
    """The page's sender may be anywhere between its look and its call."""
    bench = Bench()
    trigger, resolve = paged_and_resolved(bench)
    now = bench.clock.now()
    held = bench.store.claim(trigger, "slow", now, now + timedelta(seconds=180))
    assert isinstance(held, Claimed)
    assert "waits" in notify.carry_out(bench.ctx, bench.notifier, resolve)
    bench.store.finish(trigger, "sent")
    bench.wait(120)
    notify.carry_out(bench.ctx, bench.notifier, resolve)
    assert [t.page for t in bench.notifier.told] == ["resolve"]


# --- advance -------------------------------------------------------------------------------------


def test_an_incident_that_is_gone_fails_its_own_message_only() -> None:
    bench = Bench()
    with pytest.raises(PatchMedicError, match="not in the table"):
        advance(bench.ctx, "pm-0000000000000000", OperatorDecided(True, "op"), "test")


def test_the_comment_is_read_back_as_the_effect_id_it_was_made_of() -> None:
    bench = Bench()
    bench.classify(bench.failed_run())
    record = bench.store.effect(bench.awaited())
    assert record is not None
    assert effect_id_of(comment_of(record.effect)) == record.effect.effect_id


def test_a_result_that_is_not_shown_yet_is_looked_at_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The patch state can lag behind the command: judging the old one would page somebody."""
    bench = Bench()
    bench.diagnosed()
    remediate.carry_out(bench.ctx, bench.awaited())
    bench.wait(60)
    bench.collect()
    remediate.carry_out(bench.ctx, bench.awaited())
    bench.wait(60)
    with monkeypatch.context() as lagging:
        lagging.setattr(bench.nodes, "patch_state", lambda node: None)
        with pytest.raises(NotYetVisible):
            bench.collect()
        assert bench.incident().state is State.VERIFYING
    bench.collect()
    assert bench.incident().outcome is Outcome.RESOLVED


def test_the_last_look_is_judged_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    bench.diagnosed()
    remediate.carry_out(bench.ctx, bench.awaited())
    bench.wait(60)
    bench.collect()
    remediate.carry_out(bench.ctx, bench.awaited())
    bench.wait(60)
    monkeypatch.setattr(bench.nodes, "patch_state", lambda node: None)
    bench.collect(last_try=True)
    assert bench.incident().state is State.REMEDIATING, "not fixed: the next remedy is tried"


def test_nothing_is_sent_to_a_node_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    bench.diagnosed()
    sent = bench.own_commands()
    monkeypatch.setattr(bench.nodes, "info", lambda node: None)
    remediate.carry_out(bench.ctx, bench.awaited())
    assert bench.own_commands() == sent
    reason = bench.incident().reason
    assert reason is not None
    assert reason.rule == "node-unreachable"


def test_a_remedy_that_an_update_took_away_is_refused_by_name() -> None:
    """Its effect was committed before the update; nothing is sent, and a person is told why."""
    bench = Bench()
    bench.diagnosed()
    sent = bench.own_commands()
    bench.ctx = replace(bench.ctx, policy=replace(bench.ctx.policy, remedies={}))
    remediate.carry_out(bench.ctx, bench.awaited())
    assert bench.own_commands() == sent
    reason = bench.incident().reason
    assert reason is not None
    assert reason.rule == "no-remedy"
    assert bench.incident().outcome is Outcome.ESCALATED


def test_a_command_on_many_nodes_is_read_once_however_many_messages_tell_of_it(
    mocker: MockerFixture,
) -> None:
    bench = Bench()
    ids = [f"i-0a1b2c3d4e5f7{n:04x}" for n in range(12)]
    for node_id in ids:
        bench.fleet.add(FakeNode(node_id, tags=dict([OPT_IN]), faults=[DISK]))
    run = bench.fleet.start(ids, "AWS-RunPatchBaseline", {"Operation": ["Scan"]})
    bench.wait(200)
    at = bench.clock.now()
    signals = [replace(signal(command_id=run.command_id, time=at), node_id=i) for i in ids]
    describe, pages, single = (
        mocker.spy(bench.commands, name) for name in ("describe", "invocations", "invocation")
    )
    batch = classify.Batch()
    batch.note(signals)
    for one in signals:
        classify.handle_signals(bench.ctx, NoExpander(), [one], last_try=False, batch=batch)
    assert len(bench.store.all()) == len(ids)
    describe.assert_called_once()
    pages.assert_called_once()
    single.assert_not_called()


# --- outputs of which Run Command returns only the beginning -------------------------------------

BUCKET = OutputPlace(bucket="patch-logs")
MUCH = 2_000
"""Lines of chatter: far more than Run Command returns."""


def long_run(bench: Bench, output: OutputPlace = NOWHERE) -> Signal:
    """Somebody's patch run that says much before it says why it failed."""
    bench.node.chatter_lines = MUCH
    command = bench.fleet.start(
        [NODE.node_id], "AWS-RunPatchBaseline", {"Operation": ["Scan"]}, output=output
    )
    bench.wait(200)
    return signal(command_id=command.command_id, time=bench.clock.now())


def readable(bench: Bench, *places: str) -> None:
    bench.ctx = replace(bench.ctx, outputs=FakeOutputs(bench.fleet, places))


def test_the_end_of_a_cut_output_is_read_where_it_was_sent() -> None:
    bench = Bench()
    readable(bench, "patch-logs")
    bench.classify(long_run(bench, BUCKET))
    incident = bench.incident()
    assert incident.classification.cause == "disk-full"
    assert [line.stream for line in incident.classification.candidates[0].lines] == ["stdout tail"]
    assert not incident.evidence.truncated
    assert incident.evidence.notes == ()
    assert "patch-log-tail" not in asked_checks(bench)


def asked_checks(bench: Bench) -> list[str]:
    record = bench.store.effect(bench.awaited())
    assert record is not None
    return [str(name) for name in record.effect.payload["checks"]]


def test_an_output_that_is_whole_is_looked_for_nowhere(mocker: MockerFixture) -> None:
    bench = Bench()
    ends = mocker.spy(bench.outputs, "ends")
    bench.classify(bench.failed_run())
    ends.assert_not_called()
    assert "patch-log-tail" not in asked_checks(bench)


def test_the_node_is_asked_for_the_end_and_its_answer_is_read() -> None:
    bench = Bench()
    bench.classify(long_run(bench))
    first = bench.incident()
    assert first.classification.cause == "unknown"
    assert first.evidence.truncated
    assert any("it went nowhere" in note for note in first.evidence.notes)
    assert "patch-log-tail" in asked_checks(bench)
    diagnose.carry_out(bench.ctx, FakeAwsChecks(bench.fleet), bench.awaited())
    bench.wait(60)
    bench.collect()
    incident = bench.incident()
    assert incident.classification.cause == "disk-full", "the tail is read, not only shown"
    assert not incident.evidence.truncated
    assert "left out here, the end follows]" in incident.evidence.stdout
    assert incident.evidence.stdout.startswith(first.evidence.stdout[:1_000])
    assert incident.state is State.REMEDIATING


def test_secrets_in_the_end_that_a_node_sends_are_masked() -> None:
    bench = Bench()
    told = f"password=hunter2hunter2\n{DISK.line}"
    bench.node.faults = [replace(DISK, line=told)]
    bench.classify(long_run(bench))
    diagnose.carry_out(bench.ctx, FakeAwsChecks(bench.fleet), bench.awaited())
    bench.wait(60)
    bench.collect()
    assert bench.incident().classification.cause == "disk-full"
    assert "hunter2" not in bench.incident().evidence.stdout


def test_the_end_of_a_later_run_is_not_taken_for_the_failed_ones() -> None:
    bench = Bench()
    bench.classify(long_run(bench))
    before = bench.incident().evidence
    bench.wait(300)
    bench.fleet.start([NODE.node_id], "AWS-RunPatchBaseline", {"Operation": ["Scan"]})
    bench.wait(200)
    diagnose.carry_out(bench.ctx, FakeAwsChecks(bench.fleet), bench.awaited())
    bench.wait(60)
    bench.collect()
    assert bench.incident().evidence == before


def test_a_closed_place_is_knocked_at_once_for_all_nodes_of_a_command(
    mocker: MockerFixture,
) -> None:
    bench = Bench()
    ids = [f"i-0a1b2c3d4e5f7{n:04x}" for n in range(6)]
    for node_id in ids:
        bench.fleet.add(FakeNode(node_id, faults=[DISK], chatter_lines=MUCH))
    run = bench.fleet.start(ids, "AWS-RunPatchBaseline", {"Operation": ["Scan"]}, output=BUCKET)
    bench.wait(200)
    at = bench.clock.now()
    ends = mocker.spy(bench.outputs, "ends")
    bench.classify(*(replace(signal(command_id=run.command_id, time=at), node_id=i) for i in ids))
    ends.assert_called_once()
    for incident in bench.store.all():
        assert any("none that the stack may read" in note for note in incident.evidence.notes)


def test_a_page_that_names_the_cause_is_not_followed_up(mocker: MockerFixture) -> None:
    """A storm: thousands of nodes of one run, each with a page that decides."""
    bench = Bench()
    readable(bench, "patch-logs")
    ids = [f"i-0a1b2c3d4e5f7{n:04x}" for n in range(6)]
    early = replace(DISK, line="\n".join([DISK.line, *["  cleaning up"] * 400]))
    for node_id in ids:
        bench.fleet.add(FakeNode(node_id, faults=[early]))
    run = bench.fleet.start(ids, "AWS-RunPatchBaseline", {"Operation": ["Scan"]}, output=BUCKET)
    bench.wait(200)
    at = bench.clock.now()
    single = mocker.spy(bench.commands, "invocation")
    signals = [replace(signal(command_id=run.command_id, time=at), node_id=i) for i in ids]
    batch = classify.Batch()
    batch.note(signals)
    classify.handle_signals(bench.ctx, NoExpander(), signals, last_try=False, batch=batch)
    assert {i.classification.cause for i in bench.store.all()} == {"disk-full"}
    single.assert_not_called()


# --- associations --------------------------------------------------------------------------------


class Throttled(NoExpander):
    """State Manager is asked too much."""

    def command_of_association(self, signal: Signal) -> str | None:
        raise AwsThrottled("DescribeAssociationExecutions", "ThrottlingException", "m")


def test_a_throttled_look_up_defers_the_signal_and_never_loses_it() -> None:
    bench = Bench()
    told = signal(
        kind=SignalKind.ASSOCIATION_FAILED,
        command_id=None,
        association_id="8dfe3659-4309-493a-8755-0123456789ab",
        time=bench.clock.now(),
    )
    with pytest.raises(AwsThrottled):
        classify.handle_signals(bench.ctx, Throttled(), [told], last_try=False)
    assert not bench.store.all(), "the message comes back"
    (handled,) = classify.handle_signals(bench.ctx, Throttled(), [told], last_try=True)
    assert handled.incident_id == bench.incident().id
