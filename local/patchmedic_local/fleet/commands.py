"""Run Command: commands and their invocations from sending to the last status.

Here: delivery, MaxConcurrency and MaxErrors, cancelling, time-outs, the status of the whole
command, the events.  Not here: the API's checks (``ssm.run_command``), what a step prints
(``steps``).
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from patchmedic_local.fleet import events
from patchmedic_local.fleet.documents import Document
from patchmedic_local.fleet.node import Node
from patchmedic_local.fleet.steps import Execution, Plugin, plugins_of
from patchmedic_local.fleet.timeline_port import Later
from patchmedic_local.options import Timing

_REDELIVERY_SECONDS = 0.3
FINAL = frozenset({"Success", "Failed", "TimedOut", "Cancelled"})


@dataclass(slots=True)
class Invocation:
    """A command on one node."""

    node: Node
    status: str = "Pending"
    details: str = "Pending"
    plugins: list[Plugin] = field(default_factory=list)
    execution: Execution | None = None
    slot: bool = False
    """Whether it was sent, so that it counts against MaxConcurrency."""
    lost: bool = False
    """Whether the agent fell silent after it had started."""

    @property
    def final(self) -> bool:
        return self.status in FINAL


@dataclass(slots=True)
class Command:
    """One command, as ListCommands knows it."""

    id: str
    document: Document
    parameters: Mapping[str, Sequence[str]]
    comment: str
    node_ids: list[str]
    requested: float
    timeout_seconds: int
    max_concurrency: str
    max_errors: str
    visible_at: float
    extra: Mapping[str, object]
    """What SendCommand echoes (notification …); ``outputs`` acts on the places for output."""
    instance_ids: list[str] = field(default_factory=list)
    targets: list[Mapping[str, object]] = field(default_factory=list)
    raises_events: bool = True
    invocations: dict[str, Invocation] = field(default_factory=dict)
    status: str = "Pending"
    details: str = "Pending"
    cancelled: bool = False
    finished: list[Callable[[Command], None]] = field(default_factory=list)

    @property
    def expires(self) -> float:
        return self.requested + self.timeout_seconds + self.document.execution_seconds

    def count(self, *details: str) -> int:
        return sum(1 for i in self.invocations.values() if i.final and i.details in details)

    @property
    def completed_count(self) -> int:
        return sum(1 for invocation in self.invocations.values() if invocation.final)

    @property
    def error_count(self) -> int:
        return self.count("Failed", "ExecutionTimedOut")


class RunCommand:
    """All commands of the account."""

    def __init__(self, later: Later, timing: Timing) -> None:
        self._later = later
        self._timing = timing
        self.commands: dict[str, Command] = {}

    def send(
        self,
        document: Document,
        nodes: Sequence[Node],
        parameters: Mapping[str, Sequence[str]],
        *,
        comment: str = "",
        timeout_seconds: int = 3600,
        max_concurrency: str = "50",
        max_errors: str = "0",
        raises_events: bool = True,
        extra: Mapping[str, object] | None = None,
        when_finished: Callable[[Command], None] | None = None,
        targets: Sequence[Mapping[str, object]] = (),
        command_id: str | None = None,
    ) -> Command:
        """Accept a command; everything else happens later.

        ``command_id`` is for a command that an event from elsewhere already names.
        """
        now = time.time()
        command = Command(
            id=command_id or str(uuid.uuid4()),
            document=document,
            parameters=parameters,
            comment=comment,
            node_ids=[node.id for node in nodes],
            instance_ids=[] if targets else [node.id for node in nodes],
            targets=list(targets),
            requested=now,
            timeout_seconds=timeout_seconds,
            max_concurrency=max_concurrency,
            max_errors=max_errors,
            visible_at=now + self._timing.invisible_seconds,
            extra=extra or {},
            raises_events=raises_events,
        )
        for node in nodes:
            command.invocations[node.id] = Invocation(node, plugins=plugins_of(document))
        if when_finished is not None:
            command.finished.append(when_finished)
        self.commands[command.id] = command
        self._later(self._timing.delivery_seconds, lambda: self._fill(command))
        self._later(self._delivery_timeout(command), lambda: self._expire(command))
        return command

    def _delivery_timeout(self, command: Command) -> float:
        seconds = command.timeout_seconds + command.document.execution_seconds
        scaled = seconds * self._timing.delivery_timeout_scale
        return max(self._timing.delivery_timeout_seconds_min, scaled)

    # -- delivery -----------------------------------------------------------------------------

    def _fill(self, command: Command) -> None:
        """Start as many invocations as MaxConcurrency leaves room for."""
        self._set_command(command, "InProgress", "InProgress")
        limit = _share(command.max_concurrency, len(command.invocations), at_least=1)
        for invocation in list(command.invocations.values()):
            busy = sum(1 for i in command.invocations.values() if i.slot and not i.final)
            if busy >= limit:
                return
            if not invocation.slot and not invocation.final:
                invocation.slot = True
                self._deliver(command, invocation)

    def _deliver(self, command: Command, invocation: Invocation) -> None:
        node = invocation.node
        if invocation.final:
            return
        if node.state in ("terminated", "shutting-down"):
            self._end(command, invocation, "Failed", "Undeliverable")
        elif not node.answers():
            invocation.status = invocation.details = "Delayed"
            self._later(_REDELIVERY_SECONDS, lambda: self._deliver(command, invocation))
        elif not any(
            node.platform in step.platforms for step in command.document.steps
        ) and not any(step.conditional for step in command.document.steps):
            self._end(command, invocation, "Failed", "InvalidPlatform")
        else:
            self._start(command, invocation)

    def _start(self, command: Command, invocation: Invocation) -> None:
        self._set(command, invocation, "InProgress", "InProgress")
        self._start_companion(command, invocation.node)
        execution = Execution(
            node=invocation.node,
            document=command.document,
            parameters=command.parameters,
            command_id=command.id,
            plugins=invocation.plugins,
            timing=self._timing,
        )
        invocation.execution = execution
        self._later(execution.seconds, lambda: self._complete(command, invocation))

    def _start_companion(self, command: Command, node: Node) -> None:
        """A fault may say that someone else's run begins at the same moment."""
        if not command.document.name.startswith("AWS-RunPatchBaseline"):
            return
        for effect in node.active_effects():
            companion = effect.fault.companion_run
            if companion is None or effect.companion_started:
                continue
            effect.companion_started = True
            effect.removed = True
            document = self._companion_document(companion["document"])
            parameters = {"Operation": [companion["operation"]], "RebootOption": ["NoReboot"]}
            self.send(document, [node], parameters, comment="nightly scan")

    _keep_output: Callable[[Command, Invocation], None]

    def use_outputs(self, keep: Callable[[Command, Invocation], None]) -> None:
        self._keep_output = keep

    _companion_document: Callable[[str], Document]

    def use_documents(self, find: Callable[[str], Document]) -> None:
        self._companion_document = find

    def _complete(self, command: Command, invocation: Invocation) -> None:
        execution = invocation.execution
        if invocation.final or execution is None:
            return
        if invocation.status == "Cancelling":
            execution.abandon()
            self._end(command, invocation, "Cancelled", "Cancelled")
            return
        if not invocation.node.answers():
            invocation.lost = True  # silence, until the command expires
            self._later(self._delivery_timeout(command), lambda: self._expire(command))
            return
        execution.finish()
        self._keep_output(command, invocation)
        status = "Success" if execution.succeeded else "Failed"
        self._end(command, invocation, status, status)

    def _expire(self, command: Command) -> None:
        """Nothing came back in time: only silence ends as DeliveryTimedOut.

        What runs on a node that answers may take its time: time is scaled here, its steps are not.
        """
        for invocation in command.invocations.values():
            if not invocation.final and (invocation.execution is None or invocation.lost):
                if invocation.execution is not None:
                    invocation.execution.abandon()
                self._end(command, invocation, "TimedOut", "DeliveryTimedOut")

    def cancel(self, command: Command, node_ids: Sequence[str]) -> None:
        """CancelCommand: what has not started ends at once, what runs is asked to stop."""
        chosen = node_ids or list(command.invocations)
        command.cancelled = True
        for node_id in chosen:
            invocation = command.invocations.get(node_id)
            if invocation is None or invocation.final:
                continue
            if invocation.execution is None:
                self._end(command, invocation, "Cancelled", "Cancelled")
            else:
                invocation.status = invocation.details = "Cancelling"
                seconds = self._timing.delivery_seconds
                self._later(seconds, lambda i=invocation: self._complete(command, i))  # type: ignore[misc]
        if not all(i.final for i in command.invocations.values()):
            command.status = command.details = "Cancelling"

    # -- status -------------------------------------------------------------------------------

    def _set(self, command: Command, invocation: Invocation, status: str, details: str) -> None:
        invocation.status, invocation.details = status, details
        if command.raises_events:
            events.invocation(
                command.id,
                command.document.name,
                invocation.node.id,
                status,
                requested=command.requested,
            )

    def _end(self, command: Command, invocation: Invocation, status: str, details: str) -> None:
        if invocation.execution is None:
            for plugin in invocation.plugins:
                plugin.status, plugin.details = status, details
        else:
            invocation.execution.close_plugins(status, details)
        self._set(command, invocation, status, details)
        allowed = _share(command.max_errors, len(command.invocations), at_least=0)
        if command.error_count > allowed:
            self._terminate_rest(command)
        if all(i.final for i in command.invocations.values()):
            self._close(command)
        else:
            self._fill(command)

    def _terminate_rest(self, command: Command) -> None:
        """Over MaxErrors: what was not sent yet never is."""
        for invocation in command.invocations.values():
            if not invocation.slot and not invocation.final:
                invocation.slot = True
                for plugin in invocation.plugins:
                    plugin.status, plugin.details = "Cancelled", "Terminated"
                self._set(command, invocation, "Cancelled", "Terminated")

    def _close(self, command: Command) -> None:
        if command.status in FINAL:
            return
        self._set_command(command, *_overall(command))
        for callback in command.finished:
            callback(command)

    def _set_command(self, command: Command, status: str, details: str) -> None:
        if command.status == status or (command.status == "Cancelling" and status == "InProgress"):
            return
        command.status, command.details = status, details
        if command.raises_events:
            events.command(
                command.id,
                command.document.name,
                status,
                node_ids=command.node_ids,
                parameters=command.parameters,
                requested=command.requested,
                expires=command.expires,
            )


def _overall(command: Command) -> tuple[str, str]:
    """The status of the whole from its parts: success of one hides nodes never reached."""
    every = list(command.invocations.values())
    if command.cancelled and any(i.status == "Cancelled" for i in every):
        return "Cancelled", "Cancelled"
    errors = command.error_count
    allowed = _share(command.max_errors, len(every), at_least=0)
    if errors > allowed:
        return "Failed", "Failed"
    timed_out = command.count("DeliveryTimedOut")
    if timed_out > allowed:
        return "TimedOut", "DeliveryTimedOut"
    if any(i.status == "Success" for i in every) and errors == 0 and timed_out == 0:
        return "Success", "Success"
    return "Failed", "Incomplete" if any(i.status == "Success" for i in every) else "Failed"


def _share(text: str, total: int, *, at_least: int) -> int:
    """``10`` or ``10%`` of the targets."""
    if text.endswith("%"):
        return max(at_least, total * int(text[:-1]) // 100)
    return max(at_least, int(text))
