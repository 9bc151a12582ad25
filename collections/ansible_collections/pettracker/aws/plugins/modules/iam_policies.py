#!/usr/bin/python

from ..module_utils.kinds.keeping import keep
from ..module_utils.kinds.policy import Policy
from ..module_utils.module import Module, Result, run_module

DOCUMENTATION = r"""
module: iam_policies
short_description: Keeps a list of managed policies of IAM as they should be
description:
  - Makes and corrects managed policies of the account. Each has one version, the one that is in force.
  - Unlike M(amazon.aws.iam_managed_policy) it asks for a policy by its ARN, where that one reads the list of all policies that
    there are, AWS's 1,400 included, and it returns a difference. It deletes no policy.
options:
  policies:
    type: list
    elements: dict
    required: true
    description: "The policies."
    suboptions:
      arn: {type: str, required: true, description: "ARN of the policy, with its name."}
      description: {type: str, required: true, description: "What a new policy is for. IAM cannot change it afterwards."}
      document: {type: dict, required: true, description: "What the policy says."}
      tags: {type: dict, default: {}, description: "All tags of the policy."}
extends_documentation_fragment: [pettracker.aws.module]
"""

EXAMPLES = r"""
- name: Bound what hosts can do
  pettracker.aws.iam_policies:
    policies:
      - arn: arn:aws:iam::123456789012:policy/pettracker-dev-boundary
        description: The most that hosts can do
        document: "{{ lookup('ansible.builtin.template', 'boundary.json.j2') | from_json }}"
"""


def run(module: Module) -> Result:
    """Compares each policy, and corrects those that differ unless in check mode."""
    return keep(module, Policy(), {policy["arn"]: policy for policy in module.params["policies"]})


if __name__ == "__main__":
    run_module(DOCUMENTATION, run, "Could not set up the policies")
