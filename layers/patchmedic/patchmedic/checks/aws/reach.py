"""Can a packet from the node get there and back?  The model of a VPC that network checks use.

Here: routes, gateways and endpoints, for IPv4 and IPv6 and one TCP port, as pure functions of a
snapshot.  Not here: what a rule of a group or an ACL does with a packet (``filters``), sentences
and commands (``network``), or how the snapshot is read (``patchmedic.lookups``).

Every answer is one of three.  ``BLOCKED`` needs a definite obstacle that no unread fact could
lift; ``OPEN`` needs every step to be open; anything else is ``UNKNOWN``.  Obstacles stand one
behind the other on the way, so one definite obstacle decides, whatever else is unknown.

A node is asked in the family that it speaks: IPv4 where it has an address of it, else IPv6.  One
that has both has a second view beside the first; a block is certain only when both are blocked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Address, IPv6Network

from patchmedic.checks.aws.filters import (
    Net,
    Way,
    acl_way,
    covers,
    groups_allow,
    inside,
    minus,
    nets,
)
from patchmedic.checks.aws.snapshot import (
    Acl,
    Endpoint,
    Interface,
    Network,
    NodeSnapshot,
    Route,
    RouteTable,
    SecurityGroup,
    Subnet,
)

HTTPS = 443
EPHEMERAL = {"linux": (32768, 60999), "windows": (49152, 65535), "macos": (49152, 65535)}
EPHEMERAL_ANY = (1024, 65535)
"""Also what a NAT gateway uses towards the internet."""
DEFAULT = IPv4Network("0.0.0.0/0")
NAT64 = IPv6Network("64:ff9b::/96")
"""Where DNS64 sends an IPv6 node that asks for a host with IPv4 addresses only."""
UNIQUE_LOCAL = IPv6Network("fc00::/7")
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


class Obstacle(StrEnum):
    """Why a way is not open: blocked for sure above the line, unsure below it."""

    NO_ROUTE = "no-route"
    ENDPOINT_NOT_ASSOCIATED = "endpoint-not-associated"
    ENDPOINT_IPV4_ONLY = "endpoint-ipv4-only"
    WRONG_REGION = "wrong-region"
    BLACKHOLE = "blackhole"
    NO_PUBLIC_ADDRESS = "no-public-address"
    NAT_DOWN = "nat-down"
    NAT_PRIVATE = "nat-private"
    NAT_WITHOUT_INTERNET = "nat-without-internet"
    VPC_DNS_OFF = "vpc-dns-off"
    GROUP_EGRESS = "group-egress"
    ENDPOINT_GROUP = "endpoint-group"
    ENDPOINT_POLICY = "endpoint-policy"
    """No packet's obstacle: the endpoint is reached, and its policy refuses the request."""
    ACL_OUT = "acl-out"
    ACL_IN = "acl-in"
    # --- unsure
    PRIVATE_DNS_OFF = "private-dns-off"
    ENDPOINT_STATE = "endpoint-state"
    OTHER_WAY = "other-way"
    CUSTOM_DNS = "custom-dns"
    PARTLY = "partly"
    IPV6 = "ipv6"
    IPV6_ONLY = "ipv6-only"
    DUAL_STACK_NAME = "dual-stack-name"
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
    source: Net = field(default=DEFAULT)
    port: int = HTTPS
    six: View | None = None
    """The same interface over IPv6, beside an IPv4 view."""

    @property
    def chain(self) -> tuple[str, ...]:
        return (self.subnet.subnet_id, self.table.table_id)

    @property
    def family(self) -> int:
        return int(self.source.version)

    @property
    def everywhere(self) -> str:
        return "::/0" if self.family == 6 else "0.0.0.0/0"

    def subnet_nets(self, subnet: Subnet) -> tuple[Net, ...]:
        """Another subnet's addresses, in the family of this view."""
        cidrs = subnet.ipv6_cidrs if self.family == 6 else (subnet.cidr or "",)
        return nets(cidrs, self.family)


PUBLIC4 = minus([DEFAULT], map(IPv4Network, _NOT_PUBLIC))
"""All IPv4 addresses of the public internet, as disjoint blocks."""
PUBLIC6: tuple[Net, ...] = (IPv6Network("2000::/3"),)
_OWN_FROM = {4: 17, 6: 33}
"""A route to a block this small within the internet carries a customer's own destinations (an
office, a partner); AWS's and Microsoft's hosts are taken to lie outside of it."""


