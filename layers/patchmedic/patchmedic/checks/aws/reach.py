"""Can a packet from the node get there and back?  The model of a VPC that network checks use.

Here: routes, gateways, endpoints, security groups and network ACLs, for IPv4 and TCP port 443,
as pure functions of a snapshot.  Not here: sentences and commands (``network``), or how the
snapshot is read (``patchmedic.lookups``).

Every answer is one of three.  ``BLOCKED`` needs a definite obstacle that no unread fact could
lift; ``OPEN`` needs every step to be open; anything else is ``UNKNOWN``.  Obstacles stand one
behind the other on the way, so one definite obstacle decides, whatever else is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Network, collapse_addresses, ip_network

from patchmedic.checks.aws.snapshot import (
    Acl,
    AclEntry,
    Endpoint,
    GroupRule,
    Interface,
    Network,
    NodeSnapshot,
    Route,
    RouteTable,
    SecurityGroup,
    Subnet,
)

HTTPS = 443
TCP = frozenset({"-1", "6", "tcp"})
EPHEMERAL = {"linux": (32768, 60999), "windows": (49152, 65535), "macos": (49152, 65535)}
EPHEMERAL_ANY = (1024, 65535)
DEFAULT = IPv4Network("0.0.0.0/0")
_NOT_PUBLIC = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "224.0.0.0/3",
)
_ENDPOINT_DEAD = frozenset({"failed", "rejected", "expired", "deleted"})


class Way(StrEnum):
    """What is known about a way."""

    OPEN = "open"
    BLOCKED = "blocked"
    UNKNOWN = "unknown"


class Obstacle(StrEnum):
    """Why a way is not open: blocked for sure above the line, unsure below it."""

    NO_ROUTE = "no-route"
    ENDPOINT_NOT_ASSOCIATED = "endpoint-not-associated"
    BLACKHOLE = "blackhole"
    NO_PUBLIC_ADDRESS = "no-public-address"
    NAT_DOWN = "nat-down"
    NAT_PRIVATE = "nat-private"
    NAT_WITHOUT_INTERNET = "nat-without-internet"
    GROUP_EGRESS = "group-egress"
    ENDPOINT_GROUP = "endpoint-group"
    ACL_OUT = "acl-out"
    ACL_IN = "acl-in"
    # --- unsure
    PRIVATE_DNS_OFF = "private-dns-off"
    ENDPOINT_STATE = "endpoint-state"
    OTHER_WAY = "other-way"
    CUSTOM_DNS = "custom-dns"
    PARTLY = "partly"
    IPV6 = "ipv6"
    CONTRADICTED = "contradicted"
    NOT_READ = "not-read"


@dataclass(frozen=True, slots=True)
class Reach:
    """One answer: open or not, what stands in the way, and the steps looked at."""

    way: Way
    chain: tuple[str, ...] = ()
    """The resources on the way, from the node outwards."""
    obstacle: Obstacle | None = None
    resource: str = ""
    """What a person has to change (or look at)."""
    detail: str = ""
    """A second id that the sentence needs: a route's target, an endpoint, the port range."""


@dataclass(frozen=True, slots=True)
class View:
    """One interface of the node in its VPC, with all that surrounds it looked up once."""

    network: Network
    region: str
    interface: Interface
    subnet: Subnet
    table: RouteTable
    acl: Acl | None
    groups: tuple[SecurityGroup, ...] | None
    ephemeral: tuple[int, int]
    source: IPv4Network = field(default=DEFAULT)

    @property
    def chain(self) -> tuple[str, ...]:
        return (self.subnet.subnet_id, self.table.table_id)


def _public() -> tuple[IPv4Network, ...]:
    nets = [DEFAULT]
    for private in map(IPv4Network, _NOT_PUBLIC):
        nets = [
            part
            for net in nets
            for part in (net.address_exclude(private) if private.subnet_of(net) else [net])
        ]
    return tuple(nets)


PUBLIC = _public()
"""All addresses of the public internet, as disjoint blocks."""


