"""A Windows node that a remedy may change: services, files, registry, store, clock, restarts.

Here: stand-ins that keep state for the cmdlets and programs by which remedies change a node, each
change written down, and a process that can be ended before any of them.  Not here: what only looks
(``node``).
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from datetime import timedelta
from typing import Any

from tests.powershell.dotnet import Plain
from tests.powershell.evaluator import (
    NOTHING,
    CommandArguments,
    Evaluator,
    Killed,
    Runner,
)
from tests.powershell.node import (
    ProcessOutput,
    Recorded,
    RecordedNode,
    StartInfo,
    _key,
    merge,
)
from tests.powershell.values import (
    EnumValue,
    NetError,
    Record,
    Thrown,
    TypeName,
    Value,
    to_text,
)

SYSTEM = "C:\\Windows"
DATASTORE = f"{SYSTEM}\\SoftwareDistribution"
CATALOGUE = f"{SYSTEM}\\System32\\catroot2"
HELD_BY = {DATASTORE: "wuauserv", CATALOGUE: "CryptSvc"}
CBS = "HKLM:\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Component Based Servicing"
UPDATE = "HKLM:\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\WindowsUpdate\\Auto Update"
STATE = "C:\\ProgramData\\Amazon\\PatchBaselineOperations\\State"
RUNS = "C:\\ProgramData\\Amazon\\SSM\\InstanceData\\i-0123456789abcdef0\\document\\orchestration"
STORE_TEXTS = {
    "healthy": "No component store corruption detected.\nThe operation completed successfully.\n",
    "repairable": "The component store is repairable.\nThe operation completed successfully.\n",
    "corrupt": "The component store cannot be repaired.\n",
    "silent": "コンポーネント ストアは修復できます。\n",
}

MORE: Recorded = {
    "environment": {"AWS_SSM_REGION_NAME": "ap-northeast-1"},
    "registry": {
        "HKLM:\\SYSTEM\\CurrentControlSet\\Services\\W32Time\\Parameters": {
            "Type": "NTP",
            "NtpServer": "169.254.169.123,0x9",
        },
    },
    "services": {"W32Time": ["Manual", "Running"], "AppIDSvc": ["Manual", "Stopped"]},
    "files": {
        DATASTORE: {"folder": True},
        f"{DATASTORE}\\DataStore\\DataStore.edb": {"text": "x"},
        CATALOGUE: {"folder": True},
        f"{CATALOGUE}\\edb.chk": {"text": "x"},
    },
    "computer": {"DomainRole": 2, "PartOfDomain": False},
    "dependents": {"CryptSvc": ["AppIDSvc"]},
    "up_minutes": 3000,
    "msi": "absent",  # absent, free, busy
    "store": "healthy",
    "restore": {"code": 0},  # and hangs, or heals: false
    "scan_files": {"code": 0},
    "resync": {"code": 0, "corrects": True},
    "resync_waits": 0,  # how often the time service has heard from nobody yet
    "comes_back": 0,  # how often CryptSvc starts by itself when it was stopped
    "stuck": [],  # services that do not stop
    "blocked": [],  # programs that a policy does not let start
    "refuses": [],  # services that nobody may configure
    "fails_to_start": [],
    "registry_closed": False,
}
"""What a node has beside the recorded values, for remedies; healthy."""


def fault(kind: str, text: str) -> Thrown:
    return Thrown(NetError(kind, text))


class Program(ProcessOutput):
    """A started program that ends with a code."""

    def __init__(self, node: RecordedNode, recorded: Recorded) -> None:
        super().__init__(node, recorded)
        self.code = recorded.get("code", 0)

    def get(self, name: str) -> Value:
        return self.code if name.casefold() == "exitcode" else super().get(name)

    def call(self, name: str, arguments: list[Value]) -> Value:
        return True if name.casefold() == "waitforexit" else super().call(name, arguments)


class Stopwatch(Plain):
    """System.Diagnostics.Stopwatch: what the clock shows does not matter to it."""

    def get(self, name: str) -> Value:
        return 0 if name.casefold() == "elapsedmilliseconds" else super().get(name)


class ChangingNode(RecordedNode):
    """A recorded node with state; ``run`` may be called again and again."""

    def __init__(self, recorded: Recorded, *changes: Recorded) -> None:
        for change in (MORE, *changes):
            recorded = merge(recorded, change)
        super().__init__(deepcopy(recorded))
        self.changes: list[str] = []
        self.kill_before: int | None = None
        for _, entry in self.files.values():
            if "text" in entry:
                # Written once: it does not move along with the clock.
                entry["text"] = self._dated(entry["text"])
        self.boot(self.recorded["up_minutes"])

    # --- time and life ----------------------------------------------------------------------------

    def run(self, script: str, kill_before: int | None = None) -> tuple[str, int]:
        """One process from its beginning; ``kill_before`` ends it before that change."""
        self.evaluator = Evaluator(self)
        self.written, self.changes, self.kill_before = [], [], kill_before
        try:
            return super().run(script)
        except Killed:
            return "".join(self.written), -1

    def change(self, what: str) -> None:
        self.changes.append(what)
        if len(self.changes) == self.kill_before:
            raise Killed

    def advance(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)
        entries: list[Recorded] = [entry for _, entry in self.files.values()]
        for entry in [*entries, *self.recorded["events"], *self.recorded["processes"]]:
            entry["minutes"] = entry.get("minutes", 5000) + minutes

    def boot(self, minutes_ago: int) -> None:
        self.recorded["operating_system"]["LastBootUpTime"] = self.ago(minutes_ago)

    def restart(self, *, still_pending: bool = False) -> None:
        """As the agent does it: the system comes up, and what waited for that is done."""
        self.advance(4)
        self.boot(1)
        for state in self.recorded["services"].values():
            state[1] = "Running" if state[0] == "Auto" else "Stopped"
        if not still_pending:
            self.registry.pop(_key(f"{CBS}\\RebootPending"), None)
            self.registry.pop(_key(f"{UPDATE}\\RebootRequired"), None)

    def patch_run(self) -> None:
        """A patch run, which says what the datastore is like and repairs damaged state files."""
        self.advance(5)
        broken = any(
            entry.get("broken") for path, entry in self.files.values() if path == DATASTORE
        )
        text = "Searching for updates failed with 0x80248007.\n" if broken else "Found 0 updates.\n"
        folder = f"{RUNS}\\{len(self.files):08d}-2222-3333-4444-555555555555\\PatchWindows"
        self.add(folder, {"folder": True, "minutes": 0})
        self.add(f"{folder}\\_script.ps1", {"text": "x", "minutes": 1})
        self.add(f"{folder}\\stdout", {"text": text, "minutes": 0})
        self.add(f"{folder}\\stderr", {"text": "", "minutes": 0})
        for name in ("PatchStatesConfiguration.json", "PatchInventoryFromLastOperation.json"):
            self.add(f"{STATE}\\{name}", {"text": "{}", "minutes": 0})

    def add(self, path: str, entry: Recorded) -> None:
        self.files[_key(path)] = (path, entry)

    def services(self) -> dict[str, tuple[str, str]]:
        return {name: (mode, now) for name, (mode, now) in self.recorded["services"].items()}

    def paths(self) -> set[str]:
        return {path for path, _ in self.files.values()}

    # --- services ---------------------------------------------------------------------------------

    def _service(self, name: str) -> list[str]:
        services: dict[str, list[str]] = self.recorded["services"]
        for known, state in services.items():
            if known.casefold() == name.casefold():
                return state
        kind = "System.InvalidOperationException"
        raise fault(kind, f"サービス名 '{name}' のサービスが見つかりません。")

    def _controller(self, name: str) -> Record:
        state = self._service(name)

        def wait(wanted: str, limit: timedelta) -> Value:
            assert limit > timedelta(0)
            if state[1] != wanted:
                self.now += limit
                raise fault("System.ServiceProcess.TimeoutException", "タイムアウトしました。")
            return NOTHING

        others = self.recorded["dependents"].get(name, [])
        return Record(
            "ServiceController",
            {
                "Name": name,
                "Status": EnumValue("ServiceControllerStatus", state[1], 1),
                "DependentServices": [self._controller(other) for other in others],
            },
            {"WaitForStatus": wait},
        )

    def c_get_service(self, a: CommandArguments, given: Any, run: Runner) -> list[Value]:
        a.only("Name", "ErrorAction")
        try:
            return [self._controller(a.get("Name"))]
        except Thrown:
            if a.get("ErrorAction") == "SilentlyContinue":
                return []
            raise

    def c_stop_service(self, a: CommandArguments, given: Any, run: Runner) -> list[Value]:
        a.only("Name", "Force")
        name = a.get("Name")
        state = self._service(name)
        self.change(f"Stop-Service {name}")
        for other in self.recorded["dependents"].get(name, []):
            if self._service(other)[1] == "Running" and not a.get("Force"):
                raise fault("System.InvalidOperationException", f"{other} depends on {name}")
            self._service(other)[1] = "Stopped"
        if name not in self.recorded["stuck"]:
            state[1] = "Stopped"
        return []

    def c_start_service(self, a: CommandArguments, given: Any, run: Runner) -> list[Value]:
        a.only("Name")
        name = a.get("Name")
        state = self._service(name)
        if state[0] == "Disabled" or name in self.recorded["fails_to_start"]:
            raise fault("System.InvalidOperationException", f"サービス {name} を開始できません。")
        self.change(f"Start-Service {name}")
        state[1] = "Running"
        for folder, service in HELD_BY.items():
            if service == name and not self.exists(folder):
                self.add(folder, {"folder": True, "minutes": 0})
        return []

    def c_set_service(self, a: CommandArguments, given: Any, run: Runner) -> list[Value]:
        a.only("Name", "StartupType")
        name, kind = a.get("Name"), a.get("StartupType")
        state = self._service(name)
        if name in self.recorded["refuses"]:
            raise fault("System.InvalidOperationException", f"{name}: アクセスが拒否されました。")
        self.change(f"Set-Service {name} {kind}")
        state[0] = {"Automatic": "Auto", "Manual": "Manual"}[kind]
        return []

    # --- files and registry -----------------------------------------------------------------------

    def c_split_path(self, a: CommandArguments, given: Any, run: Runner) -> list[Value]:
        a.only("Leaf", positional=1)
        assert a.get("Leaf") is True
        return [to_text(a.positional[0]).rpartition("\\")[2]]

    def c_rename_item(self, a: CommandArguments, given: Any, run: Runner) -> list[Value]:
        a.only("LiteralPath", "NewName")
        old = a.get("LiteralPath")
        new = old.rpartition("\\")[0] + "\\" + a.get("NewName")
        holder = HELD_BY[old]
        if holder == "CryptSvc" and self.recorded["comes_back"] > 0:
            self.recorded["comes_back"] -= 1
            self._service("CryptSvc")[1] = "Running"
        if self._service(holder)[1] == "Running":
            raise fault("System.IO.IOException", f"パス '{old}' へのアクセスが拒否されました。")
        if self.exists(new):
            raise fault("System.IO.IOException", f"{new} is there already")
        self.change(f"Rename-Item {old.rpartition(chr(92))[2]}")
        for key, (path, entry) in list(self.files.items()):
            if key == _key(old) or key.startswith(_key(old) + "\\"):
                del self.files[key]
                self.add(new + path[len(old) :], entry)
        return []

    def c_get_childitem(self, a: CommandArguments, given: Any, run: Runner) -> list[Value]:
        a.only("LiteralPath", "Force")
        return list(self.glob(a.get("LiteralPath").rstrip("\\") + "\\*"))

    def c_remove_item(
        self, a: CommandArguments, given: list[Value] | None, run: Runner
    ) -> list[Value]:
        a.only("Recurse", "Force", "ErrorAction")
        assert a.get("ErrorAction") == "SilentlyContinue"
        for item in given or []:
            path = _key(item.get("FullName"))
            self.change(f"Remove-Item {item.get('FullName')}")
            if path.startswith(_key(DATASTORE)) and self._service("wuauserv")[1] == "Running":
                continue
            for key, (_, entry) in list(self.files.items()):
                if (key == path or key.startswith(path + "\\")) and not entry.get("locked"):
                    del self.files[key]
                    self.recorded["free_bytes"] += entry.get("length", 0)
        return []

    def c_new_item(self, a: CommandArguments, given: Any, run: Runner) -> list[Value]:
        a.only("Path")
        self._may_write()
        if self.exists(a.get("Path")):
            raise fault("System.IO.IOException", "A key in this path already exists.")
        self.change(f"New-Item {a.get('Path')}")
        self.registry[_key(a.get("Path"))] = {}
        return [Record("RegistryKey", {})]

    def c_set_itemproperty(self, a: CommandArguments, given: Any, run: Runner) -> list[Value]:
        a.only("LiteralPath", "Name", "Value")
        self._may_write()
        assert isinstance(a.get("Value"), str)
        key = self.registry.get(_key(a.get("LiteralPath")))
        if key is None:
            raise fault("System.Management.Automation.ItemNotFoundException", "no such key")
        self.change(f"Set-ItemProperty {a.get('Name')}")
        key[a.get("Name").casefold()] = a.get("Value")
        return []

    def _may_write(self) -> None:
        if self.recorded["registry_closed"]:
            kind = "System.UnauthorizedAccessException"
            raise fault(kind, "要求されたレジストリ アクセスは許可されていません。")

    # --- programs and the rest --------------------------------------------------------------------

    def _start(self, info: StartInfo) -> ProcessOutput:
        program = to_text(info.get("FileName")).rpartition("\\")[2]
        assert to_text(info.get("FileName")).startswith(f"{SYSTEM}\\System32\\") or (
            program == "ssm-cli.exe"
        )
        line = f"{program} {to_text(info.get('Arguments'))}"
        if "/CheckHealth" in line:
            return Program(self, {"text": STORE_TEXTS[self.recorded["store"]]})
        handlers: dict[str, Callable[[], Recorded]] = {
            "Dism.exe /English /Online /Cleanup-Image /RestoreHealth /NoRestart": self._restore,
            "sfc.exe /scannow": lambda: self.recorded["scan_files"],
            "w32tm.exe /resync /rediscover": self._resync,
        }
        if line not in handlers:
            return super()._start(info)
        if any(part in line for part in self.recorded["blocked"]):
            raise fault(
                "System.ComponentModel.Win32Exception", "このプログラムは、ポリシーによって"
            )
        self.change(line)
        return Program(self, handlers[line]())

    def _restore(self) -> Recorded:
        recorded: Recorded = self.recorded["restore"]
        if recorded["code"] in (0, 3010) and recorded.get("heals", True):
            self.recorded["store"] = "healthy"
        return {"text": "[====  20.0%\r" * 3000, **recorded}

    def _resync(self) -> Recorded:
        recorded: Recorded = self.recorded["resync"]
        if self._service("W32Time")[1] != "Running":
            return {"code": -2147023834}
        if self.recorded["resync_waits"] > 0:
            self.recorded["resync_waits"] -= 1
            return {"code": 1, "text": "時刻データが利用できなかったため、同期されませんでした。\n"}
        if recorded["corrects"]:
            self.recorded["skew_seconds"] = 0
        return recorded

    def type_call(self, kind: TypeName, name: str, arguments: list[Value]) -> Value:
        word = f"{kind.name}::{name}".casefold()
        if word == "diagnostics.stopwatch::startnew":
            return Stopwatch()
        if word != "threading.mutex::openexisting":
            return super().type_call(kind, name, arguments)
        assert arguments == ["Global\\_MSIExecute"]
        if self.recorded["msi"] == "absent":
            kind_of = "System.Threading.WaitHandleCannotBeOpenedException"
            raise fault(kind_of, "この名前のハンドルは存在しません。")
        free = self.recorded["msi"] == "free"
        methods: dict[str, Any] = {"WaitOne": lambda milliseconds: free, "Close": lambda: NOTHING}
        if free:
            methods["ReleaseMutex"] = lambda: NOTHING
        return Record("Mutex", {}, methods)

    def c_get_ciminstance(self, a: CommandArguments, given: Any, run: Runner) -> list[Value]:
        if a.get("ClassName") == "Win32_ComputerSystem":
            a.only("ClassName")
            return [Record("Win32_ComputerSystem", self.recorded["computer"])]
        return super().c_get_ciminstance(a, given, run)
