"""The Linux check document, run for real: each fault is made on a node and must be named.

The scripts run unchanged, as Systems Manager would hand them to the agent.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from nodes.conftest import (
    NODE_ID,
    PAYLOAD,
    SSM_DATA,
    SSM_LOG,
    TRUST,
    Node,
    Ran,
    render,
)
from patchmedic.checks.node import parse_findings, tail_of
from patchmedic.model import Verdict

pytestmark = pytest.mark.nodes

SECRET = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"
KEY_ID = "AKIAIOSFODNN7EXAMPLE"


def confirmed(ran: Ran) -> set[str]:
    """The causes that the library makes of the output."""
    findings = parse_findings(ran.stdout, NODE_ID)
    return {f.cause for f in findings if f.verdict is Verdict.CONFIRMS and f.cause}


def hold_lock(node: Node, path: str) -> subprocess.Popen[str]:
    return node.python(
        "import fcntl, time\n"
        f"held = open({path!r}, 'a+')\n"
        "fcntl.lockf(held, fcntl.LOCK_EX)\n"
        "print('ready')\n"
        "time.sleep(300)\n"
    )


# --- a node on which all is well ------------------------------------------------------------------


NOT_HERE = {
    *("selinux", "agent-diagnostics", "rpm-db", "subscription"),
    # Whether apt has fetched lists, and signed ones, is the machine's own affair.
    *("package-metadata", "signing-keys"),
}
"""What this machine, whatever is well on it, has nothing of; test_check_packages makes nodes of
other systems, and with repositories of their own."""


def not_well(ran: Ran) -> dict[str, str]:
    """What is not ok, without what this machine can have no answer to."""
    return {
        name: state
        for name, state in ran.states.items()
        if state != "ok" and not (state == "unknown" and name in NOT_HERE)
    }


def test_a_healthy_node_has_nothing_wrong(healthy: Node) -> None:
    ran = healthy.run("Check-Linux", **TRUST)
    assert ran.returncode == 0
    assert not_well(ran) == {}, ran.stdout
    assert all(ran.check(name)[1]["why"] for name in NOT_HERE if ran.states[name] != "ok")
    assert confirmed(ran) == set()
    assert ran.check("credentials")[1]["source"] == "imds"
    assert ran.check("imds")[1] == {"status": "200", "version": "v2", "role": "patch-role"}
    assert ran.seconds < 15


def test_a_run_changes_nothing_on_the_node(healthy: Node) -> None:
    before = healthy.snapshot()
    assert healthy.run("Check-Linux", **TRUST).returncode == 0
    assert healthy.snapshot() == before


def test_the_comparison_sees_a_change(healthy: Node) -> None:
    before = healthy.snapshot()
    healthy.sh("touch /dev/shm/left-behind")
    assert healthy.snapshot() != before


@pytest.mark.parametrize(
    "shell", [("dash",), ("bash",), ("bash", "--posix"), ("busybox", "sh"), ("mksh",)], ids=" ".join
)
def test_every_posix_shell_says_the_same(healthy: Node, shell: tuple[str, ...]) -> None:
    program = shutil.which(shell[0])
    if program is None:
        pytest.skip(f"{shell[0]} is not on this machine")
    shutil.copy(program, healthy.layers / "script" / shell[0])
    ran = healthy.run("Check-Linux", interpreter=(f"/script/{shell[0]}", *shell[1:]), **TRUST)
    assert not_well(ran) == {}, ran.stdout + ran.stderr
    assert ran.stderr == ""


def test_busybox_alone_is_enough(node: Node) -> None:
    """No GNU tool, no curl, no stat that knows more: what needs them says so, the rest works."""
    program = shutil.which("busybox")
    if program is None:
        pytest.skip("busybox is not on this machine")
    box = node.layers / "script" / "box"
    box.mkdir()
    shutil.copy(program, box / "busybox")
    applets = subprocess.run([program, "--list"], capture_output=True, text=True, check=True)
    for applet in applets.stdout.split():
        if applet != "busybox":
            (box / applet).symlink_to("busybox")
    script = render("Check-Linux", "disk-space,package-lock,payload-leftovers,reboot-pending")
    script = "\n".join(
        "PATH=/script/box" if x.startswith("PATH=") else x for x in script.split("\n")
    )
    node.sh(f"mkdir -p {PAYLOAD} && touch -d '-20 minutes' {PAYLOAD}")
    hold_lock(node, "/var/lib/dpkg/lock-frontend")
    ran = node.run_script(script, interpreter=("/script/box/sh",))
    assert ran.states == {
        "disk-space": "ok",
        "package-lock": "bad",
        "payload-leftovers": "bad",
        "reboot-pending": "ok",
    }, ran.stdout


# --- package locks --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    ["/var/lib/dpkg/lock-frontend", "/var/lib/apt/lists/lock", "/var/cache/apt/archives/lock"],
)
def test_a_held_apt_lock_is_named_with_its_holder(node: Node, path: str) -> None:
    holder = hold_lock(node, path)
    ran = node.run("Check-Linux", "package-lock")
    state, facts = ran.check("package-lock")
    assert state == "bad"
    assert facts["manager"] == "apt"
    assert facts["lock"] == path
    assert facts["holder"].startswith("python")
    assert confirmed(ran) == {"package-manager-locked"}
    node.stop(holder)
    assert node.run("Check-Linux", "package-lock").check("package-lock")[0] == "ok"


def test_a_read_lock_or_a_mere_open_file_is_no_held_lock(node: Node) -> None:
    node.python(
        "import fcntl, time\n"
        "held = open('/var/lib/dpkg/lock-frontend', 'r')\n"
        "fcntl.lockf(held, fcntl.LOCK_SH)\nprint('ready')\ntime.sleep(300)\n"
    )
    assert node.run("Check-Linux", "package-lock").check("package-lock")[0] == "ok"


@pytest.mark.parametrize(
    ("manager", "path"),
    [
        ("yum", "/var/run/yum.pid"),
        ("dnf", "/var/cache/dnf/metadata_lock.pid"),
        ("zypper", "/var/run/zypp.pid"),
    ],
)
def test_a_pid_lock_counts_while_its_process_lives(node: Node, manager: str, path: str) -> None:
    holder = node.start(["sh", "-c", "echo ready; exec sleep 300"], "ready")
    pid = node.sh("grep -l -x sleep /proc/[0-9]*/comm | tail -n 1").split("/")[2]
    node.write(path, f"{pid}\n")
    state, facts = node.run("Check-Linux", "package-lock").check("package-lock")
    assert state == "bad"
    assert (facts["manager"], facts["holder_pid"], facts["holder"]) == (manager, pid, "sleep")
    node.stop(holder)
    node.write(path, "999999\n")
    assert node.run("Check-Linux", "package-lock").check("package-lock")[0] == "ok"


# --- space ----------------------------------------------------------------------------------------


def test_a_full_payload_folder(node: Node) -> None:
    node.sh(f"mount -t tmpfs -o size=4m tmpfs {SSM_LOG}")
    node.sh(f"head -c 3500000 /dev/zero > {SSM_LOG}/full")
    ran = node.run("Check-Linux", "disk-space")
    state, facts = ran.check("disk-space")
    assert state == "bad"
    assert facts["path"] == SSM_LOG
    assert int(facts["free_mb"]) < int(facts["need_mb"])
    assert confirmed(ran) == {"disk-full"}


def test_inodes_run_out_too(node: Node) -> None:
    node.sh("mount -t tmpfs -o size=900m,nr_inodes=60 tmpfs /var/cache/apt")
    state, facts = node.run("Check-Linux", "disk-space").check("disk-space")
    assert state == "bad"
    assert facts["path"] == "/var/cache/apt"
    assert int(facts["free_inodes"]) < 60
    assert int(facts["free_mb"]) > int(facts["need_mb"])


def test_a_node_that_can_write_nowhere_still_says_that_it_is_full(node: Node) -> None:
    for place in ("/dev/shm", "/run", "/tmp", "/var/tmp"):
        node.sh(
            f"mount -t tmpfs -o size=64k tmpfs {place}; cat /dev/zero > {place}/full", check=False
        )
    ran = node.run("Check-Linux", "disk-space,package-lock,dpkg-state")
    assert ran.check("disk-space")[0] == "bad"
    assert ran.check("package-lock")[0] == "ok"
    assert ran.check("disk-space")[1]["path"] in {"/tmp", "/var/tmp"}


# --- patch runs and what they leave ---------------------------------------------------------------


def test_two_live_payloads_are_a_concurrent_run_and_one_is_not(node: Node) -> None:
    node.start_patch_process()
    one = node.run("Check-Linux", "patch-runs,payload-leftovers")
    assert one.check("patch-runs")[0] == "ok"
    assert one.check("patch-runs")[1]["running"] == "1"
    assert one.check("payload-leftovers")[0] == "ok"
    node.start_patch_process()
    two = node.run("Check-Linux", "patch-runs")
    assert two.check("patch-runs")[1]["running"] == "2"
    assert confirmed(two) == {"concurrent-run"}


def test_a_payload_whose_folder_was_deleted_under_it_still_counts(node: Node) -> None:
    node.start_patch_process()
    node.sh(f"rm -rf {PAYLOAD}")
    assert node.run("Check-Linux", "patch-runs").check("patch-runs")[1]["running"] == "1"


LOOK = "find_patch_processes; echo $patch_running"


def library() -> str:
    folder = Path(__file__).resolve().parents[2] / "documents" / "lib"
    return (folder / "text.sh").read_text() + (folder / "node.sh").read_text()


def test_what_the_script_itself_starts_is_no_patch_run(node: Node) -> None:
    """Checks run side by side: one may look at the very file that names a patch run's process."""
    named = "sh -c 'sleep 20; :' /x/document/orchestration/c-1/PatchLinux/_script.sh"
    node.write("/script/own.sh", f"{library()}\n{named} >/dev/null 2>&1 &\nsleep 1\n")
    assert node.sh(f". /script/own.sh; {LOOK}; kill $!") == "0\n"
    node.start(["sh", "-c", f"echo ready; exec {named}"], "ready")
    assert node.sh(f"{library()}\n sleep 1; {LOOK}") == "1\n"


