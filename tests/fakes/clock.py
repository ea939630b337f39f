"""The time of a test: it stands still until somebody moves it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

START = datetime(2026, 11, 22, 3, 0, 0, tzinfo=UTC)


class SimClock:
    """``ports.Clock`` that only goes forward, and only when told to."""

    def __init__(self, start: datetime = START) -> None:
        assert start.tzinfo is not None, "times have a zone here"
        self._now = start

    def now(self) -> datetime:
        return self._now

    def forward(self, by: timedelta) -> datetime:
        """Let time pass."""
        assert by >= timedelta(0), "time does not run backwards"
        self._now += by
        return self._now

    def forward_to(self, at: datetime) -> datetime:
        """Let time pass until a moment; a moment that is over changes nothing."""
        self._now = max(self._now, at)
        return self._now
