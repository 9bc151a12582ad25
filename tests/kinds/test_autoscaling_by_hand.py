"""What somebody changes of a group, its template or an alarm is named and repaired; what nobody declares is shown and stays."""

import datetime
from collections.abc import Callable
from typing import Any

import pytest

from tests.plan.test_drift import named
from tests.plan.world import TAGS, World, make

Client = Callable[[str], Any]
GROUP = {"AutoScalingGroupName": "service"}
MORNING = {"name": "morning", "recurrence": "0 7 * * 1-5", "time_zone": "Etc/UTC", "min_size": None} | {
    **{"max_size": 5, "desired_capacity": None}
}
TRACKING = {"PredefinedMetricSpecification": {"PredefinedMetricType": "ASGAverageCPUUtilization"}, "TargetValue": 70.0}
CPU = {"PolicyName": "cpu", "PolicyType": "TargetTrackingScaling"}
ALARM = {
    **{"AlarmName": "cpu", "AlarmDescription": "busy", "Namespace": "AWS/EC2", "MetricName": "CPUUtilization"},
    **{"Statistic": "Average", "ComparisonOperator": "GreaterThanThreshold", "Threshold": 80.0, "Period": 300},
    **{"EvaluationPeriods": 2, "Dimensions": [{"Name": "AutoScalingGroupName", "Value": "service"}]},
}


@pytest.fixture
def world(client: Client) -> World:
    """A group without instances, its template and two alarms, as they should be."""
    every = make(client)
    made = World({name: every.parameters[name] for name in ("metric_alarms", "launch_template")}, client)
    made.apply()
    subnets = client("ec2").describe_subnets()["Subnets"][:2]
    made.parameters["scaling_group"] = {
        **{"name": "service", "min_size": 0, "max_size": 2, "wait_timeout": 0, "tags": TAGS, "target_group_arns": []},
        **{"launch_template_id": made.results["launch_template"]["template"]["launch_template_id"]},
        **{"launch_template_version": 1, "subnet_ids": [subnet["SubnetId"] for subnet in subnets]},
        **{"health_check_grace_period": 60, "warm_up": 30, "cpu_target": 70.0, "request_target": 0.0},
        **{"capacity_rebalance": False, "mixed_instances": None, "schedules": [MORNING]},
        "lifecycle_hooks": [
            {"name": "ready", "transition": "launching", "heartbeat_timeout": 120, "default_result": "CONTINUE"}
        ],
    }
    made.apply()
    assert made.plan() == []
    return made


def update(**settings: Any) -> Callable[[Client], None]:
    return lambda client: client("autoscaling").update_auto_scaling_group(**GROUP, **settings)


def policy(**settings: Any) -> Callable[[Client], None]:
    configuration = {"TargetTrackingConfiguration": TRACKING} | settings
    return lambda client: client("autoscaling").put_scaling_policy(**GROUP, **CPU, **configuration)


def schedule(client: Client) -> None:
    ends = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=30)
    action = {"ScheduledActionName": "managed-morning", "Recurrence": "0 7 * * 1-5", "TimeZone": "Etc/UTC", "MaxSize": 5}
    client("autoscaling").put_scheduled_update_group_action(**GROUP, **action, EndTime=ends)


def tag(client: Client) -> None:
    owned = {"ResourceId": "service", "ResourceType": "auto-scaling-group", "Key": "Project", "Value": "pettracker"}
    client("autoscaling").create_or_update_tags(Tags=[owned | {"PropagateAtLaunch": True}])


def version(**more: Any) -> Callable[[Client], None]:
    def change(client: Client) -> None:
        ec2, name = client("ec2"), {"LaunchTemplateName": "service"}
        ec2.create_launch_template_version(**name, SourceVersion="1", LaunchTemplateData=more)
        ec2.modify_launch_template(**name, DefaultVersion="2")

    return change


def older_default(client: Client) -> None:
    ec2, name = client("ec2"), {"LaunchTemplateName": "service"}
    ec2.create_launch_template_version(**name, SourceVersion="1", LaunchTemplateData={})


def alarm(**more: Any) -> Callable[[Client], None]:
    left_out = {"Statistic"} if "ExtendedStatistic" in more else set()
    kept = {key: value for key, value in ALARM.items() if key not in left_out}
    return lambda client: client("cloudwatch").put_metric_alarm(**kept | more)


