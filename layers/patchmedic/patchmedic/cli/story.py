"""The story of ``make demo``: a night of failed patch runs, on the local cloud.

Here: what happens in which order, and waiting for it with a bound.  Not here: the nodes and their
faults (``local/scenarios/story.yaml``) or how the result is shown (``tables``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from patchmedic.cli.cloud import LocalCloud
from patchmedic.incident import Incident, State
from patchmedic.store import DynamoStore

SETTLED = frozenset({State.PROPOSED, State.HANDED_OVER, State.CLOSED})
POLL_SECONDS = 0.5
SWEEP_EVERY_SECONDS = 5.0
OPERATOR = "arn:aws:iam::123456789012:user/you"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the simulated fleet, as the local cloud's admin API tells it."""

    node_id: str
    name: str
    platform: str
    ping: str
    state: str
    faults: tuple[str, ...]


def nodes_of(cloud: LocalCloud) -> tuple[Node, ...]:
    """The fleet."""
    listed: Sequence[Mapping[str, Any]] = cloud.admin("GET", "nodes")["nodes"]
    return tuple(
        Node(
            node_id=str(n["id"]),
            name=str(n.get("name") or n["id"]),
            platform=str(n["platform"]),
            ping=str(n["ping"]),
            state=str(n["state"]),
            faults=tuple(f if isinstance(f, str) else str(f["fault"]) for f in n["faults"]),
        )
        for n in listed
    )


def play(cloud: LocalCloud, say: Say, seconds_max: float) -> tuple[Incident, ...]:
    """A patch run fails on many nodes, some nodes are silent; wait for every outcome.

    Raises ``TimeoutError`` when the incidents do not settle in time.
    """
    nodes = nodes_of(cloud)
    expected = [n for n in nodes if n.faults]
    say(f"someone runs AWS-RunPatchBaseline Install on {len(nodes)} nodes")
    cloud.admin(
        "POST",
        "patch",
        {
            "nodes": [n.node_id for n in nodes],
            "document": "AWS-RunPatchBaseline",
            "operation": "Install",
            "reboot_option": "NoReboot",
        },
    )
    say("watch looks for nodes that went silent")
    cloud.invoke("watch", {})
    incidents = wait_settled(cloud, {n.node_id for n in expected}, say, seconds_max)
    proposals = [i for i in incidents if i.state is State.PROPOSED]
    for incident in proposals:
        assert incident.proposal is not None
        say(f"you approve {incident.proposal.remedy} on {incident.node.node_id}")
        answer = {"incident_id": incident.id, "decision": "approve", "operator": OPERATOR}
        cloud.invoke("approve", answer)
    if proposals:
        incidents = wait_settled(cloud, {n.node_id for n in expected}, say, seconds_max)
    return incidents


def wait_settled(
    cloud: LocalCloud, node_ids: set[str], say: Say, seconds_max: float
) -> tuple[Incident, ...]:
    """Wait until every node in ``node_ids`` has an incident and every incident is at rest."""
    store: DynamoStore = cloud.store()
    until = time.monotonic() + seconds_max
    next_sweep = time.monotonic() + SWEEP_EVERY_SECONDS
    told: dict[str, str] = {}
    while True:
        incidents = store.recent(limit=200)
        for incident in reversed(incidents):
            if told.get(incident.id) != incident.state.value:
                told[incident.id] = incident.state.value
                say(_progress(incident))
        seen = {i.node.node_id for i in incidents}
        if node_ids <= seen and all(i.state in SETTLED for i in incidents):
            return incidents
        if time.monotonic() > until:
            raise TimeoutError(_late(node_ids - seen, incidents))
        if time.monotonic() > next_sweep:
            cloud.invoke("sweep", {})
            next_sweep = time.monotonic() + SWEEP_EVERY_SECONDS
        time.sleep(POLL_SECONDS)


def _progress(incident: Incident) -> str:
    said = f"{incident.node.node_id}: {incident.state.value}, {incident.cause}"
    return said + (f", {incident.outcome.value}" if incident.outcome else "")


def _late(missing: set[str], incidents: Sequence[Incident]) -> str:
    moving = [
        f"{i.id} ({i.node.node_id}: {i.state.value})" for i in incidents if i.state not in SETTLED
    ]
    parts = []
    if missing:
        parts.append("no incident for " + ", ".join(sorted(missing)))
    if moving:
        parts.append("not at rest: " + ", ".join(moving))
    return "; ".join(parts)


def now() -> datetime:
    return datetime.now(UTC)
