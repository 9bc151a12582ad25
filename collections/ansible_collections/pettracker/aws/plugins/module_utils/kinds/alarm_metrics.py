"""What a CloudWatch alarm watches, as DescribeAlarms says it and PutMetricAlarm takes it. Pure functions only."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ..state import State

# The fields of DescribeAlarms and PutMetricAlarm that are called otherwise here, apart from the metric, actions and tags.
FIELDS = {
    **{"description": "AlarmDescription", "comparison": "ComparisonOperator", "threshold": "Threshold"},
    **{"evaluation_periods": "EvaluationPeriods", "missing_data": "TreatMissingData"},
}
# Who is told of each state that an alarm enters, likewise.
ACTIONS = {"alarm_actions": "AlarmActions", "ok_actions": "OKActions", "insufficient_data_actions": "InsufficientDataActions"}
# How the metric and what is made of it are called in metric math.
METRIC_ID, EXPRESSION_ID = "m1", "e1"


def found_metric(alarm: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what an entry of DescribeAlarms watches. With an expression all of it is in `Metrics`, in any order.

    Metric math over anything but one metric is no variable's: it is returned as a text, which differs from all that is wanted.
    """
    queries = [
        {key: value for key, value in query.items() if key != "Label" and value is not None}
        for query in alarm.get("Metrics") or []
    ]
    if not queries:
        return _metric(alarm, alarm.get("Statistic"), alarm.get("Period"), "")
    measured = [query for query in queries if "MetricStat" in query]
    made = [query for query in queries if "Expression" in query]
    if len(queries) != 2 or not _is_measured(measured) or not _is_made(made):
        return _metric({}, None, None, json.dumps(queries, sort_keys=True))
    stat = measured[0]["MetricStat"]
    return _metric(stat["Metric"], stat["Stat"], stat["Period"], made[0]["Expression"])


def _is_measured(queries: list[dict[str, Any]]) -> bool:
    """Tells whether this is the one metric, which only the expression looks at."""
    return [query | {"MetricStat": set(_given(query["MetricStat"]))} for query in queries] == [
        {"Id": METRIC_ID, "MetricStat": {"Metric", "Period", "Stat"}, "ReturnData": False}
    ]


def _is_made(queries: list[dict[str, Any]]) -> bool:
    """Tells whether this is the one expression, which the alarm watches; what it is called decides nothing."""
    return [set(query) - {"ReturnData"} for query in queries] == [{"Id", "Expression"}] and queries[0].get("ReturnData", True)


def _given(answer: Mapping[str, Any]) -> Iterator[str]:
    return (key for key, value in answer.items() if value is not None)


def _metric(named: Mapping[str, Any], statistic: str | None, period: int | None, expression: str) -> dict[str, Any]:
    return {
        "namespace": named.get("Namespace"),
        "metric": named.get("MetricName"),
        "dimensions": {dimension["Name"]: dimension["Value"] for dimension in named.get("Dimensions") or []},
        "statistic": statistic,
        "period": period,
        "expression": expression,
    }


def metric_request(wanted: State) -> dict[str, Any]:
    """Returns what PutMetricAlarm is to watch: with an expression all of it is in `Metrics`, without the single fields."""
    metric = {
        "Namespace": wanted["namespace"],
        "MetricName": wanted["metric"],
        "Dimensions": [{"Name": key, "Value": value} for key, value in sorted(wanted["dimensions"].items())],
    }
    if not wanted["expression"]:
        return metric | {"Statistic": wanted["statistic"], "Period": wanted["period"]}
    stat = {"Metric": metric, "Period": wanted["period"], "Stat": wanted["statistic"]}
    made = {"Id": EXPRESSION_ID, "Expression": wanted["expression"], "ReturnData": True}
    return {"Metrics": [{"Id": METRIC_ID, "MetricStat": stat, "ReturnData": False}, made]}


def request(name: str, wanted: State) -> dict[str, Any]:
    """Returns the parameters of PutMetricAlarm that make an alarm what is wanted, apart from its tags."""
    named = {key: wanted[field] for field, key in (FIELDS | ACTIONS).items()}
    return named | metric_request(wanted) | {"AlarmName": name, "ActionsEnabled": wanted["actions_enabled"]}
