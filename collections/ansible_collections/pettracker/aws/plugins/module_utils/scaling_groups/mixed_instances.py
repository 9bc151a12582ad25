"""What a group launches its instances from: a launch template, alone or with a mixed instances policy. Pure functions only.

A group has either of the two, and so has the desired configuration of an instance refresh:
https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_AutoScalingGroup.html,
https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DesiredConfiguration.html and, for the policy,
https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-mixed-instances-groups.html.
"""

from collections.abc import Mapping
from typing import Any

# On-Demand instances are of the first type that is to be had, in the order of the list.
ON_DEMAND_ALLOCATION = "prioritized"
# Fields of a policy by what Auto Scaling calls them in its distribution of instances.
DISTRIBUTION = {
    "OnDemandAllocationStrategy": "on_demand_allocation",
    "OnDemandBaseCapacity": "on_demand_base",
    "OnDemandPercentageAboveBaseCapacity": "on_demand_percentage",
    "SpotAllocationStrategy": "spot_allocation",
}


def template_of(item: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Returns id and version of the launch template of a group, an instance or a desired configuration."""
    policy = item.get("MixedInstancesPolicy") or {}
    mixed = (policy.get("LaunchTemplate") or {}).get("LaunchTemplateSpecification")
    template = mixed or item.get("LaunchTemplate") or {}
    return template.get("LaunchTemplateId"), template.get("Version")


def wanted_policy(parameters: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Returns the parameter `mixed_instances` in the fields of `found_policy`; None where all are On-Demand of one type."""
    if not parameters:
        return None
    given = dict(parameters) | {"on_demand_allocation": ON_DEMAND_ALLOCATION}
    return {"instance_types": list(given["instance_types"]), **{field: given[field] for field in DISTRIBUTION.values()}}


def found_policy(group: Mapping[str, Any]) -> dict[str, Any] | None:
    """Returns the policy of a group as Auto Scaling describes it, in the fields that this project owns."""
    policy = group.get("MixedInstancesPolicy")
    if not policy:
        return None
    distribution = policy.get("InstancesDistribution", {})
    overrides = policy["LaunchTemplate"].get("Overrides") or []
    found = {field: distribution.get(name) for name, field in DISTRIBUTION.items()}
    return {"instance_types": [override.get("InstanceType") for override in overrides], **found}


def source_request(template: Mapping[str, Any], policy: Mapping[str, Any] | None) -> dict[str, Any]:
    """Returns the parameter of CreateAutoScalingGroup or UpdateAutoScalingGroup that says what is launched."""
    specification = {"LaunchTemplateId": template["id"], "Version": template["version"]}
    if policy is None:
        return {"LaunchTemplate": specification}
    source: dict[str, Any] = {"LaunchTemplateSpecification": specification}
    if policy["instance_types"]:  # without any, the template's own type is launched
        source["Overrides"] = [{"InstanceType": one} for one in policy["instance_types"]]
    distribution = {name: policy[field] for name, field in DISTRIBUTION.items()}
    return {"MixedInstancesPolicy": {"LaunchTemplate": source, "InstancesDistribution": distribution}}


def desired_configuration(group: Mapping[str, Any], template_id: str, version: str) -> dict[str, Any]:
    """Returns the desired configuration that brings a template version to a group and leaves the rest as it is.

    A mixed group is given its own policy once more: a launch template alone would take its place, and the group would buy
    no Spot instances any more.
    """
    specification = {"LaunchTemplateId": template_id, "Version": version}
    policy = group.get("MixedInstancesPolicy")
    if not policy:
        return {"LaunchTemplate": specification}
    source = dict(policy["LaunchTemplate"]) | {"LaunchTemplateSpecification": specification}
    return {"MixedInstancesPolicy": dict(policy) | {"LaunchTemplate": source}}
