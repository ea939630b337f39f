"""A Windows node as recorded values: what cmdlets, registry, files, logs and the network answer.

Here: reading a scenario (nodes/*.yaml) and answering from it.  Not here: the language
(``evaluator``) or classes that are the same everywhere (``dotnet``).  What a scenario does not
record and a script asks for raises ``Unsupported``; only registry, files, services, processes and
events are closed worlds, in which what is not recorded is not there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from fnmatch import fnmatchcase
from functools import cmp_to_key
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from tests.powershell import dotnet
from tests.powershell.dotnet import Fields, Plain, WebProxy
from tests.powershell.evaluator import (
    NOTHING,
    CommandArguments,
    Evaluator,
    Exit,
    Runner,
    ScriptBlock,
)
from tests.powershell.values import (
    EnumValue,
    NetError,
    Record,
    Thrown,
    TypeName,
    Unsupported,
    Value,
    equal,
    order,
    to_bool,
    to_text,
    to_version,
)

FOLDER = Path(__file__).parent / "nodes"
NOW = datetime(2026, 11, 22, 3, 0, 0, tzinfo=UTC)

Recorded = dict[str, Any]


def load(name: str) -> Recorded:
    """A scenario with what it is based on."""
    raw = yaml.safe_load((FOLDER / f"{name}.yaml").read_text("utf-8"))
    base = raw.pop("base", None)
    return merge(load(base), raw) if base else raw


def merge(base: Recorded, change: Mapping[str, Any]) -> Recorded:
    """Tables are merged, everything else is replaced; ``null`` takes away."""
    made = deepcopy(base)
    for key, value in change.items():
        if value is None:
            made.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(made.get(key), dict):
            made[key] = merge(made[key], value)
        else:
            made[key] = deepcopy(value)
    return made


# --- small objects --------------------------------------------------------------------------------


@dataclass
class Handle(Plain):
    """An IAsyncResult: whether it is done within a time, and then what it gives."""

    done: bool
    result: Callable[[], Value]

    def get(self, name: str) -> Value:
        match name.casefold():
            case "asyncwaithandle":
                return Record("WaitHandle", {}, {"WaitOne": lambda milliseconds: self.done})
            case "iscompleted":
                return self.done
        return super().get(name)


class StartInfo(Fields):
    names = (
        *("FileName", "Arguments", "UseShellExecute", "CreateNoWindow"),
        "RedirectStandardOutput",
    )


class Request(Fields):
    """System.Net.HttpWebRequest."""

    names = ("Method", "Timeout", "ReadWriteTimeout", "AllowAutoRedirect", "Proxy", "ContentLength")

    def __init__(self, node: RecordedNode, url: str) -> None:
        super().__init__()
        self.node = node
        self.url = url

    def get(self, name: str) -> Value:
        if name.casefold() == "headers":
            return Record("WebHeaderCollection", {}, {"Add": lambda name, value: NOTHING})
        return super().get(name)

    def call(self, name: str, arguments: list[Value]) -> Value:
        if name.casefold() == "getresponse" and not arguments:
            # Set to $null: without one; never set: the system's.
            proxy = self.fields.get("proxy")
            return self.node.answer(self.fields["method"], self.url, proxy)
        return super().call(name, arguments)


@dataclass
class Response(Plain):
    recorded: Recorded

    def get(self, name: str) -> Value:
        match name.casefold():
            case "statuscode":
                return EnumValue(
                    "HttpStatusCode", str(self.recorded["code"]), self.recorded["code"]
                )
            case "headers":
                date = self.recorded.get("date", "")
                return Record("WebHeaderCollection", {}, {"get_Item": lambda key: date})
        return super().get(name)

    def call(self, name: str, arguments: list[Value]) -> Value:
        match name.casefold():
            case "getresponsestream":
                return self
            case "close":
                return NOTHING
        return super().call(name, arguments)


@dataclass
class Reader(Plain):
    text: str

    def call(self, name: str, arguments: list[Value]) -> Value:
        if name.casefold() == "read":
            buffer, start, length = arguments
            piece, self.text = self.text[:length], self.text[length:]
            buffer[start : start + len(piece)] = list(piece)
            return len(piece)
        return super().call(name, arguments)


class FileStream(Plain):
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def get(self, name: str) -> Value:
        return len(self.data) if name.casefold() == "length" else super().get(name)

    def call(self, name: str, arguments: list[Value]) -> Value:
        match name.casefold(), arguments:
            case "seek", [start, "Begin"]:
                self.at = int(start)
                return self.at
            case "read", [bytearray() as buffer, start, length]:
                piece = self.data[self.at : self.at + length]
                buffer[start : start + len(piece)] = piece
                self.at += len(piece)
                return len(piece)
            case "close", []:
                return NOTHING
        return super().call(name, arguments)


class ProcessOutput(Plain):
    """Standard output of a started program; also the process itself."""

    def __init__(self, node: RecordedNode, recorded: Recorded) -> None:
        self.node = node
        self.data = recorded.get("text", "").encode()
        self.hangs = recorded.get("hangs", False)
        self.killed = False

    def get(self, name: str) -> Value:
        if name.casefold() in ("standardoutput", "basestream"):
            return self
        return super().get(name)

    def call(self, name: str, arguments: list[Value]) -> Value:
        match name.casefold():
            case "kill":
                self.killed = True
                return NOTHING
            case "beginread":
                buffer, start, length = arguments[:3]
                # As a pipe does: in pieces.
                piece, rest = self.data[: min(length, 1000)], self.data[min(length, 1000) :]
                if self.hangs:
                    return Handle(False, lambda: 0)
                self.data = rest
                buffer[start : start + len(piece)] = piece
                return Handle(True, lambda: len(piece))
            case "endread":
                return arguments[0].result()
        return super().call(name, arguments)


class Connection(Plain):
    """System.Net.Sockets.TcpClient and its stream."""

    def __init__(self, node: RecordedNode) -> None:
        self.node = node
        self.reply = b""
        self.closed = False

    def put(self, name: str, value: Value) -> None:
        if name.casefold() not in ("receivetimeout", "sendtimeout"):
            super().put(name, value)

    def call(self, name: str, arguments: list[Value]) -> Value:
        match name.casefold():
            case "beginconnect":
                host, port = arguments[:2]
                state = self.node.recorded["tcp"].get(f"{host}:{port}")
                if state is None:
                    raise Unsupported(f"a connection to {host}:{port}")

                def connect() -> Value:
                    if state == "refused":
                        raise Thrown(socket_error(10061))
                    return NOTHING

                return Handle(state != "timeout", connect)
            case "endconnect":
                return arguments[0].result()
            case "getstream":
                return self
            case "write":
                head = bytes(arguments[0]).decode()
                assert head.startswith("CONNECT ") and head.endswith("\r\n\r\n")
                self.reply = self.node.recorded["connect_reply"].encode()
                return NOTHING
            case "readbyte":
                if not self.reply:
                    return -1
                first, self.reply = self.reply[0], self.reply[1:]
                return first
            case "close":
                self.closed = True
                return NOTHING
        return super().call(name, arguments)


class SecureStream(Plain):
    """System.Net.Security.SslStream: shows the recorded certificate to the script's block."""

    def __init__(self, node: RecordedNode, judge: ScriptBlock) -> None:
        self.node = node
        self.judge = judge
        self.protocol = ""

    def get(self, name: str) -> Value:
        if name.casefold() == "sslprotocol":
            return EnumValue("SslProtocols", self.protocol, 3072)
        return super().get(name)

    def call(self, name: str, arguments: list[Value]) -> Value:
        if name.casefold() != "authenticateasclient":
            return super().call(name, arguments)
        recorded = self.node.recorded["certificates"].get(arguments[0])
        if recorded is None:
            raise Unsupported(f"the certificate of {arguments[0]}")
        if "failure" in recorded:
            raise Thrown(
                NetError(recorded["failure"], "A call to SSPI failed, see inner exception.")
            )
        certificate = Record(
            "X509Certificate2",
            {
                "Issuer": recorded["issuer"],
                "NotBefore": self.node.ago(recorded.get("from_days", 100) * 1440),
                "NotAfter": self.node.ago(-recorded.get("until_days", 100) * 1440),
            },
        )
        chain = Record(
            "X509Chain",
            {
                "ChainStatus": [
                    Record("X509ChainStatus", {"Status": EnumValue("X509ChainStatusFlags", s, 1)})
                    for s in recorded.get("chain", [])
                ]
            },
        )
        errors = EnumValue("SslPolicyErrors", "", recorded.get("errors", 0))
        taken = self.node.evaluator.invoke_block(self.judge, ["sender", certificate, chain, errors])
        assert [to_bool(value) for value in taken] == [True], taken
        self.protocol = recorded.get("protocol", "Tls12")
        return NOTHING


