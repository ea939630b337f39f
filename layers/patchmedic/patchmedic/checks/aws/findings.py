"""The words of a finding: small builders that every AWS-side check uses.

Here: confirm, refute, stay neutral, and the sentence for what could not be read.  Not here: any
rule.
"""

from __future__ import annotations

from collections.abc import Mapping

from patchmedic.checks.aws.snapshot import Gap, NodeSnapshot
from patchmedic.model import Finding, Text, Verdict

FACT_LENGTH_MAX = 300


def text(en: str, ja: str) -> Text:
    """One sentence in both languages."""
    return {"en": en, "ja": ja}


def confirms(
    check: str,
    cause: str,
    resource: str,
    says: Text,
    *,
    fix: Text,
    commands: tuple[str, ...] = (),
    facts: Mapping[str, str] | None = None,
) -> Finding:
    """What was seen proves the cause; so there is always something to do about it."""
    return Finding(
        check, Verdict.CONFIRMS, cause, resource, says, fix, commands, _short(facts or {})
    )


def refutes(
    check: str, cause: str, resource: str, says: Text, facts: Mapping[str, str] | None = None
) -> Finding:
    """What was seen cannot be if the cause holds."""
    return Finding(check, Verdict.REFUTES, cause, resource, says, facts=_short(facts or {}))


def neutral(
    check: str,
    cause: str | None,
    resource: str,
    says: Text,
    *,
    fix: Text | None = None,
    commands: tuple[str, ...] = (),
    facts: Mapping[str, str] | None = None,
) -> Finding:
    """Worth telling, decides nothing."""
    return Finding(
        check, Verdict.NEUTRAL, cause, resource, says, fix or {}, commands, _short(facts or {})
    )


def not_read(
    check: str, cause: str | None, snapshot: NodeSnapshot, what: Text, *calls: str
) -> Finding:
    """A part of the set-up that could not be looked at, with the call that failed if one did."""
    gap = snapshot.gap(*calls)
    return neutral(
        check,
        cause,
        snapshot.node.node_id,
        text(
            f"{what['en']} could not be read, so this check decides nothing{_why(gap, 'en')}",
            f"{what['ja']}を読み取れなかったため、このチェックでは判断できません{_why(gap, 'ja')}",
        ),
        fix=_grant(gap),
        facts={"call": gap.call, "code": gap.code, "why": gap.message}
        if gap
        else {"why": "not read"},
    )


def not_ec2(check: str, snapshot: NodeSnapshot) -> Finding:
    """EC2 checks have nothing to say about a hybrid node."""
    node = snapshot.node.node_id
    return neutral(
        check,
        None,
        node,
        text(
            f"{node} is a hybrid node, not an EC2 instance; there is no EC2 set-up to look at.",
            f"{node} はハイブリッドノードであり EC2 インスタンスではないため、"
            "確認できる EC2 の設定はありません。",
        ),
    )


def _why(gap: Gap | None, language: str) -> str:
    if gap is None:
        return "." if language == "en" else "。"
    if language == "en":
        return f": {gap.call} answered {gap.code}."
    return f" ({gap.call} が {gap.code} を返しました)。"


def _grant(gap: Gap | None) -> Text | None:
    if gap is None or not is_denied(gap):
        return None
    return text(
        f"Allow {gap.call} to PatchMedic's diagnose role, then let it look again.",
        f"PatchMedic の診断用ロールに {gap.call} を許可してから、もう一度確認してください。",
    )


def is_denied(gap: Gap) -> bool:
    """Whether the gap is a missing permission (each service has its own word for it)."""
    return any(word in gap.code for word in ("AccessDenied", "Unauthorized", "NotAuthorized"))


def _short(facts: Mapping[str, str]) -> Mapping[str, str]:
    return {key: value[:FACT_LENGTH_MAX] for key, value in facts.items() if value}
