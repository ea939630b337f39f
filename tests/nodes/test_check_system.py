"""The checks of the node as a system (check/system.sh), run for real on nodes that are broken.

As in ``test_check_linux``: the scripts run unchanged, each fault is made on a node and must be
named.  What no test can make the kernel say is laid over the kernel's own file; a tool that this
machine has no use for (ssm-cli, SELinux, systemd) is a small script in the tool's place.  Only a
Mac can show that its own tools (vm_stat, scutil, dscacheutil, mount, launchd) answer as they are
read here.
"""

from __future__ import annotations

import datetime
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nodes.conftest import NODE_ID, REGION, SSM_DATA, SSM_LOG, TRUST, Node, Ran
from nodes.packages import build_deb
from patchmedic.checks.node import parse_findings
from patchmedic.model import Verdict

pytestmark = pytest.mark.nodes

ROOT = Path(__file__).resolve().parents[2]
SSM = f"ssm.{REGION}.amazonaws.com"
S3 = f"s3.{REGION}.amazonaws.com"
OTHER = "i-0fffffffffffffff9"


def confirmed(ran: Ran) -> set[str]:
    findings = parse_findings(ran.stdout, NODE_ID)
    return {f.cause for f in findings if f.verdict is Verdict.CONFIRMS and f.cause}


def ruled_out(ran: Ran) -> set[str]:
    findings = parse_findings(ran.stdout, NODE_ID)
    return {f.cause for f in findings if f.verdict is Verdict.REFUTES and f.cause}


def look(node: Node, check: str, **env: str) -> tuple[str, dict[str, str], set[str]]:
    ran = node.run("Check-Linux", check, **env)
    return (*ran.check(check), confirmed(ran))


def lay_over(node: Node, path: str, content: str) -> None:
    """A file of the kernel's, doctored."""
    name = path.strip("/").replace("/", "-")
    node.write(f"/script/{name}", content)
    node.sh(f"mount --bind /script/{name} {path}")


def tool(node: Node, path: str, body: str) -> None:
    node.write(path, f"#!/bin/sh\n{body}\n")
    node.sh(f"chmod +x {path}")


def kernel_says(node: Node, *lines: str, minutes_ago: int = 30) -> None:
    up = float(Path("/proc/uptime").read_text().split()[0]) + 400_000
    lay_over(node, "/proc/uptime", f"{up:.2f} 1.00\n")
    stamp = f"[{up - minutes_ago * 60:12.6f}]"
    text = "\n".join(f"{stamp} {line}" for line in lines)
    node.write("/script/kernel", f"{text}\n")
    tool(node, "/usr/bin/dmesg", "cat /script/kernel")


# --- memory ---------------------------------------------------------------------------------------


def meminfo(available_mb: int, swap_mb: int) -> str:
    return (
        "MemTotal: 4000000 kB\nMemFree: 60000 kB\n"
        f"MemAvailable: {available_mb * 1024} kB\nSwapFree: {swap_mb * 1024} kB\n"
    )


@pytest.mark.parametrize(
    ("available", "swap", "state"), [(120, 0, "bad"), (120, 100, "bad"), (120, 200, "ok")]
)
def test_too_little_memory(node: Node, available: int, swap: int, state: str) -> None:
    lay_over(node, "/proc/meminfo", meminfo(available, swap))
    seen, facts, causes = look(node, "memory")
    assert seen == state
    assert (facts["free_mb"], facts["swap_free_mb"]) == (str(available), str(swap))
    assert (causes == {"out-of-memory"}) == (state == "bad")


def test_an_old_kernel_that_does_not_sum_up(node: Node) -> None:
    lay_over(node, "/proc/meminfo", "MemFree: 1024 kB\nBuffers: 1024 kB\nCached: 2048 kB\n")
    assert look(node, "memory")[1]["free_mb"] == "4"


@pytest.mark.parametrize(
    ("victim", "minutes", "state"),
    [("dnf", 30, "bad"), ("python3", 1400, "bad"), ("java", 30, "ok"), ("dnf", 1500, "ok")],
)
def test_what_the_kernel_killed_for_memory(
    node: Node, victim: str, minutes: int, state: str
) -> None:
    kernel_says(
        node,
        f"Memory cgroup out of memory: Killed process 4242 ({victim}) total-vm:812344kB",
        minutes_ago=minutes,
    )
    seen, facts, causes = look(node, "memory")
    assert seen == state
    told = (victim, str(minutes)) if minutes < 1440 else ("", "")
    assert (facts["killed"], facts["killed_minutes"]) == told
    assert (causes == {"out-of-memory"}) == (state == "bad")


# --- file systems ---------------------------------------------------------------------------------


def test_a_log_folder_mounted_read_only(node: Node) -> None:
    node.sh(f"mount -t tmpfs -o ro tmpfs {SSM_LOG}")
    state, facts, causes = look(node, "filesystems")
    assert (state, facts["path"], facts["error"]) == ("bad", SSM_LOG, "read-only")
    assert causes == {"filesystem-error"}


@pytest.mark.parametrize(
    ("device", "line"),
    [
        ("/dev/nvme0n1p1", "blk_update_request: I/O error, dev nvme0n1, sector 12 op 0x0:(READ)"),
        ("/dev/xvda1", "EXT4-fs error (device xvda1): ext4_lookup:1785: inode #2: bad"),
        ("/dev/dm-3", "XFS (dm-3): Corruption warning: Metadata has LSN ahead"),
    ],
)
def test_a_disk_that_errs(node: Node, device: str, line: str) -> None:
    node.sh(f"mount -t tmpfs {device} /var/cache/apt")
    kernel_says(node, line)
    state, facts, causes = look(node, "filesystems")
    assert (state, facts["path"], facts["device"]) == ("bad", "/var/cache/apt", device)
    assert facts["error"] == "io-errors"
    assert causes == {"filesystem-error"}


