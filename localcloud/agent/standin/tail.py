"""Follows log files through growth, rotation and truncation, and remembers how far it has sent them."""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

CHUNK = 1024 * 1024  # bytes read at a time
# CloudWatch Logs takes events of 256 KiB, counting 26 bytes for each beside its text (PutLogEvents).
EVENT_BYTES = 256 * 1024
EVENT_OVERHEAD = 26
# Files with these endings are passed over (plugins/inputs/logfile/logfile.go, isCompressedFile).
COMPRESSED = {".bz2", ".gz", ".rar", ".tar", ".zip", ".zst"}


@dataclass(frozen=True)
class Lines:
    """Lines of one file, and the position after the last one, which is to be kept when they have been sent."""

    lines: list[str]
    inode: int
    offset: int


class Follower:
    """One file. After a rotation by renaming, the old file is read to its end before the new one."""

    def __init__(self, path: Path, state: Path) -> None:
        """`state` is the directory in which positions are kept."""
        self.path = path
        self._state = state / hashlib.sha256(str(path).encode()).hexdigest()[:32]
        self._file: BinaryIO | None = None
        self._offset = 0

    def read(self) -> Lines | None:
        """Return complete lines not read yet, None when there are none; they count as sent only after `sent`."""
        if self._file is None and not self._open():
            return None
        return self._next() or (self._next() if self._rotated() and self._open() else None)

    def sent(self, lines: Lines) -> None:
        """Remember that everything up to the end of `lines` has been sent."""
        self._offset = lines.offset
        partial = self._state.with_suffix(".new")
        partial.write_text(json.dumps({"path": str(self.path), "inode": lines.inode, "offset": lines.offset}))
        partial.replace(self._state)

    def _open(self) -> bool:
        """Open the path's file where the last run left it, at its start if it is another file."""
        if self._file is not None:
            self._file.close()
            self._file = None
        try:
            self._file = self.path.open("rb")
        except OSError:
            return False
        self._offset = 0
        if self._state.exists():
            known = json.loads(self._state.read_text())
            if known["inode"] == os.fstat(self._file.fileno()).st_ino:
                self._offset = known["offset"]
        return True

    def _rotated(self) -> bool:
        try:
            return self._file is not None and self.path.stat().st_ino != os.fstat(self._file.fileno()).st_ino
        except FileNotFoundError:
            return False

    def _next(self) -> Lines | None:
        if self._file is None:
            return None
        status = os.fstat(self._file.fileno())
        if status.st_size < self._offset:  # truncated in place, as logrotate's copytruncate does
            self._offset = 0
        self._file.seek(self._offset)
        content = self._file.read(CHUNK)
        end = content.rfind(b"\n") + 1
        if end == 0:
            if len(content) < CHUNK:
                return None
            end = len(content)  # a line longer than any event is sent in pieces
        limit = EVENT_BYTES - EVENT_OVERHEAD
        lines = [
            raw[start : start + limit].decode(errors="replace")
            for raw in content[:end].splitlines()
            for start in range(0, len(raw), limit)
        ]
        return Lines(lines, status.st_ino, self._offset + end)


class Followers:
    """What a pattern stands for: at each look the one file that was written last, and those that were it before.

    A file that is never the last one at a look is not followed (plugins/inputs/logfile/logfile.go, getTargetFiles, without
    publish_multi_logs).
    """

    def __init__(self, pattern: str, state: Path) -> None:
        """`state` is the directory in which positions are kept."""
        self._pattern = pattern
        self._directory = state
        self._known: dict[Path, Follower] = {}

    def look(self) -> None:
        """Begin to follow the file that was written last; the agent looks once a second."""
        times = {path: path.stat().st_mtime_ns for path in Path("/").glob(self._pattern.lstrip("/")) if self._is_log(path)}
        newest = max(times, key=times.__getitem__, default=None)
        if newest is not None and newest not in self._known:
            self._known[newest] = Follower(newest, self._directory)

    def current(self) -> list[Follower]:
        """Return the followers of the files found so far."""
        return list(self._known.values())

    def _is_log(self, path: Path) -> bool:
        return path.is_file() and path.suffix not in COMPRESSED and self._directory not in path.parents
