"""The two local clouds that the tests here share: the story's fleet and the healthy one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cloud_process import Cloud


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """The story's fleet and the healthy one, shared; a test uses nodes that no other test uses."""
    running = Cloud(tmp_path_factory.mktemp("cloud"), "story")
    yield running
    problems = running.admin("health")["problems"]
    running.stop()
    assert problems == [], "the local cloud answered outside botocore's model, or failed inside"


@pytest.fixture(scope="session")
def well(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A fleet in which nothing is wrong."""
    running = Cloud(tmp_path_factory.mktemp("well"), "healthy")
    yield running
    problems = running.admin("health")["problems"]
    running.stop()
    assert problems == []
