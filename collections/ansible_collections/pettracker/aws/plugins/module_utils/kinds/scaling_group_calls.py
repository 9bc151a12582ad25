"""The state of an Auto Scaling group, and the calls that make it what it should be. Pure functions only.

Desired capacity and the instances belong to Auto Scaling: neither is ever compared. The documents:
https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_AutoScalingGroup.html and, for target tracking and warm-up,
https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-scaling-target-tracking.html (EC2 Auto Scaling has no cooldown
there: the warm-up holds back scaling out, and scaling in is gradual by itself).
"""

from collections.abc import Mapping
from typing import Any

from ..scaling_groups.mixed_instances import found_policy, source_request, template_of, wanted_policy
from ..state import State, differences, tags_to_dict
from . import scaling_rules as rules
from .fields import Deviation, snake
from .kind import Answers
from .scaling_group_fields import SETTINGS

# The tag by which an instance learns the name of its group from its metadata. Auto Scaling sets it on each that it launches.
GROUP_TAG = "AutoScalingGroup"
HEALTH_CHECK = "ELB"
SERVICE_ROLE = "AWSServiceRoleForAutoScaling"
# The metrics of a group without a warm pool that count instances; without names AWS collects these, and what it adds to them.
# https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_EnableMetricsCollection.html
GROUP_METRICS = {
    *("GroupMinSize", "GroupMaxSize", "GroupDesiredCapacity", "GroupInServiceInstances", "GroupPendingInstances"),
    *("GroupStandbyInstances", "GroupTerminatingInstances", "GroupTotalInstances"),
}
# What UpdateAutoScalingGroup is given to put a structure back that no variable sets, by where the plan has its fields.
INSTEAD: dict[str, dict[str, Any]] = {
    "placement_group": {"PlacementGroup": ""},
    "max_instance_lifetime": {"MaxInstanceLifetime": 0},
    "instance_maintenance_policy": {"InstanceMaintenancePolicy": {"MinHealthyPercentage": -1, "MaxHealthyPercentage": -1}},
    "availability_zone_distribution": {
        "AvailabilityZoneDistribution": {"CapacityDistributionStrategy": "balanced-best-effort"}
    },
    "availability_zone_impairment_policy": {
        "AvailabilityZoneImpairmentPolicy": {"ZonalShiftEnabled": False, "ImpairedZoneHealthCheckBehavior": "ReplaceUnhealthy"}
    },
    "capacity_reservation_specification": {"CapacityReservationSpecification": {"CapacityReservationPreference": "default"}},
    "instance_lifecycle_policy": {"InstanceLifecyclePolicy": {"RetentionTriggers": {"TerminateHookAbandon": "terminate"}}},
}
# And what the distribution of a mixed instances policy is given.
DISTRIBUTION: dict[str, Any] = {"spot_instance_pools": 2, "spot_max_price": "", "distribution_segments": []}
# Fields that say what is launched. While a refresh has a desired configuration, AWS refuses to change them.
SOURCE = ("launch_template", "mixed_instances")


def wanted_state(parameters: Mapping[str, Any], found: Mapping[str, Any] | None, label: str = "") -> dict[str, Any]:
    """Returns the module's parameters in the fields of `found_state`; an existing group keeps its template version.

    An instance refresh changes the version, with a mixed instances policy or without. If it were changed before, a rollback
    of the refresh would go to the new one. https://docs.aws.amazon.com/autoscaling/ec2/userguide/instance-refresh-rollback.html

    Args:
        label: names the target group behind its balancer, for the policy on requests.
    """
    template = {"id": parameters["launch_template_id"], "version": str(parameters["launch_template_version"])}
    # A number: with $Latest or $Default hosts would get whatever version somebody makes.
    if found and found["launch_template"]["id"] == template["id"] and str(found["launch_template"]["version"]).isdigit():
        template = found["launch_template"]
    schedules = rules.wanted_schedules(parameters["schedules"])
    sizes = {
        size: rules.scheduled_or(size, parameters[size], found[size] if found else None, schedules)
        for size in ("min_size", "max_size")
    }
    requests = parameters["request_target"]
    return sizes | {
        "launch_template": template,
        "mixed_instances": wanted_policy(parameters["mixed_instances"]),
        "subnet_ids": sorted(parameters["subnet_ids"]),
        "health_check_type": HEALTH_CHECK,
        **{field: parameters[field] for field in ("health_check_grace_period", "warm_up", "capacity_rebalance")},
        "service_linked_role": SERVICE_ROLE,
        "target_group_arns": sorted(parameters["target_group_arns"]),
        "traffic_sources": [],
        "metrics_collected": True,
        "cpu_target": float(parameters["cpu_target"]),
        "request_target": {"requests": float(requests), "of": label} if requests else None,
        "lifecycle_hooks": rules.wanted_hooks(parameters["lifecycle_hooks"]),
        "schedules": schedules,
        "tags": dict(parameters["tags"]) | {GROUP_TAG: parameters["name"]},
    }


