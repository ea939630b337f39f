"""EventBridge event in, signal out: the parser that everything untrusted passes first.

Everything that decides what an event *says* lives here.  Nothing here looks anything up: which
nodes a failed association or window task touched, whether a command was one of ours, and what the
node printed are the edge's questions.

How it works.  An event has to be small enough, then an envelope (account, Region, id, time,
source, detail-type), then the fields that its type promises, each of the form that AWS documents.
Only then is it judged: a failure or recovery of patching is a ``Signal``; a sound event on which
nothing is to be done is a ``Skip`` with the rule that says so; everything else is a ``Rejection``
whose code is one of ``REJECTION_CODES``.  Nothing is raised, whatever comes in.

Fields that no decision needs (output, summaries, the dates of a schedule, an association's
``targets``, which is JSON inside a string) are not looked at, so that a change in one of them
cannot lose a failure.  ``resources`` is not read either: AWS's own samples show it naming another
instance than ``detail`` does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

from patchmedic.model import Rejection, Signal, SignalKind, Skip

Parsed: TypeAlias = "tuple[Signal, ...] | Skip | Rejection"

AWS_SOURCE = "aws.ssm"
OWN_SOURCE = "patchmedic"

PING_LOST_TYPE = "Managed Node Ping Lost"
PING_RESTORED_TYPE = "Managed Node Ping Restored"
COMMAND_STUCK_TYPE = "Patch Command Stuck"
FAILURE_FOUND_TYPE = "Patch Failure Found"
OWN_NOTICE_TYPES: frozenset[str] = frozenset({"PatchMedic Page", "PatchMedic Incident Closed"})
"""What we put on the bus for others; never an input."""

PATCH_DOCUMENTS: frozenset[str] = frozenset(
    {
        "AWS-RunPatchBaseline",
        "AWS-RunPatchBaselineAssociation",
        "AWS-RunPatchBaselineWithHooks",
        "AWS-ApplyPatchBaseline",
        "AWS-InstallWindowsUpdates",
        "AWS-InstallMissingWindowsUpdates",
    }
)

EVENT_CHARACTERS_MAX = 262_144
"""No event of AWS's is bigger than 256 KB, whatever it is made of."""
EVENT_VALUES_MAX = 4_096
FIELD_CHARACTERS_MAX = 512
"""A document's ARN, the longest field that is read, stays well below it."""
ECHO_CHARACTERS_MAX = 80

REJECTION_CODES: frozenset[str] = frozenset(
    {
        "not-json",
        "not-an-object",
        "too-large",
        "missing-field",
        "wrong-type",
        "too-long",
        "wrong-source",
        "unknown-type",
        "bad-account",
        "bad-region",
        "bad-event-id",
        "bad-time",
        "bad-instance-id",
        "bad-command-id",
        "bad-association-id",
        "bad-window-id",
        "bad-execution-id",
        "bad-document-name",
        "bad-status",
    }
)
"""Few and fixed: they are a metric's dimension and a dead letter's attribute."""

_UUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_REGION = r"[a-z]{2,4}(?:-[a-z]{2,12}){1,3}-[0-9]{1,2}"
_DOCUMENT_NAME = r"[a-zA-Z0-9_.\-]{3,128}"


@dataclass(frozen=True, slots=True)
class _Form:
    """What a field must look like, the code when it does not, and how to say it to a person."""

    pattern: re.Pattern[str]
    code: str
    says: str


