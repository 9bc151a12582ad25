"""Real hosts on this machine: boot, identity, isolation, reboot, image, the agent on board, and nothing left behind."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from localcloud.agent import build_agent_package
from localcloud.cleanup import remove_state
from localcloud.errors import LocalCloudError
from localcloud.hosts.cgroups import cpu_seconds
from localcloud.hosts.containers import IMAGE_REPOSITORY, Hosts, HostSpec
from localcloud.hosts.firewall import BRIDGE_PREFIX, TABLE
from localcloud.lock import MachineLock
from localcloud.metadata.instance_data import InstanceView
from localcloud.metadata.server import MetadataServer
from localcloud.settings import Settings

pytestmark = pytest.mark.hosts

BLOCK, VPC = "10.213.0.0/16", "vpc-0123456789abcdef0"
USER_DATA = b"#!/bin/sh\necho $(date +%s.%N) >> /var/log/user-data\n"
CREDENTIALS = {"AccessKeyId": "A", "SecretAccessKey": "S", "Token": "T", "Expiration": "2099-01-01T00:00:00Z"}
METADATA = "http://169.254.169.254/latest"


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.1)


@dataclass
class World:
    """Hosts with a metadata service and an API, without the rest of the cloud."""

    settings: Settings
    hosts: Hosts
    base: str = ""
    views: dict[str, InstanceView] = field(default_factory=dict)
    ended: list[str] = field(default_factory=list)
    switched_off: list[str] = field(default_factory=list)

    def launch(self, name: str, image: str, vpc: str = VPC) -> float:
        """Start a host and return after how many seconds its user data ran."""
        address = f"10.213.1.{10 + len(self.views)}"
        mac = f"02:00:00:00:01:{len(self.views):02x}"
        self.views[address] = InstanceView(
            name, "us-east-1", "us-east-1a", "123456789012", "ami-1", "t3.micro", address, mac, USER_DATA, role_name="role"
        )
        started = time.time()
        self.hosts.launch(HostSpec(name, image, address, vpc, BLOCK, mac))
        wait_for(lambda: bool(self.run(name, "cat", "/var/log/user-data")), 60)
        self.run(name, "cloud-init", "status", "--wait")
        return float(self.run(name, "tail", "-n1", "/var/log/user-data")) - started

    def run(self, name: str, *command: str) -> str:
        return self.hosts.podman.run("exec", name, *command, check=False).stdout.strip()

    def status(self, name: str, *arguments: str) -> str:
        """Return the HTTP status that curl gets inside a host, 000 for no answer."""
        return self.run(name, "curl", "-s", "-m", "2", "-o", "/dev/null", "-w", "%{http_code}", *arguments)

    def ready(self, name: str) -> bool:
        up = self.hosts.states().get(name) == "running"
        return up and self.run(name, "systemctl", "is-system-running") == "running"


def machine() -> tuple[str, str, str, str]:
    """Return what a cloud could leave behind: rules, links, forwarding, mounts."""
    rules = subprocess.run(["nft", "--stateless", "list", "ruleset"], capture_output=True, text=True, check=True).stdout
    links = subprocess.run(["ip", "-json", "link"], capture_output=True, text=True, check=True).stdout
    names = sorted(link["ifname"] for link in json.loads(links))
    forwarding = Path("/proc/sys/net/ipv4/ip_forward").read_text()
    return rules, " ".join(names), forwarding, Path("/proc/mounts").read_text()


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    settings = Settings.from_environment()
    lock = MachineLock(settings.lock_file)
    lock.acquire(settings.root)
    before = machine()
    hosts = Hosts(settings)
    world = World(settings, hosts)
    metadata = MetadataServer(settings, world.views.get, lambda _view: CREDENTIALS)
    servers: list[ThreadedMotoServer] = []

    def serve(_vpc_id: str, gateway: str) -> None:
        metadata.listen(gateway)
        if not servers:
            servers.append(ThreadedMotoServer(gateway, settings.api_port, verbose=False))
            servers[-1].start()

    hosts.network.on_network = serve
    hosts.on_exit = world.ended.append
    hosts.on_power_off = world.switched_off.append
    try:
        hosts.prepare()
        world.base = hosts.base_image(print)
        yield world
    finally:
        for server in servers:
            server.stop()
        metadata.close()
        Hosts(settings).teardown()  # as after a crash: nothing is remembered
        hosts.teardown()
        remove_state(settings)
        lock.release()
    assert machine() == before
    assert not settings.run_dir.exists()


def test_two_hosts_boot_at_once_with_their_own_identity(world: World) -> None:
    with ThreadPoolExecutor() as pool:
        times = list(pool.map(lambda name: world.launch(name, world.base), ("i-a", "i-b")))
    print(f"user data ran after {times} s")
    assert max(times) < 15
    assert world.hosts.states() == {"i-a": "running", "i-b": "running"}
    assert world.run("i-a", "cat", "/etc/machine-id") != world.run("i-b", "cat", "/etc/machine-id")
    assert world.run("i-a", "hostname") == "ip-10-213-1-10" or world.run("i-b", "hostname") == "ip-10-213-1-10"
    assert world.ready("i-a")
    assert world.run("i-a", "systemctl", "--failed", "--no-legend") == ""


def test_a_host_finds_itself_through_version_two_only(world: World) -> None:
    assert world.status("i-a", f"{METADATA}/meta-data/instance-id") == "401"
    put = f"curl -s -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' {METADATA}/api/token"
    get = f'curl -s -H "X-aws-ec2-metadata-token: $({put})" {METADATA}/meta-data/instance-id'
    for name in ("i-a", "i-b"):
        assert world.run(name, "sh", "-c", get) == name


def test_a_host_reaches_the_api_and_nothing_else_of_this_machine(world: World) -> None:
    endpoint = world.run("i-a", "sh", "-c", "echo $AWS_ENDPOINT_URL")
    assert endpoint == world.settings.endpoint
    assert "AWS_ENDPOINT_URL=" + endpoint in world.run("i-a", "systemctl", "show-environment")
    assert world.status("i-a", f"{endpoint}/moto-api/data.json") == "200"
    assert world.status("i-a", "http://10.213.0.1:1338/latest/") == "000"
    for address in ("http://169.254.169.253/", "https://169.254.169.254/", "http://169.254.170.2/"):
        assert world.status("i-a", address) == "000", address


def test_cpu_time_of_a_hosts_services_is_measured(world: World) -> None:
    process = world.hosts.processes()["i-a"]
    before = cpu_seconds(process)
    assert before
    world.run("i-a", "systemd-run", "--wait", "--quiet", "timeout", "1", "sh", "-c", "while :; do :; done")
    after = cpu_seconds(process)
    assert after is not None
    assert after > before + 0.1


def test_user_data_does_not_run_again_after_a_reboot_from_within_or_from_without(world: World) -> None:
    def boot() -> str:
        return world.run("i-a", "stat", "-c", "%Y", "/run/systemd")

    for reboot in (lambda: world.hosts.reboot("i-a"), lambda: world.run("i-a", "systemctl", "reboot")):
        before = boot()
        time.sleep(1)
        reboot()
        wait_for(lambda before=before: world.ready("i-a") and boot() != before)
    assert len(world.run("i-a", "cat", "/var/log/user-data").splitlines()) == 1
    assert world.ended == []


def test_a_host_that_ends_by_itself_is_reported_and_can_be_started_again(world: World) -> None:
    world.run("i-b", "systemctl", "poweroff")
    wait_for(lambda: world.switched_off == ["i-b"])
    assert world.hosts.states()["i-b"] == "exited"
    world.hosts.start("i-b")
    wait_for(lambda: world.ready("i-b"))
    world.hosts.podman.run("kill", "i-b")
    wait_for(lambda: world.ended == ["i-b"])
    world.hosts.terminate("i-b")
    world.hosts.terminate("i-b")
    assert "i-b" not in world.hosts.states()


def test_the_agent_ships_lines_and_figures_from_a_host(world: World, tmp_path: Path) -> None:
    package = build_agent_package(tmp_path)
    entry = {"file_path": "/var/log/app/*.log", "log_group_name": "/g", "log_stream_name": "{instance_id}"}
    configuration = {
        "agent": {"run_as_user": "cwagent"},
        "metrics": {"namespace": "N", "metrics_collected": {"mem": {"measurement": ["mem_used_percent"]}}},
        "logs": {"logs_collected": {"files": {"collect_list": [entry]}}},
    }
    (tmp_path / "config.json").write_text(json.dumps(configuration))
    for path in (package, tmp_path / "config.json"):
        world.hosts.podman.run("cp", str(path), f"i-a:/srv/{path.name}")
    world.run("i-a", "sh", "-c", "mkdir -p /var/log/app; echo first > /var/log/app/a.log")
    world.hosts.podman.run("exec", "i-a", "dpkg", "--install", f"/srv/{package.name}")
    control = "/opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl"
    assert json.loads(world.run("i-a", control, "-a", "status"))["configstatus"] == "not configured"
    world.hosts.podman.run("exec", "i-a", control, "-a", "fetch-config", "-m", "ec2", "-s", "-c", "file:/srv/config.json")
    logs = boto3.client(
        "logs", "us-east-1", endpoint_url=f"http://10.213.0.1:{world.settings.api_port}",
        aws_access_key_id="x", aws_secret_access_key="x",
    )  # fmt: skip

    def shipped() -> list[str]:
        if not logs.describe_log_groups(logGroupNamePrefix="/g")["logGroups"]:
            return []
        return [e["message"] for e in logs.get_log_events(logGroupName="/g", logStreamName="i-a")["events"]]

    wait_for(lambda: shipped() == ["first"])
    world.run("i-a", "sh", "-c", "mv /var/log/app/a.log /var/log/app/a.log.1; echo second > /var/log/app/a.log")
    wait_for(lambda: shipped() == ["first", "second"])
    assert json.loads(world.run("i-a", control, "-a", "status"))["status"] == "running"
    assert world.run("i-a", "ps", "-o", "user=,ni=", "-C", "python3").split() == ["cwagent", "10"]


def test_an_image_of_a_host_carries_nothing_of_it_and_runs_user_data_under_a_new_id(world: World) -> None:
    image = f"{IMAGE_REPOSITORY}:ami-0123"
    world.run("i-a", "sh", "-c", "echo here > /opt/made; rm /var/log/user-data; : > /etc/machine-id")
    world.hosts.stop("i-a")
    world.hosts.commit("i-a", image)
    world.hosts.start("i-a")
    root = Path(world.hosts.podman.run("image", "mount", image).stdout.strip())
    assert not (root / "run/localcloud").exists()
    assert not (root / "run/systemd/system").exists()
    assert (root / "etc/hostname").read_text() == ""
    assert (root / "etc/resolv.conf").read_text() == ""
    world.hosts.podman.run("image", "unmount", image)
    assert world.launch("i-c", image) > 0
    assert world.run("i-c", "cat", "/opt/made") == "here"
    assert world.run("i-c", "cat", "/etc/machine-id") not in {"", world.run("i-a", "cat", "/etc/machine-id")}
    world.hosts.remove_image(image)
    assert world.ready("i-c")


def test_the_firewall_is_there_before_a_network_and_goes_with_the_last(world: World) -> None:
    rules = subprocess.run(["nft", "list", "table", "inet", TABLE], capture_output=True, text=True, check=True).stdout
    assert BRIDGE_PREFIX in rules
    world.hosts.prepare()
    assert world.ready("i-c")


def test_a_block_is_another_vpcs_only_after_its_own_has_been_deleted(world: World) -> None:
    with pytest.raises(LocalCloudError, match=f"already uses {BLOCK} \\(for {VPC}\\)"):
        world.hosts.network.ensure("vpc-2", BLOCK)
    for name in ("i-a", "i-c"):
        world.hosts.terminate(name)
    world.hosts.remove_network(VPC)
    world.hosts.remove_network(VPC)
    # Its user data runs only if the way to the metadata goes over the bridge that is left.
    assert world.launch("i-d", world.base, "vpc-2") > 0
    # That nothing of it is left is the fixture's last question.
    world.hosts.terminate("i-d")
    world.hosts.remove_network("vpc-2")
