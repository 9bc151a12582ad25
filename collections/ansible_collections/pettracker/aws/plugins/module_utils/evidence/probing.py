"""Asks a service the golden inputs in rounds, and counts what it does besides. Python's standard library only.

Rounds begin at the same times on every host, so that what disturbs a machine, or all of them, hits the same round of each.
"""

import hashlib
import json
import math
import mimetypes
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .exposition import PREDICT, counters
from .processor_time import between, listener, threads


@dataclass(frozen=True)
class Input:
    """One golden input: the sha256 of its content, its media type, and the content."""

    digest: str
    kind: str
    content: bytes


@dataclass(frozen=True)
class Pace:
    """When a host is asked. Round n begins n * `interval` seconds after the epoch, by the host's own clock.

    Attributes:
        interval: seconds from one round to the next.
        slot: share of the interval after which it is this host's turn (0 to 1), so that hosts alternate.
    """

    interval: float
    slot: float

    def next(self, after: float) -> tuple[int, float]:
        """Returns number and time of the first turn that is not before a time."""
        number = math.ceil(after / self.interval - self.slot)
        return number, (number + self.slot) * self.interval


@dataclass
class Seen:
    """What one host did while it was watched.

    Attributes:
        rounds: by number, and then by the sha256 of the input, seconds: from request to answer, of processor time that the
            service spent meanwhile, and of waiting for a processor, of the service's threads and of who asks. The last two are
            None where the kernel does not count.
        errors: of the asked inputs, one sentence each.
        answered: how many were answered, whatever the status.
        failed: of these, with status 500 and above, which the service counts as its errors.
        buckets: live answers within each bound in seconds, as Prometheus writes it; those during rounds are left out.
    """

    rounds: dict[str, dict[str, list[float | None]]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    answered: int = 0
    failed: int = 0
    buckets: dict[str, int] = field(default_factory=dict)


def ask(url: str, timeout: float, data: bytes | None = None, kind: str = "") -> tuple[int, bytes]:
    """Returns status and body; status 0 and the reason where there is no answer."""
    headers = {"Content-Type": kind} if kind else {}
    request = urllib.request.Request(url, data=data, headers=headers)  # noqa: S310 - the role gives an http address
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:  # noqa: S310 - the same
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError as error:
        return 0, str(error).encode()


def said(status: int, body: bytes) -> str:
    """Returns an answer that is none, for people."""
    return f"{status or 'no answer'}: {body[:200].decode(errors='replace')}"


def golden_inputs(bundle: Path) -> list[Input]:
    """Returns the golden inputs of a bundle; the format is bundle/golden.py's.

    Raises:
        OSError, ValueError, KeyError: the bundle cannot be read.
    """
    cases = json.loads((bundle / "golden" / "answers.json").read_text())["cases"]
    inputs = []
    for name in sorted({case["input"] for case in cases}):
        content = (bundle / "golden" / name).read_bytes()
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        inputs.append(Input(hashlib.sha256(content).hexdigest(), kind, content))
    return inputs


class Probe:
    """Watches one service from its own host.

    Args:
        url: base address of the service, with its port.
        timeout: seconds for each request.
        metrics: names of the service's metrics, as `counters` takes them.
    """

    def __init__(self, url: str, inputs: list[Input], timeout: float, metrics: dict[str, str]) -> None:
        self._url, self._inputs, self._timeout, self._metrics = url, inputs, timeout, metrics
        self._port = urllib.parse.urlsplit(url).port or 80
        self._latest: dict[str, Any] = {}
        self.seen = Seen()

    def watch(self, pace: Pace, seconds: float, ended: Callable[[float], bool]) -> dict[str, Any]:
        """Asks round after round; returns what was seen, with the `counters` of the begin and the end.

        Args:
            ended: waits so many seconds, and says whether the watch is over.
        """
        limit = time.time() + seconds
        first = self._latest = self.counters()
        while True:
            number, turn = pace.next(time.time())
            if turn >= limit or ended(turn - time.time()):
                break
            self._round(number, ended)
        last = self.counters()
        self._count_live(last)
        return {"before": first, "after": last} | asdict(self.seen)

    def counters(self) -> dict[str, Any]:
        """Returns what `/metrics` counts of predictions; nothing where it does not answer."""
        status, text = ask(f"{self._url}/metrics", self._timeout)
        return counters(text.decode(), self._metrics) if status == 200 else {}

    def _round(self, number: int, ended: Callable[[float], bool]) -> None:
        self._count_live(self.counters())
        service, taken = listener(self._port), {}
        for one in self._inputs:
            if ended(0):  # several that hang would hold up whoever waits
                break
            seconds = self._ask(one, service)
            if seconds:
                taken[one.digest] = seconds
        self.seen.rounds[str(number)] = taken
        self._latest = self.counters()

    def _ask(self, one: Input, service: int | None) -> list[float | None]:
        """Returns what `Seen.rounds` holds of one answer, or nothing where it is no prediction."""
        processes = [service, os.getpid()] if service else []
        before = [threads(process) for process in processes]
        begin = time.perf_counter()
        status, body = ask(self._url + PREDICT, self._timeout, one.content, one.kind)
        seconds = round(time.perf_counter() - begin, 6)
        spent = [between(earlier, threads(process)) for process, earlier in zip(processes, before, strict=True)]
        self.seen.answered += status > 0
        self.seen.failed += status >= 500
        if status != 200:
            self.seen.errors.append(said(status, body))
            return []
        theirs, ours = spent or (None, None)
        if theirs is None or ours is None:
            return [seconds, None, None]
        return [seconds, round(theirs.computing, 6), round(theirs.waiting + ours.waiting, 6)]

    def _count_live(self, now: dict[str, Any]) -> None:
        before = self._latest.get("buckets", {}) if now.get("started") == self._latest.get("started") else {}
        for bound, count in now.get("buckets", {}).items():
            self.seen.buckets[bound] = self.seen.buckets.get(bound, 0) + count - before.get(bound, 0)
