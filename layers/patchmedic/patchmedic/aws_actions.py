"""The remedies that are calls to AWS: attach an instance profile, tag a role, reboot an instance.

Here: looking at what is there right before the call, and the call itself.  What is put into a call
comes from the stack's own parameters and from what AWS answers now; nothing is taken from an event
or from what a node printed.  Not here: whether a remedy may run at all (``policy``,
``stages.remediate``).

Each look answers with a plan, or with the end where nothing is to be done.  Nothing that is there
is ever replaced: a profile, a tag's value.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from patchmedic import buckets
from patchmedic.aws import Clients, call
from patchmedic.errors import AwsDenied, AwsRejected
from patchmedic.model import NodeRef
from patchmedic.policy import ATTACH_PROFILE, REBOOT, TAG_ROLE
from patchmedic.ports import ActionEnd, ActionPlan, CommandInfo

_LIST_URL = re.compile(
    r"s3://(?P<bucket>aws-quicksetup-patchpolicy-[0-9]{12}-(?P<id>[a-z0-9]{4,16}))"
    r"/(?P<key>baseline_overrides\.json)"
)
"""The baseline list of a Quick Setup patch policy; the last part of its bucket is the policy's id,
which becomes a tag.  Nothing looser."""
_TAG_PREFIX = "QSConfigId-"
_GET = "s3:GetObject"
_HAS_PROFILE = "IncorrectState"
"""EC2's answer when an instance has an association already."""
_GONE = ("InvalidInstanceID.NotFound", "InvalidInstanceID.Malformed")


