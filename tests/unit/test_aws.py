"""The seam to boto3: errors sorted by what a caller can do, and which calls are never repeated."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError, ReadTimeoutError

from patchmedic.aws import Clients, call, from_client_error
from patchmedic.errors import (
    AwsDenied,
    AwsError,
    AwsRejected,
    AwsThrottled,
    AwsUnavailable,
)
from patchmedic.model import NodeRef
from patchmedic.run_command import RunCommand

NODE = NodeRef("123456789012", "ap-northeast-1", "i-0a1b2c3d4e5f60001")


def client_error(code: str, status: int = 400) -> ClientError:
    body: Any = {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {}}
    body["ResponseMetadata"]["HTTPStatusCode"] = status
    return ClientError(body, "Op")


@pytest.mark.parametrize(
    ("code", "status", "kind", "retryable"),
    [
        ("ThrottlingException", 400, AwsThrottled, True),
        ("RequestLimitExceeded", 503, AwsThrottled, True),
        ("AccessDeniedException", 400, AwsDenied, False),
        ("UnauthorizedOperation", 403, AwsDenied, False),
        ("InternalServerError", 500, AwsUnavailable, True),
        ("Whatever", 503, AwsUnavailable, True),
        ("InvalidInstanceId", 400, AwsRejected, False),
    ],
)
def test_an_error_is_sorted_by_what_can_be_done_about_it(
    code: str, status: int, kind: type[AwsError], retryable: bool
) -> None:
    error = from_client_error("Op", client_error(code, status))
    assert type(error) is kind
    assert error.retryable is retryable
    assert str(error) == f"Op: {code}: m"


class Wire:
    """Stands where the network is: counts requests, and answers each with the same trouble."""

    def __init__(self, answer: Any) -> None:
        self.requests = 0
        self._answer = answer

    def session(self) -> Any:
        session = boto3.session.Session(
            aws_access_key_id="a", aws_secret_access_key="s", region_name=NODE.region
        )
        session.events.register("before-send.ssm", self._send)
        return session

    def _send(self, request: Any, **_: Any) -> Any:
        self.requests += 1
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def unavailable() -> AWSResponse:
    class Raw:
        def stream(self, **_: Any) -> Any:
            yield b'{"__type": "InternalServerError", "message": "m"}'

    return AWSResponse("https://ssm", 500, {}, Raw())


@pytest.mark.parametrize(
    "trouble",
    [ReadTimeoutError(endpoint_url="https://ssm"), unavailable()],
    ids=["time-out", "500"],
)
def test_a_command_is_sent_once_whatever_the_network_does(trouble: Any) -> None:
    """SendCommand has no idempotency token: botocore's own retry would run the remedy twice."""
    wire = Wire(trouble)
    with pytest.raises(AwsUnavailable):
        RunCommand(Clients(wire.session)).send(NODE, "AWS-RunPatchBaseline", {}, "c", 60)
    assert wire.requests == 1


def test_a_read_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    wire = Wire(ReadTimeoutError(endpoint_url="https://ssm"))
    with pytest.raises(AwsUnavailable):
        RunCommand(Clients(wire.session)).describe(
            NODE.region, "5d7a9c10-2b3e-4f61-8a94-c0ffee000101"
        )
    assert wire.requests > 1


def test_a_call_that_can_never_be_right_is_not_called_unavailable() -> None:
    clients = Clients(Wire(unavailable()).session)
    with pytest.raises(AwsRejected, match="ParamValidationError") as refused:
        call("SendCommand", clients.get("ssm").send_command, DocumentName=1)
    assert not refused.value.retryable
