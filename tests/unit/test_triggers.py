"""How a function is called, taken apart: batches, single events, our own messages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from patchmedic.errors import AwsUnavailable, CommitConflict
from patchmedic.model import NodeRef, Rejection
from patchmedic.ports import CommandEnded
from patchmedic.triggers import (
    LAST_RECEIVE,
    Message,
    handle_batch,
    messages,
    parse_command_ended,
    parse_effect,
)

EVENTS = Path(__file__).resolve().parents[2] / "events"


def record(body: Any = "{}", **other: Any) -> dict[str, Any]:
    attributes = {"ApproximateReceiveCount": "1"}
    return {"messageId": "m-1", "body": body, "attributes": attributes, **other}


def test_a_batch_is_its_messages() -> None:
    batch = {"Records": [record("a"), record("b", messageId="m-2")]}
    assert list(messages(batch)) == [Message("m-1", "a", False), Message("m-2", "b", False)]


@pytest.mark.parametrize("event", [{"a": 1}, [], "text", None, 7, {"Records": "none"}])
def test_anything_else_is_one_message_that_does_not_come_again(event: Any) -> None:
    assert list(messages(event)) == [Message(None, json.dumps(event), True)]


@pytest.mark.parametrize(
    ("attributes", "last"),
    [
        ({"ApproximateReceiveCount": str(LAST_RECEIVE - 1)}, False),
        ({"ApproximateReceiveCount": str(LAST_RECEIVE)}, True),
        ({"ApproximateReceiveCount": "9" * 5000}, False),
        ({"ApproximateReceiveCount": "²"}, False),
        ({"ApproximateReceiveCount": None}, False),
        ({}, False),
        (None, False),
        ("text", False),
        ([1], False),
    ],
)
def test_the_last_try_is_known_by_the_count(attributes: Any, last: bool) -> None:
    (message,) = messages({"Records": [record(attributes=attributes)]})
    assert message.last_try is last


@pytest.mark.parametrize("bad", [None, 7, "text", {"body": 7}, {"messageId": "m-1"}])
def test_a_record_that_is_none_is_a_message_all_the_same(bad: Any) -> None:
    found = list(messages({"Records": [bad, record("fine")]}))
    assert [m.body for m in found] == [json.dumps(bad), "fine"]


@pytest.mark.parametrize(
    "error",
    [
        AwsUnavailable("Op", "Code", "m"),
        CommitConflict("moved"),
        AssertionError("bug"),
        KeyError(1),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_message_that_fails_comes_back_alone(error: Exception) -> None:
    handled: list[str] = []

    def handle(message: Message) -> None:
        if message.body == "bad":
            raise error
        handled.append(message.body)

    batch = {"Records": [record("a"), record("bad", messageId="m-2"), record("b")]}
    told: list[tuple[str, Exception]] = []
    answer = handle_batch(batch, handle, lambda message, why: told.append((message.body, why)))
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m-2"}]}
    assert handled == ["a", "b"]
    assert told == [("bad", error)], "a failure is never silent"


def test_an_event_without_a_queue_fails_loudly() -> None:
    def handle(message: Message) -> None:
        raise CommitConflict("moved")

    with pytest.raises(CommitConflict):
        handle_batch({"source": "aws.ssm"}, handle, lambda message, error: None)


def test_our_own_messages_are_read() -> None:
    assert parse_effect('{"effect_id": "pm-0123456789abcdef-01"}') == "pm-0123456789abcdef-01"
    assert parse_effect('{"effect_id": "pm-0123456789abcdef-1234"}') == "pm-0123456789abcdef-1234"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("", "not-json"),
        ("[" * 100_000, "not-json"),
        ("9" * 10_000, "not-json"),
        ("null", "bad-effect-id"),
        ("[]", "bad-effect-id"),
        ("{}", "bad-effect-id"),
        ('{"effect_id": 7}', "bad-effect-id"),
        ('{"effect_id": "pm-0123456789abcdef-01\\n"}', "bad-effect-id"),
        ('{"effect_id": "pm-0123456789abcdef-01; rm -rf /"}', "bad-effect-id"),
    ],
)
def test_what_names_no_effect_is_rejected_by_name(body: str, code: str) -> None:
    rejected = parse_effect(body)
    assert isinstance(rejected, Rejection)
    assert rejected.code == code


def test_the_end_of_a_command_is_read() -> None:
    event = json.loads((EVENTS / "own-check-succeeded.json").read_text("utf-8"))
    ended = parse_command_ended(json.dumps(event))
    detail = event["detail"]
    node = NodeRef(event["account"], event["region"], detail["instance-id"])
    assert ended == CommandEnded(node, detail["command-id"])


@pytest.mark.parametrize("field", ["account", "region"])
@pytest.mark.parametrize("value", [None, 7, "", "x", ["123456789012"], "ap-northeast-1; x"])
def test_an_envelope_that_is_none_is_rejected(field: str, value: Any) -> None:
    event = json.loads((EVENTS / "own-check-succeeded.json").read_text("utf-8"))
    rejected = parse_command_ended(json.dumps({**event, field: value}))
    assert isinstance(rejected, Rejection)
    assert (rejected.code, field in rejected.reason) == ("bad-field", True)


@pytest.mark.parametrize("field", ["command-id", "instance-id"])
@pytest.mark.parametrize("value", [None, 7, "", "i-", "i-xyz", "../..", {"a": 1}])
def test_a_detail_that_is_none_is_rejected(field: str, value: Any) -> None:
    event = json.loads((EVENTS / "own-check-succeeded.json").read_text("utf-8"))
    event["detail"][field] = value
    rejected = parse_command_ended(json.dumps(event))
    assert isinstance(rejected, Rejection)
    assert field in rejected.reason


@pytest.mark.parametrize("body", ["", "null", "[]", "{}", '{"detail": []}', '{"detail": null}'])
def test_what_is_no_event_is_rejected(body: str) -> None:
    assert isinstance(parse_command_ended(body), Rejection)
