"""IAM on SSM calls: documents and nodes one by one, tags as they are now."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError
from cloud_process import ACCOUNT, REGION, Cloud

TAGGED, UNTAGGED, HYBRID = "i-0a1b2c3d4e5f6000f", "i-0a1b2c3d4e5f6000e", "mi-0a1b2c3d4e5f60009"
DOCUMENT = {
    "Effect": "Allow",
    "Action": "ssm:SendCommand",
    "Resource": f"arn:aws:ssm:{REGION}::document/AWS-RunPatchBaseline",
}
NODES = {
    "Effect": "Allow",
    "Action": "ssm:SendCommand",
    "Resource": [
        f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/*",
        f"arn:aws:ssm:{REGION}:{ACCOUNT}:managed-instance/*",
    ],
    "Condition": {"StringEquals": {"ssm:resourceTag/PatchMedic": ["true"]}},
}
AWS_TAG = {**NODES, "Condition": {"StringEquals": {"aws:ResourceTag/PatchMedic": "true"}}}
SCAN = {"DocumentName": "AWS-RunPatchBaseline", "Parameters": {"Operation": ["Scan"]}}


def _denied(error: pytest.ExceptionInfo[ClientError], action: str, resource: str) -> None:
    answer = error.value.response
    assert answer["Error"]["Code"] == "AccessDeniedException"
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert f"not authorized to perform: {action} on resource: {resource}" in str(error.value)


@pytest.mark.parametrize("statement", [NODES, AWS_TAG], ids=["ssm:resourceTag", "aws:ResourceTag"])
def test_the_tag_decides_for_each_node(cloud: Cloud, statement: dict[str, object]) -> None:
    ssm = cloud.user("by-" + ("aws" if statement is AWS_TAG else "ssm"), DOCUMENT, statement)
    for node in (TAGGED, HYBRID):
        command_id = ssm.send_command(InstanceIds=[node], **SCAN)["Command"]["CommandId"]
        cloud.wait(command_id, node)
    for ids in ([UNTAGGED], [TAGGED, UNTAGGED]):
        with pytest.raises(ClientError) as caught:
            ssm.send_command(InstanceIds=ids, **SCAN)
        _denied(caught, "ssm:SendCommand", f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/{UNTAGGED}")


def test_a_foreign_document_is_denied_with_its_own_arn(cloud: Cloud) -> None:
    ssm = cloud.user("foreign-document", DOCUMENT, NODES)
    with pytest.raises(ClientError) as caught:
        ssm.send_command(
            InstanceIds=[TAGGED], DocumentName="AWS-RunShellScript", Parameters={"commands": ["id"]}
        )
    _denied(caught, "ssm:SendCommand", f"arn:aws:ssm:{REGION}::document/AWS-RunShellScript")


def test_a_tag_taken_away_counts_at_once(cloud: Cloud) -> None:
    ssm, ec2 = cloud.user("fresh-tag", DOCUMENT, NODES), cloud.client("ec2")
    node = "i-0a1b2c3d4e5f6000d"
    ec2.delete_tags(Resources=[node], Tags=[{"Key": "PatchMedic"}])
    with pytest.raises(ClientError):
        ssm.send_command(InstanceIds=[node], **SCAN)
    ec2.create_tags(Resources=[node], Tags=[{"Key": "PatchMedic", "Value": "true"}])
    cloud.wait(ssm.send_command(InstanceIds=[node], **SCAN)["Command"]["CommandId"], node)


def test_a_hybrid_node_has_ssm_tags(cloud: Cloud) -> None:
    ssm = cloud.client("ssm")
    resource = {"ResourceType": "ManagedInstance", "ResourceId": HYBRID}
    ssm.add_tags_to_resource(**resource, Tags=[{"Key": "team", "Value": "x"}])
    tags = {t["Key"]: t["Value"] for t in ssm.list_tags_for_resource(**resource)["TagList"]}
    assert tags == {"Name": "onprem-1", "PatchMedic": "true", "team": "x"}
    with pytest.raises(ClientError, match="InvalidResourceId"):
        ssm.list_tags_for_resource(ResourceType="ManagedInstance", ResourceId=TAGGED)


def test_star_only_actions_need_a_star(cloud: Cloud) -> None:
    narrow = cloud.user(
        "narrow", {"Effect": "Allow", "Action": "ssm:*", "Resource": NODES["Resource"]}
    )
    with pytest.raises(ClientError) as caught:
        narrow.describe_instance_information()
    _denied(caught, "ssm:DescribeInstanceInformation", "*")
    with pytest.raises(ClientError) as caught:
        narrow.list_commands()
    _denied(caught, "ssm:ListCommands", "*")
    states = narrow.describe_instance_patch_states(InstanceIds=[TAGGED])["InstancePatchStates"]
    assert [state["InstanceId"] for state in states] == [TAGGED]


def test_patch_states_are_authorised_by_node(cloud: Cloud) -> None:
    arn = f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/{TAGGED}"
    one = cloud.user(
        "one-node",
        {"Effect": "Allow", "Action": "ssm:DescribeInstancePatchStates", "Resource": arn},
    )
    one.describe_instance_patch_states(InstanceIds=[TAGGED])
    with pytest.raises(ClientError) as caught:
        one.describe_instance_patch_states(InstanceIds=[TAGGED, UNTAGGED])
    _denied(
        caught,
        "ssm:DescribeInstancePatchStates",
        f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/{UNTAGGED}",
    )


def test_an_explicit_deny_wins(cloud: Cloud) -> None:
    deny = {"Effect": "Deny", "Action": "ssm:ListCommands", "Resource": "*"}
    user = cloud.user("denied", {"Effect": "Allow", "Action": "*", "Resource": "*"}, deny)
    with pytest.raises(ClientError, match="explicit deny"):
        user.list_commands()


def test_wrong_keys_are_refused_before_anything_else(cloud: Cloud) -> None:
    with pytest.raises(ClientError, match="security token"):
        cloud.client("ssm", "AKIAIOSFODNN7EXAMPLE", "x" * 40).describe_instance_information()


def test_parameters_stay_with_ministack(cloud: Cloud) -> None:
    ssm = cloud.client("ssm")
    ssm.put_parameter(Name="/patchmedic/kill-switch", Value="off", Type="String")
    arn = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/patchmedic/kill-switch"
    reader = cloud.user(
        "reader", {"Effect": "Allow", "Action": "ssm:GetParameter", "Resource": arn}
    )
    assert reader.get_parameter(Name="/patchmedic/kill-switch")["Parameter"]["Value"] == "off"
    with pytest.raises(ClientError, match="AccessDenied"):
        reader.get_parameter(Name="/other")
