"""``ports.CauseFiles`` and ``ports.OwnCausesStore``: fake and real ones answer alike.

Real are a folder, an S3 prefix and the table's item, the last two in the local cloud.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.contract.conftest import REGION, LocalCloud
from tests.fakes import FakeCauseFiles, MemoryOwnCauses

from patchmedic.aws import Clients
from patchmedic.errors import AwsDenied, AwsError, AwsRejected, AwsUnavailable
from patchmedic.own_causes import FolderCauseFiles, OwnCausesTable, S3CauseFiles
from patchmedic.ports import CauseFile, CauseFiles, OwnCausesRecord, OwnCausesStore


@dataclass(frozen=True, slots=True)
class Place:
    """A place for files, and the ways to fill it."""

    files: CauseFiles
    put: Callable[[str, bytes], None]
    remove: Callable[[str], None]


def _fake() -> Place:
    fake = FakeCauseFiles()
    return Place(fake, fake.files.__setitem__, fake.files.__delitem__)


def _folder(folder: Path) -> Place:
    def put(name: str, content: bytes) -> None:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)

    return Place(FolderCauseFiles(folder), put, lambda name: (folder / name).unlink())


def _s3(cloud: LocalCloud) -> Place:
    client = cloud.clients.get("s3")
    bucket, prefix = f"own-{uuid.uuid4().hex[:12]}", "patching/causes/"
    client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    client.put_object(Bucket=bucket, Key="own-outside.toml", Body=b"not under the prefix")
    client.put_object(Bucket=bucket, Key="patching/causes-old/own-old.toml", Body=b"nor this")

    def put(name: str, content: bytes) -> None:
        client.put_object(Bucket=bucket, Key=prefix + name, Body=content)

    def remove(name: str) -> None:
        client.delete_object(Bucket=bucket, Key=prefix + name)

    return Place(S3CauseFiles(cloud.clients, bucket, prefix), put, remove)


@pytest.fixture(params=["fake", "folder", "local cloud"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "fake":
        return _fake()
    if request.param == "folder":
        return _folder(tmp_path)
    return _s3(request.getfixturevalue("local_cloud"))


def listed(place: Place) -> dict[str, CauseFile]:
    folder = place.files.list()
    assert folder.complete
    return {file.name: file for file in folder.files}


def test_an_empty_place_has_nothing(place: Place) -> None:
    assert listed(place) == {}


def test_cause_files_are_listed_by_name_and_size_and_nothing_else_is(place: Place) -> None:
    place.put("own-b.toml", b"bb")
    place.put("own-a.toml", b"a")
    place.put("README.md", b"no cause")
    found = listed(place)
    assert {name: file.size for name, file in found.items()} == {"own-a.toml": 1, "own-b.toml": 2}
    place.remove("own-a.toml")
    assert listed(place).keys() == {"own-b.toml"}


def test_files_in_folders_below_do_not_count(place: Place) -> None:
    if isinstance(place.files, FakeCauseFiles):
        pytest.skip("the fake has no folders")
    place.put("old/own-a.toml", b"a")
    assert listed(place) == {}


def test_a_mark_changes_with_the_content_alone(place: Place) -> None:
    place.put("own-a.toml", b"one")
    first = listed(place)["own-a.toml"].mark
    assert listed(place)["own-a.toml"].mark == first
    place.put("own-a.toml", b"two")
    assert listed(place)["own-a.toml"].mark != first


def test_a_file_is_read_up_to_a_bound(place: Place) -> None:
    content = bytes(range(256)) * 40
    place.put("own-a.toml", content)
    assert place.files.read("own-a.toml", len(content)) == content
    assert place.files.read("own-a.toml", len(content) + 1) == content
    assert place.files.read("own-a.toml", 100) == content[:100]
    place.put("own-empty.toml", b"")
    assert place.files.read("own-empty.toml", 100) == b""


def test_a_file_that_is_gone_is_a_named_error(place: Place) -> None:
    if isinstance(place.files, FolderCauseFiles):
        pytest.skip("a folder's error is the operating system's")
    with pytest.raises(AwsRejected) as refused:
        place.files.read("own-a.toml", 100)
    assert refused.value.code == "NoSuchKey"


def test_a_bucket_that_does_not_exist_is_a_named_error(local_cloud: LocalCloud) -> None:
    with pytest.raises(AwsRejected) as refused:
        S3CauseFiles(local_cloud.clients, f"own-{uuid.uuid4().hex}", "causes/").list()
    assert refused.value.code == "NoSuchBucket"


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [(403, "AccessDenied", AwsDenied), (503, "SlowDown", AwsError), (500, "x", AwsUnavailable)],
)
def test_what_s3_answers_otherwise_is_a_named_error_after_one_try(
    status: int, code: str, kind: type[AwsError]
) -> None:
    client = _RefusingClient(status, code)
    with pytest.raises(kind):
        S3CauseFiles(_ClientsOf(client), "b", "p/").list()
    with pytest.raises(kind):
        S3CauseFiles(_ClientsOf(client), "b", "p/").read("own-a.toml", 10)
    assert client.asked == [("s3", True)] * 2


class _ClientsOf(Clients):
    def __init__(self, client: Any) -> None:
        super().__init__()
        self._client = client

    def get(self, service: str, region: str | None = None, *, one_try: bool = False) -> Any:
        self._client.asked.append((service, one_try))
        return self._client


class _RefusingClient:
    def __init__(self, status: int, code: str) -> None:
        self.asked: list[tuple[str, bool]] = []
        self._answer = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}

    def _refuse(self, **arguments: Any) -> Any:
        from botocore.exceptions import ClientError

        raise ClientError(self._answer, "call")  # type: ignore[arg-type]

    list_objects_v2 = get_object = _refuse


# --- the record ----------------------------------------------------------------------------------


@pytest.fixture(params=["fake", "local cloud"])
def store(request: pytest.FixtureRequest) -> OwnCausesStore:
    if request.param == "fake":
        return MemoryOwnCauses()
    client, table = request.getfixturevalue("table")
    client.delete_item(TableName=table, Key={"pk": {"S": "OWNCAUSES"}, "sk": {"S": "IN-FORCE"}})
    return OwnCausesTable(client, table)


RECORD = OwnCausesRecord(
    stamp="one",
    location="s3://b/p/",
    state="state",
    builtin="0123456789ab",
    content=bytes(range(256)),
    problems=("own-x.toml:3: 理由", "own-y.toml: x"),
)


def test_there_is_no_record_before_one_is_saved(store: OwnCausesStore) -> None:
    assert store.stamp() is None
    assert store.load() is None


def test_a_record_comes_back_as_it_was_and_the_last_one_counts(store: OwnCausesStore) -> None:
    store.save(RECORD)
    assert (store.stamp(), store.load()) == ("one", RECORD)
    other = OwnCausesRecord("two", "", "s", "b", b"", ())
    store.save(other)
    assert (store.stamp(), store.load()) == ("two", other)


def test_a_record_as_large_as_the_bounds_allow_is_taken(store: OwnCausesStore) -> None:
    large = OwnCausesRecord("s", "l", "s", "b", b"x" * 330_000, ("p" * 400,) * 50)
    store.save(large)
    assert store.load() == large
