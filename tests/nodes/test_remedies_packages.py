"""The Linux remedies of packages and trust, on nodes that are broken for real.

dpkg, rpm and update-ca-certificates are the node's own, their databases are damaged, and a run is
killed where it hurts most.  Not here: the checks themselves (test_check_packages).
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodes.conftest import Node
from nodes.packages import (
    ADDRESS,
    HOST,
    Signer,
    build_deb,
    need,
    only,
    rpm_node,
    rpm_repository,
    run,
    serve,
)
from nodes.test_check_linux import hold_lock
from nodes.test_check_system import make_pem
from nodes.test_remedies_linux import ended, kill_at, left_alone

pytestmark = pytest.mark.nodes

DPKG = "Remedy-ConfigureDpkg-Linux"
RPM = "Remedy-RebuildRpmDatabase-Linux"
TRUST = "Remedy-RefreshCaBundle-Linux"


def state_of(node: Node, check: str, **env: str) -> str:
    return node.run("Check-Linux", check, **env).check(check)[0]


# --- configure-dpkg -------------------------------------------------------------------------------


def half_configured(node: Node, postinst: str = "touch /root/configured") -> None:
    """A package that was unpacked over one whose settings a person has changed."""
    for version in ("1.0", "2.0"):
        folder = f"/script/half-{version}"
        control = (
            f"Package: half\\nVersion: {version}\\nArchitecture: all\\n"
            "Maintainer: A <a@example.com>\\nDescription: of a test\\n"
        )
        node.sh(f"mkdir -p {folder}/DEBIAN {folder}/etc")
        node.sh(f"printf '{control}' > {folder}/DEBIAN/control")
        node.sh(f"echo 'from {version}' > {folder}/etc/half.conf")
        node.sh(f"echo /etc/half.conf > {folder}/DEBIAN/conffiles")
        if version == "2.0":
            node.write(f"{folder}/DEBIAN/postinst", f"#!/bin/sh\nset -e\n{postinst}\n")
            node.sh(f"chmod 755 {folder}/DEBIAN/postinst")
        node.sh(f"dpkg-deb --build {folder} {folder}.deb")
    node.sh("dpkg -i /script/half-1.0.deb && echo mine > /etc/half.conf")
    node.sh("dpkg --unpack /script/half-2.0.deb")


def test_an_interrupted_dpkg_is_completed_and_settings_stay(node: Node) -> None:
    half_configured(node)
    assert state_of(node, "dpkg-state") == "bad"
    facts = ended(node.run(DPKG), "done")
    assert facts["packages"] == "half"
    assert state_of(node, "dpkg-state") == "ok"
    assert node.sh("cat /etc/half.conf") == "mine\n"
    # As an administrator's own run would have made it, not readable by root alone.
    assert node.sh("stat -c %a /root/configured") == "644\n"
    left_alone(node, DPKG)


def test_a_journal_is_merged(node: Node) -> None:
    half_configured(node)
    node.sh("dpkg --configure -a --force-confold")
    stanza = node.sh("dpkg-query -s half").replace("2.0", "3.0")
    node.write("/var/lib/dpkg/updates/0000", stanza)
    assert state_of(node, "dpkg-state") == "bad"
    assert ended(node.run(DPKG), "done")["journal"] == "1"
    assert node.sh("dpkg-query -W half") == "half\t3.0\n"
    assert state_of(node, "dpkg-state") == "ok"
    left_alone(node, DPKG)


def test_a_package_that_will_not_be_configured_is_named(node: Node) -> None:
    half_configured(node, "echo 'error: no such service' >&2; exit 3")
    facts = ended(node.run(DPKG), "failed")
    assert facts["still_broken"] == "half"
    assert "could not complete" in facts["why"]


def test_a_killed_configuration_is_completed_by_the_next(node: Node) -> None:
    half_configured(node, "[ -e /root/again ] || { : > /root/again; sh /script/kill.sh; }")
    kill_at(node, DPKG, "postinst")
    assert node.sh("ls /root/again") != ""
    assert state_of(node, "dpkg-state") == "bad"
    ended(node.run(DPKG), "done")
    assert state_of(node, "dpkg-state") == "ok"
    left_alone(node, DPKG)


def test_dpkg_is_left_alone_while_it_works_and_without_room(node: Node) -> None:
    left_alone(node, DPKG)
    half_configured(node)
    node.sh("mount -t tmpfs -o size=20m tmpfs /var/cache/apt")
    assert "/var/cache/apt has" in left_alone(node, DPKG, "refused")["why"]
    node.sh("umount /var/cache/apt")
    process = node.start_patch_process()
    assert "a patch run is alive" in left_alone(node, DPKG, "refused")["why"]
    node.stop(process)
    hold_lock(node, "/var/lib/dpkg/lock-frontend")
    assert "holds /var/lib/dpkg/lock-frontend" in left_alone(node, DPKG, "refused")["why"]


def test_what_dpkg_cannot_complete_is_for_a_person(node: Node) -> None:
    node.sh(f"dpkg -i {build_deb(node, 'half')}")
    worse = "/^Package: half$/,/^$/s/^Status: .*/Status: install reinstreq half-installed/"
    node.sh(f"sed -i '{worse}' /var/lib/dpkg/status")
    assert state_of(node, "dpkg-state") == "bad"
    assert "half" in left_alone(node, DPKG, "refused")["why"]
    node.sh("printf 'Package: x\\nStatus broken\\n' >> /var/lib/dpkg/status")
    assert "cannot be read" in left_alone(node, DPKG, "refused")["why"]


# --- rebuild-rpm-database -------------------------------------------------------------------------

FOLDER = "/var/lib/rpm"
DATABASE = f"{FOLDER}/rpmdb.sqlite"
PACKAGES = 40


@pytest.fixture(scope="session")
def many(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """So many packages that the database has pages to lose."""
    need("rpmbuild", "rpm")
    folder = tmp_path_factory.mktemp("many")
    parts = "".join(
        f"%package -n p{n}\nSummary: p{n}\nProvides: thing{n} = 1\n%description -n p{n}\nP.\n"
        f"%files -n p{n}\n"
        for n in range(PACKAGES)
    )
    spec = folder / "many.spec"
    spec.write_text(
        "Name: many\nVersion: 1.0\nRelease: 1\nSummary: of a test\nLicense: none\n"
        f"BuildArch: noarch\nAutoReqProv: no\n%description\nMany.\n{parts}"
    )
    run("rpmbuild", "-bb", "--define", f"_topdir {folder}/build", str(spec))
    return sorted((folder / "build" / "RPMS" / "noarch").glob("*.rpm"))


@pytest.fixture
def rpms(node: Node, many: list[Path]) -> Node:
    rpm_node(node, "dnf")
    for package in many:
        shutil.copy(package, node.layers / "script")
    node.sh("rpm -i --nodeps --force-debian /script/*.rpm")
    assert count(node) == PACKAGES
    return node


def count(node: Node) -> int:
    """How many packages rpm knows of."""
    return len(node.sh("rpm -qa").split())


def damage(node: Node, table: str) -> None:
    """Overwrite the page in which a table of the database begins."""
    node.sh(f"cp {DATABASE} /script/damaged")
    content = (node.layers / "script" / "damaged").read_bytes()
    with contextlib.closing(sqlite3.connect(":memory:")) as base:
        # In memory there is no journal beside it, whatever the header says.
        base.deserialize(content[:18] + b"\1\1" + content[20:])
        page_bytes = base.execute("pragma page_size").fetchone()[0]
        query = "select rootpage from sqlite_master where name = ?"
        page = base.execute(query, (table,)).fetchone()[0]
    node.sh(
        f"dd if=/dev/urandom of={DATABASE} bs={page_bytes} seek={page - 1} count=1 conv=notrunc"
        f" 2>/dev/null; rm -f {DATABASE}-wal {DATABASE}-shm"
    )


def test_a_database_with_damaged_indexes_is_rebuilt(rpms: Node) -> None:
    left_alone(rpms, RPM)
    damage(rpms, "Providename")
    assert state_of(rpms, "rpm-db") == "bad"
    old = rpms.sh(f"sha256sum < {DATABASE}")
    mode = rpms.sh(f"stat -c %a {DATABASE}")
    facts = ended(rpms.run(RPM), "done")
    assert int(facts["packages"]) == PACKAGES
    assert state_of(rpms, "rpm-db") == "ok"
    assert rpms.sh("rpm -q --whatprovides thing7") == "p7-1.0-1.noarch\n"
    assert rpms.sh(f"stat -c %a {DATABASE}") == mode == "644\n"
    # Undo is there, and nothing else is left behind.
    assert rpms.sh(f"sha256sum < {facts['backup']}/rpmdb.sqlite") == old
    assert rpms.sh(f"ls -d {FOLDER}?*").split() == [facts["backup"]]
    assert rpms.sh(f"ls -A {FOLDER} | grep patchmedic", check=False) == ""
    left_alone(rpms, RPM)


@pytest.mark.parametrize("harm", ["headers", "garbage", "empty", "gone"])
def test_a_database_that_lost_its_headers_stays_as_it_is(rpms: Node, harm: str) -> None:
    if harm == "headers":
        damage(rpms, "Packages")
    elif harm == "garbage":
        rpms.sh(f"head -c 40000 /dev/urandom > {DATABASE}")
    elif harm == "empty":
        rpms.sh(f": > {DATABASE}")
    else:
        rpms.sh(f"rm {DATABASE}")
    rpms.sh(f"rm -f {DATABASE}-wal {DATABASE}-shm")
    before = rpms.sh(f"ls -A {FOLDER}; cat {FOLDER}/rpmdb* 2>/dev/null | sha256sum")
    result = rpms.run(RPM)
    ended(result, "failed" if harm in {"headers", "garbage"} else "refused")
    assert rpms.sh(f"ls -A {FOLDER}; cat {FOLDER}/rpmdb* 2>/dev/null | sha256sum") == before
    assert rpms.sh(f"ls -d {FOLDER}?*", check=False) == ""


def test_a_rebuild_that_lost_packages_is_thrown_away(rpms: Node) -> None:
    damage(rpms, "Providename")
    old = rpms.sh(f"sha256sum < {DATABASE}")
    rpms.write(
        "/usr/local/sbin/rpm",
        '#!/bin/sh\ncase "$*" in\n*--rebuilddb) /usr/bin/rpm "$@" &&'
        ' /usr/bin/rpm --dbpath "$2" -e --justdb --nodeps p7 ;;\n'
        '*) exec /usr/bin/rpm "$@" ;;\nesac\n',
    )
    rpms.sh("chmod 755 /usr/local/sbin/rpm")
    assert f"only {PACKAGES - 1} of {PACKAGES}" in ended(rpms.run(RPM), "failed")["why"]
    assert rpms.sh(f"sha256sum < {DATABASE}") == old
    assert rpms.sh(f"ls -d {FOLDER}?*", check=False) == ""


@pytest.mark.parametrize(
    "place", ["cp", "rpm --rebuilddb", "mv", "sync"], ids=["copy", "rebuild", "move", "swap"]
)
def test_a_killed_rebuild_is_completed_by_the_next(rpms: Node, place: str) -> None:
    damage(rpms, "Providename")
    kill_at(rpms, RPM, place)
    assert state_of(rpms, "rpm-db") == "bad"
    facts = ended(rpms.run(RPM), "done")
    assert int(facts["packages"]) == PACKAGES == count(rpms)
    assert state_of(rpms, "rpm-db") == "ok"
    assert rpms.sh(f"ls -d {FOLDER}?*").split() == [facts["backup"]]
    left_alone(rpms, RPM)


def test_a_rebuild_killed_after_the_swap_only_keeps_its_backup(rpms: Node) -> None:
    damage(rpms, "Providename")
    kill_at(rpms, RPM, "mv", "*before*patchmedic-[0-9]*")
    assert state_of(rpms, "rpm-db") == "ok"
    facts = ended(rpms.run(RPM), "nothing-to-do")
    assert rpms.sh(f"ls -d {FOLDER}?*").split() == [facts["kept_after_interruption"]]
    left_alone(rpms, RPM)


def test_what_was_pending_beside_the_headers_comes_back(rpms: Node) -> None:
    """The journal of sqlite is taken away before the swap; a kill there must not lose it."""
    damage(rpms, "Providename")
    rpms.sh(f"echo pending > {DATABASE}-wal")
    kill_at(rpms, RPM, "sync")
    assert rpms.sh(f"ls {DATABASE}-wal", check=False) == ""
    rpms.sh("printf '#!/bin/sh\\nexit 1\\n' > /usr/local/sbin/rpm; chmod 755 /usr/local/sbin/rpm")
    rpms.run(RPM)
    assert rpms.sh(f"cat {DATABASE}-wal") == "pending\n"


def test_a_rebuild_without_room_or_with_company_is_refused(rpms: Node) -> None:
    damage(rpms, "Providename")
    reader = rpms.start(["sh", "-c", f"exec 3<{DATABASE}; echo ready; exec sleep 100"], "ready")
    assert "open" in left_alone(rpms, RPM, "refused")["why"]
    rpms.stop(reader)
    rpms.sh(f"cp -a {FOLDER} /root/rpm; mount -t tmpfs -o size=20m tmpfs {FOLDER}")
    rpms.sh(f"cp -a /root/rpm/. {FOLDER}")
    assert "MB free" in left_alone(rpms, RPM, "refused")["why"]
    rpms.sh(f"umount {FOLDER}")
    rpms.start_patch_process()
    assert "a patch run is alive" in left_alone(rpms, RPM, "refused")["why"]


# --- refresh-ca-bundle ----------------------------------------------------------------------------

BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
AMAZON = "/usr/share/ca-certificates/mozilla/Amazon_Root_CA_1.crt"


@pytest.fixture
def trusting(node: Node, tmp_path: Path) -> Node:
    """A node that trusts its servers through its own store, with an authority of its firm's."""
    need("update-ca-certificates")
    server, root = make_pem(tmp_path)
    node.serve(certificate=str(server))
    node.write("/usr/local/share/ca-certificates/corp.crt", root)
    node.sh("update-ca-certificates")
    assert state_of(node, "tls") == "ok"
    return node


