"""Own causes in the deployed stack: from a bucket into decisions and mails, and no further.

A cloud of its own, because the stack's parameters say where the files are.
"""

from __future__ import annotations

from collections.abc import Iterator
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.integration import test_permissions

from patchmedic.cli import story
from patchmedic.cli.cloud import REGION, LocalCloud
from patchmedic.cli.project import Project
from patchmedic.model import Outcome
from patchmedic.own_causes import OwnCausesTable
from patchmedic.ports import OwnCausesRecord

ROOT = Path(__file__).resolve().parents[2]
NODE = "i-0c1b2c3d4e5f60001"
BUCKET = "our-own-causes"
FILES = {
    "causes/disk-full.toml": """
id = "disk-full"
extends = true
remedies = [] # our disks are grown by another team
[title]
en = "An ACME volume is full"
ja = "ACME ボリュームの空き容量不足"
""",
    "causes/own-bad.toml": 'id = "own-bad"\ngroup = "nothing-such"\n',
    "causes/README.md": "not a cause",
    "elsewhere/own-x.toml": "not under the prefix",
    "causes/old/own-x.toml": "not right under the prefix",
}


@pytest.fixture(scope="module")
def own_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """A local cloud with a bucket of own causes, and the stack pointed at it."""
    scenario = Path(__file__).parent / "own-causes.yaml"
    state = tmp_path_factory.mktemp("own-causes")
    with LocalCloud(Project(ROOT), [scenario], state=state) as cloud:
        cloud.build(lambda text: None)
        s3 = cloud.client("s3")
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        for key, text in FILES.items():
            s3.put_object(Bucket=BUCKET, Key=key, Body=text.encode())
        cloud.deploy(lambda text: None, {"OwnCausesBucket": BUCKET, "OwnCausesPrefix": "causes/"})
        cloud.invoke("sweep", {"look_at_own_causes": True})
        yield cloud


def record(cloud: LocalCloud) -> OwnCausesRecord | None:
    return OwnCausesTable(cloud.client("dynamodb"), cloud.table_name()).load()


def test_an_own_file_changes_what_is_done_and_what_people_read(own_cloud: LocalCloud) -> None:
    in_force = record(own_cloud)
    assert in_force is not None
    assert in_force.location == f"s3://{BUCKET}/causes/"
    assert any(p.startswith("own-bad.toml:2: group: 'nothing-such'") for p in in_force.problems)
    assert {p.partition(":")[0] for p in in_force.problems} == {"own-bad.toml"}
    own_cloud.admin(
        "POST",
        "patch",
        {"nodes": [NODE], "document": "AWS-RunPatchBaseline", "operation": "Install"},
    )
    (incident,) = story.wait_settled(own_cloud, {NODE}, lambda text: None, 90.0)
    story.wait_told(own_cloud)
    assert (incident.cause, incident.outcome) == ("disk-full", Outcome.ESCALATED)
    assert incident.diagnosis is not None and incident.diagnosis.confirmed
    assert incident.actions == (), "the own file took the remedy away"
    assert "+" in incident.catalogue_version
    mails = [p.read_bytes() for p in own_cloud.outbox() if p.parent.name == "email"]
    (mail,) = [message_from_bytes(each, policy=policy.default) for each in mails]
    body = mail.get_body()
    assert body is not None
    assert "An ACME volume is full" in body.get_content()


def refusal(cloud: LocalCloud, function: str, method: str, **arguments: Any) -> str | None:
    """What IAM answers to a call of S3 that a function would make; ``None``: it goes through."""
    session = test_permissions._session(cloud, function)
    client = session.client("s3", endpoint_url=cloud.endpoint)
    try:
        getattr(client, method)(Bucket=BUCKET, **arguments)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return None


def test_sweep_reads_these_files_and_nothing_else_and_nobody_else_reads_them(
    own_cloud: LocalCloud,
) -> None:
    listing = {"Prefix": "causes/", "Delimiter": "/"}
    assert refusal(own_cloud, "sweep", "list_objects_v2", **listing) is None
    assert refusal(own_cloud, "sweep", "get_object", Key="causes/disk-full.toml") is None
    denied = "AccessDenied"
    assert refusal(own_cloud, "sweep", "list_objects_v2") == denied
    assert refusal(own_cloud, "sweep", "list_objects_v2", Prefix="elsewhere/") == denied
    assert refusal(own_cloud, "sweep", "get_object", Key="elsewhere/own-x.toml") == denied
    assert refusal(own_cloud, "sweep", "get_object", Key="causes/README.md") == denied
    assert refusal(own_cloud, "sweep", "put_object", Key="causes/own-x.toml", Body=b"x") == denied
    assert refusal(own_cloud, "sweep", "delete_object", Key="causes/disk-full.toml") == denied
    for function in ("classify", "diagnose", "remediate", "collect", "notify", "approve", "watch"):
        key = "causes/disk-full.toml"
        assert refusal(own_cloud, function, "get_object", Key=key) == denied, function


def test_a_bucket_that_cannot_be_read_leaves_in_force_what_was(own_cloud: LocalCloud) -> None:
    before = record(own_cloud)
    s3 = own_cloud.client("s3")
    for key in FILES:
        s3.delete_object(Bucket=BUCKET, Key=key)
    s3.delete_bucket(Bucket=BUCKET)
    swept = own_cloud.invoke("sweep", {"look_at_own_causes": True})
    assert "hinted" in swept, "the sweep itself went well"
    assert record(own_cloud) == before
