"""Is there an instance, does it run, is it healthy, and does it get credentials?

Here: ``instance-state`` and ``instance-profile``.  Not here: what the role allows
(``permissions``), or whether the agent answers (``agent``).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from patchmedic.checks.aws import agent
from patchmedic.checks.aws.findings import (
    confirms,
    neutral,
    not_ec2,
    not_read,
    refutes,
    text,
)
from patchmedic.checks.aws.policies import items
from patchmedic.checks.aws.snapshot import Instance, NodeSnapshot, StatusChecks
from patchmedic.model import Finding, Text

STATE = "instance-state"
PROFILE = "instance-profile"
STARTED_RECENTLY = timedelta(minutes=30)
"""A start this fresh may be younger than the failure, so that "it runs" rules nothing out."""

NOT_RUNNING = frozenset({"stopped", "stopping", "shutting-down", "terminated"})
_STATE_JA = {
    "stopped": "停止済み",
    "stopping": "停止処理中",
    "shutting-down": "終了処理中",
    "terminated": "終了済み",
}
_INSTANCES = "ec2:DescribeInstances"


def check_state(snapshot: NodeSnapshot, now: datetime) -> tuple[Finding, ...]:
    """The instance's state, its status checks and what AWS has scheduled for it."""
    if snapshot.is_hybrid:
        return (not_ec2(STATE, snapshot),)
    if snapshot.instance_gone:
        return (_gone(snapshot),)
    instance = snapshot.instance
    if instance is None:
        what = text("The instance's state", "インスタンスの状態")
        return (not_read(STATE, "instance-stopped", snapshot, what, _INSTANCES),)
    if instance.state in NOT_RUNNING:
        return (_not_running(snapshot, instance), *_scheduled(snapshot))
    if instance.state != "running":
        says = text(
            f"Instance {instance.instance_id} is {instance.state}; it has not finished starting.",
            f"インスタンス {instance.instance_id} は {instance.state} 状態で、"
            "まだ起動が完了していません。",
        )
        return (neutral(STATE, "instance-stopped", instance.instance_id, says),)
    return (_running(snapshot, instance, now), _status(snapshot), *_scheduled(snapshot))


def _gone(snapshot: NodeSnapshot) -> Finding:
    node = snapshot.node
    return confirms(
        STATE,
        "instance-stopped",
        node.node_id,
        text(
            f"EC2 knows no instance {node.node_id} in account {node.account}, {node.region}: "
            "it was terminated.",
            f"アカウント {node.account} の {node.region} にインスタンス {node.node_id} "
            "は存在しません。"
            "すでに終了 (terminate) されています。",
        ),
        fix=text(
            "Nothing is left to patch. If the node still shows in patch targets, take it out "
            "(Systems Manager console: Maintenance Windows or Patch Manager, targets).",
            "パッチを適用する対象はもうありません。パッチのターゲットに残っている場合は外"
            "してください (Systems Manager コンソール: [メンテナンスウィンドウ] または [パッチ"
            "マネージャー] のターゲット)。",
        ),
        commands=(
            f"aws ec2 describe-instances --region {node.region} --instance-ids {node.node_id}",
        ),
        facts={"state": "gone"},
    )


def _not_running(snapshot: NodeSnapshot, instance: Instance) -> Finding:
    name, region, state = instance.instance_id, snapshot.node.region, instance.state
    over = state in ("terminated", "shutting-down")
    start = (
        f"aws ec2 wait instance-stopped --region {region} --instance-ids {name}",
        f"aws ec2 start-instances --region {region} --instance-ids {name}",
    )
    return confirms(
        STATE,
        "instance-stopped",
        name,
        text(
            f"Instance {name} is {state}, so its agent cannot run anything.",
            f"インスタンス {name} は{_STATE_JA[state]}の状態です。"
            "エージェントは何も実行できません。",
        ),
        fix=_end_fix() if over else _start_fix(name),
        commands=() if over else start[1:] if state == "stopped" else start,
        facts={"state": state},
    )


