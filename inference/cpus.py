"""How many CPUs this process may really use, and which of its threads go first."""

import math
import os
import threading
from pathlib import Path

_CGROUP_ROOT = Path("/sys/fs/cgroup")
_OWN_CGROUPS = Path("/proc/self/cgroup")

# Steps of niceness below the main thread. Weights of the scheduler: 1024 at nice 0, 335 at nice 5.
_BACKGROUND_NICE = 5


def usable_cpus(root: Path = _CGROUP_ROOT, own: Path = _OWN_CGROUPS) -> int:
    """Return the CPUs of this process's affinity mask, or fewer where a cgroup's quota allows fewer. At least 1.

    Args:
        root: where the cgroup file systems are mounted.
        own: the list of this process's cgroups, see cgroups(7).
    """
    allowed = len(os.sched_getaffinity(0))
    quotas = [quota for quota in _quotas(root, own) if quota is not None]
    return max(1, min([allowed, *(math.ceil(quota) for quota in quotas)]))


def _quotas(root: Path, own: Path) -> list[float | None]:
    """Return the quotas, in CPUs, of this process's cgroup and the ones above it, for cgroup v2 and v1."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return []
    quotas: list[float | None] = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        parts = [part for part in path.split("/") if part]
        for depth in range(len(parts), -1, -1):
            below = "/".join(parts[:depth])
            if not controllers:
                quotas.append(_v2_quota(root / below))
            elif "cpu" in controllers.split(","):
                quotas.append(_v1_quota(root / controllers / below))
    return quotas


def _v2_quota(directory: Path) -> float | None:
    """Read `cpu.max`: "max 100000" or "<quota> <period>", in microseconds."""
    try:
        quota, period = (directory / "cpu.max").read_text().split()
    except (OSError, ValueError):
        return None
    return None if quota == "max" else int(quota) / int(period)


def _v1_quota(directory: Path) -> float | None:
    """Read `cpu.cfs_quota_us` (-1: none) and `cpu.cfs_period_us`."""
    try:
        quota = int((directory / "cpu.cfs_quota_us").read_text())
        period = int((directory / "cpu.cfs_period_us").read_text())
    except (OSError, ValueError):
        return None
    return quota / period if quota > 0 else None


def step_back() -> None:
    """Let the event loop go first: this thread, and those that it starts, get a third of its weight when they compete.

    Decoding and inference take whole cores for as long as they have work; /health has to be answered meanwhile.
    On Linux the priority is a thread's own, see setpriority(2), and may always be lowered.
    """
    main = os.getpriority(os.PRIO_PROCESS, os.getpid())
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), main + _BACKGROUND_NICE)
