"""The whole error family of the library, as one tree.

::

    PatchMedicError
    ├── AwsError              an AWS call failed; ``code`` and ``call`` say which and how
    │   ├── AwsThrottled      too fast, after botocore's own retries: try again later
    │   ├── AwsUnavailable    AWS or the network failed: try again later
    │   ├── AwsDenied         our role lacks a right: trying again will not help
    │   └── AwsRejected       AWS understood and said no (gone, invalid, wrong state)
    ├── CommitConflict        someone else moved the incident first: read it again
    ├── IncidentGone          the table no longer has an incident that something speaks of
    ├── NotYetVisible         AWS does not show yet what must be there by now: look again later
    └── SettingsError         the function's environment is wrong

Errors that belong to one parser live beside it (``checks.node.FindingsUnreadable``); they too are
plain, named and carry a reason for people.
"""

from __future__ import annotations


class PatchMedicError(Exception):
    """The root: everything that the library raises on purpose."""


class AwsError(PatchMedicError):
    """An AWS call failed."""

    def __init__(self, call: str, code: str, message: str) -> None:
        super().__init__(f"{call}: {code}: {message}")
        self.call = call
        self.code = code
        self.message = message

    @property
    def retryable(self) -> bool:
        """Whether the same call may succeed later."""
        return False


class AwsThrottled(AwsError):
    """Too many calls, even after botocore's retries."""

    @property
    def retryable(self) -> bool:
        return True


class AwsUnavailable(AwsError):
    """AWS answered with an internal error, or not at all."""

    @property
    def retryable(self) -> bool:
        return True


class AwsDenied(AwsError):
    """Our role lacks a right."""


class AwsRejected(AwsError):
    """AWS understood the call and said no."""


class CommitConflict(PatchMedicError):
    """The incident moved since it was read; decide again on the new version."""


class IncidentGone(PatchMedicError):
    """The table no longer has the incident."""


class SettingsError(PatchMedicError):
    """The environment of a function is incomplete or wrong."""


class NotYetVisible(PatchMedicError):
    """AWS does not show yet what an event or a finished command says must be there."""
