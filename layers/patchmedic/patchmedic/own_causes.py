"""Where customers' own causes come from, and how the functions hand them to each other.

Here: the files of an S3 prefix and of a folder (a Lambda layer's, or one that a person names to
the command), and the table's item with the own causes that are in force.  Not here: what the files
may say (``causes.own``) and when they are looked at (``stages.own_causes``).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from patchmedic.aws import Clients, call
from patchmedic.causes.catalogue import Catalogue
from patchmedic.causes.own import FILE_BYTES_MAX, OwnCauses, choose, read_own
from patchmedic.ports import CauseFile, CauseFolder, OwnCausesRecord

if TYPE_CHECKING:  # only who reads files needs what reads them
    from patchmedic.causes.source import Problem

LAYER_FOLDER: Final = Path("/opt/patchmedic/causes")
"""Where Lambda puts the folder ``patchmedic/causes`` of a layer."""
SUFFIX: Final = ".toml"
OBJECTS_MAX: Final = 1_000
"""What one ListObjectsV2 returns at most."""
_KEY: Final = {"pk": {"S": "OWNCAUSES"}, "sk": {"S": "IN-FORCE"}}


class S3CauseFiles:
    """``ports.CauseFiles`` over an S3 prefix: the objects right under it, not in folders below."""

    def __init__(self, clients: Clients, bucket: str, prefix: str) -> None:
        self._clients = clients
        self._bucket = bucket
        self._prefix = prefix

    def list(self) -> CauseFolder:
        """What lies there; one call, tried once: whoever asks will ask again."""
        page = call(
            "ListObjectsV2",
            self._client.list_objects_v2,
            Bucket=self._bucket,
            Prefix=self._prefix,
            Delimiter="/",
            MaxKeys=OBJECTS_MAX,
        )
        found = [
            CauseFile(item["Key"].removeprefix(self._prefix), int(item["Size"]), item["ETag"])
            for item in page.get("Contents", ())
            if item["Key"].endswith(SUFFIX)
        ]
        return CauseFolder(tuple(found), complete=not page.get("IsTruncated", False))

    def read(self, name: str, bytes_max: int) -> bytes:
        """The first ``bytes_max`` bytes of a file."""

        def get() -> bytes:
            body = self._client.get_object(Bucket=self._bucket, Key=self._prefix + name)["Body"]
            try:
                return bytes(body.read(bytes_max))
            finally:
                body.close()

        return bytes(call("GetObject", get))

    @property
    def _client(self) -> Any:
        return self._clients.get("s3", one_try=True)


class FolderCauseFiles:
    """``ports.CauseFiles`` over a folder of this machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def list(self) -> CauseFolder:
        """What lies there; nothing when there is no such folder."""
        files = []
        for path in sorted(self._folder.glob(f"*{SUFFIX}")):
            if path.is_file():
                stat = path.stat()
                files.append(CauseFile(path.name, stat.st_size, str(stat.st_mtime_ns)))
        return CauseFolder(tuple(files))

    def read(self, name: str, bytes_max: int) -> bytes:
        """The first ``bytes_max`` bytes of a file."""
        with (self._folder / name).open("rb") as file:
            return file.read(bytes_max)


def read_folder(folder: Path, builtin: Catalogue) -> tuple[OwnCauses, tuple[Problem, ...]]:
    """The own causes in a folder, at once: for the command, which has no table."""
    place = FolderCauseFiles(folder)
    chosen, refused = choose({file.name: file.size for file in place.list().files})
    files = {name: place.read(name, FILE_BYTES_MAX + 1) for name in chosen}
    return read_own(files, builtin, refused)


class OwnCausesTable:
    """``ports.OwnCausesStore`` over one item of the stack's table."""

    def __init__(self, client: Any, table_name: str) -> None:
        self._client = client
        self._table = table_name

    def stamp(self) -> str | None:
        """Which own causes are in force, without their content."""
        item = self._get(ProjectionExpression="stamp")
        return str(item["stamp"]["S"]) if item else None

    def load(self) -> OwnCausesRecord | None:
        """The own causes that are in force; ``None`` before anybody read them."""
        item = self._get()
        if not item:
            return None
        return OwnCausesRecord(
            stamp=item["stamp"]["S"],
            location=item["location"]["S"],
            state=item["state"]["S"],
            builtin=item["builtin"]["S"],
            content=bytes(item["content"]["B"]),
            problems=tuple(problem["S"] for problem in item["problems"]["L"]),
        )

    def save(self, record: OwnCausesRecord) -> None:
        """Put the own causes in force, for every function that asks from now on."""
        item = {
            **_KEY,
            "stamp": {"S": record.stamp},
            "location": {"S": record.location},
            "state": {"S": record.state},
            "builtin": {"S": record.builtin},
            "content": {"B": record.content},
            "problems": {"L": [{"S": problem} for problem in record.problems]},
        }
        call("PutItem", self._client.put_item, TableName=self._table, Item=item)

    def _get(self, **arguments: Any) -> dict[str, Any] | None:
        """The item as it is now: what was saved a moment ago counts."""
        response = call(
            "GetItem",
            self._client.get_item,
            TableName=self._table,
            Key=_KEY,
            ConsistentRead=True,
            **arguments,
        )
        item: dict[str, Any] | None = response.get("Item")
        return item
