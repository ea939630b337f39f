"""One simulated world: a fleet, the queues, the eight functions, and everything that goes wrong.

One seed draws all of it.  Time jumps from one due thing to the next: a message is delivered, a
command ends, the schedule ticks, a person does something.  A function runs when its trigger comes,
through ``Seam`` at every call; between two calls of one function others may run, as they do in
Lambda, so that a race is a matter of the seed and not of luck.

Phase 1: every fault that the seed allows is on, and the checkers run after each call.  Phase 2:
no faults any more; on the clock of the sweep, everything has to come to an end within a bound.
"""

from __future__ import annotations

import functools
import heapq
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

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
    MemoryStore,
    SimClock,
)
from tests.fakes.fleet import ACCOUNT, PREFIX, REGION, Command, Timing
from tests.fakes.queues import Sent
from tests.simulation import action_checkers, policy_checkers
from tests.simulation.action_checkers import Act
from tests.simulation.checkers import AFTER_EACH_CALL, AT_THE_END
from tests.simulation.plan import CALENDAR, OPT_IN, WINDOW, catalogue, draw_fault, policy
from tests.simulation.policy_checkers import Run
from tests.simulation.seams import Call, Fate, Invocation, Seam, SimCrash

from patchmedic.errors import PatchMedicError
from patchmedic.model import Effect, NodeRef, Signal
from patchmedic.ports import CommandEnded
from patchmedic.signals import PATCH_DOCUMENTS, PING_LOST_TYPE, parse_event
from patchmedic.stages import approve, classify, collect, diagnose, notify, remediate, sweep, watch
from patchmedic.stages.common import Context, effect_id_of
from patchmedic.triggers import LAST_RECEIVE, parse_command_ended, parse_effect

FAULTS_LAST = timedelta(hours=3)
SETTLED_WITHIN = timedelta(hours=14)
"""Two remedies with their verifications, and a proposal that nobody answers, one after another."""
FUNCTION_TIMEOUT = timedelta(seconds=120)
RECEIVES_MAX = 5
NESTED_MAX = 3
SWEEP_EVERY = timedelta(minutes=1)
WATCH_EVERY = timedelta(minutes=5)
LOST_EVENTS_EVERY_MINUTES = 10
COLLECTED = ("AWS-RunPatchBaseline", "AWS-RunPatchBaselineAssociation", "AWS-UpdateSSMAgent")
"""Documents of AWS's whose ends the rule sends to the results queue, with our own."""
LIST_NAME = "baseline_overrides.json"
CHATTER_LINES = 1_000
"""Enough for Run Command to return only the beginning of what a run prints."""
READS_THAT_LAG = ("nodes.tags", "nodes.patch_state", "nodes.info", "commands.running_on")


@dataclass(frozen=True, slots=True)
class Weather:
    """How bad it gets: the probabilities of one seed (some seeds spare some faults)."""

    crash: float
    fail: float
    throttle: float
    stale: float
    between: float
    """Others run between two calls."""
    drop: float
    double: float
    late: float
    people: float
    """How busy people are: patch runs, tags, switches, approvals."""
    chatter: float = 0.0
    """How many nodes print much before they come to the point."""
    more_nodes: int = 0
    """Beside the one to three of every world."""
    usual: str | None = None
    """The fault that this fleet has again and again; ``None``: the seed draws it."""
    customs: str = "usual"
    """What people do (``_CUSTOMS``)."""

    @staticmethod
    def draw(rng: random.Random) -> Weather:
        def some(most: float) -> float:
            return rng.choice([0.0, most / 4, most])

        return Weather(
            crash=some(0.03),
            fail=some(0.03),
            throttle=some(0.03),
            stale=some(0.15),
            between=some(0.08),
            drop=some(0.4),
            double=some(0.3),
            late=some(0.5),
            people=rng.choice([0.5, 1.0, 2.0]),
        )


