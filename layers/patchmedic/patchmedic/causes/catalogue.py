"""The catalogue of causes: reading it, checking it as a whole, and handing it out.

Here: the ``Catalogue`` type, loading from the TOML files or from the one JSON file that the layer
build makes of them, and the rules that hold between causes.  Not here: the shape of one cause
(``schema``) and the search engine over all patterns (``engine``).
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from patchmedic.causes import schema
from patchmedic.causes.engine import Engine

DATA: Final = Path(__file__).parent / "data"
COMPILED: Final = Path(__file__).parent / "catalogue.json"
NOISE_FILE: Final = "noise.toml"
UNKNOWN: Final = "unknown"
BENIGN: Final = "benign"


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
        closure = {cause: _reachable(cause, self.causes) for cause in self.causes}
        object.__setattr__(self, "explains", closure)

    @functools.cached_property
    def engine(self) -> Engine:
        """The compiled patterns; made when the first text is classified."""
        signatures = [each for cause in self.causes.values() for each in cause.signatures]
        return Engine(signatures, self.noise)

    @functools.cached_property
    def hresults(self) -> Mapping[int, tuple[schema.Hresult, ...]]:
        """Result code (unsigned) -> what it is called and each cause that it hints at."""
        found: dict[int, tuple[schema.Hresult, ...]] = {}
        for cause in self.causes.values():
            for hresult in cause.hresults:
                found[hresult.code] = (*found.get(hresult.code, ()), hresult)
        return found


def _reachable(start: str, causes: Mapping[str, schema.Cause]) -> frozenset[str]:
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
    import tomllib  # a function that starts reads the compiled file instead

    problems: list[str] = []
    tables: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.glob("*.toml")):
        try:
            tables[path.name] = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
            problems.append(f"{path.name}: is not TOML: {problem}")
    noise, errors = schema.read_noise(NOISE_FILE, tables.pop(NOISE_FILE, {}))
    problems += errors
    ids = [name.removesuffix(".toml") for name in tables]
    causes: dict[str, schema.Cause] = {}
    for name, table in tables.items():
        cause, errors = schema.read_cause(name, table, ids)
        problems += errors
        causes[cause.id] = cause
    problems += [] if problems else _check_together(causes)
    if problems:
        raise CatalogueError(problems)
    return _catalogue(causes, noise)


def _check_together(causes: Mapping[str, schema.Cause]) -> list[str]:
    """The rules that no single file can break."""
    problems = [
        f"{required}.toml: is missing; the classifier names this cause itself"
        for required in (BENIGN, UNKNOWN)
        if required not in causes
    ]
    for cause_id in causes:
        if cause_id in _reachable(cause_id, causes):
            problems.append(f"{cause_id}.toml: explains: leads back to {cause_id} itself")
    symbols: dict[int, str] = {}
    for cause in causes.values():
        for hresult in cause.hresults:
            symbol = symbols.setdefault(hresult.code, hresult.symbol)
            if symbol != hresult.symbol:
                problems.append(
                    f"{cause.id}.toml: hresult: 0x{hresult.code:08X} is {symbol} elsewhere"
                )
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
    """One compact JSON text that ``load_compiled`` reads far faster than sixty TOML files."""
    plain: dict[str, Any] = {"version": catalogue.version}
    plain |= _plain(catalogue.causes, catalogue.noise)
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":"))


def load_compiled(path: Path) -> Catalogue:
    """The catalogue in a file that ``to_compiled`` wrote; trusted, so not validated again."""
    plain = json.loads(path.read_text(encoding="utf-8"))
    causes = {table["id"]: _cause(table) for table in plain["causes"]}
    noise = tuple(schema.Noise(**_tuples(each)) for each in plain["noise"])
    return Catalogue(causes, noise, plain["version"])


def _tuples(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(v) if isinstance(v, list) else v for key, v in table.items()}


def _cause(table: dict[str, Any]) -> schema.Cause:
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
