"""Setting the process up, importing MiniStack, putting the overlay on it, serving, ending.

Here: the order of all that.  MiniStack reads its settings when it is imported, so the environment
comes first, and every import of it happens inside ``run``.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
import socket
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from patchmedic_local.options import (
    ACCOUNT,
    PACKAGE_DIR,
    REGION,
    ROOT_ACCESS_KEY,
    ROOT_SECRET_KEY,
    ServeOptions,
)

logger = logging.getLogger("patchmedic.local")
_NO_DOCKER = "unix:///nonexistent/the-local-cloud-starts-no-containers.sock"
_START_SECONDS_MAX = 30.0


class StartError(RuntimeError):
    """The local cloud could not start, and why."""


def run(options: ServeOptions) -> int:
    """Serve until SIGTERM or SIGINT; the exit code."""
    _check_port(options.port)
    _prepare_state_dir(options)
    _prepare_environment(options)
    _log_to(options.state_dir / "log" / "local-cloud.log")
    from patchmedic_local.hooks import pinned

    pinned.require_version()
    app, stop = _assemble(options)
    asyncio.run(_serve(app, options, stop))
    return 0


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise StartError(
                f"port {port} on 127.0.0.1 is taken ({error.strerror}). Stop what uses it, or "
                "choose another port with --port."
            ) from error


def _prepare_state_dir(options: ServeOptions) -> None:
    state = options.state_dir
    shutil.rmtree(state / "tmp", ignore_errors=True)
    for name in ("log", "tmp", "outbox"):
        (state / name).mkdir(parents=True, exist_ok=True)
    exports = {
        "AWS_ENDPOINT_URL": options.endpoint,
        "AWS_ACCESS_KEY_ID": ROOT_ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": ROOT_SECRET_KEY,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
    }
    lines = [f"export {name}={value}\n" for name, value in exports.items()]
    lines.append("unset AWS_PROFILE AWS_SESSION_TOKEN\n")
    (state / "env").write_text("".join(lines), encoding="utf-8")


def _prepare_environment(options: ServeOptions) -> None:
    """What MiniStack and its Lambda workers see.  The caller's own AWS settings stay out."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    temporary = str(options.state_dir / "tmp")
    tempfile.tempdir = temporary
    os.environ.update(
        AUTH="true",
        BIND_HOST="127.0.0.1",
        GATEWAY_PORT=str(options.port),
        MINISTACK_HOST="localhost",
        MINISTACK_ACCOUNT_ID=ACCOUNT,
        MINISTACK_REGION=REGION,
        AWS_ACCESS_KEY_ID=ROOT_ACCESS_KEY,
        AWS_SECRET_ACCESS_KEY=ROOT_SECRET_KEY,
        LAMBDA_EXECUTOR="local",
        DOCKER_HOST=_NO_DOCKER,
        IOT_MTLS_ENABLED="0",
        SFTP_ENABLED="0",
        PERSIST_STATE="0",
        S3_PERSIST="0",
        LOG_LEVEL="INFO",
        TMPDIR=temporary,
        PYTHONPATH=str(PACKAGE_DIR / "worker_site"),
        PYTHONDONTWRITEBYTECODE="1",
        PATCHMEDIC_LOCAL_COMPILED=",".join(_compiled_packages()),
    )


def _compiled_packages() -> list[str]:
    """The packages of this environment that hold compiled code; see worker_site/sitecustomize."""
    site = Path(sysconfig.get_path("platlib"))
    return sorted({module.relative_to(site).parts[0] for module in site.glob("*/**/*.so")})


def _log_to(path: Path) -> None:
    handler = logging.FileHandler(path, mode="w", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s [%(name)s] %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)


def _assemble(options: ServeOptions) -> tuple[Any, Any]:
    """MiniStack with every hook, the fleet with every scenario: the ASGI app, and how to stop."""
    import ministack.app

    from patchmedic_local.admin import Admin
    from patchmedic_local.fleet.fleet import Fleet
    from patchmedic_local.hooks import (
        api_destinations,
        consoles,
        ec2_actions,
        ec2_answers,
        iam_requests,
        instances,
        mail_and_sms,
        ssm_calls,
        stack_resources,
    )
    from patchmedic_local.outbox import Outbox
    from patchmedic_local.ssm.api import Api, load_operations
    from patchmedic_local.timeline import Timeline

    actions = load_operations()
    timeline = Timeline()
    outbox = Outbox(options.state_dir)
    destination = api_destinations.Destination(outbox)
    iam_requests.install()
    instances.install()
    ec2_answers.install()
    ec2_actions.install()
    screens = consoles.Consoles()
    consoles.install(screens)
    fleet = Fleet(timeline, options.timing)
    api = Api(fleet, options.limits)
    ssm_calls.install(api, actions)
    stack_resources.install(fleet.documents)
    mail_and_sms.install(outbox)
    api_destinations.install(destination)
    for path in options.scenarios:
        fleet.load(path)
    timeline.start()
    admin = Admin(fleet, api, timeline, destination, screens)
    return admin.wrap(ministack.app.app), timeline.stop


async def _serve(app: Any, options: ServeOptions, stop_timeline: Any) -> None:
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    from patchmedic_local import children

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    config = Config()
    config.bind = [f"127.0.0.1:{options.port}"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = 0.5
    config.accesslog = None
    config.errorlog = logging.getLogger("hypercorn.error")
    announce = asyncio.create_task(_announce(options))
    try:
        await serve(app, config, shutdown_trigger=stop.wait)
    finally:
        announce.cancel()
        stop_timeline()
        children.stop_all()
        logging.shutdown()
        sys.stdout.flush()
        # Threads of half-finished invocations would hold up the interpreter's own exit.
        children.stop_all()
        os._exit(0)


async def _announce(options: ServeOptions) -> None:
    """One line on stdout as soon as requests are answered."""
    deadline = asyncio.get_running_loop().time() + _START_SECONDS_MAX
    while asyncio.get_running_loop().time() < deadline:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", options.port)
        except OSError:
            await asyncio.sleep(0.05)
            continue
        writer.write(b"GET /_patchmedic/health HTTP/1.0\r\nHost: localhost\r\n\r\n")
        answered = await reader.read(1)
        writer.close()
        if answered:
            print(f"ready {options.endpoint}", flush=True)
            return
