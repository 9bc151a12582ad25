"""What hangs on an Auto Scaling group by a name: life-cycle hooks, scaling policies, scheduled actions. Pure functions only.

Of each kind this project owns some names, and touches nothing that others have added. The documents:
https://docs.aws.amazon.com/autoscaling/ec2/userguide/lifecycle-hooks.html,
https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-scaling-target-tracking.html and
https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-scheduled-scaling.html.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

# A client's method and its arguments.
Call = tuple[str, dict[str, Any]]

TRANSITIONS = {"launching": "autoscaling:EC2_INSTANCE_LAUNCHING", "terminating": "autoscaling:EC2_INSTANCE_TERMINATING"}
# The fields of a hook, as Auto Scaling calls them.
HOOK = {"transition": "LifecycleTransition", "heartbeat_timeout": "HeartbeatTimeout", "default_result": "DefaultResult"}
# Names of the two target tracking policies.
CPU_POLICY = "cpu"
REQUEST_POLICY = "requests"
CPU_METRIC = "ASGAverageCPUUtilization"
REQUEST_METRIC = "ALBRequestCountPerTarget"
TRACKING = "TargetTrackingScaling"
# Scheduled actions whose names begin so are this project's.
SCHEDULE_PREFIX = "managed-"
SIZES = {"min_size": "MinSize", "max_size": "MaxSize", "desired_capacity": "DesiredCapacity"}


def wanted_hooks(hooks: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any] | None]:
    """Returns the hooks by name; None for one that shall not be there, which is one without time."""
    wanted: dict[str, dict[str, Any] | None] = {}
    for hook in hooks:
        fields = {field: hook[field] for field in HOOK} | {"transition": TRANSITIONS[hook["transition"]]}
        wanted[hook["name"]] = fields if hook["heartbeat_timeout"] else None
    return wanted


def found_hooks(described: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Returns the hooks by name."""
    return {hook["LifecycleHookName"]: {field: hook.get(member) for field, member in HOOK.items()} for hook in described}


def hook_specifications(hooks: Mapping[str, Mapping[str, Any] | None]) -> list[dict[str, Any]]:
    """Returns the hooks as CreateAutoScalingGroup takes them, so that its first instances have them too."""
    given = [(name, hook) for name, hook in sorted(hooks.items()) if hook]
    return [{"LifecycleHookName": name} | {member: hook[field] for field, member in HOOK.items()} for name, hook in given]


def hook_calls(group: str, wanted: Mapping[str, Any], found: Mapping[str, Any], odd: Collection[str] = ()) -> list[Call]:
    """Returns the calls that make the hooks what they should be. Deleting one ends what waits for it.

    One of `odd` notifies somebody, which only a new one does not.
    """
    target = {"AutoScalingGroupName": group}
    changed = {name: hook for name, hook in wanted.items() if hook != found.get(name) or name in odd}
    gone = [name for name, hook in sorted(changed.items()) if found.get(name) and (hook is None or name in odd)]
    return [("delete_lifecycle_hook", target | {"LifecycleHookName": name}) for name in gone] + [
        ("put_lifecycle_hook", target | specification) for specification in hook_specifications(changed)
    ]


def resource_label(balancer_arn: str, target_group_arn: str) -> str:
    """Returns the label of a target group behind a balancer: app/<name>/<id>/targetgroup/<name>/<id>.

    https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_PredefinedMetricSpecification.html
    """
    return f"{balancer_arn.rpartition(':loadbalancer/')[2]}/{target_group_arn.rpartition(':')[2]}"


