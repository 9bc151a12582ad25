"""The service's fleet in the rehearsal, as the API tells it."""

from __future__ import annotations

from typing import Any

import boto3

GROUP = "pettracker-local-service"
# States of an instance refresh that has not ended: https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_InstanceRefresh.html
REFRESHING = ("Pending", "InProgress", "Baking", "Cancelling", "RollbackInProgress")


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


def in_service() -> set[str]:
    """Return the ids of the group's instances in service."""
    return {item["InstanceId"] for item in group()["Instances"] if item["LifecycleState"] == "InService"}


def version() -> str:
    """Return the launch template version that the group names."""
    return version_of(group())


def version_of(described: dict[str, Any]) -> str:
    """Return the launch template version of a group, with a mixed instances policy or without."""
    policy = described.get("MixedInstancesPolicy")
    template = policy["LaunchTemplate"]["LaunchTemplateSpecification"] if policy else described["LaunchTemplate"]
    named: str = template["Version"]
    return named


def is_whole() -> bool:
    """Say whether the group has as many hosts as it wants, all in service, healthy and of the version that it names."""
    now = group()
    hosts = [item for item in now["Instances"] if item["LifecycleState"] == "InService"]
    return (
        len(hosts) == len(now["Instances"]) == now["DesiredCapacity"]
        and {item["LaunchTemplate"]["Version"] for item in hosts} == {version_of(now)}
        and healthy_targets() == {item["InstanceId"] for item in hosts}
    )


def refreshes() -> list[dict[str, Any]]:
    """Return the group's instance refreshes, the latest one first."""
    answer = boto3.client("autoscaling").describe_instance_refreshes(AutoScalingGroupName=GROUP)
    every: list[dict[str, Any]] = answer["InstanceRefreshes"]
    return every


def refresh_status() -> str:
    """Return the status of the latest instance refresh, "" before the first."""
    every = refreshes()
    return str(every[0]["Status"]) if every else ""


def an_instance() -> dict[str, Any]:
    """Return one of the hosts, as EC2 describes it."""
    identity = min(in_service())
    reservations = boto3.client("ec2").describe_instances(InstanceIds=[identity])["Reservations"]
    found: dict[str, Any] = reservations[0]["Instances"][0]
    return found


def image() -> str:
    """Return the image of one of the hosts."""
    identity: str = an_instance()["ImageId"]
    return identity
