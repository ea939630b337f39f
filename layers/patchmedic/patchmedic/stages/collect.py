"""collect: one of our commands ended; read how, and let the incident move on.

Commands are known by the recorded command id, else by their Comment: a command whose sender died
before it could record the id is adopted here.
"""

from __future__ import annotations

from patchmedic.checks.node import FindingsUnreadable, parse_findings, parse_remedy, tail_of
from patchmedic.errors import NotYetVisible
from patchmedic.evidence import with_tail
from patchmedic.incident import (
    EffectFailed,
    Fact,
    FindingsRead,
    Incident,
    Observation,
    RemedyEnded,
    Reread,
    Verified,
)
from patchmedic.model import EffectKind, Finding
from patchmedic.ports import CommandEnded, EffectRecord, Invocation
from patchmedic.reading import read_evidence
from patchmedic.stages.common import (
    Context,
    advance,
    effect_id_of,
    give_back,
    look_at_patching,
)

BY = "collect"


def handle_command(ctx: Context, ended: CommandEnded, *, last_try: bool) -> str:
    """Collect one command; returns what was done, for the log.

    Raises ``NotYetVisible`` while AWS does not show the result yet, unless it is the ``last_try``.
    """
    effect_id = _effect_id(ctx, ended)
    if effect_id is None:
        return "not ours"
    record = ctx.store.effect(effect_id)
    if record is None or record.effect.node != ended.node:
        return "not ours: no such effect on this node"
    if record.status == "done":
        return "already collected"
    if record.command_id is None:
        ctx.store.record_command(record.effect, None, ended.command_id)
    elif record.command_id != ended.command_id:
        return f"not the command of effect {effect_id}"
    invocation = ctx.commands.invocation(ended.node.region, ended.command_id, ended.node.node_id)
    if invocation is not None and not invocation.terminal:
        return f"still {invocation.status}"
    return collect(ctx, record, invocation, final=last_try)


def _effect_id(ctx: Context, ended: CommandEnded) -> str | None:
    node = ended.node
    recorded = ctx.store.effect_of_command(node.account, node.region, ended.command_id)
    if recorded is not None:
        return recorded
    info = ctx.commands.describe(node.region, ended.command_id)
    return effect_id_of(info.comment) if info else None


def collect(
    ctx: Context, record: EffectRecord, invocation: Invocation | None, *, final: bool
) -> str:
    """Turn an ended command into a fact and move its incident.

    The node is given back first: the command is over, whatever happens next.  A look that
    is older than the command proves nothing; only the ``final`` one is judged as it is.
    """
    effect = record.effect
    incident = ctx.store.load(effect.incident_id)
    if incident is None:
        return "its incident is gone"
    if effect.kind is not EffectKind.DIAGNOSE:
        give_back(ctx, effect)
    fact = _fact(ctx, record, incident, invocation)
    if not final and _too_early(fact, invocation):
        raise NotYetVisible(f"the result of effect {effect.effect_id} is not there yet")
    decision = advance(ctx, incident.id, fact, BY, finished_effect=effect.effect_id)
    return decision.entry


def _fact(
    ctx: Context, record: EffectRecord, incident: Incident, invocation: Invocation | None
) -> Fact:
    effect = record.effect
    if invocation is None:
        return EffectFailed(effect.effect_id, "Systems Manager no longer knows the command")
    if effect.kind is EffectKind.DIAGNOSE:
        return _findings(ctx, effect.effect_id, incident, invocation)
    if effect.kind is EffectKind.REMEDY:
        return _remedy(effect.effect_id, invocation)
    return _verified(ctx, effect.effect_id, incident, invocation)


def _too_early(fact: Fact, invocation: Invocation | None) -> bool:
    """Right after a command ends, its invocation or the node's new state may not be shown yet."""
    if invocation is None:
        return True
    if not isinstance(fact, Verified) or not fact.command_ok:
        return False
    return fact.observation is None or fact.observation.observed_at < invocation.requested_at


def _ended(invocation: Invocation) -> str:
    return f"{invocation.status} ({invocation.status_details}, exit {invocation.response_code})"


def _findings(ctx: Context, effect_id: str, incident: Incident, invocation: Invocation) -> Fact:
    if invocation.status != "Success":
        return EffectFailed(effect_id, f"the checks ended {_ended(invocation)}")
    try:
        findings = parse_findings(invocation.stdout, invocation.node_id)
    except FindingsUnreadable as error:
        return EffectFailed(effect_id, f"the checks' output is unreadable: {error.reason}")
    reread = _reread(ctx, incident, findings)
    return FindingsRead(effect_id, findings, final=True, reread=reread)


def _reread(ctx: Context, incident: Incident, findings: tuple[Finding, ...]) -> Reread | None:
    """Read the failed run's evidence again when a check brought the end that was missing."""
    evidence = incident.evidence
    if not evidence.truncated or evidence.command_id is None:
        return None
    tail = tail_of(findings, evidence.command_id)
    if tail is None or not any(part.strip() for part in tail):
        return None
    evidence = with_tail(evidence, *tail)
    return Reread(evidence, read_evidence(evidence, ctx.catalogue))


def _remedy(effect_id: str, invocation: Invocation) -> Fact:
    if invocation.document.startswith("AWS-"):
        ok = invocation.status == "Success"
        return RemedyEnded(effect_id, "done" if ok else "failed", _ended(invocation))
    try:
        result = parse_remedy(invocation.stdout)
    except FindingsUnreadable as error:
        return RemedyEnded(effect_id, "failed", f"{_ended(invocation)}: {error.reason}")
    detail = ", ".join(f"{k} {v}" for k, v in result.facts.items()) or _ended(invocation)
    return RemedyEnded(effect_id, result.state, detail)


def _verified(ctx: Context, effect_id: str, incident: Incident, invocation: Invocation) -> Fact:
    """The command's word is not enough: the node's own patch state must be newer and healthy."""
    ok = invocation.status == "Success"
    seen: Observation | None = None
    if ok:
        seen = look_at_patching(ctx, incident.node, invocation.document)
    if not ok:
        detail = f"the patch run ended {_ended(invocation)}"
    elif seen is None:
        detail = "the patch run succeeded, but the node has no patch state to look at"
    else:
        detail = seen.detail
    return Verified(effect_id, command_ok=ok, observation=seen, detail=detail)
