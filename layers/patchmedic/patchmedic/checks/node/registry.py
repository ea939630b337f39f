"""Every node check: where it runs, and what its answers confirm and rule out.

Data, and the few lines that read it.  The documents' closed lists, the catalogue's names and the
words are held to this table by tests.  Not here: sentences (``words``), and reading what a
document printed (``wire``, ``findings``).

A rule confirms only what its fact settles.  What is suspicious and settles nothing has a rule
without a cause, or none: then the answer is told, with advice, and decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from patchmedic.model import Platform


@dataclass(frozen=True, slots=True)
class Rule:
    """When a fact of an answer has one of these values, this is what the answer means."""

    cause: str | None
    """What it confirms; ``None``: it is worth a sentence of its own, and confirms nothing."""
    fact: str | None = None
    """``None``: whatever the facts are."""
    values: frozenset[str] | None = None
    """In small letters.  ``None``: any value that is not empty."""
    refutes: tuple[str, ...] = ()
    """What cannot be then."""
    says: str = ""
    """Which of the check's special sentences tells it; empty: the usual one."""
    given: tuple[str, ...] = ()
    """Facts of which one must have a value too, where any are named."""

    def holds(self, facts: Mapping[str, str]) -> bool:
        if self.given and not any(facts.get(name) for name in self.given):
            return False
        if self.fact is None:
            return True
        value = facts.get(self.fact, "")
        return bool(value) if self.values is None else value.lower() in self.values


@dataclass(frozen=True, slots=True)
class NodeCheck:
    """One check: where it runs, and what its answers decide."""

    name: str
    platforms: tuple[Platform, ...]
    rules: tuple[Rule, ...] = ()
    """What ``bad`` means: the first rule that holds.  None holds: it confirms nothing."""
    refutes: tuple[str, ...] = ()
    """What ``ok`` rules out."""
    when_ok: tuple[Rule, ...] = ()
    """Where ``ok`` means something else: the first rule that holds, in place of ``refutes``."""
    resource: str | None = None
    """The fact that names the thing looked at; else it is the node."""
    helps: tuple[str, ...] = ()
    """Causes that it does not decide and that cannot be judged well without it."""

    @property
    def causes(self) -> frozenset[str]:
        """Every cause that an answer of this check may speak about."""
        rules = self.rules + self.when_ok
        confirmed = {rule.cause for rule in rules if rule.cause}
        refuted = {cause for rule in rules for cause in rule.refutes}
        return frozenset(confirmed | refuted | set(self.refutes))


STORE_CORRUPTION_HRESULTS: frozenset[str] = frozenset(
    {
        "0x800736b3",
        "0x800736cc",
        "0x80073701",
        "0x80073703",
        "0x8007370a",
        "0x8007370b",
        "0x8007370d",
        "0x80073712",
        "0x80073717",
        "0x8007371b",
        "0x800f081f",
        "0x800f0830",
        "0x800f0831",
        "0x800f0832",
        "0x800f0900",
        "0x800f0981",
        "0x800f0982",
        "0x800f0983",
        "0x800f0984",
        "0x800f0985",
        "0x800f0986",
        "0x800f0987",
        "0x800f0988",
        "0x800f0989",
        "0x800f0991",
    }
)
"""What only a damaged component store gives.  CBS.log also holds codes as common as "file not
found" on every healthy node: those, which the catalogue takes for mere hints, are not here."""

_EVERYWHERE: tuple[Platform, ...] = ("linux", "macos", "windows")
_UNIX: tuple[Platform, ...] = ("linux", "macos")
_LINUX: tuple[Platform, ...] = ("linux",)
_WINDOWS: tuple[Platform, ...] = ("windows",)


def _one_of(*values: str) -> frozenset[str]:
    return frozenset(values)


_DNS = Rule("dns-failure", "error", _one_of("dns"))
_TLS = Rule("tls-failure", "error", _one_of("tls"))
_PROXY = Rule("proxy-misconfigured", "error", _one_of("proxy", "http-407"))

