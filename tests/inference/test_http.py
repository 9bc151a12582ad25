"""The serving contract, asked over HTTP of a running server."""

import io
import json
import socket
import time

import pytest
from PIL import Image

from bundle import load
from tests.bundles import CAT, TINY_CLASSES, tiny_bundle
from tests.inference.servers import Running, multipart


def image(kind: str, size: tuple[int, int] = (64, 48)) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size, (200, 40, 90)).save(stream, kind)
    return stream.getvalue()


def test_a_photo_is_answered_with_classes_and_confidences(server: Running) -> None:
    answer = server.predict(CAT.read_bytes())
    assert answer.status == 200
    document = answer.document
    confidences = [item["confidence"] for item in document["predictions"]]
    assert len(confidences) == 5
    assert confidences == sorted(confidences, reverse=True)
    assert 0 < sum(confidences) <= 1.001
    assert all(TINY_CLASSES[item["class_id"]] == item["class"] for item in document["predictions"])
    bundle = load(tiny_bundle())
    assert document["model"] == {"name": "tiny", "version": "0.1.0", "digest": bundle.digest}
    assert document["request_id"] == answer.headers["X-Request-Id"]
    assert 0 < document["latency_seconds"] < 10


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
@pytest.mark.parametrize(
    "content_type",
    ["image/{}", "application/octet-stream", "image/jpg", "image/pjpeg", "binary/octet-stream", "image/*", "text/plain", ""],
)
def test_the_bytes_of_a_raw_body_tell_what_it_is(server: Running, kind: str, content_type: str) -> None:
    assert server.predict(image(kind), content_type.format(kind)).status == 200


@pytest.mark.parametrize("field", ["file", "image"])
def test_forms(server: Running, field: str) -> None:
    body, content_type = multipart(field, CAT.read_bytes())
    formed = server.predict(body, content_type).document
    assert formed["predictions"] == server.predict(CAT.read_bytes()).document["predictions"]


def test_both_backends_answer_alike(server: Running, torch_server: Running) -> None:
    for path in sorted((tiny_bundle() / "golden").glob("*.jpg")):
        openvino, torch = (each.predict(path.read_bytes()).document["predictions"] for each in (server, torch_server))
        assert [item["class"] for item in openvino] == [item["class"] for item in torch]
        assert openvino[0]["confidence"] == pytest.approx(torch[0]["confidence"], abs=1e-3)
    assert torch_server.ask("/version").document["backend"]["name"] == "torch"


def test_a_photo_of_a_cat_answers_with_a_cat(pet_server: Running) -> None:
    best = pet_server.predict(CAT.read_bytes()).document["predictions"][:3]
    assert {item["class"] for item in best} == {"tiger cat", "Egyptian cat", "tabby"}
    assert sum(item["confidence"] for item in best) > 0.85


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"", "image/jpeg", 400, "bad_request"),
        (CAT.read_bytes()[:5000], "image/jpeg", 400, "undecodable_image"),
        (b"hello", "image/jpeg", 415, "unsupported_media_type"),
        (image("gif"), "image/png", 415, "unsupported_media_type"),
        (b"{}", "application/json", 415, "unsupported_media_type"),
        (b"x=1", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        (multipart("photo", CAT.read_bytes())[0], "multipart/form-data; boundary=edge", 400, "bad_request"),
        (b"nothing of the kind", "multipart/form-data; boundary=edge", 400, "bad_request"),
        (b"nothing of the kind", "multipart/form-data", 400, "bad_request"),
        (image("png", (1000, 500)), "image/png", 413, "too_large"),
        (b"x" * 400_001, "image/jpeg", 413, "too_large"),
        (b"x" * 1_500_000, "image/jpeg", 413, "too_large"),
    ],
)
def test_bad_requests_are_told_what_is_wrong(server: Running, body: bytes, content_type: str, status: int, code: str) -> None:
    answer = server.predict(body, content_type)
    assert (answer.status, answer.code) == (status, code)
    assert answer.document["error"]["message"]
    assert answer.headers["X-Request-Id"]
    assert server.predict(CAT.read_bytes()).status == 200


