"""A catalogue file as its author sees it: TOML text in which each key stands on a line.

Here: bytes to a table, and the way back from a place in the table to its line.  Not here: what a
table must look like (``validator``).  No function needs this to start: the layer's catalogue is
compiled.
"""

from __future__ import annotations

import contextlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

Path = tuple[str | int, ...]
"""The way to a value: keys, and 0-based places in arrays."""

_BETWEEN: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
"""Between statements, and between the items of an array."""
_BLANKS: Final = re.compile(r"[ \t]*")
_STRING: Final = re.compile(
    r'"""(?:[^"\\]|\\.|"{1,2}(?!"))*+"{3,5}'
    r"|'''(?:[^']|'{1,2}(?!'))*+'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*+"'
    r"|'[^'\n]*+'",
    re.DOTALL,
)
_SCALAR: Final = re.compile(r"\d{4}-\d\d-\d\d \d\d:[^\s,\]}#]+|[^\s,\]}#]+")
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_ENDLESS_KEY: Final = re.compile(r"""(?<![\w"'-])(?:[\w"'-]++[ \t]*+\.[ \t]*+){50}""")
"""A dotted key of many parts, for which ``tomllib`` needs the square of the time."""
_SYNTAX_ERROR: Final = re.compile(r"(?P<what>.*) \(at (?:line (?P<line>\d+), .*|end of document)\)")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with one file."""

    file: str
    label: str
    """What is wrong, as a person calls it: ``signature 2: weight``; empty for the whole file."""
    text: str
    path: Path | None = None
    """Where that stands in the file; ``None`` when it stands nowhere."""
    line: int | None = None

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        return ": ".join(part for part in (where, self.label, self.text) if part)


@dataclass(frozen=True)
class Source:
    """A file that is TOML."""

    name: str
    text: str
    table: Mapping[str, Any]

    @cached_property
    def _lines(self) -> Mapping[Path, int]:
        return key_lines(self.text)

    def locate(self, problem: Problem) -> Problem:
        """The problem with its line: the key's, or that of the table in which a key is missing."""
        if problem.path is None:
            return problem
        ways = (problem.path[:length] for length in range(len(problem.path), 0, -1))
        line = next((self._lines[way] for way in ways if way in self._lines), 1)
        return Problem(problem.file, problem.label, problem.text, problem.path, line)


def read_source(name: str, raw: bytes) -> Source | Problem:
    """The file's table, or why its bytes are none: any bytes give one of the two."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        return Problem(name, "", f"is not UTF-8: {error.reason}", line=line)
    if endless := _ENDLESS_KEY.search(text):
        line = text.count("\n", 0, endless.start()) + 1
        return Problem(name, "", "is nested too deeply", line=line)
    try:
        return Source(name, text, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        return _syntax_problem(name, text, str(error))
    except RecursionError:
        return Problem(name, "", "is nested too deeply")
    except ValueError as error:
        # A number with more digits than Python converts.
        return Problem(name, "", f"is not TOML: {error}")


def _syntax_problem(name: str, text: str, said: str) -> Problem:
    found = _SYNTAX_ERROR.fullmatch(said)
    what = found["what"] if found else said
    line = int(found["line"]) if found and found["line"] else text.rstrip().count("\n") + 1
    return Problem(name, "", f"is not TOML: {what}", line=line)


def key_lines(text: str) -> dict[Path, int]:
    """The 1-based line of each table, key and array item in a text that ``tomllib`` reads."""
    reader = _LineReader(text)
    # What stands too deep for it is told by the table around it.
    with contextlib.suppress(RecursionError):
        reader.read()
    return reader.lines


class _LineReader:
    """Walks over the statements of valid TOML and notes where each begins."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[Path, int] = {}
        self._last: dict[Path, int] = {}
        """Arrays of tables, and the place of their newest table."""
        self._counted = (0, 1)
        """An offset, and the line there."""

    def read(self) -> None:
        table: Path = ()
        while self._skip(_BETWEEN) < len(self.text):
            begins = self.at
            if self.text.startswith("[[", begins):
                self.at += 2
                keys = self._keys()
                table = (*self._newest(keys[:-1], begins), keys[-1])
                self._last[table] = self._last.get(table, -1) + 1
                self._note(table, begins)
                table = (*table, self._last[table])
                self._note(table, begins)
                self.at += 2
            elif self.text[begins] == "[":
                self.at += 1
                table = self._newest(self._keys(), begins)
                self.at += 1
            else:
                self._pair(table)

    def _newest(self, keys: Path, begins: int) -> Path:
        """The table that a header's keys lead to, through the newest tables of arrays."""
        way: Path = ()
        for key in keys:
            way = (*way, key)
            self._note(way, begins)
            if way in self._last:
                way = (*way, self._last[way])
        return way

    def _pair(self, table: Path) -> None:
        begins = self.at
        keys = self._keys()
        for length in range(1, len(keys) + 1):
            self._note((*table, *keys[:length]), begins)
        self.at += 1
        self._value((*table, *keys))

    def _value(self, path: Path) -> None:
        self._skip(_BLANKS)
        char = self.text[self.at]
        if char == "[":
            self._items(path, "]")
        elif char == "{":
            self._items(path, "}")
        else:
            self._take(_STRING if char in "\"'" else _SCALAR)

    def _items(self, path: Path, closing: str) -> None:
        self.at += 1
        number = 0
        while True:
            self._skip(_BETWEEN)
            char = self.text[self.at]
            if char == closing:
                self.at += 1
                return
            if char == ",":
                self.at += 1
            elif closing == "}":
                self._pair(path)
            else:
                self._note((*path, number), self.at)
                self._value((*path, number))
                number += 1

    def _keys(self) -> Path:
        """The parts of a dotted key; ends before what follows them."""
        parts: list[str] = []
        while True:
            self._skip(_BLANKS)
            if self.text[self.at] in "\"'":
                parts.append(str(tomllib.loads(f"key = {self._take(_STRING)}")["key"]))
            else:
                parts.append(self._take(_BARE_KEY))
            self._skip(_BLANKS)
            if self.text[self.at] != ".":
                return tuple(parts)
            self.at += 1

    def _skip(self, pattern: re.Pattern[str]) -> int:
        found = pattern.match(self.text, self.at)
        assert found is not None, "it matches nothing as well"
        self.at = found.end()
        return self.at

    def _take(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at)
        assert found is not None, "the text is TOML"
        self.at = found.end()
        return found[0]

    def _note(self, path: Path, offset: int) -> None:
        """The first line on which something stands is its line."""
        before, line = self._counted
        line += self.text.count("\n", before, offset) if offset >= before else 0
        self._counted = (max(offset, before), line)
        self.lines.setdefault(path, line)