STORM = Weather(
    crash=0.03,
    fail=0.03,
    throttle=0.03,
    stale=0.15,
    between=0.15,
    drop=0.3,
    double=0.5,
    late=0.5,
    people=2.0,
)
"""Everything at once: what the tests of the checkers use, so that few seeds are enough."""
CROWD = replace(STORM, crash=0, fail=0, throttle=0, between=0.5, double=1.0, drop=0, late=0)
"""Nothing fails, but everything comes twice and at once: races."""
RACES = replace(CROWD, people=4.0)
"""The same with hasty people."""
DEATHS = replace(STORM, crash=0.1, drop=0.7, more_nodes=3)
"""Functions die all the time, and hardly an event arrives."""
CALM = Weather(0, 0, 0, 0, 0, 0, 0, 0, 0)
HASTE = replace(CALM, people=4.0)
"""All machinery works; people break the same nodes again and again."""
OUTBREAK = replace(CALM, people=2.0, more_nodes=7, usual="disk", customs="outbreak")
"""A larger fleet, all of it with one trouble: what the limits of the whole stack are for."""
HANGS = replace(CALM, people=4.0, customs="hangs")
"""Operating systems hang again and again, and people approve every reboot."""


@dataclass(order=True, slots=True)
class _Due:
    at: datetime
    number: int
    what: Callable[[], None] = field(compare=False)


