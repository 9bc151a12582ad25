"""Copies answered predictions to a candidate fleet and compares its answers with those that were given.

A copy is made of what has been answered already, after the answer has left, and only while there is room: the queue, the
bytes, the connections and the time of each copy are bounded, and what does not fit is dropped and counted. So the candidate
may be slow, dead or answer rubbish, and no caller notices. Photos are held until their copy is answered, and never written.
"""

import asyncio
import json
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tornado.httpclient import HTTPRequest, HTTPResponse
from tornado.simple_httpclient import HTTPTimeoutError, SimpleAsyncHTTPClient

from inference.metrics import Metrics
from inference.shadow import Shadow
from inference.telemetry import Telemetry

# Copies carry it, and what carries it is never copied: a candidate may have a candidate of its own, or be one's own host.
HEADER = "X-Pettracker-Shadow"
# A candidate that takes this many times as long as the host itself has taken counts as slower.
SLOWDOWN = 1.2


@dataclass(frozen=True)
class Bounds:
    """What copying may cost.

    Attributes:
        queue: copies that wait.
        connections: copies that are under way.
        copy_bytes: of one copy; larger ones are not made.
        held_bytes: of all copies together.
        answer_bytes: of an answer of the candidate.
        seconds: for one copy, from the first byte sent to the last one received.
    """

    queue: int = 32
    connections: int = 4
    copy_bytes: int = 4 * 1024 * 1024
    held_bytes: int = 16 * 1024 * 1024
    answer_bytes: int = 64 * 1024
    seconds: float = 5.0


@dataclass(frozen=True)
class Copy:
    """A prediction that was answered.

    Attributes:
        content: what was asked, without the form around it.
        kind: its media type.
        predictions: what was answered, best first.
        seconds: that the answer took.
    """

    content: bytes
    kind: str
    request_id: str
    predictions: list[dict[str, Any]]
    seconds: float


@dataclass(frozen=True)
class Comparison:
    """What the candidate said, beside what was answered.

    Attributes:
        agrees: the likeliest class is the same.
        classes: that were answered.
        common: of these, those that the candidate names as well.
        confidence_difference: the candidate's confidence in the answered class minus the answered one, -1 to 1; 0 stands for
            the confidence in a class that the candidate does not name.
        seconds: that the candidate's answer took by its own account, as those of the copy are: the way there is in neither.
        slower: more than SLOWDOWN times as long as the host itself.
    """

    agrees: bool
    classes: int
    common: int
    confidence_difference: float
    seconds: float
    slower: bool


def compare(copy: Copy, answer: bytes) -> Comparison:
    """Compare an answer of the candidate with the one that was given.

    Raises:
        ValueError, LookupError, TypeError: it is none of this service's answers.
    """
    said = json.loads(answer)
    theirs = {each["class"]: float(each["confidence"]) for each in said["predictions"]}
    seconds = float(said["latency_seconds"])
    ours = copy.predictions
    return Comparison(
        agrees=said["predictions"][0]["class"] == ours[0]["class"],
        classes=len(ours),
        common=sum(each["class"] in theirs for each in ours),
        confidence_difference=theirs.get(ours[0]["class"], 0.0) - ours[0]["confidence"],
        seconds=seconds,
        slower=seconds > SLOWDOWN * copy.seconds,
    )


