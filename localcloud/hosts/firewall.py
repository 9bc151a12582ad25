"""The firewall between hosts and everything else: hosts get the API, the metadata service and the outside's registries.

The machine's neighbours get neither: Linux takes packets for the address of any interface on every other one, and would route
between all of them once hosts need it to.
Every bridge's name starts with the same letters, so one nftables table covers them all and is in place before the first
host. Link-local traffic from a host reaches the metadata service or nothing: it can never leave this machine.
"""

import re
import shlex
import subprocess
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

from localcloud.errors import LocalCloudError
from localcloud.settings import Settings

TABLE = "pettracker_localcloud"
BRIDGE_PREFIX = "ptcloud"
METADATA_ADDRESS = "169.254.169.254"
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
# Tables that netavark makes through iptables (1.x) or nftables, and leaves behind.
NETAVARK_TABLES = ("ip nat", "ip filter", "inet netavark")
MULTICAST = "224.0.0.0/4"  # excepted from translation for every network
# Chains of netavark's that hold rules whether or not a network is in use.
STANDING_CHAINS = ("NETAVARK-HOSTPORT-MASQ", "NETAVARK-HOSTPORT-SETMARK")


def ruleset(api_port: int, metadata_port: int, *, routes_anyway: bool) -> str:
    """Return the nftables table. `routes_anyway`: the machine forwarded packets before, and goes on for whom it did.

    Priority raw comes before address translation: link-local traffic other than a request to the metadata service ends
    there. The forward chain drops it once more, so that no mistake elsewhere lets a host reach the machine's metadata.
    """
    bridges = f'iifname "{BRIDGE_PREFIX}*"'
    others = f'iifname != "{BRIDGE_PREFIX}*"'
    # Forwarding is on because of the hosts: nobody else's connections are to be carried.
    carried = f'oifname "{BRIDGE_PREFIX}*" {others}' if routes_anyway else others
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
    iifname != "lo" {others} tcp dport {{ {api_port}, {metadata_port} }} reject with tcp reset
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
    {carried} ct state new reject
  }}
}}
"""


def netavark_leftovers(saved: str, blocks: set[str]) -> list[list[str]]:
    """Return the iptables arguments that remove what netavark made, from the text of `iptables-save -t TABLE`.

    That is the rules of the networks with these address `blocks`, and netavark's common chains unless a network of
    another podman uses them; netavark makes them anew when it needs them.
    """
    chains = re.findall(r"^:(NETAVARK\S*)", saved, re.MULTILINE)
    rules = [shlex.split(line) for line in saved.splitlines() if line.startswith("-A ")]
    ours = [rule for rule in rules if any(flag in {"-s", "-d"} and to in blocks for flag, to in pairwise(rule))]
    own_chains = {rule[-1] for rule in ours} & set(chains)
    commands = [["-D", *rule[1:]] for rule in ours if rule[1] not in own_chains]
    others = [rule for rule in rules if rule not in ours and rule[1] not in own_chains]
    removable = [chain for chain in chains if chain in own_chains]
    if not any(rule[1] in chains and rule[1] not in STANDING_CHAINS for rule in others):
        commands += [["-D", *rule[1:]] for rule in others if rule[1] not in chains and rule[-1] in chains]
        removable = chains
    return commands + [["-F", chain] for chain in removable] + [["-X", chain] for chain in removable]


def idle_tables(before: Iterable[str], listing: str, blocks: set[str]) -> list[str]:
    """Return netavark's tables that came after `before` and serve nobody now, from the text of `nft list ruleset`.

    An iptables table must be empty; netavark's own may still mention our address `blocks`.
    """
    tables = re.findall(r"^table (\S+ \S+) \{\n(.*?)^\}", listing, re.MULTILINE | re.DOTALL)
    frame = re.compile(r"\s*(?:chain \S+ \{|type .*|\}|)\s*")

    def idle(name: str, body: str) -> bool:
        if name == "inet netavark":
            return set(re.findall(r"[\d.]+/\d+", body)) <= blocks | {MULTICAST}
        return all(frame.fullmatch(line) for line in body.splitlines())

    return [name for name, body in tables if name in NETAVARK_TABLES and name not in before and idle(name, body)]


def _output(*command: str) -> str:
    """Return what a read-only command prints, empty when it fails."""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


class Firewall:
    """The local cloud's table on this machine, and the memory of what the machine was like before."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is changed before `protect`."""
        self.settings = settings

    @property
    def _forwarding_before(self) -> Path:
        return self.settings.run_dir / "ip_forward"

    @property
    def _tables_before(self) -> Path:
        return self.settings.run_dir / "nft-tables"

    def protect(self) -> None:
        """Put the table in place, replacing an earlier one in one step; note first what netavark is going to change."""
        self.settings.run_dir.mkdir(parents=True, exist_ok=True)
        if not self._forwarding_before.exists():
            tables = _output("nft", "list", "tables").replace("table ", "")
            self._tables_before.write_text(tables)
            self._forwarding_before.write_text(FORWARDING.read_text())
        routes_anyway = self._forwarding_before.read_text().strip() != "0"
        rules = ruleset(self.settings.api_port, self.settings.metadata_port, routes_anyway=routes_anyway)
        script = f"table inet {TABLE} {{}}\ndelete table inet {TABLE}\n{rules}"
        done = subprocess.run(["nft", "-f", "-"], input=script, capture_output=True, text=True, check=False)
        if done.returncode:
            raise LocalCloudError(f"the firewall of the hosts could not be set up: {done.stderr.strip()}")

    def remove(self, blocks: set[str]) -> None:
        """Remove the table and what netavark left of the VPCs' `blocks`; restore forwarding. Safe to repeat.

        Forwarding stays on while other bridges are there, which may need it by now.
        """
        subprocess.run(["nft", "delete", "table", "inet", TABLE], capture_output=True, check=False)
        if not self._forwarding_before.exists():
            return
        for table in ("nat", "filter"):
            for arguments in netavark_leftovers(_output("iptables-save", "-t", table), blocks):
                subprocess.run(["iptables", "-t", table, *arguments], capture_output=True, check=False)
        before = self._tables_before.read_text().splitlines()
        for name in idle_tables(before, _output("nft", "list", "ruleset"), blocks):
            subprocess.run(["nft", "delete", "table", *name.split()], capture_output=True, check=False)
        if not _output("ip", "link", "show", "type", "bridge"):
            FORWARDING.write_text(self._forwarding_before.read_text())
        self._forwarding_before.unlink()
