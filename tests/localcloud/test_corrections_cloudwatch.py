"""Percentiles of metrics."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.localcloud.conftest import Cloud


@pytest.mark.parametrize(("stat", "value"), [("p0", 1), ("p50", 50), ("p99", 99), ("p99.9", 100), ("p100", 100)])
def test_a_percentile_counts_each_value_as_often_as_it_came(cloud: Cloud, stat: str, value: float) -> None:
    values = [float(one) for one in range(1, 101)]
    datum = {"MetricName": "Latency", "Values": values, "Counts": [2.0] * 100}
    cloudwatch, now = cloud.client("cloudwatch"), datetime.now(UTC)
    cloudwatch.put_metric_data(Namespace="Test", MetricData=[datum])
    query = {
        "Id": "latency",
        "MetricStat": {"Metric": {"Namespace": "Test", "MetricName": "Latency"}, "Period": 3600, "Stat": stat},
    }
    answer = cloudwatch.get_metric_data(
        MetricDataQueries=[query], StartTime=now - timedelta(minutes=5), EndTime=now + timedelta(minutes=5)
    )
    assert answer["MetricDataResults"][0]["Values"] == [value]
