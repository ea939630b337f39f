"""Customers' own causes: files that add to the built-in catalogue or override parts of it.

Here: what such a file may say beyond the schema, which files are in force together, the catalogue
that comes of it, and the form in which the functions hand it to each other.  Not here: where the
files lie (``patchmedic.own_causes``) and when they are looked at (``stages.own_causes``).

A file is in force whole or not at all, and one bad file never keeps another out, except where
that names the bad one's cause.  Whatever the files say, the built-in causes stay: an own file
that cannot be used leaves the built-in cause of its name as it was, but without its remedies.
Somebody meant to change that cause; until we can read how, nothing acts on it.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

from patchmedic.causes import schema
from patchmedic.causes.catalogue import NOISE_FILE, Catalogue, cause_of, noise_of, reachable
from patchmedic.causes.schema import Cause, Noise

if TYPE_CHECKING:  # what reads files is loaded where files are read
    from patchmedic.causes.source import Path, Problem, Source

PREFIX: Final = "own-"
"""How the id of every new cause begins: no later built-in cause can have the same, and whoever
reads it in a message or in the table knows whose it is."""
FILES_MAX: Final = 50
FILE_BYTES_MAX: Final = 64 * 1024
TOTAL_BYTES_MAX: Final = 192 * 1024
"""What is handed on must fit an item of DynamoDB (400 KB), also where nothing can be squeezed."""
PATTERNS_PER_FILE_MAX: Final = 40
PATTERNS_MAX: Final = 200
PATTERNS_SIZE_MAX: Final = 30_000
"""Of all own patterns together, in instructions of RE2's programs; the built-in catalogue has some
80,000.  It keeps the engine's memory small and the search quick: a wide gap such as ``.{0,90}`` is
900 of them, and each may be busy at every byte of an output."""
HINTS_PER_FILE_MAX: Final = 40
"""Exit codes, result codes, statuses and steps of one file together."""

PROBLEMS_PER_FILE_MAX: Final = 20
"""What is told of one file at once."""

_FILE_NAME: Final = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*\.toml")
_FILE_NAME_CHARACTERS_MAX: Final = 45
_NOISE_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")
_FORMAT: Final = 1


class OwnCausesUnreadable(ValueError):
    """What was handed on is not what this version of the library hands on."""


@dataclass(frozen=True)
class OwnCauses:
    """The own causes that are in force; each an entry as the built-in ones are."""

    causes: tuple[Cause, ...] = ()
    noise: tuple[Noise, ...] = ()
    withheld: tuple[str, ...] = ()
    """Built-in causes whose own file is not in force: their remedies wait until it is."""

    @cached_property
    def version(self) -> str:
        """A short hash of the content."""
        content = json.dumps(_plain(self), ensure_ascii=False, sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:12]


NONE: Final = OwnCauses()


# --- one catalogue of two ------------------------------------------------------------------------


def merge(builtin: Catalogue, own: OwnCauses) -> Catalogue:
    """The built-in catalogue with the own causes and noise in it."""
    if own == NONE:
        return builtin
    causes = dict(builtin.causes)
    for cause_id in own.withheld:
        if cause_id in causes:
            causes[cause_id] = replace(causes[cause_id], remedies=())
    causes |= {cause.id: cause for cause in own.causes}
    noise = {each.name: each for each in (*builtin.noise, *own.noise)}
    version = f"{builtin.version}+{own.version}"
    return Catalogue(dict(sorted(causes.items())), tuple(noise.values()), version)


def fitting(builtin: Catalogue, own: OwnCauses) -> OwnCauses:
    """The own causes without those that do not fit this built-in catalogue.

    They were read together with another version of it; soon somebody will read them again.
    """
    while unfit := {misfit.cause for misfit in _misfits(builtin, own.causes)}:
        own = _without(builtin, own, unfit)
    return own


def _without(builtin: Catalogue, own: OwnCauses, unfit: set[str]) -> OwnCauses:
    kept = tuple(cause for cause in own.causes if cause.id not in unfit)
    withheld = {*own.withheld, *(unfit & builtin.causes.keys())}
    return OwnCauses(kept, own.noise, tuple(sorted(withheld)))


@dataclass(frozen=True, slots=True)
class _Misfit:
    """A cause that is well in itself, but not together with the others."""

    cause: str
    key: str
    text: str
    word: str | None = None
    """The part of the key's list that is meant."""


