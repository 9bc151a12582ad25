"""What an inventory says of the group: hosts bought on both markets, and sizes that follow the clock."""

import boto3
import fleet
import pytest
import rehearsal
import rollouts
import testinfra

IMDS = "http://169.254.169.254/latest"


def markets() -> set[str]:
    """Return on which markets the hosts were bought, as they themselves are told."""
    ask = (
        f"token=$(curl -fsX PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' {IMDS}/api/token); "
        f'curl -fs -H "X-aws-ec2-metadata-token: $token" {IMDS}/meta-data/instance-life-cycle'
    )
    return {testinfra.get_host(f"podman://{one}").check_output(ask) for one in fleet.in_service()}


@pytest.mark.timeout(1500)
def test_a_mixed_fleet_gets_a_release_and_stays_mixed(image, roll_out, watched):
    one_of_each = {"autoscaling_group_spot_percentage": 100, "autoscaling_group_on_demand_base": 1}
    before = fleet.version()
    try:
        assert roll_out("service", **one_of_each).status == 0
        assert rollouts.changes(roll_out("service", **one_of_each).output) == 0
        # Hosts that are there already stay as they were bought; those of the release are bought anew.
        image()
        with watched() as (traffic, _):
            run = roll_out(**one_of_each)
            rehearsal.eventually(fleet.is_whole, bool, within=180)
        assert run.report()["outcome"] == "deployed", run.report()["reason"]
        assert fleet.version() != before
        assert "spot" in markets()
        assert traffic.failed == []
        assert traffic.wrong == []
    finally:
        roll_out("service")
    assert "MixedInstancesPolicy" not in fleet.group()


@pytest.mark.timeout(900)
def test_a_schedule_makes_the_fleet_grow_and_a_run_meanwhile_leaves_it_so(roll_out):
    every_minute = {"name": "test", "recurrence": "* * * * *", "min_size": 3}
    try:
        assert roll_out("service", autoscaling_group_schedules=[every_minute]).status == 0
        rehearsal.eventually(lambda: (len(fleet.in_service()), fleet.is_whole()), lambda seen: seen == (3, True), within=240)
        again = roll_out("service", autoscaling_group_schedules=[every_minute])
        assert rollouts.changes(again.output) == 0
    finally:
        assert roll_out("service").status == 0
        live = fleet.group()["AutoScalingGroupName"]
        boto3.client("autoscaling").set_desired_capacity(AutoScalingGroupName=live, DesiredCapacity=2)
    assert fleet.group()["MinSize"] == 2
    rehearsal.eventually(lambda: (len(fleet.in_service()), fleet.is_whole()), lambda seen: seen == (2, True), within=180)
