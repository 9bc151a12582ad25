"""The balancer's health checks: asks each target at its group's pace and keeps what DescribeTargetHealth says."""

from __future__ import annotations

import http.client
import logging
import ssl
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from localcloud import backends
from localcloud.balancer.targets import CheckResult, TargetHealth, code_matches

logger = logging.getLogger(__name__)

# Seconds between two looks at which checks are due.
TICK = 0.2


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
        return CheckResult(False, "Target.FailedHealthChecks", "Health checks failed")
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
    """Checks targets and ends their draining; calls `changed` when the balancer has to take note.

    `in_flight` tells how many requests a target that is being deregistered still answers.
    """

    def __init__(
        self, probe: Callable[[Probe], CheckResult], in_flight: Callable[[str], int], changed: Callable[[], None]
    ) -> None:
        """Nothing is checked before `run`."""
        self._probe = probe
        self._in_flight = in_flight
        self._changed = changed
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
        """Start the checks of one target group that are due and settle its draining targets."""
        now = time.monotonic()
        for target_id, draining in list(group.draining.items()):
            # "If a deregistering target has no in-flight requests and no active connections, Elastic Load Balancing
            # immediately completes the deregistration process": user guide, "Deregistration delay".
            if now >= draining["Deadline"] or self._in_flight(target_id) == 0:
                group.draining.pop(target_id, None)
                self._changed()
        if not group.load_balancer_arns or not group.health_check_enabled:
            return
        for target_id, target in list(group.targets.items()):
            health = group.health[target_id]
            instance = backends.ec2().get_instance_by_id(target_id)
            if instance is None or instance.state != "running":
                # A target that comes back has to prove itself like a new one.
                group.health[target_id] = TargetHealth()
                continue
            if now < health.next_check:
                continue
            health.next_check = now + float(group.health_check_interval_seconds)
            port = target["Port"] if group.health_check_port == "traffic-port" else group.health_check_port
            probe = Probe(
                address=instance.private_ip,
                port=int(port),
                protocol=group.health_check_protocol,
                path=group.health_check_path or "/",
                timeout=float(group.health_check_timeout_seconds),
                matcher=(group.matcher or {}).get("HttpCode", "200"),
            )
            self._pool.submit(self._check, group, target_id, health, probe)

    def _check(self, group: Any, target_id: str, health: TargetHealth, probe: Probe) -> None:
        result = self._probe(probe)
        if group.health.get(target_id) is not health:
            return
        if health.record(result, int(group.healthy_threshold_count), int(group.unhealthy_threshold_count)):
            logger.info("Target %s of %s is %s %s", target_id, group.name, health.state, health.description or "")
            self._changed()
