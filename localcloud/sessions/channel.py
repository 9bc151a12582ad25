"""Data channels: what a client with a session's token gets to, over TCP on loopback.

A client sends one line of JSON: `token`, and the terminal's `size` (rows, columns) or null. With `resize`, that is
all. It is answered by one line: `kind` ("shell" or "port"), `session_id`, and for a port `local_port`, or `error`.
Then come the bytes, as they are. A shell has one such connection at a time; a port has one that stays for as long as
the session, and one (`connection` is true) for each of its clients.
"""

import contextlib
import json
import logging
import os
import socket
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

from localcloud.sessions.manager import PORT, Session, Sessions
from localcloud.sessions.terminal import End, Terminal, keep_silent

logger = logging.getLogger(__name__)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


class DataChannels:
    """Serves the data channels of `sessions`; one that nobody uses for `idle` seconds ends."""

    def __init__(self, sessions: Sessions, idle: float) -> None:
        """Nothing is served before `open`."""
        self._sessions, self._idle = sessions, idle
        self._terminals: dict[str, Terminal] = {}
        self._server: _Server | None = None

    def open(self) -> None:
        """Serve on a free port of loopback."""
        channels = self

        class Handler(socketserver.StreamRequestHandler):
            rbufsize = 0  # what follows the first line is the terminal's

            def handle(self) -> None:
                channels.serve(self.connection, self.rfile.readline(65536))

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._sessions.stream = f"tcp://127.0.0.1:{self._server.server_address[1]}/v1/data-channel/"
        threading.Thread(target=self._server.serve_forever, name="data-channels", daemon=True).start()

    def close(self) -> None:
        """End every session and serve no more."""
        self._sessions.close_all()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def serve(self, client: socket.socket, line: bytes) -> None:
        """Give a client what its first line asks for."""
        try:
            request: dict[str, Any] = json.loads(line)
            session = self._sessions.by_token(str(request["token"]))
        except (ValueError, KeyError, TypeError):
            session = None
        if session is None:
            _answer(client, error="The token is not that of a session that can be joined.")
        elif request.get("resize"):
            if terminal := self._terminals.get(session.session_id):
                terminal.resize(*request["resize"])
        elif session.document == PORT:
            self._serve_port(client, session, bool(request.get("connection")))
        else:
            self._serve_shell(client, session, tuple(request.get("size") or (24, 80)))

    def _serve_shell(self, client: socket.socket, session: Session, size: tuple[int, int]) -> None:
        terminal = self._terminals.get(session.session_id)
        if terminal is None:
            command = self._sessions.agents.shell(session.target, session.session_id)
            terminal = Terminal(command, self._sessions.agents.environment, size)
            self._terminals[session.session_id] = terminal
            threading.Thread(target=self._end_with, args=(session, terminal), daemon=True).start()
        _answer(client, kind="shell", session_id=session.session_id)
        with _joined(client, session):
            end = terminal.relay(client, self._idle)
            if session.closing.is_set():
                return
            if end in {End.EXIT, End.IDLE}:
                self._sessions.close(session)
                return
            session.status = "Disconnected"
            logger.info("Session %s: %s", session.session_id, end.value)
            if end is End.LOST:
                keep_silent(client, self._idle)
                self._sessions.close(session)

    def _serve_port(self, client: socket.socket, session: Session, connection: bool) -> None:
        if connection:
            command = self._sessions.agents.port(session.target, session.port)
            environment = os.environ | self._sessions.agents.environment
            with _joined(client, session):
                subprocess.run(command, stdin=client.fileno(), stdout=client.fileno(), env=environment, check=False)
            return
        _answer(client, kind="port", session_id=session.session_id, local_port=session.local_port)
        with _joined(client, session):
            keep_silent(client, self._idle)
        self._sessions.close(session)

    def _end_with(self, session: Session, terminal: Terminal) -> None:
        """Hang up when the session is over; a client that went away has the idle time to come back."""
        while not session.closing.wait(self._idle):
            if session.status == "Disconnected":
                self._sessions.close(session)
        terminal.end(session.session_id)
        terminal.close()
        del self._terminals[session.session_id]


@contextlib.contextmanager
def _joined(client: socket.socket, session: Session) -> Iterator[None]:
    """Count a client's connection among those of the session, which end with it."""
    session.status = "Connected"
    session.clients.add(client)
    try:
        yield
    finally:
        session.clients.discard(client)


def _answer(client: socket.socket, **fields: Any) -> None:
    client.sendall(json.dumps(fields).encode() + b"\n")
