"""Instance refresh on its way forwards: order, pace, checkpoints, and what happens to the group meanwhile."""

from collections import Counter

import pytest

from localcloud import backends
from localcloud.fleet import groups
from tests.localcloud.conftest import Cloud, eventually
from tests.localcloud.refreshing import FIRST_NEW, NEW, Refreshing


@pytest.fixture(autouse=True)
def _at_a_quick_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "INTERVAL", 0.05)


def test_every_instance_is_replaced_and_then_the_group_has_the_new_version(cloud: Cloud) -> None:
    group = Refreshing(cloud)
    refresh_id = group.start(**FIRST_NEW)
    refresh = group.until("Successful")
    assert not set(group.settled(2)) & set(group.old)
    assert (group.versions(), group.own_version()) == (Counter({"2": 2}), "2")
    assert {one["AvailabilityZone"] for one in group.members()} == {"us-east-1a", "us-east-1b"}
    assert refresh["InstanceRefreshId"] == refresh_id
    assert (refresh["PercentageComplete"], refresh["InstancesToUpdate"]) == (100, 0)
    assert refresh["EndTime"] >= refresh["StartTime"]
    assert refresh["DesiredConfiguration"]["LaunchTemplate"].items() >= NEW["LaunchTemplate"].items()
    assert refresh["Preferences"].items() >= (FIRST_NEW | {"AutoRollback": False}).items()
    assert any("in response to an instance refresh" in one["Cause"] for one in group.activities())


def test_above_the_desired_capacity_new_instances_come_before_old_ones_go(cloud: Cloud) -> None:
    group = Refreshing(cloud)
    group.start(**FIRST_NEW)
    group.until("Successful")
    group.settled(2)
    order = [operation for operation, _ in cloud.hosts.calls]
    assert Counter(order) == {"launch": 2, "terminate": 2}
    assert all(order[:end].count("launch") >= order[:end].count("terminate") for end in range(5))


def test_without_a_maximum_an_old_instance_goes_first(cloud: Cloud) -> None:
    group = Refreshing(cloud)
    earlier = len(group.activities())
    group.start()
    group.until("Successful")
    group.settled(2)
    begun = [one["Description"].split()[0] for one in reversed(group.activities()[:-earlier])]
    assert begun == ["Terminating", "Launching"] * 2
    assert Counter(operation for operation, _ in cloud.hosts.calls) == {"launch": 2, "terminate": 2}