_SYSTEM: tuple[NodeCheck, ...] = (
    NodeCheck(
        "disk-space",
        _EVERYWHERE,
        rules=(Rule("disk-full"),),
        refutes=("disk-full",),
        resource="path",
    ),
    NodeCheck(
        "memory",
        _EVERYWHERE,
        rules=(Rule("out-of-memory", "killed", says="killed"), Rule("out-of-memory")),
    ),
    NodeCheck(
        "filesystems",
        _UNIX,
        rules=(
            Rule("filesystem-error", "error", _one_of("read-only"), says="read-only"),
            Rule("filesystem-error"),
        ),
        refutes=("filesystem-error",),
        resource="path",
    ),
    NodeCheck("exec-mounts", _UNIX, rules=(Rule("execution-blocked"),), resource="path"),
    NodeCheck("selinux", _LINUX, rules=(Rule("execution-blocked"),)),
    NodeCheck("os-limits", _LINUX, rules=(Rule("os-limit-exhausted"),), resource="limit"),
    NodeCheck("clock", _EVERYWHERE, rules=(Rule("clock-skew"),), refutes=("clock-skew",)),
    NodeCheck(
        "reboot-pending",
        _EVERYWHERE,
        rules=(Rule("reboot-failed", "missed", says="missed"),),
        helps=("reboot-failed", "installer-busy"),
    ),
)

_NETWORK: tuple[NodeCheck, ...] = (
    NodeCheck(
        "dns",
        _EVERYWHERE,
        rules=(Rule("dns-failure", "error"),),
        resource="host",
        helps=("ssm-endpoint-unreachable", "s3-unreachable"),
    ),
    NodeCheck(
        "tls",
        _EVERYWHERE,
        rules=(Rule("tls-failure", "error"),),
        refutes=("tls-failure",),
        # The node trusts whoever opens the connections; another program on it may not.
        when_ok=(
            Rule(None, "intercepted", _one_of("yes"), says="intercepted"),
            Rule(None, "roots_missing", _one_of("unknown"), refutes=("tls-failure",)),
            Rule(None, "roots_missing", refutes=("tls-failure",), says="roots-missing"),
        ),
        resource="host",
    ),
    NodeCheck(
        "proxies",
        _EVERYWHERE,
        rules=(
            Rule("proxy-misconfigured", "error", says="broken"),
            Rule("proxy-misconfigured", "agent_only", says="agent-only"),
            Rule(
                "proxy-misconfigured",
                "bypass",
                _one_of("no"),
                says="bypass",
                given=("agent", "environment"),
            ),
            Rule(None, "disagree", says="disagree"),
        ),
        refutes=("proxy-misconfigured",),
        helps=("wu-unreachable", "wsus-failure"),
    ),
    NodeCheck(
        "s3-reach",
        _EVERYWHERE,
        rules=(
            _DNS,
            _TLS,
            _PROXY,
            Rule("s3-access-denied", "error", _one_of("http-403"), refutes=("s3-unreachable",)),
            Rule("s3-unreachable", "error"),
        ),
        refutes=("s3-unreachable",),
        resource="host",
    ),
    NodeCheck(
        "ssm-reach",
        _EVERYWHERE,
        rules=(_DNS, _TLS, _PROXY, Rule("ssm-endpoint-unreachable", "error")),
        refutes=("ssm-endpoint-unreachable",),
        resource="host",
    ),
)

