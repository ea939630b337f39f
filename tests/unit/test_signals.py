"""What ``patchmedic.signals`` makes of events: the samples, AWS's spellings, anything else.

The table ``EXPECTED`` covers every file of ``events/``: a new sample without a line there fails.
"""

from __future__ import annotations

import copy
import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchmedic import signals
from patchmedic.incident import incident_id
from patchmedic.model import Rejection, Signal, SignalKind, Skip
from patchmedic.signals import PATCH_DOCUMENTS, REJECTION_CODES, parse_event, parse_text

EVENTS = Path(__file__).resolve().parents[2] / "events"

Expected = SignalKind | Skip | Rejection | None
"""A signal's kind; or a Skip's rule or a Rejection's code (their reasons are not compared); or
``None`` for what is no EventBridge event at all, but a function's own input."""


def skip(rule: str) -> Skip:
    return Skip(rule, "")


def rejection(code: str) -> Rejection:
    return Rejection(code, "")


EXPECTED: dict[str, Expected] = {
    "patch-command-failed.json": SignalKind.PATCH_COMMAND_FAILED,
    "patch-command-timed-out.json": SignalKind.PATCH_COMMAND_FAILED,
    "patch-command-cancelled.json": SignalKind.PATCH_COMMAND_FAILED,
    "patch-hooks-command-failed.json": SignalKind.PATCH_COMMAND_FAILED,
    "legacy-patch-document-failed.json": SignalKind.PATCH_COMMAND_FAILED,
    "patch-failure-found.json": SignalKind.PATCH_COMMAND_FAILED,
    "patch-command-succeeded.json": SignalKind.PATCH_COMMAND_SUCCEEDED,
    "association-node-failed.json": SignalKind.ASSOCIATION_FAILED,
    "association-failed.json": SignalKind.ASSOCIATION_FAILED,
    "association-node-succeeded.json": SignalKind.ASSOCIATION_SUCCEEDED,
    "window-task-failed.json": SignalKind.WINDOW_TASK_FAILED,
    "ping-lost.json": SignalKind.PING_LOST,
    "ping-restored.json": SignalKind.PING_RESTORED,
    "command-stuck.json": SignalKind.COMMAND_STUCK,
    "own-check-succeeded.json": skip("not-a-patch-document"),
    "own-remedy-failed.json": skip("not-a-patch-document"),
    "schedule.json": rejection("wrong-source"),
    "approve.json": None,
    "deny.json": None,
    "signals-batch.json": None,
    "diagnose-message.json": None,
    "remediate-message.json": None,
    "notify-message.json": None,
    "results-message.json": None,
    "bad/not-json.txt": rejection("not-json"),
    "bad/wrong-source.json": rejection("wrong-source"),
    "bad/missing-fields.json": rejection("missing-field"),
    "bad/wrong-types.json": rejection("wrong-type"),
    "bad/hostile-ids.json": rejection("bad-instance-id"),
}
WITHOUT_NODE = {"association-failed.json", "window-task-failed.json"}


