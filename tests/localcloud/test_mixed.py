"""Mixed groups: On-Demand base and Spot above it, kept by growing, shrinking and refreshing; capacity rebalancing."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud import backends
from localcloud.corrections import fis
from localcloud.fleet import groups, mixed, rebalance
from localcloud.metadata import identity
from localcloud.metadata.identity import find_instance
from localcloud.metadata.spot import Interruptions
from tests.localcloud.conftest import Cloud, eventually
from tests.localcloud.scaling_group import Group

BASE_OF_ONE = {"InstancesDistribution": {"OnDemandBaseCapacity": 1, "OnDemandPercentageAboveBaseCapacity": 0}}


@pytest.fixture(autouse=True)
def _at_a_quick_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "INTERVAL", 0.05)


@pytest.fixture
def interruptions(monkeypatch: pytest.MonkeyPatch) -> Interruptions:
    """Interruptions of this test alone, whose two minutes are never over."""
    one = Interruptions(timedelta(hours=1))
    for module in (identity, fis, rebalance):
        monkeypatch.setattr(module, "interruptions", one)
    return one


def policy(version: str = "1", *types: str) -> dict[str, Any]:
    """A policy with one instance On-Demand and the others Spot."""
    overrides = {"Overrides": [{"InstanceType": one} for one in types]} if types else {}
    specification = {"LaunchTemplateName": "service", "Version": version}
    return {"LaunchTemplate": {"LaunchTemplateSpecification": specification, **overrides}, **BASE_OF_ONE}


def mixed_group(cloud: Cloud, desired: int = 3, *types: str) -> Group:
    """Return a settled group with the policy above."""
    group = Group(cloud, desired=1)
    group.asg.update_auto_scaling_group(AutoScalingGroupName="service", MixedInstancesPolicy=policy("1", *types))
    group.asg.set_desired_capacity(AutoScalingGroupName="service", DesiredCapacity=desired)
    group.settled(desired)
    return group


def markets(group: Group) -> Counter[str]:
    views = [find_instance(group.address(one)) for one in group.in_service()]
    return Counter("spot" if view and view.spot_market else "on-demand" for view in views)


def refresh(group: Group) -> dict[str, Any]:
    reply = group.asg.describe_instance_refreshes(AutoScalingGroupName="service")
    found: dict[str, Any] = reply["InstanceRefreshes"][0]
    return found


def test_the_base_is_bought_on_demand_and_the_rest_on_the_spot_market(cloud: Cloud) -> None:
    group = mixed_group(cloud, 3, "c6i.large", "c5.large")
    assert markets(group) == {"on-demand": 1, "spot": 2}
    assert [one["InstanceType"] for one in group.members()].count("c6i.large") == 2
    group.asg.set_desired_capacity(AutoScalingGroupName="service", DesiredCapacity=1)
    group.settled(1)
    assert markets(group) == {"on-demand": 1}


def test_a_group_describes_its_policy_and_keeps_it_when_something_else_changes(cloud: Cloud) -> None:
    group = mixed_group(cloud)
    group.asg.update_auto_scaling_group(AutoScalingGroupName="service", MaxSize=5, CapacityRebalance=True)
    (described,) = group.asg.describe_auto_scaling_groups()["AutoScalingGroups"]
    assert "LaunchTemplate" not in described
    assert described["CapacityRebalance"] is True
    assert described["MixedInstancesPolicy"]["InstancesDistribution"].items() >= BASE_OF_ONE["InstancesDistribution"].items()


def test_a_refresh_takes_a_mixed_group_to_a_new_version_and_keeps_its_markets(cloud: Cloud) -> None:
    group = mixed_group(cloud)
    group.ec2.create_launch_template_version(LaunchTemplateName="service", SourceVersion="1", LaunchTemplateData={})
    group.asg.start_instance_refresh(
        AutoScalingGroupName="service",
        DesiredConfiguration={"MixedInstancesPolicy": policy("2")},
        Preferences={"InstanceWarmup": 0, "MinHealthyPercentage": 100, "MaxHealthyPercentage": 200, "SkipMatching": True},
    )

    eventually(lambda: refresh(group)["Status"] == "Successful")
    group.settled(3)
    assert {one["LaunchTemplate"]["Version"] for one in group.members()} == {"2"}
    (described,) = group.asg.describe_auto_scaling_groups()["AutoScalingGroups"]
    specification = described["MixedInstancesPolicy"]["LaunchTemplate"]["LaunchTemplateSpecification"]
    assert specification["Version"] == "2"
    assert "MixedInstancesPolicy" in refresh(group)["DesiredConfiguration"]
    group.asg.start_instance_refresh(AutoScalingGroupName="service", Preferences={"SkipMatching": True})
    cloud.hosts.calls.clear()
    eventually(lambda: refresh(group)["Status"] == "Successful")
    assert not cloud.hosts.calls


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"LaunchTemplate": {"Overrides": [{"InstanceType": "c5.large"}]}}, "needs a LaunchTemplate with"),
        ({"LaunchTemplate": policy()["LaunchTemplate"] | {"Overrides": [{"WeightedCapacity": "2"}]}}, "nothing else"),
    ],
)
def test_a_policy_that_cannot_be_rehearsed_is_refused(cloud: Cloud, wrong: dict[str, Any], message: str) -> None:
    group = Group(cloud, desired=1)
    with pytest.raises(ClientError, match=message):
        group.asg.update_auto_scaling_group(AutoScalingGroupName="service", MixedInstancesPolicy=wrong)
    with pytest.raises(ClientError, match=message):
        group.asg.start_instance_refresh(AutoScalingGroupName="service", DesiredConfiguration={"MixedInstancesPolicy": wrong})


def test_an_instance_with_a_recommendation_goes_when_its_replacement_serves(cloud: Cloud, interruptions: Interruptions) -> None:
    group = mixed_group(cloud, 2)
    (backend_group,) = backends.autoscaling().autoscaling_groups.values()
    spot = next(one.instance.id for one in backend_group.instance_states if one.instance.lifecycle == "spot")
    interruptions.announce(spot, ahead=timedelta(hours=1))
    cloud.hosts.calls.clear()
    group.settled(2)
    assert spot in group.in_service()
    group.asg.update_auto_scaling_group(AutoScalingGroupName="service", CapacityRebalance=True)
    eventually(lambda: ("terminate", spot) in cloud.hosts.calls)
    group.settled(2)
    assert [operation for operation, _ in cloud.hosts.calls] == ["launch", "terminate"]
    assert markets(group) == {"on-demand": 1, "spot": 1}
    assert any("rebalance recommendation" in one["Cause"] for one in group.activities())


def test_an_instance_with_a_notice_goes_at_once_and_its_replacement_comes_meanwhile(
    cloud: Cloud, interruptions: Interruptions
) -> None:
    group = mixed_group(cloud, 2)
    group.asg.update_auto_scaling_group(AutoScalingGroupName="service", CapacityRebalance=True)
    (backend_group,) = backends.autoscaling().autoscaling_groups.values()
    with cloud.account.fleet.held():
        spot = next(one for one in backend_group.instance_states if one.instance.lifecycle == "spot")
        interruptions.announce(spot.instance.id)
        cloud.account.fleet.reconcile(backend_group)
        assert spot.lifecycle_state == "Terminating"
        states = sorted(one.lifecycle_state for one in backend_group.instance_states)
    assert states == ["InService", "Pending", "Terminating"]
    group.settled(2)
    assert markets(group) == {"on-demand": 1, "spot": 1}


def test_an_instance_at_risk_goes_in_the_middle_of_a_refresh(cloud: Cloud, interruptions: Interruptions) -> None:
    group = mixed_group(cloud, 3)
    group.asg.update_auto_scaling_group(AutoScalingGroupName="service", CapacityRebalance=True)
    group.ec2.create_launch_template_version(LaunchTemplateName="service", SourceVersion="1", LaunchTemplateData={})
    group.asg.start_instance_refresh(
        AutoScalingGroupName="service",
        DesiredConfiguration={"MixedInstancesPolicy": policy("2")},
        Preferences={
            "InstanceWarmup": 0,
            "MinHealthyPercentage": 100,
            "MaxHealthyPercentage": 150,
            "CheckpointPercentages": [30, 100],
        },
    )

    eventually(lambda: "checkpoint" in refresh(group).get("StatusReason", ""))
    group.settled(3)
    old = next(one["InstanceId"] for one in group.members() if one["LaunchTemplate"]["Version"] == "1")
    interruptions.announce(old)
    eventually(lambda: old not in [one["InstanceId"] for one in group.members()])
    group.settled(3)
    assert sorted(one["LaunchTemplate"]["Version"] for one in group.members()) == ["1", "2", "2"]
    cloud.clock.advance(3601)
    eventually(lambda: refresh(group)["Status"] == "Successful")
    group.settled(3)
    assert {one["LaunchTemplate"]["Version"] for one in group.members()} == {"2"}


def test_at_its_maximum_a_group_may_rebalance_a_tenth_at_a_time(cloud: Cloud, interruptions: Interruptions) -> None:
    group = mixed_group(cloud, 4)
    (backend_group,) = backends.autoscaling().autoscaling_groups.values()
    backend_group.capacity_rebalance = True
    risky = [one for one in backend_group.instance_states if one.instance.lifecycle == "spot"]
    assert rebalance.surplus(backend_group, risky) == 1
    group.asg.update_auto_scaling_group(AutoScalingGroupName="service", MaxSize=6)
    assert rebalance.surplus(backend_group, risky) == 3


def test_the_distribution_is_kept_whatever_the_size() -> None:
    half = {"InstancesDistribution": {"OnDemandBaseCapacity": 2, "OnDemandPercentageAboveBaseCapacity": 50}}
    bought: Counter[str] = Counter()
    order = []
    for _ in range(6):
        market = mixed.market_to_buy(half, bought["on-demand"], bought["spot"])
        bought[market] += 1
        order.append(market)
    assert order == ["on-demand", "on-demand", "on-demand", "spot", "on-demand", "spot"]
    while bought.total() > 2:
        bought[mixed.market_to_leave(half, bought["on-demand"], bought["spot"])] -= 1
    assert bought == {"on-demand": 2, "spot": 0}
    assert mixed.market_to_buy(None, 7, 0) == "on-demand"
