"""The objects of one bucket: sent and fetched in parallel, each with its sha256, and never twice.

Files up to one part are sent in one request with the sha256 that S3 has to find. Larger ones go in parts: S3 keeps the
sha256 of each and answers the sha256 of these ("composite"), which the same part size gives again.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
"""

import base64
import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError
from s3transfer.manager import TransferManager
from s3transfer.subscribers import BaseSubscriber

from bundle.errors import BundleError, RegistryError
from bundle.loading import entry_of
from bundle.manifest import FileEntry
from bundle.registry.errors import DENIED, code, explained

PART_BYTES = 16 * 1024 * 1024
_WORKERS = 8
_CHUNK_BYTES = 1024 * 1024
# Of one file's download; each goes on where the one before broke off.
_ATTEMPTS = 5
_MAX_DOCUMENT_BYTES = 8 * 1024 * 1024
_DELETED_AT_ONCE = 1000  # limit of DeleteObjects
_MISSING = {"404", "NoSuchKey", "NotFound"}
_PAUSES = (0.2, 0.5, 1.0)  # seconds between attempts to write at the same time as somebody else

_Item = TypeVar("_Item")
_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class StoredObject:
    """One object: its key, size and the time of its last change (UTC)."""

    key: str
    bytes: int
    modified: datetime


