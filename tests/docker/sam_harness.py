"""What it takes to run `sam local invoke` against the local cloud: a way in, and a template.

The functions run in containers on Docker's bridge network, and the local cloud listens on this
machine's loopback only, which no container reaches.  A relay on the bridge's own address closes
the gap.  SAM CLI hands a function only such variables as its template declares, so the endpoint is
declared in a copy of the built template; the deployed template stays as it is.

The cloud itself is started, and the stack built and deployed, as `patchmedic demo` does it.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import platform
import socket
import socketserver
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from patchmedic.cli.project import Project

ROOT = Path(__file__).resolve().parents[2]
BUILT_TEMPLATE = ROOT / ".aws-sam" / "build" / "template.yaml"
MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
BASE_IMAGE = f"public.ecr.aws/lambda/python:3.13-{MACHINES[platform.machine().lower()]}"
"""What SAM CLI runs python3.13 functions in."""
IMAGE_SECONDS_MAX = 600
INVOKE_SECONDS_MAX = 180


@dataclass(frozen=True)
class Checkout(Project):
    """This checkout, with the state of its local cloud in a folder of the test's own."""

    own_state: Path

    @property
    def state(self) -> Path:
        return self.own_state

    @property
    def sam(self) -> Path:
        given = os.environ.get("PATCHMEDIC_SAM")
        return Path(given) if given else self._tool("sam", "bin/sam")


@dataclass(frozen=True)
class Invocation:
    """What `sam local invoke` gave back: the function's result, and its log."""

    result: Any
    log: str


Invoke = Callable[[str, Path], Invocation]


def bridge_address() -> str | None:
    """This machine's address on Docker's bridge; ``None`` where no engine answers."""
    found = subprocess.run(
        ["docker", "network", "inspect", "bridge", "--format", "{{json .IPAM.Config}}"],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    if found.returncode != 0:
        return None
    config = json.loads(found.stdout)[0]
    # An engine that was told nothing takes the first address of its subnet, and may not say so.
    return str(config.get("Gateway") or ipaddress.ip_network(config["Subnet"])[1])


class Relay(socketserver.ThreadingTCPServer):
    """Carries TCP connections from the bridge's address to a port of our loopback."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: str, port: int) -> None:
        self.target = ("127.0.0.1", port)
        super().__init__((address, 0), RelayConnection)


class RelayConnection(socketserver.BaseRequestHandler):
    server: Relay

    def handle(self) -> None:
        with socket.create_connection(self.server.target, timeout=60) as upstream:
            back = threading.Thread(target=_pump, args=(upstream, self.request), daemon=True)
            back.start()
            _pump(self.request, upstream)
            back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    # Either side may be gone at any time; the other one sees its end of the connection close.
    with contextlib.suppress(OSError):
        while chunk := source.recv(65_536):
            sink.sendall(chunk)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def with_endpoint(built: Path, endpoint: str) -> str:
    """The built template with AWS_ENDPOINT_URL declared and its paths made absolute."""
    template = yaml.safe_load(built.read_text(encoding="utf-8"))
    variables = template["Globals"]["Function"]["Environment"]["Variables"]
    variables["AWS_ENDPOINT_URL"] = endpoint
    for resource in template["Resources"].values():
        properties = resource.get("Properties", {})
        for name in ("CodeUri", "ContentUri", "TemplateURL"):
            if isinstance(properties.get(name), str):
                properties[name] = str((built.parent / properties[name]).resolve())
    text: str = yaml.safe_dump(template, sort_keys=False)
    return text


def sam_environment(cloud: Mapping[str, str]) -> dict[str, str]:
    """For SAM CLI: the local cloud's credentials, and nobody else's."""
    own = {
        name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SAM_"))
    }
    return {
        **own,
        **cloud,
        "SAM_CLI_TELEMETRY": "0",
        "SAM_CLI_CONTAINER_CONNECTION_TIMEOUT": "60",
    }
