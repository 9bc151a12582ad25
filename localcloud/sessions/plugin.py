"""What AWS's command line and Ansible call session-manager-plugin: joins a session to this terminal, or to a port.

It is called as the real one is: with the answer of StartSession (or the name of a variable that holds it), region,
"StartSession", profile, the request's parameters, and endpoint; and it prints what the real one prints. It needs
nothing but Python, because every task of Ansible starts it anew.
"""

import contextlib
import json
import os
import selectors
import signal
import socket
import sys
import termios
import threading
import tty
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

# The version from which the AWS command line hands the answer over in a variable and does not warn.
VERSION = "1.2.764.0"
USAGE = "session-manager-plugin is called by the AWS command line: aws ssm start-session --target i-..."


class Channel:
    """Data channels of one session, opened with its token."""

    def __init__(self, answer: dict[str, str]) -> None:
        """Remember what StartSession answered."""
        address = urlsplit(answer["StreamUrl"])
        self._address = (str(address.hostname), int(address.port or 0))
        self._token = answer["TokenValue"]

    def open(self, **request: Any) -> socket.socket:
        """Return a new connection that has sent `request`. Raises OSError."""
        connection = socket.create_connection(self._address)
        connection.sendall(json.dumps({"token": self._token} | request).encode() + b"\n")
        return connection


def read_line(connection: socket.socket) -> dict[str, Any]:
    """Read the service's first line, and nothing of what follows."""
    line = b""
    while not line.endswith(b"\n"):
        byte = connection.recv(1)
        if not byte:
            return {"error": "The service closed the data channel."}
        line += byte
    answer: dict[str, Any] = json.loads(line)
    return answer


def terminal_size() -> tuple[int, int] | None:
    """Return rows and columns of the terminal on standard input, None without one."""
    with contextlib.suppress(OSError):
        size = os.get_terminal_size(0)
        return size.lines, size.columns
    return None


@contextlib.contextmanager
def raw_terminal(channel: Channel) -> Iterator[None]:
    """Pass every key and every change of size on while the block runs, where standard input is a terminal."""
    if not os.isatty(0):
        yield
        return
    before = termios.tcgetattr(0)
    signal.signal(signal.SIGWINCH, lambda *_: channel.open(resize=terminal_size()).close())
    tty.setraw(0)
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)


def shell(channel: Channel, connection: socket.socket) -> None:
    """Join standard input and output to the session's terminal until it ends."""
    selector = selectors.DefaultSelector()
    selector.register(connection, selectors.EVENT_READ)
    with contextlib.suppress(PermissionError):  # a plain file, or /dev/null: there is nothing to be typed
        selector.register(0, selectors.EVENT_READ)
    with raw_terminal(channel):
        while True:
            for key, _ in selector.select():
                if key.fd == 0:
                    typed = os.read(0, 65536)
                    if typed:
                        connection.sendall(typed)
                    else:
                        selector.unregister(0)
                    continue
                said = connection.recv(65536)
                if not said:
                    return
                while said:
                    said = said[os.write(1, said) :]


def forward(channel: Channel, connection: socket.socket, answer: dict[str, Any]) -> None:
    """Listen on the local port, and take each connection to the host's, until the session ends."""
    listener = socket.create_server(("127.0.0.1", answer["local_port"]))
    session_id = answer["session_id"]
    say(f"Port {listener.getsockname()[1]} opened for sessionId {session_id}.\nWaiting for connections...")

    def serve() -> None:
        while True:
            client, _ = listener.accept()
            say(f"\nConnection accepted for session [{session_id}]")
            host = channel.open(connection=True)
            for source, sink in ((client, host), (host, client)):
                threading.Thread(target=copy, args=(source, sink), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    while connection.recv(65536):
        pass


def copy(source: socket.socket, sink: socket.socket) -> None:
    """Send on what comes, and its end."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def say(text: str) -> None:
    """Tell whoever waits, at once."""
    print(text, flush=True)


def main(arguments: list[str]) -> int:
    """Run one session; the exit status is 255 for one that could not begin, as the real plugin's is."""
    if arguments == ["--version"]:
        say(VERSION)
        return 0
    if len(arguments) < 6 or arguments[2] != "StartSession":
        say(USAGE)
        return 255
    try:
        answer = json.loads(os.environ.get(arguments[0], arguments[0]))
        channel = Channel(answer)
        say(f"\nStarting session with SessionId: {answer['SessionId']}")
        connection = channel.open(size=terminal_size())
        said = read_line(connection)
        if "error" in said:
            say(f"Cannot perform start session: {said['error']}")
            return 255
        if said["kind"] == "port":
            forward(channel, connection, said)
        else:
            shell(channel, connection)
    except (OSError, ValueError, KeyError) as error:
        say(f"Cannot perform start session: {error}")
        return 255
    say(f"\n\nExiting session with sessionId: {answer['SessionId']}.\n")
    return 0


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main(sys.argv[1:]))
