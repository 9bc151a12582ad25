"""EC2 Auto Scaling: scheduled actions, checked when they are made and told with the time of their next run."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from moto.autoscaling.exceptions import ValidationError
from moto.autoscaling.models import AutoScalingBackend
from moto.core.utils import utcnow

from localcloud.corrections.patching import NOT_REPORTED, Difference, addition, correction
from localcloud.scaling.cron import parse
from localcloud.scaling.schedules import next_run

if TYPE_CHECKING:
    from localcloud.account import Account

OF_A_GROUP = Difference(
    "knows scheduled actions by their names alone, also those of groups that do not exist",
    aws="https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_PutScheduledUpdateGroupAction.html",
    upstream=NOT_REPORTED,
)
CHECKED = Difference(
    "takes any recurrence, time and time zone",
    aws="https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_PutScheduledUpdateGroupAction.html",
    upstream=NOT_REPORTED,
)
NEXT_RUN = Difference(
    "does not tell when an action runs next",
    aws="https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_ScheduledUpdateGroupAction.html",
    upstream=NOT_REPORTED,
)


def forget_schedules(backend: Any, group_name: str) -> None:
    """Remove a group's scheduled actions, as DeleteAutoScalingGroup does."""
    for key in [key for key in backend.scheduled_actions if key[0] == group_name]:
        backend.scheduled_actions.pop(key, None)


def _naive(moment: datetime | None) -> datetime | None:
    return moment.astimezone(UTC).replace(tzinfo=None) if moment is not None and moment.tzinfo else moment


def _check(action: Any, now: datetime) -> None:
    if action.recurrence:
        try:
            parse(action.recurrence)
        except ValueError as error:
            raise ValidationError(f"Given recurrence string: {action.recurrence} is invalid: {error}.") from None
    try:
        ZoneInfo(action.time_zone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        raise ValidationError(f"Given time zone: {action.time_zone} is invalid.") from None
    if not action.recurrence and action.first_start is None:
        raise ValidationError("Either the start time or the recurrence must be specified.")
    if action.first_start is not None and action.first_start <= now:
        raise ValidationError("Given start time is in the past.")
    if action.end_time is not None and action.end_time <= (action.first_start or now):
        raise ValidationError("Given end time is in the past, or not after the start time.")
    if {action.min_size, action.max_size, action.desired_capacity} == {None}:
        raise ValidationError("At least one of MinSize, MaxSize and DesiredCapacity must be specified.")


def apply(_account: Account) -> None:
    """Correct scheduled actions; localcloud/scaling/schedules.py carries them out."""

    @correction(AutoScalingBackend, "put_scheduled_update_group_action", OF_A_GROUP, CHECKED, NEXT_RUN)
    def check_and_schedule(original: Any, self: Any, name: str, **kwargs: Any) -> Any:
        if name not in self.autoscaling_groups:
            raise ValidationError(f"AutoScalingGroup name not found - AutoScalingGroup '{name}' not found")
        action = original(self, name, **kwargs)
        del self.scheduled_actions[action.scheduled_action_name]
        now = utcnow()
        action.first_start, action.end_time = _naive(action.start_time), _naive(action.end_time)
        _check(action, now)
        action.start_time = next_run(action, now)
        if action.start_time is None:
            raise ValidationError("The action would never run.")
        action.scheduled_action_arn = (
            f"arn:aws:autoscaling:{self.region_name}:{self.account_id}:scheduledUpdateGroupAction:*:"
            f"autoScalingGroupName/{name}:scheduledActionName/{action.scheduled_action_name}"
        )
        self.scheduled_actions[name, action.scheduled_action_name] = action
        return action

    @addition(AutoScalingBackend, "delete_scheduled_action", OF_A_GROUP)
    def delete_scheduled_action(self: Any, auto_scaling_group_name: str, scheduled_action_name: str) -> None:
        if self.scheduled_actions.pop((auto_scaling_group_name, scheduled_action_name), None) is None:
            raise ValidationError("Scheduled action name not found")