def _misfits(builtin: Catalogue, own: Iterable[Cause]) -> Iterator[_Misfit]:
    """What no single file shows; names first, because the rest follows them."""
    chosen = {cause.id: cause for cause in own}
    causes = {**builtin.causes, **chosen}
    strangers = list(_strangers(chosen, causes))
    yield from strangers
    if strangers:
        return
    for cause in chosen.values():
        if cause.id in reachable(cause.id, causes):
            yield _Misfit(cause.id, "explains", f"leads back to {cause.id} itself")


def _strangers(chosen: Mapping[str, Cause], causes: Mapping[str, Cause]) -> Iterator[_Misfit]:
    checks = {*schema.NODE_CHECKS, *schema.AWS_CHECKS}
    for cause in chosen.values():
        for key, words, known in (
            ("explains", cause.explains, causes.keys()),
            ("confused_with", cause.confused_with, causes.keys()),
            ("checks", cause.checks, checks),
            ("remedies", cause.remedies, schema.REMEDY_PLATFORMS.keys()),
        ):
            for word in words:
                if word not in known:
                    text = f"{word!r} is not known, or its own file is not in force"
                    yield _Misfit(cause.id, key, text, word)


# --- reading files -------------------------------------------------------------------------------


def choose(sizes: Mapping[str, int]) -> tuple[tuple[str, ...], tuple[Problem, ...]]:
    """The files that are read, and why the others are not; by name and size, before reading."""
    from patchmedic.causes.source import Problem

    chosen: list[str] = []
    problems: list[Problem] = []
    total = 0
    for name in sorted(sizes):
        text = ""
        if not _FILE_NAME.fullmatch(name) or len(name) > _FILE_NAME_CHARACTERS_MAX:
            text = "is no file name for a cause: small letters, digits and -, like own-mirror.toml"
        elif sizes[name] > FILE_BYTES_MAX:
            text = f"is larger than {FILE_BYTES_MAX // 1024} KiB"
        elif len(chosen) == FILES_MAX:
            text = f"is one too many: at most {FILES_MAX} files are read, by their names' order"
        elif total + sizes[name] > TOTAL_BYTES_MAX:
            text = f"does not fit: all files together may have {TOTAL_BYTES_MAX // 1024} KiB"
        if text:
            problems.append(Problem(_shown_name(name), "", text))
        else:
            chosen.append(name)
            total += sizes[name]
    return tuple(chosen), tuple(problems)


def _shown_name(name: str) -> str:
    """A file's name in a message; an object in S3 may be called anything."""
    if name.isprintable() and len(name) <= _FILE_NAME_CHARACTERS_MAX:
        return name
    return ascii(name)[: _FILE_NAME_CHARACTERS_MAX - 1] + "…"


def read_own(
    files: Mapping[str, bytes], builtin: Catalogue, refused: Iterable[Problem] = ()
) -> tuple[OwnCauses, tuple[Problem, ...]]:
    """The own causes in ``files``, and every problem of every file that is not in force.

    Any bytes give a result.  ``refused`` are problems of files that were not even read.
    """
    chosen, problems = choose({name: len(raw) for name, raw in files.items()})
    reading = _Reading(builtin, [*refused, *problems])
    reading.parse({name: files[name] for name in chosen})
    reading.check_each()
    reading.check_together()
    return reading.result()


