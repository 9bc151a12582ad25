"""What hangs on an Auto Scaling group by a name: life-cycle hooks, scaling policies, scheduled actions. Pure functions only.

Of each kind this project owns some names, and neither sees nor touches what others have added. The documents:
https://docs.aws.amazon.com/autoscaling/ec2/userguide/lifecycle-hooks.html,
https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-scaling-target-tracking.html and
https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-scheduled-scaling.html.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

# A client's method and its arguments.
Call = tuple[str, dict[str, Any]]

TRANSITIONS = {
    "launching": "autoscaling:EC2_INSTANCE_LAUNCHING",
    "terminating": "autoscaling:EC2_INSTANCE_TERMINATING",
}
# Names of the two target tracking policies.
CPU_POLICY = "cpu"
REQUEST_POLICY = "requests"
# Scheduled actions whose names begin so are this project's.
SCHEDULE_PREFIX = "managed-"
SIZES = {"min_size": "MinSize", "max_size": "MaxSize", "desired_capacity": "DesiredCapacity"}


def wanted_hooks(hooks: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any] | None]:
    """Returns the hooks by name; None for one that shall not be there, which is one without time."""
    return {
        hook["name"]: {
            "transition": TRANSITIONS[hook["transition"]],
            "heartbeat_timeout": hook["heartbeat_timeout"],
            "default_result": hook["default_result"],
        }
        if hook["heartbeat_timeout"]
        else None
        for hook in hooks
    }


def found_hooks(described: Iterable[Mapping[str, Any]], names: Iterable[str]) -> dict[str, dict[str, Any] | None]:
    """Returns the hooks with these names, None for one that is not there."""
    found = {
        hook["LifecycleHookName"]: {
            "transition": hook["LifecycleTransition"],
            "heartbeat_timeout": hook.get("HeartbeatTimeout"),
            "default_result": hook.get("DefaultResult"),
        }
        for hook in described
    }
    return {name: found.get(name) for name in names}


def hook_specifications(hooks: Mapping[str, Mapping[str, Any] | None]) -> list[dict[str, Any]]:
    """Returns the hooks as CreateAutoScalingGroup takes them, so that its first instances have them too."""
    return [
        {
            "LifecycleHookName": name,
            "LifecycleTransition": hook["transition"],
            "HeartbeatTimeout": hook["heartbeat_timeout"],
            "DefaultResult": hook["default_result"],
        }
        for name, hook in sorted(hooks.items())
        if hook
    ]


def hook_calls(group: str, wanted: Mapping[str, Any], found: Mapping[str, Any]) -> list[Call]:
    """Returns the calls that make the hooks what they should be. Deleting one ends what waits for it."""
    target = {"AutoScalingGroupName": group}
    changed = {name: hook for name, hook in wanted.items() if hook != found.get(name)}
    gone = [name for name, hook in sorted(changed.items()) if hook is None]
    return [("put_lifecycle_hook", target | specification) for specification in hook_specifications(changed)] + [
        ("delete_lifecycle_hook", target | {"LifecycleHookName": name}) for name in gone
    ]


def resource_label(balancer_arn: str, target_group_arn: str) -> str:
    """Returns the label of a target group behind a balancer: app/<name>/<id>/targetgroup/<name>/<id>.

    https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_PredefinedMetricSpecification.html
    """
    return f"{balancer_arn.rpartition(':loadbalancer/')[2]}/{target_group_arn.rpartition(':')[2]}"


def found_targets(policies: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Returns the targets of the two policies, None for one that is not there."""
    tracked = {policy["PolicyName"]: policy.get("TargetTrackingConfiguration") or {} for policy in policies}
    requests = tracked.get(REQUEST_POLICY)
    label = (requests or {}).get("PredefinedMetricSpecification", {}).get("ResourceLabel")
    return {
        "cpu_target": tracked.get(CPU_POLICY, {}).get("TargetValue"),
        "request_target": {"requests": requests.get("TargetValue"), "of": label} if requests is not None else None,
    }


def policy_calls(group: str, wanted: Mapping[str, Any], fields: Iterable[str]) -> list[Call]:
    """Returns the calls that make the policies of these fields what they should be."""
    calls: list[Call] = []
    if "cpu_target" in fields:
        metric = {"PredefinedMetricType": "ASGAverageCPUUtilization"}
        calls.append(("put_scaling_policy", _tracking(group, CPU_POLICY, metric, wanted["cpu_target"])))
    if "request_target" in fields:
        target = wanted["request_target"]
        if target:
            metric = {"PredefinedMetricType": "ALBRequestCountPerTarget", "ResourceLabel": target["of"]}
            calls.append(("put_scaling_policy", _tracking(group, REQUEST_POLICY, metric, target["requests"])))
        else:
            calls.append(("delete_policy", {"AutoScalingGroupName": group, "PolicyName": REQUEST_POLICY}))
    return calls


def _tracking(group: str, name: str, metric: dict[str, str], value: float) -> dict[str, Any]:
    return {
        "AutoScalingGroupName": group,
        "PolicyName": name,
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingConfiguration": {"PredefinedMetricSpecification": metric, "TargetValue": value},
    }


def wanted_schedules(schedules: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Returns the scheduled actions by name, without the sizes that they leave alone."""
    return {
        SCHEDULE_PREFIX + one["name"]: {"recurrence": one["recurrence"], "time_zone": one["time_zone"]}
        | {size: one[size] for size in SIZES if one.get(size) is not None}
        for one in schedules
    }


def found_schedules(described: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Returns this project's scheduled actions. When one runs next is Auto Scaling's affair."""
    return {
        action["ScheduledActionName"]: {"recurrence": action.get("Recurrence"), "time_zone": action.get("TimeZone")}
        | {size: action[name] for size, name in SIZES.items() if action.get(name) is not None}
        for action in described
        if action["ScheduledActionName"].startswith(SCHEDULE_PREFIX)
    }


def schedule_calls(group: str, wanted: Mapping[str, Any], found: Mapping[str, Any]) -> list[Call]:
    """Returns the calls that make the scheduled actions what they should be.

    One that differs is made anew, because what an update leaves out stays as it is.
    https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_PutScheduledUpdateGroupAction.html
    """
    target = {"AutoScalingGroupName": group}
    calls: list[Call] = [
        ("delete_scheduled_action", target | {"ScheduledActionName": name})
        for name in sorted(found)
        if found[name] != wanted.get(name)
    ]
    for name, action in sorted(wanted.items()):
        if action != found.get(name):
            sizes = {SIZES[size]: action[size] for size in SIZES if size in action}
            when = {"Recurrence": action["recurrence"], "TimeZone": action["time_zone"]}
            calls.append(("put_scheduled_update_group_action", target | {"ScheduledActionName": name} | when | sizes))
    return calls


def scheduled_or(size: str, asked: int, found: int | None, schedules: Mapping[str, Mapping[str, Any]]) -> int:
    """Returns the size that a group should have: the one that it has, where a scheduled action may have set it.

    Otherwise a run in the middle of the night would undo what was scheduled for the night.
    """
    return found if found is not None and found in {one.get(size) for one in schedules.values()} else asked
