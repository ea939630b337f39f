"""The Windows remedies, unchanged, on stand-in nodes that keep state.

Each remedy on the node that is broken in its way: it helps, and the check that named the fault
says so; a second run changes nothing; a run that is ended before any of its changes is completed
by the next; a healthy node is left alone; what speaks against a remedy stops it before it changes
anything.
"""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.powershell.changing import CATALOGUE, CBS, DATASTORE, STATE, UPDATE, ChangingNode
from tests.powershell.node import NOW, load
from tests.powershell.scripts import CHECK, REGION, SCRIPTS, Run
from tests.powershell.syntax import Node, everything, parse
from tests.powershell.test_checks import HEALTHY

from patchmedic.checks.node import RemedyResult, parse_remedy

REMEDIES = sorted(name for name in SCRIPTS if name.startswith("Remedy-"))
START = "Remedy-StartUpdateServices-Windows"
STORE = "Remedy-RepairComponentStore-Windows"
CLOCK = "Remedy-ResyncClock-Windows"
REBOOT = "Remedy-Reboot-Windows"
RESET = "Remedy-ResetWindowsUpdate-Windows"
SPACE = "Remedy-FreeDiskSpace-Windows"

POLICY = "HKLM:\\SOFTWARE\\Policies\\Microsoft\\Windows\\WindowsUpdate"
NOTES = "HKLM:\\SOFTWARE\\PatchMedic"
TIME = "HKLM:\\SYSTEM\\CurrentControlSet\\Services\\W32Time\\Parameters"
DAMAGE = (
    "@40m@, Info                  CBS    Failed to pin deployment while resolving Update: "
    "Package_for_KB5031362~31bf3856ad364e35~amd64~~14393.1 "
    "[HRESULT = 0x80073712 - ERROR_SXS_COMPONENT_STORE_CORRUPT]\n"
)
COMPLAINT = {
    "log": "System",
    "provider": "Microsoft-Windows-WindowsUpdateClient",
    "id": 25,
    "level": 2,
    "minutes": 30,
    "message": "Windows Update の検出に失敗しました。エラー 0x80248007。",
}
DOWNLOADS: dict[str, Any] = {
    f"{DATASTORE}\\Download\\{n}": {"text": "x", "length": 600 * 2**20} for n in ("a", "b")
}
DOWNLOADS[f"{DATASTORE}\\Download"] = {"folder": True}

BROKEN: dict[str, tuple[str, str, dict[str, Any]]] = {
    "bits-disabled": (START, "wu-services", {"services": {"BITS": ["Disabled", "Stopped"]}}),
    "all-disabled": (
        START,
        "wu-services",
        {
            "services": {
                name: ["Disabled", "Stopped"]
                for name in ("wuauserv", "BITS", "CryptSvc", "TrustedInstaller", "msiserver")
            }
        },
    ),
    "store-repairable": (STORE, "component-store", {"store": "repairable"}),
    "store-damaged-in-the-log": (
        STORE,
        "cbs-errors",
        {"files": {"C:\\Windows\\Logs\\CBS\\CBS.log": {"text": DAMAGE}}},
    ),
    "clock-ahead": (CLOCK, "clock", {"skew_seconds": 3600}),
    "clock-behind-and-service-stopped": (
        CLOCK,
        "clock",
        {"skew_seconds": -86400, "services": {"W32Time": ["Manual", "Stopped"]}, "resync_waits": 1},
    ),
    "clock-in-a-domain": (
        CLOCK,
        "clock",
        {
            "skew_seconds": 900,
            "computer": {"DomainRole": 3, "PartOfDomain": True},
            "registry": {TIME: {"Type": "NT5DS"}},
        },
    ),
    "restart-pending": (
        REBOOT,
        "reboot-pending",
        {"registry": {f"{CBS}\\RebootPending": {}, f"{UPDATE}\\RebootRequired": {}}},
    ),
    "state-file-damaged": (
        REBOOT,
        "state-files",
        {"files": {f"{STATE}\\PatchStatesConfiguration.json": {"text": '{"a'}}},
    ),
    "datastore-damaged": (
        RESET,
        "wu-components",
        {"events": [COMPLAINT], "files": {DATASTORE: {"folder": True, "broken": True}}},
    ),
    "datastore-damaged-services-running": (
        RESET,
        "wu-components",
        {
            "events": [COMPLAINT],
            "files": {DATASTORE: {"folder": True, "broken": True}},
            "services": {
                "wuauserv": ["Manual", "Running"],
                "AppIDSvc": ["Manual", "Running"],
            },
            "comes_back": 2,
        },
    ),
    "disk-full": (
        SPACE,
        "disk-space",
        {
            "free_bytes": 100 * 2**20,
            "files": DOWNLOADS,
            "services": {"wuauserv": ["Manual", "Running"]},
        },
    ),
}


