"""Every way in which a catalogue file can be wrong.

Here: one parsed TOML table in, one ``Cause`` (or the named noise) and a list of problems out, each
with the place where it stands.  Not here: the types (``schema``), parsing and lines (``source``),
the rules between files (``catalogue``) and what only customers' own files must keep (``own``).
No function needs this to start: the layer's catalogue is compiled.
"""

from __future__ import annotations

import contextlib
import difflib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from patchmedic.causes import schema
from patchmedic.causes.literals import requires_one_of
from patchmedic.causes.schema import Cause, PatternError
from patchmedic.causes.source import Path, Problem
from patchmedic.model import LANGUAGES, Text

_SHOWN_CHARACTERS_MAX: Final = 80
_NAMES_LISTED_MAX: Final = 10
_WORDS_MAX: Final = 100
_TABLES_MAX: Final = 200
"""So that a file of senseless lists is told quickly; far more than any cause has."""
_EXIT_CODE_MIN: Final = -(2**31)
_EXIT_CODE_MAX: Final = 2**32 - 1


class Reader:
    """Reads one TOML table and collects what is wrong with it."""

    def __init__(
        self,
        file: str,
        table: Mapping[str, Any],
        problems: list[Problem],
        label: str = "",
        path: Path = (),
    ) -> None:
        self.table = table
        self._file = file
        self._problems = problems
        self._label = label
        self._path = path
        self._read: set[str] = set()

    def error(self, key: str, text: str, *deeper: str | int) -> None:
        """``deeper`` leads from the key to the part of its value that is wrong."""
        name = ".".join([key, *(part for part in deeper if isinstance(part, str))])
        label = f"{self._label}: {name}" if self._label else name
        self._problems.append(Problem(self._file, label, text, (*self._path, key, *deeper)))

    def value(self, key: str, kind: type | tuple[type, ...], default: Any = None) -> Any:
        """The value, or ``default`` after an error; without a default the key is required."""
        self._read.add(key)
        if key not in self.table:
            if default is None:
                self.error(key, "is missing")
            return default
        found = self.table[key]
        if not isinstance(found, kind) or (isinstance(found, bool) and kind is not bool):
            self.error(key, f"is a {type(found).__name__}, expected {_kind_name(kind)}")
            return default
        return found

    def text(self, key: str) -> str:
        found = self.value(key, str) or ""
        if key in self.table and isinstance(self.table[key], str) and not found.strip():
            self.error(key, "is empty")
        return str(found)

    def words(
        self, key: str, allowed: Iterable[str] | None, default: tuple[str, ...] = ()
    ) -> tuple[str, ...]:
        found = self.value(key, list, list(default))
        if len(found) > _WORDS_MAX:
            self.error(key, f"has more than {_WORDS_MAX} items")
            return default
        known = None if allowed is None else set(allowed)
        seen: set[str] = set()
        for number, word in enumerate(found):
            if not isinstance(word, str):
                self.error(key, f"holds {shown(word)}, expected only strings", number)
            elif known is not None and word not in known:
                self.error(key, f"{shown(word)} is not known{hint(word, known)}", number)
            elif word in seen:
                self.error(key, f"names {shown(word)} twice", number)
            else:
                seen.add(word)
        return tuple(word for word in found if isinstance(word, str))

    def one_of(self, key: str, allowed: tuple[str, ...], default: str | None = None) -> str:
        found = self.value(key, str, default)
        if found is not None and found not in allowed:
            self.error(key, f"{shown(found)} is not one of {', '.join(allowed)}")
        return str(found)

    def flag(self, key: str, default: bool = False) -> bool:
        return bool(self.value(key, bool, default))

    def weight(self, low: float = 0.01) -> float:
        found = self.value("weight", (int, float))
        if found is not None and not low <= found <= 1:
            self.error("weight", f"{shown(found)} is not between {low} and 1")
            return 0.0
        return float(found or 0.0)

    def number(self, key: str, low: int, high: int, default: int | None = None) -> int:
        found = self.value(key, int, default)
        if found is not None and not low <= found <= high:
            self.error(key, f"{shown(found)} is not between {low} and {high}")
            return low
        return int(found or 0)

    def languages(self, key: str, characters_max: int, default: Text | None = None) -> Text:
        found = self.value(key, dict, default) or {}
        for language in LANGUAGES:
            said = found.get(language)
            if key not in self.table:
                continue
            if not isinstance(said, str) or not said.strip():
                self.error(key, "is missing or empty", language)
            elif len(said.strip()) > characters_max:
                self.error(key, f"is longer than {characters_max} characters", language)
            elif any(unicodedata.category(c) == "Cc" and c not in "\n\t" for c in said):
                self.error(key, "holds a control character", language)
        for extra in sorted(set(found) - set(LANGUAGES)):
            self.error(key, f"is not a language; {', '.join(LANGUAGES)} are", extra)
        return {language: _stripped(found.get(language)) for language in LANGUAGES}

    def tables(self, key: str) -> list[Reader]:
        found = self.value(key, list, [])
        if len(found) > _TABLES_MAX:
            self.error(key, f"there are more than {_TABLES_MAX} of them")
            return []
        readers = []
        for number, table in enumerate(found):
            label = f"{key} {number + 1}"
            if isinstance(table, dict):
                path = (*self._path, key, number)
                readers.append(Reader(self._file, table, self._problems, label, path))
            else:
                text = f"is a {type(table).__name__}, expected a table"
                self._problems.append(Problem(self._file, label, text, (key, number)))
        return readers

    def finish(self, also_known: Sequence[str] = ()) -> None:
        for key in sorted(set(self.table) - self._read - set(also_known)):
            self.error(key, "is not a known key")


