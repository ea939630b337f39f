"""The edge of the notices against botocore's own models: what is sent, and every way it fails."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber
from notice_samples import CAUSES, CONTEXT, NOW, REMEDIES, escalated, filled_with, resolved

from patchmedic.notices.render import Notice, render
from patchmedic.notices.senders import NoticeNotSent, Senders

REGION = "ap-northeast-1"
PEOPLE = "arn:aws:sns:ap-northeast-1:123456789012:patchmedic-people"
PAGER = "arn:aws:sns:ap-northeast-1:123456789012:patchmedic-pager"


class Aws:
    """Real clients whose calls are checked against botocore's models and answered here."""

    def __init__(self) -> None:
        keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        self.sns_client = boto3.client("sns", region_name=REGION, **keys)  # type: ignore[call-overload]
        self.events_client = boto3.client("events", region_name=REGION, **keys)  # type: ignore[call-overload]
        self.sns = Stubber(self.sns_client)
        self.events = Stubber(self.events_client)
        self.sent: list[dict[str, Any]] = []
        for client in (self.sns_client, self.events_client):
            client.meta.events.register("provide-client-params.*.*", self._remember)

    def _remember(self, params: dict[str, Any], **_: Any) -> None:
        self.sent.append(params)

    def senders(self, *, pager: bool = True, people: str = PEOPLE) -> Senders:
        return Senders(
            lambda: self.sns_client,
            lambda: self.events_client,
            people_topic_arn=people,
            pager_topic_arn=PAGER,
            event_bus_name="default",
            pager_enabled=pager,
        )


@pytest.fixture
def aws() -> Iterator[Aws]:
    made = Aws()
    with made.sns, made.events:
        yield made
        made.sns.assert_no_pending_responses()
        made.events.assert_no_pending_responses()


def notice(lang: Any = "en") -> Notice:
    return render(
        escalated(), "escalated", lang, CAUSES, REMEDIES, "web-1", NOW, CONTEXT, page="trigger"
    )


def published(aws: Aws) -> None:
    aws.sns.add_response("publish", {"MessageId": "m-1"})


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_people_get_a_body_for_each_protocol(aws: Aws, lang: str) -> None:
    published(aws)
    said = notice(lang)
    attributes = {"notice": "escalated", "cause": "s3-unreachable", "empty": ""}
    assert aws.senders().people(said, attributes) == "m-1"
    (sent,) = aws.sent
    assert sent["TopicArn"] == PEOPLE
    assert sent["Subject"] == said.subject
    assert sent["MessageStructure"] == "json"
    assert sent["MessageAttributes"] == {
        "notice": {"DataType": "String", "StringValue": "escalated"},
        "cause": {"DataType": "String", "StringValue": "s3-unreachable"},
    }
    bodies = json.loads(sent["Message"])
    assert bodies["email"] == said.email
    assert bodies["sms"] == said.sms
    assert bodies["default"] == said.short
    for machine in ("sqs", "https", "lambda"):
        assert json.loads(bodies[machine])["incident_id"] == "pm-0123456789abcdef"
    assert all(isinstance(body, str) for body in bodies.values())


@pytest.mark.parametrize("text", ["x" * 300_000, "\U0001f600" * 5_000, '"\\' * 9_000])
def test_whatever_a_node_said_fits_into_every_message(aws: Aws, text: str) -> None:
    published(aws)
    published(aws)
    aws.events.add_response("put_events", {"FailedEntryCount": 0, "Entries": []})
    said = render(
        filled_with(text), "escalated", "ja", CAUSES, REMEDIES, text, NOW, CONTEXT, page="trigger"
    )
    aws.senders().people(said, {"notice": "escalated"})
    aws.senders().page(said)


def test_a_page_goes_to_the_bus_and_to_the_topic(aws: Aws) -> None:
    aws.events.add_response(
        "put_events",
        {"FailedEntryCount": 0, "Entries": [{"EventId": "e-1"}]},
        {
            "Entries": [
                {
                    "Source": "patchmedic",
                    "DetailType": "PatchMedic Page",
                    "Detail": ANY,
                    "EventBusName": "default",
                }
            ]
        },
    )
    published(aws)
    said = notice()
    aws.senders().page(said)
    event, message = aws.sent
    assert json.loads(event["Entries"][0]["Detail"]) == said.pager
    assert message["TopicArn"] == PAGER
    bodies = json.loads(message["Message"])
    assert json.loads(bodies["https"]) == said.pager
    assert bodies["email"] == bodies["default"] == said.short
    assert "routing_key" not in message["Message"] + event["Entries"][0]["Detail"]


def test_without_a_pager_only_the_topic_gets_the_page(aws: Aws) -> None:
    published(aws)
    aws.senders(pager=False).page(notice())
    assert [sent.get("TopicArn") for sent in aws.sent] == [PAGER]


