"""Does the agent answer Systems Manager, and is it new enough?

Here: ``managed-node``, the agent versions that matter and how to compare them.  Not here: why a
silent agent is silent (``silence``, which needs all the other checks).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from patchmedic.checks.aws.findings import confirms, neutral, not_read, refutes, text
from patchmedic.checks.aws.snapshot import ManagedNode, NodeSnapshot
from patchmedic.model import Finding, Text

CHECK = "managed-node"

PING_FRESH = timedelta(minutes=10)
"""Agents ping every five minutes unless configured otherwise; two intervals are fresh."""
PING_LOST = timedelta(minutes=15)
"""Older than this, two intervals were missed and a little grace is over."""
LISTED_FOR = timedelta(days=30)
"""After this long without a ping a node may drop out of Systems Manager's list."""

RUN_PATCH_BASELINE_MIN = "2.0.834.0"
WITH_HOOKS_MIN = "3.0.502"
OWN_CREDENTIALS_MIN = "3.2.183.0"
HOST_MANAGEMENT_MIN = "3.2.582.0"
WITHOUT_EC2MESSAGES_MIN = "3.3.40.0"

DOCUMENT_MIN = {
    "AWS-RunPatchBaseline": RUN_PATCH_BASELINE_MIN,
    "AWS-RunPatchBaselineAssociation": RUN_PATCH_BASELINE_MIN,
    "AWS-RunPatchBaselineWithHooks": WITH_HOOKS_MIN,
}


def version_key(version: str | None) -> tuple[int, ...] | None:
    """``3.3.1345.0`` as numbers, without trailing zeros; ``None`` for what is no version."""
    parts = (version or "").split(".")
    if not all(p.isascii() and p.isdigit() for p in parts):
        return None
    numbers = [int(p) for p in parts]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def older(version: str | None, than: str) -> bool | None:
    """Whether a version is below a threshold, number by number; ``None`` when it is unknown."""
    have, need = version_key(version), version_key(than)
    assert need is not None, than
    return None if have is None else have < need


def ping_is_fresh(managed: ManagedNode | None, now: datetime) -> bool:
    """The agent is answering right now."""
    return (
        managed is not None
        and managed.ping_status == "Online"
        and managed.last_ping is not None
        and now - managed.last_ping <= PING_FRESH
    )


def check(snapshot: NodeSnapshot, now: datetime) -> tuple[Finding, ...]:
    """Registered or not, ping, age of the last ping, agent version."""
    managed = snapshot.managed
    if managed is None:
        return (_unlisted(snapshot),)
    return (_ping(snapshot, managed, now), *_version(snapshot, managed))


def _unlisted(snapshot: NodeSnapshot) -> Finding:
    node, region = snapshot.node.node_id, snapshot.node.region
    if not snapshot.managed_read:
        what = text("The node's registration", "ノードの登録状況")
        call = "ssm:DescribeInstanceInformation"
        return not_read(CHECK, "agent-not-running", snapshot, what, call)
    instance = snapshot.instance
    if snapshot.instance_gone or (instance is not None and instance.state != "running"):
        says = text(
            f"Systems Manager does not list {node}, as for any instance that is not running.",
            f"{node} は Systems Manager の一覧にありません。"
            "稼働していないインスタンスは表示されません。",
        )
        return neutral(CHECK, None, node, says)
    cause = "agent-registration-invalid" if snapshot.is_hybrid else "agent-not-running"
    return neutral(
        CHECK,
        cause,
        node,
        text(
            f"Systems Manager does not list {node} in {region}: it never registered, was "
            f"deregistered, or has been silent for {LISTED_FOR.days} days or more.",
            f"{node} は {region} の Systems Manager に登録されていません。未登録、登録解除済み、"
            f"または {LISTED_FOR.days} 日以上応答がない状態です。",
        ),
        fix=_register_fix(snapshot),
        commands=() if snapshot.is_hybrid else _register_commands(node, region),
        facts={"registered": "no"},
    )


def _register_fix(snapshot: NodeSnapshot) -> Text:
    if snapshot.is_hybrid:
        return text(
            "Create a hybrid activation and register the machine with it again.",
            "ハイブリッドアクティベーションを作成し、マシンを登録し直してください。",
        )
    return text(
        "Check on the instance that the agent is installed and runs (its log names the reason); "
        "the association list stays empty until it has registered.",
        "インスタンス上でエージェントがインストールされ稼働しているか、"
        "ログも含めて確認してください。"
        "登録が完了するまで関連付けの一覧は空のままです。",
    )


def _register_commands(node: str, region: str) -> tuple[str, ...]:
    return (
        f"aws ssm describe-instance-associations-status --region {region} --instance-id {node}",
        f"aws ec2 get-console-output --region {region} --instance-id {node} --latest",
    )