def break_bundle(node: Node, harm: str) -> None:
    commands = {
        "missing": f"rm {BUNDLE}",
        "empty": f": > {BUNDLE}",
        "cut off": f"head -c 30000 {BUNDLE} > /root/x; cat /root/x > {BUNDLE}",
        "zeros": f"dd if=/dev/zero of={BUNDLE} bs=4096 seek=3 count=4 conv=notrunc 2>/dev/null",
    }
    node.sh(commands[harm])


@pytest.mark.parametrize("harm", ["missing", "empty", "cut off", "zeros"])
def test_a_broken_bundle_is_made_anew(trusting: Node, harm: str) -> None:
    left_alone(trusting, TRUST)
    sound = trusting.sh(f"sha256sum {BUNDLE}")
    hook = "/etc/ca-certificates/update.d/zz-test"
    trusting.write(hook, "#!/bin/sh\ncat > /dev/null; date > /root/hooked\n")
    trusting.sh(f"chmod 755 {hook}")
    break_bundle(trusting, harm)
    facts = ended(trusting.run(TRUST), "done")
    assert "reinstalled" not in facts
    # The very same authorities as before: the distribution's and the firm's, no other.
    assert trusting.sh(f"sha256sum {BUNDLE}") == sound
    # What others read, others can still read: Java's store is made by such a hook.
    assert trusting.sh(f"stat -c %a {BUNDLE} /root/hooked") == "644\n644\n"
    assert state_of(trusting, "tls") == "ok"
    left_alone(trusting, TRUST)


