"""Bodies: refusals before and while a body comes, clients that leave, and what is told about all that."""

import io
import json
import select
import socket
import threading
from collections.abc import Iterator

import pytest
from PIL import Image

from tests.bundles import CAT, tiny_bundle
from tests.inference.servers import Running, serving, wait_until


@pytest.fixture(scope="module")
def narrow_server() -> Iterator[Running]:
    """One that decodes one image at a time and holds three requests."""
    with serving(tiny_bundle(), "--threads", "1", "--queue-size", "3") as running:
        yield running


def connect(server: Running) -> socket.socket:
    host, port = server.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=30)


def head(length: int, *headers: str) -> bytes:
    lines = ["POST /predict HTTP/1.1", "Host: x", f"Content-Length: {length}", "Content-Type: image/png", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


def slow_image() -> bytes:
    """A small file that takes hundreds of milliseconds to decode."""
    stream = io.BytesIO()
    Image.effect_mandelbrot((6000, 4000), (-2, -1.5, 1, 1.5), 20).save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def metric(server: Running, name: str) -> float:
    for line in server.ask("/metrics").body.decode().splitlines():
        if line.startswith(f"{name} "):
            return float(line.split()[-1])
    return 0.0


def test_a_compressed_body_is_415(server: Running) -> None:
    answer = server.ask("/predict", CAT.read_bytes(), Content_Type="image/jpeg", Content_Encoding="gzip")
    assert (answer.status, answer.code) == (415, "unsupported_media_type")


def test_a_refused_body_is_read_so_that_its_sender_sees_the_answer_and_can_go_on(server: Running) -> None:
    with connect(server) as connection:
        for status, more in ((415, ["Content-Encoding: gzip"]), (413, [])):
            body = b"x" * 1_000_000
            connection.sendall(head(len(body), *more) + body)
            answer = connection.recv(5000)
            assert answer.startswith(f"HTTP/1.1 {status} ".encode())


@pytest.mark.parametrize("expect", ["100-continue", "100-Continue", "foo, 100-CONTINUE"])
def test_a_client_that_asks_first_is_told_before_it_sends(server: Running, expect: str) -> None:
    for length, more, status in ((500_000, [], 413), (10, ["Content-Encoding: gzip"], 415), (3, [], 100)):
        with connect(server) as connection:
            connection.sendall(head(length, f"Expect: {expect}", *more))
            assert connection.recv(1000).startswith(f"HTTP/1.1 {status} ".encode())
            if status == 100:
                connection.sendall(b"foo")
                assert connection.recv(1000).startswith(b"HTTP/1.1 415 ")


@pytest.mark.parametrize(("expect", "version"), [("100-continue", b"HTTP/1.0"), ("something", b"HTTP/1.1")])
def test_a_client_that_asks_in_a_way_that_is_none_is_answered_once(server: Running, expect: str, version: bytes) -> None:
    with connect(server) as connection:
        connection.sendall(head(3, f"Expect: {expect}").replace(b"HTTP/1.1", version) + b"foo")
        assert connection.recv(1000).startswith(b"HTTP/1.1 415 ")


def test_more_bytes_than_the_process_holds_are_503_and_what_is_answered_is_held_no_longer() -> None:
    with serving(tiny_bundle(), "--max-held-bytes", "50000") as running:
        for _ in range(3):
            answer = running.predict(b"x" * 60_000)
            assert (answer.status, answer.code, answer.headers["Retry-After"]) == (503, "overloaded", "1")
            assert running.predict(b"x" * 40_000).status == 415


def test_uploads_that_stand_still_do_not_keep_others_out() -> None:
    size = 99_000
    with serving(tiny_bundle(), "--max-held-bytes", "500000", "--max-body-bytes", "100000") as running:
        idle = [connect(running) for _ in range(5)]
        try:
            for connection in idle:
                connection.sendall(head(size + 1) + b"x" * size)
            wait_until(lambda: metric(running, "pettracker_held_bytes") == 5 * size)
            # Over some kilobytes each, which takes the place of one after the other.
            assert [running.predict(CAT.read_bytes()).status for _ in range(10)] == [200] * 10
            assert metric(running, "pettracker_held_bytes") in (3 * size, 4 * size)
            ended = [connection for connection in idle if select.select([connection], [], [], 0)[0]]
            assert 1 <= len(ended) <= 2
            assert all(connection.recv(1000).startswith(b"HTTP/1.1 503 ") for connection in ended)
        finally:
            for connection in idle:
                connection.close()


def test_a_client_that_leaves_while_it_sends_is_counted_and_logged(narrow_server: Running) -> None:
    name = 'pettracker_rejections_total{reason="client_gone"}'
    before = metric(narrow_server, name)
    with connect(narrow_server) as connection:
        connection.sendall(head(1000, "X-Request-Id: left-early") + b"x")
        wait_until(lambda: metric(narrow_server, "pettracker_connections") >= 1)
    wait_until(lambda: metric(narrow_server, name) == before + 1)
    found: dict[str, object] = {}
    while found.get("request_id") != "left-early":
        found = narrow_server.wait_for("request")
    assert (found["status"], found["error"]) == (499, "client_gone")


def test_what_a_client_that_has_left_waited_for_is_not_done(narrow_server: Running) -> None:
    image, gone = slow_image(), 'pettracker_rejections_total{reason="client_gone"}'
    inferred, left = metric(narrow_server, "pettracker_decode_seconds_count"), metric(narrow_server, gone)
    statuses: list[int] = []
    staying = threading.Thread(target=lambda: statuses.append(narrow_server.predict(image, "image/png").status))
    staying.start()
    wait_until(lambda: metric(narrow_server, "pettracker_predictions_in_flight") == 1)
    leaving = [connect(narrow_server) for _ in range(2)]
    for connection in leaving:
        connection.sendall(head(len(image)) + image)
    wait_until(lambda: metric(narrow_server, "pettracker_predictions_in_flight") == 3)
    for connection in leaving:
        connection.close()
    wait_until(lambda: metric(narrow_server, gone) == left + 2)
    staying.join()
    assert statuses == [200]
    assert metric(narrow_server, "pettracker_predictions_in_flight") == 0
    assert metric(narrow_server, "pettracker_decode_seconds_count") == inferred + 1
    text = narrow_server.ask("/metrics").body.decode()
    assert 'pettracker_requests_total{method="POST",path="/predict",status="499"}' in text


def test_a_refusal_is_logged_with_its_code(server: Running) -> None:
    server.ask("/predict", b"hello", X_Request_Id="refused-1")
    found: dict[str, object] = {}
    while found.get("request_id") != "refused-1":
        found = server.wait_for("request")
    assert (found["status"], found["error"]) == (415, "unsupported_media_type")
    assert json.dumps(found)


def test_latencies_and_failures_are_sent_to_the_agent() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as agent:
        agent.bind(("127.0.0.1", 0))
        agent.settimeout(10)
        address = f"127.0.0.1:{agent.getsockname()[1]}"
        with serving(tiny_bundle(), "--statsd-address", address, "--max-held-bytes", "50000") as running:
            assert running.predict(b"x" * 60_000).status == 503
            assert running.predict(CAT.read_bytes()).status == 200
            texts: list[str] = []
            while not texts or not texts[-1].startswith("InferenceLatency:"):
                texts.append(agent.recv(1000).decode())
    assert texts[0] == "InferenceErrors:0|c"  # before anybody asks: a host that is well says so
    assert [text for text in texts[:-1] if text != "InferenceErrors:0|c"] == ["InferenceErrors:1|c|#code:overloaded"]