def public(view: View) -> tuple[Net, ...]:
    """The internet, without the VPC itself and what S3 alone has in this Region."""
    listed = view.network.s3_list(view.region, view.family)
    local = [r.destination for r in view.table.routes if r.target == "local"]
    own = nets((*local, *(listed.cidrs if listed else ())), view.family)
    return minus(PUBLIC6 if view.family == 6 else PUBLIC4, own)


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
    four = nets([f"{interface.private_ip}/32"], 4) if interface.private_ip else ()
    six = nets([f"{address}/128" for address in interface.ipv6[:1]], 6)
    if not four and not six:
        return Reach(Way.UNKNOWN, (subnet.subnet_id,), Obstacle.NOT_READ, interface.interface_id)
    ports = EPHEMERAL.get(snapshot.platform or "", EPHEMERAL_ANY)
    acl = network.acl_of(interface.subnet_id)
    groups = _groups(network, interface.group_ids)
    view = View(
        network,
        snapshot.node.region,
        interface,
        subnet,
        table,
        acl,
        groups,
        ports,
        (*four, *six)[0],
    )
    return replace(view, six=replace(view, source=six[0])) if four and six else view


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
    """Any public host, as Windows Update's.  Many of them have IPv4 addresses only."""
    if view.family == 4:
        return _beside_ipv6(view, to_internet, _to_public(view, public(view)))
    nat64 = _nat64(view)
    reach = _to_public(view, public(view))
    if nat64 is not None and (nat64.way is Way.OPEN or reach.way is Way.BLOCKED):
        return nat64
    if reach.way is not Way.OPEN:
        return reach
    return Reach(Way.UNKNOWN, reach.chain, Obstacle.IPV6_ONLY, view.subnet.subnet_id)


def to_s3(view: View) -> Reach:
    """S3 in the node's Region, by its regional names."""
    return to_bucket(view, view.region)


def to_bucket(view: View, region: str) -> Reach:
    """S3 in some Region: a gateway endpoint serves its own Region only."""
    return _over_families(view, lambda v: _to_s3(v, region))


def to_service(view: View, service: str) -> Reach:
    """``ssm``, ``ssmmessages`` or ``ec2messages`` in the node's Region."""
    return _over_families(view, lambda v: _to_service(v, service))


def _over_families(view: View, way: Callable[[View], Reach]) -> Reach:
    """AWS's own services have names for both families, so a second family is a second way."""
    reach = way(view)
    if view.family == 4:
        return _beside_ipv6(view, way, reach)
    nat64 = _nat64(view) if reach.way is Way.BLOCKED else None
    return nat64 if nat64 is not None and nat64.way is not Way.BLOCKED else reach


def _beside_ipv6(view: View, way: Callable[[View], Reach], reach: Reach) -> Reach:
    """A node that also speaks IPv6 and has a way out with it may use dual-stack names."""
    if view.six is None or reach.way is not Way.BLOCKED:
        return reach
    beside = way(view.six)
    if beside.way is Way.BLOCKED:
        return reach
    return Reach(Way.UNKNOWN, beside.chain, Obstacle.IPV6, reach.resource, reach.detail)


def _nat64(view: View) -> Reach | None:
    """By DNS64 and a NAT gateway to hosts that have IPv4 addresses only; ``None`` without it."""
    if not view.subnet.dns64:
        return None
    return _to_public(view, (NAT64,), exact=True)


def _to_s3(view: View, region: str) -> Reach:
    endpoints = view.network.endpoints
    if endpoints is None:
        return _whatever(view, Reach(Way.UNKNOWN, view.chain, Obstacle.NOT_READ, "endpoints"))
    in_region = [e for e in _usable(endpoints) if e.service == "s3" and e.region == region]
    interface = [e for e in in_region if e.kind == "interface"]
    resolving = [e for e in interface if _has_names(e) and not e.private_dns_inbound_only]
    by_route = _s3_by_route(view, in_region) if region == view.region else _abroad(view, endpoints)
    return _by_endpoint_or_public(view, resolving, interface, by_route)


def _abroad(view: View, endpoints: Sequence[Endpoint]) -> Reach:
    """S3 of another Region: its addresses are public ones, and none of this Region's list."""
    reach = _to_public(view, public(view))
    gateways = [e for e in _usable(endpoints) if e.service == "s3" and e.kind == "gateway"]
    if reach.obstacle is not Obstacle.NO_ROUTE or not gateways:
        return reach
    named = gateways[0]
    chain = (*view.chain, named.endpoint_id)
    return Reach(Way.BLOCKED, chain, Obstacle.WRONG_REGION, view.table.table_id, named.endpoint_id)


