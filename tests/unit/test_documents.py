"""The SSM documents: what CloudFormation and Systems Manager would take, before either sees it."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "documents"


def _load_build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build", FOLDER / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["build"] = module
    spec.loader.exec_module(module)
    return module


build = _load_build()
DOCUMENTS = {document.suffix: document for document in build.load_documents()}
SUFFIXES = [
    "Check-Linux",
    "Check-MacOS",
    "Check-Windows",
    "Remedy-WaitForPackageLock-Linux",
    "Remedy-FreeDiskSpace-Linux",
    "Remedy-CleanPackageCache-Linux",
    "Remedy-ClearPatchLeftovers-Linux",
    "Remedy-RestartAgent-Linux",
    "Remedy-ResyncClock-Linux",
    "Remedy-ResyncClock-MacOS",
    "Remedy-ConfigureDpkg-Linux",
    "Remedy-RebuildRpmDatabase-Linux",
    "Remedy-RefreshCaBundle-Linux",
    "Remedy-Reboot-Linux",
    "Remedy-FreeDiskSpace-Windows",
    "Remedy-ResetWindowsUpdate-Windows",
    "Remedy-StartUpdateServices-Windows",
    "Remedy-RepairComponentStore-Windows",
    "Remedy-ResyncClock-Windows",
    "Remedy-Reboot-Windows",
]
SHELL = [suffix for suffix in SUFFIXES if not suffix.endswith("Windows")]


def step(suffix: str) -> dict[str, Any]:
    (only,) = DOCUMENTS[suffix].content["mainSteps"]
    return dict(only)


# --- the generated template -----------------------------------------------------------------------


def test_the_template_in_the_tree_is_current() -> None:
    done = subprocess.run(
        [sys.executable, str(FOLDER / "build.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_a_template_that_is_not_current_is_noticed(tmp_path: Path) -> None:
    copy = tmp_path / "documents"
    shutil.copytree(FOLDER, copy, ignore=shutil.ignore_patterns("__pycache__"))
    script = copy / "lib" / "text.sh"
    script.write_text(script.read_text("utf-8") + "true\n", "utf-8")
    command = [sys.executable, str(copy / "build.py")]
    assert subprocess.run([*command, "--check"], capture_output=True, check=False).returncode == 1
    assert subprocess.run(command, check=False).returncode == 0
    assert subprocess.run([*command, "--check"], check=False).returncode == 0


def test_yaml_reads_back_exactly_what_was_written() -> None:
    template = yaml.safe_load((FOLDER / "template.yaml").read_text("utf-8"))
    assert set(template["Parameters"]) == {"Prefix"}
    resources = template["Resources"]
    assert [r["Properties"]["Name"] for r in resources.values()] == [
        {"Fn::Sub": "${Prefix}-" + document.suffix} for document in DOCUMENTS.values()
    ]
    for resource, document in zip(resources.values(), DOCUMENTS.values(), strict=True):
        assert resource["Type"] == "AWS::SSM::Document"
        properties = resource["Properties"]
        assert properties.pop("Name")
        assert properties.pop("Content") == document.content
        assert properties == {
            "DocumentType": "Command",
            "DocumentFormat": "JSON",
            "TargetType": "/",
            "UpdateMethod": "NewVersion",
        }


def test_no_intrinsic_function_reaches_a_script() -> None:
    text = (FOLDER / "template.yaml").read_text("utf-8")
    assert text.count("Fn::") == len(DOCUMENTS)
    assert not re.search(r"^[^\"]*!(Sub|Ref|Join|GetAtt)", text, re.M)


# --- each document --------------------------------------------------------------------------------


def test_the_documents_are_those_that_the_stack_speaks_of() -> None:
    assert sorted(DOCUMENTS) == sorted(SUFFIXES)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_document_is_one_step_for_one_platform(suffix: str) -> None:
    content = DOCUMENTS[suffix].content
    assert content["schemaVersion"] == "2.2"
    platform = suffix.rsplit("-", 1)[1]
    assert step(suffix)["precondition"] == {"StringEquals": ["platformType", platform]}
    windows = platform == "Windows"
    assert step(suffix)["action"] == f"aws:run{'PowerShell' if windows else 'Shell'}Script"
    assert step(suffix)["name"] == suffix.split("-", 1)[0]
    assert int(step(suffix)["inputs"]["timeoutSeconds"]) >= 90
    assert len(json.dumps(content).encode()) < 64 * 1024


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_only_checks_take_parameters_and_each_has_a_pattern(suffix: str) -> None:
    parameters = DOCUMENTS[suffix].content.get("parameters", {})
    assert set(parameters) == ({"Checks", "Region"} if suffix.startswith("Check") else set())
    for parameter in parameters.values():
        assert parameter["type"] == "String"
        assert parameter["allowedPattern"].startswith("^")
        assert parameter["allowedPattern"].endswith("$")
    script = DOCUMENTS[suffix].script
    assert set(re.findall(r"\{\{(.*?)\}\}", script)) == {f" {name} " for name in parameters}
    assert script.count("{{") == len(parameters)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        (
            "Checks",
            ["all", "disk-space", "disk-space,s3-reach", ",".join(["ab"] * 30)],
            [
                "",
                "ALL",
                "a",
                "a b",
                "disk-space,",
                "x;id",
                "$(id)",
                "a'b",
                "é",
                ",".join(["ab"] * 41),
            ],
        ),
        (
            "Region",
            ["ap-northeast-1", "us-gov-west-1", "cn-north-1"],
            ["", "ap-northeast-12", "AP-NORTHEAST-1", "ap-northeast-1.evil", "x'; id", "ap--1"],
        ),
    ],
)
def test_the_patterns_let_names_in_and_code_out(name: str, good: list[str], bad: list[str]) -> None:
    pattern = DOCUMENTS["Check-Linux"].content["parameters"][name]["allowedPattern"]
    assert all(re.search(pattern, value) for value in good)
    assert not [value for value in bad if re.search(pattern, value)]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("echo '{{ Other }}'", "would be read as a parameter"),
        ("echo {{", "would be read as a parameter"),
        ("echo é", "only ASCII"),
        ("x='two \nlines'", "without blanks"),
        ("if true; then", "Check-Linux: .*must end with"),
        ("x" * 70000, "bytes"),
    ],
)
def test_a_document_that_ssm_would_refuse_is_not_made(tmp_path: Path, line: str, says: str) -> None:
    shutil.copytree(FOLDER, tmp_path / "d", ignore=shutil.ignore_patterns("__pycache__"))
    part = tmp_path / "d" / "lib" / "node.sh"
    part.write_text(part.read_text("utf-8") + line + "\n", "utf-8")
    with pytest.raises(build.DocumentError, match=says):
        build.load_documents(tmp_path / "d")


def test_without_the_program_that_makes_scripts_small_nothing_is_made(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(build, "SHFMT", tmp_path / "shfmt")
    assert build.main(["--check"]) == 1
    assert "shfmt is not there: install requirements/dev.txt" in capsys.readouterr().err


# --- shell ----------------------------------------------------------------------------------------

BASHISMS = {
    r"\[\[\s": "test brackets",
    r"(?<![<\w])<<<(?!PATCHMEDIC)": "here-string",
    r"<<-?\s*['\"]?[A-Z]{2,}\b(?!<)": "here-document (older shells put them into /tmp)",
    r"\bfunction\s+\w+\s*\{": "function keyword",
    r"^\s*local\s": "local",
    r"\bsource\s+\S+\.sh": "source",
    r"(?<=[ =(])\$'": "dollar quotes",
    r"&>": "redirection of both streams",
    # Run by name; the check of what the payload would find asks what is there.
    r"(?:^|[|;&(`]|\b(?:then|do|else|limit [0-9]+))\s*(?:python[0-9.]*|jq)\s": (
        "a tool that a node may not have"
    ),
}


@pytest.mark.parametrize("suffix", SHELL)
def test_a_shell_script_is_plain_posix(suffix: str) -> None:
    script = DOCUMENTS[suffix].script
    assert script.startswith("#!/bin/sh\n")
    for pattern, what in BASHISMS.items():
        found = re.search(pattern, script.replace("'<<<PATCHMEDIC", "'"), re.M)
        assert not found, f"{what}: {found.group(0) if found else ''}"


@pytest.mark.parametrize("suffix", SHELL)
def test_a_shell_script_parses_and_shellcheck_has_nothing_to_say(
    suffix: str, tmp_path: Path
) -> None:
    entry = next(e for e in _metadata() if e["suffix"] == suffix)
    joined = "\n".join((FOLDER / part).read_text("utf-8") for part in entry["parts"])
    script = tmp_path / "script.sh"
    script.write_text(joined, "utf-8")
    parsed = subprocess.run(["sh", "-n", str(script)], capture_output=True, text=True, check=False)
    assert parsed.returncode == 0, parsed.stderr
    beside = Path(sys.executable).with_name("shellcheck")
    shellcheck = str(beside) if beside.exists() else shutil.which("shellcheck")
    if shellcheck is None:
        pytest.skip("shellcheck is not installed")
    # 2317, 2329: checks are called by the name that was asked for.  2034: answers for a caller
    # that not every script has.  Nothing is unset in a whole script, so 2154 stays on here.
    checked = subprocess.run(
        [shellcheck, "-s", "sh", "-e", "SC2317,SC2329,SC2034", str(script)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout


def _metadata() -> list[dict[str, Any]]:
    import tomllib

    return list(tomllib.loads((FOLDER / "documents.toml").read_text("utf-8"))["document"])


@pytest.mark.parametrize("suffix", [suffix for suffix in SUFFIXES if suffix.startswith("Check")])
def test_a_check_contains_no_command_that_changes_a_setting(suffix: str) -> None:
    script = DOCUMENTS[suffix].script
    for word in (
        r"\b(apt|apt-get|dnf|yum|zypper)\s+(install|update|clean|remove)",
        r"\bsystemctl\s+(start|stop|restart|enable|disable)",
        r"\b(chmod|chown|ln|sed -i|tee|sysctl -w|mount|umount)\s",
        r"\b(Set|Remove|New|Rename|Stop|Restart|Start|Clear)-(Service|Item|ItemProperty|Content)\b",
        r"\bnetsh\b.*\bset\b",
    ):
        assert not re.search(word, script), word