def _end_fix() -> Text:
    return text(
        "The instance is being removed for good; there is nothing to patch.",
        "インスタンスは完全に削除されるため、パッチを適用する対象はありません。",
    )


def _start_fix(name: str) -> Text:
    return text(
        f"If {name} is meant to run, start it and let the next patch run reach it "
        "(EC2 console: Instances, Instance state, Start instance).",
        f"{name} が稼働すべきインスタンスであれば起動し、次回のパッチ適用を待ってください "
        "(EC2 コンソール: [インスタンス] → [インスタンスの状態] → [インスタンスを開始])。",
    )


def _running(snapshot: NodeSnapshot, instance: Instance, now: datetime) -> Finding:
    started, managed = instance.launch_time, snapshot.managed
    facts = {"state": "running", "started": started.isoformat() if started else ""}
    after_ping = (
        started is not None
        and managed is not None
        and managed.last_ping is not None
        and managed.last_ping < started
    )
    if started is not None and (after_ping or now - started < STARTED_RECENTLY):
        says = text(
            f"Instance {instance.instance_id} runs now, but it was started only at "
            f"{started:%Y-%m-%d %H:%M} UTC; it may have been stopped before that.",
            f"インスタンス {instance.instance_id} は現在稼働していますが、起動したのは "
            f"{started:%Y-%m-%d %H:%M} (UTC) です。それ以前は停止していた可能性があります。",
        )
        return neutral(STATE, "instance-stopped", instance.instance_id, says, facts=facts)
    says = text(
        f"Instance {instance.instance_id} is running.",
        f"インスタンス {instance.instance_id} は稼働中です。",
    )
    return refutes(STATE, "instance-stopped", instance.instance_id, says, facts)


def _status(snapshot: NodeSnapshot) -> Finding:
    name, status = snapshot.node.node_id, snapshot.status
    if status is None:
        what = text("The EC2 status checks", "EC2 のステータスチェック")
        return not_read(STATE, "instance-impaired", snapshot, what, "ec2:DescribeInstanceStatus")
    facts = {"instance": status.instance, "system": status.system, "ebs": status.attached_ebs}
    if "impaired" in facts.values():
        return _impaired(snapshot, facts)
    if healthy(status):
        says = text(
            f"All EC2 status checks of {name} pass.",
            f"{name} の EC2 ステータスチェックはすべて合格しています。",
        )
        return refutes(STATE, "instance-impaired", name, says, facts)
    says = text(
        f"The EC2 status checks of {name} have no result yet "
        f"(instance {status.instance}, system {status.system}).",
        f"{name} の EC2 ステータスチェックの結果はまだ出ていません "
        f"(インスタンス: {status.instance}、システム: {status.system})。",
    )
    return neutral(STATE, "instance-impaired", name, says, facts=facts)


def healthy(status: StatusChecks) -> bool:
    """Both checks passed, and the disks' one where there is one."""
    disks = status.attached_ebs in ("ok", "not-applicable")
    return status.instance == "ok" and status.system == "ok" and disks


