"""The page: a body for PagerDuty's Events API v2, without the routing key.

The key is a secret of the connection that delivers the page; it is never in here.  One incident
has one ``dedup_key``, its id, so that a doubled trigger is one page and the resolve finds it.
Pure.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from patchmedic.notices import mail
from patchmedic.notices.short import line
from patchmedic.notices.text import clean, cut
from patchmedic.notices.view import View

PageAction = Literal["trigger", "resolve"]
Severity = Literal["critical", "error", "warning", "info"]

SUMMARY_CHARACTERS_MAX = 1_024
DEDUP_KEY_CHARACTERS_MAX = 255
CHAIN_CHARACTERS_MAX = 500
CLIENT = "PatchMedic"


def page(view: View, action: PageAction) -> dict[str, Any]:
    """The body that opens the page, or closes it with the same key."""
    incident = view.incident
    console = [(view.say(key), url) for key, url in view.console.items()]
    body: dict[str, Any] = {
        "event_action": action,
        "dedup_key": clean(incident.id, DEDUP_KEY_CHARACTERS_MAX),
        "payload": {
            "summary": cut(line(view), SUMMARY_CHARACTERS_MAX),
            "source": clean(view.node, 255),
            "severity": _severity(view),
            "timestamp": _iso(incident.signal.time if action == "trigger" else view.now),
            "component": "Systems Manager" if view.is_ping else view.document or "Patch Manager",
            "group": clean(f"{incident.node.account}/{incident.node.region}", 100),
            "class": view.cause,
            "custom_details": _details(view),
        },
        "client": CLIENT,
        "links": [{"href": clean(url, 600), "text": label} for label, url in console],
    }
    if console:
        body["client_url"] = body["links"][0]["href"]
    return body


def _severity(view: View) -> Severity:
    if view.notice in ("resolved", "suppressed", "recommended"):
        return "info"
    if view.notice == "proposal":
        return "warning"
    return "critical" if view.is_ping else "error"


def _details(view: View) -> dict[str, Any]:
    """What the one who is woken needs, short; the rest is in the e-mail."""
    incident, hook = view.incident, view.incident.evidence.hook
    sentences, commands = mail.advice(view)
    looked = view.looked
    found: dict[str, Any] = {
        "incident_id": clean(incident.id, 64),
        "node_id": view.node_id,
        "node_name": view.name,
        "account": clean(incident.node.account, 20),
        "region": clean(incident.node.region, 40),
        "platform": incident.platform,
        "document": view.document,
        "operation": view.operation,
        "status": view.status,
        "step": clean(incident.evidence.step or "", 80) or None,
        "hook": mail.hook_sentence(view, hook) if hook else None,
        "exit_code": incident.evidence.response_code,
        "command_id": clean(incident.signal.command_id or "", 60) or None,
        "cause": view.cause,
        "cause_title": view.title(incident.cause),
        "cause_confirmed": view.confirmed,
        "chain": cut(view.chain, CHAIN_CHARACTERS_MAX) or None,
        "also_found": [view.title(each.cause or "") for each in looked.also[: mail.ALSO_SHOWN_MAX]],
        "ruled_out": [
            mail.ruled_out_by(view, each) for each in looked.ruled_out[: mail.RULED_OUT_SHOWN_MAX]
        ],
        "not_looked_at": [
            clean(view.of(each.says), mail.NOT_LOOKED_CHARACTERS_MAX)
            for each in looked.not_looked[: mail.NOT_LOOKED_SHOWN_MAX]
        ],
        "output": [
            clean(each.text, mail.QUOTED_CHARACTERS_MAX)
            for each in view.lines[: mail.QUOTED_LINES_MAX]
        ],
        "actions": [
            f"{clean(each.remedy, 60)}: {clean(each.state, 40)}"
            for each in incident.actions[-mail.ACTIONS_SHOWN_MAX :]
        ],
        "why": mail.why_stopped(view) or None,
        "history": f"patchmedic incidents {clean(incident.id, 64)}",
    }
    if view.notice in ("escalated", "recommended", "proposal"):
        found["what_to_do"] = cut(" ".join(each.strip() for each in sentences), 2_000)
        found["commands"] = commands
    return {key: value for key, value in found.items() if value not in (None, "", [])}


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
