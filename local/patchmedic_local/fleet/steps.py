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
    seconds: float = field(init=False)
    succeeded: bool = field(init=False, default=False)
    ended: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        values = arguments(self.document, self.parameters)
        own = self._own()
        if self.document.name in aws_documents.PATCH_DOCUMENTS:
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
        """The step that failed, the skipped ones as success, the exit hook always."""
        assert self.patch_run is not None
        install = self.patch_run.operation == "Install"
        failed_at = "PatchBaselineInstall" if install else "PatchBaselineScan"
        now = time.time()
        for plugin in self.plugins:
            plugin.ended = now
            last = plugin.name == aws_documents.HOOK_STEPS[-1]
            if plugin.name == failed_at or (last and install and outcome.exit_code != 0):
                self._close(plugin, outcome if plugin.name == failed_at else Outcome(1))
            else:
                self._close(plugin, Outcome(0))

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
