"""The role brings a second fleet beside the first one and removes one of the two, on an account of the local cloud.

Its groups, target groups, health and weights are the local cloud's; the services of its hosts are one small HTTP server.
molecule/rollout does it on real hosts. A rollout is some eighty tasks, of a second each: only what the others do not go
through is run every time.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from localcloud import backends
from tests.localcloud.conftest import Cloud, cloud, eventually, served_cloud
from tests.localcloud.scaling_group import Group
from tests.roles.colours import Services
from tests.roles.controllers import environment_of
from tests.roles.test_rollout import CHECK, DEPLOYED, DIGEST, TAKE_BACK, said

__all__ = ["cloud", "served_cloud"]

COLOURS = [{"group": name, "target_group": name} for name in ("service", "service-g")]


class Controller:
    """Runs the role for version 2 of the launch template, in an account whose fleet is one host of version 1."""

    def __init__(self, account: Cloud, directory: Path) -> None:
        self._directory = directory
        self.live = Group(account, desired=1, version="1")
        self.elb, self.asg = self.live.elb, self.live.asg
        changed = {"LaunchTemplateName": "service", "LaunchTemplateData": {"InstanceType": "c5.xlarge"}}
        self.live.ec2.create_launch_template_version(SourceVersion="1", **changed)
        # The role listens on 443; what the group's helper has made listens on 80.
        self.balancer = self.elb.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
        self.listener = self.elb.describe_listeners(LoadBalancerArn=self.balancer)["Listeners"][0]["ListenerArn"]
        self.elb.modify_listener(ListenerArn=self.listener, Port=443)
        self.services = Services(self.elb, DIGEST)
        self._acm = account.client("acm")
        self.s3, self.ssm = account.client("s3"), account.client("ssm")
        self.s3.create_bucket(Bucket="releases")
        self.bad = directory / "bad"
        self.bad.write_text("nobody")
        check = directory / "python"
        check.write_text(CHECK.format(bad=self.bad))
        check.chmod(0o755)
        golden = directory / "bundle/golden"
        golden.mkdir(parents=True)
        (golden / "answers.json").write_text(json.dumps({"cases": [{"input": "row.json"}]}))
        (golden / "row.json").write_text("{}")
        result = {"launch_template_id": "{{ rollout_launch_template_id }}", "launch_template_version": 2}
        fact = {"ansible.builtin.set_fact": {"autoscaling_group_result": result}}
        self.play("play.yml", [fact, {"ansible.builtin.include_role": {"name": "rollout"}}])
        (directory / "take-back.yml").write_text(json.dumps(TAKE_BACK))
        (directory / "aws_ec2.yml").write_text(
            json.dumps({"plugin": "amazon.aws.aws_ec2", "regions": ["us-east-1"], "hostnames": ["instance-id"]})
        )
        self._environment = environment_of(account.url) | account.key.environment
        self._variables = self._of_the_role(check) | self._of_other_roles()

    def _of_the_role(self, check: Path) -> dict[str, Any]:
        variables: dict[str, Any] = {
            "strategy": "blue_green",
            "balancer": "service",
            "balancer_url": f"{self.services.url}/balancer",
            "colours": COLOURS,
            "weights": [100],
            "keep_warm_seconds": 0,
            "environment": "dev",
            "region": "us-east-1",
            "group": "service",
            "launch_template_id": self.live.ec2.describe_launch_templates()["LaunchTemplates"][0]["LaunchTemplateId"],
            "launch_template_version": 2,
            "release": {
                **{"id": "pets-2", "recorded": True, "image_id": "ami-2"},
                **{"model_name": "pets", "model_version": "2", "model_digest": DIGEST},
            },
            "holder": "ann@laptop",
            "releases_bucket": "releases",
            "deployed_parameter": DEPLOYED,
            "abandoned_alarm": "abandoned",
            "heartbeat_namespace": "PetTracker/ML",
            "heartbeat_dimensions": {"Environment": "dev"},
            "heartbeat_seconds": 0.2,
            "lock_stale_seconds": 30,
            "bake_seconds": 2,
            "rounds": 12,
            "minimum_requests": 7,
            "timeout": 120,
            # Hosts and the account are all this one process, whose time says nothing of any of them.
            "slowdown": 20,
            "service_port": 1,
        }
        return {f"rollout_{name}": value for name, value in variables.items()} | {
            # Every host is this machine, and differs by its address and by what its check says.
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "__rollout_url": f"{self.services.url}/{{{{ __rollout_host }}}}",
            "__rollout_bundle": str(self._directory / "bundle"),
            "__rollout_python": str(check),
            "__rollout_evidence_directory": f"{self._directory}/evidence-{{{{ __rollout_host }}}}",
        }

    def _of_other_roles(self) -> dict[str, Any]:
        group = self.group("service")
        network = {
            "vpc_id": self.elb.describe_target_groups()["TargetGroups"][0]["VpcId"],
            "name": "service",
            "service_port": 8080,
            "ready_path": "/ready",
            "health_check_interval": 5,
            "deregistration_delay": 0,
        }
        return {f"load_balancer_{name}": value for name, value in network.items()} | {
            "autoscaling_group_subnet_ids": group["VPCZoneIdentifier"].split(","),
            "autoscaling_group_min_size": 1,
            # Hosts that exist only as answers complete no hook.
            "autoscaling_group_launch_hook_timeout": 0,
            "autoscaling_group_terminate_hook_timeout": 0,
        }

    def play(self, name: str, tasks: list[dict[str, Any]]) -> None:
        """Write a play for the controller."""
        content = [{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]
        (self._directory / name).write_text(json.dumps(content))

    def apply(self, play: str = "play.yml", **variables: Any) -> subprocess.CompletedProcess[str]:
        ansible = Path(sys.executable).with_name("ansible-playbook")
        command = [ansible, "-i", "aws_ec2.yml", "-e", json.dumps(self._variables | variables), play]
        return subprocess.run(
            command,
            cwd=self._directory,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )

    def target_group(self) -> str:
        """Make the second target group; return its ARN."""
        vpc = self.elb.describe_target_groups()["TargetGroups"][0]["VpcId"]
        made = self.elb.create_target_group(Name="service-g", Protocol="HTTP", Port=8080, VpcId=vpc)["TargetGroups"][0]
        backends.elbv2().target_groups[made["TargetGroupArn"]].health_check_interval_seconds = 0.1
        delay = {"Key": "deregistration_delay.timeout_seconds", "Value": "0"}
        self.elb.modify_target_group_attributes(TargetGroupArn=made["TargetGroupArn"], Attributes=[delay])
        return str(made["TargetGroupArn"])

    def bring(self, weights: tuple[int, int]) -> str:
        """Do by hand what a controller has done that died: bring the second fleet, and give it its weight; return a host."""
        arns = (self.live.target_group, self.target_group())
        groups = [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in zip(arns, weights, strict=True)]
        action = {"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}
        self.elb.modify_listener(ListenerArn=self.listener, DefaultActions=[action])
        self.asg.create_auto_scaling_group(
            AutoScalingGroupName="service-g",
            LaunchTemplate={"LaunchTemplateName": "service", "Version": "2"},
            MinSize=1,
            MaxSize=4,
            VPCZoneIdentifier=self.group("service")["VPCZoneIdentifier"],
            TargetGroupARNs=[arns[1]],
            Tags=[{"Key": "Rollout", "Value": "incoming"}],
        )
        instances = eventually(lambda: self.group("service-g")["Instances"])
        return str(instances[0]["InstanceId"])

    def group(self, name: str) -> dict[str, Any]:
        found = self.asg.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]
        return dict(found[0]) if found else {}

    def groups(self) -> list[str]:
        return sorted(
            one["AutoScalingGroupName"] for one in self.asg.describe_auto_scaling_groups()["AutoScalingGroups"]
        )

    def target_groups(self) -> list[str]:
        return sorted(one["TargetGroupName"] for one in self.elb.describe_target_groups()["TargetGroups"])

    def weights(self) -> dict[str, int]:
        """Return the listener's weights by the name of the target group."""
        names = {
            one["TargetGroupArn"]: one["TargetGroupName"] for one in self.elb.describe_target_groups()["TargetGroups"]
        }
        balancer = self.elb.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
        listeners = self.elb.describe_listeners(LoadBalancerArn=balancer)["Listeners"]
        (action,) = next(one["DefaultActions"] for one in listeners if one["Port"] == 443)
        return {names[one["TargetGroupArn"]]: one["Weight"] for one in action["ForwardConfig"]["TargetGroups"]}

    def import_certificate(self) -> str:
        issued = trustme.CA().issue_cert("localhost")
        imported = self._acm.import_certificate(
            Certificate=issued.cert_chain_pems[0].bytes(), PrivateKey=issued.private_key_pem.bytes()
        )
        return str(imported["CertificateArn"])

    def security_group(self) -> str:
        vpc = self.elb.describe_target_groups()["TargetGroups"][0]["VpcId"]
        made = self.live.ec2.create_security_group(GroupName="balancer", Description="balancer", VpcId=vpc)
        return str(made["GroupId"])

    def rules(self) -> int:
        return len(self.elb.describe_rules(ListenerArn=self.listener)["Rules"])

    def reports(self) -> list[dict[str, Any]]:
        listed = self.s3.list_objects_v2(Bucket="releases", Prefix="dev/").get("Contents", [])
        keys = [item["Key"] for item in listed]
        assert "dev/rollout.lock" not in keys
        return [json.loads(self.s3.get_object(Bucket="releases", Key=key)["Body"].read()) for key in keys]


