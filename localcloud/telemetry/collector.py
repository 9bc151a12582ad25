"""Measures what AWS measures by itself, puts it into CloudWatch, and has the alarms looked at right afterwards.

On AWS a minute is the grain of all this. Here it is `Settings.telemetry_period`, so that a rehearsal sees in ten seconds what
takes a minute there; periods of alarms that people set keep their length.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from moto.core.utils import utcnow

from localcloud import backends
from localcloud.telemetry.alarms import Alarms
from localcloud.telemetry.metric_store import RETENTION

logger = logging.getLogger(__name__)

# Namespace and MetricData of PutMetricData, without timestamps, of what happened since the source was last asked.
Source = Callable[[], Iterable[tuple[str, list[dict[str, Any]]]]]


class Telemetry:
    """Runs in one thread; `period` is in seconds and divides a minute."""

    def __init__(self, period: int, alarms: Alarms) -> None:
        """Nothing is measured before `run`."""
        self._period = period
        self._alarms = alarms
        self._sources: list[Source] = []
        self._closing = threading.Event()

    def add(self, source: Source) -> None:
        """Ask `source` once a period."""
        self._sources.append(source)

    def run(self) -> None:
        """Work at the end of each period until `close`."""
        while not self._closing.wait(self._period - time.time() % self._period):
            try:
                self.tick(utcnow())
            except Exception:
                logger.exception("Telemetry")

    def close(self) -> None:
        """End `run`."""
        self._closing.set()

    def tick(self, now: datetime) -> None:
        """Take in the period that ends at `now` (naive UTC), evaluate the alarms and drop what is too old."""
        ended = now - timedelta(seconds=now.second % self._period, microseconds=now.microsecond)
        begin = ended - timedelta(seconds=self._period)
        for source in self._sources:
            try:
                for namespace, data in source():
                    backends.cloudwatch().put_metric_data(namespace, [one | {"Timestamp": begin} for one in data])
            except Exception:
                logger.exception("Nothing measured this time")
        self._alarms.evaluate(now)
        backends.cloudwatch().metric_data.forget_before(now - RETENTION)
