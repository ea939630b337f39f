"""The watch function: finds managed nodes that went silent, and raises our own event for each.

Parses the trigger, calls ``stages.watch`` and answers; no rule of the domain lives here.
"""

from __future__ import annotations

import functools
import os
from typing import Any

from patchmedic.bus import put_ping_lost
from patchmedic.stages.watch import find_lost
from patchmedic.telemetry import Telemetry
from patchmedic.wiring import Service


@functools.cache
def _service() -> Service:
    return Service(os.environ)


@functools.cache
def _telemetry() -> Telemetry:
    return Telemetry("watch")


def handler(event: object, context: Any) -> dict[str, Any]:
    """One tick of the schedule; what the event says does not matter."""
    service, telemetry = _service(), _telemetry()
    settings = service.settings
    account = context.invoked_function_arn.split(":")[4]
    with telemetry.invocation(context):
        lost = find_lost(
            service.context,
            account,
            service.region,
            settings.ping_interval_minutes,
            settings.ping_missed_max,
        )
        put_ping_lost(service.clients, settings.event_bus_name, lost)
        telemetry.count("NodesLost", len(lost))
        telemetry.log.info("watched", extra={"lost": [one.node.node_id for one in lost]})
    return {"lost": [one.node.node_id for one in lost]}
