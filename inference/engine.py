"""Inference in its own thread, fed by a queue."""

import asyncio
import queue
import threading
import time
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from inference.backends import Backend
from inference.metrics import Metrics


@dataclass
class _Job:
    pixels: NDArray[np.float32]
    answer: "asyncio.Future[NDArray[np.float32]]"
    queued_at: float = field(default_factory=time.perf_counter)


class Engine:
    """Runs the backend for one request at a time, in the order of arrival. The caller bounds how many wait."""

    def __init__(self, backend: Backend, metrics: Metrics) -> None:
        self._backend = backend
        self._metrics = metrics
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="inference", daemon=True)
        self._thread.start()

    async def predict(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probabilities, shape (classes,), of one input of shape (3, crop, crop).

        A caller that is cancelled while its input waits costs no inference.
        """
        job = _Job(pixels, asyncio.get_running_loop().create_future())
        self._jobs.put(job)
        return await job.answer

    def close(self) -> None:
        """End the thread once what was queued is answered; one that hangs in the backend does not hold up the process."""
        self._jobs.put(None)
        self._thread.join(timeout=1)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            if job.answer.cancelled():
                continue
            started = time.perf_counter()
            self._metrics.queue_seconds.observe(started - job.queued_at)
            try:
                probabilities = self._backend.predict(job.pixels[None])[0]
            except Exception as error:  # Whatever the backend raises ends this request, not the thread.
                self._answer(job, error)
            else:
                self._metrics.inference_seconds.observe(time.perf_counter() - started)
                self._answer(job, probabilities)

    @staticmethod
    def _answer(job: _Job, outcome: NDArray[np.float32] | Exception) -> None:
        def deliver() -> None:
            if job.answer.done():
                return
            if isinstance(outcome, Exception):
                job.answer.set_exception(outcome)
            else:
                job.answer.set_result(outcome)

        job.answer.get_loop().call_soon_threadsafe(deliver)
