"""Whoever follows a refresh sends heartbeats; each step is printed once; a lost lock ends the following, and nothing else."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.pettracker.aws.plugins.module_utils import polling
from ansible_collections.pettracker.aws.plugins.module_utils.rollout.lock import Lock, LockLostError, body
from botocore.exceptions import EndpointConnectionError

from tests.plugins.loading import REGION, load

Account = Callable[[str], Any]
progress = load("action", "refresh_progress")
HEARTBEAT = progress.Heartbeat("PetTracker/ML", "RolloutHeartbeat", {"Environment": "dev"})


def refresh(status: str, percentage: int = 0) -> dict[str, Any]:
    return {"InstanceRefreshId": "r-1", "Status": status, "PercentageComplete": percentage}


@pytest.mark.parametrize(
    ("goal", "seen", "waited", "expected"),
    [
        (progress.Goal("checkpoint", 50), refresh("InProgress", 0), 0, False),
        (progress.Goal("checkpoint", 50), refresh("InProgress", 50), 0, True),
        (progress.Goal("checkpoint", 50), refresh("Pending", 0), 0, False),
        (progress.Goal("checkpoint", 100), refresh("Baking", 100), 0, True),
        (progress.Goal("checkpoint", 50), refresh("RollbackInProgress", 50), 0, False),
        (progress.Goal("checkpoint", 50), refresh("RollbackSuccessful", 0), 0, True),
        (progress.Goal("time", seconds=10), refresh("InProgress", 50), 9, False),
        (progress.Goal("time", seconds=10), refresh("InProgress", 50), 10, True),
        (progress.Goal("time", seconds=10), refresh("RollbackInProgress", 50), 10, False),
        (progress.Goal("end"), refresh("Baking", 100), 0, False),
        (progress.Goal("end"), refresh("Successful", 100), 0, True),
        (progress.Goal("end"), refresh("Cancelled", 50), 0, True),
        (progress.Goal("now"), refresh("RollbackInProgress", 50), 0, True),
    ],
)
def test_a_goal_is_reached_and_a_refresh_that_goes_back_is_followed_to_its_end(
    goal: Any, seen: dict[str, Any], waited: float, expected: bool
) -> None:
    assert goal.reached(seen, waited) is expected


@pytest.fixture
def lock(account: Account) -> Lock:
    account("s3").create_bucket(Bucket="releases")
    held = Lock(account("s3"), "releases", "dev/rollout.lock")
    assert held.take(body("me", "ann", "pets", datetime.now(UTC)), over=None)
    return held


@pytest.fixture
def watch(lock: Lock) -> Any:
    return progress.Watch("service", REGION, HEARTBEAT, lock, "me")


def test_a_beat_is_seen_in_the_lock_and_in_cloudwatch(account: Account, lock: Lock, watch: Any) -> None:
    watch.beat()
    watch.beat()
    found = lock.read()
    assert found
    assert found.body["beats"] == 2
    (metric,) = account("cloudwatch").list_metrics(Namespace="PetTracker/ML")["Metrics"]
    assert (metric["MetricName"], metric["Dimensions"]) == ("RolloutHeartbeat", [{"Name": "Environment", "Value": "dev"}])


def test_whoever_has_lost_the_lock_does_not_vouch_for_the_rollout(account: Account, lock: Lock, watch: Any) -> None:
    assert lock.take(lock.read().body | {"id": "another"}, over=lock.read())  # type: ignore[union-attr]
    with pytest.raises(LockLostError):
        watch.beat()
    assert account("cloudwatch").list_metrics(Namespace="PetTracker/ML")["Metrics"] == []


def test_vouched_for_means_that_the_alarm_is_there_and_silent(account: Account, watch: Any) -> None:
    assert not watch.is_vouched_for("abandoned")
    account("cloudwatch").put_metric_alarm(
        AlarmName="abandoned",
        MetricName="RolloutHeartbeat",
        Namespace="PetTracker/ML",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="LessThanThreshold",
        Statistic="Sum",
    )
    for state, expected in (("ALARM", False), ("INSUFFICIENT_DATA", False), ("OK", True)):
        account("cloudwatch").set_alarm_state(AlarmName="abandoned", StateValue=state, StateReason="test")
        assert watch.is_vouched_for("abandoned") is expected


class Watched:
    """A watch of a refresh that goes through these states."""

    def __init__(self, *states: dict[str, Any]) -> None:
        self.states = list(states)
        self.beats = 0
        self.new = ["i-new"]

    def refresh(self, _identity: str) -> dict[str, Any]:
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]

    def beat(self) -> None:
        self.beats += 1

    def hosts(self, _template: str, _version: str) -> tuple[list[str], list[str]]:
        return self.new, ["i-old"]

    def launches(self, hosts: list[str]) -> list[float]:
        return [100.0 * number for number, _ in enumerate(hosts, 1)]


def follow(watched: Watched, goal: Any) -> tuple[dict[str, Any], list[str]]:
    said: list[str] = []
    result: dict[str, Any] = progress.follow(watched, goal, 0.0, "r-1", ("lt-1", "2"), report=said.append)
    return result, said


def test_each_step_is_said_once_and_beats_stop_when_it_goes_back() -> None:
    states = [refresh("Pending"), refresh("InProgress"), refresh("InProgress"), refresh("RollbackInProgress")]
    watched = Watched(*states, refresh("RollbackSuccessful"))
    result, said = follow(watched, progress.Goal("checkpoint", 50))
    assert [text.split(",")[0] for text in said] == ["Pending", "InProgress", "RollbackInProgress", "RollbackSuccessful"]
    assert watched.beats == 3
    assert (result["status"], result["going_on"]) == ("RollbackSuccessful", False)


def test_a_stop_counts_from_when_it_was_last_seen_to_be_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([1000.0, 1010.0, 1020.0, 1030.0])
    monkeypatch.setattr(progress.time, "time", lambda: next(times))
    states = [refresh("InProgress", 0), refresh("InProgress", 0), refresh("InProgress", 50)]
    result, _ = follow(Watched(*states), progress.Goal("checkpoint", 50))
    assert result["reached"] == 1010.0


def test_who_takes_over_at_a_stop_counts_from_the_launch_of_the_host_that_has_reached_it() -> None:
    watched = Watched(refresh("InProgress", 66) | {"StartTime": datetime(2026, 5, 4, tzinfo=UTC)})
    watched.new = ["i-1", "i-2"]
    result, _ = follow(watched, progress.Goal("checkpoint", 66))
    assert result["reached"] == 200.0
    # One that sees no new host knows when the refresh began.
    watched.new = []
    result, _ = follow(watched, progress.Goal("checkpoint", 66))
    assert result["reached"] == datetime(2026, 5, 4, tzinfo=UTC).timestamp()


def test_nobody_vouches_for_hosts_without_a_verdict_when_the_alarm_would_ring_too_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress.time, "time", lambda: 2000.5)
    watched = Watched(refresh("InProgress", 50))
    follow(watched, progress.Goal("now", vouch_until=2001.0))
    assert watched.beats == 1
    with pytest.raises(progress.AnsibleActionFail, match="no verdict in time"):
        follow(watched, progress.Goal("now", vouch_until=2000.0))
    assert watched.beats == 1


def test_hosts_that_had_the_version_before_are_no_canary() -> None:
    goal = progress.Goal("checkpoint", 60, hosts=6)
    # AWS may count the five that were there, or only those that it has replaced.
    for complete in (0, 50, 60):
        assert not goal.reached(refresh("InProgress", complete), 0, new=5)
        assert goal.reached(refresh("InProgress", complete), 0, new=6)


def test_a_refresh_that_does_not_come_so_far_is_given_up() -> None:
    with pytest.raises(progress.AnsibleActionFail, match="has not come so far within 0 seconds"):
        follow(Watched(refresh("InProgress", 10)), progress.Goal("checkpoint", 50, seconds=0))


def test_aws_may_be_out_of_reach_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    failures = [EndpointConnectionError(endpoint_url="https://autoscaling")] * 2
    said: list[str] = []

    def look() -> str | None:
        if failures:
            raise failures.pop()
        return "reached"

    assert polling.poll(look, said.append, 0.0, 10.0, "it goes back") == "reached"
    assert [text.split(":")[0] for text in said] == ["AWS does not answer; it goes back"] * 2
    failures.append(EndpointConnectionError(endpoint_url="https://autoscaling"))
    monkeypatch.setattr(polling, "PATIENCE", -1.0)
    with pytest.raises(EndpointConnectionError):
        polling.poll(look, said.append, 0.0, 10.0, "it goes back")
