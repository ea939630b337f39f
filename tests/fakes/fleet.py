"""A small fleet with physics: nodes with faults, commands that take time, patch state.

What a node answers follows from its faults, never from what a test expects: a patch run fails
while a fault is there, a check sees it, and only a remedy that fits takes it away.  Two patch runs
that start within two minutes break each other, a dead node lets commands time out, a reboot makes
them start again.  ``FakeCommands`` and ``FakeNodes`` are Systems Manager's view of this fleet.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from tests.fakes.clock import SimClock

from patchmedic.checks.node import TAIL_CHARACTERS_MAX, TAIL_STDERR_MARK
from patchmedic.incident import Observation
from patchmedic.ports import OutputPlace
from patchmedic.signals import PATCH_DOCUMENTS

ACCOUNT = "123456789012"
REGION = "ap-northeast-1"
PREFIX = "patchmedic"
PING_EVERY = timedelta(minutes=5)
CLASH_WITHIN = timedelta(minutes=2)
NOWHERE = OutputPlace()
TERMINAL = ("Success", "Failed", "TimedOut", "Cancelled")
ASSOCIATION_DOCUMENT = "AWS-RunPatchBaselineAssociation"
_STEP = {"linux": "PatchLinux", "windows": "PatchWindows", "macos": "PatchMacOS"}
_LIST_DENIED_LINE = "root [ERROR]: Unable to download file from S3: {url}."
_CLASH_LINE = "ERROR: [Errno 2] No such file or directory: './patch_common/baselines.py'"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a node."""

    name: str
    line: str
    """What a patch run prints while it is there."""
    check: str
    """The node check that sees it."""
    facts: Mapping[str, str]
    removed_by: frozenset[str] = frozenset()
    """Suffixes of the documents that take it away."""
    clears_at: datetime | None = None
    """When it goes by itself."""


@dataclass(slots=True)
class FakeNode:
    """One managed node."""

    node_id: str
    platform: Literal["linux", "windows", "macos"] = "linux"
    tags: dict[str, str] = field(default_factory=dict)
    state: str = "running"
    """EC2's state."""
    alive: bool = True
    """Whether its agent runs and has a network."""
    last_ping: datetime | None = None
    faults: list[Fault] = field(default_factory=list)
    patch_state: Observation | None = None
    compliance: Observation | None = None
    agent_outdated: bool = False
    profile: str | None = "patch-role"
    """Its instance profile, which has the name of its role; without one its agent is silent."""
    instance_check: str = "ok"
    """EC2's instance status check; while it is impaired the agent is silent."""
    impaired_until: datetime | None = None
    """Until when EC2 still shows the check as it was before a reboot."""
    system_check: str = "ok"
    chatter_lines: int = 0
    """How much a patch run prints before it comes to the point."""
    last_patch: Run | None = None
    """The run whose output the agent still has on the node's disk."""
    patched_at: list[datetime] = field(default_factory=list)
    """When patch runs started on it."""


@dataclass(slots=True)
class Run:
    """One command on one node."""

    command_id: str
    node_id: str
    deliver_at: datetime
    deliver_until: datetime
    duration: timedelta
    timeout: timedelta
    status: str = "Pending"
    details: str = "Pending"
    started_at: datetime | None = None
    ends_at: datetime | None = None
    ended_at: datetime | None = None
    response_code: int = -1
    stdout: str = ""
    stderr: str = ""
    clashed: bool = False

    @property
    def live(self) -> bool:
        return self.status not in TERMINAL


@dataclass(frozen=True, slots=True)
class Command:
    """One Run Command command and its runs by node."""

    command_id: str
    document: str
    parameters: Mapping[str, tuple[str, ...]]
    comment: str
    requested_at: datetime
    visible_at: datetime
    """From when on the List calls show it."""
    runs: Mapping[str, Run]
    output: OutputPlace = NOWHERE

    @property
    def patches(self) -> bool:
        return self.document in PATCH_DOCUMENTS

    @property
    def mutates(self) -> bool:
        """Whether it may change its node: everything but our read-only checks."""
        return not self.document.startswith(f"{PREFIX}-Check-")


