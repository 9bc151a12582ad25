"""The one AWS account: API, instances, fleet, health checks, alarms and schedules, put together, as threads of this process."""

import random
import threading
import time
from collections.abc import Callable

from localcloud import backends
from localcloud.access.keys import Keys
from localcloud.api import ApiServer, create_application
from localcloud.balancer.health import HealthChecker, Probe, always_healthy
from localcloud.balancer.targets import CheckResult
from localcloud.consistency import Consistency
from localcloud.corrections import patching
from localcloud.corrections.ec2_images import register_base_image
from localcloud.corrections.throttling import Throttling
from localcloud.fleet.groups import Fleet
from localcloud.hosts.driver import HostDriver
from localcloud.hosts.reconciler import Reconciler
from localcloud.scaling.policies import Scaling
from localcloud.scaling.schedules import Schedules
from localcloud.sessions.agents import Agents, NoAgents
from localcloud.sessions.channel import DataChannels
from localcloud.sessions.manager import Sessions
from localcloud.settings import Settings
from localcloud.telemetry.alarms import Alarms
from localcloud.telemetry.collector import Telemetry


class Account:
    """Everything that answers or follows API calls, except the hosts and HAProxy.

    `probe` makes a health check, and `first_check` draws where in its interval (0 to 1) a new target's first one falls. Periods
    and delays of the fleet and its targets go by `clock`, in seconds that never go back. `agents` are what Session
    Manager enters hosts by.
    """

    def __init__(
        self,
        settings: Settings,
        hosts: HostDriver,
        probe: Callable[[Probe], CheckResult] = always_healthy,
        first_check: Callable[[], float] = random.random,
        *,
        clock: Callable[[], float] = time.monotonic,
        agents: Agents | None = None,
    ) -> None:
        """Correct moto; nothing is served before `open`."""
        self.settings = settings
        self.reconciler = Reconciler(hosts, settings.boot_delay)
        self.fleet = Fleet(clock, settings.refresh_patience, settings.telemetry_period)
        self.scaling = Scaling(self.fleet, settings.telemetry_period)
        self.alarms = Alarms(settings.telemetry_period, self.scaling.alarmed, settings.alarm_extra_periods)
        self.telemetry = Telemetry(settings.telemetry_period, self.alarms)
        self.schedules = Schedules(self.fleet)
        self.sessions = Sessions(agents or NoAgents())
        self.channels = DataChannels(self.sessions, settings.session_idle)
        self.consistency = Consistency(settings.consistency_delay, clock)
        self.throttling = Throttling(settings.throttle)
        self.health = HealthChecker(probe, self.changed, first_check, clock)
        self.keys = Keys()
        self._listeners: list[Callable[[], None]] = [self.fleet.wake]
        self.reconciler.on_change(self.changed)
        self.api = ApiServer(settings, create_application(self), self.keys)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever an instance's state or a target's health has changed."""
        self._listeners.append(listener)

    def changed(self) -> None:
        """Tell everybody that something has changed."""
        for listener in self._listeners:
            listener()

    def open(self) -> int:
        """Serve the API on loopback, start what follows it by itself; return the API's port."""
        self.channels.open()
        port = self.api.listen("127.0.0.1")
        for work in (self.fleet.run, self.health.run, self.telemetry.run, self.schedules.run):
            threading.Thread(target=work, name=work.__qualname__, daemon=True).start()
        return port

    def register_base_image(self, image: str) -> str:
        """Offer `image` as Debian's AMI; return its id."""
        return register_base_image(self.reconciler, backends.ec2(), image)

    def reset(self) -> None:
        """Empty the account, for the next test; its keys stay."""
        backends.reset()

    def close(self) -> None:
        """Stop serving, and give moto back what was corrected; hosts are left to their driver."""
        self.channels.close()
        self.telemetry.close()
        self.schedules.close()
        self.fleet.close()
        self.health.close()
        self.reconciler.close()
        self.api.close()
        patching.restore()
