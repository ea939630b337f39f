"""The fleet: every node, document, command, association and window of the local cloud.

Here: loading scenarios and finding things.  Not here: the rules of each (the sibling modules).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from patchmedic_local.fleet import aws_documents, building, outputs
from patchmedic_local.fleet.associations import Associations
from patchmedic_local.fleet.baselines import Baselines
from patchmedic_local.fleet.commands import Command, RunCommand
from patchmedic_local.fleet.documents import Documents
from patchmedic_local.fleet.effects import Effect
from patchmedic_local.fleet.node import Node, PatchState
from patchmedic_local.fleet.windows import Windows
from patchmedic_local.options import Timing
from patchmedic_local.scenario.fault import Fault, load_faults
from patchmedic_local.scenario.reading import ScenarioError
from patchmedic_local.scenario.scenario import NodeSpec, Scenario, load_scenario
from patchmedic_local.timeline import Timeline


class Fleet:
    """One lock guards it all: API calls and the timeline's callbacks never interleave."""

    def __init__(self, timeline: Timeline, timing: Timing) -> None:
        self.lock = threading.RLock()
        self.timeline = timeline
        self.timing = timing
        self.nodes: dict[str, Node] = {}
        self.documents = Documents()
        self.baselines = Baselines()
        self.calendars: dict[str, str] = {}
        self.faults: dict[str, Fault] = load_faults()
        self.network = building.Network()
        self.run_command = RunCommand(self.later, timing)
        self.run_command.use_documents(self.documents.find)
        self.run_command.use_outputs(outputs.keep)
        self.associations = Associations(self)
        self.windows = Windows(self)
        for name, content in aws_documents.contents().items():
            self.documents.add_owned_by_amazon(name, content)

    def later(self, seconds: float, callback: Any) -> None:
        def locked() -> None:
            with self.lock:
                callback()

        self.timeline.after(seconds, locked)

    # -- scenarios ----------------------------------------------------------------------------

    def load(self, path: Path) -> Scenario:
        """Add a scenario's network, roles and nodes to what is there."""
        scenario = load_scenario(path, self.faults)
        with self.lock:
            self.network.build(scenario.network)
            building.build_roles(scenario)
            for spec in scenario.nodes:
                self.add_node(spec)
            self.associations.add(scenario.associations)
            self.windows.add(scenario.windows)
            self.calendars.update(scenario.calendars)
        return scenario

    def add_node(self, spec: NodeSpec) -> Node:
        """A new node, or a fresh one in place of the one with the same id."""
        subnet_id = building.build_instance(spec, self.network, len(self.nodes))
        now = time.time()
        node = Node(
            spec=spec,
            subnet_id=subnet_id,
            effects=self._effects(spec),
            registered=now,
            agent_version=spec.agent_version,
            tags={} if spec.id.startswith("i-") else {"Name": spec.name, **spec.tags},
            missing=spec.missing_patches,
            installed=spec.installed_patches,
        )
        if spec.ping == "ConnectionLost":
            node.silent_since = now - spec.last_ping_minutes_ago * 60
        if spec.scanned_hours_ago is not None:
            ended = now - spec.scanned_hours_ago * 3600
            node.patch_state = PatchState(
                operation="Scan",
                started=ended - 40,
                ended=ended,
                snapshot_id="0e5a7f9c-1c2d-4e3f-8a9b-2f6d1c0b9a87",
                installed=spec.installed_patches,
                missing=spec.missing_patches,
            )
        self.nodes[spec.id] = node
        self._check_effects(node)
        return node

    def _effects(self, spec: NodeSpec) -> list[Effect]:
        listed = {given["fault"]: given for given in spec.faults}
        effects = []
        for name, given in listed.items():
            options = {k: v for k, v in given.items() if k != "fault"}
            fault = self.faults[name]
            effects.append(Effect(fault, fault.with_options(options, f"node {spec.id}")))
        for fault in self.faults.values():
            if fault.ambient and fault.name not in listed and spec.platform in fault.platforms:
                effects.append(Effect(fault, fault.with_options({}, f"node {spec.id}")))
        return effects

    def _check_effects(self, node: Node) -> None:
        """A fault that a scenario lists must hold in the world that the scenario builds."""
        for given in node.spec.faults:
            effect = node.effect(given["fault"])
            if effect is not None and not effect.holds(node):
                raise ScenarioError(
                    f"node {node.id}: the fault {effect.fault.name} does not hold there: its "
                    f"conditions are {list(effect.fault.holds_while)}. Change the node's subnet, "
                    "role, agent version or state so that they are true, or drop the fault."
                )

    # -- people's patch runs ------------------------------------------------------------------

    def patch(
        self,
        node_ids: Sequence[str],
        document: str,
        parameters: Mapping[str, Sequence[str]],
        *,
        command_id: str | None = None,
        raises_events: bool = True,
    ) -> Command:
        """Someone patches these nodes now, by Run Command."""
        with self.lock:
            nodes = [self.node(node_id) for node_id in node_ids]
            return self.run_command.send(
                self.documents.find(document),
                nodes,
                parameters,
                comment="patch now",
                command_id=command_id,
                raises_events=raises_events,
            )

    def node(self, node_id: str) -> Node:
        if node_id not in self.nodes:
            raise KeyError(f"the fleet has no node {node_id}")
        return self.nodes[node_id]
