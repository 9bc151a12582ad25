"""Scheduled actions: changes a group's size when it is time.

Source: Amazon EC2 Auto Scaling user guide, "Scheduled scaling", and API reference, PutScheduledUpdateGroupAction. An action
that was due while the ScheduledActions process was suspended is left out.
"""

import logging
import threading
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from moto.core.utils import utcnow

from localcloud import backends
from localcloud.fleet.groups import Fleet
from localcloud.scaling.cron import next_time, parse

logger = logging.getLogger(__name__)

# Seconds between two looks; "a scheduled action generally executes within seconds".
INTERVAL = 1.0


def next_run(action: Any, after: datetime) -> datetime | None:
    """Return when an action runs next, later than `after` (naive UTC); None if it has had its last time.

    With both a start and a recurrence it runs at the start, and then as it recurs.
    """
    if action.first_start is not None and action.first_start > after:
        run: datetime | None = action.first_start
    elif action.recurrence:
        run = next_time(parse(action.recurrence), ZoneInfo(action.time_zone or "UTC"), after)
    else:
        run = None
    return None if run is not None and action.end_time is not None and run > action.end_time else run


class Schedules:
    """Runs the actions of all groups in one thread."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._closing = threading.Event()

    def run(self) -> None:
        """Look every second until `close`."""
        while not self._closing.wait(INTERVAL):
            self.tick(utcnow())

    def close(self) -> None:
        """End `run`."""
        self._closing.set()

    def tick(self, now: datetime) -> None:
        """Carry out what is due; an action that has had its last time is forgotten, as DescribeScheduledActions says."""
        actions = backends.autoscaling().scheduled_actions
        for key, action in list(actions.items()):
            if action.start_time > now:
                continue
            try:
                self._carry_out(action)
            except Exception:
                logger.exception("Scheduled action %s", action.scheduled_action_name)
            following = next_run(action, now)
            if following is not None:
                action.start_time = following
            elif actions.get(key) is action:
                del actions[key]

    def _carry_out(self, action: Any) -> None:
        group = backends.autoscaling().autoscaling_groups.get(action.auto_scaling_group_name)
        if group is None or getattr(group, "deleting", False) or "ScheduledActions" in group._suspended_processes:
            return
        low = group.min_size if action.min_size is None else action.min_size
        high = group.max_size if action.max_size is None else action.max_size
        before = group.desired_capacity
        wanted = before if action.desired_capacity is None else action.desired_capacity
        cause = f"a scheduled action update of AutoScalingGroup constraints to min: {low}, max: {high}, desired: {wanted}"
        if low > high or (action.desired_capacity is not None and not low <= wanted <= high):
            activity = self._fleet.activities.start(group, "Executing scheduled action", f"{cause}.", None)
            self._fleet.activities.fail(activity, "The sizes do not fit together: min <= desired <= max must hold.")
            return
        group.min_size, group.max_size = low, high
        wanted = min(max(wanted, low), high)
        if wanted != before:
            reason = f"{cause} changing the desired capacity from {before} to {wanted}."
            self._fleet.change_capacity(group, wanted, reason)
