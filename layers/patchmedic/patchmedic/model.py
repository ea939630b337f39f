"""The nouns of the domain, as frozen dataclasses that every room shares.

Here: what a signal, evidence, classification, finding and so on *are*.  Not here: how they are
parsed (``signals``), read from AWS (``evidence``, ``lookups``), stored (``store``) or judged
(``causes``, ``verdict``, ``policy``, ``incident``).  No I/O, no clock, no environment.

Times are ``datetime`` objects in UTC.  ``Text`` holds the same sentence in each language.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

LANGUAGES: tuple[str, ...] = ("en", "ja")

Text = Mapping[str, str]
"""One message in every language of ``LANGUAGES``: ``{"en": "...", "ja": "..."}``."""

Platform = Literal["linux", "windows", "macos"]


class SignalKind(StrEnum):
    """What an event says about a node."""

    PATCH_COMMAND_FAILED = "patch-command-failed"
    ASSOCIATION_FAILED = "association-failed"
    WINDOW_TASK_FAILED = "window-task-failed"
    COMMAND_STUCK = "command-stuck"
    PING_LOST = "ping-lost"
    PATCH_COMMAND_SUCCEEDED = "patch-command-succeeded"
    ASSOCIATION_SUCCEEDED = "association-succeeded"
    PING_RESTORED = "ping-restored"


RECOVERIES: frozenset[SignalKind] = frozenset(
    {
        SignalKind.PATCH_COMMAND_SUCCEEDED,
        SignalKind.ASSOCIATION_SUCCEEDED,
        SignalKind.PING_RESTORED,
    }
)


class IncidentKind(StrEnum):
    """Failures that are told apart on one node.

    A failed run can arrive as a command, an association and a window event at once; all three
    are one ``patching`` incident.  A lost ping is another matter.
    """

    PATCHING = "patching"
    PING = "ping"


@dataclass(frozen=True, slots=True)
class NodeRef:
    """A managed node, unique across an organisation."""

    account: str
    region: str
    node_id: str
    """``i-…`` or ``mi-…``; ``mw-…`` when a window task failed before it reached any node."""

    def __str__(self) -> str:
        return f"{self.account}/{self.region}/{self.node_id}"


@dataclass(frozen=True, slots=True)
class Signal:
    """One event that says that a node (or many, before it is expanded) failed or recovered."""

    kind: SignalKind
    account: str
    region: str
    event_id: str
    time: datetime
    node_id: str | None = None
    command_id: str | None = None
    document: str | None = None
    status: str | None = None
    association_id: str | None = None
    window_id: str | None = None
    window_execution_id: str | None = None
    window_task_execution_id: str | None = None
    last_ping: datetime | None = None

    @property
    def node(self) -> NodeRef:
        """The node; an assertion if the signal was never expanded to one."""
        assert self.node_id is not None, "expand the signal to nodes first"
        return NodeRef(self.account, self.region, self.node_id)

    @property
    def incident_kind(self) -> IncidentKind:
        if self.kind in (SignalKind.PING_LOST, SignalKind.PING_RESTORED):
            return IncidentKind.PING
        return IncidentKind.PATCHING

    @property
    def is_recovery(self) -> bool:
        return self.kind in RECOVERIES

    @property
    def run_key(self) -> str:
        """What makes two signals the same failure: the run, or the ping that was the last."""
        if self.incident_kind is IncidentKind.PING:
            return f"ping:{self.last_ping.isoformat() if self.last_ping else self.event_id}"
        if self.command_id:
            return f"command:{self.command_id}"
        if self.window_task_execution_id:
            return f"window-task:{self.window_task_execution_id}"
        return f"event:{self.event_id}"


@dataclass(frozen=True, slots=True)
class Rejection:
    """An input that is no signal: what was wrong, for the log, the metric and the dead letter."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Skip:
    """A well-formed event on which nothing is done, with the rule that decided so."""

    rule: str
    reason: str


HookPoint = Literal["pre-install", "post-install", "on-exit"]
"""When AWS-RunPatchBaselineWithHooks runs a hook."""


@dataclass(frozen=True, slots=True)
class Hook:
    """A hook of AWS-RunPatchBaselineWithHooks: somebody's own document within a patch run."""

    point: HookPoint | None
    """``None`` when the step's name only tells that it is a hook."""
    document: str | None
    """``None`` when the run's parameters could not be read."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the node and AWS said about one failure."""

    platform: Platform | None = None
    document: str | None = None
    operation: str | None = None
    """``Scan`` or ``Install``, when the command's parameters were readable."""
    status: str | None = None
    """Run Command's status, or the agent's ping status."""
    status_details: str | None = None
    step: str | None = None
    """The plugin (step) that failed, by the name that the API gives it."""
    response_code: int | None = None
    stdout: str = ""
    stderr: str = ""
    truncated: bool = False
    """True when the end of an output is missing: the API returns the first part only."""
    parameters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    comment: str | None = None
    agent_version: str | None = None
    node_name: str | None = None
    """What people call the node: its computer name, or the name it was registered with."""
    notes: tuple[str, ...] = ()
    """What could not be read, and why: part of the record, never a reason to guess."""
    command_id: str | None = None
    """The command that printed it all."""
    hook: Hook | None = None
    """Whose document failed, when the failed step was a hook."""


