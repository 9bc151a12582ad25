"""Controllers that do not come alone, or do not come to an end."""

import getpass

import fleet
import pytest
import rehearsal
from rollouts import TAKEN_OVER


@pytest.mark.timeout(1500)
def test_a_killed_controller_is_run_again_and_goes_on_where_it_was(image, running, roll_out, watched, newcomer):
    before = fleet.in_service()
    made = image()
    with watched() as (traffic, _):
        with running(**TAKEN_OVER) as first:
            newcomer(before)
            refresh = fleet.refreshes()[0]["InstanceRefreshId"]
            first.kill()
        second = roll_out(**TAKEN_OVER)
    assert second.status == 0
    report = second.report()
    assert (report["outcome"], report["refresh_id"]) == ("deployed", refresh)
    assert fleet.refreshes()[0]["InstanceRefreshId"] == refresh
    assert fleet.is_whole()
    assert fleet.image() == made
    assert traffic.failed == []
    assert traffic.wrong == []


@pytest.mark.timeout(900)
def test_a_rollout_that_nobody_looks_at_any_more_is_taken_back_by_aws(image, running, watched, newcomer):
    version, before = fleet.version(), fleet.in_service()
    image()
    with watched() as (traffic, seen):
        with running() as run:
            newcomer(before)
            run.kill()
        status = rehearsal.eventually(fleet.refresh_status, lambda status: status not in fleet.REFRESHING, within=400)
        rehearsal.eventually(fleet.is_whole, bool, within=180)
    assert status == "RollbackSuccessful"
    assert fleet.version() == version
    assert seen.most_of_another_version() == 1
    assert traffic.failed == []
    assert traffic.wrong == []


@pytest.mark.timeout(900)
def test_a_second_controller_is_told_who_rolls_out_and_the_first_is_not_disturbed(image, running, roll_out, watched, newcomer):
    before = fleet.in_service()
    made = image()
    with watched() as (traffic, _), running() as first:
        newcomer(before)
        second = roll_out()
        first.wait(600)
    assert second.status not in (0, None)
    assert second.says("Another rollout is under way.")
    assert second.says(f"{getpass.getuser()}@")
    assert second.says("holds the lock since 20")
    assert first.status == 0
    assert first.report()["outcome"] == "deployed"
    assert fleet.image() == made
    assert traffic.failed == []
