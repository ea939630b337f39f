"""VPCs of every common make, good and broken: built through the EC2 API, read, judged.

Each topology is built in the local cloud, read by the real look-ups and judged by the real checks.
What must come out was written by hand beside each one: the verdict on a cause, and the word for
what stands in the way.  One cloud serves all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any

import boto3
import pytest

from integration.vpcs import ALL_OUT, ALL_OUT_6, ANY, ANY6, MESSAGING, Node, Vpc, https, rule
from patchmedic.checks.aws import needs_of, run_aws_checks
from patchmedic.checks.aws.snapshot import ManagedNode
from patchmedic.cli.cloud import ACCOUNT, REGION, LocalCloud
from patchmedic.cli.project import Project
from patchmedic.lookups import Lookups
from patchmedic.model import Finding, NodeRef

ROOT = Path(__file__).resolve().parents[2]
CHECKS = ("network-path", "s3-endpoint-policy", "service-endpoint-policy", "repository-path")
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SIX = "2406:da14:1:1::77"

Expected = Mapping[str, str]
Build = Callable[[Vpc], Node]
TOPOLOGIES: dict[str, tuple[Build, Expected, bool]] = {}

WELL: Expected = {"s3": "refutes", "ssm": "refutes"}
SHUT = {"s3": "confirms no-route", "ssm": "confirms no-route"}


def topology(expected: Expected, *, ipv6: bool = False) -> Callable[[Build], Build]:
    """Register a network and what the checks must say of it."""

    def register(build: Build) -> Build:
        TOPOLOGIES[build.__name__] = (build, expected, ipv6)
        return build

    return register


def to(target: str, block: str = ANY) -> dict[str, str]:
    """A route: ``to("nat-1")``; the kind of the target follows from its id."""
    names = {
        "igw-": "GatewayId",
        "vgw-": "GatewayId",
        "nat-": "NatGatewayId",
        "tgw-": "TransitGatewayId",
        "pcx-": "VpcPeeringConnectionId",
        "eni-": "NetworkInterfaceId",
        "eigw-": "EgressOnlyInternetGatewayId",
    }
    name = next(name for start, name in names.items() if target.startswith(start))
    if block.startswith("pl-"):
        return {"DestinationPrefixListId": block, name: target}
    return {
        "DestinationIpv6CidrBlock" if ":" in block else "DestinationCidrBlock": block,
        name: target,
    }


def endpoints_only(vpc: Vpc, **more: Any) -> tuple[str, str, str]:
    """Subnet, its table, the node's group: S3 gateway and the three interface endpoints."""
    subnet = vpc.subnet()
    table, group = vpc.table(subnet), vpc.group()
    vpc.gateway(table)
    vpc.messaging(subnet, vpc.group(into=[https(IpRanges=[{"CidrIp": "10.1.0.0/16"}])]), **more)
    return subnet, table, group


def behind_nat(vpc: Vpc) -> tuple[str, str]:
    """Subnet and the node's group: everything goes out by a NAT gateway."""
    nat = vpc.nat(vpc.public_subnet())
    subnet = vpc.subnet()
    vpc.table(subnet, to(nat))
    return subnet, vpc.group()


# --------------------------------------------------------------------------- internet gateway


@topology({**WELL, "repo": "neutral"})
def public_subnet(vpc: Vpc) -> Node:
    return Node(vpc.node(vpc.public_subnet(), vpc.group()))


@topology({"s3": "confirms no-public-address", "ssm": "confirms no-public-address"})
def public_route_but_no_public_address(vpc: Vpc) -> Node:
    subnet = vpc.subnet()
    vpc.table(subnet, to(vpc.igw()))
    return Node(vpc.node(subnet, vpc.group()))


@topology(WELL)
def elastic_ip_address(vpc: Vpc) -> Node:
    subnet = vpc.subnet()
    vpc.table(subnet, to(vpc.igw()))
    node = vpc.node(subnet, vpc.group())
    address = vpc.ec2.allocate_address(Domain="vpc")["AllocationId"]
    vpc.ec2.associate_address(AllocationId=address, InstanceId=node)
    return Node(node)


