"""The command that asks a service about a photo."""

import http.server
import json
import threading

import pytest
from click.testing import CliRunner

from inference.cli import main

ANSWER = {
    "predictions": [
        {"class": "golden retriever", "class_id": 207, "confidence": 0.94},
        {"class": "kuvasz", "class_id": 222, "confidence": 0.03},
    ],
    "latency_seconds": 0.021,
    "model": {"name": "efficientnet-lite0", "version": "1.0.0", "digest": "sha256:" + "ab" * 32},
    "request_id": "r",
}


@pytest.fixture
def service(request):
    """A server with one answer: status and document of the test's parameter."""
    status, document = request.param

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(document).encode())

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "dog.jpg"
    path.write_bytes(b"not looked at here")
    return str(path)


@pytest.mark.parametrize("service", [(200, ANSWER)], indirect=True)
def test_breed_and_confidence_come_first(service, photo):
    result = CliRunner().invoke(main, ["ask", photo, "--url", service])
    assert result.exit_code == 0
    assert result.output.splitlines()[0] == "golden retriever, 94%"
    assert "efficientnet-lite0 1.0.0" in result.output


@pytest.mark.parametrize("service", [(400, {"error": {"code": "undecodable", "message": "not an image"}})], indirect=True)
def test_the_services_refusal_is_shown(service, photo):
    result = CliRunner().invoke(main, ["ask", photo, "--url", service])
    assert result.exit_code == 1
    assert "not an image" in result.output


def test_a_service_that_is_not_there_is_named(photo):
    result = CliRunner().invoke(main, ["ask", photo, "--url", "http://127.0.0.1:9"])
    assert result.exit_code == 1
    assert "http://127.0.0.1:9 gave no usable answer" in result.output
