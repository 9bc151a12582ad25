"""What state a metric alarm is in, from its data points alone.

Source: Amazon CloudWatch user guide, "Alarm evaluation" and "Configuring how CloudWatch alarms treat missing data", whose two
tables are this module's tests. How many points more than the evaluation periods are looked at "depends on the length of the
alarm period", and the guide does not say how: see `range_length`.
"""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

# Points looked at beyond the evaluation periods where a period lasts longer than a minute: the guide's own example has 5 points
# for 3 periods, and who stopped the data of an alarm on days has waited as much longer.
EXTRA_PERIODS = 2
MINUTE = 60

COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanThreshold": operator.gt,
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}


@dataclass(frozen=True)
class Condition:
    """When an alarm rings, in PutMetricAlarm's words; `missing` is TreatMissingData."""

    comparison: str
    threshold: float
    evaluation_periods: int
    datapoints_to_alarm: int
    missing: str = "missing"

    def breached_by(self, value: float) -> bool:
        """Say whether a value is on the wrong side of the threshold."""
        return COMPARISONS[self.comparison](value, self.threshold)


@dataclass(frozen=True)
class Datapoint:
    """A metric's statistic over one period; `time` is the period's beginning, naive UTC."""

    time: datetime
    value: float


@dataclass(frozen=True)
class Verdict:
    """The state to be in (None: stay as you are), the data points that counted (oldest first), and how many were missing."""

    state: str | None
    counted: tuple[Datapoint, ...]
    filled: int


def evaluate(condition: Condition, points: Sequence[Datapoint | None]) -> Verdict:
    """Judge the points of the evaluation range, oldest first; None is a period without data."""
    periods, needed = condition.evaluation_periods, condition.datapoints_to_alarm
    aged = [(age, point) for age, point in enumerate(reversed(points), 1) if point is not None][:periods]
    counted = tuple(point for _, point in reversed(aged))
    filled = periods - len(counted)
    breaching = sum(condition.breached_by(point.value) for point in counted)
    state: str | None
    if filled and condition.missing == "breaching":
        state = "ALARM" if breaching + filled >= needed else "OK"
    elif breaching >= needed:
        state = "ALARM"
    elif not filled or condition.missing == "notBreaching" or breaching < len(counted):
        state = "OK"
    elif condition.missing == "ignore":
        state = None
    elif not counted:
        state = "INSUFFICIENT_DATA"
    else:
        # "Avoiding premature transitions to alarm state": a few bad points and nothing else ring when the oldest of them
        # is old enough; until then the next point may decide.
        state = "ALARM" if aged[-1][0] >= needed else None
    return Verdict(state, counted, filled)


def range_length(period: int, evaluation_periods: int, extra: int) -> int:
    """Return how many periods of `period` seconds the evaluation range has.

    `extra` is how many that are beyond the evaluation periods where one lasts a minute or less: `Settings.alarm_extra_periods`.
    """
    return evaluation_periods + (extra if period <= MINUTE else EXTRA_PERIODS)


def evaluation_range(now: datetime, period: int, interval: int, length: int) -> list[datetime]:
    """Return when each of the `length` periods of the evaluation range begins, oldest first.

    An alarm is looked at every `interval` seconds or at the end of each of its periods, whichever is more often; its
    periods end then. On AWS the interval is a minute.
    """
    step = min(period, interval)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    end = midnight + timedelta(seconds=(now - midnight).total_seconds() // step * step)
    return [end - timedelta(seconds=period * number) for number in range(length, 0, -1)]