def test_what_ended_meanwhile_is_no_patch_run(node: Node) -> None:
    gone = "patch_pids_from_proc() { sh -c 'exit 0' & wait; echo $!; }"
    assert node.sh(f"{library()}\n{gone}\n{LOOK}") == "0\n"


def test_what_the_script_starts_deep_down_is_no_patch_run(node: Node) -> None:
    """A substitution in a loop in a pipeline, and the tool that limits the time: all are shells."""
    named = "sh -c 'sleep 20; :' /x/document/orchestration/c-1/PatchLinux/_script.sh"
    deep = "(" * 12 + named + "; :)" * 12 + " >/dev/null 2>&1"
    node.write("/script/own.sh", f"{library()}\n{deep} &\nsleep 1\n{LOOK}\n")
    assert node.sh(". /script/own.sh; kill $!") == "0\n"


def test_a_parent_that_ends_while_it_is_looked_at_hides_no_patch_run(node: Node) -> None:
    """The first look at the parent finds it gone; the process has another one by then."""
    node.start_patch_process()
    first = "[ -e /script/asked ] || { touch /script/asked; echo 999999; return; }"
    real = library().replace("parent_of() {", "real_parent_of() {")
    parent = f"parent_of() {{ {first}; real_parent_of $1; }}"
    assert node.sh(f"{real}\n{parent}\n{LOOK}") == "1\n"


