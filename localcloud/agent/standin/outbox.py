"""Holds metrics back as the agent does: until it knows the instance's tags, and then for its flush interval.

Follows plugins/processors/ec2tagger/ec2tagger.go and plugins/outputs/cloudwatch/cloudwatch.go of aws/amazon-cloudwatch-agent.
"""

import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from .api import ApiError
from .config import Configuration
from .figures import with_dimensions

# Seconds between attempts to read the tags, the last one again and again (BackoffSleepArray).
ATTEMPTS = (0, 60, 60, 180, 180, 180, 600)
# Seconds after which the tags are read again where the group's is missing (defaultRefreshInterval).
REFRESH = 180
# PutMetricData: "up to 1000 different metrics" in a request.
REQUEST = 1000
# What is kept while the API is away (datumBatchChanBufferSize batches of MaxDatumsPerCall).
KEPT = 50 * REQUEST
logger = logging.getLogger("agent")


class Outbox:
    """Metrics on their way out. Times are seconds of any steady clock."""

    def __init__(
        self,
        configuration: Configuration,
        known: Callable[[], dict[str, str]],
        send: Callable[[str, list[dict[str, Any]]], None],
    ) -> None:
        """`known` returns the instance's dimensions and `send` takes a namespace and metrics; both may raise ApiError."""
        self._configuration = configuration
        self._known = known
        self._send = send
        self._dimensions: dict[str, str] | None = None
        self._attempts = 0
        self._attempt_due = 0.0
        self._batch: list[dict[str, Any]] = []
        self._batch_begun: float | None = None
        self._queue: list[dict[str, Any]] = []
        self._push_due: float | None = None

    def put(self, figures: Iterable[dict[str, Any]]) -> None:
        """Take figures of now; they are lost while the instance's tags are not known."""
        if self._dimensions is not None:
            stamped = [figure | {"timestamp": datetime.now(UTC)} for figure in figures]
            self._batch += with_dimensions(stamped, self._configuration, self._dimensions)

    def step(self, now: float) -> None:
        """Do what is due at `now`; raise ApiError when the API refuses, and send the same again the next time."""
        interval = self._configuration.push_seconds
        if self._batch_begun is None or self._push_due is None:
            self._batch_begun, self._push_due = now, now + interval
        if now >= self._attempt_due:
            self._read_tags(now)
        if self._batch and now >= self._batch_begun + interval:
            self._queue = (self._queue + self._batch)[-KEPT:]
            self._batch, self._batch_begun = [], now
        if now >= self._push_due:
            while self._queue:
                self._send(self._configuration.namespace, self._queue[:REQUEST])
                del self._queue[:REQUEST]
            self._push_due = now + interval

    def _read_tags(self, now: float) -> None:
        """Ask for the dimensions; where that fails, or the group is missing, ask again later."""
        wanted = set(self._configuration.dimensions)
        try:
            self._dimensions = self._known()
        except ApiError as error:
            self._attempts += 1
            self._attempt_due = now + ATTEMPTS[min(self._attempts, len(ATTEMPTS) - 1)]
            logger.warning("%s; metrics are dropped until the instance's tags are known", error)
            return
        self._attempt_due = float("inf") if wanted <= set(self._dimensions) else now + REFRESH