def shown(value: object) -> str:
    """A value of a file as a message quotes it: never long, and any value."""
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 64:
        return "a number of more than 64 bits"  # Python refuses to write out a really long one
    text = repr(value) if isinstance(value, (str, int, float)) else f"a {type(value).__name__}"
    return text if len(text) <= _SHOWN_CHARACTERS_MAX else text[: _SHOWN_CHARACTERS_MAX - 1] + "…"


def hint(word: str, known: Iterable[str]) -> str:
    """What the author may have meant: all there is if that is little, else what is nearest."""
    names = sorted(known)
    if len(names) <= _NAMES_LISTED_MAX:
        return f"; one of {', '.join(names)}"
    near = difflib.get_close_matches(word[:_SHOWN_CHARACTERS_MAX], names, 1)
    return f"; did you mean {near[0]}?" if near else ""


def _stripped(text: object) -> str:
    return text.strip() if isinstance(text, str) else ""


def _kind_name(kind: type | tuple[type, ...]) -> str:
    kinds = kind if isinstance(kind, tuple) else (kind,)
    return " or ".join(each.__name__ for each in kinds)


def read_cause(
    file: str,
    table: Mapping[str, Any],
    known: Iterable[str],
    *,
    base: Cause | None = None,
    also_known: Sequence[str] = (),
) -> tuple[Cause, list[Problem]]:
    """The cause in ``table``, and what is wrong with it (nothing: an empty list).

    ``file`` is the file's name, for the messages; ``known`` holds the ids of all causes.  What a
    file with a ``base`` does not say is as there.  ``also_known`` are keys that others read.
    """
    problems: list[Problem] = []
    reader = Reader(file, table, problems)
    cause_id = reader.text("id")
    ids = set(known)
    texts = {key: getattr(base, key, None) for key in ("title", "meaning", "advice")}
    cause = Cause(
        id=cause_id,
        group=reader.one_of("group", schema.GROUPS, base.group if base else None),
        title=reader.languages("title", schema.TITLE_CHARACTERS_MAX, texts["title"]),
        meaning=reader.languages("meaning", schema.MEANING_CHARACTERS_MAX, texts["meaning"]),
        advice=reader.languages("advice", schema.ADVICE_CHARACTERS_MAX, texts["advice"]),
        explains=reader.words("explains", ids),
        confused_with=reader.words("confused_with", ids),
        checks=reader.words("checks", schema.NODE_CHECKS + schema.AWS_CHECKS),
        remedies=reader.words("remedies", schema.REMEDY_PLATFORMS, base.remedies if base else ()),
        confirm=reader.flag("confirm", base.confirm if base else False),
        transient=reader.flag("transient", base.transient if base else False),
        suppress=reader.flag("suppress", base.suppress if base else False),
        links=reader.words("links", None),
        signatures=tuple(_signature(cause_id, part) for part in reader.tables("signature")),
        exit_codes=tuple(_exit_code(cause_id, part) for part in reader.tables("exit_code")),
        hresults=tuple(_hresult(cause_id, part) for part in reader.tables("hresult")),
        statuses=tuple(_status(cause_id, part) for part in reader.tables("status")),
        steps=tuple(_step(cause_id, part) for part in reader.tables("step")),
    )
    reader.finish(also_known)
    _check_names(reader, file, cause)
    return cause, problems


