"""Checks on the node: what each can decide, and what a Check document's output means.

A Check document of this stack runs on the node and prints facts; it judges no cause.  Here those
facts become findings: which cause they confirm or refute, by the table ``CHECKS``.  The sentences
are in ``node_words``.  Not here: sending the document, or choosing what to do about a finding.

The output is untrusted: whoever owns the node can print anything.  So any text at all gives
findings or the one error, ``FindingsUnreadable``; sizes are bounded; text from the node stays
text, it never becomes a format string or a part of a command to paste.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from patchmedic.checks import node_words
from patchmedic.errors import PatchMedicError
from patchmedic.model import Finding, Platform, Verdict

STDOUT_CHARACTERS_MAX = 48_000
"""Twice what Run Command returns; more than that is not the output of a check."""
CHECKS_MAX = 40
FACTS_MAX = 20
FACT_CHARACTERS_MAX = 300
TAIL_CHARACTERS_MAX = 6_000
TAIL_STDERR_MARK = "\n--- stderr ---\n"
"""Stands in a tail between the end of stdout and that of stderr."""

RemedyState = Literal["done", "nothing-to-do", "refused", "failed"]
REMEDY_STATES: Mapping[str, RemedyState] = {state: state for state in get_args(RemedyState)}
CHECK_STATES: frozenset[str] = frozenset({"ok", "bad", "unknown"})

_NAME = re.compile(r"[a-z0-9-]{2,40}")
_FACT_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_REGION = re.compile(r"\.([a-z]{2}(?:-[a-z]{2,12}){1,3}-[0-9])\.amazonaws\.com")
_NODE_ID = re.compile(r"(?:i|mi)-[0-9a-f]{8,17}")


class FindingsUnreadable(PatchMedicError):
    """The output of one of our documents is not what the document prints; says in what way."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Rule:
    """When a check is bad and this fact has one of these values, this is the cause."""

    cause: str
    fact: str | None = None
    """``None``: whatever the facts are."""
    values: frozenset[str] | None = None
    """``None``: any value that is not empty."""
    refutes: tuple[str, ...] = ()
    """What cannot be then."""

    def holds(self, facts: Mapping[str, str]) -> bool:
        if self.fact is None:
            return True
        value = facts.get(self.fact, "")
        return bool(value) if self.values is None else value in self.values


@dataclass(frozen=True, slots=True)
class NodeCheck:
    """One check: where it runs, and what its answers decide."""

    name: str
    platforms: tuple[Platform, ...]
    rules: tuple[Rule, ...] = ()
    """What ``bad`` confirms: the first rule that holds.  None holds: it confirms nothing."""
    refutes: tuple[str, ...] = ()
    """What ``ok`` rules out."""
    resource: str | None = None
    """The fact that names the thing looked at; else it is the node."""
    helps: tuple[str, ...] = ()
    """Causes that it does not decide and that cannot be judged well without it."""

    @property
    def causes(self) -> frozenset[str]:
        """Every cause that an answer of this check may speak about."""
        confirmed = {rule.cause for rule in self.rules}
        refuted = {cause for rule in self.rules for cause in rule.refutes}
        return frozenset(confirmed | refuted | set(self.refutes))


@dataclass(frozen=True, slots=True)
class RemedyResult:
    """What a remedy document says that it did; believed only after a check of its own."""

    remedy: str
    state: RemedyState
    facts: Mapping[str, str] = field(default_factory=dict)


_EVERYWHERE: tuple[Platform, ...] = ("linux", "macos", "windows")
_UNIX: tuple[Platform, ...] = ("linux", "macos")
_LINUX: tuple[Platform, ...] = ("linux",)
_WINDOWS: tuple[Platform, ...] = ("windows",)

_DNS = Rule("dns-failure", "error", frozenset({"dns"}))
_TLS = Rule("tls-failure", "error", frozenset({"tls"}))
_PROXY = Rule("proxy-misconfigured", "error", frozenset({"proxy", "http-407"}))