_ACCOUNT = _Form(re.compile(r"[0-9]{12}"), "bad-account", "12 digits")
_REGION_NAME = _Form(re.compile(_REGION), "bad-region", "a Region like ap-northeast-1")
_EVENT_ID = _Form(re.compile(_UUID), "bad-event-id", "a UUID")
_COMMAND_ID = _Form(re.compile(_UUID), "bad-command-id", "a UUID")
_ASSOCIATION_ID = _Form(re.compile(_UUID), "bad-association-id", "a UUID")
_EXECUTION_ID = _Form(re.compile(_UUID), "bad-execution-id", "a UUID")
_WINDOW_ID = _Form(re.compile(r"mw-[0-9a-f]{17}"), "bad-window-id", "mw- and 17 hexadecimal digits")
_INSTANCE_ID = _Form(
    re.compile(r"i-(?:[0-9a-f]{8}|[0-9a-f]{17})|mi-[0-9a-f]{17}"),
    "bad-instance-id",
    "i- and 8 or 17 hexadecimal digits, or mi- and 17",
)
_DOCUMENT = _Form(
    re.compile(
        rf"(?:arn:aws(?:-[a-z]{{2,8}}){{0,2}}:ssm:{_REGION}:(?:[0-9]{{12}})?:document/)?"
        rf"(?P<name>{_DOCUMENT_NAME})"
    ),
    "bad-document-name",
    "a document's name or ARN",
)
_TIME = _Form(
    re.compile(
        r"(?P<second>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})"
        r"(?:\.(?P<fraction>[0-9]{1,9}))?(?P<zone>Z|[+-][0-9]{2}:[0-9]{2})"
    ),
    "bad-time",
    "a time with a zone, like 2026-11-22T03:04:05Z",
)

_SPELLING: Mapping[str, str] = {"Canceled": "Cancelled"}
"""Events say Canceled where the API says Cancelled; from here on there is one spelling."""
_COMMAND_FAILURES = frozenset({"Failed", "TimedOut", "Cancelled"})
_COMMAND_UNDER_WAY = frozenset({"Pending", "InProgress", "Delayed", "Cancelling"})
_COMMAND_STATUSES = _COMMAND_FAILURES | _COMMAND_UNDER_WAY | {"Success"}
_ASSOCIATION_FAILURES = frozenset({"Failed", "TimedOut"})
_ASSOCIATION_STATUSES = _ASSOCIATION_FAILURES | {
    "Success", "Pending", "Queued", "Associated", "InProgress", "Skipped",
}  # fmt: skip
_WINDOW_FAILURES = frozenset({"FAILED", "TIMED_OUT"})
_WINDOW_STATUSES = _WINDOW_FAILURES | {
    "SUCCESS", "PENDING", "IN_PROGRESS", "CANCELLING", "CANCELLED", "SKIPPED_OVERLAPPING",
}  # fmt: skip
_STATUS_WORD = re.compile(r"[A-Za-z]{2,40}")


def parse_text(body: str) -> Parsed:
    """Parse an event that is still text: the body of a queue's message, a file."""
    if len(body) > EVENT_CHARACTERS_MAX:
        return _too_large()
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        # ValueError covers JSONDecodeError and integers too long to convert.
        return Rejection("not-json", f"the event is not JSON; it starts {_shown(body)}")
    return parse_event(event)


def parse_event(event: object) -> Parsed:
    """Say what one EventBridge event means: signals, nothing to do, or no event at all."""
    try:
        _check_size(event)
        envelope = _Fields(event, "")
        base = _envelope(envelope)
        read = _reader_for(envelope.text("source"), envelope.text("detail-type"))
        return read(base, _Fields(envelope.required("detail"), "detail."))
    except _RejectionError as reject:
        return Rejection(reject.code, reject.reason)


# --- readers: one for each type of event ------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Envelope:
    account: str
    region: str
    event_id: str
    time: datetime


def _envelope(fields: _Fields) -> _Envelope:
    return _Envelope(
        account=fields.formed("account", _ACCOUNT),
        region=fields.formed("region", _REGION_NAME),
        event_id=fields.formed("id", _EVENT_ID),
        time=fields.time("time"),
    )


_Reader: TypeAlias = Callable[[_Envelope, "_Fields"], "tuple[Signal, ...] | Skip"]


def _reader_for(source: str, detail_type: str) -> _Reader:
    if source not in (AWS_SOURCE, OWN_SOURCE):
        raise _RejectionError(
            "wrong-source",
            f"source is {_shown(source)}; only {AWS_SOURCE} and {OWN_SOURCE} are understood",
        )
    reader = _READERS.get((source, detail_type))
    if reader is not None:
        return reader
    if source == OWN_SOURCE and detail_type not in OWN_NOTICE_TYPES:
        raise _RejectionError(
            "unknown-type", f"{OWN_SOURCE} sends no event called {_shown(detail_type)}"
        )
    return _read_other


