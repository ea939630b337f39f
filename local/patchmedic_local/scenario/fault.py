"""A fault: the physics of one failure, read from ``local/faults/<name>.yaml``.

Here: the fields of a fault file and the filling in of its options.  Not here: when a fault is in
effect on a node (``fleet.effects``) or how a run prints it (``fleet.patch_run``).
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from patchmedic_local.options import FAULTS_DIR
from patchmedic_local.scenario.reading import ScenarioError, read_yaml

PLATFORMS = ("linux", "windows", "macos")
PHASES = ("start", "payload", "unpack", "override", "snapshot", "packages", "report")
"""The stages of a patch run, in order; a run stops in the first stage that a fault hits."""

_TEXT = {"type": "string"}
_NAME = {"type": "string", "pattern": "^[a-z0-9-]{2,40}$"}
_WHEN = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "platform": {"enum": list(PLATFORMS)},
        "manager": {"enum": ["yum", "dnf", "apt", "zypper"]},
        "operation": {"enum": ["Scan", "Install"]},
        "parameter": {"type": "string"},
        "option": {"type": "object", "additionalProperties": _TEXT},
    },
}
_CONDITION = {
    "type": "object",
    "minProperties": 1,
    "maxProperties": 1,
    "additionalProperties": False,
    "properties": {
        "agent_older_than": _TEXT,
        "no_route_to": {"enum": ["s3", "internet"]},
        "no_instance_profile": {"const": True},
        "instance_not_running": {"const": True},
        "endpoint_denies": {
            "type": "object",
            "required": ["service", "action", "resource"],
            "additionalProperties": False,
            "properties": {"service": _TEXT, "action": _TEXT, "resource": _TEXT},
        },
        "role_denies": {
            "type": "object",
            "required": ["action", "resource"],
            "additionalProperties": False,
            "properties": {"action": _TEXT, "resource": _TEXT},
        },
        "role_lacks_tag": _TEXT,
        "any": {"type": "array", "items": {"type": "object"}},
    },
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["fault", "about", "platforms"],
    "additionalProperties": False,
    "properties": {
        "fault": _NAME,
        "about": _TEXT,
        "platforms": {"type": "array", "minItems": 1, "items": {"enum": list(PLATFORMS)}},
        "ambient": {"type": "boolean"},
        "options": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "required": ["default", "about"],
                "additionalProperties": False,
                "properties": {"default": {}, "about": _TEXT, "one_of": {"type": "array"}},
            },
        },
        "holds_while": {"type": "array", "items": _CONDITION},
        "clears_after": _TEXT,
        "companion_run": {
            "type": "object",
            "required": ["document", "operation"],
            "additionalProperties": False,
            "properties": {"document": _TEXT, "operation": _TEXT},
        },
        "waited_out_by": {"type": "array", "items": _TEXT},
        "removed_by": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["document"],
                "additionalProperties": False,
                "properties": {
                    "document": _TEXT,
                    "facts": {"type": "object", "additionalProperties": _TEXT},
                    "option": _TEXT,
                    "at_least": {"type": "number"},
                },
            },
        },
        "agent": {"enum": ["silent"]},
        "patch_run": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["phase", "exit_code"],
                "additionalProperties": False,
                "properties": {
                    "when": _WHEN,
                    "phase": {"enum": list(PHASES)},
                    "exit_code": {"type": "integer"},
                    "seconds": {"type": "number", "minimum": 0},
                    "stdout": _TEXT,
                    "stderr": _TEXT,
                },
            },
        },
        "hook_run": {
            "type": "object",
            "required": ["option", "exit_code"],
            "additionalProperties": False,
            "properties": {
                "option": _TEXT,
                "exit_code": {"type": "integer"},
                "stdout": _TEXT,
                "stderr": _TEXT,
            },
        },
        "checks": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["check", "state", "facts"],
                "additionalProperties": False,
                "properties": {
                    "check": _NAME,
                    "when": _WHEN,
                    "state": {"enum": ["ok", "bad", "unknown"]},
                    "facts": {"type": "object", "additionalProperties": _TEXT},
                },
            },
        },
    },
}


@dataclass(frozen=True, slots=True)
class Failure:
    """How a patch run ends when a fault hits it."""

    phase: str
    exit_code: int
    stdout: str = ""
    stderr: str = ""
    seconds: float | None = None
    when: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HookFailure:
    """How somebody's own document, run as a hook of a patch run, ends."""

    option: str
    """The option of the fault that names the step of AWS-RunPatchBaselineWithHooks."""
    exit_code: int
    stdout: str = ""
    stderr: str = ""


