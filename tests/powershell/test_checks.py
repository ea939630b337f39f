"""Check-Windows, unchanged, on recorded nodes: healthy ones, and one for each fault."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import yaml
from tests.powershell.node import FOLDER, load, merge
from tests.powershell.scripts import look

HEALTHY = ("server-2012-r2-ja", "server-2016-ja", "server-2019", "server-2022-proxy")
FAULTS: dict[str, dict[str, Any]] = yaml.safe_load((FOLDER / "faults.yaml").read_text("utf-8"))

Answers = dict[str, dict[str, str]]


@cache
def healthy(name: str) -> Answers:
    return look(load(name)).answers


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_node_has_nothing_wrong(name: str) -> None:
    answers = healthy(name)
    assert {check: a["state"] for check, a in answers.items() if a["state"] != "ok"} == {}
    assert len(answers) == 29


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_by_its_check_and_by_no_other(name: str) -> None:
    fault = FAULTS[name]
    base = fault.get("base", "server-2019")
    run = look(merge(load(base), fault["change"]))
    assert run.code == 0
    answers = run.answers
    for check, expected in fault["says"].items():
        said = {fact: answers[check].get(fact) for fact in expected}
        assert said == expected, check
    for check, answer in healthy(base).items():
        if check not in fault["says"]:
            assert answers[check] == answer, check
