#!/usr/bin/python

from ..module_utils.kinds.instance_profile import InstanceProfile
from ..module_utils.kinds.keeping import keep
from ..module_utils.kinds.role import Role
from ..module_utils.module import Module, Result, run_module

DOCUMENTATION = r"""
module: iam_roles
short_description: Keeps a list of IAM roles as they should be
description:
  - Makes and corrects roles with their trust, all their policies, and the instance profile of the same name, in one task.
  - Unlike M(amazon.aws.iam_role) and M(amazon.aws.iam_policy) it looks at a role as a whole, so that a policy that somebody
    added is removed, and returns a difference. It deletes no role.
options:
  roles:
    type: list
    elements: dict
    required: true
    description: "The roles."
    suboptions:
      name: {type: str, required: true, description: "Name of the role, and of its instance profile."}
      description: {type: str, required: true, description: "What the role is for."}
      trust: {type: dict, required: true, description: "The policy that says who may assume the role."}
      managed_policies: {type: list, elements: str, default: [], description: "ARNs of all policies that are attached."}
      inline_policies: {type: dict, default: {}, description: "All inline policies, by their names."}
      permissions_boundary: {type: str, default: "", description: "ARN of the policy that bounds the role's own, if any."}
      session_seconds: {type: int, default: 3600, description: "How long a session may last at most, in seconds."}
      instance_profile: {type: bool, default: false, description: "Whether there is an instance profile for it."}
      tags: {type: dict, default: {}, description: "All tags of the role and of its instance profile."}
extends_documentation_fragment: [pettracker.aws.module]
"""

EXAMPLES = r"""
- name: Let image builders be reached by Session Manager
  pettracker.aws.iam_roles:
    roles:
      - name: pettracker-dev-builder
        description: Image builders
        trust: "{{ trust_of_ec2 }}"
        managed_policies: ["arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"]
        instance_profile: true
"""


def run(module: Module) -> Result:
    """Compares each role and profile, and corrects those that differ unless in check mode."""
    entries = {role["name"]: role for role in module.params["roles"]}
    roles = keep(module, Role(), entries)
    profiles = keep(module, InstanceProfile(), {name: role for name, role in entries.items() if role["instance_profile"]})
    return {
        "changed": roles["changed"] or profiles["changed"],
        "diff": roles["diff"] + profiles["diff"],
        "managed": roles["managed"] | profiles["managed"],
        "nobodys": roles["nobodys"] | profiles["nobodys"],
    }


if __name__ == "__main__":
    run_module(DOCUMENTATION, run, "Could not set up the roles")
