"""watch: AWS has no event for a lost ping, so look at the nodes and raise our own.

It counts them on the way: how many may be treated at once is a share of the fleet.

A node is lost when Systems Manager no longer calls it Online, it missed at least two pings, EC2
says it runs (or it is a hybrid node), and no patch run is under way on it: a reboot in the middle
of a patch run is normal.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from patchmedic.model import NodeRef
from patchmedic.ports import FleetSize, LostNode, NodeInfo
from patchmedic.signals import PATCH_DOCUMENTS
from patchmedic.stages.common import Context

GRACE_SECONDS = 60


def find_lost(
    ctx: Context, account: str, region: str, interval_minutes: int, missed_max: int
) -> tuple[LostNode, ...]:
    """The nodes that are silent without a good reason; all nodes are counted, and kept."""
    now = ctx.clock.now()
    nodes = ctx.nodes.all(region)
    ctx.store.save_fleet_size(FleetSize(len(nodes), now))
    threshold = timedelta(minutes=interval_minutes * missed_max, seconds=GRACE_SECONDS)
    silent = [
        info
        for info in nodes
        if info.ping != "Online" and info.last_ping and now - info.last_ping >= threshold
    ]
    states = ctx.nodes.instance_states(region, [info.node_id for info in silent])
    return tuple(
        LostNode(NodeRef(account, region, info.node_id), _last_ping(info))
        for info in silent
        if _should_answer(info, states.get(info.node_id))
        and not _being_patched(ctx, NodeRef(account, region, info.node_id))
    )


def _last_ping(info: NodeInfo) -> datetime:
    assert info.last_ping is not None, "only nodes with a last ping are called silent"
    return info.last_ping


def _should_answer(info: NodeInfo, ec2_state: str | None) -> bool:
    return info.node_id.startswith("mi-") or ec2_state == "running"


def _being_patched(ctx: Context, node: NodeRef) -> bool:
    """Whether a patch run has begun on the node: it may be rebooting.

    A command that only waits for a silent node (Pending, Delayed) explains nothing.
    """
    return any(
        command.status == "InProgress" and command.document.rsplit("/", 1)[-1] in PATCH_DOCUMENTS
        for command in ctx.commands.running_on(node)
    )
