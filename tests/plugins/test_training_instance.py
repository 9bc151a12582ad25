"""A training job has one instance at a time, which is private, confined and gone when it is over."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from ansible_collections.pettracker.aws.plugins.module_utils.training_instances import overdue
from botocore.exceptions import ClientError

from tests.plugins.loading import FakeModule, ModuleFailed, load

Account = Callable[[str], Any]
TAGS = {"Project": "pettracker", "Environment": "dev", "ManagedBy": "ansible"}
training_instance = load("modules", "training_instance")


class Module(FakeModule):
    """Takes every parameter that is not given from the module's own defaults."""

    def __init__(self, parameters: dict[str, Any], check_mode: bool = False, ec2: Any = None) -> None:
        defaults = {
            **dict.fromkeys(("job", *training_instance.STARTING)),
            "state": "present",
            "tags": TAGS,
            "market": "spot",
            "on_demand_fallback": False,
            "root_device": "/dev/xvda",
            "root_gigabytes": 32,
            "maximum_hours": 24.0,
        }
        super().__init__(defaults | parameters, check_mode)
        self._ec2 = ec2

    def client(self, service: str, config: dict[str, Any] | None = None) -> Any:
        return self._ec2 or super().client(service, config)


class Refusing:
    """An EC2 client that refuses to start instances, as often as `errors` has codes for a market."""

    def __init__(self, **errors: list[str]) -> None:
        self.real = boto3.client("ec2", region_name="us-east-1")
        self.errors = errors
        self.asked: list[dict[str, Any]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def run_instances(self, **request: Any) -> Any:
        self.asked.append(request)
        codes = self.errors.get("spot" if "InstanceMarketOptions" in request else "on_demand", [])
        if codes:
            raise ClientError({"Error": {"Code": codes.pop(0), "Message": "none"}}, "RunInstances")
        return self.real.run_instances(**request)


@pytest.fixture
def parameters(account: Account) -> dict[str, Any]:
    ec2 = account("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{index}.0/24")["Subnet"]["SubnetId"] for index in (1, 2)]
    group = ec2.create_security_group(GroupName="training", Description="x", VpcId=vpc)["GroupId"]
    account("iam").create_instance_profile(InstanceProfileName="training")
    image = ec2.register_image(Name="base", RootDeviceName="/dev/xvda")["ImageId"]
    return {
        "job": "pets-1",
        "image_id": image,
        "instance_type": "c5.large",
        "subnet_ids": subnets,
        "security_group_id": group,
        "instance_profile": "training",
        "user_data": "#cloud-config\n{}",
    }


def run(parameters: dict[str, Any], check_mode: bool = False, ec2: Any = None) -> dict[str, Any]:
    result: dict[str, Any] = training_instance.run(Module(parameters, check_mode, ec2))
    return result


def instances(account: Account, *states: str) -> list[dict[str, Any]]:
    return training_instance.found(account("ec2"), [{"Name": "instance-state-name", "Values": list(states)}])


def test_a_job_has_one_instance_however_often_it_is_asked_for(account: Account, parameters: dict[str, Any]) -> None:
    assert run(parameters, check_mode=True) == {"changed": True, "instance_id": "", "market": "spot", "ended": []}
    assert instances(account, "pending", "running") == []
    first = run(parameters)
    assert (first["changed"], first["market"]) == (True, "spot")
    again = run(parameters)
    assert (again["changed"], again["instance_id"]) == (False, first["instance_id"])
    other = run(parameters | {"job": "pets-2", "market": "on-demand"})
    assert other["instance_id"] != first["instance_id"]
    assert other["market"] == "on-demand"


def test_the_instance_is_private_and_confined(account: Account, parameters: dict[str, Any]) -> None:
    run(parameters)
    (instance,) = instances(account, "running")
    assert instance.get("PublicIpAddress") is None
    assert instance["SubnetId"] == parameters["subnet_ids"][0]
    (interface,) = instance["NetworkInterfaces"]
    assert [group["GroupId"] for group in interface["Groups"]] == [parameters["security_group_id"]]
    assert instance["IamInstanceProfile"]["Arn"].endswith("instance-profile/training")
    assert instance["MetadataOptions"]["HttpTokens"] == "required"
    assert instance["MetadataOptions"]["HttpPutResponseHopLimit"] == 1
    ec2 = account("ec2")
    behaviour = ec2.describe_instance_attribute(
        InstanceId=instance["InstanceId"], Attribute="instanceInitiatedShutdownBehavior"
    )
    assert behaviour["InstanceInitiatedShutdownBehavior"]["Value"] == "terminate"
    (volume,) = ec2.describe_volumes(Filters=[{"Name": "attachment.instance-id", "Values": [instance["InstanceId"]]}])[
        "Volumes"
    ]
    assert (volume["Encrypted"], volume["VolumeType"], volume["Size"]) == (True, "gp3", 32)
    tags = {tag["Key"]: tag["Value"] for tag in instance["Tags"]}
    assert tags == TAGS | {"Name": "pettracker-dev-training", "Role": "training", "Job": "pets-1", "MaximumHours": "24"}


