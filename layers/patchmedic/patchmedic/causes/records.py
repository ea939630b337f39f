"""The one-object-a-line form of classification, for scripts and for other tools' logs.

Here: one line of JSON in, one plain dictionary out.  Not here: reading files and writing output
(the command does), and how causes are ranked (``classifier``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from patchmedic.causes.catalogue import Catalogue
from patchmedic.causes.classifier import classify, decide_remedy
from patchmedic.model import Evidence, Platform

_PLATFORMS: Final[dict[str, Platform | None]] = {
    "linux": "linux",
    "windows": "windows",
    "macos": "macos",
    "darwin": "macos",
    "mac": "macos",
    "unknown": None,
    "": None,
}
_TEXTS: Final = ("platform", "document", "status", "stdout", "stderr")


class RecordError(ValueError):
    """The line is no record; the message says why."""


def classify_record(line: str, catalogue: Catalogue) -> dict[str, Any]:
    """The classification of one JSON line; ``{"id": ..., "error": ...}`` where it is none."""
    record_id: object = None
    try:
        record = _parse(line)
        record_id = record.get("id")
        if not isinstance(record_id, (str, int)) or isinstance(record_id, bool):
            raise RecordError("id: is missing or neither text nor a number")
        evidence = read_evidence(record)
    except RecordError as problem:
        is_id = isinstance(record_id, (str, int)) and not isinstance(record_id, bool)
        return {"id": record_id if is_id else None, "error": str(problem)}
    found = classify(evidence, catalogue)
    best = found.candidates[0] if found.candidates else None
    return {
        "id": record_id,
        "cause": found.cause,
        "confidence": found.confidence,
        "candidates": [each.cause for each in found.candidates],
        "remedy": decide_remedy(found, catalogue, evidence.platform),
        "evidence": [
            {"stream": each.stream, "line": each.line, "text": each.text}
            for each in (best.lines if best else ())
        ],
    }


def _parse(line: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as problem:
        raise RecordError(f"is not JSON: {problem}") from problem
    if not isinstance(record, dict):
        raise RecordError(f"is a JSON {type(record).__name__}, expected an object")
    return record


def read_evidence(record: Mapping[str, Any]) -> Evidence:
    """The evidence in a record's keys, all of them optional; ``RecordError`` names a wrong one."""
    texts: dict[str, str] = {}
    for key in _TEXTS:
        value = record.get(key)
        if value is not None and not isinstance(value, str):
            raise RecordError(f"{key}: is a {type(value).__name__}, expected text")
        texts[key] = value or ""
    platform = texts["platform"].strip().lower()
    if platform not in _PLATFORMS:
        raise RecordError(f"platform: {platform[:40]!r} is not linux, windows or macos")
    return Evidence(
        platform=_PLATFORMS[platform],
        document=_known(texts["document"]),
        status=_known(texts["status"]),
        response_code=_code(record.get("response_code")),
        stdout=texts["stdout"],
        stderr=texts["stderr"],
    )


def _known(text: str) -> str | None:
    return None if text.strip().lower() in ("", "unknown") else text


def _code(value: object) -> int | None:
    """A response code as the API gives it; the unsigned form of -1 becomes -1 again."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise RecordError(f"response_code: is a {type(value).__name__}, expected a whole number")
    if not -(2**31) <= value < 2**32:
        raise RecordError(f"response_code: {value} is outside 32 bits")
    return value - 2**32 if value >= 2**31 else value
