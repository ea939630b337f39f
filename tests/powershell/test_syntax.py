"""Every PowerShell script of the documents, read with a real grammar and held to closed lists.

Windows PowerShell 3.0 is the oldest that the scripts must run on, and a check may change nothing.
Both are kept by naming all that may be used: what is new is looked at by whoever adds it here.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.powershell.scripts import SCRIPTS
from tests.powershell.syntax import Node, everything, parse, problems

CHECKS = [name for name in SCRIPTS if name.startswith("Check-")]
REMEDIES = [name for name in SCRIPTS if name.startswith("Remedy-")]

STATEMENTS = {
    *("pipeline", "pipeline_chain", "if_statement", "foreach_statement", "while_statement"),
    *("switch_statement", "try_statement", "function_statement", "flow_control_statement"),
    "empty_statement",
}
"""No class, enum, using, trap, data, do, for: what version 3 lacks or ours do not need."""

NOT_IN_VERSION_3 = {
    *("class_statement", "enum_statement", "using_statement", "ternary_expression"),
    *("parallel_statement", "sequence_statement", "inlinescript_statement"),
}
OPERATORS = {
    *("-eq", "-ne", "-gt", "-ge", "-lt", "-le", "-match", "-notmatch", "-cnotmatch"),
    *("-contains", "-notcontains", "-replace", "-split", "-join", "-is", "-isnot"),
}

READING_CMDLETS = {
    *("Get-CimInstance", "Get-Content", "Get-Date", "Get-ExecutionPolicy", "Get-Item"),
    *("Get-ItemProperty", "Get-WinEvent", "Join-Path", "Split-Path", "Test-Path", "New-Object"),
    *("ConvertFrom-Json", "Select-Object", "Sort-Object", "Where-Object", "ForEach-Object"),
    "Start-Sleep",
}
"""All of Windows PowerShell 3.0; none changes anything."""

CHANGING_CMDLETS = {
    *("Get-Service", "Get-ChildItem", "Stop-Service", "Start-Service"),
    *("Rename-Item", "Remove-Item", "Set-Service", "New-Item", "Set-ItemProperty"),
}
"""For remedies only (Get-Service is there too: its objects can wait for a state); which of them
each remedy may use stands in ``test_remedies``."""

CHECK_TYPES = {
    *("BitConverter", "Console", "DateTime", "Diagnostics.Process", "Enum", "Environment"),
    *(
        "Globalization.CultureInfo",
        "Guid",
        "IO.File",
        "IO.IOException",
        "IO.Path",
        "Math",
        "Net.Dns",
    ),
    *("Net.HttpWebRequest", "Net.Security.RemoteCertificateValidationCallback"),
    *("Net.ServicePointManager", "Net.Sockets.SocketException", "Net.WebException"),
    *("Net.WebRequest", "PowerShell", "Security.Authentication.AuthenticationException"),
    *("Security.Authentication.SslProtocols", "Text.Encoding", "Uri", "UriKind"),
    *("char", "int", "long", "ref", "regex", "string", "version"),
}
CHECK_STATICS = {
    *("BitConverter::ToInt32", "Console::Error", "Console::Out", "DateTime::Now"),
    *("DateTime::Parse", "DateTime::ParseExact", "DateTime::UtcNow"),
    *("Diagnostics.Process::GetCurrentProcess", "Diagnostics.Process::Start"),
    *("Enum::ToObject", "Environment::Exit", "Globalization.CultureInfo::InvariantCulture"),
    *("Guid::NewGuid", "IO.File::Delete", "IO.File::ReadAllText", "IO.Path::GetTempPath"),
    *("Math::Abs", "Math::Floor", "Math::Max", "Math::Min"),
    *("Net.Dns::BeginGetHostAddresses", "Net.Dns::EndGetHostAddresses"),
    *("Net.ServicePointManager::SecurityProtocol", "Net.WebRequest::Create"),
    *("PowerShell::Create", "Text.Encoding::ASCII", "Text.Encoding::UTF8"),
    *("Uri::TryCreate", "UriKind::Absolute", "regex::Matches"),
}
CHECK_METHODS = {
    *("Add", "AddArgument", "AddDays", "AddHours", "AddScript", "AddSeconds", "Append"),
    *("AuthenticateAsClient", "BeginConnect", "BeginInvoke", "BeginRead", "Close"),
    *("CompareTo", "ContainsKey", "CreateUpdateSearcher", "EndConnect", "EndInvoke"),
    *("EndRead", "EndsWith", "Flush", "GetBytes", "GetResponse", "GetResponseStream"),
    *("GetStream", "GetString", "GetTotalHistoryCount", "IndexOf", "Kill", "QueryHistory"),
    *("Read", "ReadByte", "Remove", "Replace", "Seek", "StartsWith", "Substring"),
    *("ToCharArray", "ToLowerInvariant", "ToString", "ToUniversalTime", "ToUpperInvariant"),
    *("ToLocalTime", "ToXml", "Trim", "TrimEnd", "WaitOne", "Write", "WriteLine"),
}
CHECK_OBJECTS = {
    *("'Microsoft.Update.Session'", "'Microsoft.Update.Installer'", "PSObject"),
    *("Diagnostics.ProcessStartInfo", "IO.DriveInfo", "IO.FileStream", "IO.StreamReader"),
    *("Net.Security.SslStream", "Net.Sockets.TcpClient", "Net.WebProxy"),
    *("System.Text.StringBuilder", "byte[]", "char[]", "string"),
}


def of_type(script: str, *kinds: str) -> Iterator[Node]:
    return (node for node in everything(parse(script)) if node.type in kinds)


def breaches(script: str, *, check: bool) -> list[str]:
    """Everything that no list allows."""
    found = [f"syntax: {problem}" for problem in problems(parse(script))]
    defined = {node.text for node in of_type(script, "function_name")}
    called = {node.text for node in of_type(script, "command_name")}
    allowed = READING_CMDLETS | (set() if check else CHANGING_CMDLETS)
    found += [f"command {name}" for name in sorted(called - defined - allowed)]
    found += [f"never called: {name}" for name in sorted(defined - called)]
    for node in everything(parse(script)):
        if node.type.endswith("_statement") and node.type not in STATEMENTS:
            found.append(f"line {node.line}: {node.type}")
        if node.type in NOT_IN_VERSION_3 or node.type in ("redirection", "&&", "||", "?.", "?["):
            found.append(f"line {node.line}: {node.type}")
        if node.type == "comparison_operator" and node.text.casefold() not in OPERATORS:
            found.append(f"line {node.line}: {node.text}")
        if node.type == "command_invokation_operator" and node.text != "&":
            found.append(f"line {node.line}: {node.text}")
        if node.type == "command_name_expr" and not node.text.startswith("{"):
            found.append(f"line {node.line}: calls {node.text}")
        if node.type == "member_name" and node.text.casefold() in ("new", "where", "foreach"):
            found.append(f"line {node.line}: .{node.text}() is of a later version")
        if check:
            found += _of_a_check(node)
    return found


def _of_a_check(node: Node) -> Iterator[str]:
    if node.type == "type_literal" and node.text[1:-1] not in CHECK_TYPES:
        yield f"line {node.line}: {node.text}"
    if node.type in ("member_access", "invokation_expression"):
        thing, member = node.named[:2]
        if any(part.type == "::" for part in node.children):
            word = f"{thing.text[1:-1]}::{member.text}"
            if word not in CHECK_STATICS:
                yield f"line {node.line}: {word}"
        elif node.type == "invokation_expression" and member.text not in CHECK_METHODS:
            yield f"line {node.line}: .{member.text}()"
    if node.type == "command" and node.children[0].text == "New-Object":
        words = [part for part in node.children[1].named if part.type != "command_argument_sep"]
        words = [part for part in words if part.text != "-ComObject"]
        if words[0].text not in CHECK_OBJECTS:
            yield f"line {node.line}: New-Object {words[0].text}"


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_uses_nothing_but_what_is_on_the_lists(name: str) -> None:
    assert breaches(SCRIPTS[name], check=name in CHECKS) == []


@pytest.mark.parametrize("name", CHECKS)
def test_a_check_deletes_its_own_file_and_ends_its_own_program_only(name: str) -> None:
    calls = [n.text for n in of_type(SCRIPTS[name], "invokation_expression")]
    assert [c for c in calls if c.startswith("[IO.File]::Delete")] == ["[IO.File]::Delete($log)"]
    assert [c for c in calls if c.endswith(".Kill()")] == ["$process.Kill()"]
    # What it starts: one function does, and these two call it.
    assert len([c for c in calls if "Process]::Start(" in c]) == 1
    programs = [n.text for n in of_type(SCRIPTS[name], "command") if "Invoke-Program" in n.text]
    assert len(programs) == 2
    assert "'get-diagnostics --output json'" in programs[0]
    assert "'/English /Online /Cleanup-Image /CheckHealth " in programs[1]


@pytest.mark.parametrize("name", CHECKS)
def test_what_a_check_writes_to_the_network_is_the_one_line_to_a_proxy(name: str) -> None:
    calls = [n.text for n in of_type(SCRIPTS[name], "invokation_expression")]
    assert [c for c in calls if ".Write(" in c] == ["$stream.Write($line, 0, $line.Length)"]
    methods = {n.text for n in of_type(SCRIPTS[name], "string_literal")} & {
        *("'HEAD'", "'GET'", "'PUT'", "'POST'", "'DELETE'", "'PATCH'")
    }
    # PUT is how instance metadata hands out its token.
    assert methods == {"'HEAD'", "'GET'", "'PUT'"}


@pytest.mark.parametrize(
    "line",
    [
        "if ($x) { 'y",
        "function f {",
        "Remove-Item -LiteralPath 'C:\\x'",
        "Set-ItemProperty -Path 'HKLM:\\x' -Name 'y' -Value 1",
        "Stop-Service -Name 'wuauserv'",
        "[IO.File]::WriteAllText('C:\\x', 'y')",
        "$x.InstallUpdates()",
        "$y = New-Object -ComObject 'WScript.Shell'",
        "$y = [Text.StringBuilder]::new()",
        "class A { }",
        "$y = $x ? 1 : 2",
        "& $x",
        "& 'C:\\Windows\\System32\\cmd.exe'",
        "cmd /c dir",
        "'a' > 'C:\\x'",
        "$y = $x -in 'a', 'b'",
        "$y = $x.Where({ $_ })",
        "Get-ComputerInfo",
        "Get-Service -Name 'wuauserv'",
        "netsh winhttp set proxy x",
        "function Get-Unused { 1 }",
    ],
)
def test_what_is_not_allowed_is_noticed(line: str) -> None:
    assert breaches("$x = 1\n" + line + "\n", check=True)


def test_the_rules_let_plain_code_pass() -> None:
    script = "function Get-A { (Get-Date).AddDays(-1) }\n$x = Get-A\nif ($x) { [Math]::Abs(1) }\n"
    assert breaches(script, check=True) == []
