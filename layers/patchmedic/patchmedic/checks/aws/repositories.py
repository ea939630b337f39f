"""Can a Linux node reach the places that its packages come from?

Here: ``repository-path``: which way each distribution's packages take out of a private subnet.  Not
here: the model of the VPC (``reach``), whether a repository itself is well (a check on the node).

Amazon Linux keeps its packages in S3, so a way to S3 is enough for it; everybody else's
repositories are on the internet.  A mirror or a proxy inside the network shows nowhere in EC2, so a
missing way to the internet is advice, and proof only where the node's groups let nothing out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from patchmedic.checks.aws import network, network_words
from patchmedic.checks.aws.filters import TCP, Way
from patchmedic.checks.aws.findings import confirms, neutral, not_read, text
from patchmedic.checks.aws.policies import items
from patchmedic.checks.aws.reach import (
    Obstacle,
    Reach,
    View,
    s3_endpoints_on_way,
    to_internet,
    to_s3,
    views,
)
from patchmedic.checks.aws.snapshot import Endpoint, NodeSnapshot
from patchmedic.model import Finding, Text

CHECK = "repository-path"
CAUSE = "repository-unreachable"
HTTP = 80
_PATCHING = ("aws-patch-manager-", "aws-patchmanager-", "patch-baseline-snapshot-", "aws-ssm-")
_AGENT = ("amazon-ssm-", "aws-windows-downloads-", "aws-quicksetup-patchpolicy-")
SYSTEMS_MANAGER_BUCKETS = (*_PATCHING, *_AGENT)
"""How the names of buckets begin that patching and the agent use, and no package repository."""


def check(snapshot: NodeSnapshot, now: datetime) -> tuple[Finding, ...]:
    """One finding: the way that this distribution's packages need."""
    node = snapshot.node.node_id
    if snapshot.is_hybrid or snapshot.platform in ("windows", "macos"):
        says = text(
            f"{node} takes no packages from Linux repositories by way of a VPC.",
            f"{node} は VPC を経由して Linux のリポジトリからパッケージを取得しません。",
        )
        return (neutral(CHECK, None, node, says),)
    name = snapshot.managed.os_name if snapshot.managed else None
    if not name:
        what = text("The node's operating system", "ノードの OS")
        return (not_read(CHECK, CAUSE, snapshot, what, "ssm:DescribeInstanceInformation"),)
    if name.lower().startswith("amazon linux"):
        return (_amazon(snapshot, name, now),)
    return (_third_party(snapshot, name, now),)


# --------------------------------------------------------------------------- Amazon Linux


def _amazon(snapshot: NodeSnapshot, name: str, now: datetime) -> Finding:
    """Its packages are in S3: the way there, and the policy of the endpoint on it."""
    reach = network.reach_of(snapshot, to_s3, now)
    if reach.way is Way.BLOCKED:
        return _shut(snapshot, name, reach)
    if reach.way is Way.OPEN:
        endpoint = _endpoint(snapshot)
        if endpoint is not None and only_for_patching(endpoint.policy):
            return _narrow(snapshot, name, endpoint)
    way = "is open" if reach.way is Way.OPEN else "could not be settled"
    ja = "確保されています" if reach.way is Way.OPEN else "判断できませんでした"
    says = text(
        f"{name} takes its packages from S3, and the way to S3 {way}. Repositories of others "
        "(EPEL and the like) need a way to the internet besides.",
        f"{name} はパッケージを S3 から取得します。S3 への経路は{ja}。EPEL などサードパーティの"
        "リポジトリには、別途インターネットへの経路が必要です。",
    )
    return neutral(CHECK, CAUSE, snapshot.node.node_id, says, facts=_facts(snapshot, name, reach))


def _shut(snapshot: NodeSnapshot, name: str, reach: Reach) -> Finding:
    _, fix, commands = network_words.tell(snapshot, network_words.S3, reach)
    says = text(
        f"{name} takes its packages from S3, and the node has no way to S3.",
        f"{name} はパッケージを S3 から取得しますが、ノードから S3 への経路がありません。",
    )
    facts = _facts(snapshot, name, reach)
    return confirms(CHECK, CAUSE, reach.resource, says, fix=fix, commands=commands, facts=facts)


def _endpoint(snapshot: NodeSnapshot) -> Endpoint | None:
    found = views(snapshot)
    if isinstance(found, Reach):
        return None
    return next(iter(s3_endpoints_on_way(found[0]) or ()), None)


def only_for_patching(policy: Mapping[str, Any] | None) -> bool:
    """Every bucket that the policy allows is one of Systems Manager's, so for sure no repository's.

    Names of other buckets prove nothing: which ones hold the packages is not known here.
    """
    if policy is None:
        return False
    allowed = [s for s in items(policy.get("Statement")) if _allows_something(s)]
    arns = [str(a) for s in allowed for a in items(s.get("Resource"))]
    turned = any("NotResource" in s or "Resource" not in s for s in allowed)
    names = [arn.partition(":::")[2] for arn in arns]
    return bool(arns) and not turned and all(n.startswith(SYSTEMS_MANAGER_BUCKETS) for n in names)


