"""May we?  Limits, modes, the risk ceiling and the guards that stand before every command.

Here: pure rules over plain data; each answers with the name of the rule and a reason a person can
read.  ``may`` is the one question before every effect that changes a node; ``judge`` gives the
answer of every rule, for ``patchmedic policy explain``.  Not here: reading tags, switches and
counters (``stages.facts`` does that, freshly, right before the act) and what happens after a
refusal (``incident``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
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
CEILING_TAG = "PatchMedicRiskCeiling"
"""The tag by which one node asks for a person earlier than the stack's risk ceiling says."""
CALENDAR_OPEN = "OPEN"
KILL_SWITCH_RUN = "run"
"""The only value of the kill-switch parameter that lets commands go out."""

ATTACH_PROFILE = "attach-instance-profile"
TAG_ROLE = "tag-patch-policy-role"
REBOOT = "reboot-instance"
"""The calls to AWS that a remedy may be.  Each is off unless the stack's parameters allow it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Every cap of the service, in one place, with the unit last in the name."""

    attempts_per_node_and_cause_max: int = 2
    cooldown_hours: int = 24
    actions_per_hour_max: int = 100
    """Remedies and second tries of the whole stack within any 60 minutes."""
    live_actions_max: int = 20
    """Remedies and second tries under way at once, on all nodes together ..."""
    live_actions_percent_max: int = 5
    """... and as a share of the fleet: the smaller number counts, but one is always possible."""
    fleet_size_valid_minutes: int = 60
    """An older count of the fleet is no count: then only one action runs at a time."""
    reboots_per_node_per_day_max: int = 1
    breaker_failures_max: int = 3
    """So many failed runs of a remedy, one after another, stop it on all nodes."""
    breaker_open_hours: int = 12
    """After that a stopped remedy gets one trial."""
    window_wait_hours: int = 168
    """How long a remedy waits for an open window: most windows come once a week."""
    limit_wait_hours: int = 6
    """How long a remedy waits for room within the limits above."""
    window_look_again_seconds: int = 300
    """How often a remedy that waits for a window looks whether one is open."""
    retry_wait_seconds: int = 120
    """How long a node is left alone before a patch run is tried again: two runs within two
    minutes are known to corrupt each other."""
    defer_wait_seconds: int = 60
    """How long to wait when the node is locked or busy."""
    claim_seconds: int = 180
    """How long a claim holds.  Longer than any function may run, so that an owner that is still
    alive is never overtaken."""
    diagnose_deadline_minutes: int = 20
    command_margin_minutes: int = 15
    """Added to a command's own time-out before the wait for it counts as lost."""
    verify_timeout_seconds: int = 7200
    """The patch documents' own step time-out (AWS-RunPatchBaseline: 7,200 s)."""
    ping_wait_minutes: int = 60
    """How long a lost ping is waited for after a call to AWS that should bring it back."""
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
    actions: frozenset[str] = frozenset()
    """The calls to AWS that the stack's parameters allow; a remedy that is another one does not
    exist here."""
    catalogue_version: str = ""
    change_calendars: tuple[str, ...] = ()
    """All of them must be open before anything reboots or disrupts a node."""
    maintenance_windows: tuple[str, ...] = ()
    """One of them must be in progress then; empty: the calendars alone decide."""

    def offers(self, remedy_id: object) -> bool:
        """Whether there is such a remedy in this stack."""
        remedy = self.remedies.get(str(remedy_id))
        return remedy is not None and (remedy.action is None or remedy.action in self.actions)


@dataclass(frozen=True, slots=True)
class Choice:
    """Which remedy to use, or why none."""

    remedy: Remedy | None
    needs_approval: bool
    rule: str
    reason: str


