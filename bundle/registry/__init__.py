"""Published bundles in S3, under `production/<name>/<version>/`. Needs the `registry` extra (boto3).

A version is immutable, and its manifest is written last: see `bundle.registry.publication`. A signature is no part of the
digest: it may follow later, and the first one stays.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from bundle.errors import BundleError, RegistryError
from bundle.loading import Bundle, digest_of, load
from bundle.manifest import MANIFEST_FILE, SIGNATURE_FILE, VERSION, Manifest, parse_manifest
from bundle.registry.precedence import precedence
from bundle.registry.publication import Publication
from bundle.registry.scratch import filled_once
from bundle.registry.store import Store

__all__ = ["Published", "Registry", "Store", "fetch_bundle", "precedence"]


@dataclass(frozen=True)
class Published:
    """Result of a publish. `uploaded` counts the files that had to be sent."""

    location: str
    digest: str
    outcome: Literal["published", "already published"]
    uploaded: int


class Registry:
    """The published bundles of one bucket.

    Args:
        bucket: its name, or a Store.
        client: an S3 client; by default boto3's, from the environment's credentials, region and endpoint.
    """

    def __init__(self, bucket: str | Store, client: Any | None = None) -> None:
        self.store = bucket if isinstance(bucket, Store) else Store(bucket, client)

    def publish(self, root: Path, public_key: Path | None = None) -> Published:
        """Verify the bundle in `root` and upload it, with its signature if it has one.

        Args:
            public_key: the keys of which one has to have signed the bundle (`bundle.keys`). One that has ended signs no
                new version; one that is published already stays what it is.

        Raises:
            BundleError: the directory is not a valid bundle, or not signed by a key that may sign a new version.
            RegistryError: the version is published with other content, or S3 refused.
        """
        bundle = load(root, public_key=public_key)
        name, version = bundle.manifest.name, bundle.manifest.version
        prefix = prefix_of(name, version)
        location = self.store.location(prefix)
        signature = root / SIGNATURE_FILE
        ended = bundle.signer.end("models") if bundle.signer else ""
        if ended and self.signature(name, version) != signature.read_bytes():
            raise BundleError(SIGNATURE_FILE, f"signs no new version: {ended}; sign it with a key that has not")
        sent = Publication(
            prefix=prefix,
            files={file: (root / file, entry) for file, entry in sorted(bundle.manifest.files.items())},
            seal_name=MANIFEST_FILE,
            seal=(root / MANIFEST_FILE).read_bytes(),
            late={SIGNATURE_FILE: signature} if signature.is_file() else {},
            occupied=(
                f"{location} holds another bundle: a published version never changes. "
                f"Publish these files as a new version of {name}, higher than {version}"
            ),
        ).publish(self.store)
        return Published(location, bundle.digest, "published" if sent else "already published", sent)

    def fetch(self, name: str, version: str, digest: str, output: Path, public_key: Path | None = None) -> Bundle:
        """Download the pinned bundle to `output`, which appears only when every byte is verified.

        Args:
            public_key: the keys of which one has to have signed the bundle (`bundle.keys`).

        Raises:
            BundleError: what is published is not what is pinned, or `output` holds something else.
            RegistryError: no such version, or S3 refused.
        """
        return fetch_bundle(self.store, prefix_of(name, version), digest, output, public_key)

    def look_at(self, name: str, version: str, digest: str, public_key: Path | None = None) -> Manifest:
        """Verify the manifest and the signature of the pinned version, without its other files; return the manifest.

        Raises:
            BundleError: what is published is not what is pinned, names what is no plain path, or nobody trusted has signed it.
            RegistryError: no such version, or S3 refused.
        """
        location, data = self.store.location(prefix_of(name, version)), self.manifest(name, version)
        if data is None:
            raise RegistryError(f"{location} holds no published bundle")
        if digest_of(data) != digest:
            raise BundleError(
                MANIFEST_FILE,
                f"in {location} has the digest {digest_of(data)}, but {digest} is pinned. Published versions never change: pin "
                "the digest that was published, or publish a new version",
            )
        if public_key is not None:
            from bundle.signing import verify_published  # noqa: PLC0415 - who is given no key loads no cryptography

            verify_published(self.signature(name, version), public_key, data)
        return parse_manifest(data)

    def names(self) -> list[str]:
        """Return the names of the models that have something below `production/`."""
        return self.store.folders("production/")

    def versions(self, name: str) -> list[str]:
        """Return the published versions of a model, the oldest (by precedence) first; no half-finished publish."""
        prefix = f"production/{name}/"
        found = [item.key.removeprefix(prefix).split("/") for item in self.store.objects(prefix)]
        versions = [path[0] for path in found if path[1:] == [MANIFEST_FILE] and VERSION.match(path[0])]
        return sorted(versions, key=precedence)

    def signature(self, name: str, version: str) -> bytes | None:
        """Return the signature of a published version, None if there is none."""
        return self.store.read(f"{prefix_of(name, version)}{SIGNATURE_FILE}")

    def manifest(self, name: str, version: str) -> bytes | None:
        """Return the manifest of a published version, None if there is none."""
        return self.store.read(f"{prefix_of(name, version)}{MANIFEST_FILE}")


def prefix_of(name: str, version: str) -> str:
    """Return where a version is published."""
    return f"production/{name}/{version}/"


def fetch_bundle(store: Store, prefix: str, digest: str, output: Path, public_key: Path | None = None) -> Bundle:
    """Download the bundle below a prefix as `Registry.fetch` does. What an interrupted call has fetched is used again."""
    if output.exists():
        return load(output, digest, public_key)

    def fill(directory: Path) -> Bundle:
        data = store.read(f"{prefix}{MANIFEST_FILE}")
        if data is None:
            raise RegistryError(f"{store.location(prefix)} holds no published bundle")
        if digest_of(data) != digest:
            problem = f"what {store.location(prefix)} holds has digest {digest_of(data)}, but {digest} is pinned"
            raise BundleError(MANIFEST_FILE, problem)
        (directory / MANIFEST_FILE).write_bytes(data)
        signature = store.read(f"{prefix}{SIGNATURE_FILE}")
        if signature is not None:
            (directory / SIGNATURE_FILE).write_bytes(signature)
        store.download(prefix, parse_manifest(data).files, directory)
        return load(directory, digest, public_key)

    bundle = filled_once(output, digest, fill)
    return load(output, digest, public_key) if bundle is None else replace(bundle, root=output)
