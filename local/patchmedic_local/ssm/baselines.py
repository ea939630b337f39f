"""The API of patch baselines: making, deleting, registering and finding them.

Not here: what is kept (``fleet.baselines``).
"""

from __future__ import annotations

from typing import Any

from patchmedic_local.fleet.baselines import PatchBaseline
from patchmedic_local.fleet.fleet import Fleet
from patchmedic_local.options import ACCOUNT, REGION
from patchmedic_local.ssm.errors import ApiError
from patchmedic_local.ssm.operations import Request, Resources, operation, page


def _of_baseline(fleet: Fleet, request: Request) -> Resources:
    baseline_id = str(request["BaselineId"])
    if baseline_id.startswith("arn:"):
        return [(baseline_id, {})]
    return [(f"arn:aws:ssm:{REGION}:{ACCOUNT}:patchbaseline/{baseline_id}", {})]


def _system(request: Request) -> str:
    return str(request.get("OperatingSystem", "WINDOWS"))


@operation("CreatePatchBaseline")
def create_patch_baseline(fleet: Fleet, request: Request) -> dict[str, Any]:
    made = fleet.baselines.create(
        request["Name"], _system(request), str(request.get("Description", ""))
    )
    return {"BaselineId": made.id}


@operation("DeletePatchBaseline", _of_baseline)
def delete_patch_baseline(fleet: Fleet, request: Request) -> dict[str, Any]:
    fleet.baselines.delete(request["BaselineId"])
    return {"BaselineId": request["BaselineId"]}


@operation("GetPatchBaseline", _of_baseline)
def get_patch_baseline(fleet: Fleet, request: Request) -> dict[str, Any]:
    found = fleet.baselines.find(request["BaselineId"])
    return {
        "BaselineId": found.id,
        "Name": found.name,
        "OperatingSystem": found.system,
        "PatchGroups": sorted(found.groups),
        "CreatedDate": found.created,
        "ModifiedDate": found.created,
        **({"Description": found.description} if found.description else {}),
        "ApprovedPatches": [],
        "RejectedPatches": [],
    }


@operation("DescribePatchBaselines")
def describe_patch_baselines(fleet: Fleet, request: Request) -> dict[str, Any]:
    rows = [
        {
            "BaselineId": found.id,
            "BaselineName": found.name,
            "OperatingSystem": found.system,
            **({"BaselineDescription": found.description} if found.description else {}),
            "DefaultBaseline": fleet.baselines.default[found.system] == found.id,
        }
        for found in fleet.baselines.by_id.values()
        if all(_passes(found, f) for f in request.get("Filters") or [])
    ]
    shown, token = page(rows, request)
    return {"BaselineIdentities": shown, **token}


def _passes(found: PatchBaseline, wanted: Request) -> bool:
    values = wanted.get("Values") or []
    key = wanted.get("Key")
    if key == "OWNER":
        return ("Self" if found.is_own else "AWS") in values
    if key == "NAME_PREFIX":
        return any(found.name.startswith(value) for value in values)
    if key == "OPERATING_SYSTEM":
        return found.system in values
    raise ApiError("ValidationException", f"{key} is no filter key of this API.")


@operation("RegisterPatchBaselineForPatchGroup", _of_baseline)
def register_patch_baseline_for_patch_group(fleet: Fleet, request: Request) -> dict[str, Any]:
    fleet.baselines.find(request["BaselineId"]).groups.add(request["PatchGroup"])
    return {"BaselineId": request["BaselineId"], "PatchGroup": request["PatchGroup"]}


@operation("DeregisterPatchBaselineForPatchGroup", _of_baseline)
def deregister_patch_baseline_for_patch_group(fleet: Fleet, request: Request) -> dict[str, Any]:
    fleet.baselines.find(request["BaselineId"]).groups.discard(request["PatchGroup"])
    return {"BaselineId": request["BaselineId"], "PatchGroup": request["PatchGroup"]}


@operation("GetPatchBaselineForPatchGroup")
def get_patch_baseline_for_patch_group(fleet: Fleet, request: Request) -> dict[str, Any]:
    group, system = str(request["PatchGroup"]), _system(request)
    return {
        "BaselineId": fleet.baselines.for_group(group, system),
        "PatchGroup": group,
        "OperatingSystem": system,
    }


@operation("GetDefaultPatchBaseline")
def get_default_patch_baseline(fleet: Fleet, request: Request) -> dict[str, Any]:
    system = _system(request)
    return {"BaselineId": fleet.baselines.default[system], "OperatingSystem": system}
