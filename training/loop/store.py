"""Where a run's checkpoints are kept: in its directory, and in S3 where that is asked for."""

from training.loop import checkpoints, remote
from training.loop.checkpoints import Checkpoint, Position, Say
from training.loop.errors import TrainingError
from training.loop.remote import RemoteCheckpoints, RemoteError
from training.run import Run

_LAST_ATTEMPTS = 3


class Store:
    """The checkpoints of a run.

    Args:
        url: s3://bucket/prefix; "": the run's directory only.

    Raises:
        TrainingError: this is no such address.
    """

    def __init__(self, run: Run, url: str, warn: Say) -> None:
        self._directory, self._warn = run.checkpoints, warn
        try:
            self._remote = RemoteCheckpoints(url) if url else None
        except RemoteError as error:
            raise TrainingError(str(error)) from None
        self._pending: Position | None = None

    def newest(self) -> Checkpoint | None:
        """Return the last checkpoint that is whole, wherever it is. Raises TrainingError: S3 cannot be listed."""
        try:
            found = remote.newest(self._directory, self._remote, self._warn)
        except RemoteError as error:
            raise TrainingError(f"{error}; whether there is a later checkpoint cannot be told") from None
        # It may be one that never reached S3.
        self._pending = found.position if found else None
        return found

    def write(self, checkpoint: Checkpoint) -> None:
        """Keep a checkpoint. Where S3 does not take it, the next one is tried. Raises TrainingError: the disk is full."""
        try:
            checkpoints.write(self._directory, checkpoint)
        except OSError as error:
            raise TrainingError(f"cannot write a checkpoint to {self._directory}: {error}") from None
        checkpoints.prune(self._directory)
        self._pending = checkpoint.position
        self._upload()

    def finish(self) -> None:
        """Make sure that S3 has the last checkpoint.

        Raises:
            TrainingError: it has not.
        """
        for _ in range(_LAST_ATTEMPTS):
            if self._pending is None or self._remote is None:
                return
            problem = self._upload()
        if self._pending is not None:
            raise TrainingError(f"the last checkpoint is not in S3: {problem}; the same command tries it again")

    def _upload(self) -> str:
        if self._remote is None or self._pending is None:
            return ""
        try:
            self._remote.upload(self._directory, self._pending)
            self._pending = None
            self._remote.prune()
        except RemoteError as error:
            self._warn(str(error))
            return str(error)
        return ""
