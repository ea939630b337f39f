"""How the functions come to own causes: the service of each, and sweep's look at the files."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from cloudformation import ROOT
from incident_samples import NOW
from tests.fakes import (
    FakeActions,
    FakeCauseFiles,
    FakeCommands,
    FakeFleet,
    FakeNodes,
    FakeOutputs,
    FakeQueues,
    MemoryOwnCauses,
    MemoryStore,
    SimClock,
)
from tests.simulation.plan import OPT_IN, policy

from patchmedic import own_causes
from patchmedic.causes.catalogue import load_catalogue
from patchmedic.errors import AwsUnavailable
from patchmedic.settings import read_settings
from patchmedic.stages.common import Context
from patchmedic.stages.own_causes import LOOK_EVERY_SECONDS, OwnCausesWatch
from patchmedic.wiring import Service

ENVIRON = {
    "PREFIX": "patchmedic",
    "TABLE_NAME": "table",
    "OPT_IN_TAG_KEY": "k",
    "OPT_IN_TAG_VALUE": "v",
    "AWS_REGION": "ap-northeast-1",
}
BUCKET = {"OWN_CAUSES_BUCKET": "b", "OWN_CAUSES_PREFIX": "p/"}
LAYER = {"OWN_CAUSES_LAYER": "arn:aws:lambda:ap-northeast-1:123456789012:layer:own:3"}
NO_REMEDY = b'id = "disk-full"\nextends = true\nremedies = []\n'
BAD = b'id = "payload-corrupt"\nextends = true\ngrup = "x"\n'
FUNCTIONS = ("classify", "collect", "diagnose", "notify", "remediate", "sweep")


class Recorder:
    """A telemetry that remembers."""

    def __init__(self) -> None:
        self.counted: list[tuple[str, int]] = []
        self.said: list[tuple[str, str, Any]] = []
        self.log = SimpleNamespace(
            info=lambda text, **more: self.said.append(("info", text, more)),
            warning=lambda text, **more: self.said.append(("warning", text, more)),
        )

    def count(self, metric: str, value: int = 1) -> None:
        self.counted.append((metric, value))

    @contextmanager
    def invocation(self, context: Any) -> Iterator[None]:
        yield

    def failed(self, message: object, error: Exception) -> None:
        raise error

    def warnings(self) -> list[str]:
        return [str(said) for said in self.said if said[0] == "warning"]

    def faults(self) -> list[int]:
        return [value for metric, value in self.counted if metric == "OwnCausesFaults"]


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> MemoryOwnCauses:
    """Stands in the place of the table's item."""
    store = MemoryOwnCauses()
    monkeypatch.setattr(own_causes, "OwnCausesTable", lambda client, table_name: store)
    return store


def put(store: MemoryOwnCauses, location: str, **files: bytes) -> None:
    raw = {f"{name.replace('_', '-')}.toml": content for name, content in files.items()}
    place, builtin = FakeCauseFiles(raw), load_catalogue()
    OwnCausesWatch([place], store, builtin, location, SimClock(NOW)).look()


@pytest.mark.parametrize(
    ("environ", "location"),
    [
        ({}, ""),
        ({"OWN_CAUSES_PREFIX": "p/"}, ""),
        (BUCKET, "s3://b/p/"),
        (LAYER, LAYER["OWN_CAUSES_LAYER"]),
        ({**BUCKET, **LAYER}, f"{LAYER['OWN_CAUSES_LAYER']} and s3://b/p/"),
    ],
)
def test_where_own_causes_are_is_one_text(environ: dict[str, str], location: str) -> None:
    assert read_settings({**ENVIRON, **environ}).own_causes_location == location


