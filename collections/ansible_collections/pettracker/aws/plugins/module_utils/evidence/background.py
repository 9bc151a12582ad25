"""Work that goes on after the module that began it has ended: one at a time in a directory, until another run collects it.

Session Manager has a shell for one command only, so what lasts must not depend on it. Python's standard library only.
"""

import fcntl
import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

# Waits so many seconds, and says whether the work is to end.
Ended = Callable[[float], bool]
PAUSE_SECONDS = 0.05
BEGUN = b"begun"


class BackgroundError(Exception):
    """There is nothing to collect; the message says why."""


class _Asked:
    """Whether somebody has come to collect, which SIGTERM says; it is blocked, and interrupts nothing."""

    _once = False

    def to_end(self, seconds: float) -> bool:
        """Waits for that, so many seconds at most."""
        self._once = self._once or signal.sigtimedwait({signal.SIGTERM}, max(0.0, seconds)) is not None
        return self._once


class Background:
    """The work of one directory, which is made for root alone where it is not there."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock, self._result = directory / "lock", directory / "result.json"

    def start(self, work: Callable[[Ended], dict[str, Any]], patience: float) -> None:
        """Lets the work go on in a process of its own. An earlier one is ended, and what it found is lost.

        Raises:
            BackgroundError: the earlier one has not ended within `patience` seconds, or this one could not begin.
            OSError: the directory cannot be written.
        """
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._end(patience)
        self._result.unlink(missing_ok=True)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.setsid()
            if os.fork() == 0:
                self._be_the_worker(work, writing)
            os._exit(0)
        os.close(writing)
        os.waitpid(child, 0)
        with os.fdopen(reading, "rb") as begun:
            if begun.read() != BEGUN:
                raise BackgroundError(f"the work in {self._directory} could not begin")

    def collect(self, patience: float) -> dict[str, Any]:
        """Ends the work, and returns what it found.

        Raises:
            BackgroundError: it has not ended within `patience` seconds, has found nothing, or there was none.
        """
        self._end(patience)
        try:
            found: dict[str, Any] = json.loads(self._result.read_text())
        except FileNotFoundError:
            raise BackgroundError(f"nothing was begun in {self._directory}, or it has ended without a result") from None
        self._result.unlink()
        if "problem" in found:
            raise BackgroundError(found["problem"])
        return found

    def _end(self, patience: float) -> None:
        if not self._lock.exists():
            return
        limit = time.monotonic() + patience
        with self._lock.open() as lock:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return
                except BlockingIOError:
                    lock.seek(0)
                    with suppress(ProcessLookupError):  # it ends just now
                        os.kill(int(lock.read()), signal.SIGTERM)
                if time.monotonic() > limit:
                    raise BackgroundError(f"the work in {self._directory} has not ended within {patience:g} seconds")
                time.sleep(PAUSE_SECONDS)

    def _be_the_worker(self, work: Callable[[Ended], dict[str, Any]], begun: int) -> None:
        status = 1
        try:
            nowhere = os.open(os.devnull, os.O_RDWR)
            for stream in range(3):
                os.dup2(nowhere, stream)
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
            lock = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX)
            os.ftruncate(lock, 0)
            os.write(lock, str(os.getpid()).encode())
            os.write(begun, BEGUN)
            os.close(begun)
            try:
                found = work(_Asked().to_end)
            except Exception as error:
                found = {"problem": f"{type(error).__name__}: {error}"}
            part = self._result.with_suffix(".part")
            part.write_text(json.dumps(found))
            part.rename(self._result)
            status = 0
        finally:
            os._exit(status)  # nothing of the module that began it is this process's business
