"""Releases that come as a second fleet beside the first one, good and bad, and the ways back."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import boto3
import fleet
import pytest
import rehearsal
import rollouts
from rollouts import BLUE_GREEN

OTHER = {fleet.GROUP: f"{fleet.GROUP}-g", f"{fleet.GROUP}-g": fleet.GROUP}


def live() -> str:
    return fleet.group()["AutoScalingGroupName"]


def names() -> set[str]:
    return {one["AutoScalingGroupName"] for one in fleet.groups()}


def share(group: str) -> int:
    """Return the percentage of requests that a fleet gets."""
    weights = fleet.weights()
    return round(100 * weights.get(group, 0) / sum(weights.values()))


@contextmanager
def largest_share(group: str) -> Iterator[list[int]]:
    """Collect which shares a fleet gets while the block runs."""
    seen, over = [share(group)], threading.Event()

    def watch() -> None:
        while not over.wait(0.3):
            seen.append(share(group))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join(timeout=30)


@pytest.fixture(autouse=True)
def one_fleet(quiet_fleet, roll_out):
    """Begin with one fleet, whatever the test before has left."""
    if any(fleet.is_marked(one) for one in fleet.groups()):
        roll_out("rollback", **BLUE_GREEN)
    rehearsal.eventually(names, lambda found: len(found) == 1, within=300)


@pytest.mark.timeout(1200)
def test_a_good_release_takes_over_and_no_request_fails(image, roll_out, watched):
    before, desired = live(), fleet.group()["DesiredCapacity"]
    made = image()
    with watched() as (traffic, _):
        run = roll_out(**BLUE_GREEN)
    assert run.status == 0
    report = run.report()
    assert (report["outcome"], report["strategy"], report["fleet"]) == ("deployed", "blue_green", OTHER[before])
    assert [one["percentage"] for one in report["checkpoints"]] == [0, 10, 100]
    assert "through the balancer reached new hosts" in " ".join(report["checkpoints"][0]["reasons"])
    assert names() == {OTHER[before]}
    assert set(fleet.weights()) == {OTHER[before]}
    assert fleet.is_whole()
    assert fleet.image() == made
    assert fleet.group()["DesiredCapacity"] >= desired
    assert len(traffic.requests) > 200
    assert traffic.failed == []
    assert traffic.wrong == []
    for playbook in ("service", "rollout"):
        again = roll_out(playbook, **BLUE_GREEN)
        assert again.status == 0
        assert rollouts.changes(again.output) == 0, again.output[-5000:]
    assert names() == {OTHER[before]}


@pytest.mark.timeout(900)
def test_wrong_answers_are_found_before_anybody_gets_one(image, roll_out, watched):
    before, serving = live(), fleet.image()
    image("wrong_answers")
    with watched() as (traffic, _), largest_share(OTHER[before]) as shares:
        run = roll_out(**BLUE_GREEN)
    assert run.status not in (0, None)
    report = run.report()
    assert (report["outcome"], report["checkpoints"][-1]["percentage"]) == ("rolled back", 0)
    assert "does not give the golden answers" in rollouts.reasons(report)
    assert max(shares) == 0
    assert names() == {before}
    assert fleet.image() == serving
    assert traffic.failed == []
    assert traffic.wrong == []


@pytest.mark.timeout(900)
def test_never_ready_gets_no_request(image, roll_out, watched):
    before = live()
    image("never_ready")
    with watched() as (traffic, _), largest_share(OTHER[before]) as shares:
        run = roll_out(**BLUE_GREEN, rollout_timeout=150)
    assert run.status not in (0, None)
    report = run.report()
    assert report["outcome"] == "rolled back"
    assert "has not come so far within 150 seconds" in report["reason"]
    assert max(shares) == 0
    assert names() == {before}
    assert traffic.failed == []
    assert traffic.wrong == []


@pytest.mark.timeout(900)
def test_an_alarm_at_the_canary_takes_the_release_back_before_it_gets_more(image, running, watched):
    before = live()
    image()
    cloudwatch, rings = boto3.client("cloudwatch"), "pettracker-local-errors"
    with watched() as (traffic, _), largest_share(OTHER[before]) as shares, running(**BLUE_GREEN) as run:
        rehearsal.eventually(lambda: share(OTHER[before]), lambda now: now == 10, within=400)

        def ring() -> int:
            # CloudWatch evaluates the metric meanwhile, and finds that all is well.
            cloudwatch.set_alarm_state(AlarmName=rings, StateValue="ALARM", StateReason="rung by a test")
            return share(OTHER[before])

        rehearsal.eventually(ring, lambda now: now == 0, within=120)
        cloudwatch.set_alarm_state(AlarmName=rings, StateValue="OK", StateReason="the test is over")
        run.wait(400)
    assert run.status not in (0, None)
    report = run.report()
    assert report["outcome"] == "rolled back"
    assert f"The alarm {rings} rings." in rollouts.reasons(report)
    assert max(shares) == 10
    assert names() == {before}
    assert traffic.failed == []
    assert traffic.wrong == []


@pytest.mark.timeout(1200)
def test_a_rollback_goes_to_the_old_fleet_while_that_is_warm(image, running, roll_out, watched):
    before, serving, hosts = live(), fleet.image(), fleet.in_service()
    image()
    with watched() as (traffic, _), running(**BLUE_GREEN | {"rollout_keep_warm_seconds": 600}) as run:
        rehearsal.eventually(lambda: run.says("Keep the old fleet warm"), bool, within=600)
        assert share(OTHER[before]) == 100
        back = roll_out("rollback", **BLUE_GREEN)
        assert share(before) == 100
        run.wait(400)
    assert back.status == 0
    assert back.says("is taken back, and the fleet has the version that it had before")
    assert run.status not in (0, None)
    report = run.report()
    assert (report["outcome"], report["reason"]) == ("rolled back", f"Somebody has taken {OTHER[before]} back.")
    assert names() == {before}
    assert fleet.image() == serving
    assert fleet.in_service() >= hosts  # the same hosts: nothing had to be started
    assert traffic.failed == []
    assert traffic.wrong == []


@pytest.mark.timeout(1500)
def test_a_killed_controller_is_run_again_and_goes_on_at_the_share_that_it_had_reached(image, running, roll_out, watched):
    before = live()
    made = image()
    taken_over = BLUE_GREEN | {"rollout_lock_stale_seconds": 10}
    with watched() as (traffic, _):
        with running(**taken_over) as first:
            rehearsal.eventually(lambda: share(OTHER[before]), lambda now: now == 10, within=400)
            first.kill()
        hosts = {item["InstanceId"] for one in fleet.groups() if fleet.is_marked(one) for item in one["Instances"]}
        assert share(OTHER[before]) == 10  # nobody takes it back, and nobody gives it more
        second = roll_out(**taken_over)
    assert second.status == 0
    report = second.report()
    assert (report["outcome"], [one["percentage"] for one in report["checkpoints"]]) == ("deployed", [10, 100])
    assert names() == {OTHER[before]}
    assert hosts <= fleet.in_service()
    assert fleet.image() == made
    assert traffic.failed == []
    assert traffic.wrong == []


@pytest.mark.timeout(900)
def test_an_instance_refresh_is_refused_while_a_second_fleet_is_there(image, running, roll_out):
    before = live()
    image()
    with running(**BLUE_GREEN) as first:
        rehearsal.eventually(names, lambda found: len(found) == 2, within=200)
        first.kill()
    refused = roll_out()
    assert refused.status not in (0, None)
    assert refused.says(f"A blue/green rollout is under way: {OTHER[before]} gets 0 % of the requests.")
    back = roll_out("rollback", **BLUE_GREEN)
    assert back.status == 0
    assert names() == {before}
