"""Gives every EC2 instance its real host: follows the API's calls, reports back what became of the host."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from localcloud import backends
from localcloud.errors import HostError, LocalCloudError
from localcloud.hosts.containers import GRACE, IMAGE_REPOSITORY, PODMAN_SECONDS, HostSpec
from localcloud.hosts.driver import HostDriver

logger = logging.getLogger(__name__)

# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InstanceState.html
STATE_CODES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}
# Seconds that a question about instances or images waits for work that has just been asked for. A host starts or ends in
# one or two; AWS's waiters, which expect a minute, would ask again only after fifteen.
SETTLE_TIME = 3.0
# Seconds that a new host waits for its address: the API gives it away when an instance is terminated, and the host ends later.
ADDRESS_TIME = float(GRACE + PODMAN_SECONDS)


def _time_left(since: float) -> float:
    return since + SETTLE_TIME - time.monotonic()


def set_state(instance: Any, name: str, code: str = "", message: str = "") -> None:
    """Give an instance a state and its StateReason."""
    instance._state.name = name
    instance._state.code = STATE_CODES[name]
    instance.state_reason.code = code
    instance.state_reason.message = message


class Reconciler:
    """Turns instance and image calls into work on hosts, one ordered queue of work per instance."""

    def __init__(self, hosts: HostDriver, boot_delay: float = 0.0) -> None:
        """`boot_delay` is how long a new instance boots before its host is there, in seconds."""
        self._hosts = hosts
        self._boot_delay = boot_delay
        self._closing = threading.Event()
        self._lanes: dict[str, ThreadPoolExecutor] = {}
        self._lock = threading.Lock()
        self._done = threading.Condition(self._lock)
        # Work in hand -> when it was asked for (monotonic seconds).
        self._asked: dict[object, float] = {}
        self._listeners: list[Callable[[], None]] = []
        # (VPC id, address) -> the instance whose host has it
        self._addresses: dict[tuple[str, str], str] = {}
        # AMI id -> the driver's name of the image
        self.images: dict[str, str] = {}
        self._retired: dict[str, str] = {}

    def console(self, instance_id: str) -> str:
        """Return what an instance has written while it booted."""
        return self._hosts.console(instance_id)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever an instance has changed its state."""
        self._listeners.append(listener)

    def launched(self, instance: Any) -> None:
        """Boot a host for an instance that the API has just created."""
        set_state(instance, "pending")
        self._submit(instance, self._launch)

    def start(self, instance: Any) -> None:
        """Boot the host of a stopped instance."""
        set_state(instance, "pending")
        self._submit(instance, self._start)

    def stop(self, instance: Any) -> None:
        """Shut a host down."""
        user = "Client.UserInitiatedShutdown"
        set_state(instance, "stopping", user, f"{user}: User initiated shutdown")
        self._submit(instance, self._stop)

    def reboot(self, instance: Any) -> None:
        """Reboot a host; the instance stays `running`, as on AWS."""
        self._submit(instance, self._reboot)

    def terminate(self, instance: Any) -> None:
        """Remove a host."""
        user = "Client.UserInitiatedShutdown"
        set_state(instance, "shutting-down", user, f"{user}: User initiated shutdown")
        self._submit(instance, self._terminate)

    def create_image(self, image: Any, instance: Any, reboot: bool) -> None:
        """Make an image of an instance; with `reboot` the host is shut down for it (consistent file systems)."""
        image.state = "pending"
        self._submit(instance, lambda target: self._create_image(image, target, reboot))

    def deregister(self, image_id: str) -> None:
        """Forget an image; its storage goes when no instance needs it any more."""
        name = self.images.pop(image_id, None)
        if name is not None:
            self._retired[image_id] = name
        threading.Thread(target=self._remove_retired, name=f"deregister-{image_id}", daemon=True).start()

    def vpc_deleted(self, vpc_id: str) -> None:
        """Delete the network of a VPC that the API has just deleted, so that another VPC can have its block."""
        self._hosts.remove_network(vpc_id)

    def settle(self) -> None:
        """Wait for the work that was asked for within the last `SETTLE_TIME` seconds, at most until it is that old."""
        with self._done:
            while remaining := [left for since in self._asked.values() if (left := _time_left(since)) > 0]:
                self._done.wait(max(remaining))

    def died(self, instance_id: str) -> None:
        """Note that the host of an instance ended unasked: EC2 finds by its status checks only that it does not answer."""
        instance = backends.ec2().get_instance_by_id(instance_id)
        if instance is not None:
            # In turn, so that a host that ends just when it was launched is not taken for running afterwards.
            self._submit(instance, self._mark_impaired)

    def powered_off(self, instance_id: str) -> None:
        """Stop or terminate an instance whose host has switched itself off, as its shutdown behaviour says.

        https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_ChangingInstanceInitiatedShutdownBehavior.html
        """
        instance = backends.ec2().get_instance_by_id(instance_id)
        if instance is not None:
            self._submit(instance, self._follow_power_off)

    def close(self) -> None:
        """Take no more work and wait for what is under way: a podman still at work would write after the teardown."""
        self._closing.set()
        for lane in list(self._lanes.values()):
            lane.shutdown(wait=True, cancel_futures=True)

    def _changed(self) -> None:
        for listener in self._listeners:
            listener()

    def _submit(self, instance: Any, work: Callable[[Any], None]) -> None:
        order = object()
        with self._lock:
            self._asked[order] = time.monotonic()
            lane = self._lanes.setdefault(instance.id, ThreadPoolExecutor(1, thread_name_prefix=instance.id))
            lane.submit(self._run, instance, work, order)

    def _run(self, instance: Any, work: Callable[[Any], None], order: object) -> None:
        try:
            work(instance)
        except LocalCloudError as error:
            logger.error("%s: %s", instance.id, error.message)
        except Exception:
            logger.exception("%s: unexpected failure", instance.id)
        with self._done:
            del self._asked[order]
            self._done.notify_all()
        self._changed()

    def _launch(self, instance: Any) -> None:
        if instance.state != "pending":
            return
        vpc = backends.ec2().get_vpc(instance.vpc_id)
        spec = HostSpec(
            instance_id=instance.id,
            image=self.images[instance.image_id],
            private_ip=instance.private_ip,
            vpc_id=instance.vpc_id,
            vpc_cidr=vpc.cidr_block,
            mac=instance.nics[0].mac_address,
        )
        try:
            self._take_address(instance)
            self._closing.wait(self._boot_delay)
            self._hosts.launch(spec)
        except Exception:
            self._give_address_back(instance)
            # https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/troubleshooting-launch.html; its volumes go with it.
            instance.teardown_defaults()
            set_state(instance, "terminated", "Server.InternalError", "Server.InternalError: Internal error on launch")
            raise
        if instance.state == "pending":
            set_state(instance, "running")

    def _take_address(self, instance: Any) -> None:
        address = (instance.vpc_id, instance.private_ip)
        with self._done:
            if not self._done.wait_for(lambda: address not in self._addresses, ADDRESS_TIME):
                raise HostError(f"the address {instance.private_ip} is still that of {self._addresses[address]}")
            self._addresses[address] = instance.id

    def _give_address_back(self, instance: Any) -> None:
        with self._done:
            self._addresses = {address: owner for address, owner in self._addresses.items() if owner != instance.id}
            self._done.notify_all()

    def _mark_impaired(self, instance: Any) -> None:
        # https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/monitoring-system-instance-status-check.html: an operating system
        # that has crashed fails the instance status check, and its instance stays `running`.
        if instance.state == "running":
            logger.warning("Host %s ended by itself", instance.id)
            instance.impaired = True

    def _reboot(self, instance: Any) -> None:
        self._hosts.reboot(instance.id)
        instance.impaired = False

    def _follow_power_off(self, instance: Any) -> None:
        if instance.state != "running":
            return
        ends = instance.instance_initiated_shutdown_behavior == "terminate"
        if ends:
            backends.ec2().terminate_instances([instance.id])
        code = "Client.InstanceInitiatedShutdown"
        state = "shutting-down" if ends else "stopped"
        set_state(instance, state, code, f"{code}: Instance initiated shutdown")

    def _start(self, instance: Any) -> None:
        try:
            self._hosts.start(instance.id)
        except HostError:
            set_state(instance, "stopped", "Server.InternalError", "Server.InternalError: Internal error on launch")
            raise
        instance.impaired = False
        set_state(instance, "running")

    def _stop(self, instance: Any) -> None:
        self._hosts.stop(instance.id)
        if instance.state == "stopping":
            set_state(instance, "stopped", instance.state_reason.code, instance.state_reason.message)

    def _terminate(self, instance: Any) -> None:
        try:
            self._hosts.terminate(instance.id)
        finally:
            self._give_address_back(instance)
            set_state(instance, "terminated", instance.state_reason.code, instance.state_reason.message)
            with self._lock:
                lane = self._lanes.pop(instance.id, None)
            if lane is not None:
                lane.shutdown(wait=False)
        self._remove_retired()

    def _create_image(self, image: Any, instance: Any, reboot: bool) -> None:
        was_running = instance.state == "running"
        name = f"{IMAGE_REPOSITORY}:{image.id}"
        try:
            if reboot and was_running:
                self._hosts.stop(instance.id)
            self._hosts.commit(instance.id, name)
            self.images[image.id] = name
            image.state = "available"
        except Exception as error:
            image.state = "failed"
            image.state_reason = {"Code": "Server.InternalError", "Message": str(error)}
            raise
        finally:
            if reboot and was_running and instance.state == "running":
                self._hosts.start(instance.id)

    def _remove_retired(self) -> None:
        used = {one.image_id for one in backends.ec2().all_instances() if one.state != "terminated"}
        for image_id, name in list(self._retired.items()):
            if image_id not in used:
                del self._retired[image_id]
                try:
                    self._hosts.remove_image(name)
                except HostError as error:
                    logger.error("Cannot remove image %s: %s", image_id, error.message)