def test_decisions_words_and_classifier_change_together(table: MemoryOwnCauses) -> None:
    service, telemetry = Service({**ENVIRON, **BUCKET}), Recorder()
    service.take_in_own_causes(telemetry)  # type: ignore[arg-type]
    assert service.context.policy.plans["disk-full"].remedies == ("free-disk-space",)
    put(table, "s3://b/p/", disk_full=NO_REMEDY)
    service.take_in_own_causes(telemetry)  # type: ignore[arg-type]
    policy, catalogue = service.context.policy, service.context.catalogue
    assert policy.plans["disk-full"].remedies == ()
    assert catalogue is service.catalogue
    assert catalogue.causes["disk-full"].remedies == ()
    assert policy.catalogue_version == catalogue.version
    assert "+" in catalogue.version
    assert not telemetry.faults()


def test_a_stack_without_own_causes_asks_nobody(table: MemoryOwnCauses) -> None:
    put(table, "s3://b/p/", disk_full=NO_REMEDY)
    table.broken = AwsUnavailable("GetItem", "x", "must not be asked")
    service = Service(ENVIRON)
    context = service.context
    service.take_in_own_causes(Recorder())  # type: ignore[arg-type]
    assert service.context is context
    assert service.own_causes_watch() is None


def test_a_table_that_fails_later_is_said_and_stops_nothing(table: MemoryOwnCauses) -> None:
    put(table, "s3://b/p/", disk_full=NO_REMEDY)
    service, telemetry = Service({**ENVIRON, **BUCKET}), Recorder()
    service.take_in_own_causes(telemetry)  # type: ignore[arg-type]
    table.broken = AwsUnavailable("GetItem", "InternalServerError", "x")
    service.take_in_own_causes(telemetry)  # type: ignore[arg-type]
    assert telemetry.faults() == [1]
    assert "InternalServerError" in telemetry.warnings()[0]
    assert service.catalogue.causes["disk-full"].remedies == ()


@pytest.mark.parametrize(
    ("environ", "kinds"),
    [
        (BUCKET, [own_causes.S3CauseFiles]),
        (LAYER, [own_causes.FolderCauseFiles]),
        ({**BUCKET, **LAYER}, [own_causes.FolderCauseFiles, own_causes.S3CauseFiles]),
    ],
)
def test_the_bucket_comes_after_the_layer(environ: dict[str, str], kinds: list[type]) -> None:
    watch = Service({**ENVIRON, **environ}).own_causes_watch()
    assert watch is not None
    assert [type(place) for place in watch._places] == kinds


