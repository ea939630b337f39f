"""``stages.notify.Notifier`` in memory: what people and the pager were told, in order."""

from __future__ import annotations

from dataclasses import dataclass, field

from patchmedic.incident import Incident


@dataclass(frozen=True, slots=True)
class Told:
    """One message."""

    incident_id: str
    notice: str
    page: str | None


@dataclass(slots=True)
class FakeNotifier:
    """Keeps every message."""

    told: list[Told] = field(default_factory=list)

    def send(self, incident: Incident, notice: str, page: str | None) -> None:
        assert page in (None, "trigger", "resolve"), f"the pager knows no {page}"
        self.told.append(Told(incident.id, notice, page))

    def pager(self, incident_id: str) -> str | None:
        """What the pager shows for an incident: its last word, doubles folded by the key."""
        words = [t.page for t in self.told if t.incident_id == incident_id and t.page]
        return words[-1] if words else None
