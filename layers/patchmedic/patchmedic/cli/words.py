"""The words around the catalogue's own: what its groups, platforms, checks and statuses are called.

Data only, in English and Japanese; the tests see to it that nothing lacks words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from patchmedic.model import Text


def _t(en: str, ja: str) -> Text:
    return {"en": en, "ja": ja}


GROUPS: Final[Mapping[str, Text]] = {
    "network": _t("Network and access to services", "ネットワークとサービスへの接続"),
    "identity": _t("Identity and permissions", "認証情報と権限"),
    "agent": _t("Agent and instance", "エージェントとインスタンス"),
    "windows": _t("Windows servicing", "Windows の更新処理"),
    "packages": _t("Linux and macOS packages", "Linux と macOS のパッケージ"),
    "resources": _t("Resources of the node", "ノードのリソース"),
    "operation": _t("The patch operation itself", "パッチ処理そのもの"),
    "none": _t("Not a failure, or not known", "失敗ではない、または不明"),
}
PLATFORMS: Final[Mapping[str, Text]] = {
    "linux": _t("Linux", "Linux"),
    "windows": _t("Windows Server", "Windows Server"),
    "macos": _t("macOS", "macOS"),
}
RISKS: Final[Mapping[str, Text]] = {
    "none": _t("no risk", "リスクなし"),
    "low": _t("low risk", "リスク: 低"),
    "medium": _t("medium risk", "リスク: 中"),
    "high": _t("high risk", "リスク: 高"),
}
POLICY_RULES: Final[Mapping[str, Text]] = {
    "kill-switch": _t("Does the kill switch let it run?", "キルスイッチが解除されているか"),
    "mode": _t("Is the stack's mode auto?", "スタックのモードが auto か"),
    "mode-tag": _t(
        "Does no tag of the node narrow the mode?", "ノードのタグで動作が制限されていないか"
    ),
    "opt-in": _t("Does the node carry the opt-in tag?", "ノードにオプトイン用のタグがあるか"),
    "risk-ceiling": _t(
        "Is it within the risk ceiling, or approved?", "リスク上限以内、または承認済みか"
    ),
    "cool-down": _t(
        "Was this cause not treated too often here?", "同じ原因への対処が上限回数に達していないか"
    ),
    "actions-per-hour": _t("Is there room within the hour?", "1 時間あたりの実行数に余裕があるか"),
    "live-actions": _t(
        "Is there room among the nodes under treatment?", "同時に修復するノード数に余裕があるか"
    ),
    "reboots": _t("Was the node not rebooted too often?", "1 日あたりの再起動回数に余裕があるか"),
    "breaker": _t(
        "Did it help when it ran last?", "直近の実行で効果が確認されているか（遮断されていないか）"
    ),
    "window": _t("Is a window open, if it needs one?", "必要な場合、実行してよい時間帯か"),
}
"""What each rule of the policy asks, by its name."""
POLICY_WORDS: Final[Mapping[str, Text]] = {
    "yes": _t("yes", "可"),
    "no": _t("NO", "不可"),
    "allowed": _t(
        "{remedy} may run on {node} now, for a cause that a check confirmed.",
        "チェックで原因が確認されていれば、{remedy} は {node} で今すぐ実行できます。",
    ),
    "waits": _t(
        "{remedy} would wait for its time on {node}: {rule}.",
        "{remedy} は {node} で実行できる時まで待機します: {rule}",
    ),
    "refused": _t(
        "{remedy} would not run on {node}: {rule}.", "{remedy} は {node} で実行されません: {rule}"
    ),
    "confirmed-by": _t(
        "It is chosen only when one of these checks confirmed the cause: {checks}.",
        "次のチェックのいずれかで原因が確認された場合にのみ選ばれます: {checks}",
    ),
    "no-breakers": _t(
        "Every remedy helped when it ran last.", "直近の実行で効果のなかった修復方法はありません。"
    ),
    "stopped": _t(
        "STOPPED on all nodes since {since}: {failures} runs in a row did not help",
        "{since} からすべてのノードで停止中（連続 {failures} 回効果なし）",
    ),
    "failing": _t(
        "runs; {failures} in a row did not help",
        "実行可能（連続 {failures} 回効果なし）",
    ),
    "not-stopped": _t("{remedy} is not stopped", "{remedy} は停止していません"),
    "moved": _t(
        "{remedy} just ran once more; look again",
        "{remedy} の状態が変わりました。確認し直してください",
    ),
    "closed": _t(
        "{remedy} may run again; recorded as decided by {caller}",
        "{remedy} を再開しました（実施者: {caller}）",
    ),
}
STATUSES: Final[Mapping[str, str]] = {
    "accessdenied": "AccessDenied",
    "cancelled": "Cancelled",
    "cancelling": "Cancelling",
    "connectionlost": "ConnectionLost",
    "deliverytimedout": "DeliveryTimedOut",
    "executiontimedout": "ExecutionTimedOut",
    "inactive": "Inactive",
    "invalidplatform": "InvalidPlatform",
    "noinstancesintag": "NoInstancesInTag",
    "rateexceeded": "RateExceeded",
    "terminated": "Terminated",
    "timedout": "TimedOut",
    "undeliverable": "Undeliverable",
}
"""A status as AWS writes it, by its normalised form."""
CHECKS: Final[Mapping[str, Text]] = {
    "disk-space": _t(
        "Is there room, and are there inodes, where patching writes?",
        "パッチ適用で書き込む領域に、空き容量と inode があるか",
    ),
    "memory": _t(
        "Is there enough memory, and did the kernel kill a program for lack of it?",
        "メモリが足りているか、メモリ不足で強制終了されたプログラムがないか",
    ),
    "filesystems": _t(
        "Is a file system read-only, or does it report errors?",
        "ファイルシステムが読み取り専用になっていないか、エラーが発生していないか",
    ),
    "exec-mounts": _t(
        "May programs run where the agent and the patch scripts lie?",
        "エージェントとパッチ用スクリプトの場所で、プログラムの実行が許可されているか",
    ),
    "selinux": _t(
        "Does SELinux refuse what a patch run does?", "SELinux がパッチ処理の操作を拒否していないか"
    ),
    "os-limits": _t(
        "Are the system's limits on files and processes used up?",
        "ファイル数やプロセス数が OS の上限に達していないか",
    ),
    "dns": _t(
        "Do the names of the AWS endpoints resolve?", "AWS のエンドポイントの名前を解決できるか"
    ),
    "tls": _t(
        "Does the node trust the certificates it is shown, and who signed them?",
        "提示された証明書をノードが信頼できるか、発行元は誰か",
    ),
    "proxies": _t(
        "Which proxies are set, do they answer, and do they agree?",
        "どのプロキシが設定されているか、応答するか、設定が食い違っていないか",
    ),
    "package-lock": _t(
        "Does a program hold the package manager's lock?",
        "パッケージマネージャーのロックを保持しているプログラムがあるか",
    ),
    "patch-runs": _t(
        "Do patch runs overlap on the node?", "ノード上でパッチ処理が重複していないか"
    ),
    "payload-leftovers": _t(
        "Did an interrupted patch run leave files behind?",
        "中断されたパッチ処理の残留ファイルがあるか",
    ),
    "credentials": _t(
        "Where does a patch run take its credentials from?",
        "パッチ処理が認証情報をどこから取得するか",
    ),
    "s3-reach": _t("Does Amazon S3 answer the node?", "ノードから Amazon S3 に接続できるか"),
    "ssm-reach": _t(
        "Do the Systems Manager endpoints answer the node?",
        "ノードから Systems Manager のエンドポイントに接続できるか",
    ),
    "package-repositories": _t(
        "Does each configured repository serve its data?",
        "設定済みの各リポジトリからデータを取得できるか",
    ),
    "agent": _t("Does the SSM Agent's service run?", "SSM Agent のサービスが動作しているか"),
    "agent-diagnostics": _t(
        "What does the agent's own diagnosis (ssm-cli) say?",
        "エージェント自身の診断（ssm-cli）の結果はどうか",
    ),
    "hibernation": _t(
        "Did the agent go into hibernation?", "エージェントが休止状態に入っていないか"
    ),
    "registration": _t(
        "Is the agent registered as this node, not as another?",
        "エージェントが別のノードではなく、このノードとして登録されているか",
    ),
    "state-files": _t(
        "Can Patch Manager's state files be read?", "Patch Manager の状態ファイルを読み取れるか"
    ),
    "imds": _t(
        "Does instance metadata answer, and does it name a role?",
        "インスタンスメタデータが応答し、ロールを返すか",
    ),
    "dpkg-state": _t("Was dpkg interrupted?", "dpkg の処理が中断されていないか"),
    "rpm-db": _t("Is the rpm database whole?", "rpm データベースが破損していないか"),
    "package-dependencies": _t(
        "Do the installed packages have all that they need?",
        "インストール済みパッケージの依存関係が満たされているか",
    ),
    "package-holds": _t(
        "Are packages held or locked?", "保留またはロックされているパッケージがあるか"
    ),
    "package-metadata": _t(
        "Does the cached repository data match its own index?",
        "キャッシュされたリポジトリのデータが索引と一致しているか",
    ),
    "signing-keys": _t(
        "Are the keys that sign the repositories there and valid?",
        "リポジトリの署名鍵があり、有効期限内か",
    ),
    "subscription": _t(
        "Are the certificates of the subscription there and valid?",
        "サブスクリプションの証明書があり、有効期限内か",
    ),
    "patch-python": _t(
        "Is there a Python that the patch run can use?", "パッチ処理で使用できる Python があるか"
    ),
    "clock": _t("How far off is the node's clock?", "ノードの時計がどれだけずれているか"),
    "wu-services": _t(
        "Is a service that Windows Update needs disabled?",
        "Windows Update に必要なサービスが無効になっていないか",
    ),
    "wsus-settings": _t("Do the settings for WSUS make sense?", "WSUS の設定に誤りがないか"),
    "wu-reach": _t(
        "Does the update source (Microsoft or WSUS) answer?",
        "更新元（Microsoft または WSUS）に接続できるか",
    ),
    "wu-components": _t(
        "Does the Windows Update client report faults of its own?",
        "Windows Update クライアント自身が障害を報告していないか",
    ),
    "component-store": _t(
        "Is Windows' component store whole?", "Windows のコンポーネントストアが破損していないか"
    ),
    "cbs-errors": _t(
        "Which errors did Windows servicing log lately?",
        "Windows の更新処理（CBS）に最近どのエラーが記録されたか",
    ),
    "update-history": _t(
        "How did the last updates end?", "最近の更新プログラムの結果はどうだったか"
    ),
    "rollback": _t(
        "Was an installed update undone at restart?",
        "更新プログラムが再起動時に元に戻されていないか",
    ),
    "powershell": _t(
        "Can PowerShell run the patch module?", "PowerShell でパッチモジュールを実行できるか"
    ),
    "sysprep": _t(
        "Has the preparation of the image (Sysprep) ended?",
        "イメージの準備（Sysprep）が完了しているか",
    ),
    "installer": _t("Is another installation at work?", "別のインストールが実行中でないか"),
    "reboot-pending": _t("Is a restart pending?", "再起動待ちの状態か"),
    "patch-log-tail": _t(
        "What does the end of the node's own patch log say?",
        "ノード上のパッチログの末尾に何が記録されているか",
    ),
    "instance-state": _t(
        "Does the instance run, and do its status checks pass?",
        "インスタンスが実行中で、ステータスチェックに合格しているか",
    ),
    "managed-node": _t(
        "Is the node registered, does its agent ping, and is it new enough?",
        "ノードが登録され、エージェントが応答し、十分に新しいか",
    ),
    "instance-profile": _t(
        "Does the instance get credentials at all (profile, role, trust)?",
        "インスタンスが認証情報を取得できるか（プロファイル、ロール、信頼ポリシー）",
    ),
    "role-policies": _t(
        "Do the role's policies allow what patching needs?",
        "ロールのポリシーがパッチ適用に必要な操作を許可しているか",
    ),
    "network-path": _t(
        "Is there a way from the subnet to the services (routes, endpoints, rules)?",
        "サブネットからサービスへの経路があるか（ルート、エンドポイント、ルール）",
    ),
    "repository-path": _t(
        "Is there a way from the subnet to the repositories of this system?",
        "サブネットから、この OS のリポジトリへの経路があるか",
    ),
    "s3-endpoint-policy": _t(
        "Does the policy of the S3 endpoint let through what patching needs?",
        "S3 エンドポイントのポリシーが、パッチ適用に必要なアクセスを許可しているか",
    ),
    "service-endpoint-policy": _t(
        "Do the policies of the Systems Manager endpoints let through what the agent needs?",
        "Systems Manager のエンドポイントのポリシーが、必要なアクセスを許可しているか",
    ),
    "patch-policy-role": _t(
        "May the role read the patch policy's bucket?",
        "ロールにパッチポリシーのバケットの読み取り権限があるか",
    ),
    "recent-commands": _t(
        "Did other patch commands run on the node at the same time?",
        "同じ時間帯に、ノードでほかのパッチコマンドが実行されていないか",
    ),
    "rate-control": _t(
        "Did the command stop for other nodes' errors, before it tried this one?",
        "ほかのノードのエラーにより、このノードで実行される前にコマンドが停止していないか",
    ),
    "command-parameters": _t(
        "Do the parameters of the failed command fit together?",
        "失敗したコマンドのパラメータに誤りや矛盾がないか",
    ),
    "patch-baseline": _t(
        "Which patch baseline applies to the node, and does it exist?",
        "ノードにどのパッチベースラインが適用され、それが存在するか",
    ),
    "compliance-sources": _t(
        "Do several scans overwrite each other's results?",
        "複数のスキャンがコンプライアンスの結果を互いに上書きしていないか",
    ),
    "agent-silence": _t(
        "Is it the agent itself, with everything around it in order?",
        "周囲の条件がすべて正常で、エージェント自体が応答していないのか",
    ),
    "boot-console": _t(
        "What does the console say about the last start?",
        "コンソールの出力に、前回の起動について何が記録されているか",
    ),
}
"""What each check asks."""
EXPLAIN: Final[Mapping[str, Text]] = {
    "meaning": _t("What it means", "概要"),
    "advice": _t("What to do", "対処方法"),
    "shows": _t("How it shows", "現れ方"),
    "related": _t("What it is related to", "関連する原因"),
    "checks": _t("How PatchMedic makes sure", "PatchMedic による確認"),
    "remedies": _t("What PatchMedic may do", "PatchMedic が実行できる修復"),
    "links": _t("Read more", "参考資料"),
    "all-platforms": _t("Any platform", "すべてのプラットフォーム"),
    "and": _t(" and ", "、"),
    "comma": _t(", ", "、"),
    "example": _t("For example:", "出力例:"),
    "names": _t("Output that names it:", "この原因を示す出力:"),
    "hints": _t(
        "Output that points to it, and counts less by itself:",
        "この原因を示唆する出力（単独では決め手になりません）:",
    ),
    "attempt": _t(
        "Output of an attempt that failed; it counts only if the work did not go on after it:",
        "失敗した試行の出力（その後に処理が続いていない場合のみ考慮されます）:",
    ),
    "context": _t(
        "Output that says what the work went through; it decides together with a symptom:",
        "処理の経路を示す出力（症状の出力と併せて判断されます）:",
    ),
    "completed": _t("Output that says that the work was done:", "処理の完了を示す出力:"),
    "gap": _t("… stands for any text.", "「…」は任意の文字列を表します。"),
    "more": _t("… and {n} more", "… 他 {n} 件"),
    "exit-codes": _t("Exit codes", "終了コード"),
    "of-patch-document": _t(" of a patch document", "（パッチ用ドキュメント）"),
    "of-any-document": _t(" of any document", "（すべてのドキュメント）"),
    "weak": _t(" (a weak hint)", "（弱い手がかり）"),
    "result-codes": _t("Windows result codes", "Windows のエラーコード (HRESULT)"),
    "weaker": _t("Weaker hints:", "弱い手がかり:"),
    "others-of": _t("every other code of", "その他のコード:"),
    "statuses": _t("Statuses", "ステータス"),
    "status-none": _t(
        ", when the run printed nothing",
        "（何も出力されていない場合）",
    ),
    "status-some": _t(", when the run printed something", "（何らかの出力がある場合）"),
    "steps": _t("The step that failed", "失敗したステップ"),
    "nothing": _t(
        "Nothing shows it: it is the answer when no other cause is supported.",
        "固有の現れ方はありません。ほかの原因を裏付けるものがない場合の分類です。",
    ),
    "explains": _t("It produces the symptoms of", "この原因によって起こる症状"),
    "explained-by": _t("It can be a symptom of", "この症状を引き起こす原因"),
    "confused": _t("It is easily confused with", "間違えやすい原因"),
    "confirm": _t(
        "A remedy runs only after one of these checks has confirmed the cause.",
        "修復は、いずれかのチェックで原因が確認された場合にのみ実行されます。",
    ),
    "no-checks": _t(
        "No check looks for it: the output or the status says it.",
        "専用のチェックはありません。出力またはステータスから判断します。",
    ),
    "transient": _t(
        "It may have passed when a check looks; what the output named then still counts.",
        "確認時には解消していることがあります。その場合も、出力が示した原因は有効です。",
    ),
    "no-remedies": _t(
        "Nothing by itself: a person decides.",
        "自動で実行する修復はありません。担当者が判断します。",
    ),
    "suppress": _t(
        "Nothing: with this cause, leaving the node alone is right.",
        "何も行いません。この原因の場合、ノードに手を加えないことが正しい対応です。",
    ),
    "remedy": _t("{title} ({id}, {risk}; {platforms})", "{title}（{id}、{risk}、{platforms}）"),
    "changes": _t("Changes: {changes}", "変更内容: {changes}"),
    "undo": _t("Undo: {undo}", "元に戻す方法: {undo}"),
}
"""The sentences of a page about a cause."""