def _read_other(_base: _Envelope, _detail: _Fields) -> Skip:
    return Skip("no-patch-signal", "events of this type say nothing about a node's patching")


def _read_command(_base: _Envelope, _detail: _Fields) -> Skip:
    return Skip(
        "command-level-event",
        "this event names no node; each node's own invocation event is used instead",
    )


def _read_invocation(base: _Envelope, detail: _Fields) -> tuple[Signal, ...] | Skip:
    node_id = detail.formed("instance-id", _INSTANCE_ID)
    command_id = detail.formed("command-id", _COMMAND_ID)
    document = detail.document("document-name")
    status = detail.status(_COMMAND_STATUSES)
    if document not in PATCH_DOCUMENTS:
        return _not_a_patch_document(document)
    if status in _COMMAND_UNDER_WAY:
        return _still_under_way(status)
    failed = status in _COMMAND_FAILURES
    return (
        Signal(
            kind=(
                SignalKind.PATCH_COMMAND_FAILED if failed else SignalKind.PATCH_COMMAND_SUCCEEDED
            ),
            account=base.account,
            region=base.region,
            event_id=base.event_id,
            time=base.time,
            node_id=node_id,
            command_id=command_id.lower(),
            document=document,
            status=status,
        ),
    )


def _read_node_association(base: _Envelope, detail: _Fields) -> tuple[Signal, ...] | Skip:
    return _association(base, detail, detail.formed("instance-id", _INSTANCE_ID))


def _read_association(base: _Envelope, detail: _Fields) -> tuple[Signal, ...] | Skip:
    """The association as a whole: which nodes it means is for the edge to ask."""
    return _association(base, detail, None)


def _association(
    base: _Envelope, detail: _Fields, node_id: str | None
) -> tuple[Signal, ...] | Skip:
    association_id = detail.formed("association-id", _ASSOCIATION_ID)
    document = detail.document("document-name")
    status = detail.status(_ASSOCIATION_STATUSES)
    if document not in PATCH_DOCUMENTS:
        return _not_a_patch_document(document)
    if status in _ASSOCIATION_FAILURES:
        kind = SignalKind.ASSOCIATION_FAILED
    elif status == "Success":
        kind = SignalKind.ASSOCIATION_SUCCEEDED
    elif status == "Skipped":
        return Skip("association-skipped", "the association was skipped: it neither ran nor failed")
    else:
        return _still_under_way(status)
    return (
        Signal(
            kind=kind,
            account=base.account,
            region=base.region,
            event_id=base.event_id,
            time=base.time,
            node_id=node_id,
            document=document,
            status=status,
            association_id=association_id.lower(),
        ),
    )


def _read_window_task(base: _Envelope, detail: _Fields) -> tuple[Signal, ...] | Skip:
    """A window's task: the event tells neither its nodes nor whether it patches anything."""
    window_id = detail.formed("window-id", _WINDOW_ID)
    execution_id = detail.formed("window-execution-id", _EXECUTION_ID)
    task_execution_id = detail.formed("task-execution-id", _EXECUTION_ID)
    status = detail.status(_WINDOW_STATUSES)
    if status not in _WINDOW_FAILURES:
        return Skip("window-task-not-failed", f"the task's status is {status}")
    return (
        Signal(
            kind=SignalKind.WINDOW_TASK_FAILED,
            account=base.account,
            region=base.region,
            event_id=base.event_id,
            time=base.time,
            status=status,
            window_id=window_id,
            window_execution_id=execution_id.lower(),
            window_task_execution_id=task_execution_id.lower(),
        ),
    )


def _read_ping_lost(base: _Envelope, detail: _Fields) -> tuple[Signal, ...]:
    return _ping(base, detail, SignalKind.PING_LOST)


def _read_ping_restored(base: _Envelope, detail: _Fields) -> tuple[Signal, ...]:
    return _ping(base, detail, SignalKind.PING_RESTORED)


