#!/usr/bin/python

from ..module_utils.module import Module, Result, run_module
from ..module_utils.scaling_groups.client import required
from ..module_utils.scaling_groups.members import RefusedError, found_size, wanted_size
from ..module_utils.state import as_diff, differences

DOCUMENTATION = r"""
module: scaling_group_size
short_description: Sets how many hosts an Auto Scaling group has now, and its limits
description:
  - For a person's hand. M(pettracker.aws.scaling_group) sets the limits of the inventory, never the desired capacity.
  - Sizes that contradict each other are refused, also in check mode. It does not wait.
options:
  name: {type: str, required: true, description: "Name of the group."}
  min_size: {type: int, description: "Fewest instances; as it is if not given."}
  max_size: {type: int, description: "Most instances; as it is if not given."}
  desired_capacity: {type: int, description: "Instances to have now; if not given, as it is, moved into the limits."}
  add: {type: int, description: "Instances to have more than now, instead of O(desired_capacity)."}
extends_documentation_fragment: [pettracker.aws.module]
"""

EXAMPLES = r"""
- name: Have four hosts
  pettracker.aws.scaling_group_size:
    name: pettracker-dev-service
    desired_capacity: 4
"""

RETURN = r"""
size: {type: dict, returned: always, description: "min_size, max_size and desired_capacity, as they are or would be."}
"""


def run(module: Module) -> Result:
    """Compares, and acts on a difference unless in check mode."""
    parameters = module.params
    name = parameters["name"]
    group = required(module, name)
    desired = parameters["desired_capacity"]
    if parameters["add"] is not None:
        desired = group["DesiredCapacity"] + parameters["add"]
    try:
        wanted = wanted_size(group, parameters["min_size"], parameters["max_size"], desired)
    except RefusedError as refusal:
        module.fail_json(msg=str(refusal))
    found = found_size(group)
    fields = differences(wanted, found)
    if fields and not module.check_mode:
        module.client("autoscaling").update_auto_scaling_group(
            AutoScalingGroupName=name,
            MinSize=wanted["min_size"],
            MaxSize=wanted["max_size"],
            DesiredCapacity=wanted["desired_capacity"],
        )
    return {"changed": bool(fields), "size": wanted, "diff": as_diff(f"Size of {name}", wanted, found)}


if __name__ == "__main__":
    run_module(
        DOCUMENTATION,
        run,
        "Could not change the size of the Auto Scaling group",
        mutually_exclusive=[("desired_capacity", "add")],
    )
