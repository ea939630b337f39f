"""From an association's event to nodes and commands, and how few calls that takes.

State Manager's calls are allowed four a second in an account, and an association that fails on a
thousand nodes raises a thousand events.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from incident_samples import signal

from patchmedic.errors import AwsThrottled, AwsUnavailable
from patchmedic.expansion import EXECUTIONS_READ_MAX, TARGET_PAGES_MAX, SignalExpander
from patchmedic.model import Signal, SignalKind, Skip

AT = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
ASSOCIATION = "8dfe3659-4309-493a-8755-0123456789ab"
SLOW = ("DescribeAssociationExecutions", "DescribeAssociationExecutionTargets")


def node(number: int) -> str:
    return f"i-{number:017x}"


def command(number: int) -> str:
    return f"{number:08x}-5000-4000-8000-000000000000"


@dataclass
class Run:
    """One execution: what came of it on each node, and by which command."""

    started: datetime
    results: dict[str, tuple[str, str | None]]
    """Node -> status and command id."""


@dataclass
class Ssm:
    """State Manager with one association, as far as its events are followed; counts the calls."""

    runs: dict[str, Run]
    calls: Counter[str] = field(default_factory=Counter)
    throttles: bool = False
    gone: bool = False

    def get(self, *_: Any, **__: Any) -> Ssm:
        return self

    def _slow(self, name: str) -> None:
        self.calls[name] += 1
        if self.throttles:
            raise _error("ThrottlingException", name)
        if self.gone:
            raise _error("AssociationDoesNotExist", name)

    def describe_association_executions(self, **asked: Any) -> dict[str, Any]:
        self._slow(SLOW[0])
        assert asked["AssociationId"] == ASSOCIATION
        newest = sorted(self.runs.items(), key=lambda r: r[1].started, reverse=True)
        rows = [{"ExecutionId": k, "CreatedTime": r.started} for k, r in newest]
        # The order of the list is nowhere promised.
        return {"AssociationExecutions": rows[: asked["MaxResults"]][::-1]}

    def describe_association_execution_targets(self, **asked: Any) -> dict[str, Any]:
        self._slow(SLOW[1])
        rows = [
            {"ResourceId": node_id, "Status": status, "OutputSource": _source(command_id)}
            for node_id, (status, command_id) in self.runs[asked["ExecutionId"]].results.items()
        ]
        for wanted in asked.get("Filters", ()):
            rows = [row for row in rows if row[wanted["Key"]] == wanted["Value"]]
        start = int(asked.get("NextToken") or 0)
        end = start + asked["MaxResults"]
        more = {"NextToken": str(end)} if end < len(rows) else {}
        return {"AssociationExecutionTargets": rows[start:end], **more}

    def list_command_invocations(self, **asked: Any) -> dict[str, Any]:
        self.calls["ListCommandInvocations"] += 1
        found = [
            {"InstanceId": node_id, "Status": status}
            for run in self.runs.values()
            for node_id, (status, command_id) in run.results.items()
            if (node_id, command_id) == (asked["InstanceId"], asked["CommandId"])
        ]
        return {"CommandInvocations": found}

    @property
    def slow(self) -> int:
        return sum(self.calls[name] for name in SLOW)


def _source(command_id: str | None) -> dict[str, str]:
    if command_id is None:
        return {}
    return {"OutputSourceType": "RunCommand", "OutputSourceId": command_id}


def _error(code: str, name: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "m"}}, name)


def failed_on(
    number: int, command_of: Callable[[int], str | None] = lambda n: command(1)
) -> dict[str, tuple[str, str | None]]:
    return {node(n): ("Failed", command_of(n)) for n in range(number)}


def event(number: int, **changes: Any) -> Signal:
    """State Manager says that the association failed on one node."""
    base = signal(
        kind=SignalKind.ASSOCIATION_FAILED,
        command_id=None,
        association_id=ASSOCIATION,
        node_id=node(number),
    )
    return replace(base, **changes)


def expander(ssm: Ssm) -> SignalExpander:
    return SignalExpander(ssm)  # type: ignore[arg-type]


# --- how many calls ------------------------------------------------------------------------------


def test_fifty_events_of_one_association_cost_two_calls() -> None:
    ssm = Ssm({"new": Run(AT, failed_on(50))})
    batch = expander(ssm)
    assert {batch.command_of_association(event(n)) for n in range(50)} == {command(1)}
    assert ssm.calls == {SLOW[0]: 1, SLOW[1]: 1}


def test_the_last_fifty_of_a_thousand_ask_the_narrow_calls_no_more_often() -> None:
    """They are on none of the pages that are read; the command that is there ran on them, too."""
    ssm = Ssm({"new": Run(AT, failed_on(1_000))})
    batch = expander(ssm)
    assert {batch.command_of_association(event(n)) for n in range(950, 1_000)} == {command(1)}
    assert ssm.slow == 1 + TARGET_PAGES_MAX
    assert ssm.calls["ListCommandInvocations"] == 50


def test_a_command_for_each_node_costs_one_call_for_each_at_most() -> None:
    ssm = Ssm({"new": Run(AT, failed_on(1_000, command))})
    batch = expander(ssm)
    for n in range(950, 1_000):
        assert batch.command_of_association(event(n)) == command(n)
    assert ssm.slow == 1 + TARGET_PAGES_MAX + 50


def test_a_node_that_no_execution_names_costs_a_bounded_number_of_calls() -> None:
    runs = {str(n): Run(AT - timedelta(days=n), failed_on(3)) for n in range(40)}
    ssm = Ssm(runs)
    batch = expander(ssm)
    assert {batch.command_of_association(event(n)) for n in range(100, 150)} == {None}
    assert ssm.slow == 1 + EXECUTIONS_READ_MAX


def test_once_throttled_nothing_more_is_asked_in_this_batch() -> None:
    ssm = Ssm({"new": Run(AT, failed_on(50))}, throttles=True)
    batch = expander(ssm)
    for n in range(50):
        with pytest.raises(AwsThrottled):
            batch.command_of_association(event(n))
    with pytest.raises(AwsThrottled):
        batch.expand(event(0, node_id=None))
    assert ssm.slow == 1
    ssm.throttles = False
    assert expander(ssm).command_of_association(event(7)) == command(1), "the next batch asks"


# --- which run -----------------------------------------------------------------------------------


def test_of_several_executions_the_newest_that_failed_there_is_meant() -> None:
    """A new execution may be under way already when the failure of the last one is read."""
    ssm = Ssm(
        {
            "old": Run(AT - timedelta(hours=2), {node(1): ("Failed", command(1))}),
            "last": Run(AT - timedelta(hours=1), {node(1): ("Failed", command(2))}),
            "running": Run(AT, {node(1): ("InProgress", command(3))}),
        }
    )
    assert expander(ssm).command_of_association(event(1)) == command(2)


def test_a_success_is_told_from_the_failure_before_it() -> None:
    ssm = Ssm(
        {
            "good": Run(AT - timedelta(hours=1), {node(1): ("Success", command(1))}),
            "bad": Run(AT, {node(1): ("Failed", command(2))}),
        }
    )
    good = event(1, kind=SignalKind.ASSOCIATION_SUCCEEDED)
    batch = expander(ssm)
    assert batch.command_of_association(good) == command(1)
    assert batch.command_of_association(event(1)) == command(2)


def test_the_command_of_another_nodes_success_is_not_taken() -> None:
    """Beyond the pages that were read, a command counts only if it failed on this very node."""
    results = failed_on(200)
    results[node(500)] = ("Failed", command(2))
    ssm = Ssm({"new": Run(AT, results)})
    ssm.runs["older"] = Run(AT - timedelta(days=1), {node(500): ("Success", command(1))})
    assert expander(ssm).command_of_association(event(500)) == command(2)


def test_a_run_without_a_command_has_none() -> None:
    ssm = Ssm({"new": Run(AT, failed_on(1, lambda n: None))})
    assert expander(ssm).command_of_association(event(0)) is None


def test_an_association_that_is_gone_has_no_command() -> None:
    ssm = Ssm({}, gone=True)
    assert expander(ssm).command_of_association(event(0)) is None


# --- events that name no node --------------------------------------------------------------------


def test_an_association_s_event_becomes_one_signal_for_each_node_that_failed() -> None:
    results = {**failed_on(120), node(500): ("Success", command(1))}
    ssm = Ssm({"new": Run(AT, results), "old": Run(AT - timedelta(days=1), failed_on(1))})
    expanded = expander(ssm).expand(event(0, node_id=None))
    assert isinstance(expanded, tuple)
    assert [s.node_id for s in expanded] == [node(n) for n in range(120)]
    assert {s.command_id for s in expanded} == {command(1)}
    assert ssm.slow == 1 + 3, "one call a page"


@pytest.mark.parametrize(
    ("ssm", "rule"),
    [
        (Ssm({}), "no-execution"),
        (Ssm({"new": Run(AT, {node(1): ("Success", command(1))})}), "no-failed-target"),
        (Ssm({}, gone=True), "run-unknown"),
    ],
)
def test_an_event_without_a_failed_node_says_why_nothing_is_done(ssm: Ssm, rule: str) -> None:
    skipped = expander(ssm).expand(event(0, node_id=None))
    assert isinstance(skipped, Skip)
    assert skipped.rule == rule


def test_any_other_trouble_is_the_callers() -> None:
    class Broken(Ssm):
        def _slow(self, name: str) -> None:
            raise _error("InternalServerError", name)

    with pytest.raises(AwsUnavailable):
        expander(Broken({})).command_of_association(event(0))
