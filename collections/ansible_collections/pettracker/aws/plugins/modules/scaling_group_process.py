#!/usr/bin/python

from ..module_utils.module import Module, Result, run_module
from ..module_utils.scaling_groups.client import required
from ..module_utils.state import as_diff

DOCUMENTATION = r"""
module: scaling_group_process
short_description: Suspends a process of an Auto Scaling group, or resumes it
description:
  - Other processes, and whoever suspended them, are left alone; M(amazon.aws.autoscaling_group) knows only the whole list.
  - What they do says U(https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-suspend-resume-processes.html).
options:
  name: {type: str, required: true, description: "Name of the group."}
  process:
    type: str
    choices: [AddToLoadBalancer, AlarmNotification, AZRebalance, HealthCheck, InstanceRefresh, Launch, ReplaceUnhealthy,
      ScheduledActions, Terminate]
    required: true
    description: "The process."
  state: {type: str, choices: [suspended, resumed], required: true, description: "Whether it is to do its work."}
extends_documentation_fragment: [pettracker.aws.module]
"""

EXAMPLES = r"""
- name: Let nobody move hosts between zones meanwhile
  pettracker.aws.scaling_group_process:
    name: pettracker-dev-service
    process: AZRebalance
    state: suspended
"""


def run(module: Module) -> Result:
    """Compares, and acts on a difference unless in check mode."""
    name, process, state = (module.params[key] for key in ("name", "process", "state"))
    suspended = [item["ProcessName"] for item in required(module, name).get("SuspendedProcesses", [])]
    found = "suspended" if process in suspended else "resumed"
    if found != state and not module.check_mode:
        client = module.client("autoscaling")
        call = client.suspend_processes if state == "suspended" else client.resume_processes
        call(AutoScalingGroupName=name, ScalingProcesses=[process])
    diff = as_diff(f"{process} of {name}", {"state": state}, {"state": found})
    return {"changed": found != state, "diff": diff}


if __name__ == "__main__":
    run_module(DOCUMENTATION, run, "Could not suspend or resume the process")
