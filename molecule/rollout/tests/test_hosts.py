"""Hosts that come and go in the middle of a rollout, for reasons of their own."""

import subprocess
import sys

import fleet
import losses
import pytest
import rehearsal

DECIDED = ("deployed", "rolled back")


@pytest.mark.timeout(900)
def test_an_old_host_that_is_killed_costs_what_it_was_sent_until_its_checks_had_failed(image, running, watched, newcomer):
    before = fleet.in_service()
    image()
    with watched() as (traffic, _), running() as run:
        newcomer(before)
        victim = min(fleet.in_service() & before)
        death = losses.kill(victim)
        run.wait()
        rehearsal.eventually(fleet.is_whole, bool, within=300)
    # With the last old host gone there may be nothing to compare with, and then it goes back.
    assert run.report()["outcome"] in DECIDED
    assert victim not in fleet.in_service()
    assert losses.unexplained(traffic.failed, death) == []
    assert traffic.wrong == []


@pytest.mark.timeout(900)
def test_a_new_host_that_is_killed_costs_what_it_was_sent_until_its_checks_had_failed(image, running, watched, newcomer):
    before = fleet.in_service()
    image()
    with watched() as (traffic, _), running() as run:
        victim = newcomer(before)
        death = losses.kill(victim)
        run.wait()
        rehearsal.eventually(fleet.is_whole, bool, within=300)
    assert run.report()["outcome"] in DECIDED
    assert victim not in fleet.in_service()
    assert losses.unexplained(traffic.failed, death) == []
    assert traffic.wrong == []


@pytest.mark.timeout(900)
def test_a_spot_notice_to_a_host_costs_no_request(image, running, watched, newcomer):
    before = fleet.in_service()
    image()
    with watched() as (traffic, _), running() as run:
        newcomer(before)
        noticed = min(fleet.in_service() & before)
        subprocess.run([sys.executable, "-m", "localcloud", "interrupt", noticed], cwd=rehearsal.ROOT, check=True)
        run.wait()
        rehearsal.eventually(
            lambda: (noticed in fleet.in_service(), fleet.is_whole()), lambda seen: seen == (False, True), within=300
        )
    assert run.report()["outcome"] in DECIDED
    assert traffic.failed == []
    assert traffic.wrong == []
