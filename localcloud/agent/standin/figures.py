"""Memory and disk use, as the agent names and computes them."""

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from .config import Configuration, Figure

# File systems without a disk behind them, left out unless named.
VIRTUAL = {"cgroup", "cgroup2", "debugfs", "devpts", "devtmpfs", "mqueue", "proc", "securityfs", "sysfs", "tmpfs", "tracefs"}


def memory_used_percent(meminfo: str) -> float:
    """Return the share of memory in use, from the text of /proc/meminfo: what is neither free, cache nor buffer."""
    sizes = {name: int(size) for name, size in re.findall(r"^(\w+):\s+(\d+) kB", meminfo, re.MULTILINE)}
    unused = sizes["MemFree"] + sizes["Buffers"] + sizes["Cached"] + sizes.get("SReclaimable", 0)
    return 100 * (sizes["MemTotal"] - unused) / sizes["MemTotal"]


def mounts(table: str, resources: Iterable[str]) -> list[tuple[str, str, str]]:
    """Return (mount point, device, type) of the wanted mount points, from the text of /proc/mounts; `*` is every disk."""
    rows = [(fields[1], fields[0], fields[2]) for fields in (line.split() for line in table.splitlines())]
    wanted = set(resources)
    return [row for row in rows if row[0] in wanted or ("*" in wanted and row[2] not in VIRTUAL)]


def disk_used_percent(status: os.statvfs_result) -> float:
    """Return the share in use of what an ordinary user may have."""
    used = status.f_blocks - status.f_bfree
    return 100 * used / max(1, used + status.f_bavail)


def collect(figure: Figure, read: Callable[[Path], str] = Path.read_text) -> list[dict[str, Any]]:
    """Return what a figure is now: name, value, unit, and the dimensions of its own."""
    if figure.kind == "mem":
        value = memory_used_percent(read(Path("/proc/meminfo")))
        return [{"name": "mem_used_percent", "value": value, "unit": "Percent", "dimensions": {}}]
    found = []
    for point, device, kind in mounts(read(Path("/proc/mounts")), figure.resources):
        dimensions = {"path": point, "fstype": kind}
        if not figure.drop_device:
            dimensions["device"] = device.rpartition("/")[2]
        value = disk_used_percent(os.statvfs(point))
        found.append({"name": "disk_used_percent", "value": value, "unit": "Percent", "dimensions": dimensions})
    return found


def with_dimensions(
    figures: Iterable[dict[str, Any]], configuration: Configuration, known: dict[str, str]
) -> list[dict[str, Any]]:
    """Return figures with the appended dimensions, and once more for each aggregation whose dimensions are `known`.

    An aggregation is of fewer dimensions than the figure itself has; the empty one is of none
    (plugins/outputs/cloudwatch/cloudwatch.go, ProcessRollup).
    """
    appended = {name: known[name] for name in configuration.dimensions if name in known}
    published = []
    for figure in figures:
        own = figure["dimensions"] | appended
        published.append(figure | {"dimensions": own})
        published += [
            figure | {"dimensions": {name: own[name] for name in names}}
            for names in configuration.aggregations
            if set(names) <= set(own) and len(names) < len(own)
        ]
    return published
