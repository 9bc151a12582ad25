"""The state of an Auto Scaling group as this project owns it, and when it is in service. Pure functions only.

Desired capacity and the instances belong to Auto Scaling: neither is ever compared. The documents:
https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_AutoScalingGroup.html and, for target tracking and warm-up,
https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-scaling-target-tracking.html (EC2 Auto Scaling has no cooldown
there: the warm-up holds back scaling out, and scaling in is gradual by itself).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.pettracker.aws.plugins.module_utils.mixed_instances import (
    found_policy,
    source_request,
    template_of,
    wanted_policy,
)
from ansible_collections.pettracker.aws.plugins.module_utils.scaling_rules import (
    Call,
    found_hooks,
    found_schedules,
    found_targets,
    hook_calls,
    hook_specifications,
    policy_calls,
    schedule_calls,
    scheduled_or,
    wanted_hooks,
    wanted_schedules,
)
from ansible_collections.pettracker.aws.plugins.module_utils.state import differences, tags_to_dict

# The tag by which an instance learns the name of its group from its metadata. Auto Scaling sets it on each that it launches.
GROUP_TAG = "AutoScalingGroup"
# Fields that say what is launched. While a refresh has a desired configuration, AWS refuses to change them.
SOURCE = ("launch_template", "mixed_instances")
# Fields that UpdateAutoScalingGroup or CreateAutoScalingGroup set by the same parameters.
SETTINGS = (
    *SOURCE,
    "min_size",
    "max_size",
    "subnet_ids",
    "health_check_grace_period",
    "warm_up",
    "capacity_rebalance",
)


def wanted_state(parameters: Mapping[str, Any], found: Mapping[str, Any] | None, label: str = "") -> dict[str, Any]:
    """Returns the module's parameters in the fields of `found_state`; an existing group keeps its template version.

    An instance refresh changes the version, with a mixed instances policy or without. If it were changed before, a rollback
    of the refresh would go to the new one. https://docs.aws.amazon.com/autoscaling/ec2/userguide/instance-refresh-rollback.html

    Args:
        label: names the target group behind its balancer, for the policy on requests.
    """
    template = {"id": parameters["launch_template_id"], "version": str(parameters["launch_template_version"])}
    if found and found["launch_template"]["id"] == template["id"]:
        template = found["launch_template"]
    schedules = wanted_schedules(parameters["schedules"])
    sizes = {
        size: scheduled_or(size, parameters[size], found[size] if found else None, schedules)
        for size in ("min_size", "max_size")
    }
    requests = parameters["request_target"]
    return sizes | {
        "launch_template": template,
        "mixed_instances": wanted_policy(parameters["mixed_instances"]),
        "subnet_ids": sorted(parameters["subnet_ids"]),
        "health_check_grace_period": parameters["health_check_grace_period"],
        "warm_up": parameters["warm_up"],
        "capacity_rebalance": parameters["capacity_rebalance"],
        "target_group_arns": sorted(parameters["target_group_arns"]),
        "metrics_collected": True,
        "cpu_target": float(parameters["cpu_target"]),
        "request_target": {"requests": float(requests), "of": label} if requests else None,
        "lifecycle_hooks": wanted_hooks(parameters["lifecycle_hooks"]),
        "schedules": schedules,
        "tags": dict(parameters["tags"]) | {GROUP_TAG: parameters["name"]},
    }


def found_state(group: Mapping[str, Any], rules: Mapping[str, Any], hook_names: Iterable[str]) -> dict[str, Any]:
    """Returns a group, as Auto Scaling describes it, in the fields that this project owns.

    Args:
        rules: what the API lists of the group: its `policies`, `hooks` and `schedules`.
        hook_names: names of the hooks that are this project's.
    """
    template_id, version = template_of(group)
    return found_targets(rules["policies"]) | {
        "launch_template": {"id": template_id, "version": version},
        "mixed_instances": found_policy(group),
        "min_size": group["MinSize"],
        "max_size": group["MaxSize"],
        "subnet_ids": sorted(group.get("VPCZoneIdentifier", "").split(",")),
        "health_check_grace_period": group.get("HealthCheckGracePeriod"),
        "warm_up": group.get("DefaultInstanceWarmup"),
        "capacity_rebalance": bool(group.get("CapacityRebalance")),
        "target_group_arns": sorted(group.get("TargetGroupARNs", [])),
        "metrics_collected": bool(group.get("EnabledMetrics")),
        "lifecycle_hooks": found_hooks(rules["hooks"], hook_names),
        "schedules": found_schedules(rules["schedules"]),
        # What else it hands on to its hosts is an experiment's (the module fleet_tag).
        "tags": tags_to_dict(
            tag for tag in group.get("Tags", []) if tag["Key"] == GROUP_TAG or not tag.get("PropagateAtLaunch")
        ),
    }


def settings_request(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the parameters that CreateAutoScalingGroup and UpdateAutoScalingGroup share, but not what is launched."""
    return {
        "MinSize": wanted["min_size"],
        "MaxSize": wanted["max_size"],
        "VPCZoneIdentifier": ",".join(wanted["subnet_ids"]),
        "HealthCheckType": "ELB",
        "HealthCheckGracePeriod": wanted["health_check_grace_period"],
        "DefaultInstanceWarmup": wanted["warm_up"],
        "CapacityRebalance": wanted["capacity_rebalance"],
    }


