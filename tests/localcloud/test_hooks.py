"""Life-cycle hooks: instances wait on their way in and out until somebody completes the action or its time is over."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud import backends
from localcloud.access.access_key import AccessKey
from localcloud.fleet import groups
from localcloud.metadata.identity import RoleCredentials, find_instance
from tests.localcloud.conftest import Cloud, eventually
from tests.localcloud.host_keys import COMPLETE_HOOKS, client_of, make_role
from tests.localcloud.scaling_group import Group

WARM: dict[str, Any] = {
    "LifecycleHookName": "warm",
    "LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING",
    "HeartbeatTimeout": 60,
}
DRAIN: dict[str, Any] = {
    "LifecycleHookName": "drain",
    "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING",
    "HeartbeatTimeout": 60,
}


@pytest.fixture(autouse=True)
def _at_a_quick_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "INTERVAL", 0.05)


def waiting(group: Group, state: str) -> str:
    """Wait until one member is in a state; return its id."""
    return str(eventually(lambda: [one["InstanceId"] for one in group.members() if one["LifecycleState"] == state])[0])


def complete(group: Group, instance_id: str, hook: str = "warm", result: str = "CONTINUE") -> None:
    group.asg.complete_lifecycle_action(
        AutoScalingGroupName="service", LifecycleHookName=hook, InstanceId=instance_id, LifecycleActionResult=result
    )


def remove(group: Group, instance_id: str) -> None:
    group.asg.terminate_instance_in_auto_scaling_group(InstanceId=instance_id, ShouldDecrementDesiredCapacity=False)


def put(group: Group, hook: dict[str, Any], **more: Any) -> None:
    group.asg.put_lifecycle_hook(AutoScalingGroupName="service", **hook, **more)


def target_state(group: Group, instance_id: str) -> str | None:
    view = find_instance(group.address(instance_id))
    assert view is not None
    return view.target_lifecycle_state


def test_a_new_instance_serves_only_after_its_launch_is_completed(cloud: Cloud) -> None:
    group = Group(cloud, desired=1, LifecycleHookSpecificationList=[WARM])
    member = waiting(group, "Pending:Wait")
    assert target_state(group, member) == "InService"
    assert group.health() == {}
    complete(group, member)
    assert group.settled(1) == [member]


def test_an_instance_completes_its_own_launch_with_its_role(cloud: Cloud) -> None:
    make_role(cloud, COMPLETE_HOOKS)
    group = Group(cloud, desired=1, LifecycleHookSpecificationList=[WARM])
    member = waiting(group, "Pending:Wait")
    group.ec2.associate_iam_instance_profile(IamInstanceProfile={"Name": "service"}, InstanceId=member)
    view = find_instance(group.address(member))
    assert view is not None
    own = RoleCredentials()(view)
    key = AccessKey(own["AccessKeyId"], own["SecretAccessKey"], own["Token"])
    administrator, group.asg = group.asg, client_of(cloud, "autoscaling", key)
    complete(group, member)
    group.asg = administrator
    assert group.settled(1) == [member]


def test_an_abandoned_launch_is_replaced(cloud: Cloud) -> None:
    group = Group(cloud, desired=1, LifecycleHookSpecificationList=[WARM])
    first = waiting(group, "Pending:Wait")
    complete(group, first, result="ABANDON")
    eventually(lambda: ("terminate", first) in cloud.hosts.calls)
    cloud.clock.advance(groups.FIRST_BACKOFF)
    eventually(lambda: [one["LifecycleState"] for one in group.members()] == ["Pending:Wait"])
    second = waiting(group, "Pending:Wait")
    assert second != first
    launch = next(one for one in group.activities() if one["Description"] == f"Launching a new EC2 instance: {first}")
    assert launch["StatusCode"] == "Cancelled"
    assert "was abandoned: Lifecycle Action Completed with ABANDON Result" in launch["StatusMessage"]


def test_a_heartbeat_gives_an_action_its_time_once_more(cloud: Cloud) -> None:
    group = Group(cloud, desired=1, LifecycleHookSpecificationList=[WARM | {"DefaultResult": "CONTINUE"}])
    member = waiting(group, "Pending:Wait")
    cloud.clock.advance(50)
    group.asg.record_lifecycle_action_heartbeat(AutoScalingGroupName="service", LifecycleHookName="warm", InstanceId=member)
    cloud.clock.advance(50)
    held = cloud.account.fleet.hooks.outcome(backends.autoscaling().autoscaling_groups["service"].instance_states[0])
    assert held is None
    cloud.clock.advance(11)
    assert group.settled(1) == [member]


def test_heartbeats_do_not_hold_an_instance_for_ever(cloud: Cloud) -> None:
    group = Group(cloud, desired=1, LifecycleHookSpecificationList=[WARM | {"DefaultResult": "CONTINUE"}])
    member = waiting(group, "Pending:Wait")
    for _ in range(100):
        group.asg.record_lifecycle_action_heartbeat(AutoScalingGroupName="service", LifecycleHookName="warm", InstanceId=member)
        cloud.clock.advance(59)
    assert not group.in_service()
    group.asg.record_lifecycle_action_heartbeat(AutoScalingGroupName="service", LifecycleHookName="warm", InstanceId=member)
    # A hundred times the heartbeat timeout is over, the heartbeat's own time is not.
    cloud.clock.advance(59)
    group.asg.record_lifecycle_action_heartbeat(AutoScalingGroupName="service", LifecycleHookName="warm", InstanceId=member)
    cloud.clock.advance(42)
    assert group.settled(1) == [member]


def test_without_a_word_the_default_result_is_taken(cloud: Cloud) -> None:
    group = Group(cloud, desired=1, LifecycleHookSpecificationList=[WARM])
    first = waiting(group, "Pending:Wait")
    cloud.clock.advance(61)
    eventually(lambda: ("terminate", first) in cloud.hosts.calls)
    assert any("Heartbeat Timeout" in one.get("StatusMessage", "") for one in group.activities())


def test_a_leaving_instance_drains_and_then_waits(cloud: Cloud) -> None:
    group = Group(cloud, desired=1, draining=30)
    (member,) = group.settled(1)
    put(group, DRAIN)
    remove(group, member)
    assert target_state(group, member) == "Terminated"
    assert {one["LifecycleState"] for one in group.members() if one["InstanceId"] == member} == {"Terminating"}
    cloud.clock.advance(30)
    assert waiting(group, "Terminating:Wait") == member
    assert ("terminate", member) not in cloud.hosts.calls
    complete(group, member, "drain")
    eventually(lambda: ("terminate", member) in cloud.hosts.calls)
    assert member not in group.settled(1)


def test_a_leaving_instance_ends_when_its_time_is_over_also_one_that_does_not_run_any_more(cloud: Cloud) -> None:
    group = Group(cloud, desired=2)
    late, dead = group.settled(2)
    put(group, DRAIN)
    remove(group, late)
    assert waiting(group, "Terminating:Wait") == late
    cloud.clock.advance(61)
    eventually(lambda: ("terminate", late) in cloud.hosts.calls)
    group.ec2.terminate_instances(InstanceIds=[dead])
    assert waiting(group, "Terminating:Wait") == dead
    cloud.clock.advance(61)
    eventually(lambda: dead not in [one["InstanceId"] for one in group.members()])


def test_every_hook_has_to_be_completed_and_one_can_abandon(cloud: Cloud) -> None:
    other = WARM | {"LifecycleHookName": "other"}
    group = Group(cloud, desired=1, LifecycleHookSpecificationList=[WARM, other])
    member = waiting(group, "Pending:Wait")
    complete(group, member)
    state = backends.autoscaling().autoscaling_groups["service"].instance_states[0]
    assert cloud.account.fleet.hooks.outcome(state) is None
    with pytest.raises(ClientError, match=f"No active Lifecycle Action found with instance ID {member}"):
        complete(group, member)
    complete(group, member, "other", "ABANDON")
    eventually(lambda: ("terminate", member) in cloud.hosts.calls)


def test_deleting_a_hook_ends_what_waits_for_it(cloud: Cloud) -> None:
    group = Group(cloud, desired=1)
    (member,) = group.settled(1)
    put(group, DRAIN)
    remove(group, member)
    waiting(group, "Terminating:Wait")
    group.asg.delete_lifecycle_hook(AutoScalingGroupName="service", LifecycleHookName="drain")
    eventually(lambda: ("terminate", member) in cloud.hosts.calls)
    with pytest.raises(ClientError, match="No Lifecycle Hook found"):
        group.asg.delete_lifecycle_hook(AutoScalingGroupName="service", LifecycleHookName="drain")


def test_a_forced_deletion_waits_for_no_hook_and_takes_them_along(cloud: Cloud) -> None:
    group = Group(cloud, desired=1)
    (member,) = group.settled(1)
    put(group, DRAIN)
    group.asg.delete_auto_scaling_group(AutoScalingGroupName="service", ForceDelete=True)
    eventually(lambda: not group.asg.describe_auto_scaling_groups()["AutoScalingGroups"])
    assert ("terminate", member) in cloud.hosts.calls
    assert not backends.autoscaling().lifecycle_hooks


def test_a_hook_is_described_as_it_was_put(cloud: Cloud) -> None:
    group = Group(cloud, desired=1)
    put(group, DRAIN)
    group.asg.put_lifecycle_hook(AutoScalingGroupName="service", LifecycleHookName="drain", DefaultResult="CONTINUE")
    (hook,) = group.asg.describe_lifecycle_hooks(AutoScalingGroupName="service")["LifecycleHooks"]
    assert hook == DRAIN | {"AutoScalingGroupName": "service", "GlobalTimeout": 6000, "DefaultResult": "CONTINUE"}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"HeartbeatTimeout": 29}, "HeartbeatTimeout must be from 30 to 7200 seconds"),
        ({"LifecycleTransition": "autoscaling:TEST_NOTIFICATION"}, "LifecycleTransition of drain must be"),
        ({"DefaultResult": "STOP"}, "DefaultResult must be one of CONTINUE, ABANDON"),
        (
            {"NotificationTargetARN": "arn:aws:sqs:us-east-1:123456789012:q", "RoleARN": "arn:aws:iam::1:role/r"},
            "notifies nobody",
        ),
    ],
)
def test_a_wrong_hook_is_refused(cloud: Cloud, wrong: dict[str, Any], message: str) -> None:
    group = Group(cloud, desired=1)
    with pytest.raises(ClientError, match=message):
        put(group, DRAIN | wrong)


def test_an_action_is_known_by_its_token_too(cloud: Cloud) -> None:
    group = Group(cloud, desired=1, LifecycleHookSpecificationList=[WARM])
    member = waiting(group, "Pending:Wait")
    state = backends.autoscaling().autoscaling_groups["service"].instance_states[0]
    token = cloud.account.fleet.hooks._actions[state][0].token
    with pytest.raises(ClientError, match="No active Lifecycle Action found with token"):
        group.asg.complete_lifecycle_action(
            AutoScalingGroupName="service",
            LifecycleHookName="warm",
            LifecycleActionToken="0" * 36,
            LifecycleActionResult="CONTINUE",
        )
    group.asg.complete_lifecycle_action(
        AutoScalingGroupName="service", LifecycleHookName="warm", LifecycleActionToken=token, LifecycleActionResult="CONTINUE"
    )
    assert group.settled(1) == [member]