@topology(WELL)
def main_table_leads_out(vpc: Vpc) -> Node:
    subnet = vpc.subnet(public=True)
    vpc.ec2.create_route(RouteTableId=vpc.main_table(), **to(vpc.igw()))
    return Node(vpc.node(subnet, vpc.group()))


@topology(SHUT)
def no_route_at_all(vpc: Vpc) -> Node:
    subnet = vpc.subnet()
    vpc.table(subnet)
    return Node(vpc.node(subnet, vpc.group()))


@topology(WELL)
def the_longest_prefix_wins(vpc: Vpc) -> Node:
    nat = vpc.nat(vpc.public_subnet())
    subnet, igw = vpc.subnet(public=True), vpc.igw()
    vpc.table(subnet, to(nat), to(igw, "0.0.0.0/1"), to(igw, "128.0.0.0/1"))
    vpc.ec2.delete_nat_gateway(NatGatewayId=nat)
    return Node(vpc.node(subnet, vpc.group()))


# --------------------------------------------------------------------------- NAT


@topology({**WELL, "wu": "refutes"})
def windows_behind_nat(vpc: Vpc) -> Node:
    return Node(vpc.node(*behind_nat(vpc)), "windows", "Windows Server 2022")


@topology({"s3": "confirms blackhole", "ssm": "confirms blackhole"})
def nat_gateway_deleted(vpc: Vpc) -> Node:
    nat = vpc.nat(vpc.public_subnet())
    subnet = vpc.subnet()
    vpc.table(subnet, to(nat))
    vpc.ec2.delete_nat_gateway(NatGatewayId=nat)
    return Node(vpc.node(subnet, vpc.group()))


@topology({"s3": "confirms nat-private", "ssm": "confirms nat-private"})
def nat_gateway_is_private(vpc: Vpc) -> Node:
    nat = vpc.nat(vpc.public_subnet(), private=True)
    subnet = vpc.subnet()
    vpc.table(subnet, to(nat))
    return Node(vpc.node(subnet, vpc.group()))


@topology({"s3": "confirms nat-without-internet", "ssm": "confirms nat-without-internet"})
def nat_gateway_in_a_private_subnet(vpc: Vpc) -> Node:
    inner, subnet = vpc.subnet(), vpc.subnet()
    vpc.table(inner)
    vpc.table(subnet, to(vpc.nat(inner)))
    return Node(vpc.node(subnet, vpc.group()))


@topology({"s3": "confirms acl-in", "ssm": "confirms acl-in"})
def acl_of_the_nats_subnet_lets_no_answer_in(vpc: Vpc) -> Node:
    outside = vpc.public_subnet()
    vpc.acl(
        outside,
        rule(100, "out"),
        rule(100, "in", ports=(443, 443), to="10.1.0.0/16"),
    )
    subnet = vpc.subnet()
    vpc.table(subnet, to(vpc.nat(outside)))
    return Node(vpc.node(subnet, vpc.group()))


# --------------------------------------------------------------------------- endpoints


@topology({**WELL, "repo": "neutral", "s3-policy": "refutes"})
def endpoints_only_linux(vpc: Vpc) -> Node:
    subnet, _, group = endpoints_only(vpc)
    return Node(vpc.node(subnet, group))


@topology({**WELL, "wu": "confirms no-route"})
def endpoints_only_windows(vpc: Vpc) -> Node:
    subnet, _, group = endpoints_only(vpc)
    return Node(vpc.node(subnet, group), "windows", "Windows Server 2022")


@topology({**WELL, "repo": "neutral no-route"})
def endpoints_only_ubuntu(vpc: Vpc) -> Node:
    subnet, _, group = endpoints_only(vpc)
    return Node(vpc.node(subnet, group), os_name="Ubuntu")


@topology({**WELL, "wu": "refutes"})
def mixed_windows_has_nat_beside_the_endpoints(vpc: Vpc) -> Node:
    subnet, table, group = endpoints_only(vpc)
    vpc.ec2.create_route(RouteTableId=table, **to(vpc.nat(vpc.public_subnet())))
    return Node(vpc.node(subnet, group), "windows", "Windows Server 2022")


