"""Adds to MiniStack's VPCs what AWS keeps and shows, and what checks of a network rest on.

Here: IPv6 blocks and routes, the ports of network ACL entries and the subnets that an ACL stands
before, prefix lists in group rules, the route that a gateway endpoint brings, routes that lose
their target.  Not here: instances and endpoints (``ec2_answers``).

The shapes are those of botocore's model of EC2; what no test needs is left as MiniStack has it.
"""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Callable, Mapping
from typing import Any
from xml.sax.saxutils import escape

from patchmedic_local.hooks import pinned

_EC2 = "ministack.services.ec2"
_TARGETS = (
    "GatewayId",
    "NatGatewayId",
    "TransitGatewayId",
    "VpcPeeringConnectionId",
    "NetworkInterfaceId",
    "InstanceId",
    "EgressOnlyInternetGatewayId",
)
_DESTINATIONS = ("DestinationIpv6CidrBlock", "DestinationPrefixListId")

Handler = Callable[[Any], Any]


def install() -> None:
    """Extend actions and answers; to be called by ``ec2_answers.install``."""
    ec2 = pinned.require(
        _EC2, "_ACTION_MAP", "_subnets", "_network_acls", "_route_tables", "_nat_gateways", "_p"
    )
    pinned.replace(_EC2, "_subnet_fields_xml", _with_ipv6_block)
    pinned.replace(_EC2, "_network_acl_entry_xml", _with_ports)
    pinned.replace(_EC2, "_parse_ip_permissions", lambda old: _with_prefix_lists(ec2, old))
    for action, name, make in (
        ("CreateVpc", "_create_vpc", _vpc_with_ipv6),
        ("CreateSubnet", "_create_subnet", _subnet_with_ipv6),
        ("ModifySubnetAttribute", "_modify_subnet_attribute", _dns64_kept),
        ("CreateNetworkAclEntry", "_create_network_acl_entry", _ports_kept),
        ("ReplaceNetworkAclAssociation", "_replace_network_acl_association", _subnet_kept),
        ("CreateRoute", "_create_route", _every_destination),
        ("DeleteNatGateway", "_delete_nat_gateway", _routes_left_behind),
    ):
        _wrap(ec2, action, name, make)


def _wrap(ec2: Any, action: str, name: str, make: Callable[[Any, Handler], Handler]) -> None:
    assert action in ec2._ACTION_MAP, f"MiniStack no longer maps {action}"
    ec2._ACTION_MAP[action] = pinned.replace(_EC2, name, lambda original: make(ec2, original))


def _new(records: Mapping[str, Any], before: set[str]) -> list[Any]:
    return [records[key] for key in records if key not in before]


def _entries_with_ports(params: Any, ec2: Any) -> dict[str, int]:
    ports = {}
    for end in ("From", "To"):
        value = ec2._p(params, f"PortRange.{end}")
        if value:
            ports[end] = int(value)
    return ports


# --------------------------------------------------------------------------- IPv6


def _vpc_with_ipv6(ec2: Any, original: Handler) -> Handler:
    """A VPC that asks for IPv6 gets a local route and default ACL rules for it."""

    def create(params: Any) -> Any:
        before = set(ec2._vpcs)
        answer = original(params)
        if ec2._p(params, "AmazonProvidedIpv6CidrBlock") == "true":
            for vpc in _new(ec2._vpcs, before):
                vpc["_ipv6"] = f"2406:da14:{random.randrange(16**4):x}::/56"  # noqa: S311
                _default_acl(ec2, vpc["DefaultNetworkAclId"])
        return answer

    return create


def _default_acl(ec2: Any, acl_id: str) -> None:
    entries = ec2._network_acls[acl_id]["Entries"]
    for number, action in ((101, "allow"), (32768, "deny")):
        entries.extend(
            {
                "RuleNumber": number,
                "Protocol": "-1",
                "RuleAction": action,
                "Egress": egress,
                "Ipv6CidrBlock": "::/0",
            }
            for egress in (False, True)
        )


def _subnet_with_ipv6(ec2: Any, original: Handler) -> Handler:
    """IPv6 block and "IPv6 only"; and the VPC's default ACL stands before every new subnet."""

    def create(params: Any) -> Any:
        before = set(ec2._subnets)
        answer = original(params)
        made = _new(ec2._subnets, before)
        for subnet in made:
            subnet["_ipv6"] = ec2._p(params, "Ipv6CidrBlock")
            subnet["_ipv6_native"] = ec2._p(params, "Ipv6Native") == "true"
            _stand_before(ec2, subnet)
        if not made:
            return answer
        return ec2._xml(200, "CreateSubnetResponse", ec2._subnet_fields_xml(made[0], tag="subnet"))

    return create


def _stand_before(ec2: Any, subnet: Mapping[str, Any]) -> None:
    for acl in ec2._network_acls.values():
        if acl["VpcId"] == subnet["VpcId"] and acl["IsDefault"]:
            number = f"{random.randrange(16**17):017x}"  # noqa: S311
            association = {
                "NetworkAclAssociationId": f"aclassoc-{number}",
                "SubnetId": subnet["SubnetId"],
            }
            acl["Associations"].append(association)
            return


