"""Builds VPCs through the EC2 API of the local cloud, a call for each thing.

Here: small words for what a network is made of.  Not here: which networks there are and what the
checks must say of them (``test_topologies``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from patchmedic.cli.cloud import REGION

ANY, ANY6 = "0.0.0.0/0", "::/0"
ALL_OUT: tuple[Mapping[str, Any], ...] = ({"IpProtocol": "-1", "IpRanges": [{"CidrIp": ANY}]},)
ALL_OUT_6: tuple[Mapping[str, Any], ...] = (
    {
        "IpProtocol": "-1",
        "IpRanges": [{"CidrIp": ANY}],
        "Ipv6Ranges": [{"CidrIpv6": ANY6}],
    },
)
MESSAGING = ("ssm", "ssmmessages", "ec2messages")


def https(**to: Any) -> Mapping[str, Any]:
    """A group rule for TCP 443, to (or from) what botocore's ``IpPermission`` names."""
    return {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, **to}


def rule(
    number: int,
    way: str,
    *,
    ports: tuple[int, int] | None = None,
    allow: bool = True,
    to: str = ANY,
) -> dict[str, Any]:
    """An entry of a network ACL; ``way`` is ``in`` or ``out``."""
    block = {"Ipv6CidrBlock": to} if ":" in to else {"CidrBlock": to}
    span = {"PortRange": {"From": ports[0], "To": ports[1]}} if ports else {}
    return {
        "RuleNumber": number,
        "Egress": way == "out",
        "RuleAction": "allow" if allow else "deny",
        "Protocol": "6" if ports else "-1",
        **block,
        **span,
    }