def _ping(snapshot: NodeSnapshot, managed: ManagedNode, now: datetime) -> Finding:
    node = snapshot.node.node_id
    minutes = _minutes(managed, now)
    facts = {"ping": managed.ping_status, "last-ping-minutes": minutes}
    if ping_is_fresh(managed, now):
        says = text(
            f"The agent of {node} is online; it pinged {minutes} minutes ago.",
            f"{node} のエージェントはオンラインです (最終 ping は {minutes} 分前)。",
        )
        return refutes(CHECK, "agent-not-running", node, says, facts)
    if managed.ping_status == "Online":
        says = text(
            f"Systems Manager shows {node} as online, but its last ping is {minutes or '?'} "
            "minutes old.",
            f"{node} はオンラインと表示されていますが、最終 ping は {minutes or '?'} 分前です。",
        )
        return neutral(CHECK, "agent-not-running", node, says, facts=facts)
    says = text(
        f"The agent of {node} has lost its connection ({managed.ping_status}); its last ping is "
        f"{minutes or '?'} minutes old.",
        f"{node} のエージェントは接続が失われています ({managed.ping_status})。"
        f"最終 ping は {minutes or '?'} 分前です。",
    )
    return neutral(CHECK, "agent-not-running", node, says, facts=facts)


def _minutes(managed: ManagedNode, now: datetime) -> str:
    if managed.last_ping is None:
        return ""
    return str(max(0, int((now - managed.last_ping).total_seconds() // 60)))


def _version(snapshot: NodeSnapshot, managed: ManagedNode) -> tuple[Finding, ...]:
    node, version = snapshot.node.node_id, managed.agent_version
    if version_key(version) is None:
        says = text(
            f"The agent version of {node} is unknown.",
            f"{node} のエージェントのバージョンは不明です。",
        )
        return (neutral(CHECK, "agent-outdated", node, says),)
    for command in snapshot.commands or ():
        need = DOCUMENT_MIN.get(command.document.rsplit("/", 1)[-1])
        if need and older(version, need):
            return (_too_old(snapshot, managed, command.document, need),)
    facts = {"agent-version": str(version)}
    found: list[Finding] = []
    if older(version, OWN_CREDENTIALS_MIN):
        found.append(_credential_order(snapshot, str(version)))
    if older(version, WITHOUT_EC2MESSAGES_MIN):
        says = text(
            f"Agent {version} of {node} is older than {WITHOUT_EC2MESSAGES_MIN}; it is enough for "
            "the patch documents, but still needs the ec2messages endpoint.",
            f"{node} のエージェント {version} は {WITHOUT_EC2MESSAGES_MIN} より古いバージョンです。"
            "パッチ用ドキュメントは実行できますが、ec2messages エンドポイントが引き続き必要です。",
        )
        found.append(neutral(CHECK, "agent-outdated", node, says, facts=facts))
    else:
        says = text(
            f"Agent {version} of {node} is new enough for every patch document.",
            f"{node} のエージェント {version} は、すべてのパッチ用ドキュメントの要件を満"
            "たしています。",
        )
        found.append(refutes(CHECK, "agent-outdated", node, says, facts))
    return tuple(found)


def _too_old(snapshot: NodeSnapshot, managed: ManagedNode, document: str, need: str) -> Finding:
    node = snapshot.node.node_id
    return confirms(
        CHECK,
        "agent-outdated",
        node,
        text(
            f"Agent {managed.agent_version} of {node} is older than {need}, which {document} "
            "needs.",
            f"{node} のエージェント {managed.agent_version} は、{document} に必要な {need} より"
            "古いバージョンです。",
        ),
        fix=text(
            "Update the agent, then patch again (Systems Manager console: Run Command, "
            "AWS-UpdateSSMAgent).",
            "エージェントを更新してから、再度パッチを適用してください (Systems Manager "
            "コンソール: [Run Command] → AWS-UpdateSSMAgent)。",
        ),
        commands=_update_commands(snapshot),
        facts={"agent-version": str(managed.agent_version), "needs": need, "document": document},
    )


def _credential_order(snapshot: NodeSnapshot, version: str) -> Finding:
    node = snapshot.node.node_id
    return neutral(
        CHECK,
        "credentials-invalid",
        node,
        text(
            f"Agent {version} of {node} is older than {OWN_CREDENTIALS_MIN}: it takes credentials "
            "from environment variables and shared files before the instance's role.",
            f"{node} のエージェント {version} は {OWN_CREDENTIALS_MIN} より古いため、"
            "インスタンスのロールより先に"
            "環境変数や共有認証情報ファイルの認証情報を使用します。",
        ),
        fix=text(
            "Update the agent; or remove the AWS_* variables and .aws files that it finds first.",
            "エージェントを更新するか、先に参照される AWS_* 環境変数と .aws "
            "ファイルを削除してください。",
        ),
        commands=_update_commands(snapshot),
        facts={"agent-version": version, "needs": OWN_CREDENTIALS_MIN},
    )


def _update_commands(snapshot: NodeSnapshot) -> tuple[str, ...]:
    return (
        f"aws ssm send-command --region {snapshot.node.region} --document-name "
        f"AWS-UpdateSSMAgent --instance-ids {snapshot.node.node_id}",
    )
