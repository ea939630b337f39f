"""What leaves the account, the resource types that the stack needs, the admin API, and the end."""

from __future__ import annotations

import email
import email.policy
import io
import json
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cloud_process import ACCOUNT, LOCAL, REGION, Cloud

KEY = "0123456789abcdef0123456789abcdef"
WEB = "i-0a1b2c3d4e5f60001"


def _files(cloud: Cloud, kind: str, count: int) -> list[Path]:
    folder = cloud.state_dir / "outbox" / kind
    deadline = time.monotonic() + 8
    while len(list(folder.iterdir())) < count:
        assert time.monotonic() < deadline, f"{kind}: {sorted(folder.iterdir())}"
        time.sleep(0.05)
    return sorted(folder.iterdir())


def test_people_get_the_body_of_their_protocol(well: Cloud) -> None:
    sns = well.client("sns")
    topic = sns.create_topic(Name="people", Attributes={"DisplayName": "PatchMedic"})["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="ops@example.com")
    sns.subscribe(TopicArn=topic, Protocol="sms", Endpoint="+819000000000")
    body = {"default": "d", "email": "web-1 is well again.\n治りました", "sms": "web-1 ok"}
    sns.publish(
        TopicArn=topic, Subject="web-1: fixed", Message=json.dumps(body), MessageStructure="json"
    )
    path = _files(well, "email", 1)[-1]
    assert path.name == "001-web-1-fixed.eml"
    message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    assert (message["To"], message["Subject"]) == ("ops@example.com", "web-1: fixed")
    assert message["From"] == "PatchMedic <no-reply@sns.amazonaws.com>"
    text = message.get_body().get_content().replace("\r\n", "\n")  # type: ignore[union-attr]
    assert text.startswith("web-1 is well again.\n治りました\n\n--\nIf you wish to stop receiving")
    assert _files(well, "sms", 1)[0].read_text() == "To: +819000000000\n\nweb-1 ok\n"


@pytest.mark.parametrize("subject", ["x" * 100, "two\nlines"])
def test_a_subject_that_sns_refuses(well: Cloud, subject: str) -> None:
    sns = well.client("sns")
    topic = sns.create_topic(Name="subjects")["TopicArn"]
    with pytest.raises(ClientError, match="Invalid parameter: Subject"):
        sns.publish(TopicArn=topic, Subject=subject, Message="m")


def _pager_template() -> dict[str, Any]:
    body = {"Key": "routing_key", "Value": KEY, "IsValueSecret": True}
    return {
        "Resources": {
            "Connection": {
                "Type": "AWS::Events::Connection",
                "Properties": {
                    "AuthorizationType": "API_KEY",
                    "AuthParameters": {
                        "ApiKeyAuthParameters": {"ApiKeyName": "x-key", "ApiKeyValue": "s3cret"},
                        "InvocationHttpParameters": {"BodyParameters": [body]},
                    },
                },
            },
            "Destination": {
                "Type": "AWS::Events::ApiDestination",
                "Properties": {
                    "ConnectionArn": {"Fn::GetAtt": ["Connection", "Arn"]},
                    "HttpMethod": "POST",
                    "InvocationEndpoint": "https://events.pagerduty.com/v2/enqueue",
                },
            },
            "Rule": {
                "Type": "AWS::Events::Rule",
                "Properties": {
                    "EventPattern": {"source": ["patchmedic"]},
                    "Targets": [
                        {
                            "Id": "pager",
                            "Arn": {"Fn::GetAtt": ["Destination", "Arn"]},
                            "InputPath": "$.detail",
                        }
                    ],
                },
            },
        },
        "Outputs": {"Secret": {"Value": {"Fn::GetAtt": ["Connection", "SecretArn"]}}},
    }


def _stack(cloud: Cloud, name: str, template: dict[str, Any], action: str = "create") -> None:
    cloudformation = cloud.client("cloudformation")
    getattr(cloudformation, f"{action}_stack")(StackName=name, TemplateBody=json.dumps(template))
    waiter = cloudformation.get_waiter(f"stack_{action}_complete")
    waiter.wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 20})


def _page(cloud: Cloud, **changes: Any) -> None:
    payload = {"summary": "s", "source": "web-1", "severity": "error"}
    detail = {"event_action": "trigger", "dedup_key": "incident-1", "payload": payload, **changes}
    entry = {"Source": "patchmedic", "DetailType": "PatchMedic Page", "Detail": json.dumps(detail)}
    assert cloud.client("events").put_events(Entries=[entry])["FailedEntryCount"] == 0


