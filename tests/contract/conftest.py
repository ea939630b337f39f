"""The local cloud that the real adapters talk to: one process a session, or a reason to skip.

Its interpreter is another one (MiniStack pins its own botocore): the environment variable
``PATCHMEDIC_LOCAL_PYTHON`` names it, ``make test`` sets it.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from patchmedic.aws import Clients

ROOT = Path(__file__).resolve().parents[2]
REGION = "ap-northeast-1"
KILL_SWITCH = "/patchmedic/kill-switch"
STOP_SECONDS_MAX = 10


@dataclass(frozen=True, slots=True)
class LocalCloud:
    """A running local cloud."""

    endpoint: str

    def session(self) -> Any:
        """A session whose clients talk to the local cloud, made as ``Clients`` makes them."""
        return _Session(self.endpoint)

    @property
    def clients(self) -> Clients:
        return Clients(self.session)

    def admin(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """One call of the local cloud's own API."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.endpoint}/_patchmedic/{path}", data=data)  # noqa: S310
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
            return json.load(response)


class _Session:
    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._session = boto3.session.Session(
            aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION
        )

    def client(self, service: str, **arguments: Any) -> Any:
        return self._session.client(service, endpoint_url=self._endpoint, **arguments)


@pytest.fixture(scope="session")
def local_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """The fleet of ``fleet.yaml``, on a port of its own."""
    python = os.environ.get("PATCHMEDIC_LOCAL_PYTHON")
    if not python:
        pytest.skip("PATCHMEDIC_LOCAL_PYTHON names no interpreter for the local cloud")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [python, "-m", "patchmedic_local", "serve", "--port", str(port), "--run-seconds", "1"]
    command += ["--state-dir", str(tmp_path_factory.mktemp("contract"))]
    command += ["--scenario", str(Path(__file__).parent / "fleet.yaml")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "local")}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    try:
        assert line == f"ready http://127.0.0.1:{port}", f"the local cloud said {line!r}"
        yield LocalCloud(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(STOP_SECONDS_MAX)
        process.stdout.close()


@pytest.fixture(scope="session")
def table(local_cloud: LocalCloud) -> tuple[Any, str]:
    """The table as template.yaml makes it: its keys and both indexes."""
    client = local_cloud.clients.get("dynamodb")
    names = ("pk", "sk", "due_shard", "due_at", "list_shard", "opened_at")
    client.create_table(
        TableName="contract",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in names],
        KeySchema=_keys("pk", "sk"),
        GlobalSecondaryIndexes=[
            _index("due", "due_shard", "due_at"),
            _index("recent", "list_shard", "opened_at"),
        ],
    )
    return client, "contract"


def _keys(first: str, second: str) -> list[dict[str, str]]:
    return [
        {"AttributeName": first, "KeyType": "HASH"},
        {"AttributeName": second, "KeyType": "RANGE"},
    ]


def _index(name: str, first: str, second: str) -> dict[str, Any]:
    return {
        "IndexName": name,
        "KeySchema": _keys(first, second),
        "Projection": {"ProjectionType": "ALL"},
    }
