"""Adds to MiniStack's EC2 answers what AWS's have and look-ups rest on.

Instances: their network interface, metadata options and platform.  VPC endpoints: security groups,
private DNS, and the filters of DescribeVpcEndpoints, which MiniStack reads over.  Not here: the
endpoints' policies (``instances``) and which instances there are (``fleet``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from patchmedic_local import cloud
from patchmedic_local.hooks import pinned

_EC2 = "ministack.services.ec2"


def install() -> None:
    """Extend the answers; to be called after ``instances.install``."""
    ec2 = pinned.require(_EC2, "_ACTION_MAP", "_vpc_endpoints", "_p", "_parse_member_list")
    pinned.replace(_EC2, "_instance_xml", _with_instance_details)
    pinned.replace(_EC2, "_vpce_fields_xml", _with_endpoint_details)
    create = pinned.replace(
        _EC2, "_create_vpc_endpoint", lambda original: _keeping_details(ec2, original)
    )
    describe = pinned.replace(
        _EC2, "_describe_vpc_endpoints", lambda original: _honouring_filters(ec2, original)
    )
    for action, handler in (
        ("CreateVpcEndpoint", create),
        ("DescribeVpcEndpoints", describe),
    ):
        assert action in ec2._ACTION_MAP, f"MiniStack no longer maps {action}"
        ec2._ACTION_MAP[action] = handler


def _with_instance_details(original: Callable[[Any], str]) -> Callable[[Any], str]:
    def instance_xml(instance: Mapping[str, Any]) -> str:
        text = original(instance)
        groups = "".join(
            f"<item><groupId>{g['GroupId']}</groupId><groupName>{g['GroupName']}</groupName></item>"
            for g in instance.get("SecurityGroups", [])
        )
        number = instance["InstanceId"].removeprefix("i-")
        windows = instance.get("_platform") == "windows"
        extra = (
            "<networkInterfaceSet><item>"
            f"<networkInterfaceId>eni-{number}</networkInterfaceId>"
            f"<subnetId>{instance['SubnetId']}</subnetId><vpcId>{instance['VpcId']}</vpcId>"
            f"<privateIpAddress>{instance['PrivateIpAddress']}</privateIpAddress>"
            f"<groupSet>{groups}</groupSet>"
            "<attachment><deviceIndex>0</deviceIndex><status>attached</status></attachment>"
            "</item></networkInterfaceSet>"
            "<metadataOptions><state>applied</state><httpTokens>required</httpTokens>"
            "<httpPutResponseHopLimit>2</httpPutResponseHopLimit>"
            "<httpEndpoint>enabled</httpEndpoint></metadataOptions>"
            f"<platformDetails>{'Windows' if windows else 'Linux/UNIX'}</platformDetails>"
            + ("<platform>windows</platform>" if windows else "")
        )
        end = text.rindex("</item>")
        return text[:end] + extra + text[end:]

    return instance_xml


def _with_endpoint_details(original: Callable[..., str]) -> Callable[..., str]:
    def fields(endpoint: Mapping[str, Any], tag: str = "item") -> str:
        text = original(endpoint, tag)
        groups = "".join(
            f"<item><groupId>{group}</groupId></item>" for group in endpoint.get("_groups", [])
        )
        private = "true" if endpoint.get("_private_dns") else "false"
        extra = f"<groupSet>{groups}</groupSet><privateDnsEnabled>{private}</privateDnsEnabled>"
        end = text.rindex(f"</{tag}>")
        return text[:end] + extra + text[end:]

    return fields


def _keeping_details(ec2: Any, original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Interface endpoints have groups (the VPC's default one) and private DNS unless told so."""

    def create(params: Any) -> Any:
        before = set(ec2._vpc_endpoints)
        answer = original(params)
        for endpoint_id in set(ec2._vpc_endpoints) - before:
            endpoint = ec2._vpc_endpoints[endpoint_id]
            if endpoint["VpcEndpointType"] != "Interface":
                continue
            default = cloud.default_security_group(endpoint["VpcId"])
            named = ec2._parse_member_list(params, "SecurityGroupId")
            endpoint["_groups"] = named or ([default] if default else [])
            endpoint["_private_dns"] = ec2._p(params, "PrivateDnsEnabled", "true") == "true"
        return answer

    return create


_FILTERS: Mapping[str, str] = {
    "vpc-id": "VpcId",
    "vpc-endpoint-id": "VpcEndpointId",
    "vpc-endpoint-type": "VpcEndpointType",
    "vpc-endpoint-state": "State",
    "service-name": "ServiceName",
}


def _honouring_filters(ec2: Any, original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def describe(params: Any) -> Any:
        wanted = _filters(ec2, params)
        if not wanted:
            return original(params)
        ids = [
            endpoint_id
            for endpoint_id, endpoint in ec2._vpc_endpoints.items()
            if all(str(endpoint[field]) in values for field, values in wanted.items())
        ]
        # No endpoint has this id; MiniStack takes an empty list of ids as "all".
        chosen = {f"VpcEndpointId.{n}": [i] for n, i in enumerate(ids or ["vpce-none"], start=1)}
        return original({**params, **chosen})

    return describe


def _filters(ec2: Any, params: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    number = 1
    while name := ec2._p(params, f"Filter.{number}.Name"):
        if name not in _FILTERS:
            raise NotImplementedError(f"the local cloud has no filter {name} of VPC endpoints")
        found[_FILTERS[name]] = ec2._parse_member_list(params, f"Filter.{number}.Value")
        number += 1
    return found
