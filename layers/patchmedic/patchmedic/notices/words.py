"""Every sentence that people read, in English and Japanese, and nothing else.

``WORDS`` holds the parts of the messages.  ``RULES`` holds, for each rule that ``policy`` and
``incident`` can end an incident with, why nothing (more) was done and what to do first; the
tests read both files and fail when a rule has no words here.  ``{name}`` is filled in by
``text.fill_in``.  Japanese uses the terms of AWS's Japanese documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from patchmedic.model import Text

CommandName = Literal["tag", "show-tags", "show-kill-switch", "release-kill-switch", "our-commands"]


@dataclass(frozen=True, slots=True)
class RuleWords:
    """What a reader is told about one rule."""

    why: Text
    next: Text | None = None
    """What to do because of the rule, before anything else."""
    commands: tuple[CommandName, ...] = ()
    detail: bool = False
    """Whether the case's own detail says more than ``why`` (numbers, names)."""


def _t(en: str, ja: str) -> Text:
    return {"en": en, "ja": ja}


WORDS: Mapping[str, Text] = {
    # --- the outcome, in a word: subject, SMS, pager ---
    "word.resolved": _t("Resolved", "解決済み"),
    "word.escalated": _t("ACTION NEEDED", "要対応"),
    "word.recommended": _t("Advice", "推奨事項"),
    "word.proposal": _t("APPROVAL NEEDED", "承認待ち"),
    "word.suppressed": _t("Nothing to do", "対応不要"),
    # --- what failed, in a few words ---
    "failed.ping": _t("no contact with the node", "ノードの応答なし"),
    "failed.operation": _t("{operation} failed", "{operation} 失敗"),
    "failed.patching": _t("patching failed", "パッチ適用失敗"),
    # --- the first lines of the mail ---
    "head.resolved.fixed": _t(
        "{node}: the failure is gone. PatchMedic removed the cause and checked the result.",
        "{node} の障害は解消しました。PatchMedic が原因を取り除き、結果を確認済みです。",
    ),
    "head.resolved.recovered": _t(
        "{node}: the failure is over. It recovered without PatchMedic's help.",
        "{node} の障害は解消しました。PatchMedic の対処によらず復旧しています。",
    ),
    "head.escalated.patching": _t(
        "{node} needs a person: patching failed and PatchMedic could not fix it.",
        "{node} のパッチ適用が失敗し、PatchMedic では解決できませんでした。対応をお願いします。",
    ),
    "head.escalated.ping": _t(
        "{node} needs a person: Systems Manager has lost contact with it.",
        "{node} が Systems Manager に応答していません。対応をお願いします。",
    ),
    "head.recommended.patching": _t(
        "Patching of {node} failed. This is advice: PatchMedic may not act here.",
        "{node} のパッチ適用が失敗しました。PatchMedic は対処を実行できないため、"
        "推奨する対応をお知らせします。",
    ),
    "head.recommended.ping": _t(
        "Systems Manager has lost contact with {node}. This is advice: PatchMedic may not act"
        " here.",
        "{node} が Systems Manager に応答していません。PatchMedic は対処を実行できないため、"
        "推奨する対応をお知らせします。",
    ),
    "head.proposal": _t(
        "{node}: PatchMedic knows a remedy, but may run it only if you approve.",
        "{node} の障害に対する修復方法が見つかりました。実行するには承認が必要です。",
    ),
    "head.suppressed": _t(
        "{node}: no action is right here. This incident is closed.",
        "{node} については対応不要と判断し、インシデントをクローズしました。",
    ),
    "head.span": _t("Time since the failure: {took}.", "発生からの経過時間: {took}"),
    # --- sections ---
    "section.happened": _t("WHAT HAPPENED", "■ 発生した事象"),
    "section.why": _t("WHY", "■ 原因"),
    "section.looked": _t("LOOKED AT", "■ 確認した項目"),
    "section.done": _t("WHAT WAS DONE", "■ 実施した対処"),
    "section.proof": _t("PROOF", "■ 解消の確認"),
    "section.stopped": _t("WHY PATCHMEDIC STOPPED", "■ PatchMedic が対処を止めた理由"),
    "section.nothing": _t("WHY NOTHING WAS DONE", "■ 対処を実行しなかった理由"),
    "section.proposal": _t("THE PROPOSED REMEDY", "■ 提案する修復方法"),
    "section.next": _t("WHAT TO DO NOW", "■ 次に行うこと"),
    "section.more": _t("MORE", "■ 詳細情報"),
    # --- what happened ---
    "field.node": _t("Node", "ノード"),
    "field.window": _t("Maintenance window", "メンテナンスウィンドウ"),
    "field.platform": _t("Platform", "プラットフォーム"),
    "field.ran": _t("Document", "ドキュメント"),
    "field.status": _t("Status", "ステータス"),
    "field.step": _t("Step", "ステップ"),
    "field.exit": _t("Exit code", "終了コード"),
    "field.when": _t("When", "発生日時"),
    "field.last_ping": _t("Last contact", "最終応答日時"),
    "field.command": _t("Command ID", "コマンド ID"),
    "field.association": _t("Association", "関連付け"),
    "field.account": _t("Account", "アカウント"),
    "field.signals": _t("Signals", "シグナル"),
    "ran": _t("{document}, operation {operation}", "{document}（オペレーション: {operation}）"),
    "signals": _t("{n} (the failure came back or was reported again)", "{n} 件（再発または重複）"),
    "platform.linux": _t("Linux", "Linux"),
    "platform.windows": _t("Windows Server", "Windows Server"),
    "platform.macos": _t("macOS", "macOS"),
    # --- why ---
    "why.finding": _t("{title} [{cause}] - confirmed", "{title} [{cause}]（確認済み）"),
    "why.text": _t(
        "{title} [{cause}] - the output says so beyond doubt; it had passed when the node was"
        " looked at",
        "{title} [{cause}]（出力から明らかですが、ノードの確認時点では既に解消していました）",
    ),
    "why.text-unseen": _t(
        "{title} [{cause}] - the output says so beyond doubt; no check could tell whether it has"
        " passed",
        "{title} [{cause}]（出力から明らかですが、現在も続いているかは確認できていません）",
    ),
    "why.none": _t(
        "{title}? [{cause}] - likely, not confirmed: the best reading of the output",
        "{title}? [{cause}]（未確認: 出力から推定した最も可能性の高い原因）",
    ),
    "why.unseen": _t(
        "{title}? [{cause}] - from the output alone; the node was not looked at",
        "{title}? [{cause}]（出力のみに基づく推定: ノードは未確認）",
    ),
    "why.unknown": _t(
        "Unknown: neither the output nor the checks name a cause.",
        "不明: 出力からもチェックからも原因を特定できませんでした。",
    ),
    "why.by": _t("Check {check} on {resource}: {says}", "チェック {check}（{resource}）: {says}"),
    "why.hook.pre-install": _t(
        "The hook document {document}, run before the installation, failed.",
        "インストールの前に実行されるフックドキュメント {document} が失敗しました。",
    ),
    "why.hook.post-install": _t(
        "The hook document {document}, run after the installation, failed.",
        "インストールの後に実行されるフックドキュメント {document} が失敗しました。",
    ),
    "why.hook.on-exit": _t(
        "The hook document {document}, run at the end, failed.",
        "最後に実行されるフックドキュメント {document} が失敗しました。",
    ),
    "why.hook.any": _t(
        "The hook document {document} failed.",
        "フックドキュメント {document} が失敗しました。",
    ),
    "why.hook.unnamed": _t("(name not known)", "（名前は不明）"),
    "why.chain": _t("How it came about: {chain}", "原因の連鎖: {chain}"),
    "why.besides": _t(
        "The output also names what no check confirmed: {causes}",
        "出力からはほかに次の原因も考えられますが、チェックでは確認できていません: {causes}",
    ),
    "why.also": _t("Also possible: {causes}", "他に考えられる原因: {causes}"),
    "why.lines": _t("The node printed:", "ノードの出力（抜粋）:"),
    "why.truncated": _t(
        "(AWS returned only the first part of the output.)",
        "（AWS から取得できた出力は先頭部分のみです。）",
    ),
    "why.note": _t("Could not be read: {note}", "取得できなかった情報: {note}"),
    # --- looked at ---
    "looked.out": _t("Ruled out: {title} - {check}: {says}", "該当せず: {title} - {check}: {says}"),
    "looked.outs": _t("Ruled out: {causes}", "該当せず: {causes}"),
    "looked.by": _t("{title} ({check})", "{title}（チェック {check}）"),
    "looked.also": _t("Also found: {title}", "併せて検出: {title}"),
    "looked.seen": _t("Seen", "参考情報"),
    "looked.not": _t("Not looked at", "確認できなかった項目"),
    "looked.more": _t("... and {n} more", "… 他 {n} 件"),
    # --- the links of a chain: what stands in the way, and the thing that is wrong ---
    "obstacle.no-route": _t("no route", "経路なし"),
    "obstacle.endpoint-not-associated": _t(
        "gateway endpoint not associated", "ゲートウェイエンドポイントが未関連付け"
    ),
    "obstacle.endpoint-ipv4-only": _t("endpoint for IPv4 only", "エンドポイントが IPv4 のみに対応"),
    "obstacle.wrong-region": _t("endpoint of another Region", "別リージョンのエンドポイント"),
    "obstacle.vpc-dns-off": _t("DNS is off in the VPC", "VPC の DNS が無効"),
    "obstacle.blackhole": _t("route into a black hole", "ルートがブラックホール"),
    "obstacle.no-public-address": _t("no public address", "パブリックアドレスなし"),
    "obstacle.nat-down": _t("NAT gateway not available", "NAT ゲートウェイが利用不可"),
    "obstacle.nat-private": _t("NAT gateway is a private one", "NAT ゲートウェイがプライベート型"),
    "obstacle.nat-without-internet": _t(
        "NAT gateway without a way to the internet",
        "NAT ゲートウェイからインターネットへの経路なし",
    ),
    "obstacle.group-egress": _t(
        "outbound HTTPS not allowed", "アウトバウンドの HTTPS が許可されていない"
    ),
    "obstacle.endpoint-group": _t(
        "endpoint does not let the node in", "エンドポイントがノードからの HTTPS を許可していない"
    ),
    "obstacle.endpoint-policy": _t(
        "endpoint policy forbids it", "エンドポイントポリシーが許可していない"
    ),
    "obstacle.acl-out": _t(
        "outbound traffic blocked", "ネットワーク ACL がアウトバウンド通信をブロック"
    ),
    "obstacle.acl-in": _t(
        "inbound traffic blocked", "ネットワーク ACL がインバウンド通信をブロック"
    ),
    "obstacle.private-dns-off": _t("private DNS is off", "プライベート DNS が無効"),
    "obstacle.endpoint-state": _t("endpoint not available", "エンドポイントが利用不可"),
    "thing.role": _t("role {id}", "ロール {id}"),
    "thing.rtb": _t("route table {id}", "ルートテーブル {id}"),
    "thing.subnet": _t("subnet {id}", "サブネット {id}"),
    "thing.sg": _t("security group {id}", "セキュリティグループ {id}"),
    "thing.acl": _t("network ACL {id}", "ネットワーク ACL {id}"),
    "thing.eni": _t("network interface {id}", "ネットワークインターフェイス {id}"),
    "thing.nat": _t("NAT gateway {id}", "NAT ゲートウェイ {id}"),
    "thing.vpce": _t("VPC endpoint {id}", "VPC エンドポイント {id}"),
    "thing.igw": _t("internet gateway {id}", "インターネットゲートウェイ {id}"),
    "thing.eigw": _t(
        "egress-only internet gateway {id}", "Egress-Only インターネットゲートウェイ {id}"
    ),
    "thing.tgw": _t("transit gateway {id}", "トランジットゲートウェイ {id}"),
    # --- what was done ---
    "done.action": _t("{title}, risk {risk}: {state}", "{title}、リスク {risk}: {state}"),
    "done.started": _t("Started {at}", "開始: {at}"),
    "done.span": _t("; it took {took}", "、所要時間 {took}"),
    "done.span_checked": _t("; with the check it took {took}", "、確認を含め {took}"),
    "done.approved": _t("Approved by {by}", "承認者: {by}"),
    "done.detail": _t("The node said: {detail}", "ノードの報告: {detail}"),
    "done.guard": _t("Stopped by a guard: {detail}", "ガードによる停止: {detail}"),
    "done.changes": _t("Changes: {changes}", "変更内容: {changes}"),
    "done.undo": _t("Undo: {undo}", "元に戻す方法: {undo}"),
    "done.nothing": _t("Nothing was changed on the node.", "ノードには何も変更を加えていません。"),
    "risk.none": _t("none", "なし"),
    "risk.low": _t("low", "低"),
    "risk.medium": _t("medium", "中"),
    "risk.high": _t("high", "高"),
    "state.started": _t("started, no result yet", "開始済み（結果待ち）"),
    "state.done": _t("done", "完了"),
    "state.nothing-to-do": _t("ran, and found nothing to do", "実行済み（変更の必要なし）"),
    "state.refused": _t(
        "refused by the node, since its precondition did not hold", "前提条件を満たさず未実行"
    ),
    "state.failed": _t("failed", "失敗"),
    "state.not-run": _t("not run", "未実行"),
    "state.unknown": _t("result not known", "結果不明"),
    # --- proof ---
    "proof.seen": _t("Seen: {seen}", "確認結果: {seen}"),
    "record": _t("On record: {detail}", "記録（英語）: {detail}"),
    # --- the proposal ---
    "proposal.reboot": _t(
        "This remedy may reboot the node, so it needs a person's word.",
        "この修復はノードを再起動する可能性があるため、承認が必要です。",
    ),
    "proposal.risk": _t(
        "Its risk ({risk}) is above what PatchMedic may run on its own, so it needs a person's"
        " word.",
        "リスク（{risk}）が自動実行の上限を超えているため、承認が必要です。",
    ),
    "proposal.risk_line": _t("Risk: {risk}", "リスク: {risk}"),
    "proposal.expires": _t(
        "Decide by {at}. After that nothing is run, and the incident is escalated.",
        "回答期限: {at}。期限を過ぎると修復は実行されず、エスカレーションされます。",
    ),
    "proposal.approve": _t(
        "To approve (put your reason for WHY):",
        "承認する場合（WHY は理由に置き換えてください）:",
    ),
    "proposal.deny": _t(
        "To deny (put your reason for WHY):",
        "却下する場合（WHY は理由に置き換えてください）:",
    ),
    # --- what to do now ---
    "next.nothing": _t(
        "Nothing. This is for your information.", "対応は不要です（情報共有のみ）。"
    ),
    "next.scan_only": _t(
        "The check was a Scan, so the missing patches are not installed yet. They go in with the"
        " next scheduled run, or now, without a reboot:",
        "確認は Scan で行ったため、不足しているパッチはまだ適用されていません。次回のスケジュール"
        "実行で適用されます。再起動せずに今すぐ適用する場合は、次のコマンドを実行してください:",
    ),
    "next.scan_only_plain": _t(
        "The check was a Scan, so the missing patches are not installed yet. They go in with the"
        " next scheduled run.",
        "確認は Scan で行ったため、不足しているパッチはまだ適用されていません。次回のスケジュール"
        "実行で適用されます。",
    ),
    "next.no_reboot": _t(
        "The patches were installed without a reboot; some may take effect only after the next"
        " one.",
        "パッチは再起動なしで適用しました。次回の再起動後に有効になるものがあります。",
    ),
    "next.unconfirmed": _t(
        "Nothing is confirmed yet. Read the whole output first:",
        "原因は未確認です。まず出力全体を確認してください:",
    ),
    "next.unconfirmed_ping": _t(
        "Nothing is confirmed yet. See what Systems Manager knows of the node:",
        "原因は未確認です。まず Systems Manager 上のノードの状態を確認してください:",
    ),
    "next.if": _t('If it is "{title}":', "「{title}」の場合:"),
    "next.no_advice": _t(
        "The catalogue has no advice for this cause.",
        "この原因に対する推奨手順はカタログにありません。",
    ),
    "next.output": _t("The whole output of the failed run:", "失敗した実行の出力全体:"),
    "next.where": _t(
        "AWS commands below are for account {account}, Region {region}.",
        "以下の AWS コマンドの対象: アカウント {account}、リージョン {region}",
    ),
    "next.rerun_as_before": _t(
        "When the cause is gone, start the run again the way it was started before.",
        "原因を取り除いたら、元の実行方法（パッチポリシー、メンテナンスウィンドウなど）で再実行して"
        "ください。",
    ),
    "next.rerun": _t(
        "When the cause is gone, run it again:", "原因を取り除いたら、再実行してください:"
    ),
    "next.rerun_no_reboot": _t(
        "When the cause is gone, run it again (as written, without a reboot):",
        "原因を取り除いたら、再実行してください（次のコマンドは再起動を行いません）:",
    ),
    "next.rerun_association": _t(
        "When the cause is gone, apply the association again (with its own settings, so it may"
        " reboot):",
        "原因を取り除いたら、関連付けを再適用してください（関連付けの設定に従うため、再起動する"
        "場合があります）:",
    ),
    "next.closes_patching": _t(
        "A later successful run closes this incident by itself.",
        "その後の実行が成功すると、このインシデントは自動的にクローズされます。",
    ),
    "next.closes_ping": _t(
        "When the node is back, this incident closes by itself.",
        "ノードの応答が戻ると、このインシデントは自動的にクローズされます。",
    ),
    # --- more ---
    "more.incident": _t("Incident", "インシデント"),
    "more.history": _t("Full history", "全履歴"),
    "more.read": _t("Read more", "参考資料"),
    "console.command": _t("Command in the console", "コンソール（コマンド）"),
    "console.node": _t("Node in the console", "コンソール（ノード）"),
    "console.table": _t("Table in the console", "コンソール（テーブル）"),
    # --- durations ---
    "unit.days": _t("{n} d", "{n} 日"),
    "unit.hours": _t("{n} h", "{n} 時間"),
    "unit.minutes": _t("{n} min", "{n} 分"),
    "unit.seconds": _t("{n} s", "{n} 秒"),
}