def views(snapshot: NodeSnapshot) -> tuple[View, ...] | Reach:
    """The node's interfaces, primary first; a ``Reach`` that says why when they are unknown."""
    network, instance = snapshot.network, snapshot.instance
    if network is None or instance is None or not instance.interfaces:
        return Reach(Way.UNKNOWN, obstacle=Obstacle.NOT_READ, resource=snapshot.node.node_id)
    found = []
    for interface in sorted(instance.interfaces, key=lambda i: i.device_index):
        view = _view(snapshot, network, interface)
        if isinstance(view, Reach):
            return view
        found.append(view)
    return tuple(found)


def _view(snapshot: NodeSnapshot, network: Network, interface: Interface) -> View | Reach:
    subnet = network.subnet(interface.subnet_id)
    table = network.table_of(interface.subnet_id)
    if subnet is None or table is None:
        missing = interface.subnet_id
        return Reach(Way.UNKNOWN, (missing,), Obstacle.NOT_READ, missing)
    if interface.private_ip is None or subnet.cidr is None:
        return Reach(Way.UNKNOWN, (subnet.subnet_id,), Obstacle.IPV6, subnet.subnet_id)
    source = _nets([f"{interface.private_ip}/32"])[0]
    ports = EPHEMERAL.get(snapshot.platform or "", EPHEMERAL_ANY)
    acl = network.acl_of(interface.subnet_id)
    groups = _groups(network, interface.group_ids)
    return View(network, snapshot.node.region, interface, subnet, table, acl, groups, ports, source)


def over_interfaces(answers: Sequence[Reach]) -> Reach:
    """The node's answer from its interfaces'.

    The operating system chooses the interface, normally the first.  So the first one's word
    counts, except that a block is certain only when every interface is blocked.
    """
    first = answers[0]
    if first.way is not Way.BLOCKED or all(a.way is Way.BLOCKED for a in answers):
        return first
    return Reach(Way.UNKNOWN, first.chain, Obstacle.PARTLY, first.resource, first.detail)


# --------------------------------------------------------------------------- destinations


def to_internet(view: View) -> Reach:
    """Any public host, as Windows Update's."""
    return _beside_ipv6(view, _to_public(view, PUBLIC, frozenset()))


def to_s3(view: View) -> Reach:
    """S3 in the node's Region, by its regional names."""
    endpoints = view.network.endpoints
    if endpoints is None:
        return _whatever(view, Reach(Way.UNKNOWN, view.chain, Obstacle.NOT_READ, "endpoints"))
    interface = _usable(e for e in endpoints if e.service == "s3" and e.kind == "interface")
    resolving = [e for e in interface if e.private_dns and not e.private_dns_inbound_only]
    public = _s3_by_route(view, endpoints)
    return _beside_ipv6(view, _by_endpoint_or_public(view, resolving, interface, public))


def to_service(view: View, service: str) -> Reach:
    """``ssm``, ``ssmmessages`` or ``ec2messages`` in the node's Region."""
    endpoints = view.network.endpoints
    if endpoints is None:
        return _whatever(view, Reach(Way.UNKNOWN, view.chain, Obstacle.NOT_READ, "endpoints"))
    all_of_it = _usable(
        e
        for e in endpoints
        if e.service == service and e.kind == "interface" and e.region == view.region
    )
    resolving = [e for e in all_of_it if e.private_dns]
    public = _to_public(view, PUBLIC, frozenset())
    return _beside_ipv6(view, _by_endpoint_or_public(view, resolving, all_of_it, public))


def _beside_ipv6(view: View, reach: Reach) -> Reach:
    """A node that also speaks IPv6 and has a way out with it may use dual-stack names."""
    live = any(
        ":" in r.destination and not r.blackhole
        for r in view.table.routes
        if r.target.startswith(("igw-", "eigw-", "tgw-", "eni-"))
    )
    if reach.way is Way.BLOCKED and view.interface.has_ipv6 and live:
        return Reach(Way.UNKNOWN, reach.chain, Obstacle.IPV6, reach.resource, reach.detail)
    return reach


