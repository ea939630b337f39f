"""Tags of managed instances (``mi-``) and documents.

Here: ListTagsForResource, AddTagsToResource, RemoveTagsFromResource for the resource types of the
fleet.  Not here: parameters' tags, which stay with MiniStack (``hooks.ssm_calls`` sends them on),
and EC2 instances' tags, which are EC2's.
"""

from __future__ import annotations

from typing import Any

from patchmedic_local.fleet.fleet import Fleet
from patchmedic_local.options import ACCOUNT, REGION
from patchmedic_local.ssm.errors import ApiError
from patchmedic_local.ssm.operations import Request, Resources, node_resources, operation

OWN_TYPES = frozenset({"ManagedInstance", "Document"})


def _of_resource(fleet: Fleet, request: Request) -> Resources:
    resource_id = request["ResourceId"]
    if request["ResourceType"] == "ManagedInstance":
        return node_resources(fleet, [resource_id])
    arn = f"arn:aws:ssm:{REGION}:{ACCOUNT}:document/{resource_id}"
    return [(arn, fleet.documents.tags(resource_id))]


def _current(fleet: Fleet, request: Request) -> dict[str, str]:
    resource_id = request["ResourceId"]
    if request["ResourceType"] == "Document":
        fleet.documents.find(resource_id)
        return dict(fleet.documents.tags(resource_id))
    node = fleet.nodes.get(resource_id)
    if node is None or node.is_ec2:
        raise ApiError("InvalidResourceId", f"{resource_id} is no managed instance (mi-).")
    return dict(node.tags)


def _store(fleet: Fleet, request: Request, tags: dict[str, str]) -> None:
    if request["ResourceType"] == "Document":
        fleet.documents.set_tags(request["ResourceId"], tags)
    else:
        fleet.nodes[request["ResourceId"]].tags = tags


@operation("ListTagsForResource", _of_resource)
def list_tags_for_resource(fleet: Fleet, request: Request) -> dict[str, Any]:
    tags = _current(fleet, request)
    return {"TagList": [{"Key": key, "Value": value} for key, value in tags.items()]}


@operation("AddTagsToResource", _of_resource)
def add_tags_to_resource(fleet: Fleet, request: Request) -> dict[str, Any]:
    tags = _current(fleet, request)
    tags.update({tag["Key"]: tag["Value"] for tag in request["Tags"]})
    _store(fleet, request, tags)
    return {}


@operation("RemoveTagsFromResource", _of_resource)
def remove_tags_from_resource(fleet: Fleet, request: Request) -> dict[str, Any]:
    tags = _current(fleet, request)
    _store(fleet, request, {k: v for k, v in tags.items() if k not in request["TagKeys"]})
    return {}
