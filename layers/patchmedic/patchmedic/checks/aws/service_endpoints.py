"""Does the policy of a Systems Manager endpoint on the node's way let the agent's calls through?

Here: ``service-endpoint-policy``, for the ssm, ssmmessages and ec2messages endpoints.  Not here:
whether a packet gets to them (``network``), the policy of the S3 endpoint (``permissions``).

An endpoint's policy is one more wall beside the role's own: both have to allow a call.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from patchmedic.checks.aws import agent, network
from patchmedic.checks.aws.filters import Way
from patchmedic.checks.aws.findings import confirms, neutral, not_ec2, not_read, text
from patchmedic.checks.aws.permissions import SNAPSHOT, UPDATE, instance_arns
from patchmedic.checks.aws.policies import allows
from patchmedic.checks.aws.reach import Obstacle, Reach, service_endpoint_on_way, views
from patchmedic.checks.aws.snapshot import Endpoint, NodeSnapshot
from patchmedic.model import Finding, Text, Verdict

CHECK = "service-endpoint-policy"
CAUSE = "iam-permission-missing"
NEEDED = {
    "ssm": (UPDATE, SNAPSHOT),
    "ssmmessages": ("ssmmessages:CreateControlChannel", "ssmmessages:OpenControlChannel"),
    "ec2messages": ("ec2messages:GetMessages", "ec2messages:SendReply"),
}
"""What the agent and the patch run ask of each service."""
_CALLS = ("ec2:DescribeVpcEndpoints", "ec2:DescribeInstances", "ec2:DescribeRouteTables")


@dataclass(frozen=True, slots=True)
class Passage:
    """One endpoint on the node's way and what its policy says to each call."""

    endpoint: Endpoint
    answers: dict[str, bool | None]

    @property
    def denied(self) -> tuple[str, ...]:
        return tuple(action for action, answer in self.answers.items() if answer is False)

    @property
    def unclear(self) -> tuple[str, ...]:
        return tuple(action for action, answer in self.answers.items() if answer is None)


def check(snapshot: NodeSnapshot, now: datetime) -> tuple[Finding, ...]:
    """One finding for each endpoint that denies or may deny; one in all when none does."""
    if snapshot.is_hybrid:
        return (not_ec2(CHECK, snapshot),)
    found = views(snapshot)
    if isinstance(found, Reach) or found[0].network.endpoints is None:
        what = text("The policies of the VPC endpoints", "VPC エンドポイントのポリシー")
        return (not_read(CHECK, CAUSE, snapshot, what, *_CALLS),)
    passages = {
        service: _passage(snapshot, endpoint, actions)
        for service, actions in NEEDED.items()
        for endpoint in [service_endpoint_on_way(found[0], service)]
        if endpoint is not None
    }
    if not passages:
        says = text(
            "The agent's requests pass no VPC endpoint for sure, so no endpoint policy is to "
            "blame.",
            "エージェントのリクエストが VPC エンドポイントを通るとは言えないため、"
            "エンドポイントポリシーが原因とは判断できません。",
        )
        return (neutral(CHECK, None, snapshot.node.node_id, says),)
    told = [
        _denied(snapshot, service, passage, passages, now) if passage.denied else _unclear(passage)
        for service, passage in passages.items()
        if passage.denied or passage.unclear
    ]
    return tuple(told) or (_open(passages),)


def _passage(snapshot: NodeSnapshot, endpoint: Endpoint, actions: tuple[str, ...]) -> Passage:
    return Passage(endpoint, {a: _passes(snapshot, endpoint, a) for a in actions})


def _passes(snapshot: NodeSnapshot, endpoint: Endpoint, action: str) -> bool | None:
    """A policy may name the node in more than one form, so one form that passes is enough."""
    names = () if snapshot.role is None else (snapshot.role.arn,)
    answers = {allows([endpoint.policy], action, a, names) for a in instance_arns(snapshot)}
    if True in answers:
        return True
    return None if None in answers else False


