"""Calls to AWS as remedies, in the deployed stack with IAM enforced: switched on, and switched off.

A cloud of its own for what is switched on, because the stack's parameters say it.  Switched off is
how the other tests' stack is deployed, and how everybody's is by default.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.integration import test_permissions

from patchmedic.cli.cloud import ACCOUNT, LocalCloud
from patchmedic.cli.project import Project
from patchmedic.incident import Incident
from patchmedic.model import Outcome

ROOT = Path(__file__).resolve().parents[2]
BARE, UNTAGGED, POLICY = (f"i-0f1b2c3d4e5f6000{number}" for number in (1, 2, 3))
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role"
ALLOWED = {
    "NodeInstanceProfile": "node-role",
    "NodeInstanceProfileRoleArn": f"{ROLE_ARN}/node-role",
    "PatchPolicyRoles": f"{ROLE_ARN}/policy-*",
    "RebootImpairedInstances": "true",
    "RiskCeiling": "medium",
}
SETTLE_SECONDS_MAX = 90.0
LIST = f"s3://aws-quicksetup-patchpolicy-{ACCOUNT}-x7k2p/baseline_overrides.json"
Call = tuple[str, str, dict[str, Any]]


@pytest.fixture(scope="module")
def allowing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """A stack whose parameters allow every call."""
    scenario = Path(__file__).parent / "actions.yaml"
    state = tmp_path_factory.mktemp("actions")
    with LocalCloud(Project(ROOT), [scenario], state=state) as cloud:
        cloud.build(lambda text: None)
        cloud.deploy(lambda text: None, ALLOWED)
        yield cloud
        assert cloud.admin("GET", "health")["problems"] == []


@pytest.fixture(scope="module")
def settled(allowing: LocalCloud) -> dict[str, Incident]:
    """Two nodes are silent and a patch policy's run fails: what became of it."""
    override = {"BaselineOverride": [LIST]}
    allowing.admin(
        "POST", "patch", {"nodes": [POLICY], "operation": "Install", "parameters": override}
    )
    allowing.invoke("watch", {})
    until = time.monotonic() + SETTLE_SECONDS_MAX
    while True:
        found = {i.node.node_id: i for i in allowing.store().recent(limit=50)}
        if set(found) == {BARE, UNTAGGED, POLICY} and all(map(_over, found.values())):
            return found
        assert time.monotonic() < until, {i: f.state for i, f in found.items()}
        time.sleep(2)
        allowing.invoke("sweep", {})


def _over(incident: Incident) -> bool:
    """A run of a patch policy leaves no patch state behind, so its proof is not waited for."""
    if incident.node.node_id == POLICY:
        return any(action.state != "started" for action in incident.actions)
    return incident.outcome is not None


def profile_of(cloud: LocalCloud, node_id: str) -> str:
    found = cloud.client("ec2").describe_instances(InstanceIds=[node_id])
    profile = found["Reservations"][0]["Instances"][0].get("IamInstanceProfile") or {}
    return str(profile.get("Arn", "")).rpartition("/")[2]


def tags_of(cloud: LocalCloud, role: str) -> dict[str, str]:
    tags = cloud.client("iam").list_role_tags(RoleName=role)["Tags"]
    return {tag["Key"]: tag["Value"] for tag in tags}


def test_a_silent_node_gets_the_profile_and_pings_again(
    allowing: LocalCloud, settled: dict[str, Incident]
) -> None:
    incident = settled[BARE]
    assert [(a.remedy, a.state) for a in incident.actions] == [("attach-instance-profile", "done")]
    assert incident.outcome is Outcome.RESOLVED, incident.reason
    assert profile_of(allowing, BARE) == "node-role"


def test_a_node_without_the_tag_gets_advice_only(
    allowing: LocalCloud, settled: dict[str, Incident]
) -> None:
    incident = settled[UNTAGGED]
    assert incident.outcome is Outcome.RECOMMENDED, incident.reason
    assert incident.reason is not None
    assert incident.reason.rule == "opt-in"
    assert profile_of(allowing, UNTAGGED) == ""