def make(*changes: dict[str, Any], base: str = "server-2016-ja") -> ChangingNode:
    return ChangingNode(load(base), *changes)


def treat(node: ChangingNode, document: str, kill_before: int | None = None) -> RemedyResult:
    """One command: where the script asks for a restart, the agent starts it again after that."""
    text, code = node.run(SCRIPTS[document], kill_before)
    if code == 3010:
        changes = node.changes
        node.restart()
        text, code = node.run(SCRIPTS[document])
        node.changes = [*changes, "restart", *node.changes]
    assert text.isascii()
    result = parse_remedy(text)
    assert code == (0 if result.state in ("done", "nothing-to-do") else 1)
    return result


def answer(node: ChangingNode, check: str) -> dict[str, str]:
    script = CHECK.replace("{{ Checks }}", check).replace("{{ Region }}", REGION)
    text, code = node.run(script)
    assert code == 0 and node.changes == []
    return Run(text, code, node).answers[check]


def verify(node: ChangingNode, document: str) -> None:
    """What comes between a remedy and the look at the node: where it takes one, a patch run."""
    if document in (RESET, REBOOT):
        node.patch_run()


def picture(node: ChangingNode) -> tuple[Any, ...]:
    """Everything of the node that a remedy may change, whatever the hour."""
    paths = sorted(path for path in node.paths() if "orchestration" not in path)
    # Times differ between runs; how many copies there are does not.
    paths = [
        path.partition(".patchmedic-")[0] + ("*" if ".patchmedic-" in path else "")
        for path in paths
    ]
    return (
        node.services(),
        paths,
        node.recorded["store"],
        node.recorded.get("skew_seconds", 0),
        node.recorded["free_bytes"],
        {key for key in node.registry if "patchmedic" not in key},
    )


# --- the broken node of each cause ----------------------------------------------------------------


def test_every_remedy_has_its_broken_node() -> None:
    assert {document for document, _, _ in BROKEN.values()} == set(REMEDIES)


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_node_is_well_afterwards_and_a_second_run_changes_nothing(name: str) -> None:
    document, check, change = BROKEN[name]
    node = make(change)
    assert answer(node, check)["state"] == "bad"
    first = treat(node, document)
    assert (first.state, first.facts.get("why")) == ("done", None)
    assert node.changes
    verify(node, document)
    assert answer(node, check)["state"] == "ok"
    before = picture(node)
    second = treat(node, document)
    assert (second.state, node.changes) == ("nothing-to-do", [])
    assert picture(node) == before


def how_many(document: str, change: dict[str, Any]) -> int:
    node = make(change)
    node.run(SCRIPTS[document])
    return len(node.changes)


ENDED = [
    (name, number)
    for name, (document, _, change) in BROKEN.items()
    for number in range(1, how_many(document, change) + 1)
]


