"""A fleet under load, releases to roll out to it, and all that was said when a test on it fails."""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "shared"))
sys.path.insert(0, str(Path(__file__).parent))

import fleet
import images
import rehearsal
import rollouts
import witness
from rollouts import PAUSE_SECONDS
from traffic import USERS, Traffic, load


@dataclass(frozen=True)
class Rejected:
    """What came of a release that was taken back."""

    run: rollouts.Run
    traffic: Traffic
    seen: witness.Witness


@pytest.fixture(scope="session", autouse=True)
def running_rehearsal() -> None:
    """Point every client at the local cloud of this clone."""
    rehearsal.enter("make test-long")


@pytest.fixture(autouse=True)
def quiet_fleet(running_rehearsal: None) -> None:
    """Begin with a fleet that is whole and a lock that nobody holds, whatever the test before has left."""
    going_on = [one for one in fleet.refreshes() if one["Status"] in fleet.REFRESHING]
    if going_on:
        if going_on[0]["Status"] in ("Pending", "InProgress", "Baking"):
            boto3.client("autoscaling").rollback_instance_refresh(AutoScalingGroupName=fleet.group()["AutoScalingGroupName"])
        rehearsal.eventually(fleet.refresh_status, lambda status: status not in fleet.REFRESHING, within=300)
    rollouts.forget_lock()
    rehearsal.eventually(fleet.is_whole, bool, within=300)


@pytest.fixture
def evidence() -> list[tuple[str, Callable[[], str]]]:
    """What is printed when the test fails: a title, and what reads the text."""
    return []


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.when == "call" and report.failed:
        for title, read in getattr(item, "funcargs", {}).get("evidence", []):
            report.sections.append((title, read()))


@pytest.fixture
def image() -> Iterator[Callable[..., str]]:
    """Make a release with a change of changes/, by default a good one; a bad one's image is gone after the test."""
    bad: list[str] = []

    def make(change: str | None = None) -> str:
        made = images.make(change)
        if change:
            bad.append(made)
        return made

    yield make
    for identity in set(bad) - {fleet.image()}:  # what should not have been deployed would take the next tests along
        images.remove(identity)


@pytest.fixture
def running(
    evidence: list[tuple[str, Callable[[], str]]], tmp_path: Path
) -> Callable[..., AbstractContextManager[rollouts.Run]]:
    """Run a playbook in the background while a block runs, by default the rollout's."""

    @contextmanager
    def run(playbook: str = "rollout", **variables: Any) -> Iterator[rollouts.Run]:
        transcript = tmp_path / f"{len(evidence)}.txt"
        with rollouts.running(playbook, variables, transcript) as started:
            evidence.append((f"playbooks/{playbook}.yml", lambda: started.output[-20000:]))
            yield started

    return run


@pytest.fixture
def roll_out(running: Callable[..., AbstractContextManager[rollouts.Run]]) -> Callable[..., rollouts.Run]:
    """Run a playbook to its end, by default the rollout's."""

    def run(playbook: str = "rollout", **variables: Any) -> rollouts.Run:
        with running(playbook, **variables) as started:
            started.wait()
        return started

    return run


@pytest.fixture
def watched(
    evidence: list[tuple[str, Callable[[], str]]],
) -> Callable[..., AbstractContextManager[tuple[Traffic, witness.Witness]]]:
    """Put load on the fleet, and look at it, while a block runs."""

    @contextmanager
    def watch(users: int = USERS, pause: float = PAUSE_SECONDS) -> Iterator[tuple[Traffic, witness.Witness]]:
        with ExitStack() as stack:
            traffic = stack.enter_context(load(users, pause, seconds=1800))
            seen = stack.enter_context(witness.watched())
            evidence.append(("failed requests", lambda: "\n".join(map(str, traffic.failed[:50]))))
            evidence.append(("hosts that came", lambda: "\n\n".join(map("\n".join, seen.journals.items()))))
            yield traffic, seen

    return watch


@pytest.fixture
def newcomer() -> Callable[[set[str]], str]:
    """Wait for the first host in service that was not there before, and return it."""

    def wait(before: set[str]) -> str:
        return min(rehearsal.eventually(lambda: fleet.in_service() - before, bool, within=240))

    return wait


@pytest.fixture
def rejected(
    image: Callable[..., str],
    roll_out: Callable[..., rollouts.Run],
    watched: Callable[..., AbstractContextManager[tuple[Traffic, witness.Witness]]],
) -> Callable[..., Rejected]:
    """Roll out a bad release, and see to what holds of each: it is taken back by itself, and one host at most ever had it."""

    def check(change: str, **pace: Any) -> Rejected:
        version = fleet.version()
        made = image(change)
        with watched() as (traffic, seen):
            run = roll_out(**pace)
            rehearsal.eventually(fleet.is_whole, bool, within=180)
        assert run.status not in (0, None)
        report = run.report()
        assert report["release"]["image_id"] == made
        assert report["outcome"] == "rolled back", report["reason"]
        assert run.says(f"The fleet has the version {version} again.")
        assert fleet.version() == version
        assert fleet.image() != made
        assert seen.most_of_another_version() == 1
        assert len(traffic.requests) > 100
        return Rejected(run, traffic, seen)

    return check
