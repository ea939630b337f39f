"""What is it, after the look at the node?  Findings move the ranking of the classification.

Here: pure functions.  ``weigh`` settles what findings say against each other, ``diagnose`` joins
them with the text.  Not here: how findings are made (``checks``), how a cause led to the failure
(``chain``) or what is done about the result (``incident``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from patchmedic.chain import Link, chain_of, most_telling_first, on_node
from patchmedic.model import Candidate, Classification, Finding, Text, Verdict
from patchmedic.policy import Plan

Basis = Literal["finding", "text", "none"]

NODE_NOT_SEEN: Final = "node-checks"
"""Stands for all node checks, where the node could not be looked at."""
SET_ASIDE_BY: Final = "set_aside_by"
"""The fact that names what outranks a finding which no longer counts."""
ANSWERED: Final = "node-answers"
"""What outranks a finding by which no answer could have come."""

_NOT_IF_IT_ANSWERS: Final = frozenset(
    {"instance-stopped", "agent-not-running", "ssm-endpoint-unreachable"}
)
_UPDATES_OUT_OF_REACH: Final = "wu-unreachable"
_SET_ASIDE: Final[Text] = {
    "en": " This is set aside: the node's own look ({by}) says otherwise.",
    "ja": "ただし、ノード上での確認結果（{by}）と食い違うため、判断には使用していません。",
}
_ASIDE_FOR_ANSWER: Final[Text] = {
    "en": " This is set aside: the node has answered since.",
    "ja": "ただし、その後ノードから応答があったため、判断には使用していません。",
}
_ASIDE_FOR_WSUS: Final[Text] = {
    "en": " This is set aside: the node gets its updates from a WSUS ({by}), not from Microsoft.",
    "ja": "ただし、ノードは更新プログラムを Microsoft ではなく WSUS（{by}）から取得する設定の"
    "ため、判断には使用していません。",
}
_NODE_SILENT: Final[Text] = {
    "en": "The node itself could not be looked at: {why}.",
    "ja": "ノード上での確認は実施できませんでした（理由: {why}）。",
}
_NODE_DARK: Final[Text] = {
    "en": "The node itself could not be looked at: it did not answer Systems Manager.",
    "ja": "ノードが Systems Manager に応答しないため、ノード上での確認は実施できませんでした。",
}
_DOES_NOT_APPLY: Final = re.compile(
    r"(?:this (?:node|agent) has no|a hybrid node has no|the agent (?:keeps|has) no|there is no"
    r"|no (?!room|server|credentials|answer|time|tool|check|http|signed)\w+)\b"
)
"""How a check on the node says that what it looks at does not exist there."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The cause believed in, on which basis, and what was ruled out."""

    cause: str
    basis: Basis
    """``finding``: a check confirmed it.  ``text``: a passing cause that the output names beyond
    doubt, and that no check saw any more.  ``none``: nothing confirmed it."""
    ruled_out: tuple[str, ...]
    """The likelier ones first, then those that would explain what the text ranks first."""
    chain: tuple[Link, ...] = ()
    """From the symptom down to the root; empty where no finding confirmed the cause."""
    also: tuple[str, ...] = ()
    """What else is wrong for certain, and has nothing to do with the cause."""

    @property
    def confirmed(self) -> bool:
        return self.basis != "none"


def diagnose(
    classification: Classification,
    findings: tuple[Finding, ...],
    plans: Mapping[str, Plan],
    confident_min: float,
) -> Diagnosis:
    """Join what the text says with what the checks saw; the order of the findings is no matter.

    A confirmed cause wins over every unconfirmed one; of several confirmed, the one that explains
    the others wins, then the one that is nearer to what the text ranks high.  A refuted cause drops
    out, unless it is a passing one that the text names beyond doubt: that it is over now does not
    unsay it.
    """
    findings = weigh(findings)
    rank = {c.cause: i for i, c in enumerate(classification.candidates)}
    confirmed = _causes(findings, Verdict.CONFIRMS, rank)
    refuted = [c for c in _causes(findings, Verdict.REFUTES, rank) if c not in confirmed]
    refuted.sort(key=lambda c: classification.cause not in plans.get(c, Plan()).explains)
    refuted.sort(key=lambda c: rank.get(c, len(rank)))
    ruled_out = tuple(c for c in refuted if not _passing(c, classification, plans, confident_min))
    if confirmed:
        root = _deepest(confirmed, rank, plans)
        chain = chain_of(root, confirmed, ruled_out, classification, findings, plans)
        told = {link.name for link in chain if link.kind == "cause"}
        also = tuple(cause for cause in confirmed if cause not in told)
        return Diagnosis(root, "finding", ruled_out, chain, also)
    for candidate in classification.candidates:
        if candidate.cause in ruled_out:
            continue
        if _passing(candidate.cause, classification, plans, confident_min):
            return Diagnosis(candidate.cause, "text", ruled_out)
        return Diagnosis(candidate.cause, "none", ruled_out)
    return Diagnosis("unknown", "none", ruled_out)


