"""The S3 buckets that patching reads, by Region.

Here: names only.  AWS gives some of them a random suffix a Region and publishes the list; a
Region that is not in the table below has buckets whose names are not known here, and no check may
conclude anything from a name that it does not know.
"""

from __future__ import annotations

import re

CODE_SUFFIX = {
    "ap-northeast-1": "4849fa78f",
    "ap-northeast-2": "10467995c",
    "ap-northeast-3": "67373598a",
    "ap-southeast-1": "7fdfd9ef7",
    "ap-southeast-2": "17283a275",
    "eu-central-1": "9163fdaaf",
    "eu-west-1": "5522fb710",
    "us-east-1": "1970c647d",
    "us-east-2": "552881074",
    "us-west-2": "34d7f99f8",
}
"""Buckets ``aws-patch-manager-<region>-<suffix>``: the code of the patch documents."""

SNAPSHOT_SUFFIX = {
    "af-south-1": "tbxdb5b9",
    "ap-south-2": "50209442",
    "ap-southeast-3": "be0a3174",
    "ap-southeast-4": "dc6f76ce",
    "eu-south-2": "df2c9d70",
    "me-south-1": "uduvl7q8",
}
"""Regions whose ``patch-baseline-snapshot-<region>`` bucket has a suffix."""

POLICY_PREFIX = "aws-quicksetup-patchpolicy-"


def code_bucket(region: str) -> str | None:
    """The bucket that holds the patch documents' code today."""
    suffix = CODE_SUFFIX.get(region)
    return f"aws-patch-manager-{region}-{suffix}" if suffix else None


def old_code_bucket(region: str) -> str:
    """The bucket that held it before, and still shows in error texts."""
    return f"aws-ssm-{region}"


def snapshot_bucket(region: str) -> str:
    """The bucket of the baseline snapshots."""
    suffix = SNAPSHOT_SUFFIX.get(region)
    return f"patch-baseline-snapshot-{region}" + (f"-{suffix}" if suffix else "")


def object_arn(region: str, bucket: str, key: str = "*") -> str:
    """The ARN of an object; ``*`` stands for some object, whose name does not matter."""
    return f"arn:{partition(region)}:s3:::{bucket}/{key}"


def partition(region: str) -> str:
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


_HOST = re.compile(
    r"https://(?:(?P<host_bucket>[a-z0-9.-]+)\.)?s3[.-](?:dualstack\.)?(?P<region>[a-z0-9-]+)"
    r"\.amazonaws\.com(?:\.cn)?/(?P<path>[^?#]+)"
)


def of_url(url: str) -> tuple[str, str, str | None] | None:
    """Bucket, key and (where the URL says it) Region of ``s3://…`` or an ``https://`` S3 URL."""
    if url.startswith("s3://"):
        bucket, _, key = url.removeprefix("s3://").partition("/")
        return (bucket, key, None) if bucket and key else None
    found = _HOST.fullmatch(url)
    if found is None:
        return None
    bucket, path = found["host_bucket"], found["path"]
    key = path
    if bucket is None:
        bucket, _, key = path.partition("/")
    return (bucket, key, found["region"]) if bucket and key else None
