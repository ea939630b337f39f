"""Files kept with an incident: by the diagnose stage, and for the operator's command."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.fakes import FakeAwsChecks, MemoryStore
from tests.unit.incident_samples import opened
from tests.unit.test_stages import Bench

from patchmedic.cli import attachments
from patchmedic.cli.main import cli
from patchmedic.errors import AwsUnavailable
from patchmedic.incident import Incident
from patchmedic.model import NodeRef
from patchmedic.ports import Attachment, Look, TimelineEntry
from patchmedic.stages import diagnose

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
TEXT = Attachment("console.txt", "text/plain", b"Kernel panic", NOW)
IMAGE = Attachment("console.jpg", "image/jpeg", b"\xff\xd8\xff\x00", NOW)


# --- the stage ---------------------------------------------------------------------------------


class Seeing(FakeAwsChecks):
    """The AWS side, with something to keep each time it looks."""

    def run(self, node: NodeRef, names: Sequence[str], incident: Incident, now: datetime) -> Look:
        return replace(super().run(node, names, incident, now), attachments=(TEXT, IMAGE))


def test_what_the_aws_side_saw_is_kept_with_the_incident() -> None:
    bench = Bench()
    bench.classify(bench.failed_run())
    awaited = bench.awaited()
    diagnose.carry_out(bench.ctx, Seeing(bench.fleet), awaited)
    number = awaited.rpartition("-")[2]
    assert bench.store.attachments(bench.incident().id) == (
        replace(IMAGE, name=f"{number}-console.jpg"),
        replace(TEXT, name=f"{number}-console.txt"),
    )


def test_no_finding_speaks_of_a_file_that_was_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The store fails: the look is done again later, and nothing was said meanwhile."""
    bench = Bench()
    bench.classify(bench.failed_run())

    def down(incident_id: str, attachment: Attachment) -> None:
        raise AwsUnavailable("PutItem", "InternalServerError", "down")

    monkeypatch.setattr(bench.store, "attach", down)
    with pytest.raises(AwsUnavailable):
        diagnose.carry_out(bench.ctx, Seeing(bench.fleet), bench.awaited())
    assert bench.incident().findings == ()


# --- the command -------------------------------------------------------------------------------


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> tuple[MemoryStore, str]:
    store, incident = MemoryStore(), opened()
    store.create(incident, (), TimelineEntry(NOW, "test", "opened"))
    monkeypatch.setattr(attachments, "open_store", lambda stack, table: store)
    return store, incident.id


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["attachments", *arguments])


def test_the_files_are_listed(kept: tuple[MemoryStore, str]) -> None:
    store, incident_id = kept
    assert run(incident_id).output == f"no files were kept with {incident_id}\n"
    store.attach(incident_id, replace(TEXT, name="02-console.txt"))
    assert run(incident_id).output == (
        "02-console.txt  text/plain  12 bytes  2026-11-22 12:00:00 UTC\n"
    )
    (plain,) = json.loads(run(incident_id, "--json").output)
    assert plain == {
        "name": "02-console.txt",
        "media_type": "text/plain",
        "bytes": 12,
        "taken_at": "2026-11-22T12:00:00+00:00",
    }


def test_the_files_are_saved_for_their_reader_alone(
    kept: tuple[MemoryStore, str], tmp_path: Path
) -> None:
    store, incident_id = kept
    store.attach(incident_id, replace(IMAGE, name="02-console.jpg"))
    assert run(incident_id, "--save", str(tmp_path)).exit_code == 0
    (saved,) = tmp_path.iterdir()
    assert saved.name == f"{incident_id}-02-console.jpg"
    assert saved.read_bytes() == IMAGE.content
    assert saved.stat().st_mode & 0o777 == 0o600
    again = run(incident_id, "--save", str(tmp_path))
    assert again.exit_code == 1
    assert "exists" in again.output


@pytest.mark.parametrize("name", ["../../evil", "a/b", "A.txt", "x\n.txt"])
def test_no_name_leads_out_of_the_folder(
    kept: tuple[MemoryStore, str], tmp_path: Path, name: str
) -> None:
    store, incident_id = kept
    store.attach(incident_id, replace(TEXT, name=name))
    folder = tmp_path / "in"
    folder.mkdir()
    found = run(incident_id, "--save", str(folder))
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []
    assert found.exit_code == 1


def test_an_incident_that_does_not_exist_is_said(kept: tuple[MemoryStore, str]) -> None:
    found = run("pm-ffffffffffffffff")
    assert found.exit_code == 3
    assert "there is no incident" in found.output
