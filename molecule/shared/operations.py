"""Operations on the rehearsal's fleet, called as a person calls them."""

from __future__ import annotations

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
    assert "changed=0" in said
    return said


@contextmanager
def forwarded(host: str, port: int) -> Iterator[int]:
    """Bring a port of a host to this machine while the block runs; yield its number here."""
    command = ["scripts/session", "local", "forward", host, str(port), "0"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        watchdog = threading.Timer(60, process.kill)
        watchdog.start()
        said = process.stdout.readline()
        watchdog.cancel()
        assert said.startswith("127.0.0.1:"), said
        yield int(said.split()[0].split(":")[1])
    finally:
        process.terminate()
        process.wait(timeout=30)
