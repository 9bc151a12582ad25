"""Metrics: percentiles, and which data belong to one."""

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


def names(cloud: Cloud, namespace: str) -> list[list[str]]:
    listed = cloud.client("cloudwatch").list_metrics(Namespace=namespace)["Metrics"]
    return sorted([one["MetricName"], *(dimension["Name"] for dimension in one["Dimensions"])] for one in listed)


def test_a_metric_is_its_namespace_its_name_and_all_its_dimensions_in_any_order(cloud: Cloud) -> None:
    cloudwatch, now = cloud.client("cloudwatch"), datetime.now(UTC)
    balancer, group = {"Name": "LoadBalancer", "Value": "app/a/1"}, {"Name": "TargetGroup", "Value": "targetgroup/b/2"}
    for namespace, dimensions, value in (
        ("Test", [group, balancer], 1.0),
        ("Test", [balancer, group], 3.0),
        ("Test", [balancer], 100.0),
        ("Test", [], 1000.0),
        ("Other", [balancer, group], 10000.0),
    ):
        datum = {"MetricName": "Requests", "Dimensions": dimensions, "Value": value}
        cloudwatch.put_metric_data(Namespace=namespace, MetricData=[datum])

    def total(dimensions: list[dict[str, str]]) -> list[float]:
        metric = {"Namespace": "Test", "MetricName": "Requests", "Dimensions": dimensions}
        times = {"StartTime": now - timedelta(minutes=5), "EndTime": now + timedelta(minutes=5)}
        query = {"Id": "total", "MetricStat": {"Metric": metric, "Period": 3600, "Stat": "Sum"}}
        answer = cloudwatch.get_metric_data(MetricDataQueries=[query], **times)
        points = cloudwatch.get_metric_statistics(**metric, **times, Period=3600, Statistics=["Sum"])["Datapoints"]
        assert [one["Sum"] for one in points] == answer["MetricDataResults"][0]["Values"]
        return [float(value) for value in answer["MetricDataResults"][0]["Values"]]

    assert total([balancer, group]) == total([group, balancer]) == [4]
    assert total([balancer]) == [100]
    assert total([]) == [1000]
    assert total([group]) == []
    assert names(cloud, "Test") == [
        ["Requests"],
        ["Requests", "LoadBalancer"],
        ["Requests", "LoadBalancer", "TargetGroup"],
    ]


def test_two_statistics_of_one_metric_are_of_the_same_data(cloud: Cloud) -> None:
    cloudwatch, now = cloud.client("cloudwatch"), datetime.now(UTC)
    cloudwatch.put_metric_data(Namespace="Test", MetricData=[{"MetricName": "Latency", "Values": [1.0, 2.0]}])
    metric = {"Namespace": "Test", "MetricName": "Latency"}
    queries = [
        {"Id": stat.lower(), "MetricStat": {"Metric": metric, "Period": 3600, "Stat": stat}}
        for stat in ("Sum", "SampleCount", "p99")
    ]
    times = {"StartTime": now - timedelta(minutes=5), "EndTime": now + timedelta(minutes=5)}
    answer = cloudwatch.get_metric_data(MetricDataQueries=queries, **times)
    assert [one["Values"] for one in answer["MetricDataResults"]] == [[3], [2], [2]]
