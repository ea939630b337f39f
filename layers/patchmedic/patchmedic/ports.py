"""The narrow seams between the stages and the world, as protocols.

Here: what a stage may ask for, and the plain records that cross the seam.  The adapters that talk
to AWS (``store``, ``run_command``, ``output_ends``, ``nodes``, ``lookups``, ``aws_actions``,
``queues``, ``notices.senders``) and the fakes of the tests fulfil the same protocols and pass the
same contract tests.  No boto3 here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from patchmedic.incident import Incident, Observation
from patchmedic.model import Effect, Finding, IncidentKind, NodeRef, Rejection, Signal, Skip
from patchmedic.policy import Breaker

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
class OutputPlace:
    """Where a command's sender had its whole output sent, if anywhere."""

    bucket: str | None = None
    key_prefix: str = ""
    log_group: str | None = None


@dataclass(frozen=True, slots=True)
class CommandInfo:
    """One Run Command command, as ListCommands tells it."""

    command_id: str
    document: str
    comment: str
    requested_at: datetime
    status: str
    parameters: Mapping[str, tuple[str, ...]]
    output: OutputPlace = OutputPlace()


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
    stdout_cut: bool = False
    stderr_cut: bool = False
    output_url: str = ""
    """Where in S3 the whole output of the step is, when Systems Manager says so."""

    @property
    def truncated(self) -> bool:
        """Whether only the first part of an output came."""
        return self.stdout_cut or self.stderr_cut

    @property
    def terminal(self) -> bool:
        return self.status in ("Success", "Failed", "TimedOut", "Cancelled")


@dataclass(frozen=True, slots=True)
class StreamEnd:
    """The last part of one stream of a run's output."""

    text: str
    bytes_before: int | None
    """How much stands before it; 0: it is the whole stream; ``None``: not known."""


@dataclass(frozen=True, slots=True)
class OutputEnds:
    """The ends of a run's output, as far as they could be read."""

    stdout: StreamEnd | None = None
    stderr: StreamEnd | None = None
    note: str | None = None
    """Why an end is missing, and what would show it."""
    place_closed: bool = False
    """Nobody's output can be read there now (denied, gone, unreachable): asking again for another
    node of the same command is pointless."""


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


ATTACHMENT_BYTES_MAX = 300_000
"""One record holds 400 KB, keys and all."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that is kept with an incident: seen once, at a moment that does not come back."""

    name: str
    """Its own within the incident: the same name is the same file."""
    media_type: str
    content: bytes
    taken_at: datetime

    def __post_init__(self) -> None:
        if len(self.content) > ATTACHMENT_BYTES_MAX:
            raise ValueError(f"attachment {self.name} has {len(self.content)} bytes")


@dataclass(frozen=True, slots=True)
class FleetSize:
    """How many managed nodes there were when they were counted last."""

    nodes: int
    counted_at: datetime


class Store(Protocol):
    """The truth: incidents, their timeline, pending effects, locks, attempts and permits.

    A pool of permits has a size; each permit has one owner until it is given back or its time is
    up.  Who wants one must get it before the act: that bounds the acts, whoever dies or is doubled.
    """

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
        breaker: Breaker | None = None,
    ) -> None: ...
    def note(self, incident_id: str, entry: TimelineEntry, finished_effect: str | None) -> None: ...
    def timeline(self, incident_id: str) -> tuple[TimelineEntry, ...]: ...
    def attach(self, incident_id: str, attachment: Attachment) -> None: ...
    def attachments(self, incident_id: str) -> tuple[Attachment, ...]: ...
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

    def take_permit(
        self, pool: str, owner: str, size: int, now: datetime, until: datetime
    ) -> bool: ...
    def release_permit(self, pool: str, owner: str) -> None: ...
    def permits(self, pool: str, now: datetime, except_owner: str) -> int: ...
    def breaker(self, remedy: str) -> Breaker: ...
    def breakers(self) -> tuple[Breaker, ...]: ...
    def save_breaker(self, after: Breaker) -> bool: ...
    def fleet_size(self) -> FleetSize | None: ...
    def save_fleet_size(self, size: FleetSize) -> None: ...

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


class Outputs(Protocol):
    """The ends of outputs of which Run Command returns only the beginning."""

    def ends(self, region: str, invocation: Invocation, place: OutputPlace) -> OutputEnds: ...


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
    def calendar_state(self, names: Sequence[str]) -> str: ...
    def window_in_progress(self, window_ids: Sequence[str], now: datetime) -> bool: ...


@dataclass(frozen=True, slots=True)
class Look:
    """What one look from the AWS side brought."""

    findings: tuple[Finding, ...]
    attachments: tuple[Attachment, ...] = ()


class AwsChecks(Protocol):
    """The checks from the AWS side, with their look-ups."""

    def run(
        self, node: NodeRef, names: Sequence[str], incident: Incident, now: datetime
    ) -> Look: ...


@dataclass(frozen=True, slots=True)
class ActionPlan:
    """One call to AWS that is ready to be made, after a look at what is there."""

    action: str
    node: NodeRef
    target: str
    """The thing that is changed: the instance, or the role's name."""
    value: str
    """What it is given: the profile's name, the patch policy's id; empty for a reboot."""
    says: str
    """What will have been done, for the record."""


@dataclass(frozen=True, slots=True)
class ActionEnd:
    """How a call to AWS ended, or why it was not made."""

    state: Literal["done", "nothing-to-do", "refused", "failed"]
    detail: str


class AwsActions(Protocol):
    """The remedies that are calls to AWS: first a look, then the one call.

    Between the two stand the guards that must be read last.
    """

    def plan(
        self, action: str, node: NodeRef, run: CommandInfo | None
    ) -> ActionPlan | ActionEnd: ...
    def perform(self, plan: ActionPlan) -> ActionEnd: ...


@dataclass(frozen=True, slots=True)
class CauseFile:
    """A file of customers' own causes, before it is read."""

    name: str
    size: int
    mark: str
    """Another one whenever the content is another one."""


@dataclass(frozen=True, slots=True)
class CauseFolder:
    """What lies in one place."""

    files: tuple[CauseFile, ...]
    complete: bool = True
    """False when there is more in it than one look takes."""


class CauseFiles(Protocol):
    """A place where customers keep files of own causes."""

    def list(self) -> CauseFolder: ...
    def read(self, name: str, bytes_max: int) -> bytes: ...


@dataclass(frozen=True, slots=True)
class OwnCausesRecord:
    """The own causes as one function read them, for all the others."""

    stamp: str
    """Another one whenever anything below is another one."""
    location: str
    """Where they came from: what the stack's parameters said."""
    state: str
    """What the files were like, so that unchanged ones need not be read again."""
    builtin: str
    """The version of the built-in catalogue that they were read together with."""
    content: bytes
    problems: tuple[str, ...]


class OwnCausesStore(Protocol):
    """Hands own causes from the function that reads them to those that use them."""

    def stamp(self) -> str | None: ...
    def load(self) -> OwnCausesRecord | None: ...
    def save(self, record: OwnCausesRecord) -> None: ...


class Clock(Protocol):
    """The time, so that a simulator can own it.  Always in UTC."""

    def now(self) -> datetime: ...
