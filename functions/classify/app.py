"""The classify function: EventBridge events, through the signals queue or as they are.

Parses the trigger, calls ``stages.classify`` and answers; no rule of the domain lives here.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

from patchmedic.expansion import SignalExpander
from patchmedic.model import Rejection, Skip
from patchmedic.signals import parse_text
from patchmedic.stages.classify import Batch, Handled, handle_signals
from patchmedic.telemetry import Telemetry
from patchmedic.triggers import Message, handle_batch, messages
from patchmedic.wiring import Service


@functools.cache
def _service() -> Service:
    return Service(os.environ)


@functools.cache
def _telemetry() -> Telemetry:
    return Telemetry("classify")


def handler(event: object, context: Any) -> dict[str, Any]:
    """One SQS batch of events, or one EventBridge event (``sam local invoke``)."""
    telemetry = _telemetry()
    outcomes: list[dict[str, Any]] = []
    batch = Batch()
    # One for the batch: it asks about an association's run once, however many nodes tell of it.
    expander = functools.cache(lambda: SignalExpander(_service().clients))
    for message in messages(event):
        signals = parse_text(message.body)
        if isinstance(signals, tuple):
            batch.note(signals)
    with telemetry.invocation(context):
        _service().take_in_own_causes(telemetry)
        answer = handle_batch(
            event,
            lambda message: outcomes.extend(_handle(message, batch, expander)),
            telemetry.failed,
        )
    return {**answer, "outcomes": outcomes}


def _handle(
    message: Message, batch: Batch, expander: Callable[[], SignalExpander]
) -> list[dict[str, Any]]:
    signals = parse_text(message.body)
    service, telemetry = _service(), _telemetry()
    if isinstance(signals, Rejection):
        telemetry.count("SignalsRejected")
        telemetry.log.error(
            "event rejected", extra={"code": signals.code, "reason": signals.reason}
        )
        service.queues.send_rejected(message.body, signals)
        return [{"rejected": signals.code, "reason": signals.reason}]
    if isinstance(signals, Skip):
        telemetry.count("SignalsSkipped")
        telemetry.log.info("event skipped", extra={"rule": signals.rule, "reason": signals.reason})
        return [{"skipped": signals.rule, "reason": signals.reason}]
    handled = handle_signals(
        service.context,
        expander(),
        signals,
        last_try=message.last_try,
        batch=batch,
    )
    for one in handled:
        telemetry.count("SignalsSkipped" if one.skipped else "SignalsHandled")
        telemetry.log.info("signal handled", extra=_said(one))
    return [_said(one) for one in handled]


def _said(handled: Handled) -> dict[str, Any]:
    said: dict[str, Any] = {"signal": handled.signal.kind.value, "node": handled.signal.node_id}
    if handled.skipped:
        return {**said, "skipped": handled.skipped.rule, "reason": handled.skipped.reason}
    return {**said, "incident": handled.incident_id, "cause": handled.cause}
