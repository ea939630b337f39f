"""What one run of the local cloud is started with, and its time scale.

Not here: reading the command line (``__main__``) or setting the process up (``server``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

ACCOUNT = "123456789012"
REGION = "ap-northeast-1"
ROOT_ACCESS_KEY = "test"
ROOT_SECRET_KEY = "test"

PACKAGE_DIR = Path(__file__).resolve().parent
FAULTS_DIR = PACKAGE_DIR.parent / "faults"


@dataclass(frozen=True, slots=True)
class Timing:
    """How long things take here, in seconds of real time."""

    delivery_seconds: float = 0.05
    """From SendCommand to the agent's first reply."""
    run_seconds: float = 0.3
    """A patch run, unless the node or its fault says otherwise."""
    check_seconds: float = 0.1
    remedy_seconds: float = 0.2
    reboot_seconds: float = 0.3
    invisible_seconds: float = 0.3
    """How long GetCommandInvocation answers InvocationDoesNotExist after SendCommand."""
    delivery_timeout_scale: float = 1 / 3600
    """One second here for an hour there: TimeoutSeconds plus the document's own, scaled."""
    delivery_timeout_seconds_min: float = 1.0
    lock_wait_seconds_max: float = 10.0
    """How long the package lock remedy waits before it gives up."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Calls a second for each API; the published ones are AWS's, the rest is our assumption."""

    default_rate: float = 40.0
    default_burst: float = 80.0
    rates: dict[str, float] = field(
        default_factory=lambda: {
            "DescribeInstanceAssociationsStatus": 2.0,
            "DescribeAssociation": 2.0,
            "DescribeAssociationExecutions": 4.0,
            "DescribeAssociationExecutionTargets": 4.0,
            "ListAssociations": 4.0,
        }
    )


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """One ``serve`` command."""

    port: int
    state_dir: Path
    scenarios: tuple[Path, ...]
    timing: Timing = field(default_factory=Timing)
    limits: Limits = field(default_factory=Limits)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"
