"""Small, sound values of the domain for unit tests: one place to build a signal or an incident."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from patchmedic.incident import FailureSeen, Incident, Observation, open_incident
from patchmedic.model import (
    Candidate,
    Classification,
    Evidence,
    Finding,
    NodeRef,
    Remedy,
    Risk,
    Signal,
    SignalKind,
    Verdict,
)
from patchmedic.policy import Plan, Policy

NOW = datetime(2026, 11, 22, 3, 0, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
NODE = NodeRef("123456789012", "ap-northeast-1", "i-0a1b2c3d4e5f60001")
COMMAND = "5d7a9c10-2b3e-4f61-8a94-c0ffee000101"
TEXT = {"en": "text", "ja": "文"}


def remedy(
    name: str, risk: Risk = Risk.LOW, *, document: str | None = "Remedy-X-Linux", **other: object
) -> Remedy:
    """A remedy for Linux; ``document=None`` makes one that only waits."""
    made = Remedy(
        id=name,
        risk=risk,
        causes=("disk-full",),
        documents={"linux": document} if document else {},
        parameters={},
        may_reboot=False,
        wait_seconds=0,
        timeout_seconds=600,
        title=TEXT,
        changes=TEXT,
        undo=TEXT,
        preconditions=TEXT,
        verified_by=TEXT,
    )
    return replace(made, **other)  # type: ignore[arg-type]


REMEDIES = {
    made.id: made
    for made in (
        remedy("free"),
        remedy("clean"),
        remedy("reset", Risk.MEDIUM),
        remedy("restart", may_reboot=True),
        remedy("again", Risk.NONE, document=None),
    )
}
PLANS = {
    "disk-full": Plan(checks=("disk-space",), remedies=("free", "clean")),
    "s3-unreachable": Plan(remedies=("reset",)),
    "package-manager-locked": Plan(remedies=("again",), transient=True),
    "instance-stopped": Plan(suppress=True),
    "unknown": Plan(),
}
POLICY = Policy(plans=PLANS, remedies=REMEDIES, catalogue_version="v1")


def signal(**changes: object) -> Signal:
    """A failed patch run on one node."""
    base = Signal(
        kind=SignalKind.PATCH_COMMAND_FAILED,
        account=NODE.account,
        region=NODE.region,
        event_id="3c1f6a52-8d0e-4b7a-9a61-5f2e7d80c101",
        time=NOW,
        node_id=NODE.node_id,
        command_id=COMMAND,
        document="AWS-RunPatchBaseline",
        status="Failed",
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def ping_lost(**changes: object) -> Signal:
    """A node that went silent."""
    lost = signal(kind=SignalKind.PING_LOST, command_id=None, document=None, last_ping=NOW)
    return replace(lost, **changes)  # type: ignore[arg-type]


def classified(cause: str = "disk-full", confidence: float = 0.9) -> Classification:
    """What the text says."""
    return Classification((Candidate(cause, confidence),), "v1")


def failure(cause: str = "disk-full", confidence: float = 0.9, **changes: object) -> FailureSeen:
    """A failure with what its text says."""
    evidence = Evidence(platform="linux", operation="Install", document="AWS-RunPatchBaseline")
    return FailureSeen(signal(**changes), evidence, classified(cause, confidence))


def opened(cause: str = "disk-full", policy: Policy = POLICY, confidence: float = 0.9) -> Incident:
    """An incident, just opened."""
    return open_incident(failure(cause, confidence), policy, NOW).incident


def finding(
    cause: str | None = "disk-full",
    verdict: Verdict = Verdict.CONFIRMS,
    check: str = "disk-space",
    resource: str = NODE.node_id,
    **facts: str,
) -> Finding:
    """A finding that speaks about a cause."""
    return Finding(check, verdict, cause, resource, TEXT, facts=facts)


def healthy(at: datetime, operation: str | None = "Install") -> Observation:
    """A node's patch state that says that all is well."""
    return Observation("patch-state", at, True, operation, "0 failed")
