"""The catalogue of causes: reading it, checking it as a whole, and handing it out.

Here: the ``Catalogue`` type, loading from the TOML files or from the one JSON file that the layer
build makes of them, and the rules that hold between causes.  Not here: the shape of one cause
(``schema``, ``validator``), the search engine over all patterns (``engine``) and customers' own
files (``own``).
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from patchmedic.causes import schema
from patchmedic.causes.engine import Engine

if TYPE_CHECKING:
    from patchmedic.causes.hresults import Hints

DATA: Final = Path(__file__).parent / "data"
COMPILED: Final = Path(__file__).parent / "catalogue.json"
NOISE_FILE: Final = "noise.toml"
UNKNOWN: Final = "unknown"
BENIGN: Final = "benign"


_Entry = TypeVar("_Entry", schema.Signature, schema.Noise)


class CatalogueError(ValueError):
    """The catalogue's files are wrong; ``problems`` says where and how, one line each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("the catalogue of causes has errors:\n" + "\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Catalogue:
    """All causes by id, the named noise, and what is derived from them."""

    causes: Mapping[str, schema.Cause]
    noise: tuple[schema.Noise, ...]
    version: str
    """A short hash of the content: two catalogues with one version rank alike."""
    explains: Mapping[str, frozenset[str]] = field(init=False)
    """Cause -> every cause that it explains, also through others."""

    def __post_init__(self) -> None:
        closure = {cause: reachable(cause, self.causes) for cause in self.causes}
        object.__setattr__(self, "explains", closure)

    @functools.cached_property
    def engine(self) -> Engine:
        """The compiled patterns; made when the first text is classified."""
        signatures = [each for cause in self.causes.values() for each in cause.signatures]
        return Engine(signatures, self.noise)

    @functools.cached_property
    def hresults(self) -> Hints:
        """Windows result code -> each cause that it hints at."""
        from patchmedic.causes.hresults import Hints  # here: most functions never classify

        return Hints(hresult for cause in self.causes.values() for hresult in cause.hresults)


def reachable(start: str, causes: Mapping[str, schema.Cause]) -> frozenset[str]:
    """Every cause that ``start`` explains, also through others."""
    seen: set[str] = set()
    todo = list(causes[start].explains)
    while todo:
        cause = todo.pop()
        if cause not in seen:
            seen.add(cause)
            todo.extend(causes[cause].explains)
    return frozenset(seen)


@functools.cache
def load_catalogue() -> Catalogue:
    """The catalogue that comes with the package: compiled if the build made that, else TOML."""
    if COMPILED.is_file():
        return load_compiled(COMPILED)
    return load_files(DATA)


def load_files(folder: Path) -> Catalogue:
    """The catalogue in a folder of TOML files, validated; ``CatalogueError`` says all errors."""
    # Here, because a function that starts reads the compiled file instead.
    from patchmedic.causes.source import Problem, Source, read_source
    from patchmedic.causes.validator import read_cause, read_noise

    problems: list[Problem] = []
    sources: dict[str, Source] = {}
    for path in sorted(folder.glob("*.toml")):
        source = read_source(path.name, path.read_bytes())
        if isinstance(source, Source):
            sources[path.name] = source
        else:
            problems.append(source)
    noise: tuple[schema.Noise, ...] = ()
    causes: dict[str, schema.Cause] = {}
    ids = [name.removesuffix(".toml") for name in sources if name != NOISE_FILE]
    for name, source in sources.items():
        if name == NOISE_FILE:
            noise, found = read_noise(name, source.table)
        else:
            cause, found = read_cause(name, source.table, ids)
            causes[cause.id] = cause
        problems += map(source.locate, found)
    told = [str(problem) for problem in problems] or _check_together(causes)
    if told:
        raise CatalogueError(told)
    return _catalogue(causes, noise)


def _check_together(causes: Mapping[str, schema.Cause]) -> list[str]:
    """The rules that no single file can break."""
    problems = [
        f"{required}.toml: is missing; the classifier names this cause itself"
        for required in (BENIGN, UNKNOWN)
        if required not in causes
    ]
    for cause_id in causes:
        if cause_id in reachable(cause_id, causes):
            problems.append(f"{cause_id}.toml: explains: leads back to {cause_id} itself")
    return problems


def _catalogue(causes: Mapping[str, schema.Cause], noise: tuple[schema.Noise, ...]) -> Catalogue:
    ordered = {cause: causes[cause] for cause in sorted(causes)}
    return Catalogue(ordered, noise, _version(_plain(ordered, noise)))


def _plain(
    causes: Mapping[str, schema.Cause], noise: tuple[schema.Noise, ...]
) -> dict[str, list[dict[str, Any]]]:
    return {
        "causes": [asdict(cause) for cause in causes.values()],
        "noise": [asdict(each) for each in noise],
    }


def _version(plain: Mapping[str, Any]) -> str:
    content = json.dumps(plain, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def to_compiled(catalogue: Catalogue) -> str:
    """One compact JSON text that ``load_compiled`` reads far faster than sixty TOML files.

    It has all that can be made beforehand: of each pattern, what to search for in its place.
    """
    from patchmedic.causes.literals import search_plan  # here, because only a build needs it

    def ready(entry: _Entry) -> _Entry:
        return replace(entry, search=search_plan(entry.pattern, entry.literals))

    causes = {
        each.id: replace(each, signatures=tuple(map(ready, each.signatures)))
        for each in catalogue.causes.values()
    }
    plain: dict[str, Any] = {"version": catalogue.version}
    plain |= _plain(causes, tuple(map(ready, catalogue.noise)))
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class _Compiled:
    """What ``to_compiled`` writes."""

    version: str
    causes: tuple[schema.Cause, ...]
    noise: tuple[schema.Noise, ...]


def load_compiled(path: Path) -> Catalogue:
    """The catalogue in a file that ``to_compiled`` wrote; trusted, so not validated again."""
    plain = msgspec.json.decode(path.read_bytes(), type=_Compiled)
    return Catalogue({cause.id: cause for cause in plain.causes}, plain.noise, plain.version)


def _tuples(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _frozen(value) for key, value in table.items()}


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def noise_of(table: Mapping[str, Any]) -> schema.Noise:
    """The noise of which ``table`` is the plain form."""
    return schema.Noise(**_tuples(table))


def cause_of(table: Mapping[str, Any]) -> schema.Cause:
    """The cause of which ``table`` is the plain form; trusted, so not validated again."""
    parts: dict[str, type] = {
        "signatures": schema.Signature,
        "exit_codes": schema.ExitCode,
        "hresults": schema.Hresult,
        "statuses": schema.Status,
        "steps": schema.Step,
    }
    fields = _tuples(table)
    for key, kind in parts.items():
        fields[key] = tuple(kind(**_tuples(part)) for part in table[key])
    return schema.Cause(**fields)
