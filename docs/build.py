"""Make the pages in docs that follow from data: the causes, the checks, and what is covered.

Here: docs/causes, one page a cause (which lines of the samples stand as examples, and the pages as
Markdown), docs/checks from the registries of checks, docs/remedies from the data of the remedies,
and docs/coverage from its table.  Not here: what is said about a cause (``patchmedic.cli.explain``);
nothing is said here that is not in data.

Run ``python docs/build.py`` after a change of the catalogue, a check, a remedy or the table of what is
covered, ``--check`` to see whether that was forgotten.  Pages of causes that no longer exist are
removed.
"""

# ruff: noqa: E501 - a Japanese character counts as two columns

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from patchmedic.causes.catalogue import DATA, Catalogue, load_files
from patchmedic.causes.classifier import NAMED
from patchmedic.causes.schema import GROUPS, KIND_NAMES, Cause, compile_pattern
from patchmedic.checks.aws import AWS_CHECKS, AwsCheck
from patchmedic.checks.aws import snapshot as needs
from patchmedic.checks.node import CHECKS, NodeCheck
from patchmedic.cli import words
from patchmedic.cli.explain import (
    Block,
    Bullets,
    Explainer,
    Heading,
    Lines,
    Page,
    Paragraph,
    Ref,
    Spans,
    platforms_of,
)
from patchmedic.model import LANGUAGES, RISK_ORDER, Remedy, Risk, Text
from patchmedic.remedies import load_remedies

ROOT = Path(__file__).resolve().parents[1]
PAGES = Path(__file__).resolve().parent / "causes"
SAMPLES = ROOT / "tests" / "samples"

EXAMPLES_MAX = 4
EXAMPLE_CHARACTERS_MAX = 200
MADE = (
    "<!-- Made by docs/build.py from the catalogue of causes; `make causes-docs` makes it anew. -->"
)
MADE_CHECKS = MADE.replace("catalogue of causes", "registries of checks")
MADE_REMEDIES = MADE.replace("catalogue of causes", "data of the remedies")
MADE_COVERAGE = MADE.replace("the catalogue of causes", "docs/coverage.toml")

_INDEX: Mapping[str, Text] = {
    "title": {"en": "What can go wrong", "ja": "原因の一覧"},
    "intro": {
        "en": "Every cause that PatchMedic knows: how it shows, what looks like it, what to do, how"
        " PatchMedic makes sure and what it may do. `patchmedic causes` shows the same on a"
        " terminal, `patchmedic hresult` explains a Windows error code, and"
        " [CONTRIBUTING](../../CONTRIBUTING.md#add-a-cause) says how to add a cause.",
        "ja": "PatchMedic が識別できる原因の一覧です。各ページで、現れ方、間違えやすい原因、対処方法、"
        "PatchMedic による確認と修復を説明します。同じ内容を `patchmedic causes` コマンドで表示でき、"
        "Windows のエラーコードの意味は `patchmedic hresult` コマンドで確認できます。",
    },
    "cause": {"en": "cause", "ja": "原因"},
    "what": {"en": "what it is", "ja": "内容"},
    "platforms": {"en": "platforms", "ja": "プラットフォーム"},
    "remedies": {"en": "remedies", "ja": "修復"},
}
_OTHER: Mapping[str, tuple[str, str]] = {"en": ("ja", "日本語"), "ja": ("en", "English")}


def name_of(cause: str, language: str) -> str:
    """The file of a page; English has the plain name."""
    return f"{cause}.md" if language == "en" else f"{cause}.{language}.md"


# --- examples -------------------------------------------------------------------------------------


def read_samples(folder: Path = SAMPLES) -> Mapping[str, Sequence[str]]:
    """Cause -> the outputs in the samples that have it, with their platforms in front."""
    found: dict[str, list[str]] = {}
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            sample = json.loads(line)
            output = f"{sample.get('stdout') or ''}\n{sample.get('stderr') or ''}"
            found.setdefault(sample["label"], []).append(output)
    return found


