"""The pages about causes: current, whole, linked and readable, as files and on a terminal."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from docs_program import BUILD, ROOT
from hypothesis import given
from hypothesis import strategies as st

from patchmedic.causes.catalogue import DATA, load_files
from patchmedic.causes.schema import (
    AWS_CHECKS,
    GROUPS,
    NODE_CHECKS,
    PLATFORMS,
    ExitCode,
    Hresult,
    Signature,
    Status,
)
from patchmedic.cli import words
from patchmedic.cli.causes import page_lines
from patchmedic.cli.explain import Explainer, platforms_of
from patchmedic.cli.phrases import GAP, phrases
from patchmedic.model import LANGUAGES, Risk
from patchmedic.remedies import load_remedies

CATALOGUE = load_files(DATA)
REMEDIES = load_remedies()
PAGES: dict[str, str] = BUILD.make_pages(CATALOGUE, REMEDIES, BUILD.read_samples())


# --- the pages ----------------------------------------------------------------------------------


def test_the_pages_are_current() -> None:
    stale = BUILD.stale(PAGES, BUILD.PAGES)
    assert not stale, f"run `make causes-docs`; not current: {', '.join(stale)}"


def test_there_is_a_page_for_each_cause_in_each_language() -> None:
    names = {"README", *CATALOGUE.causes}
    assert set(PAGES) == {BUILD.name_of(n, language) for n in names for language in LANGUAGES}


def test_every_link_between_pages_leads_to_one() -> None:
    for name, text in PAGES.items():
        for link in re.findall(r"\]\(([^)\s#]+)(?:#[^)]*)?\)", text):
            inside = not link.startswith(("https://", "../"))
            assert not inside or link in PAGES, f"{name}: {link}"
        assert BUILD.name_of(name.split(".")[0], "ja" if ".ja." not in name else "en") in text


def test_every_anchor_of_the_index_exists() -> None:
    for name, text in PAGES.items():
        for page, anchor in re.findall(r"\]\((README[^)#]*)#([^)]*)\)", text):
            assert f'<a id="{anchor}"></a>' in PAGES[page], name


def test_fences_are_closed_and_signs_of_patterns_are_not_shown() -> None:
    for name, text in PAGES.items():
        assert text.count("```") % 2 == 0, name
        shown = text.partition("\n## How it shows\n")[2] or text.partition("\n## 現れ方\n")[2]
        for sign in ("(?:", r"\b", r"\S+", r"\d+", ".*"):
            assert sign not in shown, name


def test_a_japanese_page_has_japanese_headings_and_an_english_one_none() -> None:
    for name, text in PAGES.items():
        for heading in re.findall(r"^#+ (.*)", text, re.MULTILINE):
            japanese = re.search(r"[ぁ-んァ-ヶ一-龠]", heading) is not None
            names = re.fullmatch(r"(?:Linux|macOS|Windows Server|、)+", heading)
            assert names or japanese == (".ja." in name), f"{name}: {heading}"


def test_a_build_writes_what_is_stale_and_removes_what_belongs_to_no_cause(tmp_path: Path) -> None:
    folder = tmp_path / "causes"
    assert BUILD.write(PAGES, folder) == len(PAGES)
    assert BUILD.stale(PAGES, folder) == []
    (folder / "disk-full.md").write_text("old", encoding="utf-8")
    (folder / "no-such-cause.ja.md").write_text("stale", encoding="utf-8")
    (folder / "unknown.md").unlink()
    assert BUILD.stale(PAGES, folder) == ["disk-full.md", "no-such-cause.ja.md", "unknown.md"]
    assert BUILD.write(PAGES, folder) == 3
    assert BUILD.stale(PAGES, folder) == []
    assert not (folder / "no-such-cause.ja.md").exists()


def test_pages_written_by_hand_stay_beside_made_ones(tmp_path: Path) -> None:
    (tmp_path / "own.md").write_text("by hand", encoding="utf-8")
    wanted = {"made.md": "made"}
    assert BUILD.stale(wanted, tmp_path, alone=False) == ["made.md"]
    assert BUILD.write(wanted, tmp_path, alone=False) == 1
    assert BUILD.stale(wanted, tmp_path, alone=False) == []
    assert (tmp_path / "own.md").read_text(encoding="utf-8") == "by hand"


def test_the_program_says_how_it_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    assert BUILD.main(["--wrong"]) == 2
    assert "usage:" in capsys.readouterr().err


def test_a_number_at_the_start_starts_no_list_and_shows_no_backslash() -> None:
    assert BUILD._escaped("1. The endpoint") == r"1\. The endpoint"
    assert BUILD._escaped("3.1.1927.0 and older") == r"3\.1.1927.0 and older"
    for name, text in PAGES.items():
        assert not re.search(r"(?m)(?:^|\| )\\\d", text), name


def test_an_example_is_a_line_that_the_cause_is_known_by() -> None:
    cause = CATALOGUE.causes["package-manager-locked"]
    locked = "E: Could not get lock /var/lib/dpkg/lock-frontend"
    outputs = [
        f"Reading\n{locked}\n",
        f"{locked}\nagain",
        "Waiting for process with pid 4 to finish",
    ]
    assert BUILD.examples(cause, outputs) == (locked,)


# --- words ----------------------------------------------------------------------------------------


def test_nothing_that_a_page_names_lacks_words() -> None:
    assert set(words.CHECKS) == {*NODE_CHECKS, *AWS_CHECKS}
    assert set(words.GROUPS) == set(GROUPS)
    assert set(words.PLATFORMS) == set(PLATFORMS)
    assert set(words.RISKS) == {risk.value for risk in Risk}
    statuses = {each.value for cause in CATALOGUE.causes.values() for each in cause.statuses}
    assert statuses <= set(words.STATUSES)
    assert all(key == name.lower() for key, name in words.STATUSES.items())


def test_all_words_are_there_in_both_languages_with_the_same_values() -> None:
    every = (words.CHECKS, words.GROUPS, words.PLATFORMS, words.RISKS, words.EXPLAIN)
    for key, text in ((key, text) for group in every for key, text in group.items()):
        assert set(text) == set(LANGUAGES), key
        assert re.findall(r"{\w+}", text["en"]) == re.findall(r"{\w+}", text["ja"]), key


def test_no_words_are_left_over() -> None:
    source = (ROOT / "layers/patchmedic/patchmedic/cli/explain.py").read_text(encoding="utf-8")
    composed = {f"status-{output}" for output in ("none", "some")} | {"names", "hints"}
    kinds = {"attempt", "context", "completed"}
    for key in words.EXPLAIN:
        assert f'"{key}"' in source or key in composed | kinds, key


# --- one cause ------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("cause_id", sorted(CATALOGUE.causes))
def test_a_page_says_everything_that_the_file_does(cause_id: str, language: str) -> None:
    cause = CATALOGUE.causes[cause_id]
    page = Explainer(CATALOGUE, REMEDIES, language).page(cause)
    lines = list(page_lines(page, language))
    shown = "".join("".join(lines).split())
    said = [cause.title[language], cause.meaning[language]]
    said += [*cause.checks, *cause.remedies, *cause.explains, *cause.confused_with, *cause.links]
    said += [f"0x{hint.first:08X}" for hint in cause.hresults]
    said += [str(each.code) for each in cause.exit_codes]
    said += [words.STATUSES[each.value] for each in cause.statuses]
    said += [line.strip() for line in cause.advice[language].splitlines()]
    for text in said:
        assert "".join(text.split()) in shown, text
    for line in lines:
        assert line == line.rstrip()


def test_a_page_names_what_can_cause_it() -> None:
    page = Explainer(CATALOGUE, REMEDIES, "en").page(CATALOGUE.causes["payload-corrupt"])
    related = next(s for s in page.sections if s.title == "What it is related to")
    assert "disk-full" in str(related)


def test_where_a_cause_can_occur() -> None:
    blank = replace(CATALOGUE.causes["unknown"], signatures=(), statuses=(), exit_codes=())
    on_macos = Signature("x", "some text", ("some text",), 0.9, platforms=("macos",))
    on_linux = ExitCode("x", 7, 0.5, platforms=("linux",))
    assert platforms_of(blank) == PLATFORMS
    assert platforms_of(replace(blank, signatures=(on_macos,))) == ("macos",)
    both = replace(blank, signatures=(on_macos,), exit_codes=(on_linux,))
    assert platforms_of(both) == ("linux", "macos")
    code = Hresult("x", 0x80070070, 0x80070070, 0.9)
    assert platforms_of(replace(both, hresults=(code,))) == PLATFORMS
    assert platforms_of(replace(both, statuses=(Status("x", "failed", 0.5),))) == PLATFORMS


# --- patterns as texts -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "shown"),
    [
        (r"No space left on device", ("No space left on device",)),
        (r"\bCould not get lock /\S+", ("Could not get lock /",)),
        (
            r"(?:Cannot|Could not) (?:reach|find) .*host",
            ("Cannot reach … host", "Could not reach … host"),
        ),
        (r"lock(?:ed)? by", ("locked by",)),
        (r"exit code \d+$", ("exit code",)),
        (r"curl: \((?:6|7)\) (?:x|y)+", ("curl: (6) x",)),
        (r"[Ll]ock file", ("Lock file",)),
        (r"a{2}b?c*d+ [^ ]+ end", ("ad … end",)),
        (r"E: (?P<what>broken) packages", ("E: broken packages",)),
        (r"one|two|one", ("one", "two")),
        (r"\x41\.\*bc", ("A.*bc",)),
        (r"ab\s+cd", ("ab cd",)),
        (r"\d+|.*", ()),
    ],
)  # fmt: skip
def test_a_pattern_is_shown_as_the_texts_that_it_looks_for(
    pattern: str, shown: tuple[str, ...]
) -> None:
    assert phrases(pattern) == shown


def every_signature() -> list[Signature]:
    return [each for cause in CATALOGUE.causes.values() for each in cause.signatures]


def test_every_pattern_of_the_catalogue_can_be_shown() -> None:
    for signature in every_signature():
        shown = phrases(signature.pattern)
        assert shown, signature.pattern
        for text in shown:
            assert text == text.strip() and "\n" not in text and f"{GAP} {GAP}" not in text


@given(pattern=st.text(alphabet="ab(|)[]?*+.{}\\d^$1,:", max_size=20) | st.text(max_size=20))
def test_any_pattern_is_shown_somehow(pattern: str) -> None:
    assert all(len(text) >= 3 for text in phrases(pattern))
