"""What a person may do to a group, its members and single hosts is done once, and refused in words where AWS would undo it."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.pettracker.aws.plugins.module_utils.owned_instances import call_for as instance_call
from ansible_collections.pettracker.aws.plugins.module_utils.owned_instances import refuse_member
from ansible_collections.pettracker.aws.plugins.module_utils.scaling_groups.members import (
    RefusedError,
    arrived,
    call_for,
    request_for,
    rows,
    unsettled,
    wanted_size,
)

from tests.plugins.loading import FakeModule, ModuleFailed, load

Account = Callable[[str], Any]
TAGS = {"Project": "pettracker", "Environment": "dev"}


def group(desired: int = 2, **states: str) -> dict[str, Any]:
    """A group of at least 2 and at most 3, whose members are in these states, or two in service."""
    members = states or {"a": "InService", "b": "InService"}
    return {
        "AutoScalingGroupName": "service",
        "MinSize": 2,
        "MaxSize": 3,
        "DesiredCapacity": desired,
        "Instances": [
            {
                "InstanceId": f"i-{name}",
                "AvailabilityZone": "us-east-1a",
                "LifecycleState": state,
                "HealthStatus": "Healthy",
                "LaunchTemplate": {"Version": "4"},
            }
            for name, state in members.items()
        ],
    }


def targets(**states: str) -> dict[str, list[dict[str, Any]]]:
    return {
        "arn": [
            {"Target": {"Id": f"i-{name}"}, "TargetHealth": {"State": state, "Description": f"is {state}"}}
            for name, state in states.items()
        ]
    }


@pytest.mark.parametrize(
    ("found", "state", "call"),
    [
        ("InService", "standby", "enter_standby"),
        ("Standby", "standby", ""),
        ("Standby", "in_service", "exit_standby"),
        ("InService", "in_service", ""),
        ("Pending", "in_service", ""),
        ("Standby", "detached", "detach"),
        ("InService", "terminated", "terminate"),
        ("Terminating:Wait", "terminated", ""),
    ],
)
def test_a_member_is_brought_to_a_state_by_one_call_or_none(found: str, state: str, call: str) -> None:
    assert call_for(group(a=found, b="InService", c="InService"), "i-a", state, decrement=False) == call


def test_a_stranger_is_attached_and_left_alone_by_what_takes_members_away() -> None:
    calls = [call_for(group(), "i-x", state, decrement=True) for state in ("in_service", "detached", "terminated")]
    assert calls == ["attach", "", ""]


@pytest.mark.parametrize("state", ["standby", "detached", "terminated"])
def test_the_capacity_does_not_go_below_the_minimum(state: str) -> None:
    with pytest.raises(RefusedError, match=r"may have no fewer \(min 2\)"):
        call_for(group(), "i-a", state, decrement=True)
    assert call_for(group(), "i-a", state, decrement=False)
    assert call_for(group(), "i-a", state, decrement=True, to_be_added=1)


@pytest.mark.parametrize("instance_id", ["i-a", "i-x"])
def test_nobody_comes_in_above_the_maximum(instance_id: str) -> None:
    full = group(3, a="Standby", b="InService", c="InService", d="InService")
    with pytest.raises(RefusedError, match=r"has 3 hosts and may have no more \(max 3\)"):
        call_for(full, instance_id, "in_service", decrement=False)


@pytest.mark.parametrize(
    ("found", "state"),
    [("Pending", "standby"), ("Terminating", "in_service"), ("EnteringStandby", "in_service"), ("Terminating", "detached")],
)
def test_a_member_on_its_way_elsewhere_is_refused(found: str, state: str) -> None:
    with pytest.raises(RefusedError, match=f"i-a.*{found}|i-a is still on its way"):
        call_for(group(a=found), "i-a", state, decrement=False)


def test_a_member_in_standby_takes_no_capacity_with_it() -> None:
    aside = group(2, a="Standby", b="InService", c="InService")
    assert call_for(aside, "i-a", "terminated", decrement=True) == "terminate"
    assert request_for(aside, "terminate", "i-a", True)["ShouldDecrementDesiredCapacity"] is False
    assert request_for(aside, "detach", "i-a", True)["ShouldDecrementDesiredCapacity"] is False
    assert request_for(aside, "detach", "i-b", True)["ShouldDecrementDesiredCapacity"] is True


def test_arriving_is_what_group_and_balancer_both_say() -> None:
    assert "is unhealthy" in arrived(group(), targets(a="unhealthy"), "i-a", "in_service")
    assert "not registered" in arrived(group(), targets(b="healthy"), "i-a", "in_service")
    assert arrived(group(), targets(a="healthy"), "i-a", "in_service") == ""
    aside = group(a="Standby")
    assert "still knows i-a (draining)" in arrived(aside, targets(a="draining"), "i-a", "standby")
    assert arrived(aside, targets(), "i-a", "standby") == ""
    assert arrived(group(), targets(), "i-a", "detached") == "i-a is InService."
    assert arrived(group(), targets(), "i-x", "terminated") == ""


def test_a_group_is_whole_when_nobody_is_missing_leaving_or_too_many() -> None:
    healthy = targets(a="healthy", b="healthy", c="healthy")
    assert unsettled(group(), healthy) == []
    assert unsettled(group(a="InService", b="InService", c="Standby"), healthy) == []
    assert unsettled(group(a="InService", b="InService", c="Terminating"), healthy) == ["i-c is Terminating."]
    (sentence,) = unsettled(group(a="InService", b="InService", c="InService"), healthy)
    assert sentence == "3 instances are in service, and 2 are desired."


def test_a_row_says_what_the_balancer_thinks_and_why() -> None:
    launched = datetime(2026, 11, 30, 12, 1, 2, tzinfo=UTC)
    first, second = rows(group(), targets(a="unhealthy"), {"i-a": {"ImageId": "ami-1", "LaunchTime": launched}})
    assert first == {
        **{"instance_id": "i-a", "zone": "us-east-1a", "state": "InService", "target": "unhealthy"},
        **{"reason": "is unhealthy", "version": "4", "image": "ami-1", "launched": "2026-11-30T12:01:02+00:00"},
    }
    # EC2 does not show it, or not yet.
    assert (second["instance_id"], second["target"], second["image"], second["launched"]) == ("i-b", "", "", "")


def test_sizes_that_contradict_each_other_are_refused_and_the_rest_follows() -> None:
    assert wanted_size(group(), None, None, 3) == {"min_size": 2, "max_size": 3, "desired_capacity": 3}
    assert wanted_size(group(), 3, 5, None) == {"min_size": 3, "max_size": 5, "desired_capacity": 3}
    with pytest.raises(RefusedError, match="may have 2 to 3 hosts, not 4"):
        wanted_size(group(), None, None, 4)
    with pytest.raises(RefusedError, match="at least 4 and at most 3"):
        wanted_size(group(), 4, None, None)


def test_a_group_would_undo_what_is_done_to_its_members() -> None:
    with pytest.raises(RefusedError, match="drain it first"):
        refuse_member("i-a", "InService", "stopped")
    with pytest.raises(RefusedError, match="would start another one"):
        refuse_member("i-a", "Standby", "terminated")
    refuse_member("i-a", "Standby", "rebooted")
    refuse_member("i-a", "", "terminated")


@pytest.mark.parametrize(
    ("found", "state", "call"),
    [
        ("running", "stopped", "stop"),
        ("stopped", "stopped", ""),
        ("stopped", "running", "start"),
        ("running", "rebooted", "reboot"),
        ("stopped", "terminated", "terminate"),
        ("terminated", "terminated", ""),
    ],
)
def test_an_instance_is_brought_to_a_state_by_one_call_or_none(found: str, state: str, call: str) -> None:
    assert instance_call({"InstanceId": "i-a", "State": {"Name": found}}, state) == call


@pytest.mark.parametrize(("found", "state"), [("stopped", "rebooted"), ("stopping", "running"), ("terminated", "running")])
def test_an_instance_that_cannot_get_there_is_refused(found: str, state: str) -> None:
    with pytest.raises(RefusedError, match=f"i-a is (still )?{found}"):
        instance_call({"InstanceId": "i-a", "State": {"Name": found}}, state)


def run(name: str, parameters: dict[str, Any], check_mode: bool = False) -> dict[str, Any]:
    result: dict[str, Any] = load("modules", name).run(FakeModule(parameters, check_mode))
    return result


def test_only_the_environments_own_host_is_stopped_and_ended_and_each_once(account: Account) -> None:
    ec2 = account("ec2")
    tags = [{"Key": key, "Value": value} for key, value in (TAGS | {"Role": "training"}).items()]
    started = ec2.run_instances(
        ImageId="ami-12c6146b", MinCount=1, MaxCount=1, TagSpecifications=[{"ResourceType": "instance", "Tags": tags}]
    )
    instance_id = started["Instances"][0]["InstanceId"]

    def found() -> str:
        return str(ec2.describe_instances()["Reservations"][0]["Instances"][0]["State"]["Name"])

    parameters = {"instance_id": instance_id, "tags": TAGS, "member": True, "wait_timeout": 5}
    with pytest.raises(ModuleFailed, match=r"There is no host i-.* There are: none"):
        run("owned_instance", parameters | {"tags": TAGS | {"Environment": "production"}, "state": "terminated"})
    with pytest.raises(ModuleFailed, match=rf"There are: {instance_id} \(training, running\)"):
        run("owned_instance", parameters | {"instance_id": "i-x", "state": "terminated"})
    before = "running"
    for state in ("stopped", "terminated"):
        announced = run("owned_instance", parameters | {"state": state}, check_mode=True)
        assert announced["diff"]["after"] == {"state": state}
        assert found() == before
        assert run("owned_instance", parameters | {"state": state})["changed"]
        assert not run("owned_instance", parameters | {"state": state})["changed"]
        assert found() == state
        before = state
