"""One run of a patch document on one node, from its start to what it prints and changes.

Here: which fault stops it in which stage, two runs at once, the reboot, the new patch state.
Not here: the text of the stages (``transcripts``) and of the faults (``local/faults``).
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from patchmedic_local.fleet import transcripts
from patchmedic_local.fleet.effects import Effect, applies
from patchmedic_local.fleet.node import ActiveRun, Node, Outcome, PatchState
from patchmedic_local.options import ACCOUNT, REGION, Timing
from patchmedic_local.scenario.fault import PHASES, Failure, fill

PAYLOAD = "1.132"
BASELINE_ID = f"arn:aws:ssm:{REGION}:{ACCOUNT}:patchbaseline/pb-0a9c2f1b5d3e47681"
_COLLISION_PHASE = "unpack"


@dataclass(slots=True)
class PatchRun:
    """A run under way: made when it starts, asked for its outcome when its time is over."""

    node: Node
    command_id: str
    arguments: Mapping[str, str]
    timing: Timing
    active: ActiveRun = field(init=False)
    hit: tuple[Effect, Failure] | None = field(init=False)
    snapshot_id: str = field(init=False)

    def __post_init__(self) -> None:
        self.snapshot_id = self.arguments.get("SnapshotId") or str(uuid.uuid4())
        self.hit = self._first_fault()
        if self.hit is not None:
            self.hit[0].strike()
        self.active = self.node.begin_run(self.command_id)

    @property
    def operation(self) -> str:
        return self.arguments["Operation"]

    @property
    def reboots(self) -> bool:
        wanted = self.arguments.get("RebootOption", "RebootIfNeeded") == "RebootIfNeeded"
        changes = self.node.missing > 0 or self.node.pending_reboot > 0
        return self.hit is None and self.operation == "Install" and wanted and changes

    @property
    def seconds(self) -> float:
        own = self.node.spec.run_seconds
        seconds = self.timing.run_seconds if own is None else own
        if self.hit is not None and self.hit[1].seconds is not None:
            seconds = self.hit[1].seconds
        return seconds + (self.timing.reboot_seconds if self.reboots else 0.0)

    def _first_fault(self) -> tuple[Effect, Failure] | None:
        facts = facts_for_choice(self.node)
        facts["operation"] = self.operation
        facts.update({f"parameter:{name}": value for name, value in self.arguments.items()})
        found: list[tuple[int, Effect, Failure]] = []
        for effect in self.node.active_effects():
            for failure in effect.fault.failures:
                if applies(failure.when, effect, facts):
                    found.append((PHASES.index(failure.phase), effect, failure))
                    break
        if not found:
            return None
        _order, effect, failure = min(found, key=lambda item: item[0])
        return effect, failure

    def abandon(self) -> None:
        """The run was cancelled: nothing is printed, nothing changes, the folder stays."""
        self.node.end_run(self.active)
        self.node.leftovers_since = time.time()

    def finish(self) -> Outcome:
        """What the run ends with.  Whether another run was in the way is known only now."""
        self.node.end_run(self.active)
        collided = self.active.corrupted_by is not None
        if self.hit is not None and not (collided and self._hit_is_later()):
            outcome = self._stopped_by(*self.hit)
        elif collided:
            outcome = self._collided()
        else:
            outcome = self._succeeded()
        self.node.last_output = (self.command_id, outcome.stdout, outcome.stderr)
        return outcome

    def _hit_is_later(self) -> bool:
        assert self.hit is not None
        return PHASES.index(self.hit[1].phase) > PHASES.index(_COLLISION_PHASE)

    # -- the three ends -----------------------------------------------------------------------

    def _stopped_by(self, effect: Effect, failure: Failure) -> Outcome:
        values = {**self._values(), **effect.values()}
        stdout = self._stages_before(failure.phase) + fill(failure.stdout, values)
        stderr = self._with_agent_line(fill(failure.stderr, values), failure.exit_code)
        return Outcome(failure.exit_code, stdout, stderr)

    def _collided(self) -> Outcome:
        platform = self.node.platform
        code = transcripts.COLLISION_EXIT[platform]
        values = self._values()
        stdout = self._stages_before(_COLLISION_PHASE)
        stdout += fill(transcripts.COLLISION_STDOUT[platform], values)
        stderr = fill(transcripts.COLLISION_STDERR[platform], values)
        return Outcome(code, stdout, self._with_agent_line(stderr, code))

    def _succeeded(self) -> Outcome:
        stdout = self._stages_before(None)
        if self.reboots and self.node.platform != "windows":
            # The agent starts the script again after the reboot; both passes share one stdout.
            stdout += fill(transcripts.BY_PLATFORM[self.node.platform]["start"], self._values())
        self._change_state()
        return Outcome(0, stdout)

    def _change_state(self) -> None:
        node, now = self.node, time.time()
        reboot_option = self.arguments.get("RebootOption", "RebootIfNeeded")
        last = node.patch_state.last_no_reboot_install if node.patch_state else None
        if self.operation == "Install":
            if reboot_option == "NoReboot":
                node.pending_reboot += node.missing
                last = now
            else:
                node.installed += node.missing + node.pending_reboot
                node.pending_reboot = 0
            node.missing = 0
        state = PatchState(
            operation=self.operation,
            started=self.active.started,
            ended=now,
            snapshot_id=self.snapshot_id,
            installed=node.installed,
            missing=node.missing,
            pending_reboot=node.pending_reboot,
            reboot_option=reboot_option,
            last_no_reboot_install=last,
        )
        association_id = self.arguments.get("AssociationId")
        if association_id:
            # This document reports per association, and leaves the node's own state alone.
            node.association_compliance[association_id] = state
        elif not self.arguments.get("BaselineOverride"):
            # With an override list the payload prints its result and uploads nothing.
            node.patch_state = state

    # -- text ---------------------------------------------------------------------------------

    def _stages_before(self, phase: str | None) -> str:
        stages = PHASES if phase is None else PHASES[: PHASES.index(phase)]
        values = self._values()
        texts = dict(transcripts.BY_PLATFORM[self.node.platform])
        if self.arguments.get("BaselineOverride") and self.node.platform != "windows":
            texts["override"] = transcripts.OVERRIDE_LINE
        if "snapshot" in stages:
            lines = range(self.node.spec.chatter_lines)
            texts["snapshot"] += "".join(transcripts.CHATTER.format(number=n) for n in lines)
        return "".join(fill(texts[stage], values) for stage in stages)

    def _with_agent_line(self, stderr: str, code: int) -> str:
        """The agent's own line: glued on, as the payload writes its last line without an end."""
        if self.node.platform == "windows":
            shown = "0xffffffff" if code == -1 else str(code)
            end = "" if stderr.endswith("\n") or not stderr else "\n"
            return f"{stderr}{end}failed to run commands: exit status {shown}"
        return f"{stderr}failed to run commands: exit status {code}"

    def _values(self) -> dict[str, str]:
        node = self.node
        now = datetime.fromtimestamp(self.active.started, UTC)
        time_text = now.strftime("%m/%d/%Y %X")
        if self.operation == "Scan":
            reboot = "Reboot is not permitted for scan operation"
        elif self.arguments.get("RebootOption") == "NoReboot":
            reboot = "Reboot is not permitted because RebootOption is NoReboot"
        else:
            reboot = "Reboot is not required"
            if self.reboots:
                reboot = "Reboot is required with patching exit code 194"
        packages = f"{time_text} root [INFO]: No updates, skipping."
        if self.operation == "Install" and node.missing:
            packages = f"{time_text} root [INFO]: Installing {node.missing} packages"
        return {
            "t": time_text,
            "iso": now.isoformat(timespec="microseconds").replace("+00:00", "0Z"),
            "region": REGION,
            "account": ACCOUNT,
            "node_id": node.id,
            "computer": node.spec.name.upper()[:15],
            "os": node.spec.os,
            "manager": package_manager(node),
            "payload": PAYLOAD,
            "snapshot_id": self.snapshot_id,
            "baseline_id": BASELINE_ID.rsplit("/", 1)[-1],
            "baseline_override": self.arguments.get("BaselineOverride", ""),
            "operation": self.operation,
            "reboot_option": self.arguments.get("RebootOption", "RebootIfNeeded"),
            "reboot_line": reboot,
            "packages_line": packages,
            "command_id": self.command_id,
            "agent_version": node.agent_version,
            "installed": str(node.installed),
            "missing": str(node.missing),
            "pending_reboot": str(node.pending_reboot),
        }


def facts_for_choice(node: Node) -> dict[str, str]:
    """What the variants of a fault's text are chosen by."""
    manager = package_manager(node) if node.platform == "linux" else ""
    return {"platform": node.platform, "manager": manager}


def package_manager(node: Node) -> str:
    """The package manager of a Linux distribution, as the patch document chooses it."""
    name = node.spec.os.lower()
    if "ubuntu" in name or "debian" in name:
        return "apt"
    if "suse" in name:
        return "zypper"
    if name.strip() in ("amazon linux", "amazon linux 2") or "centos 7" in name:
        return "yum"
    return "dnf"
