"""What a bucket says is the archive for these inputs, held against the locks and the sources that the inputs are.

The bucket's word is not enough: who once could write there could have left another archive, for all hosts to come.
"""

import gzip
import hashlib
import re
import tarfile
import tempfile
import zipfile
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import IO, cast
from zlib import error as ZlibError

from inference.wheelhouse.archive import (
    PARTS,
    Archive,
    Contents,
    Parts,
    Target,
    WheelhouseError,
    build_project,
    find,
    keep,
    key_of,
    path_of,
    sha256_of,
)
from inference.wheelhouse.contents import Wheel, name_and_version, write

_PROJECT = "pettracker-ml"
_LARGEST = 16 * 1024 * 1024  # bytes of the project's own wheel
_WHEEL = re.compile(r"wheels/(?P<file>[A-Za-z0-9_.]+-[A-Za-z0-9_.+!]+-[A-Za-z0-9_.-]+\.whl)")
_PINNED = re.compile(r"^(?P<name>[a-z0-9.-]+)==(?P<version>\S+)(?P<hashes>(?:.*\\\n)*.*\n)", re.MULTILINE)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def check(contents: Contents, target: Target, output: Path, *, bucket: str, sha256: str) -> Archive:
    """See that a published archive is what the locks and the sources here make; keep it in `output` as if built here.

    Args:
        sha256: of the archive, in hex. What was built or checked here already is not fetched.

    Raises:
        WheelhouseError: it holds something else, or S3 refused.
    """
    path = path_of(PARTS[contents], target, output)
    kept = find(path)
    if kept and kept.sha256 == sha256:
        return kept
    output.mkdir(parents=True, exist_ok=True)
    location = f"s3://{bucket}/{key_of(sha256)}"
    with tempfile.TemporaryDirectory(dir=output, prefix=".wheelhouse-") as scratch:
        fetched = Path(scratch) / "wheelhouse.tar.gz"
        _fetch(bucket, key_of(sha256), fetched)
        problem = "has another sha256" if sha256_of(fetched) != sha256 else _problem(fetched, PARTS[contents])
        if problem:
            raise WheelhouseError(
                f"{location} {problem}: nothing is installed from it. Look at who wrote it, and remove what says that it is "
                f"the archive, below s3://{bucket}/wheelhouse/inputs/; then it is built anew"
            )
        return keep(fetched, path)


def _fetch(bucket: str, key: str, path: Path) -> None:
    import boto3  # noqa: PLC0415 - hosts have no client of S3
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - the same

    from bundle.registry.errors import explain  # noqa: PLC0415 - the same

    try:
        boto3.client("s3").download_file(bucket, key, str(path))
    except (BotoCoreError, ClientError) as error:
        raise WheelhouseError(f"{key} cannot be fetched: {explain(error, bucket)}") from None


def _problem(path: Path, parts: Parts) -> str:
    """Return in what an archive differs from what its parts make; "" if in nothing."""
    try:
        with tarfile.open(path, "r:gz") as archive:
            wheels = _wheels(archive)
            return _foreign(wheels, parts) or _odd(path, wheels)
    except (tarfile.TarError, OSError, EOFError, ZlibError) as error:
        return f"is no archive ({error})"


def _wheels(archive: tarfile.TarFile) -> list[Wheel]:
    """Return the wheels of an archive; what else it holds, `_odd` finds."""
    found = []
    for member in archive:
        named = _WHEEL.fullmatch(member.name)
        if named and member.isreg():
            with _content(archive, member) as content:
                digest = hashlib.file_digest(content, "sha256").hexdigest()  # type: ignore[arg-type]
            found.append(Wheel(named["file"], digest, member.size, partial(_content, archive, member)))
    return found


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    return cast(IO[bytes], archive.extractfile(member))


def _foreign(wheels: list[Wheel], parts: Parts) -> str:
    """Return which wheel neither a lock names, by its digest, nor the sources make; or what is missing."""
    locked = {found["name"]: found for found in _PINNED.finditer(parts.pinned())}
    present = [(*name_and_version(wheel.name), wheel) for wheel in wheels]
    for name, version, wheel in present:
        if name != _PROJECT and not (name in locked and _is_pinned(locked[name], version, wheel.sha256)):
            return f"holds {wheel.name}, which is in no lock with its digest"
    names, wanted = sorted(name for name, _, _ in present), sorted([*locked, _PROJECT])
    if names != wanted:
        return f"holds {', '.join(names) or 'no wheels'} and not {', '.join(wanted)}"
    own = next(wheel for name, _, wheel in present if name == _PROJECT)
    return "" if _is_of_the_sources(own, parts) else f"holds {own.name}, which is not what the sources here make"


def _is_pinned(pinned: re.Match[str], version: str, sha256: str) -> bool:
    # The lock leaves out from which index a build comes: 2.13.0 for 2.13.0+cpu.
    return pinned["version"] == version.partition("+")[0] and sha256 in _HASH.findall(pinned["hashes"])


def _is_of_the_sources(wheel: Wheel, parts: Parts) -> bool:
    """Say whether the project's wheel has exactly the files that are made here; how they are compressed is the machine's."""
    with tempfile.TemporaryDirectory() as scratch:
        build_project(Path(scratch) / "project", Path(scratch), parts.project)
        (built,) = Path(scratch).glob("*.whl")
        try:
            with wheel.open() as content:
                held = BytesIO(content.read(_LARGEST))
            with zipfile.ZipFile(held) as one, zipfile.ZipFile(built) as other:
                return built.name == wheel.name and _sizes(one) == _sizes(other) and _files(one) == _files(other)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError, ZlibError):
            return False


def _sizes(wheel: zipfile.ZipFile) -> list[tuple[str, int]]:
    return sorted((member.filename, member.file_size) for member in wheel.infolist())


def _files(wheel: zipfile.ZipFile) -> list[tuple[str, bytes]]:
    return sorted((member.filename, wheel.read(member)) for member in wheel.infolist())


def _odd(path: Path, wheels: list[Wheel]) -> str:
    """Return that an archive is not, byte by byte, what these wheels make: other files, lists of digests, or forms of them."""
    wanted = _Digest()
    write(cast(IO[bytes], wanted), wheels)
    with gzip.open(path) as stream:
        present = hashlib.file_digest(stream, "sha256").hexdigest()
    return "" if present == wanted.sha256.hexdigest() else "holds more than its wheels and the list of their digests"


class _Digest:
    """A stream of which only the sha256 is kept."""

    def __init__(self) -> None:
        self.sha256 = hashlib.sha256()
        self._size = 0

    def write(self, content: bytes) -> int:
        self.sha256.update(content)
        self._size += len(content)
        return len(content)

    def tell(self) -> int:
        return self._size
