"""The remedies: what may be done about a cause, as data, one file each in ``data/``.

Here: reading and checking those files.  Not here: whether a remedy may run (``policy``), which
comes first (the catalogue's order), or what its document does (``documents/remedy``).

Reading all takes a few milliseconds, and nothing is read at import; whoever loads them keeps them.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from patchmedic.errors import PatchMedicError
from patchmedic.model import LANGUAGES, Remedy, Risk

DATA = Path(__file__).parent / "data"

_ID = re.compile(r"[a-z][a-z0-9-]{1,39}")
_OWN_DOCUMENT = re.compile(r"Remedy-[A-Za-z]+-(?:Linux|MacOS|Windows)")
_AWS_DOCUMENTS: frozenset[str] = frozenset({"AWS-UpdateSSMAgent"})
"""The only documents of AWS that a remedy may run; none of them takes free text."""
_ACTIONS: frozenset[str] = frozenset(
    {"attach-instance-profile", "reboot-instance", "tag-patch-policy-role"}
)
"""The calls to AWS that may be a remedy."""
_PLATFORMS: frozenset[str] = frozenset({"linux", "macos", "windows"})
_FIELDS: frozenset[str] = frozenset(
    {"risk", "causes", "documents", "parameters", "may_reboot", "wait_seconds", "timeout_seconds"}
    | {"title", "changes", "undo", "preconditions", "verified_by"}
)
_OPTIONAL: frozenset[str] = frozenset({"only_when_over", "confirmed_by", "action", "disrupts"})


class RemedyFileError(PatchMedicError):
    """A remedy's file is not what it must be; names the file and the field."""


def load_remedies(folder: Path = DATA) -> Mapping[str, Remedy]:
    """Every remedy by its id, the files' order; raises ``RemedyFileError`` on a bad file."""
    return {path.stem: _read(path) for path in sorted(folder.glob("*.toml"))}


def _read(path: Path) -> Remedy:
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RemedyFileError(f"{path.name} is no TOML: {error}") from error
    unknown = raw.keys() - _FIELDS - _OPTIONAL
    missing = _FIELDS - raw.keys()
    if unknown or missing:
        raise RemedyFileError(
            f"{path.name}: unknown fields {sorted(unknown)}, missing fields {sorted(missing)}"
        )
    if not _ID.fullmatch(path.stem):
        raise RemedyFileError(f"{path.name}: the file's name is the remedy's id, like-this.toml")
    remedy = Remedy(
        id=path.stem,
        risk=_risk(path.name, raw["risk"]),
        causes=tuple(_words(path.name, "causes", raw["causes"])),
        documents=_documents(path.name, raw["documents"]),
        parameters=_table(path.name, "parameters", raw["parameters"]),
        may_reboot=_flag(path.name, "may_reboot", raw["may_reboot"]),
        wait_seconds=_seconds(path.name, "wait_seconds", raw["wait_seconds"]),
        timeout_seconds=_seconds(path.name, "timeout_seconds", raw["timeout_seconds"]),
        **_texts(path.name, raw),
        only_when_over=_flag(path.name, "only_when_over", raw.get("only_when_over", False)),
        confirmed_by=_confirmed_by(path.name, raw),
        action=_action(path.name, raw),
        disrupts=_flag(path.name, "disrupts", raw.get("disrupts", False)),
    )
    if remedy.may_reboot and remedy.risk is not Risk.HIGH:
        raise RemedyFileError(f"{path.name}: what may reboot a node has the risk high")
    return remedy


def _risk(file: str, value: object) -> Risk:
    risk = next((risk for risk in Risk if risk.value == value), None)
    if risk is None:
        raise RemedyFileError(f"{file}: risk must be one of {[r.value for r in Risk]}")
    return risk


def _words(file: str, name: str, value: object) -> list[str]:
    if not isinstance(value, list) or not value or not all(isinstance(v, str) for v in value):
        raise RemedyFileError(f"{file}: {name} must be a list of ids, and not empty")
    return value


def _confirmed_by(file: str, raw: Mapping[str, Any]) -> tuple[str, ...]:
    if "confirmed_by" not in raw:
        return ()
    return tuple(_words(file, "confirmed_by", raw["confirmed_by"]))


def _action(file: str, raw: Mapping[str, Any]) -> str | None:
    action: str | None = raw.get("action")
    if action is None:
        return None
    if action not in _ACTIONS:
        raise RemedyFileError(f"{file}: action must be one of {sorted(_ACTIONS)}")
    if raw["documents"] or raw["parameters"]:
        raise RemedyFileError(f"{file}: an action has neither documents nor parameters")
    return action


def _documents(file: str, value: object) -> dict[str, str]:
    documents = _table(file, "documents", value)
    for platform, document in documents.items():
        known = _OWN_DOCUMENT.fullmatch(document) or document in _AWS_DOCUMENTS
        if platform not in _PLATFORMS or not known:
            raise RemedyFileError(f"{file}: no remedy may run {document} on {platform}")
    return documents


def _table(file: str, name: str, value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        raise RemedyFileError(f"{file}: {name} must be a table of texts")
    return value


def _flag(file: str, name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise RemedyFileError(f"{file}: {name} must be true or false")
    return value


def _seconds(file: str, name: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 86_400:
        raise RemedyFileError(f"{file}: {name} must be seconds, a day at most")
    return value


def _texts(file: str, raw: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    names = ("title", "changes", "undo", "preconditions", "verified_by")
    return {name: _text(file, name, raw[name]) for name in names}


def _text(file: str, name: str, value: object) -> dict[str, str]:
    text = _table(file, name, value)
    if tuple(sorted(text)) != tuple(sorted(LANGUAGES)) or not all(text.values()):
        raise RemedyFileError(f"{file}: {name} must be written in each of {LANGUAGES}")
    return text