def test_the_check_names_a_broken_bundle(trusting: Node) -> None:
    break_bundle(trusting, "cut off")
    assert state_of(trusting, "tls") == "bad"


def test_a_killed_refresh_is_completed_by_the_next(trusting: Node) -> None:
    break_bundle(trusting, "missing")
    kill_at(trusting, TRUST, "openssl rehash")
    assert trusting.sh(f"ls {BUNDLE}", check=False) == ""
    ended(trusting.run(TRUST), "done")
    assert state_of(trusting, "tls") == "ok"
    left_alone(trusting, TRUST)


def test_roots_that_a_person_took_out_stay_out(trusting: Node) -> None:
    trusting.sh("sed -i 's#^mozilla/Amazon_Root_CA_1#!&#' /etc/ca-certificates.conf")
    trusting.sh("update-ca-certificates --fresh")
    before = trusting.sh(f"cat /etc/ca-certificates.conf {BUNDLE} | sha256sum")
    facts = ended(trusting.run(TRUST), "failed")
    assert facts["damage"] == "lacks CA-1"
    assert "took the roots out" in facts["why"]
    assert trusting.sh(f"cat /etc/ca-certificates.conf {BUNDLE} | sha256sum") == before


@pytest.fixture
def signer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Signer]:
    made = Signer(tmp_path_factory.mktemp("gpg") / "home")
    made.make()
    yield made
    made.close()


