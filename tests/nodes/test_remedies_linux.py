"""The Linux remedy documents, run for real on nodes that are broken for real.

For each: it mends its fault and nothing else, the check that named the fault is clean afterwards,
a second run changes nothing, a node without the fault is left alone, and it refuses where its
preconditions do not hold.
"""

from __future__ import annotations

import threading
import time

import pytest

from nodes.conftest import PAYLOAD, SSM_LOG, Node, Ran, render
from nodes.test_check_linux import hold_lock
from patchmedic.checks.node import parse_remedy

pytestmark = pytest.mark.nodes

WAIT = "Remedy-WaitForPackageLock-Linux"
SPACE = "Remedy-FreeDiskSpace-Linux"
CACHE = "Remedy-CleanPackageCache-Linux"
LEFTOVERS = "Remedy-ClearPatchLeftovers-Linux"
AGENT = "Remedy-RestartAgent-Linux"


def ended(ran: Ran, state: str) -> dict[str, str]:
    """The facts of a run that ended as it should, read by the library."""
    result = parse_remedy(ran.stdout)
    assert result.state == state, ran.stdout
    assert ran.returncode == (0 if state in {"done", "nothing-to-do"} else 1)
    return dict(result.facts)


# --- wait-for-package-lock ------------------------------------------------------------------------


def test_waiting_ends_when_the_holder_ends_and_the_lock_file_stays(node: Node) -> None:
    holder = hold_lock(node, "/var/lib/dpkg/lock-frontend")
    release = threading.Timer(4, node.stop, [holder])
    release.start()
    facts = ended(node.run(WAIT), "done")
    release.join()
    assert facts["lock"] == "/var/lib/dpkg/lock-frontend"
    assert facts["holder"].startswith("python")
    assert 4 <= int(facts["waited_seconds"]) <= 20
    assert node.run("Check-Linux", "package-lock").check("package-lock")[0] == "ok"
    before = node.snapshot()
    ended(node.run(WAIT), "nothing-to-do")
    assert node.snapshot() == before
    assert node.sh("ls /var/lib/dpkg/lock-frontend") != ""


def test_waiting_has_an_end(node: Node) -> None:
    hold_lock(node, "/var/lib/dpkg/lock")
    script = render(WAIT).replace("WAIT_SECONDS_MAX=600", "WAIT_SECONDS_MAX=3")
    facts = ended(node.run_script(script), "failed")
    assert "still holds /var/lib/dpkg/lock" in facts["why"]


# --- free-disk-space ------------------------------------------------------------------------------


def fill_cache(node: Node) -> None:
    """A package cache on a small disk of its own, filled with packages, beside a user's files."""
    node.sh(
        "mount -t tmpfs -o size=340m tmpfs /var/cache/apt"
        " && mkdir -p /var/cache/apt/archives/partial"
        " && head -c 60000000 /dev/zero > /var/cache/apt/archives/a_1_all.deb"
        " && head -c 10000000 /dev/zero > /var/cache/apt/archives/partial/b_1_all.deb"
        " && echo mine > /var/cache/apt/archives/notes.txt"
        " && echo mine > /root/keep.deb && ln -s /root/keep.deb /var/cache/apt/archives/link.deb"
        " && mkdir /root/elsewhere && echo mine > /root/elsewhere/c.deb"
        " && ln -s /root/elsewhere /var/cache/apt/archives/folder"
    )


def test_a_full_cache_is_emptied_and_nothing_of_a_user(node: Node) -> None:
    fill_cache(node)
    assert node.run("Check-Linux", "disk-space").check("disk-space")[1]["path"] == "/var/cache/apt"
    facts = ended(node.run(SPACE), "done")
    assert int(facts["freed_mb"]) >= 60
    assert facts["path"] == "/var/cache/apt"
    assert node.run("Check-Linux", "disk-space").check("disk-space")[0] == "ok"
    kept = "/var/cache/apt/archives/notes.txt /root/keep.deb /root/elsewhere/c.deb"
    assert node.sh(f"cat {kept}") == "mine\n" * 3
    before = node.snapshot()
    ended(node.run(SPACE), "nothing-to-do")
    assert node.snapshot() == before


def test_a_disk_full_of_user_data_stays_full_and_the_report_says_so(node: Node) -> None:
    node.sh(f"mount -t tmpfs -o size=60m tmpfs {SSM_LOG}")
    node.sh(f"head -c 30000000 /dev/zero > {SSM_LOG}/mine.log")
    facts = ended(node.run(SPACE), "failed")
    assert facts["path"] == SSM_LOG
    assert "still short" in facts["why"]
    assert node.sh(f"stat -c %s {SSM_LOG}/mine.log") == "30000000\n"


def test_a_dead_payload_gives_its_space_back(node: Node) -> None:
    node.sh(f"mount -t tmpfs -o size=140m tmpfs {SSM_LOG}")
    node.sh(f"mkdir {PAYLOAD} && head -c 90000000 /dev/zero > {PAYLOAD}/x.tar.gz")
    node.sh(f"touch -d '-1 hour' {PAYLOAD}")
    facts = ended(node.run(SPACE), "done")
    assert facts["removed_folders"] == PAYLOAD


@pytest.mark.parametrize("suffix", [SPACE, CACHE])
def test_caches_are_left_alone_while_a_package_manager_works(node: Node, suffix: str) -> None:
    fill_cache(node)
    hold_lock(node, "/var/lib/dpkg/lock-frontend")
    before = node.snapshot()
    facts = ended(node.run(suffix), "refused")
    assert "holds /var/lib/dpkg/lock-frontend" in facts["why"]
    assert node.snapshot() == before


