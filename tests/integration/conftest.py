"""The deployed stack: the real template in the embedded AWS, IAM enforced, a simulated fleet.

One cloud for the whole session: it takes a while to build and deploy.  Tests that change the
fleet use nodes of their own.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from patchmedic.cli import story
from patchmedic.cli.cloud import LocalCloud
from patchmedic.cli.project import Project
from patchmedic.incident import Incident

ROOT = Path(__file__).resolve().parents[2]
SCENARIOS = (
    ROOT / "local" / "scenarios" / "story.yaml",
    ROOT / "tests" / "integration" / "more-nodes.yaml",
)
SETTLE_SECONDS_MAX = 90.0
STORY_NODE = "i-0a1b2c3d4e5f600"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(item.fspath).is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.local)


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """A local cloud with the stack deployed into it."""
    state = tmp_path_factory.mktemp("cloud")
    with LocalCloud(Project(ROOT), SCENARIOS, state=state) as running:
        running.build(lambda text: None)
        running.deploy(lambda text: None)
        yield running


@dataclass(frozen=True)
class Night:
    """The demo's story after its end: what it left behind, before other tests add to it."""

    incidents: Mapping[tuple[str, str], Incident]
    """By node and kind."""
    sent: Sequence[Mapping[str, Any]]
    """Our SendCommand calls (the story's own patch runs come from its admin API)."""
    mails: Sequence[EmailMessage]
    pages: Sequence[Mapping[str, str]]
    files: Sequence[str]
    """The text of every outgoing message, as its receiver would have got it."""


@pytest.fixture(scope="session")
def night(cloud: LocalCloud) -> Night:
    """The demo's story, played to its end on the story's own nodes."""
    nodes = [n for n in story.nodes_of(cloud) if STORY_NODE in n.node_id]
    found = story.play(cloud, lambda text: None, SETTLE_SECONDS_MAX, nodes)
    calls = cloud.admin("GET", "calls")["calls"]
    paths = list(cloud.outbox())
    mails = [p.read_bytes() for p in paths if p.parent.name == "email"]
    pages = [p.read_text(encoding="utf-8") for p in paths if p.parent.name == "pager"]
    return Night(
        incidents={(i.node.node_id, i.kind.value): i for i in found},
        sent=[c for c in calls if c["action"] == "SendCommand" and "assumed-role" in c["caller"]],
        mails=[message_from_bytes(m, policy=policy.default) for m in mails],
        pages=[json.loads(page)["body"] for page in pages],
        files=[p.read_text(encoding="utf-8") for p in paths],
    )


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool], float], None]:
    """Wait for a condition, with a bound; fail with its name."""

    def wait(condition: Callable[[], bool], seconds_max: float) -> None:
        until = time.monotonic() + seconds_max
        while not condition():
            assert time.monotonic() < until, f"{condition.__doc__ or condition} did not come true"
            time.sleep(0.2)

    return wait