def _open(passages: dict[str, Passage]) -> Finding:
    named = ", ".join(p.endpoint.endpoint_id for p in passages.values())
    says = text(
        f"The policies of the endpoints on the agent's way ({named}) allow its calls.",
        f"エージェントの経路上にあるエンドポイント ({named}) のポリシーは、"
        "必要な呼び出しを許可しています。",
    )
    # The role itself may still lack the right, so this rules nothing out.
    return neutral(CHECK, CAUSE, next(iter(passages.values())).endpoint.endpoint_id, says)


def _unclear(passage: Passage) -> Finding:
    named = passage.endpoint.endpoint_id
    says = text(
        f"Whether the policy of endpoint {named} allows {', '.join(passage.unclear)} cannot be "
        "told from its text (conditions, or principals that it names).",
        f"エンドポイント {named} のポリシーが {', '.join(passage.unclear)} を許可しているかは、"
        "条件やプリンシパルの指定があるため判断できません。",
    )
    return neutral(CHECK, CAUSE, named, says, fix=_fix(passage), facts=_facts(passage))


def _denied(
    snapshot: NodeSnapshot,
    service: str,
    passage: Passage,
    passages: dict[str, Passage],
    now: datetime,
) -> Finding:
    named = passage.endpoint.endpoint_id
    says = text(
        f"The policy of the {service} endpoint {named} does not let the node call "
        f"{', '.join(passage.denied)}.",
        f"{service} のエンドポイント {named} のポリシーが、ノードからの "
        f"{', '.join(passage.denied)} の呼び出しを許可していません。",
    )
    made = confirms(
        CHECK,
        CAUSE,
        named,
        says,
        fix=_fix(passage),
        commands=_commands(snapshot, named),
        facts={**_facts(passage), "obstacle": Obstacle.ENDPOINT_POLICY.value},
    )
    sure = _matters(snapshot, service, passage, passages, now)
    return made if sure else replace(made, verdict=Verdict.NEUTRAL)


def _matters(
    snapshot: NodeSnapshot,
    service: str,
    passage: Passage,
    passages: dict[str, Passage],
    now: datetime,
) -> bool:
    """Whether the agent cannot do without what is denied.

    One that answers has what it needs for that.  Without the newer message service it falls back
    to the older one; a newer agent does not need that one at all.
    """
    if service == "ssm":
        fresh = agent.ping_is_fresh(snapshot.managed, now)
        return not fresh or SNAPSHOT in passage.denied
    if agent.ping_is_fresh(snapshot.managed, now):
        return False
    other = "ec2messages" if service == "ssmmessages" else "ssmmessages"
    version = snapshot.managed.agent_version if snapshot.managed else None
    if service == "ec2messages" and agent.older(version, agent.WITHOUT_EC2MESSAGES_MIN):
        return True
    if other in passages and passages[other].denied:
        return True
    return network.service_reach(snapshot, other, now).way is Way.BLOCKED


def _facts(passage: Passage) -> dict[str, str]:
    return {
        "endpoint": passage.endpoint.endpoint_id,
        "service": passage.endpoint.service,
        "denied": ", ".join(passage.denied),
        "unclear": ", ".join(passage.unclear),
        "resource": passage.endpoint.endpoint_id,
    }


def _fix(passage: Passage) -> Text:
    named, service = passage.endpoint.endpoint_id, passage.endpoint.service
    return text(
        f"Allow {service}:* to the node's role in the policy of {named} (VPC console: Endpoints, "
        "Policy, Edit). Save the new policy as policy.json for the second command.",
        f"{named} のポリシーで、ノードのロールに {service}:* を許可してください (VPC コンソール: "
        "[エンドポイント] → [ポリシー] → [編集])。新しいポリシーを policy.json に保存し、2 "
        "つ目のコマンドで適用します。",
    )


def _commands(snapshot: NodeSnapshot, named: str) -> tuple[str, ...]:
    region = snapshot.node.region
    return (
        f"aws ec2 describe-vpc-endpoints --region {region} --vpc-endpoint-ids {named} "
        "--query 'VpcEndpoints[0].PolicyDocument' --output text",
        f"aws ec2 modify-vpc-endpoint --region {region} --vpc-endpoint-id {named} "
        "--policy-document file://policy.json",
    )
