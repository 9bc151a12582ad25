#!/usr/bin/python

from typing import Any

from ..module_utils.module import Module, Result, run_module
from ..module_utils.rollout import instance_refreshes
from ..module_utils.scaling_groups.client import describe
from ..module_utils.scaling_groups.mixed_instances import template_of
from ..module_utils.state import as_diff, error_code

DOCUMENTATION = r"""
module: instance_refresh
short_description: Starts, finds and takes back the instance refresh of a launch template version
description:
  - >-
    With O(state=present) a group whose instances all have the version is left alone, an unfinished refresh to the version is
    found, one to something else is refused, and otherwise one is started. It has a numbered desired configuration, alarms, skip
    matching and automatic rollback, none of which M(community.aws.autoscaling_instance_refresh) knows.
  - It does not wait.
options:
  state: {type: str, choices: [present, rolled_back], default: present, description: "V(present) starts the refresh or finds it.
    V(rolled_back) takes back whatever refresh of the group goes on. A finished one cannot be taken back."}
  group: {type: str, required: true, description: "Name of the group."}
  launch_template_id: {type: str, description: "The launch template. Needed with O(state=present), as all that follow."}
  launch_template_version: {type: int, description: "Number of its version."}
  min_healthy_percentage: {type: int, default: 100, description: "Percentage of the desired capacity that always serves."}
  max_healthy_percentage: {type: int, default: 110, description: "Percentage of it that there may be at once."}
  warm_up: {type: int, default: 60, description: "Seconds that a new instance has to be in service before it counts."}
  checkpoints: {type: list, elements: int, default: [], description: "Percentages at which the refresh waits, between the first
    instance and the end, where it always does."}
  checkpoint_delay: {type: int, default: 900, description: "Seconds that it waits at each but the last."}
  bake_time: {type: int, default: 900, description: "Seconds that it waits at the end, when it can still be taken back."}
  alarms: {type: list, elements: str, default: [], description: "Alarms that let it be taken back when they ring, ten at most."}
extends_documentation_fragment: [pettracker.aws.module]
"""

EXAMPLES = r"""
- name: Bring version 4 to the fleet
  pettracker.aws.instance_refresh:
    group: pettracker-dev-service
    launch_template_id: lt-0123456789abcdef0
    launch_template_version: 4
    alarms: [pettracker-dev-rollout-abandoned]
"""

RETURN = r"""
action: {type: str, returned: always, description: "V(none), V(start) or V(follow); V(absent) where there is no group, in check
  mode. With O(state=rolled_back), V(none), V(rollback), or V(follow) where it is taken back already."}
refresh_id: {type: str, returned: always, description: "The refresh that was started, found or taken back, if any."}
checkpoints: {type: list, elements: int, returned: with O(state=present), description: "Percentages still to be judged."}
resumed: {type: bool, returned: with O(state=present), description: "Whether hosts were compared before."}
hosts: {type: int, returned: with O(state=present), description: "Desired capacity of the group."}
matching: {type: int, returned: with O(state=present), description: "Hosts that have the version before a refresh begins."}
from_version: {type: str, returned: with O(state=present), description: "The group's launch template version before."}
progress: {type: str, returned: always, description: "How far the refresh is, for people."}
"""

# How many of the latest refreshes are asked for: one at most is under way.
LATEST = 10
NOTHING: Result = {"changed": False, "refresh_id": "", "progress": ""}


def roll_back(module: Module, client: Any, refreshes: list[dict[str, Any]]) -> Result:
    """Takes back the refresh that goes on."""
    going = (*instance_refreshes.GOING_ON, *instance_refreshes.GOING_BACK)
    active = next((refresh for refresh in refreshes if refresh["Status"] in going), None)
    if active is None:
        return NOTHING | {"action": "none"}
    found = {"refresh_id": active["InstanceRefreshId"], "progress": instance_refreshes.progress(active)}
    if active["Status"] in instance_refreshes.GOING_BACK:
        return found | {"changed": False, "action": "follow"}
    if not module.check_mode:
        try:
            client.rollback_instance_refresh(AutoScalingGroupName=module.params["group"])
        except Exception as error:
            if error_code(error) != "IrreversibleInstanceRefresh":
                raise
            module.fail_json(
                msg=f"The instance refresh {active['InstanceRefreshId']} cannot be taken back, because it was started without "
                "a numbered launch template version. Wait until it has ended, then roll out the release that you want."
            )
    return found | {"changed": True, "action": "rollback"}


def start(module: Module, client: Any, group: dict[str, Any], refreshes: list[dict[str, Any]]) -> Result:
    """Starts the refresh, finds it, or finds that there is nothing to do."""
    given, hosts, before = module.params, group["DesiredCapacity"], template_of(group)[1] or ""
    template, version = given["launch_template_id"], str(given["launch_template_version"])
    found = instance_refreshes.plan(group, refreshes, template, version)
    if found.action == "refuse":
        module.fail_json(msg=found.reason)
    result = NOTHING | {"action": found.action, "from_version": before, "resumed": False, "hosts": hosts, "matching": 0}
    if found.refresh:
        every = found.refresh["Preferences"]["CheckpointPercentages"]
        left = instance_refreshes.remaining(every, found.refresh.get("PercentageComplete", 0))
        standing = {"refresh_id": found.refresh["InstanceRefreshId"], "progress": instance_refreshes.progress(found.refresh)}
        return result | standing | {"checkpoints": left, "resumed": left[0] != every[0]}
    matching = len(instance_refreshes.split(group, template, version)[0])
    every = instance_refreshes.checkpoints(hosts, given["checkpoints"], matching)
    # Where no host is new there is nothing to judge.
    result["checkpoints"] = [one for one in every if instance_refreshes.hosts_at(one, hosts) > matching] or [100]
    if found.action == "none":
        return result
    wanted = {"launch_template_version": version, "hosts_that_have_it": hosts}
    present = {"launch_template_version": before, "hosts_that_have_it": matching}
    result |= {"changed": True, "matching": matching, "diff": as_diff(f"hosts of {given['group']}", wanted, present)}
    if not module.check_mode:
        result["refresh_id"] = client.start_instance_refresh(**instance_refreshes.request(given, group))["InstanceRefreshId"]
    return result


def run(module: Module) -> Result:
    """Finds the group and its latest refreshes, and does what the state asks for."""
    client, name = module.client("autoscaling"), module.params["group"]
    group = describe(client, name)
    if group is None:
        if not module.check_mode:
            module.fail_json(msg=f"There is no group {name}: run playbooks/service.yml first.")
        return NOTHING | {"action": "absent"}
    refreshes = client.describe_instance_refreshes(AutoScalingGroupName=name, MaxRecords=LATEST)["InstanceRefreshes"]
    if module.params["state"] == "rolled_back":
        return roll_back(module, client, refreshes)
    return start(module, client, group, refreshes)


if __name__ == "__main__":
    run_module(
        DOCUMENTATION,
        run,
        "Could not start, find or take back the instance refresh",
        required_if=[("state", "present", ["launch_template_id", "launch_template_version"])],
    )
