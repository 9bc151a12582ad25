"""Running servers for tests: the real process, found by its log."""

import fcntl
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bundles import REPOSITORY

START_SECONDS = 60.0


@dataclass
class Response:
    """An HTTP answer."""

    status: int
    headers: Any
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The error's code."""
        return str(self.document["error"]["code"])


@dataclass
class Running:
    """A server process and where it listens."""

    process: subprocess.Popen[str]
    url: str
    log: list[dict[str, Any]] = field(default_factory=list)

    def ask(self, path: str, body: bytes | None = None, method: str | None = None, **headers: str) -> Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return ask(f"{self.url}{path}", body, method, named)

    def predict(self, image: bytes, content_type: str = "image/jpeg") -> Response:
        return self.ask("/predict", image, Content_Type=content_type)

    def wait_for(self, event: str) -> dict[str, Any]:
        """Read the log up to an event."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.log.append(json.loads(line))
            if self.log[-1]["event"] == event:
                return self.log[-1]
        raise AssertionError(f"the server ended without {event!r}: {self.log}")

    def finish(self, seconds: float = 30) -> int:
        """Wait for the end; return the exit status. The rest of the log is in `log`."""
        output, _ = self.process.communicate(timeout=seconds)
        self.log.extend(json.loads(line) for line in output.splitlines())
        return self.process.returncode


def ask(url: str, body: bytes | None = None, method: str | None = None, headers: dict[str, str] | None = None) -> Response:
    request = urllib.request.Request(url, data=body, headers=headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return Response(response.status, response.headers, response.read())
    except urllib.error.HTTPError as error:
        return Response(error.code, error.headers, error.read())


def multipart(field_name: str, content: bytes) -> tuple[bytes, str]:
    """Return a form with one file, and its content type."""
    head = f'--edge\r\nContent-Disposition: form-data; name="{field_name}"; filename="photo.jpg"\r\n\r\n'
    return head.encode() + content + b"\r\n--edge--\r\n", "multipart/form-data; boundary=edge"


def start(bundle: Path, *options: str, code: Path = REPOSITORY, **environment: str) -> Running:
    """Start a server on a free port and wait until it listens. `code`: where the package is that serves."""
    command = [sys.executable, "-m", "inference", "serve", "--bundle", str(bundle), "--port", "0", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=code, env={**os.environ, **environment})
    assert process.stdout is not None
    # A server whose log nobody reads stops when the pipe is full, which takes 250 requests as long as it has 64 kB.
    fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, 1 << 20)
    running = Running(process, "")
    listening = running.wait_for("listening")
    running.url = f"http://{listening['address']}:{listening['port']}"
    return running


@contextmanager
def serving(bundle: Path, *options: str) -> Iterator[Running]:
    """Run a server that is ready, and stop it afterwards."""
    running = start(bundle, "--drain-seconds", "0", *options)
    try:
        running.wait_for("ready")
        yield running
    finally:
        running.process.terminate()
        running.finish()


def wait_until(condition: Any, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