@topology({**WELL, "repo": "neutral"})
def mixed_linux_keeps_to_the_endpoints(vpc: Vpc) -> Node:
    endpoints_only(vpc)
    subnet, group = behind_nat(vpc)
    return Node(vpc.node(subnet, group))


@topology({"s3": "confirms no-route", "ssm": "refutes", "repo": "confirms no-route"})
def s3_endpoint_missing(vpc: Vpc) -> Node:
    subnet = vpc.subnet()
    vpc.table(subnet)
    vpc.messaging(subnet, vpc.group(into=[https(IpRanges=[{"CidrIp": ANY}])]))
    return Node(vpc.node(subnet, vpc.group()))


@topology({"s3": "confirms endpoint-not-associated", "ssm": "refutes"})
def s3_endpoint_on_another_table(vpc: Vpc) -> Node:
    subnet, other = vpc.subnet(), vpc.subnet()
    vpc.table(subnet)
    vpc.gateway(vpc.table(other))
    vpc.messaging(other, vpc.group(into=[https(IpRanges=[{"CidrIp": ANY}])]))
    return Node(vpc.node(subnet, vpc.group()))


@topology({"s3": "refutes", "ssm": "confirms no-route"})
def ssm_endpoint_missing(vpc: Vpc) -> Node:
    subnet = vpc.subnet()
    vpc.gateway(vpc.table(subnet))
    return Node(vpc.node(subnet, vpc.group()))


@topology(WELL)
def ec2messages_missing_for_a_new_agent(vpc: Vpc) -> Node:
    subnet = vpc.subnet()
    vpc.gateway(vpc.table(subnet))
    into = vpc.group(into=[https(IpRanges=[{"CidrIp": ANY}])])
    for service in ("ssm", "ssmmessages"):
        vpc.interface(service, subnet, into)
    return Node(vpc.node(subnet, vpc.group()), agent="3.3.40.0")


@topology({"s3": "refutes", "ssm": "confirms no-route"})
def ec2messages_missing_for_an_old_agent(vpc: Vpc) -> Node:
    node = ec2messages_missing_for_a_new_agent(vpc)
    return replace(node, agent="3.2.2303.0")


@topology({"s3": "refutes", "ssm": "neutral private-dns-off"})
def private_dns_off(vpc: Vpc) -> Node:
    subnet, _, group = endpoints_only(vpc, private_dns=False)
    return Node(vpc.node(subnet, group))


@topology({"s3": "refutes", "ssm": "confirms vpc-dns-off"})
def dns_hostnames_off(vpc: Vpc) -> Node:
    subnet, _, group = endpoints_only(vpc)
    vpc.dns(hostnames=False)
    return Node(vpc.node(subnet, group))


@topology({"s3": "refutes", "ssm": "neutral custom-dns"})
def own_dns_servers(vpc: Vpc) -> Node:
    subnet, _, group = endpoints_only(vpc)
    vpc.own_dns("10.1.0.53")
    return Node(vpc.node(subnet, group))


@topology({"s3": "refutes", "ssm": "confirms endpoint-group"})
def closed_endpoint_group(vpc: Vpc) -> Node:
    subnet = vpc.subnet()
    vpc.gateway(vpc.table(subnet))
    vpc.messaging(subnet, vpc.group(into=[https(IpRanges=[{"CidrIp": "10.9.0.0/16"}])]))
    return Node(vpc.node(subnet, vpc.group()))


@topology(WELL)
def endpoint_group_admits_the_nodes_group(vpc: Vpc) -> Node:
    subnet, group = vpc.subnet(), vpc.group()
    vpc.gateway(vpc.table(subnet))
    vpc.messaging(subnet, vpc.group(into=[https(UserIdGroupPairs=[{"GroupId": group}])]))
    return Node(vpc.node(subnet, group))


@topology({"s3": "refutes", "ssm": "confirms acl-in"})
def acl_of_the_endpoints_subnet(vpc: Vpc) -> Node:
    subnet, other = vpc.subnet(), vpc.subnet()
    vpc.gateway(vpc.table(subnet))
    vpc.acl(other, rule(100, "in", ports=(80, 80)), rule(100, "out"))
    vpc.messaging(other, vpc.group(into=[https(IpRanges=[{"CidrIp": ANY}])]))
    return Node(vpc.node(subnet, vpc.group()))


