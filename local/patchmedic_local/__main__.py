"""``python -m patchmedic_local serve``: the local cloud's command line."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from patchmedic_local.options import ServeOptions, Timing
from patchmedic_local.scenario.reading import ScenarioError
from patchmedic_local.server import StartError, run


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    timing = Timing()
    if options.run_seconds is not None:
        timing = replace(timing, run_seconds=options.run_seconds)
    if options.delivery_timeout_seconds is not None:
        timing = replace(timing, delivery_timeout_seconds_min=options.delivery_timeout_seconds)
    serve = ServeOptions(
        port=options.port,
        state_dir=options.state_dir.resolve(),
        scenarios=tuple(path.resolve() for path in options.scenario),
        timing=timing,
    )
    try:
        return run(serve)
    except (StartError, ScenarioError) as error:
        print(f"the local cloud did not start: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m patchmedic_local",
        description="An AWS account on this machine: MiniStack with a simulated SSM fleet.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="serve until it is told to stop (Ctrl-C, SIGTERM)")
    serve.add_argument("--port", type=int, default=4566, help="on 127.0.0.1 (default: 4566)")
    serve.add_argument(
        "--state-dir", type=Path, required=True, help="for env, outbox/, log/ and temporary files"
    )
    serve.add_argument(
        "--scenario",
        type=Path,
        action="append",
        default=[],
        help="a scenario file; may be repeated",
    )
    serve.add_argument(
        "--run-seconds", type=float, help="how long a patch run takes (default: 0.3)"
    )
    serve.add_argument(
        "--delivery-timeout-seconds",
        type=float,
        help="the shortest time until an undelivered command times out (default: 1)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
