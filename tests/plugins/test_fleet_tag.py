"""A tag on every host of a group, also on those to come."""

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.scaling_group import ScalingGroup

from tests.plugins.loading import FakeModule, ModuleFailed, load
from tests.plugins.test_modules import run, settles

Account = Callable[[str], Any]
TAG = {"group": "service", "key": "Shadow", "value": "share=0.1", "state": "present"}


@pytest.fixture
def hosts(account: Account) -> list[str]:
    """The hosts of a group."""
    ec2, autoscaling = account("ec2"), account("autoscaling")
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    ec2.create_launch_template(
        LaunchTemplateName="service", LaunchTemplateData={"ImageId": "ami-12345678", "InstanceType": "c5.large"}
    )
    autoscaling.create_auto_scaling_group(
        AutoScalingGroupName="service",
        LaunchTemplate={"LaunchTemplateName": "service", "Version": "1"},
        MinSize=2,
        MaxSize=4,
        VPCZoneIdentifier=subnet,
        Tags=[
            {
                "ResourceId": "service",
                "ResourceType": "auto-scaling-group",
                "Key": "Name",
                "Value": "service",
                "PropagateAtLaunch": False,
            }
        ],
    )
    return members(account)


def members(account: Account) -> list[str]:
    group = account("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=["service"])["AutoScalingGroups"][0]
    return sorted(one["InstanceId"] for one in group["Instances"])


def tags(account: Account) -> dict[str, str | None]:
    """Return the tag's value on each host."""
    instances = account("ec2").describe_instances(InstanceIds=members(account))["Reservations"]
    return {
        one["InstanceId"]: {tag["Key"]: tag["Value"] for tag in one.get("Tags", [])}.get("Shadow")
        for each in instances
        for one in each["Instances"]
    }


def test_hosts_that_are_there_and_hosts_to_come_have_the_tag_until_it_is_taken_off(account: Account, hosts: list[str]) -> None:
    settles("fleet_tag", TAG)
    account("autoscaling").set_desired_capacity(AutoScalingGroupName="service", DesiredCapacity=3)
    assert len(members(account)) == 3
    assert set(tags(account).values()) == {"share=0.1"}
    assert run("fleet_tag", TAG | {"value": "share=0.2"})["instances"] == members(account)
    assert set(tags(account).values()) == {"share=0.2"}
    settles("fleet_tag", TAG | {"state": "absent"})
    account("autoscaling").set_desired_capacity(AutoScalingGroupName="service", DesiredCapacity=4)
    assert set(tags(account).values()) == {None}


def test_a_host_that_lost_the_tag_gets_it_again(account: Account, hosts: list[str]) -> None:
    run("fleet_tag", TAG)
    account("ec2").delete_tags(Resources=hosts[:1], Tags=[{"Key": "Shadow"}])
    assert run("fleet_tag", TAG)["instances"] == hosts[:1]


def test_the_tag_is_no_concern_of_who_keeps_the_group(account: Account, hosts: list[str]) -> None:
    run("fleet_tag", TAG)
    group = account("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=["service"])["AutoScalingGroups"][0]
    parts: dict[str, Any] = {"DescribePolicies": [], "DescribeLifecycleHooks": [], "DescribeScheduledActions": []}
    assert ScalingGroup().state(parts | {"DescribeAutoScalingGroups": group})["tags"] == {"Name": "service"}


def test_without_a_group_there_is_nothing_to_tag_and_nothing_to_take_off(account: Account) -> None:
    with pytest.raises(ModuleFailed, match="no group service"):
        load("modules", "fleet_tag").run(FakeModule(TAG))
    assert not run("fleet_tag", TAG | {"state": "absent"})["changed"]
