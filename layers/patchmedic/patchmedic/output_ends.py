"""The end of what a command printed, from where its sender had the whole output sent.

Run Command itself returns the first part of an output only; the reason of a failure stands near
the end.  Here: finding a run's output in S3 or in CloudWatch Logs, and reading its last part.  Not
here: when that is worth it (``stages.classify``), joining the parts (``output``).

What is read is bounded: one listing and one ranged GET a stream from S3, or one listing and at
most two pages a stream from CloudWatch Logs, in places that the stack's parameters name and
nowhere else.  An end that cannot be read is a note in the evidence, never an error: each call is
tried once, and the caller asks no second time where a place turned out closed.

The agent names what it stores after command, node and step::

    S3               <prefix>/<command>/<node>/<plugin>/<step>/stdout, after the step; not if empty
    CloudWatch Logs  <command>/<node>/<step>/stdout, while the step runs

The names are looked up in a listing, because agents and kinds of runs differ in what stands
between node and step.
"""

from __future__ import annotations

import posixpath
import re
import urllib.parse
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Literal

from patchmedic.aws import Clients, call
from patchmedic.errors import AwsDenied, AwsError
from patchmedic.output import END_NOTE
from patchmedic.ports import Invocation, OutputEnds, OutputPlace, StreamEnd

END_BYTES_MAX = 65_536
"""Room for 24,000 characters, most of which take more than one byte."""
LISTED_MAX = 50
"""Names looked at for one run: two for each step that printed anything."""
LOG_EVENTS_MAX = 1_000
LOG_PAGES_MAX = 2
"""The second one tells whether the first held everything."""

Stream = Literal["stdout", "stderr"]
_Ends = Mapping[Stream, StreamEnd]
_Look = tuple[str, str, Callable[[], _Ends] | None]
"""A place, the stack's parameter that opens it, and how to look there if it is open."""

_PATH_HOST = r"s3[.-][a-z0-9.-]*amazonaws\.com(?:\.cn)?"
_VIRTUAL_HOST = rf"(?P<bucket>[a-z0-9.-]{{3,63}})\.{_PATH_HOST}"


class CommandOutputs:
    """``ports.Outputs`` over S3 and CloudWatch Logs."""

    def __init__(
        self, clients: Clients, buckets: Collection[str], log_groups: Collection[str]
    ) -> None:
        self._clients = clients
        self._buckets = frozenset(buckets)
        self._log_groups = frozenset(log_groups)

    def ends(self, region: str, invocation: Invocation, place: OutputPlace) -> OutputEnds:
        """The ends of the streams that were cut, or a note that says why there are none."""
        looks = [
            *self._s3_look(region, invocation, place),
            *self._logs_look(region, invocation, place),
        ]
        if not looks:
            why = "its command sends it nowhere else (an S3 bucket or CloudWatch Logs could be set)"
            return OutputEnds(note=END_NOTE + why, place_closed=True)
        notes: list[str] = []
        closed = True
        for where, parameter, look in looks:
            if look is None:
                notes.append(f"{where} is none that the stack may read ({parameter})")
                continue
            try:
                found = look()
            except AwsError as error:
                why, for_all = _why(error)
                notes.append(f"{where} {why}")
                closed = closed and for_all
                continue
            if found:
                return OutputEnds(found.get("stdout"), found.get("stderr"))
            notes.append(f"{where} has nothing of this run (not yet, or the node may not write)")
            closed = False
        return OutputEnds(note=END_NOTE + "; ".join(notes), place_closed=closed)

    # --- S3 ------------------------------------------------------------------------------------

    def _s3_look(self, region: str, invocation: Invocation, place: OutputPlace) -> Iterable[_Look]:
        folder = _s3_folder(invocation, place)
        if folder is None:
            return
        bucket, prefix = folder
        allowed = bucket in self._buckets
        yield (
            f"bucket {bucket}",
            "PatchOutputBuckets",
            (lambda: self._from_s3(region, bucket, prefix, invocation)) if allowed else None,
        )

    def _from_s3(self, region: str, bucket: str, prefix: str, invocation: Invocation) -> _Ends:
        # The bucket may be in another Region: S3 says so, and botocore asks again there.
        client = self._clients.get("s3", region, one_try=True)
        listed = call(
            "ListObjectsV2",
            client.list_objects_v2,
            Bucket=bucket,
            Prefix=prefix,
            MaxKeys=LISTED_MAX,
        )
        keys = [str(o["Key"]) for o in listed.get("Contents", ()) if o.get("Size", 0) > 0]
        return {
            stream: _object_end(client, bucket, key)
            for stream in _cut_streams(invocation)
            if (key := _name_of(keys, invocation.step, stream)) is not None
        }

    # --- CloudWatch Logs -----------------------------------------------------------------------

    def _logs_look(
        self, region: str, invocation: Invocation, place: OutputPlace
    ) -> Iterable[_Look]:
        group = place.log_group
        if group is None:
            return
        allowed = group in self._log_groups
        yield (
            f"log group {group}",
            "PatchOutputLogGroups",
            (lambda: self._from_logs(region, group, invocation)) if allowed else None,
        )

    def _from_logs(self, region: str, group: str, invocation: Invocation) -> _Ends:
        client = self._clients.get("logs", region, one_try=True)
        listed = call(
            "DescribeLogStreams",
            client.describe_log_streams,
            logGroupName=group,
            logStreamNamePrefix=f"{invocation.command_id}/{invocation.node_id}/",
            limit=LISTED_MAX,
        )
        names = [str(s["logStreamName"]) for s in listed.get("logStreams", ())]
        ends: dict[Stream, StreamEnd] = {}
        for stream in _cut_streams(invocation):
            name = _name_of(names, invocation.step, stream)
            end = _log_stream_end(client, group, name) if name is not None else None
            if end is not None:
                ends[stream] = end
        return ends


