#!/usr/bin/python
"""Keeps a list of IAM roles, their policies and their instance profiles as they should be."""

from __future__ import annotations

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.pettracker.aws.plugins.module_utils.iam_roles import (
    apply_profile,
    apply_role,
    found_profile,
    found_role,
    wanted_profile,
    wanted_role,
)
from ansible_collections.pettracker.aws.plugins.module_utils.module import run_module
from ansible_collections.pettracker.aws.plugins.module_utils.state import any_differ, as_diff, differences

DOCUMENTATION = r"""
module: iam_roles
short_description: Keeps a list of IAM roles as they should be
description:
  - Makes and corrects roles with their trust, their inline policies, the managed policies that are attached to them, and the
    instance profile of the same name, all of them in one task.
  - Unlike M(amazon.aws.iam_role) and M(amazon.aws.iam_policy) it looks at a role as a whole, so that a policy that somebody
    added is removed, and returns a difference. It deletes no role.
options:
  roles:
    description: The roles.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the role, and of its instance profile.
        type: str
        required: true
      description:
        description: What the role is for.
        type: str
        required: true
      trust:
        description: The policy that says who may assume the role.
        type: dict
        required: true
      managed_policies:
        description: ARNs of all policies that are attached.
        type: list
        elements: str
        default: []
      inline_policies:
        description: All inline policies, by their names.
        type: dict
        default: {}
      permissions_boundary:
        description: ARN of the policy beyond which no policy of the role goes; none where empty.
        type: str
        default: ""
      session_seconds:
        description: How long a session may last at most, in seconds.
        type: int
        default: 3600
      instance_profile:
        description: Whether there is an instance profile for it.
        type: bool
        default: false
      tags:
        description: All tags of the role and of its instance profile.
        type: dict
        default: {}
extends_documentation_fragment: [amazon.aws.common.modules, amazon.aws.region.modules, amazon.aws.boto3]
author: PetTracker ML
"""

EXAMPLES = r"""
- name: Let image builders be reached by Session Manager
  pettracker.aws.iam_roles:
    roles:
      - name: pettracker-dev-builder
        description: Image builders
        trust:
          Version: "2012-10-17"
          Statement: [{Effect: Allow, Principal: {Service: ec2.amazonaws.com}, Action: "sts:AssumeRole"}]
        managed_policies: ["arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"]
        instance_profile: true
"""

RETURN = r"""
managed:
  description: Ids by kind, as M(pettracker.aws.owned_resources) calls them; `make drift` asks about those that no task names.
  returned: always
  type: dict
"""

LOSES = "Hosts that have the role lose or gain permissions at once."
INTERRUPTS = {"trust": LOSES, "inline_policies": LOSES, "managed_policies": LOSES, "permissions_boundary": LOSES}


def run(module: AnsibleAWSModule) -> dict[str, Any]:
    """Compares each role and profile, and corrects those that differ unless in check mode."""
    client = module.client("iam")
    diffs = []
    for role in module.params["roles"]:
        name = role["name"]
        wanted, found = wanted_role(role), found_role(client, name)
        diffs.append(as_diff(f"role {name}", wanted, found, interrupts=INTERRUPTS))
        if differences(wanted, found) and not module.check_mode:
            apply_role(client, role, wanted, found)
        if not role["instance_profile"]:
            continue
        wanted, found = wanted_profile(role), found_profile(client, name)
        diffs.append(as_diff(f"instance profile {name}", wanted, found, interrupts={"role": LOSES}))
        if differences(wanted, found) and not module.check_mode:
            apply_profile(client, name, wanted, found)
    managed = {
        "role": [role["name"] for role in module.params["roles"]],
        "instance profile": [role["name"] for role in module.params["roles"] if role["instance_profile"]],
    }
    return {"changed": any_differ(diffs), "diff": diffs, "managed": managed}


def main() -> None:
    """Runs the module."""
    run_module(DOCUMENTATION, run, "Could not set up the roles")


if __name__ == "__main__":
    main()
