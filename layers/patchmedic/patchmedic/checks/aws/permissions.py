"""May the node do what patching needs: its role, and the policy of its S3 endpoint?

Here: ``role-policies``, ``s3-endpoint-policy`` and ``patch-policy-role``.  Not here: whether
there is a role at all (``instance``), or how a policy is read (``policies``).

What the patch documents read from AWS's own buckets they read without a signature, so the role
cannot forbid it; an endpoint policy can, for it sees every request.  A patch policy's baseline
list is read with the role's credentials.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from patchmedic import buckets
from patchmedic.checks.aws import agent
from patchmedic.checks.aws.findings import confirms, neutral, not_ec2, not_read, refutes, text
from patchmedic.checks.aws.policies import allows, both
from patchmedic.checks.aws.reach import Obstacle, Reach, s3_endpoints_on_way, views
from patchmedic.checks.aws.snapshot import Decision, Endpoint, NodeSnapshot, Role
from patchmedic.model import Finding, Text, Verdict

ROLE = "role-policies"
ENDPOINT = "s3-endpoint-policy"
PATCH_POLICY = "patch-policy-role"

GET = "s3:GetObject"
UPDATE = "ssm:UpdateInstanceInformation"
SNAPSHOT = "ssm:GetDeployablePatchSnapshotForInstance"
CORE_POLICY = "AmazonSSMManagedInstanceCore"
CORE_POLICIES = frozenset({CORE_POLICY, "AmazonSSMManagedEC2InstanceDefaultPolicy"})
NEEDED = (UPDATE, SNAPSHOT)
"""What the agent and the patch run ask of Systems Manager with the node's credentials."""
ROLE_CALLS = (
    "iam:GetInstanceProfile",
    "iam:GetRole",
    "iam:ListAttachedRolePolicies",
    "iam:ListRolePolicies",
    "iam:GetRolePolicy",
    "iam:GetPolicy",
    "iam:GetPolicyVersion",
    "iam:SimulatePrincipalPolicy",
)


@dataclass(frozen=True, slots=True)
class PatchPolicy:
    """The baseline list of a Quick Setup patch policy: ``s3://bucket/key``, taken apart."""

    bucket: str
    key: str
    config_id: str


def patch_policy(snapshot: NodeSnapshot) -> PatchPolicy | None:
    """The patch policy that the failed run (else the node's latest patch run) belongs to."""
    runs = [c.parameters for c in snapshot.commands or () if "BaselineOverride" in c.parameters]
    for parameters in (snapshot.parameters, *runs):
        for url in parameters.get("BaselineOverride", ()):
            bucket, _, key = url.removeprefix("s3://").partition("/")
            config_id = bucket.removeprefix(buckets.POLICY_PREFIX).partition("-")[2]
            if url.startswith(f"s3://{buckets.POLICY_PREFIX}") and key and config_id:
                return PatchPolicy(bucket, key, config_id)
    return None


# --------------------------------------------------------------------------- the role


def check_role(snapshot: NodeSnapshot, now: datetime) -> tuple[Finding, ...]:
    """Whether the role lets the agent work."""
    role = snapshot.role
    if role is None:
        what = text("The node's role", "ノードのロール")
        return (not_read(ROLE, "iam-permission-missing", snapshot, what, *ROLE_CALLS),)
    found = [_needed(snapshot, role, action, now) for action in NEEDED]
    denied = [f for f in found if f.verdict is not Verdict.REFUTES]
    return (*(denied or found[:1]), *_own_lists(snapshot, role))


