"""Reading the end of an output from S3 and CloudWatch Logs, over real clients without a network.

The clients are botocore's own, signing and redirects included; only the last step, the HTTP
request, is answered here by a small store that honours Range and prefixes as AWS does.
"""

from __future__ import annotations

import fnmatch
import io
import json
import re
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from cloudformation import ROOT, listed, load_template

from patchmedic.aws import Clients
from patchmedic.output import END_NOTE
from patchmedic.output_ends import END_BYTES_MAX, LOG_PAGES_MAX, CommandOutputs
from patchmedic.ports import Invocation, OutputEnds, OutputPlace
from patchmedic.run_command import RunCommand

REGION = "ap-northeast-1"
NODE, COMMAND = "i-0a1b2c3d4e5f60001", "5d7a9c10-2b3e-4f61-8a94-c0ffee000101"
BUCKET, GROUP = "patch-logs", "/patching/output"
FOLDER = f"nightly/{COMMAND}/{NODE}"
IN_S3 = OutputPlace(bucket=BUCKET, key_prefix="nightly")
IN_LOGS = OutputPlace(log_group=GROUP)
LONG = "".join(f"line {n}\n" for n in range(20_000)) + "the reason\n"
DENIED = (403, "<Error><Code>AccessDenied</Code><Message>no</Message></Error>")


class _Raw(io.BytesIO):
    def stream(self, **_: Any) -> Any:
        yield self.read()


