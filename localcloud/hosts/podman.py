"""podman with its storage inside the clone and options that fit the machine.

Nothing of the machine's own podman is touched: graph root, run root, network definitions, locks and events are the
local cloud's. CONTAINERS_CONF and CONTAINERS_STORAGE_CONF point every podman process at them.
"""

import json
import os
import resource
import shutil
import subprocess
from pathlib import Path

from localcloud.errors import HostError, LocalCloudError
from localcloud.settings import Settings

# What podman asks for by itself. A machine whose root may not raise limits allows less, and then no container starts.
PODMAN_LIMITS = {"nofile": 1048576, "nproc": 32768}
CGROUP_V2_MARK = Path("/sys/fs/cgroup/cgroup.controllers")
SYSTEMD_MARK = Path("/run/systemd/system")
TOOLS = {
    "podman": "podman",
    "debootstrap": "debootstrap",
    "nft": "nftables",
    "iptables": "iptables",
    "ip": "iproute2",
    "conmon": "conmon",
}
# Where distributions keep podman's helpers, containers.conf(5), helper_binaries_dir.
HELPERS = tuple(map(Path, ("/usr/lib/podman", "/usr/libexec/podman", "/usr/local/lib/podman", "/usr/local/libexec/podman")))


def ulimit(name: str, hard: int) -> str:
    """Return podman's notation of a limit: the machine's hard limit, at most what podman itself would ask for."""
    value = PODMAN_LIMITS[name] if hard == resource.RLIM_INFINITY else min(hard, PODMAN_LIMITS[name])
    return f"{name}={value}:{value}"


def choose_runtime(cgroup_v2: bool, available: set[str]) -> str:
    """Choose the OCI runtime: crun refuses the hybrid cgroup v1 hierarchy, runc handles both.

    Raises LocalCloudError when none fits.
    """
    for name in ("crun", "runc") if cgroup_v2 else ("runc",):
        if name in available:
            return name
    package = "crun" if cgroup_v2 else "runc"
    version = "v2" if cgroup_v2 else "v1"
    raise LocalCloudError(f"no container runtime for cgroup {version} is installed: apt-get install {package}, then try again.")


def render_containers_conf(settings: Settings, runtime: str, cgroup_manager: str, ulimits: list[str]) -> str:
    """Return containers.conf (containers.conf(5)) for this machine."""
    store = settings.cache_dir / "containers"
    return f"""[containers]
default_ulimits = {json.dumps(ulimits)}
log_driver = "none"
pids_limit = 0

[engine]
runtime = "{runtime}"
cgroup_manager = "{cgroup_manager}"
events_logger = "file"
lock_type = "file"
static_dir = "{store / "libpod"}"
volume_path = "{store / "volumes"}"
tmp_dir = "{settings.run_dir / "libpod"}"

[network]
network_backend = "netavark"
network_config_dir = "{settings.run_dir / "networks"}"
"""


def render_storage_conf(settings: Settings, on_overlay: bool) -> str:
    """Return storage.conf (containers-storage.conf(5)). The kernel refuses overlay on overlay, fuse-overlayfs not."""
    store = settings.cache_dir / "containers"
    options = '\n[storage.options.overlay]\nmount_program = "/usr/bin/fuse-overlayfs"\n' if on_overlay else ""
    return f"""[storage]
driver = "overlay"
graphroot = "{store}"
runroot = "{settings.run_dir / "containers"}"
{options}"""


def filesystem_type(path: Path, mounts: str) -> str:
    """Return the type of the filesystem that holds `path`, from the text of /proc/mounts."""
    best, kind = "", ""
    for line in mounts.splitlines():
        _, point, fs_type, *_ = line.split()
        if path.is_relative_to(point) and len(point) >= len(best):
            best, kind = point, fs_type
    return kind


class Podman:
    """Runs podman for one clone's local cloud."""

    def __init__(self, settings: Settings) -> None:
        """Remember where the clone keeps its containers; nothing is started or written."""
        self.settings = settings

    @property
    def environment(self) -> dict[str, str]:
        """Environment of every podman process."""
        return os.environ | {
            "CONTAINERS_CONF": str(self.settings.containers_conf),
            "CONTAINERS_STORAGE_CONF": str(self.settings.storage_conf),
        }

    def check_machine(self) -> None:
        """Raise LocalCloudError, with the command that helps, when this machine cannot run hosts."""
        if os.geteuid() != 0:
            raise LocalCloudError("the local cloud starts real hosts and needs root: run it with sudo or as root.")
        missing = sorted({package for tool, package in TOOLS.items() if shutil.which(tool) is None})
        if not any((directory / "netavark").exists() for directory in HELPERS):
            missing.append("netavark")
        if missing:
            raise LocalCloudError(f"missing on this machine: apt-get install {' '.join(missing)}, then try again.")
        self.settings.cache_dir.mkdir(parents=True, exist_ok=True)

    def write_configuration(self) -> None:
        """Write containers.conf and storage.conf for what this machine offers."""
        cgroup_v2 = CGROUP_V2_MARK.exists()
        runtime = choose_runtime(cgroup_v2, {name for name in ("crun", "runc") if shutil.which(name)})
        manager = "systemd" if cgroup_v2 and SYSTEMD_MARK.is_dir() else "cgroupfs"
        ulimits = [
            ulimit("nofile", resource.getrlimit(resource.RLIMIT_NOFILE)[1]),
            ulimit("nproc", resource.getrlimit(resource.RLIMIT_NPROC)[1]),
        ]
        on_overlay = filesystem_type(self.settings.cache_dir, Path("/proc/mounts").read_text()) == "overlay"
        self.settings.state_dir.mkdir(parents=True, exist_ok=True)
        self.settings.containers_conf.write_text(render_containers_conf(self.settings, runtime, manager, ulimits))
        self.settings.storage_conf.write_text(render_storage_conf(self.settings, on_overlay))
        self._forget_former_place()

    def _forget_former_place(self) -> None:
        """Drop podman's records if the clone was moved: they name the former place and win over the configuration."""
        store = self.settings.cache_dir / "containers"
        mark = store / "place"
        if mark.exists() and mark.read_text() != str(store):
            shutil.rmtree(store / "libpod", ignore_errors=True)
        store.mkdir(parents=True, exist_ok=True)
        mark.write_text(str(store))

    def run(self, *arguments: str, timeout: float = 120, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run podman and return what it said; raise HostError on failure (with its last line) or after `timeout` s."""
        try:
            done = subprocess.run(
                ["podman", *arguments],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise HostError(f"podman {arguments[0]} took longer than {timeout:.0f} s.") from None
        if check and done.returncode:
            reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise HostError(f"podman {' '.join(arguments[:2])} failed: {reason}")
        return done