_ALL: tuple[NodeCheck, ...] = (
    NodeCheck(
        "disk-space",
        _EVERYWHERE,
        rules=(Rule("disk-full"),),
        refutes=("disk-full",),
        resource="path",
    ),
    NodeCheck(
        "package-lock",
        _LINUX,
        rules=(Rule("package-manager-locked"),),
        refutes=("package-manager-locked",),
        resource="lock",
    ),
    NodeCheck("patch-runs", _EVERYWHERE, rules=(Rule("concurrent-run"),)),
    NodeCheck(
        "payload-leftovers", _UNIX, rules=(Rule("concurrent-run"),), helps=("payload-corrupt",)
    ),
    NodeCheck(
        "credentials",
        _EVERYWHERE,
        rules=(Rule("credentials-invalid", "source", frozenset({"environment", "shared-file"})),),
        refutes=("credentials-invalid",),
        resource="path",
    ),
    NodeCheck(
        "s3-reach",
        _EVERYWHERE,
        rules=(
            _DNS,
            _TLS,
            _PROXY,
            Rule("s3-access-denied", "error", frozenset({"http-403"}), refutes=("s3-unreachable",)),
            Rule("s3-unreachable", "error"),
        ),
        refutes=("s3-unreachable",),
        resource="host",
    ),
    NodeCheck(
        "ssm-reach",
        _EVERYWHERE,
        rules=(_DNS, _TLS, _PROXY, Rule("ssm-endpoint-unreachable", "error")),
        refutes=("ssm-endpoint-unreachable",),
        resource="host",
    ),
    NodeCheck(
        "package-repositories",
        _LINUX,
        rules=(_DNS, _TLS, _PROXY, Rule("repository-unreachable", "error")),
        refutes=("repository-unreachable",),
        resource="repository",
    ),
    NodeCheck(
        "agent",
        _EVERYWHERE,
        rules=(Rule("agent-not-running", "state", frozenset({"stopped", "not-installed"})),),
        refutes=("agent-not-running",),
        helps=("agent-outdated",),
    ),
    NodeCheck(
        "imds",
        _EVERYWHERE,
        rules=(
            Rule(
                "instance-profile-missing",
                "status",
                frozenset({"404"}),
                refutes=("imds-unreachable",),
            ),
            Rule("imds-unreachable", "status"),
        ),
        refutes=("imds-unreachable", "instance-profile-missing"),
    ),
    NodeCheck(
        "dpkg-state",
        _LINUX,
        rules=(Rule("package-db-corrupt"),),
        refutes=("package-db-corrupt",),
    ),
    NodeCheck("clock", _EVERYWHERE, rules=(Rule("clock-skew"),), refutes=("clock-skew",)),
    NodeCheck(
        "wu-services",
        _WINDOWS,
        rules=(Rule("wu-service-disabled"),),
        refutes=("wu-service-disabled",),
        resource="service",
        helps=("wu-components-broken",),
    ),
    NodeCheck(
        "wu-reach",
        _WINDOWS,
        rules=(
            Rule("wsus-failure", "wsus"),
            _DNS,
            _TLS,
            _PROXY,
            Rule("wu-unreachable", "error"),
        ),
        refutes=("wu-unreachable",),
        resource="host",
        helps=("wu-components-broken",),
    ),
    NodeCheck(
        "wu-components",
        _WINDOWS,
        rules=(Rule("wu-components-broken"),),
        refutes=("wu-components-broken",),
    ),
    NodeCheck(
        "wu-proxy",
        _WINDOWS,
        rules=(Rule("proxy-misconfigured", "agent"),),
        helps=("wu-unreachable",),
    ),
    NodeCheck("reboot-pending", _EVERYWHERE, helps=("reboot-failed",)),
    NodeCheck("patch-log-tail", _EVERYWHERE, helps=("unknown",)),
)

CHECKS: Mapping[str, NodeCheck] = {check.name: check for check in _ALL}
"""Every node check by name; the documents' closed lists are held to it by a test."""


