"""Windows result codes: finding them in any spelling, naming them and saying what they mean.

Here: the one table of codes (``hresults.csv``), the decoding of a code that has no row there by
its facility, and every way of spelling a code: ``0x80240437``, ``80240437``, ``-2145123273``,
``2149844023``, ``(hr=0x8024_0437)``, WinHTTP's ``error 12007``.  Not here: how strongly a code
speaks for which cause; that is in the cause files, and ``Hints`` only looks it up.

A code is 32 bits: severity in the highest one, the facility that reported it in bits 16 to 26,
its number in the lower 16.  ``0x8007nnnn`` wraps the Windows error ``nnnn``; ``0xDnnnnnnn`` wraps
the NTSTATUS ``0xCnnnnnnn``.  The layout and the facilities are those of
https://learn.microsoft.com/en-us/windows/win32/api/winerror/nf-winerror-hresult_facility and
https://learn.microsoft.com/en-us/openspecs/windows_protocols/ms-erref/; ``SOURCES`` has the rest.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from patchmedic.causes.schema import Hresult
from patchmedic.causes.text import CleanText
from patchmedic.model import Text

TABLE: Final = Path(__file__).parent / "hresults.csv"
COLUMNS: Final = ("code", "symbol", "cause", "en", "ja", "source")

_LEARN: Final = "https://learn.microsoft.com/en-us/"
_TROUBLE: Final = _LEARN + "troubleshoot/"
_CLIENT: Final = _TROUBLE + "windows-client/installing-updates-features-roles/"
_SERVER: Final = _TROUBLE + "windows-server/installing-updates-features-roles/"
_ERREF: Final = _LEARN + "openspecs/windows_protocols/ms-erref/"
_WIN32: Final = _LEARN + "windows/win32/"
SOURCES: Final[Mapping[str, str]] = {
    "wu": _LEARN + "windows/deployment/update/windows-update-error-reference",
    "wuerror": "https://microsoft.github.io/windows-docs-rs/doc/windows/Win32/System/UpdateAgent/",
    "hresult": _ERREF + "705fb797-2175-4a90-b5a3-3918024b10b8",
    "win32": _ERREF + "18d8fbe8-a967-4f1c-ae50-99ca8e491d2d",
    "ntstatus": _ERREF + "596a1078-e883-4972-9bbc-49e60bebca55",
    "facility": _WIN32 + "api/winerror/nf-winerror-hresult_facility",
    "winhttp": _WIN32 + "winhttp/error-messages",
    "wininet": _WIN32 + "wininet/wininet-errors",
    "winsock": _WIN32 + "winsock/windows-sockets-error-codes-2",
    "dns": _WIN32 + "debug/system-error-codes--9000-11999-",
    "msi": _WIN32 + "msi/error-codes",
    "bits": _WIN32 + "bits/bits-return-values",
    "do": _WIN32 + "delivery_optimization/do-return-values",
    "wws": _WIN32 + "wsw/windows-web-services-return-values",
    "cert": _WIN32 + "seccrypto/certificate-and-trust-return-values",
    "dotnet": _LEARN + "dotnet/framework/interop/how-to-map-hresults-and-exceptions",
    "common": _CLIENT + "common-windows-update-errors",
    "client": _CLIENT + "windows-update-issues-troubleshooting",
    "repair": _SERVER + "fix-windows-update-errors",
    "scan": _TROUBLE + "mem/configmgr/update-management/troubleshoot-software-update-scan-failures",
    "setup": _TROUBLE
    + "windows-client/setup-upgrade-and-drivers/windows-10-upgrade-resolution-procedures",
}
"""Where a row's name and meaning can be looked up, by the key that the table uses."""

FAILURE: Final = 0x80000000
"""The severity bit: a code without it tells of no failure."""
WIN32: Final = 0x80070000
_NT_BIT: Final = 0x10000000
_WIN32_MAX: Final = 0xFFFF
_EXITS_WITH_WIN32: Final = (range(1601, 1655), range(3010, 3011), range(12_001, 12_191))
"""Windows errors that nothing else uses as exit codes: Windows Installer's and WinHTTP's."""

