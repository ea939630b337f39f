"""What the node checks say: both languages, with the facts; and commands without any fact."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from node_answers import NODE, answer, output

from patchmedic.checks.node import CHECKS, CHECKS_MAX, FACTS_MAX, parse_findings, words
from patchmedic.model import LANGUAGES, Text
from patchmedic.notices.mail import COMMANDS_SHOWN_MAX, FIX_CHARACTERS_MAX

_JAPANESE = re.compile(r"[぀-ヿ一-鿿]")
_PLACE = re.compile(r"\{(\w+)\}")
_TO_FILL = re.compile(r"<[A-Z_]+>|<local>")


def advices() -> Iterator[words.Advice]:
    yield from words.ADVICE.values()
    for said in words.WORDS.values():
        every = [said.advice, *(special.advice for special in said.special.values())]
        yield from (advice for advice in every if advice)


def sentences() -> Iterator[Text]:
    for said in words.WORDS.values():
        yield from (said.ok, said.bad, *(special.text for special in said.special.values()))
    yield from (words.COULD_NOT_LOOK, words.UNKNOWN_CHECK, words.NETWORK_FIRST, words.CLOCK_FIRST)


# --- nothing is missing ---------------------------------------------------------------------------


def test_every_check_has_words_and_every_cause_advice() -> None:
    assert set(words.WORDS) == set(CHECKS)
    causes = {rule.cause for check in CHECKS.values() for rule in check.rules if rule.cause}
    assert set(words.ADVICE) == causes


def test_every_special_sentence_is_some_rules_and_the_other_way_round() -> None:
    for name, check in CHECKS.items():
        named = {rule.says for rule in check.rules + check.when_ok if rule.says}
        assert named == set(words.WORDS[name].special), name


def test_all_texts_are_in_both_languages_with_the_same_facts() -> None:
    texts = [*sentences(), *(advice.fix for advice in advices())]
    for text in texts:
        assert set(text) == set(LANGUAGES)
        assert _JAPANESE.search(text["ja"]), text
        assert not _JAPANESE.search(text["en"]), text
        places = [set(_PLACE.findall(text[language])) for language in LANGUAGES]
        assert places[0] == places[1], text


def test_a_confirmed_cause_has_commands_wherever_its_check_runs() -> None:
    for check in CHECKS.values():
        said = words.WORDS[check.name]
        for rule in check.rules:
            special = said.special.get(rule.says)
            own = special.advice if special else said.advice
            advice = own or words.ADVICE.get(rule.cause or "")
            assert advice, (check.name, rule)
            if own and rule.says == "agent-only":
                assert set(advice.commands) == {"windows"}, "only Windows has a WinHTTP"
            elif "" not in advice.commands:
                assert set(check.platforms) <= set(advice.commands), (check.name, rule)


def test_what_confirms_nothing_has_advice_too() -> None:
    for name, check in CHECKS.items():
        if not any(rule.fact is None for rule in check.rules) and name != "patch-log-tail":
            usual = words.WORDS[name].advice or any(rule.cause for rule in check.rules)
            assert usual, name


def test_commands_are_a_few_single_lines_without_facts() -> None:
    for advice in advices():
        assert all(len(text) <= FIX_CHARACTERS_MAX for text in advice.fix.values())
        assert set(advice.commands) <= {"linux", "macos", "windows", ""}
        for platform, commands in advice.commands.items():
            shown = {*commands, *advice.commands.get("", ())}
            assert len(shown) <= COMMANDS_SHOWN_MAX, "a mail shows no more"
            for command in commands:
                assert command.isprintable() and command == command.strip(), command
                assert not _PLACE.search(command), command
                assert command.isascii(), command
                if platform in ("linux", "macos"):
                    assert "\\Windows" not in command, command


# --- what a node's facts can do -------------------------------------------------------------------


def test_text_from_a_node_stays_text() -> None:
    evil = "{holder_pid} {0.__class__} %s $(id) \x1b[2J\u202e\ud800"
    stdout = output(answer("package-lock", "bad", holder=evil, holder_pid="7", lock="/l"))
    (finding,) = parse_findings(stdout, "i-1; rm -rf /")
    assert "{holder_pid} {0.__class__} %s $(id)" in finding.says["en"]
    assert finding.says["en"].isprintable()
    finding.says["ja"].encode()
    assert not any("rm -rf" in c or "$(id)" in c for c in finding.commands)


def test_ids_go_into_commands_only_where_they_are_ids() -> None:
    stdout = output(answer("imds", "bad", status="404"))
    (found, *_) = parse_findings(stdout, NODE)
    assert any(NODE in command for command in found.commands)
    (found, *_) = parse_findings(stdout, "i-0a1b2c3d4e5f60001\n; id")
    assert any("NODE_ID" in command for command in found.commands)
    reach = answer("s3-reach", "bad", error="dns", host="s3.eu-west-1.amazonaws.com")
    (found,) = parse_findings(output(reach), NODE)
    assert "getent hosts ssm.eu-west-1.amazonaws.com" in found.commands
    reach["facts"]["host"] = "s3.$(id).amazonaws.com"
    (found,) = parse_findings(output(reach), NODE)
    assert "getent hosts ssm.<REGION>.amazonaws.com" in found.commands


def test_the_way_a_proxy_is_wrong_is_said() -> None:
    def said(**facts: str) -> str:
        (found,) = parse_findings(output(answer("proxies", "bad", **facts)), NODE)
        return found.says["en"]

    assert "does not work: timeout" in said(error="timeout", proxy="http://p:1", bypass="no")
    assert "Only the agent" in said(agent_only="http://p:1", disagree="winhttp")
    assert "not exempt" in said(agent="http://p:1", bypass="no", disagree="environment")
    assert "different proxies" in said(agent="http://p:1", bypass="yes", disagree="environment")


def test_who_intercepts_is_named_and_what_to_do() -> None:
    seen = answer(
        "tls", "ok", host="s3.eu-west-1.amazonaws.com", issuer="Corp CA", intercepted="yes"
    )
    (found,) = parse_findings(output(seen), NODE)
    assert "Corp CA" in found.says["en"]
    assert "Corp CA" in found.says["ja"]
    assert any("ssm.eu-west-1.amazonaws.com" in command for command in found.commands)
    assert set(found.fix) == set(LANGUAGES)


def test_missing_roots_are_named_unless_nobody_could_look() -> None:
    def said(roots: str) -> str:
        (found,) = parse_findings(output(answer("tls", "ok", roots_missing=roots)), NODE)
        return found.says["en"]

    assert "CA-3" in said("CA-3")
    assert said("unknown") == said("")


_VALUES = st.sampled_from(
    sorted(
        value
        for check in CHECKS.values()
        for rule in check.rules + check.when_ok
        for value in rule.values or ()
    )
)
_FACT_NAMES = sorted(
    {place for text in sentences() for place in _PLACE.findall(text["en"])}
    | {rule.fact for check in CHECKS.values() for rule in check.rules if rule.fact}
)
_MARK = "zq7"
_TEXTS = st.text(max_size=20).map(lambda text: f"{_MARK}{text}") | st.just(f"$({_MARK})")


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(sorted(CHECKS)),
    st.sampled_from(["ok", "bad", "unknown"]),
    st.sampled_from(["linux", "macos", "windows"]),
    st.dictionaries(st.sampled_from(_FACT_NAMES), _VALUES | _TEXTS, max_size=FACTS_MAX),
)
def test_any_facts_give_texts_in_both_languages_and_commands_without_them(
    check: str, state: str, platform: str, facts: dict[str, str]
) -> None:
    findings = parse_findings(output(answer(check, state, **facts), platform=platform), NODE)
    assert findings
    for found in findings:
        assert set(found.says) == set(LANGUAGES)
        assert found.fix == {} or set(found.fix) == set(LANGUAGES)
        assert not any(_MARK in command for command in found.commands)
        assert not any(_MARK in text for text in found.fix.values())
        assert found.resource


def test_all_findings_of_a_node_fit_where_they_are_kept() -> None:
    """DynamoDB keeps at most 400 KB an item, and a table's item holds more than findings."""
    facts = {f"f{n}": "x" * 300 for n in range(FACTS_MAX - 1)} | {"error": "timeout"}
    names = sorted(CHECKS)[: CHECKS_MAX - 1]
    every = [answer(name, "bad", **facts) for name in names]
    findings = []
    while every:
        stdout = output(*every[:3])
        findings += parse_findings(stdout, NODE)
        every = every[3:]
    shown = [[f.says, f.fix, f.commands, dict(f.facts)] for f in findings]
    assert len(json.dumps(shown, ensure_ascii=False).encode()) < 400_000


