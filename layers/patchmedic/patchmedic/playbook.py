"""From the catalogue and the remedies to the policy that decisions are made with.

Here: the one translation between the data (causes, remedies, settings) and ``policy.Policy``.
Not here: the rules themselves.
"""

from __future__ import annotations

from collections.abc import Mapping

from patchmedic.causes.catalogue import Catalogue
from patchmedic.model import Remedy
from patchmedic.policy import Plan, Policy
from patchmedic.settings import Settings


def plans_of(catalogue: Catalogue) -> dict[str, Plan]:
    """What a decision needs to know of each cause."""
    return {
        cause.id: Plan(
            checks=cause.checks,
            remedies=cause.remedies,
            explains=tuple(sorted(catalogue.explains[cause.id])),
            transient=cause.transient,
            suppress=cause.suppress,
        )
        for cause in catalogue.causes.values()
    }


def policy_of(settings: Settings, catalogue: Catalogue, remedies: Mapping[str, Remedy]) -> Policy:
    """The policy of a stack: its parameters, and the data that came with its version."""
    return Policy(
        mode=settings.mode,
        risk_ceiling=settings.risk_ceiling,
        verify_operation=settings.verify_operation,
        limits=settings.limits,
        plans=plans_of(catalogue),
        remedies=remedies,
        actions=settings.actions,
        catalogue_version=catalogue.version,
        change_calendars=settings.change_calendars,
        maintenance_windows=settings.maintenance_windows,
    )
