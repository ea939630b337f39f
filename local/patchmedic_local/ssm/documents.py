"""DescribeDocument and GetDocument, for AWS's documents and those of stacks."""

from __future__ import annotations

from typing import Any

from patchmedic_local.fleet.documents import Document
from patchmedic_local.fleet.fleet import Fleet
from patchmedic_local.options import ACCOUNT, REGION
from patchmedic_local.ssm.errors import ApiError
from patchmedic_local.ssm.operations import Request, Resources, operation


def _of_document(fleet: Fleet, request: Request) -> Resources:
    name = str(request["Name"])
    if name.startswith("arn:"):
        return [(name, {})]
    account = "" if name.lower().startswith(("aws-", "amazon-")) else ACCOUNT
    return [(f"arn:aws:ssm:{REGION}:{account}:document/{name}", fleet.documents.tags(name))]


@operation("DescribeDocument", _of_document)
def describe_document(fleet: Fleet, request: Request) -> dict[str, Any]:
    name = str(request["Name"])
    document = fleet.documents.find(name, request.get("DocumentVersion"))
    latest = fleet.documents.versions(document.name)[-1].version
    return {
        "Document": {
            "Hash": document.hash,
            "HashType": "Sha256",
            "Name": document.name,
            "Owner": document.owner,
            "CreatedDate": document.created,
            "Status": "Active",
            "DocumentVersion": document.version,
            "Description": str(document.content.get("description", "")),
            "Parameters": [_parameter(n, rule) for n, rule in document.parameters.items()],
            "PlatformTypes": document.platforms,
            "DocumentType": "Command",
            "SchemaVersion": str(document.content["schemaVersion"]),
            "LatestVersion": latest,
            "DefaultVersion": latest,
            "DocumentFormat": document.format,
            "Tags": _tag_list(fleet, document),
        }
    }


def _parameter(name: str, rule: Any) -> dict[str, str]:
    kind = "StringList" if rule["type"] in ("StringList", "MapList") else "String"
    shown = {"Name": name, "Type": kind, "Description": str(rule.get("description", ""))}
    if "default" in rule:
        shown["DefaultValue"] = str(rule["default"])
    return shown


def _tag_list(fleet: Fleet, document: Document) -> list[dict[str, str]]:
    tags = fleet.documents.tags(document.name)
    return [{"Key": key, "Value": value} for key, value in tags.items()]


@operation("GetDocument", _of_document)
def get_document(fleet: Fleet, request: Request) -> dict[str, Any]:
    document = fleet.documents.find(str(request["Name"]), request.get("DocumentVersion"))
    wanted = request.get("DocumentFormat")
    if wanted not in (None, document.format):
        raise ApiError("InvalidDocument", f"The document is kept as {document.format}.")
    return {
        "Name": document.name,
        "CreatedDate": document.created,
        "DocumentVersion": document.version,
        "Status": "Active",
        "Content": document.text,
        "DocumentType": "Command",
        "DocumentFormat": document.format,
    }
