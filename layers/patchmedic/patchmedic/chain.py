"""How a confirmed cause led to the failure: from what the run showed down to the root.

Here: a chain of links without words, made from the text's ranking, the causes that checks confirmed
and the facts of the root's own finding.  Not here: which cause is the root (``verdict``), and how a
chain reads (``notices.chain``).  Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from patchmedic.causes.schema import AWS_CHECKS
from patchmedic.model import Classification, Finding, Verdict
from patchmedic.policy import Plan

LinkKind = Literal["cause", "obstacle", "resource", "role"]

_ROLE_CHECKS = frozenset({"role-policies", "patch-policy-role"})
_ROLE = re.compile(r"(?!vpce-|arn:)[\w+=,.@-]{1,64}")
_NODE_ID = re.compile(r"(?:i|mi|mw)-[0-9a-f]{8,17}")


@dataclass(frozen=True, slots=True)
class Link:
    """One step of a chain; the next one is why this one is so."""

    kind: LinkKind
    name: str
    """A cause's id, the word of an obstacle on a network path, or the thing that is wrong."""


def chain_of(
    root: str,
    confirmed: Sequence[str],
    refuted: Iterable[str],
    classification: Classification,
    findings: tuple[Finding, ...],
    plans: Mapping[str, Plan],
) -> tuple[Link, ...]:
    """From the symptom that the text ranks first down to the root and the thing that is wrong.

    There is no such symptom when the root does not explain it, or when a check saw that it is not
    so.  ``confirmed`` has the causes that checks confirmed, the better ranked first.
    """
    symptom = classification.cause
    explained = set(plans.get(root, Plan()).explains) - {root}
    below = [cause for cause in confirmed if cause in explained and cause != symptom]
    top: tuple[str, ...] = ()
    if symptom in explained - set(refuted):
        top = (symptom,)
        below = [cause for cause in below if symptom in plans.get(cause, Plan()).explains]
    causes = (*top, *reversed(_path(below, plans)), root)
    return tuple(Link("cause", cause) for cause in causes) + _facts(root, findings)


def _path(causes: Sequence[str], plans: Mapping[str, Plan]) -> list[str]:
    """One line through causes that the root explains, each explained by the one before it."""
    path: list[str] = []
    left = list(causes)
    while left:
        explained = {each for cause in left for each in plans.get(cause, Plan()).explains}
        deepest = next((cause for cause in left if cause not in explained), left[0])
        path.append(deepest)
        explains = plans.get(deepest, Plan()).explains
        left = [cause for cause in left if cause in explains and cause != deepest]
    return path


def _facts(root: str, findings: tuple[Finding, ...]) -> tuple[Link, ...]:
    """What stands in the way, and the thing that is wrong: by the finding that says most."""
    confirming = [f for f in findings if f.verdict is Verdict.CONFIRMS and f.cause == root]
    if not confirming:
        return ()
    best = min(confirming, key=most_telling_first)
    links: list[Link] = []
    if obstacle := best.facts.get("obstacle"):
        links.append(Link("obstacle", obstacle))
    if best.resource and not _NODE_ID.fullmatch(best.resource):
        is_role = best.check in _ROLE_CHECKS and _ROLE.fullmatch(best.resource) is not None
        links.append(Link("role" if is_role else "resource", best.resource))
    return tuple(links)


def most_telling_first(finding: Finding) -> tuple[bool, bool, bool, str, str]:
    """Sorts the findings of one cause: what stands in the way first, then what names a thing.

    Of two that name one, the set-up's is nearer to what a person would change.
    """
    is_node = not finding.resource or _NODE_ID.fullmatch(finding.resource) is not None
    obstacle = finding.facts.get("obstacle")
    return not obstacle, is_node, on_node(finding), finding.check, finding.resource


def on_node(finding: Finding) -> bool:
    """Whether a check on the node made it, not one of its AWS set-up."""
    return finding.check not in AWS_CHECKS