@dataclass(frozen=True, slots=True)
class Allowed:
    """A rule lets the effect happen; ``reason`` says on what grounds."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """A rule said no: which one, and why, for the record and the message."""

    rule: str
    reason: str
    retry: bool = False
    """Whether waiting may help: a window opens, an hour passes."""


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


def narrow_ceiling(stack: Risk, tag: str | None) -> Risk:
    """The node's ``PatchMedicRiskCeiling`` tag can lower the stack's ceiling, never raise it.

    A tag that is no risk fails closed: only waiting and trying again needs no person then.
    """
    if tag is None:
        return stack
    try:
        wanted = Risk(tag.strip().lower())
    except ValueError:
        return Risk.NONE
    return min(stack, wanted, key=RISK_ORDER.__getitem__)


def choose_remedy(
    policy: Policy,
    cause: str,
    platform: Platform | None,
    tried: Collection[str],
    *,
    by_text_only: bool,
    silent: bool = False,
    confirming: Collection[str] = (),
) -> Choice:
    """Pick the first remedy of a cause that the policy allows and this incident has not tried.

    ``by_text_only`` is true when a passing cause is known from the text alone and no finding
    could still see it: then only remedies that change nothing (no document, no call to AWS) are
    open.  No document reaches a node that is ``silent``; a call to AWS does.  ``confirming`` are
    the checks whose findings confirmed the cause; a remedy may ask for certain ones.
    """
    if policy.mode is not Mode.AUTO:
        return Choice(None, False, "mode", f"the mode is {policy.mode.value}: nothing is run")
    plan = policy.plans.get(cause, Plan())
    proposal: Choice | None = None
    for remedy_id in plan.remedies:
        remedy = policy.remedies[remedy_id]
        if remedy_id in tried or not policy.offers(remedy_id) or not _fits(remedy, platform):
            continue
        if silent and remedy.documents:
            continue
        if by_text_only and (remedy.documents or remedy.action):
            continue
        if remedy.only_when_over and not by_text_only:
            continue
        if remedy.confirmed_by and not set(remedy.confirmed_by).intersection(confirming):
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


# --- the circuit breaker -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Breaker:
    """How the last runs of one remedy went, on all nodes together."""

    remedy: str
    revision: int = 0
    """Counts the writes; the store writes only over the revision that was read."""
    failures: int = 0
    """Runs in a row that were not proved to help; a proved one makes it 0."""
    opened_at: datetime | None = None
    """Since when the remedy is stopped; every further failure sets it anew."""
    trial: str | None = None
    """The effect that tries the stopped remedy once more."""
    trial_at: datetime | None = None
    closed_by: str | None = None
    """The operator who closed it last."""


def breaker_after(before: Breaker, *, helped: bool, now: datetime, limits: Limits) -> Breaker:
    """The breaker after one more run of its remedy."""
    if helped:
        return replace(before, failures=0, opened_at=None, trial=None, trial_at=None)
    failures = before.failures + 1
    opens = before.opened_at is not None or failures >= limits.breaker_failures_max
    opened_at = now if opens else None
    return replace(before, failures=failures, opened_at=opened_at, trial=None, trial_at=None)


def breaker_with_trial(before: Breaker, effect_id: str, now: datetime) -> Breaker:
    """A stopped remedy's one trial belongs to this effect."""
    return replace(before, trial=effect_id, trial_at=now)


def breaker_closed(before: Breaker, operator: str) -> Breaker:
    """An operator lets the remedy run again."""
    return Breaker(before.remedy, before.revision, closed_by=operator)


# --- may we? -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ask:
    """What is about to be done."""

    remedy: Remedy | None
    """``None`` for a verification of something that this version has no remedy for."""
    starts: bool
    """True for a remedy and for a second try of the patch run; false for the verification that
    only proves what was done, which belongs to the attempt that it verifies."""
    approved_by: str | None
    effect_id: str
    now: datetime
    opt_in: tuple[str, str]
    """Key and value of the tag that a node must carry."""

    @property
    def needs_window(self) -> bool:
        return self.starts and self.remedy is not None and _disturbs(self.remedy)

    @property
    def reboots(self) -> bool:
        return self.starts and self.remedy is not None and self.remedy.may_reboot


def _disturbs(remedy: Remedy) -> bool:
    return remedy.may_reboot or remedy.disrupts


@dataclass(frozen=True, slots=True)
class Facts:
    """What was read right before the effect.  ``None``: it could not be read, and that means no.

    The counts leave out what this effect itself holds already, from a run that died.
    """

    kill_switch: str | None
    tags: Mapping[str, str] | None
    attempts: int | None
    """Attempts at this cause on this node inside the cool-down window."""
    actions_in_hour: int | None
    live_actions: int | None
    fleet_size: int | None
    reboots_in_day: int | None
    breaker: Breaker | None
    calendar_state: str | None
    """OPEN only when all calendars of the policy are; not read when nothing needs a window."""
    window_open: bool | None
    """Whether one of the policy's maintenance windows is in progress; not read likewise."""


Rule = Callable[[Ask, Facts, Policy], Allowed | Refused]


def may(ask: Ask, facts: Facts, policy: Policy) -> Allowed | Refused:
    """May this be done to this node now?  The first rule that says no decides."""
    for _, answer in judge(ask, facts, policy):
        if isinstance(answer, Refused):
            return answer
    return Allowed()


def judge(ask: Ask, facts: Facts, policy: Policy) -> tuple[tuple[str, Allowed | Refused], ...]:
    """Every rule by its name, in order, with its answer."""
    return tuple((name, rule(ask, facts, policy)) for name, rule in RULES.items())


def kill_switch_guard(value: str | None) -> Allowed | Refused:
    """Only the exact word ``run`` lets a command out; a missing or odd value stops everything."""
    if value is None:
        return Refused("kill-switch-unreadable", "the kill switch could not be read: stopped")
    if value != KILL_SWITCH_RUN:
        return Refused("kill-switch", "the kill switch is on: nothing is run")
    return Allowed("the kill switch says run")


