"""The calls of ``aws_actions`` where the local cloud cannot show it: how they fail, and how often.

What they do when all goes well is in ``tests/contract/test_actions.py``.
"""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from incident_samples import NODE

from patchmedic.aws_actions import NodeActions
from patchmedic.errors import AwsThrottled, AwsUnavailable
from patchmedic.policy import ATTACH_PROFILE, REBOOT, TAG_ROLE
from patchmedic.ports import ActionEnd, ActionPlan

METHODS = {
    ATTACH_PROFILE: "associate_iam_instance_profile",
    TAG_ROLE: "tag_role",
    REBOOT: "reboot_instances",
}


class OneClient:
    """Every client: one method that answers with an error, and what the client was asked for as."""

    def __init__(self, method: str, error: Exception) -> None:
        self.asked: list[tuple[str, str | None, bool]] = []
        self.calls = 0
        self._method, self._error = method, error

    def get(self, service: str, region: str | None = None, *, one_try: bool = False) -> Any:
        self.asked.append((service, region, one_try))
        return self

    def __getattr__(self, name: str) -> Any:
        assert name == self._method, f"{name} was called"

        def answer(**_: Any) -> Any:
            self.calls += 1
            raise self._error

        return answer


def refused(code: str, status: int = 400) -> ClientError:
    answer: Any = {
        "Error": {"Code": code, "Message": "no"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, "Call")


def performed(action: str, error: Exception) -> tuple[ActionEnd, OneClient]:
    clients = OneClient(METHODS[action], error)
    actions = NodeActions(clients, "patch-role", [])  # type: ignore[arg-type]
    plan = ActionPlan(action, NODE, NODE.node_id, "x7k2p", "done")
    return actions.perform(plan), clients


@pytest.mark.parametrize("action", METHODS)
@pytest.mark.parametrize("code", ["UnauthorizedOperation", "AccessDenied", "LimitExceeded"])
def test_a_call_that_is_refused_failed(action: str, code: str) -> None:
    end, clients = performed(action, refused(code))
    assert end.state == "failed"
    assert code in end.detail
    assert clients.calls == 1


@pytest.mark.parametrize(
    ("action", "state"), [(ATTACH_PROFILE, "nothing-to-do"), (REBOOT, "failed")]
)
def test_a_profile_that_came_meanwhile_is_left_alone(action: str, state: str) -> None:
    assert performed(action, refused("IncorrectState"))[0].state == state


@pytest.mark.parametrize("action", METHODS)
@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (refused("RequestLimitExceeded", 503), AwsThrottled),
        (refused("InternalError", 500), AwsUnavailable),
        (ReadTimeoutError(endpoint_url="https://ec2"), AwsUnavailable),
    ],
    ids=["throttled", "internal", "time-out"],
)
def test_what_became_of_a_call_is_not_guessed(
    action: str, error: Exception, raised: type[Exception]
) -> None:
    with pytest.raises(raised):
        performed(action, error)


def test_a_reboot_is_never_sent_again_by_the_sdk() -> None:
    _, clients = performed(REBOOT, refused("AccessDenied"))
    assert clients.asked == [("ec2", NODE.region, True)]


@pytest.mark.parametrize("code", ["InvalidInstanceID.NotFound", "InvalidInstanceID.Malformed"])
@pytest.mark.parametrize(
    ("action", "method"),
    [(ATTACH_PROFILE, "describe_instances"), (REBOOT, "describe_instance_status")],
)
def test_an_instance_that_is_gone_is_refused(action: str, method: str, code: str) -> None:
    actions = NodeActions(OneClient(method, refused(code)), "patch-role", [])  # type: ignore[arg-type]
    end = actions.plan(action, NODE, None)
    assert isinstance(end, ActionEnd)
    assert end.state == "refused"
