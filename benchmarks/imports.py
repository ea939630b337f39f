"""What a function's cold start costs beside boto3 alone, as CPU time of whole processes.

For each function two processes, turn by turn, so that a busy machine slows both alike: one imports
boto3 and makes the clients that the function uses; the other imports the function's ``app.py``,
does what its first call does (settings, catalogue, remedies, policy, logger, metrics) and makes the
same clients.  Ends with exit code 1 when a function costs more than ``RATIO_MAX`` of its baseline.

    python benchmarks/imports.py [--runs N] [--function NAME] [--shutdown] [--no-bytecode]

Both end without the interpreter's shutdown, as Lambda's processes do; ``--shutdown`` counts it in.

The library is measured as the layer has it: without the command, with the compiled catalogue.
Packages and library have bytecode; ``--no-bytecode`` leaves the library without, as the layer
does: there, every cold start compiles it anew.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RATIO_MAX = 1.15
CLIENTS: Mapping[str, tuple[str, ...]] = {
    "approve": ("dynamodb", "sqs"),
    "classify": ("dynamodb", "sqs", "ssm"),
    "collect": ("dynamodb", "sqs", "ssm"),
    "diagnose": ("dynamodb", "ec2", "iam", "sqs", "ssm"),
    "notify": ("dynamodb", "events", "sns", "sqs"),
    "remediate": ("dynamodb", "ec2", "sqs", "ssm"),
    "sweep": ("dynamodb", "sqs", "ssm"),
    "watch": ("dynamodb", "ec2", "events", "ssm"),
}
"""The services that each function's role lets it call (tests/unit/test_template.py compares)."""

END = "\nimport os\nos._exit(0)\n"
BOTO3_IMPORT = "import boto3"
BOTO3_CLIENTS = """
import sys
import boto3
for service in sys.argv[1:]:
    boto3.client(service)
"""
APP_IMPORT = "import app"
APP_FIRST_CALL = """
import sys
import app
app._telemetry()
service = app._service()
assert service.context.policy.plans
for name in sys.argv[1:]:
    assert service.clients.get(name).meta
"""
ENVIRONMENT = {
    "AWS_REGION": "ap-northeast-1",
    "AWS_DEFAULT_REGION": "ap-northeast-1",
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "PREFIX": "patchmedic",
    "TABLE_NAME": "patchmedic",
    "OPT_IN_TAG_KEY": "PatchMedic",
    "OPT_IN_TAG_VALUE": "true",
    "PYTHONDONTWRITEBYTECODE": "1",
}


@dataclass(frozen=True)
class Program:
    """One kind of process to measure."""

    code: str
    arguments: tuple[str, ...]
    path: tuple[Path, ...]


@dataclass(frozen=True)
class Row:
    """One function's medians, in milliseconds."""

    function: str
    import_boto3: float
    import_app: float
    boto3: float
    first_call: float

    @property
    def ratio(self) -> float:
        return self.first_call / self.boto3


def make_layer(folder: Path, *, bytecode: bool) -> None:
    """The library as the layer's build leaves it, for the Python that measures."""
    package = folder / "patchmedic"
    ignored = shutil.ignore_patterns("cli", "__pycache__", "catalogue.json")
    shutil.copytree(ROOT / "layers" / "patchmedic" / "patchmedic", package, ignore=ignored)
    compiled = str(package / "causes" / "catalogue.json")
    _python("-m", "patchmedic.causes.compile", compiled, path=folder)
    if bytecode:
        _python("-m", "compileall", "-q", str(folder), path=folder)


def _python(*arguments: str, path: Path) -> None:
    environ = {**os.environ, "PYTHONPATH": str(path)}
    subprocess.run([sys.executable, *arguments], env=environ, check=True, capture_output=True)


def cpu_ms(program: Program) -> float:
    """User and system time of one process from its start to its end."""
    path = os.pathsep.join(map(str, program.path))
    arguments = [sys.executable, "-c", program.code, *program.arguments]
    child = os.posix_spawn(sys.executable, arguments, {**ENVIRONMENT, "PYTHONPATH": path})
    _, status, used = os.wait4(child, 0)
    if status != 0:
        raise SystemExit(f"this program failed: {program.code} {program.arguments}")
    return (used.ru_utime + used.ru_stime) * 1000


def measure(function: str, layer: Path, runs: int, end: str) -> Row:
    """The medians of one function; the first run of each program only warms the file cache."""
    clients = CLIENTS[function]
    own = (ROOT / "functions" / function, layer)
    programs = (
        Program(BOTO3_IMPORT + end, (), ()),
        Program(APP_IMPORT + end, (), own),
        Program(BOTO3_CLIENTS + end, clients, ()),
        Program(APP_FIRST_CALL + end, clients, own),
    )
    samples: list[list[float]] = [[] for _ in programs]
    for run in range(runs + 1):
        for sample, program in zip(samples, programs, strict=True):
            taken = cpu_ms(program)
            if run:
                sample.append(taken)
    return Row(function, *(statistics.median(sample) for sample in samples))


def show(rows: Sequence[Row]) -> None:
    print(f"{'':10} {'import alone, ms':>20}   {'with first call, ms':>20}")
    print(f"{'function':10} {'boto3':>9} {'app':>10}   {'boto3':>9} {'app':>10}   ratio  clients")
    for row in rows:
        print(
            f"{row.function:10} {row.import_boto3:9.0f} {row.import_app:10.0f}"
            f"   {row.boto3:9.0f} {row.first_call:10.0f}   {row.ratio:5.2f}"
            f"  {' '.join(CLIENTS[row.function])}"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description="CPU time of each function's cold start.")
    parser.add_argument("--runs", type=int, default=11)
    parser.add_argument("--function", choices=sorted(CLIENTS), action="append")
    parser.add_argument("--shutdown", action="store_true", help="count the processes' end in")
    parser.add_argument("--no-bytecode", action="store_true", help="for the library")
    options = parser.parse_args()
    print(
        f"cold starts: CPU ms of whole processes, median of {options.runs}, Python "
        f"{platform.python_version()}, library {'without' if options.no_bytecode else 'with'} "
        f"bytecode, {'with' if options.shutdown else 'without'} shutdown"
    )
    with tempfile.TemporaryDirectory() as folder:
        layer = Path(folder)
        make_layer(layer, bytecode=not options.no_bytecode)
        end = "" if options.shutdown else END
        functions = options.function or sorted(CLIENTS)
        rows = [measure(function, layer, options.runs, end) for function in functions]
    show(rows)
    late = [row.function for row in rows if row.ratio > RATIO_MAX]
    if late and not options.no_bytecode:
        print(f"over {RATIO_MAX}: {', '.join(late)}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