def _to_service(view: View, service: str) -> Reach:
    endpoints = view.network.endpoints
    if endpoints is None:
        return _whatever(view, Reach(Way.UNKNOWN, view.chain, Obstacle.NOT_READ, "endpoints"))
    present = [e for e in _usable(endpoints) if e.service == service and e.kind == "interface"]
    here = [e for e in present if e.region == view.region]
    reach = _by_endpoint_or_public(
        view, [e for e in here if _has_names(e)], here, _to_public(view, public(view))
    )
    if reach.obstacle is Obstacle.NO_ROUTE and present:
        named = present[0].endpoint_id
        chain = (*view.chain, named)
        return Reach(Way.BLOCKED, chain, Obstacle.WRONG_REGION, named, present[0].region)
    return reach


def s3_endpoints_on_way(view: View) -> tuple[Endpoint, ...] | None:
    """The S3 endpoints that requests of the node pass; ``None`` when that is not known."""
    endpoints = view.network.endpoints
    if endpoints is None:
        return None
    usable = [e for e in _usable(endpoints) if e.service == "s3" and e.region == view.region]
    private = [e for e in usable if e.kind == "interface" and _has_names(e)]
    private = [e for e in private if not e.private_dns_inbound_only]
    if private and _private_dns(view.network) is not True:
        return None
    return tuple(private) or tuple(_gateways(view, usable))


def service_endpoint_on_way(view: View, service: str) -> Endpoint | None:
    """The interface endpoint that requests to the service pass for sure."""
    if _private_dns(view.network) is not True:
        return None
    return next(
        (
            e
            for e in _usable(view.network.endpoints or ())
            if e.service == service and e.region == view.region and _has_names(e)
        ),
        None,
    )


def _usable(endpoints: Iterable[Endpoint]) -> list[Endpoint]:
    return [e for e in endpoints if e.state not in _ENDPOINT_DEAD]


def _has_names(endpoint: Endpoint) -> bool:
    return endpoint.kind == "interface" and endpoint.private_dns


def _by_endpoint_or_public(
    view: View, resolving: list[Endpoint], present: list[Endpoint], outside: Reach
) -> Reach:
    """Private DNS sends the node to the endpoint, even when a better way exists beside it."""
    if view.family == 6:
        return _by_endpoint_or_public6(view, resolving, present, outside)
    if not resolving:
        if present and outside.way is Way.BLOCKED:
            # A private hosted zone could still lead to it, which EC2 does not show.
            return _whatever(view, _names_off(view, present[0]))
        return outside
    private = _to_endpoint(view, resolving[0])
    return _by_names(view, private, outside)


def _names_off(view: View, endpoint: Endpoint) -> Reach:
    named = endpoint.endpoint_id
    chain = (*view.chain, named)
    return Reach(Way.UNKNOWN, chain, Obstacle.PRIVATE_DNS_OFF, named, endpoint.service)


def _by_names(view: View, private: Reach, outside: Reach) -> Reach:
    """The endpoint where its private names resolve, else the way that public names lead."""
    resolves = _private_dns(view.network)
    if resolves is True or private.way is outside.way:
        return private
    if resolves is False and view.network.amazon_dns:
        if outside.way is not Way.BLOCKED:
            return outside
        named = view.network.vpc_id
        chain = (*private.chain, named)
        return Reach(Way.BLOCKED, chain, Obstacle.VPC_DNS_OFF, named, private.chain[-1])
    return Reach(
        Way.UNKNOWN, private.chain, Obstacle.CUSTOM_DNS, view.network.vpc_id, private.resource
    )