class Store:
    """A bucket.

    Every method raises RegistryError, with one line that says what to do, where S3 refuses or cannot be reached.

    Args:
        client: an S3 client; by default boto3's, from the environment's credentials, region and endpoint.
        progress: called with the bytes done so far and in all, from several threads, while files are sent or fetched.
    """

    def __init__(self, bucket: str, client: Any | None = None, progress: Callable[[int, int], None] | None = None) -> None:
        self.bucket = bucket
        self._progress = progress
        self._s3 = client or self._connect()

    @explained
    def _connect(self) -> Any:
        retries = {"mode": "standard", "max_attempts": 5}
        return boto3.client("s3", config=Config(max_pool_connections=3 * _WORKERS, retries=retries))

    @property
    def region(self) -> str:
        """Name of the region that requests go to."""
        return str(self._s3.meta.region_name)

    def location(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"

    @explained
    def read(self, key: str) -> bytes | None:
        """Return a small object's content, None if there is none.

        Raises:
            RegistryError: also where it is larger than any document of the registry.
        """
        try:
            answer = self._s3.get_object(Bucket=self.bucket, Key=key)
        except ClientError as error:
            if code(error) in _MISSING or (code(error) in DENIED and key not in self._present(key)):
                return None
            raise
        if answer["ContentLength"] > _MAX_DOCUMENT_BYTES:
            raise RegistryError(f"{self.location(key)} has {answer['ContentLength']} bytes and is no document")
        body: bytes = answer["Body"].read()
        return body

    def read_all(self, keys: Iterable[str]) -> dict[str, bytes | None]:
        """Return the contents of several small objects by key."""
        wanted = list(keys)
        return dict(zip(wanted, _in_parallel(self.read, wanted), strict=True))

    @explained
    def write_once(self, key: str, body: bytes | BinaryIO) -> bool:
        """Write an object of up to 5 GB unless one is there (`If-None-Match: *`); return whether this call wrote it."""
        for pause in (*_PAUSES, None):
            if not isinstance(body, bytes):
                body.seek(0)
            try:
                self._s3.put_object(Bucket=self.bucket, Key=key, Body=body, IfNoneMatch="*", ChecksumAlgorithm="SHA256")
            except ClientError as error:
                if code(error) == "PreconditionFailed":
                    return False
                # Somebody else writes or deletes it at this moment.
                if code(error) != "ConditionalRequestConflict" or pause is None:
                    raise
                time.sleep(pause)
            else:
                break
        return True

    @explained
    def objects(self, prefix: str) -> list[StoredObject]:
        """Return what there is below a prefix, by key."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [
            StoredObject(item["Key"], item["Size"], item["LastModified"]) for page in pages for item in page.get("Contents", [])
        ]

    @explained
    def folders(self, prefix: str) -> list[str]:
        """Return the names of the folders directly below a prefix that ends with a slash."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix, Delimiter="/")
        found = [item["Prefix"] for page in pages for item in page.get("CommonPrefixes", [])]
        return [folder.removeprefix(prefix).rstrip("/") for folder in found]

    @explained
    def keeps_versions(self) -> bool:
        """Say whether a deleted object stays as an earlier version, behind a delete marker."""
        return "Status" in self._s3.get_bucket_versioning(Bucket=self.bucket)

    @explained
    def delete(self, keys: list[str]) -> None:
        """Delete objects."""
        for start in range(0, len(keys), _DELETED_AT_ONCE):
            batch = [{"Key": key} for key in keys[start : start + _DELETED_AT_ONCE]]
            answer = self._s3.delete_objects(Bucket=self.bucket, Delete={"Objects": batch, "Quiet": True})
            for failed in answer.get("Errors", []):
                raise RegistryError(f"{self.location(failed['Key'])} cannot be deleted: {failed.get('Message')}")

    @explained
    def upload(self, prefix: str, files: Mapping[str, tuple[Path, FileEntry]]) -> int:
        """Send files (by name below the prefix) that are not there with the same bytes; return how many were sent."""
        count = _Count(sum(entry.bytes for _, entry in files.values()), self._progress)
        parts = TransferConfig(multipart_threshold=PART_BYTES + 1, multipart_chunksize=PART_BYTES)
        present = self._present(prefix) if files else set()

        def send(item: tuple[str, tuple[Path, FileEntry]]) -> bool:
            key = prefix + item[0]
            return self._send(transfers, key, *item[1], count, is_present=key in present)

        with TransferManager(self._s3, parts) as transfers:
            return sum(_in_parallel(send, files.items()))

    def _send(
        self, transfers: TransferManager, key: str, path: Path, entry: FileEntry, count: "_Count", *, is_present: bool
    ) -> bool:
        wanted = base64.b64encode(bytes.fromhex(entry.sha256)).decode()
        in_parts = entry.bytes > PART_BYTES
        accepted = {wanted, composite(path)} if in_parts else {wanted}
        if is_present and self._checksum(key) in accepted:
            count.add(entry.bytes)
            return False
        if in_parts:
            told = [_Told(count)]
            transfers.upload(str(path), self.bucket, key, {"ChecksumAlgorithm": "SHA256"}, told).result()
            if self._checksum(key) not in accepted:
                raise RegistryError(f"{path} changed while it was sent; run the same command again")
            return True
        with path.open("rb") as body:
            self._s3.put_object(Bucket=self.bucket, Key=key, Body=body, ChecksumAlgorithm="SHA256", ChecksumSHA256=wanted)
        count.add(entry.bytes)
        return True

    def _checksum(self, key: str) -> str:
        present = self._s3.head_object(Bucket=self.bucket, Key=key, ChecksumMode="ENABLED")
        # S3 appends the number of parts, "…=-3".
        return str(present.get("ChecksumSHA256")).partition("-")[0]

    def _present(self, prefix: str) -> set[str]:
        """Return the keys below a prefix.

        Whoever may list only some prefixes is answered 403, not 404, when asking for an object that is not there.
        https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
        """
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return {item["Key"] for page in pages for item in page.get("Contents", [])}

    @explained
    def download(self, prefix: str, files: Mapping[str, FileEntry], directory: Path) -> None:
        """Fetch files (by name below the prefix) into a directory, going on where an earlier call broke off.

        Raises:
            BundleError: a file is missing, or is not what its entry says.
        """
        count = _Count(sum(entry.bytes for entry in files.values()), self._progress)
        for name in files:
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
        _in_parallel(lambda item: self._fetch(prefix, item[0], directory, item[1], count), files.items())

    def _fetch(self, prefix: str, name: str, directory: Path, entry: FileEntry, count: "_Count") -> None:
        path = directory / name
        present = path.stat().st_size if path.exists() else 0
        count.add(min(present, entry.bytes))
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._append(prefix, name, path, entry, count)
            except HTTPClientError:
                if attempt == _ATTEMPTS:
                    raise
                continue
            if entry_of(path).sha256 == entry.sha256:
                return
            path.unlink()
            if not present:
                break
            # What an earlier call left was of something else.
            present = 0
            count.add(-entry.bytes)
        problem = "its content was changed: its sha256 is not the manifest's"
        raise BundleError(name, f"{problem} in {self.location(prefix)}")

    def _append(self, prefix: str, name: str, path: Path, entry: FileEntry, count: "_Count") -> None:
        with path.open("ab") as stream:
            present = stream.tell()
            if present >= entry.bytes > 0:
                return
            asked = {"Range": f"bytes={present}-"} if present else {}
            try:
                answer = self._s3.get_object(Bucket=self.bucket, Key=prefix + name, **asked)
            except ClientError as error:
                if code(error) in {*_MISSING, "InvalidRange"}:
                    raise BundleError(name, f"is missing from {self.location(prefix)}, or too short there") from None
                raise
            size = present + answer["ContentLength"]
            if size != entry.bytes:
                problem = f"has {size} bytes in {self.location(prefix)}, but the manifest says {entry.bytes}"
                raise BundleError(name, problem)
            for chunk in answer["Body"].iter_chunks(_CHUNK_BYTES):
                stream.write(chunk)
                count.add(len(chunk))


def composite(path: Path) -> str:
    """Return the base64 checksum that S3 gives a file sent in parts: the sha256 of the sha256 of each."""
    digests = hashlib.sha256()
    with path.open("rb") as stream:
        while part := stream.read(PART_BYTES):
            digests.update(hashlib.sha256(part).digest())
    return base64.b64encode(digests.digest()).decode()


class _Count:
    """Bytes done, of all files together."""

    def __init__(self, total: int, tell: Callable[[int, int], None] | None) -> None:
        self._done, self._total = 0, total
        self._tell = tell
        self._lock = threading.Lock()

    def add(self, count: int) -> None:
        if self._tell is None:
            return
        with self._lock:
            self._done += count
            self._tell(self._done, self._total)


class _Told(BaseSubscriber):
    """Tells what s3transfer sends; a part that it sends again is first taken off."""

    def __init__(self, count: _Count) -> None:
        self._count = count

    def on_progress(self, bytes_transferred: int, **_: Any) -> None:
        self._count.add(bytes_transferred)


def _in_parallel(work: Callable[[_Item], _Answer], items: Iterable[_Item]) -> list[_Answer]:
    """Return the answers in the order of the items; the first error leaves out what has not begun."""
    pool = ThreadPoolExecutor(_WORKERS)
    try:
        futures = [pool.submit(work, item) for item in items]
        for future in as_completed(futures):
            future.result()
        return [future.result() for future in futures]
    finally:
        pool.shutdown(cancel_futures=True)
