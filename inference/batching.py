"""How waiting requests become batches."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(eq=False)
class Job:
    """One input, and the future of its probabilities.

    Attributes:
        read: makes the input, in the thread that infers it; what it raises is the answer.
    """

    read: Callable[[], NDArray[Any]]
    answer: "asyncio.Future[NDArray[np.float32]]"
    queued_at: float = field(default_factory=time.perf_counter)


class BatchQueue:
    """Jobs in the order of arrival, taken by several workers.

    A worker takes its share of what waits: with three jobs and two idle workers, two. Batches are never padded: on a CPU
    an input that nobody asked for costs as much as any other.

    Args:
        sizes: numbers of jobs that a batch may have, ascending, from 1.
        wait_seconds: how long the oldest job waits for others to join it.
    """

    def __init__(self, sizes: Sequence[int], wait_seconds: float) -> None:
        self._sizes = tuple(sizes)
        self._wait_seconds = wait_seconds
        self._jobs: deque[Job] = deque()
        self._idle = 0
        self._closed = False
        self._changed = threading.Condition()

    def __len__(self) -> int:
        return len(self._jobs)

    def put(self, job: Job) -> bool:
        """Add a job; return whether there will be anybody to take it."""
        with self._changed:
            if self._closed:
                return False
            self._jobs.append(job)
            self._changed.notify()
            return True

    def discard(self, job: Job) -> None:
        """Take a job out that nobody waits for any more, if it is still there."""
        with self._changed:
            if job in self._jobs:
                self._jobs.remove(job)

    def take(self) -> list[Job]:
        """Wait for jobs and return a batch; none once the queue is closed and empty."""
        with self._changed:
            self._idle += 1
            try:
                while True:
                    while not self._jobs:
                        if self._closed:
                            return []
                        self._changed.wait()
                    self._wait_for_others()
                    if self._jobs:
                        return [self._jobs.popleft() for _ in range(self._share())]
            finally:
                self._idle -= 1

    def close(self) -> None:
        """Let the workers end once everything that waits is taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def clear(self) -> list[Job]:
        """Take everything out."""
        with self._changed:
            jobs = list(self._jobs)
            self._jobs.clear()
            return jobs

    def _wait_for_others(self) -> None:
        while self._jobs and len(self._jobs) < self._sizes[-1] and not self._closed:
            remaining = self._jobs[0].queued_at + self._wait_seconds - time.perf_counter()
            if remaining <= 0:
                return
            self._changed.wait(remaining)

    def _share(self) -> int:
        share = -(-len(self._jobs) // self._idle)
        return next(size for size in reversed(self._sizes) if size <= share)