def test_errors_of_a_disk_that_patching_does_not_use(node: Node) -> None:
    node.sh("mount -t tmpfs /dev/nvme0n1p1 /var/cache/apt")
    kernel_says(node, "I/O error, dev sr0, sector 0", "I/O error, dev nvme0n12, sector 8")
    state, _, causes = look(node, "filesystems")
    assert (state, causes) == ("ok", set())


def test_a_kernel_log_that_may_not_be_read_leaves_it_open(node: Node) -> None:
    tool(node, "/usr/bin/dmesg", "exit 1")
    assert look(node, "filesystems")[0] == "unknown"


@pytest.mark.parametrize("folder", [SSM_DATA, SSM_LOG])
def test_a_folder_of_the_agent_that_runs_nothing(node: Node, folder: str) -> None:
    node.sh(f"mount -t tmpfs -o noexec,nosuid tmpfs {folder}")
    state, facts, causes = look(node, "exec-mounts")
    assert (state, facts["path"]) == ("bad", folder)
    assert "noexec" in facts["options"]
    assert causes == {"execution-blocked"}


# --- SELinux and the kernel's tables --------------------------------------------------------------


def avc(comm: str, domain: str, *, hours_ago: float = 1, permissive: int = 0) -> str:
    at = int(time.time() - hours_ago * 3600)
    return (
        f"type=AVC msg=audit({at}.123:45): avc:  denied  {{ execute }} for  pid=9 "
        f'comm="{comm}" name="secret-name" scontext=system_u:system_r:{domain}:s0 '
        f"tcontext=system_u:object_r:var_log_t:s0 tclass=file permissive={permissive}\n"
    )


@pytest.mark.parametrize(
    ("line", "state"),
    [
        (avc("dnf", "rpm_t"), "bad"),
        (avc("python3", "unconfined_service_t"), "bad"),
        (avc("sh", "httpd_t"), "ok"),
        (avc("nginx", "httpd_t"), "ok"),
        (avc("dnf", "rpm_t", hours_ago=30), "ok"),
        (avc("dnf", "rpm_t", permissive=1), "ok"),
    ],
)
def test_selinux_denials(node: Node, line: str, state: str) -> None:
    node.write("/sys/fs/selinux/enforce", "1")
    node.write("/var/log/audit/audit.log", "type=LOGIN msg=audit(1.1:1): x\n" + line)
    seen, facts, causes = look(node, "selinux")
    assert (seen, facts["mode"]) == (state, "enforcing")
    assert (causes == {"execution-blocked"}) == (state == "bad")
    if state == "bad":
        assert facts["denials"] == "1"
        assert facts["last"].endswith(" -> var_log_t file")


def test_selinux_that_only_watches(node: Node) -> None:
    node.write("/sys/fs/selinux/enforce", "0")
    node.write("/var/log/audit/audit.log", avc("dnf", "rpm_t"))
    state, facts, _ = look(node, "selinux")
    assert (state, facts["mode"]) == ("ok", "permissive")


@pytest.mark.parametrize(
    ("path", "content", "limit"),
    [
        ("/proc/sys/fs/file-nr", "99000\t0\t100000\n", "files"),
        ("/proc/loadavg", "0.1 0.1 0.1 2/4194300 77\n", "processes"),
        ("/proc/sys/fs/inotify/max_user_instances", "1\n", "inotify"),
        ("/proc/sys/fs/inotify/max_user_watches", "2\n", "inotify"),
    ],
)
def test_a_table_of_the_kernel_that_is_full(
    node: Node, path: str, content: str, limit: str
) -> None:
    node.python(
        "import ctypes, time\n"
        "libc = ctypes.CDLL(None)\n"
        "fd = libc.inotify_init()\n"
        "for place in (b'/tmp', b'/usr', b'/etc'):\n"
        "    libc.inotify_add_watch(fd, place, 0x100)\n"
        "print('ready')\ntime.sleep(300)\n"
    )
    assert look(node, "os-limits")[0] == "ok"
    lay_over(node, path, content)
    state, facts, causes = look(node, "os-limits")
    assert (state, facts["limit"]) == ("bad", limit), facts
    assert causes == {"os-limit-exhausted"}


# --- names ----------------------------------------------------------------------------------------


def forget_hosts(node: Node) -> None:
    node.write("/etc/hosts", "127.0.0.1 localhost\n")


@pytest.mark.parametrize(
    ("dns", "error"), [("nxdomain", "nxdomain"), ("refused", "refused"), ("silent", "no-answer")]
)
def test_a_resolver_that_does_not_help(node: Node, dns: str, error: str) -> None:
    node.serve(dns=dns)
    forget_hosts(node)
    node.write("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:2\n")
    state, facts, causes = look(node, "dns")
    assert (state, facts["host"], facts["error"]) == ("bad", SSM, error)
    assert facts["servers"] == "127.0.0.1"
    assert causes == {"dns-failure"}


def test_no_resolver_at_all(node: Node) -> None:
    node.write("/etc/resolv.conf", "search example.com\n")
    state, facts, _ = look(node, "dns")
    assert (state, facts["error"]) == ("bad", "no-resolver")


def test_names_that_resolve(node: Node) -> None:
    node.serve()
    state, facts, causes = look(node, "dns")
    assert (state, facts["addresses"], causes) == ("ok", "127.0.0.1", set())


def test_behind_a_proxy_only_its_own_name_counts(node: Node) -> None:
    node.sh("echo 127.0.0.1 proxy.corp >> /etc/hosts")
    behind = {"https_proxy": "http://me:hunter2@proxy.corp:3128"}
    state, facts, _ = look(node, "dns", **behind)
    assert (state, facts["host"]) == ("ok", "proxy.corp")
    excepted = look(node, "dns", **behind, no_proxy="localhost,.amazonaws.com")
    assert (excepted[0], excepted[1]["host"]) == ("bad", SSM)
    forget_hosts(node)
    assert look(node, "dns", **behind)[0] == "bad"
    assert look(node, "dns", https_proxy="http://192.0.2.1:3128")[0] == "ok"
    assert look(node, "dns", https_proxy="http://[fd00::1]:3128")[0] == "ok"


