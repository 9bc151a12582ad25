"""Batches, poisonous inputs, and workers that die or hang: the engine around backends that obey the test."""

import asyncio
import os
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.engine import Engine, EngineError
from inference.metrics import Metrics

POISON = -1.0


class FakeBackend:
    """Answers each input (one number) with [number, 1 - number], once it is released; remembers what it was given."""

    def __init__(self, streams: int = 1, batch_sizes: tuple[int, ...] = (1, 2, 4)) -> None:
        self.streams = streams
        self.batch_sizes = batch_sizes
        self.max_batch = batch_sizes[-1]
        self.released = threading.Event()
        self.released.set()
        self.batches: list[list[float]] = []
        self.niceness: set[int] = set()
        self.on_poison: Callable[[], None] | None = None

    @property
    def seen(self) -> list[float]:
        return [number for batch in self.batches for number in batch]

    def predict(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        numbers = [float(number) for number in batch[:, 0]]
        self.batches.append(numbers)
        self.niceness.add(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        assert self.released.wait(10)
        if self.on_poison and POISON in numbers:
            self.on_poison()
        return np.stack([batch[:, 0], 1 - batch[:, 0]], axis=1)


def run(scenario: Callable[[Engine], Awaitable[None]], backend: FakeBackend, **options: Any) -> Metrics:
    """Run a scenario with an engine around the backend; return the metrics."""
    metrics = Metrics()

    async def main() -> None:
        engine = Engine(backend, metrics, **options)
        try:
            async with asyncio.timeout(20):
                await scenario(engine)
        finally:
            backend.released.set()
            engine.close()

    asyncio.run(main())
    return metrics


def ask(engine: Engine, number: float) -> "asyncio.Task[NDArray[np.float32]]":
    return asyncio.ensure_future(engine.predict(lambda: np.array([number], np.float32)))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


async def outcomes(tasks: "list[asyncio.Task[NDArray[np.float32]]]") -> list[Any]:
    """Return the first number of each answer, or the error in its place."""
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    return [answer if isinstance(answer, BaseException) else round(float(answer[0]), 3) for answer in answers]


async def queued(engine: Engine, backend: FakeBackend, numbers: list[float]) -> list[Any]:
    """Occupy the only worker, and queue these numbers behind what it does; the caller releases it."""
    backend.released.clear()
    first = ask(engine, 0.0)
    await until(lambda: backend.batches == [[0.0]])
    behind = [ask(engine, number) for number in numbers]
    await asyncio.sleep(0)
    return [first, *behind]


def test_what_waits_is_inferred_together_and_each_gets_its_own_answer() -> None:
    backend = FakeBackend()

    async def scenario(engine: Engine) -> None:
        tasks = await queued(engine, backend, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7])
        backend.released.set()
        assert await outcomes(tasks) == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]

    metrics = run(scenario, backend)
    # Of the three that are left, two make a size that runs without padding.
    assert [len(batch) for batch in backend.batches] == [1, 4, 2, 1]
    assert b'pettracker_batch_size_bucket{le="2.0"} 3.0' in metrics.exposition()
    assert b"pettracker_batch_size_sum 8.0" in metrics.exposition()
    assert b"pettracker_queue_seconds_count 8.0" in metrics.exposition()


def test_idle_streams_share_what_waits() -> None:
    backend = FakeBackend(streams=2)

    async def scenario(engine: Engine) -> None:
        backend.released.clear()
        busy = [ask(engine, 0.0), ask(engine, 0.0)]
        await until(lambda: len(backend.batches) == 2)
        tasks = [ask(engine, number) for number in (0.1, 0.2, 0.3, 0.4)]
        await asyncio.sleep(0)
        backend.released.set()
        assert await outcomes([*busy, *tasks]) == [0.0, 0.0, 0.1, 0.2, 0.3, 0.4]

    run(scenario, backend)
    assert sorted(backend.seen) == pytest.approx([0.0, 0.0, 0.1, 0.2, 0.3, 0.4])


def test_an_input_waits_for_others_to_join_it() -> None:
    backend = FakeBackend()

    async def scenario(engine: Engine) -> None:
        first = ask(engine, 0.1)
        await asyncio.sleep(0.05)
        assert backend.batches == []
        assert await outcomes([first, *(ask(engine, number) for number in (0.2, 0.3, 0.4))]) == [0.1, 0.2, 0.3, 0.4]

    run(scenario, backend, wait_seconds=15.0)
    assert [len(batch) for batch in backend.batches] == [4]


def test_the_wait_for_others_has_an_end() -> None:
    backend = FakeBackend()

    async def scenario(engine: Engine) -> None:
        assert await outcomes([ask(engine, 0.1)]) == [0.1]

    run(scenario, backend, wait_seconds=0.05)


def test_an_input_that_cannot_be_read_fails_alone() -> None:
    backend = FakeBackend()
    unreadable = ValueError("unreadable")

    def read() -> NDArray[np.float32]:
        raise unreadable

    async def scenario(engine: Engine) -> None:
        first, one, other = await queued(engine, backend, [0.1, 0.2])
        bad = asyncio.ensure_future(engine.predict(read))
        await asyncio.sleep(0)
        backend.released.set()
        assert await outcomes([first, one, other, bad]) == [0.0, 0.1, 0.2, unreadable]

    metrics = run(scenario, backend)
    assert b"pettracker_decode_seconds_count 3.0" in metrics.exposition()


def test_no_more_threads_work_than_there_are_streams() -> None:
    backend, lock = FakeBackend(streams=2), threading.Lock()
    at_once, most = 0, 0

    def read() -> NDArray[np.float32]:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        time.sleep(0.01)
        with lock:
            at_once -= 1
        return np.array([0.1], np.float32)

    async def scenario(engine: Engine) -> None:
        await asyncio.gather(*(engine.predict(read) for _ in range(20)))

    run(scenario, backend)
    assert most == 2


