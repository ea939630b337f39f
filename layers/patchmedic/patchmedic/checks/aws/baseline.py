"""Is there a patch baseline for the node, and is the one that the run was to use still there?

Here: ``patch-baseline`` and how Patch Manager names operating systems.  Not here: the bucket of a
patch policy's list (``permissions``), and what a baseline approves.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from patchmedic.checks.aws.findings import confirms, neutral, not_read, refutes, text
from patchmedic.checks.aws.parameters import BASELINE_DOCUMENT, HOOKS_DOCUMENT, document_of, given
from patchmedic.checks.aws.permissions import patch_policy
from patchmedic.checks.aws.snapshot import (
    Baseline,
    BaselineLook,
    BaselineNamed,
    ManagedNode,
    NodeSnapshot,
)
from patchmedic.model import Finding

CHECK = "patch-baseline"
CAUSE = "baseline-missing"
GROUP_TAGS = ("PatchGroup", "Patch Group")
"""Both spellings are AWS's; the first is for instances whose metadata shows tags."""
CALLS = (
    "ssm:GetPatchBaselineForPatchGroup",
    "ssm:GetDefaultPatchBaseline",
    "ssm:GetPatchBaseline",
    "ssm:ListTagsForResource",
    "ec2:DescribeInstances",
    "ssm:DescribeInstanceInformation",
)
"""What the answer is made of: the baseline, the node's group and its system."""
NAMED_MAX = 4
LINES_MAX = 20_000
_ID = re.compile(r"\bpb-[0-9a-f]{17}\b")
_SAID = re.compile(
    r"\b(pb-[0-9a-f]{17})\b['\"\])]{0,3} {0,3}(?:does not exist|が?は?存在しません)", re.IGNORECASE
)
_SAID_BY_CODE = "DoesNotExistException"
"""The error of GetPatchBaseline, and its words.  "Not found" beside an id may be of a package."""
_SYSTEMS: tuple[tuple[str, str], ...] = (
    ("windows", "WINDOWS"),
    ("ubuntu", "UBUNTU"),
    ("red hat", "REDHAT_ENTERPRISE_LINUX"),
    ("rhel", "REDHAT_ENTERPRISE_LINUX"),
    ("suse", "SUSE"),
    ("sles", "SUSE"),
    ("centos", "CENTOS"),
    ("oracle", "ORACLE_LINUX"),
    ("debian", "DEBIAN"),
    ("raspbian", "RASPBIAN"),
    ("rocky", "ROCKY_LINUX"),
    ("alma", "ALMA_LINUX"),
    ("macos", "MACOS"),
    ("mac os", "MACOS"),
)


def operating_system(managed: ManagedNode | None) -> str | None:
    """Patch Manager's name of the node's system; ``None`` rather than a guess."""
    if managed is None:
        return None
    name, version = (managed.os_name or "").lower(), managed.os_version or ""
    if name.startswith("amazon linux"):
        return _amazon_linux(name, version)
    return next((system for word, system in _SYSTEMS if word in name), None)


def _amazon_linux(name: str, version: str) -> str | None:
    number = version or name.removeprefix("amazon linux").strip()
    if number.startswith(("2022", "2023")):
        return f"AMAZON_LINUX_{number[:4]}"
    if number.startswith("201"):
        return "AMAZON_LINUX"
    return "AMAZON_LINUX_2" if number.split(".")[0] == "2" else None


def named_in(outputs: Iterable[str]) -> tuple[BaselineNamed, ...]:
    """The baselines whose ids stand in a run's output, those that are said to be missing first."""
    found: dict[str, bool] = {}
    for output in outputs:
        for line in output.splitlines()[-LINES_MAX:]:
            if "pb-" not in line:
                continue
            said = set(_SAID.findall(line))
            for baseline_id in _ID.findall(line):
                missing = baseline_id in said or _SAID_BY_CODE in line
                found[baseline_id] = found.get(baseline_id, False) or missing
    ordered = sorted(found.items(), key=lambda item: not item[1])
    return tuple(BaselineNamed(*item) for item in ordered[:NAMED_MAX])


