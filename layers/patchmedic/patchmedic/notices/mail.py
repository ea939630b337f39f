"""The e-mail: plain text, the answer first, then what a colleague at 3 a.m. needs to go on.

Here: which sections a notice has, and what stands in each.  Not here: the sentences (``words``),
the shapes of commands (``commands``), subjects and short messages (``short``).  Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from patchmedic.incident import Action
from patchmedic.model import Finding, Hook, SupportingLine
from patchmedic.notices import commands
from patchmedic.notices.ids import ids
from patchmedic.notices.text import clean, fill_in, pad, prose, width, wrap
from patchmedic.notices.view import NAMED, View
from patchmedic.notices.words import OTHER_RULE, RULES, CommandName, RuleWords
from patchmedic.verdict import fixes, has_passed

QUOTED_LINES_MAX = 5
QUOTED_CHARACTERS_MAX = 200
CODES_SHOWN_MAX = 3
SENTENCE_CHARACTERS_MAX = 600
FIX_CHARACTERS_MAX = 900
CONFIRMING_SHOWN_MAX = 4
ALSO_SHOWN_MAX = 3
RULED_OUT_SHOWN_MAX = 8
RULED_OUT_CHARACTERS_MAX = 100
RULED_OUT_IN_SHORT_MAX = 5
NOT_LOOKED_SHOWN_MAX = 4
NOT_LOOKED_CHARACTERS_MAX = 240
ADVISING_SHOWN_MAX = 4
SEEN_SHOWN_MAX = 2
FIXES_SHOWN_MAX = 3
COMMANDS_SHOWN_MAX = 6
ACTIONS_SHOWN_MAX = 10
NOTES_SHOWN_MAX = 3
LINKS_SHOWN_MAX = 3
LIKELY_CAUSE_CONFIDENCE_MIN = 0.2
OTHER_CAUSES_SHOWN_MAX = 3

_IN = "  "
_DEEP = "    "
_SEPARATORS = {"en": "; ", "ja": "、"}


def email(view: View) -> str:
    """The whole body."""
    parts = [_head(view)]
    for key, section in _SECTIONS[view.notice]:
        if lines := section(view):
            parts.append([view.say(_title(view, key)), *lines])
    return "\n\n".join("\n".join(line.rstrip() for line in part) for part in parts) + "\n"


def rule_words(view: View) -> RuleWords | None:
    """The words for the rule that ended the incident; ``None`` while it has not ended."""
    reason = view.incident.reason
    if reason is None:
        return None
    rule = f"mode.{view.incident.mode.value}" if reason.rule == "mode" else reason.rule
    return RULES.get(rule, OTHER_RULE)


def why_stopped(view: View) -> str:
    """The sentence for the rule that ended the incident; empty while it has not ended."""
    found, reason = rule_words(view), view.incident.reason
    if found is None or reason is None:
        return ""
    return fill_in(view.of(found.why), {"rule": clean(reason.rule, 60)})


def advice(view: View) -> tuple[list[str], list[str]]:
    """What a person does about the cause: sentences, and commands to paste.

    What the confirming checks say about this very node wins over the catalogue's general advice.
    """
    lines: list[str] = []
    pasted: list[str] = []
    for finding in (fixes(view.looked) or view.hinting)[:FIXES_SHOWN_MAX]:
        if said := view.of(finding.fix):
            lines += prose(clean(said, FIX_CHARACTERS_MAX), view.lang, _IN)
        pasted += [clean(command, 1_000) for command in finding.commands]
    if not lines or not view.confirmed:
        found = view.causes.get(view.incident.cause)
        text = view.of(found.advice) if found else view.say("next.no_advice")
        text = fill_in(text, commands.for_advice(view.incident), "<>")
        lines = prose(text, view.lang, _IN) + lines
    return list(dict.fromkeys(lines)), list(dict.fromkeys(pasted))[:COMMANDS_SHOWN_MAX]


def _title(view: View, key: str) -> str:
    if key == "section.stopped" and not view.incident.actions:
        return "section.nothing"
    return key


def _p(view: View, text: str, indent: str = _IN) -> list[str]:
    return wrap(text, view.lang, indent)


def _fields(view: View, fields: Iterable[tuple[str, str]]) -> list[str]:
    rows = [(view.say(key), value) for key, value in fields if value]
    columns = max((width(label) for label, _ in rows), default=0)
    return [f"{_IN}{pad(label, columns)}  {value}" for label, value in rows]


def _head(view: View) -> list[str]:
    key = f"head.{view.notice}"
    if view.notice == "resolved":
        reason = view.incident.reason
        fixed = reason is not None and reason.rule == "verified"
        key += ".fixed" if fixed else ".recovered"
    elif view.notice in ("escalated", "recommended"):
        key += ".ping" if view.is_ping else ".patching"
    lines = wrap(view.say(key, node=view.node), view.lang)
    took = view.took(view.incident.updated_at - view.incident.signal.time)
    return [*lines, *wrap(view.say("head.span", took=took), view.lang)]


def _happened(view: View) -> list[str]:
    incident, evidence, signal = view.incident, view.incident.evidence, view.incident.signal
    ran = view.document or ""
    if ran and view.operation:
        ran = view.say("ran", document=ran, operation=view.operation)
    window = clean(signal.window_id or "", 60)
    exit_code = "" if evidence.response_code is None else str(evidence.response_code)
    if known := view.result_code:
        exit_code += f" ({known.hexadecimal} {known.name})"
    platform = incident.platform or evidence.platform
    rows = [
        ("field.node", view.node),
        ("field.platform", view.say(f"platform.{platform}") if platform else ""),
        ("field.ran", ran),
        ("field.status", view.status),
        ("field.step", clean(evidence.step or "", 80)),
        ("field.exit", exit_code),
        ("field.when", view.at(signal.time)),
        ("field.last_ping", view.at(signal.last_ping) if signal.last_ping else ""),
        ("field.command", clean(signal.command_id or "", 60)),
        ("field.association", clean(signal.association_id or "", 60)),
        ("field.window", window if window != view.node_id else ""),
        ("field.account", clean(f"{incident.node.account}, {incident.node.region}", 80)),
    ]
    if incident.signals_count > 1:
        rows.append(("field.signals", view.say("signals", n=str(incident.signals_count))))
    return _fields(view, rows)


def _why(view: View) -> list[str]:
    incident = view.incident
    if incident.cause == "unknown" and not view.confirmed:
        lines = _p(view, view.say("why.unknown"))
    else:
        basis: str = incident.diagnosis.basis if incident.diagnosis else "unseen"
        if basis == "text" and not has_passed(incident.cause, incident.findings):
            basis = "text-unseen"
        title = view.title(incident.cause)
        lines = _p(view, view.say(f"why.{basis}", title=title, cause=view.cause))
    if view.chain:
        lines += _p(view, view.say("why.chain", chain=view.chain))
    if incident.evidence.hook is not None:
        lines += _p(view, hook_sentence(view, incident.evidence.hook))
    found = view.causes.get(incident.cause)
    if found and view.notice != "resolved" and incident.cause != "unknown":
        lines += prose(view.of(found.meaning), view.lang, _IN)
    for finding in view.looked.confirming[:CONFIRMING_SHOWN_MAX]:
        lines += _p(view, _by(view, finding))
    shown = [line for line in view.lines if line.line > 0 and line.text.strip()]
    most = 2 if view.notice == "resolved" else QUOTED_LINES_MAX
    lines += _quoted(view, shown, most)
    lines += _codes(view, shown[:most])
    if view.notice != "resolved":
        lines += _doubts(view)
    return lines


def hook_sentence(view: View, hook: Hook) -> str:
    """Whose document failed, and when in the run."""
    document = clean(hook.document or "", 140) or view.say("why.hook.unnamed")
    return view.say(f"why.hook.{hook.point or 'any'}", document=document)


def _by(view: View, finding: Finding) -> str:
    return view.say(
        "why.by",
        check=clean(finding.check, 60),
        resource=clean(finding.resource, 120),
        says=clean(view.of(finding.says), SENTENCE_CHARACTERS_MAX),
    )


def _quoted(view: View, shown: Sequence[SupportingLine], most: int) -> list[str]:
    """The supporting lines, marked as what they are: somebody else's words."""
    if not shown:
        return []
    lines = _p(view, view.say("why.lines"))
    for line in shown[:most]:
        quoted = clean(line.text, QUOTED_CHARACTERS_MAX)
        lines.append(f"{_DEEP}> {line.stream}:{line.line}: {quoted}")
    if len(shown) > most:
        lines.append(f"{_DEEP}{view.say('looked.more', n=str(len(shown) - most))}")
    return lines


