"""Make documents/template.yaml, the nested stack of SSM documents, from the scripts beside it.

Here: reading documents.toml, joining script parts, writing CloudFormation.  Not here: any rule
about nodes (that is in the scripts).  Beyond the standard library it needs shfmt, a program that
parses shell and prints it small, beside the Python that runs this; ``requirements/dev.txt`` pins
it, so that the same scripts always become the same documents.

The scripts go into the template as plain strings, one a function.  No intrinsic function touches
them: ``Fn::Sub`` stands only in the documents' names, and ``{{ }}`` only where one of our own
parameters goes in.  Run ``python documents/build.py`` after a change, ``--check`` to see whether
that was forgotten.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
TEMPLATE = HERE / "template.yaml"
SHFMT = Path(sys.executable).with_name("shfmt")

DOCUMENT_BYTES_MAX = 64 * 1024
"""What Systems Manager takes for one document."""

PLACEHOLDER = re.compile(r"\{\{(.*?)\}\}")
COMMENT = re.compile(r"\s*#(?!!)")
"""A whole line of comment, in shell and in PowerShell; ``#!`` is none."""
INDENT = re.compile(r"^ +")
"""Depth stays in the repository: a document has a size, and no string of a script spans lines in
which blanks at the beginning would count."""
FUNCTION_END = re.compile(r"(?<=\n\})\n")
"""Where one entry of ``runCommand`` ends and the next begins; the agent puts the break back."""

ACTIONS: Mapping[str, str] = {
    "Linux": "aws:runShellScript",
    "MacOS": "aws:runShellScript",
    "Windows": "aws:runPowerShellScript",
}

Yaml = str | int | Mapping[str, "Yaml"] | Sequence["Yaml"]


class DocumentError(Exception):
    """A document that Systems Manager would refuse or misread: which, and why."""


@dataclass(frozen=True, slots=True)
class Document:
    """One SSM document: its name after the prefix, and its content."""

    suffix: str
    content: dict[str, Any]

    @property
    def logical_id(self) -> str:
        return self.suffix.replace("-", "") + "Document"

    @property
    def script(self) -> str:
        """The script of the one step, as the agent joins its lines."""
        lines: list[str] = self.content["mainSteps"][0]["inputs"]["runCommand"]
        return "\n".join(lines) + "\n"


def load_documents(folder: Path = HERE) -> tuple[Document, ...]:
    """Every document of documents.toml, checked."""
    with (folder / "documents.toml").open("rb") as file:
        metadata = tomllib.load(file)
    documents = tuple(
        _document(entry, metadata["parameters"], folder) for entry in metadata["document"]
    )
    for document in documents:
        _check(document)
    return documents


def _document(entry: Mapping[str, Any], parameters: Mapping[str, Any], folder: Path) -> Document:
    script = "\n".join(_part(folder / part) for part in entry["parts"])
    if ACTIONS[entry["platform"]] == "aws:runShellScript":
        script = _small_shell(entry["suffix"], script)
    content: dict[str, Any] = {
        "schemaVersion": "2.2",
        "description": entry["description"],
    }
    if entry.get("parameters"):
        content["parameters"] = {name: _parameter(parameters[name]) for name in entry["parameters"]}
    content["mainSteps"] = [
        {
            "action": ACTIONS[entry["platform"]],
            "name": entry["step"],
            "precondition": {"StringEquals": ["platformType", entry["platform"]]},
            "inputs": {
                "timeoutSeconds": str(entry["timeout_seconds"]),
                "runCommand": FUNCTION_END.split(script),
            },
        }
    ]
    return Document(entry["suffix"], content)


def _part(path: Path) -> str:
    """A script part without its comments, which stay in the repository: a document has a size."""
    lines = path.read_text("utf-8").splitlines()
    kept = (line for line in lines if line and not COMMENT.match(line))
    return "\n".join(INDENT.sub("", line) for line in kept)


