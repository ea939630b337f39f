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
RECOVERY_SECONDS_MAX = 30.0
TOLD_SECONDS_MAX = 20.0
QUIET_SECONDS = 2.0
ASSOCIATION = "5b0c7d5e-2f5a-4a4e-9a53-7c6f0a1b2c01"
ASSOCIATION_NODE = "i-0a1b2c3d4e5f60005"
WINDOW = "mw-0a1b2c3d4e5f60001"
WINDOW_NODE = "mi-0a1b2c3d4e5f60009"
NODE_WITHOUT_S3 = "i-0a1b2c3d4e5f60003"
"""Names of local/scenarios/story.yaml."""
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


def play(
    cloud: LocalCloud, say: Say, seconds_max: float, nodes: Sequence[Node] | None = None
) -> tuple[Incident, ...]:
    """Patch runs fail on many nodes in every way they are started, and some nodes are silent.

    Then a person approves what waits for it, and follows one piece of advice.  ``nodes`` are the
    story's (default: the whole fleet).  Raises ``TimeoutError`` when the incidents do not settle.
    """
    nodes = nodes_of(cloud) if nodes is None else nodes
    expected = {n.node_id for n in nodes if n.faults}
    _start_runs(cloud, say, nodes)
    say("watch looks for nodes that went silent")
    cloud.invoke("watch", {})
    incidents = wait_settled(cloud, expected, say, seconds_max)
    proposals = [i for i in incidents if i.state is State.PROPOSED]
    for incident in proposals:
        assert incident.proposal is not None
        say(f"you approve {incident.proposal.remedy} on {incident.node.node_id}")
        answer = {"incident_id": incident.id, "decision": "approve", "operator": OPERATOR}
        cloud.invoke("approve", answer)
    _follow_advice(cloud, say, incidents)
    incidents = wait_settled(cloud, expected, say, seconds_max)
    wait_told(cloud)
    return incidents


def _start_runs(cloud: LocalCloud, say: Say, nodes: Sequence[Node]) -> None:
    started_otherwise = {ASSOCIATION_NODE, WINDOW_NODE}
    by_command = [n.node_id for n in nodes if n.node_id not in started_otherwise]
    say(f"someone runs AWS-RunPatchBaseline Install on {len(by_command)} nodes")
    run = {
        "nodes": by_command,
        "document": "AWS-RunPatchBaseline",
        "operation": "Install",
        "reboot_option": "NoReboot",
    }
    cloud.admin("POST", "patch", run)
    say("a patch policy's association and a maintenance window run, too")
    cloud.admin("POST", "association", {"id": ASSOCIATION})
    cloud.admin("POST", "window", {"id": WINDOW})


def _follow_advice(cloud: LocalCloud, say: Say, incidents: Sequence[Incident]) -> None:
    """Do what the mail about the subnet without a way to S3 says, and patch that node again."""
    incident = next((i for i in incidents if i.node.node_id == NODE_WITHOUT_S3), None)
    if incident is None or incident.state is not State.HANDED_OVER:
        return
    ec2 = cloud.client("ec2")
    instances = ec2.describe_instances(InstanceIds=[NODE_WITHOUT_S3])["Reservations"]
    instance = instances[0]["Instances"][0]
    subnet = {"Name": "association.subnet-id", "Values": [instance["SubnetId"]]}
    table = ec2.describe_route_tables(Filters=[subnet])["RouteTables"][0]["RouteTableId"]
    wanted = [
        {"Name": "vpc-id", "Values": [instance["VpcId"]]},
        {"Name": "vpc-endpoint-type", "Values": ["Gateway"]},
    ]
    endpoint = ec2.describe_vpc_endpoints(Filters=wanted)["VpcEndpoints"][0]["VpcEndpointId"]
    say(f"you follow the advice on {NODE_WITHOUT_S3}: {endpoint} gets the route table {table}")
    ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, AddRouteTableIds=[table])
    run = {
        "nodes": [NODE_WITHOUT_S3],
        "document": "AWS-RunPatchBaseline",
        "operation": "Install",
        "reboot_option": "NoReboot",
    }
    cloud.admin("POST", "patch", run)
    _wait_closed(cloud, incident.id)


def _wait_closed(cloud: LocalCloud, incident_id: str) -> None:
    store = cloud.store()
    until = time.monotonic() + RECOVERY_SECONDS_MAX
    while time.monotonic() < until:
        incident = store.load(incident_id)
        if incident is not None and incident.finished:
            return
        time.sleep(POLL_SECONDS)
    raise TimeoutError(f"the recovery of {incident_id} was not seen")


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


def wait_first(cloud: LocalCloud, seconds_max: float) -> bool:
    """Wait until there is an incident at all; false when there is none in time."""
    store = cloud.store()
    until = time.monotonic() + seconds_max
    while time.monotonic() < until:
        if store.recent(limit=1):
            return True
        time.sleep(POLL_SECONDS)
    return False


def wait_run(cloud: LocalCloud, command_id: str, seconds_max: float) -> None:
    """Wait until a command is over on all its nodes."""
    ssm = cloud.client("ssm")
    until = time.monotonic() + seconds_max
    while time.monotonic() < until:
        found = ssm.list_command_invocations(CommandId=command_id)["CommandInvocations"]
        if found and all(i["Status"] not in ("Pending", "InProgress", "Delayed") for i in found):
            return
        time.sleep(POLL_SECONDS)
    raise TimeoutError(f"command {command_id} did not end")


def wait_told(cloud: LocalCloud) -> None:
    """Wait until the messages about what happened last are out, too."""
    until = time.monotonic() + TOLD_SECONDS_MAX
    count, since = -1, time.monotonic()
    while time.monotonic() < until and time.monotonic() - since < QUIET_SECONDS:
        now_there = len(list(cloud.outbox()))
        if now_there != count:
            count, since = now_there, time.monotonic()
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