def found_state(answers: Answers) -> State:
    """Returns a group and its parts, as Auto Scaling describes them, in the fields that this project compares."""
    group = answers["DescribeAutoScalingGroups"]
    template_id, version = template_of(group)
    metrics = sorted(metric["Metric"] for metric in group.get("EnabledMetrics") or [])
    settings = {field: group.get(member) for field, member in SETTINGS.items()}
    return rules.found_targets(answers["DescribePolicies"]) | {
        **settings,
        "launch_template": {"id": template_id, "version": version},
        "mixed_instances": found_policy(group),
        "subnet_ids": sorted((settings["subnet_ids"] or "").split(",")),
        "health_check_type": _check_types(settings["health_check_type"]),
        "capacity_rebalance": bool(settings["capacity_rebalance"]),
        "service_linked_role": (group.get("ServiceLinkedRoleARN") or SERVICE_ROLE).rpartition("/")[2],
        "target_group_arns": sorted(group.get("TargetGroupARNs") or []),
        "traffic_sources": sorted(
            f"{source.get('Type')} {source['Identifier']}"
            for source in group.get("TrafficSources") or []
            # These are the group's target groups and load balancers once more.
            if source.get("Type") not in ("elb", "elbv2")
        ),
        # Whoever switches some of them off leaves the others as a list, which is not what is wanted.
        "metrics_collected": bool(metrics) if not metrics or set(metrics) >= GROUP_METRICS else metrics,
        "lifecycle_hooks": rules.found_hooks(answers["DescribeLifecycleHooks"]),
        "schedules": rules.found_schedules(answers["DescribeScheduledActions"]),
        # What else it hands on to its hosts is an experiment's (the module fleet_tag).
        "tags": tags_to_dict(
            tag for tag in group.get("Tags") or [] if bool(tag.get("PropagateAtLaunch")) == (tag["Key"] == GROUP_TAG)
        ),
    }


def _check_types(text: str | None) -> str:
    """Returns the health checks; EC2's own, which cannot be switched off, only where it is the only one."""
    return ",".join(sorted({one.strip() for one in (text or "").split(",")} - {"EC2"})) or "EC2"