@topology({"s3": "refutes", "ssm": "confirms wrong-region"})
def endpoints_of_another_region(vpc: Vpc) -> Node:
    subnet, _, group = endpoints_only(vpc, region="us-east-1")
    return Node(vpc.node(subnet, group))


# --------------------------------------------------------------------------- groups and ACLs


@topology(
    {"s3": "confirms group-egress", "ssm": "confirms group-egress", "repo": "confirms group-egress"}
)
def group_lets_nothing_out(vpc: Vpc) -> Node:
    subnet, _ = behind_nat(vpc)
    return Node(vpc.node(subnet, vpc.group(out=())), os_name="Ubuntu")


@topology({"s3": "confirms group-egress", "ssm": "confirms group-egress"})
def group_lets_udp_out_alone(vpc: Vpc) -> Node:
    subnet, _ = behind_nat(vpc)
    quic = {**https(IpRanges=[{"CidrIp": ANY}]), "IpProtocol": "udp"}
    return Node(vpc.node(subnet, vpc.group(out=[quic])))


@topology({**WELL, "repo": "neutral"})
def group_by_prefix_list_and_endpoint_group(vpc: Vpc) -> Node:
    subnet = vpc.subnet()
    vpc.gateway(vpc.table(subnet))
    inner = vpc.group(into=[https(IpRanges=[{"CidrIp": "10.1.0.0/16"}])])
    vpc.messaging(subnet, inner)
    rules = [
        https(PrefixListIds=[{"PrefixListId": vpc.s3_list()}]),
        https(UserIdGroupPairs=[{"GroupId": inner}]),
    ]
    return Node(vpc.node(subnet, vpc.group(out=rules)))


@topology({"s3": "confirms group-egress", "ssm": "refutes"})
def group_by_own_prefix_list_forgets_s3(vpc: Vpc) -> Node:
    subnet, _, _ = endpoints_only(vpc)
    ours = https(PrefixListIds=[{"PrefixListId": vpc.prefix_list("10.1.0.0/16", "10.2.0.0/16")}])
    return Node(vpc.node(subnet, vpc.group(out=[ours])))


@topology({"s3": "confirms acl-in", "ssm": "confirms acl-in"})
def one_way_acl_lets_no_answer_in(vpc: Vpc) -> Node:
    subnet, group = behind_nat(vpc)
    vpc.acl(subnet, rule(100, "out"), rule(100, "in", ports=(443, 443)))
    return Node(vpc.node(subnet, group))


@topology({"s3": "confirms acl-out", "ssm": "confirms acl-out"})
def one_way_acl_lets_no_request_out(vpc: Vpc) -> Node:
    subnet, group = behind_nat(vpc)
    vpc.acl(
        subnet,
        rule(90, "out", ports=(443, 443), allow=False),
        rule(100, "out"),
        rule(100, "in", ports=(1024, 65535)),
    )
    return Node(vpc.node(subnet, group))


@topology({"s3": "neutral partly", "ssm": "neutral partly"})
def acl_lets_part_of_the_answers_in(vpc: Vpc) -> Node:
    subnet, group = behind_nat(vpc)
    vpc.acl(subnet, rule(100, "out"), rule(100, "in", ports=(49152, 65535)))
    return Node(vpc.node(subnet, group))


@topology({**WELL, "wu": "refutes"})
def acl_with_return_ports_of_windows(vpc: Vpc) -> Node:
    node = acl_lets_part_of_the_answers_in(vpc)
    for acl in vpc.ec2.describe_network_acls()["NetworkAcls"]:
        if acl["VpcId"] == vpc.vpc_id:
            assert acl["Entries"] or not acl["IsDefault"]
    return replace(node, platform="windows", os_name="Windows Server 2022")


# --------------------------------------------------------------------------- other networks


@topology({"s3": "neutral other-way", "ssm": "neutral other-way"})
def transit_gateway(vpc: Vpc) -> Node:
    subnet = vpc.subnet()
    vpc.table(subnet, to("tgw-0a1b2c3d4e5f60001"))
    return Node(vpc.node(subnet, vpc.group()))


