"""What a set of IAM policies says about one request, as far as text alone can tell.

Here: a three-valued reading of policy documents, for roles whose simulation IAM refused and for
VPC endpoint policies, which IAM's simulator does not take.  Not here: the rules of the checks.

``True`` and ``False`` are certain.  A condition, a policy variable, a principal that cannot be
matched or an unread document gives ``None``; nobody may build a confirmation on that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

Document = Mapping[str, Any]


def items(value: Any) -> tuple[Any, ...]:
    """Policies write one thing or a list of things; read both as a list."""
    if value is None:
        return ()
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def allows(
    documents: Iterable[Document | None],
    action: str,
    resource: str,
    principals: Sequence[str] | None = None,
) -> bool | None:
    """Whether these policies, together, allow the request.

    ``principals`` is given for resource policies only: the names under which the caller may be
    listed.  An empty sequence stands for an anonymous caller, whom only ``*`` matches.
    """
    allowed: bool | None = False
    unsure_deny = False
    for document in documents:
        if document is None:
            # An unread policy may hold an Allow as well as a Deny.
            allowed = allowed or None
            unsure_deny = True
            continue
        for statement in items(document.get("Statement")):
            effect, match = _read(statement, action, resource, principals)
            if effect == "Deny" and match is True:
                return False
            if effect == "Deny" and match is None:
                unsure_deny = True
            elif effect == "Allow" and match is True:
                allowed = True
            elif effect != "Deny" and match is None:
                allowed = allowed or None
    if allowed is False:
        return False
    return None if unsure_deny else allowed


def both(first: bool | None, second: bool | None) -> bool | None:
    """Two layers that must both allow: the policies and a permissions boundary."""
    if first is False or second is False:
        return False
    return None if first is None or second is None else True


def _read(
    statement: Any, action: str, resource: str, principals: Sequence[str] | None
) -> tuple[str, bool | None]:
    """A statement's effect, and whether it speaks about the request."""
    if not isinstance(statement, Mapping):
        return "", None
    parts = [
        _named(statement, "Action", action.lower(), lower=True),
        _named(statement, "Resource", resource, lower=False),
    ]
    if principals is not None:
        parts.append(_principal(statement, principals))
    if False in parts:
        return str(statement.get("Effect")), False
    if statement.get("Condition"):
        parts.append(None)
    return str(statement.get("Effect")), None if None in parts else True


def _named(statement: Document, key: str, value: str, *, lower: bool) -> bool | None:
    """Whether ``Action``/``NotAction`` or ``Resource``/``NotResource`` covers the value."""
    turned = f"Not{key}" in statement
    patterns = [str(p) for p in items(statement.get(f"Not{key}" if turned else key))]
    if not patterns:
        return None
    unsure = False
    for pattern in patterns:
        if "${" in pattern:
            unsure = True
        elif _like(value, pattern.lower() if lower else pattern):
            return not turned
    return None if unsure else turned


def _like(value: str, pattern: str) -> bool:
    """IAM's wildcards: ``*`` and ``?``; brackets are plain characters there."""
    return fnmatchcase(value, pattern.replace("[", "[[]"))


def _principal(statement: Document, principals: Sequence[str]) -> bool | None:
    if "NotPrincipal" in statement:
        return None
    principal = statement.get("Principal")
    if principal is None:
        return None
    listed = items(principal.get("AWS")) if isinstance(principal, Mapping) else items(principal)
    if "*" in listed or any(p in listed for p in principals):
        return True
    # Session names and account ids can stand for the same caller in more ways than are read here.
    return None if listed else False
