"""The shape that three handlers share: a batch of effect ids, each carried out by its stage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from patchmedic.model import Rejection
from patchmedic.telemetry import Telemetry
from patchmedic.triggers import Message, handle_batch, parse_effect


def handle_effects(
    event: object, context: Any, telemetry: Telemetry, work: Callable[[str], str]
) -> dict[str, Any]:
    """Carry out each effect that the batch names; the answer tells SQS what to send again.

    A message that names no effect is of no use to anyone later: it is logged and counted, and
    the table, which has every effect, loses nothing by it.
    """
    outcomes: list[dict[str, str]] = []

    def handle(message: Message) -> None:
        effect_id = parse_effect(message.body)
        if isinstance(effect_id, Rejection):
            telemetry.count("SignalsRejected")
            telemetry.log.error(
                "message rejected", extra={"code": effect_id.code, "reason": effect_id.reason}
            )
            outcomes.append({"rejected": effect_id.code, "reason": effect_id.reason})
            return
        done = work(effect_id)
        telemetry.count("EffectsCarriedOut")
        telemetry.log.info("effect carried out", extra={"effect": effect_id, "done": done})
        outcomes.append({"effect": effect_id, "done": done})

    with telemetry.invocation(context):
        answer = handle_batch(event, handle, telemetry.failed)
    return {**answer, "outcomes": outcomes}