_LOST_NEXT = _t(
    "First find out whether something is still running on the node, and change nothing before."
    " These are the commands that PatchMedic sent for this incident:",
    "まず、ノード上でまだ実行中の処理がないか確認してください。確認するまでは変更を加えないで"
    "ください。このインシデントで PatchMedic が送信したコマンドの一覧:",
)
_TAG_RIGHTS_NEXT = _t(
    "Check that the node still exists, that its tags can be read, and that the roles of"
    " PatchMedic's functions may read them:",
    "ノードが存在しタグを読み取れること、また PatchMedic の関数のロールにタグの読み取り権限がある"
    "ことを確認してください:",
)

RULES: Mapping[str, RuleWords] = {
    "verified": RuleWords(
        _t(
            "After its last action PatchMedic looked at the symptom itself, and it is gone.",
            "最後の対処の後に症状そのものを改めて確認し、解消していることを確認しました。",
        )
    ),
    "recovered": RuleWords(
        _t(
            "A later run or ping succeeded, and a look at the node itself agrees.",
            "後続の実行またはノードの応答が成功し、ノードの状態を確認した結果も一致しました。",
        )
    ),
    "benign": RuleWords(
        _t(
            "The output looks alarming, but nothing failed.",
            "警告のような出力がありますが、実際に失敗した処理はありません。",
        )
    ),
    "no-action-is-right": RuleWords(
        _t(
            "With this cause, leaving the node alone is right.",
            "この原因の場合、ノードに何もしないことが正しい対応です。",
        )
    ),
    "mode.observe": RuleWords(
        _t(
            "The stack is in observe mode: the failure was recorded, and nothing was run on the"
            " node.",
            "スタックが observe モードのため、障害の記録のみを行い、ノードでは何も実行して"
            "いません。",
        )
    ),
    "mode.recommend": RuleWords(
        _t(
            "The stack is in recommend mode: PatchMedic looks and advises, but changes nothing.",
            "スタックが recommend モードのため、調査と助言のみを行い、変更は加えません。",
        )
    ),
    "mode.auto": RuleWords(
        _t(
            "The stack's mode or its remedies were changed after the proposal, so nothing was run.",
            "提案の後にスタックのモードまたは修復方法の設定が変更されたため、実行していません。",
        )
    ),
    "not-confirmed": RuleWords(
        _t(
            "No check could confirm a cause, and PatchMedic changes nothing on a guess.",
            "原因を確認できたチェックがありません。PatchMedic は推測だけで変更を加えません。",
        )
    ),
    "all-tried": RuleWords(
        _t(
            "Every remedy that fits was tried, and the failure is still there.",
            "適用できる修復方法はすべて試しましたが、障害は解消していません。",
        )
    ),
    "no-remedy": RuleWords(
        _t(
            "No remedy for this cause may be run by a machine here: the fix is a person's"
            " decision.",
            "この原因に対して自動で実行できる修復方法がありません。担当者の判断が必要です。",
        )
    ),
    "approval": RuleWords(
        _t(
            "The remedy may not run without a person's word.",
            "この修復方法の実行には、担当者の承認が必要です。",
        ),
        detail=True,
    ),
    "opt-in": RuleWords(
        _t(
            "The node does not carry the opt-in tag, so PatchMedic may not change it.",
            "ノードにオプトイン用のタグがないため、PatchMedic は変更を加えられません。",
        ),
        _t(
            "To let PatchMedic treat this node from now on, tag it:",
            "今後このノードの修復を PatchMedic に任せる場合は、タグを付けてください:",
        ),
        ("tag",),
    ),
    "node-unreachable": RuleWords(
        _t(
            "The node does not answer, so no command was sent: it would only have waited.",
            "ノードが応答しないため、コマンドは送信していません（送信しても待機し続けるだけです）。",
        ),
    ),
    "opt-in-unreadable": RuleWords(
        _t(
            "The node's tags could not be read, and what cannot be read counts as a no.",
            "ノードのタグを読み取れませんでした。読み取れない場合は許可なしとして扱います。",
        ),
        _TAG_RIGHTS_NEXT,
        ("show-tags",),
    ),
    "mode-tag": RuleWords(
        _t(
            "The node's PatchMedicMode tag narrows what PatchMedic may do, so nothing was run.",
            "ノードの PatchMedicMode タグで動作が制限されているため、実行していません。",
        ),
        _t(
            "Whoever set the tag wanted it so. To see the node's tags:",
            "タグは意図して設定されたものと考えられます。タグを確認するには:",
        ),
        ("show-tags",),
        detail=True,
    ),
    "mode-tag-unreadable": RuleWords(
        _t(
            "The node's tags could not be read, so whether it may be looked at is not known.",
            "ノードのタグを読み取れず、調査の可否を判断できませんでした。",
        ),
        _TAG_RIGHTS_NEXT,
        ("show-tags",),
    ),
    "attempts-unreadable": RuleWords(
        _t(
            "Earlier attempts on this node could not be read, so another one was not risked.",
            "このノードに対する過去の対処履歴を読み取れなかったため、実行を見送りました。",
        )
    ),
    "cool-down": RuleWords(
        _t(
            "This cause was already treated as often as allowed on this node; one more try would"
            " only hide that it keeps coming back.",
            "このノードでは同じ原因への対処が上限回数に達しています。さらに対処すると、再発している"
            "事実が隠れてしまいます。",
        ),
        _t(
            "Look for what brings it back before treating it again.",
            "再び対処する前に、再発の根本原因を調べてください。",
        ),
        detail=True,
    ),
    "risk-ceiling": RuleWords(
        _t(
            "The remedy is above the risk ceiling of this node, and nobody approved it.",
            "この修復方法はノードのリスク上限を超えており、承認もないため実行していません。",
        ),
        detail=True,
    ),
    "actions-per-hour": RuleWords(
        _t(
            "PatchMedic did as much within an hour as the stack allows, and there was no room for"
            " this node before its wait was over.",
            "1 時間あたりの実行数が上限に達しており、待機期限までにこのノードの順番が回ってきません"
            "でした。",
        ),
        _t(
            "Look whether many nodes fail for one reason; ActionsPerHourMax is the limit.",
            "多数のノードが同じ原因で失敗していないか確認してください。上限は ActionsPerHourMax で"
            "設定します。",
        ),
        detail=True,
    ),
    "live-actions": RuleWords(
        _t(
            "As many nodes as the stack allows were under treatment at once, until the wait of"
            " this one was over.",
            "同時に修復するノード数が上限に達したまま、待機期限を過ぎました。",
        ),
        _t(
            "Look whether many nodes fail for one reason; LiveActionsMax and LiveActionsPercentMax"
            " are the limits.",
            "多数のノードが同じ原因で失敗していないか確認してください。上限は LiveActionsMax と"
            " LiveActionsPercentMax で設定します。",
        ),
        detail=True,
    ),
    "counters-unreadable": RuleWords(
        _t(
            "The limits' counters could not be read, and what cannot be read counts as a no.",
            "上限の判定に使うカウンターを読み取れませんでした。読み取れない場合は許可なしとして"
            "扱います。",
        ),
        detail=True,
    ),
    "reboots": RuleWords(
        _t(
            "The node was already rebooted as often as allowed within a day.",
            "このノードの 1 日あたりの再起動回数が上限に達しています。",
        ),
        _t(
            "Find out why a reboot does not last before rebooting it again.",
            "再び再起動する前に、再起動しても解消しない理由を調べてください。",
        ),
        detail=True,
    ),
    "breaker": RuleWords(
        _t(
            "This remedy did not help several times in a row, so it is stopped on all nodes.",
            "この修復方法は連続して効果がなかったため、すべてのノードで停止しています。",
        ),
        _t(
            "`patchmedic policy breakers` shows what is stopped; once you know why it did not"
            " help, `patchmedic policy close-breaker REMEDY` lets it run again.",
            "停止中の修復方法は `patchmedic policy breakers` で確認できます。効果がなかった理由が"
            "わかったら、`patchmedic policy close-breaker REMEDY` で再開できます。",
        ),
        detail=True,
    ),
    "no-window": RuleWords(
        _t(
            "The remedy may reboot or disrupt the node, and the stack names no window for that.",
            "この修復方法は再起動や業務影響を伴う可能性がありますが、実行してよい時間帯がスタックに"
            "設定されていません。",
        ),
        _t(
            "Name a Change Calendar (parameter ChangeCalendarArns) or a maintenance window"
            " (MaintenanceWindowIds), or do it by hand when the time is right.",
            "Change Calendar（パラメータ ChangeCalendarArns）またはメンテナンスウィンドウ"
            "（MaintenanceWindowIds）を設定するか、適切な時間帯に手動で実施してください。",
        ),
    ),
    "freeze": RuleWords(
        _t(
            "A Change Calendar stayed closed until the remedy's wait was over.",
            "Change Calendar が閉じたまま、修復の待機期限を過ぎました。",
        ),
        detail=True,
    ),
    "window-closed": RuleWords(
        _t(
            "No maintenance window was in progress until the remedy's wait was over.",
            "メンテナンスウィンドウが始まらないまま、修復の待機期限を過ぎました。",
        ),
        detail=True,
    ),
    "window-unreadable": RuleWords(
        _t(
            "The Change Calendars or maintenance windows could not be read, which counts as"
            " closed.",
            "Change Calendar またはメンテナンスウィンドウを読み取れませんでした。読み取れない場合は"
            "閉じているものとして扱います。",
        ),
        _t(
            "Check that what ChangeCalendarArns and MaintenanceWindowIds name still exists.",
            "ChangeCalendarArns と MaintenanceWindowIds の指定先が存在するか確認してください。",
        ),
        detail=True,
    ),
    "kill-switch": RuleWords(
        _t(
            "The kill switch is on: PatchMedic runs nothing, on any node.",
            "キルスイッチが有効なため、PatchMedic はどのノードでも何も実行しません。",
        ),
        _t(
            "When whoever turned it on agrees, this lets PatchMedic run again:",
            "有効にした担当者に確認のうえ、解除する場合は次のコマンドを実行してください:",
        ),
        ("release-kill-switch",),
    ),
    "kill-switch-unreadable": RuleWords(
        _t(
            "The kill switch could not be read, and an unreadable switch counts as a stop.",
            "キルスイッチの値を読み取れませんでした。読み取れない場合は停止として扱います。",
        ),
        _t(
            "Check that the parameter exists and that the remediate function's role may read it:",
            "パラメータが存在し、remediate 関数のロールに読み取り権限があることを確認してください:",
        ),
        ("show-kill-switch",),
    ),
    "remedy-lost": RuleWords(
        _t(
            "A remedy was sent, but what became of it is not known, so nothing was put on top of"
            " it.",
            "修復コマンドを送信しましたが結果を確認できないため、追加の対処は行っていません。",
        ),
        _LOST_NEXT,
        ("our-commands",),
        detail=True,
    ),
    "verification-lost": RuleWords(
        _t(
            "The remedy ran, but the check after it did not report back, so it cannot be called"
            " fixed.",
            "修復は実行しましたが、その後の確認結果が得られないため、解消したと判断できません。",
        ),
        _LOST_NEXT,
        ("our-commands",),
        detail=True,
    ),
    "denied": RuleWords(
        _t(
            "A person denied the proposed remedy, so it was not run.",
            "提案した修復方法は担当者により却下されたため、実行していません。",
        ),
        detail=True,
    ),
    "proposal-expired": RuleWords(
        _t(
            "Nobody approved or denied the proposed remedy in time, so it was not run.",
            "提案した修復方法への承認・却下の回答が期限までになかったため、実行していません。",
        )
    ),
}

OTHER_RULE = RuleWords(
    _t(
        'PatchMedic\'s rule "{rule}" stopped it.',
        "PatchMedic のルール「{rule}」により停止しました。",
    ),
    detail=True,
)
"""For a rule that a newer part of the service brought and this file does not know yet."""