@topology({"s3": "refutes", "ssm": "neutral other-way"})
def transit_gateway_by_prefix_list(vpc: Vpc) -> Node:
    subnet = vpc.subnet()
    ours = vpc.prefix_list("10.0.0.0/8")
    vpc.gateway(vpc.table(subnet, to("tgw-0a1b2c3d4e5f60001", ours)))
    return Node(vpc.node(subnet, vpc.group()))


@topology({"s3": "neutral other-way", "ssm": "neutral other-way"})
def virtual_private_gateway(vpc: Vpc) -> Node:
    subnet = vpc.subnet()
    vpc.table(subnet, to(vpc.ec2.create_vpn_gateway(Type="ipsec.1")["VpnGateway"]["VpnGatewayId"]))
    return Node(vpc.node(subnet, vpc.group()))


@topology({"s3": "neutral other-way", "ssm": "neutral other-way"})
def peering(vpc: Vpc) -> Node:
    subnet = vpc.subnet()
    vpc.table(subnet, to("pcx-0a1b2c3d4e5f60001", "10.2.0.0/16"))
    return Node(vpc.node(subnet, vpc.group()))


# --------------------------------------------------------------------------- endpoint policies


def allowing(*resources: str, action: str = "s3:GetObject") -> dict[str, Any]:
    allow = {"Effect": "Allow", "Principal": "*", "Action": action, "Resource": list(resources)}
    return {"Statement": [allow]}


@topology({**WELL, "s3-policy": "confirms endpoint-policy", "repo": "neutral"})
def restrictive_s3_endpoint_policy(vpc: Vpc) -> Node:
    subnet = vpc.subnet()
    vpc.gateway(vpc.table(subnet), policy=allowing("arn:aws:s3:::my-bucket/*"))
    vpc.messaging(subnet, vpc.group(into=[https(IpRanges=[{"CidrIp": ANY}])]))
    return Node(vpc.node(subnet, vpc.group()))


@topology({**WELL, "s3-policy": "refutes", "repo": "confirms endpoint-policy"})
def s3_endpoint_policy_for_patching_only(vpc: Vpc) -> Node:
    subnet = vpc.subnet()
    names = ("aws-patch-manager-*", "patch-baseline-snapshot-*", "aws-ssm-*")
    vpc.gateway(vpc.table(subnet), policy=allowing(*(f"arn:aws:s3:::{n}/*" for n in names)))
    vpc.messaging(subnet, vpc.group(into=[https(IpRanges=[{"CidrIp": ANY}])]))
    return Node(vpc.node(subnet, vpc.group()))


@topology({**WELL, "ssm-policy": "confirms endpoint-policy"})
def ssm_endpoint_policy_denies_the_agent(vpc: Vpc) -> Node:
    subnet = vpc.subnet()
    vpc.gateway(vpc.table(subnet))
    into = vpc.group(into=[https(IpRanges=[{"CidrIp": ANY}])])
    for service in MESSAGING:
        policy = allowing("*", action="ssm:GetParameter") if service == "ssm" else None
        vpc.interface(service, subnet, into, policy=policy)
    return Node(vpc.node(subnet, vpc.group()))


# --------------------------------------------------------------------------- buckets elsewhere

ABROAD = {"InstallOverrideList": ("https://s3.us-east-1.amazonaws.com/lists-abroad/list.yaml",)}


@topology({"s3": "confirms wrong-region", "ssm": "refutes"})
def bucket_in_another_region_by_gateway_endpoint(vpc: Vpc) -> Node:
    subnet, _, group = endpoints_only(vpc)
    return Node(vpc.node(subnet, group), parameters=ABROAD)


@topology(WELL)
def bucket_in_another_region_by_nat(vpc: Vpc) -> Node:
    return Node(vpc.node(*behind_nat(vpc)), parameters=ABROAD)


@topology({"s3": "confirms wrong-region", "ssm": "refutes"})
def bucket_whose_region_s3_tells(vpc: Vpc) -> Node:
    subnet, _, group = endpoints_only(vpc)
    named = {"InstallOverrideList": ("s3://topology-abroad/list.yaml",)}
    return Node(vpc.node(subnet, group), parameters=named)


