"""Were the parameters of the failed run such that it could not work?

Here: ``command-parameters``, the rules of AWS-RunPatchBaseline and AWS-RunPatchBaselineWithHooks,
and the documents that a run names as its hooks.  Not here: what a hook does, and whether the
node's role may read the lists that a run names (``permissions``).

A parameter is somebody's own text: it is shown cut and quoted, and stands in a command only when
it is a well-formed name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from patchmedic.checks.aws.agent import WITH_HOOKS_MIN, older
from patchmedic.checks.aws.findings import confirms, neutral, text
from patchmedic.checks.aws.snapshot import HookDocument, NodeSnapshot
from patchmedic.model import Finding, Text

CHECK = "command-parameters"
CAUSE = "parameters-invalid"
BASELINE_DOCUMENT = "AWS-RunPatchBaseline"
HOOKS_DOCUMENT = "AWS-RunPatchBaselineWithHooks"
HOOKS = ("PreInstallHookDocName", "PostInstallHookDocName", "OnExitHookDocName")
NO_HOOK = "AWS-Noop"
DESCRIBE = "ssm:DescribeDocument"
_LISTS = ("InstallOverrideList", "BaselineOverride")
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "Operation": ("Scan", "Install"),
    "RebootOption": ("RebootIfNeeded", "NoReboot"),
}
_GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DOCUMENT_NAME = re.compile(r"[a-zA-Z0-9_\-.:/]{3,128}")
"""What Systems Manager takes as the name or ARN of a document."""
_PRINTED_WRONG = "aws:arn:"
"""A spelling that one edition of AWS's own page shows; an ARN starts with ``arn:aws:``."""
_PLATFORMS = {"linux": "Linux", "windows": "Windows", "macos": "MacOS"}
_SHOWN_MAX = 100


def document_of(snapshot: NodeSnapshot) -> str | None:
    """The document of the run that failed, without an ARN's beginning."""
    known = snapshot.told.document
    if known is None:
        known = next(
            (c.document for c in snapshot.commands or () if c.command_id == snapshot.command_id),
            None,
        )
    return known.rsplit("/", 1)[-1] if known else None


def given(snapshot: NodeSnapshot, name: str) -> str:
    """One parameter of the run; empty when it was not given, or given empty."""
    values = snapshot.parameters.get(name, ())
    return values[0].strip() if values else ""


def is_document_name(name: str) -> bool:
    """Whether a document can be called so at all."""
    return _DOCUMENT_NAME.fullmatch(name) is not None and not name.startswith(_PRINTED_WRONG)


def hooks_of(snapshot: NodeSnapshot) -> tuple[tuple[str, str], ...]:
    """(parameter, document) for each hook that the run names."""
    if document_of(snapshot) != HOOKS_DOCUMENT:
        return ()
    named = ((parameter, given(snapshot, parameter)) for parameter in HOOKS)
    return tuple((p, name) for p, name in named if name and name.rsplit("/", 1)[-1] != NO_HOOK)


def check(snapshot: NodeSnapshot, now: datetime) -> tuple[Finding, ...]:
    """Every parameter that cannot be right, then the hooks and the agent that they need."""
    document = document_of(snapshot)
    if document not in (BASELINE_DOCUMENT, HOOKS_DOCUMENT) or not snapshot.parameters:
        return (_unknown(snapshot, document),)
    found = [
        *_lists(snapshot, document),
        *_snapshot_id(snapshot),
        *_choices(snapshot),
    ]
    if document == HOOKS_DOCUMENT:
        found += [*_hooks(snapshot), *_agent(snapshot)]
    return tuple(found) or (_well(snapshot, document),)


# --------------------------------------------------------------------------- single values


