"""The checks about the patch operation, in the deployed stack: its own role, IAM enforced.

Each is made with the credentials of the diagnose function, so that the template's statements are
what lets it look; with the same statements but one it may not, and says which call was refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest

from patchmedic.aws import Clients
from patchmedic.cli.cloud import ACCOUNT, REGION, STACK, LocalCloud
from patchmedic.incident import FailureSeen, Incident, open_incident
from patchmedic.lookups import AwsSide
from patchmedic.model import (
    Candidate,
    Classification,
    Effect,
    Evidence,
    Finding,
    NodeRef,
    Signal,
    SignalKind,
    Verdict,
)
from patchmedic.policy import Policy
from patchmedic.ports import TimelineEntry

HERE = Path(__file__).parent
HOOKED, FAILING, NEVER_TRIED, OF_GROUP, PANICKED = (
    f"i-0e1b2c3d4e5f6000{number}" for number in range(1, 6)
)
BASELINE, HOOKS = "AWS-RunPatchBaseline", "AWS-RunPatchBaselineWithHooks"
INSTALL = {"Operation": ("Install",), "RebootOption": ("RebootIfNeeded",)}
PANIC = (
    "[    0.000000] Linux version 6.1.0\n"
    "[    1.204417] Kernel panic - not syncing: VFS: Unable to mount root fs on sda1\n"
    "password=not-for-the-table\n"
)
Wait = Callable[[Callable[[], bool], float], None]


@pytest.fixture(scope="module")
def fleet(cloud: LocalCloud) -> Iterator[LocalCloud]:
    """The nodes of ``operation.yaml``; the local cloud itself has answered as AWS could."""
    cloud.admin("POST", "scenario", {"file": str(HERE / "operation.yaml")})
    # A function has credentials once it was invoked.
    cloud.client("lambda").invoke(FunctionName=f"{STACK}-diagnose", Payload=b'{"Records": []}')
    yield cloud
    assert cloud.admin("GET", "health")["problems"] == []


class _Session:
    """Makes clients with somebody's credentials."""

    def __init__(self, cloud: LocalCloud, **credentials: str) -> None:
        self._endpoint = cloud.endpoint
        self._session = boto3.session.Session(region_name=REGION, **credentials)

    def client(self, service: str, **arguments: Any) -> Any:
        return self._session.client(service, endpoint_url=self._endpoint, **arguments)


def as_diagnose(cloud: LocalCloud) -> _Session:
    """The credentials of the diagnose function itself, as the embedded AWS derives them."""
    config = cloud.client("lambda").get_function_configuration(FunctionName=f"{STACK}-diagnose")
    seed = f"{config['FunctionArn']}:{config['Role']}"
    digest = hashlib.sha256(seed.encode()).hexdigest()
    return _Session(
        cloud,
        aws_access_key_id=f"ASIA{digest[:16].upper()}",
        aws_secret_access_key=hashlib.sha256(f"secret:{digest}".encode()).hexdigest(),
        aws_session_token=hashlib.sha256(f"token:{digest}".encode()).hexdigest(),
    )


def without(cloud: LocalCloud, sid: str) -> _Session:
    """A user with the statements of the diagnose function's role, all but one."""
    iam = cloud.client("iam")
    config = cloud.client("lambda").get_function_configuration(FunctionName=f"{STACK}-diagnose")
    role = config["Role"].rpartition("/")[2]
    policy = iam.get_role_policy(RoleName=role, PolicyName="diagnose")["PolicyDocument"]
    kept = [s for s in policy["Statement"] if s["Sid"] != sid]
    assert len(kept) == len(policy["Statement"]) - 1, f"the role has no statement {sid}"
    name = f"without-{sid}"
    iam.create_user(UserName=name)
    document = json.dumps({**policy, "Statement": kept})
    iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return _Session(
        cloud,
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )


def incident(node: str, cause: str, command_id: str | None = None, **evidence: Any) -> Incident:
    return _decision(node, cause, command_id, **evidence)[0]


