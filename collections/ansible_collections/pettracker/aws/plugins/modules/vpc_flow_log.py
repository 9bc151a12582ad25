#!/usr/bin/python
"""Sends the flow logs of a VPC to a log group."""

from __future__ import annotations

from functools import partial
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.pettracker.aws.plugins.module_utils.module import run_module
from ansible_collections.pettracker.aws.plugins.module_utils.propagation import NEW_ID, NEW_ROLE, once_known
from ansible_collections.pettracker.aws.plugins.module_utils.state import (
    as_diff,
    differences,
    tags_to_dict,
    tags_to_list,
)

DOCUMENTATION = r"""
module: vpc_flow_log
short_description: Sends the flow logs of a VPC to a log group
description:
  - Keeps exactly one flow log of a VPC to CloudWatch Logs. The collections that Ansible brings have no module for it.
  - A flow log cannot be changed, apart from its tags; a different one replaces it.
options:
  vpc_id:
    description: The VPC.
    type: str
    required: true
  name:
    description: What differences call it; the VPC's id where it is missing.
    type: str
  log_group:
    description: Name of the log group.
    type: str
    required: true
  role_arn:
    description: ARN of the role that writes to the log group.
    type: str
    required: true
  traffic_type:
    description: Which traffic is recorded.
    type: str
    choices: [ACCEPT, REJECT, ALL]
    default: ALL
  aggregation_seconds:
    description: Longest time over which a flow is captured into one record, in seconds.
    type: int
    choices: [60, 600]
    default: 600
  tags:
    description: All tags of the flow log.
    type: dict
    default: {}
extends_documentation_fragment: [amazon.aws.common.modules, amazon.aws.region.modules, amazon.aws.boto3]
author: PetTracker ML
"""

EXAMPLES = r"""
- name: Record what is accepted and rejected
  pettracker.aws.vpc_flow_log:
    vpc_id: vpc-0123456789abcdef0
    log_group: /aws/vpc/pettracker-dev
    role_arn: arn:aws:iam::123456789012:role/pettracker-dev-flow-logs
"""

RETURN = r"""
flow_log_id:
  description: The flow log.
  returned: when it exists
  type: str
managed:
  description: Ids by kind, as M(pettracker.aws.owned_resources) calls them; `make drift` asks about those that no task names.
  returned: when it exists
  type: dict
"""


def wanted_state(parameters: dict[str, Any]) -> dict[str, Any]:
    """Returns the module's parameters in the fields of `found_state`."""
    return {
        "log_group": parameters["log_group"],
        "role_arn": parameters["role_arn"],
        "traffic_type": parameters["traffic_type"],
        "aggregation_seconds": parameters["aggregation_seconds"],
        "tags": parameters["tags"],
    }


def found_state(flow_log: dict[str, Any]) -> dict[str, Any]:
    """Returns one entry of EC2's DescribeFlowLogs in the fields that this module owns."""
    return {
        "log_group": flow_log.get("LogGroupName"),
        "role_arn": flow_log.get("DeliverLogsPermissionArn"),
        "traffic_type": flow_log["TrafficType"],
        "aggregation_seconds": flow_log.get("MaxAggregationInterval", 600),
        "tags": tags_to_dict(flow_log.get("Tags", [])),
    }


def made_by(answer: dict[str, Any]) -> str:
    """Returns the id of the flow log that was made; what EC2 says of the VPC stands in the answer, and is no error of the call.

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateFlowLogs.html
    """
    for refused in answer.get("Unsuccessful", []):
        error = refused["Error"]
        raise RuntimeError(f"EC2 refused {refused.get('ResourceId')}: {error['Code']}: {error['Message']}")
    return str(answer["FlowLogIds"][0])


def run(module: AnsibleAWSModule) -> dict[str, Any]:
    """Compares, and acts on a difference unless in check mode."""
    ec2 = module.client("ec2")
    vpc_id = module.params["vpc_id"]
    wanted = wanted_state(module.params)
    flow_logs = [
        log
        for log in ec2.describe_flow_logs(Filters=[{"Name": "resource-id", "Values": [vpc_id]}])["FlowLogs"]
        if log.get("LogDestinationType", "cloud-watch-logs") == "cloud-watch-logs"
    ]
    flow_log = flow_logs[0] if flow_logs else None
    found = found_state(flow_log) if flow_log else None
    fields = differences(wanted, found)
    diff = as_diff(f"flow log {module.params.get('name') or vpc_id}", wanted, found, replacing=set(wanted) - {"tags"})
    result: dict[str, Any] = {"changed": bool(fields), "diff": diff}
    if flow_log:
        result |= {"flow_log_id": flow_log["FlowLogId"], "managed": {"flow log": [flow_log["FlowLogId"]]}}
    if not fields or module.check_mode:
        return result
    if flow_log and fields == ["tags"]:
        gone = [{"Key": key} for key in found_state(flow_log)["tags"] if key not in wanted["tags"]]
        if gone:
            ec2.delete_tags(Resources=[flow_log["FlowLogId"]], Tags=gone)
        ec2.create_tags(Resources=[flow_log["FlowLogId"]], Tags=tags_to_list(wanted["tags"]))
        return result
    if flow_log:
        ec2.delete_flow_logs(FlowLogIds=[flow_log["FlowLogId"]])
    create = partial(
        ec2.create_flow_logs,
        ResourceIds=[vpc_id],
        ResourceType="VPC",
        TrafficType=wanted["traffic_type"],
        LogDestinationType="cloud-watch-logs",
        LogGroupName=wanted["log_group"],
        DeliverLogsPermissionArn=wanted["role_arn"],
        MaxAggregationInterval=wanted["aggregation_seconds"],
        TagSpecifications=[{"ResourceType": "vpc-flow-log", "Tags": tags_to_list(wanted["tags"])}],
    )
    made = once_known(lambda: made_by(create()), NEW_ROLE, NEW_ID)
    return result | {"flow_log_id": made, "managed": {"flow log": [made]}}


def main() -> None:
    """Runs the module."""
    run_module(DOCUMENTATION, run, "Could not set up the flow log")


if __name__ == "__main__":
    main()
