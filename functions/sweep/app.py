"""The sweep function: missed deadlines, pending effects, lost events.

Parses the trigger, calls ``stages.sweep`` and answers; no rule of the domain lives here.
"""

from __future__ import annotations

import functools
import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from patchmedic.errors import PatchMedicError
from patchmedic.stages.sweep import sweep
from patchmedic.telemetry import Telemetry
from patchmedic.triggers import BUGS
from patchmedic.wiring import Service

if TYPE_CHECKING:  # loaded only where a stack has own causes
    from patchmedic.stages.own_causes import OwnCausesWatch

LOST_EVENTS_EVERY_MINUTES = 10
OWN_CAUSES_SECONDS_MAX = 45
"""What a look at own causes may take: S3's time-outs and the reading together."""
PROBLEMS_LOGGED_MAX = 20


@functools.cache
def _service() -> Service:
    return Service(os.environ)


@functools.cache
def _telemetry() -> Telemetry:
    return Telemetry("sweep")


@functools.cache
def _own_causes() -> OwnCausesWatch | None:
    return _service().own_causes_watch()


def handler(event: object, context: Any) -> dict[str, Any]:
    """One tick of the schedule.

    ``{"look_for_lost_events": true}`` forces the wider look, ``{"look_at_own_causes": true}`` one
    at customers' own causes.
    """
    service, telemetry = _service(), _telemetry()
    forced = isinstance(event, dict) and event.get("look_for_lost_events") is True
    own_causes = isinstance(event, dict) and event.get("look_at_own_causes") is True
    minute = service.context.clock.now().minute
    account = context.invoked_function_arn.split(":")[4]
    with telemetry.invocation(context):
        service.take_in_own_causes(telemetry)
        swept = sweep(
            service.context,
            account,
            service.region,
            look_for_lost_events=forced or minute % LOST_EVENTS_EVERY_MINUTES == 0,
        )
        telemetry.count("EffectsHinted", swept.hinted)
        telemetry.count("DeadlinesMissed", swept.overdue)
        telemetry.count("EffectsFailed", swept.failed)
        telemetry.count("BreakersOpen", len(swept.stopped))
        telemetry.log.info("swept", extra=asdict(swept))
        # Last, because S3 may be slow and everything above must not wait for it.
        if own_causes or _time_for_own_causes(context):
            _look_at_own_causes(telemetry)
    return asdict(swept)


def _time_for_own_causes(context: Any) -> bool:
    watch = _own_causes()
    if watch is None or not watch.due():
        return False
    left: int = context.get_remaining_time_in_millis()
    return left > OWN_CAUSES_SECONDS_MAX * 1000


def _look_at_own_causes(telemetry: Telemetry) -> None:
    """Says in the log and in a metric what is not in force; no look is the end of a sweep."""
    watch = _own_causes()
    if watch is None:
        return
    try:
        looked = watch.look()
    except (PatchMedicError, *BUGS) as error:
        known = isinstance(error, PatchMedicError)
        telemetry.count("OwnCausesFaults")
        telemetry.log.warning(
            "own causes could not be looked at; what was in force stays",
            extra={"error": str(error)[:500]},
            exc_info=None if known else error,
        )
        return
    telemetry.count("OwnCausesFaults", len(looked.problems))
    for problem in looked.problems[:PROBLEMS_LOGGED_MAX]:
        telemetry.log.warning("own causes: not in force", extra={"problem": problem})
    if looked.changed:
        telemetry.log.info("own causes changed", extra={"problems": len(looked.problems)})