@pytest.mark.parametrize(("name", "number"), ENDED)
def test_a_run_that_is_ended_anywhere_is_completed_by_the_next(name: str, number: int) -> None:
    document, check, change = BROKEN[name]
    whole = make(change)
    treat(whole, document)
    node = make(change)
    text, code = node.run(SCRIPTS[document], number)
    assert (text, code) in (("", -1), (text, -1))
    assert len(node.changes) == number
    node.advance(20)
    assert treat(node, document).state in ("done", "nothing-to-do")
    assert picture(node) == picture(whole)
    verify(node, document)
    assert answer(node, check)["state"] == "ok"
    assert treat(node, document).state == "nothing-to-do"
    assert node.changes == []


@pytest.mark.parametrize("base", HEALTHY)
@pytest.mark.parametrize("document", REMEDIES)
def test_a_healthy_node_is_left_alone(document: str, base: str) -> None:
    node = make(base=base)
    before = picture(node)
    result = treat(node, document)
    assert (result.state, node.changes) == ("nothing-to-do", [])
    assert picture(node) == before


# --- what speaks against it -----------------------------------------------------------------------

PATCH_RUN = {
    "name": "powershell.exe",
    "id": 11,
    "line": "powershell -f C:\\x\\orchestration\\a\\PatchWindows\\_script.ps1",
}
BUSY: dict[str, tuple[dict[str, Any], str]] = {
    "patch-run": ({"processes": [PATCH_RUN]}, "a patch run is alive"),
    "updates": ({"com": {"busy": True}}, "an installation of updates is running"),
    "msi": ({"msi": "busy"}, "an installer (MSI) is running"),
    "servicing": (
        {"processes": [{"name": "TiWorker.exe", "id": 9, "busy": 1}]},
        "servicing is at work (TiWorker.exe)",
    ),
    "dism": ({"processes": [{"name": "Dism.exe", "id": 9}]}, "servicing is at work (Dism.exe)"),
    "no-answer": (
        {"com": {"failure": "クラスが登録されていません"}},
        "Windows does not say whether it is busy",
    ),
}
PENDING: dict[str, Any] = {"registry": {f"{CBS}\\RebootPending": {}}}


def refused(name: str, more: dict[str, Any]) -> str:
    document, _, change = BROKEN[name]
    node = make(change, more)
    before = picture(node)
    result = treat(node, document)
    assert (result.state, node.changes) == ("refused", [])
    assert picture(node) == before
    return result.facts["why"]


@pytest.mark.parametrize("busy", BUSY)
@pytest.mark.parametrize(
    "name", ["store-repairable", "restart-pending", "datastore-damaged", "disk-full"]
)
def test_nothing_is_changed_while_windows_is_busy(name: str, busy: str) -> None:
    more, why = BUSY[busy]
    assert refused(name, more).startswith(why)


@pytest.mark.parametrize("name", ["all-disabled", "clock-ahead"])
def test_nothing_is_changed_during_a_patch_run(name: str) -> None:
    assert refused(name, {"processes": [PATCH_RUN]}) == "a patch run is alive"


@pytest.mark.parametrize("name", ["store-repairable", "datastore-damaged", "disk-full"])
def test_a_pending_restart_comes_first(name: str) -> None:
    assert refused(name, PENDING) == "a restart is pending (component servicing)"


def test_an_idle_servicing_worker_and_a_free_mutex_hold_up_nothing() -> None:
    document, _, change = BROKEN["store-repairable"]
    idle = {"processes": [{"name": "TiWorker.exe", "id": 9}], "msi": "free"}
    assert treat(make(change, idle), document).state == "done"