class Shell(Plain):
    """System.Management.Automation.PowerShell: a script in a runspace of its own."""

    def __init__(self, node: RecordedNode) -> None:
        self.node = node
        self.script = ""
        self.arguments: list[Value] = []

    def call(self, name: str, arguments: list[Value]) -> Value:
        match name.casefold():
            case "addscript":
                self.script = arguments[0]
                return self
            case "addargument":
                self.arguments.append(arguments[0])
                return self
            case "begininvoke":
                look = self.script.rpartition("\n& {")[2]
                if any(mark in look for mark in self.node.recorded.get("hanging", [])):
                    return Handle(False, list)
                return Handle(True, self._run)
            case "endinvoke":
                return arguments[0].result()
        return super().call(name, arguments)

    def _run(self) -> Value:
        outer, self.node.evaluator = self.node.evaluator, Evaluator(self.node)
        try:
            return self.node.evaluator.run(self.script, self.arguments)
        finally:
            self.node.evaluator = outer


def socket_error(number: int) -> NetError:
    names = {
        10060: "TimedOut",
        10061: "ConnectionRefused",
        10054: "ConnectionReset",
        10051: "NetworkUnreachable",
        10065: "HostUnreachable",
        11001: "HostNotFound",
        11002: "TryAgain",
        11003: "NoRecovery",
        11004: "NoData",
    }
    code = EnumValue("SocketError", names[number], number)
    properties = {"ErrorCode": number, "SocketErrorCode": code}
    return NetError("System.Net.Sockets.SocketException", names[number], None, properties)


