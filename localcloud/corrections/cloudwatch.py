"""CloudWatch: percentiles, data by series, states and history of alarms."""

from __future__ import annotations

import math
import re
from types import SimpleNamespace
from typing import Any

from moto.cloudwatch.models import Alarm, CloudWatchBackend, MetricDatum, Statistics
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult

from localcloud.corrections.patching import addition, correction
from localcloud.telemetry.alarm_messages import history_of_update
from localcloud.telemetry.alarms import Alarms, unevaluated
from localcloud.telemetry.metric_store import Distribution, MetricStore


def apply(alarms: Alarms) -> None:
    """Correct metrics, and hand what follows from an alarm's change of state to `alarms`."""
    _correct_data()
    _correct_look_ups()
    _correct_statistics()
    _correct_alarms(alarms)


def _correct_data() -> None:
    @correction(CloudWatchBackend, "__init__")
    def keep_by_series(original: Any, self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        self.metric_data = MetricStore()

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
        data = [one for series in wanted for one in self.metric_data.between(*series, begin, end)]
        view = SimpleNamespace(get_all_metrics=lambda: [*data, *self.aws_metric_data])
        return original(view, **asked)

    @correction(CloudWatchBackend, "get_metric_statistics")
    def look_at_one_series(
        original: Any, self: Any, namespace: str, metric_name: str, *args: Any, **kwargs: Any
    ) -> Any:
        begin, end, *_ = args
        pairs = _pairs(kwargs["dimensions"])
        data = self.metric_data.between(namespace, metric_name, pairs, begin.replace(microsecond=0), end)
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


def _correct_alarms(alarms: Alarms) -> None:
    @correction(CloudWatchBackend, "put_metric_alarm")
    def keep_state(original: Any, self: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html: a new alarm is in
        # INSUFFICIENT_DATA; "when you update an existing alarm, its state is left unchanged". Moto says OK each time.
        before = self.alarms.get(name)
        alarm = original(self, name, *args, **kwargs)
        if before is None:
            alarm.state_value = "INSUFFICIENT_DATA"
            alarm.state_reason = unevaluated(alarm) or alarm.state_reason
            return alarm
        for field in ("state_value", "state_reason", "state_reason_data", "state_updated_timestamp", "history"):
            setattr(alarm, field, getattr(before, field))
        return alarm

    @correction(Alarm, "update_state")
    def record_and_act(original: Any, self: Any, reason: str, reason_data: str | None, state_value: str) -> None:
        # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_SetAlarmState.html: "When the updated state
        # differs from the previous value, the action configured for the appropriate state is invoked."
        before = (self.state_value, self.state_reason)
        original(self, reason, reason_data or "{}", state_value)
        self.history[-1] = history_of_update(self, *before)
        if before[0] != state_value:
            alarms.entered(self, before[0])

    @addition(CloudWatchResponse, "describe_alarm_history")
    def describe_alarm_history(self: Any) -> Any:
        # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarmHistory.html; moto lacks it.
        wanted, kind = self._get_param("AlarmName"), self._get_param("HistoryItemType")
        begin, end = self._get_param("StartDate"), self._get_param("EndDate")
        items = [
            item
            for alarm in self.cloudwatch_backend.alarms.values()
            if wanted in {None, alarm.name}
            for item in alarm.history
            if kind in {None, item["HistoryItemType"]}
            and (begin is None or item["Timestamp"] >= begin)
            and (end is None or item["Timestamp"] <= end)
        ]
        newest_first = self._get_param("ScanBy") != "TimestampAscending"
        items.sort(key=lambda item: item["Timestamp"], reverse=newest_first)
        return ActionResult({"AlarmHistoryItems": items[: self._get_int_param("MaxRecords", 100)]})