def test_a_function_without_own_causes_does_not_even_load_what_reads_them() -> None:
    code = (
        "import sys; from patchmedic.wiring import Service;"
        f"Service({ENVIRON!r}).take_in_own_causes(None);"
        "names = ('own', 'source', 'validator', 'literals');"
        "print([m for m in sys.modules if m.startswith('patchmedic') and "
        "m.rpartition('.')[2] in (*names, 'own_causes')])"
    )
    command = [sys.executable, "-c", _COMPILED + code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


_COMPILED = """
from patchmedic.causes import catalogue
catalogue.load_catalogue = lambda: catalogue.Catalogue({}, (), "as compiled")
"""
"""The layer has the catalogue compiled; reading the TOML files needs their validator."""


# --- the handlers --------------------------------------------------------------------------------


def load(function: str) -> ModuleType:
    path = ROOT / "functions" / function / "app.py"
    spec = importlib.util.spec_from_file_location(f"own_causes_{function}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class FakeService:
    """What ``wiring.Service`` is to a handler, over the fakes."""

    def __init__(self, files: FakeCauseFiles, store: MemoryOwnCauses) -> None:
        clock, fleet = SimClock(NOW), FakeFleet(SimClock(NOW))
        self.region, self.clients, self.taken_in = "ap-northeast-1", None, 0
        self.context = Context(
            store=MemoryStore(),
            queues=FakeQueues(),
            commands=FakeCommands(fleet),
            outputs=FakeOutputs(fleet),
            nodes=FakeNodes(fleet),
            actions=FakeActions(fleet),
            clock=clock,
            policy=policy(),
            catalogue=load_catalogue(),
            prefix="patchmedic",
            opt_in_key=OPT_IN[0],
            opt_in_value=OPT_IN[1],
        )
        self.clock = clock
        self._watch = OwnCausesWatch([files], store, load_catalogue(), "s3://b/p/", clock)

    def take_in_own_causes(self, telemetry: object) -> None:
        self.taken_in += 1

    def own_causes_watch(self) -> OwnCausesWatch:
        return self._watch


class LambdaContext:
    """What Lambda tells a handler about its invocation."""

    invoked_function_arn = "arn:aws:lambda:ap-northeast-1:123456789012:function:patchmedic-sweep"
    aws_request_id = "x"

    def __init__(self, left_seconds: int = 60) -> None:
        self._left = left_seconds

    def get_remaining_time_in_millis(self) -> int:
        return self._left * 1000


class Sweep:
    """Sweep's handler over fakes."""

    def __init__(self, **files: bytes) -> None:
        raw = {f"{name.replace('_', '-')}.toml": content for name, content in files.items()}
        self.files, self.store, self.telemetry = FakeCauseFiles(raw), MemoryOwnCauses(), Recorder()
        self.service = FakeService(self.files, self.store)
        self._app = load("sweep")
        self._app._service = lambda: self.service  # type: ignore[attr-defined]
        self._app._telemetry = lambda: self.telemetry  # type: ignore[attr-defined]

    def tick(self, event: object = None, left_seconds: int = 60) -> Any:
        return self._app.handler(event, LambdaContext(left_seconds))


def test_sweep_looks_at_once_then_every_five_minutes_and_when_asked() -> None:
    sweep = Sweep(disk_full=NO_REMEDY)
    sweep.tick()
    assert sweep.store.record is not None
    assert sweep.telemetry.faults() == [0], "that all is well is said, too"
    sweep.tick()
    assert sweep.telemetry.faults() == [0]
    sweep.tick({"look_at_own_causes": True})
    assert sweep.telemetry.faults() == [0, 0]
    sweep.service.clock.forward(timedelta(seconds=LOOK_EVERY_SECONDS))
    sweep.tick()
    assert sweep.telemetry.faults() == [0, 0, 0]


def test_sweep_says_which_file_is_not_in_force_and_why() -> None:
    sweep = Sweep(disk_full=NO_REMEDY, payload_corrupt=BAD)
    swept = sweep.tick()
    assert swept["failed"] == 0
    assert sweep.telemetry.faults() == [1]
    (warning,) = sweep.telemetry.warnings()
    assert "payload-corrupt.toml:3: grup: is not a known key" in warning


@pytest.mark.parametrize(
    "broken", [AwsUnavailable("ListObjectsV2", "x", "no way"), KeyError("bug")]
)
def test_an_s3_that_fails_is_said_and_the_sweep_goes_on(broken: Any) -> None:
    sweep = Sweep(disk_full=NO_REMEDY)
    sweep.tick()
    before = sweep.store.record
    sweep.files.broken = broken
    assert "hinted" in sweep.tick({"look_at_own_causes": True})
    assert sweep.telemetry.faults() == [0, 1]
    assert "own causes could not be looked at" in sweep.telemetry.warnings()[0]
    assert sweep.store.record == before


def test_sweep_does_not_begin_a_look_that_it_could_not_end() -> None:
    sweep = Sweep(disk_full=NO_REMEDY)
    sweep.tick(left_seconds=30)
    assert sweep.store.record is None
    sweep.tick(left_seconds=50)
    assert sweep.store.record is not None


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_function_that_decides_classifies_or_tells_takes_own_causes_in(
    function: str,
) -> None:
    app, service = load(function), FakeService(FakeCauseFiles(), MemoryOwnCauses())
    app._service = lambda: service  # type: ignore[attr-defined]
    app._telemetry = Recorder  # type: ignore[attr-defined]
    app.handler({"Records": []}, LambdaContext())
    assert service.taken_in == 1


def test_the_others_neither_classify_nor_decide_by_the_catalogue() -> None:
    """approve carries out what was proposed, watch decides nothing."""
    others = {path.parent.name for path in ROOT.glob("functions/*/app.py")} - set(FUNCTIONS)
    assert others == {"approve", "watch"}