class _Reading:
    """Files on their way: whatever is found wrong with one takes it out."""

    def __init__(self, builtin: Catalogue, problems: list[Problem]) -> None:
        self._builtin = builtin
        self._problems = problems
        self._sources: dict[str, Source] = {}
        self._causes: dict[str, Cause] = {}
        """File name -> the whole cause that it makes."""
        self._noise: tuple[Noise, ...] = ()
        self._patterns = 0
        self._patterns_size = 0

    def parse(self, files: Mapping[str, bytes]) -> None:
        from patchmedic.causes.source import Source, read_source

        for name, raw in files.items():
            source = read_source(name, raw)
            if isinstance(source, Source):
                self._sources[name] = source
            else:
                self._problems.append(source)

    def check_each(self) -> None:
        own = {_id_of(name) for name in self._sources if name != NOISE_FILE}
        known = {*self._builtin.causes, *own}
        for name, source in self._sources.items():
            if name == NOISE_FILE:
                self._check_noise(source)
            else:
                self._check_cause(source, known)

    def _check_noise(self, source: Source) -> None:
        noise, problems = _read_noise_file(source)
        if self._accepts(source, problems, [each.pattern for each in noise]):
            self._noise = noise

    def _check_cause(self, source: Source, known: set[str]) -> None:
        from patchmedic.causes.validator import read_cause

        same = self._builtin.causes.get(_id_of(source.name))
        base = same if source.table.get("extends") is True else None
        cause, problems = read_cause(
            source.name, source.table, known, base=base, also_known=("extends",)
        )
        problems += _OwnRules(source, cause, self._builtin).problems()
        patterns = [each.pattern for each in cause.signatures]
        patterns += [each.pattern for each in cause.steps]
        if self._accepts(source, problems, patterns):
            self._causes[source.name] = _extended(base, cause) if base else cause

    def _accepts(self, source: Source, problems: list[Problem], patterns: list[str]) -> bool:
        """Whether a file may be in force, as far as it goes by itself; else says why not."""
        problems = problems or self._no_room(source, patterns)
        more = len(problems) - PROBLEMS_PER_FILE_MAX
        told = sorted(map(source.locate, problems), key=_place)[:PROBLEMS_PER_FILE_MAX]
        self._problems += told
        if more > 0:
            self._problems.append(_problem(source, "", f"and {more} more problems"))
        return not problems

    def _no_room(self, source: Source, patterns: list[str]) -> list[Problem]:
        """What the patterns of all files may need together goes to the first ones by name."""
        count = self._patterns + len(patterns)
        size = self._patterns_size
        size += sum(schema.compile_pattern(pattern).programsize for pattern in patterns)
        text = ""
        if count > PATTERNS_MAX:
            text = f"does not fit: all files together may have {PATTERNS_MAX} patterns"
        elif size > PATTERNS_SIZE_MAX:
            text = (
                f"does not fit: all patterns together may have the size {PATTERNS_SIZE_MAX:,}, "
                f"and with these they have {size:,}; wide gaps such as .{{0,300}} cost most"
            )
        else:
            self._patterns, self._patterns_size = count, size
        return [_problem(source, "", text)] if text else []

    def check_together(self) -> None:
        """Take out, until nothing is left to take out, what does not go with the rest."""
        while misfits := list(_misfits(self._builtin, self._causes.values())):
            for misfit in misfits:
                name = f"{misfit.cause}.toml"
                self._reject(name, misfit.key, misfit.text, misfit.word)

    def _reject(self, name: str, key: str, text: str, word: str | None = None) -> None:
        source = self._sources[name]
        words = source.table.get(key)
        deeper = (words.index(word),) if isinstance(words, list) and word in words else ()
        self._problems.append(source.locate(_problem(source, key, text, *deeper)))
        self._causes.pop(name, None)

    def result(self) -> tuple[OwnCauses, tuple[Problem, ...]]:
        meant = {_id_of(problem.file) for problem in self._problems}
        withheld = tuple(sorted(meant & self._builtin.causes.keys()))
        own = OwnCauses(tuple(self._causes.values()), self._noise, withheld)
        return own, tuple(sorted(self._problems, key=_place))


def _place(problem: Problem) -> tuple[str, int]:
    """By file and line; what stands nowhere comes last."""
    return problem.file, problem.line or sys.maxsize


def _id_of(name: str) -> str:
    return name.removesuffix(".toml")


def _problem(source: Source, key: str, text: str, *deeper: str | int) -> Problem:
    from patchmedic.causes.source import Problem

    path: Path | None = (key, *deeper) if key else None
    return Problem(source.name, key, text, path)


def _read_noise_file(source: Source) -> tuple[tuple[Noise, ...], list[Problem]]:
    from patchmedic.causes.validator import read_noise, shown

    noise, problems = read_noise(source.name, source.table)
    if len(noise) > PATTERNS_PER_FILE_MAX:
        text = f"are more than the {PATTERNS_PER_FILE_MAX} that one file may have"
        problems.append(_problem(source, "noise", text))
    for number, each in enumerate(noise):
        if not _NOISE_NAME.fullmatch(each.name):
            text = f"{shown(each.name)} is no name: small letters, digits and -"
            problems.append(_problem(source, "noise", text, number, "name"))
    return noise, problems


