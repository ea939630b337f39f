"""The shape of a cause file, and every way in which one can be wrong.

Here: the frozen types of catalogue entries, the words that a cause file may use, and the validator
that turns one parsed TOML document into a ``Cause`` or into a list of errors a person can act
on.  Not here: finding and reading files (``catalogue``) and using the entries (``classifier``).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from patchmedic.causes.literals import PatternError, requires_one_of
from patchmedic.model import LANGUAGES, Text

GROUPS: Final = (
    "network",
    "identity",
    "agent",
    "windows",
    "packages",
    "resources",
    "operation",
    "none",
)
PLATFORMS: Final = ("linux", "windows", "macos")
STREAMS: Final = ("stdout", "stderr")
OUTPUTS: Final = ("any", "none", "some")

NODE_CHECKS: Final = (
    "disk-space",
    "package-lock",
    "patch-runs",
    "payload-leftovers",
    "credentials",
    "s3-reach",
    "ssm-reach",
    "package-repositories",
    "agent",
    "imds",
    "dpkg-state",
    "clock",
    "wu-services",
    "wu-reach",
    "wu-components",
    "wu-proxy",
    "reboot-pending",
    "patch-log-tail",
)
AWS_CHECKS: Final = (
    "instance-state",
    "managed-node",
    "instance-profile",
    "role-policies",
    "network-path",
    "s3-endpoint-policy",
    "patch-policy-role",
    "recent-commands",
    "agent-silence",
)
REMEDY_PLATFORMS: Final[Mapping[str, tuple[str, ...]]] = {
    "wait-for-package-lock": ("linux",),
    "retry-when-quiet": PLATFORMS,
    "clear-patch-leftovers": ("linux",),
    "free-disk-space": ("linux", "windows"),
    "clean-package-cache": ("linux",),
    "restart-agent": ("linux",),
    "update-agent": PLATFORMS,
    "reset-windows-update": ("windows",),
    "retry-later": PLATFORMS,
}
"""The remedies that a cause may name, and where each of them can run."""

PATTERN_LENGTH_MAX: Final = 400
LITERAL_LENGTH_MIN: Final = 3
LINES_BEFORE_MAX: Final = 40

KIND_NAMES: Final = "names"
"""The text says what went wrong."""
KIND_ATTEMPT: Final = "attempt"
"""The text says that something failed and is being tried again: it counts in full only when
nothing after it shows that the next try went well."""
KIND_COMPLETED: Final = "completed"
"""The text says that the work was done: what was only an attempt before it no longer counts."""
KINDS: Final = (KIND_NAMES, KIND_ATTEMPT, KIND_COMPLETED)


@dataclass(frozen=True, slots=True)
class Signature:
    """A pattern that speaks for a cause."""

    cause: str
    pattern: str
    literals: tuple[str, ...]
    weight: float
    platforms: tuple[str, ...] = PLATFORMS
    streams: tuple[str, ...] = STREAMS
    kind: str = KIND_NAMES


@dataclass(frozen=True, slots=True)
class ExitCode:
    """An exit code that hints at a cause."""

    cause: str
    code: int
    weight: float
    platforms: tuple[str, ...] = PLATFORMS
    any_document: bool = False
    """False: the number means this only when a patch document printed it."""


@dataclass(frozen=True, slots=True)
class Hresult:
    """A Windows result code that hints at a cause, or only has a name (weight 0)."""

    cause: str
    code: int
    symbol: str
    weight: float


@dataclass(frozen=True, slots=True)
class Status:
    """A status of Run Command or of the agent's ping that hints at a cause."""

    cause: str
    value: str
    weight: float
    output: str = "any"
    """``none``: only when nothing was printed; ``some``: only when something was."""


@dataclass(frozen=True, slots=True)
class Step:
    """The name of a step whose failing hints at a cause."""

    cause: str
    pattern: str
    weight: float


@dataclass(frozen=True, slots=True)
class Noise:
    """A line that looks alarming and is harmless, by name."""

    name: str
    pattern: str
    literals: tuple[str, ...]
    why: str
    lines_before: int = 0
    """How many lines above it belong to it and are harmless with it."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One entry of the catalogue."""

    id: str
    group: str
    title: Text
    meaning: Text
    advice: Text
    explains: tuple[str, ...] = ()
    confused_with: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    remedies: tuple[str, ...] = ()
    confirm: bool = False
    """True: a finding must confirm the cause before any remedy runs."""
    transient: bool = False
    """True: it may be over by the time a check looks (a lock, a second run), so that a check that
    no longer sees it does not unsay what the text named."""
    suppress: bool = False
    """True: when it is the cause, doing nothing is right (a stopped instance)."""
    links: tuple[str, ...] = ()
    signatures: tuple[Signature, ...] = ()
    exit_codes: tuple[ExitCode, ...] = ()
    hresults: tuple[Hresult, ...] = ()
    statuses: tuple[Status, ...] = ()
    steps: tuple[Step, ...] = ()


