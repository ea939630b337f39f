"""The facts that ``policy.may`` decides on, read afresh, and the permits that make its limits hold.

Here: every read of a guard (one that fails is a fact as well: ``None``), and the conditional
writes that take a place in a pool.  Not here: what the facts mean (``policy``) and what happens
after a refusal (``remediate``).  ``patchmedic policy explain`` reads the same facts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import TypeVar

from patchmedic.errors import AwsError
from patchmedic.model import NodeRef
from patchmedic.policy import (
    Ask,
    Facts,
    Limits,
    Policy,
    Refused,
    breaker_with_trial,
    live_actions_max,
)
from patchmedic.ports import FleetSize, Nodes, Store
from patchmedic.stages.common import LEASE_SECONDS, LIVE_POOL

HOUR_POOL = "actions"
"""The permits of the actions that began within the last 60 minutes."""
T = TypeVar("T")


def read_facts(
    store: Store, nodes: Nodes, policy: Policy, ask: Ask, node: NodeRef, causes: Collection[str]
) -> Facts:
    """All that the rules look at, read now.

    The attempts are those at the cause that was treated most often; a stage names one cause.
    """
    now, own = ask.now, ask.effect_id
    since = now - timedelta(hours=policy.limits.cooldown_hours)
    remedy = ask.remedy.id if ask.remedy else ""
    windows, calendars = policy.maintenance_windows, policy.change_calendars
    return Facts(
        kill_switch=_or_none(nodes.kill_switch),
        tags=_or_none(lambda: nodes.tags(node)),
        attempts=_or_none(
            lambda: max((store.attempts_since(node, c, since, own) for c in causes), default=0)
        ),
        actions_in_hour=_or_none(lambda: store.permits(HOUR_POOL, now, own)),
        live_actions=_or_none(lambda: store.permits(LIVE_POOL, now, own)),
        fleet_size=counted(_or_none(store.fleet_size), now, policy.limits),
        reboots_in_day=(
            _or_none(lambda: store.permits(_reboots_of(node), now, own)) if ask.reboots else None
        ),
        breaker=_or_none(lambda: store.breaker(remedy)),
        calendar_state=(
            _or_none(lambda: nodes.calendar_state(calendars))
            if ask.needs_window and calendars
            else None
        ),
        window_open=(
            _or_none(lambda: nodes.window_in_progress(windows, now))
            if ask.needs_window and windows
            else None
        ),
    )


def _or_none(read: Callable[[], T]) -> T | None:
    try:
        return read()
    except AwsError:
        return None


def counted(size: FleetSize | None, now: datetime, limits: Limits) -> int | None:
    """How many nodes there are, if they were counted lately."""
    valid = timedelta(minutes=limits.fleet_size_valid_minutes)
    return size.nodes if size is not None and now - size.counted_at <= valid else None


def _reboots_of(node: NodeRef) -> str:
    return f"reboots#{node.account}#{node.region}#{node.node_id}"


def take_permits(
    store: Store, policy: Policy, ask: Ask, facts: Facts, node: NodeRef, until: datetime
) -> Refused | None:
    """Take what the rules only counted, so that two effects at once cannot both have the last.

    ``until`` is when the action is over for certain.  Who gets one permit and not the next gives
    the first back.
    """
    limits, now, own = policy.limits, ask.now, ask.effect_id
    # The act may come as late as the claim's end, and must still be within its 60 minutes.
    hour = now + timedelta(minutes=60, seconds=LEASE_SECONDS)
    day = now + timedelta(hours=24, seconds=LEASE_SECONDS)
    wanted = [
        (HOUR_POOL, limits.actions_per_hour_max, hour),
        (LIVE_POOL, live_actions_max(limits, facts.fleet_size), until),
    ]
    if ask.reboots:
        wanted.append((_reboots_of(node), limits.reboots_per_node_per_day_max, day))
    for number, (pool, size, end) in enumerate(wanted):
        if not store.take_permit(pool, own, size, now, end):
            for taken, _, _ in wanted[:number]:
                store.release_permit(taken, own)
            return _none_left(pool)
    return _take_trial(store, ask)


def _none_left(pool: str) -> Refused:
    reason = "others took the last place meanwhile"
    if pool == HOUR_POOL:
        return Refused("actions-per-hour", reason, retry=True)
    if pool == LIVE_POOL:
        return Refused("live-actions", reason, retry=True)
    return Refused("reboots", "the node was rebooted meanwhile as often as allowed in 24 hours")


def _take_trial(store: Store, ask: Ask) -> Refused | None:
    """The one trial of a stopped remedy.  Read again: it may have been stopped just now."""
    assert ask.remedy is not None, "the rules let no unknown remedy start"
    breaker = store.breaker(ask.remedy.id)
    if breaker.opened_at is None or breaker.trial == ask.effect_id:
        return None
    if store.save_breaker(breaker_with_trial(breaker, ask.effect_id, ask.now)):
        return None
    return Refused("breaker", "it is stopped on all nodes, and its one trial is under way")
