"""The shape of the catalogue's entries.

Here: their frozen types, the words and sizes that a cause file may use, and how a pattern is
compiled.  Not here: telling a good file from a bad one (``validator``), finding and reading files
(``catalogue``) and using the entries (``classifier``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from patchmedic.model import Text

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
    "memory",
    "filesystems",
    "exec-mounts",
    "selinux",
    "os-limits",
    "clock",
    "reboot-pending",
    "dns",
    "tls",
    "proxies",
    "s3-reach",
    "ssm-reach",
    "credentials",
    "imds",
    "agent",
    "agent-diagnostics",
    "hibernation",
    "registration",
    "patch-runs",
    "payload-leftovers",
    "state-files",
    "package-lock",
    "dpkg-state",
    "rpm-db",
    "package-dependencies",
    "package-holds",
    "package-repositories",
    "package-metadata",
    "signing-keys",
    "subscription",
    "patch-python",
    "wu-services",
    "wsus-settings",
    "wu-reach",
    "wu-components",
    "component-store",
    "cbs-errors",
    "update-history",
    "rollback",
    "powershell",
    "sysprep",
    "installer",
    "patch-log-tail",
)
AWS_CHECKS: Final = (
    "instance-state",
    "managed-node",
    "instance-profile",
    "role-policies",
    "network-path",
    "repository-path",
    "s3-endpoint-policy",
    "service-endpoint-policy",
    "patch-policy-role",
    "recent-commands",
    "rate-control",
    "command-parameters",
    "patch-baseline",
    "compliance-sources",
    "agent-silence",
    "boot-console",
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
    "resync-clock": PLATFORMS,
    "configure-dpkg": ("linux",),
    "rebuild-rpm-database": ("linux",),
    "refresh-ca-bundle": ("linux",),
    "start-update-services": ("windows",),
    "repair-component-store": ("windows",),
    "reboot-node": ("linux", "windows"),
    "attach-instance-profile": PLATFORMS,
    "tag-patch-policy-role": PLATFORMS,
    "reboot-instance": PLATFORMS,
}
"""The remedies that a cause may name, and where each of them can run."""

WAITING_REMEDIES: Final = ("retry-when-quiet", "retry-later")
"""The remedies that change nothing: they wait and look again."""

PATTERN_LENGTH_MAX: Final = 400
PATTERN_MEMORY_BYTES_MAX: Final = 64 * 1024
"""What RE2 may need for one pattern."""
LITERALS_MAX: Final = 30
LITERAL_LENGTH_MIN: Final = 3
LINES_BEFORE_MAX: Final = 40
TITLE_CHARACTERS_MAX: Final = 90
MEANING_CHARACTERS_MAX: Final = 1_000
ADVICE_CHARACTERS_MAX: Final = 4_000
LINKS_MAX: Final = 10
LINK_CHARACTERS_MAX: Final = 300

KIND_NAMES: Final = "names"
"""The text says what went wrong."""
KIND_ATTEMPT: Final = "attempt"
"""The text says that something failed and is being tried again: it counts in full only when
nothing after it shows that the next try went well."""
KIND_COMPLETED: Final = "completed"
"""The text says that the work was done: what was only an attempt before it no longer counts."""
KIND_CONTEXT: Final = "context"
"""The text says what the work went through (a WSUS server, a subscription's host): no failure by
itself, but a symptom that this cause explains is then this cause."""
KINDS: Final = (KIND_NAMES, KIND_ATTEMPT, KIND_COMPLETED, KIND_CONTEXT)


class PatternError(ValueError):
    """The pattern cannot be used; the message says why."""


SearchPlan = tuple[tuple[tuple[tuple[str, ...], ...], bool], ...]
"""Ways in which a pattern can match.  Of each way: groups of texts, of each of which the match
contains one, the rarest group first; and whether each text of that group is a match by itself."""


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
    search: SearchPlan = field(default=(), compare=False)
    """Made from the pattern, by the build; empty: not made yet."""


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
    """A Windows result code, or a range of them, that hints at a cause."""

    cause: str
    first: int
    last: int
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
    search: SearchPlan = field(default=(), compare=False)
    """Made from the pattern, by the build; empty: not made yet."""


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


def compile_pattern(pattern: str, memory_bytes_max: int | None = None) -> Any:
    """The regular expression as the classifier uses it: any case, ``^`` and ``$`` at lines.

    Raises ``PatternError``, also for one that needs more memory than it may have.
    """
    import re2  # here, because most functions never classify

    options = re2.Options()
    options.log_errors = False
    if memory_bytes_max is not None:
        options.max_mem = memory_bytes_max
    try:
        return re2.compile(f"(?im){pattern}", options)
    except re2.error as problem:
        text = problem.args[0] if problem.args else problem
        reason = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
        if memory_bytes_max is not None and "too large" in reason:
            size = f"{memory_bytes_max // 1024} KiB"
            reason += f" within {size}; wide gaps such as .{{0,300}} cost most"
        raise PatternError(f"does not compile as RE2: {reason}") from problem