def test_a_look_at_all_runs_side_by_side_sees_no_run_in_itself(node: Node) -> None:
    for n in range(20):
        node.patch_run(f"11111111-aaaa-4bbb-8ccc-0000000000{n:02}", began=600 + n, ended=500 + n)
    for _ in range(5):
        ran = node.run("Check-Linux", "patch-runs,state-files,payload-leftovers")
        assert ran.check("state-files")[0] == "ok"
        assert ran.check("patch-runs")[1]["running"] == "0"
        assert "why" not in ran.check("payload-leftovers")[1]


@pytest.mark.parametrize(
    ("second_began", "state"), [(55.0, "bad"), (49.9, "bad"), (40.0, "ok")], ids=str
)
def test_runs_that_overlapped_lately(node: Node, second_began: float, state: str) -> None:
    node.patch_run("11111111-aaaa-4bbb-8ccc-000000000001", began=60, ended=50)
    node.patch_run("22222222-aaaa-4bbb-8ccc-000000000002", began=second_began, ended=39)
    assert node.run("Check-Linux", "patch-runs").check("patch-runs")[0] == state


def test_an_overlap_of_last_week_explains_nothing_today(node: Node) -> None:
    node.patch_run("11111111-aaaa-4bbb-8ccc-000000000001", began=9000, ended=8990)
    node.patch_run("22222222-aaaa-4bbb-8ccc-000000000002", began=8995, ended=8985)
    assert node.run("Check-Linux", "patch-runs").check("patch-runs")[0] == "ok"


