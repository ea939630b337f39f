"""The stack in an AWS account (or in the local cloud, by AWS_ENDPOINT_URL), for an operator."""

from __future__ import annotations

import json
from typing import Any

import boto3
import click
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from patchmedic.own_causes import OwnCausesTable
from patchmedic.settings import Settings, read_settings
from patchmedic.store import DynamoStore

WHAT_NOW = (
    "Check AWS_REGION (or AWS_DEFAULT_REGION), your credentials and the name of the stack; on the "
    'local cloud run: eval "$(patchmedic local env)"'
)
CONFIG = Config(connect_timeout=5, retries={"mode": "standard", "total_max_attempts": 3})
"""A person waits for the answer."""


def open_store(stack: str, table_name: str | None) -> DynamoStore:
    """The stack's table, with the operator's own credentials."""
    return DynamoStore(_client("dynamodb"), _table(stack, table_name))


def open_own_causes(stack: str, table_name: str | None) -> OwnCausesTable:
    """The place in that table where the stack's own causes are."""
    return OwnCausesTable(_client("dynamodb"), _table(stack, table_name))


def _table(stack: str, table_name: str | None) -> str:
    try:
        return table_name or _output(stack, "TableName")
    except (BotoCoreError, ClientError) as error:
        raise click.ClickException(
            f"the table of stack {stack!r} could not be found: {error}\n{WHAT_NOW}"
        ) from error


def deployed_settings(stack: str) -> Settings:
    """What the deployed remediate function works with: its own environment."""
    name = f"{stack}-remediate"
    try:
        found = _client("lambda").get_function_configuration(FunctionName=name)
    except (BotoCoreError, ClientError) as error:
        raise click.ClickException(
            f"the settings of {name} could not be read: {error}\n{WHAT_NOW}"
        ) from error
    return read_settings(found.get("Environment", {}).get("Variables", {}))


def who_asks() -> tuple[str, str, str]:
    """Account, Region and ARN of the operator who is logged in."""
    client = _client("sts")
    caller = client.get_caller_identity()
    region = _client("dynamodb").meta.region_name
    return caller["Account"], region, caller["Arn"]


def send_answer(stack: str, incident_id: str, decision: str, reason: str) -> Any:
    """Invoke the approve function as the operator who is logged in."""
    try:
        operator = _client("sts").get_caller_identity()["Arn"]
        response = _client("lambda").invoke(
            FunctionName=f"{stack}-approve",
            Payload=json.dumps(
                {
                    "incident_id": incident_id,
                    "decision": decision,
                    "operator": operator,
                    "reason": reason,
                }
            ).encode(),
        )
    except (BotoCoreError, ClientError) as error:
        raise click.ClickException(f"the answer could not be sent: {error}\n{WHAT_NOW}") from error
    answer = json.loads(response["Payload"].read() or b"null")
    if response.get("FunctionError"):
        raise click.ClickException(f"the approve function failed: {json.dumps(answer)}")
    return answer


def _client(service: str) -> Any:
    return boto3.client(service, config=CONFIG)


def _output(stack: str, key: str) -> str:
    stacks = _client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    outputs = {o["OutputKey"]: o["OutputValue"] for o in stacks[0].get("Outputs", [])}
    if key not in outputs:
        raise click.ClickException(f"stack {stack!r} has no output {key}: is it PatchMedic?")
    return str(outputs[key])
