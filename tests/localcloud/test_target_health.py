"""When the balancer looks at a target, and what becomes of one whose instance does not run."""

from types import SimpleNamespace
from typing import Any

import pytest

from localcloud import backends
from localcloud.balancer import health as health_checks
from localcloud.balancer.health import HealthChecker
from localcloud.balancer.targets import CheckResult, TargetHealth
from localcloud.balancer.view import routable

TARGET = "i-0123456789abcdef0"


class AtOnce:
    """Stands in for the threads that make checks."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def submit(self, work: Any, *arguments: Any) -> None:
        work(*arguments)


class Watched:
    """A target group with one target, checked each 10 s, at times that a test says. Its host answers while it is `up`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, first_check: float = 0.0) -> None:
        self.instance = SimpleNamespace(state="running", private_ip="10.0.0.4")
        self.now, self.up = 1000.0, True
        self.asked: list[float] = []
        monkeypatch.setattr(health_checks, "ThreadPoolExecutor", AtOnce)
        monkeypatch.setattr(backends, "ec2", lambda: SimpleNamespace(get_instance_by_id=lambda _: self.instance))
        self.checker = HealthChecker(self.probe, lambda: None, lambda: first_check, lambda: self.now)
        self.group = SimpleNamespace(
            name="service", targets={TARGET: {"Id": TARGET, "Port": 8080}}, health={TARGET: TargetHealth()}, draining={},
            load_balancer_arns=["arn"], health_check_enabled=True, health_check_interval_seconds="10",
            health_check_port="traffic-port", health_check_protocol="HTTP", health_check_path="/ready",
            health_check_timeout_seconds="4", matcher=None, healthy_threshold_count="2", unhealthy_threshold_count="2",
        )  # fmt: skip

    def probe(self, _: Any) -> CheckResult:
        self.asked.append(self.now)
        return CheckResult(True) if self.up else CheckResult(False, "Target.Timeout", "Request timed out")

    def after(self, seconds: float) -> TargetHealth | None:
        """Let so many seconds go by; return the target's health then, None when it is no target any more."""
        self.now += seconds
        self.checker.look(self.group)
        found: TargetHealth | None = self.group.health.get(TARGET)
        return found

    def state_after(self, seconds: float) -> str:
        health = self.after(seconds)
        assert health is not None
        return health.state


def test_the_first_check_of_a_target_comes_within_its_interval_and_not_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(monkeypatch, first_check=0.6)
    assert watched.state_after(0) == "initial"
    assert watched.state_after(5.9) == "initial"
    assert not watched.asked
    assert watched.state_after(0.1) == "healthy"
    watched.after(9.9)
    assert len(watched.asked) == 1
    watched.after(0.1)
    assert len(watched.asked) == 2


@pytest.mark.parametrize("state", ["running", "stopping", "stopped", "shutting-down", "terminated"])
def test_whatever_ec2_says_a_target_gets_requests_until_its_checks_have_failed(
    monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    watched = Watched(monkeypatch)
    watched.after(0)
    other = f"{TARGET[:-1]}1"
    watched.group.targets[other], watched.group.health[other] = {"Port": 8080}, TargetHealth("healthy")
    watched.group.health[other].next_check = float("inf")
    watched.instance.state, watched.up = state, False
    watched.after(10)
    assert TARGET in routable(watched.group)
    watched.after(10)
    assert routable(watched.group) == [other]


def test_a_stopped_target_is_unused_and_begins_anew_when_it_runs_again(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(monkeypatch)
    watched.after(0)
    watched.instance.state = "stopped"
    watched.after(10)
    health = watched.after(10)
    assert health is not None
    assert (health.state, health.reason, health.description) == (
        "unused", "Target.InvalidState", "Target is in the stopped state",
    )  # fmt: skip
    asked = len(watched.asked)
    assert watched.state_after(10) == "unused"
    assert len(watched.asked) == asked
    assert routable(watched.group) == []
    watched.instance.state = "running"
    assert watched.state_after(1) == "healthy"


def test_a_terminated_target_is_out_of_its_group_when_its_checks_have_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(monkeypatch)
    watched.after(0)
    watched.instance.state = "terminated"
    watched.after(10)
    assert TARGET in watched.group.targets
    assert watched.after(10) is None
    assert TARGET not in watched.group.targets


def test_a_target_drains_for_the_whole_delay_however_idle_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(monkeypatch)
    watched.group.draining["i-9"] = {"Deadline": watched.now + 60}
    watched.after(59)
    assert "i-9" in watched.group.draining
    watched.after(1)
    assert "i-9" not in watched.group.draining
