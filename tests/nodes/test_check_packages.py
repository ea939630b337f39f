"""What the Linux check document says of packages: real databases, repositories, keys, broken.

The scripts run unchanged, as Systems Manager would hand them to the agent.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from nodes.conftest import Node, Ran
from nodes.packages import (
    ADDRESS,
    APT,
    DAY,
    HOST,
    KEY,
    Signer,
    apt_repository,
    apt_source,
    build_deb,
    build_rpm,
    need,
    only,
    rpm_node,
    rpm_repository,
    run,
    serve,
)

pytestmark = pytest.mark.nodes

CHECKS = (
    "package-lock,dpkg-state,rpm-db,package-dependencies,package-holds,package-repositories,"
    "package-metadata,signing-keys,subscription,patch-python"
)
RELEASE = f"{HOST}/debian/dists/stable/"


def ask(node: Node, check: str) -> tuple[str, dict[str, str]]:
    return node.run("Check-Linux", check).check(check)


@pytest.fixture
def signer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Signer]:
    made = Signer(tmp_path_factory.mktemp("gpg") / "home")
    yield made
    made.close()


@pytest.fixture(scope="session")
def rpms(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("rpms")
    return {
        "whole": build_rpm(folder, "whole"),
        "lacking": build_rpm(folder, "lacking", "nowhere-to-be-found >= 2"),
    }


@pytest.fixture
def apt(node: Node, signer: Signer) -> Node:
    """An apt node with one signed repository, whose lists apt itself has fetched."""
    only(node, "apt-get")
    signer.make()
    apt_repository(node, signer)
    apt_source(node, signer)
    options = 'Acquire::GzipIndexes "false";\nAcquire::Check-Valid-Until "true";\n'
    node.write("/etc/apt/apt.conf.d/zz-test", options)
    serve(node)
    node.sh(f"{APT} update")
    return node


# --- nodes on which all is well -------------------------------------------------------------------


def states_and_changes(node: Node, shell: tuple[str, ...] = ("sh",)) -> Ran:
    before = node.snapshot()
    ran = node.run("Check-Linux", CHECKS, interpreter=shell)
    assert node.snapshot() == before
    assert ran.stderr == ""
    return ran


APT_STATES = {
    **dict.fromkeys(CHECKS.split(","), "ok"),
    "rpm-db": "unknown",
    "subscription": "unknown",
}
RPM_STATES = {
    **dict.fromkeys(CHECKS.split(","), "ok"),
    "dpkg-state": "unknown",
    "subscription": "unknown",
    "signing-keys": "unknown",
}


def test_a_healthy_apt_node(apt: Node) -> None:
    ran = states_and_changes(apt)
    assert ran.states == APT_STATES, ran.stdout
    assert ran.check("package-repositories")[1]["checked"] == "1"
    assert ran.check("patch-python")[1]["manager"] == "apt"


@pytest.mark.parametrize("manager", ["dnf", "zypper"])
def test_a_healthy_rpm_node(node: Node, rpms: dict[str, Path], manager: str) -> None:
    rpm_node(node, manager, rpms["whole"])
    rpm_repository(node, rpms["whole"], manager)
    ran = states_and_changes(node)
    assert ran.states == RPM_STATES, ran.stdout
    assert ran.check("rpm-db")[1] == {"backend": "sqlite", "packages": "1", "error": ""}
    assert ran.check("patch-python")[1]["manager"] == manager


@pytest.mark.parametrize(
    "shell", [("dash",), ("bash", "--posix"), ("busybox", "sh"), ("mksh",)], ids=" ".join
)
def test_every_posix_shell_says_the_same(apt: Node, shell: tuple[str, ...]) -> None:
    need(shell[0])
    shutil.copy(str(shutil.which(shell[0])), apt.layers / "script" / shell[0])
    ran = states_and_changes(apt, (f"/script/{shell[0]}", *shell[1:]))
    assert ran.states == APT_STATES, ran.stdout


# --- databases ------------------------------------------------------------------------------------


def test_a_package_whose_script_failed(node: Node) -> None:
    bad = build_deb(node, "failing", postinst="exit 3")
    node.sh(f"dpkg -i {bad}", check=False)
    state, facts = ask(node, "dpkg-state")
    assert (state, facts["broken"]) == ("bad", "failing")


def test_a_journal_that_dpkg_left(node: Node) -> None:
    node.write("/var/lib/dpkg/updates/0001", "Package: example\n")
    assert ask(node, "dpkg-state")[1]["journal"] == "1"


def test_a_damaged_dpkg_status(node: Node) -> None:
    node.sh("printf 'Package: x\\nStatus broken\\n' >> /var/lib/dpkg/status")
    state, facts = ask(node, "dpkg-state")
    assert state == "bad"
    assert "cannot be read" in facts["broken"]


@pytest.mark.parametrize("damage", ["page", "header", "empty", "gone"])
def test_a_damaged_rpm_database(node: Node, rpms: dict[str, Path], damage: str) -> None:
    rpm_node(node, "dnf", rpms["whole"])
    file = "/var/lib/rpm/rpmdb.sqlite"
    node.sh(f"rm -f {file}-wal {file}-shm")
    if damage == "page":
        # The second page on: tables and their rows.
        node.sh(f"dd if=/dev/urandom of={file} bs=4096 seek=1 count=8 conv=notrunc 2>/dev/null")
    elif damage == "header":
        node.sh(f"printf 'not a database, not at all' | dd of={file} conv=notrunc 2>/dev/null")
    elif damage == "empty":
        node.sh(f": > {file}")
    else:
        node.sh(f"rm {file}")
    before = node.snapshot()
    state, facts = ask(node, "rpm-db")
    assert (state, facts["error"]) == ("bad", "damaged")
    assert node.snapshot() == before


def test_an_rpm_without_what_it_requires(node: Node, rpms: dict[str, Path]) -> None:
    rpm_node(node, "dnf", rpms["whole"], rpms["lacking"])
    state, facts = ask(node, "package-dependencies")
    assert (state, facts["tool"], facts["broken"]) == ("bad", "rpm", "lacking-1.0-1.noarch")
    assert facts["detail"].startswith("nowhere-to-be-found >= 2 is needed by")


def test_a_deb_without_what_it_depends_on(node: Node) -> None:
    node.sh(f"dpkg -i --force-depends {build_deb(node, 'lacking', 'nowhere-to-be-found')}")
    before = node.snapshot()
    state, facts = ask(node, "package-dependencies")
    assert (state, facts["tool"], facts["broken"]) == ("bad", "apt", "lacking")
    assert "nowhere-to-be-found" in facts["detail"]
    assert node.snapshot() == before


# --- holds ----------------------------------------------------------------------------------------


def test_held_by_apt_mark(node: Node) -> None:
    node.sh("apt-mark hold coreutils")
    state, facts = ask(node, "package-holds")
    assert (state, facts["held"], facts["count"]) == ("bad", "coreutils", "1")


def test_locked_by_zypper(node: Node, rpms: dict[str, Path]) -> None:
    rpm_node(node, "zypper", rpms["whole"])
    node.sh("zypper --non-interactive addlock 'kernel-*' whole")
    assert ask(node, "package-holds")[1]["held"] == "kernel-* whole"


def test_locked_by_version_and_left_out(node: Node, rpms: dict[str, Path]) -> None:
    rpm_node(node, "dnf", rpms["whole"])
    node.write("/etc/dnf/plugins/versionlock.list", "# a comment\n\nwhole-0:1.0-1.*\n")
    node.sh("echo 'exclude=kernel*' >> /etc/dnf/dnf.conf")
    state, facts = ask(node, "package-holds")
    assert (state, facts["held"], facts["count"]) == ("bad", "kernel* whole-0:1.0-1.*", "2")


# --- repositories ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "error"), [(404, "http-404"), (503, "http-503"), (403, "http-403")]
)
def test_a_repository_that_answers_with_a_failure(node: Node, status: int, error: str) -> None:
    only(node, "apt-get")
    apt_source(node, None, "line")
    serve(node, status={HOST: status})
    state, facts = ask(node, "package-repositories")
    assert (state, facts["error"], facts["host"]) == ("bad", error, HOST)
    assert facts["repository"] == f"http://{RELEASE}InRelease"
    assert facts["failed"] == f"{HOST}={error}"


def test_one_bad_repository_among_good_ones(apt: Node) -> None:
    apt.sh("echo '127.0.0.1 gone.example' >> /etc/hosts")
    apt.write("/etc/apt/sources.list", "deb http://gone.example/x stable main\n")
    state, facts = ask(apt, "package-repositories")
    assert (state, facts["checked"], facts["failed"]) == ("bad", "2", "gone.example=http-404")


def test_a_release_without_inrelease_is_well(apt: Node) -> None:
    apt.sh("rm /script/repository/debian/dists/stable/InRelease")
    assert ask(apt, "package-repositories")[0] == "ok"


def test_a_retired_release(node: Node) -> None:
    only(node, "apt-get")
    node.write("/etc/apt/sources.list", "deb http://deb.debian.org/debian jessie main\n")
    archive = "archive.debian.org/debian/dists/jessie"
    names = "deb.debian.org archive.debian.org"
    serve(node, hosts=names, status={archive: 200, "deb.debian.org": 404})
    assert ask(node, "package-repositories")[1]["error"] == "retired"


def test_a_repository_that_nobody_listens_for(node: Node, rpms: dict[str, Path]) -> None:
    rpm_node(node, "dnf", rpms["whole"])
    node.write("/etc/yum.repos.d/x.repo", "[x]\nbaseurl=http://127.0.0.1:9/\n")
    assert ask(node, "package-repositories")[1]["error"] == "refused"


def test_a_repository_that_swallows_everything(node: Node, rpms: dict[str, Path]) -> None:
    rpm_node(node, "dnf", rpms["whole"])
    serve(node, silent=[80])
    lines = [f"[r{n}]\nbaseurl={ADDRESS}/{n}\n" for n in range(30)]
    node.write("/etc/yum.repos.d/x.repo", "".join(lines))
    ran = node.run("Check-Linux", CHECKS)
    assert ran.check("package-repositories")[1]["error"] == "timeout"
    assert ran.check("package-repositories")[1]["checked"] == "30"
    assert ran.seconds < 30


def test_a_repository_with_a_certificate_that_nobody_trusts(
    node: Node, rpms: dict[str, Path], certificate: Path
) -> None:
    rpm_node(node, "dnf", rpms["whole"])
    shutil.copy(certificate, node.layers / "script" / "server.pem")
    serve(node, certificate="/script/server.pem", status={HOST: 200})
    repository = f"[x]\nbaseurl=https://{HOST}/\n"
    node.write("/etc/yum.repos.d/x.repo", repository)
    assert ask(node, "package-repositories")[1]["error"] == "tls"
    node.write("/etc/yum.repos.d/x.repo", repository + "sslverify=0\n")
    assert ask(node, "package-repositories")[0] == "ok"


def test_what_is_off_or_may_be_skipped_is_no_fault(node: Node, rpms: dict[str, Path]) -> None:
    rpm_node(node, "dnf", rpms["whole"])
    serve(node, status={f"{HOST}/good/": 200})
    node.write("/etc/dnf/vars/place", f"{HOST}\n")
    node.write(
        "/etc/yum.repos.d/x.repo",
        "[main]\nenabled=1\n[off]\nenabled=False\nbaseurl=http://127.0.0.1:9/\n"
        "[skipped]\nbaseurl=http://127.0.0.1:9/\nskip_if_unavailable = true\n"
        "[good]\nenabled=1\nenabled_metadata=0\nbaseurl=http://127.0.0.1:9/\n"
        "  http://$place/good/\n",
    )
    state, facts = ask(node, "package-repositories")
    assert (state, facts["checked"], facts["failed"]) == ("ok", "2", "127.0.0.1:9=refused")


def test_a_list_of_mirrors_is_asked_itself(node: Node, rpms: dict[str, Path]) -> None:
    rpm_node(node, "dnf", rpms["whole"])
    serve(node)
    node.write("/etc/yum.repos.d/x.repo", f"[x]\nmirrorlist={ADDRESS}/$basearch/list\n")
    state, facts = ask(node, "package-repositories")
    assert facts["repository"] == f"{ADDRESS}/{node.sh('uname -m').strip()}/list"
    assert (state, facts["error"]) == ("bad", "http-404")


def test_a_repository_behind_a_login_is_reached_and_its_password_never_told(
    node: Node, rpms: dict[str, Path]
) -> None:
    rpm_node(node, "zypper", rpms["whole"])
    serve(node, login="me:secret-word", status={HOST: 200})
    node.write("/etc/zypp/credentials.d/mine", "username=me\npassword=secret-word\n")
    node.write(
        "/etc/zypp/repos.d/x.repo",
        f"[x]\nbaseurl={ADDRESS}/x?credentials=mine\n[y]\nbaseurl=http://me:secret-word@{HOST}/y\n",
    )
    ran = node.run("Check-Linux", "package-repositories,subscription")
    assert ran.states == {"package-repositories": "ok", "subscription": "ok"}
    assert "secret-word" not in ran.stdout
    node.sh("rm /etc/zypp/credentials.d/mine")
    state, facts = ask(node, "subscription")
    assert (state, facts["kind"], facts["error"]) == ("bad", "suse", "missing")


def test_a_subscription_host_that_refuses(node: Node, rpms: dict[str, Path]) -> None:
    rpm_node(node, "zypper", rpms["whole"])
    serve(node, hosts="updates.suse.com", status={"updates.suse.com": 403})
    node.write("/etc/zypp/repos.d/x.repo", "[x]\nbaseurl=http://updates.suse.com/SUSE/x?token\n")
    state, facts = ask(node, "package-repositories")
    assert (state, facts["error"]) == ("bad", "subscription")
    assert facts["repository"] == "http://updates.suse.com/SUSE/x/repodata/repomd.xml?token"


# --- certificates of clients ----------------------------------------------------------------------


def client_certificate(folder: Path, days: int) -> None:
    """A key and a certificate that signs itself; with -1 day it has run out."""
    need("openssl")
    pair = ("-keyout", str(folder / "client-key.pem"), "-out", str(folder / "client.pem"))
    start = ("faketime", "-10 days") if days < 0 else ()
    make = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=client")
    if start:
        need("faketime")
    run(*start, *make, "-days", str(days + 10 if days < 0 else days), *pair)


@pytest.mark.parametrize(("days", "state", "error"), [(5, "ok", ""), (-3, "bad", "expired")])
def test_the_certificate_of_a_subscription(
    node: Node, rpms: dict[str, Path], certificate: Path, days: int, state: str, error: str
) -> None:
    rpm_node(node, "dnf", rpms["whole"])
    script = node.layers / "script"
    client_certificate(script, days)
    shutil.copy(certificate, script / "server.pem")
    serve(node, certificate="/script/server.pem", clients="/script/client.pem", status={HOST: 200})
    node.sh("mkdir -p /etc/pki/rhui && cp /script/client*.pem /etc/pki/rhui")
    node.write(
        "/etc/yum.repos.d/x.repo",
        f"[x]\nbaseurl=https://{HOST}/\nsslverify=0\nsslclientcert=/etc/pki/rhui/client.pem\n"
        "sslclientkey=/etc/pki/rhui/client-key.pem\n",
    )
    ran = node.run("Check-Linux", "subscription,package-repositories")
    seen, facts = ran.check("subscription")
    assert (seen, facts["kind"], facts.get("error", "")) == (state, "rhui", error)
    seen, facts = ran.check("package-repositories")
    assert (seen, facts["error"]) == (state, "subscription" if error else "")
    if error:
        assert ran.check("subscription")[1]["expired_days"] == "3"
        node.sh("rm /etc/pki/rhui/client.pem")
        assert ask(node, "subscription")[1]["error"] == "missing"


def test_an_ubuntu_pro_contract_that_ran_out(node: Node) -> None:
    status = '{"attached": true, "expires": "2024-02-03T00:00:00+00:00", "account": {}}'
    node.write("/var/lib/ubuntu-advantage/status.json", status)
    state, facts = ask(node, "subscription")
    assert (state, facts["kind"], facts["error"]) == ("bad", "ubuntu-pro", "expired")
    assert int(facts["expired_days"]) == (datetime.now(UTC) - datetime(2024, 2, 3, tzinfo=UTC)).days
    node.write("/var/lib/ubuntu-advantage/status.json", status.replace("2024", "9999"))
    assert ask(node, "subscription")[0] == "ok"


# --- metadata that is kept ------------------------------------------------------------------------


@pytest.mark.parametrize(("change", "error"), [("s/example/exAmple/", "checksum"), ("1d", "size")])
def test_a_list_of_apt_that_was_damaged(apt: Node, change: str, error: str) -> None:
    apt.sh(f"sed -i '{change}' /var/lib/apt/lists/*_Packages")
    state, facts = ask(apt, "package-metadata")
    assert (state, facts["error"]) == ("bad", error)
    assert facts["repository"] == f"http://{RELEASE}InRelease"
    assert facts["file"].endswith("_Packages")


@pytest.mark.parametrize("manager", ["dnf", "zypper"])
def test_metadata_of_rpm_that_was_damaged(node: Node, rpms: dict[str, Path], manager: str) -> None:
    rpm_node(node, manager, rpms["whole"])
    rpm_repository(node, rpms["whole"], manager)
    file = node.sh(
        f"ls /var/cache/{manager[:3]}*/*/repodata/*-primary.xml.* "
        f"/var/cache/zypp/raw/*/repodata/*-primary.xml.* 2>/dev/null || :"
    ).split()[0]
    node.sh(f"printf X | dd of={file} bs=1 seek=20 conv=notrunc 2>/dev/null")
    state, facts = ask(node, "package-metadata")
    assert (state, facts["error"], facts["file"]) == ("bad", "checksum", file)
    node.sh(f"printf X >> {file}")
    assert ask(node, "package-metadata")[1]["error"] == "size"


def test_lists_that_expired_on_the_server(apt: Node, signer: Signer) -> None:
    old = "s/^Valid-Until: .*/Valid-Until: Sat, 03 Feb 2024 10:00:00 UTC/"
    apt.sh(f"sed -i '{old}' /var/lib/apt/lists/*_InRelease")
    # The server's own are newer: the next update renews what lies here.
    assert ask(apt, "package-metadata")[0] == "ok"
    apt_repository(apt, signer, valid=-3 * DAY)
    state, facts = ask(apt, "package-metadata")
    assert (state, facts["error"], facts["expired_days"]) == ("bad", "expired", "3")
    apt.write("/etc/apt/apt.conf.d/zzz", 'Acquire::Check-Valid-Until "false";\n')
    assert ask(apt, "package-metadata")[0] == "ok"


# --- keys -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["deb822", "line", "embedded", "common", "text"])
def test_a_key_that_is_there_in_every_form(node: Node, signer: Signer, form: str) -> None:
    only(node, "apt-get")
    signer.make()
    apt_repository(node, signer)
    if form in ("common", "text"):
        apt_source(node, None, "line")
        node.sh("sed -i 's/ signed-by=[^]]*//' /etc/apt/sources.list")
        signer.export(node.layers / "script" / "k", text=form == "text")
        suffix = "asc" if form == "text" else "gpg"
        node.sh(f"cp /script/k /etc/apt/trusted.gpg.d/example.{suffix}")
    else:
        apt_source(node, signer, form)
    serve(node)
    node.sh(f"{APT} -o Dir::Etc::Trusted=/x update")
    assert ask(node, "signing-keys")[0] == "ok"


def test_a_key_that_is_not_in_the_keyring(apt: Node, tmp_path: Path) -> None:
    other = Signer(tmp_path / "other")
    try:
        key = other.make()
        # The repository's key was changed; what lies on the node is signed with the old one.
        apt_repository(apt, other)
    finally:
        other.close()
    apt.sh("touch -d '+1 day' /script/repository/debian/dists/stable/InRelease")
    assert "NO_PUBKEY" in apt.sh(f"{APT} update 2>&1", check=False)
    state, facts = ask(apt, "signing-keys")
    assert (state, facts["key"], facts["error"]) == ("bad", key, "missing")
    apt.sh(f"rm {KEY}")
    assert ask(apt, "signing-keys")[0] == "bad"


def test_a_key_that_has_expired(node: Node, signer: Signer) -> None:
    only(node, "apt-get")
    key = signer.make(days=5, when=-9 * DAY)
    apt_repository(node, signer, when=-9 * DAY)
    apt_source(node, signer)
    serve(node)
    assert "EXPKEYSIG" in node.sh(f"{APT} update 2>&1", check=False)
    state, facts = ask(node, "signing-keys")
    assert (state, facts["key"], facts["error"]) == ("bad", key, "expired")
    assert facts["expired_days"] == "4"


def test_the_key_files_of_rpm(node: Node, rpms: dict[str, Path]) -> None:
    rpm_node(node, "dnf", rpms["whole"])
    repository = f"[x]\nbaseurl={ADDRESS}\ngpgcheck=1\ngpgkey=file:///etc/pki/rpm-gpg/KEY\n"
    node.write("/etc/yum.repos.d/x.repo", repository)
    state, facts = ask(node, "signing-keys")
    assert (state, facts["error"], facts["key"]) == ("bad", "missing", "/etc/pki/rpm-gpg/KEY")
    node.write("/etc/pki/rpm-gpg/KEY", "a key\n")
    assert ask(node, "signing-keys")[0] == "ok"
    node.write("/etc/yum.repos.d/x.repo", repository.replace("gpgcheck=1", "gpgcheck=0"))
    assert ask(node, "signing-keys")[0] == "unknown"


# --- Python ---------------------------------------------------------------------------------------


def test_no_python_at_all(node: Node) -> None:
    node.sh("rm -f /usr/bin/python* /usr/local/bin/python*")
    state, facts = ask(node, "patch-python")
    assert (state, facts["manager"], facts["error"]) == ("bad", "apt", "missing")


@pytest.mark.parametrize(("manager", "module"), [("apt-get", "apt"), ("dnf", "dnf")])
def test_a_python_without_the_managers_module(node: Node, manager: str, module: str) -> None:
    need(manager)
    only(node, manager)
    node.sh(f"rm -rf /usr/lib/python3/dist-packages/{module}")
    state, facts = ask(node, "patch-python")
    assert (state, facts["error"], facts["module"]) == ("bad", "module", module)
    assert facts["version"].startswith("3.")


def test_a_bad_node_still_answers_in_time_and_within_its_room(
    make_node: Callable[[], Node], rpms: dict[str, Path]
) -> None:
    node = make_node()
    rpm_node(node, "dnf", rpms["whole"], rpms["lacking"])
    hosts = [f"h{n}.example" for n in range(14)]
    serve(node, hosts=" ".join(hosts), silent=[80])
    lines = [f"[r{n}]\nbaseurl=http://{host}/\n" for n, host in enumerate(hosts)]
    node.write("/etc/yum.repos.d/x.repo", "".join(lines))
    ran = node.run("Check-Linux", CHECKS)
    assert ran.seconds < 50
    assert ran.check("package-repositories")[0] == "bad"
    assert len(ran.check("package-repositories")[1]["failed"]) <= 300
    assert len(ran.stdout) < 19_000
