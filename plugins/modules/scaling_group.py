#!/usr/bin/python
"""Keeps an Auto Scaling group behind a load balancer as it should be, and waits until it serves."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.scaling_group import (
    SETTINGS,
    found_state,
    group_tags,
    missing,
    policy_request,
    settings_request,
    wanted_state,
)
from ansible.module_utils.scaling_group_client import describe, wait_until
from ansible.module_utils.state import as_diff, differences
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

DOCUMENTATION = r"""
module: scaling_group
short_description: Keeps an Auto Scaling group behind a load balancer as it should be
description:
  - Makes and corrects a group with a launch template, ELB health checks, a default warm-up, metrics and target tracking of CPU.
  - Unlike M(amazon.aws.autoscaling_group) it compares before it acts, also in check mode, returns a difference, knows the
    default warm-up, and never touches the desired capacity of an existing group.
  - An existing group keeps its launch template version, which only an instance refresh changes.
options:
  name:
    description: Name of the group.
    type: str
    required: true
  launch_template_id:
    description: The launch template.
    type: str
    required: true
  launch_template_version:
    description: Number of the version that a new group starts with.
    type: int
    required: true
  min_size:
    description: Fewest instances, and how many a new group starts with.
    type: int
    required: true
  max_size:
    description: Most instances.
    type: int
    required: true
  subnet_ids:
    description: Subnets for the instances.
    type: list
    elements: str
    required: true
  target_group_arns:
    description: Target groups in which instances are registered.
    type: list
    elements: str
    required: true
  health_check_grace_period:
    description: Seconds after launch for which a bad health check is no reason to replace an instance.
    type: int
    required: true
  warm_up:
    description: Seconds after launch for which an instance's metrics do not count.
    type: int
    required: true
  cpu_target:
    description: Mean CPU of the group that target tracking keeps, in percent.
    type: float
    required: true
  tags:
    description: All tags of the group itself.
    type: dict
    default: {}
  wait_timeout:
    description: Seconds to wait until all desired instances are in service and healthy targets; 0 does not wait.
    type: int
    default: 600
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
author: PetTracker ML
"""

EXAMPLES = r"""
- name: Keep two to ten hosts
  scaling_group:
    name: pettracker-dev-service
    launch_template_id: lt-0123456789abcdef0
    launch_template_version: 3
    min_size: 2
    max_size: 10
    subnet_ids: [subnet-0123456789abcdef0, subnet-0123456789abcdef1]
    target_group_arns: [arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/pettracker-dev-service/0123456789abcdef]
    health_check_grace_period: 120
    warm_up: 60
    cpu_target: 70
"""

RETURN = r"""
instances:
  description: Ids of the group's instances.
  returned: outside check mode
  type: list
  elements: str
waited:
  description: Seconds until the group was in service.
  returned: outside check mode
  type: float
"""


def apply(client: Any, name: str, wanted: dict[str, Any], found: dict[str, Any] | None, fields: list[str]) -> None:
    """Makes the calls that correct `fields`, in the order in which they depend on each other."""
    if found is None:
        client.create_auto_scaling_group(
            AutoScalingGroupName=name,
            DesiredCapacity=wanted["min_size"],
            TargetGroupARNs=wanted["target_group_arns"],
            Tags=group_tags(name, wanted["tags"]),
            **settings_request(wanted),
        )
    else:
        if set(fields) & set(SETTINGS):
            request = settings_request(wanted)
            if "launch_template" not in fields:
                del request["LaunchTemplate"]  # a refresh may be changing it
            client.update_auto_scaling_group(AutoScalingGroupName=name, **request)
        gone = sorted(set(found["target_group_arns"]) - set(wanted["target_group_arns"]))
        added = sorted(set(wanted["target_group_arns"]) - set(found["target_group_arns"]))
        if added:
            client.attach_load_balancer_target_groups(AutoScalingGroupName=name, TargetGroupARNs=added)
        if gone:
            client.detach_load_balancer_target_groups(AutoScalingGroupName=name, TargetGroupARNs=gone)
        if "tags" in fields:
            client.create_or_update_tags(Tags=group_tags(name, wanted["tags"]))
            stale = {key: value for key, value in found["tags"].items() if key not in wanted["tags"]}
            if stale:
                client.delete_tags(Tags=group_tags(name, stale))
    if "metrics_collected" in fields:
        client.enable_metrics_collection(AutoScalingGroupName=name, Granularity="1Minute")
    if "cpu_target" in fields:
        client.put_scaling_policy(**policy_request(name, wanted["cpu_target"]))


def run(module: AnsibleAWSModule) -> dict[str, Any]:
    """Compares, acts on a difference unless in check mode, and waits."""
    client = module.client("autoscaling")
    name = module.params["name"]
    group = describe(client, name)
    policies = client.describe_policies(AutoScalingGroupName=name)["ScalingPolicies"] if group else []
    found = found_state(group, policies) if group else None
    wanted = wanted_state(module.params, found)
    fields = differences(wanted, found)
    result = {"changed": bool(fields), "diff": as_diff(f"Auto Scaling group {name}", wanted, found)}
    if module.check_mode:
        return result
    apply(client, name, wanted, found, fields)
    group, waited = wait_until(module, name, missing, f"The group {name} is not in service")
    instances = [instance["InstanceId"] for instance in group.get("Instances", [])]
    return result | {"instances": instances, "waited": waited}


def main() -> None:
    """Runs the module."""
    module = AnsibleAWSModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "launch_template_id": {"type": "str", "required": True},
            "launch_template_version": {"type": "int", "required": True},
            "min_size": {"type": "int", "required": True},
            "max_size": {"type": "int", "required": True},
            "subnet_ids": {"type": "list", "elements": "str", "required": True},
            "target_group_arns": {"type": "list", "elements": "str", "required": True},
            "health_check_grace_period": {"type": "int", "required": True},
            "warm_up": {"type": "int", "required": True},
            "cpu_target": {"type": "float", "required": True},
            "tags": {"type": "dict", "default": {}},
            "wait_timeout": {"type": "int", "default": 600},
        },
        supports_check_mode=True,
    )
    try:
        module.exit_json(**run(module))
    except Exception as error:
        module.fail_json_aws(error, msg="Could not set up the Auto Scaling group")


if __name__ == "__main__":
    main()
