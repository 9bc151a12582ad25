"""The life cycle of S3 buckets: what AWS refuses in its rules."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from moto.s3.exceptions import InvalidArgumentError, MalformedXML, S3ClientError
from moto.s3.models import FakeBucket

from localcloud.corrections.patching import NOT_REPORTED, Difference, correction

if TYPE_CHECKING:
    from localcloud.account import Account

RULES = Difference(
    "takes almost any rule",
    aws="https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketLifecycleConfiguration.html",
    upstream=NOT_REPORTED,
)

# https://docs.aws.amazon.com/AmazonS3/latest/API/API_LifecycleRule.html and the pages of the actions: days are "a non-zero
# positive integer", and a rule has a Status and "one or more" actions.
DAYS = {
    "Expiration": "Days",
    "NoncurrentVersionExpiration": "NoncurrentDays",
    "AbortIncompleteMultipartUpload": "DaysAfterInitiation",
}
ACTIONS = {*DAYS, "Transition", "NoncurrentVersionTransition"}
STATUSES = ("Enabled", "Disabled")
LONGEST_ID = 255


def check(rules: Sequence[Mapping[str, Any]]) -> None:
    """Raise the error that AWS answers with; the rules are as in the request's XML, values as text."""
    if not rules:
        raise MalformedXML
    for rule in rules:
        if rule.get("Status") not in STATUSES:
            raise MalformedXML
        if not ACTIONS & set(rule):
            raise S3ClientError("InvalidRequest", "At least one action needs to be specified in a rule")
        for action, key in DAYS.items():
            days = (rule.get(action) or {}).get(key)
            if days is not None and not int(days) > 0:
                message = f"'{key}' for {action} action must be a positive integer"
                raise InvalidArgumentError(message, key, days)
        if len(rule.get("ID") or "") > LONGEST_ID:
            message = f"ID length should not exceed allowed limit of {LONGEST_ID}"
            raise InvalidArgumentError(message, "ID", rule["ID"])
    twice = [name for name, count in Counter(rule["ID"] for rule in rules if rule.get("ID")).items() if count > 1]
    if twice:
        message = "Rule ID must be unique. Found same ID for more than one rule"
        raise InvalidArgumentError(message, "ID", twice[0])


def apply(_account: Account) -> None:
    """Look at the rules before moto keeps them, and name those that have no name."""

    @correction(FakeBucket, "set_lifecycle", RULES)
    def refuse_what_aws_refuses(original: Any, self: Any, rules: list[dict[str, Any]]) -> None:
        check(rules)
        original(self, [rule | {"ID": rule.get("ID") or str(uuid.uuid4())} for rule in rules])
