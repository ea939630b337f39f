"""Changes MiniStack's IAM: what a request is about, where MiniStack sees less than AWS does.

Why: roles name resources and conditions.  For a few calls MiniStack finds no resource (it then asks
whether the role may do it to ``*``, which a narrow role may not), and PutEvents and calls about
an instance get no condition keys (a condition on a key that is not there never holds).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from patchmedic_local import cloud
from patchmedic_local.hooks import pinned

_Context = Callable[[str, str, bytes, Any], dict[str, Any]]
_Resource = Callable[..., str]


def install() -> None:
    actions = pinned.require("ministack.core.iam_actions", "_query_param")

    def with_event_keys(original: _Context) -> _Context:
        def request_tag_context(
            service: str, iam_action: str, body: bytes, parameters: Any
        ) -> dict[str, Any]:
            context = original(service, iam_action, body, parameters)
            if iam_action == "events:PutEvents":
                context = {**context, **_event_keys(body)}
            if service == "ec2":
                named = actions._query_param
                node = named(parameters, "InstanceId.1") or named(parameters, "InstanceId")
                context = {**context, **_tag_keys(str(node or ""))}
            return context

        return request_tag_context

    def with_more_resources(original: _Resource) -> _Resource:
        def extract_resource_arn(
            service: str, method: str, path: str, headers: Any, body: bytes,
            parameters: Any, region: str, account_id: str,
        ) -> str:  # fmt: skip
            found = original(service, method, path, headers, body, parameters, region, account_id)
            if found != "*":
                return found

            def named(parameter: str) -> str:
                return str(actions._query_param(parameters, parameter) or "")

            if service == "iam" and named("InstanceProfileName"):
                return f"arn:aws:iam::{account_id}:instance-profile/{named('InstanceProfileName')}"
            if service == "iam" and named("PolicySourceArn"):
                return named("PolicySourceArn")
            if service == "ec2" and named("PrefixListId"):
                return f"arn:aws:ec2:{region}:aws:prefix-list/{named('PrefixListId')}"
            if service == "ssm" and (setting := _object(body).get("SettingId")):
                path_of_it = str(setting).lstrip("/")
                return f"arn:aws:ssm:{region}:{account_id}:servicesetting/{path_of_it}"
            return found

        return extract_resource_arn

    pinned.replace("ministack.core.iam_actions", "request_tag_context", with_event_keys)
    pinned.replace("ministack.core.iam_actions", "extract_resource_arn", with_more_resources)


def _event_keys(body: bytes) -> dict[str, list[str]]:
    """``events:source`` and ``events:detail-type`` of all entries of a request."""
    entries = [e for e in _object(body).get("Entries", []) if isinstance(e, dict)]
    return {
        "events:source": sorted({str(entry.get("Source", "")) for entry in entries}),
        "events:detail-type": sorted({str(entry.get("DetailType", "")) for entry in entries}),
    }


def _tag_keys(instance_id: str) -> dict[str, str]:
    """``aws:ResourceTag/...`` of the instance that a call is about."""
    tags = cloud.ec2_tags(instance_id) if instance_id else {}
    return {f"aws:ResourceTag/{key}": value for key, value in tags.items()}


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body or b"{}")
    except (json.JSONDecodeError, UnicodeDecodeError):
        return {}
    return found if isinstance(found, dict) else {}