def offer_package(node: Node, signer: Signer, origin: str) -> None:
    """A signed repository that offers ca-certificates in the version that the node has."""
    only(node, "apt-get")
    folder = "/script/ca"
    version = node.sh("dpkg-query -W -f '${Version}' ca-certificates")
    node.sh(f"mkdir -p {folder}/DEBIAN {folder}{Path(AMAZON).parent}")
    node.sh(f"cp {Path(AMAZON).parent}/*.crt {folder}{Path(AMAZON).parent}")
    node.sh(f"mkdir {folder}/usr/sbin && cp /usr/sbin/update-ca-certificates {folder}/usr/sbin")
    control = (
        f"Package: ca-certificates\nVersion: {version}\nArchitecture: all\nMaintainer: A"
        " <a@example.com>\nDescription: of a test\n"
    )
    node.write(f"{folder}/DEBIAN/control", control)
    node.sh(
        "mkdir -p /script/repository/pool"
        f" && dpkg-deb --build {folder} /script/repository/pool/ca.deb"
    )
    package = (node.layers / "script" / "repository" / "pool" / "ca.deb").read_bytes()
    digest = hashlib.sha256(package).hexdigest()
    index = f"{control.rstrip()}\nFilename: pool/ca.deb\nSize: {len(package)}\nSHA256: {digest}\n\n"
    suite = node.layers / "script" / "repository" / "dists" / "stable"
    (suite / "main" / "binary-amd64").mkdir(parents=True)
    (suite / "main" / "binary-amd64" / "Packages").write_text(index)
    hashed = hashlib.sha256(index.encode()).hexdigest()
    release = (
        f"Origin: {origin}\nSuite: stable\nCodename: stable\nArchitectures: amd64\n"
        "Components: main\n"
        f"SHA256:\n {hashed} {len(index)} main/binary-amd64/Packages\n"
    )
    (suite / "InRelease").write_text(signer.sign(release))
    signer.export(node.layers / "script" / "key.gpg")
    node.sh(
        "cp /script/key.gpg /usr/share/keyrings/test.gpg && chmod 644 /usr/share/keyrings/test.gpg"
    )
    line = f"deb [arch=amd64 signed-by=/usr/share/keyrings/test.gpg] {ADDRESS} stable main\n"
    node.write("/etc/apt/sources.list", line)
    node.write("/etc/apt/apt.conf.d/zz-test", 'APT::Sandbox::User "root";\n')
    serve(node)
    assert HOST in node.sh("apt-get update 2>&1")