def load(name: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((EVENTS / name).read_text(encoding="utf-8"))
    return event


def changed(name: str, **detail: Any) -> dict[str, Any]:
    """A sample with fields of its detail replaced; underscores in a name stand for hyphens."""
    event = load(name)
    event["detail"].update({key.replace("_", "-"): value for key, value in detail.items()})
    return event


def only(parsed: object) -> Signal:
    assert isinstance(parsed, tuple), parsed
    assert len(parsed) == 1
    assert isinstance(parsed[0], Signal)
    return parsed[0]


def rejected(event: object) -> Rejection:
    parsed = parse_event(event)
    assert isinstance(parsed, Rejection), parsed
    assert parsed.code in REJECTION_CODES
    return parsed


# --- the sample files -------------------------------------------------------------------------


def test_every_sample_file_is_expected_and_described() -> None:
    files = {
        path.relative_to(EVENTS).as_posix()
        for path in EVENTS.rglob("*")
        if path.suffix in {".json", ".txt"}
    }
    assert files == set(EXPECTED)
    readme = (EVENTS / "README.md").read_text(encoding="utf-8")
    assert [name for name in sorted(files) if f"`{name}`" not in readme] == []


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_sample_file_means_what_its_name_says(name: str) -> None:
    expected = EXPECTED[name]
    parsed = parse_text((EVENTS / name).read_text(encoding="utf-8"))
    match expected:
        case SignalKind():
            signal = only(parsed)
            assert signal.kind is expected
            assert (signal.node_id is None) == (name in WITHOUT_NODE)
            assert (signal.account, signal.region) == ("123456789012", "ap-northeast-1")
            assert signal.time.tzinfo is UTC
        case Skip():
            assert isinstance(parsed, Skip)
            assert parsed.rule == expected.rule
        case Rejection():
            assert isinstance(parsed, Rejection)
            assert parsed.code == expected.code
        case None:
            assert isinstance(parsed, Rejection)
            assert parsed.code == "missing-field"


@pytest.mark.parametrize(
    "name", sorted(name for name in EXPECTED if name.endswith(("-message.json", "-batch.json")))
)
def test_queue_samples_are_what_sqs_delivers(name: str) -> None:
    for record in load(name)["Records"]:
        body = record["body"]
        assert record["md5OfBody"] == hashlib.md5(body.encode(), usedforsecurity=False).hexdigest()
        assert record["eventSourceARN"].startswith(
            "arn:aws:sqs:ap-northeast-1:123456789012:patchmedic-"
        )


def test_samples_of_later_steps_name_the_incident_of_the_first() -> None:
    opened = incident_id(only(parse_event(load("patch-command-failed.json"))))
    assert load("approve.json")["incident_id"] == opened
    assert load("deny.json")["incident_id"] == opened
    for name in ("diagnose-message.json", "remediate-message.json", "notify-message.json"):
        for record in load(name)["Records"]:
            body = json.loads(record["body"])
            assert body["incident_id"] == opened
            assert body["effect_id"].startswith(f"{opened}-")


def test_batch_sample_holds_two_signals_and_one_garbage() -> None:
    parsed = [parse_text(record["body"]) for record in load("signals-batch.json")["Records"]]
    assert only(parsed[0]).kind is SignalKind.PATCH_COMMAND_FAILED
    assert isinstance(parsed[1], Rejection)
    assert parsed[1].code == "not-json"
    assert only(parsed[2]).kind is SignalKind.PING_LOST


def test_failed_command_in_full() -> None:
    assert only(parse_event(load("patch-command-failed.json"))) == Signal(
        kind=SignalKind.PATCH_COMMAND_FAILED,
        account="123456789012",
        region="ap-northeast-1",
        event_id="3c1f6a52-8d0e-4b7a-9a61-5f2e7d80c101",
        time=datetime(2026, 11, 21, 18, 4, 37, tzinfo=UTC),
        node_id="i-0a1b2c3d4e5f60001",
        command_id="5d7a9c10-2b3e-4f61-8a94-c0ffee000101",
        document="AWS-RunPatchBaseline",
        status="Failed",
    )


def test_window_task_in_full() -> None:
    assert only(parse_event(load("window-task-failed.json"))) == Signal(
        kind=SignalKind.WINDOW_TASK_FAILED,
        account="123456789012",
        region="ap-northeast-1",
        event_id="3c1f6a52-8d0e-4b7a-9a61-5f2e7d80c10a",
        time=datetime(2026, 11, 21, 18, 21, 16, tzinfo=UTC),
        status="FAILED",
        window_id="mw-0a1b2c3d4e5f60001",
        window_execution_id="9f3b6d21-0c7e-4a58-8e14-b7d2a6c5f093",
        window_task_execution_id="c4e0b7a8-91f2-4d36-a5b8-2f6d1e0c9a71",
    )


def test_ping_and_stuck_carry_what_the_watcher_knew() -> None:
    lost = only(parse_event(load("ping-lost.json")))
    assert (lost.status, lost.last_ping) == (
        "ConnectionLost",
        datetime(2026, 11, 21, 21, 0, 27, tzinfo=UTC),
    )
    stuck = only(parse_event(load("command-stuck.json")))
    assert stuck.command_id == "5d7a9c10-2b3e-4f61-8a94-c0ffee00010d"
    found = changed("patch-failure-found.json", status="DeliveryTimedOut")
    assert only(parse_event(found)).status == "DeliveryTimedOut"


# --- what AWS does in more than one way -------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind", "kept"),
    [
        ("Failed", SignalKind.PATCH_COMMAND_FAILED, "Failed"),
        ("TimedOut", SignalKind.PATCH_COMMAND_FAILED, "TimedOut"),
        ("Cancelled", SignalKind.PATCH_COMMAND_FAILED, "Cancelled"),
        ("Canceled", SignalKind.PATCH_COMMAND_FAILED, "Cancelled"),
        ("Success", SignalKind.PATCH_COMMAND_SUCCEEDED, "Success"),
    ],
)
def test_ends_of_a_command(status: str, kind: SignalKind, kept: str) -> None:
    signal = only(parse_event(changed("patch-command-failed.json", status=status)))
    assert (signal.kind, signal.status) == (kind, kept)


