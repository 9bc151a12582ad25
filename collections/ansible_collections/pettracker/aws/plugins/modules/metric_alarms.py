#!/usr/bin/python

from ..module_utils.kinds.alarm import Alarm
from ..module_utils.kinds.keeping import keep
from ..module_utils.module import Module, Result, run_module

DOCUMENTATION = r"""
module: metric_alarms
short_description: Keeps a list of CloudWatch alarms as they should be
description:
  - Sets and corrects alarms on single metrics, or on one expression of metric math over a metric, all of them in one task.
  - Unlike M(amazon.aws.cloudwatch_metric_alarm) it tags them and returns a difference. It deletes nothing.
options:
  alarms:
    type: list
    elements: dict
    required: true
    description: "The alarms."
    suboptions:
      name: {type: str, required: true, description: "Name of the alarm."}
      description: {type: str, required: true, description: "What is wrong when it rings."}
      namespace: {type: str, required: true, description: "Namespace of the metric."}
      metric: {type: str, required: true, description: "Name of the metric."}
      dimensions: {type: dict, required: true, description: "All dimensions of the metric."}
      expression: {type: str, default: "", description: "Metric math over the metric, which is called C(m1), such as C(FILL(m1,
        0\\)). The alarm watches what comes of it. The metric itself when it is empty."}
      statistic: {type: str, choices: [Average, Maximum, Minimum, Sum, SampleCount], default: Average, description: "Statistic
        over a period."}
      comparison:
        type: str
        choices: [GreaterThanThreshold, GreaterThanOrEqualToThreshold, LessThanThreshold, LessThanOrEqualToThreshold]
        default: GreaterThanThreshold
        description: "How the statistic compares with the threshold when it rings."
      threshold: {type: float, required: true, description: "Threshold in the unit of the metric."}
      period: {type: int, default: 300, description: "Length of a period, in seconds."}
      evaluation_periods: {type: int, default: 2, description: "Number of periods in a row that must be bad."}
      missing_data: {type: str, choices: [missing, breaching, notBreaching, ignore], default: missing, description: "What a
        period without data counts as."}
  topic_arns: {type: list, elements: str, default: [], description: "SNS topics that hear when an alarm rings or is over."}
  tags: {type: dict, default: {}, description: "Tags of every alarm, to which its name is added as C(Name)."}
extends_documentation_fragment: [pettracker.aws.module]
"""

EXAMPLES = r"""
- name: Ring when the group is busy for ten minutes
  pettracker.aws.metric_alarms:
    alarms:
      - name: pettracker-dev-cpu
        description: CPU above 80 % for ten minutes
        namespace: AWS/EC2
        metric: CPUUtilization
        dimensions: {AutoScalingGroupName: pettracker-dev-service}
        threshold: 80
"""


def run(module: Module) -> Result:
    """Compares each alarm, and sets those that differ unless in check mode."""
    of_all = {"topic_arns": module.params["topic_arns"], "tags": module.params["tags"]}
    alarms = {alarm["name"]: alarm | of_all for alarm in module.params["alarms"]}
    return keep(module, Alarm(), alarms)


if __name__ == "__main__":
    run_module(DOCUMENTATION, run, "Could not set the alarms")
