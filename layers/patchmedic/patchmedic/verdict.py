"""What is it, after the look at the node?  Findings move the ranking of the classification.

Here: one pure function.  Not here: how findings are made (``checks``) or what is done about the
result (``incident``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from patchmedic.model import Candidate, Classification, Finding, Verdict
from patchmedic.policy import Plan

Basis = Literal["finding", "text", "none"]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The cause believed in, on which basis, and what was ruled out."""

    cause: str
    basis: Basis
    """``finding``: a check confirmed it.  ``text``: a passing cause that the output names beyond
    doubt and that was gone when the check looked.  ``none``: nothing confirmed it."""
    ruled_out: tuple[str, ...]

    @property
    def confirmed(self) -> bool:
        return self.basis != "none"


def diagnose(
    classification: Classification,
    findings: tuple[Finding, ...],
    plans: Mapping[str, Plan],
    confident_min: float,
) -> Diagnosis:
    """Join what the text says with what the checks saw.

    A confirmed cause wins over every unconfirmed one; of several confirmed, the one that explains
    the others wins, then the one the text ranks higher.  A refuted cause drops out, unless it is
    a passing one that the text names beyond doubt: that it is over now does not unsay it.
    """
    confirmed = _causes(findings, Verdict.CONFIRMS)
    refuted = [c for c in _causes(findings, Verdict.REFUTES) if c not in confirmed]
    rank = {c.cause: i for i, c in enumerate(classification.candidates)}
    ruled_out = tuple(c for c in refuted if not _passing(c, classification, plans, confident_min))
    if confirmed:
        return Diagnosis(_deepest(confirmed, rank, plans), "finding", ruled_out)
    for candidate in classification.candidates:
        if candidate.cause in ruled_out:
            continue
        if _passing(candidate.cause, classification, plans, confident_min):
            return Diagnosis(candidate.cause, "text", ruled_out)
        return Diagnosis(candidate.cause, "none", ruled_out)
    return Diagnosis("unknown", "none", ruled_out)


def _causes(findings: tuple[Finding, ...], verdict: Verdict) -> list[str]:
    return list(dict.fromkeys(f.cause for f in findings if f.verdict is verdict and f.cause))


def _passing(
    cause: str, classification: Classification, plans: Mapping[str, Plan], confident_min: float
) -> bool:
    top: Candidate | None = next(iter(classification.candidates), None)
    return (
        top is not None
        and top.cause == cause
        and top.confidence >= confident_min
        and plans.get(cause, Plan()).transient
    )


def _deepest(confirmed: list[str], rank: Mapping[str, int], plans: Mapping[str, Plan]) -> str:
    """The confirmed cause that no other confirmed cause explains; ties go to the text's rank."""
    explained = {
        effect
        for cause in confirmed
        for effect in plans.get(cause, Plan()).explains
        if effect != cause
    }
    roots = [c for c in confirmed if c not in explained] or confirmed
    return min(roots, key=lambda c: (rank.get(c, len(rank)), confirmed.index(c)))