def test_leftovers_of_a_dead_run(node: Node) -> None:
    node.sh(f"mkdir -p {PAYLOAD}")
    assert node.run("Check-Linux", "payload-leftovers").check("payload-leftovers")[0] == "ok"
    node.sh(f"touch -d '-7 minutes' {PAYLOAD}; mkdir {PAYLOAD}-reboot-194")
    ran = node.run("Check-Linux", "payload-leftovers")
    state, facts = ran.check("payload-leftovers")
    assert (state, facts["folders"], facts["age_minutes"]) == ("bad", PAYLOAD, "7")
    assert confirmed(ran) == {"concurrent-run"}
    node.sh(f"touch -d '-61 minutes' {PAYLOAD}-reboot-194")
    facts = node.run("Check-Linux", "payload-leftovers").check("payload-leftovers")[1]
    assert facts["folders"] == f"{PAYLOAD} {PAYLOAD}-reboot-194"


# --- credentials ----------------------------------------------------------------------------------

SHARED = f"[default]\naws_access_key_id = {KEY_ID}\naws_secret_access_key = {SECRET}\n"


def agent_log(node: Node, version: str) -> None:
    node.write(
        f"{SSM_LOG}/amazon-ssm-agent.log",
        f"2026-11-22 16:30:00 INFO Starting Core Agent: amazon-ssm-agent - v{version}\n",
    )


@pytest.mark.parametrize(
    ("version", "state", "source"),
    [
        ("3.1.1927.0", "bad", "shared-file"),
        ("3.2.183.0", "ok", "imds"),
        ("3.2.1296.0", "ok", "imds"),
        ("3.2.1297.0", "bad", "shared-file"),
        ("3.10.2.0", "bad", "shared-file"),
    ],
)
def test_the_shared_file_wins_by_the_agents_version(
    node: Node, version: str, state: str, source: str
) -> None:
    node.serve(role="patch-role")
    node.write("/root/.aws/credentials", SHARED)
    agent_log(node, version)
    ran = node.run("Check-Linux", "credentials")
    seen, facts = ran.check("credentials")
    assert (seen, facts["source"], facts["agent_version"]) == (state, source, version)
    assert SECRET not in ran.stdout
    assert KEY_ID not in ran.stdout
    assert (confirmed(ran) == {"credentials-invalid"}) == (state == "bad")


def test_a_profile_that_nobody_picks_is_no_fault(node: Node) -> None:
    node.serve(role="patch-role")
    node.write(
        "/root/.aws/credentials", "[default]\nregion = x\n" + SHARED.replace("default", "me")
    )
    assert node.run("Check-Linux", "credentials").check("credentials")[1]["source"] == "imds"
    ran = node.run("Check-Linux", "credentials", AWS_PROFILE="me")
    assert ran.check("credentials")[1]["path"] == "/root/.aws/credentials"


