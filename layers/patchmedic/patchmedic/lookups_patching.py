"""Reads what AWS knows of the patch operation: its hooks, baselines, other nodes, and the console.

Here: the calls, each made only when its check was asked for and what was read before says that it
can tell something; and making a console's text fit to be kept.  Not here: the verdicts
(``checks.aws``), the look-ups about the node's place (``lookups``).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from patchmedic.checks.aws import baseline, console, parameters, rate_control
from patchmedic.checks.aws.snapshot import (
    NEED_BASELINE,
    NEED_CONSOLE,
    NEED_HOOKS,
    NEED_PATCH_STATE,
    NEED_WHOLE_COMMAND,
    Baseline,
    BaselineLook,
    Console,
    FailedNode,
    HookDocument,
    NodeSnapshot,
    PatchReport,
    Told,
    WholeCommand,
)
from patchmedic.incident import Incident
from patchmedic.lookup_calls import CallingReader
from patchmedic.notices.mask import mask_secrets
from patchmedic.ports import ATTACHMENT_BYTES_MAX, Attachment

FAILED_PAGE = 50
"""One page is the most that Systems Manager gives; a storm must not become a storm of pages."""
CONSOLE_CHARACTERS_MAX = 64_000
BOOT_CAUSES = frozenset({"instance-impaired", "reboot-failed", "update-rolled-back"})
CANDIDATES_MAX = 5
NO_DOCUMENT = frozenset({"InvalidDocument"})
NO_BASELINE = frozenset({"DoesNotExistException"})
NOT_LATEST = frozenset({"UnsupportedOperation"})
_JPEG = b"\xff\xd8\xff"
_TERMINAL = re.compile(r"\x1b(?:\[[0-?]{0,32}[ -/]{0,8}[@-~]|[()][0-9A-B]|[=>78cDEHM])")
_PASSWORD = re.compile(r"(<Password>)[^<]{0,4096}", re.IGNORECASE)
"""EC2Launch prints the new administrator's password, encrypted, between tags."""
_KEPT = {"\n", "\t"}