@pytest.mark.parametrize(
    ("origin", "state"), [("Debian", "done"), ("Elsewhere", "failed")], ids=["own", "foreign"]
)
def test_a_damaged_package_comes_from_the_distribution_only(
    node: Node, signer: Signer, origin: str, state: str
) -> None:
    need("update-ca-certificates")
    offer_package(node, signer, origin)
    sound = node.sh(f"sha256sum {BUNDLE}")
    node.sh(f"rm {AMAZON}; sed -i '/^MIIDQTCCAimgAwIBAgITBmyfz5m/d' {BUNDLE}")
    facts = ended(node.run(TRUST), state)
    if state == "done":
        assert facts["reinstalled"] == "yes"
        assert node.sh(f"sha256sum {BUNDLE}") == sound
        left_alone(node, TRUST)
    else:
        assert "repository of the distribution" in facts["why"]
        assert node.sh(f"ls {AMAZON}", check=False) == ""


RPM_BUNDLE = "/etc/pki/tls/certs/ca-bundle.crt"
GPG = shutil.which("gpg")
ANCHORS = "/usr/share/pki/anchors.pem"


def certificates_rpm(folder: Path, vendor: str) -> Path:
    """A package like that of the rpm distributions: anchors, and a tool that makes the bundle."""
    need("rpmbuild")
    spec = folder / "ca.spec"
    tool = f"#!/bin/sh\nmkdir -p {Path(RPM_BUNDLE).parent}\ncp {ANCHORS} {RPM_BUNDLE}\n"
    (folder / "tool").write_text(tool)
    spec.write_text(
        "Name: ca-certificates\nVersion: 1.0\nRelease: 1\nSummary: of a test\nLicense: none\n"
        f"BuildArch: noarch\nAutoReqProv: no\nVendor: {vendor}\n%description\nOf a test.\n"
        f"%install\ninstall -D -m 644 {BUNDLE} %{{buildroot}}{ANCHORS}\n"
        f"install -D -m 755 {folder}/tool %{{buildroot}}/usr/bin/update-ca-trust\n"
        f"%files\n{ANCHORS}\n/usr/bin/update-ca-trust\n"
    )
    run("rpmbuild", "-bb", "--define", f"_topdir {folder}/build", str(spec))
    return folder / "build" / "RPMS" / "noarch" / "ca-certificates-1.0-1.noarch.rpm"


