"""One SSM call through its gates: shape, throttle, access, injected failure, the deed, the answer.

Here: the order of the gates and the wire form of answers and errors.  Not here: what the
operations do.  Operations that the overlay does not know go on to MiniStack's own SSM.
"""

from __future__ import annotations

import importlib
import json
import logging
from typing import Any

from patchmedic_local import cloud
from patchmedic_local.fleet.fleet import Fleet
from patchmedic_local.options import Limits
from patchmedic_local.ssm import shapes
from patchmedic_local.ssm.calls import Calls
from patchmedic_local.ssm.errors import ApiError, ShapeMismatch
from patchmedic_local.ssm.operations import REGISTRY, Operation
from patchmedic_local.ssm.throttle import Throttle

logger = logging.getLogger("patchmedic.local")
Answer = tuple[int, dict[str, str], bytes]
_HEADERS = {"Content-Type": "application/x-amz-json-1.1"}
_OPERATION_MODULES = (
    "run_command",
    "inventory",
    "baselines",
    "state_manager",
    "maintenance",
    "documents",
    "tags",
)


def load_operations() -> frozenset[str]:
    """Register every operation of the overlay; their names."""
    for name in _OPERATION_MODULES:
        importlib.import_module(f"patchmedic_local.ssm.{name}")
    unknown = [name for name in REGISTRY if not shapes.knows(name)]
    assert not unknown, f"botocore knows no ssm operation {unknown}"
    return frozenset(REGISTRY)


class Api:
    """The overlay's SSM API over one fleet."""

    def __init__(self, fleet: Fleet, limits: Limits) -> None:
        self.fleet = fleet
        self.throttle = Throttle(limits)
        self.calls = Calls()
        self.mismatches: list[str] = []

    def answer(self, action: str, body: bytes, access_key: str) -> Answer:
        """The answer to one call of an operation of the overlay, already authenticated."""
        caller = cloud.caller_arn()
        request: dict[str, Any] = {}
        try:
            request = _parse(body)
            result = self._through_gates(REGISTRY[action], request, access_key)
            outcome, reply = "ok", (200, dict(_HEADERS), json.dumps(result).encode())
        except ApiError as error:
            outcome, reply = error.code, _error(error)
        except ShapeMismatch as error:
            logger.exception("shape mismatch in %s", action)
            self.mismatches.append(str(error))
            outcome, reply = "ShapeMismatch", _error(ApiError("ShapeMismatch", str(error), 500))
        self.calls.record(action, caller, request, outcome)
        return reply

    def _through_gates(
        self, operation: Operation, request: dict[str, Any], access_key: str
    ) -> dict[str, Any]:
        name = operation.name
        if not self.throttle.takes(name):
            raise ApiError("ThrottlingException", "Rate exceeded")
        failure = self.calls.failure(name)
        if failure is not None and not failure.after:
            raise ApiError(failure.error, failure.message, _status(failure.error))
        shapes.check_request(name, request)
        with self.fleet.lock:
            self._authorise(operation, request, access_key)
            result = operation.run(self.fleet, request)
        shapes.check_response(name, result)
        if failure is not None:
            raise ApiError(failure.error, failure.message, _status(failure.error))
        return result

    def _authorise(self, operation: Operation, request: dict[str, Any], access_key: str) -> None:
        action = f"ssm:{operation.name}"
        refused = cloud.denial(access_key, action, operation.resources(self.fleet, request))
        if refused is None:
            return
        who, resource, explicit = refused
        reason = f"because no identity-based policy allows the {action} action"
        if explicit:
            reason = "with an explicit deny in an identity-based policy"
        raise ApiError(
            "AccessDeniedException",
            f"User: {who} is not authorized to perform: {action} on resource: {resource} {reason}",
        )


def _parse(body: bytes) -> dict[str, Any]:
    try:
        request = json.loads(body or b"{}")
    except json.JSONDecodeError as error:
        raise ApiError("SerializationException", "The request body is not JSON.") from error
    if not isinstance(request, dict):
        raise ApiError("SerializationException", "The request body is not an object.")
    return request


def _status(code: str) -> int:
    return 500 if code.startswith("Internal") else 400


def _error(error: ApiError) -> Answer:
    body: dict[str, str] = {"__type": error.code}
    # Denials spell the key with a capital, the other errors of SSM do not.
    body["Message" if error.code == "AccessDeniedException" else "message"] = error.message
    return error.status, dict(_HEADERS), json.dumps(body).encode()
