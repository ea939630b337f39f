"""The remediate function: runs remedies and their verification.  The only one that may act.

Parses the trigger, calls ``stages.remediate`` and answers; no rule of the domain lives here.
"""

from __future__ import annotations

import functools
import os
from typing import Any

from patchmedic.effects import handle_effects
from patchmedic.stages.remediate import carry_out
from patchmedic.telemetry import Telemetry
from patchmedic.wiring import Service


@functools.cache
def _service() -> Service:
    return Service(os.environ)


@functools.cache
def _telemetry() -> Telemetry:
    return Telemetry("remediate")


def handler(event: object, context: Any) -> dict[str, Any]:
    """One SQS batch of remedy and verify effects."""
    _service().take_in_own_causes(_telemetry())
    return handle_effects(
        event, context, _telemetry(), lambda effect_id: carry_out(_service().context, effect_id)
    )
