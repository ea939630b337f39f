"""EventBridge: our own events on the bus."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from patchmedic.aws import Clients, call
from patchmedic.errors import AwsUnavailable
from patchmedic.ports import LostNode
from patchmedic.signals import OWN_SOURCE, PING_LOST_TYPE

ENTRIES_MAX = 10
"""PutEvents takes one to ten entries."""


def put_ping_lost(clients: Clients, bus: str, lost: Sequence[LostNode]) -> None:
    """Raise one ``Managed Node Ping Lost`` event for each node."""
    entries = [
        {
            "Source": OWN_SOURCE,
            "DetailType": PING_LOST_TYPE,
            "EventBusName": bus,
            "Detail": json.dumps(
                {"instance-id": one.node.node_id, "last-ping": one.last_ping.isoformat()}
            ),
        }
        for one in lost
    ]
    for start in range(0, len(entries), ENTRIES_MAX):
        _put(clients, entries[start : start + ENTRIES_MAX])


def _put(clients: Clients, entries: list[dict[str, Any]]) -> None:
    response = call("PutEvents", clients.get("events").put_events, Entries=entries)
    failed = [e for e in response["Entries"] if e.get("ErrorCode")]
    if failed:
        raise AwsUnavailable("PutEvents", failed[0]["ErrorCode"], failed[0].get("ErrorMessage", ""))
