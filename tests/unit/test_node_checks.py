"""What the library makes of what our documents print: findings, or one named error."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patchmedic.checks import node_words
from patchmedic.checks.node import (
    CHECKS,
    TAIL_CHARACTERS_MAX,
    FindingsUnreadable,
    RemedyResult,
    checks_for,
    parse_findings,
    parse_remedy,
    tail_of,
)
from patchmedic.model import LANGUAGES, Finding, Verdict

ROOT = Path(__file__).resolve().parents[2]
NODE = "i-0a1b2c3d4e5f60001"
BEGIN, END = "<<<PATCHMEDIC-FINDINGS", "PATCHMEDIC-FINDINGS>>>"


def output(*checks: dict[str, Any], platform: str = "linux", **fields: Any) -> str:
    document = {"schema": 1, "platform": platform, "checks": list(checks), **fields}
    return f"{BEGIN}\n{json.dumps(document)}\n{END}\n"


def answer(check: str, state: str, /, **facts: str) -> dict[str, Any]:
    return {"check": check, "state": state, "facts": facts}


def verdicts(*checks: dict[str, Any], platform: str = "linux") -> set[tuple[str, str | None]]:
    findings = parse_findings(output(*checks, platform=platform), NODE)
    return {(f.verdict.value, f.cause) for f in findings}


# --- the table ------------------------------------------------------------------------------------

CONFIRMED = [
    ("disk-space", {"path": "/var", "free_mb": "1"}, "disk-full"),
    ("package-lock", {"manager": "apt"}, "package-manager-locked"),
    ("patch-runs", {"running": "2"}, "concurrent-run"),
    ("payload-leftovers", {"folders": "/var/log/amazon/ssm/x"}, "concurrent-run"),
    ("credentials", {"source": "environment"}, "credentials-invalid"),
    ("credentials", {"source": "shared-file"}, "credentials-invalid"),
    ("s3-reach", {"error": "timeout"}, "s3-unreachable"),
    ("s3-reach", {"error": "refused"}, "s3-unreachable"),
    ("s3-reach", {"error": "reset"}, "s3-unreachable"),
    ("s3-reach", {"error": "dns"}, "dns-failure"),
    ("s3-reach", {"error": "tls"}, "tls-failure"),
    ("s3-reach", {"error": "proxy"}, "proxy-misconfigured"),
    ("s3-reach", {"error": "http-403"}, "s3-access-denied"),
    ("ssm-reach", {"error": "timeout"}, "ssm-endpoint-unreachable"),
    ("ssm-reach", {"error": "dns"}, "dns-failure"),
    ("ssm-reach", {"error": "tls"}, "tls-failure"),
    ("package-repositories", {"error": "timeout"}, "repository-unreachable"),
    ("agent", {"state": "stopped"}, "agent-not-running"),
    ("imds", {"status": "timeout"}, "imds-unreachable"),
    ("imds", {"status": "403"}, "imds-unreachable"),
    ("imds", {"status": "404", "role": ""}, "instance-profile-missing"),
    ("dpkg-state", {"broken": "bash"}, "package-db-corrupt"),
    ("clock", {"offset_seconds": "900"}, "clock-skew"),
    ("wu-services", {"service": "BITS", "start_type": "Disabled"}, "wu-service-disabled"),
    ("wu-reach", {"error": "timeout", "wsus": ""}, "wu-unreachable"),
    ("wu-reach", {"error": "timeout", "wsus": "http://wsus:8530"}, "wsus-failure"),
    ("wu-components", {"hresult": "0x80248007"}, "wu-components-broken"),
    ("wu-proxy", {"agent": "http://p:1", "winhttp": ""}, "proxy-misconfigured"),
]

REFUTED = {
    "disk-space": {"disk-full"},
    "package-lock": {"package-manager-locked"},
    "patch-runs": set(),
    "payload-leftovers": set(),
    "credentials": {"credentials-invalid"},
    "s3-reach": {"s3-unreachable"},
    "ssm-reach": {"ssm-endpoint-unreachable"},
    "package-repositories": {"repository-unreachable"},
    "agent": {"agent-not-running"},
    "imds": {"imds-unreachable", "instance-profile-missing"},
    "dpkg-state": {"package-db-corrupt"},
    "clock": {"clock-skew"},
    "wu-services": {"wu-service-disabled"},
    "wu-reach": {"wu-unreachable"},
    "wu-components": {"wu-components-broken"},
    "wu-proxy": set(),
    "reboot-pending": set(),
    "patch-log-tail": set(),
}


@pytest.mark.parametrize(("check", "facts", "cause"), CONFIRMED)
def test_bad_confirms(check: str, facts: dict[str, str], cause: str) -> None:
    findings = parse_findings(output(answer(check, "bad", **facts)), NODE)
    confirmed = [f for f in findings if f.verdict is Verdict.CONFIRMS]
    assert [f.cause for f in confirmed] == [cause]
    assert set(confirmed[0].fix) == set(LANGUAGES)


@pytest.mark.parametrize("check", CHECKS)
def test_ok_refutes(check: str) -> None:
    found = verdicts(answer(check, "ok"))
    assert found == ({("refutes", cause) for cause in REFUTED[check]} or {("neutral", None)})


@pytest.mark.parametrize("check", CHECKS)
def test_unknown_decides_nothing_and_says_why(check: str) -> None:
    (finding,) = parse_findings(output(answer(check, "unknown", why="no tool")), NODE)
    assert (finding.verdict, finding.cause) == (Verdict.NEUTRAL, None)
    assert all("no tool" in finding.says[language] for language in LANGUAGES)


@pytest.mark.parametrize(
    ("check", "facts"),
    [
        ("reboot-pending", {"reasons": "/run/reboot-required"}),
        ("credentials", {"source": "somewhere"}),
        ("wu-proxy", {"agent": ""}),
        ("s3-reach", {}),
    ],
)
def test_bad_without_a_rule_is_told_and_confirms_nothing(check: str, facts: dict[str, str]) -> None:
    assert verdicts(answer(check, "bad", **facts)) == {("neutral", None)}


def test_a_denied_payload_shows_that_s3_is_reached() -> None:
    assert ("refutes", "s3-unreachable") in verdicts(answer("s3-reach", "bad", error="http-403"))


def test_a_missing_role_shows_that_metadata_answers() -> None:
    assert ("refutes", "imds-unreachable") in verdicts(answer("imds", "bad", status="404"))


def test_the_ambiguous_code_means_a_broken_client_only_where_windows_update_answers() -> None:
    broken = answer("wu-components", "bad", hresult="0x80240437", count="1", source="patch run")
    unreachable = answer("wu-reach", "bad", error="timeout", wsus="")
    assert ("confirms", "wu-components-broken") in verdicts(broken)
    assert ("confirms", "wu-components-broken") in verdicts(broken, answer("wu-reach", "ok"))
    both = verdicts(broken, unreachable)
    assert ("confirms", "wu-components-broken") not in both
    assert ("confirms", "wu-unreachable") in both
    store = answer("wu-components", "bad", hresult="0x80248007")
    assert ("confirms", "wu-components-broken") in verdicts(store, unreachable)


# --- registry, documents and words are the same list ----------------------------------------------


def documents() -> dict[str, Any]:
    spec = importlib.util.spec_from_file_location("build", ROOT / "documents" / "build.py")
    assert spec is not None
    assert spec.loader is not None
    build = importlib.util.module_from_spec(spec)
    sys.modules["build"] = build
    spec.loader.exec_module(build)
    return {document.suffix: document for document in build.load_documents()}


def closed_list(script: str) -> set[str]:
    """The names that a document's script knows."""
    shell = re.search(r"PLATFORM_CHECKS='([^']*)'", script)
    if shell:
        return set(shell.group(1).split())
    windows = re.search(r"\$Order = @\(([^)]*)\)", script)
    assert windows, "the script has no closed list"
    return set(re.findall(r"'([a-z0-9-]+)'", windows.group(1)))


