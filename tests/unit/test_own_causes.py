"""Customers' own causes: what they may change, what keeps them out, and that nothing breaks."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cloudformation import ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from incident_samples import NOW
from notice_samples import REMEDIES, incident
from tests.fakes import FakeCauseFiles, MemoryOwnCauses, SimClock

from patchmedic.causes import own as own_module
from patchmedic.causes import schema
from patchmedic.causes.catalogue import DATA, Catalogue, load_files
from patchmedic.causes.classifier import classify
from patchmedic.causes.own import (
    FILE_BYTES_MAX,
    FILES_MAX,
    NONE,
    PATTERNS_MAX,
    PROBLEMS_PER_FILE_MAX,
    TOTAL_BYTES_MAX,
    OwnCauses,
    OwnCausesUnreadable,
    choose,
    fitting,
    merge,
    pack,
    read_own,
    unpack,
)
from patchmedic.causes.source import Problem
from patchmedic.causes.validator import read_cause
from patchmedic.cli import own_causes as cli_own_causes
from patchmedic.cli.main import cli
from patchmedic.errors import AwsDenied, AwsUnavailable
from patchmedic.model import LANGUAGES, Classification, Evidence, Finding, Mode, Risk, Verdict
from patchmedic.notices.render import NoticeContext, render
from patchmedic.own_causes import OBJECTS_MAX, FolderCauseFiles, read_folder
from patchmedic.playbook import plans_of
from patchmedic.policy import Policy, choose_remedy
from patchmedic.ports import OwnCausesRecord
from patchmedic.remedies import load_remedies
from patchmedic.stages.own_causes import (
    LOOK_EVERY_SECONDS,
    PROBLEM_CHARACTERS_MAX,
    PROBLEMS_KEPT_MAX,
    READ_SECONDS_MAX,
    OwnCausesInForce,
    OwnCausesTooSlow,
    OwnCausesWatch,
)
from patchmedic.verdict import diagnose

BUILTIN = load_files(DATA)
SAMPLES = ROOT / "examples" / "own-causes"

TEXTS = """
[title]
en = "A title"
ja = "題名"
[meaning]
en = "What it means."
ja = "意味。"
[advice]
en = "What to do."
ja = "対処。"
"""
SIGNATURE = """
[[signature]]
pattern = 'acme-\\d+: broken'
literals = ["acme-"]
weight = 0.95
"""
EXTENDED = 'id = "disk-full"\nextends = true\n' + SIGNATURE
NOISE = "[[noise]]\nname = '{}'\npattern = 'acme says'\nliterals = ['acme says']\nwhy = 'x'\n"


def cause(cause_id: str, head: str = "", tail: str = SIGNATURE) -> str:
    return f'id = "{cause_id}"\ngroup = "packages"\n{head}\n{TEXTS}{tail}'


def read(**files: str) -> tuple[OwnCauses, list[str]]:
    """Read files named like Python names: ``own_x`` is ``own-x.toml``."""
    raw = {f"{name.replace('_', '-')}.toml": text.encode() for name, text in files.items()}
    own, problems = read_own(raw, BUILTIN)
    return own, [str(problem) for problem in problems]


def good(**files: str) -> Catalogue:
    own, problems = read(**files)
    assert not problems
    return merge(BUILTIN, own)


def seen(catalogue: Catalogue, text: str) -> Classification:
    return classify(Evidence(platform="linux", status="Failed", stdout=text), catalogue)


# --- what own files can do -----------------------------------------------------------------------


def test_the_samples_are_good_and_do_what_they_say() -> None:
    own, problems = read_folder(SAMPLES, BUILTIN)
    assert not problems
    catalogue = merge(BUILTIN, own)
    assert seen(catalogue, "MIRROR-BUSY: come back later").cause == "own-mirror-refill"
    assert seen(catalogue, "ACME-4711: volume /data is exhausted").cause == "disk-full"
    assert seen(catalogue, "OSError: [Errno 28] No space left on device").cause == "disk-full"
    assert "acme-banner" in {noise.name for noise in catalogue.noise}


def test_a_new_cause_is_found_and_the_others_stay() -> None:
    catalogue = good(own_x=cause("own-x"))
    assert seen(catalogue, "acme-12: broken").cause == "own-x"
    assert seen(BUILTIN, "acme-12: broken").cause == "unknown"
    assert {**catalogue.causes, "own-x": None}.keys() == {*BUILTIN.causes, "own-x"}
    assert all(catalogue.causes[each] is BUILTIN.causes[each] for each in BUILTIN.causes)


def test_a_file_with_a_built_in_name_replaces_the_whole_cause() -> None:
    head = 'confirm = true\nchecks = ["disk-space"]\nremedies = ["free-disk-space"]'
    catalogue = good(disk_full=cause("disk-full", head))
    assert seen(catalogue, "acme-12: broken").cause == "disk-full"
    assert seen(catalogue, "No space left on device").cause != "disk-full"
    replaced = catalogue.causes["disk-full"]
    assert (len(replaced.signatures), replaced.explains) == (1, ())
    assert replaced.remedies == ("free-disk-space",)


def test_an_extending_file_adds_to_lists_and_replaces_single_values() -> None:
    builtin = BUILTIN.causes["disk-full"]
    text = (
        'id = "disk-full"\nextends = true\nexplains = ["out-of-memory", "payload-corrupt"]\n'
        'links = ["https://example.com/x"]\nchecks = ["clock"]\n[title]\nen = "Ours"\nja = "自社"\n'
    )
    extended = good(disk_full=text + SIGNATURE).causes["disk-full"]
    assert extended.signatures[:-1] == builtin.signatures
    assert extended.explains == (*builtin.explains, "out-of-memory")
    assert extended.links == (*builtin.links, "https://example.com/x")
    assert extended.checks == (*builtin.checks, "clock")
    assert extended.title == {"en": "Ours", "ja": "自社"}
    assert (extended.meaning, extended.advice) == (builtin.meaning, builtin.advice)
    assert (extended.remedies, extended.confirm) == (builtin.remedies, builtin.confirm)
    assert (extended.exit_codes, extended.hresults) == (builtin.exit_codes, builtin.hresults)


def test_own_causes_explain_each_other_and_built_in_ones_and_the_other_way_round() -> None:
    catalogue = good(
        own_a=cause("own-a", 'explains = ["own-b"]'),
        own_b=cause("own-b", 'explains = ["disk-full"]', SIGNATURE.replace("acme", "bolt")),
        proxy_misconfigured='id = "proxy-misconfigured"\nextends = true\nexplains = ["own-a"]\n',
    )
    assert {"own-b", "disk-full", "payload-corrupt"} <= catalogue.explains["own-a"]
    assert {"own-a", "own-b", "disk-full"} <= catalogue.explains["proxy-misconfigured"]
    both = "bolt-1: broken\nNo space left on device\nacme-1: broken\n"
    assert seen(catalogue, both).cause == "own-a"


def test_own_noise_joins_and_takes_the_place_of_its_namesake() -> None:
    known = BUILTIN.noise[0].name
    own, problems = read(noise=NOISE.format("acme") + NOISE.format(known))
    assert not problems
    catalogue = merge(BUILTIN, own)
    assert len(catalogue.noise) == len(BUILTIN.noise) + 1
    assert {each.name: each.pattern for each in catalogue.noise}[known] == "acme says"
    says = SIGNATURE.replace("acme-\\d+: broken", "acme says no").replace("acme-", "acme ")
    own_cause = cause("own-x", tail=says)
    loud = merge(BUILTIN, read(own_x=own_cause)[0])
    quiet = merge(BUILTIN, read(own_x=own_cause, noise=NOISE.format("acme"))[0])
    assert seen(loud, "acme says no").cause == "own-x"
    assert seen(quiet, "acme says no").cause != "own-x"


def test_the_version_tells_which_own_causes_took_part() -> None:
    first = good(own_x=cause("own-x")).version
    other = good(own_x=cause("own-x").replace("0.95", "0.9")).version
    assert first.startswith(f"{BUILTIN.version}+")
    assert len({first, other, BUILTIN.version}) == 3
    assert merge(BUILTIN, NONE) is BUILTIN


@pytest.mark.parametrize("lang", LANGUAGES)
def test_people_read_of_an_own_cause_as_of_any_other(lang: Any) -> None:
    causes = merge(BUILTIN, read_folder(SAMPLES, BUILTIN)[0]).causes
    context = NoticeContext("patchmedic", "ap-northeast-1", "123456789012", "table", "approve")
    text = render(
        incident("own-mirror-refill"), "escalated", lang, causes, REMEDIES, None, NOW, context,
        page=None,
    )  # fmt: skip
    mail = "".join(text.email.split())  # lines are wrapped
    entry = causes["own-mirror-refill"]
    assert "".join(entry.title[lang].split()) in mail
    assert "".join(entry.advice[lang].split()) in mail
    assert entry.links[0] in mail


# --- what keeps a file out -----------------------------------------------------------------------


def mistakes() -> list[tuple[str, str, str]]:
    new = "own-x"
    return [
        ("own-x", cause(new).replace("group =", "grup ="), "own-x.toml:2: grup: is not a known"),
        ("own-x", cause(new, 'explains = ["own-y"]'), "own-x.toml:3: explains: 'own-y' is not"),
        ("own-x", cause(new).replace('ja = "題名"', ""), "own-x.toml:5: title.ja: is missing"),
        ("own-x", cause(new).replace('["acme-"]', '["xyz"]'), "own-x.toml:17: signature 1: liter"),
        ("own-x", cause("own-y"), "own-x.toml:1: id: 'own-y' differs from the file's name"),
        ("own-x", cause(new, tail=""), "own-x.toml:1: signature: is missing: nothing could show"),
        ("own-x", cause(new, "extends = true"), "own-x.toml:3: extends: there is no built-in"),
        ("own-x", cause(new, 'extends = "yes"'), "own-x.toml:3: extends: is neither true nor"),
        ("own-x", "id = [", "own-x.toml:1: is not TOML"),
        ("disk-ful", cause("disk-ful"), "disk-ful.toml:1: id: is no built-in cause's, and a new"),
        ("disk-ful", cause("disk-ful"), "begins with own-; did you mean disk-full?"),
        ("Own-X", cause("Own-X"), "Own-X.toml: is no file name for a cause"),
        ("own--x", cause("own--x"), "own--x.toml: is no file name for a cause"),
        ("own-é", cause("own-é"), "own-é.toml: is no file name for a cause"),
        ("own-" + "x" * 60, cause(new), "…: is no file name for a cause"),
        ("own-x\n", cause(new), "'own-x\\n.toml'…: is no file name for a cause"),
        ("noise", NOISE.format("A b"), "noise.toml:2: noise: 'A b' is no name"),
        ("noise", NOISE.format("a") * 2, "noise.toml:7: noise 2: name: 'a' is there twice"),
        ("noise", NOISE.format("a") + "x = 1", "noise.toml:6: noise 1: x: is not a known key"),
        ("noise", TEXTS, "noise.toml:2: title: is not a known key"),
        (
            "own-x",
            cause(new, tail=SIGNATURE * 41),
            "signature: are more than the 40 that one file may have",
        ),
        (
            "own-x",
            cause(new, tail="[[exit_code]]\ncode = 7\nweight = 0.5\n" * 41),
            "own-x.toml: the codes, statuses and steps are more than 40",
        ),
        (
            "noise",
            "".join(NOISE.format(f"n{n}") for n in range(41)),
            "noise.toml:1: noise: are more than the 40 that one file may have",
        ),
    ]


@pytest.mark.parametrize(("name", "text", "said"), mistakes())
def test_a_bad_file_is_refused_by_name_and_line_and_the_rest_is_in_force(
    name: str, text: str, said: str
) -> None:
    files = {f"{name}.toml": text, "own-good.toml": cause("own-good")}
    own, problems = read_own({n: t.encode() for n, t in files.items()}, BUILTIN)
    told = [str(problem) for problem in problems]
    assert any(said in each for each in told), told
    assert [each.id for each in own.causes] == ["own-good"]
    assert own.noise == ()


def test_a_file_that_names_a_refused_one_is_refused_and_so_on() -> None:
    own, problems = read(
        own_a=cause("own-a", 'explains = ["own-b"]'),
        own_b=cause("own-b", 'confused_with = [\n  "disk-full",\n  "own-c",\n]'),
        own_c=cause("own-c", tail=""),
        own_d=cause("own-d"),
    )
    assert [each.id for each in own.causes] == ["own-d"]
    told = "'own-{}' is not known, or its own file is not in force"
    assert f"own-a.toml:3: explains: {told.format('b')}" in problems
    assert f"own-b.toml:5: confused_with: {told.format('c')}" in problems


def test_every_own_file_on_a_circle_is_refused() -> None:
    own, problems = read(
        own_a=cause("own-a", 'explains = ["disk-full"]'),
        own_b=cause("own-b"),
        payload_corrupt='id = "payload-corrupt"\nextends = true\nexplains = ["own-a"]\n',
    )
    assert [each.id for each in own.causes] == ["own-b"]
    assert [each.partition(":")[0] for each in problems] == ["own-a.toml", "payload-corrupt.toml"]
    assert all("leads back to" in each for each in problems)


# --- no own file makes anything act --------------------------------------------------------------

ACTING = [remedy.id for remedy in load_remedies().values() if remedy.documents]


@pytest.mark.parametrize("remedy", ACTING)
def test_a_new_cause_gets_no_remedy_that_changes_a_node(remedy: str) -> None:
    head = f'confirm = true\ntransient = true\nchecks = ["disk-space"]\nremedies = ["{remedy}"]'
    own, problems = read(own_x=cause("own-x", head))
    assert own.causes == ()
    assert f"own-x.toml:6: remedies: {remedy} changes the node" in problems[0]


@pytest.mark.parametrize("extends", ["", "extends = true\n"])
def test_a_built_in_cause_gets_no_remedy_of_another(extends: str) -> None:
    head = f'{extends}confirm = true\nchecks = ["disk-space"]\nremedies = ["restart-agent"]'
    own, problems = read(disk_full=cause("disk-full", head))
    assert own.causes == ()
    assert "restart-agent changes the node" in problems[0]


def test_a_remedy_that_changes_a_node_still_waits_for_a_finding() -> None:
    remedies = 'remedies = ["free-disk-space"]'
    for head in (remedies, f"confirm = true\n{remedies}", f'checks = ["agent"]\n{remedies}'):
        own, problems = read(disk_full=cause("disk-full", head))
        assert own.causes == ()
        assert "confirm: must be true, with a check" in problems[0]
    own, problems = read(disk_full=f"{EXTENDED.replace(SIGNATURE, '')}confirm = false\n")
    assert "disk-full.toml:3: confirm: must be true" in problems[0]


def test_an_own_file_may_take_the_remedies_away() -> None:
    catalogue = good(disk_full='id = "disk-full"\nextends = true\nremedies = []\n')
    assert catalogue.causes["disk-full"].remedies == ()
    assert catalogue.causes["disk-full"].signatures == BUILTIN.causes["disk-full"].signatures


@pytest.mark.parametrize(
    "broken",
    [
        "id = [",
        EXTENDED + "x = 1",
        cause("disk-full", 'explains = ["own-nobody"]'),
        cause("disk-full", "#" * FILE_BYTES_MAX),
        EXTENDED + 'explains = ["own-nobody"]',
    ],
)
def test_a_built_in_cause_whose_own_file_is_refused_stays_without_its_remedies(broken: str) -> None:
    own, problems = read(disk_full=broken)
    assert problems
    assert own.withheld == ("disk-full",)
    catalogue = merge(BUILTIN, own)
    assert catalogue.causes["disk-full"] == replace(BUILTIN.causes["disk-full"], remedies=())
    assert catalogue.version != BUILTIN.version


def test_a_waiting_remedy_is_for_what_passes() -> None:
    remedies = 'remedies = ["retry-later"]'
    own, problems = read(own_x=cause("own-x", remedies))
    assert own.causes == ()
    assert "own-x.toml:3: remedies: retry-later needs transient = true" in problems[0]
    assert good(own_x=cause("own-x", f"transient = true\n{remedies}"))


HEADS = st.fixed_dictionaries(
    {},
    optional={
        "confirm": st.booleans(),
        "transient": st.booleans(),
        "suppress": st.booleans(),
        "extends": st.booleans(),
        "remedies": st.lists(st.sampled_from(sorted(load_remedies())), max_size=3, unique=True),
        "checks": st.lists(st.sampled_from(["disk-space", "agent"]), max_size=2, unique=True),
        "explains": st.lists(
            st.sampled_from(["payload-corrupt", "agent-not-running", "own-x"]), max_size=2
        ),
    },
)


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["own-x", "disk-full", "agent-not-running", "throttled"]), HEADS
    ),
    st.sampled_from(["own-x", "disk-full", "agent-not-running", "throttled"]),
    st.booleans(),
)
def test_whatever_own_files_say_a_node_is_only_changed_as_the_built_in_catalogue_would(
    heads: Mapping[str, Mapping[str, Any]], named: str, looked: bool
) -> None:
    """The chosen remedy has a document only where a check confirmed a cause that it treats."""
    files = {
        f"{name}.toml": cause(
            name, "\n".join(f"{key} = {json.dumps(value)}" for key, value in head.items())
        ).encode()
        for name, head in heads.items()
    }
    own, _ = read_own(files, BUILTIN)
    catalogue, remedies = merge(BUILTIN, own), load_remedies()
    policy = Policy(
        mode=Mode.AUTO, risk_ceiling=Risk.HIGH, plans=plans_of(catalogue), remedies=remedies
    )
    text = {"own-x": "acme-1: broken", "disk-full": "No space left on device"}.get(named, "x")
    confirming = Finding("disk-space", Verdict.CONFIRMS, "disk-full", "/", {}, {}, ())
    findings = (confirming,) if looked else ()
    found = diagnose(seen(catalogue, text), findings, policy.plans, policy.limits.confident_min)
    if not found.confirmed:
        return
    choice = choose_remedy(policy, found.cause, "linux", (), by_text_only=found.basis == "text")
    if choice.remedy is not None and choice.remedy.documents:
        assert looked and found.cause == "disk-full"
        assert choice.remedy.id in BUILTIN.causes["disk-full"].remedies


# --- bounds --------------------------------------------------------------------------------------


def test_files_are_bounded_in_number_size_and_sum() -> None:
    names = [f"own-{number:03}.toml" for number in range(FILES_MAX + 2)]
    chosen, problems = choose(dict.fromkeys(names, 10))
    assert (len(chosen), len(problems)) == (FILES_MAX, 2)
    assert str(problems[0]).startswith(f"own-{FILES_MAX:03}.toml: is one too many")
    chosen, problems = choose({"own-a.toml": FILE_BYTES_MAX, "own-b.toml": FILE_BYTES_MAX + 1})
    assert chosen == ("own-a.toml",)
    assert "own-b.toml: is larger than 64 KiB" in str(problems[0])
    size = TOTAL_BYTES_MAX // 4
    chosen, problems = choose({f"own-{number}.toml": size for number in range(5)})
    assert len(chosen) == 4
    assert "does not fit: all files together" in str(problems[0])


@pytest.mark.parametrize(
    "text",
    [
        "[[signature]]\n" * (FILE_BYTES_MAX // 15),
        "".join(f"k{n} = 1\n" for n in range(6_000)),
        "explains = [" + '"nothing-such", ' * 4_000 + "]",
        cause("own-x", "remedies = [" + "[" * 400 + "]" * 400 + "]"),
        cause("own-x", tail=SIGNATURE.replace("acme-\\d+: broken", "(" * 199 + "x" + ")" * 199)),
        cause("own-x", tail='[[signature]]\npattern = "' + "x" * 60_000 + '"\nliterals = ["xxx"]'),
        cause("own-x", tail=SIGNATURE.replace('"acme-"', '"acme-", ' * 30 + f'"{"a" * 400}"')),
        "a = " + "[" * 30_000 + "]" * 30_000,
        "a." * 30_000 + "b = 1",
        'a = "' + "\\u0041" * 10_000 + '"',
    ],
    ids=range(10),
)
@pytest.mark.timeout(10)
def test_no_file_takes_long_and_none_fills_the_log(text: str) -> None:
    own, problems = read(own_x=text)
    assert own.causes == ()
    assert 1 <= len(problems) <= PROBLEMS_PER_FILE_MAX + 1
    assert all(len(each) < 400 for each in problems)


def test_the_most_that_is_handed_on_fits_an_item_of_the_table() -> None:
    """As large as the files may be, beside every built-in cause extended, and not squeezable."""
    every = OwnCauses(tuple(BUILTIN.causes.values()), BUILTIN.noise)
    problems_bytes = PROBLEMS_KEPT_MAX * PROBLEM_CHARACTERS_MAX * 3
    assert len(pack(every)) + TOTAL_BYTES_MAX + problems_bytes < 400_000


def test_patterns_are_bounded_over_all_files() -> None:
    forty = SIGNATURE * 40
    files = {f"own_{n}": cause(f"own-{n}", tail=forty) for n in range(PATTERNS_MAX // 40 + 1)}
    own, problems = read(**files)
    assert len(own.causes) == PATTERNS_MAX // 40
    text = f"does not fit: all files together may have {PATTERNS_MAX} patterns"
    assert problems == [f"own-5.toml: {text}"]


def test_wide_gaps_are_bounded_over_all_files() -> None:
    wide = SIGNATURE.replace("broken", r".{0,90}broken") * 20
    own, problems = read(own_a=cause("own-a", tail=wide), own_b=cause("own-b", tail=wide))
    assert [each.id for each in own.causes] == ["own-a"]
    assert "own-b.toml: does not fit: all patterns together may have the size" in problems[0]


# --- any bytes -----------------------------------------------------------------------------------

WORDS = st.sampled_from(
    ["id", "own-x", "disk-full", "true", "[", "]", "[[signature]]", "[title]", "en", "ja", "=", '"',
     "'''", "\n", "pattern", "literals", "weight", "0.9", "0xfffffffffffffffffff", "nan", "extends",
     "remedies", "[[noise]]", "name", "why", "(", "|", ")", "\\pL{900}", "{", "}", ",", "é", "\t"]
)  # fmt: skip
NAMES = st.sampled_from(
    ["own-x.toml", "own-y.toml", "disk-full.toml", "noise.toml", "unknown.toml", "Bad.toml", "x"]
)


@st.composite
def broken(draw: st.DrawFn) -> bytes:
    """A good file with something of it replaced by something else."""
    name = draw(st.sampled_from(["own-x", "disk-full"]))
    text = draw(st.sampled_from([cause(name), EXTENDED, NOISE.format("a")]))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(WORDS) + text[at + draw(st.integers(0, 12)) :]
    return text.encode()


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.dictionaries(
        NAMES,
        st.binary(max_size=200) | broken() | st.lists(WORDS).map(lambda w: " ".join(w).encode()),
        max_size=4,
    )
)
def test_any_bytes_as_files_give_a_catalogue_and_named_problems(files: dict[str, bytes]) -> None:
    own, problems = read_own(files, BUILTIN)
    catalogue = merge(BUILTIN, own)
    assert catalogue.causes.keys() >= BUILTIN.causes.keys()
    for problem in problems:
        assert str(problem).startswith(problem.file)
        assert problem.file in files
    refused = {problem.file for problem in problems}
    in_force = {f"{each.id}.toml" for each in own.causes} | ({"noise.toml"} if own.noise else set())
    assert in_force <= files.keys() - refused
    assert files.keys() - refused - in_force <= {"noise.toml"}, "each file is in force or told"
    assert unpack(pack(own)) == own
    assert read_own(files, BUILTIN) == (own, problems)


@given(st.binary(max_size=60))
def test_what_nobody_packed_is_the_named_error(packed: bytes) -> None:
    with pytest.raises(OwnCausesUnreadable, match="cannot be read"):
        unpack(packed)


def test_what_another_version_packed_is_the_named_error(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = pack(NONE)
    monkeypatch.setattr(own_module, "_FORMAT", 2)
    with pytest.raises(OwnCausesUnreadable, match="format 1 is not 2"):
        unpack(packed)


def test_own_causes_fit_another_built_in_catalogue_or_are_left_out() -> None:
    """After an update of the stack, until sweep reads the files again."""
    own, problems = read(
        own_a=cause("own-a", 'explains = ["own-b"]'),
        own_b=cause("own-b", 'explains = ["clock-skew"]'),
        own_c=cause("own-c"),
        disk_full='id = "disk-full"\nextends = true\nexplains = ["own-b"]\n',
    )
    assert not problems
    causes = {
        each.id: replace(
            each,
            explains=tuple(e for e in each.explains if e != "clock-skew"),
            confused_with=tuple(e for e in each.confused_with if e != "clock-skew"),
        )
        for each in BUILTIN.causes.values()
        if each.id != "clock-skew"
    }
    other = Catalogue(causes, BUILTIN.noise, "other")
    kept = fitting(other, own)
    assert [each.id for each in kept.causes] == ["own-c"]
    assert kept.withheld == ("disk-full",)
    assert merge(other, kept).causes["disk-full"].remedies == ()
    assert fitting(BUILTIN, own) == own


# --- on their way --------------------------------------------------------------------------------


class Bench:
    """Sweep's side and another function's, over one store."""

    def __init__(self, **files: str) -> None:
        self.files = FakeCauseFiles()
        self.put(**files)
        self.store = MemoryOwnCauses()
        self.clock = SimClock(NOW)
        self.watch = self.new_watch()
        self.user = OwnCausesInForce(self.store, BUILTIN, "s3://b/p/")

    def new_watch(self) -> OwnCausesWatch:
        return OwnCausesWatch([self.files], self.store, BUILTIN, "s3://b/p/", self.clock)

    def put(self, **files: str) -> None:
        for name, text in files.items():
            self.files.files[f"{name.replace('_', '-')}.toml"] = text.encode()

    def own_ids(self) -> set[str]:
        self.user.refresh()
        return self.user.catalogue.causes.keys() - BUILTIN.causes.keys()


def test_what_sweep_reads_every_other_function_sees_at_its_next_event() -> None:
    bench = Bench(own_x=cause("own-x"), own_bad="id = [")
    assert bench.own_ids() == set()
    looked = bench.watch.look()
    assert looked.changed
    assert looked.problems == ("own-bad.toml:1: is not TOML: Invalid value",)
    assert bench.own_ids() == {"own-x"}
    bench.put(own_y=cause("own-y"))
    assert bench.watch.look().changed
    assert bench.own_ids() == {"own-x", "own-y"}
    bench.files.files.clear()
    bench.watch.look()
    assert bench.own_ids() == set()
    assert bench.user.catalogue is BUILTIN


def test_unchanged_files_are_not_read_again_but_still_told() -> None:
    bench = Bench(own_x=cause("own-x"), own_bad="id = [")
    first = bench.watch.look()
    reads, saves = list(bench.files.reads), bench.store.saves
    again = bench.watch.look()
    assert (again.changed, again.problems) == (False, first.problems)
    assert (bench.files.reads, bench.store.saves) == (reads, saves)


def test_a_new_process_reads_everything_anew_and_writes_only_what_is_new() -> None:
    bench = Bench(own_x=cause("own-x"))
    bench.watch.look()
    looked = bench.new_watch().look()
    assert not looked.changed
    assert bench.files.reads == ["own-x.toml"] * 2
    assert bench.store.saves == 1


def test_unchanged_causes_are_not_loaded_again() -> None:
    bench = Bench(own_x=cause("own-x"))
    bench.watch.look()
    assert bench.user.refresh() == (True, None)
    loads, catalogue = bench.store.loads, bench.user.catalogue
    assert bench.user.refresh() == (False, None)
    assert bench.store.loads == loads
    assert bench.user.catalogue is catalogue


@pytest.mark.parametrize(
    "broken",
    [
        AwsUnavailable("ListObjectsV2", "ConnectTimeoutError", "no route"),
        AwsDenied("GetObject", "AccessDenied", "no"),
    ],
)
def test_an_s3_that_fails_leaves_in_force_what_was(broken: Any) -> None:
    bench = Bench(own_x=cause("own-x"))
    bench.watch.look()
    assert not bench.watch.due()
    bench.put(own_y=cause("own-y"))
    bench.files.broken = broken
    with pytest.raises(type(broken)):
        bench.watch.look()
    assert bench.watch.due(), "it looks again at the next tick"
    assert bench.own_ids() == {"own-x"}
    bench.files.broken = None
    bench.watch.look()
    assert bench.own_ids() == {"own-x", "own-y"}


def test_a_file_that_vanishes_between_list_and_read_changes_nothing() -> None:
    bench = Bench(own_x=cause("own-x"))
    bench.watch.look()
    listing = bench.files.list()
    bench.put(own_y=cause("own-y"))
    seen_by_list = bench.files.list()
    del bench.files.files["own-y.toml"]
    bench.files.list = lambda: seen_by_list  # type: ignore[method-assign]
    with pytest.raises(Exception, match="NoSuchKey"):
        bench.watch.look()
    assert bench.own_ids() == {"own-x"}
    assert len(seen_by_list.files) == len(listing.files) + 1


def test_a_slow_s3_is_given_up_in_time() -> None:
    bench = Bench(own_x=cause("own-x"), own_y=cause("own-y"), own_z=cause("own-z"))
    read = bench.files.read

    def slowly(name: str, bytes_max: int) -> bytes:
        bench.clock.forward(timedelta(seconds=READ_SECONDS_MAX - 1))
        return read(name, bytes_max)

    bench.files.read = slowly  # type: ignore[method-assign]
    with pytest.raises(OwnCausesTooSlow, match="3 files of own causes"):
        bench.watch.look()
    assert bench.own_ids() == set()
    assert bench.store.record is None


def test_looks_are_minutes_apart() -> None:
    bench = Bench(own_x=cause("own-x"))
    assert bench.watch.due()
    bench.watch.look()
    bench.clock.forward(timedelta(seconds=LOOK_EVERY_SECONDS - 1))
    assert not bench.watch.due()
    bench.clock.forward(timedelta(seconds=1))
    assert bench.watch.due()


def test_a_later_place_takes_the_place_of_an_earlier_ones_file() -> None:
    layer = FakeCauseFiles({"own-x.toml": b"id = [", "own-y.toml": cause("own-y").encode()})
    bench = Bench(own_x=cause("own-x"))
    watch = OwnCausesWatch([layer, bench.files], bench.store, BUILTIN, "s3://b/p/", bench.clock)
    assert watch.look().problems == ()
    assert bench.own_ids() == {"own-x", "own-y"}
    assert "own-x.toml" not in layer.reads


def test_a_place_with_too_much_in_it_is_told() -> None:
    bench = Bench(own_x=cause("own-x"))
    bench.files.complete = False
    (problem,) = bench.watch.look().problems
    assert problem.startswith("s3://b/p/: holds more objects than one look takes")
    assert bench.own_ids() == {"own-x"}


def test_own_causes_of_another_place_are_not_taken_in() -> None:
    bench = Bench(own_x=cause("own-x"))
    bench.watch.look()
    moved = OwnCausesInForce(bench.store, BUILTIN, "s3://other/p/")
    moved.refresh()
    assert moved.catalogue is BUILTIN


def test_a_table_that_fails_stops_a_new_process_and_no_running_one() -> None:
    bench = Bench(own_x=cause("own-x"))
    bench.watch.look()
    bench.store.broken = AwsUnavailable("GetItem", "InternalServerError", "x")
    with pytest.raises(AwsUnavailable):
        bench.user.refresh()
    bench.store.broken = None
    assert bench.own_ids() == {"own-x"}
    bench.store.broken = AwsUnavailable("GetItem", "InternalServerError", "x")
    changed, trouble = bench.user.refresh()
    assert not changed
    assert "GetItem" in str(trouble)
    assert "own-x" in bench.user.catalogue.causes


def test_a_record_that_cannot_be_read_leaves_the_built_in_catalogue_and_is_told() -> None:
    bench = Bench()
    bench.store.record = OwnCausesRecord("s", "s3://b/p/", "state", BUILTIN.version, b"?", ())
    changed, trouble = bench.user.refresh()
    assert changed and "cannot be read" in str(trouble)
    assert bench.user.catalogue is BUILTIN
    assert bench.user.refresh() == (False, None), "told once, not with every event"


# --- the command ---------------------------------------------------------------------------------


def run(*arguments: str, text: str | None = None) -> Any:
    return CliRunner().invoke(cli, list(arguments), input=text)


def test_check_prints_each_mistake_with_its_line_and_fails(tmp_path: Path) -> None:
    (tmp_path / "own-x.toml").write_text(cause("own-x").replace("0.95", "7"), encoding="utf-8")
    (tmp_path / "own-y.toml").write_text(cause("own-y"), encoding="utf-8")
    (tmp_path / "disk-full.toml").write_text("x", encoding="utf-8")
    (tmp_path / "notes.txt").write_text("not looked at")
    done = run("causes", "check", str(tmp_path))
    assert done.exit_code == 1
    assert done.stdout.splitlines() == [
        "disk-full.toml:1: is not TOML: Expected '=' after a key in a key/value pair",
        "own-x.toml:18: signature 1: weight: 7 is not between 0.01 and 1",
        "own-y: a new cause",
        "disk-full: as built in, but without remedies",
    ]


def test_check_says_what_would_be_in_force() -> None:
    done = run("causes", "check", str(SAMPLES))
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        "disk-full: extends the built-in cause",
        "own-mirror-refill: a new cause",
        "noise: acme-banner",
    ]


def test_check_of_a_folder_without_causes_is_an_error(tmp_path: Path) -> None:
    done = run("causes", "check", str(tmp_path))
    assert done.exit_code == 1
    assert "there is no file *.toml" in done.stderr


def test_causes_is_as_it_was_and_names_check() -> None:
    assert run("causes", "disk-full").exit_code == 0
    assert "disk-full" in run("causes").stdout
    assert "check FOLDER" in run("causes", "--help").stdout
    assert "Usage: cli causes check" in run("causes", "check", "--help").stdout
    assert run("causes", "check").exit_code == 2


def test_classify_takes_a_folder_of_own_causes(tmp_path: Path) -> None:
    (tmp_path / "own-x.toml").write_text(cause("own-x"), encoding="utf-8")
    (tmp_path / "own-bad.toml").write_text("x", encoding="utf-8")
    record = json.dumps({"id": 1, "stdout": "acme-1: broken"})
    done = run("classify", "--jsonl", "--causes", str(tmp_path), text=record)
    assert json.loads(done.stdout)["cause"] == "own-x"
    assert "patchmedic: not in force: own-bad.toml:1: is not TOML" in done.stderr
    assert json.loads(run("classify", "--jsonl", text=record).stdout)["cause"] == "unknown"


def test_an_incident_is_shown_with_the_own_causes_of_its_stack(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = Bench(own_x=cause("own-x"))
    bench.watch.look()
    opened: list[str] = []

    def opening(stack: str, table_name: str | None) -> MemoryOwnCauses:
        opened.append(stack)
        return bench.store

    monkeypatch.setattr(cli_own_causes, "open_own_causes", opening)
    shown = cli_own_causes.catalogue_of(incident("own-x"), "patchmedic", None)
    assert shown.causes["own-x"].title["ja"] == "題名"
    plain = cli_own_causes.catalogue_of(incident("disk-full"), "patchmedic", None)
    assert (plain.version, opened) == (BUILTIN.version, ["patchmedic"])
    assert bench.store.record is not None
    bench.store.record = replace(bench.store.record, content=b"?")
    shown = cli_own_causes.catalogue_of(incident("own-x"), "patchmedic", None)
    assert shown.version == BUILTIN.version
    assert "without the stack's own causes" in capsys.readouterr().err


def test_a_folder_is_read_like_a_bucket(tmp_path: Path) -> None:
    (tmp_path / "own-x.toml").write_text(cause("own-x"), encoding="utf-8")
    (tmp_path / "own-big.toml").write_text("#" * (FILE_BYTES_MAX + 1))
    own, problems = read_folder(tmp_path, BUILTIN)
    assert [each.id for each in own.causes] == ["own-x"]
    assert [str(each) for each in problems] == ["own-big.toml: is larger than 64 KiB"]
    assert FolderCauseFiles(tmp_path / "none").list().files == ()


def test_a_problem_without_a_place_names_its_file() -> None:
    assert str(Problem("x.toml", "", "is wrong")) == "x.toml: is wrong"
    assert str(Problem("x.toml", "a", "is wrong", ("a",), 3)) == "x.toml:3: a: is wrong"


# --- the documentation ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["own-causes.md", "own-causes.ja.md"])
def test_the_documented_bounds_are_the_real_ones(name: str) -> None:
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    bounds = text.rpartition("| --- | --- |")[2]
    said = [int(n.replace(",", "")) for n in re.findall(r"^\|.*\| ([0-9,]+)", bounds, re.MULTILINE)]
    assert said == [
        FILES_MAX,
        FILE_BYTES_MAX // 1024,
        TOTAL_BYTES_MAX // 1024,
        own_module.PATTERNS_PER_FILE_MAX,
        PATTERNS_MAX,
        schema.PATTERN_LENGTH_MAX,
        schema.LITERALS_MAX,
        schema.PATTERN_MEMORY_BYTES_MAX // 1024,
        own_module.PATTERNS_SIZE_MAX,
        own_module.HINTS_PER_FILE_MAX,
        schema.TITLE_CHARACTERS_MAX,
        schema.MEANING_CHARACTERS_MAX,
        schema.ADVICE_CHARACTERS_MAX,
        OBJECTS_MAX,
    ]


@pytest.mark.parametrize("name", ["own-causes.md", "own-causes.ja.md"])
def test_the_documented_keys_are_those_that_a_file_may_have(name: str) -> None:
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    head = "| キー |" if name.endswith(".ja.md") else "| key |"
    rows = text.partition(head)[2].partition("\n\n")[0].splitlines()[2:]
    said = {key.strip("[]") for row in rows for key in re.findall(r"`([^`]+)`", row.split("|")[1])}
    table = Asked()
    read_cause("own-x.toml", table, [])
    assert said == table.asked | {"extends"}


class Asked(dict[str, Any]):
    """An empty table that remembers for which keys it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: set[str] = set()

    def __contains__(self, key: object) -> bool:
        self.asked.add(str(key))
        return False
