"""A Spot notice is heard, and nothing else is taken for one."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner

from training.cli import main
from training.loop import checkpoints
from training.loop.interruption import Interruption, spot_notice
from training.run import Run

_NOTICE = json.dumps({"action": "terminate", "time": "2026-01-01T00:02:00Z"})
_TOKEN = "secret-of-this-test"


class _Metadata(BaseHTTPRequestHandler):
    """IMDSv2: a token by PUT with a lifetime, documents only with the token."""

    notice: str | None = None
    asked = 0

    def do_PUT(self) -> None:
        valid = self.path == "/latest/api/token" and self.headers["X-aws-ec2-metadata-token-ttl-seconds"]
        self._answer(200 if valid else 400, _TOKEN)

    def do_GET(self) -> None:
        type(self).asked += 1
        if self.headers["X-aws-ec2-metadata-token"] != _TOKEN:
            self._answer(401, "")
        elif self.path == "/latest/meta-data/spot/instance-action" and self.notice:
            self._answer(200, self.notice)
        else:
            self._answer(404, "<html>Not Found</html>")

    def _answer(self, status: int, body: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_arguments: object) -> None:
        pass


@contextmanager
def _metadata(notice: str | None) -> Iterator[tuple[str, type[_Metadata]]]:
    handler = type("Handler", (_Metadata,), {"notice": notice})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", handler
        server.shutdown()


def test_without_a_notice_there_is_none() -> None:
    with _metadata(None) as (url, _):
        assert spot_notice(url) is None


def test_training_stops_with_a_checkpoint_and_goes_on_later(tmp_path: Path) -> None:
    arguments = ["train", "iris", "--output", str(tmp_path), "--set", "training.epochs=500"]
    with _metadata(_NOTICE) as (url, _):
        result = CliRunner().invoke(main, [*arguments, "--spot-notices", url])
    assert result.exit_code == 75, result.output
    assert "interrupted by a Spot notice" in result.stderr
    assert "terminate" in result.stderr
    stopped = checkpoints.positions(Run(tmp_path).checkpoints)[0]
    assert stopped < (500, 0)


def test_a_service_that_does_not_answer_is_named_once_and_asked_again() -> None:
    warnings: list[str] = []
    with _metadata(None) as (url, _):
        pass
    interruption = Interruption()
    with interruption.watched(url, warnings.append, interval=0.01):
        time.sleep(0.3)
    assert len(warnings) == 1
    assert f"no Spot notices: {url} does not answer" in warnings[0]
    assert interruption.reason is None


def test_a_notice_that_comes_later_is_heard() -> None:
    interruption = Interruption()
    with _metadata(None) as (url, handler), interruption.watched(url, pytest.fail, interval=0.01):
        while handler.asked < 3:
            time.sleep(0.01)
        assert interruption.reason is None
        handler.notice = _NOTICE
        until = time.monotonic() + 10
        while interruption.reason is None and time.monotonic() < until:
            time.sleep(0.01)
    assert interruption.reason == f"a Spot notice ({_NOTICE})"