@pytest.mark.parametrize(
    ("name", "more", "why"),
    [
        ("all-disabled", {"registry": {POLICY: {"DisableWindowsUpdateAccess": 1}}}, "a policy"),
        ("all-disabled", {"services": {"msiserver": None}}, "the service msiserver is missing"),
        ("store-repairable", {"store": "corrupt"}, "DISM says that this store cannot be repaired"),
        ("store-repairable", {"store": "silent"}, "DISM does not say how the store is"),
        ("store-repairable", {"free_bytes": 4095 * 2**20}, "only 4095 MB are free"),
        (
            "store-repairable",
            {"registry": {f"{CBS}\\PackagesPending": {}}},
            "servicing is not finished (PackagesPending)",
        ),
        (
            "store-repairable",
            {"registry": {f"{CBS}\\SessionsPending": {"Exclusive": 3}}},
            "servicing is not finished (SessionsPending)",
        ),
        ("clock-ahead", {"registry": {TIME: {"Type": "NoSync"}}}, "the time service is set to"),
        ("clock-ahead", {"registry": {TIME: {"NtpServer": None}}}, "the time service is to ask"),
        ("clock-ahead", {"registry": {TIME: {"Type": "NT5DS"}}}, "the time service is to follow"),
        ("clock-ahead", {"computer": {"DomainRole": 5, "PartOfDomain": True}}, "this node is a"),
        ("clock-ahead", {"services": {"W32Time": ["Disabled", "Stopped"]}}, "the time service"),
        ("clock-ahead", {"services": {"W32Time": None}}, "there is no time service"),
        ("clock-ahead", {"environment": {"AWS_SSM_REGION_NAME": None}}, "the agent names no"),
        (
            "clock-ahead",
            {
                "web": {
                    "s3.ap-northeast-1.amazonaws.com": {"status": "Timeout"},
                    "ssm.ap-northeast-1.amazonaws.com": {"status": "Timeout"},
                }
            },
            "no server told the time",
        ),
        ("restart-pending", {"up_minutes": 9}, "the node started only 540 seconds ago"),
        (
            "restart-pending",
            {"registry": {f"{CBS}\\RebootInProgress": {}}},
            "servicing is finishing",
        ),
        ("restart-pending", {"registry_closed": True}, "the note of this restart cannot be"),
        (
            "datastore-damaged",
            {
                "dependents": {"wuauserv": ["Odd;'Name"]},
                "services": {
                    "wuauserv": ["Manual", "Running"],
                    "Odd;'Name": ["Auto", "Running"],
                },
            },
            "a service of an unusual name",
        ),
    ],
)
def test_what_speaks_against_a_remedy_is_said(name: str, more: dict[str, Any], why: str) -> None:
    assert refused(name, more).startswith(why)


# --- what goes wrong ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "more", "why"),
    [
        ("all-disabled", {"refuses": ["BITS"]}, "BITS: "),
        ("all-disabled", {"fails_to_start": ["CryptSvc"]}, "CryptSvc: "),
        ("store-repairable", {"restore": {"code": -2146498529}}, "DISM found no source"),
        (
            "store-repairable",
            {"restore": {"code": -2147024891}},
            "DISM could not repair the store: 0x80070005",
        ),
        (
            "store-repairable",
            {"restore": {"hangs": True, "heals": False}},
            "DISM could not repair the store: not done in time",
        ),
        ("store-repairable", {"restore": {"heals": False}}, "the store is still not healthy"),
        ("clock-ahead", {"resync": {"code": -2147023436, "corrects": False}}, "the time service"),
        (
            "clock-behind-and-service-stopped",
            {"fails_to_start": ["W32Time"]},
            "",
        ),
        ("datastore-damaged-services-running", {"stuck": ["wuauserv"]}, ""),
        ("disk-full", {"files": dict.fromkeys(DOWNLOADS)}, "still short of space"),
    ],
)
def test_what_went_wrong_is_said_and_is_not_called_done(
    name: str, more: dict[str, Any], why: str
) -> None:
    document, _, change = BROKEN[name]
    node = make(change, more)
    running = {n for n, (_, state) in node.services().items() if state == "Running"}
    result = treat(node, document)
    assert result.state == "failed"
    assert result.facts["why"].startswith(why) and len(result.facts["why"]) > 10
    # Whatever happened, what ran before runs again.
    after = {n for n, (_, state) in node.services().items() if state == "Running"}
    assert running <= after