def _impaired(snapshot: NodeSnapshot, facts: Mapping[str, str]) -> Finding:
    name, region = snapshot.node.node_id, snapshot.node.region
    failed = ", ".join(key for key, value in facts.items() if value == "impaired")
    host = facts["system"] == "impaired"
    fix = (
        text(
            "The fault is on AWS's side of the machine. Stop and start the instance to move it to "
            "another host (EC2 console: Instances, Instance state; an instance store loses its "
            "data).",
            "AWS 側のホストの障害です。インスタンスを停止して開始し、別のホストへ移してください "
            "(EC2 コンソール: [インスタンス] → [インスタンスの状態]。インスタンスストアのデータは"
            "失われます)。",
        )
        if host
        else text(
            "Look at the console screenshot and output (EC2 console: Actions, Monitor and "
            "troubleshoot), then reboot the instance if it hangs.",
            "スクリーンショットと出力を確認し (EC2 コンソール: [アクション] → [モニタリングと"
            "トラブルシューティング])、応答していなければ再起動してください。",
        )
    )
    look = (
        f"aws ec2 get-console-screenshot --region {region} --instance-id {name} --wake-up",
        f"aws ec2 get-console-output --region {region} --instance-id {name} --latest",
    )
    act = (
        f"aws ec2 stop-instances --region {region} --instance-ids {name}",
        f"aws ec2 wait instance-stopped --region {region} --instance-ids {name}",
        f"aws ec2 start-instances --region {region} --instance-ids {name}",
    )
    reboot = (f"aws ec2 reboot-instances --region {region} --instance-ids {name}",)
    return confirms(
        STATE,
        "instance-impaired",
        name,
        text(
            f"Instance {name} runs, but EC2's status checks fail: {failed}.",
            f"インスタンス {name} は稼働していますが、EC2 "
            f"のステータスチェックに失敗しています: {failed}。",
        ),
        fix=fix,
        commands=(*look, *(act if host else reboot)),
        facts=facts,
    )


def _scheduled(snapshot: NodeSnapshot) -> tuple[Finding, ...]:
    if snapshot.status is None:
        return ()
    name = snapshot.node.node_id
    return tuple(
        neutral(
            STATE,
            None,
            name,
            text(
                f"AWS has scheduled {event.code} for {name}"
                + (f" from {event.not_before:%Y-%m-%d %H:%M} UTC." if event.not_before else "."),
                f"AWS は {name} に対する {event.code} を予定しています"
                + (
                    f" ({event.not_before:%Y-%m-%d %H:%M} UTC 以降)。" if event.not_before else "。"
                ),
            ),
            facts={"event": event.code, "description": event.description},
        )
        for event in snapshot.status.events
        if not event.description.startswith(("[Completed]", "[Canceled]"))
    )


# --------------------------------------------------------------------------- credentials


def check_profile(snapshot: NodeSnapshot, now: datetime) -> tuple[Finding, ...]:
    """Whether the instance gets credentials at all: profile, role, trust, or the account's
    Default Host Management; and whether it may ask for them (instance metadata)."""
    if snapshot.is_hybrid:
        return (not_ec2(PROFILE, snapshot),)
    instance = snapshot.instance
    if instance is None:
        what = text("The instance's profile", "インスタンスプロファイル")
        return (not_read(PROFILE, "instance-profile-missing", snapshot, what, _INSTANCES),)
    source = _none_attached(snapshot, now) if instance.profile_arn is None else _attached(snapshot)
    return (source, *_metadata(snapshot, instance))


def _none_attached(snapshot: NodeSnapshot, now: datetime) -> Finding:
    name, region = snapshot.node.node_id, snapshot.node.region
    if snapshot.host_management_role is None:
        what = text(
            f"{name} has no instance profile; whether Default Host Management stands in for it",
            f"{name} にはインスタンスプロファイルがありません。"
            "代わりとなるデフォルトのホスト管理設定の有無",
        )
        return not_read(
            PROFILE, "instance-profile-missing", snapshot, what, "ssm:GetServiceSetting"
        )
    if snapshot.host_management_role and _too_old_for_it(snapshot, now):
        return _agent_too_old(snapshot)
    if snapshot.host_management_role:
        says = text(
            f"{name} has no instance profile, and needs none: Default Host Management gives it "
            f"the role {snapshot.host_management_role}.",
            f"{name} にインスタンスプロファイルはありませんが、デフォルトのホスト管理設定がロール "
            f"{snapshot.host_management_role} を提供するため問題ありません。",
        )
        return refutes(
            PROFILE,
            "instance-profile-missing",
            name,
            says,
            {"default-host-management": snapshot.host_management_role},
        )
    return confirms(
        PROFILE,
        "instance-profile-missing",
        name,
        text(
            f"Instance {name} has no instance profile, and Default Host Management is off in "
            f"{region}: the agent gets no credentials.",
            f"インスタンス {name} にインスタンスプロファイルがなく、{region} "
            "のデフォルトのホスト管理設定も"
            "無効です。エージェントは認証情報を取得できません。",
        ),
        fix=text(
            "Attach an instance profile whose role has AmazonSSMManagedInstanceCore (EC2 console: "
            "Actions, Security, Modify IAM role). Replace PROFILE by its name.",
            "AmazonSSMManagedInstanceCore を持つロールのインスタンスプロファイル"
            "をアタッチしてください "
            "(EC2 コンソール: [アクション] → [セキュリティ] → [IAM ロールを変更])。"
            "PROFILE は実際の名前に置き換えます。",
        ),
        commands=(
            f"aws ec2 associate-iam-instance-profile --region {region} --instance-id {name} "
            "--iam-instance-profile Name=PROFILE",
        ),
        facts={"profile": "none", "default-host-management": "off"},
    )


