"""Logs and metrics of the functions: structured, made once, never at import.

``Telemetry.count`` names every metric that an alarm or a dashboard may rest on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

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
]


class Telemetry:
    """One function's logger and metrics."""

    def __init__(self, service: str) -> None:
        self.log = Logger(service=service)
        self._metrics = Metrics(namespace=NAMESPACE, service=service)

    def count(self, metric: Metric, value: int = 1) -> None:
        """Add to a metric of this invocation."""
        self._metrics.add_metric(name=metric, unit=MetricUnit.Count, value=value)

    @contextmanager
    def invocation(self, context: Any) -> Iterator[None]:
        """Everything logged and counted inside belongs to this invocation."""
        self.log.append_keys(request_id=getattr(context, "aws_request_id", "local"))
        try:
            yield
        finally:
            self._metrics.flush_metrics(raise_on_empty_metrics=False)