def test_the_role_gets_the_tag_of_the_patch_policy(
    allowing: LocalCloud, settled: dict[str, Incident]
) -> None:
    action = settled[POLICY].actions[0]
    assert (action.remedy, action.state) == ("tag-patch-policy-role", "done")
    assert tags_of(allowing, "policy-role") == {"QSConfigId-x7k2p": "x7k2p"}
    assert tags_of(allowing, "node-role") == {}


# --- what IAM lets remediate do ------------------------------------------------------------------


def attach(node_id: str, profile: str) -> Call:
    arguments = {"InstanceId": node_id, "IamInstanceProfile": {"Name": profile}}
    return "ec2", "associate_iam_instance_profile", arguments


def tag(role: str, *keys: str) -> Call:
    tags = [{"Key": key, "Value": "x"} for key in keys]
    return "iam", "tag_role", {"RoleName": role, "Tags": tags}


def reboot(*node_ids: str) -> Call:
    return "ec2", "reboot_instances", {"InstanceIds": list(node_ids)}


def code_of(cloud: LocalCloud, call: Call, function: str = "remediate") -> str:
    """IAM's or the service's answer: ``done`` or the code of the error."""
    service, method, arguments = call
    session = test_permissions._session(cloud, function)
    try:
        getattr(session.client(service, endpoint_url=cloud.endpoint), method)(**arguments)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return "done"


DENIALS = ("AccessDenied", "UnauthorizedOperation")
INSIDE = {
    "a tagged node's profile": (attach(BARE, "node-role"), ("done", "IncorrectState")),
    "a named role's tag": (tag("policy-role", "QSConfigId-other"), ("done",)),
    "a tagged node's reboot": (reboot(BARE), ("done",)),
}
OUTSIDE = {
    "a profile for a node without the tag": attach(UNTAGGED, "node-role"),
    "another profile": attach(BARE, "policy-role"),
    "a profile taken away": (
        "ec2",
        "disassociate_iam_instance_profile",
        {"AssociationId": "iip-assoc-1"},
    ),
    "another tag": tag("policy-role", "Department"),
    "another tag beside": tag("policy-role", "QSConfigId-y", "Department"),
    "another role's tag": tag("node-role", "QSConfigId-x7k2p"),
    "a tag taken away": (
        "iam",
        "untag_role",
        {"RoleName": "policy-role", "TagKeys": ["QSConfigId-x7k2p"]},
    ),
    "a reboot of a node without the tag": reboot(UNTAGGED),
    "a stop": ("ec2", "stop_instances", {"InstanceIds": [BARE]}),
}


@pytest.mark.parametrize("name", INSIDE)
def test_what_the_parameters_allow(
    allowing: LocalCloud, settled: dict[str, Incident], name: str
) -> None:
    call, answers = INSIDE[name]
    assert code_of(allowing, call) in answers


@pytest.mark.parametrize("name", OUTSIDE)
def test_nothing_beyond_it(allowing: LocalCloud, settled: dict[str, Incident], name: str) -> None:
    assert code_of(allowing, OUTSIDE[name]) in DENIALS


@pytest.mark.parametrize("name", INSIDE)
@pytest.mark.parametrize("function", ["classify", "diagnose", "collect", "sweep", "approve"])
def test_no_other_function_may(
    allowing: LocalCloud, settled: dict[str, Incident], function: str, name: str
) -> None:
    call, _ = INSIDE[name]
    assert code_of(allowing, call, function) in DENIALS


def test_by_default_none_of_it_is_allowed(cloud: LocalCloud) -> None:
    """The other tests' stack names none of the parameters: no permission, nothing offered."""
    node = test_permissions.TAGGED
    for call in (attach(node, "patch-role"), tag("patch-role", "QSConfigId-x"), reboot(node)):
        assert code_of(cloud, call) in DENIALS
    config = cloud.client("lambda").get_function_configuration(FunctionName="patchmedic-remediate")
    variables = config["Environment"]["Variables"]
    off = {
        "NODE_INSTANCE_PROFILE": "",
        "PATCH_POLICY_ROLES": "",
        "REBOOT_IMPAIRED_INSTANCES": "false",
    }
    assert {name: variables.get(name, "") for name in off} == off, json.dumps(variables)
