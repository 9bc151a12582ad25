#!/usr/bin/python
"""Keeps the security groups of a VPC, with every rule, as they should be."""

from __future__ import annotations

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.pettracker.aws.plugins.module_utils.module import run_module
from ansible_collections.pettracker.aws.plugins.module_utils.propagation import SOON
from ansible_collections.pettracker.aws.plugins.module_utils.security_groups import (
    NEW_DEFAULT_GROUP,
    NEW_RULES,
    found_state,
    permission,
    rule_changes,
    single_rules,
    unusable_texts,
    wanted_state,
)
from ansible_collections.pettracker.aws.plugins.module_utils.state import (
    any_differ,
    as_diff,
    differences,
    is_unknown,
    tag_changes,
    tags_to_list,
)

DOCUMENTATION = r"""
module: security_groups
short_description: Keeps the security groups of a VPC as they should be
description:
  - Makes the groups first and their rules then, so that groups may refer to each other by name.
  - Unlike M(amazon.aws.ec2_security_group) it names each rule that differs, in check mode on an empty account as well. Rules
    that are not listed are removed. It never deletes a group.
options:
  vpc_id:
    description: The VPC.
    type: str
    required: true
  groups:
    description: The groups; C(default) is the one that EC2 makes with the VPC.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the group.
        type: str
        required: true
      description:
        description: What the group is for; EC2 never changes it.
        type: str
        required: true
      ingress:
        description: All rules for what may come in.
        type: list
        elements: dict
        default: []
        suboptions: &rule
          proto:
            description: Protocol.
            type: str
            choices: [tcp, udp]
            default: tcp
          port:
            description: Port.
            type: int
            required: true
          cidrs:
            description: Address ranges of the other side.
            type: list
            elements: str
          group:
            description: Name of a group of the same VPC, to which the other side belongs.
            type: str
          description:
            description: What the rule is for.
            type: str
            required: true
      egress:
        description: All rules for what may go out.
        type: list
        elements: dict
        default: []
        suboptions: *rule
      tags:
        description: All tags of the group.
        type: dict
        default: {}
extends_documentation_fragment: [amazon.aws.common.modules, amazon.aws.region.modules, amazon.aws.boto3]
author: PetTracker ML
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

RETURN = r"""
managed:
  description: Ids by kind, as M(pettracker.aws.owned_resources) calls them; `make drift` asks about those that no task names.
  returned: always
  type: dict
"""

CUT_OFF = "Connections that a removed rule let through are cut off."


def describe(ec2: Any, vpc_id: str) -> dict[str, dict[str, Any]]:
    """Returns the groups of a VPC as EC2 describes them, by name."""
    inside = [{"Name": "vpc-id", "Values": [vpc_id]}]
    pages = ec2.get_paginator("describe_security_groups").paginate(Filters=inside)
    return {group["GroupName"]: group for page in pages for group in page["SecurityGroups"]}


def create(ec2: Any, vpc_id: str, name: str, wanted: dict[str, Any]) -> dict[str, Any]:
    """Makes a group with its tags, and returns it as EC2 will describe it when it knows all of it.

    EC2 gives it a rule that lets everything out, which `correct` then removes.
    """
    tags = [{"ResourceType": "security-group", "Tags": tags_to_list(wanted["tags"])}] if wanted["tags"] else []
    answer = ec2.create_security_group(
        GroupName=name, Description=wanted["description"], VpcId=vpc_id, TagSpecifications=tags
    )
    made = {"GroupId": answer["GroupId"], "GroupName": name, "Description": wanted["description"]}
    return made | NEW_RULES | {"Tags": tags_to_list(wanted["tags"])}


def correct(ec2: Any, group: dict[str, Any], wanted: dict[str, Any], ids: dict[str, str]) -> None:
    """Makes the calls that correct the rules and tags of an existing group: what is missing first, then what is too much."""
    identity = group["GroupId"]
    names = {group_id: name for name, group_id in ids.items()}
    found = found_state(group, names)
    for direction, key in (("ingress", "IpPermissions"), ("egress", "IpPermissionsEgress")):
        present = {rule: alone for rule, _, alone in single_rules(group[key], direction, names)}
        added, removed, described = rule_changes(wanted[direction], found[direction])
        as_wanted = {rule: permission(rule, wanted[direction][rule], ids) for rule in added + described}
        if added:
            allow = getattr(ec2, f"authorize_security_group_{direction}")
            allow(GroupId=identity, IpPermissions=[as_wanted[rule] for rule in added])
        if described:
            describe_rules = getattr(ec2, f"update_security_group_rule_descriptions_{direction}")
            describe_rules(GroupId=identity, IpPermissions=[as_wanted[rule] for rule in described])
        if removed:
            refuse = getattr(ec2, f"revoke_security_group_{direction}")
            refuse(GroupId=identity, IpPermissions=[present[rule] for rule in removed])
    tags, gone = tag_changes(wanted["tags"], found["tags"])
    if tags:
        ec2.create_tags(Resources=[identity], Tags=tags_to_list(tags))
    if gone:
        ec2.delete_tags(Resources=[identity], Tags=[{"Key": key} for key in gone])


def run(module: AnsibleAWSModule) -> dict[str, Any]:
    """Compares each group, and corrects those that differ unless in check mode."""
    ec2 = module.client("ec2")
    vpc_id = module.params["vpc_id"]
    unusable = [text for group in module.params["groups"] for text in unusable_texts(group)]
    if unusable:
        module.fail_json(msg=" ".join(unusable))
    described = {} if is_unknown(vpc_id) else describe(ec2, vpc_id)
    names = {group["GroupId"]: name for name, group in described.items()}
    wanted = {group["name"]: wanted_state(group) for group in module.params["groups"]}
    diffs, differing = [], []
    for name, state in wanted.items():
        found = found_state(described[name], names) if name in described else None
        if name == "default" and found is None:
            found = NEW_DEFAULT_GROUP  # it comes with the VPC
        fields = differences(state, found)
        if found and "description" in fields:
            module.fail_json(
                msg=f"The security group {name} is described as '{found['description']}', and EC2 cannot change that to "
                f"'{state['description']}': give the new one another name, or remove this one."
            )
        label = state["tags"].get("Name", name)
        closes = name in described and found and _closes(state, found)
        interrupts = {"ingress": CUT_OFF, "egress": CUT_OFF} if closes else {}
        diffs.append(as_diff(f"security group {label}", state, found, interrupts=interrupts))
        if fields:
            differing.append(name)
    if not module.check_mode and differing:
        made = {name: create(ec2, vpc_id, name, wanted[name]) for name in differing if name not in described}
        if made:
            new = [group["GroupId"] for group in made.values()]
            ec2.get_waiter("security_group_exists").wait(GroupIds=new, WaiterConfig=SOON)
        described |= made
        ids = {name: group["GroupId"] for name, group in described.items()}
        for name in differing:
            correct(ec2, described[name], wanted[name], ids)
    managed = [described[name]["GroupId"] for name in wanted if name in described]
    return {"changed": any_differ(diffs), "diff": diffs, "managed": {"security group": managed}}


def _closes(wanted: dict[str, Any], found: dict[str, Any]) -> bool:
    return any(set(found[direction]) - set(wanted[direction]) for direction in ("ingress", "egress"))


def main() -> None:
    """Runs the module."""
    run_module(DOCUMENTATION, run, "Could not set up the security groups")


if __name__ == "__main__":
    main()
