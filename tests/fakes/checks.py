"""``ports.AwsChecks`` in memory: findings about a node's AWS set-up, from the fake fleet.

It answers what the fake fleet can: does the instance run, is it healthy, has it a profile, may its
role read a patch policy's list, and is its agent old?
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
        lists = incident.evidence.parameters.get("BaselineOverride", ())
        runs = found.state == "running"
        answers = (
            ("instance-state", "instance-stopped", not runs),
            (
                "instance-state",
                "instance-impaired",
                runs and self._fleet.shown_check(found) == "impaired",
            ),
            ("instance-profile", "instance-profile-missing", found.profile is None),
            (
                "patch-policy-role",
                "patch-policy-bucket-denied",
                not all(self._fleet.may_read_list(found, url) for url in lists),
            ),
            ("managed-node", "agent-outdated", found.agent_outdated),
        )
        asked = [answer for answer in answers if answer[0] in names]
        return Look(tuple(_finding(*answer, node) for answer in asked))


def _finding(name: str, cause: str, bad: bool, node: NodeRef) -> Finding:
    says = {"en": f"{cause}: {bad}", "ja": f"{cause}: {bad}"}
    verdict = Verdict.CONFIRMS if bad else Verdict.REFUTES
    return Finding(name, verdict, cause, node.node_id, says)
