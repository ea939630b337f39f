"""Reads a CloudFormation template, and matches events as EventBridge's patterns do.

The loader keeps tags as the long forms (``{"Ref": ...}``, ``{"Fn::GetAtt": [...]}``).  The matcher
is written here after EventBridge's documentation, for the operators that the templates use and
their neighbours; an operator that it does not know is an error, never a match.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
PSEUDO = {
    "AWS::StackName": "patchmedic",
    "AWS::Partition": "aws",
    "AWS::Region": "ap-northeast-1",
    "AWS::AccountId": "123456789012",
}


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's tags."""


def _tag(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        if suffix == "GetAtt":
            value = str(value).split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)
        value = loader.construct_mapping(node, deep=True)
    return {name: value}


_Loader.add_multi_constructor("!", _tag)


def load_template(path: Path) -> dict[str, Any]:
    template = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a SafeLoader
    assert isinstance(template, dict)
    return template


def of_type(template: Mapping[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    """Logical id -> properties of the resources of one type."""
    resources = template["Resources"].items()
    return {name: r.get("Properties", {}) for name, r in resources if r["Type"] == kind}


def target(value: Any) -> str:
    """The logical id that a ``Ref`` or ``GetAtt`` points to."""
    assert isinstance(value, dict), f"{value!r} points nowhere"
    if "Ref" in value:
        return str(value["Ref"])
    return str(value["Fn::GetAtt"][0])


def text(value: Any, parameters: Mapping[str, Any] | None = None) -> str:
    """A string or ``Sub`` with the pseudo parameters (and given ones) put in."""
    if isinstance(value, str):
        return value
    known = {**PSEUDO, **(parameters or {})}
    template = value["Fn::Sub"]
    assert isinstance(template, str), "only the short form of Sub is used here"
    return re.sub(r"\$\{([^}!]+)\}", lambda found: str(known[found[1]]), template)


def plain(value: Any) -> Any:
    """``value`` with each ``Sub`` in it replaced by its text."""
    if isinstance(value, dict):
        if set(value) == {"Fn::Sub"}:
            return text(value)
        return {key: plain(part) for key, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, list) else value


def statements(document: Any, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """The statements of a policy document, also of one that is written as JSON text."""
    if isinstance(document, dict) and set(document) == {"Fn::Sub"}:
        document = json.loads(text(document, parameters))
    found = document["Statement"]
    return list(found) if isinstance(found, list) else [found]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


# --- EventBridge's patterns ---------------------------------------------------------------------


def matches(pattern: Mapping[str, Any], event: Any) -> bool:
    """Whether an event fits a pattern: every field of the pattern, by any of its values."""
    if not isinstance(event, Mapping):
        return False
    for name, wanted in pattern.items():
        if isinstance(wanted, Mapping):
            if not matches(wanted, event.get(name)):
                return False
        elif not any(_fits(one, event, name) for one in wanted):
            return False
    return True


def _fits(wanted: Any, event: Mapping[str, Any], name: str) -> bool:
    if isinstance(wanted, Mapping) and "exists" in wanted:
        return (name in event) is wanted["exists"]
    if name not in event:
        return False
    return any(_one_fits(wanted, value) for value in _values(event[name]))


def _values(value: Any) -> Iterator[Any]:
    yield from value if isinstance(value, list) else [value]


def _one_fits(wanted: Any, value: Any) -> bool:
    if not isinstance(wanted, Mapping):
        return type(wanted) is type(value) and bool(wanted == value)
    ((operator, operand),) = wanted.items()
    if operator == "anything-but":
        return not any(_one_fits(one, value) for one in listed(operand))
    if not isinstance(value, str):
        return False
    if operator == "prefix":
        return value.startswith(operand)
    if operator == "suffix":
        return value.endswith(operand)
    if operator == "equals-ignore-case":
        return bool(value.lower() == operand.lower())
    raise NotImplementedError(f"the matcher does not know the operator {operator!r}")
