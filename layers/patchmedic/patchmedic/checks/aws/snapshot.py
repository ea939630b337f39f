"""What AWS said about one node, as plain frozen values.

Here: the shape of a snapshot and the few look-ups within it that several checks share.  Not
here: the calls that fill it (``patchmedic.lookups``) and what it means (the checks beside this
file).  No boto3, no clock.

One rule runs through it: *unknown is not absent*.  ``None`` for a collection means that it could
not be read, an empty one that there is nothing; ``gaps`` says which call failed and why.  A check
may build a verdict on what is there or on what is not there, never on what is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from patchmedic.model import NodeRef, Platform

NEED_INSTANCE = "instance"
NEED_MANAGED = "managed-node"
NEED_PROFILE = "profile"
NEED_PERMISSIONS = "permissions"
NEED_NETWORK = "network"
NEED_COMMANDS = "commands"
NEED_HOOKS = "hook-documents"
NEED_BASELINE = "baseline"
NEED_PATCH_STATE = "patch-state"
NEED_WHOLE_COMMAND = "whole-command"
NEED_CONSOLE = "console"
NEEDS: frozenset[str] = frozenset(
    {
        NEED_INSTANCE,
        NEED_MANAGED,
        NEED_PROFILE,
        NEED_PERMISSIONS,
        NEED_NETWORK,
        NEED_COMMANDS,
        NEED_HOOKS,
        NEED_BASELINE,
        NEED_PATCH_STATE,
        NEED_WHOLE_COMMAND,
        NEED_CONSOLE,
    }
)
"""The parts of a snapshot that a check can ask for; each is one group of calls."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A call whose answer is missing: which, the error code, and AWS's own words."""

    call: str
    """``ec2:DescribeInstances``: also the name of the permission that the call needs."""
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Interface:
    """One network interface of the instance."""

    interface_id: str
    subnet_id: str
    private_ip: str | None
    public_ip: str | None
    group_ids: tuple[str, ...]
    device_index: int = 0
    ipv6: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Instance:
    """An EC2 instance as DescribeInstances shows it."""

    instance_id: str
    state: str
    launch_time: datetime | None = None
    """The time of the last *start*; a reboot leaves it alone."""
    platform: Platform | None = None
    vpc_id: str | None = None
    profile_arn: str | None = None
    imds_endpoint: str | None = None
    """``enabled``, ``disabled``, or ``None`` when the answer does not say."""
    imds_tokens: str | None = None
    """``required`` (IMDSv2 only) or ``optional``."""
    imds_hop_limit: int | None = None
    imds_ipv6: str | None = None
    """Whether the metadata service answers over IPv6: ``enabled`` or ``disabled``."""
    interfaces: tuple[Interface, ...] = ()
    tags: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class ScheduledEvent:
    """A reboot, stop or retirement that AWS plans for the instance."""

    code: str
    description: str
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class StatusChecks:
    """EC2's status checks: ``ok``, ``impaired``, ``initializing``, ``insufficient-data``…"""

    instance: str
    system: str
    attached_ebs: str = "not-applicable"
    events: tuple[ScheduledEvent, ...] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """An IAM policy; ``document`` is ``None`` when it could not be read."""

    name: str
    arn: str | None
    document: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Role:
    """The role whose credentials the node gets, and all that limits it."""

    name: str
    arn: str
    trust: Mapping[str, Any] | None = None
    tags: Mapping[str, str] | None = None
    policies: tuple[Policy, ...] | None = None
    """Managed and inline together; ``None`` when the list itself could not be read."""
    boundary_arn: str | None = None
    boundary: Policy | None = None


@dataclass(frozen=True, slots=True)
class Profile:
    """The instance profile; ``exists`` is false when the instance points to a deleted one."""

    name: str
    exists: bool = True
    role_name: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """One line of IAM's policy simulation."""

    action: str
    resource: str
    decision: str
    """``allowed``, ``explicitDeny`` or ``implicitDeny``."""
    certain: bool = True
    """False when a condition key was missing, so that the real request may fare otherwise."""
    by_boundary: bool = False
    """The permissions boundary is what stands in the way."""
    by_organization: bool = False
    """A service control policy is what stands in the way."""


@dataclass(frozen=True, slots=True)
class Subnet:
    subnet_id: str
    cidr: str | None
    """``None`` in an IPv6-only subnet."""
    zone: str | None = None
    ipv6_cidrs: tuple[str, ...] = ()
    dns64: bool = False
    """The resolver gives IPv4-only hosts an address of 64:ff9b::/96, for a NAT gateway."""


@dataclass(frozen=True, slots=True)
class Route:
    """One route: where to (a CIDR block or a prefix list), through what, alive or not."""

    destination: str
    target: str
    blackhole: bool = False


@dataclass(frozen=True, slots=True)
class RouteTable:
    table_id: str
    routes: tuple[Route, ...]
    subnet_ids: tuple[str, ...] = ()
    is_main: bool = False


