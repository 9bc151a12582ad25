"""Hosts that go away under load, and what replaces them."""

import subprocess
import sys
from pathlib import Path

import fleet
import losses
import pytest
import testinfra
from traffic import load

ROOT = Path(__file__).parents[3]


@pytest.fixture
def replaced(group, healthy_targets, eventually):
    """Wait until `victim` is out of the group and two other hosts are healthy; return them."""

    def wait(victim: str) -> set[str]:
        eventually(
            lambda: ({i["InstanceId"] for i in group()["Instances"]}, healthy_targets()),
            lambda seen: victim not in seen[0] and len(seen[0]) == 2 and seen[1] == seen[0],
            within=300,  # a host that says nothing is waited for until the time of its hook is over
        )
        return healthy_targets()

    return wait


def test_every_host_in_turn_is_taken_away_with_notice_and_no_request_fails(client, healthy_targets, eventually, replaced):
    # First of the tests here: a group heeds the balancer's verdict only when a host's grace period is over.
    before = healthy_targets()
    interrupted, terminated = sorted(before)
    host = testinfra.get_host(f"podman://{interrupted}")
    ask = "curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:8080"
    with load() as traffic:
        subprocess.run([sys.executable, "-m", "localcloud", "interrupt", interrupted], cwd=ROOT, check=True)
        eventually(lambda: host.check_output(f"{ask}/ready"), lambda status: status == "503", within=10)
        photo = "/opt/pettracker/bundle/golden/cat.jpg"
        assert host.check_output(f"{ask}/predict -F file=@{photo}") == "200"
        log = host.check_output("cat /var/log/pettracker/notices.log")
        replaced(interrupted)
        client("ec2").terminate_instances(InstanceIds=[terminated])
        after = replaced(terminated)
    assert "spot: terminate at 20" in log
    assert not after & before
    assert len(traffic.requests) > 50
    assert traffic.failed == [], traffic.messages
    assert traffic.wrong == []


def test_every_host_in_turn_is_killed_and_costs_what_it_was_sent_until_its_checks_had_failed(healthy_targets, replaced):
    before, deaths = healthy_targets(), []
    with load() as traffic:
        for victim in sorted(before):
            deaths.append(losses.kill(victim))
            after = replaced(victim)
    assert not after & before
    assert len(traffic.requests) > 50
    # A balancer that tried the next host, or asked EC2, would lose none: a rehearsal kinder than AWS.
    assert traffic.failed
    assert losses.unexplained(traffic.failed, *deaths) == []
    assert traffic.wrong == []


def test_a_host_that_stops_answering_is_replaced(host, healthy_targets, replaced):
    victim = host.backend.name
    host.check_output("systemctl kill --signal STOP pettracker-inference")
    assert victim not in replaced(victim)


def booted_at(host: testinfra.host.Host) -> str:
    """Start time of the host's init, in clock ticks since the machine's boot; empty while the host is down."""
    return host.run("cut -d ' ' -f 22 /proc/1/stat").stdout.strip()


def test_a_rebooted_host_serves_again_under_its_own_identity(client, host, healthy_targets, eventually):
    victim = host.backend.name
    before = booted_at(host)
    # On a busy machine a boot takes as long as the balancer needs to call the host unhealthy, and the group to replace it.
    replacing = {"AutoScalingGroupName": fleet.GROUP, "ScalingProcesses": ["ReplaceUnhealthy"]}
    client("autoscaling").suspend_processes(**replacing)
    try:
        client("ec2").reboot_instances(InstanceIds=[victim])
        eventually(lambda: booted_at(host), lambda now: now not in {"", before})
        eventually(healthy_targets, lambda healthy: victim in healthy)
    finally:
        client("autoscaling").resume_processes(**replacing)
    # User data runs on the first boot of an instance only; the service came back from its own enablement.
    assert host.check_output("cloud-init query instance_id") == victim
