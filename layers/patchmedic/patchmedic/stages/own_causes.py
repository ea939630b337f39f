"""Customers' own causes on their way: sweep reads them, all others use what it read.

One function looks at the files, so that one role may read them, one log says what is wrong with
them, and nobody's work waits for S3.  What it read goes into the table, in one item; every other
function asks for that item's stamp before each event.  So all functions see the same causes, a
failure of S3 leaves in force what was read last, and a cold start costs one GetItem.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from patchmedic.causes.catalogue import Catalogue
from patchmedic.causes.own import (
    FILE_BYTES_MAX,
    OwnCauses,
    OwnCausesUnreadable,
    choose,
    fitting,
    merge,
    pack,
    read_own,
    unpack,
)
from patchmedic.errors import AwsError, PatchMedicError
from patchmedic.ports import CauseFile, CauseFiles, Clock, OwnCausesRecord, OwnCausesStore

LOOK_EVERY_SECONDS: Final = 290
"""A little less than five minutes, for sweep's ticks come by the minute."""
READ_SECONDS_MAX: Final = 20
"""For all files together, so that a slow S3 never keeps sweep from ending in time."""
PROBLEMS_KEPT_MAX: Final = 50
PROBLEM_CHARACTERS_MAX: Final = 400


class OwnCausesTooSlow(PatchMedicError):
    """The files could not be read in time; what was in force stays."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look at the files found."""

    changed: bool
    """True when other own causes are in force from now on."""
    problems: tuple[str, ...]
    """One a line, each with its file: what is not in force, and why."""


class OwnCausesWatch:
    """Reads the files again when they changed; kept from one invocation to the next."""

    def __init__(
        self,
        places: Sequence[CauseFiles],
        store: OwnCausesStore,
        builtin: Catalogue,
        location: str,
        clock: Clock,
    ) -> None:
        """A file in a later one of ``places`` takes the place of an earlier one's namesake."""
        self._places = places
        self._store = store
        self._builtin = builtin
        self._location = location
        self._clock = clock
        self._looked_at: datetime | None = None
        self._read_once = False
        """A new version of the library reads everything anew, and so does a new process."""

    def due(self) -> bool:
        """Whether it is time for another look; after one that failed it is at once."""
        last = self._looked_at
        return last is None or self._clock.now() - last >= timedelta(seconds=LOOK_EVERY_SECONDS)

    def look(self) -> Looked:
        """Look at the files, and put in force what is new.

        Raises ``AwsError`` or ``OwnCausesTooSlow`` when not all could be read: then everything
        stays as it was, for half of the files may say something that nobody meant.
        """
        self._looked_at = None
        began = self._clock.now()
        found, incomplete = self._list()
        state = self._state(found)
        before = self._store.load()
        if self._read_once and before is not None and before.state == state:
            self._looked_at = began
            return Looked(False, before.problems)
        own, problems = self._read(found, began + timedelta(seconds=READ_SECONDS_MAX))
        content = pack(own)
        record = OwnCausesRecord(
            stamp=_short(self._location, self._builtin.version, content.hex()),
            location=self._location,
            state=state,
            builtin=self._builtin.version,
            content=content,
            problems=(*incomplete, *problems)[:PROBLEMS_KEPT_MAX],
        )
        if record != before:
            self._store.save(record)
        self._looked_at, self._read_once = began, True
        return Looked(before is None or before.stamp != record.stamp, record.problems)

    def _list(self) -> tuple[dict[str, tuple[CauseFile, CauseFiles]], tuple[str, ...]]:
        found: dict[str, tuple[CauseFile, CauseFiles]] = {}
        incomplete: list[str] = []
        for place in self._places:
            folder = place.list()
            found |= {file.name: (file, place) for file in folder.files}
            if not folder.complete:
                text = "holds more objects than one look takes; keep only cause files there"
                incomplete.append(f"{self._location}: {text}")
        return found, tuple(incomplete)

    def _state(self, found: dict[str, tuple[CauseFile, CauseFiles]]) -> str:
        """One text for all that the result depends on."""
        files = [f"{name} {found[name][0].size} {found[name][0].mark}" for name in sorted(found)]
        return _short(self._location, self._builtin.version, *files)

    def _read(
        self, found: dict[str, tuple[CauseFile, CauseFiles]], until: datetime
    ) -> tuple[OwnCauses, tuple[str, ...]]:
        chosen, refused = choose({name: file.size for name, (file, _) in found.items()})
        files: dict[str, bytes] = {}
        for name in chosen:
            if self._clock.now() > until:
                raise OwnCausesTooSlow(
                    f"reading {len(chosen)} files of own causes takes more than "
                    f"{READ_SECONDS_MAX} seconds; what was in force stays, try again later"
                )
            files[name] = found[name][1].read(name, FILE_BYTES_MAX + 1)
        own, problems = read_own(files, self._builtin, refused)
        return own, tuple(str(problem)[:PROBLEM_CHARACTERS_MAX] for problem in problems)


def _short(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


class OwnCausesInForce:
    """The catalogue with the own causes that were read last; kept between invocations."""

    def __init__(self, store: OwnCausesStore, builtin: Catalogue, location: str) -> None:
        self._store = store
        self._builtin = builtin
        self._location = location
        self._stamp: str | None = None
        self._asked = False
        self.catalogue = builtin

    def refresh(self) -> tuple[bool, str | None]:
        """Ask the table: whether the catalogue is another one now, and what was wrong.

        An ``AwsError`` goes to the caller only while nothing is known: without the table, no
        function can do anything.  Later the causes stay as they are.
        """
        try:
            stamp = self._store.stamp()
            if self._asked and stamp == self._stamp:
                return False, None
            record = self._store.load() if stamp else None
        except AwsError as error:
            if not self._asked:
                raise
            return False, f"the own causes in force could not be asked for: {error}"
        trouble: str | None = None
        catalogue = self._builtin
        if record is not None and record.location == self._location:
            try:
                catalogue = catalogue_with(record, self._builtin)
            except OwnCausesUnreadable as error:
                trouble = str(error)
        self._asked, self._stamp = True, record.stamp if record else None
        self.catalogue = catalogue
        return True, trouble


def catalogue_with(record: OwnCausesRecord, builtin: Catalogue) -> Catalogue:
    """The built-in catalogue with the own causes that somebody read; or ``OwnCausesUnreadable``."""
    own = unpack(record.content)
    if record.builtin != builtin.version:
        own = fitting(builtin, own)
    return merge(builtin, own)
