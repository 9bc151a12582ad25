"""Follows a training job, through what its host writes to S3, and prints a line for each epoch."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import boto3
from botocore.exceptions import ClientError

from ..module_utils.polling import poll
from ..plugin_utils.progress import ProgressAction, report

LINES = 30
# Seconds for which EC2 may not know yet what RunInstances has answered with ("Eventual consistency in the Amazon EC2 API").
APPEARS = 120.0
UNKNOWN = "unknown"
ENDED = ("shutting-down", "terminated", "stopping", "stopped")
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_StateReason.html
SPOT = ("Server.SpotInstanceTermination", "Server.SpotInstanceShutdown")


@dataclass(frozen=True)
class Host:
    """What EC2 says of the instance: its state, and the code of the reason for that."""

    state: str
    reason: str


def outcome(recorded: Mapping[str, Any], instance_id: str, host: Host) -> str | None:
    """Returns what came of the job, None while it goes on.

    `finished`, `interrupted` and `failed` are the host's own words; `lost` is an instance that ended without any. Of one that
    goes on, `follow` finds `silent` and `overdue`.
    """
    if recorded.get("instance_id") == instance_id and recorded.get("outcome") != "running":
        return str(recorded["outcome"])
    if host.state not in ENDED:
        return None
    return "interrupted" if host.reason in SPOT else "lost"


def line(record: Mapping[str, Any]) -> str:
    """Returns an epoch's line of history.jsonl for people."""
    figures = [
        f"{label} {record[key]:.4g}"
        for key, label in (
            ("train_loss", "loss"),
            ("validation_loss", "validation loss"),
            ("validation_accuracy", "validation accuracy"),
        )
        if isinstance(record.get(key), int | float)
    ]
    return f"epoch {record.get('epoch', '?')}: {', '.join(figures)}"


def new_lines(history: str, known: int) -> list[str]:
    """Returns the lines of the epochs after the first `known`."""
    return [line(json.loads(each)) for each in history.splitlines()[known:] if each.strip()]


class Job:
    """A job's files in S3, and its instance."""

    def __init__(self, bucket: str, prefix: str, region: str) -> None:
        self._bucket, self._prefix = bucket, prefix
        self._s3: Any = boto3.client("s3", region_name=region)
        self._ec2: Any = boto3.client("ec2", region_name=region)

    def read(self, name: str) -> str:
        """Returns a file's text, "" where there is none."""
        try:
            body = self._s3.get_object(Bucket=self._bucket, Key=f"{self._prefix}/{name}")["Body"]
        except self._s3.exceptions.NoSuchKey:
            return ""
        text: str = body.read().decode(errors="replace")
        return text

    def recorded(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.read("state.json") or "{}")
        return found

    def host(self, instance_id: str) -> Host:
        """Returns what EC2 says; UNKNOWN of an instance that it does not know, not yet or not any more."""
        try:
            reservations = self._ec2.describe_instances(InstanceIds=[instance_id])["Reservations"]
        except ClientError as error:
            if error.response["Error"]["Code"] == "InvalidInstanceID.NotFound":
                return Host(UNKNOWN, "")
            raise
        instance = reservations[0]["Instances"][0]
        return Host(instance["State"]["Name"], instance.get("StateReason", {}).get("Code", ""))

    def last_lines(self, instance_id: str) -> str:
        """Returns the end of what the job printed, or of the host's set-up where it did not come to that."""
        setup = self.read("setup.log")
        text = setup if instance_id in setup else self.read("log.txt")
        return "\n".join(text.splitlines()[-LINES:])


class Follower:
    """Polls a job until it has come to an end."""

    def __init__(self, job: Job, instance_id: str, report: Callable[[str], None], known: int = 0) -> None:
        """`known` epochs have been reported: an instance that goes on begins with the history of those before."""
        self._job, self._instance_id, self._report = job, instance_id, report
        self._heard = False
        self._appears_until = time.monotonic() + APPEARS
        self.known = known

    def look(self) -> str | None:
        """Prints what is new and returns the outcome, None while there is none."""
        # In this order: what a host writes before it ends is there when it has ended.
        host = self._host()
        recorded = self._job.recorded()
        if recorded.get("instance_id") == self._instance_id:
            self._heard = True
            lines = new_lines(self._job.read("history.jsonl"), self.known)
            self.known += len(lines)
            for each in lines:
                self._report(each)
        return outcome(recorded, self._instance_id, host)

    def _host(self) -> Host:
        """Returns what EC2 says. An instance that it does not know is about to appear at first, and has ended later.

        That it was shown once says nothing of the next look: another server of EC2's may answer that one.
        """
        host = self._job.host(self._instance_id)
        if host.state != UNKNOWN:
            return host
        return Host("pending" if time.monotonic() < self._appears_until else "terminated", "")

    def follow(self, interval: float, seconds: float, setup_seconds: float = float("inf")) -> str:
        """Returns the outcome; `overdue` after so many seconds without one, `silent` after `setup_seconds` without a word.

        A look that fails is repeated for ten minutes: a host needs nobody to look at it.

        Raises:
            BotoCoreError, ClientError: of the last look.
        """
        began = time.monotonic()

        def look() -> str | None:
            found = self.look()
            silent = not self._heard and time.monotonic() - began > setup_seconds
            return found or ("silent" if silent else None)

        return poll(look, self._report, interval, seconds, "the job goes on") or "overdue"


class ActionModule(ProgressAction):
    """Takes ARGUMENTS; returns `outcome`, `instance_id`, `epochs` and, where the job did not finish, `reason` and `log`.

    Without an `instance_id` it only reads what is recorded.
    """

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        **{name: {"type": "str", "required": True} for name in ("bucket", "prefix", "region")},
        "instance_id": {"type": "str", "default": ""},
        "interval": {"type": "float", "default": 10.0},
        "seconds": {"type": "float", "default": 86400.0},
        "setup_seconds": {"type": "float", "default": float("inf")},
        "known": {"type": "int", "default": 0},
    }
    SUBJECT = "the job in s3://{bucket}"

    def follow(self, arguments: dict[str, Any]) -> dict[str, Any]:
        job, instance_id = Job(arguments["bucket"], arguments["prefix"], arguments["region"]), arguments["instance_id"]
        if not instance_id:
            recorded = job.recorded()
            return {"outcome": recorded.get("outcome", ""), "instance_id": recorded.get("instance_id", "")}
        follower = Follower(job, instance_id, report, arguments["known"])
        outcome = follower.follow(arguments["interval"], arguments["seconds"], arguments["setup_seconds"])
        return {
            "outcome": outcome,
            "instance_id": instance_id,
            "epochs": follower.known,
            "reason": job.recorded().get("reason", "") if outcome == "failed" else "",
            "log": "" if outcome == "finished" else job.last_lines(instance_id),
        }