def examples(cause: Cause, outputs: Iterable[str]) -> tuple[str, ...]:
    """Lines that name the cause, each by another of its signatures, one from an output."""
    patterns = [
        compile_pattern(each.pattern)
        for each in cause.signatures
        if each.weight >= NAMED and each.kind == KIND_NAMES
    ]
    shown: list[str] = []
    for output in outputs:
        for line in output.splitlines():
            telling = next((each for each in patterns if each.search(line)), None)
            if telling is not None and line.isprintable() and "```" not in line:
                patterns.remove(telling)
                shown.append(line.strip()[:EXAMPLE_CHARACTERS_MAX])
                break
        if len(shown) == EXAMPLES_MAX:
            break
    return tuple(dict.fromkeys(shown))


# --- Markdown -------------------------------------------------------------------------------------


def markdown(page: Page, group: str, language: str) -> str:
    """A whole page."""
    other, other_name = _OTHER[language]
    index = name_of("README", language)
    head = [
        MADE,
        f"# {_escaped(page.title)}",
        f"`{page.cause}` · [{page.group}]({index}#{group}) · {page.platforms} · "
        f"[{other_name}]({name_of(page.cause, other)})",
    ]
    first, *rest = page.sections
    parts = [*head, *(_block(block, language) for block in first.blocks)]
    for section in rest:
        parts += [f"## {section.title}", *(_block(block, language) for block in section.blocks)]
    return "\n\n".join(parts) + "\n"


def _block(block: Block, language: str) -> str:
    if isinstance(block, Heading):
        return f"### {_escaped(block.text)}"
    if isinstance(block, Paragraph):
        return _spans(block.spans, language)
    if isinstance(block, Lines):
        return "\n".join(["```text", *block.lines, "```"])
    return "\n".join(_bullets(block, language))


def _bullets(block: Bullets, language: str) -> Iterator[str]:
    for first, *rest in block.items:
        yield f"- {_spans(first, language)}"
        yield from (f"  - {_spans(spans, language)}" for spans in rest)


def _spans(spans: Spans, language: str) -> str:
    parts = []
    for span in spans:
        if isinstance(span, Ref):
            parts.append(f"[`{span.cause}`]({name_of(span.cause, language)})")
        elif isinstance(span, str):
            parts.append(f"<{span}>" if span.startswith("https://") else _escaped(span))
        else:
            parts.append(f"`{span.text}`")
    return "".join(parts)


def _escaped(text: str) -> str:
    """Prose in which nothing is taken for a sign of Markdown."""
    text = re.sub(r"([\\`*<\[\]|])", r"\\\1", text)
    text = re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", text)
    text = re.sub(r"^(\d+)\.", r"\1\\.", text)
    return re.sub(r"^([#>+-])", r"\\\1", text)


def index(catalogue: Catalogue, language: str) -> str:
    """The page that leads to all others, by group."""
    other, other_name = _OTHER[language]
    say = {key: text[language] for key, text in _INDEX.items()}
    explainer = Explainer(catalogue, {}, language)
    parts = [MADE, f"# {say['title']}", f"[{other_name}]({name_of('README', other)})", say["intro"]]
    for group in GROUPS:
        causes = [cause for cause in catalogue.causes.values() if cause.group == group]
        rows = [
            f"| {say['cause']} | {say['what']} | {say['platforms']} | {say['remedies']} |",
            "| --- | --- | --- | --- |",
        ]
        for cause in causes:
            remedies = ", ".join(f"`{remedy}`" for remedy in cause.remedies) or "-"
            link = f"[`{cause.id}`]({name_of(cause.id, language)})"
            where = explainer.platforms(platforms_of(cause))
            title = _escaped(cause.title[language])
            rows.append(f"| {link} | {title} | {where} | {remedies} |")
        if causes:
            title = words.GROUPS[group][language]
            parts += [f'<a id="{group}"></a>', f"## {title}", "\n".join(rows)]
    return "\n\n".join(parts) + "\n"


# --- the reference of checks ----------------------------------------------------------------------

_NETWORK_READS = (
    "DescribeDhcpOptions DescribeNatGateways DescribeNetworkAcls DescribePrefixLists"
    " DescribeRouteTables DescribeSecurityGroups DescribeSubnets DescribeVpcAttribute"
    " DescribeVpcEndpoints DescribeVpcs GetManagedPrefixListEntries"
)
_ROLE_READS = (
    "GetPolicy GetPolicyVersion GetRolePolicy ListAttachedRolePolicies ListRolePolicies"
    " SimulatePrincipalPolicy"
)

