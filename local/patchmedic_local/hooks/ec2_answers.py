"""Adds to MiniStack's EC2 answers what AWS's have and look-ups rest on.

Instances: their network interface, metadata options and platform.  VPC endpoints: security groups,
private DNS, address family, Region, and the filters of DescribeVpcEndpoints, which MiniStack reads
over.  Not here: the endpoints' policies (``instances``), routes, ACLs and subnets
(``ec2_networks``) and which instances there are (``fleet``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from patchmedic_local import cloud, options
from patchmedic_local.hooks import ec2_networks, pinned

_EC2 = "ministack.services.ec2"


def install() -> None:
    """Extend the answers; to be called after ``instances.install``."""
    ec2_networks.install()
    ec2 = pinned.require(_EC2, "_ACTION_MAP", "_vpc_endpoints", "_p", "_parse_member_list")
    pinned.replace(_EC2, "_instance_xml", _with_instance_details)
    pinned.replace(_EC2, "_vpce_fields_xml", _with_endpoint_details)
    create = pinned.replace(
        _EC2, "_create_vpc_endpoint", lambda original: _keeping_details(ec2, original)
    )
    describe = pinned.replace(
        _EC2, "_describe_vpc_endpoints", lambda original: _honouring_filters(ec2, original)
    )
    run = pinned.replace(_EC2, "_run_instances", lambda original: _with_addresses(ec2, original))
    associate = pinned.replace(
        _EC2, "_associate_address", lambda original: _reaching_the_instance(ec2, original)
    )
    for action, handler in (
        ("RunInstances", run),
        ("AssociateAddress", associate),
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
        metadata = instance.get("_metadata", {})
        extra = (
            "<networkInterfaceSet><item>"
            f"<networkInterfaceId>eni-{number}</networkInterfaceId>"
            f"<subnetId>{instance['SubnetId']}</subnetId><vpcId>{instance['VpcId']}</vpcId>"
            f"{_private_address(instance)}"
            f"<groupSet>{groups}</groupSet>"
            f"{_public_address(instance)}{_ipv6_addresses(instance)}"
            "<attachment><deviceIndex>0</deviceIndex><status>attached</status></attachment>"
            "</item></networkInterfaceSet>"
            "<metadataOptions><state>applied</state>"
            f"<httpTokens>{metadata.get('HttpTokens') or 'required'}</httpTokens>"
            "<httpPutResponseHopLimit>"
            f"{metadata.get('HttpPutResponseHopLimit') or 2}</httpPutResponseHopLimit>"
            f"<httpEndpoint>{metadata.get('HttpEndpoint') or 'enabled'}</httpEndpoint>"
            f"<httpProtocolIpv6>{metadata.get('HttpProtocolIpv6') or 'disabled'}</httpProtocolIpv6>"
            "</metadataOptions>"
            f"<platformDetails>{'Windows' if windows else 'Linux/UNIX'}</platformDetails>"
            + ("<platform>windows</platform>" if windows else "")
        )
        end = text.rindex("</item>")
        return text[:end] + extra + text[end:]

    return instance_xml


def _private_address(instance: Mapping[str, Any]) -> str:
    """An instance in an IPv6-only subnet has none."""
    if instance.get("_ipv6_only"):
        return ""
    return f"<privateIpAddress>{instance['PrivateIpAddress']}</privateIpAddress>"


def _public_address(instance: Mapping[str, Any]) -> str:
    address = instance.get("_public_ip")
    return f"<association><publicIp>{address}</publicIp></association>" if address else ""


def _ipv6_addresses(instance: Mapping[str, Any]) -> str:
    items = "".join(
        f"<item><ipv6Address>{a}</ipv6Address></item>" for a in instance.get("_ipv6", ())
    )
    return f"<ipv6AddressesSet>{items}</ipv6AddressesSet>" if items else ""


def _with_addresses(ec2: Any, original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Public by the subnet's setting, IPv6 by request, metadata options as asked for."""

    def run(params: Any) -> Any:
        before = set(ec2._instances)
        answer = original(params)
        for instance_id in set(ec2._instances) - before:
            instance = ec2._instances[instance_id]
            subnet = ec2._subnets.get(instance["SubnetId"], {})
            instance["_ipv6_only"] = bool(subnet.get("_ipv6_native"))
            if subnet.get("MapPublicIpOnLaunch"):
                instance["_public_ip"] = instance["PublicIpAddress"]
            asked = ec2._p(params, "Ipv6Address.1.Ipv6Address")
            instance["_ipv6"] = [asked] if asked else []
            names = ("HttpEndpoint", "HttpTokens", "HttpPutResponseHopLimit", "HttpProtocolIpv6")
            instance["_metadata"] = {n: ec2._p(params, f"MetadataOptions.{n}") for n in names}
        return answer

    return run


def _reaching_the_instance(ec2: Any, original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """An Elastic IP address shows on the instance that it is associated with."""

    def associate(params: Any) -> Any:
        answer = original(params)
        instance = ec2._instances.get(ec2._p(params, "InstanceId"))
        address = ec2._addresses.get(ec2._p(params, "AllocationId"))
        if instance is not None and address is not None:
            instance["_public_ip"] = address["PublicIp"]
        return answer

    return associate


def _with_endpoint_details(original: Callable[..., str]) -> Callable[..., str]:
    def fields(endpoint: Mapping[str, Any], tag: str = "item") -> str:
        text = original(endpoint, tag)
        groups = "".join(
            f"<item><groupId>{group}</groupId></item>" for group in endpoint.get("_groups", [])
        )
        private = "true" if endpoint.get("_private_dns") else "false"
        names = "".join(
            f"<item><dnsName>{name}</dnsName></item>" for name in endpoint.get("_dns_names", [])
        )
        extra = (
            f"<groupSet>{groups}</groupSet><privateDnsEnabled>{private}</privateDnsEnabled>"
            f"<dnsEntrySet>{names}</dnsEntrySet>"
            f"<ipAddressType>{endpoint.get('_ip_type', 'ipv4')}</ipAddressType>"
            f"<serviceRegion>{endpoint.get('_region') or options.REGION}</serviceRegion>"
        )
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
            endpoint["_ip_type"] = ec2._p(params, "IpAddressType") or "ipv4"
            endpoint["_region"] = ec2._p(params, "ServiceRegion")
            if endpoint["VpcEndpointType"] != "Interface":
                ec2_networks.route_to_gateway_endpoint(ec2, endpoint)
                continue
            default = cloud.default_security_group(endpoint["VpcId"])
            named = ec2._parse_member_list(params, "SecurityGroupId")
            endpoint["_groups"] = named or ([default] if default else [])
            endpoint["_private_dns"] = ec2._p(params, "PrivateDnsEnabled", "true") == "true"
            if endpoint["_private_dns"]:
                endpoint["_dns_names"] = [_regional_name(endpoint["ServiceName"])]
        return answer

    return create


def _regional_name(service_name: str) -> str:
    """The name that private DNS leads to the endpoint; dual-stack names are not claimed."""
    _com, _aws, region, service = service_name.split(".", 3)
    return f"{service}.{region}.amazonaws.com"


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
