"""The model of reachability against a packet walk, on many made-up VPCs.

``reach`` reasons over blocks of addresses; ``packet_walk`` sends single packets.  OPEN has to mean
that every packet passes, BLOCKED that none does, and UNKNOWN needs a reason that is written here.
The VPCs come from fixed seeds, so that a failure names the one to look at.
"""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest
from packet_walk import Walker, hosts, ports, within

from patchmedic.checks.aws.filters import Way
from patchmedic.checks.aws.reach import (
    EPHEMERAL,
    PUBLIC4,
    PUBLIC6,
    Reach,
    to_internet,
    to_s3,
    to_service,
    views,
)
from patchmedic.checks.aws.snapshot import (
    Acl,
    AclEntry,
    Endpoint,
    GroupRule,
    Instance,
    Interface,
    NatGateway,
    Network,
    NodeSnapshot,
    PrefixList,
    Route,
    RouteTable,
    SecurityGroup,
    Subnet,
)
from patchmedic.model import NodeRef

REGION = "ap-northeast-1"
NODE = NodeRef("123456789012", REGION, "i-0a1b2c3d4e5f60001")
S3 = ("3.5.152.0/21", "52.219.0.0/20")
ANY, ANY6 = "0.0.0.0/0", "::/0"
BLOCKS = (ANY, ANY, "10.1.0.0/16", "10.1.2.0/24", *S3, "52.0.0.0/8", "128.0.0.0/1")
BLOCKS6 = (ANY6, "2001:db8::/32", "2600::/12")
SPANS = ((0, 65535), (443, 443), (80, 80), (1024, 65535), (32768, 60999), (49152, 65535))
SEEDS = range(300)
UNKNOWN_SHARE_MAX = 0.25
"""Some of the VPCs are doubtful for good reason; more doubt than this would be a lame model."""


# --------------------------------------------------------------------------- made-up VPCs


def made_up(seed: int) -> NodeSnapshot:
    """A VPC of four subnets that is right and wrong by chance, the common makes more often."""
    r = Random(seed)
    family = r.choice(("four", "four", "four", "six", "both"))
    interface = Interface(
        "eni-1",
        "subnet-1",
        None if family == "six" else "10.1.1.7",
        r.choice((None, "198.51.100.7")),
        ("sg-node",),
        ipv6=() if family == "four" else ("2001:db8:1::7",),
    )
    network = Network(
        vpc_id="vpc-1",
        subnets=tuple(
            Subnet(f"subnet-{n}", f"10.1.{n}.0/24", ipv6_cidrs=(f"2001:db8:{n}::/64",))
            for n in range(1, 5)
        ),
        route_tables=_tables(r),
        acls=tuple(_acl(r, f"acl-{n}", f"subnet-{n}") for n in range(1, 5)),
        groups=(_group(r, "sg-node", True), _group(r, "sg-endpoint", False)),
        endpoints=_endpoints(r),
        nats=(_nat(r),),
        prefix_lists=(
            PrefixList("pl-s3", f"com.amazonaws.{REGION}.s3", S3),
            PrefixList("pl-own", "", ("10.1.0.0/16", "52.219.0.0/20")),
        ),
        dns_support=True,
        dns_hostnames=r.random() < 0.9,
        amazon_dns=r.random() < 0.9,
    )
    platform = r.choice(("linux", "windows"))
    instance = Instance(
        NODE.node_id, "running", platform=platform, vpc_id="vpc-1", interfaces=(interface,)
    )  # type: ignore[arg-type]
    return NodeSnapshot(NODE, instance=instance, network=network)


def _tables(r: Random) -> tuple[RouteTable, ...]:
    local = (Route("10.1.0.0/16", "local"), Route("2001:db8::/32", "local"))
    routes = [*local]
    out = r.choice(("", "igw-1", "igw-1", "nat-1", "nat-1", "nat-1", "tgw-1"))
    if out:
        routes.append(Route(ANY, out, blackhole=r.random() < 0.1))
    if r.random() < 0.2:
        part = r.choice(("52.0.0.0/8", "3.0.0.0/8", "pl-s3"))
        routes.append(Route(part, r.choice(("igw-1", "nat-1")), blackhole=r.random() < 0.5))
    if r.random() < 0.1:
        routes.append(Route("52.219.4.0/24", "nat-1", blackhole=r.random() < 0.5))
    six = r.choice(("", "eigw-1", "eigw-1", "igw-1"))
    if six:
        routes.append(Route(ANY6, six, blackhole=r.random() < 0.1))
    if r.random() < 0.3 and not any(route.destination == "pl-s3" for route in routes):
        routes.append(Route("pl-s3", "vpce-s3"))
    public = (*local, Route(ANY, "igw-1"), Route(ANY6, "igw-1"))
    beyond = public if r.random() < 0.8 else local
    return (
        RouteTable("rtb-1", tuple(routes), ("subnet-1",)),
        RouteTable("rtb-public", beyond, ("subnet-3",)),
        RouteTable("rtb-main", local, is_main=True),
    )


