"""SQS: the hints that something is to be done, and signals that a sweep found.

A lost hint costs time, never truth: ``sweep`` sends what the table still calls pending again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from patchmedic.aws import Clients, call
from patchmedic.model import Effect, EffectKind, Rejection

REJECTED_CHARACTERS_MAX = 240_000
DELAY_SECONDS_MAX = 900
"""SQS's own limit; a later effect is looked at, found early, and sent on again."""

QUEUE_OF_EFFECT: Mapping[EffectKind, str] = {
    EffectKind.DIAGNOSE: "diagnose",
    EffectKind.REMEDY: "remediate",
    EffectKind.VERIFY: "remediate",
    EffectKind.NOTIFY: "notify",
}


class SqsQueues:
    """``ports.Queues`` over SQS."""

    def __init__(self, clients: Clients, urls: Mapping[str, str]) -> None:
        self._clients = clients
        self._urls = urls

    def send_effect(self, effect: Effect, delay_seconds: int) -> None:
        body = {"effect_id": effect.effect_id, "incident_id": effect.incident_id}
        self._send(QUEUE_OF_EFFECT[effect.kind], body, delay_seconds)

    def send_signal(self, event: Mapping[str, Any]) -> None:
        self._send("signals", event, 0)

    def send_rejected(self, body: str, rejection: Rejection) -> None:
        """Keep an input that is no signal where dead letters are kept, with its reason.

        What came through SQS fits into SQS again.  A direct invocation can be larger: then its
        beginning is kept, for the caller has the rest.
        """
        call(
            "SendMessage",
            self._clients.get("sqs").send_message,
            QueueUrl=self._urls["rejected"],
            MessageBody=body[:REJECTED_CHARACTERS_MAX] or "(empty)",
            MessageAttributes={
                "code": {"DataType": "String", "StringValue": rejection.code},
                "reason": {"DataType": "String", "StringValue": rejection.reason},
            },
        )

    def _send(self, queue: str, body: Mapping[str, Any], delay_seconds: int) -> None:
        call(
            "SendMessage",
            self._clients.get("sqs").send_message,
            QueueUrl=self._urls[queue],
            MessageBody=json.dumps(body),
            DelaySeconds=max(0, min(delay_seconds, DELAY_SECONDS_MAX)),
        )
