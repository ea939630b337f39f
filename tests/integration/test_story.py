"""The story end to end: what each node's incident came to, and what people were told."""

from __future__ import annotations

from collections import Counter

import pytest

from integration.conftest import Night
from patchmedic.cli.cloud import LocalCloud

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
def test_each_failure_ends_as_an_expert_would_have_it(night: Night, node: str, kind: str) -> None:
    incident = night.incidents[(NODE + node, kind)]
    cause, outcome, remedies = EXPECTED[(node, kind)]
    assert incident.cause == cause
    assert incident.outcome is not None
    assert incident.outcome.value == outcome
    assert incident.diagnosis is not None
    assert incident.diagnosis.confirmed
    if remedies is not None:
        assert [a.remedy for a in incident.actions] == remedies


def test_the_healthy_node_has_no_incident(night: Night) -> None:
    assert (NODE + "0f", "patching") not in night.incidents


def test_a_node_without_the_tag_was_never_changed(night: Night) -> None:
    sent = [c for c in night.sent if NODE + "0e" in c["request"]["InstanceIds"]]
    assert {c["request"]["DocumentName"] for c in sent} == {"patchmedic-Check-Linux"}


def test_every_command_of_ours_names_one_node_and_its_effect(night: Night) -> None:
    assert night.sent
    comments = Counter(c["request"]["Comment"] for c in night.sent)
    assert all(comment.startswith("patchmedic pm-") for comment in comments)
    assert max(comments.values()) == 1, "no effect was sent twice"
    assert all(len(c["request"]["InstanceIds"]) == 1 for c in night.sent)
    documents = {c["request"]["DocumentName"] for c in night.sent}
    assert not documents & {"AWS-RunShellScript", "AWS-RunPowerShellScript"}


def test_remedies_ran_from_the_remediate_function_only(night: Night) -> None:
    for call in night.sent:
        reads = call["request"]["DocumentName"].startswith("patchmedic-Check-")
        assert call["caller"].endswith("patchmedic-diagnose" if reads else "patchmedic-remediate")


def test_resolved_rests_on_a_newer_look(night: Night) -> None:
    for incident in night.incidents.values():
        if incident.outcome is not None and incident.outcome.value == "resolved":
            assert incident.verified, incident.id


def test_the_pager_is_triggered_once_and_resolved_with_the_same_key(night: Night) -> None:
    pages = Counter((p["event_action"], p["dedup_key"]) for p in night.pages)
    assert max(pages.values()) == 1
    ended = night.incidents.values()
    need_a_person = {i.id for i in ended if i.outcome and i.outcome.value == "escalated"}
    approved = night.incidents[(NODE + "07", "patching")].id
    followed = night.incidents[(NODE + "03", "patching")].id
    triggered = {key for action, key in pages if action == "trigger"}
    assert triggered == need_a_person | {approved, followed}
    assert {key for action, key in pages if action == "resolve"} == {approved, followed}


def test_the_pagers_key_is_in_no_file(cloud: LocalCloud, night: Night) -> None:
    secrets = cloud.client("secretsmanager")
    stored = secrets.get_secret_value(SecretId="patchmedic/pager")["SecretString"]
    key = stored.split('"')[3]
    assert len(key) == 32
    assert all(key not in text for text in night.files)


def test_people_read_a_mail_for_each_outcome(night: Night) -> None:
    assert all(m["To"] == "oncall@example.com" for m in night.mails)
    assert all(m["Subject"].isascii() and len(m["Subject"]) < 100 for m in night.mails)
    text = "\n".join(m.get_content() for m in night.mails)
    for incident in night.incidents.values():
        if incident.outcome is not None and incident.outcome.value != "suppressed":
            assert incident.id in text
    stopped = night.incidents[(NODE + "0c", "patching")]
    assert stopped.id not in text, "nobody is told about a stopped instance"