def _by_endpoint_or_public6(
    view: View, resolving: list[Endpoint], present: list[Endpoint], outside: Reach
) -> Reach:
    """An IPv6-only node asks for dual-stack names, which private DNS need not cover.

    The public names stay usable beside an endpoint that does not have them; an endpoint with
    IPv4 addresses only is out of reach.
    """
    six = [e for e in resolving if e.ip_type in ("ipv6", "dualstack")]
    if six:
        private = _to_endpoint(view, six[0])
        answers = any("api.aws" in n or "dualstack" in n for n in six[0].dns_names or ())
        if answers or private.way is outside.way:
            return _by_names(view, private, outside)
        chain, endpoint = private.chain, six[0].endpoint_id
        return Reach(Way.UNKNOWN, chain, Obstacle.DUAL_STACK_NAME, endpoint, six[0].service)
    if outside.way is not Way.BLOCKED or not present:
        return outside
    if any(e.ip_type is None or e.ip_type != "ipv4" for e in present):
        return _whatever(view, _names_off(view, present[0]))
    if view.subnet.dns64:
        # DNS64 and a NAT gateway may lead to the endpoint's IPv4 addresses.
        return Reach(Way.UNKNOWN, outside.chain, Obstacle.OTHER_WAY, present[0].endpoint_id)
    named = present[0].endpoint_id
    chain = (*view.chain, named)
    return Reach(Way.BLOCKED, chain, Obstacle.ENDPOINT_IPV4_ONLY, named, present[0].service)


def _private_dns(network: Network) -> bool | None:
    """Whether private names of endpoints resolve in this VPC."""
    if network.dns_support is False or network.dns_hostnames is False:
        return False
    if network.amazon_dns is False or None in (network.dns_support, network.dns_hostnames):
        return None
    return network.amazon_dns


def _whatever(view: View, unsure: Reach) -> Reach:
    """The unsure answer, unless the node's own groups let nothing out on the port at all."""
    if view.groups is not None and not any(
        covers(r, view.port, True) for g in view.groups for r in g.rules
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
        and (view.table.table_id in e.route_table_ids or e.endpoint_id in targets)
        and (view.family == 4 or e.ip_type in ("ipv6", "dualstack"))
    ]


def _s3_by_route(view: View, in_region: Sequence[Endpoint]) -> Reach:
    """By the gateway endpoint of the node's own route table, else out of the VPC."""
    listed = view.network.s3_list(view.region, view.family)
    known = nets(listed.cidrs, view.family) if listed else ()
    lists = {listed.list_id} if listed else set()
    to = known or public(view)
    gateways = _gateways(view, in_region)
    if not gateways:
        reach = _to_public(view, to, frozenset(lists), exact=bool(known))
        return _idle_gateway(view, in_region, reach)
    gateway = gateways[0]
    chain = (*view.chain, gateway.endpoint_id)
    lists |= {
        r.destination
        for r in view.table.routes
        if r.target == gateway.endpoint_id and r.destination.startswith("pl-")
    }
    step = _by_gateway(view, gateway, known, chain)
    return _first_of(step, _node_filters(view, to, frozenset(lists), chain))


def _by_gateway(
    view: View, gateway: Endpoint, known: Sequence[Net], chain: tuple[str, ...]
) -> Reach:
    """The endpoint itself, and routes to parts of S3 that take precedence over it."""
    if gateway.state != "available":
        named = gateway.endpoint_id
        return Reach(Way.UNKNOWN, chain, Obstacle.ENDPOINT_STATE, named, gateway.state)
    if known and any(r.target == gateway.endpoint_id for r in view.table.routes):
        beside, _ = _carriers(view, known, exact=True)
        if any(_through(view, route, known).way is not Way.OPEN for route in beside):
            return Reach(Way.UNKNOWN, chain, Obstacle.PARTLY, view.table.table_id)
    return Reach(Way.OPEN, chain)


def _idle_gateway(view: View, in_region: Sequence[Endpoint], reach: Reach) -> Reach:
    """No route, beside a gateway endpoint that this table (or this family) does not use."""
    idle = [e for e in in_region if e.kind == "gateway"]
    if reach.obstacle is not Obstacle.NO_ROUTE or not idle:
        return reach
    endpoint, table = idle[0].endpoint_id, view.table.table_id
    if not any(table in e.route_table_ids for e in idle):
        return Reach(Way.BLOCKED, view.chain, Obstacle.ENDPOINT_NOT_ASSOCIATED, table, endpoint)
    chain = (*reach.chain, endpoint)
    if any(e.ip_type is None for e in idle):
        return Reach(Way.UNKNOWN, chain, Obstacle.DUAL_STACK_NAME, endpoint, "s3")
    return Reach(Way.BLOCKED, chain, Obstacle.ENDPOINT_IPV4_ONLY, endpoint, "s3")


