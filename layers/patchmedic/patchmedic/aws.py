"""Clients and errors of AWS in one place: the factory for boto3 clients and the error mapping.

Here: ``Clients``, which makes a client for (service, Region) once and lazily, with the retry
settings every call shares, and ``call``, which turns botocore's exceptions into ``errors``.
Not here: what is called (``store``, ``run_command``, ``nodes``, ``lookups``, ``queues``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from patchmedic.errors import AwsDenied, AwsError, AwsRejected, AwsThrottled, AwsUnavailable

CONFIG = Config(
    retries={"mode": "adaptive", "max_attempts": 5},
    connect_timeout=3,
    read_timeout=15,
    user_agent_extra="patchmedic",
)
"""Adaptive retry slows the client down when AWS throttles.  The time-outs are well below every
function's own, so that a hanging call ends as an error that is handled, not in a dead function."""
ONE_TRY = CONFIG.merge(Config(retries={"mode": "standard", "total_max_attempts": 1}))
"""For calls that must not be repeated blindly: SendCommand has no idempotency token, and botocore
would send it again after a time-out although it went out."""

_THROTTLED = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "ProvisionedThroughputExceededException",
        "RequestThrottled",
        "SlowDown",
        "RateExceeded",
    }
)
_DENIED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "UnauthorizedOperation",
        "AuthorizationError",
        "AuthorizationErrorException",
        "NotAuthorized",
    }
)


class Clients:
    """boto3 clients by (service, Region), made when first used and kept for warm starts."""

    def __init__(self, session_factory: Callable[[], Any] = boto3.session.Session) -> None:
        self._session_factory = session_factory
        self._session: Any = None
        self._clients: dict[tuple[str, str | None, bool], Any] = {}

    def get(self, service: str, region: str | None = None, *, one_try: bool = False) -> Any:
        """The client of a service; ``region=None`` is the function's own."""
        key = (service, region, one_try)
        if key not in self._clients:
            if self._session is None:
                self._session = self._session_factory()
            config = ONE_TRY if one_try else CONFIG
            self._clients[key] = self._session.client(service, region_name=region, config=config)
        return self._clients[key]


def call(name: str, operation: Callable[..., Any], /, **kwargs: Any) -> Any:
    """Call a client's method; raise one of ``errors.AwsError`` instead of botocore's own."""
    try:
        return operation(**kwargs)
    except ClientError as error:
        raise from_client_error(name, error) from error
    except BotoCoreError as error:
        raise AwsUnavailable(name, type(error).__name__, str(error)[:300]) from error


def from_client_error(name: str, error: ClientError) -> AwsError:
    """Sort an AWS error by what a caller can do about it."""
    body = error.response.get("Error", {})
    code = str(body.get("Code", "Unknown"))
    message = str(body.get("Message", ""))[:300]
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in _THROTTLED:
        return AwsThrottled(name, code, message)
    if code in _DENIED:
        return AwsDenied(name, code, message)
    if status >= 500 or code in ("InternalServerError", "InternalFailure", "ServiceUnavailable"):
        return AwsUnavailable(name, code, message)
    return AwsRejected(name, code, message)