@topology(WELL)
def bucket_in_the_own_region(vpc: Vpc) -> Node:
    subnet, _, group = endpoints_only(vpc)
    named = {"InstallOverrideList": ("s3://topology-here/list.yaml",)}
    return Node(vpc.node(subnet, group), parameters=named)


# --------------------------------------------------------------------------- IPv6


def six_only(vpc: Vpc, *routes: Mapping[str, str], group: str | None = None) -> Node:
    subnet = vpc.subnet(native=True)
    vpc.table(subnet, *routes)
    return Node(vpc.node(subnet, group or vpc.group(out=ALL_OUT_6), ipv6=SIX))


@topology(WELL, ipv6=True)
def ipv6_only_by_egress_only_gateway(vpc: Vpc) -> Node:
    return six_only(vpc, to(vpc.eigw(), ANY6))


@topology(WELL, ipv6=True)
def ipv6_only_by_internet_gateway(vpc: Vpc) -> Node:
    return six_only(vpc, to(vpc.igw(), ANY6))


@topology(SHUT, ipv6=True)
def ipv6_only_without_a_route(vpc: Vpc) -> Node:
    return six_only(vpc, to(vpc.nat(vpc.public_subnet())))


@topology({"s3": "confirms group-egress", "ssm": "confirms group-egress"}, ipv6=True)
def ipv6_only_with_a_group_for_ipv4(vpc: Vpc) -> Node:
    return six_only(vpc, to(vpc.eigw(), ANY6), group=vpc.group(out=ALL_OUT))


@topology({"s3": "confirms acl-out", "ssm": "confirms acl-out"}, ipv6=True)
def ipv6_only_with_an_acl_for_ipv4(vpc: Vpc) -> Node:
    subnet = vpc.subnet(native=True)
    vpc.table(subnet, to(vpc.eigw(), ANY6))
    vpc.acl(subnet, rule(100, "in"), rule(100, "out"))
    return Node(vpc.node(subnet, vpc.group(out=ALL_OUT_6), ipv6=SIX))


@topology({"s3": "confirms endpoint-ipv4-only", "ssm": "confirms endpoint-ipv4-only"}, ipv6=True)
def ipv6_only_with_endpoints_for_ipv4(vpc: Vpc) -> Node:
    subnet, other = vpc.subnet(native=True), vpc.subnet()
    vpc.gateway(vpc.table(subnet))
    vpc.messaging(other, vpc.group(into=[https(IpRanges=[{"CidrIp": ANY}])]))
    return Node(vpc.node(subnet, vpc.group(out=ALL_OUT_6), ipv6=SIX))


@topology({"s3": "refutes", "ssm": "confirms no-route"}, ipv6=True)
def ipv6_only_with_a_dual_stack_gateway_endpoint(vpc: Vpc) -> Node:
    subnet = vpc.subnet(native=True)
    vpc.gateway(vpc.table(subnet), IpAddressType="dualstack")
    return Node(vpc.node(subnet, vpc.group(out=ALL_OUT_6), ipv6=SIX))


@topology({**WELL, "wu": "neutral ipv6-only"}, ipv6=True)
def ipv6_only_windows_without_nat64(vpc: Vpc) -> Node:
    node = six_only(vpc, to(vpc.eigw(), ANY6))
    return replace(node, platform="windows", os_name="Windows Server 2022")


@topology({**WELL, "wu": "refutes"}, ipv6=True)
def ipv6_only_windows_with_nat64(vpc: Vpc) -> Node:
    nat = vpc.nat(vpc.public_subnet())
    subnet = vpc.subnet(native=True)
    vpc.ec2.modify_subnet_attribute(SubnetId=subnet, EnableDns64={"Value": True})
    vpc.table(subnet, to(vpc.eigw(), ANY6), to(nat, "64:ff9b::/96"))
    node = vpc.node(subnet, vpc.group(out=ALL_OUT_6), ipv6=SIX)
    return Node(node, "windows", "Windows Server 2022")


