"""An Auto Scaling group is compared without what Auto Scaling owns, and a group that does not serve says why."""

from typing import Any

import pytest
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.scaling_group_calls import GROUP_METRICS, GROUP_TAG
from ansible_collections.pettracker.aws.plugins.module_utils.scaling_groups.client import missing

from tests.plugins.loading import ModuleFailed, load

ARN = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/service/0123456789abcdef"
PARAMETERS = {
    "name": "service",
    "launch_template_id": "lt-1",
    "launch_template_version": 3,
    "min_size": 2,
    "max_size": 10,
    "subnet_ids": ["subnet-b", "subnet-a"],
    "target_group_arns": [ARN],
    "health_check_grace_period": 60,
    "warm_up": 30,
    "cpu_target": 70.0,
    "request_target": 0.0,
    "capacity_rebalance": False,
    "mixed_instances": None,
    "lifecycle_hooks": [],
    "schedules": [],
    "tags": {"Project": "pettracker"},
    "wait_timeout": 1,
}


class FakeAutoScaling:
    """Auto Scaling with at most one group, whose instances are in service at once; remembers what was updated."""

    def __init__(self) -> None:
        self.updates: list[dict[str, Any]] = []
        self.group: dict[str, Any] | None = None
        self.policies: list[dict[str, Any]] = []
        self.instances = [
            {"InstanceId": f"i-{number}", "LifecycleState": "InService", "HealthStatus": "Healthy"} for number in (1, 2)
        ]

    def describe_auto_scaling_groups(self, **_: Any) -> dict[str, Any]:
        return {"AutoScalingGroups": [self.group] if self.group else []}

    def describe_policies(self, **_: Any) -> dict[str, Any]:
        return {"ScalingPolicies": self.policies}

    def describe_lifecycle_hooks(self, **_: Any) -> dict[str, Any]:
        return {"LifecycleHooks": []}

    def describe_scheduled_actions(self, **_: Any) -> dict[str, Any]:
        return {"ScheduledUpdateGroupActions": []}

    def describe_notification_configurations(self, **_: Any) -> dict[str, Any]:
        return {"NotificationConfigurations": []}

    def describe_warm_pool(self, **_: Any) -> dict[str, Any]:
        return {"Instances": []}

    def can_paginate(self, _: str) -> bool:
        return False

    def describe_scaling_activities(self, **_: Any) -> dict[str, Any]:
        return {"Activities": [{"StatusCode": "Failed", "Description": "Launching.", "StatusMessage": "No capacity."}]}

    def create_auto_scaling_group(self, **request: Any) -> None:
        self.group = request | {"Instances": self.instances}

    def update_auto_scaling_group(self, **request: Any) -> None:
        assert self.group
        self.updates.append(request)
        self.group |= request

    def enable_metrics_collection(self, **_: Any) -> None:
        assert self.group
        self.group["EnabledMetrics"] = [{"Metric": metric, "Granularity": "1Minute"} for metric in GROUP_METRICS]

    def put_scaling_policy(self, **request: Any) -> None:
        self.policies = [request]

    def create_or_update_tags(self, Tags: list[dict[str, Any]]) -> None:
        assert self.group
        self.group["Tags"] = [tag for tag in self.group["Tags"] if tag["Key"] not in {new["Key"] for new in Tags}] + Tags

    def delete_tags(self, Tags: list[dict[str, Any]]) -> None:
        assert self.group
        gone = {tag["Key"] for tag in Tags}
        self.group["Tags"] = [tag for tag in self.group["Tags"] if tag["Key"] not in gone]


class FakeBalancer:
    """A balancer for which every target is in one state."""

    def __init__(self, state: str) -> None:
        self.health = {"State": state, "Description": "Health checks failed with these codes: [503]"}

    def describe_target_health(self, **_: Any) -> dict[str, Any]:
        return {"TargetHealthDescriptions": [{"Target": {"Id": f"i-{n}"}, "TargetHealth": self.health} for n in (1, 2)]}