def live_actions_max(limits: Limits, fleet_size: int | None) -> int:
    """How many actions may be under way at once; never less than one."""
    if fleet_size is None:
        return 1
    share = fleet_size * limits.live_actions_percent_max // 100
    return max(1, min(limits.live_actions_max, share))


def _kill_switch(ask: Ask, facts: Facts, policy: Policy) -> Allowed | Refused:
    return kill_switch_guard(facts.kill_switch)


def _mode(ask: Ask, facts: Facts, policy: Policy) -> Allowed | Refused:
    if policy.mode is not Mode.AUTO:
        return Refused("mode", f"the stack's mode is now {policy.mode.value}: nothing is run")
    return Allowed("the stack's mode is auto")


def _mode_tag(ask: Ask, facts: Facts, policy: Policy) -> Allowed | Refused:
    if facts.tags is None:
        return Refused("opt-in-unreadable", "the node's tags could not be read, so nothing is run")
    mode = narrow_mode(policy.mode, facts.tags.get(MODE_TAG))
    if mode is not Mode.AUTO:
        return Refused("mode-tag", f"the node's {MODE_TAG} tag narrows it to {mode.value}")
    return Allowed(f"no {MODE_TAG} tag narrows it")


def _opt_in(ask: Ask, facts: Facts, policy: Policy) -> Allowed | Refused:
    key, value = ask.opt_in
    if facts.tags is None:
        return Refused("opt-in-unreadable", "the node's tags could not be read, so nothing is run")
    if facts.tags.get(key) != value:
        return Refused("opt-in", f"the node does not carry the tag {key}={value}")
    return Allowed(f"the node carries the tag {key}={value}")


_BELONGS = Allowed("a verification belongs to the attempt that it verifies")


def _risk_ceiling(ask: Ask, facts: Facts, policy: Policy) -> Allowed | Refused:
    if not ask.starts:
        return _BELONGS
    if ask.remedy is None:
        return Refused("no-remedy", "this version of PatchMedic has no such remedy")
    if ask.approved_by is not None:
        return Allowed(f"approved by {ask.approved_by}")
    if facts.tags is None:
        return Refused("opt-in-unreadable", "the node's tags could not be read, so nothing is run")
    ceiling = narrow_ceiling(policy.risk_ceiling, facts.tags.get(CEILING_TAG))
    if ask.remedy.may_reboot:
        return Refused("risk-ceiling", "it may reboot the node, so a person must approve it")
    if RISK_ORDER[ask.remedy.risk] > RISK_ORDER[ceiling]:
        return Refused(
            "risk-ceiling",
            f"its risk {ask.remedy.risk.value} is above the ceiling {ceiling.value} of this node, "
            "so a person must approve it",
        )
    return Allowed(f"its risk {ask.remedy.risk.value} is within the ceiling {ceiling.value}")


def _cool_down(ask: Ask, facts: Facts, policy: Policy) -> Allowed | Refused:
    limits = policy.limits
    if not ask.starts:
        return _BELONGS
    if facts.attempts is None:
        reason = "earlier attempts could not be read"
        return Refused("attempts-unreadable", reason, retry=True)
    if facts.attempts >= limits.attempts_per_node_and_cause_max:
        return Refused(
            "cool-down",
            f"this cause was treated {facts.attempts} times on this node within "
            f"{limits.cooldown_hours} hours; trying again would hide it",
        )
    return Allowed(
        f"attempt {facts.attempts + 1} of {limits.attempts_per_node_and_cause_max} "
        f"within {limits.cooldown_hours} hours"
    )


def _actions_per_hour(ask: Ask, facts: Facts, policy: Policy) -> Allowed | Refused:
    most = policy.limits.actions_per_hour_max
    if not ask.starts:
        return _BELONGS
    if facts.actions_in_hour is None:
        reason = "the actions of the last hour could not be read"
        return Refused("counters-unreadable", reason, retry=True)
    if facts.actions_in_hour >= most:
        reason = f"{facts.actions_in_hour} actions within 60 minutes; {most} are allowed"
        return Refused("actions-per-hour", reason, retry=True)
    return Allowed(f"{facts.actions_in_hour} of {most} actions within 60 minutes")


def _live_actions(ask: Ask, facts: Facts, policy: Policy) -> Allowed | Refused:
    if not ask.starts:
        return _BELONGS
    if facts.live_actions is None:
        reason = "the actions under way could not be read"
        return Refused("counters-unreadable", reason, retry=True)
    most = live_actions_max(policy.limits, facts.fleet_size)
    of = (
        f"a fleet of {facts.fleet_size}"
        if facts.fleet_size is not None
        else "a fleet that was not counted lately, so one at a time"
    )
    if facts.live_actions >= most:
        reason = f"{facts.live_actions} actions are under way; {most} are allowed in {of}"
        return Refused("live-actions", reason, retry=True)
    return Allowed(f"{facts.live_actions} of {most} actions under way in {of}")


