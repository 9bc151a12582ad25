"""The two rollouts that every change of this project has to get through: a good one, and a bad one that looks healthy."""

import fleet
import pytest
import rollouts


@pytest.mark.timeout(900)
def test_a_good_release_reaches_every_host_and_no_request_fails(image, roll_out, watched):
    before = fleet.in_service()
    made = image()
    with watched() as (traffic, seen):
        run = roll_out()
    assert run.status == 0
    assert run.report()["outcome"] == "deployed"
    # Not by whole times alone, which other load on the machine changes as it likes.
    assert "New hosts compute" in rollouts.reasons(run.report())
    assert fleet.is_whole()
    assert fleet.image() == made
    assert not fleet.in_service() & before
    assert min(seen.serving) >= len(before)
    assert len(traffic.requests) > 200
    assert traffic.failed == []
    assert traffic.wrong == []
    assert len({request.digest for request in traffic.requests}) == 1


@pytest.mark.timeout(600)
def test_ready_but_wrong_answers_are_taken_back_and_no_request_fails(rejected):
    seen = rejected("wrong_answers")
    report = seen.run.report()
    assert report["checkpoints"][-1]["verdict"] == "reject"
    assert "does not give the golden answers" in rollouts.reasons(report)
    assert seen.run.says("does not give the golden answers")
    assert seen.traffic.failed == []
    # The canary's share of people got them, until it was gone.
    assert len(seen.traffic.wrong) < 0.6 * len(seen.traffic.requests)
    assert not set(seen.traffic.requests[-10:]) & set(seen.traffic.wrong)