@dataclass(frozen=True, slots=True)
class Timing:
    """How long one command takes; the simulator draws it, tests leave it alone."""

    delivery: timedelta = timedelta(seconds=2)
    duration: timedelta = timedelta(seconds=20)
    visible_after: timedelta = timedelta(0)


class FakeFleet:
    """The nodes, their commands, and the events that Systems Manager raises about them."""

    def __init__(
        self,
        clock: SimClock,
        on_event: Callable[[dict[str, Any]], None] = lambda event: None,
        timing: Callable[[str], Timing] = lambda document: Timing(),
    ) -> None:
        self.clock = clock
        self.nodes: dict[str, FakeNode] = {}
        self.commands: dict[str, Command] = {}
        self.role_tags: dict[str, dict[str, str]] = {}
        self.checks_lag = timedelta(0)
        """How long EC2's status checks lag behind a reboot."""
        self.roles_without_read: set[str] = set()
        """Roles whose policies do not let them read a patch policy's list."""
        self._live: list[Run] = []
        self._on_event = on_event
        self._timing = timing
        self._events = 0

    # --- what happens to it --------------------------------------------------------------------

    def add(self, node: FakeNode) -> FakeNode:
        node.last_ping = node.last_ping or self.clock.now()
        self.nodes[node.node_id] = node
        return node

    def start(
        self,
        node_ids: Sequence[str],
        document: str,
        parameters: Mapping[str, Sequence[str]],
        comment: str = "",
        delivery_timeout_seconds: int = 600,
        timeout_seconds: int = 7200,
        output: OutputPlace = NOWHERE,
    ) -> Command:
        """A command, by whoever has the right: limits are ``FakeCommands``' business."""
        now = self.clock.now()
        number = len(self.commands) + 1
        command_id = f"{number:08x}-5000-4000-8000-{number:012x}"
        timing = self._timing(document)
        runs = {
            node_id: Run(
                command_id,
                node_id,
                deliver_at=now + timing.delivery,
                deliver_until=now + timedelta(seconds=delivery_timeout_seconds),
                duration=timing.duration,
                timeout=timedelta(seconds=timeout_seconds),
            )
            for node_id in node_ids
        }
        command = Command(
            command_id,
            document,
            {k: tuple(v) for k, v in parameters.items()},
            comment,
            now,
            now + timing.visible_after,
            runs,
            output,
        )
        self.commands[command_id] = command
        self._live += runs.values()
        return command

    def cancel(self, command_id: str) -> None:
        """A person cancels a command; what already ended stays as it is."""
        for run in self.commands[command_id].runs.values():
            if run.live:
                self._end(run, self.clock.now(), "Cancelled", "Cancelled", -1)

    def kill(self, node_id: str) -> None:
        """The node's agent dies, or its network: no pings, no answers."""
        self._touch(self.nodes[node_id])
        self.nodes[node_id].alive = False

    def revive(self, node_id: str) -> None:
        """The node is back; what ran on it starts its step again."""
        node, now = self.nodes[node_id], self.clock.now()
        if node.profile is None or node.instance_check != "ok" or node.state != "running":
            return
        node.alive, node.last_ping = True, now
        for run in self._live:
            if run.node_id == node_id and run.ends_at is not None:
                run.ends_at = now + run.duration

    def set_state(self, node_id: str, state: str) -> None:
        """EC2 stops or starts the instance, and its agent with it."""
        self.nodes[node_id].state = state
        if state == "running":
            self.revive(node_id)
        else:
            self.kill(node_id)

    def take_profile(self, node_id: str) -> None:
        """The instance loses its profile: the agent gets no credentials any more."""
        self.kill(node_id)
        self.nodes[node_id].profile = None

    def attach_profile(self, node_id: str, profile: str) -> None:
        """The instance gets a profile, and its agent credentials with it."""
        self.nodes[node_id].profile = profile
        self.revive(node_id)

    def hang(self, node_id: str) -> None:
        """The operating system hangs: EC2's instance check fails."""
        self.kill(node_id)
        self.nodes[node_id].instance_check = "impaired"

    def reboot(self, node_id: str) -> None:
        """EC2 resets the instance: whatever ran starts again."""
        self.kill(node_id)
        node = self.nodes[node_id]
        if node.instance_check != "ok":
            node.impaired_until = self.clock.now() + self.checks_lag
        node.instance_check = "ok"
        self.revive(node_id)

    def shown_check(self, node: FakeNode) -> str:
        """The instance check as EC2 shows it."""
        lags = node.impaired_until is not None and self.clock.now() < node.impaired_until
        return "impaired" if lags else node.instance_check

    def tag_role(self, role: str, key: str, value: str) -> None:
        """All nodes with this role have the tag at once."""
        self.role_tags.setdefault(role, {})[key] = value

    def may_read_list(self, node: FakeNode, url: str) -> bool:
        """A patch policy's bucket lets in the roles that carry its tag, and no others."""
        policy_id = url.partition("/baseline_overrides.json")[0].rpartition("-")[2]
        tags = self.role_tags.get(node.profile or "", {})
        return tags.get(f"QSConfigId-{policy_id}") == policy_id

    def live_on(self, node_id: str) -> list[Command]:
        """Commands that have not ended on a node, as the node itself would say."""
        return [self.commands[r.command_id] for r in self._live if r.node_id == node_id]

    # --- time ----------------------------------------------------------------------------------

    def next_at(self) -> datetime | None:
        """When something will happen next if nobody interferes."""
        return min((self._next_of(run) for run in self._live), default=None)

    def settle(self) -> None:
        """Let everything happen that is due by now, in order."""
        while self._live:
            run = min(self._live, key=lambda r: (self._next_of(r), r.command_id, r.node_id))
            at = self._next_of(run)
            if at > self.clock.now():
                break
            self._step(run, at)
        for node in self.nodes.values():
            self._touch(node)

    def _next_of(self, run: Run) -> datetime:
        alive = self.nodes[run.node_id].alive
        if run.started_at is None:
            return min(run.deliver_at, run.deliver_until) if alive else run.deliver_until
        over = run.started_at + run.timeout
        assert run.ends_at is not None, "a run that started has an end"
        return min(run.ends_at, over) if alive else over

    def _step(self, run: Run, at: datetime) -> None:
        node = self.nodes[run.node_id]
        if run.started_at is None:
            if not node.alive or at >= run.deliver_until:
                self._end(run, at, "TimedOut", "DeliveryTimedOut", -1)
                return
            run.status, run.details = "InProgress", "InProgress"
            run.started_at, run.ends_at = at, at + run.duration
            if self.commands[run.command_id].patches:
                self._patch_starts(run, node, at)
            return
        if at >= run.started_at + run.timeout:
            self._end(run, at, "TimedOut", "ExecutionTimedOut", -1)
            return
        self._answer(run, node, at)

    def _touch(self, node: FakeNode) -> None:
        """A live agent pings every five minutes."""
        now = self.clock.now()
        assert node.last_ping is not None, "added nodes were heard of"
        if node.alive and node.state == "running":
            node.last_ping = now - (now - node.last_ping) % PING_EVERY
        node.faults = [f for f in node.faults if f.clears_at is None or f.clears_at > now]

    # --- what the node does --------------------------------------------------------------------

    def _patch_starts(self, run: Run, node: FakeNode, at: datetime) -> None:
        """Two patch runs within two minutes overwrite each other's files."""
        node.patched_at.append(at)
        others = [
            other
            for other in self._live
            if other.node_id == run.node_id
            and other is not run
            and other.started_at is not None
            and self.commands[other.command_id].patches
        ]
        if others or any(at - began < CLASH_WITHIN for began in node.patched_at[:-1]):
            run.clashed = True
            for other in others:
                other.clashed = True

    def _answer(self, run: Run, node: FakeNode, at: datetime) -> None:
        command = self.commands[run.command_id]
        if command.patches:
            self._patch(run, node, at, command)
        elif command.document.startswith(f"{PREFIX}-Check-"):
            run.stdout = _block("FINDINGS", self._looked(node, command))
            self._end(run, at, "Success", "Success", 0)
        else:
            suffix = command.document.removeprefix(f"{PREFIX}-")
            kept = [f for f in node.faults if suffix not in f.removed_by]
            changed = len(kept) < len(node.faults)
            node.faults = kept
            if command.document == "AWS-UpdateSSMAgent":
                node.agent_outdated = False
            state = "done" if changed else "nothing-to-do"
            body = {"schema": 1, "remedy": _kebab(suffix), "state": state, "facts": {}}
            run.stdout = _block("REMEDY", body)
            self._end(run, at, "Success", "Success", 0)

    def _patch(self, run: Run, node: FakeNode, at: datetime, command: Command) -> None:
        operation = command.parameters.get("Operation", ("Scan",))[0]
        node.last_patch = run
        faults = [f.line for f in node.faults if f.clears_at is None or f.clears_at > at]
        if run.clashed:
            faults = [_CLASH_LINE]
        lists = command.parameters.get("BaselineOverride", ())
        if not all(self.may_read_list(node, url) for url in lists):
            faults = [_LIST_DENIED_LINE.format(url=lists[0])]
        if faults:
            chatter = [f"Verifying  : package-{n}.x86_64" for n in range(node.chatter_lines)]
            run.stdout = "\n".join(["Running with snapshot id = 1", *chatter, *faults, ""])
            run.stderr = "failed to run commands: exit status 1"
            self._end(run, at, "Failed", "Failed", 1)
            return
        run.stdout = "Patch run completed.\n"
        if command.document == ASSOCIATION_DOCUMENT:
            node.compliance = Observation("compliance", at, True, None, f"reported at {at}")
        else:
            node.patch_state = Observation("patch-state", at, True, operation, f"patched at {at}")
        self._end(run, at, "Success", "Success", 0)

    def _looked(self, node: FakeNode, command: Command) -> dict[str, Any]:
        wanted = command.parameters["Checks"][0].split(",")
        seen = {fault.check: fault for fault in node.faults}

        def answer(name: str) -> dict[str, Any]:
            facts = dict(seen[name].facts) if name in seen else {}
            if name == "patch-log-tail" and node.last_patch is not None:
                facts = _tail(node.last_patch)
            return {"check": name, "state": "bad" if name in seen else "ok", "facts": facts}

        return {
            "schema": 1,
            "platform": node.platform,
            "checks": [answer(name) for name in wanted],
        }

    def _end(self, run: Run, at: datetime, status: str, details: str, code: int) -> None:
        run.status, run.details, run.response_code, run.ended_at = status, details, code, at
        self._live.remove(run)
        self._on_event(self._invocation_event(run, at))

    def _invocation_event(self, run: Run, at: datetime) -> dict[str, Any]:
        self._events += 1
        command = self.commands[run.command_id]
        stamp = at.astimezone(UTC)
        return {
            "version": "0",
            "id": f"{self._events:08x}-e000-4000-8000-{self._events:012x}",
            "detail-type": "EC2 Command Invocation Status-change Notification",
            "source": "aws.ssm",
            "account": ACCOUNT,
            "time": stamp.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": REGION,
            "resources": [f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/{run.node_id}"],
            "detail": {
                "command-id": run.command_id,
                "document-name": command.document,
                "instance-id": run.node_id,
                "requested-date-time": command.requested_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "status": "Canceled" if run.status == "Cancelled" else run.status,
            },
        }

    def step_of(self, command: Command, node: FakeNode) -> str:
        """The plugin's name, as the List calls give it."""
        if command.patches:
            return _STEP[node.platform]
        return "Check" if not command.mutates else "Remedy"


def _tail(run: Run) -> dict[str, str]:
    text = f"{run.stdout[-5000:]}{TAIL_STDERR_MARK}{run.stderr[-900:]}"
    return {"command": run.command_id, "tail": text[-TAIL_CHARACTERS_MAX:]}


def _block(mark: str, body: Mapping[str, Any]) -> str:
    return f"<<<PATCHMEDIC-{mark}\n{json.dumps(body)}\nPATCHMEDIC-{mark}>>>\n"


def _kebab(suffix: str) -> str:
    """``Remedy-FreeDiskSpace-Linux`` -> ``free-disk-space``."""
    name = suffix.removeprefix("Remedy-").rsplit("-", 1)[0]
    return "".join(f"-{c.lower()}" if c.isupper() else c for c in name).lstrip("-")
