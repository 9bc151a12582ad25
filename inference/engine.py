"""Work on inputs in threads of its own, one for each stream of the backend, supervised.

A thread makes the inputs of a batch (decodes the photos) and infers them. So no more threads compute than there are cores:
with more, one that holds the interpreter's lock waits for a core, and the event loop waits for that lock.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference import logs
from inference.backends import Backend
from inference.batching import BatchQueue, Job
from inference.cpus import step_back
from inference.metrics import Metrics

# A worker that dies is replaced; one more death than this within a minute is no accident.
_MAX_RESTARTS = 3
_RESTART_WINDOW_SECONDS = 60.0


class EngineError(Exception):
    """An input got no answer because of the engine, or the engine is beyond repair."""


_Outcome = NDArray[np.float32] | Exception


class _Worker:
    """One thread.

    Attributes:
        jobs: what it infers at the moment.
        busy_since: when it began that (`time.monotonic`).
    """

    def __init__(self, target: Callable[["_Worker"], None]) -> None:
        self.jobs: list[Job] = []
        self.busy_since = 0.0
        self.thread = threading.Thread(target=target, args=(self,), name="worker", daemon=True)


class Engine:
    """Runs the backend on batches of what waits, in the order of arrival. The caller bounds how many wait.

    Args:
        wait_seconds: how long an input waits for others to join it.
        hang_seconds: time after which a batch counts as hanging. Far above the deadline of a request.
    """

    def __init__(self, backend: Backend, metrics: Metrics, *, wait_seconds: float = 0.0, hang_seconds: float = 30.0) -> None:
        self._backend = backend
        self._metrics = metrics
        self._hang_seconds = hang_seconds
        self._queue = BatchQueue(backend.batch_sizes, wait_seconds)
        self._lock = threading.Lock()
        self._restarts: deque[float] = deque()
        self._failure: EngineError | None = None
        self._workers: list[_Worker] = []
        for _ in range(backend.streams):
            self._start_worker()

    @property
    def streams(self) -> int:
        """Inferences that run at once."""
        return self._backend.streams

    @property
    def failure(self) -> EngineError | None:
        """Why nothing will be answered any more; None while all is well."""
        return self._failure

    async def predict(self, read: Callable[[], NDArray[Any]]) -> NDArray[np.float32]:
        """Return the probabilities, shape (classes,), of one input.

        A caller that is cancelled while its input waits costs nothing more.

        Args:
            read: makes the input, of the model's shape and type; it is called in a thread.

        Raises:
            EngineError: the thread died, hung or answered what is no number.
            Exception: what `read`, or the backend for this input alone, raised.
        """
        job = Job(read, asyncio.get_running_loop().create_future())
        if not self._queue.put(job):
            raise EngineError(str(self._failure or "inference has ended"))
        try:
            return await job.answer
        except asyncio.CancelledError:
            self._queue.discard(job)
            raise

    async def supervise(self) -> EngineError:
        """Replace workers that hang, until the engine is beyond repair; return why it is."""
        while self._failure is None:
            await asyncio.sleep(min(1.0, self._hang_seconds / 4))
            limit = time.monotonic() - self._hang_seconds
            for worker in list(self._workers):
                if worker.jobs and worker.busy_since < limit:
                    self._replace(worker, TimeoutError(f"an inference took more than {self._hang_seconds:g} s"))
        return self._failure

    def close(self) -> None:
        """End the threads once what was queued is answered; one that hangs in the backend does not hold up the process."""
        self._queue.close()
        limit = time.monotonic() + 1
        for worker in list(self._workers):
            worker.thread.join(timeout=max(0.0, limit - time.monotonic()))

    def _start_worker(self) -> bool:
        worker = _Worker(self._run)
        self._workers.append(worker)
        try:
            worker.thread.start()
        except RuntimeError:  # The system gives no more threads.
            self._workers.remove(worker)
            return False
        return True

    def _run(self, worker: _Worker) -> None:
        try:
            step_back()
            while worker in self._workers and (jobs := self._queue.take()):
                worker.busy_since, worker.jobs = time.monotonic(), jobs
                self._infer([(job, item) for job in jobs if (item := self._read(job)) is not None])
                worker.jobs = []
        except BaseException as error:  # Whatever ended the thread, its requests get an answer.
            self._replace(worker, error)

    def _read(self, job: Job) -> NDArray[Any] | None:
        """Return the input; None if there is none, or nobody who waits for its answer."""
        if job.answer.done():
            return None
        started = time.perf_counter()
        self._metrics.histogram("queue_seconds").observe(started - job.queued_at)
        try:
            item = job.read()
        except Exception as error:
            self._settle([job], [error])
            return None
        self._metrics.histogram("decode_seconds").observe(time.perf_counter() - started)
        return item

    def _infer(self, inputs: list[tuple[Job, NDArray[Any]]]) -> None:
        """Answer a batch. If it fails as a whole, each input is tried alone: only the one that is at fault suffers."""
        inputs = [(job, item) for job, item in inputs if not job.answer.done()]
        if not inputs:
            return
        jobs = [job for job, _ in inputs]
        started = time.perf_counter()
        try:
            batch = inputs[0][1][None] if len(inputs) == 1 else np.stack([item for _, item in inputs])
            answers = self._backend.predict(batch)
            outcomes = [_checked(answers[index]) for index in range(len(inputs))]
        except Exception as error:
            if len(inputs) == 1:
                self._settle(jobs, [error])
            else:
                for one in inputs:
                    self._infer([one])
            return
        self._metrics.histogram("inference_seconds").observe(time.perf_counter() - started)
        self._metrics.histogram("batch_size").observe(len(inputs))
        self._settle(jobs, outcomes)

    def _replace(self, worker: _Worker, cause: BaseException) -> None:
        """Answer what a lost worker had taken, and put another in its place, unless that happens too often."""
        with self._lock:
            if worker not in self._workers:
                return
            self._workers.remove(worker)
            now = time.monotonic()
            self._restarts.append(now)
            while self._restarts[0] < now - _RESTART_WINDOW_SECONDS:
                self._restarts.popleft()
            beyond_repair = len(self._restarts) > _MAX_RESTARTS or not self._start_worker()
        self._metrics.counter("worker_restarts").inc()
        logs.error("an inference worker was lost", inputs=len(worker.jobs), exc_info=cause)
        self._settle(worker.jobs, [EngineError("the inference of this input was lost")] * len(worker.jobs))
        if beyond_repair:
            self._failure = EngineError(f"inference workers keep being lost, the last one by {cause!r}")
            self._queue.close()
            waiting = self._queue.clear()
            self._settle(waiting, [self._failure] * len(waiting))

    @staticmethod
    def _settle(jobs: list[Job], outcomes: Sequence[_Outcome]) -> None:
        def settle() -> None:
            for job, outcome in zip(jobs, outcomes, strict=True):
                if job.answer.done():
                    continue
                if isinstance(outcome, Exception):
                    job.answer.set_exception(outcome)
                else:
                    job.answer.set_result(outcome)

        # A loop that is closed has nobody who waits.
        with suppress(RuntimeError):
            if jobs:
                jobs[0].answer.get_loop().call_soon_threadsafe(settle)


def _checked(probabilities: NDArray[np.float32]) -> _Outcome:
    """Return the answer of one input, or an error in its place where it is no number: JSON has none for that."""
    return probabilities if np.isfinite(probabilities).all() else EngineError("the model's answer is no number")