def test_one_service_that_cannot_be_set_does_not_keep_the_others_off() -> None:
    document, _, change = BROKEN["all-disabled"]
    node = make(change, {"refuses": ["BITS"]})
    facts = treat(node, document).facts
    assert facts["changed"] == (
        "wuauserv=Disabled>Manual CryptSvc=Disabled>Automatic "
        "TrustedInstaller=Disabled>Manual msiserver=Disabled>Manual"
    )
    assert facts["undo"].startswith("Set-Service wuauserv -StartupType Disabled; ")
    assert facts["started"] == "CryptSvc"
    assert [n for n, (mode, _) in node.services().items() if mode == "Disabled"] == ["BITS"]


def test_only_the_listed_services_are_touched() -> None:
    document, _, change = BROKEN["all-disabled"]
    others = {"Spooler": ["Disabled", "Stopped"], "W32Time": ["Disabled", "Stopped"]}
    node = make(change, {"services": others})
    treat(node, document)
    assert node.services()["Spooler"] == ("Disabled", "Stopped")
    assert node.services()["W32Time"] == ("Disabled", "Stopped")


def test_a_repair_that_needs_a_restart_says_so_and_does_not_restart() -> None:
    document, _, change = BROKEN["store-repairable"]
    node = make(change, {"restore": {"code": 3010}, "scan_files": {"code": 1}})
    result = treat(node, document)
    assert result.state == "done"
    assert result.facts["dism_exit"] == "0x00000BC2"
    assert result.facts["sfc_exit"] == "0x00000001"
    assert "restart" not in node.changes


@pytest.mark.parametrize("name", ["store-repairable", "disk-full"])
def test_a_note_that_cannot_be_written_does_not_keep_these_from_helping(name: str) -> None:
    document, check, change = BROKEN[name]
    node = make(change, {"registry_closed": True})
    assert treat(node, document).state == "done"
    assert answer(node, check)["state"] == "ok"


@pytest.mark.parametrize("name", ["store-repairable", "clock-ahead"])
def test_a_program_that_cannot_be_started_is_a_failure_that_is_told(name: str) -> None:
    document, _, change = BROKEN[name]
    node = make(change, {"blocked": ["/RestoreHealth", "w32tm"]})
    assert treat(node, document).state == "failed"


# --- the reset ------------------------------------------------------------------------------------


def test_the_old_folders_are_kept_whole_and_what_ran_runs_again() -> None:
    document, _, change = BROKEN["datastore-damaged-services-running"]
    node = make(change)
    result = treat(node, document)
    stamp = NOW.strftime("%Y%m%d%H%M%S")
    kept = [f"{DATASTORE}.patchmedic-{stamp}", f"{CATALOGUE}.patchmedic-{stamp}"]
    assert result.facts["kept"] == " ".join(kept)
    assert f"{kept[0]}\\DataStore\\DataStore.edb" in node.paths()
    assert f"{kept[1]}\\edb.chk" in node.paths()
    running = {n for n, (_, state) in node.services().items() if state == "Running"}
    assert running >= {"wuauserv", "BITS", "CryptSvc", "AppIDSvc"}


def test_a_disabled_service_stays_so() -> None:
    document, _, change = BROKEN["datastore-damaged"]
    node = make(change, {"services": {"BITS": ["Disabled", "Stopped"]}})
    assert treat(node, document).state == "done"
    assert node.services()["BITS"] == ("Disabled", "Stopped")


def test_a_reset_that_did_not_help_is_not_made_again_the_same_day() -> None:
    document, check, change = BROKEN["datastore-damaged"]
    node = make(change)
    treat(node, document)
    assert answer(node, check)["state"] == "unknown"
    node.files[DATASTORE.casefold()] = (DATASTORE, {"folder": True, "broken": True})
    node.patch_run()
    assert answer(node, check)["state"] == "bad"
    result = treat(node, document)
    assert (result.state, result.facts["why"]) == ("refused", "the last reset did not help")
    assert node.changes == []
    node.advance(25 * 60)
    node.patch_run()
    assert treat(node, document).state == "done"


