"""Changes MiniStack's SSM: calls about the fleet go to the overlay, all others stay where they are.

Also keeps MiniStack from authorising those calls on its own, coarser resources: it authenticates
them, the overlay authorises them (documents, nodes, tags).
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from patchmedic_local.hooks import pinned
from patchmedic_local.ssm.api import Api
from patchmedic_local.ssm.tags import OWN_TYPES

_Handler = Callable[..., Awaitable[tuple[int, dict[str, str], bytes]]]
_TAG_ACTIONS = ("AddTagsToResource", "ListTagsForResource", "RemoveTagsFromResource")


def install(api: Api, actions: frozenset[str]) -> None:
    app = pinned.require("ministack.app", "SERVICE_HANDLERS")
    router = pinned.require("ministack.core.router", "extract_access_key_id")
    original: _Handler = app.SERVICE_HANDLERS["ssm"]

    async def handle(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
    ) -> tuple[int, dict[str, str], bytes]:
        action = _action(headers)
        if not _ours(action, body, actions):
            return await original(method, path, headers, body, query)
        return api.answer(action, body, router.extract_access_key_id(headers, query))

    app.SERVICE_HANDLERS["ssm"] = handle

    def make(extract: Callable[..., str | None]) -> Callable[..., str | None]:
        def extract_iam_action(
            service: str,
            method: str,
            path: str,
            headers: dict[str, str],
            body: bytes,
            query: dict[str, Any],
        ) -> str | None:
            if service == "ssm" and _ours(_action(headers), body, actions):
                return None  # authenticate only
            return extract(service, method, path, headers, body, query)

        return extract_iam_action

    pinned.replace("ministack.core.iam_actions", "extract_iam_action", make)


def _action(headers: Mapping[str, str]) -> str:
    return headers.get("x-amz-target", "").rpartition(".")[2]


def _ours(action: str, body: bytes, actions: frozenset[str]) -> bool:
    if action not in actions:
        return False
    if action not in _TAG_ACTIONS:
        return True
    try:
        request = json.loads(body or b"{}")
    except json.JSONDecodeError:
        return False
    return isinstance(request, dict) and request.get("ResourceType") in OWN_TYPES
