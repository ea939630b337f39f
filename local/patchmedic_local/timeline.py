"""One thread that runs everything that happens later, in order of its due time.

Here: the clock work of the fleet (commands start, runs end, locks clear).  Not here: what those
things do.  One thread means that two events of the fleet never run at the same time, so their
order is the order of their due times.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable

logger = logging.getLogger("patchmedic.local")


class Timeline:
    """Callbacks by due time on one daemon thread.  A failing callback is logged and counted."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._wake = threading.Condition()
        self._stopped = False
        self.failures: list[str] = []
        self._thread = threading.Thread(target=self._run, daemon=True, name="patchmedic-timeline")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        with self._wake:
            self._stopped = True
            self._wake.notify()

    def after(self, seconds: float, callback: Callable[[], None]) -> None:
        """Run ``callback`` on the timeline's thread, ``seconds`` from now."""
        with self._wake:
            due = time.monotonic() + max(0.0, seconds)
            heapq.heappush(self._heap, (due, next(self._order), callback))
            self._wake.notify()

    @property
    def waiting(self) -> int:
        with self._wake:
            return len(self._heap)

    def _run(self) -> None:
        while True:
            callback = self._next()
            if callback is None:
                return
            try:
                callback()
            except Exception as error:
                # The boundary of a worker thread: a dead timeline would freeze the whole fleet
                # in silence, so the failure is kept for /_patchmedic/health and the next item runs.
                logger.exception("the simulated fleet failed in %r", callback)
                self.failures.append(f"{type(error).__name__}: {error}")

    def _next(self) -> Callable[[], None] | None:
        with self._wake:
            while not self._stopped:
                if not self._heap:
                    self._wake.wait()
                    continue
                wait = self._heap[0][0] - time.monotonic()
                if wait <= 0:
                    return heapq.heappop(self._heap)[2]
                self._wake.wait(wait)
            return None
