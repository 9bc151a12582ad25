#!/usr/bin/python
"""Keeps a list of CloudWatch alarms as they should be."""

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

from ..module_utils.kinds.alarm import Alarm
from ..module_utils.kinds.keeping import keep
from ..module_utils.module import run_module

DOCUMENTATION = r"""
module: metric_alarms
short_description: Keeps a list of CloudWatch alarms as they should be
description:
  - Sets and corrects alarms on single metrics, or on one expression of metric math over a metric, all of them in one task.
  - Unlike M(amazon.aws.cloudwatch_metric_alarm) it tags them and returns a difference. It deletes nothing.
options:
  alarms:
    description: The alarms.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the alarm.
        type: str
        required: true
      description:
        description: What is wrong when it rings.
        type: str
        required: true
      namespace:
        description: Namespace of the metric.
        type: str
        required: true
      metric:
        description: Name of the metric.
        type: str
        required: true
      dimensions:
        description: All dimensions of the metric.
        type: dict
        default: {}
      expression:
        description:
          - Metric math over the metric, which is called C(m1), such as C(FILL(m1, 0\)). The alarm watches what comes of it.
          - The metric itself when it is empty.
        type: str
        default: ""
      statistic:
        description: Statistic over a period.
        type: str
        choices: [Average, Maximum, Minimum, Sum, SampleCount]
        default: Average
      comparison:
        description: How the statistic compares with the threshold when it rings.
        type: str
        choices: [GreaterThanThreshold, GreaterThanOrEqualToThreshold, LessThanThreshold, LessThanOrEqualToThreshold]
        default: GreaterThanThreshold
      threshold:
        description: Threshold in the unit of the metric.
        type: float
        required: true
      period:
        description: Length of a period, in seconds.
        type: int
        default: 300
      evaluation_periods:
        description: Number of periods in a row that must be bad.
        type: int
        default: 2
      missing_data:
        description: What a period without data counts as.
        type: str
        choices: [missing, breaching, notBreaching, ignore]
        default: missing
  topic_arns:
    description: SNS topics that are notified when an alarm rings and when it is over.
    type: list
    elements: str
    default: []
  tags:
    description: Tags of every alarm, to which its name is added as C(Name).
    type: dict
    default: {}
extends_documentation_fragment: [amazon.aws.common.modules, amazon.aws.region.modules, amazon.aws.boto3]
author: PetTracker ML
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

RETURN = r"""
alarms:
  description: Names of the alarms.
  returned: always
  type: list
  elements: str
managed:
  description: Ids by kind, as M(pettracker.aws.owned_resources) calls them; `make drift` asks about those that no task names.
  returned: always
  type: dict
"""


def run(module: AnsibleAWSModule) -> dict[str, Any]:
    """Compares each alarm, and sets those that differ unless in check mode."""
    of_all = {"topic_arns": module.params["topic_arns"], "tags": module.params["tags"]}
    alarms = {alarm["name"]: alarm | of_all for alarm in module.params["alarms"]}
    return keep(module, Alarm(), alarms) | {"alarms": list(alarms)}


def main() -> None:
    """Runs the module."""
    run_module(DOCUMENTATION, run, "Could not set the alarms")


if __name__ == "__main__":
    main()
