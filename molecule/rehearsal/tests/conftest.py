"""The running rehearsal, as its users see it: an AWS account, an HTTPS address and hosts to look into."""

import os
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
import testinfra

sys.path.insert(0, str(Path(__file__).parents[2] / "shared"))

import fleet
import rehearsal


@pytest.fixture(scope="session", autouse=True)
def running_rehearsal() -> None:
    """Point every client at the local cloud of this clone."""
    rehearsal.enter("make test-rehearsal")


@pytest.fixture
def client() -> Callable[[str], Any]:
    """A boto3 client of the local cloud, by service name."""
    return boto3.client


@pytest.fixture
def group() -> Callable[[], dict[str, Any]]:
    """Read the service's Auto Scaling group anew."""
    return fleet.group


@pytest.fixture
def healthy_targets() -> Callable[[], set[str]]:
    """Instance ids that the balancer's target group calls healthy."""
    return fleet.healthy_targets


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
    return rehearsal.eventually
