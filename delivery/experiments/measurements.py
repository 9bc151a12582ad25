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
    """CloudWatch, within a window."""

    def __init__(self, window: Window) -> None:
        self._client: Any = boto3.client("cloudwatch")
        self._window = window

    def total(self, namespace: str, name: str, dimensions: dict[str, str], statistic: str = "Sum") -> int:
        """Return the sum of a metric, or how many values it has (SampleCount)."""
        return round(sum(self._points(namespace, name, dimensions, self._window.seconds, statistic).values()))

    def figure(self, namespace: str, name: str, dimensions: dict[str, str], statistic: str) -> float | None:
        """Return a percentile or mean over all of the window; None where there are no values."""
        points = self._points(namespace, name, dimensions, self._window.seconds, statistic)
        return statistics.median(points.values()) if points else None

    def by_period(self, namespace: str, name: str, dimensions: dict[str, str], statistic: str) -> dict[int, float]:
        """Return a statistic of each period that has values, by its begin in seconds since the epoch."""
        return self._points(namespace, name, dimensions, self._window.period, statistic)

    def _points(self, namespace: str, name: str, dimensions: dict[str, str], period: int, statistic: str) -> dict[int, float]:
        metric = {
            "Namespace": namespace,
            "MetricName": name,
            "Dimensions": [{"Name": key, "Value": value} for key, value in sorted(dimensions.items())],
        }
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


def balanced(metrics: Metrics, load_balancer: str, target_group: str) -> Side:
    """Return what the targets of a group answered, as the balancer saw it.

    Args:
        load_balancer, target_group: their ARNs.
    """
    dimensions = {"LoadBalancer": load_balancer.split(":loadbalancer/")[1], "TargetGroup": target_group.rsplit(":", 1)[1]}
    latency = (BALANCER_NAMESPACE, "TargetResponseTime", dimensions)
    return Side(
        requests=metrics.total(BALANCER_NAMESPACE, "RequestCount", dimensions),
        errors=metrics.total(BALANCER_NAMESPACE, "HTTPCode_Target_5XX_Count", dimensions),
        p50=metrics.figure(*latency, "p50"),
        p99=metrics.figure(*latency, "p99"),
        medians=metrics.by_period(*latency, "p50"),
    )


def served(metrics: Metrics, namespace: str, group: str) -> Side:
    """Return what the hosts of a group say of their predictions."""
    dimensions = {"AutoScalingGroupName": group}
    latency = (namespace, METRICS["latency"].cloudwatch, dimensions)
    errors = metrics.total(namespace, METRICS["errors"].cloudwatch, dimensions)
    p50, p99 = (metrics.figure(*latency, percentile) for percentile in ("p50", "p99"))
    return Side(
        requests=metrics.total(*latency, "SampleCount") + errors,
        errors=errors,
        p50=None if p50 is None else p50 / 1000,
        p99=None if p99 is None else p99 / 1000,
        medians={period: value / 1000 for period, value in metrics.by_period(*latency, "p50").items()},
    )


def copied(metrics: Metrics, namespace: str, group: str) -> Copies:
    """Return what the hosts of the live group say of their copies; inference/mirror.py sends it."""
    dimensions = {"AutoScalingGroupName": group}
    difference = METRICS["shadow_confidence_difference"].cloudwatch

    def total(key: str) -> int:
        return metrics.total(namespace, METRICS[key].cloudwatch, dimensions)

    return Copies(
        compared=total("shadow_compared"),
        agreed=total("shadow_agreed"),
        slower=total("shadow_slower"),
        classes=total("shadow_classes"),
        common=total("shadow_classes_in_common"),
        confidence_difference=metrics.figure(namespace, difference, dimensions, "Average"),
        failed=total("shadow_failed"),
        dropped=total("shadow_dropped"),
    )


def _minutes(seconds: float) -> int:
    return max(1, -int(-seconds // _MINUTE)) * _MINUTE
