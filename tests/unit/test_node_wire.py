"""The documents' output as text: a document of known shape, or the one named error."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from node_answers import BEGIN, END, NODE, answer, output

from patchmedic.checks.node import (
    CHECKS,
    TAIL_CHARACTERS_MAX,
    FindingsUnreadable,
    RemedyResult,
    parse_findings,
    parse_remedy,
    tail_of,
)
from patchmedic.model import LANGUAGES, Finding, Verdict

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
