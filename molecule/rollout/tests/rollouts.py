"""Runs of the playbooks that change the fleet, as a person runs them, and the reports that they leave."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import psutil
from rehearsal import ROOT

# With three users some ten requests a second: enough to compare, and hosts share their cores with everything else.
PAUSE_SECONDS = 0.25
# A short pace with the rehearsal's heartbeats, in which a look at the hosts has its time on a busy machine too; a run's own
# variables come on top of it.
PACE: dict[str, Any] = {
    "rollout_looks": 1,
    "rollout_abandoned_periods": 2,
    "rollout_warm_up": 10,
    "rollout_evidence_seconds": 5,
    "rollout_most_hosts": 4,
}
# Who watches for less than a minute does not see what happens after a minute.
WATCHFUL: dict[str, Any] = {"rollout_bake_seconds": 75}
# The lock is free long before the dead man's alarm rings, so that there is something to go on with.
TAKEN_OVER: dict[str, Any] = {"rollout_lock_stale_seconds": 10, "rollout_abandoned_periods": 9}
# Two fleets instead of one; a canary, then all.
BLUE_GREEN: dict[str, Any] = {"rollout_strategy": "blue_green", "rollout_weights": [10, 100], "rollout_keep_warm_seconds": 15}
# What Molecule sets for its own output would break sentences apart.
PLAIN = {"ANSIBLE_FORCE_COLOR": "false", "ANSIBLE_NOCOLOR": "true", "PYTHONUNBUFFERED": "1"}
RECAP = re.compile(r"^localhost +: .*\bchanged=(\d+)", re.MULTILINE)


def changes(output: str) -> int:
    """Return how many tasks on the controller changed something, as a playbook's recap says.

    Raises:
        AssertionError: there is no recap.
    """
    recap = RECAP.search(output)
    assert recap, output
    return int(recap.group(1))


class Run:
    """One run of a playbook of playbooks/.

    Attributes:
        begin: UTC, ISO 8601, to the second.
    """

    def __init__(self, playbook: str, variables: dict[str, Any], transcript: Path) -> None:
        """Start it; what it says goes to the file `transcript`."""
        self._transcript = transcript
        self.begin = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}"
        command = ["ansible-playbook", "-e", json.dumps(PACE | variables)]
        environment = os.environ | PLAIN | {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
        with transcript.open("w") as output:
            self._process = subprocess.Popen(
                [*command, f"playbooks/{playbook}.yml"], cwd=ROOT, env=environment, stdout=output, stderr=output
            )

    @property
    def output(self) -> str:
        """What it has said so far."""
        return self._transcript.read_text()

    @property
    def status(self) -> int | None:
        """Its exit status; None while it goes on."""
        return self._process.poll()

    def says(self, sentence: str) -> bool:
        """Say whether it has said that, however its lines were broken."""
        return sentence in " ".join(self.output.split())

    def wait(self, seconds: float = 900) -> None:
        """Wait for its end.

        Raises:
            subprocess.TimeoutExpired: it goes on for longer.
        """
        self._process.wait(timeout=seconds)

    def kill(self) -> None:
        """End all of its processes at once, as a machine does that loses power. Ansible's workers have groups of their own."""
        if self.status is not None:
            return
        self._process.send_signal(signal.SIGSTOP)  # or it would start others meanwhile
        for child in psutil.Process(self._process.pid).children(recursive=True):
            child.kill()
        self._process.kill()
        self._process.wait(timeout=30)

    def report(self) -> dict[str, Any]:
        """Return the report that it has left.

        Raises:
            AssertionError: there is none.
        """
        mine = [one for one in reports() if one["begin"][:19] >= self.begin]
        assert mine, f"no report since {self.begin}: {self.output[-3000:]}"
        return mine[-1]


@contextmanager
def running(playbook: str, variables: dict[str, Any], transcript: Path) -> Iterator[Run]:
    """Run a playbook in the background; it does not outlive the block."""
    run = Run(playbook, variables, transcript)
    try:
        yield run
    finally:
        run.kill()


def reports() -> list[dict[str, Any]]:
    """Return the reports of all rollouts, oldest first."""
    s3, bucket = boto3.client("s3"), releases_bucket()
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="local/rollouts/")
    keys = sorted(item["Key"] for page in pages for item in page.get("Contents", []))
    return [json.load(s3.get_object(Bucket=bucket, Key=key)["Body"]) for key in keys]


def reasons(report: dict[str, Any]) -> str:
    """Return all that a report says of why: its reason and those of every checkpoint."""
    said = [report["reason"], *(reason for one in report["checkpoints"] for reason in one["reasons"])]
    return " ".join(said)


def releases_bucket() -> str:
    """Return the bucket of the reports and of the lock."""
    return f"pettracker-local-{boto3.client('sts').get_caller_identity()['Account']}-releases"


def forget_lock() -> None:
    """Remove the lock that a killed controller has left."""
    boto3.client("s3").delete_object(Bucket=releases_bucket(), Key="local/rollout.lock")
