"""Several services on this machine in place of hosts, and the other load that disturbs them."""

import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
CHANGES = REPOSITORY / "molecule" / "rollout" / "changes"
OLD, UNCHANGED = "old", "unchanged"
# A third slower, by computing and by waiting: the releases that the rehearsal's tests roll out.
SLOWER = {"computes longer": CHANGES / "computing.py", "waits longer": CHANGES / "slower.py"}
HOSTS: dict[str, Path | None] = {UNCHANGED: None, **SLOWER, OLD: None}
BURST_SECONDS, QUIET_SECONDS = (1.0, 5.0), (2.0, 6.0)
BURN = "import time\nend = time.monotonic() + {seconds}\nwhile time.monotonic() < end: sum(range(10000))"


@contextmanager
def services(bundle: Path) -> Iterator[dict[str, str]]:
    """Run a service for each of HOSTS until the block ends; yields their addresses."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(_service(bundle, change)) for name, change in HOSTS.items()}


@contextmanager
def _service(bundle: Path, change: Path | None) -> Iterator[str]:
    code = "from inference.cli import main\n"
    if change:
        code += f"exec(compile(open({str(change)!r}).read(), {str(change)!r}, 'exec'), {{'__name__': 'changed'}})\n"
    command = [sys.executable, "-c", f"{code}main()", "serve", "--bundle", str(bundle), "--port", "0"]
    process = subprocess.Popen(
        [*command, "--drain-seconds", "0"], cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        address = _address(process.stdout)
        threading.Thread(target=_drain, args=[process.stdout], daemon=True).start()
        yield address
    finally:
        process.terminate()
        process.wait(timeout=30)


def _address(log: Iterator[str]) -> str:
    address = ""
    for line in log:
        event = json.loads(line)
        if event["event"] == "listening":
            address = f"http://{event['address']}:{event['port']}"
        if event["event"] == "ready":
            return address
    raise RuntimeError("a service has ended before it was ready; run `python -m inference serve` to see why")


def _drain(log: Iterator[str]) -> None:
    # A service whose log nobody reads stops when the pipe is full.
    with suppress(ValueError):
        for _ in log:
            pass


@contextmanager
def bursts(seed: int) -> Iterator[None]:
    """Let processes that only compute come and go, one for each core, until the block ends."""
    over, dice = threading.Event(), random.Random(seed)  # noqa: S311 - no secret

    def disturb() -> None:
        while not over.wait(dice.uniform(*QUIET_SECONDS)):
            code = BURN.format(seconds=dice.uniform(*BURST_SECONDS))
            burning = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(os.cpu_count() or 1)]
            for process in burning:
                process.wait()

    disturbing = threading.Thread(target=disturb)
    disturbing.start()
    try:
        yield
    finally:
        over.set()
        disturbing.join()