def _allows_something(statement: Any) -> bool:
    return isinstance(statement, Mapping) and statement.get("Effect") == "Allow"


def _narrow(snapshot: NodeSnapshot, name: str, endpoint: Endpoint) -> Finding:
    named, region = endpoint.endpoint_id, snapshot.node.region
    return confirms(
        CHECK,
        CAUSE,
        named,
        text(
            f"{name} takes its packages from S3, but the policy of S3 endpoint {named} lets only "
            "buckets of Systems Manager through.",
            f"{name} はパッケージを S3 から取得しますが、S3 エンドポイント {named} のポリシーは "
            "Systems Manager のバケットしか許可していません。",
        ),
        fix=text(
            f"Allow s3:GetObject on the repository buckets too (their names are in the node's "
            "repository files or in its yum or dnf error), or on every bucket, in the policy of "
            f"{named} (VPC console: Endpoints, Policy, Edit). Save it as policy.json first.",
            f"{named} のポリシーで、リポジトリのバケット (名前はノードのリポジトリ設定や yum / dnf "
            "のエラーで確認できます) またはすべてのバケットに対する s3:GetObject "
            "を許可してください "
            "(VPC コンソール: [エンドポイント] → [ポリシー] → [編集])。先に policy.json "
            "に保存します。",
        ),
        commands=(
            f"aws ec2 describe-vpc-endpoints --region {region} --vpc-endpoint-ids {named} "
            "--query 'VpcEndpoints[0].PolicyDocument' --output text",
            f"aws ec2 modify-vpc-endpoint --region {region} --vpc-endpoint-id {named} "
            "--policy-document file://policy.json",
        ),
        facts={
            "os": name,
            "obstacle": Obstacle.ENDPOINT_POLICY.value,
            "resource": named,
            "to": "S3",
        },
    )


# --------------------------------------------------------------------------- everybody else


def _third_party(snapshot: NodeSnapshot, name: str, now: datetime) -> Finding:
    """Repositories on the internet, by HTTPS or plain HTTP."""
    answers = [
        network.reach_of(snapshot, way, now) for way in (to_internet, partial(_on_port, port=HTTP))
    ]
    best = next((a for way in (Way.OPEN, Way.UNKNOWN) for a in answers if a.way is way), answers[0])
    facts = _facts(snapshot, name, best)
    if best.way is Way.BLOCKED:
        return _no_internet(snapshot, name, best, facts)
    way = "is open" if best.way is Way.OPEN else "could not be settled"
    ja = "確保されています" if best.way is Way.OPEN else "判断できませんでした"
    says = text(
        f"{name} takes its packages from repositories on the internet; the way there {way}.",
        f"{name} はインターネット上のリポジトリからパッケージを取得します。その経路は{ja}。",
    )
    return neutral(CHECK, CAUSE, snapshot.node.node_id, says, facts=facts)


def _on_port(view: View, port: int) -> Reach:
    six = replace(view.six, port=port) if view.six else None
    return to_internet(replace(view, port=port, six=six))


def _no_internet(snapshot: NodeSnapshot, name: str, reach: Reach, facts: dict[str, str]) -> Finding:
    _, fix, commands = network_words.tell(snapshot, REPOSITORIES, reach)
    says = text(
        f"{name} takes its packages from repositories on the internet, and the node has no way "
        "there. Only a mirror or a proxy inside the network could serve it.",
        f"{name} はインターネット上のリポジトリからパッケージを取得しますが、ノードからその経路が"
        "ありません。ネットワーク内のミラーやプロキシがない限り取得できません。",
    )
    if _nothing_out(snapshot):
        return confirms(CHECK, CAUSE, reach.resource, says, fix=fix, commands=commands, facts=facts)
    return neutral(CHECK, CAUSE, reach.resource, says, fix=fix, commands=commands, facts=facts)


REPOSITORIES = network_words.Goal(
    CAUSE, text("the repositories on the internet", "インターネット上のリポジトリ")
)


def _nothing_out(snapshot: NodeSnapshot) -> bool:
    """The node's groups let no TCP out at all, so not to a mirror or a proxy either."""
    found = views(snapshot)
    if isinstance(found, Reach) or any(v.groups is None for v in found):
        return False
    rules = [r for v in found for g in v.groups or () for r in g.rules]
    return not any(r.egress and r.protocol in TCP for r in rules)


def _facts(snapshot: NodeSnapshot, name: str, reach: Reach) -> dict[str, str]:
    return {"os": name, **network.facts_of(snapshot, _goal(name), reach)}


def _goal(name: str) -> Text:
    amazon = name.lower().startswith("amazon linux")
    return network_words.S3.name if amazon else REPOSITORIES.name
