"""What security groups and network ACLs do with a block of addresses and ports.

Here: the two kinds of packet filters of a VPC, for TCP over IPv4 and IPv6, as pure functions.  Not
here: which filters stand on a node's way (``reach``).

A block of addresses that rules treat in more than one way is ``UNKNOWN``: some packets pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network

from patchmedic.checks.aws.snapshot import Acl, AclEntry, GroupRule, Network, SecurityGroup

Net = IPv4Network | IPv6Network
TCP = frozenset({"-1", "6", "tcp"})


class Way(StrEnum):
    """What is known about a way."""

    OPEN = "open"
    BLOCKED = "blocked"
    UNKNOWN = "unknown"


def nets(cidrs: Iterable[str], family: int) -> tuple[Net, ...]:
    """The blocks of this family (4 or 6); others, and what is no block at all, are left out."""
    found = []
    for cidr in cidrs:
        try:
            net = ip_network(cidr, strict=False)
        except ValueError:
            continue
        if net.version == family:
            found.append(net)
    return tuple(found)


def inside(net: Net, block: Net) -> bool:
    """``net`` lies in ``block``; never so for two families."""
    if isinstance(net, IPv4Network) and isinstance(block, IPv4Network):
        return net.subnet_of(block)
    if isinstance(net, IPv6Network) and isinstance(block, IPv6Network):
        return net.subnet_of(block)
    return False


def minus(blocks: Iterable[Net], taken: Iterable[Net]) -> tuple[Net, ...]:
    """What is left of the blocks without these parts of them."""
    left = list(blocks)
    for part in taken:
        left = [rest for net in left for rest in _without(net, part)]
    return tuple(left)


def _without(net: Net, part: Net) -> list[Net]:
    if inside(net, part):
        return []
    if isinstance(net, IPv4Network) and isinstance(part, IPv4Network) and part.subnet_of(net):
        return list(net.address_exclude(part))
    if isinstance(net, IPv6Network) and isinstance(part, IPv6Network) and part.subnet_of(net):
        return list(net.address_exclude(part))
    return [net]


def merge(ways: Sequence[Way]) -> Way:
    """One word for several packets: theirs where they agree."""
    return ways[0] if len(set(ways)) == 1 else Way.UNKNOWN


# --------------------------------------------------------------------------- groups


def covers(rule: GroupRule, port: int, egress: bool) -> bool:
    """The rule is about this TCP port, in this direction."""
    if rule.egress is not egress or rule.protocol not in TCP:
        return False
    return rule.protocol == "-1" or rule.port_first <= port <= rule.port_last


def groups_allow(
    network: Network,
    groups: Sequence[SecurityGroup],
    port: int,
    *,
    egress: bool,
    to: Sequence[Net],
    list_ids: frozenset[str] = frozenset(),
    peers: frozenset[str] = frozenset(),
) -> Way:
    """Whether security groups let the port pass to (or from) these addresses.

    ``list_ids`` are prefix lists that stand for the addresses, ``peers`` the groups on the other
    side.
    """
    allowed: list[Net] = []
    unread = False
    for rule in (r for g in groups for r in g.rules if covers(r, port, egress)):
        if peers & set(rule.group_ids) or list_ids & set(rule.prefix_list_ids):
            return Way.OPEN
        cidrs = list(rule.cidrs)
        for list_id in rule.prefix_list_ids:
            known = network.prefix_list(list_id)
            unread = unread or known is None
            cidrs.extend(known.cidrs if known else ())
        allowed.extend(net for family in {n.version for n in to} for net in nets(cidrs, family))
    merged = _collapsed(allowed)
    if to and all(any(inside(net, block) for block in merged) for net in to):
        return Way.OPEN
    if unread or not to or any(_overlap(net, block) for net in to for block in merged):
        return Way.UNKNOWN
    return Way.BLOCKED


def _collapsed(blocks: Sequence[Net]) -> list[Net]:
    four = collapse_addresses(b for b in blocks if isinstance(b, IPv4Network))
    six = collapse_addresses(b for b in blocks if isinstance(b, IPv6Network))
    return [*four, *six]


def _overlap(one: Net, other: Net) -> bool:
    return inside(one, other) or inside(other, one)


# --------------------------------------------------------------------------- ACLs


def acl_way(acl: Acl, egress: bool, to: Sequence[Net], first: int, last: int) -> Way:
    """What an ACL's rules, in their order, do with these addresses and ports."""
    entries = sorted(
        (e for e in acl.entries if e.egress is egress and e.protocol in TCP),
        key=lambda e: e.number,
    )
    return merge([_acl_rules(entries, net, first, last) for net in to] or [Way.UNKNOWN])


def _acl_rules(entries: Sequence[AclEntry], net: Net, first: int, last: int) -> Way:
    for index, entry in enumerate(entries):
        block = next(iter(nets([entry.cidr], net.version)), None)
        low, high = max(first, entry.port_first), min(last, entry.port_last)
        if block is None or low > high or not _overlap(net, block):
            continue
        rest = entries[index + 1 :]
        parts = [Way.OPEN if entry.allow else Way.BLOCKED]
        if not inside(net, block):
            # The part of the block that this rule leaves alone meets the rules behind it.
            parts.extend(_acl_rules(rest, part, low, high) for part in _without(net, block))
        if first < low:
            parts.append(_acl_rules(rest, net, first, low - 1))
        if high < last:
            parts.append(_acl_rules(rest, net, high + 1, last))
        return merge(parts)
    return Way.BLOCKED
