"""What SSM knows of nodes: their agents, their patch states, their compliance.

Here: DescribeInstanceInformation, DescribeInstancePatchStates, DescribeInstancePatches,
ListComplianceItems.  Not here: what changes any of it (``fleet``).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from patchmedic_local import cloud
from patchmedic_local.fleet.fleet import Fleet
from patchmedic_local.fleet.node import LATEST_AGENT, Node, PatchState
from patchmedic_local.fleet.patch_run import BASELINE_ID
from patchmedic_local.ssm.errors import ApiError
from patchmedic_local.ssm.operations import (
    Request,
    Resources,
    managed,
    node_resources,
    operation,
    page,
)

_PLATFORM_TYPES = {"linux": "Linux", "windows": "Windows", "macos": "MacOS"}
_INFORMATION_PAGE = 10
_STATES_PAGE = 10


@operation("DescribeInstanceInformation")
def describe_instance_information(fleet: Fleet, request: Request) -> dict[str, Any]:
    if "Filters" in request and "InstanceInformationFilterList" in request:
        raise ApiError(
            "ValidationException", "Give either Filters or InstanceInformationFilterList, not both."
        )
    filters = _filters(request)
    tag_keys = [key for key, _values in filters if key.startswith("tag")]
    if tag_keys and len(filters) > 1:
        raise ApiError("InvalidInstanceInformationFilterValue", "Tag filters stand alone.")
    for key, values in filters:
        if key == "InstanceIds":
            unknown = [value for value in values if value not in fleet.nodes]
            if unknown:
                raise ApiError("InvalidInstanceId", f"Instances [{unknown}] are not managed")
    now = time.time()
    rows = [
        _information(node, now)
        for node in sorted(fleet.nodes.values(), key=lambda n: n.id)
        # Stopped and terminated nodes are not in the answer at all.
        if node.state in ("pending", "running", "stopping")
    ]
    rows = [row for row in rows if all(_row_passes(row, fleet, *item) for item in filters)]
    shown, token = page(rows, request, _INFORMATION_PAGE)
    return {"InstanceInformationList": shown, **token}


def _filters(request: Request) -> list[tuple[str, Sequence[str]]]:
    given = [(item["Key"], item["Values"]) for item in request.get("Filters") or []]
    for item in request.get("InstanceInformationFilterList") or []:
        given.append((item["key"], item["valueSet"]))
    return given


def _row_passes(row: Mapping[str, Any], fleet: Fleet, key: str, values: Sequence[str]) -> bool:
    node = fleet.nodes[row["InstanceId"]]
    if key == "tag-key":
        return any(value in node.all_tags() for value in values)
    if key.startswith("tag:"):
        return node.all_tags().get(key[4:]) in values
    fields = {
        "InstanceIds": "InstanceId",
        "PingStatus": "PingStatus",
        "PlatformTypes": "PlatformType",
        "AgentVersion": "AgentVersion",
        "AssociationStatus": "AssociationStatus",
        "IamRole": "IamRole",
        "ResourceType": "ResourceType",
        "SourceIds": "SourceId",
        "SourceTypes": "SourceType",
        "ActivationIds": "ActivationId",
    }
    if key not in fields:
        raise ApiError("InvalidFilterKey", f"{key} is no filter key of this API.")
    return row.get(fields[key], "") in values


def _information(node: Node, now: float) -> dict[str, Any]:
    record = cloud.instance(node.id) if node.is_ec2 else None
    row: dict[str, Any] = {
        "InstanceId": node.id,
        "PingStatus": node.ping_status(now),
        "LastPingDateTime": node.last_ping(now),
        "AgentVersion": node.agent_version,
        "IsLatestVersion": node.agent_version == LATEST_AGENT,
        "PlatformType": _PLATFORM_TYPES[node.platform],
        "PlatformName": node.spec.os,
        "PlatformVersion": node.spec.os_version,
        "ResourceType": "EC2Instance" if node.is_ec2 else "ManagedInstance",
        "IPAddress": record["PrivateIpAddress"] if record else "192.0.2.10",
        "ComputerName": record["PrivateDnsName"] if record else node.spec.name,
        "SourceId": node.id,
        "SourceType": "AWS::EC2::Instance" if node.is_ec2 else "AWS::SSM::ManagedInstance",
    }
    if not node.is_ec2:
        row["IamRole"] = node.spec.role or "SSMServiceRole"
        row["RegistrationDate"] = node.registered
        row["Name"] = node.spec.name
        row["ActivationId"] = "7c1a0f7e-0000-4000-8000-0000000000ab"
    return row


# -- patch states -----------------------------------------------------------------------------


def _of_instance_ids(fleet: Fleet, request: Request) -> Resources:
    return node_resources(fleet, request["InstanceIds"])


@operation("DescribeInstancePatchStates", _of_instance_ids)
def describe_instance_patch_states(fleet: Fleet, request: Request) -> dict[str, Any]:
    rows = []
    for node_id in request["InstanceIds"]:
        node = fleet.nodes.get(node_id)
        if node is not None and node.patch_state is not None:
            rows.append(_patch_state(node, node.patch_state))
    shown, token = page(rows, request, _STATES_PAGE)
    return {"InstancePatchStates": shown, **token}


def _patch_state(node: Node, state: PatchState) -> dict[str, Any]:
    row: dict[str, Any] = {
        "InstanceId": node.id,
        "PatchGroup": node.all_tags().get("Patch Group", "") or "default",
        "BaselineId": BASELINE_ID,
        "SnapshotId": state.snapshot_id,
        "InstalledCount": state.installed,
        "InstalledOtherCount": 11,
        "InstalledPendingRebootCount": state.pending_reboot,
        "InstalledRejectedCount": 0,
        "MissingCount": state.missing,
        "FailedCount": state.failed,
        "UnreportedNotApplicableCount": 0,
        "NotApplicableCount": 1873,
        "OperationStartTime": state.started,
        "OperationEndTime": state.ended,
        "Operation": state.operation,
        "RebootOption": state.reboot_option,
        "CriticalNonCompliantCount": 0,
        "SecurityNonCompliantCount": state.missing,
        "OtherNonCompliantCount": 0,
    }
    if state.last_no_reboot_install is not None:
        row["LastNoRebootInstallOperationTime"] = state.last_no_reboot_install
    return row


def _of_instance_id(fleet: Fleet, request: Request) -> Resources:
    return node_resources(fleet, [request["InstanceId"]])


@operation("DescribeInstancePatches", _of_instance_id)
def describe_instance_patches(fleet: Fleet, request: Request) -> dict[str, Any]:
    (node,) = managed(fleet, [request["InstanceId"]], stopped=True)
    rows = []
    state = node.patch_state
    if state is not None:
        kinds = [("MISSING", state.missing), ("INSTALLED_PENDING_REBOOT", state.pending_reboot)]
        kinds.append(("INSTALLED", min(state.installed, 20)))
        for kind, count in kinds:
            rows += [_patch(kind, number, state.ended) for number in range(count)]
    shown, token = page(rows, request, 50)
    return {"Patches": shown, **token}


def _patch(state: str, number: int, when: float) -> dict[str, Any]:
    name = f"package-{state.lower().replace('_', '-')}-{number}"
    return {
        "Title": f"{name}.x86_64:0:1.0.{number}-1",
        "KBId": f"{name}.x86_64",
        "Classification": "Security",
        "Severity": "Important",
        "State": state,
        "InstalledTime": 0.0 if state == "MISSING" else when,
    }


# -- compliance -------------------------------------------------------------------------------


@operation("ListComplianceItems")
def list_compliance_items(fleet: Fleet, request: Request) -> dict[str, Any]:
    ids = request.get("ResourceIds") or []
    if len(ids) != 1:
        raise ApiError("ValidationException", "Give exactly one ResourceId.")
    node = fleet.nodes.get(ids[0])
    rows = _compliance(node) if node else []
    rows = [row for row in rows if _item_passes(row, request)]
    shown, token = page(rows, request, 50)
    return {"ComplianceItems": shown, **token}


def _compliance(node: Node) -> list[dict[str, Any]]:
    rows = []
    if node.patch_state is not None:
        rows.append(_item(node, node.patch_state, "Patch", node.patch_state.snapshot_id))
    for association_id, state in node.association_compliance.items():
        rows.append(_item(node, state, "Patch", association_id))
    return rows


def _item(node: Node, state: PatchState, kind: str, execution_id: str) -> dict[str, Any]:
    compliant = state.missing == 0 and state.failed == 0
    return {
        "ComplianceType": kind,
        "ResourceType": "ManagedInstance",
        "ResourceId": node.id,
        "Id": execution_id,
        "Title": f"{state.missing} missing, {state.installed} installed",
        "Status": "COMPLIANT" if compliant else "NON_COMPLIANT",
        "Severity": "UNSPECIFIED" if compliant else "HIGH",
        "ExecutionSummary": {
            "ExecutionTime": state.ended,
            "ExecutionId": execution_id,
            "ExecutionType": "Command",
        },
        "Details": {"PatchState": "Installed" if compliant else "Missing"},
    }


def _item_passes(row: Mapping[str, Any], request: Request) -> bool:
    fields = {"ComplianceType", "Status", "Severity", "ResourceType", "Id", "ExecutionId"}
    for item in request.get("Filters") or []:
        key = item["Key"]
        if key not in fields:
            raise ApiError("InvalidFilter", f"{key} is no filter key of this API.")
        value = row["ExecutionSummary"]["ExecutionId"] if key == "ExecutionId" else row[key]
        matches = value in item["Values"]
        if matches == (item.get("Type", "EQUAL") == "NOT_EQUAL"):
            return False
    return True
