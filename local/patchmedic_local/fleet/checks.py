"""What the read-only check documents print on a node.

Here: the look at a node, check by check, with what its faults change in it.  The answer depends on
the node's state alone.  Not here: what a check sees where all is well (``healthy``), and what any
of it means.
"""

from __future__ import annotations

import json
import time
from typing import Any

from patchmedic_local import cloud
from patchmedic_local.fleet import healthy, transcripts
from patchmedic_local.fleet.effects import applies
from patchmedic_local.fleet.node import Node, Outcome
from patchmedic_local.fleet.patch_run import facts_for_choice
from patchmedic_local.options import REGION
from patchmedic_local.scenario.fault import fill

_RECENT_SECONDS = 6 * 3600
_LEFTOVER_MINUTES_MIN = 2
_TAIL_STDOUT, _TAIL_STDERR = 4900, 900
_BEGIN, _END = "<<<PATCHMEDIC-FINDINGS", "PATCHMEDIC-FINDINGS>>>"


def look(node: Node, wanted: str) -> Outcome:
    """The whole output of a Check document for ``Checks=wanted``."""
    names = list(healthy.CHECKS[node.platform])
    if wanted != "all":
        chosen = wanted.split(",")
        names = [name for name in names if name in chosen]
    checks = [{"check": name, **_one(node, name)} for name in names]
    report = json.dumps({"schema": 1, "platform": node.platform, "checks": checks})
    return Outcome(0, f"{_BEGIN}\n{report}\n{_END}\n")


def _one(node: Node, name: str) -> dict[str, Any]:
    state, facts = _undisturbed(node, name)
    here = facts_for_choice(node)
    for effect in node.active_effects():
        for sight in effect.fault.sights:
            if sight.check == name and applies(sight.when, effect, here):
                values = {**effect.values(), "region": REGION, "agent_version": node.agent_version}
                state = sight.state
                facts = {**facts, **{k: _text(v, values) for k, v in sight.facts.items()}}
                break
    return {"state": state, "facts": facts}


def _text(text: str, values: dict[str, str]) -> str:
    return fill(text, values)[:300]


def _undisturbed(node: Node, name: str) -> tuple[str, dict[str, str]]:
    now = time.time()
    if name == "patch-runs":
        return _patch_runs(node, now)
    if name == "payload-leftovers":
        return _leftovers(node, now)
    if name == "credentials":
        return _credentials(node)
    if name == "imds":
        return _imds(node)
    if name == "patch-log-tail":
        return _tail(node)
    return healthy.look(node, name)


def _tail(node: Node) -> tuple[str, dict[str, str]]:
    command_id, stdout, stderr = node.last_output
    if not command_id:
        return "unknown", {"why": "the agent keeps no output of a patch run"}
    text = f"{stdout[-_TAIL_STDOUT:]}\n--- stderr ---\n{stderr[-_TAIL_STDERR:]}"
    return "ok", {"command": command_id, "tail": text}


def _imds(node: Node) -> tuple[str, dict[str, str]]:
    if not node.is_ec2:
        return "unknown", {"why": "a hybrid node has no instance metadata"}
    role = cloud.role_of(node.id)
    if role is None:
        return "bad", {"status": "404", "version": "IMDSv2", "role": ""}
    return "ok", {"status": "200", "version": "IMDSv2", "role": role}


def _patch_runs(node: Node, now: float) -> tuple[str, dict[str, str]]:
    running = node.running()
    recent = [run for run in node.runs if run.ended is None or now - run.ended < _RECENT_SECONDS]
    overlaps = [run for run in recent if run.corrupted_by is not None]
    last = max((run.started for run in node.runs), default=None)
    facts = {
        "running": str(len(running)),
        "pids": ",".join(str(20000 + int(run.started * 10) % 9000) for run in running),
        "last_run_seconds": "" if last is None else str(int(now - last)),
    }
    if overlaps:
        facts["overlapping"] = f"{overlaps[-1].corrupted_by} {overlaps[-1].command_id}"
    return ("bad" if overlaps else "ok"), facts


def _leftovers(node: Node, now: float) -> tuple[str, dict[str, str]]:
    if node.running():
        return "ok", {"folders": "", "age_minutes": "", "why": "a patch run is alive and owns them"}
    if node.leftovers_since is None:
        return "ok", {"folders": "", "age_minutes": ""}
    # A second here stands for a minute there.
    age = int(now - node.leftovers_since)
    if age < _LEFTOVER_MINUTES_MIN:
        return "ok", {"folders": "", "age_minutes": ""}
    return "bad", {"folders": transcripts.FOLDER, "age_minutes": str(age)}


def _credentials(node: Node) -> tuple[str, dict[str, str]]:
    facts = {"source": "imds", "path": "", "agent_version": node.agent_version}
    if not node.is_ec2:
        facts.update(source="ssm-file", path="/var/lib/amazon/ssm/credentials")
    elif cloud.role_of(node.id) is None:
        facts["source"] = "none"
        return "unknown", {**facts, "why": "no credentials where the patch run looks for them"}
    return "ok", facts
