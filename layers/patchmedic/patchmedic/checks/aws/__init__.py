"""Checks from the AWS side: what the set-up around a node says, even when the node is dark.

Here: the list of checks, and the one way to run them.  Each check is a pure function of a
snapshot and the time; the rules are in the files beside this one, the reading is in
``patchmedic.lookups``.

    needs = needs_of(names)                     # which parts of the set-up to read
    snapshot = lookups.snapshot(node, needs)    # the only step that calls AWS
    findings = run_aws_checks(names, snapshot, now)

A check confirms only what is certain.  What could not be read makes a neutral finding that names
the missing call, never a guess.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from patchmedic.checks.aws import (
    agent,
    baseline,
    commands,
    compliance,
    console,
    instance,
    network,
    parameters,
    permissions,
    rate_control,
    repositories,
    service_endpoints,
    silence,
)
from patchmedic.checks.aws.snapshot import (
    NEED_BASELINE,
    NEED_COMMANDS,
    NEED_CONSOLE,
    NEED_HOOKS,
    NEED_INSTANCE,
    NEED_MANAGED,
    NEED_NETWORK,
    NEED_PATCH_STATE,
    NEED_PERMISSIONS,
    NEED_PROFILE,
    NEED_WHOLE_COMMAND,
    NodeSnapshot,
)
from patchmedic.model import Finding

__all__ = ["AWS_CHECKS", "AwsCheck", "needs_of", "run_aws_checks"]


@dataclass(frozen=True, slots=True)
class AwsCheck:
    """One check: what it looks at, and which causes it can speak about."""

    name: str
    causes: tuple[str, ...]
    """The causes that it may confirm."""
    needs: frozenset[str]
    evaluate: Callable[[NodeSnapshot, datetime], tuple[Finding, ...]]


_PLACE = frozenset({NEED_INSTANCE, NEED_MANAGED})
_HISTORY = frozenset({NEED_COMMANDS})
_ROLE = _PLACE | {NEED_PROFILE, NEED_PERMISSIONS}

_CHECKS = (
    AwsCheck(
        "instance-state", ("instance-stopped", "instance-impaired"), _PLACE, instance.check_state
    ),
    AwsCheck("managed-node", ("agent-outdated",), _PLACE | {NEED_COMMANDS}, agent.check),
    AwsCheck(
        "instance-profile",
        ("instance-profile-missing", "imds-unreachable"),
        _PLACE | {NEED_PROFILE},
        instance.check_profile,
    ),
    AwsCheck(
        "role-policies",
        ("iam-permission-missing", "s3-access-denied"),
        _ROLE,
        permissions.check_role,
    ),
    AwsCheck(
        "network-path",
        ("s3-unreachable", "wu-unreachable", "ssm-endpoint-unreachable"),
        _PLACE | {NEED_NETWORK},
        network.check,
    ),
    AwsCheck(
        "s3-endpoint-policy",
        ("s3-access-denied", "patch-policy-bucket-denied"),
        _PLACE | {NEED_NETWORK, NEED_PROFILE, NEED_COMMANDS},
        permissions.check_endpoint,
    ),
    AwsCheck(
        "service-endpoint-policy",
        ("iam-permission-missing",),
        _PLACE | {NEED_NETWORK, NEED_PROFILE},
        service_endpoints.check,
    ),
    AwsCheck(
        "repository-path", ("repository-unreachable",), _PLACE | {NEED_NETWORK}, repositories.check
    ),
    AwsCheck(
        "patch-policy-role",
        ("patch-policy-bucket-denied",),
        _ROLE | {NEED_COMMANDS},
        permissions.check_patch_policy,
    ),
    AwsCheck("recent-commands", ("concurrent-run",), _HISTORY, commands.check),
    AwsCheck(
        "command-parameters",
        ("parameters-invalid", "agent-outdated"),
        frozenset({NEED_MANAGED, NEED_HOOKS}),
        parameters.check,
    ),
    AwsCheck(
        "patch-baseline", ("baseline-missing",), _PLACE | _HISTORY | {NEED_BASELINE}, baseline.check
    ),
    AwsCheck("compliance-sources", (), _HISTORY | {NEED_PATCH_STATE}, compliance.check),
    AwsCheck(
        "rate-control",
        ("command-cancelled",),
        _HISTORY | {NEED_WHOLE_COMMAND},
        rate_control.check,
    ),
    AwsCheck(
        "boot-console",
        ("instance-impaired", "update-rolled-back"),
        _PLACE | _HISTORY | {NEED_CONSOLE},
        console.check,
    ),
    AwsCheck(
        "agent-silence",
        ("agent-not-running",),
        _ROLE | {NEED_NETWORK, NEED_COMMANDS},
        silence.check,
    ),
)

AWS_CHECKS: Mapping[str, AwsCheck] = MappingProxyType({check.name: check for check in _CHECKS})
"""Every check by name, in the order in which an expert would look."""


def needs_of(names: Iterable[str]) -> frozenset[str]:
    """The parts of a snapshot that these checks need."""
    return frozenset(need for name in names for need in _check(name).needs)


def run_aws_checks(
    names: Iterable[str], snapshot: NodeSnapshot, now: datetime
) -> tuple[Finding, ...]:
    """The findings of these checks, each once, in the order of ``AWS_CHECKS``."""
    wanted = {_check(name).name for name in names}
    return tuple(
        finding
        for check in _CHECKS
        if check.name in wanted
        for finding in check.evaluate(snapshot, now)
    )


def _check(name: str) -> AwsCheck:
    check = AWS_CHECKS.get(name)
    if check is None:
        known = ", ".join(AWS_CHECKS)
        raise ValueError(f"There is no AWS-side check named {name!r}; there are: {known}")
    return check
