"""A refresh begins with one host, nothing is refreshed twice, and what somebody else does is named."""

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.pettracker.aws.plugins.module_utils.rollout.instance_refreshes import (
    checkpoints,
    plan,
    progress,
    remaining,
    request,
    split,
)
from hypothesis import given
from hypothesis import strategies as st

PARAMETERS = {
    "group": "service",
    "launch_template_id": "lt-1",
    "launch_template_version": 3,
    "min_healthy_percentage": 100,
    "max_healthy_percentage": 110,
    "warm_up": 30,
    "checkpoints": [],
    "checkpoint_delay": 900,
    "bake_time": 900,
    "alarms": ["b", "a"],
}


def instance(name: str, version: str, state: str = "InService") -> dict[str, Any]:
    return {"InstanceId": name, "LifecycleState": state, "LaunchTemplate": template(version)}


def template(version: str, identity: str = "lt-1") -> dict[str, str]:
    return {"LaunchTemplateId": identity, "Version": version}


def group(*instances: dict[str, Any], version: str = "3") -> dict[str, Any]:
    return {"LaunchTemplate": template(version), "Instances": list(instances)}


def refresh(version: str, status: str = "InProgress", **more: Any) -> dict[str, Any]:
    return {
        "InstanceRefreshId": "r-1",
        "Status": status,
        "StartTime": datetime(2026, 5, 4, 3, 2, tzinfo=UTC),
        "DesiredConfiguration": {"LaunchTemplate": template(version)},
        "Preferences": {"AutoRollback": True},
    } | more


@pytest.mark.parametrize(
    ("hosts", "between", "expected"),
    [
        (1, [], [100]),
        (2, [], [50, 100]),
        (3, [], [33, 100]),
        (10, [], [10, 100]),
        (10, [50], [10, 50, 100]),
        (2, [50, 20], [50, 100]),
        (3, [50], [33, 50, 100]),
        (150, [25], [1, 25, 100]),
    ],
)
def test_the_first_checkpoint_is_one_host(hosts: int, between: list[int], expected: list[int]) -> None:
    assert checkpoints(hosts, between) == expected


@given(hosts=st.integers(1, 100))
def test_the_canary_is_one_host_of_any_fleet_up_to_a_hundred(hosts: int) -> None:
    first = checkpoints(hosts, [])[0]
    assert math.ceil(hosts * first / 100) == 1


@given(hosts=st.integers(2, 100), matching=st.integers(1, 99))
def test_a_canary_comes_after_hosts_that_have_the_version_already(hosts: int, matching: int) -> None:
    matching = min(matching, hosts - 1)
    found = checkpoints(hosts, [], matching)
    # Whichever way AWS counts, one stop is reached with the first host that is replaced, and not before.
    over_all = [one for one in found if matching < math.ceil(hosts * one / 100)]
    assert math.ceil(hosts * over_all[0] / 100) == matching + 1
    assert math.ceil((hosts - matching) * found[0] / 100) == 1


@pytest.mark.parametrize(
    ("complete", "expected"), [(0, [33, 66, 100]), (33, [33, 66, 100]), (50, [33, 66, 100]), (66, [66, 100]), (100, [100])]
)
def test_a_resumed_refresh_is_judged_from_the_checkpoint_that_it_has_reached(complete: int, expected: list[int]) -> None:
    assert remaining([33, 66, 100], complete) == expected


def test_a_fleet_that_has_the_version_is_left_alone() -> None:
    there = group(instance("i-1", "3"), instance("i-2", "3"), instance("i-0", "2", "Terminating:Wait"))
    assert plan(there, [refresh("3", "Successful")], "lt-1", "3").action == "none"
    assert plan(group(instance("i-1", "3"), instance("i-2", "2")), [], "lt-1", "3").action == "start"
    assert plan(there, [], "lt-1", "4").action == "start"
    assert plan(there | {"LaunchTemplate": template("2")}, [], "lt-1", "3").action == "start"


