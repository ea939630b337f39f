"""Scenario and fault files: what is wrong in one is said with file, place and what is allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from patchmedic_local.scenario.fault import PHASES, fill, load_faults
from patchmedic_local.scenario.reading import ScenarioError
from patchmedic_local.scenario.scenario import load_scenario

SCENARIOS = Path(__file__).resolve().parents[2] / "local" / "scenarios"
NODE = {
    "id": "i-0a1b2c3d4e5f60001",
    "name": "web-1",
    "platform": "linux",
    "os": "Amazon Linux 2023",
    "subnet": "a",
}


def _write(folder: Path, **changes: Any) -> Path:
    content = {
        "name": "mine",
        "network": {
            "vpcs": {"v": {"cidr": "10.0.0.0/16"}},
            "subnets": {"a": {"vpc": "v", "cidr": "10.0.0.0/24"}},
        },
        "nodes": [{**NODE, **changes}],
    }
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.mark.parametrize("path", sorted(SCENARIOS.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_scenarios_load(path: Path) -> None:
    assert load_scenario(path, load_faults()).nodes


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"platform": "plan9"}, "'plan9' is not one of linux, windows, macos"),
        ({"colour": "red"}, "Allowed there: agent_version"),
        ({"id": "web-1"}, "nodes.0.id"),
        ({"subnet": "b"}, "subnet 'b' is not in network.subnets"),
        ({"faults": [{"fault": "gremlins"}]}, "there is no fault 'gremlins'. There are: agent-not"),
        ({"faults": [{"fault": "disk-full", "size": 1}]}, "has no option size. Its options: free"),
        ({"faults": [{"fault": "wu-unreachable"}]}, "exists on windows, not on linux"),
        ({"instance_profile": "nobody"}, "instance_profile 'nobody' is no role"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        load_scenario(_write(tmp_path, **changes), load_faults())
    assert "mine.yaml" in str(caught.value)
    assert said in str(caught.value)


def test_every_fault_can_be_printed() -> None:
    """Each text of each fault names only what a run can fill in."""
    run = dict.fromkeys(
        (
            *("t", "iso", "region", "account", "node_id", "computer", "os", "manager", "payload"),
            *("snapshot_id", "baseline_id", "baseline_override", "operation", "reboot_option"),
            *("command_id", "agent_version"),
        ),
        "x",
    )
    for fault in load_faults().values():
        values = {**run, **{name: str(value) for name, value in fault.options.items()}}
        for failure in fault.failures:
            assert failure.phase in PHASES
            assert "${" not in fill(failure.stdout + failure.stderr, values)
        for sight in fault.sights:
            for text in sight.facts.values():
                assert len(fill(text, values)) <= 300


def test_a_text_that_names_nothing_known_is_an_error() -> None:
    with pytest.raises(ScenarioError, match="nobody"):
        fill("${nobody}", {})
