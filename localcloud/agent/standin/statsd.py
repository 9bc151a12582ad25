"""StatsD figures of the host's services: received over UDP, gathered, and given out as CloudWatch takes them.

Follows "Retrieve custom metrics with StatsD" in the CloudWatch user guide and, in what the guide leaves open, the agent's
sources (plugins/inputs/statsd and metric/distribution/seh1 of aws/amazon-cloudwatch-agent): the dimension metric_type, no
unit, and values as the middles of bins a tenth wide.
"""

import logging
import math
import re
import socket
import threading
from collections import Counter
from contextlib import suppress
from typing import Any, NamedTuple

DATAGRAM = 65536  # bytes
# PutMetricData: "up to 150 unique values".
VALUES = 150
BIN = math.log(1.1)
METRIC_TYPES = {"c": "counter", "ms": "timing"}
LINE = re.compile(
    r"(?P<name>[\w-]+):(?P<value>\d+(?:\.\d+)?)\|(?P<type>c|ms)(?:\|#(?P<tags>[\w-]+:[^:,|#]+(?:,[\w-]+:[^:,|#]+)*))?"
)
logger = logging.getLogger("agent")


class Slot(NamedTuple):
    """What is counted together: one counter (`bin` None), or one bin of a timing (`-inf` holds the zeros)."""

    name: str
    metric_type: str
    tags: tuple[tuple[str, str], ...]
    bin: float | None


def parse_line(line: str) -> tuple[Slot, int] | None:
    """Return where a line counts, and how much; None for one that the stand-in does not understand."""
    found = LINE.fullmatch(line)
    if found is None:
        return None
    value, metric_type = float(found["value"]), METRIC_TYPES[found["type"]]
    pairs = (tag.split(":", 1) for tag in (found["tags"] or "").split(",") if tag)
    tags = tuple(sorted((name, text) for name, text in pairs))
    if metric_type == "counter":
        return Slot(found["name"], metric_type, tags, None), int(value)
    return Slot(found["name"], metric_type, tags, math.floor(math.log(value) / BIN) if value else -math.inf), 1


def to_figures(gathered: Counter[Slot]) -> list[dict[str, Any]]:
    """Return what was gathered as figures: a counter as a `value`, a timing as `values` with the count of each."""
    found: list[dict[str, Any]] = []
    timings: dict[tuple[str, tuple[tuple[str, str], ...]], dict[float, int]] = {}
    for slot, count in sorted(gathered.items()):
        if slot.bin is None:
            dimensions = dict(slot.tags) | {"metric_type": slot.metric_type}
            found.append({"name": slot.name, "value": float(count), "dimensions": dimensions})
        else:
            timings.setdefault((slot.name, slot.tags), {})[math.exp((slot.bin + 0.5) * BIN)] = count
    for (name, tags), values in timings.items():
        pairs, dimensions = list(values.items()), dict(tags) | {"metric_type": "timing"}
        for start in range(0, len(pairs), VALUES):
            found.append({"name": name, "values": dict(pairs[start : start + VALUES]), "dimensions": dimensions})
    return found


class Listener:
    """Gathers what services of this host send, until it is taken."""

    def __init__(self, address: str) -> None:
        """Listen on host:port; raise OSError if that cannot be."""
        host, _, port = address.rpartition(":")
        self._gathered: Counter[Slot] = Counter()
        self._lock = threading.Lock()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((host, int(port)))
        threading.Thread(target=self._listen, name="statsd", daemon=True).start()

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._socket.getsockname()[1])

    @property
    def gathered(self) -> int:
        """How many figures have come in since they were last taken."""
        with self._lock:
            return self._gathered.total()

    def take(self) -> Counter[Slot]:
        """Return what was gathered since the last time."""
        with self._lock:
            taken, self._gathered = self._gathered, Counter()
        return taken

    def close(self) -> None:
        """Listen no more."""
        with suppress(OSError):  # "not connected", but the thread wakes
            self._socket.shutdown(socket.SHUT_RD)
        self._socket.close()

    def _listen(self) -> None:
        while (datagram := self._receive()) is not None:
            for line in datagram.decode(errors="replace").split("\n"):
                counted = parse_line(line.strip())
                if counted is not None:
                    with self._lock:
                        self._gathered[counted[0]] += counted[1]
                elif line.strip():
                    logger.warning("the stand-in does not understand the StatsD line %r", line[:200])

    def _receive(self) -> bytes | None:
        """Wait for a datagram; return None when the socket is closed."""
        try:
            return self._socket.recv(DATAGRAM)
        except OSError:
            return None
