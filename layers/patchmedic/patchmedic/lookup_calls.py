"""How a look-up calls AWS: one answer or all pages, and a gap where there is none.

Here: the two ways to call and the record of what failed.  Not here: what is called (``lookups``,
``lookups_patching``).

Nothing that AWS answers is an exception to a look-up.  A call that fails leaves a ``Gap`` that
names the call, its error code and AWS's words.  An answer with more pages than ``PAGES_MAX``
counts as unknown too, since half a list proves nothing about what is not in it.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

from patchmedic.aws import call
from patchmedic.checks.aws.snapshot import Gap
from patchmedic.errors import AwsError
from patchmedic.model import NodeRef

PAGES_MAX = 20


class CallingReader:
    """What every reader of a snapshot does: call, and remember the gaps."""

    def __init__(self, client: Callable[[str], Any], node: NodeRef) -> None:
        self._client = client
        self._node = node
        self._gaps: list[Gap] = []

    def _one(self, service: str, action: str, **kwargs: Any) -> Any:
        """One call's answer, or ``None`` and a gap."""
        method = _snake(action)
        name = f"{service}:{action}"
        try:
            return call(name, lambda: getattr(self._client(service), method)(**kwargs))
        except AwsError as error:
            self._gaps.append(Gap(name, error.code, error.message))
            return None

    def _all(self, service: str, action: str, key: str, **kwargs: Any) -> list[Any] | None:
        """Every item of a paginated call, or ``None`` and a gap."""
        name = f"{service}:{action}"

        def read() -> tuple[list[Any], bool]:
            pages = iter(self._client(service).get_paginator(_snake(action)).paginate(**kwargs))
            found = [item for page in islice(pages, PAGES_MAX) for item in page.get(key) or ()]
            return found, next(pages, None) is not None

        try:
            found, more = call(name, read)
        except AwsError as error:
            self._gaps.append(Gap(name, error.code, error.message))
            return None
        if more:
            self._gaps.append(Gap(name, "TooManyPages", f"more than {PAGES_MAX} pages"))
            return None
        return list(found)

    def _forget(self, service: str, action: str, codes: frozenset[str]) -> bool:
        """Take back the last gap when it is an answer, not a failure: "there is no such thing"."""
        last = self._gaps[-1] if self._gaps else None
        if last is None or last.call != f"{service}:{action}" or last.code not in codes:
            return False
        self._gaps.pop()
        return True


def _snake(action: str) -> str:
    """``DescribeInstances`` -> ``describe_instances``, as boto3 names its methods."""
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in action).lstrip("_")
