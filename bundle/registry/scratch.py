"""A directory that appears only when it is complete, and whose parts outlive an interruption."""

import fcntl
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from bundle.errors import BundleError, RegistryError

_T = TypeVar("_T")


def filled_once(output: Path, content: str, fill: Callable[[Path], _T]) -> _T | None:
    """Let `fill` write a directory beside `output`, and rename it to `output` when it returns.

    What it wrote stays for the next call with the same content where S3 or the process stopped; where the content is not
    what it should be (BundleError), nothing stays. Of two calls at once, one waits for the other.

    Args:
        content: digest of what is to be written.

    Returns:
        What `fill` returned; None if `output` appeared meanwhile.

    Raises:
        RegistryError: there is something else in the place of the scratch directory.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    scratch = output.parent / f".{output.name}-{content.removeprefix('sha256:')[:16]}"
    with _alone(scratch):
        if output.exists():
            return None
        _make_private(scratch)
        try:
            answer = fill(scratch)
            scratch.chmod(0o755)
            scratch.rename(output)
        except BundleError:
            shutil.rmtree(scratch, ignore_errors=True)
            raise
        except BaseException:
            with suppress(OSError):
                scratch.rmdir()  # only where it is empty
            raise
    return answer


@contextmanager
def _alone(scratch: Path) -> Iterator[None]:
    # Beside the directory, not in it: whoever waits for it must not find that it was renamed meanwhile.
    path = scratch.with_name(f"{scratch.name}.lock")
    while True:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        try:
            current = os.path.samestat(os.fstat(descriptor), path.lstat())
        except FileNotFoundError:
            current = False
        if current:
            break
        os.close(descriptor)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _make_private(scratch: Path) -> None:
    """Make the directory, or accept one that nobody else can have written to."""
    try:
        scratch.mkdir(mode=0o700)
    except FileExistsError:
        found = scratch.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o022:
            raise RegistryError(f"{scratch} is in the way and not a download of this user; remove it") from None
