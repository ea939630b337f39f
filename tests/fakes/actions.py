"""``ports.AwsActions`` over the fake fleet: its nodes' profiles, roles and status checks.

As EC2 and IAM do: a profile that is there is not replaced, a role's tag is shared by all its nodes,
and a reboot is asked for as often as somebody asks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from tests.fakes.fleet import FakeFleet, FakeNode

from patchmedic.model import NodeRef
from patchmedic.policy import ATTACH_PROFILE, REBOOT, TAG_ROLE
from patchmedic.ports import ActionEnd, ActionPlan, CommandInfo

PROFILE = "patch-role"
_LIST = re.compile(
    r"s3://aws-quicksetup-patchpolicy-[0-9]{12}-([a-z0-9]{4,16})/baseline_overrides\.json"
)


class FakeActions:
    """Acts on the fleet instead of EC2 and IAM, and remembers the calls."""

    def __init__(
        self, fleet: FakeFleet, profile: str = PROFILE, roles: frozenset[str] = frozenset({PROFILE})
    ) -> None:
        self._fleet = fleet
        self._profile = profile
        self._roles = roles
        """Names of the roles that may be tagged."""
        self.performed: list[ActionPlan] = []
        """Every call that took effect."""

    def plan(self, action: str, node: NodeRef, run: CommandInfo | None) -> ActionPlan | ActionEnd:
        found = self._fleet.nodes.get(node.node_id)
        if found is None or not node.node_id.startswith("i-"):
            return ActionEnd("refused", f"{node.node_id} is no instance that EC2 knows")
        if found.state != "running":
            return ActionEnd("refused", f"{node.node_id} is {found.state}")
        if action == ATTACH_PROFILE:
            return self._plan_profile(node, found)
        if action == TAG_ROLE:
            return self._plan_tag(node, found, run)
        return self._plan_reboot(node, found)

    def perform(self, plan: ActionPlan) -> ActionEnd:
        node = self._fleet.nodes[plan.node.node_id]
        if plan.action == ATTACH_PROFILE and node.profile is not None:
            return ActionEnd("nothing-to-do", f"{plan.target} has got a profile meanwhile")
        self.performed.append(plan)
        if plan.action == ATTACH_PROFILE:
            self._fleet.attach_profile(node.node_id, plan.value)
        elif plan.action == TAG_ROLE:
            self._fleet.tag_role(plan.target, f"QSConfigId-{plan.value}", plan.value)
        else:
            assert plan.action == REBOOT, f"no action {plan.action}"
            self._fleet.reboot(node.node_id)
        return ActionEnd("done", plan.says)

    def _plan_profile(self, node: NodeRef, found: FakeNode) -> ActionPlan | ActionEnd:
        if not self._profile:
            return ActionEnd("refused", "the stack names no profile")
        if found.profile is not None:
            return ActionEnd("nothing-to-do", f"{node.node_id} has the profile {found.profile}")
        return ActionPlan(ATTACH_PROFILE, node, node.node_id, self._profile, "attached")

    def _plan_tag(
        self, node: NodeRef, found: FakeNode, run: CommandInfo | None
    ) -> ActionPlan | ActionEnd:
        urls = run.parameters.get("BaselineOverride", ()) if run else ()
        match = _LIST.fullmatch(urls[0]) if len(urls) == 1 else None
        if match is None:
            return ActionEnd("refused", "the failed run names no patch policy's list")
        role, value = found.profile, match[1]
        if role is None or role not in self._roles:
            return ActionEnd("refused", f"the role {role} may not be tagged")
        tags: Mapping[str, str] = self._fleet.role_tags.get(role, {})
        if (there := tags.get(f"QSConfigId-{value}")) is not None:
            return ActionEnd("nothing-to-do" if there == value else "refused", f"tagged {there}")
        if role in self._fleet.roles_without_read:
            return ActionEnd("refused", f"the role {role} may not read the list")
        return ActionPlan(TAG_ROLE, node, role, value, "tagged")

    def _plan_reboot(self, node: NodeRef, found: FakeNode) -> ActionPlan | ActionEnd:
        if self._fleet.shown_check(found) != "impaired":
            return ActionEnd("nothing-to-do", f"instance check {found.instance_check}")
        if found.system_check != "ok":
            return ActionEnd("refused", f"system check {found.system_check}")
        return ActionPlan(REBOOT, node, node.node_id, "", "rebooted")
