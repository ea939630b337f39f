"""Building a scenario's network, roles and instances in MiniStack's EC2 and IAM.

Here: from names in the file to ids in the account.  Not here: the nodes' own state (``fleet``).
Instances are records only: nothing is started for them, with or without a Docker engine.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from patchmedic_local import cloud
from patchmedic_local.options import ACCOUNT, REGION
from patchmedic_local.scenario.reading import ScenarioError
from patchmedic_local.scenario.scenario import NodeSpec, Scenario

_STATE_CODES = {
    "pending": 0,
    "running": 16,
    "shutting-down": 32,
    "terminated": 48,
    "stopping": 64,
    "stopped": 80,
}
_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "ec2.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}


class Network:
    """Ids by the names of the scenario files.  Later files may use the names of earlier ones."""

    def __init__(self) -> None:
        self.ids: dict[str, str] = {}
        self._tables: dict[str, str] = {}
        self._cidrs: dict[str, str] = {}

    def build(self, network: Mapping[str, Any]) -> None:
        cloud.make_default_dhcp_options()
        for name, vpc in network.get("vpcs", {}).items():
            vpc_id = self._make("vpc", name, "CreateVpc", "vpcId", CidrBlock=vpc["cidr"])
            # The private names of interface endpoints resolve only with it.
            self._cidrs[name] = vpc["cidr"]
            hostnames = {"EnableDnsHostnames.Value": "true"}
            cloud.ec2_call("ModifyVpcAttribute", VpcId=vpc_id, **hostnames)
        for name, gateway in network.get("internet_gateways", {}).items():
            igw = self._make("internet-gateway", name, "CreateInternetGateway", "internetGatewayId")
            vpc_id = self._id(gateway["vpc"])
            cloud.ec2_call("AttachInternetGateway", InternetGatewayId=igw, VpcId=vpc_id)
        subnets = network.get("subnets", {})
        for name, subnet in subnets.items():
            self._subnet(name, subnet)
        for name, gateway in network.get("nat_gateways", {}).items():
            subnet_id = self._id(gateway["subnet"])
            self._make("natgateway", name, "CreateNatGateway", "natGatewayId", SubnetId=subnet_id)
        for name, subnet in subnets.items():
            self._default_route(name, subnet.get("default_route"))
        for name, endpoint in network.get("endpoints", {}).items():
            self._endpoint(name, endpoint)

    def _subnet(self, name: str, subnet: Mapping[str, Any]) -> None:
        vpc_id = self._id(subnet["vpc"])
        subnet_id = self._make(
            "subnet", name, "CreateSubnet", "subnetId", VpcId=vpc_id, CidrBlock=subnet["cidr"]
        )
        table = self._make(
            "route-table", f"{name}-rt", "CreateRouteTable", "routeTableId", VpcId=vpc_id
        )
        cloud.ec2_call("AssociateRouteTable", RouteTableId=table, SubnetId=subnet_id)
        self._tables[name] = table

    def _default_route(self, name: str, via: str | None) -> None:
        if via is None:
            return
        target = self._id(via)
        key = "NatGatewayId" if target.startswith("nat-") else "GatewayId"
        route = {"RouteTableId": self._tables[name], "DestinationCidrBlock": "0.0.0.0/0"}
        cloud.ec2_call("CreateRoute", **route, **{key: target})

    def _endpoint(self, name: str, endpoint: Mapping[str, Any]) -> None:
        parameters: dict[str, Any] = {
            "VpcId": self._id(endpoint["vpc"]),
            "ServiceName": f"com.amazonaws.{REGION}.{endpoint['service']}",
            "VpcEndpointType": endpoint["type"],
        }
        if "policy" in endpoint:
            parameters["PolicyDocument"] = json.dumps(endpoint["policy"])
        if endpoint["type"] == "Interface":
            parameters["SecurityGroupId.1"] = self._https_group(name, endpoint["vpc"])
        for index, subnet in enumerate(endpoint.get("subnets", []), start=1):
            if endpoint["type"] == "Gateway":
                parameters[f"RouteTableId.{index}"] = self._tables[subnet]
            else:
                parameters[f"SubnetId.{index}"] = self._id(subnet)
        self._make("vpc-endpoint", name, "CreateVpcEndpoint", "vpcEndpointId", **parameters)

    def _https_group(self, endpoint: str, vpc: str) -> str:
        """A group that lets the VPC's nodes in on HTTPS: what an interface endpoint needs."""
        group = self._make(
            "security-group",
            f"{endpoint}-sg",
            "CreateSecurityGroup",
            "groupId",
            VpcId=self._id(vpc),
            GroupName=f"{endpoint}-sg",
            GroupDescription="HTTPS from the VPC",
        )
        rule = {
            "IpPermissions.1.IpProtocol": "tcp",
            "IpPermissions.1.FromPort": "443",
            "IpPermissions.1.ToPort": "443",
            "IpPermissions.1.IpRanges.1.CidrIp": self._cidrs[vpc],
        }
        cloud.ec2_call("AuthorizeSecurityGroupIngress", GroupId=group, **rule)
        return group

    def _make(self, kind: str, name: str, action: str, id_tag: str, **parameters: Any) -> str:
        tag = "TagSpecification.1"
        parameters |= {
            f"{tag}.ResourceType": kind,
            f"{tag}.Tag.1.Key": "Name",
            f"{tag}.Tag.1.Value": name,
        }
        text = cloud.ec2_call(action, **parameters)
        found = re.search(rf"<{id_tag}>([^<]+)</{id_tag}>", text)
        if found is None:
            raise RuntimeError(f"ec2:{action} answered without {id_tag}: {text}")
        self.ids[name] = found.group(1)
        return found.group(1)

    def _id(self, name: str) -> str:
        if name not in self.ids:
            raise ScenarioError(f"the network names {name!r}, which it does not define before")
        return self.ids[name]


