"""An account of the local cloud without hosts, served over HTTP on a free port."""

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from localcloud import settings as constants
from localcloud.access.access_key import AccessKey
from localcloud.account import Account
from localcloud.balancer.health import Probe
from localcloud.balancer.targets import CheckResult
from localcloud.hosts.driver import NoHosts
from localcloud.sessions.agents import RELAY, SESSION_VARIABLE
from localcloud.settings import Settings


class RecordingHosts(NoHosts):
    """Hosts that only exist as a list of what was asked of them; `broken` names operations that shall fail."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.specs: list[Any] = []
        self.broken: dict[str, Exception] = {}
        self.consoles: dict[str, str] = {}
        self.delay = 0.0

    def _note(self, operation: str, subject: str) -> None:
        time.sleep(self.delay)
        if operation in self.broken:
            raise self.broken[operation]
        self.calls.append((operation, subject))

    def launch(self, spec: Any) -> None:
        self.specs.append(spec)
        self._note("launch", spec.instance_id)

    def stop(self, instance_id: str) -> None:
        self._note("stop", instance_id)

    def start(self, instance_id: str) -> None:
        self._note("start", instance_id)

    def reboot(self, instance_id: str) -> None:
        self._note("reboot", instance_id)

    def terminate(self, instance_id: str) -> None:
        self._note("terminate", instance_id)

    def commit(self, instance_id: str, image: str) -> None:
        self._note("commit", instance_id)

    def remove_image(self, image: str) -> None:
        self._note("remove_image", image)

    def remove_network(self, vpc_id: str) -> None:
        self._note("remove_network", vpc_id)

    def console(self, instance_id: str) -> str:
        return self.consoles.get(instance_id, "")


class OwnShells:
    """Agents of make-believe hosts: those in `instances` are there, and all of them are this machine."""

    def __init__(self) -> None:
        self.environment: dict[str, str] = {}
        self.instances: set[str] = set()

    def online(self, instance_id: str) -> bool:
        return instance_id in self.instances

    def shell(self, instance_id: str, session_id: str) -> list[str]:
        return ["env", f"{SESSION_VARIABLE}={session_id}", f"HOST={instance_id}", "/bin/sh", "-c", "sh\nexit 0"]

    def port(self, _instance_id: str, port: int) -> list[str]:
        return [sys.executable, "-c", RELAY, str(port)]


class Clock:
    """Monotonic seconds that a test can move on."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self._ahead

    def advance(self, seconds: float) -> None:
        self._ahead += seconds


@dataclass
class Cloud:
    """A served account, its make-believe hosts, the answers that health checks get (address -> result), its fleet's clock."""

    account: Account
    hosts: RecordingHosts
    url: str
    answers: dict[str, CheckResult]
    clock: Clock
    agents: OwnShells
    base_image: str = ""

    @property
    def key(self) -> AccessKey:
        """The key of the account's root user."""
        return self.account.keys.root

    def client(self, service: str) -> Any:
        return boto3.client(service, endpoint_url=self.url, region_name=constants.REGION, **self.key.arguments)


def eventually(condition: Callable[[], Any], seconds: float = 30.0) -> Any:
    """Return what `condition` returns as soon as it is true; fail the test after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"still not so after {seconds} s")


@pytest.fixture(scope="module")
def served_cloud() -> Iterator[Cloud]:
    """An account that is closed before other tests use moto as it is."""
    hosts = RecordingHosts()
    answers: dict[str, CheckResult] = {}

    def probe(request: Probe) -> CheckResult:
        return answers.get(request.address, CheckResult(True))

    clock, agents = Clock(), OwnShells()
    # Most tests look at once at what they made.
    settings = Settings(root=Path("/nonexistent"), api_port=0, consistency_delay=0)
    account = Account(settings, hosts, probe, lambda: 0.0, clock=clock, agents=agents)
    # Tests say themselves when a period or a scheduled time has come.
    account.telemetry.close()
    account.schedules.close()
    # Nor does a test wait for the next look at the health of a group.
    account.fleet.health.interval = 0.0
    port = account.open()
    yield Cloud(account, hosts, f"http://127.0.0.1:{port}", answers, clock, agents)
    account.close()


@pytest.fixture
def cloud(served_cloud: Cloud) -> Cloud:
    """An empty account: nothing but the base image and AWS's own defaults."""
    served_cloud.account.reset()
    served_cloud.hosts.calls.clear()
    served_cloud.hosts.specs.clear()
    served_cloud.hosts.broken.clear()
    served_cloud.hosts.delay = 0.0
    served_cloud.answers.clear()
    served_cloud.account.consistency.delay = 0.0
    served_cloud.agents.instances.clear()
    served_cloud.account.reconciler.images.clear()
    served_cloud.base_image = served_cloud.account.register_base_image("base")
    return served_cloud