def _too_old_for_it(snapshot: NodeSnapshot, now: datetime) -> bool:
    """The agent cannot take credentials from Default Host Management, and shows no sign of any."""
    version = snapshot.managed.agent_version if snapshot.managed else None
    fresh = agent.ping_is_fresh(snapshot.managed, now)
    return not fresh and agent.older(version, agent.HOST_MANAGEMENT_MIN) is True


def _agent_too_old(snapshot: NodeSnapshot) -> Finding:
    name, region = snapshot.node.node_id, snapshot.node.region
    version = str(snapshot.managed.agent_version) if snapshot.managed else ""
    return confirms(
        PROFILE,
        "instance-profile-missing",
        name,
        text(
            f"Instance {name} has no instance profile, and its agent {version} is older than "
            f"{agent.HOST_MANAGEMENT_MIN}, which Default Host Management needs: it gets no "
            "credentials.",
            f"インスタンス {name} にはインスタンスプロファイルがなく、エージェント {version} "
            f"はデフォルトのホスト管理設定に必要な {agent.HOST_MANAGEMENT_MIN} より古いため、"
            "認証情報を取得できません。",
        ),
        fix=text(
            "Attach an instance profile whose role has AmazonSSMManagedInstanceCore (EC2 console: "
            "Actions, Security, Modify IAM role; replace PROFILE by its name), or update the agent "
            "on the instance itself.",
            "AmazonSSMManagedInstanceCore を持つロールのインスタンスプロファイルをアタッチするか "
            "(EC2 コンソール: [アクション] → [セキュリティ] → [IAM ロールを変更]。PROFILE "
            "は実際の名前に置き換え)、インスタンス上でエージェントを更新してください。",
        ),
        commands=(
            f"aws ec2 associate-iam-instance-profile --region {region} --instance-id {name} "
            "--iam-instance-profile Name=PROFILE",
        ),
        facts={"agent-version": version, "needs": agent.HOST_MANAGEMENT_MIN},
    )


def _attached(snapshot: NodeSnapshot) -> Finding:
    profile = snapshot.profile
    if profile is None:
        what = text("The instance profile", "インスタンスプロファイル")
        return not_read(
            PROFILE, "instance-profile-missing", snapshot, what, "iam:GetInstanceProfile"
        )
    if not profile.exists:
        return _broken_profile(
            snapshot,
            text(
                f"Instance {snapshot.node.node_id} points to the instance profile {profile.name}, "
                "which no longer exists.",
                f"インスタンス {snapshot.node.node_id} が参照するインスタンスプロファイル "
                f"{profile.name} は、すでに存在しません。",
            ),
        )
    if profile.role_name is None:
        return _broken_profile(
            snapshot,
            text(
                f"Instance profile {profile.name} holds no role, so it gives no credentials.",
                f"インスタンスプロファイル {profile.name} にロールが含まれていないため、"
                "認証情報を取得できません。",
            ),
        )
    trusted = None if snapshot.role is None else trusts_ec2(snapshot.role.trust)
    if trusted is False:
        return _untrusting(snapshot, profile.role_name)
    if trusted is None:
        what = text(
            f"The trust of role {profile.role_name}", f"ロール {profile.role_name} の信頼ポリシー"
        )
        return not_read(PROFILE, "instance-profile-missing", snapshot, what, "iam:GetRole")
    says = text(
        f"Instance profile {profile.name} gives {snapshot.node.node_id} the role "
        f"{profile.role_name}.",
        f"インスタンスプロファイル {profile.name} により、{snapshot.node.node_id} にはロール "
        f"{profile.role_name} が割り当てられています。",
    )
    facts = {"profile": profile.name, "role": profile.role_name, **_imds_facts(snapshot)}
    return refutes(PROFILE, "instance-profile-missing", profile.name, says, facts)


