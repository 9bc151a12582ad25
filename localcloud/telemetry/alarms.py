"""CloudWatch's alarms: looks at each one's data, changes its state, and takes the actions of the state that it enters.

Alarms on metric math, anomaly bands and other alarms are not evaluated: they stay in INSUFFICIENT_DATA, and their reason says
so. Actions are SNS topics and Auto Scaling policies; any other is noted as failed in the alarm's history.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from moto.cloudwatch.models import Statistics
from moto.core.utils import utcnow

from localcloud import backends
from localcloud.telemetry import alarm_messages
from localcloud.telemetry.alarm_evaluation import COMPARISONS, Condition, Datapoint, evaluate, evaluation_range
from localcloud.telemetry.metric_store import MetricStore

logger = logging.getLogger(__name__)

# DescribeAlarmHistory keeps 30 days; the newest items of an alarm are enough here.
HISTORY_KEPT = 200

# Carries out a scaling policy: its ARN, the alarm, and the value of the alarm's metric.
ExecutePolicy = Callable[[str, Any, float], None]


def unevaluated(alarm: Any) -> str | None:
    """Say why an alarm is not evaluated; None if it is."""
    if alarm.rule is not None:
        return "Unchecked: the local cloud evaluates no composite alarms."
    if alarm.metric_data_queries or alarm.comparison_operator not in COMPARISONS:
        return (
            "Unchecked: the local cloud evaluates alarms on single metrics only, no metric math and no anomaly bands."
        )
    return None


def condition_of(alarm: Any) -> Condition:
    """Return when an alarm of the API rings."""
    return Condition(
        comparison=alarm.comparison_operator,
        threshold=float(alarm.threshold),
        evaluation_periods=int(alarm.evaluation_periods),
        datapoints_to_alarm=int(alarm.datapoints_to_alarm or alarm.evaluation_periods),
        missing=alarm.treat_missing_data or "missing",
    )


def datapoints(alarm: Any, store: MetricStore, now: datetime, interval: int) -> Iterator[Datapoint | None]:
    """Yield the statistic of each period of an alarm's evaluation range, oldest first; None where there is no data."""
    statistic = alarm.statistic or alarm.extended_statistic
    dimensions = [(one.name, one.value) for one in alarm.dimensions]
    period = timedelta(seconds=int(alarm.period))
    for begin in evaluation_range(now, int(alarm.period), int(alarm.evaluation_periods), interval):
        data = store.between(alarm.namespace, alarm.metric_name, dimensions, begin, begin + period)
        statistics = Statistics([statistic], begin)
        statistics.metric_data = [one for one in data if alarm.unit in {None, one.unit}]
        value = statistics.get_statistics_for_type(statistic) if statistics.metric_data else None
        yield None if value is None else Datapoint(begin, float(value))


class Alarms:
    """Evaluates the account's alarms; `interval` is what a minute is on AWS, in seconds."""

    def __init__(self, interval: int, execute_policy: ExecutePolicy) -> None:
        self._interval = interval
        self._execute_policy = execute_policy

    def evaluate(self, now: datetime) -> None:
        """Look at every alarm once; `now` is naive UTC."""
        for alarm in list(backends.cloudwatch().alarms.values()):
            if unevaluated(alarm):
                continue
            try:
                self._evaluate(alarm, now)
            except Exception:
                logger.exception("Alarm %s", alarm.name)

    def _evaluate(self, alarm: Any, now: datetime) -> None:
        condition = condition_of(alarm)
        points = list(datapoints(alarm, backends.cloudwatch().metric_data, now, self._interval))
        verdict = evaluate(condition, points)
        if verdict.state is not None and verdict.state != alarm.state_value:
            reason = alarm_messages.reason(condition, verdict)
            alarm.update_state(reason, alarm_messages.reason_data(alarm, verdict.counted, now), verdict.state)
        elif verdict.counted:
            # "For Amazon EC2 Auto Scaling, the alarm continues to invoke the action once per minute that the alarm
            # remains in the new state": CloudWatch user guide, "Using Amazon CloudWatch alarms", alarm actions.
            self._scale(alarm, verdict.counted[-1].value)

    def entered(self, alarm: Any, state_before: str) -> None:
        """Take the actions of the state that an alarm is in since now."""
        logger.info("Alarm %s: %s -> %s. %s", alarm.name, state_before, alarm.state_value, alarm.state_reason)
        del alarm.history[:-HISTORY_KEPT]
        if not alarm.actions_enabled:
            return
        for action in self._actions(alarm):
            if ":scalingPolicy:" in action:
                continue
            if action.startswith("arn:aws:sns:"):
                text = alarm_messages.message(alarm, state_before)
                publish = threading.Thread(
                    target=self._publish, args=(alarm, action, alarm_messages.subject(alarm), text), daemon=True
                )
                publish.start()  # a subscriber that does not answer must not hold up the other alarms
            else:
                error = "The local cloud takes the actions of SNS topics and Auto Scaling policies only."
                alarm.history.append(alarm_messages.history_of_action(alarm, action, error, utcnow()))
        recent = json.loads(alarm.state_reason_data).get("recentDatapoints")
        if recent:
            self._scale(alarm, float(recent[-1]))

    def _actions(self, alarm: Any) -> list[str]:
        actions: dict[str, list[str]] = {
            "OK": alarm.ok_actions,
            "ALARM": alarm.alarm_actions,
            "INSUFFICIENT_DATA": alarm.insufficient_data_actions,
        }
        return actions[alarm.state_value]

    def _scale(self, alarm: Any, value: float) -> None:
        if not alarm.actions_enabled:
            return
        for action in self._actions(alarm):
            if ":scalingPolicy:" in action:
                self._execute_policy(action, alarm, value)

    def _publish(self, alarm: Any, topic: str, subject: str, text: str) -> None:
        error = ""
        try:
            backends.sns().publish(text, topic, subject=subject)
        except Exception as failure:
            error = str(getattr(failure, "message", failure))
            logger.warning("Alarm %s cannot notify %s: %s", alarm.name, topic, error)
        alarm.history.append(alarm_messages.history_of_action(alarm, topic, error, utcnow()))
