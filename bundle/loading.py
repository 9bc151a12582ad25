"""Opening and sealing a bundle directory: every file is verified before anything in it is used."""

import hashlib
import hmac
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bundle.errors import BundleError
from bundle.exported_program import check_exported_program
from bundle.golden import GoldenSet
from bundle.manifest import GOLDEN_FILE, MANIFEST_FILE, SIGNATURE_FILE, FileEntry, Manifest, parse_manifest

if TYPE_CHECKING:
    from bundle.keys import TrustedKey

# A manifest with 1,000 classes has 30 kB; anything near this bound is not a manifest.
_MAX_MANIFEST_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class Bundle:
    """A verified bundle.

    Attributes:
        root: its directory.
        digest: "sha256:" and the hash of manifest.json.
        signer: the trusted key that signed it; None where nobody asked for one.
    """

    root: Path
    manifest: Manifest
    digest: str
    signer: "TrustedKey | None" = None

    def path(self, name: str) -> Path:
        """Return the path of a file that the manifest lists."""
        if name not in self.manifest.files:
            raise BundleError(name, "is not listed in the manifest")
        return self.root / name

    def golden(self) -> GoldenSet:
        return GoldenSet.read(self.path(GOLDEN_FILE))


def digest_of(manifest: bytes) -> str:
    """Return the digest by which a bundle is pinned."""
    return f"sha256:{hashlib.sha256(manifest).hexdigest()}"


def load(root: Path, digest: str | None = None, public_key: Path | None = None) -> Bundle:
    """Verify a bundle directory and describe it. Nothing in it is parsed but the manifest; nothing is ever unpickled.

    Args:
        digest: the pinned digest; with neither it nor a key, the bundle is only consistent with itself, not authentic.
        public_key: the keys of which one has to have signed the bundle (`bundle.keys`); the signature is looked at first.

    Raises:
        BundleError: naming the first file that is missing, extra, changed, no plain file, or unsafe to load.
    """
    if not root.is_dir():
        raise BundleError(str(root), "is not a directory; give the directory that holds manifest.json")
    path = root / MANIFEST_FILE
    if path.is_symlink() or not path.is_file():
        raise BundleError(MANIFEST_FILE, f"is missing from {root}")
    if path.stat().st_size > _MAX_MANIFEST_BYTES:
        raise BundleError(MANIFEST_FILE, f"is larger than {_MAX_MANIFEST_BYTES} bytes")
    # Read once: what is verified is what is used.
    data, signer = path.read_bytes(), None
    if public_key is not None:
        from bundle.signing import verify_signature  # noqa: PLC0415 - who is given no key loads no cryptography

        signer = verify_signature(root, public_key, data)
    actual = digest_of(data)
    if digest is not None and not hmac.compare_digest(actual, digest):
        raise BundleError(MANIFEST_FILE, f"the bundle in {root} has digest {actual}, but {digest} is pinned; fetch that one")
    manifest = parse_manifest(data)
    _verify_files(root, manifest)
    return Bundle(root, manifest, actual, signer)


def seal(root: Path, manifest_without_files: dict[str, object]) -> Bundle:
    """Write the manifest of a directory that holds everything else of a bundle, and verify the result.

    A signature of what the directory held before is removed.

    Args:
        manifest_without_files: the fields of `Manifest`, except `files`.
    """
    (root / SIGNATURE_FILE).unlink(missing_ok=True)
    files = {name: entry_of(root / name) for name in sorted(_present_files(root)) if name != MANIFEST_FILE}
    manifest = Manifest.model_validate({**manifest_without_files, "files": files})
    (root / MANIFEST_FILE).write_bytes(manifest.to_bytes())
    for name in (MANIFEST_FILE, *files):
        (root / name).chmod(0o644)
    return load(root)


def entry_of(path: Path) -> FileEntry:
    """Return size and sha256 of a file."""
    with path.open("rb") as stream:
        return FileEntry(sha256=hashlib.file_digest(stream, "sha256").hexdigest(), bytes=path.stat().st_size)


def _verify_files(root: Path, manifest: Manifest) -> None:
    present = set(_present_files(root))
    for name in sorted(manifest.files.keys() - present):
        raise BundleError(name, "is listed in the manifest but missing; fetch the bundle again")
    for name in sorted(present - manifest.files.keys() - {MANIFEST_FILE, SIGNATURE_FILE}):
        raise BundleError(name, "is not listed in the manifest; remove it")
    for name, entry in sorted(manifest.files.items()):
        actual_size = (root / name).stat().st_size
        if actual_size != entry.bytes:
            raise BundleError(name, f"has {actual_size} bytes, the manifest says {entry.bytes}; fetch the bundle again")
        if entry_of(root / name).sha256 != entry.sha256:
            raise BundleError(name, "its content was changed: its sha256 is not the manifest's; fetch the bundle again")
    for program in manifest.programs.values():
        if program.backend == "torch":
            check_exported_program(root / program.path, program.path)


def _present_files(root: Path) -> Iterator[str]:
    """Yield the relative names of all files, refusing symbolic links and special files.

    A link could be pointed elsewhere after its target was verified.
    """
    for path in root.rglob("*"):
        name = path.relative_to(root).as_posix()
        mode = path.lstat().st_mode
        if stat.S_ISREG(mode):
            yield name
        elif not stat.S_ISDIR(mode):
            raise BundleError(name, "is a symbolic link or special file; a bundle holds plain files only")
