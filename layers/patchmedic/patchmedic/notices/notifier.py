"""Renders a notice of an incident and sends it everywhere: ``stages.notify.Notifier``."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Literal, cast

from patchmedic.aws import Clients
from patchmedic.causes.catalogue import Catalogue
from patchmedic.incident import Incident
from patchmedic.notices.render import NoticeContext, render
from patchmedic.notices.senders import Senders
from patchmedic.remedies import load_remedies
from patchmedic.settings import Settings


class SnsNotifier:
    """People by SNS (e-mail, SMS), the pager by its topic and the event bus."""

    def __init__(
        self,
        settings: Settings,
        clients: Clients,
        catalogue: Catalogue,
        now: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._catalogue = catalogue
        self._now = now
        self._senders = Senders(
            lambda: clients.get("sns"),
            lambda: clients.get("events"),
            people_topic_arn=settings.people_topic_arn,
            pager_topic_arn=settings.pager_topic_arn,
            event_bus_name=settings.event_bus_name,
            pager_enabled=settings.pager_enabled,
        )

    def send(self, incident: Incident, notice: str, page: str | None) -> None:
        """The page first: if one of the two fails, the one that wakes somebody went out."""
        settings = self._settings
        rendered = render(
            incident,
            notice,
            settings.language,
            self._catalogue.causes,
            load_remedies(),
            incident.node_name,
            self._now(),
            NoticeContext(
                prefix=settings.prefix,
                region=incident.node.region,
                account=incident.node.account,
                table_name=settings.table_name,
                approve_function=f"{settings.prefix}-approve",
                opt_in_tag_key=settings.opt_in_key,
                opt_in_tag_value=settings.opt_in_value,
                kill_switch_parameter=settings.kill_switch_parameter,
                verify_operation=settings.verify_operation,
            ),
            page=cast(Literal["trigger", "resolve"] | None, page),
        )
        attributes = {"notice": notice, "cause": incident.cause, "node": incident.node.node_id}
        if page is not None:
            self._senders.page(rendered, attributes)
        self._senders.people(rendered, attributes)