PERMISSIONS: Mapping[str, tuple[str, ...]] = {
    needs.NEED_INSTANCE: ("ec2:DescribeInstances", "ec2:DescribeInstanceStatus"),
    needs.NEED_MANAGED: ("ssm:DescribeInstanceInformation",),
    needs.NEED_PROFILE: ("iam:GetInstanceProfile", "iam:GetRole", "ssm:GetServiceSetting"),
    needs.NEED_PERMISSIONS: tuple(f"iam:{action}" for action in _ROLE_READS.split()),
    needs.NEED_NETWORK: tuple(f"ec2:{action}" for action in _NETWORK_READS.split()),
    needs.NEED_COMMANDS: ("ssm:ListCommands", "ssm:ListCommandInvocations"),
    needs.NEED_HOOKS: ("ssm:DescribeDocument",),
    needs.NEED_BASELINE: (
        "ssm:GetDefaultPatchBaseline",
        "ssm:GetPatchBaseline",
        "ssm:GetPatchBaselineForPatchGroup",
    ),
    needs.NEED_PATCH_STATE: ("ssm:DescribeInstancePatchStates",),
    needs.NEED_WHOLE_COMMAND: ("ssm:ListCommands", "ssm:ListCommandInvocations"),
    needs.NEED_CONSOLE: ("ec2:GetConsoleOutput", "ec2:GetConsoleScreenshot"),
}
"""What the look-ups for each part of a node's set-up ask of AWS."""

_CHECKS_PAGE: Mapping[str, Text] = {
    "title": {"en": "Every check", "ja": "チェックの一覧"},
    "intro": {
        "en": "What PatchMedic looks at to find the reason of a failure. All checks only read. Which"
        " of them run follows from the causes in question; [for operators](operators.md#read-a-diagnosis)"
        " says how to read their answers. A check confirms only what is certain, and what it could"
        " not look at rules nothing out.",
        "ja": "失敗の原因を調べるために PatchMedic が行うチェックの一覧です。どのチェックも読み取りしか"
        "行いません。実行するチェックは、候補となる原因に応じて選ばれます。チェックが原因を確定するのは"
        "確実な場合だけで、確認できなかった場合に原因を除外することはありません。",
    },
    "node": {"en": "On the node", "ja": "ノード上のチェック"},
    "node-intro": {
        "en": "One command with one of the stack's Check documents runs those of the platform that"
        " are wanted. Where a check does not apply, for want of dpkg for example, it says so.",
        "ja": "スタックの Check ドキュメントを 1 回実行し、プラットフォームに応じて必要なチェックだけを"
        "行います。dpkg がないなど対象外の場合は、その旨が報告されます。",
    },
    "aws": {"en": "From the AWS side", "ja": "AWS 側のチェック"},
    "aws-intro": {
        "en": "They need no answer from the node. *Reads* names the parts of the set-up that they"
        " look at; the table below says which permissions those need.",
        "ja": "ノードが応答しなくても実行できます。「読み取り対象」に必要な権限は、下の表のとおりです。",
    },
    "permissions": {"en": "Permissions of the look-ups", "ja": "読み取りに必要な権限"},
    "permissions-intro": {
        "en": "The role of `DiagnoseFunction` in `template.yaml` has them. One that is missing, or is"
        " denied by a service control policy, makes a finding that names it; the other checks go on."
        " The Region of a bucket (`s3:HeadBucket`) is told by a refusal as well, so it needs none.",
        "ja": "`template.yaml` の `DiagnoseFunction` のロールに付与されています。権限が不足している場合や"
        "サービスコントロールポリシーで拒否された場合は、その権限名が報告され、ほかのチェックは続行されます。"
        "バケットのリージョン (`s3:HeadBucket`) は拒否の応答からもわかるため、権限は不要です。",
    },
    "check": {"en": "check", "ja": "チェック"},
    "asks": {"en": "what it asks", "ja": "確認内容"},
    "platforms": {"en": "platforms", "ja": "プラットフォーム"},
    "confirms": {"en": "may confirm", "ja": "確定できる原因"},
    "refutes": {"en": "may rule out", "ja": "除外できる原因"},
    "helps": {"en": "helps to judge", "ja": "判断の参考になる原因"},
    "reads": {"en": "reads", "ja": "読み取り対象"},
    "actions": {"en": "permissions", "ja": "権限"},
}


