"""The approve function: an operator with IAM rights approves or denies a proposed remedy.

Parses the trigger, calls ``stages.approve`` and answers; no rule of the domain lives here.
"""

from __future__ import annotations

import functools
import os
from typing import Any

from patchmedic.model import Rejection
from patchmedic.stages.approve import handle_answer, parse_answer
from patchmedic.telemetry import Telemetry
from patchmedic.wiring import Service


@functools.cache
def _service() -> Service:
    return Service(os.environ)


@functools.cache
def _telemetry() -> Telemetry:
    return Telemetry("approve")


def handler(event: object, context: Any) -> dict[str, Any]:
    """``{"incident_id": "pm-…", "decision": "approve"|"deny", "operator": "…", "reason": "…"}``"""
    telemetry = _telemetry()
    with telemetry.invocation(context):
        answer = parse_answer(event)
        if isinstance(answer, Rejection):
            telemetry.log.error(
                "answer rejected", extra={"code": answer.code, "reason": answer.reason}
            )
            return {"decided": False, "rejected": answer.code, "detail": answer.reason}
        done = handle_answer(_service().context, answer)
        telemetry.log.info("answered", extra={"operator": answer.operator, **done})
    return dict(done)
