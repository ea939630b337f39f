"""What is it, after the look?  Findings against the text's ranking."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from incident_samples import finding

from patchmedic.model import Candidate, Classification, Finding, Verdict
from patchmedic.policy import Plan
from patchmedic.verdict import Diagnosis, diagnose

PLANS = {
    "disk-full": Plan(explains=("payload-corrupt",)),
    "payload-corrupt": Plan(),
    "package-manager-locked": Plan(transient=True),
    "s3-unreachable": Plan(),
}
YES, NO, MAYBE = Verdict.CONFIRMS, Verdict.REFUTES, Verdict.NEUTRAL


def diagnosed(text: dict[str, float], *found: tuple[str, Verdict]) -> Diagnosis:
    ranked = Classification(tuple(Candidate(c, p) for c, p in text.items()), "v1")
    findings = tuple(finding(cause, verdict) for cause, verdict in found)
    return diagnose(ranked, findings, PLANS, 0.8)


@pytest.mark.parametrize(
    ("text", "found", "cause", "basis"),
    [
        ({"disk-full": 0.9}, [("disk-full", YES)], "disk-full", "finding"),
        ({"s3-unreachable": 0.9}, [("disk-full", YES)], "disk-full", "finding"),
        ({}, [("disk-full", YES)], "disk-full", "finding"),
        ({"disk-full": 0.9}, [], "disk-full", "none"),
        ({"disk-full": 0.9}, [("disk-full", MAYBE)], "disk-full", "none"),
        ({"disk-full": 0.9, "s3-unreachable": 0.6}, [("disk-full", NO)], "s3-unreachable", "none"),
        ({"disk-full": 0.9}, [("disk-full", NO)], "unknown", "none"),
        ({}, [], "unknown", "none"),
        # A passing cause that the text names: that it is over now does not unsay it.
        ({"package-manager-locked": 0.9}, [("package-manager-locked", NO)],
         "package-manager-locked", "text"),
        ({"package-manager-locked": 0.9}, [], "package-manager-locked", "text"),
        ({"package-manager-locked": 0.7}, [("package-manager-locked", NO)], "unknown", "none"),
        ({"package-manager-locked": 0.7}, [], "package-manager-locked", "none"),
        ({"disk-full": 0.95, "package-manager-locked": 0.9},
         [("disk-full", NO), ("package-manager-locked", NO)], "unknown", "none"),
        ({"package-manager-locked": 0.9}, [("disk-full", YES)], "disk-full", "finding"),
        # Both are seen: the one that explains the other; else what the text ranks higher.
        ({"payload-corrupt": 0.9, "disk-full": 0.5},
         [("payload-corrupt", YES), ("disk-full", YES)], "disk-full", "finding"),
        ({"s3-unreachable": 0.9, "disk-full": 0.5},
         [("disk-full", YES), ("s3-unreachable", YES)], "s3-unreachable", "finding"),
        # Two checks contradict each other: what was seen once is there.
        ({"disk-full": 0.9}, [("disk-full", NO), ("disk-full", YES)], "disk-full", "finding"),
    ],
)  # fmt: skip
def test_what_is_believed_and_on_which_basis(
    text: dict[str, float], found: list[tuple[str, Verdict]], cause: str, basis: str
) -> None:
    made = diagnosed(text, *found)
    assert (made.cause, made.basis) == (cause, basis)
    assert made.confirmed is (basis != "none")


def test_what_was_ruled_out_is_told() -> None:
    made = diagnosed({"disk-full": 0.9}, ("disk-full", NO), ("s3-unreachable", NO))
    assert made.ruled_out == ("disk-full", "s3-unreachable")


CAUSES = st.sampled_from([*PLANS, "another"])
FOUND = st.lists(st.tuples(CAUSES, st.sampled_from(Verdict)), max_size=6)
TEXT = st.dictionaries(CAUSES, st.floats(0, 1), max_size=4)


@given(text=TEXT, found=FOUND)
def test_a_finding_is_never_overruled_by_the_text(
    text: dict[str, float], found: list[tuple[str, Verdict]]
) -> None:
    made = diagnosed(text, *found)
    confirmed = {cause for cause, verdict in found if verdict is YES}
    if confirmed:
        assert made.cause in confirmed
        assert made.basis == "finding"
    else:
        assert made.basis != "finding"
    assert made.cause not in made.ruled_out


@given(text=TEXT, found=FOUND.filter(lambda f: len(f) <= 4))
def test_the_order_of_the_findings_does_not_decide(
    text: dict[str, float], found: list[tuple[str, Verdict]]
) -> None:
    ranked = set(text) | {"unknown"}
    made = {diagnosed(text, *order).cause for order in itertools.permutations(found)}
    assert len(made & ranked) <= 1, "among causes that the text knows, its rank decides"


def test_a_finding_about_no_cause_changes_nothing() -> None:
    neutral = Finding("reboot-pending", MAYBE, None, "i-1", {"en": "x", "ja": "x"})
    ranked = Classification((Candidate("disk-full", 0.9),), "v1")
    assert diagnose(ranked, (neutral,), PLANS, 0.8) == Diagnosis("disk-full", "none", ())
