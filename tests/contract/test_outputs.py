"""``ports.Outputs``: the fake fleet and the local cloud keep and give whole outputs alike.

One node's patch run prints more than Run Command returns; where its sender had the output sent, its
end can be read by those who may.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.contract.conftest import LocalCloud
from tests.fakes import FakeCommands, FakeFleet, FakeNode, FakeOutputs, Fault, SimClock
from tests.fakes.fleet import REGION

from patchmedic.output import END_NOTE
from patchmedic.output_ends import CommandOutputs
from patchmedic.ports import CommandInfo, Commands, Invocation, OutputPlace, Outputs
from patchmedic.run_command import RunCommand

WORDY = "i-0a1b2c3d4e5f60003"
BUCKET, OTHER, GROUP = "contract-output", "contract-private", "/contract/output"
IN_S3 = OutputPlace(bucket=BUCKET, key_prefix="nightly")
ELSEWHERE = OutputPlace(bucket=OTHER)
IN_LOGS = OutputPlace(log_group=GROUP)
NOWHERE = OutputPlace()
ENDED_WITHIN_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Bench:
    """Commands with places for their output, and the port that reads there."""

    commands: Commands
    outputs: Outputs
    send: Callable[[OutputPlace], str]
    wait: Callable[[float], None]

    def ran(self, place: OutputPlace) -> tuple[CommandInfo, Invocation]:
        command_id = self.send(place)
        for _ in range(ENDED_WITHIN_SECONDS * 4):
            invocation = self.commands.invocation(REGION, command_id, WORDY)
            if invocation is not None and invocation.terminal:
                command = self.commands.describe(REGION, command_id)
                assert command is not None
                return command, invocation
            self.wait(0.25)
        raise AssertionError(f"{command_id} did not end")


def _fake() -> Bench:
    clock = SimClock(datetime.now(UTC))
    fleet = FakeFleet(clock)
    fault = Fault("disk", "OSError: [Errno 28] No space left on device", "disk-space", {})
    fleet.add(FakeNode(WORDY, faults=[fault], chatter_lines=2_500))

    def send(place: OutputPlace) -> str:
        scan = {"Operation": ["Scan"]}
        return fleet.start([WORDY], "AWS-RunPatchBaseline", scan, output=place).command_id

    def wait(seconds: float) -> None:
        clock.forward(timedelta(seconds=seconds * 20))
        fleet.settle()

    return Bench(FakeCommands(fleet), FakeOutputs(fleet, [BUCKET, GROUP]), send, wait)


def _local(cloud: LocalCloud) -> Bench:
    clients = cloud.clients
    buckets = [b["Name"] for b in clients.get("s3").list_buckets()["Buckets"]]
    for bucket in {BUCKET, OTHER} - set(buckets):
        where = {"LocationConstraint": REGION}
        clients.get("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration=where)

    def send(place: OutputPlace) -> str:
        more: dict[str, Any] = {}
        if place.bucket:
            more["OutputS3BucketName"] = place.bucket
            if place.key_prefix:
                more["OutputS3KeyPrefix"] = place.key_prefix
        if place.log_group:
            more["CloudWatchOutputConfig"] = {
                "CloudWatchLogGroupName": place.log_group,
                "CloudWatchOutputEnabled": True,
            }
        sent = clients.get("ssm").send_command(
            InstanceIds=[WORDY],
            DocumentName="AWS-RunPatchBaseline",
            Parameters={"Operation": ["Scan"]},
            **more,
        )
        return str(sent["Command"]["CommandId"])

    outputs = CommandOutputs(clients, [BUCKET], [GROUP])
    return Bench(RunCommand(clients), outputs, send, time.sleep)


@pytest.fixture(params=["fake", "local cloud"])
def bench(request: pytest.FixtureRequest) -> Bench:
    if request.param == "fake":
        return _fake()
    return _local(request.getfixturevalue("local_cloud"))


@pytest.mark.parametrize("place", [IN_S3, IN_LOGS], ids=["S3", "CloudWatch Logs"])
def test_the_end_is_where_the_sender_had_it_sent(bench: Bench, place: OutputPlace) -> None:
    command, invocation = bench.ran(place)
    assert command.output == place
    assert invocation.stdout_cut
    assert "space" not in invocation.stdout
    ends = bench.outputs.ends(REGION, invocation, command.output)
    assert ends.stdout is not None
    assert "space" in ends.stdout.text
    assert ends.stdout.bytes_before != 0, "it is the end of something longer"
    assert (ends.stderr, ends.note) == (None, None), "stderr was whole"


@pytest.mark.parametrize("place", [ELSEWHERE, NOWHERE], ids=["a place not named", "nowhere"])
def test_elsewhere_there_is_a_note_and_the_place_is_closed(
    bench: Bench, place: OutputPlace
) -> None:
    command, invocation = bench.ran(place)
    assert command.output == place
    ends = bench.outputs.ends(REGION, invocation, command.output)
    assert (ends.stdout, ends.stderr, ends.place_closed) == (None, None, True)
    assert ends.note is not None
    assert ends.note.startswith(END_NOTE)


def test_a_page_is_cut_earlier_and_says_so(bench: Bench) -> None:
    command, whole = bench.ran(NOWHERE)
    page = bench.commands.invocations(REGION, command.command_id, [WORDY])[WORDY]
    assert page.stdout_cut
    assert len(page.stdout) < len(whole.stdout)