def weigh(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """The findings with what the node itself disproves made neutral, and saying so.

    AWS's side is a model of the way, and older; the node tried the way itself.  So where the node
    refutes what the set-up seems to confirm, and nothing on the node confirms it, the set-up's word
    does not count.  Nor does it where it needs a silent node, and the node answered; nor about the
    way to Microsoft where the node uses a WSUS, which AWS cannot see.
    """
    seen = [f for f in findings if on_node(f) and f.check != NODE_NOT_SEEN]
    disproved = {
        f.cause: f.check
        for f in sorted(seen, key=lambda f: f.check, reverse=True)
        if f.verdict is Verdict.REFUTES and f.cause
    }
    for finding in seen:
        if finding.verdict is Verdict.CONFIRMS and finding.cause:
            disproved.pop(finding.cause, None)
    on_the_node = {f.cause for f in seen if f.verdict is Verdict.CONFIRMS}
    wsus = min((used for used in map(_wsus, seen) if used), default="")

    def settled(finding: Finding) -> Finding:
        cause = finding.cause
        if finding.verdict is not Verdict.CONFIRMS or on_node(finding) or not cause:
            return finding
        if by := disproved.get(cause):
            return _aside(finding, by, _SET_ASIDE)
        if wsus and cause == _UPDATES_OUT_OF_REACH:
            return _aside(finding, wsus, _ASIDE_FOR_WSUS)
        if seen and cause in _NOT_IF_IT_ANSWERS and cause not in on_the_node:
            return _aside(finding, ANSWERED, _ASIDE_FOR_ANSWER)
        return finding

    return tuple(map(settled, findings))


@dataclass(frozen=True, slots=True)
class Sorted:
    """Findings by what a reader wants of them; what says nothing to a reader is in none."""

    confirming: tuple[Finding, ...]
    """What confirms the cause, and then what is on its chain; the one that says most first."""
    also: tuple[Finding, ...]
    """What else is wrong for certain."""
    ruled_out: tuple[Finding, ...]
    """One for each cause that was ruled out, the likelier ones first."""
    aside: tuple[Finding, ...]
    """What no longer counts, since the node itself says otherwise."""
    not_looked: tuple[Finding, ...]
    """What could not be looked at: what a permission would help against first."""
    advising: tuple[Finding, ...]
    """What decides nothing and should be seen to."""
    seen: tuple[Finding, ...]
    """What else the set-up shows.  What is in order on the node is left out."""


def sort_out(cause: str, diagnosis: Diagnosis | None, findings: tuple[Finding, ...]) -> Sorted:
    """The findings of an incident whose cause, as far as known, is ``cause``."""
    links = diagnosis.chain if diagnosis else ()
    told = (cause, *(each.name for each in reversed(links) if each.kind == "cause"))
    chain = {name: place for place, name in reversed(list(enumerate(told)))}
    out = diagnosis.ruled_out if diagnosis else ()
    confirms = [f for f in findings if f.verdict is Verdict.CONFIRMS and f.cause]
    refutes = [f for f in findings if f.verdict is Verdict.REFUTES]
    neutral = [f for f in findings if f.verdict is Verdict.NEUTRAL]
    first = {f.cause: f for f in reversed(refutes)}
    gaps = [f for f in neutral if could_not_look(f)]
    rest = [f for f in neutral if f not in gaps and SET_ASIDE_BY not in f.facts]
    return Sorted(
        confirming=tuple(
            sorted(
                (f for f in confirms if f.cause in chain),
                key=lambda f: (chain[f.cause or ""], most_telling_first(f)),
            )
        ),
        also=tuple(f for f in confirms if f.cause not in chain),
        ruled_out=tuple(first[each] for each in out if each in first),
        aside=tuple(f for f in neutral if SET_ASIDE_BY in f.facts),
        not_looked=tuple(sorted(gaps, key=lambda f: (not f.fix, on_node(f)))),
        advising=tuple(f for f in rest if _advises(f)),
        seen=tuple(
            f
            for f in (*rest, *refutes)
            if not _advises(f) and not on_node(f) and f.cause not in out
        ),
    )


def _advises(finding: Finding) -> bool:
    return any(finding.fix.values()) or bool(finding.commands)


def fixes(looked: Sorted) -> tuple[Finding, ...]:
    """The confirming findings whose advice is worth following, what is nearer to the root first.

    Where the set-up's finding names the exact command, the node's general advice is left out.
    """
    exact = {f.cause for f in looked.confirming if not on_node(f) and f.commands}
    advising = [f for f in looked.confirming if _advises(f)]
    return tuple(f for f in advising if f.cause not in exact or (not on_node(f) and f.commands))


def node_not_seen(node_id: str, why: str = "") -> Finding:
    """What stands for the findings of a node that gave none; without a reason, it was not asked."""
    text = _NODE_SILENT if why else _NODE_DARK
    says = {language: said.replace("{why}", why) for language, said in text.items()}
    facts = {"why": why or "it did not answer"}
    return Finding(NODE_NOT_SEEN, Verdict.NEUTRAL, None, node_id, says, facts=facts)


def could_not_look(finding: Finding) -> bool:
    """Whether it tells of something that could not be looked at, and might matter."""
    if finding.verdict is not Verdict.NEUTRAL or SET_ASIDE_BY in finding.facts:
        return False
    why = finding.facts.get("why", "")
    if on_node(finding):
        return bool(why) and not _DOES_NOT_APPLY.match(why)
    return bool(why or finding.facts.get("call")) or finding.facts.get("obstacle") == "not-read"


def has_passed(cause: str, findings: tuple[Finding, ...]) -> bool:
    """Whether a check looked for a passing cause and saw it no more."""
    return any(f.verdict is Verdict.REFUTES and f.cause == cause for f in findings)


def _wsus(finding: Finding) -> str:
    """The WSUS that the node uses, if this finding tells of one."""
    facts = finding.facts
    if finding.check == "wu-reach":
        return facts.get("wsus", "")
    if finding.check == "wsus-settings" and facts.get("use_wu_server") == "1":
        return facts.get("wu_server", "")
    return ""


def _aside(finding: Finding, by: str, note: Text) -> Finding:
    says = {
        language: said + note.get(language, "").replace("{by}", by)
        for language, said in finding.says.items()
    }
    facts = {**finding.facts, SET_ASIDE_BY: by}
    return replace(finding, verdict=Verdict.NEUTRAL, says=says, fix={}, commands=(), facts=facts)


def _causes(findings: tuple[Finding, ...], verdict: Verdict, rank: Mapping[str, int]) -> list[str]:
    found = {f.cause for f in findings if f.verdict is verdict and f.cause}
    return sorted(found, key=lambda cause: (rank.get(cause, len(rank)), cause))


def _passing(
    cause: str, classification: Classification, plans: Mapping[str, Plan], confident_min: float
) -> bool:
    top: Candidate | None = next(iter(classification.candidates), None)
    return (
        top is not None
        and top.cause == cause
        and top.confidence >= confident_min
        and plans.get(cause, Plan()).transient
    )


def _deepest(confirmed: list[str], rank: Mapping[str, int], plans: Mapping[str, Plan]) -> str:
    """The confirmed cause that no other confirmed cause explains.

    Of several: the one that is, or explains, what the text ranks highest; then the text's own
    rank of it; then the one that explains more of what else is wrong; then the first of them.
    """

    def explains(cause: str) -> set[str]:
        return {each for each in plans.get(cause, Plan()).explains if each != cause}

    def order(cause: str) -> tuple[int, int, int]:
        ranks = [rank.get(each, len(rank)) for each in {cause} | explains(cause)]
        others = len(explains(cause) & set(confirmed))
        return min(ranks), rank.get(cause, len(rank)), -others

    explained = {effect for cause in confirmed for effect in explains(cause)}
    return min([c for c in confirmed if c not in explained] or confirmed, key=order)
