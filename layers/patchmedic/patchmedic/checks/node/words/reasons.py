"""Why a check could not look, in Japanese: the reasons that the scripts of this stack give.

The scripts speak English.  Here: what each of their sentences is in Japanese.  What is not listed,
such as the words of a tool, stays as the node said it.
"""

# ruff: noqa: E501 - a Japanese character counts as two columns

from __future__ import annotations

import re
from collections.abc import Mapping

JAPANESE: Mapping[str, str] = {
    "neither curl nor wget is installed": "curl も wget もインストールされていない",
    "curl, which would try the proxies, is not installed": "プロキシの確認に必要な curl がない",
    "no package manager that this check knows": "対応するパッケージマネージャーがない",
    "a patch run is alive and owns them": "パッチ処理の実行中で、その処理が使用している",
    "a patch run is alive, its state files are in motion": "パッチ処理の実行中で、状態ファイルが更新されている",
    "a package manager is at work": "パッケージマネージャーが動作中",
    "dpkg is at work, its state is in motion": "dpkg が動作中で、状態が変化している",
    "this node has no SELinux": "SELinux が使用されていない",
    "no dpkg": "dpkg がない",
    "no packages of rpm": "rpm のパッケージがない",
    "there is no database": "データベースがない",
    "rpm is at work": "rpm が動作中",
    "no room for a copy of the database": "データベースのコピーを置く空き容量がない",
    "nothing is cached here": "キャッシュがない",
    "no subscription of a vendor": "ベンダーのサブスクリプションが使用されていない",
    "no signed repository, or no gpgv": "署名付きリポジトリがないか、gpgv がない",
    "no http repository, or no curl and no wget": "HTTP のリポジトリがないか、curl も wget もない",
    "the log folder of the agent cannot be read": "エージェントのログフォルダーを読み取れない",
    "the folders of the agent are not there": "エージェントのフォルダーがない",
    "the kernel tells none of its limits": "カーネルから上限値を取得できない",
    "the agent keeps no output of a patch run": "エージェントにパッチ処理の出力が残っていない",
    "the agent has no ssm-cli that can diagnose (from 3.1.501.0)": "診断に対応した ssm-cli がない（3.1.501.0 以降で対応）",
    "this agent has no get-diagnostics; 3.1.501.0 is the first that has": "エージェントが get-diagnostics に対応していない（3.1.501.0 以降で対応）",
    "no ssm-cli on this node": "ssm-cli がない",
    "ssm-cli gave no diagnostics": "ssm-cli が診断結果を返さなかった",
    "ssm-cli printed no diagnostics": "ssm-cli が診断結果を返さなかった",
    "nothing tells how much memory is free": "空きメモリ量を取得できない",
    "nothing is mounted read-only, but the log of the kernel cannot be read": "読み取り専用のマウントはないが、カーネルのログを読み取れない",
    "no tool asks for names as programs do": "名前解決を確認できるツールがない",
    "no server told the time": "時刻を返すサーバーがなかった",
    "no credentials where the agent and the patch run look for them": "エージェントとパッチ処理が参照する場所に認証情報がない",
    "no answer in time": "時間内に応答がなかった",
    "neither the metadata nor the agent says which instance this is": "メタデータからもエージェントからもインスタンス ID を取得できない",
    "df gave no numbers": "df から値を取得できない",
    "a hybrid node has no instance metadata": "ハイブリッドノードにはインスタンスメタデータがない",
    "no time left; nothing on this node can be written to, so checks ran in turn": "ノードに書き込める場所がなく、チェックを順番に実行したため時間が足りなかった",
    "no room left in the output": "出力の上限に達した",
    "there is no CBS.log": "CBS.log がない",
    "another program holds this file": "ほかのプログラムがファイルを使用している",
    "Windows does not say in which state its image is": "Windows からイメージの状態を取得できない",
    "Windows Update was reset, and no patch run has used it since": "Windows Update のリセット後、まだパッチ処理が実行されていない",
}
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"not done within ([0-9]{1,4}) seconds"), r"\1 秒以内に終わらなかった"),
    (
        re.compile(r"ssm-cli was not done within ([0-9]{1,4}) seconds"),
        r"ssm-cli が \1 秒以内に終わらなかった",
    ),
    (re.compile(r"no check of this name for (\w{1,12})"), r"\1 にはこの名前のチェックがない"),
    (
        re.compile(r"no time to ask ([0-9]{1,4}) of the repositories"),
        r"\1 件のリポジトリを確認する時間がなかった",
    ),
    (
        re.compile(r"([A-Za-z0-9.-]{1,253}) is not reached: ([a-z0-9-]{1,20})"),
        r"\1 に接続できない（\2）",
    ),
    (
        re.compile(r"the certificate ([\w./-]{1,200}) could not be read"),
        r"証明書 \1 を読み取れない",
    ),
)


def in_japanese(why: str) -> str:
    """The reason in Japanese, or as it is where it is nobody's fixed sentence."""
    if why in JAPANESE:
        return JAPANESE[why]
    for pattern, japanese in _PATTERNS:
        found = pattern.fullmatch(why)
        if found:
            return found.expand(japanese)
    return why
