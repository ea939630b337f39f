"""Token buckets: how many calls of one API the account may make.

Here: AWS's published rates for the association APIs, an assumed one for the rest.  Not here: how
a refusal is answered (``api``).
"""

from __future__ import annotations

import threading
import time

from patchmedic_local.options import Limits


class Throttle:
    """One bucket an operation; it holds as many tokens as its burst allows."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._rates: dict[str, float] = dict(limits.rates)
        self._buckets: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def set_rate(self, operation: str, per_second: float) -> None:
        with self._lock:
            self._rates[operation] = per_second
            self._buckets.pop(operation, None)

    def takes(self, operation: str) -> bool:
        """Take a token; False when there is none."""
        rate = self._rates.get(operation, self._limits.default_rate)
        burst = max(1.0, rate) if operation in self._rates else self._limits.default_burst
        now = time.monotonic()
        with self._lock:
            tokens, last = self._buckets.get(operation, (burst, now))
            tokens = min(burst, tokens + (now - last) * rate)
            allowed = tokens >= 1
            self._buckets[operation] = (tokens - 1 if allowed else tokens, now)
        return allowed
