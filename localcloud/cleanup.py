"""Removes what a cloud has made, whether it still runs, was killed, or never came up."""

import os
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

from localcloud.hosts.containers import Hosts
from localcloud.lock import Holder
from localcloud.settings import Settings


def own_files(settings: Settings) -> list[Path]:
    """Return what the daemon writes into the state directory, except its log."""
    return [
        settings.env_file,
        settings.pid_file,
        settings.ready_file,
        settings.tls_dir,
        settings.haproxy_dir,
        settings.packages_dir,
        settings.containers_conf,
        settings.storage_conf,
        settings.state_dir / "networks",
    ]


def remove_state(settings: Settings) -> None:
    """Remove the daemon's files."""
    for path in own_files(settings):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def end_process(pid: int, mark: str, grace: float) -> None:
    """End a process whose command line contains `mark`, so that a reused process id is never hit; grace in seconds."""
    for number, wait in ((signal.SIGTERM, grace), (signal.SIGKILL, 5.0)):
        deadline = time.monotonic() + wait
        try:
            if mark not in Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"):
                return
            os.kill(pid, number)
        except (FileNotFoundError, ProcessLookupError):
            return
        while time.monotonic() < deadline:
            if not _alive(pid):
                return
            time.sleep(0.1)


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in {"Z", "X"}


def remove_leftovers(settings: Settings, previous: Holder | None) -> bool:
    """Remove what a killed cloud left on the machine, of whichever clone; return whether there was anything.

    Call with the machine's lock held. `previous` is who held it last and did not give it back.
    """
    roots = {settings.root, Path(previous.root) if previous else settings.root}
    found = False
    for root in roots:
        one = replace(settings, root=root)
        if one.storage_conf.exists() or one.pid_file.exists():
            found = True
            _end_haproxy(one)
            Hosts(one).teardown()
            remove_state(one)
    return found


def _end_haproxy(settings: Settings) -> None:
    file = settings.haproxy_dir / "haproxy.pid"
    if file.exists():
        end_process(int(file.read_text()), str(settings.haproxy_dir), 5.0)