def _cut_streams(invocation: Invocation) -> tuple[Stream, ...]:
    """The streams whose end is missing; a listing's excerpt holds both in one text."""
    if invocation.stdout_cut and not invocation.stderr:
        return ("stdout", "stderr")
    cut: tuple[tuple[Stream, bool], ...] = (
        ("stdout", invocation.stdout_cut),
        ("stderr", invocation.stderr_cut),
    )
    return tuple(stream for stream, is_cut in cut if is_cut)


def _s3_folder(invocation: Invocation, place: OutputPlace) -> tuple[str, str] | None:
    """The bucket and the prefix of everything that the run stored there."""
    if place.bucket:
        parts = (place.key_prefix, invocation.command_id, invocation.node_id)
        prefix = posixpath.normpath("/".join(part for part in parts if part))
        return place.bucket, re.sub(r"^/+", "/", prefix) + "/"
    return _folder_of_url(invocation.output_url, invocation.node_id)


def _folder_of_url(url: str, node_id: str) -> tuple[str, str] | None:
    """The same from the address of the run's stdout, in either of S3's two forms."""
    parsed = urllib.parse.urlsplit(url)
    host, path = parsed.hostname or "", urllib.parse.unquote(parsed.path).lstrip("/")
    virtual = re.fullmatch(_VIRTUAL_HOST, host)
    if virtual:
        bucket, key = virtual["bucket"], path
    elif re.fullmatch(_PATH_HOST, host):
        bucket, _, key = path.partition("/")
    else:
        return None
    folder = key.rpartition("/")[0]
    return (bucket, f"{folder}/") if node_id in folder.split("/") else None


def _name_of(names: Iterable[str], step: str | None, stream: Stream) -> str | None:
    """The one name that is of this step and stream; ``None`` when that cannot be told."""
    if step is None:
        return None
    wanted = rf"(?:[0-9]+\.)?{re.escape(_plain(step))}"
    found = [
        name
        for name in names
        if name.endswith(f"/{stream}") and re.fullmatch(wanted, _plain(name.split("/")[-2]))
    ]
    return found[0] if len(found) == 1 else None


def _plain(step: str) -> str:
    """A step as the agent writes it into names: without what they may not have."""
    return re.sub(r"[:*-]", "", step)


def _object_end(client: Any, bucket: str, key: str) -> StreamEnd:
    response = call(
        "GetObject", client.get_object, Bucket=bucket, Key=key, Range=f"bytes=-{END_BYTES_MAX}"
    )
    data: bytes = call("GetObject", response["Body"].read, amt=END_BYTES_MAX)
    start = re.match(r"bytes ([0-9]+)-", str(response.get("ContentRange", "")))
    return _end(data, int(start[1]) if start else None)


def _log_stream_end(client: Any, group: str, stream: str) -> StreamEnd | None:
    data = b""
    token: str | None = None
    everything = False
    for _ in range(LOG_PAGES_MAX):
        arguments: dict[str, Any] = {"nextToken": token} if token else {}
        page = call(
            "GetLogEvents",
            client.get_log_events,
            logGroupName=group,
            logStreamName=stream,
            startFromHead=False,
            limit=LOG_EVENTS_MAX,
            **arguments,
        )
        data = b"".join(_lines(event) for event in page["events"]) + data
        everything = page["nextBackwardToken"] == token
        token = page["nextBackwardToken"]
        if everything or len(data) >= END_BYTES_MAX:
            break
    if not data:
        return None
    return _end(data[-END_BYTES_MAX:], 0 if everything and len(data) <= END_BYTES_MAX else None)


def _lines(event: Mapping[str, Any]) -> bytes:
    """An event holds some lines of the output; the last one of all comes without its end."""
    message = str(event.get("message", ""))
    return (message if message.endswith("\n") else f"{message}\n").encode("utf-8", "replace")


def _end(data: bytes, bytes_before: int | None) -> StreamEnd:
    """Where the cut went through a character, its rest is left out."""
    if bytes_before != 0:
        data = data[len(data[:4]) - len(data[:4].lstrip(_CONTINUATION)) :]
    return StreamEnd(data.decode("utf-8", "replace"), bytes_before)


_CONTINUATION = bytes(range(0x80, 0xC0))


def _why(error: AwsError) -> tuple[str, bool]:
    """What is wrong with a place, in words, and whether it is wrong for every node."""
    said = f"{error.code} {error.message}".lower()
    if "kms" in said:
        return "is encrypted with a key that the function may not use (kms:Decrypt)", True
    if isinstance(error, AwsDenied):
        return f"may not be read ({error.call} was denied)", True
    if error.code in ("NoSuchBucket", "ResourceNotFoundException"):
        return "is not there", error.call in ("ListObjectsV2", "DescribeLogStreams")
    if error.retryable:
        return f"did not answer ({error.code})", True
    return f"could not be read ({error.call}: {error.code})", False
