"""PowerShell's values and how they turn into one another, as far as our scripts need it.

Here: hash tables, errors, type names, conversion and comparison.  Not here: syntax (``evaluator``)
and anything that a node would answer (``node``).  What is not known here raises ``Unsupported``,
which no script can catch: an evaluator that guesses would prove nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

Value = Any
"""None, bool, int, float, str, list, bytearray, datetime, timedelta, or one of the classes here."""


class Unsupported(Exception):
    """The script uses something that this evaluator does not know; never caught by a script."""


class Char(str):
    """One character of .NET: a number when asked for one, else text."""


class HashTable:
    """A table whose text keys are the same whatever their case; order is not promised."""

    def __init__(self) -> None:
        self._items: dict[Value, tuple[Value, Value]] = {}

    @staticmethod
    def _key(key: Value) -> Value:
        if key is None:
            raise Thrown(NetError("System.ArgumentNullException", "Index operation failed"))
        return key.casefold() if isinstance(key, str) else key

    def get(self, key: Value) -> Value:
        return self._items.get(self._key(key), (None, None))[1]

    def set(self, key: Value, value: Value) -> None:
        old = self._items.get(self._key(key))
        self._items[self._key(key)] = (old[0] if old else key, value)

    def remove(self, key: Value) -> None:
        self._items.pop(self._key(key), None)

    def __contains__(self, key: Value) -> bool:
        return self._key(key) in self._items

    def __len__(self) -> int:
        return len(self._items)

    def names(self) -> list[Value]:
        return [key for key, _ in self._items.values()]

    def values(self) -> Iterator[Value]:
        return iter([value for _, value in self._items.values()])


@dataclass
class Record:
    """An object with properties: what a cmdlet or a COM interface gives.  Reading only."""

    type: str
    properties: dict[str, Value]
    methods: dict[str, Any] = field(default_factory=dict)

    def get(self, name: str) -> Value:
        for key, value in self.properties.items():
            if key.casefold() == name.casefold():
                return value
        raise Unsupported(f"{self.type} has no property {name} here")

    def call(self, name: str, arguments: list[Value]) -> Value:
        for key, method in self.methods.items():
            if key.casefold() == name.casefold():
                return method(*arguments)
        raise Unsupported(f"{self.type} has no method {name} here")


FAMILY = {
    "System.Net.WebException": "System.InvalidOperationException",
    "System.Net.Sockets.SocketException": "System.ComponentModel.Win32Exception",
    "System.Security.Authentication.AuthenticationException": "System.SystemException",
    "System.IO.FileNotFoundException": "System.IO.IOException",
    "System.IO.IOException": "System.SystemException",
    "System.UnauthorizedAccessException": "System.SystemException",
    "System.ComponentModel.Win32Exception": "System.SystemException",
    "System.Runtime.InteropServices.COMException": "System.SystemException",
    "System.ArgumentNullException": "System.ArgumentException",
    "System.ArgumentException": "System.SystemException",
    "System.FormatException": "System.SystemException",
    "System.InvalidOperationException": "System.SystemException",
    "System.SystemException": "System.Exception",
    "System.Threading.WaitHandleCannotBeOpenedException": "System.ApplicationException",
    "System.ApplicationException": "System.Exception",
    "System.ServiceProcess.TimeoutException": "System.SystemException",
    "System.Management.Automation.MethodInvocationException": "System.Exception",
    "System.Management.Automation.RuntimeException": "System.SystemException",
    "System.Management.Automation.ItemNotFoundException": "System.Exception",
    "System.Management.Automation.PSArgumentException": "System.ArgumentException",
    "System.Management.Automation.PSInvalidCastException": "System.SystemException",
    "System.Exception": "",
}


@dataclass
class NetError:
    """An exception of .NET: its type, message, and what it was caused by."""

    type: str
    message: str
    inner: NetError | None = None
    properties: dict[str, Value] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.type not in FAMILY:
            raise Unsupported(f"the exception {self.type}")

    def is_a(self, name: str) -> bool:
        kind = self.type
        while kind:
            if kind.casefold() in (name.casefold(), "system." + name.casefold()):
                return True
            kind = FAMILY[kind]
        return False

    def get(self, name: str) -> Value:
        if name.casefold() == "message":
            return self.message
        if name.casefold() == "innerexception":
            return self.inner
        for key, value in self.properties.items():
            if key.casefold() == name.casefold():
                return value
        raise Unsupported(f"{self.type} has no property {name} here")


class Thrown(Exception):
    """An error that a script may catch."""

    def __init__(self, error: NetError) -> None:
        super().__init__(error.message)
        self.error = error


@dataclass(frozen=True)
class TypeName:
    """``[Net.WebException]`` and its like."""

    name: str

    def is_one_of(self, *names: str) -> bool:
        plain = self.name.casefold().removeprefix("system.")
        return plain in {name.casefold().removeprefix("system.") for name in names}


@dataclass(frozen=True)
class EnumValue:
    """A value of an enumeration: a name for text, a number for arithmetic."""

    type: str
    name: str
    number: int


@dataclass(frozen=True)
class Version:
    """System.Version."""

    parts: tuple[int, ...]

    def text(self) -> str:
        return ".".join(map(str, self.parts))

    def key(self) -> tuple[int, ...]:
        return self.parts + (-1,) * (4 - len(self.parts))


def failed_cast(value: Value, wanted: str) -> Thrown:
    text = f'Cannot convert value "{value}" to type "{wanted}".'
    return Thrown(NetError("System.Management.Automation.PSInvalidCastException", text))


# --- conversion -----------------------------------------------------------------------------------


def to_text(value: Value) -> str:
    """What ``[string]`` and a string with variables in it make of a value."""
    match value:
        case None:
            return ""
        case bool():
            return "True" if value else "False"
        case str():
            return str(value)
        case int():
            return str(value)
        case float():
            if value != value or abs(value) >= 1e15 or (value and abs(value) < 1e-4):
                raise Unsupported(f"the number {value!r} as text")
            return str(int(value)) if value == int(value) else repr(value)
        case list() | bytearray():
            return " ".join(to_text(item) for item in value)
        case EnumValue():
            return value.name
        case Version():
            return value.text()
        case HashTable():
            return "System.Collections.Hashtable"
    source = getattr(value, "source", None)
    if isinstance(source, str):
        return source
    raise Unsupported(f"{type(value).__name__} as text")


def to_bool(value: Value) -> bool:
    match value:
        case None:
            return False
        case bool():
            return value
        case int() | float():
            return value != 0
        case str():
            return len(value) > 0
        case list() | bytearray():
            if len(value) == 0:
                return False
            return to_bool(value[0]) if len(value) == 1 else True
        case EnumValue():
            return value.number != 0
    return True


_NUMBER = re.compile(r"\s*([+-]?\d+(\.\d*)?|[+-]?\.\d+)([eE][+-]?\d+)?\s*")
_HEX = re.compile(r"\s*0[xX]([0-9a-fA-F]+)\s*")


def to_number(value: Value) -> int | float:
    match value:
        case None:
            return 0
        case bool():
            return int(value)
        case Char():
            return ord(value)
        case int() | float():
            return value
        case EnumValue():
            return value.number
        case str():
            if value == "":
                return 0
            if found := _HEX.fullmatch(value):
                return int(found[1], 16)
            found = _NUMBER.fullmatch(value)
            if not found:
                raise failed_cast(value, "System.Int32")
            return float(value) if found[2] or found[3] or "." in value else int(value)
    raise Unsupported(f"{type(value).__name__} as a number")


def to_integer(value: Value, bits: int = 32) -> int:
    """``[int]`` and ``[long]``: halves go to the even neighbour."""
    number = to_number(value)
    whole = int(Decimal(number).quantize(Decimal(1), rounding=ROUND_HALF_EVEN))
    if not -(2 ** (bits - 1)) <= whole < 2 ** (bits - 1):
        raise failed_cast(value, f"System.Int{bits}")
    return whole


def to_version(value: Value) -> Version:
    if isinstance(value, Version):
        return value
    if not re.fullmatch(r"\d+(\.\d+){1,3}", to_text(value)):
        raise failed_cast(value, "System.Version")
    return Version(tuple(map(int, to_text(value).split("."))))


# --- comparison -----------------------------------------------------------------------------------


def equal(left: Value, right: Value, *, exact: bool = False) -> bool:
    """``-eq`` for a left side that is no list."""
    if isinstance(left, list | bytearray):
        raise Unsupported("-eq with a list on its left")
    if left is None or right is None:
        return left is None and right is None
    match left:
        case bool():
            return left == to_bool(right)
        case str():
            text = to_text(right)
            return str(left) == text if exact else left.casefold() == text.casefold()
        case int() | float():
            try:
                return bool(left == to_number(right))
            except Thrown:
                return False
        case EnumValue():
            if isinstance(right, str):
                return left.name.casefold() == right.casefold()
            return left.number == to_number(right)
        case datetime() | timedelta():
            if type(left) is not type(right):
                raise Unsupported("-eq between a date and something else")
            return bool(left == right)
    raise Unsupported(f"-eq with {type(left).__name__} on its left")


def order(left: Value, right: Value) -> int:
    """-1, 0 or 1; ``$null`` is refused, for what it means there is seldom what is meant."""
    match left:
        case bool():
            raise Unsupported("an order of booleans")
        case int() | float() if right is not None:
            number = to_number(right)
            return (left > number) - (left < number)
        case str() if right is not None:
            # Only names, digits and stamps are ordered here: culture makes no difference for them.
            mine, other = left.casefold(), to_text(right).casefold()
            return (mine > other) - (mine < other)
        case datetime():
            if not isinstance(right, datetime):
                raise Unsupported("an order of a date and something else")
            # .NET compares what the clock shows and forgets whose clock it was.
            one, two = left.replace(tzinfo=None), right.replace(tzinfo=None)
            return (one > two) - (one < two)
    raise Unsupported(f"an order of {type(left).__name__} and {type(right).__name__}")


def pattern(text: Value, *, exact: bool = False) -> re.Pattern[str]:
    """A .NET pattern; those that Python reads differently are refused."""
    source = to_text(text)
    if re.search(r"\(\?(<[A-Za-z]|'|>|\()|\\p\{|\\[GzZA]|\\k<|\[[^\]]*-\[", source):
        raise Unsupported(f"the pattern {source!r}")
    try:
        return re.compile(source, 0 if exact else re.IGNORECASE)
    except re.error as error:
        raise Unsupported(f"the pattern {source!r}: {error}") from error


def replacement(text: Value) -> str:
    """A .NET replacement ($1) as one of Python; anything else with a dollar is refused."""
    source = to_text(text).replace("\\", "\\\\")
    made = re.sub(r"\$(\d)", r"\\g<\1>", source)
    if "$" in made:
        raise Unsupported(f"the replacement {source!r}")
    return made


def format_text(template: str, arguments: list[Value]) -> str:
    """``-f``, for the formats that our scripts use: {0}, {0:X8}, {0:x4}."""

    def one(found: re.Match[str]) -> str:
        value = arguments[int(found[1])]
        if not found[2]:
            return to_text(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise Unsupported(f"the format {found[0]} for {type(value).__name__}")
        width = int(found[2][1:])
        # A negative Int32 is shown in two's complement, 8 digits.
        digits = format(value & 0xFFFFFFFF if value < 0 else value, "x").rjust(width, "0")
        return digits.upper() if found[2][0] == "X" else digits

    return re.sub(r"\{(\d)(?::([Xx]\d))?\}", one, template)