def _small_shell(suffix: str, script: str) -> str:
    """The same shell script without the blanks that only people need; its names stay."""
    if not SHFMT.is_file():
        raise DocumentError(
            f"{SHFMT} is not there: install requirements/dev.txt beside this Python"
        )
    done = subprocess.run(  # noqa: S603 - a program of ours and no shell
        [SHFMT, "-ln", "posix", "-mn"], input=script, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise DocumentError(f"{suffix}: {done.stderr.strip()}")
    return done.stdout.rstrip("\n")


def _parameter(entry: Mapping[str, str]) -> dict[str, str]:
    parameter = {"type": "String", "description": entry["description"]}
    if "default" in entry:
        parameter["default"] = entry["default"]
    # Without a pattern, a parameter would be a way to put code into a script that runs as root.
    parameter["allowedPattern"] = entry["allowed_pattern"]
    return parameter


def _check(document: Document) -> None:
    size = len(json.dumps(document.content).encode())
    if size > DOCUMENT_BYTES_MAX:
        raise DocumentError(f"{document.suffix} has {size} bytes, {DOCUMENT_BYTES_MAX} may be")
    known = set(document.content.get("parameters", {}))
    for number, line in enumerate(document.script.split("\n"), start=1):
        names = [match.group(1).strip() for match in PLACEHOLDER.finditer(line)]
        if line.count("{{") != len(names) or not known.issuperset(names):
            raise DocumentError(
                f"{document.suffix}, line {number}: {line!r} would be read as a parameter"
            )
        if not line.isascii() or line != line.rstrip() or "\r" in line:
            raise DocumentError(
                f"{document.suffix}, line {number}: only ASCII, without blanks at the end"
            )


def render(documents: Sequence[Document]) -> str:
    """The nested stack's template."""
    resources: dict[str, Yaml] = {
        document.logical_id: {
            "Type": "AWS::SSM::Document",
            "Properties": {
                "Name": {"Fn::Sub": "${Prefix}-" + document.suffix},
                "DocumentType": "Command",
                "DocumentFormat": "JSON",
                "TargetType": "/",
                "UpdateMethod": "NewVersion",
                "Content": document.content,
            },
        }
        for document in documents
    }
    template: dict[str, Yaml] = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "PatchMedic's SSM documents: read-only checks and remedies.",
        "Parameters": {
            "Prefix": {
                "Type": "String",
                "Description": "The stack's prefix; every document is named Prefix-...",
                "AllowedPattern": "^[A-Za-z][A-Za-z0-9-]{0,63}$",
            }
        },
        "Resources": resources,
    }
    head = (
        "# Made by documents/build.py from documents.toml and the scripts beside it. Do not edit.\n"
    )
    return head + "".join(_yaml(template, 0))


def _yaml(value: Mapping[str, Yaml], depth: int) -> Iterator[str]:
    """Block style with JSON strings: every YAML reader takes those, and nothing needs guessing."""
    pad = "  " * depth
    for key, item in value.items():
        if isinstance(item, Mapping):
            yield f"{pad}{_key(key)}:\n"
            yield from _yaml(item, depth + 1)
        elif isinstance(item, str | int):
            yield f"{pad}{_key(key)}: {json.dumps(item)}\n"
        else:
            yield f"{pad}{_key(key)}:\n"
            yield from _yaml_list(item, depth + 1)


def _yaml_list(items: Sequence[Yaml], depth: int) -> Iterator[str]:
    pad = "  " * depth
    for item in items:
        if isinstance(item, Mapping):
            lines = list(_yaml(item, depth + 1))
            yield f"{pad}- {lines[0].lstrip()}"
            yield from lines[1:]
        else:
            yield f"{pad}- {json.dumps(item)}\n"


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z][A-Za-z0-9]*(::[A-Za-z0-9]+)*", key) else json.dumps(key)


def main(arguments: Sequence[str]) -> int:
    if list(arguments) not in ([], ["--check"]):
        print("usage: python documents/build.py [--check]", file=sys.stderr)
        return 2
    try:
        made = render(load_documents())
    except DocumentError as error:
        print(f"documents/build.py: {error}", file=sys.stderr)
        return 1
    if not arguments:
        TEMPLATE.write_text(made, "utf-8")
        return 0
    if not TEMPLATE.is_file() or TEMPLATE.read_text("utf-8") != made:
        print("documents/template.yaml is out of date: run python documents/build.py")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
