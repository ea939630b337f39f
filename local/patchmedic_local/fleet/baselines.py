"""Patch baselines: AWS's own, those of the account, and which one a patch group has.

Here: what Patch Manager keeps.  Not here: the API over it (``ssm.baselines``), and what a patch run
does with a baseline (``patch_run``).
"""

from __future__ import annotations

import hashlib
import time
import uuid
from dataclasses import dataclass, field

from patchmedic_local.options import REGION
from patchmedic_local.ssm.errors import ApiError

_AWS_ACCOUNT = "999999999999"
"""Stands for the account of AWS in which its own baselines lie."""
SYSTEMS = (
    "WINDOWS",
    "AMAZON_LINUX",
    "AMAZON_LINUX_2",
    "AMAZON_LINUX_2022",
    "AMAZON_LINUX_2023",
    "UBUNTU",
    "REDHAT_ENTERPRISE_LINUX",
    "SUSE",
    "CENTOS",
    "ORACLE_LINUX",
    "DEBIAN",
    "MACOS",
    "RASPBIAN",
    "ROCKY_LINUX",
    "ALMA_LINUX",
)


@dataclass(slots=True)
class PatchBaseline:
    """One baseline; its rules are left out, nothing here reads them."""

    id: str
    name: str
    system: str
    description: str = ""
    created: float = field(default_factory=time.time)
    groups: set[str] = field(default_factory=set)

    @property
    def is_own(self) -> bool:
        return not self.id.startswith("arn:")


class Baselines:
    """All baselines that the account can see."""

    def __init__(self) -> None:
        self.by_id: dict[str, PatchBaseline] = {}
        self.default: dict[str, str] = {}
        for system in SYSTEMS:
            number = hashlib.sha256(system.encode()).hexdigest()[:17]
            arn = f"arn:aws:ssm:{REGION}:{_AWS_ACCOUNT}:patchbaseline/pb-{number}"
            self.by_id[arn] = PatchBaseline(arn, f"AWS-{system}-DefaultPatchBaseline", system)
            self.default[system] = arn

    def create(self, name: str, system: str, description: str) -> PatchBaseline:
        made = PatchBaseline(f"pb-0{uuid.uuid4().hex[:16]}", name, system, description)
        self.by_id[made.id] = made
        return made

    def find(self, baseline_id: str) -> PatchBaseline:
        found = self.by_id.get(baseline_id)
        if found is None:
            raise ApiError("DoesNotExistException", f"Patch baseline {baseline_id} does not exist.")
        return found

    def delete(self, baseline_id: str) -> None:
        """Deleting what is not there is no error; what a patch group uses stays."""
        found = self.by_id.get(baseline_id)
        if found is not None and (found.groups or baseline_id in self.default.values()):
            raise ApiError("ResourceInUseException", f"{baseline_id} is in use.")
        self.by_id.pop(baseline_id, None)

    def for_group(self, group: str, system: str) -> str:
        """The one that is registered for the group, else the system's default."""
        own = (b.id for b in self.by_id.values() if group in b.groups and b.system == system)
        return next(own, self.default[system])
