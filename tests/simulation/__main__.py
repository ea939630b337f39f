"""``python -m tests.simulation --seeds N [--first S] | --seed S``: run worlds, print the failures."""

from __future__ import annotations

import argparse
import sys
import time
import traceback

from tests.simulation.checkers import Violation
from tests.simulation.world import World


def run_seed(seed: int, *, trace: bool) -> bool:
    """Run one world; say what failed."""
    world = World(seed)
    try:
        world.run()
    except Violation as violation:
        print(f"seed {seed}: {violation}  (at {world.clock.now():%H:%M:%S})")
    except Exception:
        print(f"seed {seed}: the code raised")
        traceback.print_exc()
    else:
        if trace:
            print(f"seed {seed}: {world.calls} calls, {world.invocations} invocations")
        return True
    print(f"  replay: python -m tests.simulation --seed {seed}")
    return False


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="how many worlds to run")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="replay this one only")
    parser.add_argument(
        "--keep-going", action="store_true", help="do not stop at the first failure"
    )
    options = parser.parse_args(arguments)
    if options.seed is not None:
        return 0 if run_seed(options.seed, trace=True) else 1
    began, failed, ran = time.perf_counter(), 0, 0
    for seed in range(options.first, options.first + options.seeds):
        ran += 1
        if not run_seed(seed, trace=False):
            failed += 1
            if not options.keep_going:
                break
    seconds = time.perf_counter() - began
    print(f"{ran} worlds, {failed} failed, {seconds:.1f} s, {ran / seconds:.1f} worlds/s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
