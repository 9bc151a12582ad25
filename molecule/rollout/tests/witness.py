"""What became of the fleet while something was done to it: looked at once a second, with the last words of its new hosts."""

import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import fleet
from botocore.exceptions import BotoCoreError, ClientError

LAST_WORDS = "journalctl --no-pager --lines=30; tail -n 30 /var/log/pettracker/inference.log"
JOURNAL_SECONDS = 10.0


@dataclass
class Witness:
    """What was seen.

    Attributes:
        versions: at each look, the launch template version of every host that was not on its way out.
        serving: at each look, how many hosts were in service.
        journals: the last words of the hosts that came, by instance id.
    """

    versions: list[dict[str, str]] = field(default_factory=list)
    serving: list[int] = field(default_factory=list)
    journals: dict[str, str] = field(default_factory=dict)

    def look(self, group: Mapping[str, Any]) -> None:
        """Note what a group is like, as DescribeAutoScalingGroups tells it."""
        hosts = [item for item in group["Instances"] if not item["LifecycleState"].startswith("Terminat")]
        self.versions.append({item["InstanceId"]: item["LaunchTemplate"]["Version"] for item in hosts})
        self.serving.append(sum(item["LifecycleState"] == "InService" for item in hosts))

    def most_of_another_version(self) -> int:
        """Return how many hosts at most had another version than the fleet had at the first look."""
        before = set(self.versions[0].values())
        return max(sum(version not in before for version in look.values()) for look in self.versions)

    def newcomers(self) -> set[str]:
        """Return the hosts that are there now and were not at the first look."""
        return set(self.versions[-1]) - set(self.versions[0])


def last_words(identity: str) -> str:
    """Return the end of a host's journal and of its service's log; why there is none, if there is none."""
    command = ["podman", "exec", identity, "sh", "-c", LAST_WORDS]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except subprocess.TimeoutExpired as error:
        return str(error)
    return done.stdout or done.stderr


@contextmanager
def watched(
    group: Callable[[], Mapping[str, Any]] = fleet.group, words: Callable[[str], str] = last_words, interval: float = 1.0
) -> Iterator[Witness]:
    """Watch the fleet while the block runs."""
    witness, over = Witness(), threading.Event()
    witness.look(group())

    def watch() -> None:
        heard = time.monotonic()
        while not over.wait(interval):
            try:
                witness.look(group())
            except (BotoCoreError, ClientError):
                continue  # the next look
            if time.monotonic() - heard >= JOURNAL_SECONDS:
                witness.journals |= {identity: words(identity) for identity in witness.newcomers()}
                heard = time.monotonic()

    watcher = threading.Thread(target=watch, name="witness", daemon=True)
    watcher.start()
    try:
        yield witness
    finally:
        over.set()
        watcher.join(timeout=60)
        witness.look(group())
