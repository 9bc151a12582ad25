"""What CloudWatch says about an alarm: reasons, history, the message to a topic.

The wording is that of AWS's own answers, for people and programs who read it know it; the SNS message's fields are those of
the CloudWatch user guide, "Notifying users on alarm changes".
"""

import json
from datetime import datetime
from typing import Any

from localcloud import settings
from localcloud.telemetry.alarm_evaluation import Condition, Datapoint, Verdict
from localcloud.telemetry.alarm_source import Source

PHRASES = {
    "GreaterThanThreshold": "greater than",
    "GreaterThanOrEqualToThreshold": "greater than or equal to",
    "LessThanThreshold": "less than",
    "LessThanOrEqualToThreshold": "less than or equal to",
}
FILLINGS = {"breaching": "Breaching", "notBreaching": "NonBreaching"}
REGION_NAME = "US East (N. Virginia)"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _stamp(moment: datetime) -> str:
    return f"{moment.isoformat(timespec='milliseconds')}+0000"


def reason(condition: Condition, verdict: Verdict) -> str:
    """Say why an alarm enters the state of `verdict`."""
    if verdict.state == "INSUFFICIENT_DATA":
        verb = "was" if verdict.filled == 1 else "were"
        return f"Insufficient Data: {_count(verdict.filled, 'datapoint')} {verb} unknown."
    filling = ""
    if verdict.filled and condition.missing in FILLINGS:
        verb = "was" if verdict.filled == 1 else "were"
        filling = f" and {_count(verdict.filled, 'missing datapoint')} {verb} treated as [{FILLINGS[condition.missing]}]"
    periods = condition.evaluation_periods
    if not verdict.counted:
        return f"Threshold Crossed: no datapoints were received for {_count(periods, 'period')}{filling}."
    ringing = verdict.state == "ALARM"
    chosen = [point for point in verdict.counted if condition.breached_by(point.value) == ringing] or verdict.counted
    listed = ", ".join(f"{point.value} ({point.time:%d/%m/%y %H:%M:%S})" for point in reversed(chosen))
    verb = "was" if len(chosen) == 1 else "were"
    phrase = PHRASES[condition.comparison]
    if condition.breached_by(chosen[0].value) is False:
        phrase = f"not {phrase}"
    least = condition.datapoints_to_alarm if ringing else periods - condition.datapoints_to_alarm + 1
    change = "OK -> ALARM" if ringing else "ALARM -> OK"
    return (
        f"Threshold Crossed: {len(chosen)} out of the last {_count(periods, 'datapoint')} [{listed}] {verb} {phrase} "
        f"the threshold ({condition.threshold}){filling} (minimum {_count(least, 'datapoint')} for {change} transition)."
    )


def reason_data(alarm: Any, source: Source, counted: tuple[Datapoint, ...], now: datetime) -> str:
    """Return the figures behind a reason as JSON, the value that counts last at the end of `recentDatapoints`."""
    data: dict[str, Any] = {"version": "1.0", "queryDate": _stamp(now)}
    if counted:
        data["startDate"] = _stamp(counted[0].time)
    return json.dumps(
        data
        | {
            "statistic": source.statistic,
            "period": source.period,
            "recentDatapoints": [point.value for point in counted],
            "threshold": alarm.threshold,
            "evaluatedDatapoints": [{"timestamp": _stamp(point.time), "value": point.value} for point in reversed(counted)],
        }
    )


def _history(alarm: Any, kind: str, summary: str, data: dict[str, Any], moment: datetime) -> dict[str, Any]:
    return {
        "AlarmName": alarm.name,
        "AlarmType": "MetricAlarm" if alarm.rule is None else "CompositeAlarm",
        "Timestamp": moment,
        "HistoryItemType": kind,
        "HistorySummary": summary,
        "HistoryData": json.dumps({"version": "1.0"} | data),
    }


