"""What classifying costs: a whole output of Run Command, a whole log, and text made to be slow.

    python benchmarks/classify.py [--runs N]

Beside each figure stand two others over the same patterns and text: the floor (the RE2 set alone,
which says only which patterns occur) and a plain loop of ``re.search``, the obvious way to do it.
The plain loop has a time limit: past it, the time for the whole text is estimated and marked ~.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import re2

from patchmedic.causes.catalogue import DATA, Catalogue, load_compiled, load_files, to_compiled
from patchmedic.causes.classifier import classify
from patchmedic.causes.engine import SET_MEMORY_BYTES_MAX
from patchmedic.model import Evidence

ROOT = Path(__file__).resolve().parents[1]
OUTPUT_BYTES = 24_000
LOG_BYTES = 5_000_000
LOOP_SECONDS_MAX = 2.0


def quiet_lines() -> list[str]:
    """Lines that patch runs print when nothing is wrong, and some that look wrong and are not."""
    samples = (ROOT / "tests" / "samples" / "harmless.jsonl").read_text("utf-8").splitlines()
    return [line for sample in samples for line in json.loads(sample)["stdout"].splitlines()]


def text_of(size: int, tail: str) -> str:
    """A text of ``size`` bytes: ordinary lines, each with a number, and the reason at the end."""
    lines = quiet_lines()
    made: list[str] = []
    length = number = 0
    while length < size - len(tail):
        made.append(f"{lines[number % len(lines)]} #{number}")
        length += len(made[-1]) + 1
        number += 1
    return "\n".join(made)[: size - len(tail)] + tail


def hostile_texts() -> dict[str, str]:
    """Texts that make careless patterns or careless line handling slow."""
    near = "Error: could not get lock /var/lib/" + "a" * 40 + " held by process "
    return {
        "one line of spaces": " " * OUTPUT_BYTES,
        "one line, near matches": (near * OUTPUT_BYTES)[:OUTPUT_BYTES],
        "error on every line": ("E: Could not get lock /var/lib/dpkg/lock\n" * 900)[:OUTPUT_BYTES],
        "line breaks only": "\n" * OUTPUT_BYTES,
        "dots and slashes": ("../" * OUTPUT_BYTES)[:OUTPUT_BYTES],
        "5 MB without a line break": ("error failed denied " * 300_000)[:LOG_BYTES],
    }


def median_ms(work: Callable[[], object], runs: int) -> float:
    """The median CPU time of ``work``, after one run that does not count."""
    work()
    taken = []
    for _ in range(runs):
        before = time.process_time()
        work()
        taken.append((time.process_time() - before) * 1000)
    return statistics.median(taken)


def patterns_of(catalogue: Catalogue) -> list[str]:
    signatures = [s.pattern for cause in catalogue.causes.values() for s in cause.signatures]
    return [f"(?im){p}" for p in (*signatures, *(noise.pattern for noise in catalogue.noise))]


def plain_loop(patterns: Sequence[re.Pattern[str]], text: str) -> tuple[float, bool]:
    """Milliseconds of one ``re.search`` for each pattern; true when estimated."""
    before = time.process_time()
    for number, pattern in enumerate(patterns, 1):
        pattern.search(text)
        taken = time.process_time() - before
        if taken > LOOP_SECONDS_MAX:
            return taken / number * len(patterns) * 1000, number < len(patterns)
    return (time.process_time() - before) * 1000, False


def main() -> int:
    parser = argparse.ArgumentParser(description="CPU time of classifying.")
    parser.add_argument("--runs", type=int, default=11)
    options = parser.parse_args()
    catalogue = load_files(DATA)
    patterns = patterns_of(catalogue)
    loop = [re.compile(pattern) for pattern in patterns]
    memory = re2.Options()
    memory.max_mem = SET_MEMORY_BYTES_MAX
    floor = re2.Set.SearchSet(memory)
    for pattern in patterns:
        floor.Add(pattern)
    floor.Compile()
    print(
        f"classifying with {len(patterns)} patterns of {len(catalogue.causes)} causes: CPU ms, "
        f"median of {options.runs}, Python {platform.python_version()}"
    )
    reason = "\nE: Could not get lock /var/lib/dpkg/lock-frontend\nfailed to run commands: exit 1"
    code = "\nSearch failed. Exception from HRESULT: 0x80240437"
    texts = {
        "24 KB output, lock at its end": text_of(OUTPUT_BYTES, reason),
        "24 KB output, no known cause": text_of(OUTPUT_BYTES, ""),
        "5 MB log, lock at its end": text_of(LOG_BYTES, reason),
        "5 MB Windows log, code at its end": text_of(LOG_BYTES, code),
        **{f"hostile: {name}": text for name, text in hostile_texts().items()},
    }
    print(f"{'text':40} {'classify':>9} {'MB/s':>6} {'floor':>8} {'re loop':>9}")
    for name, text in texts.items():
        evidence = Evidence(
            platform="windows" if "Windows" in name else "linux",
            document="AWS-RunPatchBaseline",
            status="Failed",
            stdout=text,
        )
        raw = text.encode()
        runs = options.runs if len(raw) < 1_000_000 else max(3, options.runs // 3)
        ours = median_ms(partial(classify, evidence, catalogue), runs)
        engine = median_ms(partial(floor.Match, raw), runs)
        plain, estimated = plain_loop(loop, text)
        speed = len(raw) / 1e6 / (ours / 1000)
        mark = "~" if estimated else " "
        print(f"{name:40} {ours:9.2f} {speed:6.1f} {engine:8.2f} {mark}{plain:8.0f}")
    show_preparation(catalogue, options.runs)
    return 0


def show_preparation(catalogue: Catalogue, runs: int) -> None:
    """What comes once before the first text."""
    with tempfile.TemporaryDirectory() as folder:
        compiled = Path(folder) / "catalogue.json"
        compiled.write_text(to_compiled(catalogue), encoding="utf-8")
        reading = median_ms(lambda: load_compiled(compiled), runs)
        both = median_ms(lambda: load_compiled(compiled).engine, runs)
    print(
        f"once: reading the compiled catalogue {reading:.1f} ms, "
        f"compiling its patterns {both - reading:.1f} ms"
    )


if __name__ == "__main__":
    sys.exit(main())
