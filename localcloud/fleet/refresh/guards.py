"""The CloudWatch alarms that watch over a refresh.

Source: Amazon EC2 Auto Scaling user guide, "Undo changes with a rollback", considerations: a refresh whose alarm rings fails;
while an alarm is without data, "Amazon EC2 Auto Scaling cannot replace instances until new data points are found".
"""

from collections.abc import Iterable

from localcloud import backends


def state_of(name: str) -> str | None:
    """Return an alarm's state, None if there is no such alarm."""
    alarm = backends.cloudwatch().alarms.get(name)
    return None if alarm is None else str(alarm.state_value)


def raised(names: Iterable[str]) -> str | None:
    """Return the first of these alarms that rings."""
    return next((one for one in names if state_of(one) == "ALARM"), None)


def blind(names: Iterable[str]) -> str | None:
    """Return the first of these alarms that knows nothing: without data, or deleted meanwhile."""
    return next((one for one in names if state_of(one) in {None, "INSUFFICIENT_DATA"}), None)