def _to_public(
    view: View,
    to: Sequence[Net],
    list_ids: frozenset[str] = frozenset(),
    *,
    exact: bool = False,
) -> Reach:
    """Out of the VPC by the route table: internet gateway, NAT, or something unseen.

    ``exact``: the blocks are a service's own addresses, so that a route to any part of them
    matters.
    """
    routes, missing = _carriers(view, to, exact=exact)
    if not routes and not missing:
        # All of it takes a gateway endpoint that is not this service's, or stays in the VPC.
        return Reach(Way.UNKNOWN, view.chain, Obstacle.OTHER_WAY, view.table.table_id)
    steps = [_through(view, route, to) for route in routes]
    if missing and all(s.way is Way.BLOCKED for s in steps):
        away = _not_carried(view, to)
        steps = [away] if away.way is Way.UNKNOWN else steps or [away]
    elif missing:
        detail = steps[0].detail or routes[0].target
        steps = [Reach(Way.UNKNOWN, view.chain, Obstacle.PARTLY, view.table.table_id, detail)]
    if len({s.way for s in steps}) > 1:
        mixed = Reach(Way.UNKNOWN, view.chain, Obstacle.PARTLY, view.table.table_id)
        return _first_of(mixed, _node_filters(view, to, list_ids, view.chain))
    return _first_of(steps[0], _node_filters(view, to, list_ids, steps[0].chain))


def _carriers(view: View, to: Sequence[Net], *, exact: bool) -> tuple[list[Route], bool]:
    """The distinct routes that carry these addresses (the longest prefix wins), and whether some
    addresses have none.  What stays in the VPC or takes a gateway endpoint is somebody else's."""
    ranked = [(block, r) for r in view.table.routes for block in _destinations(view, r)]
    ranked.sort(key=lambda pair: -pair[0].prefixlen)
    aside = {e.endpoint_id for e in view.network.endpoints or () if e.kind == "gateway"}
    found: list[Route] = []
    left = list(to)
    for block, route in ranked:
        covering = any(inside(net, block) for net in to)
        if not exact and not covering and block.prefixlen >= _OWN_FROM[view.family]:
            continue
        if not any(inside(net, block) or inside(block, net) for net in left):
            continue
        left = list(minus(left, [block]))
        if route.target != "local" and route.target not in aside and route not in found:
            found.append(route)
    return found, bool(left)


def _not_carried(view: View, to: Sequence[Net]) -> Reach:
    """No route for these addresses: is that sure?"""
    if any(_unread(view, r) for r in view.table.routes):
        return Reach(Way.UNKNOWN, view.chain, Obstacle.PARTLY, view.table.table_id)
    beyond = _elsewhere(view)
    if beyond:
        named = beyond[0].target
        return Reach(Way.UNKNOWN, view.chain, Obstacle.OTHER_WAY, view.table.table_id, named)
    return Reach(Way.BLOCKED, view.chain, Obstacle.NO_ROUTE, view.table.table_id)


def _unread(view: View, route: Route) -> bool:
    """A live route out to a prefix list whose addresses are unknown."""
    gateways = {e.endpoint_id for e in view.network.endpoints or () if e.kind == "gateway"}
    return (
        route.destination.startswith("pl-")
        and view.network.prefix_list(route.destination) is None
        and not route.blackhole
        and route.target not in gateways
    )


def _destinations(view: View, route: Route) -> tuple[Net, ...]:
    if route.destination.startswith("pl-"):
        known = view.network.prefix_list(route.destination)
        return nets(known.cidrs, view.family) if known else ()
    return nets([route.destination], view.family)


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
        and _of_family(view, r)
    ]


def _of_family(view: View, route: Route) -> bool:
    if route.destination.startswith("pl-"):
        known = view.network.prefix_list(route.destination)
        return known is None or bool(nets(known.cidrs, view.family))
    return bool(nets([route.destination], view.family))


def _through(view: View, route: Route, to: Sequence[Net]) -> Reach:
    """One hop further: what the route's target does with a packet to a public address."""
    chain = (*view.chain, route.target)
    if route.blackhole:
        return Reach(Way.BLOCKED, chain, Obstacle.BLACKHOLE, view.table.table_id, route.target)
    if route.target.startswith("igw-"):
        return _through_igw(view, route, chain)
    if route.target.startswith("eigw-"):
        return Reach(Way.OPEN, chain)
    if route.target.startswith("nat-") and (view.family == 4 or NAT64 in to):
        return _through_nat(view, route.target, chain)
    return Reach(Way.UNKNOWN, chain, Obstacle.OTHER_WAY, route.target, route.target)


