#!/usr/bin/python
"""Holds the fleet of an Auto Scaling group at its size, marks it, empties it, or removes it when it is empty."""

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

from ..module_utils.module import run_module
from ..module_utils.scaling_groups.client import describe
from ..module_utils.state import as_diff, error_code

DOCUMENTATION = r"""
module: fleet_state
short_description: Holds a fleet at its size, marks it, empties it, or removes it
description:
  - >-
    For groups that come and go with a blue/green rollout. A fleet that gets few requests would be scaled in just before it gets
    all of them, so its smallest size is raised; what a group is by rights, M(pettracker.aws.scaling_group) restores.
  - It does not wait.
options:
  group: {type: str, required: true, description: "Name of the group."}
  state: {type: str, choices: [held, marked, emptied, absent], required: true, description: "V(held) lets the group have no
    fewer instances than it has now, and no fewer than O(at_least). V(marked) writes O(tag) on it. V(emptied) lets all instances
    end, with their hooks and their connections drained. V(absent) removes an empty group, and O(target_group_arn). A group with
    instances is an error."}
  at_least: {type: int, default: 0, description: "Instances that a held group has at least."}
  tag: {type: dict, default: {}, description: "The tag, a name with its value."}
  target_group_arn: {type: str, default: "", description: "Target group that goes with the group, if any."}
extends_documentation_fragment: [amazon.aws.common.modules, amazon.aws.region.modules, amazon.aws.boto3]
author: PetTracker ML
"""

EXAMPLES = r"""
- name: Let the old fleet keep its size
  pettracker.aws.fleet_state:
    group: pettracker-dev-service
    state: held
"""

RETURN = r"""
exists: {type: bool, returned: always, description: "Whether there is such a group."}
desired: {type: int, returned: with O(state=held) and O(state=emptied), description: "How many instances the group wants."}
"""

# Instances that SetInstanceProtection takes at once.
AT_ONCE = 50


def held(group: dict[str, Any], at_least: int) -> dict[str, int]:
    """Returns the limits of a held group."""
    smallest = max(group["MinSize"], group["DesiredCapacity"], at_least)
    return {"MinSize": smallest, "MaxSize": max(group["MaxSize"], smallest)}


def limits(group: dict[str, Any]) -> dict[str, int]:
    """Returns the limits that the group has."""
    return {name: group[name] for name in ("MinSize", "MaxSize")}


def unprotect(client: Any, group: dict[str, Any]) -> None:
    """Takes away the protection from scale-in, which would keep instances for ever."""
    protected = [item["InstanceId"] for item in group["Instances"] if item.get("ProtectedFromScaleIn")]
    for begin in range(0, len(protected), AT_ONCE):
        client.set_instance_protection(
            AutoScalingGroupName=group["AutoScalingGroupName"],
            InstanceIds=protected[begin : begin + AT_ONCE],
            ProtectedFromScaleIn=False,
        )


def resize(module: AnsibleAWSModule, client: Any, group: dict[str, Any]) -> dict[str, Any]:
    """Holds or empties a group."""
    emptied = module.params["state"] == "emptied"
    wanted = {"MinSize": 0, "MaxSize": 0} if emptied else held(group, module.params["at_least"])
    found = limits(group)
    if wanted != found and not module.check_mode:
        if emptied:
            unprotect(client, group)
        more = {"DesiredCapacity": 0} if emptied else {}
        client.update_auto_scaling_group(AutoScalingGroupName=module.params["group"], **wanted, **more)
    diff = as_diff(f"size of {module.params['group']}", wanted, found)
    desired = 0 if emptied else max(group["DesiredCapacity"], wanted["MinSize"])
    return {"changed": wanted != found, "exists": True, "desired": desired, "diff": diff}


def mark(module: AnsibleAWSModule, client: Any, group: dict[str, Any]) -> dict[str, Any]:
    """Writes a tag on a group."""
    found = {tag["Key"]: tag["Value"] for tag in group.get("Tags", [])}
    changed = not module.params["tag"].items() <= found.items()
    if changed and not module.check_mode:
        name = module.params["group"]
        kind = {"ResourceId": name, "ResourceType": "auto-scaling-group", "PropagateAtLaunch": False}
        client.create_or_update_tags(Tags=[kind | {"Key": key, "Value": value} for key, value in module.params["tag"].items()])
    return {"changed": changed, "exists": True}


def remove(module: AnsibleAWSModule, group: dict[str, Any] | None) -> dict[str, Any]:
    """Removes an empty group, if there is one, and its target group."""
    if group and group["Instances"]:
        module.fail_json(msg=f"{module.params['group']} still has {len(group['Instances'])} hosts, and is not removed.")
    arn, changed = module.params["target_group_arn"], group is not None
    if group and not module.check_mode:
        # Nothing is left to be forced but activities that are about to be recorded as ended.
        module.client("autoscaling").delete_auto_scaling_group(AutoScalingGroupName=module.params["group"], ForceDelete=True)
    if arn:
        balancing = module.client("elbv2")
        try:
            balancing.describe_target_groups(TargetGroupArns=[arn])
        except Exception as error:
            if error_code(error) not in ("TargetGroupNotFound", "TargetGroupNotFoundException"):
                raise
        else:
            changed = True
            if not module.check_mode:
                balancing.delete_target_group(TargetGroupArn=arn)
    return {"changed": changed, "exists": False}


def run(module: AnsibleAWSModule) -> dict[str, Any]:
    """Returns the result."""
    client = module.client("autoscaling")
    group = describe(client, module.params["group"])
    if module.params["state"] == "absent":
        return remove(module, group)
    if group is None:
        return {"changed": False, "exists": False}
    return mark(module, client, group) if module.params["state"] == "marked" else resize(module, client, group)


def main() -> None:
    """Runs the module."""
    run_module(DOCUMENTATION, run, "Could not change the fleet")


if __name__ == "__main__":
    main()