def checks_for(causes: Iterable[str], platform: Platform) -> tuple[str, ...]:
    """The checks that can decide between these causes on this platform, in a fixed order.

    Causes that no node check knows of ask for all of them: then anything seen is a gain.
    """
    wanted = set(causes)
    here = [check for check in _ALL if platform in check.platforms]
    chosen = tuple(c.name for c in here if wanted & (c.causes | set(c.helps)))
    return chosen or tuple(check.name for check in here)


def parse_findings(stdout: str, node_id: str) -> tuple[Finding, ...]:
    """The findings in the output of a Check document.

    Raises ``FindingsUnreadable`` when the output is not that of a Check document.
    """
    document = _document(stdout, "FINDINGS")
    platform = document.get("platform")
    if not isinstance(platform, str) or platform not in _EVERYWHERE:
        raise FindingsUnreadable("schema", "the document names no platform that PatchMedic knows")
    answers = _answers(document)
    findings: list[Finding] = []
    for name, (state, facts) in answers.items():
        check = CHECKS.get(name)
        if check is None:
            # A newer document than this library: what it saw is kept, and decides nothing.
            findings.append(_neutral(name, node_id, node_words.UNKNOWN_CHECK, facts))
            continue
        if _speaks_for_the_network(name, answers):
            findings.append(_neutral(name, node_id, node_words.NETWORK_FIRST, facts))
            continue
        findings.extend(_judge(check, state, facts, node_id, platform))
    return tuple(findings)


def tail_of(findings: Iterable[Finding], command_id: str) -> tuple[str, str] | None:
    """The ends of stdout and stderr of one command's run, if the check found that very run."""
    for finding in findings:
        facts = finding.facts
        if finding.check == "patch-log-tail" and facts.get("command") == command_id:
            stdout, mark, stderr = facts.get("tail", "").rpartition(TAIL_STDERR_MARK)
            return (stdout, stderr) if mark else (stderr, "")
    return None


def parse_remedy(stdout: str) -> RemedyResult:
    """What a remedy document says it did; ``FindingsUnreadable`` when it says nothing readable."""
    document = _document(stdout, "REMEDY")
    remedy, state = document.get("remedy"), document.get("state")
    if not isinstance(remedy, str) or not _NAME.fullmatch(remedy):
        raise FindingsUnreadable("schema", "the document names no remedy")
    if not isinstance(state, str) or state not in REMEDY_STATES:
        raise FindingsUnreadable("schema", f"remedy {remedy} ended in no state that is known")
    facts = _facts(document.get("facts"), f"remedy {remedy}")
    told = {name: value for name, value in facts.items() if value}
    return RemedyResult(remedy, REMEDY_STATES[state], told)


# --- from text to answers -------------------------------------------------------------------------


def _document(stdout: str, kind: str) -> dict[str, Any]:
    """The one JSON object between the markers."""
    if len(stdout) > STDOUT_CHARACTERS_MAX:
        raise FindingsUnreadable(
            "too-long", f"the output has {len(stdout)} characters, which no document prints"
        )
    lines = [line.strip() for line in stdout.split("\n")]
    begins = [i for i, line in enumerate(lines) if line == f"<<<PATCHMEDIC-{kind}"]
    ends = [i for i, line in enumerate(lines) if line == f"PATCHMEDIC-{kind}>>>"]
    if not begins:
        raise FindingsUnreadable("no-marker", "the output holds no PatchMedic document")
    if len(begins) > 1 or len(ends) > 1:
        raise FindingsUnreadable("several", "the output holds more than one PatchMedic document")
    if not ends or ends[0] < begins[0]:
        raise FindingsUnreadable("truncated", "the output ends inside the PatchMedic document")
    # Our JSON has no line breaks of its own; a console that wraps long lines may have put some in.
    text = "".join(lines[begins[0] + 1 : ends[0]])
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FindingsUnreadable("not-json", "what is between the markers is no JSON") from error
    if not isinstance(document, dict) or document.get("schema") != 1:
        raise FindingsUnreadable("schema", "the document is not of schema 1")
    return document


