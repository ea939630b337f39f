"""The remedy catalogue: complete, in both languages, and bound to documents that exist."""

from __future__ import annotations

import re
import time
import tomllib
from pathlib import Path

import pytest

from patchmedic.checks.node import CHECKS
from patchmedic.model import LANGUAGES, Remedy, Risk
from patchmedic.remedies import DATA, RemedyFileError, load_remedies

ROOT = Path(__file__).resolve().parents[2]
REMEDIES = load_remedies()

RISKS = {
    "wait-for-package-lock": Risk.NONE,
    "retry-when-quiet": Risk.NONE,
    "retry-later": Risk.NONE,
    "clear-patch-leftovers": Risk.LOW,
    "free-disk-space": Risk.LOW,
    "clean-package-cache": Risk.LOW,
    "restart-agent": Risk.LOW,
    "update-agent": Risk.LOW,
    "reset-windows-update": Risk.MEDIUM,
}
GOOD = (DATA / "free-disk-space.toml").read_text("utf-8")


def owned_documents() -> dict[str, dict[str, object]]:
    metadata = tomllib.loads((ROOT / "documents" / "documents.toml").read_text("utf-8"))
    return {entry["suffix"]: entry for entry in metadata["document"]}


def test_the_remedies_and_their_risks() -> None:
    assert {remedy.id: remedy.risk for remedy in REMEDIES.values()} == RISKS


@pytest.mark.parametrize("remedy", REMEDIES.values(), ids=lambda r: r.id)
def test_every_remedy_is_written_in_both_languages(remedy: Remedy) -> None:
    for text in (remedy.title, remedy.changes, remedy.undo):
        assert set(text) == set(LANGUAGES)
        assert re.search(r"[぀-ヿ一-鿿]", text["ja"])
        assert text["en"].isascii() or "…" in text["en"]


@pytest.mark.parametrize("remedy", REMEDIES.values(), ids=lambda r: r.id)
def test_every_document_of_a_remedy_is_owned_or_allowed(remedy: Remedy) -> None:
    owned = owned_documents()
    for platform, document in remedy.documents.items():
        if document.startswith("AWS-"):
            continue
        entry = owned[document]
        assert str(entry["platform"]).lower() == platform
        seconds = entry["timeout_seconds"]
        assert isinstance(seconds, int)
        # The caller must not give up before the step's own limit has ended it.
        assert remedy.timeout_seconds > seconds


def test_every_remedy_document_belongs_to_a_remedy() -> None:
    used = {document for remedy in REMEDIES.values() for document in remedy.documents.values()}
    remedies = {suffix for suffix in owned_documents() if suffix.startswith("Remedy-")}
    assert remedies == {document for document in used if not document.startswith("AWS-")}


def test_the_scripts_report_under_the_id_of_their_remedy() -> None:
    for remedy in REMEDIES.values():
        for document in remedy.documents.values():
            if document.startswith("AWS-"):
                continue
            parts = owned_documents()[document]["parts"]
            assert isinstance(parts, list)
            script = (ROOT / "documents" / parts[-1]).read_text("utf-8")
            assert re.search(rf"^\$?(REMEDY|Remedy) ?= ?'?{remedy.id}'?$", script, re.M), document


def test_the_causes_catalogue_names_only_remedies_that_exist_and_treat_them() -> None:
    """Treating is asked of causes that a node check can confirm: only those get a remedy sent."""
    confirmable = {rule.cause for check in CHECKS.values() for rule in check.rules}
    folder = ROOT / "layers" / "patchmedic" / "patchmedic" / "causes" / "data"
    for path in folder.glob("*.toml"):
        cause = tomllib.loads(path.read_text("utf-8"))
        for remedy in cause.get("remedies", ()):
            assert remedy in REMEDIES, path.name
            if cause["id"] in confirmable:
                assert cause["id"] in REMEDIES[remedy].causes, (path.name, remedy)


def test_nothing_may_reboot_and_no_parameter_is_free() -> None:
    assert not any(remedy.may_reboot for remedy in REMEDIES.values())
    assert not any(remedy.parameters for remedy in REMEDIES.values())


def test_loading_is_cheap() -> None:
    seconds = min(_timed() for _ in range(5))
    assert seconds < 0.005


def _timed() -> float:
    begun = time.perf_counter()
    load_remedies()
    return time.perf_counter() - begun


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('risk = "low"', 'risk = "tiny"', "risk must be one of"),
        ('causes = ["disk-full"]', "causes = []", "causes must be a list"),
        (
            "Remedy-FreeDiskSpace-Linux",
            "AWS-RunShellScript",
            "no remedy may run AWS-RunShellScript",
        ),
        ("linux =", "beos =", "no remedy may run"),
        ("parameters = {}", "parameters = { a = 1 }", "parameters must be a table of texts"),
        ("may_reboot = false", 'may_reboot = "no"', "true or false"),
        ("wait_seconds = 0", "wait_seconds = -1", "wait_seconds must be seconds"),
        ("may_reboot = false", "", "missing fields ['may_reboot']"),
        ("may_reboot = false", "may_reboot = false\nshell = 'id'", "unknown fields ['shell']"),
        ("ja =", "fr =", "must be written in each of"),
        ("[title]", "[title", "is no TOML"),
    ],
)
def test_a_bad_file_is_refused_with_its_name(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in GOOD
    (tmp_path / "broken.toml").write_text(GOOD.replace(old, new), "utf-8")
    with pytest.raises(RemedyFileError, match=r"broken\.toml") as caught:
        load_remedies(tmp_path)
    assert says in str(caught.value)


def test_a_file_whose_name_is_no_id_is_refused(tmp_path: Path) -> None:
    (tmp_path / "Free Space.toml").write_text(GOOD, "utf-8")
    with pytest.raises(RemedyFileError, match="remedy's id"):
        load_remedies(tmp_path)
