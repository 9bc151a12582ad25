"""AWS/EC2: CPU and status checks of the instances, and of each Auto Scaling group as a whole.

Source: EC2 user guide, "List the available CloudWatch metrics for your instances". CPUUtilization is the mean over all cores
that a host may use, which are this machine's: two busy hosts on two cores show 50 % each.
"""

import os
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from localcloud import backends
from localcloud.hosts.cgroups import cpu_seconds
from localcloud.scaling.policies import is_warming_up, warm_up_of

NAMESPACE = "AWS/EC2"
# Looks at a host that runs before its status checks are told of. "Status check metrics will become available within a few
# minutes of the instance being in the running state", and a look is a minute of AWS.
INITIALIZING = 3

Datum = dict[str, Any]


def utilization(seconds: float, elapsed: float, cores: int) -> float:
    """Return `seconds` of CPU time within `elapsed` seconds on `cores` cores, in percent."""
    return min(100.0, max(0.0, 100 * seconds / elapsed / cores))


def _datum(name: str, dimension: tuple[str, str], values: Iterable[float], unit: str) -> Datum:
    return {
        "MetricName": name,
        "Dimensions": [{"Name": dimension[0], "Value": dimension[1]}],
        "Values": list(values),
        "Unit": unit,
    }


def _groups() -> dict[str, str]:
    """Return the group of each instance whose figures count towards its group's.

    An instance's figures do so once it is warm: Auto Scaling user guide, "Set the default instance warmup".
    """
    return {
        member.instance.id: group.name
        for group in list(backends.autoscaling().autoscaling_groups.values())
        for member in list(group.instance_states)
        if member.lifecycle_state == "InService" and not is_warming_up(member, warm_up_of(group, None, unset=0))
    }


class HostMetrics:
    """A source of telemetry. `processes` gives the first process of each host that runs, by instance id."""

    def __init__(
        self,
        processes: Callable[[], dict[str, int]],
        used: Callable[[int], float | None] = cpu_seconds,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._processes = processes
        self._used = used
        self._clock = clock
        self._cores = len(os.sched_getaffinity(0))
        # (process, CPU seconds, time) of each host when it was last looked at
        self._before: dict[str, tuple[int, float, float]] = {}
        self._absent: set[str] = set()
        # How often each host was seen running.
        self._seen: Counter[str] = Counter()

    def __call__(self) -> Iterator[tuple[str, list[Datum]]]:
        """Yield each host's figures since the last call; the first call only begins to measure."""
        processes = self._processes()
        yield NAMESPACE, [*self._cpu(processes), *self._status(processes)]

    def _cpu(self, processes: dict[str, int]) -> Iterator[Datum]:
        now, figures = self._clock(), {}
        seen: dict[str, tuple[int, float, float]] = {}
        for instance_id, process in processes.items():
            used = self._used(process)
            if used is None:
                continue
            seen[instance_id] = (process, used, now)
            before = self._before.get(instance_id)
            if before is not None and before[0] == process and now > before[2]:
                figures[instance_id] = utilization(used - before[1], now - before[2], self._cores)
        self._before = seen
        yield from self._with_groups("CPUUtilization", figures, "Percent")

    def _status(self, processes: dict[str, int]) -> Iterator[Datum]:
        running = {one.id for one in backends.ec2().all_instances() if one.state == "running"}
        absent = running - processes.keys()
        # A host that reboots is away for a moment; only one that stays away fails.
        failed = absent & self._absent
        self._absent = absent
        self._seen = Counter({one: self._seen[one] + 1 for one in running})
        figures = {one: float(one in failed) for one in sorted(running) if self._seen[one] > INITIALIZING}
        yield from self._with_groups("StatusCheckFailed", figures, "Count")

    def _with_groups(self, name: str, figures: dict[str, float], unit: str) -> Iterator[Datum]:
        groups, by_group = _groups(), defaultdict(list)
        for instance_id, value in figures.items():
            yield _datum(name, ("InstanceId", instance_id), [value], unit)
            if instance_id in groups:
                by_group[groups[instance_id]].append(value)
        for group, values in by_group.items():
            yield _datum(name, ("AutoScalingGroupName", group), values, unit)
