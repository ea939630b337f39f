"""Does the node's network lead to S3, Systems Manager and, for Windows, Microsoft?

Here: ``network-path``: which ways a node needs, and the verdicts.  Not here: the model of the VPC
itself (``reach``), what is said of each obstacle (``network_words``).

One fact outranks the model: a node that answers Systems Manager right now has a way to it.  When
the model sees none, something stands in the way of the model (a proxy, a shared endpoint), and no
block that it sees is certain any more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial

from patchmedic.checks.aws import agent, permissions
from patchmedic.checks.aws.filters import Way
from patchmedic.checks.aws.findings import (
    confirms,
    neutral,
    not_ec2,
    not_read,
    refutes,
    text,
)
from patchmedic.checks.aws.network_words import MICROSOFT, S3, Goal, bucket_goal, service_goal, tell
from patchmedic.checks.aws.reach import (
    Obstacle,
    Reach,
    View,
    over_interfaces,
    to_bucket,
    to_internet,
    to_s3,
    to_service,
    views,
)
from patchmedic.checks.aws.snapshot import NodeSnapshot
from patchmedic.model import Finding, Text, Verdict

CHECK = "network-path"
NETWORK_CALLS = (
    "ec2:DescribeInstances",
    "ec2:DescribeRouteTables",
    "ec2:DescribeVpcEndpoints",
    "ec2:DescribeSubnets",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeNetworkAcls",
    "ec2:DescribeNatGateways",
    "ec2:DescribePrefixLists",
    "ec2:GetManagedPrefixListEntries",
    "ec2:DescribeVpcAttribute",
    "ec2:DescribeVpcs",
    "ec2:DescribeDhcpOptions",
)


def check(snapshot: NodeSnapshot, now: datetime) -> tuple[Finding, ...]:
    """One finding for each place that this node's patching needs."""
    if snapshot.is_hybrid:
        return (not_ec2(CHECK, snapshot),)
    found = [
        *_buckets(snapshot, _finding(snapshot, S3, reach_of(snapshot, to_s3, now)), now),
        _systems_manager(snapshot, now),
    ]
    if snapshot.platform == "windows":
        found.append(_microsoft(snapshot, reach_of(snapshot, to_internet, now)))
    return tuple(found)


def _buckets(snapshot: NodeSnapshot, regional: Finding, now: datetime) -> list[Finding]:
    """S3 of the node's Region, and the run's own buckets that lie in another one.

    While one of those is in doubt, an open way to the Region's own S3 rules nothing out.
    """
    abroad = [
        _finding(
            snapshot,
            bucket_goal(bucket, region),
            reach_of(snapshot, partial(to_bucket, region=region), now),
        )
        for bucket, region in sorted(permissions.named_buckets(snapshot).items())
        if region not in (None, snapshot.node.region)
    ]
    if any(f.verdict is not Verdict.REFUTES for f in abroad):
        abroad = [f for f in abroad if f.verdict is not Verdict.REFUTES]
        if regional.verdict is Verdict.REFUTES:
            regional = replace(regional, verdict=Verdict.NEUTRAL)
    return [regional, *abroad]


def reach_of(snapshot: NodeSnapshot, way: Callable[[View], Reach], now: datetime) -> Reach:
    """The model's answer over all interfaces, held against the agent's last ping."""
    reach = _modelled(snapshot, way)
    if reach.way is Way.BLOCKED and _contradicted(snapshot, now):
        return replace(reach, way=Way.UNKNOWN, obstacle=Obstacle.CONTRADICTED)
    return reach


def _modelled(snapshot: NodeSnapshot, way: Callable[[View], Reach]) -> Reach:
    found = views(snapshot)
    if isinstance(found, Reach):
        return found
    return over_interfaces([way(view) for view in found])


def _contradicted(snapshot: NodeSnapshot, now: datetime) -> bool:
    """The agent answers although the model sees no way to Systems Manager."""
    return (
        agent.ping_is_fresh(snapshot.managed, now)
        and _modelled(snapshot, partial(to_service, service="ssm")).way is Way.BLOCKED
    )


# --------------------------------------------------------------------------- Systems Manager


