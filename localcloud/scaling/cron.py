"""When a cron expression is due: five fields, as scheduled actions of Auto Scaling take them.

Understood are `*`, numbers, names of months and weekdays, ranges, steps and lists: crontab(5), which AWS's documents refer to.
As there, if both day of month and day of week are restricted, either of them is enough. A time that the clock skips in spring
is left out, one that it shows twice in autumn counts once.
"""

import calendar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

MONTHS = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if name}
WEEKDAYS = {"SUN": 0, "MON": 1, "TUE": 2, "WED": 3, "THU": 4, "FRI": 5, "SAT": 6}
# Days to look ahead: a 29 February comes within eight years.
HORIZON = 366 * 8


@dataclass(frozen=True)
class Cron:
    """A parsed expression. Sunday is 0; `any_day` and `any_weekday` tell the fields that say `*`."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool
    any_weekday: bool

    def on(self, day: datetime) -> bool:
        """Say whether the expression is due on that day."""
        if day.month not in self.months:
            return False
        in_month, in_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return (in_month and in_week) if self.any_day or self.any_weekday else (in_month or in_week)


def _number(text: str, names: dict[str, int]) -> int:
    if text.upper() in names:
        return names[text.upper()]
    if not text.isdecimal():
        raise ValueError(f"{text!r} is no number")
    return int(text)


def _field(text: str, low: int, high: int, names: dict[str, int] | None = None) -> frozenset[int]:
    numbers: set[int] = set()
    for part in text.split(","):
        span, slash, step_text = part.partition("/")
        step = _number(step_text, {}) if slash else 1
        first_text, dash, last_text = span.partition("-")
        if span == "*":
            first, last = low, high
        else:
            first = _number(first_text, names or {})
            last = _number(last_text, names or {}) if dash else (high if slash else first)
        if not low <= first <= last <= high or step < 1:
            raise ValueError(f"{part!r} is not within {low} to {high}")
        numbers.update(range(first, last + 1, step))
    return frozenset(numbers)


def parse(expression: str) -> Cron:
    """Read an expression. Raises ValueError with what is wrong."""
    fields = expression.split()
    if len(fields) != 5:
        raise ValueError("it has not five fields")
    minute, hour, day, month, weekday = fields
    return Cron(
        minutes=_field(minute, 0, 59),
        hours=_field(hour, 0, 23),
        days=_field(day, 1, 31),
        months=_field(month, 1, 12, MONTHS),
        weekdays=frozenset(number % 7 for number in _field(weekday, 0, 7, WEEKDAYS)),
        any_day=day.startswith("*"),
        any_weekday=weekday.startswith("*"),
    )


def next_time(cron: Cron, zone: ZoneInfo, after: datetime) -> datetime | None:
    """Return the first due time later than `after`, both naive UTC; None if there is none, as on 30 February."""
    local = after.replace(tzinfo=UTC).astimezone(zone)
    for offset in range(HORIZON):
        day = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0) + timedelta(days=offset)
        if not cron.on(day):
            continue
        for hour in sorted(cron.hours):
            for minute in sorted(cron.minutes):
                wall = day.replace(hour=hour, minute=minute)
                moment = wall.astimezone(UTC)
                skipped = moment.astimezone(zone).replace(tzinfo=None) != wall.replace(tzinfo=None)
                if not skipped and moment.replace(tzinfo=None) > after:
                    return moment.replace(tzinfo=None)
    return None
