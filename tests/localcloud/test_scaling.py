"""Scaling policies through the API: what alarms and users make of a group's capacity, and what its activities say."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.core.utils import utcnow

from localcloud import backends
from localcloud.balancer.metrics import balancer_dimension, target_group_dimension
from tests.localcloud.conftest import Cloud
from tests.localcloud.test_fleet import Group

CPU = {"PredefinedMetricSpecification": {"PredefinedMetricType": "ASGAverageCPUUtilization"}, "TargetValue": 50.0}


class Scaled(Group):
    """A group whose members are warm as soon as they are in service, unless `warm_up` says otherwise."""

    def __init__(self, cloud: Cloud, desired: int = 2, warm_up: int = 0) -> None:
        super().__init__(cloud, desired)
        self.cloudwatch = cloud.client("cloudwatch")
        self.asg.update_auto_scaling_group(AutoScalingGroupName="service", DefaultInstanceWarmup=warm_up)
        self.now = utcnow().replace(microsecond=0)
        self.now -= timedelta(seconds=self.now.second % 10)
        self.settled(desired)

    def put(self, name: str = "policy", **policy: Any) -> dict[str, Any]:
        reply: dict[str, Any] = self.asg.put_scaling_policy(AutoScalingGroupName="service", PolicyName=name, **policy)
        return reply

    def track(self, name: str = "cpu", **changes: Any) -> dict[str, Any]:
        return self.put(name, PolicyType="TargetTrackingScaling", TargetTrackingConfiguration=CPU | changes)

    def busy(self, cpu: float, periods: int) -> None:
        """Let all hosts be busy to `cpu` percent for that many periods."""
        for _ in range(periods):
            self.figure("AWS/EC2", "CPUUtilization", {"AutoScalingGroupName": "service"}, cpu)
            self.look()

    def figure(self, namespace: str, name: str, dimensions: dict[str, str], value: float) -> None:
        pairs = [{"Name": key, "Value": one} for key, one in dimensions.items()]
        datum = {"MetricName": name, "Dimensions": pairs, "Value": value, "Timestamp": self.now}
        backends.cloudwatch().put_metric_data(namespace, [datum])

    def look(self) -> None:
        self.now += timedelta(seconds=10)
        self.cloud.account.alarms.evaluate(self.now)

    @property
    def desired(self) -> int:
        return int(self.asg.describe_auto_scaling_groups()["AutoScalingGroups"][0]["DesiredCapacity"])

    def alarm(self, policy_arn: str, **changes: Any) -> None:
        """Make an alarm on CPU above 50 % that triggers a policy."""
        settings: dict[str, Any] = {
            "AlarmName": "busy",
            "Namespace": "AWS/EC2",
            "MetricName": "CPUUtilization",
            "Dimensions": [{"Name": "AutoScalingGroupName", "Value": "service"}],
            "Statistic": "Average",
            "Period": 10,
            "EvaluationPeriods": 1,
            "Threshold": 50.0,
            "ComparisonOperator": "GreaterThanThreshold",
            "AlarmActions": [policy_arn],
        }
        self.cloudwatch.put_metric_alarm(**settings | changes)


def test_target_tracking_shows_its_alarms_and_takes_them_along_when_it_goes(cloud: Cloud) -> None:
    group = Scaled(cloud)
    reply = group.track()
    names = [one["AlarmName"] for one in reply["Alarms"]]
    policy = group.asg.describe_policies(AutoScalingGroupName="service")["ScalingPolicies"][0]
    assert policy["PolicyARN"] == reply["PolicyARN"]
    assert policy["Alarms"] == reply["Alarms"]
    alarms = {one["AlarmName"]: one for one in group.cloudwatch.describe_alarms(AlarmNames=names)["MetricAlarms"]}
    high, low = (alarms[one] for one in names)
    assert (high["Threshold"], high["EvaluationPeriods"], high["ComparisonOperator"]) == (50, 3, "GreaterThanThreshold")
    assert (low["Threshold"], low["EvaluationPeriods"], low["ComparisonOperator"]) == (45, 15, "LessThanThreshold")
    group.track(TargetValue=60.0)
    assert len(group.cloudwatch.describe_alarms()["MetricAlarms"]) == 2
    group.asg.delete_policy(AutoScalingGroupName="service", PolicyName="cpu")
    assert not group.cloudwatch.describe_alarms()["MetricAlarms"]


def test_a_group_that_is_deleted_takes_policies_and_alarms_along(cloud: Cloud) -> None:
    group = Scaled(cloud)
    group.track()
    group.asg.delete_auto_scaling_group(AutoScalingGroupName="service", ForceDelete=True)
    assert not group.asg.describe_policies()["ScalingPolicies"]
    assert not group.cloudwatch.describe_alarms()["MetricAlarms"]


def test_load_makes_the_group_grow_in_proportion_and_its_end_makes_it_shrink_slowly(cloud: Cloud) -> None:
    group = Scaled(cloud)
    arn = group.track()["PolicyARN"]
    group.busy(95, 2)
    assert group.desired == 2
    group.busy(95, 1)
    assert group.desired == 4
    group.settled(4)
    cause = group.activities()[0]["Cause"]
    assert "a monitor alarm TargetTracking-service-AlarmHigh-" in cause
    assert "in state ALARM triggered policy cpu changing the desired capacity from 2 to 4.  At " in cause
    assert arn.endswith(":autoScalingGroupName/service:policyName/cpu")
    group.busy(5, 14)
    assert group.desired == 4
    group.busy(5, 1)
    assert group.desired == 3
    group.settled(3)
    assert "AlarmLow" in group.activities()[0]["Cause"]
    group.busy(5, 5)
    assert group.desired == 1


def test_hosts_that_warm_up_count_as_capacity_and_hold_up_scaling_in(cloud: Cloud) -> None:
    group = Scaled(cloud)
    group.track()
    group.busy(95, 3)
    group.asg.update_auto_scaling_group(AutoScalingGroupName="service", DefaultInstanceWarmup=300)
    backends.autoscaling().autoscaling_groups["service"].instance_states[0].in_service_since -= 300
    backends.autoscaling().autoscaling_groups["service"].instance_states[1].in_service_since -= 300
    group.settled(4)
    group.busy(95, 3)
    assert group.desired == 4
    group.busy(5, 20)
    assert group.desired == 4


def test_a_quiet_group_at_its_smallest_size_stays_as_it_is(cloud: Cloud) -> None:
    group = Scaled(cloud, desired=1)
    group.track()
    group.busy(2, 20)
    assert group.desired == 1


def test_scaling_in_can_be_disabled(cloud: Cloud) -> None:
    group = Scaled(cloud)
    assert len(group.track(DisableScaleIn=True)["Alarms"]) == 1
    group.busy(2, 20)
    assert group.desired == 2


def test_a_group_shrinks_only_when_every_target_allows_it(cloud: Cloud) -> None:
    group = Scaled(cloud)
    group.track()
    metric = {"MetricName": "Queue", "Namespace": "Test", "Statistic": "Average", "Period": 10}
    configuration = {"CustomizedMetricSpecification": metric, "TargetValue": 10.0}
    group.put("queue", PolicyType="TargetTrackingScaling", TargetTrackingConfiguration=configuration)
    for _ in range(20):
        group.figure("Test", "Queue", {}, 9.5)
        group.busy(2, 1)
    assert group.desired == 2
    for _ in range(15):
        group.figure("Test", "Queue", {}, 1)
        group.busy(2, 1)
    assert group.desired == 1


def test_requests_per_target_are_counted_by_the_minute(cloud: Cloud) -> None:
    group = Scaled(cloud)
    balancer = group.elb.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
    names = (balancer_dimension(balancer), target_group_dimension(group.target_group))
    metric = {"PredefinedMetricType": "ALBRequestCountPerTarget", "ResourceLabel": "/".join(names)}
    group.track(PredefinedMetricSpecification=metric, TargetValue=600.0)
    for value in (99, 99, 99, 150, 150, 150):
        assert group.desired == 2
        dimensions = {"LoadBalancer": names[0], "TargetGroup": names[1]}
        group.figure("AWS/ApplicationELB", "RequestCountPerTarget", dimensions, value)
        group.look()
    assert group.desired == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"PredefinedMetricSpecification": {"PredefinedMetricType": "ASGAverageNetworkIn"}}, "does not measure"),
        (
            {
                "PredefinedMetricSpecification": {
                    "PredefinedMetricType": "ALBRequestCountPerTarget",
                    "ResourceLabel": "app/other/1/targetgroup/other/2",
                }
            },
            "attached to the Auto Scaling group service",
        ),
        ({"CustomizedMetricSpecification": {"Metrics": [{"Id": "e", "Expression": "1"}]}}, "metric math"),
    ],
)
def test_what_cannot_be_tracked_is_refused(cloud: Cloud, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ClientError, match=message):
        Scaled(cloud).track(**changes)


def step_policy(group: Scaled) -> str:
    steps = [
        {"MetricIntervalLowerBound": 0.0, "MetricIntervalUpperBound": 20.0, "ScalingAdjustment": 1},
        {"MetricIntervalLowerBound": 20.0, "ScalingAdjustment": 2},
    ]
    reply = group.put(PolicyType="StepScaling", AdjustmentType="ChangeInCapacity", StepAdjustments=steps)
    return str(reply["PolicyARN"])


def test_a_step_policy_adds_by_the_size_of_the_breach(cloud: Cloud) -> None:
    group = Scaled(cloud, desired=1, warm_up=300)
    backends.autoscaling().autoscaling_groups["service"].instance_states[0].in_service_since -= 300
    group.alarm(step_policy(group))
    group.busy(60, 1)
    assert group.desired == 2
    group.settled(2)
    group.busy(90, 1)
    assert group.desired == 3
    group.busy(90, 3)
    assert group.desired == 3


def test_hosts_that_are_yet_to_be_launched_count_as_warming_up(cloud: Cloud) -> None:
    group = Scaled(cloud, desired=1)
    group.alarm(step_policy(group))
    group.asg.suspend_processes(AutoScalingGroupName="service", ScalingProcesses=["Launch"])
    group.busy(90, 1)
    assert group.desired == 3
    group.busy(90, 3)
    assert group.desired == 3


def simple(group: Scaled) -> None:
    reply = group.put(AdjustmentType="ChangeInCapacity", ScalingAdjustment=1, Cooldown=300)
    group.alarm(reply["PolicyARN"])


def disabled(group: Scaled) -> None:
    group.alarm(step_policy(group))
    steps = [{"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 1}]
    group.put(PolicyType="StepScaling", AdjustmentType="ChangeInCapacity", StepAdjustments=steps, Enabled=False)


def suspended(group: Scaled) -> None:
    group.alarm(step_policy(group))
    group.asg.suspend_processes(AutoScalingGroupName="service", ScalingProcesses=["AlarmNotification"])


@pytest.mark.parametrize(("arrange", "desired"), [(simple, 2), (disabled, 1), (suspended, 1)])
def test_what_holds_an_alarm_up(cloud: Cloud, arrange: Callable[[Scaled], None], desired: int) -> None:
    group = Scaled(cloud, desired=1)
    arrange(group)
    group.busy(90, 1)
    assert group.desired == desired
    group.settled(desired)
    group.busy(90, 2)
    assert group.desired == desired


def test_the_largest_size_is_never_passed(cloud: Cloud) -> None:
    group = Scaled(cloud)
    group.track(TargetValue=1.0)
    group.busy(99, 3)
    assert group.desired == 4


def test_a_policy_belongs_to_its_group(cloud: Cloud) -> None:
    group = Scaled(cloud, desired=1)
    other = group.asg.describe_auto_scaling_groups()["AutoScalingGroups"][0]
    group.asg.create_auto_scaling_group(
        AutoScalingGroupName="green",
        LaunchTemplate={"LaunchTemplateName": "service", "Version": "1"},
        MinSize=0,
        MaxSize=1,
        VPCZoneIdentifier=other["VPCZoneIdentifier"],
    )
    group.track()
    group.asg.put_scaling_policy(
        AutoScalingGroupName="green", PolicyName="cpu", PolicyType="TargetTrackingScaling", TargetTrackingConfiguration=CPU
    )
    group.asg.delete_policy(AutoScalingGroupName="green", PolicyName="cpu")
    left = group.asg.describe_policies()["ScalingPolicies"]
    assert [one["AutoScalingGroupName"] for one in left] == ["service"]
