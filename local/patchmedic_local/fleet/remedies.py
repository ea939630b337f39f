"""What the remedy documents do on a node and print.

Here: each document takes away the faults that name it as their cure, and only those.  A remedy
that does not fit finds nothing to do, and the fault stays.  Not here: which remedy is right.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from patchmedic_local.fleet import transcripts
from patchmedic_local.fleet.effects import Effect, version_tuple
from patchmedic_local.fleet.node import LATEST_AGENT, Node, Outcome
from patchmedic_local.options import Timing
from patchmedic_local.scenario.fault import fill

_BEGIN, _END = "<<<PATCHMEDIC-REMEDY", "PATCHMEDIC-REMEDY>>>"
_LEFTOVERS = "Remedy-ClearPatchLeftovers-Linux"
_RESTART_AGENT = "Remedy-RestartAgent-Linux"
_NAMES = {"Reboot": "reboot-node"}
"""Documents that are not named like their remedy."""


@dataclass(slots=True)
class RemedyRun:
    """One remedy under way; ``suffix`` is the document's name without the stack's prefix."""

    node: Node
    suffix: str
    timing: Timing
    waits: list[Effect] = field(init=False)
    seconds: float = field(init=False)

    def __post_init__(self) -> None:
        self.waits = [
            effect
            for effect in self.node.active_effects()
            if self.suffix in effect.fault.waited_out_by
        ]
        self.seconds = self.timing.remedy_seconds
        if self.waits:
            limit = self.timing.lock_wait_seconds_max
            ends = [effect.clears_at for effect in self.waits]
            left = [limit if end is None else end - time.time() + 0.05 for end in ends]
            self.seconds = min(limit, max(left))

    def finish(self) -> Outcome:
        if self.node.running():
            return self._print("refused", {"why": "a patch run is active on this node"})
        if self.waits:
            return self._waited()
        if self.suffix == _LEFTOVERS:
            return self._clear_leftovers()
        return self._cure()

    def _waited(self) -> Outcome:
        facts = {"waited_seconds": str(int(self.seconds))}
        if any(effect.holds(self.node) for effect in self.waits):
            return self._print("failed", {**facts, "why": "the lock is still held"})
        return self._print("done", facts)

    def _clear_leftovers(self) -> Outcome:
        if self.node.leftovers_since is None:
            return self._print("nothing-to-do", {"removed_folders": ""})
        self.node.leftovers_since = None
        return self._print("done", {"removed_folders": transcripts.FOLDER})

    def _cure(self) -> Outcome:
        facts: dict[str, str] = {}
        did = self.suffix == _RESTART_AGENT
        short = False
        for effect in self.node.active_effects():
            for cure in effect.fault.cures:
                if cure.document != self.suffix:
                    continue
                did = True
                facts.update({k: fill(v, effect.values()) for k, v in cure.facts.items()})
                enough = cure.option is None or float(effect.options[cure.option]) >= cure.at_least
                effect.removed = enough
                short = short or not enough
        if short:
            return self._print("failed", {**facts, "why": "it was not enough"})
        return self._print("done" if did else "nothing-to-do", facts)

    def _print(self, state: str, facts: Mapping[str, str]) -> Outcome:
        report = {"schema": 1, "remedy": _remedy_id(self.suffix), "state": state, "facts": facts}
        code = 0 if state in ("done", "nothing-to-do") else 1
        stderr = "" if code == 0 else f"failed to run commands: exit status {code}"
        return Outcome(code, f"{_BEGIN}\n{json.dumps(report)}\n{_END}\n", stderr)


def _remedy_id(suffix: str) -> str:
    middle = suffix.split("-")[1]
    if middle in _NAMES:
        return _NAMES[middle]
    return re.sub(r"(?<!^)(?=[A-Z])", "-", middle).lower()


def update_agent(node: Node, arguments: Mapping[str, str]) -> Outcome:
    """AWS-UpdateSSMAgent: the agent becomes the latest (or the named) version."""
    wanted = arguments.get("version") or LATEST_AGENT
    older = version_tuple(wanted) < version_tuple(node.agent_version)
    if older and arguments.get("allowDowngrade") != "true":
        text = "updating amazon-ssm-agent to an older version, please turn on allow downgrade"
        return Outcome(1, "", f"{text} to proceed\nfailed to run commands: exit status 1")
    if wanted == node.agent_version:
        return Outcome(0, f"amazon-ssm-agent {wanted} has already been installed, update skipped\n")
    before, node.agent_version = node.agent_version, wanted
    return Outcome(
        0,
        f"Updating amazon-ssm-agent from {before} to {wanted}\n"
        f"Successfully downloaded manifest\nSuccessfully downloaded updater\n"
        f"amazon-ssm-agent updated successfully to {wanted}\n",
    )
