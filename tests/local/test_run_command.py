"""Run Command as AWS documents it: limits, consistency, time-outs, cut output, the events."""

from __future__ import annotations

import time

import pytest
from botocore.exceptions import ClientError
from cloud_process import Cloud

WEB, WIN, MAC, ONPREM = (
    "i-0a1b2c3d4e5f60001",
    "i-0a1b2c3d4e5f60002",
    "i-0a1b2c3d4e5f60003",
    "mi-0a1b2c3d4e5f60004",
)
SCAN = {"Operation": ["Scan"]}
ON_MAC = {"InstanceIds": [MAC], "Parameters": {"commands": ["x"]}}
UNKNOWN = {"Key": "InstanceIds", "Values": ["i-0ffffffffffffffff"]}


def _code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def test_one_scan_from_sending_to_the_new_patch_state(well: Cloud) -> None:
    ssm = well.client("ssm")
    before = ssm.describe_instance_patch_states(InstanceIds=[MAC])["InstancePatchStates"][0]
    queue = well.queue_for({"source": ["aws.ssm"]}, "scan-events")
    command = ssm.send_command(
        InstanceIds=[MAC], DocumentName="AWS-RunPatchBaseline", Parameters=SCAN, Comment="effect-1"
    )["Command"]
    assert (command["Status"], command["TargetCount"]) == ("Pending", 1)
    with pytest.raises(ClientError) as early:
        ssm.get_command_invocation(
            CommandId=command["CommandId"], InstanceId=MAC, PluginName="PatchMacOS"
        )
    assert _code(early) == "InvocationDoesNotExist"
    invocation = well.wait(command["CommandId"], MAC)
    assert [p["Name"] for p in invocation["CommandPlugins"]] == [
        "PatchWindows",
        "PatchLinux",
        "PatchMacOS",
    ]
    after = ssm.describe_instance_patch_states(InstanceIds=[MAC])["InstancePatchStates"][0]
    assert after["OperationEndTime"] > before["OperationEndTime"]
    listed = ssm.list_commands(CommandId=command["CommandId"])["Commands"][0]
    assert (listed["Status"], listed["Comment"], listed["Parameters"]) == (
        "Success",
        "effect-1",
        SCAN,
    )
    seen = [(e["detail-type"].split()[2], e["detail"]["status"]) for e in well.events(queue)]
    assert seen == [
        ("Status-change", "InProgress"),
        ("Invocation", "InProgress"),
        ("Invocation", "Success"),
        ("Status-change", "Success"),
    ]
    well.client("events").disable_rule(Name="scan-events")


def test_events_carry_what_aws_sends_and_no_more(well: Cloud) -> None:
    queue = well.queue_for({"source": ["aws.ssm"]}, "shape-events")
    well.scan(ONPREM)
    events = {event["detail-type"]: event for event in well.events(queue)}
    whole = events["EC2 Command Status-change Notification"]
    assert set(whole["detail"]) == {
        "command-id",
        "document-name",
        "expire-after",
        "parameters",
        "requested-date-time",
        "status",
    }
    part = events["EC2 Command Invocation Status-change Notification"]
    assert set(part["detail"]) == {
        "command-id",
        "document-name",
        "instance-id",
        "requested-date-time",
        "status",
    }
    assert part["resources"] == [
        f"arn:aws:ssm:ap-northeast-1:123456789012:managed-instance/{ONPREM}"
    ]
    well.client("events").disable_rule(Name="shape-events")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"Parameters": {}}, "InvalidParameters"),
        ({"Parameters": {"Operation": ["Undo"]}}, "InvalidParameters"),
        ({"Parameters": {**SCAN, "Colour": ["red"]}}, "InvalidParameters"),
        ({"Parameters": {**SCAN, "SnapshotId": ["no-guid"]}}, "InvalidParameters"),
        ({"Parameters": {"Operation": ["Scan", "Install"]}}, "InvalidParameters"),
        ({"InstanceIds": ["i-0ffffffffffffffff"]}, "InvalidInstanceId"),
        ({"InstanceIds": [WEB, WEB]}, "DuplicateInstanceId"),
        ({"InstanceIds": []}, "ValidationException"),
        ({"DocumentName": "AWS-NoSuchThing"}, "InvalidDocument"),
        ({"DocumentVersion": "7"}, "InvalidDocumentVersion"),
        ({"Comment": "c" * 101}, "ValidationException"),
        ({"DocumentName": "AWS-RunPowerShellScript", **ON_MAC}, "UnsupportedPlatformType"),
    ],
)
def test_what_send_command_refuses(well: Cloud, changes: dict[str, object], code: str) -> None:
    request = {"InstanceIds": [WEB], "DocumentName": "AWS-RunPatchBaseline", "Parameters": SCAN}
    with pytest.raises(ClientError) as caught:
        well.client("ssm").send_command(**{**request, **changes})
    assert _code(caught) == code


