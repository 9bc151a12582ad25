"""The role brings a second fleet beside the first one and removes one of the two, on an account of the local cloud.

Its groups, target groups, health and weights are the local cloud's; the services of its hosts are one small HTTP server.
molecule/rollout does it on real hosts. A rollout is some eighty tasks, of a second each: only what the others do not go
through is run every time.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from localcloud import backends
from tests.localcloud.conftest import Cloud, cloud, eventually, served_cloud
from tests.roles.rollouts import Controller, said

__all__ = ["cloud", "served_cloud"]

COLOURS = [{"group": name, "target_group": name} for name in ("service", "service-g")]


class BlueGreen(Controller):
    """Brings a second fleet beside one host."""

    def __init__(self, account: Cloud, directory: Path) -> None:
        super().__init__(
            account,
            directory,
            1,
            strategy="blue_green",
            balancer="service",
            colours=COLOURS,
            weights=[100],
            keep_warm_seconds=0,
            bake_seconds=2,
        )
        self.elb, self.asg = self.group.elb, self.group.asg
        # The role listens on 443; what the group's helper has made listens on 80.
        self.balancer = self.elb.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
        self.listener = self.elb.describe_listeners(LoadBalancerArn=self.balancer)["Listeners"][0]["ListenerArn"]
        self.elb.modify_listener(ListenerArn=self.listener, Port=443)
        self._acm = account.client("acm")
        result = {"launch_template_id": "{{ rollout_launch_template_id }}", "launch_template_version": 2}
        fact = {"ansible.builtin.set_fact": {"autoscaling_group_result": result}}
        self.play("play.yml", [fact, {"ansible.builtin.include_role": {"name": "rollout"}}])
        self.variables |= {"rollout_balancer_url": f"{self.services.url}/balancer"} | self._of_other_roles()

    def _of_other_roles(self) -> dict[str, Any]:
        group = self.described("service")
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
        arns = (self.group.target_group, self.target_group())
        groups = [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in zip(arns, weights, strict=True)]
        action = {"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}
        self.elb.modify_listener(ListenerArn=self.listener, DefaultActions=[action])
        self.asg.create_auto_scaling_group(
            AutoScalingGroupName="service-g",
            LaunchTemplate={"LaunchTemplateName": "service", "Version": "2"},
            MinSize=1,
            MaxSize=4,
            VPCZoneIdentifier=self.described("service")["VPCZoneIdentifier"],
            TargetGroupARNs=[arns[1]],
            Tags=[{"Key": "Rollout", "Value": "incoming"}],
        )
        instances = eventually(lambda: self.described("service-g")["Instances"])
        return str(instances[0]["InstanceId"])

    def described(self, name: str) -> dict[str, Any]:
        found = self.asg.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]
        return dict(found[0]) if found else {}

    def groups(self) -> list[str]:
        return sorted(one["AutoScalingGroupName"] for one in self.asg.describe_auto_scaling_groups()["AutoScalingGroups"])

    def target_groups(self) -> list[str]:
        return sorted(one["TargetGroupName"] for one in self.elb.describe_target_groups()["TargetGroups"])

    def weights(self) -> dict[str, int]:
        """Return the listener's weights by the name of the target group."""
        names = {one["TargetGroupArn"]: one["TargetGroupName"] for one in self.elb.describe_target_groups()["TargetGroups"]}
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
        made = self.group.ec2.create_security_group(GroupName="balancer", Description="balancer", VpcId=vpc)
        return str(made["GroupId"])

    def rules(self) -> int:
        return len(self.elb.describe_rules(ListenerArn=self.listener)["Rules"])


@pytest.fixture
def controller(cloud: Cloud, tmp_path: Path) -> Iterator[BlueGreen]:
    there = BlueGreen(cloud, tmp_path)
    yield there
    there.services.close()


@pytest.mark.slow
def test_a_good_release_takes_over_after_its_proof_and_the_old_fleet_is_removed(controller: BlueGreen) -> None:
    run = controller.apply()
    assert run.returncode == 0, run.stdout
    assert (controller.groups(), controller.target_groups()) == (["service-g"], ["service-g"])
    assert (controller.weights(), controller.rules()) == ({"service-g": 100}, 1)
    group = controller.described("service-g")
    assert (group["LaunchTemplate"]["Version"], group["DesiredCapacity"]) == ("2", 1)
    assert "Rollout" not in {tag["Key"] for tag in group["Tags"]}
    assert controller.services.proofs == 20
    assert controller.lock() is None
    (report,) = controller.reports()
    assert (report["outcome"], report["strategy"], report["fleet"]) == ("deployed", "blue_green", "service-g")
    assert [(one["percentage"], one["verdict"]) for one in report["checkpoints"]] == [(0, "promote"), (100, "promote")]
    assert "20 requests through the balancer reached new hosts and were answered." in report["checkpoints"][0]["reasons"]
    assert controller.deployed() == "s3://releases/dev/pets-2.json"


def test_a_dead_controllers_rollout_goes_on_and_a_bad_canary_is_taken_back(controller: BlueGreen) -> None:
    bad = controller.bring(weights=(90, 10))
    controller.bad.write_text(bad)
    run = controller.apply(rollout_weights=[10, 100])
    assert run.returncode != 0
    assert f"{bad} does not give the golden answers" in said(run), run.stdout
    assert "pets-2 was not rolled out to dev (rolled back)." in said(run)
    assert (controller.groups(), controller.target_groups()) == (["service"], ["service"])
    assert controller.weights() == {"service": 100}
    assert controller.lock() is None
    (report,) = controller.reports()
    assert (report["outcome"], [one["percentage"] for one in report["checkpoints"]]) == ("rolled back", [10])


@pytest.mark.slow
def test_a_person_takes_back_what_a_dead_controller_has_left(controller: BlueGreen) -> None:
    controller.bring(weights=(0, 100))
    run = controller.apply("take-back.yml")
    assert run.returncode == 0, run.stdout
    assert (controller.groups(), controller.weights()) == (["service"], {"service": 100})
    again = controller.apply("take-back.yml")
    assert (again.returncode, "changed=0" in again.stdout) == (0, True), again.stdout


def test_the_balancers_role_leaves_weights_alone(controller: BlueGreen) -> None:
    balancer = controller.elb.describe_load_balancers()["LoadBalancers"][0]
    certificate = controller.import_certificate()
    controller.elb.delete_load_balancer(LoadBalancerArn=balancer["LoadBalancerArn"])
    role = {"ansible.builtin.include_role": {"name": "load_balancer"}}
    shift = {
        "pettracker.aws.listener_rule": {
            "listener_arn": "{{ found.listener_arn }}",
            "priority": "default",
            "forward": "{{ {load_balancer_result.target_group_arn: 90, other: 10} }}",
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
    assert run.returncode == 0, run.stdout
    assert controller.weights() == {"service": 90, "service-g": 10}
    assert "changed:" not in run.stdout.partition("TASK [Look again]")[2], run.stdout
