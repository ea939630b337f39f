"""approve: a person decides on a proposed remedy, once, before it expires."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from patchmedic.incident import OperatorDecided
from patchmedic.model import Rejection
from patchmedic.stages.common import Context, advance

BY = "approve"
_INCIDENT = re.compile(r"pm-[0-9a-f]{16}")
_OPERATOR = re.compile(r"[A-Za-z0-9_+=,.@:/-]{1,256}")
NOTE_CHARS_MAX = 500


@dataclass(frozen=True, slots=True)
class Answer:
    """What an operator said."""

    incident_id: str
    approve: bool
    operator: str
    note: str


def parse_answer(event: object) -> Answer | Rejection:
    """Check an invocation's payload: ``{"incident_id", "decision", "operator", "reason"}``."""
    if not isinstance(event, Mapping):
        return Rejection("not-an-object", "the payload is not a JSON object")
    incident_id, decision = event.get("incident_id"), event.get("decision")
    operator, note = event.get("operator"), event.get("reason", "")
    if not isinstance(incident_id, str) or not _INCIDENT.fullmatch(incident_id):
        return Rejection("bad-incident-id", "incident_id is not of the form pm-0123456789abcdef")
    if decision not in ("approve", "deny"):
        return Rejection("bad-decision", "decision is neither approve nor deny")
    if not isinstance(operator, str) or not _OPERATOR.fullmatch(operator):
        return Rejection("bad-operator", "operator must name you, for the record")
    if not isinstance(note, str) or len(note) > NOTE_CHARS_MAX:
        return Rejection("bad-reason", f"reason is no text of at most {NOTE_CHARS_MAX} characters")
    return Answer(incident_id, decision == "approve", operator, note)


def handle_answer(ctx: Context, answer: Answer) -> Mapping[str, str | bool]:
    """Decide on the proposal; a second answer changes nothing and says so."""
    if ctx.store.load(answer.incident_id) is None:
        return {"decided": False, "detail": f"there is no incident {answer.incident_id}"}
    fact = OperatorDecided(answer.approve, answer.operator, answer.note)
    decision = advance(ctx, answer.incident_id, fact, BY)
    return {
        "decided": decision.changed,
        "incident_id": answer.incident_id,
        "state": decision.incident.state.value,
        "detail": decision.entry,
    }