def settings_request(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the parameters that CreateAutoScalingGroup and UpdateAutoScalingGroup share, but not what is launched."""
    subnets = {"VPCZoneIdentifier": ",".join(wanted["subnet_ids"])}
    return {parameter: wanted[field] for field, parameter in SETTINGS.items()} | subnets


def calls(name: str, wanted: State, found: State | None, answers: Answers, others: list[Deviation]) -> list[rules.Call]:
    """Returns the calls that make a group what it should be, in the order in which they depend on each other.

    Args:
        answers: of AWS about the group; nothing where there is none.
        others: fields of the group and of its own parts that no variable sets.
    """
    fields = set(differences(wanted, found))
    source = source_request(wanted["launch_template"], wanted["mixed_instances"])
    target = {"AutoScalingGroupName": name}
    odd = _odd_parts(others)
    made: list[rules.Call] = []
    if found is None:
        creation = target | source | settings_request(wanted)
        creation |= {"DesiredCapacity": wanted["min_size"], "TargetGroupARNs": wanted["target_group_arns"]}
        creation |= {"LifecycleHookSpecificationList": rules.hook_specifications(wanted["lifecycle_hooks"])}
        made.append(("create_auto_scaling_group", creation | {"Tags": group_tags(name, wanted["tags"])}))
        fields -= {"request_target"} if wanted["request_target"] is None else set()
    else:
        made += rules.hook_calls(name, wanted["lifecycle_hooks"], found["lifecycle_hooks"], odd["lifecycle_hooks"])
        put_back = put_back_request(source, others)
        if "service_linked_role" in fields:
            put_back["ServiceLinkedRoleARN"] = _service_role(answers["DescribeAutoScalingGroups"])
        if fields & {*SOURCE, *SETTINGS} or put_back:
            changed_source = source if fields & set(SOURCE) else {}
            made.append(("update_auto_scaling_group", target | changed_source | settings_request(wanted) | put_back))
        made += _membership_calls(name, wanted, found, fields)
        made += _detachments(target, answers, {other.path.split(".")[0] for other in others}, fields)
    if "metrics_collected" in fields:
        made.append(("enable_metrics_collection", target | {"Granularity": "1Minute"}))
    made += rules.policy_calls(name, wanted, found or {}, fields, odd["policies"])
    schedules = found["schedules"] if found else {}
    return made + rules.schedule_calls(name, wanted["schedules"], schedules, odd["schedules"])


def _odd_parts(others: list[Deviation]) -> dict[str, set[str]]:
    """Returns the names of the parts that have a field of which nothing is set, by the field of the group that has them."""
    odd: dict[str, set[str]] = {part: set() for part in ("policies", "lifecycle_hooks", "schedules")}
    for other in others:
        part, _, rest = other.path.partition(".")
        if part in odd:
            # A name may have dots, and the longest path below one is that of a policy's target.
            odd[part].add(rest.removesuffix(f".{snake(other.member)}").removesuffix(".target_tracking_configuration"))
    return odd


def put_back_request(source: Mapping[str, Any], others: list[Deviation]) -> dict[str, Any]:
    """Returns the parameters of UpdateAutoScalingGroup that put these fields of the group back."""
    request: dict[str, Any] = {}
    for other in others:
        where = other.path.split(".")
        if other.mark.by:
            request[other.member] = other.mark.value
        elif where[0] in INSTEAD:
            request |= INSTEAD[where[0]]
        elif where[0] in ("launch_configuration_name", "mixed_instances_policy"):
            request |= {key: value for key, value in source.items() if key not in request}
            if where[1:2] == ["instances_distribution"] and "MixedInstancesPolicy" in request:
                policy = request["MixedInstancesPolicy"]
                distribution = dict(policy["InstancesDistribution"])
                # Pools are for one strategy only, and refused beside the others.
                if where[2] != "spot_instance_pools" or distribution["SpotAllocationStrategy"] == "lowest-price":
                    distribution[other.member] = DISTRIBUTION[where[2]]
                request["MixedInstancesPolicy"] = policy | {"InstancesDistribution": distribution}
    return request


def _service_role(group: Mapping[str, Any]) -> str:
    """Returns the ARN of the role that Auto Scaling has in the account of a group."""
    _, partition, _, _, account, _ = group["AutoScalingGroupARN"].split(":", 5)
    return f"arn:{partition}:iam::{account}:role/aws-service-role/autoscaling.amazonaws.com/{SERVICE_ROLE}"


def _detachments(target: dict[str, str], answers: Answers, others: set[str], fields: set[str]) -> list[rules.Call]:
    """Returns the calls for what somebody has attached to the group."""
    group = answers["DescribeAutoScalingGroups"]
    made: list[rules.Call] = []
    if "load_balancer_names" in others:
        made.append(("detach_load_balancers", target | {"LoadBalancerNames": group["LoadBalancerNames"]}))
    if "traffic_sources" in fields:
        sources = [source for source in group["TrafficSources"] if source.get("Type") not in ("elb", "elbv2")]
        made.append(("detach_traffic_sources", target | {"TrafficSources": sources}))
    if "warm_pool_configuration" in others:
        made.append(("delete_warm_pool", target | {"ForceDelete": True}))
    return made


def _membership_calls(name: str, wanted: Mapping[str, Any], found: Mapping[str, Any], fields: set[str]) -> list[rules.Call]:
    """Returns the calls for target groups and tags, of which an existing group has each separately."""
    made: list[rules.Call] = []
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
    group = {"ResourceId": name, "ResourceType": "auto-scaling-group"}
    return [group | {"Key": key, "Value": value, "PropagateAtLaunch": key == GROUP_TAG} for key, value in sorted(tags.items())]
