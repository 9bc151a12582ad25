"""How many members of a group are replaced for their health, and when."""

from types import SimpleNamespace
from typing import Any

import pytest

from localcloud import backends
from localcloud.fleet.health import HealthChecks

ARN = "arn:targetgroup/service"
MINUTE = 60.0


class Watched:
    """A group of members that are in service for an hour, with the balancer's word on each, at times that a test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
        self.now = 10_000.0
        self.members: list[Any] = [self._member(str(number), self.now - 3600) for number in range(size)]
        self.verdicts = {one.instance.id: SimpleNamespace(state="healthy") for one in self.members}
        targets = SimpleNamespace(target_groups={ARN: SimpleNamespace(health=self.verdicts)})
        monkeypatch.setattr(backends, "elbv2", lambda: targets)
        self.group = Group(
            instance_states=self.members, desired_capacity=size, target_group_arns=[ARN], health_check_type="ELB",
            health_check_grace_period=120, default_instance_warmup=60,
        )  # fmt: skip
        self.checks = HealthChecks(lambda: self.now, MINUTE)

    @staticmethod
    def _member(name: str, since: float) -> Any:
        instance = Thing(id=name, state="running", impaired=False)
        return Thing(instance=instance, lifecycle_state="InService", health_status="Healthy", in_service_since=since)

    def fail(self, *names: int) -> None:
        for name in names:
            self.verdicts[str(name)].state = "unhealthy"

    def after(self, minutes: float) -> list[str]:
        """Let time go by, look, and take out what is to be replaced; return its ids."""
        self.now += minutes * MINUTE
        found = [one for one, _ in self.checks.to_replace(self.group)]
        for one in found:
            self.members.remove(one)
        return [one.instance.id for one in found]

    def replace(self, name: str) -> None:
        """Let a new member come into service."""
        self.members.append(self._member(name, self.now))
        self.verdicts[name] = SimpleNamespace(state="healthy")


class Thing(SimpleNamespace):
    """A namespace that can be a key."""

    __hash__ = object.__hash__


class Group(Thing):
    """An Auto Scaling group."""


def test_the_balancers_verdict_is_taken_up_at_the_next_periodic_look_and_a_users_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watched = Watched(monkeypatch, 4)
    assert watched.after(0) == []
    watched.fail(0)
    watched.members[3].health_status = "Unhealthy"
    assert watched.after(0.4) == ["3"]
    assert watched.after(0.09) == []
    assert watched.after(0.01) == ["0"]


def test_a_fleet_whose_checks_all_fail_goes_one_at_a_time_with_a_warm_up_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(monkeypatch, 3)
    watched.fail(0, 1, 2)
    assert watched.after(1) == ["0"]
    watched.replace("new")
    assert watched.after(0.5) == []
    assert watched.after(0.5) == ["1"]


def test_of_a_large_group_a_tenth_goes_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(monkeypatch, 30)
    watched.fail(*range(30))
    assert watched.after(1) == ["0", "1", "2"]


def test_a_replacement_that_has_not_come_yet_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(monkeypatch, 3)
    watched.fail(0, 1, 2)
    assert watched.after(1) == ["0"]
    watched.replace("new")
    watched.members[-1].lifecycle_state = "Pending:Wait"
    assert watched.after(30) == []


def test_all_that_do_not_run_go_together(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(monkeypatch, 3)
    for one in watched.members:
        one.instance.state = "stopped"
    assert watched.after(1) == ["0", "1", "2"]


def test_a_host_that_fails_its_status_checks_has_some_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(monkeypatch, 2)
    watched.members[0].instance.impaired = True
    assert watched.after(0) == []
    assert watched.after(4.9) == []
    assert watched.after(0.6) == ["0"]


def test_within_the_grace_period_the_balancers_verdict_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(monkeypatch, 2)
    watched.fail(0)
    watched.members[0].in_service_since = watched.now
    assert watched.after(1.9) == []
    assert watched.after(1) == ["0"]
