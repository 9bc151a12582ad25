"""What happens when the model is slow or fails: the application in this process, around a backend that obeys the test."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from numpy.typing import NDArray
from tornado.httpclient import AsyncHTTPClient, HTTPResponse
from tornado.iostream import IOStream, StreamClosedError
from tornado.tcpclient import TCPClient
from tornado.testing import bind_unused_port

from bundle import load
from bundle.images import Limits
from inference.app import application
from inference.connections import RESERVE, BoundedServer
from inference.decode import Decoder
from inference.engine import Engine, EngineError
from inference.metrics import Metrics
from inference.predict import Predictor
from inference.server import Server
from inference.settings import Settings
from inference.state import Phase, State
from tests.bundles import CAT, tiny_bundle

CONNECTIONS = 60


class ObedientBackend:
    """Answers when it is released, or raises what it is told to."""

    streams = 1
    batch_sizes = (1, 2, 4)
    max_batch = 4

    def __init__(self) -> None:
        self.released = threading.Event()
        self.failure: Exception | None = None
        self.calls = 0

    def predict(self, batch: NDArray[Any]) -> NDArray[np.float32]:
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

    async def connect(self) -> IOStream:
        """Open a connection and send nothing."""
        parts = urlsplit(self._url)
        return await TCPClient().connect(str(parts.hostname), parts.port or 80)

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
        wanted = bundle.manifest.input
        assert wanted.kind == "image"
        decoder = Decoder(wanted.preprocessing, Limits())
        predictor = Predictor(bundle.manifest, {"name": "tiny"}, decoder, settings, state, metrics)
        predictor.engine = Engine(backend, metrics)
        state.warmed_up()
        socket, port = bind_unused_port()
        http = BoundedServer(application(predictor, bundle.manifest.program, 1), metrics, settings.body_seconds, CONNECTIONS)
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
        refused = await client.predict()
        assert (refused.code, code(refused), refused.headers["Retry-After"]) == (503, "overloaded", "1")
        backend.released.set()
        assert [response.code for response in await asyncio.gather(*waiting)] == [200] * 4
        assert (await client.predict()).code == 200
        assert b'pettracker_rejections_total{reason="overloaded"} 1.0' in (await client.get("/metrics")).body

    run(scenario, queue_size=4)


def test_a_flood_is_answered_to_the_last_request_and_leaves_nothing_behind() -> None:
    async def scenario(client: Client, backend: ObedientBackend, predictor: Predictor) -> None:
        readiness: list[int] = []

        async def watch() -> None:
            while True:
                readiness.append((await client.get("/ready")).code)
                await asyncio.sleep(0.01)

        watching = asyncio.ensure_future(watch())
        flood = [asyncio.ensure_future(client.predict()) for _ in range(50)]
        await _until(lambda: sum(task.done() for task in flood) >= 46)
        early = [task.result() for task in flood if task.done()]
        assert {(response.code, response.headers["Retry-After"]) for response in early} == {(503, "1")}
        backend.released.set()
        assert sorted(response.code for response in await asyncio.gather(*flood)) == [200] * 4 + [503] * 46
        assert predictor.in_flight == 0
        # As many as it held before, it holds again.
        assert [(await task).code for task in [asyncio.ensure_future(client.predict()) for _ in range(4)]] == [200] * 4
        watching.cancel()
        assert len(readiness) > 1
        assert set(readiness) == {200}, "being full is no reason to lose the host's other traffic"
        assert b'pettracker_rejections_total{reason="overloaded"} 46.0' in (await client.get("/metrics")).body

    run(scenario, queue_size=4)


def test_at_the_limit_of_connections_the_host_still_says_that_it_is_ready_and_those_that_are_open_are_served() -> None:
    async def scenario(client: Client, backend: ObedientBackend, predictor: Predictor) -> None:
        backend.released.set()
        streams = [await client.connect() for _ in range(CONNECTIONS)]
        await _until(lambda: f"pettracker_connections {CONNECTIONS}.0".encode() in predictor.metrics.exposition())
        for path in ("/ready", "/health", "/ready?from=balancer"):
            assert (await client.get(path)).code == 200
        for refused in (await client.predict(), await client.get("/version")):
            assert (refused.code, code(refused), refused.headers["Retry-After"]) == (503, "overloaded", "1")
        await streams[0].write(b"GET /version HTTP/1.1\r\nHost: test\r\n\r\n")
        assert b"200 OK" in await streams[0].read_until(b"\r\n")
        for stream in streams[1:]:
            stream.close()
        await _until(lambda: b"pettracker_connections 1.0" in predictor.metrics.exposition())
        assert (await client.predict()).code == 200
        assert b'pettracker_rejections_total{reason="too_many_connections"} 2.0' in predictor.metrics.exposition()

    run(scenario)


def test_beyond_the_reserve_connections_are_closed_and_the_reserve_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inference.connections._RESERVE_SECONDS", 0.3)

    async def scenario(client: Client, backend: ObedientBackend, predictor: Predictor) -> None:
        most = CONNECTIONS + RESERVE
        streams = [await client.connect() for _ in range(most)]
        await _until(lambda: f"pettracker_connections {most}.0".encode() in predictor.metrics.exposition())
        late = await client.connect()
        with pytest.raises(StreamClosedError):
            await late.read_bytes(1)
        # Those of the reserve that say nothing are closed.
        await _until(lambda: f"pettracker_connections {CONNECTIONS}.0".encode() in predictor.metrics.exposition())
        assert (await client.get("/ready")).code == 200
        for stream in streams:
            stream.close()

    run(scenario)


def test_a_body_that_never_comes_does_not_hold_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inference.connections._BODY_GRACE_SECONDS", 0)

    async def scenario(client: Client, backend: ObedientBackend, predictor: Predictor) -> None:
        stream = await client.connect()
        await stream.write(b"GET /health HTTP/1.1\r\nHost: test\r\nContent-Length: 50\r\n\r\nshort")
        async with asyncio.timeout(10):
            await stream.read_until_close()

    run(scenario, body_seconds=0.2)


def test_health_and_readiness_answer_while_inference_is_stuck() -> None:
    async def scenario(client: Client, backend: ObedientBackend, predictor: Predictor) -> None:
        stuck = asyncio.ensure_future(client.predict())
        await _until(lambda: backend.calls == 1)
        for path in ("/health", "/ready"):
            assert (await client.get(path)).code == 200
        assert not stuck.done()
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


def test_a_process_whose_workers_keep_dying_says_so_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    class DyingBackend(ObedientBackend):
        batch_sizes = (1,)

        def predict(self, batch: NDArray[Any]) -> NDArray[np.float32]:
            if batch.any():
                raise SystemExit
            return np.full((len(batch), 6), 1 / 6, np.float32)

    states: list[State] = []

    class KnownState(State):
        def __init__(self) -> None:
            super().__init__()
            states.append(self)

    async def main() -> None:
        socket, port = bind_unused_port()
        socket.close()
        bundle = load(tiny_bundle())
        running = asyncio.ensure_future(Server(bundle, bundle.manifest.program, 1, Settings(port=port)).run())
        await _until(lambda: bool(states) and states[0].phase is Phase.READY)
        client = Client(f"http://127.0.0.1:{port}")
        answers = await asyncio.gather(*(client.predict() for _ in range(4)))
        assert {answer.code for answer in answers} <= {500, 503}
        with pytest.raises(EngineError, match="keep being lost"):
            await asyncio.wait_for(running, 10)
        assert states[0].phase is Phase.STOPPING

    monkeypatch.setattr("inference.server.open_backend", lambda *_: DyingBackend())
    monkeypatch.setattr("inference.server.State", KnownState)
    asyncio.run(main())
