"""The one seam through which the fleet and the API read and drive MiniStack.

Here: events onto the bus, the EC2 and IAM records that nodes depend on, IAM decisions.  Not here:
changes of MiniStack (``hooks``).  Every function pins the account and Region itself, so that it
can be called from any thread.
"""

from __future__ import annotations

import json
import threading
import time
import urllib.parse
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

from ministack.core import iam_evaluator, responses
from ministack.services import cloudwatch_logs, ec2, eventbridge, iam, s3

from patchmedic_local.options import ACCOUNT, REGION

_bus_lock = threading.RLock()


def scope() -> AbstractContextManager[None]:
    """The account and Region of the local cloud, for code outside a request."""
    context: AbstractContextManager[None] = responses.request_scope(ACCOUNT, REGION)
    return context


# -- events -----------------------------------------------------------------------------------


def put_event(event: Mapping[str, Any]) -> str:
    """Put one event, AWS's own sources included, on the default bus; return its id.

    ``event`` has the shape that rules see.  Its id and time are kept where given, so that a
    duplicate can be sent as a duplicate.
    """
    event_id = str(event.get("id") or uuid.uuid4())
    record = {
        "EventId": event_id,
        "Source": event["source"],
        "DetailType": event["detail-type"],
        "Detail": json.dumps(event.get("detail", {}), ensure_ascii=False),
        "EventBusName": "default",
        "Time": _epoch(event.get("time")),
        "Resources": list(event.get("resources", [])),
        "Account": event.get("account", ACCOUNT),
        "Region": event.get("region", REGION),
    }
    with scope(), _bus_lock:
        eventbridge._ensure_default_bus()
        eventbridge._events_log_list().append(record)
        view = eventbridge._pattern_event_view(record)
        eventbridge._dispatch_event(record, view)
        eventbridge._archive_event(record, view)
    return event_id


def _epoch(when: Any) -> int:
    if isinstance(when, str):
        return int(datetime.fromisoformat(when.replace("Z", "+00:00")).timestamp())
    return int(when if when is not None else time.time())


# -- EC2 --------------------------------------------------------------------------------------


def ec2_call(action: str, **parameters: Any) -> str:
    """One EC2 action through MiniStack's own handler; its XML answer."""
    query = {key: [str(value)] for key, value in parameters.items()}
    with scope():
        ec2._ensure_defaults_initialized()
        status, _headers, body = ec2._ACTION_MAP[action](query)
    text = body.decode() if isinstance(body, bytes) else str(body)
    if status != 200:
        raise RuntimeError(f"ec2:{action} {urllib.parse.urlencode(parameters)} failed: {text}")
    return text


def instance(node_id: str) -> dict[str, Any] | None:
    with scope():
        record: dict[str, Any] | None = ec2._instances.get(node_id)
    return record


def put_instance(record: dict[str, Any], tags: Mapping[str, str]) -> None:
    """Enter an instance that exists in EC2's records only: nothing is started for it."""
    with scope():
        ec2._ensure_defaults_initialized()
        ec2._instances[record["InstanceId"]] = record
        ec2._tags[record["InstanceId"]] = [{"Key": k, "Value": v} for k, v in tags.items()]
        if record.get("IamInstanceProfile"):
            ec2._upsert_iam_instance_profile_association(
                record["InstanceId"], record["IamInstanceProfile"]
            )


def instance_state(node_id: str) -> str | None:
    record = instance(node_id)
    return record["State"]["Name"] if record else None


def fail_checks(node_id: str, kinds: Iterable[str]) -> None:
    """Which status checks of an instance fail from now on: ``instance``, ``system``, none."""
    record = instance(node_id)
    assert record is not None, "a node of the fleet has its record"
    record["_failed_checks"] = tuple(kinds)


def failed_checks() -> dict[str, tuple[str, ...]]:
    """The status checks that fail, by instance."""
    with scope():
        return {i: tuple(r.get("_failed_checks") or ()) for i, r in ec2._instances.items()}


def note_reboot(node_id: str) -> None:
    """A reboot was asked for: the instance's own check passes again, AWS's own does not."""
    record = instance(node_id)
    if record is not None:
        record["_reboots"] = reboots(node_id) + 1
        kept = [kind for kind in record.get("_failed_checks") or () if kind != "instance"]
        record["_failed_checks"] = tuple(kept)