def _codes(view: View, shown: Sequence[SupportingLine]) -> list[str]:
    """What the Windows result codes of the run and of its output mean."""
    lines: list[str] = []
    for known in view.result_codes(shown)[:CODES_SHOWN_MAX]:
        text = f"{known.hexadecimal} = {known.name}: {view.of(known.meaning)}"
        lines += wrap(text, view.lang, _IN, _DEEP)
    return lines


def _doubts(view: View) -> list[str]:
    """What else it could be, and what could not be read."""
    incident, lines = view.incident, []
    diagnosis = incident.diagnosis
    settled = {incident.cause}
    if diagnosis:
        settled |= {*diagnosis.ruled_out, *diagnosis.also, *(each.name for each in diagnosis.chain)}
    least = LIKELY_CAUSE_CONFIDENCE_MIN if not view.confirmed else NAMED
    others = [
        f"{view.title(each.cause)} [{clean(each.cause, 60)}]"
        for each in incident.classification.candidates
        if each.cause not in settled and each.confidence >= least
    ]
    if others:
        joined = "; ".join(others[:OTHER_CAUSES_SHOWN_MAX])
        lines += _p(view, view.say("why.besides" if view.confirmed else "why.also", causes=joined))
    if incident.evidence.truncated:
        lines += _p(view, view.say("why.truncated"))
    for note in incident.evidence.notes[:NOTES_SHOWN_MAX]:
        lines += _p(view, view.say("why.note", note=clean(note, 200)))
    return lines