def test_clients_are_made_only_when_needed() -> None:
    def never() -> Any:
        raise AssertionError("a client was made too early")

    Senders(
        never,
        never,
        people_topic_arn=PEOPLE,
        pager_topic_arn=PAGER,
        event_bus_name="default",
        pager_enabled=True,
    )


def test_an_entry_that_the_bus_refused_is_an_error_and_the_topic_still_hears(aws: Aws) -> None:
    refused = {"ErrorCode": "InternalFailure", "ErrorMessage": "try again"}
    aws.events.add_response("put_events", {"FailedEntryCount": 1, "Entries": [refused]})
    published(aws)
    with pytest.raises(NoticeNotSent, match="InternalFailure: try again") as caught:
        aws.senders().page(notice())
    assert (caught.value.reason, caught.value.retryable) == ("events-entry", True)


@pytest.mark.parametrize(
    ("code", "status", "retryable"),
    [
        ("AuthorizationError", 403, False),
        ("InternalError", 500, True),
        ("Throttled", 429, None),
        ("ThrottlingException", 400, True),
    ],
)
def test_errors_of_sns_are_named(aws: Aws, code: str, status: int, retryable: bool | None) -> None:
    aws.sns.add_client_error("publish", code, "no", status)
    with pytest.raises(NoticeNotSent, match=code) as caught:
        aws.senders().people(notice(), {})
    assert caught.value.reason == "sns"
    if retryable is not None:
        assert caught.value.retryable is retryable


def test_an_error_of_the_bus_is_named(aws: Aws) -> None:
    aws.events.add_client_error("put_events", "AccessDeniedException", "no", http_status_code=400)
    published(aws)
    with pytest.raises(NoticeNotSent, match="AccessDenied") as caught:
        aws.senders().page(notice())
    assert (caught.value.reason, caught.value.retryable) == ("events", False)


def test_both_errors_of_a_page_are_told(aws: Aws) -> None:
    aws.events.add_client_error("put_events", "AccessDeniedException", "bus", http_status_code=400)
    aws.sns.add_client_error("publish", "InternalError", "topic", 500)
    with pytest.raises(NoticeNotSent) as caught:
        aws.senders().page(notice())
    assert "AccessDeniedException" in str(caught.value)
    assert "InternalError" in str(caught.value)
    assert caught.value.retryable


@pytest.mark.parametrize(
    "subject", ["", "x" * 100, "two\nlines", "障害", " leading", "tab\there", "\x7f"]
)
def test_a_subject_that_sns_would_refuse_is_never_sent(aws: Aws, subject: str) -> None:
    with pytest.raises(NoticeNotSent) as caught:
        aws.senders().people(replace(notice(), subject=subject), {})
    assert caught.value.reason == "subject"
    assert aws.sent == []


@pytest.mark.parametrize("size", [262_145, 80_000])
def test_a_message_over_the_limit_is_never_sent(aws: Aws, size: int) -> None:
    text = "x" * size if size > 262_144 else "障" * 90_000
    with pytest.raises(NoticeNotSent) as caught:
        aws.senders().people(replace(notice(), email=text), {})
    assert caught.value.reason == "too-large"
    assert aws.sent == []


def test_the_limit_counts_bytes_of_the_whole_message_to_the_byte(aws: Aws) -> None:
    published(aws)
    said = notice()
    aws.senders().people(said, {"a": "b"})
    used = len(aws.sent[0]["Message"].encode()) + len("ab") + len("String")
    room = 262_144 - used
    published(aws)
    aws.senders().people(replace(said, email=said.email + "x" * room), {"a": "b"})
    with pytest.raises(NoticeNotSent, match="262145 bytes"):
        aws.senders().people(replace(said, email=said.email + "x" * (room + 1)), {"a": "b"})


def test_a_page_over_the_limit_is_never_put(aws: Aws) -> None:
    huge = replace(notice(), pager={"payload": "x" * 262_144})
    with pytest.raises(NoticeNotSent) as caught:
        aws.senders().page(huge)
    assert caught.value.reason == "too-large+too-large"
    assert aws.sent == []


@pytest.mark.parametrize(
    "name", ["", "a b", ".a", "a.", "a..b", "AWS.x", "amazon.y", "x" * 257, "é"]
)
def test_an_attribute_that_sns_would_refuse_is_named(aws: Aws, name: str) -> None:
    with pytest.raises(NoticeNotSent) as caught:
        aws.senders().people(notice(), {name: "v"})
    assert caught.value.reason == "attribute"


def test_a_notice_without_a_page_cannot_page(aws: Aws) -> None:
    quiet = render(resolved(), "resolved", "en", CAUSES, REMEDIES, None, NOW, CONTEXT, page=None)
    with pytest.raises(NoticeNotSent) as caught:
        aws.senders().page(quiet)
    assert caught.value.reason == "no-page"


def test_a_missing_topic_is_named(aws: Aws) -> None:
    with pytest.raises(NoticeNotSent) as caught:
        aws.senders(people="").people(notice(), {})
    assert caught.value.reason == "no-topic"
