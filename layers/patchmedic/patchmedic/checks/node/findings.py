"""From a check's answers to findings: which cause each confirms or refutes, and what it says.

The table is ``registry``, the sentences are in ``words``.  Text from the node stays text: it
never becomes a format string or a part of a command to paste.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from patchmedic.checks.node import words
from patchmedic.checks.node.registry import CHECKS, NodeCheck, Rule
from patchmedic.checks.node.wire import TAIL_STDERR_MARK, Answers, read_answers
from patchmedic.model import Finding, Text, Verdict

_REGION = re.compile(r"\.([a-z]{2}(?:-[a-z]{2,12}){1,3}-[0-9])\.amazonaws\.com")
_NODE_ID = re.compile(r"(?:i|mi)-[0-9a-f]{8,17}")
_REACH_DECIDES = frozenset({"cbs-errors", "update-history"})
"""What an unreachable update source may have made; the client's one such code is below."""
_REACH_CODE = "80240437"
"""Means a broken client only where Windows Update can be reached."""
_VALIDITY = frozenset({"expired", "not-yet-valid"})


@dataclass(frozen=True, slots=True)
class _Node:
    """Whom the findings are about."""

    node_id: str
    platform: str


def parse_findings(stdout: str, node_id: str) -> tuple[Finding, ...]:
    """The findings in the output of a Check document.

    Raises ``FindingsUnreadable`` when the output is not that of a Check document.
    """
    platform, answers = read_answers(stdout)
    node = _Node(node_id, platform)
    findings: list[Finding] = []
    for name, (state, facts) in answers.items():
        check = CHECKS.get(name)
        if check is None:
            # A newer document than this library: what it saw is kept, and decides nothing.
            findings.append(_neutral(name, node_id, words.UNKNOWN_CHECK, facts))
        elif first := _what_comes_first(name, answers):
            findings.append(_neutral(name, _resource(check, facts, node), first, facts))
        else:
            findings.extend(_judge(check, state, facts, node))
    return tuple(findings)


def tail_of(findings: Iterable[Finding], command_id: str) -> tuple[str, str] | None:
    """The ends of stdout and stderr of one command's run, if the check found that very run."""
    for finding in findings:
        facts = finding.facts
        if finding.check == "patch-log-tail" and facts.get("command") == command_id:
            stdout, mark, stderr = facts.get("tail", "").rpartition(TAIL_STDERR_MARK)
            return (stdout, stderr) if mark else (stderr, "")
    return None


# --- what an answer cannot say alone --------------------------------------------------------------


def _what_comes_first(name: str, answers: Answers) -> Text | None:
    """Why this answer decides nothing beside another one; ``None``: it speaks for itself."""
    if answers[name][0] != "bad":
        return None
    if _speaks_for_the_network(name, answers):
        return words.NETWORK_FIRST
    if _speaks_for_the_clock(name, answers):
        return words.CLOCK_FIRST
    return None


def _speaks_for_the_network(name: str, answers: Answers) -> bool:
    """Without its update source, Windows reports errors that look like its own damage."""
    if not _is_bad("wu-reach", answers):
        return False
    if name == "wu-components":
        return answers[name][1].get("hresult", "").upper().endswith(_REACH_CODE)
    return name in _REACH_DECIDES


def _speaks_for_the_clock(name: str, answers: Answers) -> bool:
    """To a clock that is wrong, a good certificate has expired or is not valid yet."""
    if not (_is_bad("clock", answers) and _is_bad("tls", answers)):
        return False
    if answers["tls"][1].get("error", "") not in _VALIDITY:
        return False
    return name == "tls" or answers[name][1].get("error", "") == "tls"


def _is_bad(name: str, answers: Answers) -> bool:
    return name in answers and answers[name][0] == "bad"


# --- what an answer says --------------------------------------------------------------------------


def _judge(
    check: NodeCheck, state: str, facts: Mapping[str, str], node: _Node
) -> tuple[Finding, ...]:
    if state == "unknown":
        resource = _resource(check, facts, node)
        return (_neutral(check.name, resource, words.COULD_NOT_LOOK, facts),)
    if state == "ok":
        return _well(check, facts, node)
    return _wrong(check, facts, node)


def _well(check: NodeCheck, facts: Mapping[str, str], node: _Node) -> tuple[Finding, ...]:
    rule = next((rule for rule in check.when_ok if rule.holds(facts)), None)
    said = words.WORDS[check.name]
    special = said.special.get(rule.says) if rule else None
    text, advice = (special.text, special.advice) if special else (said.ok, None)
    refuted = rule.refutes if rule else check.refutes
    told: list[tuple[Verdict, str | None]] = [(Verdict.REFUTES, cause) for cause in refuted]
    return tuple(
        _finding(check, verdict, cause, text, advice, facts, node)
        for verdict, cause in told or [(Verdict.NEUTRAL, None)]
    )


def _wrong(check: NodeCheck, facts: Mapping[str, str], node: _Node) -> tuple[Finding, ...]:
    rule = next((rule for rule in check.rules if rule.holds(facts)), None)
    text, advice = _told(check, rule)
    if rule is None or rule.cause is None:
        return (_finding(check, Verdict.NEUTRAL, None, text, advice, facts, node),)
    found = _finding(check, Verdict.CONFIRMS, rule.cause, text, advice, facts, node)
    refuted = (
        _finding(check, Verdict.REFUTES, cause, text, None, facts, node) for cause in rule.refutes
    )
    return (found, *refuted)


def _told(check: NodeCheck, rule: Rule | None) -> tuple[Text, words.Advice | None]:
    """A bad answer's sentence, and its advice: its own, the check's or the cause's."""
    said = words.WORDS[check.name]
    special = said.special.get(rule.says) if rule else None
    of_cause = words.ADVICE.get(rule.cause) if rule and rule.cause else None
    if special is not None:
        return special.text, special.advice or of_cause
    return said.bad, said.advice or of_cause


def _finding(
    check: NodeCheck,
    verdict: Verdict,
    cause: str | None,
    text: Text,
    advice: words.Advice | None,
    facts: Mapping[str, str],
    node: _Node,
) -> Finding:
    return Finding(
        check.name,
        verdict,
        cause,
        _resource(check, facts, node),
        words.fill(text, facts),
        advice.fix if advice else {},
        _commands(advice, node, facts.get("host", "")) if advice else (),
        facts,
    )


def _resource(check: NodeCheck, facts: Mapping[str, str], node: _Node) -> str:
    return facts.get(check.resource or "", "") or node.node_id


def _commands(advice: words.Advice, node: _Node, host: str) -> tuple[str, ...]:
    """Ready to paste; the node's id and the Region go in only where they certainly are such."""
    commands = advice.commands.get(node.platform, ()) + advice.commands.get("", ())
    target = node.node_id if _NODE_ID.fullmatch(node.node_id) else "NODE_ID"
    region = _REGION.search(host)
    place = region.group(1) if region else "<REGION>"
    return tuple(c.replace("NODE_ID", target).replace("<REGION>", place) for c in commands)


def _neutral(name: str, resource: str, says: Text, facts: Mapping[str, str]) -> Finding:
    named = {"check": name, **facts}
    seen = words.fill(says, named)
    if "why" in facts:
        japanese = words.fill(says, {**named, "why": words.in_japanese(facts["why"])})
        seen = {**seen, "ja": japanese["ja"]}
    return Finding(name, Verdict.NEUTRAL, None, resource, seen, facts=facts)
