"""``ports.Commands`` over the fake fleet, with the limits of SendCommand and lag of the lists."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from tests.fakes.fleet import PREFIX, REGION, TERMINAL, Command, FakeFleet, Run

from patchmedic.errors import AwsRejected
from patchmedic.model import NodeRef
from patchmedic.output import STDERR_CHARACTERS_MAX, STDOUT_CHARACTERS_MAX
from patchmedic.ports import CommandInfo, Invocation
from patchmedic.run_command import COMMENT_CHARS_MAX, LIST_OUTPUT_CHARS_MAX
from patchmedic.signals import PATCH_DOCUMENTS

_CHECKS = re.compile(r"all|[a-z0-9-]{2,40}(,[a-z0-9-]{2,40}){0,39}")
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]")
_FAILED = ("Failed", "TimedOut", "Cancelled")
DELIVERY_SECONDS_MIN = 30


class FakeCommands:
    """Run Command, as far as PatchMedic uses it."""

    def __init__(self, fleet: FakeFleet) -> None:
        self._fleet = fleet

    def send(
        self,
        node: NodeRef,
        document: str,
        parameters: Mapping[str, Sequence[str]],
        comment: str,
        delivery_timeout_seconds: int,
    ) -> str:
        found = self._fleet.nodes.get(node.node_id)
        if found is None or found.state in ("terminated", "shutting-down"):
            raise AwsRejected("SendCommand", "InvalidInstanceId", f"not valid: {node.node_id}")
        if document not in PATCH_DOCUMENTS | {"AWS-UpdateSSMAgent"} and not document.startswith(
            f"{PREFIX}-"
        ):
            raise AwsRejected("SendCommand", "InvalidDocument", f"no document {document}")
        if len(comment) > COMMENT_CHARS_MAX or delivery_timeout_seconds < DELIVERY_SECONDS_MIN:
            raise AwsRejected("SendCommand", "ValidationException", "comment or time-out")
        if document.startswith(f"{PREFIX}-Check-"):
            _check_parameters(parameters)
        command = self._fleet.start(
            [node.node_id],
            document,
            parameters,
            comment,
            delivery_timeout_seconds,
            7200 if document in PATCH_DOCUMENTS else 600,
        )
        return command.command_id

    def describe(self, region: str, command_id: str) -> CommandInfo | None:
        command = self._visible(region).get(command_id)
        return _info(command, _status(command)) if command else None

    def find_by_comment(self, node: NodeRef, comment: str, since: datetime) -> str | None:
        after = since - timedelta(minutes=5)
        for command in reversed(self._visible(node.region).values()):
            if (
                node.node_id in command.runs
                and command.requested_at >= after
                and command.comment == comment
            ):
                return command.command_id
        return None

    def invocation(self, region: str, command_id: str, node_id: str) -> Invocation | None:
        command = self._visible(region).get(command_id)
        run = command.runs.get(node_id) if command else None
        return self._invocation(command, run) if command and run else None

    def invocations(
        self, region: str, command_id: str, node_ids: Collection[str]
    ) -> Mapping[str, Invocation]:
        command = self._visible(region).get(command_id)
        if command is None:
            return {}
        return {
            node_id: _excerpt(self._invocation(command, run))
            for node_id, run in command.runs.items()
            if node_id in node_ids
        }

    def running_on(self, node: NodeRef) -> tuple[CommandInfo, ...]:
        return tuple(
            _info(command, command.runs[node.node_id].status)
            for command in self._visible(node.region).values()
            if node.node_id in command.runs and command.runs[node.node_id].live
        )

    def failed_since(self, region: str, since: datetime) -> tuple[Invocation, ...]:
        return tuple(
            self._invocation(command, run)
            for command, run in self._runs(region)
            if run.status in _FAILED and command.requested_at >= since
        )

    def in_progress_before(self, region: str, before: datetime) -> tuple[Invocation, ...]:
        return tuple(
            self._invocation(command, run)
            for command, run in self._runs(region)
            if run.status == "InProgress" and command.requested_at <= before
        )

    def _visible(self, region: str) -> dict[str, Command]:
        now = self._fleet.clock.now()
        if region != REGION:
            return {}
        return {k: c for k, c in self._fleet.commands.items() if c.visible_at <= now}

    def _runs(self, region: str) -> Iterator[tuple[Command, Run]]:
        for command in self._visible(region).values():
            for run in command.runs.values():
                yield command, run

    def _invocation(self, command: Command, run: Run) -> Invocation:
        stdout, stderr = ("", "") if run.live else (run.stdout, run.stderr)
        return Invocation(
            command_id=command.command_id,
            node_id=run.node_id,
            document=command.document,
            comment=command.comment,
            status=run.status,
            status_details=run.details,
            requested_at=command.requested_at,
            step=self._fleet.step_of(command, self._fleet.nodes[run.node_id]),
            response_code=run.response_code,
            stdout=stdout[:STDOUT_CHARACTERS_MAX],
            stderr=stderr[:STDERR_CHARACTERS_MAX],
            stdout_cut=len(stdout) >= STDOUT_CHARACTERS_MAX,
            stderr_cut=len(stderr) >= STDERR_CHARACTERS_MAX,
        )


def _excerpt(whole: Invocation) -> Invocation:
    """The first characters of both streams in one text, as a list shows them."""
    text = whole.stdout + (f"\n----------ERROR-------\n{whole.stderr}" if whole.stderr else "")
    return replace(
        whole,
        stdout=text[:LIST_OUTPUT_CHARS_MAX],
        stderr="",
        stdout_cut=len(text) >= LIST_OUTPUT_CHARS_MAX,
        stderr_cut=False,
    )


def _check_parameters(parameters: Mapping[str, Sequence[str]]) -> None:
    """The documents' own patterns: Systems Manager refuses what they do not allow."""
    allowed = {"Checks": _CHECKS, "Region": _REGION}
    for name, values in parameters.items():
        if name not in allowed or not all(allowed[name].fullmatch(v) for v in values):
            raise AwsRejected("SendCommand", "InvalidParameters", name)


def _status(command: Command) -> str:
    statuses = {run.status for run in command.runs.values()}
    live = statuses - set(TERMINAL)
    if live:
        return "InProgress" if "InProgress" in live else "Pending"
    return "Success" if statuses == {"Success"} else sorted(statuses - {"Success"})[0]


def _info(command: Command, status: str) -> CommandInfo:
    return CommandInfo(
        command_id=command.command_id,
        document=command.document,
        comment=command.comment,
        requested_at=command.requested_at,
        status=status,
        parameters=command.parameters,
        output=command.output,
    )
