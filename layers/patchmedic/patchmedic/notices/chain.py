"""A chain as people read it: ``S3 cannot be reached <- no route <- route table rtb-2``.

Here: the words for its links, joined.  Not here: how a chain is made (``patchmedic.chain``), and
the titles of causes.  Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

from patchmedic.chain import Link
from patchmedic.notices.text import clean, fill_in
from patchmedic.notices.words import WORDS

RESOURCE_CHARACTERS_MAX: Final = 90

_AWS_ID: Final = re.compile(r"(rtb|subnet|sg|acl|eni|nat|vpce|igw|eigw|tgw)-[0-9a-z]")
_ARROWS: Final = {"en": " <- ", "ja": " ← "}


def chain_text(chain: Iterable[Link], title: Callable[[str], str], lang: str) -> str:
    """The chain in one line, the root last; empty for an empty one."""
    told = [_link(link, title, lang) for link in chain]
    return _ARROWS.get(lang, _ARROWS["en"]).join(each for each in told if each)


def _link(link: Link, title: Callable[[str], str], lang: str) -> str:
    if link.kind == "cause":
        return title(link.name).rstrip(".。")
    if link.kind == "obstacle":
        # One that a newer part of the service brought has no words here; the rest still tells.
        found = WORDS.get(f"obstacle.{link.name}")
        return found[lang] if found else ""
    name = clean(link.name, RESOURCE_CHARACTERS_MAX)
    found_id = _AWS_ID.match(name)
    kind = found_id[1] if found_id else link.kind
    return fill_in(WORDS[f"thing.{kind}"][lang], {"id": name}) if kind != "resource" else name