@dataclass(frozen=True, slots=True)
class SupportingLine:
    """A line of the evidence that speaks for a cause."""

    stream: Literal["stdout", "stderr", "status", "stdout tail", "stderr tail"]
    """``tail`` where only the beginning and the end of an output could be read."""
    line: int
    """1-based; 0 when the support is a field (status, exit code), not a line.  In a tail counted
    from the end: ``tail -n <line>`` shows it first."""
    text: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A cause that the evidence supports."""

    cause: str
    confidence: float
    """0 to 1.  From 0.8 on, the text names the cause; below 0.5 it is a hint."""
    lines: tuple[SupportingLine, ...] = ()


@dataclass(frozen=True, slots=True)
class Classification:
    """Candidates, best first, and the version of the catalogue that ranked them."""

    candidates: tuple[Candidate, ...]
    catalogue_version: str

    @property
    def cause(self) -> str:
        """The best candidate's cause id, or ``unknown``."""
        return self.candidates[0].cause if self.candidates else "unknown"

    @property
    def confidence(self) -> float:
        return self.candidates[0].confidence if self.candidates else 0.0


class Verdict(StrEnum):
    """What a finding says about one cause."""

    CONFIRMS = "confirms"
    REFUTES = "refutes"
    NEUTRAL = "neutral"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check saw on the node or in its AWS set-up."""

    check: str
    verdict: Verdict
    cause: str | None
    """The cause it speaks about; ``None`` when the check could not decide anything."""
    resource: str
    """The thing looked at: ``rtb-2``, ``/var``, ``i-…``."""
    says: Text
    """One sentence: what was seen."""
    fix: Text = field(default_factory=dict)
    """What a person does about it; empty when nothing is wrong."""
    commands: tuple[str, ...] = ()
    """Exact commands for the fix, ready to paste, same in all languages."""
    facts: Mapping[str, str] = field(default_factory=dict)


class Risk(StrEnum):
    """How much harm a remedy could do if it went wrong; ordered by ``RISK_ORDER``."""

    NONE = "none"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


RISK_ORDER: Mapping[Risk, int] = {Risk.NONE: 0, Risk.LOW: 1, Risk.MEDIUM: 2, Risk.HIGH: 3}


@dataclass(frozen=True, slots=True)
class Remedy:
    """An action that may remove a cause."""

    id: str
    risk: Risk
    causes: tuple[str, ...]
    documents: Mapping[str, str]
    """Platform -> document: a suffix owned by this stack (``Remedy-FreeDiskSpace-Linux``) or the
    full name of an AWS document (``AWS-UpdateSSMAgent``).  Empty without an ``action``: waiting and
    trying again is all that the remedy does, so the verification is the attempt."""
    parameters: Mapping[str, str]
    """Fixed parameters of the document; never anything that came from a node or an event."""
    may_reboot: bool
    wait_seconds: int
    """How long to let things settle before the remedy's effect starts."""
    timeout_seconds: int
    title: Text
    changes: Text
    """What it changes on the node, for the message and the docs."""
    undo: Text
    preconditions: Text
    """What must hold on the node; whoever carries the remedy out looks again before it acts."""
    verified_by: Text
    """Which later look, by something else than the remedy, shows that it helped."""
    only_when_over: bool = False
    """Only for a passing fault that no check sees any more: trying again is pointless before."""
    confirmed_by: tuple[str, ...] = ()
    """Checks: the remedy fits only when a finding of one of them confirmed the cause.  Empty: any
    confirmation will do."""
    action: str | None = None
    """A call to AWS that is the remedy's effect; then there are no documents."""
    disrupts: bool = False
    """Whether it stops services that users feel."""


class Outcome(StrEnum):
    """How an incident ended."""

    RESOLVED = "resolved"
    ESCALATED = "escalated"
    RECOMMENDED = "recommended"
    SUPPRESSED = "suppressed"


class Mode(StrEnum):
    """How far PatchMedic may go, stack-wide; a node's tag can only narrow it."""

    OBSERVE = "observe"
    RECOMMEND = "recommend"
    AUTO = "auto"


MODE_ORDER: Mapping[Mode, int] = {Mode.OBSERVE: 0, Mode.RECOMMEND: 1, Mode.AUTO: 2}


class EffectKind(StrEnum):
    """What the edge does when told to."""

    DIAGNOSE = "diagnose"
    REMEDY = "remedy"
    VERIFY = "verify"
    NOTIFY = "notify"


@dataclass(frozen=True, slots=True)
class Effect:
    """An intent: stored with the decision that wanted it, carried out at the edge afterwards."""

    effect_id: str
    incident_id: str
    kind: EffectKind
    node: NodeRef
    not_before: datetime
    payload: Mapping[str, Any] = field(default_factory=dict)
    """Diagnose: ``checks``, ``platform``.  Remedy: ``remedy``, ``cause``, ``platform``,
    ``approved_by``.  Verify: ``method``, ``since``.  Notify: ``notice``."""
