"""After `localcloud down`, the machine is as it was: only the clone's cache stays."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[3]


def lines(*command: str) -> list[str]:
    """What a command prints, a line each."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


def test_no_process_is_left():
    assert [p for p in lines("ps", "-eo", "args") if "localcloud" in p and ("haproxy" in p or "-m localcloud" in p)] == []
    assert [p for p in lines("ps", "-eo", "args") if p.startswith("/usr/bin/conmon") and str(ROOT) in p] == []


def test_no_bridge_or_address_is_left():
    assert [link for link in lines("ip", "-brief", "link") if link.startswith(("ptcloud", "podman", "veth"))] == []
    assert [a for a in lines("ip", "-brief", "-4", "address") if " 10.0.0.1/16" in a] == []


def test_no_packet_filter_rule_is_left():
    assert [table for table in lines("nft", "list", "tables") if "localcloud" in table] == []
    assert [rule for rule in lines("iptables-save") if "10.0.0.0/16" in rule] == []


def test_no_file_is_left_outside_the_cache():
    assert not (ROOT / ".localcloud").exists()
    assert [p for p in Path("/run").iterdir() if "localcloud" in p.name] == []


def test_no_mount_is_left():
    assert [m for m in Path("/proc/mounts").read_text().splitlines() if str(ROOT / ".cache") in m] == []
