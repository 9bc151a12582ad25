"""The ruleset in namespaces of its own: what hosts, the machine itself and its neighbours reach while a rehearsal runs."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from localcloud.hosts.firewall import BRIDGE_PREFIX, ruleset

API, METADATA, OTHER = 4566, 1338, 9999
BRIDGE = f"{BRIDGE_PREFIX}test"
TOOLS = ("unshare", "nsenter", "ip", "nft")
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, TOOLS)), reason="makes network namespaces as root"
)
# Listens on every port that it is given, and says so with a line.
LISTEN = """
import select, socket, sys
there = [socket.create_server(("", int(port)), backlog=64) for port in sys.argv[1:]]
print(flush=True)
while True:
    for one in select.select(there, [], [])[0]:
        one.accept()[0].close()
"""


class Place:
    """A network namespace in which something listens on some ports."""

    def __init__(self, stack: ExitStack, *ports: int) -> None:
        command = ["unshare", "--net", sys.executable, "-c", LISTEN, *map(str, ports)]
        process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE))
        stack.callback(process.kill)
        assert process.stdout is not None
        process.stdout.readline()
        self.inside = ["nsenter", f"--target={process.pid}", "--net"]
        self.pid = process.pid

    def run(self, *command: str, text: str = "") -> None:
        subprocess.run([*self.inside, *command], input=text, text=True, check=True)

    def reaches(self, address: str, port: int) -> bool:
        """Tell whether a connection is taken; a packet that is dropped without an answer counts as not, after a while."""
        connect = f"exec 3<>/dev/tcp/{address}/{port}"
        done = subprocess.run([*self.inside, "timeout", "5", "bash", "-c", connect], capture_output=True, check=False)
        return done.returncode == 0


class World:
    """A machine with a host on a bridge of its own, a neighbour on one side, and another network on the other."""

    def __init__(self, stack: ExitStack) -> None:
        self.machine = Place(stack, API, METADATA, OTHER)
        self.host, self.neighbour, self.beyond = (Place(stack, OTHER) for _ in range(3))
        links = [("inside", self.host, 10), ("lan", self.neighbour, 50), ("far", self.beyond, 60)]
        lines = ["link set lo up", f"link add {BRIDGE} type bridge", f"address add 10.0.0.1/16 dev {BRIDGE}"]
        for name, place, number in links:
            lines += [f"link add {name} type veth peer name eth0 netns {place.pid}", f"link set {name} up"]
            lines += [f"address add 192.168.{number}.1/24 dev {name}"] if name != "inside" else []
            own, gateway = (f"192.168.{number}.2/24", f"192.168.{number}.1")
            if name == "inside":
                own, gateway = "10.0.0.2/16", "10.0.0.1"
            lines_there = ["link set lo up", "link set eth0 up", f"address add {own} dev eth0"]
            self.machine.run("ip", "-batch", "-", text="\n".join(lines) + "\n")
            place.run("ip", "-batch", "-", text="\n".join([*lines_there, f"route add default via {gateway}"]) + "\n")
            lines = []
        self.machine.run("ip", "-batch", "-", text=f"link set inside master {BRIDGE}\nlink set {BRIDGE} up\n")
        self.machine.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")

    def protect(self, *, routes_anyway: bool) -> None:
        rules = ruleset(API, METADATA, routes_anyway=routes_anyway)
        self.machine.run("nft", "-f", "-", text=f"flush ruleset\n{rules}")


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with ExitStack() as stack:
        yield World(stack)


def test_a_neighbour_reaches_the_machine_but_neither_api_nor_metadata_nor_hosts(world: World) -> None:
    world.protect(routes_anyway=True)
    for address in ("192.168.50.1", "10.0.0.1"):
        assert world.neighbour.reaches(address, OTHER)  # on any interface, as Linux has it
        assert not world.neighbour.reaches(address, API)
        assert not world.neighbour.reaches(address, METADATA)
    assert not world.neighbour.reaches("10.0.0.2", OTHER)
    assert world.machine.reaches("127.0.0.1", API)
    assert world.machine.reaches("10.0.0.1", API)
    assert world.host.reaches("10.0.0.1", API)
    assert not world.host.reaches("10.0.0.1", OTHER)


@pytest.mark.parametrize("routes_anyway", [False, True])
def test_the_machine_carries_a_neighbours_connections_only_if_it_did_before(world: World, routes_anyway: bool) -> None:
    world.protect(routes_anyway=routes_anyway)
    assert world.host.reaches("192.168.60.2", OTHER)
    assert world.neighbour.reaches("192.168.60.2", OTHER) is routes_anyway
    assert not world.beyond.reaches("10.0.0.2", OTHER)
