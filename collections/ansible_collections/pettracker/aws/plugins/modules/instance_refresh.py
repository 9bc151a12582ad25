#!/usr/bin/python
"""Starts the instance refresh that brings a launch template version to a group, finds it again, and takes it back."""

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

from ..module_utils.module import run_module
from ..module_utils.rollout.instance_refreshes import (
    GOING_BACK,
    GOING_ON,
    checkpoints,
    hosts_at,
    plan,
    progress,
    remaining,
    request,
    split,
)
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
  min_healthy_percentage:
    {type: int, default: 100, description: "Share of the desired capacity that always serves, in percent."}
  max_healthy_percentage:
    {type: int, default: 110, description: "Share of the desired capacity that there may be at once, in percent."}
  warm_up: {type: int, default: 60, description: "Seconds that a new instance has to be in service before it counts."}
  checkpoints: {type: list, elements: int, default: [], description: "Percentages at which the refresh waits, between the first
    instance and the end, where it always does."}
  checkpoint_delay: {type: int, default: 900, description: "Seconds that it waits at each but the last."}
  bake_time: {type: int, default: 900, description: "Seconds that it waits at the end, when it can still be taken back."}
  alarms: {type: list, elements: str, default: [], description: "Alarms that let it be taken back when they ring, ten at most."}
extends_documentation_fragment: [amazon.aws.common.modules, amazon.aws.region.modules, amazon.aws.boto3]
author: PetTracker ML
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
refresh_id:
  {type: str, returned: always, description: "The refresh that was started, found or taken back; empty if there is none."}
checkpoints:
  {type: list, elements: int, returned: with O(state=present), description: "Percentages that are still to be judged."}
resumed: {type: bool, returned: with O(state=present), description: "Whether the first of these is not the first of the refresh,
  so that hosts were compared before."}
hosts: {type: int, returned: with O(state=present), description: "Desired capacity of the group."}
matching: {type: int, returned: with O(state=present), description: "How many hosts have the version before a refresh begins; 0
  where one was found."}
from_version:
  {type: str, returned: with O(state=present), description: "Launch template version of the group before the refresh."}
progress: {type: str, returned: always, description: "How far the refresh is, for people."}
"""

# How many of the latest refreshes are looked at: one at most is under way.
LATEST = 10


def describe(client: Any, name: str) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
    """Returns the group and its latest refreshes; None and nothing if there is no such group."""
    groups = client.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]
    group = next((group for group in groups if not group.get("Status")), None)
    if group is None:
        return None, []
    answer = client.describe_instance_refreshes(AutoScalingGroupName=name, MaxRecords=LATEST)
    return group, answer["InstanceRefreshes"]


def roll_back(module: AnsibleAWSModule, client: Any, refreshes: list[dict[str, Any]]) -> dict[str, Any]:
    """Takes back the refresh that goes on."""
    active = next((refresh for refresh in refreshes if refresh["Status"] in GOING_ON + GOING_BACK), None)
    if active is None:
        return {"changed": False, "action": "none", "refresh_id": "", "progress": ""}
    found = {"refresh_id": active["InstanceRefreshId"], "progress": progress(active)}
    if active["Status"] in GOING_BACK:
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


def bring(module: AnsibleAWSModule, client: Any, group: dict[str, Any], refreshes: list[dict[str, Any]]) -> dict[str, Any]:
    """Starts the refresh, finds it, or finds that there is nothing to do."""
    parameters = module.params
    version = str(parameters["launch_template_version"])
    found = plan(group, refreshes, parameters["launch_template_id"], version)
    if found.action == "refuse":
        module.fail_json(msg=found.reason)
    before = template_of(group)[1] or ""
    hosts = group["DesiredCapacity"]
    result = {"action": found.action, "from_version": before, "progress": "", "resumed": False, "refresh_id": ""}
    result |= {"hosts": hosts, "matching": 0}
    if found.refresh:
        every = found.refresh["Preferences"]["CheckpointPercentages"]
        left = remaining(every, found.refresh.get("PercentageComplete", 0))
        return result | {
            "changed": False,
            "refresh_id": found.refresh["InstanceRefreshId"],
            "checkpoints": left,
            "resumed": left[0] != every[0],
            "progress": progress(found.refresh),
        }
    there, _ = split(group, parameters["launch_template_id"], version)
    every = checkpoints(hosts, parameters["checkpoints"], len(there))
    # Where no host is new there is nothing to judge.
    result["checkpoints"] = [one for one in every if hosts_at(one, hosts) > len(there)] or [100]
    if found.action == "none":
        return result | {"changed": False}
    result["matching"] = len(there)
    wanted = {"launch_template_version": version, "hosts_that_have_it": hosts}
    present = {"launch_template_version": before, "hosts_that_have_it": len(there)}
    result |= {"changed": True, "diff": as_diff(f"hosts of {parameters['group']}", wanted, present)}
    if not module.check_mode:
        result["refresh_id"] = client.start_instance_refresh(**request(parameters, group))["InstanceRefreshId"]
    return result


def run(module: AnsibleAWSModule) -> dict[str, Any]:
    """Returns the result."""
    client = module.client("autoscaling")
    group, refreshes = describe(client, module.params["group"])
    if group is None:
        if not module.check_mode:
            module.fail_json(msg=f"There is no group {module.params['group']}: run playbooks/service.yml first.")
        return {"changed": False, "action": "absent", "refresh_id": "", "progress": ""}
    if module.params["state"] == "rolled_back":
        return roll_back(module, client, refreshes)
    return bring(module, client, group, refreshes)


def main() -> None:
    """Runs the module."""
    run_module(
        DOCUMENTATION,
        run,
        "Could not start, find or take back the instance refresh",
        required_if=[("state", "present", ["launch_template_id", "launch_template_version"])],
    )


if __name__ == "__main__":
    main()