def s3_endpoints_on_way(view: View) -> tuple[Endpoint, ...] | None:
    """The S3 endpoints that requests of the node pass; ``None`` when that is not known."""
    endpoints = view.network.endpoints
    if endpoints is None:
        return None
    usable = _usable(e for e in endpoints if e.service == "s3")
    private = [e for e in usable if e.private_dns and not e.private_dns_inbound_only]
    if private and _private_dns(view.network) is not True:
        return None
    return tuple(private) or tuple(_gateways(view, usable))


def _usable(endpoints: Iterable[Endpoint]) -> list[Endpoint]:
    return [e for e in endpoints if e.state not in _ENDPOINT_DEAD]


def _by_endpoint_or_public(
    view: View, resolving: list[Endpoint], present: list[Endpoint], public: Reach
) -> Reach:
    """Private DNS sends the node to the endpoint, even when a better way exists beside it."""
    if not resolving:
        if present and public.way is Way.BLOCKED:
            # A private hosted zone could still lead to it, which EC2 does not show.
            named = present[0].endpoint_id
            return _whatever(
                view,
                Reach(
                    Way.UNKNOWN,
                    (*view.chain, named),
                    Obstacle.PRIVATE_DNS_OFF,
                    named,
                    present[0].service,
                ),
            )
        return public
    private = _to_endpoint(view, resolving[0])
    if _private_dns(view.network) is True or private.way is public.way:
        return private
    return Reach(
        Way.UNKNOWN, private.chain, Obstacle.CUSTOM_DNS, view.network.vpc_id, private.resource
    )


def _private_dns(network: Network) -> bool | None:
    """Whether private names of endpoints resolve in this VPC."""
    if network.dns_support is False or network.dns_hostnames is False:
        return False
    if network.amazon_dns is False or None in (network.dns_support, network.dns_hostnames):
        return None
    return network.amazon_dns


def _whatever(view: View, unsure: Reach) -> Reach:
    """The unsure answer, unless the node's own groups let nothing out on 443 at all."""
    if view.groups is not None and not any(
        _covers(r, HTTPS, True) for g in view.groups for r in g.rules
    ):
        return _group_blocked(view)
    return unsure


# --------------------------------------------------------------------------- by route


def _gateways(view: View, usable: Iterable[Endpoint]) -> list[Endpoint]:
    """S3 gateway endpoints that the node's route table uses."""
    targets = {r.target for r in view.table.routes}
    return [
        e
        for e in usable
        if e.kind == "gateway"
        and e.service == "s3"
        and (view.table.table_id in e.route_table_ids or e.endpoint_id in targets)
    ]


def _s3_by_route(view: View, endpoints: Sequence[Endpoint]) -> Reach:
    listed = view.network.s3_list(view.region)
    nets = _nets(listed.cidrs) if listed and listed.cidrs else PUBLIC
    lists = {listed.list_id} if listed else set()
    usable = _usable(endpoints)
    gateways = _gateways(view, usable)
    if not gateways:
        reach = _to_public(view, nets, frozenset(lists))
        idle = [e for e in usable if e.service == "s3" and e.kind == "gateway"]
        if reach.obstacle is Obstacle.NO_ROUTE and idle:
            return Reach(
                Way.BLOCKED,
                view.chain,
                Obstacle.ENDPOINT_NOT_ASSOCIATED,
                view.table.table_id,
                idle[0].endpoint_id,
            )
        return reach
    gateway = gateways[0]
    chain = (*view.chain, gateway.endpoint_id)
    lists |= {
        r.destination
        for r in view.table.routes
        if r.target == gateway.endpoint_id and r.destination.startswith("pl-")
    }
    if gateway.state != "available":
        step = Reach(
            Way.UNKNOWN, chain, Obstacle.ENDPOINT_STATE, gateway.endpoint_id, gateway.state
        )
    else:
        step = Reach(Way.OPEN, chain)
    return _first_of(step, _node_filters(view, nets, frozenset(lists), chain))