# --- routes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("route", "error"),
    [("unreachable", "unreachable"), ("prohibit", "unreachable"), ("blackhole", "unreachable")],
)
def test_a_closed_route(node: Node, route: str, error: str) -> None:
    node.sh(f"echo '192.0.2.9 {SSM} {S3}' >> /etc/hosts; ip route add {route} 192.0.2.0/24")
    ran = node.run("Check-Linux", "ssm-reach,s3-reach,tls")
    state, facts = ran.check("ssm-reach")
    assert (state, facts["host"], facts["error"]) == ("bad", SSM, error)
    assert facts["phase"] == "tcp"
    assert ran.check("tls")[0] == "unknown"
    assert confirmed(ran) == {"ssm-endpoint-unreachable", "s3-unreachable"}


def test_a_connection_that_stands_and_then_says_nothing(node: Node) -> None:
    node.serve(silent=[443])
    state, facts, _ = look(node, "ssm-reach")
    assert (state, facts["error"], facts["phase"]) == ("bad", "timeout", "tls")


def test_a_patch_bucket_that_alone_does_not_resolve(node: Node, certificate: Path) -> None:
    node.serve(certificate=str(certificate))
    node.sh(
        "sed 's/patch-baseline-snapshot[^ ]*//' /etc/hosts > /script/h; cp /script/h /etc/hosts"
    )
    state, facts, _ = look(node, "s3-reach", **TRUST)
    assert (state, facts["error"]) == ("bad", "dns")
    assert facts["host"] == f"patch-baseline-snapshot-{REGION}.{S3}"


def test_a_node_without_ipv4_is_asked_for_the_names_it_must_use(node: Node) -> None:
    node.sh(
        "ip link add d0 type bridge && ip link set d0 up && ip address add fd00::2/64 dev d0 nodad"
        " && ip route add default via fd00::1 dev d0"
    )
    ran = node.run("Check-Linux", "ssm-reach,s3-reach")
    assert ran.check("ssm-reach")[1]["host"] == f"ssm.{REGION}.api.aws"
    assert ran.check("s3-reach")[1]["host"] == f"s3.dualstack.{REGION}.amazonaws.com"


# --- certificates ---------------------------------------------------------------------------------


AUTHORITY = """
[ca]
default_ca = a
[a]
database = index
serial = serial
new_certs_dir = .
default_md = sha256
policy = p
x509_extensions = x
[p]
commonName = supplied
[x]
subjectAltName = {names}
"""


def make_pem(
    folder: Path,
    *,
    signer: str = "Corp Inspection CA",
    names: tuple[str, ...] = (f"*.{REGION}.amazonaws.com",),
    days: tuple[int, int] = (-2, 2),
) -> tuple[Path, str]:
    """A server's certificate with its key, and the authority that signed it."""
    now = datetime.datetime.now(datetime.UTC)
    begin, end = (f"{now + datetime.timedelta(days=day):%Y%m%d%H%M%SZ}" for day in days)
    (folder / "index").write_text("")
    (folder / "serial").write_text("01\n")
    (folder / "ca.cnf").write_text(AUTHORITY.format(names=",".join(f"DNS:{n}" for n in names)))

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout")
    root = f"/O=Corp, Inc./CN={signer}"
    openssl("req", "-x509", *key, "root.key", "-subj", root, "-days", "9", "-out", "root.pem")
    openssl("req", "-new", *key, "leaf.key", "-subj", "/CN=server", "-out", "leaf.csr")
    signed = ("-cert", "root.pem", "-keyfile", "root.key", "-in", "leaf.csr", "-out", "leaf.pem")
    span = ("-startdate", begin, "-enddate", end)
    openssl("ca", "-config", "ca.cnf", "-batch", "-notext", *span, *signed)
    both = folder / "server.pem"
    both.write_text((folder / "leaf.pem").read_text() + (folder / "leaf.key").read_text())
    return both, (folder / "root.pem").read_text()


@pytest.mark.parametrize(
    ("days", "names", "error"),
    [
        ((-9, -1), (f"*.{REGION}.amazonaws.com",), "expired"),
        ((1, 9), (f"*.{REGION}.amazonaws.com",), "not-yet-valid"),
        ((-1, 9), ("portal.corp",), "name"),
    ],
    ids=["expired", "not yet", "name"],
)
def test_a_certificate_that_does_not_hold(
    node: Node, tmp_path: Path, days: tuple[int, int], names: tuple[str, ...], error: str
) -> None:
    server, root = make_pem(tmp_path, days=days, names=names)
    node.serve(certificate=str(server))
    node.write("/script/roots.pem", root)
    state, facts, causes = look(node, "tls", CURL_CA_BUNDLE="/script/roots.pem")
    assert (state, facts["error"], facts["trusted"]) == ("bad", error, "no")
    assert "Corp Inspection CA" in facts["issuer"]
    assert causes == {"tls-failure"}


def test_an_interceptor_that_the_node_does_not_trust(node: Node, tmp_path: Path) -> None:
    server, _ = make_pem(tmp_path)
    node.serve(certificate=str(server))
    state, facts, causes = look(node, "tls")
    assert (state, facts["error"], facts["trusted"]) == ("bad", "untrusted", "no")
    assert "Corp Inspection CA" in facts["issuer"]
    assert facts["host"] == SSM
    assert causes == {"tls-failure"}
    # This machine's own store holds what Amazon's certificates end in.
    assert "CA-1" not in facts["roots_missing"]


def test_an_interceptor_that_the_node_trusts_is_told_and_is_no_fault(
    node: Node, tmp_path: Path
) -> None:
    server, root = make_pem(tmp_path)
    node.serve(certificate=str(server))
    node.write("/script/roots.pem", root)
    ran = node.run("Check-Linux", "tls", CURL_CA_BUNDLE="/script/roots.pem")
    state, facts = ran.check("tls")
    assert (state, facts["intercepted"], facts["trusted"]) == ("ok", "yes", "yes")
    assert "CA-1" in facts["roots_missing"]
    assert confirmed(ran) == set()
    assert "tls-failure" not in ruled_out(ran)


