#!/usr/bin/python

from typing import Any

from ..module_utils.kinds.kind import as_set
from ..module_utils.kinds.target_group import TargetGroup
from ..module_utils.module import Module, Result, run_module
from ..module_utils.state import as_diff, differences

DOCUMENTATION = r"""
module: target_group
short_description: Keeps a target group of an application load balancer as it should be
description:
  - Makes and corrects a target group of instances that speak HTTP. Who is registered in it is left to Auto Scaling.
  - Unlike M(community.aws.elb_target_group) it compares before it acts, also in check mode, and returns a difference.
options:
  name: {type: str, required: true, description: "Name, at most 32 letters, digits and hyphens."}
  vpc_id: {type: str, required: true, description: "The VPC. A target group cannot move to another, nor to another port."}
  port: {type: int, required: true, description: "Port of the service on its hosts."}
  health_check:
    type: dict
    required: true
    description: "How the balancer asks a host whether it is ready."
    suboptions:
      path: {type: str, required: true, description: "Path that answers 200 when the host is ready."}
      interval: {type: int, required: true, description: "Time between two checks, in seconds."}
      timeout: {type: int, required: true, description: "Time after which a check has failed, in seconds."}
      healthy_threshold: {type: int, required: true, description: "Good answers in a row that make a host healthy."}
      unhealthy_threshold: {type: int, required: true, description: "Bad answers in a row that make a host unhealthy."}
  attributes: {type: dict, default: {}, description: "Attributes, named as in ELB's ModifyTargetGroupAttributes."}
  tags: {type: dict, default: {}, description: "All tags of the target group."}
extends_documentation_fragment: [pettracker.aws.module]
"""

EXAMPLES = r"""
- name: Ask hosts for /ready
  pettracker.aws.target_group:
    name: pettracker-dev-service
    vpc_id: vpc-0123456789abcdef0
    port: 8080
    health_check: {path: /ready, interval: 10, timeout: 5, healthy_threshold: 2, unhealthy_threshold: 2}
    attributes: {deregistration_delay.timeout_seconds: "60"}
"""

RETURN = r"""
target_group_arn: {type: str, returned: when it exists, description: "The target group."}
"""


def run(module: Module) -> Result:
    """Compares, and acts on a difference unless in check mode."""
    kind, name = TargetGroup(), module.params["name"]
    answers = kind.read(module.client, name)
    found = kind.state(answers) if answers else None
    wanted, found = as_set(kind.wanted(module.params, found), found, kind.deviations(answers) if answers else [])
    fields = differences(wanted, found)
    fixed = [field for field in fields if field in kind.fixed] if found else []
    if found and fixed:
        module.fail_json(
            msg=f"The target group {name} has {fixed[0]} {found[fixed[0]]} and should have {wanted[fixed[0]]}, which AWS "
            "cannot change: give the new one another name, or remove this one with playbooks/destroy.yml."
        )
    result: dict[str, Any] = {"changed": bool(fields), "diff": as_diff(f"{kind.name} {name}", wanted, found)}
    if fields and not module.check_mode:
        kind.apply(module.client, name, wanted, answers)
        answers = answers or kind.read(module.client, name)
    if answers:
        arn = answers["DescribeTargetGroups"]["TargetGroupArn"]
        parts = kind.nobodys(answers, kind.declared(module.client, answers))
        left = {part: [f"{name}/{one}" for one in ones] for part, ones in parts.items()}
        result |= {"target_group_arn": arn, "managed": {kind.name: [arn]}, "nobodys": left}
    return result


if __name__ == "__main__":
    run_module(DOCUMENTATION, run, "Could not set up the target group")
