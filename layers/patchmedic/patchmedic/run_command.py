"""Run Command: sending a command, finding one that went out, reading how it went.

Here: SSM's SendCommand, ListCommands, ListCommandInvocations and GetCommandInvocation, with their
traps: no idempotency token (so the Comment is searched), output per step (so the failed step is
looked for), an invocation that is not there yet right after SendCommand.  Not here: whether a
command may be sent (``policy``, ``stages.remediate``), the end of an output that is too long for
these calls (``output_ends``).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from patchmedic import hooks
from patchmedic.aws import Clients, call
from patchmedic.errors import AwsRejected
from patchmedic.model import NodeRef
from patchmedic.output import (
    STDERR_CHARACTERS_MAX,
    STDOUT_CHARACTERS_MAX,
    is_cut,
    is_cut_anywhere,
)
from patchmedic.ports import CommandInfo, Invocation, OutputPlace

COMMENT_CHARS_MAX = 100
LIST_OUTPUT_CHARS_MAX = 2_500
PAGE_SIZE = 50
PAGES_MAX = 400
"""20,000 invocations: more than a command can have in an account with the default fleet quota."""
_FAILED = ("Failed", "TimedOut", "Cancelled")
_SKIPPED_STEP = "Step execution skipped due to"
_FAILURE_FILTERS = ("Failed", "TimedOut", "Cancelled")


class RunCommand:
    """``ports.Commands`` over the SSM API."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def _ssm(self, region: str) -> Any:
        return self._clients.get("ssm", region)

    def send(
        self,
        node: NodeRef,
        document: str,
        parameters: Mapping[str, Sequence[str]],
        comment: str,
        delivery_timeout_seconds: int,
    ) -> str:
        """Send one command to one node by its id; returns the command id.

        The explicit id (never ``Targets``) is what keeps a command from reaching everything.
        Sent once and never retried here: after ``AwsUnavailable`` it may have gone out, and the
        caller has to look (``find_by_comment``); after ``AwsThrottled`` it did not.
        """
        assert node.node_id, "a command always names its node"
        assert len(comment) <= COMMENT_CHARS_MAX, "SSM refuses longer comments"
        response = call(
            "SendCommand",
            self._clients.get("ssm", node.region, one_try=True).send_command,
            InstanceIds=[node.node_id],
            DocumentName=document,
            Parameters={k: list(v) for k, v in parameters.items()},
            Comment=comment,
            TimeoutSeconds=delivery_timeout_seconds,
        )
        return str(response["Command"]["CommandId"])

    def describe(self, region: str, command_id: str) -> CommandInfo | None:
        try:
            response = call("ListCommands", self._ssm(region).list_commands, CommandId=command_id)
        except AwsRejected as error:
            if error.code == "InvalidCommandId":
                return None
            raise
        for command in response["Commands"]:
            return _command_info(command)
        return None

    def find_by_comment(self, node: NodeRef, comment: str, since: datetime) -> str | None:
        """The command with exactly this comment on this node since a time, if one went out."""
        for command in self._commands_on(node, since - timedelta(minutes=5)):
            if command.comment == comment:
                return command.command_id
        return None

    def running_on(self, node: NodeRef) -> tuple[CommandInfo, ...]:
        """Commands that are pending or in progress on a node."""
        found = [
            CommandInfo(
                command_id=i["CommandId"],
                document=i.get("DocumentName", ""),
                comment=i.get("Comment", ""),
                requested_at=_utc(i["RequestedDateTime"]),
                status=i["Status"],
                parameters={},
            )
            for status in ("Pending", "InProgress", "Delayed")
            for i in self._invocation_pages(
                node.region,
                InstanceId=node.node_id,
                Filters=[{"key": "Status", "value": status}],
            )
        ]
        return tuple({i.command_id: i for i in found}.values())

    def invocation(self, region: str, command_id: str, node_id: str) -> Invocation | None:
        """One command on one node with the whole readable output of the step that matters.

        ``None`` when SSM does not know it (yet): right after SendCommand, or after history ended.
        """
        page = self._invocation_pages(
            region, CommandId=command_id, InstanceId=node_id, Details=True
        )
        for item in page:
            invocation = _invocation(item)
            if not invocation.terminal or invocation.step is None:
                return invocation
            return self._with_full_output(region, invocation)
        return None

    def invocations(
        self, region: str, command_id: str, node_ids: Collection[str]
    ) -> Mapping[str, Invocation]:
        """A command on many nodes, in pages of fifty, with the first 2,500 characters each."""
        found: dict[str, Invocation] = {}
        wanted = set(node_ids)
        for item in self._invocation_pages(region, CommandId=command_id, Details=True):
            if item["InstanceId"] in wanted:
                found[item["InstanceId"]] = _invocation(item)
                if len(found) == len(wanted):
                    break
        return found

    def failed_since(self, region: str, since: datetime) -> tuple[Invocation, ...]:
        """Failed invocations of any document since a time: what lost events are found by."""
        after = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return tuple(
            _invocation(item)
            for status in _FAILURE_FILTERS
            for item in self._invocation_pages(
                region,
                Filters=[
                    {"key": "InvokedAfter", "value": after},
                    {"key": "Status", "value": status},
                ],
            )
        )

    def in_progress_before(self, region: str, before: datetime) -> tuple[Invocation, ...]:
        """Invocations that are still in progress although they began before a time."""
        moment = before.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return tuple(
            _invocation(item)
            for item in self._invocation_pages(
                region,
                Filters=[
                    {"key": "InvokedBefore", "value": moment},
                    {"key": "Status", "value": "InProgress"},
                ],
            )
        )

    # --- plumbing ------------------------------------------------------------------------------

    def _commands_on(self, node: NodeRef, since: datetime) -> Iterator[CommandInfo]:
        after = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        arguments: dict[str, Any] = {
            "InstanceId": node.node_id,
            "Filters": [{"key": "InvokedAfter", "value": after}],
            "MaxResults": PAGE_SIZE,
        }
        for _ in range(PAGES_MAX):
            response = call("ListCommands", self._ssm(node.region).list_commands, **arguments)
            for command in response["Commands"]:
                yield _command_info(command)
            if not response.get("NextToken"):
                return
            arguments["NextToken"] = response["NextToken"]

    def _invocation_pages(self, region: str, **arguments: Any) -> Iterator[dict[str, Any]]:
        arguments["MaxResults"] = PAGE_SIZE
        for _ in range(PAGES_MAX):
            response = call(
                "ListCommandInvocations",
                self._ssm(region).list_command_invocations,
                **arguments,
            )
            yield from response["CommandInvocations"]
            if not response.get("NextToken"):
                return
            arguments["NextToken"] = response["NextToken"]

    def _with_full_output(self, region: str, invocation: Invocation) -> Invocation:
        try:
            full = call(
                "GetCommandInvocation",
                self._ssm(region).get_command_invocation,
                CommandId=invocation.command_id,
                InstanceId=invocation.node_id,
                PluginName=invocation.step,
            )
        except AwsRejected as error:
            if error.code in ("InvocationDoesNotExist", "InvalidPluginName"):
                return invocation
            raise
        stdout = full.get("StandardOutputContent", "")
        stderr = full.get("StandardErrorContent", "")
        return Invocation(
            command_id=invocation.command_id,
            node_id=invocation.node_id,
            document=invocation.document,
            comment=invocation.comment,
            status=invocation.status,
            status_details=full.get("StatusDetails") or invocation.status_details,
            requested_at=invocation.requested_at,
            step=invocation.step,
            response_code=full.get("ResponseCode", invocation.response_code),
            stdout=stdout,
            stderr=stderr,
            stdout_cut=is_cut(stdout, STDOUT_CHARACTERS_MAX),
            stderr_cut=is_cut(stderr, STDERR_CHARACTERS_MAX),
            output_url=full.get("StandardOutputUrl") or full.get("StandardErrorUrl", ""),
        )


