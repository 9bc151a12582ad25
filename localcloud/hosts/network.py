"""VPCs as bridges of this machine, with the VPC's own addresses."""

import hashlib
import ipaddress
import json
import subprocess
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from localcloud.errors import LocalCloudError
from localcloud.hosts.firewall import BRIDGE_PREFIX
from localcloud.settings import Settings

# The suffix of the definition of a network that has been removed.
GONE = ".gone"


@dataclass(frozen=True)
class Taken:
    """A network that this machine already uses, and where."""

    network: ipaddress.IPv4Network
    where: str


def bridge_name(vpc_id: str) -> str:
    """Return the VPC's bridge interface. The kernel allows 15 characters; one is left for the port's suffix."""
    return f"{BRIDGE_PREFIX}{hashlib.sha256(vpc_id.encode()).hexdigest()[:7]}"


def bridge_mac(vpc_id: str) -> str:
    """Return the bridge's hardware address, locally administered."""
    return "02:" + hashlib.sha256(vpc_id.encode()).digest()[:5].hex(":")


def gateway(cidr: str) -> str:
    """Return the VPC's first address, which its bridge takes."""
    return str(ipaddress.IPv4Network(cidr)[1])


def bridge_commands(vpc_id: str, cidr: str) -> list[list[str]]:
    """Return the ip(8) commands that make the VPC's bridge.

    netavark would make one whose hardware address changes as hosts come and go, so that hosts lose their gateway for
    seconds, and would delete it after the last host. An address of its own and a port without a peer prevent both.
    """
    bridge = bridge_name(vpc_id)
    port, peer = f"{bridge}p", f"{bridge}q"
    prefix = ipaddress.IPv4Network(cidr).prefixlen
    return [
        ["link", "add", bridge, "address", bridge_mac(vpc_id), "type", "bridge"],
        ["link", "add", port, "type", "veth", "peer", "name", peer],
        ["link", "set", port, "master", bridge],
        ["address", "add", f"{gateway(cidr)}/{prefix}", "dev", bridge],
        ["link", "set", bridge, "up"],
    ]


def collision(cidr: str, taken: Iterable[Taken]) -> Taken | None:
    """Return what `cidr` overlaps, if anything."""
    wanted = ipaddress.IPv4Network(cidr)
    return next((other for other in taken if wanted.overlaps(other.network)), None)


def machine_networks(routes: str, resolv_conf: str) -> list[Taken]:
    """Return the networks in `ip -json -4 route show` and the name servers, but not the local cloud's own bridges."""
    found = []
    for route in json.loads(routes or "[]"):
        device = route.get("dev", "")
        if route["dst"] != "default" and not device.startswith(BRIDGE_PREFIX):
            found.append(Taken(ipaddress.IPv4Network(route["dst"], strict=False), f"on {device or 'a route'}"))
    for line in resolv_conf.splitlines():
        match line.split():
            case ["nameserver", address, *_] if ":" not in address and not address.startswith("127."):
                found.append(Taken(ipaddress.IPv4Network(address), "a name server"))
    return found


def network_definition(vpc_id: str, cidr: str) -> dict[str, object]:
    """Return podman's definition of a network, as `network inspect` shows it; 4.3 has no option to name a bridge."""
    return {
        "name": vpc_id,
        "id": hashlib.sha256(vpc_id.encode()).hexdigest(),
        "driver": "bridge",
        "network_interface": bridge_name(vpc_id),
        "created": "2024-01-01T00:00:00Z",
        "subnets": [{"subnet": cidr, "gateway": gateway(cidr)}],
        "ipv6_enabled": False,
        "internal": False,
        "dns_enabled": False,
        "ipam_options": {"driver": "host-local"},
    }


def _ip(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)


class Network:
    """The bridges of the running cloud. `on_network(vpc_id, gateway)` is told of each before its first host starts."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is changed before `ensure`."""
        self.settings = settings
        self.on_network: Callable[[str, str], None] | None = None
        self._directory = settings.run_dir / "networks"
        # VPC id -> its block
        self._ready: dict[str, Taken] = {}
        self._lock = threading.Lock()

    def ensure(self, vpc_id: str, cidr: str) -> None:
        """Make the VPC's bridge unless it is there.

        Raises LocalCloudError when this machine already uses addresses in `cidr`, itself or for another VPC.
        """
        with self._lock:
            if vpc_id in self._ready:
                return
            of_machine = machine_networks(_ip("-json", "-4", "route", "show").stdout, _name_servers())
            other = collision(cidr, [*of_machine, *self._ready.values()])
            if other:
                raise LocalCloudError(
                    f"{vpc_id} has the block {cidr}, but this machine already uses {other.network} ({other.where}): "
                    "traffic could not be told apart. Give the VPC another block, or leave that network meanwhile."
                )
            self._directory.mkdir(parents=True, exist_ok=True)
            Path(self._directory, f"{vpc_id}.json").write_text(json.dumps(network_definition(vpc_id, cidr)))
            self._delete_links(bridge_name(vpc_id))
            for command in bridge_commands(vpc_id, cidr):
                done = _ip(*command)
                if done.returncode:
                    raise LocalCloudError(f"the bridge of {vpc_id} could not be made: {done.stderr.strip()}")
            if self.on_network:
                self.on_network(vpc_id, gateway(cidr))
            self._ready[vpc_id] = Taken(ipaddress.IPv4Network(cidr), f"for {vpc_id}")

    def remove(self, vpc_id: str) -> None:
        """Remove the bridge of a VPC that has been deleted: its route would take another VPC's packets. Safe to repeat."""
        with self._lock:
            self._delete_links(bridge_name(vpc_id))
            definition = Path(self._directory, f"{vpc_id}.json")
            if definition.exists():
                # Podman reads only *.json; netavark's rules for the block stay until the teardown, which asks for `blocks`.
                definition.rename(definition.with_suffix(GONE))
            self._ready.pop(vpc_id, None)

    def blocks(self) -> set[str]:
        """Return the address blocks of the VPCs that have or had a network, also of a cloud that has crashed."""
        definitions = [json.loads(path.read_text()) for path in self._definitions()]
        return {subnet["subnet"] for definition in definitions for subnet in definition["subnets"]}

    def teardown(self) -> None:
        """Remove every bridge of the local cloud and its definition. Safe to repeat."""
        with self._lock:
            self._delete_links(BRIDGE_PREFIX)
            for definition in self._definitions():
                definition.unlink()
            self._ready.clear()

    def _definitions(self) -> list[Path]:
        return [path for path in self._directory.glob("*") if path.suffix in (".json", GONE)]

    def _delete_links(self, prefix: str) -> None:
        for link in json.loads(_ip("-json", "link", "show").stdout or "[]"):
            if link.get("ifname", "").startswith(prefix):
                _ip("link", "delete", link["ifname"])


def _name_servers() -> str:
    path = Path("/etc/resolv.conf")
    return path.read_text() if path.exists() else ""
