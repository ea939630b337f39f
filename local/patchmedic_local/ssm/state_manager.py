"""Associations as the API shows them, and change calendars.

Here: DescribeAssociation, ListAssociations, DescribeAssociationExecutions, its targets,
DescribeInstanceAssociationsStatus, GetCalendarState.  Not here: running one
(``fleet.associations``).
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from patchmedic_local.fleet.associations import Association, AssociationExecution, NodeResult
from patchmedic_local.fleet.fleet import Fleet
from patchmedic_local.options import ACCOUNT, REGION
from patchmedic_local.ssm.errors import ApiError
from patchmedic_local.ssm.operations import (
    ANY,
    Request,
    Resources,
    managed,
    node_resources,
    operation,
    page,
)


def _of_association(fleet: Fleet, request: Request) -> Resources:
    if "AssociationId" not in request:
        return ANY
    arn = f"arn:aws:ssm:{REGION}:{ACCOUNT}:association/{request['AssociationId']}"
    return [(arn, {})]


def _association(fleet: Fleet, request: Request) -> Association:
    found = fleet.associations.by_id.get(str(request.get("AssociationId")))
    if found is None:
        raise ApiError("AssociationDoesNotExist")
    return found


@operation("DescribeAssociation", _of_association)
def describe_association(fleet: Fleet, request: Request) -> dict[str, Any]:
    association = _association(fleet, request)
    shown: dict[str, Any] = {
        "Name": association.document,
        "AssociationVersion": "1",
        "Date": association.created,
        "LastUpdateAssociationDate": association.created,
        "Overview": _overview(association),
        "DocumentVersion": "$DEFAULT",
        "Parameters": {name: list(values) for name, values in association.parameters.items()},
        "AssociationId": association.id,
        "Targets": [{"Key": "InstanceIds", "Values": list(association.node_ids)}],
        "ScheduleExpression": association.schedule,
        "AssociationName": association.name,
        "ApplyOnlyAtCronInterval": False,
    }
    if association.executions:
        shown["LastExecutionDate"] = association.executions[-1].started
    if association.last_success is not None:
        shown["LastSuccessfulExecutionDate"] = association.last_success
    return {"AssociationDescription": shown}


def _overview(association: Association) -> dict[str, Any]:
    counts = association.executions[-1].counts if association.executions else {}
    return {
        "Status": association.status,
        "DetailedStatus": association.status,
        "AssociationStatusAggregatedCount": counts,
    }


@operation("ListAssociations")
def list_associations(fleet: Fleet, request: Request) -> dict[str, Any]:
    rows = []
    for association in fleet.associations.by_id.values():
        if not _listed(association, request):
            continue
        row: dict[str, Any] = {
            "Name": association.document,
            "AssociationId": association.id,
            "AssociationVersion": "1",
            "Targets": [{"Key": "InstanceIds", "Values": list(association.node_ids)}],
            "Overview": _overview(association),
            "ScheduleExpression": association.schedule,
            "AssociationName": association.name,
        }
        if association.executions:
            row["LastExecutionDate"] = association.executions[-1].started
        rows.append(row)
    shown, token = page(rows, request)
    return {"Associations": shown, **token}


def _listed(association: Association, request: Request) -> bool:
    values = {
        "AssociationId": association.id,
        "AssociationName": association.name,
        "Name": association.document,
        "AssociationStatusName": association.status,
    }
    for item in request.get("AssociationFilterList") or []:
        if item["key"] == "InstanceId":
            if item["value"] not in association.node_ids:
                return False
        elif values.get(item["key"]) != item["value"]:
            return False
    return True


@operation("DescribeAssociationExecutions", _of_association)
def describe_association_executions(fleet: Fleet, request: Request) -> dict[str, Any]:
    association = _association(fleet, request)
    rows = [
        _execution(association, execution)
        for execution in reversed(association.executions)
        if _execution_passes(execution, request)
    ]
    shown, token = page(rows, request)
    return {"AssociationExecutions": shown, **token}


def _execution(association: Association, execution: AssociationExecution) -> dict[str, Any]:
    counts = ", ".join(f"{name}={number}" for name, number in execution.counts.items())
    return {
        "AssociationId": association.id,
        "AssociationVersion": "1",
        "ExecutionId": execution.id,
        "Status": execution.status,
        "DetailedStatus": execution.status,
        "CreatedTime": execution.started,
        "LastExecutionDate": execution.started,
        "ResourceCountByStatus": f"{{{counts}}}",
    }


def _execution_passes(execution: AssociationExecution, request: Request) -> bool:
    for item in request.get("Filters") or []:
        if item["Key"] == "CreatedTime":
            limit = datetime.fromisoformat(item["Value"].replace("Z", "+00:00")).timestamp()
            later, earlier = execution.started > limit, execution.started < limit
            if not {"GREATER_THAN": later, "LESS_THAN": earlier}.get(item["Type"], False):
                return False
        else:
            value = execution.id if item["Key"] == "ExecutionId" else execution.status
            if value != item["Value"]:
                return False
    return True


@operation("DescribeAssociationExecutionTargets", _of_association)
def describe_association_execution_targets(fleet: Fleet, request: Request) -> dict[str, Any]:
    association = _association(fleet, request)
    execution = next((e for e in association.executions if e.id == request["ExecutionId"]), None)
    if execution is None:
        raise ApiError("AssociationExecutionDoesNotExist")
    rows = [
        _target(association, execution, result)
        for result in execution.results.values()
        if _target_passes(result, request)
    ]
    shown, token = page(rows, request)
    return {"AssociationExecutionTargets": shown, **token}


def _target(
    association: Association, execution: AssociationExecution, result: NodeResult
) -> dict[str, Any]:
    return {
        "AssociationId": association.id,
        "AssociationVersion": "1",
        "ExecutionId": execution.id,
        "ResourceId": result.node_id,
        "ResourceType": "ManagedInstance",
        "Status": result.status,
        "DetailedStatus": result.detailed_status,
        "LastExecutionDate": result.finished or execution.started,
        "OutputSource": {
            "OutputSourceId": result.command_id,
            "OutputSourceType": "RunCommand",
        },
    }


def _target_passes(result: NodeResult, request: Request) -> bool:
    values = {
        "Status": result.status,
        "ResourceId": result.node_id,
        "ResourceType": "ManagedInstance",
    }
    return all(values.get(i["Key"]) == i["Value"] for i in request.get("Filters") or [])


def _of_instance(fleet: Fleet, request: Request) -> Resources:
    return node_resources(fleet, [request["InstanceId"]])


@operation("DescribeInstanceAssociationsStatus", _of_instance)
def describe_instance_associations_status(fleet: Fleet, request: Request) -> dict[str, Any]:
    (node,) = managed(fleet, [request["InstanceId"]], stopped=True)
    rows = []
    for association in fleet.associations.by_id.values():
        if node.id not in association.node_ids:
            continue
        rows.append(_node_status(association, node.id))
    shown, token = page(rows, request)
    return {"InstanceAssociationStatusInfos": shown, **token}


def _node_status(association: Association, node_id: str) -> dict[str, Any]:
    row: dict[str, Any] = {
        "AssociationId": association.id,
        "Name": association.document,
        "DocumentVersion": "1",
        "AssociationVersion": "1",
        "InstanceId": node_id,
        "Status": "Pending",
        "DetailedStatus": "Associated",
        "ExecutionSummary": "0 out of 0 plugin processed",
        "AssociationName": association.name,
    }
    if association.executions:
        result = association.executions[-1].results[node_id]
        row.update(
            Status=result.status,
            DetailedStatus=result.detailed_status,
            ExecutionSummary=result.summary,
            ErrorCode=result.error_code,
            ExecutionDate=result.finished or association.executions[-1].started,
        )
    return row


def _of_calendars(fleet: Fleet, request: Request) -> Resources:
    found: Resources = []
    for name in request["CalendarNames"]:
        arn = name if name.startswith("arn:") else f"arn:aws:ssm:{REGION}:{ACCOUNT}:document/{name}"
        found.append((arn, {}))
    return found or ANY


@operation("GetCalendarState", _of_calendars)
def get_calendar_state(fleet: Fleet, request: Request) -> dict[str, Any]:
    states = []
    for name in request["CalendarNames"]:
        state = fleet.calendars.get(name.rsplit("/", 1)[-1])
        if state is None:
            raise ApiError("InvalidDocument", f"Calendar {name} does not exist.")
        states.append(state)
    at = request.get("AtTime") or datetime.fromtimestamp(time.time(), UTC).strftime(
        "%Y-%m-%dT%H:%M:%SZ"
    )
    return {"State": "OPEN" if all(s == "OPEN" for s in states) else "CLOSED", "AtTime": at}
