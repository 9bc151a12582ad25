"""The role autoscaling_group on the local cloud: its variables become a group."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from localcloud import settings as constants
from tests.localcloud.conftest import Cloud
from tests.localcloud.scaling_group import Group

ROOT = Path(__file__).parents[2]
PLAY = [{"hosts": "localhost", "gather_facts": False, "roles": ["autoscaling_group"]}]


def apply(directory: Path, cloud: Cloud, variables: dict[str, Any]) -> None:
    """Run the role. That a second run changes nothing is the module's affair, and the rehearsal's."""
    (directory / "play.yml").write_text(json.dumps(PLAY))
    (directory / "hosts.yml").write_text("all: {hosts: {localhost: {ansible_connection: local}}}")
    run = subprocess.run(
        [
            *(Path(sys.executable).with_name("ansible-playbook"), "-i", "hosts.yml"),
            *("-e", f"ansible_python_interpreter={sys.executable}", "-e", json.dumps(variables), "play.yml"),
        ],
        cwd=directory,
        env=os.environ
        | {
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "AWS_ENDPOINT_URL": cloud.url,
            **cloud.key.environment,
            "AWS_REGION": constants.REGION,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert run.returncode == 0, run.stdout


def test_a_group_is_bought_scaled_and_waited_for_as_the_variables_say(tmp_path: Path, cloud: Cloud) -> None:
    other = Group(cloud, desired=1)
    subnets = other.asg.describe_auto_scaling_groups()["AutoScalingGroups"][0]["VPCZoneIdentifier"].split(",")
    profile = cloud.client("iam").create_instance_profile(InstanceProfileName="service")["InstanceProfile"]["Arn"]
    security_group = other.ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"]
    variables = {
        "name": "fleet",
        "image_id": cloud.base_image,
        "root_device": "/dev/xvda",
        "instance_type": "c5.large",
        "instance_profile": profile,
        "security_group_id": security_group,
        "subnet_ids": subnets,
        "target_group_arn": other.target_group,
        "user_data": "#!/bin/sh",
        "instance_tags": {"Role": "service"},
        "spot_percentage": 75,
        "more_instance_types": ["c6i.large"],
        "request_target": 1500,
        "schedules": [{"name": "morning", "recurrence": "0 7 * * 1-5", "min_size": 4}],
        "wait_timeout": 0,
    }
    variables = {f"autoscaling_group_{name}": value for name, value in variables.items()}
    apply(tmp_path, cloud, variables)
    groups = other.asg.describe_auto_scaling_groups(AutoScalingGroupNames=["fleet"])["AutoScalingGroups"]
    policy = groups[0]["MixedInstancesPolicy"]
    assert [one["InstanceType"] for one in policy["LaunchTemplate"]["Overrides"]] == ["c5.large", "c6i.large"]
    distribution = policy["InstancesDistribution"]
    assert (distribution["OnDemandBaseCapacity"], distribution["OnDemandPercentageAboveBaseCapacity"]) == (2, 25)
    assert groups[0]["CapacityRebalance"] is True
    hooks = other.asg.describe_lifecycle_hooks(AutoScalingGroupName="fleet")["LifecycleHooks"]
    # Whoever knows no hooks is late, but gets in and out.
    assert {(hook["LifecycleHookName"], hook["DefaultResult"]) for hook in hooks} == {
        ("ready", "CONTINUE"),
        ("drained", "CONTINUE"),
    }
    policies = other.asg.describe_policies(AutoScalingGroupName="fleet")["ScalingPolicies"]
    assert {one["PolicyName"] for one in policies} == {"cpu", "requests"}
    actions = other.asg.describe_scheduled_actions(AutoScalingGroupName="fleet")["ScheduledUpdateGroupActions"]
    assert [(one["ScheduledActionName"], one["MinSize"]) for one in actions] == [("managed-morning", 4)]