def checks_page(language: str) -> str:
    """Every check of the two registries, and what the look-ups need."""
    say = {key: text[language] for key, text in _CHECKS_PAGE.items()}
    other, other_name = _OTHER[language]
    node = [_node_row(check, language) for check in CHECKS.values()]
    aws = [_aws_row(check, language) for check in AWS_CHECKS.values()]
    granted = [[f"`{part}`", _codes(actions)] for part, actions in PERMISSIONS.items()]
    columns = [say[key] for key in ("check", "asks", "platforms", "confirms", "refutes", "helps")]
    head = f"[{other_name}]({name_of('checks', other)})"
    parts = [MADE_CHECKS, f"# {say['title']}", head, say["intro"]]
    parts += [f"## {say['node']}", say["node-intro"], _table(columns, node)]
    columns = [say[key] for key in ("check", "asks", "confirms", "reads")]
    parts += [f"## {say['aws']}", say["aws-intro"], _table(columns, aws)]
    parts += ['<a id="permissions"></a>', f"## {say['permissions']}", say["permissions-intro"]]
    parts.append(_table([say["reads"], say["actions"]], granted))
    return "\n\n".join(parts) + "\n"


def _node_row(check: NodeCheck, language: str) -> list[str]:
    confirmed = dict.fromkeys(rule.cause for rule in check.rules if rule.cause)
    refuted = [*check.refutes, *(cause for rule in check.rules for cause in rule.refutes)]
    where = ", ".join(words.PLATFORMS[platform][language] for platform in check.platforms)
    causes = [_causes(names, language) for names in (confirmed, refuted, check.helps)]
    return [*_check_cells(check.name, language), where, *causes]


def _aws_row(check: AwsCheck, language: str) -> list[str]:
    confirmed = _causes(check.causes, language)
    return [*_check_cells(check.name, language), confirmed, _codes(sorted(check.needs))]


def _check_cells(name: str, language: str) -> list[str]:
    return [f'<a id="{name}"></a>`{name}`', _escaped(words.CHECKS[name][language])]


def _causes(names: Iterable[str], language: str, folder: str = "causes") -> str:
    links = [f"[`{name}`]({folder}/{name_of(name, language)})" for name in dict.fromkeys(names)]
    return ", ".join(links) or "-"


def _codes(texts: Iterable[str]) -> str:
    return ", ".join(f"`{text}`" for text in texts) or "-"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    rule = ["---"] * len(columns)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (columns, rule, *rows))


# --- the remedies ---------------------------------------------------------------------------------