def test_a_body_in_no_encoding_is_taken_as_it_is(server: Running) -> None:
    for encoding in ("", "identity", "Identity"):
        assert server.ask("/predict", CAT.read_bytes(), Content_Encoding=encoding).status == 200


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("http://pets.example/ready", 200),
        ("HTTPS://pets.example:8443/ready?x=/", 200),
        ("http://pets.example", 200),
        ("http://pets.example/nothing", 404),
        ("http://localhost/metrics", 200),
        ("http://evil.example/metrics", 403),
        ("ftp://localhost/metrics", 404),
    ],
)
def test_a_target_in_absolute_form_is_what_it_names(server: Running, target: str, status: int) -> None:
    with socket.create_connection(server.url.removeprefix("http://").split(":")) as connection:
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert connection.recv(1000).startswith(f"HTTP/1.1 {status} ".encode())


def test_a_body_without_a_length_is_bounded_too(server: Running) -> None:
    with socket.create_connection(server.url.removeprefix("http://").split(":")) as connection:
        connection.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        connection.sendall(chunk * 8 + b"0\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 413 ")


def test_a_body_that_does_not_come_is_408(server: Running) -> None:
    with socket.create_connection(server.url.removeprefix("http://").split(":")) as connection:
        connection.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nx")
        started = time.monotonic()
        answer = connection.recv(1000)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert 0.5 < time.monotonic() - started < 5