@pytest.fixture
def controller(cloud: Cloud, tmp_path: Path) -> Iterator[Controller]:
    there = Controller(cloud, tmp_path)
    there.live.settled(1)
    yield there
    there.services.close()


@pytest.mark.slow
def test_a_good_release_takes_over_after_its_proof_and_the_old_fleet_is_removed(controller: Controller) -> None:
    run = controller.apply()
    assert run.returncode == 0, run.stdout + run.stderr
    assert (controller.groups(), controller.target_groups()) == (["service-g"], ["service-g"])
    assert (controller.weights(), controller.rules()) == ({"service-g": 100}, 1)
    group = controller.group("service-g")
    assert (group["LaunchTemplate"]["Version"], group["DesiredCapacity"]) == ("2", 1)
    assert "Rollout" not in {tag["Key"] for tag in group["Tags"]}
    assert controller.services.proofs == 20
    (report,) = controller.reports()
    assert (report["outcome"], report["strategy"], report["fleet"]) == ("deployed", "blue_green", "service-g")
    assert [(one["percentage"], one["verdict"]) for one in report["checkpoints"]] == [(0, "promote"), (100, "promote")]
    assert (
        "20 requests through the balancer reached new hosts and were answered." in report["checkpoints"][0]["reasons"]
    )
    assert controller.ssm.get_parameter(Name=DEPLOYED)["Parameter"]["Value"] == "s3://releases/dev/pets-2.json"


