"""The edge of the notices: a ``Notice`` goes to the SNS topics and, as a page, to EventBridge.

Here: the calls, and the limits that AWS would answer with a vague error.  Retries are botocore's
business (its config comes with the clients).  Clients are made by the factories that are handed
in, when they are first needed.  Not here: what a notice says (``render``), whether one is due
(``incident``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from patchmedic.aws import call
from patchmedic.errors import AwsError, PatchMedicError
from patchmedic.notices.render import Notice

PAGE_SOURCE = "patchmedic"
PAGE_DETAIL_TYPE = "PatchMedic Page"
SUBJECT_CHARACTERS_MAX = 99
MESSAGE_BYTES_MAX = 262_144
"""SNS counts body and attributes; EventBridge counts the whole entry.  Both stop at 256 KiB."""

_ATTRIBUTE_NAME = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")
_ATTRIBUTE_NAME_MAX = 256
_MACHINES = ("sqs", "http", "https", "lambda", "firehose")


class NoticeNotSent(PatchMedicError):
    """A notice did not go out; ``reason`` names why, ``retryable`` says if it may later."""

    def __init__(self, reason: str, detail: str, *, retryable: bool = False) -> None:
        super().__init__(f"the notice was not sent ({reason}): {detail}")
        self.reason = reason
        self.detail = detail
        self.retryable = retryable


class SnsClient(Protocol):
    """The part of boto3's SNS client that is used."""

    def publish(self, **kwargs: Any) -> Any: ...


class EventsClient(Protocol):
    """The part of boto3's EventBridge client that is used."""

    def put_events(self, **kwargs: Any) -> Any: ...


class Senders:
    """Sends notices to people and to the pager."""

    def __init__(
        self,
        sns: Callable[[], SnsClient],
        events: Callable[[], EventsClient],
        *,
        people_topic_arn: str,
        pager_topic_arn: str,
        event_bus_name: str,
        pager_enabled: bool,
    ) -> None:
        self._sns = sns
        self._events = events
        self._people_topic_arn = people_topic_arn
        self._pager_topic_arn = pager_topic_arn
        self._event_bus_name = event_bus_name
        self._pager_enabled = pager_enabled

    def people(self, notice: Notice, attributes: Mapping[str, str]) -> str:
        """Publish to the people's topic; the id that SNS gave the message.

        ``attributes`` are what subscriptions filter on; empty values are left out, since SNS
        refuses them.
        """
        bodies = _bodies(notice.short, notice.email, notice.sms, notice.data)
        return self._publish(self._people_topic_arn, notice.subject, bodies, attributes)

    def page(self, notice: Notice, attributes: Mapping[str, str] | None = None) -> None:
        """Publish to the pager's topic and, when the pager is enabled, put its event on the bus.

        Both are tried even if one fails: a page that arrives twice is folded by its key, one that
        does not arrive wakes nobody.
        """
        if notice.pager is None:
            raise NoticeNotSent("no-page", "this notice carries no page")
        troubles: list[NoticeNotSent] = []
        if self._pager_enabled:
            try:
                self._put_event(notice.pager)
            except NoticeNotSent as error:
                troubles.append(error)
        bodies = _bodies(notice.short, notice.short, notice.sms, notice.pager)
        try:
            self._publish(self._pager_topic_arn, notice.subject, bodies, attributes or {})
        except NoticeNotSent as error:
            troubles.append(error)
        if troubles:
            raise NoticeNotSent(
                "+".join(error.reason for error in troubles),
                "; ".join(error.detail for error in troubles),
                retryable=any(error.retryable for error in troubles),
            ) from troubles[0]

    def _publish(
        self,
        topic_arn: str,
        subject: str,
        bodies: Mapping[str, str],
        attributes: Mapping[str, str],
    ) -> str:
        if not topic_arn:
            raise NoticeNotSent("no-topic", "the function's environment names no topic for this")
        _check_subject(subject)
        sent = {key: value for key, value in attributes.items() if value}
        _check_attributes(sent)
        message = json.dumps(bodies, ensure_ascii=False)
        named = sum(_bytes(key) + _bytes(value) + _bytes("String") for key, value in sent.items())
        _check_size("SNS message", _bytes(message) + named)
        try:
            answer = call(
                "sns:Publish",
                self._sns().publish,
                TopicArn=topic_arn,
                Subject=subject,
                Message=message,
                MessageStructure="json",
                MessageAttributes={
                    key: {"DataType": "String", "StringValue": value} for key, value in sent.items()
                },
            )
        except AwsError as error:
            raise NoticeNotSent("sns", str(error), retryable=error.retryable) from error
        return str(answer["MessageId"])

    def _put_event(self, body: Mapping[str, Any]) -> None:
        detail = json.dumps(body, ensure_ascii=False)
        size = _bytes(detail) + _bytes(PAGE_SOURCE) + _bytes(PAGE_DETAIL_TYPE)
        _check_size("EventBridge entry", size)
        entry = {
            "Source": PAGE_SOURCE,
            "DetailType": PAGE_DETAIL_TYPE,
            "Detail": detail,
            "EventBusName": self._event_bus_name,
        }
        try:
            answer = call("events:PutEvents", self._events().put_events, Entries=[entry])
        except AwsError as error:
            raise NoticeNotSent("events", str(error), retryable=error.retryable) from error
        if answer.get("FailedEntryCount", 0):
            failed = answer.get("Entries") or [{}]
            code = str(failed[0].get("ErrorCode", "Unknown"))
            message = str(failed[0].get("ErrorMessage", ""))[:300]
            raise NoticeNotSent(
                "events-entry",
                f"EventBridge took the call, not the page: {code}: {message}",
                retryable=True,
            )


def _bodies(default: str, email: str, sms: str, data: Mapping[str, Any]) -> dict[str, str]:
    machine = json.dumps(data, ensure_ascii=False)
    return {"default": default, "email": email, "sms": sms} | dict.fromkeys(_MACHINES, machine)


def _bytes(text: str) -> int:
    return len(text.encode("utf-8"))


def _check_subject(subject: str) -> None:
    if not 1 <= len(subject) <= SUBJECT_CHARACTERS_MAX:
        raise NoticeNotSent("subject", f"it has {len(subject)} characters; SNS takes 1 to 99")
    if not (subject.isascii() and subject.isprintable()) or subject[0] == " ":
        raise NoticeNotSent("subject", "SNS takes one line of printable ASCII, no blank first")


def _check_attributes(attributes: Mapping[str, str]) -> None:
    for name in attributes:
        reserved = name.lower().startswith(("aws.", "amazon."))
        if len(name) > _ATTRIBUTE_NAME_MAX or reserved or not _ATTRIBUTE_NAME.fullmatch(name):
            raise NoticeNotSent("attribute", f"SNS takes no attribute named {name[:80]!r}")


def _check_size(what: str, size: int) -> None:
    if size > MESSAGE_BYTES_MAX:
        raise NoticeNotSent(
            "too-large", f"the {what} has {size} bytes; AWS takes {MESSAGE_BYTES_MAX}"
        )
