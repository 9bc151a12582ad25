#!/usr/bin/python

import time
from typing import Any

from ..module_utils.kinds.finding import pages
from ..module_utils.module import Module, Result, run_module
from ..module_utils.owned_instances import REACHED, call_for, chosen, refuse_member, summary
from ..module_utils.scaling_groups.members import RefusedError
from ..module_utils.state import as_diff

DOCUMENTATION = r"""
module: owned_instance
short_description: Starts, stops, reboots or ends one instance of an environment
description:
  - Unlike M(amazon.aws.ec2_instance) it acts only on an instance that carries the environment's tags, names those there are
    when it finds none, and refuses what an Auto Scaling group would undo.
options:
  instance_id: {type: str, required: true, description: "The instance."}
  tags: {type: dict, required: true, description: "Tags that the instance must carry."}
  state: {type: str, choices: [present, running, stopped, rebooted, terminated], default: present, description: "V(present) only
    looks for it. V(rebooted) is a change each time. A member of a group is never ended, and stopped, started or rebooted only
    in Standby."}
  member: {type: bool, default: true, description: "Whether it may be a member of an Auto Scaling group at all."}
  wait_timeout: {type: int, default: 300, description: "Seconds to wait for the state; 0 does not wait."}
extends_documentation_fragment: [pettracker.aws.module]
"""

EXAMPLES = r"""
- name: Stop a workbench
  pettracker.aws.owned_instance:
    instance_id: i-0123456789abcdef0
    tags: {Project: pettracker, Environment: dev}
    state: stopped
"""

RETURN = r"""
instance: {type: dict, returned: always, description: "instance_id, state, role, name, zone, image and launched, before."}
now: {type: dict, returned: always, description: "The same after it; in check mode, as it was."}
lifecycle: {type: str, returned: always, description: "Its life-cycle state in its Auto Scaling group; empty if it has none."}
"""

PAUSE = 1.0


def described(ec2: Any, **selection: Any) -> list[dict[str, Any]]:
    """Returns the instances that a selection describes."""
    reservations = pages(ec2, "describe_instances", "Reservations", **selection)
    return [each for reservation in reservations for each in reservation["Instances"]]


def wait_for(module: Module, instance_id: str, wanted: str) -> dict[str, Any]:
    """Waits until the instance is in the state, and returns it; fails the module when it takes too long."""
    ec2, begin = module.client("ec2"), time.monotonic()
    while True:
        (instance,) = described(ec2, InstanceIds=[instance_id])
        found = instance["State"]["Name"]
        if found == wanted or not module.params["wait_timeout"]:
            return instance
        if time.monotonic() - begin >= module.params["wait_timeout"]:
            module.fail_json(msg=f"{instance_id} is {found} after {module.params['wait_timeout']} seconds, not {wanted}.")
        time.sleep(PAUSE)


def run(module: Module) -> Result:
    """Compares, acts on a difference unless in check mode, and waits."""
    parameters = module.params
    instance_id, state = parameters["instance_id"], parameters["state"]
    ec2 = module.client("ec2")
    owned = described(ec2, Filters=[{"Name": f"tag:{key}", "Values": [value]} for key, value in parameters["tags"].items()])
    try:
        instance = chosen(owned, instance_id)
        memberships = module.client("autoscaling").describe_auto_scaling_instances(InstanceIds=[instance_id])
        lifecycle = next((each["LifecycleState"] for each in memberships["AutoScalingInstances"]), "")
        if lifecycle and not parameters["member"]:
            raise RefusedError(f"{instance_id} belongs to a group, which ends and replaces it as it likes: take another host.")
        refuse_member(instance_id, lifecycle, state)
        call = call_for(instance, state)
    except RefusedError as refusal:
        module.fail_json(msg=str(refusal))
    before = summary(instance)
    after = before | ({"state": state} if call else {})
    result = {"changed": bool(call), "instance": before, "now": before, "lifecycle": lifecycle}
    result["diff"] = as_diff(instance_id, after, before)
    if module.check_mode or state == "present":
        return result
    if call:
        getattr(ec2, f"{call}_instances")(InstanceIds=[instance_id])
    return result | {"now": summary(wait_for(module, instance_id, REACHED[state]))}


if __name__ == "__main__":
    run_module(DOCUMENTATION, run, "Could not change the instance")