def _looked(view: View) -> list[str]:
    """What else is wrong, what was ruled out, what could not be looked at, what was only seen."""
    looked = view.looked
    also = [
        view.say("looked.also", title=view.title(each.cause or "")) + f" - {_by(view, each)}"
        for each in looked.also
    ]
    advising, seen = (
        [view.say("looked.seen") + f" - {_by(view, each)}" for each in found]
        for found in (looked.aside + looked.advising, _beside(view))
    )
    return [
        *_items(view, also, ALSO_SHOWN_MAX),
        *_ruled_out(view),
        *_items(view, [_not_looked(view, f) for f in looked.not_looked], NOT_LOOKED_SHOWN_MAX),
        *_items(view, advising, ADVISING_SHOWN_MAX),
        *_items(view, seen, SEEN_SHOWN_MAX, count=False),
    ]


def _beside(view: View) -> list[Finding]:
    """What else was seen: beside a confirmed cause only what is about it."""
    diagnosis = view.incident.diagnosis
    about = {view.incident.cause}
    if diagnosis:
        about |= {link.name for link in diagnosis.chain}
    return [each for each in view.looked.seen if not view.confirmed or each.cause in about]


def _items(view: View, items: Sequence[str], most: int, *, count: bool = True) -> list[str]:
    """A list of at most ``most`` items, and how many more there are."""
    lines = [line for item in items[:most] for line in wrap(item, view.lang, f"{_IN}- ", _DEEP)]
    if count and len(items) > most:
        lines.append(_DEEP + view.say("looked.more", n=str(len(items) - most)))
    return lines


def _ruled_out(view: View) -> list[str]:
    """By which check: with what it saw as long as nothing is confirmed, else in one breath."""
    found = view.looked.ruled_out
    if not view.confirmed:
        told = [
            view.say(
                "looked.out",
                title=view.title(each.cause or ""),
                check=clean(each.check, 60),
                says=clean(view.of(each.says), RULED_OUT_CHARACTERS_MAX),
            )
            for each in found
        ]
        return _items(view, told, RULED_OUT_SHOWN_MAX)
    if not found:
        return []
    names = [ruled_out_by(view, each) for each in found[:RULED_OUT_IN_SHORT_MAX]]
    if len(found) > RULED_OUT_IN_SHORT_MAX:
        names.append(view.say("looked.more", n=str(len(found) - RULED_OUT_IN_SHORT_MAX)))
    return _items(view, [view.say("looked.outs", causes=_SEPARATORS[view.lang].join(names))], 1)


def ruled_out_by(view: View, finding: Finding) -> str:
    """A cause that was ruled out, and the check that did it."""
    title = view.title(finding.cause or "")
    return view.say("looked.by", title=title, check=clean(finding.check, 60))


def _not_looked(view: View, finding: Finding) -> str:
    """What could not be looked at, why, and what would help."""
    parts = (view.of(finding.says), view.of(finding.fix))
    told = [clean(part, NOT_LOOKED_CHARACTERS_MAX) for part in parts if part]
    check = clean(finding.check, 60)
    said = ("" if view.lang == "ja" else " ").join(told)
    return view.say("looked.not") + (f": {said}" if check in said else f" - {check}: {said}")


