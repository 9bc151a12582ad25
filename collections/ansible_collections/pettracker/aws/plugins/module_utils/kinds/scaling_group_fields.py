"""What the project makes of each field of an Auto Scaling group and of its parts."""

from typing import Any

from .fields import EMPTY_ANSWER, FIGURE, FIXED, IDENTITY, TIME, Compared, Default, Foreign, Ignored, Nobodys

UPDATE = "update_auto_scaling_group"
AUTO_SCALING = Foreign("Auto Scaling, between min_size and max_size")
TEMPLATE = Compared("launch_template")
SPECIFICATION = {"LaunchTemplateId": TEMPLATE, "LaunchTemplateName": IDENTITY, "Version": TEMPLATE}
MIXED = Compared("mixed_instances")
NOTHING = Default(None)
SAID_BELOW = Ignored("another answer describes it")
GROUP: dict[str, Any] = {
    "AutoScalingGroupName": IDENTITY,
    "AutoScalingGroupARN": IDENTITY,
    "LaunchConfigurationName": NOTHING,
    "LaunchTemplate": SPECIFICATION,
    "MixedInstancesPolicy": {
        "LaunchTemplate": {
            "LaunchTemplateSpecification": SPECIFICATION,
            "Overrides": {
                "InstanceType": MIXED,
                "WeightedCapacity": NOTHING,
                "LaunchTemplateSpecification": NOTHING,
                "InstanceRequirements": NOTHING,
                "ImageId": NOTHING,
            },
        },
        "InstancesDistribution": {
            "OnDemandAllocationStrategy": MIXED,
            "OnDemandBaseCapacity": MIXED,
            "OnDemandPercentageAboveBaseCapacity": MIXED,
            "SpotAllocationStrategy": MIXED,
            "SpotInstancePools": Default(2),
            "SpotMaxPrice": NOTHING,
            "DistributionSegments": NOTHING,
        },
    },
    "MinSize": Compared("min_size"),
    "MaxSize": Compared("max_size"),
    "DesiredCapacity": AUTO_SCALING,
    "PredictedCapacity": FIGURE,
    "DefaultCooldown": Default(300, UPDATE),
    "AvailabilityZones": Ignored("those of the subnets"),
    "AvailabilityZoneIds": Ignored("those of the subnets"),
    "LoadBalancerNames": NOTHING,
    "TargetGroupARNs": Compared("target_group_arns"),
    "HealthCheckType": Compared("health_check_type"),
    "HealthCheckGracePeriod": Compared("health_check_grace_period"),
    "Instances": AUTO_SCALING,
    "CreatedTime": TIME,
    # Operations suspend AZRebalance while they go over hosts, and resume it: what is suspended is shown, and left to people.
    "SuspendedProcesses": Nobodys("suspended process", "ProcessName"),
    "PlacementGroup": NOTHING,
    "VPCZoneIdentifier": Compared("subnet_ids"),
    "EnabledMetrics": {"Metric": Compared("metrics_collected"), "Granularity": Ignored("AWS knows only 1Minute")},
    "Status": FIGURE,
    "Tags": {
        "ResourceId": IDENTITY,
        "ResourceType": IDENTITY,
        "Key": Compared("tags"),
        "Value": Compared("tags"),
        "PropagateAtLaunch": Compared("tags"),
    },
    "TerminationPolicies": Default(["Default"], UPDATE),
    "NewInstancesProtectedFromScaleIn": Default(False, UPDATE),
    "ServiceLinkedRoleARN": Compared("service_linked_role"),
    "MaxInstanceLifetime": NOTHING,
    "CapacityRebalance": Compared("capacity_rebalance"),
    "WarmPoolConfiguration": SAID_BELOW,
    "WarmPoolSize": FIGURE,
    "Context": Ignored("reserved by AWS, and decides nothing"),
    "DesiredCapacityType": Default("units", UPDATE),
    "DefaultInstanceWarmup": Compared("warm_up"),
    "TrafficSources": Compared("traffic_sources"),
    # Minus one takes a percentage away.
    "InstanceMaintenancePolicy": {"MinHealthyPercentage": Default(-1), "MaxHealthyPercentage": Default(-1)},
    "DeletionProtection": Default("none", UPDATE),
    "AvailabilityZoneDistribution": {"CapacityDistributionStrategy": Default("balanced-best-effort")},
    "AvailabilityZoneImpairmentPolicy": {
        "ZonalShiftEnabled": Default(False),
        "ImpairedZoneHealthCheckBehavior": Ignored("decides nothing without zonal shift"),
    },
    "CapacityReservationSpecification": {
        "CapacityReservationPreference": Default("default"),
        "CapacityReservationTarget": NOTHING,
    },
    "InstanceLifecyclePolicy": {"RetentionTriggers": {"TerminateHookAbandon": Default("terminate")}},
    "Operator": FIXED,
}
POLICY: dict[str, Any] = {
    "AutoScalingGroupName": IDENTITY,
    "PolicyName": Nobodys("scaling policy", "PolicyName"),
    "PolicyARN": IDENTITY,
    "PolicyType": Compared("cpu_target"),
    "AdjustmentType": NOTHING,
    "MinAdjustmentStep": NOTHING,
    "MinAdjustmentMagnitude": NOTHING,
    "ScalingAdjustment": NOTHING,
    "Cooldown": NOTHING,
    "StepAdjustments": NOTHING,
    "MetricAggregationType": NOTHING,
    "EstimatedInstanceWarmup": NOTHING,
    "Alarms": Foreign("Auto Scaling, which makes them for the policy"),
    "TargetTrackingConfiguration": {
        "PredefinedMetricSpecification": Compared("cpu_target"),
        "CustomizedMetricSpecification": NOTHING,
        "TargetValue": Compared("cpu_target"),
        "DisableScaleIn": Default(False),
    },
    "Enabled": Default(True),
    "PredictiveScalingConfiguration": NOTHING,
}
HOOKS = Compared("lifecycle_hooks")
HOOK: dict[str, Any] = {
    "LifecycleHookName": Nobodys("life-cycle hook", "LifecycleHookName"),
    "AutoScalingGroupName": IDENTITY,
    "LifecycleTransition": HOOKS,
    "NotificationTargetARN": NOTHING,
    "RoleARN": NOTHING,
    "NotificationMetadata": NOTHING,
    "HeartbeatTimeout": HOOKS,
    "GlobalTimeout": Ignored("follows from the heartbeat's"),
    "DefaultResult": HOOKS,
}
SCHEDULES = Compared("schedules")
SCHEDULE: dict[str, Any] = {
    "AutoScalingGroupName": IDENTITY,
    "ScheduledActionName": Nobodys("scheduled action", "ScheduledActionName"),
    "ScheduledActionARN": IDENTITY,
    "Time": Ignored("no longer used"),
    "StartTime": Foreign("Auto Scaling, which says when the action runs next"),
    "EndTime": NOTHING,
    "Recurrence": SCHEDULES,
    "MinSize": SCHEDULES,
    "MaxSize": SCHEDULES,
    "DesiredCapacity": SCHEDULES,
    "TimeZone": SCHEDULES,
}
WARM_POOL: dict[str, Any] = {
    "WarmPoolConfiguration": {
        "MaxGroupPreparedCapacity": NOTHING,
        "MinSize": NOTHING,
        "PoolState": NOTHING,
        "Status": FIGURE,
        "InstanceReusePolicy": NOTHING,
    },
    "Instances": AUTO_SCALING,
    "NextToken": EMPTY_ANSWER,
}
SOURCE = dict.fromkeys(("TrafficSource", "State", "Identifier", "Type"), Ignored("the group's own answer names them"))
NOTIFICATION: dict[str, Any] = {
    "AutoScalingGroupName": IDENTITY,
    "TopicARN": Nobodys("notification", "TopicARN"),
    "NotificationType": Ignored("of a topic that is shown"),
}
