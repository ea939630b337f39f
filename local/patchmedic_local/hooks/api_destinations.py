"""Changes MiniStack's EventBridge: API destinations reach the outbox, never the network.

The answer is the one that PagerDuty's Events API v2 gives to the request: 202 to a valid event,
400 to another; a test can ask for failures.
"""

from __future__ import annotations

import io
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from email.message import Message
from typing import Any

from patchmedic_local.hooks import pinned
from patchmedic_local.outbox import Outbox

_ACTIONS = ("trigger", "acknowledge", "resolve")
_SEVERITIES = ("critical", "error", "warning", "info")
_KEY_LENGTH = 32
_DEDUP_MAX = 255
_SUMMARY_MAX = 1024
_RETRY_SECONDS = (0.2, 0.5, 1.0)
_RETRIED = (401, 407, 409, 429, 500, 502, 503, 504)


class Destination:
    """The far end of every API destination."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._lock = threading.Lock()
        self._failures: list[int] = []

    def fail(self, status: int, times: int) -> None:
        """Answer the next ``times`` requests with this status."""
        with self._lock:
            self._failures.extend([status] * times)

    def open(self, request: urllib.request.Request, timeout: int = 5) -> _Response:
        """Stands for urllib's opener: a response, or HTTPError from 300 up."""
        body = request.data.decode() if isinstance(request.data, bytes) else ""
        with self._lock:
            forced = self._failures.pop(0) if self._failures else None
        status, answer = (forced, {"status": "error"}) if forced else _pagerduty(request, body)
        self._outbox.request(
            request.get_method(),
            request.full_url,
            dict(request.header_items()),
            body,
            {"status": status, "body": answer},
        )
        payload = io.BytesIO(json.dumps(answer).encode())
        if status >= 300:
            raise urllib.error.HTTPError(
                request.full_url, status, str(answer.get("status")), Message(), payload
            )
        return _Response(status, payload)


class _Response:
    """What the delivery reads of urllib's response."""

    def __init__(self, status: int, payload: io.BytesIO) -> None:
        self.status = status
        self._payload = payload

    def read(self, size: int = -1) -> bytes:
        return self._payload.read(size)

    def __enter__(self) -> _Response:
        return self

    def __exit__(self, *exc: object) -> None:
        self._payload.close()


def install(destination: Destination) -> None:
    def make_open(original: Callable[..., Any]) -> Callable[..., Any]:
        return destination.open

    def make_send(original: Callable[..., int]) -> Callable[..., int]:
        def send(request: dict[str, Any], auth_headers: dict[str, str]) -> int:
            """EventBridge tries again after 429 and 5xx; MiniStack gives up at once."""
            status = original(request, auth_headers)
            for seconds in _RETRY_SECONDS:
                if status not in _RETRIED:
                    break
                threading.Event().wait(seconds)
                status = original(request, auth_headers)
            return status

        return send

    pinned.replace("ministack.services.eventbridge", "_http_open", make_open)
    pinned.replace("ministack.services.eventbridge", "_api_destination_send_sync", make_send)


def _pagerduty(request: urllib.request.Request, body: str) -> tuple[int, dict[str, Any]]:
    if "pagerduty.com" not in request.full_url:
        return 200, {"status": "ok"}
    try:
        event = json.loads(body)
    except json.JSONDecodeError:
        return 400, {"status": "invalid event", "errors": ["The event is no JSON"]}
    errors = _errors(event if isinstance(event, dict) else {})
    if errors:
        return 400, {
            "status": "invalid event",
            "message": "Event object is invalid",
            "errors": errors,
        }
    key = event.get("dedup_key", "made-up-by-the-receiver")
    return 202, {"status": "success", "message": "Event processed", "dedup_key": key}


def _errors(event: dict[str, Any]) -> list[str]:
    errors = []
    if len(str(event.get("routing_key", ""))) != _KEY_LENGTH:
        errors.append("Length of 'routing_key' is incorrect (should be 32 characters)")
    if event.get("event_action") not in _ACTIONS:
        errors.append(f"'event_action' is not one of {', '.join(_ACTIONS)}")
    if len(str(event.get("dedup_key", ""))) > _DEDUP_MAX:
        errors.append("'dedup_key' is longer than 255 characters")
    if event.get("event_action") != "trigger":
        if not event.get("dedup_key"):
            errors.append("'dedup_key' is missing or blank")
        return errors
    payload = event.get("payload")
    payload = payload if isinstance(payload, dict) else {}
    for name in ("summary", "source", "severity"):
        if not payload.get(name):
            errors.append(f"'payload.{name}' is missing or blank")
    if payload.get("severity") and payload["severity"] not in _SEVERITIES:
        errors.append(f"'payload.severity' is not one of {', '.join(_SEVERITIES)}")
    if len(str(payload.get("summary", ""))) > _SUMMARY_MAX:
        errors.append("'payload.summary' is longer than 1024 characters")
    return errors
