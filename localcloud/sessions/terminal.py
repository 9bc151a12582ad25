"""A shell on a pseudo-terminal, and its relay to a client that comes, goes and may come back."""

import contextlib
import fcntl
import os
import pty
import select
import signal
import socket
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable
from enum import Enum

from localcloud.sessions.agents import processes_of


class End(Enum):
    """Why a relay has ended."""

    EXIT = "the shell has ended"
    LOST = "the host went away"
    LEFT = "the client went away"
    IDLE = "nobody said anything for too long"


class Terminal:
    """One shell. `clock` is in seconds that never go back."""

    def __init__(self, command: list[str], environment: dict[str, str], size: tuple[int, int]) -> None:
        """Start `command` on a terminal of `size` (rows, columns). Raises OSError."""
        self._master, slave = pty.openpty()
        self._relaying = threading.Lock()
        self.resize(*size)
        try:
            # Its own session and controlling terminal, so that a change of size is signalled; and what nohup or a job in the
            # background has this process ignore ends the shell all the same.
            shell = ["setsid", "--ctty", "env", "--default-signal=HUP,INT,QUIT", *command]
            self._process = subprocess.Popen(shell, stdin=slave, stdout=slave, stderr=slave, env=os.environ | environment)
        except OSError:
            os.close(self._master)
            raise
        finally:
            os.close(slave)

    def resize(self, rows: int, columns: int) -> None:
        """Give the terminal another size."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def relay(self, client: socket.socket, idle: float, clock: Callable[[], float] = time.monotonic) -> End:
        """Pass everything on both ways until one side ends, or nothing was said for `idle` seconds. One client at a time."""
        with self._relaying:
            return self._relay(client, idle, clock)

    def _relay(self, client: socket.socket, idle: float, clock: Callable[[], float]) -> End:
        sides: list[socket.socket | int] = [client, self._master]
        quiet_since = clock()
        while (left := quiet_since + idle - clock()) > 0:
            ready, _, _ = select.select(sides, [], [], left)
            if self._master in ready and not self._pass_on(client):
                return End.EXIT if self._process.wait() == 0 else End.LOST
            if client in ready and not self._take_in(client):
                return End.LEFT
            if ready:
                quiet_since = clock()
        return End.IDLE

    def _pass_on(self, client: socket.socket) -> bool:
        try:
            said = os.read(self._master, 65536)
        except OSError:  # Linux says so when the other side of a terminal is closed
            return False
        with contextlib.suppress(OSError):  # a client that has gone is noticed where it is read
            client.sendall(said)
        return bool(said)

    def _take_in(self, client: socket.socket) -> bool:
        try:
            typed = client.recv(65536)
        except OSError:
            return False
        taken = bool(typed)
        with contextlib.suppress(OSError):  # a shell that has ended is noticed where it is read
            while typed:
                typed = typed[os.write(self._master, typed) :]
        return taken

    def end(self, session_id: str) -> None:
        """Hang up: end the shell wherever it runs, as the agent does."""
        for process in processes_of(session_id):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGHUP)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(2)
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Give back what the terminal holds, when nobody relays any more; the shell must have ended."""
        with self._relaying:
            os.close(self._master)


def keep_silent(client: socket.socket, idle: float) -> None:
    """Leave a client in the dark until it goes away, at most `idle` seconds.

    The real plugin neither notices nor reconnects when its host reboots (aws/session-manager-plugin, issue 55).
    """
    client.settimeout(idle)
    with contextlib.suppress(OSError):
        while client.recv(65536):
            pass