@pytest.mark.parametrize("status", ["Pending", "InProgress", "Delayed", "Cancelling"])
def test_command_under_way_is_skipped(status: str) -> None:
    parsed = parse_event(changed("patch-command-failed.json", status=status))
    assert isinstance(parsed, Skip)
    assert parsed.rule == "still-under-way"


@pytest.mark.parametrize("document", sorted(PATCH_DOCUMENTS))
@pytest.mark.parametrize(
    "written",
    [
        "{}",
        "arn:aws:ssm:ap-northeast-1::document/{}",
        "arn:aws:ssm:ap-northeast-1:123456789012:document/{}",
        "arn:aws-us-gov:ssm:us-gov-west-1::document/{}",
        "arn:aws-cn:ssm:cn-north-1::document/{}",
    ],
)
def test_patch_documents_by_name_or_arn(document: str, written: str) -> None:
    event = changed("patch-command-failed.json", document_name=written.format(document))
    assert only(parse_event(event)).document == document


@pytest.mark.parametrize(
    "document", ["AWS-RunShellScript", "aws-runpatchbaseline", "AWS-RunPatchBaselineX", "my-own"]
)
@pytest.mark.parametrize("name", ["patch-command-failed.json", "association-node-failed.json"])
def test_other_documents_are_skipped(name: str, document: str) -> None:
    parsed = parse_event(changed(name, document_name=document))
    assert isinstance(parsed, Skip)
    assert parsed.rule == "not-a-patch-document"


@pytest.mark.parametrize("node", ["i-9bb89e2b", "i-0a1b2c3d4e5f60001", "mi-0a1b2c3d4e5f60001"])
def test_node_ids_old_new_and_hybrid(node: str) -> None:
    assert only(parse_event(changed("patch-command-failed.json", instance_id=node))).node_id == node


def test_region_names_of_every_partition() -> None:
    for region in (
        "us-gov-west-1",
        "us-iso-east-1",
        "us-isob-east-1",
        "eusc-de-east-1",
        "cn-north-1",
    ):
        event = load("patch-command-failed.json") | {"region": region}
        assert only(parse_event(event)).region == region


def test_uuids_are_told_in_one_case() -> None:
    upper = "5D7A9C10-2B3E-4F61-8A94-C0FFEE000101"
    event = changed("patch-command-failed.json", command_id=upper)
    assert only(parse_event(event)).command_id == upper.lower()


def test_command_level_event_waits_for_its_invocations() -> None:
    event = load("patch-command-failed.json")
    event["detail-type"] = "EC2 Command Status-change Notification"
    del event["detail"]["instance-id"]
    parsed = parse_event(event)
    assert isinstance(parsed, Skip)
    assert parsed.rule == "command-level-event"


def test_invocation_event_without_instance_id_is_rejected() -> None:
    event = load("patch-command-failed.json")
    del event["detail"]["instance-id"]
    assert rejected(event).reason == "detail.instance-id is missing"


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("Failed", SignalKind.ASSOCIATION_FAILED),
        ("TimedOut", SignalKind.ASSOCIATION_FAILED),
        ("Success", SignalKind.ASSOCIATION_SUCCEEDED),
        ("Pending", "still-under-way"),
        ("InProgress", "still-under-way"),
        ("Skipped", "association-skipped"),
    ],
)
@pytest.mark.parametrize("name", ["association-node-failed.json", "association-failed.json"])
def test_association_statuses(name: str, status: str, outcome: SignalKind | str) -> None:
    parsed = parse_event(changed(name, status=status))
    if isinstance(outcome, SignalKind):
        assert only(parsed).kind is outcome
    else:
        assert isinstance(parsed, Skip)
        assert parsed.rule == outcome