def history_of_update(alarm: Any, state: str, reason: str) -> dict[str, Any]:
    """Return the AlarmHistoryItem of a change from `state`, entered for `reason`, to what `alarm` says now."""
    data = {
        "oldState": {"stateValue": state, "stateReason": reason},
        "newState": {"stateValue": alarm.state_value, "stateReason": alarm.state_reason},
    }
    summary = f"Alarm updated from {state} to {alarm.state_value}"
    return _history(alarm, "StateUpdate", summary, data, alarm.state_updated_timestamp)


def history_of_action(alarm: Any, action: str, error: str, moment: datetime) -> dict[str, Any]:
    """Return the AlarmHistoryItem of an action that was taken, or could not be because of `error`."""
    outcome = "Failed to execute" if error else "Successfully executed"
    data = {"actionState": "Failed" if error else "Succeeded", "notificationResource": action}
    return _history(alarm, "Action", f"{outcome} action {action}", data | ({"error": error} if error else {}), moment)


def subject(alarm: Any) -> str:
    """Return the subject of an alarm's message; SNS takes 100 characters."""
    return f'{alarm.state_value}: "{alarm.name}" in {REGION_NAME}'[:99]


def _metric(alarm: Any) -> dict[str, Any]:
    """Return what an alarm on one metric watches, in the words of its message."""
    statistic = {"StatisticType": "Statistic", "Statistic": (alarm.statistic or "").upper()}
    if alarm.extended_statistic:
        statistic = {"StatisticType": "ExtendedStatistic", "ExtendedStatistic": alarm.extended_statistic}
    return statistic | {
        "MetricName": alarm.metric_name,
        "Namespace": alarm.namespace,
        "Unit": alarm.unit,
        "Dimensions": _dimensions(alarm),
        "Period": alarm.period,
    }


def _dimensions(owner: Any) -> list[dict[str, str]]:
    return [{"value": one.value, "name": one.name} for one in owner.dimensions]


def _query(query: Any) -> dict[str, Any]:
    """Return one element of an alarm's `Metrics`, in the words of its message."""
    told = {"Id": query.id, "ReturnData": query.return_data is not False}
    if query.metric_stat is None:
        return told | {"Expression": query.expression}
    metric = query.metric_stat.metric
    named = {"Namespace": metric.namespace, "MetricName": metric.metric_name, "Dimensions": _dimensions(metric)}
    statistic = {"Metric": named, "Period": query.metric_stat.period, "Stat": query.metric_stat.stat}
    return told | {"MetricStat": statistic}


def message(alarm: Any, state_before: str) -> str:
    """Return an alarm's message to an SNS topic."""
    return json.dumps(
        {
            "AlarmName": alarm.name,
            "AlarmDescription": alarm.description,
            "AWSAccountId": settings.ACCOUNT_ID,
            "AlarmConfigurationUpdatedTimestamp": _stamp(alarm.configuration_updated_timestamp),
            "NewStateValue": alarm.state_value,
            "NewStateReason": alarm.state_reason,
            "StateChangeTime": _stamp(alarm.state_updated_timestamp),
            "Region": REGION_NAME,
            "AlarmArn": alarm.alarm_arn,
            "OldStateValue": state_before,
            "OKActions": alarm.ok_actions,
            "AlarmActions": alarm.alarm_actions,
            "InsufficientDataActions": alarm.insufficient_data_actions,
            "Trigger": (
                {"Metrics": [_query(one) for one in alarm.metric_data_queries]} if alarm.metric_data_queries else _metric(alarm)
            )
            | {
                "EvaluationPeriods": alarm.evaluation_periods,
                "DatapointsToAlarm": alarm.datapoints_to_alarm or alarm.evaluation_periods,
                "ComparisonOperator": alarm.comparison_operator,
                "Threshold": alarm.threshold,
                "TreatMissingData": alarm.treat_missing_data or "missing",
            },
        }
    )
