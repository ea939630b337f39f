"""Whose document failed: hooks of AWS-RunPatchBaselineWithHooks, and the patching around them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from incident_samples import signal
from notice_samples import CAUSES, CONTEXT, NOW, REMEDIES, escalated

from patchmedic.causes.catalogue import load_catalogue
from patchmedic.evidence import evidence_of
from patchmedic.hooks import DEEPER_CONFIDENCE_MAX, DOCUMENT, hook_of
from patchmedic.model import Evidence, Hook
from patchmedic.notices import commands
from patchmedic.notices.render import render
from patchmedic.notices.view import Language
from patchmedic.ports import CommandInfo, Invocation
from patchmedic.reading import read_evidence
from patchmedic.run_command import RunCommand

AT = datetime(2026, 11, 22, tzinfo=UTC)
STOP, COPY = "StopOrders", "arn:aws:ssm:us-east-1:123456789012:document/CopyLogs"
BOTH = {"PreInstallHookDocName": (STOP,), "OnExitHookDocName": (COPY,), "Operation": ("Install",)}
NONE = {"PreInstallHookDocName": ("AWS-Noop",), "Operation": ("Install",)}


@pytest.mark.parametrize(
    ("step", "parameters", "hook"),
    [
        ("PreInstallHook", BOTH, Hook("pre-install", STOP)),
        ("runPreInstallHookDoc", BOTH, Hook("pre-install", STOP)),
        ("pre_install", BOTH, Hook("pre-install", STOP)),
        ("OnExitHook", BOTH, Hook("on-exit", COPY)),
        ("PostInstallHook", {}, Hook("post-install", None)),
        ("Hook2", BOTH, Hook(None, None)),
        ("Hook2", {"PreInstallHookDocName": (STOP,)}, Hook("pre-install", STOP)),
        # Nobody set that hook: the step does nothing, so it is no hook that failed.
        ("PostInstallHook", BOTH, None),
        ("OnExitHook", NONE, None),
        ("Hook2", NONE, None),
        # The patching's own steps, whatever AWS calls them.
        ("PatchBaselineScan", BOTH, None),
        ("InstallWithNoReboot", BOTH, None),
        ("PatchLinux", BOTH, None),
        (None, BOTH, None),
    ],
)
def test_the_step_and_the_parameters_tell_the_hook(
    step: str | None, parameters: dict[str, tuple[str, ...]], hook: Hook | None
) -> None:
    assert hook_of(DOCUMENT, step, parameters) == hook


def test_no_other_document_has_hooks() -> None:
    assert hook_of("AWS-RunPatchBaseline", "PreInstallHook", BOTH) is None


@pytest.mark.parametrize(
    ("status", "told"), [("Failed", True), ("TimedOut", True), ("Cancelled", False)]
)
def test_a_hook_that_was_cancelled_did_not_fail(status: str, told: bool) -> None:
    ran = Invocation("c", "i", DOCUMENT, "", status, status, AT, "PreInstallHook", 1, "", "")
    command = CommandInfo("c", DOCUMENT, "", AT, status, BOTH)
    evidence = evidence_of(signal(document=DOCUMENT), ran, command, None, ())
    assert (evidence.hook is not None) is told


# --- ranking -------------------------------------------------------------------------------------

FULL = "tar: ./backup: Cannot write: No space left on device\n"


def _seen(hook: Hook | None, stdout: str, step: str) -> Evidence:
    return Evidence(
        platform="linux",
        document=DOCUMENT,
        status="Failed",
        step=step,
        response_code=1,
        stdout=stdout,
        hook=hook,
    )


def test_a_hooks_own_trouble_stays_behind_the_hook() -> None:
    found = read_evidence(_seen(Hook("on-exit", COPY), FULL, "OnExitHook"), load_catalogue())
    assert [c.cause for c in found.candidates[:2]] == ["hook-failed", "disk-full"]
    assert found.confidence >= 0.8, "that it was the hook is certain"
    assert found.candidates[1].confidence <= DEEPER_CONFIDENCE_MAX
    assert COPY in found.candidates[0].lines[0].text


def test_a_hook_that_prints_nothing_is_named_all_the_same() -> None:
    found = read_evidence(_seen(Hook("pre-install", STOP), "", "PreInstallHook"), load_catalogue())
    assert found.cause == "hook-failed"


def test_the_patchings_own_failure_is_read_as_ever() -> None:
    found = read_evidence(_seen(None, FULL, "PatchBaselineInstall"), load_catalogue())
    assert found.cause == "disk-full"
    assert "hook-failed" not in [c.cause for c in found.candidates]


# --- which step ----------------------------------------------------------------------------------


class _Ssm:
    """One invocation of one node, as the API gives it."""

    def __init__(self, plugins: list[dict[str, Any]]) -> None:
        self._plugins = plugins
        self.asked: list[str] = []

    def get(self, *_: Any, **__: Any) -> _Ssm:
        return self

    def list_command_invocations(self, **_: Any) -> dict[str, Any]:
        item = {
            "CommandId": "c",
            "InstanceId": "i",
            "DocumentName": DOCUMENT,
            "Status": "Failed",
            "StatusDetails": "Failed",
            "RequestedDateTime": AT,
            "CommandPlugins": self._plugins,
        }
        return {"CommandInvocations": [item]}

    def get_command_invocation(self, *, PluginName: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        self.asked.append(PluginName)
        return {"StandardOutputContent": f"of {PluginName}", "StandardErrorContent": ""}


def _plugin(name: str, status: str) -> dict[str, Any]:
    return {"Name": name, "Status": status, "ResponseCode": 0 if status == "Success" else 1}


@pytest.mark.parametrize(
    ("failed", "step"),
    [
        (("Install", "OnExitHook"), "Install"),
        (("OnExitHook", "Install"), "Install"),
        (("OnExitHook",), "OnExitHook"),
        (("PreInstallHook", "OnExitHook"), "PreInstallHook"),
    ],
)
def test_the_last_step_reports_the_whole_and_is_blamed_only_alone(
    failed: tuple[str, ...], step: str
) -> None:
    names = [*failed, "Scan", "CheckState"]
    ssm = _Ssm([_plugin(n, "Failed" if n in failed else "Success") for n in names])
    read = RunCommand(ssm).invocation("r", "c", "i")  # type: ignore[arg-type]
    assert read is not None
    assert (read.step, read.stdout, ssm.asked) == (step, f"of {step}", [step])


# --- what people read ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hook", "lang", "says"),
    [
        (Hook("pre-install", STOP), "en", "document StopOrders, run before the installation,"),
        (Hook("post-install", STOP), "en", "document StopOrders, run after the installation,"),
        (Hook("on-exit", STOP), "en", "document StopOrders, run at the end, failed."),
        (Hook(None, STOP), "en", "The hook document StopOrders failed."),
        (Hook("on-exit", None), "en", "document (name not known), run at the end,"),
        (Hook("pre-install", STOP), "ja", "インストールの前に実行されるフックドキュメント"),
        (Hook(None, None), "ja", "（名前は不明）"),
    ],
)
def test_messages_say_whose_document_failed(hook: Hook, lang: Language, says: str) -> None:
    incident = escalated()
    incident = replace(incident, evidence=replace(incident.evidence, hook=hook))
    told = render(
        incident, "escalated", lang, CAUSES, REMEDIES, "web-1", NOW, CONTEXT, page="trigger"
    )
    # Lines are broken where they fill up, in Japanese between any two characters.
    joined = " ".join(told.email.split())
    assert says in joined or says.replace(" ", "") in "".join(told.email.split())
    assert says in json.dumps(told.pager, ensure_ascii=False, default=str)


def test_without_a_hook_nothing_is_said_of_one() -> None:
    told = render(
        escalated(), "escalated", "en", CAUSES, REMEDIES, "web-1", NOW, CONTEXT, page="trigger"
    )
    assert "hook" not in told.email.lower()


@pytest.mark.parametrize(
    ("document", "filled"),
    [(STOP, STOP), (COPY, COPY), ("$(reboot)", None), ("--profile", None), ("a b", None)],
)
def test_only_the_name_of_a_document_goes_into_a_command(document: str, filled: str | None) -> None:
    incident = escalated()
    evidence = replace(incident.evidence, hook=Hook("pre-install", document), step="Pre; reboot")
    values = commands.for_advice(replace(incident, evidence=evidence))
    assert values.get("HOOK_DOCUMENT") == filled
    assert "STEP" not in values