def _reboots(ask: Ask, facts: Facts, policy: Policy) -> Allowed | Refused:
    most = policy.limits.reboots_per_node_per_day_max
    if not ask.reboots:
        return Allowed("it does not reboot the node")
    if facts.reboots_in_day is None:
        reason = "the node's reboots of the last day could not be read"
        return Refused("counters-unreadable", reason, retry=True)
    if facts.reboots_in_day >= most:
        reason = f"the node was rebooted {facts.reboots_in_day} times within 24 hours"
        return Refused("reboots", f"{reason}; {most} are allowed")
    return Allowed(f"{facts.reboots_in_day} of {most} reboots within 24 hours")


def _breaker(ask: Ask, facts: Facts, policy: Policy) -> Allowed | Refused:
    if not ask.starts:
        return _BELONGS
    breaker = facts.breaker
    if breaker is None:
        reason = "how its last runs went could not be read"
        return Refused("counters-unreadable", reason, retry=True)
    if breaker.opened_at is None:
        return Allowed(f"{breaker.failures} failed runs in a row before this one")
    trial_from = breaker.opened_at + timedelta(hours=policy.limits.breaker_open_hours)
    said = f"{breaker.failures} runs in a row did not help, so it is stopped on all nodes"
    if ask.now < trial_from:
        return Refused("breaker", f"{said} until {trial_from:%Y-%m-%d %H:%M} UTC")
    if breaker.trial not in (None, ask.effect_id) and not trial_is_lost(breaker, ask, policy):
        return Refused("breaker", f"{said}, and its one trial is under way")
    return Allowed(f"{said}; this is its one trial")


def trial_is_lost(breaker: Breaker, ask: Ask, policy: Policy) -> bool:
    """A trial that nobody heard of again must not stop the remedy for ever."""
    hours = timedelta(hours=policy.limits.breaker_open_hours)
    return breaker.trial_at is None or ask.now >= breaker.trial_at + hours


def _window(ask: Ask, facts: Facts, policy: Policy) -> Allowed | Refused:
    if not ask.needs_window:
        return Allowed("it needs no window: it neither reboots nor disrupts the node")
    if not policy.change_calendars and not policy.maintenance_windows:
        return Refused(
            "no-window",
            "it may reboot or disrupt the node, and no window is named: name a Change Calendar "
            "(ChangeCalendarArns) or a maintenance window (MaintenanceWindowIds) of the stack",
        )
    if policy.change_calendars and facts.calendar_state is None:
        reason = "the change calendars could not be read, which counts as closed"
        return Refused("window-unreadable", reason, retry=True)
    if policy.change_calendars and facts.calendar_state != CALENDAR_OPEN:
        names = ", ".join(policy.change_calendars)
        return Refused("freeze", f"a change calendar is closed ({names})", retry=True)
    if not policy.maintenance_windows:
        return Allowed("the change calendars are open")
    if facts.window_open is None:
        reason = "the maintenance windows could not be read, which counts as closed"
        return Refused("window-unreadable", reason, retry=True)
    if not facts.window_open:
        names = ", ".join(policy.maintenance_windows)
        return Refused("window-closed", f"no maintenance window is in progress ({names})", True)
    return Allowed("a maintenance window is in progress, and no calendar is closed")


RULES: Mapping[str, Rule] = {
    "kill-switch": _kill_switch,
    "mode": _mode,
    "mode-tag": _mode_tag,
    "opt-in": _opt_in,
    "risk-ceiling": _risk_ceiling,
    "cool-down": _cool_down,
    "actions-per-hour": _actions_per_hour,
    "live-actions": _live_actions,
    "reboots": _reboots,
    "breaker": _breaker,
    "window": _window,
}
"""In the order in which they are asked."""


WINDOW_RULES = ("freeze", "window-closed", "window-unreadable")


def wait_until(refused: Refused, first_asked: datetime, limits: Limits) -> datetime:
    """How long an effect that was refused like this waits before it gives up."""
    windows = refused.rule in WINDOW_RULES
    hours = limits.window_wait_hours if windows else limits.limit_wait_hours
    return first_asked + timedelta(hours=hours)


def look_again_seconds(refused: Refused, limits: Limits) -> int:
    """How soon it asks again: a place is free within a minute or two, a window opens once a day."""
    windows = refused.rule in WINDOW_RULES
    return limits.window_look_again_seconds if windows else limits.defer_wait_seconds
