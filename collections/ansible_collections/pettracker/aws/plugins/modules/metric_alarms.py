#!/usr/bin/python
"""Keeps a list of CloudWatch alarms as they should be."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.pettracker.aws.plugins.module_utils.module import run_module
from ansible_collections.pettracker.aws.plugins.module_utils.state import (
    any_differ,
    as_diff,
    differences,
    tags_to_dict,
    tags_to_list,
)

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

# The fields of DescribeAlarms and PutMetricAlarm that this module owns, apart from the metric, actions and tags.
FIELDS = {
    "description": "AlarmDescription",
    "comparison": "ComparisonOperator",
    "threshold": "Threshold",
    "evaluation_periods": "EvaluationPeriods",
    "missing_data": "TreatMissingData",
}
METRIC_FIELDS = ("namespace", "metric", "statistic", "period", "expression")
# How the metric and what is made of it are called in metric math.
METRIC_ID, EXPRESSION_ID = "m1", "e1"


def wanted_state(alarm: dict[str, Any], topic_arns: list[str], tags: dict[str, str]) -> dict[str, Any]:
    """Returns one entry of the module's `alarms` in the fields of `found_state`."""
    return {field: alarm[field] for field in (*FIELDS, *METRIC_FIELDS)} | {
        "dimensions": {name: str(value) for name, value in alarm["dimensions"].items()},
        "alarm_actions": sorted(topic_arns),
        "ok_actions": sorted(topic_arns),
        "insufficient_data_actions": [],
        # Somebody who is tired of an alarm switches its actions off, or asks for fewer bad periods.
        "actions_enabled": True,
        "datapoints": alarm["evaluation_periods"],
        "tags": tags | {"Name": alarm["name"]},
    }


def found_state(alarm: dict[str, Any], tags: list[dict[str, str]]) -> dict[str, Any]:
    """Returns one entry of DescribeAlarms in the fields that this module owns."""
    # DescribeAlarms leaves out TreatMissingData where it is the default.
    return (
        {field: alarm.get(key) for field, key in FIELDS.items()}
        | found_metric(alarm)
        | {
            "missing_data": alarm.get("TreatMissingData", "missing"),
            "alarm_actions": sorted(alarm.get("AlarmActions", [])),
            "ok_actions": sorted(alarm.get("OKActions", [])),
            "insufficient_data_actions": sorted(alarm.get("InsufficientDataActions", [])),
            "actions_enabled": alarm.get("ActionsEnabled", True),
            # Without a number of its own, every period has to be bad.
            "datapoints": alarm.get("DatapointsToAlarm") or alarm.get("EvaluationPeriods"),
            "tags": tags_to_dict(tags),
        }
    )


def found_metric(alarm: dict[str, Any]) -> dict[str, Any]:
    """Returns what an entry of DescribeAlarms watches. With an expression all of it is in `Metrics`, in any order.

    Metric math over anything but one metric is not this module's: it is returned as a text, which differs from all that is
    wanted.
    """
    queries = alarm.get("Metrics") or []
    if not queries:
        return _metric(alarm, alarm.get("Statistic"), alarm.get("Period"), "")
    measured = [query["MetricStat"] for query in queries if "MetricStat" in query]
    made = [query["Expression"] for query in queries if "Expression" in query]
    if (len(measured), len(made)) != (1, 1):
        return _metric({}, None, None, json.dumps(queries, sort_keys=True))
    (stat,), (expression,) = measured, made
    return _metric(stat["Metric"], stat["Stat"], stat["Period"], expression)


def _metric(named: dict[str, Any], statistic: str | None, period: int | None, expression: str) -> dict[str, Any]:
    return {
        "namespace": named.get("Namespace"),
        "metric": named.get("MetricName"),
        "dimensions": {dimension["Name"]: dimension["Value"] for dimension in named.get("Dimensions", [])},
        "statistic": statistic,
        "period": period,
        "expression": expression,
    }


def metric_request(wanted: dict[str, Any]) -> dict[str, Any]:
    """Returns what PutMetricAlarm is to watch: with an expression all of it is in `Metrics`, without the single fields."""
    metric = {
        "Namespace": wanted["namespace"],
        "MetricName": wanted["metric"],
        "Dimensions": [{"Name": key, "Value": value} for key, value in sorted(wanted["dimensions"].items())],
    }
    if not wanted["expression"]:
        return metric | {"Statistic": wanted["statistic"], "Period": wanted["period"]}
    stat = {"Metric": metric, "Period": wanted["period"], "Stat": wanted["statistic"]}
    made = {"Id": EXPRESSION_ID, "Expression": wanted["expression"], "ReturnData": True}
    return {"Metrics": [{"Id": METRIC_ID, "MetricStat": stat, "ReturnData": False}, made]}


def request(name: str, wanted: dict[str, Any]) -> dict[str, Any]:
    """Returns the parameters of PutMetricAlarm that make an alarm what is wanted, apart from its tags."""
    return (
        {key: wanted[field] for field, key in FIELDS.items()}
        | metric_request(wanted)
        | {
            "AlarmName": name,
            "AlarmActions": wanted["alarm_actions"],
            "OKActions": wanted["ok_actions"],
            "InsufficientDataActions": wanted["insufficient_data_actions"],
            "ActionsEnabled": wanted["actions_enabled"],
        }
    )


def run(module: AnsibleAWSModule) -> dict[str, Any]:
    """Compares each alarm, and sets those that differ unless in check mode."""
    client = module.client("cloudwatch")
    names = [alarm["name"] for alarm in module.params["alarms"]]
    pages = client.get_paginator("describe_alarms").paginate(AlarmNames=names, AlarmTypes=["MetricAlarm"])
    described = {alarm["AlarmName"]: alarm for page in pages for alarm in page["MetricAlarms"]}
    diffs = []
    for alarm in module.params["alarms"]:
        name = alarm["name"]
        wanted = wanted_state(alarm, module.params["topic_arns"], module.params["tags"])
        arn = described[name]["AlarmArn"] if name in described else None
        found = found_state(described[name], client.list_tags_for_resource(ResourceARN=arn)["Tags"]) if arn else None
        fields = differences(wanted, found)
        diffs.append(as_diff(f"alarm {name}", wanted, found))
        if not fields or module.check_mode:
            continue
        if found is None:
            # PutMetricAlarm takes tags for a new alarm and ignores them for an existing one.
            client.put_metric_alarm(**request(name, wanted), Tags=tags_to_list(wanted["tags"]))
            continue
        if fields != ["tags"]:
            client.put_metric_alarm(**request(name, wanted))
        if "tags" in fields:
            client.tag_resource(ResourceARN=arn, Tags=tags_to_list(wanted["tags"]))
            gone = sorted(set(found["tags"]) - set(wanted["tags"]))
            if gone:
                client.untag_resource(ResourceARN=arn, TagKeys=gone)
    return {"changed": any_differ(diffs), "diff": diffs, "alarms": names, "managed": {"alarm": names}}


def main() -> None:
    """Runs the module."""
    run_module(DOCUMENTATION, run, "Could not set the alarms")


if __name__ == "__main__":
    main()