_AGENT: tuple[NodeCheck, ...] = (
    NodeCheck(
        "credentials",
        _EVERYWHERE,
        rules=(Rule("credentials-invalid", "source", _one_of("environment", "shared-file")),),
        refutes=("credentials-invalid",),
        resource="path",
    ),
    NodeCheck(
        "imds",
        _EVERYWHERE,
        rules=(
            Rule(
                "instance-profile-missing",
                "status",
                _one_of("404"),
                refutes=("imds-unreachable",),
            ),
            Rule("imds-unreachable", "status"),
        ),
        refutes=("imds-unreachable", "instance-profile-missing"),
    ),
    NodeCheck(
        "agent",
        _EVERYWHERE,
        rules=(Rule("agent-not-running", "state", _one_of("stopped", "not-installed")),),
        refutes=("agent-not-running",),
        when_ok=(
            Rule(
                None,
                "enabled",
                _one_of("no"),
                refutes=("agent-not-running",),
                says="not-enabled",
            ),
        ),
        helps=("agent-outdated",),
    ),
    NodeCheck(
        "agent-diagnostics",
        _EVERYWHERE,
        helps=("agent-registration-invalid", "credentials-invalid", "ssm-endpoint-unreachable"),
    ),
    NodeCheck(
        "hibernation", _EVERYWHERE, helps=("iam-permission-missing", "agent-registration-invalid")
    ),
    NodeCheck(
        "registration",
        _EVERYWHERE,
        rules=(
            Rule("agent-registration-invalid", "error", _one_of("mismatch")),
            Rule(None, "error", _one_of("missing"), says="missing"),
        ),
        refutes=("agent-registration-invalid",),
    ),
    NodeCheck("patch-runs", _EVERYWHERE, rules=(Rule("concurrent-run"),)),
    NodeCheck(
        "payload-leftovers", _UNIX, rules=(Rule("concurrent-run"),), helps=("payload-corrupt",)
    ),
    NodeCheck(
        "state-files",
        _EVERYWHERE,
        rules=(Rule("state-file-corrupt"),),
        refutes=("state-file-corrupt",),
        resource="file",
    ),
)

_PACKAGES: tuple[NodeCheck, ...] = (
    NodeCheck(
        "package-lock",
        _LINUX,
        rules=(Rule("package-manager-locked"),),
        refutes=("package-manager-locked",),
        resource="lock",
    ),
    NodeCheck(
        "dpkg-state",
        _LINUX,
        rules=(Rule("package-db-corrupt"),),
        refutes=("package-db-corrupt",),
        helps=("package-install-failed",),
    ),
    NodeCheck(
        "rpm-db", _LINUX, rules=(Rule("package-db-corrupt"),), refutes=("package-db-corrupt",)
    ),
    NodeCheck(
        "package-dependencies",
        _LINUX,
        rules=(Rule("dependency-conflict"),),
        helps=("package-install-failed",),
    ),
    NodeCheck("package-holds", _LINUX, helps=("dependency-conflict",)),
    NodeCheck(
        "package-repositories",
        _LINUX,
        rules=(
            _DNS,
            _TLS,
            _PROXY,
            Rule("subscription-expired", "error", _one_of("subscription"), says="subscription"),
            Rule("repository-end-of-life", "error", _one_of("retired"), says="retired"),
            Rule(
                "repository-metadata-invalid",
                "error",
                _one_of("http-404", "http-410"),
                says="not-there",
            ),
            Rule("repository-unreachable", "error", _one_of("http-403"), says="denied"),
            Rule("repository-unreachable", "error"),
        ),
        refutes=("repository-unreachable",),
        resource="repository",
    ),
    NodeCheck(
        "package-metadata",
        _LINUX,
        rules=(
            Rule("repository-metadata-invalid", "error", _one_of("expired"), says="expired"),
            Rule("repository-metadata-invalid", "error"),
        ),
        resource="repository",
    ),
    NodeCheck(
        "signing-keys",
        _LINUX,
        rules=(
            Rule("gpg-key-missing", "error", _one_of("expired"), says="expired"),
            Rule("gpg-key-missing", "error"),
        ),
        resource="repository",
    ),
    NodeCheck(
        "subscription",
        _LINUX,
        rules=(
            Rule("subscription-expired", "error", _one_of("expired"), says="expired"),
            Rule("subscription-expired"),
        ),
    ),
    NodeCheck(
        "patch-python",
        _UNIX,
        rules=(
            Rule("python-unsupported", "error", _one_of("module"), says="module"),
            Rule("python-unsupported"),
        ),
        refutes=("python-unsupported",),
    ),
)

