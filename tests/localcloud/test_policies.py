"""Decisions of IAM: policies, conditions and what bounds them."""

from typing import Any

import pytest

from localcloud.access.policies import Decision, Principal, Request, condition_holds, decide
from tests.localcloud.host_keys import allow

ARN = "arn:aws:s3:::b/k"
DENY = {"Effect": "Deny", "Action": "s3:*", "Resource": "*"}


@pytest.mark.parametrize(
    ("statements", "request_", "allowed"),
    [
        ([], Request("s3:GetObject", ARN), False),
        ([allow("s3:getobject")], Request("s3:GetObject", ARN), True),
        ([allow("s3:Get*", on="arn:aws:s3:::b/?")], Request("s3:GetObject", ARN), True),
        ([allow("s3:Get*", on="arn:aws:s3:::[b]/k")], Request("s3:GetObject", ARN), False),
        ([allow("s3:*", on="arn:aws:s3:::b")], Request("s3:GetObject", ARN), False),
        ([allow("s3:*"), DENY], Request("s3:GetObject", ARN), False),
        ([DENY | {"Condition": {"Bool": {"a": "true"}}}, allow("s3:*")], Request("s3:GetObject", ARN), True),
        ([DENY | {"Condition": {"IpAddress": {"a": "0.0.0.0/0"}}}, allow("s3:*")], Request("s3:GetObject", ARN), False),
        ([allow("s3:*", Condition={"IpAddress": {"a": "0.0.0.0/0"}})], Request("s3:GetObject", ARN, {"a": "1"}), False),
        ([{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}], Request("s3:GetObject", ARN), True),
        ([{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}], Request("iam:GetRole", "*"), False),
        ([{"Effect": "Allow", "Action": "s3:*", "NotResource": ARN}], Request("s3:GetObject", ARN), False),
        ([allow("s3:*", on="arn:aws:s3:::${aws:userid}/k")], Request("s3:GetObject", ARN), False),
        ([allow("s3:*", on="arn:aws:s3:::${s3:x}/k")], Request("s3:GetObject", ARN, {"s3:X": "b"}), True),
        # What a variable stands for is no pattern.
        ([allow("s3:*", on="arn:aws:s3:::${s3:x}/k")], Request("s3:GetObject", ARN, {"s3:x": "*"}), False),
        ([allow("s3:*", Condition={"StringNotEquals": {"a": "1"}})], Request("s3:GetObject", ARN), True),
        ([allow("s3:*", Condition={"Null": {"a": "true"}})], Request("s3:GetObject", ARN), True),
        ([allow("s3:*", Condition={"Null": {"a": "false"}})], Request("s3:GetObject", ARN), False),
        # A resource that is not known here.
        ([allow("x:Do")], Request("x:Do", None), True),
        ([allow("x:Do", on="arn:aws:x:::*")], Request("x:Do", None), False),
        ([allow("x:Do"), {"Effect": "Deny", "Action": "x:Do", "Resource": "arn:y"}], Request("x:Do", None), False),
    ],
)
def test_a_decision_is_that_of_iam(statements: list[dict[str, Any]], request_: Request, allowed: bool) -> None:
    somebody = Principal("arn:aws:sts::1:assumed-role/r/s", "AROA:s", "s", policies=[{"Statement": statements}])
    assert decide(somebody, request_).allowed is allowed


def test_a_session_policy_bounds_its_session() -> None:
    everything = [{"Statement": allow("*")}]
    somebody = Principal("a", "b", "c", policies=everything, session=[{"Statement": allow("s3:Get*")}])
    assert decide(somebody, Request("s3:GetObject", ARN)).allowed
    refused = decide(somebody, Request("s3:PutObject", ARN))
    assert refused == Decision(allowed=False, reason="because no session policy allows the s3:PutObject action")


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({}, True),
        ({"Bool": {"aws:SecureTransport": False}}, False),
        ({"Bool": {"aws:Missing": "true"}}, False),
        ({"BoolIfExists": {"aws:Missing": "true"}}, True),
        ({"NumericLessThan": {"s3:TlsVersion": "1.2"}}, False),
        ({"NumericLessThan": {"s3:TlsVersion": 1.4}}, True),
        ({"StringNotEquals": {"s3:x-amz-server-side-encryption": "aws:kms"}}, True),
        ({"StringEquals": {"aws:SecureTransport": ["no", "true"]}}, True),
    ],
)
def test_conditions_are_evaluated_as_iam_does(condition: dict[str, Any], holds: bool) -> None:
    context = {"aws:securetransport": "true", "s3:tlsversion": "1.3"}
    assert condition_holds(condition, context) is holds


def test_an_unknown_condition_operator_never_holds_by_accident() -> None:
    with pytest.raises(NotImplementedError, match="DateLessThan"):
        condition_holds({"DateLessThan": {"aws:CurrentTime": "2026-01-01"}}, {})