@pytest.mark.parametrize("host", ["s3.eu-west-1.amazonaws.com ssm.eu-west-1.amazonaws.com", ""])
def test_commands_leave_only_what_a_reader_fills(host: str) -> None:
    for name in CHECKS:
        for platform in ("linux", "windows"):
            stdout = output(answer(name, "bad", error="timeout", host=host), platform=platform)
            for found in parse_findings(stdout, NODE):
                for command in found.commands:
                    left = _TO_FILL.findall(command)
                    assert not host or "<REGION>" not in left, command
                    assert "NODE_ID" not in command


# --- why a check could not look -------------------------------------------------------------------

CHECK_SCRIPTS = Path(__file__).resolve().parents[2] / "documents"
_REASON = re.compile(
    r"""(?:unknown|could_not_look|NO_TOOL=|NO_MANAGER=|why =|why=|detail=|no_answer "\$name")"""
    r"""[ ]?(?P<quote>['"])(?P<why>[A-Za-z][^'"$]* [^'"$]*)(?P=quote)"""
)


def reasons() -> set[str]:
    """The fixed sentences that the scripts give as a reason."""
    files = [*CHECK_SCRIPTS.glob("check/*"), *CHECK_SCRIPTS.glob("lib/*")]
    return {m["why"] for file in files for m in _REASON.finditer(file.read_text("utf-8"))}


def test_every_reason_of_the_scripts_is_told_in_japanese() -> None:
    found = reasons()
    assert len(found) > 30
    assert not {why for why in found if words.in_japanese(why) == why}


@pytest.mark.parametrize(
    "why",
    [
        "not done within 20 seconds",
        "no check of this name for linux",
        "no time to ask 3 of the repositories",
        "ssm.ap-northeast-1.amazonaws.com is not reached: timeout",
        "the certificate /etc/pki/consumer/cert.pem could not be read",
    ],
)
def test_a_reason_with_a_name_or_number_in_it_keeps_it(why: str) -> None:
    said = words.in_japanese(why)
    assert _JAPANESE.search(said)
    held = re.findall(r"[0-9]+|linux|ssm[a-z0-9.-]+|timeout|/etc[a-z/.]+", why)
    assert all(part in said for part in held)


@given(st.text(max_size=200))
def test_any_other_reason_stays_as_the_node_said_it(why: str) -> None:
    said = words.in_japanese(why)
    assert said == why or _JAPANESE.search(said)


def test_a_reason_stands_in_each_readers_language() -> None:
    (finding,) = parse_findings(output(answer("dns", "unknown", why="no answer in time")), NODE)
    assert "no answer in time" in finding.says["en"]
    assert "時間内に応答がなかった" in finding.says["ja"]
    assert "no answer" not in finding.says["ja"]
