"""Answers in the shapes that AWS gives: what is absent, empty or null is what nobody has set."""

from typing import Any

from ansible_collections.pettracker.aws.plugins.module_utils.kinds.alarm import Alarm
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.launch_template import LaunchTemplate
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.scaling_group import ScalingGroup

GROUP: dict[str, Any] = {
    **{"AutoScalingGroupName": "fleet", "MinSize": 0, "MaxSize": 1, "DesiredCapacity": 0, "DefaultCooldown": 300},
    **{"LaunchTemplate": {"LaunchTemplateId": "lt-1", "LaunchTemplateName": "fleet", "Version": "$Default"}},
    **{"HealthCheckType": "EC2", "HealthCheckGracePeriod": 0, "VPCZoneIdentifier": "subnet-b,subnet-a"},
    **{"EnabledMetrics": [], "LoadBalancerNames": [], "TargetGroupARNs": [], "TrafficSources": [], "Instances": []},
    **{"SuspendedProcesses": [{"ProcessName": "AZRebalance", "SuspensionReason": "User suspended at 2024-01-25T16:45:06Z"}]},
    **{"TerminationPolicies": ["Default"], "NewInstancesProtectedFromScaleIn": False, "Tags": []},
    **{"AvailabilityZoneDistribution": {"CapacityDistributionStrategy": "balanced-best-effort"}},
    **{"CapacityReservationSpecification": {"CapacityReservationPreference": "default"}},
    **{"InstanceLifecyclePolicy": {"RetentionTriggers": {"TerminateHookAbandon": "terminate"}}},
}
POLICY: dict[str, Any] = {
    **{"PolicyName": "cpu", "PolicyType": "TargetTrackingScaling", "StepAdjustments": [], "Enabled": True},
    "TargetTrackingConfiguration": {
        "DisableScaleIn": False,
        "PredefinedMetricSpecification": {"PredefinedMetricType": "ASGAverageCPUUtilization"},
        "TargetValue": 50.0,
    },
}
PARTS: dict[str, Any] = {"DescribeLifecycleHooks": [], "DescribeScheduledActions": [], "DescribeWarmPool": {"Instances": []}}


def test_a_group_as_aws_describes_it_is_as_nobody_has_changed_it() -> None:
    answers = {"DescribeAutoScalingGroups": GROUP, "DescribePolicies": [POLICY]} | PARTS
    assert ScalingGroup().deviations(answers) == []
    state = ScalingGroup().state(answers)
    assert (state["subnet_ids"], state["cpu_target"], state["warm_up"]) == (["subnet-a", "subnet-b"], 50.0, None)
    assert (state["metrics_collected"], state["service_linked_role"]) == (False, "AWSServiceRoleForAutoScaling")
    assert ScalingGroup().nobodys(answers)["suspended process"] == ["AZRebalance"]


def test_a_group_of_old_times_lacks_what_is_new_and_may_have_null() -> None:
    old = {key: GROUP[key] for key in ("AutoScalingGroupName", "MinSize", "MaxSize", "VPCZoneIdentifier")}
    old |= {"LaunchConfigurationName": "old", "Tags": None, "TargetGroupARNs": None, "EnabledMetrics": None}
    answers = {"DescribeAutoScalingGroups": old, "DescribePolicies": []} | PARTS
    assert [one.path for one in ScalingGroup().deviations(answers)] == ["launch_configuration_name"]
    assert ScalingGroup().state(answers)["launch_template"] == {"id": None, "version": None}


def test_an_alarm_without_a_description_or_a_treatment_of_missing_data() -> None:
    alarm: dict[str, Any] = {
        **{"AlarmName": "a", "ActionsEnabled": True, "AlarmActions": [], "OKActions": [], "InsufficientDataActions": []},
        **{"MetricName": "CPUUtilization", "Namespace": "AWS/EC2", "Dimensions": [], "Statistic": "Minimum"},
        **{"Period": 60, "EvaluationPeriods": 5, "Threshold": 0.0, "ComparisonOperator": "GreaterThanThreshold"},
    }
    answers = {"DescribeAlarms": alarm, "ListTagsForResource": {"Tags": []}}
    state = Alarm().state(answers)
    assert Alarm().deviations(answers) == []
    assert (state["description"], state["missing_data"], state["datapoints"]) == (None, "missing", 5)


def test_a_template_with_next_to_nothing_in_it() -> None:
    template = {"DefaultVersionNumber": 3, "LatestVersionNumber": 4}
    data = {"ImageId": "ami-1", "UserData": "", "TagSpecifications": [], "BlockDeviceMappings": None}
    answers = {"DescribeLaunchTemplates": template, "DescribeLaunchTemplateVersions": {"LaunchTemplateData": data}}
    state = LaunchTemplate().state(answers)
    assert LaunchTemplate().deviations(answers) == []
    assert (state["default_version"], state["other"], state["volumes"], state["tags"]) == ("3", {}, {}, {})
