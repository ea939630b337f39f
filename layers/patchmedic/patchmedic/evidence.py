"""Evidence: one failure's facts put together, with secrets masked before anyone keeps them.

Pure.  Not here: reading a command's output (``run_command``), taking apart events that name no node
(``expansion``), and what the evidence means (``causes``).
"""

from __future__ import annotations

from collections.abc import Mapping

from patchmedic.model import Evidence, Platform, Signal
from patchmedic.notices.mask import mask_secrets
from patchmedic.ports import CommandInfo, Invocation, NodeInfo

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
) -> Evidence:
    """Everything that was read about one failure, with secrets masked before anyone keeps it."""
    parameters = command.parameters if command else {}
    step = invocation.step if invocation else None
    platform = (node.platform if node else None) or _PLATFORM_OF_STEP.get(step or "")
    status = invocation.status if invocation else signal.status
    if invocation is None and node is not None and signal.command_id is None:
        status = node.ping
    return Evidence(
        platform=platform,
        document=document_name(invocation.document if invocation else signal.document),
        operation=next(iter(parameters.get("Operation", ())), None),
        status=status,
        status_details=invocation.status_details if invocation else None,
        step=step,
        response_code=invocation.response_code if invocation else None,
        stdout=mask_secrets(invocation.stdout) if invocation else "",
        stderr=mask_secrets(invocation.stderr) if invocation else "",
        truncated=invocation.truncated if invocation else False,
        parameters=parameters,
        comment=command.comment if command else None,
        agent_version=node.agent_version if node else None,
        node_name=node.name if node else None,
        notes=notes,
    )