def test_services_that_a_run_left_stopped_long_ago_come_back_without_a_new_reset() -> None:
    document, _, change = BROKEN["datastore-damaged-services-running"]
    node = make(change)
    node.run(SCRIPTS[document], 6)
    assert node.services()["CryptSvc"][1] == "Stopped" or node.services()["BITS"][1] == "Stopped"
    node.advance(5 * 24 * 60)
    assert treat(node, document).state == "nothing-to-do"
    assert not [change for change in node.changes if change.startswith(("Rename", "Stop"))]
    assert {node.services()[n][1] for n in ("wuauserv", "BITS", "CryptSvc")} == {"Running"}


# --- the restart ----------------------------------------------------------------------------------


def test_the_first_pass_asks_the_agent_and_says_nothing_else() -> None:
    node = make(BROKEN["restart-pending"][2])
    text, code = node.run(SCRIPTS[REBOOT])
    assert (text, code) == (
        "The agent restarts the node now: component servicing, Windows Update\n",
        3010,
    )


def test_a_restart_that_did_not_help_is_told_and_not_repeated() -> None:
    node = make(BROKEN["restart-pending"][2])
    assert node.run(SCRIPTS[REBOOT])[1] == 3010
    node.restart(still_pending=True)
    text, code = node.run(SCRIPTS[REBOOT])
    result = parse_remedy(text)
    assert (code, result.state) == (0, "done")
    assert result.facts["still_there"] == "component servicing, Windows Update"
    for hours in (1, 12, 10):
        node.advance(hours * 60)
        assert treat(node, REBOOT).state == "refused"
        assert node.changes == []


def test_an_agent_that_does_not_restart_the_node_is_asked_twice_at_most() -> None:
    node = make(BROKEN["restart-pending"][2])
    codes = []
    for _ in range(4):
        codes.append(node.run(SCRIPTS[REBOOT])[1])
        node.advance(30)
    assert codes == [3010, 3010, 1, 1]


def test_a_restart_by_someone_else_is_not_taken_for_its_own() -> None:
    node = make(BROKEN["restart-pending"][2])
    node.run(SCRIPTS[REBOOT], 3)
    node.advance(3 * 24 * 60)
    node.restart(still_pending=True)
    node.advance(30)
    assert node.run(SCRIPTS[REBOOT])[1] == 3010


@pytest.mark.parametrize("junk", ["asked", "asked 2026 1", "x 20261122030000 1", "\0", "'; exit 0"])
def test_a_note_that_is_none_counts_for_nothing(junk: str) -> None:
    node = make(BROKEN["restart-pending"][2], {"registry": {NOTES: {"RebootNode": junk}}})
    assert node.run(SCRIPTS[REBOOT])[1] == 3010


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 3000), st.booleans(), st.booleans()), max_size=8))
def test_whatever_happens_between_there_is_one_restart_a_day_at_most(
    steps: list[tuple[int, bool, bool]],
) -> None:
    node = make(BROKEN["restart-pending"][2])
    restarts = []
    for minutes, obeys, helps in steps:
        if node.run(SCRIPTS[REBOOT])[1] == 3010 and obeys:
            restarts.append(node.now)
            node.restart(still_pending=not helps)
            assert node.run(SCRIPTS[REBOOT])[1] == 0
        node.advance(minutes)
    gaps = [(b - a).total_seconds() for a, b in pairwise(restarts)]
    assert all(gap >= 86400 for gap in gaps)


# --- what a remedy may use ------------------------------------------------------------------------

