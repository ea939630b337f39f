"""The documents that AWS owns and that patching uses, reduced to parameters and steps.

Not here: the scripts inside them; what a run does is ``patch_run``.
"""

from __future__ import annotations

from typing import Any

from patchmedic_local.fleet.documents import PATCH_TIMEOUT_SECONDS

_GUID = "(^$)|([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$)"
_LIST_URL = r"(^$)|^https://.+$|^s3://([^/]+)/(.*?([^/]+))$"
_OPERATION = {"type": "String", "allowedValues": ["Scan", "Install"]}
_REBOOT = {
    "type": "String",
    "default": "RebootIfNeeded",
    "allowedValues": ["RebootIfNeeded", "NoReboot"],
}
_SNAPSHOT = {"type": "String", "default": "", "allowedPattern": _GUID}
_LIST = {"type": "String", "default": "", "allowedPattern": _LIST_URL}
_STEP_OF = {
    "PatchWindows": ("aws:runPowerShellScript", "Windows"),
    "PatchLinux": ("aws:runShellScript", "Linux"),
    "PatchMacOS": ("aws:runShellScript", "MacOS"),
}
HOOK_STEPS = (
    "PatchBaselineScan",
    "CheckPatchState",
    "PreInstallHook",
    "PatchBaselineInstall",
    "PostInstallHook",
    "CheckRebootOption",
    "RebootAndReport",
    "OnExitHook",
)
"""AWS does not publish these names; a consumer has to read them from CommandPlugins."""
PATCH_DOCUMENTS = frozenset(
    {
        "AWS-RunPatchBaseline",
        "AWS-RunPatchBaselineAssociation",
        "AWS-RunPatchBaselineWithHooks",
    }
)


def _patch_steps() -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "action": action,
            "precondition": {"StringEquals": ["platformType", platform]},
            "inputs": {"timeoutSeconds": PATCH_TIMEOUT_SECONDS, "runCommand": ["# AWS's own"]},
        }
        for name, (action, platform) in _STEP_OF.items()
    ]


def _hook_steps() -> list[dict[str, Any]]:
    return [
        {"name": name, "action": "aws:runDocument", "inputs": {"timeoutSeconds": 7200}}
        for name in HOOK_STEPS
    ]


def _document(parameters: dict[str, Any], steps: list[dict[str, Any]]) -> dict[str, Any]:
    return {"schemaVersion": "2.2", "parameters": parameters, "mainSteps": steps}


def contents() -> dict[str, dict[str, Any]]:
    """Name and content of each."""
    return {**_patch_documents(), **_other_documents()}


def _patch_documents() -> dict[str, dict[str, Any]]:
    hook = {"type": "String", "default": "AWS-Noop"}
    return {
        "AWS-RunPatchBaseline": _document(
            {
                "Operation": _OPERATION,
                "SnapshotId": _SNAPSHOT,
                "InstallOverrideList": _LIST,
                "BaselineOverride": _LIST,
                "RebootOption": _REBOOT,
            },
            _patch_steps(),
        ),
        "AWS-RunPatchBaselineAssociation": _document(
            {
                "Operation": _OPERATION,
                "AssociationId": {"type": "String"},
                "BaselineTags": {"type": "String", "default": ""},
                "InstallOverrideList": _LIST,
                "RebootOption": _REBOOT,
            },
            _patch_steps(),
        ),
        "AWS-RunPatchBaselineWithHooks": _document(
            {
                "Operation": _OPERATION,
                "SnapshotId": _SNAPSHOT,
                "RebootOption": _REBOOT,
                "PreInstallHookDocName": hook,
                "PostInstallHookDocName": hook,
                "OnExitHookDocName": hook,
            },
            _hook_steps(),
        ),
    }


def _other_documents() -> dict[str, dict[str, Any]]:
    return {
        "AWS-UpdateSSMAgent": _document(
            {
                "version": {"type": "String", "default": ""},
                "allowDowngrade": {
                    "type": "String",
                    "default": "false",
                    "allowedValues": ["true", "false"],
                },
            },
            [{"name": "updateSSMAgent", "action": "aws:updateSsmAgent", "inputs": {}}],
        ),
        "AWS-RunShellScript": _document(
            {"commands": {"type": "StringList"}},
            [
                {
                    "name": "runShellScript",
                    "action": "aws:runShellScript",
                    "inputs": {"runCommand": ["{{ commands }}"]},
                }
            ],
        ),
        "AWS-RunPowerShellScript": _document(
            {"commands": {"type": "StringList"}},
            [
                {
                    "name": "runPowerShellScript",
                    "action": "aws:runPowerShellScript",
                    "inputs": {"runCommand": ["{{ commands }}"]},
                }
            ],
        ),
    }
