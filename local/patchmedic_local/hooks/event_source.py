"""Adds to MiniStack: the condition key ``events:source`` of PutEvents, which policies rest on.

Not here: which sources a policy allows; that is the template's.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from patchmedic_local.hooks import pinned

_ACTION = "events:PutEvents"


def install() -> None:
    """Let the evaluation of a PutEvents request know its entries' sources."""
    pinned.replace("ministack.core.iam_actions", "request_tag_context", _with_sources)


def _with_sources(original: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    def context(service: str, iam_action: str, body: bytes, params: Any) -> dict[str, Any]:
        found = original(service, iam_action, body, params)
        if iam_action != _ACTION:
            return found
        sources = sorted(_sources(body))
        # With several different sources no StringEquals can hold: every entry must be allowed.
        return {**found, "events:source": sources[0] if len(sources) == 1 else None}

    return context


def _sources(body: bytes) -> set[str]:
    try:
        entries = json.loads(body or b"{}").get("Entries") or []
    except ValueError:
        return set()
    return {str(e.get("Source", "")) for e in entries if isinstance(e, dict)}