def _done(view: View) -> list[str]:
    actions = view.incident.actions
    if not actions:
        return [] if view.notice == "resolved" else _p(view, view.say("done.nothing"))
    lines: list[str] = []
    first = max(0, len(actions) - ACTIONS_SHOWN_MAX)
    if first:
        lines.append(_IN + view.say("looked.more", n=str(first)))
    for number, action in enumerate(actions[first:], first + 1):
        until = actions[number].started_at if number < len(actions) else view.incident.updated_at
        lines += _action(view, number, action)
        if action.state not in ("started", "not-run"):
            took = view.took(until - action.started_at)
            checked = action.state in ("done", "nothing-to-do")
            lines[-1] += view.say("done.span_checked" if checked else "done.span", took=took)
        lines += _particulars(view, action)
    return lines


def _action(view: View, number: int, action: Action) -> list[str]:
    state = f"state.{action.state}"
    text = view.say(
        "done.action",
        title=view.remedy_title(action.remedy),
        risk=view.say(f"risk.{action.risk.value}"),
        state=view.say(state) if state in _STATES else clean(action.state, 40),
    )
    started = view.say("done.started", at=view.at(action.started_at))
    return [*wrap(text, view.lang, f"{_IN}{number}. ", "     "), f"     {started}"]


def _particulars(view: View, action: Action) -> list[str]:
    lines: list[str] = []
    indent = "     "
    if action.approved_by:
        lines += _p(view, view.say("done.approved", by=clean(action.approved_by, 200)), indent)
    if action.detail:
        remedy = view.remedies.get(action.remedy)
        asked_node = remedy is None or bool(remedy.documents)
        key = "done.guard" if action.state == "not-run" else "record"
        if asked_node and action.state in ("done", "nothing-to-do", "refused", "failed"):
            key = "done.detail"
        lines += _p(view, view.say(key, detail=clean(action.detail, 300)), indent)
    return lines


def _proof(view: View) -> list[str]:
    lines = _p(view, why_stopped(view))
    if view.incident.verified:
        seen = clean(view.incident.verified, SENTENCE_CHARACTERS_MAX)
        lines += _p(view, view.say("proof.seen", seen=seen))
    return lines


def _stopped(view: View) -> list[str]:
    lines = _p(view, why_stopped(view))
    found, reason = rule_words(view), view.incident.reason
    if found and reason and found.detail and reason.detail:
        detail = clean(reason.detail, SENTENCE_CHARACTERS_MAX)
        lines += _p(view, view.say("record", detail=detail))
    return lines


def _proposal(view: View) -> list[str]:
    proposal = view.incident.proposal
    if proposal is None:
        return []
    lines = _p(view, view.remedy_title(proposal.remedy))
    remedy = view.remedies.get(proposal.remedy)
    if remedy:
        risk = view.say(f"risk.{remedy.risk.value}")
        lines += _p(view, view.say("proposal.risk_line", risk=risk))
        lines += _p(view, view.say("done.changes", changes=clean(view.of(remedy.changes), 800)))
        lines += _p(view, view.say("done.undo", undo=clean(view.of(remedy.undo), 800)))
        key = "proposal.reboot" if remedy.may_reboot else "proposal.risk"
        lines += _p(view, view.say(key, risk=risk))
    else:
        lines += _p(view, view.say("record", detail=clean(proposal.reason, 300)))
    return lines


def _decide(view: View) -> list[str]:
    proposal = view.incident.proposal
    if proposal is None:
        return []
    lines = _p(view, view.say("proposal.expires", at=view.at(proposal.expires_at)))
    for decision in ("approve", "deny"):
        lines += _p(view, view.say(f"proposal.{decision}"))
        command = commands.decide_command(view.incident, view.context, decision)
        lines.append(_DEEP + command)
    return lines


def _next(view: View) -> list[str]:
    """Because of the rule; about the cause; then running it again."""
    lines: list[str] = []
    found = rule_words(view)
    if found and found.next:
        lines += _p(view, view.of(found.next))
        named = (_command(view, name) for name in found.commands)
        lines += [_DEEP + command for command in named if command]
    if not view.confirmed and view.incident.cause != "benign":
        lines += _read_first(view)
    sentences, pasted = advice(view)
    if not view.confirmed and view.incident.cause != "unknown":
        lines += _p(view, view.say("next.if", title=view.title(view.incident.cause)))
    lines += sentences + [_DEEP + command for command in pasted]
    if view.confirmed and (output := commands.output_command(view.incident)):
        lines += [*_p(view, view.say("next.output")), _DEEP + output]
    lines += _again(view)
    if not any(line.startswith(_DEEP) for line in lines):
        return lines
    values = ids(view.incident)
    where = view.say("next.where", account=values["account"], region=values["region"])
    return [*_p(view, where), *lines]


