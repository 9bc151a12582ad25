"""Operations on the rehearsal's fleet, called as a person calls them."""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rehearsal import ROOT


def tries(intent: str, **settings: str) -> tuple[int, str]:
    """Run scripts/operate; return its status and all that it says, on one line."""
    command = ["scripts/operate", "local", intent, *(f"{name.upper()}={value}" for name, value in settings.items())]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=900)
    return run.returncode, " ".join((run.stdout + run.stderr).split())


def does(intent: str, **settings: str) -> str:
    """Run an operation that goes well, and return what it says."""
    status, said = tries(intent, **settings)
    assert status == 0, said
    return said


def is_refused(intent: str, **settings: str) -> str:
    """Run an operation that fails before it has changed anything, and return what it says."""
    status, said = tries(intent, **settings)
    assert status != 0, said
    assert said.endswith("Nothing was changed."), said
    return said


def inside(host: str, typed: str) -> str:
    """Type a line into a shell on a host, and return all that its terminal shows."""
    command = ["scripts/session", "local", "shell", host]
    keys = f"{typed}\nexit\n"
    return subprocess.run(command, cwd=ROOT, input=keys, capture_output=True, text=True, check=True, timeout=120).stdout


@contextmanager
def forwarded(host: str, port: int) -> Iterator[int]:
    """Bring a port of a host to this machine while the block runs; yield its number here."""
    command = ["scripts/session", "local", "forward", host, str(port), "0"]
    # A group of its own: what the AWS command line has started has to end with it.
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        assert process.stdout is not None
        watchdog = threading.Timer(60, process.kill)
        watchdog.start()
        said = process.stdout.readline()
        while said and not said.startswith("Port "):
            said = process.stdout.readline()
        watchdog.cancel()
        assert said, "The session ended."
        yield int(said.split()[1])
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)
