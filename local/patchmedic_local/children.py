"""Leaving no process behind: the Lambda workers, and whatever else this process started.

Not here: containers; the local cloud starts none.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from patchmedic_local.hooks import pinned

_GRACE_SECONDS = 1.0


def stop_all() -> None:
    """End MiniStack's Lambda workers by its own means, then every child that is left."""
    runtime = pinned.require("ministack.core.lambda_runtime", "_workers", "_lock", "kill_workers")
    with runtime._lock:
        pools = list(runtime._workers.values())
        runtime._workers.clear()
    workers = [worker for pool in pools for worker in (pool if isinstance(pool, list) else [pool])]
    runtime.kill_workers(workers)
    _end(_children(os.getpid()))


def _end(pids: list[int]) -> None:
    for pid in pids:
        _signal(pid, signal.SIGTERM)
    deadline = time.monotonic() + _GRACE_SECONDS
    while pids and time.monotonic() < deadline:
        pids = [pid for pid in pids if _alive(pid)]
        time.sleep(0.02)
    for pid in pids:
        _signal(pid, signal.SIGKILL)


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _alive(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG) == (0, 0)
    except ChildProcessError:
        return Path(f"/proc/{pid}").exists()


def _children(parent: int) -> list[int]:
    """All descendants, where /proc tells (Linux); elsewhere MiniStack's own list has to do."""
    found: list[int] = []
    for task in Path(f"/proc/{parent}/task").glob("*/children"):
        try:
            pids = [int(word) for word in task.read_text().split()]
        except OSError:
            continue  # the thread ended meanwhile
        for pid in pids:
            found += [*_children(pid), pid]
    return found
