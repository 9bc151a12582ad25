"""EC2 instances as containers with systemd, one for each instance id, driven through podman."""

import contextlib
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from localcloud.baseimage.build import BaseImage
from localcloud.errors import HostError, LocalCloudError
from localcloud.hosts.firewall import Firewall
from localcloud.hosts.guest import guest_files
from localcloud.hosts.network import Network, gateway
from localcloud.hosts.podman import Podman
from localcloud.hosts.watcher import Watcher
from localcloud.settings import MINIMUM_FREE_BYTES, Settings

IMAGE_REPOSITORY = "localhost/pettracker/ami"
# How long a host may take to shut down in order before it is cut off, in seconds; EC2 gives an operating system some minutes.
GRACE = 120
# What podman may take beyond that, in seconds.
PODMAN_SECONDS = 60
# systemd's signals for a reboot in order (systemd(1), SIGNALS) and the exit status of a container that rebooted: the
# kernel ends a PID namespace whose init calls reboot(2) with SIGHUP (reboot) or SIGINT (power off).
REBOOT_SIGNAL = "RTMIN+5"
REBOOTED = 128 + 1
POWERED_OFF = 128 + 2


@dataclass(frozen=True)
class HostSpec:
    """What one instance is started from. `private_ip` is in `vpc_cidr`; `mac` is its network interface's."""

    instance_id: str
    image: str
    private_ip: str
    vpc_id: str
    vpc_cidr: str
    mac: str | None = None


def run_arguments(spec: HostSpec, mounts: dict[Path, str], endpoint: str, region: str) -> list[str]:
    """Return podman's arguments for a host.

    systemd's sandboxing needs mount namespaces (SYS_ADMIN, no seccomp or AppArmor profile); with SYS_BOOT a reboot can
    be told from a power-off; with SYS_PTRACE root sees whose socket is whose, as on any host.
    """
    volumes = [f"--volume={source}:{target}:ro" for source, target in mounts.items()]
    environment = {"AWS_ENDPOINT_URL": endpoint, "AWS_REGION": region, "AWS_DEFAULT_REGION": region}
    return [
        "run", "--detach", "--name", spec.instance_id,
        "--hostname", f"ip-{spec.private_ip.replace('.', '-')}",
        "--network", spec.vpc_id, "--ip", spec.private_ip,
        *(["--mac-address", spec.mac] if spec.mac else []),
        "--systemd=always", "--cap-add=SYS_ADMIN,SYS_BOOT,SYS_PTRACE", "--security-opt=seccomp=unconfined",
        "--security-opt=apparmor=unconfined", "--security-opt=label=disable",
        f"--stop-timeout={GRACE}", "--pull=never",
        *[f"--env={name}={value}" for name, value in environment.items()],
        *volumes,
        spec.image, "/sbin/init",
    ]  # fmt: skip


