#!/usr/bin/python

from typing import Any

from ..module_utils.module import Module, Result, run_module
from ..module_utils.network.client import Network
from ..module_utils.network.parts import KINDS, label
from ..module_utils.state import any_differ, as_diff, differences

DOCUMENTATION = r"""
module: vpc_network
short_description: Keeps a VPC with its subnets, gateways, routes, network ACL and S3 endpoint as it should be
description:
  - A public and a private tier of subnets over several zones, an internet gateway, NAT gateways with addresses of their own, a
    route table for the public subnets and one for each NAT gateway, and a gateway endpoint for S3. The subnets keep the VPC's
    default network ACL, open as AWS makes it.
  - Unlike the modules of amazon.aws it compares all of it in one task, names each field that differs, and does so in check mode
    on an empty account as well. It deletes neither the VPC nor a subnet nor a gateway.
options:
  name: {type: str, required: true, description: "Name of the VPC, and the first part of the names of everything in it."}
  cidr: {type: str, required: true, description: "Address range of the VPC."}
  public_subnets:
    type: list
    elements: dict
    required: true
    description: "Subnets with a route to the internet gateway, at most one for each zone."
    suboptions: &subnet
      zone: {type: str, required: true, description: "Availability zone."}
      cidr: {type: str, required: true, description: "Address range, inside the VPC's."}
  private_subnets:
    type: list
    elements: dict
    required: true
    description: "Subnets that reach the internet through NAT, at most one for each zone."
    suboptions: *subnet
  nat_zones: {type: list, elements: str, required: true, description: "Zones with a NAT gateway; one can serve them all."}
  tags: {type: dict, default: {}, description: "Tags of everything, to which C(Name) and, on subnets, C(Tier) are added."}
extends_documentation_fragment: [pettracker.aws.module]
"""

EXAMPLES = r"""
- name: Keep the network
  pettracker.aws.vpc_network:
    name: pettracker-dev
    cidr: 10.0.0.0/16
    public_subnets: [{zone: us-east-1a, cidr: 10.0.1.0/24}, {zone: us-east-1b, cidr: 10.0.2.0/24}]
    private_subnets: [{zone: us-east-1a, cidr: 10.0.11.0/24}, {zone: us-east-1b, cidr: 10.0.12.0/24}]
    nat_zones: [us-east-1a]
"""

RETURN = r"""
vpc_id: {type: str, returned: when it exists, description: "The VPC."}
"""


def run(module: Module) -> Result:
    """Compares every part of the network, and acts on differences unless in check mode."""
    network = Network(module.client("ec2"), module.region, module.params)
    problem = network.read()
    if problem:
        module.fail_json(msg=problem)
    diffs = []
    for part, state in network.wanted.items():
        present = network.found.get(part)
        fields = differences(state, present)
        kind = KINDS[part[0]]
        for field in kind.fixed:
            if present and field in fields:
                module.fail_json(
                    msg=f"The {label(part)} has the {field} {present[field]} and should have {state[field]}, which AWS cannot "
                    "change: give the new one another name or range, or take the environment down with playbooks/destroy.yml."
                )
        diffs.append(as_diff(label(part), state, present, interrupts=kind.interrupts))
    if any_differ(diffs) and not module.check_mode:
        network.apply()
    managed: dict[str, list[str]] = {}
    for (name, _), identity in network.ids.items():
        managed.setdefault(name, []).append(identity)
    result: dict[str, Any] = {"changed": any_differ(diffs), "diff": diffs, "managed": managed, "nobodys": network.nobodys()}
    return result | ({"vpc_id": network.vpc_id} if network.ids else {})


if __name__ == "__main__":
    run_module(DOCUMENTATION, run, "Could not set up the network")
