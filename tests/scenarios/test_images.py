"""Images that the scenario `rollout` makes behind the gates' back look like verified ones."""

from pathlib import Path
from typing import Any

import images
import pytest

from tests.localcloud.conftest import Cloud

TAGS = {
    "Name": "pettracker-local-0123",
    "Project": "pettracker",
    "Environment": "local",
    "ManagedBy": "ansible",
    "Role": "service",
    "Verified": "true",
    "ModelDigest": "sha256:1",
}


@pytest.fixture
def served(account: Cloud, monkeypatch: pytest.MonkeyPatch) -> str:
    """The verified image of a fleet."""
    ec2, iam = account.client("ec2"), account.client("iam")
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    profile = iam.create_instance_profile(InstanceProfileName="service")["InstanceProfile"]["Arn"]
    launched = ec2.run_instances(
        ImageId=account.base_image,
        InstanceType="c5.large",
        SubnetId=subnet,
        IamInstanceProfile={"Arn": profile},
        MinCount=1,
        MaxCount=1,
    )["Instances"][0]["InstanceId"]
    ec2.get_waiter("instance_running").wait(InstanceIds=[launched], WaiterConfig=images.SOON)
    tags = [{"Key": key, "Value": value} for key, value in TAGS.items()]
    image: str = ec2.create_image(
        InstanceId=launched, Name=TAGS["Name"], TagSpecifications=[{"ResourceType": "image", "Tags": tags}]
    )["ImageId"]
    ec2.get_waiter("image_available").wait(ImageIds=[image], WaiterConfig=images.SOON)
    instance = ec2.describe_instances(InstanceIds=[launched])["Reservations"][0]["Instances"][0]
    monkeypatch.setattr("fleet.an_instance", lambda: instance | {"ImageId": image})
    return image


def described(account: Cloud, image: str) -> dict[str, Any]:
    found: dict[str, Any] = account.client("ec2").describe_images(ImageIds=[image])["Images"][0]
    return found


def builders(account: Cloud) -> list[dict[str, Any]]:
    filters = [{"Name": "tag:Role", "Values": ["builder"]}]
    reservations = account.client("ec2").describe_instances(Filters=filters)["Reservations"]
    return [instance for reservation in reservations for instance in reservation["Instances"]]


def plays_on_the_builder(script: Path, url: str) -> None:
    """Let Ansible say what it says of a host that it found by its tag."""
    ask = "ec2 describe-instances --query 'Reservations[].Instances[].InstanceId' --filters Name=tag:Role,Values=builder"
    script.write_text(f'#!/bin/sh\necho "$@"\naws --endpoint-url {url} {ask}\n')


def test_a_bad_release_is_the_newest_verified_image_of_the_model(account: Cloud, served: str, ansible: Path) -> None:
    plays_on_the_builder(ansible, account.url)
    made = described(account, images.make("wrong_answers"))
    tags = {tag["Key"]: tag["Value"] for tag in made["Tags"]}
    assert tags.pop("Name").startswith("pettracker-local-service-wrong-answers-")
    assert tags == {key: value for key, value in TAGS.items() if key != "Name"}
    assert made["CreationDate"] >= described(account, served)["CreationDate"]  # both in one second, here
    (builder,) = builders(account)
    assert builder["ImageId"] == served
    assert builder["State"]["Name"] in ("shutting-down", "terminated")
    images.remove(made["ImageId"])
    assert account.client("ec2").describe_images(Owners=["self"])["Images"] == [described(account, served)]


@pytest.mark.parametrize("said", ["exit 2", "echo 'no hosts matched'"])
def test_a_host_that_was_not_changed_becomes_no_image(account: Cloud, served: str, ansible: Path, said: str) -> None:
    ansible.write_text(f"#!/bin/sh\n{said}\n")
    with pytest.raises(AssertionError):
        images.make("slower")
    assert [one["ImageId"] for one in account.client("ec2").describe_images(Owners=["self"])["Images"]] == [served]
    (builder,) = builders(account)
    assert builder["State"]["Name"] in ("shutting-down", "terminated")