def test_keys_in_the_environment_unless_the_agent_put_them_there(node: Node) -> None:
    keys = {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET}
    ran = node.run("Check-Linux", "credentials", **keys)
    assert ran.check("credentials")[1]["source"] == "environment"
    assert confirmed(ran) == {"credentials-invalid"}
    assert SECRET not in ran.stdout
    own = node.run("Check-Linux", "credentials", **keys, AWS_CREDENTIAL_EXPIRATION="2026-11-22")
    assert own.check("credentials")[0] == "ok"


def test_a_hybrid_node_keeps_its_own_keys_in_the_shared_file(node: Node) -> None:
    node.write("/root/.aws/credentials", SHARED)
    ran = node.run("Check-Linux", "credentials,imds", AWS_SSM_INSTANCE_ID="mi-0123456789abcdef0")
    assert ran.check("credentials")[0] == "ok"
    assert ran.check("imds")[0] == "unknown"


def test_the_agents_own_file_comes_first(node: Node) -> None:
    node.write(f"{SSM_DATA}/credentials", SHARED)
    node.write("/root/.aws/credentials", SHARED)
    agent_log(node, "3.3.859.0")
    state, facts = node.run("Check-Linux", "credentials").check("credentials")
    assert (state, facts["source"]) == ("ok", "ssm-file")


# --- network --------------------------------------------------------------------------------------


def test_no_resolver(node: Node) -> None:
    ran = node.run("Check-Linux", "s3-reach,ssm-reach,package-repositories,clock")
    for name in ("s3-reach", "ssm-reach", "package-repositories"):
        state, facts = ran.check(name)
        assert (state, facts["error"]) == ("bad", "dns"), name
    assert ran.check("clock")[0] == "unknown"
    assert confirmed(ran) == {"dns-failure"}


def test_nothing_listens(node: Node) -> None:
    node.serve()
    ran = node.run("Check-Linux", "s3-reach,ssm-reach")
    assert ran.check("s3-reach")[1]["error"] == "refused"
    assert confirmed(ran) == {"s3-unreachable", "ssm-endpoint-unreachable"}


def test_a_firewall_that_swallows_everything(node: Node) -> None:
    node.serve(silent=[443])
    ran = node.run("Check-Linux", "s3-reach")
    assert ran.check("s3-reach")[1]["error"] == "timeout"
    assert confirmed(ran) == {"s3-unreachable"}
    assert ran.seconds < 20


def test_a_certificate_that_nobody_trusts(node: Node, certificate: Path) -> None:
    node.serve(certificate=str(certificate))
    ran = node.run("Check-Linux", "s3-reach,ssm-reach")
    assert ran.check("s3-reach")[1]["error"] == "tls"
    assert confirmed(ran) == {"tls-failure"}


def test_s3_denies_the_payload_of_the_last_run(node: Node, certificate: Path) -> None:
    node.serve(certificate=str(certificate), s3_status=403)
    url = "https://s3.dualstack.ap-northeast-1.amazonaws.com/aws-ssm-ap-northeast-1/p/x-1.80.tar.gz"
    log = f"11/22/2026 16:30:00 root [INFO]: Downloading payload from {url}\n"
    node.patch_run("11111111-aaaa-4bbb-8ccc-000000000001", began=5, ended=4, stdout=log)
    ran = node.run("Check-Linux", "s3-reach", **TRUST)
    state, facts = ran.check("s3-reach")
    assert (state, facts["error"], facts["url"]) == ("bad", "http-403", url)
    assert confirmed(ran) == {"s3-access-denied"}


def test_an_address_in_a_log_is_used_only_if_it_is_one_of_aws(
    node: Node, certificate: Path
) -> None:
    node.serve(certificate=str(certificate))
    log = "Downloading payload from https://evil.example/x$(touch /tmp/run)\n"
    node.patch_run("11111111-aaaa-4bbb-8ccc-000000000001", began=5, ended=4, stdout=log)
    ran = node.run("Check-Linux", "s3-reach", **TRUST)
    assert "evil" not in ran.stdout
    assert node.sh("ls /tmp") == ""


