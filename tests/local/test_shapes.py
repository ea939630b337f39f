"""The gate at both ends of a call: botocore's model."""

from __future__ import annotations

from typing import Any

import pytest

from patchmedic_local.ssm.errors import ApiError, ShapeMismatch
from patchmedic_local.ssm.shapes import check_request, check_response

GOOD = {"DocumentName": "AWS-RunPatchBaseline", "InstanceIds": ["i-0a1b2c3d4e5f60001"]}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"InstanceIds": ["i-0a1b2c3d4e5f60001"] * 51}, "length less than or equal to 50"),
        ({"Comment": "c" * 101}, "length less than or equal to 100"),
        ({"TimeoutSeconds": 29}, "value greater than or equal to 30"),
        ({"TimeoutSeconds": 2592001}, "value less than or equal to 2592000"),
        ({"InstanceIds": ["web-1"]}, "regular expression pattern"),
        ({"DocumentName": "a b"}, "regular expression pattern"),
        ({"MaxErrors": "lots"}, "regular expression pattern"),
        ({"Parameters": {"Operation": "Scan"}}, "must be a list"),
        ({"Sudo": True}, "Unknown member"),
        ({"DocumentHashType": "Md5"}, "enum value set: [Sha256, Sha1]"),
    ],
)
def test_requests_outside_the_model_are_refused(changes: dict[str, Any], said: str) -> None:
    check_request("SendCommand", GOOD)
    with pytest.raises(ApiError) as caught:
        check_request("SendCommand", {**GOOD, **changes})
    assert caught.value.code == "ValidationException"
    assert said in caught.value.message


def test_a_missing_member_is_named() -> None:
    with pytest.raises(ApiError, match="'instanceId' failed to satisfy"):
        check_request("GetCommandInvocation", {"CommandId": "c" * 36})


@pytest.mark.parametrize(
    "answer",
    [
        {"Status": "Done"},
        {"StandardOutputContent": "x" * 24001},
        {"ResponseCode": "0"},
        {"Outcome": "fine"},
        {"InstanceId": "web-1"},
    ],
)
def test_answers_outside_the_model_are_a_defect(answer: dict[str, Any]) -> None:
    check_response("GetCommandInvocation", {"Status": "Success", "ExecutionEndDateTime": ""})
    with pytest.raises(ShapeMismatch):
        check_response("GetCommandInvocation", answer)
