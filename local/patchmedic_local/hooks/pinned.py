"""The one rule of every hook: what it replaces must be there, in the version it was written for.

Not here: any change of behaviour.  An upgrade of MiniStack fails at start with the name of the
hook to look at, and never by a hook that silently no longer bites.
"""

from __future__ import annotations

import importlib
from importlib.metadata import version
from typing import Any

MINISTACK_VERSION = "1.5.33"


class HookMismatch(RuntimeError):
    """MiniStack is not what the hooks were written for."""


def require_version() -> None:
    """Refuse any other MiniStack than the pinned one."""
    found = version("ministack")
    if found != MINISTACK_VERSION:
        raise HookMismatch(
            f"the local cloud's hooks are written for ministack {MINISTACK_VERSION}, but {found} "
            "is installed. Install the pinned version, or go through patchmedic_local/hooks one "
            "by one, run tests/local, and raise MINISTACK_VERSION."
        )


def replace(module_name: str, attribute: str, make: Any) -> Any:
    """Set ``module.attribute = make(original)``, which must exist.  Returns the new value."""
    module = importlib.import_module(module_name)
    if not hasattr(module, attribute):
        raise HookMismatch(
            f"{module_name}.{attribute} no longer exists: the hook that changes it has to be "
            "rewritten for this version of MiniStack."
        )
    new = make(getattr(module, attribute))
    setattr(module, attribute, new)
    return new


def require(module_name: str, *attributes: str) -> Any:
    """The module, after checking that everything a hook reads from it exists."""
    module = importlib.import_module(module_name)
    missing = [name for name in attributes if not hasattr(module, name)]
    if missing:
        raise HookMismatch(f"{module_name} has no {', '.join(missing)} any more")
    return module