class OperationReader(CallingReader):
    """The look-ups about the operation, on top of what was read about the node."""

    def _operation(self, snapshot: NodeSnapshot) -> NodeSnapshot:
        wanted = snapshot.needs
        if NEED_HOOKS in wanted:
            snapshot = replace(snapshot, hook_documents=self._hooks(snapshot))
        if NEED_BASELINE in wanted:
            snapshot = replace(snapshot, baseline=self._baseline(snapshot))
        if NEED_PATCH_STATE in wanted:
            snapshot = self._patch_state(snapshot)
        if NEED_WHOLE_COMMAND in wanted and rate_control.is_terminated(snapshot):
            snapshot = replace(snapshot, whole_command=self._whole_command(snapshot))
        if NEED_CONSOLE in wanted and snapshot.instance is not None:
            snapshot = replace(snapshot, console=self._console(snapshot))
        return snapshot

    # ---------------------------------------------------------------- hooks

    def _hooks(self, snapshot: NodeSnapshot) -> tuple[HookDocument, ...]:
        """At most three documents, and none whose name no document can have."""
        named = parameters.hooks_of(snapshot)
        return tuple(self._hook(p, name) for p, name in named if parameters.is_document_name(name))

    def _hook(self, parameter: str, name: str) -> HookDocument:
        answer = self._one("ssm", "DescribeDocument", Name=name)
        if answer is None:
            gone = self._forget("ssm", "DescribeDocument", NO_DOCUMENT)
            return HookDocument(parameter, name, exists=False if gone else None)
        found = answer.get("Document") or {}
        return HookDocument(
            parameter,
            name,
            exists=True,
            status=found.get("Status"),
            kind=found.get("DocumentType"),
            platforms=tuple(str(p) for p in found.get("PlatformTypes") or ()),
        )

    # ---------------------------------------------------------------- baselines

    def _baseline(self, snapshot: NodeSnapshot) -> BaselineLook:
        """The node's baseline; a patch policy brings its own, which cannot be looked up."""
        system = baseline.operating_system(snapshot.managed)
        named = tuple(Baseline(b.baseline_id, None) for b in snapshot.told.baselines)
        look = BaselineLook(operating_system=system, named=named)
        if baseline.is_of_policy(snapshot):
            return look
        look = replace(
            look,
            groups=self._groups(snapshot),
            named=tuple(self._baseline_of(b.baseline_id) for b in named),
        )
        if system is None or look.groups is None or len(set(look.groups.values())) > 1:
            return look
        return replace(look, chosen=self._chosen(look, system))

    def _groups(self, snapshot: NodeSnapshot) -> Mapping[str, str] | None:
        """The tags that name a patch group; the instance's came with the instance."""
        tags = snapshot.instance.tags if snapshot.instance is not None else None
        if snapshot.is_hybrid:
            answer = self._one(
                "ssm",
                "ListTagsForResource",
                ResourceType="ManagedInstance",
                ResourceId=self._node.node_id,
            )
            listed = None if answer is None else answer.get("TagList") or ()
            tags = None if listed is None else {t["Key"]: t.get("Value", "") for t in listed}
        if tags is None:
            return None
        return {key: tags[key] for key in baseline.GROUP_TAGS if tags.get(key)}

    def _chosen(self, look: BaselineLook, system: str) -> Baseline | None:
        if look.group is not None:
            answer = self._one(
                "ssm",
                "GetPatchBaselineForPatchGroup",
                PatchGroup=look.group,
                OperatingSystem=system,
            )
        else:
            answer = self._one("ssm", "GetDefaultPatchBaseline", OperatingSystem=system)
        if answer is None or not answer.get("BaselineId"):
            return None
        chosen = str(answer["BaselineId"])
        if chosen.startswith("arn:") and f":{self._node.account}:" not in chosen:
            # One of AWS's own, which nobody here can delete: a storm need not ask for each node.
            return Baseline(chosen, exists=True)
        return self._baseline_of(chosen)

    def _baseline_of(self, baseline_id: str) -> Baseline:
        answer = self._one("ssm", "GetPatchBaseline", BaselineId=baseline_id)
        if answer is None:
            gone = self._forget("ssm", "GetPatchBaseline", NO_BASELINE)
            return Baseline(baseline_id, exists=False if gone else None)
        return Baseline(baseline_id, exists=True, name=answer.get("Name"))

    def _patch_state(self, snapshot: NodeSnapshot) -> NodeSnapshot:
        answer = self._one("ssm", "DescribeInstancePatchStates", InstanceIds=[self._node.node_id])
        if answer is None:
            return snapshot
        rows = answer.get("InstancePatchStates") or ()
        mine = next((r for r in rows if r.get("InstanceId") == self._node.node_id), None)
        report = (
            PatchReport(str(mine["BaselineId"]), str(mine["Operation"]), mine["OperationEndTime"])
            if mine is not None
            else None
        )
        return replace(snapshot, patch_report=report)

    # ---------------------------------------------------------------- the other nodes

    def _whole_command(self, snapshot: NodeSnapshot) -> WholeCommand | None:
        """What the command allowed, and one page of the nodes that failed."""
        command_id = snapshot.command_id
        answer = self._one("ssm", "ListCommands", CommandId=command_id)
        found = next(iter((answer or {}).get("Commands") or ()), None)
        if found is None:
            return None
        whole = WholeCommand(
            command_id=str(found["CommandId"]),
            max_errors=str(found.get("MaxErrors", "")),
            max_concurrency=str(found.get("MaxConcurrency", "")),
            targets=int(found.get("TargetCount", 0)),
            errors=int(found.get("ErrorCount", 0)),
        )
        page = self._one(
            "ssm",
            "ListCommandInvocations",
            CommandId=command_id,
            Filters=[{"key": "Status", "value": "Failed"}],
            Details=True,
            MaxResults=FAILED_PAGE,
        )
        if page is None:
            return whole
        failed = [_failed(i) for i in page.get("CommandInvocations") or ()]
        timed = sorted((f for f in failed if f.finished), key=lambda f: str(f.finished))
        untimed = [f for f in failed if f.finished is None]
        return replace(whole, failed=(*timed, *untimed), more=bool(page.get("NextToken")))

    # ---------------------------------------------------------------- the console

    def _console(self, snapshot: NodeSnapshot) -> Console:
        """Text and picture of the console, only where a boot may have gone wrong."""
        why = console.why_look(snapshot)
        if not why:
            return Console("")
        answer = self._console_output()
        shown = Console(why)
        if answer is not None:
            raw = str(answer.get("Output") or "")
            shown = replace(shown, text=storable_console(raw), updated=answer.get("Timestamp"))
        picture = self._one("ec2", "GetConsoleScreenshot", InstanceId=self._node.node_id)
        if picture is None:
            return shown
        image, left_out = _image(str(picture.get("ImageData") or ""))
        return replace(shown, screenshot=image, left_out=left_out)

    def _console_output(self) -> Any:
        """The newest output; instance types that offer none have the one of the last boot."""
        node_id = self._node.node_id
        answer = self._one("ec2", "GetConsoleOutput", InstanceId=node_id, Latest=True)
        if answer is None and self._forget("ec2", "GetConsoleOutput", NOT_LATEST):
            return self._one("ec2", "GetConsoleOutput", InstanceId=node_id)
        return answer


