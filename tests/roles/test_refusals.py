"""Wrong variables fail before anything is touched, with a message that says what to write."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.roles.controllers import environment_of

ROOT = Path(__file__).parents[2]
PLAY = """
- hosts: {hosts}
  gather_facts: false
  tasks:
    - name: Refuse misspelt variables
      pettracker.aws.validate_variables:
    - ansible.builtin.{how}:
        name: {role}
"""
NETWORK = """
vpc_name: x
vpc_cidr: 10.0.0.0/16
vpc_partition: aws
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


# Each is a host of its own, whose variables are what a person has written: the role, they, and what the refusal says.
CASES = {
    "misspelt": ("vpc", NETWORK + "vpc_nat_per_zoen: true", "write vpc_nat_per_zone"),
    "wrong type": ("vpc", NETWORK + "vpc_nat_per_zone: [1]", "unable to convert to bool"),
    "one zone": ("vpc", NETWORK.replace("us-east-1b", "us-east-1a"), "must name at least two zones, each once"),
    "choice": ("vpc", NETWORK + "vpc_flow_log_retention_days: 8", "value of vpc_flow_log_retention_days must be one of"),
    "single host": ("autoscaling_group", GROUP + "autoscaling_group_min_size: 1", "must be at least 2"),
    "min above max": ("autoscaling_group", GROUP + "autoscaling_group_max_size: 1", "found min 2, max 1"),
    "hook that ends before the drain": (
        "autoscaling_group",
        GROUP + "autoscaling_group_terminate_hook_timeout: 60",
        "autoscaling_group_terminate_hook_timeout (60) before the 99 seconds of the deregistration delay",
    ),
    "drain that ends before a request": (
        "load_balancer",
        BALANCER + "load_balancer_certificate_arn: arn\nload_balancer_request_seconds: 90",
        "load_balancer_deregistration_delay is 60 seconds, but a request may take 90",
    ),
    "drain that ends before the balancer notices": (
        "load_balancer",
        BALANCER + "load_balancer_certificate_arn: arn\nload_balancer_health_check_interval: 10",
        "goes on serving for 24 seconds, but the balancer may send it requests for 34",
    ),
    "no certificate": ("load_balancer", BALANCER, "The balancer needs a certificate"),
    "missing": ("alarms", "alarms_topic_arns: []", "missing required arguments: alarms_list"),
}


@pytest.fixture(scope="module")
def refusals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What is said to each of them, in one run."""
    directory = tmp_path_factory.mktemp("refusals")
    hosts = {
        name.replace(" ", "-"): {"role": role, "ansible_connection": "local", **yaml.safe_load(variables)}
        for name, (role, variables, _) in CASES.items()
    }
    (directory / "hosts.yml").write_text(json.dumps({"all": {"hosts": hosts}}))
    (directory / "play.yml").write_text(PLAY.format(hosts="all", how="include_role", role='"{{ role }}"'))
    ran = play(directory, "-i", "hosts.yml")
    assert ran.returncode != 0
    assert ran.stdout.count("changed=0") == len(hosts), ran.stdout
    return dict(re.findall(r"^fatal: \[(.*?)\]: FAILED! => (.*)$", ran.stdout, re.M))


@pytest.mark.parametrize("name", CASES)
def test_wrong_variables_are_refused(refusals: dict[str, str], name: str) -> None:
    *_, message = CASES[name]
    assert message in " ".join(refusals[name.replace(" ", "-")].split())


def test_a_roles_variable_for_some_hosts_is_refused_in_each_of_the_inventories(tmp_path: Path) -> None:
    for file, text in {
        "play.yml": PLAY.format(hosts="localhost", how="import_role", role="vpc"),
        "shared/hosts.yml": "all: {hosts: {localhost: {ansible_connection: local}}}",
        "shared/group_vars/all.yml": "vpc_name: x",
        "shared/group_vars/builders/main.yml": "vpc_cidr: 10.0.0.0/16",
        "own/hosts.yml": "all: {hosts: {localhost: {}}}",
        "own/group_vars/all/main.yml": "vpc_region: us-east-1",
        "own/host_vars/i-1.yml": "vpc_tags: {}",
    }.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(text)
    run = play(tmp_path, "-i", "shared", "-i", "own/hosts.yml")
    assert run.returncode != 0
    said = " ".join(run.stdout.split())
    assert set(re.findall(r"(vpc_\w+) in \S+ is seen by those hosts alone", said)) == {"vpc_cidr", "vpc_tags"}
