"""An incident becomes a ``Notice``: every form in which people and their tools read it.

Here: the one public entry, ``render``, and the ``Notice`` type.  The forms are made in ``mail``,
``short`` and ``pager`` from one ``View``.  Pure: no clock, no AWS; the time and everything about
the stack are arguments.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from patchmedic.incident import Incident
from patchmedic.model import Remedy
from patchmedic.notices import mail, pager, short
from patchmedic.notices.pager import PageAction
from patchmedic.notices.text import clean
from patchmedic.notices.view import (
    NOTICES,
    CauseText,
    CauseTexts,
    Language,
    NoticeContext,
    View,
)

__all__ = ["CauseText", "CauseTexts", "Notice", "NoticeContext", "render"]

NODE_NAME_CHARACTERS_MAX = 64


@dataclass(frozen=True, slots=True)
class Notice:
    """One message in every form."""

    subject: str
    """ASCII, one line, fewer than 100 characters."""
    email: str
    sms: str
    """One part: 160 GSM characters, or 70 in Japanese."""
    short: str
    """One line, for protocols without a form of their own."""
    data: Mapping[str, Any]
    """For machines: what SQS and HTTPS subscribers get as JSON."""
    pager: Mapping[str, Any] | None
    """PagerDuty Events API v2 without ``routing_key``; ``None`` when nobody is to be paged."""


def render(
    incident: Incident,
    notice: str,
    lang: Language,
    catalogue: CauseTexts,
    remedies: Mapping[str, Remedy],
    node_name: str | None,
    now: datetime,
    context: NoticeContext,
    *,
    page: PageAction | None,
) -> Notice:
    """Say ``notice`` about ``incident``.

    ``page`` is what the decision wants of the pager (the effect's payload has it): an incident
    alone does not tell, since its page may be open from an earlier notice.
    """
    if notice not in NOTICES:
        raise ValueError(f"no notice is called {notice!r}; one of {', '.join(NOTICES)} is")
    name = clean(node_name, NODE_NAME_CHARACTERS_MAX) if node_name else ""
    view = View(incident, notice, lang, catalogue, remedies, name or None, now, context)
    return Notice(
        subject=short.subject(view),
        email=mail.email(view),
        sms=short.sms(view),
        short=short.line(view),
        data=_data(view),
        pager=pager.page(view, page) if page else None,
    )


def _data(view: View) -> dict[str, Any]:
    incident, diagnosis = view.incident, view.incident.diagnosis
    return {
        "version": 1,
        "notice": view.notice,
        "incident_id": clean(incident.id, 64),
        "account": clean(incident.node.account, 20),
        "region": clean(incident.node.region, 40),
        "node_id": view.node_id,
        "node_name": view.name,
        "kind": incident.kind.value,
        "platform": incident.platform,
        "document": view.document,
        "operation": view.operation,
        "status": view.status,
        "command_id": clean(incident.signal.command_id or "", 60) or None,
        "failed_at": incident.signal.time.isoformat(),
        "cause": view.cause,
        "cause_confirmed": view.confirmed,
        "chain": view.chain or None,
        "also_found": [clean(each, 60) for each in diagnosis.also] if diagnosis else [],
        "ruled_out": [clean(each, 60) for each in diagnosis.ruled_out] if diagnosis else [],
        "outcome": incident.outcome.value if incident.outcome else None,
        "rule": clean(incident.reason.rule, 60) if incident.reason else None,
        "actions": [
            {"remedy": clean(each.remedy, 60), "state": clean(each.state, 40)}
            for each in incident.actions
        ],
    }
