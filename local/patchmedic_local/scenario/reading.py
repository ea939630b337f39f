"""Reading one YAML file against a JSON schema; the error names file, place and what is allowed.

Not here: the schemas themselves (beside what they describe).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import yaml


class ScenarioError(ValueError):
    """A scenario or fault file that cannot be used, and why."""


def read_yaml(path: Path, schema: Mapping[str, Any]) -> dict[str, Any]:
    """The file's content, checked; ScenarioError otherwise."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ScenarioError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ScenarioError(f"{path}: is not YAML: {error}") from error
    check(content, schema, str(path))
    assert isinstance(content, dict)
    return content


def check(content: Any, schema: Mapping[str, Any], where: str) -> None:
    """Raise ScenarioError with every place that does not fit the schema."""
    validator = jsonschema.Draft202012Validator(schema)
    errors = sorted(validator.iter_errors(content), key=lambda error: list(error.absolute_path))
    if errors:
        raise ScenarioError("\n".join(_sentence(where, error) for error in errors[:10]))


def _sentence(where: str, error: jsonschema.ValidationError) -> str:
    place = ".".join(str(part) for part in error.absolute_path) or "the file"
    if error.validator == "additionalProperties":
        allowed = ", ".join(sorted(error.schema.get("properties", {})))
        return f"{where}: at {place}: {error.message}. Allowed there: {allowed}."
    if error.validator == "enum":
        allowed = ", ".join(str(value) for value in error.validator_value)
        return f"{where}: at {place}: {error.instance!r} is not one of {allowed}."
    return f"{where}: at {place}: {error.message}."
