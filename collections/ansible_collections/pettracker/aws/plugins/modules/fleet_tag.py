#!/usr/bin/python

from typing import Any

from ..module_utils.module import Module, Result, run_module
from ..module_utils.scaling_groups.client import describe, instances_of
from ..module_utils.state import as_diff, tags_to_dict

DOCUMENTATION = r"""
module: fleet_tag
short_description: Puts a tag on every host of an Auto Scaling group
description:
  - The group gets the tag first and hands it on to hosts that it launches from then on; then those that are there get it.
  - A group that does not exist has no hosts with the tag.
options:
  group: {type: str, required: true, description: "Name of the group."}
  key: {type: str, required: true, description: "Key of the tag."}
  value: {type: str, default: "", description: "Its value, needed when O(state=present)."}
  state: {type: str, choices: [present, absent], default: present, description: "Whether the hosts have the tag."}
extends_documentation_fragment: [pettracker.aws.module]
"""

EXAMPLES = r"""
- name: Let the fleet copy a tenth of its predictions
  pettracker.aws.fleet_tag:
    group: pettracker-dev-service
    key: Shadow
    value: share=0.1 until=1767225600 10.0.11.7:8080
"""

RETURN = r"""
instances: {type: list, elements: str, returned: always, description: "Ids of the hosts that had another value, or none."}
"""


def group_value(group: dict[str, Any], key: str) -> str | None:
    """Returns the value that the group hands on to its new hosts, None if it hands on none."""
    return next((tag["Value"] for tag in group.get("Tags", []) if tag["Key"] == key and tag["PropagateAtLaunch"]), None)


def host_values(ec2: Any, group: dict[str, Any], key: str) -> dict[str, str | None]:
    """Returns the tag's value on each host that is not on its way out."""
    hosts = [one["InstanceId"] for one in group["Instances"] if not one["LifecycleState"].startswith("Terminat")]
    return {name: tags_to_dict(instance.get("Tags", [])).get(key) for name, instance in instances_of(ec2, hosts).items()}


def run(module: Module) -> Result:
    """Compares, and acts on a difference unless in check mode."""
    autoscaling, ec2 = module.client("autoscaling"), module.client("ec2")
    name, key = module.params["group"], module.params["key"]
    wanted = module.params["value"] if module.params["state"] == "present" else None
    group = describe(autoscaling, name)
    if group is None:
        if wanted is not None:
            module.fail_json(msg=f"There is no group {name}: run playbooks/service.yml first.")
        return {"changed": False, "instances": []}
    found = group_value(group, key)
    of_group = {"ResourceId": name, "ResourceType": "auto-scaling-group", "Key": key}
    if found != wanted and not module.check_mode:
        if wanted is None:
            autoscaling.delete_tags(Tags=[of_group])
        else:
            autoscaling.create_or_update_tags(Tags=[of_group | {"Value": wanted, "PropagateAtLaunch": True}])
        group = describe(autoscaling, name) or group  # a host may have been launched meanwhile
    values = host_values(ec2, group, key)
    others = sorted(host for host, value in values.items() if value != wanted)
    if others and not module.check_mode:
        if wanted is None:
            ec2.delete_tags(Resources=others, Tags=[{"Key": key}])
        else:
            ec2.create_tags(Resources=others, Tags=[{"Key": key, "Value": wanted}])
    before = {name: found} | {host: values[host] for host in others}
    return {
        "changed": found != wanted or bool(others),
        "instances": others,
        "diff": as_diff(f"tag {key} of {name}", dict.fromkeys(before, wanted), before),
    }


if __name__ == "__main__":
    run_module(DOCUMENTATION, run, "Could not tag the hosts of the group", no_log={"key": False})
