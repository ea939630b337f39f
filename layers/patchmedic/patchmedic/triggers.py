"""How a Lambda function is called, taken apart: SQS batches, EventBridge events, own messages.

Here: parsing only, with named rejections; shared by the handlers in ``functions/``.  Not here:
what a signal means (``signals``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from patchmedic.errors import PatchMedicError
from patchmedic.model import NodeRef, Rejection
from patchmedic.ports import CommandEnded

LAST_RECEIVE = 4
"""The queues give a message up after five receives; from the fourth on, it is now or never."""
BUGS = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)
"""What a mistake in our own code raises."""
_EFFECT = re.compile(r"pm-[0-9a-f]{16}-[0-9]{2,4}")
_COMMAND = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NODE = re.compile(r"m?i-[0-9a-f]{8,17}")
_ACCOUNT = re.compile(r"[0-9]{12}")
_COUNT = re.compile(r"[0-9]{1,9}")
_REGION = re.compile(r"[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}")


@dataclass(frozen=True, slots=True)
class Message:
    """One thing to handle: an SQS message, or the event itself when there is no queue."""

    message_id: str | None
    body: str
    last_try: bool


def messages(event: object) -> Iterator[Message]:
    """The messages of an SQS batch; any other event is one message (``sam local invoke``)."""
    records = event.get("Records") if isinstance(event, Mapping) else None
    if not isinstance(records, list):
        yield Message(None, json.dumps(event), last_try=True)
        return
    for record in records:
        if not isinstance(record, Mapping) or not isinstance(record.get("body"), str):
            yield Message(None, json.dumps(record), last_try=True)
            continue
        yield Message(str(record.get("messageId", "")), record["body"], _last_try(record))


def _last_try(record: Mapping[str, Any]) -> bool:
    attributes = record.get("attributes")
    known = attributes if isinstance(attributes, Mapping) else {}
    received = str(known.get("ApproximateReceiveCount"))
    return bool(_COUNT.fullmatch(received)) and int(received) >= LAST_RECEIVE


def handle_batch(
    event: object,
    handle: Callable[[Message], None],
    failed: Callable[[Message, Exception], None],
) -> dict[str, Any]:
    """Handle each message; the answer tells SQS which ones to deliver again.

    ``handle`` raises for a message that must come back, and a bug that one message brings to light
    must not take the others to the dead-letter queue with it.  ``failed`` says so in the log.  An
    event that came without a queue has nobody to redeliver it: its error goes to the caller.
    """
    failures: list[dict[str, str]] = []
    for message in messages(event):
        try:
            handle(message)
        except (PatchMedicError, *BUGS) as error:
            failed(message, error)
            if message.message_id is None:
                raise
            failures.append({"itemIdentifier": message.message_id})
    return {"batchItemFailures": failures}


def parse_json(body: str) -> object | Rejection:
    """The JSON in a message's body."""
    try:
        parsed: object = json.loads(body)
    except (ValueError, RecursionError):
        return Rejection("not-json", "the message is not JSON")
    return parsed


def parse_effect(body: str) -> str | Rejection:
    """The effect id in a message of our own effect queues."""
    parsed = parse_json(body)
    if isinstance(parsed, Rejection):
        return parsed
    effect_id = parsed.get("effect_id") if isinstance(parsed, Mapping) else None
    if not isinstance(effect_id, str) or not _EFFECT.fullmatch(effect_id):
        return Rejection("bad-effect-id", "the message names no effect of ours")
    return effect_id


def parse_command_ended(body: str) -> CommandEnded | Rejection:
    """The command and node in a Run Command invocation event."""
    parsed = parse_json(body)
    if isinstance(parsed, Rejection):
        return parsed
    if not isinstance(parsed, Mapping) or not isinstance(parsed.get("detail"), Mapping):
        return Rejection("not-an-event", "the message is not an EventBridge event")
    detail = parsed["detail"]
    wanted = {
        "account": (parsed.get("account"), _ACCOUNT),
        "region": (parsed.get("region"), _REGION),
        "detail.command-id": (detail.get("command-id"), _COMMAND),
        "detail.instance-id": (detail.get("instance-id"), _NODE),
    }
    for name, (value, pattern) in wanted.items():
        if not isinstance(value, str) or not pattern.fullmatch(value):
            return Rejection("bad-field", f"{name} is missing or not of its form")
    node = NodeRef(parsed["account"], parsed["region"], detail["instance-id"])
    return CommandEnded(node, detail["command-id"])