class World:
    """Everything, from one seed."""

    prefix = PREFIX

    def __init__(self, seed: int, weather: Weather | None = None) -> None:
        self.rng = random.Random(seed)
        drawn = Weather.draw(self.rng)
        # Drawn apart, so that the worlds in which nobody chatters stay what they were.
        chatter = random.Random(-seed - 1).choice([0.0, 0.2, 0.6])
        self.weather = weather or replace(drawn, chatter=chatter)
        drawn_fault = self.rng.choice([None, None, "lock", "disk", "network"])
        self.usual_fault = self.weather.usual or drawn_fault
        """Some fleets have one and the same trouble again and again."""
        self.clock = SimClock()
        self.start = self.clock.now()
        self.policy = policy()
        self.store = MemoryStore(stale=lambda: self.rng.random() < self.weather.stale)
        self.fleet = FakeFleet(self.clock, self._on_event, self._timing)
        self.fleet.checks_lag = timedelta(minutes=10)
        self.nodes = FakeNodes(self.fleet)
        self.commands = FakeCommands(self.fleet)
        self.actions = FakeActions(self.fleet)
        self.acted: list[Act] = []
        self.runs: dict[str, list[Run]] = {}
        self.nodes.calendars[CALENDAR] = "OPEN"
        self.nodes.windows[WINDOW] = True
        self.outputs = FakeOutputs(self.fleet)
        self.notifier = FakeNotifier()
        self.queues = FakeQueues(on_send=self._on_send)
        self.aws_checks = FakeAwsChecks(self.fleet)
        self.calls = 0
        self.fates: Counter[str] = Counter()
        self.invocations = 0
        self.dead_letters: list[tuple[str, str]] = []
        self._queue: list[_Due] = []
        self._numbers = 0
        self._depth = 0
        self._messages_out = 0
        self._seen: dict[tuple[Any, ...], Any] = {}
        self._build()

    # --- running -------------------------------------------------------------------------------

    def run(self) -> None:
        """Both phases; a ``Violation`` when something does not hold."""
        end = self.start + FAULTS_LAST
        while self.clock.now() < end:
            self._step()
        self._calm_down()
        bound = self.clock.now() + SETTLED_WITHIN
        earliest = self.clock.now() + timedelta(minutes=2 * LOST_EVENTS_EVERY_MINUTES)
        while self.clock.now() < earliest or (not self._settled() and self.clock.now() < bound):
            self._step()
        for check in AT_THE_END:
            check(self)

    def _step(self) -> None:
        due = self._queue[0].at if self._queue else None
        fleet = self.fleet.next_at()
        if fleet is not None and (due is None or fleet <= due):
            self.clock.forward_to(fleet)
            self.fleet.settle()
            return
        assert due is not None, "the schedules always tick"
        entry = heapq.heappop(self._queue)
        self.clock.forward_to(entry.at)
        self.fleet.settle()
        entry.what()

    def _pump(self, until: datetime) -> None:
        """Others run while one function waits for an answer."""
        while self._queue and self._queue[0].at <= until:
            self._step()
        self.clock.forward_to(until)
        self.fleet.settle()

    def after(self, wait: timedelta, what: Callable[[], None]) -> None:
        """Let something happen later."""
        self._numbers += 1
        heapq.heappush(self._queue, _Due(self.clock.now() + wait, self._numbers, what))

    def _calm_down(self) -> None:
        """Phase 2: no more faults; nodes are reachable or stay away for good."""
        self.weather = CALM
        self.nodes.kill_switch_value = "run"
        self.nodes.calendars[CALENDAR] = "OPEN"
        self.nodes.windows[WINDOW] = True

    def _settled(self) -> bool:
        return (
            self._messages_out == 0
            and not self.store.due_effects(self.clock.now() + timedelta(days=1), 1)
            and all(i.outcome is not None for i in self.store.all())
            and self.fleet.next_at() is None
        )

    # --- what the checkers ask -----------------------------------------------------------------

    def failures(self) -> Iterator[tuple[NodeRef, Command]]:
        """Every patch run of somebody else that failed on a node."""
        for command in self.fleet.commands.values():
            if command.document in PATCH_DOCUMENTS and not effect_id_of(command.comment):
                for run in command.runs.values():
                    if run.status in ("Failed", "TimedOut", "Cancelled"):
                        yield NodeRef(ACCOUNT, REGION, run.node_id), command

    def cause_of(self, command: Command) -> str:
        """The cause that one of our remedies was sent for, as its stored intent says."""
        record = self.store.effect(effect_id_of(command.comment) or "")
        return str(record.effect.payload["cause"]) if record else "?"

    def effects_of(self, incident_id: str) -> list[Effect]:
        """Every effect that an incident ever had."""
        incident = self.store.load(incident_id)
        assert incident is not None, "asked for an incident of the store"
        records = [self.store.effect(f"{incident_id}-{n:02d}") for n in range(1, incident.seq + 1)]
        return [record.effect for record in records if record]

    # --- one function --------------------------------------------------------------------------

    def invoke(self, function: str, work: Callable[[Context, Invocation], object]) -> bool:
        """Run a function to its end; false when its trigger must come again."""
        self.invocations += 1
        invocation = Invocation(self.invocations, function, self.clock.now())
        self._depth += 1
        try:
            work(self._context(invocation), invocation)
        except (PatchMedicError, SimCrash):
            return False
        finally:
            self._depth -= 1
        return True

    def _context(self, invocation: Invocation) -> Context:
        return Context(
            store=self.seam(self.store, "store", invocation),
            queues=self.seam(self.queues, "queues", invocation),
            commands=self.seam(self.commands, "commands", invocation),
            outputs=self.seam(self.outputs, "outputs", invocation),
            nodes=self.seam(self.nodes, "nodes", invocation),
            actions=self.seam(self.actions, "actions", invocation),
            clock=self.clock,
            policy=self.policy,
            catalogue=catalogue(),
            prefix=PREFIX,
            opt_in_key=OPT_IN[0],
            opt_in_value=OPT_IN[1],
        )

    def seam(self, port: object, name: str, invocation: Invocation) -> Any:
        """A port as one invocation sees it."""
        return Seam(port, name, invocation, self.clock.now, self._before, self._after, self._stale)

    def _before(self, invocation: Invocation, port: str, method: str) -> Fate:
        """What becomes of the call, and what happens while it is under way."""
        self.calls += 1
        weather, rng = self.weather, self.rng
        wait = timedelta(milliseconds=rng.randint(5, 120))
        if weather.between and rng.random() < weather.between and self._depth < NESTED_MAX:
            wait = timedelta(seconds=rng.uniform(1, 40))
            self._pump(self.clock.now() + wait)
        else:
            self.clock.forward(wait)
        if self.clock.now() - invocation.started_at > FUNCTION_TIMEOUT:
            raise SimCrash("the function ran into its time-out")
        draw = rng.random()
        for chance, fates in (
            (weather.crash, (Fate.CRASH_BEFORE, Fate.CRASH_AFTER)),
            (weather.fail, (Fate.FAILS_BEFORE, Fate.FAILS_AFTER)),
            (weather.throttle, (Fate.THROTTLED,)),
        ):
            if draw < chance:
                return rng.choice(fates)
            draw -= chance
        if f"{port}.{method}" in READS_THAT_LAG and rng.random() < weather.stale:
            return Fate.STALE
        return Fate.FINE

    def _after(self, invocation: Invocation, call: Call) -> None:
        self.fates[call.fate.name] += 1
        act = action_checkers.act_of(invocation, call)
        if act is not None:
            self.acted.append(act)
        for check in (
            *AFTER_EACH_CALL,
            *action_checkers.AFTER_EACH_CALL,
            *policy_checkers.AFTER_EACH_CALL,
        ):
            check(self, invocation, call)

    def _stale(self, name: str, args: tuple[Any, ...], fresh: Any) -> Any:
        """The answer that this read gave the last time, if it was ever asked."""
        key = (name, args)
        old = self._seen.get(key, fresh)
        self._seen[key] = fresh
        return old

    # --- queues and events ---------------------------------------------------------------------

    def _on_event(self, event: dict[str, Any]) -> None:
        """Systems Manager's events are best effort: lost, doubled, late, out of order."""
        document = event["detail"]["document-name"]
        queues = ["signals"] if document in PATCH_DOCUMENTS else []
        if document.startswith(f"{PREFIX}-") or document in COLLECTED:
            queues.append("results")
        for queue in queues:
            copies = 0 if self.rng.random() < self.weather.drop else 1
            copies += 1 if self.rng.random() < self.weather.double else 0
            for _ in range(copies):
                self._deliver(queue, json.dumps(event), self._delay(), 1)

    def _on_send(self, sent: Sent) -> None:
        delay = timedelta(seconds=sent.delay_seconds)
        copies = 2 if self.rng.random() < self.weather.double / 4 else 1
        for _ in range(copies):
            self._deliver(sent.queue, sent.body, delay + self._delay(), 1)

    def _delay(self) -> timedelta:
        if self.rng.random() < self.weather.late:
            return timedelta(seconds=self.rng.expovariate(1 / 120))
        return timedelta(milliseconds=self.rng.randint(20, 900))

    def _deliver(self, queue: str, body: str, wait: timedelta, received: int) -> None:
        self._messages_out += 1
        self.after(wait, functools.partial(self._receive, queue, body, received))

    def _receive(self, queue: str, body: str, received: int) -> None:
        self._messages_out -= 1
        work = functools.partial(self._handle, queue, body, received >= LAST_RECEIVE)
        done = self.invoke(queue, work)
        if done and self.rng.random() >= self.weather.double / 10:
            return
        if received == RECEIVES_MAX:
            self.dead_letters.append((queue, body))
            return
        again = timedelta(seconds=self.rng.choice([120, 360, 720]))
        self._deliver(queue, body, again, received + 1)

    def _handle(
        self, queue: str, body: str, last_try: bool, ctx: Context, invocation: Invocation
    ) -> None:
        if queue == "signals":
            signals = parse_event(json.loads(body))
            if isinstance(signals, tuple):
                classify.handle_signals(ctx, _NoExpander(), signals, last_try=last_try)
        elif queue == "results":
            ended = parse_command_ended(body)
            assert isinstance(ended, CommandEnded), f"the world sends sound events: {ended}"
            collect.handle_command(ctx, ended, last_try=last_try)
        else:
            effect_id = parse_effect(body)
            assert isinstance(effect_id, str), f"our own messages are sound: {effect_id}"
            self._carry_out(queue, effect_id, ctx, invocation)

    def _carry_out(self, queue: str, effect_id: str, ctx: Context, invocation: Invocation) -> None:
        if queue == "diagnose":
            checks = self.seam(self.aws_checks, "aws_checks", invocation)
            diagnose.carry_out(ctx, checks, effect_id)
        elif queue == "remediate":
            remediate.carry_out(ctx, effect_id)
        else:
            notifier = self.seam(self.notifier, "notifier", invocation)
            notify.carry_out(ctx, notifier, effect_id)

    # --- schedules -----------------------------------------------------------------------------

    def _build(self) -> None:
        for number in range(self.rng.randint(1, 3) + self.weather.more_nodes):
            tags = dict([OPT_IN]) if self.rng.random() < 0.85 else {}
            old = self.rng.random() < 0.4
            node = FakeNode(f"i-0a1b2c3d4e5f6{number:04x}", tags=tags, agent_outdated=old)
            if self.weather.chatter and self.rng.random() < self.weather.chatter:
                node.chatter_lines = CHATTER_LINES
            self.fleet.add(node)
        self._tick(SWEEP_EVERY, self._sweep)
        self._tick(WATCH_EVERY, self._watch)
        for node_id in self.fleet.nodes:
            self._people(node_id)

    def _tick(self, every: timedelta, what: Callable[[], None]) -> None:
        def tick() -> None:
            self.after(every, tick)
            what()

        self.after(every, tick)

    def _sweep(self) -> None:
        wide = self.clock.now().minute % LOST_EVENTS_EVERY_MINUTES == 0

        def work(ctx: Context, invocation: Invocation) -> None:
            sweep.sweep(ctx, ACCOUNT, REGION, look_for_lost_events=wide)

        self.invoke("sweep", work)

    def _watch(self) -> None:
        def work(ctx: Context, invocation: Invocation) -> None:
            for lost in watch.find_lost(ctx, ACCOUNT, REGION, 5, 2):
                detail = {
                    "instance-id": lost.node.node_id,
                    "last-ping": lost.last_ping.isoformat(),
                }
                event = sweep.own_event(ctx, lost.node, PING_LOST_TYPE, detail)
                ctx.queues.send_signal(event)

        self.invoke("watch", work)

    # --- people --------------------------------------------------------------------------------

    def _people(self, node_id: str) -> None:
        """Someone does something with this node, again and again while the faults last."""

        def act() -> None:
            if self.clock.now() >= self.start + FAULTS_LAST:
                return
            customs = _CUSTOMS[self.weather.customs]
            chosen = self.rng.choices([c for c, _ in customs], [w for _, w in customs])[0]
            chosen(self, node_id)
            minutes = self.rng.expovariate(self.weather.people / 10)
            self.after(timedelta(minutes=minutes), act)

        self.after(timedelta(minutes=self.rng.uniform(0, 10)), act)

    def _timing(self, document: str) -> Timing:
        long = document in PATCH_DOCUMENTS
        slow = self.rng.random() < 0.3
        most = 900 if long else 590 if slow else 60
        seconds = self.rng.uniform(20, most)
        hangs = bool(self.weather.people) and self.rng.random() < 0.02
        return Timing(
            delivery=timedelta(seconds=self.rng.uniform(0.2, 5)),
            duration=timedelta(hours=9) if hangs else timedelta(seconds=seconds),
            visible_after=timedelta(seconds=self.rng.uniform(0, 2)),
        )


