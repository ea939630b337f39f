"""SSM documents: AWS's own that patching uses, and those that a stack registers.

Here: parameters and their rules, steps, platforms, versions.  Not here: what a document does on a
node (``node``), and CloudFormation's part in registering one (``hooks.stack_resources``).
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from patchmedic_local.options import ACCOUNT, REGION
from patchmedic_local.ssm.errors import ApiError

PATCH_TIMEOUT_SECONDS = 7200
_DEFAULT_TIMEOUT_SECONDS = 3600
_CONTENT_BYTES_MAX = 64 * 1024
_NAME = re.compile(r"[a-zA-Z0-9_\-.]{3,128}")
_STEP_NAME = re.compile(r"[a-zA-Z0-9]{1,128}")
_RESERVED_PREFIXES = ("aws", "amazon", "amzn")
_PLATFORM_NAMES = {"linux": "Linux", "windows": "Windows", "macos": "MacOS"}
_LIST_TYPES = ("StringList", "MapList")


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a document."""

    name: str
    action: str
    platforms: frozenset[str]
    """The platforms it runs on: by its precondition, else by its action."""
    conditional: bool
    """Whether a precondition skips it elsewhere (else it is invalid there)."""
    timeout_seconds: int


@dataclass(frozen=True, slots=True)
class Document:
    """One version of a document."""

    name: str
    owner: str
    version: str
    content: Mapping[str, Any]
    text: str
    format: str
    created: float
    steps: tuple[Step, ...]
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        account = "" if self.owner == "Amazon" else ACCOUNT
        return f"arn:aws:ssm:{REGION}:{account}:document/{self.name}"

    @property
    def platforms(self) -> list[str]:
        found = frozenset().union(*(step.platforms for step in self.steps))
        return [_PLATFORM_NAMES[p] for p in ("windows", "linux", "macos") if p in found]

    @property
    def execution_seconds(self) -> int:
        return max(step.timeout_seconds for step in self.steps)

    @property
    def hash(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


def parse(name: str, content: Any, *, owner: str, version: str, form: str = "JSON") -> Document:
    """A document from its content (a mapping, or JSON or YAML text); InvalidDocumentContent."""
    text = content if isinstance(content, str) else json.dumps(content)
    if len(text.encode()) > _CONTENT_BYTES_MAX:
        raise ApiError("MaxDocumentSizeExceeded", "The document is larger than 64 KB.")
    try:
        body = yaml.safe_load(text)  # JSON is YAML
    except yaml.YAMLError as error:
        raise ApiError("InvalidDocumentContent", f"The content is no {form}: {error}") from error
    if not isinstance(body, dict) or str(body.get("schemaVersion")) not in ("2.0", "2.2"):
        raise ApiError("InvalidDocumentContent", "A Command document needs schemaVersion 2.2.")
    steps = tuple(_step(step) for step in body.get("mainSteps") or [])
    names = [step.name for step in steps]
    if not steps or len(set(names)) != len(names):
        raise ApiError(
            "InvalidDocumentContent", "mainSteps needs one or more steps of unique name."
        )
    parameters = body.get("parameters") or {}
    _check_parameters(parameters)
    return Document(
        name=name,
        owner=owner,
        version=version,
        content=body,
        text=text,
        format=form,
        created=time.time(),
        steps=steps,
        parameters=parameters,
    )


def _step(step: Mapping[str, Any]) -> Step:
    name, action = str(step.get("name", "")), str(step.get("action", ""))
    if not _STEP_NAME.fullmatch(name) or not action.startswith("aws:"):
        raise ApiError("InvalidDocumentContent", f"The step {name!r} ({action!r}) is not valid.")
    inputs = step.get("inputs") or {}
    if action in ("aws:runShellScript", "aws:runPowerShellScript") and not inputs.get("runCommand"):
        raise ApiError("InvalidDocumentContent", f"The step {name!r} has no runCommand.")
    by_action = {
        "aws:runShellScript": frozenset({"linux", "macos"}),
        "aws:runPowerShellScript": frozenset({"windows", "linux"}),
    }.get(action, frozenset({"linux", "macos", "windows"}))
    condition = (step.get("precondition") or {}).get("StringEquals")
    platforms = by_action
    if condition:
        wanted = {str(word).lower() for word in condition}
        platforms = frozenset(p for p in by_action if p in wanted)
    timeout = str(inputs.get("timeoutSeconds", _DEFAULT_TIMEOUT_SECONDS))
    seconds = int(timeout) if timeout.isdigit() else _DEFAULT_TIMEOUT_SECONDS
    return Step(name, action, platforms, bool(condition), seconds)


def _check_parameters(parameters: Mapping[str, Mapping[str, Any]]) -> None:
    known = ("String", "StringList", "Integer", "Boolean", "MapList", "StringMap")
    for name, rule in parameters.items():
        if rule.get("type") not in known:
            raise ApiError("InvalidDocumentContent", f"Parameter {name} has no valid type.")
        if "allowedPattern" in rule:
            try:
                re.compile(rule["allowedPattern"])
            except re.error as error:
                message = f"allowedPattern of {name} does not compile: {error}"
                raise ApiError("InvalidDocumentContent", message) from error


def check_arguments(document: Document, given: Mapping[str, Sequence[str]]) -> None:
    """Raise InvalidParameters unless the given parameters fit the document's rules."""
    for name in given:
        if name not in document.parameters:
            raise ApiError(
                "InvalidParameters",
                f"The document {document.name} does not support the parameter {name}.",
            )
    for name, rule in document.parameters.items():
        if name not in given:
            if "default" not in rule:
                raise ApiError("InvalidParameters", f"The parameter {name} is required.")
            continue
        _check_argument(name, rule, given[name])


def _check_argument(name: str, rule: Mapping[str, Any], values: Sequence[str]) -> None:
    if rule["type"] not in _LIST_TYPES and len(values) != 1:
        raise ApiError("InvalidParameters", f"The parameter {name} takes exactly one value.")
    for value in values:
        allowed = rule.get("allowedValues")
        if allowed and value not in [str(choice) for choice in allowed]:
            raise ApiError(
                "InvalidParameters",
                f"The value of {name} is not one of its allowed values: {', '.join(allowed)}.",
            )
        pattern = rule.get("allowedPattern")
        if pattern and not re.fullmatch(pattern, value):
            raise ApiError(
                "InvalidParameters",
                f"The value of {name} does not match its allowed pattern {pattern}.",
            )
        if rule.get("maxChars") and len(value) > int(rule["maxChars"]):
            raise ApiError("InvalidParameters", f"The value of {name} is too long.")


def arguments(document: Document, given: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The first value of each parameter, with the document's defaults."""
    values = {name: str(rule.get("default", "")) for name, rule in document.parameters.items()}
    values.update({name: given[name][0] for name in given if given[name]})
    return values


class Documents:
    """Every document of the account, with its versions."""

    def __init__(self) -> None:
        self._versions: dict[str, list[Document]] = {}
        self._tags: dict[str, dict[str, str]] = {}

    def add_owned_by_amazon(self, name: str, content: Mapping[str, Any]) -> None:
        self._versions[name] = [parse(name, content, owner="Amazon", version="1")]

    def create(self, name: str, content: Any, form: str, tags: Mapping[str, str]) -> Document:
        if not _NAME.fullmatch(name):
            raise ApiError("ValidationException", f"{name!r} is no valid document name.")
        if name.lower().startswith(_RESERVED_PREFIXES):
            raise ApiError("ValidationException", f"The document name {name!r} is reserved by AWS.")
        if name in self._versions:
            raise ApiError("DocumentAlreadyExists", f"Document with name {name} already exists.")
        document = parse(name, content, owner=ACCOUNT, version="1", form=form)
        self._versions[name] = [document]
        self._tags[name] = dict(tags)
        return document

    def new_version(self, name: str, content: Any, form: str) -> Document:
        versions = self._of(name)
        number = str(int(versions[-1].version) + 1)
        document = parse(name, content, owner=ACCOUNT, version=number, form=form)
        if document.text == versions[-1].text:
            raise ApiError("DuplicateDocumentContent", "The content equals the latest version.")
        versions.append(document)
        return document

    def delete(self, name: str) -> None:
        self._versions.pop(name, None)
        self._tags.pop(name, None)

    def find(self, name: str, version: str | None = None) -> Document:
        """By name or ARN; InvalidDocument, InvalidDocumentVersion."""
        versions = self._of(name.rsplit("/", 1)[-1] if name.startswith("arn:") else name)
        if version in (None, "", "$DEFAULT", "$LATEST"):
            return versions[-1]
        for document in versions:
            if document.version == version:
                return document
        raise ApiError("InvalidDocumentVersion", f"{name} has no version {version}.")

    def versions(self, name: str) -> Sequence[Document]:
        return tuple(self._of(name))

    def tags(self, name: str) -> Mapping[str, str]:
        return self._tags.get(name, {})

    def set_tags(self, name: str, tags: Mapping[str, str]) -> None:
        self._tags[name] = dict(tags)

    def _of(self, name: str) -> list[Document]:
        if name not in self._versions:
            raise ApiError("InvalidDocument", f"Document with name {name} does not exist.")
        return self._versions[name]
