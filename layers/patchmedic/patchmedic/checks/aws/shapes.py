"""From what AWS answers to the plain values of a snapshot.

Here: one small reader for each kind of thing, over botocore's parsed answers.  Not here: the
calls (``patchmedic.lookups``) and any verdict.  A field that is absent becomes unknown, never a
convenient default, wherever a check could draw a conclusion from it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from patchmedic.checks.aws.snapshot import (
    Acl,
    AclEntry,
    Decision,
    Endpoint,
    GroupRule,
    Instance,
    Interface,
    ManagedNode,
    NatGateway,
    NodeCommand,
    Policy,
    PrefixList,
    Route,
    RouteTable,
    ScheduledEvent,
    SecurityGroup,
    StatusChecks,
    Subnet,
)
from patchmedic.model import Platform

Answer = Mapping[str, Any]

_PLATFORMS: dict[str, Platform] = {"Linux": "linux", "Windows": "windows", "MacOS": "macos"}
_PORT_LAST = 65535
_TARGETS = (
    "GatewayId",
    "NatGatewayId",
    "TransitGatewayId",
    "VpcPeeringConnectionId",
    "NetworkInterfaceId",
    "InstanceId",
    "EgressOnlyInternetGatewayId",
    "LocalGatewayId",
    "CarrierGatewayId",
    "CoreNetworkArn",
    "OdbNetworkArn",
)
_DESTINATIONS = ("DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId")


def document(value: Any) -> Mapping[str, Any] | None:
    """A policy document, which AWS gives parsed, as JSON or as URL-encoded JSON."""
    if isinstance(value, Mapping):
        return value
    if not isinstance(value, str):
        return None
    for candidate in (value, unquote(value)):
        try:
            parsed = json.loads(candidate)
        except ValueError:
            continue
        return parsed if isinstance(parsed, Mapping) else None
    return None


def tags(value: Sequence[Answer]) -> Mapping[str, str]:
    return {str(t["Key"]): str(t.get("Value", "")) for t in value}


# --------------------------------------------------------------------------- instance


def instance(answer: Answer) -> Instance:
    windows = str(answer.get("Platform", "")).lower() == "windows"
    details = str(answer.get("PlatformDetails", "")).lower()
    platform: Platform | None = "windows" if windows else "linux" if "linux" in details else None
    profile = answer.get("IamInstanceProfile") or {}
    metadata = answer.get("MetadataOptions") or {}
    return Instance(
        instance_id=str(answer["InstanceId"]),
        state=str(answer.get("State", {}).get("Name", "unknown")),
        launch_time=answer.get("LaunchTime"),
        platform=platform,
        vpc_id=answer.get("VpcId"),
        profile_arn=profile.get("Arn"),
        imds_endpoint=metadata.get("HttpEndpoint"),
        imds_tokens=metadata.get("HttpTokens"),
        imds_hop_limit=metadata.get("HttpPutResponseHopLimit"),
        imds_ipv6=metadata.get("HttpProtocolIpv6"),
        interfaces=tuple(_interface(i) for i in answer.get("NetworkInterfaces") or ())
        or _only_interface(answer),
        tags=tags(answer.get("Tags") or ()),
    )


def _only_interface(answer: Answer) -> tuple[Interface, ...]:
    """The instance's own fields, which repeat its primary interface's."""
    if not answer.get("SubnetId") or not answer.get("SecurityGroups"):
        return ()
    return (
        Interface(
            interface_id=str(answer["InstanceId"]),
            subnet_id=str(answer["SubnetId"]),
            private_ip=answer.get("PrivateIpAddress"),
            public_ip=answer.get("PublicIpAddress"),
            group_ids=_each(answer["SecurityGroups"], "GroupId"),
            ipv6=(str(answer["Ipv6Address"]),) if answer.get("Ipv6Address") else (),
        ),
    )


def _interface(answer: Answer) -> Interface:
    return Interface(
        interface_id=str(answer["NetworkInterfaceId"]),
        subnet_id=str(answer.get("SubnetId", "")),
        private_ip=answer.get("PrivateIpAddress"),
        public_ip=(answer.get("Association") or {}).get("PublicIp"),
        group_ids=tuple(str(g["GroupId"]) for g in answer.get("Groups") or ()),
        device_index=int((answer.get("Attachment") or {}).get("DeviceIndex", 0)),
        ipv6=_each(answer.get("Ipv6Addresses"), "Ipv6Address"),
    )


def status(answer: Answer) -> StatusChecks:
    def of(key: str) -> str:
        return str((answer.get(key) or {}).get("Status", "not-applicable"))

    events = tuple(
        ScheduledEvent(str(e.get("Code", "")), str(e.get("Description", "")), e.get("NotBefore"))
        for e in answer.get("Events") or ()
    )
    return StatusChecks(of("InstanceStatus"), of("SystemStatus"), of("AttachedEbsStatus"), events)


def managed_node(answer: Answer) -> ManagedNode:
    return ManagedNode(
        ping_status=str(answer.get("PingStatus", "unknown")),
        last_ping=answer.get("LastPingDateTime"),
        agent_version=answer.get("AgentVersion"),
        platform=_PLATFORMS.get(str(answer.get("PlatformType"))),
        os_name=answer.get("PlatformName"),
        os_version=answer.get("PlatformVersion"),
        iam_role=answer.get("IamRole"),
    )


# --------------------------------------------------------------------------- permissions


def policy(name: str, arn: str | None, value: Any) -> Policy:
    return Policy(name, arn, document(value))


def decision(answer: Answer) -> Decision:
    boundary = answer.get("PermissionsBoundaryDecisionDetail") or {}
    organization = answer.get("OrganizationsDecisionDetail") or {}
    return Decision(
        action=str(answer["EvalActionName"]),
        resource=str(answer.get("EvalResourceName", "*")),
        decision=str(answer["EvalDecision"]),
        certain=not answer.get("MissingContextValues"),
        by_boundary=boundary.get("AllowedByPermissionsBoundary") is False,
        by_organization=organization.get("AllowedByOrganizations") is False,
    )


# --------------------------------------------------------------------------- network


def subnet(answer: Answer) -> Subnet:
    return Subnet(
        str(answer["SubnetId"]),
        None if answer.get("Ipv6Native") else answer.get("CidrBlock"),
        answer.get("AvailabilityZone"),
        ipv6_cidrs=tuple(
            str(a["Ipv6CidrBlock"])
            for a in answer.get("Ipv6CidrBlockAssociationSet") or ()
            if a.get("Ipv6CidrBlock")
            and (a.get("Ipv6CidrBlockState") or {}).get("State", "associated") == "associated"
        ),
        dns64=bool(answer.get("EnableDns64")),
    )


def route_table(answer: Answer) -> RouteTable:
    associations = answer.get("Associations") or ()
    return RouteTable(
        table_id=str(answer["RouteTableId"]),
        routes=tuple(_route(r) for r in answer.get("Routes") or ()),
        subnet_ids=tuple(str(a["SubnetId"]) for a in associations if a.get("SubnetId")),
        is_main=any(a.get("Main") for a in associations),
    )


def _route(answer: Answer) -> Route:
    destination = next((str(answer[k]) for k in _DESTINATIONS if answer.get(k)), "")
    # A route through an instance names the interface too; either is "something unseen".
    target = next((str(answer[k]) for k in _TARGETS if answer.get(k)), "unknown")
    return Route(destination, target, answer.get("State") == "blackhole")


def acl(answer: Answer) -> Acl:
    associations = answer.get("Associations") or ()
    return Acl(
        acl_id=str(answer["NetworkAclId"]),
        entries=tuple(_acl_entry(e) for e in answer.get("Entries") or ()),
        subnet_ids=tuple(str(a["SubnetId"]) for a in associations if a.get("SubnetId")),
        is_default=bool(answer.get("IsDefault")),
    )


def _acl_entry(answer: Answer) -> AclEntry:
    ports = answer.get("PortRange") or {}
    return AclEntry(
        number=int(answer["RuleNumber"]),
        egress=bool(answer.get("Egress")),
        allow=str(answer.get("RuleAction")) == "allow",
        cidr=str(answer.get("CidrBlock") or answer.get("Ipv6CidrBlock") or ""),
        protocol=str(answer.get("Protocol", "-1")),
        port_first=int(ports.get("From", 0)),
        port_last=int(ports.get("To", _PORT_LAST)),
    )


def security_group(answer: Answer) -> SecurityGroup:
    rules = [_group_rule(p, egress=False) for p in answer.get("IpPermissions") or ()]
    rules += [_group_rule(p, egress=True) for p in answer.get("IpPermissionsEgress") or ()]
    return SecurityGroup(str(answer["GroupId"]), tuple(rules))


def _group_rule(answer: Answer, *, egress: bool) -> GroupRule:
    return GroupRule(
        egress=egress,
        protocol=str(answer.get("IpProtocol", "-1")),
        port_first=int(answer.get("FromPort", 0)),
        port_last=int(answer.get("ToPort", _PORT_LAST)),
        cidrs=(
            *_each(answer.get("IpRanges"), "CidrIp"),
            *_each(answer.get("Ipv6Ranges"), "CidrIpv6"),
        ),
        prefix_list_ids=_each(answer.get("PrefixListIds"), "PrefixListId"),
        group_ids=_each(answer.get("UserIdGroupPairs"), "GroupId"),
    )


def _each(values: Iterable[Answer] | None, key: str) -> tuple[str, ...]:
    return tuple(str(v[key]) for v in values or () if v.get(key))


def endpoint(answer: Answer, region: str) -> Endpoint | None:
    """A gateway or interface endpoint of an AWS service; other kinds lead elsewhere."""
    kind = str(answer.get("VpcEndpointType", "")).lower()
    service = str(answer.get("ServiceName", ""))
    if kind not in ("gateway", "interface") or "amazonaws" not in service:
        return None
    dns = answer.get("DnsOptions") or {}
    name = service.rsplit(".", 1)[-1]
    return Endpoint(
        endpoint_id=str(answer["VpcEndpointId"]),
        service=name,
        kind=kind,
        state=str(answer.get("State", "unknown")).lower(),
        region=str(answer.get("ServiceRegion") or _region_of(service) or region),
        private_dns=bool(answer.get("PrivateDnsEnabled")),
        private_dns_inbound_only=bool(dns.get("PrivateDnsOnlyForInboundResolverEndpoint")),
        ip_type=answer.get("IpAddressType"),
        dns_names=_each(answer["DnsEntries"], "DnsName") if "DnsEntries" in answer else None,
        subnet_ids=tuple(answer.get("SubnetIds") or ()),
        route_table_ids=tuple(answer.get("RouteTableIds") or ()),
        group_ids=_each(answer.get("Groups"), "GroupId"),
        policy=document(answer.get("PolicyDocument")),
    )


def _region_of(service: str) -> str | None:
    """``com.amazonaws.<region>.<service>``"""
    parts = service.split(".")
    return parts[-2] if len(parts) > 3 else None


def nat_gateway(answer: Answer) -> NatGateway:
    return NatGateway(
        str(answer["NatGatewayId"]),
        str(answer.get("State", "unknown")),
        answer.get("SubnetId"),
        str(answer.get("ConnectivityType", "public")) == "public",
    )


def prefix_list(answer: Answer) -> PrefixList:
    return PrefixList(
        str(answer["PrefixListId"]),
        str(answer.get("PrefixListName", "")),
        tuple(answer.get("Cidrs") or ()),
    )


# --------------------------------------------------------------------------- commands


def node_command(answer: Answer, parameters: Mapping[str, tuple[str, ...]]) -> NodeCommand:
    plugins = answer.get("CommandPlugins") or ()
    starts = [p["ResponseStartDateTime"] for p in plugins if p.get("ResponseStartDateTime")]
    ends = [p["ResponseFinishDateTime"] for p in plugins if p.get("ResponseFinishDateTime")]
    return NodeCommand(
        command_id=str(answer["CommandId"]),
        document=str(answer.get("DocumentName", "")),
        status=str(answer.get("Status", "")),
        status_details=str(answer.get("StatusDetails", "")),
        requested=answer["RequestedDateTime"],
        finished=max(ends) if ends else None,
        started=min(starts) if starts else None,
        parameters=parameters,
    )


def parameters(answer: Answer) -> Mapping[str, tuple[str, ...]]:
    given = answer.get("Parameters") or {}
    return {str(key): tuple(str(v) for v in values) for key, values in given.items()}