_REMEDIES_PAGE: Mapping[str, Text] = {
    "title": {"en": "The remedies", "ja": "修復の一覧"},
    "intro": {
        "en": "Everything that PatchMedic may do about a cause. A remedy is only considered when a"
        " finding confirmed its cause, on a node that carries the opt-in tag, within all limits of"
        " the policy. Whoever carries it out checks the preconditions again right before it acts,"
        " a second run finds nothing to do, and an interrupted one is completed by the next."
        " Nothing counts as fixed because a remedy ended well: a later, independent look decides.",
        "ja": "原因に対して PatchMedic が実行できる修復の一覧です。修復が候補になるのは、チェックで原因が"
        "確定し、ノードにオプトインのタグがあり、ポリシーのすべての制限を満たす場合だけです。前提条件は"
        "実行の直前に再確認します。もう一度実行しても変更は行われず、途中で中断しても次の実行で完了します。"
        "修復が正常に終了しただけでは解決とは見なさず、その後の独立した確認で判断します。",
    },
    "cause": {"en": "cause", "ja": "原因"},
    "remedy": {"en": "remedy", "ja": "修復"},
    "risk": {"en": "risk", "ja": "リスク"},
    "default": {"en": "default", "ja": "既定の動作"},
    "by-itself": {"en": "runs by itself", "ja": "自動で実行"},
    "asks": {
        "en": "waits for approval, unless the risk ceiling is raised to `medium`",
        "ja": "承認待ち（リスクの上限を `medium` に上げると自動で実行）",
    },
    "always-asks": {
        "en": "always waits for approval, and for an open window",
        "ja": "常に承認待ち。メンテナンスウィンドウ内でのみ実行",
    },
    "off": {
        "en": "off until a parameter of the stack enables it; then: {then}",
        "ja": "スタックのパラメーターで有効にするまで無効。有効にした場合: {then}",
    },
    "window": {
        "en": "It may stop services that users feel, so it only runs in an open window.",
        "ja": "利用者に影響するサービスを停止することがあるため、メンテナンスウィンドウ内でのみ実行します。",
    },
    "runs": {"en": "Runs", "ja": "実行方法"},
    "wait": {"en": "nothing on the node: it waits", "ja": "ノードでは何も実行せず、待機のみ"},
    "call": {"en": "one call to AWS", "ja": "AWS API の呼び出し 1 回"},
    "confirmed": {"en": "Confirmed by", "ja": "原因を確定するチェック"},
    "any": {"en": "any finding that confirms the cause", "ja": "原因を確定する任意の検出結果"},
    "passing": {
        "en": "nothing: it is for faults that no check sees any more",
        "ja": "なし（どのチェックでも検出されなくなった障害が対象）",
    },
    "preconditions": {"en": "Preconditions", "ja": "前提条件"},
    "limit": {"en": "Limit", "ja": "制限時間"},
    "seconds": {"en": "{seconds} seconds", "ja": "{seconds} 秒"},
    "changes": {"en": "Changes", "ja": "変更内容"},
    "undo": {"en": "Undo", "ja": "元に戻す方法"},
    "verified": {"en": "Verified by", "ja": "結果の確認方法"},
    "never": {"en": "Never by machine", "ja": "自動では行わない操作"},
    "never-list": {
        "en": "These become exact advice: deleting credentials, locks or package holds; trusting"
        " keys; disabling repositories; changing routes, security groups, endpoints or policies;"
        " `apt --fix-broken`.",
        "ja": "次の操作は実行せず、具体的な手順を案内します。認証情報、ロック、パッケージの保留の削除、鍵の"
        "信頼、リポジトリの無効化、ルート、セキュリティグループ、エンドポイント、ポリシーの変更、"
        "`apt --fix-broken`。",
    },
}


def remedies_page(language: str) -> str:
    """The table of causes and remedies, and what each remedy does."""
    say = {key: text[language] for key, text in _REMEDIES_PAGE.items()}
    other, other_name = _OTHER[language]
    by_id = load_remedies()
    remedies = sorted(by_id.values(), key=lambda each: RISK_ORDER[each.risk])
    rows = [
        [
            _causes([cause.id], language),
            f"[`{remedy.id}`](#{remedy.id})",
            words.RISKS[remedy.risk][language],
            _default(remedy, say),
        ]
        for cause in sorted(load_files(DATA).causes.values(), key=lambda each: each.id)
        for remedy in map(by_id.__getitem__, cause.remedies)
    ]
    head = f"[{other_name}]({name_of('remedies', other)})"
    parts = [MADE_REMEDIES, f"# {say['title']}", head, say["intro"]]
    parts.append(_table([say[key] for key in ("cause", "remedy", "risk", "default")], rows))
    for remedy in remedies:
        parts += _remedy_section(remedy, say, language)
    parts += [f"## {say['never']}", say["never-list"]]
    return "\n\n".join(parts) + "\n"


def _default(remedy: Remedy, say: Mapping[str, str]) -> str:
    """What a stack with the template's own settings does with it."""
    if remedy.risk is Risk.HIGH or remedy.may_reboot:
        text = say["always-asks"]
    elif remedy.risk is Risk.MEDIUM:
        text = say["asks"]
    else:
        text = say["by-itself"]
    return say["off"].format(then=text) if remedy.action else text