@pytest.mark.parametrize("status", ["Pending", "InProgress", "Baking", "RollbackInProgress"])
def test_an_unfinished_refresh_to_the_same_version_is_gone_on_with(status: str) -> None:
    found = plan(group(instance("i-1", "2")), [refresh("3", status), refresh("2", "Successful")], "lt-1", "3")
    assert (found.action, (found.refresh or {})["InstanceRefreshId"]) == ("follow", "r-1")


def test_a_refresh_of_somebody_else_is_named() -> None:
    found = plan(group(instance("i-1", "2")), [refresh("9", PercentageComplete=40)], "lt-1", "3")
    assert found.action == "refuse"
    for part in ("r-1 to version 9 of lt-1", "since 2026-05-04 03:02 UTC", "InProgress, 40 %", "make rollback"):
        assert part in found.reason
    assert plan(group(), [refresh("3", Preferences={})], "lt-1", "3").action == "refuse"
    bare = refresh("9") | {"DesiredConfiguration": {}}
    assert "without a desired configuration" in plan(group(), [bare], "lt-1", "3").reason


def test_new_and_old_hosts_are_told_apart_by_their_version() -> None:
    there = group(instance("i-1", "2"), instance("i-2", "3"), instance("i-3", "3", "Pending"), version="2")
    assert split(there, "lt-1", "3") == (["i-2"], ["i-1"])


def test_capacity_never_drops_and_a_rollback_has_somewhere_to_go() -> None:
    asked = request(PARAMETERS, group(version="2") | {"DesiredCapacity": 3})
    assert asked["DesiredConfiguration"]["LaunchTemplate"] == {"LaunchTemplateId": "lt-1", "Version": "3"}
    preferences = asked["Preferences"]
    assert (preferences["MinHealthyPercentage"], preferences["CheckpointPercentages"]) == (100, [33, 100])
    assert preferences["AutoRollback"]
    assert preferences["AlarmSpecification"] == {"Alarms": ["a", "b"]}


def test_progress_says_why_it_goes_back() -> None:
    back = refresh("3", "RollbackInProgress", PercentageComplete=33, RollbackDetails={"RollbackReason": "An alarm rang."})
    assert progress(back) == "RollbackInProgress, 33 %, 0 to replace: An alarm rang."


def mixed_group(version: str, *instances: dict[str, Any]) -> dict[str, Any]:
    """A group with a policy, as Auto Scaling describes it: by the template's id and name."""
    source = {
        "LaunchTemplateSpecification": template(version) | {"LaunchTemplateName": "service"},
        "Overrides": [{"InstanceType": "c5.large"}, {"InstanceType": "c6i.large"}],
    }
    distribution = {"OnDemandBaseCapacity": 2, "SpotAllocationStrategy": "price-capacity-optimized"}
    policy = {"LaunchTemplate": source, "InstancesDistribution": distribution}
    return {"MixedInstancesPolicy": policy, "Instances": list(instances), "DesiredCapacity": 3}


def test_a_mixed_group_keeps_its_policy_when_it_gets_another_version() -> None:
    there = mixed_group("2")
    asked = request(PARAMETERS, there)["DesiredConfiguration"]
    assert "LaunchTemplate" not in asked
    policy = asked["MixedInstancesPolicy"]
    # Auto Scaling takes an id or a name, not both.
    assert policy["LaunchTemplate"]["LaunchTemplateSpecification"] == template("3")
    assert policy["LaunchTemplate"]["Overrides"] == there["MixedInstancesPolicy"]["LaunchTemplate"]["Overrides"]
    assert policy["InstancesDistribution"] == there["MixedInstancesPolicy"]["InstancesDistribution"]


def test_a_rollout_of_a_mixed_group_is_found_again_and_left_alone_when_it_is_done() -> None:
    there = mixed_group("2", instance("i-1", "2"))
    going_on = refresh("3", DesiredConfiguration=request(PARAMETERS, there)["DesiredConfiguration"])
    assert plan(there, [going_on], "lt-1", "3").action == "follow"
    assert plan(there, [], "lt-1", "2").action == "none"
    assert plan(mixed_group("3", instance("i-1", "2")), [], "lt-1", "3").action == "start"
