"""``ports.AwsActions``: the fake fleet's nodes and the local cloud's are changed alike.

Both have a node of each kind; a test that changes one has it for itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
from tests.contract.conftest import LocalCloud
from tests.fakes import FakeActions, FakeFleet, FakeNode, SimClock
from tests.fakes.fleet import ACCOUNT, REGION

from patchmedic.aws_actions import NodeActions
from patchmedic.model import NodeRef
from patchmedic.policy import ATTACH_PROFILE, REBOOT, TAG_ROLE
from patchmedic.ports import ActionEnd, ActionPlan, AwsActions, CommandInfo

ROLE, TAGGED_ROLE, BLIND_ROLE, FOREIGN_ROLE = "patch-role", "policy-role", "output-role", "own-role"
WELL, BARE, UNTAGGED, HUNG, HOST_DOWN, STOPPED, BLIND, FOREIGN = (
    f"i-0a1b2c3d4e5f6000{number}" for number in (1, 4, 5, 6, 7, 8, 3, 9)
)
GONE = "i-0a1b2c3d4e5f6ffff"
LIST = "s3://aws-quicksetup-patchpolicy-123456789012-x7k2p/baseline_overrides.json"


@dataclass(frozen=True, slots=True)
class Bench:
    """The port over one fleet, and what can be seen of the fleet from elsewhere."""

    actions: AwsActions
    without_profile: AwsActions
    """The same for a stack that names no profile."""
    profile_of: Callable[[str], str]
    tags_of: Callable[[str], dict[str, str]]
    reboots_of: Callable[[str], int]

    def ended(self, action: str, node_id: str, url: str | None = None) -> ActionEnd:
        """Look, and act if there is a plan."""
        found = self.actions.plan(action, _ref(node_id), _run(url) if url else None)
        return self.actions.perform(found) if isinstance(found, ActionPlan) else found

    def state(self, action: str, node_id: str, url: str | None = None) -> str:
        return self.ended(action, node_id, url).state


def _ref(node_id: str) -> NodeRef:
    return NodeRef(ACCOUNT, REGION, node_id)


def _run(*urls: str) -> CommandInfo:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return CommandInfo("c-1", "AWS-RunPatchBaseline", "", at, "Failed", {"BaselineOverride": urls})


def _fake() -> Bench:
    fleet = FakeFleet(SimClock(datetime.now(UTC)))
    fleet.add(FakeNode(WELL))
    fleet.take_profile(fleet.add(FakeNode(BARE)).node_id)
    fleet.add(FakeNode(UNTAGGED, profile=TAGGED_ROLE))
    fleet.hang(fleet.add(FakeNode(HUNG)).node_id)
    fleet.hang(fleet.add(FakeNode(HOST_DOWN, system_check="impaired")).node_id)
    fleet.set_state(fleet.add(FakeNode(STOPPED)).node_id, "stopped")
    fleet.add(FakeNode(BLIND, profile=BLIND_ROLE))
    fleet.add(FakeNode(FOREIGN, profile=FOREIGN_ROLE))
    fleet.roles_without_read.add(BLIND_ROLE)
    actions = FakeActions(fleet, ROLE, frozenset({TAGGED_ROLE, BLIND_ROLE}))

    def reboots(node_id: str) -> int:
        done = [p for p in actions.performed if (p.action, p.target) == (REBOOT, node_id)]
        return len(done)

    return Bench(
        actions,
        FakeActions(fleet, "", frozenset()),
        lambda node_id: fleet.nodes[node_id].profile or "",
        lambda role: dict(fleet.role_tags.get(role, {})),
        reboots,
    )


def _local(cloud: LocalCloud) -> Bench:
    clients, prefix = cloud.clients, f"arn:aws:iam::{ACCOUNT}:role/"
    cloud.admin("status", {"nodes": [HUNG], "failed": ["instance"]})
    cloud.admin("status", {"nodes": [HOST_DOWN], "failed": ["instance", "system"]})

    def profile_of(node_id: str) -> str:
        found = clients.get("ec2").describe_instances(InstanceIds=[node_id])
        profile = found["Reservations"][0]["Instances"][0].get("IamInstanceProfile") or {}
        return str(profile.get("Arn", "")).rpartition("/")[2]

    def tags_of(role: str) -> dict[str, str]:
        tags = clients.get("iam").list_role_tags(RoleName=role)["Tags"]
        return {tag["Key"]: tag["Value"] for tag in tags}

    def reboots_of(node_id: str) -> int:
        nodes = {node["id"]: node for node in cloud.admin("nodes")["nodes"]}
        return int(nodes[node_id]["reboots"])

    return Bench(
        NodeActions(clients, ROLE, [f"{prefix}policy-*", prefix + BLIND_ROLE]),
        NodeActions(clients, "", []),
        profile_of,
        tags_of,
        reboots_of,
    )


@pytest.fixture(params=["fake", pytest.param("local", marks=pytest.mark.local)])
def bench(request: pytest.FixtureRequest) -> Bench:
    return _fake() if request.param == "fake" else _local(request.getfixturevalue("local_cloud"))


def test_a_node_without_a_profile_gets_it_once(bench: Bench) -> None:
    plan = bench.actions.plan(ATTACH_PROFILE, _ref(BARE), None)
    if isinstance(plan, ActionPlan):  # the local cloud's node keeps it from test to test
        assert (plan.target, plan.value) == (BARE, ROLE)
        assert bench.profile_of(BARE) == "", "a look changes nothing"
        assert bench.actions.perform(plan).state == "done"
        assert bench.actions.perform(replace(plan, value=TAGGED_ROLE)).state == "nothing-to-do"
    assert bench.profile_of(BARE) == ROLE
    assert bench.state(ATTACH_PROFILE, BARE) == "nothing-to-do"


def test_a_profile_that_is_there_is_never_replaced(bench: Bench) -> None:
    assert bench.state(ATTACH_PROFILE, UNTAGGED) == "nothing-to-do"
    assert bench.profile_of(UNTAGGED) == TAGGED_ROLE


@pytest.mark.parametrize("action", [ATTACH_PROFILE, TAG_ROLE, REBOOT])
@pytest.mark.parametrize("node_id", [STOPPED, GONE, "mi-0a1b2c3d4e5f60001"])
def test_only_a_running_instance_is_acted_on(bench: Bench, action: str, node_id: str) -> None:
    assert bench.state(action, node_id, LIST) == "refused"


def test_no_profile_is_attached_where_the_stack_names_none(bench: Bench) -> None:
    found = bench.without_profile.plan(ATTACH_PROFILE, _ref(STOPPED), None)
    assert isinstance(found, ActionEnd)
    assert found.state == "refused"


def test_a_role_gets_the_tag_of_its_patch_policy_once(bench: Bench) -> None:
    assert bench.state(TAG_ROLE, UNTAGGED, LIST) in ("done", "nothing-to-do")
    assert bench.tags_of(TAGGED_ROLE)["QSConfigId-x7k2p"] == "x7k2p"
    assert bench.state(TAG_ROLE, UNTAGGED, LIST) == "nothing-to-do"


def test_a_role_that_was_not_named_is_not_tagged(bench: Bench) -> None:
    assert bench.state(TAG_ROLE, FOREIGN, LIST) == "refused"
    assert bench.tags_of(FOREIGN_ROLE) == {}


def test_a_role_that_lacks_more_than_the_tag_is_not_tagged(bench: Bench) -> None:
    assert bench.state(TAG_ROLE, BLIND, LIST) == "refused"
    assert bench.tags_of(BLIND_ROLE) == {}


@pytest.mark.parametrize(
    "url",
    [
        None,
        "s3://someone/baseline_overrides.json",
        "s3://aws-quicksetup-patchpolicy-123456789012-/baseline_overrides.json",
        "s3://aws-quicksetup-patchpolicy-123456789012-x7k2p/other.json",
        "s3://aws-quicksetup-patchpolicy-123456789012-x7k2p/baseline_overrides.json\n",
        "s3://aws-quicksetup-patchpolicy-123456789012-X7;K2/baseline_overrides.json",
        f"s3://aws-quicksetup-patchpolicy-1-{'a' * 40}/baseline_overrides.json",
        LIST + "?x=1",
    ],
)
def test_a_tag_comes_from_a_patch_policys_list_only(bench: Bench, url: str | None) -> None:
    before = bench.tags_of(TAGGED_ROLE)
    assert bench.state(TAG_ROLE, UNTAGGED, url) == "refused"
    assert bench.tags_of(TAGGED_ROLE) == before


def test_two_lists_are_none(bench: Bench) -> None:
    found = bench.actions.plan(TAG_ROLE, _ref(UNTAGGED), _run(LIST, LIST))
    assert isinstance(found, ActionEnd)
    assert found.state == "refused"


def test_an_instance_that_hangs_is_rebooted(bench: Bench) -> None:
    before = bench.reboots_of(HUNG)
    plan = bench.actions.plan(REBOOT, _ref(HUNG), None)
    assert isinstance(plan, ActionPlan)
    assert bench.reboots_of(HUNG) == before, "a look changes nothing"
    assert bench.actions.perform(plan).state == "done"
    assert bench.reboots_of(HUNG) == before + 1
    assert bench.state(REBOOT, HUNG) == "nothing-to-do", "its checks pass again"


def test_a_healthy_instance_is_not_rebooted(bench: Bench) -> None:
    assert bench.state(REBOOT, WELL) == "nothing-to-do"
    assert bench.reboots_of(WELL) == 0


def test_a_fault_of_awss_own_host_is_not_treated_by_a_reboot(bench: Bench) -> None:
    assert bench.state(REBOOT, HOST_DOWN) == "refused"
    assert bench.reboots_of(HOST_DOWN) == 0
