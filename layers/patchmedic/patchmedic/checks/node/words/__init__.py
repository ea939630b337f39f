"""What the node checks say, in English and Japanese: sentences, advice, commands to paste.

Here: all of it by name, and what is said of an answer that decides nothing.  The texts are in the
files beside this one, by what they are about; their shapes are in ``shapes``.
"""

from __future__ import annotations

from collections.abc import Mapping

from patchmedic.checks.node.words import agent, network, packages, servicing, system, windows_update
from patchmedic.checks.node.words.reasons import in_japanese
from patchmedic.checks.node.words.shapes import Advice, Special, Words, fill, t
from patchmedic.model import Text

__all__ = [
    "ADVICE",
    "CLOCK_FIRST",
    "COULD_NOT_LOOK",
    "NETWORK_FIRST",
    "UNKNOWN_CHECK",
    "WORDS",
    "Advice",
    "Special",
    "Words",
    "fill",
    "in_japanese",
]

WORDS: Mapping[str, Words] = {
    **system.WORDS,
    **network.WORDS,
    **agent.WORDS,
    **packages.WORDS,
    **windows_update.WORDS,
    **servicing.WORDS,
}
"""By check."""
ADVICE: Mapping[str, Advice] = {
    **system.ADVICE,
    **network.ADVICE,
    **agent.ADVICE,
    **packages.ADVICE,
    **windows_update.ADVICE,
    **servicing.ADVICE,
}
"""What a person does, by cause that a node check may confirm."""

COULD_NOT_LOOK: Text = t(
    "The check {check} could not look: {why}.",
    "チェック {check} は確認できませんでした（理由: {why}）。",
)
UNKNOWN_CHECK: Text = t(
    "The node answered a check, {check}, that this version of PatchMedic does not know.",
    "ノードから、このバージョンの PatchMedic が認識しないチェック {check} の結果が返されました。",
)
NETWORK_FIRST: Text = t(
    "{check} saw {hresult}, but the update source cannot be reached, which gives the same. Reach"
    " comes first.",
    "{check} で {hresult} が見つかりましたが、更新プログラムの取得元に接続できない場合にも同じ"
    "結果になります。先に接続の問題を解決してください。",
)
CLOCK_FIRST: Text = t(
    "The node does not accept the certificate of {host}, but the node's clock is wrong, which makes"
    " good certificates expired or not yet valid. The clock comes first.",
    "{host} の証明書が受け入れられませんが、ノードの時刻がずれている場合には、正しい証明書も有効"
    "期間外と判定されます。先に時刻を修正してください。",
)
