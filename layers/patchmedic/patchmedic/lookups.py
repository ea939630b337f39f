"""Reads a node's set-up from EC2, IAM and Systems Manager into a plain snapshot.

Here: the calls of the AWS-side checks, all of them read-only, and nothing that judges an answer.
Not here: the shape of a snapshot and the verdicts (``checks.aws``), the look-ups about the patch
operation itself (``lookups_patching``), the node's own state for the workflow (``nodes``).

Nothing that AWS answers is an exception to the caller.  A missing permission, throttling past
botocore's own retries, a time-out, a vanished thing: each leaves its part of the snapshot unknown
and a ``Gap`` (``lookup_calls`` makes the calls).

The client factory is expected to retry adaptively (``patchmedic.aws.Clients`` does).  Clients are
asked for when the first call of a service is made, so that a check which needs neither EC2 nor
IAM does not pay for them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from patchmedic.aws import Clients, call
from patchmedic.checks.aws import AWS_CHECKS, needs_of, run_aws_checks, shapes
from patchmedic.checks.aws import permissions as permission_rules
from patchmedic.checks.aws.snapshot import (
    NEED_COMMANDS,
    NEED_INSTANCE,
    NEED_MANAGED,
    NEED_NETWORK,
    NEED_PERMISSIONS,
    NEED_PROFILE,
    NEEDS,
    Decision,
    Endpoint,
    Gap,
    Instance,
    Network,
    NodeSnapshot,
    Policy,
    PrefixList,
    Profile,
    Role,
    RouteTable,
    SecurityGroup,
    Told,
)
from patchmedic.errors import AwsError
from patchmedic.incident import Incident
from patchmedic.lookups_patching import OperationReader, attachments_of, told_of
from patchmedic.model import NodeRef
from patchmedic.ports import Look

POLICIES_MAX = 30
"""A role holds at most 20 managed policies by quota; inline ones are bounded by their size."""
PREFIX_LISTS_MAX = 20
BUCKETS_MAX = 4
"""A run names two lists at most, and a patch policy one bucket."""
COMMANDS_BACK = timedelta(hours=24)
HOST_MANAGEMENT_SETTING = "/ssm/managed-instance/default-ec2-instance-management-role"
HOST_MANAGEMENT_OFF = frozenset({"", "$None"})

_GONE = frozenset({"InvalidInstanceID.NotFound"})
_NO_SUCH_ENTITY = "NoSuchEntity"
_NOT_REGISTERED = "InvalidInstanceId"


_T = TypeVar("_T")


class Lookups:
    """The look-ups for one account and Region, by a factory: service name -> boto3 client."""

    def __init__(self, client: Callable[[str], Any]) -> None:
        self._client = client

    def snapshot(
        self,
        node: NodeRef,
        wanted: frozenset[str],
        *,
        now: datetime,
        command_id: str | None = None,
        parameters: Mapping[str, tuple[str, ...]] | None = None,
        told: Told | None = None,
    ) -> NodeSnapshot:
        """One look at the node.  ``wanted`` holds needs (``checks.aws.needs_of`` gives them);
        the run that failed and its parameters are passed on to the checks."""
        unknown = wanted - NEEDS
        if unknown:
            raise ValueError(f"These are no parts of a snapshot: {', '.join(sorted(unknown))}")
        reader = _Reader(self._client, node)
        empty = NodeSnapshot(
            node,
            wanted,
            command_id=command_id,
            parameters=parameters or {},
            told=told or Told(),
        )
        return reader.fill(empty, now)


class AwsSide:
    """The port ``AwsChecks``: look up what the named checks need, then run them."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def run(self, node: NodeRef, names: Sequence[str], incident: Incident, now: datetime) -> Look:
        """The findings of those of ``names`` that are AWS-side checks, and what they saw."""
        mine = [name for name in names if name in AWS_CHECKS]
        if not mine or not node.node_id.startswith(("i-", "mi-")):
            return Look(())
        lookups = Lookups(lambda service: self._clients.get(service, node.region))
        snapshot = lookups.snapshot(
            node,
            needs_of(mine),
            now=now,
            command_id=_failed_run(incident),
            parameters=incident.evidence.parameters,
            told=told_of(incident),
        )
        return Look(run_aws_checks(mine, snapshot, now), attachments_of(snapshot, now))


