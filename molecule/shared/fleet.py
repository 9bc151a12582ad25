"""The service's fleet in the rehearsal, as the API tells it; of two fleets, the live one."""

from typing import Any

import boto3

GROUP = "pettracker-local-service"
# States of an instance refresh that has not ended: https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_InstanceRefresh.html
REFRESHING = ("Pending", "InProgress", "Baking", "Cancelling", "RollbackInProgress")


def groups() -> list[dict[str, Any]]:
    """Return the Auto Scaling groups of the service: one, or two while a blue/green rollout goes on."""
    found = boto3.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[GROUP, f"{GROUP}-g"])
    return [one for one in found["AutoScalingGroups"] if not one.get("Status")]


def is_marked(group: dict[str, Any]) -> bool:
    """Say whether a blue/green rollout brings this group, or has brought it and taken it back."""
    return any(tag["Key"] == "Rollout" for tag in group["Tags"])


def weights() -> dict[str, int]:
    """Return the weights of the HTTPS listener by the name of the target group, which is that of its fleet's group."""
    balancing = boto3.client("elbv2")
    balancer = balancing.describe_load_balancers(Names=[GROUP])["LoadBalancers"][0]["LoadBalancerArn"]
    listeners = balancing.describe_listeners(LoadBalancerArn=balancer)["Listeners"]
    (action,) = next(one["DefaultActions"] for one in listeners if one["Port"] == 443)
    named = action.get("ForwardConfig", {}).get("TargetGroups") or [{"TargetGroupArn": action["TargetGroupArn"]}]
    return {one["TargetGroupArn"].split("/")[1]: one.get("Weight", 1) for one in named}


def group() -> dict[str, Any]:
    """Return the group of the live fleet."""
    every = groups()
    live = [one for one in every if not is_marked(one)] or every
    shares = weights() if len(live) > 1 else {}
    return max(live, key=lambda one: shares.get(one["AutoScalingGroupName"], 0))


def healthy_targets() -> set[str]:
    """Return the ids of the instances that the balancer calls healthy in the live fleet's target group."""
    (arn,) = group()["TargetGroupARNs"]
    states = boto3.client("elbv2").describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
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


def is_even() -> bool:
    """Say whether no zone has two hosts fewer than another: otherwise Auto Scaling is about to move one."""
    now = group()
    crowd = dict.fromkeys(now["AvailabilityZones"], 0)
    for item in now["Instances"]:
        crowd[item["AvailabilityZone"]] += item["LifecycleState"] == "InService"
    return max(crowd.values()) - min(crowd.values()) < 2


def in_the_next_ones_zone() -> str:
    """Return a host of the zone in which the next one is launched while zones are even: without it they are even again."""
    now = group()
    (subnet,) = boto3.client("ec2").describe_subnets(SubnetIds=now["VPCZoneIdentifier"].split(",")[:1])["Subnets"]
    zone = subnet["AvailabilityZone"]
    return min(one["InstanceId"] for one in now["Instances"] if one["AvailabilityZone"] == zone)


def refreshes() -> list[dict[str, Any]]:
    """Return the group's instance refreshes, the latest one first."""
    answer = boto3.client("autoscaling").describe_instance_refreshes(AutoScalingGroupName=group()["AutoScalingGroupName"])
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