def _through_igw(view: View, route: Route, chain: tuple[str, ...]) -> Reach:
    """An internet gateway serves public addresses only; of IPv6, all but the private ones."""
    address = view.source.network_address
    if view.family == 4:
        well = view.interface.public_ip is not None
    else:
        well = isinstance(address, IPv6Address) and address not in UNIQUE_LOCAL
    if well:
        return Reach(Way.OPEN, chain)
    named = view.interface.interface_id
    return Reach(Way.BLOCKED, chain, Obstacle.NO_PUBLIC_ADDRESS, named, route.target)


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
    """A public NAT gateway works only from a subnet that itself leads to an internet gateway,
    and whose network ACL lets the node's packets in, out and back again."""
    table = view.network.table_of(subnet_id)
    chain = (*chain, subnet_id)
    if table is None:
        return Reach(Way.UNKNOWN, chain, Obstacle.NOT_READ, subnet_id)
    behind = (*chain, table.table_id)
    default = [r for r in table.routes if r.destination == "0.0.0.0/0"]
    if any(r.target.startswith("igw-") and not r.blackhole for r in default):
        return _nat_acl(view, subnet_id, chain)
    if (default and not default[0].blackhole) or _has_other(table):
        return Reach(Way.UNKNOWN, behind, Obstacle.OTHER_WAY, table.table_id, nat_id)
    return Reach(Way.BLOCKED, behind, Obstacle.NAT_WITHOUT_INTERNET, table.table_id, nat_id)


def _nat_acl(view: View, subnet_id: str, chain: tuple[str, ...]) -> Reach:
    """The ACL of the NAT gateway's subnet sees each packet twice: from the node, to the world."""
    acl = view.network.acl_of(subnet_id)
    if acl is None:
        return Reach(Way.UNKNOWN, chain, Obstacle.NOT_READ, f"acl of {subnet_id}")
    outside = _acl_pair(acl, PUBLIC4, True, EPHEMERAL_ANY, view.port, chain)
    if subnet_id == view.subnet.subnet_id:
        return _first_of(Reach(Way.OPEN, chain), outside)
    from_node = _acl_pair(acl, [view.source], False, view.ephemeral, view.port, chain)
    return _first_of(Reach(Way.OPEN, chain), from_node, outside)


def _has_other(table: RouteTable) -> bool:
    """Any live route past the VPC's own addresses and gateway endpoints."""
    return any(
        not r.blackhole
        and r.target != "local"
        and not r.target.startswith("vpce-")
        and ":" not in r.destination
        for r in table.routes
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
    view: View, to: Sequence[Net], list_ids: frozenset[str], chain: tuple[str, ...]
) -> Reach:
    """The node's security groups and its subnet's network ACL, out and back."""
    return _first_of(
        _group_out(view, to, chain, list_ids=list_ids), _acl_both_ways(view, to, chain)
    )


def _group_out(
    view: View,
    to: Sequence[Net],
    chain: tuple[str, ...],
    *,
    list_ids: frozenset[str] = frozenset(),
    peers: frozenset[str] = frozenset(),
) -> Reach:
    if view.groups is None:
        return Reach(Way.UNKNOWN, chain, Obstacle.NOT_READ, "security groups")
    way = groups_allow(
        view.network, view.groups, view.port, egress=True, to=to, list_ids=list_ids, peers=peers
    )
    if way is Way.BLOCKED:
        return _group_blocked(view)
    obstacle = Obstacle.PARTLY if way is Way.UNKNOWN else None
    return Reach(way, chain, obstacle, ",".join(view.interface.group_ids))


def _group_blocked(view: View) -> Reach:
    named = ",".join(view.interface.group_ids)
    return Reach(Way.BLOCKED, (view.interface.interface_id, named), Obstacle.GROUP_EGRESS, named)


def _acl_both_ways(view: View, to: Sequence[Net], chain: tuple[str, ...]) -> Reach:
    """Out to the port, and the answers back to the port the node called from."""
    if view.acl is None:
        return Reach(Way.UNKNOWN, chain, Obstacle.NOT_READ, f"acl of {view.subnet.subnet_id}")
    return _acl_pair(view.acl, to, True, view.ephemeral, view.port, chain)


