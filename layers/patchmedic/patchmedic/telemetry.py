"""Logs and metrics of the functions: structured, made once, never at import.

``Telemetry.count`` names every metric that an alarm or a dashboard may rest on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from patchmedic.errors import PatchMedicError
from patchmedic.triggers import Message

NAMESPACE = "PatchMedic"
Metric = Literal[
    "SignalsHandled",
    "SignalsRejected",
    "SignalsSkipped",
    "EffectsCarriedOut",
    "EffectsFailed",
    "EffectsHinted",
    "DeadlinesMissed",
    "NodesLost",
    "NoticesSent",
    "OwnCausesFaults",
    "BreakersOpen",
]


class Telemetry:
    """One function's logger and metrics."""

    def __init__(self, service: str) -> None:
        self.log = Logger(service=service)
        self._metrics = Metrics(namespace=NAMESPACE, service=service)
        self._counted = False

    def count(self, metric: Metric, value: int = 1) -> None:
        """Add to a metric of this invocation."""
        self._counted = True
        self._metrics.add_metric(name=metric, unit=MetricUnit.Count, value=value)

    @contextmanager
    def invocation(self, context: Any) -> Iterator[None]:
        """Everything logged and counted inside belongs to this invocation."""
        self.log.append_keys(request_id=getattr(context, "aws_request_id", "local"))
        try:
            yield
        finally:
            if self._counted:
                self._metrics.flush_metrics()
            self._counted = False

    def failed(self, message: Message, error: Exception) -> None:
        """A message could not be handled: say which and why, with the way to the place."""
        self.count("EffectsFailed")
        known = isinstance(error, PatchMedicError)
        self.log.warning(
            "message failed" if known else "message failed on a bug of ours",
            extra={"message_id": message.message_id, "error": str(error)[:500]},
            exc_info=None if known else error,
        )
