"""Who may ask the API: clients with keys that it gave out, by name, and no browser; hosts for what their roles allow."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from localcloud import backends, environment
from localcloud import settings as constants
from localcloud.access.access_key import AccessKey, new_key
from localcloud.access.keys import Keys
from localcloud.access.signature import Flaw, Signature, flaw, signature_of
from localcloud.errors import LocalCloudError
from localcloud.lock import MachineLock
from localcloud.settings import Settings
from tests.localcloud.conftest import Cloud
from tests.localcloud.host_keys import Host, allow, client_of, document

NOBODY = 65534
DENIED = "AccessDeniedException"  # of services that speak JSON
FORM = "application/x-www-form-urlencoded; charset=utf-8"


def code_of(call: Any, *arguments: Any, **named: Any) -> str:
    with pytest.raises(ClientError) as refused:
        call(*arguments, **named)
    return str(refused.value.response["Error"]["Code"])


def signed(cloud: Cloud, body: str = "Action=DescribeVpcs&Version=2016-11-15", path: str = "/") -> dict[str, str]:
    """The headers of a good call of EC2."""
    request = AWSRequest("POST", f"{cloud.url}{path}", {"Content-Type": FORM}, body.encode())
    SigV4Auth(Credentials(cloud.key.access_key_id, cloud.key.secret_access_key), "ec2", constants.REGION).add_auth(request)
    return dict(request.headers)


def post(cloud: Cloud, headers: dict[str, str], path: str = "/", method: str = "POST") -> urllib3.BaseHTTPResponse:
    body = b"Action=DescribeVpcs&Version=2016-11-15"
    return urllib3.request(method, f"{cloud.url}{path}", headers=headers, body=body, timeout=30)


# The first call of each, and what AWS says to a key that it does not know and to a signature by another secret.
SERVICES = {
    "ec2": ("describe_vpcs", "AuthFailure", "AuthFailure"),
    "s3": ("list_buckets", "InvalidAccessKeyId", "SignatureDoesNotMatch"),
    "sts": ("get_caller_identity", "InvalidClientTokenId", "SignatureDoesNotMatch"),
    "autoscaling": ("describe_auto_scaling_groups", "InvalidClientTokenId", "SignatureDoesNotMatch"),
    "cloudwatch": ("describe_alarms", "UnrecognizedClientException", "InvalidSignatureException"),
    "logs": ("describe_log_groups", "UnrecognizedClientException", "InvalidSignatureException"),
    "fis": ("list_experiments", "UnrecognizedClientException", "InvalidSignatureException"),
}


@pytest.mark.parametrize("service", SERVICES)
def test_only_a_key_that_was_given_out_with_its_secret_opens_a_service(served_cloud: Cloud, service: str) -> None:
    call, unknown, mismatch = SERVICES[service]
    getattr(served_cloud.client(service), call)()
    assert code_of(getattr(client_of(served_cloud, service, new_key()), call)) == unknown
    guessed = AccessKey(served_cloud.key.access_key_id, new_key().secret_access_key)
    assert code_of(getattr(client_of(served_cloud, service, guessed), call)) == mismatch


def test_each_start_has_a_key_of_its_own(served_cloud: Cloud) -> None:
    assert len({key.access_key_id for key in (Keys().root, Keys().root, served_cloud.key)}) == 3
    assert served_cloud.key.secret_access_key not in repr(served_cloud.account.keys.root)


def test_what_is_not_signed_or_signed_as_long_ago_is_refused(served_cloud: Cloud) -> None:
    assert "MissingAuthenticationToken" in post(served_cloud, {"Content-Type": FORM}).data.decode()
    assert post(served_cloud, {"Authorization": "AWS AKIA:abc"}, "/models/a", "GET").status == 400
    assert "AccessDenied" in post(served_cloud, {}, "/models/a", "GET").data.decode()
    # Not even for a token of somebody's, whose signature nobody here can check.
    web = "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn:aws:iam::123456789012:role/x"
    told = urllib3.request("POST", served_cloud.url, headers={"Content-Type": FORM}, body=f"{web}&RoleSessionName=x")
    assert told.status == 403


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Mode", "navigate"),
        ("Sec-Fetch-Dest", "document"),
        ("Host", "evil.example"),
        ("Host", "models.s3.amazonaws.com"),
        ("Host", "169.254.169.254"),
    ],
)
def test_a_browser_and_a_foreign_name_are_refused_even_with_a_good_signature(
    served_cloud: Cloud, header: str, value: str
) -> None:
    headers = signed(served_cloud)
    good = post(served_cloud, headers)
    assert good.status == 200
    assert "Access-Control-Allow-Origin" not in good.headers
    refused = post(served_cloud, headers | {header: value})
    assert refused.status == 403
    assert b"vpcSet" not in refused.data
    preflight = post(served_cloud, {header: value, "Access-Control-Request-Method": "POST"}, method="OPTIONS")
    assert preflight.status == 403
    assert not [name for name in preflight.headers if name.lower().startswith("access-control")]


@pytest.mark.parametrize(
    "path",
    [
        "/moto-api/reset",
        "/moto-api/data.json",
        "/moto-api/recorder/replay-recording",
        "/latest/meta-data/iam/",
        "/latest/api/token",
    ],
)
def test_nothing_but_awss_api_is_there(served_cloud: Cloud, path: str) -> None:
    vpcs = served_cloud.client("ec2").create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    # A simple request, which a page sends without asking first; and a good signature.
    assert post(served_cloud, {"Content-Type": "text/plain"}, path).status == 403
    assert post(served_cloud, signed(served_cloud, path=path), path).status == 403
    assert served_cloud.client("ec2").describe_vpcs(VpcIds=[vpcs])["Vpcs"]


def test_a_changed_request_has_no_good_signature(served_cloud: Cloud) -> None:
    headers = signed(served_cloud)
    assert post(served_cloud, headers).status == 200
    assert post(served_cloud, headers | {"X-Amz-Target": "Logs_20140328.CreateLogGroup"}).status == 401
    other = urllib3.request("POST", served_cloud.url, headers=headers, body=b"Action=CreateVpc&Version=2016-11-15")
    assert b"AuthFailure" in other.data


@pytest.fixture
def bucket(cloud: Cloud) -> Any:
    s3 = client_of(cloud, "s3", cloud.key)
    s3.create_bucket(Bucket="models")
    s3.put_object(Bucket="models", Key="a b/ü+~*.bin", Body=b"1")
    return s3


def test_a_presigned_address_opens_one_object_in_one_way(cloud: Cloud, bucket: Any) -> None:
    parameters = {"Bucket": "models", "Key": "a b/ü+~*.bin"}
    reading = bucket.generate_presigned_url("get_object", Params=parameters)
    assert urllib3.request("GET", reading).data == b"1"
    for method, url in (
        ("PUT", reading),
        ("GET", reading.replace("a%20b", "c")),
        ("GET", reading.replace("X-Amz-Expires=3600", "X-Amz-Expires=36000")),
        ("GET", reading.replace(cloud.key.access_key_id, new_key().access_key_id)),
        ("GET", client_of(cloud, "s3", new_key()).generate_presigned_url("get_object", Params=parameters)),
        ("GET", reading.split("?", maxsplit=1)[0]),
    ):
        assert urllib3.request(method, url, body=b"2").status == 403, (method, url)
    writing = bucket.generate_presigned_url("put_object", Params={"Bucket": "models", "Key": "b"})
    assert urllib3.request("PUT", writing, body=b"2").status == 200
    assert bucket.get_object(Bucket="models", Key="b")["Body"].read() == b"2"


def test_a_presigned_address_ends_when_its_time_is_over_and_is_for_a_week_at_most(cloud: Cloud, bucket: Any) -> None:
    def found(url: str, after: timedelta, key: AccessKey = cloud.key) -> Flaw | None:
        parts = urlsplit(url)
        environ = {
            **{"REQUEST_METHOD": "GET", "RAW_URI": f"{parts.path}?{parts.query}", "QUERY_STRING": parts.query},
            **{"HTTP_HOST": parts.netloc},
        }
        signature = signature_of(environ)
        assert isinstance(signature, Signature)
        return flaw(environ, signature, key, datetime.now(UTC) + after)

    def url(seconds: int) -> str:
        parameters = {"Bucket": "models", "Key": "a"}
        address: str = bucket.generate_presigned_url("get_object", Params=parameters, ExpiresIn=seconds)
        return address

    assert found(url(600), timedelta(seconds=590)) is None
    assert found(url(600), timedelta(seconds=610)) is Flaw.EXPIRED_URL
    assert found(url(604801), timedelta(0)) is Flaw.MALFORMED
    ended = AccessKey(cloud.key.access_key_id, cloud.key.secret_access_key, None, datetime.now(UTC))
    assert found(url(600), timedelta(seconds=1), ended) is Flaw.EXPIRED_TOKEN


def test_a_session_opens_the_account_with_its_token_until_it_ends(cloud: Cloud) -> None:
    role = f"arn:aws:iam::{constants.ACCOUNT_ID}:role/deploy"
    given = cloud.client("sts").assume_role(RoleArn=role, RoleSessionName="ci")["Credentials"]
    key = AccessKey(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
    assert client_of(cloud, "sts", key).get_caller_identity()["Arn"].endswith("assumed-role/deploy/ci")
    bare = AccessKey(key.access_key_id, key.secret_access_key)
    assert code_of(client_of(cloud, "sts", bare).get_caller_identity) == "InvalidClientTokenId"
    session = backends.sts().get_assumed_role_from_access_key(key.access_key_id)
    session.expiration = datetime.now(UTC).replace(tzinfo=None)
    assert code_of(client_of(cloud, "sts", key).get_caller_identity) == "ExpiredToken"
    assert code_of(client_of(cloud, "ec2", key).describe_vpcs) == "RequestExpired"


def test_a_users_key_opens_the_account_as_long_as_it_is_active(cloud: Cloud) -> None:
    iam = cloud.client("iam")
    iam.create_user(UserName="ada")
    given = iam.create_access_key(UserName="ada")["AccessKey"]
    key = AccessKey(given["AccessKeyId"], given["SecretAccessKey"])
    client_of(cloud, "ec2", key).describe_vpcs()
    iam.update_access_key(UserName="ada", AccessKeyId=key.access_key_id, Status="Inactive")
    assert code_of(client_of(cloud, "ec2", key).describe_vpcs) == "AuthFailure"


def test_a_host_does_what_its_role_allows_and_is_refused_the_rest_in_each_services_words(
    cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    own = {"StringEquals": {"cloudwatch:namespace": "Own"}}
    host = Host(cloud, allow("ec2:DescribeTags"), allow("cloudwatch:PutMetricData", Condition=own))
    host.client("ec2").describe_tags()
    host.client("sts").get_caller_identity()
    metrics, datum = host.client("cloudwatch"), [{"MetricName": "m", "Value": 1.0}]
    metrics.put_metric_data(Namespace="Own", MetricData=datum)
    run = {"ImageId": cloud.base_image, "MinCount": 1, "MaxCount": 1}
    role = "arn:aws:iam::1:role/x"
    for service, call, arguments, code, action, resource in (
        ("ec2", "run_instances", run, "UnauthorizedOperation", "ec2:RunInstances", "*"),
        ("cloudwatch", "put_metric_data", {"Namespace": "Other", "MetricData": datum}, DENIED, "cloudwatch:PutMetricData", "*"),
        ("iam", "list_roles", {}, "AccessDenied", "iam:ListRoles", "*"),
        ("ssm", "get_parameter", {"Name": "a"}, DENIED, "ssm:GetParameter", "*"),
        ("sts", "assume_role", {"RoleArn": role, "RoleSessionName": "xx"}, "AccessDenied", "sts:AssumeRole", role),
        ("s3", "list_buckets", {}, "AccessDenied", "s3:ListAllMyBuckets", "*"),
    ):
        caplog.clear()
        with pytest.raises(ClientError) as refused:
            getattr(host.client(service), call)(**arguments)
        error = refused.value.response["Error"]
        said = f"User: {host.arn} is not authorized to perform: {action} on resource: {resource} because no"
        assert (error["Code"], said in error["Message"]) == (code, True), error
        assert said in caplog.text
    assert code_of(host.client("dynamodb").list_tables) == "AccessDenied"
    assert len(cloud.hosts.specs) == 1


@pytest.mark.parametrize(
    ("region", "header"),
    [
        (constants.REGION, "x-amz-date;AKIAAAAAAAAAAAAAAAAA/"),
        (constants.REGION, "x-amz-date;11111111111111111111/"),
        ("AAAAAAAAAAAAAAAAAAAA", "x-amz-date"),
    ],
)
def test_no_name_in_a_hosts_signature_is_taken_for_another_key(cloud: Cloud, region: str, header: str) -> None:
    host = Host(cloud, allow("ec2:DescribeTags"))

    class Signer(SigV4Auth):
        def signed_headers(self, headers_to_sign: Any) -> str:
            return str(super().signed_headers(headers_to_sign)).replace("x-amz-date", header)

        def canonical_headers(self, headers_to_sign: Any) -> str:
            added = "".join(f"{name}:\n" for name in header.split(";")[1:])
            return str(super().canonical_headers(headers_to_sign)).replace("\nx-amz-sec", f"\n{added}x-amz-sec")

    body = b"Action=CreateUser&Version=2010-05-08&UserName=eve"
    request = AWSRequest("POST", f"{cloud.url}/", {"Content-Type": FORM}, body)
    key = Credentials(host.key.access_key_id, host.key.secret_access_key, host.key.session_token)
    Signer(key, "iam", region).add_auth(request)
    told = urllib3.request("POST", f"{cloud.url}/", headers=dict(request.headers), body=body)
    assert (told.status, b"not authorized to perform: iam:CreateUser" in told.data) == (403, True), told.data
    assert not cloud.client("iam").list_users()["Users"]


def test_a_host_reaches_the_objects_that_its_role_names(cloud: Cloud, bucket: Any) -> None:
    models, prefix = "arn:aws:s3:::models", {"StringLike": {"s3:prefix": "production/*"}}
    host = Host(
        cloud,
        allow("s3:GetObject", on=f"{models}/production/*"),
        allow("s3:ListBucket", on=models, Condition=prefix),
        allow("s3:PutObject", on=f"{models}/experiments/*"),
        allow("s3:DeleteObject", on=f"{models}/experiments/*/checkpoints/*"),
    )
    s3 = host.client("s3")
    for key in ("production/a", "experiments/1/checkpoints/a", "secret"):
        bucket.put_object(Bucket="models", Key=key, Body=b"1")
    s3.get_object(Bucket="models", Key="production/a")
    s3.head_object(Bucket="models", Key="production/a")
    s3.list_objects_v2(Bucket="models", Prefix="production/")
    s3.put_object(Bucket="models", Key="experiments/1/b", Body=b"1")
    upload = s3.create_multipart_upload(Bucket="models", Key="experiments/1/c")["UploadId"]
    part = s3.upload_part(Bucket="models", Key="experiments/1/c", UploadId=upload, PartNumber=1, Body=b"1")
    parts = {"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]}
    s3.complete_multipart_upload(Bucket="models", Key="experiments/1/c", UploadId=upload, MultipartUpload=parts)
    s3.delete_object(Bucket="models", Key="experiments/1/checkpoints/a")
    copied = {"Bucket": "models", "Key": "experiments/1/d"}
    s3.copy_object(**copied, CopySource="models/production/a")
    own, foreign = {"Key": "experiments/1/checkpoints/b"}, {"Key": "secret"}
    s3.delete_objects(Bucket="models", Delete={"Objects": [own]})
    for call, arguments in (
        (s3.get_object, {"Key": "secret"}),
        (s3.get_object, {"Key": "production/a", "VersionId": "null"}),
        (s3.list_objects_v2, {}),
        (s3.list_objects_v2, {"Prefix": "experiments/"}),
        (s3.put_object, {"Key": "production/a", "Body": b"2"}),
        (s3.delete_object, {"Key": "experiments/1/b"}),
        (s3.delete_objects, {"Delete": {"Objects": [own, foreign]}}),
        (s3.copy_object, {"Key": "experiments/1/d", "CopySource": "models/secret"}),
        (s3.put_object_acl, {"Key": "experiments/1/b", "ACL": "public-read"}),
        (s3.put_bucket_policy, {"Policy": "{}"}),
        (s3.delete_bucket, {}),
    ):
        assert code_of(call, Bucket="models", **arguments) == "AccessDenied", (call, arguments)
    assert code_of(s3.create_bucket, Bucket="more") == "AccessDenied"
    # What it signs for others goes as far.
    mine = s3.generate_presigned_url("get_object", Params={"Bucket": "models", "Key": "production/a"})
    assert urllib3.request("GET", mine).status == 200
    theirs = s3.generate_presigned_url("get_object", Params={"Bucket": "models", "Key": "secret"})
    assert urllib3.request("GET", theirs).status == 403
    assert bucket.get_object(Bucket="models", Key="secret")["Body"].read() == b"1"


def test_the_boundary_and_a_deny_bound_a_host(cloud: Cloud) -> None:
    most = document(allow("logs:*"))
    arn = cloud.client("iam").create_policy(PolicyName="most", PolicyDocument=most)["Policy"]["Arn"]
    host = Host(cloud, allow("logs:*", "ec2:*"), boundary=arn)
    logs = host.client("logs")
    logs.create_log_group(logGroupName="/own")
    with pytest.raises(ClientError, match="because no permissions boundary allows the ec2:DescribeTags action"):
        host.client("ec2").describe_tags()
    streams = f"arn:aws:logs:{constants.REGION}:{constants.ACCOUNT_ID}:log-group:/own:log-stream:s"
    host.may(allow("logs:*"), {"Effect": "Deny", "Action": "logs:Create*", "Resource": streams})
    logs.create_log_stream(logGroupName="/own", logStreamName="t")
    with pytest.raises(ClientError, match="with an explicit deny in an identity-based policy"):
        logs.create_log_stream(logGroupName="/own", logStreamName="s")


@pytest.fixture
def clone() -> Iterator[Settings]:
    """A clone where everybody may look around; pytest's own directories are private."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o755)
        settings = Settings(root=directory / "clone", lock_file=directory / "lock")
        settings.state_dir.mkdir(parents=True)
        yield settings


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="becomes another user")
def test_another_user_of_the_machine_reads_no_key_and_blocks_no_lock(clone: Settings) -> None:
    def as_nobody(*command: str) -> int:
        asks = ["setpriv", f"--reuid={NOBODY}", "--clear-groups", *command]
        return subprocess.run(asks, capture_output=True, check=False).returncode

    key = new_key()
    environment.write(clone, key)
    clone.env_file.with_name("other").write_text("")
    assert as_nobody("cat", str(clone.env_file.with_name("other"))) == 0
    assert as_nobody("cat", str(clone.env_file)) != 0
    assert environment.read_key(clone) == key
    lock = MachineLock(clone.lock_file)
    lock.acquire(clone.root)
    assert as_nobody("flock", "--shared", "--nonblock", str(clone.root), "true") == 0
    assert as_nobody("flock", "--shared", "--nonblock", str(clone.lock_file), "true") not in (0, 1)
    lock.release()


def test_a_cloud_of_another_user_is_named_as_such(clone: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_path: Path) -> bool:
        raise PermissionError

    monkeypatch.setattr(Path, "exists", refused)
    with pytest.raises(LocalCloudError, match="another user's"):
        environment.check_ready(clone)
