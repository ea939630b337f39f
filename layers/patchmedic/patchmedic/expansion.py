"""Events that name no node, taken apart into one signal a node.

Here: association -> execution -> targets -> commands, and window task -> invocations -> commands ->
nodes, over the State Manager and maintenance window APIs.  Not here: what the nodes' commands
printed (``run_command``).

Rates: the association calls are allowed 4 a second in an account and Region, and an association
that fails on a thousand nodes raises a thousand events.  So one expander serves one batch of
events: it asks for the executions of an association once, reads at most ``TARGET_PAGES_MAX`` pages
of an execution's targets once, and looks for a node that is on none of them first on the commands
that it found there, with a call that has no such narrow rate.  Once AWS throttles, no call follows
in this batch: its other events of associations come back later, as the throttled one does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from patchmedic.aws import Clients, call
from patchmedic.errors import AwsRejected, AwsThrottled
from patchmedic.evidence import document_name
from patchmedic.model import Signal, Skip
from patchmedic.signals import PATCH_DOCUMENTS

PAGE_SIZE = 50
EXECUTIONS_READ_MAX = 5
TARGET_PAGES_MAX = 2
COMMANDS_TRIED_MAX = 2
_UNDER_WAY = frozenset({"Pending", "InProgress", "Associated", "Queued"})
_GONE = frozenset(
    {"AssociationDoesNotExist", "AssociationExecutionDoesNotExist", "DoesNotExistException"}
)
"""What Systems Manager says of an association or window execution that is no more."""


@dataclass(frozen=True, slots=True)
class _Run:
    """One execution of an association: its targets by node, as far as they were read."""

    targets: Mapping[str, Mapping[str, Any]]
    complete: bool

    @property
    def commands(self) -> tuple[str, ...]:
        """The commands behind it that most targets name, the most frequent first."""
        named = [c for t in self.targets.values() if (c := _command_of(t)) is not None]
        return tuple(sorted(dict.fromkeys(named), key=named.count, reverse=True))


class SignalExpander:
    """``ports.Expander`` over the State Manager and maintenance window APIs, for one batch."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._executions_of: dict[tuple[str, str], tuple[Mapping[str, Any], ...]] = {}
        self._runs: dict[tuple[str, str, str], _Run] = {}
        self._throttled: AwsThrottled | None = None

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
        executions = self._executions(signal)
        if not executions:
            return Skip("no-execution", "the association has no execution to look at")
        newest = executions[0]["ExecutionId"]
        failed = self._targets(signal, newest, Key="Status", Value="Failed")
        expanded = tuple(
            replace(signal, node_id=target["ResourceId"], command_id=_command_of(target))
            for target in failed
            if target.get("Status") == "Failed" and target.get("ResourceId")
        )
        return expanded or Skip("no-failed-target", "no target of the newest execution failed")

    def command_of_association(self, signal: Signal) -> str | None:
        """The command behind a node's association run; ``None`` when it cannot be told."""
        try:
            return self._command_of_association(signal)
        except AwsRejected as error:
            if error.code in _GONE:
                return None
            raise

    def _command_of_association(self, signal: Signal) -> str | None:
        """Of the newest run that went on this node as the event says, else of its newest one."""
        newest: str | None = None
        for execution in self._executions(signal):
            run = self._run(signal, execution["ExecutionId"])
            target = run.targets.get(str(signal.node_id))
            if target is None and not run.complete:
                if (command := self._one_of(run.commands, signal)) is not None:
                    return command
                target = self._target(signal, execution["ExecutionId"])
            if target is None:
                continue
            if _went_as(signal, target):
                return _command_of(target)
            newest = newest or _command_of(target)
        return newest

    def _one_of(self, commands: tuple[str, ...], signal: Signal) -> str | None:
        """The command, of those behind an execution, that ran on the node and ended as it says."""
        ssm = self._clients.get("ssm", signal.region)
        for command_id in commands[:COMMANDS_TRIED_MAX]:
            try:
                found = call(
                    "ListCommandInvocations",
                    ssm.list_command_invocations,
                    CommandId=command_id,
                    InstanceId=signal.node_id,
                )["CommandInvocations"]
            except AwsRejected as error:
                if error.code == "InvalidCommandId":
                    continue
                raise
            if any(_went_as(signal, invocation) for invocation in found):
                return command_id
        return None

    def _executions(self, signal: Signal) -> tuple[Mapping[str, Any], ...]:
        """The newest executions of the association, the newest first."""
        key = (signal.region, str(signal.association_id))
        if key not in self._executions_of:
            found = self._ask(
                "DescribeAssociationExecutions",
                self._clients.get("ssm", signal.region).describe_association_executions,
                AssociationId=signal.association_id,
                MaxResults=EXECUTIONS_READ_MAX,
            )["AssociationExecutions"]
            self._executions_of[key] = tuple(sorted(found, key=_created, reverse=True))
        return self._executions_of[key]

    def _run(self, signal: Signal, execution_id: str) -> _Run:
        """The first pages of an execution's targets, read once for all events of the batch."""
        key = (signal.region, str(signal.association_id), execution_id)
        if key not in self._runs:
            pages = self._target_pages(signal, execution_id)
            targets: dict[str, Mapping[str, Any]] = {}
            complete = False
            for _ in range(TARGET_PAGES_MAX):
                page, complete = next(pages)
                targets.update((str(target.get("ResourceId")), target) for target in page)
                if complete:
                    break
            self._runs[key] = _Run(targets, complete)
        return self._runs[key]

    def _target(self, signal: Signal, execution_id: str) -> Mapping[str, Any] | None:
        """The node's own part in an execution."""
        node_id = str(signal.node_id)
        found = self._targets(signal, execution_id, Key="ResourceId", Value=node_id)
        return next((t for t in found if t.get("ResourceId") == node_id), None)

    def _targets(
        self, signal: Signal, execution_id: str, **filtered: str
    ) -> Iterator[Mapping[str, Any]]:
        for page, _ in self._target_pages(signal, execution_id, Filters=[filtered]):
            yield from page

    def _target_pages(
        self, signal: Signal, execution_id: str, **more: Any
    ) -> Iterator[tuple[list[Mapping[str, Any]], bool]]:
        """Page by page, and whether it was the last one."""
        arguments: dict[str, Any] = {
            "AssociationId": signal.association_id,
            "ExecutionId": execution_id,
            "MaxResults": PAGE_SIZE,
            **more,
        }
        ssm = self._clients.get("ssm", signal.region)
        token: str | None = ""
        while token is not None:
            response = self._ask(
                "DescribeAssociationExecutionTargets",
                ssm.describe_association_execution_targets,
                **arguments,
            )
            token = response.get("NextToken") or None
            yield response["AssociationExecutionTargets"], token is None
            arguments["NextToken"] = token

    def _ask(self, name: str, operation: Callable[..., Any], **arguments: Any) -> Any:
        """One of the calls with a narrow rate; none any more once AWS throttled one."""
        if self._throttled is not None:
            raise self._throttled
        try:
            return call(name, operation, **arguments)
        except AwsThrottled as error:
            self._throttled = error
            raise

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


def _went_as(signal: Signal, ended: Mapping[str, Any]) -> bool:
    """Whether a target or an invocation ended as the event says of it."""
    status = str(ended.get("Status", ""))
    return status not in _UNDER_WAY and (status == "Success") == signal.is_recovery


def _command_of(target: Mapping[str, Any]) -> str | None:
    """AWS's own example: OutputSource {OutputSourceType RunCommand, OutputSourceId <command>}."""
    source = target.get("OutputSource") or {}
    if source.get("OutputSourceType") == "RunCommand":
        return source.get("OutputSourceId")
    return None