def systems_manager(snapshot: NodeSnapshot, now: datetime) -> tuple[str, Reach]:
    """The way to Systems Manager as a whole, and the endpoint that decided it.

    ``ssm`` is always needed.  For messages an agent uses ``ssmmessages`` from 3.3.40.0 on and
    ``ec2messages`` before; where one of them is open, the other may be shut without harm to a
    newer agent.
    """
    found = {
        name: service_reach(snapshot, name, now) for name in ("ssm", "ssmmessages", "ec2messages")
    }
    if found["ssm"].way is not Way.OPEN:
        return "ssm", found["ssm"]
    new, old = found["ssmmessages"], found["ec2messages"]
    if new.way is Way.BLOCKED and old.way is Way.BLOCKED:
        return "ssmmessages", new
    version = snapshot.managed.agent_version if snapshot.managed else None
    needs_old = agent.older(version, agent.WITHOUT_EC2MESSAGES_MIN)
    if needs_old is None:
        ways = {new.way, old.way}
        worse = ("ssmmessages", new) if new.way is not Way.OPEN else ("ec2messages", old)
        return worse if len(ways) == 1 else (worse[0], _unsure(worse[1]))
    if needs_old:
        return "ec2messages", old
    if new.way is Way.BLOCKED:
        # The agent falls back to ec2messages, as long as the Region still offers it.
        return "ssmmessages", _unsure(new)
    return "ssmmessages", new


def service_reach(snapshot: NodeSnapshot, name: str, now: datetime) -> Reach:
    """The way to one of Systems Manager's endpoints."""
    return reach_of(snapshot, partial(to_service, service=name), now)


def _unsure(reach: Reach) -> Reach:
    return replace(reach, way=Way.UNKNOWN) if reach.way is Way.BLOCKED else reach


def _systems_manager(snapshot: NodeSnapshot, now: datetime) -> Finding:
    name, reach = systems_manager(snapshot, now)
    if reach.way is Way.UNKNOWN and agent.ping_is_fresh(snapshot.managed, now) and name == "ssm":
        node = snapshot.node.node_id
        says = text(
            f"{node} answers Systems Manager, so its way there is open.",
            f"{node} は Systems Manager に応答しているため、経路は確保されています。",
        )
        return refutes(CHECK, "ssm-endpoint-unreachable", node, says, {"ping": "Online"})
    return _finding(snapshot, service_goal(name), reach)


# --------------------------------------------------------------------------- Microsoft


def _microsoft(snapshot: NodeSnapshot, reach: Reach) -> Finding:
    """Windows gets its updates from Microsoft, or from a WSUS that AWS cannot see."""
    if snapshot.wsus_configured and reach.way is not Way.OPEN:
        says = text(
            "The node has no way to Microsoft's update hosts and needs none: it uses a WSUS.",
            "ノードから Microsoft の更新サーバーへの経路はありませんが、WSUS "
            "を使用しているため不要です。",
        )
        return neutral(CHECK, MICROSOFT.cause, snapshot.node.node_id, says)
    return _finding(snapshot, MICROSOFT, reach)


# --------------------------------------------------------------------------- sentences


def facts_of(snapshot: NodeSnapshot, to: Text, reach: Reach) -> dict[str, str]:
    """The way in short words: from the node, by what, to where, and what stands on it."""
    return {
        "to": to["en"],
        "way": reach.way.value,
        "chain": " -> ".join((snapshot.node.node_id, *reach.chain)),
        "obstacle": reach.obstacle.value if reach.obstacle else "",
        "resource": reach.resource if reach.obstacle else "",
        "detail": reach.detail if reach.obstacle else "",
    }


def _finding(snapshot: NodeSnapshot, goal: Goal, reach: Reach) -> Finding:
    facts = facts_of(snapshot, goal.name, reach)
    if reach.way is Way.OPEN:
        says = text(
            f"The way from {snapshot.node.node_id} to {goal.name['en']} is open: "
            f"{', '.join(reach.chain)}; security groups and network ACLs let HTTPS through.",
            f"{snapshot.node.node_id} から {goal.name['ja']}への経路は確保されています "
            f"({', '.join(reach.chain)})。セキュリティグループとネットワーク ACL も HTTPS "
            "を許可しています。",
        )
        return refutes(CHECK, goal.cause, reach.chain[-1], says, facts)
    assert reach.obstacle is not None
    if reach.obstacle is Obstacle.NOT_READ:
        what = text(
            f"Part of the way to {goal.name['en']} ({reach.resource})",
            f"{goal.name['ja']}への経路の一部 ({reach.resource})",
        )
        return replace(not_read(CHECK, goal.cause, snapshot, what, *NETWORK_CALLS), facts=facts)
    says, fix, commands = tell(snapshot, goal, reach)
    if reach.way is Way.BLOCKED:
        return confirms(
            CHECK, goal.cause, reach.resource, says, fix=fix, commands=commands, facts=facts
        )
    return neutral(CHECK, goal.cause, reach.resource, says, fix=fix, commands=commands, facts=facts)