def test_a_certificate_of_amazon(node: Node, tmp_path: Path) -> None:
    server, root = make_pem(tmp_path, signer="Amazon RSA 2048 M02")
    node.serve(certificate=str(server))
    node.write("/script/roots.pem", root)
    ran = node.run("Check-Linux", "tls", CURL_CA_BUNDLE="/script/roots.pem")
    assert ran.check("tls")[1]["intercepted"] == "no"
    assert ran.check("tls")[1]["protocol"] == "TLSv1.3"
    assert ruled_out(ran) == {"tls-failure"}


def test_a_server_that_speaks_only_old_protocols(node: Node, certificate: Path) -> None:
    node.serve(certificate=str(certificate), tls="old")
    state, facts, causes = look(node, "tls", **TRUST)
    assert (state, facts["error"]) == ("bad", "protocol")
    assert causes == {"tls-failure"}


# --- proxies --------------------------------------------------------------------------------------

PROXY = "http://me:hunter2@127.0.0.1:3128"
SHOWN = "http://127.0.0.1:3128"
BYPASS = {"no_proxy": "169.254.169.254"}


def test_no_proxy_set_rules_proxies_out(node: Node) -> None:
    ran = node.run("Check-Linux", "proxies")
    assert ran.check("proxies")[0] == "ok"
    assert ruled_out(ran) == {"proxy-misconfigured"}


def test_a_proxy_that_leads_there(node: Node, certificate: Path) -> None:
    node.serve(certificate=str(certificate), proxy=200)
    env = {"https_proxy": PROXY, "http_proxy": PROXY, **BYPASS}
    ran = node.run("Check-Linux", "proxies", **env)
    state, facts = ran.check("proxies")
    assert (state, facts["agent"], facts["bypass"], facts["error"]) == ("ok", SHOWN, "yes", "")
    assert "hunter2" not in ran.stdout
    assert ruled_out(ran) == {"proxy-misconfigured"}


@pytest.mark.parametrize(("status", "error"), [(407, "http-407"), (403, "http-403")])
def test_a_proxy_that_answers_no(node: Node, certificate: Path, status: int, error: str) -> None:
    node.serve(certificate=str(certificate), proxy=status)
    ran = node.run("Check-Linux", "proxies,s3-reach", HTTPS_PROXY=PROXY)
    state, facts = ran.check("proxies")
    assert (state, facts["error"], facts["proxy"]) == ("bad", error, SHOWN)
    assert ran.check("s3-reach")[1]["error"] == "proxy"
    assert "hunter2" not in ran.stdout
    assert confirmed(ran) == {"proxy-misconfigured"}


@pytest.mark.parametrize(
    ("proxy", "error"),
    [
        ("http://127.0.0.1:9", "refused"),
        ("http://no-such-proxy.corp:3128", "dns"),
        ("http://192.0.2.9:3128", "unreachable"),
        ("http://127.0.0.1:3129", "timeout"),
    ],
)
def test_a_proxy_that_is_not_there(node: Node, proxy: str, error: str) -> None:
    node.serve(silent=[443, 3129])
    node.write("/etc/resolv.conf", "search corp\n")
    ran = node.run("Check-Linux", "proxies,s3-reach,ssm-reach", https_proxy=proxy, no_proxy="")
    state, facts = ran.check("proxies")
    assert (state, facts["error"], facts["proxy"]) == ("bad", error, proxy)
    assert confirmed(ran) == {"proxy-misconfigured"}


def test_a_host_excepted_from_the_proxy_fails_for_itself(node: Node) -> None:
    node.serve()
    env = {"https_proxy": "http://127.0.0.1:10", "no_proxy": ".amazonaws.com"}
    ran = node.run("Check-Linux", "s3-reach,ssm-reach", **env)
    assert ran.check("s3-reach")[1]["error"] == "refused"
    assert confirmed(ran) == {"s3-unreachable", "ssm-endpoint-unreachable"}


@pytest.mark.parametrize(
    ("http", "no_proxy", "bypass"),
    [
        (True, "", "no"),
        (True, "localhost,example.com", "no"),
        (True, "localhost, 169.254.169.254", "yes"),
        (True, "169.254.0.0/16", "yes"),
        (True, "*", "yes"),
        (False, "", ""),
    ],
)
def test_metadata_that_would_go_through_the_proxy(
    node: Node, certificate: Path, http: bool, no_proxy: str, bypass: str
) -> None:
    node.serve(certificate=str(certificate), proxy=200)
    env = {"https_proxy": PROXY, "no_proxy": no_proxy}
    if http:
        env["http_proxy"] = PROXY
    state, facts, causes = look(node, "proxies", **env)
    assert (state, facts["bypass"]) == ("bad" if bypass == "no" else "ok", bypass)
    assert (causes == {"proxy-misconfigured"}) == (bypass == "no")


UNIT = "/etc/systemd/system/amazon-ssm-agent.service.d/proxy.conf"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (
            UNIT,
            f'[Service]\n#Environment="https_proxy=http://old"\nEnvironment="https_proxy={PROXY}"\n',
        ),
        (UNIT, f'[Service]\nEnvironment="no_proxy=169.254.169.254" "http_proxy={PROXY}"\n'),
        (
            UNIT.replace("amazon", "snap.amazon-ssm-agent.amazon"),
            f"Environment=HTTPS_PROXY={PROXY}\n",
        ),
        ("/etc/init/amazon-ssm-agent.override", f"env https_proxy={PROXY}\n"),
    ],
    ids=["systemd", "systemd http", "snap", "upstart"],
)
def test_where_a_proxy_of_the_agent_may_stand(
    node: Node, certificate: Path, path: str, text: str
) -> None:
    node.serve(certificate=str(certificate), proxy=200)
    node.write(path, text)
    state, facts, _ = look(node, "proxies")
    assert (state, facts["agent"], facts["error"]) == ("ok", SHOWN, "")


