"""The narrow seams between the stages and the world, as protocols.

Here: what a stage may ask for, and the plain records that cross the seam.  The adapters that talk
to AWS (``store``, ``run_command``, ``nodes``, ``lookups``, ``queues``, ``notices.senders``) and
the fakes of the tests fulfil the same protocols and pass the same contract tests.  No boto3 here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from patchmedic.incident import Incident, Observation
from patchmedic.model import Effect, Finding, IncidentKind, NodeRef, Rejection, Signal, Skip

EffectStatus = Literal["pending", "claimed", "sent", "done"]


@dataclass(frozen=True, slots=True)
class EffectRecord:
    """An effect as the table has it."""

    effect: Effect
    status: EffectStatus
    claims: int
    """How often it was claimed; more than once means an earlier owner died with it."""
    first_claimed_at: datetime | None = None
    owner: str | None = None
    command_id: str | None = None
    result: str | None = None


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One line of an incident's history."""

    at: datetime
    by: str
    text: str


@dataclass(frozen=True, slots=True)
class CommandInfo:
    """One Run Command command, as ListCommands tells it."""

    command_id: str
    document: str
    comment: str
    requested_at: datetime
    status: str
    parameters: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Invocation:
    """One command on one node, with the output of the step that matters."""

    command_id: str
    node_id: str
    document: str
    comment: str
    status: str
    status_details: str
    requested_at: datetime
    step: str | None
    response_code: int | None
    stdout: str
    stderr: str
    truncated: bool

    @property
    def terminal(self) -> bool:
        return self.status in ("Success", "Failed", "TimedOut", "Cancelled")


@dataclass(frozen=True, slots=True)
class CommandEnded:
    """What an event of Run Command says: which command ended on which node."""

    node: NodeRef
    command_id: str


@dataclass(frozen=True, slots=True)
class Claimed:
    """The effect is ours until ``until``; past that, this owner must not act any more."""

    record: EffectRecord
    owner: str
    until: datetime


class Store(Protocol):
    """The truth: incidents, their timeline, pending effects, locks and attempts."""

    def load(self, incident_id: str) -> Incident | None: ...
    def open_incident_id(self, node: NodeRef, kind: IncidentKind) -> str | None: ...
    def incident_of_run(self, node: NodeRef, kind: IncidentKind, run_key: str) -> str | None: ...
    def create(
        self, incident: Incident, effects: Sequence[Effect], entry: TimelineEntry
    ) -> None: ...
    def commit(
        self,
        before: Incident,
        after: Incident,
        effects: Sequence[Effect],
        entry: TimelineEntry,
        finished_effect: str | None,
    ) -> None: ...
    def note(self, incident_id: str, entry: TimelineEntry, finished_effect: str | None) -> None: ...
    def timeline(self, incident_id: str) -> tuple[TimelineEntry, ...]: ...
    def recent(self, limit: int) -> tuple[Incident, ...]: ...

    def effect(self, effect_id: str) -> EffectRecord | None: ...
    def claim(
        self, effect_id: str, owner: str, now: datetime, until: datetime
    ) -> Claimed | None: ...
    def defer(self, claimed: Claimed, not_before: datetime) -> None: ...
    def record_command(self, effect: Effect, owner: str | None, command_id: str) -> None: ...
    def finish(self, effect_id: str, result: str) -> None: ...
    def effect_of_command(self, account: str, region: str, command_id: str) -> str | None: ...

    def take_lock(self, node: NodeRef, owner: str, now: datetime, until: datetime) -> bool: ...
    def release_lock(self, node: NodeRef, owner: str) -> None: ...
    def record_attempt(
        self, node: NodeRef, cause: str, effect_id: str, now: datetime, keep_until: datetime
    ) -> None: ...
    def attempts_since(
        self, node: NodeRef, cause: str, since: datetime, except_effect: str
    ) -> int: ...

    def due_incidents(self, now: datetime, limit: int) -> tuple[Incident, ...]: ...
    def open_incidents(self, limit: int) -> tuple[Incident, ...]: ...
    def due_effects(self, now: datetime, limit: int) -> tuple[EffectRecord, ...]: ...
    def record_skip(self, event_id: str, subject: str, skip: Skip, now: datetime) -> None: ...


class Queues(Protocol):
    """Hints: losing one costs time, never truth."""

    def send_effect(self, effect: Effect, delay_seconds: int) -> None: ...
    def send_signal(self, event: Mapping[str, Any]) -> None: ...
    def send_rejected(self, body: str, rejection: Rejection) -> None: ...


class Commands(Protocol):
    """Run Command."""

    def send(
        self,
        node: NodeRef,
        document: str,
        parameters: Mapping[str, Sequence[str]],
        comment: str,
        delivery_timeout_seconds: int,
    ) -> str: ...
    def describe(self, region: str, command_id: str) -> CommandInfo | None: ...
    def find_by_comment(self, node: NodeRef, comment: str, since: datetime) -> str | None: ...
    def invocation(self, region: str, command_id: str, node_id: str) -> Invocation | None: ...
    def invocations(
        self, region: str, command_id: str, node_ids: Collection[str]
    ) -> Mapping[str, Invocation]: ...
    def running_on(self, node: NodeRef) -> tuple[CommandInfo, ...]: ...
    def failed_since(self, region: str, since: datetime) -> tuple[Invocation, ...]: ...
    def in_progress_before(self, region: str, before: datetime) -> tuple[Invocation, ...]: ...


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """A managed node as Systems Manager knows it."""

    node_id: str
    ping: str
    last_ping: datetime | None
    platform: Literal["linux", "windows", "macos"] | None
    agent_version: str | None
    name: str | None


@dataclass(frozen=True, slots=True)
class LostNode:
    """A node whose ping is lost, and when it was last heard of."""

    node: NodeRef
    last_ping: datetime


class Expander(Protocol):
    """Events that name no node, taken apart into one signal a node."""

    def expand(self, signal: Signal) -> tuple[Signal, ...] | Skip: ...
    def command_of_association(self, signal: Signal) -> str | None: ...


class Nodes(Protocol):
    """Fresh looks at nodes and their symptoms."""

    def info(self, node: NodeRef) -> NodeInfo | None: ...
    def all(self, region: str) -> tuple[NodeInfo, ...]: ...
    def tags(self, node: NodeRef) -> Mapping[str, str]: ...
    def instance_states(self, region: str, node_ids: Sequence[str]) -> Mapping[str, str]: ...
    def patch_state(self, node: NodeRef) -> Observation | None: ...
    def compliance(self, node: NodeRef) -> Observation | None: ...
    def kill_switch(self) -> str: ...


class AwsChecks(Protocol):
    """The checks from the AWS side, with their look-ups."""

    def run(
        self, node: NodeRef, names: Sequence[str], incident: Incident, now: datetime
    ) -> tuple[Finding, ...]: ...


class Clock(Protocol):
    """The time, so that a simulator can own it.  Always in UTC."""

    def now(self) -> datetime: ...
