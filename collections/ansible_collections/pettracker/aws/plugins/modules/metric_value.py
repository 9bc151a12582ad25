#!/usr/bin/python

from ..module_utils.module import Module, Result, run_module

DOCUMENTATION = r"""
module: metric_value
short_description: Writes one value of a CloudWatch metric
description:
  - For what only the controller knows. It always changes something; in check mode nothing is written.
options:
  namespace: {type: str, required: true, description: "Namespace of the metric."}
  metric: {type: str, required: true, description: "Name of the metric."}
  value: {type: float, required: true, description: "The value, a count."}
  dimensions: {type: dict, default: {}, description: "Dimensions of the metric."}
extends_documentation_fragment: [pettracker.aws.module]
"""

EXAMPLES = r"""
- name: Report a training that failed
  pettracker.aws.metric_value:
    namespace: ML/Training
    metric: TrainingFailed
    value: 1
    dimensions: {Environment: dev}
"""


def run(module: Module) -> Result:
    parameters = module.params
    datum = {
        "MetricName": parameters["metric"],
        "Value": parameters["value"],
        "Unit": "Count",
        "Dimensions": [{"Name": name, "Value": value} for name, value in sorted(parameters["dimensions"].items())],
    }
    if not module.check_mode:
        module.client("cloudwatch").put_metric_data(Namespace=parameters["namespace"], MetricData=[datum])
    return {"changed": True}


if __name__ == "__main__":
    run_module(DOCUMENTATION, run, "Could not write the metric")