AUTHENTICATION = "System.Security.Authentication.AuthenticationException"


# --- the node -------------------------------------------------------------------------------------


class RecordedNode:
    """The host of an evaluator, answering from one scenario."""

    def __init__(self, recorded: Recorded) -> None:
        self.recorded = recorded
        self.now = NOW
        self.zone = timezone(timedelta(hours=recorded["zone_hours"]))
        self.written: list[str] = []
        self.deleted: list[str] = []
        self.asked: list[str] = []
        self.processes_asked = 0
        self.evaluator = Evaluator(self)
        self.registry = {
            _key(path): {name.casefold(): value for name, value in (values or {}).items()}
            for path, values in recorded["registry"].items()
        }
        self.files = {_key(path): (path, entry) for path, entry in recorded["files"].items()}

    def run(self, script: str) -> tuple[str, int]:
        """Standard output, and the code with which the process ends."""
        code = 0
        try:
            self.evaluator.run(script)
        except Exit as end:
            code = end.code
        left = "".join(to_text(line) + "\n" for line in self.evaluator.output)
        return "".join(self.written) + left, code

    def ago(self, minutes: float) -> datetime:
        """A local date, as most of Windows gives them."""
        return (self.now - timedelta(minutes=minutes)).astimezone(self.zone)

    # --- variables and types ----------------------------------------------------------------------

    def variable(self, name: str) -> Value:
        shell = self.recorded["powershell"]
        match name.casefold():
            case "executioncontext":
                mode = EnumValue("PSLanguageMode", shell["language_mode"], 0)
                state = Record("SessionState", {"LanguageMode": mode})
                return Record("EngineIntrinsics", {"SessionState": state})
            case "psversiontable":
                return Record("PSVersionTable", {"PSVersion": to_version(shell["version"])})
        raise Unsupported(f"${name} was never set")

    def environment(self, name: str) -> str | None:
        for key, value in self.recorded["environment"].items():
            if key.casefold() == name.casefold():
                return str(value)
        return None

    def type_member(self, kind: TypeName, name: str) -> Value:
        word = (kind.name.casefold().removeprefix("system."), name.casefold())
        match word:
            case ("datetime", "utcnow"):
                return self.now
            case ("datetime", "now"):
                return self.ago(0)
            case ("console", "out"):
                return Record(
                    "TextWriter", {}, {"WriteLine": self._write, "Flush": lambda: NOTHING}
                )
            case ("console", "error"):
                return Record("TextWriter", {}, {"WriteLine": lambda text: NOTHING})
        if word in dotnet.MEMBERS:
            return dotnet.MEMBERS[word]
        raise Unsupported(f"[{kind.name}]::{name}")

    def _write(self, text: Value) -> Value:
        self.written.append(to_text(text) + "\n")
        return NOTHING

    def type_call(self, kind: TypeName, name: str, arguments: list[Value]) -> Value:
        word = (kind.name.casefold().removeprefix("system."), name.casefold())
        match word, arguments:
            case ("powershell", "create"), []:
                return Shell(self)
            case ("environment", "exit"), [int() as code]:
                raise Exit(code)
            case ("net.webrequest", "create"), [url]:
                self.asked.append(to_text(url))
                return Request(self, to_text(url))
            case ("net.dns", "begingethostaddresses"), [name, None, None]:
                return self._resolve(to_text(name))
            case ("net.dns", "endgethostaddresses"), [Handle() as handle]:
                return handle.result()
            case ("diagnostics.process", "start"), [StartInfo() as info]:
                return self._start(info)
            case ("diagnostics.process", "getcurrentprocess"), []:
                return Record("Process", {"StartTime": self.ago(0.05)})
            case ("io.path", "gettemppath"), []:
                return "C:\\Windows\\TEMP\\"
            case ("guid", "newguid"), []:
                number = "0f8fad5b-d9cb-469f-a165-70867728950e"
                return Record("Guid", {}, {"ToString": lambda: number})
            case ("io.file", "delete"), [path]:
                self.deleted.append(to_text(path))
                return NOTHING
            case ("io.file", "readalltext"), [path]:
                return self._bytes(to_text(path)).decode("utf-8", "replace").removeprefix("\ufeff")
        return dotnet.call_type(kind, name, arguments)

    def _resolve(self, name: str) -> Handle:
        found = self.recorded["dns"].get(name, self.recorded["dns"].get("*"))
        if found is None:
            raise Unsupported(f"the address of {name}")
        if found == "hangs":
            return Handle(False, list)

        def result() -> Value:
            if isinstance(found, int):
                raise Thrown(socket_error(found))
            return [Record("IPAddress", {"IPAddressToString": item}) for item in found]

        return Handle(True, result)

    def _start(self, info: StartInfo) -> ProcessOutput:
        program = to_text(info.get("FileName")).rpartition("\\")[2]
        line = f"{program} {to_text(info.get('Arguments'))}"
        line = re.sub(r'/LogPath:"[^"]*patchmedic-check-[^"]*"', "/LogPath:TEMP", line)
        recorded = self.recorded["programs"].get(line)
        if recorded is None:
            raise Unsupported(f"the program {line}")
        assert info.get("UseShellExecute") is False
        return ProcessOutput(self, recorded)

    def cast(self, kind: TypeName, value: Value) -> Value:
        return dotnet.cast(kind, value)

    def get(self, thing: Value, name: str) -> Value:
        return dotnet.get(thing, name)

    def put(self, thing: Value, name: str, value: Value) -> None:
        if isinstance(thing, TypeName):
            if thing.is_one_of("Net.ServicePointManager") and name == "SecurityProtocol":
                return
            raise Unsupported(f"setting [{thing.name}]::{name}")
        dotnet.put(thing, name, value)

    def call(self, thing: Value, name: str, arguments: list[Value]) -> Value:
        return dotnet.call(thing, name, arguments, self.zone)

    def new(self, kind: str, arguments: list[Value]) -> Value:
        match kind.casefold().removeprefix("system."), arguments:
            case "text.stringbuilder", []:
                return dotnet.Builder()
            case "byte[]", [int() as size]:
                return bytearray(size)
            case "char[]", [int() as size]:
                return [""] * size
            case "string", [list() as letters, int() as start, int() as length]:
                return "".join(letters[start : start + length])
            case "io.driveinfo", [drive]:
                assert drive == "C:"
                return Record("DriveInfo", {"AvailableFreeSpace": self.recorded["free_bytes"]})
            case "io.filestream", [path, "Open", "Read", "ReadWrite"]:
                return FileStream(self._bytes(to_text(path)))
            case "io.streamreader", [Response() as response]:
                return Reader(response.recorded.get("text", ""))
            case "net.webproxy", [address]:
                found = dotnet.absolute(to_text(address))
                if not found:
                    text = "Invalid URI: The hostname could not be parsed."
                    raise Thrown(NetError("System.FormatException", text))
                return WebProxy(found)
            case "diagnostics.processstartinfo", []:
                return StartInfo()
            case "net.sockets.tcpclient", []:
                return Connection(self)
            case "net.security.sslstream", [Connection(), False, ScriptBlock() as judge]:
                return SecureStream(self, judge)
        raise Unsupported(f"New-Object {kind} with {len(arguments)} arguments")

    # --- the web ----------------------------------------------------------------------------------

    def answer(self, method: str, url: str, proxy: Value) -> Response:
        host = urlsplit(url).hostname
        web = self.recorded["web"]
        if isinstance(proxy, WebProxy):
            key = f"{proxy.address.get('host')}:{proxy.address.get('port')}"
            found = self.recorded["through"].get(key)
            if found is None:
                raise Unsupported(f"the proxy {key}")
            if found == "works":
                found = web.get(f"{method} {url}", web.get(host))
        else:
            found = web.get(f"{method} {url}", web.get(host))
        if found is None:
            raise Unsupported(f"{method} {url}")
        if "status" in found:
            raise Thrown(self._web_error(found))
        skew = timedelta(seconds=self.recorded.get("skew_seconds", 0))
        date = (self.now - skew).strftime("%a, %d %b %Y %H:%M:%S GMT")
        response = Response({"date": date, **found})
        if found["code"] >= 400:
            # .NET throws for these; the answer comes along.
            status = EnumValue("WebExceptionStatus", "ProtocolError", 7)
            properties = {"Status": status, "Response": response}
            raise Thrown(NetError("System.Net.WebException", "remote error", None, properties))
        return response

    def _web_error(self, found: Recorded) -> NetError:
        inner = None
        if "socket" in found:
            inner = socket_error(found["socket"])
        if found.get("authentication"):
            inner = NetError(AUTHENTICATION, "The remote certificate is invalid.")
        status = EnumValue("WebExceptionStatus", found["status"], 1)
        # In the language of the system: no script may read it.
        text = self.recorded.get("web_error_text", "Unable to connect to the remote server")
        properties = {"Status": status, "Response": None}
        return NetError("System.Net.WebException", text, inner, properties)

    # --- registry and files -----------------------------------------------------------------------

    def exists(self, path: str) -> bool:
        if path.upper().startswith(("HKLM:", "REGISTRY::")):
            here = _key(path)
            return any(key == here or key.startswith(here + "\\") for key in self.registry)
        here = _key(path)
        return any(key == here or key.startswith(here + "\\") for key in self.files)

    def _bytes(self, path: str) -> bytes:
        found = self.files.get(_key(path))
        if found is None or found[1].get("folder"):
            raise Thrown(NetError("System.IO.FileNotFoundException", f"Could not find {path}"))
        entry = found[1]
        if entry.get("locked"):
            raise Thrown(NetError("System.IO.IOException", f"{path} is used by another process"))
        if entry.get("forbidden"):
            kind = "System.UnauthorizedAccessException"
            raise Thrown(NetError(kind, f"Access to the path '{path}' is denied."))
        text = self._dated(entry.get("text", ""))
        padding: int = entry.get("padding", 0)
        return text.encode() + b"x" * padding

    def _dated(self, text: str) -> str:
        """@123m@ in a recorded log is the local time that many minutes ago."""
        return re.sub(
            r"@(\d+)m@", lambda m: self.ago(int(m[1])).strftime("%Y-%m-%d %H:%M:%S"), text
        )

    def item(self, path: str) -> Record:
        found = self.files.get(_key(path))
        if found is None:
            if not self.exists(path):
                raise Unsupported(f"Get-Item {path}, which is not there")
            found = (path, {})
        full, entry = found
        written = self.now - timedelta(minutes=entry.get("minutes", 5000))
        properties: Recorded = {"FullName": full, "LastWriteTimeUtc": written}
        if not entry.get("folder"):
            properties["Length"] = entry.get("length", len(self._dated(entry.get("text", ""))))
        if "version" in entry:
            properties["VersionInfo"] = Record(
                "FileVersionInfo", {"ProductVersion": entry["version"]}
            )
        return Record("FileInfo", properties)

    def glob(self, wanted: str) -> list[Record]:
        """Files and folders by a pattern, folders that only hold something included."""
        parts = wanted.casefold().split("\\")
        names: dict[str, str] = {}
        for full, _ in self.files.values():
            pieces = full.split("\\")
            for end in range(1, len(pieces) + 1):
                path = "\\".join(pieces[:end])
                names.setdefault(_key(path), path)
        found = []
        for key in sorted(names):
            mine = key.split("\\")
            if len(mine) == len(parts) and all(map(fnmatchcase, mine, parts)):
                found.append(self.item(names[key]))
        return found

    # --- cmdlets ----------------------------------------------------------------------------------

    def cmdlet(
        self, name: str, arguments: CommandArguments, given: list[Value] | None, run: Runner
    ) -> list[Value]:
        handler = getattr(self, "c_" + name.casefold().replace("-", "_"), None)
        if handler is None:
            raise Unsupported(f"the command {name}")
        result: list[Value] = handler(arguments, given, run)
        return result

    def c_join_path(self, a: CommandArguments, given: Any, run: Runner) -> list[Value]:
        a.only(positional=2)
        parent, leaf = (to_text(part) for part in a.positional)
        return [parent.rstrip("\\") + "\\" + leaf.lstrip("\\")]

    def c_test_path(self, a: CommandArguments, given: Any, run: Runner) -> list[Value]:
        a.only("LiteralPath", "Path")
        path = a.get("LiteralPath") or a.get("Path")
        if "*" in path:
            raise Unsupported("Test-Path with a pattern")
        return [self.exists(path)]

    def c_get_itemproperty(self, a: CommandArguments, given: Any, run: Runner) -> list[Value]:
        a.only("Path", "Name", "ErrorAction")
        assert a.get("ErrorAction") == "Stop"
        values = self.registry.get(_key(a.get("Path")), {})
        name = a.get("Name").casefold()
        if name not in values:
            kind = "System.Management.Automation.PSArgumentException"
            raise Thrown(NetError(kind, f"Property {name} does not exist"))
        value = values[name]
        if isinstance(value, dict):  # {"hex": ...}: REG_BINARY
            value = bytearray.fromhex(value["hex"])
        return [Record("PSCustomObject", {a.get("Name"): value})]

    def c_get_item(self, a: CommandArguments, given: Any, run: Runner) -> list[Value]:
        a.only("LiteralPath", "Path", "ErrorAction")
        if a.get("LiteralPath"):
            return [self.item(a.get("LiteralPath"))]
        assert a.get("ErrorAction") == "SilentlyContinue"
        paths = a.get("Path")
        return [
            found
            for path in ([paths] if isinstance(paths, str) else paths)
            for found in self.glob(path)
        ]

    def c_get_content(self, a: CommandArguments, given: Any, run: Runner) -> list[Value]:
        a.only("LiteralPath")
        return list(self._bytes(a.get("LiteralPath")).decode().splitlines())

    def c_new_object(self, a: CommandArguments, given: Any, run: Runner) -> list[Value]:
        a.only("ComObject", "Property", positional=2)
        if a.get("ComObject"):
            return [self._com(a.get("ComObject"))]
        kind, *rest = a.positional
        if a.get("Property") is not None:
            assert kind == "PSObject"
            table = a.get("Property")
            return [Record("PSObject", {key: table.get(key) for key in table.names()})]
        values = rest[0] if rest and isinstance(rest[0], list) else rest
        value = self.new(kind, values)
        return [value]

    def _com(self, name: str) -> Record:
        recorded = self.recorded["com"]
        if "failure" in recorded:
            kind = "System.Runtime.InteropServices.COMException"
            raise Thrown(NetError(kind, recorded["failure"]))
        if name == "Microsoft.Update.Installer":
            return Record(name, {"IsBusy": recorded["busy"]})
        if name != "Microsoft.Update.Session":
            raise Unsupported(f"the COM object {name}")
        entries = [
            Record(
                "IUpdateHistoryEntry",
                {
                    "Operation": entry.get("operation", 1),
                    "ResultCode": entry["result"],
                    # Signed, as COM gives it.
                    "HResult": entry.get("hresult", 0),
                    "Title": entry["title"],
                    "Date": (self.now - timedelta(minutes=entry["minutes"])).replace(tzinfo=None),
                },
            )
            for entry in recorded["history"]
        ]

        def query(start: int, count: int) -> list[Record]:
            assert start == 0 and count > 0
            return entries[:count]

        searcher = Record(
            "IUpdateSearcher",
            {},
            {"GetTotalHistoryCount": lambda: len(entries), "QueryHistory": query},
        )
        return Record(name, {}, {"CreateUpdateSearcher": lambda: searcher})

    def c_get_ciminstance(self, a: CommandArguments, given: Any, run: Runner) -> list[Value]:
        a.only("ClassName", "Filter")
        kind, condition = a.get("ClassName"), a.get("Filter")
        if kind == "Win32_OperatingSystem" and condition is None:
            return [Record(kind, self.recorded["operating_system"])]
        if kind == "Win32_NetworkAdapterConfiguration" and condition == "IPEnabled = TRUE":
            return [Record(kind, adapter) for adapter in self.recorded["adapters"]]
        names = [
            name.casefold()
            for name in re.findall(r"Name = '([A-Za-z0-9.-]+)'(?: OR )?", condition or "")
        ]
        if " OR ".join(f"Name = '{n}'" for n in names) != (condition or "").lower().replace(
            "name =", "Name ="
        ).replace(" or ", " OR "):
            raise Unsupported(f"the filter {condition}")
        if kind == "Win32_Service":
            return [
                Record(kind, {"Name": name, "StartMode": state[0], "State": state[1]})
                for name, state in self.recorded["services"].items()
                if name.casefold() in names
            ]
        if kind != "Win32_Process":
            raise Unsupported(f"the class {kind}")
        return [
            Record(
                kind,
                {
                    "Name": entry["name"],
                    "ProcessId": entry["id"],
                    "CommandLine": entry.get("line"),
                    "CreationDate": self.ago(entry.get("minutes", 10)),
                    "KernelModeTime": entry.get("busy", 0)
                    * int((self.now - NOW).total_seconds())
                    * 10_000_000,
                    "UserModeTime": 0,
                },
            )
            for entry in self.recorded["processes"]
            if entry["name"].casefold() in names
        ]

    def c_get_winevent(self, a: CommandArguments, given: Any, run: Runner) -> list[Value]:
        a.only("FilterHashtable", "MaxEvents", "ErrorAction")
        assert a.get("ErrorAction") == "SilentlyContinue"
        wanted = a.get("FilterHashtable")
        allowed = {"logname", "providername", "id", "level", "starttime"}
        if {key.casefold() for key in wanted.names()} - allowed:
            raise Unsupported("this filter of events")

        def fits(entry: Recorded) -> bool:
            for key, value in (("id", entry["id"]), ("level", entry.get("level", 4))):
                asked = wanted.get(key)
                if asked is not None and value not in (
                    asked if isinstance(asked, list) else [asked]
                ):
                    return False
            since: datetime = wanted.get("StartTime")
            where = (entry["log"], entry["provider"])
            return (
                where == (wanted.get("LogName"), wanted.get("ProviderName"))
                and self.ago(entry["minutes"]) >= since
            )

        # Newest first, as Windows gives them.
        found = sorted(filter(fits, self.recorded["events"]), key=lambda e: float(e["minutes"]))
        return [self._event(entry) for entry in found[: a.get("MaxEvents")]]

    def _event(self, entry: Recorded) -> Record:
        xml = entry.get("xml", "<Event/>")
        return Record(
            "EventLogRecord",
            {
                "Id": entry["id"],
                "TimeCreated": self.ago(entry["minutes"]),
                "ProviderName": entry["provider"],
                "Message": entry.get("message", ""),
            },
            {"ToXml": lambda: xml},
        )

    def c_get_date(self, a: CommandArguments, given: Any, run: Runner) -> list[Value]:
        a.only()
        return [self.ago(0)]

    def c_start_sleep(self, a: CommandArguments, given: Any, run: Runner) -> list[Value]:
        a.only("Seconds", "Milliseconds")
        self.now += timedelta(seconds=a.get("Seconds", 0), milliseconds=a.get("Milliseconds", 0))
        return []

    def c_convertfrom_json(self, a: CommandArguments, given: Any, run: Runner) -> list[Value]:
        a.only("InputObject")
        try:
            value = json.loads(a.get("InputObject"))
        except ValueError as error:
            text = "Invalid JSON primitive: ."
            raise Thrown(NetError("System.ArgumentException", text)) from error
        return [_from_json(value)]

    def c_get_executionpolicy(self, a: CommandArguments, given: Any, run: Runner) -> list[Value]:
        a.only("List")
        return [
            Record(
                "PSCustomObject",
                {
                    "Scope": EnumValue("ExecutionPolicyScope", scope, 0),
                    "ExecutionPolicy": EnumValue("ExecutionPolicy", policy, 0),
                },
            )
            for scope, policy in self.recorded["powershell"]["policies"].items()
        ]

    def c_where_object(
        self, a: CommandArguments, given: list[Value] | None, run: Runner
    ) -> list[Value]:
        a.only(positional=1)
        (block,) = a.positional
        kept = []
        for item in given or []:
            answer = run(block, [], item)
            if to_bool(answer[0] if len(answer) == 1 else answer):
                kept.append(item)
        return kept

    def c_foreach_object(
        self, a: CommandArguments, given: list[Value] | None, run: Runner
    ) -> list[Value]:
        a.only(positional=1)
        (block,) = a.positional
        return [value for item in given or [] for value in run(block, [], item)]

    def c_select_object(
        self, a: CommandArguments, given: list[Value] | None, run: Runner
    ) -> list[Value]:
        a.only("First", "Unique")
        items = list(given or [])
        if a.get("Unique"):
            kept: list[Value] = []
            for item in items:
                # Unlike -eq, it minds case.
                if not any(equal(other, item, exact=True) for other in kept):
                    kept.append(item)
            items = kept
        first = a.get("First")
        return items if first is None else items[:first]

    def c_sort_object(
        self, a: CommandArguments, given: list[Value] | None, run: Runner
    ) -> list[Value]:
        a.only("Property", "Descending")
        name = a.get("Property")

        def key(item: Value) -> Value:
            return item if name is None else self.get(item, name)

        # Windows PowerShell promises no order among equals; ours must not need one.
        compare = cmp_to_key(lambda one, two: order(key(one), key(two)))
        return sorted(given or [], key=compare, reverse=bool(a.get("Descending")))


def _from_json(value: Any) -> Value:
    if isinstance(value, dict):
        return Record("PSCustomObject", {k: _from_json(v) for k, v in value.items()})
    return [_from_json(item) for item in value] if isinstance(value, list) else value


def _key(path: str) -> str:
    return path.replace("Registry::HKEY_USERS", "HKU:").casefold().rstrip("\\")
