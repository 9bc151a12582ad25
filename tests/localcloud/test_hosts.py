"""What the hosts' driver decides before anything is started: configuration, firewall, bridges, mounts."""

import ipaddress
import json
import os
import resource
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from localcloud.errors import HostError, LocalCloudError
from localcloud.hosts import podman
from localcloud.hosts.containers import Hosts, HostSpec, run_arguments
from localcloud.hosts.firewall import BRIDGE_PREFIX, idle_tables, netavark_leftovers, ruleset
from localcloud.hosts.guest import guest_files, render_guest_files
from localcloud.hosts.network import (
    Taken,
    bridge_commands,
    bridge_mac,
    bridge_name,
    collision,
    gateway,
    machine_networks,
    network_definition,
)
from localcloud.hosts.podman import Podman, choose_runtime, filesystem_type, render_containers_conf, render_storage_conf, ulimit
from localcloud.hosts.watcher import Watcher
from localcloud.settings import Settings

NAT = """*nat
:PREROUTING ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:NETAVARK-FFEC45B627DE2 - [0:0]
:NETAVARK-HOSTPORT-DNAT - [0:0]
:NETAVARK-HOSTPORT-MASQ - [0:0]
:NETAVARK-HOSTPORT-SETMARK - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j NETAVARK-HOSTPORT-DNAT
-A POSTROUTING -j NETAVARK-HOSTPORT-MASQ
-A POSTROUTING -s 10.0.0.0/16 -j NETAVARK-FFEC45B627DE2
-A NETAVARK-FFEC45B627DE2 -d 10.0.0.0/16 -j ACCEPT
-A NETAVARK-FFEC45B627DE2 ! -d 224.0.0.0/4 -j MASQUERADE
-A NETAVARK-HOSTPORT-MASQ -m comment --comment "netavark portfw masq mark" -j MASQUERADE
-A NETAVARK-HOSTPORT-SETMARK -j MARK --set-xmark 0x2000/0x2000
COMMIT
"""
FOREIGN = """:NETAVARK-1D8721804F16F - [0:0]
-A POSTROUTING -s 10.88.0.0/16 -j NETAVARK-1D8721804F16F
-A NETAVARK-1D8721804F16F -d 10.88.0.0/16 -j ACCEPT
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(root=tmp_path / "clone", run_dir=tmp_path / "run", lock_file=tmp_path / "lock")


class TestPodmanConfiguration:
    def test_crun_where_cgroups_are_v2_and_runc_where_they_are_not(self) -> None:
        assert choose_runtime(True, {"crun", "runc"}) == "crun"
        assert choose_runtime(True, {"runc"}) == "runc"
        assert choose_runtime(False, {"crun", "runc"}) == "runc"

    def test_a_missing_runtime_names_the_package(self) -> None:
        with pytest.raises(LocalCloudError, match="apt-get install runc"):
            choose_runtime(False, {"crun"})
        with pytest.raises(LocalCloudError, match="apt-get install crun"):
            choose_runtime(True, set())

    def test_limits_are_the_machines_own_up_to_podmans(self) -> None:
        assert ulimit("nofile", 20000) == "nofile=20000:20000"
        assert ulimit("nofile", resource.RLIM_INFINITY) == "nofile=1048576:1048576"
        assert ulimit("nproc", 96551) == "nproc=32768:32768"

    def test_storage_is_in_the_clone_and_fuse_helps_on_an_overlay(self, settings: Settings) -> None:
        plain, nested = render_storage_conf(settings, False), render_storage_conf(settings, True)
        assert f'graphroot = "{settings.root}/.cache/localcloud/containers"' in plain
        assert "fuse-overlayfs" in nested
        assert "fuse-overlayfs" not in plain
        conf = render_containers_conf(settings, "runc", "cgroupfs", ["nofile=1:1"])
        assert f'static_dir = "{settings.root}' in conf
        assert 'default_ulimits = ["nofile=1:1"]' in conf

    def test_the_filesystem_is_that_of_the_nearest_mount_point(self) -> None:
        mounts = "overlay / overlay rw 0 0\n/dev/sda /srv ext4 rw 0 0\ntmpfs /srv/x tmpfs rw 0 0\n"
        assert filesystem_type(Path("/home/a"), mounts) == "overlay"
        assert filesystem_type(Path("/srv/clone"), mounts) == "ext4"
        assert filesystem_type(Path("/srvclone"), mounts) == "overlay"

    def test_a_machine_without_root_or_tools_is_told_what_to_do(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
        with pytest.raises(LocalCloudError, match="sudo"):
            Podman(settings).check_machine()
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        monkeypatch.setattr(podman.shutil, "which", lambda tool: None if tool in {"nft", "podman"} else f"/bin/{tool}")
        with pytest.raises(LocalCloudError, match="apt-get install nftables podman"):
            Podman(settings).check_machine()

    def test_a_moved_clone_keeps_its_images_and_drops_records_of_the_former_place(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(podman, "choose_runtime", lambda *_: "runc")
        Podman(settings).write_configuration()
        store = settings.cache_dir / "containers"
        for name in ("libpod/bolt_state.db", "overlay-images/images.json"):
            (store / name).parent.mkdir()
            (store / name).write_text("x")
        Podman(settings).write_configuration()
        assert (store / "libpod").exists()
        moved = replace(settings, root=settings.root.with_name("moved"))
        settings.root.rename(moved.root)
        Podman(moved).write_configuration()
        assert not (moved.cache_dir / "containers/libpod").exists()
        assert (moved.cache_dir / "containers/overlay-images/images.json").exists()

    def test_a_full_disk_is_noticed_before_anything_is_written(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Podman, "check_machine", lambda _self: None)
        monkeypatch.setattr("localcloud.hosts.containers.MINIMUM_FREE_BYTES", 10**18)
        settings.cache_dir.mkdir(parents=True)
        with pytest.raises(LocalCloudError, match="GiB free"):
            Hosts(settings).prepare()
        assert not settings.containers_conf.exists()

    def test_a_failure_carries_podmans_own_words(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        stub = settings.root / "podman"
        stub.parent.mkdir()
        stub.write_text("#!/bin/sh\necho first >&2\necho Error: no such image >&2\nexit 125\n")
        stub.chmod(0o755)
        monkeypatch.setenv("PATH", f"{stub.parent}:{os.environ['PATH']}")
        with pytest.raises(HostError, match="podman run x failed: Error: no such image"):
            Podman(settings).run("run", "x")


class TestFirewall:
    def test_link_local_traffic_reaches_the_metadata_service_or_nothing(self) -> None:
        rules = ruleset(4566, 1338, routes_anyway=False)
        raw = rules[rules.index("chain link_local") : rules.index("chain metadata")]
        assert "priority raw" in raw
        assert raw.index("169.254.169.254 tcp dport 80 accept") < raw.index("169.254.0.0/16 drop")
        forward = rules[rules.index("chain outside") :]
        assert "hook forward" in forward
        assert "ip daddr 169.254.0.0/16 drop" in forward

    @pytest.mark.skipif(os.geteuid() != 0, reason="nft checks rules for root only")
    def test_nft_accepts_the_table(self) -> None:
        done = subprocess.run(
            ["nft", "--check", "--file", "-"],
            input=ruleset(4566, 1338, routes_anyway=True),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def test_everything_of_netavarks_goes_when_nobody_else_uses_it(self) -> None:
        commands = netavark_leftovers(NAT, {"10.0.0.0/16"})
        assert ["-D", "POSTROUTING", "-s", "10.0.0.0/16", "-j", "NETAVARK-FFEC45B627DE2"] in commands
        assert ["-D", "POSTROUTING", "-j", "NETAVARK-HOSTPORT-MASQ"] in commands
        assert {command[1] for command in commands if command[0] == "-X"} == {
            "NETAVARK-FFEC45B627DE2",
            "NETAVARK-HOSTPORT-DNAT",
            "NETAVARK-HOSTPORT-MASQ",
            "NETAVARK-HOSTPORT-SETMARK",
        }

    def test_the_networks_of_another_podman_are_left_alone(self) -> None:
        commands = netavark_leftovers(NAT.replace("COMMIT\n", FOREIGN), {"10.0.0.0/16"})
        assert {command[1] for command in commands if command[0] == "-X"} == {"NETAVARK-FFEC45B627DE2"}
        assert not any("10.88.0.0/16" in command or "NETAVARK-HOSTPORT-MASQ" in command for command in commands)

    def test_only_tables_that_came_with_the_cloud_and_are_empty_go(self) -> None:
        empty = "table ip nat {\n\tchain OUTPUT {\n\t\ttype nat hook output priority 0; policy accept;\n\t}\n}\n"
        used = "table ip filter {\n\tchain FORWARD {\n\t\tip saddr 10.9.0.0/16 drop\n\t}\n}\n"
        own = "table inet netavark {\n\tchain X {\n\t\tip saddr 10.0.0.0/16 ip daddr != 224.0.0.0/4 masquerade\n\t}\n}\n"
        assert idle_tables([], empty + used + own, {"10.0.0.0/16"}) == ["ip nat", "inet netavark"]
        assert idle_tables([], used + own, {"10.9.0.0/16"}) == []
        assert idle_tables(["ip nat"], empty, set()) == []


class TestNetwork:
    def test_the_gateway_is_the_first_address(self) -> None:
        assert gateway("10.0.0.0/16") == "10.0.0.1"
        definition = network_definition("vpc-1", "10.0.0.0/16")
        assert definition["subnets"] == [{"subnet": "10.0.0.0/16", "gateway": "10.0.0.1"}]
        assert definition["network_interface"] == bridge_name("vpc-1")

    def test_a_bridge_has_a_name_that_the_firewall_covers_and_an_address_that_stays(self) -> None:
        names = {interface for command in bridge_commands("vpc-0a1b2c3d4e5f", "10.0.0.0/16") for interface in command}
        interfaces = {name for name in names if name.startswith(BRIDGE_PREFIX)}
        assert len(interfaces) == 3
        assert all(len(name) <= 15 for name in interfaces)
        assert bridge_mac("vpc-1") == bridge_mac("vpc-1") != bridge_mac("vpc-2")
        assert int(bridge_mac("vpc-1")[:2], 16) & 0b11 == 0b10  # locally administered, unicast

    def test_a_block_that_the_machine_uses_is_found(self) -> None:
        routes = [
            {"dst": "default", "dev": "eth0"},
            {"dst": "192.168.7.0/24", "dev": "eth0"},
            {"dst": "10.0.0.0/16", "dev": bridge_name("vpc-1")},
            {"dst": "10.99.0.4", "dev": "tun0"},
        ]
        taken = machine_networks(json.dumps(routes), "nameserver 10.255.255.53\nnameserver 127.0.0.53\n")
        assert {str(other.network) for other in taken} == {"192.168.7.0/24", "10.99.0.4/32", "10.255.255.53/32"}
        assert collision("10.0.0.0/16", taken) is None
        assert collision("192.168.0.0/16", taken) == Taken(ipaddress.IPv4Network("192.168.7.0/24"), "on eth0")
        assert collision("10.255.0.0/16", taken) is not None


class TestGuest:
    def test_everything_a_host_is_given_lies_below_run_so_that_no_image_has_it(self) -> None:
        files = render_guest_files(4566, "http://127.0.0.1:4566", "us-east-1", "10.0.0.1")
        assert all(path.startswith("/run/") for path in files)
        assert "10.0.0.1:4566" in files["/run/systemd/system/localcloud-api.service"]
        assert "AWS_ENDPOINT_URL=http://127.0.0.1:4566\n" in files["/run/localcloud/environment"]

    def test_a_host_gets_the_apis_address_and_its_mounts(self, settings: Settings, tmp_path: Path) -> None:
        mounts = guest_files(tmp_path / "guests", settings, "10.0.0.1")
        spec = HostSpec("i-1", "localhost/base", "10.0.1.9", "vpc-1", "10.0.0.0/16", "02:00:00:00:00:09")
        arguments = run_arguments(spec, mounts, settings.endpoint, settings.region)
        assert arguments[arguments.index("--ip") + 1] == "10.0.1.9"
        assert arguments[arguments.index("--mac-address") + 1] == "02:00:00:00:00:09"
        assert sum(argument.startswith("--volume=") and argument.endswith(":ro") for argument in arguments) == len(mounts)
        assert "--mac-address" not in run_arguments(replace(spec, mac=None), {}, settings.endpoint, settings.region)


class TestWatcher:
    def test_the_end_of_a_process_is_noticed_at_once(self) -> None:
        ended = threading.Event()
        died: list[str] = []

        def note(name: str) -> None:
            died.append(name)
            ended.set()

        watcher = Watcher(note)
        process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        watcher.watch("i-1", process.pid)
        assert watcher.states() == {"i-1": "running"}
        assert watcher.processes() == {"i-1": process.pid}
        started = time.monotonic()
        process.kill()
        assert ended.wait(5)
        assert time.monotonic() - started < 1
        assert (died, watcher.states()) == (["i-1"], {"i-1": "exited"})
        assert watcher.processes() == {}
        process.communicate()
        watcher.close()

    def test_a_host_that_is_stopped_on_request_is_not_reported(self) -> None:
        died: list[str] = []
        watcher = Watcher(died.append)
        with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
            watcher.watch("i-1", process.pid)
            watcher.forget("i-1", "exited")
            process.kill()
        time.sleep(0.2)
        assert (died, watcher.states()) == ([], {"i-1": "exited"})
        watcher.forget("i-1")
        assert watcher.states() == {}
        watcher.close()
