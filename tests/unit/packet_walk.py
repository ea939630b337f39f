"""One packet at a time through a VPC: what the model of reachability is held against.

Here: where a packet with concrete addresses and ports gets stuck, and which packets have to be
tried so that nothing is missed.  Not here: any set of addresses, any doubt.  Numbers are compared,
rule by rule, as a router would; nothing of ``reach`` or ``filters`` is used.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address, ip_network

from patchmedic.checks.aws.snapshot import (
    Acl,
    Endpoint,
    Interface,
    NatGateway,
    Network,
    Route,
    RouteTable,
    SecurityGroup,
    Subnet,
)

TCP = ("-1", "6", "tcp")


@dataclass(frozen=True)
class Address:
    family: int
    number: int


@cache
def span(cidr: str) -> tuple[int, int, int]:
    """Family, first and last address of a block."""
    net = ip_network(cidr, strict=False)
    return net.version, int(net[0]), int(net[-1])


@cache
def address(text: str) -> Address:
    found = ip_address(text)
    return Address(found.version, int(found))


def within(host: Address, cidr: str) -> bool:
    family, first, last = span(cidr)
    return host.family == family and first <= host.number <= last


# --------------------------------------------------------------------------- which packets


def _cidrs(network: Network) -> Iterator[str]:
    """Every block that any rule or route of the VPC names."""
    for listed in network.prefix_lists or ():
        yield from listed.cidrs
    for group in network.groups or ():
        for each in group.rules:
            yield from each.cidrs
    for acl in network.acls or ():
        yield from (e.cidr for e in acl.entries)
    for table in network.route_tables or ():
        yield from (r.destination for r in table.routes if not r.destination.startswith("pl-"))


def hosts(network: Network, blocks: Iterable[str]) -> list[Address]:
    """Every address at which the answer can change, within the blocks."""
    blocks = list(blocks)
    points = set()
    for cidr in (*blocks, *_cidrs(network)):
        family, first, last = span(cidr)
        points |= {Address(family, n) for n in (first - 1, first, last, last + 1)}
    return [p for p in points if any(within(p, block) for block in blocks)]


def ports(network: Network, first: int, last: int) -> list[int]:
    """Every port at which the answer can change, from first to last."""
    points = {first, last}
    for acl in network.acls or ():
        for entry in acl.entries:
            edges = (entry.port_first - 1, entry.port_first, entry.port_last, entry.port_last + 1)
            points.update(edges)
    return sorted(p for p in points if first <= p <= last)


# --------------------------------------------------------------------------- one filter


def acl_lets(acl: Acl, egress: bool, host: Address, port: int) -> bool:
    for entry in sorted(acl.entries, key=lambda e: e.number):
        if entry.egress is not egress or entry.protocol not in TCP:
            continue
        if within(host, entry.cidr) and entry.port_first <= port <= entry.port_last:
            return entry.allow
    return False


def groups_let(
    network: Network,
    groups: Iterable[SecurityGroup],
    egress: bool,
    host: Address,
    port: int,
    host_groups: Iterable[str] = (),
) -> bool:
    for rule in (r for g in groups for r in g.rules):
        if rule.egress is not egress or rule.protocol not in TCP:
            continue
        if rule.protocol != "-1" and not rule.port_first <= port <= rule.port_last:
            continue
        if set(host_groups) & set(rule.group_ids):
            return True
        cidrs = list(rule.cidrs)
        for listed in network.prefix_lists or ():
            if listed.list_id in rule.prefix_list_ids:
                cidrs += listed.cidrs
        if any(within(host, cidr) for cidr in cidrs):
            return True
    return False


def route_for(network: Network, table: RouteTable, host: Address) -> Route | None:
    """The longest prefix wins."""
    best: tuple[int, Route] | None = None
    lists = {p.list_id: p.cidrs for p in network.prefix_lists or ()}
    for route in table.routes:
        for cidr in lists.get(route.destination, (route.destination,)):
            if not within(host, cidr):
                continue
            length = int(cidr.partition("/")[2])
            if best is None or length > best[0]:
                best = (length, route)
    return best[1] if best else None


# --------------------------------------------------------------------------- a packet's way


@dataclass(frozen=True)
class Walker:
    """A node's interface, from which packets to TCP 443 go out and answers come back."""

    network: Network
    interface: Interface
    port: int = 443

    @property
    def subnet(self) -> Subnet:
        return self._subnet(self.interface.subnet_id)

    def _subnet(self, subnet_id: str) -> Subnet:
        return next(s for s in self.network.subnets or () if s.subnet_id == subnet_id)

    def _table(self, subnet_id: str) -> RouteTable:
        tables = self.network.route_tables or ()
        named = [t for t in tables if subnet_id in t.subnet_ids]
        return named[0] if named else next(t for t in tables if t.is_main)

    def _acl(self, subnet_id: str) -> Acl:
        return next(a for a in self.network.acls or () if subnet_id in a.subnet_ids)

    def _groups(self, ids: Iterable[str]) -> list[SecurityGroup]:
        return [g for g in self.network.groups or () if g.group_id in ids]

    def source(self, family: int) -> Address:
        own = self.interface.private_ip if family == 4 else self.interface.ipv6[0]
        assert own is not None
        return address(own)

    def to_world(self, host: Address, back: int) -> tuple[bool | None, ...]:
        """Stage by stage: group, route, own ACL out and in, the gateway.

        ``None`` for a gateway into a network that nobody here can see.
        """
        groups = self._groups(self.interface.group_ids)
        acl = self._acl(self.interface.subnet_id)
        route = route_for(self.network, self._table(self.interface.subnet_id), host)
        return (
            groups_let(self.network, groups, True, host, self.port),
            route is not None and not route.blackhole,
            acl_lets(acl, True, host, self.port),
            acl_lets(acl, False, host, back),
            self._beyond(route, host, back) if route is not None and not route.blackhole else False,
        )

    def _beyond(self, route: Route, host: Address, back: int) -> bool | None:
        target = route.target
        if target.startswith("igw-"):
            return host.family == 6 or self.interface.public_ip is not None
        if target.startswith("eigw-"):
            return host.family == 6
        if target.startswith("vpce-"):
            return True
        if target.startswith("nat-"):
            nat = next(n for n in self.network.nats or () if n.nat_id == target)
            return self._by_nat(nat, host, back)
        return None

    def _by_nat(self, nat: NatGateway, host: Address, back: int) -> bool:
        if nat.state != "available" or not nat.public:
            return False
        assert nat.subnet_id is not None
        out = route_for(self.network, self._table(nat.subnet_id), address("198.51.100.1"))
        if out is None or out.blackhole or not out.target.startswith("igw-"):
            return False
        acl, own = self._acl(nat.subnet_id), self.source(4)
        near = nat.subnet_id == self.interface.subnet_id or (
            acl_lets(acl, False, own, self.port) and acl_lets(acl, True, own, back)
        )
        far = acl_lets(acl, True, host, self.port)
        return near and far and all(acl_lets(acl, False, host, p) for p in (1024, 30000, 65535))

    def to_endpoint(self, endpoint: Endpoint, subnet_id: str, host: Address, back: int) -> bool:
        """To one of the endpoint's own interfaces, inside the VPC."""
        own = self.source(host.family)
        mine, theirs = self.interface.group_ids, endpoint.group_ids
        if not groups_let(self.network, self._groups(mine), True, host, self.port, theirs):
            return False
        if not groups_let(self.network, self._groups(theirs), False, own, self.port, mine):
            return False
        if subnet_id == self.interface.subnet_id:
            return True
        here, there = self._acl(self.interface.subnet_id), self._acl(subnet_id)
        return (
            acl_lets(here, True, host, self.port)
            and acl_lets(there, False, own, self.port)
            and acl_lets(there, True, own, back)
            and acl_lets(here, False, host, back)
        )
