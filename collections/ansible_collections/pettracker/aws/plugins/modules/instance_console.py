#!/usr/bin/python

from typing import Any

import botocore.exceptions

from ..module_utils.kinds.finding import pages
from ..module_utils.module import Module, Result, run_module

DOCUMENTATION = r"""
module: instance_console
short_description: Reads what instances have written on their consoles
description:
  - Where a host could never be entered, this is all that tells why. It holds what its user data said.
  - EC2 keeps it for an hour after an instance has ended.
options:
  filters: {type: dict, required: true, description: "Filters of C(DescribeInstances) that choose the instances."}
  lines: {type: int, default: 20, description: "How many of the last lines to return."}
extends_documentation_fragment: [pettracker.aws.module]
"""

EXAMPLES = r"""
- name: Read what the builder said
  pettracker.aws.instance_console:
    filters: {"tag:Role": builder, instance-state-name: running}
"""

RETURN = r"""
consoles: {type: dict, returned: always, description: "The last lines by instance id, of instances that have written any."}
"""


def console(ec2: Any, instance_id: str) -> list[str]:
    """Returns the lines of an instance's console. Raises botocore's errors."""
    try:
        answer = ec2.get_console_output(InstanceId=instance_id, Latest=True)
    except botocore.exceptions.ClientError as error:
        # Only instances on Nitro have the latest: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_GetConsoleOutput.html
        if error.response["Error"]["Code"] != "UnsupportedOperation":
            raise
        answer = ec2.get_console_output(InstanceId=instance_id)
    return [line for line in (answer.get("Output") or "").splitlines() if line.strip()]  # botocore has decoded it


def consoles(ec2: Any, wanted: dict[str, Any], lines: int) -> dict[str, list[str]]:
    """Returns the last lines of each instance that `wanted` finds and that has written any. Raises botocore's errors."""
    filters = [{"Name": name, "Values": value if isinstance(value, list) else [value]} for name, value in wanted.items()]
    reservations = pages(ec2, "describe_instances", "Reservations", Filters=filters)
    found = [one["InstanceId"] for group in reservations for one in group["Instances"]]
    said = {instance_id: console(ec2, instance_id)[-lines:] for instance_id in found}
    return {instance_id: last for instance_id, last in said.items() if last}


def run(module: Module) -> Result:
    found = consoles(module.client("ec2"), module.params["filters"], module.params["lines"])
    return {"changed": False, "consoles": found}


if __name__ == "__main__":
    run_module(DOCUMENTATION, run, "Could not read the consoles")