class NodeActions:
    """``ports.AwsActions`` over the EC2 and IAM APIs."""

    def __init__(self, clients: Clients, profile: str, policy_roles: Sequence[str]) -> None:
        self._clients = clients
        self._profile = profile
        self._policy_roles = policy_roles

    def plan(self, action: str, node: NodeRef, run: CommandInfo | None) -> ActionPlan | ActionEnd:
        """Look at what is there now; raises ``AwsError`` when that cannot be seen."""
        if not node.node_id.startswith("i-"):
            return _refused(f"{node.node_id} is no EC2 instance")
        if action == ATTACH_PROFILE:
            return self._plan_profile(node)
        if action == TAG_ROLE:
            return self._plan_tag(node, run)
        assert action == REBOOT, f"no action {action}"
        return self._plan_reboot(node)

    def perform(self, plan: ActionPlan) -> ActionEnd:
        """Make the one call of a plan.

        Raises ``AwsThrottled`` when it surely took no effect, ``AwsUnavailable`` when nobody can
        say whether it did.
        """
        calls: Mapping[str, Callable[[ActionPlan], None]] = {
            ATTACH_PROFILE: self._attach,
            TAG_ROLE: self._tag,
            REBOOT: self._reboot,
        }
        try:
            calls[plan.action](plan)
        except AwsRejected as error:
            if plan.action == ATTACH_PROFILE and error.code == _HAS_PROFILE:
                return _end("nothing-to-do", f"{plan.target} has got an instance profile meanwhile")
            return _end("failed", f"AWS refused it: {error}")
        except AwsDenied as error:
            return _end("failed", f"AWS refused it: {error}")
        return _end("done", plan.says)

    # --- an instance profile -------------------------------------------------------------------

    def _plan_profile(self, node: NodeRef) -> ActionPlan | ActionEnd:
        if not self._profile:
            return _refused("the stack names no instance profile for its nodes")
        instance = self._instance(node)
        if isinstance(instance, ActionEnd):
            return instance
        there = _profile_arn(instance)
        if there:
            return _end("nothing-to-do", f"{node.node_id} has the instance profile {there}")
        says = f"associated the instance profile {self._profile} with {node.node_id}"
        return ActionPlan(ATTACH_PROFILE, node, node.node_id, self._profile, says)

    def _attach(self, plan: ActionPlan) -> None:
        call(
            "AssociateIamInstanceProfile",
            self._ec2(plan.node).associate_iam_instance_profile,
            InstanceId=plan.target,
            IamInstanceProfile={"Name": plan.value},
        )

    # --- a role's tag --------------------------------------------------------------------------

    def _plan_tag(self, node: NodeRef, run: CommandInfo | None) -> ActionPlan | ActionEnd:
        found = _policy_list(run)
        if found is None:
            return _refused("the failed run names no baseline list of a Quick Setup patch policy")
        role = self._role(node)
        if isinstance(role, ActionEnd):
            return role
        name, arn, value = str(role["RoleName"]), str(role["Arn"]), found["id"]
        if not any(fnmatch.fnmatchcase(arn, allowed) for allowed in self._policy_roles):
            return _refused(f"the stack does not allow the role {name} to be tagged")
        key = _TAG_PREFIX + value
        there = self._tags(name).get(key)
        if there == value:
            return _end("nothing-to-do", f"the role {name} has the tag {key}")
        if there is not None:
            return _refused(f"the role {name} has the tag {key} with another value")
        if not self._may_read(node, arn, found["bucket"], found["key"]):
            return _refused(f"the policies of role {name} do not let it read {found['bucket']}")
        return ActionPlan(TAG_ROLE, node, name, value, f"added the tag {key} to the role {name}")

    def _role(self, node: NodeRef) -> Mapping[str, Any] | ActionEnd:
        """The role of the node's instance profile."""
        instance = self._instance(node)
        if isinstance(instance, ActionEnd):
            return instance
        profile = _profile_arn(instance).rpartition("/")[2]
        if not profile:
            return _refused(f"{node.node_id} has no instance profile")
        iam = self._clients.get("iam")
        answer = call("GetInstanceProfile", iam.get_instance_profile, InstanceProfileName=profile)
        roles: Sequence[Mapping[str, Any]] = answer["InstanceProfile"].get("Roles") or ()
        return roles[0] if roles else _refused(f"the instance profile {profile} holds no role")

    def _tags(self, role: str) -> Mapping[str, str]:
        answer = call("GetRole", self._clients.get("iam").get_role, RoleName=role)
        return {tag["Key"]: tag["Value"] for tag in answer["Role"].get("Tags") or ()}

    def _may_read(self, node: NodeRef, role_arn: str, bucket: str, key: str) -> bool:
        """Whether the tag is all that is missing: else it would be a change that helps nobody."""
        answer = call(
            "SimulatePrincipalPolicy",
            self._clients.get("iam").simulate_principal_policy,
            PolicySourceArn=role_arn,
            ActionNames=[_GET],
            ResourceArns=[buckets.object_arn(node.region, bucket, key)],
        )
        results = answer["EvaluationResults"]
        return bool(results) and all(r["EvalDecision"] == "allowed" for r in results)

    def _tag(self, plan: ActionPlan) -> None:
        call(
            "TagRole",
            self._clients.get("iam").tag_role,
            RoleName=plan.target,
            Tags=[{"Key": _TAG_PREFIX + plan.value, "Value": plan.value}],
        )

    # --- a reboot ------------------------------------------------------------------------------

    def _plan_reboot(self, node: NodeRef) -> ActionPlan | ActionEnd:
        ask = self._ec2(node).describe_instance_status
        answer = _about(node, "DescribeInstanceStatus", ask, IncludeAllInstances=True)
        status = _of(node, answer.get("InstanceStatuses"))
        if status is None:
            return _unknown(node)
        state = status["InstanceState"]["Name"]
        instance, system = status["InstanceStatus"]["Status"], status["SystemStatus"]["Status"]
        disks = (status.get("AttachedEbsStatus") or {}).get("Status", "ok")
        seen = f"{node.node_id} is {state}, instance check {instance}, system check {system}"
        if state != "running":
            return _refused(seen)
        if instance in ("ok", "initializing"):
            return _end("nothing-to-do", seen)
        if (instance, system) != ("impaired", "ok") or disks == "impaired":
            return _refused(f"{seen}, disk check {disks}: a reboot would not help")
        return ActionPlan(REBOOT, node, node.node_id, "", f"asked EC2 to reboot {node.node_id}")

    def _reboot(self, plan: ActionPlan) -> None:
        """With a client that tries once: the SDK would send it again after a time-out."""
        call(
            "RebootInstances",
            self._clients.get("ec2", plan.node.region, one_try=True).reboot_instances,
            InstanceIds=[plan.target],
        )

    # --- what several need ---------------------------------------------------------------------

    def _ec2(self, node: NodeRef) -> Any:
        return self._clients.get("ec2", node.region)

    def _instance(self, node: NodeRef) -> Mapping[str, Any] | ActionEnd:
        """The instance as EC2 has it now, if it runs."""
        answer = _about(node, "DescribeInstances", self._ec2(node).describe_instances)
        found = [i for r in answer.get("Reservations", ()) for i in r["Instances"]]
        instance = _of(node, found)
        if instance is None:
            return _unknown(node)
        state = instance["State"]["Name"]
        return instance if state == "running" else _refused(f"{node.node_id} is {state}")


def _about(
    node: NodeRef, name: str, operation: Callable[..., Any], **more: Any
) -> Mapping[str, Any]:
    """EC2's answer about one instance; an empty one where it knows none."""
    try:
        answer: Mapping[str, Any] = call(name, operation, InstanceIds=[node.node_id], **more)
    except AwsRejected as error:
        if error.code in _GONE:
            return {}
        raise
    return answer


def _of(node: NodeRef, found: Sequence[Mapping[str, Any]] | None) -> Mapping[str, Any] | None:
    return next((item for item in found or () if item["InstanceId"] == node.node_id), None)


def _unknown(node: NodeRef) -> ActionEnd:
    return _refused(f"EC2 knows no instance {node.node_id}")


def _policy_list(run: CommandInfo | None) -> dict[str, str] | None:
    """The bucket, key and policy id of the list that a run was told to read."""
    urls = run.parameters.get("BaselineOverride", ()) if run else ()
    match = _LIST_URL.fullmatch(urls[0]) if len(urls) == 1 else None
    return match.groupdict() if match else None


def _profile_arn(instance: Mapping[str, Any]) -> str:
    return str((instance.get("IamInstanceProfile") or {}).get("Arn", ""))


def _refused(detail: str) -> ActionEnd:
    return ActionEnd("refused", detail)


def _end(state: Literal["done", "nothing-to-do", "failed"], detail: str) -> ActionEnd:
    return ActionEnd(state, detail)