OF_GROUP: dict[str, tuple[Callable[[Client], Any], tuple[str, ...]]] = {
    "cooldown": (update(DefaultCooldown=60), ("default_cooldown",)),
    "health checks": (update(HealthCheckType="EC2"), ("health_check_type",)),
    "termination": (update(TerminationPolicies=["NewestInstance"]), ("termination_policies",)),
    "protection": (update(NewInstancesProtectedFromScaleIn=True), ("new_instances_protected_from_scale_in",)),
    "lifetime": (update(MaxInstanceLifetime=86400), ("max_instance_lifetime",)),
    "maintenance": (
        update(InstanceMaintenancePolicy={"MinHealthyPercentage": 0, "MaxHealthyPercentage": 100}),
        tuple(f"instance_maintenance_policy.{which}_healthy_percentage" for which in ("min", "max")),
    ),
    "role": (
        update(ServiceLinkedRoleARN="arn:aws:iam::123456789012:role/aws-service-role/autoscaling.amazonaws.com/mine"),
        ("service_linked_role",),
    ),
    "deletion": (update(DeletionProtection="prevent-all-deletion"), ("deletion_protection",)),
    "placement": (update(PlacementGroup="near"), ("placement_group",)),
    "zones": (
        update(AvailabilityZoneDistribution={"CapacityDistributionStrategy": "balanced-only"}),
        ("availability_zone_distribution.capacity_distribution_strategy",),
    ),
    "zonal shift": (
        update(AvailabilityZoneImpairmentPolicy={"ZonalShiftEnabled": True}),
        ("availability_zone_impairment_policy.zonal_shift_enabled",),
    ),
    "reservations": (
        update(CapacityReservationSpecification={"CapacityReservationPreference": "none"}),
        ("capacity_reservation_specification.capacity_reservation_preference",),
    ),
    "retained": (
        update(InstanceLifecyclePolicy={"RetentionTriggers": {"TerminateHookAbandon": "retain"}}),
        ("instance_lifecycle_policy.retention_triggers.terminate_hook_abandon",),
    ),
    "latest version": (
        update(LaunchTemplate={"LaunchTemplateName": "service", "Version": "$Latest"}),
        ("launch_template.version",),
    ),
    "warm pool": (
        lambda client: client("autoscaling").put_warm_pool(**GROUP, MinSize=1, PoolState="Stopped"),
        ("warm_pool_configuration.min_size", "warm_pool_configuration.pool_state"),
    ),
    "policy off": (policy(Enabled=False), ("policies.cpu.enabled",)),
    "never in": (
        policy(TargetTrackingConfiguration=TRACKING | {"DisableScaleIn": True}),
        ("policies.cpu.target_tracking_configuration.disable_scale_in",),
    ),
    "target": (policy(TargetTrackingConfiguration=TRACKING | {"TargetValue": 99.0}), ("cpu_target",)),
    "schedule that ends": (schedule, ("schedules.managed-morning.end_time",)),
    "tag for hosts": (tag, ("tags.Project",)),
}
OF_TEMPLATE = {
    "key": (version(KeyName="ann"), ("other.KeyName",)),
    "metadata over IPv6": (
        version(MetadataOptions={"HttpTokens": "required", "HttpPutResponseHopLimit": 1, "HttpProtocolIpv6": "enabled"}),
        ("launch_template_data.metadata_options.http_protocol_ipv6",),
    ),
    "older default": (older_default, ("default_version",)),
}
OF_ALARM = {
    "unit": (alarm(Unit="Percent"), ("unit",)),
    "one point": (alarm(DatapointsToAlarm=1), ("datapoints",)),
    "whom it tells": (alarm(InsufficientDataActions=["arn:aws:sns:us-east-1:123456789012:t"]), ("insufficient_data_actions",)),
    "percentile": (
        alarm(ExtendedStatistic="p90", EvaluateLowSampleCountPercentile="ignore"),
        ("statistic", "extended_statistic", "evaluate_low_sample_count_percentile"),
    ),
}
CHANGES = [
    pytest.param(change, {(resource, field) for field in fields}, id=name)
    for resource, changes in (
        ("Auto Scaling group service", OF_GROUP),
        ("launch template service", OF_TEMPLATE),
        ("alarm cpu", OF_ALARM),
    )
    for name, (change, fields) in changes.items()
]


@pytest.mark.parametrize(("change", "expected"), CHANGES)
def test_a_change_is_named_nothing_else_is_and_one_apply_repairs_it(
    world: World, client: Client, change: Callable[[Client], Any], expected: set[tuple[str, str]]
) -> None:
    change(client)
    assert named(world.plan()) == expected
    world.apply()
    assert world.plan() == []


def test_what_nobody_declares_is_shown_and_stays(world: World, client: Client) -> None:
    scaling = client("autoscaling")
    step = {"PolicyName": "mine", "AdjustmentType": "ChangeInCapacity", "ScalingAdjustment": 1, "Cooldown": 60}
    scaling.put_scaling_policy(**GROUP, **step)
    hook = {"LifecycleHookName": "audit", "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING"}
    scaling.put_lifecycle_hook(**GROUP, **hook)
    action = {"ScheduledActionName": "theirs", "Recurrence": "0 1 * * *", "MaxSize": 4}
    scaling.put_scheduled_update_group_action(**GROUP, **action)
    topic = "arn:aws:sns:us-east-1:123456789012:t"
    kinds = ["autoscaling:EC2_INSTANCE_LAUNCH", "autoscaling:EC2_INSTANCE_TERMINATE"]
    scaling.put_notification_configuration(**GROUP, TopicARN=topic, NotificationTypes=kinds)
    scaling.suspend_processes(**GROUP, ScalingProcesses=["Terminate"])
    handed_on = {"ResourceId": "service", "ResourceType": "auto-scaling-group", "Key": "Shadow", "Value": "1"}
    scaling.create_or_update_tags(Tags=[handed_on | {"PropagateAtLaunch": True}])
    expected = {
        "scaling policy": ["service/mine"],
        "life-cycle hook": ["service/audit"],
        "scheduled action": ["service/theirs"],
        "notification": [f"service/{topic}"],
        "suspended process": ["service/Terminate"],
        "tag of its hosts": ["service/Shadow"],
    }
    for run in (world.plan, world.apply, world.plan):
        assert run() == []
        assert world.results["scaling_group"]["nobodys"] == expected
