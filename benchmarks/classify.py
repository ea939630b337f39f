"""What classifying costs: whole outputs of Run Command, whole logs, and text made to be slow.

    python benchmarks/classify.py [--runs N]

Each figure stands beside two others for the same text: the floor (one RE2 set of all patterns,
which says only which of them occur) and a plain loop of ``re.search`` over the same patterns, the
obvious way to do it.  Both are given a third of a second; past it, the time for the whole text is
estimated and marked ~.  Every figure is held to its target; the program ends with 1 on a miss.

Times are CPU times, so that waiting does not count.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import os
import platform
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import re2

from patchmedic.causes.catalogue import DATA, Catalogue, load_files, to_compiled
from patchmedic.causes.classifier import classify
from patchmedic.causes.literals import search_plan
from patchmedic.model import Evidence, Platform

ROOT = Path(__file__).resolve().parents[1]
OUTPUT_BYTES = 24_000
LOG_BYTES = 5_000_000
COMPARED_SECONDS_MAX = 0.3
SET_MEMORY_BYTES_MAX = 64 * 1024 * 1024
PART_BYTES = 100_000

OUTPUT_MS_MAX = 1.0
LOG_MB_PER_SECOND_MIN = 20.0
HOSTILE_RATIO_MAX = 3.0
"""Of the time for an ordinary text of the same size, in which nothing is found."""
WORST_RATIO_MAX = 10.0
"""The same for texts that only who has read the catalogue could write."""
START_MS_MAX = 30.0
START_MB_MAX = 10.0


# --- texts ---------------------------------------------------------------------------------------


def samples() -> list[dict[str, str | None]]:
    """How failures look, one for each way that the tests know."""
    files = sorted((ROOT / "tests" / "samples").glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]


PACKAGES = ("openssl-libs", "kernel", "systemd", "glibc", "curl", "python3", "tzdata", "libxml2")
_START = (
    "Using python binary: 'python3'",
    "Using Python Version: Python 3.9.16",
    "07/14/2026 02:13:01 root [INFO]: Downloading payload from https://s3.dualstack.eu-west-1"
    ".amazonaws.com/aws-ssm-eu-west-1/patchbaselineoperations/linux/payloads/"
    "patch-baseline-operations-1.132.tar.gz",
    "07/14/2026 02:13:02 root [INFO]: Attempting to import entrance file os_selector",
    "07/14/2026 02:13:03 root [INFO]: Running with snapshot id ="
    " 3f1c0000-1111-4222-8333-abcdef012345 and operation = Install",
)


def apt() -> Iterator[str]:
    """What apt prints when all is well, without end."""
    yield from _START
    for number in itertools.count():
        name = PACKAGES[number % len(PACKAGES)]
        version = f"{number % 9}.{number % 7}.{number}-1ubuntu{number % 5}"
        yield (
            f"Get:{number} http://archive.ubuntu.com/ubuntu jammy-updates/main amd64 {name} amd64"
            f" {version} [{number * 37 % 4000} kB]"
        )
        yield f"Preparing to unpack .../{number:03}-{name}_{version}_amd64.deb ..."
        yield f"Unpacking {name}:amd64 ({version}) over ({version}.1) ..."
        yield f"Setting up {name}:amd64 ({version}) ..."
        yield f"Processing triggers for libc-bin (2.35-0ubuntu3.{number}) ..."


def dnf() -> Iterator[str]:
    """What dnf prints when all is well, without end."""
    yield from _START
    yield "Last metadata expiration check: 0:12:31 ago on Tue Jul 14 02:01:32 2026."
    for number in itertools.count(1):
        name = PACKAGES[number % len(PACKAGES)]
        version = f"{number % 9}.{number % 7}.{number}-{number % 30}.el9"
        yield f"({number}/900): {name}-{version}.x86_64.rpm   {number % 90}.1 MB/s | {number} kB"
        yield f"  Upgrading        : {name}-1:{version}.x86_64          {number}/1800"
        yield f"  Running scriptlet: {name}-1:{version}.x86_64          {number}/1800"
        yield f"  Cleanup          : {name}-1:{version}.x86_64          {number}/1800"
        yield f"07/14/2026 02:{number % 60:02}:03 root [INFO]: Package {name} is compliant."


def windows() -> Iterator[str]:
    """What a patch run on Windows prints when all is well, without end."""
    yield "Patch Summary for\r"
    yield "PatchGroup          : \r"
    for number in itertools.count():
        yield f"07/14/2026 02:{number % 60:02}:11 UTC | Info | Searching for Windows Updates...\r"
        yield (
            f"2026-07-14 02:{number % 60:02}:12, Info  CBS  Appl: detect Parent, Package: "
            f"Package_for_KB50{number:05}~31bf3856ad364e35~amd64~~19041.{number}.6, Parent: Core\r"
        )
        yield f"KbNumber: KB50{number:05}  Installed: True  Classification: SecurityUpdates\r"
        yield f"Installation of update {number} of 900 succeeded with result code 2.\r"


def text_of(lines: Iterator[str], size: int, tail: str = "") -> str:
    """As many of the lines as fit into a text of ``size`` bytes, with ``tail`` at its end."""
    made: list[str] = []
    length = len(tail.encode())
    for line in lines:
        length += len(line.encode()) + 1
        if length > size:
            break
        made.append(line)
    return "\n".join([*made, tail])


def ordinary_outputs() -> list[Evidence]:
    """One output for each sample: a long run that ends as the sample does."""
    made = []
    for number, sample in enumerate(samples()):
        lines = windows() if sample["platform"] == "windows" else (apt, dnf)[number % 2]()
        room = max(0, OUTPUT_BYTES - len((sample["stderr"] or "").encode()))
        stdout = text_of(lines, room, sample["stdout"] or "")
        made.append(evidence(stdout, sample["stderr"] or "", known(sample["platform"])))
    return made


def known(name: str | None) -> Platform | None:
    return {"linux": "linux", "windows": "windows", "macos": "macos"}.get(name or "")  # type: ignore[return-value]


def failing_lines() -> Iterator[str]:
    """Lines of all samples in any order, each with a time, without end: everything fails."""
    lines = [
        line
        for sample in samples()
        for stream in ("stdout", "stderr")
        for line in (sample[stream] or "").splitlines()
        if line.strip()
    ]
    order = random.Random(1)
    for number in itertools.count():
        yield f"2026-07-14 02:13:{number % 60:02} [{number}] {order.choice(lines)}"


def noise_lines() -> Iterator[str]:
    """Lines that look wrong and are not, without end."""
    lines = [
        line
        for sample in samples()
        if sample["label"] == "benign"
        for line in (sample["stdout"] or "").splitlines()
    ]
    for number in itertools.count():
        yield f"{lines[number % len(lines)]} {number}"


def texts_of_patterns(catalogue: Catalogue, *, halves: bool) -> list[str]:
    """Of each way in which a pattern can match a text at which the search stops; ``halves``: only
    where the match goes on after a gap with something else, which is not there."""
    plans = [
        search_plan(each.pattern, each.literals)
        for cause in catalogue.causes.values()
        for each in cause.signatures
    ]
    return [groups[0][0] for plan in plans for groups, _ in plan if groups[1:] or not halves]


def mixed(texts: Sequence[str]) -> Iterator[str]:
    """Lines of the texts in any order, without end."""
    order = random.Random(2)
    while True:
        yield " ".join(order.choices(texts, k=6))


def silenced_failures(catalogue: Catalogue) -> Iterator[str]:
    """Lines with named noise and a failure that it silences, without end."""
    noise = [literal for each in catalogue.noise for literal in each.literals]
    for number in itertools.count():
        yield f"{noise[number % len(noise)]} No space left on device {number}"


UNITS = {
    "one letter": "a",
    "Error: ": "Error: ",
    "spaces": " ",
    "0x8": "0x8",
    "result codes": "0x80070005 ",
    "line breaks": "\n",
    "carriage returns": "\r",
    "escape characters": "\x1b",
    "colours": "\x1b[0m",
    "open escapes": "\x1b]0;",
    "backspaces": "ab\b",
    "NULs": "a\0",
    "failed to": "failed to ",
    "not enough": "not enough ",
    "dots and slashes": "../",
    "digits": "2149842967",
    "escaped line breaks": "\\n",
    "Japanese": "更新プログラムの",
    "invalid bytes": "\ufffd",
    "one failure, many lines": "E: Could not get lock /var/lib/dpkg/lock\n",
    "one attempt, many lines": "Trying other mirror.\n",
    "long lines that nearly match": "Error: could not get lock /var/lib/" + "a" * 900 + "\n",
}


def hostile_texts(catalogue: Catalogue, size: int) -> dict[str, str]:
    """Texts that make careless patterns or careless line handling slow."""
    texts = {name: unit * (size // len(unit.encode()) + 1) for name, unit in UNITS.items()}
    halves = text_of(mixed(texts_of_patterns(catalogue, halves=True)), size)
    texts |= {
        "noise": text_of(noise_lines(), size),
        "half matches": halves,
        "half matches, one line": halves.replace("\n", " "),
    }
    return {name: text.encode()[:size].decode("utf-8", "ignore") for name, text in texts.items()}


def worst_texts(catalogue: Catalogue, size: int) -> dict[str, str]:
    """Texts made of the catalogue itself, in which nearly every pattern must be tried."""
    everything = text_of(mixed(texts_of_patterns(catalogue, halves=False)), size)
    return {
        "every pattern": everything,
        "every pattern, one line": everything.replace("\n", " "),
        "every failure": text_of(failing_lines(), size),
        "every failure, one line": text_of(failing_lines(), size).replace("\n", " "),
        "silenced failures": text_of(silenced_failures(catalogue), size),
    }


def evidence(stdout: str, stderr: str = "", system: Platform | None = None) -> Evidence:
    document = "AWS-RunPatchBaseline"
    return Evidence(
        platform=system, document=document, status="Failed", stdout=stdout, stderr=stderr
    )


# --- measuring -----------------------------------------------------------------------------------


def median_ms(work: Callable[[], object], runs: int) -> float:
    """The median CPU time of ``work``, after one run that does not count."""
    work()
    taken = []
    for _ in range(runs):
        before = time.process_time()
        work()
        taken.append((time.process_time() - before) * 1000)
    return statistics.median(taken)


@dataclass(frozen=True)
class Rivals:
    """Two other ways to find out which patterns occur."""

    floor: re2.Set
    loop: Sequence[re.Pattern[str]]

    def floor_ms(self, text: str) -> tuple[float, bool]:
        """One match of the set with each part of the text; true when estimated from the first."""
        raw = text.encode()
        parts = [raw[at : at + PART_BYTES] for at in range(0, len(raw), PART_BYTES)]
        self.floor.Match(parts[0])
        return timed(self.floor.Match, parts)

    def loop_ms(self, text: str) -> tuple[float, bool]:
        """One search for each pattern, in the first part of the text; true when estimated."""
        part = text[:OUTPUT_BYTES]
        taken, estimated = timed(lambda pattern: pattern.search(part), self.loop)
        return taken * len(text) / len(part), estimated or len(part) < len(text)


def timed(work: Callable[[Any], object], things: Sequence[Any]) -> tuple[float, bool]:
    """Milliseconds for all the things; true when estimated, because some took too long already."""
    before = time.process_time()
    for done, thing in enumerate(things, 1):
        work(thing)
        taken = time.process_time() - before
        if taken > COMPARED_SECONDS_MAX:
            return taken * 1000 * len(things) / done, done < len(things)
    return (time.process_time() - before) * 1000, False


def patterns_of(catalogue: Catalogue) -> list[str]:
    signatures = [s.pattern for cause in catalogue.causes.values() for s in cause.signatures]
    return [f"(?im){p}" for p in (*signatures, *(noise.pattern for noise in catalogue.noise))]


def rivals(catalogue: Catalogue) -> Rivals:
    patterns = patterns_of(catalogue)
    return Rivals(compiled_set(patterns), [re.compile(pattern) for pattern in patterns])


def compiled_set(patterns: Sequence[str]) -> re2.Set:
    options = re2.Options()
    options.max_mem = SET_MEMORY_BYTES_MAX
    options.never_capture = True
    made = re2.Set.SearchSet(options)
    for pattern in patterns:
        made.Add(pattern)
    made.Compile()
    return made


class Table:
    """Prints the rows, and remembers which of them missed their target."""

    def __init__(self) -> None:
        self.missed: list[str] = []
        print(f"{'text':34} {'classify':>9} {'MB/s':>6} {'RE2 set':>9} {'re loop':>10}  target")

    def row(
        self,
        name: str,
        size: int,
        ms: float,
        compared: tuple[tuple[float, bool], ...],
        said: str,
        met: bool,
    ) -> None:
        others = "".join(
            f" {'~' if estimated else ' '}{each:>{width},.{1 if each < 100 else 0}f}"
            for (each, estimated), width in zip(compared, (8, 9), strict=True)
        )
        speed = size / 1e6 / (ms / 1000)
        print(f"{name:34} {ms:9.2f} {speed:6.0f}{others}  {said} {'ok' if met else 'MISSED'}")
        if not met:
            self.missed.append(name)


def measure_outputs(catalogue: Catalogue, other: Rivals, runs: int, table: Table) -> None:
    """The outputs that Run Command returns, each with another reason at its end."""
    outputs = ordinary_outputs()
    taken = sorted(median_ms(partial(classify, each, catalogue), runs) for each in outputs)
    middle = outputs[len(outputs) // 2].stdout
    median = statistics.median(taken)
    table.row(
        f"{len(outputs)} outputs of 24 KB, median",
        OUTPUT_BYTES,
        median,
        (other.floor_ms(middle), other.loop_ms(middle)),
        f"<= {OUTPUT_MS_MAX} ms",
        median <= OUTPUT_MS_MAX,
    )
    print(f"    slowest {taken[-1]:.2f} ms, fastest {taken[0]:.2f} ms")


def measure_logs(catalogue: Catalogue, other: Rivals, runs: int, table: Table) -> None:
    """Whole logs."""
    reason = "E: Could not get lock /var/lib/dpkg/lock-frontend\nfailed to run commands: exit 1"
    logs = {
        "apt": (text_of(apt(), LOG_BYTES, reason), "linux"),
        "dnf": (text_of(dnf(), LOG_BYTES, reason), "linux"),
        "Windows": (text_of(windows(), LOG_BYTES, "0x80072EE2"), "windows"),
        "every failure": (text_of(failing_lines(), LOG_BYTES, reason), None),
    }
    for name, (text, system) in logs.items():
        ms = median_ms(partial(classify, evidence(text, "", known(system)), catalogue), runs)
        table.row(
            f"5 MB log, {name}",
            LOG_BYTES,
            ms,
            (other.floor_ms(text), other.loop_ms(text)),
            f">= {LOG_MB_PER_SECOND_MIN:.0f} MB/s",
            LOG_BYTES / 1e3 / ms >= LOG_MB_PER_SECOND_MIN,
        )


def measure_hostile(
    catalogue: Catalogue, other: Rivals, size: int, runs: int, table: Table
) -> None:
    """Hostile texts, held to what an ordinary text of their size costs."""
    ordinary = statistics.median(
        median_ms(partial(classify, evidence(text_of(lines, size)), catalogue), runs)
        for lines in (apt(), dnf(), windows())
    )
    for texts, ratio_max in (
        (hostile_texts(catalogue, size), HOSTILE_RATIO_MAX),
        (worst_texts(catalogue, size), WORST_RATIO_MAX),
    ):
        for name, text in texts.items():
            ms = median_ms(partial(classify, evidence(text), catalogue), runs)
            table.row(
                f"{size_name(size)}: {name}",
                size,
                ms,
                (other.floor_ms(text), other.loop_ms(text)),
                f"<= {ratio_max:2.0f} x ordinary: {ms / ordinary:.1f}",
                ms <= ratio_max * ordinary,
            )


def size_name(size: int) -> str:
    return f"{size // 1_000_000} MB" if size >= 1_000_000 else f"{size // 1_000} KB"


START = """
import gc, json, os, pathlib, re, sys, time
import msgspec
from patchmedic.causes import classifier
from patchmedic.causes.catalogue import load_compiled
from patchmedic.model import Evidence

