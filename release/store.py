"""Release records in the releases bucket, and the parameter that points to the current one."""

import hashlib
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import ClientError

from bundle import digest_of
from bundle.manifest import MANIFEST_FILE
from release.environment import Environment
from release.errors import ReleaseError
from release.record import Record, verified

_LOST_RACE = {"PreconditionFailed", "ConditionalRequestConflict"}


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. `problem` is empty when it is as the record says."""

    subject: str
    problem: str


class Store:
    """The records of one environment."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._s3: Any = boto3.client("s3", region_name=environment.region)
        self._ssm: Any = boto3.client("ssm", region_name=environment.region)
        self._ec2: Any = boto3.client("ec2", region_name=environment.region)

    def location(self, identity: str) -> str:
        """Return the s3:// address of a record."""
        return f"s3://{self._environment.releases_bucket}/{_key(self._environment, identity)}"

    def current(self) -> str | None:
        """Return the id of the current release; None before the first.

        Raises:
            ReleaseError: the parameter points to something else than a record of this environment.
        """
        try:
            value: str = self._ssm.get_parameter(Name=self._environment.current_parameter)["Parameter"]["Value"]
        except ClientError as error:
            if error.response["Error"]["Code"] == "ParameterNotFound":
                return None
            raise ReleaseError(f"{self._environment.current_parameter} cannot be read: {error}") from None
        identity = value.rpartition("/")[2].removesuffix(".json")
        if value != self.location(identity):
            raise ReleaseError(
                f"{self._environment.current_parameter} points to {value}, which is no release of this environment"
            )
        return identity

    def read(self, identity: str) -> Record | None:
        """Return a record, its signature verified; None if there is none.

        Raises:
            ReleaseError: it is not what the environment's key signed under this name.
        """
        location = self.location(identity)
        data = self._read(_key(self._environment, identity))
        if data is None:
            return None
        record = verified(data, self._environment.public_key, location)
        if (record.id, record.environment) != (identity, self._environment.name):
            raise ReleaseError(f"{location} holds the record {record.id} of {record.environment}: do not roll it out")
        return record

    def identities(self) -> list[str]:
        """Return the ids of the environment's records, oldest first."""
        prefix = f"{self._environment.name}/"
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._environment.releases_bucket, Prefix=prefix, Delimiter="/"
        )
        found = [item for page in pages for item in page.get("Contents", []) if item["Key"].endswith(".json")]
        found.sort(key=lambda item: (item["LastModified"], item["Key"]))
        return [item["Key"].removeprefix(prefix).removesuffix(".json") for item in found]

    def keep_sbom(self, content: bytes) -> str:
        """Write a bill of materials under its digest; return its key."""
        key = f"sbom/{hashlib.sha256(content).hexdigest()}.cdx.json"
        self._write_once(key, content, "application/vnd.cyclonedx+json")
        return key

    def keep(self, record: Record, document: bytes) -> Record:
        """Write a record that is not there yet; return the one that is there, if somebody was faster."""
        if self._write_once(_key(self._environment, record.id), document, "application/json"):
            return record
        return self.read(record.id) or record

    def make_current(self, identity: str) -> bool:
        """Let the parameter point to a record; tell whether it changed."""
        present = self.current()
        if present == identity:
            return False
        tags = [{"Key": key, "Value": value} for key, value in self._environment.tags.items()]
        arguments: dict[str, Any] = {"Tags": tags} if present is None else {"Overwrite": True}
        self._ssm.put_parameter(
            Name=self._environment.current_parameter, Value=self.location(identity), Type="String", **arguments
        )
        return True

    def verify(self, record: Record) -> list[Check]:
        """Look at everything that a record names: its bill of materials, its model, its image."""
        return [
            Check("signature", ""),  # read() refuses everything else
            Check("bill of materials", self._sbom_problem(record)),
            Check("model", self._model_problem(record)),
            Check("image", self._image_problem(record)),
        ]

    def _sbom_problem(self, record: Record) -> str:
        data = self._read(record.sbom.key)
        if data is None:
            return f"{record.sbom.key} is missing"
        return "" if hashlib.sha256(data).hexdigest() == record.sbom.sha256 else f"{record.sbom.key} was changed"

    def _model_problem(self, record: Record) -> str:
        model = record.model
        key = f"production/{model.name}/{model.version}/{MANIFEST_FILE}"
        data = self._read(key, self._environment.models_bucket)
        if data is None:
            return f"{key} is missing"
        return "" if digest_of(data) == model.digest else f"{key} has the digest {digest_of(data)}, not {model.digest}"

    def _image_problem(self, record: Record) -> str:
        filters = [{"Name": "image-id", "Values": [record.image.id]}, {"Name": "state", "Values": ["available"]}]
        images = self._ec2.describe_images(Owners=["self"], Filters=filters)["Images"]
        if not images:
            return f"{record.image.id} is not there any more"
        tags = {tag["Key"]: tag["Value"] for tag in images[0].get("Tags", [])}
        wanted = {
            "Verified": "true",
            "ContentDigest": record.image.content_digest,
            "ModelDigest": record.model.digest,
            "Environment": record.environment,
        }
        wrong = [
            f"its tag {key} is {tags.get(key)}, not {value}" for key, value in wanted.items() if tags.get(key) != value
        ]
        return f"{record.image.id}: {'; '.join(wrong)}" if wrong else ""

    def _read(self, key: str, bucket: str | None = None) -> bytes | None:
        try:
            body: bytes = self._s3.get_object(Bucket=bucket or self._environment.releases_bucket, Key=key)[
                "Body"
            ].read()
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                return None
            raise ReleaseError(
                f"s3://{bucket or self._environment.releases_bucket}/{key} cannot be read: {error}"
            ) from None
        return body

    def _write_once(self, key: str, content: bytes, kind: str) -> bool:
        try:
            self._s3.put_object(
                Bucket=self._environment.releases_bucket, Key=key, Body=content, ContentType=kind, IfNoneMatch="*"
            )
        except ClientError as error:
            if error.response["Error"]["Code"] in _LOST_RACE:
                return False
            raise ReleaseError(f"s3://{self._environment.releases_bucket}/{key} cannot be written: {error}") from None
        return True


def _key(environment: Environment, identity: str) -> str:
    return f"{environment.name}/{identity}.json"