@dataclass(frozen=True, slots=True)
class AclEntry:
    """One rule of a network ACL.  Ports are 0 to 65535 when the protocol is all."""

    number: int
    egress: bool
    allow: bool
    cidr: str
    """An IPv4 or an IPv6 block."""
    protocol: str = "-1"
    port_first: int = 0
    port_last: int = 65535


@dataclass(frozen=True, slots=True)
class Acl:
    acl_id: str
    entries: tuple[AclEntry, ...]
    subnet_ids: tuple[str, ...] = ()
    is_default: bool = False


@dataclass(frozen=True, slots=True)
class GroupRule:
    """One permission of a security group (groups only ever allow)."""

    egress: bool
    protocol: str = "-1"
    port_first: int = 0
    port_last: int = 65535
    cidrs: tuple[str, ...] = ()
    """IPv4 and IPv6 blocks together."""
    prefix_list_ids: tuple[str, ...] = ()
    group_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SecurityGroup:
    group_id: str
    rules: tuple[GroupRule, ...]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A VPC endpoint of the node's VPC."""

    endpoint_id: str
    service: str
    """The short name: ``s3``, ``ssm``, ``ssmmessages``, ``ec2messages``."""
    kind: str
    """``gateway`` or ``interface`` (others are left out)."""
    state: str
    """Lower case: ``available``, ``pending``, ``failed``…"""
    region: str
    """The Region of the service behind it."""
    private_dns: bool = False
    private_dns_inbound_only: bool = False
    """S3 only: the private names answer only to queries that come in from outside the VPC."""
    ip_type: str | None = None
    """``ipv4``, ``ipv6`` or ``dualstack``; ``None`` when the answer does not say."""
    dns_names: tuple[str, ...] | None = None
    subnet_ids: tuple[str, ...] = ()
    route_table_ids: tuple[str, ...] = ()
    group_ids: tuple[str, ...] = ()
    policy: Mapping[str, Any] | None = None
    """``None`` when it could not be read or parsed; AWS always shows one."""


@dataclass(frozen=True, slots=True)
class NatGateway:
    nat_id: str
    state: str
    subnet_id: str | None = None
    """``None`` for a regional NAT gateway, which lives in no subnet."""
    public: bool = True


@dataclass(frozen=True, slots=True)
class PrefixList:
    list_id: str
    name: str
    cidrs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Network:
    """The VPC around the node.  Each collection is ``None`` when it could not be read."""

    vpc_id: str
    subnets: tuple[Subnet, ...] | None = None
    route_tables: tuple[RouteTable, ...] | None = None
    acls: tuple[Acl, ...] | None = None
    groups: tuple[SecurityGroup, ...] | None = None
    endpoints: tuple[Endpoint, ...] | None = None
    nats: tuple[NatGateway, ...] | None = None
    prefix_lists: tuple[PrefixList, ...] | None = None
    dns_support: bool | None = None
    dns_hostnames: bool | None = None
    amazon_dns: bool | None = None
    """True when the VPC's DHCP options name Amazon's own resolver, False for a custom one."""

    def subnet(self, subnet_id: str) -> Subnet | None:
        return next((s for s in self.subnets or () if s.subnet_id == subnet_id), None)

    def table_of(self, subnet_id: str) -> RouteTable | None:
        """The subnet's own route table, else the VPC's main one; ``None`` when unknown."""
        tables = self.route_tables or ()
        own = next((t for t in tables if subnet_id in t.subnet_ids), None)
        return own or next((t for t in tables if t.is_main), None)

    def acl_of(self, subnet_id: str) -> Acl | None:
        """The ACL that names the subnet, else the VPC's default one; ``None`` when unknown."""
        acls = self.acls or ()
        own = next((a for a in acls if subnet_id in a.subnet_ids), None)
        return own or next((a for a in acls if a.is_default), None)

    def group(self, group_id: str) -> SecurityGroup | None:
        return next((g for g in self.groups or () if g.group_id == group_id), None)

    def prefix_list(self, list_id: str) -> PrefixList | None:
        return next((p for p in self.prefix_lists or () if p.list_id == list_id), None)

    def s3_list(self, region: str, family: int = 4) -> PrefixList | None:
        """AWS's own list of the Region's S3 addresses, of this family."""
        kind = ".ipv6.s3" if family == 6 else ".s3"
        name = f"com.amazonaws.{region}{kind}"
        return next((p for p in self.prefix_lists or () if p.name.endswith(name)), None)


@dataclass(frozen=True, slots=True)
class ManagedNode:
    """The node as Systems Manager knows it (DescribeInstanceInformation)."""

    ping_status: str
    last_ping: datetime | None = None
    agent_version: str | None = None
    platform: Platform | None = None
    os_name: str | None = None
    os_version: str | None = None
    iam_role: str | None = None
    """The service role of a hybrid node; empty for an EC2 instance."""


