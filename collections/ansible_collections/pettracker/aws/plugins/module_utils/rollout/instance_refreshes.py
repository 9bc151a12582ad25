"""Instance refreshes of this project: what is asked of Auto Scaling, and what is read from its answers. Pure functions only.

https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_RefreshPreferences.html and
https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_InstanceRefresh.html
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..scaling_groups.mixed_instances import desired_configuration, template_of

GOING_ON = ("Pending", "InProgress", "Baking")
GOING_BACK = ("Cancelling", "RollbackInProgress")
# Beginnings of life-cycle states: instances that are on their way out, and those that somebody has put aside.
LEFT_ALONE = ("Terminat", "Detach", "Standby", "EnteringStandby")


@dataclass(frozen=True)
class Plan:
    """What is to be done.

    Attributes:
        action: `none`, `start`, `follow` (it goes on already) or `refuse`.
        reason: why it is refused.
        refresh: that is to be followed, or is in the way.
    """

    action: str
    reason: str = ""
    refresh: Mapping[str, Any] | None = None


def checkpoints(hosts: int, between: Iterable[int], matching: int = 0) -> list[int]:
    """Returns the percentages at which a refresh of so many hosts waits: after one host, at those between, and at the end.

    A checkpoint is reached with the first host that brings the share of new ones to it, so the canary's is rounded down: 33 %
    of three hosts is one of them, and 34 % would be two. Above a hundred hosts 1 % is more than one.

    `matching` hosts have the version already, from a refresh that was given up. The user guide counts percentages "of the total
    number of instances in the Auto Scaling group", and does not say whether these are among the new ones. So the refresh
    waits after the first host of all, and after the first host more.
    https://docs.aws.amazon.com/autoscaling/ec2/userguide/asg-adding-checkpoints-instance-refresh.html
    """
    canary = share(1, hosts)
    first = {share(number, hosts) for number in (1, matching + 1)}
    return sorted(first | {100} | {percentage for percentage in between if percentage > canary})


def share(number: int, hosts: int) -> int:
    """Returns the largest percentage, from 1 on, that so many of the hosts reach."""
    return min(100, max(1, 100 * number // max(1, hosts)))


def hosts_at(percentage: int, hosts: int) -> int:
    """Returns how many of the hosts have to be new for a percentage of them."""
    return -(-hosts * percentage // 100)


def remaining(percentages: list[int], complete: int) -> list[int]:
    """Returns the checkpoints of a refresh in progress that still have to be judged: the latest reached, and those to come."""
    reached = [percentage for percentage in percentages if percentage <= complete]
    return reached[-1:] + [percentage for percentage in percentages if percentage > complete]


def serves(group: Mapping[str, Any], template_id: str, version: str) -> bool:
    """Says whether the group and all instances that a refresh would replace have this version already."""
    staying = [item for item in group.get("Instances", []) if not item["LifecycleState"].startswith(LEFT_ALONE)]
    return all(template_of(item) == (template_id, version) for item in (group, *staying))


def split(group: Mapping[str, Any], template_id: str, version: str) -> tuple[list[str], list[str]]:
    """Returns the instances in service that have this version, and those that have another."""
    in_service = [item for item in group.get("Instances", []) if item["LifecycleState"] == "InService"]
    new = [item["InstanceId"] for item in in_service if template_of(item) == (template_id, version)]
    return sorted(new), sorted({item["InstanceId"] for item in in_service} - set(new))


def plan(group: Mapping[str, Any], refreshes: Iterable[Mapping[str, Any]], template_id: str, version: str) -> Plan:
    """Returns what a rollout of this version has to do; `refreshes` are those that DescribeInstanceRefreshes lists.

    A refresh to the same version that does not go back by itself was not started by a rollout, and is refused.
    """
    active = next((refresh for refresh in refreshes if refresh["Status"] in GOING_ON + GOING_BACK), None)
    if active is None:
        return Plan("none") if serves(group, template_id, version) else Plan("start")
    guarded = (active.get("Preferences") or {}).get("AutoRollback")
    if guarded and template_of(active.get("DesiredConfiguration") or {}) == (template_id, version):
        return Plan("follow", refresh=active)
    return Plan("refuse", reason=in_the_way(active), refresh=active)


def in_the_way(refresh: Mapping[str, Any]) -> str:
    """Returns a sentence about a refresh that is not the caller's."""
    template, version = template_of(refresh.get("DesiredConfiguration") or {})
    goal = f"to version {version} of {template}" if template else "without a desired configuration"
    return (
        f"The instance refresh {refresh['InstanceRefreshId']} {goal} is under way since "
        f"{refresh['StartTime']:%Y-%m-%d %H:%M} UTC ({progress(refresh)}). Wait until it has ended, or end it: make rollback "
        "takes one back that can be taken back, and `aws autoscaling cancel-instance-refresh` ends any other. CloudTrail says "
        "who has started it."
    )


def progress(refresh: Mapping[str, Any]) -> str:
    """Returns how far a refresh is, for people."""
    said = f"{refresh['Status']}, {refresh.get('PercentageComplete', 0)} %, {refresh.get('InstancesToUpdate', 0)} to replace"
    reason = (refresh.get("RollbackDetails") or {}).get("RollbackReason") or refresh.get("StatusReason")
    return f"{said}: {reason}" if reason else said


def request(parameters: Mapping[str, Any], group: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the parameters of StartInstanceRefresh for a group, which keeps its mixed instances policy."""
    template_id, version = parameters["launch_template_id"], str(parameters["launch_template_version"])
    matching = len(split(group, template_id, version)[0])
    return {
        "AutoScalingGroupName": parameters["group"],
        "Strategy": "Rolling",
        "DesiredConfiguration": desired_configuration(group, template_id, version),
        "Preferences": {
            "MinHealthyPercentage": parameters["min_healthy_percentage"],
            "MaxHealthyPercentage": parameters["max_healthy_percentage"],
            "InstanceWarmup": parameters["warm_up"],
            "CheckpointPercentages": checkpoints(group["DesiredCapacity"], parameters["checkpoints"], matching),
            "CheckpointDelay": parameters["checkpoint_delay"],
            "BakeTime": parameters["bake_time"],
            "AlarmSpecification": {"Alarms": sorted(parameters["alarms"])},
            "AutoRollback": True,
            "SkipMatching": True,
            # The defaults wait an hour for somebody to take the protection away, or the instance out of standby.
            "ScaleInProtectedInstances": "Refresh",
            "StandbyInstances": "Ignore",
        },
    }
