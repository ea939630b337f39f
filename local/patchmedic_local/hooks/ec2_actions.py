"""Changes what MiniStack's EC2 does where somebody acts on an instance.

Attaching an instance profile asks whether the caller may pass its role, as AWS does and MiniStack
does not.  Status checks fail where a test says so (``/_patchmedic/status``), which silences the
agent, until a reboot.  Not here: what other answers say of an instance (``ec2_answers``).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from patchmedic_local import cloud
from patchmedic_local.hooks import pinned

_EC2 = "ministack.services.ec2"


def install() -> None:
    """To be called after ``ec2_answers.install``."""
    ec2 = pinned.require(_EC2, "_ACTION_MAP", "_p", "_error", "_parse_member_list")
    pinned.require("ministack.core.iam_evaluator", "caller_arn", "_gather_role_policies")
    for action, handler, make in (
        (
            "AssociateIamInstanceProfile",
            "_associate_iam_instance_profile",
            lambda original: _asking_for_the_role(ec2, original),
        ),
        ("DescribeInstanceStatus", "_describe_instance_status", _with_failed_checks),
        ("RebootInstances", "_reboot_instances", lambda original: _mending(ec2, original)),
    ):
        assert action in ec2._ACTION_MAP, f"MiniStack no longer maps {action}"
        ec2._ACTION_MAP[action] = pinned.replace(_EC2, handler, make)


def _asking_for_the_role(ec2: Any, original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """``iam:PassRole`` for the role in the profile, on behalf of EC2."""

    def associate(parameters: Any) -> Any:
        name = ec2._p(parameters, "IamInstanceProfile.Name")
        arn = ec2._p(parameters, "IamInstanceProfile.Arn")
        role_arn = cloud.role_arn_of_profile(str(name or ""), str(arn or ""))
        if role_arn and not cloud.caller_may_pass(role_arn, "ec2.amazonaws.com"):
            message = f"You are not authorized to perform iam:PassRole on {role_arn}."
            return ec2._error("UnauthorizedOperation", message, 403)
        return original(parameters)

    return associate


def _with_failed_checks(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def describe(parameters: Any) -> Any:
        status, headers, body = original(parameters)
        text = body.decode() if isinstance(body, bytes) else str(body)
        for instance_id, checks in cloud.failed_checks().items():
            for kind in checks:
                text = re.sub(
                    rf"(<instanceId>{instance_id}</instanceId>(?:(?!</instanceId>).)*?"
                    rf"<{kind}Status>\s*<status>)ok(</status>.*?<status>)passed",
                    r"\g<1>impaired\g<2>failed",
                    text,
                    flags=re.DOTALL,
                )
        return status, headers, text.encode()

    return describe


def _mending(ec2: Any, original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A reboot mends what an instance itself had; EC2 does not say how often it was asked."""

    def reboot(parameters: Any) -> Any:
        answer = original(parameters)
        if answer[0] == 200:
            for instance_id in ec2._parse_member_list(parameters, "InstanceId"):
                cloud.note_reboot(instance_id)
        return answer

    return reboot
