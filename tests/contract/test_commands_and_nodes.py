"""``ports.Commands`` and ``ports.Nodes``: the fake fleet and the local cloud answer alike.

Both fleets have one well Linux node and one whose disk is full; everything else is asked through
the ports.  Commands take a moment: ``Bench.ended`` waits for them, in its own kind of time.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from tests.contract.conftest import KILL_SWITCH, LocalCloud
from tests.fakes import FakeCommands, FakeFleet, FakeNode, FakeNodes, Fault, SimClock
from tests.fakes.fleet import ACCOUNT, REGION

from patchmedic.errors import AwsRejected
from patchmedic.model import NodeRef
from patchmedic.nodes import ManagedNodes
from patchmedic.ports import Commands, Invocation, Nodes
from patchmedic.run_command import RunCommand

SCAN = {"Operation": ["Scan"], "RebootOption": ["NoReboot"]}
PATCH = "AWS-RunPatchBaseline"
WELL, FULL = "i-0a1b2c3d4e5f60001", "i-0a1b2c3d4e5f60002"
UNKNOWN_COMMAND = "00000000-0000-4000-8000-00000000dead"
ENDED_WITHIN_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Bench:
    """The two ports over one fleet."""

    commands: Commands
    nodes: Nodes
    well: NodeRef
    full: NodeRef
    """Its disk is full: a patch run fails."""
    now: Callable[[], datetime]
    wait: Callable[[float], None]

    def send(self, node: NodeRef, comment: str | None = None) -> str:
        comment = comment if comment is not None else f"contract {uuid.uuid4()}"
        return self.commands.send(node, PATCH, SCAN, comment, 60)

    def ended(self, command_id: str, node: NodeRef) -> Invocation:
        for _ in range(ENDED_WITHIN_SECONDS * 4):
            invocation = self.commands.invocation(node.region, command_id, node.node_id)
            if invocation is not None and invocation.terminal:
                return invocation
            self.wait(0.25)
        raise AssertionError(f"{command_id} did not end")


def _fake() -> Bench:
    clock = SimClock(datetime.now(UTC))
    fleet = FakeFleet(clock)
    fault = Fault("disk", "OSError: [Errno 28] No space left on device", "disk-space", {})
    tags = {"PatchMedic": "true"}
    well = fleet.add(FakeNode(WELL, tags=tags))
    full = fleet.add(FakeNode(FULL, tags=tags, faults=[fault]))

    def wait(seconds: float) -> None:
        clock.forward(timedelta(seconds=seconds * 20))
        fleet.settle()

    return Bench(
        FakeCommands(fleet), FakeNodes(fleet), _ref(well.node_id), _ref(full.node_id),
        clock.now, wait,
    )  # fmt: skip


def _ref(node_id: str) -> NodeRef:
    return NodeRef(ACCOUNT, REGION, node_id)


def _local(cloud: LocalCloud) -> Bench:
    cloud.clients.get("ssm").put_parameter(
        Name=KILL_SWITCH, Value="run", Type="String", Overwrite=True
    )
    return Bench(
        RunCommand(cloud.clients),
        ManagedNodes(cloud.clients, KILL_SWITCH),
        _ref(WELL),
        _ref(FULL),
        lambda: datetime.now(UTC),
        time.sleep,
    )


@pytest.fixture(params=["fake", "local cloud"])
def bench(request: pytest.FixtureRequest) -> Bench:
    if request.param == "fake":
        return _fake()
    return _local(request.getfixturevalue("local_cloud"))


# --- commands ------------------------------------------------------------------------------------


def test_a_command_that_was_sent_is_described_and_ends(bench: Bench) -> None:
    comment = f"contract {uuid.uuid4()}"
    command_id = bench.send(bench.well, comment)
    info = bench.commands.describe(REGION, command_id)
    assert info is not None
    assert (info.command_id, info.document, info.comment) == (command_id, PATCH, comment)
    assert info.parameters["Operation"] == ("Scan",)
    assert abs(info.requested_at - bench.now()) < timedelta(minutes=1)
    invocation = bench.ended(command_id, bench.well)
    assert (invocation.status, invocation.response_code) == ("Success", 0)
    assert (invocation.step, invocation.document) == ("PatchLinux", PATCH)
    assert (invocation.node_id, invocation.comment) == (bench.well.node_id, comment)


def test_a_failed_run_says_why(bench: Bench) -> None:
    command_id = bench.send(bench.full)
    invocation = bench.ended(command_id, bench.full)
    assert invocation.status == "Failed"
    assert invocation.response_code not in (0, None)
    assert invocation.step == "PatchLinux"
    assert "no space left" in (invocation.stdout + invocation.stderr).lower()
    page = bench.commands.invocations(REGION, command_id, [bench.full.node_id, "i-other"])
    assert {k: v.status for k, v in page.items()} == {bench.full.node_id: "Failed"}


@pytest.mark.parametrize(
    ("node_id", "document", "comment", "delivery", "code"),
    [
        ("i-00000000000000bad", PATCH, "c", 60, "InvalidInstanceId"),
        (None, "NoSuchDocument", "c", 60, "InvalidDocument"),
        (None, PATCH, "c", 5, "ValidationException"),
    ],
    ids=["no such node", "no such document", "a time-out that is too short"],
)
def test_what_aws_refuses_is_refused(
    bench: Bench, node_id: str | None, document: str, comment: str, delivery: int, code: str
) -> None:
    node = _ref(node_id) if node_id else bench.well
    with pytest.raises(AwsRejected) as refused:
        bench.commands.send(node, document, SCAN, comment, delivery)
    assert refused.value.code in (code, "ParamValidationError"), "botocore may refuse it first"


def test_a_command_is_found_by_its_whole_comment_on_its_node(bench: Bench) -> None:
    comment = f"patchmedic pm-{uuid.uuid4().hex[:16]}-01"
    command_id = bench.send(bench.well, comment)
    bench.ended(command_id, bench.well)
    since = bench.now()
    find = bench.commands.find_by_comment
    assert find(bench.well, comment, since) == command_id, "a little before is looked at too"
    assert find(bench.well, comment[:-1], since) is None
    assert find(bench.full, comment, since) is None
    assert find(bench.well, comment, since + timedelta(minutes=30)) is None


def test_what_nobody_sent_is_not_there(bench: Bench) -> None:
    assert bench.commands.describe(REGION, UNKNOWN_COMMAND) is None
    assert bench.commands.invocation(REGION, UNKNOWN_COMMAND, bench.well.node_id) is None
    assert bench.commands.invocations(REGION, UNKNOWN_COMMAND, [bench.well.node_id]) == {}


def test_a_command_runs_until_it_ends(bench: Bench) -> None:
    command_id = bench.send(bench.well)

    def running_on(node: NodeRef) -> bool:
        return command_id in [c.command_id for c in bench.commands.running_on(node)]

    seen = 0
    for _ in range(ENDED_WITHIN_SECONDS * 10):
        # Right after SendCommand the lists may not show it yet.
        seen += running_on(bench.well)
        assert not running_on(bench.full)
        invocation = bench.commands.invocation(REGION, command_id, bench.well.node_id)
        if invocation is not None and invocation.terminal:
            break
        bench.wait(0.1)
    assert seen
    assert not running_on(bench.well)


def test_failures_are_listed_by_their_time(bench: Bench) -> None:
    began = bench.now()
    failed = bench.send(bench.full)
    fine = bench.send(bench.well)
    bench.ended(failed, bench.full)
    bench.ended(fine, bench.well)
    listed: Mapping[str, str] = {
        i.command_id: i.node_id
        for i in bench.commands.failed_since(REGION, began - timedelta(minutes=1))
    }
    assert listed[failed] == bench.full.node_id
    assert fine not in listed
    assert not bench.commands.failed_since(REGION, bench.now() + timedelta(minutes=5))
    stuck = bench.commands.in_progress_before(REGION, bench.now() + timedelta(minutes=5))
    assert failed not in [i.command_id for i in stuck]


# --- nodes ---------------------------------------------------------------------------------------


def test_a_node_is_known_by_its_ping_and_platform(bench: Bench) -> None:
    info = bench.nodes.info(bench.well)
    assert info is not None
    assert (info.node_id, info.ping, info.platform) == (bench.well.node_id, "Online", "linux")
    assert info.last_ping is not None
    assert info.last_ping.tzinfo is not None
    listed = {n.node_id for n in bench.nodes.all(REGION)}
    assert {bench.well.node_id, bench.full.node_id} <= listed


def test_a_node_that_is_not_there_is_not_there(bench: Bench) -> None:
    nobody = _ref("i-00000000000000bad")
    assert bench.nodes.info(nobody) is None
    assert bench.nodes.tags(nobody) == {}
    assert nobody.node_id not in bench.nodes.instance_states(REGION, [nobody.node_id])
    assert bench.nodes.patch_state(nobody) is None


def test_tags_and_states_are_read(bench: Bench) -> None:
    assert bench.nodes.tags(bench.well)["PatchMedic"] == "true"
    hybrid = "mi-00000000000000001"
    states = bench.nodes.instance_states(REGION, [bench.well.node_id, hybrid])
    assert states[bench.well.node_id] == "running"
    assert hybrid not in states, "EC2 knows no hybrid nodes"


def test_only_a_run_that_succeeds_makes_the_patch_state_newer(bench: Bench) -> None:
    began = bench.now()
    bench.ended(bench.send(bench.well), bench.well)
    seen = bench.nodes.patch_state(bench.well)
    assert seen is not None
    assert (seen.source, seen.healthy, seen.operation) == ("patch-state", True, "Scan")
    assert seen.observed_at > began - timedelta(seconds=1)
    before = bench.nodes.patch_state(bench.full)
    bench.ended(bench.send(bench.full), bench.full)
    after = bench.nodes.patch_state(bench.full)
    assert after is None or before == after or not after.healthy


def test_the_kill_switch_is_read(bench: Bench) -> None:
    assert bench.nodes.kill_switch() == "run"


def test_a_kill_switch_that_is_not_there_is_an_error(
    bench: Bench, request: pytest.FixtureRequest
) -> None:
    nodes = bench.nodes
    if isinstance(nodes, FakeNodes):
        nodes.kill_switch_value = None
    else:
        nodes = ManagedNodes(request.getfixturevalue("local_cloud").clients, "/no/such/parameter")
    with pytest.raises(AwsRejected, match="ParameterNotFound"):
        nodes.kill_switch()


# --- windows -------------------------------------------------------------------------------------

OPEN = "arn:aws:ssm:ap-northeast-1:123456789012:document/open"
CLOSED = "arn:aws:ssm:ap-northeast-1:123456789012:document/closed"
QUIET, BUSY = "mw-0a1b2c3d4e5f60001", "mw-0a1b2c3d4e5f60002"


def test_calendars_are_open_when_all_of_them_are(bench: Bench) -> None:
    if isinstance(bench.nodes, FakeNodes):
        bench.nodes.calendars.update({OPEN: "OPEN", CLOSED: "CLOSED"})
    assert bench.nodes.calendar_state([OPEN]) == "OPEN"
    assert bench.nodes.calendar_state([OPEN, CLOSED]) == "CLOSED"
    with pytest.raises(AwsRejected, match="InvalidDocument"):
        bench.nodes.calendar_state([OPEN, OPEN + "-gone"])


def test_a_window_is_in_progress_while_its_tasks_run(
    bench: Bench, request: pytest.FixtureRequest
) -> None:
    nodes, now = bench.nodes, bench.now()
    if isinstance(nodes, FakeNodes):
        nodes.windows.update({QUIET: False, BUSY: True})
    else:
        request.getfixturevalue("local_cloud").admin("window", {"id": BUSY})
    assert nodes.window_in_progress([QUIET, BUSY], now)
    assert not nodes.window_in_progress([QUIET], now)
    assert not nodes.window_in_progress([], now)
    with pytest.raises(AwsRejected, match="DoesNotExistException"):
        nodes.window_in_progress(["mw-0a1b2c3d4e5f6ffff"], now)
