"""Checks on the node: what each can decide, and what a Check document's output means.

A Check document of this stack runs on the node and prints facts; it judges no cause.  Here those
facts become findings: which cause they confirm or refute, by the table ``CHECKS``.

    registry   every check: where it runs, which fact confirms or rules out what
    wire       the documents' output as text: its markers, shape and sizes
    findings   from answers to findings
    words      the sentences and the advice, in English and Japanese

Not here: sending the document, or choosing what to do about a finding.
"""

from patchmedic.checks.node.findings import parse_findings, tail_of
from patchmedic.checks.node.registry import (
    CHECKS,
    STORE_CORRUPTION_HRESULTS,
    NodeCheck,
    Rule,
    checks_for,
)
from patchmedic.checks.node.wire import (
    CHECK_STATES,
    CHECKS_MAX,
    FACT_CHARACTERS_MAX,
    FACTS_MAX,
    REMEDY_STATES,
    STDOUT_CHARACTERS_MAX,
    TAIL_CHARACTERS_MAX,
    TAIL_STDERR_MARK,
    FindingsUnreadable,
    RemedyResult,
    RemedyState,
    parse_remedy,
)

__all__ = [
    "CHECKS",
    "CHECKS_MAX",
    "CHECK_STATES",
    "FACTS_MAX",
    "FACT_CHARACTERS_MAX",
    "REMEDY_STATES",
    "STDOUT_CHARACTERS_MAX",
    "STORE_CORRUPTION_HRESULTS",
    "TAIL_CHARACTERS_MAX",
    "TAIL_STDERR_MARK",
    "FindingsUnreadable",
    "NodeCheck",
    "RemedyResult",
    "RemedyState",
    "Rule",
    "checks_for",
    "parse_findings",
    "parse_remedy",
    "tail_of",
]
