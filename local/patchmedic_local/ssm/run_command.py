"""SendCommand, GetCommandInvocation, ListCommands, ListCommandInvocations, CancelCommand.

Here: these operations' own rules (limits, eventual consistency, cut output).  Not here: how a
command runs (``fleet.commands``).
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from patchmedic_local.fleet import outputs
from patchmedic_local.fleet.commands import FINAL, Command, Invocation
from patchmedic_local.fleet.documents import check_arguments
from patchmedic_local.fleet.fleet import Fleet
from patchmedic_local.fleet.node import Node
from patchmedic_local.fleet.steps import Plugin
from patchmedic_local.options import ACCOUNT, REGION
from patchmedic_local.ssm.errors import ApiError
from patchmedic_local.ssm.operations import (
    Request,
    Resources,
    managed,
    node_resources,
    operation,
    page,
)

_STDOUT_MAX = 24_000
_STDERR_MAX = 8_000
_PLUGIN_OUTPUT_MAX = 2_500
_NO_LOGS = {"CloudWatchOutputEnabled": False}
_CUT = "\n--output truncated--"
_ERROR_TITLE = "\n----------ERROR-------\n"
_OUTPUT_CUT, _ERROR_CUT = "\n---Output truncated---", "\n---Error truncated----"
_ECHOED = (
    "OutputS3Region",
    "OutputS3BucketName",
    "OutputS3KeyPrefix",
    "NotificationConfig",
    "CloudWatchOutputConfig",
    "AlarmConfiguration",
)


def _send_resources(fleet: Fleet, request: Request) -> Resources:
    name = str(request["DocumentName"])
    if name.startswith("arn:"):
        document: Resources = [(name, {})]
    else:
        owned_by_amazon = name.lower().startswith(("aws-", "amazon-"))
        account = "" if owned_by_amazon else ACCOUNT
        arn = f"arn:aws:ssm:{REGION}:{account}:document/{name}"
        document = [(arn, fleet.documents.tags(name))]
    return document + node_resources(fleet, _instance_ids(fleet, request))


def _instance_ids(fleet: Fleet, request: Request) -> list[str]:
    """The nodes that a request names: by id, or found by the tags of its Targets."""
    ids = list(request.get("InstanceIds") or [])
    for target in request.get("Targets") or []:
        key, values = target.get("Key", ""), target.get("Values", [])
        if key.lower() == "instanceids":
            ids += values
        elif key.startswith("tag:"):
            ids += [n.id for n in fleet.nodes.values() if n.all_tags().get(key[4:]) in values]
    return ids


@operation("SendCommand", _send_resources)
def send_command(fleet: Fleet, request: Request) -> dict[str, Any]:
    if bool(request.get("InstanceIds")) == bool(request.get("Targets")):
        raise ApiError("ValidationException", "Give either InstanceIds or Targets, and not empty.")
    document = fleet.documents.find(request["DocumentName"], request.get("DocumentVersion"))
    _check_hash(request, document.hash)
    ids = _instance_ids(fleet, request)
    if len(set(ids)) != len(ids):
        raise ApiError("DuplicateInstanceId", "An instance ID is given more than once.")
    nodes = managed(fleet, ids, stopped=True)
    parameters = request.get("Parameters") or {}
    check_arguments(document, parameters)
    _check_platforms(nodes, document.platforms)
    command = fleet.run_command.send(
        document,
        nodes,
        parameters,
        comment=request.get("Comment", ""),
        timeout_seconds=request.get("TimeoutSeconds", 3600),
        max_concurrency=request.get("MaxConcurrency", "50"),
        max_errors=request.get("MaxErrors", "0"),
        extra={name: request[name] for name in _ECHOED if name in request},
        targets=request.get("Targets") or [],
    )
    return {"Command": _shown(command)}


def _check_hash(request: Request, actual: str) -> None:
    wanted = request.get("DocumentHash")
    if wanted and request.get("DocumentHashType", "Sha256") == "Sha256" and wanted != actual:
        raise ApiError("InvalidDocument", "The document's hash is not the one given.")


def _check_platforms(nodes: list[Node], platforms: list[str]) -> None:
    known = {platform.lower() for platform in platforms}
    wrong = [node.id for node in nodes if node.platform not in known]
    if wrong and len(wrong) == len(nodes):
        raise ApiError(
            "UnsupportedPlatformType",
            f"The document supports {', '.join(platforms)}, but not {', '.join(wrong)}.",
        )


def _shown(command: Command) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "CommandId": command.id,
        "DocumentName": command.document.name,
        "DocumentVersion": "$DEFAULT",
        "Comment": command.comment,
        "ExpiresAfter": command.expires,
        "Parameters": {name: list(values) for name, values in command.parameters.items()},
        "InstanceIds": command.instance_ids,
        "Targets": list(command.targets),
        "RequestedDateTime": command.requested,
        "Status": command.status,
        "StatusDetails": command.details,
        "MaxConcurrency": command.max_concurrency,
        "MaxErrors": command.max_errors,
        "TargetCount": len(command.invocations),
        "CompletedCount": command.completed_count,
        "ErrorCount": command.error_count,
        "DeliveryTimedOutCount": command.count("DeliveryTimedOut"),
        "ServiceRole": "",
        "TimeoutSeconds": command.timeout_seconds,
    }
    shown.update(command.extra)
    return shown


@operation("GetCommandInvocation")
def get_command_invocation(fleet: Fleet, request: Request) -> dict[str, Any]:
    command = fleet.run_command.commands.get(request["CommandId"])
    invocation = command.invocations.get(request["InstanceId"]) if command else None
    if command is None or invocation is None or not _visible(command, invocation):
        raise ApiError("InvocationDoesNotExist")
    plugin = _plugin(invocation, request.get("PluginName"))
    done = plugin.status in FINAL
    return {
        "CommandId": command.id,
        "InstanceId": invocation.node.id,
        "Comment": command.comment,
        "DocumentName": command.document.name,
        "DocumentVersion": "$DEFAULT",
        "PluginName": plugin.name,
        "ResponseCode": plugin.code if done else -1,
        "ExecutionStartDateTime": _text_time(plugin.started),
        "ExecutionElapsedTime": _elapsed(plugin),
        "ExecutionEndDateTime": _text_time(plugin.ended if done else None),
        "Status": invocation.status if len(invocation.plugins) == 1 else plugin.status,
        "StatusDetails": invocation.details if len(invocation.plugins) == 1 else plugin.details,
        "StandardOutputContent": cut_like_the_agent(plugin.stdout, _STDOUT_MAX) if done else "",
        "StandardOutputUrl": _url(command, invocation, plugin, "stdout"),
        "StandardErrorContent": cut_like_the_agent(plugin.stderr, _STDERR_MAX) if done else "",
        "StandardErrorUrl": _url(command, invocation, plugin, "stderr") if done else "",
        "CloudWatchOutputConfig": command.extra.get("CloudWatchOutputConfig", _NO_LOGS),
    }


def _visible(command: Command, invocation: Invocation) -> bool:
    """Eventual consistency: an invocation cannot be read in the first moment after SendCommand."""
    return invocation.final or time.time() >= command.visible_at


def _plugin(invocation: Invocation, name: str | None) -> Plugin:
    if name is None:
        if len(invocation.plugins) > 1:
            raise ApiError(
                "InvalidPluginName",
                "The document has more than one step: PluginName is required.",
            )
        return invocation.plugins[0]
    for plugin in invocation.plugins:
        if name in (plugin.name, plugin.action if len(invocation.plugins) == 1 else plugin.name):
            return plugin
    raise ApiError("InvalidPluginName", f"The document has no step {name}.")


def cut_like_the_agent(text: str, limit: int) -> str:
    """The first characters; the agent marks the cut."""
    return text if len(text) <= limit else text[: limit - len(_CUT)] + _CUT


def _text_time(when: float | None) -> str:
    if when is None:
        return ""
    return (
        datetime.fromtimestamp(when, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )


def _elapsed(plugin: Plugin) -> str:
    if plugin.started is None or plugin.ended is None:
        return ""
    return f"PT{plugin.ended - plugin.started:.3f}S"


@operation("ListCommands")
def list_commands(fleet: Fleet, request: Request) -> dict[str, Any]:
    commands = [
        command
        for command in _newest_first(fleet)
        if request.get("CommandId") in (None, command.id)
        and (not request.get("InstanceId") or request["InstanceId"] in command.invocations)
        and _passes(command.requested, command.status, command.document.name, request)
    ]
    shown, token = page([_shown(command) for command in commands], request)
    return {"Commands": shown, **token}


@operation("ListCommandInvocations")
def list_command_invocations(fleet: Fleet, request: Request) -> dict[str, Any]:
    details = bool(request.get("Details"))
    found = [
        _listed(command, invocation, details)
        for command in _newest_first(fleet)
        if request.get("CommandId") in (None, command.id)
        for invocation in command.invocations.values()
        if request.get("InstanceId") in (None, invocation.node.id)
        and _visible(command, invocation)
        and _passes(command.requested, invocation.status, command.document.name, request)
    ]
    shown, token = page(found, request)
    return {"CommandInvocations": shown, **token}


def _newest_first(fleet: Fleet) -> list[Command]:
    return sorted(fleet.run_command.commands.values(), key=lambda c: c.requested, reverse=True)


def _passes(requested: float, status: str, document: str, request: Request) -> bool:
    stage = "Complete" if status in FINAL else "Executing"
    actual = {"Status": status, "DocumentName": document, "ExecutionStage": stage}
    for item in request.get("Filters") or []:
        key, value = item["key"], item["value"]
        if key == "InvokedAfter":
            passes = requested >= _filter_time(value)
        elif key == "InvokedBefore":
            passes = requested <= _filter_time(value)
        else:
            passes = actual[key] == value
        if not passes:
            return False
    return True


def _filter_time(value: str) -> float:
    try:
        return datetime.fromisoformat(value.replace("Z", "+00:00")).timestamp()
    except ValueError as error:
        raise ApiError("InvalidFilterKey", f"{value!r} is no ISO 8601 time.") from error


def _listed(command: Command, invocation: Invocation, details: bool) -> dict[str, Any]:
    return {
        "CommandId": command.id,
        "InstanceId": invocation.node.id,
        "InstanceName": invocation.node.spec.name,
        "Comment": command.comment,
        "DocumentName": command.document.name,
        "DocumentVersion": "$DEFAULT",
        "RequestedDateTime": command.requested,
        "Status": invocation.status,
        "StatusDetails": invocation.details,
        "StandardOutputUrl": "",
        "StandardErrorUrl": "",
        "CommandPlugins": [_plugin_shown(command, invocation, p) for p in invocation.plugins]
        if details
        else [],
        "ServiceRole": "",
        "NotificationConfig": {
            "NotificationArn": "",
            "NotificationEvents": [],
            "NotificationType": "Command",
        },
        "CloudWatchOutputConfig": command.extra.get("CloudWatchOutputConfig", _NO_LOGS),
    }


def _url(command: Command, invocation: Invocation, plugin: Plugin, stream: str) -> str:
    """Where the step's output is in S3, whether or not the node managed to put it there."""
    bucket = command.extra.get("OutputS3BucketName")
    if not bucket:
        return ""
    folder = outputs.s3_folder(command, invocation, plugin)
    return f"https://s3.{REGION}.amazonaws.com/{bucket}/{folder}/{stream}"


