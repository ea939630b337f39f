"""Each function can do its own work (the story shows it) and nothing else: IAM says no.

The embedded AWS gives a function the credentials of its role's session, derived from the
function's and the role's ARN; here they are derived the same way, so that a call is made as the
function would make it.
"""

from __future__ import annotations

import hashlib
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from patchmedic.cli.cloud import REGION, STACK, LocalCloud

TAGGED = "i-0a1b2c3d4e5f60001"
UNTAGGED = "i-0a1b2c3d4e5f6000e"
TABLE = {"TableName": "patchmedic-incidents"}
KEY = {"pk": {"S": "x"}, "sk": {"S": "x"}}

SEND_SHELL = (
    "ssm",
    "send_command",
    {
        "InstanceIds": [TAGGED],
        "DocumentName": "AWS-RunShellScript",
        "Parameters": {"commands": ["id"]},
    },
)
SEND_PATCH = (
    "ssm",
    "send_command",
    {
        "InstanceIds": [TAGGED],
        "DocumentName": "AWS-RunPatchBaseline",
        "Parameters": {"Operation": ["Scan"]},
    },
)
SEND_REMEDY = (
    "ssm",
    "send_command",
    {"InstanceIds": [TAGGED], "DocumentName": "patchmedic-Remedy-FreeDiskSpace-Linux"},
)
SEND_REMEDY_UNTAGGED = (
    "ssm",
    "send_command",
    {"InstanceIds": [UNTAGGED], "DocumentName": "patchmedic-Remedy-FreeDiskSpace-Linux"},
)
SEND_CHECK = (
    "ssm",
    "send_command",
    {"InstanceIds": [TAGGED], "DocumentName": "patchmedic-Check-Linux"},
)
REBOOT = ("ec2", "reboot_instances", {"InstanceIds": [TAGGED]})
OPEN_SWITCH = (
    "ssm",
    "put_parameter",
    {"Name": "/patchmedic/kill-switch", "Value": "run", "Overwrite": True},
)
READ_SECRET = ("secretsmanager", "get_secret_value", {"SecretId": "patchmedic/pager"})
PUBLISH = ("sns", "publish", {"Message": "x"})
PUT_EVENT = (
    "events",
    "put_events",
    {"Entries": [{"Source": "patchmedic", "DetailType": "x", "Detail": "{}"}]},
)
WRITE_TABLE = ("dynamodb", "delete_table", {})
SCAN_TABLE = ("dynamodb", "scan", {})
ATTACH_PROFILE = (
    "ec2",
    "associate_iam_instance_profile",
    {"InstanceId": TAGGED, "IamInstanceProfile": {"Name": "patch-role"}},
)
TAG_ROLE = (
    "iam",
    "tag_role",
    {"RoleName": "patch-role", "Tags": [{"Key": "QSConfigId-x", "Value": "x"}]},
)
TAG_NODE = (
    "ec2",
    "create_tags",
    {"Resources": [UNTAGGED], "Tags": [{"Key": "PatchMedic", "Value": "true"}]},
)

READ_OUTPUT = (
    "s3",
    "get_object",
    {"Bucket": "patch-output", "Key": "x"},
)
LIST_OUTPUT = ("s3", "list_objects_v2", {"Bucket": "patch-output"})
LIST_OTHER_BUCKET = (
    "s3",
    "list_objects_v2",
    {"Bucket": "private-output", "Prefix": "5d7a9c10-2b3e-4f61-8a94-c0ffee000101/i-1/"},
)
READ_OTHER_BUCKET = ("s3", "get_object", {"Bucket": "private-output", "Key": "x"})
WRITE_OUTPUT = ("s3", "put_object", {"Bucket": "patch-output", "Key": "x", "Body": b"x"})
READ_LOGS = (
    "logs",
    "get_log_events",
    {"logGroupName": "/patching/output", "logStreamName": "x"},
)
READ_OTHER_LOGS = (
    "logs",
    "get_log_events",
    {"logGroupName": "/aws/lambda/patchmedic-notify", "logStreamName": "x"},
)

EVERYONE = (
    SEND_SHELL,
    REBOOT,
    OPEN_SWITCH,
    READ_SECRET,
    WRITE_TABLE,
    SCAN_TABLE,
    ATTACH_PROFILE,
    TAG_ROLE,
    TAG_NODE,
    LIST_OUTPUT,
    LIST_OTHER_BUCKET,
    READ_OTHER_BUCKET,
    WRITE_OUTPUT,
    READ_OTHER_LOGS,
)
DENIED: dict[str, tuple[tuple[str, str, dict[str, Any]], ...]] = {
    "classify": (*EVERYONE, SEND_PATCH, SEND_REMEDY, SEND_CHECK, PUBLISH, PUT_EVENT),
    "diagnose": (*EVERYONE, SEND_PATCH, SEND_REMEDY, PUBLISH, PUT_EVENT),
    "remediate": (*EVERYONE, SEND_REMEDY_UNTAGGED, SEND_CHECK, PUBLISH, PUT_EVENT),
    "collect": (*EVERYONE, SEND_PATCH, SEND_REMEDY, SEND_CHECK, PUBLISH, PUT_EVENT),
    "notify": (*EVERYONE, SEND_PATCH, SEND_REMEDY, SEND_CHECK),
    "watch": (*EVERYONE, SEND_PATCH, SEND_REMEDY, SEND_CHECK, PUBLISH),
    "sweep": (*EVERYONE, SEND_PATCH, SEND_REMEDY, SEND_CHECK, PUBLISH, PUT_EVENT),
    "approve": (*EVERYONE, SEND_PATCH, SEND_REMEDY, SEND_CHECK, PUBLISH, PUT_EVENT),
}
CASES = [(f, *call) for f, calls in DENIED.items() for call in calls]
CASES += [(f, *call) for f in DENIED if f != "classify" for call in (READ_OUTPUT, READ_LOGS)]


