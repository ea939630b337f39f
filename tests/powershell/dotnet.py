"""The classes of .NET that our scripts use, as far as they are the same on every machine.

Here: text, numbers, dates, patterns, addresses.  Not here: what a node would answer (``node``).
Every member is named in this file; any other raises ``Unsupported``.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import Any, Protocol
from urllib.parse import urlsplit

from tests.powershell.evaluator import NOTHING, Reference, ScriptBlock
from tests.powershell.values import (
    Char,
    EnumValue,
    NetError,
    Record,
    Thrown,
    TypeName,
    Unsupported,
    Value,
    Version,
    failed_cast,
    to_bool,
    to_integer,
    to_number,
    to_text,
    to_version,
)


class Native(Protocol):
    """An object of .NET with members of its own."""

    def get(self, name: str) -> Value: ...
    def put(self, name: str, value: Value) -> None: ...
    def call(self, name: str, arguments: list[Value]) -> Value: ...


class Plain:
    """A base for such objects: everything is refused until a subclass allows it."""

    def get(self, name: str) -> Value:
        raise Unsupported(f"{type(self).__name__}.{name}")

    def put(self, name: str, value: Value) -> None:
        raise Unsupported(f"{type(self).__name__}.{name} =")

    def call(self, name: str, arguments: list[Value]) -> Value:
        raise Unsupported(f"{type(self).__name__}.{name}()")


class Fields(Plain):
    """An object whose properties may be set, of a closed list."""

    names: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.fields: dict[str, Value] = {}

    def get(self, name: str) -> Value:
        if name.casefold() in self.fields:
            return self.fields[name.casefold()]
        return super().get(name)

    def put(self, name: str, value: Value) -> None:
        if name.casefold() not in {known.casefold() for known in self.names}:
            super().put(name, value)
        self.fields[name.casefold()] = value


class Builder(Plain):
    """System.Text.StringBuilder."""

    def __init__(self) -> None:
        self.parts: list[str] = []

    def call(self, name: str, arguments: list[Value]) -> Value:
        match name.casefold(), arguments:
            case "append", [value]:
                self.parts.append(to_text(value))
                return self
            case "tostring", []:
                return "".join(self.parts)
        return super().call(name, arguments)


@dataclass
class Match(Plain):
    found: re.Match[str]

    def get(self, name: str) -> Value:
        if name.casefold() == "groups":
            return Groups(self.found)
        if name.casefold() == "value":
            return self.found[0]
        return super().get(name)


@dataclass
class Groups(Plain):
    found: re.Match[str]

    def call(self, name: str, arguments: list[Value]) -> Value:
        if name == "get_Item" and isinstance(arguments[0], int):
            return Record("Group", {"Value": self.found[arguments[0]] or ""})
        return super().call(name, arguments)


@dataclass
class Address(Plain):
    """System.Uri, absolute."""

    text: str

    def get(self, name: str) -> Value:
        parts = urlsplit(self.text)
        match name.casefold():
            case "host":
                return parts.hostname or ""
            case "scheme":
                return parts.scheme
            case "port":
                return parts.port or {"http": 80, "https": 443}[parts.scheme]
        return super().get(name)


def absolute(text: str) -> Address | None:
    """The address, if .NET would take it as an absolute one with a host."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        return None
    if not re.fullmatch(r"[A-Za-z0-9._-]+", parts.hostname) or " " in text:
        return None
    return Address(text)


@dataclass
class WebProxy(Plain):
    address: Address

    def get(self, name: str) -> Value:
        return self.address if name.casefold() == "address" else super().get(name)


def format_error(text: str) -> Thrown:
    return Thrown(NetError("System.FormatException", text))


ASCII, UTF8 = Record("Encoding", {}), Record("Encoding", {})
ASCII.methods["GetString"] = lambda data, start, length: (
    bytes(data[start : start + length]).decode("ascii", "replace").replace("�", "?")
)
ASCII.methods["GetBytes"] = lambda text: bytearray(text.encode("ascii", "replace"))
UTF8.methods["GetString"] = lambda data, start, length: bytes(data[start : start + length]).decode(
    "utf-8", "replace"
)
INVARIANT = Record("CultureInfo", {})

