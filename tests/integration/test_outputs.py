"""Long outputs and hooks in the deployed stack: the end is read where it may be, else asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from patchmedic.cli.cloud import LocalCloud
from patchmedic.incident import Incident, State
from patchmedic.model import Outcome

Wait = Callable[[Callable[[], bool], float], None]
HERE = Path(__file__).parent
(
    IN_S3,
    IN_LOGS,
    ELSEWHERE,
    NOWHERE,
    MAY_NOT_WRITE,
    BEFORE_INSTALL,
    ON_EXIT,
    HOOKS_BUT_PATCHING,
) = (f"i-0c1b2c3d4e5f6000{number}" for number in range(1, 9))
BUCKET, OTHER_BUCKET, GROUP = "patch-output", "private-output", "/patching/output"
INSTALL = {"Operation": ["Install"], "RebootOption": ["NoReboot"]}
HOOKS = {"PreInstallHookDocName": ["StopOrders"], "OnExitHookDocName": ["CopyLogs"]}
ENDS_SECONDS_MAX = 60


@pytest.fixture(scope="module")
def fleet(cloud: LocalCloud) -> Iterator[LocalCloud]:
    """The nodes of ``outputs.yaml``, and the places that their outputs go to."""
    cloud.admin("POST", "scenario", {"file": str(HERE / "outputs.yaml")})
    s3 = cloud.client("s3")
    there = [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    for bucket in {BUCKET, OTHER_BUCKET} - set(there):
        where = {"LocationConstraint": "ap-northeast-1"}
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=where)
    _create_hook_documents(cloud)
    yield cloud
    problems = cloud.admin("GET", "health")["problems"]
    assert problems == []


def _create_hook_documents(cloud: LocalCloud) -> None:
    """The hooks' own documents: a hook that does not exist is another failure."""
    step = {"action": "aws:runShellScript", "name": "Hook", "inputs": {"runCommand": ["true"]}}
    content = {"schemaVersion": "2.2", "description": "A hook.", "mainSteps": [step]}
    resources = {
        name: {
            "Type": "AWS::SSM::Document",
            "Properties": {"Name": name, "DocumentType": "Command", "Content": content},
        }
        for (name,) in HOOKS.values()
    }
    formation = cloud.client("cloudformation")
    formation.create_stack(StackName="hooks", TemplateBody=json.dumps({"Resources": resources}))
    formation.get_waiter("stack_create_complete").wait(
        StackName="hooks", WaiterConfig={"Delay": 1, "MaxAttempts": 30}
    )


def _patch(
    cloud: LocalCloud, node: str, document: str = "AWS-RunPatchBaseline", **more: Any
) -> str:
    """Somebody patches a node and says where the output goes."""
    parameters = {**INSTALL, **more.pop("parameters", {})}
    sent = cloud.client("ssm").send_command(
        InstanceIds=[node], DocumentName=document, Parameters=parameters, **more
    )
    return str(sent["Command"]["CommandId"])


def _ended(cloud: LocalCloud, node: str, eventually: Wait) -> Incident:
    found: list[Incident] = []

    def ended() -> bool:
        """the incident ends"""
        found[:] = [i for i in cloud.store().recent(200) if i.node.node_id == node]
        return bool(found) and found[0].state in (State.CLOSED, State.HANDED_OVER)

    eventually(ended, ENDS_SECONDS_MAX)
    return found[0]


def _checks_asked_of(cloud: LocalCloud, node: str) -> list[set[str]]:
    calls = cloud.admin("GET", "calls?action=SendCommand")["calls"]
    return [
        set(c["request"]["Parameters"]["Checks"][0].split(","))
        for c in calls
        if c["request"]["InstanceIds"] == [node] and "Checks" in c["request"]["Parameters"]
    ]