@dataclass
class Wire:
    """Stands where the network is: a bucket, a log group, and what is wrong with them."""

    objects: dict[str, bytes] = field(default_factory=dict)
    streams: dict[str, list[str]] = field(default_factory=dict)
    trouble: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Operation -> status and body."""
    bucket_region: str = REGION
    requests: list[tuple[str, str]] = field(default_factory=list)
    """Operation and host."""

    def client(self, service: str, **arguments: Any) -> Any:
        session = boto3.session.Session(
            aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION
        )
        client = session.client(service, **arguments)
        client.meta.events.register("before-send", self._answer)
        return client

    def _answer(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        url = urllib.parse.urlsplit(request.url)
        operation, answer = self._route(request, url)
        self.requests.append((operation, str(url.hostname)))
        if operation in self.trouble:
            status, body = self.trouble[operation]
            return AWSResponse(request.url, status, {}, _Raw(body.encode()))
        if not operation.startswith("Log") and f".{self.bucket_region}." not in str(url.hostname):
            moved = "<Error><Code>PermanentRedirect</Code><Message>there</Message></Error>"
            headers = {"x-amz-bucket-region": self.bucket_region}
            return AWSResponse(request.url, 301, headers, _Raw(moved.encode()))
        status, headers, body = answer()
        return AWSResponse(request.url, status, headers, _Raw(body))

    def _route(
        self, request: AWSPreparedRequest, url: urllib.parse.SplitResult
    ) -> tuple[str, Callable[[], tuple[int, Mapping[str, str], bytes]]]:
        target = request.headers.get("X-Amz-Target")
        if target:
            name = target.decode() if isinstance(target, bytes) else target
            asked = json.loads(request.body)
            if name.endswith("DescribeLogStreams"):
                return "LogList", lambda: self._log_list(asked)
            return "LogRead", lambda: self._log_read(asked)
        query = dict(urllib.parse.parse_qsl(url.query))
        if "prefix" in query:
            return "List", lambda: self._list(query["prefix"], int(query["max-keys"]))
        key = urllib.parse.unquote(url.path).lstrip("/")
        return "Get", lambda: self._get(key, str(request.headers["Range"], "ascii"))

    def _list(self, prefix: str, most: int) -> tuple[int, Mapping[str, str], bytes]:
        keys = sorted(k for k in self.objects if k.startswith(prefix))[:most]
        rows = (
            f"<Contents><Key>{k}</Key><Size>{len(self.objects[k])}</Size></Contents>" for k in keys
        )
        return 200, {}, f"<ListBucketResult>{''.join(rows)}</ListBucketResult>".encode()

    def _get(self, key: str, wanted: str) -> tuple[int, Mapping[str, str], bytes]:
        whole = self.objects.get(key)
        if whole is None:
            return 404, {}, b"<Error><Code>NoSuchKey</Code><Message>gone</Message></Error>"
        found = re.fullmatch(r"bytes=-([0-9]+)", wanted)
        assert found, f"only the end of an object may be asked for, not {wanted}"
        body = whole[-int(found[1]) :]
        start = len(whole) - len(body)
        said = f"bytes {start}-{len(whole) - 1}/{len(whole)}"
        return 206, {"Content-Range": said, "Content-Length": str(len(body))}, body

    def _log_list(self, asked: Mapping[str, Any]) -> tuple[int, Mapping[str, str], bytes]:
        names = [n for n in self.streams if n.startswith(asked["logStreamNamePrefix"])]
        return _json({"logStreams": [{"logStreamName": n} for n in names[: asked["limit"]]]})

    def _log_read(self, asked: Mapping[str, Any]) -> tuple[int, Mapping[str, str], bytes]:
        """Backwards from the end; at the beginning, the token that was given comes back."""
        assert asked["startFromHead"] is False
        events = self.streams[asked["logStreamName"]]
        end = int(asked.get("nextToken", f"b/{len(events)}")[2:])
        start = max(0, end - asked["limit"])
        page = [{"timestamp": 1, "message": m} for m in events[start:end]]
        tokens = {"nextBackwardToken": f"b/{start}", "nextForwardToken": f"f/{end}"}
        return _json({"events": page, **tokens})


def _json(body: object) -> tuple[int, Mapping[str, str], bytes]:
    return 200, {}, json.dumps(body).encode()


def run(**changes: Any) -> Invocation:
    given: dict[str, Any] = {
        "command_id": COMMAND,
        "node_id": NODE,
        "document": "AWS-RunPatchBaseline",
        "comment": "",
        "status": "Failed",
        "status_details": "Failed",
        "requested_at": datetime(2026, 11, 22, tzinfo=UTC),
        "step": "PatchLinux",
        "response_code": 1,
        "stdout": LONG[:24_000],
        "stderr": "short",
        "stdout_cut": True,
    }
    return Invocation(**{**given, **changes})


def look(
    wire: Wire,
    place: OutputPlace = IN_S3,
    *,
    buckets: tuple[str, ...] = (BUCKET,),
    groups: tuple[str, ...] = (GROUP,),
    **changes: Any,
) -> OutputEnds:
    session = type("Session", (), {"client": wire.client})
    return CommandOutputs(Clients(session), buckets, groups).ends(REGION, run(**changes), place)


def key(stream: str = "stdout", step: str = "awsrunShellScript/PatchLinux") -> str:
    return f"{FOLDER}/{step}/{stream}"


# --- S3 ------------------------------------------------------------------------------------------


def test_the_end_of_a_long_object_is_read_and_no_more() -> None:
    wire = Wire(objects={key(): LONG.encode(), key("stderr"): b"unasked"})
    found = look(wire)
    assert found.stdout is not None
    assert found.stdout.text == LONG[-END_BYTES_MAX:]
    assert found.stdout.bytes_before == len(LONG) - END_BYTES_MAX
    assert (found.stderr, found.note) == (None, None), "what was whole is not asked for"
    assert [operation for operation, _ in wire.requests] == ["List", "Get"]


def test_a_short_object_comes_whole() -> None:
    found = look(Wire(objects={key(): b"all of it\n"}))
    assert found.stdout is not None
    assert (found.stdout.text, found.stdout.bytes_before) == ("all of it\n", 0)


def test_an_end_never_begins_inside_a_character() -> None:
    text = "パッチ" * 20_000
    found = look(Wire(objects={key(): ("x" + text).encode()}))
    assert found.stdout is not None
    assert text.endswith(found.stdout.text)
    assert "\ufffd" not in found.stdout.text


def test_a_bucket_of_another_region_is_found_there() -> None:
    wire = Wire(objects={key(): b"over here\n"}, bucket_region="eu-west-1")
    found = look(wire)
    assert found.stdout is not None
    assert found.stdout.text == "over here\n"
    hosts = [host for _, host in wire.requests]
    assert f".{REGION}." in hosts[0]
    assert all(".eu-west-1." in host for host in hosts[-2:])


@pytest.mark.parametrize(
    ("step", "stored", "text"),
    [
        ("PatchLinux", "awsrunShellScript/PatchLinux", "mine"),
        ("PreInstallHook", "awsrunDocument/PreInstallHook", "mine"),
        ("aws:runPowerShellScript", "awsrunPowerShellScript/0.awsrunPowerShellScript", "mine"),
        ("PatchLinux", "awsrunDocument/PreInstallHook", None),
        ("Install", "awsrunDocument/PreInstall", None),
        (None, "awsrunShellScript/PatchLinux", None),
    ],
)
def test_only_the_failed_steps_own_output_is_taken(
    step: str | None, stored: str, text: str | None
) -> None:
    wire = Wire(objects={key(step=stored): b"mine", key(step="awsrunDocument/Scan"): b"another's"})
    found = look(wire, step=step)
    assert (found.stdout.text if found.stdout else None) == text
    assert (found.note is None) == (text is not None)


def test_two_outputs_of_one_name_are_not_guessed_between() -> None:
    wire = Wire(objects={key(): b"one", key(step="elsewhere/PatchLinux"): b"two"})
    assert look(wire).stdout is None


def test_the_prefix_is_cleaned_as_the_agent_cleans_it() -> None:
    wire = Wire(objects={f"a/b/{COMMAND}/{NODE}/awsrunShellScript/PatchLinux/stdout": b"found"})
    assert look(wire, OutputPlace(bucket=BUCKET, key_prefix="a//b/")).stdout is not None


@pytest.mark.parametrize(
    "url",
    [
        f"https://s3.{REGION}.amazonaws.com/{BUCKET}/{key()}",
        f"https://s3-{REGION}.amazonaws.com/{BUCKET}/{key()}",
        f"https://{BUCKET}.s3.{REGION}.amazonaws.com/{key()}",
        f"https://{BUCKET}.s3.amazonaws.com/{key()}",
    ],
)
def test_the_address_tells_the_place_where_the_command_does_not(url: str) -> None:
    assert look(Wire(objects={key(): b"found"}), OutputPlace(), output_url=url).stdout is not None


@pytest.mark.parametrize(
    "url",
    [
        "",
        "no address",
        f"https://example.com/{BUCKET}/{key()}",
        f"https://s3.{REGION}.amazonaws.com.example.com/{BUCKET}/{key()}",
        f"https://s3.{REGION}.amazonaws.com/{BUCKET}/some/other/i-0000/stdout",
    ],
)
def test_an_address_of_anything_else_leads_nowhere(url: str) -> None:
    wire = Wire(objects={key(): b"found"})
    found = look(wire, OutputPlace(), output_url=url)
    assert found.stdout is None
    assert found.note is not None
    assert "nowhere else" in found.note
    assert not wire.requests


# --- CloudWatch Logs -----------------------------------------------------------------------------


def stream(name: str = "stdout", step: str = "PatchLinux") -> str:
    return f"{COMMAND}/{NODE}/{step}/{name}"


def test_the_end_of_a_log_stream_is_read_from_the_end() -> None:
    events = [LONG[start : start + 2_000] for start in range(0, len(LONG), 2_000)]
    wire = Wire(streams={stream(): events})
    found = look(wire, IN_LOGS)
    assert found.stdout is not None
    assert found.stdout.text.endswith("the reason\n")
    assert len(found.stdout.text.encode()) <= END_BYTES_MAX
    assert found.stdout.bytes_before is None, "it is not known how much there is before"


def test_many_small_events_are_read_in_a_bounded_number_of_pages() -> None:
    wire = Wire(streams={stream(): [f"line {n}" for n in range(5_000)]})
    found = look(wire, IN_LOGS)
    assert found.stdout is not None
    assert found.stdout.text.endswith("line 4998\nline 4999\n")
    assert [o for o, _ in wire.requests].count("LogRead") == LOG_PAGES_MAX


def test_a_short_log_stream_is_known_to_be_whole() -> None:
    found = look(Wire(streams={stream(): ["first\nsecond\n", "last"]}), IN_LOGS)
    assert found.stdout is not None
    assert (found.stdout.text, found.stdout.bytes_before) == ("first\nsecond\nlast\n", 0)


def test_a_step_with_a_colon_has_a_stream_without() -> None:
    wire = Wire(streams={stream(step="aws-runPowerShellScript"): ["x"]})
    assert look(wire, IN_LOGS, step="aws:runPowerShellScript").stdout is not None


def test_a_listing_s_excerpt_asks_for_both_streams() -> None:
    wire = Wire(streams={stream(): ["out"], stream("stderr"): ["err"]})
    found = look(wire, IN_LOGS, stderr="")
    assert found.stdout is not None and found.stderr is not None
    assert (found.stdout.text, found.stderr.text) == ("out\n", "err\n")


def test_logs_are_read_where_s3_has_nothing() -> None:
    wire = Wire(streams={stream(): ["x"]})
    found = look(wire, OutputPlace(BUCKET, "nightly", GROUP))
    assert found.stdout is not None
    assert found.note is None


# --- what cannot be read -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "parameter"), [(IN_S3, "PatchOutputBuckets"), (IN_LOGS, "PatchOutputLogGroups")]
)
def test_a_place_that_was_not_named_is_never_asked(place: OutputPlace, parameter: str) -> None:
    wire = Wire(objects={key(): b"x"}, streams={stream(): ["x"]})
    found = look(wire, place, buckets=(), groups=())
    assert found.note is not None
    assert found.note.startswith(END_NOTE)
    assert parameter in found.note, "the note says what would open it"
    assert found.place_closed
    assert not wire.requests


def _error(code: str, message: str = "m") -> str:
    return f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"


def _aws_json(code: str, message: str = "m") -> str:
    return json.dumps({"__type": code, "message": message})


@pytest.mark.parametrize(
    ("place", "operation", "answer", "says", "closed"),
    [
        (IN_S3, "List", DENIED, "may not be read (ListObjectsV2 was denied)", True),
        (IN_S3, "Get", DENIED, "may not be read (GetObject was denied)", True),
        (IN_S3, "Get", (403, _error("AccessDenied", "no kms:Decrypt on key/1")), "kms:Dec", True),
        (IN_S3, "Get", (400, _error("KMS.DisabledException")), "is encrypted", True),
        (IN_S3, "List", (404, _error("NoSuchBucket")), "is not there", True),
        (IN_S3, "Get", (404, _error("NoSuchKey")), "GetObject: NoSuchKey", False),
        (IN_S3, "Get", (416, _error("InvalidRange")), "GetObject: InvalidRange", False),
        (IN_S3, "Get", (403, _error("InvalidObjectState")), "InvalidObjectState", False),
        (IN_S3, "List", (503, _error("SlowDown")), "did not answer (SlowDown)", True),
        (IN_LOGS, "LogList", (400, _aws_json("AccessDeniedException")), "was denied", True),
        (IN_LOGS, "LogList", (400, _aws_json("ResourceNotFoundException")), "not there", True),
        (IN_LOGS, "LogRead", (400, _aws_json("ResourceNotFoundException")), "not there", False),
        (IN_LOGS, "LogRead", (400, _aws_json("ThrottlingException")), "did not answer", True),
    ],
)
def test_what_is_wrong_is_a_note_and_asked_once(
    place: OutputPlace, operation: str, answer: tuple[int, str], says: str, closed: bool
) -> None:
    wire = Wire({key(): b"x"}, {stream(): ["x"]}, {operation: answer})
    found = look(wire, place)
    assert (found.stdout, found.stderr) == (None, None)
    assert found.note is not None
    assert says in found.note
    assert found.place_closed is closed
    assert [o for o, _ in wire.requests].count(operation) == 1, "nothing is tried again"


@pytest.mark.parametrize("place", [IN_S3, IN_LOGS])
def test_what_is_not_there_yet_closes_no_place(place: OutputPlace) -> None:
    found = look(Wire(), place)
    assert found.note is not None
    assert "nothing of this run" in found.note
    assert not found.place_closed


def test_an_empty_object_is_no_end() -> None:
    wire = Wire(objects={key(): b""})
    assert look(wire).stdout is None
    assert [o for o, _ in wire.requests] == ["List"]


# --- where a command's sender had it sent ---------------------------------------------------------


class _Ssm:
    """One command, as ListCommands gives it."""

    def __init__(self, **told: Any) -> None:
        at = datetime(2026, 11, 22, tzinfo=UTC)
        self._told = {"CommandId": COMMAND, "RequestedDateTime": at, **told}

    def get(self, *_: Any, **__: Any) -> _Ssm:
        return self

    def list_commands(self, **_: Any) -> dict[str, Any]:
        return {"Commands": [self._told]}


def _logs(**config: Any) -> dict[str, Any]:
    return {"DocumentName": "AWS-RunPatchBaseline", "CloudWatchOutputConfig": config}


@pytest.mark.parametrize(
    ("told", "place"),
    [
        ({}, OutputPlace()),
        ({"OutputS3BucketName": "", "OutputS3KeyPrefix": ""}, OutputPlace()),
        ({"OutputS3BucketName": BUCKET, "OutputS3KeyPrefix": "nightly"}, IN_S3),
        (_logs(CloudWatchOutputEnabled=False, CloudWatchLogGroupName=GROUP), OutputPlace()),
        (_logs(CloudWatchOutputEnabled=True, CloudWatchLogGroupName=GROUP), IN_LOGS),
        (
            _logs(CloudWatchOutputEnabled=True),
            OutputPlace(log_group="/aws/ssm/AWS-RunPatchBaseline"),
        ),
        (
            {
                **_logs(CloudWatchOutputEnabled=True, CloudWatchLogGroupName=""),
                "DocumentName": "a$b",
            },
            OutputPlace(log_group="/aws/ssm/a.b"),
        ),
    ],
)
def test_the_command_tells_where_its_output_went(told: dict[str, Any], place: OutputPlace) -> None:
    ssm: Any = _Ssm(**told)
    info = RunCommand(ssm).describe(REGION, COMMAND)
    assert info is not None
    assert info.output == place


# --- the rights ----------------------------------------------------------------------------------

TEMPLATE = load_template(ROOT / "template.yaml")


def _resolved(value: Any, given: Mapping[str, str]) -> Any:
    """``Ref``, ``Split`` and ``Join`` as CloudFormation does them."""
    if isinstance(value, list):
        return [_resolved(part, given) for part in value]
    if not isinstance(value, dict):
        return value
    ((name, inner),) = value.items()
    if name == "Ref":
        return given[inner]
    if name == "Fn::Split":
        return _resolved(inner[1], given).split(inner[0])
    assert name == "Fn::Join", name
    return inner[0].join(_resolved(inner[1], given))


@pytest.mark.parametrize(
    ("policy", "condition"),
    [
        ("ClassifyOutputBucketsPolicy", "HasPatchOutputBuckets"),
        ("ClassifyOutputLogGroupsPolicy", "HasPatchOutputLogGroups"),
    ],
)
def test_without_the_parameter_there_is_no_right(policy: str, condition: str) -> None:
    resource = TEMPLATE["Resources"][policy]
    assert resource["Condition"] == condition
    assert [role["Ref"] for role in resource["Properties"]["Roles"]] == ["ClassifyRole"]


def test_the_rights_are_those_on_the_named_places() -> None:
    group = f"arn:aws:logs:{REGION}:123456789012:log-group:"
    given = {
        "PatchOutputBuckets": "arn:aws:s3:::one,arn:aws:s3:::two",
        "PatchOutputLogGroups": f"{group}/a,{group}/b",
    }
    rights = {
        statement["Sid"]: (
            sorted(listed(statement["Action"])),
            _resolved(statement["Resource"], given),
        )
        for policy in ("ClassifyOutputBucketsPolicy", "ClassifyOutputLogGroupsPolicy")
        for statement in TEMPLATE["Resources"][policy]["Properties"]["PolicyDocument"]["Statement"]
    }
    assert rights == {
        "ListOutputOfOneRun": (["s3:ListBucket"], ["arn:aws:s3:::one", "arn:aws:s3:::two"]),
        "ReadOutput": (["s3:GetObject"], ["arn:aws:s3:::one/*", "arn:aws:s3:::two/*"]),
        "ReadOutputLogs": (
            ["logs:DescribeLogStreams", "logs:GetLogEvents"],
            [f"{group}/a", f"{group}/b", f"{group}/a:*", f"{group}/b:*"],
        ),
    }


@pytest.mark.parametrize(
    ("prefix", "allowed"),
    [
        (f"{FOLDER}/", True),
        (f"{COMMAND}/{NODE}/", True),
        (f"nightly/{NODE}/{COMMAND}/2026-11-22/awsrunShellScript/PatchLinux/", True),
        ("", False),
        ("nightly/", False),
        (f"nightly/{NODE}/", False),
    ],
)
def test_a_bucket_can_be_listed_below_a_run_only(prefix: str, allowed: bool) -> None:
    policy = TEMPLATE["Resources"]["ClassifyOutputBucketsPolicy"]["Properties"]["PolicyDocument"]
    pattern = policy["Statement"][0]["Condition"]["StringLike"]["s3:prefix"]
    assert fnmatch.fnmatchcase(prefix, pattern) is allowed


@pytest.mark.parametrize(
    ("parameter", "value", "allowed"),
    [
        ("PatchOutputBuckets", "", True),
        ("PatchOutputBuckets", "arn:aws:s3:::our-logs", True),
        ("PatchOutputBuckets", "arn:aws-cn:s3:::our-logs,arn:aws-cn:s3:::two.more", True),
        ("PatchOutputBuckets", "our-logs", False),
        ("PatchOutputBuckets", "arn:aws:s3:::*", False),
        ("PatchOutputBuckets", "arn:aws:s3:::our-logs/prefix", False),
        ("PatchOutputBuckets", "arn:aws:s3:::one,", False),
        ("PatchOutputLogGroups", "", True),
        ("PatchOutputLogGroups", "arn:aws:logs:us-east-1:123456789012:log-group:/aws/ssm/X", True),
        ("PatchOutputLogGroups", "arn:aws:logs:us-east-1:123456789012:log-group:/x:*", False),
        ("PatchOutputLogGroups", "arn:aws:logs:us-east-1:123456789012:log-group:*", False),
        ("PatchOutputLogGroups", "/aws/ssm/X", False),
    ],
)
def test_the_parameters_take_arns_without_wildcards(
    parameter: str, value: str, allowed: bool
) -> None:
    pattern = TEMPLATE["Parameters"][parameter]["AllowedPattern"]
    assert bool(re.search(pattern, value)) is allowed
