"""The project's own alarms stay silent while a small fleet with nothing to do comes up and runs."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from moto.core.utils import utcnow

from localcloud import backends
from tests.localcloud.conftest import Cloud

VARIABLES = Path(__file__).parents[2] / "inventories/common/group_vars/all/observability.yml"
# What a host with nothing to do shows, by metric; any other metric has no data.
QUIET = {"CPUUtilization": 3.0, "StatusCheckFailed": 0.0, "mem_used_percent": 40.0, "disk_used_percent": 30.0}
# Seconds between two values: the balancer and the hosts are measured each period, the agent sends each minute.
PACE = {"CPUUtilization": 10, "StatusCheckFailed": 10, "mem_used_percent": 60, "disk_used_percent": 60}


def set_alarms(cloud: Cloud) -> list[dict[str, Any]]:
    """Set the alarms that every environment gets; return their metrics."""
    metrics = []
    for alarm in yaml.safe_load(VARIABLES.read_text())["alarms_list"]:
        metric = {
            "Namespace": alarm["namespace"],
            "MetricName": alarm["metric"],
            "Dimensions": [{"Name": name, "Value": value} for name, value in alarm["dimensions"].items()],
        }
        cloud.client("cloudwatch").put_metric_alarm(
            AlarmName=alarm["name"],
            Statistic=alarm.get("statistic", "Average"),
            ComparisonOperator=alarm.get("comparison", "GreaterThanThreshold"),
            Threshold=float(alarm["threshold"]),
            Period=alarm.get("period", 300),
            EvaluationPeriods=alarm.get("evaluation_periods", 2),
            TreatMissingData=alarm.get("missing_data", "missing"),
            **metric,
        )
        metrics.append(metric)
    return metrics


@pytest.mark.parametrize("gap", [range(0), range(300, 420)], ids=["steady", "with a gap"])
def test_nothing_rings_in_the_first_quarter_of_an_hour(cloud: Cloud, gap: range) -> None:
    metrics, begin = set_alarms(cloud), utcnow().replace(second=0, microsecond=0)
    rung: set[str] = set()
    for seconds in range(0, 900, 10):
        moment = begin + timedelta(seconds=seconds)
        for metric in metrics:
            name = metric["MetricName"]
            if name in QUIET and seconds % PACE[name] == 0 and seconds not in gap:
                datum = {"MetricName": name, "Dimensions": metric["Dimensions"], "Value": QUIET[name]}
                backends.cloudwatch().put_metric_data(metric["Namespace"], [datum | {"Timestamp": moment}])
        cloud.account.alarms.evaluate(moment + timedelta(seconds=10))
        rung |= {name for name, alarm in backends.cloudwatch().alarms.items() if alarm.state_value == "ALARM"}
    assert metrics
    assert not rung