def _decision(
    node: str, cause: str, command_id: str | None = None, **evidence: Any
) -> tuple[Incident, Effect]:
    now = datetime.now(UTC)
    signal = Signal(
        kind=SignalKind.PATCH_COMMAND_FAILED,
        account=ACCOUNT,
        region=REGION,
        event_id=f"test-{node}-{now.timestamp()}",
        time=now,
        node_id=node,
        command_id=command_id,
        document=evidence.get("document", BASELINE),
        status="Failed",
    )
    found = Classification((Candidate(cause, 0.9),), "test")
    made = Evidence(**{"document": BASELINE, "parameters": INSTALL, **evidence})
    policy = Policy(plans={}, remedies={}, catalogue_version="test")
    decision = open_incident(FailureSeen(signal, made, found), policy, now)
    (effect,) = decision.effects
    return decision.incident, effect


def looked(
    cloud: LocalCloud, check: str, about: Incident, session: _Session | None = None
) -> tuple[Finding, ...]:
    own = session or as_diagnose(cloud)
    node = NodeRef(ACCOUNT, REGION, about.node.node_id)
    return AwsSide(Clients(lambda: own)).run(node, [check], about, datetime.now(UTC)).findings


def confirmed(found: tuple[Finding, ...]) -> set[str | None]:
    return {f.cause for f in found if f.verdict is Verdict.CONFIRMS}


def denied(cloud: LocalCloud, check: str, about: Incident, sid: str, *calls: str) -> None:
    """Without that statement of the template: neutral findings that name the calls."""
    found = looked(cloud, check, about, without(cloud, sid))
    assert {f.verdict for f in found} == {Verdict.NEUTRAL}
    said = " ".join(f.says["en"] for f in found)
    for call in calls:
        assert f"{call} answered " in said, said


def test_a_hook_that_does_not_exist(fleet: LocalCloud) -> None:
    parameters = {**INSTALL, "PreInstallHookDocName": ("NobodyMadeThis",)}
    about = incident(HOOKED, "hook-failed", document=HOOKS, parameters=parameters)
    assert confirmed(looked(fleet, "command-parameters", about)) == {"parameters-invalid"}
    right = {**INSTALL, "PreInstallHookDocName": (f"{STACK}-Check-Linux",)}
    well = incident(HOOKED, "hook-failed", document=HOOKS, parameters=right)
    assert confirmed(looked(fleet, "command-parameters", well)) == set()
    denied(fleet, "command-parameters", about, "ReadHookDocuments", "ssm:DescribeDocument")


def test_a_node_that_was_never_tried(fleet: LocalCloud, eventually: Wait) -> None:
    ssm = fleet.client("ssm")
    sent = ssm.send_command(
        InstanceIds=[FAILING, NEVER_TRIED],
        DocumentName=BASELINE,
        Parameters={k: list(v) for k, v in INSTALL.items()},
        MaxConcurrency="1",
        MaxErrors="0",
    )
    command_id = sent["Command"]["CommandId"]

    def over() -> bool:
        """the rest of the command is ended"""
        listed = ssm.list_command_invocations(CommandId=command_id)["CommandInvocations"]
        return {i["StatusDetails"] for i in listed} == {"Failed", "Terminated"}

    eventually(over, 30)
    about = incident(NEVER_TRIED, "command-cancelled", command_id)
    (found,) = looked(fleet, "rate-control", about)
    assert (found.cause, found.verdict) == ("command-cancelled", Verdict.CONFIRMS)
    assert f"Failed first: {FAILING}." in found.says["en"]
    assert found.facts["max-errors"] == "0"
    denied(fleet, "rate-control", about, "ReadRunCommand", "ssm:ListCommandInvocations")

    def told() -> bool:
        """the pipeline itself finds it out, from the event to the verdict"""
        mine = [i for i in fleet.store().recent(200) if i.node.node_id == NEVER_TRIED]
        return any("command-cancelled" in confirmed(i.findings) for i in mine)

    eventually(told, 60)