def _failed_run(incident: Incident) -> str | None:
    """The newest run of the incident that was a command."""
    runs = (
        key.removeprefix("command:") for key in reversed(incident.run_keys) if "command:" in key
    )
    return next(runs, None)


class _Reader(OperationReader):
    """One snapshot in the making: the calls, and the gaps that they leave."""

    def fill(self, snapshot: NodeSnapshot, now: datetime) -> NodeSnapshot:
        """Each part in turn; later ones build on what the earlier ones found."""
        wanted, hybrid = snapshot.needs, snapshot.is_hybrid
        if NEED_MANAGED in wanted:
            snapshot = self._managed(snapshot)
        if not hybrid and wanted & {NEED_INSTANCE, NEED_PROFILE, NEED_NETWORK}:
            snapshot = self._instance(snapshot)
        if NEED_COMMANDS in wanted:
            snapshot = self._commands(snapshot, now)
        if NEED_PROFILE in wanted:
            snapshot = self._profile(snapshot, NEED_PERMISSIONS in wanted)
        if NEED_PERMISSIONS in wanted and snapshot.role is not None:
            snapshot = replace(snapshot, decisions=self._decisions(snapshot, snapshot.role))
        if NEED_NETWORK in wanted and snapshot.instance is not None:
            snapshot = replace(
                snapshot,
                network=self._network(snapshot.instance),
                bucket_regions=self._bucket_regions(snapshot),
            )
        snapshot = self._operation(snapshot)
        return replace(snapshot, gaps=tuple(self._gaps))

    # ---------------------------------------------------------------- the node

    def _managed(self, snapshot: NodeSnapshot) -> NodeSnapshot:
        action = "DescribeInstanceInformation"
        filters = [{"Key": "InstanceIds", "Values": [self._node.node_id]}]
        found = self._all("ssm", action, "InstanceInformationList", Filters=filters)
        if found is None:
            read = self._forget("ssm", action, frozenset({_NOT_REGISTERED}))
            return replace(snapshot, managed_read=read)
        mine = [n for n in found if n.get("InstanceId") == self._node.node_id]
        managed = shapes.managed_node(mine[0]) if mine else None
        return replace(snapshot, managed=managed, managed_read=True)

    def _instance(self, snapshot: NodeSnapshot) -> NodeSnapshot:
        ids = [self._node.node_id]
        found = self._all("ec2", "DescribeInstances", "Reservations", InstanceIds=ids)
        if found is None:
            return replace(snapshot, instance_gone=self._forget("ec2", "DescribeInstances", _GONE))
        instances = [i for r in found for i in r.get("Instances") or ()]
        mine = [i for i in instances if i.get("InstanceId") == self._node.node_id]
        if not mine:
            return replace(snapshot, instance_gone=True)
        snapshot = replace(snapshot, instance=shapes.instance(mine[0]))
        if NEED_INSTANCE not in snapshot.needs:
            return snapshot
        statuses = self._all(
            "ec2",
            "DescribeInstanceStatus",
            "InstanceStatuses",
            InstanceIds=ids,
            IncludeAllInstances=True,
        )
        seen = [s for s in statuses or () if s.get("InstanceId") == self._node.node_id]
        return replace(snapshot, status=shapes.status(seen[0]) if seen else None)

    def _commands(self, snapshot: NodeSnapshot, now: datetime) -> NodeSnapshot:
        node_id = self._node.node_id
        since = f"{now - COMMANDS_BACK:%Y-%m-%dT%H:%M:%SZ}"
        after = [{"key": "InvokedAfter", "value": since}]
        invocations = self._all(
            "ssm",
            "ListCommandInvocations",
            "CommandInvocations",
            InstanceId=node_id,
            Filters=after,
            Details=True,
        )
        if invocations is None:
            return snapshot
        commands = self._all("ssm", "ListCommands", "Commands", InstanceId=node_id, Filters=after)
        given = {str(c["CommandId"]): shapes.parameters(c) for c in commands or ()}
        found = tuple(
            shapes.node_command(i, given.get(str(i["CommandId"]), {}))
            for i in invocations
            if i.get("RequestedDateTime")
        )
        newest_first = sorted(found, key=lambda c: c.requested, reverse=True)
        return replace(snapshot, commands=tuple(newest_first))

    # ---------------------------------------------------------------- credentials

    def _profile(self, snapshot: NodeSnapshot, deep: bool) -> NodeSnapshot:
        """The instance profile and its role; without one, Default Host Management's role."""
        snapshot = replace(snapshot, host_management_role=self._host_management())
        instance = snapshot.instance
        role_name: str | None = None
        if snapshot.is_hybrid:
            role_name = snapshot.managed.iam_role if snapshot.managed else None
        elif instance is not None and instance.profile_arn is not None:
            profile = self._instance_profile(instance.profile_arn)
            role_name = profile.role_name if profile else None
            snapshot = replace(snapshot, profile=profile)
        elif instance is not None:
            role_name = snapshot.host_management_role or None
        if not role_name:
            return snapshot
        return replace(snapshot, role=self._role(role_name.rsplit("/", 1)[-1], deep))

    def _host_management(self) -> str | None:
        answer = self._one("ssm", "GetServiceSetting", SettingId=HOST_MANAGEMENT_SETTING)
        if answer is None:
            return None
        value = str((answer.get("ServiceSetting") or {}).get("SettingValue", ""))
        return "" if value in HOST_MANAGEMENT_OFF else value

    def _instance_profile(self, arn: str) -> Profile | None:
        name = arn.rsplit("/", 1)[-1]
        answer = self._one("iam", "GetInstanceProfile", InstanceProfileName=name)
        if answer is None:
            gone = self._forget("iam", "GetInstanceProfile", frozenset({_NO_SUCH_ENTITY}))
            return Profile(name, exists=False) if gone else None
        roles = answer["InstanceProfile"].get("Roles") or ()
        return Profile(name, role_name=str(roles[0]["RoleName"]) if roles else None)

    def _role(self, name: str, deep: bool) -> Role | None:
        answer = self._one("iam", "GetRole", RoleName=name)
        if answer is None:
            return None
        found = answer["Role"]
        boundary_arn = (found.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn")
        role = Role(
            name=name,
            arn=str(found["Arn"]),
            trust=shapes.document(found.get("AssumeRolePolicyDocument")),
            tags=shapes.tags(found.get("Tags") or ()),
            boundary_arn=boundary_arn,
        )
        if not deep:
            return role
        boundary = self._managed_policy(boundary_arn, boundary_arn) if boundary_arn else None
        return replace(role, policies=self._policies(name), boundary=boundary)

    def _policies(self, role_name: str) -> tuple[Policy, ...] | None:
        attached = self._all(
            "iam", "ListAttachedRolePolicies", "AttachedPolicies", RoleName=role_name
        )
        inline = self._all("iam", "ListRolePolicies", "PolicyNames", RoleName=role_name)
        if attached is None or inline is None or len(attached) + len(inline) > POLICIES_MAX:
            return None
        own = tuple(self._managed_policy(a["PolicyName"], a["PolicyArn"]) for a in attached)
        return own + tuple(self._inline_policy(role_name, str(name)) for name in inline)

    def _managed_policy(self, name: str, arn: str) -> Policy:
        policy = self._one("iam", "GetPolicy", PolicyArn=arn)
        if policy is None:
            return Policy(name, arn, None)
        version = self._one(
            "iam",
            "GetPolicyVersion",
            PolicyArn=arn,
            VersionId=policy["Policy"]["DefaultVersionId"],
        )
        return shapes.policy(
            name, arn, version["PolicyVersion"].get("Document") if version else None
        )

    def _inline_policy(self, role_name: str, name: str) -> Policy:
        answer = self._one("iam", "GetRolePolicy", RoleName=role_name, PolicyName=name)
        return shapes.policy(name, None, answer.get("PolicyDocument") if answer else None)

    def _decisions(self, snapshot: NodeSnapshot, role: Role) -> tuple[Decision, ...] | None:
        """IAM's own word on what the checks ask, in as few simulations as resources allow."""
        questions = permission_rules.questions(snapshot)
        found: list[Decision] = []
        for actions, resources in questions:
            results = self._all(
                "iam",
                "SimulatePrincipalPolicy",
                "EvaluationResults",
                PolicySourceArn=role.arn,
                ActionNames=list(actions),
                ResourceArns=list(resources),
            )
            if results is None:
                return None
            found.extend(shapes.decision(r) for r in results)
        return tuple(found)

    # ---------------------------------------------------------------- network

    def _network(self, instance: Instance) -> Network | None:
        vpc_id = instance.vpc_id
        if vpc_id is None:
            return None
        tables = self._in_vpc("DescribeRouteTables", "RouteTables", vpc_id, shapes.route_table)
        endpoints = self._endpoints(vpc_id)
        groups = self._security_groups(instance, endpoints or ())
        network = Network(
            vpc_id=vpc_id,
            subnets=self._in_vpc("DescribeSubnets", "Subnets", vpc_id, shapes.subnet),
            route_tables=tables,
            acls=self._in_vpc("DescribeNetworkAcls", "NetworkAcls", vpc_id, shapes.acl),
            groups=groups,
            endpoints=endpoints,
            nats=self._in_vpc("DescribeNatGateways", "NatGateways", vpc_id, shapes.nat_gateway),
            prefix_lists=self._prefix_lists(tables or (), groups or ()),
        )
        return self._dns(network)

    def _in_vpc(
        self, action: str, key: str, vpc_id: str, read: Callable[[Any], _T]
    ) -> tuple[_T, ...] | None:
        # DescribeNatGateways alone calls its filters "Filter".
        filters = "Filter" if action == "DescribeNatGateways" else "Filters"
        found = self._all("ec2", action, key, **{filters: [_vpc_filter(vpc_id)]})
        if found is None:
            return None
        return tuple(read(item) for item in found if item.get("VpcId", vpc_id) == vpc_id)

    def _endpoints(self, vpc_id: str) -> tuple[Endpoint, ...] | None:
        region = self._node.region
        found = self._in_vpc(
            "DescribeVpcEndpoints", "VpcEndpoints", vpc_id, lambda e: shapes.endpoint(e, region)
        )
        return None if found is None else tuple(e for e in found if e is not None)

    def _security_groups(
        self, instance: Instance, endpoints: Sequence[Endpoint]
    ) -> tuple[SecurityGroup, ...] | None:
        """The node's groups, and those of the endpoints that it could use."""
        services = ("s3", "ssm", "ssmmessages", "ec2messages")
        ids = {g for i in instance.interfaces for g in i.group_ids}
        ids |= {g for e in endpoints if e.service in services for g in e.group_ids}
        if not ids:
            return ()
        found = self._all("ec2", "DescribeSecurityGroups", "SecurityGroups", GroupIds=sorted(ids))
        if found is None:
            return None
        return tuple(shapes.security_group(g) for g in found)

    def _prefix_lists(
        self, tables: Sequence[RouteTable], groups: Sequence[SecurityGroup]
    ) -> tuple[PrefixList, ...] | None:
        """AWS's own lists, and the customer's that the routes and rules name."""
        found = self._all("ec2", "DescribePrefixLists", "PrefixLists")
        if found is None:
            return None
        lists = [shapes.prefix_list(p) for p in found]
        named = {r.destination for t in tables for r in t.routes if r.destination[:3] == "pl-"}
        named |= {p for g in groups for r in g.rules for p in r.prefix_list_ids}
        missing = sorted(named - {p.list_id for p in lists})
        for list_id in missing[:PREFIX_LISTS_MAX]:
            entries = self._all(
                "ec2", "GetManagedPrefixListEntries", "Entries", PrefixListId=list_id
            )
            if entries is not None:
                lists.append(PrefixList(list_id, "", tuple(str(e["Cidr"]) for e in entries)))
        return tuple(lists)

    def _bucket_regions(self, snapshot: NodeSnapshot) -> Mapping[str, str]:
        """Where the buckets of the run's own lists are: a gateway endpoint stops at the Region.

        S3 names the Region of a bucket also where it denies the request (HeadBucket asks for
        ``s3:ListBucket``), so a refusal answers too.
        """
        found = {}
        for bucket in sorted(permission_rules.named_buckets(snapshot))[:BUCKETS_MAX]:
            region = self._bucket_region(bucket)
            if region:
                found[bucket] = region
        return found

    def _bucket_region(self, bucket: str) -> str | None:
        def ask() -> str | None:
            try:
                answer = self._client("s3").head_bucket(Bucket=bucket)
            except ClientError as error:
                told = _region_told(error.response)
                if told is None:
                    raise
                return told
            region = answer.get("BucketRegion")
            return str(region) if region else None

        try:
            region: str | None = call("s3:ListBucket", ask)
            return region
        except AwsError as error:
            self._gaps.append(Gap("s3:ListBucket", error.code, error.message))
            return None

    def _dns(self, network: Network) -> Network:
        """Whether Amazon's resolver answers in this VPC, which private DNS names need."""
        return replace(
            network,
            dns_support=self._attribute(network.vpc_id, "enableDnsSupport", "EnableDnsSupport"),
            dns_hostnames=self._attribute(
                network.vpc_id, "enableDnsHostnames", "EnableDnsHostnames"
            ),
            amazon_dns=self._amazon_dns(network.vpc_id),
        )

    def _attribute(self, vpc_id: str, attribute: str, key: str) -> bool | None:
        answer = self._one("ec2", "DescribeVpcAttribute", VpcId=vpc_id, Attribute=attribute)
        value = (answer or {}).get(key)
        return None if value is None else bool(value.get("Value"))

    def _amazon_dns(self, vpc_id: str) -> bool | None:
        vpcs = self._all("ec2", "DescribeVpcs", "Vpcs", VpcIds=[vpc_id])
        options_id = vpcs[0].get("DhcpOptionsId") if vpcs else None
        if options_id is None:
            return None
        if options_id == "default":
            return True
        options = self._all(
            "ec2", "DescribeDhcpOptions", "DhcpOptions", DhcpOptionsIds=[options_id]
        )
        if not options:
            return None
        for entry in options[0].get("DhcpConfigurations") or ():
            if entry.get("Key") == "domain-name-servers":
                servers = {str(v.get("Value")) for v in entry.get("Values") or ()}
                return servers == {"AmazonProvidedDNS"}
        return None


def _region_told(answer: Mapping[str, Any]) -> str | None:
    """S3 says in a header where a bucket is, in a refusal and a redirection too."""
    headers = (answer.get("ResponseMetadata") or {}).get("HTTPHeaders") or {}
    region = headers.get("x-amz-bucket-region")
    return str(region) if region else None


def _vpc_filter(vpc_id: str) -> Mapping[str, Any]:
    return {"Name": "vpc-id", "Values": [vpc_id]}
