#!/usr/bin/python

from ..module_utils.kinds.keeping import keep
from ..module_utils.kinds.log_group import LogGroup
from ..module_utils.module import Module, Result, run_module

DOCUMENTATION = r"""
module: log_groups
short_description: Keeps a list of CloudWatch log groups as they should be
description:
  - Makes and corrects log groups, all of them in one task.
  - Unlike M(amazon.aws.cloudwatchlogs_log_group) it returns a difference, and changes the key of a group without making it
    anew. It never deletes a log group.
options:
  groups:
    type: list
    elements: dict
    required: true
    description: "The log groups."
    suboptions:
      name: {type: str, required: true, description: "Name of the log group."}
      retention_days: {type: int, required: true, description: "Days for which logs are kept."}
      kms_key_id: {type: str, description: "ARN of the key that encrypts the logs; the log service's own when it is missing."}
      tags: {type: dict, default: {}, description: "All tags of the log group."}
extends_documentation_fragment: [pettracker.aws.module]
"""

EXAMPLES = r"""
- name: Keep the service's logs for two weeks
  pettracker.aws.log_groups:
    groups:
      - {name: /pettracker/dev/ml-server, retention_days: 14}
"""


def run(module: Module) -> Result:
    """Compares each log group, and corrects those that differ unless in check mode."""
    return keep(module, LogGroup(), {group["name"]: group for group in module.params["groups"]})


if __name__ == "__main__":
    run_module(DOCUMENTATION, run, "Could not set up the log groups", no_log={"kms_key_id": False})
