"""S3 bucket policies: whom a statement addresses and under which Condition."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from moto.iam.access_control import IAMPolicy
from moto.s3.models import FakeBucket

from localcloud.access.policies import condition_holds
from localcloud.corrections.patching import Difference, correction

if TYPE_CHECKING:
    from localcloud.account import Account

CONDITIONS = Difference(
    "ignores conditions, so that the usual Deny of requests without TLS denies every request",
    aws="https://docs.aws.amazon.com/AmazonS3/latest/userguide/example-bucket-policies.html#example-bucket-policies-HTTP-HTTPS",
    upstream="getmoto/moto#8842",
)

# What is true of every request to this cloud. It speaks plain HTTP on loopback and on its own bridges, where nobody
# else listens, and stands in for an endpoint that is TLS only: a policy that demands TLS is met. On AWS it is a test.
REQUEST_CONTEXT = {"aws:securetransport": "true", "s3:tlsversion": "1.3"}


def addresses_callers(statement: dict[str, Any]) -> bool:
    """Say whether the statement is about users of the account (and not about an AWS service such as log delivery)."""
    principal = statement.get("Principal", "*")
    return principal == "*" or "AWS" in principal


def applicable_policy(policy: dict[str, Any]) -> dict[str, Any]:
    """Return the policy with only those statements that concern a request to this cloud."""
    statements = policy["Statement"] if isinstance(policy["Statement"], list) else [policy["Statement"]]
    return {
        **policy,
        "Statement": [
            {key: value for key, value in statement.items() if key != "Condition"}
            for statement in statements
            if addresses_callers(statement) and condition_holds(statement.get("Condition", {}), REQUEST_CONTEXT)
        ],
    }


def apply(_account: Account) -> None:
    """Let principals and conditions of bucket policies count."""

    @correction(FakeBucket, "get_permission", CONDITIONS)
    def evaluate_conditions(original: Any, self: Any, action: str, resource: str) -> Any:
        if self.policy is None:
            return original(self, action, resource)
        policy = applicable_policy(json.loads(self.policy))
        return IAMPolicy(json.dumps(policy)).is_action_permitted(action, resource)
