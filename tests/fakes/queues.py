"""``ports.Queues`` in memory, with SQS's limits on what a message may hold.

What is sent is kept in lists; whoever wants to deliver it (the simulator) gives ``on_send``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from patchmedic.errors import AwsRejected
from patchmedic.model import Effect, Rejection
from patchmedic.queues import DELAY_SECONDS_MAX, QUEUE_OF_EFFECT

MESSAGE_BYTES_MAX = 1_048_576
_ALLOWED = re.compile("[\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*")
"""The characters that SQS takes; it refuses a message with any other."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One message as it went to a queue."""

    queue: str
    body: str
    delay_seconds: int


@dataclass(slots=True)
class FakeQueues:
    """Every queue of the stack."""

    on_send: Callable[[Sent], None] | None = None
    sent: list[Sent] = field(default_factory=list)
    rejected: list[tuple[str, Rejection]] = field(default_factory=list)

    def send_effect(self, effect: Effect, delay_seconds: int) -> None:
        body = json.dumps({"effect_id": effect.effect_id, "incident_id": effect.incident_id})
        self._send(QUEUE_OF_EFFECT[effect.kind], body, delay_seconds)

    def send_signal(self, event: Mapping[str, Any]) -> None:
        self._send("signals", json.dumps(event), 0)

    def send_rejected(self, body: str, rejection: Rejection) -> None:
        for text in (body, rejection.code, rejection.reason):
            _check(text)
        self.rejected.append((body, rejection))

    def _send(self, queue: str, body: str, delay_seconds: int) -> None:
        _check(body)
        sent = Sent(queue, body, max(0, min(delay_seconds, DELAY_SECONDS_MAX)))
        self.sent.append(sent)
        if self.on_send is not None:
            self.on_send(sent)


def _check(text: str) -> None:
    if not text or not _ALLOWED.fullmatch(text):
        raise AwsRejected("SendMessage", "InvalidMessageContents", "empty, or not allowed")
    if len(text.encode()) > MESSAGE_BYTES_MAX:
        raise AwsRejected("SendMessage", "InvalidParameterValue", "longer than 1 MiB")
