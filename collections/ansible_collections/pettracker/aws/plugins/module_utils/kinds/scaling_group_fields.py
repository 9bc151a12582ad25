"""What the project makes of each field of an Auto Scaling group and of its parts."""

from typing import Any

from .fields import FIXED, IDENTITY, META, STATUS, TIME, UNSET, Compared, Default, Foreign, Ignored, Nobodys, compared, each

UPDATE = "update_auto_scaling_group"
AUTO_SCALING = Foreign("Auto Scaling, between min_size and max_size")
TEMPLATE = Compared("launch_template")
SPECIFICATION = {"LaunchTemplateId": TEMPLATE, "LaunchTemplateName": IDENTITY, "Version": TEMPLATE}
SAID_BELOW = Ignored("another answer describes it")
# What a group is described with, and what CreateAutoScalingGroup and UpdateAutoScalingGroup take by the same names.
SETTINGS = {
    **{"min_size": "MinSize", "max_size": "MaxSize", "subnet_ids": "VPCZoneIdentifier", "warm_up": "DefaultInstanceWarmup"},
    **{"health_check_type": "HealthCheckType", "health_check_grace_period": "HealthCheckGracePeriod"},
    "capacity_rebalance": "CapacityRebalance",
}
GROUP: dict[str, Any] = {
    **each(IDENTITY, "AutoScalingGroupName AutoScalingGroupARN"),
    **each(UNSET, "LaunchConfigurationName LoadBalancerNames PlacementGroup MaxInstanceLifetime"),
    "LaunchTemplate": SPECIFICATION,
    "MixedInstancesPolicy": {
        "LaunchTemplate": {
            "LaunchTemplateSpecification": SPECIFICATION,
            "Overrides": {
                **compared(mixed_instances="InstanceType"),
                **each(UNSET, "WeightedCapacity LaunchTemplateSpecification InstanceRequirements ImageId"),
            },
        },
        "InstancesDistribution": {
            **compared(mixed_instances="OnDemandAllocationStrategy OnDemandBaseCapacity OnDemandPercentageAboveBaseCapacity"),
            **compared(mixed_instances="SpotAllocationStrategy"),
            "SpotInstancePools": Default(2),
            **each(UNSET, "SpotMaxPrice DistributionSegments"),
        },
    },
    **compared(**SETTINGS, target_group_arns="TargetGroupARNs", traffic_sources="TrafficSources"),
    **compared(service_linked_role="ServiceLinkedRoleARN"),
    **each(AUTO_SCALING, "DesiredCapacity Instances"),
    **each(STATUS, "PredictedCapacity Status WarmPoolSize"),
    "DefaultCooldown": Default(300, UPDATE),
    **each(Ignored("those of the subnets"), "AvailabilityZones AvailabilityZoneIds"),
    "CreatedTime": TIME,
    # Operations suspend AZRebalance while they go over hosts, and resume it: what is suspended is shown, and left to people.
    "SuspendedProcesses": Nobodys("suspended process", "ProcessName"),
    "EnabledMetrics": {**compared(metrics_collected="Metric"), "Granularity": Ignored("AWS knows only 1Minute")},
    "Tags": {**each(IDENTITY, "ResourceId ResourceType"), **compared(tags="Key Value PropagateAtLaunch")},
    "TerminationPolicies": Default(["Default"], UPDATE),
    "NewInstancesProtectedFromScaleIn": Default(False, UPDATE),
    "WarmPoolConfiguration": SAID_BELOW,
    "Context": Ignored("reserved by AWS, and decides nothing"),
    "DesiredCapacityType": Default("units", UPDATE),
    # Minus one takes a percentage away.
    "InstanceMaintenancePolicy": each(Default(-1), "MinHealthyPercentage MaxHealthyPercentage"),
    "DeletionProtection": Default("none", UPDATE),
    "AvailabilityZoneDistribution": {"CapacityDistributionStrategy": Default("balanced-best-effort")},
    "AvailabilityZoneImpairmentPolicy": {
        "ZonalShiftEnabled": Default(False),
        "ImpairedZoneHealthCheckBehavior": Ignored("decides nothing without zonal shift"),
    },
    "CapacityReservationSpecification": {
        "CapacityReservationPreference": Default("default"),
        "CapacityReservationTarget": UNSET,
    },
    "InstanceLifecyclePolicy": {"RetentionTriggers": {"TerminateHookAbandon": Default("terminate")}},
    "Operator": FIXED,
}
POLICY: dict[str, Any] = {
    **each(IDENTITY, "AutoScalingGroupName PolicyARN"),
    "PolicyName": Nobodys("scaling policy", "PolicyName"),
    **compared(cpu_target="PolicyType"),
    **each(UNSET, "AdjustmentType MinAdjustmentStep MinAdjustmentMagnitude ScalingAdjustment Cooldown StepAdjustments"),
    **each(UNSET, "MetricAggregationType EstimatedInstanceWarmup PredictiveScalingConfiguration"),
    "Alarms": Foreign("Auto Scaling, which makes them for the policy"),
    "TargetTrackingConfiguration": {
        **compared(cpu_target="PredefinedMetricSpecification TargetValue"),
        "CustomizedMetricSpecification": UNSET,
        "DisableScaleIn": Default(False),
    },
    "Enabled": Default(True),
}
HOOK: dict[str, Any] = {
    "LifecycleHookName": Nobodys("life-cycle hook", "LifecycleHookName"),
    "AutoScalingGroupName": IDENTITY,
    **compared(lifecycle_hooks="LifecycleTransition HeartbeatTimeout DefaultResult"),
    **each(UNSET, "NotificationTargetARN RoleARN NotificationMetadata"),
    "GlobalTimeout": Ignored("follows from the heartbeat's"),
}
SCHEDULE: dict[str, Any] = {
    **each(IDENTITY, "AutoScalingGroupName ScheduledActionARN"),
    "ScheduledActionName": Nobodys("scheduled action", "ScheduledActionName"),
    "Time": Ignored("no longer used"),
    "StartTime": Foreign("Auto Scaling, which says when the action runs next"),
    "EndTime": UNSET,
    **compared(schedules="Recurrence MinSize MaxSize DesiredCapacity TimeZone"),
}
WARM_POOL: dict[str, Any] = {
    "WarmPoolConfiguration": {
        **each(UNSET, "MaxGroupPreparedCapacity MinSize PoolState InstanceReusePolicy"),
        "Status": STATUS,
    },
    "Instances": AUTO_SCALING,
    "NextToken": META,
}
SOURCE = each(Ignored("the group's own answer names them"), "TrafficSource State Identifier Type")
NOTIFICATION: dict[str, Any] = {
    "AutoScalingGroupName": IDENTITY,
    "TopicARN": Nobodys("notification", "TopicARN"),
    "NotificationType": Ignored("of a topic that is shown"),
}
