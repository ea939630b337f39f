"""Maintenance windows: one Run Command task on the window's nodes.

Here: executions, tasks, invocations and their events.  Not here: schedules; a window opens when
someone asks for it through the admin API.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from patchmedic_local.fleet import events
from patchmedic_local.fleet.commands import Command

if TYPE_CHECKING:
    from patchmedic_local.fleet.fleet import Fleet

_STATUS = {"TimedOut": "TIMED_OUT", "Cancelled": "CANCELLED"}


@dataclass(slots=True)
class WindowExecution:
    """One opening of a window, with its single task and that task's single target."""

    window_id: str
    id: str
    task_id: str
    invocation_id: str
    target_id: str
    document: str
    parameters: Mapping[str, Sequence[str]]
    started: float
    command_id: str = ""
    status: str = "IN_PROGRESS"
    status_details: str = ""
    ended: float | None = None


@dataclass(slots=True)
class Window:
    """One window of the scenario."""

    id: str
    name: str
    document: str
    parameters: Mapping[str, Sequence[str]]
    node_ids: tuple[str, ...]
    executions: list[WindowExecution] = field(default_factory=list)


class Windows:
    """All maintenance windows of the account."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self.by_id: dict[str, Window] = {}
        self.executions: dict[str, WindowExecution] = {}

    def add(self, described: Sequence[Mapping[str, Any]]) -> None:
        for item in described:
            self.by_id[item["id"]] = Window(
                id=item["id"],
                name=item["name"],
                document=item["document"],
                parameters=item.get("parameters", {}),
                node_ids=tuple(item["nodes"]),
            )

    def open(self, window: Window) -> WindowExecution:
        """Open the window: its task sends one command to all its nodes."""
        fleet = self._fleet
        execution = WindowExecution(
            window_id=window.id,
            id=str(uuid.uuid4()),
            task_id=str(uuid.uuid4()),
            invocation_id=str(uuid.uuid4()),
            target_id=str(uuid.uuid4()),
            document=window.document,
            parameters=window.parameters,
            started=time.time(),
        )
        self.executions[execution.id] = execution
        window.executions.append(execution)
        self._raise(execution)
        nodes = [fleet.node(node_id) for node_id in window.node_ids]
        command = fleet.run_command.send(
            fleet.documents.find(window.document),
            nodes,
            window.parameters,
            max_errors="100%",
            when_finished=lambda done: self._finished(execution, done),
            targets=[{"Key": "InstanceIds", "Values": list(window.node_ids)}],
        )
        execution.command_id = command.id
        return execution

    def _finished(self, execution: WindowExecution, command: Command) -> None:
        bad = [i for i in command.invocations.values() if i.status != "Success"]
        execution.status = _STATUS.get(command.status, "FAILED") if bad else "SUCCESS"
        execution.status_details = "" if not bad else f"{len(bad)} of the targets did not succeed"
        execution.ended = time.time()
        self._raise(execution)

    def _raise(self, execution: WindowExecution) -> None:
        common: dict[str, Any] = {
            "execution_id": execution.id,
            "started": execution.started,
            "ended": execution.ended,
        }
        task: dict[str, Any] = {**common, "task_execution_id": execution.task_id}
        kinds: list[tuple[str, dict[str, Any]]] = [
            ("Execution", common),
            ("Task Execution", task),
            ("Task Target Invocation", {**task, "window_target_id": execution.target_id}),
        ]
        if execution.ended is not None:
            kinds.reverse()
        for kind, fields in kinds:
            events.window(kind, execution.window_id, execution.status, **fields)