@pytest.mark.parametrize("targets", ['[{"key":"InstanceIds"', "", None, [{"key": "x"}]])
def test_a_broken_targets_string_loses_no_failure(targets: object) -> None:
    signal = only(parse_event(changed("association-failed.json", targets=targets)))
    assert signal.kind is SignalKind.ASSOCIATION_FAILED


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT"])
def test_window_task_failures(status: str) -> None:
    signal = only(parse_event(changed("window-task-failed.json", status=status)))
    assert (signal.kind, signal.node_id) == (SignalKind.WINDOW_TASK_FAILED, None)


@pytest.mark.parametrize("status", ["SUCCESS", "IN_PROGRESS", "CANCELLING", "CANCELLED"])
def test_other_window_task_statuses_are_skipped(status: str) -> None:
    parsed = parse_event(changed("window-task-failed.json", status=status))
    assert isinstance(parsed, Skip)
    assert parsed.rule == "window-task-not-failed"


@pytest.mark.parametrize(
    ("source", "detail_type"),
    [
        ("aws.ssm", "Maintenance Window State-change Notification"),
        ("aws.ssm", "Managed Node Ping Lost"),  # only we say this, never AWS
        ("patchmedic", "PatchMedic Page"),
        ("patchmedic", "PatchMedic Incident Closed"),
    ],
)
def test_types_that_say_nothing_about_patching(source: str, detail_type: str) -> None:
    event = load("ping-lost.json") | {"source": source, "detail-type": detail_type}
    parsed = parse_event(event)
    assert isinstance(parsed, Skip)
    assert parsed.rule == "no-patch-signal"


@pytest.mark.parametrize(
    "name", ["ping-lost.json", "ping-restored.json", "patch-failure-found.json"]
)
def test_our_events_need_no_more_than_the_node(name: str) -> None:
    event = load(name)
    for key in set(event["detail"]) - {"instance-id"}:
        event["detail"][key] = None
    assert only(parse_event(event)).node_id is not None
    event["detail"] = {"instance-id": event["detail"]["instance-id"]}
    assert only(parse_event(event)).command_id is None


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2026-11-21T18:04:37Z", datetime(2026, 11, 21, 18, 4, 37, tzinfo=UTC)),
        ("2026-11-21T18:04:37.5Z", datetime(2026, 11, 21, 18, 4, 37, 500_000, tzinfo=UTC)),
        ("2026-11-21T18:04:37.123456789Z", datetime(2026, 11, 21, 18, 4, 37, 123_456, tzinfo=UTC)),
        ("2026-11-22T03:04:37+09:00", datetime(2026, 11, 21, 18, 4, 37, tzinfo=UTC)),
    ],
)
def test_times(written: str, expected: datetime) -> None:
    assert only(parse_event(load("ping-lost.json") | {"time": written})).time == expected
    event = changed("ping-lost.json", last_ping=written)
    assert only(parse_event(event)).last_ping == expected


# --- what is no event -------------------------------------------------------------------------