@pytest.mark.parametrize(
    ("suffix", "platform"),
    [("Check-Linux", "linux"), ("Check-MacOS", "macos"), ("Check-Windows", "windows")],
)
def test_the_documents_and_the_registry_hold_the_same_names(suffix: str, platform: str) -> None:
    script = documents()[suffix].script
    names = closed_list(script)
    assert names == {name for name, check in CHECKS.items() if platform in check.platforms}
    for name in names:
        function = f"check_{name.replace('-', '_')}() {{"
        assert function in script or f"$Looks['{name}'] = {{" in script, name


def test_every_check_has_words_and_every_cause_advice() -> None:
    assert set(node_words.WORDS) == set(CHECKS)
    causes = {rule.cause for check in CHECKS.values() for rule in check.rules}
    assert set(node_words.ADVICE) == causes
    texts = [w.ok for w in node_words.WORDS.values()] + [w.bad for w in node_words.WORDS.values()]
    texts += [a.fix for a in node_words.ADVICE.values()]
    texts += [w.fix for w in node_words.WORDS.values() if w.fix]
    texts += [node_words.COULD_NOT_LOOK, node_words.UNKNOWN_CHECK, node_words.NETWORK_FIRST]
    for text in texts:
        assert set(text) == set(LANGUAGES)
        assert re.search(r"[぀-ヿ一-鿿]", text["ja"]), text
        assert not re.search(r"[぀-ヿ一-鿿]", text["en"]), text
        places = [set(re.findall(r"\{(\w+)\}", text[language])) for language in LANGUAGES]
        assert places[0] == places[1], text


