"""The judge of rollouts on real hosts, beside other load on the machine that comes in bursts.

`make bench-judge` says how often it is wrong, from many recorded samples; these are three of each kind, rolled out.
"""

import fleet
import pytest
import rollouts

from benchmarks.judge.hosts import bursts

# As many rounds as the samples of the benchmark have; and where other load takes the processor, looking at a host takes longer.
PACE = {"rollout_bake_seconds": 40, "rollout_rounds": 20, "rollout_evidence_seconds": 15}
TIMES = range(3)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("time", TIMES)
def test_an_unchanged_release_is_deployed(image, roll_out, watched, time):
    made = image()
    with bursts(time), watched() as (traffic, _):
        run = roll_out(**PACE)
    assert run.report()["outcome"] == "deployed", rollouts.reasons(run.report())
    assert fleet.image() == made
    assert traffic.wrong == []


@pytest.mark.timeout(900)
@pytest.mark.parametrize("time", TIMES)
def test_a_release_slower_by_a_third_is_taken_back(rejected, time):
    with bursts(time):
        seen = rejected("computing", **PACE)
    assert "more than 1.2" in rollouts.reasons(seen.run.report())
    assert seen.traffic.wrong == []