def calls(name: str, wanted: Mapping[str, Any], found: Mapping[str, Any] | None) -> list[Call]:
    """Returns the calls that make a group what it should be, in the order in which they depend on each other."""
    fields = set(differences(wanted, found))
    source = source_request(wanted["launch_template"], wanted["mixed_instances"])
    target = {"AutoScalingGroupName": name}
    made: list[Call] = []
    if found is None:
        creation = target | source | settings_request(wanted)
        creation |= {"DesiredCapacity": wanted["min_size"], "TargetGroupARNs": wanted["target_group_arns"]}
        creation |= {"LifecycleHookSpecificationList": hook_specifications(wanted["lifecycle_hooks"])}
        made.append(("create_auto_scaling_group", creation | {"Tags": group_tags(name, wanted["tags"])}))
        fields -= {"request_target"} if wanted["request_target"] is None else set()
    else:
        made += hook_calls(name, wanted["lifecycle_hooks"], found["lifecycle_hooks"])
        if fields & set(SETTINGS):
            changed_source = source if fields & set(SOURCE) else {}
            made.append(("update_auto_scaling_group", target | changed_source | settings_request(wanted)))
        made += _membership_calls(name, wanted, found, fields)
    if "metrics_collected" in fields:
        made.append(("enable_metrics_collection", target | {"Granularity": "1Minute"}))
    made += policy_calls(name, wanted, fields)
    return made + schedule_calls(name, wanted["schedules"], found["schedules"] if found else {})


def _membership_calls(name: str, wanted: Mapping[str, Any], found: Mapping[str, Any], fields: set[str]) -> list[Call]:
    """Returns the calls for target groups and tags, of which an existing group has each separately."""
    made: list[Call] = []
    target = {"AutoScalingGroupName": name}
    gone = sorted(set(found["target_group_arns"]) - set(wanted["target_group_arns"]))
    added = sorted(set(wanted["target_group_arns"]) - set(found["target_group_arns"]))
    if added:
        made.append(("attach_load_balancer_target_groups", target | {"TargetGroupARNs": added}))
    if gone:
        made.append(("detach_load_balancer_target_groups", target | {"TargetGroupARNs": gone}))
    if "tags" in fields:
        made.append(("create_or_update_tags", {"Tags": group_tags(name, wanted["tags"])}))
        stale = {key: value for key, value in found["tags"].items() if key not in wanted["tags"]}
        if stale:
            made.append(("delete_tags", {"Tags": group_tags(name, stale)}))
    return made


def group_tags(name: str, tags: Mapping[str, str]) -> list[dict[str, Any]]:
    """Returns tags in Auto Scaling's form; instances get theirs from the launch template, but for their group's name."""
    return [
        {
            "ResourceId": name,
            "ResourceType": "auto-scaling-group",
            "Key": key,
            "Value": value,
            "PropagateAtLaunch": key == GROUP_TAG,
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
