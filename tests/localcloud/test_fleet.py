"""Auto Scaling groups: capacity, zones, health, replacement, target registration, order of termination."""

import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.balancer.targets import CheckResult
from localcloud.errors import HostError
from localcloud.fleet.termination import choose_victim
from tests.localcloud.conftest import Cloud, eventually
from tests.localcloud.scaling_group import Group

FAILING = CheckResult(False, "Target.ResponseCodeMismatch", "Health checks failed with these codes: [503]")


def test_a_group_spreads_over_its_zones_and_registers_its_members(cloud: Cloud) -> None:
    group = Group(cloud)
    members = group.settled(2)
    assert {one["AvailabilityZone"] for one in group.members()} == {"us-east-1a", "us-east-1b"}
    assert {one["LaunchTemplate"]["Version"] for one in group.members()} == {"1"}
    assert sorted(group.health()) == sorted(members)
    tags = group.ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": members[:1]}])["Tags"]
    assert {tag["Key"] for tag in tags} >= {"Project", "aws:autoscaling:groupName"}
    assert [one["StatusCode"] for one in group.activities()] == ["Successful", "Successful"]


def test_desired_capacity_stays_within_the_limits(cloud: Cloud) -> None:
    group = Group(cloud)
    with pytest.raises(ClientError, match="above max value 4"):
        group.asg.set_desired_capacity(AutoScalingGroupName="service", DesiredCapacity=5)
    group.asg.update_auto_scaling_group(AutoScalingGroupName="service", MinSize=3)
    group.settled(3)
    group.asg.update_auto_scaling_group(AutoScalingGroupName="service", MinSize=1, MaxSize=2)
    group.settled(2)


def test_scaling_in_keeps_the_zones_balanced(cloud: Cloud) -> None:
    group = Group(cloud, desired=4)
    group.settled(4)
    group.asg.set_desired_capacity(AutoScalingGroupName="service", DesiredCapacity=2)
    group.settled(2)
    assert {one["AvailabilityZone"] for one in group.members()} == {"us-east-1a", "us-east-1b"}


def test_a_member_whose_host_died_runs_on_for_ec2_until_its_status_checks_have_failed_for_minutes(cloud: Cloud) -> None:
    group = Group(cloud, grace=300)
    victim, other = group.settled(2)
    cloud.account.reconciler.died(victim)

    def status() -> str:
        (found,) = group.ec2.describe_instance_status(InstanceIds=[victim])["InstanceStatuses"]
        return str(found["InstanceStatus"]["Status"])

    eventually(lambda: status() == "impaired")
    eventually(lambda: cloud.account.fleet.health._impaired)
    time.sleep(1.2)
    assert victim in group.in_service()
    cloud.clock.advance(61)
    eventually(lambda: victim not in [one["InstanceId"] for one in group.members()])
    assert other in group.settled(2)
    assert any("status checks" in one["Cause"] for one in group.activities())
    assert ("terminate", victim) in cloud.hosts.calls


def test_a_member_that_is_stopped_by_hand_is_replaced(cloud: Cloud) -> None:
    group = Group(cloud, grace=300)
    victim, other = group.settled(2)
    group.ec2.stop_instances(InstanceIds=[victim])
    eventually(lambda: victim not in [one["InstanceId"] for one in group.members()])
    assert other in group.settled(2)
    assert any("EC2 health check" in one["Cause"] for one in group.activities())


def test_a_member_that_fails_the_balancers_checks_is_replaced_after_the_grace_period(cloud: Cloud) -> None:
    group = Group(cloud)
    victim, other = group.settled(2)
    cloud.clock.advance(61)
    cloud.answers[group.address(victim)] = FAILING
    eventually(lambda: victim not in [one["InstanceId"] for one in group.members()])
    assert other in group.settled(2)
    assert any("ELB system health check" in one["Cause"] for one in group.activities())


def test_within_the_grace_period_the_balancers_checks_do_not_count(cloud: Cloud) -> None:
    group = Group(cloud, grace=300)
    victim, _ = group.settled(2)
    cloud.answers[group.address(victim)] = FAILING
    eventually(lambda: group.health()[victim] == "unhealthy")
    time.sleep(1.5)
    assert victim in group.in_service()


