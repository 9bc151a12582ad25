"""The real load balancer: keeps HAProxy doing what the API's balancers, listeners, rules and target groups say.

This machine has one address, so a port of the API is served once: the first balancer that has a listener on it gets it,
443 on LOCALCLOUD_HTTPS_PORT and 80 on LOCALCLOUD_HTTP_PORT; listeners on other ports exist in the API only. Access logs
do not go to their bucket (HAProxy's are in .localcloud/haproxy/haproxy.log), and X-Amzn-Trace-Id is not added.
"""

import logging
import math
import signal
import socket
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from localcloud.balancer.haproxy import render
from localcloud.balancer.view import describe
from localcloud.errors import LocalCloudError
from localcloud.settings import Settings

logger = logging.getLogger(__name__)

# Seconds between two looks at the API's state.
INTERVAL = 0.5
# Seconds within which a reload has taken effect in every HAProxy process.
RELOAD_TIME = 1.0
# Seconds after which a reload that is asked for again and again is given up.
RELOAD_TIMEOUT = 10.0


class LoadBalancer:
    """Runs HAProxy in master-worker mode; a reload hands the listening sockets over and loses no request."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is started before `start`."""
        self._settings = settings
        self._directory = settings.haproxy_dir
        self.log_file = settings.haproxy_dir / "haproxy.log"
        self._configuration = self._directory / "haproxy.cfg"
        self._master_socket = self._directory / "master.sock"
        self._process: subprocess.Popen[bytes] | None = None
        self._text = ""
        # What the API has said since then, and when (monotonic seconds), oldest first.
        self._pending: deque[tuple[float, str]] = deque()
        self._wake = threading.Event()
        self._closing = False
        self._updating = threading.Lock()

    def start(self) -> None:
        """Start HAProxy with what the API says now. Raises LocalCloudError if it does not start."""
        self._directory.mkdir(parents=True, exist_ok=True)
        (self._directory / "certificates").mkdir(mode=0o700, exist_ok=True)
        self._serve(render(describe(self._settings)))
        if self._process is None or self._process.poll() is not None:
            raise LocalCloudError(f"HAProxy does not start; see {self.log_file}.")

    def run(self) -> None:
        """Follow the API's state until `close`."""
        while not self._closing:
            self._wake.wait(self._until_due())
            self._wake.clear()
            try:
                self.update()
            except Exception:
                logger.exception("The load balancer keeps its previous configuration")

    def _until_due(self) -> float:
        with self._updating:
            since = self._pending[0][0] if self._pending else math.inf
        return max(0.0, min(INTERVAL, since + self._settings.routing_delay - time.monotonic()))

    def wake(self) -> None:
        """Look at the API's state now."""
        self._wake.set()

    def update(self) -> None:
        """Note what the API says now, and serve what it said `routing_delay` seconds ago.

        The nodes of an Application Load Balancer follow it in their own time: requests still reach a target for some seconds
        after it was deregistered, and a new one, a rule or a weight counts as much later.
        """
        with self._updating:  # an older state must not be served after a newer one
            now, text = time.monotonic(), render(describe(self._settings))
            if text != (self._pending[-1][1] if self._pending else self._text):
                self._pending.append((now, text))
            due = ""
            while self._pending and self._pending[0][0] <= now - self._settings.routing_delay:
                _, due = self._pending.popleft()
            if due:
                self._serve(due)

    def _serve(self, text: str) -> None:
        """Write HAProxy's configuration and reload it, if it changed and HAProxy accepts it."""
        if text == self._text:
            return
        candidate = self._configuration.with_suffix(".new")
        candidate.write_text(text)
        check_configuration(candidate)
        candidate.rename(self._configuration)
        self._text = text
        if self._process is None or self._process.poll() is not None:
            self._spawn()
        else:
            self._reload()

    def close(self) -> None:
        """Stop HAProxy at once."""
        self._closing = True
        self._wake.set()
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()

    def _spawn(self) -> None:
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                ["haproxy", "-W", "-f", str(self._configuration), "-S", f"{self._master_socket},mode,600"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        (self._directory / "haproxy.pid").write_text(str(self._process.pid))
        deadline = time.monotonic() + 10
        while not self._master_socket.exists() and self._process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)

    def _reload(self) -> None:
        """Let HAProxy read its configuration, and see that it has: a signal that comes in the middle of a reload is lost."""
        before = self._running()
        deadline = time.monotonic() + RELOAD_TIMEOUT
        while self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGUSR2)
            again = time.monotonic() + RELOAD_TIME
            while time.monotonic() < again:
                if self._running() - before:
                    return
                time.sleep(0.02)
            if time.monotonic() > deadline:
                raise LocalCloudError(f"HAProxy does not reload; see {self.log_file}.")

    def _running(self) -> set[str]:
        """Return the process ids of all workers; none while the master does not answer, as in the middle of a reload."""
        try:
            return set(self._workers())
        except OSError:
            return set()

    def _workers(self) -> Iterator[str]:
        """Yield the process ids of current and old workers: management guide, "show proc"."""
        for line in self._ask("show proc").splitlines():
            fields = line.split()
            if len(fields) > 1 and fields[1] == "worker":
                yield fields[0]

    def _ask(self, command: str) -> str:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(2)
            connection.connect(str(self._master_socket))
            connection.sendall(f"{command}\n".encode())
            # The master keeps the connection for another command until it is told that there is none.
            connection.shutdown(socket.SHUT_WR)
            answer = b""
            while chunk := connection.recv(65536):
                answer += chunk
        return answer.decode()


def check_configuration(path: Path) -> None:
    """Raise LocalCloudError with HAProxy's own words if it does not accept the file."""
    done = subprocess.run(["haproxy", "-c", "-f", str(path)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise LocalCloudError(f"HAProxy does not accept {path}: {done.stderr.strip()}")
