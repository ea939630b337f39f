"""Patch baselines and consoles of instances, as AWS's own client sees them."""

from __future__ import annotations

import base64

import pytest
from botocore.exceptions import ClientError
from cloud_process import Cloud

NODE = "i-0a1b2c3d4e5f60001"
SYSTEM = "AMAZON_LINUX_2023"


def _code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def test_a_patch_group_has_its_own_baseline_or_the_default_one(cloud: Cloud) -> None:
    ssm = cloud.client("ssm")
    default = ssm.get_default_patch_baseline(OperatingSystem=SYSTEM)["BaselineId"]
    own = ssm.create_patch_baseline(Name="own", OperatingSystem=SYSTEM)["BaselineId"]
    ssm.register_patch_baseline_for_patch_group(BaselineId=own, PatchGroup="web")

    def of(group: str, system: str = SYSTEM) -> str:
        found = ssm.get_patch_baseline_for_patch_group(PatchGroup=group, OperatingSystem=system)
        return str(found["BaselineId"])

    assert of("web") == own
    assert of("other") == default
    assert of("web", "UBUNTU") not in (own, default)
    assert ssm.get_patch_baseline(BaselineId=default)["Name"].startswith("AWS-")
    listed = ssm.get_paginator("describe_patch_baselines").paginate(
        Filters=[{"Key": "OWNER", "Values": ["Self"]}]
    )
    assert own in [b["BaselineId"] for page in listed for b in page["BaselineIdentities"]]


def test_a_baseline_in_use_stays_and_a_deleted_one_is_gone(cloud: Cloud) -> None:
    ssm = cloud.client("ssm")
    made = ssm.create_patch_baseline(Name="short-lived")["BaselineId"]
    ssm.register_patch_baseline_for_patch_group(BaselineId=made, PatchGroup="short")
    with pytest.raises(ClientError) as refused:
        ssm.delete_patch_baseline(BaselineId=made)
    assert _code(refused) == "ResourceInUseException"
    ssm.deregister_patch_baseline_for_patch_group(BaselineId=made, PatchGroup="short")
    for _ in range(2):
        ssm.delete_patch_baseline(BaselineId=made)
    with pytest.raises(ClientError) as gone:
        ssm.get_patch_baseline(BaselineId=made)
    assert _code(gone) == "DoesNotExistException"


def test_a_document_that_is_not_there_is_an_invalid_document(cloud: Cloud) -> None:
    with pytest.raises(ClientError) as gone:
        cloud.client("ssm").describe_document(Name="NobodyMadeThis")
    assert _code(gone) == "InvalidDocument"


def test_an_instance_shows_a_console(cloud: Cloud) -> None:
    ec2 = cloud.client("ec2")
    shown = ec2.get_console_output(InstanceId=NODE, Latest=True)
    assert shown["Output"].endswith("login: ")
    assert shown["Timestamp"].tzinfo is not None
    image = base64.b64decode(ec2.get_console_screenshot(InstanceId=NODE)["ImageData"])
    assert image.startswith(b"\xff\xd8\xff")
    with pytest.raises(ClientError) as unknown:
        ec2.get_console_output(InstanceId="i-0ffffffffffffffff")
    assert _code(unknown) == "InvalidInstanceID.NotFound"
