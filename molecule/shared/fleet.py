"""The service's fleet in the rehearsal, as the API tells it."""

from __future__ import annotations

from typing import Any

import boto3

GROUP = "pettracker-local-service"


def group() -> dict[str, Any]:
    """Return the Auto Scaling group."""
    groups = boto3.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[GROUP])
    found: dict[str, Any] = groups["AutoScalingGroups"][0]
    return found


def healthy_targets() -> set[str]:
    """Return the ids of the instances that the balancer's target group calls healthy."""
    balancing = boto3.client("elbv2")
    arn = balancing.describe_target_groups(Names=[GROUP])["TargetGroups"][0]["TargetGroupArn"]
    states = balancing.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
    return {s["Target"]["Id"] for s in states if s["TargetHealth"]["State"] == "healthy"}
