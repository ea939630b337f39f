"""The evaluator against what Windows PowerShell is known to do, and what it must refuse.

Each line of the table is a fact of the language, of the kind that scripts stumble over.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.powershell.evaluator import Evaluator, Exit, Killed
from tests.powershell.node import RecordedNode, load
from tests.powershell.values import HashTable, Thrown, Unsupported

NODE = load("server-2019")


def output(script: str) -> list[Any]:
    return Evaluator(RecordedNode(NODE)).run(script)


FACTS: list[tuple[str, list[Any]]] = [
    # Output: everything that is not assigned goes out, lists come apart, $null stays.
    ("1; 'a'", [1, "a"]),
    ("@(1, 2)", [1, 2]),
    ("$x = 5", []),
    ("$null", [None]),
    ("function f { 1; 2; return 3; 4 }\nf", [1, 2, 3]),
    ("function f { $x = 1 }\nf", []),
    ("function f { @() }\n$x = f\n$null -eq $x", [True]),
    ("function f { @(7) }\n$x = f\n$x + 1", [8]),
    ("function f { @(7, 8) }\n$x = f\n$x.Count", [2]),
    ("function f { $null }\n@(f).Count", [1]),
    ("function f { if ($false) { 1 } }\n@(f).Count", [0]),
    ("$x = @(1)\n$x.Count", [1]),
    ("@(@(1, 2)).Count", [2]),
    ("$x = @{ a = 1 }\n@($x).Count", [1]),
    ("$x = 'a'\n$x.Count", [1]),
    # foreach over $null does nothing, the pipeline runs once.
    ("foreach ($x in $null) { 'once' }", []),
    ("@($null) | ForEach-Object { 'once' }", ["once"]),
    ("foreach ($x in 'ab') { $x }", ["ab"]),
    (
        "foreach ($x in @(1, 2, 3, 4)) { if ($x -eq 2) { continue }; if ($x -eq 4) { break }; $x }",
        [1, 3],
    ),
    # Text is compared without case; the left side decides the kind.
    ("'A' -eq 'a'", [True]),
    ("'10' -eq 10", [True]),
    ("10 -eq '10'", [True]),
    ("10 -eq 'x'", [False]),
    ("'' -eq $null", [False]),
    ("$null -eq ''", [False]),
    ("0 -eq ''", [True]),
    ("0 -ne ''", [False]),
    ("$true -eq 'x'", [True]),
    ("'9' -gt 10", [True]),
    ("9 -gt '10'", [False]),
    ("@('a', 'B') -contains 'b'", [True]),
    ("@('a') -notcontains 'c'", [True]),
    # Truth.
    ("if (@()) { 'y' } else { 'n' }", ["n"]),
    ("if (@(0)) { 'y' } else { 'n' }", ["n"]),
    ("if (@(0, 0)) { 'y' } else { 'n' }", ["y"]),
    ("if ('0') { 'y' } else { 'n' }", ["y"]),
    ("if (@{}) { 'y' } else { 'n' }", ["y"]),
    ("-not 'a'", [False]),
    ("-not $null", [True]),
    ("$false -or 'x'", [True]),
    ("-not $false -and $true", [True]),
    # Numbers.
    ("[int]2.5", [2]),
    ("[int]3.5", [4]),
    ("[int]-2.5", [-2]),
    ("[int]'12'", [12]),
    ("[int]$null", [0]),
    ("[long]'5' + 1", [6]),
    ("[int][char]'A'", [65]),
    ("7 / 2", [3.5]),
    ("8 / 2", [4]),
    ("[string](8 / 2)", ["4"]),
    ("[string]3.5", ["3.5"]),
    ("1 + '2'", [3]),
    ("'1' + 2", ["12"]),
    ("3 -band 2", [2]),
    ("192 -bor 3072", [3264]),
    ("[Math]::Floor(3.7)", [3.0]),
    ("[Math]::Max(0, -1)", [0]),
    ("'0x{0:X8}' -f -2147024894", ["0x80070002"]),
    ("'\\u{0:x4}' -f 233", ["\\u00e9"]),
    ("'{0}-{1}' -f 1, 'b'", ["1-b"]),
    # Strings.
    ("$x = 'b'\n\"a$x c\"", ["ab c"]),
    ("$x = 'b'\n'a$x'", ["a$x"]),
    ('$x = @(1, 2)\n"$x"', ["1 2"]),
    ("$x = 'n'\n\"${x}:443\"", ["n:443"]),
    ('"a`r`nb"', ["a\r\nb"]),
    ("'it''s'", ["it's"]),
    ("[string]$null", [""]),
    ("[string]$true", ["True"]),
    ("[string]@('a', 'b')", ["a b"]),
    ("'a,b' -split ','", ["a", "b"]),
    ("'a.b' -split '.'", ["", "", "", ""]),
    ("@('a', 'b') -join '-'", ["a-b"]),
    ("@() -join '-'", [""]),
    ("'AbA' -replace 'a', 'x'", ["xbx"]),
    ("'k=v' -replace '(\\w)=(\\w)', '$2=$1'", ["v=k"]),
    ("'abc'.Replace('B', 'x')", ["abc"]),
    ("'ABC'.StartsWith('a')", [False]),
    ("'a' -match 'A'", [True]),
    ("'a' -cnotmatch 'A'", [True]),
    ("if ('k=7' -match '(\\w)=(\\d)') { $Matches[2] }", ["7"]),
    ("if ('k' -match 'k(x)?') { $null -eq $Matches[1] }", [True]),
    ("'aXb' -match 'x'\n'zzz' -match 'q'\n$Matches[0]", [True, False, "X"]),
    # Tables: keys without case, a missing one is $null.
    ("$t = @{ Ab = 1 }\n$t['aB']", [1]),
    ("$t = @{ a = 1 }\n$null -eq $t['b']", [True]),
    ("$t = @{ a = 1 }\n$t.b = 2\n$t.Count", [2]),
    ("$t = @{ a = 1 }\n$t.a += 1\n$t.a", [2]),
    ("$t = @{}\n$t[1] = 'x'\n$t.ContainsKey(1)", [True]),
    # Lists.
    ("$x = @(1, 2, 3)\n$x[-1]", [3]),
    ("$x = @()\n$null -eq $x[-1]", [True]),
    ("$x = @()\n$x += 'a'\n$x += @('b', 'c')\n$x.Count", [3]),
    ("@(3, 1, 2) | Sort-Object", [1, 2, 3]),
    ("@('b', 'A') | Sort-Object", ["A", "b"]),
    ("@(1, 2, 3) | Select-Object -First 2", [1, 2]),
    ("@('a', 'A', 'a') | Select-Object -Unique", ["a", "A"]),
    ("@(1, 2, 3) | Where-Object { $_ -gt 1 } | ForEach-Object { $_ * 2 }", [4, 6]),
    # Scopes: a function sees its caller's variables and changes only its own.
    ("$x = 1\nfunction f { $x = 2 }\nf\n$x", [1]),
    ("function g { $y }\nfunction f { $y = 3; g }\nf", [3]),
    ("$x = 1\n& { $x = 2 }\n$x", [1]),
    ("$x = 0\n@(1, 2) | ForEach-Object { $x = $x + $_ }\n$x", [3]),
    ("$t = @{ n = 1 }\nfunction f { $t.n = 2 }\nf\n$t.n", [2]),
    ("function f([string]$A, [int]$B = 3) { $A + $B }\nf 'x'", ["x3"]),
    ("function f([string]$A) { $A.Length }\nf $null", [0]),
    # Errors.
    ("try { [int]'x' } catch { 'caught' }", ["caught"]),
    ("try { 'a'.Substring(5) } catch { $_.Exception.InnerException.Message.Length -gt 0 }", [True]),
    ("try { 1 } finally { 2 }", [1, 2]),
    ("try { [int]'x' } catch [Net.WebException] { 'no' } catch { 'yes' }", ["yes"]),
    ("$x = $null\ntry { $x.Trim() } catch { 'null' }", ["null"]),
    ("$x = $null\ntry { $x[0] } catch { 'null' }", ["null"]),
    # switch compares like -eq, and default runs when nothing fitted.
    ("switch ('B') {\n'b' { 1 }\ndefault { 2 }\n}", [1]),
    ("switch ('c') {\n'b' { 1 }\ndefault { 2 }\n}", [2]),
    ("function f { switch ('b') {\n'b' { return 1 }\n}\n2 }\nf", [1]),
    (
        "$x = $null\n[Uri]::TryCreate('http://h:8530', [UriKind]::Absolute, [ref]$x)\n$x.Host",
        [True, "h"],
    ),
    ("$x = $null\n[Uri]::TryCreate('h', [UriKind]::Absolute, [ref]$x)", [False]),
    ("[version]'3.10' -is [string]", [False]),
    ("([version]'3.10').CompareTo([version]'3.9')", [1]),
]


@pytest.mark.parametrize(("script", "expected"), FACTS)
def test_a_fact_of_the_language(script: str, expected: list[Any]) -> None:
    made = output(script)
    assert made == expected
    assert [type(value) for value in made] == [type(value) for value in expected]


REFUSED = [
    "$never",
    "Get-Process",
    "Remove-Item -LiteralPath 'C:\\x'",
    "$x = 'a'\n$x.Lenght",
    "[Math]::Sqrt(4)",
    "Test-Path -LiteralPath 'C:\\x' -PathType 'Leaf'",
    "$a ? 1 : 2",
    "@('a', 'b') -match 'a'",
    "@('a', 'b') -eq 'a'",
    "$null -lt 5",
    "'a' -clike 'A'",
    "$t = @{ a = 1 }\n$t.b",
    "$x = @(1)\n$x[0] = 2",
    "$env:X = 'y'",
    "$global:x = 1",
    "Test-Path -LiteralPath $x.Substring(1)",
    "function f($A) { $A }\nf 1 2",
    "'x' -match '(?<name>x)'",
    "throw 'x'",
    "while ($true) { $x = 1 }",
    "[IO.File]::WriteAllText('C:\\x', 'y')",
    "Get-ItemProperty 'HKLM:\\x'",
]


@pytest.mark.parametrize("script", REFUSED)
def test_what_is_not_known_is_refused(script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.powershell.evaluator.STEPS_MAX", 1000)
    with pytest.raises((Unsupported, AssertionError)):
        output(script)


def test_a_script_cannot_catch_a_refusal() -> None:
    with pytest.raises(Unsupported):
        output("try { Get-Process } catch { 'swallowed' }")


def test_exit_ends_everything() -> None:
    with pytest.raises(Exit) as end:
        output("function f { exit 2 }\ntry { f } catch { 'no' }\n'never'")
    assert end.value.code == 2


def test_what_a_method_throws_comes_wrapped() -> None:
    with pytest.raises(Thrown) as thrown:
        output("'a'.Substring(5)")
    assert thrown.value.error.type.endswith("MethodInvocationException")
    assert thrown.value.error.inner is not None


def test_dates_of_different_clocks_are_compared_as_they_stand() -> None:
    """As in .NET, where this is a classic mistake: a script that mixes them must show it."""
    node = RecordedNode(load("server-2016-ja"))
    made = Evaluator(node).run("([DateTime]::Now - [DateTime]::UtcNow).TotalHours")
    assert made == [9.0]


STAMP = "'yyyyMMddHHmmss', [Globalization.CultureInfo]::InvariantCulture)"


@pytest.mark.parametrize(
    ("script", "made"),
    [
        (f"[DateTime]::UtcNow.ToString({STAMP}", "20261122030000"),
        (f"[DateTime]::Now.ToString({STAMP}", "20261122120000"),
        # Of no kind: universal for ToLocalTime, local for ToUniversalTime.
        (f"[DateTime]::ParseExact('20261122030000', {STAMP}.ToLocalTime().ToString({STAMP}", None),
        (
            f"[DateTime]::ParseExact('20261122210000', {STAMP}.ToUniversalTime().ToString({STAMP}",
            None,
        ),
    ],
)
def test_stamps_and_clocks(script: str, made: str | None) -> None:
    node = RecordedNode(load("server-2016-ja"))
    assert Evaluator(node).run(script) == [made or "20261122120000"]


def test_a_process_that_is_ended_runs_nothing_more() -> None:
    """No catch and no finally, unlike after an error or an exit."""

    class Ending(RecordedNode):
        def c_start_sleep(self, *_: Any) -> list[Any]:
            raise Killed

    script = "try { try { Start-Sleep -Seconds 1 } catch { 'a' } finally { 'b' } } finally { 'c' }"
    run = Evaluator(Ending(NODE))
    with pytest.raises(Killed):
        run.run(script)
    assert run.output == []
    assert output(script.replace("Start-Sleep -Seconds 1", "''.Substring(1)")) == ["a", "b", "c"]


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.text("abAB", min_size=1, max_size=3), st.integers(), max_size=6))
def test_a_table_knows_no_case(items: dict[str, int]) -> None:
    table, plain = HashTable(), {}
    for key, value in items.items():
        table.set(key, value)
        plain[key.lower()] = value
    assert {key.lower(): table.get(key.upper()) for key in table.names()} == plain


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40).filter(lambda text: "\r" not in text))
def test_text_in_single_quotes_is_itself(text: str) -> None:
    quoted = text.replace("'", "''")
    # The grammar, like PowerShell, takes typographic quotes for plain ones.
    if any(mark in text for mark in "\u2018\u2019\u201a\u201b\0") or "\n" in text:
        return
    assert output(f"'{quoted}'") == [text]