def _own_lists(snapshot: NodeSnapshot, role: Role) -> tuple[Finding, ...]:
    """Lists of the customer's own that the run reads from S3 with the role's credentials.

    The bucket's policy may allow what the role's do not, so only an explicit Deny is certain.
    """
    found = []
    for url, bucket, key in own_lists(snapshot):
        arn = buckets.object_arn(snapshot.node.region, bucket, key)
        allowed = permission(snapshot, role, GET, (arn,))
        decision = _simulated(snapshot, GET, arn)
        if allowed is not False:
            continue
        says = text(
            f"Role {role.name} may not read {url}, which the run was told to use.",
            f"ロール {role.name} には、実行時に指定された {url} の読み取り権限がありません。",
        )
        fix = text(
            f"Allow {GET} on {arn} to {role.name}, or in the bucket's own policy (IAM console: "
            f"Roles, {role.name}; S3 console: the bucket, Permissions).",
            f"{role.name} またはバケットポリシーで、{arn} の {GET} を許可してください (IAM "
            f"コンソール: [ロール] → {role.name}、S3 コンソール: バケットの [アクセス許可])。",
        )
        look = f"aws iam list-role-policies --role-name {role.name}"
        facts = {"role": role.name, "object": url}
        if decision is not None and decision.decision == "explicitDeny":
            found.append(
                confirms(
                    ROLE,
                    "s3-access-denied",
                    role.name,
                    says,
                    fix=fix,
                    commands=(look,),
                    facts=facts,
                )
            )
        else:
            found.append(
                neutral(
                    ROLE,
                    "s3-access-denied",
                    role.name,
                    says,
                    fix=fix,
                    commands=(look,),
                    facts=facts,
                )
            )
    return tuple(found)


def own_lists(snapshot: NodeSnapshot) -> tuple[tuple[str, str, str], ...]:
    """The S3 objects among the failed run's parameters that are no patch policy's: URL, bucket
    and key."""
    return tuple(
        (url, found[0], found[1])
        for url in _list_urls(snapshot)
        for found in [buckets.of_url(url)]
        if found is not None and not found[0].startswith(buckets.POLICY_PREFIX)
    )


def _list_urls(snapshot: NodeSnapshot) -> tuple[str, ...]:
    names = ("InstallOverrideList", "BaselineOverride")
    return tuple(url for name in names for url in snapshot.parameters.get(name, ()))


def named_buckets(snapshot: NodeSnapshot) -> dict[str, str | None]:
    """The buckets that the run reads besides AWS's own, with the Region of each if it is known."""
    found: dict[str, str | None] = {}
    for url in _list_urls(snapshot):
        parts = buckets.of_url(url)
        if parts is not None:
            found[parts[0]] = snapshot.bucket_regions.get(parts[0]) or parts[2]
    policy = patch_policy(snapshot)
    if policy is not None:
        found[policy.bucket] = snapshot.bucket_regions.get(policy.bucket)
    return found


def permission(
    snapshot: NodeSnapshot, role: Role, action: str, resources: tuple[str, ...]
) -> bool | None:
    """IAM's own simulation where it answered, else what the policies' text allows.

    Several resources: the request is allowed when it is for one of them, since the policy may be
    written for either form.
    """
    answers = [
        answer
        for resource in resources
        for answer in [_simulated(snapshot, action, resource)]
        if answer is not None
    ]
    if answers:
        if any(d.decision == "allowed" for d in answers):
            return True
        if not all(d.certain for d in answers):
            return None
        if len(answers) == len(resources):
            return False
        # Not every form was decided; the policies' text has to agree.
        return False if by_text(role, action, resources) is False else None
    return by_text(role, action, resources)


def _simulated(snapshot: NodeSnapshot, action: str, resource: str) -> Decision | None:
    return next(
        (d for d in snapshot.decisions or () if d.action == action and d.resource == resource),
        None,
    )


def by_text(role: Role, action: str, resources: tuple[str, ...]) -> bool | None:
    """The three-valued reading of the role's policies and its boundary."""
    if role.policies is None:
        return None
    documents = [p.document for p in role.policies]
    core = any(p.name in CORE_POLICIES and p.document is None for p in role.policies)
    answers = []
    for resource in resources:
        own = allows(documents, action, resource)
        if own is None and core and action in NEEDED and _readable_rest(role, action, resource):
            own = True
        bound: bool | None = True
        if role.boundary_arn is not None:
            bound = allows([role.boundary.document if role.boundary else None], action, resource)
        answers.append(both(own, bound))
    if True in answers:
        return True
    return None if None in answers else False