@dataclass(frozen=True, slots=True)
class NodeCommand:
    """One Run Command invocation on the node.  Its output is never read here."""

    command_id: str
    document: str
    status: str
    status_details: str
    requested: datetime
    finished: datetime | None = None
    started: datetime | None = None
    """When its first step began; later than ``requested`` where rate control made it wait."""
    parameters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Told:
    """What the caller knows of the failed run beside its parameters."""

    document: str | None = None
    baselines: tuple[BaselineNamed, ...] = ()
    boot_suspected: bool = False
    """The evidence itself speaks of a boot that went wrong."""
    incident_id: str | None = None
    """For the command that fetches what was kept."""


@dataclass(frozen=True, slots=True)
class BaselineNamed:
    """A patch baseline whose id stands in the run's output."""

    baseline_id: str
    said_missing: bool
    """The same line says that it does not exist."""


@dataclass(frozen=True, slots=True)
class HookDocument:
    """A document that the run names as a hook, as DescribeDocument shows it."""

    parameter: str
    name: str
    """As the run spells it: somebody's own text."""
    exists: bool | None
    """False: there is none of that name, or none that is shared with this account."""
    status: str | None = None
    kind: str | None = None
    platforms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Baseline:
    """A patch baseline; ``exists`` is ``None`` when that could not be read."""

    baseline_id: str
    exists: bool | None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class BaselineLook:
    """Which baseline Patch Manager has for the node, and what became of those in the output."""

    groups: Mapping[str, str] | None = None
    """The node's patch group tags, by key; ``None`` when the tags could not be read."""
    operating_system: str | None = None
    """As Patch Manager names it; ``None`` when the node's system maps to none of its names."""
    chosen: Baseline | None = None
    """The one for the patch group, else the default one."""
    named: tuple[Baseline, ...] = ()

    @property
    def group(self) -> str | None:
        """The patch group; ``None`` when the node is in none, or in two."""
        values = set((self.groups or {}).values())
        return values.pop() if len(values) == 1 else None


@dataclass(frozen=True, slots=True)
class PatchReport:
    """The newest patch operation that reported, as DescribeInstancePatchStates shows it."""

    baseline_id: str
    operation: str
    ended: datetime


@dataclass(frozen=True, slots=True)
class FailedNode:
    """One node on which the same command failed."""

    node_id: str
    details: str
    finished: datetime | None = None


@dataclass(frozen=True, slots=True)
class WholeCommand:
    """The run that failed over all its nodes."""

    command_id: str
    max_errors: str
    max_concurrency: str
    targets: int
    errors: int
    failed: tuple[FailedNode, ...] | None = None
    """The first page of them, the earliest first; ``None`` when it could not be read."""
    more: bool = False
    """There are more, so that the earliest of all need not be among them."""


@dataclass(frozen=True, slots=True)
class Console:
    """What the instance's console shows, ready to be kept: masked, and cut to its end."""

    why: str
    """Why it was looked at: ``status-check``, ``ping-lost``, ``evidence``; else empty."""
    text: str | None = None
    updated: datetime | None = None
    screenshot: bytes | None = None
    """A JPEG image.  For people: no machine reads it."""
    left_out: str = ""
    """Why there is no screenshot, when one was answered."""


@dataclass(frozen=True, slots=True)
class NodeSnapshot:
    """One look at a node from the AWS side."""

    node: NodeRef
    needs: frozenset[str] = frozenset()
    """What was asked for; what was not asked for is unknown, without a gap."""
    gaps: tuple[Gap, ...] = ()
    instance: Instance | None = None
    instance_gone: bool = False
    """EC2 answered that there is no such instance."""
    status: StatusChecks | None = None
    managed: ManagedNode | None = None
    managed_read: bool = False
    """Systems Manager answered; with ``managed`` ``None`` it does not list the node."""
    profile: Profile | None = None
    host_management_role: str | None = None
    """Default Host Management's role; empty when it is off, ``None`` when unknown."""
    role: Role | None = None
    decisions: tuple[Decision, ...] | None = None
    network: Network | None = None
    commands: tuple[NodeCommand, ...] | None = None
    command_id: str | None = None
    """The run that failed, when the caller knows it."""
    parameters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The parameters of that run."""
    told: Told = Told()
    hook_documents: tuple[HookDocument, ...] | None = None
    """``None`` unless the run's hooks were looked up."""
    baseline: BaselineLook | None = None
    patch_report: PatchReport | None = None
    whole_command: WholeCommand | None = None
    console: Console | None = None
    bucket_regions: Mapping[str, str] = field(default_factory=dict)
    """The Regions of the buckets that the run's parameters name, where they could be read."""
    wsus_configured: bool | None = None
    """Whether the node takes its updates from a WSUS; AWS cannot tell, a node check can."""

    @property
    def is_hybrid(self) -> bool:
        return self.node.node_id.startswith("mi-")

    @property
    def platform(self) -> Platform | None:
        """Systems Manager's word before EC2's: an agent knows what it runs on."""
        if self.managed is not None and self.managed.platform is not None:
            return self.managed.platform
        return self.instance.platform if self.instance is not None else None

    def gap(self, *calls: str) -> Gap | None:
        """The first gap among these calls, for a finding that has to say why it is unsure."""
        return next((g for g in self.gaps if g.call in calls), None)
