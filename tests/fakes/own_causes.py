"""Own causes in memory: a place with files, and the record that hands them on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from patchmedic.errors import AwsError, AwsRejected
from patchmedic.ports import CauseFile, CauseFolder, OwnCausesRecord


class FakeCauseFiles:
    """``ports.CauseFiles`` over a dictionary; ``broken`` is raised by every call."""

    def __init__(self, files: Mapping[str, bytes] | None = None) -> None:
        self.files: dict[str, bytes] = dict(files or {})
        self.broken: AwsError | None = None
        self.complete = True
        self.reads: list[str] = []

    def list(self) -> CauseFolder:
        self._maybe_broken()
        files = [
            CauseFile(name, len(content), hashlib.sha256(content).hexdigest())
            for name, content in sorted(self.files.items())
            if name.endswith(".toml")
        ]
        return CauseFolder(tuple(files), self.complete)

    def read(self, name: str, bytes_max: int) -> bytes:
        self._maybe_broken()
        if name not in self.files:
            raise AwsRejected("GetObject", "NoSuchKey", "The specified key does not exist.")
        self.reads.append(name)
        return self.files[name][:bytes_max]

    def _maybe_broken(self) -> None:
        if self.broken is not None:
            raise self.broken


class MemoryOwnCauses:
    """``ports.OwnCausesStore`` in memory; ``broken`` is raised by every call."""

    def __init__(self) -> None:
        self.record: OwnCausesRecord | None = None
        self.broken: AwsError | None = None
        self.loads = 0
        self.saves = 0

    def stamp(self) -> str | None:
        self._maybe_broken()
        return self.record.stamp if self.record else None

    def load(self) -> OwnCausesRecord | None:
        self._maybe_broken()
        self.loads += 1
        return self.record

    def save(self, record: OwnCausesRecord) -> None:
        self._maybe_broken()
        self.saves += 1
        self.record = record

    def _maybe_broken(self) -> None:
        if self.broken is not None:
            raise self.broken