def resident():
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

output = sys.stdin.read()
gc.collect()
marks, memory = [time.process_time()], [resident()]
def mark():
    marks.append(time.process_time())
    memory.append(resident())

catalogue = load_compiled(pathlib.Path(sys.argv[1]))
mark()
import re2
mark()
catalogue.engine
mark()
classifier.classify(Evidence(stdout=output, status="Failed"), catalogue)
mark()
print(json.dumps([marks, memory]))
"""


def measure_start(catalogue: Catalogue, runs: int) -> list[str]:
    """What a function's start pays before its first text, and that first text, in new processes."""
    output = text_of(dnf(), OUTPUT_BYTES, "OSError: [Errno 28] No space left on device")
    steps: list[list[float]] = []
    memory: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        compiled = Path(folder) / "catalogue.json"
        compiled.write_text(to_compiled(catalogue), encoding="utf-8")
        for _ in range(runs):
            program = [sys.executable, "-c", START, str(compiled)]
            environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
            done = subprocess.run(
                program, input=output, capture_output=True, text=True, check=True, env=environ
            )
            marks, resident = json.loads(done.stdout)
            steps.append([(b - a) * 1000 for a, b in itertools.pairwise(marks)])
            memory.append((resident[3] - resident[0]) / 1e6)
    load, engine, search, first = (statistics.median(step) for step in zip(*steps, strict=True))
    start, size = load + engine + search, statistics.median(memory)
    print(
        f"start: catalogue {load:.1f} + RE2 {engine:.1f} + search {search:.1f} = {start:.1f} ms"
        f" (target {START_MS_MAX:.0f}), {size:.1f} MB (target {START_MB_MAX:.0f});"
        f" then the first output {first:.1f} ms"
    )
    missed = ["start, ms"] if start > START_MS_MAX else []
    return missed + (["start, MB"] if size > START_MB_MAX else [])