def _utc(at: datetime) -> datetime:
    return at.astimezone(UTC)


def _command_info(command: Mapping[str, Any]) -> CommandInfo:
    return CommandInfo(
        command_id=command["CommandId"],
        document=command.get("DocumentName", ""),
        comment=command.get("Comment", ""),
        requested_at=_utc(command["RequestedDateTime"]),
        status=command.get("Status", ""),
        parameters={k: tuple(v) for k, v in command.get("Parameters", {}).items()},
        output=_output_place(command),
    )


def _output_place(command: Mapping[str, Any]) -> OutputPlace:
    """Where the whole output goes.  The Region of the bucket is not said: S3 knows it."""
    logs = command.get("CloudWatchOutputConfig") or {}
    group: str | None = None
    if logs.get("CloudWatchOutputEnabled"):
        document = str(command.get("DocumentName", "")).rpartition("/")[2]
        # The agent's own default, less what a log group's name may not have.
        default = re.sub(r"[^a-zA-Z0-9_\-/.#]", ".", f"/aws/ssm/{document}")
        group = logs.get("CloudWatchLogGroupName") or default
    return OutputPlace(
        bucket=command.get("OutputS3BucketName") or None,
        key_prefix=command.get("OutputS3KeyPrefix", ""),
        log_group=group,
    )


def _invocation(item: Mapping[str, Any]) -> Invocation:
    plugin = None if _never_arrived(item) else _step_that_matters(item.get("CommandPlugins") or [])
    output = plugin.get("Output", "") if plugin else ""
    return Invocation(
        command_id=item["CommandId"],
        node_id=item["InstanceId"],
        document=item.get("DocumentName", ""),
        comment=item.get("Comment", ""),
        status=item["Status"],
        status_details=(plugin or {}).get("StatusDetails") or item.get("StatusDetails", ""),
        requested_at=_utc(item["RequestedDateTime"]),
        step=plugin.get("Name") if plugin else None,
        response_code=plugin.get("ResponseCode") if plugin else None,
        stdout=output,
        stderr="",
        stdout_cut=is_cut_anywhere(output, LIST_OUTPUT_CHARS_MAX),
        output_url=(plugin or {}).get("StandardOutputUrl", ""),
    )


def _never_arrived(item: Mapping[str, Any]) -> bool:
    """A command that never reached its node has steps that failed in name only."""
    details = str(item.get("StatusDetails", "")).replace(" ", "").lower()
    return details in ("deliverytimedout", "undeliverable")


def _step_that_matters(plugins: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The first failed step; else the one that really ran; else none.

    A document for several platforms has steps that were skipped, and a failed step of
    AWS-RunPatchBaselineWithHooks is followed by steps that report Success, and by a last one that
    reports how the whole went: whatever the order of the list, that one is not the first to fail.
    """
    failed = [p for p in plugins if p.get("Status") in _FAILED]
    if failed:
        return next((p for p in failed if not hooks.is_exit_step(str(p.get("Name")))), failed[0])
    ran = [p for p in plugins if not str(p.get("Output", "")).startswith(_SKIPPED_STEP)]
    return max(ran, key=lambda p: len(str(p.get("Output", ""))), default=None)
