"""Puts the adapters behind the ports, for the Lambda functions.

Made once per execution environment, when the first event comes; heavy parts (the pattern set, the
EC2 and IAM clients) only when they are used.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from patchmedic.aws import Clients, made_to_stay
from patchmedic.causes.catalogue import Catalogue, load_catalogue
from patchmedic.nodes import ManagedNodes
from patchmedic.playbook import policy_of
from patchmedic.queues import SqsQueues
from patchmedic.remedies import load_remedies
from patchmedic.run_command import RunCommand
from patchmedic.settings import Settings, read_settings
from patchmedic.stages.common import Context
from patchmedic.store import DynamoStore


class SystemClock:
    """The time of the machine, in UTC."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class Service:
    """One function's settings, clients and context."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.settings: Settings = read_settings(environ)
        self.clients = Clients()
        self.region: str = environ.get("AWS_REGION") or environ["AWS_DEFAULT_REGION"]
        with made_to_stay():
            self.catalogue: Catalogue = load_catalogue()
        self.queues = SqsQueues(self.clients, self.settings.queue_urls)
        self.context = Context(
            store=DynamoStore(self.clients.lazy("dynamodb"), self.settings.table_name),
            queues=self.queues,
            commands=RunCommand(self.clients),
            nodes=ManagedNodes(self.clients, self.settings.kill_switch_parameter),
            clock=SystemClock(),
            policy=policy_of(self.settings, self.catalogue, load_remedies()),
            prefix=self.settings.prefix,
            opt_in_key=self.settings.opt_in_key,
            opt_in_value=self.settings.opt_in_value,
        )