def test_an_ended_instance_is_followed_by_another(account: Account, parameters: dict[str, Any]) -> None:
    first = run(parameters)["instance_id"]
    assert run({"job": "pets-1", "state": "absent"}, check_mode=True)["ended"] == [first]
    assert run({"job": "pets-1", "state": "absent"})["ended"] == [first]
    assert run({"job": "pets-1", "state": "absent"}) == {"changed": False, "instance_id": "", "ended": []}
    assert run(parameters)["instance_id"] != first


def test_another_controllers_instance_is_taken_where_the_token_is_its(
    account: Account, parameters: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both saw nothing; the other one was faster."""
    theirs = run(parameters)["instance_id"]
    found = training_instance.found
    answers = [[]]  # what this controller saw before the other one's request
    monkeypatch.setattr(training_instance, "found", lambda ec2, wanted: answers.pop() if answers else found(ec2, wanted))
    mine = Refusing(spot=["IdempotentParameterMismatch"])
    assert run(parameters, ec2=mine)["instance_id"] == theirs
    assert len(mine.asked) == 1


def test_a_token_of_an_instance_that_is_gone_is_not_used_again(account: Account, parameters: dict[str, Any]) -> None:
    ec2 = Refusing(spot=["IdempotentParameterMismatch"] * 2)
    assert run(parameters, ec2=ec2)["instance_id"]
    assert len({request["ClientToken"] for request in ec2.asked}) == 3


def test_the_next_zone_is_tried_and_then_on_demand_if_allowed(account: Account, parameters: dict[str, Any]) -> None:
    lacking = ["InsufficientInstanceCapacity", "UnfulfillableCapacity"]
    ec2 = Refusing(spot=lacking[:1])
    run(parameters | {"job": "zone"}, ec2=ec2)
    assert [request["NetworkInterfaces"][0]["SubnetId"] for request in ec2.asked] == parameters["subnet_ids"]

    with pytest.raises(ModuleFailed, match=r"no c5.large .*InsufficientInstanceCapacity.*on-demand instance"):
        run(parameters | {"job": "none"}, ec2=Refusing(spot=list(lacking)))
    fallen_back = run(parameters | {"job": "back", "on_demand_fallback": True}, ec2=Refusing(spot=list(lacking)))
    assert fallen_back["market"] == "on-demand"
    last = {"job": "last", "market": "on-demand", "on_demand_fallback": True}
    assert run(parameters | last, ec2=Refusing(spot=[]))["market"] == "on-demand"

    with pytest.raises(ClientError, match="UnauthorizedOperation"):
        run(parameters | {"job": "denied"}, ec2=Refusing(spot=["UnauthorizedOperation"]))


def test_forgotten_instances_are_ended_and_others_are_left_alone(account: Account, parameters: dict[str, Any]) -> None:
    run(parameters | {"job": "long", "maximum_hours": 8.0})
    late = run(parameters | {"job": "late", "maximum_hours": 0.0})["instance_id"]
    run(parameters | {"job": "elsewhere", "maximum_hours": 0.0, "tags": TAGS | {"Environment": "staging"}})
    stranger = account("ec2").run_instances(ImageId=parameters["image_id"], MinCount=1, MaxCount=1)["Instances"][0]
    assert run({"state": "reaped"}, check_mode=True)["ended"] == [late]
    assert run({"state": "reaped"})["ended"] == [late]
    assert not run({"state": "reaped"})["changed"]
    alive = {instance["InstanceId"] for instance in instances(account, "running")}
    assert stranger["InstanceId"] in alive
    assert len(alive) == 3


def test_an_instance_without_a_limit_counts_as_forgotten() -> None:
    now = datetime(2026, 1, 1, 12, tzinfo=UTC)

    def instance(name: str, age: float, tags: dict[str, str]) -> dict[str, Any]:
        listed = [{"Key": key, "Value": value} for key, value in tags.items()]
        return {"InstanceId": name, "LaunchTime": now - timedelta(hours=age), "Tags": listed}

    some = [
        instance("i-1", 7.9, {"MaximumHours": "8"}),
        instance("i-2", 8.0, {"MaximumHours": "8"}),
        instance("i-3", 0.1, {"MaximumHours": "all day"}),
        instance("i-4", 0.1, {}),
    ]
    assert overdue(some, now) == ["i-2", "i-3", "i-4"]


def test_user_data_that_ec2_would_not_take_is_refused_before_anything_starts(
    account: Account, parameters: dict[str, Any]
) -> None:
    most = "é" * 8192  # two bytes each
    for check_mode in (True, False):
        with pytest.raises(ModuleFailed, match=r"has 16385 bytes, 1 more than the 16384 that EC2 takes.*shorten"):
            run(parameters | {"user_data": most + "x"}, check_mode)
    assert instances(account, "pending", "running") == []
    assert run(parameters | {"user_data": most})["instance_id"]


def test_what_is_missing_is_named(parameters: dict[str, Any]) -> None:
    with pytest.raises(ModuleFailed, match="these are missing: image_id, user_data"):
        run(parameters | {"image_id": "", "user_data": None})
    with pytest.raises(ModuleFailed, match="needs job"):
        run({"state": "absent"})
    with pytest.raises(ModuleFailed, match="Project and Environment"):
        run(parameters | {"tags": {"Project": "x"}})
