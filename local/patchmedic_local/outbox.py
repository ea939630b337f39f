"""The outboxes: what would leave the account, as files, exactly as a receiver would get it.

Here: e-mails as SNS writes them, SMS texts, HTTP requests to API destinations.  Not here: who
sends them (``hooks.mail_and_sms``, ``hooks.api_destinations``).
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formataddr, formatdate
from pathlib import Path
from typing import Any

from patchmedic_local.options import REGION

_SENDER = "no-reply@sns.amazonaws.com"
_DEFAULT_NAME = "AWS Notifications"
_DEFAULT_SUBJECT = "AWS Notification Message"
_SMS_CHARACTERS_MAX = 1600
_FOOTER = """

--
If you wish to stop receiving notifications from this topic, please click or visit the link below \
to unsubscribe:
https://sns.{region}.amazonaws.com/unsubscribe.html?SubscriptionArn={subscription}&Endpoint={to}

Please do not reply directly to this email. If you have any questions or comments regarding this \
email, please contact us at https://aws.amazon.com/support
"""
_OPEN_HEADERS = frozenset(
    {"content-type", "user-agent", "range", "accept", "accept-encoding", "connection"}
)
_SECRET_FIELDS = frozenset({"routing_key", "password", "token", "client_secret"})
_MASK = "********"


class Outbox:
    """Numbered files under ``<state-dir>/outbox``; the number is the order of sending."""

    def __init__(self, state_dir: Path) -> None:
        self.root = state_dir / "outbox"
        self._unfinished = state_dir / "tmp"
        self._lock = threading.Lock()
        self._unfinished.mkdir(parents=True, exist_ok=True)
        for kind in ("email", "sms", "pager"):
            (self.root / kind).mkdir(parents=True, exist_ok=True)

    def email(self, to: str, name: str, subject: str, body: str, subscription: str) -> Path:
        message = EmailMessage(policy=SMTP)
        message["From"] = formataddr((name or _DEFAULT_NAME, _SENDER))
        message["To"] = to
        message["Subject"] = subject or _DEFAULT_SUBJECT
        message["Date"] = formatdate(localtime=False)
        footer = _FOOTER.format(region=REGION, subscription=subscription, to=to)
        message.set_content(body + footer, charset="utf-8", cte="8bit")
        return self._write("email", _slug(subject or _DEFAULT_SUBJECT), "eml", message.as_bytes())

    def sms(self, to: str, body: str) -> Path:
        text = f"To: {to}\n\n{body[:_SMS_CHARACTERS_MAX]}\n"
        return self._write("sms", None, "txt", text.encode())

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: str,
        answer: Mapping[str, Any],
    ) -> Path:
        """One HTTP request with its secrets masked, and what it was answered."""
        content = _json(body)
        name = "request"
        if isinstance(content, dict) and "event_action" in content:
            name = f"{content['event_action']}-{content.get('dedup_key', 'none')}"
        shown = {
            "method": method,
            "url": url,
            # A connection may carry its key in a header of any name.
            "headers": {k: v if k.lower() in _OPEN_HEADERS else _MASK for k, v in headers.items()},
            "body": _masked(content),
            "response": dict(answer),
        }
        text = json.dumps(shown, indent=2, ensure_ascii=False) + "\n"
        return self._write("pager", _slug(name), "json", text.encode())

    def _write(self, kind: str, name: str | None, suffix: str, content: bytes) -> Path:
        with self._lock:
            folder = self.root / kind
            number = sum(1 for _file in folder.iterdir()) + 1
            stem = f"{number:03d}" if name is None else f"{number:03d}-{name}"
            path = folder / f"{stem}.{suffix}"
            # Whoever watches the folder sees a message whole or not at all.
            unfinished = self._unfinished / path.name
            unfinished.write_bytes(content)
            unfinished.replace(path)
        return path


def _json(body: str) -> Any:
    try:
        return json.loads(body)
    except json.JSONDecodeError:
        return body


def _masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _MASK if k in _SECRET_FIELDS else _masked(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_masked(item) for item in value]
    return value


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")[:80] or "message"
