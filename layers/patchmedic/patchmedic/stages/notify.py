"""notify: tell people.  E-mail and SMS through one topic, the pager through another and the bus.

A message may be sent twice after a crash; the pager folds doubles by its key, the incident's id.
What it cannot put right is the order: a page that comes after its resolve would stay for ever.  So
a page that is no longer wanted is left out, and a resolve waits until its page is done with.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol

from patchmedic.incident import Incident
from patchmedic.model import EffectKind
from patchmedic.stages.common import Context, Taken, take

BY = "notify"


class Notifier(Protocol):
    """Renders one notice of an incident and sends it on every channel that wants it."""

    def send(self, incident: Incident, notice: str, page: str | None) -> None: ...


def carry_out(ctx: Context, notifier: Notifier, effect_id: str) -> str:
    """Carry out one notify effect; returns what was done, for the log."""
    taken = take(ctx, effect_id, (EffectKind.NOTIFY,))
    if taken is None:
        return "nothing to do"
    notice = str(taken.effect.payload["notice"])
    page = taken.effect.payload.get("page")
    if page == "trigger" and not taken.incident.paged:
        page = None
    if page == "resolve" and _page_under_way(ctx, taken):
        wait = ctx.policy.limits.defer_wait_seconds
        ctx.store.defer(taken.claimed, ctx.clock.now() + timedelta(seconds=wait))
        return "the resolve waits for its page"
    notifier.send(taken.incident, notice, str(page) if page else None)
    ctx.store.finish(effect_id, "sent")
    return f"told people: {notice}" + (f", pager: {page}" if page else "")


def _page_under_way(ctx: Context, taken: Taken) -> bool:
    """Whether the page that this resolves may still be sent by somebody."""
    trigger = taken.effect.payload.get("after")
    record = ctx.store.effect(str(trigger)) if trigger else None
    return record is not None and record.status != "done"