def _plugin_shown(command: Command, invocation: Invocation, plugin: Plugin) -> dict[str, Any]:
    done = plugin.status in FINAL
    shown: dict[str, Any] = {
        "Name": plugin.name,
        "Status": plugin.status,
        "StatusDetails": plugin.details,
        "ResponseCode": plugin.code if done else -1,
        "Output": _joined(plugin) if done else "",
        "StandardOutputUrl": _url(command, invocation, plugin, "stdout"),
        "StandardErrorUrl": _url(command, invocation, plugin, "stderr") if done else "",
        "OutputS3Region": REGION,
        "OutputS3KeyPrefix": "",
    }
    if command.extra.get("OutputS3BucketName"):
        shown["OutputS3BucketName"] = command.extra["OutputS3BucketName"]
        shown["OutputS3KeyPrefix"] = outputs.s3_folder(command, invocation, plugin).rpartition("/")[
            0
        ]
    if plugin.started is not None:
        shown["ResponseStartDateTime"] = plugin.started
    if plugin.ended is not None:
        shown["ResponseFinishDateTime"] = plugin.ended
    return shown


def _joined(plugin: Plugin) -> str:
    """stdout, then stderr under the agent's own heading; the longer one gives way, each at its end.

    A short stderr so stands whole behind a long stdout.
    """
    head = _ERROR_TITLE if plugin.stderr else ""
    room = _PLUGIN_OUTPUT_MAX - len(head)
    stdout, stderr = plugin.stdout, plugin.stderr
    if len(stdout) + len(stderr) < room:
        return stdout + head + stderr
    if len(stdout) > room // 2 and len(stderr) > room // 2:
        half = (room - len(_OUTPUT_CUT) - len(_ERROR_CUT)) // 2
        return f"{stdout[:half]}{_OUTPUT_CUT}{head}{stderr[:half]}{_ERROR_CUT}"
    if len(stdout) <= room // 2:
        return f"{stdout}{head}{stderr[: room - len(_ERROR_CUT) - len(stdout)]}{_ERROR_CUT}"
    return f"{stdout[: room - len(_OUTPUT_CUT) - len(stderr)]}{_OUTPUT_CUT}{head}{stderr}"


@operation("CancelCommand")
def cancel_command(fleet: Fleet, request: Request) -> dict[str, Any]:
    command = fleet.run_command.commands.get(request["CommandId"])
    if command is None:
        raise ApiError("InvalidCommandId")
    fleet.run_command.cancel(command, request.get("InstanceIds") or [])
    return {}