def _lists(snapshot: NodeSnapshot, document: str) -> list[Finding]:
    lists = {name: given(snapshot, name) for name in _LISTS if given(snapshot, name)}
    if document == HOOKS_DOCUMENT and "InstallOverrideList" in lists:
        return [_no_list_with_hooks(snapshot)]
    if len(lists) == len(_LISTS):
        return [_both_lists(snapshot)]
    return [
        _wrong(
            snapshot,
            name,
            value,
            text(
                "it has to be s3://bucket/key or an https:// address",
                "s3://バケット/キー または https:// で始まるアドレスである必要があります",
            ),
        )
        for name, value in lists.items()
        if not _is_list_address(value)
    ]


def _is_list_address(value: str) -> bool:
    bucket, _, key = value.removeprefix("s3://").partition("/")
    return value.startswith("https://") or (value.startswith("s3://") and bool(bucket and key))


def _no_list_with_hooks(snapshot: NodeSnapshot) -> Finding:
    return confirms(
        CHECK,
        CAUSE,
        "InstallOverrideList",
        text(
            f"The run of {HOOKS_DOCUMENT} was given an InstallOverrideList, which that document "
            "does not support.",
            f"{HOOKS_DOCUMENT} に InstallOverrideList が指定されていますが、"
            "このドキュメントでは使用できません。",
        ),
        fix=text(
            f"Leave InstallOverrideList out, or use {BASELINE_DOCUMENT}, which takes one "
            "(Systems Manager console: Run Command, the command, Copy to new).",
            "InstallOverrideList を外すか、対応している "
            f"{BASELINE_DOCUMENT} を使用してください (Systems Manager コンソール: [Run Command] → "
            "対象のコマンド → [新規にコピー])。",
        ),
        commands=_look(snapshot),
        facts={"document": HOOKS_DOCUMENT, "parameter": "InstallOverrideList"},
    )


def _both_lists(snapshot: NodeSnapshot) -> Finding:
    return confirms(
        CHECK,
        CAUSE,
        "BaselineOverride",
        text(
            "The run was given both an InstallOverrideList and a BaselineOverride; a patch run "
            "takes one of them at most.",
            "InstallOverrideList と BaselineOverride の両方が指定されています。"
            "パッチ処理に指定できるのはどちらか一方だけです。",
        ),
        fix=text(
            "Keep one of the two: the list of packages, or the list of baselines (Systems Manager "
            "console: Run Command, the command, Copy to new).",
            "パッケージのリストとベースラインのリストのどちらか一方だけを指定してください "
            "(Systems Manager コンソール: [Run Command] → 対象のコマンド → [新規にコピー])。",
        ),
        commands=_look(snapshot),
        facts={"parameter": "InstallOverrideList, BaselineOverride"},
    )


def _snapshot_id(snapshot: NodeSnapshot) -> list[Finding]:
    value = given(snapshot, "SnapshotId")
    if not value or _GUID.fullmatch(value):
        return []
    rule = text(
        "it has to be empty or a GUID, as New-Guid or uuidgen makes it; in a maintenance window "
        "leave it empty",
        "空にするか、New-Guid や uuidgen で生成した GUID を指定する必要があります。"
        "メンテナンスウィンドウでは指定しないでください",
    )
    return [_wrong(snapshot, "SnapshotId", value, rule)]


def _choices(snapshot: NodeSnapshot) -> list[Finding]:
    found = []
    for name, allowed in _CHOICES.items():
        value = given(snapshot, name)
        if value and value not in allowed:
            words = " / ".join(allowed)
            rule = text(
                f"it has to be {words}, spelled so",
                f"{words} のいずれかを正確に指定する必要があります",
            )
            found.append(_wrong(snapshot, name, value, rule))
    return found


def _wrong(snapshot: NodeSnapshot, name: str, value: str, rule: Text) -> Finding:
    return confirms(
        CHECK,
        CAUSE,
        name,
        text(
            f"The parameter {name} of the run is {_shown(value)}; {rule['en']}.",
            f"パラメータ {name} に {_shown(value)} が指定されています。{rule['ja']}。",
        ),
        fix=text(
            f"Correct {name} where the run is set up: the command, the association, the "
            "maintenance window's task or the patch policy (Systems Manager console).",
            f"実行元 (コマンド、関連付け、メンテナンスウィンドウのタスク、パッチポリシー) の "
            f"{name} を修正してください (Systems Manager コンソール)。",
        ),
        commands=_look(snapshot),
        facts={"parameter": name, "value": value},
    )