@pytest.mark.parametrize(
    ("vendor", "signed", "says"),
    [
        ("Fedora Project", True, ""),
        ("Fedora Project", False, "could not be installed again"),
        ("Corp Packages", True, "no distribution that this remedy knows"),
    ],
    ids=["own", "unsigned", "foreign"],
)
def test_on_rpm_a_damaged_package_comes_signed_and_from_the_distribution(
    node: Node, signer: Signer, tmp_path: Path, vendor: str, signed: bool, says: str
) -> None:
    need("rpmsign", "dnf")
    package = certificates_rpm(tmp_path, vendor)
    if signed:
        macros = (f"_gpg_path {signer.home}", "_gpg_name e@example.com", f"__gpg {GPG}")
        defined = (word for macro in macros for word in ("--define", macro))
        run("rpmsign", "--addsign", *defined, str(package))
    rpm_node(node, "dnf", package)
    signer.export(node.layers / "script" / "key.asc", text=True)
    node.sh("rpm --import /script/key.asc; update-ca-trust")
    # A repository whose own settings would let anything in.
    rpm_repository(node, package, extra="gpgcheck=0\n")
    left_alone(node, TRUST)
    sound = node.sh(f"sha256sum {RPM_BUNDLE}")
    node.sh(f"head -c 3000 {RPM_BUNDLE} > {ANCHORS}; update-ca-trust")
    facts = ended(node.run(TRUST), "failed" if says else "done")
    if says:
        assert says in facts["why"]
        assert node.sh(f"stat -c %s {ANCHORS}") == "3000\n"
    else:
        assert facts["reinstalled"] == "yes"
        assert node.sh(f"sha256sum {RPM_BUNDLE}") == sound
        left_alone(node, TRUST)
