"""The notify function: e-mail, SMS and pager.

Parses the trigger, calls ``stages.notify`` and answers; no rule of the domain lives here.
"""

from __future__ import annotations

import functools
import os
from typing import Any

from patchmedic.effects import handle_effects
from patchmedic.notices.notifier import SnsNotifier
from patchmedic.stages.notify import carry_out
from patchmedic.telemetry import Telemetry
from patchmedic.wiring import Service


@functools.cache
def _service() -> Service:
    return Service(os.environ)


@functools.cache
def _telemetry() -> Telemetry:
    return Telemetry("notify")


def handler(event: object, context: Any) -> dict[str, Any]:
    """One SQS batch of notify effects."""
    _service().take_in_own_causes(_telemetry())

    def work(effect_id: str) -> str:
        service = _service()
        notifier = SnsNotifier(
            service.settings, service.clients, service.catalogue, service.context.clock.now
        )
        return carry_out(service.context, notifier, effect_id)

    return handle_effects(event, context, _telemetry(), work)
