"""Nodes with package managers for the tests: real packages, repositories, keys and certificates.

Here: how each is made with the system's own tools.  Not here: the node itself (conftest) and what
the checks should say of it (the tests).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from nodes.conftest import Node

HOST = "packages.example"
ADDRESS = f"http://{HOST}"
KEY = "/usr/share/keyrings/example.gpg"
DAY = 86_400


def need(*tools: str) -> None:
    """Skip the test where this machine lacks a tool that its node is to have."""
    for tool in tools:
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not on this machine")


def run(*command: str, **options: Any) -> str:
    """A command on this machine that must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout)


def serve(node: Node, root: str = "/script/repository", hosts: str = "", **options: Any) -> None:
    """Start the repository's server on the node, under its names."""
    node.sh(f"echo '127.0.0.1 {HOST} {hosts}' >> /etc/hosts")
    shutil.copy(Path(__file__).with_name("repository_server.py"), node.layers / "script")
    program = ["-u", "/script/repository_server.py", json.dumps({"root": root, **options})]
    node.start([os.path.realpath(sys.executable), *program], "ready")


# --- packages -------------------------------------------------------------------------------------


def build_deb(node: Node, name: str, depends: str = "", postinst: str = "") -> str:
    """A Debian package of nothing, made on the node; its path there."""
    folder = f"/script/{name}"
    field = f"Depends: {depends}\\n" if depends else ""
    control = (
        f"Package: {name}\\nVersion: 1.0\\nArchitecture: all\\n{field}"
        "Maintainer: A <a@example.com>\\nDescription: of a test\\n"
    )
    node.sh(f"mkdir -p {folder}/DEBIAN && printf '{control}' > {folder}/DEBIAN/control")
    if postinst:
        node.sh(f"printf '#!/bin/sh\\n{postinst}\\n' > {folder}/DEBIAN/postinst")
        node.sh(f"chmod 755 {folder}/DEBIAN/postinst")
    node.sh(f"dpkg-deb --build {folder} {folder}.deb")
    return f"{folder}.deb"


def build_rpm(folder: Path, name: str, requires: str = "") -> Path:
    """An rpm package of nothing, made on this machine."""
    need("rpmbuild")
    spec = folder / f"{name}.spec"
    field = f"Requires: {requires}\n" if requires else ""
    spec.write_text(
        f"Name: {name}\nVersion: 1.0\nRelease: 1\nSummary: of a test\nLicense: none\n"
        f"BuildArch: noarch\nAutoReqProv: no\n{field}%description\nOf a test.\n%files\n"
    )
    run("rpmbuild", "-bb", "--define", f"_topdir {folder}/build", str(spec))
    return folder / "build" / "RPMS" / "noarch" / f"{name}-1.0-1.noarch.rpm"


# --- nodes ----------------------------------------------------------------------------------------


def only(node: Node, manager: str) -> None:
    """Leave the node one package manager: of apt-get, dnf and zypper."""
    others = {"apt-get", "dnf", "zypper"} - {manager}
    node.sh(f"cd /usr/bin && rm -f {' '.join(sorted(others))} yum")
    if manager != "apt-get":
        node.sh("rm -f /usr/bin/dpkg-query")
    node.sh("rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*")


def rpm_node(node: Node, manager: str, *packages: Path) -> None:
    """A node of rpm with these packages; sqlite keeps its database, in /var/lib/rpm."""
    need("rpm", manager)
    only(node, manager)
    node.write("/etc/rpm/macros", "%_dbpath /var/lib/rpm\n%_db_backend sqlite\n")
    for package in packages:
        shutil.copy(package, node.layers / "script")
        node.sh(f"rpm -i --nodeps --force-debian /script/{package.name} 2>&1")
    assert node.sh("rpm -qa").split() or not packages


def rpm_repository(node: Node, package: Path, manager: str = "dnf", extra: str = "") -> None:
    """A repository of one package, served, with its data fetched by the manager itself."""
    need("createrepo_c")
    folder = node.layers / "script" / "repository" / "rpm"
    folder.mkdir(parents=True)
    shutil.copy(package, folder)
    node.sh("createrepo_c --no-database /script/repository/rpm")
    serve(node)
    where = "/etc/yum.repos.d" if manager == "dnf" else "/etc/zypp/repos.d"
    node.write(f"{where}/one.repo", f"[one]\nname=One\nenabled=1\nbaseurl={ADDRESS}/rpm\n{extra}")
    if manager == "dnf":
        node.sh("dnf -y --releasever=9 makecache")
    else:
        node.sh("zypper --non-interactive --no-gpg-checks refresh")


