"""The short forms: subject, SMS, and the line for protocols without a body of their own.  Pure."""

from __future__ import annotations

from patchmedic.notices.text import ascii_line, clean, cut, gsm_line, ucs2_line
from patchmedic.notices.view import View
from patchmedic.notices.words import WORDS

SUBJECT_CHARACTERS_MAX = 99
"""SNS: fewer than 100."""
SMS_GSM_MAX = 160
SMS_UCS2_MAX = 70
LINE_CHARACTERS_MAX = 430


def subject(view: View) -> str:
    """``[PatchMedic] ACTION NEEDED: web-1 - Install failed (No route to S3)``, in ASCII.

    SNS takes no more than ASCII for certain, so the subject is English in every language.
    """
    word = WORDS[f"word.{view.notice}"]["en"]
    name = view.name if view.name and view.name.isascii() else ascii_line(view.node_id, 24)
    start = f"[PatchMedic] {word}: {ascii_line(name, 32)} - {_failed_en(view)} ("
    room = SUBJECT_CHARACTERS_MAX - len(start) - 1
    return start + ascii_line(_cause_en(view), room) + ")"


def sms(view: View) -> str:
    """One message of one part: 160 GSM characters, or 70 in Japanese."""
    incident = clean(view.incident.id, 24)
    if view.lang == "ja":
        word = view.say(f"word.{view.notice}")
        name = ucs2_line(view.name or view.node_id, 19)
        start = f"PatchMedic【{word}】{name} "
        room = SMS_UCS2_MAX - len(start) - len(incident) - 1
        return f"{start}{_what_ja(view, room)} {incident}"
    word = WORDS[f"word.{view.notice}"]["en"]
    name = gsm_line(view.name or view.node_id, 32) or gsm_line(view.node_id, 32)
    start = f"PatchMedic {word}: {name}, "
    end = f". {gsm_line(incident, 24)}"
    what = f"{_failed_en(view)}: {_cause_en(view)}"
    return start + gsm_line(what, SMS_GSM_MAX - len(start) - len(end)) + end


def line(view: View) -> str:
    """One line that says all: outcome, node, failure, cause or how it came about, incident."""
    word = view.say(f"word.{view.notice}")
    what = f"{view.failed} ({view.chain or view.cause_in_short()})"
    if view.lang == "ja":
        what = f"{view.failed}（{view.chain}）" if view.chain else _what_ja(view)
    said = cut(f"[PatchMedic] {word}: {view.node}: {what}", LINE_CHARACTERS_MAX)
    return f"{said} {clean(view.incident.id, 64)}"


def _failed_en(view: View) -> str:
    if view.is_ping:
        return WORDS["failed.ping"]["en"]
    operation = ascii_line(view.operation or "", 16)
    return f"{operation} failed" if operation else WORDS["failed.patching"]["en"]


def _cause_en(view: View) -> str:
    if view.cause == "unknown":
        return "cause unknown"
    return ascii_line(view.cause_in_short("en"), 120) or ascii_line(view.cause, 60)


def _what_ja(view: View, limit: int = 300) -> str:
    cause = "原因不明" if view.cause == "unknown" else view.cause_in_short()
    failed = ucs2_line(view.failed, max(0, limit - 12))
    return f"{failed}（{ucs2_line(cause, limit - len(failed) - 2)}）"
