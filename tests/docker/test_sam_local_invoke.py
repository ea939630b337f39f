"""Every command in events/README.md, run as it stands there: the real `sam local invoke`.

What this sees and no other test does: the layer's wheels, built for Lambda's Python, loaded by
that Python; the handlers started by AWS's runtime client; the template's variables as SAM CLI
resolves them.  The functions talk to the local cloud, in which the stack is deployed.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sam_harness import Invocation, Invoke

from patchmedic.cli.cloud import LocalCloud
from patchmedic.incident import incident_id
from patchmedic.signals import parse_event

pytestmark = pytest.mark.docker

ROOT = Path(__file__).resolve().parents[2]
EVENTS = ROOT / "events"
_COMMAND = re.compile(r"`sam local invoke (?P<function>\w+) -e events/(?P<event>[\w/.-]+)`")
_REJECTED_AS = re.compile(r"\| `(?P<code>[a-z-]+)` \| classify \|")


@dataclass(frozen=True)
class Row:
    """One line of the table in events/README.md."""

    function: str
    event: str
    rejected_as: str | None

    def __str__(self) -> str:
        return f"{self.function}:{self.event}"


def rows() -> list[Row]:
    found = []
    for line in (EVENTS / "README.md").read_text(encoding="utf-8").splitlines():
        command = _COMMAND.search(line)
        if command is None or not line.startswith("|"):
            continue
        code = _REJECTED_AS.search(line)
        found.append(Row(command["function"], command["event"], code["code"] if code else None))
    return found


ROWS = rows()


def load(name: str) -> Any:
    return json.loads((EVENTS / name).read_text(encoding="utf-8"))


def test_the_table_has_every_function_and_every_sample() -> None:
    assert {row.function for row in ROWS} == {
        "ClassifyFunction", "DiagnoseFunction", "RemediateFunction", "CollectFunction",
        "NotifyFunction", "WatchFunction", "SweepFunction", "ApproveFunction",
    }  # fmt: skip
    samples = {path.relative_to(EVENTS).as_posix() for path in EVENTS.rglob("*.json")}
    assert {row.event for row in ROWS} == samples


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_sample_event_in_its_container(row: Row, invoke: Invoke) -> None:
    done = invoke(row.function, EVENTS / row.event)
    assert isinstance(done.result, dict), done.log
    assert "errorMessage" not in done.result, f"{done.result}\n{done.log}"
    if row.rejected_as is not None:
        assert_rejected(done, row.rejected_as)
    else:
        CHECKS[row.function](done.result, row.event)


def test_a_failed_command_is_one_incident_however_often_it_comes(
    invoke: Invoke, cloud: LocalCloud
) -> None:
    parsed = parse_event(load("patch-command-failed.json"))
    assert isinstance(parsed, tuple)
    node = parsed[0].node
    for _ in range(2):
        invoke("ClassifyFunction", EVENTS / "patch-command-failed.json")
    opened = [one.id for one in cloud.store().recent(100) if one.node == node]
    assert opened == [incident_id(parsed[0])]


# --- what each function answers ---------------------------------------------------------------


def assert_rejected(done: Invocation, code: str) -> None:
    assert [outcome.get("rejected") for outcome in done.result["outcomes"]] == [code]
    assert done.result["batchItemFailures"] == []
    assert code in done.log
    assert '"SignalsRejected"' in done.log


def check_classify(result: dict[str, Any], event: str) -> None:
    assert result["batchItemFailures"] == []
    if event == "signals-batch.json":
        said = [outcome.get("signal") or outcome["rejected"] for outcome in result["outcomes"]]
        assert said == ["patch-command-failed", "not-json", "ping-lost"]
        return
    parsed = parse_event(load(event))
    assert isinstance(parsed, tuple)
    assert result["outcomes"] != []
    for outcome in result["outcomes"]:
        assert outcome["signal"] == parsed[0].kind.value
        assert outcome.get("incident") or outcome["skipped"]


def check_effects(result: dict[str, Any], event: str) -> None:
    effect_id = json.loads(load(event)["Records"][0]["body"])["effect_id"]
    assert result["batchItemFailures"] == []
    assert [outcome["effect"] for outcome in result["outcomes"]] == [effect_id]


def check_collect(result: dict[str, Any], event: str) -> None:
    sample = load(event)
    if "Records" in sample:
        sample = json.loads(sample["Records"][0]["body"])
    assert result["batchItemFailures"] == []
    (outcome,) = result["outcomes"]
    assert outcome["command"] == sample["detail"]["command-id"]
    assert outcome["done"] == "not ours"  # nobody of ours sent the sample's command


def check_watch(result: dict[str, Any], _event: str) -> None:
    assert isinstance(result["lost"], list)


def check_sweep(result: dict[str, Any], _event: str) -> None:
    assert result["failed"] == 0


def check_approve(result: dict[str, Any], event: str) -> None:
    assert "rejected" not in result
    assert load(event)["incident_id"] in json.dumps(result)


CHECKS = {
    "ClassifyFunction": check_classify,
    "DiagnoseFunction": check_effects,
    "RemediateFunction": check_effects,
    "NotifyFunction": check_effects,
    "CollectFunction": check_collect,
    "WatchFunction": check_watch,
    "SweepFunction": check_sweep,
    "ApproveFunction": check_approve,
}
