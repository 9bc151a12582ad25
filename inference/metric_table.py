"""The metrics of the service, which metrics.json lists once for /metrics, CloudWatch, alarms, rollouts and reports."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

FILE = Path(__file__).with_name("metrics.json")


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        kind: what Prometheus makes of it; CloudWatch gets counters as sums, and histograms as distributions.
        unit: of its values. CloudWatch is told none: StatsD, by which they get there, knows no units.
        help: what it counts or measures.
        labels: what its values are told apart by on /metrics.
        prometheus: its name on /metrics, "" where it is not there.
        cloudwatch: its name in CloudWatch, "" where it is not sent.
    """

    kind: Literal["counter", "gauge", "histogram"]
    unit: str
    help: str
    labels: tuple[str, ...] = ()
    prometheus: str = ""
    cloudwatch: str = ""


def read(path: Path = FILE) -> dict[str, Metric]:
    """Return the metrics by their keys."""
    entries = json.loads(path.read_text())
    return {key: Metric(**entry | {"labels": tuple(entry.get("labels", ()))}) for key, entry in entries.items()}


METRICS = read()
