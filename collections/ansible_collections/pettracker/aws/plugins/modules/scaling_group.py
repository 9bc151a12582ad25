#!/usr/bin/python

from functools import partial

from ..module_utils.kinds.kind import as_set
from ..module_utils.kinds.scaling_group import ScalingGroup, of_others, own
from ..module_utils.kinds.scaling_group_calls import calls, wanted_state
from ..module_utils.kinds.scaling_rules import resource_label, wanted_hooks
from ..module_utils.module import Module, Result, run_module
from ..module_utils.propagation import NEW_PROFILE, NEW_TEMPLATE, once_known
from ..module_utils.scaling_groups.client import describe, missing, wait_until
from ..module_utils.state import as_diff, differences

DOCUMENTATION = r"""
module: scaling_group
short_description: Keeps an Auto Scaling group behind a load balancer as it should be
description:
  - Makes and corrects a group with a launch template, ELB health checks, a default warm-up, metrics, a mixed instances
    policy, life-cycle hooks, target tracking of CPU and of requests, and scheduled actions.
  - Unlike M(amazon.aws.autoscaling_group) it compares before it acts, also in check mode, returns a difference, knows the
    default warm-up, and never touches the desired capacity of an existing group.
  - An existing group keeps its launch template version, which only an instance refresh changes.
  - It owns the hooks that it is given by name, the policies V(cpu) and V(requests), and the scheduled actions whose names begin
    with V(managed-). Those it removes when they are no longer asked for; what others have added stays.
options:
  name: {type: str, required: true, description: "Name of the group."}
  launch_template_id: {type: str, required: true, description: "The launch template."}
  launch_template_version: {type: int, required: true, description: "Number of the version that a new group starts with."}
  min_size: {type: int, required: true, description: "Fewest instances, and how many a new group starts with."}
  max_size: {type: int, required: true, description: "Most instances."}
  subnet_ids: {type: list, elements: str, required: true, description: "Subnets for the instances."}
  target_group_arns: {type: list, elements: str, required: true, description: "Target groups of the instances."}
  health_check_grace_period: {type: int, required: true, description: "Seconds after launch before a bad health check counts."}
  warm_up: {type: int, required: true, description: "Seconds after launch for which an instance's metrics do not count."}
  cpu_target: {type: float, required: true, description: "Mean CPU of the group that target tracking keeps, in percent."}
  request_target: {type: float, default: 0, description: "Requests a minute for each instance that a second policy keeps; V(0)
    for none. The group has as many instances as the policy that wants more of them says."}
  capacity_rebalance: {type: bool, default: false, description: "Replace Spot instances before they are interrupted."}
  mixed_instances:
    type: dict
    description: >-
      Buy part of the instances on the Spot market, or take several types. Without it all are On-Demand instances of the
      template's type.
    suboptions:
      instance_types: {type: list, elements: str, default: [], description: "Types in the order in which On-Demand instances
        prefer them; the template's own when empty."}
      on_demand_base: {type: int, default: 0, description: "How many instances are On-Demand at least."}
      on_demand_percentage: {type: int, default: 100, description: "Percentage of those above the base that are On-Demand."}
      spot_allocation:
        type: str
        choices: [price-capacity-optimized, capacity-optimized, lowest-price]
        default: price-capacity-optimized
        description: "How Spot capacity is chosen among the types."
  lifecycle_hooks:
    type: list
    elements: dict
    default: []
    description: "Where instances wait, on their way in or out, until somebody completes the action or its time is over."
    suboptions:
      name: {type: str, required: true, description: "Name of the hook."}
      transition: {type: str, choices: [launching, terminating], required: true, description: "On the way in or out."}
      heartbeat_timeout: {type: int, required: true, description: "Seconds to wait, V(30) to V(7200); V(0) removes the hook."}
      default_result: {type: str, choices: [CONTINUE, ABANDON], default: CONTINUE, description: "Result when the time is over."}
  schedules:
    type: list
    elements: dict
    default: []
    description: >-
      Changes of size that recur. A size that one of them sets is no difference. An action that runs once is none of a desired
      state, because Auto Scaling forgets it afterwards.
    suboptions:
      name: {type: str, required: true, description: "Name of the action, without V(managed-)."}
      recurrence: {type: str, required: true, description: "Cron expression with five fields."}
      time_zone: {type: str, default: Etc/UTC, description: "Name of the IANA time zone that O(schedules[].recurrence) is in."}
      min_size: {type: int, description: "Fewest instances from then on."}
      max_size: {type: int, description: "Most instances from then on."}
      desired_capacity: {type: int, description: "How many instances there are then, until a policy changes it."}
  tags: {type: dict, default: {}, description: "All tags of the group itself. It gets C(AutoScalingGroup) with its name besides,
    which instances inherit."}
  wait_timeout: {type: int, default: 600, description: "Seconds to wait until all are in service and healthy; 0 for none."}
extends_documentation_fragment: [pettracker.aws.module]
"""