def _check_names(reader: Reader, file: str, cause: Cause) -> None:
    if file.removesuffix(".toml") != cause.id:
        reader.error("id", f"{shown(cause.id)} differs from the file's name")
    for key, names in (("explains", cause.explains), ("confused_with", cause.confused_with)):
        if cause.id in names:
            reader.error(key, "a cause cannot name itself", names.index(cause.id))
    for language, title in cause.title.items():
        if "\n" in title:
            reader.error("title", "is longer than one line", language)
    if len(cause.links) > schema.LINKS_MAX:
        reader.error("links", f"are more than {schema.LINKS_MAX}")
    for number, link in enumerate(cause.links):
        if not link.startswith("https://"):
            reader.error("links", f"{shown(link)} does not start with https://", number)
        elif len(link) > schema.LINK_CHARACTERS_MAX or not link.isprintable() or " " in link:
            reader.error("links", f"{shown(link)} is no plain address of a usual length", number)


def read_noise(
    file: str, table: Mapping[str, Any]
) -> tuple[tuple[schema.Noise, ...], list[Problem]]:
    """All named noise of the file, and what is wrong with it."""
    problems: list[Problem] = []
    reader = Reader(file, table, problems)
    found: dict[str, schema.Noise] = {}
    for part in reader.tables("noise"):
        name, why = part.text("name"), part.text("why")
        pattern, literals = _pattern(part)
        before = part.number("lines_before", 0, schema.LINES_BEFORE_MAX, 0)
        part.finish()
        if name in found:
            part.error("name", f"{shown(name)} is there twice")
        found[name] = schema.Noise(name, pattern, literals, why, before)
    reader.finish()
    return tuple(found.values()), problems


def _pattern(reader: Reader) -> tuple[str, tuple[str, ...]]:
    """A pattern that RE2 takes, with the literals of which each match contains at least one."""
    pattern = reader.text("pattern")
    literals = reader.words("literals", None)
    if len(pattern) > schema.PATTERN_LENGTH_MAX:
        reader.error("pattern", f"is longer than {schema.PATTERN_LENGTH_MAX} characters")
        return pattern, literals
    if not pattern or not _check_literals(reader, literals):
        return pattern, literals
    try:
        compiled = schema.compile_pattern(pattern, schema.PATTERN_MEMORY_BYTES_MAX)
        required = requires_one_of(pattern, literals)
    except PatternError as problem:
        reader.error("pattern", str(problem))
        return pattern, literals
    if compiled.search(b"") is not None:
        reader.error("pattern", "matches the empty text")
    if not required:
        text = f"a match of {shown(pattern)} need not contain any of them"
        reader.error("literals", text)
    return pattern, literals


