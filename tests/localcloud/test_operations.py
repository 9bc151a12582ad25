"""The operations of playbooks/operate on a group of the account, whose hosts are this machine under other names."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from localcloud import settings as constants
from tests.localcloud.conftest import Cloud
from tests.localcloud.scaling_group import Group

ROOT = Path(__file__).parents[2]
TAGS = {"Project": "pettracker", "Environment": "local", "Role": "service"}
# The module asks `show` before it restarts.
SYSTEMCTL = """#!/bin/sh
case "$*" in
  *show*) printf 'LoadState=loaded\\nActiveState=active\\n' ;;
  *restart*) echo "$*" >>"{log}" ;;
esac
"""


class Service(BaseHTTPRequestHandler):
    """Every host's service: always ready, with the iris of another test."""

    def answer(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")  # type: ignore[attr-defined]
        model = {"name": "iris", "version": "1.0.0", "digest": "sha256:0123456789abcdef"}
        body = json.dumps({"model": model} if self.path == "/version" else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_PUT = answer

    def log_message(self, *_: Any) -> None:
        pass


class Operator:
    """A person at the controller, with inventories/local as it is but for how a host is entered."""

    def __init__(self, cloud: Cloud, directory: Path, service: ThreadingHTTPServer) -> None:
        self.restarts = directory / "restarts"
        self.asked: list[str] = service.asked  # type: ignore[attr-defined]
        self.clone = directory / "clone"
        shutil.copytree(ROOT / "inventories/local", self.clone / "inventories/local")
        for name in (
            "Makefile",
            "scripts",
            "playbooks",
            "roles",
            "collections",
            "executor",
            "ansible.cfg",
            ".venv",
            "inventories/common",
        ):
            (self.clone / name).symlink_to(ROOT / name)
        entered = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        (self.clone / "inventories/local/group_vars/instances.yml").write_text(json.dumps(entered))
        systemctl = directory / "bin/systemctl"
        systemctl.parent.mkdir()
        systemctl.write_text(SYSTEMCTL.format(log=self.restarts))
        systemctl.chmod(0o755)
        self.variables = {"service_group_name": "service", "service_port": service.server_address[1]}
        account = {"AWS_ENDPOINT_URL": cloud.url, **cloud.key.environment, "AWS_DEFAULT_REGION": constants.REGION}
        (self.clone / ".localcloud").mkdir()
        (self.clone / ".localcloud/env").write_text("".join(f"export {name}={value}\n" for name, value in account.items()))
        path = f"{systemctl.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.environment = os.environ | {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "PATH": path}

    def does(self, intent: str, *options: str, **settings: Any) -> str:
        """Run a playbook that goes well, and return what it says, on one line."""
        status, said = self.tries(intent, *options, **settings)
        assert status == 0, said
        return said

    def is_refused(self, intent: str, **settings: Any) -> str:
        """Run a playbook that fails before it has changed anything, and return what it says."""
        status, said = self.tries(intent, **settings)
        assert status != 0, said
        assert said.endswith("Nothing was changed."), said
        return said

    def prints(self, intent: str, *options: str, **settings: Any) -> str:
        """Run a playbook that goes well, and return its answer, without what it says of its steps."""
        run = self.runs(intent, *options, **settings)
        assert run.returncode == 0, run.stderr
        return run.stdout

    def tries(self, intent: str, *options: str, **settings: Any) -> tuple[int, str]:
        run = self.runs(intent, *options, **settings)
        return run.returncode, " ".join((run.stdout + run.stderr).split())

    def runs(self, intent: str, *options: str, **settings: Any) -> subprocess.CompletedProcess[str]:
        said = [f"{name.upper()}={value}" for name, value in settings.items() if isinstance(value, str | int)]
        more = {f"operate_{name}": value for name, value in settings.items() if not isinstance(value, str | int)}
        return subprocess.run(
            ["scripts/operate", "local", intent, *said, "--", "-e", json.dumps(self.variables | more), *options],
            cwd=self.clone,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )


@pytest.fixture
def group(cloud: Cloud) -> Group:
    there = Group(cloud)
    tags = [{"Key": key, "Value": value} for key, value in TAGS.items()]
    there.asg.create_or_update_tags(
        Tags=[tag | {"ResourceId": "service", "ResourceType": "auto-scaling-group", "PropagateAtLaunch": True} for tag in tags]
    )
    there.asg.update_auto_scaling_group(AutoScalingGroupName="service", MinSize=2)
    there.ec2.create_tags(Resources=there.settled(2), Tags=tags)
    return there


@pytest.fixture
def operator(cloud: Cloud, tmp_path: Path) -> Iterator[Operator]:
    service = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    service.asked = []  # type: ignore[attr-defined]
    threading.Thread(target=service.serve_forever, daemon=True).start()
    yield Operator(cloud, tmp_path, service)
    service.shutdown()
    service.server_close()


@pytest.fixture
def workbench(cloud: Cloud) -> str:
    """A host that belongs to no group."""
    tags = [{"Key": key, "Value": value} for key, value in (TAGS | {"Role": "workbench"}).items()]
    started = cloud.client("ec2").run_instances(
        ImageId=cloud.base_image,
        InstanceType="t3.large",
        MinCount=1,
        MaxCount=1,
        TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
    )
    return str(started["Instances"][0]["InstanceId"])


def desired(group: Group) -> int:
    return int(group.asg.describe_auto_scaling_groups()["AutoScalingGroups"][0]["DesiredCapacity"])


def suspended(group: Group) -> list[str]:
    found = group.asg.describe_auto_scaling_groups()["AutoScalingGroups"][0]["SuspendedProcesses"]
    return [str(one["ProcessName"]) for one in found]


def states(group: Group) -> dict[str, str]:
    return {member["InstanceId"]: member["LifecycleState"] for member in group.members()}


def test_a_host_that_is_not_there_is_refused_with_those_that_are(operator: Operator, group: Group) -> None:
    said = operator.is_refused("drain", host="i-0123456789abcdef0")
    assert "there is no i-0123456789abcdef0" in said
    for instance_id in group.settled(2):
        assert f"{instance_id} InService" in said


def test_the_status_is_what_the_group_the_balancer_and_each_service_say(operator: Operator, group: Group) -> None:
    one, other = group.settled(2)
    said = operator.does("status")
    assert "service: 2 hosts wanted, 2 to 4 allowed It is whole. No rollout is under way. HOST ZONE STATE" in said
    for member in (one, other):
        assert re.search(rf"{member} us-east-1[ab] InService healthy ready 1 \d\d-\d\d \d\d:\d\d \d+[sm]", said), said
    assert f"1 {group.cloud.base_image} iris 1.0.0 0123456789ab 2" in said
    (line,) = [line for line in operator.prints("status", host=one).splitlines() if line.startswith("i-")]
    assert line.startswith(one)
    assert f"there is no host i-000. There are: {', '.join(sorted([one, other]))}." in operator.is_refused(
        "status", host="i-000"
    )


def test_a_log_is_shown_of_each_host_and_one_that_there_is_not_is_refused(
    operator: Operator, group: Group, tmp_path: Path
) -> None:
    log = tmp_path / "service.log"
    log.write_text("first line\nlast line\n")
    shown = operator.prints("logs", log_files={"service": str(log)}, lines=1)
    assert sorted(shown.splitlines()) == sorted(
        line for host in group.settled(2) for line in (f"==> {host}: {log}", "last line")
    )
    said = operator.is_refused("logs", log="sevrice")
    assert "There is no log sevrice. There are: journal, agent, notices, service, setup." in said


def test_a_look_at_a_restart_changes_nothing(operator: Operator, group: Group) -> None:
    before = states(group)
    said = operator.does("restart", "--check")
    assert states(group) == before
    assert desired(group) == 2
    assert not operator.restarts.exists()
    assert [asked for asked in operator.asked if asked.startswith("PUT")] == []
    for instance_id in before:
        assert f"would {instance_id} Take the host to Standby (state: InService → standby)" in said


@pytest.mark.slow
def test_a_restart_leaves_the_same_hosts_and_no_spare(operator: Operator, group: Group, cloud: Cloud) -> None:
    before = group.settled(2)
    operator.does("restart")
    assert sorted(group.settled(2)) == sorted(before)
    assert len(operator.restarts.read_text().splitlines()) == 2
    # One spare and no more: with a host aside its zone is poor, and nobody makes that good meanwhile.
    (spare,) = {spec.instance_id for spec in cloud.hosts.specs} - set(before)
    assert ("terminate", spare) in cloud.hosts.calls
    assert suspended(group) == []


@pytest.mark.slow
def test_an_operation_that_fails_lets_zones_be_made_even_again(operator: Operator, group: Group) -> None:
    group.asg.update_auto_scaling_group(AutoScalingGroupName="service", MaxSize=2)
    assert "may have 2 to 2 hosts, not 3" in operator.tries("drain", host=group.in_service()[0])[1]
    assert suspended(group) == []


@pytest.mark.slow
def test_a_drained_host_is_replaced_and_returns_and_the_group_is_scaled_back(operator: Operator, group: Group) -> None:
    aside, other = group.settled(2)
    operator.does("drain", host=aside)
    assert states(group)[aside] == "Standby"
    assert len(group.in_service()) == desired(group) == 2
    assert operator.does("drain", host=aside).endswith("Nothing was changed.")
    assert re.search(rf"{aside} us-east-1[ab] Standby -", operator.does("status"))
    assert "1 more than before" in operator.does("return", host=aside)
    assert "PUT /health/ready" in operator.asked
    assert {aside, other} < set(group.settled(3))
    assert "ends 1 of 3 hosts in local" in operator.is_refused("scale", desired=2)
    assert desired(group) == 3
    operator.does("scale", desired=2, confirm="local")
    group.settled(2)
    assert "may have 2 to 4 hosts, not 5" in operator.is_refused("scale", desired=5)


@pytest.mark.slow
def test_a_detached_host_is_left_running_until_it_is_attached_or_ended(operator: Operator, group: Group) -> None:
    out, other = group.settled(2)
    operator.does("detach", host=out)
    assert out not in states(group)
    assert len(group.settled(2)) == 2
    operator.does("attach", "--check", host=out)
    assert out not in states(group)
    assert f"In local no running host is called {other}x" in operator.is_refused("run", command="true", host=f"{other}x")
    printed = operator.prints("run", command="echo one | tr o O; echo '2 2'")  # not on the one that is detached
    assert sorted(printed.splitlines()) == sorted(
        line for host in group.in_service() for line in (f"==> {host}: status 0", "One", "2 2")
    )
    assert "belongs to a group" in operator.is_refused("stop", host=other, confirm="local")
    operator.does("attach", host=out)
    assert {out, other} < set(group.settled(3))
    operator.does("replace", host=out, confirm="local")
    assert out not in group.settled(3)


@pytest.mark.slow
def test_a_host_of_its_own_gets_an_address_and_is_stopped_started_and_ended(
    operator: Operator, cloud: Cloud, workbench: str
) -> None:
    ec2 = cloud.client("ec2")

    def addresses() -> list[str]:
        return [address.get("InstanceId", "") for address in ec2.describe_addresses()["Addresses"]]

    operator.does("address", host=workbench)
    assert addresses() == [workbench]
    assert operator.does("address", host=workbench).endswith("Nothing was changed.")
    assert "gives back the address" in operator.is_refused("release-address", host=workbench)
    operator.does("release-address", host=workbench, confirm="local")
    assert addresses() == []
    assert operator.does("release-address", host=workbench, confirm="local").endswith("Nothing was changed.")
    operator.does("stop", host=workbench, confirm="local")
    operator.does("start", host=workbench)
    operator.does("reboot", host=workbench)
    assert f"leaves {workbench} terminated" in operator.is_refused("terminate", host=workbench)
    assert re.search(
        rf"{workbench} workbench terminated us-east-1", operator.does("terminate", host=workbench, confirm="local")
    )
    assert [call for call, _ in cloud.hosts.calls] == ["launch", "stop", "start", "reboot", "terminate"]