@pytest.mark.parametrize(
    ("path", "text", "who"),
    [
        ("/etc/environment", f'HTTPS_PROXY="{PROXY}"\n', "environment"),
        ("/etc/profile.d/proxy.sh", f"export https_proxy='{PROXY}'\n", "environment"),
        ("/etc/apt/apt.conf.d/99x", f'Acquire::http::Proxy "{PROXY}";\n', "package_manager"),
        (
            "/etc/apt/apt.conf.d/99x",
            f'Acquire {{ https {{ Proxy "{PROXY}"; }}; }};\n',
            "package_manager",
        ),
        ("/etc/yum.conf", f"[main]\nproxy = {PROXY}\n", "package_manager"),
        ("/etc/dnf/dnf.conf", f"[main]\nproxy={PROXY}\n", "package_manager"),
        (
            "/etc/sysconfig/proxy",
            f'PROXY_ENABLED="yes"\nHTTPS_PROXY="{PROXY}"\n',
            "package_manager",
        ),
    ],
)
def test_parts_of_the_node_that_do_not_agree(
    node: Node, certificate: Path, path: str, text: str, who: str
) -> None:
    node.serve(certificate=str(certificate), proxy=200)
    node.write(path, text)
    ran = node.run("Check-Linux", "proxies")
    state, facts = ran.check("proxies")
    assert (state, facts[who], facts["agent"], facts["disagree"]) == ("bad", SHOWN, "", who)
    assert confirmed(ran) == set()
    assert "hunter2" not in ran.stdout
    agreed = node.run("Check-Linux", "proxies", https_proxy=PROXY)
    assert agreed.check("proxies")[0] == "ok"


def test_a_proxy_switched_off_is_none(node: Node) -> None:
    node.write("/etc/sysconfig/proxy", f'PROXY_ENABLED="no"\nHTTPS_PROXY="{PROXY}"\n')
    node.write("/etc/dnf/dnf.conf", "[main]\nproxy=_none_\n")
    assert look(node, "proxies")[0] == "ok"


def test_a_broken_proxy_of_the_package_manager_is_the_fault_that_of_a_login_is_not(
    node: Node,
) -> None:
    node.write("/etc/environment", "https_proxy=http://127.0.0.1:9\n")
    state, facts, causes = look(node, "proxies")
    assert (state, facts["disagree"], causes) == ("bad", "environment(refused)", set())
    node.write("/etc/apt/apt.conf.d/99x", 'Acquire::http::Proxy "http://127.0.0.1:10";\n')
    state, facts, causes = look(node, "proxies")
    assert (facts["error"], facts["proxy"]) == ("refused", "http://127.0.0.1:10")
    assert causes == {"proxy-misconfigured"}


# --- the agent's own papers -----------------------------------------------------------------------


def agent_is(node: Node, version: str) -> None:
    node.write(
        f"{SSM_LOG}/amazon-ssm-agent.log",
        f"2026-11-22 16:30:00 INFO Starting Core Agent: amazon-ssm-agent - v{version}\n",
    )


def diagnosis(**changed: tuple[str, str]) -> str:
    rows = {
        "EC2 IMDS": ("Success", f"EC2 IMDS is accessible and has instance id {NODE_ID}"),
        "Connectivity to ssm endpoint": ("Success", f"{SSM} is reachable"),
        "Connectivity to ec2messages endpoint": ("Failed", "connection timed out for x"),
        "Connectivity to kms endpoint": ("Failed", "connection timed out for x"),
        "AWS Credentials": (
            "Success",
            "Credentials are for arn:aws:sts::123456789012:assumed-role/patch-role/i-0 "
            "and will expire at 2026-11-22 20:00:00 +0000 UTC",
        ),
        "Proxy configuration": ("Skipped", "No proxy configuration detected"),
    } | {name.replace("_", " "): row for name, row in changed.items()}
    output = [{"Check": k, "Status": s, "Note": n} for k, (s, n) in rows.items()]
    return json.dumps({"DiagnosticsOutput": output}, indent=2)


def test_the_agents_own_diagnosis(node: Node) -> None:
    tool(node, "/usr/bin/ssm-cli", 'echo "$*" > /script/asked\ncat /script/diagnosis')
    agent_is(node, "3.3.859.0")
    node.write("/script/diagnosis", diagnosis())
    state, facts, _ = look(node, "agent-diagnostics")
    assert (state, facts["failed"], facts["credentials"]) == ("ok", "", "patch-role")
    assert facts["expiry"] == "2026-11-22 20:00:00"
    assert node.sh("cat /script/asked") == "get-diagnostics --output json\n"
    node.write(
        "/script/diagnosis",
        diagnosis(
            Connectivity_to_ssm_endpoint=("Failed", 'ssm is not reachable: "x" {why}'),
            Proxy_configuration=("Success", "https_proxy: http://me:hunter2@p:1 no_proxy: "),
            AWS_Credentials=("Failed", "STS call timed out"),
        ),
    )
    ran = node.run("Check-Linux", "agent-diagnostics")
    state, facts = ran.check("agent-diagnostics")
    assert (state, facts["failed"]) == ("bad", "Connectivity to ssm endpoint")
    assert "is not reachable" in facts["notes"]
    assert "hunter2" not in ran.stdout
    assert confirmed(ran) == set()


def test_an_older_agent_needs_ec2messages(node: Node) -> None:
    tool(node, "/usr/bin/ssm-cli", "cat /script/diagnosis")
    agent_is(node, "3.2.2303.0")
    node.write("/script/diagnosis", diagnosis())
    state, facts, _ = look(node, "agent-diagnostics")
    assert (state, facts["failed"]) == ("bad", "Connectivity to ec2messages endpoint")
    agent_is(node, "3.1.500.0")
    assert look(node, "agent-diagnostics")[0] == "unknown"


def test_diagnostics_that_never_end(node: Node) -> None:
    tool(node, "/usr/bin/ssm-cli", "sleep 300")
    agent_is(node, "3.3.859.0")
    ran = node.run("Check-Linux", "agent-diagnostics")
    assert ran.check("agent-diagnostics")[0] == "unknown"
    assert ran.seconds < 35


