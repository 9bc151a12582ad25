"""The lock that lets one rollout at a time change an environment: an object of the releases bucket, and the calls on it.

It is written only if it is as it was read: `If-None-Match: *` for the first, `If-Match` after that.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
Its holder counts its heartbeats in it. How old the last one is, S3's own clock says: clocks of controllers need not agree.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from ..state import error_code

# Somebody else has written, deleted, or is writing it at this moment.
CHANGED = ("PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey")


class LockLostError(Exception):
    """Somebody else has the lock, or nobody."""


@dataclass(frozen=True)
class Held:
    """A lock as it was read.

    Attributes:
        body: `id`, `holder`, `purpose`, `since` (UTC, ISO 8601) and `beats`.
        age: seconds since the last heartbeat.
    """

    etag: str
    body: dict[str, Any]
    age: float

    def sentence(self) -> str:
        """Returns who holds it, for people."""
        return (
            f"{self.body['holder']} holds the lock since {self.body['since']}, for {self.body['purpose']}; the last "
            f"heartbeat is {self.age:.0f} seconds old."
        )


class Lock:
    """The lock of one environment."""

    def __init__(self, s3: Any, bucket: str, key: str) -> None:
        self._s3, self._object = s3, {"Bucket": bucket, "Key": key}

    def read(self) -> Held | None:
        """Returns the lock; None if nobody holds it."""
        try:
            answer = self._s3.get_object(**self._object)
        except self._s3.exceptions.NoSuchKey:
            return None
        date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
        now = parsedate_to_datetime(date) if date else datetime.now(UTC)
        age = max(0.0, (now - answer["LastModified"]).total_seconds())
        return Held(answer["ETag"], json.loads(answer["Body"].read()), age)

    def take(self, body: dict[str, Any], over: Held | None) -> bool:
        """Writes the lock where it is still as it was read, and says whether that was so."""
        condition = {"IfNoneMatch": "*"} if over is None else {"IfMatch": over.etag}
        try:
            self._s3.put_object(**self._object, **condition, Body=json.dumps(body).encode())
        except self._s3.exceptions.ClientError as error:
            if error_code(error) in CHANGED:
                return False
            raise
        return True

    def beat(self, identity: str) -> None:
        """Counts a heartbeat.

        Raises:
            LockLostError: it is not the caller's any more.
        """
        held = self._own(identity)
        if not self.take(held.body | {"beats": held.body["beats"] + 1}, held):
            self._own(identity)

    def release(self, identity: str) -> bool:
        """Removes the caller's lock; says whether it had one."""
        try:
            self._s3.delete_object(**self._object, IfMatch=self._own(identity).etag)
        except LockLostError:
            return False
        except self._s3.exceptions.ClientError as error:
            if error_code(error) in CHANGED:
                return False
            raise
        return True

    def _own(self, identity: str) -> Held:
        held = self.read()
        if held is None or held.body["id"] != identity:
            raise LockLostError(f"The lock was taken over. {held.sentence()}" if held else "The lock was removed.")
        return held


def body(identity: str, holder: str, purpose: str, now: datetime) -> dict[str, Any]:
    """Returns what a new lock says."""
    return {"id": identity, "holder": holder, "purpose": purpose, "since": now.isoformat(timespec="seconds"), "beats": 0}
