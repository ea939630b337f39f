"""What every operation of the overlay is made of: a context, and a registry by name.

Not here: the operations (``run_command``, ``inventory``, ``state_manager`` …) or their gates
(``api``).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from patchmedic_local.fleet.fleet import Fleet
from patchmedic_local.fleet.node import Node
from patchmedic_local.options import ACCOUNT, REGION
from patchmedic_local.ssm.errors import ApiError

Request = Mapping[str, Any]
Resources = list[tuple[str, Mapping[str, str]]]
"""ARNs that a call needs, each with its tags.  ``*`` where AWS authorises no resource."""

ANY: Resources = [("*", {})]


@dataclass(frozen=True, slots=True)
class Operation:
    """One API operation: what it needs in IAM, what it does."""

    name: str
    run: Callable[[Fleet, Request], dict[str, Any]]
    resources: Callable[[Fleet, Request], Resources]


REGISTRY: dict[str, Operation] = {}


def operation(
    name: str, resources: Callable[[Fleet, Request], Resources] = lambda fleet, request: ANY
) -> Callable[[Callable[[Fleet, Request], dict[str, Any]]], Callable[..., dict[str, Any]]]:
    """Register a function as the operation of that name."""

    def register(
        run: Callable[[Fleet, Request], dict[str, Any]],
    ) -> Callable[..., dict[str, Any]]:
        REGISTRY[name] = Operation(name, run, resources)
        return run

    return register


def node_arn(node_id: str) -> str:
    if node_id.startswith("mi-"):
        return f"arn:aws:ssm:{REGION}:{ACCOUNT}:managed-instance/{node_id}"
    return f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/{node_id}"


def node_resources(fleet: Fleet, node_ids: Sequence[str]) -> Resources:
    """Each node with its tags as they are now; an unknown node has none."""
    found: Resources = []
    for node_id in node_ids:
        node = fleet.nodes.get(node_id)
        found.append((node_arn(node_id), node.all_tags() if node else {}))
    return found


def managed(fleet: Fleet, node_ids: Sequence[str], *, stopped: bool) -> list[Node]:
    """The nodes of these ids; InvalidInstanceId for one that SSM does not (or no longer) manage."""
    allowed = ("running", "pending", "stopping", "stopped") if stopped else ("running",)
    nodes = []
    for node_id in node_ids:
        node = fleet.nodes.get(node_id)
        if node is None or node.state not in allowed:
            raise ApiError(
                "InvalidInstanceId",
                f"Instances [[{node_id}]] not in a valid state for account {ACCOUNT}",
            )
        nodes.append(node)
    return nodes


def page(
    items: Sequence[dict[str, Any]], request: Request, default: int = 50
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """One page of the items, and the NextToken to merge into the answer."""
    start = _offset(request.get("NextToken"))
    size = int(request.get("MaxResults") or default)
    more = start + size < len(items)
    return list(items[start : start + size]), {"NextToken": _token(start + size)} if more else {}


def _token(offset: int) -> str:
    return base64.urlsafe_b64encode(f"next:{offset}".encode()).decode()


def _offset(token: str | None) -> int:
    if not token:
        return 0
    try:
        word, _colon, number = base64.urlsafe_b64decode(token).decode().partition(":")
        if word != "next":
            raise ValueError(word)
        return int(number)
    except (binascii.Error, ValueError) as error:
        raise ApiError("InvalidNextToken", "The specified token is not valid.") from error
