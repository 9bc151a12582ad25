"""The module starts one refresh, finds it again, leaves a fleet alone that is as it should be, and takes back what goes on."""

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.plugins.loading import ModuleFailed, load

PARAMETERS = {
    "state": "present",
    "group": "service",
    "launch_template_id": "lt-1",
    "launch_template_version": 4,
    "min_healthy_percentage": 100,
    "max_healthy_percentage": 110,
    "warm_up": 30,
    "checkpoints": [],
    "checkpoint_delay": 900,
    "bake_time": 900,
    "alarms": ["abandoned"],
}


class FakeAutoScaling:
    """A group of two hosts with version 3, and the refreshes that were asked for."""

    def __init__(self) -> None:
        self.versions = ["3", "3"]
        self.group_version = "3"
        self.refreshes: list[dict[str, Any]] = []
        self.rolled_back: list[str] = []
        self.refusal = ""

    def describe_auto_scaling_groups(self, AutoScalingGroupNames: list[str]) -> dict[str, Any]:
        instances = [
            {"InstanceId": f"i-{number}", "LifecycleState": "InService", "LaunchTemplate": self._template(version)}
            for number, version in enumerate(self.versions)
        ]
        group = {"LaunchTemplate": self._template(self.group_version), "Instances": instances, "DesiredCapacity": 2}
        return {"AutoScalingGroups": [group] if AutoScalingGroupNames == ["service"] else []}

    def describe_instance_refreshes(self, **_: Any) -> dict[str, Any]:
        return {"InstanceRefreshes": self.refreshes}

    def start_instance_refresh(self, **request: Any) -> dict[str, Any]:
        identity = f"r-{len(self.refreshes) + 1}"
        started = {"InstanceRefreshId": identity, "Status": "Pending", "StartTime": datetime(2026, 5, 4, tzinfo=UTC)}
        self.refreshes.insert(0, request | started)
        return {"InstanceRefreshId": identity}

    def rollback_instance_refresh(self, AutoScalingGroupName: str) -> None:
        if self.refusal:
            raise ClientError({"Error": {"Code": self.refusal, "Message": "no"}}, "RollbackInstanceRefresh")
        self.refreshes[0]["Status"] = "RollbackInProgress"
        self.rolled_back.append(AutoScalingGroupName)

    @staticmethod
    def _template(version: str) -> dict[str, str]:
        return {"LaunchTemplateId": "lt-1", "Version": version}


class FakeModule:
    """A module call with these parameters against the fake."""

    def __init__(self, scaling: FakeAutoScaling, check_mode: bool, changes: dict[str, Any]) -> None:
        self.params = PARAMETERS | changes
        self.check_mode = check_mode
        self._scaling = scaling

    def client(self, service: str) -> Any:
        assert service == "autoscaling"
        return self._scaling

    def fail_json(self, msg: str) -> None:
        raise ModuleFailed(msg)


def run(scaling: FakeAutoScaling, check_mode: bool = False, **changes: Any) -> dict[str, Any]:
    result: dict[str, Any] = load("modules", "instance_refresh").run(FakeModule(scaling, check_mode, changes))
    return result


def test_a_refresh_is_announced_started_once_and_found_again() -> None:
    scaling = FakeAutoScaling()
    announced = run(scaling, check_mode=True)
    assert announced["diff"]["before"] == {"launch_template_version": "3", "hosts_that_have_it": 0}
    assert announced["diff"]["after"] == {"launch_template_version": "4", "hosts_that_have_it": 2}
    assert scaling.refreshes == []
    started = run(scaling)
    assert (started["changed"], started["action"], started["refresh_id"]) == (True, "start", "r-1")
    assert (started["checkpoints"], started["from_version"], started["resumed"]) == ([50, 100], "3", False)
    again = run(scaling)
    assert (again["changed"], again["action"], again["refresh_id"]) == (False, "follow", "r-1")
    scaling.refreshes[0] |= {"Status": "Baking", "PercentageComplete": 100}
    resumed = run(scaling)
    assert (resumed["checkpoints"], resumed["resumed"]) == ([100], True)
    assert len(scaling.refreshes) == 1


def test_a_refresh_after_one_that_was_given_up_judges_the_first_host_more() -> None:
    scaling = FakeAutoScaling()
    scaling.versions = ["4", "3", "3", "3"]
    started = run(scaling)
    # The fake's desired capacity is two: of these, one is new.
    assert (started["matching"], started["checkpoints"]) == (1, [100])
    assert scaling.refreshes[0]["Preferences"]["CheckpointPercentages"] == [50, 100]


def test_a_fleet_that_has_the_version_is_left_alone() -> None:
    scaling = FakeAutoScaling()
    result = run(scaling, launch_template_version=3)
    assert (result["changed"], result["action"]) == (False, "none")
    assert scaling.refreshes == []


def test_a_refresh_to_something_else_is_refused_and_named() -> None:
    scaling = FakeAutoScaling()
    run(scaling, launch_template_version=9)
    with pytest.raises(ModuleFailed, match="r-1 to version 9 of lt-1 is under way since 2026-05-04"):
        run(scaling)


def test_what_goes_on_is_taken_back_once() -> None:
    scaling = FakeAutoScaling()
    assert run(scaling, state="rolled_back")["action"] == "none"
    run(scaling)
    assert run(scaling, check_mode=True, state="rolled_back")["changed"]
    assert scaling.rolled_back == []
    result = run(scaling, state="rolled_back")
    assert (result["changed"], result["action"], result["refresh_id"]) == (True, "rollback", "r-1")
    again = run(scaling, state="rolled_back")
    assert (again["changed"], again["action"], again["refresh_id"]) == (False, "follow", "r-1")
    assert scaling.rolled_back == ["service"]


def test_a_refresh_that_cannot_be_taken_back_says_what_to_do() -> None:
    scaling = FakeAutoScaling()
    run(scaling)
    scaling.refusal = "IrreversibleInstanceRefresh"
    with pytest.raises(ModuleFailed, match=r"r-1 cannot be taken back.*then roll out the release that you want"):
        run(scaling, state="rolled_back")


def test_without_a_group_the_playbook_is_named() -> None:
    with pytest.raises(ModuleFailed, match=r"playbooks/service.yml"):
        run(FakeAutoScaling(), group="other")
    assert run(FakeAutoScaling(), check_mode=True, group="other")["action"] == "absent"
