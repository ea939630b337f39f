"""The diagnose function: looks at nodes and their AWS set-up, with read-only documents only.

Parses the trigger, calls ``stages.diagnose`` and answers; no rule of the domain lives here.
"""

from __future__ import annotations

import functools
import os
from typing import Any

from patchmedic.effects import handle_effects
from patchmedic.lookups import AwsSide
from patchmedic.stages.diagnose import carry_out
from patchmedic.telemetry import Telemetry
from patchmedic.wiring import Service


@functools.cache
def _service() -> Service:
    return Service(os.environ)


@functools.cache
def _telemetry() -> Telemetry:
    return Telemetry("diagnose")


def handler(event: object, context: Any) -> dict[str, Any]:
    """One SQS batch of diagnose effects."""
    _service().take_in_own_causes(_telemetry())

    def work(effect_id: str) -> str:
        service = _service()
        return carry_out(service.context, AwsSide(service.clients), effect_id)

    return handle_effects(event, context, _telemetry(), work)
