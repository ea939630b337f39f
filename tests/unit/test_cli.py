"""The command as a person and a script meet it: output, messages, exit codes."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import click
import notice_samples
import pytest
from botocore.stub import Stubber
from click.testing import CliRunner, Result
from rich.console import Console

from patchmedic.causes.catalogue import load_catalogue
from patchmedic.cli import account, tables
from patchmedic.cli.main import cli
from patchmedic.incident import Incident
from patchmedic.model import Finding, Verdict
from patchmedic.verdict import Diagnosis

ROOT = Path(__file__).resolve().parents[2]
EXECUTABLE = Path(sys.executable).parent / "patchmedic"
LOCK = "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 20411 (apt)"
RECORD = {"id": "a", "platform": "linux", "document": "AWS-RunPatchBaseline", "status": "Failed"}
KEYS = ["id", "cause", "confidence", "candidates", "remedy", "evidence"]
AWS = {
    "AWS_REGION": "ap-northeast-1",
    "AWS_DEFAULT_REGION": "ap-northeast-1",
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


def run(*arguments: str, stdin: bytes = b"", env: Mapping[str, Any] | None = None) -> Result:
    environ = {"LC_ALL": None, "LC_MESSAGES": None, "LANG": "C.UTF-8", **(env or {})}
    result = CliRunner().invoke(cli, list(arguments), input=stdin, env=environ)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def jsonl(stdin: bytes) -> list[dict[str, Any]]:
    result = run("classify", "--jsonl", stdin=stdin)
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def line_of(**keys: Any) -> bytes:
    return json.dumps({**RECORD, **keys}).encode() + b"\n"


# --- classify: one record a line ----------------------------------------------------------------


def test_an_answer_has_exactly_the_keys_that_are_promised() -> None:
    (answer,) = jsonl(line_of(stdout=f"Reading package lists\n{LOCK}\n"))
    assert list(answer) == KEYS
    assert answer["id"] == "a"
    assert answer["cause"] == answer["candidates"][0] == "package-manager-locked"
    assert answer["remedy"] == "wait-for-package-lock"
    assert 0.8 <= answer["confidence"] <= 1
    assert answer["evidence"][0] == {"stream": "stdout", "line": 2, "text": LOCK}


def test_where_nothing_decides_there_is_no_remedy() -> None:
    (answer,) = jsonl(b'{"id": 7}\n')
    assert answer == {
        "id": 7,
        "cause": "unknown",
        "confidence": 0.0,
        "candidates": [],
        "remedy": None,
        "evidence": [],
    }


@pytest.mark.parametrize(
    ("bad", "shown_id", "said"),
    [
        (b"{not json}\n", None, "not JSON"),
        (b"[1, 2]\n", None, "expected an object"),
        (b'"text"\n', None, "expected an object"),
        (b'{"stdout": "no id"}\n', None, "id"),
        (b'{"id": {}}\n', None, "id"),
        (b'{"id": "b", "stdout": 5}\n', "b", "stdout"),
        (b'{"id": "b", "response_code": "1"}\n', "b", "response_code"),
        (b'{"id": "b", "platform": "beos"}\n', "b", "platform"),
        (b"[" * 100_000 + b"\n", None, "not JSON"),
    ],
)
def test_a_malformed_line_yields_an_error_and_the_rest_goes_on(
    bad: bytes, shown_id: str | None, said: str
) -> None:
    before, error, after = jsonl(line_of(stdout=LOCK) + bad + line_of(id="z", stdout=LOCK))
    assert before["cause"] == after["cause"] == "package-manager-locked"
    assert after["id"] == "z"
    assert list(error) == ["id", "error"]
    assert error["id"] == shown_id
    assert said in error["error"]


def test_blank_lines_are_no_records_and_line_endings_do_not_matter() -> None:
    record = line_of(stdout=LOCK).rstrip(b"\n")
    answers = jsonl(b"\n  \r\n" + record + b"\r\n\r\n" + record)
    assert [answer["cause"] for answer in answers] == ["package-manager-locked"] * 2


def test_bytes_that_are_no_text_do_not_stop_it() -> None:
    raw = line_of(stdout="PLACE " + LOCK).replace(b"PLACE", b"\xff\xfe\x80")
    (answer,) = jsonl(raw)
    assert answer["cause"] == "package-manager-locked"


def test_a_separator_that_json_allows_in_text_does_not_end_a_line() -> None:
    raw = json.dumps({**RECORD, "stdout": f"a\u2028b\u0085c {LOCK}"}, ensure_ascii=False)
    (answer,) = jsonl(raw.encode() + b"\n")
    assert answer["cause"] == "package-manager-locked"


def test_half_a_character_in_an_id_comes_back_as_it_was() -> None:
    (answer,) = jsonl(line_of(id="\ud800", stdout=LOCK))
    assert answer["id"] == "\ud800"


def test_a_huge_line_is_read_like_any_other() -> None:
    (answer,) = jsonl(line_of(stdout="x" * 5_000_000 + "\n" + LOCK))
    assert answer["cause"] == "package-manager-locked"
    assert answer["evidence"][0]["line"] == 2


def test_jsonl_reads_files_too(tmp_path: Path) -> None:
    cases = tmp_path / "cases.jsonl"
    cases.write_bytes(line_of(stdout=LOCK) + line_of(id="b"))
    result = run("classify", "--jsonl", str(cases))
    assert [json.loads(line)["id"] for line in result.stdout.splitlines()] == ["a", "b"]


def test_jsonl_refuses_options_that_it_would_ignore() -> None:
    for option in (["--json"], ["--platform", "linux"], ["--response-code", "0"]):
        result = run("classify", "--jsonl", *option)
        assert result.exit_code == 2
        assert "--jsonl" in result.stderr


def test_jsonl_answers_each_line_before_it_reads_the_next() -> None:
    command = [str(EXECUTABLE), "classify", "--jsonl"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for number in (1, 2):
            process.stdin.write(line_of(id=number, stdout=LOCK))
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["id"] == number
        process.stdin.close()
        assert process.wait(30) == 0


# --- classify: files ----------------------------------------------------------------------------


def test_a_text_file_is_answered_with_the_lines_that_support_it(tmp_path: Path) -> None:
    log = tmp_path / "patch.log"
    log.write_text(f"Reading package lists\n{LOCK}\nfailed to run commands: exit status 1\n")
    result = run("classify", str(log))
    assert result.exit_code == 0
    shown = result.stdout
    assert "patch.log: package-manager-locked" in shown
    assert "stdout:2" in shown
    assert "Could not get lock /var/lib/dpkg/lock-frontend" in shown
    assert "what to do" in shown


def test_the_answer_comes_in_japanese(tmp_path: Path) -> None:
    log = tmp_path / "patch.log"
    log.write_text(LOCK)
    shown = run("classify", "--lang", "ja", str(log)).stdout
    assert "パッケージ" in shown


def test_stdin_is_read_without_files() -> None:
    result = run("classify", "--json", stdin=LOCK.encode())
    answer = json.loads(result.stdout)
    assert list(answer) == KEYS
    assert (answer["id"], answer["cause"]) == ("stdin", "package-manager-locked")


def test_several_files_are_answered_one_after_the_other(tmp_path: Path) -> None:
    (tmp_path / "one.log").write_text(LOCK)
    (tmp_path / "two.log").write_text("OSError: [Errno 28] No space left on device")
    files = [str(tmp_path / "one.log"), str(tmp_path / "two.log")]
    answers = [json.loads(x) for x in run("classify", "--json", *files).stdout.splitlines()]
    assert [(a["id"], a["cause"]) for a in answers] == [
        ("one.log", "package-manager-locked"),
        ("two.log", "disk-full"),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_a_file_may_have_any_usual_encoding(tmp_path: Path, encoding: str) -> None:
    log = tmp_path / "patch.log"
    log.write_bytes(f"caf\u00e9\r\n{LOCK}\r\n".encode(encoding))
    answer = json.loads(run("classify", "--json", str(log)).stdout)
    assert answer["cause"] == "package-manager-locked"
    assert answer["evidence"][0]["line"] == 2


def test_a_json_file_is_a_record_with_its_own_id(tmp_path: Path) -> None:
    file = tmp_path / "case.json"
    file.write_text(json.dumps({**RECORD, "stdout": LOCK}, indent=2))
    assert json.loads(run("classify", "--json", str(file)).stdout)["id"] == "a"
    file.write_text(json.dumps({"stdout": "nothing", "stderr": LOCK}))
    answer = json.loads(run("classify", "--json", str(file)).stdout)
    assert (answer["id"], answer["evidence"][0]["stream"]) == ("case.json", "stderr")


def test_what_get_command_invocation_prints_is_taken_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "invocation.json"
    said = {
        "CommandId": "9f1c0000-1111-4222-8333-abcdef012345",
        "InstanceId": "i-0a1b2c3d4e5f60001",
        "DocumentName": "AWS-RunPatchBaseline",
        "ResponseCode": 1,
        "Status": "Failed",
        "StatusDetails": "Failed",
        "StandardOutputContent": f"one\ntwo\n{LOCK}\n",
        "StandardErrorContent": "failed to run commands: exit status 1",
    }
    file.write_text(json.dumps(said))
    answer = json.loads(run("classify", "--json", str(file)).stdout)
    assert answer["cause"] == "package-manager-locked"
    assert answer["evidence"][0]["line"] == 3


def test_json_that_is_no_record_is_text(tmp_path: Path) -> None:
    log = tmp_path / "service.log"
    log.write_text('{"level": "error", "message": "No space left on device"}')
    assert json.loads(run("classify", "--json", str(log)).stdout)["cause"] == "disk-full"


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_record_of_wrong_types_is_named_and_the_others_are_answered(
    tmp_path: Path, form: list[str]
) -> None:
    bad, good = tmp_path / "bad.json", tmp_path / "good.log"
    bad.write_text('{"stdout": ["a list"]}')
    good.write_text(LOCK)
    result = run("classify", *form, str(bad), str(good))
    assert result.exit_code == 1
    assert result.stderr == "patchmedic: bad.json: stdout: is a list, expected text\n"
    assert "package-manager-locked" in result.stdout


def test_an_option_adds_to_what_the_file_says(tmp_path: Path) -> None:
    log = tmp_path / "patch.log"
    log.write_text("")
    answer = json.loads(
        run("classify", "--json", "--status", "Success", "--response-code", "0", str(log)).stdout
    )
    assert answer["cause"] == "benign"


def test_no_escape_sequence_of_a_log_reaches_the_terminal(tmp_path: Path) -> None:
    log = tmp_path / "patch.log"
    log.write_bytes(b"\x1b]0;owned\x07\x1b[31m" + LOCK.encode() + b"\x1b[2J [bold]x[/bold]")
    shown = run("classify", str(log)).stdout
    assert "\x1b" not in shown
    assert "[bold]x[/bold]" in shown, "brackets of a log are no markup"


def test_a_file_that_is_not_there_is_wrong_usage() -> None:
    result = run("classify", "no-such.log")
    assert result.exit_code == 2
    assert "no-such.log" in result.stderr


def test_a_reader_that_stops_early_is_no_error_to_shout_about() -> None:
    script = f"'{EXECUTABLE}' causes --json | head -c 10; '{EXECUTABLE}' causes | head -n 1"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert done.stderr == ""


def test_into_a_pipe_a_line_of_the_log_stays_on_one_line(tmp_path: Path) -> None:
    log = tmp_path / "patch.log"
    log.write_text("E: Could not get lock /var/lib/dpkg/lock-frontend. It is held")
    environ = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
    done = subprocess.run(
        [EXECUTABLE, "classify", log], capture_output=True, text=True, check=True, env=environ
    )
    assert "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held" in done.stdout


# --- causes -------------------------------------------------------------------------------------


def test_causes_lists_all_in_a_line_each() -> None:
    heading, _, *listed = [line for line in run("causes").stdout.splitlines() if line.strip()]
    assert heading.split() == ["cause", "what", "it", "is", "group", "platforms", "remedies"]
    folder = ROOT / "layers" / "patchmedic" / "patchmedic" / "causes" / "data"
    ids = {path.stem for path in folder.glob("*.toml")} - {"noise"}
    assert [line.split()[0] for line in listed] == sorted(ids)
    (full,) = (line for line in listed if line.split()[0] == "disk-full")
    assert re.split(r"\s{2,}", full.strip()) == [
        "disk-full",
        "No disk space (or no inodes) left",
        "resources",
        "all",
        "free-disk-space",
    ]


def test_causes_explains_one_cause_fully() -> None:
    shown = run("causes", "wu-unreachable").stdout
    assert shown.startswith("wu-unreachable: ")
    headings = re.findall(r"^[A-Z ]+$", shown, re.MULTILINE)
    assert headings == [
        "WHAT IT MEANS",
        "WHAT TO DO",
        "HOW PATCHMEDIC MAKES SURE",
        "WHAT PATCHMEDIC MAY DO",
        "WHAT IT IS RELATED TO",
        "HOW IT SHOWS",
        "READ MORE",
    ]
    for part in (
        "Test-NetConnection",
        "wu-reach: ",
        "retry-later",
        "proxy-misconfigured: ",
        "0x80072EE2 WININET_E_TIMEOUT",
        "https://",
    ):
        assert part in shown, part
    assert "(?:" not in shown


def test_the_language_is_that_of_the_terminal_unless_it_is_named() -> None:
    for variables, japanese in (
        ({"LANG": "ja_JP.UTF-8"}, True),
        ({"LANG": "ja"}, True),
        ({"LANG": "en_US.UTF-8"}, False),
        ({"LANG": "jam_JM"}, False),
        ({"LANG": ""}, False),
        ({"LANG": "ja_JP.UTF-8", "LC_ALL": "C"}, False),
        ({"LANG": "C", "LC_MESSAGES": "ja_JP.UTF-8"}, True),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "ja_JP"}, True),
    ):
        shown = run("causes", "disk-full", env=variables).stdout
        assert ("■ 概要" in shown) == japanese, variables
    japan = {"LANG": "ja_JP.UTF-8"}
    assert "WHAT IT MEANS" in run("causes", "disk-full", "--lang", "en", env=japan).stdout


def test_causes_speaks_json_and_japanese() -> None:
    everything = json.loads(run("causes", "--json").stdout)
    one = json.loads(run("causes", "disk-full", "--json").stdout)
    assert one in everything
    assert one["id"] == "disk-full"
    assert set(one["title"]) == {"en", "ja"}
    assert one["title"]["ja"] in run("causes", "disk-full", "--lang", "ja").stdout
    assert one["platforms"] == ["linux", "windows", "macos"]
    assert "os-limit-exhausted" in one["explained_by"]
    (full,) = (each for each in one["hresults"] if each["code"] == "0x80070070")
    assert full["symbol"] == "ERROR_DISK_FULL"
    assert set(full["meaning"]) == {"en", "ja"}


def test_an_unknown_cause_is_answered_with_the_nearest_one() -> None:
    result = run("causes", "disk-ful")
    assert result.exit_code == 3
    assert result.stdout == ""
    assert "no cause 'disk-ful'; did you mean disk-full?" in result.stderr
    assert "patchmedic causes" in result.stderr


# --- hresult ------------------------------------------------------------------------------------


def test_a_result_code_is_named_and_explained_in_any_spelling() -> None:
    shown = {
        run("hresult", spelled).stdout
        for spelled in (
            "0x80240437",
            "-2145123273",
            "2149844023",
            "80240437",
            "HRESULT: 0x80240437",
            "WU_E_PT_SECURITY_VERIFICATION_FAILURE",
        )
    }
    assert len(shown) == 1
    (text,) = shown
    assert text.startswith(
        "0x80240437  WU_E_PT_SECURITY_VERIFICATION_FAILURE\n  The update service"
    )
    for part in ("-2145123273", "2149844023", "wu-components-broken (0.", "wu-unreachable (0."):
        assert part in text, part


def test_several_codes_are_explained_in_their_order_and_in_japanese() -> None:
    shown = run("hresult", "12029", "-2145091293", "--lang", "ja").stdout
    assert shown.index("0x80072EFD") < shown.index("0x80248123  FACILITY_WINDOWSUPDATE (WU_E_DS_*)")
    assert "Win32 12029" in shown
    assert "更新のデータストア" in shown


def test_hresult_speaks_json() -> None:
    (known,) = json.loads(run("hresult", "0x80072EE2", "--json").stdout)
    assert known["code"] == "0x80072EE2"
    assert known["symbols"] == ["WININET_E_TIMEOUT", "ERROR_WINHTTP_TIMEOUT"]
    assert known["hints"][0]["cause"] == "wu-unreachable"
    assert set(known["meaning"]) == {"en", "ja"}
    assert known["written"] == ["-2147012894", "2147954402", "Win32 12002"]


def test_a_code_of_which_nothing_is_known_ends_with_3_and_what_is_no_code_with_2() -> None:
    result = run("hresult", "0x8ABC1234", "0x80070005")
    assert result.exit_code == 3
    assert "no description is known" in result.stdout and "E_ACCESSDENIED" in result.stdout
    result = run("hresult", "0x80070005", "nonsense")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "'nonsense' holds no Windows error code" in result.stderr
    assert run("hresult").exit_code == 2


def test_a_code_in_the_output_is_explained_beside_the_evidence(tmp_path: Path) -> None:
    log = tmp_path / "patch.log"
    log.write_text("Search failed with HRESULT: -2145123273\n")
    shown = run("classify", "--platform", "windows", str(log)).stdout
    assert re.search(r"0x80240437 +WU_E_PT_SECURITY_VERIFICATION_FAILURE +The update", shown)
    shown = run("classify", "--platform", "windows", "--response-code", "1618", str(log)).stdout
    assert re.search(r"0x80070652 +ERROR_INSTALL_ALREADY_RUNNING +Another installation", shown)
    log.write_text(LOCK)
    assert "error codes" not in run("classify", str(log)).stdout


# --- incidents, approve, deny -------------------------------------------------------------------


@pytest.fixture
def dead_endpoint() -> Iterator[str]:
    """An address of this machine where nobody listens."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))  # bound, not listening: refuses, and nobody else gets it
        yield f"http://127.0.0.1:{holder.getsockname()[1]}"


