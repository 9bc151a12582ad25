"""What a call asks of IAM: its action, the resource, and the condition keys that AWS knows of it.

https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html has a
page for each service. Only what hosts do is here; of any other call the resource is not known, so that it is allowed only
where a policy allows it on everything. Whoever grants hosts another call on narrower resources adds a line.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

from localcloud import backends, settings
from localcloud.access.policies import Request

Parameters = Mapping[str, Any]
# A resource, and the values of condition keys.
Asked = tuple[str, dict[str, str]]

# Names of services in policies, where signatures name them otherwise.
PREFIXES = {"monitoring": "cloudwatch"}
# Everybody may ask who he is: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
FREE = frozenset({"sts:GetCallerIdentity"})


def _group(parameters: Parameters) -> Asked:
    name = parameters.get("AutoScalingGroupName", "")
    group = backends.autoscaling().autoscaling_groups.get(name)
    arn = group.arn if group else _arn("autoscaling", f"autoScalingGroup:*:autoScalingGroupName/{name}")
    return arn, {}


def _namespace(parameters: Parameters) -> Asked:
    return "*", {"cloudwatch:namespace": parameters.get("Namespace", "")}


def _log_group(parameters: Parameters) -> Asked:
    # The forms are those of AWS's refusals: https://github.com/vectordotdev/vector/issues/714
    return _arn("logs", f"log-group:{parameters.get('logGroupName', '')}:log-stream:"), {}


def _log_stream(parameters: Parameters) -> Asked:
    group, _ = _log_group(parameters)
    return group + parameters.get("logStreamName", ""), {}


def _everything(_parameters: Parameters) -> Asked:
    return "*", {}


KNOWN: dict[str, Callable[[Parameters], Asked]] = {
    "autoscaling:CompleteLifecycleAction": _group,
    "autoscaling:RecordLifecycleActionHeartbeat": _group,
    "cloudwatch:PutMetricData": _namespace,
    "ec2:DescribeTags": _everything,
    "logs:CreateLogGroup": _log_group,
    "logs:CreateLogStream": _log_stream,
    "logs:DescribeLogGroups": _log_group,
    "logs:DescribeLogStreams": _log_group,
    "logs:PutLogEvents": _log_stream,
    "logs:PutRetentionPolicy": _log_group,
    "sts:AssumeRole": lambda parameters: (str(parameters.get("RoleArn", "")), {}),
}


def requests_of(service: str, operation: str, parameters: Parameters) -> list[Request]:
    """Return what a call of any service but S3 asks; `service` is the name that signatures have for it."""
    action = f"{PREFIXES.get(service, service)}:{operation}"
    if action in FREE:
        return []
    if action not in KNOWN:
        return [Request(action, None)]
    resource, context = KNOWN[action](parameters)
    return [Request(action, resource, context)]


# Operations whose action has another name: "API operations defined by Amazon S3" in
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_s3.html
S3_ACTIONS = {
    "CompleteMultipartUpload": "PutObject",
    "CopyObject": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "DeleteObjects": "DeleteObject",
    "HeadBucket": "ListBucket",
    "HeadObject": "GetObject",
    "ListBuckets": "ListAllMyBuckets",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "ListObjectVersions": "ListBucketVersions",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListParts": "ListMultipartUploadParts",
    "UploadPart": "PutObject",
    "UploadPartCopy": "PutObject",
}
OF_VERSIONS = {"DeleteObject", "GetObject"}
# Parameters of a URL that are condition keys of s3.
S3_KEYS = ("prefix", "delimiter", "max-keys")


@dataclass(frozen=True)
class S3Call:
    """A call of S3: `bucket` and `key` are empty where it has none, `source` is what is copied (x-amz-copy-source)."""

    operation: str
    bucket: str
    key: str
    query: Mapping[str, str]
    source: str = ""
    body: bytes = b""


def s3_requests(call: S3Call) -> list[Request]:
    """Return what a call of S3 asks: deleting many objects asks for each, copying for its source as well."""
    action = S3_ACTIONS.get(call.operation, call.operation)
    versioned = action in OF_VERSIONS and "versionId" in call.query
    name = f"s3:{action}{'Version' if versioned else ''}"
    if call.operation == "DeleteObjects":
        return [Request(name, _s3_arn(call.bucket, one)) for one in _deleted(call.body)]
    context = {f"s3:{parameter}": call.query[parameter] for parameter in S3_KEYS if parameter in call.query}
    asked = [Request(name, _s3_arn(call.bucket, call.key) if call.bucket else "*", context)]
    if call.source:
        asked.append(Request("s3:GetObject", _s3_arn(*unquote(call.source).lstrip("/").partition("?")[0].split("/", 1))))
    return asked


def _deleted(body: bytes) -> list[str]:
    """Return the keys that a DeleteObjects names; where there is none to be read, all of them."""
    try:
        tree = ElementTree.fromstring(body)  # noqa: S314 - of a client with a key; moto reads it again
    except ElementTree.ParseError:
        return ["*"]
    return [element.text or "" for element in tree.iter() if element.tag.rpartition("}")[2] == "Key"] or ["*"]


def _s3_arn(bucket: str, key: str = "") -> str:
    return f"arn:aws:s3:::{bucket}/{key}" if key else f"arn:aws:s3:::{bucket}"


def _arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{settings.REGION}:{settings.ACCOUNT_ID}:{resource}"
