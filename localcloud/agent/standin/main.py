"""The agent's process: follows log files and takes figures until it is asked to stop."""

import logging
import os
import pwd
import signal
import stat
import sys
import time
import tomllib
from pathlib import Path

from . import paths
from .api import Api, ApiError, Metadata, milliseconds
from .config import Configuration, ConfigurationError, LogFile, parse
from .figures import collect
from .outbox import Outbox
from .statsd import Listener, to_figures
from .tail import EVENT_OVERHEAD, Followers, Lines

TICK = 1.0  # seconds between looks at the files
# PutLogEvents takes at most 10,000 events and 1 MiB at once.
BATCH_EVENTS = 10_000
BATCH_BYTES = 1024 * 1024
MAXIMUM_WAIT = 60.0  # seconds between attempts while the API refuses
# Files with any of these bits keep their owner: they are run, or everybody's.
SPARED = stat.S_ISUID | stat.S_ISGID | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH | stat.S_IWOTH
logger = logging.getLogger("agent")


def batches(lines: list[str]) -> list[list[str]]:
    """Return lines in as few batches as CloudWatch Logs takes."""
    result: list[list[str]] = [[]]
    size = 0
    for line in lines:
        weight = len(line.encode()) + EVENT_OVERHEAD
        if len(result[-1]) == BATCH_EVENTS or size + weight > BATCH_BYTES:
            result.append([])
            size = 0
        result[-1].append(line)
        size += weight
    return [batch for batch in result if batch]


class Agent:
    """One configuration at work on one instance."""

    def __init__(
        self,
        configuration: Configuration,
        api: Api,
        metadata: Metadata,
        state: Path = paths.STATE,
        statsd: Listener | None = None,
    ) -> None:
        """`state` is the directory in which positions in log files are kept; `statsd` what services send to."""
        self._configuration = configuration
        self._api = api
        self._metadata = metadata
        self._files = [(entry, Followers(entry.pattern, state)) for entry in configuration.log_files]
        self._instance_id = ""
        self._outbox = Outbox(configuration, self._known_dimensions, api.put_metrics)
        self._due = dict.fromkeys(configuration.figures, 0.0)
        self._statsd = statsd
        self._statsd_due = 0.0
        self._flush_due = 0.0

    def step(self, now: float, flush: bool = False) -> None:
        """Do what is due at `now` (seconds, of any steady clock); raise ApiError when the API refuses.

        What was refused is sent again by a later step: a position moves on only after success.
        """
        if not self._instance_id:
            self._instance_id = self._metadata.get("meta-data/instance-id")
        for _, followers in self._files:
            followers.look()
        if flush or now >= self._flush_due:
            self._flush_due = now + self._configuration.flush_seconds
            for entry, followers in self._files:
                for follower in followers.current():
                    while (lines := follower.read()) is not None:
                        self._ship(entry, lines)
                        follower.sent(lines)
        self._outbox.step(now)
        due = [figure for figure, time_due in self._due.items() if now >= time_due]
        self._outbox.put(measured for figure in due for measured in collect(figure))
        self._due |= {figure: now + figure.interval for figure in due}
        if self._statsd and self._configuration.statsd and now >= self._statsd_due:
            self._outbox.put(to_figures(self._statsd.take()))
            self._statsd_due = now + self._configuration.statsd.interval

    def _ship(self, entry: LogFile, lines: Lines) -> None:
        stream = entry.stream.replace("{instance_id}", self._instance_id)
        for batch in batches([line for line in lines.lines if line]):
            events = [{"timestamp": milliseconds(), "message": line} for line in batch]
            self._api.put_events(entry.group, stream, events, entry.retention_days)

    def _known_dimensions(self) -> dict[str, str]:
        known = {
            "InstanceId": self._instance_id,
            "InstanceType": self._metadata.get("meta-data/instance-type"),
            "ImageId": self._metadata.get("meta-data/ami-id"),
        }
        if "AutoScalingGroupName" in self._configuration.dimensions:
            group = self._api.group_of(self._instance_id)
            known |= {"AutoScalingGroupName": group} if group else {}
        return known


def load() -> Configuration:
    """Return the configuration that the control command has put in place."""
    if not paths.TRANSLATED.exists():
        raise ConfigurationError("there is no configuration yet: run amazon-cloudwatch-agent-ctl -a fetch-config")
    source = tomllib.loads(paths.TRANSLATED.read_text())["source"]
    return parse(Path(source).read_text())


def give(directory: Path, uid: int, gid: int) -> None:
    """Make somebody the owner of a directory and what is in it, but of nothing that is run and of no link.

    Follows chownRecursive in internal/util/user/userutil.go of aws/amazon-cloudwatch-agent.
    """
    for path in (directory, *directory.rglob("*")):
        mode = path.lstat().st_mode
        if not stat.S_ISLNK(mode) and not (stat.S_ISREG(mode) and mode & SPARED):
            os.chown(path, uid, gid)


def become(user: str) -> None:
    """Drop root's rights for those of `user` and its groups; it then owns the agent's configuration, logs and positions.

    Raises:
        ConfigurationError: there is no such user. The real agent does not start then either.
    """
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise ConfigurationError(f"agent.run_as_user is {user!r}, but there is no such user on this host") from None
    for directory in paths.OWNED:
        give(directory, entry.pw_uid, entry.pw_gid)
    if entry.pw_uid:
        os.initgroups(user, entry.pw_gid)
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)


def main() -> int:
    """Run until SIGTERM; return an exit status."""
    try:
        configuration = load()
        become(configuration.run_as_user)
        statsd = Listener(configuration.statsd.address) if configuration.statsd else None
    except (ConfigurationError, OSError) as error:
        print(f"amazon-cloudwatch-agent: {error}", file=sys.stderr)
        return 1
    paths.STATE.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(filename=paths.LOG, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
    if not endpoint.startswith("http://"):
        logger.error("AWS_ENDPOINT_URL is %r: this stand-in talks to a local cloud only", endpoint)
        return 1
    metadata = Metadata()
    stopping = False

    def stop(_number: int, _frame: object) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    agent: Agent | None = None
    wait = TICK
    while not stopping:
        try:
            if agent is None:
                region = configuration.region or metadata.get("meta-data/placement/region")
                agent = Agent(configuration, Api(endpoint, region, metadata), metadata, statsd=statsd)
                logger.info("started, version %s", paths.VERSION)
            agent.step(time.monotonic())
            wait = TICK
        except ApiError as error:
            wait = min(2 * wait, MAXIMUM_WAIT)
            logger.warning("%s; next attempt in %.0f s", error, wait)
        deadline = time.monotonic() + wait
        while not stopping and time.monotonic() < deadline:
            time.sleep(TICK)
    if agent is not None:
        try:
            agent.step(time.monotonic(), flush=True)
        except ApiError as error:
            logger.warning("%s; what is left is sent after the next start", error)
    logger.info("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
