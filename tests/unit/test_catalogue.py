"""The catalogue's data is whole, and every way of writing a cause wrongly is refused by name."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import re2

from patchmedic.causes import catalogue as catalogues
from patchmedic.causes.catalogue import DATA, CatalogueError, load_compiled, load_files
from patchmedic.causes.compile import main as compile_main
from patchmedic.causes.literals import PatternError, requires_one_of
from patchmedic.causes.schema import (
    AWS_CHECKS,
    NODE_CHECKS,
    PLATFORMS,
    REMEDY_PLATFORMS,
    WAITING_REMEDIES,
    compile_pattern,
)
from patchmedic.checks.aws import AWS_CHECKS as AWS_REGISTRY
from patchmedic.checks.node import CHECKS as NODE_REGISTRY
from patchmedic.model import LANGUAGES
from patchmedic.remedies import load_remedies

CATALOGUE = load_files(DATA)

GOOD = """
id = "made-up"
group = "packages"
explains = ["benign"]
checks = ["disk-space"]
[title]
en = "A title"
ja = "題名"
[meaning]
en = "What it means."
ja = "意味。"
[advice]
en = "What to do."
ja = "対処。"
[[signature]]
pattern = 'made up (?:error|fault)'
literals = ["made up "]
weight = 0.9
"""


def folder_with(tmp_path: Path, text: str) -> Path:
    """A catalogue of three causes of which one is ``text``."""
    for required in ("benign.toml", "unknown.toml", "noise.toml"):
        shutil.copy(DATA / required, tmp_path / required)
    (tmp_path / "made-up.toml").write_text(text, encoding="utf-8")
    return tmp_path


def problems(tmp_path: Path, text: str) -> str:
    with pytest.raises(CatalogueError) as raised:
        load_files(folder_with(tmp_path, text))
    return "\n".join(raised.value.problems)


def test_a_good_cause_is_taken(tmp_path: Path) -> None:
    assert "made-up" in load_files(folder_with(tmp_path, GOOD)).causes


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        # The four mistakes that would do harm in silence.
        ("group =", "grup =", 3, "grup: is not a known key"),
        ('explains = ["benign"]', 'explains = ["nothing-such"]', 4, "'nothing-such' is not known"),
        ('ja = "題名"', "", 6, "title.ja: is missing"),
        ('literals = ["made up "]', 'literals = ["error"]', 17, "need not contain any of"),
        # And all others.
        ("group =", "grup =", 1, "group: is missing"),
        ('group = "packages"', 'group = "pakages"', 3, "'pakages' is not one of"),
        ('explains = ["benign"]', 'explains = ["made-up"]', 4, "cannot name itself"),
        ('["benign"]', '[\n"benign",\n"benin"]', 6, "'benin' is not known"),
        ('["benign"]', '["benign", "benign"]', 4, "names 'benign' twice"),
        ('["benign"]', "[1]", 4, "holds 1, expected only strings"),
        ('["disk-space"]', '["disk-spase"]', 5, "'disk-spase' is not known; did you mean"),
        ('ja = "題名"', 'de = "Titel"', 8, "title.de: is not a language"),
        ('ja = "対処。"', "", 12, "advice.ja: is missing"),
        ('ja = "対処。"', 'ja = " "', 14, "advice.ja: is missing or empty"),
        ('en = "A title"', 'en = "A\\nB"', 7, "title.en: is longer than one line"),
        ('en = "A title"', f'en = "{"x" * 91}"', 7, "title.en: is longer than 90 characters"),
        ('en = "A title"', 'en = "A\\u001b[31m"', 7, "title.en: holds a control character"),
        ("(?:error|fault)", "(?:error|fault", 16, "pattern: does not compile as RE2"),
        ("(?:error|fault)", "(?=error)", 16, "pattern: does not compile as RE2"),
        ("(?:error|fault)", r"\pL{900}", 16, "pattern too large - compile failed within 64 KiB"),
        ("(?:error|fault)", "x" * 400, 16, "pattern: is longer than 400 characters"),
        ("made up (?:error|fault)", "(?:made up )?", 16, "pattern: matches the empty text"),
        ('literals = ["made up "]', "literals = []", 17, "literals: is empty"),
        ('literals = ["made up "]', 'literals = ["Made up"]', 17, "is not lower case"),
        ('literals = ["made up "]', 'literals = ["ma"]', 17, "is shorter than"),
        ("weight = 0.9", "weight = 1.5", 18, "weight: 1.5 is not between"),
        ("weight = 0.9", "weight = nan", 18, "weight: nan is not between"),
        ("weight = 0.9", "weight = 0x" + "f" * 5_000, 18, "more than 64 bits is not between"),
        ("weight = 0.9", "", 15, "signature 1: weight: is missing"),
        ("weight = 0.9", 'weight = 0.9\nkind = "loud"', 19, "kind: 'loud' is not one of"),
        ("weight = 0.9", 'weight = 0.9\nkind = "completed"', 19, "only benign knows completed"),
        ("weight = 0.9", 'weight = 0.9\nplatforms = ["amiga"]', 19, "'amiga' is not known"),
        ("weight = 0.9", "weight = true", 18, "weight: is a bool"),
        ("weight = 0.9", "weight = 0.9\n[[signature]]", 19, "signature 2: pattern: is missing"),
        ('id = "made-up"', 'id = "other"', 2, "differs from the file's name"),
        ('id = "made-up"', 'id = "made-up"\nlinks = ["ftp://x"]', 3, "does not start with https"),
        ("weight = 0.9", "weight = 0.9\n[[hresult]]\ncode = '80240437'", 20, "not a failing"),
        ("weight = 0.9", "weight = 0.9\n[[exit_code]]\ncode = 0x1ffffffff", 20, "is not between"),
        ("weight = 0.9", "weight = 1\n[[status]]\nvalue = 'Timed Out'", 20, "'timedout'"),
        ("weight = 0.9", "weight = 1\n[[step]]\npattern = '('\nweight = 1", 20, "does not compile"),
        ("[title]", "[title", 6, "is not TOML"),
        ("weight = 0.9", 'weight = "', 18, "is not TOML"),
        ("weight = 0.9", "weight =", 18, "is not TOML"),
    ],
)  # fmt: skip
def test_a_bad_cause_is_refused_with_file_line_and_key(
    tmp_path: Path, old: str, new: str, line: int, said: str
) -> None:
    assert old in GOOD
    found = problems(tmp_path, GOOD.replace(old, new, 1)).splitlines()
    assert any(each.startswith(f"made-up.toml:{line}: ") and said in each for each in found), found


def test_a_file_that_is_no_text_is_refused_with_its_line(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, GOOD)
    (folder / "made-up.toml").write_bytes(b'id = "x"\n\xff')
    with pytest.raises(CatalogueError, match=r"made-up\.toml:2: is not UTF-8"):
        load_files(folder)


def test_explaining_in_a_circle_is_refused(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, GOOD)
    benign = folder / "benign.toml"
    text = benign.read_text(encoding="utf-8")
    benign.write_text(text.replace("[title]", 'explains = ["made-up"]\n\n[title]', 1))
    with pytest.raises(CatalogueError, match="leads back to"):
        load_files(folder)


def test_all_errors_are_told_at_once(tmp_path: Path) -> None:
    found = problems(tmp_path, GOOD.replace("weight = 0.9", "weight = 7\nwait = 1"))
    assert "weight: 7" in found and "wait: is not a known key" in found


def test_compiled_and_toml_give_the_same_catalogue(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "catalogue.json"
    assert compile_main([str(out)]) == 0
    assert CATALOGUE.version in capsys.readouterr().out
    compiled = load_compiled(out)
    assert compiled.causes == CATALOGUE.causes
    assert compiled.noise == CATALOGUE.noise
    assert compiled.version == CATALOGUE.version
    assert compiled.explains == CATALOGUE.explains


def test_the_compiled_file_is_used_when_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "catalogue.json"
    compile_main([str(out)])
    text = out.read_text(encoding="utf-8").replace(CATALOGUE.version, "from-compiled")
    out.write_text(text, encoding="utf-8")
    monkeypatch.setattr(catalogues, "COMPILED", out)
    catalogues.load_catalogue.cache_clear()
    try:
        assert catalogues.load_catalogue().version == "from-compiled"
        monkeypatch.setattr(catalogues, "COMPILED", tmp_path / "none.json")
        catalogues.load_catalogue.cache_clear()
        assert catalogues.load_catalogue().version == CATALOGUE.version
    finally:
        catalogues.load_catalogue.cache_clear()


def test_the_version_follows_the_content(tmp_path: Path) -> None:
    first = load_files(folder_with(tmp_path, GOOD)).version
    second = load_files(folder_with(tmp_path, GOOD.replace("0.9", "0.8"))).version
    assert first != second


def test_compile_says_how_it_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    assert compile_main([]) == 2
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize("cause", sorted(CATALOGUE.causes))
def test_every_cause_reads_well_in_both_languages(cause: str) -> None:
    entry = CATALOGUE.causes[cause]
    for text in (entry.title, entry.meaning, entry.advice):
        assert set(text) == set(LANGUAGES)
        assert re.search(r"[ぁ-ん]|[一-龠]|[ァ-ヶ]", text["ja"])
        assert not re.search(r"[ぁ-んァ-ヶ]", text["en"])
    assert len(entry.title["en"]) <= 90 and "\n" not in entry.title["en"] + entry.title["ja"]
    assert entry.links


@pytest.mark.parametrize("cause", sorted(CATALOGUE.causes))
def test_advice_gives_the_same_commands_in_both_languages(cause: str) -> None:
    advice = CATALOGUE.causes[cause].advice

    def commands(text: str) -> list[str]:
        return [
            re.split(r"\s+#|\s{3,}", line.strip())[0]
            for line in text.splitlines()
            if re.match(r"\s+(?:sudo|aws|curl|Get-|Dism|netsh|T=|for) ?", line)
        ]

    assert commands(advice["en"]) == commands(advice["ja"])


def test_acting_causes_wait_for_a_finding() -> None:
    waiting = {"retry-later"}
    for cause in CATALOGUE.causes.values():
        if set(cause.remedies) - waiting:
            assert cause.confirm and cause.checks, cause.id


def test_the_names_of_checks_are_those_of_the_registries() -> None:
    assert set(NODE_CHECKS) == set(NODE_REGISTRY)
    assert set(AWS_CHECKS) == set(AWS_REGISTRY)


def test_every_check_is_asked_by_the_causes_that_it_may_confirm() -> None:
    asked = {cause.id: set(cause.checks) for cause in CATALOGUE.causes.values()}
    for name, aws_check in AWS_REGISTRY.items():
        assert all(name in asked[cause] for cause in aws_check.causes), name
    for name, check in NODE_REGISTRY.items():
        causes = {rule.cause for rule in check.rules if rule.cause}
        assert all(name in asked[cause] for cause in causes), name
    assert {name for names in asked.values() for name in names} == {*NODE_CHECKS, *AWS_CHECKS}


def test_every_cause_can_show_itself() -> None:
    for cause in CATALOGUE.causes.values():
        if cause.id not in ("unknown", "benign"):
            assert cause.signatures or cause.statuses, cause.id


@pytest.mark.parametrize(
    ("pattern", "literals", "required"),
    [
        ("no space left", ["space"], True),
        ("no space|disk full", ["space"], False),
        ("no space|disk full", ["space", "full"], True),
        ("lock(?:ed)? by", ["lock"], True),
        ("lock(?:ed)? by", ["locked"], False),
        ("(?:a|b)lock", ["alock", "block"], True),
        ("(?:a|b)lock", ["alock"], False),
        ("x{0,2}lock", ["xlock"], False),
        ("x{2}lock", ["lock"], True),
        ("(?:lock)*end", ["lock"], False),
        ("(?:lock)+end", ["lock"], True),
        (r"errno \d+\] no", ["errno ", "] no"], True),
        ("[Ll]ock", ["lock"], False),
        ("LOCK", ["lock"], True),
        (r"a\.b", ["a.b"], True),
        ("a.b", ["a.b"], False),
        (r"(?P<name>held) by", ["held by"], True),
    ],
)
def test_required_literals_are_proven(pattern: str, literals: list[str], required: bool) -> None:
    assert requires_one_of(pattern, literals) is required


@pytest.mark.parametrize("pattern", ["(?i)a", "(?=a)b", "a\\", "(a", "[a", "a)", "*a", r"a\1"])
def test_what_cannot_be_proven_is_an_error(pattern: str) -> None:
    with pytest.raises(PatternError):
        requires_one_of(pattern, ["a"])


@pytest.mark.parametrize(
    "pattern",
    ["(?:a|b)" * 57, "(" * 199 + "a" + ")" * 199, "(?:x(?:y|z)?" * 30 + ")" * 30, "(?:aa)x" * 57],
)
@pytest.mark.timeout(5)
def test_no_pattern_is_hard_to_prove(pattern: str) -> None:
    assert not requires_one_of(pattern, ["zzz", "bbab" * 20])


def test_a_way_may_need_another_literal_than_its_neighbour() -> None:
    pattern = "(?:un)?(?:able|fit) to (?:re|up)start"
    assert requires_one_of(pattern, ["able to ", "fit to "])
    assert requires_one_of(pattern, ["restart", "upstart"])
    assert not requires_one_of(pattern, ["able to ", "upstart"])


def test_the_remedies_that_only_wait_are_those_without_a_document() -> None:
    remedies = load_remedies().values()
    waiting = {remedy.id for remedy in remedies if not remedy.documents and not remedy.action}
    assert set(WAITING_REMEDIES) == waiting


def test_causes_and_remedies_name_each_other() -> None:
    remedies = load_remedies()
    assert set(remedies) == set(REMEDY_PLATFORMS)
    for remedy in remedies.values():
        named = {cause.id for cause in CATALOGUE.causes.values() if remedy.id in cause.remedies}
        assert named == set(remedy.causes), remedy.id


def test_a_remedy_is_known_for_exactly_the_platforms_it_has_documents_for() -> None:
    for remedy in load_remedies().values():
        assert set(REMEDY_PLATFORMS[remedy.id]) == set(remedy.documents or PLATFORMS), remedy.id


def test_patterns_ignore_case_and_anchor_at_lines() -> None:
    assert compile_pattern("^complete!$").search("x\nCOMPLETE!\ny")
    assert isinstance(compile_pattern("x"), type(re2.compile("x")))