def test_the_pager_gets_its_request_and_the_secret_stays_hidden(well: Cloud) -> None:
    _stack(well, "pager", _pager_template())
    outputs = well.client("cloudformation").describe_stacks(StackName="pager")["Stacks"][0][
        "Outputs"
    ]
    assert outputs[0]["OutputValue"].startswith(
        f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:events!connection/"
    )
    _page(well)
    path = _files(well, "pager", 1)[0]
    assert path.name == "001-trigger-incident-1.json"
    request = json.loads(path.read_text())
    assert (request["method"], request["url"]) == (
        "POST",
        "https://events.pagerduty.com/v2/enqueue",
    )
    assert request["body"]["routing_key"] == "********"
    assert KEY not in path.read_text()
    assert "s3cret" not in path.read_text()
    assert request["response"] == {
        "status": 202,
        "body": {"status": "success", "message": "Event processed", "dedup_key": "incident-1"},
    }
    _page(well, payload={"summary": "s"})
    refused = json.loads(_files(well, "pager", 2)[1].read_text())["response"]
    assert refused["status"] == 400
    assert "'payload.severity' is missing or blank" in refused["body"]["errors"]
    well.admin("pager", {"status": 503, "times": 1})
    _page(well, dedup_key="incident-2")
    again = [json.loads(p.read_text())["response"]["status"] for p in _files(well, "pager", 4)[2:]]
    assert again == [503, 202]


def _document(text: str, **properties: Any) -> dict[str, Any]:
    step = {"name": "Check", "action": "aws:runShellScript", "inputs": {"runCommand": [text]}}
    content = {"schemaVersion": "2.2", "mainSteps": [step]}
    properties = {"Name": "s-Check-Linux", "Content": content, **properties}
    return {
        "Resources": {"Doc": {"Type": "AWS::SSM::Document", "Properties": properties}},
        "Outputs": {"Name": {"Value": {"Ref": "Doc"}}},
    }


def test_a_stack_owns_its_documents(well: Cloud) -> None:
    ssm, cloudformation = well.client("ssm"), well.client("cloudformation")
    _stack(well, "docs", _document("one", UpdateMethod="NewVersion"))
    outputs = cloudformation.describe_stacks(StackName="docs")["Stacks"][0]["Outputs"]
    assert outputs[0]["OutputValue"] == "s-Check-Linux"
    _stack(well, "docs", _document("two", UpdateMethod="NewVersion"), "update")
    document = ssm.describe_document(Name="s-Check-Linux")["Document"]
    assert (document["LatestVersion"], document["Owner"]) == ("2", ACCOUNT)
    assert "two" in ssm.get_document(Name="s-Check-Linux")["Content"]
    assert "one" in ssm.get_document(Name="s-Check-Linux", DocumentVersion="1")["Content"]
    with pytest.raises(Exception, match="terminal failure"):
        _stack(well, "docs", _document("three", UpdateMethod="Replace"), "update")
    cloudformation.delete_stack(StackName="docs")
    cloudformation.get_waiter("stack_delete_complete").wait(
        StackName="docs", WaiterConfig={"Delay": 1, "MaxAttempts": 20}
    )
    with pytest.raises(ClientError, match="InvalidDocument"):
        ssm.describe_document(Name="s-Check-Linux")


# -- the admin API ----------------------------------------------------------------------------


def test_calls_are_recorded_and_can_be_made_to_fail(well: Cloud) -> None:
    ssm = well.client("ssm")
    well.admin("faults", {"action": "ListAssociations", "skip": 1, "error": "InternalServerError"})
    ssm.list_associations()
    with pytest.raises(ClientError, match="InternalServerError"):
        ssm.list_associations()
    ssm.list_associations()
    calls = well.admin("calls?action=ListAssociations")["calls"]
    assert [call["outcome"] for call in calls] == ["ok", "InternalServerError", "ok"]
    assert calls[0]["caller"] == f"arn:aws:iam::{ACCOUNT}:root"