def _check_literals(reader: Reader, literals: tuple[str, ...]) -> bool:
    if not isinstance(reader.table.get("literals"), list):
        return False  # told already
    if not literals:
        reader.error("literals", "is empty; name a text that every match contains")
    if len(literals) > schema.LITERALS_MAX:
        reader.error("literals", f"are more than {schema.LITERALS_MAX}")
        return False
    for number, literal in enumerate(literals):
        if literal != literal.lower():
            reader.error("literals", f"{shown(literal)} is not lower case", number)
        if len(literal.encode()) < schema.LITERAL_LENGTH_MIN:
            low = schema.LITERAL_LENGTH_MIN
            reader.error("literals", f"{shown(literal)} is shorter than {low} bytes", number)
        if len(literal) > schema.PATTERN_LENGTH_MAX:
            reader.error("literals", "is longer than any pattern", number)
    return bool(literals)


def _signature(cause: str, reader: Reader) -> schema.Signature:
    pattern, literals = _pattern(reader)
    signature = schema.Signature(
        cause=cause,
        pattern=pattern,
        literals=literals,
        weight=reader.weight(),
        platforms=reader.words("platforms", schema.PLATFORMS, schema.PLATFORMS),
        streams=reader.words("streams", schema.STREAMS, schema.STREAMS),
        kind=reader.one_of("kind", schema.KINDS, schema.KIND_NAMES),
    )
    if signature.kind == schema.KIND_COMPLETED and cause != "benign":
        reader.error("kind", "only benign knows completed")
    reader.finish()
    return signature


def _exit_code(cause: str, reader: Reader) -> schema.ExitCode:
    found = schema.ExitCode(
        cause=cause,
        code=reader.number("code", _EXIT_CODE_MIN, _EXIT_CODE_MAX),
        weight=reader.weight(),
        platforms=reader.words("platforms", schema.PLATFORMS, schema.PLATFORMS),
        any_document=reader.flag("any_document"),
    )
    reader.finish()
    return found


def _hresult(cause: str, reader: Reader) -> schema.Hresult:
    spelled = reader.text("code")
    codes = [_failing_code(part) for part in spelled.split("-")]
    first, last = codes[0], codes[-1]
    if not 0 < first <= last or len(codes) > 2 or (len(codes) == 2 and first == last):
        text = "is not a failing result code such as '0x80240437', or a range such as"
        reader.error("code", f"{shown(spelled)} {text} '0x80248000-0x80248FFF'")
    found = schema.Hresult(cause, first, last, reader.weight())
    reader.finish()
    return found


def _failing_code(spelled: str) -> int:
    """The code in its one spelling here, ``0x`` and eight digits; 0 for anything else."""
    code = 0
    if len(spelled) == 10 and spelled.startswith("0x"):
        with contextlib.suppress(ValueError):
            code = int(spelled, 16)
    return code if 0x80000000 <= code <= 0xFFFFFFFF else 0


def _status(cause: str, reader: Reader) -> schema.Status:
    value = reader.text("value")
    if value != schema.normal_status(value):
        normal = schema.normal_status(value)
        reader.error("value", f"{shown(value)} is not normalised; write {shown(normal)}")
    output = reader.one_of("output", schema.OUTPUTS, "any")
    found = schema.Status(cause, value, reader.weight(), output)
    reader.finish()
    return found


def _step(cause: str, reader: Reader) -> schema.Step:
    pattern = reader.text("pattern")
    if len(pattern) > schema.PATTERN_LENGTH_MAX:
        reader.error("pattern", f"is longer than {schema.PATTERN_LENGTH_MAX} characters")
    else:
        try:
            schema.compile_pattern(pattern, schema.PATTERN_MEMORY_BYTES_MAX)
        except PatternError as problem:
            reader.error("pattern", str(problem))
    found = schema.Step(cause, pattern, reader.weight())
    reader.finish()
    return found
