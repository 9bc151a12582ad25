#!/usr/bin/python
"""Judges new hosts by what was seen on them, on old hosts, and by the state of alarms."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.judge import Limits, judge
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

DOCUMENTATION = r"""
module: rollout_verdict
short_description: Judges new hosts
description:
  - Reads the alarms and applies the rules of C(module_utils/judge.py). It changes nothing.
options:
  alarms:
    description: Names of the alarms of which none may ring.
    type: list
    elements: str
    required: true
  required:
    description: Those without whose data nothing is promoted.
    type: list
    elements: str
    default: []
  new:
    description: What was seen on each new host.
    type: list
    elements: dict
    required: true
  old:
    description: What was seen on each old host.
    type: list
    elements: dict
    required: true
  digest:
    description: Digest of the model that new hosts have to serve.
    type: str
    required: true
  must_compare:
    description: Whether there is no promotion without an old host to compare with.
    type: bool
    default: true
  through:
    description: >-
      What came of requests that only new hosts should have got, as M(balancer_answers) returns it; empty where nothing was
      sent.
    type: dict
    default: {}
  alpha:
    description: Probability at which chance is no explanation any more.
    type: float
    default: 0.01
  minimum_requests:
    description: Requests of each side that a promotion needs.
    type: int
    default: 20
  slowdown:
    description: Ratio of new to old latencies from which new hosts are slow.
    type: float
    default: 1.2
  slow_share:
    description: Share of live answers from which slow ones matter.
    type: float
    default: 0.05
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
author: PetTracker ML
"""

EXAMPLES = r"""
- name: Judge the canary
  rollout_verdict:
    alarms: [pettracker-dev-rollout-abandoned]
    new: "{{ evidence_of_new_hosts }}"
    old: "{{ evidence_of_old_hosts }}"
    digest: "{{ model_digest }}"
"""

RETURN = r"""
verdict:
  description: V(promote), V(hold) or V(reject).
  returned: always
  type: str
reasons:
  description: Sentences.
  returned: always
  type: list
  elements: str
alarms:
  description: States of the alarms by name.
  returned: always
  type: dict
"""


def alarm_states(client: Any, names: list[str]) -> dict[str, str]:
    """Returns the state of each alarm that there is, of either type."""
    if not names:
        return {}
    pages = client.get_paginator("describe_alarms").paginate(
        AlarmNames=names, AlarmTypes=["MetricAlarm", "CompositeAlarm"]
    )
    return {
        alarm["AlarmName"]: alarm["StateValue"]
        for page in pages
        for alarm in page.get("MetricAlarms", []) + page.get("CompositeAlarms", [])
    }


def run(module: AnsibleAWSModule) -> dict[str, Any]:
    """Returns the result."""
    parameters = module.params
    states = alarm_states(module.client("cloudwatch"), parameters["alarms"])
    verdict, reasons = judge(
        states,
        parameters["required"],
        parameters["new"],
        parameters["old"],
        parameters["digest"],
        limits=Limits(**{name: parameters[name] for name in ("alpha", "minimum_requests", "slowdown", "slow_share")}),
        must_compare=parameters["must_compare"],
        through=parameters["through"],
    )
    return {"changed": False, "verdict": verdict, "reasons": reasons, "alarms": states}


def main() -> None:
    """Runs the module."""
    module = AnsibleAWSModule(
        argument_spec={
            "alarms": {"type": "list", "elements": "str", "required": True},
            "required": {"type": "list", "elements": "str", "default": []},
            "new": {"type": "list", "elements": "dict", "required": True},
            "old": {"type": "list", "elements": "dict", "required": True},
            "digest": {"type": "str", "required": True},
            "must_compare": {"type": "bool", "default": True},
            "through": {"type": "dict", "default": {}},
            "alpha": {"type": "float", "default": 0.01},
            "minimum_requests": {"type": "int", "default": 20},
            "slowdown": {"type": "float", "default": 1.2},
            "slow_share": {"type": "float", "default": 0.05},
        },
        supports_check_mode=True,
    )
    try:
        module.exit_json(**run(module))
    except Exception as error:
        module.fail_json_aws(error, msg="Could not judge the new hosts")


if __name__ == "__main__":
    main()
