#!/usr/bin/python
"""Lists or removes everything that belongs to one environment."""

from __future__ import annotations

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.pettracker.aws.plugins.module_utils.module import run_module
from ansible_collections.pettracker.aws.plugins.module_utils.owned_resources import listed, remove

DOCUMENTATION = r"""
module: owned_resources
short_description: Lists or removes everything that belongs to one environment
description:
  - Finds resources by the tags that this project puts on everything, whether or not a variable still mentions them, and removes
    them in the order in which they depend on each other.
  - Waits until each kind is gone, and fails when something is left.
options:
  tags:
    description: Tags that a resource must carry, all of them.
    type: dict
    required: true
  state:
    description: Whether to list or to remove.
    type: str
    choices: [listed, absent]
    default: listed
  keep:
    description: Kinds that are neither listed nor removed, such as C(bucket).
    type: list
    elements: str
    default: []
    choices:
      - Auto Scaling group
      - instance
      - launch template
      - load balancer
      - target group
      - certificate
      - alarm
      - image
      - snapshot
      - volume
      - VPC endpoint
      - flow log
      - NAT gateway
      - address
      - rules of a security group
      - security group
      - route table
      - subnet
      - network ACL
      - internet gateway
      - VPC
      - instance profile
      - role
      - log group
      - parameter
      - bucket
      - budget
  wait_timeout:
    description: Seconds after which the removal is given up; a NAT gateway takes minutes.
    type: int
    default: 900
extends_documentation_fragment: [amazon.aws.common.modules, amazon.aws.region.modules, amazon.aws.boto3]
author: PetTracker ML
"""

EXAMPLES = r"""
- name: See what there is
  pettracker.aws.owned_resources:
    tags: {Project: pettracker, Environment: dev}
"""

RETURN = r"""
resources:
  description: Ids of the resources by kind, as they were before the task.
  returned: always
  type: dict
"""


def run(module: AnsibleAWSModule) -> dict[str, Any]:
    """Lists, and removes unless in check mode."""
    clients: dict[str, Any] = {}

    def client(service: str) -> Any:
        if service not in clients:
            clients[service] = module.client(service)
        return clients[service]

    tags, kept = module.params["tags"], frozenset(module.params["keep"])
    found = listed(client, tags, kept)
    result: dict[str, Any] = {"changed": False, "resources": found}
    if module.params["state"] == "listed" or not found:
        return result
    if not module.check_mode:
        left = remove(client, tags, kept, module.params["wait_timeout"])
        if left:
            module.fail_json(msg=f"These could not be removed in time; run the same again: {left}", resources=left)
    return result | {"changed": True, "diff": {"before": found, "after": {}}}


def main() -> None:
    """Runs the module."""
    run_module(DOCUMENTATION, run, "Could not list or remove the environment's resources")


if __name__ == "__main__":
    main()
