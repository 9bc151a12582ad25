"""CloudWatch: data by series, extended statistics."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from moto.cloudwatch.exceptions import InvalidParameterCombination, InvalidParameterValue, ValidationError
from moto.cloudwatch.models import CloudWatchBackend, MetricDatum, Statistics
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult

from localcloud.corrections.patching import NOT_REPORTED, Difference, Seam, addition, correction
from localcloud.telemetry import extended_statistics
from localcloud.telemetry.metric_store import Distribution, MetricStore

if TYPE_CHECKING:
    from localcloud.account import Account

SERIES = Difference(
    "compares dimensions in their order, and takes metrics with more dimensions or of other namespaces for the same one",
    aws="https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html#Dimension",
    upstream=NOT_REPORTED,
)
STORE = Seam("alarms read what lies by series and time, where moto keeps an object for every single value in one list")
EXTENDED = Difference(
    "knows no trimmed means and other extended statistics in GetMetricData",
    aws="https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html",
    upstream=NOT_REPORTED,
)
EXTENDED_POINTS = Difference(
    "takes ExtendedStatistics of GetMetricStatistics, and answers data points without any",
    aws="https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricStatistics.html",
    upstream=NOT_REPORTED,
)
UNKNOWN_STATISTICS = Difference(
    "takes statistics that CloudWatch does not have",
    aws="https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html",
    upstream=NOT_REPORTED,
)


def apply(account: Account) -> None:
    """Correct metrics."""
    _correct_data(account.settings.arrival)
    _correct_look_ups()
    _correct_statistics()


def _correct_data(delay: timedelta) -> None:
    @correction(CloudWatchBackend, "__init__", STORE)
    def keep_by_series(original: Any, self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        self.metric_data = MetricStore(delay)

    @correction(CloudWatchBackend, "put_metric_data", STORE)
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


def _without_gaps(result: dict[str, Any]) -> dict[str, Any]:
    """Leave out the periods that have data and no such statistic."""
    known = [pair for pair in zip(result["timestamps"], result["values"], strict=True) if pair[1] is not None]
    return result | {"timestamps": [time for time, _ in known], "values": [value for _, value in known]}


def _correct_look_ups() -> None:
    @correction(CloudWatchBackend, "get_metric_data", SERIES, STORE)
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
        return [_without_gaps(one) for one in original(view, **asked)]

    @correction(CloudWatchBackend, "get_metric_statistics", SERIES, STORE)
    def look_at_one_series(original: Any, self: Any, namespace: str, metric_name: str, *args: Any, **kwargs: Any) -> Any:
        begin, end, *_ = args
        series = (namespace, metric_name, _pairs(kwargs["dimensions"]))
        data = self.metric_data.between(series, begin.replace(microsecond=0), end)
        view = SimpleNamespace(get_all_metrics=lambda: [*data, *self.aws_metric_data])
        return original(view, namespace, metric_name, *args, **kwargs)

    @addition(CloudWatchBackend, "get_filtered_metrics", STORE)
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

    addition(Statistics, "metric_single_values_list", STORE)(property(single_values))

    @correction(Statistics, "get_statistics_for_type", EXTENDED)
    def with_extended(original: Any, self: Any, stat: str) -> Any:
        extended = extended_statistics.parse(stat)
        if extended is None:
            return original(self, stat)
        values: list[tuple[float, float]] = []
        for datum in self.metric_data:
            known = _weighted(datum)
            if known is None:
                return None
            values += known
        return extended.of(values)

    @correction(CloudWatchResponse, "get_metric_data", UNKNOWN_STATISTICS)
    def check_statistics(original: Any, self: Any) -> Any:
        for number, query in enumerate(self._get_param("MetricDataQueries", []), 1):
            if "MetricStat" in query and not extended_statistics.is_known(query["MetricStat"]["Stat"]):
                name = f"MetricDataQueries.member.{number}.MetricStat.Stat"
                raise ValidationError(f"The value {query['MetricStat']['Stat']} for parameter {name} is not supported.")
        return original(self)

    @correction(CloudWatchResponse, "get_metric_statistics", EXTENDED_POINTS)
    def answer_extended(original: Any, self: Any) -> Any:
        asked = self._get_param("ExtendedStatistics") or []
        if not asked:
            return original(self)
        if self._get_param("Statistics"):
            raise InvalidParameterCombination("Must specify either Statistics or ExtendedStatistics, but not both")
        for stat in asked:
            if extended_statistics.parse(stat) is None:
                raise InvalidParameterValue(f"The value {stat} for parameter ExtendedStatistics is not supported.")
        series = self._get_param("Namespace"), self._get_param("MetricName")
        found = self.cloudwatch_backend.get_metric_statistics(
            *series,
            self._get_param("StartTime"),
            self._get_param("EndTime"),
            self._get_int_param("Period"),
            asked,
            unit=self._get_param("Unit"),
            dimensions=self._get_param("Dimensions", []),
        )
        points = []
        for one in found:
            values = {stat: one.get_statistics_for_type(stat) for stat in asked}
            told = {stat: value for stat, value in values.items() if value is not None}
            if told:
                points.append({"Timestamp": one.timestamp, "Unit": one.unit or "None", "ExtendedStatistics": told})
        return ActionResult({"Label": series[1], "Datapoints": points})


def _weighted(datum: Any) -> list[tuple[float, float]] | None:
    """Return a datum's values and how often each came; None where it tells of several different ones together.

    User guide, "Requirements to use percentiles, trimmed mean, and some other statistics".
    """
    if isinstance(datum, Distribution):
        return list(zip(datum.values, map(float, datum.counts), strict=True))
    if isinstance(datum, MetricDatum):
        return [(datum.value, 1.0)]
    return [(datum.min, datum.sample_count)] if datum.min == datum.max else None
