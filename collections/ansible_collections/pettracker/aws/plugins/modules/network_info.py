#!/usr/bin/python

from typing import Any

from ..module_utils.module import Module, Result, run_module
from ..module_utils.state import tags_to_dict

DOCUMENTATION = r"""
module: network_info
short_description: Finds the network of one environment
description:
  - Finds the VPC by its C(Name) tag, its subnets by their C(Tier) tag and its security groups by their names, in one task.
  - Fails with the command to run when the network is not there.
options:
  name: {type: str, required: true, description: "The C(Name) tag of the VPC."}
  required: {type: bool, default: true, description: "Whether a missing network is an error; otherwise every value is empty."}
extends_documentation_fragment: [pettracker.aws.module]
"""

EXAMPLES = r"""
- name: Find the network
  pettracker.aws.network_info:
    name: pettracker-dev
"""

RETURN = r"""
vpc_id: {type: str, returned: always, description: "The VPC."}
public_subnet_ids: {type: list, elements: str, returned: always, description: "Subnets tagged C(Tier=public), by zone."}
private_subnet_ids: {type: list, elements: str, returned: always, description: "Subnets tagged C(Tier=private), by zone."}
security_group_ids: {type: dict, returned: always, description: "Ids of the VPC's security groups by group name."}
"""


def subnet_ids(subnets: list[dict[str, Any]], tier: str) -> list[str]:
    """Returns the ids of a tier's subnets, ordered by zone and then by address."""
    chosen = [subnet for subnet in subnets if tags_to_dict(subnet.get("Tags", [])).get("Tier") == tier]
    ordered = sorted(chosen, key=lambda subnet: (subnet["AvailabilityZone"], subnet.get("CidrBlock", "")))
    return [subnet["SubnetId"] for subnet in ordered]


def describe(ec2: Any, name: str) -> dict[str, Any] | str:
    """Returns the network called `name`, or a sentence that says what is wrong with it."""
    vpcs = ec2.describe_vpcs(Filters=[{"Name": "tag:Name", "Values": [name]}])["Vpcs"]
    if not vpcs:
        return f"There is no VPC named {name}: run playbooks/network.yml for this environment first."
    if len(vpcs) > 1:
        ids = ", ".join(vpc["VpcId"] for vpc in vpcs)
        return f"The VPCs {ids} are all named {name}: rename or remove those that this project did not make."
    inside = [{"Name": "vpc-id", "Values": [vpcs[0]["VpcId"]]}]
    subnets = ec2.describe_subnets(Filters=inside)["Subnets"]
    groups = ec2.describe_security_groups(Filters=inside)["SecurityGroups"]
    return {
        "vpc_id": vpcs[0]["VpcId"],
        "public_subnet_ids": subnet_ids(subnets, "public"),
        "private_subnet_ids": subnet_ids(subnets, "private"),
        "security_group_ids": {group["GroupName"]: group["GroupId"] for group in groups},
    }


def run(module: Module) -> Result:
    """Returns the result; fails the module when there is no network and there has to be one."""
    network = describe(module.client("ec2"), module.params["name"])
    if isinstance(network, str):
        if module.params["required"]:
            module.fail_json(msg=network)
        network = {"vpc_id": "", "public_subnet_ids": [], "private_subnet_ids": [], "security_group_ids": {}}
    return {"changed": False} | network


if __name__ == "__main__":
    run_module(DOCUMENTATION, run, "Could not find the network")
