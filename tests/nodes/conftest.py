"""Real Linux nodes for the scripts: this machine's own system under an overlay, in namespaces.

A node sees a copy-on-write image of this machine (so it has a real dpkg, curl, shell), its own
processes and, unless asked for more, a network of loopback only.  Whatever happens on it stays in
the overlay's upper folder, which is also how a test sees what a script changed.  Nothing is mocked
on the node: locks are held by processes, disks are full, servers answer or do not.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "documents"))

import build  # noqa: E402 - documents/ is no package; its generator is used as it is

SSM_LOG = "/var/log/amazon/ssm"
SSM_DATA = "/var/lib/amazon/ssm"
PAYLOAD = f"{SSM_LOG}/patch-baseline-operations"
REGION = "ap-northeast-1"
NODE_ID = "i-0a1b2c3d4e5f60001"
PATCH_BUCKET_HOSTS = [
    f"patch-baseline-snapshot-{REGION}.s3.{REGION}.amazonaws.com",
    f"aws-patch-manager-{REGION}-4849fa78f.s3.{REGION}.amazonaws.com",
]
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

DOCUMENTS = {document.suffix: document for document in build.load_documents()}


def render(suffix: str, checks: str = "all", region: str = REGION) -> str:
    """The script of a document as Systems Manager would hand it to the agent."""
    script = DOCUMENTS[suffix].script
    return script.replace("{{ Checks }}", checks).replace("{{ Region }}", region)


def _repository_hosts() -> list[str]:
    """The servers of this machine's own package repositories, whichever they are."""
    asked = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(URI)"],
        capture_output=True,
        text=True,
        check=False,
    )
    found = {urlsplit(line).hostname for line in asked.stdout.splitlines()}
    return sorted(host for host in found if host)


@dataclass
class Ran:
    """What one run of a document printed, and how it ended."""

    returncode: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def document(self) -> dict[str, Any]:
        lines = self.stdout.split("\n")
        assert lines[0].startswith("<<<PATCHMEDIC-"), self.stdout + self.stderr
        assert lines[2].startswith("PATCHMEDIC-"), self.stdout
        assert lines[3:] == [""], self.stdout
        return dict(json.loads(lines[1]))

    def check(self, name: str) -> tuple[str, dict[str, str]]:
        """State and facts of one check."""
        found = [c for c in self.document["checks"] if c["check"] == name]
        assert len(found) == 1, self.stdout
        return found[0]["state"], found[0]["facts"]

    @property
    def states(self) -> dict[str, str]:
        return {c["check"]: c["state"] for c in self.document["checks"]}


