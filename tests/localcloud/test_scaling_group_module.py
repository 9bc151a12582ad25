"""The module scaling_group on the local cloud: what it sets is found again, and what is no longer asked for goes."""

from typing import Any

import pytest

from localcloud.fleet import groups
from tests.localcloud.conftest import Cloud, eventually
from tests.localcloud.scaling_group import Group
from tests.plugins.loading import ModuleFailed, load

READY = {"name": "ready", "transition": "launching", "heartbeat_timeout": 120, "default_result": "CONTINUE"}
DRAINED = {"name": "drained", "transition": "terminating", "heartbeat_timeout": 150, "default_result": "CONTINUE"}
MIXED = {
    "instance_types": ["c5.large", "c6i.large"],
    "on_demand_base": 2,
    "on_demand_percentage": 0,
    "spot_allocation": "price-capacity-optimized",
}
MORNING = {"name": "morning", "recurrence": "0 7 * * 1-5", "time_zone": "Europe/London", "min_size": 3}
EVERYTHING: dict[str, Any] = {
    "mixed_instances": MIXED,
    "capacity_rebalance": True,
    "request_target": 1500.0,
    "lifecycle_hooks": [READY, DRAINED],
    "schedules": [MORNING],
}


@pytest.fixture(autouse=True)
def _at_a_quick_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "INTERVAL", 0.05)


class Module:
    """Calls of the module for the group `service` or another one, against the cloud."""

    def __init__(self, group: Group) -> None:
        self.group = group
        self.check_mode = False
        described = self.describe()
        template = group.ec2.describe_launch_templates()["LaunchTemplates"][0]["LaunchTemplateId"]
        self.parameters: dict[str, Any] = {
            "name": "service",
            "launch_template_id": template,
            "launch_template_version": 1,
            "min_size": 1,
            "max_size": 4,
            "subnet_ids": described["VPCZoneIdentifier"].split(","),
            "target_group_arns": [group.target_group],
            "health_check_grace_period": 60,
            "warm_up": 60,
            "cpu_target": 70.0,
            "request_target": 0.0,
            "capacity_rebalance": False,
            "mixed_instances": None,
            "lifecycle_hooks": [],
            "schedules": [],
            "tags": {"Project": "pettracker"},
            "wait_timeout": 0,
        }

    def client(self, service: str) -> Any:
        return self.group.cloud.client(service)

    def fail_json(self, msg: str) -> None:
        raise ModuleFailed(msg)

    def run(self, check_mode: bool = False, **changes: Any) -> dict[str, Any]:
        self.params, self.check_mode = self.parameters | changes, check_mode
        result: dict[str, Any] = load("modules", "scaling_group").run(self)
        return result

    def describe(self, name: str = "service") -> dict[str, Any]:
        answer = self.group.asg.describe_auto_scaling_groups(AutoScalingGroupNames=[name])
        found: dict[str, Any] = answer["AutoScalingGroups"][0]
        return found

    def hooks(self) -> dict[str, Any]:
        answer = self.group.asg.describe_lifecycle_hooks(AutoScalingGroupName="service")["LifecycleHooks"]
        return {hook["LifecycleHookName"]: hook for hook in answer}

    def policies(self) -> dict[str, Any]:
        answer = self.group.asg.describe_policies(AutoScalingGroupName="service")["ScalingPolicies"]
        return {policy["PolicyName"]: policy["TargetTrackingConfiguration"] for policy in answer}

    def schedules(self) -> dict[str, Any]:
        answer = self.group.asg.describe_scheduled_actions(AutoScalingGroupName="service")
        return {action["ScheduledActionName"]: action for action in answer["ScheduledUpdateGroupActions"]}


@pytest.fixture
def module(cloud: Cloud) -> Module:
    """The module for a group that somebody has made with version 1 of its template by other means."""
    made = Module(Group(cloud, desired=2, grace=60, version="1"))
    made.run()
    return made


def test_everything_is_announced_set_found_again_and_removed(module: Module) -> None:
    announced = module.run(check_mode=True, **EVERYTHING)
    fields = {"mixed_instances", "capacity_rebalance", "request_target", "lifecycle_hooks", "schedules"}
    assert set(announced["diff"]["after"]) == fields
    assert announced["diff"]["before"]["lifecycle_hooks"] == {"ready": None, "drained": None}
    assert (module.hooks(), module.schedules(), set(module.policies())) == ({}, {}, {"cpu"})

    assert module.run(**EVERYTHING)["diff"] == announced["diff"]
    assert module.describe()["CapacityRebalance"] is True
    assert module.hooks()["ready"]["HeartbeatTimeout"] == 120
    assert module.hooks()["drained"]["LifecycleTransition"] == "autoscaling:EC2_INSTANCE_TERMINATING"
    assert module.schedules()["managed-morning"]["MinSize"] == 3
    requests = module.policies()["requests"]
    assert requests["TargetValue"] == 1500
    label = requests["PredefinedMetricSpecification"]["ResourceLabel"]
    assert label.startswith("app/service/")
    assert label.endswith(module.group.target_group.split(":")[-1])
    assert not module.run(**EVERYTHING)["changed"]
    assert not module.run(check_mode=True, **EVERYTHING)["changed"]

    gone = EVERYTHING["lifecycle_hooks"]
    without = {"lifecycle_hooks": [hook | {"heartbeat_timeout": 0} for hook in gone]}
    assert set(module.run(**without)["diff"]["after"]) == fields
    assert (module.hooks(), module.schedules(), set(module.policies())) == ({}, {}, {"cpu"})
    assert "MixedInstancesPolicy" not in module.describe()
    assert not module.run(**without)["changed"]