_WINDOWS_UPDATE: tuple[NodeCheck, ...] = (
    NodeCheck(
        "wu-services",
        _WINDOWS,
        rules=(Rule("wu-service-disabled"),),
        refutes=("wu-service-disabled",),
        resource="service",
        helps=("wu-components-broken",),
    ),
    NodeCheck(
        "wsus-settings",
        _WINDOWS,
        rules=(
            Rule("wsus-failure", "error", _one_of("no-server", "bad-url")),
            Rule(None, "error", _one_of("mismatch"), says="mismatch"),
            Rule(None, "error", _one_of("access-disabled"), says="access-disabled"),
        ),
        helps=("wu-unreachable",),
    ),
    NodeCheck(
        "wu-reach",
        _WINDOWS,
        rules=(
            Rule("wsus-failure", "wsus", says="wsus"),
            _DNS,
            _TLS,
            _PROXY,
            Rule("wu-unreachable", "error"),
        ),
        refutes=("wu-unreachable",),
        when_ok=(Rule(None, "wsus", refutes=("wu-unreachable", "wsus-failure"), says="wsus-ok"),),
        resource="host",
        helps=("wu-components-broken",),
    ),
    NodeCheck(
        "wu-components",
        _WINDOWS,
        rules=(Rule("wu-components-broken"),),
        refutes=("wu-components-broken",),
    ),
    NodeCheck(
        "component-store",
        _WINDOWS,
        rules=(
            Rule("component-store-corrupt", "health", _one_of("repairable", "corrupt")),
            Rule(None, "pending", says="pending"),
        ),
        when_ok=(
            Rule(None, "health", _one_of("healthy"), refutes=("component-store-corrupt",)),
            Rule(None, says="not-examined"),
        ),
    ),
    NodeCheck(
        "cbs-errors",
        _WINDOWS,
        rules=(
            Rule("component-store-corrupt", "hresult", STORE_CORRUPTION_HRESULTS, says="store"),
        ),
        helps=("update-installer-failed", "update-rolled-back"),
    ),
    NodeCheck(
        "update-history",
        _WINDOWS,
        helps=("update-installer-failed", "update-not-applicable", "update-rolled-back"),
    ),
    NodeCheck("rollback", _WINDOWS, rules=(Rule("update-rolled-back"),)),
    NodeCheck(
        "powershell",
        _WINDOWS,
        rules=(
            Rule("powershell-broken", "error", _one_of("constrained"), says="constrained"),
            Rule("powershell-broken", "error", _one_of("policy"), says="policy"),
            Rule("powershell-broken", "error"),
        ),
        helps=("execution-blocked",),
    ),
    NodeCheck("sysprep", _WINDOWS, helps=("agent-not-running",)),
    NodeCheck(
        "installer",
        _WINDOWS,
        rules=(Rule("installer-busy"),),
        refutes=("installer-busy",),
        resource="process",
    ),
)

_ALL: tuple[NodeCheck, ...] = (
    *_SYSTEM,
    *_NETWORK,
    *_AGENT,
    *_PACKAGES,
    *_WINDOWS_UPDATE,
    NodeCheck("patch-log-tail", _EVERYWHERE, helps=("unknown",)),
)

CHECKS: Mapping[str, NodeCheck] = {check.name: check for check in _ALL}
"""Every node check by name; the documents' closed lists are held to it by a test."""


def checks_for(causes: Iterable[str], platform: Platform) -> tuple[str, ...]:
    """The checks that can decide between these causes on this platform, in a fixed order.

    Causes that no node check knows of ask for all of them: then anything seen is a gain.
    """
    wanted = set(causes)
    here = [check for check in _ALL if platform in check.platforms]
    chosen = tuple(c.name for c in here if wanted & (c.causes | set(c.helps)))
    return chosen or tuple(check.name for check in here)
