"""One local cloud on a machine at a time: a lock that ends with the process that holds it, and says who that is."""

import fcntl
import json
import os
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from localcloud.errors import LocalCloudError

# Seconds to try for a lock that nobody holds: whoever asks for its holder has it for a moment.
PATIENCE = 2.0


@dataclass(frozen=True)
class Holder:
    """Who holds the lock: process id, clone, and since when (ISO 8601, UTC)."""

    pid: int
    root: str
    since: str


class MachineLock:
    """A flock(2) on one file; the kernel releases it when the holder dies, however it dies."""

    def __init__(self, path: Path) -> None:
        """Nothing is opened before `acquire`."""
        self._path = path
        self._descriptor: int | None = None
        # Who held the lock last and died without giving it back; known after `acquire`.
        self.previous: Holder | None = None

    def acquire(self, root: Path) -> None:
        """Take the lock for this process. Raises LocalCloudError, naming the holder, when another one has it."""
        deadline = time.monotonic() + PATIENCE
        while (descriptor := self._try()) is None:
            holder = self.holder()
            if holder is not None or time.monotonic() > deadline:
                raise LocalCloudError(busy(holder))
            time.sleep(0.05)
        self.previous = _read(descriptor)
        holder = Holder(os.getpid(), str(root), datetime.now(UTC).isoformat(timespec="seconds"))
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(asdict(holder)).encode(), 0)
        self._descriptor = descriptor

    def _try(self) -> int | None:
        """Return a descriptor that holds the lock on the file that is there now, None if somebody else has it.

        Only its owner may open the file: who can read it can lock it.
        """
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The last holder may have removed the file between the two calls.
            if os.fstat(descriptor).st_ino == self._path.stat().st_ino:
                return descriptor
        except (BlockingIOError, FileNotFoundError):
            pass
        os.close(descriptor)
        return None

    def holder(self) -> Holder | None:
        """Return who holds the lock now, None if nobody does."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _read(descriptor) or Holder(0, "unknown", "unknown")
        else:
            return None
        finally:
            os.close(descriptor)

    def release(self) -> None:
        """Give the lock back and remove its file."""
        if self._descriptor is not None:
            self._path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None


def _read(descriptor: int) -> Holder | None:
    try:
        return Holder(**json.loads(os.pread(descriptor, 4096, 0)))
    except (ValueError, TypeError):
        return None


def busy(holder: Holder | None) -> str:
    """Return the message for somebody who cannot have the lock."""
    if holder is None:
        return "Another local cloud was just starting or stopping on this machine; try again."
    return (
        f"A local cloud is already running on this machine: the one of {holder.root}, process {holder.pid}, "
        f"since {holder.since}. Take it down first: cd {holder.root} && make rehearse-down"
    )
