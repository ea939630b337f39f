"""What the stages make of evidence: the classifier's answer, and what only its whole frame tells.

Here: one pure function, so that classify and collect read alike.  Not here: the reading of the
text itself (``causes.classifier``).
"""

from __future__ import annotations

from patchmedic.causes.catalogue import Catalogue
from patchmedic.causes.classifier import classify
from patchmedic.hooks import CAUSE as HOOK_FAILED
from patchmedic.hooks import put_hook_first
from patchmedic.model import Classification, Evidence
from patchmedic.output import name_tails


def read_evidence(evidence: Evidence, catalogue: Catalogue) -> Classification:
    """The causes that the evidence supports, best first."""
    found = classify(evidence, catalogue)
    if HOOK_FAILED in catalogue.causes:
        found = put_hook_first(found, evidence)
    return name_tails(found, evidence)