def test_every_cause_has_its_commands_where_its_checks_run() -> None:
    for check in CHECKS.values():
        for rule in check.rules:
            commands = node_words.ADVICE[rule.cause].commands
            if rule.cause in {"concurrent-run", "proxy-misconfigured"} or "" in commands:
                continue
            assert set(check.platforms) <= set(commands), (check.name, rule.cause)


def test_checks_are_chosen_by_cause_and_platform() -> None:
    assert checks_for(["disk-full"], "linux") == ("disk-space",)
    assert set(checks_for(["wu-components-broken"], "windows")) == {
        "wu-components",
        "wu-reach",
        "wu-services",
    }
    assert "package-lock" not in checks_for(["package-manager-locked", "disk-full"], "windows")
    assert set(checks_for(["concurrent-run"], "linux")) == {"patch-runs", "payload-leftovers"}
    everything = checks_for([], "windows")
    assert set(everything) == {n for n, c in CHECKS.items() if "windows" in c.platforms}
    assert checks_for(["gpg-key-missing"], "macos") == checks_for([], "macos")
    assert len(",".join(checks_for([], "linux")).split(",")) <= 30


# --- untrusted text -------------------------------------------------------------------------------

UNREADABLE = [
    ("", "no-marker"),
    ("hello", "no-marker"),
    (f"x {BEGIN}\n{{}}\n{END}\n", "no-marker"),
    (f'{BEGIN}\n{{"schema":1', "truncated"),
    (f"{END}\n{BEGIN}\n", "truncated"),
    (output() + output(), "several"),
    (output() + END, "several"),
    (f"{BEGIN}\nnot json\n{END}", "not-json"),
    (f"{BEGIN}\n{END}", "not-json"),
    (f"{BEGIN}\n{'[' * 20000}\n{END}", "not-json"),
    (f"{BEGIN}\n{'9' * 5000}\n{END}", "not-json"),
    (f"{BEGIN}\n[]\n{END}", "schema"),
    (f"{BEGIN}\n{{}}\n{END}", "schema"),
    (output(schema=2), "schema"),
    (output(platform="beos"), "schema"),
    (output(platform=7), "schema"),  # type: ignore[arg-type]
    (f'{BEGIN}\n{{"schema":1,"platform":"linux","checks":{{}}}}\n{END}', "schema"),
    (output(*[answer(f"c-{n}", "ok") for n in range(41)]), "schema"),
    (output("disk-space"), "schema"),  # type: ignore[arg-type]
    (output({"check": "Disk Space", "state": "ok", "facts": {}}), "schema"),
    (output({"check": "disk-space", "state": "fine", "facts": {}}), "schema"),
    (output({"check": "disk-space", "state": ["ok"], "facts": {}}), "schema"),
    (output({"check": "disk-space", "state": "ok"}), "schema"),
    (output({"check": "disk-space", "state": "ok", "facts": {"a": 1}}), "schema"),
    (output({"check": "disk-space", "state": "ok", "facts": {"a b": "1"}}), "schema"),
    (output(answer("agent", "ok", **{f"f{n}": "" for n in range(21)})), "schema"),
    (output(answer("agent", "ok"), answer("agent", "bad")), "several"),
    ("x" * 50_000, "too-long"),
]


@pytest.mark.parametrize(("stdout", "code"), UNREADABLE, ids=range(len(UNREADABLE)))
def test_what_is_no_document_is_a_named_error(stdout: str, code: str) -> None:
    with pytest.raises(FindingsUnreadable) as caught:
        parse_findings(stdout, NODE)
    assert caught.value.code == code
    assert caught.value.reason == str(caught.value)


def test_noise_around_the_document_and_wrapped_lines_do_no_harm() -> None:
    text = output(answer("disk-space", "ok", path="/var"))
    body = text.split("\n")[1]
    wrapped = "\r\n".join([BEGIN, *(body[n : n + 79] for n in range(0, len(body), 79)), END])
    (finding,) = parse_findings(f"motd\r\n{wrapped}\r\nbye\r\n", NODE)
    assert finding.resource == "/var"


