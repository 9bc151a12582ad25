"""The process behind the command line: one account with real hosts, until it is told to end.

`python -m localcloud.daemon` expects that `up` has made the state directory. Progress goes to standard output, one line
a step, and ends with a line `ready`; anything else is in the log.
"""

import contextlib
import hashlib
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator

from localcloud import cleanup, environment
from localcloud.account import Account
from localcloud.agent import build_agent_package
from localcloud.balancer.certificates import issue
from localcloud.balancer.health import probe_over_http
from localcloud.balancer.load_balancer import LoadBalancer
from localcloud.balancer.log import BalancerLog
from localcloud.balancer.metrics import BalancerMetrics
from localcloud.errors import LocalCloudError
from localcloud.hosts.containers import Hosts
from localcloud.lock import MachineLock
from localcloud.metadata.identity import RoleCredentials, find_instance
from localcloud.metadata.server import MetadataServer
from localcloud.ports import check_free
from localcloud.sessions.agents import HostAgents
from localcloud.settings import Settings
from localcloud.telemetry.host_metrics import HostMetrics

logger = logging.getLogger(__name__)


def say(text: str) -> None:
    """Tell the person who waits at `up`; when nobody listens any more, only the log."""
    logger.info("%s", text)
    with contextlib.suppress(OSError, ValueError):
        print(text, flush=True)


class Cloud:
    """Account, hosts, metadata and balancer of one clone."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is started before `start`."""
        self.settings = settings
        self.hosts = Hosts(settings)
        self.balancer = LoadBalancer(settings)
        self.account = Account(settings, self.hosts, probe_over_http, agents=HostAgents(self.hosts))
        self.metadata = MetadataServer(settings, find_instance, RoleCredentials())
        self.hosts.on_exit = self.account.reconciler.died
        self.hosts.on_power_off = self.account.reconciler.powered_off
        self.hosts.network.on_network = self._serve_network
        self.account.on_change(self.balancer.wake)
        self.account.telemetry.add(BalancerMetrics(BalancerLog(self.balancer.log_file)))
        self.account.telemetry.add(HostMetrics(self.hosts.processes))

    def start(self) -> None:
        """Bring everything up; raises LocalCloudError with what to do when something stands in the way."""
        self.hosts.prepare()
        issue(self.settings)
        image = self.hosts.base_image(say)
        say("Packing the agent")
        package = build_agent_package(self.settings.packages_dir)
        digest = hashlib.sha256(package.read_bytes()).hexdigest()
        package.with_name(f"{package.name}.sha256").write_text(f"{digest}\n")
        say("Starting the API")
        self.account.open()
        self.account.register_base_image(image)
        say("Starting the load balancer")
        self.balancer.start()
        threading.Thread(target=self.balancer.run, name="balancer", daemon=True).start()
        environment.write(self.settings, self.account.keys.root)

    def stop(self) -> None:
        """End everything and remove every trace but the cache."""
        self.balancer.close()
        self.hosts.cut_off()
        self.account.close()
        self.metadata.close()
        self.hosts.teardown()
        cleanup.remove_state(self.settings)

    def _serve_network(self, _vpc_id: str, gateway: str) -> None:
        self.account.api.listen(gateway)
        self.metadata.listen(gateway)


@contextlib.contextmanager
def locked(settings: Settings) -> Iterator[MachineLock]:
    """Hold the machine's lock."""
    lock = MachineLock(settings.lock_file)
    lock.acquire(settings.root)
    try:
        yield lock
    finally:
        lock.release()


def serve(settings: Settings) -> None:
    """Run the cloud until SIGTERM or SIGINT, then clean up. Raises LocalCloudError when it cannot start."""
    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())
    with locked(settings) as lock:
        if cleanup.remove_leftovers(settings, lock.previous):
            say("Removed what an earlier cloud left behind when its process was killed; the account in it is lost")
        check_free(settings)
        settings.pid_file.write_text(str(os.getpid()))
        cloud = Cloud(settings)
        try:
            _start_unless(ending, cloud)
            if not ending.is_set():
                settings.ready_file.write_text(json.dumps({"since": time.time()}))
                say("ready")
                sys.stdout.close()
            ending.wait()
        finally:
            logger.info("Ending")
            cloud.stop()


def _start_unless(ending: threading.Event, cloud: Cloud) -> None:
    """Start the cloud in a thread, so that a signal in the middle of a long step is heeded at once.

    A step that is cut off may run another program: the whole process group is told to end.
    """
    failure: list[BaseException] = []

    def work() -> None:
        try:
            cloud.start()
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=work, name="start", daemon=True)
    thread.start()
    while thread.is_alive() and not ending.is_set():
        thread.join(0.2)
    if thread.is_alive():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.killpg(os.getpgrp(), signal.SIGTERM)
        thread.join(10)
        return
    if failure:
        raise failure[0]


def main() -> None:
    """Run as the daemon of this clone; exit status 1 and a last line on standard output tell what went wrong."""
    settings = Settings.from_environment()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    try:
        serve(settings)
    except LocalCloudError as error:
        say(f"error: {error.message}")
        sys.exit(1)


if __name__ == "__main__":
    main()
