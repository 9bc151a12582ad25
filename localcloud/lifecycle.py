"""Starting and ending the daemon, from the command line's side."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

from localcloud import cleanup
from localcloud.errors import LocalCloudError
from localcloud.hosts import podman
from localcloud.lock import Holder, MachineLock, busy
from localcloud.settings import Settings

# Command -> Debian package that has it.
TOOLS = {**podman.TOOLS, "haproxy": "haproxy", "ss": "iproute2"}
# Seconds: building the base image on a slow mirror is the longest step.
START_LIMIT = 1800
# Seconds that a daemon may take to remove its hosts before it is killed.
STOP_LIMIT = 120
LOG_TAIL = 20

Say = Callable[[str], None]


def check_machine() -> None:
    """Raise LocalCloudError, with the command that helps, when the local cloud cannot run on this machine."""
    if os.geteuid() != 0:
        raise LocalCloudError("The local cloud starts real hosts and needs root: run it with sudo or as root.")
    missing = sorted({package for tool, package in TOOLS.items() if shutil.which(tool) is None})
    if missing:
        raise LocalCloudError(f"Missing on this machine: apt-get install {' '.join(missing)}, then try again.")


def summary(settings: Settings) -> str:
    """Return where things are."""
    return (
        f"API      {settings.endpoint}   (variables for AWS clients: source {settings.env_file})\n"
        f"Service  {settings.service_url}   (certificate authority: {settings.tls_dir / 'ca.pem'})\n"
        f"Log      {settings.log_file}"
    )


def up(settings: Settings, say: Say) -> None:
    """Start the daemon and wait until everything answers; say so if it runs already.

    Raises LocalCloudError with the reason, and the end of the log where the reason is not known.
    """
    check_machine()
    holder = MachineLock(settings.lock_file).holder()
    if holder is not None:
        if holder.root != str(settings.root):
            raise LocalCloudError(busy(holder))
        if not settings.ready_file.exists():
            raise LocalCloudError(f"The local cloud is just starting (process {holder.pid}); see {settings.log_file}.")
        say(f"The local cloud is already running (process {holder.pid}, since {holder.since}).")
        say(summary(settings))
        return
    settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings.state_dir.chmod(0o700)  # it may have been there
    with settings.log_file.open("wb") as log:
        daemon = subprocess.Popen(
            [sys.executable, "-m", "localcloud.daemon"],
            cwd=settings.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
    watchdog = threading.Timer(START_LIMIT, daemon.terminate)
    watchdog.daemon = True
    watchdog.start()
    try:
        _follow(daemon, settings, say)
    except KeyboardInterrupt:
        say("Interrupted: removing what has been started")
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(STOP_LIMIT)
        raise LocalCloudError("Interrupted. Nothing is left running; start again at any time.") from None
    finally:
        watchdog.cancel()
    say(summary(settings))


def _follow(daemon: subprocess.Popen[str], settings: Settings, say: Say) -> None:
    """Pass the daemon's progress on until it is ready; raise LocalCloudError if it ends before."""
    begin = time.monotonic()
    assert daemon.stdout is not None  # noqa: S101 - for the type checker: Popen was given a pipe
    for line in daemon.stdout:
        text = line.rstrip()
        if text == "ready":
            say(f"[{time.monotonic() - begin:5.1f} s] The local cloud is ready")
            return
        if text.startswith("error: "):
            daemon.wait(STOP_LIMIT)
            raise LocalCloudError(text.removeprefix("error: "))
        say(f"[{time.monotonic() - begin:5.1f} s] {text}")
    daemon.wait(STOP_LIMIT)
    raise LocalCloudError(f"The local cloud did not start. The end of {settings.log_file}:\n{log_tail(settings)}")


def log_tail(settings: Settings) -> str:
    """Return the last lines of the daemon's log."""
    return "\n".join(settings.log_file.read_text(errors="replace").splitlines()[-LOG_TAIL:])


def down(settings: Settings, say: Say) -> None:
    """End the daemon, however it is, and remove every trace but the cache. Doing it twice is no error."""
    if os.geteuid() != 0:
        raise LocalCloudError("Hosts belong to root: run this with sudo or as root.")
    lock = MachineLock(settings.lock_file)
    holder = lock.holder()
    if holder is not None and holder.root == str(settings.root):
        say(f"Ending the local cloud (process {holder.pid})")
        _end(holder)
    elif holder is not None:
        say(f"The local cloud that runs on this machine is that of {holder.root}; it is left alone.")
        shutil.rmtree(settings.state_dir, ignore_errors=True)
        return
    lock.acquire(settings.root)
    try:
        cleanup.remove_leftovers(settings, lock.previous)
        shutil.rmtree(settings.state_dir, ignore_errors=True)
    finally:
        lock.release()
    say("The local cloud is down; only its cache is left.")


def _end(holder: Holder) -> None:
    cleanup.end_process(holder.pid, "localcloud.daemon", STOP_LIMIT)