def _ping(base: _Envelope, detail: _Fields, kind: SignalKind) -> tuple[Signal, ...]:
    return (
        Signal(
            kind=kind,
            account=base.account,
            region=base.region,
            event_id=base.event_id,
            time=base.time,
            node_id=detail.formed("instance-id", _INSTANCE_ID),
            status=detail.status_word() if detail.has("status") else None,
            last_ping=detail.time("last-ping") if detail.has("last-ping") else None,
        ),
    )


def _read_stuck(base: _Envelope, detail: _Fields) -> tuple[Signal, ...] | Skip:
    detail.formed("command-id", _COMMAND_ID)  # a stuck command without an id is no finding
    return _found_by_sweep(base, detail, SignalKind.COMMAND_STUCK)


def _read_found(base: _Envelope, detail: _Fields) -> tuple[Signal, ...] | Skip:
    return _found_by_sweep(base, detail, SignalKind.PATCH_COMMAND_FAILED)


def _found_by_sweep(
    base: _Envelope, detail: _Fields, kind: SignalKind
) -> tuple[Signal, ...] | Skip:
    """What the sweep saw in the API; it writes the API's status details, not an event's status."""
    node_id = detail.formed("instance-id", _INSTANCE_ID)
    command_id = None
    if detail.has("command-id"):
        command_id = detail.formed("command-id", _COMMAND_ID).lower()
    document = detail.document("document-name") if detail.has("document-name") else None
    status = detail.status_word() if detail.has("status") else None
    last_ping = detail.time("last-ping") if detail.has("last-ping") else None
    if document is not None and document not in PATCH_DOCUMENTS:
        return _not_a_patch_document(document)
    if status == "Success":
        raise _RejectionError("bad-status", "detail.status is Success in an event about a failure")
    return (
        Signal(
            kind=kind,
            account=base.account,
            region=base.region,
            event_id=base.event_id,
            time=base.time,
            node_id=node_id,
            command_id=command_id,
            document=document,
            status=status,
            last_ping=last_ping,
        ),
    )


_READERS: Mapping[tuple[str, str], _Reader] = {
    (AWS_SOURCE, "EC2 Command Invocation Status-change Notification"): _read_invocation,
    (AWS_SOURCE, "EC2 Command Status-change Notification"): _read_command,
    (AWS_SOURCE, "EC2 State Manager Instance Association State Change"): _read_node_association,
    (AWS_SOURCE, "EC2 State Manager Association State Change"): _read_association,
    (AWS_SOURCE, "Maintenance Window Task Execution State-change Notification"): _read_window_task,
    (OWN_SOURCE, PING_LOST_TYPE): _read_ping_lost,
    (OWN_SOURCE, PING_RESTORED_TYPE): _read_ping_restored,
    (OWN_SOURCE, COMMAND_STUCK_TYPE): _read_stuck,
    (OWN_SOURCE, FAILURE_FOUND_TYPE): _read_found,
}


def _not_a_patch_document(document: str) -> Skip:
    return Skip("not-a-patch-document", f"{_shown(document)} is not a document that patches")


def _still_under_way(status: str) -> Skip:
    return Skip("still-under-way", f"status {status} is not an end; the event of the end follows")


# --- fields: the only way to a value of the event ---------------------------------------------