def _to_public(view: View, nets: Sequence[IPv4Network], list_ids: frozenset[str]) -> Reach:
    """Out of the VPC by the route table: internet gateway, NAT, or something unseen."""
    routes = _routes_for(view, nets)
    if isinstance(routes, Reach):
        return _whatever(view, routes)
    steps = [_through(view, route) for route in routes]
    if len({s.way for s in steps}) > 1:
        mixed = Reach(Way.UNKNOWN, view.chain, Obstacle.PARTLY, view.table.table_id)
        return _first_of(mixed, _node_filters(view, nets, list_ids, view.chain))
    return _first_of(steps[0], _node_filters(view, nets, list_ids, steps[0].chain))


def _routes_for(view: View, nets: Sequence[IPv4Network]) -> list[Route] | Reach:
    """The distinct routes that carry these addresses, or why there is none (or none known)."""
    chosen: list[Route] = []
    missing = False
    for net in nets:
        route = _longest(view, net)
        if route is None:
            missing = True
        elif route not in chosen:
            chosen.append(route)
    if not missing:
        return chosen
    if not chosen and _partly_routed(view, nets):
        return Reach(Way.UNKNOWN, view.chain, Obstacle.PARTLY, view.table.table_id)
    if chosen or _elsewhere(view):
        detail = next((r.target for r in (*chosen, *_elsewhere(view))), "")
        return Reach(Way.UNKNOWN, view.chain, Obstacle.OTHER_WAY, view.table.table_id, detail)
    return Reach(Way.BLOCKED, view.chain, Obstacle.NO_ROUTE, view.table.table_id)


def _longest(view: View, net: IPv4Network) -> Route | None:
    """The most specific route that covers the whole block.  Routes to parts of it are left out:
    they carry a customer's own destinations, and AWS's public blocks are not split by hand."""
    best: tuple[int, Route] | None = None
    for route in view.table.routes:
        for cidr in _destinations(view.network, route):
            if net.subnet_of(cidr) and (best is None or cidr.prefixlen > best[0]):
                best = (cidr.prefixlen, route)
    return best[1] if best else None


def _partly_routed(view: View, nets: Sequence[IPv4Network]) -> bool:
    """Live routes to parts of these addresses, or to a list whose addresses are unknown."""
    gateways = {e.endpoint_id for e in view.network.endpoints or () if e.kind == "gateway"}
    for route in view.table.routes:
        if route.blackhole or route.target == "local" or route.target in gateways:
            continue
        blocks = _destinations(view.network, route)
        if not blocks and _is_ipv4(route):
            return True
        if any(net.overlaps(block) for net in nets for block in blocks):
            return True
    return False


def _destinations(network: Network, route: Route) -> tuple[IPv4Network, ...]:
    if route.destination.startswith("pl-"):
        known = network.prefix_list(route.destination)
        return _nets(known.cidrs) if known else ()
    return _nets([route.destination])


def _elsewhere(view: View) -> list[Route]:
    """Routes into other networks, where a proxy, NAT or shared endpoints may stand."""
    gateways = {e.endpoint_id for e in view.network.endpoints or () if e.kind == "gateway"}
    ends = ("igw-", "nat-", "eigw-")
    return [
        r
        for r in view.table.routes
        if not r.blackhole
        and r.target != "local"
        and r.target not in gateways
        and not r.target.startswith(ends)
        and _is_ipv4(r)
    ]


def _is_ipv4(route: Route) -> bool:
    return ":" not in route.destination


def _through(view: View, route: Route) -> Reach:
    """One hop further: what the route's target does with a packet to a public address."""
    chain = (*view.chain, route.target)
    if route.blackhole:
        return Reach(Way.BLOCKED, chain, Obstacle.BLACKHOLE, view.table.table_id, route.target)
    if route.target.startswith("igw-"):
        if view.interface.public_ip is None:
            return Reach(
                Way.BLOCKED,
                chain,
                Obstacle.NO_PUBLIC_ADDRESS,
                view.interface.interface_id,
                route.target,
            )
        return Reach(Way.OPEN, chain)
    if route.target.startswith("nat-"):
        return _through_nat(view, route.target, chain)
    return Reach(Way.UNKNOWN, chain, Obstacle.OTHER_WAY, route.target, route.target)


