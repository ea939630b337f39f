"""``python -m tests.simulation``: run worlds, print what they break and how to replay it."""

from __future__ import annotations

import argparse
import sys
import time

from tests.simulation.checkers import Violation
from tests.simulation.world import (
    CROWD,
    DEATHS,
    HANGS,
    HASTE,
    OUTBREAK,
    RACES,
    STORM,
    Weather,
    World,
)

WEATHERS: dict[str, Weather | None] = {
    "drawn": None,
    "storm": STORM,
    "crowd": CROWD,
    "races": RACES,
    "deaths": DEATHS,
    "haste": HASTE,
    "outbreak": OUTBREAK,
    "hangs": HANGS,
}


def run_seed(seed: int, weather: str, *, trace: bool) -> bool:
    """Run one world; say what it broke.  A bug that raises stops the run, with its seed."""
    world = World(seed, WEATHERS[weather])
    again = f"  replay: python -m tests.simulation --seed {seed} --weather {weather}"
    try:
        world.run()
    except Violation as violation:
        print(f"seed {seed}: {violation}  (at {world.clock.now():%H:%M:%S})\n{again}")
        return False
    except BaseException as error:
        error.add_note(again)
        raise
    if trace:
        print(f"seed {seed}: {world.calls} calls, {world.invocations} invocations, all well")
    return True


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="how many worlds (default: 100)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default: 0)")
    parser.add_argument("--seed", type=int, help="replay this one only")
    parser.add_argument("--weather", choices=WEATHERS, default="drawn", help="how bad it gets")
    parser.add_argument("--keep-going", action="store_true", help="past the first failure")
    options = parser.parse_args(arguments)
    if options.seed is not None:
        return 0 if run_seed(options.seed, options.weather, trace=True) else 1
    began, failed, ran = time.perf_counter(), 0, 0
    for seed in range(options.first, options.first + options.seeds):
        ran += 1
        if not run_seed(seed, options.weather, trace=False):
            failed += 1
            if not options.keep_going:
                break
    seconds = time.perf_counter() - began
    print(f"{ran} worlds, {failed} failed, {seconds:.1f} s, {ran / seconds:.1f} worlds/s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
