"""Runs in each Lambda worker before its layers are put on the path.

Why: the layer carries wheels compiled for the Lambda runtime's Python, the worker runs on this
machine's.  Packages with compiled code come from this environment, wherever else they lie.
"""

from __future__ import annotations

import importlib.machinery
import os
import sys
import sysconfig
from collections.abc import Sequence
from types import ModuleType


class _FromThisEnvironment:
    """Finds the listed top-level packages in this environment, before any layer is asked."""

    def __init__(self, names: frozenset[str], folder: str) -> None:
        self._names = names
        self._folder = folder

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if path is None and name in self._names:
            return importlib.machinery.PathFinder.find_spec(name, [self._folder])
        return None


_names = frozenset(os.environ.get("PATCHMEDIC_LOCAL_COMPILED", "").split(","))
sys.meta_path.insert(0, _FromThisEnvironment(_names, sysconfig.get_path("platlib")))
