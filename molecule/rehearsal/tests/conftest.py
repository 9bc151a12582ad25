"""The running rehearsal, as its users see it: an AWS account, an HTTPS address and hosts to look into."""

import os
import ssl
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
import testinfra
import yaml

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session", autouse=True)
def rehearsal() -> None:
    """Point every client at the local cloud of this clone."""
    listing = ROOT / ".localcloud" / "env"
    if not listing.exists():
        pytest.fail("no rehearsal is running in this clone; `make test-rehearsal` starts one for these tests")
    output = subprocess.check_output(["bash", "-c", f". {listing} && env -0"], text=True)
    os.environ.update(line.split("=", 1) for line in output.split("\0") if line)


@pytest.fixture(scope="session")
def names() -> dict[str, Any]:
    """What inventories/local pins."""
    return yaml.safe_load((ROOT / "inventories/local/group_vars/all/main.yml").read_text())


@pytest.fixture
def client() -> Callable[[str], Any]:
    """A boto3 client of the local cloud, by service name."""
    return boto3.client


@pytest.fixture
def group() -> Callable[[], dict[str, Any]]:
    """Read the service's Auto Scaling group anew."""

    def read() -> dict[str, Any]:
        groups = boto3.client("autoscaling").describe_auto_scaling_groups(
            AutoScalingGroupNames=["pettracker-local-service"]
        )
        return groups["AutoScalingGroups"][0]

    return read


@pytest.fixture
def healthy_targets() -> Callable[[], set[str]]:
    """Instance ids that the balancer's target group calls healthy."""

    def read() -> set[str]:
        balancing = boto3.client("elbv2")
        arn = balancing.describe_target_groups(Names=["pettracker-local-service"])["TargetGroups"][0]["TargetGroupArn"]
        states = balancing.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
        return {s["Target"]["Id"] for s in states if s["TargetHealth"]["State"] == "healthy"}

    return read


@pytest.fixture
def host(healthy_targets: Callable[[], set[str]]) -> testinfra.host.Host:
    """One serving host, through its container."""
    return testinfra.get_host(f"podman://{min(healthy_targets())}")


@pytest.fixture(scope="session")
def trust() -> ssl.SSLContext:
    """Trust in the rehearsal's own certificate authority, and in nothing else."""
    return ssl.create_default_context(cafile=os.environ["SERVICE_CA"])


@pytest.fixture
def eventually() -> Callable[..., Any]:
    """Wait for a condition, in seconds, and show its last value when it does not come true."""

    def wait(read: Callable[[], Any], holds: Callable[[Any], bool], within: float = 90) -> Any:
        deadline = time.monotonic() + within
        while True:
            value = read()
            if holds(value):
                return value
            if time.monotonic() > deadline:
                pytest.fail(f"not within {within} s; last seen: {value!r}")
            time.sleep(0.5)

    return wait
