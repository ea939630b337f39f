"""The Linux remedy documents, run for real on nodes that are broken for real.

For each: it mends its fault and nothing else, the check that named the fault is clean afterwards,
a second run changes nothing, a node without the fault is left alone, and it refuses where its
preconditions do not hold.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from nodes.conftest import PAYLOAD, SSM_LOG, Node, Ran, render
from nodes.test_check_linux import confirmed, hold_lock
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


def left_alone(node: Node, suffix: str, state: str = "nothing-to-do") -> dict[str, str]:
    """A run that ends so and changes nothing at all on the node."""
    before = node.snapshot()
    facts = ended(node.run(suffix), state)
    assert node.snapshot() == before
    return facts


KILL = """#!/bin/sh
for name in /script/script.sh dpkg rpm; do
    for file in /proc/[0-9]*/cmdline; do
        case $(tr '\\0' ' ' < $file 2>/dev/null) in
            *$name*) pid=${file#/proc/}; kill -9 ${pid%/cmdline} 2>/dev/null ;;
        esac
    done
done
"""


def kill_at(node: Node, suffix: str, command: str, arguments: str = "*") -> None:
    """Run a remedy that is killed, with its children, the moment it starts this command.

    The command does half of nothing: it is killed before it begins.  "postinst" is a package's own
    script, which does the killing by itself.
    """
    node.write("/script/kill.sh", KILL)
    tool, _, first = command.partition(" ")
    wrapper = f"/usr/local/sbin/{tool}"
    if tool != "postinst":
        real = node.sh(f"command -v {tool}").strip()
        pattern = f"*{first}*" if first else arguments
        node.write(
            wrapper,
            f'#!/bin/sh\ncase "$*" in {pattern}) sh /script/kill.sh; kill -9 $$ ;; esac\n'
            f'exec {real} "$@"\n',
        )
        node.sh(f"chmod 755 {wrapper}")
    ran = node.run(suffix)
    assert ran.returncode != 0
    assert ran.stdout == ""
    if tool != "postinst":
        node.sh(f"rm {wrapper}")


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
    assert int(facts["freed_packages_mb"]) >= 60
    assert facts["path"] == "/var/cache/apt"
    assert node.run("Check-Linux", "disk-space").check("disk-space")[0] == "ok"
    kept = "/var/cache/apt/archives/notes.txt /root/keep.deb /root/elsewhere/c.deb"
    assert node.sh(f"cat {kept}") == "mine\n" * 3
    before = node.snapshot()
    ended(node.run(SPACE), "nothing-to-do")
    assert node.snapshot() == before


@pytest.mark.parametrize("suffix", [SPACE, CACHE])
def test_a_killed_cleaning_is_completed_by_the_next(node: Node, suffix: str) -> None:
    fill_cache(node)
    # The files are many, and it is killed with one of the folders cleaned.
    kill_at(node, suffix, "rm -f")
    ended(node.run(suffix), "done")
    kept = "/var/cache/apt/archives/notes.txt /root/keep.deb /root/elsewhere/c.deb"
    assert node.sh(f"cat {kept}") == "mine\n" * 3
    left_alone(node, suffix)


def test_a_node_with_room_is_left_alone(node: Node) -> None:
    node.write("/var/cache/apt/archives/a_1_all.deb", "package")
    left_alone(node, SPACE)


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
    assert int(facts["freed_payload_mb"]) == 85


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


START = """#!/bin/sh
echo "$1" >> /root/agent-service
umask >> /root/agent-service
install -m 755 /bin/sleep /usr/bin/amazon-ssm-agent
setsid /usr/bin/amazon-ssm-agent 900 >/dev/null 2>&1 &
"""


def test_an_agent_that_runs_again_is_not_restarted_again(node: Node) -> None:
    node.write(INIT, START)
    node.sh(f"chmod +x {INIT}; : > /usr/bin/amazon-ssm-agent")
    assert node.run("Check-Linux", "agent").check("agent")[0] == "bad"
    facts = ended(node.run(AGENT), "done")
    time.sleep(int(facts["in_seconds"]) + 3)
    # Files that the agent makes are such as they were under init.
    assert node.sh("cat /root/agent-service") == "restart\n0022\n"
    assert node.run("Check-Linux", "agent").check("agent")[0] == "ok"
    assert int(left_alone(node, AGENT)["agent_seconds"]) < 60


def test_a_restart_of_the_agent_that_was_killed_is_completed(node: Node) -> None:
    node.write(INIT, START)
    node.sh(f"chmod +x {INIT}")
    service = "/usr/local/sbin/service"
    node.write(service, "#!/bin/sh\n: > /root/killed\nkill -9 $PPID\n")
    node.sh(f"chmod +x {service}")
    facts = ended(node.run(AGENT), "done")
    time.sleep(int(facts["in_seconds"]) + 1)
    assert node.sh("ls /root/killed /root/agent-service", check=False) == "/root/killed\n"
    node.sh(f"rm {service}")
    ended(node.run(AGENT), "done")
    time.sleep(int(facts["in_seconds"]) + 3)
    left_alone(node, AGENT)


def test_an_agent_is_not_restarted_under_a_patch_run(node: Node) -> None:
    node.write(INIT, START)
    node.sh(f"chmod +x {INIT}")
    node.start_patch_process()
    assert "a patch run is alive" in left_alone(node, AGENT, "refused")["why"]


def test_an_agent_that_is_no_service_is_refused(node: Node) -> None:
    ended(node.run(AGENT), "refused")


# --- resync-clock ---------------------------------------------------------------------------------

CLOCK = "Remedy-ResyncClock-Linux"
OFFSET = "/root/clock-offset"
STEPPED = f"echo 0 > {OFFSET}"


@pytest.fixture
def late(node: Node) -> Node:
    """A node whose clock is an hour off, among servers that tell the right time.

    The kernel's clock is this machine's own and must not be set, so the node's `date` reads its
    error from a file, which is what a time service then corrects.
    """
    node.serve()
    node.write(
        "/usr/local/sbin/date",
        '#!/bin/sh\n[ "$*" = +%s ] || exec /bin/date "$@"\n'
        f"read -r off <{OFFSET}; echo $(($(/bin/date +%s) + off))\n",
    )
    node.sh(f"chmod 755 /usr/local/sbin/date; echo 3600 > {OFFSET}")
    return node


def chrony(node: Node, makestep: str = STEPPED) -> None:
    node.sh("cp /bin/sleep /usr/sbin/chronyd")
    node.start(["sh", "-c", "echo ready; exec /usr/sbin/chronyd 900"], "ready")
    said = 'echo "$*" >> /root/chronyc'
    program = f'#!/bin/sh\n{said}\ncase "$1" in makestep) {makestep} ;; esac\necho "200 OK"\n'
    node.write("/usr/bin/chronyc", program)
    node.sh("chmod 755 /usr/bin/chronyc")


def test_chronyd_steps_the_clock(late: Node) -> None:
    chrony(late)
    assert late.run("Check-Linux", "clock").check("clock")[0] == "bad"
    facts = ended(late.run(CLOCK), "done")
    assert abs(int(facts["offset_before_seconds"]) - 3600) < 5
    assert abs(int(facts["offset_seconds"])) < 5
    assert facts["service"] == "chronyd"
    assert late.sh("cat /root/chronyc") == "burst 4/4\nwaitsync 6 0 0 5\nmakestep\n"
    assert late.run("Check-Linux", "clock").check("clock")[0] == "ok"
    left_alone(late, CLOCK)


def test_a_killed_resync_is_completed_by_the_next(late: Node) -> None:
    chrony(late)
    kill_at(late, CLOCK, "chronyc makestep")
    assert late.run("Check-Linux", "clock").check("clock")[0] == "bad"
    ended(late.run(CLOCK), "done")
    left_alone(late, CLOCK)


def test_a_service_of_init_is_restarted(late: Node) -> None:
    late.sh("cp /bin/sleep /usr/sbin/ntpd")
    late.start(["sh", "-c", "echo ready; exec /usr/sbin/ntpd 900"], "ready")
    late.write("/etc/init.d/ntpd", f'#!/bin/sh\n[ "$1" = restart ] && {STEPPED}\n')
    late.sh("chmod 755 /etc/init.d/ntpd")
    assert ended(late.run(CLOCK), "done")["service"] == "ntpd"


def test_a_time_service_that_does_not_help(late: Node) -> None:
    chrony(late, "true")
    script = render(CLOCK).replace("WAIT_SECONDS_MAX=60", "WAIT_SECONDS_MAX=6")
    facts = ended(late.run_script(script), "failed")
    assert "did not correct the clock" in facts["why"]
    assert int(facts["offset_seconds"]) > 3000


def test_no_time_service_no_time_and_a_patch_run_are_refused(late: Node, make_node: Any) -> None:
    assert "no time service" in left_alone(late, CLOCK, "refused")["why"]
    chrony(late)
    late.start_patch_process()
    assert "a patch run is alive" in left_alone(late, CLOCK, "refused")["why"]
    alone = make_node()
    assert "no server told the time" in left_alone(alone, CLOCK, "refused")["why"]
    facts = ended(alone.run(CLOCK, AWS_SSM_REGION_NAME="$(id)"), "refused")
    assert "no Region" in facts["why"]


# --- reboot-node ----------------------------------------------------------------------------------

REBOOT = "Remedy-Reboot-Linux"
NOTE = "/var/lib/patchmedic/reboot-node"
STATE_FILE = f"{SSM_LOG}/patch-configuration/patch-states-configuration.json"


def booted(node: Node, boot: int, uptime: int = 86400) -> None:
    """The node as it is after its start number ``boot``: what lies in /run is gone."""
    node.write("/script/boot_id", f"{boot:08d}-aaaa-4bbb-8ccc-000000000001\n")
    node.write("/script/uptime", f"{uptime}.00 100.00\n")
    for proc in ("sys/kernel/random/boot_id", "uptime"):
        node.sh(f"mount --bind /script/{proc.rsplit('/', 1)[-1]} /proc/{proc}")
    node.sh("rm -rf /run/* ; rm -f /boot/vmlinuz-*")


def asked(node: Node) -> None:
    ran = node.run(REBOOT)
    assert ran.returncode == 194, ran.stdout
    # One document for the whole command: the second pass prints it.
    assert "PATCHMEDIC" not in ran.stdout


def test_a_pending_restart_takes_place_once(node: Node) -> None:
    booted(node, 1)
    left_alone(node, REBOOT)
    node.write("/run/reboot-required", "")
    assert node.run("Check-Linux", "reboot-pending").check("reboot-pending")[0] == "bad"
    asked(node)
    booted(node, 2, uptime=40)
    facts = ended(node.run(REBOOT), "done")
    assert facts["restarted"] == "yes"
    assert "still_there" not in facts
    assert node.run("Check-Linux", "reboot-pending").check("reboot-pending")[0] == "ok"
    left_alone(node, REBOOT)


def test_a_restart_that_a_patch_run_asked_for_and_missed(node: Node) -> None:
    booted(node, 1)
    node.sh(f"mkdir {PAYLOAD}-reboot-194")
    check = node.run("Check-Linux", "reboot-pending").check("reboot-pending")
    assert check == ("bad", {"reasons": f"{PAYLOAD}-reboot-194"})
    node.sh(f"touch -d '-2 hours' {PAYLOAD}-reboot-194")
    ran = node.run("Check-Linux", "reboot-pending")
    assert ran.check("reboot-pending")[1]["missed"] == f"{PAYLOAD}-reboot-194"
    assert confirmed(ran) == {"reboot-failed"}
    asked(node)
    booted(node, 2, uptime=40)
    ended(node.run(REBOOT), "done")
    # The folder is the payload's, which takes it away with its next run; its restart took place.
    assert node.sh(f"ls -d {PAYLOAD}-reboot-194") != ""
    assert node.run("Check-Linux", "reboot-pending").check("reboot-pending")[0] == "ok"
    left_alone(node, REBOOT)


def test_a_damaged_state_file_is_restarted_for_and_never_touched(node: Node) -> None:
    booted(node, 1)
    node.write(STATE_FILE, '{"a": ')
    asked(node)
    booted(node, 2, uptime=40)
    facts = ended(node.run(REBOOT), "done")
    assert facts["still_there"] == f"{STATE_FILE} is not-json"
    assert node.sh(f"cat {STATE_FILE}") == '{"a": '
    # It is there for the scan to mend; another restart would not help, now or tomorrow morning.
    booted(node, 2, uptime=7200)
    assert "did not help" in left_alone(node, REBOOT, "refused")["why"]
    booted(node, 3, uptime=7200)
    assert "did not help" in left_alone(node, REBOOT, "refused")["why"]
    # What was long ago is no reason any more.
    node.write(NOTE, f"restarted 00000002-aaaa {int(time.time()) - 90_000} 0\n")
    asked(node)


def test_an_agent_that_does_not_restart_is_not_asked_for_ever(node: Node) -> None:
    booted(node, 1)
    node.write("/run/reboot-required", "")
    asked(node)
    asked(node)
    assert "asked 2 times" in left_alone(node, REBOOT, "refused")["why"]


def test_a_note_that_is_damaged_counts_for_nothing(node: Node) -> None:
    booted(node, 1)
    node.write("/run/reboot-required", "")
    node.write(NOTE, "restarted $(id) x\n")
    asked(node)


@pytest.mark.parametrize("place", ["mkdir", "mv", "sync"])
def test_a_killed_restart_is_completed_by_the_next(node: Node, place: str) -> None:
    booted(node, 1)
    node.write("/run/reboot-required", "")
    kill_at(node, REBOOT, place)
    asked(node)
    booted(node, 2, uptime=40)
    ended(node.run(REBOOT), "done")
    left_alone(node, REBOOT)


def test_no_restart_at_a_bad_moment(node: Node) -> None:
    booted(node, 1)
    node.write("/run/reboot-required", "")
    process = node.start_patch_process()
    assert "a patch run is alive" in left_alone(node, REBOOT, "refused")["why"]
    node.stop(process)
    holder = hold_lock(node, "/var/lib/dpkg/lock-frontend")
    assert "holds" in left_alone(node, REBOOT, "refused")["why"]
    node.stop(holder)
    node.write("/run/systemd/shutdown/scheduled", "USEC=1\n")
    assert "scheduled" in left_alone(node, REBOOT, "refused")["why"]
    node.sh("rm -r /run/systemd")
    node.write("/script/uptime", "300.00 1.00\n")
    assert "only 300 seconds ago" in left_alone(node, REBOOT, "refused")["why"]
    node.write("/script/uptime", "90000.00 1.00\n")
    node.sh("mkdir -p /var/lib/patchmedic; mount -t tmpfs -o ro tmpfs /var/lib/patchmedic")
    assert "cannot be written" in left_alone(node, REBOOT, "refused")["why"]
    node.sh("umount /var/lib/patchmedic")
    node.sh(
        "sed -i '/^Package: coreutils$/,/^$/s/^Status: .*/Status: install ok unpacked/'"
        " /var/lib/dpkg/status"
    )
    assert "half installed" in left_alone(node, REBOOT, "refused")["why"]
