"""What carries an environment's tags is found and removed; what belongs to another environment stays."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from ansible_collections.pettracker.aws.plugins.module_utils import kinds, owned_resources
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.kind import Scope
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.registry import KINDS
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.vpc import Vpc
from ansible_collections.pettracker.aws.plugins.module_utils.owned_resources import identities, listed, remove
from ansible_collections.pettracker.aws.plugins.module_utils.refusals import gone
from botocore import xform_name
from botocore.exceptions import ClientError

from tests.plugins.loading import FakeModule, ModuleFailed, load

Account = Callable[[str], Any]
DEV = {"Project": "pettracker", "Environment": "dev"}
READ_ALL = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}'
PRODUCTION = {"Project": "pettracker", "Environment": "production"}


def pairs(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def make_environment(client: Account, tags: dict[str, str]) -> None:
    """Makes a VPC with two groups that refer to each other, a bucket with versions, a role in a profile and more."""
    ec2, s3, iam, logs = client("ec2"), client("s3"), client("iam"), client("logs")
    name = tags["Environment"]
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
    groups = [ec2.create_security_group(GroupName=f"{name}-{n}", Description="x", VpcId=vpc)["GroupId"] for n in (1, 2)]
    for own, other in (groups, groups[::-1]):
        rule = {"IpProtocol": "tcp", "FromPort": 8080, "ToPort": 8080, "UserIdGroupPairs": [{"GroupId": other}]}
        ec2.authorize_security_group_ingress(GroupId=own, IpPermissions=[rule])
    ec2.create_tags(Resources=[vpc, subnet, gateway, table, *groups], Tags=pairs(tags))
    s3.create_bucket(Bucket=f"{name}-models")
    s3.put_bucket_versioning(Bucket=f"{name}-models", VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=f"{name}-models", Key="a", Body=b"1")
    s3.put_object(Bucket=f"{name}-models", Key="a", Body=b"2")
    s3.delete_object(Bucket=f"{name}-models", Key="a")
    s3.put_bucket_tagging(Bucket=f"{name}-models", Tagging={"TagSet": pairs(tags)})
    iam.create_role(RoleName=f"pettracker-{name}-service", AssumeRolePolicyDocument="{}", Tags=pairs(tags))
    iam.put_role_policy(RoleName=f"pettracker-{name}-service", PolicyName="service", PolicyDocument=READ_ALL)
    iam.create_instance_profile(InstanceProfileName=f"pettracker-{name}-service", Tags=pairs(tags))
    iam.add_role_to_instance_profile(InstanceProfileName=f"pettracker-{name}-service", RoleName=f"pettracker-{name}-service")
    logs.create_log_group(logGroupName=f"/{name}", tags=tags)
    client("ssm").put_parameter(Name=f"/{name}/release", Type="String", Value="1", Tags=pairs(tags))


@pytest.fixture
def environments(client: Account) -> Account:
    make_environment(client, DEV)
    make_environment(client, PRODUCTION)
    return client


def test_everything_of_one_environment_goes_and_the_other_stays(environments: Account) -> None:
    before = listed(environments, Scope(PRODUCTION))
    assert set(before) >= {
        "VPC",
        "subnet",
        "security group",
        "route table",
        "internet gateway",
        "bucket",
        "role",
        "log group",
        "parameter",
    }
    assert remove(environments, Scope(DEV)) == {}
    assert listed(environments, Scope(DEV)) == {}
    assert listed(environments, Scope(PRODUCTION)) == before


def test_a_kept_kind_stays(environments: Account) -> None:
    remove(environments, Scope(DEV), kept=frozenset({"bucket"}))
    assert identities(listed(environments, Scope(DEV))) == {"bucket": ["dev-models"]}


def test_a_bucket_with_more_versions_than_one_listing_has_is_emptied(environments: Account) -> None:
    """A training job rewrites one object with each epoch."""
    most = 10  # in place of S3's 1000, both in a listing and in a deletion

    def list_fewer(params: dict[str, Any], **_: Any) -> None:
        params["MaxKeys"] = min(most, params.get("MaxKeys", most))

    def refuse_more(params: dict[str, Any], **_: Any) -> None:
        assert len(params["Delete"]["Objects"]) <= most

    def account(service: str) -> Any:
        client = environments(service)
        client.meta.events.register("before-parameter-build.s3.ListObjectVersions", list_fewer)
        client.meta.events.register("before-parameter-build.s3.DeleteObjects", refuse_more)
        return client

    for epoch in range(25):
        environments("s3").put_object(Bucket="dev-models", Key="history", Body=str(epoch).encode())
    remove(account, Scope(DEV))
    assert listed(environments, Scope(DEV)) == {}


def test_what_cannot_be_removed_in_time_is_named(environments: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stuck(Vpc):
        def remove(self, *_: Any) -> None:
            raise ClientError({"Error": {"Code": "DependencyViolation"}}, "DeleteVpc")

    monkeypatch.setattr(owned_resources, "PAUSE", 0)
    monkeypatch.setattr(owned_resources, "KINDS", (Stuck(),))
    assert list(remove(environments, Scope(DEV), patience=0)) == ["VPC"]


class Hasty:
    """A client of an account in which things go away between the listing and the next call about them."""

    def __init__(self, client: Any, remove: Callable[[Any], Any], call: str) -> None:
        self._client, self._remove, self._call = client, remove, call

    def __getattr__(self, name: str) -> Any:
        if name == self._call:
            self._call = ""
            self._remove(self._client)
        return getattr(self._client, name)


OTHERS = "pettracker-dev-else"


@pytest.mark.parametrize(
    ("service", "call", "make", "vanish"),
    [
        (
            *("iam", "get_instance_profile"),
            lambda iam: iam.create_instance_profile(InstanceProfileName=OTHERS),
            lambda iam: iam.delete_instance_profile(InstanceProfileName=OTHERS),
        ),
        (
            *("logs", "delete_log_group"),
            lambda logs: logs.create_log_group(logGroupName=OTHERS, tags=DEV),
            lambda logs: logs.delete_log_group(logGroupName=OTHERS),
        ),
        (
            *("iam", "delete_role"),
            lambda iam: iam.create_role(RoleName=OTHERS, AssumeRolePolicyDocument="{}", Tags=pairs(DEV)),
            lambda iam: iam.delete_role(RoleName=OTHERS),
        ),
    ],
    ids=["profile", "removed group", "removed role"],
)
def test_what_goes_away_meanwhile_stops_nothing(
    client: Account, service: str, call: str, make: Callable[[Any], Any], vanish: Callable[[Any], Any]
) -> None:
    make(client(service))
    hasty = Hasty(client(service), vanish, call)
    assert remove(lambda asked: hasty if asked == service else client(asked), Scope(DEV)) == {}
    assert hasty._call == "", "it was not asked"


def calls_of(service: str) -> set[str]:
    """The operations of a service that the module may call, by the names in its text."""
    names = {word for file in Path(kinds.__path__[0]).glob("*.py") for word in re.findall(r"\w+", file.read_text())}
    model = botocore.session.get_session().get_service_model(service)
    return {
        operation
        for operation in model.operation_names
        if xform_name(operation) in names and operation.startswith(("Delete", "Describe", "Get", "List"))
    }


@pytest.mark.parametrize("service", sorted({kind.service for kind in KINDS} - {"ec2", "s3", "autoscaling"}))
def test_each_services_own_word_for_gone_is_known(service: str) -> None:
    model = botocore.session.get_session().get_service_model(service)
    said = {
        error.error_code
        for operation in calls_of(service)
        for error in model.operation_model(operation).error_shapes
        if re.search(r"does ?n[o']t exist|can.t locate|can.t be found|cannot be found", error.documentation)
        and not re.search(r"policy|topic|InvalidTarget", error.name, re.IGNORECASE)
    }
    assert said
    for code in said:
        assert gone(ClientError({"Error": {"Code": code}}, "x")), code


@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [
        # https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html; its model has no errors.
        ("InvalidVpcID.NotFound", "", True),
        ("InvalidAMIID.Unavailable", "", True),
        ("NatGatewayNotFound", "", True),
        ("NoSuchBucket", "", True),
        ("ValidationError", "AutoScalingGroup name not found - AutoScalingGroup 'a' not found", True),
        ("ValidationError", "1 validation error detected", False),
        ("DependencyViolation", "", False),
        ("AccessDenied", "", False),
    ],
)
def test_codes_that_no_model_has(code: str, message: str, expected: bool) -> None:
    assert gone(ClientError({"Error": {"Code": code, "Message": message}}, "x")) == expected


def test_what_is_no_kind_cannot_be_kept() -> None:
    parameters = {"tags": DEV, "state": "absent", "keep": ["buckets"], "vpc_id": "", "wait_timeout": 0}
    with pytest.raises(ModuleFailed, match=r"There is no kind 'buckets' to be kept; the kinds are: .*bucket"):
        load("modules", "owned_resources").run(FakeModule(parameters))
