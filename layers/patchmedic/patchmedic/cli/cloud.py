"""The local cloud from the outside: start it, deploy the stack into it, talk to it, stop it.

The cloud itself (an embedded AWS with a simulated fleet) is the program ``patchmedic_local`` in
``local/``; here is only its process, its admin API and the real SAM CLI.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import boto3
import click

from patchmedic.cli.project import Project
from patchmedic.store import DynamoStore

REGION = "ap-northeast-1"
ACCOUNT = "123456789012"
STACK = "patchmedic"
PAGER_SECRET = "patchmedic/pager"  # noqa: S105 - a name, not a secret
READY_SECONDS_MAX = 60
DEPLOY_SECONDS_MAX = 300
STOP_SECONDS_MAX = 10
BUILT_FROM = ("template.yaml", "samconfig.toml", "documents", "functions", "layers", "requirements")
"""What the build depends on: a build is reused while none of these changed."""

Progress = Callable[[str], None]


class LocalCloud:
    """One running local cloud; a context manager that leaves no process behind."""

    def __init__(
        self,
        project: Project,
        scenarios: Sequence[Path],
        port: int | None = None,
        state: Path | None = None,
    ) -> None:
        """``port``: a free one if none is given.  ``state``: a folder for log and messages."""
        self._project = project
        self.state = state or project.state_of("other")
        self._scenarios = scenarios
        self.port = port or _free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[str] | None = None

    # --- its life ------------------------------------------------------------------------------

    def __enter__(self) -> LocalCloud:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the cloud and wait until it answers."""
        state = self.state
        shutil.rmtree(state / "outbox", ignore_errors=True)
        state.mkdir(parents=True, exist_ok=True)
        command = [str(self._project.local_python), "-m", "patchmedic_local", "serve"]
        command += ["--port", str(self.port), "--state-dir", str(state)]
        for scenario in self._scenarios:
            command += ["--scenario", str(scenario)]
        environ = {**_clean_environ(), "PYTHONPATH": str(self._project.root / "local")}
        with (state / "cloud.log").open("w", encoding="utf-8") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own program, fixed arguments
                command,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=environ,
                text=True,
                start_new_session=True,
            )
        try:
            self._wait_ready()
        except BaseException:
            self.stop()
            raise

    def _wait_ready(self) -> None:
        assert self._process is not None
        until = time.monotonic() + READY_SECONDS_MAX
        while time.monotonic() < until:
            if self._process.poll() is not None:
                break
            with contextlib.suppress(OSError):
                self.admin("GET", "health")
                return
            time.sleep(0.1)
        log = self.state / "cloud.log"
        tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-8:])
        raise click.ClickException(f"the local cloud did not start; the end of {log}:\n{tail}")

    def stop(self) -> None:
        """Stop the cloud and every process that it started."""
        process, self._process = self._process, None
        if process is None:
            return
        for signal_number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal_number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS_MAX)
                break
        # Lambda workers that outlived their parent are in the same process group.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    @property
    def process_id(self) -> int:
        """The cloud's own process; its Lambda workers are in the same process group."""
        assert self._process is not None, "the cloud is running"
        return self._process.pid

    def wait(self) -> int:
        """Wait until the cloud ends by itself (``patchmedic local up``)."""
        assert self._process is not None
        return self._process.wait()

    # --- the stack -----------------------------------------------------------------------------

    def build(self, progress: Progress) -> None:
        """``sam build``, unless nothing that goes into it changed since the last one."""
        root = self._project.root
        stamp = root / ".aws-sam" / "built-from"
        wanted = _newest_change(root)
        if stamp.is_file() and stamp.read_text() == wanted:
            return
        progress("sam build")
        self._sam(["build", "--config-env", "local"], {})
        stamp.write_text(wanted)

    def deploy(self, progress: Progress, overrides: Mapping[str, str] | None = None) -> None:
        """``sam deploy`` of the built template into this cloud.

        ``overrides`` are parameters beside those that samconfig.toml has for ``local``.
        """
        progress("sam deploy into the local cloud")
        self._make_pager_secret()
        arguments = ["deploy", "--config-env", "local"]
        if overrides:
            # Given here, the option takes the place of the configured list.
            config = tomllib.loads((self._project.root / "samconfig.toml").read_text("utf-8"))
            given = list(config["local"]["deploy"]["parameters"]["parameter_overrides"])
            given += [f"{name}={value}" for name, value in overrides.items()]
            arguments += ["--parameter-overrides", *given]
        self._sam(arguments, self.environment())

    def _make_pager_secret(self) -> None:
        """The secret that samconfig.toml's local environment names; in an account, you make it."""
        secrets_manager = self.client("secretsmanager")
        with contextlib.suppress(secrets_manager.exceptions.ResourceExistsException):
            key = {"routing_key": secrets.token_hex(16)}
            secrets_manager.create_secret(Name=PAGER_SECRET, SecretString=json.dumps(key))

    def _sam(self, arguments: Sequence[str], environ: Mapping[str, str]) -> None:
        path = f"{self._project.root / '.envs' / 'dev' / 'bin'}:{os.environ.get('PATH', '')}"
        environment = {
            **_clean_environ(),
            "PATH": path,
            "SAM_CLI_TELEMETRY": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
            **environ,
        }
        self.state.mkdir(parents=True, exist_ok=True)
        log = self.state / f"sam-{arguments[0]}.log"
        with log.open("w", encoding="utf-8") as output:
            done = subprocess.run(  # noqa: S603 - the SAM CLI of our own environment
                [str(self._project.sam), *arguments],
                cwd=self._project.root,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=DEPLOY_SECONDS_MAX,
                check=False,
            )
        if done.returncode != 0:
            tail = "\n".join(log.read_text(encoding="utf-8").splitlines()[-15:])
            raise click.ClickException(f"sam {arguments[0]} failed; the end of {log}:\n{tail}")

    # --- talking to it -------------------------------------------------------------------------

    def environment(self) -> dict[str, str]:
        """What an AWS SDK or CLI needs to talk to this cloud."""
        exports = (self.state / "env").read_text(encoding="utf-8")
        pairs = (line.removeprefix("export ").partition("=") for line in exports.splitlines())
        return {name: value.strip("'\"") for name, mark, value in pairs if mark}

    def client(self, service: str) -> Any:
        """A boto3 client of this cloud."""
        environ = self.environment()
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=environ["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environ["AWS_SECRET_ACCESS_KEY"],
        )

    def store(self) -> DynamoStore:
        """The deployed stack's table."""
        return DynamoStore(self.client("dynamodb"), self.table_name())

    def table_name(self) -> str:
        return self.output("TableName")

    def output(self, name: str) -> str:
        """One output of the deployed stack."""
        stacks = self.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
        outputs = {o["OutputKey"]: o["OutputValue"] for o in stacks[0]["Outputs"]}
        return str(outputs[name])

    def invoke(self, function: str, payload: Mapping[str, Any]) -> Any:
        """Invoke one of the stack's functions by its short name and return its answer."""
        response = self.client("lambda").invoke(
            FunctionName=f"{STACK}-{function}", Payload=json.dumps(payload).encode()
        )
        answer = json.loads(response["Payload"].read() or b"null")
        if response.get("FunctionError"):
            raise click.ClickException(f"the function {function} failed: {json.dumps(answer)}")
        return answer

    def admin(self, method: str, path: str, body: Any = None) -> Any:
        """The overlay's own API: events, nodes, patch runs, faults."""
        request = urllib.request.Request(  # noqa: S310 - always our own loopback address
            f"{self.endpoint}/_patchmedic/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
                return json.loads(response.read() or b"null")
        except urllib.error.HTTPError as error:
            said = error.read().decode(errors="replace")
            raise click.ClickException(f"the local cloud refused {path}: {said}") from error

    def outbox(self) -> Iterator[Path]:
        """Every message that a receiver would have got, in order."""
        yield from sorted((self.state / "outbox").rglob("*.*"))


def is_running(exports: str) -> bool:
    """Whether a cloud answers at the endpoint that its settings name."""
    named = [line for line in exports.splitlines() if line.startswith("export AWS_ENDPOINT_URL=")]
    if not named:
        return False
    address = named[0].partition("=")[2].strip("'\"")
    try:
        with urllib.request.urlopen(f"{address}/_patchmedic/health", timeout=5):  # noqa: S310
            return True
    except (OSError, ValueError):
        return False


def _clean_environ() -> dict[str, str]:
    """Our environment without anyone's AWS settings: the local cloud must never reach AWS."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "SAM_"))}


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _newest_change(root: Path) -> str:
    """Tells one state of the build's inputs from another: names, sizes and times."""
    lines = []
    for name in BUILT_FROM:
        top = root / name
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file() and "__pycache__" not in path.parts:
                stat = path.stat()
                lines.append(f"{path.relative_to(root)} {stat.st_size} {stat.st_mtime_ns}")
    return "\n".join(lines)