class FakeModule:
    """A module call with these parameters against the two fakes."""

    def __init__(self, autoscaling: FakeAutoScaling, check_mode: bool = False, state: str = "healthy", **changes: Any) -> None:
        self.params = PARAMETERS | changes
        self.check_mode = check_mode
        self.clients = {"autoscaling": autoscaling, "elbv2": FakeBalancer(state)}

    def client(self, service: str) -> Any:
        return self.clients[service]

    def fail_json(self, msg: str) -> None:
        raise ModuleFailed(msg)


def run(autoscaling: FakeAutoScaling, **options: Any) -> dict[str, Any]:
    result: dict[str, Any] = load("modules", "scaling_group").run(FakeModule(autoscaling, **options))
    return result


def test_a_group_settles() -> None:
    autoscaling = FakeAutoScaling()
    assert run(autoscaling, check_mode=True)["changed"]
    assert autoscaling.group is None
    assert run(autoscaling)["instances"] == ["i-1", "i-2"]
    assert not run(autoscaling)["changed"]
    assert not run(autoscaling, check_mode=True)["changed"]


def test_a_scaled_group_is_no_difference_and_stays_scaled() -> None:
    autoscaling = FakeAutoScaling()
    run(autoscaling)
    assert autoscaling.group
    autoscaling.group["DesiredCapacity"] = 2
    autoscaling.group["MaxSize"] = 5
    autoscaling.group["DesiredCapacity"] = 4
    result = run(autoscaling, check_mode=True)
    assert result["diff"]["before"] == {"max_size": 5}
    with pytest.raises(ModuleFailed):  # four are desired and the fake has only two
        run(autoscaling)
    assert autoscaling.group["DesiredCapacity"] == 4
    assert autoscaling.group["MaxSize"] == 10


def test_a_new_template_version_is_left_to_the_refresh() -> None:
    autoscaling = FakeAutoScaling()
    run(autoscaling)
    assert not run(autoscaling, launch_template_version=4)["changed"]
    result = run(autoscaling, launch_template_version=4, max_size=12)
    assert result["diff"]["after"] == {"max_size": 12}
    assert autoscaling.group
    assert autoscaling.group["LaunchTemplate"]["Version"] == "3"
    assert "LaunchTemplate" not in autoscaling.updates[-1]


def test_a_group_of_another_template_is_corrected() -> None:
    autoscaling = FakeAutoScaling()
    run(autoscaling)
    after = run(autoscaling, launch_template_id="lt-2")["diff"]["after"]
    assert after == {"launch_template": {"id": "lt-2", "version": "3"}}


def test_a_tag_that_is_no_longer_wanted_goes() -> None:
    autoscaling = FakeAutoScaling()
    run(autoscaling)
    run(autoscaling, tags={"Owner": "me"})
    assert autoscaling.group
    assert {tag["Key"] for tag in autoscaling.group["Tags"]} == {"Owner", GROUP_TAG}


def test_a_group_that_does_not_serve_says_what_targets_and_activities_say() -> None:
    with pytest.raises(ModuleFailed) as failure:
        run(FakeAutoScaling(), state="unhealthy")
    for part in ("0 of 2 targets are healthy", "i-1 is unhealthy", "[503]", "No capacity.", "the journal of its service"):
        assert part in str(failure.value)


def test_an_instance_that_is_starting_is_missing() -> None:
    group = {
        "DesiredCapacity": 2,
        "Instances": [
            {"InstanceId": "i-1", "LifecycleState": "InService", "HealthStatus": "Healthy"},
            {"InstanceId": "i-2", "LifecycleState": "Pending", "HealthStatus": "Healthy"},
        ],
    }
    assert missing(group, {}) == ["1 of 2 instances are in service.", "i-2 is Pending and Healthy."]


def test_a_healthy_target_that_is_leaving_does_not_count() -> None:
    group = {
        "DesiredCapacity": 1,
        "Instances": [{"InstanceId": "i-1", "LifecycleState": "InService", "HealthStatus": "Healthy"}],
    }
    targets = {ARN: [{"Target": {"Id": "i-old"}, "TargetHealth": {"State": "healthy"}}]}
    assert missing(group, targets) == ["0 of 1 targets are healthy."]
