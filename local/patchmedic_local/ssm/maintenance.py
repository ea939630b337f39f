"""Maintenance-window executions as the API shows them.

Here: the executions of a window, one of them, its tasks and their invocations.  Not here: opening a
window (``fleet.windows``).
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from patchmedic_local.fleet.fleet import Fleet
from patchmedic_local.fleet.windows import WindowExecution
from patchmedic_local.ssm.errors import ApiError
from patchmedic_local.ssm.operations import Request, operation, page


def _execution(fleet: Fleet, request: Request, key: str = "WindowExecutionId") -> WindowExecution:
    found = fleet.windows.executions.get(request[key])
    if found is None:
        raise ApiError("DoesNotExistException", f"Window execution {request[key]} does not exist.")
    if request.get("TaskId") not in (None, found.task_id):
        raise ApiError(
            "DoesNotExistException", f"Task execution {request['TaskId']} does not exist."
        )
    return found


def _times(execution: WindowExecution) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "Status": execution.status,
        "StatusDetails": execution.status_details,
        "StartTime": execution.started,
    }
    if execution.ended is not None:
        shown["EndTime"] = execution.ended
    return shown


def _ids(execution: WindowExecution) -> dict[str, Any]:
    return {"WindowExecutionId": execution.id, "TaskExecutionId": execution.task_id}


@operation("GetMaintenanceWindowExecution")
def get_maintenance_window_execution(fleet: Fleet, request: Request) -> dict[str, Any]:
    execution = _execution(fleet, request)
    return {
        "WindowExecutionId": execution.id,
        "TaskIds": [execution.task_id],
        **_times(execution),
    }


@operation("GetMaintenanceWindowExecutionTask")
def get_maintenance_window_execution_task(fleet: Fleet, request: Request) -> dict[str, Any]:
    execution = _execution(fleet, request)
    return {
        **_ids(execution),
        "TaskArn": execution.document,
        "ServiceRole": "",
        "Type": "RUN_COMMAND",
        "TaskParameters": [],
        "Priority": 1,
        "MaxConcurrency": "50",
        "MaxErrors": "100%",
        **_times(execution),
    }


@operation("DescribeMaintenanceWindowExecutionTasks")
def describe_maintenance_window_execution_tasks(fleet: Fleet, request: Request) -> dict[str, Any]:
    execution = _execution(fleet, request)
    row = {**_ids(execution), **_times(execution)}
    row.update(TaskArn=execution.document, TaskType="RUN_COMMAND")
    shown, token = page([row], request)
    return {"WindowExecutionTaskIdentities": shown, **token}


def _invocation(execution: WindowExecution) -> dict[str, Any]:
    parameters = {
        "documentName": execution.document,
        "parameters": {name: list(values) for name, values in execution.parameters.items()},
    }
    return {
        **_ids(execution),
        "InvocationId": execution.invocation_id,
        "ExecutionId": execution.command_id,
        "TaskType": "RUN_COMMAND",
        "Parameters": json.dumps(parameters),
        **_times(execution),
        "OwnerInformation": "PatchMedic local cloud",
        "WindowTargetId": execution.target_id,
    }


@operation("DescribeMaintenanceWindowExecutionTaskInvocations")
def describe_task_invocations(fleet: Fleet, request: Request) -> dict[str, Any]:
    shown, token = page([_invocation(_execution(fleet, request))], request)
    return {"WindowExecutionTaskInvocationIdentities": shown, **token}


@operation("GetMaintenanceWindowExecutionTaskInvocation")
def get_task_invocation(fleet: Fleet, request: Request) -> dict[str, Any]:
    execution = _execution(fleet, request)
    if request["InvocationId"] != execution.invocation_id:
        raise ApiError("DoesNotExistException", "The task invocation does not exist.")
    return _invocation(execution)


@operation("DescribeMaintenanceWindowExecutions")
def describe_maintenance_window_executions(fleet: Fleet, request: Request) -> dict[str, Any]:
    window = fleet.windows.by_id.get(request["WindowId"])
    if window is None:
        raise ApiError("DoesNotExistException", f"Window {request['WindowId']} does not exist.")
    after = _executed_after(request)
    rows = [
        {"WindowId": window.id, "WindowExecutionId": each.id, **_times(each)}
        for each in reversed(window.executions)
        if each.started >= after
    ]
    shown, token = page(rows, request)
    return {"WindowExecutions": shown, **token}


def _executed_after(request: Request) -> float:
    """The only filter that PatchMedic asks with; another one is refused, not ignored."""
    after = 0.0
    for given in request.get("Filters", []):
        if given["Key"] != "ExecutedAfter":
            raise ApiError("ValidationException", f"Filter {given['Key']} is not simulated.")
        after = datetime.fromisoformat(given["Values"][0]).timestamp()
    return after
