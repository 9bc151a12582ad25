"""CPU and status checks of hosts, from cgroups of either version to CloudWatch's metrics."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from localcloud import backends
from localcloud.hosts.cgroups import cpu_seconds
from localcloud.telemetry.host_metrics import INITIALIZING, HostMetrics, utilization
from tests.localcloud.conftest import Cloud
from tests.localcloud.test_fleet import Group

ID = "0123456789abcdef" * 4


def machine(root: Path, memberships: str, files: dict[str, str]) -> Callable[[int], float | None]:
    """Return `cpu_seconds` of a made-up machine, on which process 7 has these memberships."""
    (root / "proc/7").mkdir(parents=True)
    (root / "proc/7/cgroup").write_text(memberships)
    for name, text in files.items():
        file = root / "cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return lambda process: cpu_seconds(process, root / "proc", root / "cgroup")


@pytest.mark.parametrize(
    ("memberships", "name", "text"),
    [
        (
            f"0::/machine.slice/libpod-{ID}.scope/container/init.scope\n",
            f"machine.slice/libpod-{ID}.scope/cpu.stat",
            "usage_usec 2500000\nuser_usec 1\n",
        ),
        (f"0::/libpod_parent/libpod-{ID}/init.scope\n", f"libpod_parent/libpod-{ID}/cpu.stat", "usage_usec 2500000\n"),
        (
            f"4:cpu,cpuacct:/libpod_parent/libpod-{ID}\n1:name=systemd:/libpod_parent/libpod-{ID}/init.scope\n0::/\n",
            f"cpu,cpuacct/libpod_parent/libpod-{ID}/cpuacct.usage",
            "2500000000\n",
        ),
        (
            f"2:cpuacct:/libpod_parent/libpod-{ID}/system.slice\n0::/\n",
            f"cpuacct/libpod_parent/libpod-{ID}/cpuacct.usage",
            "2500000000\n",
        ),
    ],
)
def test_cpu_time_of_the_whole_host_in_either_version(tmp_path: Path, memberships: str, name: str, text: str) -> None:
    assert machine(tmp_path, memberships, {name: text})(7) == 2.5


def test_a_host_that_has_ended_has_no_cpu_time(tmp_path: Path) -> None:
    assert machine(tmp_path, f"0::/libpod_parent/libpod-{ID}\n", {})(7) is None
    assert cpu_seconds(8, tmp_path / "proc", tmp_path / "cgroup") is None


def test_this_machines_kernel_is_understood() -> None:
    used = cpu_seconds(os.getpid())
    assert used is not None
    assert used > 0


@pytest.mark.parametrize(("seconds", "elapsed", "cores", "percent"), [(5, 10, 1, 50), (5, 10, 2, 25), (99, 10, 2, 100)])
def test_utilization_is_the_mean_over_the_cores(seconds: float, elapsed: float, cores: int, percent: float) -> None:
    assert utilization(seconds, elapsed, cores) == percent


class Measured:
    """A group of two whose hosts have used as much CPU time as the test says."""

    def __init__(self, cloud: Cloud, warm_up: int = 0) -> None:
        self.group = Group(cloud)
        self.group.asg.update_auto_scaling_group(AutoScalingGroupName="service", DefaultInstanceWarmup=warm_up)
        self.members = self.group.settled(2)
        self.processes = {one: number for number, one in enumerate(self.members, 100)}
        self.used: dict[int, float] = dict.fromkeys(self.processes.values(), 0.0)
        self.time = 0.0
        self.metrics = HostMetrics(lambda: self.processes, self.used.get, lambda: self.time)
        self.metrics._cores = 2

    def look(self, *used: float) -> dict[tuple[str, str], list[float]]:
        """Let ten seconds pass in which the hosts use this much CPU time; return values by metric and dimension."""
        self.time += 10
        for process, seconds in zip(self.processes.values(), used, strict=False):
            self.used[process] += seconds
        [(_, data)] = list(self.metrics())
        return {(one["MetricName"], one["Dimensions"][0]["Value"]): one["Values"] for one in data}


def test_cpu_is_told_of_each_host_and_of_the_group(cloud: Cloud) -> None:
    measured = Measured(cloud)
    assert not any(name == "CPUUtilization" for name, _ in measured.look(1, 1))
    found = measured.look(4, 12)
    first, second = measured.members
    assert found["CPUUtilization", first] == [20]
    assert found["CPUUtilization", second] == [60]
    assert sorted(found["CPUUtilization", "service"]) == [20, 60]


def test_status_checks_are_told_once_a_host_is_initialized(cloud: Cloud) -> None:
    measured = Measured(cloud)
    for _ in range(INITIALIZING):
        assert not any(name == "StatusCheckFailed" for name, _ in measured.look())
    assert measured.look()["StatusCheckFailed", "service"] == [0, 0]
    instance = backends.ec2().get_instance(measured.members[0])
    instance._state.name = "stopped"
    measured.look()
    instance._state.name = "running"
    assert ("StatusCheckFailed", measured.members[0]) not in measured.look()


def test_a_host_that_warms_up_does_not_count_for_its_group(cloud: Cloud) -> None:
    measured = Measured(cloud, warm_up=300)
    backends.autoscaling().autoscaling_groups["service"].instance_states[0].in_service_since -= 300
    measured.look(0, 0)
    old = backends.autoscaling().autoscaling_groups["service"].instance_states[0].instance.id
    found = measured.look(4, 12)
    assert found["CPUUtilization", "service"] == found["CPUUtilization", old]


def test_a_host_that_has_rebooted_begins_anew(cloud: Cloud) -> None:
    measured = Measured(cloud)
    measured.look(5, 5)
    first = measured.members[0]
    measured.processes[first] = 200
    measured.used[200] = 0.5
    found = measured.look()
    assert ("CPUUtilization", first) not in found
    assert measured.look(2)["CPUUtilization", first] == [10]


def test_a_host_that_stays_away_fails_its_status_check_and_a_reboot_does_not(cloud: Cloud) -> None:
    measured = Measured(cloud)
    for _ in range(INITIALIZING):
        measured.look()
    first = measured.members[0]
    process = measured.processes.pop(first)
    assert measured.look()["StatusCheckFailed", first] == [0]
    measured.processes[first] = process
    assert measured.look()["StatusCheckFailed", first] == [0]
    del measured.processes[first]
    measured.look()
    found: dict[Any, list[float]] = measured.look()
    assert found["StatusCheckFailed", first] == [1]
    assert max(found["StatusCheckFailed", "service"]) == 1