class _NoExpander:
    """The simulated world has no associations and windows: every event names its node."""

    def expand(self, signal: Signal) -> Any:
        raise AssertionError(f"{signal.kind} names no node")

    def command_of_association(self, signal: Signal) -> str | None:
        raise AssertionError(f"{signal.kind} is of an association")


# --- what people do ------------------------------------------------------------------------------


def _patch(world: World, node_id: str) -> None:
    """The nightly patch run, or an impatient person's."""
    operation = world.rng.choice(["Install", "Install", "Scan"])
    if world.fleet.nodes[node_id].state == "running":
        world.fleet.start([node_id], "AWS-RunPatchBaseline", {"Operation": [operation]})


def _break(world: World, node_id: str) -> None:
    """Something breaks, and a patch run finds it."""
    world.fleet.nodes[node_id].faults.append(
        draw_fault(world.rng, world.clock.now(), world.usual_fault)
    )
    _patch(world, node_id)


def _patch_by_policy(world: World, node_id: str) -> None:
    """A run of a patch policy, whose list not every role may read."""
    bucket = f"aws-quicksetup-patchpolicy-{ACCOUNT}-{world.rng.choice(['abcd1', 'abcd2'])}"
    lists = {"Operation": ["Install"], "BaselineOverride": [f"s3://{bucket}/{LIST_NAME}"]}
    if world.fleet.nodes[node_id].state == "running":
        world.fleet.start([node_id], "AWS-RunPatchBaseline", lists)


