"""docs/coverage.md keeps its promise: what each point of the public pages names is there.

The table is data (docs/coverage.toml).  Here every name in it is held to the registries, every
text to the advice or the check that is said to give it, and every error sample to the classifier.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from inspect import getsourcefile
from pathlib import Path
from typing import Any

import pytest
from cloudformation import load_template
from docs_program import BUILD, ROOT

from patchmedic.causes.catalogue import DATA, load_files
from patchmedic.causes.classifier import classify
from patchmedic.checks.aws import AWS_CHECKS
from patchmedic.checks.aws.snapshot import NEEDS
from patchmedic.checks.node import CHECKS
from patchmedic.model import LANGUAGES, Evidence
from patchmedic.remedies import load_remedies

CATALOGUE = load_files(DATA)
REMEDIES = load_remedies()
TABLE = tomllib.loads((ROOT / "docs" / "coverage.toml").read_text(encoding="utf-8"))
POINTS: list[dict[str, Any]] = [point for page in TABLE["page"] for point in page["point"]]
KINDS = {"symptom", "check", "fix", "set-up", "normal"}
LISTS = {"causes", "checks", "advice", "tells"}
WORDS = {"at", "point", "by_design"}
"""In each language."""
TEXTS = {"kind", "remedy", "platform", "sample"}
SAMPLES = [point for point in POINTS if "sample" in point]

LIBRARY = ROOT / "layers/patchmedic/patchmedic"
AWS_WORDS = {
    "network-path": ("checks/aws/network_words.py",),
    "s3-endpoint-policy": ("buckets.py",),
}
"""Files beside that of the check itself in which its words or its names are."""


def name_of(point: Mapping[str, Any]) -> str:
    return f"{point['at']['en']}: {point['point']['en']}"


each_point = pytest.mark.parametrize("point", POINTS, ids=name_of)


# --- what a point names -----------------------------------------------------------------------


@each_point
def test_a_point_is_well_formed_and_handled(point: dict[str, Any]) -> None:
    assert point.keys() <= LISTS | TEXTS | WORDS
    assert point["kind"] in KINDS
    assert all(isinstance(point[key], list) and point[key] for key in LISTS & point.keys())
    assert all(isinstance(point[key], str) and point[key] for key in TEXTS & point.keys())
    for words in (point[key] for key in WORDS & point.keys()):
        assert words.keys() == set(LANGUAGES) and all(words.values())
    acted_on = LISTS - {"causes"} | {"remedy"}
    handled = "causes" in point and acted_on & point.keys()
    assert handled or "by_design" in point, "nothing handles it, and nothing says why"
    said = {"sample", "remedy", "advice", "tells", "by_design"}
    assert said & point.keys(), "names only checks: what does the reader get of it?"


def test_no_point_stands_twice_on_a_page() -> None:
    for page in TABLE["page"]:
        names = [name_of(point) for point in page["point"]]
        assert len(names) == len(set(names)), page["id"]


@each_point
def test_the_names_of_a_point_exist(point: dict[str, Any]) -> None:
    assert set(point.get("causes", ())) <= CATALOGUE.causes.keys()
    assert set(point.get("checks", ())) <= CHECKS.keys() | AWS_CHECKS.keys()
    if "remedy" in point:
        assert point["remedy"] in REMEDIES


@each_point
def test_a_diagnosis_of_the_cause_runs_the_checks(point: dict[str, Any]) -> None:
    """The catalogue asks for them, or their own table says that they speak of the cause."""
    causes = set(point.get("causes", ()))
    asked = {check for cause in causes for check in CATALOGUE.causes[cause].checks}
    for name in set(point.get("checks", ())) - asked:
        node, aws = CHECKS.get(name), AWS_CHECKS.get(name)
        speaks = {*node.causes, *node.helps} if node else set(aws.causes if aws else ())
        assert speaks & causes, f"no diagnosis of {sorted(causes)} runs {name}"


@each_point
def test_the_remedy_is_one_of_the_cause(point: dict[str, Any]) -> None:
    if "remedy" in point:
        offered = {r for cause in point["causes"] for r in CATALOGUE.causes[cause].remedies}
        assert point["remedy"] in offered


# --- what is said about it --------------------------------------------------------------------


@each_point
def test_the_advice_says_it_in_both_languages(point: dict[str, Any]) -> None:
    for text in point.get("advice", ()):
        for language in LANGUAGES:
            said = [CATALOGUE.causes[cause].advice[language] for cause in point["causes"]]
            said += [CATALOGUE.causes[cause].meaning[language] for cause in point["causes"]]
            wanted = text if isinstance(text, str) else text[language]
            assert len(wanted) >= 3, "proves nothing"
            assert any(wanted in each for each in said), f"{language}: {wanted}"


@cache
def words_of(check: str) -> str:
    """The files in which a check's rules and sentences are, without the breaks between literals."""
    if check in CHECKS:
        package = ROOT / "layers/patchmedic/patchmedic/checks/node"
        files = [*sorted(package.rglob("*.py")), *sorted((ROOT / "documents").glob("*/*.*s*"))]
    else:
        source = getsourcefile(AWS_CHECKS[check].evaluate)
        assert source is not None
        home = Path(source)
        files = [home, *(LIBRARY / name for name in AWS_WORDS.get(check, ()))]
        files.append(LIBRARY / "lookups_patching.py")
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    return re.sub(r'"\s*\n\s*f?"', "", text)


