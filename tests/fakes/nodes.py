"""``ports.Nodes`` over the fake fleet: what Systems Manager and EC2 say about its nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from tests.fakes.fleet import PING_EVERY, REGION, FakeFleet, FakeNode

from patchmedic.errors import AwsRejected
from patchmedic.incident import Observation
from patchmedic.model import NodeRef
from patchmedic.ports import NodeInfo

KILL_SWITCH_OPEN = "run"


class FakeNodes:
    """Fresh looks; how stale they may be is the simulator's business."""

    def __init__(self, fleet: FakeFleet) -> None:
        self._fleet = fleet
        self.kill_switch_value: str | None = KILL_SWITCH_OPEN
        self.calendars: dict[str, str] = {}
        self.windows: dict[str, bool] = {}
        """Maintenance windows, and whether one is in progress."""

    def info(self, node: NodeRef) -> NodeInfo | None:
        found = self._fleet.nodes.get(node.node_id)
        return self._info(found) if found and _listed(found) else None

    def all(self, region: str) -> tuple[NodeInfo, ...]:
        if region != REGION:
            return ()
        return tuple(self._info(n) for n in self._fleet.nodes.values() if _listed(n))

    def tags(self, node: NodeRef) -> Mapping[str, str]:
        found = self._fleet.nodes.get(node.node_id)
        if found is None and node.node_id.startswith("mi-"):
            raise AwsRejected("ListTagsForResource", "InvalidResourceId", node.node_id)
        return dict(found.tags) if found else {}

    def instance_states(self, region: str, node_ids: Sequence[str]) -> Mapping[str, str]:
        return {
            i: self._fleet.nodes[i].state
            for i in node_ids
            if i.startswith("i-") and i in self._fleet.nodes
        }

    def patch_state(self, node: NodeRef) -> Observation | None:
        found = self._fleet.nodes.get(node.node_id)
        return found.patch_state if found else None

    def compliance(self, node: NodeRef, association_id: str | None) -> Observation | None:
        found = self._fleet.nodes.get(node.node_id)
        return found.compliance if found else None

    def kill_switch(self) -> str:
        if self.kill_switch_value is None:
            raise AwsRejected("GetParameter", "ParameterNotFound", "no such parameter")
        return self.kill_switch_value

    def calendar_state(self, names: Sequence[str]) -> str:
        states = [self.calendars.get(name) for name in names]
        if None in states:
            raise AwsRejected("GetCalendarState", "InvalidDocument", "no such calendar")
        return "OPEN" if all(state == "OPEN" for state in states) else "CLOSED"

    def window_in_progress(self, window_ids: Sequence[str], now: datetime) -> bool:
        if not set(window_ids) <= set(self.windows):
            raise AwsRejected(
                "DescribeMaintenanceWindowExecutions", "DoesNotExistException", "no such window"
            )
        return any(self.windows[window_id] for window_id in window_ids)

    def _info(self, node: FakeNode) -> NodeInfo:
        now = self._fleet.clock.now()
        assert node.last_ping is not None, "added nodes were heard of"
        silent = not node.alive and now - node.last_ping > PING_EVERY
        return NodeInfo(
            node_id=node.node_id,
            ping="ConnectionLost" if silent else "Online",
            last_ping=node.last_ping,
            platform=node.platform,
            agent_version="3.3.1345.0",
            name=node.node_id,
        )


def _listed(node: FakeNode) -> bool:
    """Systems Manager does not list stopped or terminated nodes."""
    return node.state == "running"
