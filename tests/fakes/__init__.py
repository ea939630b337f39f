"""In-memory fakes of every port, first-class: typed, tested, and held to the real adapters.

The suites in ``tests/contract`` run against these fakes and against the adapters that talk to AWS;
the simulator (``tests/simulation``) and the unit tests of the stages build their worlds from them.
A fake refuses what AWS refuses and is never kinder: no command to an unknown node, no comment of
more than a hundred characters, an index that may lag behind its table.
"""

from __future__ import annotations

from tests.fakes.actions import FakeActions
from tests.fakes.checks import FakeAwsChecks
from tests.fakes.clock import SimClock
from tests.fakes.commands import FakeCommands
from tests.fakes.fleet import FakeFleet, FakeNode, Fault
from tests.fakes.nodes import FakeNodes
from tests.fakes.notifier import FakeNotifier
from tests.fakes.outputs import FakeOutputs
from tests.fakes.own_causes import FakeCauseFiles, MemoryOwnCauses
from tests.fakes.queues import FakeQueues
from tests.fakes.store import MemoryStore

__all__ = [
    "FakeActions",
    "FakeAwsChecks",
    "FakeCauseFiles",
    "FakeCommands",
    "FakeFleet",
    "FakeNode",
    "FakeNodes",
    "FakeNotifier",
    "FakeOutputs",
    "FakeQueues",
    "Fault",
    "MemoryOwnCauses",
    "MemoryStore",
    "SimClock",
]