def normal_status(status: str) -> str:
    """One spelling for ``Delivery Timed Out``, ``DeliveryTimedOut``, ``Canceled``..."""
    squeezed = "".join(status.split()).replace("-", "").replace("_", "").lower()
    return squeezed.replace("canceled", "cancelled")


class _Reader:
    """Reads one TOML table and collects what is wrong with it."""

    def __init__(self, where: str, table: Mapping[str, Any], errors: list[str]) -> None:
        self.where = where
        self.table = table
        self.errors = errors
        self.read: set[str] = set()

    def error(self, key: str, problem: str) -> None:
        self.errors.append(f"{self.where}: {key}: {problem}")

    def value(self, key: str, kind: type | tuple[type, ...], default: Any = None) -> Any:
        """The value, or ``default`` after an error; without a default the key is required."""
        self.read.add(key)
        if key not in self.table:
            if default is None:
                self.error(key, "is missing")
            return default
        found = self.table[key]
        if not isinstance(found, kind) or (isinstance(found, bool) and kind is not bool):
            self.error(key, f"is a {type(found).__name__}, expected {_kind_name(kind)}")
            return default
        return found

    def text(self, key: str) -> str:
        found = self.value(key, str) or ""
        if key in self.table and isinstance(self.table[key], str) and not found.strip():
            self.error(key, "is empty")
        return str(found)

    def words(
        self, key: str, allowed: Iterable[str] | None, default: tuple[str, ...] = ()
    ) -> tuple[str, ...]:
        found = self.value(key, list, list(default))
        known = None if allowed is None else set(allowed)
        for word in found:
            if not isinstance(word, str):
                self.error(key, f"holds {word!r}, expected only strings")
            elif known is not None and word not in known:
                self.error(key, f"{word!r} is not known; one of {', '.join(sorted(known))}")
        if len(set(map(str, found))) != len(found):
            self.error(key, "names something twice")
        return tuple(str(word) for word in found)

    def one_of(self, key: str, allowed: tuple[str, ...], default: str | None = None) -> str:
        found = self.value(key, str, default)
        if found is not None and found not in allowed:
            self.error(key, f"{found!r} is not one of {', '.join(allowed)}")
        return str(found)

    def weight(self, low: float = 0.01) -> float:
        found = self.value("weight", (int, float))
        if found is not None and not low <= found <= 1:
            self.error("weight", f"{found} is not between {low} and 1")
        return float(found or 0.0)

    def languages(self, key: str) -> Text:
        found = self.value(key, dict) or {}
        for language in LANGUAGES:
            said = found.get(language)
            if key in self.table and (not isinstance(said, str) or not said.strip()):
                self.error(f"{key}.{language}", "is missing or empty")
        for extra in sorted(set(found) - set(LANGUAGES)):
            self.error(f"{key}.{extra}", f"is not a language; {', '.join(LANGUAGES)} are")
        return {language: str(found.get(language, "")).strip() for language in LANGUAGES}

    def tables(self, key: str) -> list[_Reader]:
        found = self.value(key, list, [])
        readers = []
        for number, table in enumerate(found, 1):
            where = f"{self.where}: {key} {number}"
            if isinstance(table, dict):
                readers.append(_Reader(where, table, self.errors))
            else:
                self.errors.append(f"{where}: is a {type(table).__name__}, expected a table")
        return readers

    def finish(self) -> None:
        for key in sorted(set(self.table) - self.read):
            self.error(key, "is not a known key")


def _kind_name(kind: type | tuple[type, ...]) -> str:
    kinds = kind if isinstance(kind, tuple) else (kind,)
    return " or ".join(each.__name__ for each in kinds)


def read_cause(
    where: str, table: Mapping[str, Any], known: Iterable[str]
) -> tuple[Cause, list[str]]:
    """The cause in ``table``, and what is wrong with it (nothing: an empty list).

    ``where`` is the file's name, for the messages; ``known`` holds the ids of all causes.
    """
    errors: list[str] = []
    reader = _Reader(where, table, errors)
    cause_id = reader.text("id")
    ids = set(known)
    remedies = reader.words("remedies", REMEDY_PLATFORMS)
    cause = Cause(
        id=cause_id,
        group=reader.one_of("group", GROUPS),
        title=reader.languages("title"),
        meaning=reader.languages("meaning"),
        advice=reader.languages("advice"),
        explains=reader.words("explains", ids),
        confused_with=reader.words("confused_with", ids),
        checks=reader.words("checks", NODE_CHECKS + AWS_CHECKS),
        remedies=remedies,
        confirm=bool(reader.value("confirm", bool, False)),
        transient=bool(reader.value("transient", bool, False)),
        suppress=bool(reader.value("suppress", bool, False)),
        links=reader.words("links", None),
        signatures=tuple(_signature(cause_id, part) for part in reader.tables("signature")),
        exit_codes=tuple(_exit_code(cause_id, part) for part in reader.tables("exit_code")),
        hresults=tuple(_hresult(cause_id, part) for part in reader.tables("hresult")),
        statuses=tuple(_status(cause_id, part) for part in reader.tables("status")),
        steps=tuple(_step(cause_id, part) for part in reader.tables("step")),
    )
    reader.finish()
    if where.removesuffix(".toml") != cause_id:
        reader.error("id", f"{cause_id!r} differs from the file's name")
    if cause_id in cause.explains or cause_id in cause.confused_with:
        reader.error("explains/confused_with", "a cause cannot name itself")
    for link in cause.links:
        if not link.startswith("https://"):
            reader.error("links", f"{link!r} does not start with https://")
    return cause, errors