@pytest.mark.parametrize(("minutes", "state"), [(90, "bad"), (1500, "ok")])
def test_an_agent_that_sleeps(node: Node, minutes: int, state: str) -> None:
    why = "AccessDeniedException: User is not authorized to perform: ssm:UpdateInstanceInformation"
    node.write(
        f"{SSM_LOG}/amazon-ssm-agent.log",
        f"2026-11-22 08:00:00 INFO Entering SSM Agent hibernate - {why}\nmore\n",
    )
    node.write(f"{SSM_LOG}/hibernate.log", "Agent is in hibernate mode.\n", minutes)
    seen, facts, causes = look(node, "hibernation")
    assert (seen, facts["minutes"], causes) == (state, str(minutes), set())
    assert facts["reason"] == (why if state == "bad" else "")


def registered(node: Node, key: str, who: str) -> None:
    node.write(
        f"{SSM_DATA}/Vault/Store/{key}",
        json.dumps({"instanceID": who, "region": REGION, "privateKey": "c2VjcmV0"}),
    )


@pytest.mark.parametrize(
    ("key", "who", "state"),
    [
        ("EC2RegistrationKey", NODE_ID, "ok"),
        ("EC2RegistrationKey", OTHER, "bad"),
        ("EC2RegistrationKey", "", "ok"),
        ("RegistrationKey", "mi-0123456789abcdef0", "bad"),
    ],
    ids=["own", "of a copied image", "not yet", "left from a hybrid activation"],
)
def test_the_registration_of_an_instance(node: Node, key: str, who: str, state: str) -> None:
    node.serve(role="patch-role")
    registered(node, key, who)
    ran = node.run("Check-Linux", "registration")
    seen, facts = ran.check("registration")
    assert (seen, facts["kind"], facts["instance_id"]) == (state, "ec2", NODE_ID)
    assert facts["registered_as"] == (who or NODE_ID)
    assert (confirmed(ran) == {"agent-registration-invalid"}) == (state == "bad")
    assert "c2VjcmV0" not in ran.stdout


def test_an_agent_that_calls_itself_another_instance(node: Node) -> None:
    node.serve(role="patch-role", instance_id=OTHER)
    state, facts, causes = look(node, "registration")
    assert (state, facts["error"], causes) == ("bad", "mismatch", {"agent-registration-invalid"})


def test_the_registration_of_a_hybrid_node(node: Node) -> None:
    me = {"AWS_SSM_INSTANCE_ID": "mi-0123456789abcdef0"}
    assert look(node, "registration", **me)[1]["error"] == "missing"
    registered(node, "RegistrationKey", "mi-0123456789abcdef0")
    assert look(node, "registration", **me)[0] == "ok"
    registered(node, "RegistrationKey", "mi-0fffffffffffffff9")
    state, facts, causes = look(node, "registration", **me)
    assert (state, facts["kind"], facts["error"]) == ("bad", "hybrid", "mismatch")
    assert causes == {"agent-registration-invalid"}


def test_who_the_node_is_when_nothing_says(node: Node) -> None:
    assert look(node, "registration", AWS_SSM_INSTANCE_ID="")[0] == "unknown"


STATES = f"{SSM_LOG}/patch-configuration/patch-states-configuration.json"


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("", "empty"),
        ('{"patchStates": {"a": [1, 2', "not-json"),
        ("\0" * 4096, "not-json"),
        ('{"a": 1}{"a": 1}', "not-json"),
        ('{"lastNoRebootInstallOperation": "2026-11-22T10:00:00Z", "n": [1, -2.5e3, null]}\n', ""),
    ],
    ids=["empty", "cut off", "zeros", "twice", "whole"],
)
def test_a_state_file(node: Node, content: str, error: str) -> None:
    node.write(STATES, content)
    ran = node.run("Check-Linux", "state-files")
    state, facts = ran.check("state-files")
    assert (state, facts.get("error", "")) == ("bad" if error else "ok", error)
    if error:
        assert facts["file"] == STATES
        assert confirmed(ran) == {"state-file-corrupt"}
    else:
        assert ruled_out(ran) == {"state-file-corrupt"}
    node.start_patch_process()
    assert node.run("Check-Linux", "state-files").check("state-files")[0] == "unknown"


def test_no_state_file_yet_is_well(node: Node) -> None:
    assert look(node, "state-files")[0] == "ok"


def test_the_agents_service_and_workers(node: Node) -> None:
    node.start_agent()
    node.sh("mkdir -p /run/systemd/system; cp /bin/sleep /usr/bin/ssm-agent-worker")
    node.start(["sh", "-c", "echo ready; exec /usr/bin/ssm-agent-worker 900"], "ready")
    tool(node, "/usr/bin/systemctl", '[ "$1" = is-enabled ] && echo disabled; exit 1')
    state, facts, causes = look(node, "agent")
    assert (state, facts["enabled"], facts["workers"], causes) == ("ok", "no", "1", set())
    tool(node, "/usr/bin/systemctl", "echo enabled")
    assert look(node, "agent")[1]["enabled"] == "yes"


# --- JSON without a tool for it -------------------------------------------------------------------

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("awk", ["awk", "busybox"])
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    values=st.lists(st.dictionaries(st.text(), VALUES, min_size=1), min_size=1, max_size=12),
    indent=st.sampled_from([None, 2]),
    plain=st.booleans(),
    cut=st.floats(0, 0.999),
)
def test_whole_json_is_known_from_cut_off_json(
    tmp_path: Path, awk: str, values: list[object], indent: int | None, plain: bool, cut: float
) -> None:
    if shutil.which(awk) is None:
        pytest.skip(f"{awk} is not on this machine")
    library = (ROOT / "documents/lib/node.sh").read_text()
    if awk == "busybox":
        library += '\nawk() { busybox awk "$@"; }\n'
    for number, value in enumerate(values):
        text = json.dumps(value, indent=indent, ensure_ascii=plain).encode("utf-8", "replace")
        (tmp_path / f"{number}.whole").write_bytes(text)
        (tmp_path / f"{number}.cut").write_bytes(text[: max(1, int(len(text) * cut))])
    asked = f"{library}\ncd {tmp_path}\nfor f in *.*; do is_json $f && echo $f; done; rm -f *.*"
    done = subprocess.run(
        ["sh", "-c", asked],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C"},
    )
    assert sorted(done.stdout.split()) == sorted(f"{n}.whole" for n in range(len(values)))