def _through_nat(view: View, nat_id: str, chain: tuple[str, ...]) -> Reach:
    network = view.network
    nat = next((n for n in network.nats or () if n.nat_id == nat_id), None)
    if nat is None:
        # A NAT gateway of another account (shared VPC), or a call that failed.
        return Reach(Way.UNKNOWN, chain, Obstacle.NOT_READ, nat_id)
    if nat.state != "available":
        sure = nat.state in ("failed", "deleting", "deleted")
        return Reach(
            Way.BLOCKED if sure else Way.UNKNOWN, chain, Obstacle.NAT_DOWN, nat_id, nat.state
        )
    if not nat.public:
        beyond = network.table_of(nat.subnet_id) if nat.subnet_id else None
        targets = [r.target for r in beyond.routes] if beyond else ["?"]
        sure = all(t == "local" or t.startswith("igw-") for t in targets)
        return Reach(Way.BLOCKED if sure else Way.UNKNOWN, chain, Obstacle.NAT_PRIVATE, nat_id)
    if nat.subnet_id is None:
        return Reach(Way.OPEN, chain)
    return _nat_subnet(view, nat_id, nat.subnet_id, chain)


def _nat_subnet(view: View, nat_id: str, subnet_id: str, chain: tuple[str, ...]) -> Reach:
    """A public NAT gateway works only from a subnet that itself leads to an internet gateway."""
    table = view.network.table_of(subnet_id)
    chain = (*chain, subnet_id)
    if table is None:
        return Reach(Way.UNKNOWN, chain, Obstacle.NOT_READ, subnet_id)
    chain = (*chain, table.table_id)
    default = [r for r in table.routes if r.destination == "0.0.0.0/0"]
    if any(r.target.startswith("igw-") and not r.blackhole for r in default):
        return Reach(Way.OPEN, chain)
    if (default and not default[0].blackhole) or _has_other(table):
        return Reach(Way.UNKNOWN, chain, Obstacle.OTHER_WAY, table.table_id, nat_id)
    return Reach(Way.BLOCKED, chain, Obstacle.NAT_WITHOUT_INTERNET, table.table_id, nat_id)


def _has_other(table: RouteTable) -> bool:
    """Any live route past the VPC's own addresses and gateway endpoints."""
    return any(
        not r.blackhole and r.target != "local" and not r.target.startswith("vpce-")
        for r in table.routes
        if _is_ipv4(r)
    )


# --------------------------------------------------------------------------- filters


def _first_of(*steps: Reach) -> Reach:
    """Steps in a row: the first sure block, else the first doubt, else open."""
    for way in (Way.BLOCKED, Way.UNKNOWN):
        for step in steps:
            if step.way is way:
                return step
    return max(steps, key=lambda s: len(s.chain))


def _node_filters(
    view: View, nets: Sequence[IPv4Network], list_ids: frozenset[str], chain: tuple[str, ...]
) -> Reach:
    """The node's security groups and its subnet's network ACL, out and back."""
    return _first_of(
        _group_out(view, nets, list_ids, frozenset(), chain), _acl_both_ways(view, nets, chain)
    )


def _group_out(
    view: View,
    nets: Sequence[IPv4Network],
    list_ids: frozenset[str],
    peers: frozenset[str],
    chain: tuple[str, ...],
) -> Reach:
    if view.groups is None:
        return Reach(Way.UNKNOWN, chain, Obstacle.NOT_READ, "security groups")
    way = _allowed(view.network, view.groups, True, nets, list_ids, peers)
    if way is Way.BLOCKED:
        return _group_blocked(view)
    obstacle = Obstacle.PARTLY if way is Way.UNKNOWN else None
    return Reach(way, chain, obstacle, ",".join(view.interface.group_ids))


def _group_blocked(view: View) -> Reach:
    named = ",".join(view.interface.group_ids)
    return Reach(Way.BLOCKED, (view.interface.interface_id, named), Obstacle.GROUP_EGRESS, named)