def _lose_profile(world: World, node_id: str) -> None:
    """Somebody takes the instance's profile away."""
    if world.fleet.nodes[node_id].alive:
        world.fleet.take_profile(node_id)


def _hang(world: World, node_id: str) -> None:
    """The operating system hangs."""
    if world.fleet.nodes[node_id].alive:
        world.fleet.hang(node_id)


def _mend(world: World, node_id: str) -> None:
    """A person mends the node by hand."""
    node = world.fleet.nodes[node_id]
    node.faults.clear()
    if node.profile is None:
        world.fleet.attach_profile(node_id, "by-hand")
    if node.instance_check != "ok":
        world.fleet.reboot(node_id)


def _cancel(world: World, node_id: str) -> None:
    for command in world.fleet.live_on(node_id):
        world.fleet.cancel(command.command_id)


def _opt(world: World, node_id: str) -> None:
    """The opt-in tag goes, and comes back later."""
    tags = world.fleet.nodes[node_id].tags
    tags.pop(OPT_IN[0], None)
    if world.rng.random() < 0.3:
        tags["PatchMedicMode"] = world.rng.choice(["observe", "recommend", "nonsense"])

    def back() -> None:
        tags.pop("PatchMedicMode", None)
        tags[OPT_IN[0]] = OPT_IN[1]

    world.after(timedelta(minutes=world.rng.uniform(1, 20)), back)


