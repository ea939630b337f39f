"""The accuracy report: what it counts as right, and that a wrong file is named, not skipped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from benchmarks.accuracy import Case, Score, confusion, main, report, score, score_by

LOCKED = "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 20411 (apt)\n"


def case(label: str, answer: str, **fields: Any) -> Case:
    given: dict[str, Any] = {
        "id": f"{label}-{answer}",
        "platform": "linux",
        "also": (),
        "candidates": (answer,),
        "confidence": 0.9,
        "remedy": None,
        "line": "",
    }
    return Case(label=label, answer=answer, **(given | fields))


def test_an_accepted_answer_is_right_but_not_exact() -> None:
    cases = [case("dns-failure", "dns-failure"), case("unknown", "throttled", also=("throttled",))]
    assert score(cases) == Score(cases=2, top1=2, exact=1, top3=2)


def test_top_3_looks_no_further_than_the_third_candidate() -> None:
    third = ("disk-full", "out-of-memory", "dns-failure", "throttled")
    cases = [
        case("dns-failure", "disk-full", candidates=third),
        case("throttled", "disk-full", candidates=third),
    ]
    assert score(cases) == Score(cases=2, top1=0, exact=0, top3=1)


def test_dangerous_answers_are_told_apart() -> None:
    cases = [
        case("benign", "disk-full", remedy="free-disk-space"),
        case("benign", "unknown"),
        case("throttled", "benign"),
        case("throttled", "dns-failure", remedy="retry-later"),
        case("throttled", "throttled", remedy="retry-later"),
    ]
    found = report(cases)
    assert found["false_alarms"] == ["benign-disk-full"]
    assert found["overlooked"] == ["throttled-benign"]
    assert found["wrong_with_remedy"] == ["benign-disk-full", "throttled-dns-failure"]
    assert [each["id"] for each in found["wrong"]] == [each.id for each in cases[:4]]
    assert confusion(cases)["throttled"] == {"benign": 1, "dns-failure": 1, "throttled": 1}


def test_groups_add_up() -> None:
    cases = [
        case("throttled", "throttled"),
        case("throttled", "unknown", platform="windows"),
        case("benign", "benign", platform="windows"),
    ]
    by_platform = score_by(cases, lambda each: each.platform)
    assert {name: (each.cases, each.top1) for name, each in by_platform.items()} == {
        "linux": (1, 1),
        "windows": (2, 1),
    }
    assert score_by([], lambda each: each.label) == {}


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "corpus.jsonl"
    record = {"id": "a", "platform": "linux", "stdout": LOCKED, "label": "package-manager-locked"}
    other = {"id": "b", "platform": "linux", "stdout": LOCKED, "label": "disk-full", "also": []}
    path.write_text(f"{json.dumps(record)}\n\n{json.dumps(other)}\n", encoding="utf-8")
    return path


def test_any_file_of_the_shape_is_judged(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(corpus)]) == 0
    shown = capsys.readouterr().out
    assert "2 cases: top-1 50.0%" in shown
    assert "wrong, with a remedy: 1 (b)" in shown
    assert main([str(corpus), "--json"]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert plain["all"] == {"cases": 2, "top1": 1, "exact": 1, "top3": 1}
    assert main([str(corpus), "--min-top1", "0.6"]) == 1


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "corpus.jsonl:4: is not JSON"),
        ("[]", "corpus.jsonl:4: is a JSON list, expected an object"),
        ('{"id": "c", "label": "lupus"}', "corpus.jsonl:4: label or also: 'lupus' is not a cause"),
        ('{"id": "c"}', "corpus.jsonl:4: label or also: None is not a cause"),
        ('{"id": "c", "label": "benign", "stdout": 1}', "corpus.jsonl:4: stdout: is a int"),
    ],
)
def test_a_line_that_is_no_failure_is_named(
    corpus: Path, capsys: pytest.CaptureFixture[str], line: str, said: str
) -> None:
    with corpus.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    assert main([str(corpus)]) == 2
    assert said in capsys.readouterr().err


def test_our_own_samples_are_judged_right(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--min-top1", "1.0"]) == 0, capsys.readouterr().out
