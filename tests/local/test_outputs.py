"""Whole outputs where the agent leaves them, and the steps of a run whose hook fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cloud_process import Cloud

SCENARIO = Path(__file__).parents[1] / "integration" / "outputs.yaml"
IN_S3, IN_LOGS, SILENT = (f"i-0c1b2c3d4e5f6000{n}" for n in (1, 2, 5))
BEFORE_INSTALL, ON_EXIT, PATCHING = (f"i-0c1b2c3d4e5f6000{n}" for n in (6, 7, 8))
BUCKET = "kept"
INSTALL = {"Operation": ["Install"], "RebootOption": ["NoReboot"]}
HOOKS = {"PreInstallHookDocName": ["StopOrders"], "OnExitHookDocName": ["CopyLogs"]}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A cloud of its own: other tests count the nodes of theirs."""
    running = Cloud(tmp_path_factory.mktemp("outputs"), "healthy")
    running.admin("scenario", {"file": str(SCENARIO)})
    where = {"LocationConstraint": "ap-northeast-1"}
    running.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration=where)
    yield running
    problems = running.admin("health")["problems"]
    running.stop()
    assert problems == []


def _run(cloud: Cloud, node: str, document: str = "AWS-RunPatchBaseline", **more: Any) -> Any:
    parameters = {**INSTALL, **more.pop("parameters", {})}
    sent = cloud.client("ssm").send_command(
        InstanceIds=[node], DocumentName=document, Parameters=parameters, **more
    )
    return cloud.wait(sent["Command"]["CommandId"], node)


def test_s3_holds_the_whole_output_under_the_agents_key(fleet: Cloud) -> None:
    ran = _run(fleet, IN_S3, OutputS3BucketName=BUCKET, OutputS3KeyPrefix="nightly")
    s3 = fleet.client("s3")
    found = s3.list_objects_v2(Bucket=BUCKET, Prefix="nightly/")["Contents"]
    folder = f"nightly/{ran['CommandId']}/{IN_S3}/awsrunShellScript/PatchLinux"
    assert [o["Key"] for o in found] == [f"{folder}/stderr", f"{folder}/stdout"]
    plugin = next(p for p in ran["CommandPlugins"] if p["Name"] == "PatchLinux")
    assert plugin["StandardOutputUrl"].endswith(f"/{BUCKET}/{folder}/stdout")
    whole = s3.get_object(Bucket=BUCKET, Key=f"{folder}/stdout")["Body"].read().decode()
    shown = fleet.client("ssm").get_command_invocation(
        CommandId=ran["CommandId"], InstanceId=IN_S3, PluginName="PatchLinux"
    )["StandardOutputContent"]
    assert len(whole) > 65_536 > len(shown) == 24_000
    assert "Insufficient space" in whole
    assert "Insufficient space" not in shown


def test_a_log_stream_holds_it_a_step_a_stream(fleet: Cloud) -> None:
    group = "/kept/here"
    config = {"CloudWatchLogGroupName": group, "CloudWatchOutputEnabled": True}
    ran = _run(fleet, IN_LOGS, CloudWatchOutputConfig=config)
    streams = fleet.client("logs").describe_log_streams(logGroupName=group)["logStreams"]
    prefix = f"{ran['CommandId']}/{IN_LOGS}/PatchLinux"
    assert [s["logStreamName"] for s in streams] == [f"{prefix}/stderr", f"{prefix}/stdout"]


def test_a_node_that_may_not_write_leaves_nothing(fleet: Cloud) -> None:
    ran = _run(fleet, SILENT, OutputS3BucketName=BUCKET, OutputS3KeyPrefix="silent")
    assert "Contents" not in fleet.client("s3").list_objects_v2(Bucket=BUCKET, Prefix="silent/")
    plugin = next(p for p in ran["CommandPlugins"] if p["Name"] == "PatchLinux")
    assert plugin["StandardOutputUrl"], "Systems Manager tells the place all the same"


@pytest.mark.parametrize(
    ("node", "failed"),
    [
        (BEFORE_INSTALL, ["PreInstallHook", "OnExitHook"]),
        (ON_EXIT, ["OnExitHook"]),
        (PATCHING, ["PatchBaselineInstall", "OnExitHook"]),
    ],
)
def test_the_step_that_failed_and_the_last_one_are_shown_as_failed(
    fleet: Cloud, node: str, failed: list[str]
) -> None:
    missing = fleet.node(node)["missing_patches"]
    ran = _run(fleet, node, "AWS-RunPatchBaselineWithHooks", parameters=HOOKS)
    assert ran["Status"] == "Failed"
    assert [p["Name"] for p in ran["CommandPlugins"] if p["Status"] == "Failed"] == failed
    installed = fleet.node(node)["missing_patches"] < missing
    assert installed is (node == ON_EXIT), "what fails before the installation prevents it"


def test_a_run_without_a_document_for_the_hook_does_not_meet_the_fault(fleet: Cloud) -> None:
    ran = _run(fleet, BEFORE_INSTALL, "AWS-RunPatchBaselineWithHooks")
    assert ran["Status"] == "Success"