# --------------------------------------------------------------------------- hooks


def _hooks(snapshot: NodeSnapshot) -> list[Finding]:
    looked = {d.parameter: d for d in snapshot.hook_documents or ()}
    found: list[Finding] = []
    for parameter, name in hooks_of(snapshot):
        document = looked.get(parameter)
        if not is_document_name(name):
            found.append(_misspelled(snapshot, parameter, name))
        elif document is None or document.exists is None:
            found.append(_hook_not_read(snapshot, parameter, name))
        elif not document.exists:
            found.append(_no_such_hook(snapshot, document))
        else:
            found += _unfit(snapshot, document)
    return found


def _misspelled(snapshot: NodeSnapshot, parameter: str, name: str) -> Finding:
    rule = text(
        "that is no name of a document, and an ARN starts with arn:aws:ssm:",
        "これはドキュメント名として使用できません。ARN は arn:aws:ssm: で始まります",
    )
    return _wrong(snapshot, parameter, name, rule)


def _no_such_hook(snapshot: NodeSnapshot, document: HookDocument) -> Finding:
    """Only an Install runs hooks, so for a Scan it is worth telling and no more."""
    region, name = snapshot.node.region, document.name
    shared = name.startswith("arn:")
    says = text(
        f"The run names the document {name} as {document.parameter}, but Systems Manager in "
        f"{region} has none of that name for this account"
        + (": it does not exist or is not shared with this account." if shared else "."),
        f"{document.parameter} に指定されたドキュメント {name} は、"
        f"このアカウントの {region} にありません"
        + ("(存在しないか、このアカウントに共有されていません)。" if shared else "。"),
    )
    fix = text(
        "Create the document in this Region, or correct the name; a document of another account "
        "has to be shared with this one and be named by its full ARN (Systems Manager console: "
        "Documents, the document, Details, Permissions).",
        "このリージョンにドキュメントを作成するか、名前を修正してください。"
        "別のアカウントのドキュメントは、このアカウントに共有したうえで完全な ARN "
        "で指定する必要があります (Systems Manager コンソール: [ドキュメント] → "
        "対象のドキュメント → [詳細] → [アクセス許可])。",
    )
    commands = (
        f"aws ssm list-documents --region {region} --filters Key=Owner,Values=Self",
        f"aws ssm describe-document --region {region} --name {name}",
    )
    facts = {"parameter": document.parameter, "document": name}
    if given(snapshot, "Operation") == "Scan":
        return neutral(CHECK, CAUSE, name, says, fix=fix, commands=commands, facts=facts)
    return confirms(CHECK, CAUSE, name, says, fix=fix, commands=commands, facts=facts)


def _unfit(snapshot: NodeSnapshot, document: HookDocument) -> list[Finding]:
    """A hook that is there, but is not active, is no Command document or is for other systems."""
    en, ja = [], []
    platform = _PLATFORMS.get(snapshot.platform or "")
    if document.status not in (None, "Active"):
        en.append(f"is {document.status}")
        ja.append(f"状態が {document.status} です")
    if document.kind not in (None, "Command"):
        en.append(f"is of type {document.kind}, not Command")
        ja.append(f"種類が Command ではなく {document.kind} です")
    if platform and document.platforms and platform not in document.platforms:
        en.append(f"is not for {platform}")
        ja.append(f"{platform} に対応していません")
    if not en:
        return []
    says = text(
        f"The hook document {document.name} ({document.parameter}) {' and '.join(en)}.",
        f"フックドキュメント {document.name} ({document.parameter}) は{'。また、'.join(ja)}。",
    )
    fix = text(
        "Name an active Command document that runs on this node.",
        "このノードで実行できる、有効な Command ドキュメントを指定してください。",
    )
    look = f"aws ssm describe-document --region {snapshot.node.region} --name {document.name}"
    facts = {"parameter": document.parameter, "status": document.status or ""}
    return [
        neutral(CHECK, "hook-failed", document.name, says, fix=fix, commands=(look,), facts=facts)
    ]