def test_a_cancelled_input_never_reaches_the_backend() -> None:
    backend = FakeBackend()

    async def scenario(engine: Engine) -> None:
        first, gone, stays = await queued(engine, backend, [0.1, 0.2])
        gone.cancel()
        with suppress(asyncio.CancelledError):
            await gone
        assert len(engine._queue) == 1, "what it held is given back at once"
        backend.released.set()
        assert await outcomes([first, stays]) == [0.0, 0.2]

    run(scenario, backend)
    assert backend.seen == pytest.approx([0.0, 0.2])


def test_an_input_cancelled_while_it_is_inferred_harms_nobody() -> None:
    backend = FakeBackend()

    async def scenario(engine: Engine) -> None:
        (first,) = await queued(engine, backend, [])
        first.cancel()
        backend.released.set()
        assert await outcomes([ask(engine, 0.1)]) == [0.1]

    run(scenario, backend)


@pytest.mark.parametrize("failure", [ValueError("poison"), MemoryError()])
def test_a_poisonous_input_fails_alone(failure: Exception) -> None:
    backend = FakeBackend()

    def fail() -> None:
        raise failure

    backend.on_poison = fail

    async def scenario(engine: Engine) -> None:
        tasks = await queued(engine, backend, [0.1, POISON, 0.3, 0.4])
        backend.released.set()
        assert await outcomes(tasks) == [0.0, 0.1, failure, 0.3, 0.4]
        assert await outcomes([ask(engine, 0.5)]) == [0.5]

    metrics = run(scenario, backend)
    assert [len(batch) for batch in backend.batches] == [1, 4, 1, 1, 1, 1, 1]
    assert b"pettracker_worker_restarts_total 0.0" in metrics.exposition()


def test_an_answer_that_is_no_number_is_an_error_of_that_input() -> None:
    backend = FakeBackend()

    async def scenario(engine: Engine) -> None:
        tasks = await queued(engine, backend, [0.1, float("nan")])
        backend.released.set()
        first, second, third = await outcomes(tasks)
        assert (first, second) == (0.0, 0.1)
        assert isinstance(third, EngineError)

    run(scenario, backend)


@pytest.mark.parametrize("death", [SystemExit("dead"), KeyboardInterrupt()])
def test_a_worker_that_dies_is_replaced_and_only_what_it_had_fails(death: BaseException) -> None:
    backend = FakeBackend()

    def die() -> None:
        raise death

    backend.on_poison = die

    async def scenario(engine: Engine) -> None:
        first, doomed, *later = await queued(engine, backend, [POISON])
        backend.released.set()
        failed = await outcomes([first, doomed])
        assert failed[0] == 0.0
        assert isinstance(failed[1], EngineError)
        assert await outcomes([ask(engine, 0.2), *later]) == [0.2]
        assert engine.failure is None

    metrics = run(scenario, backend)
    assert b"pettracker_worker_restarts_total 1.0" in metrics.exposition()


def test_workers_that_keep_dying_make_the_engine_fail() -> None:
    backend = FakeBackend(batch_sizes=(1,))

    def die() -> None:
        raise SystemExit

    backend.on_poison = die

    async def scenario(engine: Engine) -> None:
        supervision = asyncio.ensure_future(engine.supervise())
        tasks = await queued(engine, backend, [POISON] * 4 + [0.5])
        backend.released.set()
        first, *rest = await outcomes(tasks)
        assert first == 0.0
        assert [type(outcome) for outcome in rest] == [EngineError] * 5, "what waited is told, too"
        assert await supervision is engine.failure is not None
        with pytest.raises(EngineError, match="keep being lost"):
            await engine.predict(lambda: np.array([0.5], np.float32))

    metrics = run(scenario, backend)
    assert b"pettracker_worker_restarts_total 4.0" in metrics.exposition()
    assert 0.5 not in backend.seen


def test_a_worker_that_hangs_is_replaced() -> None:
    backend = FakeBackend()

    async def scenario(engine: Engine) -> None:
        supervision = asyncio.ensure_future(engine.supervise())
        (stuck,) = await queued(engine, backend, [])
        assert isinstance((await outcomes([stuck]))[0], EngineError)
        behind = ask(engine, 0.2)
        await until(lambda: backend.seen == pytest.approx([0.0, 0.2]))
        # The thread that hung comes back: its answer is too late, and it takes no more.
        backend.released.set()
        assert await outcomes([behind, ask(engine, 0.3)]) == [0.2, 0.3]
        assert engine.failure is None
        supervision.cancel()

    metrics = run(scenario, backend, hang_seconds=0.2)
    assert b"pettracker_worker_restarts_total 1.0" in metrics.exposition()


def test_closing_answers_what_is_queued() -> None:
    backend = FakeBackend()

    async def scenario(engine: Engine) -> None:
        tasks = await queued(engine, backend, [0.1, 0.2])
        backend.released.set()
        await asyncio.to_thread(engine.close)
        assert await outcomes(tasks) == [0.0, 0.1, 0.2]
        assert isinstance((await outcomes([ask(engine, 0.3)]))[0], EngineError)

    run(scenario, backend)


def test_inference_yields_to_the_event_loop() -> None:
    backend = FakeBackend(streams=2)

    async def scenario(engine: Engine) -> None:
        await asyncio.gather(*(ask(engine, 0.1) for _ in range(8)))

    before = os.getpriority(os.PRIO_PROCESS, 0)
    run(scenario, backend)
    assert min(backend.niceness) > os.getpriority(os.PRIO_PROCESS, 0) == before
