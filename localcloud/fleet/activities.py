"""The activity log of Auto Scaling groups, as DescribeScalingActivities shows it."""

import json
import uuid
from datetime import UTC, datetime
from typing import Any

# DescribeScalingActivities keeps six weeks; a rehearsal is served by the last few hundred.
KEPT = 500


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


class ActivityLog:
    """Activities of all groups, newest first. An activity has the keys of AWS's Activity structure."""

    def __init__(self) -> None:
        self._activities: list[dict[str, Any]] = []
        self._open: dict[str, dict[str, Any]] = {}

    def start(self, group: Any, description: str, cause: str, member: Any | None) -> dict[str, Any]:
        """Record the beginning of an activity on `member` (None: on no instance yet)."""
        now = _now()
        details = {}
        if member is not None:
            details = {"Subnet ID": member.instance.subnet_id, "Availability Zone": member.availability_zone}
        activity = {
            "ActivityId": str(uuid.uuid4()),
            "AutoScalingGroupName": group.name,
            "Description": description,
            "Cause": f"At {now:%Y-%m-%dT%H:%M:%SZ} {cause}",
            "StartTime": now,
            "StatusCode": "InProgress",
            "Progress": 50,
            "Details": json.dumps(details),
        }
        self._activities.insert(0, activity)
        del self._activities[KEPT:]
        if member is not None:
            self._open[member.instance.id] = activity
        return activity

    def current(self, instance_id: str) -> dict[str, Any] | None:
        """Return the activity in progress on an instance."""
        return self._open.get(instance_id)

    def finish(self, instance_id: str) -> None:
        """Record that the activity on an instance succeeded."""
        activity = self._open.pop(instance_id, None)
        if activity is not None:
            activity.update(StatusCode="Successful", Progress=100, EndTime=_now())

    def fail(self, activity: dict[str, Any] | None, message: str, code: str = "Failed") -> None:
        """Record that an activity failed or was cancelled (`code`), and why."""
        if activity is None:
            return
        activity.update(StatusCode=code, StatusMessage=message, Progress=100, EndTime=_now())
        self._open = {key: value for key, value in self._open.items() if value is not activity}

    def of(self, group_name: str | None, activity_ids: list[str]) -> list[dict[str, Any]]:
        """Return the activities of a group (of all groups without a name), newest first."""
        return [
            one
            for one in self._activities
            if (not group_name or one["AutoScalingGroupName"] == group_name)
            and (not activity_ids or one["ActivityId"] in activity_ids)
        ]