def test_a_repository_that_does_not_answer(node: Node) -> None:
    node.sh("rm -f /etc/apt/sources.list.d/*.sources")
    node.write(
        "/etc/apt/sources.list", "deb [trusted=yes] http://me:secret@127.0.0.1:9/debian x y\n"
    )
    ran = node.run("Check-Linux", "package-repositories")
    state, facts = ran.check("package-repositories")
    assert (state, facts["error"]) == ("bad", "refused")
    assert facts["repository"] == "http://****@127.0.0.1:9/debian/dists/x/InRelease"
    assert confirmed(ran) == {"repository-unreachable"}


def test_repositories_of_rpm_systems(node: Node) -> None:
    node.sh("rm -f /etc/apt/sources.list.d/*.sources /etc/apt/sources.list")
    node.write("/etc/dnf/vars/place", "127.0.0.1:9\n")
    node.write(
        "/etc/yum.repos.d/x.repo",
        "[off]\nenabled=0\nbaseurl=http://127.0.0.1:1/\n"
        "[on]\nenabled=1\nbaseurl=http://$place/${place}/\n",
    )
    state, facts = node.run("Check-Linux", "package-repositories").check("package-repositories")
    assert state == "bad"
    assert facts["repository"] == "http://127.0.0.1:9/127.0.0.1:9/repodata/repomd.xml"


@pytest.mark.parametrize(
    ("options", "cause"),
    [({"role": ""}, "instance-profile-missing"), ({"imds": False}, "imds-unreachable")],
    ids=["no role", "no answer"],
)
def test_metadata(node: Node, options: dict[str, object], cause: str) -> None:
    node.serve(**options)
    assert confirmed(node.run("Check-Linux", "imds")) == {cause}


def test_no_role_is_well_under_default_host_management(node: Node) -> None:
    node.serve(role="")
    node.write(f"{SSM_DATA}/credentials", "[default]\n")
    assert node.run("Check-Linux", "imds").check("imds")[0] == "ok"


@pytest.mark.parametrize(("offset", "state"), [(900, "bad"), (-3700, "bad"), (200, "ok")])
def test_the_clock_against_the_servers(node: Node, offset: int, state: str) -> None:
    """The servers' clock is doctored; that is the same as the node's being wrong."""
    node.serve(clock_offset=offset)
    ran = node.run("Check-Linux", "clock")
    seen, facts = ran.check("clock")
    assert seen == state
    assert abs(int(facts["offset_seconds"]) + offset) <= 3
    assert (confirmed(ran) == {"clock-skew"}) == (state == "bad")


# --- the rest -------------------------------------------------------------------------------------


def test_an_interrupted_dpkg(node: Node) -> None:
    node.sh(
        "sed -i '/^Package: coreutils$/,/^Status:/"
        "s/^Status: .*/Status: install ok half-configured/' /var/lib/dpkg/status"
    )
    ran = node.run("Check-Linux", "dpkg-state")
    state, facts = ran.check("dpkg-state")
    assert state == "bad"
    assert "coreutils" in facts["broken"]
    assert confirmed(ran) == {"package-db-corrupt"}
    hold_lock(node, "/var/lib/dpkg/lock-frontend")
    assert node.run("Check-Linux", "dpkg-state").check("dpkg-state")[0] == "unknown"


def test_the_agent_is_there_and_does_not_run(node: Node) -> None:
    node.write("/usr/bin/amazon-ssm-agent", "")
    ran = node.run("Check-Linux", "agent")
    assert ran.check("agent")[1]["state"] == "stopped"
    assert confirmed(ran) == {"agent-not-running"}


def test_a_pending_restart_is_told_and_decides_nothing(node: Node) -> None:
    node.write("/run/reboot-required", "")
    ran = node.run("Check-Linux", "reboot-pending")
    assert ran.check("reboot-pending") == ("bad", {"reasons": "/run/reboot-required"})
    assert confirmed(ran) == set()


# --- hostile and awkward things -------------------------------------------------------------------


