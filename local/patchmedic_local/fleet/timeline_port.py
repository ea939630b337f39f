"""The one thing that the fleet needs of the timeline: do this, in so many seconds."""

from __future__ import annotations

from collections.abc import Callable

Later = Callable[[float, Callable[[], None]], None]