@topology({"s3": "neutral ipv6", "ssm": "neutral ipv6"}, ipv6=True)
def dual_stack_with_a_way_over_ipv6_alone(vpc: Vpc) -> Node:
    subnet = vpc.subnet(ipv6=True)
    vpc.table(subnet, to(vpc.eigw(), ANY6))
    return Node(vpc.node(subnet, vpc.group(out=ALL_OUT_6), ipv6=SIX))


@topology(SHUT, ipv6=True)
def dual_stack_with_no_way_at_all(vpc: Vpc) -> Node:
    subnet = vpc.subnet(ipv6=True)
    vpc.table(subnet)
    return Node(vpc.node(subnet, vpc.group(out=ALL_OUT_6), ipv6=SIX))


# --------------------------------------------------------------------------- the tests


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """A local cloud without the stack: these tests ask EC2 alone."""
    scenario = ROOT / "local" / "scenarios" / "healthy.yaml"
    state = tmp_path_factory.mktemp("bare")
    with LocalCloud(Project(ROOT), (scenario,), state=state) as running:
        _bucket(running, "topology-abroad", "eu-west-1")
        _bucket(running, "topology-here", REGION)
        yield running
        assert running.admin("GET", "health")["problems"] == []


def _bucket(cloud: LocalCloud, name: str, region: str) -> None:
    s3 = boto3.client(
        "s3",
        endpoint_url=cloud.endpoint,
        region_name=region,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": region})


@cache
def client_of(cloud: LocalCloud, service: str) -> Any:
    """Making a client costs more than all that one topology asks of it."""
    return cloud.client(service)


def judged(cloud: LocalCloud, node: Node) -> tuple[Finding, ...]:
    """The real look-ups of the network, the real checks."""
    lookups = Lookups(partial(client_of, cloud))
    ref = NodeRef(ACCOUNT, REGION, node.node_id)
    snapshot = lookups.snapshot(ref, needs_of(CHECKS), now=NOW, parameters=node.parameters)
    ec2_gaps = [g for g in snapshot.gaps if g.call.startswith(("ec2:", "s3:"))]
    assert [g for g in ec2_gaps if "lists-abroad" not in str(node.parameters)] == []
    assert snapshot.network is not None
    managed = ManagedNode(
        "ConnectionLost",
        NOW - timedelta(hours=1),
        node.agent,
        node.platform,  # type: ignore[arg-type]
        node.os_name,
    )
    return run_aws_checks(CHECKS, replace(snapshot, managed=managed, managed_read=True), NOW)


NAMES = {
    ("network-path", "s3-unreachable"): "s3",
    ("network-path", "ssm-endpoint-unreachable"): "ssm",
    ("network-path", "wu-unreachable"): "wu",
    ("repository-path", "repository-unreachable"): "repo",
    ("s3-endpoint-policy", "s3-access-denied"): "s3-policy",
    ("service-endpoint-policy", "iam-permission-missing"): "ssm-policy",
}


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_each_topology_gets_its_verdicts(bare: LocalCloud, name: str) -> None:
    build, expected, ipv6 = TOPOLOGIES[name]
    node = build(Vpc(client_of(bare, "ec2"), ipv6=ipv6))
    found = judged(bare, node)
    told = {
        NAMES[f.check, f.cause]: f"{f.verdict.value} {f.facts.get('obstacle', '')}".strip()
        for f in found
        if f.cause is not None
    }
    shown = {
        key: told.get(key) for key in {*expected, *(k for k in ("s3", "ssm", "wu") if k in told)}
    }
    assert shown == expected
    for finding in found:
        if finding.verdict.value == "confirms":
            _is_actionable(finding, node)


def _is_actionable(finding: Finding, node: Node) -> None:
    """A confirmed finding names the thing to change, where, and what to type."""
    assert finding.resource
    assert finding.commands
    assert "console" in finding.fix["en"]
    assert "コンソール" in finding.fix["ja"]
    if finding.check == "network-path":
        assert finding.facts["resource"] == finding.resource
        assert finding.facts["chain"].startswith(f"{node.node_id} -> ")


def test_there_are_enough_of_them() -> None:
    assert len(TOPOLOGIES) >= 30
