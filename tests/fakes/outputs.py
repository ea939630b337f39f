"""``ports.Outputs`` over the fake fleet: whole outputs, where a command's sender had them sent."""

from __future__ import annotations

from collections.abc import Collection

from tests.fakes.fleet import FakeFleet

from patchmedic.output import END_NOTE
from patchmedic.output_ends import END_BYTES_MAX
from patchmedic.ports import Invocation, OutputEnds, OutputPlace, StreamEnd


class FakeOutputs:
    """Reads in the places that the stack may read, and says why not elsewhere."""

    def __init__(self, fleet: FakeFleet, readable: Collection[str] = ()) -> None:
        self._fleet = fleet
        self._readable = frozenset(readable)

    def ends(self, region: str, invocation: Invocation, place: OutputPlace) -> OutputEnds:
        kept = [where for where in (place.bucket, place.log_group) if where]
        if not kept:
            return OutputEnds(note=f"{END_NOTE}it went nowhere", place_closed=True)
        if not self._readable.intersection(kept):
            note = f"{END_NOTE}{kept[0]} is none that the stack may read"
            return OutputEnds(note=note, place_closed=True)
        run = self._fleet.commands[invocation.command_id].runs[invocation.node_id]
        both = invocation.stdout_cut and not invocation.stderr
        return OutputEnds(
            stdout=_end(run.stdout) if invocation.stdout_cut else None,
            stderr=_end(run.stderr) if invocation.stderr_cut or both else None,
        )


def _end(text: str) -> StreamEnd | None:
    data = text.encode()
    if not data:
        return None
    end = data[-END_BYTES_MAX:]
    return StreamEnd(end.decode("utf-8", "replace"), len(data) - len(end))