def is_of_policy(snapshot: NodeSnapshot) -> bool:
    """Whether the failed run itself brought a patch policy's list; other runs do not count."""
    own = replace(snapshot, commands=None) if snapshot.parameters else snapshot
    return patch_policy(own) is not None


def check(snapshot: NodeSnapshot, now: datetime) -> tuple[Finding, ...]:
    """The baselines of the run's own output, then the one that Patch Manager has for the node."""
    look = snapshot.baseline
    if look is None:
        what = text("The node's patch baseline", "ノードのパッチベースライン")
        return (not_read(CHECK, CAUSE, snapshot, what, *CALLS),)
    if is_of_policy(snapshot):
        return (_of_policy(snapshot, look),)
    gone = [f for named in look.named if named.exists is False for f in _gone(snapshot, named)]
    sure = all(named.exists for named in look.named)
    return (*gone, *_two_groups(snapshot, look), _chosen(snapshot, look, sure=sure))


def _of_policy(snapshot: NodeSnapshot, look: BaselineLook) -> Finding:
    """Ids in the log of a patch policy's run are made for that run alone: not found is normal."""
    region = snapshot.node.region
    ids = ", ".join(b.baseline_id for b in look.named)
    named = f" ({ids})" if ids else ""
    return neutral(
        CHECK,
        CAUSE,
        snapshot.node.node_id,
        text(
            "The run belongs to a Quick Setup patch policy, which brings its own list of "
            f"baselines: baseline ids in its log{named} are random, made for one run, and not "
            "finding them is normal. Deleting a custom baseline that the policy uses stops the "
            "policy.",
            "この実行は Quick Setup のパッチポリシーによるもので、"
            "ポリシー独自のベースライン一覧を使用します。"
            f"ログに記録されるベースライン ID{named} は実行ごとにランダムに生成されるため、"
            "見つからなくても正常です。ただし、ポリシーが使用するカスタムベースラインを削除すると、"
            "ポリシーは動作しなくなります。",
        ),
        fix=text(
            "Compare the custom baselines that still exist with those that the policy selects "
            "(Systems Manager console: Quick Setup, the patch policy, Actions, Edit patch "
            "baselines); where one is gone, choose another.",
            "現存するカスタムベースラインと、ポリシーで選択しているベースラインを比較してください "
            "(Systems Manager コンソール: [Quick Setup] → 対象のパッチポリシー → [アクション] → "
            "[パッチベースラインの編集])。"
            "削除済みのものがあれば、別のベースラインを選択してください。",
        ),
        commands=(
            f"aws ssm describe-patch-baselines --region {region} --filters Key=OWNER,Values=Self",
        ),
        facts={"baselines": ids},
    )


def _gone(snapshot: NodeSnapshot, baseline: Baseline) -> list[Finding]:
    """A baseline of the output that Patch Manager no longer has.

    It is the cause when the output itself says so; else it may have been deleted since.
    """
    name, region = baseline.baseline_id, snapshot.node.region
    said = any(b.said_missing for b in snapshot.told.baselines if b.baseline_id == name)
    says = text(
        f"The run's output names the patch baseline {name}, which is not in {region}"
        + (
            ", and says itself that it does not exist."
            if said
            else ": it was deleted since, or is one of AWS's own, whose short id finds nothing."
        ),
        f"実行時の出力にあるパッチベースライン {name} は {region} に"
        + (
            "存在しません。出力にもその旨が記録されています。"
            if said
            else "ありません。その後に削除されたか、短い ID では検索できない AWS "
            "提供のベースラインです。"
        ),
    )
    fix = text(
        "Choose a baseline that exists for the node's patch group, or make one the default for "
        "its operating system (Systems Manager console: Patch Manager, Patch baselines, Actions, "
        "Modify patch groups or Set default patch baseline).",
        "ノードのパッチグループに既存のベースラインを割り当てるか、その OS "
        "のデフォルトベースラインを設定してください (Systems Manager コンソール: [Patch Manager] → "
        "[パッチベースライン] → [アクション] → [パッチグループの変更] または "
        "[デフォルトのパッチベースラインの設定])。",
    )
    commands = (
        f"aws ssm get-patch-baseline --region {region} --baseline-id {name}",
        f"aws ssm describe-patch-groups --region {region}",
        f"aws ssm describe-patch-baselines --region {region}",
    )
    facts = {"baseline": name, "exists": "no"}
    make = confirms if said else neutral
    return [make(CHECK, CAUSE, name, says, fix=fix, commands=commands, facts=facts)]


