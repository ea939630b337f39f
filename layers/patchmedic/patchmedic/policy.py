"""May we?  Limits, modes, the risk ceiling and the guards that stand before every command.

Here: pure rules over plain data; each answers with the name of the rule and a reason a person can
read.  Not here: reading tags, the kill switch or attempts (``stages`` does that, freshly, right
before it acts) and what happens after a refusal (``incident``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

from patchmedic.model import (
    MODE_ORDER,
    RISK_ORDER,
    Mode,
    Platform,
    Remedy,
    Risk,
)

MODE_TAG = "PatchMedicMode"
"""The tag by which one node is left alone more than the stack's mode says."""
KILL_SWITCH_RUN = "run"
"""The only value of the kill-switch parameter that lets commands go out."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Every cap of the service, in one place, with the unit last in the name."""

    attempts_per_node_and_cause_max: int = 2
    cooldown_hours: int = 24
    retry_wait_seconds: int = 120
    """How long a node is left alone before a patch run is tried again: two runs within two
    minutes are known to corrupt each other."""
    defer_wait_seconds: int = 60
    """How long to wait when the node is locked or busy."""
    diagnose_deadline_minutes: int = 20
    command_margin_minutes: int = 15
    """Added to a command's own time-out before the wait for it counts as lost."""
    verify_timeout_seconds: int = 7200
    """The patch documents' own step time-out (AWS-RunPatchBaseline: 7,200 s)."""
    delivery_timeout_seconds: int = 900
    """SendCommand's TimeoutSeconds: how long a command may wait for its node."""
    proposal_hours: int = 24
    handover_days: int = 14
    """How long an incident that needs a person waits for its recovery before it is filed."""
    run_keys_max: int = 40
    confident_min: float = 0.8
    """From this confidence on, the text names the cause."""
    hint_below: float = 0.5
    """Below this confidence the text only hints: the look is as wide as for an unknown cause."""
    candidates_checked_max: int = 4
    checks_max: int = 60
    """Checks of one look; what the likelier causes need comes first."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the catalogue says about one cause, as far as a decision needs it."""

    checks: tuple[str, ...] = ()
    remedies: tuple[str, ...] = ()
    explains: tuple[str, ...] = ()
    transient: bool = False
    """It may be over by the time anyone looks: a lock, a second run, a throttle."""
    suppress: bool = False
    """When confirmed, doing nothing is right (a stopped instance)."""


@dataclass(frozen=True, slots=True)
class Policy:
    """All that a decision may depend on beside the incident, the fact and the time."""

    mode: Mode = Mode.AUTO
    risk_ceiling: Risk = Risk.LOW
    verify_operation: Literal["Scan", "InstallNoReboot"] = "Scan"
    limits: Limits = field(default_factory=Limits)
    plans: Mapping[str, Plan] = field(default_factory=dict)
    remedies: Mapping[str, Remedy] = field(default_factory=dict)
    catalogue_version: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which remedy to use, or why none."""

    remedy: Remedy | None
    needs_approval: bool
    rule: str
    reason: str


@dataclass(frozen=True, slots=True)
class Allowed:
    """The guards let the command go out."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A guard said no: which one, and why, for the record and the message."""

    rule: str
    reason: str


def narrow_mode(stack: Mode, tag: str | None) -> Mode:
    """The node's ``PatchMedicMode`` tag can narrow the stack's mode, never widen it.

    A tag that is no mode fails closed: the node is only observed.
    """
    if tag is None:
        return stack
    try:
        wanted = Mode(tag.strip().lower())
    except ValueError:
        return Mode.OBSERVE
    return min(stack, wanted, key=MODE_ORDER.__getitem__)


def choose_remedy(
    policy: Policy,
    cause: str,
    platform: Platform | None,
    tried: Collection[str],
    *,
    by_text_only: bool,
    silent: bool = False,
) -> Choice:
    """Pick the first remedy of a cause that the policy allows and this incident has not tried.

    ``by_text_only`` is true when a passing cause is known from the text alone and no finding
    could still see it: then only remedies that change nothing (no document) are open.  So it is
    when the node is ``silent``: no document reaches it.
    """
    if policy.mode is not Mode.AUTO:
        return Choice(None, False, "mode", f"the mode is {policy.mode.value}: nothing is run")
    plan = policy.plans.get(cause, Plan())
    proposal: Choice | None = None
    for remedy_id in plan.remedies:
        remedy = policy.remedies[remedy_id]
        if remedy_id in tried or not _fits(remedy, platform):
            continue
        if (by_text_only or silent) and remedy.documents:
            continue
        if remedy.only_when_over and not by_text_only:
            continue
        if RISK_ORDER[remedy.risk] <= RISK_ORDER[policy.risk_ceiling] and not remedy.may_reboot:
            return Choice(remedy, False, "allowed", f"{remedy_id} is within the risk ceiling")
        if proposal is None:
            why = (
                "it may reboot the node"
                if remedy.may_reboot
                else (
                    f"its risk {remedy.risk.value} is above the ceiling {policy.risk_ceiling.value}"
                )
            )
            proposal = Choice(remedy, True, "approval", f"{remedy_id} needs an approval: {why}")
    if proposal is not None:
        return proposal
    if tried:
        return Choice(None, False, "all-tried", "every remedy that fits was tried")
    return Choice(None, False, "no-remedy", f"no remedy of {cause} may run by machine here")


def _fits(remedy: Remedy, platform: Platform | None) -> bool:
    return not remedy.documents or (platform is not None and platform in remedy.documents)


@dataclass(frozen=True, slots=True)
class GuardFacts:
    """What was read right before a command that acts; ``None`` means it could not be read."""

    tags: Mapping[str, str] | None
    kill_switch: str | None
    attempts: int | None
    """Attempts at this cause on this node inside the cool-down window, this one not counted."""


def guard(
    facts: GuardFacts, limits: Limits, opt_in_key: str, opt_in_value: str
) -> Allowed | Refused:
    """Judge the guards of one command that acts.  Everything unreadable means no."""
    if facts.tags is None:
        return Refused("opt-in-unreadable", "the node's tags could not be read, so nothing is run")
    if facts.tags.get(opt_in_key) != opt_in_value:
        return Refused("opt-in", f"the node does not carry the tag {opt_in_key}={opt_in_value}")
    mode = narrow_mode(Mode.AUTO, facts.tags.get(MODE_TAG))
    if mode is not Mode.AUTO:
        return Refused("mode-tag", f"the node's PatchMedicMode tag narrows it to {mode.value}")
    if facts.attempts is None:
        return Refused("attempts-unreadable", "earlier attempts could not be read")
    if facts.attempts >= limits.attempts_per_node_and_cause_max:
        return Refused(
            "cool-down",
            f"this cause was treated {facts.attempts} times on this node within "
            f"{limits.cooldown_hours} hours; trying again would hide it",
        )
    return kill_switch_guard(facts.kill_switch)


def kill_switch_guard(value: str | None) -> Allowed | Refused:
    """Only the exact word ``run`` lets a command out; a missing or odd value stops everything."""
    if value is None:
        return Refused("kill-switch-unreadable", "the kill switch could not be read: stopped")
    if value != KILL_SWITCH_RUN:
        return Refused("kill-switch", "the kill switch is on: nothing is run")
    return Allowed()