def test_what_others_have_added_stays(module: Module) -> None:
    scaling = module.group.asg
    hook = {"LifecycleHookName": "audit", "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING"}
    scaling.put_lifecycle_hook(AutoScalingGroupName="service", **hook)
    action = {"ScheduledActionName": "theirs", "Recurrence": "0 1 * * *", "MaxSize": 4}
    scaling.put_scheduled_update_group_action(AutoScalingGroupName="service", **action)
    module.run(**EVERYTHING)
    module.run()
    assert set(module.hooks()) == {"audit", "ready", "drained"}  # of those two nothing was said the second time
    assert set(module.schedules()) == {"theirs"}


def test_a_new_group_is_made_with_hooks_for_its_first_instances(module: Module) -> None:
    other = {"name": "other", "target_group_arns": []}
    hooks = {"lifecycle_hooks": [READY]}
    assert module.run(**other, **hooks)["changed"]
    eventually(lambda: [one["LifecycleState"] for one in module.describe("other")["Instances"]] == ["Pending:Wait"])
    assert module.run(check_mode=True, **other, **hooks)["diff"]["after"] == {}
    module.group.asg.delete_auto_scaling_group(AutoScalingGroupName="other", ForceDelete=True)


def test_an_instance_learns_the_name_of_its_group(module: Module) -> None:
    (tag,) = [tag for tag in module.describe()["Tags"] if tag["Key"] == "AutoScalingGroup"]
    assert (tag["Value"], tag["PropagateAtLaunch"]) == ("service", True)


def test_a_mixed_group_keeps_its_version_too(module: Module) -> None:
    module.run(**EVERYTHING)
    module.group.ec2.create_launch_template_version(LaunchTemplateName="service", LaunchTemplateData={})
    assert not module.run(**EVERYTHING, launch_template_version=2)["changed"]
    less = EVERYTHING | {"mixed_instances": MIXED | {"on_demand_base": 1}}
    module.run(**less, launch_template_version=2)
    policy = module.describe()["MixedInstancesPolicy"]
    assert policy["LaunchTemplate"]["LaunchTemplateSpecification"]["Version"] == "1"
    assert policy["InstancesDistribution"]["OnDemandBaseCapacity"] == 1
    module.run(launch_template_version=2)
    assert module.describe()["LaunchTemplate"]["Version"] == "1"


def test_a_size_that_a_schedule_has_set_is_no_difference(module: Module) -> None:
    schedules = {"schedules": [MORNING]}
    module.run(**schedules)
    module.group.asg.update_auto_scaling_group(AutoScalingGroupName="service", MinSize=3)
    assert not module.run(**schedules)["changed"]
    module.group.asg.update_auto_scaling_group(AutoScalingGroupName="service", MinSize=2)
    assert module.run(check_mode=True, **schedules)["diff"]["after"] == {"min_size": 1}
    module.group.asg.update_auto_scaling_group(AutoScalingGroupName="service", MinSize=3)
    assert set(module.run()["diff"]["after"]) == {"min_size", "schedules"}
    assert module.describe()["MinSize"] == 1


def test_a_schedule_that_changes_forgets_its_other_sizes(module: Module) -> None:
    module.run(schedules=[MORNING])
    later = {"name": "morning", "recurrence": "0 8 * * *", "time_zone": "Europe/London", "desired_capacity": 2}
    module.run(schedules=[later])
    action = module.schedules()["managed-morning"]
    assert (action["Recurrence"], action["DesiredCapacity"]) == ("0 8 * * *", 2)
    assert "MinSize" not in action
    assert not module.run(schedules=[later])["changed"]


def test_requests_cannot_be_counted_without_a_balancer(module: Module) -> None:
    vpc = module.group.ec2.describe_subnets(SubnetIds=module.parameters["subnet_ids"])["Subnets"][0]["VpcId"]
    lonely = module.group.elb.create_target_group(Name="lonely", Protocol="HTTP", Port=8080, VpcId=vpc)
    arns = [lonely["TargetGroups"][0]["TargetGroupArn"]]
    with pytest.raises(ModuleFailed, match="No balancer forwards to the target groups of service"):
        module.run(request_target=100.0, target_group_arns=arns)


def test_a_refresh_of_a_mixed_group_goes_forward_and_back_with_its_policy(module: Module) -> None:
    module.run(**EVERYTHING)
    module.group.ec2.create_launch_template_version(LaunchTemplateName="service", SourceVersion="1", LaunchTemplateData={})
    refresh = load("modules", "instance_refresh")
    module.params = {
        "state": "present",
        "group": "service",
        "launch_template_id": module.parameters["launch_template_id"],
        "launch_template_version": 2,
        "min_healthy_percentage": 100,
        "max_healthy_percentage": 200,
        "warm_up": 0,
        "checkpoints": [],
        "checkpoint_delay": 900,
        "bake_time": 900,
        "alarms": [],
    }
    module.check_mode = False
    started = refresh.run(module)
    assert (started["action"], started["from_version"]) == ("start", "1")
    assert refresh.run(module)["action"] == "follow"
    (described,) = module.group.asg.describe_instance_refreshes(AutoScalingGroupName="service")["InstanceRefreshes"]
    desired = described["DesiredConfiguration"]["MixedInstancesPolicy"]
    assert desired["LaunchTemplate"]["LaunchTemplateSpecification"]["Version"] == "2"
    assert [one["InstanceType"] for one in desired["LaunchTemplate"]["Overrides"]] == MIXED["instance_types"]
    module.params |= {"state": "rolled_back"}
    assert refresh.run(module)["action"] == "rollback"
    policy = module.describe()["MixedInstancesPolicy"]
    assert policy["LaunchTemplate"]["LaunchTemplateSpecification"]["Version"] == "1"
