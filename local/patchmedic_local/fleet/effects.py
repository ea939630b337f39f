"""A fault at work on one node: whether it holds now, and what ends it.

Here: the conditions that tie a fault to the world (network, roles, agent version, time).  Not
here: what it prints (``patch_run``, ``checks``).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from patchmedic_local import cloud
from patchmedic_local.options import REGION
from patchmedic_local.scenario.fault import Fault, fill

if TYPE_CHECKING:
    from patchmedic_local.fleet.node import Node


@dataclass(slots=True)
class Effect:
    """One fault on one node.  It ends by a cure, by time, or when its conditions end."""

    fault: Fault
    options: dict[str, Any]
    struck_at: float | None = None
    """When a patch run first met it; its own clearing counts from then."""
    removed: bool = False
    companion_started: bool = False

    @property
    def clears_at(self) -> float | None:
        if self.fault.clears_after is None or self.struck_at is None:
            return None
        seconds = self.options[self.fault.clears_after]
        return None if seconds is None else self.struck_at + float(seconds)

    def holds(self, node: Node) -> bool:
        if self.removed:
            return False
        ends = self.clears_at
        if ends is not None and time.time() >= ends:
            return False
        return all(_condition_holds(c, node, self) for c in self.fault.holds_while)

    def strike(self) -> None:
        if self.struck_at is None:
            self.struck_at = time.time()

    def values(self) -> dict[str, str]:
        """The options as text, for the fault's own sentences."""
        return {name: "" if v is None else str(v) for name, v in self.options.items()}


def applies(when: Mapping[str, Any], effect: Effect, facts: Mapping[str, str]) -> bool:
    """Whether a variant of a fault's text is the one for this run or look."""
    for name in ("platform", "manager", "operation"):
        if name in when and when[name] != facts.get(name):
            return False
    if "parameter" in when and not facts.get(f"parameter:{when['parameter']}"):
        return False
    values = effect.values()
    return all(values.get(name) == wanted for name, wanted in when.get("option", {}).items())


def version_tuple(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def _condition_holds(condition: Mapping[str, Any], node: Node, effect: Effect) -> bool:
    ((kind, wanted),) = condition.items()
    if kind == "any":
        return any(_condition_holds(inner, node, effect) for inner in wanted)
    if kind == "agent_older_than":
        return version_tuple(node.agent_version) < version_tuple(wanted)
    if kind == "instance_not_running":
        return node.is_ec2 and cloud.instance_state(node.id) != "running"
    if kind == "no_instance_profile":
        return node.is_ec2 and cloud.role_of(node.id) is None
    if kind == "no_route_to":
        return no_route(node, wanted)
    values = {**effect.values(), "region": REGION}
    if kind == "endpoint_denies":
        return _endpoint_denies(node, wanted, values)
    role = cloud.role_of(node.id) if node.is_ec2 else node.spec.role
    if role is None:
        return False
    if kind == "role_lacks_tag":
        return fill(wanted, values) not in cloud.role_tags(role)
    assert kind == "role_denies", kind
    return not cloud.role_may(role, wanted["action"], fill(wanted["resource"], values))


def no_route(node: Node, wanted: str) -> bool:
    """Whether the node's subnet leads neither to S3 (if that is wanted) nor to the internet."""
    subnet = node.subnet_id
    if subnet is None or not node.is_ec2:
        return False
    if cloud.has_internet(subnet):
        return False
    return wanted != "s3" or not cloud.endpoints_for(subnet, "s3")


def _endpoint_denies(node: Node, wanted: Mapping[str, str], values: Mapping[str, str]) -> bool:
    if node.subnet_id is None:
        return False
    for endpoint in cloud.endpoints_for(node.subnet_id, wanted["service"]):
        policy = endpoint.get("PolicyDocument")
        if policy and not cloud.policy_allows(
            policy, wanted["action"], fill(wanted["resource"], values)
        ):
            return True
    return False