def _hook_not_read(snapshot: NodeSnapshot, parameter: str, name: str) -> Finding:
    """Our own role's denial says nothing about the rights that the run had."""
    gap = snapshot.gap(DESCRIBE)
    why = f": {gap.call} answered {gap.code}" if gap else ""
    why_ja = f" ({gap.call} が {gap.code} を返しました)" if gap else ""
    return neutral(
        CHECK,
        CAUSE,
        name,
        text(
            f"Whether the hook document {_shown(name)} ({parameter}) exists could not be "
            f"read{why}.",
            f"フックドキュメント {_shown(name)} ({parameter}) の有無を確認できませんでした"
            f"{why_ja}。",
        ),
        fix=text(
            f"Allow {DESCRIBE} on that document to PatchMedic's diagnose role, or look yourself.",
            f"PatchMedic の診断用ロールに、このドキュメントに対する {DESCRIBE} を許可するか、"
            "直接ご確認ください。",
        ),
        commands=(f"aws ssm describe-document --region {snapshot.node.region} --name {name}",),
        facts={"call": DESCRIBE, "code": gap.code, "why": gap.message} if gap else {},
    )


def _agent(snapshot: NodeSnapshot) -> list[Finding]:
    managed = snapshot.managed
    node, region = snapshot.node.node_id, snapshot.node.region
    if managed is None or not older(managed.agent_version, WITH_HOOKS_MIN):
        return []
    return [
        confirms(
            CHECK,
            "agent-outdated",
            node,
            text(
                f"Agent {managed.agent_version} of {node} is older than {WITH_HOOKS_MIN}, which "
                f"{HOOKS_DOCUMENT} needs.",
                f"{node} のエージェント {managed.agent_version} は、{HOOKS_DOCUMENT} に必要な "
                f"{WITH_HOOKS_MIN} より古いバージョンです。",
            ),
            fix=text(
                "Update the agent, then patch again (Systems Manager console: Fleet Manager, "
                "Account management, Auto update SSM Agent).",
                "エージェントを更新してから、再度パッチを適用してください (Systems Manager "
                "コンソール: [フリートマネージャー] → [アカウント管理] → [SSM Agent の自動更新])。",
            ),
            commands=(
                f"aws ssm send-command --region {region} --document-name AWS-UpdateSSMAgent "
                f"--instance-ids {node}",
            ),
            facts={"agent-version": str(managed.agent_version), "needs": WITH_HOOKS_MIN},
        )
    ]


# --------------------------------------------------------------------------- the rest


def _unknown(snapshot: NodeSnapshot, document: str | None) -> Finding:
    says = text(
        "The run's parameters are not known, or its document is none whose parameters this check "
        "knows; it decides nothing.",
        "実行時のパラメータが不明か、このチェックの対象外のドキュメントであるため、判断できません。",
    )
    facts = {"document": document or ""}
    return neutral(CHECK, CAUSE, snapshot.node.node_id, says, facts=facts)


def _well(snapshot: NodeSnapshot, document: str) -> Finding:
    says = text(
        f"The parameters of {document} are well-formed, and what they name in Systems Manager is "
        "there.",
        f"{document} のパラメータの形式に問題はなく、Systems Manager 上の参照先も存在します。",
    )
    return neutral(CHECK, CAUSE, snapshot.node.node_id, says, facts={"document": document})


def _look(snapshot: NodeSnapshot) -> tuple[str, ...]:
    if snapshot.command_id is None:
        return ()
    return (
        f"aws ssm list-commands --region {snapshot.node.region} --command-id "
        f"{snapshot.command_id} --query 'Commands[0].Parameters'",
    )


def _shown(value: str) -> str:
    """Somebody's text within a sentence: printable, in quotes, not too long."""
    kept = "".join(c if c.isprintable() else " " for c in value)
    return f"'{kept[:_SHOWN_MAX]}'"
