"""CloudWatch: what PutMetricAlarm takes, the states of alarms and their history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.cloudwatch.exceptions import ValidationError
from moto.cloudwatch.models import Alarm, CloudWatchBackend
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult

from localcloud.corrections.patching import NOT_REPORTED, Difference, Seam, addition, correction
from localcloud.telemetry import alarm_request
from localcloud.telemetry.alarm_messages import history_of_update
from localcloud.telemetry.alarms import Alarms, unevaluated

if TYPE_CHECKING:
    from localcloud.account import Account

API = "https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/"
REQUESTS = Difference("takes almost any metric alarm", aws=API + "API_PutMetricAlarm.html", upstream=NOT_REPORTED)
# "When you update an existing alarm, its state is left unchanged".
STATES = Difference(
    "says of new and of changed alarms that they are OK", aws=API + "API_PutMetricAlarm.html", upstream=NOT_REPORTED
)
EXTENDED = Difference(
    "takes percentiles for the only extended statistics of alarms", aws=API + "API_PutMetricAlarm.html", upstream=NOT_REPORTED
)
HISTORY = Difference("lacks DescribeAlarmHistory", aws=API + "API_DescribeAlarmHistory.html", upstream=NOT_REPORTED)
ACTIONS = Seam("alarms are evaluated, and what they are to do is done")


def apply(account: Account) -> None:
    """Correct alarms, and hand what follows from a change of their state to the account's."""
    _correct_requests()
    _correct_states(account.alarms)
    _correct_history()


def _correct_requests() -> None:
    @correction(CloudWatchResponse, "put_metric_alarm", REQUESTS)
    def refuse_what_aws_refuses(original: Any, self: Any) -> Any:
        # PutCompositeAlarm comes through the same door.
        if self._get_param("AlarmRule") is None:
            try:
                alarm_request.check(self._get_params())
            except ValueError as error:
                raise ValidationError(str(error)) from error
        return original(self)


def _correct_states(alarms: Alarms) -> None:
    @correction(CloudWatchBackend, "put_metric_alarm", STATES, EXTENDED)
    def keep_state(original: Any, self: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        before, extended = self.alarms.get(name), kwargs.pop("extended_statistic", None)
        alarm = original(self, name, *args, **kwargs)
        alarm.extended_statistic = extended
        if before is None:
            alarm.state_value = "INSUFFICIENT_DATA"
            alarm.state_reason = unevaluated(alarm) or alarm.state_reason
            return alarm
        for field in ("state_value", "state_reason", "state_reason_data", "state_updated_timestamp", "history"):
            setattr(alarm, field, getattr(before, field))
        return alarm

    @correction(Alarm, "update_state", ACTIONS)
    def record_and_act(original: Any, self: Any, reason: str, reason_data: str | None, state_value: str) -> None:
        # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_SetAlarmState.html: "When the updated state
        # differs from the previous value, the action configured for the appropriate state is invoked."
        before = (self.state_value, self.state_reason)
        original(self, reason, reason_data or "{}", state_value)
        self.history[-1] = history_of_update(self, *before)
        if before[0] != state_value:
            alarms.entered(self, before[0])


def _correct_history() -> None:
    @addition(CloudWatchResponse, "describe_alarm_history", HISTORY)
    def describe_alarm_history(self: Any) -> Any:
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
