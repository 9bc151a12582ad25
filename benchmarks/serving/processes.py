"""A contender's processes: started in a session of their own, watched for memory, and ended to the last one."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

from benchmarks.serving.load import Request

REPOSITORY = Path(__file__).parents[2]
_START_SECONDS = 120
_STOP_SECONDS = 8
_SAMPLE_SECONDS = 0.5


class ContenderError(Exception):
    """A contender does not start or does not answer; the message ends with the end of its log."""


def free_port() -> int:
    """Return a port with two free ones above it (TorchServe takes three)."""
    while True:
        with contextlib.ExitStack() as stack:
            first = stack.enter_context(socket.socket())
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
            try:
                for above in (1, 2):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port + above))
            except OSError:
                continue
            return port


class Memory(threading.Thread):
    """Samples the proportional set size (shared pages counted once) of a process and all below it."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._ended = threading.Event()
        self.peak_bytes = 0

    def run(self) -> None:
        while not self._ended.wait(_SAMPLE_SECONDS):
            self.peak_bytes = max(self.peak_bytes, sum(_proportional_bytes(process) for process in _tree(self._pid)))

    def end(self) -> None:
        self._ended.set()
        self.join()


def _tree(pid: int) -> list[psutil.Process]:
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.Error:
        return []


def processor_seconds(pid: int) -> float:
    """Return the processor time of a process and all below it until now; of those that ended, what their parents waited for."""
    total = 0.0
    for process in _tree(pid):
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def _proportional_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:
        return 0


@contextlib.contextmanager
def running(command: tuple[str, ...], environment: Mapping[str, str]) -> Iterator[tuple[int, Path, Path]]:
    """Run a command with a scratch directory ({scratch} in it); yield its process id, log and scratch directory."""
    scratch = Path(tempfile.mkdtemp(prefix="bench-"))
    log = scratch / "log"
    arguments = [part.replace("{scratch}", str(scratch)) for part in command]
    with log.open("wb") as output:
        process = subprocess.Popen(
            arguments,
            cwd=REPOSITORY,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process.pid, log, scratch
    finally:
        _stop(process)
        shutil.rmtree(scratch, ignore_errors=True)


def _stop(process: subprocess.Popen[bytes]) -> None:
    family = _tree(process.pid)
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_SECONDS)
    for left in family:
        with contextlib.suppress(psutil.Error):
            left.kill()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    psutil.wait_procs(family, timeout=_STOP_SECONDS)


def wait_until_answering(pid: int, log: Path, request: Request) -> float:
    """Post until an answer has status 200; return the seconds that took.

    Raises:
        ContenderError
    """
    started = time.monotonic()
    problem = "no answer"
    while time.monotonic() - started < _START_SECONDS:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            problem = "it ended"
            break
        post = urllib.request.Request(
            request.url, data=request.body.read_bytes(), headers={"Content-Type": request.content_type}
        )
        try:
            with urllib.request.urlopen(post, timeout=20) as answer:
                answer.read()
                return time.monotonic() - started
        except urllib.error.HTTPError as error:
            problem = f"status {error.code}: {error.read(200)!r}"
        except OSError as error:
            problem = str(error)
        time.sleep(0.2)
    raise ContenderError(f"{problem}; its log ends:\n{log.read_text(errors='replace')[-600:]}")
