"""The hosts' Python packages as one archive, so that a host in a private subnet installs without an index.

The archive holds `requirements.txt`, with the sha256 of every wheel, and `wheels/`. A host runs
`pip install --no-index --find-links wheels --require-hashes -r requirements.txt`.

Everything comes from lock files, by digest, except the project itself, which is built from the source tree. torch and
torchvision have a lock of their own: their digests depend on the index that they come from (`TORCH_INDEX_URL`).
"""

import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Literal

from inference.wheelhouse.contents import Wheel, write

_SOURCE_TREE = Path(__file__).parents[2]
_PROJECT_FILES = ("pyproject.toml", "LICENSE")
_APART = "locks/torch.txt"
Contents = Literal["openvino", "torch", "train"]


@dataclass(frozen=True)
class Parts:
    """What an archive holds: a lock's packages, packages apart from it, and those of the project.

    A serving host needs no training code, and a change of that must not change the hosts' image.
    """

    lock: str
    apart: tuple[str, ...]
    project: tuple[str, ...]

    def lock_file(self) -> Path:
        """Return the path of the lock; raise WheelhouseError where there is no source tree."""
        path = _SOURCE_TREE / "locks" / f"{self.lock}.txt"
        if not path.is_file():
            raise WheelhouseError(f"{path} is missing: run this from a source tree of the project")
        return path

    def pinned(self) -> str:
        """Return what the locks say of all packages but the project's own."""
        return self.lock_file().read_text() + "".join(map(_apart, self.apart))


PARTS: dict[Contents, Parts] = {
    "openvino": Parts("serve-openvino", (), ("bundle", "inference")),
    "torch": Parts("serve-torch", ("torch",), ("bundle", "inference")),
    "train": Parts("train", ("torch", "torchvision"), ("bundle", "training")),
}
# glibc up to 2.34: Debian 12 has 2.36, Ubuntu 24.04 has 2.39.
_GLIBC_MINORS = range(34, 16, -1)
_MACHINES = ("x86_64", "aarch64")
# The zip format knows no earlier date.
_EPOCH_1980 = "315532800"


class WheelhouseError(Exception):
    """The archive cannot be made; the message says what to do."""


@dataclass(frozen=True)
class Archive:
    """A wheelhouse archive and its sha256, in hex."""

    path: Path
    sha256: str


@dataclass(frozen=True)
class Target:
    """The hosts that wheels are chosen for."""

    python: str
    machine: str

    def pip_options(self) -> list[str]:
        platforms = [f"manylinux_2_{minor}_{self.machine}" for minor in _GLIBC_MINORS] + [f"manylinux2014_{self.machine}"]
        tag = f"cp{self.python.replace('.', '')}"
        return [
            *("--only-binary", ":all:", "--python-version", self.python, "--implementation", "cp"),
            *("--abi", tag, "--abi", "abi3", "--abi", "none"),
            *(option for platform in platforms for option in ("--platform", platform)),
        ]


def build(contents: Contents, python: str, machine: str, output: Path, say: Callable[[str], None]) -> Archive:
    """Make the archive for hosts, or find it in `output` if its inputs are the same.

    Args:
        contents: the backend of serving hosts, or `train` for hosts that train.
        python: version of the hosts' Python, such as 3.11.
        machine: x86_64 or aarch64.

    Raises:
        WheelhouseError: no source tree here, an unknown target, or pip failed.
    """
    parts = PARTS[contents]
    lock, target = parts.lock_file(), Target(python, machine)
    path = path_of(parts, target, output)
    if kept := find(path):
        say(f"{path} has everything already")
        return kept
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output, prefix=".wheelhouse-") as scratch:
        wheels = Path(scratch) / "wheels"
        wheels.mkdir()
        say(f"downloading the packages of {lock.name}")
        _pip("download", "--no-deps", "--require-hashes", *target.pip_options(), "-r", str(lock), "-d", str(wheels))
        for package in parts.apart:
            _download_apart(package, wheels, target, say)
        say("building the project's own wheel")
        build_project(Path(scratch) / "project", wheels, parts.project)
        say("packing")
        packed = Path(scratch) / path.name
        _pack(wheels, packed)
        return keep(packed, path)


def key_of(sha256: str) -> str:
    """Return where an archive is published."""
    return f"wheelhouse/{sha256}.tar.gz"


def path_of(parts: Parts, target: Target, output: Path) -> Path:
    """Return where an archive is kept in `output`, by everything that it is made from.

    Raises:
        WheelhouseError: no source tree here, or an unknown target.
    """
    if target.machine not in _MACHINES or not re.fullmatch(r"3\.\d+", target.python):
        named = f"Python {target.python} on {target.machine}"
        raise WheelhouseError(f"no such hosts: {named}; machines are {' and '.join(_MACHINES)}")
    return output / f"pettracker-wheelhouse-{_inputs_digest(parts, target)[:12]}.tar.gz"


def find(path: Path) -> Archive | None:
    """Return the archive that is kept in a file, None if there is none or it is damaged."""
    checksum = _checksum_file(path)
    if not path.is_file() or not checksum.is_file():
        return None
    sha256 = sha256_of(path)
    return Archive(path, sha256) if sha256 == checksum.read_text().split()[0] else None


