"""The story's faults: how each shows, what takes it away, and what does not."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest
from cloud_process import Cloud

_FINDINGS = re.compile(r"<<<PATCHMEDIC-FINDINGS\n(.*)\nPATCHMEDIC-FINDINGS>>>", re.S)
_REMEDY = re.compile(r"<<<PATCHMEDIC-REMEDY\n(.*)\nPATCHMEDIC-REMEDY>>>", re.S)
_DOCUMENTS = (
    "Check-Linux",
    "Check-Windows",
    "Remedy-WaitForPackageLock-Linux",
    "Remedy-FreeDiskSpace-Linux",
    "Remedy-CleanPackageCache-Linux",
    "Remedy-ClearPatchLeftovers-Linux",
    "Remedy-ResetWindowsUpdate-Windows",
)


def _template() -> str:
    resources = {}
    for suffix in _DOCUMENTS:
        windows = suffix.endswith("Windows")
        step = {
            "name": suffix.split("-")[0],
            "action": "aws:runPowerShellScript" if windows else "aws:runShellScript",
            "precondition": {"StringEquals": ["platformType", "Windows" if windows else "Linux"]},
            "inputs": {"timeoutSeconds": "300", "runCommand": ["exit 0"]},
        }
        content: dict[str, Any] = {"schemaVersion": "2.2", "mainSteps": [step]}
        if suffix.startswith("Check"):
            content["parameters"] = {"Checks": {"type": "String", "default": "all"}}
        resources[suffix.replace("-", "")] = {
            "Type": "AWS::SSM::Document",
            "Properties": {"Name": f"t-{suffix}", "Content": content, "UpdateMethod": "NewVersion"},
        }
    return json.dumps({"Resources": resources})


@pytest.fixture(scope="module")
def fleet(cloud: Cloud) -> Cloud:
    cloudformation = cloud.client("cloudformation")
    cloudformation.create_stack(StackName="fault-documents", TemplateBody=_template())
    waiter = cloudformation.get_waiter("stack_create_complete")
    waiter.wait(StackName="fault-documents", WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    return cloud


def _send(fleet: Cloud, node: str, document: str, **parameters: list[str]) -> tuple[str, str]:
    """Status and output."""
    ssm = fleet.client("ssm")
    command_id = ssm.send_command(InstanceIds=[node], DocumentName=document, Parameters=parameters)[
        "Command"
    ]["CommandId"]
    status = str(fleet.wait(command_id, node)["Status"])
    output = ssm.get_command_invocation(CommandId=command_id, InstanceId=node)
    return status, str(output["StandardOutputContent"])


def _look(fleet: Cloud, node: str, check: str, system: str = "Linux") -> dict[str, Any]:
    _status, output = _send(fleet, node, f"t-Check-{system}", Checks=[check])
    found = _FINDINGS.search(output)
    assert found, output
    (finding,) = json.loads(found.group(1))["checks"]
    assert finding["check"] == check
    return dict(finding)


def _heal(fleet: Cloud, node: str, suffix: str) -> dict[str, Any]:
    _status, output = _send(fleet, node, f"t-Remedy-{suffix}")
    found = _REMEDY.search(output)
    assert found, output
    return dict(json.loads(found.group(1)))


def _failed_step(invocation: dict[str, Any]) -> dict[str, Any]:
    return next(plugin for plugin in invocation["CommandPlugins"] if plugin["Status"] == "Failed")


@pytest.mark.parametrize(
    ("node", "code", "shows"),
    [
        ("i-0a1b2c3d4e5f60002", 1, "Insufficient space in download directory"),
        ("i-0a1b2c3d4e5f60003", 156, "Error code returned from curl is 28"),
        ("i-0a1b2c3d4e5f60004", 156, "Error code returned from curl is 22"),
        ("i-0a1b2c3d4e5f60006", 156, "The security token included in the request is invalid"),
        ("i-0a1b2c3d4e5f60007", -1, "0x80240437"),
        ("i-0a1b2c3d4e5f60008", -1, "0x80072EE2"),
        ("i-0a1b2c3d4e5f6000e", 1, "/var/lib/dpkg/lock-frontend"),
        ("mi-0a1b2c3d4e5f60009", 1, "Metadata file does not match checksum"),
    ],
)
def test_how_each_fault_prints(fleet: Cloud, node: str, code: int, shows: str) -> None:
    before = fleet.node(node)["last_patch_operation_end"]
    invocation = fleet.scan(node)
    assert (invocation["Status"], _failed_step(invocation)["ResponseCode"]) == ("Failed", code)
    outputs = [
        fleet.client("ssm").get_command_invocation(
            CommandId=invocation["CommandId"], InstanceId=node, PluginName=plugin["Name"]
        )
        for plugin in invocation["CommandPlugins"]
    ]
    text = "".join(o["StandardOutputContent"] + o["StandardErrorContent"] for o in outputs)
    assert shows in text
    assert "failed to run commands: exit status" in text
    assert fleet.node(node)["last_patch_operation_end"] == before


def test_a_lock_ends_by_itself_and_the_remedy_waits_for_it(fleet: Cloud) -> None:
    node = "i-0a1b2c3d4e5f60001"
    assert _look(fleet, node, "package-lock")["state"] == "bad"
    assert fleet.scan(node)["Status"] == "Failed"
    assert _heal(fleet, node, "WaitForPackageLock-Linux")["state"] == "done"
    assert _look(fleet, node, "package-lock")["state"] == "ok"
    assert fleet.scan(node)["Status"] == "Success"


def test_a_full_disk_goes_with_its_own_remedy_only(fleet: Cloud) -> None:
    node = "i-0a1b2c3d4e5f60002"
    assert _look(fleet, node, "disk-space")["facts"]["free_mb"] == "12"
    assert _heal(fleet, node, "CleanPackageCache-Linux")["state"] == "nothing-to-do"
    assert fleet.scan(node)["Status"] == "Failed", "the wrong remedy changed nothing"
    healed = _heal(fleet, node, "FreeDiskSpace-Linux")
    assert (healed["state"], healed["facts"]["freed_mb"]) == ("done", "812")
    assert _look(fleet, node, "disk-space")["state"] == "ok"
    assert fleet.scan(node)["Status"] == "Success"


def test_a_way_to_s3_ends_the_time_outs(fleet: Cloud) -> None:
    node, ec2 = "i-0a1b2c3d4e5f60003", fleet.client("ec2")
    assert _look(fleet, node, "s3-reach")["facts"]["error"] == "timeout"
    subnet = ec2.describe_instances(InstanceIds=[node])["Reservations"][0]["Instances"][0]
    table = ec2.describe_route_tables(
        Filters=[{"Name": "association.subnet-id", "Values": [subnet["SubnetId"]]}]
    )["RouteTables"][0]
    endpoint = ec2.create_vpc_endpoint(
        VpcId=subnet["VpcId"],
        ServiceName="com.amazonaws.ap-northeast-1.s3",
        RouteTableIds=[table["RouteTableId"]],
    )["VpcEndpoint"]
    assert json.loads(endpoint["PolicyDocument"])["Statement"][0]["Effect"] == "Allow"
    assert fleet.scan(node)["Status"] == "Success"
    ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint["VpcEndpointId"]])
    assert fleet.scan(node)["Status"] == "Failed"


def test_the_endpoint_policy_can_be_read(fleet: Cloud) -> None:
    endpoints = fleet.client("ec2").describe_vpc_endpoints()["VpcEndpoints"]
    policies = [json.loads(endpoint["PolicyDocument"]) for endpoint in endpoints]
    resources = [policy["Statement"][0]["Resource"] for policy in policies]
    assert "arn:aws:s3:::partner-exchange/*" in resources


def test_the_policy_bucket_matters_to_policy_runs_until_the_role_is_tagged(fleet: Cloud) -> None:
    node = "i-0a1b2c3d4e5f60005"
    override = "s3://aws-quicksetup-patchpolicy-123456789012-x7k2p/baseline_overrides.json"
    assert fleet.scan(node)["Status"] == "Success", "a run without the override list is well"
    invocation = fleet.scan(node, BaselineOverride=override)
    assert invocation["Status"] == "Failed"
    fleet.client("iam").tag_role(
        RoleName="policy-role", Tags=[{"Key": "QSConfigId-x7k2p", "Value": "x7k2p"}]
    )
    assert fleet.scan(node, BaselineOverride=override)["Status"] == "Success"


def test_a_newer_agent_takes_the_right_credentials(fleet: Cloud) -> None:
    node, ssm = "i-0a1b2c3d4e5f60006", fleet.client("ssm")
    facts = _look(fleet, node, "credentials")["facts"]
    assert (facts["source"], facts["agent_version"]) == ("shared-file", "3.1.1927.0")
    command_id = ssm.send_command(InstanceIds=[node], DocumentName="AWS-UpdateSSMAgent")["Command"][
        "CommandId"
    ]
    assert fleet.wait(command_id, node)["Status"] == "Success"
    assert _look(fleet, node, "credentials")["facts"]["source"] == "imds"
    assert fleet.scan(node)["Status"] == "Success"


def test_windows_update_is_reset_by_its_remedy_and_not_where_it_is_out_of_reach(
    fleet: Cloud,
) -> None:
    broken, cut_off = "i-0a1b2c3d4e5f60007", "i-0a1b2c3d4e5f60008"
    assert _look(fleet, broken, "wu-components", "Windows")["facts"]["hresult"] == "0x80240437"
    assert _look(fleet, cut_off, "wu-components", "Windows")["state"] == "ok"
    assert _look(fleet, cut_off, "wu-reach", "Windows")["facts"]["error"] == "timeout"
    for node in (broken, cut_off):
        _heal(fleet, node, "ResetWindowsUpdate-Windows")
    assert fleet.scan(broken)["Status"] == "Success"
    assert fleet.scan(cut_off)["Status"] == "Failed"


def test_damaged_metadata_goes_with_the_package_cache(fleet: Cloud) -> None:
    node = "mi-0a1b2c3d4e5f60009"
    assert _look(fleet, node, "package-repositories")["state"] == "ok", "it can be reached"
    assert _heal(fleet, node, "CleanPackageCache-Linux")["state"] == "done"
    assert fleet.scan(node)["Status"] == "Success"


def test_someone_elses_run_collides_once(fleet: Cloud) -> None:
    node = "i-0a1b2c3d4e5f6000d"
    command_id = fleet.admin("patch", {"nodes": [node], "operation": "Scan"})["command_id"]
    first = fleet.wait(command_id, node)
    others = fleet.client("ssm").list_commands(InstanceId=node)["Commands"]
    collided = first["Status"] == "Failed"
    if collided:  # else an earlier test's run on this node has met the other one
        assert "nightly scan" in [command["Comment"] for command in others]
        assert _look(fleet, node, "patch-runs")["state"] == "bad"
        time.sleep(2)  # two minutes there
        assert _look(fleet, node, "payload-leftovers")["state"] == "bad"
        assert _heal(fleet, node, "ClearPatchLeftovers-Linux")["state"] == "done"
    assert fleet.scan(node)["Status"] == "Success"


def test_an_instance_without_a_profile_is_silent_until_it_has_one(fleet: Cloud) -> None:
    node, ec2 = "i-0a1b2c3d4e5f6000b", fleet.client("ec2")
    assert fleet.node(node)["ping"] == "ConnectionLost"
    ec2.associate_iam_instance_profile(InstanceId=node, IamInstanceProfile={"Name": "patch-role"})
    assert fleet.node(node)["ping"] == "Online"
    assert fleet.scan(node)["Status"] == "Success"


def test_a_dead_agent_gets_nothing(fleet: Cloud) -> None:
    node = "i-0a1b2c3d4e5f6000a"
    state = fleet.client("ec2").describe_instance_status(InstanceIds=[node])["InstanceStatuses"]
    assert state[0]["InstanceStatus"]["Status"] == "ok"
    assert fleet.scan(node)["StatusDetails"] == "DeliveryTimedOut"


def test_association_and_window_runs_raise_their_own_events(fleet: Cloud) -> None:
    queue = fleet.queue_for({"source": ["aws.ssm"]}, "other-paths")
    ssm = fleet.client("ssm")
    association = "5b0c7d5e-2f5a-4a4e-9a53-7c6f0a1b2c01"
    execution = fleet.admin("association", {"id": association})["execution_id"]
    target = ssm.describe_association_execution_targets(
        AssociationId=association, ExecutionId=execution
    )["AssociationExecutionTargets"][0]
    fleet.wait(target["OutputSource"]["OutputSourceId"], target["ResourceId"])
    opened = fleet.admin("window", {"id": "mw-0a1b2c3d4e5f60001"})
    fleet.wait(opened["command_id"], "mi-0a1b2c3d4e5f60009")
    seen = {event["detail-type"]: event["detail"] for event in fleet.events(queue)}
    assert seen["EC2 State Manager Instance Association State Change"]["association-id"]
    whole = seen["EC2 State Manager Association State Change"]
    assert json.loads(whole["association-status-aggregated-count"])
    assert "Maintenance Window Task Target Invocation State-change Notification" in seen
    window = seen["Maintenance Window Execution State-change Notification"]
    assert window["status"] in ("SUCCESS", "FAILED")
    tasks = ssm.describe_maintenance_window_execution_tasks(
        WindowExecutionId=opened["window_execution_id"]
    )["WindowExecutionTaskIdentities"]
    invocations = ssm.describe_maintenance_window_execution_task_invocations(
        WindowExecutionId=opened["window_execution_id"], TaskId=tasks[0]["TaskExecutionId"]
    )["WindowExecutionTaskInvocationIdentities"]
    assert invocations[0]["ExecutionId"] == opened["command_id"]
    fleet.client("events").disable_rule(Name="other-paths")
