"""notify: tell people.  E-mail and SMS through one topic, the pager through another and the bus.

A message may be sent twice after a crash; the pager folds doubles by its key, the incident's id.
"""

from __future__ import annotations

from typing import Protocol

from patchmedic.incident import Incident
from patchmedic.stages.common import Context, take

BY = "notify"


class Notifier(Protocol):
    """Renders one notice of an incident and sends it on every channel that wants it."""

    def send(self, incident: Incident, notice: str, page: str | None) -> None: ...


def carry_out(ctx: Context, notifier: Notifier, effect_id: str) -> str:
    """Carry out one notify effect; returns what was done, for the log."""
    taken = take(ctx, effect_id)
    if taken is None:
        return "nothing to do"
    notice = str(taken.effect.payload["notice"])
    page = taken.effect.payload.get("page")
    notifier.send(taken.incident, notice, str(page) if page else None)
    ctx.store.finish(effect_id, "sent")
    return f"told people: {notice}" + (f", pager: {page}" if page else "")
