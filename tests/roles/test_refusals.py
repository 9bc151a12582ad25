"""Wrong variables fail before anything is touched, with a message that says what to write."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.roles.controllers import environment_of

ROOT = Path(__file__).parents[2]
PLAY = """
- hosts: localhost
  gather_facts: false
  tasks:
    - name: Refuse misspelt variables
      known_variables:
    - ansible.builtin.import_role:
        name: {role}
"""
NETWORK = """
vpc_name: x
vpc_cidr: 10.0.0.0/16
vpc_region: us-east-1
vpc_account_id: "123456789012"
vpc_public_subnets: [{zone: us-east-1a, cidr: 10.0.1.0/24}, {zone: us-east-1b, cidr: 10.0.2.0/24}]
vpc_private_subnets: [{zone: us-east-1a, cidr: 10.0.11.0/24}]
"""
GROUP = """
autoscaling_group_name: x
autoscaling_group_image_id: ami-1
autoscaling_group_root_device: /dev/xvda
autoscaling_group_instance_type: c5.large
autoscaling_group_instance_profile: x
autoscaling_group_security_group_id: sg-1
autoscaling_group_subnet_ids: [subnet-1, subnet-2]
autoscaling_group_target_group_arn: arn
autoscaling_group_user_data: "#!/bin/sh"
autoscaling_group_instance_tags: {}
"""
BALANCER = """
load_balancer_name: x
load_balancer_vpc_id: vpc-1
load_balancer_subnet_ids: [subnet-1, subnet-2]
load_balancer_security_group_id: sg-1
load_balancer_service_port: 8080
load_balancer_ready_path: /ready
load_balancer_log_bucket: logs
"""


def play(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # No endpoint answers on port 1: a task that got as far as AWS would fail with another message.
    return subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), *arguments, "play.yml"],
        cwd=directory,
        env=environment_of("http://127.0.0.1:1"),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("role", "variables", "message"),
    [
        pytest.param("vpc", NETWORK + "vpc_nat_per_zoen: true", "write vpc_nat_per_zone", id="misspelt"),
        pytest.param("vpc", NETWORK + "vpc_nat_per_zone: [1]", "unable to convert to bool", id="wrong type"),
        pytest.param(
            "vpc",
            NETWORK.replace("us-east-1b", "us-east-1a"),
            "must name at least two zones, each once",
            id="one zone",
        ),
        pytest.param(
            "vpc",
            NETWORK + "vpc_flow_log_retention_days: 8",
            "value of vpc_flow_log_retention_days must be one of",
            id="choice",
        ),
        pytest.param(
            "autoscaling_group", GROUP + "autoscaling_group_min_size: 1", "must be at least 2", id="single host"
        ),
        pytest.param(
            "autoscaling_group", GROUP + "autoscaling_group_max_size: 1", "found min 2, max 1", id="min above max"
        ),
        pytest.param(
            "autoscaling_group",
            GROUP + "autoscaling_group_terminate_hook_timeout: 60",
            "autoscaling_group_terminate_hook_timeout (60) before the 99 seconds of the deregistration delay",
            id="hook that ends before the drain",
        ),
        pytest.param(
            "load_balancer",
            BALANCER + "load_balancer_certificate_arn: arn\nload_balancer_request_seconds: 90",
            "load_balancer_deregistration_delay is 60 seconds, but a request may take 90",
            id="drain that ends before a request",
        ),
        pytest.param(
            "load_balancer",
            BALANCER + "load_balancer_certificate_arn: arn\nload_balancer_health_check_interval: 10",
            "goes on serving for 24 seconds, but the balancer may send it requests for 34",
            id="drain that ends before the balancer notices",
        ),
        pytest.param("load_balancer", BALANCER, "The balancer needs a certificate", id="no certificate"),
        pytest.param("alarms", "alarms_topic_arns: []", "missing required arguments: alarms_list", id="missing"),
    ],
)
def test_wrong_variables_are_refused(tmp_path: Path, role: str, variables: str, message: str) -> None:
    (tmp_path / "play.yml").write_text(PLAY.format(role=role))
    (tmp_path / "variables.yml").write_text(variables)
    (tmp_path / "hosts.yml").write_text("all: {hosts: {localhost: {ansible_connection: local}}}")
    run = play(tmp_path, "-i", "hosts.yml", "-e", "@variables.yml")
    assert run.returncode != 0
    assert message in " ".join(run.stdout.split()), run.stdout
    assert "changed=0" in run.stdout


def test_an_inventory_cannot_set_what_the_playbooks_decide(tmp_path: Path) -> None:
    for file, text in {
        "play.yml": PLAY.format(role="vpc"),
        "group_vars/all.yml": "service_port: 8080",
        "inventory/hosts.yml": "all: {hosts: {localhost: {ansible_connection: local}}}",
        "inventory/group_vars/all/main.yml": "service_port: 80",
    }.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(text)
    run = play(tmp_path, "-i", "inventory")
    assert run.returncode != 0
    assert f"service_port in {tmp_path}/inventory/group_vars/all/main.yml is ignored" in " ".join(run.stdout.split())