def _read_first(view: View) -> list[str]:
    if view.is_ping:
        text = view.say("next.unconfirmed_ping")
        return [*_p(view, text), _DEEP + commands.ping_command(view.incident)]
    output = commands.output_command(view.incident)
    return [*_p(view, view.say("next.unconfirmed")), _DEEP + output] if output else []


def _again(view: View) -> list[str]:
    lines: list[str] = []
    again = None if view.is_ping else commands.rerun_command(view.incident)
    if not again and not view.is_ping:
        lines += _p(view, view.say("next.rerun_as_before"))
    if again:
        key = "next.rerun"
        if "start-associations-once" in again:
            key = "next.rerun_association"
        elif "NoReboot" in again:
            key = "next.rerun_no_reboot"
        lines += [*_p(view, view.say(key)), _DEEP + again]
    closes = "next.closes_ping" if view.is_ping else "next.closes_patching"
    return lines + _p(view, view.say(closes))


def _next_after_fix(view: View) -> list[str]:
    """Nothing, unless an Install failed and only a Scan was run to prove the fix."""
    reason = view.incident.reason
    by_us = reason is not None and reason.rule == "verified"
    if view.is_ping or not by_us or view.incident.evidence.operation != "Install":
        return _p(view, view.say("next.nothing"))
    if view.context.verify_operation == "InstallNoReboot":
        return _p(view, view.say("next.no_reboot"))
    again = commands.rerun_command(view.incident)
    if again and "NoReboot" in again:
        return [*_p(view, view.say("next.scan_only")), _DEEP + again]
    return _p(view, view.say("next.scan_only_plain"))


def _next_nothing(view: View) -> list[str]:
    return _p(view, view.say("next.nothing"))


def _more(view: View) -> list[str]:
    incident = ids(view.incident)["incident_id"]
    lines = _fields(
        view,
        [
            ("more.incident", incident),
            ("more.history", f"patchmedic incidents {incident}"),
        ],
    )
    links: dict[str, tuple[str, ...]] = {view.say(key): (url,) for key, url in view.console.items()}
    cause = view.causes.get(view.incident.cause)
    if cause and cause.links and view.notice != "resolved":
        links[view.say("more.read")] = cause.links[:LINKS_SHOWN_MAX]
    for label, urls in links.items():
        lines += [f"{_IN}{label}", *(f"{_DEEP}{clean(url, 600)}" for url in urls)]
    return lines


def _command(view: View, name: CommandName) -> str | None:
    incident, context = view.incident, view.context
    if name == "tag":
        return commands.tag_command(incident, context)
    if name == "show-tags":
        return commands.show_tags_command(incident)
    if name == "our-commands":
        return commands.our_commands_command(incident)
    return commands.kill_switch_command(context, release=name == "release-kill-switch")


_STATES = frozenset(
    f"state.{name}"
    for name in ("started", "done", "nothing-to-do", "refused", "failed", "not-run", "unknown")
)

_Section = tuple[str, Callable[[View], list[str]]]
_HAPPENED: _Section = ("section.happened", _happened)
_BECAUSE: _Section = ("section.why", _why)
_ACTIONS: _Section = ("section.done", _done)
_MORE: _Section = ("section.more", _more)
_FOR_PEOPLE: tuple[_Section, ...] = (
    _HAPPENED,
    _BECAUSE,
    ("section.looked", _looked),
    _ACTIONS,
    ("section.stopped", _stopped),
    ("section.next", _next),
    _MORE,
)
_SECTIONS: dict[str, tuple[_Section, ...]] = {
    "resolved": (
        _HAPPENED,
        _BECAUSE,
        _ACTIONS,
        ("section.proof", _proof),
        ("section.next", _next_after_fix),
        _MORE,
    ),
    "escalated": _FOR_PEOPLE,
    "recommended": _FOR_PEOPLE,
    "proposal": (
        _HAPPENED,
        _BECAUSE,
        ("section.looked", _looked),
        _ACTIONS,
        ("section.proposal", _proposal),
        ("section.next", _decide),
        _MORE,
    ),
    "suppressed": (
        _HAPPENED,
        _BECAUSE,
        ("section.stopped", _stopped),
        ("section.next", _next_nothing),
        _MORE,
    ),
}