def _switch(world: World, node_id: str) -> None:
    """The kill switch, for a while."""
    world.nodes.kill_switch_value = world.rng.choice(["stop", "", "RUN", None])

    def back() -> None:
        world.nodes.kill_switch_value = "run"

    world.after(timedelta(minutes=world.rng.uniform(1, 15)), back)


def _freeze(world: World, node_id: str) -> None:
    """The calendar closes, or the window ends, or there is none of that name for a while."""
    calendars, windows = world.nodes.calendars, world.nodes.windows
    chosen = world.rng.choice(["closed", "gone", "over", "unreadable"])
    if chosen == "closed":
        calendars[CALENDAR] = "CLOSED"
    elif chosen == "gone":
        calendars.pop(CALENDAR, None)
    elif chosen == "over":
        windows[WINDOW] = False
    else:
        windows.pop(WINDOW, None)

    def back() -> None:
        calendars[CALENDAR], windows[WINDOW] = "OPEN", True

    world.after(timedelta(minutes=world.rng.choice([5, 40, 180])), back)


def _vanish(world: World, node_id: str) -> None:
    """The node reboots, hangs for hours, or is stopped for a while."""
    world.fleet.kill(node_id)
    if world.rng.random() < 0.2:
        world.fleet.set_state(node_id, "stopped")
    minutes = world.rng.choice([2, 8, 40, 150])

    def back() -> None:
        world.fleet.set_state(node_id, "running")

    world.after(timedelta(minutes=minutes), back)


def _answer(world: World, node_id: str) -> None:
    """An operator answers a proposal; now and then twice, or one that is none."""
    waiting = [i for i in world.store.all() if i.node.node_id == node_id]
    if not waiting:
        return
    proposed = [i for i in waiting if i.proposal] or waiting
    incident = world.rng.choice(proposed)
    answer = approve.Answer(incident.id, world.rng.random() < 0.7, "arn:aws:iam::1:user/op", "")
    for _ in range(world.rng.choice([1, 1, 2])):
        world.invoke("approve", lambda ctx, _: approve.handle_answer(ctx, answer))


_CUSTOMS: Mapping[str, tuple[tuple[Callable[[World, str], None], int], ...]] = {
    "usual": (
        (_break, 5),
        (_patch, 4),
        (_mend, 3),
        (_cancel, 1),
        (_opt, 1),
        (_switch, 1),
        (_vanish, 2),
        (_answer, 4),
        (_patch_by_policy, 1),
        (_lose_profile, 1),
        (_hang, 1),
        (_freeze, 1),
    ),
    "outbreak": ((_break, 24), (_mend, 16), (_patch, 30), (_answer, 6), (_freeze, 1)),
    "hangs": ((_hang, 4), (_answer, 20), (_freeze, 1)),
    "profiles": ((_lose_profile, 4), (_answer, 1)),
    "calls": (
        (_patch_by_policy, 3),
        (_lose_profile, 4),
        (_hang, 4),
        (_break, 2),
        (_answer, 12),
        (_mend, 1),
        (_opt, 1),
        (_switch, 1),
    ),
}


def simulate(seed: int, weather: Weather | None = None) -> World:
    """One world from one seed, to its end."""
    world = World(seed, weather)
    world.run()
    return world
