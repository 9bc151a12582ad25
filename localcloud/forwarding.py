"""A port of a host on this machine, for programs that only listen inside: each connection goes through `podman exec`.

A host's own address is reachable from this machine, but a service on its loopback is not; on AWS, Session Manager's document
AWS-StartPortForwardingSession reaches both.
"""

from __future__ import annotations

import socketserver
import subprocess

# Runs in the host, whose only sure interpreter is its own Python: standard input to the port, and what it answers back.
RELAY = """
import os, socket, sys, threading
port = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
def send():
    while data := os.read(0, 65536):
        port.sendall(data)
    port.shutdown(socket.SHUT_WR)
threading.Thread(target=send, daemon=True).start()
while data := port.recv(65536):
    while data:
        data = data[os.write(1, data):]
"""


class _Forwarder(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def forwarder(podman: list[str], instance_id: str, port: int, local_port: int) -> socketserver.TCPServer:
    """Return a server on 127.0.0.1:`local_port` (0: any free one) whose connections end at `port` of the host's loopback.

    Raises OSError if the local port is taken.
    """
    command = [*podman, "exec", "--interactive", instance_id, "/usr/bin/python3", "-c", RELAY, str(port)]

    class Connection(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            subprocess.run(command, stdin=self.request, stdout=self.request, check=False)

    return _Forwarder(("127.0.0.1", local_port), Connection)
