"""Which data an alarm watches: one statistic of one metric, as it is or with its gaps filled.

Source: CloudWatch API reference, PutMetricAlarm and MetricDataQuery; CloudWatch user guide, "Using metric math", FILL. Of
metric math the local cloud evaluates FILL alone.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from localcloud.telemetry.alarm_evaluation import Datapoint

FILL = re.compile(r"\s*FILL\(\s*([a-z]\w*)\s*,\s*(-?\d+(?:\.\d+)?)\s*\)\s*")


@dataclass(frozen=True)
class Source:
    """A statistic of a metric over periods of `period` seconds; `fill` takes the place of missing points, None leaves gaps."""

    namespace: str
    metric: str
    dimensions: tuple[tuple[str, str], ...]
    statistic: str
    unit: str | None
    period: int
    fill: float | None = None

    def filled(self, points: Sequence[Datapoint | None], times: Sequence[datetime]) -> list[Datapoint | None]:
        """Return the points of an evaluation range with its gaps filled.

        FILL fills a time series, and where a range holds no point at all there is none: all of it stays missing.
        """
        if self.fill is None or not any(points):
            return list(points)
        return [point or Datapoint(time, self.fill) for point, time in zip(points, times, strict=True)]


def _of_statistic(statistic: Any, fill: float | None = None) -> Source:
    metric = statistic.metric
    return Source(
        namespace=metric.namespace,
        metric=metric.metric_name,
        dimensions=tuple((one.name, one.value) for one in metric.dimensions),
        statistic=statistic.stat,
        unit=statistic.unit,
        period=int(statistic.period),
        fill=fill,
    )


def parse_fill(expression: str, metrics: Collection[str]) -> tuple[str, float]:
    """Return the id of the metric that an expression fills, one of `metrics`, and what with.

    Raises ValueError for any other metric math.
    """
    found = FILL.fullmatch(expression)
    if found is None:
        raise ValueError(
            f"The local cloud evaluates FILL(<metric>, <number>) of metric math and nothing else, not {expression!r}."
        )
    metric, value = found.groups()
    if metric not in metrics:
        raise ValueError(f"The expression {expression!r} fills {metric}, which is no metric of this alarm.")
    return metric, float(value)


def _of_queries(queries: Sequence[Any]) -> Source:
    (watched,) = (one for one in queries if one.return_data is not False)
    if watched.metric_stat is not None:
        return _of_statistic(watched.metric_stat)
    statistics = {one.id: one.metric_stat for one in queries if one.metric_stat is not None}
    metric, value = parse_fill(watched.expression, statistics)
    return _of_statistic(statistics[metric], value)


def source_of(alarm: Any) -> Source:
    """Return what a metric alarm of the API watches."""
    if alarm.metric_data_queries:
        return _of_queries(alarm.metric_data_queries)
    return Source(
        namespace=alarm.namespace,
        metric=alarm.metric_name,
        dimensions=tuple((one.name, one.value) for one in alarm.dimensions),
        statistic=alarm.statistic or alarm.extended_statistic,
        unit=alarm.unit,
        period=int(alarm.period),
    )