def _broken_profile(snapshot: NodeSnapshot, says: Text) -> Finding:
    assert snapshot.profile is not None
    name, profile = snapshot.node.node_id, snapshot.profile.name
    region = snapshot.node.region
    if snapshot.profile.exists:
        commands: tuple[str, ...] = (
            f"aws iam add-role-to-instance-profile --instance-profile-name {profile} "
            "--role-name ROLE",
        )
    else:
        commands = (
            f"aws ec2 describe-iam-instance-profile-associations --region {region} "
            f"--filters Name=instance-id,Values={name}",
            f"aws ec2 replace-iam-instance-profile-association --region {region} "
            "--association-id ASSOCIATION --iam-instance-profile Name=PROFILE",
        )
    return confirms(
        PROFILE,
        "instance-profile-missing",
        profile,
        says,
        fix=text(
            "Give the instance a profile that holds a role with AmazonSSMManagedInstanceCore; "
            "the words in capitals are yours to fill in (EC2 console: Actions, Security, Modify "
            "IAM role).",
            "AmazonSSMManagedInstanceCore を持つロールを含むプロファイルをインス"
            "タンスに設定してください "
            "(EC2 コンソール: [アクション] → [セキュリティ] → [IAM ロールを変更])。"
            "大文字の語は実際の値に置き換えます。",
        ),
        commands=commands,
        facts={"profile": profile, "exists": str(snapshot.profile.exists).lower()},
    )


def _untrusting(snapshot: NodeSnapshot, role: str) -> Finding:
    return confirms(
        PROFILE,
        "instance-profile-missing",
        role,
        text(
            f"Role {role} does not trust ec2.amazonaws.com, so the instance gets no credentials "
            "from it.",
            f"ロール {role} の信頼ポリシーが ec2.amazonaws.com を許可していないため、"
            "インスタンスは認証情報を取得できません。",
        ),
        fix=text(
            f"Let ec2.amazonaws.com assume {role} (IAM console: Roles, {role}, Trust "
            "relationships). The command replaces the whole trust policy: merge it with yours.",
            f"ec2.amazonaws.com が {role} を引き受けられるようにしてください (IAM コンソール: "
            "[ロール] → "
            f"{role} → [信頼関係])。コマンドは信頼ポリシー全体を置き換えるため、"
            "既存の内容と統合してください。",
        ),
        commands=(
            f"aws iam update-assume-role-policy --role-name {role} --policy-document "
            '\'{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":'
            '{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}\'',
        ),
        facts={"role": role, "trust": "not ec2.amazonaws.com"},
    )


def trusts_ec2(trust: Mapping[str, Any] | None) -> bool | None:
    """Whether a trust policy lets EC2 in; ``None`` when a condition or a Deny leaves it open."""
    if trust is None:
        return None
    unsure = False
    for statement in items(trust.get("Statement")):
        if not isinstance(statement, Mapping):
            return None
        names_ec2 = _names_ec2(statement)
        if names_ec2 is False:
            continue
        if names_ec2 is None or statement.get("Condition") or statement.get("Effect") != "Allow":
            unsure = True
        else:
            return True
    return None if unsure else False