def told_of(incident: Incident) -> Told:
    """What an incident knows of its run beside the parameters."""
    evidence = incident.evidence
    candidates = incident.classification.candidates
    return Told(
        document=evidence.document,
        baselines=baseline.named_in((evidence.stdout, evidence.stderr)),
        boot_suspected=any(c.cause in BOOT_CAUSES for c in candidates[:CANDIDATES_MAX]),
        incident_id=incident.id,
    )


def attachments_of(snapshot: NodeSnapshot, now: datetime) -> tuple[Attachment, ...]:
    """What a snapshot saw that is worth keeping whole."""
    shown = snapshot.console
    if shown is None:
        return ()
    found = []
    if shown.text:
        content = shown.text.encode("utf-8", "replace")[-ATTACHMENT_BYTES_MAX:]
        found.append(Attachment(console.CONSOLE_NAME, "text/plain", content, now))
    if shown.screenshot is not None:
        found.append(Attachment(console.SCREENSHOT_NAME, "image/jpeg", shown.screenshot, now))
    return tuple(found)


def _failed(invocation: Mapping[str, Any]) -> FailedNode:
    plugins = invocation.get("CommandPlugins") or ()
    ends = [p["ResponseFinishDateTime"] for p in plugins if p.get("ResponseFinishDateTime")]
    return FailedNode(
        str(invocation.get("InstanceId", "")),
        str(invocation.get("StatusDetails", "")),
        max(ends) if ends else None,
    )


def storable_console(raw: str) -> str:
    """The end of a console's text without secrets, colours and other control characters.

    Masked before it is cut, so that no cut leaves half a secret unrecognised.
    """
    lines = _TERMINAL.sub("", raw.replace("\r\n", "\n").replace("\r", "\n"))
    plain = "".join(c for c in lines if c in _KEPT or c.isprintable())
    masked = _PASSWORD.sub(r"\1[masked]", mask_secrets(plain))
    return masked[-CONSOLE_CHARACTERS_MAX:]


def _image(encoded: str) -> tuple[bytes | None, str]:
    """A screenshot's bytes, or why they cannot be kept.  Only its first bytes are looked at."""
    if len(encoded) > ATTACHMENT_BYTES_MAX * 3 // 2:
        return None, f"larger than {ATTACHMENT_BYTES_MAX // 1000} KB"
    try:
        image = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None, "not base64"
    if len(image) > ATTACHMENT_BYTES_MAX:
        return None, f"larger than {ATTACHMENT_BYTES_MAX // 1000} KB"
    if not image.startswith(_JPEG):
        return None, "not a JPEG image"
    return image, ""
