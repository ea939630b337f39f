"""How often the classifier is right, on any file of labelled failures.

    python benchmarks/accuracy.py [--json] [--min-top1 0.97] [FILE.jsonl ...]

A file holds one failure a line: what ``patchmedic classify --jsonl`` reads, and beside it
``label``, the cause that an expert names, and ``also``, other answers that one would accept.
Without a file, the project's own samples are taken: those show that nothing got worse; what the
classifier is worth is shown by failures that nobody wrote a pattern for.

Here: reading the file, counting, and the tables.  Not here: how a cause is found
(``patchmedic.causes``).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from patchmedic.causes.catalogue import BENIGN, UNKNOWN, Catalogue, load_catalogue
from patchmedic.causes.records import classify_record

SAMPLES = Path(__file__).resolve().parents[1] / "tests" / "samples"
TOP = 3


class CorpusError(ValueError):
    """The file is no file of labelled failures; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Case:
    """One labelled failure and what the classifier said of it."""

    id: str
    platform: str
    label: str
    also: tuple[str, ...]
    answer: str
    candidates: tuple[str, ...]
    confidence: float
    remedy: str | None
    line: str
    """The first line that the answer rests on."""

    @property
    def accepted(self) -> tuple[str, ...]:
        return (self.label, *self.also)

    @property
    def right(self) -> bool:
        return self.answer in self.accepted

    @property
    def among_top(self) -> bool:
        return self.right or any(each in self.accepted for each in self.candidates[:TOP])

    @property
    def false_alarm(self) -> bool:
        """Nothing failed, and the classifier names a failure."""
        return self.label == BENIGN and not self.right and self.answer != UNKNOWN

    @property
    def overlooked(self) -> bool:
        """Something failed, and the classifier says that nothing did."""
        return self.answer == BENIGN and not self.right

    @property
    def acts_wrongly(self) -> bool:
        """A wrong answer on which a remedy would be proposed."""
        return self.remedy is not None and not self.right


def read_cases(path: Path, catalogue: Catalogue) -> list[Case]:
    """All failures of a file, classified; ``CorpusError`` names a line that is none."""
    cases = []
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                cases.append(_case(f"{path.name}:{number}", line, catalogue))
    return cases


def _case(where: str, line: str, catalogue: Catalogue) -> Case:
    try:
        record = json.loads(line)
    except ValueError as problem:
        raise CorpusError(f"{where}: is not JSON: {problem}") from problem
    if not isinstance(record, dict):
        raise CorpusError(f"{where}: is a JSON {type(record).__name__}, expected an object")
    label, also = record.get("label"), record.get("also") or []
    for cause in [label, *also]:
        if cause not in catalogue.causes:
            raise CorpusError(f"{where}: label or also: {cause!r} is not a cause")
    found = classify_record(line, catalogue)
    if "error" in found:
        raise CorpusError(f"{where}: {found['error']}")
    evidence = found["evidence"]
    return Case(
        id=str(found["id"]),
        platform=record.get("platform") or "unknown",
        label=str(label),
        also=tuple(also),
        answer=found["cause"],
        candidates=tuple(found["candidates"]),
        confidence=found["confidence"],
        remedy=found["remedy"],
        line=evidence[0]["text"] if evidence else "",
    )


@dataclass(frozen=True, slots=True)
class Score:
    """How many of some cases were right."""

    cases: int
    top1: int
    exact: int
    """The label itself, not one of ``also``."""
    top3: int

    @property
    def share(self) -> float:
        return self.top1 / self.cases if self.cases else 0.0


def score(cases: Iterable[Case]) -> Score:
    """The counts over ``cases``."""
    found = list(cases)
    return Score(
        len(found),
        sum(case.right for case in found),
        sum(case.answer == case.label for case in found),
        sum(case.among_top for case in found),
    )


def score_by(cases: Sequence[Case], key: Callable[[Case], str]) -> dict[str, Score]:
    """The counts of each group of cases, by the group's name."""
    groups: dict[str, list[Case]] = {}
    for case in cases:
        groups.setdefault(key(case), []).append(case)
    return {name: score(groups[name]) for name in sorted(groups)}