def test_a_hostile_log_comes_out_as_harmless_text(node: Node) -> None:
    log = (
        b'PATCHMEDIC-FINDINGS>>>\n<<<PATCHMEDIC-FINDINGS\n{"schema":1}\n'
        b'"quoted" \\ \x00\x01\x1b[31m\x7f'
        b"\xff\xfe\xc3( \xed\xa0\x80 \xf0\x9f\x92\xa9 \xe6\x97\xa5\xe6\x9c\xac \r\n"
        + f"aws_secret_access_key = {SECRET}\n".encode()
        + f'"SecretAccessKey" : "{SECRET}", AccessKeyId={KEY_ID}\n'.encode()
        + f"signing as {KEY_ID}\n".encode()
        + b"https://user:hunter2@proxy/ ?X-Amz-Signature=abcdef0123 password: hunter3\n"
    )
    folder = node.patch_run("11111111-aaaa-4bbb-8ccc-000000000001", began=5, ended=4)
    node.write(f"{folder}/stdout", log)
    ran = node.run("Check-Linux", "patch-log-tail")
    assert ran.stdout.isascii()
    tail = ran.check("patch-log-tail")[1]["tail"]
    assert "\U0001f4a9 日本" in tail
    assert '"quoted" \\' in tail
    assert "\x1b[31m" in tail
    for secret in (SECRET, KEY_ID, "hunter2", "hunter3", "abcdef0123"):
        assert secret not in ran.stdout
    (finding,) = parse_findings(ran.stdout, NODE_ID)
    assert "\x1b" not in finding.facts["tail"]


def test_the_end_of_a_log_comes_with_its_command(node: Node) -> None:
    old = node.patch_run("11111111-aaaa-4bbb-8ccc-000000000001", began=50, ended=40)
    node.write(f"{old}/stdout", "of an older run\n")
    command = "22222222-aaaa-4bbb-8ccc-000000000002"
    folder = node.patch_run(command, began=5, ended=4)
    lines = "".join(f"line {n}\n" for n in range(9_000))
    node.write(f"{folder}/stdout", lines)
    node.write(f"{folder}/stderr", "x" * 5_000 + "failed to run commands: exit status 1")
    found = parse_findings(node.run("Check-Linux", "patch-log-tail").stdout, NODE_ID)
    ends = tail_of(found, command)
    assert ends is not None
    stdout, stderr = ends
    assert lines.endswith(stdout)
    assert len(stdout) == 4_900
    assert stderr.endswith("exit status 1")
    assert len(stderr) == 900


@pytest.mark.parametrize("line", ["パッケージを検証しています\n", "\x01\x02\x03\x1b[31m\n"])
def test_a_log_that_is_no_plain_text_gets_less_room(healthy: Node, line: str) -> None:
    """Every other check still has its place in the output."""
    command = "33333333-aaaa-4bbb-8ccc-000000000003"
    folder = healthy.patch_run(command, began=5, ended=4)
    healthy.write(f"{folder}/stdout", line * 2_000)
    ran = healthy.run("Check-Linux", **TRUST)
    assert len(ran.stdout) < 20_000
    assert "no room left" not in ran.stdout
    ends = tail_of(parse_findings(ran.stdout, NODE_ID), command)
    assert ends is not None
    assert len(ends[0].encode()) > 500


def linux_checks() -> list[str]:
    """The closed list of the platform, as the script has it."""
    found = re.search(r"PLATFORM_CHECKS='([^']*)'", render("Check-Linux"))
    assert found is not None
    return found.group(1).split()


def test_the_output_stays_under_its_limit(healthy: Node) -> None:
    folder = healthy.patch_run("33333333-aaaa-4bbb-8ccc-000000000003", began=3, ended=2)
    healthy.write(f"{folder}/stdout", "\U0001f4a9" * 9000)
    ran = healthy.run("Check-Linux", **TRUST)
    assert len(ran.stdout) < 20_000
    assert set(ran.states) == set(linux_checks())


