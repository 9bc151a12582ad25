#!/usr/bin/python

from datetime import UTC, datetime, timedelta
from typing import Any

from ..module_utils.kinds.finding import pages
from ..module_utils.module import Module, Result, run_module
from ..module_utils.rollout.alarm_states import describe
from ..module_utils.rollout.judge import Limits, judge

DOCUMENTATION = r"""
module: rollout_verdict
short_description: Judges new hosts
description:
  - Reads the alarms and applies the rules of C(module_utils/rollout/judge.py). It changes nothing.
options:
  alarms: {type: list, elements: str, required: true, description: "Names of the alarms of which none may ring."}
  required: {type: list, elements: str, default: [], description: "Those without whose data nothing is promoted."}
  uncounted: {type: list, elements: str, default: [], description: "Names of alarms that say nothing of new hosts, because they
    are of old hosts as well, or rang before anything was replaced. That they ring is told."}
  metric: {type: dict, default: {}, description: "A metric that each host sends of itself, with C(namespace), C(metric) and
    C(dimensions) besides C(InstanceId). Without a data point of each new host nothing is promoted. Hosts are not asked for when
    it is empty."}
  new: {type: list, elements: dict, required: true, description: "What was seen on each new host."}
  old: {type: list, elements: dict, required: true, description: "What was seen on each old host."}
  digest: {type: str, required: true, description: "Digest of the model that new hosts have to serve."}
  proven: {type: list, elements: str, default: [], description: "New hosts that were promoted beside old ones. When no old host
    is left, the others are compared with them."}
  must_compare: {type: bool, default: true, description: "Whether a promotion needs old hosts with enough answers to compare."}
  through: {type: dict, default: {}, description: "What came of requests that only new hosts should have got, as
    M(pettracker.aws.balancer_answers) returns it; empty where nothing was sent."}
  alpha: {type: float, default: 0.01, description: "Probability at which chance is no explanation any more."}
  minimum_requests: {type: int, default: 20, description: "Requests that a promotion needs of hosts that it compares."}
  slowdown: {type: float, default: 1.2, description: "Ratio of new to old time from which new hosts are slow."}
  slow_share: {type: float, default: 0.05, description: "Share of live answers from which slow ones matter."}
extends_documentation_fragment: [pettracker.aws.module]
"""

EXAMPLES = r"""
- name: Judge the canary
  pettracker.aws.rollout_verdict:
    alarms: [pettracker-dev-rollout-abandoned]
    new: "{{ evidence_of_new_hosts }}"
    old: "{{ evidence_of_old_hosts }}"
    digest: "{{ model_digest }}"
"""

RETURN = r"""
verdict: {type: str, returned: always, description: "V(promote), V(hold) or V(reject)."}
reasons: {type: list, elements: str, returned: always, description: "Sentences."}
alarms: {type: dict, returned: always, description: "States of the alarms by name."}
"""

# A host sends its metrics each minute, and they are some minutes on their way.
RECENT = timedelta(minutes=15)
PERIOD = 60


def unheard(client: Any, metric: dict[str, Any], hosts: list[str]) -> list[str]:
    """Returns the hosts of whose own metric CloudWatch has no recent data point."""
    if not metric or not hosts:
        return []
    now = datetime.now(UTC)
    queries = [_query(f"m{number}", metric, host) for number, host in enumerate(hosts)]
    times = {"StartTime": now - RECENT, "EndTime": now + timedelta(seconds=PERIOD)}
    results = pages(client, "get_metric_data", "MetricDataResults", MetricDataQueries=queries, **times)
    heard = {result["Id"] for result in results if result["Values"]}
    return [host for number, host in enumerate(hosts) if f"m{number}" not in heard]


def _query(identity: str, metric: dict[str, Any], host: str) -> dict[str, Any]:
    dimensions = metric["dimensions"] | {"InstanceId": host}
    named = {
        "Namespace": metric["namespace"],
        "MetricName": metric["metric"],
        "Dimensions": [{"Name": name, "Value": value} for name, value in sorted(dimensions.items())],
    }
    return {"Id": identity, "MetricStat": {"Metric": named, "Period": PERIOD, "Stat": "SampleCount"}}


def run(module: Module) -> Result:
    parameters = module.params
    client = module.client("cloudwatch")
    states = {name: alarm["StateValue"] for name, alarm in describe(client, parameters["alarms"]).items()}
    verdict, reasons = judge(
        states,
        parameters["required"],
        parameters["new"],
        parameters["old"],
        parameters["digest"],
        uncounted=parameters["uncounted"],
        unheard=unheard(client, parameters["metric"], [host["instance_id"] for host in parameters["new"]]),
        limits=Limits(**{name: parameters[name] for name in ("alpha", "minimum_requests", "slowdown", "slow_share")}),
        proven=parameters["proven"],
        must_compare=parameters["must_compare"],
        through=parameters["through"],
    )
    return {"changed": False, "verdict": verdict, "reasons": reasons, "alarms": states}


if __name__ == "__main__":
    run_module(DOCUMENTATION, run, "Could not judge the new hosts")
