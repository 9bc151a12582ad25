"""A fleet answers with the model that was rolled out, over TLS, or the smoke test says what is wrong."""

import http.server
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from delivery.errors import DeliveryError
from delivery.release.smoke import Balancer, NoAnswer, ask, smoke

RIGHT = {"model": {"name": "pets", "version": "1.0.0", "digest": "sha256:new"}, "predictions": []}
OLD = {"model": {"name": "pets", "version": "0.9.0", "digest": "sha256:old"}, "predictions": []}


def answers(*given: Any) -> Callable[[], dict[str, Any]]:
    left = iter(given)

    def question() -> dict[str, Any]:
        answer = next(left)
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[no-any-return]

    return question


def test_all_answers_have_to_be_of_the_model_that_was_rolled_out() -> None:
    assert smoke(answers(RIGHT, RIGHT, RIGHT), "sha256:new", 0, answers=3) == RIGHT
    with pytest.raises(DeliveryError, match=r"0\.9\.0 .* answered, and sha256:new was rolled out"):
        smoke(answers(RIGHT, OLD, RIGHT), "sha256:new", 0, answers=3)


def test_it_waits_for_the_first_answer_and_for_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("delivery.release.smoke._PAUSE_SECONDS", 0.0)
    silent = NoAnswer("refused")
    assert smoke(answers(silent, silent, RIGHT, RIGHT), "sha256:new", 60, answers=2) == RIGHT
    with pytest.raises(DeliveryError, match="question 2 got no answer"):
        smoke(answers(RIGHT, silent, RIGHT), "sha256:new", 60, answers=2)
    with pytest.raises(DeliveryError, match="question 1 got no answer"):
        smoke(answers(silent), "sha256:new", -1)


@pytest.fixture
def balancer(tmp_path: Path) -> Iterator[tuple[Balancer, list[str]]]:
    """A server with a certificate for another name than its address, and the Host headers that it saw."""
    authority = trustme.CA()
    (tmp_path / "ca.pem").write_bytes(authority.cert_pem.bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("smoke.pets.example").configure_cert(context)
    seen: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.append(self.headers["Host"])
            status = {b"busy": 503, b"bad": 400}.get(body, 200)
            text = json.dumps(RIGHT).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Balancer("127.0.0.1", server.server_port, "smoke.pets.example", tmp_path / "ca.pem"), seen
    server.shutdown()
    server.server_close()


def file(directory: Path, content: bytes) -> Path:
    path = directory / "photo.jpg"
    path.write_bytes(content)
    return path


def test_a_balancer_is_asked_by_the_name_of_its_certificate(balancer: tuple[Balancer, list[str]], tmp_path: Path) -> None:
    where, seen = balancer
    assert ask(where, file(tmp_path, b"photo")) == RIGHT
    assert seen == ["smoke.pets.example"]


def test_another_certificate_is_no_answer(balancer: tuple[Balancer, list[str]], tmp_path: Path) -> None:
    where, seen = balancer
    other = Balancer(where.address, where.port, "pets.example", where.ca_file)
    with pytest.raises(NoAnswer, match="certificate"):
        ask(other, file(tmp_path, b"photo"))
    assert seen == []


def test_a_busy_balancer_is_asked_again_and_a_refusal_is_final(balancer: tuple[Balancer, list[str]], tmp_path: Path) -> None:
    where, _ = balancer
    with pytest.raises(NoAnswer, match="HTTP 503"):
        ask(where, file(tmp_path, b"busy"))
    with pytest.raises(DeliveryError, match="HTTP 400"):
        ask(where, file(tmp_path, b"bad"))