# --- runs with hooks ------------------------------------------------------------------------------


def step(node: Node, command: str, path: str, minutes: float, text: str, failed: bool) -> None:
    folder = f"{SSM_DATA}/{NODE_ID}/document/orchestration/{command}/{path}"
    node.write(f"{folder}/stdout", text, minutes)
    node.write(
        f"{folder}/stderr", "failed to run commands: exit status 1" if failed else "", minutes
    )
    node.write(f"{folder}/_script.sh", "#!/bin/sh\n", minutes)
    node.sh(f"touch -d '-{round(minutes * 60)} seconds' {folder}")


@pytest.mark.parametrize("deeper", ["", "awsrunShellScript/"])
def test_the_log_of_a_run_with_hooks_is_that_of_its_failed_step(node: Node, deeper: str) -> None:
    old, new = (f"{n}1111111-aaaa-4bbb-8ccc-000000000001" for n in "12")
    step(node, old, f"{deeper}PatchLinux", 90, "of an older run\n", failed=True)
    step(node, new, f"Scan/{deeper}PatchLinux", 20, "the scan\n", failed=False)
    step(node, new, f"Install/{deeper}PatchLinux", 15, "the install\n", failed=True)
    step(node, new, f"Report/{deeper}PatchLinux", 10, "the report\n", failed=False)
    facts = node.run("Check-Linux", "patch-log-tail").check("patch-log-tail")[1]
    assert facts["command"] == new
    assert facts["tail"].startswith("the install")
    step(node, new, f"Install/{deeper}PatchLinux", 15, "the install\n", failed=False)
    facts = node.run("Check-Linux", "patch-log-tail").check("patch-log-tail")[1]
    assert facts["tail"].startswith("the report")
    # Its steps follow each other: that is no overlap.
    assert node.run("Check-Linux", "patch-runs").check("patch-runs")[0] == "ok"


# --- everything at once ---------------------------------------------------------------------------


def test_a_node_on_which_nothing_answers_still_reports_in_time(node: Node) -> None:
    """Every server swallows, every proxy is silent, the diagnosis hangs."""
    node.serve(silent=[80, 443, 3129], imds=False, dns="silent")
    tool(node, "/usr/bin/ssm-cli", "sleep 300")
    agent_is(node, "3.3.859.0")
    node.write("/etc/environment", "https_proxy=http://127.0.0.1:3129\n")
    node.write("/etc/apt/apt.conf.d/99x", 'Acquire::http::Proxy "http://localhost:3129";\n')
    ran = node.run("Check-Linux")
    assert ran.seconds < 50
    assert {"s3-reach", "ssm-reach", "proxies"} <= {n for n, s in ran.states.items() if s == "bad"}
    assert "no time left" not in ran.stdout


def test_a_node_on_which_everything_is_bad_fits_the_output(node: Node, tmp_path: Path) -> None:
    server, _ = make_pem(tmp_path)
    node.serve(certificate=str(server), clock_offset=9000, role="", instance_id=OTHER)
    tool(node, "/usr/bin/ssm-cli", "cat /script/diagnosis")
    tool(node, "/usr/bin/dmesg", "cat /script/kernel")
    agent_is(node, "3.2.2303.0")
    long_note = "why " * 300
    node.write(
        "/script/diagnosis",
        diagnosis(
            **{f"Connectivity_to_{n}_endpoint": ("Failed", long_note) for n in ("ssm", "s3", "x")},
            Proxy_configuration=("Success", long_note),
        ),
    )
    lay_over(node, "/proc/meminfo", meminfo(9, 9))
    lay_over(node, "/proc/sys/fs/file-nr", "99000\t0\t100000\n")
    node.sh(f"mount -t tmpfs -o noexec tmpfs {SSM_DATA}; mount -t tmpfs -o ro tmpfs /var/cache")
    log = "".join(f'{line} "Fehler": C:\\\\x \u00e4\n' for line in range(900))
    for digit in "12":
        run = node.patch_run(f"{digit * 8}-aaaa-4bbb-8ccc-000000000001", began=60, ended=30)
        node.write(f"{run}/stdout", log, 30)
        node.write(f"{run}/stderr", log, 30)
    node.sh(f"mount -o remount,ro {SSM_DATA}")
    node.write("/sys/fs/selinux/enforce", "1")
    node.write("/var/log/audit/audit.log", avc("dnf", "rpm_t") * 500)
    node.write(f"{SSM_LOG}/hibernate.log", f"Health ping failed with error - {long_note}\n")
    node.write(STATES, "{")
    node.write("/root/.aws/credentials", "[default]\naws_access_key_id = x\n")
    node.write("/etc/environment", f"https_proxy=http://{'p' * 250}.corp:3128\n")
    node.write("/run/reboot-required", "")
    break_packages(node)
    node.start_patch_process()
    node.start_patch_process()
    ran = node.run("Check-Linux", https_proxy="http://127.0.0.1:9", http_proxy="http://127.0.0.1:9")
    assert ran.seconds < 50
    assert len(ran.stdout) < 19_000
    assert "no room left" not in ran.stdout
    bad = {name for name, state in ran.states.items() if state == "bad"}
    assert bad >= {
        *("memory", "filesystems", "exec-mounts", "selinux", "os-limits", "dns", "proxies"),
        *("s3-reach", "ssm-reach", "agent-diagnostics", "hibernation", "registration"),
        *("reboot-pending", "credentials", "patch-runs", "dpkg-state", "package-holds"),
        *("package-dependencies", "package-repositories"),
    } - {"dns"}, bad


