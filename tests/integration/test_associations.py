"""An association that fails on many nodes: an incident for each, a handful of narrow calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from patchmedic.cli.cloud import LocalCloud
from patchmedic.incident import Incident

Wait = Callable[[Callable[[], bool], float], None]
NODES_COUNT = 24
NODES = [f"i-0d1b2c3d4e5f6{number:04x}" for number in range(NODES_COUNT)]
ASSOCIATION = "8dfe3659-4309-493a-8755-0000000000aa"
NARROW = ("DescribeAssociationExecutions", "DescribeAssociationExecutionTargets")
SECONDS_MAX = 90


def _scenario() -> dict[str, Any]:
    """Their disks are full, and they are only watched: no check and no remedy takes time."""
    return {
        "name": "many",
        "network": {
            "vpcs": {"many": {"cidr": "10.60.0.0/16"}},
            "internet_gateways": {"many-igw": {"vpc": "many"}},
            "subnets": {
                "many-a": {"vpc": "many", "cidr": "10.60.0.0/24", "default_route": "many-igw"}
            },
        },
        "roles": {"many-role": {"managed_policies": ["AmazonSSMManagedInstanceCore"]}},
        "nodes": [
            {
                "id": node,
                "name": f"many-{node[-2:]}",
                "platform": "linux",
                "os": "Amazon Linux 2",
                "subnet": "many-a",
                "instance_profile": "many-role",
                "tags": {"PatchMedicMode": "observe"},
                "faults": [{"fault": "disk-full"}],
            }
            for node in NODES
        ],
        "associations": [
            {
                "id": ASSOCIATION,
                "name": "nightly",
                "document": "AWS-RunPatchBaseline",
                "parameters": {"Operation": ["Scan"]},
                "nodes": NODES,
            }
        ],
    }


def test_an_associations_run_is_asked_for_once_for_many_nodes(
    cloud: LocalCloud, tmp_path: Path, eventually: Wait
) -> None:
    file = tmp_path / "many.yaml"
    file.write_text(yaml.safe_dump(_scenario()), encoding="utf-8")
    cloud.admin("POST", "scenario", {"file": str(file)})
    cloud.admin("POST", "association", {"id": ASSOCIATION})

    def incidents() -> dict[str, Incident]:
        found = cloud.store().recent(500)
        return {i.node.node_id: i for i in found if i.node.node_id in NODES}

    def all_there() -> bool:
        """every node has its incident"""
        return len(incidents()) == NODES_COUNT

    eventually(all_there, SECONDS_MAX)
    found = incidents().values()
    assert {i.classification.cause for i in found} == {"disk-full"}
    commands = {i.signal.command_id for i in found}
    assert len(commands) == 1
    assert None not in commands, "each incident knows the command behind the association"
    asked = Counter(
        call["action"]
        for call in cloud.admin("GET", "calls")["calls"]
        if call["action"] in NARROW and call["request"]["AssociationId"] == ASSOCIATION
    )
    # Two a batch; how many batches the events come in is the queue's business.
    assert 0 < sum(asked.values()) <= NODES_COUNT, asked
