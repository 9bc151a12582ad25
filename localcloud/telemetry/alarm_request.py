"""What PutMetricAlarm refuses, from its parameters alone.

Source: CloudWatch API reference, PutMetricAlarm. Where the wording of AWS's answer is known it is that.
"""

import re
from typing import Any

from localcloud.telemetry.alarm_evaluation import COMPARISONS
from localcloud.telemetry.alarm_source import parse_fill
from localcloud.telemetry.extended_statistics import is_known

# What belongs to an alarm on one metric, and not beside `Metrics`.
OF_ONE_METRIC = ("MetricName", "Namespace", "Dimensions", "Period", "Unit", "Statistic", "ExtendedStatistic")
# Taken by AWS and not followed here: an alarm that has them would ring otherwise than on AWS.
UNKNOWN = ("EvaluationCriteria", "EvaluationWindow", "WarmUpConfiguration", "ThresholdMetricId")
TREATMENTS = ("breaching", "notBreaching", "ignore", "missing")
# Seconds that all periods of an alarm may last together; with periods of an hour or more it is a week.
ONE_DAY, ONE_WEEK, ONE_HOUR = 86400, 604800, 3600


def check(request: dict[str, Any]) -> None:
    """Raise ValueError for what AWS does not take, and for what the local cloud does not evaluate."""
    unknown = [one for one in UNKNOWN if request.get(one)]
    if unknown:
        raise ValueError(f"The local cloud evaluates no alarms with {', '.join(unknown)}.")
    metrics = request.get("Metrics")
    if bool(metrics) == bool(request.get("MetricName")):
        raise ValueError("An alarm needs either MetricName or Metrics, and not both.")
    period = _check_metrics(request, metrics) if metrics else _check_metric(request)
    _check_condition(request, period)


def _check_metrics(request: dict[str, Any], metrics: list[dict[str, Any]]) -> int:
    beside = [one for one in OF_ONE_METRIC if request.get(one)]
    if beside:
        raise ValueError(f"{', '.join(beside)} cannot be given beside Metrics: each of its elements has its own.")
    ids = [str(one.get("Id")) for one in metrics]
    wrong = [one for one in ids if not re.fullmatch(r"[a-z]\w*", one, re.ASCII)]
    if wrong:
        raise ValueError(f"Invalid Id {wrong[0]!r}: letters, numbers and underscores, the first a lowercase letter.")
    if len(set(ids)) < len(ids):
        raise ValueError("The values for parameter Id in Metrics are not unique.")
    for one in metrics:
        if ("Expression" in one) == ("MetricStat" in one):
            raise ValueError(f"The element {one['Id']} of Metrics needs either Expression or MetricStat, and not both.")
    if sum(one.get("ReturnData", True) for one in metrics) != 1:
        raise ValueError("Exactly one element of the metrics list should return data.")
    statistics = {one["Id"]: one["MetricStat"] for one in metrics if "MetricStat" in one}
    for one in metrics:
        if "Expression" in one:
            parse_fill(one["Expression"], statistics)
    periods = [int(one["Period"]) for one in statistics.values()]
    for statistic, period in zip(statistics.values(), periods, strict=True):
        _check_statistic(statistic["Stat"], "Stat")
        _check_period(period)
    return max(periods)


def _check_metric(request: dict[str, Any]) -> int:
    if bool(request.get("Statistic")) == bool(request.get("ExtendedStatistic")):
        raise ValueError("An alarm on a metric needs either Statistic or ExtendedStatistic, and not both.")
    _check_statistic(str(request.get("ExtendedStatistic") or request["Statistic"]), "ExtendedStatistic")
    for name in ("Namespace", "Period"):
        if not request.get(name):
            raise ValueError(f"The parameter {name} is required.")
    period = int(request["Period"])
    _check_period(period)
    return period


def _check_statistic(statistic: str, parameter: str) -> None:
    if not is_known(statistic):
        raise ValueError(f"The value {statistic} for parameter {parameter} is not supported.")


def _check_period(period: int) -> None:
    if period not in {10, 20, 30} and (period < 1 or period % 60):
        raise ValueError(f"Period is {period}; it must be 10, 20, 30 or a multiple of 60.")


def _check_condition(request: dict[str, Any], period: int) -> None:
    for name in ("ComparisonOperator", "EvaluationPeriods", "Threshold"):
        if request.get(name) is None:
            raise ValueError(f"The parameter {name} is required.")
    if request["ComparisonOperator"] not in COMPARISONS:
        raise ValueError(f"{request['ComparisonOperator']} is for anomaly bands, which the local cloud does not evaluate.")
    periods = int(request["EvaluationPeriods"])
    if not 1 <= int(request.get("DatapointsToAlarm") or periods) <= periods:
        raise ValueError("DatapointsToAlarm must be from 1 to EvaluationPeriods.")
    longest = ONE_WEEK if period >= ONE_HOUR else ONE_DAY
    if periods * period > longest:
        raise ValueError(f"EvaluationPeriods times Period is {periods * period} seconds; it must not exceed {longest}.")
    treatment = request.get("TreatMissingData", "missing")
    if treatment not in TREATMENTS:
        raise ValueError(f"TreatMissingData is {treatment}; it must be one of {', '.join(TREATMENTS)}.")
