"""Is it the agent itself?  Only when everything around it is proven to be in order.

Here: ``agent-silence``.  It repeats no rule: it asks the other checks, and confirms only when
each of them refutes its own cause by facts.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from patchmedic.checks.aws import agent, commands, instance, network, permissions
from patchmedic.checks.aws.filters import Way
from patchmedic.checks.aws.findings import confirms, neutral, not_ec2, refutes, text
from patchmedic.checks.aws.snapshot import NodeSnapshot
from patchmedic.model import Finding, Verdict

CHECK = "agent-silence"
CAUSE = "agent-not-running"
AFTER_START = timedelta(minutes=10)
"""An instance that has just started gets this long for its agent to come up."""
REBOOT_PAUSE = timedelta(hours=1)
"""A patch run that still shows as in progress may be rebooting the node; that is no silence."""


def check(snapshot: NodeSnapshot, now: datetime) -> tuple[Finding, ...]:
    """Instance runs, status checks pass, credentials and network are in order, and no ping."""
    if snapshot.is_hybrid:
        return (not_ec2(CHECK, snapshot),)
    node = snapshot.node.node_id
    managed = snapshot.managed
    if managed is None:
        says = text(
            f"{node} is not registered, so its silence says nothing about the agent.",
            f"{node} は登録されていないため、応答がないことからエージェントの状態は"
            "判断できません。",
        )
        return (neutral(CHECK, CAUSE, node, says),)
    if agent.ping_is_fresh(managed, now):
        says = text(f"The agent of {node} answers.", f"{node} のエージェントは応答しています。")
        return (refutes(CHECK, CAUSE, node, says, {"ping": managed.ping_status}),)
    doubts = _doubts(snapshot, now)
    if doubts:
        return (_unsure(node, doubts),)
    return (_silent(snapshot, now),)


def _doubts(snapshot: NodeSnapshot, now: datetime) -> list[tuple[str, str]]:
    """Everything that could still explain the silence, as (English, Japanese)."""
    managed = snapshot.managed
    assert managed is not None
    found = []
    if managed.ping_status != "ConnectionLost":
        found.append(
            ("the ping status is not ConnectionLost", "ping ステータスが ConnectionLost ではない")
        )
    if managed.last_ping is None or now - managed.last_ping < agent.PING_LOST:
        found.append(("the last ping is too recent", "最終 ping から時間が経っていない"))
    found.extend(_around(snapshot, now))
    started = snapshot.instance.launch_time if snapshot.instance else None
    if started is None or now - started < AFTER_START:
        found.append(("the instance has only just started", "インスタンスが起動したばかり"))
    if snapshot.commands is None or any(
        commands.is_patch_run(c) and commands.is_running(c) and now - c.requested < REBOOT_PAUSE
        for c in snapshot.commands
    ):
        found.append(("a patch run may be rebooting it", "パッチ処理による再起動中の可能性がある"))
    return found


def _around(snapshot: NodeSnapshot, now: datetime) -> list[tuple[str, str]]:
    """The other checks' words: each must have ruled its own cause out."""
    found = []
    state = _refuted(instance.check_state(snapshot, now))
    runs = snapshot.instance is not None and snapshot.instance.state == "running"
    if not runs or "instance-impaired" not in state:
        found.append(("the instance or its status checks", "インスタンスまたはステータスチェック"))
    profile = instance.check_profile(snapshot, now)
    if "instance-profile-missing" not in _refuted(profile) or len(profile) > 1:
        found.append(("its credentials", "認証情報"))
    if not _permitted(snapshot, now):
        found.append(("what its role allows", "ロールの権限"))
    if network.systems_manager(snapshot, now)[1].way is not Way.OPEN:
        found.append(("its way to Systems Manager", "Systems Manager への経路"))
    return found


def _permitted(snapshot: NodeSnapshot, now: datetime) -> bool:
    if snapshot.role is None:
        return False
    findings = permissions.check_role(snapshot, now)
    return all(f.verdict is Verdict.REFUTES for f in findings)


def _refuted(findings: tuple[Finding, ...]) -> set[str | None]:
    return {f.cause for f in findings if f.verdict is Verdict.REFUTES}


def _unsure(node: str, doubts: list[tuple[str, str]]) -> Finding:
    en = ", ".join(d[0] for d in doubts)
    ja = "、".join(d[1] for d in doubts)
    return neutral(
        CHECK,
        CAUSE,
        node,
        text(
            f"{node} is silent, but that need not be the agent; not ruled out: {en}.",
            f"{node} は応答していませんが、原因がエージェントとは限りません。未排除の要因: {ja}。",
        ),
        facts={"not-ruled-out": en},
    )


def _silent(snapshot: NodeSnapshot, now: datetime) -> Finding:
    node, region = snapshot.node.node_id, snapshot.node.region
    assert snapshot.managed is not None and snapshot.managed.last_ping is not None
    minutes = int((now - snapshot.managed.last_ping).total_seconds() // 60)
    return confirms(
        CHECK,
        CAUSE,
        node,
        text(
            f"{node} has not pinged for {minutes} minutes although it runs, passes its status "
            "checks, has credentials and a way to Systems Manager: the agent itself is down.",
            f"{node} は稼働中でステータスチェックに合格し、認証情報も Systems Manager "
            "への経路もありますが、"
            f"{minutes} 分間 ping がありません。エージェント自体が停止しています。",
        ),
        fix=text(
            "Start the agent over SSH, EC2 Instance Connect or the serial console "
            "(Linux: sudo systemctl restart amazon-ssm-agent; Windows: Restart-Service "
            "AmazonSSMAgent), or reboot the instance in a window where that does no harm.",
            "SSH、EC2 Instance Connect、シリアルコンソールのいずれかでエージェ"
            "ントを再起動してください "
            "(Linux: sudo systemctl restart amazon-ssm-agent、Windows: Restart-Service "
            "AmazonSSMAgent)。"
            "または、影響のない時間帯にインスタンスを再起動してください。",
        ),
        commands=(
            f"aws ec2 get-console-output --region {region} --instance-id {node} --latest",
            f"aws ec2 reboot-instances --region {region} --instance-ids {node}",
        ),
        facts={"last-ping-minutes": str(minutes), "ping": snapshot.managed.ping_status},
    )