@dataclass(frozen=True, slots=True)
class Sight:
    """What a node check sees of a fault."""

    check: str
    state: str
    facts: Mapping[str, str]
    when: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cure:
    """A document that takes a fault away, if the option (where named) is large enough."""

    document: str
    facts: Mapping[str, str]
    option: str | None = None
    at_least: float = 0.0


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault file."""

    name: str
    about: str
    platforms: tuple[str, ...]
    ambient: bool
    options: Mapping[str, Any]
    choices: Mapping[str, tuple[Any, ...]]
    holds_while: tuple[Mapping[str, Any], ...]
    clears_after: str | None
    companion_run: Mapping[str, str] | None
    waited_out_by: tuple[str, ...]
    cures: tuple[Cure, ...]
    silences_agent: bool
    failures: tuple[Failure, ...]
    sights: tuple[Sight, ...]
    hook_failure: HookFailure | None = None

    def with_options(self, given: Mapping[str, Any], where: str) -> dict[str, Any]:
        """The defaults overlaid with what a scenario gives; ScenarioError for what is unknown."""
        unknown = set(given) - set(self.options)
        if unknown:
            allowed = ", ".join(sorted(self.options)) or "none"
            raise ScenarioError(
                f"{where}: the fault {self.name} has no option {', '.join(sorted(unknown))}. "
                f"Its options: {allowed}."
            )
        for name, value in given.items():
            if name in self.choices and value not in self.choices[name]:
                allowed = ", ".join(str(choice) for choice in self.choices[name])
                raise ScenarioError(
                    f"{where}: option {name} of {self.name} is {value!r}, not one of {allowed}."
                )
        return {**self.options, **given}


def fill(text: str, values: Mapping[str, Any]) -> str:
    """``${name}`` replaced; a name that nothing knows is an error in the fault file."""
    try:
        return string.Template(text).substitute(values)
    except (KeyError, ValueError) as error:
        raise ScenarioError(f"a fault's text names {error}, which nothing fills in") from error


def load_faults(folder: Path = FAULTS_DIR) -> dict[str, Fault]:
    """Every fault file of the folder, by name."""
    faults: dict[str, Fault] = {}
    for path in sorted(folder.glob("*.yaml")):
        fault = _fault(read_yaml(path, SCHEMA))
        if fault.name != path.stem:
            raise ScenarioError(f"{path}: says that it is {fault.name!r}; file and name must agree")
        faults[fault.name] = fault
    return faults


def _fault(content: Mapping[str, Any]) -> Fault:
    options = content.get("options", {})
    return Fault(
        name=content["fault"],
        about=content["about"],
        platforms=tuple(content["platforms"]),
        ambient=content.get("ambient", False),
        options={name: option["default"] for name, option in options.items()},
        choices={name: tuple(o["one_of"]) for name, o in options.items() if "one_of" in o},
        holds_while=tuple(content.get("holds_while", ())),
        clears_after=content.get("clears_after"),
        companion_run=content.get("companion_run"),
        waited_out_by=tuple(content.get("waited_out_by", ())),
        cures=tuple(
            Cure(c["document"], c.get("facts", {}), c.get("option"), float(c.get("at_least", 0)))
            for c in content.get("removed_by", ())
        ),
        silences_agent=content.get("agent") == "silent",
        failures=tuple(Failure(**failure) for failure in content.get("patch_run", ())),
        sights=tuple(Sight(**sight) for sight in content.get("checks", ())),
        hook_failure=HookFailure(**content["hook_run"]) if "hook_run" in content else None,
    )
