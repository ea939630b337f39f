"""Clients and errors of AWS in one place: the factory for AWS clients and the error mapping.

Here: ``Clients``, which makes a client for (service, Region) once and lazily, with the retry
settings every call shares, and ``call``, which turns botocore's exceptions into ``errors``.
Not here: what is called (``store``, ``run_command``, ``nodes``, ``lookups``, ``queues``).

A function's cold start is mostly what happens here; ``benchmarks/imports.py`` holds it down.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

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


class Session:
    """Makes the clients that boto3 makes, without boto3.

    boto3 adds resources and S3 transfers, which nothing here uses, and with them 15 to 25 ms of
    CPU time to every cold start.
    """

    def __init__(self) -> None:
        self._session = botocore.session.Session()

    def client(self, service: str, **arguments: Any) -> Any:
        return self._session.create_client(service, **arguments)


class Clients:
    """AWS clients by (service, Region), made when first used and kept for warm starts."""

    def __init__(self, session_factory: Callable[[], Any] = Session) -> None:
        self._session_factory = session_factory
        self._session: Any = None
        self._clients: dict[tuple[str, str | None, bool], Any] = {}

    def get(self, service: str, region: str | None = None, *, one_try: bool = False) -> Any:
        """The client of a service; ``region=None`` is the function's own."""
        key = (service, region, one_try)
        if key not in self._clients:
            config = ONE_TRY if one_try else CONFIG
            with made_to_stay():
                if self._session is None:
                    self._session = self._session_factory()
                client = self._session.client(service, region_name=region, config=config)
            self._clients[key] = client
        return self._clients[key]

    def lazy(self, service: str) -> Any:
        """Stands for a client of the function's own Region that is made by its first call."""
        return _LazyClient(self, service)


class _LazyClient:
    def __init__(self, clients: Clients, service: str) -> None:
        self._clients = clients
        self._service = service

    def __getattr__(self, operation: str) -> Any:
        return getattr(self._clients.get(self._service), operation)


@contextmanager
def made_to_stay() -> Iterator[None]:
    """What is made inside lives as long as the process: the garbage collector leaves it alone.

    A client's service model is megabytes of JSON.  Walking over them again and again while they
    grow is a fifth of a cold start, and every full collection of a warm function would do so too.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.freeze()
            gc.enable()


def call(name: str, operation: Callable[..., Any], /, **kwargs: Any) -> Any:
    """Call a client's method; raise one of ``errors.AwsError`` instead of botocore's own."""
    try:
        return operation(**kwargs)
    except ClientError as error:
        raise from_client_error(name, error) from error
    except ParamValidationError as error:
        raise AwsRejected(name, type(error).__name__, str(error)[:300]) from error
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
