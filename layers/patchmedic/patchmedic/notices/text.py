"""Making untrusted text harmless and trusted text readable: cleaning, cutting, wrapping.

Here: functions on strings only.  Not here: the sentences (``words``), secrets (``mask``).
Untrusted text is whatever a node, a tag or an event said: it is shown as data, in a bounded
length, on one line, and it never becomes a template.
"""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Mapping

from patchmedic.notices.mask import mask_secrets

COLUMNS_MAX = 78
NAME_CHARACTERS_MAX = 40
"""No placeholder is longer, which keeps the search for its end short."""

_TERMINAL = re.compile(r"\x1b\[[0-?]{0,16}[ -/]{0,4}[@-~]")
_PLAIN = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-", "…": "..."})
_GSM = str.maketrans(
    {"[": "(", "]": ")", "{": "(", "}": ")", "\\": "/", "^": "-", "~": "-", "|": "/", "`": "'"}
)
"""These nine cost two characters each, or a whole SMS its alphabet."""


def clean(text: str, limit: int) -> str:
    """One line of printable characters without secrets, at most ``limit`` long.

    Line breaks of any kind become blanks; invisible, direction-changing and broken characters go.
    """
    head = _TERMINAL.sub("", text[: limit * 8 + 2_000])
    kept = []
    for character in head:
        category = unicodedata.category(character)
        if category in ("Cc", "Zl", "Zp"):
            kept.append(" ")
        elif category[0] != "C":
            kept.append(character)
    return cut(" ".join(mask_secrets("".join(kept)).split()), limit)


def clean_lines(text: str, limit: int) -> list[str]:
    """Several lines, each cleaned but with its indentation kept; at most ``limit`` characters."""
    lines: list[str] = []
    for line in text[:limit].splitlines():
        indent = len(line) - len(line.lstrip(" "))
        lines.append(" " * min(indent, 8) + clean(line, limit))
    return lines


def cut(text: str, limit: int, end: str = "…") -> str:
    """``text``, or its beginning and ``end`` if it is longer than ``limit``."""
    if len(text) <= limit:
        return text
    return text[: max(0, limit - len(end))].rstrip() + end[: max(0, limit)]


def cut_at_word(text: str, limit: int) -> str:
    """Like ``cut`` in ASCII, but without half a word if a whole one is near."""
    short = cut(text, limit, "...")
    start, blank, _ = short.removesuffix("...").rpartition(" ")
    if short == text or not blank or len(start) < limit // 2:
        return short
    return start.rstrip(" ,:;(") + "..."


def ascii_line(text: str, limit: int) -> str:
    """Printable ASCII only, at most ``limit`` characters."""
    plain = clean(text, limit * 4).translate(_PLAIN).encode("ascii", "ignore").decode("ascii")
    return cut_at_word(" ".join(plain.split()), limit)


def gsm_line(text: str, limit: int) -> str:
    """Characters of which each is one septet of an SMS, at most ``limit``."""
    return cut_at_word(ascii_line(text, limit * 2).translate(_GSM), limit)


def ucs2_line(text: str, limit: int) -> str:
    """Characters of which each is one unit of a UCS-2 SMS, at most ``limit``."""
    return cut("".join(c for c in clean(text, limit * 2) if ord(c) <= 0xFFFF), limit)


def fill_in(template: str, values: Mapping[str, str], marks: str = "{}") -> str:
    """Put ``values`` where the template says ``{name}``; any other brace stays as it is.

    One pass from left to right: what was put in is not read again, so a value can name no other.
    """
    parts: list[str] = []
    position = 0
    while (start := template.find(marks[0], position)) >= 0:
        end = template.find(marks[1], start, start + NAME_CHARACTERS_MAX)
        name = template[start + 1 : end] if end > 0 else ""
        if name in values:
            parts += [template[position:start], values[name]]
            position = end + 1
        else:
            parts.append(template[position : start + 1])
            position = start + 1
    return "".join(parts) + template[position:]


def width(text: str) -> int:
    """Columns on a screen: wide East Asian characters take two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def pad(text: str, columns: int) -> str:
    """``text`` filled with blanks to ``columns`` on the screen."""
    return text + " " * max(0, columns - width(text))


def wrap(text: str, lang: str, first: str = "", rest: str | None = None) -> list[str]:
    """Break a paragraph: English between words, Japanese only after a full stop."""
    follow = first if rest is None else rest
    if lang != "ja":
        return textwrap.wrap(
            text,
            COLUMNS_MAX,
            initial_indent=first,
            subsequent_indent=follow,
            break_long_words=False,
            break_on_hyphens=False,
        )
    lines: list[str] = []
    line = first
    for sentence in re.findall(r"[^。]+。?[」）]?", text):
        if line not in (first, follow) and width(line + sentence) > COLUMNS_MAX:
            lines.append(line)
            line = follow
        line += sentence
    return [*lines, line] if line.strip() else lines


def prose(text: str, lang: str, indent: str) -> list[str]:
    """Text of several paragraphs: indented lines in it are commands and stay whole."""
    lines: list[str] = []
    for line in clean_lines(text, 6_000):
        if line.startswith("  "):
            lines.append(indent + "  " + line.strip())
        elif line.lstrip().startswith(("- ", "* ")):
            lines += wrap(line.strip(), lang, indent, indent + "  ")
        elif line:
            lines += wrap(line, lang, indent)
    return lines