BAD_FIELDS: list[tuple[str, str, object, str]] = [
    ("patch-command-failed.json", "account", "12345678901", "bad-account"),
    ("patch-command-failed.json", "account", "\uff11" * 12, "bad-account"),
    ("patch-command-failed.json", "account", 123456789012, "wrong-type"),
    ("patch-command-failed.json", "region", "ap-northeast-1\n", "bad-region"),
    ("patch-command-failed.json", "region", "ap-northeast-1;", "bad-region"),
    ("patch-command-failed.json", "id", "1", "bad-event-id"),
    ("patch-command-failed.json", "time", "2026-11-21 18:04:37", "bad-time"),
    ("patch-command-failed.json", "time", "2026-11-21T18:04:37", "bad-time"),
    ("patch-command-failed.json", "time", "2026-02-31T18:04:37Z", "bad-time"),
    ("patch-command-failed.json", "time", "2026-11-21T25:04:37Z", "bad-time"),
    ("patch-command-failed.json", "time", "0001-01-01T00:00:00+09:00", "bad-time"),
    ("patch-command-failed.json", "time", 1795284277, "wrong-type"),
    ("patch-command-failed.json", "source", "aws.ec2", "wrong-source"),
    ("patch-command-failed.json", "detail-type", None, "wrong-type"),
    ("patch-command-failed.json", "detail", [], "wrong-type"),
    ("patch-command-failed.json", "detail", "{}", "wrong-type"),
    ("patch-command-failed.json", "detail.instance-id", "i-0a1b2c3d4e5f6000", "bad-instance-id"),
    ("patch-command-failed.json", "detail.instance-id", "I-0A1B2C3D4E5F60001", "bad-instance-id"),
    ("patch-command-failed.json", "detail.instance-id", "mi-0a1b2c3d", "bad-instance-id"),
    ("patch-command-failed.json", "detail.instance-id", "i-0a1b2c3d4e5f60001\n", "bad-instance-id"),
    ("patch-command-failed.json", "detail.instance-id", "*", "bad-instance-id"),
    ("patch-command-failed.json", "detail.instance-id", "", "bad-instance-id"),
    ("patch-command-failed.json", "detail.command-id", "not-a-uuid", "bad-command-id"),
    ("patch-command-failed.json", "detail.document-name", "AWS Run", "bad-document-name"),
    (
        "patch-command-failed.json",
        "detail.document-name",
        "arn:aws:s3:::bucket/document/AWS-RunPatchBaseline",
        "bad-document-name",
    ),
    ("patch-command-failed.json", "detail.document-name", "A" * 600, "too-long"),
    ("patch-command-failed.json", "detail.status", "Exploded", "bad-status"),
    ("patch-command-failed.json", "detail.status", True, "wrong-type"),
    ("association-node-failed.json", "detail.association-id", "1", "bad-association-id"),
    ("association-failed.json", "detail.association-id", None, "wrong-type"),
    ("window-task-failed.json", "detail.window-id", "mw-123", "bad-window-id"),
    ("window-task-failed.json", "detail.window-execution-id", "x", "bad-execution-id"),
    ("window-task-failed.json", "detail.task-execution-id", "x", "bad-execution-id"),
    ("window-task-failed.json", "detail.status", "Failed", "bad-status"),
    ("ping-lost.json", "detail-type", "Managed Node Ping Gone", "unknown-type"),
    ("ping-lost.json", "detail.last-ping", "yesterday", "bad-time"),
    ("ping-lost.json", "detail.status", "Connection lost\n", "bad-status"),
    ("patch-failure-found.json", "detail.status", "Success", "bad-status"),
    ("command-stuck.json", "detail.command-id", None, "wrong-type"),
]


@pytest.mark.parametrize(("name", "path", "value", "code"), BAD_FIELDS)
def test_bad_field_is_rejected_by_name(name: str, path: str, value: object, code: str) -> None:
    event = load(name)
    if path.startswith("detail."):
        event["detail"][path.removeprefix("detail.")] = value
    else:
        event[path] = value
    found = rejected(event)
    assert found.code == code
    assert path in found.reason or code == "unknown-type"


@pytest.mark.parametrize(
    "path", ["account", "region", "id", "time", "source", "detail-type", "detail"]
)
def test_envelope_without_a_field_is_rejected(path: str) -> None:
    event = load("patch-command-failed.json")
    del event[path]
    assert rejected(event) == Rejection("missing-field", f"{path} is missing")


@pytest.mark.parametrize("event", [None, True, 7, 0.5, "text", [], [{}], b"bytes"])
def test_what_is_no_object_is_rejected(event: object) -> None:
    assert rejected(event).code == "not-an-object"


def test_every_rejection_code_is_reached() -> None:
    reached = {code for *_, code in BAD_FIELDS}
    reached |= {item.code for item in EXPECTED.values() if isinstance(item, Rejection)}
    reached |= {"not-an-object", "too-large"}  # the tests above and below
    assert reached == REJECTION_CODES