class Mirror:
    """Makes the copies. All methods belong to the event loop's thread, and none of them waits or raises.

    Args:
        now: seconds since the epoch.
        draw: a number from 0 to 1, anew each time.
    """

    def __init__(
        self,
        metrics: Metrics,
        telemetry: Telemetry,
        bounds: Bounds | None = None,
        now: Callable[[], float] = time.time,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._metrics, self._telemetry, self._bounds = metrics, telemetry, bounds or Bounds()
        self._now, self._draw = now, draw
        self._shadow: Shadow | None = None
        self._client: SimpleAsyncHTTPClient | None = None
        self._waiting: deque[Copy] = deque()
        self._workers: set[asyncio.Task[None]] = set()
        self._held = 0
        metrics.gauge("shadow_share").set_function(lambda: self._active.share if self._active else 0.0)

    def tell(self, shadow: Shadow | None) -> None:
        """Copy to other hosts from now on, or to none. What waits goes to them or is dropped."""
        self._shadow = shadow
        if shadow is None:
            self._drop_waiting()

    def offer(self, copy: Copy) -> None:
        """Copy a prediction if it is its turn and there is room for it."""
        shadow = self._active
        if shadow is None or self._draw() >= shadow.share:
            return
        size = len(copy.content)
        if size > self._bounds.copy_bytes:
            self._drop("too_large")
        elif len(self._waiting) >= self._bounds.queue or self._held + size > self._bounds.held_bytes:
            self._drop("queue_full")
        else:
            self._waiting.append(copy)
            self._held += size
            if len(self._workers) < self._bounds.connections:
                worker = asyncio.get_running_loop().create_task(self._work())
                self._workers.add(worker)
                worker.add_done_callback(self._workers.discard)

    def close(self) -> None:
        """Forget all copies, also those that are under way."""
        self._shadow = None
        self._drop_waiting()
        for worker in self._workers:
            worker.cancel()
        if self._client is not None:
            self._client.close()

    @property
    def _active(self) -> Shadow | None:
        return self._shadow if self._shadow and self._now() < self._shadow.until else None

    async def _work(self) -> None:
        while self._waiting:
            copy = self._waiting.popleft()
            try:
                await self._send(copy)
            finally:
                self._held -= len(copy.content)

    async def _send(self, copy: Copy) -> None:
        shadow = self._active
        if shadow is None:
            self._drop("ended")
            return
        self._metrics.counter("shadow_copies").inc()
        try:
            answer = await self._ask(random.choice(shadow.targets), copy)  # noqa: S311 - no secret
        except HTTPTimeoutError:
            self._fail("timeout")
        except Exception:  # whatever happens to a copy, it happens to nobody else
            self._fail("unreachable")
        else:
            self._judge(copy, answer)

    async def _ask(self, target: str, copy: Copy) -> HTTPResponse:
        if self._client is None:
            self._client = SimpleAsyncHTTPClient(
                force_instance=True,
                max_clients=self._bounds.connections,
                max_body_size=self._bounds.answer_bytes,
                max_buffer_size=self._bounds.answer_bytes,
            )
        request = HTTPRequest(
            f"http://{target}/predict",
            method="POST",
            body=copy.content,
            headers={"Content-Type": copy.kind, "X-Request-Id": copy.request_id, HEADER: "1"},
            connect_timeout=self._bounds.seconds,
            request_timeout=self._bounds.seconds,
            follow_redirects=False,
            decompress_response=False,
        )
        return await self._client.fetch(request, raise_error=False)

    def _judge(self, copy: Copy, answer: HTTPResponse) -> None:
        if answer.code != 200:
            self._fail("refused")
            return
        try:
            found = compare(copy, answer.body)
        except (ValueError, LookupError, TypeError, AttributeError):
            self._fail("unreadable")
            return
        self._metrics.counter("shadow_compared").labels("yes" if found.agrees else "no").inc()
        self._metrics.histogram("shadow_seconds").labels("live").observe(copy.seconds)
        self._metrics.histogram("shadow_seconds").labels("candidate").observe(found.seconds)
        self._metrics.histogram("shadow_confidence_difference").observe(abs(found.confidence_difference))
        counted = {
            "shadow_compared": 1,
            "shadow_agreed": int(found.agrees),
            "shadow_slower": int(found.slower),
            "shadow_classes": found.classes,
            "shadow_classes_in_common": found.common,
        }
        for key, number in counted.items():
            self._telemetry.count(key, number)
        self._telemetry.value("shadow_confidence_difference", abs(found.confidence_difference))

    def _drop(self, reason: str) -> None:
        self._metrics.counter("shadow_dropped").labels(reason).inc()
        self._telemetry.count("shadow_dropped", 1, reason=reason)

    def _fail(self, reason: str) -> None:
        self._metrics.counter("shadow_failed").labels(reason).inc()
        self._telemetry.count("shadow_failed", 1, reason=reason)

    def _drop_waiting(self) -> None:
        for copy in self._waiting:
            self._held -= len(copy.content)
            self._drop("ended")
        self._waiting.clear()