def test_output_needs_the_step_and_is_empty_until_the_end(well: Cloud) -> None:
    ssm = well.client("ssm")
    command_id = well.admin("patch", {"nodes": [WIN], "operation": "Scan"})["command_id"]
    time.sleep(0.32)
    running = ssm.get_command_invocation(
        CommandId=command_id, InstanceId=WIN, PluginName="PatchWindows"
    )
    assert (running["Status"], running["ResponseCode"]) == ("InProgress", -1)
    assert running["StandardOutputContent"] == ""
    with pytest.raises(ClientError) as caught:
        ssm.get_command_invocation(CommandId=command_id, InstanceId=WIN)
    assert _code(caught) == "InvalidPluginName"
    well.wait(command_id, WIN)
    done = ssm.get_command_invocation(
        CommandId=command_id, InstanceId=WIN, PluginName="PatchWindows"
    )
    assert (done["Status"], done["ResponseCode"]) == ("Success", 0)
    assert "MissingCount" in done["StandardOutputContent"]


def test_a_stopped_instance_takes_the_command_and_never_answers(cloud: Cloud) -> None:
    ssm, node = cloud.client("ssm"), "i-0a1b2c3d4e5f6000c"
    command_id = ssm.send_command(
        InstanceIds=[node], DocumentName="AWS-RunPatchBaseline", Parameters=SCAN, TimeoutSeconds=30
    )["Command"]["CommandId"]
    invocation = cloud.wait(command_id, node)
    assert (invocation["Status"], invocation["StatusDetails"]) == ("TimedOut", "DeliveryTimedOut")
    command = ssm.list_commands(CommandId=command_id)["Commands"][0]
    assert (command["Status"], command["DeliveryTimedOutCount"]) == ("TimedOut", 1)
    listed = ssm.describe_instance_information(MaxResults=50)["InstanceInformationList"]
    assert node not in [row["InstanceId"] for row in listed]


def test_two_runs_at_once_corrupt_each_other(well: Cloud) -> None:
    before = well.node(WEB)["last_patch_operation_end"]
    first = well.admin("patch", {"nodes": [WEB], "operation": "Scan"})["command_id"]
    second = well.admin("patch", {"nodes": [WEB], "operation": "Scan"})["command_id"]
    ends = [well.wait(command_id, WEB) for command_id in (first, second)]
    assert [end["Status"] for end in ends] == ["Failed", "Failed"]
    linux = next(plugin for plugin in ends[0]["CommandPlugins"] if plugin["Name"] == "PatchLinux")
    assert linux["ResponseCode"] == 152
    assert "No such file or directory" in linux["Output"]
    assert well.node(WEB)["last_patch_operation_end"] == before
    assert well.scan(WEB)["Status"] == "Success", "one run alone is well again"


def test_cancelled_here_is_canceled_in_the_event(well: Cloud) -> None:
    ssm = well.client("ssm")
    queue = well.queue_for({"detail": {"status": ["Canceled", "Cancelled"]}}, "cancel-events")
    command_id = well.admin("patch", {"nodes": [MAC], "operation": "Scan"})["command_id"]
    time.sleep(0.15)
    ssm.cancel_command(CommandId=command_id)
    assert well.wait(command_id, MAC)["Status"] == "Cancelled"
    assert {event["detail"]["status"] for event in well.events(queue)} == {"Canceled"}


def test_long_output_is_cut_as_the_agent_cuts_it() -> None:
    from patchmedic_local.ssm.run_command import cut_like_the_agent

    assert cut_like_the_agent("x" * 24_000, 24_000) == "x" * 24_000
    cut = cut_like_the_agent("x" * 24_001, 24_000)
    assert (len(cut), cut[-21:]) == (24_000, "\n--output truncated--")


