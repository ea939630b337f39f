"""Events that name no node, taken apart into one signal a node.

Here: association -> execution -> targets -> commands, and window task -> invocations -> commands ->
nodes, over the State Manager and maintenance window APIs.  Not here: what the nodes' commands
printed (``run_command``).

Rates: the association calls are allowed 4 a second in an account and Region, so an association
costs two calls plus one a page of targets; adaptive retry takes the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from patchmedic.aws import Clients, call
from patchmedic.errors import AwsRejected
from patchmedic.evidence import document_name
from patchmedic.model import Signal, Skip
from patchmedic.signals import PATCH_DOCUMENTS

PAGE_SIZE = 50
EXECUTIONS_READ_MAX = 5
_GONE = frozenset(
    {"AssociationDoesNotExist", "AssociationExecutionDoesNotExist", "DoesNotExistException"}
)
"""What Systems Manager says of an association or window execution that is no more."""


class SignalExpander:
    """``ports.Expander`` over the State Manager and maintenance window APIs."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def expand(self, signal: Signal) -> tuple[Signal, ...] | Skip:
        """One signal a node; a ``Skip`` when it is not about patching, or its run is gone."""
        try:
            return self._expand(signal)
        except AwsRejected as error:
            if error.code in _GONE:
                return Skip("run-unknown", f"Systems Manager no longer knows the run: {error}")
            raise

    def _expand(self, signal: Signal) -> tuple[Signal, ...] | Skip:
        if signal.association_id:
            return self._association(signal)
        if signal.window_execution_id and signal.window_task_execution_id:
            return self._window_task(signal)
        return Skip("no-node", "the event names no node, association or window task")

    # --- associations --------------------------------------------------------------------------

    def _association(self, signal: Signal) -> tuple[Signal, ...] | Skip:
        ssm = self._clients.get("ssm", signal.region)
        executions = call(
            "DescribeAssociationExecutions",
            ssm.describe_association_executions,
            AssociationId=signal.association_id,
            MaxResults=EXECUTIONS_READ_MAX,
        )["AssociationExecutions"]
        if not executions:
            return Skip("no-execution", "the association has no execution to look at")
        newest = max(executions, key=_created)
        expanded = tuple(
            replace(signal, node_id=target["ResourceId"], command_id=_command_of(target))
            for target in self._targets(ssm, signal, newest["ExecutionId"])
            if target.get("Status") == "Failed" and target.get("ResourceId")
        )
        return expanded or Skip("no-failed-target", "no target of the newest execution failed")

    def _targets(self, ssm: Any, signal: Signal, execution_id: str) -> Iterator[dict[str, Any]]:
        arguments: dict[str, Any] = {
            "AssociationId": signal.association_id,
            "ExecutionId": execution_id,
            "MaxResults": PAGE_SIZE,
        }
        while True:
            response = call(
                "DescribeAssociationExecutionTargets",
                ssm.describe_association_execution_targets,
                **arguments,
            )
            yield from response["AssociationExecutionTargets"]
            if not response.get("NextToken"):
                return
            arguments["NextToken"] = response["NextToken"]

    def command_of_association(self, signal: Signal) -> str | None:
        """The command behind a node's association run; ``None`` when it cannot be told."""
        try:
            return self._command_of_association(signal)
        except AwsRejected as error:
            if error.code in _GONE:
                return None
            raise

    def _command_of_association(self, signal: Signal) -> str | None:
        ssm = self._clients.get("ssm", signal.region)
        executions = call(
            "DescribeAssociationExecutions",
            ssm.describe_association_executions,
            AssociationId=signal.association_id,
            MaxResults=EXECUTIONS_READ_MAX,
        )["AssociationExecutions"]
        for execution in sorted(executions, key=_created, reverse=True):
            for target in self._targets(ssm, signal, execution["ExecutionId"]):
                if target.get("ResourceId") == signal.node_id:
                    return _command_of(target)
        return None

    # --- maintenance windows -------------------------------------------------------------------

    def _window_task(self, signal: Signal) -> tuple[Signal, ...] | Skip:
        ssm = self._clients.get("ssm", signal.region)
        task = call(
            "GetMaintenanceWindowExecutionTask",
            ssm.get_maintenance_window_execution_task,
            WindowExecutionId=signal.window_execution_id,
            TaskId=signal.window_task_execution_id,
        )
        document = document_name(task.get("TaskArn"))
        if task.get("Type") != "RUN_COMMAND" or document not in PATCH_DOCUMENTS:
            return Skip("not-a-patch-task", f"the window's task runs {document}")
        signal = replace(signal, document=document)
        commands = self._commands_of_task(ssm, signal)
        nodes = tuple(
            replace(signal, node_id=invocation["InstanceId"], command_id=command_id)
            for command_id in commands
            for invocation in self._failed_nodes(ssm, command_id)
        )
        if nodes:
            return nodes
        if commands:
            return Skip("no-failed-node", "no node of the window task's commands failed")
        # The task never reached a node (role, inputs): the window itself is what failed.
        return (replace(signal, node_id=signal.window_id),)

    def _commands_of_task(self, ssm: Any, signal: Signal) -> tuple[str, ...]:
        response = call(
            "DescribeMaintenanceWindowExecutionTaskInvocations",
            ssm.describe_maintenance_window_execution_task_invocations,
            WindowExecutionId=signal.window_execution_id,
            TaskId=signal.window_task_execution_id,
            MaxResults=PAGE_SIZE,
        )
        invocations = response["WindowExecutionTaskInvocationIdentities"]
        return tuple(i["ExecutionId"] for i in invocations if i.get("ExecutionId"))

    def _failed_nodes(self, ssm: Any, command_id: str) -> Iterator[dict[str, Any]]:
        arguments: dict[str, Any] = {"CommandId": command_id, "MaxResults": PAGE_SIZE}
        while True:
            try:
                response = call("ListCommandInvocations", ssm.list_command_invocations, **arguments)
            except AwsRejected as error:
                if error.code == "InvalidCommandId":
                    return
                raise
            for invocation in response["CommandInvocations"]:
                if invocation["Status"] in ("Failed", "TimedOut", "Cancelled"):
                    yield invocation
            if not response.get("NextToken"):
                return
            arguments["NextToken"] = response["NextToken"]


def _created(execution: Mapping[str, Any]) -> datetime:
    created: datetime = execution["CreatedTime"]
    return created


def _command_of(target: Mapping[str, Any]) -> str | None:
    """AWS's own example: OutputSource {OutputSourceType RunCommand, OutputSourceId <command>}."""
    source = target.get("OutputSource") or {}
    if source.get("OutputSourceType") == "RunCommand":
        return source.get("OutputSourceId")
    return None
