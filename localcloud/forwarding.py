"""A port of a host on this machine, for programs that only listen inside: each connection goes through `podman exec`.

A host's own address is reachable from this machine, but a service on its loopback is not; on AWS, Session Manager's document
AWS-StartPortForwardingSession reaches both.
"""

from __future__ import annotations

import socketserver
import subprocess

from localcloud.sessions.agents import RELAY


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
