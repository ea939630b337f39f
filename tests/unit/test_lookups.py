"""The look-ups against clients made from botocore's service models.

No network: the real client classes, paginators included, with the last step replaced by answers
from a table.  Every request and every answer is validated against the service model, so a test
cannot say what AWS could not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError
from botocore.validate import validate_parameters

from patchmedic.checks.aws import AWS_CHECKS, needs_of, run_aws_checks
from patchmedic.checks.aws.snapshot import NEEDS, Gap, NodeSnapshot
from patchmedic.lookup_calls import PAGES_MAX
from patchmedic.lookups import HOST_MANAGEMENT_SETTING, Lookups
from patchmedic.model import NodeRef, Verdict

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
REGION = "ap-northeast-1"
NODE = NodeRef("123456789012", REGION, "i-0a1b2c3d4e5f60001")
POLICY = '{"Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}'
TRUST = (
    '{"Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},'
    '"Action":"sts:AssumeRole"}]}'
)

Answer = Mapping[str, Any] | Exception | Callable[[Mapping[str, Any]], Any]


def denied(code: str, message: str = "not authorized", status: int = 403) -> ClientError:
    body = {"Error": {"Code": code, "Message": message}}
    return ClientError({**body, "ResponseMetadata": {"HTTPStatusCode": status}}, "Any")


@cache
def real_client(service: str) -> Any:
    """Making one costs more than using it; the answers are put in anew by each ``World``."""
    return boto3.client(
        service,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"mode": "adaptive"}),
    )


class World:
    """A factory of clients that answer from ``answers`` ("ec2:DescribeVpcs" -> answer)."""

    def __init__(self, **changes: Answer) -> None:
        self.answers: dict[str, Answer] = {**healthy(), **changes}
        self.calls: list[tuple[str, Mapping[str, Any]]] = []
        self.made: list[str] = []

    def client(self, service: str) -> Any:
        self.made.append(service)
        made = real_client(service)

        def answer(operation: str, params: Mapping[str, Any]) -> Any:
            name = f"{service}:{operation}"
            self.calls.append((name, params))
            model = made.meta.service_model.operation_model(operation)
            validate_parameters(params, model.input_shape)
            given = self.answers[name]
            if isinstance(given, Exception):
                raise given
            found = given(params) if callable(given) else given
            validate_parameters(found, model.output_shape)
            return found

        made._make_api_call = answer
        return made

    def names(self) -> list[str]:
        return [name for name, _ in self.calls]

    def look(self, wanted: frozenset[str] = NEEDS, node: NodeRef = NODE) -> NodeSnapshot:
        clients: dict[str, Any] = {}

        def factory(service: str) -> Any:
            if service not in clients:
                clients[service] = self.client(service)
            return clients[service]

        return Lookups(factory).snapshot(node, wanted, now=NOW)


def healthy() -> dict[str, Answer]:
    """What AWS says about a node in a private subnet with endpoints."""
    return {
        "ec2:DescribeInstances": {"Reservations": [{"Instances": [instance()]}]},
        "ec2:DescribeInstanceStatus": {
            "InstanceStatuses": [
                {
                    "InstanceId": NODE.node_id,
                    "InstanceStatus": {"Status": "ok"},
                    "SystemStatus": {"Status": "ok"},
                    "Events": [{"Code": "instance-retirement", "Description": "soon"}],
                }
            ]
        },
        "ssm:DescribeInstanceInformation": {
            "InstanceInformationList": [
                {
                    "InstanceId": NODE.node_id,
                    "PingStatus": "ConnectionLost",
                    "LastPingDateTime": NOW - timedelta(hours=1),
                    "AgentVersion": "3.3.1345.0",
                    "PlatformType": "Linux",
                    "PlatformName": "Amazon Linux",
                    "PlatformVersion": "2023",
                }
            ]
        },
        **commands(),
        **operation(),
        **credentials(),
        **network(),
    }


def instance(**changes: Any) -> dict[str, Any]:
    return {
        "InstanceId": NODE.node_id,
        "State": {"Name": "running", "Code": 16},
        "LaunchTime": NOW - timedelta(days=3),
        "PlatformDetails": "Linux/UNIX",
        "VpcId": "vpc-1",
        "SubnetId": "subnet-1",
        "IamInstanceProfile": {
            "Arn": "arn:aws:iam::123456789012:instance-profile/team/patch-role",
            "Id": "AIPA",
        },
        "MetadataOptions": {"HttpEndpoint": "enabled", "HttpTokens": "required"},
        "NetworkInterfaces": [
            {
                "NetworkInterfaceId": "eni-1",
                "SubnetId": "subnet-1",
                "PrivateIpAddress": "10.0.1.7",
                "Groups": [{"GroupId": "sg-node"}],
                "Attachment": {"DeviceIndex": 0},
            }
        ],
        **changes,
    }


def commands() -> dict[str, Answer]:
    run = {"CommandId": "c" * 36, "DocumentName": "AWS-RunPatchBaseline"}
    at = NOW - timedelta(minutes=20)
    return {
        "ssm:ListCommandInvocations": {
            "CommandInvocations": [
                {
                    **run,
                    "InstanceId": NODE.node_id,
                    "Status": "Failed",
                    "StatusDetails": "Failed",
                    "RequestedDateTime": at,
                    "CommandPlugins": [
                        {"Name": "PatchLinux", "ResponseFinishDateTime": at + timedelta(minutes=3)},
                        {"Name": "PatchWindows"},
                    ],
                }
            ]
        },
        "ssm:ListCommands": {
            "Commands": [{**run, "Parameters": {"Operation": ["Install"]}, "RequestedDateTime": at}]
        },
        "ssm:GetServiceSetting": {
            "ServiceSetting": {"SettingId": HOST_MANAGEMENT_SETTING, "SettingValue": "$None"}
        },
    }


def operation() -> dict[str, Answer]:
    """What is looked up about the run itself; ``test_operation_checks.py`` has its tests."""
    baseline = "pb-0123456789abcdef0"
    return {
        "ssm:GetDefaultPatchBaseline": {
            "BaselineId": baseline,
            "OperatingSystem": "AMAZON_LINUX_2023",
        },
        "ssm:GetPatchBaseline": {"BaselineId": baseline, "Name": "default"},
        "ssm:DescribeInstancePatchStates": {"InstancePatchStates": []},
        "ec2:GetConsoleOutput": {
            "InstanceId": NODE.node_id,
            "Output": "booted\nweb-1 login: ",
            "Timestamp": NOW,
        },
        "ec2:GetConsoleScreenshot": {"InstanceId": NODE.node_id, "ImageData": "/9j/AAAA"},
    }


def credentials() -> dict[str, Answer]:
    role = {
        "Path": "/team/",
        "RoleName": "patch-role",
        "RoleId": "AROA" + "A" * 16,
        "Arn": "arn:aws:iam::123456789012:role/team/patch-role",
        "CreateDate": NOW,
        "AssumeRolePolicyDocument": TRUST,
    }
    boundary = {"PermissionsBoundaryArn": "arn:aws:iam::123456789012:policy/boundary"}
    return {
        "iam:GetInstanceProfile": {
            "InstanceProfile": {
                "Path": "/team/",
                "InstanceProfileName": "patch-role",
                "InstanceProfileId": "AIPA" + "A" * 16,
                "Arn": "arn:aws:iam::123456789012:instance-profile/team/patch-role",
                "CreateDate": NOW,
                "Roles": [role],
            }
        },
        "iam:GetRole": {
            "Role": {
                **role,
                "Tags": [{"Key": "QSConfigId-abcde", "Value": "abcde"}],
                "PermissionsBoundary": boundary,
            }
        },
        "iam:ListAttachedRolePolicies": {
            "AttachedPolicies": [
                {
                    "PolicyName": "AmazonSSMManagedInstanceCore",
                    "PolicyArn": "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore",
                }
            ]
        },
        "iam:ListRolePolicies": {"PolicyNames": ["own"]},
        "iam:GetRolePolicy": {
            "RoleName": "patch-role",
            "PolicyName": "own",
            "PolicyDocument": "%7B%22Statement%22%3A%5B%5D%7D",
        },
        "iam:GetPolicy": {"Policy": {"DefaultVersionId": "v2"}},
        "iam:GetPolicyVersion": {"PolicyVersion": {"Document": POLICY, "VersionId": "v2"}},
        "iam:SimulatePrincipalPolicy": simulate,
    }


def simulate(params: Mapping[str, Any]) -> Any:
    return {
        "EvaluationResults": [
            {"EvalActionName": a, "EvalResourceName": r, "EvalDecision": "allowed"}
            for a in params["ActionNames"]
            for r in params["ResourceArns"]
        ]
    }


def network() -> dict[str, Answer]:
    def endpoint(service: str, **changes: Any) -> dict[str, Any]:
        return {
            "VpcEndpointId": f"vpce-{service}",
            "VpcEndpointType": "Interface",
            "VpcId": "vpc-1",
            "ServiceName": f"com.amazonaws.{REGION}.{service}",
            "State": "available",
            "PolicyDocument": POLICY,
            "PrivateDnsEnabled": True,
            "SubnetIds": ["subnet-1"],
            "Groups": [{"GroupId": "sg-endpoint"}],
            **changes,
        }

    gateway = endpoint(
        "s3",
        VpcEndpointType="Gateway",
        State="Available",
        RouteTableIds=["rtb-1"],
        PrivateDnsEnabled=False,
        SubnetIds=[],
        Groups=[],
    )
    other = endpoint("s3", VpcId="vpc-9", VpcEndpointId="vpce-elsewhere")
    balancer = endpoint("s3", VpcEndpointType="GatewayLoadBalancer", VpcEndpointId="vpce-gwlb")
    services = [endpoint(s) for s in ("ssm", "ssmmessages", "ec2messages")]
    return {
        "ec2:DescribeSubnets": {
            "Subnets": [{"SubnetId": "subnet-1", "VpcId": "vpc-1", "CidrBlock": "10.0.1.0/24"}]
        },
        "ec2:DescribeRouteTables": {
            "RouteTables": [
                {
                    "RouteTableId": "rtb-1",
                    "VpcId": "vpc-1",
                    "Associations": [{"Main": True, "RouteTableId": "rtb-1"}],
                    "Routes": [
                        {
                            "DestinationCidrBlock": "10.0.0.0/16",
                            "GatewayId": "local",
                            "State": "active",
                        },
                        {
                            "DestinationPrefixListId": "pl-s3",
                            "GatewayId": "vpce-s3",
                            "State": "active",
                        },
                        {
                            "DestinationPrefixListId": "pl-own",
                            "TransitGatewayId": "tgw-1",
                            "State": "blackhole",
                        },
                    ],
                }
            ]
        },
        "ec2:DescribeNetworkAcls": {
            "NetworkAcls": [
                {
                    "NetworkAclId": "acl-1",
                    "VpcId": "vpc-1",
                    "IsDefault": True,
                    "Associations": [{"SubnetId": "subnet-1", "NetworkAclId": "acl-1"}],
                    "Entries": [
                        {
                            "RuleNumber": number,
                            "Egress": egress,
                            "Protocol": "-1",
                            "RuleAction": "allow" if number == 100 else "deny",
                            **block,
                        }
                        for number in (100, 32767)
                        for egress in (True, False)
                        for block in ({"CidrBlock": "0.0.0.0/0"}, {"Ipv6CidrBlock": "::/0"})
                    ],
                }
            ]
        },
        "ec2:DescribeSecurityGroups": {
            "SecurityGroups": [
                {
                    "GroupId": "sg-node",
                    "IpPermissionsEgress": [
                        {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
                    ],
                },
                {
                    "GroupId": "sg-endpoint",
                    "IpPermissions": [
                        {
                            "IpProtocol": "tcp",
                            "FromPort": 443,
                            "ToPort": 443,
                            "UserIdGroupPairs": [{"GroupId": "sg-node"}],
                        }
                    ],
                },
            ]
        },
        "ec2:DescribeVpcEndpoints": {"VpcEndpoints": [gateway, other, balancer, *services]},
        "ec2:DescribeNatGateways": {
            "NatGateways": [{"NatGatewayId": "nat-1", "State": "available", "VpcId": "vpc-1"}]
        },
        "ec2:DescribePrefixLists": {
            "PrefixLists": [
                {
                    "PrefixListId": "pl-s3",
                    "PrefixListName": f"com.amazonaws.{REGION}.s3",
                    "Cidrs": ["52.219.0.0/20"],
                }
            ]
        },
        "ec2:GetManagedPrefixListEntries": {"Entries": [{"Cidr": "192.0.2.0/24"}]},
        "ec2:DescribeVpcAttribute": lambda params: {
            params["Attribute"][0].upper() + params["Attribute"][1:]: {"Value": True}
        },
        "ec2:DescribeVpcs": {"Vpcs": [{"VpcId": "vpc-1", "DhcpOptionsId": "dopt-1"}]},
        "ec2:DescribeDhcpOptions": {
            "DhcpOptions": [
                {
                    "DhcpOptionsId": "dopt-1",
                    "DhcpConfigurations": [
                        {"Key": "domain-name-servers", "Values": [{"Value": "AmazonProvidedDNS"}]}
                    ],
                }
            ]
        },
    }


def gap_calls(snapshot: NodeSnapshot) -> set[str]:
    return {g.call for g in snapshot.gaps}


# ------------------------------------------------------------------- what is read


def test_a_full_look_reads_everything_and_leaves_no_gap() -> None:
    snapshot = World().look()
    assert snapshot.gaps == ()
    assert snapshot.instance is not None
    assert snapshot.instance.platform == "linux"
    assert snapshot.status is not None
    assert snapshot.status.events[0].code == "instance-retirement"
    assert snapshot.profile is not None
    assert (snapshot.profile.name, snapshot.profile.role_name) == ("patch-role", "patch-role")
    assert snapshot.host_management_role == ""
    role = snapshot.role
    assert role is not None
    assert role.tags == {"QSConfigId-abcde": "abcde"}
    assert role.policies is not None
    assert [p.document is not None for p in role.policies] == [True, True]
    assert role.boundary is not None
    assert role.boundary.document is not None
    assert snapshot.commands is not None
    assert snapshot.commands[0].parameters == {"Operation": ("Install",)}
    assert snapshot.commands[0].finished == NOW - timedelta(minutes=17)


def test_the_network_is_read_as_it_is() -> None:
    net = World().look().network
    assert net is not None
    assert net.endpoints is not None
    assert {e.endpoint_id for e in net.endpoints} == {
        "vpce-s3",
        "vpce-ssm",
        "vpce-ssmmessages",
        "vpce-ec2messages",
    }
    table = net.table_of("subnet-1")
    assert table is not None
    assert [(r.target, r.blackhole) for r in table.routes] == [
        ("local", False),
        ("vpce-s3", False),
        ("tgw-1", True),
    ]
    assert net.acls is not None
    assert [e.cidr for e in net.acls[0].entries].count("::/0") == 4
    own = net.prefix_list("pl-own")
    assert own is not None
    assert own.cidrs == ("192.0.2.0/24",)
    assert (net.dns_support, net.dns_hostnames, net.amazon_dns) == (True, True, True)


def test_ipv6_is_read_everywhere() -> None:
    instance_ = instance()
    interface_ = {
        **instance_["NetworkInterfaces"][0],
        "Ipv6Addresses": [{"Ipv6Address": "2001:db8::7"}],
    }
    options = {
        "HttpTokens": "required",
        "HttpPutResponseHopLimit": 1,
        "HttpProtocolIpv6": "enabled",
    }
    changed = {
        **instance_,
        "NetworkInterfaces": [interface_],
        "MetadataOptions": {**instance_["MetadataOptions"], **options},
    }
    blocks = [
        {"Ipv6CidrBlock": "2001:db8::/64", "Ipv6CidrBlockState": {"State": "associated"}},
        {"Ipv6CidrBlock": "2001:db9::/64", "Ipv6CidrBlockState": {"State": "disassociated"}},
    ]
    world = World()
    world.answers["ec2:DescribeInstances"] = {"Reservations": [{"Instances": [changed]}]}
    world.answers["ec2:DescribeSubnets"] = {
        "Subnets": [
            {
                "SubnetId": "subnet-1",
                "VpcId": "vpc-1",
                "Ipv6Native": True,
                "EnableDns64": True,
                "Ipv6CidrBlockAssociationSet": blocks,
            }
        ]
    }
    world.answers["ec2:DescribeSecurityGroups"] = {
        "SecurityGroups": [
            {
                "GroupId": "sg-node",
                "IpPermissionsEgress": [{"IpProtocol": "-1", "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}],
            }
        ]
    }
    snapshot = world.look()
    assert snapshot.instance is not None
    assert snapshot.instance.interfaces[0].ipv6 == ("2001:db8::7",)
    assert snapshot.instance.imds_tokens == "required"
    assert (snapshot.instance.imds_hop_limit, snapshot.instance.imds_ipv6) == (1, "enabled")
    assert snapshot.network is not None
    assert snapshot.network.subnets is not None
    subnet = snapshot.network.subnets[0]
    assert (subnet.cidr, subnet.ipv6_cidrs, subnet.dns64) == (None, ("2001:db8::/64",), True)
    assert snapshot.network.groups is not None
    assert snapshot.network.groups[0].rules[0].cidrs == ("::/0",)


def refused(region: str | None) -> ClientError:
    """S3's refusal, which names the bucket's Region all the same."""
    headers = {"x-amz-bucket-region": region} if region else {}
    meta = {"HTTPStatusCode": 403, "HTTPHeaders": headers}
    body = {"Error": {"Code": "403", "Message": "Forbidden"}, "ResponseMetadata": meta}
    return ClientError(body, "HeadBucket")


@pytest.mark.parametrize(
    ("answer", "regions", "gaps"),
    [
        ({"BucketRegion": "us-east-1"}, {"lists": "us-east-1"}, set()),
        (refused("eu-west-1"), {"lists": "eu-west-1"}, set()),
        (refused(None), {}, {"s3:ListBucket"}),
        ({}, {}, set()),
    ],
)
def test_the_regions_of_the_runs_buckets(
    answer: Answer, regions: dict[str, str], gaps: set[str]
) -> None:
    world = World(**{"s3:HeadBucket": answer})
    named = {"InstallOverrideList": ("s3://lists/list.yaml",)}
    snapshot = Lookups(world.client).snapshot(NODE, NEEDS, now=NOW, parameters=named)
    assert snapshot.bucket_regions == regions
    assert gap_calls(snapshot) == gaps
    assert World().look().bucket_regions == {}


def test_the_healthy_world_is_judged_healthy() -> None:
    found = run_aws_checks(AWS_CHECKS, World().look(), NOW)
    assert {f.cause for f in found if f.verdict is Verdict.CONFIRMS} == {"agent-not-running"}
    refuted = {f.cause for f in found if f.verdict is Verdict.REFUTES}
    assert refuted >= {"s3-unreachable", "ssm-endpoint-unreachable", "iam-permission-missing"}


def test_custom_dns_servers_are_seen() -> None:
    custom = {
        "DhcpOptions": [
            {
                "DhcpOptionsId": "dopt-1",
                "DhcpConfigurations": [
                    {"Key": "domain-name-servers", "Values": [{"Value": "10.0.0.53"}]}
                ],
            }
        ]
    }
    net = World(**{"ec2:DescribeDhcpOptions": custom}).look().network
    assert net is not None
    assert net.amazon_dns is False


def test_iams_doubts_and_reasons_are_kept() -> None:
    def denying(params: Mapping[str, Any]) -> Any:
        return {
            "EvaluationResults": [
                {
                    "EvalActionName": params["ActionNames"][0],
                    "EvalResourceName": "*",
                    "EvalDecision": "implicitDeny",
                    "MissingContextValues": ["aws:SourceVpc"],
                    "PermissionsBoundaryDecisionDetail": {"AllowedByPermissionsBoundary": False},
                    "OrganizationsDecisionDetail": {"AllowedByOrganizations": True},
                }
            ]
        }

    decisions = World(**{"iam:SimulatePrincipalPolicy": denying}).look().decisions
    assert decisions is not None
    (only,) = decisions
    assert (only.certain, only.by_boundary, only.by_organization) == (False, True, False)


def test_an_instance_shown_without_its_interfaces_is_read_from_its_own_fields() -> None:
    plain = instance(
        NetworkInterfaces=[],
        PrivateIpAddress="10.0.1.7",
        PublicIpAddress="198.51.100.7",
        SecurityGroups=[{"GroupId": "sg-node"}],
    )
    snapshot = World(**{"ec2:DescribeInstances": {"Reservations": [{"Instances": [plain]}]}}).look()
    assert snapshot.instance is not None
    (only,) = snapshot.instance.interfaces
    assert (only.subnet_id, only.public_ip, only.group_ids) == (
        "subnet-1",
        "198.51.100.7",
        ("sg-node",),
    )


# ------------------------------------------------------------------- only what is needed


def test_only_the_clients_and_calls_that_are_needed() -> None:
    world = World()
    snapshot = world.look(needs_of(["recent-commands"]))
    assert world.made == ["ssm"]
    assert set(world.names()) == {"ssm:ListCommandInvocations", "ssm:ListCommands"}
    assert snapshot.instance is None
    world = World()
    world.look(needs_of(["instance-state"]))
    assert sorted(world.made) == ["ec2", "ssm"]


def test_a_hybrid_node_never_asks_ec2() -> None:
    node = NodeRef("123456789012", REGION, "mi-0a1b2c3d4e5f60001")
    hybrid = {
        "InstanceInformationList": [
            {
                "InstanceId": node.node_id,
                "PingStatus": "Online",
                "IamRole": "service-role/hybrid",
                "PlatformType": "Windows",
            }
        ]
    }
    world = World(
        **{
            "ssm:DescribeInstanceInformation": hybrid,
            "ssm:ListTagsForResource": {"TagList": [{"Key": "Patch Group", "Value": "web"}]},
            "ssm:GetPatchBaselineForPatchGroup": {"BaselineId": "pb-0123456789abcdef0"},
        }
    )
    snapshot = world.look(NEEDS, node)
    assert "ec2" not in world.made
    assert snapshot.platform == "windows"
    asked = dict(world.calls)["iam:GetRole"]
    assert asked["RoleName"] == "hybrid"


def test_default_host_managements_role_is_the_nodes_role() -> None:
    bare = instance()
    del bare["IamInstanceProfile"]
    default = "service-role/AWSSystemsManagerDefaultEC2InstanceManagementRole"
    setting = {"SettingId": HOST_MANAGEMENT_SETTING, "SettingValue": default}
    changes: dict[str, Answer] = {
        "ec2:DescribeInstances": {"Reservations": [{"Instances": [bare]}]},
        "ssm:GetServiceSetting": {"ServiceSetting": setting},
    }
    world = World(**changes)
    snapshot = world.look()
    assert snapshot.host_management_role == default
    role_name = dict(world.calls)["iam:GetRole"]["RoleName"]
    assert role_name == "AWSSystemsManagerDefaultEC2InstanceManagementRole"


def test_a_need_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="instance-state"):
        World().look(frozenset({"instance-state"}))


# ------------------------------------------------------------------- pages


def test_every_page_is_read() -> None:
    def pages(params: Mapping[str, Any]) -> Any:
        page = int(params.get("NextToken", "0"))
        found = {"Subnets": [{"SubnetId": f"subnet-{page}", "VpcId": "vpc-1"}]}
        return {**found, "NextToken": str(page + 1)} if page < 3 else found

    net = World(**{"ec2:DescribeSubnets": pages}).look().network
    assert net is not None
    assert net.subnets is not None
    assert [s.subnet_id for s in net.subnets] == [f"subnet-{n}" for n in range(4)]


def test_iams_marker_pages_are_read_too() -> None:
    def pages(params: Mapping[str, Any]) -> Any:
        if "Marker" in params:
            return {"PolicyNames": ["second"], "IsTruncated": False}
        return {"PolicyNames": ["first"], "IsTruncated": True, "Marker": "m"}

    role = World(**{"iam:ListRolePolicies": pages}).look().role
    assert role is not None
    assert role.policies is not None
    assert [p.name for p in role.policies][1:] == ["first", "second"]


def test_an_endless_list_is_unknown_not_half_known() -> None:
    def endless(params: Mapping[str, Any]) -> Any:
        page = int(params.get("NextToken", "0"))
        return {"RouteTables": [], "NextToken": str(page + 1)}

    world = World(**{"ec2:DescribeRouteTables": endless})
    snapshot = world.look()
    assert snapshot.network is not None
    assert snapshot.network.route_tables is None
    assert [g.code for g in snapshot.gaps] == ["TooManyPages"]
    assert world.names().count("ec2:DescribeRouteTables") <= PAGES_MAX + 1


# ------------------------------------------------------------------- gaps


def test_an_instance_that_is_gone_is_an_answer_not_a_gap() -> None:
    error = denied("InvalidInstanceID.NotFound", "does not exist", 400)
    snapshot = World(**{"ec2:DescribeInstances": error}).look()
    assert snapshot.instance_gone
    assert snapshot.gaps == ()
    empty = World(**{"ec2:DescribeInstances": {"Reservations": []}}).look()
    assert empty.instance_gone


def test_a_node_that_systems_manager_does_not_know_is_an_answer_too() -> None:
    unknown = denied("InvalidInstanceId", "not registered", 400)
    answers: list[Answer] = [unknown, {"InstanceInformationList": []}]
    for answer in answers:
        snapshot = World(**{"ssm:DescribeInstanceInformation": answer}).look()
        assert snapshot.managed is None
        assert snapshot.managed_read
        assert snapshot.gaps == ()


def test_a_deleted_profile_is_an_answer() -> None:
    error = denied("NoSuchEntity", "cannot be found", 404)
    snapshot = World(**{"iam:GetInstanceProfile": error}).look()
    assert snapshot.profile is not None
    assert not snapshot.profile.exists
    assert snapshot.gaps == ()


def test_an_unreadable_profile_is_not_a_deleted_one() -> None:
    snapshot = World(**{"iam:GetInstanceProfile": denied("AccessDenied")}).look()
    assert snapshot.profile is None
    assert snapshot.gaps == (Gap("iam:GetInstanceProfile", "AccessDenied", "not authorized"),)


ERRORS: list[tuple[Exception, str]] = [
    (denied("UnauthorizedOperation"), "UnauthorizedOperation"),
    (denied("AccessDenied"), "AccessDenied"),
    (denied("RequestLimitExceeded", status=503), "RequestLimitExceeded"),
    (denied("ThrottlingException", status=400), "ThrottlingException"),
    (denied("InternalError", status=500), "InternalError"),
    (EndpointConnectionError(endpoint_url="https://ec2"), "EndpointConnectionError"),
    (ReadTimeoutError(endpoint_url="https://ec2"), "ReadTimeoutError"),
]


@pytest.mark.parametrize("call", sorted(healthy()))
@pytest.mark.parametrize(("error", "code"), ERRORS, ids=[c for _, c in ERRORS])
def test_any_failing_call_is_a_gap_and_never_a_wrong_confirmation(
    call: str, error: Exception, code: str
) -> None:
    snapshot = World(**{call: error}).look()
    assert gap_calls(snapshot) == {call}
    assert {g.code for g in snapshot.gaps} == {code}
    found = run_aws_checks(AWS_CHECKS, snapshot, NOW)
    confirmed = {f.cause for f in found if f.verdict is Verdict.CONFIRMS}
    assert confirmed <= {"agent-not-running"}  # true of this world, where it can still be seen


def test_everything_failing_is_a_list_of_gaps() -> None:
    world = World(**{name: denied("AccessDenied") for name in healthy()})
    snapshot = world.look()
    assert "ec2:DescribeInstances" in gap_calls(snapshot)
    found = run_aws_checks(AWS_CHECKS, snapshot, NOW)
    assert {f.verdict for f in found} == {Verdict.NEUTRAL}
    assert any("ec2:DescribeInstances" in f.fix.get("en", "") for f in found)


def test_a_permission_that_simulation_lacks_is_made_up_for_by_the_text() -> None:
    snapshot = World(**{"iam:SimulatePrincipalPolicy": denied("AccessDenied")}).look()
    assert snapshot.decisions is None
    found = run_aws_checks(["role-policies"], snapshot, NOW)
    assert [f.verdict for f in found] == [Verdict.REFUTES]
