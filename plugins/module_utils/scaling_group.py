"""The state of an Auto Scaling group as this project owns it, and when it is in service. Pure functions only.

Desired capacity and the instances belong to Auto Scaling: neither is ever compared. The documents:
https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_AutoScalingGroup.html and, for target tracking and warm-up,
https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-scaling-target-tracking.html (EC2 Auto Scaling has no cooldown
there: the warm-up holds back scaling out, and scaling in is gradual by itself).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.state import tags_to_dict

# Name of the one target tracking policy.
POLICY = "cpu"
# Fields that UpdateAutoScalingGroup or CreateAutoScalingGroup set by the same parameters.
SETTINGS = (
    "launch_template",
    "min_size",
    "max_size",
    "subnet_ids",
    "health_check_grace_period",
    "warm_up",
)


def wanted_state(parameters: Mapping[str, Any], found: Mapping[str, Any] | None) -> dict[str, Any]:
    """Returns the module's parameters in the fields of `found_state`; an existing group keeps its template version.

    An instance refresh changes the version. If it were changed before, a rollback of the refresh would go to the new one.
    https://docs.aws.amazon.com/autoscaling/ec2/userguide/instance-refresh-rollback.html
    """
    template = {"id": parameters["launch_template_id"], "version": str(parameters["launch_template_version"])}
    if found and found["launch_template"]["id"] == template["id"]:
        template = found["launch_template"]
    return {
        "launch_template": template,
        "min_size": parameters["min_size"],
        "max_size": parameters["max_size"],
        "subnet_ids": sorted(parameters["subnet_ids"]),
        "health_check_grace_period": parameters["health_check_grace_period"],
        "warm_up": parameters["warm_up"],
        "target_group_arns": sorted(parameters["target_group_arns"]),
        "metrics_collected": True,
        "cpu_target": float(parameters["cpu_target"]),
        "tags": dict(parameters["tags"]),
    }


def found_state(group: Mapping[str, Any], policies: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns a group and its policies, as Auto Scaling describes them, in the fields that this project owns."""
    template = group.get("LaunchTemplate", {})
    tracking: dict[str, Any] = next(
        (policy["TargetTrackingConfiguration"] for policy in policies if policy["PolicyName"] == POLICY),
        {},
    )
    return {
        "launch_template": {"id": template.get("LaunchTemplateId"), "version": template.get("Version")},
        "min_size": group["MinSize"],
        "max_size": group["MaxSize"],
        "subnet_ids": sorted(group.get("VPCZoneIdentifier", "").split(",")),
        "health_check_grace_period": group.get("HealthCheckGracePeriod"),
        "warm_up": group.get("DefaultInstanceWarmup"),
        "target_group_arns": sorted(group.get("TargetGroupARNs", [])),
        "metrics_collected": bool(group.get("EnabledMetrics")),
        "cpu_target": tracking.get("TargetValue"),
        # This project's own stay with the group; what it hands on to hosts is an experiment's (plugins/modules/fleet_tag.py).
        "tags": tags_to_dict(tag for tag in group.get("Tags", []) if not tag.get("PropagateAtLaunch")),
    }


def settings_request(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the parameters that CreateAutoScalingGroup and UpdateAutoScalingGroup share."""
    template = wanted["launch_template"]
    return {
        "LaunchTemplate": {"LaunchTemplateId": template["id"], "Version": template["version"]},
        "MinSize": wanted["min_size"],
        "MaxSize": wanted["max_size"],
        "VPCZoneIdentifier": ",".join(wanted["subnet_ids"]),
        "HealthCheckType": "ELB",
        "HealthCheckGracePeriod": wanted["health_check_grace_period"],
        "DefaultInstanceWarmup": wanted["warm_up"],
    }


def policy_request(name: str, cpu_target: float) -> dict[str, Any]:
    """Returns the parameters of PutScalingPolicy that hold the group's mean CPU at `cpu_target` percent."""
    return {
        "AutoScalingGroupName": name,
        "PolicyName": POLICY,
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingConfiguration": {
            "PredefinedMetricSpecification": {"PredefinedMetricType": "ASGAverageCPUUtilization"},
            "TargetValue": cpu_target,
        },
    }


def group_tags(name: str, tags: Mapping[str, str]) -> list[dict[str, Any]]:
    """Returns tags in Auto Scaling's form; instances get theirs from the launch template."""
    return [
        {
            "ResourceId": name,
            "ResourceType": "auto-scaling-group",
            "Key": key,
            "Value": value,
            "PropagateAtLaunch": False,
        }
        for key, value in sorted(tags.items())
    ]


def missing(group: Mapping[str, Any], targets: Mapping[str, list[dict[str, Any]]]) -> list[str]:
    """Returns what keeps the group from being in service, one sentence each; nothing when it is.

    `targets` holds ELB's TargetHealthDescriptions for each target group. In service means that as many instances as
    desired are InService, and as many targets as that are healthy in each target group.
    """
    desired = group["DesiredCapacity"]
    instances = group.get("Instances", [])
    in_service = {item["InstanceId"] for item in instances if item["LifecycleState"] == "InService"}
    sentences = []
    if len(in_service) < desired:
        sentences.append(f"{len(in_service)} of {desired} instances are in service.")
        sentences += [
            f"{item['InstanceId']} is {item['LifecycleState']} and {item['HealthStatus']}."
            for item in instances
            if item["InstanceId"] not in in_service
        ]
    for descriptions in targets.values():
        health = {item["Target"]["Id"]: item["TargetHealth"] for item in descriptions}
        healthy = [target for target, state in health.items() if state["State"] == "healthy" and target in in_service]
        if len(healthy) < desired:
            sentences.append(f"{len(healthy)} of {desired} targets are healthy.")
            sentences += [
                f"{target} is {state['State']}: {state.get('Description') or state.get('Reason', 'no reason given')}."
                for target, state in sorted(health.items())
                if state["State"] != "healthy"
            ]
    return sentences
