"""Availability Zone rebalancing: what makes a group uneven is made good, the new member first."""

from collections import Counter

import pytest

from localcloud import backends
from localcloud.fleet import groups
from tests.localcloud.conftest import Cloud, eventually
from tests.localcloud.scaling_group import Group


@pytest.fixture(autouse=True)
def _at_a_quick_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "INTERVAL", 0.05)


def zones(group: Group) -> Counter[str]:
    return Counter(one["AvailabilityZone"] for one in group.members() if one["LifecycleState"] == "InService")


def uneven(group: Group) -> list[str]:
    """Put the members of one zone of a group of four into Standby, without others in their place; return the rest."""
    members = group.settled(4)
    aside = [one["InstanceId"] for one in group.members() if one["AvailabilityZone"] == "us-east-1b"]
    group.asg.enter_standby(AutoScalingGroupName="service", InstanceIds=aside, ShouldDecrementDesiredCapacity=True)
    return sorted(set(members) - set(aside))


def test_a_zone_that_has_become_poor_gets_a_member_before_the_rich_one_gives_one_up(cloud: Cloud) -> None:
    group = Group(cloud, desired=4)
    left = uneven(group)
    seen: set[int] = set()

    def even() -> bool:
        now = zones(group)
        seen.add(now.total())
        return now == {"us-east-1a": 1, "us-east-1b": 1}

    eventually(even)
    assert min(seen) == 2
    (gone,) = eventually(lambda: [subject for operation, subject in cloud.hosts.calls if operation == "terminate"])
    assert gone in left


def test_nothing_is_rebalanced_while_the_process_is_suspended(cloud: Cloud) -> None:
    group = Group(cloud, desired=4)
    group.asg.suspend_processes(AutoScalingGroupName="service", ScalingProcesses=["AZRebalance"])
    left = uneven(group)
    (backend_group,) = backends.autoscaling().autoscaling_groups.values()
    for _ in range(5):
        cloud.account.fleet.reconcile(backend_group)
    assert sorted(group.in_service()) == left
    assert len(cloud.hosts.specs) == 4
    group.asg.resume_processes(AutoScalingGroupName="service", ScalingProcesses=["AZRebalance"])
    eventually(lambda: zones(group) == {"us-east-1a": 1, "us-east-1b": 1})