@pytest.mark.parametrize("length", ["x", "-1", "1,1", "9" * 30])
def test_a_length_that_is_no_number_is_400(server: Running, length: str) -> None:
    with socket.create_connection(server.url.removeprefix("http://").split(":")) as connection:
        connection.sendall(f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 400 ")
    assert server.ask("/health").status == 200


@pytest.mark.parametrize("method", ["GET", "BREW"])
def test_an_unknown_path_is_404(server: Running, method: str) -> None:
    answer = server.ask("/nothing/here", method=method)
    assert (answer.status, answer.code) == (404, "not_found")


@pytest.mark.parametrize(
    ("path", "method", "allowed"),
    [
        ("/predict", "GET", "POST"),
        ("/predict", "OPTIONS", "POST"),
        ("/ready", "POST", "GET"),
        ("/health/drain", "GET", "PUT"),
        ("/", "DELETE", "GET"),
        ("/version", "TRACE", "GET"),
        ("/version", "BREW", "GET"),
    ],
)
def test_a_wrong_method_is_405_and_told_the_right_one(server: Running, path: str, method: str, allowed: str) -> None:
    answer = server.ask(path, b"" if method == "POST" else None, method)
    assert (answer.status, answer.code, answer.headers["Allow"]) == (405, "method_not_allowed", allowed)


def test_head_is_405_without_a_body(server: Running) -> None:
    answer = server.ask("/health", method="HEAD")
    assert (answer.status, answer.body, answer.headers["Allow"]) == (405, b"", "GET")


@pytest.mark.parametrize("path", ["/nothing", "/health"])
def test_bodies_that_nobody_asked_for_are_not_kept(server: Running, path: str) -> None:
    assert server.ask(path, b"x" * 100_000).status in (404, 405)
    assert server.ask("/health").status == 200


def test_version_tells_what_runs(server: Running, torch_server: Running) -> None:
    document = server.ask("/version").document
    assert document["program"] == {"name": "openvino-fp32", "precision": "fp32"}
    assert document["backend"]["name"] == "openvino"
    assert document["backend"]["streams"] >= 1
    assert document["backend"]["threads"] >= 1
    assert torch_server.ask("/version").document["program"] == {"name": "torch-fp32", "precision": "fp32"}


BROWSER = {"Host": "pets.example", "X_Forwarded_For": "192.0.2.1, 2001:db8::7", "X_Forwarded_Proto": "https"}


@pytest.mark.parametrize("strange", [{"X_Forwarded_For": "127.0.0.1"}, {"Host": "evil.example"}, {"Host": "127.0.0.1.evil"}])
@pytest.mark.parametrize(("method", "path"), [("GET", "/metrics"), ("PUT", "/health/drain"), ("PUT", "/shadow")])
def test_what_is_for_the_host_itself_is_refused_to_who_comes_by_a_proxy_or_another_name(
    server: Running, method: str, path: str, strange: dict[str, str]
) -> None:
    answer = server.ask(path, method=method, **strange)
    assert (answer.status, answer.code) == (403, "forbidden")
    assert server.ask("/metrics", Host="[::1]:8080").status == server.ask("/metrics", Host="localhost").status == 200
    assert server.ask("/ready").status == 200


def test_others_are_told_the_model_and_not_the_code(server: Running) -> None:
    own, told = server.ask("/version").document, server.ask("/version", **BROWSER).document
    assert set(own) - set(told) == {"service", "backend", "python"}
    assert told == {key: own[key] for key in ("model", "program")}


def test_browsers_are_told_to_use_https_where_they_do(server: Running) -> None:
    assert server.ask("/", **BROWSER).headers["Strict-Transport-Security"] == "max-age=31536000"
    # Of localhost, a browser would believe it for every other service of the developer.
    for headers in ({}, {"Host": "localhost:8443", "X_Forwarded_For": "127.0.0.1"}):
        assert "Strict-Transport-Security" not in server.ask("/", **headers).headers


def test_a_request_id_is_kept_if_it_is_harmless(server: Running) -> None:
    assert server.ask("/health", X_Request_Id="abc-1.2_3").headers["X-Request-Id"] == "abc-1.2_3"
    for bad in ("x" * 129, "a b", '{"a":1}'):
        assert server.ask("/health", X_Request_Id=bad).headers["X-Request-Id"] != bad


def test_errors_carry_the_id_too(server: Running) -> None:
    assert server.ask("/nothing", X_Request_Id="kept").headers["X-Request-Id"] == "kept"
    assert server.ask("/predict", b"hello", X_Request_Id="kept").headers["X-Request-Id"] == "kept"


def test_drain_and_accept(server: Running) -> None:
    assert server.ask("/ready").status == 200
    assert server.ask("/health/drain", method="PUT").document == {"status": "draining"}
    drained = server.ask("/ready")
    assert (drained.status, drained.code, drained.headers["Retry-After"]) == (503, "draining", "1")
    assert server.ask("/health").status == 200
    still_served = server.predict(CAT.read_bytes())
    assert (still_served.status, still_served.headers["Connection"]) == (200, "close")
    assert server.ask("/health/ready", method="PUT").document == {"status": "ready"}
    assert server.ask("/ready").status == 200


def test_metrics_count_what_happened(server: Running) -> None:
    server.predict(CAT.read_bytes())
    server.predict(b"hello")
    text = server.ask("/metrics").body.decode()
    assert 'pettracker_requests_total{method="POST",path="/predict",status="200"}' in text
    assert 'pettracker_rejections_total{reason="unsupported_media_type"}' in text
    assert "pettracker_inference_seconds_count" in text
    assert "pettracker_ready 1.0" in text
    assert 'name="tiny"' in text


def test_the_page_and_its_files_are_served_with_a_strict_policy(server: Running) -> None:
    for path, kind in (("/", "text/html"), ("/page.css", "text/css"), ("/page.js", "text/javascript")):
        answer = server.ask(path)
        assert answer.headers["Content-Type"] == f"{kind}; charset=utf-8"
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self';")
    assert server.ask("/page.js.map").status == 404
    assert server.ask("/pageXjs").status == 404


def test_the_log_is_one_json_object_per_line(server: Running) -> None:
    server.ask("/version", X_Request_Id="find-me")
    found: dict = {}
    while found.get("request_id") != "find-me":
        found = server.wait_for("request")
    assert (found["method"], found["path"], found["status"], found["level"]) == ("GET", "/version", 200, "info")
    assert json.dumps(found["duration_seconds"])


def logged(server: Running, event: str, **fields: object) -> dict[str, object]:
    """Read the log up to a line that has these fields."""
    while True:
        found: dict[str, object] = server.wait_for(event)
        if fields.items() <= found.items():
            return found


def test_a_line_of_the_log_is_short_and_names_who_was_served(server: Running) -> None:
    server.ask("/" + "A" * 15_000, method="M" * 1000, X_Request_Id="long", **BROWSER)
    found = logged(server, "request", request_id="long")
    assert (found["path"], found["method"]) == ("/" + "A" * 255, "M" * 16)
    assert (found["client"], found["remote"]) == ("2001:db8::7", "127.0.0.1")
    assert len(json.dumps(found)) < 1000
    server.ask("/version", X_Request_Id="direct", X_Forwarded_For="<script>")
    assert "client" not in logged(server, "request", request_id="direct")


def test_what_is_no_http_is_logged(server: Running) -> None:
    with socket.create_connection(server.url.removeprefix("http://").split(":")) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"\xe9" * 2000 + b"\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 400 ")
    found = logged(server, "malformed request")
    assert found["remote"] == "127.0.0.1"
    assert "\\xe9" in str(found["problem"])
    assert len(json.dumps(found)) < 1000