def _remedy_section(remedy: Remedy, say: Mapping[str, str], language: str) -> list[str]:
    where = [f"{words.PLATFORMS[p][language]} `{d}`" for p, d in remedy.documents.items()]
    runs = f"{say['call']} (`{remedy.action}`)" if remedy.action else ", ".join(where)
    checks = [f"[`{name}`]({name_of('checks', language)}#{name})" for name in remedy.confirmed_by]
    unnamed = say["passing"] if remedy.only_when_over else say["any"]
    lines = [
        (say["risk"], words.RISKS[remedy.risk][language]),
        (say["cause"], _causes(remedy.causes, language)),
        (say["default"], _default(remedy, say)),
        (say["runs"], runs or say["wait"]),
        (say["confirmed"], ", ".join(checks) or unnamed),
        (say["preconditions"], _escaped(remedy.preconditions[language])),
        (say["limit"], say["seconds"].format(seconds=remedy.timeout_seconds)),
        (say["changes"], _escaped(remedy.changes[language])),
        (say["undo"], _escaped(remedy.undo[language])),
        (say["verified"], _escaped(remedy.verified_by[language])),
    ]
    listed = [f"- **{name[0].upper()}{name[1:]}**: {text}" for name, text in lines]
    if remedy.disrupts:
        listed.append(f"- {say['window']}")
    title = f"## {_escaped(remedy.title[language])}"
    return [f'<a id="{remedy.id}"></a>', title, f"`{remedy.id}`", "\n".join(listed)]


# --- what is covered ------------------------------------------------------------------------------

COVERAGE = Path(__file__).resolve().parent / "coverage.toml"
_COVERAGE_PAGE: Mapping[str, Text] = {
    "title": {"en": "What is covered", "ja": "対応範囲"},
    "intro": {
        "en": "What public pages say about patch runs that fail, point by point, and what of"
        " PatchMedic handles it: the cause that is named, the [checks](checks.md) that look, and the"
        " remedy or the [advice](causes/README.md). {points} points on {pages} pages, {samples} of"
        " them with an error text. A *normal* point is one that must not be taken for a failure."
        " Where nothing handles a point, it says why.",
        "ja": "失敗するパッチ処理について公開ページに書かれている項目と、それに対応する PatchMedic の機能の"
        "一覧です。特定される原因、確認する[チェック](checks.ja.md)、修復または[対処方法](causes/README.ja.md)"
        "を示します。{pages} ページの {points} 項目を対象とし、うち {samples} 項目にはエラーメッセージがあります。"
        "「正常」は、失敗と見なしてはならない項目です。対応していない項目には、その理由を示します。",
    },
    "more": {"en": "Looked at besides", "ja": "その他のチェック"},
    "more-intro": {
        "en": "Checks for reasons that these pages do not name:",
        "ja": "上記のページに記載のない原因を調べるチェックです。",
    },
    "at": {"en": "where", "ja": "箇所"},
    "kind": {"en": "kind", "ja": "種類"},
    "point": {"en": "point", "ja": "項目"},
    "cause": {"en": "cause", "ja": "原因"},
    "checks": {"en": "checks", "ja": "チェック"},
    "done": {"en": "what is done", "ja": "対応"},
    "symptom": {"en": "symptom", "ja": "症状"},
    "check": {"en": "check", "ja": "確認"},
    "fix": {"en": "fix", "ja": "修正"},
    "set-up": {"en": "set-up", "ja": "要件"},
    "normal": {"en": "normal", "ja": "正常"},
    "sample": {"en": "the text is recognised", "ja": "メッセージを識別"},
    "remedy": {"en": "remedy", "ja": "修復"},
    "advice": {"en": "advice:", "ja": "対処方法:"},
    "tells": {"en": "a finding says what is wrong", "ja": "チェック結果に表示"},
    "by_design": {"en": "by design:", "ja": "対象外:"},
}


def coverage_page(language: str) -> str:
    """The table of what public pages say, with what handles it."""
    say = {key: text[language] for key, text in _COVERAGE_PAGE.items()}
    pages = tomllib.loads(COVERAGE.read_text(encoding="utf-8"))["page"]
    points = [point for page in pages for point in page["point"]]
    other, other_name = _OTHER[language]
    samples = sum("sample" in point for point in points)
    intro = say["intro"].format(points=len(points), pages=len(pages), samples=samples)
    head = f"[{other_name}]({name_of('coverage', other)})"
    parts = [MADE_COVERAGE, f"# {say['title']}", head, intro]
    columns = [say[key] for key in ("at", "kind", "point", "cause", "checks", "done")]
    for page in pages:
        title = page["title"][language]
        parts += [f'<a id="{page["id"]}"></a>', f"## {title}", f"<{page['url']}>"]
        parts.append(_table(columns, (_point_row(p, say, language) for p in page["point"])))
    named = {check for point in points for check in point.get("checks", ())}
    more = [name for name in (*CHECKS, *AWS_CHECKS) if name not in named]
    if more:
        listed = [f"- {_check_links([n], language)}: {words.CHECKS[n][language]}" for n in more]
        parts += [f"## {say['more']}", say["more-intro"], "\n".join(listed)]
    return "\n\n".join(parts) + "\n"


