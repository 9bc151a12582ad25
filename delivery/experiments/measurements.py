"""The figures of an experiment, read from CloudWatch: they outlive the hosts that sent them."""

import statistics
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import boto3

from delivery.experiments.comparison import Copies, Side
from inference.metric_table import METRICS

BALANCER_NAMESPACE = "AWS/ApplicationELB"
# The longest period of CloudWatch, and so the longest time that one percentile can be of.
LONGEST = timedelta(days=1)
_MINUTE = 60
# Periods of one report: enough for any test, and a page of it can still be read.
_POINTS = 1440


@dataclass(frozen=True)
class Window:
    """The time that is looked at.

    Attributes:
        period: seconds of the periods that are compared.
    """

    begin: datetime
    end: datetime
    period: int

    @classmethod
    def until(cls, begin: datetime, end: datetime, period: int) -> "Window":
        """Return the last day from `begin` to `end`, in no more periods than _POINTS.

        CloudWatch wants a whole minute to begin with. It is the next one: what came before `begin` may be of another.
        """
        begin = max(begin, end - LONGEST)
        whole = begin.replace(second=0, microsecond=0)
        begin = whole if whole == begin else whole + timedelta(seconds=_MINUTE)
        end = max(end, begin + timedelta(seconds=_MINUTE))
        fewest = (end - begin).total_seconds() / _POINTS
        return cls(begin, end, period if period >= fewest else _minutes(fewest))

    @property
    def seconds(self) -> int:
        """All of it as one period, a multiple of 60 seconds."""
        return min(_minutes((self.end - self.begin).total_seconds()), int(LONGEST.total_seconds()))


class Metrics:
    """The metrics of CloudWatch with one namespace and the same dimensions, within a window."""

    def __init__(self, window: Window, namespace: str, dimensions: dict[str, str]) -> None:
        self._client: Any = boto3.client("cloudwatch")
        self._window, self._namespace = window, namespace
        self._dimensions = [{"Name": key, "Value": value} for key, value in sorted(dimensions.items())]

    def total(self, name: str, statistic: str = "Sum") -> int:
        """Return the sum of a metric, or how many values it has (SampleCount)."""
        return round(sum(self._points(name, statistic, self._window.seconds).values()))

    def figure(self, name: str, statistic: str) -> float | None:
        """Return a percentile or mean over all of the window; None where there are no values."""
        points = self._points(name, statistic, self._window.seconds)
        return statistics.median(points.values()) if points else None

    def by_period(self, name: str, statistic: str) -> dict[int, float]:
        """Return a statistic of each period that has values, by its begin in seconds since the epoch."""
        return self._points(name, statistic, self._window.period)

    def _points(self, name: str, statistic: str, period: int) -> dict[int, float]:
        metric = {"Namespace": self._namespace, "MetricName": name, "Dimensions": self._dimensions}
        pages = self._client.get_paginator("get_metric_data").paginate(
            MetricDataQueries=[{"Id": "m", "MetricStat": {"Metric": metric, "Period": period, "Stat": statistic}}],
            StartTime=self._window.begin,
            EndTime=self._window.end,
            ScanBy="TimestampAscending",
        )
        results = [result for page in pages for result in page["MetricDataResults"]]
        return {
            int(at.timestamp()): float(value)
            for result in results
            for at, value in zip(result["Timestamps"], result["Values"], strict=True)
        }


def balanced(window: Window, load_balancer: str, target_group: str) -> Side:
    """Return what the targets of a group answered, as the balancer saw it; both are named by their ARNs."""
    dimensions = {"LoadBalancer": load_balancer.split(":loadbalancer/")[1], "TargetGroup": target_group.rsplit(":", 1)[1]}
    metrics, latency = Metrics(window, BALANCER_NAMESPACE, dimensions), "TargetResponseTime"
    return Side(
        requests=metrics.total("RequestCount"),
        errors=metrics.total("HTTPCode_Target_5XX_Count"),
        p50=metrics.figure(latency, "p50"),
        p99=metrics.figure(latency, "p99"),
        medians=metrics.by_period(latency, "p50"),
    )


def served(window: Window, namespace: str, group: str) -> Side:
    """Return what the hosts of a group say of their predictions."""
    metrics, latency = Metrics(window, namespace, {"AutoScalingGroupName": group}), METRICS["latency"].cloudwatch
    errors = metrics.total(METRICS["errors"].cloudwatch)
    p50, p99 = (metrics.figure(latency, percentile) for percentile in ("p50", "p99"))
    return Side(
        requests=metrics.total(latency, "SampleCount") + errors,
        errors=errors,
        p50=None if p50 is None else p50 / 1000,
        p99=None if p99 is None else p99 / 1000,
        medians={period: value / 1000 for period, value in metrics.by_period(latency, "p50").items()},
    )


def copied(window: Window, namespace: str, group: str) -> Copies:
    """Return what the hosts of the live group say of their copies; inference/mirror.py sends it."""
    metrics = Metrics(window, namespace, {"AutoScalingGroupName": group})
    names = {name: name for name in ("compared", "agreed", "slower", "classes", "failed", "dropped")}
    names["common"] = "classes_in_common"
    counted = {field: metrics.total(METRICS[f"shadow_{name}"].cloudwatch) for field, name in names.items()}
    difference = metrics.figure(METRICS["shadow_confidence_difference"].cloudwatch, "Average")
    return Copies(**counted, confidence_difference=difference)


def _minutes(seconds: float) -> int:
    return max(1, -int(-seconds // _MINUTE)) * _MINUTE
