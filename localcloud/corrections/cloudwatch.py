"""CloudWatch: percentiles, data by series."""

from __future__ import annotations

import math
import re
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from moto.cloudwatch.models import CloudWatchBackend, MetricDatum, Statistics

from localcloud.corrections.patching import addition, correction
from localcloud.telemetry.metric_store import Distribution, MetricStore

if TYPE_CHECKING:
    from localcloud.settings import Settings


def apply(settings: Settings) -> None:
    """Correct metrics."""
    _correct_data(settings.arrival)
    _correct_look_ups()
    _correct_statistics()


def _correct_data(delay: timedelta) -> None:
    @correction(CloudWatchBackend, "__init__")
    def keep_by_series(original: Any, self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        self.metric_data = MetricStore(delay)

    @correction(CloudWatchBackend, "put_metric_data")
    def keep_distributions(original: Any, self: Any, namespace: str, metric_data: list[dict[str, Any]]) -> None:
        # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html, Counts: 1 for each value
        # when left out.
        for number, datum in enumerate(metric_data, 1):
            self._validate_parameters_put_metric_data(datum, number)
        original(self, namespace, [one for one in metric_data if not one.get("Values")])
        for one in metric_data:
            if one.get("Values"):
                values = [float(value) for value in one["Values"]]
                counts = [int(float(count)) for count in one.get("Counts") or [1] * len(values)]
                self.metric_data.append(
                    Distribution(
                        namespace,
                        one["MetricName"],
                        values=values,
                        counts=counts,
                        dimensions=one.get("Dimensions", []),
                        timestamp=one.get("Timestamp"),
                        unit=one.get("Unit"),
                    )
                )


def _pairs(dimensions: list[dict[str, str]]) -> list[tuple[str, str]]:
    return [(one["Name"], one["Value"]) for one in dimensions]


def _correct_look_ups() -> None:
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html#Dimension: a metric is its name,
    # namespace and all of its dimensions. Moto compares dimensions in the order in which they come, takes the metrics of
    # other namespaces or with more dimensions for the same one, and reads everything for each answer.
    @correction(CloudWatchBackend, "get_metric_data")
    def look_at_series(original: Any, self: Any, **asked: Any) -> Any:
        wanted = set()
        for query in asked["queries"]:
            if "MetricStat" in query:
                metric = query["MetricStat"]["Metric"]
                metric["Dimensions"] = sorted(metric.get("Dimensions", []), key=lambda one: str(one["Name"]))
                wanted.add((metric["Namespace"], metric["MetricName"], tuple(_pairs(metric["Dimensions"]))))
        begin, end = asked["start_time"].replace(microsecond=0), asked["end_time"]
        data = [one for series in wanted for one in self.metric_data.between(series, begin, end)]
        view = SimpleNamespace(get_all_metrics=lambda: [*data, *self.aws_metric_data])
        return original(view, **asked)

    @correction(CloudWatchBackend, "get_metric_statistics")
    def look_at_one_series(
        original: Any, self: Any, namespace: str, metric_name: str, *args: Any, **kwargs: Any
    ) -> Any:
        begin, end, *_ = args
        series = (namespace, metric_name, _pairs(kwargs["dimensions"]))
        data = self.metric_data.between(series, begin.replace(microsecond=0), end)
        view = SimpleNamespace(get_all_metrics=lambda: [*data, *self.aws_metric_data])
        return original(view, namespace, metric_name, *args, **kwargs)

    @addition(CloudWatchBackend, "get_filtered_metrics")
    def list_series(self: Any, metric_name: str, namespace: str, dimensions: list[dict[str, str]]) -> list[Any]:
        found: list[Any] = []
        for datum in self.aws_metric_data:
            if datum.filter(namespace, metric_name, dimensions, found):
                found.append(datum)
        return found + [one for one in self.metric_data.metrics() if one.filter(namespace, metric_name, dimensions)]


def _correct_statistics() -> None:
    def single_values(self: Any) -> list[float]:
        values: list[float] = []
        for datum in self.metric_data or []:
            if isinstance(datum, Distribution):
                values.extend(datum.expanded())
            elif isinstance(datum, MetricDatum):
                values.append(datum.value)
        return values

    addition(Statistics, "metric_single_values_list")(property(single_values))

    @correction(Statistics, "get_statistics_for_type")
    def with_percentiles(original: Any, self: Any, stat: str) -> Any:
        # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html; moto gives None.
        # Figures that came as a StatisticSet have no percentiles.
        found = re.fullmatch(r"p(\d{1,2}(?:\.\d+)?|100)", stat)
        if found is None:
            return original(self, stat)
        values = sorted(self.metric_single_values_list)
        return values[max(0, math.ceil(float(found[1]) / 100 * len(values)) - 1)] if values else None
