"""Evidence: one failure's facts put together, with secrets masked before anyone keeps them.

Pure.  Not here: reading a command's output (``run_command``, ``output_ends``), taking apart events
that name no node (``expansion``), and what the evidence means (``reading``, ``causes``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from patchmedic.hooks import hook_of
from patchmedic.model import Evidence, Platform, Signal
from patchmedic.notices.mask import mask_secrets
from patchmedic.output import (
    END_NOTE,
    STDERR_CHARACTERS_MAX,
    STDOUT_CHARACTERS_MAX,
    joined,
    storable,
)
from patchmedic.ports import CommandInfo, Invocation, NodeInfo, OutputEnds, StreamEnd

_PLATFORM_OF_STEP: Mapping[str, Platform] = {
    "PatchLinux": "linux",
    "PatchWindows": "windows",
    "PatchMacOS": "macos",
}


def document_name(document: str | None) -> str | None:
    """The plain name of a document that may be named by its ARN."""
    return document.rsplit("/", 1)[-1] if document else None


def evidence_of(
    signal: Signal,
    invocation: Invocation | None,
    command: CommandInfo | None,
    node: NodeInfo | None,
    notes: tuple[str, ...],
    ends: OutputEnds | None = None,
) -> Evidence:
    """Everything that was read about one failure, with secrets masked before anyone keeps it."""
    parameters = command.parameters if command else {}
    step = invocation.step if invocation else None
    document = document_name(invocation.document if invocation else signal.document)
    stdout, stderr, truncated = _output(invocation, ends or OutputEnds())
    broken = invocation is not None and invocation.status in ("Failed", "TimedOut")
    platform = (node.platform if node else None) or _PLATFORM_OF_STEP.get(step or "")
    status = invocation.status if invocation else signal.status
    if invocation is None and node is not None and signal.command_id is None:
        status = node.ping
    return Evidence(
        platform=platform,
        document=document,
        operation=next(iter(parameters.get("Operation", ())), None),
        status=status,
        status_details=invocation.status_details if invocation else None,
        step=step,
        response_code=invocation.response_code if invocation else None,
        stdout=mask_secrets(storable(stdout)),
        stderr=mask_secrets(storable(stderr)),
        truncated=truncated,
        parameters=parameters,
        comment=command.comment if command else None,
        agent_version=node.agent_version if node else None,
        node_name=node.name if node else None,
        notes=notes,
        command_id=signal.command_id,
        hook=hook_of(document, step, parameters) if broken else None,
    )


def _output(invocation: Invocation | None, ends: OutputEnds) -> tuple[str, str, bool]:
    """Both streams, and whether the end of one is missing."""
    if invocation is None:
        return "", "", False
    stdout = joined(invocation.stdout, ends.stdout, STDOUT_CHARACTERS_MAX)
    stderr = joined(invocation.stderr, ends.stderr, STDERR_CHARACTERS_MAX)
    missing = (invocation.stdout_cut and ends.stdout is None) or (
        invocation.stderr_cut and ends.stderr is None
    )
    return stdout, stderr, missing


def with_tail(evidence: Evidence, stdout: str, stderr: str) -> Evidence:
    """The same evidence with the end that a check on the node brought.

    The check reads both streams, whichever was cut: a stream that was whole is left as it is, for
    its end is there already.
    """
    return replace(
        evidence,
        stdout=_extended(evidence.stdout, stdout, STDOUT_CHARACTERS_MAX),
        stderr=_extended(evidence.stderr, stderr, STDERR_CHARACTERS_MAX),
        truncated=False,
        notes=tuple(
            f"{note}; the node was asked for it" if note.startswith(END_NOTE) else note
            for note in evidence.notes
        ),
    )


def _extended(head: str, tail: str, characters_max: int) -> str:
    tail = mask_secrets(tail)
    if not tail.strip() or tail.strip() in head:
        return head
    return joined(head, StreamEnd(tail, None), characters_max)
