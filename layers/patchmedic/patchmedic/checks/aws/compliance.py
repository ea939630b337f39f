"""Do several scan methods overwrite each other's patch compliance?

Here: ``compliance-sources``, told from Run Command's history and the newest report.  It proves no
failure: a result that jumps to and fro looks like one, so all it says is neutral.
"""

from __future__ import annotations

from datetime import datetime

from patchmedic.checks.aws.commands import ran
from patchmedic.checks.aws.findings import neutral, not_read, text
from patchmedic.checks.aws.snapshot import NodeCommand, NodeSnapshot
from patchmedic.model import Finding

CHECK = "compliance-sources"
CAUSE = "benign"
CALLS = ("ssm:ListCommandInvocations", "ssm:ListCommands")
REPORT = "ssm:DescribeInstancePatchStates"
_OVERWRITES = frozenset({"AWS-RunPatchBaseline", "AWS-RunPatchBaselineWithHooks"})
"""AWS-RunPatchBaselineAssociation reports for its association alone and overwrites nothing."""
_SOURCE_MAX = 120
_SHOWN_MAX = 4


def source_of(command: NodeCommand) -> str | None:
    """What makes two runs the same scan method: where their baselines come from."""
    document = command.document.rsplit("/", 1)[-1]
    if document not in _OVERWRITES or not ran(command):
        return None
    override = next(iter(command.parameters.get("BaselineOverride", ())), "").strip()
    kept = "".join(c if c.isprintable() else " " for c in override)
    return kept[:_SOURCE_MAX] or "patch group"


def check(snapshot: NodeSnapshot, now: datetime) -> tuple[Finding, ...]:
    """The methods of the last day's runs, and whose result stands now."""
    if snapshot.commands is None:
        what = text("The node's command history", "ノードのコマンド履歴")
        return (not_read(CHECK, CAUSE, snapshot, what, *CALLS),)
    newest: dict[str, NodeCommand] = {}
    for command in sorted(snapshot.commands, key=lambda c: c.requested):
        source = source_of(command)
        if source is not None:
            newest[source] = command
    facts = _facts(snapshot, newest)
    node = snapshot.node.node_id
    if len(newest) < 2:
        says = text(
            f"Run Command shows at most one scan method on {node} in the last day: nothing there "
            "overwrites its patch compliance.",
            f"過去 1 日の Run Command の履歴では、{node} のスキャン方法は 1 つ以下です。"
            "パッチコンプライアンスが上書きされた形跡はありません。",
        )
        return (neutral(CHECK, CAUSE, node, says, facts=facts), *_unread_report(snapshot))
    return (_several(snapshot, newest, facts), *_unread_report(snapshot))


def _unread_report(snapshot: NodeSnapshot) -> tuple[Finding, ...]:
    if snapshot.gap(REPORT) is None:
        return ()
    what = text("The node's newest patch report", "ノードの最新のパッチ結果")
    return (not_read(CHECK, CAUSE, snapshot, what, REPORT),)


def _several(
    snapshot: NodeSnapshot, newest: dict[str, NodeCommand], facts: dict[str, str]
) -> Finding:
    node, region = snapshot.node.node_id, snapshot.node.region
    shown = "; ".join(list(newest)[-_SHOWN_MAX:])
    return neutral(
        CHECK,
        CAUSE,
        node,
        text(
            f"{len(newest)} scan methods with baselines of different origin reported for {node} "
            f"in the last day ({shown}). Each overwrites the one before, so its compliance can "
            "change although nothing changed on the node.",
            f"過去 1 日に、ベースラインの取得元が異なる {len(newest)} 通りのスキャンが {node} で"
            f"実行されました ({shown})。後の結果が前の結果を上書きするため、"
            "ノードに変化がなくてもコンプライアンスの表示が変わることがあります。",
        ),
        fix=text(
            "Keep one method: a patch policy, or the baseline of the patch group, and end the "
            "schedules of the others (Systems Manager console: Quick Setup, State Manager, "
            "Maintenance Windows).",
            "パッチポリシーまたはパッチグループのベースラインのどちらか一方に統一し、"
            "それ以外のスケジュールを停止してください (Systems Manager コンソール: [Quick Setup]、"
            "[ステートマネージャー]、[メンテナンスウィンドウ])。",
        ),
        commands=(
            f"aws ssm list-commands --region {region} --instance-id {node} "
            "--query 'Commands[].[RequestedDateTime,DocumentName,Parameters.BaselineOverride[0]]' "
            "--output table",
            f"aws ssm describe-instance-patch-states --region {region} --instance-ids {node}",
        ),
        facts=facts,
    )


def _facts(snapshot: NodeSnapshot, newest: dict[str, NodeCommand]) -> dict[str, str]:
    facts = {f"method-{n}": f"{c.document} {s}" for n, (s, c) in enumerate(newest.items(), 1)}
    report = snapshot.patch_report
    if report is not None:
        facts["stands-now"] = f"{report.operation} {report.ended.isoformat()}"
        facts["baseline"] = report.baseline_id
    return dict(list(facts.items())[-_SHOWN_MAX - 2 :])
