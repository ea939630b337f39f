"""Windows result codes in any spelling: 0x80240437, 80240437, -2145123273, 2149844023.

Here: finding them in text and reading them from an exit code.  Not here: what they mean; that is
in the cause files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from patchmedic.causes.text import CleanText

_SPELLINGS: Final = (
    (re.compile(rb"0x8[0-9a-f]{7}(?![0-9a-f])"), 16),
    (re.compile(rb"-21[0-9]{8}(?![0-9])"), 10),
    (re.compile(rb"(?<![0-9a-zx.-])21[45][0-9]{7}(?![0-9.])"), 10),
    (re.compile(rb"(?<![0-9a-zx{-])8(?:0|e)[0-9a-f]{6}(?![0-9a-z-])"), 16),
)


def unsigned(code: int) -> int:
    """The 32-bit code as it is written in hexadecimal, from any signed or unsigned form."""
    return code & 0xFFFFFFFF


def find_hresults(text: CleanText, known: Mapping[int, object]) -> dict[int, int]:
    """Every known result code in ``text`` -> the offset of its last spelling."""
    found: dict[int, int] = {}
    for spelling, base in _SPELLINGS:
        for spelled in set(spelling.findall(text.lower)):
            code = unsigned(int(spelled, base))
            if code in known:
                found[code] = max(found.get(code, -1), text.lower.rfind(spelled))
    return found