def _with_ipv6_block(original: Callable[..., str]) -> Callable[..., str]:
    def fields(subnet: Mapping[str, Any], tag: str = "item") -> str:
        text = original(subnet, tag)
        if subnet.get("_ipv6_native"):
            text = text.replace("<ipv6Native>false", "<ipv6Native>true")
            text = text.replace(f"<cidrBlock>{subnet['CidrBlock']}</cidrBlock>", "")
        block = subnet.get("_ipv6")
        if not block:
            return text
        extra = (
            "<ipv6CidrBlockAssociationSet><item><associationId>subnet-cidr-assoc-"
            f"{subnet['SubnetId'].removeprefix('subnet-')}</associationId>"
            f"<ipv6CidrBlock>{escape(block)}</ipv6CidrBlock>"
            "<ipv6CidrBlockState><state>associated</state></ipv6CidrBlockState>"
            "</item></ipv6CidrBlockAssociationSet>"
        )
        end = text.rindex(f"</{tag}>")
        return text[:end] + extra + text[end:]

    return fields


def _dns64_kept(ec2: Any, original: Handler) -> Handler:
    def modify(params: Any) -> Any:
        answer = original(params)
        value = ec2._p(params, "EnableDns64.Value")
        if value and answer[0] == 200:
            ec2._subnets[ec2._p(params, "SubnetId")]["EnableDns64"] = value == "true"
        return answer

    return modify


# --------------------------------------------------------------------------- filters


def _ports_kept(ec2: Any, original: Handler) -> Handler:
    """MiniStack drops the ports of an ACL's rule, which then lets everything through."""

    def create(params: Any) -> Any:
        acl = ec2._network_acls.get(ec2._p(params, "NetworkAclId"))
        before = len(acl["Entries"]) if acl else 0
        answer = original(params)
        for entry in (acl or {"Entries": []})["Entries"][before:]:
            ports = _entries_with_ports(params, ec2)
            if ports:
                entry["PortRange"] = ports
        return answer

    return create


def _with_ports(original: Callable[[Any], str]) -> Callable[[Any], str]:
    def entry_xml(entry: Mapping[str, Any]) -> str:
        text = original(entry)
        ports = entry.get("PortRange")
        if not ports:
            return text
        extra = f"<portRange><from>{ports['From']}</from><to>{ports['To']}</to></portRange>"
        end = text.rindex("</item>")
        return text[:end] + extra + text[end:]

    return entry_xml


def _subnet_kept(ec2: Any, original: Handler) -> Handler:
    """A replaced association is of the same subnet as before."""

    def replace(params: Any) -> Any:
        wanted = ec2._p(params, "AssociationId")
        old = [
            a["SubnetId"]
            for acl in ec2._network_acls.values()
            for a in acl["Associations"]
            if a["NetworkAclAssociationId"] == wanted
        ]
        answer = original(params)
        for association in ec2._network_acls[ec2._p(params, "NetworkAclId")]["Associations"]:
            if not association["SubnetId"] and old:
                association["SubnetId"] = old[0]
        return answer

    return replace


def _with_prefix_lists(ec2: Any, original: Callable[..., Any]) -> Callable[..., Any]:
    def parse(params: Any, prefix: str) -> Any:
        rules = original(params, prefix)
        for number, rule in enumerate(rules, start=1):
            place = f"{prefix}.{number}.PrefixListIds"
            count = 1
            while list_id := ec2._p(params, f"{place}.{count}.PrefixListId"):
                rule["PrefixListIds"].append({"PrefixListId": list_id})
                count += 1
        return rules

    return parse


# --------------------------------------------------------------------------- routes


def _every_destination(ec2: Any, original: Handler) -> Handler:
    """Routes to IPv6 blocks and prefix lists, through every kind of target."""

    def create(params: Any) -> Any:
        table = ec2._route_tables.get(ec2._p(params, "RouteTableId"))
        answer = original(params)
        if table is None:
            return answer
        route = table["Routes"][-1]
        for name in _DESTINATIONS:
            if ec2._p(params, name):
                route.pop("DestinationCidrBlock", None)
                route[name] = _plain(ec2._p(params, name))
        target = next((n for n in _TARGETS if ec2._p(params, n)), None)
        if target is not None:
            route.pop("GatewayId", None)
            route[target] = ec2._p(params, target)
        return answer

    return create


def _plain(destination: str) -> str:
    """IPv6 blocks are shown in their short form."""
    return str(ipaddress.ip_network(destination)) if ":" in destination else destination


def _routes_left_behind(ec2: Any, original: Handler) -> Handler:
    """A route whose NAT gateway is gone stays, as a black hole."""

    def delete(params: Any) -> Any:
        answer = original(params)
        for table in ec2._route_tables.values():
            for route in table["Routes"]:
                if route.get("NatGatewayId") == ec2._p(params, "NatGatewayId"):
                    route["State"] = "blackhole"
        return answer

    return delete


def route_to_gateway_endpoint(ec2: Any, endpoint: Mapping[str, Any]) -> None:
    """A gateway endpoint puts a route to its service's prefix list into each of its tables."""
    name = endpoint["ServiceName"]
    for table_id in endpoint["RouteTableIds"]:
        table = ec2._route_tables.get(table_id)
        if table is not None:
            route = {
                "DestinationPrefixListId": ec2._aws_pl_id_from_name(name),
                "GatewayId": endpoint["VpcEndpointId"],
                "State": "active",
                "Origin": "CreateRoute",
            }
            table["Routes"].append(route)
