"""The command as a person runs it: Ctrl-C leaves nothing running."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMMAND = Path(sys.executable).with_name("patchmedic")


def _processes_of(session: int) -> list[str]:
    """The command lines of all live processes in a session, and in those that it started."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            environ = (folder / "environ").read_bytes()
        except OSError:
            continue
        ours = int(fields[3]) == session or f"PATCHMEDIC_TEST={session}".encode() in environ
        if ours and fields[0] != "Z":
            found.append(line)
    return found


def _press_ctrl_c(process: subprocess.Popen[bytes]) -> None:
    """Once, and again if nothing comes of it: Python loses an interrupt inside a finalizer."""
    for _ in range(3):
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
            return
    raise AssertionError("the command ignores Ctrl-C")


@pytest.mark.parametrize("busy_with", ["patchmedic_local serve", "sam deploy"])
def test_ctrl_c_leaves_nothing_running(busy_with: str) -> None:
    """The interrupt goes to the command alone: it has to end what it started by itself."""
    token = str(os.getpid())
    process = subprocess.Popen(
        [COMMAND, "demo"],
        cwd=ROOT,
        env={**os.environ, "PATCHMEDIC_TEST": token},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    until = time.monotonic() + 60
    while not any(busy_with in line for line in _processes_of(int(token))):
        assert time.monotonic() < until, f"{busy_with} never ran"
        time.sleep(0.1)
    _press_ctrl_c(process)
    assert process.returncode != 0
    until = time.monotonic() + 5
    while (left := _processes_of(int(token))) and time.monotonic() < until:
        time.sleep(0.2)
    assert [line for line in left if "pytest" not in line] == []
