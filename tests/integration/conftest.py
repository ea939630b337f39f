"""The deployed stack: the real template in the embedded AWS, IAM enforced, a simulated fleet.

One cloud for the whole session: it takes a while to build and deploy.  Tests that change the
fleet use nodes of their own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

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


@pytest.fixture(scope="session")
def told(cloud: LocalCloud) -> dict[tuple[str, str], Incident]:
    """The demo's story, played to its end: incidents by node and kind."""
    found = story.play(cloud, lambda text: None, SETTLE_SECONDS_MAX)
    return {(i.node.node_id, i.kind.value): i for i in found}


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool], float], None]:
    """Wait for a condition, with a bound; fail with its name."""

    def wait(condition: Callable[[], bool], seconds_max: float) -> None:
        until = time.monotonic() + seconds_max
        while not condition():
            assert time.monotonic() < until, f"{condition.__doc__ or condition} did not come true"
            time.sleep(0.2)

    return wait
