"""State Manager associations and their runs.

Here: running an association on its nodes, what is known of its executions, its events.  Not here:
schedules; a run starts when someone asks for it through the admin API.
"""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from patchmedic_local.fleet import events
from patchmedic_local.fleet.commands import Command

if TYPE_CHECKING:
    from patchmedic_local.fleet.fleet import Fleet


@dataclass(slots=True)
class NodeResult:
    """One node of one execution."""

    node_id: str
    command_id: str
    status: str = "Pending"
    detailed_status: str = "Pending"
    error_code: str = ""
    summary: str = "Pending"
    finished: float = 0.0


@dataclass(slots=True)
class AssociationExecution:
    """One run of an association on all its nodes."""

    id: str
    started: float
    status: str = "Pending"
    results: dict[str, NodeResult] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, int]:
        return dict(Counter(result.status for result in self.results.values()))


@dataclass(slots=True)
class Association:
    """One association of the scenario."""

    id: str
    name: str
    document: str
    parameters: Mapping[str, Sequence[str]]
    node_ids: tuple[str, ...]
    schedule: str
    created: float
    executions: list[AssociationExecution] = field(default_factory=list)
    last_success: float | None = None

    @property
    def status(self) -> str:
        return self.executions[-1].status if self.executions else "Pending"


class Associations:
    """All associations of the account."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self.by_id: dict[str, Association] = {}

    def add(self, described: Sequence[Mapping[str, Any]]) -> None:
        for item in described:
            self.by_id[item["id"]] = Association(
                id=item["id"],
                name=item["name"],
                document=item["document"],
                parameters=item.get("parameters", {}),
                node_ids=tuple(item["nodes"]),
                schedule=item.get("schedule", "cron(0 2 ? * SUN *)"),
                created=time.time(),
            )

    def run(self, association: Association) -> AssociationExecution:
        """Start it on all its nodes, as State Manager does: backed by a command."""
        fleet = self._fleet
        document = fleet.documents.find(association.document)
        parameters = dict(association.parameters)
        if association.document == "AWS-RunPatchBaselineAssociation":
            parameters.setdefault("AssociationId", [association.id])
        execution = AssociationExecution(str(uuid.uuid4()), time.time())
        nodes = [fleet.node(node_id) for node_id in association.node_ids]
        command = fleet.run_command.send(
            document,
            nodes,
            parameters,
            max_errors="100%",
            raises_events=False,
            when_finished=lambda done: self._finished(association, execution, done),
            targets=[{"Key": "InstanceIds", "Values": list(association.node_ids)}],
        )
        for node_id in association.node_ids:
            execution.results[node_id] = NodeResult(node_id, command.id)
        association.executions.append(execution)
        return execution

    def _finished(
        self, association: Association, execution: AssociationExecution, command: Command
    ) -> None:
        now = time.time()
        for node_id, invocation in command.invocations.items():
            result = execution.results[node_id]
            good = invocation.status == "Success"
            result.status = "Success" if good else "Failed"
            result.detailed_status = "Success" if good else invocation.details
            result.error_code = "" if good else "ExecutionE"
            steps = len(invocation.plugins)
            failed = sum(1 for plugin in invocation.plugins if plugin.status != "Success")
            result.summary = (
                f"{steps} out of {steps} plugins processed, {steps - failed} success, "
                f"{failed} failed, 0 timedout, 0 skipped"
            )
            result.finished = now
        failures = [r for r in execution.results.values() if r.status == "Failed"]
        execution.status = "Failed" if failures else "Success"
        if not failures:
            association.last_success = now
        for result in execution.results.values():
            events.instance_association(association, result.node_id, result)
        events.association(association, execution)
