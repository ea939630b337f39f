"""Commands for people to paste, with the incident's own ids in them.

Here: pure functions that make command lines.  An id that does not look like one stays a
placeholder (``ids``).  Not here: when a command is shown (``mail``).
"""

from __future__ import annotations

import json
import re
import shlex

from patchmedic.incident import Incident
from patchmedic.notices.ids import ids, known
from patchmedic.notices.view import NoticeContext

_STEP = re.compile(r"[A-Za-z0-9_:-]{1,100}")
_DOCUMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/-]{2,199}")
_REPEATABLE = frozenset({"Operation", "RebootOption", "SnapshotId"})
"""Parameters that a new run sets itself.  Any other one decides which patches are installed."""


def for_advice(incident: Incident) -> dict[str, str]:
    """What the catalogue's advice may name as ``<INSTANCE_ID>``; the rest is for people to fill."""
    values = ids(incident)
    names = {
        "INSTANCE_ID": "node_id",
        "NODE_ID": "node_id",
        "REGION": "region",
        "ACCOUNT": "account",
        "COMMAND_ID": "command_id",
        "ASSOCIATION_ID": "association_id",
        "WINDOW_ID": "window_id",
        "WINDOW_EXECUTION_ID": "window_execution_id",
    }
    found = {shown: values[name] for shown, name in names.items() if known(values, name)}
    evidence = incident.evidence
    if evidence.step and _STEP.fullmatch(evidence.step):
        found["STEP"] = evidence.step
    document = evidence.hook.document if evidence.hook else None
    if document and _DOCUMENT.fullmatch(document):
        found["HOOK_DOCUMENT"] = document
    return found


def decide_command(incident: Incident, context: NoticeContext, decision: str) -> str:
    """The call that approves or denies the incident's proposal, signed with the caller's ARN.

    The shell asks AWS who is calling: the payload needs a name, and nobody types an ARN at night.
    """
    payload = {
        "incident_id": ids(incident)["incident_id"],
        "decision": decision,
        "operator": "CALLER",
        "reason": "WHY",
    }
    caller = "'\"$(aws sts get-caller-identity --query Arn --output text)\"'"
    quoted = shlex.quote(json.dumps(payload)).replace("CALLER", caller)
    return " ".join(
        (
            "aws lambda invoke",
            f"--region {shlex.quote(context.region)}",
            f"--function-name {shlex.quote(context.approve_function)}",
            "--cli-binary-format raw-in-base64-out",
            f"--payload {quoted}",
            "/dev/stdout",
        )
    )


def output_command(incident: Incident) -> str | None:
    """Show everything that the failed run printed."""
    values = ids(incident)
    if values["node_id"].startswith("mw-"):
        if known(values, "window_execution_id"):
            return (
                "aws ssm describe-maintenance-window-execution-tasks"
                f" --region {values['region']}"
                f" --window-execution-id {values['window_execution_id']}"
            )
        return None
    if not known(values, "command_id"):
        return None
    which = f"--command-id {values['command_id']} --instance-id {values['node_id']}"
    step = incident.evidence.step or ""
    if not _STEP.fullmatch(step):
        return f"aws ssm list-command-invocations --region {values['region']} {which} --details"
    # Patch documents have a step for each platform: without its name AWS refuses the call.
    return (
        f"aws ssm get-command-invocation --region {values['region']} {which} --plugin-name {step}"
    )


def ping_command(incident: Incident) -> str:
    """Show what Systems Manager knows of the node."""
    values = ids(incident)
    return (
        f"aws ssm describe-instance-information --region {values['region']}"
        f" --filters Key=InstanceIds,Values={values['node_id']}"
    )


def our_commands_command(incident: Incident) -> str:
    """List what was sent to the node; ours carry the effect's id as comment."""
    values = ids(incident)
    return (
        f"aws ssm list-commands --region {values['region']} --instance-id {values['node_id']}"
        f" --query \"Commands[?contains(Comment, '{values['incident_id']}')]"
        '.[RequestedDateTime,DocumentName,Status,CommandId]" --output table'
    )


def rerun_command(incident: Incident) -> str | None:
    """Run the same thing again, without a reboot where the document lets us ask for that.

    ``None`` where a plain command would not be the same thing: a patch policy, an override list.
    """
    values = ids(incident)
    if values["node_id"].startswith("mw-") or not known(values, "node_id"):
        return None
    if known(values, "association_id"):
        return (
            f"aws ssm start-associations-once --region {values['region']}"
            f" --association-ids {values['association_id']}"
        )
    operation, parameters_then = incident.evidence.operation, incident.evidence.parameters
    if values["document"] != "AWS-RunPatchBaseline" or operation not in ("Scan", "Install"):
        return None
    given = {name for name, value in parameters_then.items() if any(value)}
    if not given or given - _REPEATABLE:
        return None
    parameters = "Operation=Scan"
    if operation == "Install":
        parameters = "Operation=Install,RebootOption=NoReboot"
    return (
        f"aws ssm send-command --region {values['region']} --document-name AWS-RunPatchBaseline"
        f" --instance-ids {values['node_id']} --parameters {parameters}"
    )


def tag_command(incident: Incident, context: NoticeContext) -> str:
    """Give the node the opt-in tag."""
    values = ids(incident)
    tag = shlex.quote(f"Key={context.opt_in_tag_key},Value={context.opt_in_tag_value}")
    if values["node_id"].startswith("mi-"):
        return (
            f"aws ssm add-tags-to-resource --region {values['region']}"
            f" --resource-type ManagedInstance --resource-id {values['node_id']} --tags {tag}"
        )
    return (
        f"aws ec2 create-tags --region {values['region']}"
        f" --resources {values['node_id']} --tags {tag}"
    )


def show_tags_command(incident: Incident) -> str:
    """Show the node's tags."""
    values = ids(incident)
    if values["node_id"].startswith("mi-"):
        return (
            f"aws ssm list-tags-for-resource --region {values['region']}"
            f" --resource-type ManagedInstance --resource-id {values['node_id']}"
        )
    return (
        f"aws ec2 describe-tags --region {values['region']}"
        f" --filters Name=resource-id,Values={values['node_id']}"
    )


def kill_switch_command(context: NoticeContext, *, release: bool) -> str | None:
    """Show the kill switch, or set it to ``run``."""
    if not context.kill_switch_parameter:
        return None
    name = shlex.quote(context.kill_switch_parameter)
    region = shlex.quote(context.region)
    if release:
        return f"aws ssm put-parameter --region {region} --name {name} --value run --overwrite"
    return f"aws ssm get-parameter --region {region} --name {name}"