def test_a_dead_controllers_rollout_goes_on_and_a_bad_canary_is_taken_back(controller: Controller) -> None:
    bad = controller.bring(weights=(90, 10))
    controller.bad.write_text(bad)
    run = controller.apply(rollout_weights=[10, 100])
    assert run.returncode != 0
    assert f"{bad} does not give the golden answers" in said(run), run.stdout + run.stderr
    assert "pets-2 was not rolled out to dev (rolled back)." in said(run)
    assert (controller.groups(), controller.target_groups()) == (["service"], ["service"])
    assert controller.weights() == {"service": 100}
    (report,) = controller.reports()
    assert (report["outcome"], [one["percentage"] for one in report["checkpoints"]]) == ("rolled back", [10])


@pytest.mark.slow
def test_a_person_takes_back_what_a_dead_controller_has_left(controller: Controller) -> None:
    controller.bring(weights=(0, 100))
    run = controller.apply("take-back.yml")
    assert run.returncode == 0, run.stdout + run.stderr
    assert (controller.groups(), controller.weights()) == (["service"], {"service": 100})
    again = controller.apply("take-back.yml")
    assert (again.returncode, "changed=0" in again.stdout) == (0, True), again.stdout


def test_the_balancers_role_leaves_weights_alone(controller: Controller) -> None:
    balancer = controller.elb.describe_load_balancers()["LoadBalancers"][0]
    certificate = controller.import_certificate()
    controller.elb.delete_load_balancer(LoadBalancerArn=balancer["LoadBalancerArn"])
    role = {"ansible.builtin.include_role": {"name": "load_balancer"}}
    shift = {
        "pettracker.aws.listener_weights": {
            "listener_arn": "{{ found.listener_arn }}",
            "weights": "{{ {load_balancer_result.target_group_arn: 90, other: 10} }}",
        }
    }
    found = {"pettracker.aws.service_fleets": {"balancer": "service", "colours": COLOURS}, "register": "found"}
    kept = role | {"vars": {"load_balancer_keep_forward": "{{ found.forwards }}"}}
    controller.play("balancer.yml", [role, found, shift, found | {"name": "Look again"}, kept])
    run = controller.apply(
        "balancer.yml",
        other=controller.target_group(),
        load_balancer_certificate_arn=certificate,
        load_balancer_subnet_ids=[one["SubnetId"] for one in balancer["AvailabilityZones"]],
        load_balancer_security_group_id=controller.security_group(),
        load_balancer_log_bucket="releases",
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert controller.weights() == {"service": 90, "service-g": 10}
    assert "changed:" not in run.stdout.partition("TASK [Look again]")[2], run.stdout
