"""Release records in the releases bucket, and the parameter that points to the current one."""

import hashlib
from collections.abc import Mapping
from typing import Any

import boto3
from botocore.exceptions import ClientError

from bundle import BundleError, digest_of
from bundle.registry import Registry, Store
from bundle.signing import verify
from delivery.environment import Environment
from delivery.errors import DeliveryError
from delivery.release.record import Record, verified


def problems_of(checks: Mapping[str, str]) -> str:
    """Return what is wrong, by the subjects of which something is; "" where all is as it should be."""
    return "; ".join(f"{subject}: {problem}" for subject, problem in checks.items() if problem)


class Releases:
    """The records of one environment."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._store = Store(environment.releases_bucket)
        self._ssm: Any = boto3.client("ssm")
        self._ec2: Any = boto3.client("ec2")

    def location(self, identity: str) -> str:
        """Return the s3:// address of a record."""
        return self._store.location(self._key(identity))

    def missing(self, identity: str) -> DeliveryError:
        """Return the error that says which records there are instead of one."""
        return DeliveryError(
            f"{self.location(identity)} is missing; the releases are: {', '.join(self.identities()) or 'none'}"
        )

    def current(self) -> str | None:
        """Return the id of the current release; None before the first. Raises DeliveryError where it is none."""
        name = self._environment.current_parameter
        try:
            value: str = self._ssm.get_parameter(Name=name)["Parameter"]["Value"]
        except self._ssm.exceptions.ParameterNotFound:
            return None
        except ClientError as error:
            raise DeliveryError(f"{name} cannot be read: {error}") from None
        identity = value.rpartition("/")[2].removesuffix(".json")
        if value != self.location(identity):
            raise DeliveryError(f"{name} points to {value}, which is no release of this environment")
        return identity

    def read(self, identity: str) -> Record | None:
        """Return a record; None if there is none. Raises DeliveryError where nobody trusted has signed it as this one."""
        data = self._store.read(self._key(identity))
        if data is None:
            return None
        record = verified(data, self._environment.keys, self.location(identity))
        if (record.id, record.environment) != (identity, self._environment.name):
            raise DeliveryError(
                f"{self.location(identity)} holds the record {record.id} of {record.environment}: do not roll it out"
            )
        return record

    def identities(self) -> list[str]:
        """Return the ids of the environment's records, oldest first."""
        prefix = f"{self._environment.name}/"
        found = [item for item in self._store.objects(prefix) if item.key.endswith(".json")]
        found.sort(key=lambda item: (item.modified, item.key))
        names = [item.key.removeprefix(prefix).removesuffix(".json") for item in found]
        return [name for name in names if "/" not in name]  # reports of rollouts have a folder of their own

    def write_sbom(self, content: bytes) -> str:
        """Write a bill of materials under its digest; return its key."""
        key = f"sbom/{hashlib.sha256(content).hexdigest()}.cdx.json"
        self._store.write_once(key, content)
        return key

    def write(self, record: Record, document: bytes) -> Record:
        """Write a record that is not there yet; return the one that is there, if somebody was faster."""
        if self._store.write_once(self._key(record.id), document):
            return record
        return self.read(record.id) or record

    def make_current(self, identity: str) -> bool:
        """Let the parameter point to a record; tell whether it changed."""
        present = self.current()
        if present == identity:
            return False
        tags = [{"Key": key, "Value": value} for key, value in self._environment.tags.items()]
        arguments: dict[str, Any] = {"Tags": tags} if present is None else {"Overwrite": True}
        name, value = self._environment.current_parameter, self.location(identity)
        self._ssm.put_parameter(Name=name, Value=value, Type="String", **arguments)
        return True

    def verify(self, record: Record) -> dict[str, str]:
        """Look at everything that a record names; return what is wrong, by subject: "" for what is as the record says."""
        return {
            "signature": "",  # read() refuses everything else
            "bill of materials": self._sbom_problem(record),
            "model": self.model_problem(record.model.name, record.model.version, record.model.digest),
            "image": self.image_problem(record.image.id, record.model.digest, record.image.content_digest),
        }

    def _sbom_problem(self, record: Record) -> str:
        data = self._store.read(record.sbom.key)
        if data is None:
            return f"{record.sbom.key} is missing"
        return "" if hashlib.sha256(data).hexdigest() == record.sbom.sha256 else f"{record.sbom.key} was changed"

    def model_problem(self, name: str, version: str, digest: str) -> str:
        """Return what is wrong with a published model; "" if it is as it was released, by a key that is still trusted."""
        bucket = self._environment.models_bucket
        registry = Registry(bucket)
        data = registry.manifest(name, version)
        location = f"s3://{bucket}/production/{name}/{version}"
        if data is None:
            return f"{location} is not published any more"
        if digest_of(data) != digest:
            return f"{location} has the digest {digest_of(data)}, not {digest}"
        try:
            verify(registry.signature(name, version), self._environment.keys, data)
        except BundleError as error:
            return f"{location}/{error}"
        return ""

    def image_problem(self, identity: str, model_digest: str, content_digest: str | None = None) -> str:
        """Return what is wrong with an image; "" if it is there, verified, and made of what it should be made of."""
        filters = [{"Name": "image-id", "Values": [identity]}, {"Name": "state", "Values": ["available"]}]
        images = self._ec2.describe_images(Owners=["self"], Filters=filters)["Images"]
        if not images:
            return f"{identity} is not there any more"
        tags = {tag["Key"]: tag["Value"] for tag in images[0].get("Tags", [])}
        wanted = {"Verified": "true", "ModelDigest": model_digest, "Environment": self._environment.name}
        if content_digest:
            wanted["ContentDigest"] = content_digest
        wrong = [f"its tag {key} is {tags.get(key)}, not {value}" for key, value in wanted.items() if tags.get(key) != value]
        return f"{identity}: {'; '.join(wrong)}" if wrong else ""

    def _key(self, identity: str) -> str:
        return f"{self._environment.name}/{identity}.json"
