"""A port of a host comes to this machine, whatever is said over it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from localcloud.forwarding import forwarder

# Stands for podman: enters no host, and runs what would run there with this machine's own Python.
PODMAN = """#!/bin/sh
test "$1 $2 $3" = "exec --interactive i-0a" || exit 1
shift 3
exec "$@"
"""


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a service that gives back all that it was sent, once the sender has ended, and then ends too."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rwb") as file:
                file.write(file.read())

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def test_what_goes_in_comes_back_and_ends_when_both_sides_have_ended(echo: int, tmp_path: Path) -> None:
    podman = tmp_path / "podman"
    podman.write_text(PODMAN)
    podman.chmod(0o755)
    sent = bytes(range(256)) * 1000
    with forwarder([str(podman)], "i-0a", echo, 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for _ in range(2):
            with socket.create_connection(server.server_address, timeout=30) as client, client.makefile("rb") as answer:
                client.sendall(sent)
                client.shutdown(socket.SHUT_WR)
                assert answer.read() == sent
        server.shutdown()
