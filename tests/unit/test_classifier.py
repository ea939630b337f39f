"""The classifier: the samples, the ranking rules, noise, and that no text can hurt it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patchmedic.causes.catalogue import DATA, load_files
from patchmedic.causes.classifier import (
    CANDIDATES_MAX,
    CONFIDENCE_MIN,
    NAMED,
    classify,
    decide_remedy,
)
from patchmedic.causes.hresults import find_hresults
from patchmedic.causes.records import classify_record
from patchmedic.causes.text import clean
from patchmedic.model import Classification, Evidence, Platform

CATALOGUE = load_files(DATA)
SAMPLES = [
    json.loads(line)
    for path in sorted((Path(__file__).parent.parent / "samples").glob("*.jsonl"))
    for line in path.read_text(encoding="utf-8").splitlines()
]
LOCKED = "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 20411 (apt)\n"
FULL = "OSError: [Errno 28] No space left on device\n"


def seen(stdout: str = "", stderr: str = "", **fields: Any) -> Classification:
    return classify(Evidence(stdout=stdout, stderr=stderr, **fields), CATALOGUE)


# --- the samples ---------------------------------------------------------------------------


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample["id"])
def test_sample(sample: dict[str, Any]) -> None:
    found = classify_record(json.dumps(sample), CATALOGUE)
    assert found["cause"] == sample["label"], found
    assert found["id"] == sample["id"]
    assert found["candidates"][:1] in ([sample["label"]], [])
    if "remedy" in sample:
        assert found["remedy"] == sample["remedy"]
    if sample["label"] in ("unknown", "benign"):
        assert found["remedy"] is None
    elif sample["stdout"] or sample["stderr"]:
        assert found["evidence"]


def test_every_cause_has_a_sample() -> None:
    assert {sample["label"] for sample in SAMPLES} == set(CATALOGUE.causes)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample["id"])
def test_line_ends_colours_and_encodings_change_nothing(sample: dict[str, Any]) -> None:
    def changed(change: Any) -> str:
        other = {
            key: change(value) if key in ("stdout", "stderr") else value
            for key, value in sample.items()
        }
        return str(classify_record(json.dumps(other), CATALOGUE)["cause"])

    assert changed(lambda text: text.replace("\n", "\r\n")) == sample["label"]
    assert changed(lambda text: "".join(c + "\0" for c in text)) == sample["label"]
    assert changed(lambda text: "\ufeff" + text) == sample["label"]
    assert (
        changed(lambda text: "".join(f"\x1b[31m{line}\x1b[0m\n" for line in text.splitlines()))
        == sample["label"]
    )
    assert changed(str.upper) == sample["label"] or "\\" in str(sample)


# --- ranking -------------------------------------------------------------------------------


def test_a_full_disk_explains_a_hash_mismatch() -> None:
    mismatch = "payload.tar.gz sha256 check failed, should be 11aa, but is 22bb\n"
    assert seen(mismatch, response_code=151).cause == "payload-corrupt"
    both = seen(FULL + mismatch, response_code=151)
    assert both.cause == "disk-full"
    order = [candidate.cause for candidate in both.candidates]
    assert order.index("disk-full") < order.index("payload-corrupt")
    confidence = {candidate.cause: candidate.confidence for candidate in both.candidates}
    assert confidence["payload-corrupt"] < NAMED <= confidence["disk-full"]


def test_a_dead_resolver_explains_an_unreachable_repository() -> None:
    text = (
        "Could not retrieve mirrorlist https://repo.example/mirror.list error was\n"
        '14: curl#6 - "Could not resolve host: repo.example"\n'
        "Cannot find a valid baseurl for repo: core/2/x86_64\n"
    )
    assert seen(text).cause == "dns-failure"


def test_a_hint_explains_nothing_away() -> None:
    """Only evidence that counts may push a named symptom back."""
    text = "Unable to save processed snapshot.json\nReadError: unexpected end of data\n"
    assert seen(text).cause == "payload-corrupt"


def test_between_equals_the_later_line_wins() -> None:
    early, late = LOCKED + "filler\n" * 400 + FULL, FULL + "filler\n" * 400 + LOCKED
    assert seen(early).cause == "disk-full"
    assert seen(late).cause == "package-manager-locked"


def test_an_attempt_that_was_overcome_is_no_reason() -> None:
    waiting = "another process has acquired yum lock, waiting 2 s and retry.\n"
    went_on = waiting + "  Updating : openssl\n" * 60
    conflict = "Error: Package: a-1 (core)\n           Requires: b >= 2\n"
    assert seen(waiting * 30).cause == "package-manager-locked"
    assert seen(went_on + conflict).cause == "dependency-conflict"
    assert seen(went_on).cause == "benign"
    assert seen(went_on, status="Failed", response_code=1).cause == "unknown"


def test_the_reason_in_the_first_half_of_two_runs() -> None:
    run = "Using python binary: 'python3'\nUsing Python Version: Python 3.9\n"
    second = run + "root [INFO]: Loading patch snapshot\n" * 100
    assert seen(run + LOCKED + second, response_code=1).cause == "package-manager-locked"
    waiting = "another process has acquired yum lock, waiting 2 s and retry.\n"
    assert seen(run + waiting * 20 + second).cause == "package-manager-locked"


def test_text_decides_where_exit_codes_are_ambiguous() -> None:
    for code in (151, 152, 156, 1, -1):
        assert seen("nothing of note\n", response_code=code).cause == "unknown"
        assert seen(FULL, response_code=code).cause == "disk-full"


def test_an_unambiguous_exit_code_is_a_hint_and_only_for_patch_documents() -> None:
    found = seen(response_code=146, document="AWS-RunPatchBaseline")
    assert found.cause == "os-unsupported" and found.confidence < NAMED
    assert seen(response_code=146, document="Custom-Backup").cause == "unknown"
    assert seen(response_code=126, document="Custom-Backup").cause == "execution-blocked"


def test_the_exit_code_that_the_agent_printed_is_read() -> None:
    assert seen(stderr="failed to run commands: exit status 146").cause == "os-unsupported"


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        ("DeliveryTimedOut", "delivery-timeout"),
        ("Delivery Timed Out", "delivery-timeout"),
        ("ExecutionTimedOut", "execution-timeout"),
        ("Undeliverable", "undeliverable"),
        ("Terminated", "command-cancelled"),
        ("Canceled", "command-cancelled"),
        ("Cancelled", "command-cancelled"),
        ("InvalidPlatform", "os-unsupported"),
        ("AccessDenied", "iam-permission-missing"),
        ("Failed", "unknown"),
    ],
)
def test_status_details_decide_where_there_is_no_text(status: str, cause: str) -> None:
    assert seen(status="Failed", status_details=status, response_code=-1).cause == cause


def test_text_beats_a_status() -> None:
    found = seen(LOCKED, status="TimedOut", status_details="ExecutionTimedOut")
    assert found.cause == "package-manager-locked"
    assert "execution-timeout" in [candidate.cause for candidate in found.candidates]


def test_a_lost_ping_alone_gives_hints_and_no_remedy() -> None:
    found = seen(status="ConnectionLost")
    assert {"agent-not-running", "instance-stopped"} <= {c.cause for c in found.candidates}
    assert found.confidence < 0.5
    assert decide_remedy(found, CATALOGUE) is None


def test_the_failed_step_names_a_hook() -> None:
    found = seen("exit 3\n", step="PreInstallHook", document="AWS-RunPatchBaselineWithHooks")
    assert found.cause == "hook-failed"


def test_platforms_keep_their_own_words() -> None:
    text = "Unable to connect to the remote server\n"
    assert seen(text, platform="windows").cause == "s3-unreachable"
    assert seen(text, platform="linux").cause == "unknown"


@pytest.mark.parametrize(
    "spelled",
    ["0x80072EE2", "0X80072ee2", "80072ee2", "-2147012894", "2147954402", "hr=80072EE2;"],
)
def test_result_codes_in_any_spelling(spelled: str) -> None:
    assert 0x80072EE2 in find_hresults(clean(f"failed with {spelled}"), CATALOGUE.hresults)
    found = seen(f"Installation failed with {spelled}\n", platform="windows")
    assert found.cause == "wu-unreachable"


@pytest.mark.parametrize(
    "text", ["{80072EE2-1111-2222-3333-444455556666}", "a80072ee2", "180072ee2f", "-21470128941"]
)
def test_what_only_looks_like_a_result_code(text: str) -> None:
    assert find_hresults(clean(text), CATALOGUE.hresults) == {}


def test_a_result_code_as_exit_code() -> None:
    assert seen(platform="windows", response_code=-2147012894).cause == "wu-unreachable"


# --- noise, benign, unknown ------------------------------------------------------------------


def test_noise_is_no_evidence_and_is_named() -> None:
    noisy = (
        "error: can't create transaction lock on /var/lib/rpm/.rpm.lock"
        " (Resource temporarily unavailable)\n"
        "error: /tmp/key.Xy12: key 1 import failed.\n"
    )
    assert seen(noisy).cause == "benign"
    assert seen(noisy.splitlines()[0]).cause == "package-manager-locked"


def test_noise_beside_a_failure_hides_nothing() -> None:
    noise = "ssl_.py:366: SNIMissingWarning: certificate verify failed may occur\n"
    assert seen(noise, status="Failed", response_code=1).cause == "unknown"
    assert seen(noise + FULL + noise, status="Failed").cause == "disk-full"


def test_noise_in_a_line_of_many_messages_silences_only_itself() -> None:
    many = "Key is stored in legacy trusted.gpg keyring, " * 12 + "No space left on device"
    assert seen(many).cause == "disk-full"


def test_success_is_benign_whatever_the_text_says() -> None:
    found = seen(FULL, status="Success", response_code=0)
    assert found.cause == "benign"
    assert "disk-full" in [candidate.cause for candidate in found.candidates]
    assert decide_remedy(found, CATALOGUE) is None


def test_a_success_with_a_failing_exit_code_is_not_benign() -> None:
    assert seen(FULL, status="Success", response_code=1).cause == "disk-full"


def test_a_node_that_is_silent_is_not_well() -> None:
    text = "update finished successfully\n"
    assert seen(text).cause == "benign"
    assert seen(text, status="ConnectionLost").cause != "benign"


DONE_WELL = "Exec: Processing complete.  Session: 3_1, Package: A [HRESULT = 0x00000000 - S_OK]\n"
DONE_BADLY = "Exec: Processing complete.  Session: 3_2, Package: B [HRESULT = 0x80073712 - X]\n"
CODE = "2026-03-12 02:35:10, Info    CBS    Failed to stage it [HRESULT = 0x80070422]\n"


def test_codes_inside_a_windows_operation_that_went_well_are_no_reason() -> None:
    assert seen(CODE, platform="windows").cause == "wu-service-disabled"
    assert seen(CODE + DONE_WELL, platform="windows", status="unknown").cause == "benign"
    assert seen(DONE_WELL + CODE, platform="windows").cause == "wu-service-disabled"


def test_the_code_that_a_windows_operation_ended_with_beats_those_on_its_way() -> None:
    detail = CODE.replace("80070422", "8007000e")
    assert seen(detail + DONE_BADLY, platform="windows").cause == "component-store-corrupt"
    assert seen(DONE_BADLY + detail + DONE_WELL, platform="windows").cause == (
        "component-store-corrupt"
    )


def test_a_healthy_windows_log_is_benign_only_where_nothing_says_that_something_failed() -> None:
    log = "2026-04-02 08:00:01, Info    CBS    TI: --- Initializing Trusted Installer ---\n"
    assert seen(log, platform="windows", status="unknown").cause == "benign"
    assert seen(log, platform="windows", status="Failed").cause == "unknown"
    assert seen(log + DONE_WELL, platform="windows", status="Failed").cause == "unknown"
    error = "2026-04-02 08:00:02, Error   CBS    Something else went wrong\n"
    assert seen(error + log, platform="windows", status="unknown").cause == "unknown"


def test_noise_does_not_make_a_failing_windows_operation_benign() -> None:
    noise = "ComApi  ClientId = UO: Exit code = 0x00000000; Call error code = 0x80240022\n"
    failed = "Install call complete (succeeded = 0, succeeded with errors = 0, failed = 1, x)\n"
    assert seen(noise, platform="windows", status="unknown").cause == "benign"
    assert seen(failed + noise, platform="windows", status="unknown").cause == "unknown"


def test_nothing_known_gives_no_candidate() -> None:
    for text in ("", "\n", "Something went wrong.\n", "error\n", "failed\n"):
        found = seen(text, status="Failed", response_code=1)
        assert found.candidates == ()
        assert (found.cause, found.confidence) == ("unknown", 0.0)


# --- shapes of text ----------------------------------------------------------------------------


@pytest.mark.parametrize("width", [60, 79, 80, 100, 120])
def test_lines_that_a_console_wrapped(width: int) -> None:
    line = (
        "Invoke-PatchBaselineOperation : An error occurred when executing PatchBaselineOperations."
        " Exception: The underlying connection was closed: An unexpected error occurred on a send."
    )
    wrapped = "\n".join(line[at : at + width] for at in range(0, len(line), width))
    found = seen(stderr=wrapped, platform="windows")
    assert found.cause == "s3-unreachable"
    assert 1 <= found.candidates[0].lines[0].line <= wrapped.count("\n") + 1


def test_lines_with_a_time_are_not_joined() -> None:
    log = (
        "2026/07/14 02:13:11.1 1044 2211 Agent Windows Update asks its service for news\n"
        "2026/07/14 02:13:12.6 1044 2211 Agent Download of express files is disabled\n"
    )
    assert seen(log, platform="windows").cause == "unknown"


def test_text_without_line_breaks() -> None:
    start = "07/14/2026 02:13:05 root [INFO]: Loading patch snapshot "
    text = start * 60 + "07/14/2026 02:14:05 root [ERROR]: No space left on device " + start * 5
    found = seen(text)
    assert found.cause == "disk-full"
    line = found.candidates[0].lines[0]
    assert line.line == 1
    assert "No space left on device" in line.text and len(line.text) <= 300


def test_words_that_are_far_apart_do_not_belong_together() -> None:
    far = "aws-quicksetup-patchpolicy-1 " + "fine " * 300 + "Access Denied"
    assert seen(far).confidence < NAMED


def test_supporting_lines_keep_the_numbers_of_the_original() -> None:
    text = "a\r\nb\r\n\r\n" + LOCKED.strip() + "\r\nc\r\n"
    line = seen(text).candidates[0].lines[0]
    assert (line.stream, line.line) == ("stdout", 4)
    assert line.text.startswith("E: Could not get lock")


def test_coloured_text_in_sixteen_bits() -> None:
    text = "\x1b[31mE: Could not get \x1b[1mlock /var/lib/dpkg/lock\x1b[0m\r\n"
    assert seen("".join(char + "\0" for char in text)).cause == "package-manager-locked"


def test_outputs_that_are_cut_off() -> None:
    text = ("filler line that says nothing of interest\n" * 600)[: 24_000 - 46]
    assert seen(text + "OSError: [Errno 28] No space left on de").cause == "disk-full"


# --- remedies ------------------------------------------------------------------------------------


def test_a_named_cause_proposes_its_first_remedy() -> None:
    assert decide_remedy(seen(LOCKED), CATALOGUE) == "wait-for-package-lock"
    assert decide_remedy(seen(FULL), CATALOGUE) == "free-disk-space"


def test_a_remedy_that_the_platform_lacks_is_not_proposed() -> None:
    for platform, remedy in (("linux", "free-disk-space"), ("macos", None)):
        known: Platform = platform  # type: ignore[assignment]
        assert decide_remedy(seen(FULL, platform=known), CATALOGUE, known) == remedy


def test_weak_evidence_proposes_nothing() -> None:
    weak = seen("Exception from HRESULT: 0x80240437\n", platform="windows")
    assert weak.cause == "wu-components-broken"
    assert {c.cause for c in weak.candidates} >= {"wu-components-broken", "wu-unreachable"}
    assert decide_remedy(weak, CATALOGUE) is None


def test_a_cause_that_the_text_does_not_name_proposes_nothing() -> None:
    found = seen("It is held by process 20411 (apt)\n")
    assert found.cause == "package-manager-locked" and found.confidence < NAMED
    assert decide_remedy(found, CATALOGUE) is None


def test_a_close_rival_proposes_nothing() -> None:
    assert decide_remedy(seen(LOCKED + FULL), CATALOGUE) is None


def test_unknown_proposes_nothing() -> None:
    assert decide_remedy(seen(), CATALOGUE) is None


# --- records -----------------------------------------------------------------------------------


def test_a_record_comes_back_with_its_keys() -> None:
    found = classify_record(json.dumps({"id": "x", "stdout": LOCKED}), CATALOGUE)
    assert list(found) == ["id", "cause", "confidence", "candidates", "remedy", "evidence"]
    assert found["evidence"] == [{"stream": "stdout", "line": 1, "text": LOCKED.strip()}]
    assert json.loads(json.dumps(found)) == found


def test_all_but_the_id_is_optional_and_may_be_null() -> None:
    empty = {"platform": None, "status": None, "response_code": None, "stdout": None}
    for record in ({"id": 7}, {"id": 7, **empty}, {"id": 7, "platform": "unknown"}):
        found = classify_record(json.dumps(record), CATALOGUE)
        assert (found["id"], found["cause"], found["remedy"]) == (7, "unknown", None)


@pytest.mark.parametrize(
    ("line", "record_id", "said"),
    [
        ("{", None, "is not JSON"),
        ("[1]", None, "is a JSON list"),
        ("null", None, "is a JSON NoneType"),
        ("{}", None, "id: is missing"),
        ('{"id": true}', None, "id: is missing"),
        ('{"id": "a", "stdout": 5}', "a", "stdout: is a int"),
        ('{"id": "a", "response_code": "1"}', "a", "response_code: is a str"),
        ('{"id": "a", "response_code": 1e99}', "a", "response_code: is a float"),
        ('{"id": "a", "response_code": 99999999999}', "a", "outside 32 bits"),
        ('{"id": "a", "platform": "amiga"}', "a", "'amiga' is not linux"),
        ("[" * 100_000, None, "is not JSON"),
    ],
)
def test_a_malformed_line_is_told_and_not_raised(line: str, record_id: object, said: str) -> None:
    found = classify_record(line, CATALOGUE)
    assert found["id"] == record_id
    assert said in found["error"]


def test_the_unsigned_form_of_a_negative_code_is_understood() -> None:
    record = {"id": 1, "platform": "windows", "response_code": 0x80070070}
    assert classify_record(json.dumps(record), CATALOGUE)["cause"] == "disk-full"
    killed = {"id": 1, "platform": "linux", "response_code": 2**32 - 9}
    assert classify_record(json.dumps(killed), CATALOGUE)["cause"] == "out-of-memory"


# --- any text ------------------------------------------------------------------------------------

FRAGMENTS = st.sampled_from(
    (
        *(LOCKED, FULL, "\x1b[1m", "\r", "\r\n", "\n", "\0", "0x80240437", "Complete!\n", "é"),
        *(
            "Trying other mirror.\n",
            "E: ",
            "a" * 70,
            "404 Not Found [IP: ",
            "\ud800",
            "\\n",
            "ロック ",
        ),
    )
)
TEXTS = st.lists(FRAGMENTS | st.text(max_size=30), max_size=40).map("".join)


@settings(deadline=None, max_examples=150)
@given(
    stdout=TEXTS,
    stderr=TEXTS,
    platform=st.sampled_from([None, "linux", "windows", "macos"]),
    status=st.none() | st.text(max_size=20) | st.sampled_from(["Success", "Failed", "Timed Out"]),
    code=st.none() | st.integers(-(2**31), 2**31 - 1),
)
def test_any_evidence_gives_a_classification(
    stdout: str, stderr: str, platform: Platform | None, status: str | None, code: int | None
) -> None:
    evidence = Evidence(
        platform=platform, stdout=stdout, stderr=stderr, status=status, response_code=code
    )
    found = classify(evidence, CATALOGUE)
    assert found == classify(evidence, CATALOGUE)
    assert len(found.candidates) <= CANDIDATES_MAX
    confidences = [candidate.confidence for candidate in found.candidates]
    assert confidences == sorted(confidences, reverse=True)
    streams = {"stdout": stdout, "stderr": stderr, "status": ""}
    for candidate in found.candidates:
        assert candidate.cause in CATALOGUE.causes
        assert CONFIDENCE_MIN <= candidate.confidence < 1
        for line in candidate.lines:
            text = streams[line.stream]
            breaks = text.count("\n") or text.count("\r")
            assert (line.line == 0) == (line.stream == "status")
            assert line.line <= breaks + 1
    decide_remedy(found, CATALOGUE, platform)


@settings(deadline=None, max_examples=100)
@given(line=st.text(max_size=60) | st.binary(max_size=40).map(lambda raw: raw.decode("latin-1")))
def test_any_line_gives_a_record_or_an_error(line: str) -> None:
    found = classify_record(line, CATALOGUE)
    assert ("error" in found) != ("cause" in found)


@pytest.mark.parametrize(
    "unit",
    [
        *("a", " ", "\n", "\r", "\\n", "\x1b[", "0x8", "((((", "Error: ", "x" * 70 + "\n"),
        *("E: Failed to fetch https://x ", "404 Not Found [IP: ", "Could not get lock /"),
        "Trying other mirror.\n",
    ],
)
def test_hostile_text_costs_no_more_than_its_length(unit: str) -> None:
    """A generous ceiling: what is not linear takes minutes here, what is takes a fraction of it."""
    text = unit * (1_000_000 // len(unit))
    started = time.perf_counter()
    found = seen(text + "\nlast line: No space left on device\n")
    assert time.perf_counter() - started < 5
    assert "disk-full" in [candidate.cause for candidate in found.candidates]
