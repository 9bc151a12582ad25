"""Releases that do not get through, whatever is wrong with them."""

import boto3
import fleet
import losses
import pytest
import rehearsal
import rollouts
from rollouts import PAUSE_SECONDS
from traffic import USERS

# From the end of the service's process to a new one that listens: systemd waits for one, and the model is loaded.
RESTART_SECONDS = 8


@pytest.mark.timeout(900)
def test_never_ready_gets_no_request_and_is_taken_back(rejected):
    seen = rejected("never_ready", rollout_timeout=150)
    assert "has not come so far within 150 seconds" in seen.run.report()["reason"]
    assert seen.traffic.failed == []
    assert seen.traffic.wrong == []


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("change", "told"), [("slower", "wait for something else than a processor"), ("computing", "compute")])
def test_slower_by_a_third_is_taken_back_and_no_request_fails(rejected, change, told):
    seen = rejected(change)
    report = seen.run.report()
    assert report["checkpoints"][-1]["verdict"] == "reject"
    assert f"New hosts {told}" in rollouts.reasons(report)
    assert "more than 1.2" in rollouts.reasons(report)
    assert seen.traffic.failed == []
    assert seen.traffic.wrong == []


@pytest.mark.timeout(900)
def test_a_leak_that_kills_after_a_minute_is_taken_back_and_costs_what_was_sent_to_its_host_meanwhile(rejected):
    seen = rejected("leaking", **rollouts.WATCHFUL)
    said = rollouts.reasons(seen.run.report())
    # Which of these it is depends on the second in which somebody looks.
    found = ("has started anew while it was watched", "is not ready", "could not be looked at")
    assert any(reason in said for reason in found)
    # No restart is long enough for two failed checks, so that the balancer goes on sending; the users ask no faster than this.
    deaths, seconds, rate = 3, RESTART_SECONDS, USERS / PAUSE_SECONDS
    assert len(seen.traffic.failed) <= deaths * seconds * rate
    # 503: the new process listens before it has loaded the model.
    assert {one.status for one in seen.traffic.failed} <= losses.ANSWERS | {503}
    assert seen.traffic.wrong == []


@pytest.mark.timeout(600)
def test_an_alarm_in_the_middle_takes_a_good_release_back(image, running, watched, newcomer):
    version, before = fleet.version(), fleet.in_service()
    image()
    cloudwatch = boto3.client("cloudwatch")
    with watched() as (traffic, seen), running() as run:
        newcomer(before)
        alarms = fleet.refreshes()[0]["Preferences"]["AlarmSpecification"]["Alarms"]
        rings = min(name for name in alarms if not name.endswith("-rollout-abandoned"))

        def ring() -> str:
            # CloudWatch evaluates the metric meanwhile, and finds that all is well.
            cloudwatch.set_alarm_state(AlarmName=rings, StateValue="ALARM", StateReason="rung by a test")
            return fleet.refresh_status()

        rehearsal.eventually(ring, lambda status: status not in ("Pending", "InProgress"), within=90)
        run.wait(300)
        cloudwatch.set_alarm_state(AlarmName=rings, StateValue="OK", StateReason="the test is over")
        rehearsal.eventually(fleet.refresh_status, lambda status: status not in fleet.REFRESHING, within=180)
        rehearsal.eventually(fleet.is_whole, bool, within=180)
    assert run.status not in (0, None)
    report = run.report()
    assert report["outcome"] == "rolled back"
    assert rings in rollouts.reasons(report)
    assert fleet.version() == version
    assert seen.most_of_another_version() == 1
    assert traffic.failed == []
    assert traffic.wrong == []
