"""The collect function: one of our commands ended.

Parses the trigger, calls ``stages.collect`` and answers; no rule of the domain lives here.
"""

from __future__ import annotations

import functools
import os
from typing import Any

from patchmedic.model import Rejection
from patchmedic.stages.collect import handle_command
from patchmedic.telemetry import Telemetry
from patchmedic.triggers import Message, handle_batch, parse_command_ended
from patchmedic.wiring import Service


@functools.cache
def _service() -> Service:
    return Service(os.environ)


@functools.cache
def _telemetry() -> Telemetry:
    return Telemetry("collect")


def handler(event: object, context: Any) -> dict[str, Any]:
    """One SQS batch of Run Command invocation events, or one such event."""
    telemetry = _telemetry()
    outcomes: list[dict[str, str]] = []
    with telemetry.invocation(context):
        _service().take_in_own_causes(telemetry)
        answer = handle_batch(
            event, lambda message: outcomes.append(_handle(message)), telemetry.failed
        )
    return {**answer, "outcomes": outcomes}


def _handle(message: Message) -> dict[str, str]:
    telemetry = _telemetry()
    ended = parse_command_ended(message.body)
    if isinstance(ended, Rejection):
        telemetry.count("SignalsRejected")
        telemetry.log.error("event rejected", extra={"code": ended.code, "reason": ended.reason})
        _service().queues.send_rejected(message.body, ended)
        return {"rejected": ended.code, "reason": ended.reason}
    done = handle_command(_service().context, ended, last_try=message.last_try)
    telemetry.log.info("command collected", extra={"command": ended.command_id, "done": done})
    return {"command": ended.command_id, "node": ended.node.node_id, "done": done}