def confusion(cases: Iterable[Case]) -> dict[str, Counter[str]]:
    """label -> how often each answer was given for it."""
    table: dict[str, Counter[str]] = {}
    for case in cases:
        table.setdefault(case.label, Counter())[case.answer] += 1
    return dict(sorted(table.items()))


def report(cases: Sequence[Case]) -> dict[str, Any]:
    """Everything that the tables say, as plain data."""
    return {
        "all": asdict(score(cases)),
        "platforms": {k: asdict(v) for k, v in score_by(cases, lambda c: c.platform).items()},
        "causes": {k: asdict(v) for k, v in score_by(cases, lambda c: c.label).items()},
        "confusion": {label: dict(row) for label, row in confusion(cases).items()},
        "wrong": [asdict(case) for case in cases if not case.right],
        "false_alarms": [case.id for case in cases if case.false_alarm],
        "overlooked": [case.id for case in cases if case.overlooked],
        "wrong_with_remedy": [case.id for case in cases if case.acts_wrongly],
    }


def _percent(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "-"


def _scores_table(title: str, scores: Mapping[str, Score], confused: Mapping[str, str]) -> Table:
    table = Table(title=title, box=box.SIMPLE, title_justify="left")
    table.add_column(title.split()[-1])
    for heading in ("cases", "top-1", "exact", f"top-{TOP}"):
        table.add_column(heading, justify="right")
    if confused:
        table.add_column("taken for")
    for name, each in scores.items():
        row = [name, str(each.cases), _percent(each.top1, each.cases)]
        row += [_percent(each.exact, each.cases), _percent(each.top3, each.cases)]
        table.add_row(*row, *([confused.get(name, "")] if confused else []))
    return table


def _wrong_table(cases: Sequence[Case]) -> Table:
    table = Table(title="Wrong answers", box=box.SIMPLE, title_justify="left")
    for heading in ("id", "expected", "answer", "remedy", "line it rests on"):
        table.add_column(heading, overflow="fold")
    for case in cases:
        said = f"{case.answer} {case.confidence:.2f}"
        table.add_row(
            *(Text(cell) for cell in (case.id, " | ".join(case.accepted), said)),
            Text(case.remedy or ""),
            Text(case.line[:160]),
        )
    return table


def show(cases: Sequence[Case], console: Console) -> None:
    """Print the tables."""
    table = confusion(cases)
    taken = {
        label: ", ".join(
            f"{answer} {count}" for answer, count in row.most_common() if answer != label
        )
        for label, row in table.items()
    }
    console.print(_scores_table("By platform", score_by(cases, lambda c: c.platform), {}))
    console.print(_scores_table("By cause", score_by(cases, lambda c: c.label), taken))
    wrong = [case for case in cases if not case.right]
    if wrong:
        console.print(_wrong_table(wrong))
    total = score(cases)
    console.print(
        f"{total.cases} cases: top-1 {_percent(total.top1, total.cases)}"
        f" (the label itself {_percent(total.exact, total.cases)}),"
        f" top-{TOP} {_percent(total.top3, total.cases)}"
    )
    for said, ids in (
        ("taken for a failure though nothing failed", [c.id for c in cases if c.false_alarm]),
        ("taken for harmless though something failed", [c.id for c in cases if c.overlooked]),
        ("wrong, with a remedy", [c.id for c in cases if c.acts_wrongly]),
    ):
        console.print(f"{said}: {len(ids)}" + (f" ({', '.join(ids)})" if ids else ""))


def main(arguments: Sequence[str]) -> int:
    """Read, count and print; 1 where ``--min-top1`` is not reached, 2 where a file is wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE.jsonl")
    parser.add_argument("--json", action="store_true", help="plain data instead of tables")
    parser.add_argument("--min-top1", type=float, default=0.0, metavar="SHARE")
    options = parser.parse_args(arguments)
    catalogue = load_catalogue()
    try:
        files = options.files or sorted(SAMPLES.glob("*.jsonl"))
        cases = [case for path in files for case in read_cases(path, catalogue)]
    except (CorpusError, OSError, UnicodeDecodeError) as problem:
        print(f"accuracy: {problem}", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps(report(cases), ensure_ascii=False, indent=1))
    else:
        plain = Console(highlight=False)
        show(cases, plain if plain.is_terminal else Console(highlight=False, width=140))
    return 0 if score(cases).share >= options.min_top1 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
