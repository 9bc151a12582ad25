"""Metrics: percentiles, and which data belong to one."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

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


SUMMARY = {"SampleCount": 4.0, "Sum": 10.0, "Minimum": 1.0, "Maximum": 4.0}
EQUAL = {"SampleCount": 4.0, "Sum": 8.0, "Minimum": 2.0, "Maximum": 2.0}


@pytest.mark.parametrize(
    ("datum", "expected"),
    [
        ({"Value": 7.0}, {"p50": 7.0, "tm90": 7.0}),
        ({"Values": [1.0, 9.0], "Counts": [99.0, 1.0]}, {"p50": 1.0, "tm90": 1.0}),
        # "you can retrieve these types of statistics for this data only if ..." every one of its values is known.
        ({"StatisticValues": EQUAL}, {"p50": 2.0, "tm90": 2.0}),
        ({"StatisticValues": SUMMARY}, {}),
    ],
    ids=["a value", "values and counts", "a set of equal values", "a set of different values"],
)
def test_both_calls_answer_extended_statistics_of_what_they_know_one_by_one(
    cloud: Cloud, datum: dict[str, Any], expected: dict[str, float]
) -> None:
    cloudwatch, now = cloud.client("cloudwatch"), datetime.now(UTC)
    cloudwatch.put_metric_data(Namespace="Test", MetricData=[{"MetricName": "Latency"} | datum])
    metric = {"Namespace": "Test", "MetricName": "Latency"}
    times = {"StartTime": now - timedelta(minutes=5), "EndTime": now + timedelta(minutes=5)}
    points = cloudwatch.get_metric_statistics(**metric, **times, Period=3600, ExtendedStatistics=["p50", "tm90"])["Datapoints"]
    assert [one["ExtendedStatistics"] for one in points] == ([expected] if expected else [])
    queries = [{"Id": stat, "MetricStat": {"Metric": metric, "Period": 3600, "Stat": stat}} for stat in ("p50", "tm90")]
    results = cloudwatch.get_metric_data(MetricDataQueries=queries, **times)["MetricDataResults"]
    assert {one["Id"]: value for one in results for value in one["Values"]} == expected


def test_a_statistic_that_cloudwatch_does_not_know_is_refused(cloud: Cloud) -> None:
    cloudwatch, now = cloud.client("cloudwatch"), datetime.now(UTC)
    metric = {"Namespace": "Test", "MetricName": "Latency"}
    times = {"StartTime": now - timedelta(minutes=5), "EndTime": now}
    query = {"Id": "m1", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "p101"}}
    with pytest.raises(ClientError, match=r"The value p101 for parameter MetricDataQueries\.member\.1\.MetricStat\.Stat"):
        cloudwatch.get_metric_data(MetricDataQueries=[query], **times)
    with pytest.raises(ClientError, match="The value median for parameter ExtendedStatistics is not supported"):
        cloudwatch.get_metric_statistics(**metric, **times, Period=60, ExtendedStatistics=["median"])
    with pytest.raises(ClientError, match="Statistics or ExtendedStatistics, but not both"):
        cloudwatch.get_metric_statistics(**metric, **times, Period=60, ExtendedStatistics=["p50"], Statistics=["Sum"])


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
    assert names(cloud, "Test") == [["Requests"], ["Requests", "LoadBalancer"], ["Requests", "LoadBalancer", "TargetGroup"]]


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