def test_a_call_can_take_effect_and_lose_its_answer(well: Cloud) -> None:
    ssm, node = well.client("ssm"), "mi-0a1b2c3d4e5f60004"
    well.admin("faults", {"action": "SendCommand", "after": True, "error": "InternalServerError"})
    with pytest.raises(ClientError, match="InternalServerError"):
        ssm.send_command(
            InstanceIds=[node],
            DocumentName="AWS-RunPatchBaseline",
            Parameters={"Operation": ["Scan"]},
            Comment="lost-answer",
        )
    sent = [c for c in ssm.list_commands()["Commands"] if c["Comment"] == "lost-answer"]
    assert len(sent) == 1
    well.wait(sent[0]["CommandId"], node)


def test_the_published_rates_hold(well: Cloud) -> None:
    ssm = well.client("ssm")
    outcomes = []
    for _number in range(8):
        try:
            ssm.describe_instance_associations_status(InstanceId=WEB)
            outcomes.append("ok")
        except ClientError as error:
            outcomes.append(error.response["Error"]["Code"])
    assert outcomes[:2] == ["ok", "ok"]
    assert "ThrottlingException" in outcomes


def test_events_of_aws_can_be_injected_and_only_so(well: Cloud) -> None:
    queue = well.queue_for({"source": ["aws.ec2"]}, "injected")
    event = {
        "id": "7bf73129-1428-4cd3-a780-95db273d1602",
        "time": "2026-11-22T16:40:28Z",
        "source": "aws.ec2",
        "detail-type": "EC2 Instance State-change Notification",
        "resources": [f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/{WEB}"],
        "detail": {"instance-id": WEB, "state": "stopped"},
    }
    well.admin("event", event)
    (seen,) = well.events(queue)
    assert {key: seen[key] for key in event} == event
    entry = {"Source": "aws.ec2", "DetailType": "x", "Detail": "{}"}
    answer = well.client("events").put_events(Entries=[entry])["Entries"][0]
    assert answer["ErrorCode"] == "NotAuthorizedForSourceException"
    assert "'detail-type'" in well.admin_error("event", {"source": "aws.ec2"})
    assert "no node i-1" in well.admin_error("patch", {"nodes": ["i-1"]})
    assert "cannot be read" in well.admin_error("scenario", {"file": "/nowhere.yaml"})


# -- starting and ending ----------------------------------------------------------------------


def _function(cloud: Cloud) -> None:
    """Invoke a Lambda function, so that a worker process exists."""
    iam, functions = cloud.client("iam"), cloud.client("lambda")
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = iam.create_role(RoleName="f", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        # What a layer for another Python brings along must not be what is imported.
        archive.writestr("re2/__init__.py", "raise ImportError('compiled for another Python')\n")
        archive.writestr("app.py", "import re2\ndef handler(e, c):\n    return re2.__file__\n")
    functions.create_function(
        FunctionName="f",
        Runtime="python3.13",
        Handler="app.handler",
        Role=role,
        Code={"ZipFile": code.getvalue()},
    )
    answer = functions.invoke(FunctionName="f")
    assert "FunctionError" not in answer, answer["Payload"].read()


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(word) for task in tasks for word in task.read_text().split()]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_it_ends_with_everything_it_started(tmp_path: Path, number: signal.Signals) -> None:
    cloud = Cloud(tmp_path, "healthy")
    try:
        _function(cloud)
        workers = _children(cloud.process.pid)
    finally:
        code = cloud.stop(number)
    assert workers, "no Lambda worker was started, so this test shows nothing"
    assert code == 0
    assert [pid for pid in workers if Path(f"/proc/{pid}").exists()] == []


def test_it_says_why_it_does_not_start(well: Cloud, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "patchmedic_local", "serve", "--state-dir", str(tmp_path)]

    def end(*more: str) -> tuple[int, str]:
        done = subprocess.run(
            command + list(more), cwd=LOCAL, capture_output=True, text=True, timeout=30, check=False
        )
        return done.returncode, done.stderr

    code, said = end("--port", str(well.port))
    assert code == 1
    assert "is taken" in said
    assert "--port" in said
    code, said = end("--port", "0", "--scenario", "/nowhere.yaml")
    assert code == 1
    assert "/nowhere.yaml: cannot be read" in said


def test_the_settings_for_the_aws_cli_are_written_down(well: Cloud) -> None:
    text = (well.state_dir / "env").read_text()
    assert f"export AWS_ENDPOINT_URL={well.endpoint}\n" in text
    assert f"export AWS_DEFAULT_REGION={REGION}\n" in text
