"""What the simulated nodes answer where all is well: each check of their platform, and no fault."""

from __future__ import annotations

import json
from typing import Any

import pytest

from patchmedic.checks.node import CHECKS, FACT_CHARACTERS_MAX, parse_findings
from patchmedic.model import Verdict
from patchmedic_local.fleet import healthy
from patchmedic_local.fleet.effects import Effect
from patchmedic_local.fleet.node import Node
from patchmedic_local.scenario.scenario import NodeSpec

_OF_ITS_RUNS = {"patch-runs", "payload-leftovers", "credentials", "imds", "patch-log-tail"}
"""What the node's own state answers, not ``healthy``."""
SYSTEMS = [
    ("linux", "Ubuntu"),
    ("linux", "Amazon Linux 2"),
    ("linux", "Amazon Linux 2023"),
    ("linux", "Red Hat Enterprise Linux"),
    ("linux", "SUSE Linux Enterprise Server"),
    ("macos", "macOS"),
    ("windows", "Windows Server 2022 Datacenter"),
]


def _node(platform: str, system: str, node_id: str) -> Node:
    effects: list[Effect] = []
    spec = NodeSpec(node_id, "n", platform, system)
    return Node(spec, None, effects, 0.0, spec.agent_version)


@pytest.mark.parametrize("platform", ["linux", "macos", "windows"])
def test_a_node_answers_the_checks_of_its_platform(platform: str) -> None:
    """The registry's names are the documents' closed lists: a unit test sees to that."""
    known = [name for name, check in CHECKS.items() if platform in check.platforms]
    assert sorted(healthy.CHECKS[platform]) == sorted(known)


@pytest.mark.parametrize("node_id", ["i-0a1b2c3d4e5f60001", "mi-0a1b2c3d4e5f60001"])
@pytest.mark.parametrize(("platform", "system"), SYSTEMS)
def test_a_healthy_node_is_taken_for_one(platform: str, system: str, node_id: str) -> None:
    node = _node(platform, system, node_id)
    checks: list[dict[str, Any]] = []
    for name in sorted(set(healthy.CHECKS[platform]) - _OF_ITS_RUNS):
        state, facts = healthy.look(node, name)
        assert all(len(value) <= FACT_CHARACTERS_MAX for value in facts.values())
        assert (state == "unknown") == ("why" in facts), name
        checks.append({"check": name, "state": state, "facts": facts})
    document = json.dumps({"schema": 1, "platform": platform, "checks": checks})
    stdout = f"<<<PATCHMEDIC-FINDINGS\n{document}\nPATCHMEDIC-FINDINGS>>>\n"
    findings = parse_findings(stdout, node_id)
    assert not [found for found in findings if found.verdict is Verdict.CONFIRMS]
    refuted = {found.cause for found in findings}
    for name, cause in (("tls", "tls-failure"), ("component-store", "component-store-corrupt")):
        assert name not in healthy.CHECKS[platform] or cause in refuted


def test_what_is_not_on_a_distribution_is_not_looked_at() -> None:
    def states(system: str) -> dict[str, str]:
        node = _node("linux", system, "i-0a1b2c3d4e5f60001")
        names = ("dpkg-state", "rpm-db", "selinux", "subscription")
        return {name: healthy.look(node, name)[0] for name in names}

    assert states("Ubuntu") == {
        "dpkg-state": "ok",
        "rpm-db": "unknown",
        "selinux": "unknown",
        "subscription": "unknown",
    }
    assert states("Red Hat Enterprise Linux") == {
        "dpkg-state": "unknown",
        "rpm-db": "ok",
        "selinux": "ok",
        "subscription": "ok",
    }
