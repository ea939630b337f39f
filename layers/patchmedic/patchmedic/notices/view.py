"""What all channels share: the incident as a reader meets it, cleaned and named.

Here: the context of a notice, the little that is needed of the catalogue, and ``View`` with the
words for node, failure, cause and time.  Not here: how a channel lays them out (``mail``,
``short``, ``pager``).  Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cached_property
from typing import TYPE_CHECKING, Literal, Protocol
from urllib.parse import quote

from patchmedic.incident import Incident
from patchmedic.model import Finding, IncidentKind, Remedy, SupportingLine, Text, Verdict
from patchmedic.notices.chain import chain_text
from patchmedic.notices.ids import ids, known
from patchmedic.notices.text import clean, fill_in
from patchmedic.notices.words import WORDS
from patchmedic.verdict import Sorted, sort_out

if TYPE_CHECKING:
    from patchmedic.causes.hresults import ResultCode

Language = Literal["en", "ja"]
NAMED = 0.8
"""From this confidence on, the text names a cause (``policy.Limits.confident_min``)."""
NOTICES = ("resolved", "escalated", "recommended", "proposal", "suppressed")

_JST = timezone(timedelta(hours=9), "JST")


class CauseText(Protocol):
    """What a reader is told about one cause; an entry of the catalogue fits."""

    @property
    def title(self) -> Text: ...
    @property
    def meaning(self) -> Text: ...
    @property
    def advice(self) -> Text: ...
    @property
    def links(self) -> tuple[str, ...]: ...


CauseTexts = Mapping[str, CauseText]
"""Cause id -> its texts."""


@dataclass(frozen=True, slots=True)
class NoticeContext:
    """What a notice says about the stack that sends it."""

    prefix: str
    region: str
    account: str
    table_name: str
    approve_function: str
    console_links: bool = True
    opt_in_tag_key: str = "PatchMedic"
    opt_in_tag_value: str = "true"
    kill_switch_parameter: str | None = None
    verify_operation: Literal["Scan", "InstallNoReboot"] = "Scan"


@dataclass(frozen=True)
class View:
    """One incident for one reader."""

    incident: Incident
    notice: str
    lang: Language
    causes: CauseTexts
    remedies: Mapping[str, Remedy]
    name: str | None
    """The node's name, cleaned; ``None`` when it has none."""
    now: datetime
    context: NoticeContext

    def say(self, key: str, **values: str) -> str:
        """The sentence ``key`` in the reader's language."""
        return fill_in(WORDS[key][self.lang], values)

    def of(self, text: Text) -> str:
        """A text of the catalogue in the reader's language, or in English."""
        return text.get(self.lang) or text.get("en", "")

    @property
    def node_id(self) -> str:
        return clean(self.incident.node.node_id, 40)

    @property
    def node(self) -> str:
        """``web-1 (i-...)``, or the id alone."""
        return f"{self.name} ({self.node_id})" if self.name else self.node_id

    @property
    def is_ping(self) -> bool:
        return self.incident.kind is IncidentKind.PING

    @property
    def operation(self) -> str | None:
        found = self.incident.evidence.operation
        return clean(found, 40) if found else None

    @property
    def document(self) -> str | None:
        found = self.incident.evidence.document or self.incident.signal.document
        return clean(found, 100) if found else None

    @property
    def status(self) -> str:
        """The status in AWS's word, with the finer one where there is one."""
        evidence, signal = self.incident.evidence, self.incident.signal
        status = clean(evidence.status or signal.status or "", 40)
        details = clean(evidence.status_details or "", 60)
        return f"{status} ({details})" if details and details != status else status

    @property
    def failed(self) -> str:
        """What failed, in a few words."""
        if self.is_ping:
            return self.say("failed.ping")
        if self.operation:
            return self.say("failed.operation", operation=self.operation)
        return self.say("failed.patching")

    @property
    def cause(self) -> str:
        return clean(self.incident.cause, 60)

    @property
    def confirmed(self) -> bool:
        diagnosis = self.incident.diagnosis
        return diagnosis is not None and diagnosis.confirmed

    def title(self, cause: str, lang: Language | None = None) -> str:
        """A cause as people call it."""
        found = self.causes.get(cause)
        if found is None:
            return clean(cause, 60)
        text = found.title.get(lang or self.lang) or found.title.get("en", cause)
        return clean(text, 120)

    def cause_in_short(self, lang: Language | None = None) -> str:
        """The cause's title, with a question mark as long as nothing confirmed it."""
        title = self.title(self.cause, lang).rstrip(".。")
        return title if self.confirmed or self.cause in ("unknown", "benign") else f"{title}?"

    @property
    def chain(self) -> str:
        """How the cause led to the failure, in one line; empty where nothing shows it."""
        diagnosis = self.incident.diagnosis
        links = diagnosis.chain if diagnosis else ()
        return chain_text(links, self.title, self.lang) if len(links) > 1 else ""

    @cached_property
    def looked(self) -> Sorted:
        """The findings, by what a reader wants of them."""
        return sort_out(self.incident.cause, self.incident.diagnosis, self.incident.findings)

    @property
    def hinting(self) -> tuple[Finding, ...]:
        """The findings that decide nothing about the cause, but say what would help."""
        return tuple(
            finding
            for finding in self.incident.findings
            if finding.verdict is Verdict.NEUTRAL
            and finding.cause == self.incident.cause
            and self.of(finding.fix)
        )

    @property
    def result_code(self) -> ResultCode | None:
        """The Windows result code that the run ended with, when its exit code is one."""
        from patchmedic.causes.hresults import explain, from_exit_code  # few notices need it

        evidence = self.incident.evidence
        platform = self.incident.platform or evidence.platform
        code = from_exit_code(evidence.response_code, platform)
        return None if code is None else explain(code)

    def result_codes(self, lines: Iterable[SupportingLine]) -> tuple[ResultCode, ...]:
        """The Windows result codes that a reader meets: the exit code's, and those in ``lines``."""
        if (self.incident.platform or self.incident.evidence.platform) not in (None, "windows"):
            return ()
        from patchmedic.causes.hresults import codes_in, explain

        ended = self.result_code
        codes = [ended.code] if ended else []
        codes += (code for line in lines for code in codes_in(line.text))
        return tuple(explain(code) for code in dict.fromkeys(codes))

    @property
    def lines(self) -> tuple[SupportingLine, ...]:
        """The lines of the output that speak for the cause."""
        for candidate in self.incident.classification.candidates:
            if candidate.cause == self.incident.cause:
                return candidate.lines
        return ()

    def remedy_title(self, remedy_id: str) -> str:
        """A remedy as people call it, with its id."""
        found = self.remedies.get(remedy_id)
        known = clean(remedy_id, 60)
        return f"{clean(self.of(found.title), 120)} ({known})" if found else known

    def at(self, moment: datetime) -> str:
        """A time for people: UTC, for Japanese readers Japan's time first."""
        utc = moment.strftime("%Y-%m-%d %H:%M:%S UTC")
        if self.lang != "ja":
            return utc
        return f"{moment.astimezone(_JST):%Y-%m-%d %H:%M:%S JST}（{utc}）"

    def took(self, span: timedelta) -> str:
        """A duration in the two units that matter."""
        seconds = max(0, int(span.total_seconds()))
        for unit, size, small, small_size in (
            ("days", 86_400, "hours", 3_600),
            ("hours", 3_600, "minutes", 60),
            ("minutes", 60, "seconds", 1),
        ):
            if seconds >= size:
                rest = seconds % size // small_size
                big = self.say(f"unit.{unit}", n=str(seconds // size))
                return f"{big} {self.say(f'unit.{small}', n=str(rest))}" if rest else big
        return self.say("unit.seconds", n=str(seconds))

    @property
    def console(self) -> dict[str, str]:
        """Pages of the AWS console by what they show; empty when they are not wanted."""
        if not self.context.console_links:
            return {}
        values = ids(self.incident)
        found = {}
        node, region = values["node_id"], values["region"]
        if known(values, "region") and known(values, "node_id"):
            base, query = f"{_console(region)}/systems-manager", f"?region={region}"
            if known(values, "command_id"):
                command = values["command_id"]
                found["console.command"] = f"{base}/run-command/{command}/{node}{query}"
            elif not node.startswith("mw-"):
                found["console.node"] = f"{base}/fleet-manager/managed-nodes/{node}/general{query}"
        own, table = self.context.region, quote(self.context.table_name, safe="")
        found["console.table"] = (
            f"{_console(own)}/dynamodbv2/home?region={own}#item-explorer?table={table}"
        )
        return found


def _console(region: str) -> str:
    if region.startswith("cn-"):
        return f"https://{region}.console.amazonaws.cn"
    if region.startswith("us-gov-"):
        return f"https://{region}.console.amazonaws-us-gov.com"
    return f"https://{region}.console.aws.amazon.com"