def _acl(r: Random, acl_id: str, subnet_id: str) -> Acl:
    """Mostly open; else a few rules in a row."""
    every = [AclEntry(900 + n, e, True, c) for n, c in ((0, ANY), (1, ANY6)) for e in (True, False)]
    if r.random() < 0.7:
        return Acl(acl_id, tuple(every), (subnet_id,))
    rules = [
        AclEntry(
            10 * n,
            r.random() < 0.5,
            r.random() < 0.6,
            r.choice((*BLOCKS, *BLOCKS6)),
            r.choice(("6", "6", "-1", "17")),
            *r.choice(SPANS),
        )
        for n in range(r.randint(1, 4))
    ]
    return Acl(acl_id, (*rules, *every[: r.choice((0, 1, 2, 4, 4))]), (subnet_id,))


def _group(r: Random, group_id: str, egress: bool) -> SecurityGroup:
    if r.random() < 0.6:
        return SecurityGroup(group_id, (GroupRule(egress, cidrs=(ANY, ANY6)),))
    rules: list[GroupRule] = []
    for _ in range(r.randint(0, 3)):
        first, last = r.choice(SPANS)
        to: dict[str, Any] = r.choice(
            (
                {"cidrs": (r.choice(BLOCKS),)},
                {"cidrs": (r.choice(BLOCKS6),)},
                {"prefix_list_ids": (r.choice(("pl-s3", "pl-own")),)},
                {"group_ids": (r.choice(("sg-endpoint", "sg-node", "sg-other")),)},
            )
        )
        rules.append(GroupRule(egress, r.choice(("tcp", "tcp", "udp")), first, last, **to))
    return SecurityGroup(group_id, tuple(rules))


def _endpoints(r: Random) -> tuple[Endpoint, ...]:
    found = [Endpoint("vpce-s3", "s3", "gateway", "available", REGION, ip_type="ipv4")]
    if r.random() < 0.6:
        subnets = r.choice((("subnet-1",), ("subnet-2",), ("subnet-2", "subnet-4")))
        found.append(
            Endpoint(
                "vpce-ssm",
                "ssm",
                "interface",
                "pending" if r.random() < 0.05 else "available",
                "us-east-1" if r.random() < 0.05 else REGION,
                private_dns=r.random() < 0.85,
                subnet_ids=subnets,
                group_ids=("sg-endpoint",),
                ip_type=r.choice(("ipv4", "dualstack")),
                dns_names=(f"ssm.{REGION}.api.aws",),
            )
        )
    return tuple(found)


def _nat(r: Random) -> NatGateway:
    state = r.choice(("available", "available", "available", "available", "failed", "pending"))
    subnet = r.choice(("subnet-3", "subnet-3", "subnet-3", "subnet-2"))
    return NatGateway("nat-1", state, subnet, r.random() < 0.9)


# --------------------------------------------------------------------------- the walk's answer


class Told:
    """What packets met: whether each passed, and whether any stage let only some through."""

    def __init__(self) -> None:
        self.passed: set[bool | None] = set()
        """``None``: the packet left for another network."""
        self.stages: list[set[bool | None]] = []
        self.doubts: set[str] = set()

    def add(self, stages: tuple[bool | None, ...]) -> None:
        self.passed.add(False if False in stages else None if None in stages else True)
        self.stages += [set() for _ in range(len(stages) - len(self.stages))]
        for seen, stage in zip(self.stages, stages, strict=False):
            seen.add(stage)

    @property
    def mixed(self) -> bool:
        return any(len(seen) > 1 for seen in self.stages)