@pytest.fixture(scope="module", autouse=True)
def output_bucket(cloud: LocalCloud) -> None:
    """The bucket of samconfig's local stack: asked for one that is not there, nobody is denied."""
    s3 = cloud.client("s3")
    if "patch-output" not in [b["Name"] for b in s3.list_buckets()["Buckets"]]:
        where = {"LocationConstraint": REGION}
        s3.create_bucket(Bucket="patch-output", CreateBucketConfiguration=where)


@pytest.mark.parametrize(
    ("function", "service", "method", "arguments"),
    CASES,
    ids=[f"{c[0]}-{c[2]}-{c[3].get('DocumentName') or c[3].get('Bucket', c[1])}" for c in CASES],
)
def test_what_is_not_listed_is_denied(
    cloud: LocalCloud, night: object, function: str, service: str, method: str, arguments: Any
) -> None:
    client = _session(cloud, function).client(service, endpoint_url=cloud.endpoint)
    arguments = dict(arguments)
    if service == "dynamodb":
        arguments["TableName"] = cloud.table_name()
    if service == "sns":
        arguments["TopicArn"] = cloud.output("PeopleTopicArn")
    with pytest.raises(ClientError) as refused:
        getattr(client, method)(**arguments)
    assert refused.value.response["Error"]["Code"] in (
        "AccessDenied",
        "AccessDeniedException",
        "UnauthorizedOperation",
        "AuthorizationError",
    )


def test_the_derived_credentials_are_the_functions_own(cloud: LocalCloud, night: object) -> None:
    """Else every denial above would prove nothing."""
    for function in DENIED:
        client = _session(cloud, function).client("sts", endpoint_url=cloud.endpoint)
        assert client.get_caller_identity()["Arn"].endswith(f"/{STACK}-{function}")


def test_remediate_may_send_a_remedy_to_a_tagged_node(cloud: LocalCloud, night: object) -> None:
    """The other side of the denials: the same call on a node that opted in goes through."""
    client = _session(cloud, "remediate").client("ssm", endpoint_url=cloud.endpoint)
    _service, method, arguments = SEND_REMEDY
    assert getattr(client, method)(**arguments)["Command"]["CommandId"]


@pytest.mark.parametrize(
    ("service", "method", "arguments"),
    [
        (
            "s3",
            "list_objects_v2",
            {"Bucket": "patch-output", "Prefix": "a/5d7a9c10-2b3e-4f61-8a94-c0ffee000101/i-1/"},
        ),
        READ_OUTPUT,
        READ_LOGS,
        (
            "logs",
            "describe_log_streams",
            {"logGroupName": "/patching/output", "logStreamNamePrefix": "x"},
        ),
    ],
    ids=["list-bucket", "get-object", "get-events", "list-streams"],
)
def test_classify_may_read_in_the_places_that_were_named(
    cloud: LocalCloud, night: object, service: str, method: str, arguments: Any
) -> None:
    """The bucket and the log group of samconfig's local stack; what is not there is no denial."""
    client = _session(cloud, "classify").client(service, endpoint_url=cloud.endpoint)
    answer = "found"
    try:
        getattr(client, method)(**arguments)
    except ClientError as error:
        answer = error.response["Error"]["Code"]
    assert answer in ("found", "NoSuchKey", "ResourceNotFoundException")


def _session(cloud: LocalCloud, function: str) -> boto3.session.Session:
    cloud.client("lambda").invoke(FunctionName=f"{STACK}-{function}", Payload=b'{"Records": []}')
    config = cloud.client("lambda").get_function_configuration(FunctionName=f"{STACK}-{function}")
    seed = f"{config['FunctionArn']}:{config['Role']}"
    digest = hashlib.sha256(seed.encode()).hexdigest()
    return boto3.session.Session(
        aws_access_key_id=f"ASIA{digest[:16].upper()}",
        aws_secret_access_key=hashlib.sha256(f"secret:{digest}".encode()).hexdigest(),
        aws_session_token=hashlib.sha256(f"token:{digest}".encode()).hexdigest(),
        region_name=REGION,
    )
