"""What the judge needs of a service's /metrics, read from Prometheus' text format. Pure functions only."""

import re
from collections.abc import Iterator
from typing import Any

PREDICT = "/predict"
# https://prometheus.io/docs/instrumenting/exposition_formats/
SAMPLE = re.compile(r"^([A-Za-z_:][\w:]*)(?:\{(.*)\})? (\S+)")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def samples(text: str) -> Iterator[tuple[str, dict[str, str], float]]:
    """Yields name, labels and value of each sample."""
    for line in text.splitlines():
        found = SAMPLE.match(line)
        if found:
            yield found[1], dict(LABEL.findall(found[2] or "")), float(found[3])


def counters(text: str, metrics: dict[str, str]) -> dict[str, Any]:
    """Returns what the process has counted of predictions since it began.

    Args:
        metrics: the service's names of its counter `requests` and of its histogram `request_seconds`.

    Returns:
        `started` (seconds since the epoch), `processor` (seconds of processor time of the process, for whatever it does),
        `requests`, `errors` (status 500 and above), and `buckets`: the number of answers within each bound in seconds.
    """
    counted: dict[str, Any] = {"started": 0.0, "processor": 0.0, "requests": 0, "errors": 0, "buckets": {}}
    for name, labels, value in samples(text):
        if name == "process_start_time_seconds":
            counted["started"] = value
        elif name == "process_cpu_seconds_total":
            counted["processor"] = value
        elif labels.get("path") != PREDICT:
            continue
        elif name == f"{metrics['requests']}_total":
            counted["requests"] += int(value)
            counted["errors"] += int(value) if int(labels["status"]) >= 500 else 0
        elif name == f"{metrics['request_seconds']}_bucket":
            counted["buckets"][labels["le"]] = int(value)
    return counted