CODES_MAX: Final = 50
"""Codes found in one text: whatever spells more of them is a list of codes, not a failing run."""
MARK_BYTES_MAX: Final = 40
PLACES_TRIED_MAX: Final = 200
"""Places of one number looked at, last first, until one counts."""


@dataclass(frozen=True, slots=True)
class ResultCode:
    """What is known of one code."""

    code: int
    """Unsigned, as it is written in hexadecimal."""
    symbol: str
    """Its names in Microsoft's headers; empty where none is published."""
    facility: str
    """The part of Windows that it comes from; empty where that is not known."""
    meaning: Text
    cause: str
    """The likeliest cause; empty where the code alone points to none."""
    source: str
    """Address of a page about it; empty where there is none."""
    named: bool
    """True when the table has a row for this very code."""

    @property
    def hexadecimal(self) -> str:
        return f"0x{self.code:08X}"

    @property
    def name(self) -> str:
        """The first of its names, else its facility."""
        return self.symbol.split(" / ")[0] or self.facility


@dataclass(frozen=True, slots=True)
class _Row:
    first: int
    last: int
    symbol: str
    cause: str
    meaning: Text
    source: str


_SUCCESS: Final[Text] = {
    "en": "No error: the highest bit says that the operation succeeded.",
    "ja": "エラーではありません（最上位ビットが成功を示しています）。",
}
_UNKNOWN: Final[Text] = {
    "en": "A failure of facility {facility}, number 0x{hex}, of which no description is known.",
    "ja": "ファシリティ {facility} のエラー（番号 0x{hex}）です。説明は公開されていません。",
}


class Hints:
    """Which causes each code speaks for, and how strongly."""

    def __init__(self, hints: Iterable[Hresult]) -> None:
        self._own: dict[int, tuple[Hresult, ...]] = {}
        ranges: list[Hresult] = []
        for hint in hints:
            if hint.first == hint.last:
                self._own[hint.first] = (*self._own.get(hint.first, ()), hint)
            else:
                ranges.append(hint)
        self._ranges = sorted(ranges, key=lambda hint: hint.last - hint.first)

    def of(self, code: int) -> tuple[Hresult, ...]:
        """The code's own hints; for a code without a name, those of the narrowest range."""
        own = self._own.get(code)
        if own is not None:
            return own
        around = [hint for hint in self._ranges if hint.first <= code <= hint.last]
        if not around or code in _table()[0]:
            return ()
        width = around[0].last - around[0].first
        return tuple(hint for hint in around if hint.last - hint.first == width)

    def knows(self, code: int) -> bool:
        """Whether the code has hints of its own, so that no other number is likely meant."""
        return code in self._own


def unsigned(code: int) -> int:
    """The code as it is written in hexadecimal, from any signed, unsigned or wrapped form."""
    code &= 0xFFFFFFFF
    return code & ~_NT_BIT if code >> 28 == 0xD else code


def from_win32(number: int) -> int:
    """The result code that wraps a Windows error."""
    return WIN32 | number


def from_exit_code(exit_code: int | None, platform: str | None) -> int | None:
    """The result code that a program ended with; ``None`` where its exit code is none."""
    if exit_code is None or platform not in (None, "windows"):
        return None
    if platform == "windows" and any(exit_code in each for each in _EXITS_WITH_WIN32):
        return from_win32(exit_code)
    code = unsigned(exit_code)
    return code if code >= FAILURE and explain(code).name else None


def explain(code: int) -> ResultCode:
    """What is known of a code: its own row, else what its facility tells; never an error."""
    code = unsigned(code)
    rows, ranges = _table()
    around = next((row for row in ranges if row.first <= code <= row.last), None)
    facility = around.symbol if around else ""
    row = rows.get(code)
    if row is not None:
        meaning, source = row.meaning, row.source
        return ResultCode(code, row.symbol, facility, meaning, row.cause, source, named=True)
    text = around.meaning if around else _UNKNOWN if code >= FAILURE else _SUCCESS
    values = {
        "{facility}": str(code >> 16 & 0x7FF),
        "{hex}": f"{code & 0xFFFF:04X}",
        "{decimal}": str(code & 0xFFFF),
    }
    meaning = {language: _filled(said, values) for language, said in text.items()}
    source = around.source if around else SOURCES["facility"]
    return ResultCode(code, "", facility, meaning, "", source, named=False)