def show_floor_start(catalogue: Catalogue) -> None:
    """The same for a set of all patterns, which is the alternative."""
    patterns = patterns_of(catalogue)
    before = time.process_time()
    floor = compiled_set(patterns)
    made = time.process_time()
    floor.Match(text_of(dnf(), OUTPUT_BYTES).encode())
    first = time.process_time()
    print(
        f"RE2 set: {(made - before) * 1000:.1f} ms to compile it,"
        f" {(first - made) * 1000:.1f} ms for the first output"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="CPU time of classifying.")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    runs = options.runs
    catalogue = load_files(DATA)
    other = rivals(catalogue)
    print(
        f"classifying with {len(other.loop)} patterns of {len(catalogue.causes)} causes: CPU ms, "
        f"median of {runs}, Python {platform.python_version()}"
    )
    missed = measure_start(catalogue, runs)
    show_floor_start(catalogue)
    gc.freeze()
    table = Table()
    measure_outputs(catalogue, other, runs, table)
    measure_logs(catalogue, other, runs, table)
    for size in (OUTPUT_BYTES, LOG_BYTES):
        measure_hostile(catalogue, other, size, runs if size < 1_000_000 else 3, table)
    missed += table.missed
    print(f"missed: {'; '.join(missed)}" if missed else "all targets met")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
