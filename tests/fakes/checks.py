"""``ports.AwsChecks`` in memory: findings about a node's AWS set-up, from the fake fleet."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from patchmedic.incident import Incident
from patchmedic.model import Finding, NodeRef, Verdict
from tests.fakes.fleet import FakeFleet


class FakeAwsChecks:
    """Answers the one question that the fake fleet can: does the instance run?"""

    def __init__(self, fleet: FakeFleet) -> None:
        self._fleet = fleet

    def run(
        self, node: NodeRef, names: Sequence[str], incident: Incident, now: datetime
    ) -> tuple[Finding, ...]:
        found = self._fleet.nodes.get(node.node_id)
        if "instance-state" not in names or found is None:
            return ()
        runs = found.state == "running"
        state = found.state
        says = {"en": f"the instance is {state}", "ja": f"インスタンスの状態は {state} です"}
        verdict = Verdict.REFUTES if runs else Verdict.CONFIRMS
        return (Finding("instance-state", verdict, "instance-stopped", node.node_id, says),)
