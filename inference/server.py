"""Life of the serving process: load, warm up, serve, drain, end."""

import asyncio
import signal
import time
from dataclasses import dataclass

import numpy as np
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from bundle import Bundle
from bundle.manifest import BackendName
from inference import logs
from inference.app import application
from inference.backends import Backend, BackendError, open_backend
from inference.decode import Decoder
from inference.engine import Engine
from inference.metrics import Metrics
from inference.predict import Predictor
from inference.settings import Settings
from inference.state import Phase, State

# Longer than the idle timeout of an Application Load Balancer (60 s by default), so that the balancer is who closes.
_IDLE_SECONDS = 75


@dataclass(frozen=True)
class Server:
    """One model served on one port.

    Attributes:
        backend: engine to use, among those that the bundle has a program for.
        threads: CPU threads for inference, and for decoding.
    """

    bundle: Bundle
    backend: BackendName
    threads: int
    settings: Settings

    async def run(self) -> None:
        """Serve until SIGTERM (drains first) or SIGINT (does not).

        Raises:
            OSError: the address cannot be listened on.
            BackendError: the model cannot be loaded or does not answer probabilities.
        """
        started = time.perf_counter()
        predictor = self._predictor()
        sockets = bind_sockets(self.settings.port, self.settings.address)
        http = HTTPServer(application(predictor, self.backend, self.threads), idle_connection_timeout=_IDLE_SECONDS)
        http.add_sockets(sockets)
        address, port = sockets[0].getsockname()[:2]
        logs.info("listening", address=address, port=port, **predictor.model)
        signals = _Signals()
        predictor.engine = await asyncio.to_thread(self._warm_engine, predictor.metrics)
        predictor.state.warmed_up()
        logs.info("ready", backend=self.backend, threads=self.threads, seconds=round(time.perf_counter() - started, 3))
        await signals.any()
        await self._drain(predictor.state, signals)
        http.stop()
        predictor.state.stop()
        await self._finish(predictor)
        await http.close_all_connections()
        predictor.engine.close()
        predictor.decoder.close()
        logs.info("ended")

    def _predictor(self) -> Predictor:
        manifest, state, metrics = self.bundle.manifest, State(), Metrics()
        model = {"name": manifest.name, "version": manifest.version, "digest": self.bundle.digest}
        metrics.ready.set_function(lambda: state.phase is Phase.READY)
        metrics.model.labels(**model, backend=self.backend).set(1)
        decoder = Decoder(manifest.preprocessing, self.settings.max_pixels, self.threads)
        return Predictor(manifest, model, decoder, self.settings, state, metrics)

    def _warm_engine(self, metrics: Metrics) -> Engine:
        backend = open_backend(self.bundle, self.backend, self.threads)
        warm_up(backend, self.bundle)
        return Engine(backend, metrics)

    async def _drain(self, state: State, signals: "_Signals") -> None:
        """Keep serving until load balancers have seen /ready say 503; an interrupt ends the wait."""
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
        """Wait for the answers that are under way; none takes longer than the deadline."""
        limit = time.monotonic() + self.settings.deadline_seconds
        while predictor.in_flight and time.monotonic() < limit:
            await asyncio.sleep(0.01)


def warm_up(backend: Backend, bundle: Bundle) -> None:
    """Run one inference, so that the first request finds everything allocated.

    Raises:
        BackendError: the answer is not one probability distribution over the bundle's classes.
    """
    crop, classes = bundle.manifest.preprocessing.crop, len(bundle.manifest.classes)
    answer = backend.predict(np.zeros((1, 3, crop, crop), np.float32))
    if answer.shape != (1, classes) or not np.isclose(answer.sum(), 1, atol=1e-3) or answer.min() < 0:
        raise BackendError(f"the model answers shape {answer.shape}, not probabilities of {classes} classes")


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
