#!/usr/bin/python

import dataclasses

from ..module_utils.module import Module, Result, run_module
from ..module_utils.rollout.alarm_states import describe, sort

DOCUMENTATION = r"""
module: alarm_states
short_description: Says which alarms ring, which have no data, and which are not there
description:
  - Reads the states of metric alarms and composite alarms. It changes nothing.
options:
  names: {type: list, elements: str, required: true, description: "Names of the alarms."}
extends_documentation_fragment: [pettracker.aws.module]
"""

EXAMPLES = r"""
- name: See which alarms ring
  pettracker.aws.alarm_states:
    names: [pettracker-dev-memory]
"""

RETURN = r"""
silent: {type: list, elements: str, returned: always, description: "Names of the alarms that are V(OK)."}
ringing: {type: dict, returned: always, description: "Sentences by the name of the alarm, with CloudWatch's reason."}
unknown: {type: list, elements: str, returned: always, description: "Names of the alarms that have no data."}
absent: {type: list, elements: str, returned: always, description: "Names of which there is no alarm."}
"""


def run(module: Module) -> Result:
    names = module.params["names"]
    found = sort(names, describe(module.client("cloudwatch"), names))
    return {"changed": False} | dataclasses.asdict(found)


if __name__ == "__main__":
    run_module(DOCUMENTATION, run, "Could not read the alarms")
