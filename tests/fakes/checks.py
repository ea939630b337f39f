"""``ports.AwsChecks`` in memory: findings about a node's AWS set-up, from the fake fleet.

It answers the two questions that the fake fleet can: does the instance run, and is its agent old?
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from tests.fakes.fleet import FakeFleet

from patchmedic.incident import Incident
from patchmedic.model import Finding, NodeRef, Verdict
from patchmedic.ports import Look


class FakeAwsChecks:
    """Looks at the fleet instead of EC2 and IAM."""

    def __init__(self, fleet: FakeFleet) -> None:
        self._fleet = fleet

    def run(self, node: NodeRef, names: Sequence[str], incident: Incident, now: datetime) -> Look:
        found = self._fleet.nodes.get(node.node_id)
        if found is None:
            return Look(())
        answers = {
            "instance-state": ("instance-stopped", found.state != "running"),
            "managed-node": ("agent-outdated", found.agent_outdated),
        }
        names = [name for name in names if name in answers]
        return Look(tuple(_finding(name, *answers[name], node) for name in names))


def _finding(name: str, cause: str, bad: bool, node: NodeRef) -> Finding:
    says = {"en": f"{cause}: {bad}", "ja": f"{cause}: {bad}"}
    verdict = Verdict.CONFIRMS if bad else Verdict.REFUTES
    return Finding(name, verdict, cause, node.node_id, says)
