"""What an archive of wheels is before it is compressed: a list of requirements with digests, and the wheels."""

import gzip
import tarfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import BytesIO
from typing import IO


@dataclass(frozen=True)
class Wheel:
    """A wheel on its way into an archive: its file name, sha256 (hex), size in bytes, and how to read it."""

    name: str
    sha256: str
    size: int
    open: Callable[[], IO[bytes]]


def write(stream: IO[bytes] | gzip.GzipFile, wheels: Iterable[Wheel]) -> None:
    """Write what an archive is before it is compressed: sorted members, no dates or owners of this machine."""
    ordered = sorted(wheels, key=lambda wheel: wheel.name)
    lines = [f"{'=='.join(name_and_version(wheel.name))} --hash=sha256:{wheel.sha256}\n" for wheel in ordered]
    requirements = "".join(lines).encode()

    def member(name: str, size: int) -> tarfile.TarInfo:
        described = tarfile.TarInfo(name)
        described.size, described.mode = size, 0o644
        return described

    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        archive.addfile(member("requirements.txt", len(requirements)), BytesIO(requirements))
        for wheel in ordered:
            with wheel.open() as content:
                archive.addfile(member(f"wheels/{wheel.name}", wheel.size), content)


def name_and_version(wheel: str) -> tuple[str, str]:
    """Return what a wheel's file name (PEP 427: name-version-…) says of it."""
    name, version = wheel.split("-")[:2]
    return name.replace("_", "-").lower(), version
