"""The handlers' front under fuzz: every input ends in a record or a named rejection.

The handlers run as they are, with their ports over the fakes.  Whatever a body holds, nothing is
raised for it, nothing is sent to a node because of it, and its neighbours in the batch are served.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fakes import (
    FakeActions,
    FakeCommands,
    FakeFleet,
    FakeNode,
    FakeNodes,
    FakeOutputs,
    FakeQueues,
    MemoryStore,
    SimClock,
)
from tests.fakes.fleet import PREFIX
from tests.simulation.plan import OPT_IN, catalogue, policy

from patchmedic import effects
from patchmedic.model import Rejection, Skip
from patchmedic.signals import REJECTION_CODES
from patchmedic.stages import approve, remediate
from patchmedic.stages.common import Context
from patchmedic.triggers import messages

ROOT = Path(__file__).resolve().parents[2]
NODE_ID = "i-0a1b2c3d4e5f60001"
COLLECT_CODES = {"not-json", "not-an-event", "bad-field", "too-large"}
SAMPLES = sorted((ROOT / "events").rglob("*.json"))
EVENTS: list[Any] = [json.loads(path.read_text("utf-8")) for path in SAMPLES]
SLOW = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


class NoTelemetry:
    """Takes every word and says nothing."""

    def __init__(self) -> None:
        self.log = SimpleNamespace(
            info=self._say, error=self._say, warning=self._say, exception=self._say
        )

    def _say(self, message: str, **_: Any) -> None:
        assert message, "a line says something"

    def count(self, metric: str, value: int = 1) -> None:
        assert metric

    def failed(self, message: Any, error: Exception) -> None:
        """The batch goes on; the test looks at its answer."""

    def invocation(self, context: Any) -> Any:
        return _Nothing()


class _Nothing:
    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None


class Expander:
    """No association and no window here has anything to do with patching."""

    def __init__(self, *_: object) -> None:
        pass

    def expand(self, signal: Any) -> Skip:
        return Skip("not-a-patch-task", "the fake knows no such thing")

    def command_of_association(self, signal: Any) -> str | None:
        return None


class Service:
    """What ``wiring.Service`` is, over the fakes."""

    def __init__(self) -> None:
        self.clock = SimClock()
        self.store = MemoryStore()
        self.queues = FakeQueues()
        self.fleet = FakeFleet(self.clock)
        self.fleet.add(FakeNode(NODE_ID, tags=dict([OPT_IN])))
        self.catalogue = catalogue()
        self.clients = None
        self.context = Context(
            store=self.store,
            queues=self.queues,
            commands=FakeCommands(self.fleet),
            outputs=FakeOutputs(self.fleet),
            nodes=FakeNodes(self.fleet),
            actions=FakeActions(self.fleet),
            clock=self.clock,
            policy=policy(),
            catalogue=self.catalogue,
            prefix=PREFIX,
            opt_in_key=OPT_IN[0],
            opt_in_value=OPT_IN[1],
        )

    def take_in_own_causes(self, telemetry: object) -> None:
        """This stack has none."""


def load(function: str) -> ModuleType:
    """A handler's module, under a name of its own: all eight files are called app.py."""
    path = ROOT / "functions" / function / "app.py"
    spec = importlib.util.spec_from_file_location(f"fuzzed_{function}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def handlers() -> Iterator[Callable[[str], tuple[ModuleType, Service]]]:
    """A function's handler with a service over the fakes, made once a function."""
    patch = pytest.MonkeyPatch()

    @functools.cache
    def made(function: str) -> tuple[ModuleType, Service]:
        module, service = load(function), Service()
        patch.setattr(module, "_service", lambda: service)
        patch.setattr(module, "_telemetry", NoTelemetry)
        if function == "classify":
            patch.setattr(module, "SignalExpander", Expander)
        return module, service

    yield made
    patch.undo()


Handlers = Callable[[str], tuple[ModuleType, Service]]


# --- inputs --------------------------------------------------------------------------------------

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner),
    max_leaves=12,
)


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """A real event with something of it replaced, taken away or added."""
    event = json.loads(json.dumps(draw(st.sampled_from(EVENTS))))
    for _ in range(draw(st.integers(0, 3))):
        place = event
        if (
            isinstance(event, dict)
            and isinstance(event.get("detail"), dict)
            and draw(st.booleans())
        ):
            place = event["detail"]
        if not isinstance(place, dict) or not place:
            break
        key = draw(st.sampled_from(sorted(place)))
        match draw(st.sampled_from(["replace", "remove", "hostile"])):
            case "replace":
                place[key] = draw(JSON)
            case "remove":
                del place[key]
            case "hostile":
                place[key] = draw(st.sampled_from(HOSTILE))
    return event


