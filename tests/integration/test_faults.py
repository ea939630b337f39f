"""What goes wrong around the service: killed functions, lost answers and events, the switch."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from patchmedic.cli.cloud import LocalCloud
from patchmedic.incident import Incident, State
from patchmedic.stages.common import LEASE_SECONDS

Wait = Callable[[Callable[[], bool], float], None]
CRASH = "i-0b1b2c3d4e5f60001"
LOST_ANSWER = "i-0b1b2c3d4e5f60002"
SWITCH = "i-0b1b2c3d4e5f60003"
OBSERVED = "i-0b1b2c3d4e5f60004"
SILENT_EVENT = "i-0b1b2c3d4e5f60005"
ENDS_SECONDS_MAX = 90
DEAD_AFTER_SECONDS = 8


def _patch(cloud: LocalCloud, node: str) -> None:
    run = {"nodes": [node], "document": "AWS-RunPatchBaseline", "operation": "Install"}
    cloud.admin("POST", "patch", run)


def _incident(cloud: LocalCloud, node: str) -> Incident | None:
    return next((i for i in cloud.store().recent(200) if i.node.node_id == node), None)


def _sent(cloud: LocalCloud, node: str, document: str) -> list[dict[str, Any]]:
    return [
        c
        for c in cloud.admin("GET", "calls")["calls"]
        if c["action"] == "SendCommand"
        and c["request"]["InstanceIds"] == [node]
        and c["request"]["DocumentName"] == document
        and "assumed-role" in c["caller"]
    ]


def _let_leases_run_out(cloud: LocalCloud, node: str) -> None:
    """Make dead owners' claims old: what three minutes of waiting would do.

    Only claims that nobody can still be at work on: a live owner is never overtaken, because the
    lease is longer than any function may run.
    """
    incident = _incident(cloud, node)
    if incident is None:
        return
    table, past = cloud.table_name(), {"S": "2020-01-01T00:00:00.000000Z"}
    client = cloud.client("dynamodb")
    found = client.query(
        TableName=table,
        KeyConditionExpression="pk = :pk AND begins_with(sk, :sk)",
        ExpressionAttributeValues={
            ":pk": {"S": f"INCIDENT#{incident.id}"},
            ":sk": {"S": "EFFECT#"},
        },
    )
    for item in found["Items"]:
        if item["status"]["S"] != "claimed":
            continue
        lease_until = datetime.fromisoformat(item["lease_until"]["S"])
        claimed_at = lease_until - timedelta(seconds=LEASE_SECONDS)
        if datetime.now(UTC) - claimed_at > timedelta(seconds=DEAD_AFTER_SECONDS):
            client.update_item(
                TableName=table,
                Key={"pk": item["pk"], "sk": item["sk"]},
                UpdateExpression="SET lease_until = :past, due_at = :past",
                ConditionExpression="#status = :claimed",
                ExpressionAttributeNames={"#status": "status"},
                ExpressionAttributeValues={":past": past, ":claimed": {"S": "claimed"}},
            )


def _kill_workers(cloud: LocalCloud) -> int:
    """Kill -9 every Lambda worker of the cloud; returns how many there were."""
    group = os.getpgid(cloud.process_id)
    killed = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        pid = int(stat.parent.name)
        if int(fields[2]) == group and pid != cloud.process_id:
            os.kill(pid, signal.SIGKILL)
            killed += 1
    return killed


@pytest.fixture
def impatient_queues(cloud: LocalCloud) -> Iterator[None]:
    """A message of a killed function comes back after seconds instead of minutes."""
    sqs = cloud.client("sqs")
    urls = [
        sqs.get_queue_url(QueueName=f"patchmedic-{name}")["QueueUrl"]
        for name in ("signals", "diagnose", "remediate", "results", "notify")
    ]
    before = {
        url: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])
        for url in urls
    }
    for url in urls:
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "5"})
    yield
    for url in urls:
        sqs.set_queue_attributes(QueueUrl=url, Attributes=before[url]["Attributes"])


def test_functions_killed_in_mid_incident_lose_nothing_and_double_nothing(
    cloud: LocalCloud, night: object, impatient_queues: None
) -> None:
    _patch(cloud, CRASH)
    killed = 0
    until = time.monotonic() + ENDS_SECONDS_MAX

    def finished() -> bool:
        """the incident of the killed functions ends"""
        incident = _incident(cloud, CRASH)
        return incident is not None and incident.state in (State.CLOSED, State.HANDED_OVER)

    for _ in range(6):
        killed += _kill_workers(cloud)
        time.sleep(0.7)
    assert killed > 0, "no worker was running, so nothing was proved"
    while not finished():
        assert time.monotonic() < until, "the incident did not end after its functions were killed"
        _let_leases_run_out(cloud, CRASH)
        cloud.invoke("sweep", {})
        time.sleep(1)
    incident = _incident(cloud, CRASH)
    assert incident is not None
    assert incident.outcome is not None
    assert len(_sent(cloud, CRASH, "patchmedic-Remedy-FreeDiskSpace-Linux")) <= 1


def test_a_command_whose_answer_was_lost_is_adopted_not_sent_again(
    cloud: LocalCloud, night: object, eventually: Wait
) -> None:
    """SendCommand takes effect, its answer is lost: the effect finds its command by the Comment."""
    fault = {"action": "SendCommand", "error": "InternalServerError", "after": True, "times": 2}
    cloud.admin("POST", "faults", fault)
    _patch(cloud, LOST_ANSWER)

    def ended() -> bool:
        """the incident ends although two answers were lost"""
        _let_leases_run_out(cloud, LOST_ANSWER)
        cloud.invoke("sweep", {})
        incident = _incident(cloud, LOST_ANSWER)
        return incident is not None and incident.state in (State.CLOSED, State.HANDED_OVER)

    eventually(ended, ENDS_SECONDS_MAX)
    cloud.admin("POST", "faults", {"clear": True})
    incident = _incident(cloud, LOST_ANSWER)
    assert incident is not None
    assert incident.outcome is not None
    assert incident.outcome.value == "resolved"
    assert len(_sent(cloud, LOST_ANSWER, "patchmedic-Check-Linux")) == 1
    assert len(_sent(cloud, LOST_ANSWER, "patchmedic-Remedy-FreeDiskSpace-Linux")) == 1


def test_the_kill_switch_stops_everything_that_would_run(
    cloud: LocalCloud, night: object, eventually: Wait
) -> None:
    ssm = cloud.client("ssm")
    ssm.put_parameter(Name="/patchmedic/kill-switch", Value="stop", Overwrite=True)
    try:
        _patch(cloud, SWITCH)

        def handed_over() -> bool:
            """the incident is handed over"""
            incident = _incident(cloud, SWITCH)
            return incident is not None and incident.state is State.HANDED_OVER

        eventually(handed_over, 30)
    finally:
        ssm.put_parameter(Name="/patchmedic/kill-switch", Value="run", Overwrite=True)
    incident = _incident(cloud, SWITCH)
    assert incident is not None
    assert not incident.actions
    assert not _sent(cloud, SWITCH, "patchmedic-Check-Linux")
    assert any("kill switch" in e.text for e in cloud.store().timeline(incident.id))


def test_a_node_tagged_observe_is_not_touched(
    cloud: LocalCloud, night: object, eventually: Wait
) -> None:
    _patch(cloud, OBSERVED)

    def handed_over() -> bool:
        """the incident is handed over"""
        incident = _incident(cloud, OBSERVED)
        return incident is not None and incident.state is State.HANDED_OVER

    eventually(handed_over, 30)
    assert not _sent(cloud, OBSERVED, "patchmedic-Check-Linux")


def test_a_failure_whose_event_was_lost_is_found_by_the_sweep(
    cloud: LocalCloud, night: object, eventually: Wait
) -> None:
    """EventBridge delivers Systems Manager's events best effort: here none is delivered."""
    events = cloud.client("events")
    rules = [
        r["Name"] for r in events.list_rules()["Rules"] if "aws.ssm" in r.get("EventPattern", "")
    ]
    for rule in rules:
        events.disable_rule(Name=rule)
    try:
        _patch(cloud, SILENT_EVENT)

        def failed() -> bool:
            """the patch run fails on the node"""
            found = cloud.client("ssm").list_command_invocations(InstanceId=SILENT_EVENT)
            return [i["Status"] for i in found["CommandInvocations"]] == ["Failed"]

        eventually(failed, 20)
    finally:
        for rule in rules:
            events.enable_rule(Name=rule)
    assert _incident(cloud, SILENT_EVENT) is None
    assert cloud.invoke("sweep", {"look_for_lost_events": True})["found"] >= 1

    def resolved() -> bool:
        """the failure that nobody told of is resolved"""
        incident = _incident(cloud, SILENT_EVENT)
        return incident is not None and incident.state is State.CLOSED

    eventually(resolved, 60)


