"""Requests and answers checked against botocore's own model of SSM.

Here: types, required and unknown members, lengths, ranges, enums and patterns, for what comes in
(a ``ValidationException``, as AWS says it) and for what goes out (``ShapeMismatch``, our defect).
Not here: rules that the model does not state (documents' own parameters, limits by meaning).
"""

from __future__ import annotations

import functools
import re
from typing import Any

import botocore.loaders
import botocore.model
import re2

from patchmedic_local.ssm.errors import ApiError, ShapeMismatch

# The service itself does not keep to these patterns: it answers "" and "PT1.2S" in them.
_LOOSE_PATTERNS = frozenset({"StringDateTime"})


@functools.cache
def service_model() -> botocore.model.ServiceModel:
    loader = botocore.loaders.Loader()
    return botocore.model.ServiceModel(loader.load_service_model("ssm", "service-2"), "ssm")


def knows(operation: str) -> bool:
    return operation in service_model().operation_names


def check_request(operation: str, request: dict[str, Any]) -> None:
    """Raise AWS's ValidationException for the first things wrong with a request."""
    shape = service_model().operation_model(operation).input_shape
    problems = list(_problems(shape, request, ""))
    if problems:
        count = f"{len(problems)} validation error{'s' if len(problems) > 1 else ''} detected: "
        raise ApiError("ValidationException", count + "; ".join(problems))


def check_response(operation: str, response: dict[str, Any]) -> None:
    """Raise ShapeMismatch if the answer is none that botocore's model allows."""
    shape = service_model().operation_model(operation).output_shape
    problems = list(_problems(shape, response, "")) if shape is not None else []
    if problems:
        raise ShapeMismatch(f"{operation} was about to answer outside its model: {problems}")


def _problems(shape: Any, value: Any, path: str) -> Any:
    kind = shape.type_name
    if kind == "structure":
        yield from _structure(shape, value, path)
    elif kind == "list":
        if not isinstance(value, list):
            yield f"Value at '{path}' must be a list"
            return
        yield from _length(shape, len(value), value, path)
        for index, item in enumerate(value):
            yield from _problems(shape.member, item, f"{path}.{index + 1}.member")
    elif kind == "map":
        if not isinstance(value, dict):
            yield f"Value at '{path}' must be a map"
            return
        for key, item in value.items():
            yield from _problems(shape.key, key, f"{path}.key")
            yield from _problems(shape.value, item, f"{path}.{key}")
    else:
        yield from _scalar(shape, kind, value, path)


def _structure(shape: Any, value: Any, path: str) -> Any:
    if not isinstance(value, dict):
        yield f"Value at '{path or 'request'}' must be a structure"
        return
    for name in shape.required_members:
        if name not in value:
            yield (
                f"Value null at '{_join(path, name)}' failed to satisfy constraint: "
                "Member must not be null"
            )
    for name, item in value.items():
        if name not in shape.members:
            yield f"Unknown member '{_join(path, name)}'"
        else:
            yield from _problems(shape.members[name], item, _join(path, name))


def _join(path: str, name: str) -> str:
    lowered = name[:1].lower() + name[1:]
    return f"{path}.{lowered}" if path else lowered


def _scalar(shape: Any, kind: str, value: Any, path: str) -> Any:
    if kind == "string":
        if not isinstance(value, str):
            yield f"Value at '{path}' must be a string, not {type(value).__name__}"
            return
        yield from _text(shape, value, path)
    elif kind == "boolean":
        if not isinstance(value, bool):
            yield f"Value at '{path}' must be a boolean"
    elif kind in ("integer", "long", "timestamp", "float", "double"):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            yield f"Value at '{path}' must be a number"
        elif kind in ("integer", "long"):
            yield from _range(shape, value, path)


def _text(shape: Any, value: str, path: str) -> Any:
    yield from _length(shape, len(value), value, path)
    if shape.enum and value not in shape.enum:
        yield (
            f"Value '{value[:80]}' at '{path}' failed to satisfy constraint: Member must satisfy "
            f"enum value set: [{', '.join(shape.enum)}]"
        )
    pattern = shape.metadata.get("pattern")
    if pattern and shape.name not in _LOOSE_PATTERNS and not _pattern(pattern).fullmatch(value):
        yield (
            f"Value '{value[:80]}' at '{path}' failed to satisfy constraint: Member must satisfy "
            f"regular expression pattern: {pattern}"
        )


def _length(shape: Any, size: int, value: Any, path: str) -> Any:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    shown = str(value)[:80]
    if low is not None and size < low:
        yield (
            f"Value '{shown}' at '{path}' failed to satisfy constraint: "
            f"Member must have length greater than or equal to {low}"
        )
    if high is not None and size > high:
        yield (
            f"Value '{shown}' at '{path}' failed to satisfy constraint: "
            f"Member must have length less than or equal to {high}"
        )


def _range(shape: Any, value: float, path: str) -> Any:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and value < low:
        yield (
            f"Value '{value}' at '{path}' failed to satisfy constraint: "
            f"Member must have value greater than or equal to {low}"
        )
    if high is not None and value > high:
        yield (
            f"Value '{value}' at '{path}' failed to satisfy constraint: "
            f"Member must have value less than or equal to {high}"
        )


@functools.cache
def _pattern(text: str) -> Any:
    # The model's patterns are Java's: some need look-ahead (re has it), some \p{L} (re2 has it).
    try:
        return re.compile(text)
    except re.error:
        return re2.compile(text)