HOSTILE = [
    "$(reboot)",
    "'; rm -rf / #",
    "{0.__class__}",
    "%s%s%n",
    "x" * 100_000,
    "i-0a1b2c3d4e5f60001\n",
    "\u0000",
    "١٢٣٤٥٦٧٨٩٠١٢",
    "2026-02-31T25:61:61Z",
    "0001-01-01T00:00:00+23:59",
    "-" * 513,
    [[[[[]]]]],
    {"a": {"b": {}}},
    1e400,
]
BODIES = st.one_of(
    st.text(max_size=200),
    st.binary(max_size=200).map(lambda raw: raw.decode("utf-8", "replace")),
    st.binary(max_size=200).map(lambda raw: raw.decode("latin-1")),
    JSON.map(json.dumps),
    mutated().map(json.dumps),
    st.sampled_from(["[" * 50_000, "9" * 10_000, "NaN", "1e999", '{"detail":' * 500, "\ufeff{}"]),
)


def batch(*bodies: str) -> dict[str, Any]:
    return {
        "Records": [
            {"messageId": f"m-{n}", "body": body, "attributes": {"ApproximateReceiveCount": "1"}}
            for n, body in enumerate(bodies)
        ]
    }


SOUND = json.loads((ROOT / "events" / "patch-command-failed.json").read_text("utf-8"))


# --- properties ----------------------------------------------------------------------------------


def is_named(outcome: dict[str, Any]) -> bool:
    """A record (an incident, a skip with its rule) or a rejection with a known code."""
    if "rejected" in outcome:
        return outcome["rejected"] in REJECTION_CODES and bool(outcome["reason"])
    if "skipped" in outcome:
        return bool(outcome["skipped"]) and bool(outcome["reason"])
    return bool(outcome["incident"])


@SLOW
@given(body=BODIES)
def test_classify_ends_every_body_in_a_record_or_a_named_rejection(
    body: str, handlers: Handlers
) -> None:
    app, service = handlers("classify")
    before = len(service.queues.rejected)
    answer = app.handler(batch(body, json.dumps(SOUND)), None)
    first, neighbour = _split(answer)
    assert neighbour == [], "the neighbour was served"
    if first:
        assert not _sqs_takes(body), "only what no dead-letter queue can hold comes back"
        return
    assert answer["outcomes"]
    assert all(is_named(outcome) for outcome in answer["outcomes"])
    if any("rejected" in outcome for outcome in answer["outcomes"]):
        kept, why = service.queues.rejected[-1]
        assert len(service.queues.rejected) == before + 1
        assert (kept, isinstance(why, Rejection)) == (body, True)


def _split(answer: dict[str, Any]) -> tuple[list[str], list[str]]:
    failed = [f["itemIdentifier"] for f in answer["batchItemFailures"]]
    return [f for f in failed if f == "m-0"], [f for f in failed if f != "m-0"]


def _sqs_takes(body: str) -> bool:
    """SQS refuses an empty body and some characters; such a body never comes out of a queue."""
    try:
        FakeQueues().send_rejected(body, Rejection("code", "reason"))
    except Exception:  # noqa: BLE001 - any refusal will do here
        return False
    return True


@SLOW
@given(body=BODIES)
def test_collect_ends_every_body_in_a_record_or_a_named_rejection(
    body: str, handlers: Handlers
) -> None:
    app, service = handlers("collect")
    sent = len(service.fleet.commands)
    answer = app.handler(batch(body, json.dumps(SOUND)), None)
    first, neighbour = _split(answer)
    assert neighbour == []
    if first:
        assert not _sqs_takes(body)
        return
    outcome = answer["outcomes"][0]
    assert outcome.get("rejected") in COLLECT_CODES or outcome["done"]
    assert len(service.fleet.commands) == sent


@SLOW
@given(body=BODIES)
def test_an_effect_queue_carries_out_nothing_that_was_not_stored(
    body: str, handlers: Handlers
) -> None:
    _, service = handlers("collect")
    sent = len(service.fleet.commands)
    answer = effects.handle_effects(
        batch(body, '{"effect_id": "pm-0123456789abcdef-01"}'),
        None,
        NoTelemetry(),  # type: ignore[arg-type]
        lambda effect_id: remediate.carry_out(service.context, effect_id),
    )
    assert answer["batchItemFailures"] == []
    first, second = answer["outcomes"]
    assert first.get("rejected") in ("not-json", "bad-effect-id") or first["done"]
    assert second["done"] == "nothing to do"
    assert len(service.fleet.commands) == sent


@SLOW
@given(event=JSON | mutated())
def test_approve_answers_every_payload(event: Any, handlers: Handlers) -> None:
    app, service = handlers("approve")
    answer = app.handler(event, None)
    assert answer["decided"] is False, "no proposal waits here"
    assert answer["detail"]
    assert isinstance(approve.parse_answer(event), Rejection | approve.Answer)
    assert not service.store.all()


@SLOW
@given(event=JSON | st.fixed_dictionaries({"Records": st.lists(JSON, max_size=4)}))
def test_any_event_is_taken_apart_into_messages(event: Any) -> None:
    found = list(messages(event))
    assert all(isinstance(message.body, str) for message in found)
    if isinstance(event, dict) and isinstance(event.get("Records"), list):
        assert len(found) == len(event["Records"])
    else:
        assert len(found) == 1
