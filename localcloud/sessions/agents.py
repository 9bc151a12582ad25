"""What stands in for the SSM agent of a host: commands that enter it through podman.

The real agent makes the user ssm-user, who may do everything by sudo, before the first session, and runs `sh` for it on a
pseudo-terminal (aws/amazon-ssm-agent, agent/session/plugins/shell).
"""

import os
from pathlib import Path
from typing import Protocol

from localcloud.hosts.containers import Hosts

SESSION_VARIABLE = "LOCALCLOUD_SESSION"
# It does not replace itself by the shell: with the host, it dies of a signal; after the shell, it ends with 0. The
# agent keeps what it knows of a session in files. What becomes of a session whose files are removed is not
# documented: here the session is lost.
SHELL = """
state=/var/lib/amazon/ssm/$1/session/orchestration/$2
mkdir -p "$state"
id -u ssm-user >/dev/null 2>&1 || useradd --create-home ssm-user || exit
if [ ! -e /etc/sudoers.d/ssm-agent-users ]; then
  echo 'ssm-user ALL=(ALL) NOPASSWD:ALL' > /etc/sudoers.d/ssm-agent-users && chmod 0440 /etc/sudoers.d/ssm-agent-users || exit
fi
(while [ -d "$state" ]; do sleep 1; done; kill -KILL $$) &
setpriv --reuid=ssm-user --regid=ssm-user --init-groups env HOME=/home/ssm-user TERM=xterm-256color sh
kill $!
rmdir "$state"
exit 0
"""
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


class Agents(Protocol):
    """The agents of all hosts."""

    @property
    def environment(self) -> dict[str, str]:
        """What the commands need in their environment."""

    def online(self, instance_id: str) -> bool:
        """Tell whether the agent of a host is there to be asked."""

    def shell(self, instance_id: str, session_id: str) -> list[str]:
        """Return the command that runs a shell of the host on the terminal that it is given; it ends with 0 after the shell."""

    def port(self, instance_id: str, port: int) -> list[str]:
        """Return the command that joins its standard input and output to a port of the host's loopback."""


class NoAgents:
    """For a cloud without hosts: nothing can be entered."""

    @property
    def environment(self) -> dict[str, str]:
        """Never asked for."""
        return {}

    def online(self, instance_id: str) -> bool:
        """Nobody is there."""
        return False

    def shell(self, instance_id: str, session_id: str) -> list[str]:
        """Never asked for."""
        return []

    def port(self, instance_id: str, port: int) -> list[str]:
        """Never asked for."""
        return []


class HostAgents:
    """Enters hosts that are containers."""

    def __init__(self, hosts: Hosts) -> None:
        """Nothing is asked before a session starts."""
        self._hosts = hosts

    @property
    def environment(self) -> dict[str, str]:
        """Environment of podman."""
        return self._hosts.podman.environment

    def online(self, instance_id: str) -> bool:
        """Tell whether the host runs."""
        return self._hosts.states().get(instance_id) == "running"

    def shell(self, instance_id: str, session_id: str) -> list[str]:
        """Return the command for a terminal of its own."""
        variable = f"--env={SESSION_VARIABLE}={session_id}"
        return [
            "podman",
            "exec",
            "--interactive",
            "--tty",
            variable,
            instance_id,
            "/bin/sh",
            "-c",
            SHELL,
            "agent",
            instance_id,
            session_id,
        ]

    def port(self, instance_id: str, port: int) -> list[str]:
        """Return the command that goes through the host's own Python."""
        return ["podman", "exec", "--interactive", instance_id, "/usr/bin/python3", "-c", RELAY, str(port)]


def processes_of(session_id: str, proc: Path = Path("/proc")) -> list[int]:
    """Return the processes of a session's shell, on this machine or in a host: killing podman leaves what it started."""
    mark = f"{SESSION_VARIABLE}={session_id}".encode()
    found = []
    for directory in proc.iterdir():
        try:
            if directory.name.isdigit() and mark in (directory / "environ").read_bytes().split(b"\0"):
                found.append(int(directory.name))
        except OSError:  # it has ended, or is somebody else's
            continue
    return [one for one in found if one != os.getpid()]