def test_a_check_that_hangs_holds_up_nothing(healthy: Node) -> None:
    """A df on a dead network file system: it ignores being asked to end."""
    python = os.path.realpath(sys.executable)
    hangs = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(300)\n"
    healthy.write("/script/bin/df", f"#!{python}\n{hangs}")
    healthy.sh("chmod +x /script/bin/df")
    script = render("Check-Linux").replace(
        "export PATH\n", 'PATH="/script/bin:$PATH"; export PATH\n', 1
    )
    ran = healthy.run_script(script, **TRUST)
    assert ran.seconds < 60
    state, facts = ran.check("disk-space")
    assert state == "unknown"
    assert "not done within" in facts["why"]
    assert set(not_well(ran)) == {"disk-space"}
    time.sleep(8)
    # The command line, for a process that has ended has none left.
    assert "/script/bin/df" not in healthy.sh("cat /proc/[0-9]*/cmdline")


def test_limits_hold_without_the_timeout_command(node: Node) -> None:
    text = (Path(__file__).resolve().parents[2] / "documents/lib/text.sh").read_text()
    begun = time.monotonic()
    out = node.sh(
        text + "\nTIMEOUT_STYLE=none\nlimit 2 sleep 60; echo slow $?\n"
        "limit 5 sh -c 'echo out; exit 3'; echo quick $?\n",
    )
    assert "slow 0" not in out
    assert "out\nquick 3" in out
    assert time.monotonic() - begun < 10


def test_the_temporary_folder_goes_even_when_the_run_is_ended(node: Node) -> None:
    node.write("/script/bin/df", "#!/bin/sh\nsleep 30\n")
    node.sh("chmod +x /script/bin/df")
    script = render("Check-Linux", "disk-space").replace(
        "export PATH\n", 'PATH="/script/bin:$PATH"; export PATH\n', 1
    )
    node.write("/script/long.sh", script)
    running = node.start(["sh", "-c", "echo ready; exec sh /script/long.sh"], "ready")
    for _ in range(100):
        if "patchmedic" in node.sh("ls /dev/shm"):
            break
        time.sleep(0.1)
    assert "patchmedic" in node.sh("ls /dev/shm")
    node.sh("kill -TERM $(grep -l -a long.sh /proc/[0-9]*/cmdline | cut -d/ -f3)", check=False)
    running.wait(timeout=20)
    assert node.sh("ls /dev/shm") == ""


@pytest.mark.parametrize(
    "checks", ["", "disk-space;id", "$(id)", "a' b", "../x", "ALL", "x" * 2000]
)
def test_a_parameter_that_is_no_list_of_names_runs_nothing(node: Node, checks: str) -> None:
    ran = node.run_script(render("Check-Linux", checks.replace("'", "")).replace("\r", ""))
    assert ran.returncode == 2
    assert ran.stdout == ""
    assert "Checks" in ran.stderr


@pytest.mark.parametrize("region", ["", "evil.example/", "ap-northeast-1.evil", "AP-1", "a--1"])
def test_a_region_that_is_none_runs_nothing(node: Node, region: str) -> None:
    ran = node.run_script(render("Check-Linux", "all", region))
    assert ran.returncode == 2
    assert "Region" in ran.stderr


def test_an_unknown_name_is_answered_and_the_others_run(node: Node) -> None:
    ran = node.run("Check-Linux", "no-such-check,disk-space,wu-reach,disk-space")
    assert ran.states == {"no-such-check": "unknown", "disk-space": "ok", "wu-reach": "unknown"}


def test_the_mac_document_runs_where_it_can(healthy: Node) -> None:
    """Its own checks of files and processes need a Mac; what it shares with Linux runs here."""
    ran = healthy.run("Check-MacOS", **TRUST)
    assert ran.document["platform"] == "macos"
    assert ran.check("s3-reach")[0] == "ok"
    assert ran.check("clock")[0] == "ok"
    assert ran.check("disk-space")[0] == "ok"
    assert ran.check("agent")[0] == "ok"


def test_the_library_reads_what_the_document_prints(
    make_node: Callable[[], Node],
) -> None:
    ran = make_node().run("Check-Linux")
    findings = parse_findings(ran.stdout, NODE_ID)
    assert {f.check for f in findings} == set(ran.states)
    assert json.loads(ran.stdout.split("\n")[1])["schema"] == 1
