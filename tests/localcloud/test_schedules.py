"""Scheduled actions: cron expressions, and what becomes of a group when it is time."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from botocore.exceptions import ClientError
from moto.core.utils import utcnow

from localcloud.scaling.cron import next_time, parse
from tests.localcloud.conftest import Cloud, eventually
from tests.localcloud.test_fleet import Group

FRIDAY = datetime(2026, 2, 27, 9, 30)


def due(expression: str, after: datetime = FRIDAY, zone: str = "UTC") -> datetime | None:
    return next_time(parse(expression), ZoneInfo(zone), after)


@pytest.mark.parametrize(
    ("expression", "moment"),
    [
        ("* * * * *", datetime(2026, 2, 27, 9, 31)),
        ("30 9 * * *", datetime(2026, 2, 28, 9, 30)),
        ("*/20 * * * *", datetime(2026, 2, 27, 9, 40)),
        ("15,45 8-10/2 * * *", datetime(2026, 2, 27, 10, 15)),
        ("0 8 * * MON-WED", datetime(2026, 3, 2, 8, 0)),
        ("0 8 * * 7", datetime(2026, 3, 1, 8, 0)),
        ("30 0 1 1,6,12 *", datetime(2026, 6, 1, 0, 30)),
        ("0 0 13 * fri", datetime(2026, 3, 6, 0, 0)),
        ("0 0 29 FEB *", datetime(2028, 2, 29, 0, 0)),
        ("0 0 30 2 *", None),
    ],
)
def test_when_an_expression_is_due(expression: str, moment: datetime | None) -> None:
    assert due(expression) == moment


def test_expressions_are_in_the_time_of_their_zone() -> None:
    assert due("0 8 * * *", datetime(2026, 1, 10, 12), "America/New_York") == datetime(2026, 1, 10, 13)
    assert due("0 8 * * *", datetime(2026, 7, 10, 12), "America/New_York") == datetime(2026, 7, 11, 12)


def test_a_skipped_hour_is_left_out_and_a_doubled_one_counts_once() -> None:
    assert due("30 2 * * *", datetime(2026, 3, 29, 0), "Europe/Berlin") == datetime(2026, 3, 30, 0, 30)
    first = due("30 2 * * *", datetime(2026, 10, 24, 12), "Europe/Berlin")
    assert first == datetime(2026, 10, 25, 0, 30)
    assert due("30 2 * * *", first, "Europe/Berlin") == datetime(2026, 10, 26, 1, 30)


@pytest.mark.parametrize("expression", ["* * * *", "60 * * * *", "* * 0 * *", "*/0 * * * *", "5-1 * * * *", "0 0 L * *"])
def test_what_is_no_expression_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match=r"within|no number|five fields"):
        parse(expression)


class Scheduled(Group):
    """A group with one scheduled action."""

    def __init__(self, cloud: Cloud, **action: Any) -> None:
        super().__init__(cloud, desired=1)
        self.schedule(**action)

    def schedule(self, **action: Any) -> None:
        self.asg.put_scheduled_update_group_action(AutoScalingGroupName="service", ScheduledActionName="morning", **action)

    @property
    def actions(self) -> list[dict[str, Any]]:
        reply = self.asg.describe_scheduled_actions(AutoScalingGroupName="service")
        found: list[dict[str, Any]] = reply["ScheduledUpdateGroupActions"]
        return found

    @property
    def sizes(self) -> tuple[int, int, int]:
        group = self.asg.describe_auto_scaling_groups()["AutoScalingGroups"][0]
        return group["MinSize"], group["DesiredCapacity"], group["MaxSize"]


def test_an_action_runs_once_at_its_time_and_is_gone(cloud: Cloud) -> None:
    start = datetime.now(UTC) + timedelta(hours=1)
    group = Scheduled(cloud, StartTime=start, MinSize=2, MaxSize=6, DesiredCapacity=3)
    cloud.account.schedules.tick(utcnow())
    assert group.sizes == (1, 1, 4)
    cloud.account.schedules.tick(utcnow() + timedelta(hours=2))
    assert group.sizes == (2, 3, 6)
    assert not group.actions
    group.settled(3)
    cause = group.activities()[0]["Cause"]
    assert "a scheduled action update of AutoScalingGroup constraints to min: 2, max: 6, desired: 3 " in cause
    assert "changing the desired capacity from 1 to 3." in cause


def test_a_recurring_action_tells_its_next_run_and_ends_at_its_end(cloud: Cloud) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    group = Scheduled(cloud, Recurrence="0 * * * *", EndTime=now + timedelta(hours=2), MinSize=2)
    following = now.replace(minute=0, second=0) + timedelta(hours=1)
    assert group.actions[0]["StartTime"] == following
    cloud.account.schedules.tick(following.replace(tzinfo=None))
    assert group.sizes == (2, 2, 4)
    assert group.actions[0]["StartTime"] == following + timedelta(hours=1)
    cloud.account.schedules.tick(following.replace(tzinfo=None) + timedelta(hours=1))
    assert not group.actions


def test_a_suspended_process_leaves_the_action_out(cloud: Cloud) -> None:
    group = Scheduled(cloud, Recurrence="0 * * * *", DesiredCapacity=2)
    group.asg.suspend_processes(AutoScalingGroupName="service", ScalingProcesses=["ScheduledActions"])
    cloud.account.schedules.tick(utcnow() + timedelta(hours=1))
    group.asg.resume_processes(AutoScalingGroupName="service", ScalingProcesses=["ScheduledActions"])
    cloud.account.schedules.tick(utcnow() + timedelta(hours=1))
    assert group.sizes == (1, 1, 4)


def test_sizes_that_do_not_fit_are_a_failed_activity(cloud: Cloud) -> None:
    group = Scheduled(cloud, Recurrence="0 * * * *", DesiredCapacity=9)
    cloud.account.schedules.tick(utcnow() + timedelta(hours=1))
    assert group.sizes == (1, 1, 4)
    failed = eventually(lambda: [one for one in group.activities() if one["StatusCode"] == "Failed"])
    assert "desired: 9" in failed[0]["Cause"]


@pytest.mark.parametrize(
    ("action", "message"),
    [
        ({"Recurrence": "0 0 L * *", "MinSize": 1}, "'L' is no number"),
        ({"Recurrence": "0 0 * * *", "TimeZone": "Europe/Atlantis", "MinSize": 1}, "Europe/Atlantis is invalid"),
        ({"MinSize": 1}, "start time or the recurrence"),
        ({"StartTime": datetime(2020, 1, 1, tzinfo=UTC), "MinSize": 1}, "in the past"),
        ({"Recurrence": "0 0 * * *"}, "At least one of"),
        ({"Recurrence": "0 0 30 2 *", "MinSize": 1}, "never run"),
    ],
)
def test_what_cannot_be_scheduled_is_refused(cloud: Cloud, action: dict[str, Any], message: str) -> None:
    with pytest.raises(ClientError, match=message):
        Scheduled(cloud, **action)


def test_an_action_is_deleted_on_request_and_with_its_group(cloud: Cloud) -> None:
    group = Scheduled(cloud, Recurrence="0 0 * * *", MinSize=1)
    group.asg.delete_scheduled_action(AutoScalingGroupName="service", ScheduledActionName="morning")
    assert not group.actions
    group.schedule(Recurrence="0 0 * * *", MinSize=1)
    group.asg.delete_auto_scaling_group(AutoScalingGroupName="service", ForceDelete=True)
    assert not group.actions
