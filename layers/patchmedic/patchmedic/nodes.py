"""Fresh looks at managed nodes: ping, tags, patch state, compliance, kill switch and windows.

Here: the reads that guards and verification rest on, each one call deep.  Not here: the wide
look-ups of the checks (``lookups``) and what the answers mean (``policy``, ``incident``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from patchmedic.aws import Clients, call
from patchmedic.errors import AwsRejected
from patchmedic.incident import Observation
from patchmedic.model import NodeRef
from patchmedic.ports import NodeInfo

PAGE_SIZE = 50
_PLATFORMS: Mapping[str, Literal["linux", "windows", "macos"]] = {
    "Linux": "linux",
    "Windows": "windows",
    "MacOS": "macos",
}
IDS_PER_CALL = 100
WINDOW_HOURS_MAX = 24
"""No maintenance window lasts longer, so no older execution can be in progress."""


class ManagedNodes:
    """``ports.Nodes`` over the SSM and EC2 APIs."""

    def __init__(self, clients: Clients, kill_switch_parameter: str) -> None:
        self._clients = clients
        self._kill_switch_parameter = kill_switch_parameter

    def info(self, node: NodeRef) -> NodeInfo | None:
        """What Systems Manager knows of a node; ``None`` when it is stopped, gone or unknown."""
        try:
            response = call(
                "DescribeInstanceInformation",
                self._clients.get("ssm", node.region).describe_instance_information,
                Filters=[{"Key": "InstanceIds", "Values": [node.node_id]}],
            )
        except AwsRejected as error:
            if error.code == "InvalidInstanceId":
                return None
            raise
        for item in response["InstanceInformationList"]:
            return _node_info(item)
        return None

    def all(self, region: str) -> tuple[NodeInfo, ...]:
        """Every managed node that is not stopped or terminated."""
        return tuple(_node_info(item) for item in self._pages(region))

    def tags(self, node: NodeRef) -> Mapping[str, str]:
        """The node's tags, read now: EC2's for ``i-``, Systems Manager's for ``mi-``."""
        if node.node_id.startswith("mi-"):
            response = call(
                "ListTagsForResource",
                self._clients.get("ssm", node.region).list_tags_for_resource,
                ResourceType="ManagedInstance",
                ResourceId=node.node_id,
            )
            return {t["Key"]: t["Value"] for t in response["TagList"]}
        response = call(
            "DescribeTags",
            self._clients.get("ec2", node.region).describe_tags,
            Filters=[{"Name": "resource-id", "Values": [node.node_id]}],
        )
        return {t["Key"]: t["Value"] for t in response["Tags"]}

    def instance_states(self, region: str, node_ids: Sequence[str]) -> Mapping[str, str]:
        """EC2's state of instances; ids that EC2 no longer knows are left out."""
        ids = [i for i in node_ids if i.startswith("i-")]
        states: dict[str, str] = {}
        client = self._clients.get("ec2", region)
        for start in range(0, len(ids), IDS_PER_CALL):
            response = call(
                "DescribeInstances",
                client.describe_instances,
                Filters=[{"Name": "instance-id", "Values": ids[start : start + IDS_PER_CALL]}],
            )
            for reservation in response["Reservations"]:
                for instance in reservation["Instances"]:
                    states[instance["InstanceId"]] = instance["State"]["Name"]
        return states

    def patch_state(self, node: NodeRef) -> Observation | None:
        """The node's patch state, which only a patch run of the node itself changes."""
        response = call(
            "DescribeInstancePatchStates",
            self._clients.get("ssm", node.region).describe_instance_patch_states,
            InstanceIds=[node.node_id],
        )
        for state in response["InstancePatchStates"]:
            failed = state.get("FailedCount", 0)
            missing = state.get("MissingCount", 0)
            return Observation(
                source="patch-state",
                observed_at=state["OperationEndTime"].astimezone(UTC),
                healthy=failed == 0,
                operation=state.get("Operation"),
                detail=(
                    f"{state.get('Operation')} ended {_at(state['OperationEndTime'])}: "
                    f"{state.get('InstalledCount', 0)} installed, {missing} missing, "
                    f"{failed} failed"
                ),
            )
        return None

    def compliance(self, node: NodeRef) -> Observation | None:
        """AWS-RunPatchBaselineAssociation writes compliance items instead of the patch state."""
        response = call(
            "ListComplianceItems",
            self._clients.get("ssm", node.region).list_compliance_items,
            ResourceIds=[node.node_id],
            ResourceTypes=["ManagedInstance"],
            Filters=[{"Key": "ComplianceType", "Values": ["Patch"], "Type": "EQUAL"}],
            MaxResults=PAGE_SIZE,
        )
        times = [
            item["ExecutionSummary"]["ExecutionTime"].astimezone(UTC)
            for item in response["ComplianceItems"]
        ]
        if not times:
            return None
        latest = max(times)
        return Observation(
            source="compliance",
            observed_at=latest,
            healthy=True,
            operation=None,
            detail=f"compliance was reported at {_at(latest)}",
        )

    def kill_switch(self) -> str:
        """The kill switch, read now and never cached."""
        response = call(
            "GetParameter",
            self._clients.get("ssm").get_parameter,
            Name=self._kill_switch_parameter,
        )
        return str(response["Parameter"]["Value"])

    def calendar_state(self, names: Sequence[str]) -> str:
        """OPEN when all of these change calendars are open now, else CLOSED."""
        response = call(
            "GetCalendarState",
            self._clients.get("ssm").get_calendar_state,
            CalendarNames=list(names),
        )
        return str(response["State"])

    def window_in_progress(self, window_ids: Sequence[str], now: datetime) -> bool:
        """Whether one of these maintenance windows is at work now."""
        return any(self._in_progress(window_id, now) for window_id in window_ids)

    def _in_progress(self, window_id: str, now: datetime) -> bool:
        after = (now - timedelta(hours=WINDOW_HOURS_MAX)).astimezone(UTC)
        arguments: dict[str, Any] = {
            "WindowId": window_id,
            "Filters": [{"Key": "ExecutedAfter", "Values": [after.strftime("%Y-%m-%dT%H:%M:%SZ")]}],
            "MaxResults": PAGE_SIZE,
        }
        client = self._clients.get("ssm")
        while True:
            response = call(
                "DescribeMaintenanceWindowExecutions",
                client.describe_maintenance_window_executions,
                **arguments,
            )
            if any(e.get("Status") == "IN_PROGRESS" for e in response["WindowExecutions"]):
                return True
            if not response.get("NextToken"):
                return False
            arguments["NextToken"] = response["NextToken"]

    def _pages(self, region: str) -> Iterator[Mapping[str, Any]]:
        arguments: dict[str, Any] = {"MaxResults": PAGE_SIZE}
        client = self._clients.get("ssm", region)
        while True:
            response = call(
                "DescribeInstanceInformation", client.describe_instance_information, **arguments
            )
            yield from response["InstanceInformationList"]
            if not response.get("NextToken"):
                return
            arguments["NextToken"] = response["NextToken"]


def _at(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _node_info(item: Mapping[str, Any]) -> NodeInfo:
    last = item.get("LastPingDateTime")
    return NodeInfo(
        node_id=item["InstanceId"],
        ping=item.get("PingStatus", ""),
        last_ping=last.astimezone(UTC) if last else None,
        platform=_PLATFORMS.get(item.get("PlatformType", "")),
        agent_version=item.get("AgentVersion"),
        name=item.get("ComputerName") or item.get("Name"),
    )