def _answers(document: Mapping[str, Any]) -> dict[str, tuple[str, dict[str, str]]]:
    checks = document.get("checks")
    if not isinstance(checks, list) or len(checks) > CHECKS_MAX:
        raise FindingsUnreadable("schema", "the document has no list of checks, or a huge one")
    answers: dict[str, tuple[str, dict[str, str]]] = {}
    for entry in checks:
        name = entry.get("check") if isinstance(entry, dict) else None
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise FindingsUnreadable("schema", "a check in the document has no name")
        if name in answers:
            raise FindingsUnreadable("several", f"check {name} answers twice")
        state = entry.get("state")
        if not isinstance(state, str) or state not in CHECK_STATES:
            raise FindingsUnreadable("schema", f"check {name} is in no state that is known")
        answers[name] = (state, _facts(entry.get("facts"), f"check {name}"))
    return answers


def _facts(raw: object, where: str) -> dict[str, str]:
    if not isinstance(raw, dict) or len(raw) > FACTS_MAX:
        raise FindingsUnreadable("schema", f"{where} has no facts, or far too many")
    facts: dict[str, str] = {}
    for name, value in raw.items():
        if not _FACT_NAME.fullmatch(name) or not isinstance(value, str):
            raise FindingsUnreadable("schema", f"a fact of {where} is no short text")
        longest = TAIL_CHARACTERS_MAX if name == "tail" else FACT_CHARACTERS_MAX
        facts[name] = _printable(value[:longest])
    return facts


def _printable(text: str) -> str:
    """Without what could move a cursor, reverse a line or break an encoding."""
    return "".join(c if c.isprintable() or c in "\n\t" else " " for c in text)


# --- from answers to findings ---------------------------------------------------------------------


def _speaks_for_the_network(name: str, answers: Mapping[str, tuple[str, dict[str, str]]]) -> bool:
    """0x80240437 means a broken client only where Windows Update can be reached."""
    if name != "wu-components" or answers[name][0] != "bad":
        return False
    code = answers[name][1].get("hresult", "").upper()
    return code.endswith("80240437") and answers.get("wu-reach", ("", {}))[0] == "bad"


def _judge(
    check: NodeCheck, state: str, facts: Mapping[str, str], node_id: str, platform: str
) -> list[Finding]:
    resource = facts.get(check.resource or "", "") or node_id
    words = node_words.WORDS[check.name]
    if state == "unknown":
        return [_neutral(check.name, resource, node_words.COULD_NOT_LOOK, facts)]
    if state == "ok":
        says = node_words.fill(words.ok, facts)
        return [
            Finding(check.name, Verdict.REFUTES, cause, resource, says, facts=facts)
            for cause in check.refutes
        ] or [Finding(check.name, Verdict.NEUTRAL, None, resource, says, facts=facts)]
    says = node_words.fill(words.bad, facts)
    rule = next((rule for rule in check.rules if rule.holds(facts)), None)
    if rule is None:
        fix = words.fix or {}
        return [Finding(check.name, Verdict.NEUTRAL, None, resource, says, fix, facts=facts)]
    advice = node_words.ADVICE[rule.cause]
    found = Finding(
        check.name,
        Verdict.CONFIRMS,
        rule.cause,
        resource,
        says,
        advice.fix,
        _commands(advice, platform, node_id, facts.get("host", "")),
        facts,
    )
    return [found] + [
        Finding(check.name, Verdict.REFUTES, cause, resource, says, facts=facts)
        for cause in rule.refutes
    ]


def _commands(advice: node_words.Advice, platform: str, node_id: str, host: str) -> tuple[str, ...]:
    """Ready to paste; the node's id and the Region go in only where they certainly are such."""
    commands = advice.commands.get(platform, ()) + advice.commands.get("", ())
    target = node_id if _NODE_ID.fullmatch(node_id) else "NODE_ID"
    region = _REGION.search(host)
    place = region.group(1) if region else "<REGION>"
    return tuple(c.replace("NODE_ID", target).replace("<REGION>", place) for c in commands)


def _neutral(
    name: str, resource: str, says: Mapping[str, str], facts: Mapping[str, str]
) -> Finding:
    seen = node_words.fill(says, {"check": name, **facts})
    return Finding(name, Verdict.NEUTRAL, None, resource, seen, facts=facts)
