"""classify: signals in, incidents out.  Reads untrusted text, so it may run nothing.

For each signal: take it apart into nodes if it names none, leave our own commands and doubled
events alone (with a record of why), read the evidence, classify it, and open or move the
incident.  A storm's signals are grouped by command, so that each command is asked for once and
its nodes in pages of fifty.

Where Run Command returns only the beginning of an output, the end is read from where the command's
sender had it sent; where that is nowhere, ``diagnose`` asks the node.  A storm's page that already
names the cause is believed without: its excerpts have room for a short stderr after the cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from patchmedic.errors import AwsError, CommitConflict
from patchmedic.evidence import evidence_of
from patchmedic.incident import FailureSeen, Observation, RecoverySeen, open_incident
from patchmedic.model import Classification, Evidence, IncidentKind, Signal, SignalKind, Skip
from patchmedic.ports import (
    CommandInfo,
    Expander,
    Invocation,
    NodeInfo,
    OutputEnds,
    OutputPlace,
)
from patchmedic.reading import read_evidence
from patchmedic.stages.common import Context, advance, create, effect_id_of, look_at_patching

BY = "classify"
OPEN_TRIES_MAX = 4
PAGE_FROM_NODES = 4
"""From this many nodes of one command on, their outputs are read in pages first."""


@dataclass(slots=True)
class Batch:
    """What one invocation of the function has read already."""

    commands: dict[tuple[str, str], CommandInfo | None] = field(default_factory=dict)
    pages: dict[tuple[str, str], Mapping[str, Invocation]] = field(default_factory=dict)
    nodes: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    """The nodes of each command that signals of this batch tell of."""
    closed: dict[tuple[str, str], OutputEnds] = field(default_factory=dict)
    """The commands whose whole outputs nobody may or can read now, with the reason."""

    def note(self, signals: Iterable[Signal]) -> None:
        """Remember which nodes of which command will be asked for, before any is."""
        for signal in signals:
            if signal.command_id and signal.node_id and not signal.is_recovery:
                key = (signal.region, signal.command_id)
                self.nodes.setdefault(key, set()).add(signal.node_id)


@dataclass(frozen=True, slots=True)
class Handled:
    """What became of one signal."""

    signal: Signal
    incident_id: str | None = None
    cause: str | None = None
    skipped: Skip | None = None


def handle_signals(
    ctx: Context,
    expander: Expander,
    signals: Iterable[Signal],
    *,
    last_try: bool,
    batch: Batch | None = None,
) -> tuple[Handled, ...]:
    """Work through the signals of one event; errors of AWS are the caller's to retry.

    ``last_try`` says that the message will not come again: then evidence that cannot be read is
    noted as such, and the incident is opened all the same.
    """
    batch = batch or Batch()
    handled: list[Handled] = []
    for signal in signals:
        expanded = (signal,) if signal.node_id else expander.expand(signal)
        if isinstance(expanded, Skip):
            handled.append(_skip(ctx, signal, expanded))
            continue
        joined = tuple(_with_command(expander, one, last_try) for one in expanded)
        _read_pages(ctx, joined, batch)
        handled += [_handle(ctx, one, batch, last_try) for one in joined]
    return tuple(handled)


def _with_command(expander: Expander, signal: Signal, last_try: bool) -> Signal:
    """An association's event names its node but not the command that ran: look it up.

    It makes the association's and the command's own event one run, whichever comes first.  While
    AWS does not answer, the signal waits; the last time, it goes on without its command.
    """
    if not signal.association_id or not signal.node_id or signal.command_id is not None:
        return signal
    try:
        return replace(signal, command_id=expander.command_of_association(signal))
    except AwsError:
        if not last_try:
            raise
        return signal


def _read_pages(ctx: Context, signals: Iterable[Signal], batch: Batch) -> None:
    """A command on many nodes is read once, in pages, however many messages tell of it."""
    batch.note(signals)
    for signal in signals:
        if signal.command_id is None:
            continue
        key = (signal.region, signal.command_id)
        nodes = batch.nodes.get(key, set())
        if len(nodes) >= PAGE_FROM_NODES and key not in batch.pages:
            batch.pages[key] = ctx.commands.invocations(*key, nodes)


def _skip(ctx: Context, signal: Signal, skip: Skip) -> Handled:
    subject = signal.node_id or signal.association_id or signal.window_id or signal.region
    ctx.store.record_skip(signal.event_id, subject, skip, ctx.clock.now())
    return Handled(signal, skipped=skip)


def _handle(ctx: Context, signal: Signal, batch: Batch, last_try: bool) -> Handled:
    own = _own_command(ctx, signal, batch, last_try)
    if own:
        return _skip(ctx, signal, Skip("own-command", f"it is our own command of {own}"))
    kind = signal.incident_kind
    if signal.is_recovery:
        open_id = ctx.store.open_incident_id(signal.node, kind)
        if open_id is None:
            return _skip(ctx, signal, Skip("nothing-open", "no incident is open for this node"))
        seen = _look(ctx, signal, batch)
        advance(ctx, open_id, RecoverySeen(signal, seen), BY)
        return Handled(signal, open_id)
    known = ctx.store.incident_of_run(signal.node, kind, signal.run_key)
    if known:
        rule = Skip("known-run", f"this run is already part of incident {known}")
        return _skip(ctx, signal, rule)
    evidence = _evidence(ctx, signal, batch, last_try)
    classification = read_evidence(evidence, ctx.catalogue)
    if _from_page(signal, batch) and _needs_full_output(ctx, evidence, classification):
        alone = Batch(commands=batch.commands, closed=batch.closed)
        evidence = _evidence(ctx, signal, alone, last_try)
        classification = read_evidence(evidence, ctx.catalogue)
    return _open_or_join(ctx, FailureSeen(signal, evidence, classification))


def _from_page(signal: Signal, batch: Batch) -> bool:
    return signal.node_id in batch.pages.get((signal.region, signal.command_id or ""), {})


def _needs_full_output(ctx: Context, evidence: Evidence, found: Classification) -> bool:
    return evidence.truncated and found.confidence < ctx.policy.limits.confident_min


def _open_or_join(ctx: Context, fact: FailureSeen) -> Handled:
    signal = fact.signal
    for _ in range(OPEN_TRIES_MAX):
        open_id = ctx.store.open_incident_id(signal.node, signal.incident_kind)
        if open_id is not None:
            decision = advance(ctx, open_id, fact, BY)
            if decision.incident.finished and not decision.changed:
                continue  # it was closed after we looked: this failure needs its own incident
            return Handled(signal, open_id, decision.incident.cause)
        decision = open_incident(fact, ctx.policy, ctx.clock.now())
        try:
            create(ctx, decision, BY)
        except CommitConflict:
            known = ctx.store.incident_of_run(signal.node, signal.incident_kind, signal.run_key)
            if known:
                rule = Skip("known-run", f"this run is already part of incident {known}")
                return _skip(ctx, signal, rule)
            continue
        return Handled(signal, decision.incident.id, decision.incident.cause)
    raise CommitConflict(f"{signal.node}: another copy of this signal is being handled")


def _own_command(ctx: Context, signal: Signal, batch: Batch, last_try: bool) -> str | None:
    """The effect whose command this is: by the recorded command id, else by its Comment."""
    if signal.command_id is None:
        return None
    recorded = ctx.store.effect_of_command(signal.account, signal.region, signal.command_id)
    if recorded:
        return recorded
    info = _command(ctx, signal, batch, last_try)
    return effect_id_of(info.comment) if info else None


def _command(ctx: Context, signal: Signal, batch: Batch, last_try: bool) -> CommandInfo | None:
    if signal.command_id is None:
        return None
    key = (signal.region, signal.command_id)
    if key not in batch.commands:
        try:
            batch.commands[key] = ctx.commands.describe(*key)
        except AwsError:
            if not last_try:
                raise
            return None
    return batch.commands[key]


def _evidence(ctx: Context, signal: Signal, batch: Batch, last_try: bool) -> Evidence:
    notes: list[str] = []
    invocation: Invocation | None = None
    ends: OutputEnds | None = None
    info: NodeInfo | None = None
    command = _command(ctx, signal, batch, last_try)
    assert signal.node_id is not None
    try:
        if signal.command_id is not None:
            page = batch.pages.get((signal.region, signal.command_id), {})
            invocation = page.get(signal.node_id)
            if invocation is None:
                invocation = ctx.commands.invocation(
                    signal.region, signal.command_id, signal.node_id
                )
                ends = _ends(ctx, signal.region, invocation, command, batch)
            if invocation is None:
                notes.append("Systems Manager no longer knows this command on this node")
            if ends is not None and ends.note is not None:
                notes.append(ends.note)
        if not signal.node_id.startswith("mw-"):
            info = ctx.nodes.info(signal.node)
            if info is None:
                notes.append("Systems Manager does not list the node: stopped, gone or never there")
    except AwsError as error:
        if not last_try:
            raise
        notes.append(f"could not be read: {error}")
    return evidence_of(signal, invocation, command, info, tuple(notes), ends)


def _ends(
    ctx: Context,
    region: str,
    invocation: Invocation | None,
    command: CommandInfo | None,
    batch: Batch,
) -> OutputEnds | None:
    """The ends that Run Command left out; a closed place is knocked at once a command."""
    if invocation is None or not invocation.truncated:
        return None
    key = (region, invocation.command_id)
    if key in batch.closed:
        return batch.closed[key]
    place = command.output if command else OutputPlace()
    ends = ctx.outputs.ends(region, invocation, place)
    if ends.place_closed:
        batch.closed[key] = ends
    return ends


def _look(ctx: Context, signal: Signal, batch: Batch) -> Observation | None:
    """The independent look behind a recovery: the ping itself, or the patch state."""
    if signal.incident_kind is IncidentKind.PING:
        return look_at_ping(ctx, signal)
    seen = look_at_patching(ctx, signal.node, signal.document)
    if seen is None or signal.kind is not SignalKind.PATCH_COMMAND_SUCCEEDED:
        return seen
    command = _command(ctx, signal, batch, last_try=False)
    if command is not None and seen.observed_at < command.requested_at - timedelta(seconds=1):
        return replace(seen, healthy=False, detail="the patch state is older than this run")
    return seen


def look_at_ping(ctx: Context, signal: Signal) -> Observation | None:
    """The node's ping, as Systems Manager has it now."""
    info = ctx.nodes.info(signal.node)
    if info is None or info.last_ping is None:
        return None
    return Observation(
        source="ping",
        observed_at=info.last_ping,
        healthy=info.ping == "Online",
        operation=None,
        detail=f"ping {info.ping}, last {info.last_ping:%Y-%m-%d %H:%M:%S} UTC",
    )