@each_point
def test_the_checks_say_it(point: dict[str, Any]) -> None:
    for text in point.get("tells", ()):
        assert any(text in words_of(check) for check in point["checks"]), text


@pytest.mark.parametrize("point", SAMPLES, ids=name_of)
def test_the_sample_is_classified_as_the_cause(point: dict[str, Any]) -> None:
    for stream in ("stdout", "stderr"):
        evidence = Evidence(**{stream: point["sample"]}, platform=point.get("platform"))
        assert classify(evidence, CATALOGUE).cause == point["causes"][0], stream


def test_a_wide_part_of_the_points_has_a_sample() -> None:
    assert len(SAMPLES) >= 35
    assert len(POINTS) >= 200


# --- the pages --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(BUILD.reference_pages()))
def test_a_page_is_current(name: str) -> None:
    path = ROOT / "docs" / name
    wanted = BUILD.reference_pages()[name]
    assert path.is_file() and path.read_text(encoding="utf-8") == wanted, "run `make causes-docs`"


def test_the_reference_names_every_check_once() -> None:
    for page in ("checks.md", "checks.ja.md"):
        text = BUILD.reference_pages()[page]
        rows = re.findall(r"^\| <a id=\"[a-z0-9-]+\"></a>`([a-z0-9-]+)` \|", text, re.MULTILINE)
        assert sorted(rows) == sorted([*CHECKS, *AWS_CHECKS])


def test_the_reference_names_the_permissions_that_the_template_grants() -> None:
    assert BUILD.PERMISSIONS.keys() == NEEDS
    role = load_template(ROOT / "template.yaml")["Resources"]["DiagnoseRole"]["Properties"]
    granted: set[str] = set()
    for statement in role["Policies"][0]["PolicyDocument"]["Statement"]:
        action = statement["Action"]
        granted |= {action} if isinstance(action, str) else set(action)
    told = {action for actions in BUILD.PERMISSIONS.values() for action in actions}
    assert told <= granted
    looks = {a for a in granted if re.match(r"(?:ec2|iam):", a)}
    looks.remove("ec2:DescribeTags")  # which mode a node's own tag allows: no check's look-up
    looks |= {a for a in granted if re.match(r"ssm:(?:Describe|Get\w*Baseline|GetService)", a)}
    assert looks <= told, "a look-up of which the reference says nothing"


def test_the_table_speaks_of_most_checks() -> None:
    """The others are in the reference, and look at what no public page names."""
    named = {check for point in POINTS for check in point.get("checks", ())}
    every = {*CHECKS, *AWS_CHECKS}
    assert len(named) >= 0.85 * len(every), sorted(every - named)


def test_the_guide_to_a_diagnosis_quotes_what_messages_say() -> None:
    text = (ROOT / "docs" / "operators.md").read_text(encoding="utf-8")
    part = text.partition("## Read a diagnosis")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([^`]+)` \|", part, re.MULTILINE)
    assert len(rows) >= 7
    package = ROOT / "layers" / "patchmedic" / "patchmedic"
    files = (package / "notices" / "words.py", package / "verdict.py")
    words = "".join(path.read_text(encoding="utf-8") for path in files)
    for quoted in rows:
        assert quoted.partition(":")[0] in words, quoted
