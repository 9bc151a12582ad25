"""The local cloud as a whole, with real hosts: up, a host of its own, killed, interrupted, down without a trace."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from localcloud import settings as constants
from localcloud.environment import read_key
from localcloud.lock import MachineLock
from localcloud.settings import Settings
from tests.localcloud.conftest import eventually

pytestmark = pytest.mark.hosts

PORTS = {"LOCALCLOUD_API_PORT": "24566", "LOCALCLOUD_HTTPS_PORT": "28443", "LOCALCLOUD_HTTP_PORT": "28080"}
VARIABLES = PORTS | {"LOCALCLOUD_CONSISTENCY_DELAY": "0"}  # these tests look at once at what they made
SETTINGS = Settings.from_environment(VARIABLES)


def localcloud(*arguments: str, check: bool = True) -> str:
    """Run a command of the local cloud; return what it says."""
    done = subprocess.run(
        [sys.executable, "-m", "localcloud", *arguments],
        cwd=SETTINGS.root,
        env=os.environ | VARIABLES,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def client(service: str) -> Any:
    return boto3.client(service, endpoint_url=SETTINGS.endpoint, region_name=constants.REGION, **read_key(SETTINGS).arguments)


def traces() -> list[str]:
    """Name everything of this clone's cloud that is still on the machine."""
    found = [str(path) for path in (SETTINGS.state_dir, SETTINGS.run_dir, SETTINGS.lock_file) if path.exists()]
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if "localcloud.daemon" in command or str(SETTINGS.haproxy_dir) in command:
            found.append(command)
    links = subprocess.run(["ip", "-brief", "link"], capture_output=True, text=True, check=True).stdout
    tables = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True).stdout
    return found + [line for line in (links + tables).splitlines() if "ptcloud" in line or "localcloud" in line]


def launch() -> str:
    """Run one instance of the base image; return its id when it is running."""
    ec2 = client("ec2")
    image = ec2.describe_images(Owners=[constants.BASE_IMAGE_OWNER])["Images"][0]["ImageId"]
    vpc = ec2.create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.77.1.0/24", AvailabilityZone="us-east-1a")["Subnet"]["SubnetId"]
    reply = ec2.run_instances(ImageId=image, InstanceType="t3.large", MinCount=1, MaxCount=1, SubnetId=subnet)
    instance_id = str(reply["Instances"][0]["InstanceId"])
    eventually(lambda: state(instance_id) == "running", 60)
    return instance_id


def state(instance_id: str) -> str:
    reply = client("ec2").describe_instances(InstanceIds=[instance_id])
    return str(reply["Reservations"][0]["Instances"][0]["State"]["Name"])


@pytest.fixture
def nothing_running() -> Iterator[None]:
    if os.geteuid() != 0:
        pytest.skip("real hosts need root")
    holder = MachineLock(SETTINGS.lock_file).holder()
    if holder is not None:
        pytest.skip(f"the local cloud of {holder.root} is running on this machine")
    if SETTINGS.state_dir.exists():
        pytest.skip(f"{SETTINGS.state_dir} is in use")
    yield
    localcloud("down")
    assert traces() == []


def test_a_cloud_runs_hosts_is_started_once_and_goes_without_a_trace(nothing_running: None) -> None:
    assert "ready" in localcloud("up")
    assert "already running" in localcloud("up")
    instance_id = launch()
    assert instance_id in localcloud("status")
    assert "systemd" in localcloud("logs", instance_id)
    environment = SETTINGS.env_file.read_text()
    assert f"AWS_ENDPOINT_URL={SETTINGS.endpoint}" in environment
    client("ec2").stop_instances(InstanceIds=[instance_id])
    eventually(lambda: state(instance_id) == "stopped", 30)
    client("ec2").start_instances(InstanceIds=[instance_id])
    eventually(lambda: state(instance_id) == "running", 30)
    client("ec2").terminate_instances(InstanceIds=[instance_id])
    eventually(lambda: state(instance_id) == "terminated", 30)


def test_what_a_killed_cloud_left_is_removed_by_the_next(nothing_running: None) -> None:
    localcloud("up")
    launch()
    os.kill(int(SETTINGS.pid_file.read_text()), signal.SIGKILL)
    eventually(lambda: MachineLock(SETTINGS.lock_file).holder() is None)
    assert "was killed" in localcloud("status", check=False)
    assert "earlier cloud left behind" in localcloud("up")
    assert not client("ec2").describe_instances()["Reservations"]


def test_down_works_on_a_killed_cloud(nothing_running: None) -> None:
    localcloud("up")
    launch()
    os.kill(int(SETTINGS.pid_file.read_text()), signal.SIGKILL)
    localcloud("down")
    assert traces() == []


def test_down_leaves_nothing_of_a_host_that_is_being_terminated(nothing_running: None) -> None:
    localcloud("up")
    instance_id = launch()
    client("ec2").terminate_instances(InstanceIds=[instance_id])
    localcloud("down")
    assert traces() == []


def test_an_interrupted_start_leaves_nothing(nothing_running: None) -> None:
    process = subprocess.Popen(
        # A test run in the background has SIGINT ignored, which its children would inherit.
        ["env", "--default-signal=INT", sys.executable, "-m", "localcloud", "up"],
        cwd=SETTINGS.root,
        env=os.environ | VARIABLES,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    eventually(SETTINGS.log_file.exists)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Nothing is left running" in output
    assert MachineLock(SETTINGS.lock_file).holder() is None


def test_a_busy_port_stops_the_start_and_leaves_nothing(nothing_running: None) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", SETTINGS.https_port))
        taken.listen()
        message = localcloud("up", check=False)
    assert "LOCALCLOUD_HTTPS_PORT" in message
    assert "Traceback" not in message