EXAMPLES = r"""
- name: Keep two to ten hosts
  pettracker.aws.scaling_group:
    name: pettracker-dev-service
    launch_template_id: lt-0123456789abcdef0
    launch_template_version: 3
    min_size: 2
    max_size: 10
    subnet_ids: [subnet-0123456789abcdef0, subnet-0123456789abcdef1]
    target_group_arns: ["{{ service.target_group_arn }}"]
    health_check_grace_period: 120
    warm_up: 60
    cpu_target: 70
    schedules: [{name: morning, recurrence: "0 7 * * MON-FRI", time_zone: Europe/London, min_size: 4}]
"""

RETURN = r"""
instances: {type: list, elements: str, returned: outside check mode, description: "Ids of the group's instances."}
waited: {type: float, returned: outside check mode, description: "Seconds until the group was in service."}
"""


def label_of(module: Module) -> str:
    """Returns what the policy on requests names its target group by; in check mode the balancer may not be there yet."""
    arns = [arn for arn in module.params["target_group_arns"] if arn.startswith("arn:")]
    if not module.params["request_target"] or (not arns and module.check_mode):
        return ""
    groups = module.client("elbv2").describe_target_groups(TargetGroupArns=arns)["TargetGroups"]
    labels = [resource_label(arn, group["TargetGroupArn"]) for group in groups for arn in group["LoadBalancerArns"]]
    if not labels and not module.check_mode:
        module.fail_json(
            msg=f"No balancer forwards to the target groups of {module.params['name']}, so there are no requests to scale by. "
            "Make the balancer first, or set request_target to 0."
        )
    return next(iter(sorted(labels)), "")


def run(module: Module) -> Result:
    """Compares, acts on a difference unless in check mode, and waits."""
    client, kind = module.client("autoscaling"), ScalingGroup()
    name = module.params["name"]
    group = describe(client, name)
    answers = kind.read(module.client, group) if group else {}
    hooks = wanted_hooks(module.params["lifecycle_hooks"])
    mine = own(answers, hooks) if answers else {}
    found = kind.state(mine) if mine else None
    if found:
        found["lifecycle_hooks"] = {hook: found["lifecycle_hooks"].get(hook) for hook in hooks}
    others = kind.deviations(mine) if mine else []
    wanted, found = as_set(wanted_state(module.params, found, label_of(module)), found, others)
    left = kind.nobodys(of_others(answers, hooks)) if answers else {}
    result = {
        "changed": bool(differences(wanted, found)),
        "diff": as_diff(f"Auto Scaling group {name}", wanted, found),
        "managed": {kind.name: [name]},
        "nobodys": {part: [f"{name}/{one}" for one in ones] for part, ones in left.items()},
    }
    if module.check_mode:
        return result
    for method, arguments in calls(name, wanted, found, answers, others):
        once_known(partial(getattr(client, method), **arguments), NEW_PROFILE, NEW_TEMPLATE)
    group, waited = wait_until(module, name, missing, f"The group {name} is not in service")
    instances = [instance["InstanceId"] for instance in group.get("Instances", [])]
    return result | {"instances": instances, "waited": waited}


if __name__ == "__main__":
    run_module(DOCUMENTATION, run, "Could not set up the Auto Scaling group")
