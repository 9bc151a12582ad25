"""Published bundles in S3, under `production/<name>/<version>/`. Needs the `registry` extra (boto3).

A version is immutable. The manifest is written last and only if none is there (`If-None-Match: *`), so whoever sees a
manifest sees a complete bundle, and of two publishers one wins. Running an interrupted publish again completes it. A
signature is no part of the digest: it may follow later, and the first one stays.
"""

import base64
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from bundle.errors import BundleError, RegistryError
from bundle.loading import Bundle, digest_of, entry_of, load
from bundle.manifest import MANIFEST_FILE, SIGNATURE_FILE, parse_manifest

_MISSING = {"404", "NoSuchKey", "NotFound"}
_LOST_RACE = {"PreconditionFailed", "ConditionalRequestConflict"}


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
        client: an S3 client; by default boto3's, from the environment's credentials, region and endpoint.
    """

    def __init__(self, bucket: str, client: Any | None = None) -> None:
        self._bucket = bucket
        self._s3 = client or boto3.client("s3")

    def publish(self, root: Path, public_key: Path | None = None) -> Published:
        """Verify the bundle in `root` and upload it, with its signature if it has one.

        Args:
            public_key: the key whose owner has to have signed the bundle, PEM.

        Raises:
            BundleError: the directory is not a valid bundle.
            RegistryError: the version is published with other content, or S3 refused.
        """
        bundle = load(root, public_key=public_key)
        prefix = _prefix(bundle.manifest.name, bundle.manifest.version)
        location = f"s3://{self._bucket}/{prefix}"
        try:
            published = self._manifest(prefix)
            if published is not None and digest_of(published) != bundle.digest:
                raise self._occupied(bundle, location)
            uploaded = sum(
                self._upload(root / name, f"{prefix}{name}", entry.sha256)
                for name, entry in sorted(bundle.manifest.files.items())
            )
            uploaded += self._upload_signature(
                root / SIGNATURE_FILE, f"{prefix}{SIGNATURE_FILE}", published is not None
            )
            if published is None:
                uploaded += self._publish_manifest(bundle, prefix, location)
        except (BotoCoreError, ClientError) as error:
            raise RegistryError(f"{location}: {error}") from None
        outcome: Literal["published", "already published"] = "published" if uploaded else "already published"
        return Published(location, bundle.digest, outcome, uploaded)

    def fetch(self, name: str, version: str, digest: str, output: Path, public_key: Path | None = None) -> Bundle:
        """Download the pinned bundle to `output`, which appears only when every byte is verified.

        Args:
            public_key: the key whose owner has to have signed the bundle, PEM.

        Raises:
            BundleError: what is published is not what is pinned, or `output` holds something else.
            RegistryError: no such version, or S3 refused.
        """
        if output.exists():
            return load(output, digest, public_key)
        prefix = _prefix(name, version)
        output.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=output.parent, prefix=f".{output.name}-"))
        try:
            self._download(prefix, digest, scratch)
            load(scratch, digest, public_key)
            scratch.chmod(0o755)
            scratch.rename(output)
        except (BotoCoreError, ClientError) as error:
            raise RegistryError(f"s3://{self._bucket}/{prefix}: {error}") from None
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        return load(output, digest, public_key)

    def versions(self, name: str) -> list[str]:
        """Return the published versions of a model, in S3's (lexical) order. Half-finished publishes are left out."""
        prefix = f"production/{name}/"
        try:
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
            keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
        except (BotoCoreError, ClientError) as error:
            raise RegistryError(f"s3://{self._bucket}/{prefix}: {error}") from None
        return [Path(key).parent.name for key in keys if Path(key).match(f"production/{name}/*/{MANIFEST_FILE}")]

    def _manifest(self, prefix: str) -> bytes | None:
        return self._read(f"{prefix}{MANIFEST_FILE}")

    def _read(self, key: str) -> bytes | None:
        try:
            body: bytes = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        except ClientError as error:
            if _code(error) in _MISSING:
                return None
            raise
        return body

    def _upload(self, path: Path, key: str, sha256: str) -> bool:
        """Upload a file unless S3 holds these bytes already; S3 checks the sha256 of what it receives."""
        checksum = base64.b64encode(bytes.fromhex(sha256)).decode()
        try:
            present = self._s3.head_object(Bucket=self._bucket, Key=key, ChecksumMode="ENABLED")
        except ClientError as error:
            if _code(error) not in _MISSING:
                raise
        else:
            if present.get("ChecksumSHA256") == checksum:
                return False
        with path.open("rb") as body:
            checked = {"ChecksumAlgorithm": "SHA256", "ChecksumSHA256": checksum}
            self._s3.put_object(Bucket=self._bucket, Key=key, Body=body, **checked)
        return True

    def _upload_signature(self, path: Path, key: str, is_published: bool) -> bool:
        """Upload the signature, if there is one. What an interrupted publish left is replaced, what is published stays."""
        if not path.is_file() or (is_published and self._read(key) is not None):
            return False
        return self._upload(path, key, entry_of(path).sha256)

    def _publish_manifest(self, bundle: Bundle, prefix: str, location: str) -> bool:
        """Write the manifest; return False if another publisher of the same bytes was faster."""
        body = bundle.manifest.to_bytes()
        try:
            self._s3.put_object(Bucket=self._bucket, Key=f"{prefix}{MANIFEST_FILE}", Body=body, IfNoneMatch="*")
        except ClientError as error:
            if _code(error) not in _LOST_RACE:
                raise
            if self._manifest(prefix) != body:
                raise self._occupied(bundle, location) from None
            return False
        return True

    def _occupied(self, bundle: Bundle, location: str) -> RegistryError:
        name, version = bundle.manifest.name, bundle.manifest.version
        return RegistryError(
            f"{location} holds another bundle: a published version never changes. "
            f"Publish these files as a new version of {name}, higher than {version}"
        )

    def _download(self, prefix: str, digest: str, directory: Path) -> None:
        data = self._manifest(prefix)
        if data is None:
            raise RegistryError(f"s3://{self._bucket}/{prefix} holds no published bundle")
        if digest_of(data) != digest:
            problem = f"what s3://{self._bucket}/{prefix} holds has digest {digest_of(data)}, but {digest} is pinned"
            raise BundleError(MANIFEST_FILE, problem)
        (directory / MANIFEST_FILE).write_bytes(data)
        signature = self._read(f"{prefix}{SIGNATURE_FILE}")
        if signature is not None:
            (directory / SIGNATURE_FILE).write_bytes(signature)
        for name in parse_manifest(data).files:
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as stream:
                shutil.copyfileobj(self._s3.get_object(Bucket=self._bucket, Key=f"{prefix}{name}")["Body"], stream)


def _prefix(name: str, version: str) -> str:
    return f"production/{name}/{version}/"


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code"))
