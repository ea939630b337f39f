"""One simulated managed node: its state, its faults, the runs that are on it right now.

Here: what the node *is*.  Not here: what a document does there (``patch_run``, ``checks``,
``remedies``) or how a command reaches it (``commands``).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from patchmedic_local import cloud
from patchmedic_local.fleet.effects import Effect
from patchmedic_local.scenario.scenario import NodeSpec

LATEST_AGENT = "3.3.3050.0"
_PING_INTERVAL_SECONDS = 300


@dataclass(slots=True)
class Outcome:
    """How a document's step ended on a node."""

    exit_code: int
    stdout: str = ""
    stderr: str = ""


@dataclass(slots=True)
class ActiveRun:
    """One patch run that is, or was, on the node."""

    command_id: str
    started: float
    ended: float | None = None
    corrupted_by: str | None = None
    """The command id of another run that was on the node at the same time."""


@dataclass(slots=True)
class PatchState:
    """What DescribeInstancePatchStates knows; only a patch run changes it."""

    operation: str
    started: float
    ended: float
    snapshot_id: str
    installed: int
    missing: int
    pending_reboot: int = 0
    failed: int = 0
    reboot_option: str = "RebootIfNeeded"
    last_no_reboot_install: float | None = None


@dataclass
class Node:
    """A node and everything that is true of it now."""

    spec: NodeSpec
    subnet_id: str | None
    effects: list[Effect]
    registered: float
    agent_version: str
    tags: dict[str, str] = field(default_factory=dict)
    """SSM's own tags (mi- nodes); an EC2 instance's tags are EC2's."""
    missing: int = 0
    installed: int = 0
    pending_reboot: int = 0
    patch_state: PatchState | None = None
    association_compliance: dict[str, PatchState] = field(default_factory=dict)
    runs: deque[ActiveRun] = field(default_factory=lambda: deque(maxlen=20))
    leftovers_since: float | None = None
    last_heard: float | None = None
    """The last ping that anyone could have seen."""
    asleep: bool = False
    """Whether its agent could not speak when somebody looked last."""
    awake_since: float | None = None
    """When it could again: an agent that starts pings at once."""
    silent_since: float | None = None
    """When the agent was last heard of, if someone silenced it on purpose."""
    last_output: tuple[str, str, str] = ("", "", "")
    """What the agent still has of the newest patch run: its command, stdout and stderr."""

    @property
    def id(self) -> str:
        return self.spec.id

    @property
    def platform(self) -> str:
        return self.spec.platform

    @property
    def is_ec2(self) -> bool:
        return self.id.startswith("i-")

    @property
    def state(self) -> str:
        """EC2's state; a hybrid machine is always running as far as AWS knows."""
        if not self.is_ec2:
            return "running"
        return cloud.instance_state(self.id) or "terminated"

    def all_tags(self) -> dict[str, str]:
        return cloud.ec2_tags(self.id) if self.is_ec2 else dict(self.tags)

    def active_effects(self) -> Iterator[Effect]:
        """The faults that hold now.  Read one by one: a cure in between counts."""
        return (effect for effect in list(self.effects) if effect.holds(self))

    def effect(self, fault: str) -> Effect | None:
        return next((e for e in self.effects if e.fault.name == fault), None)

    # -- the agent ----------------------------------------------------------------------------

    def answers(self) -> bool:
        """Whether the agent is there to take a command."""
        if self.state != "running" or self.silent_since is not None:
            return False
        if self.is_ec2 and cloud.failed_checks().get(self.id):
            return False
        return not any(effect.fault.silences_agent for effect in self.active_effects())

    def last_ping(self, now: float) -> float:
        if self.silent_since is not None:
            return self.silent_since
        if self.answers():
            if self.asleep:
                self.awake_since, self.asleep = now, False
            began = self.registered if self.awake_since is None else self.awake_since
            self.last_heard = now - (now - began) % _PING_INTERVAL_SECONDS
            return self.last_heard
        self.asleep = True
        if self.last_heard is not None:
            return self.last_heard
        return self.registered - self.spec.last_ping_minutes_ago * 60

    def ping_status(self, now: float) -> str:
        """ConnectionLost once a ping is overdue, as the service sees it: not at once."""
        lost = now - self.last_ping(now) > _PING_INTERVAL_SECONDS + 60
        return "ConnectionLost" if lost else "Online"

    # -- patch runs ---------------------------------------------------------------------------

    def begin_run(self, command_id: str) -> ActiveRun:
        """Two runs at once take away each other's work folder: both are marked."""
        run = ActiveRun(command_id, time.time())
        for other in self.running():
            other.corrupted_by = command_id
            run.corrupted_by = other.command_id
        self.runs.append(run)
        return run

    def end_run(self, run: ActiveRun) -> None:
        run.ended = time.time()
        if run.corrupted_by is not None:
            self.leftovers_since = run.ended

    def running(self) -> list[ActiveRun]:
        return [run for run in self.runs if run.ended is None]

    def describe(self, now: float) -> dict[str, Any]:
        """For people and tests: the node in a few words."""
        return {
            "id": self.id,
            "name": self.spec.name,
            "platform": self.platform,
            "os": self.spec.os,
            "state": self.state,
            "ping": self.ping_status(now),
            "agent_version": self.agent_version,
            "tags": self.all_tags(),
            "reboots": cloud.reboots(self.id),
            "faults": [effect.fault.name for effect in self.active_effects()],
            "missing_patches": self.missing,
            "last_patch_operation_end": self.patch_state.ended if self.patch_state else None,
        }