@pytest.mark.parametrize(
    "arguments",
    [
        ["incidents"],
        ["incidents", "pm-0123456789abcdef"],
        ["incidents", "--table", "patchmedic"],
        ["approve", "pm-0123456789abcdef"],
        ["deny", "pm-0123456789abcdef", "--reason", "no"],
    ],
)
def test_where_aws_does_not_answer_the_message_says_what_to_do(
    arguments: list[str], dead_endpoint: str
) -> None:
    result = run(*arguments, env={**AWS, "AWS_ENDPOINT_URL": dead_endpoint})
    assert result.exit_code == 1
    assert result.stdout == ""
    assert dead_endpoint in result.stderr
    assert "AWS_REGION" in result.stderr
    assert "patchmedic local env" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("arguments", [["incidents"], ["approve", "pm-0123456789abcdef"]])
def test_without_a_region_or_credentials_the_message_says_so(arguments: list[str]) -> None:
    without: dict[str, Any] = {**AWS, "AWS_REGION": None, "AWS_DEFAULT_REGION": None}
    result = run(*arguments, env={**without, "AWS_PROFILE": None})
    assert result.exit_code == 1
    assert "AWS_REGION" in result.stderr
    without = {**AWS, "AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}
    result = run(*arguments, env={**without, "AWS_PROFILE": None})
    assert result.exit_code == 1
    assert "credentials" in result.stderr


class Account:
    """Stubbed clients in place of the operator's account."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._stubs: dict[str, Stubber] = {}
        self._clients: dict[str, Any] = {}
        monkeypatch.setattr(account, "_client", self._client)

    def stub(self, service: str) -> Stubber:
        if service not in self._stubs:
            self._clients[service] = boto3.client(
                service,
                region_name="ap-northeast-1",
                aws_access_key_id="none",
                aws_secret_access_key="none",
            )
            self._stubs[service] = Stubber(self._clients[service])
            self._stubs[service].activate()
        return self._stubs[service]

    def _client(self, service: str) -> Any:
        self.stub(service)
        return self._clients[service]


@pytest.fixture
def operator(monkeypatch: pytest.MonkeyPatch) -> Account:
    return Account(monkeypatch)


def payload(answer: Mapping[str, Any]) -> Any:
    from io import BytesIO

    from botocore.response import StreamingBody

    raw = json.dumps(answer).encode()
    return StreamingBody(BytesIO(raw), len(raw))


IDENTITY = {"Arn": "arn:aws:iam::123456789012:user/you", "UserId": "u", "Account": "123456789012"}


def test_an_approval_names_the_operator_and_tells_the_answer(operator: Account) -> None:
    operator.stub("sts").add_response("get_caller_identity", IDENTITY)
    sent = {
        "incident_id": "pm-0123456789abcdef",
        "decision": "approve",
        "operator": IDENTITY["Arn"],
        "reason": "maintenance agreed",
    }
    operator.stub("lambda").add_response(
        "invoke",
        {"StatusCode": 200, "Payload": payload({"decided": True, "detail": "approved"})},
        {"FunctionName": "patchmedic-approve", "Payload": json.dumps(sent).encode()},
    )
    result = run("approve", "pm-0123456789abcdef", "--reason", "maintenance agreed")
    assert (result.exit_code, result.stdout) == (0, "approved\n")


def test_an_approval_that_decides_nothing_ends_with_3(operator: Account) -> None:
    operator.stub("sts").add_response("get_caller_identity", IDENTITY)
    said = {"decided": False, "detail": "the proposal expired"}
    operator.stub("lambda").add_response("invoke", {"StatusCode": 200, "Payload": payload(said)})
    result = run("deny", "pm-0123456789abcdef")
    assert (result.exit_code, result.stdout) == (3, "the proposal expired\n")


def test_a_function_that_broke_off_ends_with_1(operator: Account) -> None:
    operator.stub("sts").add_response("get_caller_identity", IDENTITY)
    said = {"errorType": "SettingsError", "errorMessage": "TABLE_NAME is missing"}
    operator.stub("lambda").add_response(
        "invoke", {"StatusCode": 200, "FunctionError": "Unhandled", "Payload": payload(said)}
    )
    result = run("approve", "pm-0123456789abcdef")
    assert result.exit_code == 1
    assert "TABLE_NAME is missing" in result.stderr


def test_a_stack_that_is_not_there_or_is_no_patchmedic_is_named(operator: Account) -> None:
    cloudformation = operator.stub("cloudformation")
    cloudformation.add_client_error(
        "describe_stacks", "ValidationError", "Stack with id other does not exist"
    )
    result = run("incidents", "--stack", "other")
    assert result.exit_code == 1
    assert "Stack with id other does not exist" in result.stderr
    stack = {"StackName": "other", "CreationTime": 0, "StackStatus": "CREATE_COMPLETE"}
    cloudformation.add_response("describe_stacks", {"Stacks": [stack]})
    result = run("incidents", "--stack", "other")
    assert result.exit_code == 1
    assert "is it PatchMedic?" in result.stderr


def test_an_incident_that_is_not_there_ends_with_3(operator: Account) -> None:
    operator.stub("dynamodb").add_response("get_item", {})
    result = run("incidents", "pm-0123456789abcdef", "--table", "patchmedic")
    assert result.exit_code == 3
    assert result.stderr == "patchmedic: there is no incident pm-0123456789abcdef\n"


def page_of(incident: Incident, language: str) -> str:
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(tables.incident_page(incident, (), load_catalogue(), language))
    return console.export_text()


def test_an_incidents_page_tells_a_confirmed_cause_with_its_chain_and_exact_fix() -> None:
    page = page_of(notice_samples.escalated(), "en")
    assert "s3-unreachable (confirmed)" in page
    assert "from the node <- no route <- route table rtb-0aa11bb22cc33dd44" in page
    assert "disk-full (disk-space), package-manager-locked (package-lock)" in page
    assert "Add a gateway endpoint for S3 to the VPC and its route table." in page
    assert "aws ec2 create-vpc-endpoint" in page
    assert page.index("confirms") < page.index("refutes") < page.index("neutral")
    assert "接続できない ← 経路なし ← ルートテーブル rtb-0aa11" in page_of(
        notice_samples.escalated(), "ja"
    )


def test_an_incidents_page_tells_what_was_ruled_out_and_what_was_not_looked_at() -> None:
    page = page_of(notice_samples.unconfirmed(), "en")
    assert "s3-unreachable (likely, not confirmed)" in page
    assert "package-manager-locked (package-lock), wu-unreachable (wu-reach)" in page
    assert "role-policies: The role's policies could not be read" in page
    assert "s3-reach: The check s3-reach could not look" in page
    assert "chain" not in page
    assert "This is set aside" in page


def test_the_page_of_an_incident_that_was_not_looked_at_says_so() -> None:
    opened = replace(notice_samples.escalated(), diagnosis=None, findings=())
    assert "s3-unreachable (by the output alone)" in page_of(opened, "en")
    passed = replace(opened, diagnosis=Diagnosis("s3-unreachable", "text", ()))
    assert "named by the output; unseen" in page_of(passed, "en")
    gone = replace(
        passed, findings=(Finding("s3-reach", Verdict.REFUTES, "s3-unreachable", "s3", {}),)
    )
    assert "named by the output; it has passed" in page_of(gone, "en")
    unknown = replace(opened, diagnosis=Diagnosis("unknown", "none", ()))
    assert "unknown (" not in page_of(unknown, "en")


def test_a_denied_read_is_a_message(operator: Account) -> None:
    operator.stub("dynamodb").add_client_error("query", "AccessDeniedException", "not authorized")
    result = run("incidents", "--table", "patchmedic")
    assert result.exit_code == 1
    assert "AccessDeniedException" in result.stderr
    assert "Traceback" not in result.stderr


# --- the checkout -------------------------------------------------------------------------------


@pytest.fixture
def empty_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "template.yaml").touch()
    (tmp_path / "local").mkdir()
    monkeypatch.setenv("PATCHMEDIC_HOME", str(tmp_path))
    return tmp_path


def test_the_local_clouds_settings_before_it_was_started(empty_checkout: Path) -> None:
    result = run("local", "env")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "patchmedic local up" in result.stderr


def test_the_settings_of_a_local_cloud_that_ended_are_not_handed_out(
    empty_checkout: Path, dead_endpoint: str
) -> None:
    (empty_checkout / ".patchmedic" / "local").mkdir(parents=True)
    (empty_checkout / ".patchmedic" / "local" / "env").write_text(
        f"export AWS_ENDPOINT_URL={dead_endpoint}\n"
    )
    result = run("local", "env")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "does not run" in result.stderr
    assert "patchmedic local up" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [["demo"], ["local", "up"], ["local", "env"], ["replay", str(ROOT / "events/ping-lost.json")]],
)
def test_outside_a_checkout_the_error_names_both_ways_out(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PATCHMEDIC_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.exit_code == 1
    assert "needs a checkout of PatchMedic" in result.stderr
    assert "PATCHMEDIC_HOME" in result.stderr


def test_a_checkout_without_its_environments_says_which_command_makes_them(
    empty_checkout: Path,
) -> None:
    result = run("local", "up")
    assert result.exit_code == 1
    assert "make envs" in result.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("not json", "is not JSON"),
        ('{"source": "aws.s3"}', "no event that PatchMedic takes"),
        ("[]", "no event that PatchMedic takes"),
    ],
)
def test_replay_refuses_what_is_no_event_before_it_starts_anything(
    content: str, said: str, tmp_path: Path, empty_checkout: Path
) -> None:
    file = tmp_path / "event.json"
    file.write_text(content)
    result = run("replay", str(file))
    assert result.exit_code == 3
    assert said in result.stderr


# --- help ---------------------------------------------------------------------------------------


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


@pytest.mark.parametrize("path", sorted(commands(cli)), ids=" ".join)
def test_every_help_has_an_example_of_its_own_command(path: tuple[str, ...]) -> None:
    for option in ("--help", "-h"):
        result = run(*path, option)
        assert result.exit_code == 0
        _, found, examples = result.stdout.partition("Example")
        assert found, f"{path} has no example"
        assert f"patchmedic {' '.join(path)}" in examples


def test_the_help_explains_the_exit_codes() -> None:
    shown = run("--help").stdout
    _, _, codes = shown.partition("Exit codes:")
    assert [f"\n    {code}  " in codes for code in range(4)] == [True] * 4


def test_wrong_usage_ends_with_2() -> None:
    for arguments in (["no-such-command"], ["causes", "--lang", "fr"], ["incidents", "--limit=0"]):
        assert run(*arguments).exit_code == 2


# --- what pip installs --------------------------------------------------------------------------


def make_wheel(folder: Path) -> Path:
    """The wheel that ``pip install .`` makes, unpacked; from a copy, so that nothing stays here."""
    source = folder / "source"
    package = Path("layers", "patchmedic", "patchmedic")
    ignored = shutil.ignore_patterns("__pycache__", "catalogue.json")
    shutil.copytree(ROOT / package, source / package, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    make = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run(
        [*make, "--quiet", "--wheel-dir", str(folder), str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_the_wheel_has_the_command_and_every_data_file(tmp_path: Path) -> None:
    site = make_wheel(tmp_path)
    package = ROOT / "layers" / "patchmedic" / "patchmedic"
    wanted = {
        path.relative_to(package)
        for path in package.rglob("*")
        if path.suffix in (".py", ".toml", ".csv") or path.name == "py.typed"
    }
    installed = site / "patchmedic"
    assert {p.relative_to(installed) for p in installed.rglob("*") if p.is_file()} == wanted
    assert sum(path.suffix == ".toml" for path in wanted) > 60
    entry_points = next(site.glob("*.dist-info/entry_points.txt")).read_text()
    assert "patchmedic = patchmedic.cli.main:cli" in entry_points
    code = "from patchmedic.cli.main import cli; cli(['causes', 'disk-full'])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(site)},
        check=True,
        cwd=tmp_path,
    )
    assert done.stdout.startswith("disk-full: ")