class _OwnRules:
    """What an own file must keep beyond the schema."""

    def __init__(self, source: Source, cause: Cause, builtin: Catalogue) -> None:
        self._source = source
        self._cause = cause
        self._id_of_file = _id_of(source.name)
        self._known = builtin.causes.keys()
        self._builtin = builtin.causes.get(self._id_of_file)

    def problems(self) -> Iterator[Problem]:
        yield from self._id()
        yield from self._size()
        yield from self._remedies()

    def _id(self) -> Iterator[Problem]:
        from patchmedic.causes.validator import hint

        extends = self._source.table.get("extends", False)
        if not isinstance(extends, bool):
            yield _problem(self._source, "extends", "is neither true nor false")
        if self._builtin is not None:
            return
        near = hint(self._id_of_file, self._known)
        if extends is True:
            text = f"there is no built-in cause {self._id_of_file} to extend{near}"
            yield _problem(self._source, "extends", text)
        elif not self._source.name.startswith(PREFIX):
            text = f"is no built-in cause's, and a new cause's begins with {PREFIX}{near}"
            yield _problem(self._source, "id", text)

    def _size(self) -> Iterator[Problem]:
        cause = self._cause
        hints = (cause.exit_codes, cause.hresults, cause.statuses, cause.steps)
        count = sum(map(len, hints))
        if len(cause.signatures) > PATTERNS_PER_FILE_MAX:
            text = f"are more than the {PATTERNS_PER_FILE_MAX} that one file may have"
            yield _problem(self._source, "signature", text)
        if count > HINTS_PER_FILE_MAX:
            text = f"the codes, statuses and steps are more than {HINTS_PER_FILE_MAX}"
            yield _problem(self._source, "", text)
        if not cause.signatures and not count and self._builtin is None:
            yield _problem(self._source, "signature", "is missing: nothing could show this cause")

    def _remedies(self) -> Iterator[Problem]:
        """An own cause may take remedies away, but gives none to what no check confirms."""
        cause = self._cause
        known = self._builtin.remedies if self._builtin else ()
        for number, remedy in enumerate(cause.remedies):
            if remedy not in schema.REMEDY_PLATFORMS:
                continue  # told already
            waits = remedy in schema.WAITING_REMEDIES
            if remedy not in known and not waits:
                text = (
                    f"{remedy} changes the node, and no check of PatchMedic confirms this cause; "
                    "extend the built-in cause that it is for"
                )
                yield _problem(self._source, "remedies", text, number)
            if remedy not in known and waits and not cause.transient:
                text = f"{remedy} needs transient = true: it is for what passes by itself"
                yield _problem(self._source, "remedies", text, number)
            if not waits and not (cause.confirm and self._checked()):
                text = f"must be true, with a check, for {remedy} changes the node"
                yield _problem(self._source, "confirm", text)

    def _checked(self) -> bool:
        extends = self._source.table.get("extends") is True
        return bool(self._cause.checks) or extends


def _extended(base: Cause, part: Cause) -> Cause:
    """The built-in cause with what the file says: lists are added to, single values replaced."""

    def both(old: tuple[str, ...], new: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*old, *new)))

    return replace(
        part,
        explains=both(base.explains, part.explains),
        confused_with=both(base.confused_with, part.confused_with),
        checks=both(base.checks, part.checks),
        links=both(base.links, part.links),
        signatures=(*base.signatures, *part.signatures),
        exit_codes=(*base.exit_codes, *part.exit_codes),
        hresults=(*base.hresults, *part.hresults),
        statuses=(*base.statuses, *part.statuses),
        steps=(*base.steps, *part.steps),
    )


# --- handing on ----------------------------------------------------------------------------------


def _plain(own: OwnCauses) -> dict[str, object]:
    return {
        "causes": [asdict(cause) for cause in own.causes],
        "noise": [asdict(each) for each in own.noise],
        "withheld": own.withheld,
    }


def pack(own: OwnCauses) -> bytes:
    """The own causes in a form that ``unpack`` reads without validating them again."""
    plain = {"format": _FORMAT, **_plain(own)}
    return zlib.compress(json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode())


def unpack(packed: bytes) -> OwnCauses:
    """What ``pack`` made; ``OwnCausesUnreadable`` for anything else."""
    try:
        plain = json.loads(zlib.decompress(packed))
        if plain["format"] != _FORMAT:
            raise OwnCausesUnreadable(f"format {plain['format']!r} is not {_FORMAT}")
        return OwnCauses(
            tuple(cause_of(table) for table in plain["causes"]),
            tuple(noise_of(table) for table in plain["noise"]),
            tuple(plain["withheld"]),
        )
    except (zlib.error, KeyError, TypeError, ValueError) as error:
        raise OwnCausesUnreadable(f"the own causes cannot be read: {error}") from error
