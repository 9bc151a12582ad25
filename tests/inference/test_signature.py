"""Requests to AWS are signed as AWS's own client signs them."""

from datetime import UTC, datetime

import botocore.auth
import botocore.credentials
from botocore.awsrequest import AWSRequest

from inference.signature import Credentials, signed_headers

FORM = "Action=CompleteLifecycleAction&AutoScalingGroupName=a+b%2Fc"
HOST = "autoscaling.eu-west-1.amazonaws.com"


def test_a_signature_is_botocores() -> None:
    theirs = AWSRequest("POST", f"https://{HOST}/", {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}, FORM)
    keys = botocore.credentials.Credentials("AKIDEXAMPLE", "secret/+=", "token/+==")
    botocore.auth.SigV4Auth(keys, "autoscaling", "eu-west-1").add_auth(theirs)
    now = datetime.strptime(theirs.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    credentials = Credentials("AKIDEXAMPLE", "secret/+=", "token/+==")
    ours = signed_headers(credentials, "eu-west-1", "autoscaling", HOST, FORM, now=now)
    assert ours["authorization"] == theirs.headers["Authorization"]
    assert ours["x-amz-security-token"] == theirs.headers["X-Amz-Security-Token"]


def test_a_secret_is_not_shown() -> None:
    assert "secret" not in repr(Credentials("AKIDEXAMPLE", "secret", "token"))