def read_noise(where: str, table: Mapping[str, Any]) -> tuple[tuple[Noise, ...], list[str]]:
    """All named noise of the file, and what is wrong with it."""
    errors: list[str] = []
    reader = _Reader(where, table, errors)
    found = []
    for part in reader.tables("noise"):
        name, why = part.text("name"), part.text("why")
        pattern, literals = _pattern(part)
        before = part.value("lines_before", int, 0)
        if not 0 <= before <= LINES_BEFORE_MAX:
            part.error("lines_before", f"{before} is not between 0 and {LINES_BEFORE_MAX}")
        part.finish()
        found.append(Noise(name, pattern, literals, why, before))
    reader.finish()
    names = [noise.name for noise in found]
    for name in sorted({name for name in names if names.count(name) > 1}):
        errors.append(f"{where}: noise: {name!r} is there twice")
    return tuple(found), errors


def _pattern(reader: _Reader) -> tuple[str, tuple[str, ...]]:
    """A pattern that RE2 takes, with the literals of which each match contains at least one."""
    pattern = reader.text("pattern")
    literals = reader.words("literals", None)
    if len(pattern) > PATTERN_LENGTH_MAX:
        reader.error("pattern", f"is longer than {PATTERN_LENGTH_MAX} characters")
        return pattern, literals
    try:
        compiled = compile_pattern(pattern)
    except PatternError as problem:
        reader.error("pattern", str(problem))
        return pattern, literals
    if compiled.search(b"") is not None:
        reader.error("pattern", "matches the empty text")
    if not literals:
        reader.error("literals", "is empty; name a text that every match contains")
    for literal in literals:
        if literal != literal.lower():
            reader.error("literals", f"{literal!r} is not lower case")
        if len(literal.encode()) < LITERAL_LENGTH_MIN:
            reader.error("literals", f"{literal!r} is shorter than {LITERAL_LENGTH_MIN} bytes")
    try:
        required = requires_one_of(pattern, literals)
    except PatternError as problem:
        reader.error("pattern", str(problem))
        return pattern, literals
    if literals and not required:
        reader.error("literals", f"a match of {pattern!r} need not contain any of {literals}")
    return pattern, literals


def compile_pattern(pattern: str) -> Any:
    """The regular expression as the classifier uses it: any case, ``^`` and ``$`` at lines.

    Raises ``PatternError``.
    """
    import re2  # here, because most functions never classify

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(f"(?im){pattern}", options)
    except re2.error as problem:
        text = problem.args[0] if problem.args else problem
        reason = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
        raise PatternError(f"does not compile as RE2: {reason}") from problem


def _signature(cause: str, reader: _Reader) -> Signature:
    pattern, literals = _pattern(reader)
    signature = Signature(
        cause=cause,
        pattern=pattern,
        literals=literals,
        weight=reader.weight(),
        platforms=reader.words("platforms", PLATFORMS, PLATFORMS),
        streams=reader.words("streams", STREAMS, STREAMS),
        kind=reader.one_of("kind", KINDS, KIND_NAMES),
    )
    if signature.kind == KIND_COMPLETED and cause != "benign":
        reader.error("kind", "only benign knows completed")
    reader.finish()
    return signature


def _exit_code(cause: str, reader: _Reader) -> ExitCode:
    found = ExitCode(
        cause=cause,
        code=reader.value("code", int) or 0,
        weight=reader.weight(),
        platforms=reader.words("platforms", PLATFORMS, PLATFORMS),
        any_document=bool(reader.value("any_document", bool, False)),
    )
    reader.finish()
    return found


def _hresult(cause: str, reader: _Reader) -> Hresult:
    spelled = reader.text("code")
    code = 0
    if len(spelled) == 10 and spelled.startswith("0x"):
        with contextlib.suppress(ValueError):
            code = int(spelled, 16)
    if not 0x80000000 <= code <= 0xFFFFFFFF:
        reader.error("code", f"{spelled!r} is not a failing result code such as '0x80240437'")
    found = Hresult(cause, code, reader.text("symbol"), reader.weight(low=0.0))
    reader.finish()
    return found


def _status(cause: str, reader: _Reader) -> Status:
    value = reader.text("value")
    if value != normal_status(value):
        reader.error("value", f"{value!r} is not normalised; write {normal_status(value)!r}")
    found = Status(cause, value, reader.weight(), reader.one_of("output", OUTPUTS, "any"))
    reader.finish()
    return found


def _step(cause: str, reader: _Reader) -> Step:
    pattern = reader.text("pattern")
    try:
        compile_pattern(pattern)
    except PatternError as problem:
        reader.error("pattern", str(problem))
    found = Step(cause, pattern, reader.weight())
    reader.finish()
    return found