def test_a_member_marked_unhealthy_by_a_user_is_replaced(cloud: Cloud) -> None:
    group = Group(cloud)
    victim, _ = group.settled(2)
    group.asg.set_instance_health(InstanceId=victim, HealthStatus="Unhealthy")
    eventually(lambda: victim not in [one["InstanceId"] for one in group.members()])
    group.settled(2)


def test_a_leaving_member_drains_for_the_whole_delay_before_its_host_ends(cloud: Cloud) -> None:
    group = Group(cloud, draining=30)
    victim, _ = group.settled(2)
    group.asg.terminate_instance_in_auto_scaling_group(InstanceId=victim, ShouldDecrementDesiredCapacity=True)
    assert group.health()[victim] == "draining"
    time.sleep(1.2)
    assert ("terminate", victim) not in cloud.hosts.calls
    cloud.clock.advance(30)
    group.settled(1)
    assert ("terminate", victim) in cloud.hosts.calls


def test_a_launch_that_fails_is_recorded_and_not_repeated_at_once(cloud: Cloud) -> None:
    cloud.hosts.broken["launch"] = HostError("no space left")
    group = Group(cloud, desired=1)
    eventually(lambda: group.activities() and group.activities()[0]["StatusCode"] == "Failed")
    time.sleep(1.5)
    assert len(cloud.hosts.specs) == 1


def test_a_group_with_members_needs_force_to_be_deleted_and_takes_them_along(cloud: Cloud) -> None:
    group = Group(cloud)
    members = group.settled(2)
    with pytest.raises(ClientError, match="ResourceInUse"):
        group.asg.delete_auto_scaling_group(AutoScalingGroupName="service")
    group.asg.delete_auto_scaling_group(AutoScalingGroupName="service", ForceDelete=True)
    eventually(lambda: not group.asg.describe_auto_scaling_groups()["AutoScalingGroups"])
    assert {("terminate", one) for one in members} <= set(cloud.hosts.calls)


def test_warm_up_and_metrics_are_told_as_they_were_set(cloud: Cloud) -> None:
    group = Group(cloud, desired=1)

    def described() -> dict[str, Any]:
        found: dict[str, Any] = group.asg.describe_auto_scaling_groups()["AutoScalingGroups"][0]
        return found

    assert described()["DefaultInstanceWarmup"] == 60
    group.asg.update_auto_scaling_group(AutoScalingGroupName="service", DefaultInstanceWarmup=-1)
    assert "DefaultInstanceWarmup" not in described()
    group.asg.enable_metrics_collection(AutoScalingGroupName="service", Granularity="1Minute")
    assert {"Metric": "GroupMinSize", "Granularity": "1Minute"} in described()["EnabledMetrics"]


def member(zone: str, age: timedelta, version: int = 1, protected: bool = False) -> SimpleNamespace:
    launched = datetime.now(UTC).replace(tzinfo=None) - age
    return SimpleNamespace(
        availability_zone=zone,
        instance=SimpleNamespace(launch_time=launched),
        launch_template_version=version,
        protected_from_scale_in=protected,
    )


def test_the_default_policy_takes_the_fullest_zone_then_the_oldest_template() -> None:
    lonely_and_old = member("b", timedelta(hours=5), version=1)
    new, old = member("a", timedelta(minutes=1), version=2), member("a", timedelta(minutes=30), version=1)
    assert choose_victim([lonely_and_old, new, old], ["Default"]) is old


def test_the_default_policy_then_takes_the_one_nearest_to_its_next_hour() -> None:
    early, late = member("a", timedelta(minutes=10)), member("a", timedelta(minutes=55))
    assert choose_victim([early, late], ["Default"]) is late


def test_protected_members_stay() -> None:
    protected = member("a", timedelta(hours=9), protected=True)
    assert choose_victim([protected], ["OldestInstance"]) is None
    other = member("b", timedelta(hours=1))
    assert choose_victim([protected, other], ["OldestInstance"]) is other
