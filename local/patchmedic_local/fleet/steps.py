"""One document at work on one node: its steps as the API's plugins.

Here: which step a platform runs, which it skips, which physics answers for it.  Not here: the
physics (``patch_run``, ``checks``, ``remedies``) or delivery (``commands``).
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from patchmedic_local.fleet import aws_documents, checks, remedies, transcripts
from patchmedic_local.fleet.documents import Document, Step, arguments
from patchmedic_local.fleet.effects import Effect
from patchmedic_local.fleet.node import Node, Outcome
from patchmedic_local.fleet.patch_run import PatchRun
from patchmedic_local.options import Timing
from patchmedic_local.scenario.fault import fill

_OWN_DOCUMENT = re.compile(r"(?P<prefix>.+?)-(?P<suffix>(?P<kind>Check|Remedy)-.+)")
_PLATFORM_NAMES = {"linux": "Linux", "windows": "Windows", "macos": "MacOS"}


@dataclass(slots=True)
class Plugin:
    """One step of one invocation, as CommandPlugins and GetCommandInvocation show it."""

    name: str
    action: str
    status: str = "Pending"
    details: str = "Pending"
    code: int = -1
    started: float | None = None
    ended: float | None = None
    stdout: str = ""
    stderr: str = ""


def plugins_of(document: Document) -> list[Plugin]:
    return [Plugin(step.name, step.action) for step in document.steps]


@dataclass(slots=True)
class Execution:
    """A started document on a node."""

    node: Node
    document: Document
    parameters: Mapping[str, Sequence[str]]
    command_id: str
    plugins: list[Plugin]
    timing: Timing
    started: float = field(default_factory=time.time)
    patch_run: PatchRun | None = field(init=False, default=None)
    remedy: remedies.RemedyRun | None = field(init=False, default=None)
    broken_hook: Effect | None = field(init=False, default=None)
    seconds: float = field(init=False)
    succeeded: bool = field(init=False, default=False)
    ended: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        values = arguments(self.document, self.parameters)
        own = self._own()
        if self.document.name in aws_documents.PATCH_DOCUMENTS:
            self.broken_hook = self._hook_that_will_break(values)
            if self._hook_step() == "PreInstallHook":
                values = {**values, "Operation": "Scan"}  # it never comes to the installation
            self.patch_run = PatchRun(self.node, self.command_id, values, self.timing)
            self.seconds = self.patch_run.seconds
        elif own is not None and own["kind"] == "Remedy":
            self.remedy = remedies.RemedyRun(self.node, own["suffix"], self.timing)
            self.seconds = self.remedy.seconds
        else:
            self.seconds = self.timing.check_seconds
        for plugin in self.plugins:
            plugin.started = self.started
            if self._step(plugin).name == self._running_step():
                plugin.status = plugin.details = "InProgress"

    def _hook_that_will_break(self, values: Mapping[str, str]) -> Effect | None:
        """A fault of the node that somebody's own document meets, if this run has such a hook."""
        if values.get("Operation") != "Install":
            return None
        for effect in self.node.active_effects():
            hook = effect.fault.hook_failure
            if hook is not None:
                name = values.get(f"{effect.options[hook.option]}DocName", "AWS-Noop")
                return effect if name != "AWS-Noop" else None
        return None

    def _hook_step(self) -> str | None:
        hook = self.broken_hook.fault.hook_failure if self.broken_hook else None
        return str(self.broken_hook.options[hook.option]) if self.broken_hook and hook else None

    def _own(self) -> Mapping[str, str] | None:
        found = _OWN_DOCUMENT.fullmatch(self.document.name)
        return found.groupdict() if found and self.document.owner != "Amazon" else None

    def _step(self, plugin: Plugin) -> Step:
        return next(step for step in self.document.steps if step.name == plugin.name)

    def _running_step(self) -> str | None:
        for step in self.document.steps:
            if self.node.platform in step.platforms:
                return step.name
        return None

    # -- ends ---------------------------------------------------------------------------------

    def finish(self) -> None:
        """Run the physics and fill in the plugins."""
        self.ended = True
        outcome = self._outcome()
        self.succeeded = outcome.exit_code == 0
        if self.document.name == "AWS-RunPatchBaselineWithHooks":
            self.succeeded = self.succeeded and self.broken_hook is None
            self._close_hook_steps(outcome)
            return
        now = time.time()
        for plugin in self.plugins:
            step = self._step(plugin)
            plugin.ended = now
            if step.name == self._running_step():
                self._close(plugin, outcome)
            else:
                shown = next(iter(sorted(step.platforms)), "linux")
                names = {"platform": _PLATFORM_NAMES[shown], "step": step.name}
                self._close(plugin, Outcome(0, fill(transcripts.SKIPPED, names)))

    def _outcome(self) -> Outcome:
        if self._running_step() is None:
            return Outcome(0)
        if self.patch_run is not None:
            return self.patch_run.finish()
        if self.remedy is not None:
            return self.remedy.finish()
        values = arguments(self.document, self.parameters)
        if self.document.name == "AWS-UpdateSSMAgent":
            return remedies.update_agent(self.node, values)
        own = self._own()
        if own is not None:
            return checks.look(self.node, values.get("Checks", "all"))
        text = "the simulated node runs patch documents, checks and remedies only"
        return Outcome(127, "", f"{text}\nfailed to run commands: exit status 127")

    def _close_hook_steps(self, outcome: Outcome) -> None:
        """The step that failed, those between as success, the exit hook as the whole went."""
        assert self.patch_run is not None
        steps = aws_documents.HOOK_STEPS
        asked = arguments(self.document, self.parameters)["Operation"]
        patched = steps[3] if self.patch_run.operation == "Install" else steps[0]
        outcomes = {patched: outcome}
        if outcome.exit_code == 0 and self.broken_hook is not None:
            outcomes[str(self._hook_step())] = self._hook_outcome(self.broken_hook)
        if not self.succeeded and asked == "Install":
            outcomes.setdefault(steps[-1], Outcome(1))
        now = time.time()
        for plugin in self.plugins:
            plugin.ended = now
            self._close(plugin, outcomes.get(plugin.name, Outcome(0)))

    def _hook_outcome(self, effect: Effect) -> Outcome:
        hook = effect.fault.hook_failure
        assert hook is not None
        effect.strike()
        values = {**effect.values(), "node_id": self.node.id, "command_id": self.command_id}
        stderr = f"{fill(hook.stderr, values)}failed to run commands: exit status {hook.exit_code}"
        return Outcome(hook.exit_code, fill(hook.stdout, values), stderr)

    def _close(self, plugin: Plugin, outcome: Outcome) -> None:
        plugin.stdout, plugin.stderr = outcome.stdout, outcome.stderr
        plugin.code = outcome.exit_code
        plugin.status = plugin.details = "Success" if outcome.exit_code == 0 else "Failed"

    def abandon(self) -> None:
        """Cancelled, or the node fell silent."""
        if not self.ended:
            self.ended = True
            if self.patch_run is not None:
                self.patch_run.abandon()

    def close_plugins(self, status: str, details: str) -> None:
        """What a step that never answered is shown as."""
        for plugin in self.plugins:
            if plugin.status in ("Pending", "InProgress"):
                plugin.status, plugin.details = status, details
                plugin.ended = time.time()
