#!/usr/bin/python

from typing import Any

from ..module_utils.module import Module, Result, run_module
from ..module_utils.state import error_code
from ..module_utils.vcpu_quotas import Need, advice, needs, page

DOCUMENTATION = r"""
module: vcpu_quotas
short_description: Compares EC2's quotas of vCPUs with what an environment may run at once
description:
  - A new account starts a handful of vCPUs, and a larger quota takes AWS hours to days. So it warns of each quota that is too
    small for everything at once, and says how to ask for a larger one. It changes nothing.
  - Only what cannot start at all is an error. A quota that may not be read, or that is not known, is a warning.
options:
  demands:
    type: list
    elements: dict
    required: true
    description: "What may run at once."
    suboptions:
      what: {type: str, required: true, description: "Whose instances these are, for the message."}
      instance_type: {type: str, required: true, description: "Type of the instances."}
      most: {type: int, required: true, description: "How many of them there may be at once."}
      least: {type: int, default: 0, description: "How many of them there are at least."}
      spot_percentage: {type: int, default: 0, description: "Percentage of those above O(demands[].on_demand_base) on Spot."}
      on_demand_base: {type: int, default: 0, description: "How many are On-Demand whatever the share."}
  refuse: {type: bool, default: true, description: "Whether a quota that is too small for O(demands[].least) is an error."}
extends_documentation_fragment: [pettracker.aws.module]
"""

EXAMPLES = r"""
- name: Look whether the account lets the fleet grow
  pettracker.aws.vcpu_quotas:
    demands: [{what: the fleet, instance_type: c5.large, least: 2, most: 11}]
"""

RETURN = r"""
advice: {type: list, elements: str, returned: always, description: "A sentence for each quota that is too small."}
"""

# The quota cannot be read by this role, or the region has none of it.
UNREADABLE = ("AccessDeniedException", "NoSuchResourceException")


def vcpus_of(ec2: Any, types: list[str]) -> dict[str, int]:
    """Asks EC2 how many vCPUs each type has."""
    described = ec2.describe_instance_types(InstanceTypes=types)["InstanceTypes"]
    return {each["InstanceType"]: each["VCpuInfo"]["DefaultVCpus"] for each in described}


def compare(module: Module, need: Need) -> list[str]:
    """Returns the advice about one quota; fails the module where it is too small for the least."""
    region = module.region
    try:
        quota = module.client("service-quotas").get_service_quota(ServiceCode="ec2", QuotaCode=need.code)["Quota"]
    except Exception as error:
        if error_code(error) not in UNREADABLE:
            raise
        return [
            f"The quota {need.code} of EC2 in {region} could not be read ({error_code(error)}); this environment may run "
            f"{need.most} vCPUs of it at once: look at {page(need.code, region)}."
        ]
    said = advice(need, quota["QuotaName"], quota["Value"], region)
    if said and module.params["refuse"] and quota["Value"] < need.least:
        module.fail_json(msg=f"Not even the smallest fleet, {need.least} vCPUs, can start. {said}")
    return [said] if said else []


def run(module: Module) -> Result:
    """Returns the result, with a warning for each quota that is too small."""
    demands = [demand for demand in module.params["demands"] if demand["most"]]
    types = sorted({demand["instance_type"] for demand in demands})
    vcpus = vcpus_of(module.client("ec2"), types) if types else {}
    found = [sentence for need in needs(demands, vcpus) for sentence in compare(module, need)]
    for sentence in found:
        module.warn(sentence)
    return {"changed": False, "advice": found}


if __name__ == "__main__":
    run_module(DOCUMENTATION, run, "Could not compare the quotas")
