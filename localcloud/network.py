"""VPCs as bridges, and a firewall that keeps hosts to the API, the metadata service and the outside's registries.

Every bridge's name starts with the same letters, so one nftables table, in place before the first host, covers them all.
Link-local traffic from a host reaches the metadata service or nothing: it can never leave this machine.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import subprocess
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from localcloud.errors import LocalCloudError
from localcloud.podman import Podman

TABLE = "pettracker_localcloud"
BRIDGE_PREFIX = "ptcloud"
METADATA_ADDRESS = "169.254.169.254"
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")


@dataclass(frozen=True)
class Taken:
    """A network that this machine already uses, and where."""

    network: ipaddress.IPv4Network
    where: str


def bridge_name(vpc_id: str) -> str:
    """Return the VPC's bridge interface; the kernel allows 15 characters."""
    return f"{BRIDGE_PREFIX}{hashlib.sha256(vpc_id.encode()).hexdigest()[:8]}"


def gateway(cidr: str) -> str:
    """Return the VPC's first address, which its bridge takes (on AWS it is the router's, too)."""
    return str(ipaddress.IPv4Network(cidr)[1])


def ruleset(api_port: int, metadata_port: int) -> str:
    """Return the nftables table.

    Priority raw comes before address translation: other link-local traffic than a request to the metadata service ends there.
    The forward chain says the same once more, so that no mistake elsewhere lets a host reach the machine's own metadata.
    """
    bridges = f'iifname "{BRIDGE_PREFIX}*"'
    return f"""table inet {TABLE} {{
  chain link_local {{
    type filter hook prerouting priority raw; policy accept;
    {bridges} ip daddr {METADATA_ADDRESS} tcp dport 80 accept
    {bridges} ip daddr 169.254.0.0/16 drop
  }}
  chain metadata {{
    type nat hook prerouting priority dstnat - 5; policy accept;
    {bridges} ip daddr {METADATA_ADDRESS} tcp dport 80 redirect to :{metadata_port}
  }}
  chain machine {{
    type filter hook input priority filter; policy accept;
    {bridges} ct state established,related accept
    {bridges} tcp dport {metadata_port} ct status dnat accept
    {bridges} tcp dport {api_port} accept
    {bridges} meta l4proto {{ tcp, udp }} th dport 53 accept
    {bridges} meta l4proto {{ icmp, ipv6-icmp }} accept
    {bridges} reject
  }}
  chain outside {{
    type filter hook forward priority filter - 5; policy accept;
    {bridges} ip daddr 169.254.0.0/16 drop
    {bridges} meta nfproto ipv6 drop
    oifname "{BRIDGE_PREFIX}*" iifname != "{BRIDGE_PREFIX}*" ct state new drop
  }}
}}
"""


def collision(cidr: str, taken: Iterable[Taken]) -> Taken | None:
    """Return what `cidr` overlaps, if anything."""
    wanted = ipaddress.IPv4Network(cidr)
    return next((other for other in taken if wanted.overlaps(other.network)), None)


def machine_networks(routes: str, resolv_conf: str) -> list[Taken]:
    """Return the networks in `ip -json -4 route show table all` and the name servers, without the local cloud's own bridges."""
    found = []
    for route in json.loads(routes or "[]"):
        device = route.get("dev", "")
        if route["dst"] not in {"default", "0.0.0.0/0"} and device != "lo" and not device.startswith(BRIDGE_PREFIX):
            found.append(Taken(ipaddress.IPv4Network(route["dst"], strict=False), f"on {device or 'a route'}"))
    for line in resolv_conf.splitlines():
        match line.split():
            case ["nameserver", address] if ":" not in address and not address.startswith("127."):
                found.append(Taken(ipaddress.IPv4Network(address), "a name server"))
    return found


def network_definition(vpc_id: str, cidr: str) -> dict[str, object]:
    """Return podman's definition of a network, the form of `podman network inspect`; 4.3 cannot name a bridge by option."""
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


class Network:
    """The bridges and the firewall of the running cloud."""

    def __init__(self, podman: Podman) -> None:
        """Nothing is changed on the machine before `protect`."""
        self.podman = podman
        self.settings = podman.settings
        self.on_network: Callable[[str, str], None] | None = None
        self._lock = threading.Lock()

    @property
    def _directory(self) -> Path:
        return self.settings.state_dir / "networks"

    @property
    def _forwarding_before(self) -> Path:
        return self.settings.run_dir / "ip_forward"

    def protect(self) -> None:
        """Put the firewall in place, replacing an earlier one in one step; remember whether the machine forwarded packets."""
        self.settings.run_dir.mkdir(parents=True, exist_ok=True)
        if not self._forwarding_before.exists():
            self._forwarding_before.write_text(FORWARDING.read_text())
        table = f"table inet {TABLE} {{}}\ndelete table inet {TABLE}\n" + ruleset(
            self.settings.api_port, self.settings.metadata_port
        )
        done = subprocess.run(["nft", "-f", "-"], input=table, capture_output=True, text=True, check=False)
        if done.returncode:
            raise LocalCloudError(f"the firewall of the hosts could not be set up: {done.stderr.strip()}")

    def ensure(self, vpc_id: str, cidr: str) -> None:
        """Make sure that the VPC's network is defined; tell `on_network(vpc_id, gateway)` about a new one.

        Raises LocalCloudError when the machine itself uses addresses in `cidr`.
        """
        with self._lock:
            definition = self._directory / f"{vpc_id}.json"
            if definition.exists():
                return
            routes = subprocess.run(["ip", "-json", "-4", "route", "show"], capture_output=True, text=True, check=True).stdout
            other = collision(cidr, machine_networks(routes, Path("/etc/resolv.conf").read_text()))
            if other:
                raise LocalCloudError(
                    f"{vpc_id} has {cidr}, but this machine itself uses {other.network} ({other.where}), so hosts there could "
                    "not be told apart. Give the VPC another CIDR block, or disconnect that network during the rehearsal."
                )
            self._directory.mkdir(parents=True, exist_ok=True)
            definition.write_text(json.dumps(network_definition(vpc_id, cidr)))
            if self.on_network:
                self.on_network(vpc_id, gateway(cidr))

    def teardown(self) -> None:
        """Remove bridges, firewall and netavark's chains, and restore the machine's forwarding. Safe to repeat."""
        links = subprocess.run(["ip", "-json", "link", "show", "type", "bridge"], capture_output=True, text=True, check=False)
        for link in json.loads(links.stdout or "[]"):
            if link.get("ifname", "").startswith(BRIDGE_PREFIX):
                subprocess.run(["ip", "link", "delete", link["ifname"]], capture_output=True, check=False)
        for definition in self._directory.glob("vpc-*.json"):
            definition.unlink()
        subprocess.run(["nft", "delete", "table", "inet", TABLE], capture_output=True, check=False)
        if self._forwarding_before.exists():
            FORWARDING.write_text(self._forwarding_before.read_text())
            self._forwarding_before.unlink()