class _RejectionError(Exception):
    """Carries a rejection from the field that earned it up to ``parse_event``."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(code)
        self.code = code
        self.reason = reason


class _Fields:
    """A JSON object, whose fields come out in the form asked for or not at all."""

    def __init__(self, value: object, path: str) -> None:
        if not isinstance(value, dict):
            if not path:
                raise _RejectionError(
                    "not-an-object", f"the event is {_type_of(value)}, not an object"
                )
            raise _RejectionError(
                "wrong-type", f"{path.rstrip('.')} must be an object, not {_type_of(value)}"
            )
        self._values = value
        self._path = path

    def has(self, name: str) -> bool:
        """Whether the field is there; our own events write null for what they do not know."""
        return self._values.get(name) is not None

    def required(self, name: str) -> object:
        if name not in self._values:
            raise _RejectionError("missing-field", f"{self._path}{name} is missing")
        value: object = self._values[name]
        return value

    def text(self, name: str) -> str:
        value = self.required(name)
        if not isinstance(value, str):
            raise _RejectionError(
                "wrong-type", f"{self._path}{name} must be a string, not {_type_of(value)}"
            )
        if len(value) > FIELD_CHARACTERS_MAX:
            raise _RejectionError(
                "too-long",
                f"{self._path}{name} has {len(value)} characters; {FIELD_CHARACTERS_MAX} are the"
                " most it may have",
            )
        return value

    def formed(self, name: str, form: _Form) -> str:
        return self._match(name, form).group()

    def document(self, name: str) -> str:
        """The document's plain name: events may carry it as an ARN."""
        return self._match(name, _DOCUMENT).group("name")

    def time(self, name: str) -> datetime:
        match = self._match(name, _TIME)
        fraction = (match["fraction"] or "0")[:6].ljust(6, "0")
        zone = "+00:00" if match["zone"] == "Z" else match["zone"]
        try:
            return datetime.fromisoformat(f"{match['second']}.{fraction}{zone}").astimezone(UTC)
        except (ValueError, OverflowError):
            # The 31st of February, hour 25; the first or last hours that a datetime can hold.
            raise self._bad(name, _TIME, match.string) from None

    def status(self, known: frozenset[str]) -> str:
        status = self.text("status")
        status = _SPELLING.get(status, status)
        if status not in known:
            raise _RejectionError(
                "bad-status", f"{self._path}status is {_shown(status)}, which is unknown"
            )
        return status

    def status_word(self) -> str:
        status = self.text("status")
        if not _STATUS_WORD.fullmatch(status):
            raise _RejectionError(
                "bad-status", f"{self._path}status is {_shown(status)}, not one word"
            )
        return _SPELLING.get(status, status)

    def _match(self, name: str, form: _Form) -> re.Match[str]:
        value = self.text(name)
        match = form.pattern.fullmatch(value)
        if match is None:
            raise self._bad(name, form, value)
        return match

    def _bad(self, name: str, form: _Form, value: str) -> _RejectionError:
        return _RejectionError(
            form.code, f"{self._path}{name} is {_shown(value)}; expected {form.says}"
        )


def _check_size(event: object) -> None:
    """Refuse what is too big before anything reads it; no recursion, so depth cannot hurt."""
    characters = 0
    values = 1
    waiting: list[object] = [event]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            characters += len(value)
        elif isinstance(value, dict):
            values += len(value)
            characters += sum(len(key) for key in value if isinstance(key, str))
            waiting.extend(value.values())
        elif isinstance(value, list | tuple):
            values += len(value)
            waiting.extend(value)
        if characters > EVENT_CHARACTERS_MAX or values > EVENT_VALUES_MAX:
            rejection = _too_large()
            raise _RejectionError(rejection.code, rejection.reason)


def _too_large() -> Rejection:
    return Rejection(
        "too-large",
        f"the event is larger than {EVENT_CHARACTERS_MAX} characters or {EVENT_VALUES_MAX} values,"
        " which no event of AWS's is",
    )


def _shown(value: str) -> str:
    """Untrusted text for a log line: ASCII, escaped, cut; nothing in it can break out of it."""
    escaped = ascii(value[:ECHO_CHARACTERS_MAX])
    if len(value) <= ECHO_CHARACTERS_MAX and len(escaped) <= ECHO_CHARACTERS_MAX:
        return escaped
    return escaped[: ECHO_CHARACTERS_MAX - 3] + "..."


_TYPE_NAMES: tuple[tuple[type, str], ...] = (
    (type(None), "null"),
    (bool, "true or false"),
    (int, "a number"),
    (float, "a number"),
    (str, "a string"),
    (list, "a list"),
    (dict, "an object"),
)


def _type_of(value: object) -> str:
    """The JSON name of a value's type; never the value, which may be anything."""
    for kind, name in _TYPE_NAMES:
        if isinstance(value, kind):
            return name
    return "no JSON value"
