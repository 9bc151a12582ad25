"""A training job on a host of its own: trains, tells S3 how far it is, and leaves its results there.

Below `s3://<bucket>/<prefix>/` of the job:

    state.json         which instance works on it, and what came of that; written last, so that what it speaks of is there
    history.jsonl      one line for each epoch, as far as it is
    log.txt            what the job printed last
    checkpoints/       written by `training train`
    run/               the run's directory without its checkpoints, once the job is finished

Nobody needs to be connected to the host. The unit that runs this is in roles/training_instance.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import boto3
import click
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel, ConfigDict

from training.results import fetch

# Seconds between two looks at the run's directory.
INTERVAL = 2.0
# What is kept of the log, in bytes.
LOG_TAIL = 64 * 1024
INTERRUPTED = 75
# The host's packages are not compiled when they are installed, and only the interpreter's options reach an isolated one.
_CACHE = ["-X", f"pycache_prefix={sys.pycache_prefix}"] if sys.pycache_prefix else []
COMMAND = [sys.executable, "-I", *_CACHE, "-m", "training"]
# The host's watchdog leaves it before it switches the host off.
OVERDUE = Path("/run/pettracker-training-overdue")
# PutLogEvents takes 10,000 events of up to 256 KiB (1 MiB together).
LOG_EVENTS = 1000
LOG_EVENT_BYTES = 1000

Outcome = Literal["running", "finished", "interrupted", "failed"]


class Job(BaseModel):
    """What a host is told.

    Attributes:
        name: of the job; a dimension of no metric, for each would be one of its own.
        config: a packaged configuration's name or a file.
        settings: overrides of the configuration by dotted key.
        prefix: below which everything lies in `bucket`, without a slash at the end.
        log_group: of CloudWatch Logs; "": none.
        metric_dimensions: of TrainingFailed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    config: str
    data: str | None = None
    settings: dict[str, str] = {}
    bucket: str
    prefix: str
    log_group: str = ""
    metric_namespace: str
    metric_dimensions: dict[str, str]
    spot_notices: str

    def train(self, run: Path) -> list[str]:
        """Return the arguments of `python -m training`."""
        data = [f"--data={self.data}"] if self.data else []
        settings = [part for key, value in sorted(self.settings.items()) for part in ("--set", f"{key}={value}")]
        return [
            *("train", self.config, f"--output={run}", *data, *settings),
            f"--checkpoints=s3://{self.bucket}/{self.prefix}/checkpoints",
            *("--metrics=cloudwatch", f"--metric-namespace={self.metric_namespace}"),
            f"--spot-notices={self.spot_notices}",
        ]

    def evaluate(self, run: Path) -> list[str]:
        return ["evaluate", str(run), *([f"--data={self.data}"] if self.data else [])]


class Place:
    """Where a job tells of itself."""

    def __init__(self, job: Job, directory: Path, instance_id: str) -> None:
        """`directory` is the host's: `run/` and `log.txt` are below it."""
        self.job = job
        self.run = directory / "run"
        self.log = directory / "log.txt"
        self.instance_id = instance_id
        self._s3: Any = boto3.client("s3")
        self._sent: dict[str, bytes] = {}

    def tell(self, outcome: Outcome, reason: str = "") -> None:
        """Write how far the job is and, last, what came of it."""
        if self.history().exists():
            self._put("history.jsonl", self.history().read_bytes())
        if self.log.exists():
            self._put("log.txt", self.log.read_bytes()[-LOG_TAIL:])
        now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        state = {"instance_id": self.instance_id, "outcome": outcome, "reason": reason, "written": now}
        self._put("state.json", json.dumps(state, indent=1).encode() + b"\n")

    def progress(self) -> None:
        """Write the history, if it has grown, and that the job runs, if that could not be said when it began."""
        if "state.json" not in self._sent:
            self.tell("running")
        elif self.history().exists():
            self._put("history.jsonl", self.history().read_bytes())

    def results(self) -> None:
        """Write the run's directory, without its checkpoints."""
        for path in sorted(self.run.rglob("*")):
            inside = path.relative_to(self.run)
            if path.is_file() and inside.parts[0] != "checkpoints" and not path.name.startswith("."):
                self._s3.upload_file(str(path), self.job.bucket, f"{self.job.prefix}/run/{inside.as_posix()}")

    def history(self) -> Path:
        return self.run / "history.jsonl"

    def _put(self, name: str, content: bytes) -> None:
        if self._sent.get(name) != content:
            self._s3.put_object(Bucket=self.job.bucket, Key=f"{self.job.prefix}/{name}", Body=content)
            self._sent[name] = content


