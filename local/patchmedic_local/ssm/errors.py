"""The errors that SSM answers with.

``ApiError`` carries the code and message as AWS spells them; ``ShapeMismatch`` says that the local
cloud itself was about to answer something that AWS could not answer.
"""

from __future__ import annotations


class ApiError(Exception):
    """An answer other than success: its code, its message and the HTTP status."""

    def __init__(self, code: str, message: str = "", status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


class ShapeMismatch(AssertionError):
    """The overlay's answer does not fit AWS's service model: a defect of the local cloud."""