def _allowed(
    network: Network,
    groups: Sequence[SecurityGroup],
    egress: bool,
    nets: Sequence[IPv4Network],
    list_ids: frozenset[str],
    peers: frozenset[str],
) -> Way:
    """Whether security groups let TCP 443 pass to (or from) these addresses or groups."""
    allowed: list[IPv4Network] = []
    unread = False
    for rule in (r for g in groups for r in g.rules if _covers(r, HTTPS, egress)):
        if peers & set(rule.group_ids) or list_ids & set(rule.prefix_list_ids):
            return Way.OPEN
        allowed.extend(_nets(rule.cidrs))
        for list_id in rule.prefix_list_ids:
            known = network.prefix_list(list_id)
            unread = unread or known is None
            allowed.extend(_nets(known.cidrs) if known else ())
    merged = list(collapse_addresses(allowed))
    if nets and all(any(n.subnet_of(a) for a in merged) for n in nets):
        return Way.OPEN
    if unread or not nets or any(n.overlaps(a) for n in nets for a in merged):
        return Way.UNKNOWN
    return Way.BLOCKED


def _covers(rule: GroupRule, port: int, egress: bool) -> bool:
    if rule.egress is not egress or rule.protocol not in TCP:
        return False
    return rule.protocol == "-1" or rule.port_first <= port <= rule.port_last


def _acl_both_ways(view: View, nets: Sequence[IPv4Network], chain: tuple[str, ...]) -> Reach:
    """Out to 443, and the answers back to the port the node called from."""
    if view.acl is None:
        return Reach(Way.UNKNOWN, chain, Obstacle.NOT_READ, f"acl of {view.subnet.subnet_id}")
    return _acl_pair(view.acl, nets, True, view.ephemeral, chain)


def _acl_pair(
    acl: Acl,
    nets: Sequence[IPv4Network],
    from_here: bool,
    ephemeral: tuple[int, int],
    chain: tuple[str, ...],
) -> Reach:
    """An ACL sees the request in one direction and the answer in the other."""
    ports = f"{ephemeral[0]}-{ephemeral[1]}"
    request = acl_way(acl, from_here, nets, HTTPS, HTTPS)
    answer = acl_way(acl, not from_here, nets, *ephemeral)
    directions = (Obstacle.ACL_OUT, Obstacle.ACL_IN)
    steps = []
    for way, outwards, detail in ((request, from_here, str(HTTPS)), (answer, not from_here, ports)):
        sure = directions[0] if outwards else directions[1]
        obstacle = {Way.OPEN: None, Way.BLOCKED: sure, Way.UNKNOWN: Obstacle.PARTLY}[way]
        steps.append(
            Reach(way, (*chain, acl.acl_id) if obstacle else chain, obstacle, acl.acl_id, detail)
        )
    return _first_of(*steps)


def acl_way(acl: Acl, egress: bool, nets: Sequence[IPv4Network], first: int, last: int) -> Way:
    """What an ACL's rules, in their order, do with these addresses and ports."""
    entries = sorted(
        (e for e in acl.entries if e.egress is egress and e.protocol in TCP),
        key=lambda e: e.number,
    )
    return _merge([_acl_rules(entries, net, first, last) for net in nets] or [Way.UNKNOWN])


def _acl_rules(entries: Sequence[AclEntry], net: IPv4Network, first: int, last: int) -> Way:
    for index, entry in enumerate(entries):
        block = next(iter(_nets([entry.cidr])), None)
        low, high = max(first, entry.port_first), min(last, entry.port_last)
        if block is None or low > high or not net.overlaps(block):
            continue
        rest = entries[index + 1 :]
        parts = [Way.OPEN if entry.allow else Way.BLOCKED]
        if not net.subnet_of(block):
            parts.append(_acl_rules(rest, net, low, high))
        if first < low:
            parts.append(_acl_rules(rest, net, first, low - 1))
        if high < last:
            parts.append(_acl_rules(rest, net, high + 1, last))
        return _merge(parts)
    return Way.BLOCKED


