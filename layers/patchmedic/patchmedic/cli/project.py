"""Where the checkout is, and the environments and tools that live in it.

The local cloud needs the checkout (template, scenarios, the environments that ``make envs``
makes); ``classify``, ``causes`` and ``incidents`` do not.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import click

HOME_VARIABLE = "PATCHMEDIC_HOME"


@dataclass(frozen=True, slots=True)
class Project:
    """A checkout of PatchMedic."""

    root: Path

    @property
    def sam(self) -> Path:
        return self._tool("sam", "bin/sam")

    @property
    def local_python(self) -> Path:
        return self._tool("local", "bin/python")

    def state_of(self, use: str) -> Path:
        """Where one use of the local cloud keeps its log, messages and settings.

        Each has a folder of its own, so that a demo does not disturb a cloud that is kept running.
        """
        return self.root / ".patchmedic" / use

    def _tool(self, environment: str, name: str) -> Path:
        path = self.root / ".envs" / environment / name
        if not path.exists():
            raise click.ClickException(
                f"the environment {environment!r} is not made yet: run `make envs` in {self.root}"
            )
        return path


def find_project() -> Project:
    """The checkout around the current folder, or the one that ``PATCHMEDIC_HOME`` names."""
    named = os.environ.get(HOME_VARIABLE)
    candidates = [Path(named)] if named else [Path.cwd(), *Path.cwd().parents]
    for folder in candidates:
        if (folder / "template.yaml").is_file() and (folder / "local").is_dir():
            return Project(folder.resolve())
    raise click.ClickException(
        "the local cloud needs a checkout of PatchMedic: run this inside one, "
        f"or set {HOME_VARIABLE} to its folder"
    )
