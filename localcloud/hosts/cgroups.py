"""How much CPU time a container has used, from the kernel's accounting; cgroup v1 and v2."""

import re
from pathlib import Path

PROC = Path("/proc")
CGROUPS = Path("/sys/fs/cgroup")
# Below podman's own group, systemd and runc make groups for parts of the host: libpod-<id>/init.scope and the like.
CONTAINER = re.compile(r"^(.*/libpod-[0-9a-f]{64}(?:\.scope)?)(?:/.*)?$")


def _container_group(path: str) -> str:
    found = CONTAINER.match(path)
    return found[1] if found else path.removesuffix("/init.scope")


def usage_file(memberships: str, cgroups: Path = CGROUPS) -> Path | None:
    """Return the file with the CPU time of a container, from the text of /proc/<pid>/cgroup of a process in it.

    In a hybrid hierarchy CPU time is accounted by v1's `cpuacct`, wherever that is mounted: cgroups(7).
    """
    unified = None
    for line in memberships.splitlines():
        _, controllers, path = line.split(":", 2)
        group = _container_group(path).lstrip("/")
        if not controllers:
            unified = cgroups / group / "cpu.stat"
        elif "cpuacct" in controllers.split(","):
            for mount in (controllers, "cpuacct"):
                file = cgroups / mount / group / "cpuacct.usage"
                if file.exists():
                    return file
    return unified if unified is not None and unified.exists() else None


def cpu_seconds(process: int, proc: Path = PROC, cgroups: Path = CGROUPS) -> float | None:
    """Return the CPU time that the container of `process` has used so far, in seconds; None if it has ended."""
    try:
        file = usage_file((proc / str(process) / "cgroup").read_text(), cgroups)
        if file is None:
            return None
        text = file.read_text()
    except OSError:
        return None
    if file.name == "cpuacct.usage":
        return int(text) / 1e9
    microseconds = next(line.split()[1] for line in text.splitlines() if line.startswith("usage_usec "))
    return int(microseconds) / 1e6
