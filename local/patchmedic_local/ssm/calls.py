"""The record of SSM calls, and failures that a test asks for.

Here: who called what with what outcome; "fail the n-th call, before or after its effect".  Not
here: the calls themselves.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_KEPT = 5000


@dataclass(slots=True)
class InjectedFault:
    """Refuse calls of one operation: the ``skip`` first ones pass, then ``times`` fail."""

    action: str
    error: str = "ThrottlingException"
    message: str = "Rate exceeded"
    skip: int = 0
    times: int = 1
    after: bool = False
    """Whether the call takes effect first: the answer is lost, the deed is done."""


class Calls:
    """What was called, and what shall fail."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._recorded: deque[dict[str, Any]] = deque(maxlen=_KEPT)
        self._faults: list[InjectedFault] = []

    def record(self, action: str, caller: str, request: Mapping[str, Any], outcome: str) -> None:
        entry = {
            "time": time.time(),
            "action": action,
            "caller": caller,
            "request": dict(request),
            "outcome": outcome,
        }
        with self._lock:
            self._recorded.append(entry)

    def recorded(self, action: str | None = None) -> list[dict[str, Any]]:
        with self._lock:
            return [e for e in self._recorded if action is None or e["action"] == action]

    def inject(self, fault: InjectedFault) -> None:
        with self._lock:
            self._faults.append(fault)

    def clear_faults(self) -> None:
        with self._lock:
            self._faults.clear()

    def failure(self, action: str) -> InjectedFault | None:
        """The failure for this call, counted down; None if it shall pass."""
        with self._lock:
            for fault in self._faults:
                if fault.action != action or fault.times <= 0:
                    continue
                if fault.skip > 0:
                    fault.skip -= 1
                    return None
                fault.times -= 1
                return fault
        return None
