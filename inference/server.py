"""Life of the serving process: load, warm up, serve, drain, end."""

import asyncio
import gc
import signal
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from tornado.netutil import bind_sockets

from bundle import Bundle
from bundle.images import Limits
from inference import logs
from inference.app import application
from inference.backends import Backend, BackendError, open_backend
from inference.connections import BoundedServer
from inference.cpus import step_back
from inference.decode import Decoder
from inference.engine import Engine, EngineError
from inference.features import FeatureReader
from inference.metrics import Metrics
from inference.predict import InputReader, Predictor
from inference.settings import Settings
from inference.state import Phase, State
from inference.telemetry import Telemetry

# Connections that wait to be accepted; the system may allow fewer (net.core.somaxconn).
_BACKLOG = 1024


@dataclass(frozen=True)
class Server:
    """One model served on one port.

    Attributes:
        program: name of the program to run, among those of the bundle.
        threads: CPU threads for inference, and for decoding.
    """

    bundle: Bundle
    program: str
    threads: int
    settings: Settings

    async def run(self) -> None:
        """Serve until SIGTERM (drains first) or SIGINT (does not).

        Raises:
            OSError: the address cannot be listened on.
            BackendError: the model cannot be loaded or does not answer probabilities.
            EngineError: the model does not get ready, or inference keeps failing. Threads may hang in native code: end the
                process without waiting for them.
        """
        started = time.perf_counter()
        predictor = self._predictor()
        sockets = bind_sockets(self.settings.port, self.settings.address, backlog=_BACKLOG)
        app = application(predictor, self.program, self.threads)
        http = BoundedServer(app, predictor.metrics, self.settings.body_seconds)
        http.add_sockets(sockets)
        address, port = sockets[0].getsockname()[:2]
        logs.info("listening", address=address, port=port, **predictor.model)
        signals = _Signals()
        backend = await self._backend_in_time()
        predictor.engine = engine = Engine(backend, predictor.metrics, wait_seconds=self.settings.batch_wait_seconds)
        # What lives as long as the process is never looked at again: collecting it stopped every thread for 50 ms or more.
        gc.collect()
        gc.freeze()
        predictor.state.warmed_up()
        logs.info("ready", program=self.program, threads=self.threads, seconds=round(time.perf_counter() - started, 3))
        zeros = asyncio.ensure_future(predictor.telemetry.count_no_errors())
        failure = await self._serve(engine, predictor.state, signals)
        zeros.cancel()
        http.stop()
        if failure or signals.interrupted:
            predictor.state.stop()
        predictor.mirror.close()
        await self._finish(predictor)
        predictor.state.stop()
        await http.close_all_connections()
        engine.close()
        predictor.reader.close()
        predictor.telemetry.close()
        if failure:
            raise failure
        logs.info("ended")

    def _predictor(self) -> Predictor:
        manifest, state, metrics = self.bundle.manifest, State(), Metrics()
        model = {"name": manifest.name, "version": manifest.version, "digest": self.bundle.digest}
        metrics.gauge("ready").set_function(lambda: state.phase is Phase.READY)
        metrics.gauge("model").labels(**model, program=self.program).set(1)
        telemetry = Telemetry(self.settings.statsd_address)
        return Predictor(manifest, model, self._reader(), self.settings, state, metrics, telemetry=telemetry)

    def _reader(self) -> InputReader:
        wanted = self.bundle.manifest.input
        if wanted.kind == "features":
            return FeatureReader(wanted.names)
        limits = Limits(self.settings.max_pixels, self.settings.max_side)
        return Decoder(wanted.preprocessing, limits)

    async def _backend_in_time(self) -> Backend:
        # A thread of its own: the event loop's pool would wait at the end for one that hangs in native code.
        outcome: Future[Backend] = Future()

        def load() -> None:
            outcome.set_running_or_notify_cancel()
            try:
                outcome.set_result(self._warm_backend())
            except Exception as error:
                outcome.set_exception(error)

        threading.Thread(target=load, name="load", daemon=True).start()
        limit = self.settings.start_seconds
        try:
            return await asyncio.wait_for(asyncio.wrap_future(outcome), limit)
        except TimeoutError:
            raise EngineError(f"the model was not ready {limit:g} s after the start (--start-seconds)") from None

    def _warm_backend(self) -> Backend:
        # Threads that the backend starts while it loads take its priority over.
        step_back()
        backend = open_backend(self.bundle, self.program, self.threads, self.settings.batch_size)
        warm_up(backend, self.bundle)
        return backend

    async def _serve(self, engine: Engine, state: State, signals: "_Signals") -> EngineError | None:
        """Serve until a signal, and drain; or until the engine is beyond repair, and return why it is."""
        broken, ended = (asyncio.ensure_future(engine.supervise()), asyncio.ensure_future(self._until_drained(state, signals)))
        await asyncio.wait([broken, ended], return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        if broken.done():
            # No drain: there is nothing to serve with. The service manager starts the process anew within seconds; if that
            # does not help, the balancer's health checks have the host replaced.
            logs.error("inference is beyond repair", reason=str(broken.result()))
            return broken.result()
        broken.cancel()
        ended.result()
        return None

    async def _until_drained(self, state: State, signals: "_Signals") -> None:
        """Keep serving until load balancers have seen /ready say 503; an interrupt ends the wait."""
        await signals.any()
        if signals.interrupted:
            return
        state.drain()
        seconds = max(0.0, self.settings.drain_seconds - state.drained_seconds)
        logs.info("draining", seconds=round(seconds, 1))
        try:
            await asyncio.wait_for(signals.interrupt(), seconds)
        except TimeoutError:
            return

    async def _finish(self, predictor: Predictor) -> None:
        """Wait for the answers that are under way, and after a drain for the bodies that are still coming.

        A client on a slow line may have begun to send just before the balancer knew. None takes longer than a body may, and
        then the deadline.
        """
        limit = time.monotonic() + self.settings.body_seconds + self.settings.deadline_seconds
        while predictor.has_work and time.monotonic() < limit:
            await asyncio.sleep(0.01)


def warm_up(backend: Backend, bundle: Bundle) -> None:
    """Run every batch size in every stream, so that the first requests find everything allocated.

    Raises:
        BackendError: the answer is not one probability distribution over the bundle's classes for each input.
    """
    wanted, classes = bundle.manifest.input, len(bundle.manifest.classes)

    def run(size: int) -> None:
        answer = backend.predict(np.zeros((size, *wanted.shape), wanted.dtype))
        if answer.shape != (size, classes) or not np.allclose(answer.sum(axis=1), 1, atol=1e-3) or answer.min() < 0:
            raise BackendError(f"the model answers shape {answer.shape}, not probabilities of {classes} classes")

    with ThreadPoolExecutor(backend.streams, initializer=step_back) as streams:
        for size in backend.batch_sizes:
            list(streams.map(run, [size] * backend.streams))


class _Signals:
    """SIGTERM and SIGINT of this process, as events of the running loop."""

    def __init__(self) -> None:
        self._any = asyncio.Event()
        self._interrupt = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._any.set)
        loop.add_signal_handler(signal.SIGINT, self._on_interrupt)

    @property
    def interrupted(self) -> bool:
        return self._interrupt.is_set()

    async def any(self) -> None:
        await self._any.wait()

    async def interrupt(self) -> None:
        await self._interrupt.wait()

    def _on_interrupt(self) -> None:
        self._interrupt.set()
        self._any.set()
