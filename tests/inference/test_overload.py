"""What happens when the model is slow or fails: the application in this process, around a backend that obeys the test."""

import asyncio
import json
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tornado.httpclient import AsyncHTTPClient, HTTPResponse
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port

from bundle import load
from inference.app import application
from inference.decode import Decoder
from inference.engine import Engine
from inference.metrics import Metrics
from inference.predict import Predictor
from inference.settings import Settings
from inference.state import State
from tests.bundles import CAT, tiny_bundle


class ObedientBackend:
    """Answers when it is released, or raises what it is told to."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.failure: Exception | None = None
        self.calls = 0

    def predict(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        self.calls += 1
        self.released.wait(10)
        if self.failure:
            raise self.failure
        return np.full((len(batch), 6), 1 / 6, np.float32)


class Client:
    """Asks one server."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._http = AsyncHTTPClient(force_instance=True, max_clients=100)

    async def get(self, path: str) -> HTTPResponse:
        return await self._http.fetch(f"{self._url}{path}", raise_error=False)

    async def predict(self) -> HTTPResponse:
        headers = {"Content-Type": "image/jpeg"}
        return await self._http.fetch(
            f"{self._url}/predict", method="POST", body=CAT.read_bytes(), headers=headers, raise_error=False
        )


Scenario = Callable[[Client, ObedientBackend, Predictor], Awaitable[None]]


def run(scenario: Scenario, **limits: Any) -> None:
    """Run a scenario against a server with these limits."""

    async def main() -> None:
        bundle, backend, metrics = load(tiny_bundle()), ObedientBackend(), Metrics()
        settings, state = Settings(**limits), State()
        decoder = Decoder(bundle.manifest.preprocessing, settings.max_pixels, 2)
        predictor = Predictor(bundle.manifest, {"name": "tiny"}, decoder, settings, state, metrics)
        predictor.engine = Engine(backend, metrics)
        state.warmed_up()
        socket, port = bind_unused_port()
        http = HTTPServer(application(predictor, "torch", 1))
        http.add_socket(socket)
        try:
            await scenario(Client(f"http://127.0.0.1:{port}"), backend, predictor)
        finally:
            backend.released.set()
            http.stop()
            await http.close_all_connections()
            predictor.engine.close()
            decoder.close()

    asyncio.run(main())


def code(response: HTTPResponse) -> str:
    return str(json.loads(response.body)["error"]["code"])


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


def test_more_than_the_queue_holds_is_refused_at_once_and_the_rest_is_answered() -> None:
    async def scenario(client: Client, backend: ObedientBackend, predictor: Predictor) -> None:
        waiting = [asyncio.ensure_future(client.predict()) for _ in range(4)]
        await _until(lambda: predictor.in_flight == 4 and backend.calls == 1)
        started = time.perf_counter()
        refused = await client.predict()
        assert time.perf_counter() - started < 1
        assert (refused.code, code(refused), refused.headers["Retry-After"]) == (503, "overloaded", "1")
        backend.released.set()
        assert [response.code for response in await asyncio.gather(*waiting)] == [200] * 4
        assert (await client.predict()).code == 200
        assert b'pettracker_rejections_total{reason="overloaded"} 1.0' in (await client.get("/metrics")).body

    run(scenario, queue_size=4)


def test_health_and_readiness_answer_while_inference_is_stuck() -> None:
    async def scenario(client: Client, backend: ObedientBackend, predictor: Predictor) -> None:
        stuck = asyncio.ensure_future(client.predict())
        await _until(lambda: backend.calls == 1)
        for path in ("/health", "/ready"):
            started = time.perf_counter()
            assert (await client.get(path)).code == 200
            assert time.perf_counter() - started < 0.5
        backend.released.set()
        assert (await stuck).code == 200

    run(scenario)


def test_an_answer_that_does_not_come_is_504_and_what_waits_behind_it_is_not_inferred() -> None:
    async def scenario(client: Client, backend: ObedientBackend, predictor: Predictor) -> None:
        late = await asyncio.gather(*(client.predict() for _ in range(3)))
        assert [(response.code, code(response)) for response in late] == [(504, "deadline_exceeded")] * 3
        assert predictor.in_flight == 0
        backend.released.set()
        assert (await client.predict()).code == 200
        assert backend.calls == 2

    run(scenario, deadline_seconds=0.5)


@pytest.mark.parametrize("failure", [RuntimeError("secret detail"), MemoryError(), ValueError()])
def test_a_backend_that_raises_fails_its_request_only(failure: Exception) -> None:
    async def scenario(client: Client, backend: ObedientBackend, predictor: Predictor) -> None:
        backend.released.set()
        backend.failure = failure
        failed = await client.predict()
        assert (failed.code, code(failed)) == (500, "internal_error")
        assert b"secret" not in failed.body
        backend.failure = None
        assert (await client.predict()).code == 200

    run(scenario)


def test_an_ending_process_refuses_new_work() -> None:
    async def scenario(client: Client, backend: ObedientBackend, predictor: Predictor) -> None:
        predictor.state.stop()
        refused = await client.predict()
        assert (refused.code, code(refused), refused.headers["Retry-After"]) == (503, "draining", "1")

    run(scenario)