PROTOCOLS = {
    "Tls": EnumValue("SecurityProtocolType", "Tls", 192),
}

MEMBERS: dict[tuple[str, str], Value] = {
    ("text.encoding", "ascii"): ASCII,
    ("text.encoding", "utf8"): UTF8,
    ("globalization.cultureinfo", "invariantculture"): INVARIANT,
    ("urikind", "absolute"): EnumValue("UriKind", "Absolute", 1),
    ("net.servicepointmanager", "securityprotocol"): PROTOCOLS["Tls"],
}


_DATES = {"yyyy-MM-dd HH:mm:ss": "%Y-%m-%d %H:%M:%S", "yyyyMMddHHmmss": "%Y%m%d%H%M%S"}


def call_type(kind: TypeName, name: str, arguments: list[Value]) -> Value:
    """Static methods that need no node."""
    word = (kind.name.casefold().removeprefix("system."), name.casefold())
    match word, arguments:
        case ("math", "floor"), [value]:
            number = to_number(value)
            return float(number // 1)
        case ("math", "max"), [one, two]:
            return max(to_number(one), to_number(two))
        case ("math", "min"), [one, two]:
            return min(to_number(one), to_number(two))
        case ("math", "abs"), [value]:
            return abs(to_number(value))
        case ("regex", "matches"), [text, source]:
            return [Match(found) for found in re.finditer(_plain(source), to_text(text))]
        case ("bitconverter", "toint32"), [data, start]:
            piece = bytes(data[start : start + 4])
            if len(piece) < 4:
                raise Thrown(NetError("System.ArgumentException", "the array is too short"))
            return struct.unpack("<i", piece)[0]
        case ("uri", "trycreate"), [text, EnumValue(name="Absolute"), Reference() as reference]:
            found = absolute(to_text(text))
            reference.put(found)
            return found is not None
        case ("datetime", "parse"), [text, Record(type="CultureInfo")]:
            try:
                return parsedate_to_datetime(to_text(text)).astimezone(UTC)
            except ValueError as error:
                raise format_error("not a valid DateTime") from error
        case ("datetime", "parseexact"), [text, str() as form, Record(type="CultureInfo")] if (
            form in _DATES
        ):
            try:
                # Of no kind: local and universal time are compared as the clock shows them.
                return datetime.strptime(to_text(text), _DATES[form])  # noqa: DTZ007
            except ValueError as error:
                raise format_error("not a valid DateTime") from error
        case ("timespan", "fromseconds"), [int() as seconds]:
            return timedelta(seconds=seconds)
        case ("enum", "toobject"), [TypeName(), int() as number]:
            return EnumValue("SslProtocols", f"({number})", number)
    raise Unsupported(f"[{kind.name}]::{name} with {len(arguments)} arguments")


def _plain(source: Value) -> str:
    """A pattern with (?m) and the like written in it, which Python reads the same way."""
    if re.search(r"\(\?(<[A-Za-z]|'|>|\()|\\p\{|\\[GzZA]", to_text(source)):
        raise Unsupported(f"the pattern {source!r}")
    return to_text(source)


def cast(kind: TypeName, value: Value) -> Value:
    match kind.name.casefold().removeprefix("system."):
        case "string":
            return to_text(value)
        case "int":
            return to_integer(value)
        case "long":
            return to_integer(value, 64)
        case "bool":
            return to_bool(value)
        case "char":
            return Char(chr(value)) if isinstance(value, int) else Char(to_text(value)[0])
        case "version":
            return to_version(value)
        case "uri":
            found = absolute(to_text(value))
            if not found:
                raise failed_cast(value, "System.Uri")
            return found
        case "net.httpwebrequest":
            return value
        case "net.security.remotecertificatevalidationcallback":
            if isinstance(value, ScriptBlock):
                return value
    raise Unsupported(f"the cast [{kind.name}] of {type(value).__name__}")


def get_of_text(text: str, name: str) -> Value:
    if name.casefold() == "length":
        return len(text)
    raise Unsupported(f"the property {name} of text")


def call_text(text: str, name: str, arguments: list[Value]) -> Value:
    """Methods of System.String: these mind case."""
    match name.casefold(), arguments:
        case "startswith", [part]:
            return text.startswith(to_text(part))
        case "endswith", [part]:
            return text.endswith(to_text(part))
        case "indexof", [str() as part]:
            return text.find(part)
        case "replace", [old, new]:
            return text.replace(to_text(old), to_text(new))
        case "substring", [int() as start]:
            _within(text, start, 0)
            return text[start:]
        case "substring", [int() as start, int() as length]:
            _within(text, start, length)
            return text[start : start + length]
        case "trim", []:
            return text.strip()
        case "trim", [part]:
            return text.strip(to_text(part))
        case "trimend", []:
            return text.rstrip()
        case "trimend", [part]:
            return text.rstrip(to_text(part))
        case "tolowerinvariant", []:
            return text.lower()
        case "toupperinvariant", []:
            return text.upper()
        case "tochararray", []:
            # Units of UTF-16, as in .NET: what lies outside the first plane is two of them.
            data = text.encode("utf-16-le", "surrogatepass")
            return [Char(chr(unit[0])) for unit in struct.iter_unpack("<H", data)]
    raise Unsupported(f"the method {name} of text with {len(arguments)} arguments")


def _within(text: str, start: int, length: int) -> None:
    if start < 0 or length < 0 or start + length > len(text):
        raise Thrown(NetError("System.ArgumentException", "Index and length must be inside"))


def get_of_date(moment: datetime, name: str) -> Value:
    raise Unsupported(f"the property {name} of a date")


def call_date(moment: datetime, name: str, arguments: list[Value], zone: timezone) -> Value:
    match name.casefold(), arguments:
        case "touniversaltime", []:
            # Local dates carry the node's zone, dates of no kind are taken as local.
            return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
        case "tolocaltime", []:
            # What is of no kind is taken as universal here.
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(zone)
        case "tostring", [str() as form, Record(type="CultureInfo")] if form in _DATES:
            return moment.strftime(_DATES[form])
        case "adddays", [int() as days]:
            return moment + timedelta(days=days)
        case "addhours", [int() as hours]:
            return moment + timedelta(hours=hours)
        case "addseconds", [int() as seconds]:
            return moment + timedelta(seconds=seconds)
    raise Unsupported(f"the method {name} of a date")


def get_of_span(span: timedelta, name: str) -> Value:
    match name.casefold():
        case "totalseconds":
            return span.total_seconds()
        case "totalminutes":
            return span.total_seconds() / 60
        case "totalhours":
            return span.total_seconds() / 3600
        case "totalmilliseconds":
            return span.total_seconds() * 1000
    raise Unsupported(f"the property {name} of a time span")


def get(thing: Value, name: str) -> Value:
    match thing:
        case str():
            return get_of_text(thing, name)
        case bytearray() | list() if name.casefold() == "length":
            return len(thing)
        case timedelta():
            return get_of_span(thing, name)
        case Record() | NetError():
            return thing.get(name)
        case Version() if name.casefold() == "major":
            return thing.parts[0]
    if isinstance(thing, Plain):
        return thing.get(name)
    raise Unsupported(f"the property {name} of {type(thing).__name__}")


def call(thing: Value, name: str, arguments: list[Value], zone: timezone) -> Value:
    match thing:
        case str():
            return call_text(thing, name, arguments)
        case datetime():
            return call_date(thing, name, arguments, zone)
        case Record():
            return thing.call(name, arguments)
        case Version() if name.casefold() == "compareto":
            other = to_version(arguments[0])
            return (thing.key() > other.key()) - (thing.key() < other.key())
    if isinstance(thing, Plain):
        return thing.call(name, arguments)
    raise Unsupported(f"the method {name} of {type(thing).__name__}")


def put(thing: Value, name: str, value: Value) -> None:
    if not isinstance(thing, Plain):
        raise Unsupported(f"setting {name} of {type(thing).__name__}")
    thing.put(name, value)


Nothing: Any = NOTHING
