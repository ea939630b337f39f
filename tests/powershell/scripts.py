"""The PowerShell of the documents, and one run of Check-Windows on a recorded node."""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.powershell.node import RecordedNode

ROOT = Path(__file__).resolve().parents[2]


def _documents() -> dict[str, str]:
    if "build" not in sys.modules:
        spec = importlib.util.spec_from_file_location("build", ROOT / "documents" / "build.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["build"] = module
        spec.loader.exec_module(module)
    documents = sys.modules["build"].load_documents()
    return {d.suffix: d.script for d in documents if d.suffix.endswith("-Windows")}


SCRIPTS = _documents()
CHECK = SCRIPTS["Check-Windows"]
REGION = "ap-northeast-1"


@dataclass
class Run:
    """What one run printed, and the node that it ran on."""

    text: str
    code: int
    node: RecordedNode

    @property
    def answers(self) -> dict[str, dict[str, str]]:
        """Facts by check, the state among them; a fact of that name is ``state_fact`` here."""
        begin, body, end = self.text.splitlines()
        assert (begin, end) == ("<<<PATCHMEDIC-FINDINGS", "PATCHMEDIC-FINDINGS>>>")
        document = json.loads(body)
        assert (document["schema"], document["platform"]) == (1, "windows")
        found: dict[str, dict[str, str]] = {}
        for answer in document["checks"]:
            facts: dict[str, Any] = dict(answer["facts"])
            if "state" in facts:
                facts["state_fact"] = facts.pop("state")
            assert answer["check"] not in found
            found[answer["check"]] = {"state": answer["state"], **facts}
        return found


def look(recorded: dict[str, Any], checks: str = "all", region: str = REGION) -> Run:
    node = RecordedNode(recorded)
    script = CHECK.replace("{{ Checks }}", checks).replace("{{ Region }}", region)
    text, code = node.run(script)
    return Run(text, code, node)
