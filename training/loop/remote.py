"""Copies of the checkpoints in S3, for hosts that do not come back."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import BotoCoreError, ClientError

from training.loop import checkpoints
from training.loop.checkpoints import Checkpoint, CorruptCheckpointError, Position, Say

# Parts go in parallel; S3 checks the sha256 of each.
_TRANSFER = TransferConfig(multipart_threshold=16 << 20, multipart_chunksize=16 << 20, max_concurrency=8)
_CHECKED = {"ChecksumAlgorithm": "SHA256"}


class RemoteError(Exception):
    """S3 does not do what it is asked; the message says what."""


class RemoteCheckpoints:
    """The checkpoints below `s3://bucket/prefix`.

    Args:
        client: an S3 client; by default boto3's, from the environment's credentials, region and endpoint.

    Raises:
        RemoteError: this is no such address.
    """

    def __init__(self, url: str, client: Any | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme != "s3" or not parts.netloc or parts.query or parts.fragment:
            raise RemoteError(f"{url} is no place for checkpoints; write s3://bucket/prefix")
        self._bucket = parts.netloc
        prefix = parts.path.strip("/")
        self._prefix = f"{prefix}/" if prefix else ""
        self.location = f"s3://{self._bucket}/{self._prefix}"
        with self._translated():
            self._s3 = client or boto3.client("s3")

    def positions(self) -> list[Position]:
        """Return the positions of the checkpoints that are complete, the last first. Raises RemoteError."""
        with self._translated():
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
            names = [item["Key"][len(self._prefix) :] for page in pages for item in page.get("Contents", [])]
        return sorted((position for name in names if (position := checkpoints.position_of(name))), reverse=True)

    def upload(self, directory: Path, position: Position) -> None:
        """Copy a checkpoint to S3; the file that completes it goes last. Raises RemoteError."""
        for name in position.files:
            with self._translated():
                self._s3.upload_file(
                    str(directory / name), self._bucket, self._prefix + name, ExtraArgs=_CHECKED, Config=_TRANSFER
                )

    def fetch(self, directory: Path, position: Position) -> None:
        """Copy a checkpoint from S3; nothing is verified here. Raises RemoteError."""
        directory.mkdir(parents=True, exist_ok=True)
        for name in position.files:
            with self._translated():
                self._s3.download_file(self._bucket, self._prefix + name, str(directory / name), Config=_TRANSFER)

    def prune(self, keep: int = checkpoints.KEEP) -> None:
        """Remove all but the last checkpoints. Raises RemoteError."""
        for position in self.positions()[keep:]:
            for name in reversed(position.files):
                with self._translated():
                    self._s3.delete_object(Bucket=self._bucket, Key=self._prefix + name)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (BotoCoreError, Boto3Error, ClientError) as error:
            raise RemoteError(f"{self.location}: {error}") from None


def newest(directory: Path, remote: RemoteCheckpoints | None, warn: Say) -> Checkpoint | None:
    """Return the last checkpoint that is whole, of the local ones and those in S3; None where there is none.

    The one that is returned is a local one afterwards.

    Args:
        warn: is told about each one that is skipped.

    Raises:
        RemoteError: S3 cannot be listed, so that nobody can tell whether it has a later one.
    """
    here, there = set(checkpoints.positions(directory)), set(remote.positions() if remote else [])
    for position in sorted(here | there, reverse=True):
        if position in here:
            try:
                return checkpoints.read(directory, position)
            except CorruptCheckpointError as error:
                warn(f"skipped a checkpoint: {error}")
        if remote and position in there:
            try:
                remote.fetch(directory, position)
                return checkpoints.read(directory, position)
            except (RemoteError, CorruptCheckpointError) as error:
                warn(f"skipped the copy of {position.files[1]} in {remote.location}: {error}")
        # Left in place it would count as one of those that are kept.
        checkpoints.remove(directory, position)
    return None