def _names_ec2(statement: Mapping[str, Any]) -> bool | None:
    if "NotPrincipal" in statement or "NotAction" in statement:
        return None
    actions = [str(a).lower() for a in items(statement.get("Action"))]
    if not any(a in ("sts:assumerole", "sts:*", "*") for a in actions):
        return None if any("*" in a for a in actions) else False
    principal = statement.get("Principal")
    if principal == "*":
        return True
    services = items(principal.get("Service")) if isinstance(principal, Mapping) else ()
    return any(str(s).startswith("ec2.") and "amazonaws.com" in str(s) for s in services)


def _imds_facts(snapshot: NodeSnapshot) -> dict[str, str]:
    """The metadata options as they are; a hop limit of 1 keeps containers out, not the agent."""
    instance = snapshot.instance
    if instance is None:
        return {}
    hops = instance.imds_hop_limit
    return {
        "imds-tokens": instance.imds_tokens or "",
        "imds-hop-limit": "" if hops is None else str(hops),
        "imds-ipv6": instance.imds_ipv6 or "",
    }


def _metadata(snapshot: NodeSnapshot, instance: Instance) -> tuple[Finding, ...]:
    """Instance metadata switched off: the agent can neither name itself nor get credentials."""
    if instance.imds_endpoint != "disabled":
        return _metadata_over_ipv6(snapshot, instance)
    name, region = instance.instance_id, snapshot.node.region
    return (
        confirms(
            PROFILE,
            "imds-unreachable",
            name,
            text(
                f"The instance metadata service of {name} is switched off, so the agent cannot "
                "fetch the role's credentials.",
                f"{name} のインスタンスメタデータサービスが無効になっているため、"
                "エージェントはロールの認証情報を取得できません。",
            ),
            fix=text(
                "Switch it on, with session tokens required (EC2 console: Actions, Instance "
                "settings, Modify instance metadata options).",
                "セッショントークンを必須にして有効化してください (EC2 コンソール: [アクション] → "
                "[インスタンスの設定] → [インスタンスメタデータオプションの変更])。",
            ),
            commands=(
                f"aws ec2 modify-instance-metadata-options --region {region} "
                f"--instance-id {name} --http-endpoint enabled --http-tokens required",
            ),
            facts={"http-endpoint": "disabled"},
        ),
    )


def _metadata_over_ipv6(snapshot: NodeSnapshot, instance: Instance) -> tuple[Finding, ...]:
    """An IPv6-only node whose metadata service has no IPv6 address: worth a look, no proof."""
    six_only = bool(instance.interfaces) and all(i.private_ip is None for i in instance.interfaces)
    if not six_only or instance.imds_ipv6 != "disabled":
        return ()
    name, region = instance.instance_id, snapshot.node.region
    says = text(
        f"{name} has IPv6 only, and the IPv6 endpoint of its metadata service is off; agents and "
        "tools that ask over IPv6 get no credentials.",
        f"{name} には IPv6 アドレスしかありませんが、メタデータサービスの IPv6 エンドポイントが無効"
        "です。IPv6 で問い合わせるエージェントやツールは認証情報を取得できません。",
    )
    fix = text(
        "Switch the IPv6 endpoint on (EC2 console: Actions, Instance settings, Modify instance "
        "metadata options).",
        "IPv6 エンドポイントを有効にしてください (EC2 コンソール: [アクション] → "
        "[インスタンスの設定] → [インスタンスメタデータオプションの変更])。",
    )
    command = (
        f"aws ec2 modify-instance-metadata-options --region {region} --instance-id {name} "
        "--http-endpoint enabled --http-protocol-ipv6 enabled"
    )
    facts = _imds_facts(snapshot)
    cause = "imds-unreachable"
    return (neutral(PROFILE, cause, name, says, fix=fix, commands=(command,), facts=facts),)
