"""Runs shellcheck over every shell script of this checkout, as it will run.

The scripts of the SSM documents are joined from parts, and a part alone looks full of unknown and
unused names; so what is checked is the joined script.  A finding names the document and the line.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SHELLCHECK = Path(sys.executable).with_name("shellcheck")
DOCUMENT_OPTIONS = (
    "--shell=sh",  # what the agent runs on Linux and macOS
    # Functions of lib/, and what they answer, that one document does not need but another does.
    "--exclude=SC2329,SC2034",
)


def main() -> int:
    """Check all scripts; 1 when shellcheck has something to say."""
    scripts = [path for folder in ("scripts", "tests") for path in (ROOT / folder).rglob("*.sh")]
    failed = _shellcheck(*map(str, [ROOT / ".ci" / "run", *sorted(scripts)]))
    folder = ROOT / "documents"
    for document in tomllib.loads((folder / "documents.toml").read_text("utf-8"))["document"]:
        if document["platform"] == "Windows":
            continue
        joined = "".join((folder / part).read_text("utf-8") for part in document["parts"])
        if _shellcheck(*DOCUMENT_OPTIONS, "-", script=joined):
            sys.stdout.write(f"shellcheck: that was {document['suffix']}, with its parts joined\n")
            failed = True
    return 1 if failed else 0


def _shellcheck(*arguments: str, script: str = "") -> bool:
    done = subprocess.run([SHELLCHECK, *arguments], cwd=ROOT, input=script, text=True, check=False)
    return done.returncode != 0


if __name__ == "__main__":
    sys.exit(main())
