#!/usr/bin/python
"""Says which of an environment's two fleets is live, and what a blue/green rollout has to do next."""

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

from ..module_utils.blue_green import Plan, plan, roles, tied, weights_of
from ..module_utils.fleets import Fleets
from ..module_utils.kinds.certificate import certificate_name
from ..module_utils.module import run_module

DOCUMENTATION = r"""
module: service_fleets
short_description: Says which of two fleets is live, and what a blue/green rollout has to do next
description:
  - >-
    Reads the listener's weights, the groups and their tags, and applies the rules of C(module_utils/blue_green.py). It changes
    nothing, and works where there is nothing yet.
options:
  balancer:
    description: Name of the balancer.
    type: str
    required: true
  port:
    description: Port of its listener.
    type: int
    default: 443
  colours:
    description: The two fleets, the first one being that of an environment which has never seen a blue/green rollout.
    type: list
    elements: dict
    required: true
    suboptions:
      group:
        description: Name of the Auto Scaling group.
        type: str
        required: true
      target_group:
        description: Name of its target group.
        type: str
        required: true
  launch_template_id:
    description: Launch template of the version to roll out.
    type: str
  launch_template_version:
    description: Number of the version to roll out; without it, nothing is planned.
    type: int
  steps:
    description: Percentages of requests that the new fleet is given, rising to 100.
    type: list
    elements: int
    default: [100]
extends_documentation_fragment: [amazon.aws.common.modules, amazon.aws.region.modules, amazon.aws.boto3]
author: PetTracker ML
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
live:
  description: >-
    The fleet that the service is, with C(group), C(target_group), C(target_group_arn), C(weight) (null where the listener
    does not name it), C(exists), C(mark), C(launch_template_id), C(version) and C(desired).
  returned: always
  type: dict
other:
  description: The other one.
  returned: always
  type: dict
incoming:
  description: Whether a rollout brings the other one.
  returned: always
  type: bool
leftover:
  description: Whether the other one is left of a rollout, and to be removed.
  returned: always
  type: bool
share:
  description: Percentage of requests that the other one gets.
  returned: always
  type: int
forwards:
  description: Whether the listener forwards to these fleets and to nothing else, so that its weights are to be kept.
  returned: always
  type: bool
listener_arn:
  description: The listener, "" if there is none.
  returned: always
  type: str
dns_name:
  description: The balancer's, "" if there is none.
  returned: always
  type: str
certificate_name:
  description: A name that the balancer's certificate is for, "" if it has none.
  returned: always
  type: str
action:
  description: V(none), V(start), V(follow), V(clean) or V(absent); what has to be refused fails.
  returned: with a version
  type: str
checkpoints:
  description: Percentages of requests at which the incoming fleet is still to be judged.
  returned: with a version
  type: list
  elements: int
from_version:
  description: Launch template version of the live fleet.
  returned: with a version
  type: str
resumed:
  description: Whether the incoming fleet gets requests already, so that hosts were compared before.
  returned: with a version
  type: bool
"""


def planned(module: AnsibleAWSModule, found: Plan, share: int, version: str) -> dict[str, Any]:
    """Returns the plan's part of the result."""
    if found.action == "refuse":
        module.fail_json(msg=found.reason)
    return {
        "action": found.action,
        "checkpoints": found.checkpoints,
        "from_version": version,
        "resumed": found.action == "follow" and share > 0,
        "changed": found.action not in ("none", "absent"),
    }


def run(module: AnsibleAWSModule) -> dict[str, Any]:
    """Returns the result."""
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
    if next_step.action == "start":
        tie = tied(fleets.rules(entrance.listener_arn), found.live.target_group_arn)
        next_step = Plan("refuse", tie) if tie else next_step
    return result | planned(module, next_step, found.share(), found.live.described()["version"])


def main() -> None:
    """Runs the module."""
    run_module(
        DOCUMENTATION,
        run,
        "Could not find out which fleet is live",
        required_by={"launch_template_version": "launch_template_id"},
    )


if __name__ == "__main__":
    main()
