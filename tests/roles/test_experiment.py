"""An experiment comes and goes on an account whose hosts only exist as answers: what is made, and that nothing of it stays."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest

from delivery.experiments.report import Experiment
from tests.localcloud.conftest import Cloud, cloud, served_cloud
from tests.roles.controllers import environment_of

__all__ = ["cloud", "served_cloud"]

ROOT = Path(__file__).parents[2]
TAGS = {"Project": "pettracker", "Environment": "dev"}
# What inventories/common names the parts of the live fleet by: those of the candidate have names of their own all the same.
LIVE = {
    f"{role}_name": "service"
    for role in ("load_balancer", "load_balancer_target_group", "autoscaling_group", "autoscaling_group_template")
}


def play(tasks_from: str) -> list[dict[str, Any]]:
    role = {"name": "experiment", "tasks_from": tasks_from}
    return [{"hosts": "localhost", "gather_facts": False, "tasks": [{"ansible.builtin.include_role": role}]}]


class Environment:
    """A live fleet behind a balancer, and a controller that runs the role beside it."""

    def __init__(self, cloud: Cloud, directory: Path) -> None:
        self._cloud, self._directory = cloud, directory
        self.ec2, self.elb, self.autoscaling, self.s3 = map(cloud.client, ("ec2", "elbv2", "autoscaling", "s3"))
        self.s3.create_bucket(Bucket="releases")
        profile = cloud.client("iam").create_instance_profile(InstanceProfileName="service")["InstanceProfile"]["Arn"]
        vpc = self.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        subnets = [one["SubnetId"] for one in self.ec2.describe_subnets()["Subnets"][:2]]
        group = self.ec2.create_security_group(GroupName="candidate", Description="x", VpcId=vpc)["GroupId"]
        self.live = self.elb.create_target_group(Name="service", Protocol="HTTP", Port=8080, VpcId=vpc)["TargetGroups"][0]
        balancer = self.elb.create_load_balancer(Name="service", Subnets=subnets)["LoadBalancers"][0]
        self.listener = self.elb.create_listener(
            LoadBalancerArn=balancer["LoadBalancerArn"],
            Protocol="HTTP",
            Port=443,
            DefaultActions=[{"Type": "forward", "TargetGroupArn": self.live["TargetGroupArn"]}],
        )["Listeners"][0]["ListenerArn"]
        self.ec2.create_launch_template(
            LaunchTemplateName="service", LaunchTemplateData={"ImageId": cloud.base_image, "InstanceType": "c5.large"}
        )
        self.autoscaling.create_auto_scaling_group(
            AutoScalingGroupName="service",
            LaunchTemplate={"LaunchTemplateName": "service", "Version": "1"},
            MinSize=2,
            MaxSize=2,
            VPCZoneIdentifier=",".join(subnets),
        )
        release = {"id": "pets-2", "recorded": True, "image_id": cloud.base_image}
        release |= {"model_name": "pets", "model_version": "2", "model_digest": "sha256:0f"}
        experiment = {
            "environment": "dev",
            "share": 0.25,
            "release": release,
            "group": "candidate",
            "live_group": "service",
            "load_balancer": "service",
            "security_group_id": group,
            "service_port": 8080,
            "holder": "ann@laptop",
            "releases_bucket": "releases",
            "metric_namespace": "PetTracker/ML",
            "hosts": 1,
            "drain_seconds": 0,
            "tags": TAGS,
        }
        self._variables = {f"experiment_{name}": value for name, value in experiment.items()}
        self._variables |= {
            "load_balancer_vpc_id": vpc,
            "load_balancer_service_port": 8080,
            "load_balancer_ready_path": "/ready",
            "load_balancer_health_check_interval": 5,
            "autoscaling_group_root_device": "/dev/xvda",
            "autoscaling_group_instance_type": "c5.large",
            "autoscaling_group_instance_profile": profile,
            "autoscaling_group_subnet_ids": subnets,
            "autoscaling_group_user_data": "#!/bin/sh",
            "autoscaling_group_wait_timeout": 60,
            # Hosts that are only answers complete no hooks.
            "autoscaling_group_launch_hook_timeout": 0,
            "autoscaling_group_terminate_hook_timeout": 0,
        }

    def apply(self, tasks_from: str = "main", **changes: Any) -> subprocess.CompletedProcess[str]:
        variables = self._variables | {f"experiment_{name}": value for name, value in changes.items()}
        (self._directory / "play.yml").write_text(json.dumps(play(tasks_from)))
        environment = environment_of(self._cloud.url) | self._cloud.key.environment
        local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        (self._directory / "hosts.yml").write_text(json.dumps({"all": {"hosts": {"localhost": local | LIVE}}}))
        ansible = Path(sys.executable).with_name("ansible-playbook")
        return subprocess.run(
            [ansible, "-i", "hosts.yml", "-e", json.dumps(variables), "play.yml"],
            cwd=self._directory,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def running(self) -> Experiment | None:
        listed = self.s3.list_objects_v2(Bucket="releases").get("Contents", [])
        assert [item["Key"] for item in listed] in ([], ["dev/experiments/running.json"])
        if not listed:
            return None
        return Experiment.model_validate_json(self.s3.get_object(Bucket="releases", Key=listed[0]["Key"])["Body"].read())

    def rules(self) -> list[dict[str, Any]]:
        """Return path and weights of each rule but the default one."""
        found = self.elb.describe_rules(ListenerArn=self.listener)["Rules"]
        names = {one["TargetGroupArn"]: one["TargetGroupName"] for one in self.elb.describe_target_groups()["TargetGroups"]}
        return [
            {
                "paths": rule["Conditions"][0].get("Values") or rule["Conditions"][0]["PathPatternConfig"]["Values"],
                **{
                    names[group["TargetGroupArn"]]: group["Weight"]
                    for group in rule["Actions"][0]["ForwardConfig"]["TargetGroups"]
                },
            }
            for rule in found
            if not rule["IsDefault"]
        ]

    def hosts(self, group: str) -> list[dict[str, Any]]:
        filters = [
            {"Name": "tag:aws:autoscaling:groupName", "Values": [group]},
            {"Name": "instance-state-name", "Values": ["pending", "running"]},
        ]
        reservations = self.ec2.describe_instances(Filters=filters)["Reservations"]
        return [instance for reservation in reservations for instance in reservation["Instances"]]


def tags(host: dict[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in host["Tags"]}


@pytest.fixture
def environment(cloud: Cloud, tmp_path: Path) -> Environment:
    boto3.DEFAULT_SESSION = None
    return Environment(cloud, tmp_path)


@pytest.mark.slow  # it runs the role from begin to end, a second a task
def test_live_hosts_copy_to_the_candidate_until_the_end_and_nothing_is_left(environment: Environment) -> None:
    done = environment.apply(kind="shadow")
    assert done.returncode == 0, done.stdout + done.stderr
    [candidate] = environment.hosts("candidate")
    assert tags(candidate)["Role"] == "candidate"
    for host in environment.hosts("service"):
        share, until, target = tags(host)["Shadow"].split(" ")
        assert (share, target) == ("share=0.25", f"{candidate['PrivateIpAddress']}:8080")
        assert until.startswith("until=")
    assert environment.rules() == [{"paths": ["/-/candidate"], "candidate": 1}]
    running = environment.running()
    assert running is not None
    assert running.begin
    refused = environment.apply(kind="ab")
    assert refused.returncode != 0
    assert "ann@laptop runs an experiment of the kind shadow with pets-2" in " ".join(refused.stdout.split())
    done = environment.apply("end", kind="shadow")
    assert done.returncode == 0, done.stdout + done.stderr
    assert environment.hosts("candidate") == []
    assert len(environment.hosts("service")) == 2
    assert not any("Shadow" in tags(host) for host in environment.hosts("service"))
    assert environment.rules() == []
    assert environment.running() is None
    assert [one["TargetGroupName"] for one in environment.elb.describe_target_groups()["TargetGroups"]] == ["service"]


def test_clients_are_shared_by_weight_which_a_second_run_changes(environment: Environment) -> None:
    for share in (0.25, 0.5):
        done = environment.apply(kind="ab", share=str(share))  # as a command line gives it
        assert done.returncode == 0, done.stdout + done.stderr
        weight = round(100 * share)
        assert environment.rules() == [{"paths": ["/predict"], "service": 100 - weight, "candidate": weight}]
    assert len(environment.hosts("candidate")) == 1
    assert not any("Shadow" in tags(host) for host in environment.hosts("service"))
