"""A stand-in for the instance metadata service, on loopback."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NOTICE = json.dumps({"action": "terminate", "time": "2026-01-01T00:02:00Z"})
_TOKEN = "secret-of-this-test"


class Metadata(BaseHTTPRequestHandler):
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
def metadata(notice: str | None) -> Iterator[tuple[str, type[Metadata]]]:
    """Serve a notice, or none; yields the base URL and the handler, whose attributes may be changed."""
    handler = type("Handler", (Metadata,), {"notice": notice})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", handler
        server.shutdown()
