"""``python -m patchmedic.causes.compile OUT.json``: the catalogue as one fast file.

The layer build runs this; a function that starts then reads one JSON file instead of parsing and
validating every TOML file.  Errors in the data stop the build here.
"""

from __future__ import annotations

import sys
from pathlib import Path

from patchmedic.causes.catalogue import DATA, CatalogueError, load_files, to_compiled


def main(arguments: list[str]) -> int:
    """Compile the package's own data into the file named by the one argument."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print("usage: python -m patchmedic.causes.compile OUT.json", file=sys.stderr)
        return 2
    try:
        catalogue = load_files(DATA)
    except CatalogueError as problem:
        print(problem, file=sys.stderr)
        return 1
    Path(arguments[0]).write_text(to_compiled(catalogue), encoding="utf-8")
    print(f"{arguments[0]}: {len(catalogue.causes)} causes, version {catalogue.version}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
