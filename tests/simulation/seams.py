"""The seam between the stages and the simulated world: where calls fail and functions die.

Every port that a stage gets is wrapped.  A call may be cut off before it takes effect, or after
it (it happened, the caller sees a time-out), may be throttled, may read what was true a moment
ago; the function may die before or after it, and other functions may run in between.  Whatever
happens is written to the invocation's log, which is what the checkers read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from patchmedic.errors import AwsThrottled, AwsUnavailable


class SimCrash(BaseException):
    """The function is killed here.  No ``Exception``, so that no code can swallow it."""


class Fate(Enum):
    """What becomes of one call."""

    FINE = "fine"
    THROTTLED = "throttled"
    FAILS_BEFORE = "fails before the effect"
    FAILS_AFTER = "times out after the effect"
    CRASH_BEFORE = "the function dies before the call"
    CRASH_AFTER = "the function dies after the call"
    STALE = "reads what was true a moment ago"


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a port, as it went."""

    at: datetime
    port: str
    method: str
    args: tuple[Any, ...]
    fate: Fate
    result: Any = None
    """What the port answered; ``None`` too when it took no effect."""
    took_effect: bool = True

    @property
    def name(self) -> str:
        return f"{self.port}.{self.method}"


@dataclass(slots=True)
class Invocation:
    """One run of one function, from its trigger to its end."""

    number: int
    function: str
    started_at: datetime
    calls: list[Call] = field(default_factory=list)

    def last(self, *names: str) -> Call | None:
        """The newest call of one of these that was answered."""
        for call in reversed(self.calls):
            if call.name in names and call.took_effect and call.fate is not Fate.FAILS_AFTER:
                return call
        return None


class Seam:
    """One port, seen through one invocation."""

    def __init__(
        self,
        port: Any,
        name: str,
        invocation: Invocation,
        now: Callable[[], datetime],
        before: Callable[[Invocation, str, str], Fate],
        after: Callable[[Invocation, Call], None],
        stale: Callable[[str, tuple[Any, ...], Any], Any],
    ) -> None:
        self._port = port
        self._name = name
        self._invocation = invocation
        self._now = now
        self._before = before
        self._after = after
        self._stale = stale

    def __getattr__(self, method: str) -> Callable[..., Any]:
        return lambda *args, **kwargs: self._call(method, args, kwargs)

    def _call(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        fate = self._before(self._invocation, self._name, method)
        real = getattr(self._port, method)
        at = self._now()
        if fate in (Fate.THROTTLED, Fate.FAILS_BEFORE, Fate.CRASH_BEFORE):
            self._log(Call(at, self._name, method, args, fate, took_effect=False))
            if fate is Fate.CRASH_BEFORE:
                raise SimCrash(f"before {self._name}.{method}")
            error = AwsThrottled if fate is Fate.THROTTLED else AwsUnavailable
            raise error(f"{self._name}.{method}", "Simulated", fate.value)
        try:
            result = real(*args, **kwargs)
        except Exception as error:
            refused = Call(at, self._name, method, args, fate, error, took_effect=False)
            self._invocation.calls.append(refused)
            raise
        if fate is Fate.STALE:
            result = self._stale(f"{self._name}.{method}", args, result)
        self._log(Call(at, self._name, method, (*args, *kwargs.values()), fate, result))
        if fate is Fate.CRASH_AFTER:
            raise SimCrash(f"after {self._name}.{method}")
        if fate is Fate.FAILS_AFTER:
            raise AwsUnavailable(f"{self._name}.{method}", "Simulated", fate.value)
        return result

    def _log(self, call: Call) -> None:
        self._invocation.calls.append(call)
        self._after(self._invocation, call)