@pytest.mark.parametrize("suffix", [SPACE, CACHE, LEFTOVERS])
def test_nothing_is_taken_from_a_live_patch_run(node: Node, suffix: str) -> None:
    fill_cache(node)
    node.start_patch_process()
    node.sh(f"touch -d '-2 hours' {PAYLOAD}")
    before = node.snapshot()
    facts = ended(node.run(suffix), "refused")
    assert "a patch run is alive" in facts["why"]
    assert node.snapshot() == before


# --- clean-package-cache --------------------------------------------------------------------------


def test_packages_and_metadata_go_and_come_back_by_themselves(node: Node) -> None:
    node.write("/var/lib/apt/lists/mirror.example_dists_InRelease", "damaged")
    node.write("/var/cache/dnf/fedora-1/repodata/repomd.xml", "damaged")
    node.write("/var/cache/apt/archives/a_1_all.deb", "package")
    node.write("/var/cache/apt/archives/notes.txt", "mine")
    facts = ended(node.run(CACHE), "done")
    assert int(facts["removed_files"]) >= 3
    left = node.sh("find /var/lib/apt/lists /var/cache/dnf /var/cache/apt -type f ! -name lock")
    assert left == "/var/cache/apt/archives/notes.txt\n"
    before = node.snapshot()
    ended(node.run(CACHE), "nothing-to-do")
    assert node.snapshot() == before


# --- clear-patch-leftovers ------------------------------------------------------------------------


def test_leftovers_go_and_state_files_stay(node: Node) -> None:
    state = f"{SSM_LOG}/patch-configuration/patch-states-configuration.json"
    node.write(state, "{}")
    node.write(f"{PAYLOAD}/patch_common/x.py", "x")
    node.sh(f"mkdir {PAYLOAD}-reboot-194 {PAYLOAD}-reboot-195")
    node.sh(f"touch -d '-2 hours' {PAYLOAD} {PAYLOAD}-reboot-194")
    facts = ended(node.run(LEFTOVERS), "done")
    assert facts["removed_folders"] == f"{PAYLOAD} {PAYLOAD}-reboot-194"
    # The other restart folder is a minute old: its run waits for the restart.
    assert node.sh(f"ls -d {PAYLOAD}*") == f"{PAYLOAD}-reboot-195\n"
    assert node.sh(f"cat {state}") == "{}"
    check = node.run("Check-Linux", "payload-leftovers").check("payload-leftovers")
    assert check[0] == "ok"
    before = node.snapshot()
    ended(node.run(LEFTOVERS), "nothing-to-do")
    assert node.snapshot() == before


def test_a_fresh_folder_is_left_alone(node: Node) -> None:
    node.sh(f"mkdir {PAYLOAD}")
    before = node.snapshot()
    ended(node.run(LEFTOVERS), "nothing-to-do")
    assert node.snapshot() == before


def test_a_remedy_that_was_killed_half_way_is_completed_by_the_next(node: Node) -> None:
    node.sh(
        f"mkdir {PAYLOAD}; cd {PAYLOAD}; for i in $(seq 1 400); do mkdir -p d$i; : > d$i/f; done"
    )
    node.sh(f"touch -d '-1 hour' {PAYLOAD}")
    # An rm that removes a part and then dies with its parent, as under kill -9.
    node.write("/script/bin/rm", '#!/bin/sh\n/bin/rm -rf "$2"/d1*\nkill -9 $PPID\n')
    node.sh("chmod +x /script/bin/rm")
    killed = render(LEFTOVERS).replace(
        "export PATH\n", 'PATH="/script/bin:$PATH"; export PATH\n', 1
    )
    ran = node.run_script(killed)
    assert ran.returncode != 0
    assert ran.stdout == ""
    assert "patchmedic-removed" in node.sh(f"ls -d {PAYLOAD}*")
    ended(node.run(LEFTOVERS), "done")
    assert node.sh(f"ls -d {PAYLOAD}* 2>/dev/null", check=False) == ""


def test_a_link_in_the_place_of_the_folder_is_no_way_to_other_files(node: Node) -> None:
    node.write("/root/mine/file", "mine")
    node.sh(f"touch -d '-1 hour' /root/mine; ln -s /root/mine {PAYLOAD}")
    node.run(LEFTOVERS)
    assert node.sh("cat /root/mine/file") == "mine"


# --- restart-agent --------------------------------------------------------------------------------

INIT = "/etc/init.d/amazon-ssm-agent"


def test_the_agent_restarts_after_the_command_has_reported(node: Node) -> None:
    node.write(INIT, '#!/bin/sh\necho "$1" >> /root/agent-service\n')
    node.sh(f"chmod +x {INIT}")
    facts = ended(node.run(AGENT), "done")
    assert facts["command"] == "service amazon-ssm-agent restart"
    assert node.sh("cat /root/agent-service", check=False) == ""
    time.sleep(int(facts["in_seconds"]) + 3)
    assert "restart" in node.sh("cat /root/agent-service")


def test_an_agent_that_just_started_is_not_restarted_again(node: Node) -> None:
    node.write(INIT, '#!/bin/sh\necho "$1" >> /root/agent-service\n')
    node.sh(f"chmod +x {INIT}")
    node.start_agent()
    facts = ended(node.run(AGENT), "nothing-to-do")
    assert int(facts["agent_seconds"]) < 60


def test_an_agent_that_is_no_service_is_refused(node: Node) -> None:
    ended(node.run(AGENT), "refused")
