"""Was the node left out because other nodes had failed before it?

Here: ``rate-control``, from the invocation's own status and the whole command.  Not here: why the
other nodes failed; each of them has an incident of its own.
"""

from __future__ import annotations

from datetime import datetime

from patchmedic.checks.aws.commands import detail_of
from patchmedic.checks.aws.findings import confirms, neutral, not_read, text
from patchmedic.checks.aws.snapshot import NodeCommand, NodeSnapshot, WholeCommand
from patchmedic.model import Finding

CHECK = "rate-control"
CAUSE = "command-cancelled"
CALLS = ("ssm:ListCommandInvocations", "ssm:ListCommands")
TERMINATED = "terminated"
"""Systems Manager's word for a node that it never sent the command to, for the others' errors."""
_NAMED_MAX = 3


def invocation_of(snapshot: NodeSnapshot) -> NodeCommand | None:
    """The failed run on this node, as its history shows it."""
    if snapshot.command_id is None:
        return None
    mine = (c for c in snapshot.commands or () if c.command_id == snapshot.command_id)
    return next(mine, None)


def is_terminated(snapshot: NodeSnapshot) -> bool:
    """Whether the rest of the command has to be looked at, which costs two calls more."""
    invocation = invocation_of(snapshot)
    return invocation is not None and detail_of(invocation) == TERMINATED


def check(snapshot: NodeSnapshot, now: datetime) -> tuple[Finding, ...]:
    """Terminated: this node was never tried.  Cancelled: somebody or something ended the run."""
    invocation = invocation_of(snapshot)
    if invocation is None:
        what = text("The run's own status on the node", "ノードでの実行結果")
        return (not_read(CHECK, CAUSE, snapshot, what, *CALLS),)
    if detail_of(invocation) == TERMINATED:
        return (_never_tried(snapshot, invocation),)
    if detail_of(invocation) in ("cancelled", "cancelling"):
        return (_cancelled(snapshot, invocation),)
    says = text(
        f"The command was sent to {snapshot.node.node_id}; its rate control did not stop it there.",
        f"コマンドは {snapshot.node.node_id} に送信されており、"
        "レート制御による停止ではありません。",
    )
    facts = {"status": invocation.status_details or invocation.status}
    return (neutral(CHECK, CAUSE, snapshot.node.node_id, says, facts=facts),)


def _never_tried(snapshot: NodeSnapshot, invocation: NodeCommand) -> Finding:
    node, region, command = snapshot.node.node_id, snapshot.node.region, invocation.command_id
    whole = snapshot.whole_command
    en, ja = _others(whole)
    return confirms(
        CHECK,
        CAUSE,
        node,
        text(
            f"Command {command} passed its error threshold{_threshold(whole)}, so Systems Manager "
            f"ended it before it was sent to {node}: this node was never tried.{en}",
            f"コマンド {command} がエラーのしきい値{_threshold(whole)}を超えたため、"
            f"Systems Manager は {node} に送信する前に停止しました。"
            f"このノードでは何も実行されていません。{ja}",
        ),
        fix=text(
            "Repair the nodes that failed, then run the command on the rest; or allow more "
            "errors (Systems Manager console: Run Command, the command, Copy to new, Rate "
            "control, Error threshold).",
            "失敗したノードを修復してから、残りのノードで再実行してください。"
            "または、エラーのしきい値を引き上げてください (Systems Manager コンソール: "
            "[Run Command] → 対象のコマンド → [新規にコピー] → [レート制御] → "
            "[エラーのしきい値])。",
        ),
        commands=(
            f"aws ssm list-command-invocations --region {region} --command-id {command} "
            "--filters key=Status,value=Failed --query "
            "'CommandInvocations[].[InstanceId,StatusDetails]' --output table",
            f"aws ssm list-commands --region {region} --command-id {command} --query "
            "'Commands[0].[MaxErrors,MaxConcurrency,ErrorCount,TargetCount]'",
        ),
        facts=_facts(whole),
    )


def _threshold(whole: WholeCommand | None) -> str:
    return f" (MaxErrors {whole.max_errors})" if whole is not None and whole.max_errors else ""


def _others(whole: WholeCommand | None) -> tuple[str, str]:
    """Who failed first, as far as one page shows it."""
    if whole is None or not whole.failed:
        return "", ""
    names = ", ".join(f.node_id for f in whole.failed[:_NAMED_MAX])
    if whole.more:
        return f" Among those that failed: {names}.", f"失敗したノードの例: {names}。"
    return f" Failed first: {names}.", f"最初に失敗したノード: {names}。"


def _facts(whole: WholeCommand | None) -> dict[str, str]:
    if whole is None:
        return {}
    facts = {
        "max-errors": whole.max_errors,
        "max-concurrency": whole.max_concurrency,
        "targets": str(whole.targets),
        "errors": str(whole.errors),
    }
    for number, failed in enumerate((whole.failed or ())[:_NAMED_MAX], start=1):
        when = f" {failed.finished.isoformat()}" if failed.finished else ""
        facts[f"failed-{number}"] = f"{failed.node_id} {failed.details}{when}"
    return facts


def _cancelled(snapshot: NodeSnapshot, invocation: NodeCommand) -> Finding:
    region, command = snapshot.node.region, invocation.command_id
    return neutral(
        CHECK,
        CAUSE,
        snapshot.node.node_id,
        text(
            f"Command {command} was cancelled on {snapshot.node.node_id}: by a person or program "
            "that called CancelCommand, or by the maintenance window's end. No error threshold "
            "did it.",
            f"コマンド {command} は {snapshot.node.node_id} でキャンセルされています。"
            "CancelCommand の呼び出しか、メンテナンスウィンドウの終了によるもので、"
            "エラーのしきい値によるものではありません。",
        ),
        fix=text(
            "See who cancelled it (CloudTrail console: Event history), then run it again.",
            "キャンセルした操作元を確認してから (CloudTrail コンソール: [イベント履歴])、"
            "再実行してください。",
        ),
        commands=(
            f"aws cloudtrail lookup-events --region {region} --lookup-attributes "
            "AttributeKey=EventName,AttributeValue=CancelCommand --max-results 10",
        ),
        facts={"status": invocation.status_details or invocation.status},
    )