def _acl_pair(
    acl: Acl,
    to: Sequence[Net],
    from_here: bool,
    ephemeral: tuple[int, int],
    port: int,
    chain: tuple[str, ...],
) -> Reach:
    """An ACL sees the request in one direction and the answer in the other."""
    ports = f"{ephemeral[0]}-{ephemeral[1]}"
    request = acl_way(acl, from_here, to, port, port)
    answer = acl_way(acl, not from_here, to, *ephemeral)
    directions = (Obstacle.ACL_OUT, Obstacle.ACL_IN)
    steps = []
    for way, outwards, detail in ((request, from_here, str(port)), (answer, not from_here, ports)):
        sure = directions[0] if outwards else directions[1]
        obstacle = {Way.OPEN: None, Way.BLOCKED: sure, Way.UNKNOWN: Obstacle.PARTLY}[way]
        steps.append(
            Reach(way, (*chain, acl.acl_id) if obstacle else chain, obstacle, acl.acl_id, detail)
        )
    return _first_of(*steps)


# --------------------------------------------------------------------------- endpoints


def _to_endpoint(view: View, endpoint: Endpoint) -> Reach:
    """To an interface endpoint inside the VPC: state, both groups, both ACLs."""
    chain = (view.subnet.subnet_id, endpoint.endpoint_id)
    if endpoint.state != "available":
        return Reach(
            Way.UNKNOWN, chain, Obstacle.ENDPOINT_STATE, endpoint.endpoint_id, endpoint.state
        )
    subnets = [s for s in map(view.network.subnet, endpoint.subnet_ids) if s is not None]
    blocks = [view.subnet_nets(subnet) for subnet in subnets]
    if not blocks or not all(blocks) or len(blocks) != len(endpoint.subnet_ids):
        return Reach(Way.UNKNOWN, chain, Obstacle.NOT_READ, endpoint.endpoint_id)
    to = [net for block in blocks for net in block]
    return _first_of(
        Reach(Way.OPEN, chain),
        _group_out(view, to, chain, peers=frozenset(endpoint.group_ids)),
        _endpoint_group(view, endpoint, chain),
        _endpoint_acls(view, subnets, chain),
    )


def _endpoint_group(view: View, endpoint: Endpoint, chain: tuple[str, ...]) -> Reach:
    """The endpoint's own security groups must let the node in."""
    named = ",".join(endpoint.group_ids)
    groups = _groups(view.network, endpoint.group_ids)
    if not groups:
        return Reach(Way.UNKNOWN, chain, Obstacle.NOT_READ, named or endpoint.endpoint_id)
    peers = frozenset(view.interface.group_ids)
    way = groups_allow(view.network, groups, view.port, egress=False, to=[view.source], peers=peers)
    obstacle = {Way.OPEN: None, Way.BLOCKED: Obstacle.ENDPOINT_GROUP, Way.UNKNOWN: Obstacle.PARTLY}[
        way
    ]
    return Reach(way, (*chain, named) if obstacle else chain, obstacle, named, endpoint.endpoint_id)


def _endpoint_acls(view: View, subnets: Sequence[Subnet], chain: tuple[str, ...]) -> Reach:
    """ACLs act between subnets only.  DNS gives the addresses of all the endpoint's subnets, so
    a block is sure only when it holds for each of them."""
    answers = [_endpoint_acl(view, subnet, chain) for subnet in subnets]
    if len({a.way for a in answers}) == 1:
        return answers[0]
    return Reach(Way.UNKNOWN, chain, Obstacle.PARTLY, chain[-1])


def _endpoint_acl(view: View, subnet: Subnet, chain: tuple[str, ...]) -> Reach:
    if subnet.subnet_id == view.subnet.subnet_id:
        return Reach(Way.OPEN, chain)
    acl = view.network.acl_of(subnet.subnet_id)
    if acl is None or view.acl is None:
        return Reach(Way.UNKNOWN, chain, Obstacle.NOT_READ, f"acl of {subnet.subnet_id}")
    to = view.subnet_nets(subnet)
    return _first_of(
        _acl_pair(view.acl, to, True, view.ephemeral, view.port, chain),
        _acl_pair(acl, [view.source], False, view.ephemeral, view.port, chain),
    )


# --------------------------------------------------------------------------- small helpers


def _groups(network: Network, ids: Sequence[str]) -> tuple[SecurityGroup, ...] | None:
    """All of these groups, or ``None`` when one of them is unknown."""
    found = tuple(g for g in (network.group(i) for i in ids) if g is not None)
    return found if len(found) == len(ids) else None