def _world(snapshot: NodeSnapshot, blocks: list[str], *, s3: bool) -> Told:
    told = Told()
    network, instance = snapshot.network, snapshot.instance
    assert network is not None
    assert instance is not None
    walker = Walker(network, instance.interfaces[0])
    back = EPHEMERAL[snapshot.platform or "linux"]
    for host in hosts(network, blocks):
        if not s3 and any(within(host, block) for block in S3):
            continue  # S3's own addresses, which no other service has
        if within(host, "2001:db8::/32"):
            continue  # the VPC's own
        for port in ports(network, *back):
            told.add(walker.to_world(host, port))
    if any(n.state == "pending" for n in network.nats or ()):
        told.doubts.add("a NAT gateway on its way up")
    if _has(network, "tgw-"):
        told.doubts.add("another network, where a proxy may stand")
    if network.nats and not network.nats[0].public:
        told.doubts.add("a private NAT gateway")
    return told


def _has(network: Network, start: str) -> bool:
    tables = network.route_tables or ()
    return any(r.target.startswith(start) for t in tables for r in t.routes)


def _blocks(family: int, goal: str) -> list[str]:
    if family == 6:
        return [str(n) for n in PUBLIC6]
    return list(S3) if goal == "s3" else [str(n) for n in PUBLIC4]


def walked(snapshot: NodeSnapshot, family: int, goal: str) -> Told:
    """All packets to the goal, in this family; a service may have an endpoint in the VPC."""
    network = snapshot.network
    assert network is not None
    world = _world(snapshot, _blocks(family, goal), s3=goal == "s3")
    if goal != "ssm":
        return world
    found = [e for e in network.endpoints or () if e.service == "ssm" and e.region == REGION]
    if not found:
        return world
    endpoint = found[0]
    serves = endpoint.ip_type == "dualstack" or family == 4
    if not endpoint.private_dns or not serves:
        if world.passed != {True}:
            world.doubts.add("a private hosted zone may lead to the endpoint")
        return world
    if not network.amazon_dns:
        world.doubts.add("DNS servers of the customer's own")
    if not network.amazon_dns or not network.dns_hostnames:
        return world
    return _inside(snapshot, endpoint, family)


def _inside(snapshot: NodeSnapshot, endpoint: Endpoint, family: int) -> Told:
    told = Told()
    network, instance = snapshot.network, snapshot.instance
    assert network is not None
    assert instance is not None
    walker = Walker(network, instance.interfaces[0])
    back = EPHEMERAL[snapshot.platform or "linux"]
    for subnet in (s for s in network.subnets or () if s.subnet_id in endpoint.subnet_ids):
        block = subnet.ipv6_cidrs[0] if family == 6 else str(subnet.cidr)
        for host in hosts(network, [block]):
            for port in ports(network, *back):
                told.add((walker.to_endpoint(endpoint, subnet.subnet_id, host, port),))
    if endpoint.state != "available":
        told.doubts.add("an endpoint on its way up")
    return told


WAYS = {
    "s3": to_s3,
    "ssm": lambda view: to_service(view, "ssm"),
    "internet": to_internet,
}


def _compared(seed: int, goal: str) -> tuple[Reach, Told]:
    snapshot = made_up(seed)
    found = views(snapshot)
    assert not isinstance(found, Reach)
    view = found[0]
    told = walked(snapshot, view.family, goal)
    if view.six is not None and told.passed != {True}:
        told.doubts.add("a second family")
    if view.family == 6 and goal == "internet":
        told.doubts.add("hosts with IPv4 addresses only")
    return WAYS[goal](view), told


@pytest.mark.parametrize("goal", WAYS)
def test_the_model_says_what_the_packets_meet(goal: str) -> None:
    ways: Counter[Way] = Counter()
    for seed in SEEDS:
        reach, told = _compared(seed, goal)
        ways[reach.way] += 1
        if reach.way is Way.UNKNOWN:
            unsure = told.doubts or told.mixed or None in told.passed
            assert unsure, (seed, reach, told.stages)
            continue
        assert told.passed == {reach.way is Way.OPEN}, (seed, reach, told.stages)
    assert min(ways[Way.OPEN], ways[Way.BLOCKED]) > len(SEEDS) / 20, ways
    assert ways[Way.UNKNOWN] <= UNKNOWN_SHARE_MAX * len(SEEDS), ways
