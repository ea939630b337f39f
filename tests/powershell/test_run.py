"""What run.ps1 prints, whatever the node is like: one document that the library can read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.powershell.node import RecordedNode, load, merge
from tests.powershell.scripts import CHECK, look
from tests.powershell.test_checks import FAULTS
from tests.powershell.values import Unsupported

from patchmedic.checks.node import CHECKS, parse_findings
from patchmedic.model import Verdict

NODE = "i-0123456789abcdef0"
OUTPUT_CHARACTERS_MAX = 20_000


def test_every_answer_is_read_by_the_library() -> None:
    run = look(load("server-2016-ja"))
    findings = parse_findings(run.text, NODE)
    here = {name for name, check in CHECKS.items() if "windows" in check.platforms}
    assert set(run.answers) == here
    assert {finding.check for finding in findings} == here


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_confirms_its_cause_and_no_other(name: str) -> None:
    fault = FAULTS[name]
    run = look(merge(load(fault.get("base", "server-2019")), fault["change"]))
    confirmed = {
        finding.cause
        for finding in parse_findings(run.text, NODE)
        if finding.verdict is Verdict.CONFIRMS
    }
    assert confirmed == set(fault.get("confirms", ()))
    for facts in run.answers.values():
        # The state is none of the facts.
        assert len(facts) - 1 <= 20
        assert all(len(value) <= 300 for fact, value in facts.items() if fact != "tail")


def everything_wrong() -> dict[str, Any]:
    """All faults that can be had at once, with the longest texts that a node may hold."""
    node = load("server-2016-ja")
    for fault in FAULTS.values():
        if "hangs" in str(fault["change"]):
            continue
        node = merge(node, fault["change"])
    folder = f"C:\\ProgramData\\Amazon\\SSM\\InstanceData\\{NODE}\\document\\orchestration"
    run = f"{folder}\\11111111-2222-3333-4444-555555555555\\PatchWindows"
    long = "あ" * 3000 + "\\" * 3000
    change = {
        "files": {f"{run}\\stdout": {"text": long}, f"{run}\\stderr": {"text": long}},
        "registry": {
            "HKLM:\\SOFTWARE\\Policies\\Microsoft\\Windows\\WindowsUpdate": {"WUServer": "\\" * 900}
        },
        "com": {"history": [{"title": '"' * 900, "result": 4, "hresult": -1, "minutes": 1}]},
        "web": {"download.windowsupdate.com": {"code": 200}},
        "through": {"proxy.example.internal:3128": {"code": 407}},
        "connect_reply": "HTTP/1.1 407 x\r\n\r\n",
        "tcp": {"proxy.example.internal:3128": "open"},
    }
    node["com"].pop("failure", None)
    return merge(node, change)


def test_a_node_with_everything_wrong_fits_the_output() -> None:
    run = look(everything_wrong())
    assert len(run.text) < OUTPUT_CHARACTERS_MAX
    bad = [check for check, facts in run.answers.items() if facts["state"] == "bad"]
    assert len(bad) >= 15, run.answers
    assert run.text.isascii()
    assert parse_findings(run.text, NODE)


def test_constrained_language_is_said_by_the_check_whose_matter_it_is() -> None:
    recorded = merge(load("server-2019"), {"powershell": {"language_mode": "ConstrainedLanguage"}})
    run = look(recorded)
    assert run.code == 0
    answers = run.answers
    expected = {
        "state": "bad",
        "error": "constrained",
        "language_mode": "ConstrainedLanguage",
        "version": "5.1.17763.6414",
    }
    assert answers.pop("powershell") == expected
    assert {tuple(sorted(a.items())) for a in answers.values()} == {
        (("state", "unknown"), ("why", "PowerShell runs in ConstrainedLanguage"))
    }
    # Nothing of .NET was touched on the way.
    assert run.node.written == []


def test_a_check_that_hangs_does_not_hold_up_the_others() -> None:
    recorded = {**load("server-2019"), "hanging": ["CreateUpdateSearcher"]}
    run = look(recorded)
    answers = run.answers
    assert answers["update-history"] == {"state": "unknown", "why": "not done within 50 seconds"}
    assert [name for name, a in answers.items() if a["state"] != "ok"] == ["update-history"]


def test_only_what_is_asked_for_runs_once_and_the_log_comes_last() -> None:
    run = look(load("server-2019"), "patch-log-tail,sysprep,no-such,sysprep")
    assert list(run.answers) == ["sysprep", "no-such", "patch-log-tail"]
    assert run.answers["no-such"]["why"] == "no check of this name for windows"
    assert run.node.asked == []


@pytest.mark.parametrize(
    ("checks", "region"),
    [("", "ap-northeast-1"), ("A", "ap-northeast-1"), ("all", "x"), ("all", "ap-northeast-12")],
)
def test_parameters_that_are_none_end_the_script(checks: str, region: str) -> None:
    run = look(load("server-2019"), checks, region)
    assert (run.text, run.code) == ("", 2)


def test_the_log_of_a_run_with_hooks_is_found() -> None:
    folder = f"C:\\ProgramData\\Amazon\\SSM\\InstanceData\\{NODE}\\document\\orchestration"
    run_id = "99999999-2222-3333-4444-555555555555"
    here = f"{folder}\\{run_id}\\awsrunPowerShellScript\\PatchWindows"
    change = {"files": {here: {"folder": True, "minutes": 1}, f"{here}\\stdout": {"text": "hook"}}}
    run = look(merge(load("server-2019"), change), "patch-log-tail")
    assert run.answers["patch-log-tail"]["command"] == run_id
    assert run.answers["patch-log-tail"]["tail"].startswith("hook")


def test_a_node_that_is_not_of_aws_says_what_it_is() -> None:
    change = {
        "environment": {"AWS_SSM_INSTANCE_ID": "mi-0123456789abcdef0"},
        "web": {"PUT http://169.254.169.254/latest/api/token": {"status": "Timeout"}},
    }
    answers = look(merge(load("server-2019"), change), "registration,imds,proxies").answers
    assert answers["registration"]["state"] == "ok"
    assert answers["registration"]["kind"] == "hybrid"
    assert answers["imds"]["state"] == "unknown"
    assert answers["proxies"]["bypass"] == ""


def test_the_look_at_the_store_leaves_no_file() -> None:
    for change in ({}, {"programs": {DISM: {"hangs": True}}}):
        run = look(merge(load("server-2019"), change), "component-store")
        (deleted,) = run.node.deleted
        assert deleted.startswith("C:\\Windows\\TEMP\\patchmedic-check-")


DISM = "Dism.exe /English /Online /Cleanup-Image /CheckHealth /LogLevel:1 /LogPath:TEMP"
SECRETS = ("AKIAABCDEFGHIJKLMNOP", "Secret9", "wJalrXUtnFEMI")


def test_no_secret_comes_out() -> None:
    change = {
        "registry": {
            "HKLM:\\SYSTEM\\CurrentControlSet\\Services\\AmazonSSMAgent": {
                "Environment": ["https_proxy=http://patch:Secret9@proxy.example.internal:3128"]
            }
        },
        "through": {"proxy.example.internal:3128": {"status": "Timeout"}},
        "tcp": {"proxy.example.internal:3128": "timeout"},
        "files": {
            "C:\\ProgramData\\Amazon\\SSM\\Logs\\hibernate.log": {
                "minutes": 1,
                "text": "Health ping failed token=Secret9 AKIAABCDEFGHIJKLMNOP\n",
            },
            "C:\\Windows\\System32\\config\\systemprofile\\.aws\\credentials": {
                "text": "[default]\naws_access_key_id = AKIAABCDEFGHIJKLMNOP\n"
                "aws_secret_access_key = wJalrXUtnFEMI\n"
            },
        },
    }
    text = look(merge(load("server-2019"), change)).text
    assert not [secret for secret in SECRETS if secret in text]
    assert "patch:" not in text


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=300), st.text(max_size=80))
def test_whatever_a_log_and_a_setting_hold_the_document_can_be_read(log: str, name: str) -> None:
    folder = f"C:\\ProgramData\\Amazon\\SSM\\InstanceData\\{NODE}\\document\\orchestration"
    run_folder = f"{folder}\\11111111-2222-3333-4444-555555555555\\PatchWindows"
    safe = log.encode("utf-8", "replace").decode()
    title = name.encode("utf-8", "replace").decode()
    change = {
        "files": {f"{run_folder}\\stdout": {"text": safe}},
        "com": {"history": [{"title": title, "result": 4, "hresult": -1, "minutes": 5}]},
        "registry": {
            "HKLM:\\SOFTWARE\\Policies\\Microsoft\\Windows\\WindowsUpdate": {"WUServer": title}
        },
    }
    checks = "update-history,wsus-settings,patch-log-tail"
    run = look(merge(load("server-2019"), change), checks)
    assert len(parse_findings(run.text, NODE)) == 3
    assert run.text.isascii()


def test_the_recorded_node_hides_no_mistake() -> None:
    """A name that is wrong by one letter, anywhere, stops the run instead of passing for null."""
    for right, wrong in (
        ("$service.StartMode", "$service.StartMood"),
        ("$Looks['sysprep'] = {", "$Looks['sysprep'] = {\n Get-Sysprep"),
        ("$system.FreeVirtualMemory", "$sistem.FreeVirtualMemory"),
    ):
        assert right in CHECK
        broken = CHECK.replace(right, wrong).replace("{{ Checks }}", "all")
        with pytest.raises(Unsupported):
            RecordedNode(load("server-2019")).run(broken.replace("{{ Region }}", "ap-northeast-1"))
