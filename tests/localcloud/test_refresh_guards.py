"""What stops an instance refresh: hosts that never get healthy, alarms, a user, protected instances; and the way back."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.fleet import groups
from tests.localcloud.conftest import Cloud, eventually
from tests.localcloud.refreshing import FIRST_NEW, NEW, Refreshing

ONE_HOUR = 3600


@pytest.fixture(autouse=True)
def _at_a_quick_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "INTERVAL", 0.05)


def alarm(cloud: Cloud, state: str) -> None:
    """Put an alarm named `errors` in a state."""
    client = cloud.client("cloudwatch")
    client.put_metric_alarm(
        AlarmName="errors",
        Namespace="Service",
        MetricName="Errors",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )
    client.set_alarm_state(AlarmName="errors", StateValue=state, StateReason="for the test")


def went_back(group: Refreshing, *kept: str) -> dict[str, Any]:
    """Wait for the end of a rollback; return the refresh. `kept` were never touched."""
    refresh = group.until("RollbackSuccessful")
    members = group.settled(len(group.old))
    assert set(kept) <= set(members)
    assert group.versions() == {"1": len(group.old)}
    assert group.own_version() == "1"
    assert refresh["PercentageComplete"] == 0
    return refresh


def test_a_release_that_never_gets_healthy_is_rolled_back(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    group = Refreshing(cloud)
    cloud.clock.advance(61)  # while members warm up, none is replaced for the balancer's verdict
    group.fail_checks_of(monkeypatch, 2)
    group.start(AutoRollback=True, **FIRST_NEW)
    eventually(lambda: group.versions()["2"])
    # Replaced as unhealthy over and over, it is still the new version that is tried.
    eventually(lambda: [one[0] for one in cloud.hosts.calls].count("launch") > 1)
    assert group.refresh()["Status"] == "InProgress"
    cloud.clock.advance(ONE_HOUR)
    refresh = went_back(group, *group.old)
    assert "Waiting for remaining instances" in refresh["RollbackDetails"]["RollbackReason"]
    assert refresh["RollbackDetails"]["PercentageCompleteOnRollback"] == 0
    assert refresh["RollbackDetails"]["InstancesToUpdateOnRollback"] == 2


def test_without_automatic_rollback_it_fails_and_the_group_keeps_its_version(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = Refreshing(cloud)
    group.fail_checks_of(monkeypatch, 2)
    group.start()
    eventually(lambda: group.versions()["2"])
    cloud.clock.advance(ONE_HOUR)
    refresh = group.until("Failed")
    assert refresh["InstancesToUpdate"] == 2
    assert "For example: i-" in refresh["StatusReason"]
    group.settled(2)
    assert (group.versions(), group.own_version()) == ({"1": 2}, "1")


def test_an_alarm_rolls_back_what_was_replaced_and_nothing_else(cloud: Cloud) -> None:
    group = Refreshing(cloud)
    alarm(cloud, "OK")
    guarded: dict[str, Any] = {"AutoRollback": True, "AlarmSpecification": {"Alarms": ["errors"]}}
    group.start(CheckpointPercentages=[50, 100], **FIRST_NEW, **guarded)
    group.waits_for("at a checkpoint")
    (kept,) = set(group.in_service()) & set(group.old)
    alarm(cloud, "ALARM")
    refresh = went_back(group, kept)
    assert refresh["RollbackDetails"]["RollbackReason"] == "CloudWatch alarm errors is in the ALARM state."
    assert refresh["RollbackDetails"]["PercentageCompleteOnRollback"] == 50
    assert refresh["RollbackDetails"]["InstancesToUpdateOnRollback"] == refresh["InstancesToUpdate"] == 1


@pytest.mark.parametrize("state", ["ALARM", "INSUFFICIENT_DATA"])
def test_no_refresh_starts_while_an_alarm_of_its_own_rings_or_knows_nothing(cloud: Cloud, state: str) -> None:
    group = Refreshing(cloud)
    alarm(cloud, state)
    with pytest.raises(ClientError, match=f"must be in the OK state: errors is in the {state} state") as refused:
        group.start(AlarmSpecification={"Alarms": ["errors"]})
    assert refused.value.response["Error"]["Code"] == "ValidationError"
    assert not group.asg.describe_instance_refreshes(AutoScalingGroupName="service")["InstanceRefreshes"]
    group.start()
    group.until("Successful")


def test_an_alarm_without_rollback_fails_the_refresh(cloud: Cloud) -> None:
    group = Refreshing(cloud)
    alarm(cloud, "OK")
    group.start(AlarmSpecification={"Alarms": ["errors"]}, CheckpointPercentages=[50, 100], **FIRST_NEW)
    group.waits_for("at a checkpoint")
    alarm(cloud, "ALARM")
    assert "errors is in the ALARM state" in group.until("Failed")["StatusReason"]
    group.settled(2)
    assert group.versions() == {"1": 1, "2": 1}


def without_data(cloud: Cloud) -> Refreshing:
    """Return a group whose refresh has passed its checkpoint and waits for an alarm that knows nothing any more."""
    group = Refreshing(cloud)
    alarm(cloud, "OK")
    guarded: dict[str, Any] = {"AutoRollback": True, "AlarmSpecification": {"Alarms": ["errors"]}}
    group.start(CheckpointPercentages=[50, 100], CheckpointDelay=600, **FIRST_NEW, **guarded)
    group.waits_for("at a checkpoint")
    group.settled(2)
    alarm(cloud, "INSUFFICIENT_DATA")
    cloud.hosts.calls.clear()
    cloud.clock.advance(601)
    group.waits_for("Waiting for CloudWatch alarm errors")
    return group


def test_nothing_is_replaced_while_an_alarm_is_without_data(cloud: Cloud) -> None:
    group = without_data(cloud)
    cloud.clock.advance(ONE_HOUR / 2)
    assert group.waits_for("Waiting for CloudWatch alarm errors")["Status"] == "InProgress"
    assert not cloud.hosts.calls
    alarm(cloud, "OK")
    group.until("Successful")
    assert group.versions() == {"2": 2}


def test_an_alarm_that_stays_without_data_for_an_hour_fails_the_refresh(cloud: Cloud) -> None:
    group = without_data(cloud)
    cloud.clock.advance(ONE_HOUR)
    refresh = went_back(group)
    assert "alarm errors" in refresh["RollbackDetails"]["RollbackReason"]


def test_alarms_count_until_the_bake_time_is_over(cloud: Cloud) -> None:
    group = Refreshing(cloud)
    alarm(cloud, "OK")
    guarded: dict[str, Any] = {"AutoRollback": True, "AlarmSpecification": {"Alarms": ["errors"]}, "BakeTime": 600}
    group.start(**FIRST_NEW, **guarded)
    assert group.until("Baking")["PercentageComplete"] == 100
    group.settled(2)
    assert (group.versions(), group.own_version()) == ({"2": 2}, "1")
    alarm(cloud, "ALARM")
    went_back(group)
    alarm(cloud, "OK")
    group.start(**FIRST_NEW, **guarded)
    group.until("Baking")
    cloud.clock.advance(601)
    group.until("Successful")
    assert group.own_version() == "2"


def test_a_user_rolls_back_and_the_rollback_takes_care_of_the_minimum(cloud: Cloud) -> None:
    group = Refreshing(cloud, desired=4)
    group.start(CheckpointPercentages=[75, 100], **FIRST_NEW)
    group.waits_for("at a checkpoint")
    group.settled(4)
    cloud.hosts.calls.clear()
    group.asg.rollback_instance_refresh(AutoScalingGroupName="service")
    refresh = went_back(group)
    assert "user request" in refresh["RollbackDetails"]["RollbackReason"]
    order = [operation for operation, _ in cloud.hosts.calls]
    assert order.count("launch") == 3
    assert all(order[:end].count("launch") >= order[:end].count("terminate") for end in range(len(order) + 1))
    with pytest.raises(ClientError, match="ActiveInstanceRefreshNotFound"):
        group.asg.rollback_instance_refresh(AutoScalingGroupName="service")


def test_a_rollback_that_is_interrupted_before_anything_was_launched_waits_for_the_old_version(cloud: Cloud) -> None:
    group = Refreshing(cloud)
    group.asg.suspend_processes(AutoScalingGroupName="service", ScalingProcesses=["Launch"])
    group.start()
    eventually(lambda: len(group.members()) == 1)
    group.asg.rollback_instance_refresh(AutoScalingGroupName="service")
    group.waits_for("Waiting for 1 instances to be launched")
    group.asg.resume_processes(AutoScalingGroupName="service", ScalingProcesses=["Launch"])
    went_back(group)


def test_a_rollback_to_something_that_is_broken_too_fails(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    group = Refreshing(cloud)
    group.start(CheckpointPercentages=[50, 100], **FIRST_NEW)
    group.waits_for("at a checkpoint")
    group.fail_checks_of(monkeypatch, 1)
    group.asg.rollback_instance_refresh(AutoScalingGroupName="service")
    group.waits_for("Waiting for remaining instances")
    cloud.clock.advance(ONE_HOUR)
    assert "Waiting for remaining instances" in group.until("RollbackFailed")["StatusReason"]


def test_a_rollback_can_be_cancelled_but_not_rolled_back(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    group = Refreshing(cloud)
    group.start(CheckpointPercentages=[50, 100], **FIRST_NEW)
    group.waits_for("at a checkpoint")
    group.fail_checks_of(monkeypatch, 1)
    group.asg.rollback_instance_refresh(AutoScalingGroupName="service")
    with pytest.raises(ClientError, match="IrreversibleInstanceRefresh"):
        group.asg.rollback_instance_refresh(AutoScalingGroupName="service")
    group.asg.cancel_instance_refresh(AutoScalingGroupName="service", WaitForTransitioningInstances=False)
    group.until("Cancelled")
    with pytest.raises(ClientError, match="ActiveInstanceRefreshNotFound"):
        group.asg.cancel_instance_refresh(AutoScalingGroupName="service")


def protect(group: Refreshing, instance_id: str, protected: bool = True) -> None:
    group.asg.set_instance_protection(AutoScalingGroupName="service", InstanceIds=[instance_id], ProtectedFromScaleIn=protected)


def test_a_protected_instance_is_waited_for_for_an_hour(cloud: Cloud) -> None:
    group = Refreshing(cloud)
    protect(group, group.old[0])
    group.start()
    group.waits_for(f"{group.old[0]} is protected from scale in")
    group.settled(2)
    assert group.versions() == {"1": 1, "2": 1}
    protect(group, group.old[0], protected=False)
    group.until("Successful")
    group.start(desired=None, CheckpointPercentages=[50])
    group.until("Successful")
    for one in group.settled(2):
        protect(group, one)
    group.start()
    group.waits_for("is protected from scale in")
    cloud.clock.advance(ONE_HOUR)
    assert "is protected from scale in" in group.until("Failed")["StatusReason"]


def test_a_protected_instance_is_passed_over_or_replaced_as_asked(cloud: Cloud) -> None:
    group = Refreshing(cloud)
    protect(group, group.old[0])
    group.start(ScaleInProtectedInstances="Ignore")
    assert group.until("Successful")["PercentageComplete"] == 100
    assert group.old[0] in group.settled(2)
    group.start(ScaleInProtectedInstances="Refresh", SkipMatching=True)
    group.until("Successful")
    assert group.old[0] not in group.settled(2)


def test_scale_in_spares_protected_instances_and_only_members_can_be_protected(cloud: Cloud) -> None:
    group = Refreshing(cloud)
    protect(group, group.old[0])
    group.asg.set_desired_capacity(AutoScalingGroupName="service", DesiredCapacity=1)
    assert group.settled(1) == [group.old[0]]
    with pytest.raises(ClientError, match=r"i-0123456789abcdef0 is not part of Auto Scaling group service"):
        protect(group, "i-0123456789abcdef0")


@pytest.mark.parametrize(("policy", "stays"), [("Ignore", True), ("Terminate", False)])
def test_an_instance_in_standby_is_passed_over_or_replaced_as_asked(cloud: Cloud, policy: str, stays: bool) -> None:
    group = Refreshing(cloud)
    aside = group.old[0]
    group.asg.enter_standby(AutoScalingGroupName="service", InstanceIds=[aside], ShouldDecrementDesiredCapacity=True)
    assert aside not in group.health() or group.health()[aside] == "draining"
    group.start(StandbyInstances=policy)
    group.until("Successful")
    eventually(lambda: (aside in [one["InstanceId"] for one in group.members()]) is stays)
    assert len(group.in_service()) == 1


def test_an_instance_in_standby_is_waited_for(cloud: Cloud) -> None:
    group = Refreshing(cloud)
    aside = group.old[0]
    group.asg.enter_standby(AutoScalingGroupName="service", InstanceIds=[aside], ShouldDecrementDesiredCapacity=True)
    with pytest.raises(ClientError, match="min-size=1"):
        group.asg.enter_standby(AutoScalingGroupName="service", InstanceIds=[group.old[1]], ShouldDecrementDesiredCapacity=True)
    group.start()
    group.waits_for(f"{aside} is in Standby")
    group.asg.exit_standby(AutoScalingGroupName="service", InstanceIds=[aside])
    group.until("Successful")
    assert aside not in group.settled(2)


def test_one_refresh_at_a_time_which_owns_the_launch_template(cloud: Cloud) -> None:
    group = Refreshing(cloud)
    group.start(CheckpointPercentages=[50, 100], **FIRST_NEW)
    with pytest.raises(ClientError, match="InstanceRefreshInProgress"):
        group.start()
    with pytest.raises(ClientError, match="An active instance refresh with a desired configuration exists"):
        group.asg.update_auto_scaling_group(AutoScalingGroupName="service", **NEW)
    group.asg.update_auto_scaling_group(AutoScalingGroupName="service", MaxSize=5)
    assert len(group.asg.describe_instance_refreshes(AutoScalingGroupName="service")["InstanceRefreshes"]) == 1
    assert not group.asg.describe_instance_refreshes(AutoScalingGroupName="service", InstanceRefreshIds=["another"])[
        "InstanceRefreshes"
    ]


@pytest.mark.parametrize(
    ("configuration", "preferences", "message"),
    [
        (None, {"AutoRollback": True}, "cannot be set to true when the DesiredConfiguration parameter is empty"),
        (
            {"LaunchTemplate": {"LaunchTemplateName": "service", "Version": "$Latest"}},
            {"AutoRollback": True},
            r"numbered version of the launch template; that of the desired configuration is \$Latest",
        ),
        ({"LaunchTemplate": {"LaunchTemplateName": "service", "Version": "3"}}, {}, "Could not find .* version '3'"),
        ({"LaunchTemplate": {"LaunchTemplateName": "another", "Version": "1"}}, {}, "name another, does not exist"),
        ({"MixedInstancesPolicy": {"InstancesDistribution": {"OnDemandBaseCapacity": 1}}}, {}, "needs a LaunchTemplate"),
        (NEW, {"AlarmSpecification": {"Alarms": ["missing"]}}, "alarms that do not exist: missing"),
        (NEW, {"MaxHealthyPercentage": 120}, "must also specify MinHealthyPercentage"),
    ],
)
def test_a_refresh_that_cannot_be_carried_out_is_refused(
    cloud: Cloud, configuration: dict[str, Any] | None, preferences: dict[str, Any], message: str
) -> None:
    group = Refreshing(cloud, desired=1)
    with pytest.raises(ClientError, match=message):
        group.start(configuration, **preferences)
    assert not group.asg.describe_instance_refreshes(AutoScalingGroupName="service")["InstanceRefreshes"]


def test_a_group_without_a_numbered_version_has_nothing_to_go_back_to(cloud: Cloud) -> None:
    group = Refreshing(cloud, version="$Default")
    with pytest.raises(ClientError, match=r"that of the group is \$Default"):
        group.start(AutoRollback=True)
    group.start(CheckpointPercentages=[50, 100], **FIRST_NEW)
    group.waits_for("at a checkpoint")
    with pytest.raises(ClientError, match="IrreversibleInstanceRefresh"):
        group.asg.rollback_instance_refresh(AutoScalingGroupName="service")
    group.asg.cancel_instance_refresh(AutoScalingGroupName="service")
    group.until("Cancelled")


def test_a_group_that_does_not_exist_is_named(cloud: Cloud) -> None:
    for call in ("start_instance_refresh", "describe_instance_refreshes", "cancel_instance_refresh"):
        with pytest.raises(ClientError, match="AutoScalingGroup 'nobody' not found"):
            getattr(cloud.client("autoscaling"), call)(AutoScalingGroupName="nobody")