def _two_groups(snapshot: NodeSnapshot, look: BaselineLook) -> tuple[Finding, ...]:
    if len(set((look.groups or {}).values())) < 2:
        return ()
    node = snapshot.node.node_id
    says = text(
        f"{node} carries both spellings of the patch group tag with different values; which group "
        "counts depends on the instance's metadata options.",
        f"{node} には 2 通りのパッチグループタグが異なる値で付いています。"
        "どちらが有効かは、インスタンスメタデータの設定によって変わります。",
    )
    fix = text(
        "Keep one of the two tags, or give both the same value (EC2 console: the instance, Tags).",
        "どちらか一方だけを残すか、同じ値にしてください "
        "(EC2 コンソール: 対象のインスタンス → [タグ])。",
    )
    look_up = (
        f"aws ec2 describe-tags --region {snapshot.node.region} "
        f"--filters Name=resource-id,Values={node}"
    )
    groups = {key: value[:100] for key, value in (look.groups or {}).items()}
    return (neutral(CHECK, CAUSE, node, says, fix=fix, commands=(look_up,), facts=groups),)


def _chosen(snapshot: NodeSnapshot, look: BaselineLook, *, sure: bool) -> Finding:
    """The baseline that Patch Manager has for the node's group and system now."""
    chosen, system = look.chosen, look.operating_system
    if system is None or chosen is None or chosen.exists is None:
        what = text(
            "Which patch baseline applies to the node", "ノードに適用されるパッチベースライン"
        )
        return not_read(CHECK, CAUSE, snapshot, what, *CALLS)
    if not chosen.exists:
        return _dangling(snapshot, look, chosen)
    facts = {"baseline": chosen.baseline_id, "name": chosen.name or "", "system": system}
    says = text(
        f"Patch Manager has a baseline for {snapshot.node.node_id} ({_place(look)}): "
        f"{chosen.baseline_id}.",
        f"{snapshot.node.node_id} に適用されるベースライン ({_place(look)}) は存在します: "
        f"{chosen.baseline_id}。",
    )
    uses_it = document_of(snapshot) in (BASELINE_DOCUMENT, HOOKS_DOCUMENT)
    if sure and uses_it and not given(snapshot, "BaselineOverride"):
        return refutes(CHECK, CAUSE, snapshot.node.node_id, says, facts)
    return neutral(CHECK, CAUSE, snapshot.node.node_id, says, facts=facts)


def _dangling(snapshot: NodeSnapshot, look: BaselineLook, chosen: Baseline) -> Finding:
    region, name = snapshot.node.region, chosen.baseline_id
    return confirms(
        CHECK,
        CAUSE,
        name,
        text(
            f"Patch Manager points {snapshot.node.node_id} ({_place(look)}) to the baseline "
            f"{name}, which does not exist any more.",
            f"{snapshot.node.node_id} ({_place(look)}) に割り当てられているベースライン {name} は、"
            "すでに存在しません。",
        ),
        fix=text(
            "Set another default baseline for that operating system, or register one for the "
            "patch group (Systems Manager console: Patch Manager, Patch baselines, Actions).",
            "その OS のデフォルトベースラインを設定し直すか、"
            "パッチグループに別のベースラインを登録してください (Systems Manager コンソール: "
            "[Patch Manager] → [パッチベースライン] → [アクション])。",
        ),
        commands=(
            f"aws ssm describe-patch-baselines --region {region}",
            f"aws ssm register-default-patch-baseline --region {region} "
            "--baseline-id <BASELINE_ID>",
        ),
        facts={"baseline": name, "exists": "no", "system": look.operating_system or ""},
    )


def _place(look: BaselineLook) -> str:
    group = "".join(c if c.isprintable() else " " for c in look.group or "")[:60]
    return f"{look.operating_system}, {group or 'default'}"
