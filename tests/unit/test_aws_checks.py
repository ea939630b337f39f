"""The AWS-side checks on made-up set-ups: each good or bad in one way that the test names.

A topology is built from ``healthy()`` by changing one thing, so that what changes the verdict is
what the test shows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchmedic.buckets import of_url
from patchmedic.checks.aws import AWS_CHECKS, needs_of, run_aws_checks
from patchmedic.checks.aws.agent import older, version_key
from patchmedic.checks.aws.filters import Way, acl_way
from patchmedic.checks.aws.policies import allows
from patchmedic.checks.aws.snapshot import (
    NEEDS,
    Acl,
    AclEntry,
    Decision,
    Endpoint,
    Gap,
    GroupRule,
    Instance,
    Interface,
    ManagedNode,
    NatGateway,
    Network,
    NodeCommand,
    NodeSnapshot,
    Policy,
    PrefixList,
    Profile,
    Role,
    Route,
    RouteTable,
    ScheduledEvent,
    SecurityGroup,
    StatusChecks,
    Subnet,
)
from patchmedic.model import LANGUAGES, Finding, NodeRef, Verdict

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
REGION = "ap-northeast-1"
NODE = NodeRef("123456789012", REGION, "i-0a1b2c3d4e5f60001")
S3_CIDRS = ("3.5.152.0/21", "52.219.0.0/20")
ANY = "0.0.0.0/0"
OPEN_POLICY: dict[str, Any] = {
    "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]
}
TRUST: dict[str, Any] = {
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "ec2.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ]
}
CORE: dict[str, Any] = {
    "Statement": [{"Effect": "Allow", "Action": ["ssm:*", "ssmmessages:*"], "Resource": "*"}]
}
LOCAL = Route("10.0.0.0/16", "local")
TO_S3 = Route("pl-s3", "vpce-s3")
TO_NAT = Route(ANY, "nat-1")
TO_IGW = Route(ANY, "igw-1")
OUT_ALL = GroupRule(egress=True, cidrs=(ANY,))
BUCKET = "aws-quicksetup-patchpolicy-123456789012-abcde"
OVERRIDE = {"BaselineOverride": (f"s3://{BUCKET}/baseline_overrides.json",)}


def interface_endpoint(service: str, **changes: Any) -> Endpoint:
    made = Endpoint(
        endpoint_id=f"vpce-{service}",
        service=service,
        kind="interface",
        state="available",
        region=REGION,
        private_dns=True,
        subnet_ids=("subnet-2",),
        group_ids=("sg-endpoint",),
        policy=OPEN_POLICY,
    )
    return replace(made, **changes)


GATEWAY = Endpoint(
    endpoint_id="vpce-s3",
    service="s3",
    kind="gateway",
    state="available",
    region=REGION,
    route_table_ids=("rtb-1",),
    policy=OPEN_POLICY,
)
MESSAGING = tuple(interface_endpoint(s) for s in ("ssm", "ssmmessages", "ec2messages"))


def allow_all(acl_id: str, *subnet_ids: str) -> Acl:
    rules = tuple(AclEntry(100, egress, True, ANY) for egress in (True, False))
    return Acl(acl_id, rules, subnet_ids)


def network(**changes: Any) -> Network:
    """A private subnet whose only ways out are endpoints."""
    made = Network(
        vpc_id="vpc-1",
        subnets=(
            Subnet("subnet-1", "10.0.1.0/24"),
            Subnet("subnet-2", "10.0.2.0/24"),
            Subnet("subnet-public", "10.0.9.0/24"),
        ),
        route_tables=(
            RouteTable("rtb-1", (LOCAL, TO_S3), ("subnet-1",)),
            RouteTable("rtb-main", (LOCAL,), is_main=True),
            RouteTable("rtb-public", (LOCAL, TO_IGW), ("subnet-public",)),
        ),
        acls=(allow_all("acl-1", "subnet-1", "subnet-public"), allow_all("acl-2", "subnet-2")),
        groups=(
            SecurityGroup("sg-node", (OUT_ALL,)),
            SecurityGroup(
                "sg-endpoint",
                (GroupRule(False, "tcp", 443, 443, group_ids=("sg-node",)),),
            ),
        ),
        endpoints=(GATEWAY, *MESSAGING),
        nats=(NatGateway("nat-1", "available", "subnet-public"),),
        prefix_lists=(PrefixList("pl-s3", f"com.amazonaws.{REGION}.s3", S3_CIDRS),),
        dns_support=True,
        dns_hostnames=True,
        amazon_dns=True,
    )
    return replace(made, **changes)


def routes(*extra: Route, subnet_ids: tuple[str, ...] = ("subnet-1",)) -> tuple[RouteTable, ...]:
    """The node's own table with these routes; the public subnet's stays."""
    public = RouteTable("rtb-public", (LOCAL, TO_IGW), ("subnet-public",))
    return (RouteTable("rtb-1", (LOCAL, *extra), subnet_ids), public)


def healthy(**changes: Any) -> NodeSnapshot:
    """A dark node (no ping for an hour) in an otherwise sound set-up."""
    made = NodeSnapshot(
        node=NODE,
        needs=NEEDS,
        instance=Instance(
            NODE.node_id,
            "running",
            launch_time=NOW - timedelta(days=3),
            platform="linux",
            vpc_id="vpc-1",
            profile_arn="arn:aws:iam::123456789012:instance-profile/patch-role",
            imds_endpoint="enabled",
            interfaces=(Interface("eni-1", "subnet-1", "10.0.1.7", None, ("sg-node",)),),
        ),
        status=StatusChecks("ok", "ok"),
        managed=ManagedNode(
            "ConnectionLost", NOW - timedelta(hours=1), "3.3.1345.0", "linux", "Amazon Linux"
        ),
        managed_read=True,
        profile=Profile("patch-role", role_name="patch-role"),
        host_management_role="",
        role=Role(
            "patch-role",
            "arn:aws:iam::123456789012:role/patch-role",
            trust=TRUST,
            tags={"QSConfigId-abcde": "abcde"},
            policies=(Policy("AmazonSSMManagedInstanceCore", "arn:aws:iam::aws:policy/x", CORE),),
        ),
        network=network(),
        commands=(),
    )
    return replace(made, **changes)


def with_network(**changes: Any) -> NodeSnapshot:
    return healthy(network=network(**changes))


def online(snapshot: NodeSnapshot) -> NodeSnapshot:
    assert snapshot.managed is not None
    managed = replace(snapshot.managed, ping_status="Online", last_ping=NOW - timedelta(minutes=2))
    return replace(snapshot, managed=managed)


def windows(snapshot: NodeSnapshot) -> NodeSnapshot:
    assert snapshot.managed is not None
    return replace(snapshot, managed=replace(snapshot.managed, platform="windows"))


def agent(snapshot: NodeSnapshot, version: str) -> NodeSnapshot:
    assert snapshot.managed is not None
    return replace(snapshot, managed=replace(snapshot.managed, agent_version=version))


def on_instance(snapshot: NodeSnapshot, **changes: Any) -> NodeSnapshot:
    assert snapshot.instance is not None
    return replace(snapshot, instance=replace(snapshot.instance, **changes))


def verdicts(check: str, snapshot: NodeSnapshot) -> dict[str | None, Verdict]:
    """Cause -> verdict; a confirmation wins where a check says several things of one cause."""
    found: dict[str | None, Verdict] = {}
    for finding in run_aws_checks([check], snapshot, NOW):
        if found.get(finding.cause) is not Verdict.CONFIRMS:
            found[finding.cause] = finding.verdict
    return found


def finding(check: str, cause: str, snapshot: NodeSnapshot) -> Finding:
    found = [f for f in run_aws_checks([check], snapshot, NOW) if f.cause == cause]
    assert len(found) == 1, found
    return found[0]


YES, NO, MAYBE = Verdict.CONFIRMS, Verdict.REFUTES, Verdict.NEUTRAL

# ------------------------------------------------------------------- instance-state


@pytest.mark.parametrize("state", ["stopped", "stopping", "shutting-down", "terminated"])
def test_an_instance_that_does_not_run_is_the_cause(state: str) -> None:
    found = finding("instance-state", "instance-stopped", on_instance(healthy(), state=state))
    assert found.verdict is YES
    assert state in found.says["en"]
    starts = any("start-instances" in c and NODE.node_id in c for c in found.commands)
    assert starts is (state in ("stopped", "stopping"))


def test_an_instance_that_ec2_does_not_know_is_gone() -> None:
    gone = healthy(instance=None, instance_gone=True, status=None, network=None)
    assert verdicts("instance-state", gone) == {"instance-stopped": YES}
    assert verdicts("network-path", gone)["s3-unreachable"] is MAYBE


def test_a_running_instance_with_passing_checks_refutes_both() -> None:
    assert verdicts("instance-state", healthy()) == {
        "instance-stopped": NO,
        "instance-impaired": NO,
    }


def test_an_instance_started_after_the_last_ping_may_have_been_stopped() -> None:
    fresh = on_instance(healthy(), launch_time=NOW - timedelta(minutes=50))
    assert verdicts("instance-state", fresh)["instance-stopped"] is MAYBE


@pytest.mark.parametrize(
    ("status", "verdict", "command"),
    [
        (StatusChecks("impaired", "ok"), YES, "reboot-instances"),
        (StatusChecks("ok", "impaired"), YES, "stop-instances"),
        (StatusChecks("ok", "ok", "impaired"), YES, "reboot-instances"),
        (StatusChecks("initializing", "ok"), MAYBE, ""),
        (StatusChecks("ok", "insufficient-data"), MAYBE, ""),
        (StatusChecks("ok", "ok", "ok"), NO, ""),
    ],
)
def test_status_checks(status: StatusChecks, verdict: Verdict, command: str) -> None:
    found = finding("instance-state", "instance-impaired", healthy(status=status))
    assert found.verdict is verdict
    assert any(command in c for c in found.commands) or not command


def test_scheduled_events_are_told_unless_they_are_over() -> None:
    events = (
        ScheduledEvent("instance-retirement", "degraded hardware", NOW + timedelta(days=1)),
        ScheduledEvent("system-reboot", "[Completed] done"),
    )
    snapshot = healthy(status=StatusChecks("ok", "ok", events=events))
    said = [f.says["en"] for f in run_aws_checks(["instance-state"], snapshot, NOW)]
    assert sum("scheduled" in s for s in said) == 1
    assert any("instance-retirement" in s for s in said)


def test_an_unreadable_instance_decides_nothing_and_names_the_permission() -> None:
    gap = Gap("ec2:DescribeInstances", "UnauthorizedOperation", "You are not authorized")
    blind = healthy(instance=None, status=None, network=None, gaps=(gap,))
    found = finding("instance-state", "instance-stopped", blind)
    assert found.verdict is MAYBE
    assert "ec2:DescribeInstances" in found.says["en"]
    assert "ec2:DescribeInstances" in found.fix["ja"]


# ------------------------------------------------------------------- managed-node


def test_versions_compare_as_numbers() -> None:
    assert older("3.10.0.0", "3.2.183.0") is False
    assert older("3.2.99.0", "3.2.183.0") is True
    assert older("3.0.502", "3.0.502.0") is False
    assert older("", "3.0.502") is None
    assert version_key("3.x.1") is None
    assert version_key("3.٣.1") is None  # digits of another script are no version


def test_a_fresh_ping_refutes_a_stopped_agent_and_a_lost_one_does_not() -> None:
    assert verdicts("managed-node", online(healthy()))["agent-not-running"] is NO
    assert verdicts("managed-node", healthy())["agent-not-running"] is MAYBE


def test_online_with_an_old_ping_is_not_taken_for_an_answer() -> None:
    stale = healthy(managed=ManagedNode("Online", NOW - timedelta(hours=2), "3.3.1345.0"))
    assert verdicts("managed-node", stale)["agent-not-running"] is MAYBE


def run_of(document: str, minutes_ago: float, command_id: str = "c-1", **more: Any) -> NodeCommand:
    made = NodeCommand(
        command_id, document, "Failed", "Failed", NOW - timedelta(minutes=minutes_ago)
    )
    return replace(made, **more)


def test_an_agent_too_old_for_the_document_that_ran_is_outdated() -> None:
    ran = healthy(commands=(run_of("AWS-RunPatchBaselineWithHooks", 30),))
    assert verdicts("managed-node", agent(ran, "3.0.161.0"))["agent-outdated"] is YES
    assert verdicts("managed-node", agent(ran, "3.0.502.0"))["agent-outdated"] is MAYBE
    assert verdicts("managed-node", ran)["agent-outdated"] is NO
    plain = healthy(commands=(run_of("AWS-RunPatchBaseline", 30),))
    assert verdicts("managed-node", agent(plain, "3.0.161.0"))["agent-outdated"] is MAYBE


def test_an_agent_that_takes_foreign_credentials_first_is_told() -> None:
    found = finding("managed-node", "credentials-invalid", agent(healthy(), "3.1.1927.0"))
    assert found.verdict is MAYBE
    assert "AWS-UpdateSSMAgent" in found.commands[0]


def test_an_unlisted_node_is_unregistered_only_when_the_list_was_read() -> None:
    unlisted = healthy(managed=None)
    assert "never registered" in finding("managed-node", "agent-not-running", unlisted).says["en"]
    unread = healthy(managed=None, managed_read=False)
    assert "could not be read" in finding("managed-node", "agent-not-running", unread).says["en"]
    stopped = on_instance(unlisted, state="stopped")
    assert verdicts("managed-node", stopped) == {None: MAYBE}


# ------------------------------------------------------------------- instance-profile


def test_no_profile_and_no_default_host_management_means_no_credentials() -> None:
    bare = on_instance(healthy(profile=None, role=None), profile_arn=None)
    found = finding("instance-profile", "instance-profile-missing", bare)
    assert found.verdict is YES
    assert any(f"--instance-id {NODE.node_id}" in c for c in found.commands)
    managed = replace(bare, host_management_role="service-role/Default")
    assert verdicts("instance-profile", managed)["instance-profile-missing"] is NO
    unknown = replace(bare, host_management_role=None)
    assert verdicts("instance-profile", unknown)["instance-profile-missing"] is MAYBE


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, NO),
        ({"profile": Profile("patch-role", exists=False), "role": None}, YES),
        ({"profile": Profile("patch-role"), "role": None}, YES),
        ({"profile": None, "role": None}, MAYBE),
        ({"role": None}, MAYBE),
    ],
)
def test_an_attached_profile_must_exist_and_hold_a_role(
    changes: dict[str, Any], verdict: Verdict
) -> None:
    found = verdicts("instance-profile", healthy(**changes))
    assert found["instance-profile-missing"] is verdict


def trust(**changes: Any) -> dict[str, Any]:
    return {"Statement": [{**TRUST["Statement"][0], **changes}]}


@pytest.mark.parametrize(
    ("document", "verdict"),
    [
        (trust(Principal={"Service": "lambda.amazonaws.com"}), YES),
        (trust(Principal={"Service": ["ssm.amazonaws.com", "ec2.amazonaws.com"]}), NO),
        (trust(Condition={"StringEquals": {"aws:SourceAccount": "1"}}), MAYBE),
        (trust(Effect="Deny"), MAYBE),
        ({"Statement": []}, YES),
    ],
)
def test_the_role_must_trust_ec2(document: dict[str, Any], verdict: Verdict) -> None:
    role = healthy().role
    assert role is not None
    found = verdicts("instance-profile", healthy(role=replace(role, trust=document)))
    assert found["instance-profile-missing"] is verdict


def test_instance_metadata_switched_off_is_confirmed() -> None:
    off = on_instance(healthy(), imds_endpoint="disabled")
    assert verdicts("instance-profile", off)["imds-unreachable"] is YES
    assert "imds-unreachable" not in verdicts("instance-profile", healthy())


# ------------------------------------------------------------------- network-path


def path(snapshot: NodeSnapshot) -> dict[str | None, Verdict]:
    return verdicts("network-path", snapshot)


def test_endpoints_alone_are_enough_for_linux_and_not_for_windows() -> None:
    assert path(healthy()) == {"s3-unreachable": NO, "ssm-endpoint-unreachable": NO}
    assert path(windows(healthy())) == {
        "s3-unreachable": NO,
        "ssm-endpoint-unreachable": NO,
        "wu-unreachable": YES,
    }


def test_a_windows_node_with_a_wsus_needs_no_way_to_microsoft() -> None:
    assert path(windows(healthy(wsus_configured=True)))["wu-unreachable"] is MAYBE


def test_a_private_subnet_without_a_gateway_endpoint_or_nat() -> None:
    bad = with_network(endpoints=MESSAGING, route_tables=routes())
    found = finding("network-path", "s3-unreachable", bad)
    assert found.verdict is YES
    assert found.says["en"] == (
        "Subnet subnet-1 has no route to S3: its route table rtb-1 has neither a gateway "
        "endpoint nor a NAT."
    )
    assert found.resource == "rtb-1"
    assert found.facts["chain"] == f"{NODE.node_id} -> subnet-1 -> rtb-1"
    assert found.commands == (
        f"aws ec2 create-vpc-endpoint --region {REGION} --vpc-id vpc-1 --vpc-endpoint-type "
        f"Gateway --service-name com.amazonaws.{REGION}.s3 --route-table-ids rtb-1",
    )


def test_a_gateway_endpoint_on_another_table_is_named_with_its_cure() -> None:
    elsewhere = replace(GATEWAY, route_table_ids=("rtb-9",))
    bad = with_network(endpoints=(elsewhere, *MESSAGING), route_tables=routes())
    found = finding("network-path", "s3-unreachable", bad)
    assert found.verdict is YES
    assert "vpce-s3" in found.says["en"]
    assert "--vpc-endpoint-id vpce-s3 --add-route-table-ids rtb-1" in found.commands[0]


def test_a_subnet_without_its_own_table_uses_the_main_one() -> None:
    main = (RouteTable("rtb-main", (LOCAL,), is_main=True),)
    bad = with_network(endpoints=MESSAGING, route_tables=main)
    assert finding("network-path", "s3-unreachable", bad).resource == "rtb-main"


def test_a_nat_in_a_public_subnet_opens_everything() -> None:
    good = with_network(endpoints=(), route_tables=routes(TO_NAT))
    assert set(path(windows(good)).values()) == {NO}


NAT_CASES: list[tuple[Mapping[str, Any], Verdict]] = [
    ({"nats": (NatGateway("nat-1", "failed", "subnet-public"),)}, YES),
    ({"nats": (NatGateway("nat-1", "pending", "subnet-public"),)}, MAYBE),
    ({"nats": (NatGateway("nat-1", "available", "subnet-2"),)}, YES),  # its subnet has no IGW
    ({"nats": (NatGateway("nat-1", "available", "subnet-public", public=False),)}, YES),
    ({"nats": (NatGateway("nat-1", "available"),)}, NO),  # regional
    ({"nats": None}, MAYBE),
    ({"nats": ()}, MAYBE),  # another account's
]


@pytest.mark.parametrize(("changes", "verdict"), NAT_CASES)
def test_a_nat_must_be_alive_public_and_well_placed(
    changes: Mapping[str, Any], verdict: Verdict
) -> None:
    tables = (*routes(TO_NAT), RouteTable("rtb-2", (LOCAL,), ("subnet-2",)))
    snapshot = with_network(endpoints=(), route_tables=tables, **changes)
    assert path(snapshot)["s3-unreachable"] is verdict


def test_a_black_hole_route() -> None:
    dead = replace(TO_NAT, blackhole=True)
    found = finding(
        "network-path",
        "s3-unreachable",
        with_network(endpoints=MESSAGING, route_tables=routes(dead)),
    )
    assert found.verdict is YES
    assert "nat-1" in found.says["en"]


def test_a_public_subnet_needs_a_public_address() -> None:
    tables = (RouteTable("rtb-public", (LOCAL, TO_IGW), ("subnet-1",)),)
    bare = with_network(endpoints=(), route_tables=tables)
    assert finding("network-path", "s3-unreachable", bare).facts["obstacle"] == "no-public-address"
    public = Interface("eni-1", "subnet-1", "10.0.1.7", "198.51.100.7", ("sg-node",))
    assert path(on_instance(bare, interfaces=(public,)))["s3-unreachable"] is NO


@pytest.mark.parametrize("target", ["tgw-1", "vgw-1", "pcx-1", "eni-9", "vpce-gwlb", "lgw-1"])
def test_what_lies_beyond_the_vpc_is_never_guessed(target: str) -> None:
    default = with_network(endpoints=(), route_tables=routes(Route(ANY, target)))
    assert set(path(windows(default)).values()) == {MAYBE}
    inner = with_network(endpoints=(), route_tables=routes(Route("10.8.0.0/16", target)))
    assert set(path(windows(inner)).values()) == {MAYBE}


def test_routes_to_parts_of_the_internet_leave_doubt() -> None:
    part = with_network(endpoints=MESSAGING, route_tables=routes(Route("52.0.0.0/8", "nat-1")))
    assert path(part)["s3-unreachable"] is MAYBE
    inside = with_network(endpoints=MESSAGING, route_tables=routes(Route("3.5.152.0/24", "nat-1")))
    assert path(inside)["s3-unreachable"] is MAYBE
    unread = with_network(endpoints=MESSAGING, route_tables=routes(Route("pl-unread", "nat-1")))
    assert path(unread)["s3-unreachable"] is MAYBE
    halves = routes(Route("0.0.0.0/1", "nat-1"), Route("128.0.0.0/1", "nat-1"))
    whole = with_network(endpoints=MESSAGING, route_tables=halves)
    assert path(whole)["s3-unreachable"] is NO
    elsewhere = routes(Route("203.0.113.0/24", "nat-1"))
    other = with_network(endpoints=MESSAGING, route_tables=elsewhere)
    assert path(other)["s3-unreachable"] is YES


def group(*rules: GroupRule) -> tuple[SecurityGroup, ...]:
    endpoint = SecurityGroup("sg-endpoint", (GroupRule(False, "tcp", 443, 443, cidrs=(ANY,)),))
    return (SecurityGroup("sg-node", rules), endpoint)


GROUP_CASES: list[tuple[tuple[GroupRule, ...], Verdict, Verdict]] = [
    ((OUT_ALL,), NO, NO),
    ((GroupRule(True, "tcp", 443, 443, cidrs=(ANY,)),), NO, NO),
    ((GroupRule(True, "tcp", 80, 80, cidrs=(ANY,)),), YES, YES),
    ((GroupRule(True, "udp", 443, 443, cidrs=(ANY,)),), YES, YES),
    ((), YES, YES),
    # the endpoints' group and the S3 list: the tight set-up that AWS advises
    (
        (
            GroupRule(True, "tcp", 443, 443, group_ids=("sg-endpoint",)),
            GroupRule(True, "tcp", 443, 443, prefix_list_ids=("pl-s3",)),
        ),
        NO,
        NO,
    ),
    ((GroupRule(True, "tcp", 443, 443, cidrs=("10.0.0.0/16",)),), YES, NO),
    ((GroupRule(True, "tcp", 443, 443, cidrs=S3_CIDRS),), NO, YES),
    ((GroupRule(True, "tcp", 443, 443, cidrs=S3_CIDRS[:1]),), MAYBE, YES),
    ((GroupRule(True, "tcp", 443, 443, prefix_list_ids=("pl-unread",)),), MAYBE, MAYBE),
    ((GroupRule(False, "tcp", 443, 443, cidrs=(ANY,)),), YES, YES),  # inbound only
]


@pytest.mark.parametrize(("rules", "s3", "ssm"), GROUP_CASES)
def test_the_nodes_security_group_must_let_https_out(
    rules: tuple[GroupRule, ...], s3: Verdict, ssm: Verdict
) -> None:
    found = path(with_network(groups=group(*rules)))
    assert (found["s3-unreachable"], found["ssm-endpoint-unreachable"]) == (s3, ssm)


def acl(*entries: AclEntry) -> tuple[Acl, ...]:
    return (Acl("acl-1", entries, ("subnet-1",)), allow_all("acl-2", "subnet-2"))


OUT_443 = AclEntry(100, True, True, ANY, "6", 443, 443)
IN_HIGH = AclEntry(100, False, True, ANY, "6", 1024, 65535)
ACL_CASES: list[tuple[tuple[AclEntry, ...], Verdict, str]] = [
    ((OUT_443, IN_HIGH), NO, ""),
    ((OUT_443,), YES, "acl-in"),
    ((IN_HIGH,), YES, "acl-out"),
    ((OUT_443, AclEntry(100, False, True, ANY, "6", 443, 443)), YES, "acl-in"),
    ((OUT_443, AclEntry(100, False, True, ANY, "6", 8080, 8080)), YES, "acl-in"),
    ((OUT_443, AclEntry(100, False, True, ANY, "6", 49152, 65535)), MAYBE, "partly"),
    ((AclEntry(50, True, False, ANY), OUT_443, IN_HIGH), YES, "acl-out"),
    ((AclEntry(200, True, False, ANY), OUT_443, IN_HIGH), NO, ""),
    ((OUT_443, AclEntry(90, False, False, ANY, "17"), IN_HIGH), NO, ""),  # UDP does not matter
    ((AclEntry(50, True, False, S3_CIDRS[0]), OUT_443, IN_HIGH), MAYBE, "partly"),
]


@pytest.mark.parametrize(("entries", "verdict", "obstacle"), ACL_CASES)
def test_the_network_acl_must_pass_requests_and_answers(
    entries: tuple[AclEntry, ...], verdict: Verdict, obstacle: str
) -> None:
    found = finding("network-path", "s3-unreachable", with_network(acls=acl(*entries)))
    assert found.verdict is verdict
    assert found.facts.get("obstacle", "") == obstacle


def test_a_subnet_that_no_acl_names_has_the_default_one() -> None:
    shut = (Acl("acl-default", (), is_default=True), allow_all("acl-2", "subnet-2"))
    found = finding("network-path", "s3-unreachable", with_network(acls=shut))
    assert (found.verdict, found.resource) == (YES, "acl-default")


def test_the_closed_group_of_an_endpoint() -> None:
    groups = (SecurityGroup("sg-node", (OUT_ALL,)), SecurityGroup("sg-endpoint", ()))
    found = finding("network-path", "ssm-endpoint-unreachable", with_network(groups=groups))
    assert found.verdict is YES
    assert found.resource == "sg-endpoint"
    assert "--group-id sg-endpoint" in found.commands[0]
    assert "--source-group sg-node" in found.commands[0]


@pytest.mark.parametrize(
    ("cidr", "verdict"), [("10.0.1.0/24", NO), ("10.0.1.7/32", NO), ("10.0.3.0/24", YES)]
)
def test_an_endpoints_group_by_address(cidr: str, verdict: Verdict) -> None:
    rule = GroupRule(False, "tcp", 443, 443, cidrs=(cidr,))
    groups = (SecurityGroup("sg-node", (OUT_ALL,)), SecurityGroup("sg-endpoint", (rule,)))
    assert path(with_network(groups=groups))["ssm-endpoint-unreachable"] is verdict


def test_the_acl_of_an_endpoints_subnet_counts_only_across_subnets() -> None:
    shut = (allow_all("acl-1", "subnet-1"), Acl("acl-2", (), ("subnet-2",)))
    assert path(with_network(acls=shut))["ssm-endpoint-unreachable"] is YES
    here = tuple(replace(e, subnet_ids=("subnet-1",)) for e in MESSAGING)
    same = with_network(acls=shut, endpoints=(GATEWAY, *here))
    assert path(same)["ssm-endpoint-unreachable"] is NO
    walled = (Acl("acl-1", (), ("subnet-1",)), allow_all("acl-2", "subnet-2"))
    inside = with_network(acls=walled, endpoints=(GATEWAY, *here))
    assert path(inside) == {"s3-unreachable": YES, "ssm-endpoint-unreachable": NO}
    spread = tuple(replace(e, subnet_ids=("subnet-1", "subnet-2")) for e in MESSAGING)
    mixed = with_network(acls=shut, endpoints=(GATEWAY, *spread))
    assert path(mixed)["ssm-endpoint-unreachable"] is MAYBE


def without(service: str) -> tuple[Endpoint, ...]:
    return (GATEWAY, *(e for e in MESSAGING if e.service != service))


@pytest.mark.parametrize(
    ("service", "version", "verdict"),
    [
        ("ssm", "3.3.1345.0", YES),
        ("ec2messages", "3.3.1345.0", NO),
        ("ec2messages", "3.3.40.0", NO),
        ("ec2messages", "3.2.2303.0", YES),
        ("ssmmessages", "3.3.1345.0", MAYBE),
        ("ssmmessages", "3.2.2303.0", NO),
        ("ec2messages", "unknown", MAYBE),
    ],
)
def test_which_endpoint_an_agent_needs_depends_on_its_version(
    service: str, version: str, verdict: Verdict
) -> None:
    snapshot = agent(with_network(endpoints=without(service)), version)
    assert path(snapshot)["ssm-endpoint-unreachable"] is verdict


def test_both_message_endpoints_missing_is_fatal_for_any_agent() -> None:
    snapshot = with_network(endpoints=(GATEWAY, MESSAGING[0]))
    assert path(snapshot)["ssm-endpoint-unreachable"] is YES


def test_private_dns_off_is_advice_and_no_proof() -> None:
    off = tuple(replace(e, private_dns=False) for e in MESSAGING)
    found = finding(
        "network-path", "ssm-endpoint-unreachable", with_network(endpoints=(GATEWAY, *off))
    )
    assert found.verdict is MAYBE
    assert found.commands[0].endswith("--vpc-endpoint-id vpce-ssm --private-dns-enabled")
    nat = with_network(endpoints=(GATEWAY, *off), route_tables=routes(TO_NAT))
    assert path(nat)["ssm-endpoint-unreachable"] is NO


def test_custom_dns_leaves_doubt_only_where_it_makes_a_difference() -> None:
    assert path(with_network(amazon_dns=False))["ssm-endpoint-unreachable"] is MAYBE
    both = with_network(amazon_dns=False, route_tables=routes(TO_NAT, TO_S3))
    assert path(both)["ssm-endpoint-unreachable"] is NO


def test_an_s3_interface_endpoint_with_private_dns_takes_the_traffic() -> None:
    s3 = interface_endpoint("s3")
    assert path(with_network(endpoints=(s3, *MESSAGING)))["s3-unreachable"] is NO
    closed = replace(s3, group_ids=("sg-shut",))
    groups = (*network().groups, SecurityGroup("sg-shut", ()))  # type: ignore[misc]
    beside = with_network(endpoints=(closed, GATEWAY, *MESSAGING), groups=groups)
    assert path(beside)["s3-unreachable"] is YES
    inbound = replace(closed, private_dns_inbound_only=True)
    aside = with_network(endpoints=(inbound, GATEWAY, *MESSAGING), groups=groups)
    assert path(aside)["s3-unreachable"] is NO


@pytest.mark.parametrize("state", ["pending", "deleting", "pendingacceptance", "partial"])
def test_an_endpoint_that_is_not_available_is_doubtful(state: str) -> None:
    snapshot = with_network(endpoints=(replace(GATEWAY, state=state), *MESSAGING))
    assert path(snapshot)["s3-unreachable"] is MAYBE


def test_a_failed_endpoint_is_no_endpoint() -> None:
    dead = (GATEWAY, *(replace(e, state="failed") for e in MESSAGING))
    assert path(with_network(endpoints=dead))["ssm-endpoint-unreachable"] is YES


def without_part(net: Network, field: str) -> Network:
    unread: Mapping[str, Any] = {field: None}
    return replace(net, **unread)


@pytest.mark.parametrize(
    "field", ["subnets", "route_tables", "acls", "groups", "endpoints", "prefix_lists"]
)
def test_whatever_could_not_be_read_never_confirms(field: str) -> None:
    bad = network(endpoints=MESSAGING, route_tables=routes())
    snapshot = windows(healthy(network=without_part(bad, field)))
    sure = [f for f in run_aws_checks(["network-path"], snapshot, NOW) if f.verdict is YES]
    if field in ("acls", "groups", "prefix_lists"):
        # The route is missing whatever these would say.
        assert {f.facts["obstacle"] for f in sure} == {"no-route"}
    elif field == "endpoints":
        assert [f.cause for f in sure] == ["wu-unreachable"]  # for which there is no endpoint
    else:
        assert sure == []
    open_one = windows(healthy(network=without_part(network(), field)))
    assert path(open_one).get("s3-unreachable") is (NO if field == "prefix_lists" else MAYBE)


def test_an_answering_agent_outranks_the_model() -> None:
    shut = with_network(endpoints=(), route_tables=routes())
    assert path(shut) == {"s3-unreachable": YES, "ssm-endpoint-unreachable": YES}
    assert path(online(shut)) == {"s3-unreachable": MAYBE, "ssm-endpoint-unreachable": NO}
    only_s3_shut = with_network(endpoints=MESSAGING, route_tables=routes())
    assert path(online(only_s3_shut))["s3-unreachable"] is YES


def test_a_second_interface_leaves_doubt_unless_it_is_blocked_too() -> None:
    shut = with_network(
        endpoints=MESSAGING, route_tables=routes(subnet_ids=("subnet-1", "subnet-2"))
    )
    first = Interface("eni-1", "subnet-1", "10.0.1.7", None, ("sg-node",))
    second = Interface("eni-2", "subnet-public", "10.0.9.7", "198.51.100.7", ("sg-node",), 1)
    assert path(on_instance(shut, interfaces=(second, first)))["s3-unreachable"] is MAYBE
    inner = replace(second, subnet_id="subnet-2", private_ip="10.0.2.7", public_ip=None)
    assert path(on_instance(shut, interfaces=(first, inner)))["s3-unreachable"] is YES


ONLY6 = Interface("eni-1", "subnet-1", None, None, ("sg-node",), ipv6=("2001:db8:1::7",))
DUAL = replace(ONLY6, private_ip="10.0.1.7")
ANY6 = "::/0"
OUT_6 = SecurityGroup("sg-node", (GroupRule(egress=True, cidrs=(ANY, ANY6)),))


def over_ipv6(interface: Interface, *extra: Route, **changes: Any) -> NodeSnapshot:
    """The node with this interface, whose subnet lets IPv6 through its ACL and group."""
    both = tuple(
        AclEntry(n, egress, True, cidr)
        for n, cidr in ((100, ANY), (101, ANY6))
        for egress in (True, False)
    )
    groups = (OUT_6, *(g for g in network().groups or () if g.group_id != "sg-node"))
    acls = (Acl("acl-1", both, ("subnet-1", "subnet-2", "subnet-public")),)
    given = {"groups": groups, "acls": acls, "route_tables": routes(*extra), **changes}
    return on_instance(with_network(endpoints=(), **given), interfaces=(interface,))


def test_an_ipv6_only_node_is_followed_over_ipv6() -> None:
    eigw, igw = Route(ANY6, "eigw-1"), Route(ANY6, "igw-1")
    shut = {"s3-unreachable": YES, "ssm-endpoint-unreachable": YES}
    well = {"s3-unreachable": NO, "ssm-endpoint-unreachable": NO}
    assert path(over_ipv6(ONLY6)) == shut
    assert path(over_ipv6(ONLY6, TO_NAT)) == shut  # an IPv4 route carries nothing of it
    assert path(over_ipv6(ONLY6, eigw)) == well
    assert path(over_ipv6(ONLY6, igw)) == well
    assert path(over_ipv6(replace(ONLY6, ipv6=("fd00::7",)), igw)) == shut
    assert path(over_ipv6(ONLY6, replace(eigw, blackhole=True))) == shut
    only4 = (SecurityGroup("sg-node", (OUT_ALL,)),)
    assert path(over_ipv6(ONLY6, eigw, groups=only4)) == shut
    acls = (allow_all("acl-1", "subnet-1"),)
    assert path(over_ipv6(ONLY6, eigw, acls=acls)) == shut
    found = finding("network-path", "s3-unreachable", over_ipv6(ONLY6, eigw, acls=acls))
    assert "--ipv6-cidr-block ::/0" in found.commands[0]


def test_two_families_are_blocked_only_together() -> None:
    eigw = Route(ANY6, "eigw-1")
    assert path(over_ipv6(DUAL))["s3-unreachable"] is YES
    assert path(over_ipv6(DUAL, eigw))["s3-unreachable"] is MAYBE
    assert path(over_ipv6(DUAL, TO_NAT))["s3-unreachable"] is NO


def test_hosts_with_ipv4_only_need_dns64_and_a_nat_gateway() -> None:
    eigw, nat64 = Route(ANY6, "eigw-1"), Route("64:ff9b::/96", "nat-1")
    plain = windows(over_ipv6(ONLY6, eigw))
    assert path(plain)["wu-unreachable"] is MAYBE
    subnets = tuple(replace(s, dns64=s.subnet_id == "subnet-1") for s in network().subnets or ())
    assert path(windows(over_ipv6(ONLY6, eigw, nat64, subnets=subnets)))["wu-unreachable"] is NO
    assert path(windows(over_ipv6(ONLY6, nat64, subnets=subnets)))["s3-unreachable"] is NO
    assert path(windows(over_ipv6(ONLY6, nat64)))["s3-unreachable"] is YES
    assert path(windows(over_ipv6(ONLY6)))["wu-unreachable"] is YES


@pytest.mark.parametrize(
    ("ip_type", "names", "verdict", "obstacle"),
    [
        ("ipv4", None, YES, "endpoint-ipv4-only"),
        (None, None, MAYBE, "private-dns-off"),
        ("dualstack", ("ssm.ap-northeast-1.amazonaws.com",), MAYBE, "dual-stack-name"),
        ("dualstack", ("ssm.ap-northeast-1.api.aws",), NO, ""),
    ],
)
def test_an_endpoint_for_an_ipv6_only_node_needs_ipv6_and_the_dual_stack_name(
    ip_type: str | None, names: tuple[str, ...] | None, verdict: Verdict, obstacle: str
) -> None:
    subnets = tuple(
        replace(s, ipv6_cidrs=(f"2001:db8:{n}::/64",))
        for n, s in enumerate(network().subnets or (), start=1)
    )
    ends = tuple(replace(e, ip_type=ip_type, dns_names=names) for e in MESSAGING)
    snapshot = over_ipv6(ONLY6, subnets=subnets)
    assert snapshot.network is not None
    snapshot = replace(snapshot, network=replace(snapshot.network, endpoints=ends))
    found = finding("network-path", "ssm-endpoint-unreachable", snapshot)
    assert (found.verdict, found.facts.get("obstacle", "")) == (verdict, obstacle)


def test_a_gateway_endpoint_serves_ipv6_only_where_it_says_so() -> None:
    def s3(ip_type: str | None) -> Verdict | None:
        snapshot = over_ipv6(ONLY6, TO_S3)
        assert snapshot.network is not None
        ends = (replace(GATEWAY, ip_type=ip_type),)
        network_ = replace(snapshot.network, endpoints=ends)
        return path(replace(snapshot, network=network_))["s3-unreachable"]

    assert (s3("dualstack"), s3("ipv4"), s3(None)) == (NO, YES, MAYBE)


@given(
    st.lists(
        st.tuples(
            st.booleans(),
            st.sampled_from(["0.0.0.0/0", "10.0.0.0/8", "10.0.1.0/24", "10.0.1.128/25"]),
            st.tuples(st.integers(440, 446), st.integers(440, 446)).map(sorted),
        ),
        max_size=6,
    ),
    st.sampled_from(["10.0.1.0/24", "10.0.1.7/32", "10.0.0.0/16"]),
    st.tuples(st.integers(440, 446), st.integers(440, 446)).map(sorted),
)
def test_an_acl_is_read_as_packet_by_packet(
    rules: list[tuple[bool, str, list[int]]], net: str, ports: list[int]
) -> None:
    """The answer for a block of addresses and ports is what every single packet would meet."""
    entries = tuple(
        AclEntry(n, True, allow, cidr, "6", span[0], span[1])
        for n, (allow, cidr, span) in enumerate(rules)
    )
    block = IPv4Network(net)
    edges = {block[0], block[-1], IPv4Address("10.0.1.127"), IPv4Address("10.0.1.128")}
    packets = {
        _packet(entries, address, port)
        for address in edges
        if address in block
        for port in range(ports[0], ports[1] + 1)
    }
    way = acl_way(Acl("acl-1", entries), True, [block], ports[0], ports[1])
    if way is not Way.UNKNOWN:
        assert packets == {way is Way.OPEN}
    elif net == "10.0.1.7/32":
        assert packets == {True, False}  # one address leaves no doubt but its ports


def _packet(entries: tuple[AclEntry, ...], address: IPv4Address, port: int) -> bool:
    for entry in entries:
        if address in IPv4Network(entry.cidr) and entry.port_first <= port <= entry.port_last:
            return entry.allow
    return False


# ------------------------------------------------------------------- permissions


def statement(effect: str, action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Statement": [{"Effect": effect, "Action": action, "Resource": resource, **more}]}


@pytest.mark.parametrize(
    ("documents", "allowed"),
    [
        ([statement("Allow", "s3:Get*")], True),
        ([statement("Allow", "S3:GETOBJECT")], True),
        ([statement("Allow", "s3:PutObject")], False),
        ([statement("Allow", "*"), statement("Deny", "s3:*")], False),
        ([statement("Allow", "*", "arn:aws:s3:::other/*")], False),
        ([statement("Allow", "*", "arn:aws:s3:::a/*")], True),
        ([statement("Allow", "*", "arn:aws:s3:::${aws:username}/*")], None),
        ([statement("Allow", "*", Condition={"Bool": {"aws:SecureTransport": "true"}})], None),
        ([statement("Allow", "*"), statement("Deny", "*", Condition={"x": {}})], None),
        ([statement("Deny", "*", Condition={"x": {}})], False),
        ([None, statement("Allow", "*")], None),
        ([None], None),
        ([], False),
        ([{"Statement": {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}}], True),
        ([{"Statement": {"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}}], False),
        ([{"Statement": {"Effect": "Deny", "Action": "*", "NotResource": "arn:aws:s3:::a/*"}},
          statement("Allow", "*")], True),
        ([{"Statement": "nonsense"}], None),
    ],
)  # fmt: skip
def test_policies_are_read_in_three_values(documents: list[Any], allowed: bool | None) -> None:
    assert allows(documents, "s3:GetObject", "arn:aws:s3:::a/key") is allowed


def role_with(*documents: Any, **changes: Any) -> NodeSnapshot:
    role = healthy().role
    assert role is not None
    policies = tuple(Policy(f"p{n}", None, d) for n, d in enumerate(documents))
    return healthy(role=replace(role, policies=policies, **changes))


def permission(snapshot: NodeSnapshot) -> Verdict:
    return verdicts("role-policies", snapshot)["iam-permission-missing"]


def test_a_role_with_the_core_policy_is_fine_also_when_its_text_is_unread() -> None:
    assert permission(healthy()) is NO
    role = healthy().role
    assert role is not None
    unread = (Policy("AmazonSSMManagedInstanceCore", "arn:…", None),)
    assert permission(healthy(role=replace(role, policies=unread))) is NO
    deny = Policy("deny", None, statement("Deny", "ssm:*"))
    assert permission(healthy(role=replace(role, policies=(*unread, deny)))) is YES
    other = Policy("other", None, None)
    assert permission(healthy(role=replace(role, policies=(*unread, other)))) is MAYBE


def test_a_role_without_systems_manager_is_confirmed_with_the_cure() -> None:
    bad = role_with(statement("Allow", "s3:*"))
    found = [f for f in run_aws_checks(["role-policies"], bad, NOW) if f.verdict is YES]
    assert found
    assert "attach-role-policy --role-name patch-role" in found[0].commands[0]
    assert permission(replace(bad, host_management_role="Default")) is MAYBE
    assert permission(replace(bad, host_management_role=None)) is MAYBE
    assert permission(online(bad)) is MAYBE  # it answers, so something lets it
    unlisted = healthy().role
    assert unlisted is not None
    assert permission(healthy(role=replace(unlisted, policies=None))) is MAYBE


def test_a_policy_written_for_the_instances_arn_is_enough() -> None:
    arn = f"arn:aws:ec2:{REGION}:123456789012:instance/*"
    assert permission(role_with(statement("Allow", "ssm:*", arn))) is NO


def test_a_permissions_boundary_takes_away() -> None:
    narrow = Policy(
        "boundary", "arn:aws:iam::123456789012:policy/boundary", statement("Allow", "s3:*")
    )
    bound = role_with(CORE, boundary_arn=narrow.arn, boundary=narrow)
    assert permission(bound) is YES
    assert permission(role_with(CORE, boundary_arn=narrow.arn)) is MAYBE


def decided(decision: str, **more: Any) -> tuple[Decision, ...]:
    node = f"arn:aws:ec2:{REGION}:123456789012:instance/{NODE.node_id}"
    return tuple(
        Decision(action, resource, decision, **more)
        for action in ("ssm:UpdateInstanceInformation", "ssm:GetDeployablePatchSnapshotForInstance")
        for resource in ("*", node)
    )


def test_iams_simulation_is_believed_over_the_text() -> None:
    nothing = role_with()
    assert permission(replace(nothing, decisions=decided("allowed"))) is NO
    assert permission(replace(healthy(), decisions=decided("explicitDeny"))) is YES
    assert permission(replace(healthy(), decisions=decided("implicitDeny", certain=False))) is MAYBE
    half = tuple(d for d in decided("implicitDeny") if d.resource == "*")
    assert permission(replace(healthy(), decisions=half)) is MAYBE
    assert permission(replace(nothing, decisions=half)) is YES
    scp = replace(healthy(), decisions=decided("implicitDeny", by_organization=True))
    assert "organisation" in run_aws_checks(["role-policies"], scp, NOW)[0].fix["en"]


# ------------------------------------------------------------------- S3 endpoint policy

CODE = f"aws-patch-manager-{REGION}-4849fa78f"
OLD_CODE = f"aws-ssm-{REGION}"
SNAPSHOTS = f"patch-baseline-snapshot-{REGION}"


def endpoint_policy(*buckets: str, **more: Any) -> dict[str, Any]:
    arns = [f"arn:aws:s3:::{b}/*" for b in buckets]
    return statement("Allow", "s3:GetObject", arns, **{"Principal": "*", **more})


def behind(policy: Any, **changes: Any) -> NodeSnapshot:
    gateway = replace(GATEWAY, policy=policy)
    return replace(with_network(endpoints=(gateway, *MESSAGING)), **changes)


ENDPOINT_CASES: list[tuple[Any, Verdict]] = [
    (OPEN_POLICY, NO),
    (endpoint_policy(CODE, OLD_CODE, SNAPSHOTS), NO),
    (endpoint_policy("my-bucket"), YES),
    (endpoint_policy(CODE, OLD_CODE), YES),
    (endpoint_policy(SNAPSHOTS), YES),
    (endpoint_policy(OLD_CODE, SNAPSHOTS), MAYBE),
    (endpoint_policy("*", Condition={"StringEquals": {"aws:PrincipalOrgID": "o-1"}}), MAYBE),
    (endpoint_policy("*", Principal={"AWS": "arn:aws:iam::123456789012:root"}), MAYBE),
    (None, MAYBE),
]


@pytest.mark.parametrize(("policy", "verdict"), ENDPOINT_CASES)
def test_the_endpoint_policy_against_the_patch_buckets(policy: Any, verdict: Verdict) -> None:
    assert verdicts("s3-endpoint-policy", behind(policy))["s3-access-denied"] is verdict


def test_an_unknown_regions_code_bucket_is_not_guessed() -> None:
    node = NodeRef("123456789012", "eu-south-1", NODE.node_id)
    policy = endpoint_policy("patch-baseline-snapshot-eu-south-1")
    there = replace(GATEWAY, policy=policy, region="eu-south-1")
    snapshot = replace(with_network(endpoints=(there, *MESSAGING)), node=node)
    assert verdicts("s3-endpoint-policy", snapshot)["s3-access-denied"] is MAYBE


def test_the_patch_policys_bucket_behind_a_restrictive_endpoint() -> None:
    shut = behind(endpoint_policy(CODE, OLD_CODE, SNAPSHOTS), parameters=OVERRIDE)
    assert verdicts("s3-endpoint-policy", shut) == {
        "s3-access-denied": NO,
        "patch-policy-bucket-denied": YES,
    }
    abroad = replace(shut, bucket_regions={BUCKET: "us-east-1"})  # passes another way, or none
    assert verdicts("s3-endpoint-policy", abroad) == {"s3-access-denied": NO}
    documented = endpoint_policy(CODE, OLD_CODE, SNAPSHOTS, "aws-quicksetup-patchpolicy-*")
    let_in = behind(documented, parameters=OVERRIDE)
    assert verdicts("s3-endpoint-policy", let_in)["patch-policy-bucket-denied"] is MAYBE


def test_without_an_endpoint_on_the_way_there_is_no_policy_to_blame() -> None:
    nat = with_network(endpoints=MESSAGING, route_tables=routes(TO_NAT))
    assert verdicts("s3-endpoint-policy", nat) == {None: MAYBE}


# ------------------------------------------------------------------- patch policies


def patch_policy(policies: Any, tags: Mapping[str, str] | None) -> Verdict:
    snapshot = replace(role_with(*policies, tags=tags), parameters=OVERRIDE)
    return verdicts("patch-policy-role", snapshot)["patch-policy-bucket-denied"]


READS = statement("Allow", "s3:GetObject", "arn:aws:s3:::aws-quicksetup-patchpolicy-*")
TAGGED = {"QSConfigId-abcde": "abcde"}


@pytest.mark.parametrize(
    ("policies", "tags", "verdict"),
    [
        ([CORE, READS], TAGGED, NO),
        ([CORE, READS], {}, YES),
        ([CORE, READS], {"QSConfigId-abcde": "wrong"}, YES),
        ([CORE, READS], {"QSConfigId-other": "other"}, YES),
        ([CORE], TAGGED, YES),
        ([CORE, None], TAGGED, MAYBE),
        ([CORE, READS], None, MAYBE),
        # the bucket's name without its objects, as a page of AWS prints it
        ([statement("Allow", "s3:GetObject", f"arn:aws:s3:::{BUCKET}")], TAGGED, YES),
    ],
)
def test_a_patch_policy_needs_the_tag_and_the_right(
    policies: list[Any], tags: Mapping[str, str] | None, verdict: Verdict
) -> None:
    assert patch_policy(policies, tags) is verdict


def test_the_patch_policy_is_found_in_the_nodes_own_runs_too() -> None:
    run = run_of("AWS-RunPatchBaseline", 5, parameters=OVERRIDE)
    snapshot = replace(role_with(CORE, READS, tags={}), commands=(run,))
    found = finding("patch-policy-role", "patch-policy-bucket-denied", snapshot)
    assert found.verdict is YES
    assert found.commands == (
        "aws iam tag-role --role-name patch-role --tags Key=QSConfigId-abcde,Value=abcde",
    )
    assert verdicts("patch-policy-role", healthy()) == {None: MAYBE}


# ------------------------------------------------------------------- service-endpoint-policy


def guarded(service: str, policy: Any, **changes: Any) -> NodeSnapshot:
    """The endpoint of one service with this policy, the others open."""
    ends = tuple(replace(e, policy=policy) if e.service == service else e for e in MESSAGING)
    return replace(with_network(endpoints=(GATEWAY, *ends)), **changes)


def service_policy(action: str, **more: Any) -> dict[str, Any]:
    return statement("Allow", action, **{"Principal": "*", **more})


@pytest.mark.parametrize(
    ("service", "policy", "verdict"),
    [
        ("ssm", OPEN_POLICY, MAYBE),
        ("ssm", service_policy("ssm:*"), MAYBE),
        ("ssm", service_policy("ssm:GetParameter"), YES),
        ("ssm", service_policy("ssm:UpdateInstanceInformation"), YES),
        ("ssm", service_policy("*", Condition={"StringEquals": {"a": "b"}}), MAYBE),
        ("ssm", None, MAYBE),
        # an agent without the newer message service falls back to the older one
        ("ssmmessages", service_policy("ssm:*"), MAYBE),
        ("ec2messages", service_policy("ssm:*"), MAYBE),
    ],
)
def test_the_policy_of_a_systems_manager_endpoint(
    service: str, policy: Any, verdict: Verdict
) -> None:
    found = verdicts("service-endpoint-policy", guarded(service, policy))
    assert found == {"iam-permission-missing": verdict}


def test_a_denied_message_service_matters_where_there_is_no_other() -> None:
    shut = service_policy("ssm:*")
    old = agent(guarded("ec2messages", shut), "3.2.2303.0")
    assert verdicts("service-endpoint-policy", old)["iam-permission-missing"] is YES
    only = tuple(replace(e, policy=shut) for e in MESSAGING if e.service != "ssm")
    both = with_network(endpoints=(GATEWAY, MESSAGING[0], *only))
    assert verdicts("service-endpoint-policy", both)["iam-permission-missing"] is YES
    assert verdicts("service-endpoint-policy", online(both))["iam-permission-missing"] is MAYBE


def test_endpoints_that_the_agent_does_not_pass_deny_nothing() -> None:
    shut = service_policy("s3:*")
    for snapshot in (
        replace(guarded("ssm", shut), network=network(endpoints=(), route_tables=routes(TO_NAT))),
        guarded("ssm", shut, network=network(endpoints=(), amazon_dns=False)),
    ):
        assert verdicts("service-endpoint-policy", snapshot) == {None: MAYBE}
    assert verdicts("service-endpoint-policy", healthy(network=None)) == {
        "iam-permission-missing": MAYBE
    }


# ------------------------------------------------------------------- repository-path


def running(snapshot: NodeSnapshot, os_name: str | None) -> NodeSnapshot:
    assert snapshot.managed is not None
    return replace(snapshot, managed=replace(snapshot.managed, os_name=os_name))


def repositories(snapshot: NodeSnapshot, os_name: str | None = "Amazon Linux") -> Verdict:
    found = verdicts("repository-path", running(snapshot, os_name))
    return next(iter(found.values()))


def test_amazon_linux_needs_s3_and_others_the_internet() -> None:
    assert repositories(healthy()) is MAYBE
    no_s3 = with_network(endpoints=MESSAGING, route_tables=routes())
    assert repositories(no_s3) is YES
    assert repositories(no_s3, "Ubuntu") is MAYBE  # a mirror inside the network may serve it
    assert repositories(no_s3, None) is MAYBE
    assert repositories(windows(no_s3)) is MAYBE
    mute = with_network(groups=group())
    assert repositories(mute, "Red Hat Enterprise Linux") is YES
    inner = with_network(groups=group(GroupRule(True, "tcp", 3128, 3128, cidrs=("10.0.0.9/32",))))
    assert repositories(inner, "Red Hat Enterprise Linux") is MAYBE


def test_plain_http_is_enough_for_a_repository_on_the_internet() -> None:
    rule = GroupRule(True, "tcp", 80, 80, cidrs=(ANY,))
    snapshot = running(
        with_network(groups=group(rule), endpoints=(), route_tables=routes(TO_NAT)), "Ubuntu"
    )
    found = finding("repository-path", "repository-unreachable", snapshot)
    assert (found.verdict, found.facts["way"]) == (MAYBE, "open")


@pytest.mark.parametrize(
    ("policy", "verdict"),
    [
        (OPEN_POLICY, MAYBE),
        (endpoint_policy(CODE, OLD_CODE, SNAPSHOTS), YES),
        (endpoint_policy(CODE, SNAPSHOTS, "amazonlinux-2-repos-*"), MAYBE),
        (endpoint_policy("aws-ssm-*", "*"), MAYBE),
        (endpoint_policy(), MAYBE),
        (None, MAYBE),
        ({"Statement": [{"Effect": "Allow", "Action": "*", "NotResource": "x"}]}, MAYBE),
    ],
)
def test_an_endpoint_policy_for_patching_alone_keeps_the_packages_out(
    policy: Any, verdict: Verdict
) -> None:
    assert repositories(behind(policy)) is verdict


# ------------------------------------------------------------------- buckets of other Regions


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("s3://lists/a/b.yaml", ("lists", "a/b.yaml", None)),
        ("https://s3.us-east-1.amazonaws.com/lists/a.yaml", ("lists", "a.yaml", "us-east-1")),
        ("https://s3-us-west-2.amazonaws.com/lists/a.yaml", ("lists", "a.yaml", "us-west-2")),
        ("https://my.lists.s3.eu-west-1.amazonaws.com/a", ("my.lists", "a", "eu-west-1")),
        ("https://l.s3.dualstack.eu-west-1.amazonaws.com/a?x=y", None),
        ("https://l.s3.dualstack.eu-west-1.amazonaws.com/a", ("l", "a", "eu-west-1")),
        ("https://example.com/lists/a", None),
        ("https://s3.us-east-1.amazonaws.com.example.com/lists/a", None),
        ("s3://lists", None),
        ("", None),
    ],
)
def test_buckets_are_read_from_urls(url: str, parts: Any) -> None:
    assert of_url(url) == parts


def test_a_bucket_in_another_region_passes_no_gateway_endpoint() -> None:
    named = {"InstallOverrideList": ("s3://lists/list.yaml",)}
    shut = replace(healthy(parameters=named), bucket_regions={"lists": "us-east-1"})
    regional, abroad, _ = run_aws_checks(["network-path"], shut, NOW)
    assert (abroad.verdict, abroad.facts["obstacle"]) == (YES, "wrong-region")
    assert "lists" in abroad.says["en"]
    # The regional S3 is open, but that refutes nothing while the bucket is out of reach.
    assert (regional.verdict, regional.facts["way"]) == (MAYBE, "open")
    assert path(replace(shut, bucket_regions={"lists": REGION}))["s3-unreachable"] is NO
    assert path(replace(shut, bucket_regions={}))["s3-unreachable"] is NO
    nat = with_network(endpoints=(GATEWAY, *MESSAGING), route_tables=routes(TO_S3, TO_NAT))
    there = replace(nat, parameters=named, bucket_regions={"lists": "us-east-1"})
    assert path(there)["s3-unreachable"] is NO


def test_an_endpoint_of_another_region_is_none() -> None:
    abroad = tuple(replace(e, region="us-east-1") for e in MESSAGING)
    found = finding(
        "network-path", "ssm-endpoint-unreachable", with_network(endpoints=(GATEWAY, *abroad))
    )
    assert (found.verdict, found.facts["obstacle"]) == (YES, "wrong-region")
    gateway = replace(GATEWAY, region="us-east-1")
    other = with_network(endpoints=(gateway, *MESSAGING), route_tables=routes())
    assert path(other)["s3-unreachable"] is YES
    routed = with_network(endpoints=(gateway, *MESSAGING))
    assert path(routed)["s3-unreachable"] is MAYBE


# ------------------------------------------------------------------- credentials, once more


def test_default_host_management_needs_a_newer_agent() -> None:
    bare = on_instance(healthy(profile=None, role=None), profile_arn=None)
    served = replace(bare, host_management_role="AWSSystemsManagerDefaultEC2InstanceManagementRole")
    cause = "instance-profile-missing"
    assert verdicts("instance-profile", served)[cause] is NO
    assert verdicts("instance-profile", agent(served, "3.2.582.0"))[cause] is NO
    assert verdicts("instance-profile", agent(served, "3.2.419.0"))[cause] is YES
    assert verdicts("instance-profile", online(agent(served, "3.2.419.0")))[cause] is NO
    assert verdicts("instance-profile", agent(served, ""))[cause] is NO


def test_metadata_over_ipv6_is_advice_for_a_node_without_ipv4() -> None:
    off = on_instance(healthy(), imds_ipv6="disabled", imds_tokens="required", imds_hop_limit=1)
    assert "imds-unreachable" not in verdicts("instance-profile", off)
    found = finding("instance-profile", "instance-profile-missing", off)
    assert (found.facts["imds-tokens"], found.facts["imds-hop-limit"]) == ("required", "1")
    six = on_instance(off, interfaces=(ONLY6,))
    assert verdicts("instance-profile", six)["imds-unreachable"] is MAYBE
    assert silence(six) is MAYBE


# ------------------------------------------------------------------- recent-commands

BASELINE = "AWS-RunPatchBaseline"


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        (run_of(BASELINE, 30, "a"), run_of(BASELINE, 28.5, "b"), YES),
        (run_of(BASELINE, 30, "a"), run_of(BASELINE, 28, "b"), YES),
        (run_of(BASELINE, 30, "a"), run_of(BASELINE, 27.9, "b"), MAYBE),
        (run_of(BASELINE, 30, "a"), run_of("AWS-RunShellScript", 29, "b"), MAYBE),
        (run_of(BASELINE, 30, "a", finished=NOW - timedelta(minutes=10)),
         run_of(BASELINE, 20, "b"), YES),
        (run_of(BASELINE, 30, "a", finished=NOW - timedelta(minutes=21)),
         run_of(BASELINE, 20, "b"), MAYBE),
        (run_of(BASELINE, 30, "a", status="InProgress", status_details="InProgress"),
         run_of(BASELINE, 20, "b"), YES),
        (run_of(BASELINE, 30, "a"),
         run_of(BASELINE, 29, "b", status_details="Delivery Timed Out"), MAYBE),
        (run_of(BASELINE, 30, "a"), run_of(BASELINE, 29, "b", status_details="Terminated"), MAYBE),
        (run_of(BASELINE, 30, "a"),
         run_of(f"arn:aws:ssm:{REGION}::document/AWS-RunPatchBaselineWithHooks", 29, "b"), YES),
    ],
)  # fmt: skip
def test_two_patch_runs_on_one_node(
    first: NodeCommand, second: NodeCommand, verdict: Verdict
) -> None:
    snapshot = healthy(commands=(second, first), command_id="b")
    for about in ("a", "b", None):
        found = verdicts("recent-commands", replace(snapshot, command_id=about))
        assert found["concurrent-run"] is verdict or "Timed" in second.status_details


def test_an_old_clash_does_not_explain_a_later_run() -> None:
    runs = (run_of(BASELINE, 5, "c"), run_of(BASELINE, 300, "b"), run_of(BASELINE, 301, "a"))
    assert verdicts("recent-commands", healthy(commands=runs)) == {"concurrent-run": MAYBE}
    unread = healthy(commands=None)
    assert verdicts("recent-commands", unread) == {"concurrent-run": MAYBE}


# ------------------------------------------------------------------- agent-silence


def silence(snapshot: NodeSnapshot) -> Verdict:
    return verdicts("agent-silence", snapshot)["agent-not-running"]


def test_silence_in_a_sound_set_up_is_the_agents() -> None:
    assert silence(healthy()) is YES
    assert silence(online(healthy())) is NO


DOUBTS: list[tuple[str, NodeSnapshot]] = [
    ("stopped", on_instance(healthy(), state="stopped")),
    ("impaired", healthy(status=StatusChecks("impaired", "ok"))),
    ("status unread", healthy(status=None)),
    ("just started", on_instance(healthy(), launch_time=NOW - timedelta(minutes=5))),
    ("start unread", on_instance(healthy(), launch_time=None)),
    ("no profile", on_instance(healthy(profile=None, role=None), profile_arn=None)),
    ("metadata off", on_instance(healthy(), imds_endpoint="disabled")),
    ("no rights", role_with()),
    ("role unread", healthy(role=None)),
    ("no way", with_network(endpoints=(), route_tables=routes())),
    ("way unread", healthy(network=None)),
    ("way beyond", with_network(endpoints=(), route_tables=routes(Route(ANY, "tgw-1")))),
    ("commands unread", healthy(commands=None)),
    ("patching now", healthy(commands=(run_of(BASELINE, 20, status_details="In Progress"),))),
    ("not registered", healthy(managed=None)),
    ("ping too fresh", healthy(managed=ManagedNode("ConnectionLost", NOW - timedelta(minutes=9)))),
    ("no ping time", healthy(managed=ManagedNode("ConnectionLost"))),
    ("gone", healthy(instance=None, instance_gone=True)),
]  # fmt: skip


@pytest.mark.parametrize(("why", "snapshot"), DOUBTS, ids=[d[0] for d in DOUBTS])
def test_any_doubt_keeps_the_agent_from_being_blamed(why: str, snapshot: NodeSnapshot) -> None:
    assert silence(snapshot) is MAYBE


# ------------------------------------------------------------------- all of them


def test_a_hybrid_node_gets_no_ec2_verdicts() -> None:
    node = NodeRef("123456789012", REGION, "mi-0a1b2c3d4e5f60001")
    hybrid = healthy(node=node, instance=None, status=None, profile=None, network=None)
    found = run_aws_checks(AWS_CHECKS, hybrid, NOW)
    for one in found:
        if one.check in ("instance-state", "instance-profile", "network-path", "agent-silence"):
            assert one.verdict is MAYBE
            assert "not an EC2 instance" in one.says["en"]
    assert {f.check for f in found} == set(AWS_CHECKS)


MINE = {
    "instance-state",
    "managed-node",
    "instance-profile",
    "role-policies",
    "network-path",
    "s3-endpoint-policy",
    "service-endpoint-policy",
    "repository-path",
    "patch-policy-role",
}
THE_END = "The instance is being removed for good; there is nothing to patch."

SITUATIONS: list[NodeSnapshot] = [
    healthy(),
    NodeSnapshot(NODE),
    online(windows(with_network(endpoints=(), route_tables=routes()))),
    windows(with_network(endpoints=(), route_tables=routes())),
    *(snapshot for _, snapshot in DOUBTS),
    *(with_network(groups=group(*rules)) for rules, _, _ in GROUP_CASES),
    *(with_network(acls=acl(*entries)) for entries, _, _ in ACL_CASES),
    *(behind(policy, parameters=OVERRIDE) for policy, _ in ENDPOINT_CASES),
    *(
        with_network(endpoints=(), route_tables=routes(TO_NAT), **changes)
        for changes, _ in NAT_CASES
    ),
    with_network(amazon_dns=False),
    with_network(dns_hostnames=False),
    guarded("ssm", service_policy("ssm:GetParameter")),
    guarded("ssm", None),
    over_ipv6(ONLY6),
    over_ipv6(ONLY6, Route(ANY6, "eigw-1")),
    over_ipv6(DUAL, Route(ANY6, "eigw-1")),
    windows(over_ipv6(ONLY6, Route(ANY6, "eigw-1"))),
    running(with_network(endpoints=(), route_tables=routes()), "Ubuntu"),
    behind(endpoint_policy(CODE, OLD_CODE, SNAPSHOTS)),
    replace(
        healthy(parameters={"InstallOverrideList": ("s3://lists/l",)}),
        bucket_regions={"lists": "us-east-1"},
    ),
    with_network(endpoints=(GATEWAY, *(replace(e, region="us-east-1") for e in MESSAGING))),
    with_network(endpoints=(GATEWAY, *(replace(e, private_dns=False) for e in MESSAGING))),
]


@pytest.mark.parametrize("snapshot", SITUATIONS)
def test_every_finding_can_be_read_and_acted_on(snapshot: NodeSnapshot) -> None:
    for found in run_aws_checks(AWS_CHECKS, snapshot, NOW):
        for language in LANGUAGES:
            assert found.says[language].endswith((".", "。"))
            assert "None" not in found.says[language]
        assert re.search(r"[ぁ-んァ-ン]", found.says["ja"])
        assert found.resource
        if found.verdict is YES:
            assert found.cause in AWS_CHECKS[found.check].causes
            assert set(found.fix) == set(LANGUAGES)
            if found.check in MINE and found.fix["en"] != THE_END:
                assert "onsole" in found.fix["en"]
                assert "コンソール" in found.fix["ja"]
            assert found.fix["ja"].endswith("。")
        for command in found.commands:
            assert command.startswith("aws ")
            assert "None" not in command
            assert command.startswith("aws iam ") or f"--region {snapshot.node.region}" in command
        assert all(len(value) <= 300 for value in found.facts.values())


def test_a_snapshot_of_nothing_confirms_and_refutes_nothing() -> None:
    found = run_aws_checks(AWS_CHECKS, NodeSnapshot(NODE), NOW)
    assert {f.verdict for f in found} == {MAYBE}
    assert {f.check for f in found} == set(AWS_CHECKS)


def test_needs_are_known_and_a_wrong_name_is_refused() -> None:
    assert needs_of(AWS_CHECKS) == NEEDS
    assert "network" not in needs_of(["instance-state", "recent-commands"])
    with pytest.raises(ValueError, match="no AWS-side check named 'disk-space'"):
        run_aws_checks(["disk-space"], healthy(), NOW)