def reboots(node_id: str) -> int:
    """How often somebody asked for a reboot."""
    return int((instance(node_id) or {}).get("_reboots", 0))


def ec2_tags(resource_id: str) -> dict[str, str]:
    with scope():
        return {tag["Key"]: tag["Value"] for tag in ec2._tags.get(resource_id, [])}


def routes_of(subnet_id: str) -> list[dict[str, Any]]:
    """The routes of the table that the subnet uses: its own, else the VPC's main one."""
    table = _route_table_of(subnet_id)
    return list(table["Routes"]) if table else []


def _route_table_of(subnet_id: str) -> dict[str, Any] | None:
    with scope():
        subnet = ec2._subnets.get(subnet_id)
        if subnet is None:
            return None
        main: dict[str, Any] | None = None
        for table in ec2._route_tables.values():
            for association in table.get("Associations", []):
                if association.get("SubnetId") == subnet_id:
                    found: dict[str, Any] = table
                    return found
            if table["VpcId"] == subnet["VpcId"] and main is None:
                main = table
    return main


def endpoints_for(subnet_id: str, service: str) -> list[dict[str, Any]]:
    """The VPC endpoints of ``service`` (``s3``, ``ssm`` …) that the subnet's traffic uses."""
    table = _route_table_of(subnet_id)
    with scope():
        subnet = ec2._subnets.get(subnet_id) or {}
        return [
            endpoint
            for endpoint in ec2._vpc_endpoints.values()
            if endpoint["ServiceName"].rsplit(".", 1)[-1] == service
            and endpoint["VpcId"] == subnet.get("VpcId")
            and (
                endpoint["VpcEndpointType"] == "Interface"
                or (table is not None and table["RouteTableId"] in endpoint["RouteTableIds"])
            )
        ]


def default_security_group(vpc_id: str) -> str | None:
    """The id of a VPC's default security group."""
    with scope():
        for group in ec2._security_groups.values():
            if group.get("VpcId") == vpc_id and group.get("GroupName") == "default":
                return str(group["GroupId"])
    return None


def make_default_dhcp_options() -> None:
    """The options that every VPC has until told otherwise: Amazon's own resolver.

    MiniStack's VPCs name them, but DescribeDhcpOptions does not know them.
    """
    with scope():
        ec2._dhcp_options["dopt-00000001"] = {
            "DhcpOptionsId": "dopt-00000001",
            "OwnerId": ACCOUNT,
            "DhcpConfigurations": [
                {"Key": "domain-name-servers", "Values": ["AmazonProvidedDNS"]},
            ],
        }


def has_internet(subnet_id: str) -> bool:
    """Whether the subnet has a default route to an internet or NAT gateway."""
    for route in routes_of(subnet_id):
        if route.get("DestinationCidrBlock") == "0.0.0.0/0":
            gateway = str(route.get("GatewayId", ""))
            return gateway.startswith("igw-") or bool(route.get("NatGatewayId"))
    return False


# -- S3 and CloudWatch Logs -------------------------------------------------------------------


def put_object(bucket: str, key: str, body: bytes) -> bool:
    """Store an object; false when there is no such bucket."""
    with scope():
        status, *_ = s3._put_object(bucket, key, body, {})
    return bool(status == 200)


def put_log_events(group: str, stream: str, messages: Sequence[str]) -> None:
    """Append to a log stream; group and stream are made where they are missing."""
    now = int(time.time() * 1000)
    events = [{"timestamp": now, "message": message} for message in messages]
    with scope():
        cloudwatch_logs._create_log_group({"logGroupName": group})
        names = {"logGroupName": group, "logStreamName": stream}
        cloudwatch_logs._create_log_stream(names)
        cloudwatch_logs._put_log_events({**names, "logEvents": events})


# -- IAM --------------------------------------------------------------------------------------


