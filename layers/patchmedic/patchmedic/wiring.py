"""Puts the adapters behind the ports, for the Lambda functions.

Made once per execution environment, when the first event comes; heavy parts (the pattern set, the
EC2 and IAM clients) only when they are used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from patchmedic.aws import Clients, made_to_stay
from patchmedic.aws_actions import NodeActions
from patchmedic.causes.catalogue import Catalogue, load_catalogue
from patchmedic.nodes import ManagedNodes
from patchmedic.output_ends import CommandOutputs
from patchmedic.playbook import policy_of
from patchmedic.queues import SqsQueues
from patchmedic.remedies import load_remedies
from patchmedic.run_command import RunCommand
from patchmedic.settings import Settings, read_settings
from patchmedic.stages.common import Context
from patchmedic.store import DynamoStore

if TYPE_CHECKING:  # loaded only where a stack has own causes
    from patchmedic.stages.own_causes import OwnCausesInForce, OwnCausesWatch
    from patchmedic.telemetry import Telemetry


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
        self._builtin = self.catalogue
        self._own_causes: OwnCausesInForce | None = None
        self.queues = SqsQueues(self.clients, self.settings.queue_urls)
        self.context = Context(
            store=DynamoStore(self.clients.lazy("dynamodb"), self.settings.table_name),
            queues=self.queues,
            commands=RunCommand(self.clients),
            outputs=CommandOutputs(
                self.clients,
                self.settings.patch_output_buckets,
                self.settings.patch_output_log_groups,
            ),
            nodes=ManagedNodes(self.clients, self.settings.kill_switch_parameter),
            actions=NodeActions(
                self.clients,
                self.settings.node_instance_profile,
                self.settings.patch_policy_roles,
            ),
            clock=SystemClock(),
            policy=policy_of(self.settings, self.catalogue, load_remedies()),
            catalogue=self.catalogue,
            prefix=self.settings.prefix,
            opt_in_key=self.settings.opt_in_key,
            opt_in_value=self.settings.opt_in_value,
        )

    def take_in_own_causes(self, telemetry: Telemetry) -> None:
        """Before each event: work with the own causes that are in force now, if there are any."""
        location = self.settings.own_causes_location
        if not location:
            return
        if self._own_causes is None:
            from patchmedic.own_causes import OwnCausesTable
            from patchmedic.stages.own_causes import OwnCausesInForce

            table = OwnCausesTable(self.clients.lazy("dynamodb"), self.settings.table_name)
            self._own_causes = OwnCausesInForce(table, self._builtin, location)
        changed, trouble = self._own_causes.refresh()
        if changed:
            self.catalogue = self._own_causes.catalogue
            self.context = replace(
                self.context,
                catalogue=self.catalogue,
                policy=policy_of(self.settings, self.catalogue, self.context.policy.remedies),
            )
            telemetry.log.info("catalogue in force", extra={"version": self.catalogue.version})
        if trouble:
            telemetry.count("OwnCausesFaults")
            telemetry.log.warning("own causes not taken in", extra={"error": trouble})

    def own_causes_watch(self) -> OwnCausesWatch | None:
        """For sweep alone, whose role may read the files; keep it between invocations."""
        settings = self.settings
        if not settings.own_causes_location:
            return None
        from patchmedic import own_causes
        from patchmedic.ports import CauseFiles
        from patchmedic.stages.own_causes import OwnCausesWatch

        places: list[CauseFiles] = []
        if settings.own_causes_layer:
            places.append(own_causes.FolderCauseFiles(own_causes.LAYER_FOLDER))
        if settings.own_causes_bucket:
            places.append(
                own_causes.S3CauseFiles(
                    self.clients, settings.own_causes_bucket, settings.own_causes_prefix
                )
            )
        table = own_causes.OwnCausesTable(self.clients.lazy("dynamodb"), settings.table_name)
        return OwnCausesWatch(
            places, table, self._builtin, settings.own_causes_location, self.context.clock
        )