def test_a_baseline_that_was_deleted(fleet: LocalCloud) -> None:
    ssm = fleet.client("ssm")
    system = "AMAZON_LINUX_2023"
    kept, gone = (
        ssm.create_patch_baseline(Name=name, OperatingSystem=system)["BaselineId"]
        for name in ("kept", "gone")
    )
    ssm.register_patch_baseline_for_patch_group(BaselineId=kept, PatchGroup="operation")
    ssm.delete_patch_baseline(BaselineId=gone)
    about = incident(
        OF_GROUP, "baseline-missing", stderr=f"DoesNotExistException: baseline {gone} not found"
    )
    found = looked(fleet, "patch-baseline", about)
    assert confirmed(found) == {"baseline-missing"}
    assert {f.resource for f in found if f.verdict is Verdict.CONFIRMS} == {gone}
    assert any(kept in f.says["en"] for f in found), [f.says["en"] for f in found]
    well = incident(OF_GROUP, "baseline-missing")
    assert [f.verdict for f in looked(fleet, "patch-baseline", well)] == [Verdict.REFUTES]
    policy = ("s3://aws-quicksetup-patchpolicy-1-abcde/baseline_overrides.json",)
    random = replace(
        about, evidence=replace(about.evidence, parameters={"BaselineOverride": policy})
    )
    assert confirmed(looked(fleet, "patch-baseline", random)) == set()
    denied(fleet, "patch-baseline", about, "ReadBaselines", "ssm:GetPatchBaseline")


def test_who_reported_last(fleet: LocalCloud) -> None:
    about = incident(OF_GROUP, "unknown")
    (found,) = looked(fleet, "compliance-sources", about)
    assert found.facts["stands-now"].startswith("Scan ")
    denied(fleet, "compliance-sources", about, "ReadPatchStates", "ssm:DescribeInstancePatchStates")


def test_a_panic_is_confirmed_and_its_console_kept(fleet: LocalCloud, eventually: Wait) -> None:
    """Through the function itself: it claims, looks, keeps the files and stores its findings."""
    ran = fleet.admin(
        "POST", "patch", {"nodes": [PANICKED], "events": False, "operation": "Install"}
    )

    def patched() -> bool:
        """the patch run ends"""
        found = fleet.client("ssm").list_command_invocations(CommandId=ran["command_id"])
        return [i["Status"] for i in found["CommandInvocations"]] == ["Success"]

    eventually(patched, 30)
    about, effect = _decision(PANICKED, "reboot-failed", ran["command_id"])
    effect = replace(effect, payload={"checks": ["boot-console"], "platform": "linux"})
    store = fleet.store()
    # Before the node falls silent: the stack watches it, and would open one of its own.
    store.create(about, (effect,), TimelineEntry(datetime.now(UTC), "test", "opened"))
    fleet.admin("POST", "ping", {"nodes": [PANICKED], "last_ping_minutes_ago": 30})
    fleet.admin("POST", "console", {"nodes": [PANICKED], "text": PANIC})
    body = json.dumps({"effect_id": effect.effect_id, "incident_id": about.id})
    record = {"messageId": "1", "body": body, "eventSource": "aws:sqs"}
    answer = fleet.invoke("diagnose", {"Records": [record]})
    assert answer["batchItemFailures"] == []
    seen = store.load(about.id)
    assert seen is not None
    assert confirmed(seen.findings) == {"instance-impaired"}
    image, text = store.attachments(about.id)
    assert (image.media_type, image.content[:3]) == ("image/jpeg", b"\xff\xd8\xff")
    assert "Kernel panic - not syncing" in text.content.decode()
    assert "not-for-the-table" not in text.content.decode()
    said = next(f.says["en"] for f in seen.findings if f.verdict is Verdict.CONFIRMS)
    assert f"patchmedic attachments {about.id} --save ." in said
    denied(
        fleet,
        "boot-console",
        about,
        "ReadConsoles",
        "ec2:GetConsoleOutput",
        "ec2:GetConsoleScreenshot",
    )
