"""Adds to MiniStack's EC2 the console of an instance: its text and a screenshot.

An instance shows a boot that went well until a test or demo gives it another console
(``/_patchmedic/console``).  Not here: what is read out of it.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from patchmedic_local import cloud
from patchmedic_local.hooks import pinned

_WELL = (
    "[    0.000000] Linux version 6.1.0 (local cloud)\n"
    "[    8.531190] systemd[1]: Reached target Multi-User System.\n"
    "localhost login: "
)
_SMALLEST_JPEG = b"\xff\xd8\xff\xdb\x00\x04\x00\x00\xff\xd9"


@dataclass(frozen=True, slots=True)
class Screen:
    """What an instance's console shows, and since when."""

    text: str
    image: bytes
    updated: float


class Consoles:
    """The consoles that were given; every other instance shows a boot that went well."""

    def __init__(self) -> None:
        self._shown: dict[str, Screen] = {}

    def show(self, instance_id: str, text: str, image: bytes | None = None) -> None:
        self._shown[instance_id] = Screen(text, image or _SMALLEST_JPEG, time.time())

    def of(self, instance_id: str) -> Screen:
        return self._shown.get(instance_id) or Screen(_WELL, _SMALLEST_JPEG, time.time())


def install(consoles: Consoles) -> None:
    """Answer GetConsoleOutput and GetConsoleScreenshot, which MiniStack does not know."""
    ec2 = pinned.require("ministack.services.ec2", "_ACTION_MAP", "_p", "_xml", "_error")
    for action in ("GetConsoleOutput", "GetConsoleScreenshot"):
        if action in ec2._ACTION_MAP:
            raise pinned.HookMismatch(f"MiniStack answers {action} itself: drop this hook")
    ec2._ACTION_MAP["GetConsoleOutput"] = _answering(
        ec2,
        "GetConsoleOutputResponse",
        lambda i: (
            f"<timestamp>{_time(consoles.of(i).updated)}</timestamp>"
            f"<output>{_encoded(consoles.of(i).text.encode())}</output>"
        ),
    )
    ec2._ACTION_MAP["GetConsoleScreenshot"] = _answering(
        ec2,
        "GetConsoleScreenshotResponse",
        lambda i: f"<imageData>{_encoded(consoles.of(i).image)}</imageData>",
    )


def _answering(ec2: Any, root: str, content: Callable[[str], str]) -> Callable[[Any], Any]:
    def answer(parameters: Any) -> Any:
        instance_id = str(ec2._p(parameters, "InstanceId"))
        if cloud.instance(instance_id) is None:
            message = f"The instance ID '{instance_id}' does not exist"
            return ec2._error("InvalidInstanceID.NotFound", message, 400)
        inner = f"<instanceId>{instance_id}</instanceId>{content(instance_id)}"
        return ec2._xml(200, root, inner)

    return answer


def _encoded(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
