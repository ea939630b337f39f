"""The sweep function: missed deadlines, pending effects, lost events.

Parses the trigger, calls ``stages.sweep`` and answers; no rule of the domain lives here.
"""

from __future__ import annotations

import functools
import os
from dataclasses import asdict
from typing import Any

from patchmedic.stages.sweep import sweep
from patchmedic.telemetry import Telemetry
from patchmedic.wiring import Service

LOST_EVENTS_EVERY_MINUTES = 10


@functools.cache
def _service() -> Service:
    return Service(os.environ)


@functools.cache
def _telemetry() -> Telemetry:
    return Telemetry("sweep")


def handler(event: object, context: Any) -> dict[str, Any]:
    """One tick of the schedule; ``{"look_for_lost_events": true}`` forces the wider look."""
    service, telemetry = _service(), _telemetry()
    forced = isinstance(event, dict) and event.get("look_for_lost_events") is True
    minute = service.context.clock.now().minute
    account = context.invoked_function_arn.split(":")[4]
    with telemetry.invocation(context):
        swept = sweep(
            service.context,
            account,
            service.region,
            look_for_lost_events=forced or minute % LOST_EVENTS_EVERY_MINUTES == 0,
        )
        telemetry.count("EffectsHinted", swept.hinted)
        telemetry.count("DeadlinesMissed", swept.overdue)
        telemetry.count("EffectsFailed", swept.failed)
        telemetry.log.info("swept", extra=asdict(swept))
    return asdict(swept)
