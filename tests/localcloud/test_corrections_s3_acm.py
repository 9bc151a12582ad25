"""Bucket policies with conditions, life cycles, imported certificates."""

import json
import re
from typing import Any

import pytest
import trustme
from botocore.exceptions import ClientError

from tests.localcloud.conftest import Cloud


def deny(condition: dict[str, Any]) -> str:
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": ["arn:aws:s3:::models", "arn:aws:s3:::models/*"],
        "Condition": condition,
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_a_deny_whose_condition_holds_is_enforced(cloud: Cloud) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="models")
    s3.put_bucket_policy(Bucket="models", Policy=deny({"Bool": {"aws:SecureTransport": "true"}}))
    with pytest.raises(ClientError, match="403"):
        s3.put_object(Bucket="models", Key="a", Body=b"1")


RULE = {"ID": "a", "Filter": {"Prefix": ""}, "Status": "Enabled", "Expiration": {"Days": 1}}
WITHOUT_ACTION = {key: value for key, value in RULE.items() if key != "Expiration"}
REFUSED: dict[str, tuple[list[dict[str, Any]], str]] = {
    "no day": ([RULE | {"Expiration": {"Days": 0}}], "InvalidArgument.*'Days' for Expiration"),
    "no day of an earlier version": (
        [WITHOUT_ACTION | {"NoncurrentVersionExpiration": {"NoncurrentDays": 0}}],
        "InvalidArgument.*'NoncurrentDays'",
    ),
    "no day of an upload": (
        [WITHOUT_ACTION | {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 0}}],
        "InvalidArgument.*'DaysAfterInitiation'",
    ),
    "days and markers": ([RULE | {"Expiration": {"Days": 1, "ExpiredObjectDeleteMarker": True}}], "MalformedXML"),
    "no action": ([WITHOUT_ACTION], "InvalidRequest.*At least one action"),
    "no filter": ([{key: value for key, value in RULE.items() if key != "Filter"}], "MalformedXML"),
    "an unknown status": ([RULE | {"Status": "On"}], "MalformedXML"),
    "one name twice": ([RULE, RULE | {"Filter": {"Prefix": "b"}}], "InvalidArgument.*unique"),
    "a long name": ([RULE | {"ID": "a" * 256}], "InvalidArgument.*255"),
    "no rule": ([], "MalformedXML"),
}


def test_rules_of_a_life_cycle_are_refused_as_aws_refuses_them_and_get_a_name(cloud: Cloud) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="models")
    for case, (rules, told) in REFUSED.items():
        with pytest.raises(ClientError) as refusal:
            s3.put_bucket_lifecycle_configuration(Bucket="models", LifecycleConfiguration={"Rules": rules})
        assert re.search(told, str(refusal.value)), case
    nameless = {key: value for key, value in RULE.items() if key != "ID"}
    s3.put_bucket_lifecycle_configuration(Bucket="models", LifecycleConfiguration={"Rules": [nameless]})
    (kept,) = s3.get_bucket_lifecycle_configuration(Bucket="models")["Rules"]
    assert kept == nameless | {"ID": kept["ID"]}
    assert kept["ID"]


def test_an_imported_certificate_comes_back_with_its_own_chain(cloud: Cloud) -> None:
    acm = cloud.client("acm")
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    certificate, key = issued.cert_chain_pems[0].bytes(), issued.private_key_pem.bytes()
    chain = authority.cert_pem.bytes()
    arn = acm.import_certificate(Certificate=certificate, PrivateKey=key, CertificateChain=chain)["CertificateArn"]
    assert acm.get_certificate(CertificateArn=arn)["CertificateChain"].strip() == chain.decode().strip()
    arn = acm.import_certificate(Certificate=certificate, PrivateKey=key)["CertificateArn"]
    assert acm.get_certificate(CertificateArn=arn)["CertificateChain"] == certificate.decode()
