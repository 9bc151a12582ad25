"""Data in S3: downloaded once, by many transfers at a time, and only what is not there yet.

    <cache>/s3/objects/<digest>     one object, under the digest of its bucket, key, ETag and size: complete and verified
    <cache>/s3/views/<digest>/...   the objects of one listing under their names, as links

Objects that were downloaded before an interruption are not downloaded again. A view is never changed: when the bucket's
content changes, there is another one.
"""

import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import boto3
from boto3.s3.transfer import TransferConfig, create_transfer_manager
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from s3transfer.exceptions import RetriesExceededError
from s3transfer.subscribers import BaseSubscriber

from bundle.registry.errors import code, explain
from training.data.items import DataError
from training.data.progress import progress

SCHEME = "s3://"
_MIB = 2**20
# Small photos are bound by round trips, large files by bandwidth: many requests at a time, and parts of large objects too.
_TRANSFERS = TransferConfig(
    max_concurrency=32, multipart_threshold=16 * _MIB, multipart_chunksize=16 * _MIB, preferred_transfer_client="classic"
)
_RETRIES = Config(max_pool_connections=32, retries={"mode": "standard", "max_attempts": 5})
_MD5 = re.compile(r"[0-9a-f]{32}")
_CHANGED = "changed while it was downloaded, or was damaged on its way: run the same again"


@dataclass(frozen=True)
class _Object:
    key: str
    etag: str
    size: int

    def digest(self, bucket: str) -> str:
        return hashlib.sha256(f"{bucket}\n{self.key}\n{self.etag}\n{self.size}".encode()).hexdigest()


def fetch(location: str, cache: Path, say: Callable[[str], None]) -> Path:
    """Download an object, or all objects below a prefix, and return the file or directory.

    Args:
        location: s3://bucket/key or s3://bucket/prefix.

    Raises:
        DataError
    """
    bucket, _, prefix = location.removeprefix(SCHEME).partition("/")
    prefix = prefix.rstrip("/")
    root = cache / "s3"
    if not bucket:
        raise DataError(f"{location} names no bucket: write s3://bucket/prefix")
    with _clear_errors(bucket), _alone(root):
        client = boto3.client("s3", config=_RETRIES)
        objects = _listed(client, bucket, prefix)
        if not objects:
            raise DataError(f"{location} holds no objects")
        missing = [each for each in objects if not (root / "objects" / each.digest(bucket)).is_file()]
        if missing:
            megabytes = sum(each.size for each in missing) / 1e6
            say(f"{location}: downloading {len(missing):,} of {len(objects):,} objects, {megabytes:,.1f} MB")
            _download(client, bucket, missing, root / "objects")
        return _view(root, bucket, prefix, objects)


def _listed(client: Any, bucket: str, prefix: str) -> list[_Object]:
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    found = [_Object(each["Key"], each["ETag"].strip('"'), each["Size"]) for page in pages for each in page.get("Contents", [])]
    exact = [each for each in found if each.key == prefix]
    below = f"{prefix}/" if prefix else ""
    # Consoles make an empty object for what they show as a folder.
    return exact or [each for each in found if each.key.startswith(below) and not each.key.endswith("/")]


def _download(client: Any, bucket: str, objects: list[_Object], store: Path) -> None:
    store.mkdir(parents=True, exist_ok=True)
    for torn in store.glob(".*.part.*"):
        torn.unlink()
    with (
        progress("Downloading", sum(each.size for each in objects), in_bytes=True) as advance,
        create_transfer_manager(client, _TRANSFERS) as manager,
    ):
        begun = []
        for each in objects:
            # Renamed to this when it is whole, but verified only then: an earlier call may have been ended between the two.
            part = store / f".{each.digest(bucket)}.part"
            transfer = None
            if not part.is_file():
                transfer = manager.download(bucket, each.key, str(part), subscribers=[_Listed(each, advance)])
            begun.append((each, part, transfer))
        for each, part, transfer in begun:
            if transfer:
                transfer.result()
            _verify(client, bucket, each, part)
            part.replace(store / each.digest(bucket))


class _Listed(BaseSubscriber):
    """Tells a transfer what the listing said, which saves a request and refuses what is newer; and counts bytes."""

    def __init__(self, listed: _Object, advance: Callable[[int], None]) -> None:
        self._listed = listed
        self._advance = advance

    def on_queued(self, future: Any, **_: Any) -> None:
        future.meta.provide_transfer_size(self._listed.size)
        future.meta.provide_object_etag(f'"{self._listed.etag}"')

    def on_progress(self, bytes_transferred: int, **_: Any) -> None:
        self._advance(bytes_transferred)


def _verify(client: Any, bucket: str, listed: _Object, part: Path) -> None:
    """Compare the size, and the MD5 where the ETag is one: it is none of objects sent in parts or encrypted by KMS."""
    whole = part.stat().st_size == listed.size
    if whole and _MD5.fullmatch(listed.etag):
        with part.open("rb") as stream:
            md5 = hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        if md5 != listed.etag:
            head = client.head_object(Bucket=bucket, Key=listed.key)
            whole = head.get("ServerSideEncryption", "AES256") != "AES256" or "SSECustomerAlgorithm" in head
    if not whole:
        part.unlink()
        raise DataError(f"{SCHEME}{bucket}/{listed.key} {_CHANGED}")


def _view(root: Path, bucket: str, prefix: str, objects: list[_Object]) -> Path:
    listing = hashlib.sha256("\n".join([prefix, *sorted(each.digest(bucket) for each in objects)]).encode())
    view = root / "views" / listing.hexdigest()[:32]
    whole = objects[0].key == prefix
    if not view.is_dir():
        part = view.with_name(f".{view.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        for each in objects:
            name = PurePosixPath(prefix).name if whole else each.key.removeprefix(prefix).lstrip("/")
            if ".." in PurePosixPath(name).parts:
                raise DataError(f"{SCHEME}{bucket}/{each.key} has a name that is no plain path")
            path = part / name
            path.parent.mkdir(parents=True, exist_ok=True)
            os.link(root / "objects" / each.digest(bucket), path)
        part.replace(view)
    return view / PurePosixPath(prefix).name if whole else view


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Let the other processes of this machine wait: the first one downloads for all."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _clear_errors(bucket: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if code(error) in ("PreconditionFailed", "412"):
            raise DataError(f"{SCHEME}{bucket}: an object {_CHANGED}") from None
        raise DataError(explain(error, bucket)) from None
    except BotoCoreError as error:
        raise DataError(explain(error, bucket)) from None
    except (OSError, RetriesExceededError) as error:
        raise DataError(f"{SCHEME}{bucket}: {error}") from None
