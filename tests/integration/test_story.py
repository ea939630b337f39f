"""The story end to end: what each node's incident came to, and what people were told."""

from __future__ import annotations

import json
from collections import Counter
from email import message_from_bytes
from email.message import Message

import pytest

from patchmedic.cli.cloud import LocalCloud
from patchmedic.incident import Incident

Told = dict[tuple[str, str], Incident]
NODE = "i-0a1b2c3d4e5f600"

EXPECTED = {
    # node, kind: cause, confirmed, outcome, remedies that ran
    ("01", "patching"): ("package-manager-locked", "resolved", None),
    ("02", "patching"): ("disk-full", "resolved", ["free-disk-space"]),
    ("03", "patching"): ("s3-unreachable", "resolved", []),
    ("04", "patching"): ("s3-access-denied", "escalated", []),
    ("05", "patching"): ("patch-policy-bucket-denied", "escalated", []),
    ("06", "patching"): ("credentials-invalid", "resolved", ["update-agent"]),
    ("07", "patching"): ("wu-components-broken", "resolved", ["reset-windows-update"]),
    ("08", "patching"): ("wu-unreachable", "escalated", []),
    ("0a", "ping"): ("agent-not-running", "escalated", []),
    ("0b", "ping"): ("instance-profile-missing", "escalated", []),
    ("0c", "patching"): ("instance-stopped", "suppressed", []),
    ("0d", "patching"): ("concurrent-run", "resolved", ["retry-when-quiet"]),
    ("0e", "patching"): ("package-manager-locked", "recommended", None),
}


@pytest.mark.parametrize(("node", "kind"), EXPECTED)
def test_each_failure_ends_as_an_expert_would_have_it(told: Told, node: str, kind: str) -> None:
    incident = told[(NODE + node, kind)]
    cause, outcome, remedies = EXPECTED[(node, kind)]
    assert incident.cause == cause
    assert incident.outcome is not None
    assert incident.outcome.value == outcome
    assert incident.diagnosis is not None
    assert incident.diagnosis.confirmed
    if remedies is not None:
        assert [a.remedy for a in incident.actions] == remedies


def test_the_healthy_node_has_no_incident(told: Told) -> None:
    assert (NODE + "0f", "patching") not in told


def test_a_node_without_the_tag_was_never_changed(cloud: LocalCloud, told: Told) -> None:
    sent = [c for c in _sent(cloud) if NODE + "0e" in c["request"]["InstanceIds"]]
    assert {c["request"]["DocumentName"] for c in sent} == {"patchmedic-Check-Linux"}


def test_every_command_of_ours_names_one_node_and_its_effect(cloud: LocalCloud, told: Told) -> None:
    sent = _sent(cloud)
    assert sent
    comments = Counter(c["request"]["Comment"] for c in sent)
    assert all(comment.startswith("patchmedic pm-") for comment in comments)
    assert max(comments.values()) == 1, "no effect was sent twice"
    assert all(len(c["request"]["InstanceIds"]) == 1 for c in sent)
    documents = {c["request"]["DocumentName"] for c in sent}
    assert not documents & {"AWS-RunShellScript", "AWS-RunPowerShellScript"}


def test_remedies_ran_from_the_remediate_function_only(cloud: LocalCloud, told: Told) -> None:
    for call in _sent(cloud):
        reads = call["request"]["DocumentName"].startswith("patchmedic-Check-")
        assert call["caller"].endswith("patchmedic-diagnose" if reads else "patchmedic-remediate")


def test_resolved_rests_on_a_newer_look(told: Told) -> None:
    for incident in told.values():
        if incident.outcome is not None and incident.outcome.value == "resolved":
            assert incident.verified, incident.id


def test_the_pager_is_triggered_once_and_resolved_with_the_same_key(
    cloud: LocalCloud, told: Told
) -> None:
    pages = Counter((p["event_action"], p["dedup_key"]) for p in _pages(cloud))
    assert max(pages.values()) == 1
    need_a_person = {i.id for i in told.values() if i.outcome and i.outcome.value == "escalated"}
    approved = told[(NODE + "07", "patching")].id
    followed = told[(NODE + "03", "patching")].id
    triggered = {key for action, key in pages if action == "trigger"}
    assert triggered == need_a_person | {approved, followed}
    assert {key for action, key in pages if action == "resolve"} == {approved, followed}


def test_the_pagers_key_is_in_no_file(cloud: LocalCloud, told: Told) -> None:
    key = json.loads(
        cloud.client("secretsmanager").get_secret_value(SecretId="patchmedic/pager")["SecretString"]
    )["routing_key"]
    for path in cloud.outbox():
        assert key not in path.read_text(encoding="utf-8"), path


def test_people_read_a_mail_for_each_outcome(cloud: LocalCloud, told: Told) -> None:
    mails = _mails(cloud)
    assert all(m["To"] == "oncall@example.com" for m in mails)
    assert all(str(m["Subject"]).isascii() and len(str(m["Subject"])) < 100 for m in mails)
    text = "\n".join(str(m.get_payload()) for m in mails)
    for incident in told.values():
        if incident.outcome is not None and incident.outcome.value != "suppressed":
            assert incident.id in text
    stopped = told[(NODE + "0c", "patching")]
    assert stopped.id not in text, "nobody is told about a stopped instance"


def _sent(cloud: LocalCloud) -> list[dict[str, dict[str, str]]]:
    """Our SendCommand calls (the story's own patch runs come from its admin API)."""
    calls = cloud.admin("GET", "calls")["calls"]
    return [c for c in calls if c["action"] == "SendCommand" and "assumed-role" in c["caller"]]


def _mails(cloud: LocalCloud) -> list[Message]:
    return [message_from_bytes(p.read_bytes()) for p in cloud.outbox() if p.parent.name == "email"]


def _pages(cloud: LocalCloud) -> list[dict[str, str]]:
    return [
        json.loads(p.read_text(encoding="utf-8"))["body"]
        for p in cloud.outbox()
        if p.parent.name == "pager"
    ]
