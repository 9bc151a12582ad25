"""Follows a training job, through what its host writes to S3, and prints a line for each epoch."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import boto3
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from botocore.exceptions import BotoCoreError, ClientError

# Seconds for which AWS may be out of reach while a job is followed.
PATIENCE = 600.0
LINES = 30
# Seconds for which EC2 may not know yet what RunInstances has answered with ("Eventual consistency in the Amazon EC2 API").
APPEARS = 120.0
UNKNOWN = "unknown"
ENDED = ("shutting-down", "terminated", "stopping", "stopped")
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_StateReason.html
SPOT = ("Server.SpotInstanceTermination", "Server.SpotInstanceShutdown")

display = Display()


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
    """Looks at a job until it has come to an end."""

    def __init__(self, job: Job, instance_id: str, say: Callable[[str], None], known: int = 0) -> None:
        """`known` epochs have been said: an instance that goes on begins with the history of those before."""
        self._job, self._instance_id, self._say = job, instance_id, say
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
                self._say(each)
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
        began = reached = time.monotonic()
        deadline = began + seconds
        while time.monotonic() < deadline:
            try:
                found = self.look()
                reached = time.monotonic()
                if found:
                    return found
                if not self._heard and reached - began > setup_seconds:
                    return "silent"
            except (BotoCoreError, ClientError) as error:
                if time.monotonic() - reached > PATIENCE:
                    raise
                self._say(f"AWS does not answer, the job goes on: {error}")
            time.sleep(interval)
        return "overdue"


class ActionModule(ActionBase):
    """Runs on the controller, for as long as the job does.

    Arguments: bucket, prefix, region; with instance_id also interval, seconds, setup_seconds and known. Without an instance_id
    it only reads what is recorded. Returns `outcome`, `instance_id`, `epochs` and, where the job did not finish, `reason` and
    `log`.
    """

    _VALID_ARGS = frozenset({"bucket", "prefix", "region", "instance_id", "interval", "seconds", "setup_seconds", "known"})

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = self._task.args
        instance_id = str(arguments.get("instance_id") or "")
        try:
            job = Job(arguments["bucket"], arguments["prefix"], arguments["region"])
            if not instance_id:
                recorded = job.recorded()
                return result | {
                    "changed": False,
                    "outcome": recorded.get("outcome", ""),
                    "instance_id": recorded.get("instance_id", ""),
                }
            known = int(arguments.get("known", 0))
            follower = Follower(job, instance_id, lambda text: display.display(f"    {text}"), known)
            found = follower.follow(
                float(arguments.get("interval", 10)),
                float(arguments.get("seconds", 86400)),
                float(arguments.get("setup_seconds", "inf")),
            )
            reason = job.recorded().get("reason", "") if found == "failed" else ""
            log = "" if found == "finished" else job.last_lines(instance_id)
        except (BotoCoreError, ClientError) as error:
            raise AnsibleActionFail(f"Cannot follow the job in s3://{arguments['bucket']}: {error}") from None
        return result | {
            "changed": False,
            "outcome": found,
            "instance_id": instance_id,
            "epochs": follower.known,
            "reason": reason,
            "log": log,
        }