def test_a_check_of_a_newer_document_is_kept_and_decides_nothing() -> None:
    found = parse_findings(output(answer("new-check", "bad", x="1"), answer("agent", "ok")), NODE)
    assert [(f.check, f.verdict) for f in found] == [
        ("new-check", Verdict.NEUTRAL),
        ("agent", Verdict.REFUTES),
    ]


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


@pytest.mark.parametrize(
    ("tail", "ends"),
    [
        ("out\n--- stderr ---\nerr", ("out", "err")),
        ("out\n--- stderr ---\n", ("out", "")),
        ("a\n--- stderr ---\nb\n--- stderr ---\nerr", ("a\n--- stderr ---\nb", "err")),
        ("no mark at all", ("no mark at all", "")),
    ],
)
def test_a_tail_is_taken_apart_into_its_streams(tail: str, ends: tuple[str, str]) -> None:
    found = parse_findings(output(answer("patch-log-tail", "ok", command="c", tail=tail)), NODE)
    assert tail_of(found, "c") == ends


def test_only_the_asked_commands_tail_is_taken() -> None:
    found = parse_findings(output(answer("patch-log-tail", "ok", command="c", tail="x")), NODE)
    assert tail_of(found, "another") is None
    assert tail_of(parse_findings(output(answer("agent", "ok", tail="x")), NODE), "c") is None
    old = parse_findings(output(answer("patch-log-tail", "ok", tail="x")), NODE)
    assert tail_of(old, "c") is None, "a document that names no command is not believed"


def test_long_facts_are_cut() -> None:
    checks = [
        answer("agent", "ok", version="9" * 9000),
        answer("patch-log-tail", "ok", tail="x" * 9000),
    ]
    agent, tail = parse_findings(output(*checks), NODE)
    assert len(agent.facts["version"]) == 300
    assert len(tail.facts["tail"]) == TAIL_CHARACTERS_MAX


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4)
    ),
    max_leaves=12,
)
near_answers = st.fixed_dictionaries(
    {
        "check": st.sampled_from(sorted(CHECKS)) | json_values,
        "state": st.sampled_from(["ok", "bad", "unknown"]) | json_values,
        "facts": st.dictionaries(st.sampled_from(["error", "path", "status", "why"]), st.text())
        | json_values,
    }
)
near_documents = st.fixed_dictionaries(
    {
        "schema": st.sampled_from([1, 1, 1, "1", None]),
        "platform": st.sampled_from(["linux", "windows", "macos"]) | json_values,
        "checks": st.lists(near_answers, max_size=5) | json_values,
    }
)
texts = (
    st.text()
    | st.builds(lambda d: f"{BEGIN}\n{json.dumps(d)}\n{END}", near_documents | json_values)
    | st.builds(
        lambda d, cut: f"{BEGIN}\n{json.dumps(d)}\n{END}"[:cut], near_documents, st.integers(0, 400)
    )
)


@settings(max_examples=400, deadline=None)
@given(texts, st.text(max_size=40))
def test_any_text_gives_findings_or_the_one_error(stdout: str, node_id: str) -> None:
    try:
        findings = parse_findings(stdout, node_id)
    except FindingsUnreadable:
        return
    for finding in findings:
        assert isinstance(finding, Finding)
        assert set(finding.says) == set(LANGUAGES)


# --- remedies' results ----------------------------------------------------------------------------


def remedy_output(**fields: Any) -> str:
    document = {"schema": 1, "remedy": "free-disk-space", "state": "done", "facts": {}, **fields}
    return f"<<<PATCHMEDIC-REMEDY\n{json.dumps(document)}\nPATCHMEDIC-REMEDY>>>\n"


def test_a_remedys_result() -> None:
    text = remedy_output(facts={"freed_mb": "812", "removed_folders": ""})
    assert parse_remedy(text) == RemedyResult("free-disk-space", "done", {"freed_mb": "812"})


@pytest.mark.parametrize(
    "fields",
    [
        {"state": "cured"},
        {"state": None},
        {"remedy": ""},
        {"remedy": 1},
        {"facts": []},
        {"schema": 0},
    ],
    ids=str,
)
def test_a_remedy_that_says_nothing_readable(fields: dict[str, Any]) -> None:
    with pytest.raises(FindingsUnreadable):
        parse_remedy(remedy_output(**fields))


def test_findings_are_no_remedys_result() -> None:
    with pytest.raises(FindingsUnreadable) as caught:
        parse_remedy(output())
    assert caught.value.code == "no-marker"
