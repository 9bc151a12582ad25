"""This server at twice what it can bear: does it refuse politely, stay healthy, and come back?"""

import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass

from benchmarks.serving.contenders import OURS
from benchmarks.serving.inputs import Inputs
from benchmarks.serving.load import Answer, Request, closed_loop, open_loop
from benchmarks.serving.processes import free_port, running, wait_until_answering
from benchmarks.serving.rounds import CLIENTS, Say, environment
from benchmarks.serving.statistics import percentile

DEADLINE_SECONDS = 10.0  # The server's default.
HEALTH_SECONDS = 0.05
AS_BEFORE = 0.9
FACTOR = 2.0
_PROBE_SECONDS = 0.1


@dataclass(frozen=True)
class Verdict:
    """One promise about overload, whether it held, and the figure."""

    promise: str
    held: bool
    figure: str


class _Health(threading.Thread):
    """Asks /health ten times a second; a probe that gets no 200 counts as infinitely slow."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self._url = url
        self._ended = threading.Event()
        self.latencies: list[float] = []

    def run(self) -> None:
        while not self._ended.wait(_PROBE_SECONDS):
            started = time.perf_counter()
            try:
                with urllib.request.urlopen(self._url, timeout=5) as answer:
                    answer.read()
                self.latencies.append(time.perf_counter() - started)
            except (urllib.error.URLError, OSError):
                self.latencies.append(float("inf"))

    def end(self) -> None:
        self._ended.set()
        self.join()


def judge(answers: list[Answer], health: list[float], before: float, after: float) -> list[Verdict]:
    """Hold the figures against the promises.

    Args:
        answers: what arrived during the overload.
        health: seconds that each probe of /health took.
        before, after: requests per second in closed loop.
    """
    served = [answer.latency for answer in answers if answer.status == 200]
    refused = [answer for answer in answers if answer.status == 503]
    impolite = sum(not answer.retry_after for answer in refused)
    others = len(answers) - len(served) - len(refused)
    p99 = percentile(served, 99) if served else float("inf")
    slowest = max(health, default=float("inf"))
    return [
        Verdict(
            "every answer is 200, or 503 with Retry-After",
            not others and not impolite and bool(served),
            f"{len(served)} x 200, {len(refused)} x 503 ({impolite} without Retry-After), {others} others",
        ),
        Verdict(f"p99 of the 200s within {DEADLINE_SECONDS:g} s", p99 <= DEADLINE_SECONDS, f"{p99 * 1000:.0f} ms"),
        Verdict(
            f"/health within {HEALTH_SECONDS * 1000:g} ms",
            slowest <= HEALTH_SECONDS,
            f"slowest {slowest * 1000:.1f} ms, median {percentile(health or [slowest], 50) * 1000:.1f} ms of {len(health)}",
        ),
        Verdict(
            "throughput afterwards as before",
            after >= AS_BEFORE * before,
            f"{before:.1f}/s before, {after:.1f}/s after: {after / before:.2f}",
        ),
    ]


def run(inputs: Inputs, seconds: float, say: Say) -> list[Verdict]:
    """Measure what the server bears, send twice that for `seconds`, and measure again."""
    port = free_port()
    command = tuple(part.replace("{port}", str(port)).replace("{bundle}", str(inputs.bundle)) for part in OURS.command)
    request = inputs.request("small", port, OURS.path, None)
    with running(command, environment(OURS, OURS.configurations[0], inputs, port)) as (pid, log, _):
        wait_until_answering(pid, log, request)
        before = _sustained(request)
        say(f"sustains {before:.1f} requests per second; sends {FACTOR * before:.1f} for {seconds:g} s")
        probe = _Health(f"http://127.0.0.1:{port}/health")
        probe.start()
        try:
            answers = open_loop(request, FACTOR * before, seconds)
        finally:
            probe.end()
        return judge(answers, probe.latencies, before, _sustained(request))


def _sustained(request: Request) -> float:
    closed_loop(request, CLIENTS["small"], 2)
    return closed_loop(request, CLIENTS["small"], 10).requests_per_second