def _readable_rest(role: Role, action: str, resource: str) -> bool:
    """Nothing besides AWS's own, unread policy stands in doubt: it alone would allow it."""
    rest = [p for p in role.policies or () if p.name not in CORE_POLICIES]
    assumed = {"Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]}
    return allows([*(p.document for p in rest), assumed], action, resource) is True


Question = tuple[tuple[str, ...], tuple[str, ...]]
"""Actions and resources of one request to the simulator."""


def questions(snapshot: NodeSnapshot) -> tuple[Question, ...]:
    """What IAM's simulator is asked about the role."""
    region = snapshot.node.region
    policy = patch_policy(snapshot)
    lists = own_lists(snapshot)
    objects = [buckets.object_arn(region, bucket, key) for _, bucket, key in lists]
    if policy is not None:
        objects.append(buckets.object_arn(region, policy.bucket, policy.key))
    asked: list[Question] = [(NEEDED, instance_arns(snapshot))]
    if objects:
        asked.append(((GET,), tuple(objects)))
    return tuple(asked)


def instance_arns(snapshot: NodeSnapshot) -> tuple[str, ...]:
    """The forms in which a policy may name this node."""
    node = snapshot.node
    part = buckets.partition(node.region)
    kind = "ssm" if snapshot.is_hybrid else "ec2"
    noun = "managed-instance" if snapshot.is_hybrid else "instance"
    return ("*", f"arn:{part}:{kind}:{node.region}:{node.account}:{noun}/{node.node_id}")


def _needed(snapshot: NodeSnapshot, role: Role, action: str, now: datetime) -> Finding:
    cause = "iam-permission-missing"
    allowed = permission(snapshot, role, action, instance_arns(snapshot))
    facts = {"role": role.name, "action": action, "boundary": role.boundary_arn or ""}
    if allowed:
        says = text(
            f"Role {role.name} allows what the agent needs ({', '.join(NEEDED)}).",
            f"ロール {role.name} は、エージェントに必要な操作 ({', '.join(NEEDED)}) "
            "を許可しています。",
        )
        return refutes(ROLE, cause, role.name, says, facts)
    if allowed is None:
        what = text(
            f"Whether role {role.name} allows {action}",
            f"ロール {role.name} が {action} を許可しているか",
        )
        return not_read(ROLE, cause, snapshot, what, *ROLE_CALLS)
    if agent.ping_is_fresh(snapshot.managed, now) or snapshot.host_management_role != "":
        return _denied_but(snapshot, role, action, facts)
    return _denied(snapshot, role, action, facts)


def _denied_but(snapshot: NodeSnapshot, role: Role, action: str, facts: dict[str, str]) -> Finding:
    """Other credentials may stand in: Default Host Management's, or the agent simply works."""
    return neutral(
        ROLE,
        "iam-permission-missing",
        role.name,
        text(
            f"Role {role.name} does not allow {action}; the node may get it from Default Host "
            "Management instead.",
            f"ロール {role.name} は {action} を許可していませんが、"
            "ノードはデフォルトのホスト管理設定から"
            "権限を得ている可能性があります。",
        ),
        fix=_core_fix(role),
        commands=_core_commands(snapshot, role),
        facts=facts,
    )


def _denied(snapshot: NodeSnapshot, role: Role, action: str, facts: dict[str, str]) -> Finding:
    decisions = [
        d
        for d in (_simulated(snapshot, action, r) for r in instance_arns(snapshot))
        if d is not None
    ]
    boundary = any(d.by_boundary for d in decisions)
    organization = any(d.by_organization for d in decisions)
    explicit = any(d.decision == "explicitDeny" for d in decisions)
    why_en, why_ja, fix, commands = _denial(
        snapshot, role, boundary=boundary, organization=organization, explicit=explicit
    )
    return confirms(
        ROLE,
        "iam-permission-missing",
        role.name,
        text(
            f"Role {role.name} may not call {action}: {why_en}.",
            f"ロール {role.name} は {action} を呼び出せません。{why_ja}。",
        ),
        fix=fix,
        commands=commands,
        facts=facts,
    )


def _denial(
    snapshot: NodeSnapshot, role: Role, *, boundary: bool, organization: bool, explicit: bool
) -> tuple[str, str, Text, tuple[str, ...]]:
    if organization:
        fix = text(
            "Ask the organisation's administrators to allow it in the service control policy "
            "(AWS Organizations console: Policies).",
            "組織の管理者に、サービスコントロールポリシー (SCP) での許可を依頼してください (AWS "
            "Organizations コンソール: [ポリシー])。",
        )
        en = "a service control policy of the organisation forbids it"
        return en, "組織のサービスコントロールポリシー (SCP) で禁止されています", fix, ()
    if boundary:
        fix = text(
            f"Add the Systems Manager actions to the boundary {role.boundary_arn} (IAM console: "
            "Policies, Edit).",
            f"アクセス許可の境界 {role.boundary_arn} に Systems Manager "
            "のアクションを追加してください (IAM コンソール: [ポリシー] → [編集])。",
        )
        en = f"its permissions boundary {role.boundary_arn} does not allow it"
        ja = f"アクセス許可の境界 {role.boundary_arn} で許可されていません"
        return en, ja, fix, (f"aws iam get-policy --policy-arn {role.boundary_arn}",)
    if explicit:
        fix = text(
            f"Take the Deny out of the policies of {role.name} (IAM console: Roles, {role.name}).",
            f"{role.name} のポリシーから該当する Deny を削除してください (IAM コンソール: "
            "[ロール])。",
        )
        look = (
            f"aws iam list-attached-role-policies --role-name {role.name}",
            f"aws iam list-role-policies --role-name {role.name}",
        )
        return "one of its policies denies it", "ポリシーで明示的に拒否されています", fix, look
    en = f"none of its policies allows it, and {CORE_POLICY} is not attached"
    if any(p.name == CORE_POLICY for p in role.policies or ()):
        en = "its policies do not allow it"
    return en, "許可するポリシーがありません", _core_fix(role), _core_commands(snapshot, role)


def _core_fix(role: Role) -> Text:
    return text(
        f"Attach {CORE_POLICY} to {role.name} (IAM console: Roles, {role.name}, Add permissions).",
        f"{role.name} に {CORE_POLICY} をアタッチしてください (IAM コンソール: [ロール] → "
        f"{role.name} → "
        "[許可を追加])。",
    )


def _core_commands(snapshot: NodeSnapshot, role: Role) -> tuple[str, ...]:
    part = buckets.partition(snapshot.node.region)
    return (
        f"aws iam attach-role-policy --role-name {role.name} "
        f"--policy-arn arn:{part}:iam::aws:policy/{CORE_POLICY}",
    )


# --------------------------------------------------------------------------- the endpoint


def check_endpoint(snapshot: NodeSnapshot, now: datetime) -> tuple[Finding, ...]:
    """Whether the S3 endpoint on the node's way lets through what patching reads."""
    if snapshot.is_hybrid:
        return (not_ec2(ENDPOINT, snapshot),)
    found = views(snapshot)
    endpoints = None if isinstance(found, Reach) else s3_endpoints_on_way(found[0])
    if endpoints is None:
        what = text("The S3 endpoint on the node's way", "ノードの経路上の S3 エンドポイント")
        calls = ("ec2:DescribeVpcEndpoints", "ec2:DescribeRouteTables", "ec2:DescribeInstances")
        return (not_read(ENDPOINT, "s3-access-denied", snapshot, what, *calls),)
    if not endpoints:
        says = text(
            "The node's requests to S3 pass no VPC endpoint, so no endpoint policy can stop them.",
            "ノードから S3 へのリクエストは VPC エンドポイントを通らないため、"
            "エンドポイントポリシーの影響を受けません。",
        )
        return (neutral(ENDPOINT, None, snapshot.node.node_id, says),)
    endpoint = endpoints[0]
    policy = patch_policy(snapshot)
    # A bucket in another Region is not reached by this endpoint, so its policy says nothing of it.
    here = (
        policy is not None
        and snapshot.bucket_regions.get(policy.bucket, snapshot.node.region) == snapshot.node.region
    )
    found_policy = (
        (_policy_bucket(snapshot, endpoint, policy),) if policy is not None and here else ()
    )
    return (_patch_buckets(snapshot, endpoint), *found_policy)


def _patch_buckets(snapshot: NodeSnapshot, endpoint: Endpoint) -> Finding:
    region = snapshot.node.region
    wanted = {name: passes(endpoint, region, name) for name in _code_and_snapshot(region)}
    facts = {name: _word(answer) for name, answer in wanted.items()}
    code = [wanted[n] for n in wanted if n != buckets.snapshot_bucket(region)]
    snapshot_passes = wanted[buckets.snapshot_bucket(region)]
    no_code = all(answer is False for answer in code) and buckets.code_bucket(region) is not None
    if snapshot_passes is False or no_code:
        return _endpoint_denies(snapshot, endpoint, "s3-access-denied", wanted, facts)
    if all(wanted.values()):
        says = text(
            f"The policy of S3 endpoint {endpoint.endpoint_id} lets the patch buckets through.",
            f"S3 エンドポイント {endpoint.endpoint_id} のポリシーは、"
            "パッチ用バケットへのアクセスを許可しています。",
        )
        return refutes(ENDPOINT, "s3-access-denied", endpoint.endpoint_id, says, facts)
    says = text(
        f"Whether the policy of S3 endpoint {endpoint.endpoint_id} lets every patch bucket "
        "through cannot be told from its text (conditions, or a bucket left out).",
        f"S3 エンドポイント {endpoint.endpoint_id} のポリシーがすべてのパッチ用バケットを"
        "許可しているかは、"
        "条件や記載漏れのため判断できません。",
    )
    return neutral(
        ENDPOINT,
        "s3-access-denied",
        endpoint.endpoint_id,
        says,
        fix=_endpoint_fix(endpoint, tuple(n for n, ok in wanted.items() if ok is not True)),
        commands=_endpoint_commands(snapshot, endpoint),
        facts=facts,
    )


def _code_and_snapshot(region: str) -> tuple[str, ...]:
    code = buckets.code_bucket(region)
    known = (code,) if code else ()
    return (*known, buckets.old_code_bucket(region), buckets.snapshot_bucket(region))


def passes(
    endpoint: Endpoint, region: str, bucket: str, key: str = "*", role: Role | None = None
) -> bool | None:
    """Whether the endpoint's policy lets a read of the bucket pass.

    Without a role the request carries no signature, as the download of the patch code.
    """
    names = () if role is None else (role.arn,)
    return allows([endpoint.policy], GET, buckets.object_arn(region, bucket, key), names)


def _word(answer: bool | None) -> str:
    return {True: "allowed", False: "denied", None: "unclear"}[answer]


def _policy_bucket(snapshot: NodeSnapshot, endpoint: Endpoint, policy: PatchPolicy) -> Finding:
    cause, region = "patch-policy-bucket-denied", snapshot.node.region
    answer = passes(endpoint, region, policy.bucket, policy.key, snapshot.role)
    facts = {policy.bucket: _word(answer)}
    if answer is False:
        wanted: dict[str, bool | None] = {policy.bucket: False}
        return _endpoint_denies(snapshot, endpoint, cause, wanted, facts)
    if answer:
        says = text(
            f"The policy of S3 endpoint {endpoint.endpoint_id} lets {policy.bucket} through.",
            f"S3 エンドポイント {endpoint.endpoint_id} のポリシーは {policy.bucket} "
            "を許可しています。",
        )
        return neutral(ENDPOINT, cause, endpoint.endpoint_id, says, facts=facts)
    says = text(
        f"Whether the policy of S3 endpoint {endpoint.endpoint_id} lets {policy.bucket} through "
        "cannot be told from its text.",
        f"S3 エンドポイント {endpoint.endpoint_id} のポリシーが {policy.bucket} "
        "を許可しているかは、"
        "ポリシーの内容からは判断できません。",
    )
    return neutral(
        ENDPOINT,
        cause,
        endpoint.endpoint_id,
        says,
        fix=_endpoint_fix(endpoint, (policy.bucket,)),
        commands=_endpoint_commands(snapshot, endpoint),
        facts=facts,
    )


def _endpoint_denies(
    snapshot: NodeSnapshot,
    endpoint: Endpoint,
    cause: str,
    wanted: dict[str, bool | None],
    facts: dict[str, str],
) -> Finding:
    denied = tuple(name for name, answer in wanted.items() if answer is False)
    return confirms(
        ENDPOINT,
        cause,
        endpoint.endpoint_id,
        text(
            f"The policy of S3 endpoint {endpoint.endpoint_id} does not let the node read "
            f"{', '.join(denied)}.",
            f"S3 エンドポイント {endpoint.endpoint_id} のポリシーが {', '.join(denied)} の"
            "読み取りを許可していません。",
        ),
        fix=_endpoint_fix(endpoint, denied),
        commands=_endpoint_commands(snapshot, endpoint),
        facts={
            **facts,
            "obstacle": Obstacle.ENDPOINT_POLICY.value,
            "resource": endpoint.endpoint_id,
        },
    )


def _endpoint_fix(endpoint: Endpoint, names: tuple[str, ...]) -> Text:
    arns = ", ".join(f"arn:aws:s3:::{name}/*" for name in names)
    return text(
        f"Add {GET} on {arns} for every principal to the policy of {endpoint.endpoint_id} (VPC "
        "console: Endpoints, Policy, Edit). Keep what is in it: Amazon Linux packages come from "
        "S3 as well. Save the new policy as policy.json for the second command.",
        f"{endpoint.endpoint_id} のポリシーに、すべてのプリンシパルに対する {arns} の {GET} "
        "を追加してください "
        "(VPC コンソール: [エンドポイント] → [ポリシー] → [編集])。Amazon Linux のパッケージも "
        "S3 から取得されるため、"
        "既存の内容は残します。新しいポリシーを policy.json に保存し、2 "
        "つ目のコマンドで適用します。",
    )


def _endpoint_commands(snapshot: NodeSnapshot, endpoint: Endpoint) -> tuple[str, ...]:
    region, name = snapshot.node.region, endpoint.endpoint_id
    return (
        f"aws ec2 describe-vpc-endpoints --region {region} --vpc-endpoint-ids {name} "
        "--query 'VpcEndpoints[0].PolicyDocument' --output text",
        f"aws ec2 modify-vpc-endpoint --region {region} --vpc-endpoint-id {name} "
        "--policy-document file://policy.json",
    )


# --------------------------------------------------------------------------- patch policies


def check_patch_policy(snapshot: NodeSnapshot, now: datetime) -> tuple[Finding, ...]:
    """The two things a role needs for a Quick Setup patch policy: its tag and the right to read
    the list.  The bucket itself turns away every principal without the tag."""
    cause = "patch-policy-bucket-denied"
    policy = patch_policy(snapshot)
    if policy is None:
        says = text(
            "No run on the node that could be read belongs to a Quick Setup patch policy.",
            "確認できたノード上の実行に、Quick Setup のパッチポリシーによるものはありません。",
        )
        return (neutral(PATCH_POLICY, None, snapshot.node.node_id, says),)
    role = snapshot.role
    if role is None:
        what = text("The node's role", "ノードのロール")
        return (not_read(PATCH_POLICY, cause, snapshot, what, *ROLE_CALLS),)
    tagged = _tagged(role, policy)
    arn = buckets.object_arn(snapshot.node.region, policy.bucket, policy.key)
    allowed = permission(snapshot, role, GET, (arn,))
    facts = {
        "role": role.name,
        "bucket": policy.bucket,
        "tag": {True: "present", False: "missing", None: "unknown"}[tagged],
        GET: _word(allowed),
    }
    if tagged is False or allowed is False:
        return (_not_entitled(role, policy, facts, tagged=tagged, allowed=allowed),)
    if tagged is None or allowed is None:
        what = text(
            f"Whether role {role.name} may read {policy.bucket}",
            f"ロール {role.name} が {policy.bucket} を読み取れるか",
        )
        return (not_read(PATCH_POLICY, cause, snapshot, what, *ROLE_CALLS),)
    says = text(
        f"Role {role.name} has the tag QSConfigId-{policy.config_id} and may read {policy.bucket}.",
        f"ロール {role.name} にはタグ QSConfigId-{policy.config_id} があり、{policy.bucket} "
        "を読み取れます。",
    )
    return (refutes(PATCH_POLICY, cause, role.name, says, facts),)


def _tagged(role: Role, policy: PatchPolicy) -> bool | None:
    if role.tags is None:
        return None
    return role.tags.get(f"QSConfigId-{policy.config_id}") == policy.config_id


def _not_entitled(
    role: Role,
    policy: PatchPolicy,
    facts: dict[str, str],
    *,
    tagged: bool | None,
    allowed: bool | None,
) -> Finding:
    lacks_en, lacks_ja, commands = [], [], []
    key = f"QSConfigId-{policy.config_id}"
    if tagged is False:
        lacks_en.append(f"lacks the tag {key}={policy.config_id}")
        lacks_ja.append(f"タグ {key}={policy.config_id} がありません")
        commands.append(
            f"aws iam tag-role --role-name {role.name} --tags Key={key},Value={policy.config_id}"
        )
    if allowed is False:
        lacks_en.append(f"may not read it ({GET})")
        lacks_ja.append(f"読み取り権限 ({GET}) がありません")
        commands.append(
            f"aws iam put-role-policy --role-name {role.name} --policy-name patch-policy-bucket "
            '--policy-document \'{"Version":"2012-10-17","Statement":[{"Effect":"Allow",'
            f'"Action":"{GET}","Resource":"arn:aws:s3:::{policy.bucket}/*"}}]}}\''
        )
    return confirms(
        PATCH_POLICY,
        "patch-policy-bucket-denied",
        role.name,
        text(
            f"Role {role.name} cannot get the patch policy's baseline list from {policy.bucket}: "
            f"it {' and '.join(lacks_en)}.",
            f"ロール {role.name} はパッチポリシーのベースライン一覧を {policy.bucket} "
            "から取得できません。"
            f"{'。また、'.join(lacks_ja)}。",
        ),
        fix=text(
            "Give the role what it lacks (IAM console: Roles), or edit the patch policy in Quick "
            "Setup and tick 'Add required IAM policies to existing instance profiles'.",
            "不足しているタグや権限をロールに追加するか (IAM コンソール: [ロール])、"
            "Quick Setup のパッチポリシーで"
            "「インスタンスにアタッチされている既存のインスタンスプロファイルに必要な IAM "
            "ポリシーを追加する」"
            "を有効にしてください。",
        ),
        commands=tuple(commands),
        facts=facts,
    )
