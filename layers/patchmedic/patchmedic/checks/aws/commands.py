"""Did two patch runs meet on the node?

Here: ``recent-commands``, read from Run Command's own history.  Not here: patch processes that
Run Command does not know; a check on the node sees those.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from patchmedic.checks.aws.findings import confirms, neutral, not_read, text
from patchmedic.checks.aws.snapshot import NodeCommand, NodeSnapshot
from patchmedic.model import Finding

CHECK = "recent-commands"
TOO_CLOSE = timedelta(minutes=2)
"""AWS documents that runs of the patch documents within two minutes of each other fail."""

STEP_MAX = timedelta(hours=2)
"""The patch documents give each of their steps this long."""

PATCH_DOCUMENTS = frozenset(
    {
        "AWS-RunPatchBaseline",
        "AWS-RunPatchBaselineAssociation",
        "AWS-RunPatchBaselineWithHooks",
        "AWS-ApplyPatchBaseline",
        "AWS-InstallWindowsUpdates",
        "AWS-InstallMissingWindowsUpdates",
    }
)
NEVER_RAN = frozenset(
    {
        "pending",
        "delayed",
        "deliverytimedout",
        "undeliverable",
        "terminated",
        "invalidplatform",
        "accessdenied",
    }
)
RUNNING = frozenset({"inprogress", "cancelling"})


def is_patch_run(command: NodeCommand) -> bool:
    """A run of a patch document, whether it is named or given as an ARN."""
    return command.document.rsplit("/", 1)[-1] in PATCH_DOCUMENTS


def detail_of(command: NodeCommand) -> str:
    """The status in detail, in the one spelling that is compared."""
    return (command.status_details or command.status).replace(" ", "").lower()


def ran(command: NodeCommand) -> bool:
    """It reached the node and did something there."""
    cancelled = detail_of(command) == "cancelled" and command.finished is None
    return detail_of(command) not in NEVER_RAN and not cancelled


def is_running(command: NodeCommand) -> bool:
    return detail_of(command) in RUNNING


def check(snapshot: NodeSnapshot, now: datetime) -> tuple[Finding, ...]:
    """Two runs that started within two minutes, or one that started inside another."""
    if snapshot.commands is None:
        what = text("The node's command history", "ノードのコマンド履歴")
        calls = ("ssm:ListCommandInvocations", "ssm:ListCommands")
        return (not_read(CHECK, "concurrent-run", snapshot, what, *calls),)
    runs = sorted(
        (c for c in snapshot.commands if is_patch_run(c) and ran(c)),
        key=lambda c: (began(c), c.command_id),
    )
    subject = _subject(snapshot, runs)
    if subject is None:
        return (_nothing(snapshot, len(runs)),)
    for other in runs:
        if other.command_id != subject.command_id and _meet(subject, other):
            return (_met(snapshot, *sorted((subject, other), key=began)),)
    return (_nothing(snapshot, len(runs)),)


def _subject(snapshot: NodeSnapshot, runs: list[NodeCommand]) -> NodeCommand | None:
    """The run that failed; when the caller named none, the latest."""
    if snapshot.command_id is None:
        return runs[-1] if runs else None
    return next((c for c in runs if c.command_id == snapshot.command_id), None)


def began(command: NodeCommand) -> datetime:
    """When it started on the node; rate control can make that much later than its request."""
    return command.started or command.requested


def _meet(subject: NodeCommand, other: NodeCommand) -> bool:
    """Whether the other run can have disturbed the one that failed.

    A run that began after the failed one had ended did not; one that is shown as running for
    longer than a step may take has more likely lost its agent.
    """
    first, second = sorted((subject, other), key=began)
    if first is subject and subject.finished is not None and subject.finished <= began(second):
        return False
    if began(second) - began(first) <= TOO_CLOSE:
        return True
    if first.finished is not None:
        return first.finished > began(second)
    return is_running(first) and began(second) - began(first) <= STEP_MAX


def _nothing(snapshot: NodeSnapshot, count: int) -> Finding:
    says = text(
        "Run Command shows no second patch run beside this one on the node. Runs that something "
        "else started would not show.",
        "Run Command の履歴には、同時に実行された別のパッチ処理はありません。"
        "Run Command 以外から開始された処理は表示されません。",
    )
    facts = {"patch-runs": str(count)}
    return neutral(CHECK, "concurrent-run", snapshot.node.node_id, says, facts=facts)


def _met(snapshot: NodeSnapshot, first: NodeCommand, second: NodeCommand) -> Finding:
    node, region = snapshot.node.node_id, snapshot.node.region
    gap = int((began(second) - began(first)).total_seconds())
    return confirms(
        CHECK,
        "concurrent-run",
        node,
        text(
            f"Two patch runs met on {node}: {first.command_id} ({first.document}) and, {gap} "
            f"seconds later, {second.command_id} ({second.document}).",
            f"{node} で 2 つのパッチ処理が重なりました。{first.command_id} ({first.document}) "
            f"の {gap} 秒後に "
            f"{second.command_id} ({second.document}) が開始されています。",
        ),
        fix=text(
            "Find what starts each of them (Systems Manager console: Run Command, Command history; "
            "Maintenance Windows; State Manager; Quick Setup for patch policies) and keep one, or "
            "set their schedules apart.",
            "それぞれの開始元を確認し (Systems Manager コンソール: [Run Command] → [コマンド履歴]、"
            "[メンテナンスウィンドウ]、[ステートマネージャー]、パッチポリシーは [Quick Setup])、"
            "一方だけにするか、スケジュールをずらしてください。",
        ),
        commands=(
            f"aws ssm list-commands --region {region} --instance-id {node}",
            f"aws ssm describe-instance-associations-status --region {region} --instance-id {node}",
        ),
        facts={
            "first": first.command_id,
            "second": second.command_id,
            "seconds-apart": str(gap),
            "first-began": began(first).isoformat(),
            "second-began": began(second).isoformat(),
        },
    )
