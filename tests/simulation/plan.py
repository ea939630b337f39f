"""What the simulated service knows and what can go wrong with the simulated nodes.

The catalogue (``catalogue/``) is a tiny real one, so that the real classifier ranks real text; the
remedies are few, one of each risk that makes a difference to a decision.
"""

from __future__ import annotations

import functools
import random
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from tests.fakes.fleet import Fault

from patchmedic.causes.catalogue import Catalogue, load_files
from patchmedic.model import Mode, Remedy, Risk
from patchmedic.playbook import plans_of
from patchmedic.policy import ATTACH_PROFILE, REBOOT, TAG_ROLE, Limits, Policy

OPT_IN = ("PatchMedic", "true")
LIMITS = Limits(
    proposal_hours=2,
    delivery_timeout_seconds=120,
    command_margin_minutes=0,
    actions_per_hour_max=5,
    live_actions_max=2,
    live_actions_percent_max=67,
    breaker_failures_max=3,
    breaker_open_hours=1,
    window_wait_hours=2,
    limit_wait_hours=1,
    window_look_again_seconds=120,
)
"""No margins: deadlines then pass while commands still run, which the service must survive.  Limits
so narrow that a fleet of three reaches each of them."""
CALENDAR = "arn:aws:ssm:ap-northeast-1:123456789012:document/freeze"
WINDOW = "mw-0a1b2c3d4e5f60001"
_WAIT = "Remedy-WaitForPackageLock-Linux"
_FREE = "Remedy-FreeDiskSpace-Linux"
_CLEAN = "Remedy-CleanPackageCache-Linux"
_CLEAR = "Remedy-ClearPatchLeftovers-Linux"


@functools.cache
def catalogue() -> Catalogue:
    """The simulated world's causes."""
    return load_files(Path(__file__).parent / "catalogue")


def policy(mode: Mode = Mode.AUTO) -> Policy:
    """The policy of the simulated stack."""
    remedies = [
        _remedy("wait-for-package-lock", Risk.NONE, "package-manager-locked", _WAIT),
        _remedy("free-disk-space", Risk.LOW, "disk-full", _FREE),
        replace(_remedy("clean-package-cache", Risk.LOW, "disk-full", _CLEAN), disrupts=True),
        _remedy("update-agent", Risk.LOW, "agent-outdated", "AWS-UpdateSSMAgent"),
        _remedy("clear-patch-leftovers", Risk.MEDIUM, "s3-unreachable", _CLEAR),
    ]
    remedies += [
        _call("attach-instance-profile", Risk.LOW, "instance-profile-missing"),
        _call("tag-patch-policy-role", Risk.MEDIUM, "patch-policy-bucket-denied"),
        _call("reboot-instance", Risk.HIGH, "instance-impaired"),
    ]
    again = replace(_remedy("retry-later", Risk.NONE, "package-manager-locked", ""), documents={})
    remedies.append(again)
    return Policy(
        mode=mode,
        limits=LIMITS,
        plans=plans_of(catalogue()),
        remedies={remedy.id: remedy for remedy in remedies},
        actions=frozenset({ATTACH_PROFILE, TAG_ROLE, REBOOT}),
        catalogue_version=catalogue().version,
        change_calendars=(CALENDAR,),
        maintenance_windows=(WINDOW,),
    )


def _call(action: str, risk: Risk, cause: str) -> Remedy:
    """A remedy that is a call to AWS."""
    made = _remedy(action, risk, cause, "")
    return replace(made, documents={}, action=action, may_reboot=action == REBOOT)


def _remedy(name: str, risk: Risk, cause: str, document: str) -> Remedy:
    text = {"en": name, "ja": name}
    return Remedy(
        id=name,
        risk=risk,
        causes=(cause,),
        documents={"linux": document},
        parameters={},
        may_reboot=False,
        wait_seconds=0,
        timeout_seconds=600,
        title=text,
        changes=text,
        undo=text,
        preconditions=text,
        verified_by=text,
    )


def draw_fault(rng: random.Random, now: datetime, usual: str | None) -> Fault:
    """Something goes wrong with a node; a remedy may fit, or time, or nothing at all."""
    clears = now + timedelta(minutes=rng.uniform(2, 90)) if rng.random() < 0.3 else None
    kind = usual or rng.choice(["lock", "disk", "network", "odd"])
    if kind == "lock":
        line = "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 4242"
        fits = frozenset({_WAIT}) if rng.random() < 0.6 else frozenset()
        facts = {
            "manager": "apt",
            "lock": "/var/lib/dpkg/lock",
            "holder_pid": "42",
            "holder": "apt",
        }
        return Fault(kind, line, "package-lock", facts, fits, clears)
    if kind == "disk":
        line = "OSError: [Errno 28] No space left on device"
        fits = frozenset(rng.sample([_FREE, _CLEAN], rng.randint(0, 2)))
        facts = {"path": "/var", "free_mb": "2", "need_mb": "500", "free_inodes": "9000"}
        return Fault(kind, line, "disk-space", facts, fits, clears)
    if kind == "network":
        line = "Unable to download payload: https://s3.ap-northeast-1.amazonaws.com/x.tar.gz."
        fits = frozenset({_CLEAR}) if rng.random() < 0.5 else frozenset()
        facts = {"host": "s3.ap-northeast-1.amazonaws.com", "error": "timeout", "seconds": "5"}
        return Fault(kind, line, "s3-reach", facts, fits, clears)
    return Fault(kind, "ERROR: something odd happened", "none", {}, frozenset(), clears)