# --- an apt repository with real signatures -------------------------------------------------------


class Signer:
    """A key of GnuPG's, in a folder of its own."""

    def __init__(self, home: Path) -> None:
        need("gpg")
        self.home = home
        self.home.mkdir(mode=0o700)

    def gpg(self, *arguments: str, when: float = 0, **options: Any) -> str:
        clock = time.strftime("%Y%m%dT%H%M%S", time.gmtime(time.time() + when)) + "!"
        home = str(self.home)
        command = ("gpg", "--homedir", home, "--batch", "--yes", "--faked-system-time", clock)
        return run(
            *command, "--passphrase", "", "--pinentry-mode", "loopback", *arguments, **options
        )

    def make(self, days: int = 0, when: float = 0) -> str:
        """A new key, made then and good for so many days (0: for ever); its long id."""
        expiry = f"{days}d" if days else "never"
        self.gpg(
            "--quick-generate-key", "Example <e@example.com>", "ed25519", "sign", expiry, when=when
        )
        listing = self.gpg("--list-keys", "--with-colons").splitlines()
        return next(line for line in listing if line.startswith("pub")).split(":")[4]

    def export(self, path: Path, *, text: bool = False) -> None:
        self.gpg(*(["--armor"] if text else []), "--output", str(path), "--export")

    def sign(self, text: str, when: float = 0) -> str:
        return self.gpg("--clearsign", when=when, input=text)

    def close(self) -> None:
        subprocess.run(["gpgconf", "--homedir", str(self.home), "--kill", "all"], check=False)


def apt_repository(node: Node, signer: Signer, *, valid: float = 7 * DAY, when: float = 0) -> None:
    """Put a signed repository of one package under the server's root."""
    suite = node.layers / "script" / "repository" / "debian" / "dists" / "stable"
    (suite / "main" / "binary-amd64").mkdir(parents=True, exist_ok=True)
    packages = (
        "Package: example\nVersion: 1.0\nArchitecture: all\nMaintainer: A <a@example.com>\n"
        f"Filename: pool/example.deb\nSize: 1\nSHA256: {'0' * 64}\nDescription: of a test\n\n"
    )
    (suite / "main" / "binary-amd64" / "Packages").write_text(packages)
    digest = hashlib.sha256(packages.encode()).hexdigest()
    now = time.time()
    release = (
        "Origin: Example\nSuite: stable\nCodename: stable\nArchitectures: amd64\n"
        f"Components: main\nDate: {_date(now + min(when, 0) - 60)}\n"
        f"Valid-Until: {_date(now + valid)}\n"
        f"SHA256:\n {digest} {len(packages)} main/binary-amd64/Packages\n"
    )
    (suite / "Release").write_text(release)
    (suite / "InRelease").write_text(signer.sign(release, when))


def _date(seconds: float) -> str:
    return formatdate(seconds, usegmt=True).replace("GMT", "UTC")


APT = "apt-get -o APT::Sandbox::User=root -o Dpkg::Use-Pty=0"


def apt_source(node: Node, signer: Signer | None, form: str = "deb822") -> None:
    """Configure the repository in one of apt's forms; the key goes into its keyring."""
    if signer is not None:
        signer.export(node.layers / "script" / "key.gpg")
        node.sh(f"mkdir -p /usr/share/keyrings && cp /script/key.gpg {KEY}")
    if form == "line":
        line = f"deb [arch=amd64 signed-by={KEY}] {ADDRESS}/debian stable main\n"
        node.write("/etc/apt/sources.list", line)
        return
    stanza = f"Types: deb\nURIs: {ADDRESS}/debian/\nSuites: stable\nComponents: main\n"
    off = "Enabled: no\nTypes: deb\nURIs: http://off.example/\nSuites: x\nComponents: y\n"
    signed = f"Signed-By: {KEY}\n"
    if form == "embedded" and signer is not None:
        signer.export(node.layers / "script" / "key.asc", text=True)
        lines = (node.layers / "script" / "key.asc").read_text().splitlines()
        signed = "Signed-By:\n" + "".join(f" {line or '.'}\n" for line in lines)
    node.write("/etc/apt/sources.list.d/one.sources", f"{stanza}{signed}\n{off}")