def build_roles(scenario: Scenario) -> None:
    """Each role with an instance profile of the same name."""
    for name, role in scenario.roles.items():
        parameters: dict[str, str] = {}
        for index, (key, value) in enumerate(role.get("tags", {}).items(), start=1):
            parameters[f"Tags.member.{index}.Key"] = key
            parameters[f"Tags.member.{index}.Value"] = value
        cloud.iam_call(
            "CreateRole", RoleName=name, AssumeRolePolicyDocument=json.dumps(_TRUST), **parameters
        )
        for policy in role.get("managed_policies", []):
            arn = f"arn:aws:iam::aws:policy/{policy}"
            cloud.iam_call("AttachRolePolicy", RoleName=name, PolicyArn=arn)
        if "inline_policy" in role:
            document = json.dumps(role["inline_policy"])
            cloud.iam_call(
                "PutRolePolicy", RoleName=name, PolicyName="own", PolicyDocument=document
            )
        cloud.iam_call("CreateInstanceProfile", InstanceProfileName=name)
        cloud.iam_call("AddRoleToInstanceProfile", InstanceProfileName=name, RoleName=name)


def build_instance(spec: NodeSpec, network: Network, number: int) -> str | None:
    """The EC2 record of an ``i-`` node; its subnet id."""
    if not spec.id.startswith("i-"):
        return None
    subnet_id = network.ids.get(spec.subnet or "")
    if subnet_id is None:
        raise ScenarioError(f"node {spec.id}: an EC2 instance needs a subnet")
    vpc_id = _vpc_of(subnet_id)
    address = f"10.20.{number // 200}.{number % 200 + 10}"
    # Up for a month: whoever looks at a failure does not take a fresh start for its cause.
    launched = datetime.now(UTC) - timedelta(days=30)
    profile = None
    if spec.instance_profile:
        arn = f"arn:aws:iam::{ACCOUNT}:instance-profile/{spec.instance_profile}"
        digest = hashlib.sha256(arn.encode()).hexdigest().upper()
        profile = {"Arn": arn, "Id": f"AIPA{digest[:17]}"}
    record = {
        "InstanceId": spec.id,
        "ImageId": "ami-0123456789abcdef0",
        "InstanceType": "t3.medium",
        "KeyName": "",
        "State": {"Code": _STATE_CODES[spec.state], "Name": spec.state},
        "SubnetId": subnet_id,
        "VpcId": vpc_id,
        "PrivateIpAddress": address,
        "PublicIpAddress": "",
        "PrivateDnsName": f"ip-{address.replace('.', '-')}.{REGION}.compute.internal",
        "PublicDnsName": "",
        "SourceDestCheck": True,
        "SecurityGroups": _default_groups(vpc_id),
        "_platform": spec.platform,
        "Architecture": "x86_64",
        "RootDeviceType": "ebs",
        "RootDeviceName": "/dev/xvda",
        "Hypervisor": "xen",
        "Virtualization": "hvm",
        "Placement": {"AvailabilityZone": f"{REGION}a", "Tenancy": "default"},
        "Monitoring": {"State": "disabled"},
        "AmiLaunchIndex": 0,
        "UserData": "",
        "LaunchTime": launched.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "BlockDeviceMappings": [],
        "IamInstanceProfile": profile,
    }
    if spec.state == "terminated":
        record["_terminated_at"] = time.time()
    cloud.put_instance(record, {"Name": spec.name, **spec.tags})
    return subnet_id


def _default_groups(vpc_id: str) -> list[dict[str, str]]:
    """A new instance is in its VPC's default security group unless told otherwise."""
    group = cloud.default_security_group(vpc_id)
    return [{"GroupId": group, "GroupName": "default"}] if group else []


def _vpc_of(subnet_id: str) -> str:
    text = cloud.ec2_call("DescribeSubnets", **{"SubnetId.1": subnet_id})
    found = re.search(r"<vpcId>([^<]+)</vpcId>", text)
    if found is None:
        raise RuntimeError(f"ec2:DescribeSubnets knows no VPC of {subnet_id}")
    return found.group(1)
