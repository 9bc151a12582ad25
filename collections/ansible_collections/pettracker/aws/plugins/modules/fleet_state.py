#!/usr/bin/python

from typing import Any

from ..module_utils.module import Module, Result, run_module
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
extends_documentation_fragment: [pettracker.aws.module]
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


def unprotect(client: Any, group: dict[str, Any]) -> None:
    """Takes away the protection from scale-in, which would keep instances for ever."""
    protected = [item["InstanceId"] for item in group["Instances"] if item.get("ProtectedFromScaleIn")]
    for begin in range(0, len(protected), AT_ONCE):
        client.set_instance_protection(
            AutoScalingGroupName=group["AutoScalingGroupName"],
            InstanceIds=protected[begin : begin + AT_ONCE],
            ProtectedFromScaleIn=False,
        )


def resize(module: Module, client: Any, group: dict[str, Any]) -> Result:
    """Holds or empties a group."""
    name, found = module.params["group"], {limit: group[limit] for limit in ("MinSize", "MaxSize")}
    if emptied := module.params["state"] == "emptied":
        wanted, more = {"MinSize": 0, "MaxSize": 0}, {"DesiredCapacity": 0}
    else:
        smallest = max(group["MinSize"], group["DesiredCapacity"], module.params["at_least"])
        wanted, more = {"MinSize": smallest, "MaxSize": max(group["MaxSize"], smallest)}, {}
    if wanted != found and not module.check_mode:
        if emptied:
            unprotect(client, group)
        client.update_auto_scaling_group(AutoScalingGroupName=name, **wanted, **more)
    diff, desired = (
        as_diff(f"size of {name}", wanted, found),
        0 if emptied else max(group["DesiredCapacity"], wanted["MinSize"]),
    )
    return {"changed": wanted != found, "exists": True, "desired": desired, "diff": diff}


def mark(module: Module, client: Any, group: dict[str, Any]) -> dict[str, Any]:
    """Writes a tag on a group."""
    found = {tag["Key"]: tag["Value"] for tag in group.get("Tags", [])}
    changed = not module.params["tag"].items() <= found.items()
    if changed and not module.check_mode:
        name = module.params["group"]
        kind = {"ResourceId": name, "ResourceType": "auto-scaling-group", "PropagateAtLaunch": False}
        client.create_or_update_tags(Tags=[kind | {"Key": key, "Value": value} for key, value in module.params["tag"].items()])
    return {"changed": changed, "exists": True}


def remove(module: Module, group: dict[str, Any] | None) -> dict[str, Any]:
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


def run(module: Module) -> Result:
    client = module.client("autoscaling")
    group = describe(client, module.params["group"])
    if module.params["state"] == "absent":
        return remove(module, group)
    if group is None:
        return {"changed": False, "exists": False}
    return mark(module, client, group) if module.params["state"] == "marked" else resize(module, client, group)


if __name__ == "__main__":
    run_module(DOCUMENTATION, run, "Could not change the fleet")