class Hosts:
    """The hosts of the running cloud.

    Methods block until done, raise HostError, and may be called from any thread.
    """

    def __init__(self, settings: Settings) -> None:
        """Nothing is started or written before `prepare`."""
        self.settings = settings
        self.podman = Podman(settings)
        self.network = Network(settings)
        self.firewall = Firewall(settings)
        self.watcher = Watcher(self._died)
        self._lock = threading.Lock()
        # Of the first processes of hosts that are shutting down.
        self._descriptors: set[int] = set()
        self.on_exit: Callable[[str], None] | None = None
        self.on_power_off: Callable[[str], None] | None = None

    def prepare(self) -> None:
        """Check the machine, write podman's configuration and put the firewall in place, before any host exists."""
        self.podman.check_machine()
        free = shutil.disk_usage(self.settings.cache_dir).free
        if free < MINIMUM_FREE_BYTES:
            raise LocalCloudError(
                f"{self.settings.cache_dir} has {free / 1024**3:.1f} GiB free, hosts need "
                f"{MINIMUM_FREE_BYTES / 1024**3:.0f}: free some space, or move the clone to a larger disk."
            )
        self.podman.write_configuration()
        self.firewall.protect()

    def base_image(self, say: Callable[[str], None]) -> str:
        """Return the base image's reference, building it if the cache lacks it; `say` gets progress lines."""
        return BaseImage(self.podman).ensure(say)

    def launch(self, spec: HostSpec) -> None:
        """Start a new host; its user data runs through cloud-init as it boots."""
        self.network.ensure(spec.vpc_id, spec.vpc_cidr)
        mounts = guest_files(self.settings.run_dir / "guests" / spec.vpc_id, self.settings, gateway(spec.vpc_cidr))
        self.podman.run(*run_arguments(spec, mounts, self.settings.endpoint, self.settings.region))
        self._watch(spec.instance_id)

    def stop(self, instance_id: str) -> None:
        """Shut a host down in order; its disk stays."""
        with self._ending(instance_id):
            self.watcher.forget(instance_id, "exited")
            self.podman.run("stop", instance_id, timeout=GRACE + PODMAN_SECONDS)

    def start(self, instance_id: str) -> None:
        """Start a stopped host."""
        self.podman.run("start", instance_id)
        self._watch(instance_id)

    def reboot(self, instance_id: str) -> None:
        """Ask the host's systemd to reboot, and return before the host is back, as the API's call does; boot a dead one."""
        if self.states().get(instance_id) == "exited":
            self.start(instance_id)
        else:
            self.podman.run("kill", f"--signal={REBOOT_SIGNAL}", instance_id)

    def terminate(self, instance_id: str) -> None:
        """Shut a host down in order, cut it off after a grace period, and remove it with its disk. Safe to repeat."""
        with self._ending(instance_id):
            self.watcher.forget(instance_id)
            remove = ("rm", "--force", "--ignore", f"--time={GRACE}", instance_id)
            self.podman.run(*remove, timeout=GRACE + PODMAN_SECONDS)

    def cut_off(self) -> None:
        """End at once the hosts that are shutting down in order: whoever waits for one gets on."""
        with self._lock:
            for descriptor in self._descriptors:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)

    def states(self) -> dict[str, str]:
        """Return each host's state, `running` or `exited`, by instance id; costs nothing."""
        return self.watcher.states()

    def processes(self) -> dict[str, int]:
        """Return the process id of each running host's systemd, by instance id; costs nothing."""
        return self.watcher.processes()

    def commit(self, instance_id: str, image: str) -> None:
        """Make an image of a host's disk; mounts and what lies under /run and /tmp are not part of it."""
        self.podman.run("commit", "--quiet", instance_id, image, timeout=600)

    def console(self, instance_id: str) -> str:
        """Return the journal of the last boot, which holds what user data said; a container has no console of its own."""
        read = ("exec", instance_id, "journalctl", "--no-pager", "--boot", "--lines=500", "--output=short")
        return self.podman.run(*read, check=False).stdout

    def remove_image(self, image: str) -> None:
        """Remove an image made by `commit`; hosts started from it go on. Safe to repeat."""
        if self.podman.run("image", "rm", image, check=False).returncode:
            self.podman.run("untag", image, check=False)

    def remove_network(self, vpc_id: str) -> None:
        """Remove the network of a VPC whose hosts have all been removed. Safe to repeat."""
        self.network.remove(vpc_id)

    def teardown(self) -> None:
        """Remove every host, every image made by request, every network and rule. Safe to repeat and after a crash."""
        self.watcher.close()
        if not self.settings.storage_conf.exists() and self.settings.run_dir.exists():
            self.podman.write_configuration()
        if self.settings.storage_conf.exists():
            # External ones are what an interrupted build of the base image leaves.
            containers = self.podman.run("ps", "--all", "--external", "--quiet", check=False).stdout.split()
            if containers:
                self.podman.run("rm", "--force", "--time=0", *containers, check=False)
            listed = self.podman.run("images", "--noheading", "--format={{.Repository}}:{{.Tag}}", check=False).stdout
            for image in listed.split():
                if image.startswith(f"{IMAGE_REPOSITORY}"):
                    self.remove_image(image)
            self.podman.run("image", "prune", "--force", check=False)
        blocks = self.network.blocks()
        self.network.teardown()
        self.firewall.remove(blocks)
        shutil.rmtree(self.settings.run_dir, ignore_errors=True)

    @contextlib.contextmanager
    def _ending(self, instance_id: str) -> Iterator[None]:
        """Let `cut_off` end the host while a block waits for its end."""
        process = self.watcher.processes().get(instance_id)
        try:
            descriptor = os.pidfd_open(process) if process else None
        except ProcessLookupError:
            descriptor = None
        if descriptor is None:
            yield
            return
        with self._lock:
            self._descriptors.add(descriptor)
        try:
            yield
        finally:
            with self._lock:
                self._descriptors.discard(descriptor)
            os.close(descriptor)

    def _watch(self, instance_id: str) -> None:
        process = int(self.podman.run("inspect", "--format={{.State.Pid}}", instance_id).stdout)
        try:
            self.watcher.watch(instance_id, process)
        except OSError:  # no such process any more
            raise HostError(f"{instance_id} ended as soon as it had started: can its image boot?") from None

    def _died(self, instance_id: str) -> None:
        """Start a host again that rebooted itself; tell a host that switched itself off from any other end."""
        status = self.podman.run("wait", instance_id, check=False, timeout=30).stdout.strip()
        if status == str(REBOOTED):
            try:
                self.start(instance_id)
                return
            except HostError:
                pass
        if status == str(POWERED_OFF) and self.on_power_off:
            self.on_power_off(instance_id)
        elif self.on_exit:
            self.on_exit(instance_id)