def keep(whole: Path, path: Path) -> Archive:
    """Move a whole archive to where `find` finds it."""
    whole.chmod(0o644)
    archive = Archive(path, sha256_of(whole))
    _checksum_file(path).write_text(f"{archive.sha256}  {path.name}\n")
    whole.replace(path)
    return archive


def publish(archive: Archive, bucket: str, pointer: str) -> str:
    """Write the archive under its digest and, last, the pointer to it, each only where there is none.

    Returns:
        The digest that the pointer names: of two who build at once, the first one's.

    Raises:
        WheelhouseError: S3 refused.
    """
    from bundle.errors import RegistryError  # noqa: PLC0415 - hosts have no client of S3
    from bundle.registry import Store  # noqa: PLC0415 - the same

    try:
        store = Store(bucket)
        with archive.path.open("rb") as content:
            store.write_once(key_of(archive.sha256), content)
        if store.write_once(pointer, archive.sha256.encode()):
            return archive.sha256
        present = (store.read(pointer) or b"").decode(errors="replace")
    except RegistryError as error:
        raise WheelhouseError(str(error)) from None
    if not re.fullmatch(r"[0-9a-f]{64}", present):
        raise WheelhouseError(f"s3://{bucket}/{pointer} is no digest of an archive; look at who wrote it, and remove it")
    return present


def _checksum_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _inputs_digest(parts: Parts, target: Target) -> str:
    """Return a digest of everything that the archive is made from."""
    content = hashlib.sha256()
    facts = [parts.lock, target.python, target.machine, os.environ.get("TORCH_INDEX_URL", "") if parts.apart else ""]
    content.update(json.dumps(facts).encode())
    apart = [_SOURCE_TREE / _APART] if parts.apart else []
    for path in [parts.lock_file(), *apart, *_project_sources(parts.project)]:
        content.update(json.dumps([path.relative_to(_SOURCE_TREE).as_posix(), sha256_of(path)]).encode())
    return content.hexdigest()


def _project_sources(packages: tuple[str, ...]) -> list[Path]:
    inside = [
        path
        for package in packages
        for path in (_SOURCE_TREE / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    return sorted([*inside, *(_SOURCE_TREE / name for name in _PROJECT_FILES)])


def _apart(package: str) -> str:
    found = re.search(rf"^{package}==(?:.*\\\n)*.*\n", (_SOURCE_TREE / _APART).read_text(), re.MULTILINE)
    if not found:
        raise WheelhouseError(f"{_APART} lacks {package}: `make locks` writes it")
    return found[0]


def _download_apart(package: str, wheels: Path, target: Target, say: Callable[[str], None]) -> None:
    pinned = _apart(package)
    requirement = wheels.parent / f"{package}.txt"
    index = os.environ.get("TORCH_INDEX_URL")
    options = ["--require-hashes", *(["--index-url", index] if index else []), *target.pip_options()]
    say(f"downloading {pinned.split()[0]}")
    # The CPU build where the index has it; pip would take the one that it knows the digest of beforehand.
    try:
        requirement.write_text(pinned.replace(" ", "+cpu ", 1))
        _pip("download", "--no-deps", *options, "-r", str(requirement), "-d", str(wheels))
    except WheelhouseError:
        requirement.write_text(pinned)
        _pip("download", "--no-deps", *options, "-r", str(requirement), "-d", str(wheels))


def build_project(copy: Path, wheels: Path, packages: tuple[str, ...]) -> None:
    """Build from a copy with fixed modes: the wheel then depends on the sources' content alone."""
    for source in _project_sources(packages):
        destination = copy / source.relative_to(_SOURCE_TREE)
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, destination)
        destination.chmod(0o644)
    (copy / "README.md").write_text(f"A part of pettracker-ml: {' and '.join(packages)}.\n")
    # With the build backend that is installed here, by the lock: isolated, pip would get one from the index, without a digest.
    _pip("wheel", "--no-deps", "--no-build-isolation", "-w", str(wheels), str(copy), SOURCE_DATE_EPOCH=_EPOCH_1980)


def _pack(wheels: Path, path: Path) -> None:
    """Write the archive."""
    found = [Wheel(wheel.name, sha256_of(wheel), wheel.stat().st_size, partial(_opened, wheel)) for wheel in wheels.iterdir()]
    # Wheels are compressed already: level 1 keeps the format that tools expect and costs little.
    with path.open("wb") as file, gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=1, mtime=0) as stream:
        write(stream, found)


def _opened(path: Path) -> IO[bytes]:
    return path.open("rb")


def _pip(*arguments: str, **environment: str) -> None:
    command = [sys.executable, "-m", "pip", arguments[0], "--quiet", "--disable-pip-version-check", *arguments[1:]]
    result = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    if result.returncode:
        lines = [line for line in result.stderr.splitlines() if line.startswith("ERROR")] or result.stderr.splitlines()
        raise WheelhouseError(f"pip {arguments[0]} failed:\n" + "\n".join(lines[-8:]))


def sha256_of(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
