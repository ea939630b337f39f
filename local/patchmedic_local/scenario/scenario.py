"""A scenario: a network, roles, nodes with their faults, associations and maintenance windows.

Here: the fields of a scenario file.  Not here: building it in the local cloud (``fleet.building``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from patchmedic_local.scenario.fault import PLATFORMS, Fault
from patchmedic_local.scenario.reading import ScenarioError, read_yaml

_TEXT = {"type": "string"}
_TAGS = {"type": "object", "additionalProperties": _TEXT}
_ID = {"type": "string", "pattern": "^[a-zA-Z0-9-]{1,40}$"}
NODE_ID_PATTERN = "^(i-([0-9a-f]{8}|[0-9a-f]{17})|mi-[0-9a-f]{17})$"
_UUID = {"type": "string", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"}


def _record(required: list[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": required,
        "additionalProperties": False,
        "properties": properties,
    }


def _named(record: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "propertyNames": _ID, "additionalProperties": record}


_NODE = _record(
    ["id", "name", "platform", "os"],
    id={"type": "string", "pattern": NODE_ID_PATTERN},
    name=_TEXT,
    platform={"enum": list(PLATFORMS)},
    os=_TEXT,
    os_version=_TEXT,
    agent_version={"type": "string", "pattern": r"^[0-9]+(\.[0-9]+){2,3}$"},
    subnet={"type": ["string", "null"]},
    instance_profile={"type": ["string", "null"]},
    role={"type": ["string", "null"]},
    tags=_TAGS,
    ping={"enum": ["Online", "ConnectionLost"]},
    last_ping_minutes_ago={"type": "number", "minimum": 0},
    state={"enum": ["pending", "running", "stopping", "stopped", "shutting-down", "terminated"]},
    run_seconds={"type": "number", "minimum": 0},
    chatter_lines={"type": "integer", "minimum": 0},
    missing_patches={"type": "integer", "minimum": 0},
    installed_patches={"type": "integer", "minimum": 0},
    scanned_hours_ago={"type": ["number", "null"], "minimum": 0},
    faults={
        "type": "array",
        "items": {"type": "object", "required": ["fault"], "properties": {"fault": _TEXT}},
    },
)
SCHEMA: dict[str, Any] = _record(
    ["name", "nodes"],
    name=_ID,
    about=_TEXT,
    network=_record(
        [],
        vpcs=_named(_record(["cidr"], cidr=_TEXT)),
        internet_gateways=_named(_record(["vpc"], vpc=_TEXT)),
        nat_gateways=_named(_record(["subnet"], subnet=_TEXT)),
        subnets=_named(
            _record(
                ["vpc", "cidr"], vpc=_TEXT, cidr=_TEXT, default_route={"type": ["string", "null"]}
            )
        ),
        endpoints=_named(
            _record(
                ["vpc", "service", "type"],
                vpc=_TEXT,
                service=_TEXT,
                type={"enum": ["Gateway", "Interface"]},
                subnets={"type": "array", "items": _TEXT},
                policy={"type": "object"},
            )
        ),
    ),
    roles=_named(
        _record(
            [],
            managed_policies={"type": "array", "items": _TEXT},
            inline_policy={"type": "object"},
            tags=_TAGS,
        )
    ),
    nodes={"type": "array", "minItems": 1, "items": _NODE},
    associations={
        "type": "array",
        "items": _record(
            ["id", "name", "document", "nodes"],
            id=_UUID,
            name=_TEXT,
            document=_TEXT,
            parameters={"type": "object", "additionalProperties": {"type": "array"}},
            nodes={"type": "array", "items": _TEXT},
            schedule=_TEXT,
        ),
    },
    windows={
        "type": "array",
        "items": _record(
            ["id", "name", "document", "nodes"],
            id={"type": "string", "pattern": "^mw-[0-9a-f]{17}$"},
            name=_TEXT,
            document=_TEXT,
            parameters={"type": "object", "additionalProperties": {"type": "array"}},
            nodes={"type": "array", "items": _TEXT},
        ),
    },
    calendars={"type": "object", "additionalProperties": {"enum": ["OPEN", "CLOSED"]}},
)


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """One node as the file describes it."""

    id: str
    name: str
    platform: str
    os: str
    os_version: str = ""
    agent_version: str = "3.3.1345.0"
    subnet: str | None = None
    instance_profile: str | None = None
    role: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    ping: str = "Online"
    last_ping_minutes_ago: float = 25.0
    state: str = "running"
    run_seconds: float | None = None
    chatter_lines: int = 0
    """How many lines a patch run prints about its packages before it comes to the point."""
    missing_patches: int = 3
    installed_patches: int = 118
    scanned_hours_ago: float | None = 20.0
    faults: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario file."""

    name: str
    network: Mapping[str, Any]
    roles: Mapping[str, Mapping[str, Any]]
    nodes: tuple[NodeSpec, ...]
    associations: tuple[Mapping[str, Any], ...]
    windows: tuple[Mapping[str, Any], ...]
    calendars: Mapping[str, str]


def load_scenario(path: Path, faults: Mapping[str, Fault]) -> Scenario:
    """Read and check one file: its own shape, and that everything it names exists."""
    content = read_yaml(path, SCHEMA)
    nodes = tuple(NodeSpec(**{**n, "faults": tuple(n.get("faults", ()))}) for n in content["nodes"])
    scenario = Scenario(
        name=content["name"],
        network=content.get("network", {}),
        roles=content.get("roles", {}),
        nodes=nodes,
        associations=tuple(content.get("associations", ())),
        windows=tuple(content.get("windows", ())),
        calendars=content.get("calendars", {}),
    )
    _check_names(scenario, faults, path)
    return scenario


def _check_names(scenario: Scenario, faults: Mapping[str, Fault], path: Path) -> None:
    ids = {node.id for node in scenario.nodes}
    if len(ids) != len(scenario.nodes):
        raise ScenarioError(f"{path}: two nodes have the same id")
    subnets = set(scenario.network.get("subnets", {}))
    for node in scenario.nodes:
        where = f"{path}: node {node.id}"
        if node.subnet is not None and node.subnet not in subnets:
            raise ScenarioError(f"{where}: subnet {node.subnet!r} is not in network.subnets")
        if node.instance_profile is not None and node.instance_profile not in scenario.roles:
            raise ScenarioError(f"{where}: instance_profile {node.instance_profile!r} is no role")
        for given in node.faults:
            _check_fault(node, given, faults, where)
    for run in (*scenario.associations, *scenario.windows):
        unknown = set(run["nodes"]) - ids
        if unknown:
            raise ScenarioError(f"{path}: {run['name']} names unknown nodes {sorted(unknown)}")


def _check_fault(
    node: NodeSpec, given: Mapping[str, Any], faults: Mapping[str, Fault], where: str
) -> None:
    fault = faults.get(given["fault"])
    if fault is None:
        known = ", ".join(sorted(faults))
        raise ScenarioError(f"{where}: there is no fault {given['fault']!r}. There are: {known}.")
    if node.platform not in fault.platforms:
        raise ScenarioError(
            f"{where}: the fault {fault.name} exists on {', '.join(fault.platforms)}, "
            f"not on {node.platform}"
        )
    fault.with_options({k: v for k, v in given.items() if k != "fault"}, where)
