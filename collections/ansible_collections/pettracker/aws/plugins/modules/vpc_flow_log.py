#!/usr/bin/python

from typing import Any

from ..module_utils.kinds.ec2 import correct_tags
from ..module_utils.kinds.flow_log import FlowLog
from ..module_utils.kinds.kind import as_set
from ..module_utils.module import Module, Result, run_module
from ..module_utils.state import as_diff, differences

DOCUMENTATION = r"""
module: vpc_flow_log
short_description: Sends the flow logs of a VPC to a log group
description:
  - Keeps exactly one flow log of a VPC to CloudWatch Logs. The collections that Ansible brings have no module for it.
  - A flow log cannot be changed, apart from its tags; a different one replaces it.
options:
  vpc_id: {type: str, required: true, description: "The VPC."}
  name: {type: str, description: "What differences call it; the VPC's id where it is missing."}
  log_group: {type: str, required: true, description: "Name of the log group."}
  role_arn: {type: str, required: true, description: "ARN of the role that writes to the log group."}
  traffic_type: {type: str, choices: [ACCEPT, REJECT, ALL], default: ALL, description: "Which traffic is recorded."}
  aggregation_seconds: {type: int, choices: [60, 600], default: 600, description: "Longest time of one record."}
  tags: {type: dict, default: {}, description: "All tags of the flow log."}
extends_documentation_fragment: [pettracker.aws.module]
"""

EXAMPLES = r"""
- name: Record what is accepted and rejected
  pettracker.aws.vpc_flow_log:
    vpc_id: vpc-0123456789abcdef0
    log_group: /aws/vpc/pettracker-dev
    role_arn: arn:aws:iam::123456789012:role/pettracker-dev-flow-logs
"""

RETURN = r"""
flow_log_id: {type: str, returned: when it exists, description: "The flow log."}
"""


def run(module: Module) -> Result:
    """Compares, and acts on a difference unless in check mode."""
    ec2, kind = module.client("ec2"), FlowLog()
    vpc_id = module.params["vpc_id"]
    answers, others = kind.of_vpc(ec2, vpc_id, kind.wanted(module.params))
    found = kind.state(answers) if answers else None
    wanted, found = as_set(kind.wanted(module.params), found, kind.deviations(answers) if answers else [])
    fields = differences(wanted, found)
    name = module.params.get("name") or vpc_id
    diff = as_diff(f"flow log {name}", wanted, found, replacing=set(wanted) - {"tags"})
    nobodys = {"flow log": [f"{name}/{other}" for other in others]} if others else {}
    result: dict[str, Any] = {"changed": bool(fields), "diff": diff, "nobodys": nobodys}
    identity = str(answers["DescribeFlowLogs"]["FlowLogId"]) if answers else ""
    if fields and not module.check_mode:
        if found and fields == ["tags"]:
            correct_tags(ec2, identity, wanted["tags"], found["tags"])
        else:
            if identity:
                ec2.delete_flow_logs(FlowLogIds=[identity])
            identity = kind.make(ec2, vpc_id, wanted)
    return result | ({"flow_log_id": identity, "managed": {"flow log": [identity]}} if identity else {})


if __name__ == "__main__":
    run_module(DOCUMENTATION, run, "Could not set up the flow log")
