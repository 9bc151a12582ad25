#!/usr/bin/python

from ..module_utils.module import Module, Result, run_module
from ..module_utils.scaling_groups.client import required, wait_until
from ..module_utils.scaling_groups.members import RefusedError, arrived, call_for, lifecycle_of, request_for
from ..module_utils.state import as_diff

DOCUMENTATION = r"""
module: scaling_group_member
short_description: Takes a member of an Auto Scaling group aside, out, back or to its end
description:
  - Unlike M(amazon.aws.autoscaling_instance) it refuses beforehand, also in check mode, what the group's limits do not allow,
    and waits for the balancer as well as for the group.
options:
  name: {type: str, required: true, description: "Name of the group."}
  instance_id: {type: str, required: true, description: "The instance."}
  state: {type: str, choices: [in_service, standby, detached, terminated], required: true, description: "V(in_service) brings a
    host back from Standby, or a stranger into the group; the desired capacity grows by one. V(standby) leaves it in the group,
    without requests and without health checks. V(detached) takes it out of the group, and leaves it running. V(terminated) ends
    a member. An instance that is none is left alone."}
  decrement: {type: bool, default: false, description: "Whether the desired capacity goes down as well."}
  to_be_added: {type: int, default: 0, description: "How many hosts the group would have got before this, in check mode."}
  wait_timeout: {type: int, default: 600, description: "Seconds to wait for the group and the balancer; 0 does not wait."}
extends_documentation_fragment: [pettracker.aws.module]
"""

EXAMPLES = r"""
- name: Take a host aside, and let another one take its place
  pettracker.aws.scaling_group_member:
    name: pettracker-dev-service
    instance_id: i-0123456789abcdef0
    state: standby
"""

RETURN = r"""
call: {type: str, returned: always, description: "What was asked of Auto Scaling, or would be; empty if nothing."}
"""


def run(module: Module) -> Result:
    """Compares, acts on a difference unless in check mode, and waits."""
    parameters = module.params
    name, instance_id, state = parameters["name"], parameters["instance_id"], parameters["state"]
    group = required(module, name)
    added = parameters["to_be_added"] if module.check_mode else 0
    try:
        call = call_for(group, instance_id, state, parameters["decrement"], added)
    except RefusedError as refusal:
        module.fail_json(msg=str(refusal))
    before, after = {"state": lifecycle_of(group, instance_id) or "not in the group"}, {"state": state}
    diff = as_diff(f"{instance_id} in {name}", after, before) if call else as_diff(instance_id, {}, {})
    result = {"changed": bool(call), "call": call, "diff": diff}
    if module.check_mode:
        return result
    if call:
        client = module.client("autoscaling")
        methods = {
            "enter_standby": client.enter_standby,
            "exit_standby": client.exit_standby,
            "attach": client.attach_instances,
            "detach": client.detach_instances,
            "terminate": client.terminate_instance_in_auto_scaling_group,
        }
        methods[call](**request_for(group, call, instance_id, parameters["decrement"]))
    wait_until(
        module,
        name,
        lambda group, targets: list(filter(None, [arrived(group, targets, instance_id, state)])),
        f"{instance_id} is not {state.replace('_', ' ')}",
    )
    return result


if __name__ == "__main__":
    run_module(DOCUMENTATION, run, "Could not change the member of the Auto Scaling group")