def test_a_million_characters_are_refused_wherever_they_are() -> None:
    long = "A" * 1_000_000
    assert rejected(changed("patch-command-failed.json", instance_id=long)).code == "too-large"
    assert rejected(changed("association-failed.json", targets=long)).code == "too-large"
    assert rejected({long: 1}).code == "too-large"
    assert rejected([0] * 1_000_000).code == "too-large"
    parsed = parse_text(long)
    assert isinstance(parsed, Rejection)
    assert parsed.code == "too-large"


def test_depth_hurts_nobody() -> None:
    deep: Any = {}
    for _ in range(4_000):
        deep = {"a": deep}
    assert rejected({"detail": deep}).code == "missing-field"
    for text in ("[" * 200_000, '{"a":' * 40_000):
        parsed = parse_text(text)
        assert isinstance(parsed, Rejection)
        assert parsed.code == "not-json"


def test_a_number_too_long_to_convert_is_not_json() -> None:
    parsed = parse_text("9" * 10_000)
    assert isinstance(parsed, Rejection)
    assert parsed.code == "not-json"


def test_reasons_escape_and_cut_what_they_echo() -> None:
    hostile = "i-\x1b[31m\r\n\u202e日本" * 30
    found = rejected(changed("patch-command-failed.json", instance_id=hostile))
    prefix, suffix = "detail.instance-id is ", "; expected "
    echoed = found.reason[len(prefix) : found.reason.index(suffix)]
    assert found.reason.startswith(prefix)
    assert len(echoed) <= signals.ECHO_CHARACTERS_MAX
    assert echoed.isascii()
    assert echoed.isprintable()


# --- anything at all --------------------------------------------------------------------------

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
VALID = sorted(name for name, expected in EXPECTED.items() if isinstance(expected, SignalKind))


def assert_one_of_three(parsed: object) -> None:
    match parsed:
        case tuple():
            assert len(parsed) > 0
            assert all(isinstance(signal, Signal) for signal in parsed)
        case Skip(rule=rule, reason=reason):
            assert rule
            assert reason
            assert_safe(reason)
        case Rejection(code=code, reason=reason):
            assert code in REJECTION_CODES
            assert_safe(reason)
        case _:
            raise AssertionError(parsed)


def assert_safe(reason: str) -> None:
    assert reason.isascii()
    assert reason.isprintable()
    assert len(reason) <= 240


@given(JSON_VALUES)
def test_any_json_value_is_one_of_three(value: object) -> None:
    assert_one_of_three(parse_event(value))


@given(st.text())
def test_any_text_is_one_of_three(text: str) -> None:
    assert_one_of_three(parse_text(text))


@st.composite
def mutated_events(draw: st.DrawFn) -> object:
    """A valid sample in which up to three fields were dropped, replaced or bent a little."""
    event: Any = copy.deepcopy(load(draw(st.sampled_from(VALID))))
    for _ in range(draw(st.integers(1, 3))):
        inner = isinstance(event.get("detail"), dict) and draw(st.booleans())
        place = event["detail"] if inner else event
        if not place:
            continue
        key = draw(st.sampled_from(sorted(place)))
        old = place[key]
        change = draw(st.sampled_from(["drop", "replace", "prefix", "suffix", "repeat"]))
        if change == "drop":
            del place[key]
        elif change == "replace" or not isinstance(old, str):
            place[key] = draw(JSON_VALUES)
        elif change == "prefix":
            place[key] = draw(st.text(min_size=1)) + old
        elif change == "suffix":
            place[key] = old + draw(st.text(min_size=1))
        else:
            place[key] = old * draw(st.integers(2, 40))
    return event


@given(mutated_events())
def test_a_mutated_event_never_raises_and_never_smuggles(event: object) -> None:
    parsed = parse_event(event)
    assert_one_of_three(parsed)
    if isinstance(parsed, tuple):
        for signal in parsed:
            for value in (
                signal.node_id,
                signal.command_id,
                signal.association_id,
                signal.window_id,
                signal.window_execution_id,
                signal.window_task_execution_id,
            ):
                assert value is None or set(value) <= set("0123456789abcdef-miw")
            assert signal.account.isdigit()
            assert signal.document is None or signal.document in PATCH_DOCUMENTS