class Log:
    """What the job prints: to the journal, to a file whose end is kept, and to CloudWatch Logs."""

    def __init__(self, path: Path, group: str, stream: str) -> None:
        self._path = path
        self._waiting: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self._logs: Any = boto3.client("logs") if group else None
        self._where = {"logGroupName": group, "logStreamName": stream}

    def follow(self, lines: Iterator[str]) -> None:
        """Take every line until there are no more."""
        with self._path.open("a") as file:
            for line in lines:
                print(line, end="", flush=True)
                file.write(line)
                file.flush()
                with self._lock:
                    if line.strip():
                        text = line.rstrip()[:LOG_EVENT_BYTES]
                        self._waiting.append({"timestamp": int(time.time() * 1000), "message": text})

    def open(self) -> None:
        """Make the stream. An instance has one, so it may be there already."""
        if self._logs:
            with contextlib.suppress(self._logs.exceptions.ResourceAlreadyExistsException):
                self._logs.create_log_stream(**self._where)

    def send(self) -> None:
        """Send what is waiting."""
        with self._lock:
            events, self._waiting = self._waiting[:LOG_EVENTS], self._waiting[LOG_EVENTS:]
        if self._logs and events:
            self._logs.put_log_events(**self._where, logEvents=events)


def work(job: Job, directory: Path, instance_id: str, interval: float = INTERVAL) -> int:
    """Train and evaluate; return the exit status of what ended first, or last.

    SIGTERM is for what is started here, which gets it too: systemd sends it to every process of the unit.
    """
    signal.signal(signal.SIGTERM, lambda *_: None)
    place = Place(job, directory, instance_id)
    log = Log(place.log, job.log_group, f"{job.name}/{instance_id}")
    _try(log.open)
    _try(lambda: place.tell("running"))
    status = 0
    for arguments in (job.train(place.run), job.evaluate(place.run)):
        status = _watch([*COMMAND, *arguments], place, log, interval)
        if status:
            break
    _try(log.send)
    # SIGTERM before the command can heed it: nothing is lost but what came after the last checkpoint.
    return INTERRUPTED if status == -signal.SIGTERM else status


def _watch(command: list[str], place: Place, log: Log, interval: float) -> int:
    """Run a command to its end and tell of its progress meanwhile."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None  # noqa: S101 - for the type checker: Popen was given a pipe
        reader = threading.Thread(target=log.follow, args=[process.stdout], daemon=True)
        reader.start()
        while True:
            try:
                status = process.wait(interval)
                break
            except subprocess.TimeoutExpired:
                _try(place.progress)
                _try(log.send)
        reader.join()
    return status


def _try(tell: Any) -> None:
    """Go on where S3 or CloudWatch cannot be reached just now: training is worth more than its report."""
    try:
        tell()
    except (BotoCoreError, ClientError) as error:
        print(f"cannot report: {error}", file=sys.stderr, flush=True)


def finish(job: Job, directory: Path, instance_id: str, result: str, status: str) -> Outcome:
    """Leave the results, a failure's metric, and what came of the job.

    Args:
        result: systemd's SERVICE_RESULT: success, exit-code, signal, oom-kill, timeout, ...
        status: systemd's EXIT_STATUS: the exit status, or a signal's name.
    """
    place = Place(job, directory, instance_id)
    outcome: Outcome = "failed"
    reason = f"{result}, status {status}"
    if OVERDUE.exists():
        reason = "it took longer than an instance may run"
    elif status == str(INTERRUPTED):
        outcome = "interrupted"
    elif (result, status) == ("success", "0"):
        outcome = "finished"
        place.results()
    figure = {"MetricName": "TrainingFailed", "Value": float(outcome == "failed"), "Unit": "Count"}
    dimensions = [{"Name": name, "Value": value} for name, value in sorted(job.metric_dimensions.items())]
    _try(
        lambda: boto3.client("cloudwatch").put_metric_data(
            Namespace=job.metric_namespace, MetricData=[figure | {"Dimensions": dimensions}]
        )
    )
    place.tell(outcome, "" if outcome == "finished" else reason)
    return outcome


@click.group()
def main() -> None:
    """Run a training job on a host, for roles/training_instance."""


_JOB = click.argument("job_file", type=click.Path(path_type=Path, exists=True))
_DIRECTORY = click.argument("directory", type=click.Path(path_type=Path))
_INSTANCE = click.option("--instance-id", envvar="PETTRACKER_INSTANCE_ID", required=True, help="This host.")


@main.command("work")
@_JOB
@_DIRECTORY
@_INSTANCE
def _work(job_file: Path, directory: Path, instance_id: str) -> None:
    """Train and evaluate in DIRECTORY as JOB_FILE says; end with their exit status."""
    sys.exit(work(Job.model_validate_json(job_file.read_text()), directory, instance_id))


@main.command("finish")
@_JOB
@_DIRECTORY
@_INSTANCE
def _finish(job_file: Path, directory: Path, instance_id: str) -> None:
    """Tell S3 what came of it, as systemd's SERVICE_RESULT and EXIT_STATUS say."""
    job = Job.model_validate_json(job_file.read_text())
    result, status = os.environ["SERVICE_RESULT"], os.environ.get("EXIT_STATUS", "")
    click.echo(finish(job, directory, instance_id, result, status))


@main.command("fetch")
@click.argument("bucket")
@click.argument("prefix")
@_DIRECTORY
def _fetch(bucket: str, prefix: str, directory: Path) -> None:
    """Copy a job's results from s3://BUCKET/PREFIX/ into DIRECTORY, unless they are there."""
    count = fetch(bucket, prefix, directory)
    click.echo(f"{count} files copied to {directory}" if count else f"{directory} is that run already")


if __name__ == "__main__":
    main()
