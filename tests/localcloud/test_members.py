"""Members of a group that a person takes aside or out, and brings back."""

import pytest
from botocore.exceptions import ClientError

from localcloud import backends
from localcloud.balancer.targets import CheckResult
from tests.localcloud.conftest import Cloud, eventually
from tests.localcloud.scaling_group import Group

FAILING = CheckResult(False, "Target.ResponseCodeMismatch", "Health checks failed with these codes: [503]")


def desired(group: Group) -> int:
    return int(group.asg.describe_auto_scaling_groups()["AutoScalingGroups"][0]["DesiredCapacity"])


def state(group: Group, instance_id: str) -> str:
    return next(str(one["LifecycleState"]) for one in group.members() if one["InstanceId"] == instance_id)


def enter_standby(group: Group, instance_id: str, decrement: bool) -> None:
    group.asg.enter_standby(AutoScalingGroupName="service", InstanceIds=[instance_id], ShouldDecrementDesiredCapacity=decrement)
    eventually(lambda: state(group, instance_id) == "Standby")


def test_a_host_is_on_its_way_into_standby_while_it_drains_and_pending_on_its_way_out(cloud: Cloud) -> None:
    group = Group(cloud, draining=60)
    aside, _ = group.settled(2)
    standby = {"AutoScalingGroupName": "service", "InstanceIds": [aside]}
    group.asg.enter_standby(**standby, ShouldDecrementDesiredCapacity=True)
    (backend_group,) = backends.autoscaling().autoscaling_groups.values()
    cloud.account.fleet.reconcile(backend_group)
    assert (state(group, aside), group.health()[aside]) == ("EnteringStandby", "draining")
    with pytest.raises(ClientError, match="is not in Standby"):
        group.asg.exit_standby(**standby)
    cloud.clock.advance(60)
    eventually(lambda: state(group, aside) == "Standby")
    with cloud.account.fleet.held():
        backends.autoscaling().exit_standby_instances("service", [aside])
        assert state(group, aside) == "Pending"
        cloud.account.fleet.reconcile(backend_group)
        assert state(group, aside) == "InService"


def test_a_host_in_standby_is_out_of_the_balancer_replaced_and_back_with_one_more(cloud: Cloud) -> None:
    group = Group(cloud)
    aside, other = group.settled(2)
    enter_standby(group, aside, decrement=False)
    assert group.health().get(aside) in (None, "draining")
    cloud.answers[group.address(aside)] = FAILING
    eventually(lambda: len(group.in_service()) == 2 and group.health() == dict.fromkeys(group.in_service(), "healthy"))
    assert {one["InstanceId"]: one["LifecycleState"] for one in group.members()}[aside] == "Standby"
    cloud.answers.clear()
    group.asg.exit_standby(AutoScalingGroupName="service", InstanceIds=[aside])
    assert {aside, other} < set(group.settled(3))
    assert desired(group) == 3
    assert ("terminate", aside) not in cloud.hosts.calls


def test_a_host_back_from_standby_has_a_grace_period_again(cloud: Cloud) -> None:
    group = Group(cloud, grace=300)
    aside, _ = group.settled(2)
    cloud.clock.advance(301)
    enter_standby(group, aside, decrement=True)
    cloud.answers[group.address(aside)] = FAILING
    group.asg.exit_standby(AutoScalingGroupName="service", InstanceIds=[aside])
    eventually(lambda: state(group, aside) == "InService")
    eventually(lambda: group.health().get(aside) == "unhealthy")
    auto_scaling_group = backends.autoscaling().autoscaling_groups["service"]
    cloud.account.fleet.reconcile(auto_scaling_group)
    assert aside in group.in_service()
    cloud.clock.advance(301)
    cloud.account.fleet.reconcile(auto_scaling_group)
    assert aside not in group.in_service()


def test_nobody_comes_back_above_the_maximum_and_nothing_has_changed_then(cloud: Cloud) -> None:
    group = Group(cloud, desired=4)
    aside, *_ = group.settled(4)
    enter_standby(group, aside, decrement=False)
    for _ in range(2):
        with pytest.raises(ClientError, match="max-size=4, and desired-size=4"):
            group.asg.exit_standby(AutoScalingGroupName="service", InstanceIds=[aside])
    assert desired(group) == 4
    assert aside not in group.in_service()


def test_only_a_host_in_standby_leaves_it(cloud: Cloud) -> None:
    group = Group(cloud)
    member, _ = group.settled(2)
    with pytest.raises(ClientError, match="is not in Standby"):
        group.asg.exit_standby(AutoScalingGroupName="service", InstanceIds=[member])
    with pytest.raises(ClientError, match="is not part of Auto Scaling group service"):
        group.asg.exit_standby(AutoScalingGroupName="service", InstanceIds=["i-0123456789abcdef0"])


def test_a_detached_host_runs_on_outside_and_comes_back_when_attached(cloud: Cloud) -> None:
    group = Group(cloud)
    # Which member ends when a zone is poor is another matter.
    group.asg.suspend_processes(AutoScalingGroupName="service", ScalingProcesses=["AZRebalance"])
    out, other = group.settled(2)
    group.asg.detach_instances(AutoScalingGroupName="service", InstanceIds=[out], ShouldDecrementDesiredCapacity=False)
    assert group.health().get(out) in (None, "draining")
    assert other in group.settled(2)
    (instance,) = group.ec2.describe_instances(InstanceIds=[out])["Reservations"][0]["Instances"]
    assert instance["State"]["Name"] == "running"
    assert "aws:autoscaling:groupName" not in {tag["Key"] for tag in instance["Tags"]}
    enter_standby(group, other, decrement=True)  # a member in Standby is no part of the capacity
    group.asg.attach_instances(AutoScalingGroupName="service", InstanceIds=[out])
    assert desired(group) == 2
    eventually(lambda: group.health() == dict.fromkeys(group.in_service(), "healthy") and out in group.health())
    with pytest.raises(ClientError, match="already part of an Auto Scaling group"):
        group.asg.attach_instances(AutoScalingGroupName="service", InstanceIds=[out])


def test_detaching_with_a_smaller_capacity_stops_at_the_minimum(cloud: Cloud) -> None:
    group = Group(cloud, desired=1)
    (member,) = group.settled(1)
    for _ in range(2):
        with pytest.raises(ClientError, match="min-size=1, and desired-size=1"):
            group.asg.detach_instances(
                AutoScalingGroupName="service", InstanceIds=[member], ShouldDecrementDesiredCapacity=True
            )
    assert (desired(group), group.in_service()) == (1, [member])
    with pytest.raises(ClientError, match="is not part of Auto Scaling group service"):
        group.asg.detach_instances(AutoScalingGroupName="service", InstanceIds=["i-0"], ShouldDecrementDesiredCapacity=False)