@pytest.mark.parametrize(
    "body",
    [
        "no JSON at all",
        "[]",
        '{"source": "aws.s3", "detail-type": "Object Created", "detail": {}}',
        '{"source": "aws.ssm", "detail-type": "EC2 Command Invocation Status-change Notification"}',
        '{"detail": {"instance-id": "i-1; rm -rf /", "command-id": "$(id)"}}',
        '{"x": "' + "a" * 200_000 + '"}',
    ],
    ids=["text", "list", "other-source", "no-detail", "hostile-ids", "huge"],
)
def test_what_is_no_event_is_kept_with_its_reason(
    cloud: LocalCloud, body: str, eventually: Wait
) -> None:
    sqs = cloud.client("sqs")
    queue = sqs.get_queue_url(QueueName="patchmedic-signals")["QueueUrl"]
    dead = sqs.get_queue_url(QueueName="patchmedic-signals-dlq")["QueueUrl"]
    sqs.purge_queue(QueueUrl=dead)
    sqs.send_message(QueueUrl=queue, MessageBody=body)
    kept: list[dict[str, Any]] = []

    def arrived() -> bool:
        """the rejected event is in the dead-letter queue"""
        found = sqs.receive_message(QueueUrl=dead, MessageAttributeNames=["All"])
        kept.extend(found.get("Messages", []))
        return bool(kept)

    eventually(arrived, 20)
    assert kept[0]["Body"] == body
    assert kept[0]["MessageAttributes"]["code"]["StringValue"]
    assert kept[0]["MessageAttributes"]["reason"]["StringValue"]
