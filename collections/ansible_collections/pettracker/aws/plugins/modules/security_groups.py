#!/usr/bin/python

from typing import Any

from ..module_utils.kinds.kind import as_set
from ..module_utils.kinds.security_group import NEW_DEFAULT_GROUP, SecurityGroup
from ..module_utils.kinds.security_group_rules import unusable_texts, wanted_state
from ..module_utils.module import Module, Result, run_module
from ..module_utils.propagation import SOON
from ..module_utils.state import any_differ, as_diff, differences, is_unknown

DOCUMENTATION = r"""
module: security_groups
short_description: Keeps the security groups of a VPC as they should be
description:
  - Makes the groups first and their rules then, so that groups may refer to each other by name.
  - Unlike M(amazon.aws.ec2_security_group) it names each rule that differs, in check mode on an empty account as well. Rules
    that are not listed are removed. It never deletes a group.
options:
  vpc_id: {type: str, required: true, description: "The VPC."}
  groups:
    type: list
    elements: dict
    required: true
    description: "The groups; C(default) is the one that EC2 makes with the VPC."
    suboptions:
      name: {type: str, required: true, description: "Name of the group."}
      description: {type: str, required: true, description: "What the group is for; EC2 never changes it."}
      ingress:
        type: list
        elements: dict
        default: []
        description: "All rules for what may come in."
        suboptions: &rule
          proto: {type: str, choices: [tcp, udp], default: tcp, description: "Protocol."}
          port: {type: int, required: true, description: "Port."}
          cidrs: {type: list, elements: str, description: "Address ranges of the other side."}
          group: {type: str, description: "Name of a group of the same VPC, to which the other side belongs."}
          description: {type: str, required: true, description: "What the rule is for."}
      egress:
        type: list
        elements: dict
        default: []
        description: "All rules for what may go out."
        suboptions: *rule
      tags: {type: dict, default: {}, description: "All tags of the group."}
extends_documentation_fragment: [pettracker.aws.module]
"""

EXAMPLES = r"""
- name: Let clients reach the balancer
  pettracker.aws.security_groups:
    vpc_id: vpc-0123456789abcdef0
    groups:
      - name: pettracker-dev-balancer
        description: Load balancer, open to clients
        ingress: [{port: 443, cidrs: [0.0.0.0/0], description: HTTPS from clients}]
"""

CUT_OFF = "Connections that a removed rule let through are cut off."


def run(module: Module) -> Result:
    """Compares each group, and corrects those that differ unless in check mode."""
    ec2, kind = module.client("ec2"), SecurityGroup()
    vpc_id = module.params["vpc_id"]
    unusable = [text for group in module.params["groups"] for text in unusable_texts(group)]
    if unusable:
        module.fail_json(msg=" ".join(unusable))
    described = {} if is_unknown(vpc_id) else kind.read(ec2, vpc_id)
    ids = {name: answers["DescribeSecurityGroups"]["GroupId"] for name, answers in described.items()}
    names = {group_id: name for name, group_id in ids.items()}
    wanted = {group["name"]: wanted_state(group) for group in module.params["groups"]}
    diffs, differing = [], []
    for name, state in wanted.items():
        answers = described.get(name, {})
        found = kind.named(answers, names) if answers else None
        if name == "default" and found is None:
            found = NEW_DEFAULT_GROUP  # it comes with the VPC
        as_wanted, found = as_set(state, found, kind.deviations(answers))
        fields = differences(as_wanted, found)
        if found and "description" in fields:
            module.fail_json(
                msg=f"The security group {name} is described as '{found['description']}', and EC2 cannot change that to "
                f"'{state['description']}': give the new one another name, or remove this one."
            )
        label = state["tags"].get("Name", name)
        closes = name in described and found and _closes(state, found)
        interrupts = {"ingress": CUT_OFF, "egress": CUT_OFF} if closes else {}
        diffs.append(as_diff(f"security group {label}", as_wanted, found, interrupts=interrupts))
        if fields:
            differing.append(name)
    if not module.check_mode and differing:
        made = {name: kind.make(ec2, vpc_id, name, wanted[name]) for name in differing if name not in described}
        if made:
            ids |= {name: answers["DescribeSecurityGroups"]["GroupId"] for name, answers in made.items()}
            new = [ids[name] for name in made]
            ec2.get_waiter("security_group_exists").wait(GroupIds=new, WaiterConfig=SOON)
        for name in differing:
            kind.correct(ec2, (described | made)[name], wanted[name], ids)
    managed = [ids[name] for name in wanted if name in ids]
    return {"changed": any_differ(diffs), "diff": diffs, "managed": {"security group": managed}, "nobodys": {}}


def _closes(wanted: dict[str, Any], found: dict[str, Any]) -> bool:
    return any(set(found[direction]) - set(wanted[direction]) for direction in ("ingress", "egress"))


if __name__ == "__main__":
    run_module(DOCUMENTATION, run, "Could not set up the security groups")