@dataclass
class Node:
    """One node: a process that keeps its namespaces, and the folder of its overlay."""

    folder: Path
    keeper: subprocess.Popen[str]
    init_pid: int
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def layers(self) -> Path:
        """The folder as the node's own mounts show it; from outside it looks empty."""
        return Path(f"/proc/{self.init_pid}/root{self.folder}")

    def _enter(self, command: list[str], env: Mapping[str, str]) -> list[str]:
        pairs = [f"{name}={value}" for name, value in env.items()]
        return [
            *("nsenter", "-t", str(self.init_pid), "-m", "-p", "-n"),
            *("chroot", str(self.folder / "root")),
            *("env", "-i", f"PATH={PATH}", *pairs),
            *command,
        ]

    def sh(self, script: str, *, check: bool = True, **env: str) -> str:
        """Run a shell line on the node; for setting it up and looking at it."""
        done = subprocess.run(
            self._enter(["sh", "-c", script], env), capture_output=True, text=True, check=False
        )
        assert not check or done.returncode == 0, done.stderr
        return done.stdout

    def start(self, command: list[str], ready: str | None = None) -> subprocess.Popen[str]:
        """Start a process that stays; waits for the line ``ready`` on its stdout."""
        process = subprocess.Popen(self._enter(command, {}), stdout=subprocess.PIPE, text=True)
        self.started.append(process)
        if ready is not None:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == ready
        return process

    def stop(self, process: subprocess.Popen[str]) -> None:
        """End a started process at once: nsenter stays outside, its child is the one meant."""
        for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
            os.kill(int(child), signal.SIGKILL)
        process.wait()

    def python(self, program: str, ready: str = "ready") -> subprocess.Popen[str]:
        return self.start([os.path.realpath(sys.executable), "-u", "-c", program], ready)

    def write(self, path: str, content: str | bytes, minutes_ago: float = 0) -> None:
        """Put a file on the node, as old as wanted, with the folders above it."""
        data = content.encode() if isinstance(content, str) else content
        (self.layers / "script" / "file").write_bytes(data)
        self.sh(f"mkdir -p '{os.path.dirname(path)}' && cp /script/file '{path}'")
        if minutes_ago:
            self.sh(f"touch -d '-{round(minutes_ago * 60)} seconds' '{path}'")

    def serve(self, **options: Any) -> None:
        """Start the servers of ``servers.py`` and let the AWS names lead to them."""
        names = [f"{name}.{REGION}.amazonaws.com" for name in ("s3", "s3.dualstack", "ssm")]
        names += [f"{name}.{REGION}.amazonaws.com" for name in ("ssmmessages", "ec2messages")]
        names += PATCH_BUCKET_HOSTS
        names += _repository_hosts()
        self.sh(f"echo '127.0.0.1 {' '.join(names)}' >> /etc/hosts")
        self.sh("ip address add 169.254.169.254/32 dev lo")
        shutil.copy(Path(__file__).with_name("servers.py"), self.layers / "script")
        if "certificate" in options:
            shutil.copy(options["certificate"], self.layers / "script" / "server.pem")
            options["certificate"] = "/script/server.pem"
        python = os.path.realpath(sys.executable)
        self.start([python, "-u", "/script/servers.py", json.dumps(options)], "ready")

    def patch_run(self, command_id: str, *, began: float, ended: float, stdout: str = "") -> str:
        """What the agent keeps of a patch run that began and last wrote so many minutes ago."""
        folder = f"{SSM_DATA}/{NODE_ID}/document/orchestration/{command_id}/PatchLinux"
        self.write(f"{folder}/stdout", stdout, ended)
        self.write(f"{folder}/_script.sh", "#!/bin/bash\n", began)
        return folder

    def start_patch_process(self) -> subprocess.Popen[str]:
        """A payload at work: as the real one, a process known by its working folder."""
        self.sh(f"mkdir -p {PAYLOAD}")
        return self.start(["sh", "-c", f"cd {PAYLOAD} && echo ready && exec sleep 300"], "ready")

    def start_agent(self) -> None:
        """A process that looks like the agent, whose name is all that a check sees of it."""
        self.sh("cp /bin/sleep /usr/bin/amazon-ssm-agent")
        self.start(["sh", "-c", "echo ready; exec /usr/bin/amazon-ssm-agent 900"], "ready")

    def run(
        self,
        suffix: str,
        checks: str = "all",
        *,
        interpreter: tuple[str, ...] = ("sh",),
        seconds_max: float = 90,
        **env: str,
    ) -> Ran:
        """Run a document's script, with the environment that the agent gives it."""
        script = render(suffix, checks)
        return self.run_script(script, interpreter=interpreter, seconds_max=seconds_max, **env)

    def run_script(
        self,
        script: str,
        *,
        interpreter: tuple[str, ...] = ("sh",),
        seconds_max: float = 90,
        **env: str,
    ) -> Ran:
        agent_env = {"AWS_SSM_INSTANCE_ID": NODE_ID, "AWS_SSM_REGION_NAME": REGION, **env}
        # The script lies outside what is compared before and after.
        (self.layers / "script" / "script.sh").write_text(script)
        begun = time.monotonic()
        done = subprocess.run(
            self._enter([*interpreter, "/script/script.sh"], agent_env),
            capture_output=True,
            text=True,
            timeout=seconds_max,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr, time.monotonic() - begun)

    def snapshot(self) -> dict[str, str]:
        """Everything on the node that could have changed: the overlay's layer and its tmpfs."""
        seen: dict[str, str] = {}
        for path in sorted((self.layers / "upper").rglob("*")):
            seen[str(path)] = _describe(path)
        listing = self.sh(
            "find /dev/shm /run /tmp /var/tmp -mindepth 1 -printf '%p %y %s %T@\\n' | sort"
        )
        return {**seen, "tmpfs": listing}

    def close(self) -> None:
        for process in self.started:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
        self.keeper.kill()
        self.keeper.wait()
        if self.keeper.stdout is not None:
            self.keeper.stdout.close()


