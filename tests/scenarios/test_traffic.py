"""The load that scenarios put on the rehearsal misses no failure."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme
from traffic import load

Answer = Callable[[int], tuple[int, bytes] | None]
DIGEST = "sha256:" + "0" * 64


def prediction(name: str) -> bytes:
    return json.dumps({"predictions": [{"class": name}], "model": {"digest": DIGEST}}).encode()


@pytest.fixture
def balancer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Answer], None]]:
    """Answer HTTPS requests by their number, from 0; None closes the connection without a word."""
    count = iter(range(10**6))
    chosen: list[Answer] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            number = next(count)
            self.rfile.read(int(self.headers["Content-Length"]))
            answer = chosen[0](number)
            if answer is None:
                self.close_connection = True
                return
            status, body = answer
            self.send_response(status)
            self.send_header("X-Request-Id", f"request-{number}")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("SERVICE_URL", f"https://localhost:{server.server_port}")
    monkeypatch.setenv("SERVICE_CA", str(tmp_path / "ca.pem"))
    yield chosen.append
    server.shutdown()
    server.server_close()


def test_every_request_is_written_down_with_its_answer(balancer: Callable[[Answer], None]) -> None:
    reached = threading.Event()

    def answer(number: int) -> tuple[int, bytes]:
        if number == 10:
            reached.set()
        return 200, prediction("tabby cat")

    balancer(answer)
    with load(users=2, pause=0.01) as traffic:
        assert reached.wait(30)
    assert len(traffic.requests) > 10
    assert traffic.failed == traffic.wrong == []
    first = min(traffic.requests, key=lambda request: request.begin)
    assert (first.status, first.digest, first.top) == (200, DIGEST, "tabby cat")
    assert first.request_id.startswith("request-")
    assert first.seconds > 0


def test_refusals_lost_connections_and_wrong_answers_are_told_apart(balancer: Callable[[Answer], None]) -> None:
    reached = threading.Event()
    odd: dict[int, tuple[int, bytes] | None] = {
        1: (503, b'{"error": {"code": "overloaded"}}'),
        2: None,
        3: (200, prediction("electric ray")),
        4: (200, b"no JSON"),
    }

    def answer(number: int) -> tuple[int, bytes] | None:
        if number == 6:
            reached.set()
        return odd.get(number, (200, prediction("tabby cat")))

    balancer(answer)
    with load(users=1, pause=0.01) as traffic:
        assert reached.wait(30)
    assert sorted(request.status for request in traffic.failed) == [0, 503]
    assert any("overloaded" in request.problem or "503" in request.problem for request in traffic.failed)
    assert [request.top for request in traffic.wrong] == ["electric ray", ""]


def test_load_that_does_not_begin_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SERVICE_URL", raising=False)
    with pytest.raises(AssertionError, match="SERVICE_URL"), load(users=1):
        pass