def _merge(ways: Sequence[Way]) -> Way:
    return ways[0] if len(set(ways)) == 1 else Way.UNKNOWN


# --------------------------------------------------------------------------- endpoints


def _to_endpoint(view: View, endpoint: Endpoint) -> Reach:
    """To an interface endpoint inside the VPC: state, both groups, both ACLs."""
    chain = (view.subnet.subnet_id, endpoint.endpoint_id)
    if endpoint.state != "available":
        return Reach(
            Way.UNKNOWN, chain, Obstacle.ENDPOINT_STATE, endpoint.endpoint_id, endpoint.state
        )
    subnets = [view.network.subnet(s) for s in endpoint.subnet_ids]
    nets = _nets(s.cidr for s in subnets if s is not None and s.cidr is not None)
    if not nets or len(nets) != len(endpoint.subnet_ids):
        return Reach(Way.UNKNOWN, chain, Obstacle.NOT_READ, endpoint.endpoint_id)
    peers = frozenset(endpoint.group_ids)
    return _first_of(
        Reach(Way.OPEN, chain),
        _group_out(view, nets, frozenset(), peers, chain),
        _endpoint_group(view, endpoint, chain),
        _endpoint_acls(view, endpoint, chain),
    )


def _endpoint_group(view: View, endpoint: Endpoint, chain: tuple[str, ...]) -> Reach:
    """The endpoint's own security groups must let the node in on 443."""
    named = ",".join(endpoint.group_ids)
    groups = _groups(view.network, endpoint.group_ids)
    if not groups:
        return Reach(Way.UNKNOWN, chain, Obstacle.NOT_READ, named or endpoint.endpoint_id)
    peers = frozenset(view.interface.group_ids)
    way = _allowed(view.network, groups, False, [view.source], frozenset(), peers)
    obstacle = {Way.OPEN: None, Way.BLOCKED: Obstacle.ENDPOINT_GROUP, Way.UNKNOWN: Obstacle.PARTLY}[
        way
    ]
    return Reach(way, (*chain, named) if obstacle else chain, obstacle, named, endpoint.endpoint_id)


def _endpoint_acls(view: View, endpoint: Endpoint, chain: tuple[str, ...]) -> Reach:
    """ACLs act between subnets only.  DNS gives the addresses of all the endpoint's subnets, so
    a block is sure only when it holds for each of them."""
    answers = []
    for subnet_id in endpoint.subnet_ids:
        if subnet_id == view.subnet.subnet_id:
            answers.append(Reach(Way.OPEN, chain))
            continue
        subnet, acl = view.network.subnet(subnet_id), view.network.acl_of(subnet_id)
        if subnet is None or subnet.cidr is None or acl is None or view.acl is None:
            answers.append(Reach(Way.UNKNOWN, chain, Obstacle.NOT_READ, f"acl of {subnet_id}"))
            continue
        answers.append(
            _first_of(
                _acl_pair(view.acl, _nets([subnet.cidr]), True, view.ephemeral, chain),
                _acl_pair(acl, [view.source], False, view.ephemeral, chain),
            )
        )
    if len({a.way for a in answers}) == 1:
        return answers[0]
    return Reach(Way.UNKNOWN, chain, Obstacle.PARTLY, endpoint.endpoint_id)


# --------------------------------------------------------------------------- small helpers


def _groups(network: Network, ids: Sequence[str]) -> tuple[SecurityGroup, ...] | None:
    """All of these groups, or ``None`` when one of them is unknown."""
    found = tuple(g for g in (network.group(i) for i in ids) if g is not None)
    return found if len(found) == len(ids) else None


def _nets(cidrs: Iterable[str]) -> tuple[IPv4Network, ...]:
    """The IPv4 blocks among these; IPv6 ones and what is no block are left out."""
    found = []
    for cidr in cidrs:
        try:
            net = ip_network(cidr, strict=False)
        except ValueError:
            continue
        if isinstance(net, IPv4Network):
            found.append(net)
    return tuple(found)