CMDLETS = {
    START: {"Set-Service", "Start-Service"},
    STORE: {"New-Item", "Set-ItemProperty"},
    CLOCK: {"Start-Service"},
    REBOOT: {"New-Item", "Set-ItemProperty"},
    RESET: {"New-Item", "Set-ItemProperty", "Stop-Service", "Start-Service", "Rename-Item"},
    SPACE: {"New-Item", "Set-ItemProperty", "Stop-Service", "Start-Service", "Remove-Item"},
}
PROGRAMS = {
    STORE: [
        "Invoke-Tool $Dism '/English /Online /Cleanup-Image /CheckHealth /NoRestart' $LookSeconds",
        "Invoke-Tool $Dism '/English /Online /Cleanup-Image /RestoreHealth /NoRestart'"
        " $RestoreSeconds",
        "Invoke-Tool (Join-Path $env:SystemRoot 'System32\\sfc.exe') '/scannow' $FilesSeconds",
    ],
    CLOCK: [
        "Invoke-Tool (Join-Path $env:SystemRoot 'System32\\w32tm.exe') '/resync /rediscover' 60"
    ],
}
"""The only programs that a remedy starts, with their only arguments."""
WRITING_VERBS = {
    *("Set", "New", "Remove", "Rename", "Stop", "Start", "Restart", "Move", "Copy", "Clear"),
    *("Add", "Out", "Export", "Install", "Uninstall", "Enable", "Disable", "Invoke", "Suspend"),
}
TYPES = {
    *(
        "Console",
        "DateTime",
        "Diagnostics.Process",
        "Diagnostics.Stopwatch",
        "Globalization.CultureInfo",
        "IO.File",
    ),
    *("IO.IOException", "Math", "Net.HttpWebRequest", "Net.WebException", "Net.WebRequest"),
    *("Text.Encoding", "Threading.Mutex", "Threading.WaitHandleCannotBeOpenedException"),
    *("TimeSpan", "int", "long", "regex", "string"),
}
STATICS = {
    *("Console::Out", "DateTime::Parse", "DateTime::ParseExact", "DateTime::UtcNow"),
    *(
        "Diagnostics.Process::Start",
        "Diagnostics.Stopwatch::StartNew",
        "Globalization.CultureInfo::InvariantCulture",
    ),
    *("IO.File::ReadAllText", "Math::Abs", "Math::Floor", "Math::Max", "Net.WebRequest::Create"),
    *("Text.Encoding::UTF8", "Threading.Mutex::OpenExisting", "TimeSpan::FromSeconds"),
    "regex::Matches",
}


def nodes(document: str, *kinds: str) -> list[Node]:
    return [node for node in everything(parse(SCRIPTS[document])) if node.type in kinds]


@pytest.mark.parametrize("document", REMEDIES)
def test_a_remedy_changes_by_nothing_but_its_own_cmdlets_and_programs(document: str) -> None:
    defined = {node.text for node in nodes(document, "function_name")}
    called = {node.text for node in nodes(document, "command_name")} - defined
    writing = {name for name in called if name.partition("-")[0] in WRITING_VERBS}
    assert writing - {"New-Object", "Start-Sleep"} == CMDLETS[document]
    started = [n.text for n in nodes(document, "command") if n.text.startswith("Invoke-Tool")]
    assert started == PROGRAMS.get(document, [])
    assert {n.text[1:-1] for n in nodes(document, "type_literal")} <= TYPES
    for node in nodes(document, "member_access", "invokation_expression"):
        thing, member = node.named[:2]
        if any(part.type == "::" for part in node.children):
            assert f"{thing.text[1:-1]}::{member.text}" in STATICS


@pytest.mark.parametrize("document", REMEDIES)
def test_a_remedy_reads_no_text_in_the_systems_language(document: str) -> None:
    """A message goes into the report as it is; nothing is decided by it."""
    for node in nodes(document, "comparison_expression"):
        operators = {part.text for part in node.children if part.type == "comparison_operator"}
        if operators - {"-join"}:
            assert "Message" not in node.text, node.text


def test_a_report_of_the_worst_node_can_be_read() -> None:
    document, _, change = BROKEN["all-disabled"]
    node = make(change, {"refuses": ["BITS", "wuauserv", "CryptSvc"]})
    text, _ = node.run(SCRIPTS[document])
    body = json.loads(text.splitlines()[1])
    assert body["remedy"] == "start-update-services"
    assert text.isascii() and all(len(value) <= 300 for value in body["facts"].values())
