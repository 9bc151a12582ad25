"""A fleet that grows because of its load while it gets another release, and shrinks by itself afterwards."""

import fleet
import pytest
import rehearsal


def size() -> int:
    desired: int = fleet.group()["DesiredCapacity"]
    return desired


@pytest.mark.timeout(3000)
def test_load_makes_the_fleet_grow_during_a_rollout_and_its_end_makes_it_shrink(image, running, roll_out, watched):
    # All hosts share the machine's cores, so that none of them comes near to the target of an environment.
    assert roll_out("service", autoscaling_group_cpu_target=10, autoscaling_group_max_size=4).status == 0
    small = size()
    image()
    try:
        with watched(users=8, pause=0.0) as (traffic, _), running(rollout_timeout=900) as run:
            rehearsal.eventually(fleet.refresh_status, lambda status: status == "InProgress", within=180)
            rehearsal.eventually(size, lambda now: now > small, within=400)
            run.wait(1500)
            rehearsal.eventually(fleet.is_whole, bool, within=300)
        # Hosts that have no time to spare answer unevenly, and a good release may then be taken for a slow one.
        assert run.report()["outcome"] in ("deployed", "rolled back")
        assert traffic.failed == []
        assert traffic.wrong == []
        rehearsal.eventually(size, lambda now: now == small, within=1200)
        rehearsal.eventually(fleet.is_whole, bool, within=120)
    finally:
        roll_out("service")
