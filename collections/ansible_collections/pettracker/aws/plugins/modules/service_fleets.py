#!/usr/bin/python


from ..module_utils.kinds.certificate import certificate_name
from ..module_utils.module import Module, Result, run_module
from ..module_utils.rollout.blue_green import Plan, plan, roles, tied, weights_of
from ..module_utils.rollout.blue_green_client import Fleets

DOCUMENTATION = r"""
module: service_fleets
short_description: Says which of two fleets is live, and what a blue/green rollout has to do next
description:
  - >-
    Reads the listener's weights, the groups and their tags, and applies the rules of C(module_utils/rollout/blue_green.py).
    It changes nothing, and works where there is nothing yet.
options:
  balancer: {type: str, required: true, description: "Name of the balancer."}
  port: {type: int, default: 443, description: "Port of its listener."}
  colours:
    type: list
    elements: dict
    required: true
    description: "The two fleets, the first one being that of an environment which has never seen a blue/green rollout."
    suboptions:
      group: {type: str, required: true, description: "Name of the Auto Scaling group."}
      target_group: {type: str, required: true, description: "Name of its target group."}
  launch_template_id: {type: str, description: "Launch template of the version to roll out."}
  launch_template_version: {type: int, description: "Number of the version to roll out; without it, nothing is planned."}
  steps: {type: list, elements: int, default: [100], description: "Rising percentages of requests for the new fleet."}
extends_documentation_fragment: [pettracker.aws.module]
"""

EXAMPLES = r"""
- name: Find the live fleet
  pettracker.aws.service_fleets:
    balancer: pettracker-dev-service
    colours:
      - {group: pettracker-dev-service, target_group: pettracker-dev-service}
      - {group: pettracker-dev-service-g, target_group: pettracker-dev-service-g}
"""

RETURN = r"""
live: {type: dict, returned: always, description: "The fleet that the service is, with C(group), C(target_group),
  C(target_group_arn), C(weight) (null where the listener does not name it), C(exists), C(mark), C(launch_template_id),
  C(version) and C(desired)."}
other: {type: dict, returned: always, description: "The other one."}
incoming: {type: bool, returned: always, description: "Whether a rollout brings the other one."}
leftover: {type: bool, returned: always, description: "Whether the other one is left of a rollout, and to be removed."}
share: {type: int, returned: always, description: "Percentage of requests that the other one gets."}
forwards: {type: bool, returned: always, description: "Whether the listener forwards to these fleets and to nothing else."}
listener_arn: {type: str, returned: always, description: "The listener, \"\" if there is none."}
dns_name: {type: str, returned: always, description: "The balancer's, \"\" if there is none."}
certificate_name: {type: str, returned: always, description: "A name that the balancer's certificate is for, if it has one."}
action: {type: str, returned: with a version, description: "V(none), V(start), V(follow), V(clean) or V(absent)."}
checkpoints: {type: list, elements: int, returned: with a version, description: "Percentages of requests still to be judged."}
from_version: {type: str, returned: with a version, description: "Launch template version of the live fleet."}
resumed: {type: bool, returned: with a version, description: "Whether the incoming fleet gets requests already."}
"""


def run(module: Module) -> Result:
    parameters = module.params
    fleets = Fleets(module.client("autoscaling"), module.client("elbv2"), parameters["colours"])
    entrance = fleets.entrance(parameters["balancer"], parameters["port"])
    found = roles(fleets.read(entrance.actions))
    weights = weights_of(entrance.actions)
    result = {
        "changed": False,
        "live": found.live.described(),
        "other": found.other.described(),
        "incoming": found.incoming,
        "leftover": found.leftover,
        "share": found.share(),
        "forwards": bool(weights) and set(weights) <= {found.live.target_group_arn, found.other.target_group_arn},
        "listener_arn": entrance.listener_arn,
        "dns_name": entrance.dns_name,
        "certificate_name": certificate_name(module.client("acm"), entrance.certificate_arn),
    }
    if parameters["launch_template_version"] is None:
        return result
    version = str(parameters["launch_template_version"])
    refreshes = fleets.refreshes(found.live)
    next_step = plan(found, refreshes, parameters["launch_template_id"], version, parameters["steps"])
    if next_step.action == "start" and (tie := tied(fleets.rules(entrance.listener_arn), found.live.target_group_arn)):
        next_step = Plan("refuse", tie)
    if next_step.action == "refuse":
        module.fail_json(msg=next_step.reason)
    return result | {
        "action": next_step.action,
        "checkpoints": next_step.checkpoints,
        "from_version": found.live.described()["version"],
        "resumed": next_step.action == "follow" and found.share() > 0,
        "changed": next_step.action not in ("none", "absent"),
    }


if __name__ == "__main__":
    run_module(
        DOCUMENTATION,
        run,
        "Could not find out which fleet is live",
        required_by={"launch_template_version": "launch_template_id"},
    )
