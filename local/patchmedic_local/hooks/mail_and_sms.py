"""Changes MiniStack's SNS: e-mail and SMS subscriptions receive, as files in the outbox.

MiniStack only logs that it would send.  Subjects that SNS refuses are refused here too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from patchmedic_local.hooks import pinned
from patchmedic_local.outbox import Outbox

_SUBJECT_MAX = 100
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def install(outbox: Outbox) -> None:
    sns = pinned.require(
        "ministack.services.sns",
        "_resolve_message_for_protocol",
        "_matches_filter_policy",
        "_build_envelope",
        "_topic_by_arn_any_scope",
        "_error",
        "_p",
    )

    def make_fanout(original: Callable[..., None]) -> Callable[..., None]:
        def fanout(
            topic_arn: str,
            msg_id: str,
            message: str,
            subject: str,
            message_structure: str = "",
            message_attributes: dict[str, Any] | None = None,
            **fifo: str,
        ) -> None:
            original(
                topic_arn, msg_id, message, subject, message_structure, message_attributes, **fifo
            )
            topic = sns._topic_by_arn_any_scope(topic_arn)
            for sub in topic["subscriptions"] if topic else []:
                protocol = sub.get("protocol", "")
                if protocol not in ("email", "email-json", "sms") or not sub.get("confirmed"):
                    continue
                body = sns._resolve_message_for_protocol(message, message_structure, protocol)
                attributes = message_attributes or {}
                if not sns._matches_filter_policy(sub, attributes, body):
                    continue
                if protocol == "sms":
                    outbox.sms(sub["endpoint"], body)
                    continue
                if protocol == "email-json":
                    body = sns._build_envelope(topic_arn, msg_id, body, subject, attributes, False)
                name = (topic.get("attributes") or {}).get("DisplayName", "")
                outbox.email(sub["endpoint"], name, subject, body, sub["arn"])

        return fanout

    def make_publish(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def publish(params: Any) -> Any:
            subject = sns._p(params, "Subject")
            if subject and (len(subject) >= _SUBJECT_MAX or _CONTROL.search(subject)):
                text = "Invalid parameter: Subject"
                return sns._error("InvalidParameter", text, 400)
            return original(params)

        return publish

    pinned.replace("ministack.services.sns", "_fanout", make_fanout)
    pinned.replace("ministack.services.sns", "_publish", make_publish)
