"""CloudWatch's alarms: looks at each one's data, changes its state, and takes the actions of the state that it enters.

Alarms on other alarms are not evaluated: they stay in INSUFFICIENT_DATA, and their reason says so; what else is not evaluated
PutMetricAlarm refuses. Actions are SNS topics and Auto Scaling policies; any other is noted as failed in the alarm's history.
"""

import json
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from moto.cloudwatch.models import Statistics
from moto.core.utils import utcnow

from localcloud import backends
from localcloud.telemetry import alarm_messages
from localcloud.telemetry.alarm_evaluation import Condition, Datapoint, evaluate, evaluation_range, range_length
from localcloud.telemetry.alarm_source import Source, source_of
from localcloud.telemetry.metric_store import MetricStore

logger = logging.getLogger(__name__)

# DescribeAlarmHistory keeps 30 days; the newest items of an alarm are enough here.
HISTORY_KEPT = 200

# Carries out a scaling policy: its ARN, the alarm, and the value of the alarm's metric.
ExecutePolicy = Callable[[str, Any, float], None]


def unevaluated(alarm: Any) -> str | None:
    """Say why an alarm is not evaluated; None if it is."""
    return None if alarm.rule is None else "Unchecked: the local cloud evaluates no composite alarms."


def condition_of(alarm: Any) -> Condition:
    """Return when an alarm of the API rings."""
    return Condition(
        comparison=alarm.comparison_operator,
        threshold=float(alarm.threshold),
        evaluation_periods=int(alarm.evaluation_periods),
        datapoints_to_alarm=int(alarm.datapoints_to_alarm or alarm.evaluation_periods),
        missing=alarm.treat_missing_data or "missing",
    )


def datapoints(source: Source, store: MetricStore, times: Sequence[datetime], now: datetime) -> Iterator[Datapoint | None]:
    """Yield the statistic of each of the periods that begin at `times`; None where no data has arrived by `now`."""
    length = timedelta(seconds=source.period)
    series = (source.namespace, source.metric, source.dimensions)
    for begin in times:
        data = store.between(series, begin, begin + length, now)
        statistics = Statistics([source.statistic], begin)
        statistics.metric_data = [one for one in data if source.unit in {None, one.unit}]
        value = statistics.get_statistics_for_type(source.statistic) if statistics.metric_data else None
        yield None if value is None else Datapoint(begin, float(value))


class Alarms:
    """Evaluates the account's alarms.

    `interval` is what a minute is on AWS, in seconds; `extra_periods` is what `range_length` calls extra.
    """

    def __init__(self, interval: int, execute_policy: ExecutePolicy, extra_periods: int) -> None:
        self._interval = interval
        self._execute_policy = execute_policy
        self._extra_periods = extra_periods

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
        condition, source = condition_of(alarm), source_of(alarm)
        length = range_length(source.period, condition.evaluation_periods, self._extra_periods)
        times = evaluation_range(now, source.period, self._interval, length)
        points = list(datapoints(source, backends.cloudwatch().metric_data, times, now))
        verdict = evaluate(condition, source.filled(points, times))
        if verdict.state is not None and verdict.state != alarm.state_value:
            reason = alarm_messages.reason(condition, verdict)
            data = alarm_messages.reason_data(alarm, source, verdict.counted, now)
            alarm.update_state(reason, data, verdict.state)
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
