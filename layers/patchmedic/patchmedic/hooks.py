"""AWS-RunPatchBaselineWithHooks: whose document failed.

That document runs three of somebody's own documents between the steps of the patching.  Here: from
the failed step and the run's parameters to the hook, or none where the patching itself failed.
AWS publishes no names of the steps, so words in them are looked for and nothing is concluded from
a name without such words.  Pure.  Not here: which of several failed steps counts (``run_command``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from patchmedic.model import (
    Candidate,
    Classification,
    Evidence,
    Hook,
    HookPoint,
    SupportingLine,
)

DOCUMENT: Final = "AWS-RunPatchBaselineWithHooks"
CAUSE: Final = "hook-failed"
CONFIDENCE: Final = 0.9
"""That a hook failed is a field of Run Command's answer, not a reading of text."""
DEEPER_CONFIDENCE_MAX: Final = 0.7
"""What the hook printed may name a deeper cause: it stays a candidate, for a check to confirm."""
_NO_HOOK: Final = "AWS-Noop"
_ON_EXIT: Final = "onexit"
_POINTS: Final[tuple[tuple[HookPoint, str, str], ...]] = (
    ("pre-install", "PreInstallHookDocName", "preinstall"),
    ("post-install", "PostInstallHookDocName", "postinstall"),
    ("on-exit", "OnExitHookDocName", _ON_EXIT),
)
"""When, the parameter that names the document, what the name of the step holds."""
_ANY_HOOK: Final = "hook"
_BETWEEN_WORDS: Final = str.maketrans("", "", "-_ ")


def hook_of(
    document: str | None, step: str | None, parameters: Mapping[str, tuple[str, ...]]
) -> Hook | None:
    """The hook that a step of a run is; ``None`` for a step of the patching itself.

    The step of a hook that nobody set runs a document that does nothing.  When such a step is
    shown as failed (the last one reports how the whole operation went), no hook is to blame.
    """
    if document != DOCUMENT or not step:
        return None
    words = _words(step)
    for point, parameter, word in _POINTS:
        if word in words:
            if not parameters:
                return Hook(point, None)
            name = _name(parameters, parameter)
            return Hook(point, name) if name else None
    if _ANY_HOOK not in words:
        return None
    named = [(point, name) for point, key, _ in _POINTS if (name := _name(parameters, key))]
    if len(named) == 1:
        return Hook(*named[0])
    return Hook(None, None) if named or not parameters else None


def is_exit_step(step: str) -> bool:
    """Whether a step is the last one, which fails, too, when an earlier one did."""
    return _ON_EXIT in _words(step)


def _words(step: str) -> str:
    return step.translate(_BETWEEN_WORDS).lower()


def _name(parameters: Mapping[str, tuple[str, ...]], parameter: str) -> str | None:
    given = next(iter(parameters.get(parameter, ())), "")
    return None if given in ("", _NO_HOOK) else given


def put_hook_first(found: Classification, evidence: Evidence) -> Classification:
    """``hook-failed`` in front when the failed step is a hook, what else there is behind it."""
    if evidence.hook is None:
        return found
    said = f"step {evidence.step} is a hook: {evidence.hook.document or 'document not known'}"
    lines = next((c.lines for c in found.candidates if c.cause == CAUSE), ())
    first = Candidate(CAUSE, CONFIDENCE, (SupportingLine("status", 0, said), *lines))
    others = tuple(
        replace(each, confidence=min(each.confidence, DEEPER_CONFIDENCE_MAX))
        for each in found.candidates
        if each.cause != CAUSE
    )
    return replace(found, candidates=(first, *others))