def _point_row(point: Mapping[str, Any], say: Mapping[str, str], language: str) -> list[str]:
    said = [_escaped(point["at"][language]), say[point["kind"]], _escaped(point["point"][language])]
    causes = _causes(point.get("causes", ()), language)
    checks = _check_links(point.get("checks", ()), language)
    return [*said, causes, checks, "; ".join(_done(point, say, language))]


def _check_links(names: Iterable[str], language: str) -> str:
    page = name_of("checks", language)
    return ", ".join(f"[`{name}`]({page}#{name})" for name in names) or "-"


def _done(point: Mapping[str, Any], say: Mapping[str, str], language: str) -> Iterator[str]:
    """What becomes of a point, the strongest first."""
    if "sample" in point:
        yield say["sample"]
    if "remedy" in point:
        yield f"{say['remedy']} `{point['remedy']}`"
    if "advice" in point:
        texts = [text if isinstance(text, str) else text[language] for text in point["advice"]]
        yield f"{say['advice']} {_codes(texts)}".replace("|", r"\|")
    if "tells" in point:
        yield say["tells"]
    if "by_design" in point:
        yield f"{say['by_design']} {point['by_design'][language]}"


def reference_pages() -> dict[str, str]:
    """File name -> content of the made pages in docs itself."""
    pages = {name_of("checks", language): checks_page(language) for language in LANGUAGES}
    pages |= {name_of("remedies", each): remedies_page(each) for each in LANGUAGES}
    return pages | {name_of("coverage", each): coverage_page(each) for each in LANGUAGES}


# --- files ----------------------------------------------------------------------------------------


def make_pages(
    catalogue: Catalogue, remedies: Mapping[str, Remedy], samples: Mapping[str, Sequence[str]]
) -> dict[str, str]:
    """File name -> content of everything in docs/causes."""
    pages: dict[str, str] = {}
    for language in LANGUAGES:
        explainer = Explainer(catalogue, remedies, language)
        pages[name_of("README", language)] = index(catalogue, language)
        for cause in catalogue.causes.values():
            page = explainer.page(cause, examples(cause, samples.get(cause.id, ())))
            pages[name_of(cause.id, language)] = markdown(page, cause.group, language)
    return pages


def stale(wanted: Mapping[str, str], folder: Path, *, alone: bool = True) -> list[str]:
    """The pages in the folder that are missing, not current, or of no cause.

    ``alone`` says that all pages there are made; where others are written by hand, they stay.
    """
    names = [path for path in folder.glob("*.md") if alone or path.name in wanted]
    found = {path.name: path.read_text(encoding="utf-8") for path in names}
    return sorted(
        name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name)
    )


def write(wanted: Mapping[str, str], folder: Path, *, alone: bool = True) -> int:
    """Make the folder's pages the wanted ones; how many changed."""
    folder.mkdir(exist_ok=True)
    changed = stale(wanted, folder, alone=alone)
    for name in changed:
        if name in wanted:
            (folder / name).write_text(wanted[name], encoding="utf-8")
        else:
            (folder / name).unlink()
    return len(changed)


def main(arguments: Sequence[str]) -> int:
    """Write the pages, or say which are not current."""
    if list(arguments) not in ([], ["--check"]):
        print("usage: python docs/build.py [--check]", file=sys.stderr)
        return 2
    causes = make_pages(load_files(DATA), load_remedies(), read_samples())
    reference = reference_pages()
    if not arguments:
        print(f"docs/causes: {len(causes)} pages, {write(causes, PAGES)} changed")
        changed = write(reference, PAGES.parent, alone=False)
        print(f"docs: {len(reference)} pages, {changed} changed")
        return 0
    names = [f"docs/causes/{name}" for name in stale(causes, PAGES)]
    names += [f"docs/{name}" for name in stale(reference, PAGES.parent, alone=False)]
    for name in names:
        print(f"{name} is not current; run: make causes-docs", file=sys.stderr)
    return 1 if names else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