def found_targets(policies: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Returns the targets of the two policies, None for one that is not there; of one that tracks anything else, a text."""
    named = {policy["PolicyName"]: policy for policy in policies}
    cpu, requests = named.get(CPU_POLICY), named.get(REQUEST_POLICY)
    found: dict[str, Any] = {"cpu_target": None, "request_target": None}
    if cpu is not None:
        metric, label, value = _tracked(cpu)
        found["cpu_target"] = value if (metric, label) == (CPU_METRIC, "") else " ".join((str(value), metric, label))
    if requests is not None:
        metric, label, value = _tracked(requests)
        found["request_target"] = {"requests": value, "of": label if metric == REQUEST_METRIC else f"{metric} {label}"}
    return found


def _tracked(policy: Mapping[str, Any]) -> tuple[str, str, float | None]:
    """Returns the metric that a policy tracks, its label, and the target."""
    tracking = policy.get("TargetTrackingConfiguration") or {}
    metric = tracking.get("PredefinedMetricSpecification") or {}
    kind = policy.get("PolicyType")
    name = metric.get("PredefinedMetricType") or ""
    return (name if kind == TRACKING else f"{kind} {name}", metric.get("ResourceLabel") or "", tracking.get("TargetValue"))


def policy_calls(
    group: str, wanted: Mapping[str, Any], found: Mapping[str, Any], fields: Iterable[str], odd: Collection[str] = ()
) -> list[Call]:
    """Returns the calls that make the policies of these fields, and those of `odd`, what they should be.

    PutScalingPolicy keeps what it is not given, so that one with more than a target is made anew.
    """
    target = wanted["request_target"]
    requests = {"PredefinedMetricType": REQUEST_METRIC, "ResourceLabel": target and target["of"]}
    metrics = {
        CPU_POLICY: ("cpu_target", {"PredefinedMetricType": CPU_METRIC}, wanted["cpu_target"]),
        REQUEST_POLICY: ("request_target", requests, target and target["requests"]),
    }
    calls: list[Call] = []
    for name, (field, metric, value) in metrics.items():
        if field not in fields and name not in odd:
            continue
        named = {"AutoScalingGroupName": group, "PolicyName": name}
        irregular = name in odd or isinstance(found.get(field), str)
        if found.get(field) is not None and (irregular or value is None):
            calls.append(("delete_policy", named))
        if value is not None:
            tracking = {"PredefinedMetricSpecification": metric, "TargetValue": value}
            policy = named | {"PolicyType": TRACKING, "TargetTrackingConfiguration": tracking}
            calls.append(("put_scaling_policy", policy))
    return calls


def wanted_schedules(schedules: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Returns the scheduled actions by name, without the sizes that they leave alone."""
    return {
        SCHEDULE_PREFIX + one["name"]: {"recurrence": one["recurrence"], "time_zone": one["time_zone"]}
        | {size: one[size] for size in SIZES if one.get(size) is not None}
        for one in schedules
    }


def found_schedules(described: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Returns the scheduled actions by name. When one runs next is Auto Scaling's affair."""
    return {
        action["ScheduledActionName"]: {"recurrence": action.get("Recurrence"), "time_zone": action.get("TimeZone")}
        | {size: action[name] for size, name in SIZES.items() if action.get(name) is not None}
        for action in described
    }


def schedule_calls(group: str, wanted: Mapping[str, Any], found: Mapping[str, Any], odd: Collection[str] = ()) -> list[Call]:
    """Returns the calls that make the scheduled actions what they should be.

    One that differs, or is `odd` because it ends, is made anew, because what an update leaves out stays as it is.
    https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_PutScheduledUpdateGroupAction.html
    """
    target = {"AutoScalingGroupName": group}
    calls: list[Call] = [
        ("delete_scheduled_action", target | {"ScheduledActionName": name})
        for name in sorted(found)
        if found[name] != wanted.get(name) or name in odd
    ]
    for name, action in sorted(wanted.items()):
        if action != found.get(name) or name in odd:
            sizes = {SIZES[size]: action[size] for size in SIZES if size in action}
            when = {"Recurrence": action["recurrence"], "TimeZone": action["time_zone"]}
            calls.append(("put_scheduled_update_group_action", target | {"ScheduledActionName": name} | when | sizes))
    return calls


def scheduled_or(size: str, asked: int, found: int | None, schedules: Mapping[str, Mapping[str, Any]]) -> int:
    """Returns the size that a group should have: the one that it has, where a scheduled action may have set it.

    Otherwise a run in the middle of the night would undo what was scheduled for the night.
    """
    return found if found is not None and found in {one.get(size) for one in schedules.values()} else asked
