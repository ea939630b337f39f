"""The ids of an incident, checked before they go into a command line or a link.

An id is used only when it has the form that AWS gives it: what is made with it ends in somebody's
shell or browser.  Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from patchmedic.incident import Incident

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_FORMS: Mapping[str, re.Pattern[str]] = {
    "incident_id": re.compile(r"[A-Za-z0-9-]{1,64}"),
    "node_id": re.compile(r"(?:i|mi|mw)-[0-9a-f]{8,40}"),
    "region": re.compile(r"[a-z]{2}(?:-[a-z]+){1,3}-[0-9]{1,2}"),
    "account": re.compile(r"[0-9]{12}"),
    "command_id": _UUID,
    "association_id": _UUID,
    "window_id": re.compile(r"mw-[0-9a-f]{17}"),
    "window_execution_id": _UUID,
    "document": re.compile(r"[A-Za-z0-9_.:/-]{1,200}"),
}


def ids(incident: Incident) -> dict[str, str]:
    """The incident's ids, each with a value that no shell can misread."""
    signal = incident.signal
    raw = {
        "incident_id": incident.id,
        "node_id": incident.node.node_id,
        "region": incident.node.region,
        "account": incident.node.account,
        "command_id": signal.command_id,
        "association_id": signal.association_id,
        "window_id": signal.window_id,
        "window_execution_id": signal.window_execution_id,
        "document": incident.evidence.document or signal.document,
    }
    return {
        name: value
        if value is not None and _FORMS[name].fullmatch(value)
        else f"<{name.replace('_', '-')}>"
        for name, value in raw.items()
    }


def known(values: Mapping[str, str], name: str) -> bool:
    """Whether ``ids`` had a usable value."""
    return not values[name].startswith("<")
