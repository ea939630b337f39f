"""The remedy catalogue: complete, in both languages, and bound to documents that exist."""

from __future__ import annotations

import re
import time
import tomllib
from pathlib import Path

import pytest

from patchmedic.checks.aws import AWS_CHECKS
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
    "resync-clock": Risk.LOW,
    "start-update-services": Risk.LOW,
    "reset-windows-update": Risk.MEDIUM,
    "configure-dpkg": Risk.MEDIUM,
    "rebuild-rpm-database": Risk.MEDIUM,
    "refresh-ca-bundle": Risk.MEDIUM,
    "repair-component-store": Risk.MEDIUM,
    "reboot-node": Risk.HIGH,
    "attach-instance-profile": Risk.MEDIUM,
    "tag-patch-policy-role": Risk.MEDIUM,
    "reboot-instance": Risk.HIGH,
}
GOOD = (DATA / "free-disk-space.toml").read_text("utf-8")


def owned_documents() -> dict[str, dict[str, object]]:
    metadata = tomllib.loads((ROOT / "documents" / "documents.toml").read_text("utf-8"))
    return {entry["suffix"]: entry for entry in metadata["document"]}


def test_the_remedies_and_their_risks() -> None:
    assert {remedy.id: remedy.risk for remedy in REMEDIES.values()} == RISKS


@pytest.mark.parametrize("remedy", REMEDIES.values(), ids=lambda r: r.id)
def test_every_remedy_is_written_in_both_languages(remedy: Remedy) -> None:
    texts = (remedy.title, remedy.changes, remedy.undo, remedy.preconditions, remedy.verified_by)
    for text in texts:
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


def test_what_may_reboot_is_high_and_needs_a_finding_and_a_window() -> None:
    rebooting = {remedy.id for remedy in REMEDIES.values() if remedy.may_reboot}
    assert rebooting == {"reboot-node", "reboot-instance"}
    assert {r.id for r in REMEDIES.values() if r.risk is Risk.HIGH} == rebooting
    for remedy in REMEDIES.values():
        assert not remedy.may_reboot or (remedy.disrupts and remedy.confirmed_by), remedy.id


def test_no_parameter_is_free() -> None:
    assert not any(remedy.parameters for remedy in REMEDIES.values())


@pytest.mark.parametrize("remedy", REMEDIES.values(), ids=lambda r: r.id)
def test_the_checks_that_a_remedy_waits_for_confirm_one_of_its_causes(remedy: Remedy) -> None:
    for name in remedy.confirmed_by:
        assert _confirmed(name) & set(remedy.causes), name
        if name in CHECKS and remedy.documents:
            assert set(CHECKS[name].platforms) & set(remedy.documents), name


def test_every_cause_of_a_remedy_can_be_confirmed_by_a_check_that_it_waits_for() -> None:
    for remedy in REMEDIES.values():
        confirmed = {cause for name in remedy.confirmed_by for cause in _confirmed(name)}
        assert not remedy.confirmed_by or confirmed >= set(remedy.causes), remedy.id


def _confirmed(check: str) -> set[str | None]:
    if check in CHECKS:
        return {rule.cause for rule in CHECKS[check].rules}
    return set(AWS_CHECKS[check].causes)


def test_whatever_is_above_low_waits_for_a_certain_check() -> None:
    waiting = {r.id for r in REMEDIES.values() if r.risk in {Risk.MEDIUM, Risk.HIGH}}
    assert {r.id for r in REMEDIES.values() if r.confirmed_by} >= waiting


def test_only_calls_to_aws_have_neither_document_nor_waiting() -> None:
    for remedy in REMEDIES.values():
        assert remedy.documents or remedy.action or remedy.risk is Risk.NONE, remedy.id


def test_loading_is_cheap() -> None:
    seconds = min(_timed() for _ in range(10))
    assert seconds < 0.02


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
        ("may_reboot = false", "may_reboot = true", "what may reboot a node has the risk high"),
        (
            "may_reboot = false",
            "may_reboot = false\ndisrupts = 1",
            "disrupts must be true or false",
        ),
        ("may_reboot = false", "may_reboot = false\nconfirmed_by = []", "confirmed_by must be a"),
        ("may_reboot = false", "may_reboot = false\naction = 'x'", "action must be one of"),
        (
            "may_reboot = false",
            "may_reboot = false\naction = 'reboot-instance'",
            "an action has neither documents",
        ),
        ("[verified_by]", "[proof]", "missing fields ['verified_by']"),
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
