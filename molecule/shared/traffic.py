"""Load on the rehearsal's balancer while something is done to the fleet, with every single request written down.

`python molecule/shared/traffic.py COMMAND...` keeps users asking while a command runs, for an hour at most; exit status: the
command's, or 1 when a request was not answered as it has to be.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

START_SECONDS = 60.0
USERS = 3


@dataclass(frozen=True)
class Request:
    """One request.

    Attributes:
        begin: seconds since the epoch.
        seconds: until the answer, or until it was clear that there is none.
        status: 0 if there was no answer.
        problem: what was answered instead of a prediction.
        top: the likeliest class.
    """

    begin: float
    seconds: float
    status: int
    request_id: str = ""
    problem: str = ""
    digest: str = ""
    top: str = ""


@dataclass
class Traffic:
    """All requests, in the order of their ends; filled when the load has ended. `messages` is what locust said."""

    requests: list[Request] = field(default_factory=list)
    messages: str = ""

    @property
    def failed(self) -> list[Request]:
        """Requests with any answer but a 200, or none."""
        return [one for one in self.requests if one.status != 200]

    @property
    def wrong(self) -> list[Request]:
        """Requests whose answer is not a cat."""
        return [one for one in self.requests if one.status == 200 and "cat" not in one.top.lower()]


def read_requests(records: Path) -> list[Request]:
    """Return what load.py has written so far."""
    return [Request(**json.loads(line)) for line in records.read_text().splitlines()]


@contextmanager
def load(users: int = USERS, pause: float = 0.05, seconds: int = 300) -> Iterator[Traffic]:
    """Keep users asking while the block runs, each with a pause (in seconds) after every answer; `seconds` at most.

    The block begins when the first request has ended.

    Raises:
        AssertionError: there is none; it holds what locust said.
    """
    command = [sys.executable, "-m", "locust", "-f", str(Path(__file__).with_name("load.py"))]
    command += ["--headless", "--only-summary", "--users", str(users), "--spawn-rate", str(users)]
    command += ["--run-time", f"{seconds}s", "--stop-timeout", "30"]
    traffic = Traffic()
    with TemporaryDirectory() as directory:
        records, messages = Path(directory) / "requests.jsonl", Path(directory) / "messages.txt"
        environment = os.environ | {"LOAD_RECORDS": str(records), "LOAD_PAUSE": str(pause)}
        with messages.open("w") as said:
            process = subprocess.Popen(command, env=environment, stdout=said, stderr=said)
        try:
            deadline = time.monotonic() + START_SECONDS
            while not (records.exists() and records.stat().st_size):
                assert process.poll() is None, messages.read_text()
                assert time.monotonic() < deadline, f"no request within {START_SECONDS:g} s: {messages.read_text()}"
                time.sleep(0.1)
            yield traffic
        finally:
            process.terminate()
            try:
                process.wait(timeout=60)
            finally:
                process.kill()
                traffic.messages = messages.read_text()[-3000:]
                traffic.requests = read_requests(records) if records.exists() else []


def main(command: list[str]) -> int:
    """Run a command under load, and say how the requests went."""
    with load(seconds=3600) as traffic:
        status = subprocess.run(command, check=False).returncode
    bad = [*traffic.failed, *traffic.wrong]
    print(f"{len(traffic.requests)} requests meanwhile, {len(bad)} of them not answered as they have to be", *bad[:5], sep="\n")
    return status or bool(bad)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
