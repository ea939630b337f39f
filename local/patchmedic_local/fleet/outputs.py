"""Where the agent sends the whole output of a command, if its sender asked for that.

Here: S3 objects and CloudWatch Logs streams with the agent's names, on a node that may write there
and has a way to it.  Not here: what a step prints (``steps``), the cut output of the API
(``ssm.run_command``).
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

from patchmedic_local import cloud
from patchmedic_local.fleet.commands import Command, Invocation
from patchmedic_local.fleet.effects import no_route
from patchmedic_local.fleet.node import Node
from patchmedic_local.fleet.steps import Plugin
from patchmedic_local.options import ACCOUNT, REGION

_SKIPPED = "Step execution skipped"
_EVENT_CHARACTERS_MAX = 200_000


def keep(command: Command, invocation: Invocation) -> None:
    """Store what the steps printed; what is empty or was skipped leaves nothing behind."""
    for plugin, stream, text in _printed(invocation):
        bucket = command.extra.get("OutputS3BucketName")
        if bucket and _may(invocation.node, "s3:PutObject", f"arn:aws:s3:::{bucket}/x"):
            key = f"{s3_folder(command, invocation, plugin)}/{stream}"
            cloud.put_object(str(bucket), key, text.encode())
        group = log_group(command)
        if group and _may(invocation.node, "logs:PutLogEvents", _group_arn(group)):
            name = f"{command.id}/{invocation.node.id}/{plugin.name}/{stream}"
            starts = range(0, len(text), _EVENT_CHARACTERS_MAX)
            cloud.put_log_events(
                group, name, [text[start : start + _EVENT_CHARACTERS_MAX] for start in starts]
            )


def s3_folder(command: Command, invocation: Invocation, plugin: Plugin) -> str:
    """``<prefix>/<command>/<node>/<plugin>/<step>``: colons are no part of it."""
    prefix = str(command.extra.get("OutputS3KeyPrefix", ""))
    action = plugin.action.replace(":", "")
    parts = (prefix, command.id, invocation.node.id, action, plugin.name)
    return posixpath.join(*(part for part in parts if part))


def log_group(command: Command) -> str | None:
    """The log group that the command's output goes to: the sender's, or the agent's default."""
    config: Any = command.extra.get("CloudWatchOutputConfig")
    if not isinstance(config, Mapping) or not config.get("CloudWatchOutputEnabled"):
        return None
    return str(config.get("CloudWatchLogGroupName") or f"/aws/ssm/{command.document.name}")


def _printed(invocation: Invocation) -> Iterator[tuple[Plugin, str, str]]:
    for plugin in invocation.plugins:
        for stream, text in (("stdout", plugin.stdout), ("stderr", plugin.stderr)):
            if text and not text.startswith(_SKIPPED):
                yield plugin, stream, text


def _may(node: Node, action: str, resource: str) -> bool:
    """The agent writes with the node's own role, and over the node's own network."""
    role = cloud.role_of(node.id) if node.is_ec2 else node.spec.role
    if role is None or no_route(node, "s3" if action.startswith("s3:") else "internet"):
        return False
    return cloud.role_may(role, action, resource)


def _group_arn(group: str) -> str:
    return f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}:log-stream:x"