@dataclass
class Node:
    """A node in the VPC, and what Systems Manager would say of it."""

    node_id: str
    platform: str = "linux"
    os_name: str = "Amazon Linux"
    agent: str = "3.3.1345.0"
    parameters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class Vpc:
    """One VPC in the making; every method is one or a few calls of the EC2 API."""

    def __init__(self, ec2: Any, *, ipv6: bool = False) -> None:
        self.ec2 = ec2
        made = ec2.create_vpc(CidrBlock="10.1.0.0/16", AmazonProvidedIpv6CidrBlock=ipv6)
        self.vpc_id: str = made["Vpc"]["VpcId"]
        self.dns(hostnames=True)
        self._count = 0

    def _number(self) -> int:
        self._count += 1
        return self._count

    def dns(self, *, hostnames: bool) -> None:
        self.ec2.modify_vpc_attribute(VpcId=self.vpc_id, EnableDnsHostnames={"Value": hostnames})

    def own_dns(self, server: str) -> None:
        configuration = [{"Key": "domain-name-servers", "Values": [server]}]
        made = self.ec2.create_dhcp_options(DhcpConfigurations=configuration)["DhcpOptions"]
        self.ec2.associate_dhcp_options(DhcpOptionsId=made["DhcpOptionsId"], VpcId=self.vpc_id)

    def subnet(self, *, public: bool = False, ipv6: bool = False, native: bool = False) -> str:
        number = self._number()
        block = {} if native else {"CidrBlock": f"10.1.{number}.0/24"}
        six = {"Ipv6CidrBlock": f"2406:da14:1:{number}::/64"} if ipv6 or native else {}
        made = self.ec2.create_subnet(VpcId=self.vpc_id, Ipv6Native=native, **block, **six)
        subnet: str = made["Subnet"]["SubnetId"]
        if public:
            self.ec2.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": True})
        return subnet

    def table(self, subnet: str, *routes: Mapping[str, str]) -> str:
        made = self.ec2.create_route_table(VpcId=self.vpc_id)["RouteTable"]["RouteTableId"]
        self.ec2.associate_route_table(RouteTableId=made, SubnetId=subnet)
        for route in routes:
            self.ec2.create_route(RouteTableId=made, **route)
        return str(made)

    def main_table(self) -> str:
        tables = self.ec2.describe_route_tables(
            Filters=[{"Name": "vpc-id", "Values": [self.vpc_id]}]
        )["RouteTables"]
        main = next(t for t in tables if any(a["Main"] for a in t["Associations"]))
        return str(main["RouteTableId"])

    def igw(self) -> str:
        made = self.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        self.ec2.attach_internet_gateway(InternetGatewayId=made, VpcId=self.vpc_id)
        return str(made)

    def public_subnet(self) -> str:
        subnet = self.subnet(public=True)
        self.table(subnet, {"DestinationCidrBlock": ANY, "GatewayId": self.igw()})
        return subnet

    def nat(self, subnet: str, *, private: bool = False) -> str:
        kind = "private" if private else "public"
        made = self.ec2.create_nat_gateway(SubnetId=subnet, ConnectivityType=kind)
        return str(made["NatGateway"]["NatGatewayId"])

    def eigw(self) -> str:
        made = self.ec2.create_egress_only_internet_gateway(VpcId=self.vpc_id)
        return str(made["EgressOnlyInternetGateway"]["EgressOnlyInternetGatewayId"])

    def group(
        self,
        *,
        out: Sequence[Mapping[str, Any]] = ALL_OUT,
        into: Sequence[Mapping[str, Any]] = (),
    ) -> str:
        name = f"group-{self._number()}"
        made = self.ec2.create_security_group(GroupName=name, Description=name, VpcId=self.vpc_id)[
            "GroupId"
        ]
        self.ec2.revoke_security_group_egress(GroupId=made, IpPermissions=list(ALL_OUT))
        if out:
            self.ec2.authorize_security_group_egress(GroupId=made, IpPermissions=list(out))
        if into:
            self.ec2.authorize_security_group_ingress(GroupId=made, IpPermissions=list(into))
        return str(made)

    def prefix_list(self, *cidrs: str) -> str:
        made = self.ec2.create_managed_prefix_list(
            PrefixListName=f"ours-{self._number()}",
            AddressFamily="IPv6" if ":" in cidrs[0] else "IPv4",
            MaxEntries=10,
            Entries=[{"Cidr": c} for c in cidrs],
        )
        return str(made["PrefixList"]["PrefixListId"])

    def s3_list(self) -> str:
        name = [{"Name": "prefix-list-name", "Values": [f"com.amazonaws.{REGION}.s3"]}]
        return str(self.ec2.describe_prefix_lists(Filters=name)["PrefixLists"][0]["PrefixListId"])

    def acl(self, subnet: str, *entries: Mapping[str, Any]) -> str:
        """A new ACL before the subnet, in the place of the one that is there."""
        made = self.ec2.create_network_acl(VpcId=self.vpc_id)["NetworkAcl"]["NetworkAclId"]
        for entry in entries:
            self.ec2.create_network_acl_entry(NetworkAclId=made, **entry)
        old = self.ec2.describe_network_acls(Filters=[{"Name": "vpc-id", "Values": [self.vpc_id]}])[
            "NetworkAcls"
        ]
        for association in (a for acl in old for a in acl["Associations"]):
            if association["SubnetId"] == subnet:
                self.ec2.replace_network_acl_association(
                    AssociationId=association["NetworkAclAssociationId"], NetworkAclId=made
                )
        return str(made)

    def gateway(self, *tables: str, policy: Mapping[str, Any] | None = None, **more: Any) -> str:
        document = {"PolicyDocument": json.dumps(policy)} if policy else {}
        made = self.ec2.create_vpc_endpoint(
            VpcId=self.vpc_id,
            VpcEndpointType="Gateway",
            ServiceName=f"com.amazonaws.{REGION}.s3",
            RouteTableIds=list(tables),
            **document,
            **more,
        )
        return str(made["VpcEndpoint"]["VpcEndpointId"])

    def interface(
        self,
        service: str,
        subnet: str,
        group: str,
        *,
        private_dns: bool = True,
        policy: Mapping[str, Any] | None = None,
        region: str = REGION,
        **more: Any,
    ) -> str:
        document = {"PolicyDocument": json.dumps(policy)} if policy else {}
        elsewhere = {} if region == REGION else {"ServiceRegion": region}
        made = self.ec2.create_vpc_endpoint(
            VpcId=self.vpc_id,
            VpcEndpointType="Interface",
            ServiceName=f"com.amazonaws.{region}.{service}",
            SubnetIds=[subnet],
            SecurityGroupIds=[group],
            PrivateDnsEnabled=private_dns,
            **document,
            **elsewhere,
            **more,
        )
        return str(made["VpcEndpoint"]["VpcEndpointId"])

    def messaging(self, subnet: str, group: str, **more: Any) -> dict[str, str]:
        return {name: self.interface(name, subnet, group, **more) for name in MESSAGING}

    def node(self, subnet: str, group: str, *, ipv6: str | None = None, **more: Any) -> str:
        six = {"Ipv6Addresses": [{"Ipv6Address": ipv6}]} if ipv6 else {}
        made = self.ec2.run_instances(
            ImageId="ami-00000000",
            InstanceType="t3.micro",
            MinCount=1,
            MaxCount=1,
            SubnetId=subnet,
            SecurityGroupIds=[group],
            PrivateIpAddress=f"10.1.{self._count}.77",
            **six,
            **more,
        )
        return str(made["Instances"][0]["InstanceId"])