def iam_call(action: str, **parameters: Any) -> str:
    """One IAM action through MiniStack's own handler; its XML answer."""
    query = {key: [str(value)] for key, value in parameters.items()}
    with scope():
        status, _headers, body = iam._IAM_HANDLERS[action](query)
    text = body.decode() if isinstance(body, bytes) else str(body)
    if status != 200 and "EntityAlreadyExists" not in text:
        raise RuntimeError(f"iam:{action} {urllib.parse.urlencode(parameters)} failed: {text}")
    return text


def role_of(node_id: str) -> str | None:
    """The name of the role in the node's instance profile, as EC2 has it now."""
    record = instance(node_id)
    profile_arn = ((record or {}).get("IamInstanceProfile") or {}).get("Arn", "")
    if not profile_arn:
        return None
    with scope():
        profile = iam._lookup_instance_profile(name="", arn=profile_arn)
    roles: list[Any] = (profile or {}).get("Roles", [])
    if not roles:
        return None
    first = roles[0]
    return str(first["RoleName"] if isinstance(first, dict) else first)


def role_arn_of_profile(name: str, arn: str) -> str | None:
    """The ARN of the role in an instance profile that is named by name or ARN."""
    with scope():
        profile = iam._lookup_instance_profile(name=name, arn=arn)
        roles: list[Any] = (profile or {}).get("Roles", [])
        if not roles:
            return None
        role = str(roles[0]["RoleName"] if isinstance(roles[0], dict) else roles[0])
        return str(iam._roles[role]["Arn"])


def role_tags(role: str) -> dict[str, str]:
    with scope():
        record = iam._roles.get(role) or {}
    return {tag["Key"]: tag["Value"] for tag in record.get("Tags") or []}


def role_may(role: str, action: str, resource: str) -> bool:
    """What the role's own policies say, without a resource policy."""
    with scope():
        policies = iam_evaluator._gather_role_policies(role, ACCOUNT)
        context = _context(f"arn:aws:iam::{ACCOUNT}:role/{role}", action, resource)
        return bool(iam_evaluator.evaluate(context, policies).decision == "Allow")


def caller_may_pass(role_arn: str, service: str) -> bool:
    """Whether who makes this request may pass a role to a service; only roles are asked."""
    kind, _, rest = caller_arn().rpartition(":")[2].partition("/")
    if kind != "assumed-role":
        return True
    with scope():
        policies = iam_evaluator._gather_role_policies(rest.partition("/")[0], ACCOUNT)
        context = _context(caller_arn(), "iam:PassRole", role_arn)
        context.service_context["iam:passedtoservice"] = service
        return bool(iam_evaluator.evaluate(context, policies).decision == "Allow")


def policy_allows(document: str | Mapping[str, Any], action: str, resource: str) -> bool:
    """What one policy document (of a VPC endpoint) says about a call."""
    with scope():
        statements = iam_evaluator.parse_policy_document(document)
        context = _context(f"arn:aws:iam::{ACCOUNT}:root", action, resource)
        return bool(iam_evaluator.evaluate(context, [statements]).decision == "Allow")


def _context(principal: str, action: str, resource: str) -> Any:
    return iam_evaluator.EvalContext(
        principal_arn=principal,
        principal_type="AssumedRole",
        principal_account=ACCOUNT,
        action=action,
        resource_arn=resource,
        region=REGION,
    )


def denial(
    access_key: str, action: str, resources: Iterable[tuple[str, Mapping[str, str]]]
) -> tuple[str, str, bool] | None:
    """The first resource that the caller may not use: (caller ARN, resource, explicit deny).

    Only valid inside a request that MiniStack has authenticated.  Tags are those of the resource.
    """
    for resource, tags in resources:
        keys: dict[str, str] = {}
        for name, value in tags.items():
            keys[f"aws:resourcetag/{name}".lower()] = value
            keys[f"ssm:resourcetag/{name}".lower()] = value
        refused = iam_evaluator.enforce(
            access_key, action, "ssm", REGION, resource_arn=resource, service_context=keys
        )
        if refused is not None:
            return (
                getattr(refused, "principal_arn", "") or "anonymous",
                resource,
                getattr(refused, "decision", "") == "Deny",
            )
    return None


def caller_arn() -> str:
    """Who makes the request that is being answered."""
    return str(iam_evaluator.caller_arn())
