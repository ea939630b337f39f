"""Answers of Check documents, made for tests, and what the library makes of them."""

from __future__ import annotations

import json
from typing import Any

from patchmedic.checks.node import parse_findings

NODE = "i-0a1b2c3d4e5f60001"
BEGIN, END = "<<<PATCHMEDIC-FINDINGS", "PATCHMEDIC-FINDINGS>>>"


def output(*checks: dict[str, Any], platform: str = "linux", **fields: Any) -> str:
    document = {"schema": 1, "platform": platform, "checks": list(checks), **fields}
    return f"{BEGIN}\n{json.dumps(document)}\n{END}\n"


def answer(check: str, state: str, /, **facts: str) -> dict[str, Any]:
    return {"check": check, "state": state, "facts": facts}


def verdicts(*checks: dict[str, Any], platform: str = "linux") -> set[tuple[str, str | None]]:
    findings = parse_findings(output(*checks, platform=platform), NODE)
    return {(f.verdict.value, f.cause) for f in findings}
