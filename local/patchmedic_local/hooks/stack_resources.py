"""Changes MiniStack's CloudFormation: resource types that it refuses, and that the stack needs.

AWS::SSM::Document (kept by the fleet), AWS::Events::Connection and AWS::Events::ApiDestination
(kept by MiniStack's own EventBridge).  Ref and Fn::GetAtt answer as AWS documents them.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from patchmedic_local.fleet.documents import Documents
from patchmedic_local.hooks import pinned
from patchmedic_local.options import ACCOUNT, REGION
from patchmedic_local.ssm.errors import ApiError

_Attributes = tuple[str, dict[str, str]]
_DOCUMENT_TYPES = ("Command",)


class StackResourceError(ValueError):
    """What CloudFormation reports as the reason of a failed resource."""


def install(documents: Documents) -> None:
    provisioners = pinned.require(
        "ministack.services.cloudformation.provisioners", "_RESOURCE_HANDLERS", "_physical_name"
    )
    eventbridge = pinned.require(
        "ministack.services.eventbridge",
        "_create_connection",
        "_update_connection",
        "_delete_connection",
        "_create_api_destination",
        "_update_api_destination",
        "_delete_api_destination",
    )
    table = provisioners._RESOURCE_HANDLERS
    new = {
        "AWS::SSM::Document": _document_handlers(documents, provisioners._physical_name),
        "AWS::Events::Connection": _events_handlers(
            eventbridge, "connection", _connection_attributes, provisioners._physical_name
        ),
        "AWS::Events::ApiDestination": _events_handlers(
            eventbridge, "api_destination", _destination_attributes, provisioners._physical_name
        ),
    }
    known = [name for name in new if name in table]
    if known:
        raise pinned.HookMismatch(
            f"MiniStack now provisions {', '.join(known)} itself; drop the hook's version"
        )
    table.update(new)


# -- AWS::SSM::Document -----------------------------------------------------------------------


def _document_handlers(documents: Documents, name_for: Callable[..., str]) -> dict[str, Any]:
    def create(logical_id: str, props: Mapping[str, Any], stack: str) -> _Attributes:
        kind = props.get("DocumentType", "Command")
        if kind not in _DOCUMENT_TYPES:
            raise StackResourceError(f"the local cloud keeps Command documents, not {kind}")
        name = props.get("Name") or name_for(stack, logical_id, max_len=128)
        _document_call(documents.create, name, props["Content"], _format(props), _tags(props))
        return name, {}

    def update(
        physical_id: str,
        old: Mapping[str, Any],
        new: Mapping[str, Any],
        stack: str,
        logical_id: str,
    ) -> _Attributes:
        if new.get("Name") and new["Name"] != physical_id:
            name, attributes = create(logical_id, new, stack)
            documents.delete(physical_id)
            return name, attributes
        if old.get("Content") != new.get("Content"):
            if new.get("UpdateMethod", "Replace") != "NewVersion":
                if new.get("Name"):
                    raise StackResourceError(
                        f"CloudFormation cannot update a stack when a custom-named resource "
                        f"requires replacing. Rename {physical_id} and update the stack again."
                    )
                name, attributes = create(logical_id, new, stack)
                documents.delete(physical_id)
                return name, attributes
            _document_call(documents.new_version, physical_id, new["Content"], _format(new))
        documents.set_tags(physical_id, _tags(new))
        return physical_id, {}

    def delete(physical_id: str, props: Mapping[str, Any]) -> None:
        documents.delete(physical_id)

    return {"create": create, "update": update, "update_with_logical_id": True, "delete": delete}


def _document_call(function: Callable[..., Any], *args: Any) -> None:
    try:
        function(*args)
    except ApiError as error:
        raise StackResourceError(f"{error.code}: {error.message}") from error


def _format(props: Mapping[str, Any]) -> str:
    return str(props.get("DocumentFormat", "JSON"))


def _tags(props: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: str(tag["Value"]) for tag in props.get("Tags") or []}


# -- AWS::Events::Connection, AWS::Events::ApiDestination --------------------------------------


def _events_handlers(
    eventbridge: Any,
    kind: str,
    attributes: Callable[[str], dict[str, str]],
    name_for: Callable[..., str],
) -> dict[str, Any]:
    """Handlers over MiniStack's own create, update and delete of a ``kind`` of resource."""

    def create(logical_id: str, props: Mapping[str, Any], stack: str) -> _Attributes:
        name = props.get("Name") or name_for(stack, logical_id, max_len=64)
        _events_call(getattr(eventbridge, f"_create_{kind}"), {**props, "Name": name})
        return name, attributes(name)

    def update(
        physical_id: str,
        old: Mapping[str, Any],
        new: Mapping[str, Any],
        stack: str,
        logical_id: str,
    ) -> _Attributes:
        if new.get("Name") and new["Name"] != physical_id:
            result = create(logical_id, new, stack)
            delete(physical_id, old)
            return result
        _events_call(getattr(eventbridge, f"_update_{kind}"), {**new, "Name": physical_id})
        return physical_id, attributes(physical_id)

    def delete(physical_id: str, props: Mapping[str, Any]) -> None:
        getattr(eventbridge, f"_delete_{kind}")({"Name": physical_id})

    return {"create": create, "update": update, "update_with_logical_id": True, "delete": delete}


def _connection_attributes(name: str) -> dict[str, str]:
    secret = uuid.uuid5(uuid.NAMESPACE_URL, name)
    arn = f"arn:aws:events:{REGION}:{ACCOUNT}:connection/{name}"
    return {
        "Arn": arn,
        "ArnForPolicy": arn,
        "SecretArn": (
            f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:events!connection/{name}/"
            f"{secret}-AbCdEf"
        ),
    }


def _destination_attributes(name: str) -> dict[str, str]:
    arn = f"arn:aws:events:{REGION}:{ACCOUNT}:api-destination/{name}"
    return {"Arn": arn, "ArnForPolicy": arn}


def _events_call(function: Callable[[dict[str, Any]], Any], request: dict[str, Any]) -> None:
    status, _headers, body = function(request)
    if status >= 400:
        raise StackResourceError(json.loads(body).get("message", "the resource was refused"))