def break_packages(node: Node) -> None:
    """More of each fault than an answer has room for."""
    node.sh(f"dpkg -i --force-depends {build_deb(node, 'lacking', 'x' * 250)}")
    node.sh(f"dpkg -i {build_deb(node, 'failing', postinst='exit 3')}", check=False)
    node.sh("dpkg-query -W -f '${Package} hold\\n' | sed 1,5d | dpkg --set-selections")
    long_name = "m" * 60
    node.write(
        "/etc/apt/sources.list",
        "".join(f"deb http://{n}.{long_name}.example/{'p' * 200} x y\n" for n in range(30)),
    )


# --- a node with wget alone -----------------------------------------------------------------------


def test_a_node_that_has_wget_alone(node: Node, tmp_path: Path) -> None:
    if shutil.which("wget") is None:
        pytest.skip("wget is not on this machine")
    server, root = make_pem(tmp_path, names=(f"*.{REGION}.amazonaws.com", f"*.{S3}"))
    node.serve(certificate=str(server), role="patch-role")
    node.sh("rm -f /usr/bin/curl /usr/local/bin/curl")
    ran = node.run("Check-Linux", "tls,ssm-reach,proxies,registration")
    state, facts = ran.check("tls")
    assert (state, facts["error"], facts["issuer"]) == ("bad", "untrusted", "unknown")
    assert ran.check("ssm-reach")[1]["error"] == "tls"
    assert ran.check("proxies")[0] == "unknown"
    assert ran.check("registration")[0] == "ok"
    node.write("/script/roots.pem", root)
    node.sh("cat /script/roots.pem >> /etc/ssl/certs/ca-certificates.crt")
    state, facts, _ = look(node, "tls")
    assert (state, facts["trusted"], facts["intercepted"]) == ("ok", "yes", "no")


# --- macOS, as far as this machine can show it ----------------------------------------------------

VM_STAT = """Mach Virtual Memory Statistics: (page size of 16384 bytes)
Pages free:                               {free}.
Pages active:                           201234.
Pages inactive:                           1000.
Pages speculative:                          10.
Pages purgeable:                             5.
"""
PLIST = f"""<plist version="1.0"><dict>
    <!-- <key>https_proxy</key><string>http://of-old:1</string> -->
    <key>EnvironmentVariables</key><dict>
        <key>https_proxy</key>
        <string>{PROXY}</string>
        <key>no_proxy</key>
        <string>169.254.169.254</string>
    </dict>
</dict></plist>
"""


def test_what_the_tools_of_a_mac_say(node: Node, certificate: Path) -> None:
    """Recorded answers of its tools; that a Mac of today still answers so, only a Mac can show."""
    node.serve(certificate=str(certificate), proxy=200)
    node.write("/script/vm", VM_STAT.format(free=900))
    tool(node, "/usr/local/bin/vm_stat", "cat /script/vm")
    node.write(
        "/script/mounts",
        "/dev/disk3s1s1 on / (apfs, local, read-only, journaled)\n"
        "map auto_home on /System/Volumes/Data/home (autofs, automounted, nobrowse)\n"
        "/dev/disk3s5 on /var (apfs, local, read-only, noexec)\n",
    )
    tool(node, "/usr/local/bin/mount", "cat /script/mounts")
    node.write(
        "/script/dns", "resolver #1\n  nameserver[0] : 10.0.0.2\n  nameserver[1] : fd00::2\n"
    )
    node.write(
        "/script/proxy",
        "<dictionary> {\n  HTTPSEnable : 1\n  HTTPSPort : 3128\n  HTTPSProxy : proxy.corp\n}\n",
    )
    tool(node, "/usr/local/bin/scutil", "cat /script/${1#--}")
    tool(node, "/usr/local/bin/dscacheutil", 'echo "name: $5"; echo "ip_address: 10.0.0.9"')
    node.write("/Library/LaunchDaemons/com.amazon.aws.ssm.plist", PLIST)
    checks = "memory,filesystems,exec-mounts,proxies,patch-python,agent"
    ran = node.run("Check-MacOS", checks, **TRUST)
    state, facts = ran.check("memory")
    assert (state, facts["free_mb"]) == ("bad", str((900 + 1000 + 10 + 5) * 16384 // 1048576))
    state, facts = ran.check("filesystems")
    assert (state, facts["path"], facts["device"]) == ("bad", "/var", "/dev/disk3s5")
    state, facts = ran.check("exec-mounts")
    assert (state, facts["path"]) == ("bad", "/var")
    state, facts = ran.check("proxies")
    assert (facts["agent"], facts["environment"]) == (SHOWN, "http://proxy.corp:3128")
    assert facts["disagree"] == "environment(dns)"
    assert "hunter2" not in ran.stdout
    assert ran.check("agent")[1]["enabled"] == "yes"
    node.write("/script/proxy", "<dictionary> {\n  HTTPSEnable : 0\n}\n")
    node.sh("rm -r /Library")
    ran = node.run("Check-MacOS", "dns,proxies", **TRUST)
    assert ran.check("dns")[1]["servers"] == "10.0.0.2 fd00::2"
    assert ran.check("dns")[1]["addresses"] == "10.0.0.9"
    assert ran.check("proxies")[0] == "ok"


def test_the_python_of_a_mac(node: Node) -> None:
    tool(node, "/usr/local/sbin/python3", "echo Python 3.12.1")
    state, facts, _ = look_mac(node, "patch-python")
    assert (state, facts["version"], facts["python"]) == ("ok", "3.12.1", "/usr/local/sbin/python3")
    # The stand-in of a Mac without the command line tools is not asked: it would open a window.
    tool(node, "/usr/local/sbin/python3", "touch /script/asked")
    node.sh("rm -f /usr/local/bin/python* /usr/bin/python /usr/bin/python2*")
    node.sh("mv /usr/local/sbin/python3 /usr/bin/python3")
    tool(node, "/usr/local/bin/xcode-select", "exit 2")
    state, facts, causes = look_mac(node, "patch-python")
    assert (state, facts["error"], causes) == ("bad", "missing", {"python-unsupported"})
    assert node.sh("ls /script/asked", check=False) == ""


def look_mac(node: Node, check: str) -> tuple[str, dict[str, str], set[str]]:
    ran = node.run("Check-MacOS", check)
    return (*ran.check(check), confirmed(ran))