@pytest.mark.parametrize(
    ("node", "place"),
    [
        (IN_S3, {"OutputS3BucketName": BUCKET, "OutputS3KeyPrefix": "patching/nightly"}),
        (
            IN_LOGS,
            {
                "CloudWatchOutputConfig": {
                    "CloudWatchLogGroupName": GROUP,
                    "CloudWatchOutputEnabled": True,
                }
            },
        ),
    ],
    ids=["S3", "CloudWatch Logs"],
)
def test_the_end_of_a_cut_output_is_read_where_it_was_sent(
    fleet: LocalCloud, node: str, place: dict[str, Any], eventually: Wait
) -> None:
    _patch(fleet, node, **place)
    incident = _ended(fleet, node, eventually)
    assert "Insufficient space" not in incident.evidence.stdout[:24_000]
    assert "left out here, the end follows]" in incident.evidence.stdout
    assert not incident.evidence.truncated
    assert incident.evidence.notes == ()
    assert incident.classification.cause == "disk-full"
    assert {line.stream for line in incident.classification.candidates[0].lines} == {"stdout tail"}
    assert incident.outcome is Outcome.RESOLVED
    assert not any("patch-log-tail" in asked for asked in _checks_asked_of(fleet, node))


@pytest.mark.parametrize(
    ("node", "place", "noted"),
    [
        (
            ELSEWHERE,
            {"OutputS3BucketName": OTHER_BUCKET},
            f"bucket {OTHER_BUCKET} is none that the stack may read",
        ),
        (NOWHERE, {}, "its command sends it nowhere else"),
    ],
    ids=["a bucket that was not named", "nowhere"],
)
def test_the_node_is_asked_for_an_end_that_lies_nowhere_else(
    fleet: LocalCloud, node: str, place: dict[str, Any], noted: str, eventually: Wait
) -> None:
    """What the end says is read like the rest, and the check that it calls for is made."""
    _patch(fleet, node, **place)
    incident = _ended(fleet, node, eventually)
    assert any(noted in note for note in incident.evidence.notes)
    first, second = _checks_asked_of(fleet, node)[:2]
    assert "patch-log-tail" in first
    assert "package-metadata" in second - first
    assert incident.classification.cause == "repository-metadata-invalid"
    assert "left out here, the end follows]" in incident.evidence.stdout
    assert not incident.evidence.truncated


def test_a_node_that_may_not_write_leaves_nothing_to_read(
    fleet: LocalCloud, eventually: Wait
) -> None:
    _patch(fleet, MAY_NOT_WRITE, OutputS3BucketName=BUCKET)
    incident = _ended(fleet, MAY_NOT_WRITE, eventually)
    assert any(f"bucket {BUCKET} has nothing of this run" in n for n in incident.evidence.notes)
    assert incident.classification.cause == "disk-full"


def test_a_failed_hook_is_told_from_patching(fleet: LocalCloud, eventually: Wait) -> None:
    document = "AWS-RunPatchBaselineWithHooks"
    for node in (BEFORE_INSTALL, ON_EXIT, HOOKS_BUT_PATCHING):
        _patch(fleet, node, document, parameters=HOOKS)
    before = _ended(fleet, BEFORE_INSTALL, eventually)
    assert before.cause == "hook-failed"
    assert before.evidence.hook is not None
    assert (before.evidence.hook.point, before.evidence.hook.document) == (
        "pre-install",
        "StopOrders",
    )
    assert "did not stop within 120 s" in before.evidence.stderr
    last = _ended(fleet, ON_EXIT, eventually)
    assert [c.cause for c in last.classification.candidates][:2] == ["hook-failed", "disk-full"]
    assert last.evidence.hook is not None
    assert last.evidence.hook.document == "CopyLogs"
    patching = _ended(fleet, HOOKS_BUT_PATCHING, eventually)
    assert patching.evidence.hook is None
    assert patching.evidence.step == "PatchBaselineInstall"
    assert patching.classification.cause == "disk-full"


def test_people_read_whose_document_failed(fleet: LocalCloud, eventually: Wait) -> None:
    _ended(fleet, BEFORE_INSTALL, eventually)

    def mailed() -> bool:
        """the mail names the hook document"""
        mails = [p.read_text(encoding="utf-8") for p in fleet.outbox() if p.suffix == ".eml"]
        return any(BEFORE_INSTALL in mail and "StopOrders" in mail for mail in mails)

    eventually(mailed, 20)