def _filled(text: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(name, value)
    return text


def table() -> tuple[ResultCode, ...]:
    """Every code that has a row of its own."""
    return tuple(explain(code) for code in _table()[0])


@functools.cache
def _table() -> tuple[Mapping[int, _Row], tuple[_Row, ...]]:
    """The rows by code, and the ranges, narrowest first."""
    import csv  # here, because few runs print a code that must be explained

    with TABLE.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(line for line in file if not line.startswith("#"))
        rows = [_row(cells) for cells in reader]
    ranges = sorted((row for row in rows if row.first < row.last), key=lambda r: r.last - r.first)
    return {row.first: row for row in rows if row.first == row.last}, tuple(ranges)


def _row(cells: Mapping[str, str]) -> _Row:
    first, _, last = cells["code"].partition("-")
    return _Row(
        first=int(first, 16),
        last=int(last or first, 16),
        symbol=cells["symbol"],
        cause=cells["cause"],
        meaning={"en": cells["en"], "ja": cells["ja"]},
        source=SOURCES.get(cells["source"], cells["source"]),
    )


# --- finding codes in text ------------------------------------------------------------------------


_NeedsWord = Literal["never", "unless known", "always"]
"""Whether a word beside the number must say that it is a code: any number may look like one."""


@dataclass(frozen=True, slots=True)
class _Spelling:
    """One way of writing codes.  A pattern begins with bytes that a search can jump to, which is
    what keeps the search fast: no look-behind stands before them."""

    pattern: re.Pattern[bytes]
    base: int
    needs_word: _NeedsWord


# How the codes of the table begin, and how many digits follow.
_HEXADECIMAL: Final = {b"80": 6, b"8e": 6, b"c0": 6, b"c1": 6, b"e0": 6}
_UNSIGNED: Final = {b"21": 8, b"238": 7, b"32": 8, b"37": 8}
_SIGNED: Final = {b"-1": 9, b"-2": 9, b"-52": 7, b"-53": 7}


@functools.cache
def _spellings() -> tuple[_Spelling, ...]:
    def made(
        starts: Mapping[bytes, int], before: bytes, digit: bytes, after: bytes
    ) -> Iterator[re.Pattern[bytes]]:
        for start, digits in starts.items():
            rest = digit + b"{%d}" % digits
            yield re.compile(start + b"(?<!" + before + start + b")" + rest + b"(?!" + after + b")")

    number_goes_on = rb"[0-9]|[.,][0-9]"
    prefixed = re.compile(rb"0x(?:f{8})?[89a-f][0-9a-f]{3}_?[0-9a-f]{4}(?![0-9a-f_])")
    signed = made(_SIGNED, rb"[0-9]", rb"[0-9]", number_goes_on)
    plain = made(_UNSIGNED, rb"[0-9a-z.,-]", rb"[0-9]", number_goes_on)
    bare = made(_HEXADECIMAL, rb"[0-9a-zx{-]", rb"[0-9a-f]", rb"[0-9a-z-]")
    return (
        _Spelling(prefixed, 16, "never"),
        *(_Spelling(each, 10, "never") for each in signed),
        *(_Spelling(each, 10, "unless known") for each in plain),
        *(_Spelling(each, 16, "unless known") for each in bare),
    )


@functools.cache
def _win32_spelling() -> re.Pattern[bytes]:
    """WinHTTP's and WinINet's errors in decimal; they count only behind a word that says so."""
    return re.compile(rb"12(?<![0-9a-z.,-]12)[01][0-9]{2}(?![0-9]|[.,:][0-9])")


@functools.cache
def _mark() -> re.Pattern[bytes]:
    words = "error|code|hresult|\\bhr\\b|result|status|fail|exception|winhttp|wininet|エラー|コード"
    return re.compile(rb"(?:" + words.encode() + rb")[^\n0-9]{0,24}$")


def _marked(lower: bytes, at: int) -> bool:
    """True when the words before a number say that it is a code."""
    return _mark().search(lower[max(0, at - MARK_BYTES_MAX) : at]) is not None


def _spelled(lower: bytes) -> Iterator[tuple[int, list[int], _NeedsWord]]:
    """Each code that numbers in the text may spell, with the places where it stands; a code comes
    once for each of its spellings."""
    for spelling in _spellings():
        places: dict[bytes, list[int]] = {}
        for match in spelling.pattern.finditer(lower):
            places.setdefault(match[0], []).append(match.start())
        for number, at in places.items():
            code = unsigned(int(number, spelling.base))
            if code >= FAILURE:
                yield code, at, spelling.needs_word
    errors: dict[bytes, list[int]] = {}
    for match in _win32_spelling().finditer(lower):
        errors.setdefault(match[0], []).append(match.start())
    for number, at in errors.items():
        yield from_win32(int(number)), at, "always"


def find_hresults(
    text: CleanText,
    hints: Hints,
    silent: Container[int] = frozenset(),
    weigh: Callable[[int], float] = lambda offset: 1.0,
) -> dict[int, int]:
    """Every code in ``text`` that speaks for a cause -> the offset of its last spelling, or, where
    ``weigh`` tells the places apart, of the last of the weightiest.

    Lines that start at one of ``silent`` do not count.
    """
    found: dict[int, int] = {}
    weights: dict[int, float] = {}
    for code, places, needs_word in _spelled(text.lower):
        if not hints.of(code):
            continue
        known = needs_word == "never" or (needs_word == "unless known" and hints.knows(code))
        for at in places[: -PLACES_TRIED_MAX - 1 : -1]:
            if (weights.get(code, 0.0), found.get(code, 0)) >= (1.0, at):
                break
            if (known or _marked(text.lower, at)) and not (silent and text.bounds(at)[0] in silent):
                weight = weigh(at)
                if (weight, at) > (weights.get(code, 0.0), found.get(code, 0)):
                    found[code], weights[code] = at, weight
    last = sorted(found.items(), key=lambda item: item[1])[-CODES_MAX:]
    return dict(last)


def codes_in(line: str) -> tuple[int, ...]:
    """The codes that a line of text spells and that can be explained, in their order."""
    lower = line.lower().encode("utf-8", "replace")
    found: dict[int, int] = {}
    for code, places, needs_word in _spelled(lower):
        known = explain(code)
        sure = needs_word == "never" or (needs_word == "unless known" and known.named)
        if known.name and (sure or any(_marked(lower, at) for at in places)):
            found[code] = min(places[0], found.get(code, places[0]))
    return tuple(sorted(found, key=lambda code: found[code])[:CODES_MAX])


def parse(spelled: str) -> int | None:
    """The one code that a person means, from any spelling, symbol or line; ``None``: none.

    A small number is a Windows error, as ``net helpmsg`` takes it: 12007 and 0x2EE7 are the
    WinHTTP error, 1603 is Windows Installer's.
    """
    text = "".join(spelled.split()).lower().replace("_", "")
    number: int | None = None
    if found := re.fullmatch(r"0x(?:f{8}(?=[0-9a-f]{8}$))?([0-9a-f]{1,8})", text):
        number = int(found[1], 16)
    elif re.fullmatch(r"[89a-f][0-9a-f]{7}", text):
        number = int(text, 16)
    elif re.fullmatch(r"[-+]?[0-9]{1,10}", text):
        number = int(text)
    if number is None or not -(2**31) <= number < 2**32:
        symbol = _symbols().get(spelled.strip().upper())
        return symbol if symbol is not None else next(iter(codes_in(spelled)), None)
    return from_win32(number) if 0 < number <= _WIN32_MAX else unsigned(number)


@functools.cache
def _symbols() -> Mapping[str, int]:
    """Each symbol -> its code."""
    return {
        symbol.upper(): row.first
        for row in _table()[0].values()
        for symbol in row.symbol.split(" / ")
        if symbol
    }
