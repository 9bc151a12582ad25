"""The balancer's health checks: asks each target at its group's pace and keeps what DescribeTargetHealth says."""

import http.client
import logging
import random
import ssl
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from localcloud import backends
from localcloud.balancer.targets import CheckResult, TargetHealth, code_matches, unused

logger = logging.getLogger(__name__)

# Seconds between two looks at which checks are due.
TICK = 0.2
# States of an instance that has no host: nobody answers, and its address may be another's already.
HALTED = ("stopped", "terminated")
NO_ANSWER = CheckResult(False, "Target.FailedHealthChecks", "Health checks failed")


@dataclass(frozen=True)
class Probe:
    """One health check to be made. `timeout` is in seconds, `matcher` the status codes that pass."""

    address: str
    port: int
    protocol: str
    path: str
    timeout: float
    matcher: str


def probe_over_http(probe: Probe) -> CheckResult:
    """Make one check as Elastic Load Balancing does; reasons and texts are those of its TargetHealth structure."""
    connection: http.client.HTTPConnection
    if probe.protocol == "HTTPS":
        # "The load balancer does not validate these certificates": user guide, "Target groups", HTTPS.
        context = ssl._create_unverified_context()  # noqa: S323 - see above
        connection = http.client.HTTPSConnection(probe.address, probe.port, timeout=probe.timeout, context=context)
    else:
        connection = http.client.HTTPConnection(probe.address, probe.port, timeout=probe.timeout)
    try:
        headers = {"User-Agent": "ELB-HealthChecker/2.0", "Connection": "close"}
        connection.request("GET", probe.path, headers=headers)
        status = connection.getresponse().status
    except TimeoutError:
        return CheckResult(False, "Target.Timeout", "Request timed out")
    except (OSError, http.client.HTTPException):
        return NO_ANSWER
    finally:
        connection.close()
    if code_matches(probe.matcher, status):
        return CheckResult(True)
    text = f"Health checks failed with these codes: [{status}]"
    return CheckResult(False, "Target.ResponseCodeMismatch", text)


def always_healthy(_probe: Probe) -> CheckResult:
    """Pass, for an API without hosts."""
    return CheckResult(True)


class HealthChecker:
    """Checks targets and ends their draining; calls `changed` when the balancer has to take note."""

    def __init__(
        self,
        probe: Callable[[Probe], CheckResult],
        changed: Callable[[], None],
        first_check: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is checked before `run`.

        `first_check` draws where in its interval (0 to 1) a new target's first check falls. Intervals and deregistration delays
        go by `clock`, in seconds.
        """
        self._probe = probe
        self._changed = changed
        self._first_check = first_check
        self._clock = clock
        self._pool = ThreadPoolExecutor(16, thread_name_prefix="health")
        self._closing = threading.Event()

    def run(self) -> None:
        """Check until `close`."""
        while not self._closing.wait(TICK):
            for group in list(backends.elbv2().target_groups.values()):
                try:
                    self.look(group)
                except Exception:
                    logger.exception("Target group %s", group.name)

    def close(self) -> None:
        """End `run`."""
        self._closing.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def look(self, group: Any) -> None:
        """Start the checks of one target group that are due, and let go of the targets that have drained."""
        now = self._clock()
        for target_id, draining in list(group.draining.items()):
            # "The status of the target displays as draining until the deregistration delay elapses", however idle it is: user
            # guide, "Edit target group attributes", and Auto Scaling waits for it.
            if now >= draining["Deadline"]:
                group.draining.pop(target_id, None)
                self._changed()
        if not group.load_balancer_arns or not group.health_check_enabled:
            return
        for target_id, target in list(group.targets.items()):
            self._check_if_due(group, target_id, target, now)

    def _check_if_due(self, group: Any, target_id: str, target: dict[str, Any], now: float) -> None:
        instance = backends.ec2().get_instance_by_id(target_id)
        state = "terminated" if instance is None else instance.state
        health = group.health[target_id]
        if health.state == "unused":
            if state != "running":
                return
            # A target that comes back has to prove itself like a new one.
            health = group.health[target_id] = TargetHealth()
        interval = float(group.health_check_interval_seconds)
        if health.next_check is None:
            health.next_check = now + self._first_check() * interval
        if now < health.next_check:
            return
        health.next_check = now + interval
        if state in HALTED:
            self._record(group, target_id, health, NO_ANSWER)
            self._settle_halted(group, target_id, health, state)
        else:
            self._pool.submit(self._check, group, target_id, health, _probe_of(group, target, instance.private_ip))

    def _check(self, group: Any, target_id: str, health: TargetHealth, probe: Probe) -> None:
        self._record(group, target_id, health, self._probe(probe))

    def _record(self, group: Any, target_id: str, health: TargetHealth, result: CheckResult) -> None:
        if group.health.get(target_id) is not health:
            return
        if health.record(result, int(group.healthy_threshold_count), int(group.unhealthy_threshold_count)):
            logger.info("Target %s of %s is %s %s", target_id, group.name, health.state, health.description or "")
            self._changed()

    def _settle_halted(self, group: Any, target_id: str, health: TargetHealth, state: str) -> None:
        """Call a target unused whose checks have failed because its instance does not run; take it out if it never will."""
        if health.state != "unhealthy":
            return
        if state == "terminated":
            group.targets.pop(target_id, None)
            group.health.pop(target_id, None)
        else:
            group.health[target_id] = unused(state)
        self._changed()


def _probe_of(group: Any, target: dict[str, Any], address: str) -> Probe:
    port = target["Port"] if group.health_check_port == "traffic-port" else group.health_check_port
    return Probe(
        address=address,
        port=int(port),
        protocol=group.health_check_protocol,
        path=group.health_check_path or "/",
        timeout=float(group.health_check_timeout_seconds),
        matcher=(group.matcher or {}).get("HttpCode", "200"),
    )