def test_a_replacement_counts_only_when_the_balancer_finds_it_healthy(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    group = Refreshing(cloud)
    backends.autoscaling().autoscaling_groups["service"].health_check_grace_period = 3600
    group.fail_checks_of(monkeypatch, 2)
    group.start(**FIRST_NEW)
    refresh = group.waits_for("is unhealthy in Elastic Load Balancing")
    assert (refresh["Status"], refresh["PercentageComplete"], refresh["InstancesToUpdate"]) == ("InProgress", 0, 2)
    assert set(group.old) <= set(group.in_service())
    group.fail_checks_of(monkeypatch)
    group.until("Successful")


def test_a_replacement_counts_only_when_it_has_warmed_up(cloud: Cloud) -> None:
    group = Refreshing(cloud)
    # No warm-up of its own: the group's default of 60 seconds.
    group.asg.start_instance_refresh(AutoScalingGroupName="service", DesiredConfiguration=NEW, Preferences=dict(FIRST_NEW))
    for _ in range(2):
        refresh = group.waits_for("is warming up")
        assert refresh["Preferences"]["InstanceWarmup"] == 60
        warming = set(group.settled(3))
        cloud.clock.advance(61)
        group.changes_from(warming)
    group.until("Successful")
    group.settled(2)


def test_a_refresh_waits_at_its_checkpoint_and_then_goes_on(cloud: Cloud) -> None:
    group = Refreshing(cloud)
    group.start(CheckpointPercentages=[10, 50, 100], CheckpointDelay=600, **FIRST_NEW)
    refresh = group.waits_for("at a checkpoint: 50% of the instances have been replaced")
    assert (refresh["PercentageComplete"], refresh["InstancesToUpdate"]) == (50, 1)
    cloud.clock.advance(590)
    group.settled(2)
    assert (group.versions(), group.own_version()) == ({"1": 1, "2": 1}, "1")
    cloud.clock.advance(11)
    # One wait is all: a checkpoint that was passed together with a later one is skipped, the last one is the end.
    group.until("Successful")
    assert group.versions() == {"2": 2}


def test_a_refresh_whose_last_checkpoint_is_not_all_ends_there(cloud: Cloud) -> None:
    group = Refreshing(cloud)
    group.start(CheckpointPercentages=[50], **FIRST_NEW)
    assert group.until("Successful")["PercentageComplete"] == 50
    assert group.versions() == {"1": 1, "2": 1}


def test_a_refresh_to_what_runs_already_does_nothing_if_it_may_skip(cloud: Cloud) -> None:
    group = Refreshing(cloud)
    same = {"LaunchTemplate": {"LaunchTemplateName": "service", "Version": "1"}}
    group.start(same, SkipMatching=True)
    assert group.until("Successful")["PercentageComplete"] == 100
    assert group.settled(2) == group.old
    assert not cloud.hosts.calls


def test_a_refresh_replaces_only_what_differs_if_it_may_skip_and_everything_otherwise(cloud: Cloud) -> None:
    group = Refreshing(cloud)
    group.start(CheckpointPercentages=[50])
    group.until("Successful")
    (kept,) = set(group.settled(2)) - set(group.old)
    group.start(SkipMatching=True)
    group.until("Successful")
    assert kept in group.settled(2)
    assert group.versions() == {"2": 2}
    group.start(desired=None)
    group.until("Successful")
    assert kept not in group.settled(2)


def test_an_old_instance_drains_before_it_goes(cloud: Cloud) -> None:
    group = Refreshing(cloud, desired=1, draining=300)
    (old,) = group.old
    group.start(**FIRST_NEW)
    eventually(lambda: group.health().get(old) == "draining")
    group.until("Successful")
    assert ("terminate", old) not in cloud.hosts.calls
    cloud.clock.advance(300)
    assert old not in group.settled(1)


def test_during_a_refresh_the_group_grows_and_dead_hosts_are_replaced_with_the_new_version(cloud: Cloud) -> None:
    group = Refreshing(cloud)
    group.start(CheckpointPercentages=[50, 100], CheckpointDelay=600, **FIRST_NEW)
    group.waits_for("at a checkpoint")
    (left,) = set(group.in_service()) & set(group.old)
    group.asg.set_desired_capacity(AutoScalingGroupName="service", DesiredCapacity=3)
    group.settled(3)
    assert group.versions() == {"1": 1, "2": 2}
    group.ec2.stop_instances(InstanceIds=[left])
    eventually(lambda: left not in [one["InstanceId"] for one in group.members()])
    group.settled(3)
    assert group.versions() == {"2": 3}
    cloud.clock.advance(601)
    group.until("Successful")


def test_a_checkpoint_that_a_growing_group_falls_behind_is_waited_at_again(cloud: Cloud) -> None:
    group = Refreshing(cloud, desired=2)
    group.start(CheckpointPercentages=[50, 100], CheckpointDelay=600, **FIRST_NEW)
    group.waits_for("at a checkpoint: 50%")
    (old,) = set(group.settled(2)) & set(group.old)
    cloud.clock.advance(400)
    group.asg.set_desired_capacity(AutoScalingGroupName="service", DesiredCapacity=4)
    group.settled(4)
    refresh = group.waits_for("at a checkpoint: 75%")
    assert (refresh["PercentageComplete"], refresh["InstancesToUpdate"]) == (75, 1)
    # The first wait would be over by now, the second has begun with the share of a half that was reached again.
    cloud.clock.advance(400)
    assert group.waits_for("at a checkpoint")["Status"] == "InProgress"
    assert old in group.settled(4)
    cloud.clock.advance(201)
    group.until("Successful")


def test_instances_that_match_already_count_towards_the_checkpoints(cloud: Cloud) -> None:
    group = Refreshing(cloud, desired=4)
    group.start(CheckpointPercentages=[50], **FIRST_NEW)
    group.until("Successful")
    kept = set(group.settled(4)) - set(group.old)
    # Half of them are new: the canary of a quarter is behind the refresh when it begins, and the next checkpoint is the first.
    group.start(SkipMatching=True, CheckpointPercentages=[25, 75, 100], CheckpointDelay=600, **FIRST_NEW)
    refresh = group.waits_for("at a checkpoint: 75%")
    assert refresh["InstancesToUpdate"] == 1
    assert kept <= set(group.settled(4))
    cloud.clock.advance(601)
    group.until("Successful")


def test_a_group_that_shrinks_during_a_refresh_still_comes_to_its_end(cloud: Cloud) -> None:
    group = Refreshing(cloud, desired=4)
    group.start(CheckpointPercentages=[25, 100], CheckpointDelay=600, **FIRST_NEW)
    group.waits_for("at a checkpoint")
    group.asg.set_desired_capacity(AutoScalingGroupName="service", DesiredCapacity=2)
    group.settled(2)
    cloud.clock.advance(601)
    group.until("Successful")
    group.settled(2)
    assert group.versions() == {"2": 2}


def test_a_refresh_waits_for_launch_hooks(cloud: Cloud) -> None:
    group = Refreshing(cloud, desired=1)
    group.asg.put_lifecycle_hook(
        AutoScalingGroupName="service", LifecycleHookName="warm", LifecycleTransition="autoscaling:EC2_INSTANCE_LAUNCHING"
    )
    group.start(**FIRST_NEW)
    refresh = group.waits_for("is in the Pending:Wait state")
    new = refresh["StatusReason"].split("For example: ")[1].split()[0]
    assert group.in_service() == group.old
    group.asg.complete_lifecycle_action(
        AutoScalingGroupName="service", LifecycleHookName="warm", InstanceId=new, LifecycleActionResult="CONTINUE"
    )
    group.until("Successful")
    assert group.settled(1) == [new]


def test_a_suspended_refresh_stands_still(cloud: Cloud) -> None:
    group = Refreshing(cloud, desired=1)
    group.asg.suspend_processes(AutoScalingGroupName="service", ScalingProcesses=["InstanceRefresh"])
    group.start()
    cloud.clock.advance(60)
    assert group.refresh()["Status"] == "Pending"
    group.asg.resume_processes(AutoScalingGroupName="service", ScalingProcesses=["InstanceRefresh"])
    group.until("Successful")


def test_a_cancelled_refresh_leaves_what_it_has_replaced(cloud: Cloud) -> None:
    group = Refreshing(cloud)
    refresh_id = group.start(CheckpointPercentages=[50, 100], **FIRST_NEW)
    group.waits_for("at a checkpoint")
    reply = group.asg.cancel_instance_refresh(AutoScalingGroupName="service")
    assert reply["InstanceRefreshId"] == refresh_id
    assert "user request" in group.until("Cancelled")["StatusReason"]
    assert (group.versions(), group.own_version()) == ({"1": 1, "2": 1}, "1")
    group.asg.set_desired_capacity(AutoScalingGroupName="service", DesiredCapacity=3)
    group.settled(3)
    assert group.versions() == {"1": 2, "2": 1}
