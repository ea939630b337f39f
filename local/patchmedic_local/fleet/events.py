"""The aws.ssm events of the fleet, field by field as Systems Manager sends them.

Here: the shapes.  Not here: when they are sent (``commands``, ``associations``, ``windows``).
Two traps of the real events are kept: a cancelled command is ``Canceled`` here and ``Cancelled``
in the API, and a command's own event names no instance in its detail.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from patchmedic_local import cloud
from patchmedic_local.options import ACCOUNT, REGION

_EVENT_STATUS = {
    "InProgress": "InProgress",
    "Success": "Success",
    "Failed": "Failed",
    "TimedOut": "TimedOut",
    "Cancelled": "Canceled",
}


def iso(when: float) -> str:
    """``2026-11-22T16:40:28.123Z``, as the events write times."""
    text = datetime.fromtimestamp(when, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def node_arn(node_id: str) -> str:
    if node_id.startswith("mi-"):
        return f"arn:aws:ssm:{REGION}:{ACCOUNT}:managed-instance/{node_id}"
    return f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/{node_id}"


def _send(detail_type: str, detail: Mapping[str, Any], resources: Sequence[str]) -> None:
    cloud.put_event(
        {
            "version": "0",
            "source": "aws.ssm",
            "detail-type": detail_type,
            "account": ACCOUNT,
            "region": REGION,
            "resources": list(resources),
            "detail": dict(detail),
        }
    )


def command(
    command_id: str,
    document: str,
    status: str,
    *,
    node_ids: Sequence[str],
    parameters: Mapping[str, Sequence[str]],
    requested: float,
    expires: float,
) -> None:
    """EC2 Command Status-change Notification."""
    detail = {
        "command-id": command_id,
        "document-name": document,
        "expire-after": iso(expires),
        "parameters": {name: list(values) for name, values in parameters.items()},
        "requested-date-time": iso(requested),
        "status": _EVENT_STATUS[status],
    }
    resources = [node_arn(node_id) for node_id in node_ids[:10]]
    _send("EC2 Command Status-change Notification", detail, resources)


def invocation(
    command_id: str, document: str, node_id: str, status: str, *, requested: float
) -> None:
    """EC2 Command Invocation Status-change Notification."""
    detail = {
        "command-id": command_id,
        "document-name": document,
        "instance-id": node_id,
        "requested-date-time": iso(requested),
        "status": _EVENT_STATUS[status],
    }
    _send("EC2 Command Invocation Status-change Notification", detail, [node_arn(node_id)])


def instance_association(association: Any, node_id: str, result: Any) -> None:
    """EC2 State Manager Instance Association State Change."""
    detail = {
        "association-id": association.id,
        "association-name": association.name,
        "instance-id": node_id,
        "document-name": association.document,
        "document-version": "1",
        "targets": json.dumps([{"key": "InstanceIds", "values": list(association.node_ids)}]),
        "creation-date": iso(association.created),
        "last-execution-date": iso(result.finished),
        "status": result.status,
        "detailed-status": result.detailed_status,
        "error-code": result.error_code,
        "execution-summary": result.summary,
        "output-url": "",
        "instance-association-cwe-version": "1.0",
    }
    if association.last_success is not None:
        detail["last-successful-execution-date"] = iso(association.last_success)
    document = f"arn:aws:ssm:{REGION}::document/{association.document}"
    _send(
        "EC2 State Manager Instance Association State Change",
        detail,
        [node_arn(node_id), document],
    )


def association(association: Any, execution: Any) -> None:
    """EC2 State Manager Association State Change."""
    detail = {
        "association-id": association.id,
        "document-name": association.document,
        "association-version": "1",
        "document-version": "Optional.empty",
        "targets": json.dumps([{"key": "InstanceIds", "values": list(association.node_ids)}]),
        "creation-date": iso(association.created),
        "last-execution-date": iso(execution.started),
        "last-updated-date": iso(association.created),
        "status": execution.status,
        "association-status-aggregated-count": json.dumps(execution.counts),
        "schedule-expression": association.schedule,
        "association-cwe-version": "1.0",
    }
    if association.last_success is not None:
        detail["last-successful-execution-date"] = iso(association.last_success)
    document = f"arn:aws:ssm:{REGION}::document/{association.document}"
    _send("EC2 State Manager Association State Change", detail, [document])


def window(
    kind: str,
    window_id: str,
    status: str,
    *,
    execution_id: str,
    started: float,
    ended: float | None,
    task_execution_id: str | None = None,
    window_target_id: str | None = None,
) -> None:
    """The maintenance-window changes: Execution, Task Execution, Task Target Invocation."""
    detail: dict[str, Any] = {
        "start-time": iso(started),
        "window-id": window_id,
        "window-execution-id": execution_id,
        "status": status,
    }
    if ended is not None:
        detail["end-time"] = iso(ended)
    if task_execution_id is not None:
        detail["task-execution-id"] = task_execution_id
    if window_target_id is not None:
        detail["window-target-id"] = window_target_id
        detail["owner-information"] = "PatchMedic local cloud"
    resource = f"arn:aws:ssm:{REGION}:{ACCOUNT}:maintenancewindow/{window_id}"
    _send(f"Maintenance Window {kind} State-change Notification", detail, [resource])
