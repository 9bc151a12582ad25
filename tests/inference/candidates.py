"""A candidate fleet of one: an HTTP server that answers copies as a test wants it to."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def said(*classes: str, confidence: float = 0.5, seconds: float = 0.01) -> bytes:
    """Return an answer of the service: the first class with this confidence, the others with less."""
    predictions = [{"class": name, "class_id": 0, "confidence": confidence / (at + 1)} for at, name in enumerate(classes)]
    return json.dumps({"predictions": predictions, "latency_seconds": seconds}).encode()


@dataclass
class Candidate:
    """What came, and what is answered.

    Attributes:
        answer: makes status and body of the answer to a body; it may wait.
        came: path, headers and body of each request.
    """

    answer: Callable[[bytes], tuple[int, bytes]]
    address: str = ""
    came: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)


@contextmanager
def answering(answer: Callable[[bytes], tuple[int, bytes]]) -> Iterator[Candidate]:
    """Serve while the block runs."""
    candidate = Candidate(answer)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            candidate.came.append((self.path, dict(self.headers), body))
            status, text = candidate.answer(body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    candidate.address = f"127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield candidate
    finally:
        server.shutdown()
        server.server_close()
