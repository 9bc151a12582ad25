#!/usr/bin/python

from ..module_utils.module import Module, Result, run_module
from ..module_utils.rollout.instance_refreshes import GOING_BACK, GOING_ON
from ..module_utils.scaling_groups.client import instances_of, required, targets_of, wait_until
from ..module_utils.scaling_groups.members import found_size, rows, unsettled

DOCUMENTATION = r"""
module: scaling_group_info
short_description: Tells how an Auto Scaling group is, and waits until it is whole
description:
  - Reads the group, what the balancer and EC2 say of each member, and whether a refresh is under way. Changes nothing.
  - A group is whole when as many hosts as desired are in service and healthy targets, and none is on its way out.
options:
  name: {type: str, required: true, description: "Name of the group."}
  wait_timeout: {type: int, default: 0, description: "Seconds to wait until the group is whole, outside check mode."}
extends_documentation_fragment: [pettracker.aws.module]
"""

EXAMPLES = r"""
- name: Wait until the group is whole
  pettracker.aws.scaling_group_info:
    name: pettracker-dev-service
    wait_timeout: 600
"""

RETURN = r"""
size: {type: dict, returned: always, description: "min_size, max_size and desired_capacity."}
members: {type: list, elements: dict, returned: always, description: "For each member its instance_id, zone, state, target (what
  the balancer says, if anything), reason and version, and its image and when it was launched."}
unsettled: {type: list, elements: str, returned: always, description: "What keeps the group from being whole."}
refresh: {type: str, returned: always, description: "Status of the instance refresh that is under way; empty if there is none."}
"""


def run(module: Module) -> Result:
    """Reads, after waiting for as long as the module was told to."""
    name = module.params["name"]
    group = required(module, name)
    if module.params["wait_timeout"] and not module.check_mode:
        group, _ = wait_until(module, name, unsettled, f"The group {name} is not whole")
    targets = targets_of(module.client("elbv2"), group)
    refreshes = module.client("autoscaling").describe_instance_refreshes(AutoScalingGroupName=name)["InstanceRefreshes"]
    going = [each["Status"] for each in refreshes if each["Status"] in GOING_ON + GOING_BACK]
    instances = instances_of(module.client("ec2"), [each["InstanceId"] for each in group.get("Instances", [])])
    return {
        "changed": False,
        "size": found_size(group),
        "members": rows(group, targets, instances),
        "unsettled": unsettled(group, targets),
        "refresh": going[0] if going else "",
    }


if __name__ == "__main__":
    run_module(DOCUMENTATION, run, "Could not read the Auto Scaling group")