def _describe(path: Path) -> str:
    info = path.lstat()
    digest = ""
    if stat.S_ISREG(info.st_mode):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    target = str(path.readlink()) if path.is_symlink() else ""
    return f"{info.st_mode:o} {info.st_size} {info.st_mtime_ns} {digest} {target}"


_BOOT = """
set -e
mount -t tmpfs -o mode=755 overlay {folder}
mkdir {folder}/upper {folder}/work {folder}/root {folder}/script
mount -t overlay overlay -o lowerdir=/,upperdir={folder}/upper,workdir={folder}/work {folder}/root
mount -t proc proc {folder}/root/proc
mount -t tmpfs -o mode=1777 tmp {folder}/root/tmp
mount -t tmpfs -o mode=755 run {folder}/root/run
mount --rbind /dev {folder}/root/dev
mount -t tmpfs -o mode=1777 shm {folder}/root/dev/shm
mkdir -p {folder}/root/script {folder}/root{log} {folder}/root{data}
mount --bind {folder}/script {folder}/root/script
mount -t tmpfs -o mode=1777 vartmp {folder}/root/var/tmp
{network}
echo ready
exec sleep 3600
"""


def _why_not() -> str | None:
    if not sys.platform.startswith("linux"):
        return "needs Linux namespaces"
    if os.geteuid() != 0:
        return "needs root, for namespaces and mounts"
    for tool in ("unshare", "nsenter", "chroot", "dpkg-query", "curl"):
        if shutil.which(tool) is None:
            return f"needs {tool}"
    tried = subprocess.run(["unshare", "-m", "-p", "-n", "-f", "true"], check=False)
    return None if tried.returncode == 0 else "this machine allows no namespaces"


def _boot(folder: Path, network: str) -> Node:
    script = _BOOT.format(folder=folder, network=network, log=SSM_LOG, data=SSM_DATA)
    keeper = subprocess.Popen(
        ["unshare", "-m", "-p", "-n", "-f", "--kill-child", "sh", "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert keeper.stdout is not None
    said = keeper.stdout.readline().strip()
    if said != "ready":
        keeper.kill()
        keeper.wait()
        keeper.stdout.close()
        pytest.skip(f"this machine makes no overlay node: {said}")
    children = Path(f"/proc/{keeper.pid}/task/{keeper.pid}/children").read_text().split()
    return Node(folder, keeper, int(children[0]))


@pytest.fixture
def make_node(tmp_path: Path) -> Iterator[Callable[[], Node]]:
    """Makes nodes; each is gone, with everything on it, when the test ends."""
    why_not = _why_not()
    if why_not:
        pytest.skip(why_not)
    nodes: list[Node] = []

    def make() -> Node:
        folder = tmp_path / f"node{len(nodes)}"
        folder.mkdir()
        node = _boot(folder, "ip link set lo up 2>/dev/null || true")
        nodes.append(node)
        return node

    yield make
    for node in nodes:
        node.close()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificate and key of a server with the names of the AWS endpoints, signed by itself."""
    folder = tmp_path_factory.mktemp("certificate")
    names = ",".join(f"DNS:{name}.{REGION}.amazonaws.com" for name in ("*", "*.s3", "s3.dualstack"))
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=PatchMedic test",
            "-addext",
            f"subjectAltName={names}",
            "-keyout",
            str(folder / "key.pem"),
            "-out",
            str(folder / "certificate.pem"),
        ],
        check=True,
        capture_output=True,
    )
    both = folder / "both.pem"
    both.write_text((folder / "certificate.pem").read_text() + (folder / "key.pem").read_text())
    return both


TRUST = {"CURL_CA_BUNDLE": "/script/server.pem"}
"""A node that trusts the test's certificate, as real ones trust Amazon's."""


@pytest.fixture
def healthy(node: Node, certificate: Path) -> Node:
    """A node on which nothing is wrong: everything answers, the agent runs, one good run."""
    node.serve(certificate=str(certificate), role="patch-role")
    node.start_agent()
    node.patch_run("11111111-aaaa-4bbb-8ccc-000000000001", began=50, ended=45, stdout="all well\n")
    return node


@pytest.fixture
def node(make_node: Callable[[], Node]) -> Node:
    """A node with loopback only: no resolver answers, no server is there."""
    return make_node()