def test_a_command_waits_for_an_agent_that_comes_back(well: Cloud) -> None:
    well.admin("ping", {"nodes": [ONPREM], "last_ping_minutes_ago": 7})
    command_id = well.admin("patch", {"nodes": [ONPREM], "operation": "Scan"})["command_id"]
    time.sleep(0.5)
    listed = well.client("ssm").list_command_invocations(CommandId=command_id)
    assert listed["CommandInvocations"][0]["StatusDetails"] == "Delayed"
    well.admin("ping", {"nodes": [ONPREM]})
    assert well.wait(command_id, ONPREM)["Status"] == "Success"


def test_over_max_errors_the_rest_is_never_sent(well: Cloud) -> None:
    ssm = well.client("ssm")
    agent = {"version": ["1.0.0.0"]}  # older, and a downgrade is not allowed: fails everywhere
    command_id = ssm.send_command(
        InstanceIds=[WEB, WIN, MAC],
        DocumentName="AWS-UpdateSSMAgent",
        Parameters=agent,
        MaxConcurrency="1",
        MaxErrors="0",
    )["Command"]["CommandId"]
    ends = [well.wait(command_id, node) for node in (WEB, WIN, MAC)]
    assert [end["StatusDetails"] for end in ends] == ["Failed", "Terminated", "Terminated"]


def test_pages_and_filters(well: Cloud) -> None:
    ssm = well.client("ssm")
    ids = [well.admin("patch", {"nodes": [n]})["command_id"] for n in (WEB, WIN, MAC)]
    for command_id, node in zip(ids, (WEB, WIN, MAC), strict=True):
        well.wait(command_id, node)
    first = ssm.list_commands(MaxResults=2)
    second = ssm.list_commands(MaxResults=2, NextToken=first["NextToken"])
    shown = [command["CommandId"] for command in first["Commands"] + second["Commands"]]
    assert shown[:3] == ids[::-1]
    failed = ssm.list_command_invocations(Filters=[{"key": "Status", "value": "Failed"}])
    assert all(row["Status"] == "Failed" for row in failed["CommandInvocations"])
    with pytest.raises(ClientError) as caught:
        ssm.list_commands(NextToken="nonsense")
    assert _code(caught) == "InvalidNextToken"


def test_instance_information_pages_filters_and_unknown_ids(well: Cloud) -> None:
    ssm = well.client("ssm")
    page = ssm.describe_instance_information(
        Filters=[{"Key": "PlatformTypes", "Values": ["Linux"]}], MaxResults=5
    )["InstanceInformationList"]
    assert [row["InstanceId"] for row in page] == [WEB, ONPREM]
    for changes, code in (
        ({"MaxResults": 4}, "ValidationException"),
        ({"Filters": [UNKNOWN]}, "InvalidInstanceId"),
        ({"Filters": [{"Key": "Colour", "Values": ["red"]}]}, "InvalidFilterKey"),
    ):
        with pytest.raises(ClientError) as caught:
            ssm.describe_instance_information(**changes)
        assert _code(caught) == code


def test_a_lost_ping_shows_and_comes_back(well: Cloud) -> None:
    ssm = well.client("ssm")

    def ping() -> str:
        rows = ssm.describe_instance_information(
            Filters=[{"Key": "InstanceIds", "Values": [ONPREM]}]
        )["InstanceInformationList"]
        return str(rows[0]["PingStatus"])

    assert ping() == "Online"
    well.admin("ping", {"nodes": [ONPREM], "last_ping_minutes_ago": 12})
    assert ping() == "ConnectionLost"
    well.admin("ping", {"nodes": [ONPREM]})
    assert ping() == "Online"


def test_install_without_reboot_leaves_the_patches_pending(well: Cloud) -> None:
    ssm = well.client("ssm")
    well.wait(well.admin("patch", {"nodes": [ONPREM]})["command_id"], ONPREM)
    state = ssm.describe_instance_patch_states(InstanceIds=[ONPREM])["InstancePatchStates"][0]
    assert (state["Operation"], state["MissingCount"]) == ("Install", 0)
    assert state["InstalledPendingRebootCount"] == 3
    assert "LastNoRebootInstallOperationTime" in state
    patches = ssm.describe_instance_patches(InstanceId=ONPREM)["Patches"]
    assert [p["State"] for p in patches].count("INSTALLED_PENDING_REBOOT") == 3
