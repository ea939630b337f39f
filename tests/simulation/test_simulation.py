"""Worlds by the hundred, each from one seed; and that the simulator meets what it is for."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from tests.simulation.seams import Fate
from tests.simulation.world import HANGS, HASTE, OUTBREAK, STORM, World, simulate

from patchmedic.incident import Incident
from patchmedic.model import IncidentKind, Outcome
from patchmedic.stages.common import effect_id_of

SEEDS = 300
CHUNK = 20
KEPT = [
    line.split(maxsplit=1)
    for line in (Path(__file__).parent / "seeds.txt").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
]


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_every_invariant_holds(first: int) -> None:
    for seed in range(first, first + CHUNK):
        world = World(seed)
        try:
            world.run()
        except BaseException as failure:
            failure.add_note(f"replay: python -m tests.simulation --seed {seed}")
            raise


@pytest.mark.parametrize(("seed", "why"), KEPT, ids=[why for _, why in KEPT])
def test_a_seed_that_failed_once_stays_fixed(seed: str, why: str) -> None:
    simulate(int(seed))


def told(incident: Incident) -> tuple[object, ...]:
    """All of an incident but the random ids of our own events."""
    return (
        incident.id.removeprefix("pm-") if incident.kind is IncidentKind.PATCHING else "ping",
        incident.state,
        incident.version,
        incident.opened_at,
        incident.updated_at,
        incident.outcome,
        incident.reason,
        incident.actions,
        incident.run_keys,
    )


@pytest.mark.parametrize("seed", [3, 17])
def test_a_seed_replays_exactly(seed: int) -> None:
    first, second = World(seed), World(seed)
    for world in (first, second):
        world.run()
    assert first.calls == second.calls
    assert first.clock.now() == second.clock.now()
    assert first.notifier.told == second.notifier.told
    assert [told(i) for i in first.store.all()] == [told(i) for i in second.store.all()]
    assert list(first.fleet.commands.values()) == list(second.fleet.commands.values())


def test_the_worlds_are_eventful() -> None:
    """A simulator in which nothing happens finds nothing."""
    met: Counter[str] = Counter()
    weathers = (None, STORM, HASTE)
    for seed in range(90):
        world = simulate(seed, weathers[seed % 3])
        met.update(f"outcome {i.outcome}" for i in world.store.all())
        met.update(f"rule {i.reason.rule}" for i in world.store.all() if i.reason)
        met.update(f"kind {i.kind}" for i in world.store.all())
        met.update(f"skip {s.skip.rule}" for s in world.store.skips.values())
        met.update(f"fate {name}" for name in world.fates)
        met.update(
            f"sent {c.document}" for c in world.fleet.commands.values() if effect_id_of(c.comment)
        )
    wanted = {
        *(f"outcome {outcome}" for outcome in Outcome),
        *(f"fate {fate.name}" for fate in Fate),
        *(f"rule {rule}" for rule in RULES),
        *(f"skip {rule}" for rule in ("known-run", "own-command", "nothing-open")),
        *(f"sent {document}" for document in SENT),
        "kind patching",
        "kind ping",
    }
    assert wanted <= set(met), f"never met: {sorted(wanted - set(met))}"


def test_the_limits_windows_and_breakers_are_met() -> None:
    """A limit that no world reaches is checked by none."""
    met: Counter[str] = Counter()
    for seed in range(16):
        world = simulate(seed, OUTBREAK if seed % 2 else HANGS)
        met.update(i.reason.rule for i in world.store.all() if i.reason)
        lines = [line.text for i in world.store.all() for line in world.store.timeline(i.id)]
        met.update(line.split(")")[0] for line in lines if line.startswith("waits ("))
    wanted = {"cool-down", "reboots", "breaker", "waits (actions-per-hour", "waits (live-actions"}
    wanted |= {"waits (freeze", "waits (window-closed", "waits (window-unreadable"}
    assert wanted <= set(met), f"never met: {sorted(wanted - set(met))}"


RULES = (
    "verified",
    "recovered",
    "not-confirmed",
    "all-tried",
    "opt-in",
    "kill-switch",
    "denied",
    "proposal-expired",
    "remedy-lost",
    "no-action-is-right",
)
SENT = (
    "patchmedic-Check-Linux",
    "patchmedic-Remedy-WaitForPackageLock-Linux",
    "patchmedic-Remedy-FreeDiskSpace-Linux",
    "patchmedic-Remedy-ClearPatchLeftovers-Linux",
    "AWS-UpdateSSMAgent",
    "AWS-RunPatchBaseline",
)
